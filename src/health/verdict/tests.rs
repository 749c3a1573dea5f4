//! Scripts of probes: `(started, ended, outcome)` in milliseconds, and what the verdict is after each.

use proptest::prelude::*;

use super::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap()
}

fn ms(at: Timestamp) -> i64 {
    at.as_millisecond() - 1_700_000_000_000
}

/// `+` success, `-` refused, `~` timeout, `o` our own fault, `a` auth.
fn observe(tracker: &mut VerdictTracker, what: char, started: i64, now: i64) -> Option<State> {
    let failure = |reason| Failure::new(reason, format!("{reason} at {started}"));
    let t = Thresholds::default();
    match what {
        '+' => tracker.observe(Outcome::Success, at(started), at(now), &t),
        '-' => tracker.observe(Outcome::Failed(&failure(Reason::Refused)), at(started), at(now), &t),
        '~' => tracker.observe(Outcome::Failed(&failure(Reason::Timeout)), at(started), at(now), &t),
        'o' => tracker.observe(Outcome::Failed(&Failure::ours(Ours::Files, "no files")), at(started), at(now), &t),
        _ => tracker.observe(Outcome::Failed(&failure(Reason::Auth)), at(started), at(now), &t),
    }
}

fn shown(tracker: &VerdictTracker) -> String {
    let v = tracker.verdict();
    let reason = v.reason.map(|r| format!(" {r}")).unwrap_or_default();
    format!("{}{reason} since {}", v.state, ms(v.since))
}

/// Probes one after the other, a second apart, each at once answered.
fn check(mut tracker: VerdictTracker, script: &str, expected: &str) {
    for (i, what) in (1..).zip(script.chars()) {
        observe(&mut tracker, what, i * 1000, i * 1000 + 1);
    }
    assert_eq!(shown(&tracker), expected, "after {script}");
}

#[test]
fn so_many_failures_of_so_many_probes_are_enough() {
    let check = |script: &str, expected: &str| {
        let (mut tracker, t) = (VerdictTracker::new(at(0)), Thresholds { within: 5, ..Thresholds::default() });
        for (i, what) in (1..).zip(script.chars()) {
            let failure = Failure::new(Reason::Refused, "refused");
            let outcome = if what == '+' { Outcome::Success } else { Outcome::Failed(&failure) };
            tracker.observe(outcome, at(i * 1000), at(i * 1000 + 1), &t);
        }
        assert_eq!(shown(&tracker), expected, "after {script}");
    };
    check("+-+-+", "up since 1000");
    check("+-+-+-", "down refused since 2000");
    check("+--+-", "down refused since 2000");
    check("+---", "down refused since 2000");
    check("-+++-+++-", "suspect refused since 9000");
    check("+-+-+-+", "down refused since 2000");
    check("+-+-+-++", "up since 7000");
    check("+-+-+-++-", "suspect refused since 9000");
}

fn verdict(state: State, reason: Option<Reason>) -> Verdict {
    Verdict { state, since: at(-5000), reason, message: String::new(), reached: true, hides: None }
}

#[test]
fn what_fails_on_our_side_accuses_nobody() {
    check(VerdictTracker::new(at(0)), "o", "unknown since 0");
    check(VerdictTracker::new(at(0)), "+oo", "up since 1000");
    check(VerdictTracker::new(at(0)), "+ooo", "unknown local since 2000");
    check(VerdictTracker::new(at(0)), "+oooooo", "unknown local since 2000");
    check(VerdictTracker::new(at(0)), "+ooo+", "up since 1000");
    check(VerdictTracker::new(at(0)), "+-o-o-", "down refused since 2000");
    check(VerdictTracker::new(at(0)), "+ooo--", "suspect refused since 5000");
    check(VerdictTracker::new(at(0)), "+ooo---", "down refused since 5000");
    check(VerdictTracker::new(at(0)), "+---ooo", "unknown local since 5000");
    check(VerdictTracker::new(at(0)), "+---ooo-", "down refused since 2000");
    check(VerdictTracker::new(at(0)), "+---ooo++", "up since 8000");
    let mut tracker = VerdictTracker::new(at(0));
    for i in 1..=6 {
        observe(&mut tracker, if i < 4 { '-' } else { 'o' }, i * 1000, i * 1000);
        assert_eq!((tracker.own_fault().is_some(), tracker.verdict().hides.is_some()), (i == 6, i == 6), "{i}");
    }
    // Cut off from the network, nothing counts; seen again, all begins anew.
    tracker.blind(at(7000), "link down");
    assert_eq!((shown(&tracker), tracker.own_fault().is_some()), ("unknown since 4000".into(), false));
    assert_eq!(observe(&mut tracker, '+', 7500, 7500), None);
    tracker.see_again(at(8000));
    assert_eq!(shown(&tracker), "down refused since 1000");
    check(VerdictTracker::restore(verdict(State::Unknown, Some(Reason::Local))), "", "unknown since -5000");
}

#[test]
fn an_outage_is_believed_while_it_is_not_seen() {
    let check = |script: &str, shown: State, believed: State| {
        let mut tracker = VerdictTracker::new(at(0));
        for (i, what) in (1..).zip(script.chars()) {
            observe(&mut tracker, what, i * 1000, i * 1000 + 1);
        }
        assert_eq!((tracker.verdict().state, tracker.believed().state), (shown, believed), "{script}");
    };
    check("+ooo", State::Unknown, State::Unknown);
    check("+-ooo", State::Unknown, State::Unknown);
    check("+---o", State::Down, State::Down);
    check("+---ooo", State::Unknown, State::Down);
    check("+---ooo++", State::Up, State::Up);
    check("aaaooo", State::Unknown, State::Unknown);
}

#[test]
fn confirmation_and_recovery() {
    check(VerdictTracker::new(at(0)), "", "unknown since 0");
    check(VerdictTracker::new(at(0)), "+", "up since 1000");
    check(VerdictTracker::new(at(0)), "--", "suspect refused since 1000");
    check(VerdictTracker::new(at(0)), "---", "down refused since 1000");
    check(VerdictTracker::new(at(0)), "+++-", "suspect refused since 4000");
    check(VerdictTracker::new(at(0)), "+++-+", "up since 1000");
    check(VerdictTracker::new(at(0)), "+-~-", "down refused since 2000");
    check(VerdictTracker::new(at(0)), "+---~", "down timeout since 2000");
    check(VerdictTracker::new(at(0)), "+---+", "down refused since 2000");
    check(VerdictTracker::new(at(0)), "+---+-+", "down refused since 2000");
    check(VerdictTracker::new(at(0)), "+---++", "up since 5000");
}

#[test]
fn refused_credentials_are_no_outage() {
    check(VerdictTracker::new(at(0)), "aa", "suspect auth since 1000");
    check(VerdictTracker::new(at(0)), "aaa", "unknown auth since 1000");
    check(VerdictTracker::new(at(0)), "aaaa", "unknown auth since 1000");
    check(VerdictTracker::new(at(0)), "+--a", "suspect auth since 4000");
    check(VerdictTracker::new(at(0)), "+---a", "down refused since 2000");
    check(VerdictTracker::new(at(0)), "+---aaa", "unknown auth since 5000");
    check(VerdictTracker::new(at(0)), "aaa+", "up since 4000");
    check(VerdictTracker::new(at(0)), "aaa---", "down refused since 4000");
}

#[test]
fn a_restart_forgets_nothing_confirmed() {
    use State::*;
    let restored = |state, reason| VerdictTracker::restore(verdict(state, reason));
    check(restored(Down, Some(Reason::Refused)), "", "down refused since -5000");
    check(restored(Down, Some(Reason::Refused)), "+", "down refused since -5000");
    check(restored(Down, Some(Reason::Refused)), "++", "up since 1000");
    check(restored(Up, None), "--", "suspect refused since 1000");
    check(restored(Suspect, Some(Reason::Timeout)), "", "up since -5000");
    check(restored(Unknown, Some(Reason::Auth)), "", "unknown auth since -5000");
    check(restored(Unknown, None), "+", "up since 1000");
    check(restored(Flapping, None), "+", "flapping since -5000");
}

#[test]
fn overlapping_confirmation_counts_each_and_an_old_success_clears_nothing() {
    let mut tracker = VerdictTracker::restore(verdict(State::Up, None));
    assert_eq!(tracker.late(at(500)), Some(State::Up));
    assert_eq!(shown(&tracker), "suspect since 500");
    assert_eq!(tracker.late(at(600)), None, "once is enough");
    assert_eq!(observe(&mut tracker, '~', 0, 5000), None);
    assert_eq!(shown(&tracker), "suspect timeout since 0");
    assert_eq!(observe(&mut tracker, '+', -100, 5100), None, "asked before the failures began");
    assert_eq!(observe(&mut tracker, '~', 1000, 6000), None);
    assert_eq!(observe(&mut tracker, '~', 2000, 7000), Some(State::Suspect));
    assert_eq!(shown(&tracker), "down timeout since 0");
}

#[test]
fn a_late_probe_that_answers_after_all_clears_the_doubt() {
    let mut tracker = VerdictTracker::restore(verdict(State::Up, None));
    tracker.late(at(500));
    assert_eq!(observe(&mut tracker, '+', 0, 700), Some(State::Suspect));
    assert_eq!(shown(&tracker), "up since -5000");
    // Its confirmation probe was answered sooner than the lost one times out: old news.
    tracker.late(at(10_500));
    observe(&mut tracker, '+', 10_500, 10_501);
    assert_eq!(observe(&mut tracker, '~', 10_000, 15_000), None);
    assert_eq!(shown(&tracker), "up since -5000");
}

#[test]
fn blind_remembers_and_trusts_only_probes_made_since_it_sees() {
    let mut tracker = VerdictTracker::restore(verdict(State::Up, None));
    observe(&mut tracker, '~', 0, 100);
    assert_eq!(tracker.blind(at(200), "link down"), Some(State::Suspect));
    assert_eq!(tracker.blind(at(300), "still"), None);
    assert_eq!(tracker.verdict().message, "still");
    assert_eq!(shown(&tracker), "unknown since 200");
    for i in 0..5 {
        assert_eq!(observe(&mut tracker, '~', 300 + i, 400 + i), None);
    }
    assert_eq!(tracker.see_again(at(1000)), Some(State::Unknown));
    assert_eq!(tracker.see_again(at(1001)), None);
    assert_eq!(shown(&tracker), "up since -5000");
    for i in 0..5 {
        assert_eq!(observe(&mut tracker, '~', 900 + i, 5000 + i), None, "sent while cut off");
    }
    check(tracker, "-", "suspect refused since 1000");
}

#[test]
fn flapping_says_so_once_and_ends_in_quiet() {
    let mut tracker = VerdictTracker::restore(verdict(State::Up, None));
    let (mut now, mut entered) = (0, 0);
    for what in "---++---++---++".chars() {
        now += 1000;
        observe(&mut tracker, what, now, now);
        entered += u32::from(tracker.verdict().state == State::Flapping);
    }
    assert_eq!(entered, 1);
    assert_eq!(shown(&tracker), "flapping since 3000");
    assert_eq!(tracker.verdict().message, "went up and down 6 times within 10 min; last: answers and is healthy");
    assert_eq!(observe(&mut tracker, '-', now + 1000, now + 1000), None);
    assert_eq!(observe(&mut tracker, '+', now + 2000, now + 2000), None);
    let quiet = now + 300_000;
    assert_eq!(observe(&mut tracker, '+', quiet, quiet), Some(State::Flapping));
    assert_eq!(shown(&tracker), "up since 14000");
}

#[test]
fn a_clock_stepped_back_hides_no_outage() {
    let mut tracker = VerdictTracker::new(at(0));
    observe(&mut tracker, '+', 3_600_000, 3_600_001);
    for i in 1..=3 {
        observe(&mut tracker, '-', i * 1000, i * 1000);
    }
    assert_eq!(shown(&tracker), "down refused since 1000");
}

proptest! {
    #[test]
    fn never_down_before_three_failures_in_a_row(
        script in prop::collection::vec((0u8..8, -20_000i64..20_000, 0i64..20_000), 0..200)
    ) {
        let mut tracker = VerdictTracker::new(at(0));
        let (mut failures, mut newest) = (0u32, i64::MIN);
        for (what, started, took) in script {
            let (from, now) = (at(started), at(started.saturating_add(took)));
            let before = tracker.verdict().state;
            let changed = match what {
                0 => tracker.late(now),
                1 => tracker.blind(now, "cut off"),
                2 => tracker.see_again(now),
                3 => {
                    if started >= newest {
                        failures = 0;
                    }
                    tracker.observe(Outcome::Success, from, now, &Thresholds::default())
                }
                _ => {
                    let reason = Reason::ALL[usize::from(what)];
                    failures += 1;
                    newest = newest.max(started);
                    let failure = Failure::new(reason, "x");
                    tracker.observe(Outcome::Failed(&failure), from, now, &Thresholds::default())
                }
            };
            prop_assert_eq!(changed, (tracker.verdict().state != before).then_some(before));
            if before != State::Down && tracker.verdict().state == State::Down && !(1..=2).contains(&what) {
                prop_assert!(failures >= 3, "down after {} failures", failures);
            }
        }
    }

    #[test]
    fn one_lost_probe_is_no_outage(position in 0usize..50) {
        let mut tracker = VerdictTracker::new(at(0));
        for i in 0..50 {
            let now = i64::try_from(i).unwrap() * 10_000;
            observe(&mut tracker, if i == position { '~' } else { '+' }, now, now + 5);
            prop_assert_ne!(tracker.verdict().state, State::Down);
        }
        prop_assert_eq!(tracker.verdict().state, if position == 49 { State::Suspect } else { State::Up });
    }
}

#[test]
fn whoever_has_answered_once_was_reached() {
    let t = Thresholds::default();
    let check = |reason: Option<Reason>, expected: bool| {
        let mut tracker = VerdictTracker::new(at(0));
        for second in 1..=4 {
            let failure = reason.map(|r| Failure::new(r, "why"));
            tracker.observe(failure.as_ref().map_or(Outcome::Success, Outcome::Failed), at(second), at(second), &t);
        }
        assert_eq!(tracker.verdict().reached, expected, "{reason:?}");
        assert_eq!(
            VerdictTracker::restore(tracker.verdict().clone()).verdict().reached,
            expected,
            "{reason:?} after a restart"
        );
        let gone = Failure::new(Reason::Timeout, "silent");
        for second in 5..=9 {
            tracker.observe(Outcome::Failed(&gone), at(second), at(second), &t);
        }
        assert_eq!(
            (tracker.verdict().state, tracker.verdict().reached),
            (State::Down, expected),
            "{reason:?} and then silence"
        );
    };
    check(None, true);
    check(Some(Reason::Auth), true);
    check(Some(Reason::Degraded), true);
    check(Some(Reason::Refused), false);
    check(Some(Reason::Timeout), false);
}
