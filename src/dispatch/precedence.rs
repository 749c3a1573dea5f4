//! Which of several findings explains most, and which belong together; what is known of each name is `model::cause`'s.

use std::cmp::Reverse;

use jiff::Timestamp;

use crate::model::{Finding, IncidentAlert, Pairs, Severity};

/// Orders the alerts of an incident, root first: what fires before what ended, what was told before what is held, roots
/// before consequences, then the worst, the one that explains most, the newest.
pub(super) fn order(alert: &IncidentAlert) -> impl Ord + use<> {
    let finding = &alert.finding;
    (
        alert.ended_at.is_some(),
        alert.held,
        finding.caused_by.is_some(),
        Reverse(weight(finding)),
        Reverse(alert.opened_at),
        finding.key.clone(),
    )
}

/// Returns the worst and most telling root that an incident ever had: its headline once it is over.
pub(super) fn worst(alerts: &[IncidentAlert]) -> Option<&IncidentAlert> {
    let key = |a: &&IncidentAlert| (!a.held, a.finding.caused_by.is_none(), weight(&a.finding), a.opened_at);
    alerts.iter().max_by_key(key)
}

fn weight(finding: &Finding) -> (Severity, usize) {
    (finding.severity, finding.key.alert.rank())
}

/// Returns whether `a` explains more than `b`, or is worse.
pub(super) fn outweighs(a: &Finding, b: &Finding) -> bool {
    weight(a) > weight(b)
}

/// Returns whether both are about one machine.
pub(super) fn share_host(a: &Finding, b: &Finding) -> bool {
    hosts(a).any(|x| hosts(b).any(|y| x == y))
}

/// Returns whether `a` is greater, and tells of what `b` is about: by its machine, or by name in its evidence.
pub(super) fn takes_in(a: &Finding, b: &Finding) -> bool {
    const NAMED_BY: [&str; 2] = ["instance", "node"];
    let names = || NAMED_BY.iter().filter_map(|name| b.labels.get(*name)).chain([&b.key.subject]);
    let tells = || names().filter(|n| !n.is_empty()).any(|n| a.evidence.iter().any(|line| says(line, n)));
    a.key != b.key && a.key.alert.rank() > b.key.alert.rank() && (share_host(a, b) || tells())
}

/// A line names something, and not only something that contains its name (`n1` in `n10`).
fn says(line: &str, name: &str) -> bool {
    let of_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + name.len()..].chars().next();
        !before.is_some_and(of_name) && !after.is_some_and(of_name)
    })
}

fn hosts(finding: &Finding) -> impl Iterator<Item = &str> {
    hosts_of(&finding.labels)
}

/// Returns the machines that labels name.
pub(super) fn hosts_of(labels: &Pairs) -> impl Iterator<Item = &str> {
    let label = |name| labels.get(name).map(String::as_str);
    [label("node"), label("host"), label("instance").map(without_port)].into_iter().flatten().filter(|h| !h.is_empty())
}

/// Returns the host of `host:port`.
pub(super) fn without_port(instance: &str) -> &str {
    match instance.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => instance,
    }
}

/// Returns when an incident last changed: the newest opening or ending.
pub(super) fn changed_at(alerts: &[IncidentAlert]) -> Option<Timestamp> {
    alerts.iter().map(|a| a.ended_at.map_or(a.opened_at, |e| e.max(a.opened_at))).max()
}
