use super::*;
use crate::{model::Group, notify::example};

fn t(seconds: i64) -> Timestamp {
    example::opened().at + SignedDuration::from_secs(seconds)
}

/// Of an alert of a rule.
fn message(incident: i64, sequence: u32, told: NotificationKind, receiver: &str) -> OutboxEntry {
    let mut found = found(incident, sequence, told, receiver);
    let group = Group { place: "".into(), route: "{}".into(), receiver: "ops".into(), labels: Default::default() };
    let incident = &mut found.notification.incident;
    (incident.group, incident.severity) = (Some(group), Severity::Warning);
    found
}

/// Of the diagnosis.
fn found(incident: i64, sequence: u32, told: NotificationKind, receiver: &str) -> OutboxEntry {
    let mut n = example::opened();
    n.incident.id = incident;
    n.sequence = sequence;
    n.told = told;
    entry(&n, receiver, Duration::from_secs(3600))
}

/// One that follows others to the same receiver.
fn later(incident: i64, sequence: u32, told: NotificationKind, receiver: &str) -> OutboxEntry {
    let mut entry = message(incident, sequence, told, receiver);
    entry.notification.heard = sequence.checked_sub(1);
    entry
}

const NOTHING: [&str; 0] = [];

fn shed(outbox: &mut Outbox) -> Vec<String> {
    let one = |s: Shed| format!("{}{}", s.entry.id, if s.unheard { " unheard" } else { "" });
    outbox.shed().into_iter().map(one).collect()
}

fn ids(entries: &[OutboxEntry]) -> Vec<&str> {
    entries.iter().map(|e| e.id.as_str()).collect()
}

fn after(entry: &OutboxEntry, outcome: &Outcome, now: Timestamp) -> Delivery {
    judge(entry.clone(), outcome, now, Duration::ZERO, &mut fastrand::Rng::with_seed(1))
}

#[test]
fn in_order_within_a_lane_and_lanes_do_not_wait_for_each_other() {
    let mut outbox = Outbox::restore(vec![
        message(1, 1, NotificationKind::Resolved, "ops/email[0]"),
        message(1, 0, NotificationKind::Opened, "ops/email[0]"),
        message(1, 0, NotificationKind::Opened, "ops/webhook[0]"),
        message(2, 0, NotificationKind::Opened, "ops/email[0]"),
    ]);
    let first = outbox.due(t(0));
    assert_eq!(ids(&first), ["1/0/ops/email[0]", "1/0/ops/webhook[0]", "2/0/ops/email[0]"]);
    assert!(outbox.due(t(0)).is_empty());
    outbox.settle(&after(&first[0], &Outcome::retry("down"), t(0)));
    outbox.settle(&after(&first[2], &Outcome::Delivered("250 ok".into()), t(0)));
    assert!(outbox.due(t(0)).is_empty(), "the second of the queue waits for the first");
    let again = outbox.due(t(2));
    assert_eq!(ids(&again), ["1/0/ops/email[0]"]);
    assert_eq!(again[0].attempts, 1);
    outbox.settle(&after(&again[0], &Outcome::Drop("550 no".into()), t(2)));
    assert_eq!(ids(&outbox.due(t(2))), ["1/1/ops/email[0]"]);
    assert_eq!(outbox.len(), 2);
}

#[test]
fn an_integration_is_not_flooded() {
    let mut outbox =
        Outbox::restore((0..10).map(|i| message(i, 0, NotificationKind::Opened, "ops/email[0]")).collect());
    let due = outbox.due(t(0));
    assert_eq!(due.len(), IN_FLIGHT_MAX);
    assert_eq!(outbox.next_at(), None, "waits for an attempt, not for time");
    outbox.settle(&after(&due[0], &Outcome::Delivered(String::new()), t(0)));
    assert_eq!(outbox.due(t(0)).len(), 1);
}

#[test]
fn given_up_in_time_and_not_before() {
    let mut entry = message(1, 0, NotificationKind::Opened, "ops/email[0]");
    let mut now = t(0);
    let mut attempts = 0;
    let last = loop {
        let delivery = after(&entry, &Outcome::retry("connection refused"), now);
        attempts += 1;
        match delivery.outcome {
            DeliveryOutcome::Retried => (entry, now) = (delivery.entry.clone(), delivery.entry.next_at),
            _ => break delivery,
        }
    };
    assert_eq!(last.outcome, DeliveryOutcome::Dropped);
    assert!(now.duration_since(t(0)) > SignedDuration::from_mins(50), "{now}");
    assert!((15..40).contains(&attempts), "{attempts}");
    assert!(last.answer.starts_with("given up after"), "{}", last.answer);
    assert!(last.answer.ends_with("connection refused"), "{}", last.answer);
}

#[test]
fn a_clock_set_back_delays_nothing() {
    let mut outbox = Outbox::restore(vec![message(1, 0, NotificationKind::Opened, "ops/email[0]")]);
    assert!(outbox.due(t(-60)).is_empty());
    assert_eq!(outbox.due(t(-86_400)).len(), 1);
}

#[test]
fn beyond_the_limit_the_least_needed_goes() {
    let mut outbox = Outbox::default();
    for i in 0..OUTBOX_MAX as i64 {
        outbox.push(message(i, 0, NotificationKind::Opened, "ops/email[0]"));
    }
    assert_eq!(shed(&mut outbox), NOTHING);
    outbox.push(later(7, 1, NotificationKind::Reminder, "ops/email[0]"));
    assert_eq!(shed(&mut outbox), ["7/1/ops/email[0]"]);
    assert_eq!(shed(&mut outbox), NOTHING);
    assert_eq!(outbox.len(), OUTBOX_MAX);
}

#[test]
fn an_end_goes_with_its_beginning() {
    let full = || {
        Outbox::restore(
            (100..100 + OUTBOX_MAX as i64).map(|i| found(i, 0, NotificationKind::Opened, "a/x[0]")).collect(),
        )
    };
    let check = |queue: Vec<OutboxEntry>, expected: &[&str], left: &[Option<u32>]| {
        let mut outbox = full();
        queue.into_iter().for_each(|entry| outbox.push(entry));
        assert_eq!(shed(&mut outbox), expected);
        let queue = outbox.queues.get(&(7, "ops/email[0]".into())).cloned().unwrap_or_default();
        assert_eq!(queue.iter().map(|e| e.notification.heard).collect::<Vec<_>>(), left);
    };
    let opened = || message(7, 0, NotificationKind::Opened, "ops/email[0]");
    let resolved = |sequence| later(7, sequence, NotificationKind::Resolved, "ops/email[0]");
    check(vec![opened()], &["7/0/ops/email[0] unheard"], &[]);
    check(vec![opened(), resolved(1)], &["7/0/ops/email[0]", "7/1/ops/email[0]"], &[]);
    // It was tried: it may have arrived, and what it opened must be closed.
    let tried = || OutboxEntry { attempts: 1, ..opened() };
    check(vec![tried(), resolved(1), resolved(2)], &["7/0/ops/email[0]", "7/1/ops/email[0]", "7/2/ops/email[0]"], &[]);
    let mut outbox = full();
    assert!(outbox.take(&(100, "a/x[0]".into()), 0).is_some());
    outbox.push(tried());
    outbox.push(resolved(1));
    assert_eq!(shed(&mut outbox), ["7/0/ops/email[0]"]);
    assert_eq!(outbox.len(), OUTBOX_MAX);
    // What comes next is the beginning, for whom the first was dropped.
    let mut outbox = full();
    assert!(outbox.take(&(100, "a/x[0]".into()), 0).is_some());
    outbox.push(opened());
    outbox.push(later(7, 1, NotificationKind::Worse, "ops/email[0]"));
    assert_eq!(shed(&mut outbox), ["7/0/ops/email[0]"]);
    outbox.push(resolved(2));
    assert_eq!(shed(&mut outbox), ["7/1/ops/email[0]", "7/2/ops/email[0]"]);
}

#[test]
fn what_waits_for_a_receiver_that_is_back_is_sent_at_once() {
    let entries = [
        message(1, 0, NotificationKind::Opened, "ops/email[0]"),
        message(2, 0, NotificationKind::Opened, "ops/email[0]"),
    ];
    let mut outbox = Outbox::restore(entries.to_vec());
    for entry in outbox.due(t(0)) {
        outbox.settle(&after(
            &entry,
            &Outcome::Retry { why: "busy".into(), after: Some(Duration::from_secs(600)) },
            t(0),
        ));
    }
    assert!(outbox.due(t(5)).is_empty());
    outbox.hurry("ops/email[0]", t(5));
    assert_eq!(outbox.due(t(5)).len(), 2);
}

#[test]
fn what_is_urgent_goes_first_and_waits_for_no_slow_storm() {
    let storm = (0..50).map(|i| message(i, 0, NotificationKind::Opened, "ops/email[0]"));
    let mut outbox = Outbox::restore(storm.collect());
    assert_eq!(outbox.due(t(0)).len(), IN_FLIGHT_MAX);
    let mut critical = message(60, 0, NotificationKind::Opened, "ops/email[0]");
    critical.notification.incident.severity = Severity::Critical;
    outbox.push(critical);
    outbox.push(found(61, 0, NotificationKind::Opened, "ops/email[0]"));
    let now = outbox.due(t(0));
    assert_eq!(
        ids(&now),
        ["61/0/ops/email[0]", "60/0/ops/email[0]"],
        "the slots of the storm are taken, theirs are not"
    );
    outbox.settle(&after(&now[0], &Outcome::Delivered(String::new()), t(0)));
    assert!(outbox.due(t(0)).is_empty(), "the storm does not take the slots of others");
}

#[test]
fn a_full_outbox_keeps_what_the_diagnosis_found() {
    let mut outbox = Outbox::default();
    outbox.push(found(1, 0, NotificationKind::Opened, "ops/email[0]"));
    outbox.push(found(1, 1, NotificationKind::Reminder, "ops/email[0]"));
    for i in 2..=OUTBOX_MAX as i64 {
        outbox.push(message(i, 0, NotificationKind::Opened, "ops/email[0]"));
    }
    assert_eq!(shed(&mut outbox), ["2/0/ops/email[0] unheard"]);
    assert_eq!(shed(&mut outbox), NOTHING);
}
