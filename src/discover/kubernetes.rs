//! What a working API server tells of its cluster: nodes, API server endpoints, leases.
//!
//! Reads only what is needed, in pages, with structs of its own (a node is some 15 kB of JSON of which 300 bytes matter).
//! Asks the advertised server first, then every known endpoint, so that one dead API server does not blind it. What
//! can't be read stays as it was; a node is dropped only when a full list lacks it.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use url::Url;

use super::{endpoints, objects};
use crate::{
    clock::Clock,
    dial::{Answer, Ask, Auth, Dialer, Trust},
    model::{ClusterSnapshot, Failure, LeaseFact, NodeFact, Reason},
};

/// What to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Full,
    /// Leases only.
    Leases,
}

/// Objects of one page: client-go's default.
const PAGE: usize = 500;
/// Pages of one list: 100,000 nodes are no cluster, but a server that goes in circles.
const PAGES_MAX: usize = 200;
/// Bytes of one page: 500 nodes with many images and labels are about 10 MB.
const PAGE_BYTES_MAX: usize = 48 << 20;
/// One request, from DNS to the last byte.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// The first request to a server: one that hangs must not keep us from the others.
const FIRST_LIMIT: Duration = Duration::from_secs(3);

/// A list as every API answers it.
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct List<T> {
    #[serde(default)]
    metadata: ListMeta,
    #[serde(default)]
    items: Vec<T>,
}

#[derive(Default, Deserialize)]
struct ListMeta {
    #[serde(default, rename = "continue")]
    next: String,
}

/// A list that has been read whole, with the server's clock at its first page.
struct Whole<T> {
    items: Vec<T>,
    server_time: Timestamp,
}

/// Reads what `scope` says and gives the new snapshot; a failure is told in its `error`, with the old data kept.
pub async fn read(dialer: &Dialer, previous: &ClusterSnapshot, scope: Scope, clock: &Clock) -> ClusterSnapshot {
    let mut last = None;
    for (i, server) in servers(dialer, previous).into_iter().enumerate() {
        let reader = Reader { dialer, server, clock, first: i == 0 || last.is_some() };
        match reader.read(previous, scope).await {
            Ok(snapshot) => return snapshot,
            Err(failure) => {
                // A refusal is the same at every server; only what may be one server's own trouble is tried elsewhere.
                let everywhere = failure.reason == Reason::Auth;
                last.get_or_insert(failure);
                if everywhere {
                    break;
                }
            }
        }
    }
    let error = last.map_or_else(|| "no API server is known".to_string(), |f| f.message);
    ClusterSnapshot { error: Some(error), ..previous.clone() }
}

fn servers(dialer: &Dialer, known: &ClusterSnapshot) -> Vec<Url> {
    let mut servers = vec![dialer.server()];
    for address in &known.apiserver_endpoints {
        if let Ok(url) = Url::parse(&format!("https://{address}"))
            && !servers.contains(&url)
        {
            servers.push(url);
        }
    }
    servers
}

struct Reader<'a> {
    dialer: &'a Dialer,
    server: Url,
    clock: &'a Clock,
    first: bool,
}

impl Reader<'_> {
    async fn read(&self, previous: &ClusterSnapshot, scope: Scope) -> Result<ClusterSnapshot, Failure> {
        let mut snapshot = ClusterSnapshot { error: None, ..previous.clone() };
        if scope == Scope::Full {
            let nodes: Whole<objects::Node> = self.list("/api/v1/nodes").await?;
            let mut nodes: Vec<NodeFact> = nodes.items.into_iter().filter_map(objects::Node::into_fact).collect();
            nodes.sort_by(|a, b| a.name.cmp(&b.name));
            let listed = self.endpoints().await?;
            let now = self.clock.wall();
            snapshot.missing_endpoints = endpoints::missing(previous, &listed, &nodes, now);
            for node in &mut nodes {
                node.lease_age = previous.nodes.iter().find(|n| n.name == node.name).and_then(|n| n.lease_age);
            }
            (snapshot.nodes, snapshot.apiserver_endpoints, snapshot.read_at) = (nodes, listed, Some(now));
        }
        match self.leases(&mut snapshot).await {
            Ok(()) => snapshot.leases_at = Some(self.clock.wall()),
            // Everything else works without leases; the RBAC manifest says what they are for.
            Err(f) if f.reason == Reason::Auth => snapshot.error = Some(format!("leases can't be read: {}", f.message)),
            Err(f) => return Err(f),
        }
        Ok(snapshot)
    }

    async fn endpoints(&self) -> Result<Vec<String>, Failure> {
        let (answer, _) = self.get("/api/v1/namespaces/default/endpoints/kubernetes").await?;
        let read: objects::Endpoints = self.parse("endpoints of default/kubernetes", &answer)?;
        Ok(read.addresses())
    }

    async fn leases(&self, snapshot: &mut ClusterSnapshot) -> Result<(), Failure> {
        const NODES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
        const LEADERS: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
        let leases: Whole<objects::Lease> = self.list(NODES).await?;
        let ages: std::collections::HashMap<String, Duration> =
            leases.items.iter().filter_map(|l| Some((l.name().to_string(), l.age(leases.server_time)?))).collect();
        for node in &mut snapshot.nodes {
            node.lease_age = ages.get(&*node.name).copied();
        }
        let mut leaders = Vec::new();
        for name in ["kube-controller-manager", "kube-scheduler"] {
            match self.get(&format!("{LEADERS}/{name}")).await {
                Ok((answer, server_time)) if answer.status == 200 => {
                    let lease: objects::Lease = self.parse("a leader lease", &answer)?;
                    leaders.extend(lease.into_leader(server_time));
                }
                // A managed control plane shows none, or an old one keeps it elsewhere.
                Ok(_) => {}
                Err(failure) => return Err(failure),
            }
        }
        let kept: Vec<LeaseFact> = leaders;
        snapshot.leaders = kept;
        Ok(())
    }

    async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Whole<T>, Failure> {
        // A continue token may expire midway (410 Gone): then once more from the start.
        match self.pages(path).await? {
            Some(whole) => Ok(whole),
            None => self.pages(path).await?.ok_or_else(|| {
                Failure::new(Reason::HttpStatus, format!("the list {path} changes faster than it can be read"))
            }),
        }
    }

    async fn pages<T: DeserializeOwned>(&self, path: &str) -> Result<Option<Whole<T>>, Failure> {
        let mut whole: Option<Whole<T>> = None;
        let mut next = String::new();
        for _ in 0..PAGES_MAX {
            let token: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
            let page = match next.is_empty() {
                true => format!("{path}?limit={PAGE}"),
                false => format!("{path}?limit={PAGE}&continue={token}"),
            };
            let (answer, server_time) = self.get(&page).await?;
            if answer.status == 410 {
                return Ok(None);
            }
            let list: List<T> = self.parse(path, &answer)?;
            let whole = whole.get_or_insert(Whole { items: Vec::new(), server_time });
            whole.items.extend(list.items);
            next = list.metadata.next;
            if next.is_empty() {
                break;
            }
        }
        if !next.is_empty() {
            return Err(Failure::new(Reason::Body, format!("the list {path} does not end")));
        }
        Ok(whole)
    }

    /// One request; 200, 404 and 410 are answers, everything else is a failure in words.
    async fn get(&self, path: &str) -> Result<(Answer, Timestamp), Failure> {
        let url = self
            .server
            .join(path)
            .map_err(|e| Failure::new(Reason::Body, format!("{path} of {} is no URL: {e}", self.server)))?;
        let limit = if self.first { FIRST_LIMIT.max(REQUEST_LIMIT / 2) } else { REQUEST_LIMIT };
        let ask = Ask { max_bytes: PAGE_BYTES_MAX, reuse: true, ..Ask::get(url, Trust::Cluster, Auth::Cluster) };
        let exchange = self.dialer.exchange(ask, self.clock.mono() + limit).await;
        let answer = exchange.outcome?;
        let said = || objects::status_message(&answer.body);
        match answer.status {
            200 | 404 | 410 => {}
            status @ (401 | 403) => {
                return Err(Failure::new(Reason::Auth, format!("{path}: HTTP {status}{}", said())));
            }
            status => return Err(Failure::new(Reason::HttpStatus, format!("{path}: HTTP {status}{}", said()))),
        }
        if answer.cut {
            return Err(Failure::new(Reason::Body, format!("{path}: the answer was cut")));
        }
        let server_time = answer
            .headers
            .get(http::header::DATE)
            .and_then(|v| v.to_str().ok())
            .and_then(objects::http_date)
            .unwrap_or_else(|| self.clock.wall());
        Ok((answer, server_time))
    }

    fn parse<T: DeserializeOwned>(&self, what: &str, answer: &Answer) -> Result<T, Failure> {
        if answer.status != 200 {
            let said = objects::status_message(&answer.body);
            return Err(Failure::new(Reason::HttpStatus, format!("{what}: HTTP {}{said}", answer.status)));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|e| Failure::new(Reason::Body, format!("{what}: not what an API server says: {e}")))
    }
}

/// Node names are shared by everything that is made from a snapshot.
pub(super) type Name = Arc<str>;
