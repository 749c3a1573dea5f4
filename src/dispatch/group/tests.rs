use super::*;
use crate::{
    dispatch::alerts::finding,
    model::{Alert, Pairs},
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

const TIMERS: Timers = Timers {
    group_wait: Duration::from_secs(10),
    group_interval: Duration::from_secs(60),
    repeat_interval: Duration::from_secs(600),
};

fn group() -> Group {
    Group { place: "".into(), route: "{}".into(), receiver: "ops".into(), labels: Pairs::new() }
}

/// `name:severity`, muted with a `!` in front.
fn members(text: &str) -> Vec<Member> {
    let member = |word: &str| {
        let plain = word.trim_start_matches('!');
        let (name, severity) = plain.split_once(':').unwrap_or((plain, "warning"));
        let labels: Pairs =
            [("alertname", name), ("severity", severity)].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let alert = Alert {
            labels,
            annotations: Pairs::new(),
            starts_at: at(10_000),
            ends_at: None,
            generator_url: String::new(),
        };
        Member { finding: Arc::new(finding(&alert, name)), muted: word.starts_with('!') }
    };
    text.split_whitespace().map(member).collect()
}

/// A story: at each time, what fires, and what is told.
#[derive(Default)]
struct Story {
    groups: Groups,
    last: i64,
    quiet: bool,
}

impl Story {
    fn at(&mut self, seconds: i64, firing: &str, told: Option<NotificationKind>) {
        let seen = Seen { group: group(), timers: TIMERS, quiet: self.quiet, members: members(firing) };
        let seen = if firing.is_empty() { Vec::new() } else { vec![seen] };
        let last = &mut self.last;
        let changes = self.groups.step(seen, at(seconds), &|f| f.headline == "held", &|_| TIMERS, &mut || {
            *last += 1;
            *last
        });
        let said: Vec<NotificationKind> = changes.iter().filter_map(|c| c.told).collect();
        assert_eq!(said, told.into_iter().collect::<Vec<_>>(), "at {seconds}: {firing}");
    }
}

#[test]
fn a_group_waits_is_told_updated_reminded_and_ended() {
    let mut story = Story::default();
    story.at(0, "a", None);
    story.at(9, "a b", None);
    story.at(10, "a b", Some(NotificationKind::Opened));
    story.at(20, "a b c", None);
    story.at(70, "a b c", Some(NotificationKind::Update));
    story.at(131, "a b c", None);
    story.at(140, "b c", Some(NotificationKind::Update));
    story.at(740, "b c", Some(NotificationKind::Reminder));
    story.at(745, "", None);
    story.at(800, "", Some(NotificationKind::Resolved));
    story.at(900, "a", None);
    assert_eq!(story.last, 1);
}

#[test]
fn what_goes_before_the_wait_ends_is_never_told_and_what_comes_and_goes_not_each_time() {
    let mut story = Story::default();
    story.at(0, "a", None);
    story.at(5, "", None);
    story.at(11, "a", None);
    story.at(21, "a", Some(NotificationKind::Opened));
    story.at(30, "", None);
    story.at(40, "a", None);
    story.at(81, "a", None);
}

#[test]
fn a_worse_severity_is_told_at_once() {
    let mut story = Story::default();
    story.at(0, "a", None);
    story.at(10, "a", Some(NotificationKind::Opened));
    story.at(11, "a b:critical", Some(NotificationKind::Worse));
    story.at(12, "a b:critical c:critical", None);
    story.at(13, "a:critical b:critical c:critical", None);
}

#[test]
fn muted_alerts_open_nothing_and_are_no_news() {
    let mut story = Story::default();
    story.at(0, "!a", None);
    story.at(10, "!a", None);
    story.at(20, "a", None);
    story.at(30, "a", Some(NotificationKind::Opened));
    story.at(700, "!a !b", None);
    story.at(701, "a !b", Some(NotificationKind::Reminder));
    story.at(800, "", Some(NotificationKind::Resolved));
}

#[test]
fn a_muted_route_waits_and_then_tells() {
    let mut story = Story { quiet: true, ..Story::default() };
    story.at(0, "a", None);
    story.at(100, "a", None);
    story.quiet = false;
    story.at(101, "a", Some(NotificationKind::Opened));
}

#[test]
fn what_nothing_is_known_of_neither_begins_nor_ends() {
    let mut story = Story::default();
    story.at(0, "held", None);
    story.at(100, "held", None);
    assert!(!story.groups.is_waiting());
    story.at(100, "a", None);
    story.at(110, "a held", Some(NotificationKind::Opened));
    assert_eq!(story.groups.incidents().next().map(|i| i.alerts.len()), Some(1));
}

#[test]
fn a_restart_repeats_and_forgets_nothing() {
    let mut story = Story::default();
    story.at(0, "a", None);
    story.at(10, "a", Some(NotificationKind::Opened));
    let open: Vec<Incident> = story.groups.incidents().cloned().collect();
    let mut again = Story { groups: Groups::restore(open), last: 1, quiet: false };
    again.at(20, "a", None);
    again.at(80, "", Some(NotificationKind::Resolved));
}

/// What fires alone in a group of its own.
fn lone(number: usize, severity: &str) -> Seen {
    let labels: Pairs = [("id".to_owned(), number.to_string())].into();
    let members = members(&format!("a{number}:{severity}"));
    Seen {
        group: Group { labels, ..group() },
        timers: Timers { group_wait: Duration::ZERO, ..TIMERS },
        quiet: false,
        members,
    }
}

#[test]
fn beyond_all_groups_what_fires_is_counted_and_what_is_critical_is_told() {
    let (mut groups, mut last) = (Groups::default(), 0);
    let mut look = |seen: Vec<Seen>| {
        let changes = groups.step(seen, at(0), &|_| false, &|_| TIMERS, &mut || {
            last += 1;
            last
        });
        let critical = changes.iter().filter(|c| c.incident.severity == Severity::Critical).count();
        (changes.len(), critical, groups.overflow.end(at(0)), groups.overflow.finding().is_some())
    };
    let storm = |more: Option<Seen>| (0..GROUPS_MAX + 10).map(|i| lone(i, "warning")).chain(more).collect::<Vec<_>>();
    for _ in 0..GROUPS_MAX / GROUPS_PER_LOOK {
        assert_eq!(look(storm(None)), (GROUPS_PER_LOOK, 0, 0, false));
    }
    assert_eq!(look(storm(None)), (0, 0, 10, true));
    assert_eq!(look(storm(Some(lone(9_999, "critical")))), (1, 1, 0, true), "counted once");
    assert_eq!(look(vec![lone(9_999, "critical")]), (GROUPS_MAX, 0, 0, false), "all others have ended");
}

#[test]
fn beyond_a_full_group_what_fires_is_counted() {
    let mut story = Story::default();
    let all: Vec<String> = (0..ALERTS_MAX + 5).map(|i| format!("a{i}")).collect();
    story.at(0, &all.join(" "), None);
    story.at(10, &all.join(" "), Some(NotificationKind::Opened));
    assert_eq!(story.groups.overflow.end(at(10)), 5);
    story.at(11, &all.join(" "), None);
    assert_eq!(story.groups.overflow.end(at(11)), 0, "counted once");
    assert!(story.groups.overflow.finding().is_some());
}
