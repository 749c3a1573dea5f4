//! Checks that nobody wrote: each site that a cluster serves, and its ingress at every node, held against what is outside.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde_json::json;

use super::{config::CheckConfig, is_free, nodes::NodesConfig};
use crate::{
    dial::TlsFiles,
    model::{AtNodes, ClusterSnapshot, Severity, Site, Target, at_nodes},
};

/// What the site's own program says is its own matter (a login, nothing at `/`); what stands before it says 5xx.
const WELL: &str = "100..499";
/// The check of a site at the NodePorts of the ingress, by either name.
const AT_NODES: [&str; 2] = ["ingress", "ingress-nodes"];

/// How the sites of one cluster are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteTerms {
    /// The cluster.
    pub cluster: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Time between two probes.
    pub interval: Duration,
    /// Deadline of one.
    pub timeout: Duration,
    /// Of their alarms.
    pub severity: Severity,
    /// Who must have signed their certificates.
    pub tls_config: TlsFiles,
    /// Names of the cluster's checks in the configuration, and hosts that these ask: they are left to them.
    pub taken: BTreeSet<String>,
}

/// A target with what it asks.
pub type Asked = (Target, Arc<CheckConfig>);

impl SiteTerms {
    /// Returns the targets that follow from what a cluster serves.
    pub fn targets(&self, snapshot: &ClusterSnapshot) -> Vec<Asked> {
        let sites: Vec<&Site> =
            snapshot.sites.iter().filter(|s| !self.taken.contains(&s.host) && is_free(&s.host)).collect();
        let mut all: Vec<Asked> = sites
            .iter()
            .enumerate()
            .filter_map(|(place, site)| self.target(self.check(&site.host, site)?, place))
            .collect();
        all.extend(self.at_nodes(&sites, snapshot));
        all
    }

    /// One site at the NodePorts of the ingress that serves it: what fails outside and answers there fails before the cluster. It
    /// counts where it has ever answered: NodePorts may well be shut towards the watchdog.
    fn at_nodes(&self, sites: &[&Site], snapshot: &ClusterSnapshot) -> Vec<Asked> {
        let is_served = |site: &&&Site| snapshot.ingress_ports.iter().any(|port| port.tls == site.tls);
        let name =
            AT_NODES.into_iter().find(|name| !self.taken.contains(*name) && sites.iter().all(|s| s.host != *name));
        let (Some(site), Some(name)) = (sites.iter().find(is_served), name) else { return Vec::new() };
        let Some(mut check) = self.check(name, site) else { return Vec::new() };
        check.nodes = Some(NodesConfig::ingress());
        check.depends_on = vec![site.host.clone()];
        let Some((target, check)) = self.target(check, sites.len()) else { return Vec::new() };
        debug_assert!(target.spec.check().is_some_and(|t| matches!(t.nodes, Some(AtNodes::Ingress { .. }))));
        at_nodes(&Target { guessed: true, ..target }, snapshot)
            .into_iter()
            .map(|target| (target, check.clone()))
            .collect()
    }

    fn check(&self, name: &str, site: &Site) -> Option<CheckConfig> {
        let (scheme, usual) = if site.tls { ("https", 443) } else { ("http", 80) };
        let port = if site.port == usual { String::new() } else { format!(":{}", site.port) };
        let http =
            json!({"url": format!("{scheme}://{}{port}/", site.host), "status": WELL, "follow_redirects": false});
        let mut check: CheckConfig = serde_json::from_value(json!({"name": name, "http": http})).ok()?;
        check.http.as_mut()?.tls_config.clone_from(&self.tls_config);
        (check.cluster, check.severity) = (Some(self.cluster.clone()), self.severity);
        Some(check)
    }

    /// `None` where its host can't be a name.
    fn target(&self, check: CheckConfig, place: usize) -> Option<Asked> {
        // After all that somebody has written.
        let place = place.saturating_add(super::config::CHECKS_MAX);
        Some((check.target(place, &self.labels, (self.interval, self.timeout))?, Arc::new(check)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{IngressPort, NodeFact};

    #[test]
    fn what_a_cluster_serves_is_checked_but_what_somebody_checks_already() {
        let site = |host: &str, port, tls| Site { host: host.into(), port, tls, of: "Ingress a/b".into() };
        let node = NodeFact { name: "n1".into(), addresses: vec!["10.0.0.1".into()], ..NodeFact::default() };
        let port = IngressPort { service: "a/b".into(), tls: true, node_port: 30443, nodes: None };
        let snapshot = ClusterSnapshot {
            sites: vec![site("a.test", 80, false), site("b.test", 8443, true), site("c.test", 443, true)],
            ingress_ports: vec![port],
            nodes: vec![node],
            ..ClusterSnapshot::default()
        };
        let mut terms = SiteTerms {
            cluster: "prod".into(),
            labels: BTreeMap::new(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            severity: Severity::Warning,
            tls_config: TlsFiles::default(),
            taken: BTreeSet::new(),
        };
        let told = |terms: &SiteTerms| {
            let line = |(target, check): &Asked| format!("{} {} {}", target.key, check.at(), target.guessed);
            terms.targets(&snapshot).iter().map(line).collect::<Vec<_>>()
        };
        assert_eq!(
            told(&terms),
            [
                "prod/a.test/a.test:80 http://a.test/ false",
                "prod/b.test/b.test:8443 https://b.test:8443/ false",
                "prod/c.test/c.test:443 https://c.test/ false",
                "prod/ingress/10.0.0.1:30443 https://b.test:8443/ true",
            ]
        );
        terms.taken = ["b.test".to_owned(), "ingress".to_owned(), "ingress-nodes".to_owned()].into();
        assert_eq!(told(&terms).len(), 2);
    }
}
