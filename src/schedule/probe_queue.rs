//! All targets with their timers, ordered by what is due next.
//!
//! A heap whose stale entries are skipped: every entry names a slot and the stamp that the slot had when it was made.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{
    pace::Pace,
    probe_timer::{Due, ProbeTimer, SETTLED},
};
use crate::model::{Job, Target, TargetKey};

/// Targets that are found together start this far apart, within one interval at the most.
const SPREAD_PER_TARGET: Duration = Duration::from_millis(5);
/// Kubelets that a suspect kubelet brings forward: enough to tell one node from a rack, few enough for any cluster.
const NEIGHBOURS: usize = 8;
/// A cluster's neighbours are brought forward at most this often.
const BRING_EVERY: Duration = Duration::from_secs(2);
/// Where all permits are taken, a due probe is tried again after this.
const PERMIT_RETRY: Duration = Duration::from_millis(100);

/// A place in the queue; never used twice.
pub type Slot = u64;

struct Entry {
    target: Arc<Target>,
    timer: ProbeTimer,
    in_flight: usize,
    /// Ticks in the heap with another stamp are stale.
    stamp: u64,
    /// Probes started so far; a late check is about the newest of them.
    starts: u64,
}

/// Names what the driver has to do now.
pub enum Fire {
    /// Start a probe.
    Probe {
        /// Whose.
        slot: Slot,
        /// Whom to probe.
        target: Arc<Target>,
        /// To be held while it runs.
        permit: OwnedSemaphorePermit,
        /// How late it is.
        due: Due,
    },
    /// A running probe is late.
    Late {
        /// Whose.
        target: Arc<Target>,
        /// The target was not in doubt before.
        news: bool,
    },
    /// So many ticks passed while enough probes of the target were still running.
    Missed(u64),
    /// A probe out of turn is left out: there are too many of them, or we are the slow ones.
    Withheld,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Tick,
    /// If the probe of that number still runs, it is late.
    LateCheck,
}

/// Holds all targets, ordered by when something is due.
pub struct ProbeQueue {
    entries: HashMap<Slot, Entry>,
    slots: HashMap<TargetKey, Slot>,
    heap: BinaryHeap<Reverse<(Instant, Slot, u64, What)>>,
    permits: HashMap<(Arc<str>, Side), Arc<Semaphore>>,
    concurrency: usize,
    next_slot: Slot,
    pace: Pace,
    brought: HashMap<Arc<str>, Instant>,
}

/// What has probes of its own: no side delays another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Side {
    Control,
    Nodes,
    Checks,
}

impl Side {
    fn of(job: Job) -> Self {
        match job {
            Job::Kubelet | Job::KubeProxy => Side::Nodes,
            Job::Check(_) => Side::Checks,
            _ => Side::Control,
        }
    }
}

fn on_node(job: Job) -> bool {
    Side::of(job) == Side::Nodes
}

/// A check that is made less often than this costs something: it is not brought forward for a neighbour.
const BROUGHT_MAX: Duration = Duration::from_secs(60);

/// How many failures in a row end the doubt about a target.
fn settled_by(target: &Target) -> u32 {
    target.spec.check().map_or(SETTLED, |check| check.down.failures)
}

impl ProbeQueue {
    /// Returns an empty queue.
    pub fn new(concurrency: usize) -> Self {
        Self {
            entries: HashMap::new(),
            slots: HashMap::new(),
            heap: BinaryHeap::new(),
            permits: HashMap::new(),
            concurrency: concurrency.max(1),
            next_slot: 0,
            pace: Pace::default(),
            brought: HashMap::new(),
        }
    }

    /// Allows so many probes at once from now on; what runs already does not count towards them.
    pub fn allow(&mut self, concurrency: usize) {
        let concurrency = concurrency.max(1);
        if concurrency != self.concurrency {
            self.concurrency = concurrency;
            self.permits.clear();
        }
    }

    /// Returns when something is due next.
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// Notes that we woke up this much later than we meant to.
    pub fn woke_late(&mut self, by: Duration, now: Instant) {
        self.pace.note(by, now);
    }

    /// Returns whether we are the slow ones now.
    pub fn is_slow(&self, now: Instant) -> bool {
        self.pace.is_slow(now)
    }

    /// Makes `targets` the whole set of the cluster; those that stay keep their timer.
    pub fn set(&mut self, cluster: &Arc<str>, targets: Vec<Arc<Target>>, now: Instant) {
        let keep: std::collections::HashSet<&TargetKey> = targets.iter().map(|t| &t.key).collect();
        let gone: Vec<TargetKey> =
            self.slots.keys().filter(|k| k.cluster == *cluster && !keep.contains(k)).cloned().collect();
        for key in gone {
            if let Some(slot) = self.slots.remove(&key) {
                self.entries.remove(&slot);
            }
        }
        let fresh = targets.iter().filter(|t| !self.slots.contains_key(&t.key)).count();
        for target in targets {
            let (interval, timeout, guess) = (target.interval, target.timeout, target.guessed);
            if let Some(slot) = self.slots.get(&target.key).copied() {
                if let Some(entry) = self.entries.get_mut(&slot) {
                    entry.timer.settle_by(settled_by(&target));
                    entry.target = target;
                    entry.timer.adjust(interval, timeout, guess);
                }
                self.plan(slot, now);
                continue;
            }
            let spread = interval.min(SPREAD_PER_TARGET * u32::try_from(fresh).unwrap_or(u32::MAX));
            let slot = self.next_slot;
            self.next_slot += 1;
            self.slots.insert(target.key.clone(), slot);
            let mut timer = ProbeTimer::new(interval, timeout, guess, now + spread.mul_f64(fastrand::f64()));
            timer.settle_by(settled_by(&target));
            self.entries.insert(slot, Entry { target, timer, in_flight: 0, stamp: 0, starts: 0 });
            self.plan(slot, now);
        }
    }

    fn plan(&mut self, slot: Slot, now: Instant) {
        if let Some(entry) = self.entries.get_mut(&slot) {
            entry.stamp += 1;
            // What is wanted before now is wanted now: it is not late.
            self.heap.push(Reverse((entry.timer.next().max(now), slot, entry.stamp, What::Tick)));
        }
    }

    /// Takes the next thing that is due by `now`.
    pub fn due(&mut self, now: Instant) -> Option<Fire> {
        while let Some(Reverse((at, ..))) = self.heap.peek() {
            if *at > now {
                return None;
            }
            let Reverse((at, slot, stamp, what)) = self.heap.pop()?;
            self.pace.note(now.saturating_duration_since(at), now);
            let fire = match what {
                What::Tick => self.tick(slot, stamp, now),
                What::LateCheck => self.late_check(slot, stamp, now),
            };
            if fire.is_some() {
                return fire;
            }
        }
        None
    }

    fn tick(&mut self, slot: Slot, stamp: u64, now: Instant) -> Option<Fire> {
        let entry = self.entries.get_mut(&slot)?;
        if entry.stamp != stamp {
            return None;
        }
        if !entry.timer.may_overlap(entry.in_flight) {
            let missed = entry.timer.skip(now);
            self.plan(slot, now);
            return (missed > 0).then_some(Fire::Missed(missed));
        }
        let side = Side::of(entry.target.key.job);
        let pool = (entry.target.key.cluster.clone(), side);
        let permits = self.permits.entry(pool).or_insert_with(|| Arc::new(Semaphore::new(self.concurrency)));
        let Ok(permit) = permits.clone().try_acquire_owned() else {
            self.heap.push(Reverse((now + PERMIT_RETRY, slot, stamp, What::Tick)));
            return None;
        };
        if entry.timer.is_regular(now) {
            self.pace.regular(self.slots.len());
        } else if side == Side::Nodes && !self.pace.affords(now) {
            entry.timer.withhold();
            self.plan(slot, now);
            return Some(Fire::Withheld);
        }
        let due = entry.timer.start(now, fastrand::f64());
        entry.in_flight += 1;
        entry.starts += 1;
        let target = entry.target.clone();
        if let Some(after) = entry.timer.late_after() {
            self.heap.push(Reverse((now + after, slot, entry.starts, What::LateCheck)));
        }
        self.plan(slot, now);
        Some(Fire::Probe { slot, target, permit, due })
    }

    fn late_check(&mut self, slot: Slot, start: u64, now: Instant) -> Option<Fire> {
        let entry = self.entries.get_mut(&slot)?;
        if entry.starts != start || entry.in_flight == 0 || !entry.timer.may_overlap(entry.in_flight) {
            return None;
        }
        if self.pace.is_slow(now) {
            // It is late since we are. Still without an answer when it would be late once more, it is looked at again.
            let after = entry.timer.late_after()?;
            self.heap.push(Reverse((now + after, slot, start, What::LateCheck)));
            return None;
        }
        let news = entry.in_flight == 1;
        entry.timer.late(now);
        let target = entry.target.clone();
        self.plan(slot, now);
        Some(Fire::Late { target, news })
    }

    /// Notes that a probe has ended. Returns the target and whether its failure is news, or nothing if it is no target any
    /// more.
    pub fn finish(&mut self, slot: Slot, ok: bool, started: Instant, now: Instant) -> Option<(Arc<Target>, bool)> {
        let entry = self.entries.get_mut(&slot)?;
        entry.in_flight = entry.in_flight.saturating_sub(1);
        let news = entry.timer.finish(ok, entry.in_flight, started, now);
        let target = entry.target.clone();
        self.plan(slot, now);
        Some((target, news))
    }

    /// Notes that a probe has ended whose result says nothing: it is repeated soon.
    pub fn void(&mut self, slot: Slot, now: Instant) {
        if let Some(entry) = self.entries.get_mut(&slot) {
            entry.in_flight = entry.in_flight.saturating_sub(1);
            entry.timer.hurry(now + entry.target.timeout.mul_f64(fastrand::f64() / 5.0));
            self.plan(slot, now);
        }
    }

    /// Makes a guess that has answered a target like any other.
    pub fn adopt(&mut self, slot: Slot, now: Instant) {
        let Some(entry) = self.entries.get_mut(&slot) else { return };
        if entry.target.guessed {
            let mut target = (*entry.target).clone();
            target.guessed = false;
            entry.timer.adjust(target.interval, target.timeout, false);
            entry.timer.bring_forward(now);
            entry.target = Arc::new(target);
            self.plan(slot, now);
        }
    }

    /// Plans a probe of everything within a fraction of its interval.
    pub fn hurry_all(&mut self, now: Instant) {
        let spread = SPREAD_PER_TARGET * u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        for slot in self.entries.keys().copied().collect::<Vec<_>>() {
            if let Some(entry) = self.entries.get_mut(&slot).filter(|e| !e.target.guessed) {
                let within = spread.min(entry.target.interval);
                entry.timer.hurry(now + within.mul_f64(fastrand::f64()));
                self.plan(slot, now);
            }
        }
    }

    /// Brings forward the control plane of the suspect's cluster, what runs on its node, and some kubelets.
    pub fn bring_neighbours(&mut self, suspect: &Target, now: Instant) {
        let cluster = &suspect.key.cluster;
        if self.brought.get(cluster).is_some_and(|at| now.saturating_duration_since(*at) < BRING_EVERY) {
            return;
        }
        self.brought.insert(cluster.clone(), now);
        let mut kubelets = 0;
        let mut slots = Vec::new();
        for (slot, entry) in &self.entries {
            let other = &entry.target;
            if other.key.cluster != *cluster || other.key == suspect.key || other.guessed {
                continue;
            }
            let same_node = other.node.is_some() && other.node == suspect.node;
            let is_costly = other.key.job.is_check() && other.interval > BROUGHT_MAX;
            if (!on_node(other.key.job) && !is_costly) || same_node {
                slots.push(*slot);
            } else if other.key.job == Job::Kubelet && kubelets < NEIGHBOURS {
                kubelets += 1;
                slots.push(*slot);
            }
        }
        for slot in slots {
            if let Some(entry) = self.entries.get_mut(&slot) {
                entry.timer.bring_forward(now);
                self.plan(slot, now);
            }
        }
    }
}
