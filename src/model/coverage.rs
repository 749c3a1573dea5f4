//! What of a cluster is not watched. Nothing is known of it: it is neither up nor down, and never counted as either.

use std::fmt;

use serde::Serialize;

use super::Job;

/// A kind of component of which nothing is watched, or some of it is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Which.
    pub job: Job,
    /// Why not.
    pub why: String,
    /// How it can be watched.
    pub how: String,
    /// The configuration turns it off: nobody need be reminded.
    pub turned_off: bool,
    /// Only some are not watched: `why` names them, and others of the kind may be.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partly: bool,
}

impl Gap {
    /// Returns whether it is to be told where these kinds are watched.
    pub fn is_open(&self, mut watched: impl Iterator<Item = Job>) -> bool {
        self.partly || watched.all(|job| job != self.job)
    }

    /// By the name that people use.
    pub fn name(&self) -> &'static str {
        match self.job {
            Job::KubeApiserver => "API servers",
            Job::Etcd => "etcd",
            Job::KubeScheduler => "scheduler",
            Job::KubeControllerManager => "controller-manager",
            Job::Kubelet if self.partly => "some kubelets",
            Job::Kubelet => "kubelets",
            Job::KubeProxy => "kube-proxy",
            Job::Check(_) => "check",
        }
    }
}

/// `etcd: none answers …; to watch it, give …`
impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; to watch it, {}", self.name(), self.why, self.how)
    }
}
