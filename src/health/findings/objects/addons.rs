//! DNS, the pods' network, the service proxy and the ingress, by their pods.

use std::time::Duration;

use super::Objects;
use crate::{
    health::say,
    model::{AddonFact, AddonRole, AlertName, Finding, Said, SaidPart, Severity, text},
};

/// The last pod of a DNS that is replaced is away for a moment.
const NONE_FOR: Duration = Duration::from_secs(15);
/// Daemons that are replaced one by one on a cluster of one node are away for longer.
const NO_DAEMON_FOR: Duration = Duration::from_secs(60);
/// A rollout has some that are not ready, always.
const SHORT_FOR: Duration = Duration::from_secs(300);
/// A node that was made so lately is not expected to have all of its daemons.
const NODE_IS_NEW: Duration = Duration::from_secs(300);
/// So many kills tell why.
const KILLS_TELL: usize = 2;

pub(super) fn findings(o: &Objects<'_>) -> Vec<Finding> {
    o.situation.addons.iter().filter_map(|addon| finding(o, addon)).collect()
}

fn finding(o: &Objects<'_>, addon: &AddonFact) -> Option<Finding> {
    let since = addon.since.filter(|_| !addon.is_replaced)?;
    let AddonFact { role, kind, key, ready, wanted, .. } = addon;
    let is_down = *ready == 0;
    let needed = if *role == AddonRole::Dns { NONE_FOR } else { NO_DAEMON_FOR };
    if !o.lasts(since, if is_down { needed } else { SHORT_FOR }) {
        return None;
    }
    let short = wanted.saturating_sub(*ready);
    // Nodes that are away, on their way or new have no ready daemon, and are told of themselves.
    if !is_down && *kind == "DaemonSet" && short <= busy_nodes(o) {
        return None;
    }
    let name = key.rsplit('/').next().unwrap_or(key);
    let (alert, subject, severity) = match (is_down, role) {
        (true, AddonRole::Dns) => (AlertName::ClusterDnsDown, "", Severity::Critical),
        (true, _) => (AlertName::AddonDown, key.as_str(), Severity::Critical),
        _ => (AlertName::AddonDegraded, key.as_str(), Severity::Warning),
    };
    let headline = Said::new(if is_down { "addon-down" } else { "addon-in-trouble" });
    let headline = headline.with("role", name_of(*role)).with("name", name).with("ready", *ready);
    let headline = headline.with("wanted", *wanted).with("why", why(addon, is_down));
    let mut finding = o.finding((alert, subject), severity, headline, since);
    finding.caused_by = o.lost_before(since);
    finding.labels.insert("workload".into(), key.clone());
    finding.evidence = evidence(addon, since);
    finding.consequences.push(consequence(*role).to_owned());
    let (namespace, name) = key.split_once('/').unwrap_or(("", key));
    let step = Said::new("step-addon").with("namespace", namespace).with("kind", kind.to_lowercase());
    say::first_step(&mut finding, step.with("name", name));
    Some(finding)
}

/// The role by its name in messages.
fn name_of(role: AddonRole) -> &'static str {
    match role {
        AddonRole::Dns => "dns",
        AddonRole::Network => "network",
        AddonRole::ServiceProxy => "proxy",
        AddonRole::Ingress => "ingress",
    }
}

/// What is known of why, behind the headline.
fn why(addon: &AddonFact, is_down: bool) -> SaidPart {
    if addon.memory_kills >= KILLS_TELL {
        return Said::new("addon-lacks-memory").into();
    }
    match &addon.changed {
        Some((at, what)) if is_down => Said::new("addon-changed").with("what", what).with("at", *at).into(),
        _ if is_down && addon.wanted == 0 => Said::new("addon-at-zero").into(),
        _ => say::NOTHING.into(),
    }
}

fn evidence(addon: &AddonFact, since: jiff::Timestamp) -> Vec<String> {
    let AddonFact { kind, key, ready, wanted, images, .. } = addon;
    let mut lines = vec![format!("{kind} {key}: {ready} of {wanted} ready since {}", text::moment(since))];
    lines.push(format!("images: {images}"));
    lines.extend(addon.changed.as_ref().map(|(at, what)| format!("{what} at {}", text::moment(*at))));
    if addon.memory_kills > 0 {
        lines.push(format!("OOMKilled {} lately", text::plural(addon.memory_kills, "time", "times")));
    }
    lines
}

fn consequence(role: AddonRole) -> &'static str {
    match role {
        AddonRole::Dns => "pods find no service by its name; what keeps its connections goes on",
        AddonRole::Network => "pods that start get no network, and those on these nodes may lose theirs",
        AddonRole::ServiceProxy => "changes of services no longer reach these nodes",
        AddonRole::Ingress => "what is served through it can't be reached from outside",
    }
}

/// Nodes whose daemons can't be expected to be ready.
fn busy_nodes(o: &Objects<'_>) -> u64 {
    let nodes = o.p.indexed.view.snapshot.nodes.iter();
    let is_new = |at: Option<jiff::Timestamp>| at.is_some_and(|at| !o.lasts(at, NODE_IS_NEW));
    nodes.filter(|n| n.unschedulable || n.deleting || !n.is_ready() || is_new(n.created)).count() as u64
}
