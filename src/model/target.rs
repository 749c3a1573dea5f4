//! What is probed.

use std::{cmp::Ordering, collections::BTreeMap, fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use url::Url;

use super::{CheckName, CheckTraits};

/// The component that a target is; its `Display` is the `job` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Job {
    /// A kube-apiserver.
    KubeApiserver,
    /// An etcd member.
    Etcd,
    /// A kube-scheduler.
    KubeScheduler,
    /// A kube-controller-manager.
    KubeControllerManager,
    /// A node's kubelet.
    Kubelet,
    /// A node's kube-proxy.
    KubeProxy,
    /// A check of the configuration.
    Check(CheckName),
}

impl Job {
    /// Every component of a cluster, control plane first.
    pub const ALL: [Job; 6] =
        [Job::KubeApiserver, Job::Etcd, Job::KubeScheduler, Job::KubeControllerManager, Job::Kubelet, Job::KubeProxy];

    /// Returns the `job` label.
    pub fn as_str(self) -> &'static str {
        match self {
            Job::KubeApiserver => "kube-apiserver",
            Job::Etcd => "etcd",
            Job::KubeScheduler => "kube-scheduler",
            Job::KubeControllerManager => "kube-controller-manager",
            Job::Kubelet => "kubelet",
            Job::KubeProxy => "kube-proxy",
            Job::Check(name) => name.as_str(),
        }
    }

    /// Returns what kind of target it is, for the watchdog's own counters: all checks are one.
    pub fn kind(self) -> &'static str {
        if self.is_check() { Self::CHECK_KIND } else { self.as_str() }
    }

    /// The kind of every check.
    pub const CHECK_KIND: &'static str = "check";

    /// Returns the job of a label; `None` where it could be none.
    pub fn of_label(label: &str) -> Option<Self> {
        let component = Self::ALL.into_iter().find(|job| job.as_str() == label);
        component.or_else(|| CheckName::new(label).map(Job::Check))
    }

    /// Returns whether it is a check of the configuration, and no component of a cluster.
    pub fn is_check(self) -> bool {
        matches!(self, Job::Check(_))
    }
}

impl Serialize for Job {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Job {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::of_label(&String::deserialize(d)?).ok_or_else(|| D::Error::custom("this is no job"))
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A target's identity: the labels that all its series carry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TargetKey {
    /// The cluster's name in the configuration.
    pub cluster: Arc<str>,
    /// The component.
    pub job: Job,
    /// `host:port`; IPv6 hosts in brackets.
    pub instance: Arc<str>,
}

impl Ord for TargetKey {
    fn cmp(&self, other: &Self) -> Ordering {
        // All targets of a cluster have its name from one place: looking at it dozens of times a probe is what it costs to
        // find one among thousands.
        let clusters =
            if Arc::ptr_eq(&self.cluster, &other.cluster) { Ordering::Equal } else { self.cluster.cmp(&other.cluster) };
        clusters.then_with(|| self.job.cmp(&other.job)).then_with(|| self.instance.cmp(&other.instance))
    }
}

impl PartialOrd for TargetKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for TargetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.cluster, self.job, self.instance)
    }
}

/// The way by which a kubelet was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KubeletVia {
    /// On its own port.
    Direct,
    /// Through `/api/v1/nodes/<node>/proxy/healthz`.
    Proxy,
}

/// Says how a target is probed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbeSpec {
    /// A kube-apiserver at `base` (scheme, host, port).
    ApiServer {
        /// Where it is dialled, e.g. `https://10.0.0.1:6443`.
        base: Url,
        /// True for the URL that the kubeconfig advertises (perhaps a load balancer), false for a single endpoint.
        advertised: bool,
    },
    /// An etcd member.
    Etcd {
        /// The client URL (`https://host:2379`), probed with mTLS.
        client: Url,
        /// The metrics-only URL (kubeadm's `http://host:2381`), the fallback.
        metrics: Option<Url>,
    },
    /// kube-scheduler, kube-controller-manager (`/healthz`, certificates of their own) or kube-proxy (plain `/healthz`).
    Healthz {
        /// The whole URL, e.g. `https://10.0.0.1:10259/healthz`.
        url: Url,
    },
    /// A kubelet.
    Kubelet {
        /// `https://host:port`.
        base: Url,
        /// The same at the node's other addresses: asked where `base` is silent.
        #[serde(default)]
        others: Vec<Url>,
        /// The node's name, for the API server's node proxy.
        node: Arc<str>,
        /// `Direct`, `Proxy`, or `None` for `auto`: direct where it can be reached, else proxy.
        via: Option<KubeletVia>,
    },
    /// A check of the configuration; what it asks is known to the room `check` alone, by its name.
    Check(CheckTraits),
}

impl ProbeSpec {
    /// Returns how it is judged, where it is a check.
    pub fn check(&self) -> Option<&CheckTraits> {
        match self {
            ProbeSpec::Check(traits) => Some(traits),
            _ => None,
        }
    }
}

/// One thing that is probed, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Identity.
    pub key: TargetKey,
    /// The Kubernetes node it runs on, where known.
    pub node: Option<Arc<str>>,
    /// How.
    pub spec: ProbeSpec,
    /// Time between the starts of two probes.
    pub interval: Duration,
    /// Deadline of one probe, from DNS to the last byte.
    pub timeout: Duration,
    /// Derived, not told (an etcd at an API server's address, say): counts as a target only once it has answered, so
    /// that a managed cluster without a reachable etcd raises no alarm.
    pub guessed: bool,
    /// Labels from the configuration, added to every series.
    pub labels: BTreeMap<String, String>,
}
