//! What is said of etcd: quorum lost, a member lost, a member unwell, an alarm.

use std::collections::BTreeMap;

use super::again;
use crate::{
    health::{
        etcd::{Etcd, Health, Member},
        phrases,
        picture::Picture,
        say,
        time::PROCESS_RESTART,
        view::{NAMED, TargetView, labels},
        witness::{Word, of_member},
    },
    model::{AlertName, EtcdAlarm, EtcdFacts, EtcdReads, Finding, Job, Said, Severity, text},
};

/// Returns everything that is wrong with etcd.
pub(super) fn findings(p: &Picture<'_>) -> Vec<Finding> {
    let mut all = Vec::new();
    all.extend(quorum(p));
    all.extend(out_of_reach(p));
    all.extend(p.etcd.members.iter().filter_map(|m| member(p, m)));
    all.extend(alarms(p));
    all
}

fn quorum(p: &Picture<'_>) -> Option<Finding> {
    let (indexed, etcd) = (&p.indexed, &p.etcd);
    let since = etcd.lost?;
    let mut finding = indexed.finding(AlertName::EtcdQuorumLost, "", Severity::Critical, quorum_headline(p));
    finding.since = since;
    finding.caused_by = again::of_no_leader(p, since);
    finding.labels.insert("job".into(), Job::Etcd.to_string());
    finding.evidence = if etcd.inferred {
        indexed.api.iter().map(|t| t.line()).collect()
    } else {
        etcd.members.iter().map(evidence).collect()
    };
    let silent: Vec<_> = p.hosts.lost().map(|h| h.label.as_str()).collect();
    if !silent.is_empty() {
        finding.evidence.push(format!("everything on {} is silent", phrases::list(&silent, NAMED)));
    }
    let stands = match etcd.inferred {
        true => Said::new("no-change-until-etcd"),
        false if etcd.total == 1 => Said::new("no-change-until-it-answers"),
        false => Said::new("no-change-until-quorum").with("needed", etcd.quorum).with("total", etcd.total),
    };
    say::consequence(&mut finding, stands);
    let place = etcd.members.iter().find(|m| m.health == Health::Dead).map(|m| m.seat.label());
    let step = match place {
        Some(place) => Said::new("step-quorum-member").with("member", place),
        None => Said::new("step-quorum"),
    };
    say::first_step(&mut finding, step);
    Some(finding)
}

fn quorum_headline(p: &Picture<'_>) -> Said {
    let etcd = &p.etcd;
    let Etcd { total, dead, sick, .. } = *etcd;
    if p.indexed.unreachable {
        return Said::new("quorum-unknown").with("n", dead);
    }
    if etcd.inferred {
        return Said::new("quorum-presumably-lost");
    }
    let broken = |m: &&Member| m.seat.voter && m.health != Health::Well;
    let how = |m: &Member| m.seat.target.map_or_else(|| Said::new("never-started"), |t| say::how(t.how(), 1));
    if total == 1 {
        let only = etcd.members.iter().find(broken);
        let is_down = only.and_then(|m| m.seat.target).filter(|_| !etcd.sure);
        let is_down = is_down.map_or_else(|| Said::new("is-down"), |t| say::are_down(&[t]));
        return only.map_or_else(
            || Said::new("etcd-down"),
            |m| Said::new("etcd-only-member").with("down", is_down).with("member", m.seat.label()).with("how", how(m)),
        );
    }
    if dead + etcd.quorum > total {
        let sure = if etcd.sure { "yes" } else { "no" };
        return Said::new("etcd-quorum-lost").with("sure", sure).with("how", dead_words(etcd));
    }
    let no_leader =
        |m: &&Member| m.seat.target.and_then(|t| t.etcd_facts()).is_some_and(|f| f.has_leader == Some(false));
    let lacks = if etcd.members.iter().any(|m| no_leader(&m)) { "leader" } else { "work" };
    let how = match dead {
        0 if sick == total => Said::new("members-none-well").with("total", total),
        0 => Said::new("members-some-well").with("n", sick).with("total", total),
        _ => Said::new("members-and-sick").with("gone", dead_words(etcd)).with("n", sick),
    };
    Said::new("etcd-lacks").with("what", lacks).with("how", how)
}

/// `2 of 3 members down`, `2 of 3 members silent`, `2 of 3 members gone (1 down, 1 silent)`: what is certain, and what is not.
fn dead_words(etcd: &Etcd<'_>) -> Said {
    let (dead, silent) = (etcd.dead, etcd.silent());
    let members = |id| Said::new(id).with("n", dead).with("total", etcd.total);
    match dead.saturating_sub(silent) {
        _ if silent == 0 => members("members-down"),
        0 => members("members-silent"),
        down => members("members-gone").with("down", down).with("silent", silent),
    }
}

fn evidence(m: &Member<'_>) -> String {
    let line = match m.seat.target {
        Some(t) if m.seat.name.is_empty() => t.line(),
        Some(t) => format!("{}: {}", m.seat.name, t.line()),
        None => format!("etcd member {} can't be asked", m.seat.label()),
    };
    let reads = m.seat.target.and_then(TargetView::etcd_facts).and_then(EtcdFacts::reads).map(reads_words);
    let checks = m.seat.target.map(TargetView::failed_checks).unwrap_or_default();
    let checks = (!checks.is_empty()).then(|| {
        let said: Vec<_> = checks.iter().map(|name| check_words(name)).collect();
        format!("failing checks: {}", phrases::list(&said, NAMED))
    });
    [Some(line), checks, reads].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// What a failing check of etcd's /livez or /readyz means (etcd's server/etcdserver/api/etcdhttp/health.go).
fn check_words(name: &str) -> String {
    let meaning = match name {
        "data_corruption" => "its data is corrupt",
        "serializable_read" => "it can't read its own data",
        "linearizable_read" => "no read is agreed upon",
        "non_learner" => "it is still a learner",
        _ => return name.to_owned(),
    };
    format!("{name} ({meaning})")
}

/// What a member's two reads tell of it.
fn reads_words(reads: EtcdReads) -> String {
    match reads {
        EtcdReads::Alone => "it reads its own data, and no read is agreed upon: it sees no quorum".into(),
        EtcdReads::Slow { own, agreed } => format!(
            "a read that the members agree upon takes {} there, one of its own data {}: raft is slow (a disk, or the \
             network between the members)",
            text::latency(agreed),
            text::latency(own)
        ),
    }
}

/// Returns what the members' reads tell where others fail on etcd: lines of evidence.
pub(super) fn reads(p: &Picture<'_>) -> Vec<String> {
    let told = p.indexed.job(Job::Etcd).iter().filter_map(|t| Some((t.instance(), t.etcd_facts()?.reads()?)));
    told.map(|(instance, reads)| format!("etcd member {instance}: {}", reads_words(reads))).collect()
}

/// Members that we can't reach and that others work with: told once.
fn out_of_reach(p: &Picture<'_>) -> Option<Finding> {
    let (indexed, etcd) = (&p.indexed, &p.etcd);
    // Those of a host out of our reach are told with it.
    let alone = |m: &&Member| m.seat.target.is_some_and(|t| p.hosts.of_target(t).is_none());
    let broken: Vec<_> = match &etcd.proof {
        Some(_) => etcd.members.iter().filter(|m| m.health != Health::Well && m.health != Health::Unknown).collect(),
        None => etcd.members.iter().filter(|m| m.health == Health::Beyond).filter(alone).collect(),
    };
    if broken.is_empty() || etcd.lost.is_some() {
        return None;
    }
    let headline = Said::new("members-beyond").with("n", broken.len()).with("total", etcd.members.len());
    let mut finding = indexed.finding(AlertName::EtcdMemberDown, "", Severity::Warning, headline);
    finding.since = broken.iter().map(|m| m.since).min().unwrap_or(indexed.now);
    finding.labels = labels(&broken.iter().filter_map(|m| m.seat.target).collect::<Vec<_>>());
    finding.labels.insert("job".into(), Job::Etcd.to_string());
    finding.evidence = broken.iter().map(|m| evidence(m)).collect();
    let seen = broken.iter().filter_map(|m| match of_member(indexed, &m.seat, m.since) {
        Word::Lives(who) => Some(who),
        _ => None,
    });
    etcd.proof.iter().cloned().chain(seen).for_each(|who| say::add(&mut finding, |f| &mut f.evidence, who));
    say::first_step(&mut finding, Said::new(REACH_STEP));
    Some(finding)
}

/// What to do about members that work for others.
const REACH_STEP: &str = "step-members-beyond";

/// A member that is down or unwell. With quorum lost it is part of that; with its host gone, of that.
fn member(p: &Picture<'_>, m: &Member<'_>) -> Option<Finding> {
    let (indexed, etcd) = (&p.indexed, &p.etcd);
    let sick = match m.health {
        Health::Dead => false,
        Health::Sick => true,
        Health::Well | Health::Beyond | Health::Unknown => return None,
    };
    let alert = if sick { AlertName::EtcdMemberUnhealthy } else { AlertName::EtcdMemberDown };
    let kept = m.seat.voter && etcd.lost.is_none() && etcd.proof.is_none();
    let severity = match (kept && etcd.margin() == 0, etcd.dead + etcd.sick) {
        (true, 1) if !m.seat.unborn => indexed.unless_restarting(m.since, PROCESS_RESTART),
        (true, _) => Severity::Critical,
        (false, _) => Severity::Warning,
    };
    let mut finding = indexed.finding(alert, m.seat.subject(), severity, member_headline(p, m, sick));
    finding.since = m.since;
    finding.labels = labels(m.seat.target.as_slice());
    finding.labels.insert("job".into(), Job::Etcd.to_string());
    finding.evidence.push(evidence(m));
    let step = if etcd.proof.is_some() {
        Said::new(REACH_STEP)
    } else if m.seat.unborn {
        Said::new("step-member-unborn")
    } else {
        Said::new("step-member").with("member", m.seat.label())
    };
    say::first_step(&mut finding, step);
    let alarm = alarm_in_force(p, m).filter(|_| sick);
    finding.caused_by = match (etcd.lost, &etcd.proof) {
        _ if m.seat.taken => Some(indexed.key(AlertName::EtcdInconsistent, m.seat.subject())),
        (Some(_), _) => Some(indexed.key(AlertName::EtcdQuorumLost, "")),
        // With an alarm in force, members call themselves unhealthy: that is its doing.
        _ if alarm.is_some() => alarm.map(|kind| indexed.key(AlertName::EtcdAlarm, kind)),
        (None, Some(_)) => Some(indexed.key(AlertName::EtcdMemberDown, "")),
        // Of a host that lives out of our reach, it died by itself.
        (None, None) => m.seat.target.filter(|t| !p.hosts.shield(t)).and_then(|t| p.lost_host(t)),
    };
    Some(finding)
}

/// The alarm that makes a member which has a leader call itself unhealthy: its own, or one that another member tells.
fn alarm_in_force<'a>(p: &Picture<'a>, m: &Member<'a>) -> Option<&'a str> {
    m.seat.target.and_then(TargetView::etcd_facts).filter(|f| f.has_leader != Some(false))?;
    let all = p.indexed.job(Job::Etcd).iter().filter_map(|t| t.etcd_facts());
    all.flat_map(|f| &f.alarms).map(|a| a.alarm.as_str()).next()
}

fn member_headline(p: &Picture<'_>, m: &Member<'_>, sick: bool) -> Said {
    let etcd = &p.etcd;
    let what = match m.seat.target {
        _ if etcd.proof.is_some() => Said::new("beyond-us"),
        Some(_) if m.seat.taken => Said::new("of-another-cluster"),
        Some(t) if sick && t.etcd_facts().is_some_and(|f| f.has_leader == Some(false)) => Said::new("sees-no-leader"),
        Some(t) if sick && t.etcd_facts().and_then(EtcdFacts::reads) == Some(EtcdReads::Alone) => {
            Said::new("sees-no-quorum")
        }
        Some(t) if sick => Said::new("answers-unwell").with("why", &t.verdict.message),
        Some(t) if t.how().is_silence() => {
            Said::new("down-silent").with("down", say::are_down(&[t])).with("how", say::name_of(t.how()))
        }
        _ => Said::new("is-down"),
    };
    let role = if m.seat.voter { "member" } else { "learner" };
    let what = Said::new("member-what").with("role", role).with("member", m.seat.label()).with("what", what);
    let told = m.seat.voter && etcd.lost.is_none() && !p.indexed.unreachable && etcd.proof.is_none();
    let id = match etcd.margin() {
        _ if !told => return what,
        0 => "member-last-margin",
        _ => "member-what-margin",
    };
    Said::new(id).with("what", what).with("margin", etcd.margin_words())
}

/// One finding for each kind of alarm, however many members tell of it.
fn alarms(p: &Picture<'_>) -> Vec<Finding> {
    let told = p.indexed.job(Job::Etcd).iter().filter_map(|t| Some((*t, t.etcd_facts()?)));
    let told: Vec<(&TargetView, &EtcdFacts)> = told.filter(|(_, f)| !f.alarms.is_empty()).collect();
    let name = |id: u64| {
        let listed = told.iter().flat_map(|(_, f)| &f.members).find(|m| m.id == id && !m.name.is_empty());
        listed.map_or_else(|| format!("{id:x}"), |m| m.name.clone())
    };
    let mut kinds: BTreeMap<&str, BTreeMap<u64, String>> = BTreeMap::new();
    for EtcdAlarm { member_id, alarm } in told.iter().flat_map(|(_, f)| &f.alarms) {
        kinds.entry(alarm).or_default().entry(*member_id).or_insert_with(|| name(*member_id));
    }
    kinds.into_iter().map(|(kind, members)| alarm(p, kind, members, &told)).collect()
}

fn alarm(
    p: &Picture<'_>,
    kind: &str,
    members: BTreeMap<u64, String>,
    told: &[(&TargetView<'_>, &EtcdFacts)],
) -> Finding {
    let who: Vec<String> = members.into_values().collect();
    let of = |id| Said::new(id).names("who", &who, NAMED);
    let (headline, consequence) = match kind {
        "NOSPACE" => (of("etcd-no-space"), "nothing can be created or changed; reading still works"),
        "CORRUPT" => (of("etcd-corrupt"), "members may answer differently; what is written now may be lost"),
        _ => (of("etcd-other-alarm").with("alarm", kind), "see etcd's documentation of this alarm"),
    };
    let mut finding = p.indexed.finding(AlertName::EtcdAlarm, kind, Severity::Critical, headline);
    // A member with an alarm reports itself unhealthy; one that does not tells no more than when it was last asked.
    let since = told
        .iter()
        .map(|(t, _)| if t.is_down() { t.verdict.since } else { t.last.map_or(p.indexed.now, |o| o.started) });
    finding.since = since.min().unwrap_or(p.indexed.now);
    finding.labels.insert("job".into(), Job::Etcd.to_string());
    finding.labels.insert("alarm".into(), kind.to_owned());
    finding.evidence.extend(told.iter().filter_map(|(t, f)| {
        let quota = f.db_quota.map(|q| format!(" of {} MiB allowed", q >> 20)).unwrap_or_default();
        Some(format!("etcd member {}: database of {} MiB{quota}", t.instance(), f.db_size? >> 20))
    }));
    finding.consequences.push(consequence.into());
    say::first_step(&mut finding, Said::new("step-alarm").with("alarm", kind));
    finding
}
