//! What comes and goes before it has lasted long enough to be told: told once as flapping, until it is quiet. Pure.
//!
//! Targets that flap are `health`'s (`health::verdict`); this is for what is seen elsewhere, as a node's Ready condition,
//! and for what ends before `tell_warnings_after` again and again. Once each is a rolling restart: nobody is told.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{elapsed, precedence};
use crate::{
    model::{AlertName, Diagnosis, Finding, FindingKey, Incident, Said, Severity, Topic, findings_of, text},
    words::Voice,
};

/// So many short appearances within [`WINDOW`] are flapping. One more than it takes a target, which is told first.
const TIMES: usize = 4;

/// As long as that of targets (`health::verdict::Thresholds`).
const WINDOW: Duration = Duration::from_secs(10 * 60);

/// Flapping ends after so long without a change.
const QUIET: Duration = Duration::from_secs(5 * 60);

/// Findings that are followed; beyond it the one goes that changed longest ago.
const FOLLOWED_MAX: usize = 1_000;

/// Flapping findings that are told of one cluster: with more, something greater is wrong, and the first say as much.
const TOLD_MAX: usize = 20;

/// One finding over time.
#[derive(Clone, Debug)]
struct Course {
    /// As it was when it came last.
    last: Finding,
    /// Since when it is there.
    there: Option<Timestamp>,
    /// When it came or went last.
    changed_at: Timestamp,
    /// The ends of its short appearances within the window, oldest first.
    ends: VecDeque<Timestamp>,
    /// What is told.
    told: Option<Finding>,
}

impl Course {
    fn new(last: Finding, now: Timestamp) -> Self {
        Self { last, there: None, changed_at: now, ends: VecDeque::new(), told: None }
    }
}

/// Follows what comes and goes again and again.
#[derive(Clone, Debug, Default)]
pub(super) struct Flaps {
    /// By cluster and by what it is told as.
    courses: BTreeMap<(Arc<str>, String), Course>,
}

impl Flaps {
    /// Continues with what flapped in an earlier run: it is over when it stays quiet.
    pub(super) fn restore(incidents: &[Incident], now: Timestamp) -> Self {
        let ours = |f: &Finding| f.key.subject.split('/').next().and_then(AlertName::known).is_some();
        let flapping = findings_of(incidents, AlertName::TargetFlapping).into_iter().filter(ours);
        let course = |told: Finding| {
            let id = (told.key.cluster.clone(), told.key.subject.clone());
            (id, Course { told: Some(told.clone()), ..Course::new(told, now) })
        };
        Self { courses: flapping.map(course).collect() }
    }

    /// Takes in what is found now and adds what flaps to it. `patience`: what lasts so long is told by its own name.
    /// Returns how many findings are followed no longer for want of room.
    pub(super) fn see(
        &mut self,
        diagnoses: &mut BTreeMap<Arc<str>, Arc<Diagnosis>>,
        patience: Duration,
        now: Timestamp,
    ) -> usize {
        for (cluster, diagnosis) in diagnoses.iter_mut().filter(|(_, d)| !d.blind) {
            self.come(cluster, diagnosis, now);
            let mut flapping = Vec::new();
            for course in self.of(cluster) {
                course.go(diagnosis, patience, now);
                flapping.extend(course.judge(patience, now).cloned());
            }
            let told: Vec<Finding> = flapping.into_iter().take(TOLD_MAX).map(|f| explained(f, diagnosis)).collect();
            if !told.is_empty() {
                Arc::make_mut(diagnosis).findings.extend(told);
            }
        }
        self.courses.retain(|_, c| c.there.is_some() || c.told.is_some() || !c.ends.is_empty());
        self.forget()
    }

    fn of(&mut self, cluster: &Arc<str>) -> impl Iterator<Item = &mut Course> {
        let from = (cluster.clone(), String::new());
        self.courses.range_mut(from..).take_while(move |((of, _), _)| of == cluster).map(|(_, course)| course)
    }

    fn come(&mut self, cluster: &Arc<str>, diagnosis: &Diagnosis, now: Timestamp) {
        for finding in diagnosis.findings.iter().filter(|f| may_flap(f)) {
            let new = || Course::new(finding.clone(), now);
            let course = self.courses.entry((cluster.clone(), id_of(finding))).or_insert_with(new);
            if course.there.is_none() {
                (course.there, course.changed_at, course.last) = (Some(now), now, finding.clone());
            }
        }
    }

    fn forget(&mut self) -> usize {
        let beyond = self.courses.len().saturating_sub(FOLLOWED_MAX);
        if beyond > 0 {
            let mut changes: Vec<Timestamp> = self.courses.values().map(|c| c.changed_at).collect();
            changes.sort_unstable();
            let oldest = changes.get(beyond).copied().unwrap_or_default();
            self.courses.retain(|_, c| c.changed_at >= oldest);
        }
        beyond
    }
}

impl Course {
    /// Notes that it is gone.
    fn go(&mut self, diagnosis: &Diagnosis, patience: Duration, now: Timestamp) {
        let Some(since) = self.there else { return };
        let id = id_of(&self.last);
        let mut of_name = diagnosis.findings.iter().filter(|f| f.key == self.last.key);
        if of_name.clone().any(|f| may_flap(f) && id_of(f) == id) {
            return;
        }
        (self.there, self.changed_at) = (None, now);
        // What has grown, or turned out to be a consequence, has not ended.
        let is_over = of_name.all(may_flap);
        if is_over && elapsed(since, now) < patience {
            self.ends.push_back(now);
        }
    }

    /// What is told of it now.
    fn judge(&mut self, patience: Duration, now: Timestamp) -> Option<&Finding> {
        while self.ends.front().is_some_and(|at| elapsed(*at, now) > WINDOW || *at > now) {
            self.ends.pop_front();
        }
        let quiet = elapsed(self.changed_at, now) >= QUIET;
        // What lasts is told by its own name.
        let lasts = self.there.is_some_and(|since| elapsed(since, now) >= patience);
        if self.told.is_some() && (quiet || lasts) {
            self.told = None;
            self.ends.clear();
        }
        if self.told.is_none() && self.ends.len() >= TIMES {
            self.told = self.ends.front().map(|since| flapping(&self.last, *since, patience));
        }
        let (times, window) = (self.ends.len(), text::duration(WINDOW));
        if let (Some(told), Some(last)) = (&mut self.told, self.ends.back()) {
            let at = text::moment_today(*last, now);
            told.evidence = vec![
                format!("it came and went {times} times within {window}, the last time at {at}"),
                format!("last: {}", self.last.headline),
            ];
        }
        self.told.as_ref()
    }
}

/// A warning that nothing else explains. What is critical is told at once, each time.
fn may_flap(finding: &Finding) -> bool {
    let counts = !matches!(finding.key.alert, AlertName::TargetFlapping | AlertName::Other);
    let of_cluster = finding.topic == Topic::Outage && !finding.key.cluster.is_empty();
    finding.severity == Severity::Warning && finding.caused_by.is_none() && counts && of_cluster
}

/// Of one finding about now this machine, now that one, each has its own course.
fn id_of(finding: &Finding) -> String {
    let FindingKey { alert, subject, .. } = &finding.key;
    let hosts: BTreeSet<&str> = precedence::hosts_of(&finding.labels).filter(|h| h != subject).collect();
    let words = std::iter::once(subject.as_str()).filter(|s| !s.is_empty()).chain(hosts);
    format!("{alert}/{}", words.collect::<Vec<_>>().join(" "))
}

fn flapping(last: &Finding, since: Timestamp, patience: Duration) -> Finding {
    let key = FindingKey { cluster: last.key.cluster.clone(), alert: AlertName::TargetFlapping, subject: id_of(last) };
    let (alert, subject) = key.subject.split_once('/').unwrap_or((&key.subject, ""));
    let what = Said::new("alert-of").with("alert", alert).with("subject", subject);
    let headline = Said::new("comes-and-goes").with("what", what).with("times", TIMES).with("window", WINDOW);
    let headline = headline.with("patience", patience);
    Finding {
        labels: last.labels.clone(),
        first_step: last.first_step.clone(),
        consequences: vec!["single changes are told to nobody while this lasts".into()],
        said: last.said.iter().cloned().chain([headline.clone()]).collect(),
        ..Finding::new(key, Severity::Warning, Topic::Outage, Voice::default().said(&headline), since)
    }
}

/// Where the target itself flaps, that says it already.
fn explained(finding: Finding, diagnosis: &Diagnosis) -> Finding {
    let target = diagnosis.findings.iter().find(|f| {
        f.key.alert == AlertName::TargetFlapping && f.key != finding.key && precedence::share_host(f, &finding)
    });
    Finding { caused_by: target.map(|f| f.key.clone()), ..finding }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::example;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn t(seconds: u64) -> Timestamp {
        example::at("14:00:00") + Duration::from_secs(seconds)
    }

    fn warning(name: AlertName, subject: &str, node: &str) -> Finding {
        let labels = [("node".to_owned(), node.to_owned())].into();
        Finding { severity: Severity::Warning, labels, ..example::finding(name, subject, &format!("{node} is sick")) }
    }

    /// One finding that is there in these seconds, looked at each second: when its flapping begins and ends.
    fn course(there: &[(u64, u64, Finding)], until: u64) -> Vec<(u64, bool, String)> {
        let mut flaps = Flaps::default();
        let mut told: Vec<(u64, bool, String)> = Vec::new();
        for at in 0..until {
            let findings = there.iter().filter(|(from, to, _)| (*from..*to).contains(&at)).map(|(.., f)| f.clone());
            let findings = findings.collect();
            let diagnosis = Diagnosis {
                cluster: "prod".into(),
                at: t(at),
                findings,
                unsettled: false,
                blind: false,
                changes: Arc::default(),
            };
            let mut all = BTreeMap::from([(Arc::from("prod"), Arc::new(diagnosis))]);
            assert_eq!(flaps.see(&mut all, PATIENCE, t(at)), 0);
            let is_ours = |f: &&Finding| {
                let of_finding = !f.key.subject.starts_with("kubelet/");
                f.key.alert == AlertName::TargetFlapping && f.caused_by.is_none() && of_finding
            };
            let now: Vec<String> = all["prod"].findings.iter().filter(is_ours).map(|f| f.key.subject.clone()).collect();
            let open: Vec<String> = told.iter().map(|(.., s)| s.clone()).collect();
            for subject in now.iter().chain(&open) {
                let was = told.iter().rfind(|(.., s)| s == subject).is_some_and(|(_, begun, _)| *begun);
                if was != now.contains(subject) {
                    told.push((at, !was, subject.clone()));
                }
            }
        }
        assert!(flaps.courses.len() <= 5);
        told
    }

    #[test]
    fn what_comes_and_goes_is_told_once_and_ends_in_quiet() {
        use AlertName::*;
        let check = |there: &[(u64, u64, Finding)], expected: &[(u64, bool, &str)]| {
            let said = course(there, 2_000);
            let said: Vec<(u64, bool, &str)> = said.iter().map(|(at, begun, s)| (*at, *begun, s.as_str())).collect();
            assert_eq!(said, expected, "{there:?}");
        };
        let node = |i: u64| warning(NodeNotReady, &format!("n{i}"), &format!("n{i}"));
        // 30 s of every 60 for 15 minutes; it goes for the fourth time in second 210, and is quiet since 870.
        let flaps: Vec<_> = (0..15).map(|i| (i * 60, i * 60 + 30, node(1))).collect();
        check(&flaps, &[(210, true, "NodeNotReady/n1"), (1170, false, "NodeNotReady/n1")]);
        // A rolling restart: each node once, and a finding of many by one name.
        check(&(0..20).map(|i| (i * 30, i * 30 + 20, node(i))).collect::<Vec<_>>(), &[]);
        let proxy = |i: u64| warning(ComponentDown, "kube-proxy", &format!("n{i}"));
        check(&(0..20).map(|i| (i * 30, i * 30 + 20, proxy(i))).collect::<Vec<_>>(), &[]);
        // Too seldom; lasting each time; then lasting for good.
        check(&(0..8).map(|i| (i * 240, i * 240 + 30, node(1))).collect::<Vec<_>>(), &[]);
        check(&(0..8).map(|i| (i * 120, i * 120 + 70, node(1))).collect::<Vec<_>>(), &[]);
        let then = [&flaps[..4], &[(240, 1_000, node(1))]].concat();
        check(&then, &[(210, true, "NodeNotReady/n1"), (300, false, "NodeNotReady/n1")]);
        // It grows, or a greater one takes it in: it has not ended.
        let grown = Finding { severity: Severity::Critical, ..node(1) };
        let grows = |i: u64| [(i * 60, i * 60 + 30, node(1)), (i * 60 + 30, i * 60 + 60, grown.clone())];
        check(&(0..8).flat_map(grows).collect::<Vec<_>>(), &[]);
        // Its target flaps, which is told.
        let target = warning(TargetFlapping, "kubelet/n1:10250", "n1");
        check(&[flaps, vec![(100, 1_500, target)]].concat(), &[]);
    }

    #[test]
    fn it_goes_on_over_a_restart_and_limits_hold() {
        let told = flapping(&warning(AlertName::NodeNotReady, "n1", "n1"), t(0), PATIENCE);
        let mut incident = example::opened().incident;
        incident.alerts[0].finding = told.clone();
        let mut flaps = Flaps::restore(&[incident], t(100));
        let mut look = |at: u64, findings: Vec<Finding>| {
            let diagnosis = Diagnosis {
                cluster: "prod".into(),
                at: t(at),
                findings,
                unsettled: false,
                blind: false,
                changes: Arc::default(),
            };
            let mut all = BTreeMap::from([(Arc::from("prod"), Arc::new(diagnosis))]);
            let beyond = flaps.see(&mut all, PATIENCE, t(at));
            (all["prod"].findings.iter().filter(|f| f.key.alert == AlertName::TargetFlapping).count(), beyond)
        };
        assert_eq!(look(101, Vec::new()), (1, 0));
        assert_eq!(look(399, Vec::new()), (1, 0));
        assert_eq!(look(400, Vec::new()), (0, 0));
        let many = |from: usize, n: usize| {
            (from..from + n).map(|i| warning(AlertName::NodeNotReady, &i.to_string(), "")).collect::<Vec<_>>()
        };
        assert_eq!(look(500, many(0, 10)), (0, 0));
        assert_eq!(look(501, many(0, FOLLOWED_MAX + 10)), (0, 10));
    }
}
