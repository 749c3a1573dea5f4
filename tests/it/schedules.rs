//! `on_calendar` beside systemd itself: generated expressions, what each of both makes of them.

use std::process::Command;

use dogwatch::model::on_calendar::OnCalendar;
use jiff::{Timestamp, tz::TimeZone};

/// Expressions that are compared.
const EXPRESSIONS: usize = 400;

/// Occurrences of each.
const OCCURRENCES: usize = 4;

/// A number within, now and then one past it.
fn number(random: &mut fastrand::Rng, from: u32, to: u32) -> u32 {
    if random.u8(..) < 4 { to + 1 } else { random.u32(from..=to) }
}

fn part(random: &mut fastrand::Rng, from: u32, to: u32) -> String {
    let start = number(random, from, to);
    let range = if random.u8(..) < 70 { format!("..{}", number(random, start.min(to), to)) } else { String::new() };
    let step = if random.u8(..) < 50 { format!("/{}", random.u32(1..=(to - from) / 2 + 1)) } else { String::new() };
    let padded = if random.bool() { format!("{start:02}") } else { start.to_string() };
    format!("{padded}{range}{step}")
}

fn list(random: &mut fastrand::Rng, from: u32, to: u32, star: u8) -> String {
    if random.u8(..) < star {
        return "*".into();
    }
    let count = if random.u8(..) < 180 { 1 } else { random.usize(2..4) };
    (0..count).map(|_| part(random, from, to)).collect::<Vec<_>>().join(",")
}

fn weekdays(random: &mut fastrand::Rng) -> String {
    const DAYS: [&str; 7] = ["Mon", "tue", "Wednesday", "Thu", "FRI", "Sat", "sunday"];
    let one = |random: &mut fastrand::Rng| {
        let a = random.usize(0..7);
        let range = ["..", "-"][random.usize(0..2)];
        if random.bool() { DAYS[a].to_owned() } else { format!("{}{range}{}", DAYS[a], DAYS[random.usize(0..7)]) }
    };
    let count = random.usize(1..3);
    (0..count).map(|_| one(random)).collect::<Vec<_>>().join(",")
}

fn expression(random: &mut fastrand::Rng) -> String {
    const WORDS: [&str; 9] =
        ["minutely", "hourly", "daily", "weekly", "monthly", "Quarterly", "semiannually", "yearly", "annually"];
    let mut words = Vec::new();
    if random.u8(..) < 12 {
        words.push(WORDS[random.usize(0..WORDS.len())].to_owned());
    } else {
        if random.u8(..) < 90 {
            words.push(weekdays(random));
        }
        if random.u8(..) < 170 {
            let (month, day) = (list(random, 1, 12, 150), random.u8(..) < 50);
            let day =
                if day { format!("~{}", list(random, 1, 28, 10)) } else { format!("-{}", list(random, 1, 31, 90)) };
            let year = match random.u8(..) {
                0..150 => String::new(),
                150..220 => "*-".into(),
                _ => format!("{}-", list(random, 2024, 2040, 0)),
            };
            words.push(format!("{year}{month}{day}"));
        }
        if words.is_empty() || random.u8(..) < 200 {
            let seconds = if random.bool() { format!(":{}", list(random, 0, 59, 20)) } else { String::new() };
            words.push(format!("{}:{}{seconds}", list(random, 0, 23, 90), list(random, 0, 59, 60)));
        }
    }
    if random.u8(..) < 60 {
        words.push(["UTC", "Europe/Paris", "Asia/Kolkata", "America/New_York"][random.usize(0..4)].to_owned());
    }
    words.join(" ")
}

/// What systemd makes of it: `None`, it is no expression.
fn systemd(expression: &str, base: Timestamp) -> Option<Vec<String>> {
    let out = Command::new("systemd-analyze")
        .env("TZ", "UTC")
        .args(["calendar", &format!("--iterations={OCCURRENCES}")])
        .arg(format!("--base-time={}", base.strftime("%Y-%m-%d %H:%M:%S UTC")))
        .args(["--", expression])
        .output()
        .unwrap();
    if !out.status.success() {
        return None;
    }
    let text = String::from_utf8(out.stdout).unwrap();
    let next = |line: &str| {
        let (head, at) = line.trim().split_once(": ")?;
        (head == "Next elapse" || head.starts_with("Iter.") || head.starts_with("Iteration")).then(|| at.to_owned())
    };
    Some(text.lines().filter_map(next).filter(|at| at != "never").collect())
}

fn ours(expression: &str, base: Timestamp) -> Result<Vec<String>, String> {
    let calendar = OnCalendar::parse(expression)?;
    let after = |at: &Timestamp| calendar.after(*at, &TimeZone::UTC);
    let found = std::iter::successors(after(&base), after).take(OCCURRENCES);
    Ok(found.map(|at| at.strftime("%a %Y-%m-%d %H:%M:%S UTC").to_string()).collect())
}

#[test]
fn on_calendar_is_read_as_systemd_reads_it() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        #[allow(clippy::print_stderr)] // Said to who runs the tests.
        let () = eprintln!("systemd-analyze is not installed: nothing is compared");
        return;
    }
    let mut random = fastrand::Rng::with_seed(20_261_129);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..EXPRESSIONS {
        let expression = expression(&mut random);
        // Away from the days on which clocks are set: there the rules differ, and are tested apart.
        let base = Timestamp::from_second(1_796_000_000 + i64::from(random.u32(0..20_000_000))).unwrap();
        let (theirs, mine) = (systemd(&expression, base), ours(&expression, base));
        match (theirs, mine) {
            (Some(theirs), Ok(mine)) => {
                let clocks_set = expression.contains("Paris") || expression.contains("York");
                let near =
                    |at: &String| clocks_set && ["-03-", "-10-25", "-10-31", "-11-01"].iter().any(|m| at.contains(m));
                let both = theirs.iter().zip(&mine).take_while(|(a, b)| !near(a) && !near(b));
                for (theirs, mine) in both {
                    assert_eq!(theirs, mine, "{expression:?} after {base}");
                }
                if !theirs.iter().chain(&mine).any(near) {
                    assert_eq!(theirs, mine, "{expression:?} after {base}");
                }
                read += 1;
            }
            // What never comes is no schedule for us.
            (Some(theirs), Err(why)) if theirs.is_empty() && why.contains("no day that there is") => read += 1,
            (None, Err(_)) => refused += 1,
            (theirs, mine) => panic!("{expression:?} after {base}: systemd {theirs:?}, here {mine:?}"),
        }
    }
    assert!(read > EXPRESSIONS / 3 && refused > EXPRESSIONS / 20, "{read} read, {refused} refused");
}
