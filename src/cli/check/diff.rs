//! `dogwatch check --diff`: what a reload of the running watchdog to this configuration would change. Both sides are
//! compared as they are shown, without secrets: those never leave the watchdog. Whether they are others, a digest tells.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
};

use serde_json::{Map, Value, json};

use super::CheckArgs;
use crate::{
    cli::{
        Output,
        ask::{AskArgs, Watchdog},
        output,
    },
    config::Config,
    model::{
        Secret,
        sealed::{self, secrets_of},
        text,
    },
    rule::{Group, Kind},
};

/// A longer value is not read in a list of changes.
const VALUE_CHARS_MAX: usize = 60;

/// Asks, compares and prints; exit status 0 whether something would change or not.
pub(super) async fn print(config: &Config, groups: &[Group], args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let ask = AskArgs { config: args.config.config.clone(), reach: args.reach.clone(), output: args.output };
    let watchdog = Watchdog::new(&ask).await?;
    let answer = watchdog.get("/api/v1/status/config?sealed=true").await?;
    let mut running: Value = serde_saphyr::from_str(answer["data"]["yaml"].as_str().unwrap_or_default())
        .map_err(|_| anyhow::anyhow!("what it says of its configuration can't be read: is it of another version?"))?;
    let mut wanted: Value = serde_saphyr::from_str(&config.shown())?;
    let given = by_command_line(&answer["data"], &mut running, &mut wanted);
    let mut changes = Vec::new();
    compare("", &running, &wanted, &mut changes);
    let (secrets, sealed) = (secrets_of(config), answer["data"]["secrets"].clone());
    // An older one tells nothing of them.
    if answer["data"]["byCommandLine"].is_array() {
        changes.extend(tokio::task::spawn_blocking(move || of_secrets(secrets.as_ref(), &sealed)).await?);
    }
    let rules = watchdog.get("/api/v1/rules").await?;
    changes.extend(between(&of_answer(&rules["data"]["groups"]), &of_files(groups)));
    if args.output == Output::Json {
        output::say_json(&serde_json::to_string_pretty(&json!({"changes": changes}))?);
        return Ok(ExitCode::SUCCESS);
    }
    if changes.is_empty() {
        output::say("a reload would change nothing");
    }
    changes.iter().for_each(|change| output::say(change));
    if !given.is_empty() {
        let (keys, is) = (given.join(" and "), if given.len() == 1 { "is" } else { "are" });
        output::note(&format!(
            "{keys} {is} given on the running dogwatch's command line, which counts before the file"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Takes what the command line of the running one gave out of both; its keys.
fn by_command_line(told: &Value, running: &mut Value, wanted: &mut Value) -> Vec<String> {
    let keys = told["byCommandLine"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let keys: Vec<String> = keys.map(str::to_owned).collect();
    for side in [running, wanted].into_iter().filter_map(Value::as_object_mut) {
        side.retain(|key, _| !keys.contains(key));
    }
    keys
}

/// Whether those that stand in the configuration itself are others, all together; which, nobody is told. Takes its time.
fn of_secrets(wanted: Option<&Secret>, running: &Value) -> Option<String> {
    let (salt, digest) = (running["salt"].as_str(), running["digest"].as_str());
    let are_others = match (wanted, salt, digest) {
        (Some(wanted), Some(salt), Some(digest)) => sealed::seal(wanted, salt) != digest,
        (wanted, ..) => wanted.is_some() != digest.is_some(),
    };
    are_others.then(|| "secrets that stand in the configuration, or come from ${NAME}: not the same".to_owned())
}

/// Says what is different below a path, a line each. Items of lists that have names are known by them.
fn compare(path: &str, old: &Value, new: &Value, changes: &mut Vec<String>) {
    if old == new {
        return;
    }
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => keys(&below, old, new, changes),
        (Value::Array(old), Value::Array(new)) => match (by_name(old), by_name(new)) {
            (Some(was), Some(is)) => {
                let before = changes.len();
                keys(&|name| format!("{path} {name}"), &was, &is, changes);
                if changes.len() == before {
                    changes.push(format!("{path}: in another order"));
                }
            }
            _ if old.len() == new.len() => {
                for (i, (old, new)) in old.iter().zip(new).enumerate() {
                    compare(&format!("{path}[{i}]"), old, new, changes);
                }
            }
            _ => changes.push(format!("{path}: {} is now {}", short(old.clone()), short(new.clone()))),
        },
        _ => changes.push(format!("{path}: {} is now {}", short(old.clone()), short(new.clone()))),
    }
}

fn keys(below: &dyn Fn(&str) -> String, old: &Map<String, Value>, new: &Map<String, Value>, changes: &mut Vec<String>) {
    let all: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for key in all {
        let path = below(key);
        match (old.get(key), new.get(key)) {
            (Some(old), Some(new)) => compare(&path, old, new, changes),
            (None, Some(new)) if is_plain(new) => changes.push(format!("{path}: added, {}", short(new.clone()))),
            (None, _) => changes.push(format!("{path}: added")),
            (Some(_), None) => changes.push(format!("{path}: removed")),
        }
    }
}

fn is_plain(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

/// The items of a list by their names; `None` where one has none, or two have the same.
fn by_name(items: &[Value]) -> Option<Map<String, Value>> {
    let mut named = Map::new();
    for item in items {
        let name = item.get("name")?.as_str()?;
        if named.insert(name.to_owned(), item.clone()).is_some() {
            return None;
        }
    }
    Some(named)
}

fn short(value: impl Into<Value>) -> String {
    let value = value.into();
    let written = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text::clip(&text::one_line(&written), VALUE_CHARS_MAX).to_string()
}

/// Rules by file and group, with what counts of each.
type Rules = BTreeMap<String, Vec<Value>>;

fn of_files(groups: &[Group]) -> Rules {
    let rule = |rule: &crate::rule::Rule| {
        let labels: BTreeMap<&str, &str> = rule.labels.iter().map(|(k, l)| (k.as_str(), l.text.as_str())).collect();
        let (hold, keep) = match &rule.kind {
            Kind::Alerting { hold, keep_firing_for, .. } => (hold.as_secs_f64(), keep_firing_for.as_secs_f64()),
            Kind::Recording => (0.0, 0.0),
        };
        json!([rule.name, rule.query.pretty(), labels, hold, keep, rule.annotation_texts])
    };
    groups.iter().map(|g| (g.key().to_string(), g.rules.iter().map(|r| rule(r)).collect())).collect()
}

/// The same, as the watchdog tells them. What it finds without rules has no query.
fn of_answer(groups: &Value) -> Rules {
    let number = |v: &Value| v.as_f64().unwrap_or_default();
    let rule = |r: &Value| {
        let texts = |v: &Value| if v.is_null() { json!({}) } else { v.clone() };
        json!([
            r["name"],
            r["query"],
            texts(&r["labels"]),
            number(&r["duration"]),
            number(&r["keepFiringFor"]),
            texts(&r["annotations"])
        ])
    };
    let groups = groups.as_array().into_iter().flatten();
    let mut all = Rules::new();
    for group in groups {
        let rules: Vec<&Value> = group["rules"].as_array().into_iter().flatten().collect();
        if rules.iter().all(|rule| rule["query"] == "") {
            continue;
        }
        let text = |key: &str| group[key].as_str().unwrap_or_default();
        all.insert(format!("{};{}", text("file"), text("name")), rules.into_iter().map(rule).collect());
    }
    all
}

fn between(old: &Rules, new: &Rules) -> Vec<String> {
    let all: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut changes = Vec::new();
    for key in all {
        match (old.get(key), new.get(key)) {
            (Some(old), Some(new)) if old == new => {}
            (Some(_), Some(_)) => changes.push(format!("rule group {key}: changed")),
            (None, _) => changes.push(format!("rule group {key}: added")),
            (Some(_), None) => changes.push(format!("rule group {key}: removed")),
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_different_is_told_a_line_each() {
        let old = json!({
            "clusters": [{"name": "prod", "kubelet": {"via": "auto"}}, {"name": "old"}],
            "checks": [{"name": "a"}, {"name": "b"}],
            "storage": {"retention": "30d"}, "allowed_hosts": ["a"], "global": {"key": "<secret>"},
        });
        let new = json!({
            "clusters": [{"name": "prod", "kubelet": {"via": "proxy"}}, {"name": "edge"}],
            "checks": [{"name": "b"}, {"name": "a"}],
            "storage": {"retention": "30d", "max_size": "2 GB"}, "allowed_hosts": ["a", "b"], "global": {"key": "<secret>"},
        });
        let mut changes = Vec::new();
        compare("", &old, &new, &mut changes);
        assert_eq!(
            changes,
            [
                "allowed_hosts: [\"a\"] is now [\"a\",\"b\"]",
                "checks: in another order",
                "clusters edge: added",
                "clusters old: removed",
                "clusters prod.kubelet.via: auto is now proxy",
                "storage.max_size: added, 2 GB",
            ]
        );
        changes.clear();
        compare("", &old, &old, &mut changes);
        assert!(changes.is_empty());
    }

    #[test]
    fn secrets_that_are_others_are_told_without_them() {
        let one = Secret::new("hunter2");
        let running = json!({"salt": "ab", "digest": sealed::seal(&one, "ab")});
        assert_eq!(of_secrets(Some(&one), &running), None);
        let told = of_secrets(Some(&Secret::new("hunter3")), &running).unwrap();
        assert!(!told.contains("hunter"), "{told}");
        assert!(of_secrets(None, &running).is_some() && of_secrets(Some(&one), &Value::Null).is_some());
        assert_eq!(of_secrets(None, &Value::Null), None);
    }

    #[test]
    fn what_the_command_line_gave_is_no_difference() {
        let told = json!({"byCommandLine": ["listen"]});
        let (mut running, mut wanted) =
            (json!({"listen": "a", "data_dir": "x"}), json!({"listen": "b", "data_dir": "x"}));
        assert_eq!(by_command_line(&told, &mut running, &mut wanted), ["listen"]);
        assert_eq!(running, wanted);
        assert!(by_command_line(&Value::Null, &mut running, &mut wanted).is_empty());
    }

    #[test]
    fn rules_are_known_by_file_and_group() {
        let read = |text: &str| of_files(&crate::rule::read(std::path::Path::new("r.yml"), text).unwrap());
        let old = read(
            "groups: [{name: a, rules: [{alert: A, expr: up == 0, for: 1m}]}, {name: b, rules: [{record: b, expr: up}]}]",
        );
        let new = read(
            "groups: [{name: a, rules: [{alert: A, expr: up == 0, for: 2m}]}, {name: c, rules: [{record: b, expr: up}]}]",
        );
        let expected = ["rule group r.yml;a: changed", "rule group r.yml;b: removed", "rule group r.yml;c: added"];
        assert_eq!(between(&old, &new), expected);
        assert!(between(&old, &old).is_empty());
    }
}
