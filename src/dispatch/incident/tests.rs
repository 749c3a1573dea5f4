use super::*;
use crate::{
    dispatch::incident_record::ALERTS_MAX,
    model::AlertName::{self as A, *},
    model::{Finding, Severity, Topic},
    notify::example,
};

const PACE: Pace = Pace { group_interval: Duration::from_secs(300), repeat_interval: Duration::from_secs(4 * 3600) };

const POLICY: NotificationPolicy<'static> =
    NotificationPolicy { pace: &|_| PACE, quiet: &|_| None, warnings_after: Duration::from_secs(60) };

fn t(seconds: f64) -> Timestamp {
    example::at("14:02:11") + Duration::from_millis((seconds * 1000.0) as u64)
}

fn root(alert: A, subject: &str) -> Finding {
    let headline = format!("{alert} {subject}").trim_end().to_owned();
    example::finding(alert, subject, &headline)
}

fn caused(by: &Finding, alert: A) -> Finding {
    Finding { caused_by: Some(by.key.clone()), ..root(alert, "") }
}

/// A story: what is diagnosed when, and what is told of it, as `why headline`.
#[derive(Default)]
struct Story {
    open: Open,
    last: Vec<Change>,
}

impl Story {
    fn diagnose(&mut self, at: f64, unsettled: bool, blind: bool, findings: &[Finding]) -> Vec<String> {
        let findings = findings.to_vec();
        let diagnosis =
            Diagnosis { cluster: "prod".into(), at: t(at), findings, unsettled, blind, changes: Arc::default() };
        self.last = self.open.step(&[Arc::new(diagnosis)], t(at), &POLICY, None);
        told(&self.last)
    }

    fn settled(&mut self, at: f64, findings: &[Finding]) -> Vec<String> {
        self.diagnose(at, false, false, findings)
    }

    fn unsettled(&mut self, at: f64, findings: &[Finding]) -> Vec<String> {
        self.diagnose(at, true, false, findings)
    }

    /// As after `kill -9` and a start on the same database.
    fn restart(&mut self) {
        let incidents: Vec<Incident> = self.open.incidents().cloned().collect();
        self.open = Open::restore(incidents, self.open.last_id);
    }

    fn only(&self) -> &Incident {
        let all: Vec<&Incident> = self.open.incidents().collect();
        assert_eq!(all.len(), 1, "{all:#?}");
        all[0]
    }
}

fn told(changes: &[Change]) -> Vec<String> {
    let one = |c: &Change| c.told.map(|told| format!("{told:?} #{} {}", c.incident.id, c.incident.headline));
    changes.iter().filter_map(one).collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn two_members_killed_together_are_one_story() {
    let mut s = Story::default();
    assert_eq!(s.unsettled(0.0, &[root(EtcdMemberDown, "etcd-2")]), NOTHING);
    assert!(s.open.is_holding());
    let quorum = root(EtcdQuorumLost, "");
    let both = [quorum.clone(), caused(&quorum, ApiServersDown), caused(&quorum, SchedulerNoLeader)];
    assert_eq!(s.unsettled(0.4, &both[..1]), NOTHING);
    assert_eq!(s.settled(0.8, &both), ["Opened #1 EtcdQuorumLost"]);
    assert_eq!(s.only().alerts.len(), 3);
    assert_eq!(s.settled(10.0, &both), NOTHING);
    assert!(s.last.is_empty(), "nothing changed, nothing is stored");
}

#[test]
fn a_picture_that_never_settles_is_told_all_the_same() {
    let mut s = Story::default();
    let down = [root(ApiServerDown, "a")];
    assert_eq!(s.unsettled(0.0, &down), NOTHING);
    assert_eq!(s.unsettled(1.4, &down), NOTHING);
    assert_eq!(s.unsettled(1.5, &down), ["Opened #1 ApiServerDown a"]);
}

#[test]
fn worse_is_told_at_once_and_relief_is_not() {
    let mut s = Story::default();
    s.settled(0.0, &[root(EtcdMemberDown, "etcd-2")]);
    // An hour later, no label in common: still the same trouble.
    assert_eq!(s.settled(3600.0, &[root(EtcdQuorumLost, "")]), ["Worse #1 EtcdQuorumLost"]);
    let ended: Vec<_> = s.only().alerts.iter().map(|a| (a.finding.key.alert, a.ended_at.is_some())).collect();
    assert_eq!(ended, [(EtcdQuorumLost, false), (EtcdMemberDown, true)]);
    // Quorum is back, one member still down: new facts, not before the group interval.
    assert_eq!(s.settled(3620.0, &[root(EtcdMemberDown, "etcd-3")]), NOTHING);
    assert_eq!(s.settled(3899.0, &[root(EtcdMemberDown, "etcd-3")]), NOTHING);
    // What has just changed may change again: an update tells of what stands.
    assert_eq!(s.settled(3901.0, &[root(EtcdMemberDown, "etcd-3")]), NOTHING);
    assert_eq!(s.settled(3921.0, &[root(EtcdMemberDown, "etcd-3")]), ["Update #1 EtcdMemberDown etcd-3"]);
    assert_eq!(s.settled(4300.0, &[root(EtcdMemberDown, "etcd-3")]), NOTHING);
    assert_eq!(s.settled(4301.0, &[root(EtcdQuorumLost, "")]), ["Worse #1 EtcdQuorumLost"]);
}

#[test]
fn rising_severity_is_worse_once() {
    let mut s = Story::default();
    let since = t(0.0) - Duration::from_secs(86_400);
    let of = |topic| Finding { severity: Severity::Warning, topic, since, ..root(CertificateExpiring, "a") };
    let warning = of(Topic::Certificates);
    let critical = Finding { severity: Severity::Critical, ..warning.clone() };
    assert_eq!(s.settled(0.0, std::slice::from_ref(&warning)), ["Opened #1 CertificateExpiring a"]);
    assert_eq!(s.unsettled(50.0, std::slice::from_ref(&critical)), NOTHING);
    assert_eq!(s.only().severity, Severity::Warning);
    assert_eq!(s.settled(50.5, std::slice::from_ref(&critical)), ["Worse #1 CertificateExpiring a"]);
    assert_eq!(s.only().severity, Severity::Critical);
    s.restart();
    assert_eq!(s.settled(51.0, std::slice::from_ref(&critical)), NOTHING);
}

#[test]
fn related_roots_share_an_incident_and_others_do_not() {
    let on = |node: &str, alert| Finding { labels: [("node".to_owned(), node.to_owned())].into(), ..root(alert, node) };
    let mut s = Story::default();
    s.settled(0.0, &[on("n1", NodeDown)]);
    assert_eq!(s.settled(200.0, &[on("n1", NodeDown), on("n2", NodeDown)]), ["Worse #1 NodeDown n2"]);
    let both = [on("n1", NodeDown), on("n2", NodeDown)];
    let with = |more: Finding| [both.to_vec(), vec![more]].concat();
    assert_eq!(s.settled(1000.0, &with(on("n3", NodeDown))), ["Update #1 NodeDown n2", "Opened #2 NodeDown n3"][1..]);
    assert_eq!(s.settled(2000.0, &both), NOTHING);
    assert_eq!(s.settled(2004.0, &both), ["Resolved #2 NodeDown n3"]);
    // The same machine, long after.
    let instance = [("instance".to_owned(), "n1:10256".to_owned())].into();
    let proxy = Finding { labels: instance, ..root(ComponentDown, "kube-proxy") };
    assert_eq!(s.settled(3000.0, &with(proxy)), ["Worse #1 NodeDown n2"]);
}

#[test]
fn topics_never_mix() {
    let mut s = Story::default();
    let of = |topic, alert, subject| Finding { topic, ..root(alert, subject) };
    let all = [
        root(ApiServerDown, "a"),
        of(Topic::Certificates, CertificateExpiring, "x"),
        of(Topic::Certificates, CertificateExpiring, "y"),
        of(Topic::Credentials, CredentialsRefused, ""),
    ];
    let opened = s.settled(0.0, &all);
    assert_eq!(opened.len(), 3, "{opened:?}");
}

#[test]
fn the_end_is_held_and_told_once_with_the_worst_headline() {
    let mut s = Story::default();
    s.settled(0.0, &[root(EtcdQuorumLost, "")]);
    s.settled(100.0, &[root(EtcdMemberDown, "etcd-3")]);
    assert_eq!(s.settled(200.0, &[]), NOTHING);
    assert_eq!(s.settled(202.0, &[root(EtcdMemberDown, "etcd-3")]), NOTHING, "failed again within the hold");
    assert_eq!(s.settled(250.0, &[]), NOTHING);
    assert_eq!(s.settled(252.9, &[]), NOTHING);
    assert_eq!(s.settled(253.0, &[]), ["Resolved #1 EtcdQuorumLost"]);
    let over = &s.last[0].incident;
    assert_eq!(over.resolved_at, Some(t(250.0)));
    assert_eq!(over.alerts[0].finding.key.alert, EtcdQuorumLost);
    assert_eq!(s.settled(260.0, &[]), NOTHING);
    assert_eq!(s.open.incidents().count(), 0);
    assert!(!s.open.is_holding());
}

#[test]
fn the_end_waits_for_a_settled_picture_but_not_for_ever() {
    let mut s = Story::default();
    s.settled(0.0, &[root(ApiServerDown, "a")]);
    assert_eq!(s.unsettled(10.0, &[]), NOTHING);
    assert_eq!(s.unsettled(39.0, &[]), NOTHING);
    assert_eq!(s.unsettled(40.0, &[]), ["Resolved #1 ApiServerDown a"]);
}

#[test]
fn the_blind_resolve_and_accuse_nobody() {
    let mut s = Story::default();
    s.settled(0.0, &[root(ApiServerDown, "a")]);
    s.settled(5.0, &[]);
    for at in [6.0, 60.0, 30_000.0] {
        assert_eq!(s.diagnose(at, false, true, &[root(NodeDown, "n1")]), NOTHING);
    }
    assert_eq!(s.only().firing().count(), 1);
    assert_eq!(s.settled(30_001.0, &[]), NOTHING, "the hold begins anew");
    assert_eq!(s.settled(30_004.0, &[]), ["Resolved #1 ApiServerDown a"]);
}

#[test]
fn what_lasts_is_reminded_of() {
    let mut s = Story::default();
    let down = [root(NodeDown, "n1")];
    s.settled(0.0, &down);
    assert_eq!(s.settled(4.0 * 3600.0 - 1.0, &down), NOTHING);
    assert_eq!(s.settled(4.0 * 3600.0, &down), ["Reminder #1 NodeDown n1"]);
    assert_eq!(s.settled(4.0 * 3600.0 + 5.0, &down), NOTHING);
}

#[test]
fn a_certificate_is_no_reason_to_remind_six_times_a_day() {
    let mut s = Story::default();
    let soon =
        [Finding { severity: Severity::Warning, topic: Topic::Certificates, ..root(CertificateExpiring, "kubelet") }];
    s.settled(0.0, &soon);
    let reminders = (1..=48).filter(|h| !s.settled(f64::from(*h) * 3600.0, &soon).is_empty()).count();
    assert_eq!(reminders, 2);
}

#[test]
fn a_restart_continues_without_repeating() {
    let mut s = Story::default();
    let two = [root(EtcdMemberDown, "etcd-2"), root(NodeDown, "n1")];
    s.settled(0.0, &two);
    s.restart();
    assert_eq!(s.settled(10.0, &two), NOTHING);
    s.settled(20.0, &two[..1]);
    s.restart();
    assert_eq!(s.settled(320.0, &two[..1]), ["Update #1 EtcdMemberDown etcd-2"], "what ended is still to be told");
    s.restart();
    assert_eq!(s.settled(330.0, &two[..1]), NOTHING);
    s.settled(400.0, &[]);
    s.restart();
    s.settled(500.0, &[]);
    assert_eq!(s.settled(503.0, &[]), ["Resolved #1 EtcdMemberDown etcd-2"], "the worst it was");
    assert_eq!(s.settled(600.0, &two[1..]), ["Opened #2 NodeDown n1"], "ids count on");
}

#[test]
fn info_and_consequences_open_nothing() {
    let mut s = Story::default();
    let info = Finding { severity: Severity::Info, ..root(KubeletUnreachable, "n1") };
    assert_eq!(s.settled(0.0, &[info]), NOTHING);
    let quorum = root(EtcdQuorumLost, "");
    assert_eq!(s.unsettled(1.0, &[quorum.clone(), caused(&quorum, ApiServersDown)]), NOTHING);
    assert_eq!(s.open.incidents().count(), 0);
    // Causes that nobody sees, and causes in a circle, must not swallow or hang anything.
    let mut a = caused(&quorum, ApiServersDown);
    assert_eq!(s.settled(2.0, std::slice::from_ref(&a)), ["Opened #1 ApiServersDown"]);
    let b = caused(&a, SchedulerNoLeader);
    a.caused_by = Some(b.key.clone());
    assert_eq!(s.settled(3.0, &[a, b]), NOTHING);
}

#[test]
fn an_alert_that_turns_out_a_consequence_stays_where_it_is() {
    let mut s = Story::default();
    s.settled(0.0, &[root(ApiServersDown, "")]);
    let quorum = root(EtcdQuorumLost, "");
    let both = [quorum.clone(), caused(&quorum, ApiServersDown)];
    assert_eq!(s.settled(2000.0, &both), ["Worse #1 EtcdQuorumLost"]);
    assert_eq!(s.only().alerts.len(), 2);
    // The cause is gone, the consequence lasts: when the way back should be over, it leads.
    assert_eq!(s.settled(2060.0, &[root(ApiServersDown, "")]), NOTHING);
    assert_eq!(s.only().headline, "EtcdQuorumLost");
    assert_eq!(s.settled(2121.0, &[root(ApiServersDown, "")]), NOTHING);
    assert_eq!(s.only().headline, "ApiServersDown");
}

#[test]
fn a_cluster_that_is_no_longer_watched_leaves_no_open_incident() {
    let mut s = Story::default();
    s.settled(0.0, &[root(NodeDown, "n1")]);
    let kept = BTreeSet::from([Arc::from("prod")]);
    assert!(s.open.retain_clusters(&kept, t(5.0)).is_empty());
    let changes = s.open.retain_clusters(&BTreeSet::new(), t(9.0));
    assert_eq!(told(&changes), ["Resolved #1 NodeDown n1"]);
    assert_eq!(changes[0].incident.timeline.last().unwrap().1, NO_LONGER_WATCHED);
    assert_eq!(changes[0].incident.resolved_at, Some(t(9.0)));
}

#[test]
fn a_clock_set_back_holds_nothing_for_hours() {
    let mut s = Story::default();
    s.settled(7200.0, &[root(NodeDown, "n1")]);
    s.settled(7210.0, &[]);
    s.settled(10.0, &[]);
    assert_eq!(s.settled(20.0, &[]), ["Resolved #1 NodeDown n1"]);
}

#[test]
fn limits_hold() {
    let mut s = Story::default();
    let many: Vec<Finding> = (0..ALERTS_MAX + 20).map(|i| root(ComponentDown, &i.to_string())).collect();
    assert_eq!(s.settled(0.0, &many).len(), 2, "what has no room in one incident has one of its own");
    assert_eq!(s.open.incidents().map(|i| i.alerts.len()).collect::<Vec<_>>(), [ALERTS_MAX, 20]);
    assert_eq!(s.settled(1.0, &many), NOTHING);
    assert!(s.last.is_empty());
    assert!(s.open.incidents().all(|i| i.timeline.len() <= Incident::TIMELINE_MAX));
    let new = [many, vec![root(EtcdQuorumLost, "")]].concat();
    assert_eq!(s.settled(2.0, &new), ["Worse #2 EtcdQuorumLost"]);

    let mut s = Story::default();
    let mut nodes = Vec::new();
    for i in 0..OPEN_PER_CLUSTER_MAX + 5 {
        nodes.push(root(NodeDown, &i.to_string()));
        s.settled(i as f64 * 1000.0, &nodes);
    }
    assert_eq!(s.open.incidents().count(), OPEN_PER_CLUSTER_MAX);
    assert!(s.open.crowd.roots.is_empty());
    // All of them are full in the end: the limit is told elsewhere, as long as it lasts.
    let crowded = s.open.incidents.values_mut().map(Arc::make_mut);
    for incident in crowded {
        let more = (incident.alerts.len()..ALERTS_MAX).map(|i| root(KubeletDown, &format!("{}/{i}", incident.id)));
        incident.alerts.extend(more.map(|f| IncidentAlert::new(f, t(99_999.0))).collect::<Vec<_>>());
    }
    assert_eq!(s.settled(100_001.0, &[root(EtcdMemberDown, "m1")]), NOTHING);
    assert_eq!(s.open.crowd.roots, [root(EtcdMemberDown, "m1").key]);
}

#[test]
fn a_root_takes_the_place_of_a_consequence() {
    let mut s = Story::default();
    let quorum = root(EtcdQuorumLost, "");
    let follow = |i: usize| Finding { caused_by: Some(quorum.key.clone()), ..root(ComponentDown, &i.to_string()) };
    let mut all: Vec<Finding> = std::iter::once(quorum.clone()).chain((1..ALERTS_MAX).map(follow)).collect();
    assert_eq!(s.settled(0.0, &all), ["Opened #1 EtcdQuorumLost"]);
    all.push(root(ApiServerDown, "a"));
    assert_eq!(s.settled(20.0, &all), ["Worse #1 EtcdQuorumLost"]);
    assert_eq!(s.only().firing().filter(|a| a.finding.caused_by.is_none()).count(), 2);
    assert_eq!(s.only().alerts.len(), ALERTS_MAX);
    assert_eq!(std::mem::take(&mut s.open.crowd).consequences.len(), 2, "evicted, and not listed again");
    assert_eq!(s.settled(21.0, &all), NOTHING);
    assert_eq!(s.settled(30.0, &[]), NOTHING);
    assert_eq!(s.settled(40.0, &[]), ["Resolved #1 EtcdQuorumLost"]);
    assert!(!s.open.is_holding());
}

#[test]
fn a_look_at_nothing_new_copies_nothing() {
    let mut s = Story::default();
    let two = [root(EtcdMemberDown, "etcd-2"), root(NodeDown, "n1")];
    s.settled(0.0, &two);
    let shown: Vec<Arc<Incident>> = s.open.shared().cloned().collect();
    for at in 1..100 {
        s.settled(f64::from(at), &two);
    }
    assert!(s.open.shared().zip(&shown).all(|(a, b)| Arc::ptr_eq(a, b)));
}

/// As a version kept it that did not know `heard`, `end_told` and their like.
#[test]
fn what_an_older_version_told_is_not_told_again() {
    let mut s = Story::default();
    s.settled(0.0, &[root(EtcdMemberDown, "etcd-2"), root(NodeDown, "n1")]);
    assert_eq!(s.settled(310.0, &[root(EtcdMemberDown, "etcd-2")]), NOTHING);
    assert_eq!(s.settled(330.0, &[root(EtcdMemberDown, "etcd-2")]), ["Update #1 EtcdMemberDown etcd-2"]);
    let mut row = serde_json::to_value(s.only()).unwrap();
    row["told"] = serde_json::json!(["ops"]);
    for newer in ["heard", "unheard", "first_told_at"] {
        row.as_object_mut().unwrap().remove(newer).unwrap();
    }
    for alert in row["alerts"].as_array_mut().unwrap() {
        for newer in ["end_told", "part_of", "held"] {
            alert.as_object_mut().unwrap().remove(newer).unwrap();
        }
    }
    s.open = Open::restore([serde_json::from_value(row).unwrap()], 1);
    assert_eq!(s.settled(400.0, &[]), NOTHING);
    assert_eq!(s.settled(403.0, &[]), ["Resolved #1 EtcdMemberDown etcd-2"]);
    let incident = s.last[0].incident.clone();
    let (sequence, heard) = (incident.messages - 1, incident.heard.get("ops").copied());
    let last =
        crate::model::Notification { told: NotificationKind::Resolved, sequence, heard, incident, ..example::opened() };
    let names: Vec<A> = last.alerts().map(|a| a.finding.key.alert).collect();
    assert_eq!(names, [EtcdMemberDown], "that n1 is back was told");
}

proptest::proptest! {
    /// Whatever is diagnosed: what opened is resolved once when all is well, and every message has its own number.
    #[test]
    fn every_incident_ends_once(steps in proptest::collection::vec((0u8..64, proptest::bool::ANY, 0u16..400), 1..60)) {
        let kinds = [EtcdMemberDown, EtcdQuorumLost, ApiServerDown, ApiServersDown, NodeDown, SchedulerNoLeader];
        let mut s = Story::default();
        let mut at = 0.0;
        let mut messages: Vec<(i64, u32, NotificationKind)> = Vec::new();
        let mut take = |s: &Story| {
            messages.extend(s.last.iter().filter_map(|c| c.told.map(|t| (c.incident.id, c.incident.messages, t))));
        };
        for (mask, unsettled, pause) in steps {
            at += f64::from(pause) / 10.0;
            let found: Vec<Finding> = kinds.iter().enumerate()
                .filter(|(i, _)| mask & (1 << i) != 0).map(|(_, k)| root(*k, "")).collect();
            s.diagnose(at, unsettled, false, &found);
            take(&s);
        }
        for pause in [1.0, 40.0] {
            s.settled(at + pause, &[]);
            take(&s);
        }
        proptest::prop_assert_eq!(s.open.incidents().count(), 0);
        let mut next: HashMap<i64, u32> = HashMap::new();
        for (id, number, told) in &messages {
            let n = next.entry(*id).or_default();
            *n += 1;
            proptest::prop_assert_eq!(*n, *number);
            proptest::prop_assert_eq!(*number == 1, *told == NotificationKind::Opened);
        }
        let ended = messages.iter().filter(|m| m.2 == NotificationKind::Resolved).count();
        proptest::prop_assert_eq!(ended, next.len());
    }
}

#[test]
fn a_warning_whose_beginning_moves_is_told_in_the_end() {
    let mut s = Story::default();
    let mut said = Vec::new();
    for at in (0..400).step_by(10).map(f64::from) {
        // Nobody knows since when: it seems to begin with each diagnosis.
        let moving = Finding { severity: Severity::Warning, since: t(at), ..root(EtcdMemberDown, "m4") };
        said.extend(s.settled(at, &[moving]));
    }
    assert_eq!(said.len(), 1, "{said:?}");
}
