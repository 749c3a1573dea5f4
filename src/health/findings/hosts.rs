//! What is said of silent control-plane hosts: one finding for each that is lost, in which everything that ran there has its
//! place; and one for all that live out of our reach.

use crate::{
    health::{
        etcd::Etcd,
        hosts::{Fate, Host},
        lost,
        picture::Picture,
        say,
        view::{NAMED, TargetView, earliest},
    },
    model::{AlertName, Finding, Job, Said, SaidPart, Severity},
};

pub(super) fn findings(p: &Picture<'_>) -> Vec<Finding> {
    p.hosts.lost().map(|host| down(p, host)).chain(out_of_reach(p)).collect()
}

fn down(p: &Picture<'_>, host: &Host<'_>) -> Finding {
    let what: Vec<SaidPart> = host.targets.iter().map(|t| part(&p.etcd, t).into()).collect();
    let stake = host.targets.iter().any(|t| t.job() == Job::Etcd) && p.etcd.lost.is_none() && p.etcd.proof.is_none();
    let margin = match stake {
        true => Said::new("host-etcd-margin").with("margin", p.etcd.margin_words()).into(),
        false => SaidPart::from(say::NOTHING),
    };
    let (n, headline) = (what.len(), Said::new("host-down").with("host", &host.label).with("margin", margin));
    let headline = headline.with("n", n).list("parts", what, n);
    let cordoned = p.indexed.node(host.id).is_some_and(|n| n.unschedulable);
    let severity = if cordoned { Severity::Warning } else { Severity::Critical };
    let there = lost::with(p.indexed.view, &[host.id], true);
    let mut finding =
        p.indexed.finding(AlertName::ControlPlaneHostDown, host.id, severity, there.added_to(headline.into()));
    finding.since = earliest(&host.targets, p.indexed.now);
    finding.evidence = host.targets.iter().map(|t| t.line()).collect();
    finding.consequences = there.consequences;
    if cordoned {
        finding.evidence.push(format!("node {} is cordoned: perhaps this is maintenance", host.id));
    }
    finding.labels.insert("instance".into(), host.targets.first().map_or(host.id, |t| t.host()).to_owned());
    if p.indexed.node(host.id).is_some() {
        finding.labels.insert("node".into(), host.id.to_owned());
    }
    say::first_step(&mut finding, Said::new("step-host").with("host", &host.label));
    finding
}

/// Hosts that are silent towards us and that others see: it is the way to them. Told once, however many they are; each of
/// several has a finding of its own beside that, by which alerts about it are known for what they are.
fn out_of_reach(p: &Picture<'_>) -> Vec<Finding> {
    let hosts: Vec<&Host> = p.hosts.living().collect();
    let mut all: Vec<_> = (!hosts.is_empty()).then(|| unreachable(p, &hosts, "")).into_iter().collect();
    if hosts.len() > 1 {
        let root = p.indexed.key(AlertName::ControlPlaneHostUnreachable, "");
        let each = hosts.iter().map(|host| unreachable(p, std::slice::from_ref(host), host.id));
        all.extend(each.map(|f| Finding { caused_by: Some(root.clone()), ..f }));
    }
    all
}

fn unreachable(p: &Picture<'_>, hosts: &[&Host<'_>], subject: &str) -> Finding {
    let names: Vec<_> = hosts.iter().map(|h| h.label.as_str()).collect();
    let who = Said::new("names").names("names", &names, NAMED);
    let words: Vec<_> = hosts.iter().filter_map(|h| witness(h)).collect();
    let alike = words.iter().all(|w| Some(w) == words.first());
    let seen = words.first().filter(|_| alike).map_or_else(|| Said::new("others-see-them"), |w| (*w).clone());
    let fate = if hosts.iter().all(|h| matches!(h.fate, Fate::Needed(_))) { "needed" } else { "lives" };
    let headline = Said::new("hosts-beyond").with("who", who.clone()).with("n", hosts.len());
    let headline = headline.with("fate", fate).with("seen", seen);
    let mut finding = p.indexed.finding(AlertName::ControlPlaneHostUnreachable, subject, Severity::Warning, headline);
    let targets: Vec<_> = hosts.iter().flat_map(|h| h.targets.iter().copied()).collect();
    finding.since = earliest(&targets, p.indexed.now);
    for (host, word) in hosts.iter().zip(&words) {
        let line = Said::new("line-of").with("name", &host.label).with("line", (*word).clone());
        say::add(&mut finding, |f| &mut f.evidence, line);
    }
    finding.evidence.extend(targets.iter().filter(|t| t.is_down()).map(|t| t.line()));
    finding.consequences.push("what happens there is not seen from here: a real failure would be told late".into());
    let address = targets.first().map_or("HOST", |t| t.host());
    if let [host] = hosts {
        finding.labels.insert("instance".into(), address.to_owned());
        finding.labels.extend(p.indexed.node(host.id).map(|n| ("node".into(), n.name.to_string())));
    }
    let step = Said::new("step-host-beyond").with("address", address);
    say::first_step(&mut finding, step.with("who", who));
    finding
}

/// Who has seen it.
fn witness<'a>(host: &'a Host<'_>) -> Option<&'a Said> {
    match &host.fate {
        Fate::Lives(who) | Fate::Needed(who) => Some(who),
        Fate::Open | Fate::Lost => None,
    }
}

/// `API server`, `etcd member m2`.
fn part(etcd: &Etcd<'_>, target: &TargetView<'_>) -> Said {
    let job = say::job(target.job(), 1);
    match etcd.member_of(target) {
        Some(member) if member.seat.short() != target.instance() => {
            Said::new("component-named").with("component", job).with("name", member.seat.short())
        }
        _ => job,
    }
}
