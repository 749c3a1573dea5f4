//! The written rules, one by one, and what must hold of any record.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use proptest::prelude::*;

use super::{span::joined, *};
use crate::model::{
    Job, Pairs, Reason, Record, Silence, SilenceMatcher, State, TargetKey, TargetRecord, Verdict, VerdictChange,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn key(instance: &str) -> TargetKey {
    TargetKey { cluster: "prod".into(), job: Job::KubeApiserver, instance: instance.into() }
}

fn verdict(state: State, since: i64, reason: Option<Reason>) -> Verdict {
    Verdict { state, since: at(since), reason, message: String::new(), reached: true, hides: None }
}

/// At, from, to, since.
type Step = (i64, State, State, i64);

fn change(instance: &str, (when, from, to, since): Step, reason: Option<Reason>) -> VerdictChange {
    VerdictChange { key: key(instance), at: at(when), from, to: verdict(to, since, reason) }
}

/// A target from second 0 on, with changes without a reason.
fn record(steps: &[Step]) -> TargetRecord {
    let changes = steps.iter().map(|step| change("a", *step, (step.2 == State::Down).then_some(Reason::Timeout)));
    TargetRecord { lives: vec![(at(0), None)], changes: changes.collect(), ..TargetRecord::new(key("a")) }
}

/// `up 10, down 5` for the first seconds of a target, watched all the time until `end`.
fn told(target: &TargetRecord, watches: &[(i64, i64)], end: i64) -> String {
    let watches: Vec<_> = watches.iter().map(|(from, to)| (at(*from), at(*to))).collect();
    let timeline = timeline_of(target, &watches, &[], at(end));
    let pieces = timeline.pieces(Span { from: 0, to: end });
    let words = |(piece, s): (Span, Standing)| format!("{} {}", s.as_str(), piece.seconds());
    pieces.map(words).collect::<Vec<_>>().join(", ")
}

use State::{Down, Flapping, Suspect, Unknown, Up};

#[test]
fn an_outage_lasts_from_its_first_failed_probe_to_the_first_that_succeeds() {
    let check = |steps: &[Step], expected: &str| assert_eq!(told(&record(steps), &[(0, 100)], 100), expected);
    // What was never probed is not known; what was not confirmed was up.
    check(&[(10, Unknown, Up, 9)], "unknown 9, up 91");
    check(&[(10, Unknown, Up, 9), (20, Up, Suspect, 20), (21, Suspect, Up, 9)], "unknown 9, up 91");
    let fell = [(10, Unknown, Up, 0), (20, Up, Suspect, 20), (23, Suspect, Down, 20), (31, Down, Up, 30)];
    check(&fell, "up 20, down 10, up 70");
    check(&fell[..3], "up 20, down 80");
    check(&fell[..2], "up 100");
    // One that was never up.
    check(&[(10, Unknown, Down, 0), (20, Down, Up, 20)], "down 20, up 80");
    // Flapping is down from the moment at which it is called so; before, ups and downs are known.
    let flaps = [(10, Unknown, Up, 0), (22, Up, Down, 20), (25, Down, Flapping, 2), (90, Flapping, Up, 60)];
    check(&flaps, "up 20, down 40, up 40");
    check(&[], "unknown 100");
}

#[test]
fn what_could_not_be_seen_is_held_against_nobody() {
    let blind = |reason: Option<Reason>| {
        let mut target = record(&[(10, Unknown, Up, 0)]);
        target.changes.push(change("a", (20, Up, Unknown, 20), reason));
        // Back in sight, its verdict is as old as it was.
        target.changes.push(change("a", (50, Unknown, Up, 0), None));
        told(&target, &[(0, 100)], 100)
    };
    assert_eq!(blind(None), "up 20, unseen 30, up 50", "cut off");
    assert_eq!(blind(Some(Reason::Local)), "up 20, unseen 30, up 50", "our own fault");
    let refused = [change("a", (20, Up, Unknown, 18), Some(Reason::Auth)), change("a", (50, Unknown, Up, 49), None)];
    let mut target = record(&[(10, Unknown, Up, 0)]);
    target.changes.extend(refused);
    assert_eq!(told(&target, &[(0, 100)], 100), "up 18, unknown 31, up 51");
}

#[test]
fn a_watchdog_that_does_not_run_sees_nothing_and_goes_on_with_what_it_knew() {
    let down = record(&[(10, Unknown, Up, 0), (25, Up, Down, 20), (71, Down, Up, 70)]);
    assert_eq!(told(&down, &[(0, 40), (60, 100)], 100), "up 20, down 20, unseen 20, down 10, up 30");
    let doubted = record(&[(10, Unknown, Up, 0), (39, Up, Suspect, 39), (80, Up, Down, 75)]);
    assert_eq!(told(&doubted, &[(0, 40), (60, 100)], 100), "up 40, unseen 20, up 15, down 25");
    // It was hidden by our own fault when the watchdog stopped: what was wrong before is taken to go on.
    let mut hidden = record(&[(5, Unknown, Down, 0), (90, Down, Up, 85)]);
    let hides = Some(Box::new(verdict(Down, 0, Some(Reason::Timeout))));
    let to = Verdict { hides, ..verdict(Unknown, 20, Some(Reason::Local)) };
    hidden.changes.push(VerdictChange { key: key("a"), at: at(22), from: Down, to });
    assert_eq!(told(&hidden, &[(0, 40), (60, 100)], 100), "down 20, unseen 40, down 25, up 15");
    // A mark that is fresh reaches to the end; an old one does not.
    assert_eq!(told(&record(&[(10, Unknown, Up, 0)]), &[(0, 80)], 100), "up 100");
    assert_eq!(told(&record(&[(10, Unknown, Up, 0)]), &[(0, 60)], 100), "up 60, unseen 40");
}

#[test]
fn lives_and_gaps_of_the_record_are_told_apart() {
    let mut target = record(&[(12, Unknown, Up, 11), (62, Unknown, Up, 61)]);
    target.lives = vec![(at(60), Some(at(90))), (at(10), Some(at(40)))];
    target.verdict = Some(verdict(Down, 0, None));
    assert_eq!(told(&target, &[(0, 100)], 100), "absent 10, unknown 1, up 29, absent 20, unknown 1, up 29, absent 10");
    // Without a change, it has always stood as it does now.
    let steady = TargetRecord { verdict: Some(verdict(Down, 0, None)), ..record(&[]) };
    assert_eq!(told(&steady, &[(0, 100)], 100), "down 100");
    // The change to up was lost: between the two it is not known.
    let torn = record(&[(10, Unknown, Down, 0), (50, Up, Down, 48)]);
    assert_eq!(told(&torn, &[(0, 100)], 100), "down 10, unknown 38, down 52");
    // Two changes of one moment come in the order in which they follow from each other.
    let at_once = record(&[(10, Unknown, Up, 0), (20, Suspect, Down, 20), (20, Up, Suspect, 20)]);
    assert_eq!(told(&at_once, &[(0, 100)], 100), "up 20, down 80");
}

#[test]
fn several_together_are_judged_by_what_is_certain() {
    let line = |standing: Standing| {
        let mut timeline = Timeline::default();
        timeline.push(0, standing);
        timeline
    };
    let check = |rule: Rule, members: &str, expected: char| {
        let of = |c: char| Standing::ALL["udmsx-".find(c).unwrap()];
        let members: Vec<Timeline> = members.chars().map(|c| line(of(c))).collect();
        let judged = compose(rule, &members).pieces(Span { from: 0, to: 1 }).next().unwrap().1;
        assert_eq!(judged, of(expected), "{rule:?}");
    };
    // u: up, d: down, m: maintenance, s: unseen, x: unknown, -: absent.
    for (members, any, majority, all) in [
        ("", '-', '-', '-'),
        ("--", '-', '-', '-'),
        ("u-", 'u', 'u', 'u'),
        ("udd", 'u', 'd', 'd'),
        ("uud", 'u', 'u', 'd'),
        ("ddd", 'd', 'd', 'd'),
        ("udx", 'u', 'x', 'd'),
        ("uds", 'u', 's', 'd'),
        ("dsx", 's', 'x', 'd'),
        ("dxx", 'x', 'x', 'd'),
        ("mmm", 'm', 'm', 'm'),
        ("mdd", 'd', 'd', 'd'),
        ("umm", 'u', 'm', 'u'),
        ("umd", 'u', 'd', 'd'),
        ("uum", 'u', 'u', 'u'),
        ("ums", 'u', 's', 's'),
    ] {
        check(Rule::Any, members, any);
        check(Rule::Majority, members, majority);
        check(Rule::All, members, all);
    }
}

fn silence(comment: &str, conditions: &[(&str, &str)]) -> Silence {
    let matcher = |(name, value): &(&str, &str)| SilenceMatcher {
        name: (*name).into(),
        value: (*value).into(),
        is_regex: false,
        is_equal: true,
    };
    Silence {
        id: comment.into(),
        matchers: conditions.iter().map(matcher).collect(),
        starts_at: at(20),
        ends_at: at(50),
        updated_at: at(0),
        created_by: "ada".into(),
        comment: comment.into(),
    }
}

#[test]
fn planned_work_is_a_silence_that_says_so_of_the_target_as_a_whole() {
    let check = |conditions: &[(&str, &str)], expected: u64| {
        let target = record(&[(10, Unknown, Up, 0), (35, Up, Down, 30)]);
        let labels: Pairs = target.labels.clone().into_iter().chain([("node".into(), "n1".into())]).collect();
        let record = Record {
            targets: vec![TargetRecord { labels, ..target }],
            watches: vec![(at(0), at(100))],
            maintenance: vec![silence("maintenance", conditions)],
        };
        let book = Book::new(&record, at(100));
        let tally = book.of(&Subject::Cluster("prod".into())).unwrap().tally(Span { from: 0, to: 100 });
        assert_eq!((tally.maintenance, tally.total()), (expected, 100), "{conditions:?}");
    };
    check(&[("cluster", "prod")], 30);
    check(&[("cluster", "prod"), ("node", "n1")], 30);
    check(&[("cluster", "prod"), ("node", "n2")], 0);
    check(&[("cluster", "prod"), ("alertname", "ApiServerDown")], 0);
    check(&[("zone", "")], 0);
    for (comment, marked) in
        [("Maintenance: new disks", true), ("maintenance", true), ("known bug", false), ("é", false)]
    {
        assert_eq!(silence(comment, &[]).is_maintenance(), marked, "{comment}");
    }
}

#[test]
fn months_are_the_calendars() {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let year = months(parse_month("2026-01").unwrap(), 12, &zone);
    let hours: Vec<u64> = year.iter().map(|(_, span)| span.seconds() / 3600).collect();
    // March has an hour less, October one more.
    assert_eq!(hours, [744, 672, 743, 720, 744, 720, 744, 744, 720, 745, 720, 744]);
    assert!(year.windows(2).all(|pair| pair[0].1.to == pair[1].1.from));
    for wrong in ["2026", "2026-13", "2026-1", "october", "2026-10-01", ""] {
        assert!(parse_month(wrong).unwrap_err().contains("2026-10"), "{wrong}");
    }
    let span = Span::between(at(1) + SignedDuration::from_millis(999), at(3));
    assert_eq!(span, Span { from: 1, to: 3 });
}

#[test]
fn subjects_are_read_as_they_are_written() {
    for text in ["prod", "prod/etcd", "prod/etcd/10.0.0.1:2379", "prod/etcd/[fd00::1]:2379", "prod/web/https://x/y"] {
        assert_eq!(Subject::parse(text).unwrap().to_string(), text);
    }
    for wrong in ["", "/", "prod/", "prod//x"] {
        assert!(Subject::parse(wrong).is_err(), "{wrong}");
    }
}

/// Any changes, whether they make sense or not, in any order.
fn any_target(instance: &'static str) -> impl Strategy<Value = TargetRecord> {
    let state = || prop::sample::select(State::ALL.to_vec());
    let reason = prop::option::of(prop::sample::select(vec![Reason::Local, Reason::Auth, Reason::Timeout]));
    let step = (0..1_000i64, state(), state(), 0..1_000i64, reason);
    let steps = prop::collection::vec(step, 0..12);
    let lives = prop::collection::vec((0..1_000i64, prop::option::of(0..1_000i64)), 0..3);
    (steps, lives).prop_map(move |(steps, lives)| {
        let changes = steps
            .into_iter()
            .map(|(when, from, to, since, reason)| change(instance, (when, from, to, since.min(when)), reason));
        // One life after the other, as they are written.
        let mut edges: Vec<i64> = lives.into_iter().flat_map(|(from, to)| [Some(from), to]).flatten().collect();
        edges.sort_unstable();
        let lives = edges.chunks(2).map(|pair| (at(pair[0]), pair.get(1).map(|to| at(*to)))).collect();
        TargetRecord { lives, changes: changes.collect(), ..TargetRecord::new(key(instance)) }
    })
}

fn any_record() -> impl Strategy<Value = Record> {
    let spans = || prop::collection::vec((0..1_000i64, 0..1_000i64), 0..4);
    let targets = (any_target("a"), any_target("b"), any_target("c"));
    (targets, spans(), spans()).prop_map(|((a, b, c), watches, planned)| Record {
        targets: vec![a, b, c],
        watches: watches.into_iter().map(|(from, to)| (at(from.min(to)), at(from.max(to)))).collect(),
        maintenance: planned
            .into_iter()
            .map(|(from, to)| Silence {
                starts_at: at(from.min(to)),
                ends_at: at(from.max(to)),
                ..silence("maintenance", &[("cluster", "prod")])
            })
            .collect(),
    })
}

const RULES: [Rule; 3] = [Rule::Any, Rule::Majority, Rule::All];

proptest! {
    #[test]
    fn standings_sum_to_the_span_and_parts_to_the_whole(
        record in any_record(), from in -50..1_100i64, length in 0..1_100i64, cut in 0..1_100i64, until in 0..1_050i64,
    ) {
        let book = Book::new(&record, at(until));
        let whole = Span { from, to: from + length };
        let middle = from + cut.min(length);
        let (first, second) = (Span { to: middle, ..whole }, Span { from: middle, ..whole });
        let together = RULES.map(|rule| book.of_with(&Subject::Cluster("prod".into()), rule).unwrap());
        for timeline in book.targets().map(|(_, t)| t).chain(&together) {
            let tally = timeline.tally(whole);
            prop_assert_eq!(tally.total(), whole.seconds());
            prop_assert_eq!(timeline.tally(first).plus(timeline.tally(second)), tally);
            let down: u64 = timeline.outages(whole).map(Span::seconds).sum();
            prop_assert_eq!(down, tally.down);
            // Nothing is told of what has yet to come.
            prop_assert_eq!(timeline.tally(Span { from: until, to: until + 10 }).absent, 10);
        }
    }

    #[test]
    fn the_order_of_the_record_changes_nothing(record in any_record(), turns in prop::collection::vec(0..12usize, 4)) {
        let mut sorted = record;
        for target in &mut sorted.targets {
            // Nothing tells which of two of one moment came first.
            target.changes.sort_by_key(|c| c.at);
            target.changes.dedup_by_key(|c| c.at);
        }
        let mut other = sorted.clone();
        other.targets.rotate_left(turns[0] % 3);
        for (target, turn) in other.targets.iter_mut().zip(&turns[1..]) {
            let n = target.changes.len().max(1);
            target.changes.rotate_left(turn % n);
            target.lives.reverse();
        }
        other.watches.reverse();
        other.maintenance.reverse();
        let (a, b) = (Book::new(&sorted, at(1_000)), Book::new(&other, at(1_000)));
        prop_assert!(a.targets().eq(b.targets()));
        for rule in RULES {
            let of = |book: &Book<'_>| book.of_with(&Subject::Cluster("prod".into()), rule);
            prop_assert_eq!(of(&a), of(&b));
        }
    }

    /// Second by second, as somebody would do it by hand.
    #[test]
    fn together_is_what_it_is_in_each_second(record in any_record()) {
        let book = Book::new(&record, at(1_000));
        let second = |t: &Timeline, s: i64| t.pieces(Span { from: s, to: s + 1 }).next().unwrap().1;
        let any = book.of_with(&Subject::Cluster("prod".into()), Rule::Any).unwrap();
        let all = book.of_with(&Subject::Cluster("prod".into()), Rule::All).unwrap();
        for s in (0..1_000).step_by(7) {
            let each: Vec<Standing> = book.targets().map(|(_, t)| second(t, s)).collect();
            prop_assert_eq!(second(&any, s) == Standing::Up, each.contains(&Standing::Up));
            prop_assert_eq!(second(&all, s) == Standing::Down, each.contains(&Standing::Down));
        }
    }

    #[test]
    fn joined_spans_hold_the_same_seconds(spans in prop::collection::vec((0..60i64, 0..60i64), 0..8)) {
        let spans: Vec<Span> = spans.into_iter().map(|(from, to)| Span { from, to }).collect();
        let held = |spans: &[Span], s: i64| spans.iter().any(|span| (span.from..span.to).contains(&s));
        let out = joined(spans.clone());
        prop_assert!((0..60).all(|s| held(&spans, s) == held(&out, s)));
        prop_assert!(out.windows(2).all(|pair| pair[0].to < pair[1].from));
    }
}
