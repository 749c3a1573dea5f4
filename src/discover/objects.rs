//! Kubernetes objects as far as discovery needs them: a node is some 15 kB of JSON, of which 300 bytes matter.
//!
//! What is odd in a field costs that field, as far as the rest has a meaning without it: a time of the year 9999, a port
//! that is none. Go's own reader takes them.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::hosts::LocalHosts;
use crate::model::ObservedLease;

/// The longest name (a DNS subdomain).
const NAME_MAX: usize = 253;
/// The longest mark that is kept of a lease: a time and a name of the longest kind.
const MARK_MAX: usize = 300;

/// Returns an age by the server's clock, never negative: `Date` has whole seconds only.
pub(super) fn age(renewed: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(renewed).max(SignedDuration::ZERO).unsigned_abs()
}

/// Reads a value for which `null` is as good as absent: Go writes it for empty slices.
pub(super) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Option::deserialize(d).map(Option::unwrap_or_default)
}

/// A time, or none where it is none that we can hold: Go's go on to the last second of 9999, ours end hours before.
fn time<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Timestamp>, D::Error> {
    /// A time where it stands: a node has half a dozen of them, and no copy of their text is needed.
    struct Time(Option<Timestamp>);
    struct Text;

    impl serde::de::Visitor<'_> for Text {
        type Value = Time;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a time")
        }

        fn visit_str<E>(self, text: &str) -> Result<Time, E> {
            Ok(Time(text.parse().ok()))
        }
    }

    impl<'de> Deserialize<'de> for Time {
        fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
            d.deserialize_str(Text)
        }
    }

    Ok(Option::<Time>::deserialize(d)?.and_then(|time| time.0))
}

/// A port, or 0 where it is none.
fn port<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u16>, D::Error> {
    Ok(Option::<i64>::deserialize(d)?.map(|n| u16::try_from(n).unwrap_or(0)))
}

/// A name as every object's is: part of a path (`IsValidPathSegmentName` of apimachinery) of up to [`NAME_MAX`] characters.
fn name<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    let name: String = nullable(d)?;
    let is_odd = |c: char| matches!(c, '/' | '%') || c.is_control() || c.is_whitespace();
    if name.len() > NAME_MAX || name == "." || name == ".." || name.contains(is_odd) {
        return Err(serde::de::Error::custom("no name of an object"));
    }
    Ok(name)
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Status {
    pub(super) message: String,
}

#[derive(Deserialize)]
pub(super) struct List<'a> {
    #[serde(default)]
    pub(super) metadata: ListMeta,
    /// Each by itself: one that is odd must not hide the others.
    #[serde(default, borrow)]
    pub(super) items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct ListMeta {
    #[serde(rename = "continue", deserialize_with = "nullable")]
    pub(super) next: String,
}

/// Of an item that can't be understood, its name.
#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) metadata: Name,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Name {
    pub(super) name: String,
}

/// Holds what an API server answers to those who ask for a table.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Table {
    kind: String,
    #[serde(default)]
    column_definitions: Vec<Name>,
    #[serde(default, deserialize_with = "nullable")]
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    cells: Vec<serde_json::Value>,
}

impl Table {
    /// Returns two columns by name; `None` where it is no table or has none of that name.
    pub(super) fn columns(self, names: [&str; 2]) -> Option<Vec<[String; 2]>> {
        let index = |name| self.column_definitions.iter().position(|c| c.name == name);
        let at = [index(names[0])?, index(names[1])?];
        let cell = |row: &Row, i: usize| Some(row.cells.get(i)?.as_str()?.to_owned());
        (self.kind == "Table").then_some(())?;
        self.rows.iter().map(|row| Some([cell(row, at[0])?, cell(row, at[1])?])).collect()
    }
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Meta {
    #[serde(deserialize_with = "name")]
    pub(super) name: String,
    #[serde(deserialize_with = "name")]
    pub(super) namespace: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) annotations: BTreeMap<String, String>,
    #[serde(deserialize_with = "time")]
    pub(super) creation_timestamp: Option<Timestamp>,
    pub(super) deletion_timestamp: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Node {
    pub(super) metadata: Meta,
    #[serde(deserialize_with = "nullable")]
    pub(super) spec: NodeSpec,
    #[serde(deserialize_with = "nullable")]
    pub(super) status: NodeStatus,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct NodeSpec {
    #[serde(deserialize_with = "nullable")]
    pub(super) unschedulable: bool,
    #[serde(deserialize_with = "nullable")]
    pub(super) taints: Vec<RawTaint>,
}

#[derive(Deserialize)]
pub(super) struct RawTaint {
    pub(super) key: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) effect: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct NodeStatus {
    #[serde(deserialize_with = "nullable")]
    pub(super) addresses: Vec<Address>,
    #[serde(deserialize_with = "nullable")]
    pub(super) daemon_endpoints: DaemonEndpoints,
    #[serde(deserialize_with = "nullable")]
    pub(super) node_info: NodeInfo,
    #[serde(deserialize_with = "nullable")]
    pub(super) conditions: Vec<Condition>,
}

#[derive(Deserialize)]
pub(super) struct Address {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) address: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct DaemonEndpoints {
    #[serde(deserialize_with = "nullable")]
    pub(super) kubelet_endpoint: KubeletEndpoint,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct KubeletEndpoint {
    #[serde(rename = "Port", deserialize_with = "port")]
    pub(super) port: Option<u16>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct NodeInfo {
    #[serde(deserialize_with = "nullable")]
    pub(super) kubelet_version: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) kernel_version: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) container_runtime_version: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) os_image: String,
}

/// A condition of a node or of an APIService.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) status: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) reason: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) message: String,
    #[serde(default, deserialize_with = "time")]
    pub(super) last_transition_time: Option<Timestamp>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Lease {
    pub(super) metadata: Meta,
    #[serde(deserialize_with = "nullable")]
    pub(super) spec: LeaseSpec,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct LeaseSpec {
    #[serde(deserialize_with = "nullable")]
    pub(super) holder_identity: String,
    #[serde(deserialize_with = "nullable")]
    lease_duration_seconds: i64,
    /// As it was written: whether it changes is what counts.
    renew_time: Option<String>,
}

impl Lease {
    /// Returns how long it holds.
    pub(super) fn duration(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.spec.lease_duration_seconds).unwrap_or(0))
    }

    /// Returns what it shows when it is read at `now` (ours), at `date` by the server's clock, after `before`. `None`:
    /// it was never taken.
    pub(super) fn sight(
        &self,
        before: Option<&ObservedLease>,
        date: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<ObservedLease> {
        let renewed = self.spec.renew_time.as_deref()?;
        let told = date.and_then(|date| Some(age(renewed.parse().ok()?, date)));
        let mut mark = format!("{renewed} {}", self.spec.holder_identity);
        if let Some((end, _)) = mark.char_indices().nth(MARK_MAX) {
            mark.truncate(end);
        }
        Some(ObservedLease::read(before, &mark, told, now))
    }
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
    #[serde(deserialize_with = "port")]
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
    /// Returns `host:port` of each address that may be asked.
    pub(super) fn places(&self, local: LocalHosts) -> Vec<String> {
        places(local, self.endpoints.iter().flat_map(|e| &e.addresses), &self.ports)
    }
}

impl Endpoints {
    /// Returns `host:port` of each address that may be asked, ready or not.
    pub(super) fn places(&self, local: LocalHosts) -> Vec<String> {
        let of = |s: &Subset| places(local, s.addresses.iter().chain(&s.not_ready_addresses).map(|a| &a.ip), &s.ports);
        self.subsets.iter().flat_map(of).collect()
    }
}

fn places<'a>(local: LocalHosts, hosts: impl Iterator<Item = &'a String>, ports: &[Port]) -> Vec<String> {
    let https = ports.iter().find(|p| p.name.as_deref() == Some("https")).or(ports.first());
    let Some(port) = https.and_then(|p| p.port).filter(|&port| port > 0) else { return Vec::new() };
    hosts.filter(|host| local.allow(host)).map(|host| super::targets::place(host, port)).collect()
}

#[cfg(test)]
mod tests;
