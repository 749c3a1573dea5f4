//! The life of a rule's alerts: pending, firing, gone. Pure: an evaluation's result and a time go in.
//!
//! As Prometheus' AlertingRule.Eval has it (rules/alerting.go): an element that is new is pending, fires when it has been
//! there for `for`, and goes on firing for `keep_firing_for` after it has gone.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use crate::model::{Labels, Pairs, Sample};

/// The name of the series that shows pending and firing alerts.
pub const ALERTS: &str = "ALERTS";
/// The name of the series that remembers since when they are active.
pub const ALERTS_FOR_STATE: &str = "ALERTS_FOR_STATE";
/// The label that tells pending from firing.
pub const ALERTSTATE: &str = "alertstate";

/// Says where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not for long enough yet.
    Pending,
    /// It counts.
    Firing,
}

impl Phase {
    /// As the label has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Pending => "pending",
            Phase::Firing => "firing",
        }
    }
}

/// An alert that is pending or firing.
#[derive(Clone, Debug, PartialEq)]
pub struct Active {
    /// Its identity, `alertname` among them.
    pub labels: Pairs,
    /// As last expanded.
    pub annotations: Pairs,
    /// The expression's last value.
    pub value: f64,
    /// Where it stands.
    pub phase: Phase,
    /// Since when the expression has given it.
    pub active_at: Timestamp,
    /// Since when it fires.
    pub fired_at: Option<Timestamp>,
    /// Since when only `keep_firing_for` keeps it.
    pub kept_since: Option<Timestamp>,
}

/// An element of an evaluation's result, its labels and annotations expanded.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// Its identity, `alertname` among them.
    pub labels: Pairs,
    /// Expanded.
    pub annotations: Pairs,
    /// The value.
    pub value: f64,
}

/// The alerts of one rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alerting {
    active: BTreeMap<Pairs, Active>,
}

/// Holds what rules an alerting rule's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// `for`.
    pub hold: Duration,
    /// `keep_firing_for`.
    pub keep_firing_for: Duration,
    /// The most alerts; 0: any number.
    pub limit: usize,
}

impl Alerting {
    /// Pending and firing alerts, by labels.
    pub fn active(&self) -> impl Iterator<Item = &Active> {
        self.active.values()
    }

    /// Takes alerts that an earlier run had.
    pub fn restore(&mut self, alerts: impl IntoIterator<Item = Active>) {
        self.active.extend(alerts.into_iter().map(|a| (a.labels.clone(), a)));
    }

    /// Takes an evaluation's result in.
    ///
    /// # Errors
    /// When two elements have the same labels (nothing changes), or the limit is exceeded (all alerts are dropped, as
    /// in Prometheus).
    pub fn step(&mut self, result: Vec<Element>, now: Timestamp, terms: &Terms) -> Result<(), String> {
        let mut found: BTreeMap<Pairs, Element> = BTreeMap::new();
        for element in result {
            if found.insert(element.labels.clone(), element).is_some() {
                return Err("vector contains metrics with the same labelset after applying alert labels".into());
            }
        }
        self.active.retain(|labels, alert| {
            if found.contains_key(labels) {
                return true;
            }
            if alert.phase == Phase::Pending || terms.keep_firing_for.is_zero() {
                return false;
            }
            let since = *alert.kept_since.get_or_insert(now);
            elapsed(since, now) < terms.keep_firing_for
        });
        for (labels, element) in found {
            let Element { annotations, value, .. } = element;
            let alert = self.active.entry(labels.clone()).or_insert_with(|| Active {
                labels,
                annotations: Pairs::new(),
                value,
                phase: Phase::Pending,
                active_at: now,
                fired_at: None,
                kept_since: None,
            });
            (alert.annotations, alert.value, alert.kept_since) = (annotations, value, None);
            if alert.phase == Phase::Pending && elapsed(alert.active_at, now) >= terms.hold {
                (alert.phase, alert.fired_at) = (Phase::Firing, Some(now));
            }
        }
        let count = self.active.len();
        if terms.limit > 0 && count > terms.limit {
            self.active.clear();
            return Err(format!("exceeded limit of {} with {count} alerts", terms.limit));
        }
        Ok(())
    }

    /// ALERTS and ALERTS_FOR_STATE as of a time.
    pub fn samples(&self, at: Timestamp) -> Vec<Sample> {
        let mut samples = Vec::with_capacity(self.active.len() * 2);
        for alert in self.active.values() {
            let pairs = || alert.labels.iter().map(|(k, v)| (k.as_str(), v.as_str()));
            let state = Labels::new(ALERTS, pairs().chain([(ALERTSTATE, alert.phase.as_str())]));
            samples.push(Sample { labels: state, at, value: 1.0 });
            #[allow(clippy::cast_precision_loss)] // Seconds since 1970 fit.
            let since = alert.active_at.as_second() as f64;
            samples.push(Sample { labels: Labels::new(ALERTS_FOR_STATE, pairs()), at, value: since });
        }
        samples
    }
}

/// Time since, never negative.
fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { hold: Duration::from_secs(60), keep_firing_for: Duration::from_secs(90), limit: 0 };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn element(name: &str, value: f64) -> Element {
        Element { labels: [("alertname".to_owned(), name.to_owned())].into(), annotations: Pairs::new(), value }
    }

    fn phases(alerting: &Alerting) -> Vec<(&str, &'static str)> {
        alerting.active().map(|a| (a.labels["alertname"].as_str(), a.phase.as_str())).collect()
    }

    #[test]
    fn pending_then_firing_then_kept_then_gone() {
        let mut alerting = Alerting::default();
        let mut step = |seconds: i64, result: Vec<Element>, expected: &[(&str, &str)]| {
            alerting.step(result, at(seconds), &TERMS).unwrap();
            assert_eq!(phases(&alerting), expected, "at {seconds}");
        };
        step(0, vec![element("a", 1.0)], &[("a", "pending")]);
        step(30, vec![element("a", 1.0), element("b", 1.0)], &[("a", "pending"), ("b", "pending")]);
        step(60, vec![element("a", 1.0)], &[("a", "firing")]);
        step(90, vec![], &[("a", "firing")]);
        step(120, vec![element("a", 1.0)], &[("a", "firing")]);
        step(150, vec![], &[("a", "firing")]);
        step(210, vec![], &[("a", "firing")]);
        step(240, vec![], &[]);
    }

    #[test]
    fn without_for_it_fires_at_once_and_the_series_say_so() {
        let mut alerting = Alerting::default();
        alerting.step(vec![element("a", 2.0)], at(0), &Terms::default()).unwrap();
        let shown: Vec<String> = alerting.samples(at(1)).iter().map(|s| format!("{} {}", s.labels, s.value)).collect();
        assert_eq!(
            shown,
            [r#"ALERTS{alertname="a",alertstate="firing"} 1"#, r#"ALERTS_FOR_STATE{alertname="a"} 1700000000"#]
        );
    }

    #[test]
    fn twins_are_an_error_that_changes_nothing_and_a_limit_drops_all() {
        let mut alerting = Alerting::default();
        alerting.step(vec![element("a", 1.0)], at(0), &Terms::default()).unwrap();
        let twins = vec![element("b", 1.0), element("b", 2.0)];
        assert!(alerting.step(twins, at(1), &Terms::default()).unwrap_err().contains("same labelset"));
        assert_eq!(phases(&alerting), [("a", "firing")]);
        let many = vec![element("a", 1.0), element("b", 2.0)];
        let error = alerting.step(many, at(2), &Terms { limit: 1, ..Terms::default() }).unwrap_err();
        assert_eq!((error.as_str(), phases(&alerting).len()), ("exceeded limit of 1 with 2 alerts", 0));
    }
}
