//! What both of two watchdogs see, put together: the other's view of each cluster, what is wrong with either of them, and what is
//! found of the other.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::{Dispatch, peers::PeerSettings};
use crate::{
    model::{AlertName, Diagnosis, Finding, FindingKey, Said, Severity, Topic},
    peer::{
        self, Item,
        wire::{Key, View},
    },
    words,
};

/// Clocks that differ by more make times of incidents, and which of two changes is the later one, uncertain.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(10);

/// What an earlier run held of its targets is no sight: by now each has been asked again, but for those that are asked seldom.
const SIGHT_AFTER: Duration = Duration::from_secs(30);

impl Dispatch {
    /// Says to the other what is seen from here.
    pub(super) fn share_views(&mut self, diagnoses: &BTreeMap<Arc<str>, Arc<Diagnosis>>) {
        let mono = self.deps.clock.mono();
        let sees = self.peers.began.is_some_and(|began| mono.saturating_duration_since(began) >= SIGHT_AFTER);
        let Some(shared) = &mut self.peers.shared else { return };
        let before = shared.core.ledger.revision();
        for (cluster, diagnosis) in diagnoses {
            let known = sees || cluster.is_empty();
            let blind = diagnosis.blind || !known;
            let findings = if known { diagnosis.findings.clone() } else { Vec::new() };
            shared.core.ledger.put(Item::View { view: View { cluster: cluster.to_string(), blind, findings } });
        }
        // The watchdog itself has no diagnosis where nothing is wrong with it.
        if !diagnoses.contains_key("") && shared.core.ledger.get(&Key::View(String::new())).is_some() {
            shared.core.ledger.put(Item::View { view: View::default() });
        }
        if shared.core.ledger.revision() != before {
            self.peers.news.notify_one();
        }
    }

    /// Adds what the other sees, and what is found of it. What is wrong with one of two watchdogs says with which.
    pub(super) fn join_views(&self, diagnoses: &mut BTreeMap<Arc<str>, Arc<Diagnosis>>, now: Timestamp) {
        let (Some(shared), Some(settings)) = (&self.peers.shared, &self.settings.peer) else { return };
        let core = &shared.core;
        let mono = self.deps.clock.mono();
        let mut own: Vec<Finding> = diagnoses.remove("").map(|d| d.findings.clone()).unwrap_or_default();
        own.extend(self.of_peer(now));
        own.iter_mut().for_each(|f| name_vantage(f, &core.name));
        if let Some(other) = core.other().filter(|_| !core.is_silent(mono)) {
            let name = &other.said.name;
            for (cluster, diagnosis) in diagnoses.iter_mut() {
                let Some(view) = shared.views.get(&**cluster) else { continue };
                let differ =
                    peer::confirm::together(settings.confirm, (&core.name, name), Arc::make_mut(diagnosis), view);
                own.extend(differ);
            }
            let mut theirs = shared.views.get("").map(|v| v.findings.clone()).unwrap_or_default();
            theirs.iter_mut().for_each(|f| name_vantage(f, name));
            own.extend(theirs);
        }
        // Where nothing is wrong any more, what was is to end.
        let was = self.latest.contains_key("") || self.all_open().any(|i| i.cluster.is_empty() && i.group.is_none());
        if !own.is_empty() || was {
            let diagnosis = Diagnosis {
                cluster: Arc::default(),
                at: now,
                findings: own,
                unsettled: false,
                blind: false,
                changes: Arc::default(),
            };
            diagnoses.insert(Arc::default(), Arc::new(diagnosis));
        }
    }

    /// What is found of the other: it is silent, or differs.
    fn of_peer(&self, now: Timestamp) -> Vec<Finding> {
        let Some(shared) = &self.peers.shared else { return Vec::new() };
        let core = &shared.core;
        let Some(other) = core.other() else {
            if !core.is_silent(self.deps.clock.mono()) {
                return Vec::new();
            }
            let since = self.peers.since.unwrap_or(now);
            return vec![self.peer_down(Said::new("other-watchdog"), since)];
        };
        if core.is_silent(self.deps.clock.mono()) {
            return vec![self.peer_down(Said::new("watchdog-named").with("name", &other.said.name), other.heard_wall)];
        }
        let mut found = Vec::new();
        let since = self.peers.since.unwrap_or(now);
        if !other.said.digest.is_empty() && other.said.digest != core.digest {
            let headline = Said::new("peer-configured").with("name", &other.said.name);
            let step = Said::new("step-peer-configured");
            found.push(Finding {
                consequences: vec!["who is told, and of what, depends on which of both leads".into()],
                ..peer::confirm::differing("configuration", headline, step, since)
            });
        }
        if other.ahead.abs() > CLOCKS_DIFFER {
            let by = Duration::try_from(other.ahead.abs()).unwrap_or_default();
            let headline = Said::new("peer-clock").with("name", &other.said.name).with("by", by);
            let step = Said::new("step-peer-clock");
            found.push(Finding {
                consequences: vec!["of two changes the wrong one may count as the later".into()],
                ..peer::confirm::differing("clock", headline, step, since)
            });
        }
        found
    }

    fn peer_down(&self, who: Said, since: Timestamp) -> Finding {
        let why = self.peers.error.clone().unwrap_or_else(|| "it asks nothing any more".into());
        let key = FindingKey { cluster: Arc::default(), alert: AlertName::PeerDown, subject: "peer".into() };
        let (headline, step) = (Said::new("peer-silent").with("who", who), Said::new("step-peer-silent"));
        Finding {
            evidence: vec![why],
            still_works: vec!["this watchdog probes and tells".into()],
            consequences: vec!["if this one dies too, nobody is told; where only the link is cut, both tell".into()],
            ..words::finding(key, (Severity::Warning, Topic::Watchdog), headline, step, since)
        }
    }
}

/// Of what is wrong with a watchdog it is said with which of both, wherever it is told from.
fn name_vantage(finding: &mut Finding, name: &str) {
    let subject = |key: &mut FindingKey| {
        if key.cluster.is_empty() {
            key.subject = format!("{name}/{}", key.subject);
        }
    };
    subject(&mut finding.key);
    finding.caused_by.iter_mut().for_each(subject);
    if let Some(known) = words::said_with(finding) {
        let said = Said::new("line-of").with("name", name).with("line", known.clone());
        finding.said.push(said);
    }
    finding.headline = format!("{name}: {}", finding.headline);
}

/// The subject of an own finding without the name of its watchdog; `None`: it is of another.
pub(super) fn without_vantage<'a>(subject: &'a str, settings: Option<&PeerSettings>) -> Option<&'a str> {
    match settings {
        None => Some(subject),
        Some(settings) => subject.strip_prefix(&*settings.name).and_then(|rest| rest.strip_prefix('/')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Confirm;

    #[test]
    fn own_findings_say_of_which_watchdog_they_are() {
        let key = FindingKey { cluster: Arc::default(), alert: AlertName::ReceiverFailing, subject: "ops".into() };
        let mut f = Finding::new(key, Severity::Critical, Topic::Watchdog, "it fails".into(), Timestamp::UNIX_EPOCH);
        name_vantage(&mut f, "paris");
        assert_eq!((&*f.key.subject, &*f.headline), ("paris/ops", "paris: it fails"));
        let settings = PeerSettings {
            name: "paris".into(),
            takeover: Duration::from_secs(20),
            confirm: Confirm::Any,
            digest: String::new(),
        };
        assert_eq!(without_vantage("paris/ops", Some(&settings)), Some("ops"));
        assert_eq!(without_vantage("berlin/ops", Some(&settings)), None);
        assert_eq!(without_vantage("ops", None), Some("ops"));
    }
}
