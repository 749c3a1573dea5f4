//! What was found lately, so that a rule whose window reaches back into an outage does not page when that is over. Pure.
//!
//! A finding disturbs what is measured twice: when it begins and when it ends. An alert of the same cluster and a related
//! subject that may still look at one of the two is held; one that goes on when its window has left both is told. Nobody
//! hears of what mended itself, so that it holds an alert for no longer than the alert's own window.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;

use super::{elapsed, explain::is_related, incident::WAY_BACK};
use crate::model::{Alert, AlertName, Finding, FindingKey, Incident, IncidentAlert, Severity};

/// The longest that the past is kept: windows of a month (SLOs) have their outage for so long.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Findings kept; beyond it those that were seen longest ago go first.
pub const FINDINGS_MAX: usize = 5_000;

/// One finding, there or gone.
#[derive(Clone, Debug)]
struct Past {
    finding: Finding,
    /// When it began, at the earliest that is kept.
    first: Timestamp,
    /// When it was last seen.
    seen: Timestamp,
    /// Somebody was told.
    told: bool,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    by_key: HashMap<FindingKey, Past>,
}

impl Recent {
    /// Continues with the incidents of an earlier run.
    pub(super) fn restore(incidents: &[Incident], now: Timestamp) -> Self {
        let mut recent = Self::default();
        let alerts = incidents.iter().flat_map(|i| i.alerts.iter().map(move |a| (i, a)));
        for (incident, alert) in alerts.filter(|(_, a)| counts(&a.finding)) {
            recent.put(&alert.finding, alert.ended_at.unwrap_or(now), is_told(incident, alert));
        }
        recent.forget(now);
        recent
    }

    /// Takes in what is found now. Returns how many findings found no room.
    pub(super) fn see<'a>(
        &mut self,
        found: impl Iterator<Item = &'a Finding>,
        open: &[&Incident],
        now: Timestamp,
    ) -> usize {
        let told: HashMap<&FindingKey, bool> =
            open.iter().flat_map(|i| i.firing().map(move |a| (&a.finding.key, is_told(i, a)))).collect();
        for finding in found.filter(|f| counts(f)) {
            self.put(finding, now, told.get(&finding.key).copied().unwrap_or(false));
        }
        self.forget(now)
    }

    fn put(&mut self, finding: &Finding, seen: Timestamp, told: bool) {
        match self.by_key.get_mut(&finding.key) {
            Some(past) => {
                past.first = past.first.min(finding.since);
                past.seen = past.seen.max(seen);
                past.told |= told;
                if past.finding.since != finding.since || past.finding.headline != finding.headline {
                    past.finding.clone_from(finding);
                }
            }
            None => {
                let past = Past { finding: finding.clone(), first: finding.since, seen, told };
                self.by_key.insert(finding.key.clone(), past);
            }
        }
    }

    fn forget(&mut self, now: Timestamp) -> usize {
        self.by_key.retain(|_, past| elapsed(past.seen, now) <= KEPT);
        let beyond = self.by_key.len().saturating_sub(FINDINGS_MAX);
        if beyond > 0 {
            let mut seen: Vec<Timestamp> = self.by_key.values().map(|past| past.seen).collect();
            seen.sort_unstable();
            let oldest = seen.get(beyond).copied().unwrap_or(now);
            self.by_key.retain(|_, past| past.seen >= oldest);
        }
        beyond
    }

    /// What an alert may still be speaking of; `ours`: it is of our own rules.
    pub(super) fn explains(&self, alert: &Alert, looks_back: Duration, ours: bool, now: Timestamp) -> Option<&Finding> {
        let window = looks_back.saturating_add(WAY_BACK);
        let within = |at: Timestamp| elapsed(at, now) <= window;
        let speaks_of = |past: &&Past| {
            // It began before its window could hold any of it.
            let before = elapsed(alert.starts_at, past.first) > window && alert.starts_at < past.first;
            let ended = past.seen < now;
            let disturbed = within(past.finding.since) || (ended && within(past.seen));
            disturbed && !before && (past.told || within(alert.starts_at))
        };
        let cluster = alert.label("cluster");
        let mut candidates = self.by_key.values().filter(|p| *p.finding.key.cluster == *cluster).filter(speaks_of);
        candidates.find(|past| is_related(alert, ours, &past.finding)).map(|past| &past.finding)
    }
}

fn counts(finding: &Finding) -> bool {
    finding.severity > Severity::Info && finding.key.alert != AlertName::Other
}

fn is_told(incident: &Incident, alert: &IncidentAlert) -> bool {
    incident.first_told_at.is_some() && !alert.held
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::Pairs, notify::example};

    fn t(seconds: u64) -> Timestamp {
        example::at("14:00:00") + Duration::from_secs(seconds)
    }

    fn alert(labels: &str, starts: u64) -> Alert {
        let pairs = format!("cluster=prod {labels}");
        let labels: Pairs =
            pairs.split_whitespace().filter_map(|p| p.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect();
        Alert { labels, annotations: Pairs::new(), starts_at: t(starts), ends_at: None, generator_url: String::new() }
    }

    /// A finding from 100 to 200, and an alert that looks back 300 s: until when it is held.
    fn held_until(name: AlertName, of: &str, told: bool, alert: &Alert) -> Option<u64> {
        let labels = of.split_whitespace().filter_map(|p| p.split_once('=')).map(|(k, v)| (k.into(), v.into()));
        let finding = Finding { since: t(100), labels: labels.collect(), ..example::finding(name, "", "x") };
        let mut recent = Recent::default();
        recent.put(&finding, t(200), told);
        let window = Duration::from_secs(300);
        let held = |at: u64| recent.explains(alert, window, true, t(at)).is_some();
        let first = alert.starts_at.duration_since(t(0)).as_secs().unsigned_abs().max(201);
        held(first).then(|| (first..5_000).take_while(|at| held(*at)).last().unwrap_or(0))
    }

    #[test]
    fn a_rule_that_reaches_back_into_an_outage_waits_until_it_has_left_it() {
        use AlertName::*;
        let check = |name, of: &str, told, labels: &str, starts, expected: Option<u64>| {
            assert_eq!(held_until(name, of, told, &alert(labels, starts)), expected, "{name} {of}: {labels}");
        };
        // A minute after etcd's outage API servers seem slow; the term has grown; a component counts as down.
        check(
            EtcdQuorumLost,
            "job=etcd",
            true,
            "alertname=ApiServerSlow job=kube-apiserver instance=a:6443",
            260,
            Some(560),
        );
        check(EtcdQuorumLost, "job=etcd", true, "alertname=EtcdLeaderChanges job=etcd", 150, Some(560));
        check(
            ControlPlaneHostDown,
            "instance=10.0.0.2",
            true,
            "alertname=ComponentDown job=kube-scheduler",
            120,
            Some(560),
        );
        check(EtcdAlarm, "job=etcd", true, "alertname=ApiServerErrorRatio job=kube-apiserver", 190, Some(560));
        check(
            EtcdMemberDown,
            "job=etcd instance=10.0.0.2:2379",
            true,
            "alertname=EtcdLeaderChanges job=etcd",
            150,
            Some(560),
        );
        // What mended itself holds an alert for the alert's own window.
        check(EtcdMemberDown, "job=etcd", false, "alertname=EtcdLeaderChanges job=etcd", 150, Some(510));
        // It began long after; it is about something else; about another machine; of another cluster.
        check(EtcdQuorumLost, "job=etcd", true, "alertname=ApiServerSlow job=kube-apiserver", 600, None);
        check(KubeletDown, "job=kubelet node=n1", true, "alertname=EtcdLeaderChanges job=etcd", 150, None);
        check(
            ApiServerDown,
            "job=kube-apiserver instance=a:6443",
            true,
            "alertname=ApiServerSlow job=kube-apiserver instance=b:6443",
            210,
            None,
        );
        check(EtcdQuorumLost, "job=etcd", true, "cluster=test alertname=EtcdLeaderChanges job=etcd", 150, None);
    }

    #[test]
    fn what_is_there_disturbs_at_its_beginning() {
        let member = Finding { since: t(100), ..example::finding(AlertName::EtcdMemberDown, "", "x") };
        let mut recent = Recent::default();
        let changes = alert("alertname=EtcdLeaderChanges job=etcd", 130);
        let held = |recent: &mut Recent, at: u64| {
            recent.see(std::iter::once(&member), &[], t(at));
            recent.put(&member, t(at), true);
            recent.explains(&changes, Duration::from_secs(300), true, t(at)).is_some()
        };
        assert!(held(&mut recent, 140) && held(&mut recent, 460));
        assert!(!held(&mut recent, 461), "a member that is down for days hides nothing");
    }

    #[test]
    fn a_restart_remembers_and_limits_hold() {
        let mut incident = example::resolved().incident;
        incident.first_told_at = Some(t(0));
        let end = incident.resolved_at.unwrap();
        let slow = alert("alertname=ApiServerSlow job=kube-apiserver", 14 * 60 + 60);
        let recent = Recent::restore(std::slice::from_ref(&incident), end);
        let at = end + Duration::from_secs(120);
        assert!(recent.explains(&slow, Duration::from_secs(60), true, at).is_some());
        let mut recent = Recent::default();
        let many: Vec<Finding> =
            (0..FINDINGS_MAX + 10).map(|i| example::finding(AlertName::NodeDown, &i.to_string(), "x")).collect();
        recent.see(many[..10].iter(), &[], t(0));
        assert_eq!(recent.see(many[10..].iter(), &[], t(1)), 10);
        assert!(recent.by_key.len() <= FINDINGS_MAX);
        recent.forget(t(1) + KEPT + Duration::from_secs(1));
        assert!(recent.by_key.is_empty());
    }
}
