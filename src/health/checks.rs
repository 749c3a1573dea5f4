//! The checks that belong to a cluster, or to none: what is said of each that fails, and what explains it.
//!
//! Explained, a check is listed in the incident of its cause and not told by itself; it is probed on, and its end is told
//! with that one. Each explanation goes one step: its cluster, a check that it depends on, a plainer check of the same host.
//! What is not known explains nothing, and neither does what began clearly later. While what may explain it is in doubt, a
//! check that has just failed is not told yet.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{
    phrases,
    time::{follows, later},
    view::{ClusterView, TargetView, labels},
};
use crate::model::{
    AlertName, CheckName, CheckTraits, Finding, FindingKey, Job, Reach, Reason, Severity, State, Topic, text,
};

/// So long a check that fails waits for what may explain it: a silent API server is confirmed within timeout + 3 s, and its
/// witnesses are waited for up to 15 s.
const AWAITED: Duration = Duration::from_secs(30);
/// What was down so long before is no news that a check would have to wait for.
const LONG_DOWN: Duration = Duration::from_secs(60);

/// A check that is confirmed to fail.
struct Failing<'a> {
    view: &'a TargetView<'a>,
    name: CheckName,
    traits: &'a CheckTraits,
}

fn check<'a>(view: &'a TargetView<'a>) -> Option<Failing<'a>> {
    let Job::Check(name) = view.target.key.job else { return None };
    Some(Failing { view, name, traits: view.target.spec.check()? })
}

/// What is wrong with the checks of a view, and whether something is still waited for. `others` are the findings about
/// the cluster itself.
pub(super) fn findings(view: &ClusterView<'_>, others: &[Finding]) -> (Vec<Finding>, bool) {
    let all: BTreeMap<CheckName, Failing<'_>> = view.checks.iter().filter_map(check).map(|c| (c.name, c)).collect();
    let failing: Vec<&Failing<'_>> = all.values().filter(|c| c.view.is_down()).collect();
    let mut found = Vec::new();
    let mut waits = false;
    for check in &failing {
        let cause = of_cluster(check, view, others)
            .or_else(|| of_dependency(check, &all, view))
            .or_else(|| of_host(check, &failing, view));
        if cause.is_none() && is_awaited(check, &all, view) {
            waits = true;
            continue;
        }
        let alone = all.values().filter(|c| c.view.host() == check.view.host()).count() == 1;
        found.push(Finding { caused_by: cause, ..finding(check, view, alone) });
    }
    (found, waits)
}

fn key(view: &ClusterView<'_>, name: CheckName) -> FindingKey {
    FindingKey { cluster: view.cluster.clone(), alert: AlertName::CheckFailing, subject: name.to_string() }
}

/// The trouble of its cluster that takes it along: one of all of it, or of the machine that it asks.
fn of_cluster(check: &Failing<'_>, view: &ClusterView<'_>, others: &[Finding]) -> Option<FindingKey> {
    let host = check.view.host();
    let is_there = |f: &&Finding| {
        let instance = f.labels.get("instance").map(|i| phrases::host(i));
        let node = f.labels.get("node").and_then(|n| view.snapshot.nodes.iter().find(|node| &*node.name == n.as_str()));
        instance == Some(host) || node.is_some_and(|n| n.addresses.iter().any(|a| a == host) || &*n.name == host)
    };
    let takes_along = |f: &&Finding| {
        f.topic == Topic::Outage
            && f.severity > Severity::Info
            && follows(check.view.verdict.since, f.since)
            && match f.key.alert.cause().reach {
                Reach::Cluster | Reach::Nodes => true,
                Reach::ControlPlane | Reach::Host => is_there(f),
            }
    };
    others.iter().filter(takes_along).max_by_key(|f| f.key.alert.rank()).map(|f| f.key.clone())
}

/// A check that it depends on, and that fails.
fn of_dependency(
    check: &Failing<'_>,
    all: &BTreeMap<CheckName, Failing<'_>>,
    view: &ClusterView<'_>,
) -> Option<FindingKey> {
    let fails = |name: &&CheckName| {
        let other = all.get(*name).filter(|other| other.view.is_down());
        other.is_some_and(|other| follows(check.view.verdict.since, other.view.verdict.since))
    };
    check.traits.depends_on.iter().find(fails).map(|name| key(view, *name))
}

/// Another check of the same host that asks less of it, where neither gets through: of several that are as plain, the first
/// of the configuration.
fn of_host(check: &Failing<'_>, failing: &[&Failing<'_>], view: &ClusterView<'_>) -> Option<FindingKey> {
    let explains = |other: &&&Failing<'_>| {
        let other: &Failing<'_> = other;
        let same_port = other.view.instance() == check.view.instance() && is_shut(other) && is_shut(check);
        let same_host = other.view.host() == check.view.host() && is_silent(other) && is_silent(check);
        order(other) < order(check)
            && (same_port || same_host)
            && follows(check.view.verdict.since, other.view.verdict.since)
    };
    failing.iter().filter(explains).min_by_key(|other| order(other)).map(|other| key(view, other.name))
}

/// The plainer the earlier, then as the configuration has them.
fn order(check: &Failing<'_>) -> (u8, u32) {
    (check.traits.layer, check.traits.place)
}

/// Its host gives no sign of life.
fn is_silent(check: &Failing<'_>) -> bool {
    check.view.verdict.reason.is_some_and(Reason::is_silence)
}

/// Nothing gets through to what it asks.
fn is_shut(check: &Failing<'_>) -> bool {
    is_silent(check) || matches!(check.view.verdict.reason, Some(Reason::Refused | Reason::Tls))
}

/// Whether what may explain it is not known yet.
fn is_awaited(check: &Failing<'_>, all: &BTreeMap<CheckName, Failing<'_>>, view: &ClusterView<'_>) -> bool {
    let since = check.view.verdict.since;
    if later(view.now, since, AWAITED) {
        return false;
    }
    let is_unasked = |t: &TargetView<'_>| t.is_up() && t.last.is_some_and(|o| o.started < since);
    let is_open = |t: &TargetView<'_>| t.is_open() || is_unasked(t);
    let is_news = |t: &TargetView<'_>| t.is_broken() && !later(since, t.verdict.since, LONG_DOWN);
    let mut control = view.targets.iter().filter(|t| !matches!(t.job(), Job::Kubelet | Job::KubeProxy));
    let mut dependencies = check.traits.depends_on.iter().filter_map(|name| all.get(name));
    let plainer = |c: &&Failing<'_>| {
        c.view.host() == check.view.host() && c.traits.layer < check.traits.layer && c.name != check.name
    };
    control.any(|t| is_open(t) || is_news(t))
        || dependencies.any(|c| is_open(c.view))
        || all.values().filter(plainer).any(|c| c.view.verdict.state == State::Suspect)
}

/// What failed, without what changes from probe to probe: a headline that counts would be news each time.
fn headline(reason: Option<Reason>, message: &str) -> String {
    let should = || message.split_once(", should ").map(|(_, should)| format!(", should {should}")).unwrap_or_default();
    match reason {
        Some(Reason::Slow) => format!("too slow{}", should()),
        Some(Reason::Certificate) => format!("its certificate ends too soon{}", should()),
        _ => message.to_owned(),
    }
}

fn finding(check: &Failing<'_>, view: &ClusterView<'_>, is_alone: bool) -> Finding {
    let Failing { view: target, name, traits } = check;
    let verdict = target.verdict;
    let host = target.host();
    let is_name = host.parse::<std::net::IpAddr>().is_err();
    let who = if is_alone && is_name { host.to_owned() } else { format!("{name} ({})", target.instance()) };
    let headline = format!("{who}: {}", headline(verdict.reason, &verdict.message));
    let mut finding = Finding::new(key(view, *name), traits.severity, Topic::Outage, headline, verdict.since);
    finding.evidence = vec![evidence(check)];
    finding.first_step = format!(
        "ask it as dogwatch does, on the watchdog's machine: `dogwatch probe {name} --verbose`; then look at what serves {}",
        traits.at
    );
    finding.labels = target.target.labels.clone();
    finding.labels.extend(labels(&[*target]));
    finding
}

fn evidence(check: &Failing<'_>) -> String {
    let Failing { view, name, traits } = check;
    let since = text::moment(view.verdict.since);
    let healthy: Option<Timestamp> = view.last_success;
    let healthy = healthy.map(|at| format!("; last well {}", text::moment(at))).unwrap_or_default();
    format!("check {name} ({} {}) fails since {since}: {}{healthy}", traits.kind, traits.at, view.verdict.message)
}
