//! What the watchdog asks of a cluster's API, and what it misses without each right: one list, from which it asks whether it
//! has them. Pure.

use serde_json::{Value, json};

use crate::discover::config::ClusterConfig;

/// Something that the watchdog does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// What it is about: `nodes`, `leases of nodes`.
    pub about: &'static str,
    /// What is missed without it.
    pub without: &'static str,
    /// The manifest that grants it.
    pub manifest: &'static str,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Path(&'static str),
    Resource { verb: &'static str, group: &'static str, resource: &'static str, namespace: String, name: String },
}

const RBAC: &str = "deploy/rbac.yaml";
const CANARY: &str = "deploy/canary-rbac.yaml";
const TOKEN: &str = "deploy/token-rbac.yaml";
const DRY_RUN: &str = "deploy/dry-run-rbac.yaml";

fn path(path: &'static str, without: &'static str) -> Right {
    Right { about: path, without, manifest: RBAC, what: What::Path(path) }
}

fn resource(
    about: &'static str,
    (verb, group, resource): (&'static str, &'static str, &'static str),
    (namespace, name): (&str, &str),
    without: &'static str,
) -> Right {
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    let what = What::Resource { verb, group, resource, namespace, name };
    Right { about, without, manifest: RBAC, what }
}

/// What a configuration asks of its cluster; `account` is whose token is renewed, by namespace and name.
pub fn needed(cluster: &ClusterConfig, account: Option<(&str, &str)>) -> Vec<Right> {
    let mut all = vec![
        path("/livez", "only whether an API server's port is open is known"),
        path("/readyz", "which part of an API server fails is not known"),
        resource("nodes", ("list", "", "nodes"), ("", ""), "no kubelet is watched"),
        resource(
            "API servers",
            ("list", "discovery.k8s.io", "endpointslices"),
            ("default", ""),
            "only the kubeconfig's own address is watched",
        ),
        resource(
            "reads through to etcd",
            ("get", "", "namespaces"),
            ("default", "default"),
            "only /readyz tells of etcd",
        ),
        resource(
            "leases of nodes",
            ("list", "coordination.k8s.io", "leases"),
            ("kube-node-lease", ""),
            "a node that died is not told from one that is out of reach",
        ),
        resource(
            "leases of API servers",
            ("list", "coordination.k8s.io", "leases"),
            ("kube-system", ""),
            "which API servers still say that they live is not known",
        ),
        resource(
            "aggregated APIs",
            ("list", "apiregistration.k8s.io", "apiservices"),
            ("", ""),
            "AggregatedApiDown is not told",
        ),
        resource(
            "certificate requests",
            ("list", "certificates.k8s.io", "certificatesigningrequests"),
            ("", ""),
            "CertificateRequestsPending is not told",
        ),
    ];
    all.extend(cluster.leads().into_iter().map(|lease| {
        let asked = ("get", "coordination.k8s.io", "leases");
        resource(lease, asked, ("kube-system", lease), "whether it has a leader is not known")
    }));
    if cluster.kubelet.enabled {
        all.push(resource(
            "kubelets' own health",
            ("get", "", "nodes/healthz"),
            ("", ""),
            "kubelets are known to live, and not whether they are well (before Kubernetes 1.33 it is nodes/proxy)",
        ));
    }
    if let Some(account) = account.filter(|_| cluster.renew_token) {
        let create = ("create", "", "serviceaccounts/token");
        let right = resource("a new token of our own", create, account, "our token ends and is not renewed");
        all.push(Right { manifest: TOKEN, ..right });
    }
    all.extend(optional(cluster));
    all.extend(of_canary(cluster));
    all
}

/// What the parts ask for that can be turned on and off.
fn optional(cluster: &ClusterConfig) -> Vec<Right> {
    let mut all = Vec::new();
    if cluster.scrape.is_some() {
        all.push(path("/metrics", "API servers are not scraped"));
        all.push(resource("metrics of kubelets", ("get", "", "nodes/metrics"), ("", ""), "kubelets are not scraped"));
    }
    if cluster.recorder.enabled {
        let mut watch = |about, group, kind| {
            let without = "`dogwatch state` does not know of them when the cluster is gone";
            all.push(resource(about, ("watch", group, kind), ("", ""), without));
        };
        watch("pods on record", "", "pods");
        watch("workloads on record", "apps", "deployments");
        watch("events on record", "events.k8s.io", "events");
    }
    if cluster.sites().is_some() {
        let mut list =
            |about, group, kind, without| all.push(resource(about, ("list", group, kind), ("", ""), without));
        let at_nodes = "sites are not asked at the NodePorts of the ingress";
        list("services", "", "services", at_nodes);
        list("endpoints of services", "discovery.k8s.io", "endpointslices", at_nodes);
        list("ingresses", "networking.k8s.io", "ingresses", "their hosts are not asked");
        for kind in ["gateways", "httproutes"] {
            list(kind, "gateway.networking.k8s.io", kind, "hosts of the Gateway API are not asked");
        }
    }
    all
}

fn of_canary(cluster: &ClusterConfig) -> Vec<Right> {
    let mut all = Vec::new();
    if let Some(dry_run) = &cluster.dry_run {
        let lease = ("create", "coordination.k8s.io", "leases");
        let right = resource("the dry run", lease, (&dry_run.namespace, ""), "the dry run fails");
        all.push(Right { manifest: DRY_RUN, ..right });
    }
    // With a kubeconfig of its own the canary has rights of its own, which these credentials can't ask about.
    if let Some(canary) = cluster.canary.as_ref().filter(|canary| canary.kubeconfig.is_none()) {
        let mut own = |about, group, kind| {
            let without = "this stage of the canary fails";
            let right = resource(about, ("create", group, kind), (&canary.namespace, ""), without);
            all.push(Right { manifest: CANARY, ..right });
        };
        if canary.lease.is_some() {
            own("the canary's lease", "coordination.k8s.io", "leases");
        }
        if let Some(pod) = canary.pod() {
            own("the canary's pod", "", "pods");
            if pod.service {
                own("the canary's service", "", "services");
            }
            if pod.storage_class.is_some() {
                own("the canary's volume", "", "persistentvolumeclaims");
            }
        }
    }
    all
}

impl Right {
    /// The question, as a SelfSubjectAccessReview (authorization.k8s.io/v1).
    pub fn review(&self) -> Value {
        let spec = match &self.what {
            What::Path(path) => json!({"nonResourceAttributes": {"verb": "get", "path": path}}),
            What::Resource { verb, group, resource, namespace, name } => {
                let (resource, sub) = resource.split_once('/').unwrap_or((resource, ""));
                json!({"resourceAttributes": {"verb": verb, "group": group, "resource": resource, "subresource": sub,
                    "namespace": namespace, "name": name}})
            }
        };
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec})
    }
}

/// Whether the API server says yes to it; `None`: it does not say.
pub fn allowed(answer: &[u8]) -> Option<bool> {
    serde_json::from_slice::<Value>(answer).ok()?["status"]["allowed"].as_bool()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The manifests in deploy grant all of it.
    #[test]
    fn every_right_is_in_its_manifest() {
        let mut cluster: ClusterConfig = serde_json::from_value(json!({
            "name": "prod", "renew_token": true, "scrape": {}, "discover": {"ingress": true},
            "canary": {"lease": {}, "pod": {"image": "x", "service": true, "storage_class": "fast"}},
        }))
        .unwrap();
        let read = |file: &str| std::fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let rights = needed(&cluster, Some(("dogwatch", "dogwatch")));
        assert!(rights.len() > 15, "{}", rights.len());
        for right in &rights {
            let manifest = read(right.manifest);
            let words = match &right.what {
                What::Path(path) => vec![*path],
                What::Resource { resource, namespace, .. } => {
                    let namespace = if namespace.is_empty() { "" } else { namespace.as_str() };
                    vec![*resource, namespace]
                }
            };
            for word in words {
                assert!(manifest.contains(word), "{word} of {} is not in {}", right.about, right.manifest);
            }
        }
        (cluster.scrape, cluster.canary, cluster.kubelet.enabled) = (None, None, false);
        assert!(needed(&cluster, None).len() < rights.len() - 5);
    }

    #[test]
    fn a_question_is_as_the_api_wants_it_and_its_answer_is_read() {
        let cluster = ClusterConfig { renew_token: true, ..ClusterConfig::named("prod") };
        let rights = needed(&cluster, Some(("dogwatch", "watch")));
        let find = |about: &str| rights.iter().find(|r| r.about == about).unwrap().review()["spec"].clone();
        assert_eq!(find("/livez"), json!({"nonResourceAttributes": {"verb": "get", "path": "/livez"}}));
        assert_eq!(
            find("kubelets' own health")["resourceAttributes"],
            json!({"verb": "get", "group": "", "resource": "nodes", "subresource": "healthz", "namespace": "", "name": ""})
        );
        assert_eq!(find("kube-scheduler")["resourceAttributes"]["name"], "kube-scheduler");
        assert_eq!(
            find("a new token of our own")["resourceAttributes"],
            json!({"verb": "create", "group": "", "resource": "serviceaccounts", "subresource": "token",
                "namespace": "dogwatch", "name": "watch"})
        );
        assert_eq!(allowed(br#"{"status": {"allowed": true}}"#), Some(true));
        assert_eq!(allowed(br#"{"status": {"allowed": false, "reason": "x"}}"#), Some(false));
        assert_eq!((allowed(b"{}"), allowed(b"<html>")), (None, None));
    }
}
