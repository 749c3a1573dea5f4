//! Which clusters are watched, and which targets each of them has: what was discovered, and the checks of the configuration.
//! What is watched on is not touched.

use std::{collections::HashSet, sync::Arc};

use jiff::Timestamp;

use super::{Cluster, ClusterUpdate, Ingest, Watched, remember, samples};
use crate::{
    health::VerdictTracker,
    model::{CanaryStanding, Situation, Target, TargetKey},
    schedule::Command,
};

impl Ingest {
    /// Watches one more; its targets come with the first news of its discovery.
    pub(super) fn watch(&mut self, cluster: Cluster) {
        self.unscheduled.remove(&cluster.name);
        self.parts.live.write().clusters.entry(cluster.name.clone()).or_default();
        self.clusters.insert(cluster.name.clone(), cluster);
    }

    /// Watches one less: its series end, and nothing of it is kept.
    pub(super) fn unwatch(&mut self, name: &Arc<str>) {
        let Some(cluster) = self.clusters.remove(name) else { return };
        let now = self.parts.clock.wall();
        for watched in cluster.watched.values() {
            remember(&self.parts.store, &watched.samples, Arc::default(), now);
        }
        remember(&self.parts.store, &cluster.written, Arc::default(), now);
        remember(&self.parts.store, &cluster.nodes_written, Arc::default(), now);
        let targets: Vec<TargetKey> = cluster.watched.into_keys().collect();
        self.parts.store.forget_targets(targets);
        self.restored.retain(|key, _| key.cluster != *name);
        self.parts.live.write().clusters.remove(name);
        self.unscheduled.insert(name.clone());
        self.unschedule();
        // What was wrong with it is told no longer.
        self.own_at = None;
    }

    /// Tells the schedule of clusters that are not watched any more; what does not fit is said again with the next tick.
    pub(super) fn unschedule(&mut self) {
        while let Some(cluster) = self.unscheduled.first().cloned() {
            let command = Command::SetTargets { cluster: cluster.clone(), targets: Vec::new() };
            if self.parts.schedule.try_send(command).is_err() {
                return;
            }
            self.unscheduled.remove(&cluster);
        }
    }

    pub(super) fn update(&mut self, update: ClusterUpdate) {
        let now = self.parts.clock.wall();
        let Some(cluster) = self.clusters.get_mut(&update.cluster) else { return };
        cluster.snapshot = update.snapshot;
        cluster.own_certificates = update.own_certificates;
        cluster.own_token = update.own_token;
        cluster.gaps = update.gaps.into();
        cluster.problem = update.problem;
        if cluster.problem.is_none() {
            cluster.told_at.get_or_insert(self.parts.clock.mono());
        }
        cluster.dirty = true;
        cluster.discovered = update.targets;
        self.follow(&update.cluster, now);
    }

    /// Takes what the configuration checks of a cluster.
    pub(super) fn check(&mut self, name: &Arc<str>, checks: Vec<Target>) {
        let (now, mono) = (self.parts.clock.wall(), self.parts.clock.mono());
        let Some(cluster) = self.clusters.get_mut(name) else { return };
        cluster.checks = checks;
        cluster.dirty = true;
        if cluster.is_of_checks() {
            cluster.told_at.get_or_insert(mono);
        }
        self.follow(name, now);
    }

    /// Takes what the recorded objects of a cluster amount to.
    pub(super) fn situation(&mut self, name: &Arc<str>, situation: Option<Arc<Situation>>) {
        let Some(cluster) = self.clusters.get_mut(name) else { return };
        let is_same = match (&cluster.situation, &situation) {
            (Some(old), Some(new)) => old.says_the_same(new),
            (old, new) => old.is_none() && new.is_none(),
        };
        cluster.situation = situation;
        cluster.dirty |= !is_same;
    }

    /// Takes how the canary of a cluster stands.
    pub(super) fn canary(&mut self, name: &Arc<str>, canaries: Arc<[CanaryStanding]>) {
        let now = self.parts.clock.wall();
        let Some(cluster) = self.clusters.get_mut(name) else { return };
        cluster.canaries = canaries;
        cluster.dirty = true;
        let samples = cluster.samples(now);
        if let Some(live) = self.parts.live.write().clusters.get_mut(name) {
            live.canaries = cluster.canaries.clone();
            live.samples = samples;
        }
    }

    /// Makes the targets of a cluster those that were discovered and its checks.
    fn follow(&mut self, name: &Arc<str>, now: Timestamp) {
        let Some(cluster) = self.clusters.get_mut(name) else { return };
        if cluster.is_scheduled() {
            // Nearly always: whom it has is as it was.
            let (samples, nodes) = cluster.all_samples(now);
            if let Some(live) = self.parts.live.write().clusters.get_mut(name) {
                live.snapshot = cluster.snapshot.clone();
                live.gaps = cluster.gaps.clone();
                (live.samples, live.node_samples) = (samples, nodes);
            }
            return;
        }
        let targets: Vec<Target> = cluster.discovered.iter().chain(&*cluster.checks_now()).cloned().collect();
        let mut scheduled = Vec::with_capacity(targets.len());
        let mut fresh = Vec::new();
        let mut keep = HashSet::with_capacity(targets.len());
        for mut target in targets {
            target.guessed &= !cluster.adopted.contains(&target.key);
            if target.guessed {
                scheduled.push(Arc::new(target));
                continue;
            }
            keep.insert(target.key.clone());
            if let Some(watched) = cluster.watched.get_mut(&target.key) {
                if *watched.target != target {
                    watched.target = Arc::new(target.clone());
                    fresh.push((target, watched.tracker.verdict().clone()));
                }
                scheduled.push(watched.target.clone());
                continue;
            }
            let target = Arc::new(target);
            scheduled.push(target.clone());
            let tracker = match self.restored.remove(&target.key) {
                Some(verdict) => VerdictTracker::restore(verdict),
                None => VerdictTracker::new(now),
            };
            fresh.push(((*target).clone(), tracker.verdict().clone()));
            let mut watched = Watched::new(target.clone(), tracker);
            watched.samples = samples::of_verdict(&target, watched.tracker.verdict().state, now, &[]);
            cluster.watched.insert(target.key.clone(), watched);
        }
        let gone: Vec<TargetKey> = cluster.watched.keys().filter(|k| !keep.contains(*k)).cloned().collect();
        for key in &gone {
            tracing::info!(probe_target = %key, "no longer a target");
            cluster.seen.forget(key);
            if let Some(watched) = cluster.watched.remove(key) {
                remember(&self.parts.store, &watched.samples, Arc::default(), now);
            }
            cluster.adopted.remove(key);
        }
        let live = cluster.live(now);
        let command = Command::SetTargets { cluster: name.clone(), targets: scheduled.clone() };
        if self.parts.schedule.try_send(command).is_ok() {
            cluster.scheduled = scheduled;
        } else {
            // Discovery repeats itself within seconds, checks are told again with the next tick.
            cluster.scheduled = Vec::new();
            self.parts.metrics.drop_at("schedule_commands");
        }
        self.parts.live.write().clusters.insert(name.clone(), live);
        if !fresh.is_empty() {
            self.parts.store.save_targets(fresh);
        }
        if !gone.is_empty() {
            self.parts.store.forget_targets(gone);
        }
    }

    /// Says again what the schedule could not be told of checks, for which no discovery speaks.
    pub(super) fn check_again(&mut self) {
        let unheard = |c: &&Cluster| c.is_of_checks() && c.scheduled.is_empty() && !c.checks.is_empty();
        let unheard: Vec<Arc<str>> = self.clusters.values().filter(unheard).map(|c| c.name.clone()).collect();
        let now = self.parts.clock.wall();
        unheard.iter().for_each(|name| self.follow(name, now));
    }
}
