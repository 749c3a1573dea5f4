//! The Kubernetes API as far as discovery needs it: minimal types, paged lists, failover between API servers.

use std::{collections::BTreeMap, time::Duration};

use http::header::DATE;
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use tokio::time::Instant;
use url::Url;

use crate::{
    dial::{Answer, Ask, Auth, Dialer, Trust},
    model::{Failure, NodeCondition, NodeFact, Reason, Taint},
};

/// Objects per page.
const PAGE: usize = 500;
/// The most pages of one list: 20,000 nodes, four times what Kubernetes supports.
const PAGES_MAX: usize = 40;
/// The most bytes of one page: a node with many images is 40 KiB, so 500 of them stay below.
const PAGE_BYTES_MAX: usize = 32 << 20;
/// The kubelet's port where a node does not tell it.
const KUBELET_PORT: u16 = 10250;

/// Why a read failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadError {
    /// No API server gave a usable answer.
    Sick(String),
    /// 401 or 403.
    Forbidden(String),
    /// 404: this version does not have it, or the object is not there.
    NotFound,
    /// 410: the list has changed too much to go on paging.
    Gone,
}

/// Reads from the first API server that works; one that failed is not asked again by the same reader.
pub(super) struct Reader<'a> {
    dialer: &'a Dialer,
    servers: Vec<Url>,
    limit: Duration,
    failures: Vec<String>,
}

/// What was read, and the server's own time, where it told.
pub(super) struct Read<T> {
    pub(super) value: T,
    pub(super) date: Option<Timestamp>,
}

impl<'a> Reader<'a> {
    /// `servers` in the order of trial; `limit` is for each request.
    pub(super) fn new(dialer: &'a Dialer, mut servers: Vec<Url>, limit: Duration) -> Self {
        servers.reverse();
        Self { dialer, servers, limit, failures: Vec::new() }
    }

    /// One object.
    pub(super) async fn get<T: DeserializeOwned>(&mut self, path: &str, query: &str) -> Result<Read<T>, ReadError> {
        while let Some(server) = self.servers.last() {
            let mut url = server.clone();
            url.set_path(path);
            url.set_query(Some(query).filter(|q| !q.is_empty()));
            let place = url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
            match self.ask(url).await {
                Ok(answer) => match judge(&answer) {
                    Ok(value) => return Ok(Read { value, date: date(&answer) }),
                    Err(ReadError::Sick(why)) => self.failures.push(format!("{place}: {path}: {why}")),
                    Err(other) => return Err(other),
                },
                Err(failure) if failure.reason == Reason::Auth => return Err(ReadError::Forbidden(failure.message)),
                Err(failure) => self.failures.push(failure.message),
            }
            self.servers.pop();
        }
        Err(ReadError::Sick(self.failures.join("; ")))
    }

    async fn ask(&self, url: Url) -> Result<Answer, Failure> {
        let mut ask = Ask::get(url, Trust::Cluster, Auth::Cluster);
        ask.reuse = true;
        ask.max_bytes = PAGE_BYTES_MAX;
        self.dialer.exchange(ask, Instant::now() + self.limit).await.outcome
    }

    /// A whole list, page by page, each object made smaller by `keep`. A list that expires midway is begun anew, once.
    pub(super) async fn list<T: DeserializeOwned, K>(
        &mut self,
        path: &str,
        query: &str,
        keep: impl Fn(T) -> K,
    ) -> Result<Read<Vec<K>>, ReadError> {
        match self.pages(path, query, &keep).await {
            Err(ReadError::Gone) => match self.pages(path, query, &keep).await {
                Err(ReadError::Gone) => {
                    Err(ReadError::Sick(format!("{path}: the list expired twice while it was read")))
                }
                result => result,
            },
            result => result,
        }
    }

    async fn pages<T: DeserializeOwned, K>(
        &mut self,
        path: &str,
        query: &str,
        keep: &impl Fn(T) -> K,
    ) -> Result<Read<Vec<K>>, ReadError> {
        let mut all = Vec::new();
        let mut token = String::new();
        for _ in 0..PAGES_MAX {
            let mut pairs = url::form_urlencoded::Serializer::new(query.to_owned());
            pairs.append_pair("limit", &PAGE.to_string());
            if !token.is_empty() {
                pairs.append_pair("continue", &token);
            }
            let page: Read<List<T>> = self.get(path, &pairs.finish()).await?;
            all.extend(page.value.items.into_iter().map(keep));
            token = page.value.metadata.next;
            if token.is_empty() {
                return Ok(Read { value: all, date: page.date });
            }
        }
        Err(ReadError::Sick(format!("{path}: the list has more than {} objects", PAGES_MAX * PAGE)))
    }
}

fn judge<T: DeserializeOwned>(answer: &Answer) -> Result<T, ReadError> {
    let said = || {
        let status: Option<Status> = serde_json::from_slice(&answer.body).ok();
        let message: String = status.map(|s| s.message).unwrap_or_default().chars().take(200).collect();
        if message.is_empty() {
            format!("HTTP {}", answer.status)
        } else {
            format!("HTTP {}: {message}", answer.status)
        }
    };
    match answer.status {
        200 if answer.cut => Err(ReadError::Sick("the answer was cut off".to_owned())),
        // serde_json's own words may quote what was sent.
        200 => serde_json::from_slice(&answer.body)
            .map_err(|e| ReadError::Sick(format!("the answer can't be understood (line {})", e.line()))),
        401 | 403 => Err(ReadError::Forbidden(said())),
        404 => Err(ReadError::NotFound),
        410 => Err(ReadError::Gone),
        _ => Err(ReadError::Sick(said())),
    }
}

fn date(answer: &Answer) -> Option<Timestamp> {
    let text = answer.headers.get(DATE)?.to_str().ok()?;
    rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

/// An age by the server's clock, never negative: `Date` has whole seconds only.
pub(super) fn age(renewed: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(renewed).max(SignedDuration::ZERO).unsigned_abs()
}

/// `null` is as good as absent: Go writes it for empty slices.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Option::deserialize(d).map(Option::unwrap_or_default)
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    message: String,
}

#[derive(Deserialize)]
pub(super) struct List<T> {
    #[serde(default)]
    metadata: ListMeta,
    // `bound`: an empty list needs no default of its objects.
    #[serde(default = "Vec::new", deserialize_with = "nullable", bound(deserialize = "T: Deserialize<'de>"))]
    items: Vec<T>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ListMeta {
    #[serde(rename = "continue", deserialize_with = "nullable")]
    next: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) name: String,
    #[serde(deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
    deletion_timestamp: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Node {
    metadata: Meta,
    spec: NodeSpec,
    status: NodeStatus,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NodeSpec {
    unschedulable: bool,
    #[serde(deserialize_with = "nullable")]
    taints: Vec<RawTaint>,
}

#[derive(Deserialize)]
struct RawTaint {
    key: String,
    effect: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct NodeStatus {
    #[serde(deserialize_with = "nullable")]
    addresses: Vec<Address>,
    daemon_endpoints: DaemonEndpoints,
    node_info: NodeInfo,
    #[serde(deserialize_with = "nullable")]
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct Address {
    #[serde(rename = "type")]
    kind: String,
    address: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct DaemonEndpoints {
    kubelet_endpoint: KubeletEndpoint,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct KubeletEndpoint {
    #[serde(rename = "Port")]
    port: u16,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct NodeInfo {
    kubelet_version: String,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    reason: String,
}

impl From<Node> for NodeFact {
    fn from(node: Node) -> Self {
        const ROLES: [&str; 3] = [
            "node-role.kubernetes.io/control-plane",
            "node-role.kubernetes.io/master",
            "node-role.kubernetes.io/controlplane",
        ];
        let Node { metadata, spec, status } = node;
        let port = status.daemon_endpoints.kubelet_endpoint.port;
        Self {
            name: metadata.name.into(),
            addresses: preferred(status.addresses),
            kubelet_port: if port == 0 { KUBELET_PORT } else { port },
            version: status.node_info.kubelet_version,
            conditions: status
                .conditions
                .into_iter()
                .map(|c| NodeCondition { kind: c.kind, status: c.status, reason: c.reason })
                .collect(),
            unschedulable: spec.unschedulable,
            deleting: metadata.deletion_timestamp.is_some(),
            taints: spec.taints.into_iter().map(|t| Taint { key: t.key, effect: t.effect }).collect(),
            control_plane: ROLES.iter().any(|role| metadata.labels.contains_key(*role)),
            lease_age: None,
        }
    }
}

/// An API server's order, with addresses before names: a cluster's own names seldom resolve outside of it.
fn preferred(mut addresses: Vec<Address>) -> Vec<String> {
    const ORDER: [&str; 5] = ["InternalIP", "ExternalIP", "Hostname", "InternalDNS", "ExternalDNS"];
    addresses.sort_by_key(|a| ORDER.iter().position(|kind| *kind == a.kind).unwrap_or(ORDER.len()));
    let mut texts: Vec<String> = Vec::with_capacity(addresses.len());
    for address in addresses {
        if !address.address.is_empty() && !texts.contains(&address.address) {
            texts.push(address.address);
        }
    }
    texts
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Lease {
    pub(super) metadata: Meta,
    pub(super) spec: LeaseSpec,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct LeaseSpec {
    #[serde(deserialize_with = "nullable")]
    pub(super) holder_identity: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) lease_duration_seconds: u32,
    pub(super) renew_time: Option<Timestamp>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Slice {
    #[serde(deserialize_with = "nullable")]
    endpoints: Vec<SliceEndpoint>,
    #[serde(deserialize_with = "nullable")]
    ports: Vec<Port>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SliceEndpoint {
    #[serde(deserialize_with = "nullable")]
    addresses: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Port {
    name: Option<String>,
    port: Option<u16>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Endpoints {
    #[serde(deserialize_with = "nullable")]
    subsets: Vec<Subset>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Subset {
    #[serde(deserialize_with = "nullable")]
    addresses: Vec<SubsetAddress>,
    #[serde(deserialize_with = "nullable")]
    not_ready_addresses: Vec<SubsetAddress>,
    #[serde(deserialize_with = "nullable")]
    ports: Vec<Port>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SubsetAddress {
    ip: String,
}

impl Slice {
    /// `host:port` of each address.
    pub(super) fn places(&self) -> Vec<String> {
        places(self.endpoints.iter().flat_map(|e| &e.addresses), &self.ports)
    }
}

impl Endpoints {
    /// `host:port` of each address, ready or not.
    pub(super) fn places(&self) -> Vec<String> {
        let of = |s: &Subset| places(s.addresses.iter().chain(&s.not_ready_addresses).map(|a| &a.ip), &s.ports);
        self.subsets.iter().flat_map(of).collect()
    }
}

fn places<'a>(hosts: impl Iterator<Item = &'a String>, ports: &[Port]) -> Vec<String> {
    let https = ports.iter().find(|p| p.name.as_deref() == Some("https")).or(ports.first());
    let Some(port) = https.and_then(|p| p.port) else { return Vec::new() };
    hosts.map(|host| super::targets::place(host, port)).collect()
}

#[cfg(test)]
mod tests;
