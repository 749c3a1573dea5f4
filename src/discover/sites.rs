//! Hosts that a cluster serves to its users: of Ingresses, and of the Gateway API's HTTPRoutes.
//!
//! Read where the configuration asks for it, seldom, and never needed. Whoever may write an Ingress chooses the host that is
//! asked: only names are taken that are names, of a bounded number.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    api::{Listed, ReadError, Reader},
    config::DiscoverConfig,
    hosts::LocalHosts,
    objects::{Meta, nullable},
};
use crate::model::{CheckName, LeftOut, Site};

/// Hosts of one cluster that are asked: each is a probe every few seconds, and a series for each thing that it tells. Those that sort
/// first stay; what is left out is counted.
pub const HOSTS_MAX: usize = 200;
/// So many of those left out are named.
const LEFT_OUT_NAMED: usize = 20;
const HTTP: u16 = 80;
const HTTPS: u16 = 443;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Ingress {
    metadata: Meta,
    #[serde(deserialize_with = "nullable")]
    spec: IngressSpec,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct IngressSpec {
    #[serde(deserialize_with = "nullable")]
    rules: Vec<Rule>,
    #[serde(deserialize_with = "nullable")]
    tls: Vec<Tls>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Rule {
    #[serde(deserialize_with = "nullable")]
    host: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Tls {
    #[serde(deserialize_with = "nullable")]
    hosts: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Gateway {
    metadata: Meta,
    #[serde(deserialize_with = "nullable")]
    spec: GatewaySpec,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct GatewaySpec {
    #[serde(deserialize_with = "nullable")]
    listeners: Vec<Listener>,
}

#[derive(Clone, Deserialize, Default)]
#[serde(default)]
struct Listener {
    name: String,
    protocol: String,
    port: i64,
    #[serde(deserialize_with = "nullable")]
    hostname: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Route {
    metadata: Meta,
    #[serde(deserialize_with = "nullable")]
    spec: RouteSpec,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RouteSpec {
    #[serde(deserialize_with = "nullable")]
    hostnames: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    parent_refs: Vec<Parent>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Parent {
    #[serde(deserialize_with = "nullable")]
    namespace: String,
    name: String,
    #[serde(deserialize_with = "nullable")]
    section_name: String,
}

/// Whether a name of a certificate, or of a listener, covers a host.
fn covers(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(domain) => host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain)),
        None => pattern.eq_ignore_ascii_case(host),
    }
}

/// The hosts of an Ingress; those that it has a certificate for are asked with TLS.
fn of_ingress(ingress: Ingress) -> Vec<Site> {
    let Ingress { metadata, spec } = ingress;
    let of = format!("Ingress {}/{}", metadata.namespace, metadata.name);
    let has_tls = |host: &str| {
        spec.tls.iter().any(|tls| tls.hosts.is_empty() || tls.hosts.iter().any(|pattern| covers(pattern, host)))
    };
    let one = |rule: &Rule| {
        let tls = has_tls(&rule.host);
        Site { host: rule.host.to_ascii_lowercase(), port: if tls { HTTPS } else { HTTP }, tls, of: of.clone() }
    };
    spec.rules.iter().filter(|rule| !rule.host.is_empty()).map(one).collect()
}

/// The listeners of all Gateways, by `namespace/name`.
type Listeners = BTreeMap<String, Vec<Listener>>;

/// The hosts of a route, at the listeners that it is attached to: with TLS where one of them has it.
fn of_route(route: &Route, listeners: &Listeners) -> Vec<Site> {
    let Route { metadata, spec } = route;
    let of = format!("HTTPRoute {}/{}", metadata.namespace, metadata.name);
    let attached: Vec<&Listener> = spec
        .parent_refs
        .iter()
        .flat_map(|parent| {
            let namespace = if parent.namespace.is_empty() { &metadata.namespace } else { &parent.namespace };
            let all = listeners.get(&format!("{namespace}/{}", parent.name)).map(Vec::as_slice).unwrap_or_default();
            let section = &parent.section_name;
            all.iter().filter(move |l| section.is_empty() || l.name == *section)
        })
        .filter(|l| matches!(l.protocol.as_str(), "HTTP" | "HTTPS"))
        .collect();
    // A route without hosts takes those of its listeners.
    let hosts: Vec<&String> = match spec.hostnames.is_empty() {
        true => attached.iter().map(|l| &l.hostname).collect(),
        false => spec.hostnames.iter().collect(),
    };
    let one = |host: &&String| {
        let fits = |l: &&&Listener| l.hostname.is_empty() || covers(&l.hostname, host) || covers(host, &l.hostname);
        let listener = attached.iter().filter(fits).max_by_key(|l| l.protocol == "HTTPS")?;
        let port = u16::try_from(listener.port).ok().filter(|port| *port > 0)?;
        Some(Site { host: host.to_ascii_lowercase(), port, tls: listener.protocol == "HTTPS", of: of.clone() })
    };
    hosts.iter().filter(|host| !host.is_empty()).filter_map(one).collect()
}

/// Hosts of Ingresses.
pub(super) async fn of_ingresses(reader: &mut Reader<'_>) -> Result<Listed<Site>, ReadError> {
    Ok(reader.list("/apis/networking.k8s.io/v1/ingresses", "", of_ingress).await?.joined())
}

/// Hosts of HTTPRoutes. A cluster without the Gateway API has none.
pub(super) async fn of_routes(reader: &mut Reader<'_>) -> Result<Listed<Site>, ReadError> {
    const API: &str = "/apis/gateway.networking.k8s.io/v1";
    let of_gateway = |g: Gateway| (format!("{}/{}", g.metadata.namespace, g.metadata.name), g.spec.listeners);
    let gateways = reader.list(&format!("{API}/gateways"), "", of_gateway).await?;
    let listeners: Listeners = gateways.items.into_iter().collect();
    let routes = reader.list(&format!("{API}/httproutes"), "", |route: Route| of_route(&route, &listeners)).await?;
    Ok(routes.joined())
}

/// Each host once, sorted, without those that can't or shall not be asked. What is left out is said, but what the configuration
/// leaves out.
pub(super) fn chosen(read: Listed<Site>, config: &DiscoverConfig, local: LocalHosts) -> Listed<Site> {
    let mut hosts: BTreeMap<String, Site> = BTreeMap::new();
    let mut left_out = Vec::new();
    let mut leave_out = |site: &Site, why: &str| {
        left_out.push(LeftOut { name: site.host.clone(), why: format!("{why} ({})", site.of) });
    };
    let mut all = read.items.clone();
    // Of two with one host that with TLS.
    all.sort_by(|a, b| (&a.host, !a.tls, a.port).cmp(&(&b.host, !b.tls, b.port)));
    for site in all.into_iter().filter(|site| !config.leaves_out(&site.host)) {
        if site.host.contains('*') {
            leave_out(&site, "it stands for many hosts, and names none that could be asked");
        } else if !local.allow(&site.host) || !CheckName::fits(&site.host) {
            leave_out(&site, "it is no host that is asked");
        } else if hosts.len() < HOSTS_MAX || hosts.contains_key(&site.host) {
            hosts.entry(site.host.clone()).or_insert(site);
        } else {
            leave_out(&site, &format!("only {HOSTS_MAX} hosts of a cluster are asked: exclude some"));
        }
    }
    let mut chosen = read.replaced(hosts.into_values().collect());
    chosen.left_out_count += left_out.len();
    let room = LEFT_OUT_NAMED.saturating_sub(chosen.left_out.len());
    chosen.left_out.extend(left_out.into_iter().take(room));
    chosen
}

#[cfg(test)]
mod tests;
