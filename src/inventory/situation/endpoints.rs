//! How many endpoints are ready behind each service.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{News, pair};

/// Names the service of an EndpointSlice (kubernetes.io/docs/reference/labels-annotations-taints).
pub(super) const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// All of a cluster.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    /// Each slice with its service and its ready endpoints.
    slices: BTreeMap<String, (String, usize)>,
    ready: BTreeMap<String, usize>,
    services: BTreeSet<String>,
}

impl Endpoints {
    pub(super) fn take(&mut self, news: &News<'_>) {
        match news.object.resource {
            "services" if news.is_gone => drop(self.services.remove(&news.key())),
            "services" => drop(self.services.insert(news.key())),
            "endpointslices" => self.slice(news),
            _ => {}
        }
    }

    fn slice(&mut self, news: &News<'_>) {
        let key = news.key();
        if let Some((service, ready)) = self.slices.remove(&key)
            && let Some(all) = self.ready.get_mut(&service)
        {
            *all = all.saturating_sub(ready);
            if *all == 0 {
                self.ready.remove(&service);
            }
        }
        let service = news.object.at(&["metadata", "labels"]).get(SERVICE_NAME).and_then(Value::as_str);
        let Some(service) = service.filter(|_| !news.is_gone) else { return };
        let service = pair(&news.object.namespace, service);
        // Not told means ready (discovery.k8s.io/v1, EndpointConditions).
        let ready = news.object.map(&["endpoints"]).filter(|(_, e)| e["conditions"]["ready"] != false).count();
        if ready > 0 {
            *self.ready.entry(service.clone()).or_default() += ready;
        }
        self.slices.insert(key, (service, ready));
    }

    /// How many are ready.
    pub(super) fn ready(&self, service: &str) -> usize {
        self.ready.get(service).copied().unwrap_or(0)
    }

    /// Whether there is such a service.
    pub(super) fn has(&self, service: &str) -> bool {
        self.services.contains(service)
    }
}
