use proptest::prelude::*;

use super::*;
use crate::heartbeat::Ping;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn config(yaml: &str) -> HeartbeatConfig {
    serde_saphyr::from_str(&format!("{{name: backup, token_file: t, {yaml}}}")).unwrap()
}

const T0: &str = "2026-11-23T00:00:00Z";

/// `what@seconds after T0`, in order; then how it stands at a time.
fn check(config: &HeartbeatConfig, pings: &str, seconds: i64, sight: Option<i64>, expected: Standing) {
    let after = |s: i64| at(T0) + jiff::SignedDuration::from_secs(s);
    let mut state = State::new(at(T0));
    for word in pings.split_whitespace() {
        let (kind, when) = word.split_once('@').unwrap();
        let kind = match kind {
            "start" => Kind::Start,
            "ok" => Kind::Success,
            "fail" => Kind::Fail,
            _ => Kind::Log,
        };
        state.take(Ping { at: after(when.parse().unwrap()), kind, exit_status: None, body: String::new() });
    }
    let sight = sight.map_or(Sight::Blind, |s| Sight::Since(after(s)));
    let judged = judge(config, &state, after(seconds), sight);
    assert_eq!(judged.standing, expected, "{pings} at {seconds}");
    let wrong = matches!(expected, Standing::Late | Standing::Failed | Standing::TooLong);
    assert_eq!(finding(config, &state, &judged, after(seconds)).is_some(), wrong);
}

#[test]
fn late_failed_and_too_long_are_different() {
    use Standing::*;
    let hourly = config("every: 1h, grace: 10m, max_duration: 20m");
    check(&hourly, "", 4_199, Some(0), New);
    check(&hourly, "", 4_200, Some(0), Late);
    check(&hourly, "ok@100", 4_299, Some(0), Ok);
    check(&hourly, "ok@100", 4_300, Some(0), Late);
    check(&hourly, "ok@100 start@3600", 4_000, Some(0), Running);
    check(&hourly, "ok@100 start@3600", 4_800, Some(0), TooLong);
    check(&hourly, "ok@100 start@3600 ok@5000", 5_001, Some(0), Ok);
    check(&hourly, "ok@100 start@200 fail@300", 301, Some(0), Failed);
    check(&hourly, "fail@300 ok@400", 401, Some(0), Ok);
    check(&hourly, "fail@300 log@350", 401, Some(0), Failed);
    check(&config("every: 1h, grace: 10m"), "start@10", 4_300, Some(0), TooLong);
}

#[test]
fn silence_that_could_not_be_heard_is_no_silence() {
    use Standing::*;
    let hourly = config("every: 1h, grace: 10m");
    check(&hourly, "ok@100", 100_000, None, Ok);
    check(&hourly, "ok@100", 100_000, Some(99_500), Ok);
    check(&hourly, "ok@100", 100_100, Some(99_500), Late);
    check(&hourly, "fail@100", 100_000, None, Failed);
}

#[test]
fn a_schedule_has_its_time_zone_and_its_summer() {
    let nightly = config("schedule: '30 2 * * *', timezone: Europe/Paris, grace: 1h");
    let due = |base: &str| due(&nightly, at(base)).to_string();
    assert_eq!(due("2026-11-22T12:00:00Z"), "2026-11-23T01:30:00Z");
    assert_eq!(due("2026-07-01T12:00:00Z"), "2026-07-02T00:30:00Z");
    // 2026-03-29 has no 02:30, 2026-10-25 has two: the job is due once, on each of the days.
    let spring = due("2026-03-28T12:00:00Z");
    assert!(spring.starts_with("2026-03-29T0"), "{spring}");
    let autumn = due("2026-10-24T12:00:00Z");
    assert!(autumn.starts_with("2026-10-25T0"), "{autumn}");
}

#[test]
fn what_can_not_work_is_said() {
    let problem =
        |yaml: &str| super::super::config::problems(&[config(yaml)], &[]).pop().map(|(at, why)| format!("{at}: {why}"));
    let check = |yaml: &str, expected: &str| assert!(problem(yaml).unwrap().contains(expected), "{:?}", problem(yaml));
    check("grace: 1m", "when is it due?");
    check("every: 1h, schedule: '* * * * *'", "not both");
    check("schedule: 'x * * * *'", "is not a schedule");
    check("schedule: '* * * *'", "five fields");
    check("schedule: '* * * * *', timezone: Mars", "unknown time zone");
    assert_eq!(problem("every: 1h"), None);
}

proptest! {
    #[test]
    fn a_judgement_is_never_late_before_it_is_due(every in 1u64..1_000_000, grace in 0u64..100_000, seconds in 0i64..10_000_000) {
        let config = config(&format!("every: {every}s, grace: {grace}s"));
        let now = at(T0) + jiff::SignedDuration::from_secs(seconds);
        let judged = judge(&config, &State::new(at(T0)), now, Sight::Since(at(T0)));
        prop_assert_eq!(judged.standing == Standing::Late, seconds as u64 >= (every + grace).max(grace));
    }
}
