//! What is wrong with the last restore drill: it failed, it takes too long, or it did not meet its objectives. Pure.

use jiff::Timestamp;

use super::config::RestoreDrillConfig;
use crate::{
    model::{AlertName, Finding, FindingKey, RestoreDrill, RestoreOutcome, Said, SaidPart, Severity, Topic, text},
    words,
};

/// A failed drill in words: since when, what it is, and the first step.
struct Failure {
    since: Timestamp,
    headline: Said,
    /// The name of its message.
    first_step: &'static str,
}

/// Returns the last that was brought to an end: done or failed. One that was abandoned proves nothing.
fn last_ended(runs: &[RestoreDrill]) -> Option<&RestoreDrill> {
    runs.iter().rev().find(|run| matches!(run.outcome, Some(RestoreOutcome::Done | RestoreOutcome::Failed)))
}

/// Returns whether the last that was brought to an end failed, or did not meet its objectives; `None`: there is none.
pub(super) fn is_failed(runs: &[RestoreDrill]) -> Option<bool> {
    let run = last_ended(runs)?;
    Some(run.outcome == Some(RestoreOutcome::Failed) || run.rto_met() == Some(false) || run.rpo_met() == Some(false))
}

/// One that is open and has taken longer than it may.
fn too_long(name: &str, runs: &[RestoreDrill], now: Timestamp) -> Option<Failure> {
    let run = runs.last().filter(|run| run.ended_at.is_none())?;
    let (began, rto) = (run.began_at(), run.rto?);
    let since = began.checked_add(rto).ok().filter(|end| now > *end)?;
    Some(Failure {
        since,
        headline: Said::new("restore-too-long").with("drill", name).with("rto", rto).with("at", began),
        first_step: "step-restore-too-long",
    })
}

/// One that was brought to an end, and not to a good one.
fn ended_badly(name: &str, runs: &[RestoreDrill]) -> Option<Failure> {
    let run = last_ended(runs)?;
    let since = run.ended_at?;
    if run.outcome == Some(RestoreOutcome::Failed) {
        let said = match run.said.is_empty() {
            true => SaidPart::from(""),
            false => Said::new("restore-said").with("said", text::one_line(&run.said).into_owned()).into(),
        };
        return Some(Failure {
            since,
            headline: Said::new("restore-failed").with("drill", name).with("at", since).with("said", said),
            first_step: "step-restore-failed",
        });
    }
    let mut missed: Vec<Said> = Vec::new();
    if let (Some(false), Some(took), Some(rto)) = (run.rto_met(), run.took(), run.rto) {
        missed.push(Said::new("restore-missed-rto").with("took", took).with("rto", rto));
    }
    if let (Some(false), Some(age), Some(rpo)) = (run.rpo_met(), run.data_age(), run.rpo) {
        missed.push(Said::new("restore-missed-rpo").with("age", age).with("rpo", rpo));
    }
    let both = |one: Said, other: Said| Said::new("one-and-others").with("one", one).with("others", other);
    missed.into_iter().reduce(both).map(|missed| Failure {
        since,
        headline: Said::new("restore-missed").with("drill", name).with("missed", missed),
        first_step: "step-restore-missed",
    })
}

/// Returns what is wrong with the last drill, until one is done that meets its objectives.
pub fn finding(config: &RestoreDrillConfig, runs: &[RestoreDrill], now: Timestamp) -> Option<Finding> {
    let name = &config.name;
    let Failure { since, headline, first_step } = too_long(name, runs, now).or_else(|| ended_badly(name, runs))?;
    let mut evidence = Vec::new();
    if let Some(run) = runs.last() {
        let steps: Vec<String> = run.steps.iter().map(|s| format!("{} at {}", s.name, text::moment(s.at))).collect();
        let reached = if steps.is_empty() { "no step was reported".to_owned() } else { steps.join(", ") };
        evidence.push(format!("the last one began at {}: {reached}", text::moment(run.began_at())));
    }
    let good = runs.iter().rev().find(|r| r.outcome == Some(RestoreOutcome::Done) && r.rto_met() != Some(false));
    evidence.push(match good.filter(|run| run.rpo_met() != Some(false)).and_then(|run| run.ended_at) {
        Some(at) => format!("the last that went well was done at {}", text::moment(at)),
        None => "none has ever gone well".to_owned(),
    });
    Some(Finding {
        evidence,
        consequences: vec!["if it had to be restored now, it would go as in the drill".into()],
        labels: [("restore_drill".to_owned(), name.clone())].into(),
        ..words::finding(
            FindingKey {
                cluster: config.cluster.as_deref().unwrap_or_default().into(),
                alert: AlertName::RestoreDrillFailed,
                subject: name.clone(),
            },
            (Severity::Warning, Topic::Heartbeats),
            headline,
            Said::new(first_step),
            since,
        )
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn run(begun: i64, ended: Option<(i64, RestoreOutcome)>, data_age: i64) -> RestoreDrill {
        let hours = |n: u64| Some(Duration::from_secs(n * 3_600));
        let mut run = RestoreDrill::open("etcd", "", (hours(4), hours(24)), at(begun));
        run.data_time = Some(at(begun - data_age));
        (run.ended_at, run.outcome) = ended.map(|(end, how)| (at(end), how)).unzip();
        run
    }

    #[test]
    fn a_drill_that_did_not_go_well_is_told_until_one_does() {
        let config: RestoreDrillConfig =
            serde_saphyr::from_str("{name: etcd, every: 90d, rto: 4h, rpo: 24h, token_file: t}").unwrap();
        let said = |runs: &[RestoreDrill], now: i64| finding(&config, runs, at(now)).map(|f| f.headline);
        let (done, failed) = (RestoreOutcome::Done, RestoreOutcome::Failed);
        let good = run(0, Some((3_600, done)), 60);
        assert_eq!(said(&[], 0), None);
        assert_eq!(said(std::slice::from_ref(&good), 9_000), None);
        let bad = RestoreDrill { said: "no space".into(), ..run(10_000, Some((11_000, failed)), 60) };
        let words = said(&[good.clone(), bad.clone()], 12_000).unwrap();
        assert!(
            words.starts_with("the restore drill etcd failed at 2027-") && words.ends_with(": no space"),
            "{words}"
        );
        // Beginning another is not enough, nor giving it up; one that is done is.
        let (open, left) = (run(20_000, None, 60), run(20_000, Some((21_000, RestoreOutcome::Abandoned)), 60));
        assert_eq!(said(&[bad.clone(), open.clone()], 21_000).as_deref(), Some(&*words));
        assert_eq!(said(&[bad.clone(), left], 22_000).as_deref(), Some(&*words));
        assert_eq!(said(&[bad.clone(), good.clone()], 22_000), None);
        assert_eq!((is_failed(&[bad, good.clone()]), is_failed(std::slice::from_ref(&open))), (Some(false), None));
        let words = said(&[good.clone(), open], 20_000 + 14_401).unwrap();
        assert!(words.contains("takes longer than its objective of 4 h:"), "{words}");
        let late = run(0, Some((14_401, done)), 86_401);
        let words = said(std::slice::from_ref(&late), 20_000).unwrap();
        assert!(words.contains("it took 4 h") && words.contains("had data that was 1 d"), "{words}");
        let told = finding(&config, &[good, late], at(20_000)).unwrap();
        assert!(told.evidence[1].starts_with("the last that went well was done at"), "{:?}", told.evidence);
    }
}
