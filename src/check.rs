//! Checks: what the clusters serve and what their rebuild needs, asked from outside as a user would. One prober a file;
//! each is a target like any other, with verdict, phases and trace.
//!
//! A check that fails is an [`Observation`], never an error. A prober asks once, ends by its deadline, and follows nothing
//! that its check did not ask for. What an answer must be is said by conditions (`condition`), judged in one place
//! ([`probe`]). TCP and TLS are `dial`'s; other sockets are opened here. Secrets are read where they are sent.

pub mod condition;
pub mod config;
mod dns;
mod found;
mod http;
mod options;
mod prober;
mod starttls;
mod tcp;
#[cfg(test)]
mod tests;
mod tls;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use tokio::time::timeout_at;

use self::{config::CheckConfig, found::Found};
use crate::{
    clock::Clock,
    dial::spoken,
    model::{Failure, Job, Observation, Reason, Target, TargetKey},
};

/// The checks of the configuration in force, by group and name.
#[derive(Clone, Debug, Default)]
pub struct Checks(Arc<RwLock<InForce>>);

/// By group and name.
type InForce = HashMap<(Arc<str>, Job), Arc<CheckConfig>>;

impl Checks {
    /// Puts others in force.
    pub fn set(&self, checks: impl Iterator<Item = (TargetKey, Arc<CheckConfig>)>) {
        let checks = checks.map(|(key, check)| ((key.cluster, key.job), check)).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = checks;
    }

    /// Returns what a target asks; `None`: it is no check any more.
    pub fn get(&self, key: &TargetKey) -> Option<Arc<CheckConfig>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&(key.cluster.clone(), key.job)).cloned()
    }
}

/// Makes a check once.
pub async fn probe(target: &Arc<Target>, check: &CheckConfig, clock: &Clock) -> Observation {
    let (started, begun) = (clock.wall(), clock.mono());
    let here = target.node.as_ref().map(|_| check.at_node(&target.key.instance));
    let check = here.as_ref().unwrap_or(check);
    let mut found = Found::new(begun + target.timeout);
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
    found.finish(target.clone(), started, took, outcome.err().map(of_check), answered)
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
