//! What kind of thing a finding is about: with `cause`, the one place that tells names apart.

use super::{AlertName, Family, Reach};

/// Says what kind of thing a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concern {
    /// Nodes.
    Nodes,
    /// What runs the cluster.
    ControlPlane,
    /// What the cluster runs and serves.
    Served,
    /// Certificates and credentials.
    Certificates,
}

impl AlertName {
    /// Returns what kind of thing it is about.
    pub const fn concern(self) -> Concern {
        let cause = self.cause();
        match (self, cause.family, cause.reach) {
            (Self::CertificateUntrusted | Self::CertificateExpiring | Self::CertificateRequestsPending, ..) => {
                Concern::Certificates
            }
            (Self::CredentialsRefused | Self::TokenExpiring, ..) => Concern::Certificates,
            (Self::NodeNotReady | Self::NodeProblem | Self::NodeCordoned | Self::NodeDeleted, ..) => Concern::Nodes,
            (Self::SchedulerNoLeader | Self::ControllerManagerNoLeader | Self::ComponentDown, ..) => {
                Concern::ControlPlane
            }
            (Self::SchedulerStuck | Self::ControllersStuck | Self::AggregatedApiDown, ..) => Concern::ControlPlane,
            (_, Some(Family::Nodes), _) => Concern::Nodes,
            (_, None, Reach::Host) if cause.of_nodes => Concern::Nodes,
            (_, None, Reach::Host) => Concern::Served,
            _ => Concern::ControlPlane,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AlertName::*, *};

    #[test]
    fn what_each_is_about_follows_from_its_row() {
        for (name, concern) in [
            (NodesDown, Concern::Nodes),
            (KubeletDown, Concern::Nodes),
            (NodeNotReady, Concern::Nodes),
            (ClusterUnreachable, Concern::ControlPlane),
            (ControlPlaneHostDown, Concern::ControlPlane),
            (EtcdMemberDown, Concern::ControlPlane),
            (CheckFailing, Concern::Served),
            (RolloutFailing, Concern::Served),
            (Other, Concern::Served),
            (CertificateExpiring, Concern::Certificates),
        ] {
            assert_eq!(name.concern(), concern, "{name}");
        }
    }
}
