//! At which NodePorts the ingress controllers of a cluster serve: by the labels that their Services have.
//!
//! Read where a check asks for it, seldom, and never needed: who may not read it is told so and goes on.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{
    api::{Listed, ReadError, Reader},
    objects::{Meta, nullable},
};
use crate::model::IngressPort;

/// Services of ingress controllers and gateways: label selectors, as the products' own manifests and charts have them.
///
/// The first is `app.kubernetes.io/name` of ingress-nginx, NGINX' own, Traefik, HAProxy's two, Contour, Kong, APISIX, Emissary,
/// Skipper and NGINX Gateway Fabric; then the Services that follow from a Gateway (GEP-1762), Envoy Gateway's, Istio's and Cilium's.
const SELECTORS: [&str; 5] = [
    "app.kubernetes.io%2Fname+in+(ingress-nginx,nginx-ingress,traefik,haproxy-ingress,kubernetes-ingress,haproxy,contour,kong,\
     apisix,emissary-ingress,skipper-ingress,nginx-gateway-fabric,nginx-gateway)",
    "gateway.networking.k8s.io%2Fgateway-name",
    "gateway.envoyproxy.io%2Fowning-gateway-name",
    "istio%3Dingressgateway",
    "cilium.io%2Fingress%3Dtrue",
];
/// Controllers have a handful of Services; more NodePorts than this are no help to anybody.
const PORTS_MAX: usize = 32;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Service {
    metadata: Meta,
    #[serde(deserialize_with = "nullable")]
    spec: Spec,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    #[serde(rename = "type")]
    kind: String,
    external_traffic_policy: String,
    #[serde(deserialize_with = "nullable")]
    ports: Vec<Port>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Port {
    name: String,
    port: i64,
    node_port: i64,
    protocol: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Slice {
    #[serde(deserialize_with = "nullable")]
    endpoints: Vec<Endpoint>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Endpoint {
    #[serde(deserialize_with = "nullable")]
    node_name: String,
    #[serde(deserialize_with = "nullable")]
    conditions: Conditions,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Conditions {
    ready: Option<bool>,
}

/// A Service with the NodePorts at which it serves, and whether only nodes with a pod of it answer.
struct Controller {
    namespace: String,
    name: String,
    ports: Vec<(bool, u16)>,
    is_local: bool,
}

/// Returns whether a port is one of HTTP with TLS, or of HTTP without; `None`: it serves no sites (metrics, an admission webhook, a
/// page for administrators).
fn tls(port: &Port) -> Option<bool> {
    match (port.port, port.name.to_ascii_lowercase().as_str()) {
        _ if !matches!(port.protocol.as_str(), "" | "TCP") => None,
        (443, _) | (_, "https" | "websecure" | "tls") => Some(true),
        (80, _) | (_, "http" | "web" | "http2") => Some(false),
        _ => None,
    }
}

/// `None`: nothing of it is to be had at a node's address.
fn controller(service: Service) -> Option<Controller> {
    let Service { metadata, spec } = service;
    let is_outside = matches!(spec.kind.as_str(), "NodePort" | "LoadBalancer") && metadata.deletion_timestamp.is_none();
    let one = |port: &Port| Some((tls(port)?, u16::try_from(port.node_port).ok().filter(|port| *port > 0)?));
    let ports: Vec<(bool, u16)> = spec.ports.iter().filter_map(one).collect();
    (is_outside && !ports.is_empty()).then(|| Controller {
        namespace: metadata.namespace,
        name: metadata.name,
        ports,
        is_local: spec.external_traffic_policy == "Local",
    })
}

/// NodePorts of ingress controllers, sorted.
pub(super) async fn ports(reader: &mut Reader<'_>) -> Result<Listed<IngressPort>, ReadError> {
    let mut all = Listed::of(Vec::new());
    for selector in SELECTORS {
        let query = format!("labelSelector={selector}");
        let read = reader.list("/api/v1/services", &query, controller).await?.flatten();
        all.left_out_count += read.left_out_count;
        all.left_out.extend(read.left_out);
        for Controller { namespace, name, ports, is_local } in read.items {
            let service = format!("{namespace}/{name}");
            if all.items.iter().any(|known: &IngressPort| known.service == service) {
                continue;
            }
            let nodes = if is_local { Some(serving(reader, &namespace, &name).await?) } else { None };
            let port =
                |(tls, node_port)| IngressPort { service: service.clone(), tls, node_port, nodes: nodes.clone() };
            all.items.extend(ports.into_iter().map(port));
        }
    }
    all.items.sort_by(|a, b| (&a.service, a.node_port).cmp(&(&b.service, b.node_port)));
    all.left_out_count += all.items.len().saturating_sub(PORTS_MAX);
    all.items.truncate(PORTS_MAX);
    Ok(all)
}

/// The nodes on which a Service has a pod that is ready, sorted.
async fn serving(reader: &mut Reader<'_>, namespace: &str, name: &str) -> Result<Vec<String>, ReadError> {
    let path = format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices");
    let query = format!("labelSelector=kubernetes.io%2Fservice-name%3D{name}");
    let nodes = |slice: Slice| {
        let ready = slice.endpoints.into_iter().filter(|e| e.conditions.ready != Some(false));
        ready.map(|e| e.node_name).filter(|name| !name.is_empty()).collect::<Vec<_>>()
    };
    let read = reader.list(&path, &query, nodes).await?;
    Ok(read.items.into_iter().flatten().collect::<BTreeSet<_>>().into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controllers_ports_are_those_for_sites() {
        let check = |service: &str, expected: &[(bool, u16)]| {
            let found = controller(serde_json::from_str(service).unwrap());
            assert_eq!(found.map(|c| c.ports).unwrap_or_default(), expected, "{service}");
        };
        check(
            r#"{"spec": {"type": "LoadBalancer", "ports": [{"name": "http", "port": 80, "nodePort": 30080, "protocol": "TCP"},
                {"name": "https", "port": 443, "nodePort": 30443}, {"name": "http3", "port": 443, "nodePort": 30444, "protocol": "UDP"},
                {"name": "metrics", "port": 9100, "nodePort": 30910}]}}"#,
            &[(false, 30080), (true, 30443)],
        );
        check(
            r#"{"spec": {"type": "NodePort", "ports": [{"name": "websecure", "port": 8443, "nodePort": 31443}]}}"#,
            &[(true, 31443)],
        );
        // The admission webhook; a load balancer that goes to pods by itself; one that is about to go.
        check(r#"{"spec": {"type": "ClusterIP", "ports": [{"port": 443, "targetPort": "webhook"}]}}"#, &[]);
        check(r#"{"spec": {"type": "LoadBalancer", "ports": [{"port": 443, "nodePort": 0}]}}"#, &[]);
        check(
            r#"{"metadata": {"deletionTimestamp": "2026-11-23T06:00:00Z"}, "spec": {"type": "NodePort", "ports": [{"port": 443, "nodePort": 30443}]}}"#,
            &[],
        );
        check(r#"{"spec": null}"#, &[]);
    }
}
