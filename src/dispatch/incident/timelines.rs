//! Whole stories, second by second: what is found when, and every message that comes of it.

use super::*;
use crate::{
    model::{AlertName, Finding, Severity, Topic},
    notify::example,
};

const PACE: Pace = Pace { group_interval: Duration::from_secs(300), repeat_interval: Duration::from_secs(4 * 3600) };
const POLICY: NotificationPolicy<'static> =
    NotificationPolicy { pace: &|_| PACE, quiet: &|_| None, warnings_after: Duration::from_secs(60) };

/// From this second on: what is found, and what is told until the next line begins, as `12 Worse NodeDown n1`.
type Line<'a> = (u64, &'a str, &'a [&'a str]);

fn t(seconds: u64) -> Timestamp {
    example::at("14:00:00") + Duration::from_secs(seconds)
}

/// `!NodeDown/n1@12 <EtcdQuorumLost`: critical (`~`: a warning), of whom, since when, by which cause. Without `@`, it has
/// been there since the line where it appears first.
fn find(text: &str, since: u64) -> Finding {
    let (what, cause) = text.split_once(" <").map_or((text, None), |(what, cause)| (what, Some(cause)));
    let (what, since) = what.split_once('@').map_or((what, since), |(what, at)| (what, at.parse().unwrap()));
    let severity = if what.starts_with('!') { Severity::Critical } else { Severity::Warning };
    let (name, subject) = what[1..].split_once('/').unwrap_or((&what[1..], ""));
    let name = AlertName::known(name).unwrap();
    let mut finding = example::finding(name, subject, format!("{name} {subject}").trim_end());
    (finding.severity, finding.since) = (severity, t(since));
    finding.topic = match name {
        AlertName::CertificateExpiring => Topic::Certificates,
        AlertName::CredentialsRefused => Topic::Credentials,
        _ => Topic::Outage,
    };
    // A list of instances stands for evidence that names them.
    finding.evidence = vec!["API server 10.0.0.1:6443 refuses connections".into(), "kubelet on n1 is silent".into()];
    if !subject.is_empty() {
        finding.evidence = vec![format!("{name} of {subject}")];
        finding.labels = [("instance".to_owned(), subject.to_owned())].into();
    }
    finding.caused_by = cause.map(|cause| find(&format!("!{cause}"), 0).key);
    finding
}

/// Plays a story and gives what was stored last of every incident.
fn play(lines: &[Line<'_>]) -> Vec<Incident> {
    let mut open = Open::default();
    let mut last: BTreeMap<i64, Incident> = BTreeMap::new();
    let mut began: BTreeMap<&str, u64> = BTreeMap::new();
    for (i, (from, found, expected)) in lines.iter().enumerate() {
        let texts: Vec<&str> = found.split(", ").filter(|t| !t.is_empty()).collect();
        began.retain(|text, _| texts.contains(text));
        let findings: Vec<Finding> =
            texts.iter().map(|text| find(text, *began.entry(*text).or_insert(*from))).collect();
        let mut told = Vec::new();
        for at in *from..lines.get(i + 1).map_or(from + 1, |next| next.0) {
            let (cluster, findings) = ("prod".into(), findings.clone());
            let diagnosis =
                Diagnosis { cluster, at: t(at), findings, unsettled: false, blind: false, changes: Arc::default() };
            for change in open.step(&[Arc::new(diagnosis)], t(at), &POLICY, None) {
                let message = |told| format!("{at} {told:?} {}", change.incident.headline);
                told.extend(change.told.map(message));
                last.insert(change.incident.id, change.incident.clone());
            }
        }
        assert_eq!(told, *expected, "from second {from}: {found}");
    }
    last.into_values().collect()
}

#[test]
fn a_warning_is_told_when_it_lasts_or_grows() {
    // A kubelet restarts; later it stays away.
    let records = play(&[(0, "~KubeletDown/n1", &[]), (12, "", &[]), (1000, "", &[])]);
    assert_eq!(records.len(), 1, "it is a record all the same");
    assert_eq!((records[0].messages, records[0].resolved_at), (0, Some(t(12))));
    assert_eq!(records[0].timeline.last().unwrap().1, "Over before anybody was told");
    play(&[
        (0, "~KubeletDown/n1", &["60 Opened KubeletDown n1"]),
        (90, "", &["100 Resolved KubeletDown n1"]),
        (400, "", &[]),
    ]);
    play(&[(0, "~ApiServerDown", &[]), (20, "!ApiServerDown", &["20 Opened ApiServerDown"]), (50, "", &[])]);
    // Found late, it has lasted already.
    play(&[(0, "", &[]), (100, "~KubeletDown/n1@30", &["100 Opened KubeletDown n1"]), (101, "", &[])]);
}

#[test]
fn rolling_restarts_tell_nothing() {
    play(&[
        (0, "~ApiServerDown, ~EtcdMemberDown/m1, ~ComponentDown/kube-scheduler", &[]),
        (15, "~ApiServerUnhealthy/10.0.0.1:6443", &[]),
        (20, "", &[]),
        (60, "~EtcdMemberDown/m2, ~ComponentDown/kube-controller-manager", &[]),
        // The next one begins before this one is quite back.
        (75, "~ApiServerDown@75, ~EtcdMemberDown/m2", &[]),
        (80, "~ApiServerDown@75", &[]),
        (90, "", &[]),
        (120, "~ApiServerDown, ~EtcdMemberDown/m3", &[]),
        (140, "", &[]),
        (150, "~NodeDown/n1", &[]),
        (190, "~NodeDown/n2", &[]),
        (235, "~NodeDown/n3", &[]),
        (280, "~NodeDown/n4, ~ComponentDown/kube-proxy", &[]),
        (330, "~NodeDown/n5", &[]),
        (380, "", &[]),
        (1000, "", &[]),
    ]);
}

#[test]
fn an_open_incident_swallows_nothing_new() {
    // API servers flap; in their shadow a kubelet and an etcd member are killed.
    play(&[
        (0, "!ApiServersDown", &["0 Opened ApiServersDown"]),
        (20, "", &[]),
        (25, "!ApiServersDown", &[]),
        (45, "", &[]),
        (52, "~KubeletDown/n1, !EtcdMemberDown/m2", &["52 Worse EtcdMemberDown m2", "112 Worse EtcdMemberDown m2"]),
        (120, "", &["123 Resolved ApiServersDown"]),
        (600, "", &[]),
    ]);
    // The member was killed while no API server answered, and came to light when they were back.
    play(&[
        (0, "!ApiServersDown", &["0 Opened ApiServersDown"]),
        (20, "!EtcdMemberDown/m2@15", &["20 Worse EtcdMemberDown m2"]),
        (21, "", &[]),
    ]);
    // A second member long after the first outage of the same incident.
    play(&[
        (0, "!EtcdQuorumLost, ~NodeDown/n1", &["0 Opened EtcdQuorumLost"]),
        (20, "~NodeDown/n1", &["81 Worse NodeDown n1"]),
        (100, "~NodeDown/n1, !EtcdMemberDown/m2", &["100 Worse EtcdMemberDown m2"]),
        (101, "", &[]),
    ]);
    // What was a consequence once, long over, is a root now.
    play(&[
        (0, "!EtcdQuorumLost, ~NodeDown/n1, !SchedulerNoLeader <EtcdQuorumLost", &["0 Opened EtcdQuorumLost"]),
        (20, "~NodeDown/n1", &["81 Worse NodeDown n1"]),
        (200, "~NodeDown/n1, !SchedulerNoLeader", &["200 Worse SchedulerNoLeader"]),
        (201, "", &[]),
    ]);
}

#[test]
fn the_way_back_is_told_when_it_does_not_end() {
    let lost = "!EtcdQuorumLost, !ApiServersDown <EtcdQuorumLost, ~EtcdMemberDown/m3 <EtcdQuorumLost";
    play(&[
        (0, lost, &["0 Opened EtcdQuorumLost"]),
        (30, "!SchedulerNoLeader@20, ~EtcdMemberDown/m3, ~ApiServerUnhealthy/10.0.0.1:6443", &[]),
        (45, "!SchedulerNoLeader@20", &[]),
        (55, "", &["60 Resolved EtcdQuorumLost"]),
        (900, "", &[]),
    ]);
    play(&[
        (0, lost, &["0 Opened EtcdQuorumLost"]),
        (30, "!SchedulerNoLeader@20", &["91 Worse SchedulerNoLeader"]),
        (100, "", &["103 Resolved EtcdQuorumLost"]),
        (200, "", &[]),
    ]);
}

#[test]
fn what_is_not_back_yet_is_part_of_its_host() {
    let out = "~ControlPlaneHostUnreachable/10.0.0.2@0";
    // Greater by its name, or by its severity, and of the same machine.
    for left in ["~EtcdMemberDown/10.0.0.2:2379@0", "!EtcdMemberDown/10.0.0.2:2379@0", "!ApiServerDown/10.0.0.2:6443@0"]
    {
        let records = play(&[
            (0, out, &["60 Opened ControlPlaneHostUnreachable 10.0.0.2"]),
            (90, left, &[]),
            (120, "", &["123 Resolved ControlPlaneHostUnreachable 10.0.0.2"]),
            (900, "", &[]),
        ]);
        assert_eq!((records.len(), records[0].severity), (1, Severity::Warning));
    }
    // It does not come back; another machine's fails; the whole machine is lost; it fails anew.
    let member = "!EtcdMemberDown/10.0.0.2:2379@0";
    let opened = (0, out, &["60 Opened ControlPlaneHostUnreachable 10.0.0.2"][..]);
    for (left, told) in [
        (member, "171 Worse EtcdMemberDown 10.0.0.2:2379"),
        ("!EtcdMemberDown/10.0.0.3:2379@85", "110 Worse EtcdMemberDown 10.0.0.3:2379"),
        ("!ControlPlaneHostDown/10.0.0.2@0", "110 Worse ControlPlaneHostDown 10.0.0.2"),
    ] {
        play(&[opened, (90, out, &[]), (110, left, &[told]), (172, left, &[])]);
    }
    let anew = "!EtcdMemberDown/10.0.0.2:2379@108";
    play(&[opened, (100, "", &[]), (108, anew, &["108 Worse EtcdMemberDown 10.0.0.2:2379"]), (109, anew, &[])]);
}

#[test]
fn a_consequence_that_grows_on_the_way_back_is_part_of_it() {
    let (host, member) = ("!ControlPlaneHostDown/10.0.0.2@0", "EtcdMemberDown/10.0.0.2:2379@0");
    let lost = format!("{host}, ~{member} <ControlPlaneHostDown/10.0.0.2");
    let left = format!("!{member}");
    let opened: &[&str] = &["0 Opened ControlPlaneHostDown 10.0.0.2"];
    play(&[
        (0, &lost, opened),
        (30, &left, &[]),
        (60, "", &["63 Resolved ControlPlaneHostDown 10.0.0.2"]),
        (900, "", &[]),
    ]);
    play(&[(0, &lost, opened), (30, &left, &["91 Worse EtcdMemberDown 10.0.0.2:2379"]), (92, &left, &[])]);
}

#[test]
fn severity_and_headline_are_those_of_roots() {
    let out = "~ControlPlaneHostUnreachable/10.0.0.2@0";
    let loud = format!("{out}, !ApiServerDown <ControlPlaneHostUnreachable/10.0.0.2");
    let records = play(&[
        (0, out, &["60 Opened ControlPlaneHostUnreachable 10.0.0.2"]),
        (70, &loud, &[]),
        (100, "", &["110 Resolved ControlPlaneHostUnreachable 10.0.0.2"]),
        (120, "", &[]),
    ]);
    assert_eq!((records[0].severity, records[0].alerts.len()), (Severity::Warning, 2));
    // While only the consequence is left, it does not become the headline.
    let records = play(&[
        (0, &loud, &["60 Opened ControlPlaneHostUnreachable 10.0.0.2"]),
        (70, "!ApiServerDown", &[]),
        (80, "!ApiServerDown", &[]),
    ]);
    assert_eq!(records[0].headline, "ControlPlaneHostUnreachable 10.0.0.2");
}

#[test]
fn a_young_warning_delays_no_end() {
    let records = play(&[
        (0, "!EtcdAlarm/NOSPACE", &["0 Opened EtcdAlarm NOSPACE"]),
        (100, "~KubeletDown/n1", &["103 Resolved EtcdAlarm NOSPACE"]),
        (110, "", &[]),
        (200, "", &[]),
    ]);
    assert_eq!(
        records.iter().map(|i| (i.messages, i.resolved_at.is_some())).collect::<Vec<_>>(),
        [(2, true), (0, true)]
    );
    assert_eq!(records[1].headline, "KubeletDown n1");
}

#[test]
fn an_end_right_after_a_beginning_is_not_told_twice() {
    play(&[
        (0, "!CredentialsRefused/kube-apiserver", &["0 Opened CredentialsRefused kube-apiserver"]),
        (4, "", &[]),
        (11, "!CredentialsRefused/kube-apiserver", &[]),
        (14, "", &["24 Resolved CredentialsRefused kube-apiserver"]),
        (300, "", &[]),
    ]);
}

#[test]
fn what_a_greater_trouble_takes_in_has_not_ended() {
    let one = "~ApiServerUnhealthy/10.0.0.1:6443";
    let merged: &[Line<'_>] = &[(0, one, &[]), (3, "!ApiServersDown", &["3 Opened ApiServersDown"]), (20, "", &[])];
    let alert =
        |incident: &Incident, name| incident.alerts.iter().find(|a| a.finding.key.alert == name).cloned().unwrap();
    let records = play(merged);
    let part = alert(&records[0], AlertName::ApiServerUnhealthy);
    assert_eq!(part.part_of.map(|key| key.alert), Some(AlertName::ApiServersDown));
    let lines: Vec<&str> = records[0].timeline.iter().map(|(_, line)| line.as_str()).collect();
    assert!(!lines.iter().any(|line| line.starts_with("Over")), "{lines:?}");
    assert_eq!(records[0].started_at, t(0));
    // They part again: one is left, and then none.
    let apart: &[Line<'_>] = &[(20, one, &[]), (30, "", &["40 Resolved ApiServersDown"]), (100, "", &[])];
    let records = play(&[&merged[..2], apart].concat());
    let part = alert(&records[0], AlertName::ApiServerUnhealthy);
    assert_eq!((part.part_of, part.ended_at), (None, Some(t(30))));
    // What is not named in it ends by itself.
    let records = play(&[
        (0, "!ApiServerUnhealthy/10.0.0.9:6443", &["0 Opened ApiServerUnhealthy 10.0.0.9:6443"]),
        (3, "!ApiServersDown", &["3 Worse ApiServersDown"]),
        (4, "", &[]),
    ]);
    assert_eq!(alert(&records[0], AlertName::ApiServerUnhealthy).part_of, None);
}

#[test]
fn a_record_keeps_its_words_and_its_beginning() {
    let mut open = Open::default();
    let mut step = |at: u64, findings: Vec<Finding>| {
        let diagnosis = Diagnosis {
            cluster: "prod".into(),
            at: t(at),
            findings,
            unsettled: false,
            blind: false,
            changes: Arc::default(),
        };
        open.step(&[Arc::new(diagnosis)], t(at), &POLICY, None).pop().map(|c| c.incident)
    };
    let quorum = find("!EtcdQuorumLost", 5);
    let member = |headline: &str, cause: Option<&Finding>| Finding {
        headline: headline.to_owned(),
        caused_by: cause.map(|f| f.key.clone()),
        ..find("~EtcdMemberDown/m3@3", 0)
    };
    let told = step(9, vec![quorum.clone(), member("m3 refuses connections", Some(&quorum))]).unwrap();
    assert_eq!((told.started_at, told.timeline[0].0), (t(3), t(3)), "one beginning on page, mail and timeline");
    // On the way back the members seem out of our reach; earlier beginnings come to light.
    let earlier = Finding { since: t(1), ..quorum.clone() };
    step(20, vec![earlier, member("m3 refuses connections", Some(&quorum))]);
    step(30, vec![member("m3 can't be reached from here", None)]);
    step(35, Vec::new());
    let over = step(46, Vec::new()).unwrap();
    assert_eq!((over.started_at, over.resolved_at), (t(3), Some(t(35))));
    let words: Vec<(&str, Timestamp)> =
        over.alerts.iter().map(|a| (a.finding.headline.as_str(), a.finding.since)).collect();
    assert_eq!(words, [("EtcdQuorumLost", t(5)), ("m3 refuses connections", t(3))]);
}

#[test]
fn a_certificate_begins_when_it_is_seen() {
    let dated = |at: u64| format!("!CertificateExpiring/serving@{at}");
    let records = play(&[
        (1_000, &dated(0), &["1000 Opened CertificateExpiring serving"]),
        (1_078, "", &["1081 Resolved CertificateExpiring serving"]),
        (1_100, "", &[]),
    ]);
    assert_eq!((records[0].started_at, records[0].resolved_at), (t(1_000), Some(t(1_078))));
    assert_eq!(records[0].timeline.last().unwrap().1, "Resolved after 1 min 18 s");
}

#[test]
fn what_keeps_an_incident_quiet_is_part_of_its_story() {
    let mut open = Open::default();
    let mut look = |at: u64, quiet: Option<&str>| {
        let why = |_: &Incident| quiet.map(str::to_owned);
        let policy = NotificationPolicy { quiet: &why, ..POLICY };
        let findings = vec![find("!EtcdQuorumLost", 0)];
        let diagnosis = Diagnosis {
            cluster: "prod".into(),
            at: t(at),
            findings,
            unsettled: false,
            blind: false,
            changes: Arc::default(),
        };
        open.step(&[Arc::new(diagnosis)], t(at), &policy, None).pop()
    };
    look(0, Some("silenced by ada until noon: upgrade"));
    let quiet = look(2, Some("silenced by ada until noon: upgrade"));
    assert_eq!(quiet, None, "said once, not with every look");
    assert_eq!(look(60, None).unwrap().told, Some(NotificationKind::Opened), "told when the silence is over");
    let again = look(70, Some("silenced by bob until night")).unwrap();
    assert_eq!(again.told, None);
    let story: Vec<&str> = again.incident.timeline.iter().map(|(_, what)| what.as_str()).collect();
    let expected = ["silenced by ada", "no longer silenced", "silenced by bob"];
    let said: Vec<&&str> = story.iter().filter(|line| line.contains("silenced")).collect();
    assert!(said.len() == 3 && said.iter().zip(expected).all(|(line, start)| line.starts_with(start)), "{story:#?}");
}
