//! Diagnoses of the clusters, each with what it has to know of checks that belong to another group.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    Ingest, REDIAGNOSE,
    cluster::{Cluster, Watched},
};
use crate::{
    health::{Elsewhere, diagnosis::diagnose},
    model::{AlertName, CheckName, Diagnosis, Finding, FindingKey, Job},
};

/// What a diagnosis tells of each check that fails: itself, or what explains it.
pub(super) fn told(diagnosis: &Diagnosis) -> HashMap<CheckName, FindingKey> {
    let of_checks = diagnosis.findings.iter().filter(|f| f.key.alert == AlertName::CheckFailing);
    let one =
        |f: &Finding| Some((CheckName::new(&f.key.subject)?, f.caused_by.clone().unwrap_or_else(|| f.key.clone())));
    of_checks.filter_map(one).collect()
}

impl Ingest {
    /// The diagnoses of those clusters that are due.
    pub(super) fn diagnoses(&self, now: Timestamp, mono: Instant) -> HashMap<Arc<str>, Diagnosis> {
        let is_due = |cluster: &&Cluster| {
            !(self.in_doubt && self.vantage.ok)
                && cluster.judgeable(mono)
                && (cluster.dirty || cluster.diagnosed_at.is_none_or(|at| mono.duration_since(at) >= REDIAGNOSE))
        };
        let one = |cluster: &Cluster| {
            let mut view = cluster.view(now, self.vantage.ok);
            view.elsewhere = self.elsewhere(cluster);
            let mut diagnosis = diagnose(&view);
            diagnosis.changes = cluster.seen.beside(diagnosis.changes, now);
            (cluster.name.clone(), diagnosis)
        };
        self.clusters.values().filter(is_due).map(one).collect()
    }

    /// The checks of other groups that checks of this one depend on. Only those of the configuration can be named so.
    fn elsewhere(&self, cluster: &Cluster) -> Vec<Elsewhere<'_>> {
        let own: BTreeSet<Job> = cluster.checks.iter().map(|check| check.key.job).collect();
        let named = cluster.checks.iter().filter_map(|check| check.spec.check()).flat_map(|check| &check.depends_on);
        let wanted: BTreeSet<CheckName> = named.copied().filter(|name| !own.contains(&Job::Check(*name))).collect();
        let others = self.clusters.values().filter(|other| !wanted.is_empty() && other.name != cluster.name);
        let found = others.flat_map(|other| {
            let is_there = |name: &&CheckName| other.checks.iter().any(|check| check.key.job == Job::Check(**name));
            wanted.iter().filter(is_there).map(|name| (other, *name)).collect::<Vec<_>>()
        });
        found
            .map(|(other, name)| {
                let its = other.watched.values().filter(|w| w.target.key.job == Job::Check(name));
                Elsewhere {
                    name,
                    targets: its.map(Watched::view).collect(),
                    is_judged: other.diagnosed_at.is_some(),
                    told: other.told_checks.get(&name).cloned(),
                }
            })
            .collect()
    }
}
