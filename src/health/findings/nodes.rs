//! What is said of nodes: each one in trouble by itself, many at once as one.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::pressure;
use crate::{
    health::{
        lost,
        nodes::{Kind, Trouble, commons},
        picture::Picture,
        say,
        view::labels,
    },
    model::{AlertName, Finding, Job, Said, SaidPart, Severity},
};

/// As many nodes in trouble are told as one, if they are a fifth of all…
const MANY_MIN: usize = 3;
/// …or more than this in any case.
const MANY: usize = 5;
/// How many nodes the evidence of `NodesDown` names.
const EVIDENCE_NAMES: usize = 10;
/// How many traits that nodes have in common are told.
const SHARED_MAX: usize = 3;
/// How many nodes have a finding of their own beside `NodesDown`, those in trouble longest first.
const SINGLES_MAX: usize = 100;
/// How many nodes a headline names.
const HEADLINE_NAMES: usize = 3;

/// Returns what is said of nodes: each one in trouble, and many at once as one.
pub(super) fn findings(p: &Picture<'_>) -> Vec<Finding> {
    // Those of a lost control-plane host are told with it.
    let host = |t: &Trouble| t.target.and_then(|t| p.lost_host(t));
    let troubles = || p.troubles.iter().filter(|(_, t)| t.kind != Kind::OutOfReach);
    let by_themselves: Vec<_> = troubles().filter(|(_, t)| host(t).is_none()).collect();
    let total = p.indexed.view.snapshot.nodes.len().max(p.indexed.job(Job::Kubelet).len()).max(1);
    let n = by_themselves.len();
    let many = n > MANY || (n >= MANY_MIN && n * 5 >= total);
    let mut all = Vec::from_iter(out_of_reach(p));
    if many {
        all.push(nodes_down(p, &by_themselves, total));
    }
    let mut singles: Vec<_> = troubles().collect();
    singles.sort_by_key(|(name, t)| (t.since, **name));
    singles.truncate(SINGLES_MAX);
    all.extend(singles.into_iter().map(|(name, trouble)| {
        let mut finding = single(p, name, trouble);
        let starved = || pressure::of_node(p, name, trouble.since).filter(|_| trouble.kind == Kind::NotReady);
        finding.caused_by =
            host(trouble).or_else(|| many.then(|| p.indexed.key(AlertName::NodesDown, ""))).or_else(starved);
        finding
    }));
    all
}

fn single(p: &Picture<'_>, name: &str, trouble: &Trouble<'_>) -> Finding {
    let alert = match trouble.kind {
        Kind::Lost | Kind::Mute | Kind::Silent => AlertName::NodeDown,
        Kind::KubeletDown => AlertName::KubeletDown,
        Kind::Unreachable | Kind::OutOfReach => AlertName::KubeletUnreachable,
        Kind::NotReady | Kind::NoNetwork | Kind::NoRuntime => AlertName::NodeNotReady,
    };
    let there = match may_be_gone(trouble.kind) {
        true => lost::with(p.indexed.view, &[name], trouble.kind == Kind::Lost),
        false => lost::There::default(),
    };
    let headline = there.added_to(trouble.headline.clone());
    let mut finding = p.indexed.finding(alert, name, trouble.severity, headline);
    finding.since = trouble.since;
    finding.evidence.clone_from(&trouble.evidence);
    finding.labels = labels(trouble.target.as_slice());
    finding.labels.insert("job".into(), Job::Kubelet.to_string());
    finding.labels.insert("node".into(), name.to_owned());
    let node = |id| Said::new(id).with("node", name);
    let (consequence, step) = match trouble.kind {
        Kind::Lost | Kind::Mute | Kind::Silent => {
            let yes = |is| if is { "yes" } else { "no" };
            let gone = node("node-pods-moved").with("sure", yes(trouble.kind == Kind::Lost));
            (Some(gone.with("moved", yes(p.api.any_up()))), node("step-node-gone"))
        }
        Kind::KubeletDown => (Some(node("node-stands-still")), node("step-kubelet-down")),
        Kind::Unreachable | Kind::OutOfReach => (None, node("step-kubelet-beyond")),
        Kind::NoRuntime => (Some(node("node-runtime-stands")), node("step-node-runtime")),
        Kind::NoNetwork => (Some(node("node-no-new-pods")), node("step-node-network")),
        Kind::NotReady => (Some(node("node-no-new-pods")), node("step-node-not-ready")),
    };
    if let Some(line) = consequence {
        say::consequence(&mut finding, line);
    }
    finding.consequences.extend(there.consequences);
    say::first_step(&mut finding, step);
    finding
}

/// Kubelets that never answered from here: their nodes live, and their health is not known. A note, however many.
fn out_of_reach(p: &Picture<'_>) -> Option<Finding> {
    let strangers: Vec<_> = p.troubles.iter().filter(|(_, t)| t.kind == Kind::OutOfReach).collect();
    let names: Vec<_> = strangers.iter().map(|(name, _)| **name).collect();
    let (_, first) = strangers.first()?;
    let headline = match names.len() {
        1 => first.headline.clone(),
        n => Said::new("kubelets-never-answered").with("n", n).names("names", &names, HEADLINE_NAMES).into(),
    };
    let mut finding = p.indexed.finding(AlertName::KubeletUnreachable, "", Severity::Info, headline);
    finding.since = strangers.iter().map(|(_, t)| t.since).min().unwrap_or(p.indexed.now);
    finding.labels.insert("job".into(), Job::Kubelet.to_string());
    finding.evidence = strangers.iter().take(EVIDENCE_NAMES).flat_map(|(_, t)| t.evidence.first().cloned()).collect();
    say::first_step(&mut finding, Said::new("step-kubelets-strange"));
    Some(finding)
}

/// Many nodes at once: how they fail, and what they have in common that the others have not.
fn nodes_down(p: &Picture<'_>, troubles: &[(&&str, &Trouble<'_>)], total: usize) -> Finding {
    let mut kinds: BTreeMap<Reverse<Kind>, usize> = BTreeMap::new();
    let mute = troubles.iter().any(|(_, t)| t.kind == Kind::Mute);
    for (_, t) in troubles {
        // Where the fate of some is not known, none is called lost.
        let kind = if mute && t.kind == Kind::Lost { Kind::Mute } else { t.kind };
        *kinds.entry(Reverse(kind)).or_default() += 1;
    }
    let n = troubles.len();
    let lost: BTreeSet<&str> = troubles.iter().map(|(name, _)| **name).collect();
    let shared = commons::shared(p.indexed.view.snapshot.nodes.iter(), |node| lost.contains(&*node.name));
    let names: Vec<SaidPart> = troubles.iter().map(|(name, _)| (**name).into()).collect();
    let names = Said::new("names").list("names", names, HEADLINE_NAMES);
    let who = match shared.first() {
        Some(shared) => Said::new("named-in-brackets").with("what", shared.words()).with("names", names),
        None => names,
    };
    let worst = kinds.keys().next().map_or(Kind::NotReady, |k| k.0);
    let headline = match kinds.len() {
        1 => {
            let alike = Said::new("nodes-alike").with("kind", name_of(worst)).with("n", n).with("total", total);
            alike.with("who", who)
        }
        _ => {
            let part = |(kind, n): (&Reverse<Kind>, &usize)| {
                Said::new("nodes-part").with("kind", name_of(kind.0)).with("n", *n).into()
            };
            let which = shared.first().map(|s| Said::new("nodes-which").with("which", s.words()).into());
            let said = Said::new("nodes-in-trouble").with("n", n).with("total", total);
            let said = said.list("parts", kinds.iter().map(part).collect(), kinds.len());
            said.with("which", which.unwrap_or(SaidPart::from(say::NOTHING)))
        }
    };
    let severity = troubles.iter().map(|(_, t)| severity_among_many(t)).max().unwrap_or(Severity::Warning);
    let silent: Vec<&str> = troubles.iter().filter(|(_, t)| may_be_gone(t.kind)).map(|(name, _)| **name).collect();
    let sure = troubles.iter().all(|(_, t)| t.kind == Kind::Lost || !may_be_gone(t.kind));
    let there = lost::with(p.indexed.view, &silent, sure);
    let mut finding = p.indexed.finding(AlertName::NodesDown, "", severity, there.added_to(headline.into()));
    finding.since = troubles.iter().map(|(_, t)| t.since).min().unwrap_or(p.indexed.now);
    finding.labels.insert("job".into(), Job::Kubelet.to_string());
    for shared in shared.iter().take(SHARED_MAX) {
        say::add(&mut finding, |f| &mut f.evidence, Said::new("in-common").with("what", shared.words()));
    }
    for (_, trouble) in troubles.iter().take(EVIDENCE_NAMES) {
        say::add(&mut finding, |f| &mut f.evidence, trouble.headline.clone());
    }
    if n > EVIDENCE_NAMES {
        finding.evidence.push(format!("and {} more", n - EVIDENCE_NAMES));
    }
    finding.consequences.extend(there.consequences);
    say::first_step(&mut finding, first_step_for_many(worst, shared.first()));
    finding
}

/// Whether what ran there may be gone: of the others only the kubelet or the way to it is in trouble.
fn may_be_gone(kind: Kind) -> bool {
    matches!(kind, Kind::Lost | Kind::Mute | Kind::Silent)
}

/// Many kubelets that stay down are worse than one.
fn severity_among_many(trouble: &Trouble<'_>) -> Severity {
    if trouble.kind == Kind::KubeletDown && trouble.gone { Severity::Critical } else { trouble.severity }
}

/// The kind by its name in messages.
fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Lost => "lost",
        Kind::Mute | Kind::Silent => "silent",
        Kind::KubeletDown => "kubelet",
        Kind::Unreachable | Kind::OutOfReach => "beyond",
        Kind::NoRuntime => "runtime",
        Kind::NoNetwork => "network",
        Kind::NotReady => "not-ready",
    }
}

fn first_step_for_many(worst: Kind, shared: Option<&commons::Shared>) -> Said {
    match shared.filter(|_| worst >= Kind::Silent) {
        Some(shared) => Said::new("step-nodes-share").with("what", shared.words()),
        None => Said::new("step-nodes").with("kind", name_of(worst)),
    }
}
