//! The watchdog's diagnosis of itself: cut off, not storing, clusters that can't be watched. Pure.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::model::{AlertName, Diagnosis, Finding, FindingKey, Severity, StoreHealth, Topic, Vantage};

/// How long a store that works again, but had to begin anew, is told of.
const STORE_NEWS: SignedDuration = SignedDuration::from_mins(10);

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub struct OwnView<'a> {
    /// Now.
    pub now: Timestamp,
    /// The watchdog's view of the network.
    pub vantage: &'a Vantage,
    /// Its store.
    pub store: &'a StoreHealth,
    /// `(cluster, why it can't be watched at all)`.
    pub problems: &'a [(&'a str, &'a str)],
}

/// The findings about the watchdog itself; their cluster is empty.
pub fn diagnose(view: &OwnView<'_>) -> Diagnosis {
    let mut findings = Vec::new();
    if !view.vantage.ok {
        findings.push(cut_off(view));
    }
    findings.extend(store(view));
    findings.extend(view.problems.iter().map(|(cluster, why)| not_watched(cluster, why, view.now)));
    Diagnosis { cluster: Arc::default(), at: view.now, findings, unsettled: false, blind: false }
}

fn finding(alert: AlertName, subject: &str, severity: Severity, topic: Topic, since: Timestamp) -> Finding {
    let key = FindingKey { cluster: Arc::default(), alert, subject: subject.to_owned() };
    Finding::new(key, severity, topic, String::new(), since)
}

fn cut_off(view: &OwnView<'_>) -> Finding {
    let since = view.vantage.since.unwrap_or(view.now);
    Finding {
        headline: "the watchdog itself is cut off from the network: no cluster is judged until it sees again".into(),
        evidence: vec![view.vantage.message.clone()],
        still_works: vec!["nothing is known against any cluster: their last verdicts are kept".into()],
        consequences: vec!["an outage that begins now would be seen only when the watchdog is back".into()],
        first_step:
            "look at the watchdog's own machine: its link, its default route and its gateway (ip link; ip route)".into(),
        ..finding(AlertName::WatchdogCutOff, "", Severity::Critical, Topic::Vantage, since)
    }
}

fn store(view: &OwnView<'_>) -> Option<Finding> {
    let since = view.store.since.unwrap_or(view.now);
    let recent = view.now.duration_since(since) < STORE_NEWS;
    if view.store.message.is_empty() || (view.store.ok && !recent) {
        return None;
    }
    let (headline, severity) = if view.store.ok {
        ("the watchdog had to begin its history anew", Severity::Warning)
    } else {
        ("the watchdog can't write its history; it goes on probing and notifying from memory", Severity::Critical)
    };
    let first_step = if view.store.ok {
        "keep the old file if its history matters to you; restore a backup if there is one"
    } else {
        "look at the disk of the watchdog's machine (df -h, mount, dmesg) and at the message above"
    };
    Some(Finding {
        headline: headline.into(),
        evidence: vec![view.store.message.clone()],
        still_works: vec!["probing, verdicts and notifications".into()],
        consequences: if view.store.ok {
            Vec::new()
        } else {
            vec!["what happens now is lost if the watchdog is restarted before it can write again".into()]
        },
        first_step: first_step.into(),
        ..finding(AlertName::StoreFailing, "", severity, Topic::Watchdog, since)
    })
}

fn not_watched(cluster: &str, why: &str, now: Timestamp) -> Finding {
    let mut f = finding(AlertName::ClusterNotWatched, cluster, Severity::Critical, Topic::Watchdog, now);
    f.headline = format!("cluster {cluster} is not being watched");
    f.evidence = vec![why.to_string()];
    f.first_step = "mend what the message names and run `dogwatch check`; the watchdog tries again by itself".into();
    f
}
