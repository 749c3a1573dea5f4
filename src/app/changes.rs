//! What a reload changes, in one line. Pure.

use std::collections::BTreeMap;

use crate::{config::Config, rule};

/// Names that are told of one kind; more would hide what else there is.
const NAMES_MAX: usize = 5;

/// Says what is different between two configurations and their rules.
pub fn between<'a>(
    old: (&Config, impl Iterator<Item = &'a rule::Group>),
    new: (&Config, impl Iterator<Item = &'a rule::Group>),
) -> String {
    let ((old, old_rules), (new, new_rules)) = (old, new);
    let mut said = vec![
        named("clusters", by(&old.clusters, |c| c.name.clone()), &by(&new.clusters, |c| c.name.clone())),
        named("checks", by(&old.checks, |c| c.name.clone()), &by(&new.checks, |c| c.name.clone())),
        named(
            "rule groups",
            old_rules.map(|g| (g.key().to_string(), g)).collect(),
            &new_rules.map(|g| (g.key().to_string(), g)).collect(),
        ),
        named("receivers", by(&old.receivers, |r| r.name.clone()), &by(&new.receivers, |r| r.name.clone())),
        named("slos", by(&old.slos, |s| s.name.clone()), &by(&new.slos, |s| s.name.clone())),
        named(
            "restore drills",
            by(&old.restore_drills, |d| d.name.clone()),
            &by(&new.restore_drills, |d| d.name.clone()),
        ),
        named("heartbeats", by(&old.heartbeats, |h| h.name.clone()), &by(&new.heartbeats, |h| h.name.clone())),
        named("remote_write", by(&old.remote_write, |r| r.name()), &by(&new.remote_write, |r| r.name())),
        (old.listen != new.listen).then(|| format!("listen: {} is now {}", old.listen, new.listen)),
    ];
    let times = |c: &Config| (c.time_intervals.clone(), c.mute_time_intervals.clone());
    let delivery = |c: &Config| (c.notifications.clone(), c.tell_warnings_after);
    let keys = [
        ("global", old.global != new.global),
        ("routes", old.route != new.route),
        ("inhibit_rules", old.inhibit_rules != new.inhibit_rules),
        ("time intervals", times(old) != times(new)),
        ("templates", old.templates != new.templates),
        ("delivery", delivery(old) != delivery(new)),
        ("defaults", old.defaults != new.defaults),
        ("web_config", old.web_config != new.web_config),
        ("auth", old.auth != new.auth || old.allow_unauthenticated != new.allow_unauthenticated),
        ("allowed_hosts", old.allowed_hosts != new.allowed_hosts),
        ("cors", old.cors != new.cors),
        ("external_url", old.external_url != new.external_url),
        ("external_labels", old.external_labels != new.external_labels),
        ("vantage", old.vantage != new.vantage),
        ("peers", (&old.peers, old.confirm) != (&new.peers, new.confirm)),
        ("storage", old.storage != new.storage),
        ("query", old.query != new.query),
        ("schedule", old.schedule != new.schedule),
        ("dead_mans_switch", old.dead_mans_switch != new.dead_mans_switch),
        ("drill", old.drill != new.drill),
        ("report", old.report != new.report),
    ];
    let keys: Vec<&str> = keys.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect();
    said.push((!keys.is_empty()).then(|| format!("changed: {}", keys.join(", "))));
    let said: Vec<String> = said.into_iter().flatten().collect();
    if said.is_empty() { "nothing has changed".into() } else { said.join("; ") }
}

fn by<T>(all: &[T], name: impl Fn(&T) -> String) -> BTreeMap<String, &T> {
    all.iter().map(|thing| (name(thing), thing)).collect()
}

/// `clusters: edge added, prod changed, old removed`.
fn named<T: PartialEq>(what: &str, old: BTreeMap<String, T>, new: &BTreeMap<String, T>) -> Option<String> {
    let of = |name: &String, thing: &T| match old.get(name) {
        None => Some(format!("{name} added")),
        Some(before) if before != thing => Some(format!("{name} changed")),
        Some(_) => None,
    };
    let mut said: Vec<String> = new.iter().filter_map(|(name, thing)| of(name, thing)).collect();
    said.extend(old.keys().filter(|name| !new.contains_key(*name)).map(|name| format!("{name} removed")));
    let more = said.len().saturating_sub(NAMES_MAX);
    said.truncate(NAMES_MAX);
    if more > 0 {
        said.push(format!("{more} more"));
    }
    (!said.is_empty()).then(|| format!("{what}: {}", said.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::config::ClusterConfig;

    #[test]
    fn what_is_different_is_named() {
        let base = || Config {
            clusters: ["prod", "old"].map(ClusterConfig::named).to_vec(),
            listen: "127.0.0.1:1".parse().unwrap(),
            ..Config::default()
        };
        let groups = |names: &[&str]| {
            let groups = names.iter().map(|n| format!("{{name: {n}, rules: [{{alert: A, expr: up}}]}}"));
            let text = format!("groups: [{}]", groups.collect::<Vec<_>>().join(", "));
            rule::read(std::path::Path::new("r.yml"), &text).unwrap()
        };
        let check = |new: Config, rules: &[&str], expected: &str| {
            let (old, was, is) = (base(), groups(&["a", "b"]), groups(rules));
            assert_eq!(between((&old, was.iter()), (&new, is.iter())), expected);
        };
        check(base(), &["a", "b"], "nothing has changed");
        check(base(), &["a", "c"], "rule groups: r.yml;c added, r.yml;b removed");
        let mut prod = ClusterConfig::named("prod");
        prod.labels.insert("a".into(), "b".into());
        let clusters = vec![ClusterConfig::named("edge"), prod];
        let said = "clusters: edge added, prod changed, old removed; listen: 127.0.0.1:1 is now 127.0.0.1:2";
        check(Config { clusters, listen: "127.0.0.1:2".parse().unwrap(), ..base() }, &["a", "b"], said);
        let more = Config { clusters: ["1", "2", "3", "4"].map(ClusterConfig::named).to_vec(), ..base() };
        let said = "clusters: 1 added, 2 added, 3 added, 4 added, old removed, 1 more; changed: external_labels, drill";
        let labels = [("vantage".to_owned(), "home".to_owned())].into();
        let drill = Some(serde_json::from_value(serde_json::json!({"schedule": "0 3 * * *"})).unwrap());
        check(Config { external_labels: labels, drill, ..more }, &["a", "b"], said);
    }
}
