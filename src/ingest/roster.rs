//! Which clusters are watched: one more, one less. What is watched on is not touched.

use std::sync::Arc;

use super::{Cluster, Ingest, remember};
use crate::{model::TargetKey, schedule::Command};

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
}
