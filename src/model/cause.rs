//! The names of all that can be found, and what is known of each: one table, a row for each name.
//!
//! The enum is made from the table, so that a name without its row does not compile. Whoever must tell one name from
//! another asks here; nothing else lists names.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Components whose troubles grow out of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Members and their quorum.
    Etcd,
    /// One, several or all API servers.
    ApiServer,
    /// One or many nodes.
    Nodes,
}

/// Which of its consequences a finding holds in its own evidence: they are not told a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Those of its own name.
    Itself,
    /// These, and those of its own name.
    These(&'static [AlertName]),
    /// All of them.
    Everything,
}

/// Which alerts of rules and from outside a finding takes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Those about the same machine alone.
    Host,
    /// Those of the control plane.
    ControlPlane,
    /// All that is seen of the cluster through what is down.
    Cluster,
    /// Those about nodes.
    Nodes,
}

/// Holds what is known of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// It explains others, the more the higher its row stands; else it stands for itself.
    pub explains: bool,
    /// What it grows out of and into.
    pub family: Option<Family>,
    /// Two of this name have their own reasons each, even if they are one family.
    pub apart: bool,
    /// What its evidence tells already.
    pub holds: Holds,
    /// It is told in words among the consequences of its cause.
    pub told_with_cause: bool,
    /// What it takes along.
    pub reach: Reach,
    /// No answer says since when it is so: it began when it was first seen.
    pub undated: bool,
    /// It is judged from kubelets and nodes: while one of them is in doubt, so is this.
    pub of_nodes: bool,
}

/// Explains others.
const ROOT: Cause = Cause { explains: true, ..ALONE };

/// Stands for itself.
const ALONE: Cause = Cause {
    explains: false,
    family: None,
    apart: false,
    holds: Holds::Itself,
    told_with_cause: true,
    reach: Reach::Host,
    undated: false,
    of_nodes: false,
};

macro_rules! table {
    ($($(#[$doc:meta])+ $name:ident: $cause:expr;)+) => {
        /// The `alertname` of a finding. Kept stable: routes, silences and dashboards name them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum AlertName {
            $($(#[$doc])+ $name,)+
            /// An alert of a rule or from outside; its own name is in its labels.
            Other,
        }

        impl AlertName {
            /// All that the diagnosis can find, the one that explains most first.
            pub const ALL: [AlertName; [$(AlertName::$name),+].len()] = [$(AlertName::$name),+];

            /// As it is written.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(AlertName::$name => stringify!($name),)+
                    AlertName::Other => "Other",
                }
            }

            /// Returns what is known of it.
            pub const fn cause(self) -> Cause {
                match self {
                    $(AlertName::$name => $cause,)+
                    AlertName::Other => ALONE,
                }
            }
        }
    };
}

table! {
    /// The watchdog is cut off; it accuses no cluster.
    WatchdogCutOff: ROOT;
    /// The watchdog has no file descriptors left.
    WatchdogOutOfFiles: ROOT;
    /// No local address or port is left to connect from.
    WatchdogOutOfPorts: ROOT;
    /// The kernel has no memory left for connections.
    WatchdogOutOfMemory: ROOT;
    /// The proxy that our connections go through is down, or opens no way.
    WatchdogProxyDown: ROOT;
    /// The resolver of the watchdog's machine answers for no name.
    WatchdogResolverDown: ROOT;
    /// Nothing of a cluster can be reached while the watchdog's own references answer.
    ClusterUnreachable: Cause { holds: Holds::Everything, reach: Reach::Cluster, of_nodes: true, ..ROOT };
    /// etcd has lost quorum.
    EtcdQuorumLost: Cause {
        family: Some(Family::Etcd),
        holds: Holds::These(&[AlertName::EtcdMemberDown, AlertName::EtcdMemberUnhealthy]),
        reach: Reach::Cluster,
        ..ROOT
    };
    /// All that runs on one control-plane host is silent.
    ControlPlaneHostDown: Cause { holds: Holds::Everything, reach: Reach::ControlPlane, ..ROOT };
    /// Every API server is down.
    ApiServersDown: Cause { family: Some(Family::ApiServer), reach: Reach::Cluster, ..ROOT };
    /// The advertised URL fails while an endpoint behind it answers: load balancer, DNS or VIP.
    ApiServerAddressDown: Cause { family: Some(Family::ApiServer), ..ROOT };
    /// etcd raised NOSPACE or CORRUPT.
    EtcdAlarm: Cause { family: Some(Family::Etcd), reach: Reach::ControlPlane, undated: true, ..ROOT };
    /// etcd's members do not hold the same data, or one belongs to another cluster.
    EtcdInconsistent: Cause {
        family: Some(Family::Etcd),
        apart: true,
        holds: Holds::These(&[AlertName::EtcdMemberUnhealthy]),
        undated: true,
        ..ROOT
    };
    /// An etcd member is down, quorum is kept.
    EtcdMemberDown: Cause { family: Some(Family::Etcd), ..ROOT };
    /// Workers are gone from the API servers' list, and were not drained before; or none is left.
    WorkersGone: Cause { family: Some(Family::Nodes), reach: Reach::Nodes, ..ROOT };
    /// Many nodes at once.
    NodesDown: Cause {
        family: Some(Family::Nodes),
        holds: Holds::Everything,
        reach: Reach::Nodes,
        of_nodes: true,
        ..ROOT
    };
    /// No scheduler holds a fresh lease.
    SchedulerNoLeader: ROOT;
    /// No controller-manager holds a fresh lease.
    ControllerManagerNoLeader: ROOT;
    /// One or more of several API servers are down.
    ApiServerDown: Cause { family: Some(Family::ApiServer), ..ROOT };
    /// A node is lost: kubelet silent and lease stale.
    NodeDown: Cause { family: Some(Family::Nodes), apart: true, of_nodes: true, ..ROOT };
    /// Control-plane hosts are silent towards us, and others see them: it is our way to them.
    ControlPlaneHostUnreachable: Cause { holds: Holds::Everything, reach: Reach::ControlPlane, ..ROOT };
    /// A member that answers, but is not well (no leader seen, health false).
    EtcdMemberUnhealthy: Cause { family: Some(Family::Etcd), ..ROOT };
    /// etcd elects a new leader again and again.
    EtcdLeaderChanges: Cause { family: Some(Family::Etcd), ..ROOT };
    /// An API server answers and says that it is not healthy or not ready.
    ApiServerUnhealthy: Cause { family: Some(Family::ApiServer), ..ROOT };
    /// Something else answers in front of API servers: nothing is known of what is behind it.
    ApiServerHidden: Cause { family: Some(Family::ApiServer), ..ROOT };
    /// Nothing answers for names inside the cluster.
    ClusterDnsDown: ROOT;
    /// A webhook that must be asked does not answer: what it is asked about is refused.
    WebhookFailing: Cause { apart: true, ..ROOT };
    /// The scheduler looks at no pod, whatever its lease says.
    SchedulerStuck: Cause { apart: true, ..ROOT };
    /// What was changed is not looked at by any controller, whatever their lease says.
    ControllersStuck: ROOT;
    /// Nodes renew no lease and are called Ready all the same: no controller looks at them.
    NodeLeaseStale: ROOT;
    /// The pods' network, the service proxy or the ingress has no ready pod.
    AddonDown: Cause { apart: true, ..ROOT };
    /// Node objects were deleted though the nodes were well and nobody had drained them.
    NodeDeleted: ROOT;
    /// Many namespaces or workloads were deleted within minutes.
    ObjectsDeleted: ROOT;
    /// Images of several workloads can't be pulled from one registry.
    RegistryFailing: Cause { apart: true, ..ROOT };
    /// The kubelet is down while its node presumably still runs containers.
    KubeletDown: Cause { of_nodes: true, ..ROOT };
    /// The kubelet answers, the API server calls the node NotReady.
    NodeNotReady: ROOT;
    /// One scheduler, controller-manager or kube-proxy is down.
    ComponentDown: ROOT;
    /// An API that another server provides (metrics.k8s.io, say) is not available.
    AggregatedApiDown: ROOT;
    /// All checks that ask one address fail in the same way, while the ingress answers at every node past it.
    LoadBalancerFailing: Cause { apart: true, ..ROOT };
    /// All checks that ask one address fail in the same way.
    ChecksFailing: Cause { apart: true, ..ROOT };
    /// A check of the configuration fails.
    CheckFailing: Cause { apart: true, ..ROOT };
    /// The canary fails: what a user of the cluster would do does not work.
    CanaryFailing: Cause { apart: true, ..ROOT };
    /// The kubelet can't be reached from here, yet its lease is fresh.
    KubeletUnreachable: Cause { of_nodes: true, ..ROOT };
    /// Many pods were driven from their nodes within minutes.
    PodsEvicted: Cause { apart: true, ..ROOT };
    /// Many containers were killed for want of memory within minutes.
    MemoryKills: ROOT;
    /// A program on the node reports a lasting fault of it.
    NodeProblem: Cause { apart: true, ..ROOT };
    /// A node has too little memory, disk space or process IDs, by its kubelet's word.
    NodePressure: Cause { apart: true, ..ROOT };
    /// Part of the DNS, the pods' network, the service proxy or the ingress is not ready.
    AddonDegraded: Cause { apart: true, ..ROOT };
    /// Pods that have a node can't be started: no addresses, no sandbox, no volume, no quota.
    PodsNotStarting: Cause { apart: true, ..ROOT };
    /// Claims get no volume.
    VolumesWaiting: Cause { apart: true, ..ROOT };
    /// New pods of a workload don't start.
    RolloutFailing: Cause { apart: true, ..ROOT };
    /// A node has been cordoned for long.
    NodeCordoned: Cause { apart: true, ..ROOT };
    /// Pods wait for a node.
    PodsUnschedulable: ROOT;
    /// CronJobs are not started when their time has come.
    CronJobsLate: ROOT;
    /// Namespaces are being deleted and don't go.
    NamespacesTerminating: ROOT;
    /// Our credentials are refused.
    CredentialsRefused: ROOT;
    /// A certificate can't be trusted (wrong CA or name).
    CertificateUntrusted: ROOT;
    /// A certificate runs out or has run out.
    CertificateExpiring: Cause { told_with_cause: false, ..ROOT };
    /// Our bearer token runs out or has run out.
    TokenExpiring: Cause { told_with_cause: false, ..ROOT };
    /// A target changes too often.
    TargetFlapping: ROOT;
    /// New connections to one host lose their first packet at times.
    ConnectionsDelayed: ALONE;
    /// The watchdog's TLS library lacks what a server uses.
    WatchdogTlsLimit: ALONE;
    /// The kernel lets the watchdog's user send no echo requests.
    WatchdogMayNotPing: ALONE;
    /// The watchdog's own store fails.
    StoreFailing: ALONE;
    /// Many new workers within minutes.
    WorkersAdded: ALONE;
    /// Far more objects of a kind than an hour ago.
    ObjectsGrowing: ALONE;
    /// A backup was not made in time, failed, or shrank.
    BackupFailing: ALONE;
    /// Certificate requests on which nobody decides.
    CertificateRequestsPending: ALONE;
    /// A configured cluster can't be watched at all: its kubeconfig can't be used.
    ClusterNotWatched: ALONE;
    /// A job has not reported in time.
    HeartbeatLate: ALONE;
    /// A job reported its own failure.
    HeartbeatFailed: ALONE;
    /// A job has begun and not ended in time.
    HeartbeatTooLong: ALONE;
    /// A restore drill has not been done for too long.
    RestoreDrillOverdue: ALONE;
    /// The last restore drill failed, takes too long, or did not meet its objectives.
    RestoreDrillFailed: ALONE;
    /// The monitoring inside a cluster no longer sends its always-firing alert.
    InClusterMonitoringSilent: ALONE;
    /// A rule can't be evaluated.
    RuleFailing: ALONE;
    /// A receiver does not take its messages.
    ReceiverFailing: ALONE;
    /// The other of two watchdogs is not heard.
    PeerDown: ALONE;
    /// Two watchdogs see different things, or are configured differently.
    PeerDiffers: ALONE;
    /// More alerts fire than are told one by one.
    AlertsUntold: ALONE;
    /// The proof of a scheduled drill is missing.
    DrillFailed: ALONE;
    /// A drill: nothing is broken.
    Drill: ALONE;
}

impl AlertName {
    /// Returns the name that an alert has in its label; `None`: it is none of ours.
    pub fn known(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }

    /// Returns how much it explains; 0: nothing. Higher gives an incident its headline, and is told first.
    pub const fn rank(self) -> usize {
        if self.cause().explains { Self::ALL.len() - self as usize } else { 0 }
    }

    /// Returns whether one grows out of the other, however long ago that began.
    pub fn is_related(self, other: Self) -> bool {
        let (a, b) = (self.cause(), other.cause());
        a.family.is_some() && a.family == b.family && !(self == other && a.apart)
    }

    /// Returns whether this is what is left of `told`: quorum is back, one member is still down.
    pub fn is_relief_after(self, told: Self) -> bool {
        let (new, old) = (self.cause(), told.cause());
        old.family.is_some() && old.family == new.family && told.rank() > self.rank()
    }

    /// Returns whether its evidence tells of this consequence already, or nobody wants to hear of it there.
    pub fn holds(self, consequence: Self) -> bool {
        let held = match self.cause().holds {
            Holds::Itself => false,
            Holds::These(names) => names.contains(&consequence),
            // What users feel of it is no part of the cluster.
            Holds::Everything => !matches!(
                consequence,
                Self::CheckFailing | Self::ChecksFailing | Self::LoadBalancerFailing | Self::CanaryFailing
            ),
        };
        held || (self == consequence && !self.cause().apart) || !consequence.cause().told_with_cause
    }
}

impl fmt::Display for AlertName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::AlertName::{self, *};

    #[test]
    fn a_higher_row_explains_more_and_what_stands_alone_explains_nothing() {
        for pair in AlertName::ALL.windows(2) {
            assert!(pair[0].rank() > pair[1].rank() || pair[1].rank() == 0, "{pair:?}");
        }
        assert_eq!((StoreFailing.rank(), Other.rank()), (0, 0));
        assert!(TargetFlapping.rank() > 0);
        assert_eq!(AlertName::known("EtcdAlarm"), Some(EtcdAlarm));
        assert_eq!(AlertName::known("Other"), None);
    }

    #[test]
    fn families_grow_out_of_each_other() {
        let check = |a: AlertName, b: AlertName, related: bool, relief: bool| {
            assert_eq!((a.is_related(b), b.is_related(a), b.is_relief_after(a)), (related, related, relief), "{a} {b}");
        };
        check(EtcdQuorumLost, EtcdMemberDown, true, true);
        check(EtcdMemberDown, EtcdQuorumLost, true, false);
        check(ApiServerDown, ApiServerDown, true, false);
        check(NodesDown, NodeDown, true, true);
        check(NodeDown, NodeDown, false, false);
        check(EtcdAlarm, ApiServersDown, false, false);
        check(KubeletDown, KubeletDown, false, false);
    }

    #[test]
    fn what_the_evidence_holds_is_not_told_twice() {
        let check = |root: AlertName, consequence: AlertName, held: bool| {
            assert_eq!(root.holds(consequence), held, "{root} {consequence}");
        };
        check(EtcdQuorumLost, EtcdMemberDown, true);
        check(EtcdQuorumLost, EtcdAlarm, false);
        check(EtcdQuorumLost, ApiServersDown, false);
        check(NodesDown, ApiServersDown, true);
        check(ApiServerDown, ApiServerDown, true);
        check(ApiServersDown, CertificateExpiring, true);
        check(CheckFailing, CheckFailing, false);
    }
}
