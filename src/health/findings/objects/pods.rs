//! Pods that find no node, whose images can't be pulled, that don't start, or that were driven away.

use std::{collections::BTreeSet, time::Duration};

use super::{Objects, named};
use crate::{
    health::{phrases, say, time::follows},
    model::{AlertName, Evictions, FailedPulls, Finding, Said, SaidPart, Severity, StuckRollout, WaitingPods, text},
};

/// An autoscaler brings a new node within this.
const UNPLACED_FOR: Duration = Duration::from_secs(600);
/// A registry that hiccups is asked again by then.
const UNPULLED_FOR: Duration = Duration::from_secs(30);
/// A container that waits for another one ends and begins again for a while.
const CRASHING_FOR: Duration = Duration::from_secs(180);
/// So many workloads without an image accuse the registry.
const OF_A_REGISTRY: usize = 2;
/// So many workloads are told one by one.
const APART_MAX: usize = 3;
/// So many evictions are a burst …
const BURST: usize = 10;
/// … and so many wake somebody.
const GREAT_BURST: usize = 50;
/// So many are named.
const NAMED: usize = 3;

/// Adds them to those that may explain them.
pub(super) fn findings(o: &Objects<'_>, all: &mut Vec<Finding>) {
    let s = o.situation;
    all.extend(s.evictions.iter().filter(|e| e.pods.count >= BURST).map(|e| evicted(o, e)));
    all.extend(s.memory_kills.iter().filter(|e| e.pods.count >= BURST).map(|e| killed(o, e)));
    all.extend(s.pulls.iter().filter_map(|pulls| registry(o, pulls)));
    rollouts(o, all);
    let unplaced = unplaced(o, all);
    all.extend(unplaced);
}

/// `most on w3 (120) and w4 (80)`.
fn most(of: &[(String, usize)]) -> String {
    phrases::list(&of.iter().take(NAMED).map(|(name, n)| format!("{name} ({n})")).collect::<Vec<_>>(), NAMED)
}

fn where_most(e: &Evictions) -> SaidPart {
    match e.nodes.as_slice() {
        [] => say::NOTHING.into(),
        [(node, _)] => Said::new("place-on").with("where", node).into(),
        [(node, _), ..] => Said::new("place-most-on").with("where", node).into(),
    }
}

fn evicted(o: &Objects<'_>, e: &Evictions) -> Finding {
    let headline = Said::new("pods-evicted").with("pods", say::some(e.pods.count, "pod"));
    let headline = headline.with("place", where_most(e)).with("why", &e.why);
    let severity = if e.pods.count >= GREAT_BURST { Severity::Critical } else { Severity::Warning };
    let mut finding = o.finding((AlertName::PodsEvicted, &e.why), severity, headline, e.pods.since);
    finding.caused_by = o.lost_before(e.pods.since);
    if let [(node, _)] = e.nodes.as_slice() {
        finding.labels.insert("node".into(), node.clone());
    }
    finding.evidence = burst(e);
    finding
        .consequences
        .push("what was evicted is started elsewhere, as far as there is room; its local data is gone".into());
    let step = match e.nodes.first() {
        Some((node, _)) => Said::new("step-evicted-node").with("node", node),
        None => Said::new("step-evicted"),
    };
    say::first_step(&mut finding, step);
    finding
}

fn killed(o: &Objects<'_>, e: &Evictions) -> Finding {
    let whose = match e.workloads.first() {
        Some((workload, n)) if *n * 2 > e.pods.count => Said::new("place-most-of").with("workload", workload).into(),
        _ => where_most(e),
    };
    let headline = Said::new("containers-killed").with("containers", say::some(e.pods.count, "container"));
    let headline = headline.with("place", whose);
    let mut finding = o.finding((AlertName::MemoryKills, ""), Severity::Warning, headline, e.pods.since);
    finding.evidence = burst(e);
    say::first_step(&mut finding, Said::new("step-memory-kills"));
    finding
}

fn burst(e: &Evictions) -> Vec<String> {
    let mut lines =
        vec![format!("{} between {} and {}", e.pods.count, text::moment(e.pods.since), text::moment(e.until))];
    if !e.nodes.is_empty() {
        lines.push(format!("by node: {}", most(&e.nodes)));
    }
    if !e.workloads.is_empty() {
        lines.push(format!("by workload: {}", most(&e.workloads)));
    }
    lines.push(format!("among them: {}", named(&e.pods)));
    lines
}

fn registry(o: &Objects<'_>, pulls: &FailedPulls) -> Option<Finding> {
    let FailedPulls { registry, pods, nodes, workloads } = pulls;
    if *workloads < OF_A_REGISTRY || !o.lasts(pods.since, UNPULLED_FOR) {
        return None;
    }
    let headline = Said::new("images-not-pulled").with("registry", registry);
    let mut finding = o.finding((AlertName::RegistryFailing, registry), Severity::Critical, headline, pods.since);
    finding.labels.insert("registry".into(), registry.clone());
    let (workloads, nodes) = (text::plural(*workloads, "workload", "workloads"), text::plural(*nodes, "node", "nodes"));
    finding.evidence.push(format!(
        "{} of {workloads} on {nodes} wait: {}",
        text::plural(pods.count, "pod", "pods"),
        named(pods)
    ));
    finding.consequences.push("what runs goes on; what is new, moved or restarted waits for its image".into());
    say::first_step(&mut finding, Said::new("step-registry").with("registry", registry));
    Some(finding)
}

fn rollouts(o: &Objects<'_>, all: &mut Vec<Finding>) {
    let lasts = |r: &&StuckRollout| {
        let is_pull = is_pull(r);
        o.lasts(r.since, if is_pull { UNPULLED_FOR } else { CRASHING_FOR })
    };
    let stuck: Vec<&StuckRollout> = o.situation.rollouts.iter().filter(lasts).collect();
    // Those that nothing explains yet are one, where they are many.
    let explained = |r: &StuckRollout| {
        let by = all.iter().find(|f| match f.key.alert {
            AlertName::RegistryFailing => is_pull(r) && f.key.subject == r.registry,
            AlertName::ClusterDnsDown | AlertName::AddonDown | AlertName::AddonDegraded => {
                f.labels.get("workload") == Some(&r.key)
                    || follows(r.since, f.since) && f.key.alert != AlertName::AddonDegraded
            }
            // What is not ready behind a webhook is why that one fails, and told with it.
            AlertName::WebhookFailing => namespace(&f.key.subject) == namespace(&r.key),
            _ => false,
        });
        by.map(|f| f.key.clone())
    };
    let mut found: Vec<Finding> = Vec::new();
    let mut open = 0;
    for rollout in &stuck {
        let mut finding = rollout_finding(o, rollout);
        finding.caused_by = explained(rollout).or_else(|| o.lost_before(rollout.since));
        open += usize::from(finding.caused_by.is_none());
        found.push(finding);
    }
    if open > APART_MAX {
        let whole = together(o, &stuck);
        for f in found.iter_mut().filter(|f| f.caused_by.is_none()) {
            f.caused_by = Some(whole.key.clone());
        }
        all.push(whole);
    }
    all.extend(found);
}

/// Of `namespace/name`.
fn namespace(key: &str) -> &str {
    key.split_once('/').map_or("", |(namespace, _)| namespace)
}

fn is_pull(r: &StuckRollout) -> bool {
    r.reason.contains("Image")
}

fn rollout_finding(o: &Objects<'_>, r: &StuckRollout) -> Finding {
    let why = match is_pull(r) {
        true => Said::new("rollout-no-image").with("image", &r.image),
        false => Said::new("rollout-crashes").with("image", &r.image).with("reason", &r.reason),
    };
    let rest = match (r.ready, r.wanted) {
        (_, 0) => SaidPart::from(say::NOTHING),
        (0, _) => Said::new("rollout-none-ready").into(),
        (ready, wanted) => Said::new("rollout-some-ready").with("ready", ready).with("wanted", wanted).into(),
    };
    let headline = Said::new("rollout-failing").with("kind", &r.kind).with("name", &r.key);
    let headline = headline.with("why", why).with("rest", rest);
    let mut finding = o.finding((AlertName::RolloutFailing, &r.key), Severity::Warning, headline, r.since);
    let (namespace, name) = r.key.split_once('/').unwrap_or(("", &r.key));
    finding.labels.insert("namespace".into(), namespace.to_owned());
    finding.labels.insert("workload".into(), r.key.clone());
    finding.evidence.push(format!(
        "{} since {}: {}",
        text::plural(r.waiting, "pod waits", "pods wait"),
        text::moment(r.since),
        r.reason
    ));
    if r.ready > 0 {
        finding.consequences.push("what ran before goes on; the new form does not arrive".into());
    }
    let lower = r.kind.to_lowercase();
    let step = Said::new("step-rollout").with("namespace", namespace).with("kind", lower).with("name", name);
    say::first_step(&mut finding, step);
    finding
}

fn together(o: &Objects<'_>, stuck: &[&StuckRollout]) -> Finding {
    let names: Vec<String> = stuck.iter().map(|r| r.key.clone()).collect();
    let reasons: BTreeSet<&str> = stuck.iter().map(|r| r.reason.as_str()).collect();
    let reasons: Vec<&str> = reasons.into_iter().collect();
    let headline = Said::new("rollouts-failing").with("workloads", say::some(stuck.len(), "workload"));
    let headline = headline.names("names", &names, NAMED);
    let since = stuck.iter().map(|r| r.since).min().unwrap_or(o.at);
    let mut finding = o.finding((AlertName::RolloutFailing, ""), Severity::Warning, headline, since);
    finding.evidence.push(format!("their containers wait for: {}", phrases::list(&reasons, reasons.len())));
    say::first_step(&mut finding, Said::new("step-rollouts"));
    finding
}

fn unplaced(o: &Objects<'_>, all: &[Finding]) -> Option<Finding> {
    let waiting: Vec<&WaitingPods> =
        o.situation.unplaced_pods.iter().filter(|w| o.lasts(w.pods.since, UNPLACED_FOR)).collect();
    let most = waiting.first()?;
    let (count, since) = waiting.iter().fold((0, o.at), |(n, at), w| (n + w.pods.count, at.min(w.pods.since)));
    let headline = Said::new("pods-unplaced").with("pods", say::some(count, "pod"));
    let headline = headline.with("n", phrases::step(count).0).with("why", &most.why);
    let mut finding = o.finding((AlertName::PodsUnschedulable, ""), Severity::Warning, headline, since);
    let explains = |f: &&Finding| {
        matches!(f.key.alert, AlertName::PodsEvicted | AlertName::NodeCordoned | AlertName::NodeDeleted)
            && follows(since, f.since)
    };
    let by = all.iter().find(explains).map(|f| f.key.clone());
    finding.caused_by = o.lost_before(since).or(by);
    finding.evidence =
        waiting.iter().map(|w| format!("{} since {}: {}", w.why, text::moment(w.pods.since), named(&w.pods))).collect();
    say::first_step(&mut finding, Said::new("step-unplaced"));
    Some(finding)
}
