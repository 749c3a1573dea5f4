//! Where something runs: a pod with its node, volumes and services; or all pods of an image, an address or a node.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::Value;

use super::{
    object::{Object, Objects},
    tables::pod_status,
};

/// The kinds that are read for it.
pub const KINDS: [&str; 7] =
    ["nodes", "pods", "services", "replicasets", "persistentvolumeclaims", "ingresses", "endpointslices"];

/// A pod and what stands around it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Place {
    /// `namespace/name`.
    pub pod: String,
    /// As `kubectl get pods` calls it.
    pub status: String,
    /// Its address.
    pub ip: String,
    /// Its node; empty: none yet.
    pub node: String,
    /// The node's zone, as its label says.
    pub zone: String,
    /// Whether the node is ready, as the API last told.
    pub node_ready: bool,
    /// Who made it, from near to far: `ReplicaSet/api-5d8`, `Deployment/api`.
    pub owners: Vec<String>,
    /// What it is made of.
    pub images: Vec<String>,
    /// Its claims, each with its volume.
    pub volumes: Vec<String>,
    /// Services that lead to it.
    pub services: Vec<String>,
    /// Host names that lead to these.
    pub hosts: Vec<String>,
}

/// Returns the pods that a word means: `pod/NAME`, `node/NAME`, `image/PART`, `ip/ADDRESS`, or any of these without its
/// kind. Empty: there is nothing of that name.
pub fn find(word: &str, objects: &Objects) -> Vec<Place> {
    let (how, what) = match word.split_once('/') {
        Some((how @ ("pod" | "pods" | "node" | "nodes" | "image" | "ip"), what)) => (how.trim_end_matches('s'), what),
        _ => ("", word),
    };
    let all = |kind: &str| objects.get(kind).map_or(&[] as &[Object], Vec::as_slice);
    let pods = all("pods");
    let of = |is: &dyn Fn(&Object) -> bool| -> Vec<&Object> { pods.iter().filter(|pod| is(pod)).collect() };
    let by_name = || of(&|pod| pod.name == what || pod.key() == what);
    let by_node = || of(&|pod| pod.text(&["spec", "nodeName"]) == what);
    let by_image = || of(&|pod| pod.images().iter().any(|image| image.contains(what)));
    let by_address = || {
        let is_node = |node: &str| {
            all("nodes")
                .iter()
                .any(|n| n.name == node && n.map(&["status", "addresses"]).any(|(_, a)| a["address"] == what))
        };
        let behind: Vec<String> = services_of_address(all("services"), what);
        of(&|pod| {
            pod.text(&["status", "podIP"]) == what
                || pod.map(&["status", "podIPs"]).any(|(ip, _)| ip == what)
                || is_node(pod.text(&["spec", "nodeName"]))
                || services(pod, all("services")).iter().any(|service| behind.contains(&service.key()))
        })
    };
    let found = match how {
        "pod" => by_name(),
        "node" => by_node(),
        "image" => by_image(),
        "ip" => by_address(),
        _ if what.parse::<IpAddr>().is_ok() => by_address(),
        _ => [by_name(), by_node(), by_image()].into_iter().find(|found| !found.is_empty()).unwrap_or_default(),
    };
    found.into_iter().map(|pod| place(pod, objects)).collect()
}

fn services_of_address(services: &[Object], ip: &str) -> Vec<String> {
    let has = |s: &&Object| {
        let outside = s.at(&["status", "loadBalancer", "ingress"]).as_array().into_iter().flatten();
        s.text(&["spec", "clusterIP"]) == ip || outside.into_iter().any(|b| b["ip"] == ip)
    };
    services.iter().filter(has).map(Object::key).collect()
}

/// The services whose selector a pod's labels satisfy.
fn services<'a>(pod: &Object, services: &'a [Object]) -> Vec<&'a Object> {
    let labels = pod.at(&["metadata", "labels"]);
    let selects = |service: &&Object| {
        let mut wanted = service.map(&["spec", "selector"]).peekable();
        service.namespace == pod.namespace
            && wanted.peek().is_some()
            && wanted.all(|(name, value)| labels.get(name) == Some(value))
    };
    services.iter().filter(selects).collect()
}

fn place(pod: &Object, objects: &Objects) -> Place {
    let all = |kind: &str| objects.get(kind).map_or(&[] as &[Object], Vec::as_slice);
    let name = pod.text(&["spec", "nodeName"]);
    let node = all("nodes").iter().find(|node| node.name == name);
    let mut owners: Vec<String> = pod.owner().map(|(kind, name)| format!("{kind}/{name}")).into_iter().collect();
    if let Some(("ReplicaSet", set)) = pod.owner() {
        let set = all("replicasets").iter().find(|s| s.namespace == pod.namespace && s.name == set);
        owners.extend(set.and_then(Object::owner).map(|(kind, name)| format!("{kind}/{name}")));
    }
    let volume = |claim: &str| {
        let claims = all("persistentvolumeclaims").iter();
        let found = claims.into_iter().find(|c| c.namespace == pod.namespace && c.name == claim);
        match found.map(|c| c.text(&["spec", "volumeName"])).filter(|v| !v.is_empty()) {
            Some(volume) => format!("{claim} ({volume})"),
            None => claim.to_owned(),
        }
    };
    let services = services(pod, all("services"));
    let leads = |route: &&Object| {
        route.namespace == pod.namespace
            && route.map(&["spec", "rules"]).any(|(_, rule)| {
                let paths = rule["http"]["paths"].as_object().into_iter().flatten();
                paths.into_iter().any(|(_, p)| services.iter().any(|s| p["backend"]["service"]["name"] == *s.name))
            })
    };
    let zone = node.map(|n| n.at(&["metadata", "labels", "topology.kubernetes.io/zone"])).and_then(Value::as_str);
    Place {
        pod: pod.key(),
        status: pod_status(pod),
        ip: pod.text(&["status", "podIP"]).to_owned(),
        node: name.to_owned(),
        zone: zone.unwrap_or_default().to_owned(),
        node_ready: node.is_some_and(Object::is_ready),
        owners,
        images: pod.images().into_iter().map(str::to_owned).collect(),
        volumes: pod.claims().into_iter().map(volume).collect(),
        hosts: all("ingresses").iter().filter(leads).flat_map(super::tables::hosts).collect(),
        services: services.iter().map(|s| s.name.clone()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::object::made, *};

    fn objects() -> Objects {
        let all = [
            made(
                "nodes",
                "w1",
                json!({"metadata": {"labels": {"topology.kubernetes.io/zone": "z1"}},
                "status": {"conditions": {"Ready": {"status": "True"}}, "addresses": {"InternalIP": {"address": "10.0.0.9"}}}}),
            ),
            made(
                "pods",
                "shop/api-1",
                json!({"metadata": {"labels": {"app": "api"},
                    "ownerReferences": {"api-5d": {"kind": "ReplicaSet", "controller": true}}},
                "spec": {"nodeName": "w1", "containers": {"c": {"image": "r/api:2"}},
                    "volumes": {"d": {"persistentVolumeClaim": {"claimName": "data"}}}},
                "status": {"phase": "Running", "podIP": "10.1.0.5"}}),
            ),
            made(
                "pods",
                "shop/db-0",
                json!({"spec": {"containers": {"c": {"image": "r/db:1"}}}, "status": {"phase": "Pending"}}),
            ),
            made("services", "shop/api", json!({"spec": {"clusterIP": "10.96.0.7", "selector": {"app": "api"}}})),
            made("services", "shop/none", json!({"spec": {"clusterIP": "None"}})),
            made(
                "replicasets",
                "shop/api-5d",
                json!({"metadata": {"ownerReferences": {"api": {"kind": "Deployment", "controller": true}}}}),
            ),
            made("persistentvolumeclaims", "shop/data", json!({"spec": {"volumeName": "pv-1"}})),
            made(
                "ingresses",
                "shop/web",
                json!({"spec": {"rules": {"shop.example.org": {"http": {"paths":
                {"/": {"backend": {"service": {"name": "api"}}}}}}}}}),
            ),
        ];
        let mut objects = Objects::new();
        all.into_iter().for_each(|o| objects.entry(o.resource).or_default().push(o));
        objects
    }

    #[test]
    fn a_pod_is_found_by_name_address_image_node_and_service() {
        let objects = objects();
        for word in [
            "pod/api-1",
            "api-1",
            "shop/api-1",
            "pod/shop/api-1",
            "10.1.0.5",
            "ip/10.96.0.7",
            "10.0.0.9",
            "image/api:2",
            "r/api",
            "node/w1",
            "w1",
        ] {
            let found: Vec<_> = find(word, &objects).into_iter().map(|p| p.pod).collect();
            assert_eq!(found, ["shop/api-1"], "{word}");
        }
        for word in ["pod/api", "10.9.9.9", "node/w2", "nothing"] {
            assert!(find(word, &objects).is_empty(), "{word}");
        }
    }

    #[test]
    fn all_that_stands_around_a_pod_is_told() {
        let place = find("api-1", &objects()).remove(0);
        assert_eq!((place.node.as_str(), place.zone.as_str(), place.node_ready), ("w1", "z1", true));
        assert_eq!(place.owners, ["ReplicaSet/api-5d", "Deployment/api"]);
        assert_eq!((place.volumes, place.services), (vec!["data (pv-1)".to_owned()], vec!["api".to_owned()]));
        assert_eq!(place.hosts, ["shop.example.org"]);
    }
}
