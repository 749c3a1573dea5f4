//! Alerts that are not told one by one since a limit is reached: counted, and told together as one finding of the
//! watchdog itself. Pure.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use jiff::Timestamp;

use super::shape::ALERTS_MAX;
use crate::model::{ALERTNAME, AlertName, Finding, FindingKey, Severity, Topic};

/// Groups that are open at once: nobody reads more threads. What fires beyond it is told together (`untold`).
pub const GROUPS_MAX: usize = 2_000;

/// Groups that one look opens, critical ones first: the rest waits for the next, so that no look takes long.
pub const GROUPS_PER_LOOK: usize = 250;

/// As many more for groups with a critical alert, so that a storm of others keeps none of them waiting.
pub const GROUPS_CRITICAL: usize = 500;

/// Names of alerts that the finding lists, the most frequent first.
const NAMES_MAX: usize = 10;

/// What fires now and has no room.
#[derive(Clone, Debug, Default)]
pub(super) struct Untold {
    since: Option<Timestamp>,
    /// By fingerprint.
    known: HashSet<String>,
    now: HashSet<String>,
    names: BTreeMap<String, usize>,
    without_group: usize,
    beyond_group: usize,
    fresh: u64,
}

impl Untold {
    /// A look begins.
    pub(super) fn begin(&mut self) {
        self.known = std::mem::take(&mut self.now);
        self.names.clear();
        (self.without_group, self.beyond_group) = (0, 0);
    }

    /// No group is free for an alert.
    pub(super) fn without_group(&mut self, finding: &Finding) {
        self.without_group += 1;
        self.take(finding);
    }

    /// Its group has no room for an alert.
    pub(super) fn beyond_group(&mut self, finding: &Finding) {
        self.beyond_group += 1;
        self.take(finding);
    }

    fn take(&mut self, finding: &Finding) {
        let print = &finding.key.subject;
        if !self.known.contains(print) && self.now.insert(print.clone()) {
            self.fresh += 1;
        }
        self.now.insert(print.clone());
        *self.names.entry(finding.labels.get(ALERTNAME).cloned().unwrap_or_default()).or_default() += 1;
    }

    /// A look is over. Gives how many alerts are new among these.
    pub(super) fn end(&mut self, now: Timestamp) -> u64 {
        self.since = if self.now.is_empty() { None } else { self.since.or(Some(now)) };
        std::mem::take(&mut self.fresh)
    }

    /// What is told of them. Its headline has no number: one that changes would be news each time.
    pub(super) fn finding(&self) -> Option<Finding> {
        let since = self.since?;
        let mut names: Vec<(&String, &usize)> = self.names.iter().collect();
        names.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
        let listed = |(name, count): &(&String, &usize)| format!("{count} × {name}");
        let mut evidence = Vec::new();
        if self.without_group > 0 {
            evidence.push(format!("{} fire in new groups, and {GROUPS_MAX} groups are open", self.without_group));
        }
        if self.beyond_group > 0 {
            evidence.push(format!("{} fire in groups that hold {ALERTS_MAX} alerts already", self.beyond_group));
        }
        evidence.extend(names.iter().take(NAMES_MAX).map(listed));
        let key = FindingKey { cluster: Arc::default(), alert: AlertName::AlertsUntold, subject: String::new() };
        let headline = "more alerts fire than are told one by one".to_owned();
        Some(Finding {
            evidence,
            still_works: vec![
                "outages that the diagnosis finds are told; the page /alerts and the API list every alert".into(),
            ],
            consequences: vec!["whoever is to hear of these alerts hears of this message alone".into()],
            first_step: "look at /alerts for what they have in common; silence it, or group it with `group_by`".into(),
            ..Finding::new(key, Severity::Critical, Topic::Watchdog, headline, since)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::example;

    fn alert(print: &str, name: &str) -> Finding {
        let mut finding = example::finding(AlertName::Other, print, "x");
        finding.labels.insert(ALERTNAME.into(), name.into());
        finding
    }

    #[test]
    fn each_is_counted_once_and_all_are_told_together_for_as_long_as_there_are_any() {
        let mut untold = Untold::default();
        let at = example::at("14:02:11");
        let mut look = |alerts: &[(&str, &str)], fresh: u64| {
            untold.begin();
            alerts.iter().for_each(|(print, name)| untold.without_group(&alert(print, name)));
            assert_eq!(untold.end(at), fresh, "{alerts:?}");
            untold.finding()
        };
        assert_eq!(look(&[], 0), None);
        let first = look(&[("a", "Disk"), ("b", "Disk"), ("c", "Cpu")], 3).unwrap();
        assert_eq!(first.evidence, ["3 fire in new groups, and 2000 groups are open", "2 × Disk", "1 × Cpu"]);
        let later = look(&[("a", "Disk"), ("d", "Disk")], 1).unwrap();
        assert_eq!((later.since, later.headline), (first.since, first.headline), "no news");
        assert_eq!(look(&[], 0), None);
    }
}
