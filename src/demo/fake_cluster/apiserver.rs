//! A kube-apiserver 1.20: health pages, the version, and the few objects that a watchdog reads.
//!
//! Every object comes from etcd: without quorum a read hangs until the real one's timeout, or until quorum is back.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use serde_json::{Value, json};

use super::{
    SIZE,
    exchange::{Reply, Request},
    health::{self, Check, passing},
    world::{Role, World},
};

/// The check of etcd gives up after this long.
const ETCD_CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// A read through to etcd gives up after this long.
const READ_TIMEOUT: Duration = Duration::from_secs(14);

const VERSION: &str = "v1.20.2";

/// Checks after `ping`, `log` and `etcd`, on both pages.
const HOOKS: [&str; 19] = [
    "poststarthook/start-kube-apiserver-admission-initializer",
    "poststarthook/generic-apiserver-start-informers",
    "poststarthook/priority-and-fairness-config-consumer",
    "poststarthook/priority-and-fairness-filter",
    "poststarthook/start-apiextensions-informers",
    "poststarthook/start-apiextensions-controllers",
    "poststarthook/crd-informer-synced",
    "poststarthook/bootstrap-controller",
    "poststarthook/rbac/bootstrap-roles",
    "poststarthook/scheduling/bootstrap-system-priority-classes",
    "poststarthook/priority-and-fairness-config-producer",
    "poststarthook/start-cluster-authentication-info-controller",
    "poststarthook/aggregator-reload-proxy-client-cert",
    "poststarthook/start-kube-aggregator-informers",
    "poststarthook/apiservice-registration-controller",
    "poststarthook/apiservice-status-available-controller",
    "poststarthook/kube-apiserver-autoregistration",
    "autoregister-completion",
    "poststarthook/apiservice-openapi-controller",
];

/// A node's name.
pub fn node_name(i: usize) -> String {
    format!("node-{}", i + 1)
}

/// The answer of any of the API servers.
pub async fn answer(world: &World, request: &Request) -> Reply {
    match request.path.as_str() {
        "/livez" | "/readyz" | "/healthz" => health_page(world, request).await,
        "/version" => Reply::json(200, &version()),
        path if !path.starts_with("/api") => {
            status(404, "NotFound", "the server could not find the requested resource")
        }
        _ if !request.known => status(401, "Unauthorized", "Unauthorized"),
        path => {
            if tokio::time::timeout(READ_TIMEOUT, world.quorum_is(true)).await.is_err() {
                return status(500, "", "etcdserver: request timed out");
            }
            object(world, path, request)
        }
    }
}

async fn health_page(world: &World, request: &Request) -> Reply {
    let name = request.path.trim_start_matches('/');
    let asks_etcd = !request.parameters("exclude").any(|e| e == "etcd");
    let etcd = Check {
        name: "etcd",
        ok: !asks_etcd || tokio::time::timeout(ETCD_CHECK_TIMEOUT, world.quorum_is(true)).await.is_ok(),
    };
    let ready = name == "readyz";
    let mut checks = vec![passing("ping"), passing("log"), etcd];
    checks.extend(ready.then(|| passing("informer-sync")));
    checks.extend(HOOKS.map(passing));
    checks.extend(ready.then(|| passing("shutdown")));
    health::page(name, &checks, request)
}

fn version() -> Value {
    json!({
        "major": "1",
        "minor": "20",
        "gitVersion": VERSION,
        "gitCommit": "faecb196815e248d3ecfb03c680a4507229c2a56",
        "gitTreeState": "clean",
        "buildDate": "2021-01-13T13:20:00Z",
        "goVersion": "go1.15.5",
        "compiler": "gc",
        "platform": "linux/amd64",
    })
}

fn status(code: u16, reason: &str, message: &str) -> Reply {
    let mut status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "code": code,
    });
    if !reason.is_empty() {
        status["reason"] = json!(reason);
    }
    Reply::json(code, &status)
}

fn object(world: &World, path: &str, request: &Request) -> Reply {
    const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/";
    if let Some(items) = world.list(path) {
        return Reply::json(200, &list(world, "v1", "List", items, request));
    }
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match segments.as_slice() {
        ["api", "v1", "namespaces", "default"] => Reply::json(200, &namespace(world)),
        ["api", "v1", "namespaces", "default", "endpoints", "kubernetes"] => Reply::json(200, &endpoints(world)),
        ["apis", "discovery.k8s.io", "v1beta1", "namespaces", "default", "endpointslices"] => {
            Reply::json(200, &list(world, "discovery.k8s.io/v1beta1", "EndpointSliceList", slices(world), request))
        }
        ["api", "v1", "nodes"] => {
            let nodes = (0..SIZE).map(|i| node(world, i)).collect();
            Reply::json(200, &list(world, "v1", "NodeList", nodes, request))
        }
        ["api", "v1", "nodes", name] => one((0..SIZE).map(|i| node(world, i)), name, "nodes"),
        ["api", "v1", "nodes", name, "proxy", "healthz"] => match (0..SIZE).any(|i| node_name(i) == *name) {
            true => health::kubelet_page(request),
            false => not_found("nodes", name),
        },
        [.., "leases"] if path == format!("{LEASES}kube-node-lease/leases") => {
            Reply::json(200, &list(world, "coordination.k8s.io/v1", "LeaseList", node_leases(world), request))
        }
        [.., "leases"] if path == format!("{LEASES}kube-system/leases") => {
            Reply::json(200, &list(world, "coordination.k8s.io/v1", "LeaseList", leader_leases(world), request))
        }
        [.., name] if path == format!("{LEASES}kube-node-lease/leases/{name}") => {
            one(node_leases(world).into_iter(), name, "leases")
        }
        [.., name] if path == format!("{LEASES}kube-system/leases/{name}") => {
            one(leader_leases(world).into_iter(), name, "leases")
        }
        _ => status(404, "NotFound", "the server could not find the requested resource"),
    }
}

fn not_found(resource: &str, name: &str) -> Reply {
    status(404, "NotFound", &format!("{resource} {name:?} not found"))
}

fn one(mut objects: impl Iterator<Item = Value>, name: &str, resource: &str) -> Reply {
    match objects.find(|o| o["metadata"]["name"] == name) {
        Some(object) => Reply::json(200, &object),
        None => not_found(resource, name),
    }
}

/// A list with `limit` and `continue`; the token is the number of objects already given.
fn list(world: &World, version: &str, kind: &str, items: Vec<Value>, request: &Request) -> Value {
    let number = |name| request.parameter(name).and_then(|v| v.parse::<usize>().ok());
    let from = number("continue").unwrap_or(0);
    let limit = number("limit").filter(|n| *n > 0).unwrap_or(items.len());
    let left = items.len().saturating_sub(from.saturating_add(limit));
    let mut metadata = json!({"resourceVersion": world.revision().to_string()});
    if left > 0 {
        metadata["continue"] = json!((from + limit).to_string());
        metadata["remainingItemCount"] = json!(left);
    }
    let items: Vec<Value> = items.into_iter().skip(from).take(limit).collect();
    json!({"kind": kind, "apiVersion": version, "metadata": metadata, "items": items})
}

fn metadata(world: &World, name: &str, namespace: Option<&str>) -> Value {
    let mut metadata = json!({
        "name": name,
        "resourceVersion": world.revision().to_string(),
        "creationTimestamp": seconds(world.started()),
    });
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    metadata
}

fn namespace(world: &World) -> Value {
    json!({
        "kind": "Namespace", "apiVersion": "v1", "metadata": metadata(world, "default", None),
        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
    })
}

/// The API servers' addresses by port: one port where the defaults were free.
fn by_port(world: &World) -> BTreeMap<u16, Vec<IpAddr>> {
    let mut ports: BTreeMap<u16, Vec<IpAddr>> = BTreeMap::new();
    for i in 0..SIZE {
        let address = world.address(Role::ApiServer(i));
        ports.entry(address.port()).or_default().push(address.ip());
    }
    ports
}

fn endpoints(world: &World) -> Value {
    let subset = |(port, addresses): (u16, Vec<IpAddr>)| {
        json!({
            "addresses": addresses.iter().map(|ip| json!({"ip": ip})).collect::<Vec<_>>(),
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        })
    };
    json!({
        "kind": "Endpoints", "apiVersion": "v1", "metadata": metadata(world, "kubernetes", Some("default")),
        "subsets": by_port(world).into_iter().map(subset).collect::<Vec<_>>(),
    })
}

fn slices(world: &World) -> Vec<Value> {
    let slice = |(port, addresses): (u16, Vec<IpAddr>)| {
        let mut metadata = metadata(world, &format!("kubernetes-{port}"), Some("default"));
        metadata["labels"] = json!({"kubernetes.io/service-name": "kubernetes"});
        json!({
            "metadata": metadata,
            "addressType": "IPv4",
            "endpoints": addresses
                .iter()
                .map(|ip| json!({"addresses": [ip], "conditions": {"ready": true}}))
                .collect::<Vec<_>>(),
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        })
    };
    by_port(world).into_iter().map(slice).collect()
}

fn node(world: &World, i: usize) -> Value {
    let name = node_name(i);
    let address = world.address(Role::Kubelet(i));
    let heartbeat = seconds(world.renewed(Duration::from_secs(10), offset(i)));
    let condition = |kind: &str, status: &str, reason: &str| {
        json!({
            "type": kind, "status": status, "reason": reason,
            "lastHeartbeatTime": heartbeat, "lastTransitionTime": seconds(world.started()),
        })
    };
    let mut metadata = metadata(world, &name, None);
    metadata["labels"] = json!({"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"});
    json!({
        "metadata": metadata,
        "spec": {},
        "status": {
            "conditions": [
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID"),
                condition("Ready", "True", "KubeletReady"),
            ],
            "addresses": [{"type": "InternalIP", "address": address.ip()}, {"type": "Hostname", "address": name}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": address.port()}},
            "nodeInfo": {
                "kubeletVersion": VERSION, "kubeProxyVersion": VERSION, "osImage": "Debian GNU/Linux 12 (bookworm)",
                "containerRuntimeVersion": "containerd://1.6.20", "operatingSystem": "linux", "architecture": "amd64",
            },
        },
    })
}

fn node_leases(world: &World) -> Vec<Value> {
    let lease = |i: usize| {
        let name = node_name(i);
        json!({
            "metadata": metadata(world, &name, Some("kube-node-lease")),
            "spec": {
                "holderIdentity": name,
                "leaseDurationSeconds": 40,
                "renewTime": micros(world.renewed(Duration::from_secs(10), offset(i))),
            },
        })
    };
    (0..SIZE).map(lease).collect()
}

fn leader_leases(world: &World) -> Vec<Value> {
    let lease = |(i, name): (usize, &str)| {
        json!({
            "metadata": metadata(world, name, Some("kube-system")),
            "spec": {
                "holderIdentity": format!("control-plane-{}_0d60469d-6876-48e4-9f62-c74b45a712d9", world.holder() + 1),
                "leaseDurationSeconds": 15,
                "acquireTime": micros(world.started()),
                "renewTime": micros(world.renewed(Duration::from_secs(2), offset(i))),
                "leaseTransitions": world.holder(),
            },
        })
    };
    ["kube-controller-manager", "kube-scheduler"].into_iter().enumerate().map(lease).collect()
}

fn offset(i: usize) -> Duration {
    Duration::from_millis(u64::try_from(i).unwrap_or(0) * 700)
}

/// `metav1.Time`.
fn seconds(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `metav1.MicroTime`.
fn micros(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}
