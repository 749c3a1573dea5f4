//! What discovery knows of the ways into a cluster.

use serde::{Deserialize, Serialize};

use super::NodeFact;

/// A host that a cluster serves to its users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Its name, in small letters.
    pub host: String,
    /// Where it is served.
    pub port: u16,
    /// With TLS.
    pub tls: bool,
    /// What says so: `Ingress shop/front`.
    pub of: String,
}

/// A NodePort behind which an ingress controller serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngressPort {
    /// The controller's Service: `ingress-nginx/ingress-nginx-controller`.
    pub service: String,
    /// It serves with TLS there.
    pub tls: bool,
    /// The port at each node's address.
    pub node_port: u16,
    /// The nodes that answer there, sorted, where not all do (`externalTrafficPolicy: Local`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Vec<String>>,
}

impl IngressPort {
    /// Returns whether this node answers there.
    pub fn is_served_by(&self, node: &NodeFact) -> bool {
        self.nodes.as_ref().is_none_or(|nodes| nodes.iter().any(|name| **name == *node.name))
    }
}
