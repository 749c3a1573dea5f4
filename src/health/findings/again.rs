//! What is normal once, and comes again and again: elections of etcd, API servers that are away in turns, connections whose
//! first packet is lost (`recent`).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    health::{
        phrases,
        picture::Picture,
        recent::Again,
        say,
        time::later,
        view::{NAMED, TargetView, labels},
    },
    model::{AlertName, Finding, FindingKey, Job, Said, SaidPart, Severity, State, TargetKey, text},
};

/// etcd without a leader for longer than this is no election any more.
const ELECTION: Duration = Duration::from_secs(30);
/// Where connections to more hosts are late than this, it is the way from here.
const HOSTS_MAX: usize = 2;
/// So many moments are quoted.
const TIMES_MAX: usize = 6;

pub(super) fn findings(p: &Picture<'_>) -> Vec<Finding> {
    let mut all: Vec<_> = elections(p).into_iter().chain(turns(p)).collect();
    all.extend(late(p));
    all
}

/// What explains that etcd has no leader since then: it is about to elect one, as it does all the time.
pub(super) fn of_no_leader(p: &Picture<'_>, since: Timestamp) -> Option<FindingKey> {
    p.indexed.view.recent.elections(p.indexed.now)?;
    let is_short = p.etcd.dead == 0 && !later(p.indexed.now, since, ELECTION);
    is_short.then(|| p.indexed.key(AlertName::EtcdLeaderChanges, ""))
}

/// What explains that an API server is away while others work: its turn has come.
pub(super) fn of_server(p: &Picture<'_>) -> Option<FindingKey> {
    in_turns(p).map(|_| p.indexed.key(AlertName::TargetFlapping, SERVERS))
}

fn elections(p: &Picture<'_>) -> Option<Finding> {
    let again = p.indexed.view.recent.elections(p.indexed.now)?;
    let headline = Said::new("etcd-elects-again");
    let mut finding = p.indexed.finding(AlertName::EtcdLeaderChanges, "", Severity::Warning, headline);
    finding.since = again.since;
    finding.labels.insert("job".into(), Job::Etcd.to_string());
    finding.evidence = vec![moments("a new term of raft", &again, p.indexed.now)];
    finding
        .consequences
        .push("with each election nothing can be written for seconds; leases and watches may break".into());
    say::first_step(&mut finding, Said::new("step-elections"));
    Some(finding)
}

/// API servers that come back in turns, or several that flap, which hides when they come back.
fn in_turns(p: &Picture<'_>) -> Option<Again> {
    let flapping = || p.indexed.api.iter().filter(|t| t.verdict.state == State::Flapping);
    let recent = p.indexed.view.recent.turns(p.indexed.now);
    let several = || {
        let since = flapping().map(|t| t.verdict.since).min()?;
        let who: BTreeSet<String> = flapping().map(|t| t.instance().to_owned()).collect();
        (who.len() > 1).then_some(Again { since, times: Vec::new(), who })
    };
    recent.or_else(several)
}

fn turns(p: &Picture<'_>) -> Option<Finding> {
    let again = in_turns(p)?;
    let who: Vec<&str> = again.who.iter().map(String::as_str).collect();
    let headline = Said::new("servers-in-turns").names("names", &who, NAMED);
    let mut finding = p.indexed.finding(AlertName::TargetFlapping, SERVERS, Severity::Warning, headline);
    finding.since = again.since;
    finding.labels.insert("job".into(), Job::KubeApiserver.to_string());
    finding.evidence.extend((!again.times.is_empty()).then(|| moments("one came back", &again, p.indexed.now)));
    finding
        .consequences
        .push("each that goes leaves its load to the others; clients lose their connections and list anew".into());
    say::first_step(&mut finding, Said::new("step-turns"));
    Some(finding)
}

/// Connections to one host are late while those to others are not: something on that host, or before it, loses first packets.
fn late(p: &Picture<'_>) -> Vec<Finding> {
    let recent = p.indexed.view.recent;
    let again = recent.late(p.indexed.now);
    if again.is_empty() {
        return Vec::new();
    }
    let targets = || p.indexed.view.targets.iter().chain(&p.indexed.view.checks);
    let by_key: BTreeMap<&TargetKey, &TargetView<'_>> = targets().map(|t| (&t.target.key, t)).collect();
    let place = |t: &TargetView<'_>| t.node().unwrap_or(t.host()).to_owned();
    let concerned = |key: &TargetKey| by_key.get(key).map(|t| place(t));
    let hosts: BTreeSet<String> = recent.late_at_all(p.indexed.now).filter_map(concerned).collect();
    let all: BTreeSet<String> = targets().map(place).collect();
    if hosts.len() > HOSTS_MAX || hosts.len() * 2 > all.len() {
        return Vec::new();
    }
    let mut by_host: BTreeMap<String, Vec<(&TargetView<'_>, Again)>> = BTreeMap::new();
    for (key, again) in again {
        if let Some(target) = by_key.get(key).filter(|t| !t.is_down()) {
            by_host.entry(place(target)).or_default().push((target, again));
        }
    }
    by_host.into_iter().map(|(host, those)| of_host(p, &host, &those)).collect()
}

fn of_host(p: &Picture<'_>, host: &str, those: &[(&TargetView<'_>, Again)]) -> Finding {
    let targets: Vec<&TargetView<'_>> = those.iter().map(|(t, _)| *t).collect();
    let what = |t: &&TargetView<'_>| -> SaidPart {
        Said::new("instance-of").with("instance", t.instance()).with("component", say::job(t.job(), 1)).into()
    };
    let headline = Said::new("first-packets-lost").with("host", host);
    let headline = headline.list("what", targets.iter().map(what).collect(), NAMED);
    let mut finding = p.indexed.finding(AlertName::ConnectionsDelayed, host, Severity::Warning, headline);
    finding.since = those.iter().map(|(_, again)| again.since).min().unwrap_or(p.indexed.now);
    finding.labels = labels(&targets);
    finding.evidence = those
        .iter()
        .take(NAMED)
        .map(|(t, again)| moments(&format!("a late connection to {}", t.instance()), again, p.indexed.now))
        .collect();
    finding.evidence.push("connections to other hosts are not late: it is not the way from here".into());
    finding
        .consequences
        .push(format!("some requests to {host} take a second longer, or three; most are as quick as ever"));
    say::first_step(&mut finding, Said::new("step-first-packets").with("host", host));
    finding
}

/// `a new term of raft at 14:02:10, 14:04:11 and 3 more`, the newest first.
fn moments(what: &str, again: &Again, now: Timestamp) -> String {
    let times: Vec<String> = again.times.iter().rev().map(|at| text::moment_today(*at, now)).collect();
    format!("{what} at {}", phrases::list(&times.iter().map(String::as_str).collect::<Vec<_>>(), TIMES_MAX))
}

/// The subject of what all API servers do together.
const SERVERS: &str = "kube-apiserver";
