use super::*;

fn next(expression: &str, zone: &str, from: &str, n: usize) -> Vec<String> {
    let (calendar, zone) = (OnCalendar::parse(expression).unwrap(), TimeZone::get(zone).unwrap());
    let mut at: Timestamp = from.parse().unwrap();
    let mut found = Vec::new();
    while found.len() < n {
        let Some(next) = calendar.after(at, &zone) else { break };
        at = next;
        found.push(at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S %:z").to_string());
    }
    found
}

#[test]
fn occurrences() {
    let check = |expression, expected: &[&str]| {
        let found = next(expression, "UTC", "2026-11-29T12:00:00Z", expected.len());
        let found: Vec<&str> = found.iter().map(|t| t.trim_end_matches(" +00:00")).collect();
        assert_eq!(found, expected, "{expression}");
    };
    check("Mon..Fri 03:00", &["Mon 2026-11-30 03:00:00", "Tue 2026-12-01 03:00:00"]);
    check("Sat,Sun 03:00", &["Sat 2026-12-05 03:00:00", "Sun 2026-12-06 03:00:00"]);
    check("daily", &["Mon 2026-11-30 00:00:00"]);
    check("quarterly", &["Fri 2027-01-01 00:00:00", "Thu 2027-04-01 00:00:00"]);
    check("*-*~1 22:00", &["Mon 2026-11-30 22:00:00", "Thu 2026-12-31 22:00:00", "Sun 2027-01-31 22:00:00"]);
    check("*-02~03", &["Fri 2027-02-26 00:00:00", "Sun 2028-02-27 00:00:00"]);
    check("Mon *-*~07/1", &["Mon 2026-11-30 00:00:00", "Mon 2026-12-28 00:00:00"]);
    check("*:0/20", &["Sun 2026-11-29 12:20:00", "Sun 2026-11-29 12:40:00", "Sun 2026-11-29 13:00:00"]);
    check("2027-1..3-15 4:5:6", &["Fri 2027-01-15 04:05:06", "Mon 2027-02-15 04:05:06", "Mon 2027-03-15 04:05:06"]);
    check("12,14,13,12:20,10,30", &["Sun 2026-11-29 12:10:00", "Sun 2026-11-29 12:20:00"]);
    check("27/2-01-01", &["Fri 2027-01-01 00:00:00", "Mon 2029-01-01 00:00:00"]);
    check("03:00 Asia/Kolkata", &["Sun 2026-11-29 21:30:00"]);
    assert_eq!(next("2026-01-01 00:00", "UTC", "2026-11-29T12:00:00Z", 1), Vec::<String>::new(), "it is over");
}

#[test]
fn clocks_that_are_set_are_treated_as_by_cron() {
    let check = |expression, from, expected: &[&str]| {
        assert_eq!(next(expression, "Europe/Paris", from, expected.len()), expected, "{expression}");
    };
    check("02:30", "2027-03-27T10:00:00Z", &["Mon 2027-03-29 02:30:00 +02:00"]);
    check("02:30", "2026-10-24T10:00:00Z", &["Sun 2026-10-25 02:30:00 +02:00", "Mon 2026-10-26 02:30:00 +01:00"]);
    check("*:30", "2026-10-25T00:00:00Z", &["Sun 2026-10-25 02:30:00 +02:00", "Sun 2026-10-25 02:30:00 +01:00"]);
}

#[test]
fn what_is_none_is_told() {
    for (expression, expected) in [
        ("", "this is empty"),
        ("Mon..", "has no end"),
        ("Fri..Mon 03:00", "runs from Mon to Sun"),
        ("Mon Tue", "here should be a number of the date"),
        ("*/5", "is neither a date nor a time"),
        ("25:00", "hour 25 is not from 0 to 23"),
        ("*-13-01", "month 13 is not from 1 to 12"),
        ("*-02-30", "matches no day that there is"),
        ("*-*~29", "day 29 is not from 1 to 28"),
        ("03:00:00.5", "fractions of a second"),
        ("@1700000000", "one moment"),
        ("0/0:00", "a step of 0"),
        ("03:00 Mars/Base", "can't follow a time"),
        ("fortnightly", "here should be a number"),
        ("0 3 * * *", "is neither a date nor a time"),
    ] {
        let why = OnCalendar::parse(expression).unwrap_err();
        assert!(why.contains(expected), "{expression}: {why}");
    }
}

proptest::proptest! {
    #[test]
    fn whatever_is_written_is_read_or_refused(text in "[MonTueFri0-9*~./,: -]{0,30}") {
        if let Ok(calendar) = OnCalendar::parse(&text) {
            let at = Timestamp::from_second(1_800_000_000).unwrap();
            if let Some(next) = calendar.after(at, &TimeZone::UTC) {
                proptest::prop_assert!(next > at);
            }
        }
    }
}
