//! A target's past on its page: a chart drawn as SVG, the spells of its verdict, its last results. Pure.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Moment, Now};
use crate::{
    http::history::{ChartRange, TargetHistory},
    model::{State, VerdictChange},
};

/// Earlier spells listed.
const SPELLS_MAX: usize = 20;

/// The chart's height in units of its own; its width is one unit a part.
const HEIGHT: f64 = 100.0;

/// The longest probe reaches so high: the line is not cut at the edge.
const REACH: f64 = 96.0;

/// The past as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct Past {
    title: String,
    ranges: Vec<Choice>,
    chart: Option<Chart>,
    shares: Vec<(&'static str, String)>,
    spells: Vec<Spell>,
    results: Vec<Shown>,
    error: Option<String>,
}

/// A range that the chart can have.
#[derive(Clone, Debug, Serialize)]
struct Choice {
    name: &'static str,
    label: &'static str,
    current: bool,
}

/// How long probes took, and when they failed, as a drawing with words for those who don't see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Chart {
    width: usize,
    height: f64,
    /// Path of the line, broken where nothing was measured.
    line: String,
    /// `(x, width)` of the stretches in which probes failed.
    failed: Vec<(usize, usize)>,
    /// What the upper edge stands for.
    top: String,
    from: Moment,
    until: Moment,
    description: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Spell {
    state: State,
    from: Moment,
    lasted: String,
    message: String,
}

#[derive(Clone, Debug, Serialize)]
struct Shown {
    at: Moment,
    succeeded: bool,
    took: String,
    reason: String,
    phases: Vec<(&'static str, String)>,
}

impl Past {
    /// The view of this moment.
    pub fn new(history: &TargetHistory, now: &Now) -> Self {
        let result = |p: &crate::http::history::ProbeResult| Shown {
            at: Moment::new(p.at, now),
            succeeded: p.succeeded,
            took: now.voice.latency(p.took),
            reason: p.reason.clone(),
            phases: p.phases.iter().map(|(name, took)| (*name, now.voice.latency(*took))).collect(),
        };
        let choice =
            |range: ChartRange| Choice { name: range.name(), label: range.label(), current: range == history.range };
        Self {
            title: now.word(title(history.range)),
            ranges: ChartRange::ALL.map(choice).into(),
            chart: chart(history, now),
            shares: history.shares.iter().map(|(over, share)| (*over, percent(*share))).collect(),
            spells: spells(&history.changes, now),
            results: history.results.iter().map(result).collect(),
            error: history.error.clone(),
        }
    }
}

fn title(range: ChartRange) -> &'static str {
    match range {
        ChartRange::Hour => "last-hour",
        ChartRange::SixHours => "last-six-hours",
        ChartRange::Day => "last-24-hours",
        ChartRange::Week => "last-seven-days",
        ChartRange::Month => "last-30-days",
    }
}

/// Two digits, never rounded up: 100 % means that nothing failed.
fn percent(share: f64) -> String {
    let hundredths = (share.clamp(0.0, 1.0) * 10_000.0).floor() / 100.0;
    format!("{hundredths} %")
}

/// What came before the verdict that holds, newest first. What was only doubted before it was certain is part of that.
fn spells(changes: &[VerdictChange], now: &Now) -> Vec<Spell> {
    let mut all = Vec::new();
    let mut newest = changes.iter();
    let mut end = newest.next().map_or(now.at, |c| c.to.since.min(c.at));
    for change in newest {
        let began = change.to.since.min(change.at);
        if began < end {
            all.push(Spell {
                state: change.to.state,
                from: Moment::new(began, now),
                lasted: now.voice.between(began, end),
                message: change.to.message.clone(),
            });
            end = began;
        }
    }
    all.truncate(SPELLS_MAX);
    all
}

fn chart(history: &TargetHistory, now: &Now) -> Option<Chart> {
    let longest = history.latency.iter().map(|(_, seconds)| *seconds).filter(|s| s.is_finite()).fold(0.0, f64::max);
    if history.latency.is_empty() {
        return None;
    }
    let top = round_up(longest);
    let failed = stretches(&history.failed);
    let from = history.until.checked_sub(history.range.length()).unwrap_or(history.until);
    let seconds = |s: f64| now.voice.latency(std::time::Duration::try_from_secs_f64(s).unwrap_or_default());
    let part = history.range.part();
    let time = |at| Moment::new(at, now).text;
    let all = [("from", time(from).into()), ("to", time(now.at).into()), ("took", seconds(longest).into())];
    let fate = match history.failed.last() {
        None => now.word("chart-none-failed"),
        Some(last) => {
            let at = from.checked_add(part * u32::try_from(*last).unwrap_or(0)).unwrap_or(from);
            let (n, parts) = (history.failed.len().into(), history.latency.len().into());
            let each = now.voice.duration(part).into();
            now.say("chart-failed", &[("n", n), ("parts", parts), ("each", each), ("at", time(at).into())])
        }
    };
    let description = format!("{} {fate}", now.say("chart-longest", &all));
    Some(Chart {
        width: history.range.parts(),
        height: HEIGHT,
        line: line(&history.latency, top),
        failed,
        top: seconds(top),
        from: Moment::new(from, now),
        until: Moment::new(history.until.min(now.at), now),
        description,
    })
}

/// The next of 1, 2, 5, 10, 20, …: an edge that can be said in a word.
fn round_up(seconds: f64) -> f64 {
    if seconds <= 0.0 {
        return 1e-3;
    }
    let step = 10f64.powf(seconds.log10().floor());
    let edge = [1.0, 2.0, 5.0].into_iter().map(|n| n * step).find(|edge| *edge >= seconds);
    edge.unwrap_or(10.0 * step)
}

/// A path through the middle of each part; a part alone is a dot.
fn line(points: &[(usize, f64)], top: f64) -> String {
    let mut path = String::new();
    let mut before = None;
    for (part, seconds) in points.iter().filter(|(_, seconds)| seconds.is_finite()) {
        let follows = before.is_some_and(|before: usize| before + 1 == *part);
        let y = HEIGHT - (seconds / top).clamp(0.0, 1.0) * REACH;
        // Writing into a text can't fail.
        let _ = write!(path, "{}{part}.5 {y:.1}{}", if follows { "L" } else { "M" }, if follows { "" } else { "h.01" });
        before = Some(*part);
    }
    path
}

/// Neighbours joined: `(first, how many)`.
fn stretches(parts: &[usize]) -> Vec<(usize, usize)> {
    let mut all: Vec<(usize, usize)> = Vec::new();
    for part in parts {
        match all.last_mut() {
            Some((first, n)) if *first + *n == *part => *n += 1,
            _ => all.push((*part, 1)),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::{Job, TargetKey, Verdict};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    #[test]
    fn shares_are_never_rounded_up() {
        let check = |share: f64, expected: &str| assert_eq!(percent(share), expected);
        check(1.0, "100 %");
        check(0.999_999, "99.99 %");
        check(0.5, "50 %");
        check(0.0, "0 %");
    }

    #[test]
    fn the_line_is_broken_where_nothing_was_measured() {
        assert_eq!(line(&[(0, 1.0), (1, 0.5), (5, 0.0)], 1.0), "M0.5 4.0h.01L1.5 52.0M5.5 100.0h.01");
        assert_eq!(line(&[(3, f64::NAN)], 1.0), "");
        assert_eq!(stretches(&[1, 2, 3, 7]), [(1, 3), (7, 1)]);
        for (seconds, edge) in [(0.0, 0.001), (0.012, 0.02), (0.3, 0.5), (1.0, 1.0), (7.0, 10.0)] {
            assert!((round_up(seconds) - edge).abs() < 1e-9, "{seconds}: {}", round_up(seconds));
        }
    }

    #[test]
    fn a_chart_says_in_words_what_it_shows() {
        let history = TargetHistory {
            until: at(60),
            latency: vec![(178, 0.01), (179, 3.0)],
            failed: vec![179],
            ..Default::default()
        };
        let chart = chart(&history, &at(0).into()).unwrap();
        assert_eq!(chart.top, "5.00 s");
        let said = "the longest probe took 3.00 s. Probes failed in 1 of 2 parts of 2 min each, the last from";
        assert!(chart.description.contains(said), "{}", chart.description);
        let calm = TargetHistory { failed: Vec::new(), ..history };
        assert!(super::chart(&calm, &at(0).into()).unwrap().description.ends_with(" None failed."));
        assert_eq!(super::chart(&TargetHistory::default(), &at(0).into()), None);
    }

    #[test]
    fn doubt_before_certainty_is_no_spell_of_its_own() {
        let change = |seconds: i64, since: i64, state: State| VerdictChange {
            key: TargetKey { cluster: "c".into(), job: Job::Etcd, instance: "i".into() },
            at: at(seconds),
            from: State::Unknown,
            to: Verdict { state, since: at(since), reason: None, message: String::new(), reached: true, hides: None },
        };
        let changes = [
            change(100, 100, State::Up),
            change(53, 50, State::Down),
            change(50, 50, State::Suspect),
            change(0, 0, State::Up),
        ];
        let shown: Vec<_> = spells(&changes, &at(200).into()).into_iter().map(|s| (s.state, s.lasted)).collect();
        assert_eq!(shown, [(State::Down, "50 s".to_owned()), (State::Up, "50 s".to_owned())]);
        assert!(spells(&[], &at(0).into()).is_empty() && spells(&changes[..1], &at(200).into()).is_empty());
    }
}
