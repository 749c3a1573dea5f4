//! Checks: what the clusters serve and what their rebuild needs, asked from outside as a user would. One prober a file;
//! each is a target like any other, with verdict, phases and trace.
//!
//! A check that fails is an [`Observation`], never an error. A prober asks once, ends by its deadline, and follows nothing
//! that its check did not ask for. What an answer must be is said by conditions (`condition`), judged in one place
//! ([`probe`]). TCP and TLS are `dial`'s, as is what clusters are asked; other sockets are opened here. Secrets are read where they are sent.

mod ad_hoc;
mod azure;
pub mod condition;
pub mod config;
mod datagram;
mod depends;
mod dns;
mod domain;
mod each;
mod exec;
mod file;
mod found;
mod git;
mod grpc;
mod helm;
mod http;
mod icmp;
mod ldap;
mod nodes;
mod ntp;
mod object;
mod objects;
mod oci;
mod oidc;
mod options;
mod prober;
mod prometheus;
mod redis;
mod s3;
pub mod sites;
mod smtp;
mod sql;
mod ssh;
mod starttls;
mod tcp;
#[cfg(test)]
mod tests;
mod tls;
mod udp;
mod web;
mod websocket;
mod wire;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use tokio::time::timeout_at;
use url::Url;

pub use self::object::Kinds;
use self::{config::CheckConfig, found::Found};
use crate::{
    clock::Clock,
    dial::{Dialer, spoken},
    model::{Failure, Job, Observation, Reason, Target, TargetKey},
};

/// The way to a cluster, for checks that ask its API: its credentials, and the API servers to ask, best first.
#[derive(Clone, Debug)]
pub struct ToCluster {
    /// Its credentials.
    pub dialer: Dialer,
    /// The API servers that are known to be up, then the one of the kubeconfig.
    pub servers: Vec<Url>,
    /// What it has, as far as that is known.
    pub kinds: Kinds,
}

/// The checks of the configuration in force, by group and name.
#[derive(Clone, Debug, Default)]
pub struct Checks(Arc<RwLock<InForce>>);

/// By group and name.
type ByName = HashMap<(Arc<str>, Job), Arc<CheckConfig>>;

#[derive(Debug, Default)]
struct InForce {
    /// What is written in the configuration.
    written: ByName,
    /// What was found of clusters.
    found: ByName,
}

impl Checks {
    /// Puts others in force.
    pub fn set(&self, checks: impl Iterator<Item = (TargetKey, Arc<CheckConfig>)>) {
        let checks = checks.map(|(key, check)| ((key.cluster, key.job), check)).collect();
        self.0.write().unwrap_or_else(PoisonError::into_inner).written = checks;
    }

    /// Puts those in force that were found of one cluster.
    pub fn set_found(&self, cluster: &Arc<str>, checks: &[sites::Asked]) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.found.retain(|(group, _), _| group != cluster);
        let keyed = |(target, check): &sites::Asked| ((target.key.cluster.clone(), target.key.job), check.clone());
        all.found.extend(checks.iter().map(keyed));
    }

    /// Returns what a target asks; `None`: it is no check any more.
    pub fn get(&self, key: &TargetKey) -> Option<Arc<CheckConfig>> {
        let (all, key) = (self.0.read().unwrap_or_else(PoisonError::into_inner), (key.cluster.clone(), key.job));
        all.written.get(&key).or_else(|| all.found.get(&key)).cloned()
    }
}

/// Makes a check once; `cluster` is the way to the cluster that it belongs to.
pub async fn probe(
    target: &Arc<Target>,
    check: &CheckConfig,
    cluster: Option<ToCluster>,
    clock: &Clock,
) -> Observation {
    let (started, begun) = (clock.wall(), clock.mono());
    let here = target.node.as_ref().map(|_| check.at_node(&target.key.instance));
    let check = here.as_ref().unwrap_or(check);
    let mut found = Found::new(begun + target.timeout, cluster);
    let asked = timeout_at(begun + target.timeout, check.ask(&mut found)).await;
    let took = clock.mono() - begun;
    let asked = asked.unwrap_or_else(|_| {
        Err(Failure::new(
            Reason::Timeout,
            format!("{} gave no whole answer within {}", check.at(), spoken(target.timeout)),
        ))
    });
    let answered = found.answered;
    let outcome = asked.and_then(|()| found.judge(check.conditions(), took, started));
    let outcome = outcome.map_err(|failure| with_shape(failure, &found));
    found.finish(target.clone(), started, took, outcome.err().map(of_check), answered)
}

/// What was odd on the way may be why.
fn with_shape(failure: Failure, found: &Found) -> Failure {
    match found.line.shape() {
        Some(shape) if !shape.words.is_empty() && failure.ours.is_none() => {
            Failure::new(failure.reason, format!("{} ({})", failure.message, shape.words.join("; ")))
        }
        _ => failure,
    }
}

/// A check has asked for what it gets: a refusal of our credentials and a stranger's answer are failures like others.
fn of_check(failure: Failure) -> Failure {
    let reason = match failure.reason {
        Reason::Auth => Reason::Tls,
        Reason::Throttled | Reason::Foreign => Reason::Answer,
        other => other,
    };
    Failure { reason, ..failure }
}

/// Returns whether a job's name is free for a check.
pub fn is_free(name: &str) -> bool {
    Job::ALL.iter().all(|job| job.as_str() != name)
}
