//! What was found lately, so that a rule whose window reaches back into an outage does not page when that is over. Pure.
//!
//! A finding disturbs what is measured twice: when it begins and when it ends. An alert of the same cluster and a related
//! subject that may still look at one of the two is held; one that goes on when its window has left both is told. Nobody
//! hears of what mended itself, so that it holds an alert for no longer than the alert's own window. What is only taken
//! along by an outage, or disturbed by it, is held no longer than [`WIDE_MAX`].

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    elapsed,
    explain::{About, Kind, Tie, is_of_budget, says_the_same},
    incident::WAY_BACK,
    precedence::hosts_of,
};
use crate::model::{Alert, AlertName, Finding, FindingKey, Incident, IncidentAlert, Severity};

/// Times that something was found; beyond it those that were seen longest ago go first.
pub const FINDINGS_MAX: usize = 5_000;

/// Times kept of one finding: what came back so often within weeks disturbs no more by one time more.
const TIMES_MAX: usize = 8;

/// A rule may look back for a day at what an outage did to the whole cluster; what goes on so long after it is news. Not so
/// a budget, which one outage spends for as long as it is summed: that is one message.
const WIDE_MAX: Duration = Duration::from_secs(3600);

/// One time that something was found, there or gone.
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

/// Remembers what was found lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    /// The times of each finding, oldest first.
    by_key: HashMap<FindingKey, Vec<Past>>,
}

impl Recent {
    /// Continues with the incidents of an earlier run.
    pub(super) fn restore(incidents: &[Incident], now: Timestamp) -> Self {
        let mut recent = Self::default();
        let alerts = incidents.iter().flat_map(|i| i.alerts.iter().map(move |a| (i, a)));
        let mut alerts: Vec<_> = alerts.filter(|(_, a)| counts(&a.finding)).collect();
        alerts.sort_by_key(|(_, alert)| alert.finding.since);
        for (incident, alert) in alerts {
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

    /// What comes back soon goes on; later, it is another time, of which nobody was told yet.
    fn put(&mut self, finding: &Finding, seen: Timestamp, told: bool) {
        if !self.by_key.contains_key(&finding.key) {
            self.by_key.insert(finding.key.clone(), Vec::new());
        }
        let Some(times) = self.by_key.get_mut(&finding.key) else { return };
        match times.last_mut().filter(|past| elapsed(past.seen, finding.since) <= WAY_BACK) {
            Some(past) => {
                past.first = past.first.min(finding.since);
                past.seen = past.seen.max(seen);
                past.told |= told;
                if past.finding.since != finding.since || past.finding.headline != finding.headline {
                    past.finding.clone_from(finding);
                }
            }
            None => {
                times.push(Past { finding: finding.clone(), first: finding.since, seen, told });
                if times.len() > TIMES_MAX {
                    times.remove(0);
                }
            }
        }
    }

    fn forget(&mut self, now: Timestamp) -> usize {
        self.retain(|past| elapsed(past.seen, now) <= Incident::REMEMBERED);
        let beyond = self.by_key.values().map(Vec::len).sum::<usize>().saturating_sub(FINDINGS_MAX);
        if beyond > 0 {
            let mut seen: Vec<Timestamp> = self.by_key.values().flatten().map(|past| past.seen).collect();
            seen.sort_unstable();
            let oldest = seen.get(beyond).copied().unwrap_or(now);
            self.retain(|past| past.seen >= oldest);
        }
        beyond
    }

    fn retain(&mut self, kept: impl Fn(&Past) -> bool) {
        self.by_key.retain(|_, times| {
            times.retain(&kept);
            !times.is_empty()
        });
    }

    /// To hold many alerts against it at one time.
    pub(super) fn lately(&self, now: Timestamp) -> Lately<'_> {
        let mut clusters: HashMap<&str, Indexed<'_>> = HashMap::new();
        for past in self.by_key.values().flatten() {
            let indexed = clusters.entry(&past.finding.key.cluster).or_default();
            let kind = Kind::of(&past.finding);
            indexed.by_kind.entry(kind).or_default().push(past);
            if kind.is_outage {
                let mut hosts: Vec<&str> = hosts_of(&past.finding.labels).collect();
                hosts.dedup();
                hosts.into_iter().for_each(|host| indexed.by_host.entry(host).or_default().push(past));
            }
        }
        let lists = clusters.values_mut().flat_map(|i| i.by_kind.values_mut().chain(i.by_host.values_mut()));
        lists.for_each(|list| list.sort_unstable_by_key(|past| std::cmp::Reverse(past.newest(now))));
        Lately { clusters, now }
    }
}

impl Past {
    /// When it disturbed last.
    fn newest(&self, now: Timestamp) -> Timestamp {
        if self.seen < now { self.seen.max(self.finding.since) } else { self.finding.since }
    }
}

/// What was found lately in one cluster, the last that disturbed first.
#[derive(Default)]
struct Indexed<'a> {
    by_kind: BTreeMap<Kind, Vec<&'a Past>>,
    by_host: HashMap<&'a str, Vec<&'a Past>>,
}

/// See [`Recent::lately`].
pub(super) struct Lately<'a> {
    clusters: HashMap<&'a str, Indexed<'a>>,
    now: Timestamp,
}

impl<'a> Lately<'a> {
    /// Returns what an alert may still be speaking of; `ours`: it is of our own rules.
    pub(super) fn explains(&self, alert: &Alert, looks_back: Duration, ours: bool) -> Option<&'a Finding> {
        let indexed = self.clusters.get(alert.label("cluster"))?;
        let window = looks_back.saturating_add(WAY_BACK);
        let wide = if is_of_budget(alert) { window } else { window.min(WIDE_MAX) };
        let about = About::new(alert, ours);
        let of_host = || {
            let lists = hosts_of(&alert.labels).filter_map(|host| indexed.by_host.get(host));
            lists.flat_map(|list| self.speaks_of(alert, list, window)).next()
        };
        let of_kind = |(kind, list): (&Kind, &Vec<&'a Past>)| {
            let tied = match about.tie(*kind) {
                Some(Tie::Close) => self.speaks_of(alert, list, window).next(),
                Some(Tie::Wide) => self.speaks_of(alert, list, wide).next(),
                None => None,
            };
            let same = || {
                let named = (about.known == Some(kind.name)).then(|| self.speaks_of(alert, list, window));
                named?.find(|past| says_the_same(alert, &about, &past.finding))
            };
            tied.or_else(same)
        };
        of_host().or_else(|| indexed.by_kind.iter().find_map(of_kind)).map(|past| &past.finding)
    }

    /// Those of a list that an alert with such a window may still speak of.
    fn speaks_of<'l>(
        &'l self,
        alert: &'l Alert,
        list: &'l [&'a Past],
        window: Duration,
    ) -> impl Iterator<Item = &'a Past> + 'l {
        let within = move |at: Timestamp| elapsed(at, self.now) <= window;
        // Nothing further down the list disturbed later than this one.
        let lately = list.iter().copied().take_while(move |past| within(past.newest(self.now)));
        lately.filter(move |past| {
            // It began before its window could hold any of it.
            let before = elapsed(alert.starts_at, past.first) > window && alert.starts_at < past.first;
            !before && (past.told || within(alert.starts_at))
        })
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
        let held = |at: u64| recent.lately(t(at)).explains(alert, window, true).is_some();
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
    fn a_long_window_holds_for_an_hour_what_is_only_disturbed_and_a_budget_is_one_message() {
        let outage = Finding { since: t(100), ..example::finding(AlertName::EtcdQuorumLost, "", "x") };
        let mut recent = Recent::default();
        recent.put(&outage, t(200), true);
        let day = Duration::from_secs(86_400);
        let held = |labels: &str, at: u64| recent.lately(t(at)).explains(&alert(labels, 150), day, true).is_some();
        let check = |labels: &str, until: u64| {
            assert!(held(labels, until) && !held(labels, until + 1), "{labels}: {until}");
        };
        check("alertname=TooManyRestarts", 200 + 3_600);
        check("alertname=ApiServerErrorBudgetBurn long=1d short=2h job=kube-apiserver", 200 + 86_400 + 60);
        check("alertname=EtcdMemberDown job=etcd", 200 + 86_400 + 60);
    }

    #[test]
    fn that_it_was_told_once_does_not_stick_to_what_comes_weeks_later() {
        let member = |since: u64| Finding { since: t(since), ..example::finding(AlertName::EtcdMemberDown, "", "x") };
        let mut recent = Recent::default();
        recent.put(&member(100), t(200), true);
        let day = 86_400;
        // A restart that nobody hears of, and a rule that has fired since long before.
        recent.put(&member(10 * day), t(10 * day + 20), false);
        let changes = alert("alertname=EtcdLeaderChanges job=etcd", 10 * day - 50);
        let window = Duration::from_secs(300);
        let held = |at: u64| recent.lately(t(at)).explains(&changes, window, true).is_some();
        assert!(held(10 * day + 310), "within its own window");
        assert!(!held(10 * day + 311));
        assert_eq!(recent.by_key.values().map(Vec::len).collect::<Vec<_>>(), [2]);
        (20..40).for_each(|i| recent.put(&member(i * day), t(i * day), true));
        assert_eq!(recent.by_key.values().map(Vec::len).collect::<Vec<_>>(), [TIMES_MAX]);
    }

    /// As it would be without an index.
    fn scan(recent: &Recent, alert: &Alert, looks_back: Duration, now: Timestamp) -> bool {
        let window = looks_back + WAY_BACK;
        let about = About::new(alert, true);
        recent.by_key.values().flatten().filter(|p| *p.finding.key.cluster == *alert.label("cluster")).any(|past| {
            let host = past.finding.topic == crate::model::Topic::Outage
                && hosts_of(&alert.labels).any(|h| hosts_of(&past.finding.labels).any(|g| g == h));
            let tie = if host || says_the_same(alert, &about, &past.finding) {
                Some(Tie::Close)
            } else {
                about.tie(Kind::of(&past.finding))
            };
            let window = match tie {
                None => return false,
                Some(Tie::Wide) if !is_of_budget(alert) => window.min(WIDE_MAX),
                Some(_) => window,
            };
            let within = |at: Timestamp| elapsed(at, now) <= window;
            let before = elapsed(alert.starts_at, past.first) > window && alert.starts_at < past.first;
            let disturbed = within(past.finding.since) || (past.seen < now && within(past.seen));
            disturbed && !before && (past.told || within(alert.starts_at))
        })
    }

    proptest::proptest! {
        #[test]
        fn the_index_finds_what_a_scan_finds(
            pasts in proptest::collection::vec((0usize..12, 0u64..4, 0u64..9_000, 0u64..900, proptest::bool::ANY), 0..40),
            alerts in proptest::collection::vec((0usize..12, 0u64..6, 0u64..9_000, 0u64..9_000), 1..20),
        ) {
            let name = |i: usize| AlertName::ALL[i * 3 + 5];
            let host = |i: u64| if i == 3 { String::new() } else { format!("instance=10.0.0.{i}:1") };
            let mut recent = Recent::default();
            for (i, on, since, lasts, told) in pasts {
                let labels = alert(&host(on), 0).labels.into_iter().filter(|(k, _)| k == "instance").collect();
                let finding = Finding { since: t(since), labels, ..example::finding(name(i), &on.to_string(), "x") };
                recent.put(&finding, t(since + lasts), told);
            }
            for (i, on, starts, back) in alerts {
                let job = ["", "job=etcd", "job=kube-apiserver", "job=kubelet long=1h short=5m"][i % 4];
                let named = if i % 3 == 0 { name(i).as_str() } else { "KubeOther" };
                let alert = alert(&format!("alertname={named} {job} {}", host(on)), starts);
                let (back, now) = (Duration::from_secs(back), t(10_000));
                let found = recent.lately(now).explains(&alert, back, true).is_some();
                proptest::prop_assert_eq!(found, scan(&recent, &alert, back, now), "{:?}", alert.labels);
            }
        }
    }

    #[test]
    fn what_is_there_disturbs_at_its_beginning() {
        let member = Finding { since: t(100), ..example::finding(AlertName::EtcdMemberDown, "", "x") };
        let mut recent = Recent::default();
        let changes = alert("alertname=EtcdLeaderChanges job=etcd", 130);
        let held = |recent: &mut Recent, at: u64| {
            recent.see(std::iter::once(&member), &[], t(at));
            recent.put(&member, t(at), true);
            recent.lately(t(at)).explains(&changes, Duration::from_secs(300), true).is_some()
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
        assert!(recent.lately(at).explains(&slow, Duration::from_secs(60), true).is_some());
        let mut recent = Recent::default();
        let many: Vec<Finding> =
            (0..FINDINGS_MAX + 10).map(|i| example::finding(AlertName::NodeDown, &i.to_string(), "x")).collect();
        recent.see(many[..10].iter(), &[], t(0));
        assert_eq!(recent.see(many[10..].iter(), &[], t(1)), 10);
        assert!(recent.by_key.len() <= FINDINGS_MAX);
        recent.forget(t(1) + Incident::REMEMBERED + Duration::from_secs(1));
        assert!(recent.by_key.is_empty());
    }
}
