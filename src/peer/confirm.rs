//! What two places see of the same cluster, held against each other. Pure.
//!
//! A failure that one place sees and the other does not may be the way there. `any` tells it all the same and says from where it
//! is seen; `majority` and `all` (with two places the same) tell the difference instead. Who can't judge has no vote: a blind or
//! silent watchdog keeps nobody from being told.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::wire::View;
use crate::{
    model::{AlertName, Diagnosis, Finding, FindingKey, Said, SaidPart, Severity, Topic},
    words,
};

/// Findings of the other that are taken in of one cluster: what is beyond it is told when the first are over.
const TAKEN_MAX: usize = 200;

/// Who must see a failure for it to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Confirm {
    /// One.
    #[default]
    Any,
    /// More than half of those that can judge; of two both.
    Majority,
    /// All that can judge.
    All,
}

/// Holds what this place sees of a cluster against what the other sees. Changes the diagnosis to what both together know, and
/// returns what they differ in, where that is told in its place. `names`: this place and the other.
pub fn together(confirm: Confirm, names: (&str, &str), own: &mut Diagnosis, view: &View) -> Vec<Finding> {
    if own.cluster.is_empty() || view.blind {
        return Vec::new();
    }
    if own.blind {
        own.blind = false;
        own.findings = view.findings.iter().take(TAKEN_MAX).cloned().collect();
        own.findings.iter_mut().for_each(|f| words::add(f, EVIDENCE, seen_from("seen-by-one", names.1, names.0)));
        return Vec::new();
    }
    match confirm {
        Confirm::Any => {
            for finding in own.findings.iter_mut().filter(|f| is_root(f) && !knows(&view.findings, &f.key)) {
                words::add(finding, EVIDENCE, seen_from("seen-by-one-path", names.0, names.1));
            }
            let unseen = view.findings.iter().filter(|f| is_root(f) && !knows(&own.findings, &f.key));
            let mut unseen: Vec<Finding> = unseen.take(TAKEN_MAX).cloned().collect();
            unseen.iter_mut().for_each(|f| words::add(f, EVIDENCE, seen_from("seen-by-one-path", names.1, names.0)));
            own.findings.append(&mut unseen);
            Vec::new()
        }
        Confirm::Majority | Confirm::All => {
            let alone = |f: &&Finding| is_root(f) && !knows(&view.findings, &f.key);
            let out: Vec<Finding> = own.findings.iter().filter(alone).cloned().collect();
            let mut gone: BTreeSet<FindingKey> = out.iter().map(|f| f.key.clone()).collect();
            // What follows from it would be a root without it.
            while let Some(more) = follower(&own.findings, &gone) {
                gone.insert(more);
            }
            own.findings.retain(|f| !gone.contains(&f.key));
            let elsewhere = view.findings.iter().filter(|f| is_root(f) && !knows(&own.findings, &f.key));
            let elsewhere = elsewhere.filter(|f| !gone.contains(&f.key)).map(|f| difference(f, names.1, names.0));
            let mut told: Vec<Finding> = out.iter().map(|f| difference(f, names.0, names.1)).collect();
            told.extend(elsewhere);
            told
        }
    }
}

/// A failure that may be the way to it.
fn is_root(finding: &Finding) -> bool {
    finding.topic == Topic::Outage && finding.caused_by.is_none()
}

/// Whether these have the same, or what grows out of it: one place may see more of one trouble.
fn knows(findings: &[Finding], key: &FindingKey) -> bool {
    findings.iter().any(|f| f.key == *key || f.key.alert.is_related(key.alert))
}

fn follower(findings: &[Finding], gone: &BTreeSet<FindingKey>) -> Option<FindingKey> {
    let follows = |f: &&Finding| f.caused_by.as_ref().is_some_and(|cause| gone.contains(cause));
    findings.iter().filter(follows).find(|f| !gone.contains(&f.key)).map(|f| f.key.clone())
}

const EVIDENCE: fn(&mut Finding) -> &mut Vec<String> = |f| &mut f.evidence;

fn seen_from(message: &'static str, from: &str, not_from: &str) -> Said {
    Said::new(message).with("from", from).with("not_from", not_from)
}

fn difference(finding: &Finding, from: &str, not_from: &str) -> Finding {
    let FindingKey { cluster, alert, subject } = &finding.key;
    let what: SaidPart = match words::said_with(finding) {
        Some(said) => said.clone().into(),
        None => finding.headline.as_str().into(),
    };
    let headline = seen_from("peer-sees", from, not_from).with("cluster", &**cluster).with("what", what);
    let step = seen_from("step-peer-sees", from, not_from);
    let mut told = differing(&format!("{cluster}/{alert}/{subject}"), headline, step, finding.since);
    words::add(&mut told, EVIDENCE, seen_from("path-or-sight", from, not_from));
    told.evidence.extend(finding.evidence.iter().cloned());
    let well = seen_from("sees-no-harm", from, not_from).with("cluster", &**cluster);
    words::add(&mut told, |f| &mut f.still_works, well);
    told.with_said(finding.said.iter().cloned())
}

/// Returns the finding that two watchdogs differ in something.
pub fn differing(subject: &str, headline: Said, first_step: Said, since: Timestamp) -> Finding {
    let key = FindingKey { cluster: "".into(), alert: AlertName::PeerDiffers, subject: subject.to_owned() };
    words::finding(key, (Severity::Warning, Topic::Watchdog), headline, first_step, since)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(alert: AlertName, subject: &str) -> Finding {
        let key = FindingKey { cluster: "prod".into(), alert, subject: subject.to_owned() };
        Finding::new(key, Severity::Critical, Topic::Outage, format!("{subject} is down"), Timestamp::UNIX_EPOCH)
    }

    fn diagnosis(findings: Vec<Finding>, blind: bool) -> Diagnosis {
        let at = Timestamp::UNIX_EPOCH;
        Diagnosis { cluster: "prod".into(), at, findings, unsettled: false, blind, changes: std::sync::Arc::default() }
    }

    /// What is told of the cluster, and what of the difference, when paris and berlin see these nodes lost.
    fn seen(confirm: Confirm, paris: Option<&[&str]>, berlin: Option<&[&str]>) -> (Vec<String>, Vec<String>) {
        let all = |names: Option<&[&str]>| -> Vec<Finding> {
            names.unwrap_or_default().iter().map(|n| finding(AlertName::CheckFailing, n)).collect()
        };
        let mut own = diagnosis(all(paris), paris.is_none());
        let view = View { cluster: "prod".into(), blind: berlin.is_none(), findings: all(berlin) };
        let told = together(confirm, ("paris", "berlin"), &mut own, &view);
        let said = |f: &Finding| {
            let why = f.evidence.iter().find(|e| e.contains("seen from"));
            f.key.subject.clone() + &why.map(|w| format!(" ({w})")).unwrap_or_default()
        };
        (own.findings.iter().map(said).collect(), told.iter().map(|f| f.headline.clone()).collect())
    }

    #[test]
    fn any_tells_what_one_sees_and_from_where() {
        let check = |paris, berlin, expected: &[&str]| {
            let (findings, differs) = seen(Confirm::Any, paris, berlin);
            assert_eq!(
                (findings.iter().map(String::as_str).collect::<Vec<_>>(), differs.len()),
                (expected.to_vec(), 0)
            );
        };
        check(Some(&["a"]), Some(&["a"]), &["a"]);
        check(Some(&["a"]), Some(&[]), &["a (seen from paris, not from berlin: it may be the path from paris)"]);
        check(Some(&[]), Some(&["a"]), &["a (seen from berlin, not from paris: it may be the path from berlin)"]);
        check(Some(&["a"]), None, &["a"]);
        check(None, Some(&["a"]), &["a (seen from berlin; paris sees nothing)"]);
        check(None, None, &[]);
    }

    #[test]
    fn all_tells_the_difference_where_one_alone_sees_it() {
        for confirm in [Confirm::All, Confirm::Majority] {
            let check = |paris, berlin, expected: &[&str], differs: &[&str]| {
                assert_eq!(
                    seen(confirm, paris, berlin),
                    (
                        expected.iter().map(ToString::to_string).collect(),
                        differs.iter().map(ToString::to_string).collect()
                    )
                );
            };
            check(Some(&["a"]), Some(&["a"]), &["a"], &[]);
            check(Some(&["a"]), Some(&[]), &[], &["prod: a is down: seen from paris, not from berlin"]);
            check(Some(&[]), Some(&["a"]), &[], &["prod: a is down: seen from berlin, not from paris"]);
            check(Some(&["a"]), None, &["a"], &[]);
            check(None, Some(&["a"]), &["a (seen from berlin; paris sees nothing)"], &[]);
        }
    }

    #[test]
    fn what_follows_from_the_unconfirmed_goes_with_it() {
        let root = finding(AlertName::CheckFailing, "a");
        let follows = Finding { caused_by: Some(root.key.clone()), ..finding(AlertName::CheckFailing, "b") };
        let mut own = diagnosis(vec![root, follows], false);
        let view = View { cluster: "prod".into(), ..View::default() };
        assert_eq!(together(Confirm::All, ("paris", "berlin"), &mut own, &view).len(), 1);
        assert_eq!(own.findings, []);
    }
}
