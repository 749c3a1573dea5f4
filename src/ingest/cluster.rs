//! What ingest keeps of one cluster: a tracker for each target, and what discovery last knew.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::{samples, seen_changes::SeenChanges};
use crate::{
    health::{self, ClusterView, Outcome, Recent, TargetView, Thresholds, VerdictTracker},
    model::{
        CHECKS, CanaryStanding, CertificateFact, CheckName, ClusterSnapshot, EtcdFacts, EtcdMember, Facts, FailedProbe,
        FindingKey, Gap, Job, LiveCluster, LiveTarget, Observation, Reason, Sample, Situation, State, Target,
        TargetKey, TokenFact, Verdict, VerdictChange, at_nodes,
    },
};

/// After a start, the control plane has been probed once within this, or its silence is known.
const FIRST_PROBES: Duration = Duration::from_secs(8);

/// News of a cluster from its discovery.
#[derive(Debug)]
pub struct ClusterUpdate {
    /// Which.
    pub cluster: Arc<str>,
    /// What discovery knows.
    pub snapshot: Arc<ClusterSnapshot>,
    /// The targets that follow from it.
    pub targets: Vec<Target>,
    /// Our own client certificates.
    pub own_certificates: Vec<CertificateFact>,
    /// Our bearer token, where it ends.
    pub own_token: Option<TokenFact>,
    /// What is not watched where no target answers for it.
    pub gaps: Vec<Gap>,
    /// Why the cluster can't be watched at all (its kubeconfig can't be used), in words.
    pub problem: Option<String>,
}

/// What is to be watched, and what was found there, in the order in which it came about.
pub enum ClusterNews {
    /// A cluster that is watched from now on.
    Watch(Box<Cluster>),
    /// News of one that is watched.
    Told(ClusterUpdate),
    /// The checks of one that is watched: all of them.
    Checks(Arc<str>, Vec<Target>),
    /// How the canary of one stands, in all of its forms and places; none: it is off.
    Canary(Arc<str>, Arc<[CanaryStanding]>),
    /// What the recorded objects of one amount to; `None`: nothing is recorded.
    Situation(Arc<str>, Option<Arc<Situation>>),
    /// One that is not watched any more.
    Unwatch(Arc<str>),
}

/// A target as ingest keeps it.
pub struct Watched {
    /// What it is.
    pub target: Arc<Target>,
    /// Its judge.
    pub tracker: VerdictTracker,
    /// The newest observation, by its start.
    pub last: Option<Arc<Observation>>,
    /// The newest one that tells anything of it: what failed on our own side takes nothing away from that.
    pub seen: Option<Arc<Observation>>,
    /// When it last succeeded.
    pub last_success: Option<Timestamp>,
    /// The last failed probes, newest first.
    pub failures: Vec<FailedProbe>,
    /// The newest value of each of its series.
    pub samples: Arc<[Sample]>,
}

impl Watched {
    /// Not probed yet in this run.
    pub fn new(target: Arc<Target>, tracker: VerdictTracker) -> Self {
        Self {
            target,
            tracker,
            last: None,
            seen: None,
            last_success: None,
            failures: Vec::new(),
            samples: Arc::default(),
        }
    }

    /// As the diagnosis looks at it.
    pub fn view(&self) -> TargetView<'_> {
        let Self { target, tracker, seen, last_success, .. } = self;
        TargetView { target, verdict: tracker.believed(), last: seen.as_deref(), last_success: *last_success }
    }

    /// As the read-only surfaces show it.
    pub fn live(&self) -> LiveTarget {
        LiveTarget {
            target: self.target.clone(),
            verdict: self.tracker.verdict().clone(),
            last: self.last.clone(),
            last_success: self.last_success,
            failures: self.failures.clone(),
            samples: self.samples.clone(),
        }
    }

    /// Returns the change that has just happened, to be remembered.
    pub fn change(&self, from: State, now: Timestamp) -> VerdictChange {
        VerdictChange { key: self.target.key.clone(), at: now, from, to: self.tracker.verdict().clone() }
    }
}

/// What came of an observation.
pub struct Observed<'a> {
    /// Of whom it was.
    pub watched: &'a mut Watched,
    /// What that told before.
    pub before: Arc<[Sample]>,
    /// Its verdict has changed.
    pub change: Option<VerdictChange>,
}

/// One cluster.
pub struct Cluster {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// What discovery last knew.
    pub snapshot: Arc<ClusterSnapshot>,
    /// Our own client certificates.
    pub own_certificates: Vec<CertificateFact>,
    /// Our bearer token, where it ends.
    pub own_token: Option<TokenFact>,
    /// What is not watched where no target answers for it.
    pub gaps: Arc<[Gap]>,
    /// Why it can't be watched at all.
    pub problem: Option<String>,
    /// How its canary stands.
    pub canaries: Arc<[CanaryStanding]>,
    /// What its recorded objects amount to; `None`: nothing is recorded.
    pub situation: Option<Arc<Situation>>,
    /// What has changed of its components, as probes see it.
    pub(super) seen: SeenChanges,
    /// What comes again and again.
    recent: Recent,
    /// Its targets; guesses that never answered are not among them.
    pub watched: BTreeMap<TargetKey, Watched>,
    /// What discovery last told of them, and the checks of the configuration: together the targets.
    pub discovered: Vec<Target>,
    /// See there.
    pub checks: Vec<Target>,
    /// Guesses that have answered once, now or in an earlier run.
    pub adopted: HashSet<TargetKey>,
    /// What the last diagnosis tells of each check that fails: itself, or what explains it.
    pub told_checks: HashMap<CheckName, FindingKey>,
    /// Something has changed since the last diagnosis.
    pub dirty: bool,
    /// What the schedule was last told to probe; nothing where it could not be told.
    pub scheduled: Vec<Arc<Target>>,
    /// The series of the cluster as a whole that were last written.
    pub written: Arc<[Sample]>,
    /// Those of its nodes.
    pub nodes_written: Arc<[Sample]>,
    /// When it was last diagnosed.
    pub diagnosed_at: Option<Instant>,
    /// When its targets were first told in this run.
    pub told_at: Option<Instant>,
    /// Etcd's own member list goes back to discovery through this.
    pub members: watch::Sender<Vec<EtcdMember>>,
    /// Makes its discovery read at once.
    pub doubt: Arc<Notify>,
}

impl Cluster {
    /// Returns a cluster of which nothing is known.
    pub fn new(name: Arc<str>, members: watch::Sender<Vec<EtcdMember>>, doubt: Arc<Notify>) -> Self {
        Self {
            name,
            snapshot: Arc::default(),
            own_certificates: Vec::new(),
            own_token: None,
            gaps: Arc::default(),
            problem: None,
            canaries: Arc::default(),
            situation: None,
            seen: SeenChanges::default(),
            recent: Recent::default(),
            watched: BTreeMap::new(),
            discovered: Vec::new(),
            checks: Vec::new(),
            adopted: HashSet::new(),
            told_checks: HashMap::new(),
            dirty: true,
            scheduled: Vec::new(),
            written: Arc::default(),
            nodes_written: Arc::default(),
            diagnosed_at: None,
            told_at: None,
            members,
            doubt,
        }
    }

    /// Returns whether it is no cluster, but what all checks without one are shown as.
    pub fn is_of_checks(&self) -> bool {
        *self.name == *CHECKS
    }

    /// Takes in an observation of one of its targets. Gives that with the change of its verdict, if there is one, and with
    /// the samples that it told before.
    pub fn observe(&mut self, o: Arc<Observation>, now: Timestamp, t: &Thresholds) -> Option<Observed<'_>> {
        self.learn_members(&o);
        let watched = self.watched.get_mut(&o.target.key)?;
        self.seen.take(&watched.target, &o);
        self.recent.take(&o);
        let outcome = match &o.failure {
            None => Outcome::Success,
            Some(failure) => Outcome::Failed(failure),
        };
        let t = &thresholds(&watched.target, t);
        let failed_by = watched.tracker.verdict().reason;
        let from = watched.tracker.observe(outcome, o.started, now, t);
        match &o.failure {
            None => watched.last_success = Some(o.started),
            Some(failure) => {
                watched
                    .failures
                    .insert(0, FailedProbe { at: o.started, failure: failure.clone(), trace: o.trace.clone() });
                watched.failures.truncate(LiveTarget::FAILURES_MAX);
            }
        }
        let state = watched.tracker.verdict().state;
        let was_away = failed_by.is_some_and(|reason| reason.is_silence() || reason == Reason::Refused);
        if was_away && (from, state) == (Some(State::Down), State::Up) {
            self.recent.returned(&watched.target.key, now);
        }
        let before = std::mem::take(&mut watched.samples);
        watched.samples = match &o.failure {
            // Only what is shown of it: the probe says nothing of its target.
            Some(failure) if failure.ours.is_some() => samples::of_verdict(&watched.target, state, now, &before),
            _ => samples::of_observation(&o, state, &before),
        };
        // Overlapping probes may end out of turn: the newest start is what is known last.
        if watched.last.as_ref().is_none_or(|last| last.started <= o.started) {
            if o.failure.as_ref().is_none_or(|f| f.ours.is_none()) {
                watched.seen = Some(o.clone());
            }
            watched.last = Some(o);
        }
        self.dirty |= from.is_some() || watched.tracker.verdict().state != State::Up;
        Some(Observed { change: from.map(|from| watched.change(from, now)), watched, before })
    }

    /// Adds to an answer what earlier ones of the same target told, where only both together tell something.
    pub fn remember(&self, o: &mut Observation) {
        let Facts::Etcd(facts) = &mut o.facts else { return };
        if let Some(before) = self.watched.get(&o.target.key).and_then(|w| w.seen.as_ref())
            && let Facts::Etcd(earlier) = &before.facts
            && before.started < o.started
        {
            facts.remember(earlier, before.started, o.started);
        }
    }

    /// Whether a member speaks for the cluster that most members are of: one that was started on an empty directory has a
    /// list of its own.
    fn is_of_most(&self, facts: &EtcdFacts) -> bool {
        let told = self.watched.values().filter_map(|w| match &w.seen.as_ref()?.facts {
            Facts::Etcd(known) => Some((known.cluster_id?, known.revision)),
            _ => None,
        });
        facts.cluster_id.is_none() || health::cluster_of_most(told).is_none_or(|most| facts.cluster_id == Some(most))
    }

    fn learn_members(&self, o: &Observation) {
        if let Facts::Etcd(facts) = &o.facts
            && !facts.members.is_empty()
            && self.is_of_most(facts)
        {
            self.members.send_if_modified(|known| {
                let mut told = facts.members.clone();
                told.sort_by_key(|m| m.id);
                let news = *known != told;
                if news {
                    *known = told;
                }
                news
            });
        }
    }

    /// Notes that a guess has answered: from now on it is a target. Gives it with its first verdict.
    pub fn adopt(&mut self, target: &Target, now: Timestamp) -> Option<(Target, Verdict)> {
        if !self.adopted.insert(target.key.clone()) {
            return None;
        }
        let target = Target { guessed: false, ..target.clone() };
        let watched = Watched::new(Arc::new(target.clone()), VerdictTracker::new(now));
        let verdict = watched.tracker.verdict().clone();
        self.watched.insert(target.key.clone(), watched);
        self.dirty = true;
        Some((target, verdict))
    }

    /// Returns whether a diagnosis says anything: after a start, not before the control plane has been probed once.
    /// What an earlier run said of it stands until then.
    pub fn judgeable(&self, now: Instant) -> bool {
        let Some(told_at) = self.told_at else { return false };
        let probed = |w: &Watched| w.last.is_some() || matches!(w.target.key.job, Job::Kubelet | Job::KubeProxy);
        now.saturating_duration_since(told_at) >= FIRST_PROBES
            || (!self.watched.is_empty() && self.watched.values().all(probed))
    }

    /// Returns whether something that is down has just succeeded once: in a second it is known whether it is back.
    pub fn is_rising(&self) -> bool {
        let rising = |w: &Watched| {
            w.tracker.verdict().state == State::Down && w.last.as_ref().is_some_and(|o| o.failure.is_none())
        };
        self.watched.values().any(rising)
    }

    /// Returns whether nothing of it is seen, for a reason of our own or since nothing has answered for it in this run:
    /// nothing is said of it until something is. Of what is seen in part, all is told as it is believed to stand
    /// ([`VerdictTracker::believed`]). That a check of it is seen says nothing of the cluster.
    pub fn is_hidden(&self) -> bool {
        let is_hidden = |w: &Watched| is_unseen(w) || w.seen.is_none();
        let is_component = |w: &&Watched| !w.target.key.job.is_check();
        let mut all = self.watched.values();
        if self.watched.values().any(|w| is_component(&w)) {
            return all.filter(is_component).all(is_hidden);
        }
        !self.watched.is_empty() && all.all(is_hidden)
    }

    /// Returns what the diagnosis looks at.
    pub fn view(&self, now: Timestamp, vantage_ok: bool) -> ClusterView<'_> {
        let (checks, targets) = self.watched.values().map(Watched::view).partition(|t| t.target.key.job.is_check());
        ClusterView {
            cluster: &self.name,
            now,
            targets,
            checks,
            elsewhere: Vec::new(),
            canaries: &self.canaries,
            situation: self.situation.as_deref(),
            recent: &self.recent,
            snapshot: &self.snapshot,
            own_certificates: &self.own_certificates,
            own_token: self.own_token.as_ref(),
            vantage_ok: vantage_ok && !self.is_hidden(),
        }
    }

    /// Labels that the cluster's series bear.
    fn labels(&self) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        let component = self.watched.values().find(|w| !w.target.key.job.is_check());
        component.map_or(&NONE, |w| &w.target.labels)
    }

    /// Returns how etcd stands now.
    pub fn quorum_samples(&self, now: Timestamp) -> Vec<Sample> {
        let quorum = health::quorum(&self.view(now, true));
        quorum.map(|q| samples::of_quorum(&self.name, self.labels(), q, now)).unwrap_or_default()
    }

    /// Returns the targets that its checks are, each at every node where it is made at nodes.
    pub fn checks_now(&self) -> Cow<'_, [Target]> {
        let is_at_nodes = |t: &Target| t.spec.check().is_some_and(|check| check.nodes.is_some());
        if !self.checks.iter().any(is_at_nodes) {
            return Cow::Borrowed(&self.checks);
        }
        Cow::Owned(self.checks.iter().flat_map(|check| at_nodes(check, &self.snapshot)).collect())
    }

    /// Returns whether its targets are those that the schedule has.
    pub fn is_scheduled(&self) -> bool {
        let same = |(told, target): (&Arc<Target>, &Target)| {
            let guessed = target.guessed && !self.adopted.contains(&target.key);
            if guessed == target.guessed { **told == *target } else { **told == Target { guessed, ..target.clone() } }
        };
        let checks = self.checks_now();
        let count = self.discovered.len() + checks.len();
        let targets = self.discovered.iter().chain(&*checks);
        self.scheduled.len() == count && count > 0 && self.scheduled.iter().zip(targets).all(same)
    }

    /// Returns the series of the cluster as a whole, without those of its nodes.
    pub fn samples(&self, now: Timestamp) -> Arc<[Sample]> {
        self.samples_of(&self.view(now, true))
    }

    fn samples_of(&self, view: &ClusterView<'_>) -> Arc<[Sample]> {
        let told = samples::OfCluster {
            snapshot: &self.snapshot,
            own: &self.own_certificates,
            quorum: health::quorum(view),
            canaries: &self.canaries,
        };
        samples::of_cluster(&self.name, self.labels(), &told, view.now, &self.written)
    }

    /// Returns them, and the series of its nodes.
    pub fn all_samples(&self, now: Timestamp) -> (Arc<[Sample]>, Arc<[Sample]>) {
        let view = self.view(now, true);
        let strangers =
            view.targets.iter().filter(|t| t.is_stranger()).filter_map(|t| t.target.node.as_deref()).collect();
        let nodes = samples::of_nodes(&self.name, self.labels(), &self.snapshot, &strangers, now, &self.nodes_written);
        (self.samples_of(&view), nodes)
    }

    /// As the read-only surfaces show it.
    pub fn live(&self, now: Timestamp) -> LiveCluster {
        let (samples, node_samples) = self.all_samples(now);
        LiveCluster {
            snapshot: self.snapshot.clone(),
            targets: self.watched.iter().map(|(k, w)| (k.clone(), w.live())).collect(),
            gaps: self.gaps.clone(),
            canaries: self.canaries.clone(),
            samples,
            node_samples,
        }
    }
}

/// How often this target has to fail, and to answer again.
fn thresholds(target: &Target, all: &Thresholds) -> Thresholds {
    match target.spec.check() {
        Some(check) => Thresholds { fail: check.down.failures, within: check.down.of, ..*all },
        None => *all,
    }
}

/// It is not seen for a reason of our own.
fn is_unseen(watched: &Watched) -> bool {
    watched.tracker.own_fault().is_some()
}
