//! The checks that belong to a cluster, or to none: what is said of each that fails, and what explains it. A check that is
//! made at every node is one check: its failures are told together, but those that something explains.
//!
//! Explained, a check is listed in the incident of its cause and not told by itself; it is probed on, and its end is told
//! with that one. Each explanation goes one step: its cluster, a check that it depends on, a plainer check of the same host.
//! What is not known explains nothing, and neither does what began clearly later. While what may explain it is in doubt, a
//! check that has just failed is not told yet.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    phrases,
    say::{self, Sentence},
    time::{follows, later},
    view::{ClusterView, Elsewhere, How, TargetView, earliest, labels, same_how},
};
use crate::model::{
    AlertName, CheckName, CheckTraits, Finding, FindingKey, Job, Reach, Reason, Said, Severity, State, Topic, text,
};

/// So long a check that fails waits for what may explain it: a silent API server is confirmed within timeout + 3 s, and its
/// witnesses are waited for up to 15 s.
pub(super) const AWAITED: Duration = Duration::from_secs(30);
/// What was down so long before is no news that a check would have to wait for.
const LONG_DOWN: Duration = Duration::from_secs(60);
/// So many of its targets are quoted.
const EVIDENCE_MAX: usize = 8;
/// So many nodes are named in a headline.
pub(super) const NODES_NAMED: usize = 4;

/// A check with its targets: one, or one at each node.
pub(super) struct Check<'a> {
    pub(super) name: CheckName,
    pub(super) traits: &'a CheckTraits,
    pub(super) all: Vec<&'a TargetView<'a>>,
    /// Those that are confirmed to fail.
    pub(super) down: Vec<&'a TargetView<'a>>,
}

impl<'a> Check<'a> {
    pub(super) fn is_at_nodes(&self) -> bool {
        self.traits.nodes.is_some()
    }

    /// `NodePort 30443`, as these of its targets have it.
    pub(super) fn node_ports(targets: &[&TargetView<'_>]) -> String {
        let port = |t: &&TargetView<'_>| t.instance().rsplit_once(':').map(|(_, port)| port.to_owned());
        let ports: BTreeSet<String> = targets.iter().filter_map(port).collect();
        let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
        let several = if ports.len() == 1 { "" } else { "s" };
        format!("NodePort{several} {}", phrases::list(&ports, NODES_NAMED))
    }

    /// The host that it asks, where it is one: a file and a program have none.
    fn host(&self) -> Option<&'a str> {
        let is_here = matches!(self.traits.kind.as_str(), "file" | "exec");
        self.all.first().filter(|_| !self.is_at_nodes() && !is_here).map(|t| t.host())
    }

    fn since(&self, now: Timestamp) -> Timestamp {
        earliest(&self.down, now)
    }

    /// The plainer the earlier, then as the configuration has them.
    fn order(&self) -> (u8, u32) {
        (self.traits.layer, self.traits.place)
    }

    fn reason(&self) -> Option<Reason> {
        self.down.first().and_then(|t| t.verdict.reason)
    }

    /// Its host gives no sign of life.
    fn is_silent(&self) -> bool {
        self.reason().is_some_and(Reason::is_silence)
    }

    /// Nothing gets through to what it asks.
    fn is_shut(&self) -> bool {
        self.is_silent() || matches!(self.reason(), Some(Reason::Refused | Reason::Tls))
    }
}

/// The checks of a view, each with its targets.
pub(super) fn by_name<'a>(view: &'a ClusterView<'a>) -> BTreeMap<CheckName, Check<'a>> {
    let mut checks: BTreeMap<CheckName, Check<'a>> = BTreeMap::new();
    for target in &view.checks {
        let (Job::Check(name), Some(traits)) = (target.job(), target.target.spec.check()) else { continue };
        let none = || Check { name, traits, all: Vec::new(), down: Vec::new() };
        let check = checks.entry(name).or_insert_with(none);
        check.all.push(target);
        check.down.extend(target.is_down().then_some(target));
    }
    checks
}

/// What is wrong with the checks of a view, and whether something is still waited for. `others` are the findings about
/// the cluster itself.
pub(super) fn findings(
    view: &ClusterView<'_>,
    all: &BTreeMap<CheckName, Check<'_>>,
    others: &[Finding],
) -> (Vec<Finding>, bool) {
    let failing: Vec<&Check<'_>> = all.values().filter(|c| !c.down.is_empty()).collect();
    let mut found = Vec::new();
    let mut waits = false;
    for check in &failing {
        // Of those at nodes, what is known of their nodes is told with them.
        let (explained, open): (Vec<_>, Vec<_>) =
            check.down.iter().map(|t| (*t, of_cluster(t, view, others))).partition(|(_, cause)| cause.is_some());
        let (told, cause): (Vec<&TargetView<'_>>, _) = match open.is_empty() {
            true => (check.down.clone(), explained.into_iter().find_map(|(_, cause)| cause)),
            false => {
                let cause = of_dependency(check, all, view).or_else(|| of_host(check, &failing, view));
                (open.into_iter().map(|(t, _)| t).collect(), cause)
            }
        };
        if cause.is_none() && is_awaited(check, &told, all, view) {
            waits = true;
            continue;
        }
        let alone = all.values().filter(|c| c.host().is_some() && c.host() == check.host()).count() == 1;
        let mut finding = finding(check, &told, view, alone);
        if let Some(foreign) = cause.as_ref().filter(|key| key.cluster != *view.cluster) {
            let (alert, subject, group) = (foreign.alert, &foreign.subject, &foreign.cluster);
            finding
                .evidence
                .push(format!("it depends on what fails elsewhere, and is told there: {alert} {subject} of {group}"));
        }
        finding.caused_by = cause;
        found.push(finding);
    }
    (found, waits)
}

pub(super) fn key(view: &ClusterView<'_>, name: CheckName) -> FindingKey {
    FindingKey { cluster: view.cluster.clone(), alert: AlertName::CheckFailing, subject: name.to_string() }
}

/// The trouble of its cluster that takes a target along: one of all of it, or of the machine that it asks.
fn of_cluster(target: &TargetView<'_>, view: &ClusterView<'_>, others: &[Finding]) -> Option<FindingKey> {
    let host = target.host();
    let is_there = |f: &&Finding| {
        let instance = f.labels.get("instance").map(|i| phrases::host(i));
        let named = f.labels.get("node").map(String::as_str);
        let node = named.and_then(|name| view.snapshot.nodes.iter().find(|node| &*node.name == name));
        instance == Some(host)
            || (named.is_some() && named == target.target.node.as_deref())
            || node.is_some_and(|n| n.addresses.iter().any(|a| a == host) || &*n.name == host)
    };
    let takes_along = |f: &&Finding| {
        f.topic == Topic::Outage
            && f.severity > Severity::Info
            && follows(target.verdict.since, f.since)
            && match f.key.alert.cause().reach {
                Reach::Cluster | Reach::Nodes => true,
                Reach::ControlPlane | Reach::Host => is_there(f),
            }
    };
    others.iter().filter(takes_along).max_by_key(|f| f.key.alert.rank()).map(|f| f.key.clone())
}

/// A check that it depends on, and that fails.
fn of_dependency(
    check: &Check<'_>,
    all: &BTreeMap<CheckName, Check<'_>>,
    view: &ClusterView<'_>,
) -> Option<FindingKey> {
    let since = check.since(view.now);
    let fails = |name: &&CheckName| {
        let other = all.get(*name).filter(|other| !other.down.is_empty());
        other.is_some_and(|other| follows(since, other.since(view.now)))
    };
    let own = check.traits.depends_on.iter().find(fails).map(|name| key(view, *name));
    own.or_else(|| of_elsewhere(check, view).find_map(|(_, told)| told.cloned()))
}

/// The checks of other groups that it depends on and that fail as long as it does, each with what is told of them.
fn of_elsewhere<'a>(
    check: &Check<'_>,
    view: &'a ClusterView<'_>,
) -> impl Iterator<Item = (&'a Elsewhere<'a>, Option<&'a FindingKey>)> {
    let (since, now) = (check.since(view.now), view.now);
    let fails = move |other: &Elsewhere<'_>| {
        let down: Vec<&TargetView<'_>> = other.targets.iter().filter(|t| t.is_down()).collect();
        !down.is_empty() && follows(since, earliest(&down, now))
    };
    let wanted = check.traits.depends_on.clone();
    let all = view.elsewhere.iter().filter(move |other| wanted.contains(&other.name) && fails(other));
    all.map(|other| (other, other.told.as_ref()))
}

/// Another check of the same host that asks less of it, where neither gets through: of several that are as plain, the first
/// of the configuration.
fn of_host(check: &Check<'_>, failing: &[&Check<'_>], view: &ClusterView<'_>) -> Option<FindingKey> {
    let (host, mine) = (check.host()?, check.down.first()?.instance());
    let explains = |other: &&&Check<'_>| {
        let other: &Check<'_> = other;
        let same_port = other.down.first().is_some_and(|t| t.instance() == mine) && other.is_shut() && check.is_shut();
        let same_host = other.host() == Some(host) && other.is_silent() && check.is_silent();
        other.order() < check.order()
            && other.host().is_some()
            && (same_port || same_host)
            && follows(check.since(view.now), other.since(view.now))
    };
    failing.iter().filter(explains).min_by_key(|other| other.order()).map(|other| key(view, other.name))
}

/// Whether what may explain it is not known yet.
fn is_awaited(
    check: &Check<'_>,
    told: &[&TargetView<'_>],
    all: &BTreeMap<CheckName, Check<'_>>,
    view: &ClusterView<'_>,
) -> bool {
    let since = earliest(told, view.now);
    // After a start, however long both fail: its group is judged within seconds.
    if of_elsewhere(check, view).any(|(other, _)| !other.is_judged) {
        return true;
    }
    if later(view.now, since, AWAITED) {
        return false;
    }
    let is_unasked = |t: &TargetView<'_>| t.is_up() && t.last.is_some_and(|o| o.started < since);
    let is_open = |t: &TargetView<'_>| t.is_open() || is_unasked(t);
    let is_news = |t: &TargetView<'_>| t.is_broken() && !later(since, t.verdict.since, LONG_DOWN);
    let mut control = view.targets.iter().filter(|t| !matches!(t.job(), Job::Kubelet | Job::KubeProxy));
    let of_node =
        |t: &TargetView<'_>| told.iter().any(|c| c.target.node.is_some() && c.target.node.as_deref() == t.node());
    let mut kubelets = view.targets.iter().filter(|t| t.job() == Job::Kubelet && of_node(t));
    let dependencies = check.traits.depends_on.iter().filter_map(|name| all.get(name));
    let mut elsewhere = view.elsewhere.iter().filter(|other| check.traits.depends_on.contains(&other.name));
    let plainer = |c: &&Check<'_>| {
        c.host().is_some() && c.host() == check.host() && c.traits.layer < check.traits.layer && c.name != check.name
    };
    let is_suspect = |t: &&TargetView<'_>| t.verdict.state == State::Suspect;
    // Others of the same check are about to be told with these.
    (check.is_at_nodes() && check.all.iter().any(is_suspect))
        || control.any(|t| is_open(t) || is_news(t))
        || kubelets.any(|t| t.is_open() || is_news(t))
        || dependencies.flat_map(|c| c.all.iter().copied()).any(is_open)
        || elsewhere.any(|other| other.targets.iter().any(is_open))
        || of_elsewhere(check, view).any(|(_, told)| told.is_none())
        || all.values().filter(plainer).any(|c| c.all.iter().any(is_suspect))
}

/// What failed, without what changes from probe to probe: a headline that counts would be news each time.
fn steady(reason: Option<Reason>, message: &str) -> String {
    let should = || message.split_once(", should ").map(|(_, should)| format!(", should {should}")).unwrap_or_default();
    match reason {
        Some(Reason::Slow) => format!("too slow{}", should()),
        Some(Reason::Certificate) => format!("its certificate ends too soon{}", should()),
        _ => message.to_owned(),
    }
}

/// `NodePort 30443 (shop) is silent on 3 of 40 nodes: n1, n2 and n3`
fn at_nodes(check: &Check<'_>, told: &[&TargetView<'_>], view: &ClusterView<'_>) -> Said {
    let how = same_how(told).map_or_else(|| Said::new("simply-fails"), |way: How| say::how(way, 1));
    let fails =
        Said::new("check-at-nodes").with("ports", Check::node_ports(told)).with("check", check.name.to_string());
    let fails = fails.with("how", how);
    if told.len() == check.all.len() {
        let place = if loses_pods(told, view) { "on-every-node-to-pods" } else { "on-every-node" };
        return fails.with("where", Said::new(place));
    }
    // With several ports, a node has several targets.
    let nodes = |all: &[&TargetView<'_>]| all.iter().filter_map(|t| t.target.node.clone()).collect::<BTreeSet<_>>();
    let (failing, total) = (nodes(told), nodes(&check.all).len());
    let (n, named) = (failing.len(), failing.iter().map(|name| &**name).collect::<Vec<_>>());
    let some = Said::new("on-some-nodes").with("n", n).with("total", total).names("nodes", &named, NODES_NAMED);
    fails.with("where", some)
}

/// Where a port that was served is silent on every node while the nodes live: a port without a pod behind it is refused (by
/// kube-proxy's own rule), so that silence is packets that are lost on the way to pods.
fn loses_pods(told: &[&TargetView<'_>], view: &ClusterView<'_>) -> bool {
    let is_lost = |t: &&TargetView<'_>| t.how().is_silence() && t.verdict.reached;
    let mut kubelets = view.targets.iter().filter(|t| t.job() == Job::Kubelet).peekable();
    let nodes_live = kubelets.peek().is_some() && kubelets.all(TargetView::is_up);
    told.len() > 1 && told.iter().all(is_lost) && nodes_live
}

fn finding(check: &Check<'_>, told: &[&TargetView<'_>], view: &ClusterView<'_>, is_alone: bool) -> Finding {
    let Check { name, traits, .. } = check;
    let headline = match (&traits.nodes, told.first()) {
        (Some(_), _) => Sentence::from(at_nodes(check, told, view)),
        (None, Some(target)) => {
            let is_name = target.host().parse::<std::net::IpAddr>().is_err();
            let who =
                if is_alone && is_name { target.host().to_owned() } else { format!("{name} ({})", target.instance()) };
            format!("{who}: {}", steady(target.verdict.reason, &target.verdict.message)).into()
        }
        (None, None) => format!("{name} fails").into(),
    };
    let since = earliest(told, view.now);
    let mut finding = Finding::new(key(view, *name), traits.severity, Topic::Outage, headline.text, since);
    finding.said.extend(headline.said);
    finding.evidence = told.iter().take(EVIDENCE_MAX).map(|t| evidence(check, t)).collect();
    let more = told.len().saturating_sub(EVIDENCE_MAX);
    finding.evidence.extend((more > 0).then(|| format!("and {more} more")));
    let step = match traits.nodes {
        Some(_) => Said::new("step-check-at-nodes"),
        None => Said::new("step-check").with("at", &traits.at),
    };
    say::first_step(&mut finding, step.with("check", name.to_string()));
    finding.labels = check.all.first().map(|t| t.target.labels.clone()).unwrap_or_default();
    finding.labels.extend(labels(told));
    finding
}

fn evidence(check: &Check<'_>, target: &TargetView<'_>) -> String {
    let Check { name, traits, .. } = check;
    let since = text::moment(target.verdict.since);
    let healthy = target.last_success.map(|at| format!("; last well {}", text::moment(at))).unwrap_or_default();
    let place = target.target.node.as_ref().map(|node| format!("{node}, {}", target.instance()));
    let place = place.unwrap_or_else(|| format!("{} {}", traits.kind, traits.at));
    format!("check {name} ({place}) fails since {since}: {}{healthy}", target.verdict.message)
}
