//! What all pods of a cluster need: its DNS, the pods' network, the addresses of services, the way in.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{Moment, News, Source, bursts::Bursts, endpoints::Endpoints};
use crate::{
    inventory::{object::Object, tables::replicas},
    model::{AddonFact, AddonRole, Situation},
};

/// The service that pods ask for names, whoever serves it (kubernetes/dns/blob/master/docs/specification.md says that it is
/// kept under this name).
const DNS_SERVICE: &str = "kube-system/kube-dns";

/// Names by which they are known, as they stand in `k8s-app`, `app`, `app.kubernetes.io/name`, or as the object is called.
const KNOWN: [(&str, AddonRole); 30] = [
    ("kube-dns", AddonRole::Dns),
    ("coredns", AddonRole::Dns),
    ("rke2-coredns-rke2-coredns", AddonRole::Dns),
    ("dns-default", AddonRole::Dns),
    ("calico-node", AddonRole::Network),
    ("canal", AddonRole::Network),
    ("cilium", AddonRole::Network),
    ("flannel", AddonRole::Network),
    ("kube-flannel-ds", AddonRole::Network),
    ("kube-router", AddonRole::Network),
    ("weave-net", AddonRole::Network),
    ("antrea-agent", AddonRole::Network),
    ("aws-node", AddonRole::Network),
    ("azure-cns", AddonRole::Network),
    ("ovnkube-node", AddonRole::Network),
    ("kube-ovn-cni", AddonRole::Network),
    ("kindnet", AddonRole::Network),
    ("kube-proxy", AddonRole::ServiceProxy),
    ("ingress-nginx", AddonRole::Ingress),
    ("ingress-nginx-controller", AddonRole::Ingress),
    ("nginx-ingress", AddonRole::Ingress),
    ("traefik", AddonRole::Ingress),
    ("haproxy-ingress", AddonRole::Ingress),
    ("kubernetes-ingress", AddonRole::Ingress),
    ("contour", AddonRole::Ingress),
    ("envoy", AddonRole::Ingress),
    ("kong", AddonRole::Ingress),
    ("istio-ingressgateway", AddonRole::Ingress),
    ("istio-ingress", AddonRole::Ingress),
    ("router-default", AddonRole::Ingress),
];
/// Those that may be of any application are addons in these namespaces alone.
const OWN_NAMESPACES: [&str; 7] =
    ["kube-system", "ingress-nginx", "traefik", "projectcontour", "kong", "istio-system", "istio-ingress"];

/// One of them.
#[derive(Debug)]
struct Addon {
    role: AddonRole,
    kind: &'static str,
    ready: u64,
    wanted: u64,
    images: String,
    /// Since when fewer are ready than are wanted, or none.
    since: Option<Timestamp>,
    changed: Option<(Timestamp, String)>,
}

/// All of a cluster.
#[derive(Debug, Default)]
pub(super) struct Addons(BTreeMap<String, Addon>);

impl Addons {
    pub(super) fn take(&mut self, news: &News<'_>) {
        let object = news.object;
        if object.resource != "deployments" && object.resource != "daemonsets" {
            return;
        }
        let Some(role) = role(object) else { return };
        let key = news.key();
        let before = self.0.remove(&key);
        if news.is_gone {
            // Who deletes it takes its work away; who replaces it makes another one.
            if news.source == Source::Seen && role == AddonRole::Dns {
                let images = object.images().join(", ");
                let changed = Some((news.at, "deleted".to_owned()));
                let gone =
                    Addon { role, kind: object.kind, ready: 0, wanted: 0, images, since: Some(news.at), changed };
                self.0.insert(key, gone);
            }
            return;
        }
        let (ready, wanted, _) = replicas(object);
        let images = object.images().join(", ");
        let is_short = ready < wanted || ready == 0;
        let since = before.as_ref().and_then(|b| b.since).unwrap_or(news.at);
        let mut changed = before.as_ref().and_then(|b| b.changed.clone());
        if let Some(before) = before.filter(|_| news.source == Source::Seen) {
            let images_changed = (before.images != images).then(|| format!("its image became {images}"));
            let is_scaled = before.wanted != wanted && object.resource == "deployments";
            let scaled = is_scaled.then(|| format!("it was scaled from {} to {wanted}", before.wanted));
            let words: Vec<String> = images_changed.into_iter().chain(scaled).collect();
            if !words.is_empty() {
                changed = Some((news.at, words.join(" and ")));
            }
        }
        let since = is_short.then_some(since);
        self.0.insert(key, Addon { role, kind: object.kind, ready, wanted, images, since, changed });
    }

    pub(super) fn fill(&self, moment: &Moment<'_>, endpoints: &Endpoints, bursts: &Bursts, into: &mut Situation) {
        if !moment.knows(&["deployments", "daemonsets", "services", "endpointslices"]) {
            return;
        }
        for (key, addon) in &self.0 {
            let has_service = addon.role == AddonRole::Dns && endpoints.has(DNS_SERVICE);
            into.addons.push(AddonFact {
                role: addon.role,
                kind: addon.kind,
                key: key.clone(),
                ready: addon.ready,
                wanted: addon.wanted,
                is_replaced: addon.ready == 0 && (!has_service || endpoints.ready(DNS_SERVICE) > 0),
                since: addon.since,
                images: addon.images.clone(),
                changed: addon.changed.clone(),
                memory_kills: bursts.memory_kills(addon.kind, key),
            });
        }
        // What is not the cluster's DNS has no service by which to know that something else took its place.
        into.addons.iter_mut().filter(|a| a.role != AddonRole::Dns).for_each(|a| a.is_replaced = a.wanted == 0);
    }
}

fn role(object: &Object) -> Option<AddonRole> {
    if !OWN_NAMESPACES.contains(&object.namespace.as_str())
        && !object.namespace.starts_with("kube-")
        && !object.namespace.starts_with("openshift-")
        && !object.namespace.starts_with("calico-")
    {
        return None;
    }
    let labels = object.at(&["metadata", "labels"]);
    let named =
        ["k8s-app", "app.kubernetes.io/name", "app"].into_iter().filter_map(|l| labels.get(l).and_then(Value::as_str));
    let known = |name: &str| KNOWN.iter().find(|(known, _)| *known == name).map(|(_, role)| *role);
    // An operator or a typha bears the label of what it runs, and is not it.
    let is_helper = ["operator", "autoscaler", "admission", "webhook", "default-backend", "typha", "controllers"]
        .iter()
        .any(|word| object.name.contains(word));
    if is_helper {
        return None;
    }
    let role = known(&object.name).or_else(|| named.filter_map(known).next())?;
    // The pods' network and the service proxy are on each node, else they are something else.
    let is_on_nodes = object.resource == "daemonsets";
    let fits = match role {
        AddonRole::Network | AddonRole::ServiceProxy => is_on_nodes,
        AddonRole::Dns | AddonRole::Ingress => true,
    };
    fits.then_some(role)
}
