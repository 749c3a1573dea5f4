//! Checks that ask one address and all fail there in the same way: a load balancer, an ingress or a host, told once, with
//! the checks as its consequences.
//!
//! Only what says something of the address itself is taken so: silence, refusals, broken handshakes, errors of the server
//! (5xx). Where one check of that address is well, each of the others stands for itself. A check with quiet times does, too:
//! nothing else may tell of it.

use std::{collections::BTreeMap, net::SocketAddr};

use jiff::Timestamp;

use super::{
    checks::{AWAITED, Check, NODES_NAMED, key},
    phrases,
    time::later,
    view::{ClusterView, How, TargetView, earliest},
};
use crate::model::{AlertName, CheckName, Facts, Finding, FindingKey, Reason, Severity, State, Topic};

/// One check alone says nothing of what stands before others.
const CHECKS_MIN: usize = 2;

/// How an address fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Status(u16),
    How(How),
}

impl Shape {
    /// `None`: what fails is the answer of one check, and no word on the address.
    fn of(target: &TargetView<'_>) -> Option<Self> {
        let status = target.last.and_then(|o| o.http_status).filter(|status| *status >= 500);
        match (target.verdict.reason, target.how()) {
            (Some(Reason::HttpStatus), _) => status.map(Self::Status),
            (_, How::Wrong | How::Credentials | How::Slow | How::Sick | How::Unseen | How::Dns) => None,
            (_, how) => Some(Self::How(how)),
        }
    }

    fn says(self) -> String {
        match self {
            Self::Status(status) => format!("answers with HTTP {status}"),
            Self::How(how) => how.says(1).to_owned(),
        }
    }
}

fn peer(target: &TargetView<'_>) -> Option<SocketAddr> {
    match &target.last?.facts {
        Facts::Check(facts) => facts.peer,
        _ => None,
    }
}

/// Tells of each address at which all checks fail alike, and makes it the cause of what was found of them. Whether an
/// answer is waited for that decides it: what it may explain is not told until then.
pub(super) fn explain(view: &ClusterView<'_>, all: &BTreeMap<CheckName, Check<'_>>, found: &mut Vec<Finding>) -> bool {
    let mut members: BTreeMap<SocketAddr, Vec<(&Check<'_>, &TargetView<'_>)>> = BTreeMap::new();
    for check in all.values().filter(|c| !c.is_at_nodes() && !c.traits.has_quiet_times) {
        let Some(target) = check.all.first() else { continue };
        if let Some(peer) = peer(target) {
            members.entry(peer).or_default().push((check, target));
        }
    }
    let (mut shared, mut waits) = (Vec::new(), false);
    for (peer, members) in &members {
        let down: Vec<_> = members.iter().filter(|(_, t)| t.is_down()).collect();
        let is_root = |f: &Finding| f.caused_by.is_none() && down.iter().any(|(c, _)| f.key == key(view, c.name));
        if members.len() < CHECKS_MIN || !found.iter().any(is_root) {
            continue;
        }
        let Some(shape) = down.first().and_then(|(_, t)| Shape::of(t)) else { continue };
        if down.iter().any(|(_, t)| Shape::of(t) != Some(shape)) {
            continue;
        }
        let targets: Vec<&TargetView<'_>> = down.iter().map(|(_, t)| *t).collect();
        let since = earliest(&targets, view.now);
        let is_open = |t: &TargetView<'_>| {
            t.verdict.state == State::Suspect || t.is_up() && t.last.is_some_and(|o| o.started < since)
        };
        let is_all = down.len() == members.len();
        if !is_all && !later(view.now, since, AWAITED) && members.iter().all(|(_, t)| t.is_down() || is_open(t)) {
            waits = true;
            found.retain(|f| !is_root(f));
        } else if is_all && down.len() >= CHECKS_MIN {
            let checks: Vec<&Check<'_>> = down.iter().map(|(c, _)| *c).collect();
            let mut finding = finding(view, *peer, shape, &checks, &targets);
            let behind: Vec<String> = all.values().filter_map(|c| answers_at_nodes(c, finding.since)).collect();
            if let Some(first) = behind.first() {
                finding.headline = format!("{}; {first}", finding.headline);
                finding.evidence.extend(behind.iter().map(|words| format!("{words}: what is behind {peer} is well")));
            }
            found.iter_mut().filter(|f| is_root(f)).for_each(|f| f.caused_by = Some(finding.key.clone()));
            shared.push(finding);
        }
    }
    found.extend(shared);
    waits
}

/// A check by HTTP that every node answers since then: what an ingress serves past whatever stands before the nodes.
fn answers_at_nodes(check: &Check<'_>, since: Timestamp) -> Option<String> {
    let port = check.traits.nodes_port.filter(|_| check.traits.kind == "http")?;
    let answers = |t: &&TargetView<'_>| t.is_up() && t.last.is_some_and(|o| o.started >= since);
    let is_well = !check.all.is_empty() && check.all.iter().all(answers);
    is_well.then(|| format!("{} on NodePort {port} answers on every node", check.name))
}

fn finding(
    view: &ClusterView<'_>,
    peer: SocketAddr,
    shape: Shape,
    checks: &[&Check<'_>],
    targets: &[&TargetView<'_>],
) -> Finding {
    let key = FindingKey { cluster: view.cluster.clone(), alert: AlertName::ChecksFailing, subject: peer.to_string() };
    let severity = checks.iter().map(|c| c.traits.severity).max().unwrap_or(Severity::Warning);
    let names: Vec<&str> = checks.iter().map(|c| c.name.as_str()).collect();
    let (n, names) = (names.len(), phrases::list(&names, NODES_NAMED));
    let headline = format!("{peer} {} for all {n} checks that ask it: {names}", shape.says());
    let mut finding = Finding::new(key, severity, Topic::Outage, headline, earliest(targets, view.now));
    let first = checks.first().map_or("NAME", |c| c.name.as_str());
    finding.first_step = format!(
        "look at what stands at {peer} (a load balancer, an ingress, a host) before what is behind it: `dogwatch probe {first} \
         --verbose` on the watchdog's machine shows how it fails"
    );
    finding.labels.insert("instance".to_owned(), peer.to_string());
    finding
}
