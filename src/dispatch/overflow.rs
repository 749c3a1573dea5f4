//! Alerts and messages that are not told one by one since a limit is reached: counted, and told together as a finding of
//! the watchdog itself. Pure.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{elapsed, incident::OPEN_PER_CLUSTER_MAX, incident_record::ALERTS_MAX, outbox::OUTBOX_MAX};
use crate::{
    model::{ALERTNAME, AlertName, Finding, FindingKey, Said, Severity, Topic, text},
    words,
};

/// Groups that are open at once: nobody reads more threads. What fires beyond it is told together (`overflow`).
pub const GROUPS_MAX: usize = 2_000;

/// Groups that one look opens, critical ones first: the rest waits for the next, so that no look takes long.
pub const GROUPS_PER_LOOK: usize = 250;

/// As many more for groups with a critical alert, so that a storm of others keeps none of them waiting.
pub const GROUPS_CRITICAL: usize = 500;

/// Names of alerts that the finding lists, the most frequent first.
const NAMES_MAX: usize = 10;

/// Dropped messages are told of for so long after the last: a storm drops in bursts, and is one story.
const DROPPED_FOR: Duration = Duration::from_secs(10 * 60);

/// Counts what fires now and has no room.
#[derive(Clone, Debug, Default)]
pub(super) struct Overflow {
    since: Option<Timestamp>,
    known: HashSet<FindingKey>,
    now: HashSet<FindingKey>,
    names: BTreeMap<String, usize>,
    without_group: usize,
    beyond_group: usize,
    beyond_incidents: usize,
    fresh: u64,
}

impl Overflow {
    /// Begins a look.
    pub(super) fn begin(&mut self) {
        self.known = std::mem::take(&mut self.now);
        self.names.clear();
        (self.without_group, self.beyond_group, self.beyond_incidents) = (0, 0, 0);
    }

    /// Notes that no group is free for an alert.
    pub(super) fn without_group(&mut self, finding: &Finding) {
        self.without_group += 1;
        self.take(&finding.key, finding.labels.get(ALERTNAME));
    }

    /// Notes that its group has no room for an alert.
    pub(super) fn beyond_group(&mut self, finding: &Finding) {
        self.beyond_group += 1;
        self.take(&finding.key, finding.labels.get(ALERTNAME));
    }

    /// Notes that no incident of its cluster has room for a root.
    pub(super) fn beyond_incidents(&mut self, root: &FindingKey) {
        self.beyond_incidents += 1;
        self.take(root, Some(&root.alert.to_string()));
    }

    /// An incident does not list a consequence: that is counted alone, since nobody is told of one by itself.
    pub(super) fn unlisted(&mut self, consequence: &FindingKey) {
        self.count(consequence);
    }

    fn take(&mut self, key: &FindingKey, name: Option<&String>) {
        self.count(key);
        *self.names.entry(name.cloned().unwrap_or_default()).or_default() += 1;
    }

    fn count(&mut self, key: &FindingKey) {
        let is_new = self.now.insert(key.clone()) && !self.known.contains(key);
        self.fresh += u64::from(is_new);
    }

    /// Ends a look. Returns how many alerts are new among these.
    pub(super) fn end(&mut self, now: Timestamp) -> u64 {
        self.since = if self.names.is_empty() { None } else { self.since.or(Some(now)) };
        std::mem::take(&mut self.fresh)
    }

    /// Returns what is told of them. Its headline has no number: one that changes would be news each time.
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
        if self.beyond_incidents > 0 {
            evidence.push(format!(
                "{} in clusters with {OPEN_PER_CLUSTER_MAX} open incidents that are full",
                text::plural(self.beyond_incidents, "root cause fires", "root causes fire")
            ));
        }
        evidence.extend(names.iter().take(NAMES_MAX).map(listed));
        let (headline, step) = (Said::new("alerts-untold"), Said::new("step-alerts-untold"));
        Some(Finding {
            evidence,
            still_works: vec![
                "outages that the diagnosis finds are told; the page /alerts and the API list every alert".into(),
            ],
            consequences: vec!["whoever is to hear of these alerts hears of this message alone".into()],
            ..words::finding(key(""), (Severity::Critical, Topic::Watchdog), headline, step, since)
        })
    }
}

fn key(subject: &str) -> FindingKey {
    FindingKey { cluster: Arc::default(), alert: AlertName::AlertsUntold, subject: subject.into() }
}

/// Messages that were dropped lately since more waited than are kept.
#[derive(Clone, Debug, Default)]
pub(super) struct DroppedMessages {
    /// Of the first and of the last.
    when: Option<(Timestamp, Timestamp)>,
    /// How many, by integration.
    of: BTreeMap<String, u64>,
}

impl DroppedMessages {
    /// One more.
    pub(super) fn note(&mut self, integration: &str, now: Timestamp) {
        let lasting = self.when.filter(|(_, last)| elapsed(*last, now) < DROPPED_FOR);
        if lasting.is_none() {
            self.of.clear();
        }
        self.when = Some((lasting.map_or(now, |(first, _)| first), now));
        *self.of.entry(integration.to_owned()).or_default() += 1;
    }

    /// Returns what is told of them.
    pub(super) fn finding(&self, now: Timestamp) -> Option<Finding> {
        let (since, _) = self.when.filter(|(_, last)| elapsed(*last, now) < DROPPED_FOR)?;
        let listed = self.of.iter().map(|(integration, count)| format!("{count} × to {integration}"));
        let headline = Said::new("messages-dropped").with("n", OUTBOX_MAX);
        let step = Said::new("step-messages-dropped");
        Some(Finding {
            evidence: listed.take(NAMES_MAX).collect(),
            still_works: vec!["every incident is kept and shown; what the diagnosis finds is dropped last".into()],
            consequences: vec!["whoever missed a beginning hears nothing of its end; see /incidents".into()],
            ..words::finding(key("messages"), (Severity::Critical, Topic::Watchdog), headline, step, since)
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
    fn dropped_messages_are_one_story_until_none_is_dropped_for_long() {
        let at = |minutes: u64| example::at("14:02:11") + Duration::from_secs(minutes * 60);
        let mut dropped = DroppedMessages::default();
        assert_eq!(dropped.finding(at(0)), None);
        for minute in [0, 9, 18] {
            dropped.note("ops/webhook[0]", at(minute));
        }
        let told = dropped.finding(at(27)).unwrap();
        assert_eq!((told.since, told.evidence), (at(0), vec!["3 × to ops/webhook[0]".to_owned()]));
        assert_eq!(dropped.finding(at(28)), None);
        dropped.note("db/email[0]", at(60));
        let told = dropped.finding(at(60)).unwrap();
        assert_eq!((told.since, told.evidence), (at(60), vec!["1 × to db/email[0]".to_owned()]));
    }

    #[test]
    fn roots_without_room_are_told_and_consequences_are_only_counted() {
        let mut overflow = Overflow::default();
        let at = example::at("14:02:11");
        let root = |subject: &str| example::finding(AlertName::NodeDown, subject, "x").key;
        overflow.begin();
        (0..3).for_each(|i| overflow.unlisted(&root(&i.to_string())));
        assert_eq!((overflow.end(at), overflow.finding()), (3, None));
        overflow.begin();
        overflow.unlisted(&root("0"));
        overflow.beyond_incidents(&root("n1"));
        assert_eq!(overflow.end(at), 1);
        let expected = ["1 root cause fires in clusters with 50 open incidents that are full", "1 × NodeDown"];
        assert_eq!(overflow.finding().unwrap().evidence, expected);
    }

    #[test]
    fn each_is_counted_once_and_all_are_told_together_for_as_long_as_there_are_any() {
        let mut overflow = Overflow::default();
        let at = example::at("14:02:11");
        let mut look = |alerts: &[(&str, &str)], fresh: u64| {
            overflow.begin();
            alerts.iter().for_each(|(print, name)| overflow.without_group(&alert(print, name)));
            assert_eq!(overflow.end(at), fresh, "{alerts:?}");
            overflow.finding()
        };
        assert_eq!(look(&[], 0), None);
        let first = look(&[("a", "Disk"), ("b", "Disk"), ("c", "Cpu")], 3).unwrap();
        assert_eq!(first.evidence, ["3 fire in new groups, and 2000 groups are open", "2 × Disk", "1 × Cpu"]);
        let later = look(&[("a", "Disk"), ("d", "Disk")], 1).unwrap();
        assert_eq!((later.since, later.headline), (first.since, first.headline), "no news");
        assert_eq!(look(&[], 0), None);
    }
}
