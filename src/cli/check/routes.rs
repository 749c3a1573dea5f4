//! Who would be told of what, by the routes alone: each alert that exists, for each cluster and severity that it may have.
//! Pure. Labels that only an alert itself brings along (a node, an instance) are not known before; routes that ask for them
//! are told apart.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::Serialize;

use crate::{
    config::Config,
    dispatch::{Routing, config::EscalateIf, route::Route},
    model::{ALERTNAME, AlertName, Pairs, Severity, duration, with_external},
    notify::receiver_of,
    rule::{Group, Kind},
};

/// What findings can be.
const SEVERITIES: [Severity; 2] = [Severity::Critical, Severity::Warning];

/// Some alerts, and who is told of them.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Told {
    /// `diagnosis`, `rules`, or the check or heartbeat that they are of.
    pub of: String,
    /// Their names.
    pub alerts: Vec<String>,
    /// Of these clusters; empty: whichever it is.
    pub clusters: Vec<String>,
    /// Of these severities; empty: whichever it is.
    pub severities: Vec<String>,
    /// Who is told, in which order; empty: nobody.
    pub receivers: Vec<String>,
}

/// Who is told of all alerts that exist, and the routes that none of them is known to take.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Routes {
    pub told: Vec<Told>,
    /// What each asks for, and who is told.
    pub others: Vec<(String, Vec<String>)>,
}

/// Where an alert comes from, as far as routes can tell: cluster and severity.
type Cell = (String, String);

/// Who is told, by where an alert comes from.
type People = BTreeMap<Cell, Vec<String>>;

/// The routes, asked.
struct Asked<'a> {
    routing: &'a Routing,
    external: Pairs,
    /// Receivers that tell somebody.
    speaking: BTreeSet<&'a str>,
    taken: BTreeSet<Arc<str>>,
    clusters: Vec<String>,
}

/// Says who is told of what.
///
/// # Errors
/// What is wrong with routes or receivers.
pub(super) fn explained(config: &Config, groups: &[Group]) -> Result<Routes, String> {
    let wrong = |(at, why): (String, String)| format!("{at}: {why}");
    let routing = config.routing().map_err(wrong)?;
    let integrations = config.integrations().map_err(wrong)?;
    let mut asked = Asked {
        routing: &routing,
        external: config.external_labels.clone(),
        speaking: integrations.iter().map(|i| receiver_of(&i.name)).collect(),
        taken: BTreeSet::new(),
        clusters: config.groups().map(str::to_owned).collect(),
    };
    let severities = SEVERITIES.map(|s| s.to_string());
    // What the watchdog finds of itself is of no cluster.
    let scopes: Vec<String> = asked.clusters.iter().cloned().chain([String::new()]).collect();
    let found = AlertName::ALL.iter().map(|name| (name.to_string(), Pairs::new(), severities.to_vec()));
    let mut told = asked.told("diagnosis", &scopes, found);
    let of_rules = alerting(groups).into_iter().map(|(name, labels)| {
        let severity = labels.get("severity").cloned().unwrap_or_default();
        (name, labels, vec![severity])
    });
    told.extend(asked.told("rules", &scopes, of_rules));
    for check in &config.checks {
        let name = AlertName::CheckFailing.to_string();
        let labels = with(&check.labels, "job", &check.name);
        let cell = [check.group().to_owned()];
        told.extend(asked.told(
            &format!("check {}", check.name),
            &cell,
            [(name, labels, vec![check.severity.to_string()])],
        ));
    }
    for job in &config.heartbeats {
        let labels = with(&job.labels, "heartbeat", &job.name);
        let names = [AlertName::HeartbeatLate, AlertName::HeartbeatFailed, AlertName::HeartbeatTooLong];
        let alerts = names.map(|name| (name.to_string(), labels.clone(), vec![job.severity.to_string()]));
        let cell = [job.cluster.clone().unwrap_or_default()];
        told.extend(asked.told(&format!("heartbeat {}", job.name), &cell, alerts));
    }
    let all = routing.tree.as_ref().map(|tree| tree.all()).unwrap_or_default();
    let others = all.into_iter().filter(|route| !asked.taken.contains(&route.place) && !route.place.is_empty());
    let others = others.map(|route| (route.key.to_string(), asked.words(&[route]))).collect();
    Ok(Routes { told, others })
}

/// The alerting rules, with the labels that they give; of templates nobody knows before what they become.
fn alerting(groups: &[Group]) -> Vec<(String, Pairs)> {
    let rules = groups.iter().flat_map(|group| &group.rules).filter(|rule| matches!(rule.kind, Kind::Alerting { .. }));
    let labels = |labels: &[(String, crate::rule::file::Label)]| {
        labels.iter().filter(|(_, l)| !l.text.contains("{{")).map(|(k, l)| (k.clone(), l.text.clone())).collect()
    };
    rules.map(|rule| (rule.name.clone(), labels(&rule.labels))).collect()
}

fn with(labels: &BTreeMap<String, String>, key: &str, value: &str) -> Pairs {
    labels.iter().map(|(k, v)| (k.clone(), v.clone())).chain([(key.to_owned(), value.to_owned())]).collect()
}

impl Asked<'_> {
    /// Alerts of which the same people are told stand together, in the order in which they came.
    fn told(
        &mut self,
        of: &str,
        scopes: &[String],
        alerts: impl IntoIterator<Item = (String, Pairs, Vec<String>)>,
    ) -> Vec<Told> {
        let mut alike: Vec<(People, Vec<String>)> = Vec::new();
        for (name, labels, severities) in alerts {
            let mut who = BTreeMap::new();
            for (cluster, severity) in scopes.iter().flat_map(|c| severities.iter().map(move |s| (c, s))) {
                let mut labels = labels.clone();
                labels.insert(ALERTNAME.into(), name.clone());
                let known = [("cluster", cluster), ("severity", severity)].into_iter().filter(|(_, v)| !v.is_empty());
                labels.extend(known.map(|(k, v)| (k.to_owned(), v.clone())));
                who.insert(
                    (cluster.clone(), severity.clone()),
                    self.receivers(&with_external(&labels, &self.external)),
                );
            }
            match alike.iter_mut().find(|(known, _)| *known == who) {
                Some((_, names)) if names.contains(&name) => {}
                Some((_, names)) => names.push(name),
                None => alike.push((who, vec![name])),
            }
        }
        alike.into_iter().flat_map(|(who, names)| rows(of, &who, &names)).collect()
    }

    fn receivers(&mut self, labels: &Pairs) -> Vec<String> {
        let routes = self.routing.routes(labels);
        self.taken.extend(routes.iter().map(|route| route.place.clone()));
        self.words(&routes)
    }

    /// Who is told by these routes, and when not; then who is called in.
    fn words(&self, routes: &[&Route]) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for route in routes {
            let silent = if self.speaking.contains(&*route.receiver) { "" } else { " (which tells nobody)" };
            let mut times = String::new();
            if !route.mute.is_empty() {
                times.push_str(&format!(", not during {}", route.mute.join(", ")));
            }
            if !route.active.is_empty() {
                times.push_str(&format!(", only during {}", route.active.join(", ")));
            }
            all.push(format!("{}{silent}{times}", route.receiver));
            for step in &route.escalation {
                let unless = match step.unless {
                    EscalateIf::NotAcknowledged => "nobody looks after it",
                    EscalateIf::NotAccepted => "it was not accepted",
                };
                all.push(format!("{} after {} if {unless}", step.receiver, duration::to_prometheus(step.after)));
            }
        }
        let mut seen = BTreeSet::new();
        all.retain(|words| seen.insert(words.clone()));
        all
    }
}

/// One row for each set of people.
fn rows(of: &str, who: &People, alerts: &[String]) -> Vec<Told> {
    let mut by_people: Vec<(&Vec<String>, Vec<&Cell>)> = Vec::new();
    for (cell, people) in who {
        match by_people.iter_mut().find(|(known, _)| *known == people) {
            Some((_, cells)) => cells.push(cell),
            None => by_people.push((people, vec![cell])),
        }
    }
    let (all_clusters, all_severities) = sides(&who.keys().collect::<Vec<_>>());
    let mut rows = Vec::new();
    for (people, cells) in by_people {
        // For each severity its clusters; severities with the same ones are one row.
        let mut parts: Vec<(Vec<String>, Vec<String>)> = Vec::new();
        for severity in sides(&cells).1 {
            let of_it: Vec<&Cell> = cells.iter().copied().filter(|(_, s)| *s == severity).collect();
            let clusters = sides(&of_it).0;
            match parts.iter_mut().find(|(known, _)| *known == clusters) {
                Some((_, severities)) => severities.push(severity),
                None => parts.push((clusters, vec![severity])),
            }
        }
        for (clusters, severities) in parts {
            let some = |part: Vec<String>, all: &[String]| {
                let is_any = part.len() == all.len() && (all.len() > 1 || part.iter().all(String::is_empty));
                if is_any { Vec::new() } else { part }
            };
            rows.push(Told {
                of: of.to_owned(),
                alerts: alerts.to_vec(),
                clusters: some(clusters, &all_clusters),
                severities: some(severities, &all_severities),
                receivers: people.clone(),
            });
        }
    }
    rows
}

/// The clusters and the severities that cells are of.
fn sides(cells: &[&Cell]) -> (Vec<String>, Vec<String>) {
    let clusters: BTreeSet<&String> = cells.iter().map(|(cluster, _)| cluster).collect();
    let severities: BTreeSet<&String> = cells.iter().map(|(_, severity)| severity).collect();
    (clusters.into_iter().cloned().collect(), severities.into_iter().cloned().collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const CONFIG: &str = "
clusters: [{name: prod}, {name: test}]
checks: [{name: shop, tcp: {address: 'shop.example:443'}, labels: {team: shop}}]
receivers:
  - {name: ops, webhook_configs: [{url: 'http://ops.example/'}]}
  - {name: shop, webhook_configs: [{url: 'http://shop.example/'}]}
  - {name: none}
time_intervals: [{name: nights, time_intervals: [{times: [{start_time: '00:00', end_time: '06:00'}]}]}]
route:
  receiver: ops
  routes:
    - {receiver: none, matchers: [cluster=test, severity=warning]}
    - {receiver: shop, matchers: [team=shop], mute_time_intervals: [nights], escalation: [{after: 15m, receiver: ops}]}
    - {receiver: shop, matchers: [node=w1]}
    - {receiver: shop, matchers: [alertname=Slow]}
";

    #[test]
    fn each_alert_that_exists_has_somebody_who_is_told_or_nobody() {
        let config = crate::config::parse(Path::new("/d.yml"), CONFIG, &|_| None).unwrap();
        let rules =
            "groups: [{name: g, rules: [{alert: Slow, expr: up, labels: {severity: page}}, {record: a, expr: up}]}]";
        let groups = crate::rule::read(Path::new("r.yml"), rules).unwrap();
        let routes = explained(&config, &groups).unwrap();
        let found: Vec<&Told> = routes.told.iter().filter(|told| told.of == "diagnosis").collect();
        assert!(found.iter().all(|told| told.alerts.len() == AlertName::ALL.len()), "all of them are alike");
        let rest = routes.told.iter().map(|told| Told {
            alerts: told.alerts[..1].to_vec(),
            of: told.of.clone(),
            clusters: told.clusters.clone(),
            severities: told.severities.clone(),
            receivers: told.receivers.clone(),
        });
        insta::assert_debug_snapshot!((rest.collect::<Vec<_>>(), &routes.others));
    }
}
