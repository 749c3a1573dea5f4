//! Objectives: what a service is held to, what of its error budget is left, and how fast it is being spent. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    compose::{Rule, compose},
    span::Span,
    subject::{Book, Subject},
    timeline::{Tally, Timeline},
};
use crate::model::{CHECKS, duration};

/// A shorter window says nothing of a month; no history is kept for a longer one by default.
const WINDOW: (Duration, Duration) = (Duration::from_secs(24 * 3600), Duration::from_secs(366 * 24 * 3600));
/// Members of one objective: each is read whenever it is judged.
const MEMBERS_MAX: usize = 100;
/// Objectives: each has a dozen series and is judged twice a minute.
pub const OBJECTIVES_MAX: usize = 200;

/// One entry of `slos:`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SloConfig {
    /// Its name: the label `slo`.
    pub name: String,
    /// Of this cluster; alone: its API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Of this component of the cluster: a job's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Of these: each a cluster, `CLUSTER/JOB` or `CLUSTER/JOB/INSTANCE`. All of them must be up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// Of these checks, by their names. All of them must be up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
    /// How much of the time it is to be up, in percent.
    pub objective: f64,
    /// Of which time: so long until now.
    #[serde(default = "month", with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub window: Duration,
    /// How many targets of each component must be up; default: as its kind wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<Rule>,
}

impl Eq for SloConfig {}

fn month() -> Duration {
    Duration::from_secs(30 * 24 * 3600)
}

impl SloConfig {
    /// Returns what it is about.
    ///
    /// # Errors
    /// The key that is wrong, and why.
    pub fn subjects(&self) -> Result<Vec<Subject>, (String, String)> {
        let listed = self.targets.iter().enumerate();
        let listed = listed.map(|(i, text)| Subject::parse(text).map_err(|why| (format!("targets[{i}]"), why)));
        let mut subjects = listed.collect::<Result<Vec<_>, _>>()?;
        match (&self.cluster, &self.component) {
            (Some(cluster), Some(job)) => subjects.push(Subject::Component(cluster.clone(), job.clone())),
            (Some(cluster), None) => subjects.push(Subject::Cluster(cluster.clone())),
            (None, Some(_)) => {
                return Err(("component".into(), "belongs to a cluster: give cluster, too".into()));
            }
            (None, None) => {}
        }
        subjects.extend(self.checks.iter().cloned().map(Subject::Check));
        Ok(subjects)
    }

    /// Returns the first thing that can't work: its key, and why; `clusters` and `checks` are those that there are.
    pub fn problem(&self, clusters: &[&str], checks: &[&str]) -> Option<(String, String)> {
        let subjects = match self.subjects() {
            Ok(subjects) => subjects,
            Err(problem) => return Some(problem),
        };
        let stranger = subjects.iter().find(|s| s.cluster() != CHECKS && !clusters.contains(&s.cluster()));
        let unknown = self.checks.iter().position(|name| !checks.contains(&name.as_str()));
        if subjects.is_empty() {
            Some(("name".into(), "says of nothing: give cluster, cluster and component, targets, or checks".into()))
        } else if subjects.len() > MEMBERS_MAX {
            Some(("targets".into(), format!("has more than {MEMBERS_MAX}: name components instead of targets")))
        } else if let Some(i) = unknown {
            Some((format!("checks[{i}]"), format!("there is no check {:?}", self.checks[i])))
        } else if let Some(stranger) = stranger {
            let at = if self.targets.contains(&stranger.to_string()) { "targets" } else { "cluster" };
            Some((at.into(), format!("there is no cluster {:?} in clusters", stranger.cluster())))
        } else if !(self.objective > 0.0 && self.objective < 100.0) {
            Some((
                "objective".into(),
                "must be a percentage between 0 and 100, like 99.9: all of the time leaves no budget".into(),
            ))
        } else if self.window < WINDOW.0 || self.window > WINDOW.1 {
            Some(("window".into(), "must be between 1d and 366d".into()))
        } else {
            None
        }
    }

    /// Returns the share of the time that it may be down, from 0 to 1.
    pub fn allowed(&self) -> f64 {
        1.0 - self.objective / 100.0
    }

    /// Returns what it counted as: up while each of its members is. `None`: no target of it is on record.
    pub fn timeline(&self, book: &Book<'_>) -> Option<Timeline> {
        let subjects = self.subjects().ok()?;
        let lines: Vec<Timeline> =
            subjects.iter().filter_map(|s| book.of_with(s, self.available.unwrap_or(s.rule()))).collect();
        (!lines.is_empty()).then(|| compose(Rule::All, &lines))
    }

    /// Returns whether a tally meets it; `None`: nothing is known.
    pub fn is_met(&self, tally: &Tally) -> Option<bool> {
        // Half a millionth of a percent: 99.9 is no binary number.
        tally.availability().map(|share| share * 100.0 >= self.objective - 5e-7)
    }
}

/// How an objective stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Budget {
    /// The window's sums.
    pub tally: Tally,
    /// Seconds that it may be down, of the time for which it is known how it was.
    pub allowed_seconds: f64,
    /// What is left of them, of 1; below 0: overspent.
    pub left: f64,
}

impl Budget {
    /// Of sums: a share `allowed` of the known time may be down.
    #[allow(clippy::cast_precision_loss)] // Exact for 285 million years.
    pub fn of(tally: Tally, allowed: f64) -> Self {
        let allowed_seconds = tally.known() as f64 * allowed;
        let left = if allowed_seconds > 0.0 { 1.0 - tally.down as f64 / allowed_seconds } else { 1.0 };
        Self { tally, allowed_seconds, left }
    }

    /// Returns in how many seconds nothing is left, if it is spent on at a burn rate; `None`: at this rate it lasts. Of what
    /// leaves the window meanwhile nothing is hoped for.
    pub fn lasts(&self, burn: f64, allowed: f64) -> Option<f64> {
        let per_second = burn * allowed;
        (burn > 1.0 && per_second > 0.0).then(|| (self.left * self.allowed_seconds).max(0.0) / per_second)
    }
}

/// Returns how fast the budget is spent within a span: 1 spends it exactly. What is not known counts as good: a burn rate
/// wakes people, and only for what was seen.
#[allow(clippy::cast_precision_loss)] // Exact for 285 million years.
pub fn burn_rate(timeline: &Timeline, span: Span, allowed: f64) -> f64 {
    let down = timeline.tally(span).down;
    if allowed > 0.0 { down as f64 / span.seconds().max(1) as f64 / allowed } else { 0.0 }
}

#[cfg(test)]
impl SloConfig {
    /// 99.9 % of a cluster over 30 days.
    pub(crate) fn example() -> Self {
        Self {
            name: "api".into(),
            cluster: Some("prod".into()),
            component: None,
            targets: Vec::new(),
            checks: Vec::new(),
            objective: 99.9,
            window: month(),
            available: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::availability::Standing;

    fn slo() -> SloConfig {
        SloConfig::example()
    }

    #[test]
    fn budgets_are_of_known_time() {
        // 30 days of 99.9 % are 43.2 minutes.
        let tally = Tally { up: 2_592_000 - 1_296, down: 1_296, ..Tally::default() };
        let budget = Budget::of(tally, slo().allowed());
        assert!((budget.allowed_seconds - 2_592.0).abs() < 1e-6 && (budget.left - 0.5).abs() < 1e-9, "{budget:?}");
        // Half of it is 1,296 s; at twice the rate, 2 ms of each second are spent.
        assert!((budget.lasts(2.0, 0.001).unwrap() - 648_000.0).abs() < 1e-3);
        assert_eq!(budget.lasts(1.0, 0.001), None);
        let over = Budget::of(Tally { down: 5_184, up: 2_592_000 - 5_184, ..Tally::default() }, slo().allowed());
        assert!((over.left + 1.0).abs() < 1e-9);
        assert_eq!(over.lasts(2.0, 0.001), Some(0.0));
        assert!((Budget::of(Tally::default(), 0.001).left - 1.0).abs() < 1e-9);
    }

    #[test]
    fn an_objective_is_met_by_what_is_known() {
        let of = |up, down| slo().is_met(&Tally { up, down, unseen: 1_000_000, ..Tally::default() });
        assert_eq!((of(999, 1), of(9_989, 11), of(0, 0), of(0, 1)), (Some(true), Some(false), None, Some(false)));
    }

    #[test]
    fn what_is_not_known_burns_nothing() {
        let mut timeline = Timeline::default();
        for (from, standing) in [(0, Standing::Unseen), (3_000, Standing::Down), (3_036, Standing::Up)] {
            timeline.push(from, standing);
        }
        let burn = burn_rate(&timeline, Span { from: 0, to: 3_600 }, 0.001);
        assert!((burn - 10.0).abs() < 1e-9, "36 s of an hour are 1 %: {burn}");
        assert!(burn_rate(&timeline, Span { from: 0, to: 3_000 }, 0.001).abs() < 1e-9);
    }

    #[test]
    fn what_can_not_work_is_said_with_its_key() {
        let check = |slo: SloConfig, key: &str| {
            let problem = slo.problem(&["prod"], &["shop"]);
            assert_eq!(problem.as_ref().map_or("", |(at, _)| at), key, "{problem:?}");
        };
        check(slo(), "");
        check(SloConfig { cluster: None, targets: vec!["prod/etcd".into()], ..slo() }, "");
        check(SloConfig { cluster: None, ..slo() }, "name");
        check(SloConfig { cluster: None, component: Some("etcd".into()), ..slo() }, "component");
        check(SloConfig { cluster: Some("other".into()), ..slo() }, "cluster");
        check(SloConfig { targets: vec!["other/etcd".into()], ..slo() }, "targets");
        check(SloConfig { cluster: None, checks: vec!["shop".into()], ..slo() }, "");
        check(SloConfig { cluster: None, checks: vec!["shop".into(), "shoe".into()], ..slo() }, "checks[1]");
        check(SloConfig { targets: vec!["prod//".into()], ..slo() }, "targets[0]");
        check(SloConfig { targets: vec!["prod/etcd".into(); 101], ..slo() }, "targets");
        for objective in [0.0, 100.0, -1.0, f64::NAN] {
            check(SloConfig { objective, ..slo() }, "objective");
        }
        check(SloConfig { window: Duration::from_secs(3600), ..slo() }, "window");
    }
}
