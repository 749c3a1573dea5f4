//! What is said of API servers: all fail, some do, one is unwell, the advertised address fails alone; and what explains it.

use std::time::Duration;

use super::{again, etcd};
use crate::{
    health::{
        etcd::{Health, Member},
        phrases,
        picture::Picture,
        say::{self, Sentence},
        time::{follows, later},
        view::{How, NAMED, TargetView, earliest, labels, same_how},
        witness::{Word, of_server},
    },
    model::{AlertName, Finding, FindingKey, Job, Said, SaidPart, Severity},
};

/// An API server that was connected to a member that fell silent notices within 40 s (its etcd client's keepalive of 30 s
/// and its timeout of 10 s) and dials another one.
const REDIAL: Duration = Duration::from_secs(60);

pub(super) fn findings(p: &Picture<'_>) -> Vec<Finding> {
    let servers = &p.api;
    let mut all = Vec::new();
    match servers.all_failing() {
        Some(_) => all.push(all_down(p)),
        None => {
            if let Some(strained) = servers.overloaded(&p.etcd) {
                all.push(overloaded(p, &strained));
            } else if !servers.down.is_empty() {
                all.push(some_down(p));
            } else if !servers.beyond.is_empty() {
                all.push(out_of_reach(p));
            }
            all.extend(servers.sick.iter().map(|t| unhealthy(p, t)));
        }
    }
    all.extend(address(p));
    all
}

fn all_down(p: &Picture<'_>) -> Finding {
    let servers = &p.api;
    let failing: Vec<_> = servers.down.iter().chain(&servers.sick).copied().collect();
    let all = say::all(servers.total, Job::KubeApiserver);
    let how = same_how(&failing);
    let fails =
        |how, though| Said::new("who-fails-though").with("who", all.clone()).with("how", how).with("though", though);
    let what = match how {
        Some(how) if failing.len() > 1 && (how.is_sickness() || how.is_silence()) => {
            fails(say::how(how, failing.len()), host_words(p, &failing))
        }
        Some(how) if failing.len() > 1 => {
            let down = Said::new("who-is-down-alike").with("who", all).with("down", say::are_down(&failing));
            down.with("how", say::how(how, failing.len()))
        }
        Some(how) if how.is_sickness() => fails(say::by_how(&failing), say::NOTHING.into()),
        _ if failing.len() > 1 => say::who_is_down(all, &failing, say::NOTHING),
        _ => say::who_is_down(all, &failing, host_words(p, &failing)),
    };
    let headline = match (p.etcd.is_well(), how) {
        (false, _) => what,
        (true, Some(How::EtcdFails)) if failing.len() > 1 => Said::new("though-etcd-is-well-login").with("what", what),
        (true, Some(How::EtcdFails)) => Said::new("though-etcd-is-well").with("what", what),
        (true, _) => Said::new("and-etcd-is-fine").with("what", what),
    };
    let mut finding = p.indexed.finding(AlertName::ApiServersDown, "", Severity::Critical, headline);
    finding.since = earliest(&failing, p.indexed.now);
    finding.labels = labels(&failing);
    finding.evidence = failing.iter().flat_map(|t| evidence(t)).collect();
    finding.evidence.extend(p.indexed.advertised.map(TargetView::line));
    finding.evidence.extend(of_etcd(p, &failing));
    say::consequence(&mut finding, Said::new("no-change-possible"));
    say::first_step(&mut finding, first_step(p, &failing, how));
    finding.caused_by = cause(p, &failing);
    finding
}

fn some_down(p: &Picture<'_>) -> Finding {
    let servers = &p.api;
    let n = servers.down.len();
    let remaining = servers.total.saturating_sub(n + servers.sick.len());
    let address = p.indexed.advertised.filter(|_| servers.address_up && remaining == 0);
    let headline = match address {
        Some(url) => Said::new("servers-not-from-here")
            .with("who", say::of(n, servers.total, Job::KubeApiserver))
            .with("address", url.instance())
            .with("by", say::by_how(&servers.down)),
        None => {
            let who = say::of(n, servers.total, Job::KubeApiserver);
            say::who_is_down(who, &servers.down, host_words(p, &servers.down))
        }
    };
    let critical = address.is_none() && servers.total >= 3 && remaining <= 1;
    let severity = if critical { Severity::Critical } else { Severity::Warning };
    let mut finding = p.indexed.finding(AlertName::ApiServerDown, "", severity, headline);
    finding.since = earliest(&servers.down, p.indexed.now);
    finding.labels = labels(&servers.down);
    finding.evidence = servers.down.iter().flat_map(|t| evidence(t)).collect();
    if remaining == 1 && address.is_none() {
        say::consequence(&mut finding, Said::new("one-more-server"));
    }
    say::first_step(&mut finding, first_step(p, &servers.down, same_how(&servers.down)));
    finding.caused_by = cause(p, &servers.down).or_else(|| again::of_server(p));
    finding
}

/// Several have no time: it is what they are asked, and none of them by itself.
fn overloaded(p: &Picture<'_>, strained: &[&TargetView<'_>]) -> Finding {
    let servers = &p.api;
    let who = say::all_or_some(strained.len(), servers.total, Job::KubeApiserver);
    let headline = Said::new("servers-overloaded").with("who", who).with("by", say::by_how(strained));
    let few = servers.total >= 3 && servers.up <= 1;
    let severity = if few { Severity::Critical } else { Severity::Warning };
    let mut finding = p.indexed.finding(AlertName::ApiServerDown, "", severity, headline);
    finding.since = earliest(strained, p.indexed.now);
    finding.labels = labels(strained);
    finding.evidence = strained.iter().flat_map(|t| evidence(t)).collect();
    say::consequence(&mut finding, Said::new("all-wait"));
    say::first_step(&mut finding, Said::new("step-overloaded"));
    finding
}

/// Returns the finding that an API server which has no time for us is part of.
pub(super) fn of_overload(p: &Picture<'_>) -> Option<FindingKey> {
    let is_told = p.api.all_failing().is_none() && p.api.overloaded(&p.etcd).is_some();
    is_told.then(|| p.indexed.key(AlertName::ApiServerDown, ""))
}

/// Silent towards us, while they renew their leases, or the others still list them.
fn out_of_reach(p: &Picture<'_>) -> Finding {
    let beyond = &p.api.beyond;
    let who = say::of(beyond.len(), p.api.total, Job::KubeApiserver);
    let headline = Said::new("servers-beyond").with("who", who).with("n", beyond.len()).with("by", say::by_how(beyond));
    let mut finding = p.indexed.finding(AlertName::ApiServerDown, "", Severity::Warning, headline);
    finding.since = earliest(beyond, p.indexed.now);
    finding.labels = labels(beyond);
    finding.evidence = beyond.iter().flat_map(|t| evidence(t)).collect();
    for target in beyond {
        if let Word::Lives(who) = of_server(&p.indexed, target, target.verdict.since) {
            say::add(&mut finding, |f| &mut f.evidence, who);
        }
    }
    say::first_step(&mut finding, first_step(p, beyond, same_how(beyond)));
    finding
}

fn unhealthy(p: &Picture<'_>, target: &TargetView<'_>) -> Finding {
    let instance = target.instance();
    let checks = target.failed_checks();
    let server = |id| Said::new(id).with("server", instance);
    let headline = match target.how() {
        How::EtcdFails if p.etcd.is_well() => {
            Said::new("though-etcd-is-well").with("what", server("server-fails-on-etcd"))
        }
        How::EtcdFails => server("server-fails-on-etcd"),
        _ if checks.is_empty() => server("server-unwell").with("why", &target.verdict.message),
        _ => server("server-checks-fail").with("n", checks.len()).names("checks", &checks, NAMED),
    };
    let mut finding = p.indexed.finding(AlertName::ApiServerUnhealthy, instance, Severity::Warning, headline);
    finding.since = target.verdict.since;
    finding.labels = labels(&[target]);
    finding.evidence = evidence(target);
    finding.evidence.extend(of_etcd(p, &[target]));
    say::first_step(&mut finding, first_step(p, &[target], Some(target.how())));
    finding.caused_by = cause(p, &[target]);
    finding
}

/// The advertised URL fails while what is behind it answers.
fn address(p: &Picture<'_>) -> Option<Finding> {
    let (servers, target) = (&p.api, p.indexed.advertised?);
    // A load balancer passes a sick server's answer on: then the server is told, not the address.
    let passed_on = target.how().is_sickness() && servers.up < servers.total;
    if !target.is_broken() || servers.up == 0 || passed_on {
        return None;
    }
    let address = target.instance();
    let behind = say::all_or_some(servers.up, servers.total, Job::KubeApiserver);
    let headline = Said::new("advertised-down").with("address", address).with("how", say::how(target.how(), 1));
    let headline = headline.with("behind", behind).with("n", servers.up);
    let mut finding = p.indexed.finding(AlertName::ApiServerAddressDown, address, Severity::Critical, headline);
    finding.since = target.verdict.since;
    finding.labels = labels(&[target]);
    finding.evidence = vec![target.line()];
    say::consequence(&mut finding, Said::new("who-uses-address").with("address", address));
    say::first_step(&mut finding, Said::new("step-address-down").with("host", target.host()));
    Some(finding)
}

fn evidence(target: &TargetView<'_>) -> Vec<String> {
    let mut lines = vec![target.line()];
    let checks = target.failed_checks();
    if !checks.is_empty() {
        lines.push(format!("{}: failing checks: {}", target.instance(), phrases::list(&checks, CHECKS_NAMED)));
    }
    if target.api_facts().is_some_and(|f| f.draining) {
        lines.push(format!("{} was draining: it was told to stop", target.instance()));
    }
    lines
}

/// Where they fail on etcd: how its members' own reads do.
fn of_etcd(p: &Picture<'_>, targets: &[&TargetView<'_>]) -> Vec<String> {
    let fails = targets.iter().any(|t| t.how() == How::EtcdFails);
    if fails { etcd::reads(p) } else { Vec::new() }
}

/// Silence of a host that lives: packets are dropped.
fn host_words(p: &Picture<'_>, targets: &[&TargetView<'_>]) -> SaidPart {
    if targets.iter().all(|t| t.how().is_silence() && p.indexed.host_lives(t)) {
        return Said::new("though-host-answers").with("n", targets.len()).into();
    }
    say::NOTHING.into()
}

/// What explains that all of these fail; `None` where at least one fails for no reason that is seen.
fn cause(p: &Picture<'_>, targets: &[&TargetView<'_>]) -> Option<FindingKey> {
    let causes: Option<Vec<_>> = targets.iter().map(|t| explanation(p, t)).collect();
    // The one that explains most comes first in the enumeration of alerts.
    causes?.into_iter().min()
}

fn explanation(p: &Picture<'_>, target: &TargetView<'_>) -> Option<FindingKey> {
    let (how, since) = (target.how(), target.verdict.since);
    if let Some(host) = p.lost_host(target) {
        return Some(host);
    }
    if let Some(lost) = p.etcd.lost {
        // Started anew, an API server without etcd exits: it refuses.
        let exits = matches!(how, How::Refused | How::Hangs | How::Wrong | How::Sick) && follows(since, lost);
        return (how == How::EtcdFails || exits).then(|| p.indexed.key(AlertName::EtcdQuorumLost, ""));
    }
    let redials = |m: &&Member| m.health == Health::Dead && follows(since, m.since) && !later(since, m.since, REDIAL);
    if how == How::EtcdFails
        && let Some(m) = p.etcd.members.iter().find(redials)
    {
        return m.seat.target.and_then(|t| p.lost_host(t)).or_else(|| m.key(&p.indexed));
    }
    // kubeadm's API servers know only the etcd member on their own host.
    if !matches!(how, How::EtcdFails | How::Refused) {
        return None;
    }
    let own = |m: &&Member| m.seat.target.is_some_and(|t| p.indexed.machine(t) == p.indexed.machine(target));
    p.etcd.members.iter().filter(own).find_map(|m| match m.health {
        Health::Dead | Health::Sick => m.key(&p.indexed).filter(|_| follows(since, m.since)),
        Health::Well | Health::Beyond | Health::Unknown => None,
    })
}

fn first_step(p: &Picture<'_>, targets: &[&TargetView<'_>], how: Option<How>) -> Sentence {
    let Some(first) = targets.first() else { return String::new().into() };
    let host = p.indexed.machine(first);
    let on_host = |id| Said::new(id).with("host", host);
    let step = match how {
        Some(How::EtcdFails) => on_host("step-server-etcd"),
        Some(How::Silent) if p.indexed.host_lives(first) => {
            on_host("step-server-dropped").with("server", first.instance())
        }
        Some(How::Silent | How::Unreachable) => on_host("step-server-silent").with("server", first.instance()),
        Some(How::Dns) => Said::new("step-server-name").with("host", first.host()),
        Some(How::Hangs) => on_host("step-server-hangs"),
        Some(How::Expired) => on_host("step-server-expired"),
        _ => on_host("step-server-down"),
    };
    step.into()
}

/// How many failing checks a line of evidence names.
const CHECKS_NAMED: usize = 12;
