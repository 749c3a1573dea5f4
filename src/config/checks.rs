//! The checks that a configuration gives, written there or found by what it asks for.

use std::{collections::BTreeSet, sync::Arc};

use super::Config;
use crate::{
    check::{
        config::{self, CheckConfig},
        sites::SiteTerms,
    },
    discover::config::ClusterConfig,
    model::{CHECKS, Target},
};

impl Config {
    /// The names under which targets are shown and diagnosed: the clusters, and what stands for checks without one.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        let of_none = self.checks.iter().any(|check| check.cluster().is_none()).then_some(CHECKS);
        self.clusters.iter().map(|c| c.name.as_str()).chain(of_none)
    }

    /// The targets that its checks are, each with what it asks.
    pub fn check_targets(&self) -> Vec<(Target, Arc<CheckConfig>)> {
        let labels = self.clusters.iter().map(|c| (c.name.as_str(), &c.labels)).collect();
        config::targets(&self.checks, &labels, (self.defaults.interval, self.defaults.timeout))
    }

    /// Returns whether a check is made where the ingress controllers of this cluster serve.
    pub fn asks_ingress(&self, cluster: &ClusterConfig) -> bool {
        let of_it = self.checks.iter().filter(|check| check.cluster() == Some(&cluster.name));
        cluster.sites().is_some() || of_it.into_iter().any(CheckConfig::is_at_ingress)
    }

    /// Returns how the sites of a cluster are asked, where they are.
    pub fn site_terms(&self, cluster: &ClusterConfig) -> Option<SiteTerms> {
        let discover = cluster.sites()?;
        let interval = discover.interval.unwrap_or(self.defaults.interval);
        let of_it = self.checks.iter().filter(|check| check.group() == cluster.name);
        let taken: BTreeSet<String> = of_it.flat_map(CheckConfig::takes).collect();
        Some(SiteTerms {
            cluster: cluster.name.clone(),
            labels: cluster.labels.clone(),
            interval,
            timeout: discover.timeout.unwrap_or(self.defaults.timeout).min(interval),
            severity: discover.severity,
            tls_config: discover.tls_config.clone(),
            taken,
        })
    }
}
