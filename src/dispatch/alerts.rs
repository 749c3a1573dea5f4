//! What fires: the alerts of our own rules and those that others posted. Pure; the time is an argument.
//!
//! A rule group says all that it has, each time anew; a posted alert lives until its end, and its end moves with every post
//! (Alertmanager's types.Alert.Merge).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::model::{Alert, AlertContext, AlertName, Finding, FindingKey, Pairs, RuleAlert, Severity, Topic};

/// Posted alerts kept; more come from a storm or a mistake, and are refused.
pub const POSTED_MAX: usize = 20_000;

/// As many more that are critical.
pub const POSTED_CRITICAL: usize = 2_000;

/// Alerts taken of one rule group.
pub const RULE_ALERTS_MAX: usize = 10_000;

/// Labels or annotations of one alert.
const PAIRS_MAX: usize = 200;

/// Bytes of all labels and annotations of one alert.
const BYTES_MAX: usize = 100_000;

/// Says where an alert comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A rule group: its key, and when it was evaluated.
    Rule(Arc<str>, Timestamp),
    /// Somebody outside.
    Posted,
}

/// An alert that fires.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The alert as everybody is shown it.
    pub alert: Arc<Alert>,
    /// The fingerprint of what is shown.
    pub fingerprint: Arc<str>,
    /// As an incident keeps it.
    pub finding: Arc<Finding>,
    /// Whose it is.
    pub origin: Origin,
    /// When it was last said.
    pub updated_at: Timestamp,
    /// How long after something was over it may still speak of it; zero where that is not known.
    pub looks_back: Duration,
}

/// Holds all alerts that fire, of our own rules and posted ones.
#[derive(Clone, Debug)]
pub struct Table {
    context: Arc<AlertContext>,
    rules: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Entry>>,
    /// By the fingerprint of what was posted, under which the store has it.
    posted: BTreeMap<Arc<str>, Posted>,
}

#[derive(Clone, Debug)]
struct Posted {
    /// As it was posted.
    said: Alert,
    entry: Entry,
}

/// An alert as it is posted; what is not said follows from the time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Post {
    /// Its identity.
    pub labels: Pairs,
    /// What is said of it.
    pub annotations: Pairs,
    /// When it began.
    pub starts_at: Option<Timestamp>,
    /// When it ended, or will unless it is posted again.
    pub ends_at: Option<Timestamp>,
    /// Where it comes from.
    pub generator_url: String,
}

/// Says why a posted alert is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It can't be one.
    Bad(String),
    /// [`POSTED_MAX`] fire already: it may be posted again later.
    Full,
}

impl Post {
    /// Completes and checks it: without an end it ends after `resolve_timeout`.
    ///
    /// # Errors
    /// In Alertmanager's words.
    pub fn complete(self, now: Timestamp, resolve_timeout: Duration) -> Result<Alert, String> {
        let Self { mut labels, annotations, starts_at, ends_at, generator_url } = self;
        labels.retain(|_, v| !v.is_empty());
        if labels.is_empty() {
            return Err("at least one label pair required".into());
        }
        if labels.len() > PAIRS_MAX || annotations.len() > PAIRS_MAX {
            return Err(format!("more than {PAIRS_MAX} labels or annotations"));
        }
        if labels.iter().chain(&annotations).map(|(k, v)| k.len() + v.len()).sum::<usize>() > BYTES_MAX {
            return Err(format!("labels and annotations are larger than {BYTES_MAX} bytes"));
        }
        if let Some(name) = labels.keys().chain(annotations.keys()).find(|n| n.is_empty() || n.contains('\0')) {
            return Err(format!("invalid name {name:?}"));
        }
        let starts_at = starts_at.or(ends_at).unwrap_or(now);
        let ends_at = ends_at.unwrap_or_else(|| now.checked_add(resolve_timeout).unwrap_or(Timestamp::MAX));
        if ends_at < starts_at {
            return Err("start time must be before end time".into());
        }
        Ok(Alert { labels, annotations, starts_at, ends_at: Some(ends_at), generator_url })
    }
}

impl Table {
    /// Continues with the posted alerts of an earlier run.
    pub fn restore(posted: impl IntoIterator<Item = Alert>, context: Arc<AlertContext>, now: Timestamp) -> Self {
        let mut table = Self { context, rules: BTreeMap::new(), posted: BTreeMap::new() };
        for alert in posted {
            table.put(alert.fingerprint().into(), alert, now);
        }
        table
    }

    /// Another configuration adds something else to every alert. Rules say theirs anew with the next evaluation.
    pub fn recomplete(&mut self, context: Arc<AlertContext>) {
        self.context = context;
        for posted in self.posted.values_mut() {
            posted.entry = entry(&self.context, &posted.said, Origin::Posted, posted.entry.updated_at);
        }
    }

    fn put(&mut self, fingerprint: Arc<str>, said: Alert, now: Timestamp) {
        let entry = entry(&self.context, &said, Origin::Posted, now);
        self.posted.insert(fingerprint, Posted { said, entry });
    }

    /// Returns what a rule group says now is all that it has; gives the number of alerts beyond the limit.
    pub fn evaluated(&mut self, source: Arc<str>, at: Timestamp, alerts: Vec<RuleAlert>) -> usize {
        let beyond = alerts.len().saturating_sub(RULE_ALERTS_MAX);
        let keyed = |RuleAlert { alert, looks_back }: RuleAlert| {
            let entry = entry(&self.context, &alert, Origin::Rule(source.clone(), at), at);
            (entry.fingerprint.clone(), Entry { looks_back, ..entry })
        };
        let entries = alerts.into_iter().take(RULE_ALERTS_MAX).map(keyed).collect();
        self.rules.insert(source, entries);
        beyond
    }

    /// Returns whether a rule group has been evaluated.
    pub fn knows(&self, source: &str) -> bool {
        self.rules.contains_key(source)
    }

    /// Forgets the rule groups that are not among these.
    pub fn retain_rules(&mut self, sources: &std::collections::BTreeSet<Arc<str>>) {
        self.rules.retain(|source, _| sources.contains(source));
    }

    /// Takes a posted alert; gives what must be stored. `None`: it is one too many.
    pub fn post(&mut self, mut alert: Alert, now: Timestamp) -> Option<Alert> {
        let fingerprint: Arc<str> = alert.fingerprint().into();
        match self.posted.get(&fingerprint) {
            Some(old) if !old.said.is_over(now) && old.said.ends_at >= Some(alert.starts_at) => {
                alert.starts_at = alert.starts_at.min(old.said.starts_at);
            }
            Some(_) => {}
            None if self.posted.len() >= room(&alert) => return None,
            None => {}
        }
        self.put(fingerprint, alert.clone(), now);
        Some(alert)
    }

    /// Returns posted alerts as they were said.
    pub fn posted(&self) -> impl Iterator<Item = &Alert> {
        self.posted.values().map(|p| &p.said)
    }

    /// Forgets posted alerts that are over; gives their fingerprints.
    pub fn collect(&mut self, now: Timestamp) -> Vec<String> {
        let over = |(_, p): &(&Arc<str>, &Posted)| p.said.is_over(now);
        let gone: Vec<Arc<str>> = self.posted.iter().filter(over).map(|(key, _)| key.clone()).collect();
        gone.iter().for_each(|fingerprint| drop(self.posted.remove(fingerprint)));
        gone.iter().map(ToString::to_string).collect()
    }

    /// Returns all that fires. An alert that is both ours and posted is listed once, as ours.
    pub fn firing(&self, now: Timestamp) -> Vec<Entry> {
        let mut all: BTreeMap<Arc<str>, Entry> = BTreeMap::new();
        for entry in self.rules.values().flat_map(BTreeMap::values).chain(self.posted.values().map(|p| &p.entry)) {
            if !entry.alert.is_over(now) {
                all.entry(entry.fingerprint.clone()).or_insert_with(|| entry.clone());
            }
        }
        all.into_values().collect()
    }

    /// Returns when the next posted alert ends by itself.
    pub fn next_end(&self) -> Option<Timestamp> {
        self.posted.values().filter_map(|p| p.said.ends_at).min()
    }
}

/// How many may be there for one more to be taken.
fn room(alert: &Alert) -> usize {
    if alert.severity() == Severity::Critical { POSTED_MAX + POSTED_CRITICAL } else { POSTED_MAX }
}

fn entry(context: &AlertContext, said: &Alert, origin: Origin, updated_at: Timestamp) -> Entry {
    let alert = context.complete(said);
    let fingerprint: Arc<str> = alert.fingerprint().into();
    let finding = Arc::new(finding(&alert, &fingerprint));
    Entry { alert: Arc::new(alert), fingerprint, finding, origin, updated_at, looks_back: Duration::ZERO }
}

/// Returns an alert as an incident keeps it.
pub fn finding(alert: &Alert, fingerprint: &str) -> Finding {
    let text = |name: &str| alert.annotations.get(name).map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
    let headline =
        text("summary").or_else(|| text("message")).or_else(|| text("title")).or_else(|| text("description"));
    let said: Vec<String> =
        text("description").into_iter().flat_map(|d| d.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let shown = alert.labels.iter().filter(|(k, _)| !matches!(k.as_str(), "alertname" | "severity"));
    let labels: Vec<String> = shown.map(|(k, v)| format!("{k}={v}")).collect();
    Finding {
        evidence: said.into_iter().chain([labels.join(", ")]).filter(|l| !l.is_empty()).collect(),
        first_step: text("first_step").unwrap_or_default(),
        labels: alert.labels.clone(),
        annotations: alert.annotations.clone(),
        generator_url: alert.generator_url.clone(),
        ..Finding::new(
            FindingKey {
                cluster: alert.label("cluster").into(),
                alert: AlertName::Other,
                subject: fingerprint.to_owned(),
            },
            alert.severity(),
            Topic::Alerts,
            headline.unwrap_or_else(|| alert.name().to_owned()).lines().next().unwrap_or_default().to_owned(),
            alert.starts_at,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn post(name: &str, starts: Option<i64>, ends: Option<i64>) -> Post {
        let labels = [("alertname".to_owned(), name.to_owned())].into();
        Post { labels, starts_at: starts.map(at), ends_at: ends.map(at), ..Post::default() }
    }

    const TIMEOUT: Duration = Duration::from_secs(300);

    fn table(external: &str) -> Table {
        let external_labels = external.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
        let context = AlertContext {
            external_labels: external_labels.into_iter().collect(),
            external_url: String::new(),
            drill: false,
            runbook: |_, _, _| None,
        };
        Table::restore([], Arc::new(context), at(0))
    }

    #[test]
    fn what_is_added_to_every_alert_is_part_of_it_and_of_its_fingerprint_but_is_not_stored() {
        let mut table = table("vantage=paris");
        let alert = post("a", Some(0), Some(9_999)).complete(at(0), TIMEOUT).unwrap();
        assert_eq!(table.post(alert.clone(), at(0)), Some(alert.clone()));
        table.evaluated("g".into(), at(0), vec![RuleAlert { alert: alert.clone(), looks_back: Duration::ZERO }]);
        let firing = table.firing(at(1));
        assert_eq!(firing.len(), 1, "the rule's and the posted one are one");
        assert_eq!(firing[0].alert.label("vantage"), "paris");
        assert_eq!(*firing[0].fingerprint, firing[0].alert.fingerprint());
        table.retain_rules(&std::collections::BTreeSet::new());
        table.recomplete(super::tests::table("vantage=rome").context);
        assert_eq!(table.firing(at(1))[0].alert.label("vantage"), "rome");
        assert_eq!(table.collect(at(10_000)), [alert.fingerprint()]);
    }

    #[test]
    fn what_a_post_does_not_say_follows_from_the_time() {
        let check = |p: Post, starts: i64, ends: i64| {
            let alert = p.complete(at(0), TIMEOUT).unwrap();
            assert_eq!((alert.starts_at, alert.ends_at), (at(starts), Some(at(ends))));
        };
        check(post("a", None, None), 0, 300);
        check(post("a", Some(-60), None), -60, 300);
        check(post("a", None, Some(-10)), -10, -10);
        assert!(post("a", Some(10), Some(0)).complete(at(0), TIMEOUT).is_err());
        assert!(Post::default().complete(at(0), TIMEOUT).is_err());
    }

    #[test]
    fn a_posted_alert_lives_until_its_end_which_moves() {
        let mut table = table("");
        let put = |table: &mut Table, now: i64, starts: i64, ends: Option<i64>| {
            let alert = post("a", Some(starts), ends).complete(at(now), TIMEOUT).unwrap();
            table.post(alert, at(now)).unwrap()
        };
        put(&mut table, 0, 0, None);
        assert_eq!(put(&mut table, 100, 50, None).starts_at, at(0), "the earliest start stays");
        assert_eq!(table.firing(at(399)).len(), 1);
        assert!(table.firing(at(400)).is_empty());
        put(&mut table, 200, 0, Some(200));
        assert!(table.firing(at(200)).is_empty());
        assert_eq!(table.collect(at(200)).len(), 1);
        assert!(table.collect(at(200)).is_empty());
        assert_eq!(put(&mut table, 500, 450, None).starts_at, at(450), "a new life has its own start");
    }

    #[test]
    fn a_rule_group_says_all_that_it_has() {
        let mut table = table("");
        let alert = |name| RuleAlert {
            alert: post(name, Some(0), Some(9_999)).complete(at(0), TIMEOUT).unwrap(),
            looks_back: Duration::ZERO,
        };
        table.evaluated("g".into(), at(0), vec![alert("a"), alert("b")]);
        table.evaluated("h".into(), at(0), vec![alert("a")]);
        assert_eq!(table.firing(at(1)).len(), 2);
        table.evaluated("g".into(), at(10), Vec::new());
        assert_eq!(table.firing(at(11)).len(), 1);
        table.retain_rules(&std::collections::BTreeSet::new());
        assert!(table.firing(at(11)).is_empty() && !table.knows("g"));
    }
}
