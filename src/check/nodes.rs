//! `nodes:` of a check: at which port of every node of its cluster it is made.

use serde::{Deserialize, Serialize};

use super::prober::Prober;
use crate::model::AtNodes;

/// `nodes:` of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodesConfig {
    /// The port at each node's address, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// … or the NodePorts of the cluster's ingress controllers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<IngressConfig>,
}

/// `ingress:` of `nodes:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum IngressConfig {
    /// All controllers that the cluster has.
    All(bool),
    /// The one with this Service: `namespace/name`.
    Of(String),
}

impl NodesConfig {
    /// Returns: where all ingress controllers serve.
    pub(super) fn ingress() -> Self {
        Self { port: None, ingress: Some(IngressConfig::All(true)) }
    }

    fn is_of_ingress(&self) -> bool {
        self.ingress.as_ref().is_some_and(|ingress| *ingress != IngressConfig::All(false))
    }

    /// Returns where a check of this kind is made; `None` where that can't be, which [`Self::problem`] tells.
    pub(super) fn at(&self, kind: &dyn Prober) -> Option<AtNodes> {
        if !self.is_of_ingress() {
            return self.port.map(AtNodes::Port);
        }
        let service = match &self.ingress {
            Some(IngressConfig::Of(service)) => Some(service.clone()),
            _ => None,
        };
        Some(AtNodes::Ingress { tls: kind.ingress_tls()?, service })
    }

    /// Returns what is wrong with it: the key and why.
    pub(super) fn problem(&self, kind: &dyn Prober) -> Option<(&'static str, &'static str)> {
        let is_service = |text: &String| text.split('/').count() == 2 && text.split('/').all(|part| !part.is_empty());
        match (&self.ingress, self.port) {
            _ if self.is_of_ingress() == self.port.is_some() => Some((".nodes", "give port, or ingress: true")),
            (_, Some(0)) => Some((".nodes.port", "must be from 1 to 65535")),
            (Some(IngressConfig::Of(service)), _) if !is_service(service) => {
                Some((".nodes.ingress", "write true, or the Service of one controller like ingress-nginx/controller"))
            }
            (Some(_), None) if kind.ingress_tls().is_none() => {
                Some((".nodes.ingress", "an ingress serves http, websocket, tls and grpc: name the port of others"))
            }
            _ => None,
        }
    }
}
