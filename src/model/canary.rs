//! The canary: what it did in a cluster, how long each stage took, and which layer a failed stage names.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Severity, State};

/// So many failed runs in a row are a finding: one alone may be a leader election, or an API server that restarts.
pub const CANARY_FAILURES: u32 = 2;

/// What is made in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CanaryForm {
    /// A Lease: written, watched and read back on every API server, deleted.
    Lease,
    /// A pod, with what belongs to it.
    Pod,
    /// A write that goes all the way and is not stored.
    DryRun,
}

impl CanaryForm {
    /// All of them, the lightest explains the others.
    pub const ALL: [CanaryForm; 3] = [CanaryForm::DryRun, CanaryForm::Lease, CanaryForm::Pod];

    /// As label `form` has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            CanaryForm::Lease => "lease",
            CanaryForm::Pod => "pod",
            CanaryForm::DryRun => "dry_run",
        }
    }
}

macro_rules! words {
    ($(#[$doc:meta])+ $name:ident { $($(#[$of:meta])+ $variant:ident: $word:literal, $says:literal;)+ }) => {
        $(#[$doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$of])+ $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: [$name; [$($name::$variant),+].len()] = [$($name::$variant),+];

            /// As a label has it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }

            /// As people read it.
            pub const fn says(self) -> &'static str {
                match self {
                    $($name::$variant => $says,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// A step of a run, in the order in which they come. Its words say what fails where it fails.
    CanaryStage {
        /// What is left of an earlier run is gone.
        Swept: "swept", "can't be made, since one of an earlier run is still there";
        /// The Lease is in etcd.
        Written: "written", "can't be written";
        /// A watch tells of it.
        Watched: "watched", "is written, but a watch does not tell of it";
        /// A server's cache has it.
        Read: "read", "is written, but can't be read back";
        /// The API server has taken the pod.
        Admitted: "admitted", "is refused";
        /// It has a node.
        Scheduled: "scheduled", "is not scheduled";
        /// Its image is on the node.
        Pulled: "pulled", "does not get its image";
        /// A volume was written and read again.
        Volume: "volume", "can't use its volume";
        /// A name of the cluster was resolved inside of it.
        Dns: "dns", "can't resolve a name of the cluster";
        /// Its container runs.
        Running: "running", "does not start";
        /// The kubelet calls it ready.
        Ready: "ready", "does not become ready";
        /// It answers from outside, at a NodePort.
        Reachable: "reachable", "can't be reached from outside";
        /// It is gone again.
        Deleted: "deleted", "can't be deleted";
    }
}

words! {
    /// The part of the cluster to which a failed stage points.
    CanaryLayer {
        /// Our own rights.
        Authorization: "authorization", "our rights (RBAC)";
        /// What the configuration names is not there: the namespace, a RuntimeClass, a StorageClass.
        Setup: "setup", "the canary's own set-up";
        /// A webhook, a policy, PodSecurity.
        Admission: "admission", "admission";
        /// A ResourceQuota or a LimitRange.
        Quota: "quota", "quota";
        /// The API server itself.
        ApiServer: "apiserver", "API server";
        /// What is behind it.
        Etcd: "etcd", "etcd";
        /// What one API server tells is older than what is written.
        WatchCache: "watch_cache", "watch cache of the API server";
        /// Controllers do not do their part: no service account, no addresses of a Service.
        ControllerManager: "controller_manager", "controller-manager";
        /// No scheduler has looked at it.
        Scheduler: "scheduler", "scheduler";
        /// No node takes it.
        Capacity: "capacity", "capacity: no node takes it";
        /// The image can't be had.
        Registry: "registry", "registry";
        /// The image is there and does not do what the canary asks of it.
        Image: "image", "image";
        /// containerd, CRI-O, runc, gVisor.
        ContainerRuntime: "container_runtime", "container runtime";
        /// The pod network.
        Cni: "cni", "CNI";
        /// Storage.
        Csi: "csi", "CSI";
        /// The kubelet, or its node.
        Kubelet: "kubelet", "kubelet";
        /// What leads from a Service to its pods.
        KubeProxy: "kube_proxy", "kube-proxy";
        /// CoreDNS, or the way to it.
        Dns: "dns", "DNS";
    }
}

impl CanaryLayer {
    /// Returns whether it says something of us alone: then the cluster is not to blame.
    pub const fn is_ours(self) -> bool {
        matches!(self, CanaryLayer::Authorization | CanaryLayer::Setup | CanaryLayer::Image)
    }
}

/// Where a pod is to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CanaryPlace {
    /// Where the scheduler likes.
    #[default]
    Anywhere,
    /// In this zone.
    Zone(String),
    /// On this node.
    Node(String),
}

impl CanaryPlace {
    /// Returns the label that tells it from others.
    pub fn label(&self) -> Option<(&'static str, &str)> {
        match self {
            CanaryPlace::Anywhere => None,
            CanaryPlace::Zone(zone) => Some(("zone", zone)),
            CanaryPlace::Node(node) => Some(("node", node)),
        }
    }
}

/// How long a stage took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryTime {
    /// Which.
    pub stage: CanaryStage,
    /// The server at which, where it is measured at several.
    #[serde(default)]
    pub instance: Option<String>,
    /// So long.
    pub took: Duration,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryFailure {
    /// At which stage.
    pub stage: CanaryStage,
    /// Which layer it points to.
    pub layer: CanaryLayer,
    /// In a few words that are the same with every run.
    pub why: String,
    /// What the cluster says of it, a line each.
    pub evidence: Vec<String>,
    /// The server at which, where it is one of several.
    #[serde(default)]
    pub instance: Option<String>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryRun {
    /// When it began.
    pub started: Timestamp,
    /// When it ended, or failed.
    pub ended: Timestamp,
    /// The node that the pod came to.
    #[serde(default)]
    pub node: Option<String>,
    /// Stages that were passed, in their order.
    pub times: Vec<CanaryTime>,
    /// Why it failed; `None`: all went well.
    pub failure: Option<CanaryFailure>,
}

/// How one form stands at one place, after all of its runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryStanding {
    /// Which form.
    pub form: CanaryForm,
    /// Where.
    #[serde(default)]
    pub place: CanaryPlace,
    /// How bad it is when it fails, as the configuration says.
    pub severity: Severity,
    /// Failed runs in a row.
    pub failures: u32,
    /// Since when it has stood so: the end of the first run that ended as the last one did, with the same layer. A cause is
    /// older than that.
    pub since: Timestamp,
    /// The newest start of a run that went well.
    #[serde(default)]
    pub last_success: Option<Timestamp>,
    /// The last run.
    pub last: CanaryRun,
}

impl CanaryStanding {
    /// Returns how it stands after another run.
    pub fn after(
        before: Option<&Self>,
        form: CanaryForm,
        place: CanaryPlace,
        severity: Severity,
        run: CanaryRun,
    ) -> Self {
        let failed = run.failure.is_some();
        let same = before.filter(|b| failed == (b.failures > 0));
        // What fails for another reason now has another cause, and that began later.
        let layer = |run: &CanaryRun| run.failure.as_ref().map(|f| f.layer);
        let alike = same.filter(|b| layer(&b.last) == layer(&run));
        Self {
            form,
            place,
            severity,
            failures: if failed { same.map_or(0, |b| b.failures).saturating_add(1) } else { 0 },
            since: alike.map_or(run.ended, |b| b.since),
            last_success: if failed { before.and_then(|b| b.last_success) } else { Some(run.started) },
            last: run,
        }
    }

    /// Returns why it fails, where that is confirmed.
    pub fn failing(&self) -> Option<&CanaryFailure> {
        self.last.failure.as_ref().filter(|_| self.failures >= CANARY_FAILURES)
    }

    /// Returns how it stands: one failed run makes it suspect, as one failed probe does a target.
    pub fn state(&self) -> State {
        match (self.failing(), self.failures) {
            (Some(_), _) => State::Down,
            (None, 0) => State::Up,
            (None, _) => State::Suspect,
        }
    }

    /// Returns how bad a confirmed failure is: what only we are to blame for wakes nobody.
    pub fn severity(&self) -> Severity {
        match self.failing() {
            Some(failure) if failure.layer.is_ours() => self.severity.min(Severity::Warning),
            _ => self.severity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(at: i64, fails: bool) -> CanaryRun {
        let failure = fails.then(|| CanaryFailure {
            stage: CanaryStage::Scheduled,
            layer: CanaryLayer::Scheduler,
            why: "nobody has looked at it".into(),
            evidence: Vec::new(),
            instance: None,
        });
        let at = Timestamp::from_second(at).unwrap();
        CanaryRun { started: at, ended: at, node: None, times: Vec::new(), failure }
    }

    #[test]
    fn a_failure_is_confirmed_by_a_second_one_and_dates_from_the_first() {
        let mut standing: Option<CanaryStanding> = None;
        let mut check = |at: i64, fails: bool, failures: u32, since: i64, failing: bool| {
            let next = CanaryStanding::after(
                standing.as_ref(),
                CanaryForm::Pod,
                CanaryPlace::Anywhere,
                Severity::Critical,
                run(at, fails),
            );
            let told = (next.failures, next.since.as_second(), next.failing().is_some());
            assert_eq!(told, (failures, since, failing), "at {at}");
            standing = Some(next);
        };
        check(10, false, 0, 10, false);
        check(20, false, 0, 10, false);
        check(30, true, 1, 30, false);
        check(40, true, 2, 30, true);
        check(50, true, 3, 30, true);
        check(60, false, 0, 60, false);
        check(70, true, 1, 70, false);
        assert_eq!(standing.unwrap().last_success.unwrap().as_second(), 60);
    }
}
