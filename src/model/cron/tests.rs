use super::*;

fn next(cron: &str, zone: &str, from: &str, n: usize) -> Vec<String> {
    let (cron, zone) = (Cron::parse(cron).unwrap(), TimeZone::get(zone).unwrap());
    let mut at: Timestamp = from.parse().unwrap();
    let mut found = Vec::new();
    for _ in 0..n {
        at = cron.after(at, &zone).unwrap();
        found.push(at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M %:z").to_string());
    }
    found
}

#[test]
fn occurrences() {
    let check = |cron, from, expected: &[&str]| assert_eq!(next(cron, "UTC", from, expected.len()), expected, "{cron}");
    check("0 3 * * *", "2026-11-23T03:00:00Z", &["Tue 2026-11-24 03:00 +00:00"]);
    check("0 3 * * *", "2026-11-23T02:59:59.9Z", &["Mon 2026-11-23 03:00 +00:00"]);
    check(
        "*/20 22-23 * * *",
        "2026-12-31T22:30:00Z",
        &[
            "Thu 2026-12-31 22:40 +00:00",
            "Thu 2026-12-31 23:00 +00:00",
            "Thu 2026-12-31 23:20 +00:00",
            "Thu 2026-12-31 23:40 +00:00",
            "Fri 2027-01-01 22:00 +00:00",
        ],
    );
    check(
        "5/25 0 * * *",
        "2026-11-23T12:00:00Z",
        &["Tue 2026-11-24 00:05 +00:00", "Tue 2026-11-24 00:30 +00:00", "Tue 2026-11-24 00:55 +00:00"],
    );
    // Either day where both are restricted, else both.
    check(
        "0 0 13 * fri",
        "2026-11-01T00:00:00Z",
        &["Fri 2026-11-06 00:00 +00:00", "Fri 2026-11-13 00:00 +00:00", "Fri 2026-11-20 00:00 +00:00"],
    );
    check(
        "0 0 */10 * Mon-Fri",
        "2026-11-01T00:00:00Z",
        &["Wed 2026-11-11 00:00 +00:00", "Tue 2026-12-01 00:00 +00:00"],
    );
    check("0 0 29 2 *", "2096-03-01T00:00:00Z", &["Fri 2104-02-29 00:00 +00:00"]);
    check("0 0 * * 7", "2026-11-23T00:00:00Z", &["Sun 2026-11-29 00:00 +00:00"]);
    check(
        "30 4 1,15 JUL,aug ?",
        "2026-11-23T00:00:00Z",
        &["Thu 2027-07-01 04:30 +00:00", "Thu 2027-07-15 04:30 +00:00"],
    );
    check("@weekly", "2026-11-23T00:00:00Z", &["Sun 2026-11-29 00:00 +00:00"]);
}

#[test]
fn clocks_set_forward_skip_what_kubernetes_skips() {
    // 2027-03-28 in Paris: 02:00 is 03:00.
    let check = |cron, expected: &[&str]| {
        assert_eq!(next(cron, "Europe/Paris", "2027-03-27T10:00:00Z", expected.len()), expected, "{cron}");
    };
    check("30 2 * * *", &["Mon 2027-03-29 02:30 +02:00", "Tue 2027-03-30 02:30 +02:00"]);
    check("30 1 * * *", &["Sun 2027-03-28 01:30 +01:00", "Mon 2027-03-29 01:30 +02:00"]);
    check(
        "0 0,2,3 * * *",
        &["Sun 2027-03-28 00:00 +01:00", "Sun 2027-03-28 03:00 +02:00", "Mon 2027-03-29 00:00 +02:00"],
    );
}

#[test]
fn clocks_set_back_repeat_only_what_follows_time() {
    // 2026-10-25 in Paris: 03:00 is 02:00 again.
    let check = |cron, expected: &[&str]| {
        assert_eq!(next(cron, "Europe/Paris", "2026-10-24T22:30:00Z", expected.len()), expected, "{cron}");
    };
    check("30 2 * * *", &["Sun 2026-10-25 02:30 +02:00", "Mon 2026-10-26 02:30 +01:00"]);
    check(
        "30 * * * *",
        &[
            "Sun 2026-10-25 01:30 +02:00",
            "Sun 2026-10-25 02:30 +02:00",
            "Sun 2026-10-25 02:30 +01:00",
            "Sun 2026-10-25 03:30 +01:00",
        ],
    );
    check(
        "*/30 2 * * *",
        &[
            "Sun 2026-10-25 02:00 +02:00",
            "Sun 2026-10-25 02:30 +02:00",
            "Sun 2026-10-25 02:00 +01:00",
            "Sun 2026-10-25 02:30 +01:00",
            "Mon 2026-10-26 02:00 +01:00",
        ],
    );
    // Half an hour, on an island.
    assert_eq!(
        next("45 1 * * *", "Australia/Lord_Howe", "2027-04-03T12:00:00Z", 2),
        ["Sun 2027-04-04 01:45 +11:00", "Mon 2027-04-05 01:45 +10:30",]
    );
}

#[test]
fn what_is_no_schedule_is_told() {
    let check = |text: &str, expected: &str| assert_eq!(Cron::parse(text).unwrap_err(), expected);
    check("", "\"\" has 0 fields; a schedule has 5: minute hour day month weekday");
    check("0 0 3 * * *", "\"0 0 3 * * *\" has 6 fields; a schedule has 5: minute hour day month weekday");
    check("60 * * * *", "minute: \"60\" is not from 0 to 59 in \"60\"");
    check("0 3-1 * * *", "hour: 3-1 runs backwards in \"3-1\"");
    check("0 3 0 * *", "day of the month: \"0\" is not from 1 to 31 in \"0\"");
    check("0 3 * may-juli *", "month: \"juli\" is not from 1 to 12 in \"may-juli\"");
    check("0 3 * * 8", "day of the week: \"8\" is not from 0 to 7 in \"8\"");
    check("*/0 3 * * *", "minute: \"0\" is no step in \"*/0\"");
    check("*/x 3 * * *", "minute: \"x\" is no step in \"*/x\"");
    check("1,,2 3 * * *", "minute: \"\" is not from 0 to 59 in \"1,,2\"");
    check("+1 3 * * *", "minute: \"+1\" is not from 0 to 59 in \"+1\"");
    check("0 0 31 2,4 *", "\"0 0 31 2,4 *\" matches no day that there is");
    check("@every 1h", "\"@every 1h\" has 2 fields; a schedule has 5: minute hour day month weekday");
}

proptest::proptest! {
    #[test]
    fn nothing_makes_it_panic(text in "[-0-9a-z*/,? @]{0,24}", at in proptest::num::i64::ANY) {
        let at = Timestamp::from_second(at % Timestamp::MAX.as_second()).unwrap();
        if let Ok(cron) = Cron::parse(&text) {
            for zone in [TimeZone::UTC, TimeZone::get("Europe/Paris").unwrap()] {
                if let Some(found) = cron.after(at, &zone) {
                    assert!(found > at);
                }
            }
        }
    }

    /// Searched minute by minute, the same is found.
    #[test]
    fn none_is_left_out(minute in 0..60u8, hours in "(\\*|1|2|3|1-3|\\*/2)", from in 0..4000i64) {
        let zone = TimeZone::get("Europe/Paris").unwrap();
        let cron = Cron::parse(&format!("{minute} {hours} * * *")).unwrap();
        for around in ["2026-10-24T00:00:00Z", "2027-03-27T00:00:00Z"] {
            let begin = around.parse::<Timestamp>().unwrap().as_second() + from * 60;
            let at = |second: i64| Timestamp::from_second(second).unwrap();
            let found = cron.after(at(begin), &zone).unwrap();
            let next_match = (1..).map(|n| at(begin + n * 60)).find(|t| {
                let shown = t.to_zoned(zone.clone());
                let matches = cron.times.minutes >> shown.minute() & 1 == 1 && cron.times.hours >> shown.hour() & 1 == 1;
                let second_pass = zone.to_ambiguous_timestamp(shown.datetime()).earlier().unwrap() != *t;
                matches && (cron.times.follows_time || !second_pass)
            });
            assert_eq!(Some(found), next_match);
        }
    }
}
