use proptest::prelude::*;

use super::*;
use crate::heartbeat::{Kind, Ping, config::HeartbeatConfig, messages};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn config(yaml: &str) -> HeartbeatConfig {
    serde_saphyr::from_str(&format!("{{name: backup, token_file: t, {yaml}}}")).unwrap()
}

const T0: &str = "2026-11-23T00:00:00Z";

fn after(seconds: i64) -> Timestamp {
    at(T0) + jiff::SignedDuration::from_secs(seconds)
}

/// `what@seconds after T0`, in order.
fn state(pings: &str) -> State {
    let mut state = State::new("", at(T0));
    for word in pings.split_whitespace() {
        let (kind, when) = word.split_once('@').unwrap();
        let kind = match kind {
            "start" => Kind::Start,
            "ok" => Kind::Success,
            "fail" => Kind::Fail,
            _ => Kind::Log,
        };
        state.take(Ping::new(after(when.parse().unwrap()), kind));
    }
    state
}

fn blind(times: &[(i64, i64)], now: i64) -> Vec<Blind> {
    let past = times.iter().filter(|(from, _)| *from < now);
    past.map(|(from, to)| Blind { from: after(*from), to: after(*to.min(&now)) }).collect()
}

/// How it stands at a time, after what was not heard.
fn check(config: &HeartbeatConfig, pings: &str, times: &[(i64, i64)], now: i64, expected: Standing) {
    let (terms, state) = (Terms::new(config).unwrap(), state(pings));
    let judged = judge(&terms, &state, after(now), &blind(times, now));
    assert_eq!(judged.standing, expected, "{pings:?} at {now}, not heard {times:?}");
    assert!(judged.since <= after(now));
    assert_eq!(messages::finding(config, &state, &judged).is_some(), expected.is_bad());
}

#[test]
fn late_failed_and_too_long_are_different() {
    use Standing::*;
    let hourly = config("every: 1h, grace: 10m, max_duration: 20m");
    check(&hourly, "", &[], 4_200, New);
    check(&hourly, "", &[], 4_201, Late);
    check(&hourly, "log@4000", &[], 4_201, Late);
    check(&hourly, "ok@100", &[], 4_300, Ok);
    check(&hourly, "ok@100", &[], 4_301, Late);
    check(&hourly, "ok@100 ok@200", &[], 4_400, Ok);
    check(&hourly, "ok@100 start@3600", &[], 4_800, Running);
    check(&hourly, "ok@100 start@3600", &[], 4_801, TooLong);
    check(&hourly, "ok@100 start@3600 ok@5000", &[], 5_001, Ok);
    check(&hourly, "ok@100 start@3600 fail@3700", &[], 3_701, Failed);
    check(&hourly, "fail@300 ok@400", &[], 401, Ok);
    check(&hourly, "fail@300 log@350", &[], 401, Failed);
    check(&hourly, "fail@300 start@350", &[], 401, Failed);
    check(&hourly, "fail@300", &[], 1_000_000, Failed);
}

#[test]
fn a_run_under_way_is_judged_by_how_long_it_takes() {
    use Standing::*;
    // Begun just in time, it has its 20 minutes beyond the deadline of 4,300.
    let hourly = config("every: 1h, grace: 10m, max_duration: 20m");
    check(&hourly, "ok@100 start@4290", &[], 5_490, Running);
    check(&hourly, "ok@100 start@4290", &[], 5_491, TooLong);
    // Begun too late it stays late until it is done, or too long.
    check(&hourly, "ok@100 start@4310", &[], 4_311, Late);
    check(&hourly, "ok@100 start@4310", &[], 5_511, TooLong);
    // One that begins anew again and again has no more time than one that begins once: 4,000 and 20 minutes.
    check(&hourly, "ok@100 start@4000 start@5000", &[], 5_200, Running);
    check(&hourly, "ok@100 start@4000 start@5000", &[], 5_201, Late);
    // Without a longest time of its own it has until its success is missing.
    let open = config("every: 1h, grace: 10m");
    check(&open, "start@10", &[], 4_200, Running);
    check(&open, "start@10", &[], 4_201, TooLong);
    check(&open, "ok@100 start@4301", &[], 4_302, Late);
}

#[test]
fn silence_that_could_not_be_heard_is_no_silence() {
    use Standing::*;
    // Due at 3,700, missing after 4,300; a report may come from 3,100 on.
    let hourly = config("every: 1h, grace: 10m");
    let heard = |times: &[(i64, i64)], now, expected| check(&hourly, "ok@100", times, now, expected);
    heard(&[(1_000, 2_000)], 4_301, Late);
    heard(&[(3_200, 3_300)], 4_301, Ok);
    // The one after it is due an hour after the pause at the latest.
    heard(&[(3_200, 3_300)], 3_300 + 4_200, Ok);
    heard(&[(3_200, 3_300)], 3_300 + 4_201, Late);
    heard(&[(4_250, 4_350)], 4_300 + 4_200, Ok);
    heard(&[(4_250, 4_350)], 4_300 + 4_201, Late);
    // What was late before is late after.
    heard(&[(4_400, 5_000)], 4_350, Late);
    heard(&[(4_400, 5_000)], 5_001, Late);
    // While it lasts nobody is accused.
    heard(&[(3_200, i64::MAX)], 1_000_000, Ok);
    heard(&[(3_200, 1_000_000)], 1_004_200, Ok);
    heard(&[(3_200, 1_000_000)], 1_004_201, Late);
    // A quick restart: callers try again for half a minute.
    heard(&[(4_290, 4_310)], 4_340, Ok);
    heard(&[(4_290, 4_310)], 4_341, Late);
    heard(&[(3_700, 3_720)], 4_301, Late);
    // A pause at every due time is no excuse for never being heard: two in a row are one too many.
    let daily: Vec<(i64, i64)> = (1..100).map(|n| (n * 3_600, n * 3_600 + 120)).collect();
    heard(&daily, 8_500, Ok);
    heard(&daily, 8_501, Late);
    check(&hourly, "fail@100", &[(101, 100_000)], 100_001, Failed);
}

#[test]
fn the_end_of_a_run_may_be_lost_too() {
    use Standing::*;
    let hourly = config("every: 1h, grace: 10m, max_duration: 20m");
    check(&hourly, "ok@100 start@3600", &[(3_700, 3_800)], 4_900, Running);
    check(&hourly, "ok@100 start@3600", &[(3_700, 3_800)], 3_800 + 4_200, Running);
    check(&hourly, "ok@100 start@3600", &[(3_700, 3_800)], 3_800 + 4_201, Late);
    let daily = config("every: 24h, grace: 2h, max_duration: 20m");
    check(&daily, "ok@100 start@3600", &[(4_790, 4_810)], 4_840, Running);
    check(&daily, "ok@100 start@3600", &[(4_790, 4_810)], 4_841, TooLong);
}

#[test]
fn a_schedule_has_its_time_zone_and_its_summer() {
    let nightly = config("schedule: '30 2 * * *', timezone: Europe/Paris, grace: 1h");
    let terms = Terms::new(&nightly).unwrap();
    let check = |success: &str, times: &[(&str, &str)], expected: &str| {
        let blind: Vec<Blind> = times.iter().map(|(from, to)| Blind { from: at(from), to: at(to) }).collect();
        let state = State { last_success: Some(at(success)), ..State::default() };
        assert_eq!(judge(&terms, &state, at(success), &blind).due_by, at(expected), "{success}");
    };
    check("2026-11-22T12:00:00Z", &[], "2026-11-23T02:30:00Z");
    check("2026-07-01T12:00:00Z", &[], "2026-07-02T01:30:00Z");
    // On 28 March 2027 there is no 02:30, on 25 October 2026 there are two.
    check("2027-03-27T12:00:00Z", &[], "2027-03-29T01:30:00Z");
    check("2026-10-24T12:00:00Z", &[], "2026-10-25T01:30:00Z");
    check("2026-10-25T00:30:05Z", &[], "2026-10-26T02:30:00Z");
    // A clock that is a little ahead of ours.
    check("2026-11-23T01:29:58Z", &[], "2026-11-24T02:30:00Z");
    check("2026-11-23T01:29:00Z", &[], "2026-11-23T02:30:00Z");
    // Not heard while it was to report, and at another time.
    check("2026-11-22T12:00:00Z", &[("2026-11-23T02:00:00Z", "2026-11-23T02:10:00Z")], "2026-11-24T02:30:00Z");
    check("2026-11-22T12:00:00Z", &[("2026-11-22T13:00:00Z", "2026-11-23T01:20:00Z")], "2026-11-23T02:30:00Z");
    // Away for a week.
    check("2026-11-01T12:00:00Z", &[("2026-11-01T13:00:00Z", "2026-11-09T13:00:00Z")], "2026-11-10T02:30:00Z");
}

#[test]
fn a_new_configuration_is_a_new_beginning() {
    use Standing::*;
    let hourly = config("every: 1h, grace: 10m");
    let terms = Terms::new(&hourly).unwrap();
    let mut state = state("ok@100");
    assert!(!state.adopt("", false, after(50_000)) && state.adopt("every 1 h", false, after(50_000)));
    assert_eq!(judge(&terms, &state, after(50_001), &[]).standing, New);
    assert_eq!(judge(&terms, &state, after(54_201), &[]).standing, Late);
    state.retired = true;
    assert!(state.adopt("every 1 h", false, after(100_000)) && !state.adopt("every 1 h", false, after(100_001)));
    assert_eq!(judge(&terms, &state, after(100_001), &[]).standing, New);
}

#[test]
fn of_several_schedules_the_next_time_counts() {
    let both =
        config("schedule: ['0 3 * * 1-5', '0 6 * * 6'], on_calendar: 'Sun 07:00', timezone: Europe/Paris, grace: 1h");
    let terms = Terms::new(&both).unwrap();
    let check = |success: &str, expected: &str| {
        let state = State { last_success: Some(at(success)), ..State::default() };
        assert_eq!(judge(&terms, &state, at(success), &[]).due_by, at(expected), "{success}");
    };
    check("2026-11-26T12:00:00Z", "2026-11-27T03:00:00Z");
    check("2026-11-27T12:00:00Z", "2026-11-28T06:00:00Z");
    check("2026-11-28T12:00:00Z", "2026-11-29T07:00:00Z");
    check("2026-11-29T12:00:00Z", "2026-11-30T03:00:00Z");
    assert_eq!(messages::expected(&both), "at \"0 3 * * 1-5\" or \"0 6 * * 6\" or \"Sun 07:00\" in Europe/Paris");
}

#[test]
fn nobody_waits_for_one_that_is_paused() {
    use Standing::*;
    let hourly = config("every: 1h, grace: 10m");
    let terms = Terms::new(&hourly).unwrap();
    let standing = |state: &State, now| judge(&terms, state, after(now), &[]).standing;
    let mut state = state("ok@100 fail@200 start@300");
    assert!(state.pause("ada", after(400)) && !state.pause("bob", after(500)));
    assert_eq!(judge(&terms, &state, after(1_000_000), &[]).since, after(400));
    assert_eq!(standing(&state, 1_000_000), Paused);
    assert!(messages::finding(&hourly, &state, &judge(&terms, &state, after(1_000_000), &[])).is_none());
    // A start of the watchdog, or of a configuration that says nothing, resumes nothing that a person paused.
    assert!(!state.adopt("", false, after(600)));
    assert!(state.resume(after(1_000)) && !state.resume(after(1_001)));
    assert_eq!((standing(&state, 1_000), standing(&state, 5_200), standing(&state, 5_201)), (New, New, Late));
    // What the configuration pauses it resumes.
    assert!(state.adopt("", true, after(6_000)) && !state.adopt("", true, after(6_001)));
    assert_eq!(standing(&state, 60_000), Paused);
    assert!(state.adopt("", false, after(7_000)) && !state.adopt("", false, after(7_001)));
    assert_eq!((standing(&state, 7_000), standing(&state, 11_201)), (New, Late));
}

#[test]
fn a_success_without_its_evidence_is_a_failure_in_words() {
    let backup = config("every: 1h, expect: {size: {regex: 'size (.*)'}}");
    let terms = Terms::new(&backup).unwrap();
    let mut state = state("");
    let mut report = |second: i64, body: &str| {
        let mut ping = Ping { body: body.into(), ..Ping::new(after(second), Kind::Success) };
        state.weigh(terms.evidence.as_ref().unwrap(), &mut ping);
        state.take(ping);
        let judged = judge(&terms, &state, after(second), &[]);
        messages::finding(&backup, &state, &judged).map(|f| f.headline)
    };
    for second in 1..=4 {
        assert_eq!(report(second, "size 48 MB"), None);
    }
    let last = "last success 2026-11-23 00:00:04 UTC";
    let small = "the job backup reported in, but its size was 12.0 kB, usually 48.0 MB";
    assert_eq!(report(5, "size 12 kB"), Some(format!("{small}; {last}")));
    assert_eq!(report(6, ""), Some(format!("the job backup reported in, but its size is not in what it sent; {last}")));
    // What was refused has not become usual.
    assert_eq!(report(7, "size 12 kB").as_deref(), Some(&*format!("{small}; {last}")));
    assert_eq!(report(8, "size 47 MB"), None);
    assert_eq!((state.size, state.sizes.len()), (Some(47e6), 5));
    state.pause("ada", after(9));
    state.resume(after(10));
    assert!(state.sizes.is_empty());
}

#[test]
fn a_clock_that_was_ahead_holds_nothing_back() {
    let hourly = config("every: 1h, grace: 10m");
    let mut state = state("ok@31536000");
    assert!(state.clamp(after(100)) && !state.clamp(after(100)));
    assert_eq!(judge(&Terms::new(&hourly).unwrap(), &state, after(4_301), &[]).standing, Standing::Late);
}

#[test]
fn the_monitoring_inside_speaks_all_the_time() {
    let silent_after = Duration::from_secs(600);
    let check = |pings: &str, times: &[(i64, i64)], now, expected: Option<i64>| {
        let found = silence(silent_after, &state(pings), after(now), &blind(times, now));
        assert_eq!(found, expected.map(after), "{pings} at {now}");
    };
    check("", &[], 600, None);
    check("", &[], 601, Some(600));
    check("ok@100", &[], 700, None);
    check("ok@100", &[], 5_000, Some(700));
    check("ok@100", &[(200, 4_500)], 5_000, None);
    check("ok@100", &[(200, 4_500)], 5_101, Some(5_100));
    check("ok@100", &[(800, 4_500)], 4_501, Some(700));
    check("ok@100", &[(200, i64::MAX)], 100_000, None);
}

#[test]
fn what_can_not_work_is_said() {
    let check = |yaml: &str, expected: &str| {
        let problems = crate::heartbeat::config::problems(&[config(yaml)], &[]);
        let said: Vec<String> = problems.iter().map(|(at, why)| format!("{at}: {why}")).collect();
        assert_eq!(said.join("; "), expected);
    };
    check("every: 1h", "");
    check("grace: 1m", "heartbeats[0]: when is it due? Give every: 24h, schedule: \"0 3 * * *\" or on_calendar: daily");
    check("on_calendar: [daily, '03:00']", "");
    check("schedule: '0 3 * * *', on_calendar: daily", "");
    check("every: 1h, on_calendar: daily", "heartbeats[0].every: give every or on_calendar, not both");
    check("on_calendar: [daily, '25:00']", "heartbeats[0].on_calendar[1]: \"25:00\": hour 25 is not from 0 to 23");
    check(
        "every: 1h, expect: {min_size: 1MB}",
        "heartbeats[0].expect.min_size: how is the size known? Give size: {regex: …}",
    );
    check("every: 1h, schedule: '* * * * *'", "heartbeats[0].every: give every or schedule, not both");
    check("every: 10ms", "heartbeats[0].every: must be at least 1s");
    check("schedule: 'x * * * *'", "heartbeats[0].schedule: minute: \"x\" is not from 0 to 59 in \"x\"");
    check(
        "schedule: '* * * *'",
        "heartbeats[0].schedule: \"* * * *\" has 4 fields; a schedule has 5: minute hour day month weekday",
    );
    check(
        "schedule: '* * * * *', timezone: Mars",
        "heartbeats[0].timezone: unknown time zone Mars; write it like Europe/Paris",
    );
    check(
        "every: 1h, timezone: Europe/Paris",
        "heartbeats[0].timezone: belongs to a schedule; every counts from the last success",
    );
    check("every: 1h, max_duration: 0s", "heartbeats[0].max_duration: must be longer than nothing");
    check(
        "every: 1h, severity: info",
        "heartbeats[0].severity: must be critical or warning: a job that may fail needs no heartbeat",
    );
}

fn pings() -> impl Strategy<Value = String> {
    let one = (prop::sample::select(vec!["ok", "start", "fail", "log"]), 1..4_000i64);
    prop::collection::vec(one, 0..8).prop_map(|steps| {
        let mut now = 0;
        let say = |(what, step): (&str, i64)| {
            now += step;
            format!("{what}@{now} ")
        };
        steps.into_iter().map(say).collect()
    })
}

fn times() -> impl Strategy<Value = Vec<(i64, i64)>> {
    prop::collection::vec((1..3_000i64, 1..3_000i64), 0..5).prop_map(|steps| {
        let mut now = 0;
        let time = |(pause, lasts)| {
            let from = now + pause;
            now = from + lasts;
            (from, now)
        };
        steps.into_iter().map(time).collect()
    })
}

fn terms() -> impl Strategy<Value = Terms> {
    let every = (1..5_000u64, 0..2_000u64, prop::option::of(1..3_000u64));
    let cron = (prop::sample::select(vec!["*/7 * * * *", "0 * * * *", "13 */2 * * *"]), 0..2_000u64);
    prop_oneof![
        every.prop_map(|(every, grace, max)| {
            let max = max.map(|m| format!(", max_duration: {m}s")).unwrap_or_default();
            Terms::new(&config(&format!("every: {every}s, grace: {grace}s{max}"))).unwrap()
        }),
        cron.prop_map(|(schedule, grace)| {
            Terms::new(&config(&format!("schedule: '{schedule}', grace: {grace}s"))).unwrap()
        }),
    ]
}

proptest! {
    /// Nobody is accused before a success is due and its grace has passed; without blind times, nor any later.
    #[test]
    fn late_is_late(every in 1u64..1_000_000, grace in 0u64..100_000, now in 0i64..2_000_000) {
        let terms = Terms::new(&config(&format!("every: {every}s, grace: {grace}s"))).unwrap();
        let judged = judge(&terms, &state(""), after(now), &[]);
        prop_assert_eq!(judged.standing == Standing::Late, now as u64 > every + grace);
    }

    /// Not having listened never makes a job look worse, whatever else was not heard.
    #[test]
    fn what_was_not_heard_accuses_nobody(
        terms in terms(), pings in pings(), times in times(), left_out in 0..5usize, later in 0..20_000i64
    ) {
        let state = state(&pings);
        let now = state.last_seen.map_or(0, |at| at.as_second() - after(0).as_second()) + later;
        let all = blind(&times, now);
        let mut fewer = all.clone();
        if left_out < fewer.len() {
            fewer.remove(left_out);
        }
        let (with, without) = (judge(&terms, &state, after(now), &all), judge(&terms, &state, after(now), &fewer));
        prop_assert!(!with.standing.is_bad() || without.standing.is_bad(), "{:?}, without it {:?}", with, without);
        prop_assert!(with.due_by >= without.due_by);
    }

    /// Time alone mends nothing: what is wrong stays so until something is said.
    #[test]
    fn time_alone_mends_nothing(
        terms in terms(), pings in pings(), times in times(), later in 0..20_000i64, more in 0..20_000i64
    ) {
        let state = state(&pings);
        let now = state.last_seen.map_or(0, |at| at.as_second() - after(0).as_second()) + later;
        let then = judge(&terms, &state, after(now), &blind(&times, now));
        let later = judge(&terms, &state, after(now + more), &blind(&times, now + more));
        prop_assert!(!then.standing.is_bad() || later.standing.is_bad(), "{:?}, later {:?}", then, later);
    }

    /// A success now ends whatever is wrong, and is remembered.
    #[test]
    fn a_success_ends_it(terms in terms(), pings in pings(), later in 1..20_000i64) {
        let mut state = state(&pings);
        let now = plus(state.last_seen.unwrap_or(at(T0)), Duration::from_secs(later as u64));
        state.take(Ping::new(now, Kind::Success));
        prop_assert_eq!(judge(&terms, &state, now, &[]).standing, Standing::Ok);
        let read: State = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
        prop_assert_eq!(read, state);
    }
}
