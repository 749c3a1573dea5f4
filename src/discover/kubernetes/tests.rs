mod found;
mod leases;

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Response, header::DATE};
use http_body_util::Full;
use serde_json::{Value, json};

use super::*;
use crate::dial::{
    DialConfig,
    testing::{Authority, Clients, Server, kubeconfig, plain_dialer, status, tls_config, write},
};
use crate::model::ObservedLease;

/// The server's clock; ours is far from it.
const SERVER_DATE: &str = "Mon, 23 Nov 2026 12:00:00 GMT";

/// The servers of these tests are on this machine.
fn local() -> LocalHosts {
    LocalHosts::of(&"https://127.0.0.1".parse().unwrap(), false)
}

fn asked<'a>(leads: &'a [&'a str]) -> Asked<'a> {
    Asked { leads, local: local(), ingress_ports: true, sites: None }
}

const LEADS: [&str; 2] = ["kube-scheduler", "kube-controller-manager"];

/// What the pretended API server holds.
#[derive(Clone)]
struct Api {
    nodes: Vec<&'static str>,
    endpoints: Vec<&'static str>,
    /// `(path prefix, HTTP status)` of what fails.
    failing: Vec<(&'static str, u16)>,
    slices: bool,
    /// How many second pages are answered with 410.
    gone: Arc<AtomicUsize>,
    /// Pages even where no limit is asked for.
    always_pages: bool,
    /// The node list breaks off.
    cut: bool,
    /// Answers with tables to those who ask for them.
    tables: bool,
    /// What is answered instead of a default to a path.
    instead: Vec<(&'static str, Value)>,
    renewed: &'static str,
}

impl Api {
    fn new(nodes: &[&'static str], endpoints: &[&'static str]) -> Self {
        let (nodes, endpoints) = (nodes.to_vec(), endpoints.to_vec());
        Self {
            nodes,
            endpoints,
            failing: Vec::new(),
            slices: true,
            gone: Arc::default(),
            always_pages: false,
            cut: false,
            tables: false,
            instead: Vec::new(),
            renewed: "2026-11-23T11:59:20.5Z",
        }
    }

    fn answer(&self, path_and_query: &str) -> Response<Full<Bytes>> {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        if let Some((_, code)) = self.failing.iter().find(|(prefix, _)| path.starts_with(prefix)) {
            return status(*code, json!({"kind": "Status", "message": "said the server"}).to_string());
        }
        if let Some((_, instead)) = self.instead.iter().find(|(p, _)| path == *p) {
            return dated(instead);
        }
        let body = match path {
            "/api/v1/nodes" if query.starts_with("includeObject=None") && !self.tables => return status(406, "{}"),
            "/api/v1/nodes" if query.starts_with("includeObject=None") => {
                let rows: Vec<Value> = self.nodes.iter().map(|n| json!({"cells": [n, "Ready"]})).collect();
                json!({"kind": "Table", "columnDefinitions": [{"name": "Name"}, {"name": "Status"}], "rows": rows})
            }
            "/api/v1/nodes" if self.cut => return cut_off(),
            "/api/v1/nodes" => return self.nodes_page(query),
            "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices" if self.slices => {
                assert!(query.contains("labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes"), "{query}");
                let endpoints: Vec<Value> = self.endpoints.iter().map(|ip| json!({"addresses": [ip]})).collect();
                json!({"items": [{"endpoints": endpoints, "ports": [{"name": "https", "port": 6443}]}]})
            }
            "/api/v1/namespaces/default/endpoints/kubernetes" => {
                let addresses: Vec<Value> = self.endpoints.iter().map(|ip| json!({"ip": ip})).collect();
                json!({"subsets": [{"addresses": addresses, "ports": [{"port": 6443}]}]})
            }
            "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases" => {
                let lease = |name: &&str| json!({"metadata": {"name": name}, "spec": {"renewTime": self.renewed}});
                json!({"items": self.nodes.iter().map(lease).collect::<Vec<_>>()})
            }
            "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler" => json!({
                "spec": {"holderIdentity": "cp-1", "leaseDurationSeconds": 15, "renewTime": "2026-11-23T12:00:00.9Z"}
            }),
            _ => return status(404, r#"{"kind": "Status", "code": 404}"#),
        };
        dated(&body)
    }

    /// Two nodes a page.
    fn nodes_page(&self, query: &str) -> Response<Full<Bytes>> {
        let start: usize = query.split("continue=").nth(1).map_or(0, |token| token.parse().unwrap());
        let counted = |n: usize| n.checked_sub(1);
        if start > 0 && self.gone.fetch_update(Ordering::SeqCst, Ordering::SeqCst, counted).is_ok() {
            return status(410, r#"{"kind": "Status", "reason": "Expired", "code": 410}"#);
        }
        let size = if self.always_pages || query.contains("limit=") { 2 } else { self.nodes.len() };
        let end = (start + size).min(self.nodes.len());
        let next = if end < self.nodes.len() { end.to_string() } else { String::new() };
        let node = |name: &&str| json!({"metadata": {"name": name}, "status": {"addresses": [{"type": "InternalIP", "address": name}]}});
        dated(
            &json!({"metadata": {"continue": next}, "items": self.nodes[start..end].iter().map(node).collect::<Vec<_>>()}),
        )
    }
}

/// A list without an end.
fn cut_off() -> Response<Full<Bytes>> {
    Response::new(Full::new(r#"{"items":["#.into()))
}

fn dated(body: &Value) -> Response<Full<Bytes>> {
    Response::builder().header(DATE, SERVER_DATE).body(Full::new(body.to_string().into())).unwrap()
}

/// Reads the same server again and again, with what it holds changed in between.
struct World {
    api: Arc<Mutex<Api>>,
    server: Server,
    dialer: Dialer,
    snapshot: ClusterSnapshot,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new(api: Api) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let api = Arc::new(Mutex::new(api));
        let held = api.clone();
        let server = Server::start(None, move |seen| held.lock().unwrap().answer(&seen.path)).await;
        let dialer = plain_dialer(dir.path(), &server.url("http", "/")).await;
        Self { api, server, dialer, snapshot: ClusterSnapshot::default(), _dir: dir }
    }

    async fn read(&mut self, scope: Scope) -> &ClusterSnapshot {
        self.snapshot = read(&self.dialer, &self.snapshot, scope, asked(&LEADS), &Clock::system()).await;
        &self.snapshot
    }

    fn change(&self, change: impl FnOnce(&mut Api)) {
        change(&mut self.api.lock().unwrap());
    }

    fn names(&self) -> Vec<&str> {
        self.snapshot.nodes.iter().map(|n| &*n.name).collect()
    }
}

#[tokio::test]
async fn a_cluster_is_read_in_pages_by_the_servers_clock() {
    let mut world = World::new(Api::new(&["n3", "n1", "n2", "n5", "n4"], &["10.0.0.1", "10.0.0.2"])).await;
    let snapshot = world.read(Scope::Full).await;
    assert_eq!(snapshot.error, None);
    assert_eq!(snapshot.apiserver_endpoints, ["10.0.0.1:6443", "10.0.0.2:6443"]);
    // Not seen to be renewed yet: its age by the clocks counts for nothing.
    assert!(snapshot.nodes.iter().all(|n| n.lease_age() == Some(Duration::ZERO)));
    let told = |n: &NodeFact| n.lease.as_ref().and_then(|l| l.told_age);
    assert!(snapshot.nodes.iter().all(|n| told(n) == Some(Duration::from_millis(39_500))));
    let scheduler = &snapshot.leaders[0];
    assert_eq!((scheduler.name.as_str(), scheduler.holder.as_str()), ("kube-scheduler", "cp-1"));
    let duration = Duration::from_secs(15);
    assert_eq!((scheduler.age, scheduler.duration, snapshot.leaders.len()), (Duration::ZERO, duration, 1));
    assert!(snapshot.read_at.is_some() && snapshot.leases_at.is_some());
    assert_eq!(world.names(), ["n1", "n2", "n3", "n4", "n5"]);
    assert_eq!(world.server.connections(), 1, "one kept connection is enough");
}

#[tokio::test]
async fn a_list_that_expires_is_asked_for_whole_once() {
    let mut world = World::new(Api::new(&["a", "b", "c"], &["10.0.0.1"])).await;
    world.change(|api| api.gone = Arc::new(1.into()));
    assert_eq!(world.read(Scope::Full).await.error, None);
    assert_eq!(world.names(), ["a", "b", "c"]);
    world.change(|api| (api.gone, api.always_pages) = (Arc::new(1.into()), true));
    assert_eq!(world.read(Scope::Full).await.error, None);

    world.change(|api| {
        api.nodes = vec!["a", "c", "d"];
        (api.gone, api.always_pages) = (Arc::new(9.into()), true);
    });
    let error = world.read(Scope::Full).await.error.clone().unwrap();
    assert!(error.contains("expired twice"), "{error}");
    assert_eq!(world.names(), ["a", "b", "c"], "half a list takes nothing away");
}

#[tokio::test]
async fn a_node_is_forgotten_only_when_a_working_server_lacks_it() {
    let mut world = World::new(Api::new(&["a", "b"], &["10.0.0.1"])).await;
    world.read(Scope::Full).await;
    let read_at = world.snapshot.read_at;

    world.change(|api| (api.nodes, api.failing) = (Vec::new(), vec![("/api/v1/nodes", 500)]));
    let error = world.read(Scope::Full).await.error.clone().unwrap();
    assert!(error.contains("HTTP 500: said the server"), "{error}");
    assert_eq!((world.names(), world.snapshot.read_at), (vec!["a", "b"], read_at));

    world.change(|api| (api.nodes, api.failing) = (vec!["b"], Vec::new()));
    assert_eq!(world.read(Scope::Leases).await.error, None);
    assert_eq!(world.names(), ["b"], "what failed is tried with the next reading of any kind");
}

#[tokio::test]
async fn without_the_right_to_read_leases_nodes_are_used_all_the_same() {
    let mut world = World::new(Api::new(&["a"], &["10.0.0.1"])).await;
    world.change(|api| api.failing = vec![("/apis/coordination.k8s.io", 403)]);
    let snapshot = world.read(Scope::Full).await;
    let error = snapshot.error.as_ref().unwrap();
    assert!(error.contains("node leases can't be read: HTTP 403") && error.contains("leader leases"), "{error}");
    assert!(snapshot.read_at.is_some() && snapshot.leases_at.is_none());
    assert_eq!((world.names(), world.snapshot.nodes[0].lease_age()), (vec!["a"], None));
}

#[tokio::test]
async fn old_clusters_have_endpoints_only() {
    let mut world = World::new(Api::new(&["a"], &["10.0.0.1"])).await;
    world.change(|api| api.slices = false);
    assert_eq!(world.read(Scope::Full).await.apiserver_endpoints, ["10.0.0.1:6443"]);
    world.change(|api| (api.slices, api.failing) = (true, vec![("/apis/discovery.k8s.io", 403)]));
    assert_eq!(world.read(Scope::Full).await.error, None);
}

#[tokio::test]
async fn an_api_server_that_left_the_list_is_missing_not_forgotten() {
    let mut world = World::new(Api::new(&["a"], &["10.0.0.1", "10.0.0.2"])).await;
    world.read(Scope::Full).await;
    world.change(|api| api.endpoints = vec!["10.0.0.1"]);
    let snapshot = world.read(Scope::Full).await;
    assert_eq!(snapshot.apiserver_endpoints, ["10.0.0.1:6443"]);
    assert_eq!(snapshot.missing_endpoints[0].address, "10.0.0.2:6443");
}

#[tokio::test]
async fn leases_of_what_is_not_watched_are_not_read() {
    let mut world = World::new(Api::new(&["a"], &["10.0.0.1"])).await;
    world.read(Scope::Full).await;
    assert_eq!(world.snapshot.leaders.len(), 1);
    let before = world.server.seen().len();
    let snapshot = read(&world.dialer, &world.snapshot, Scope::Leases, asked(&[]), &Clock::system()).await;
    assert_eq!((snapshot.leaders, snapshot.error), (vec![], None));
    assert!(world.server.seen()[before..].iter().all(|s| !s.path.contains("/kube-system/leases/")));
}

#[tokio::test]
async fn another_api_server_is_asked_when_the_advertised_one_is_dead() {
    let ca = Authority::new("ca");
    let tls = tls_config(&ca.issue("kube-apiserver", &["127.0.0.1"], 2090), Clients::Ignored);
    let api = Api::new(&["a"], &["10.0.0.1"]);
    let alive = Server::start(Some(tls), move |seen| api.answer(&seen.path)).await;
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "ca.crt", &ca.certificate);
    let dead = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let advertised = Url::parse(&format!("https://{dead}")).unwrap();
    let config: DialConfig = kubeconfig(dir.path(), &advertised, "certificate-authority: ca.crt", "token: t");
    let dialer = Dialer::load(config, Clock::system()).await.unwrap();

    let alone = read(&dialer, &ClusterSnapshot::default(), Scope::Full, asked(&LEADS), &Clock::system()).await;
    assert!(alone.error.unwrap().contains("connection refused"));
    let known = ClusterSnapshot { apiserver_endpoints: vec![alive.address.to_string()], ..ClusterSnapshot::default() };
    let snapshot = read(&dialer, &known, Scope::Full, asked(&LEADS), &Clock::system()).await;
    assert_eq!((snapshot.error, snapshot.nodes.len()), (None, 1));
    assert_eq!(alive.seen()[0].authorization.as_deref(), Some("Bearer t"));
}

#[tokio::test]
async fn that_nodes_cannot_be_read_is_said_until_they_are() {
    let check = async |break_it: fn(&mut Api), words: &str| {
        let mut world = World::new(Api::new(&["a", "b", "c"], &["10.0.0.1"])).await;
        world.change(break_it);
        for scope in [Scope::Full, Scope::Leases, Scope::Leases] {
            let snapshot = world.read(scope).await;
            let error = snapshot.error.clone().unwrap_or_default();
            assert!(error.contains("nodes can't be read") && error.contains(words), "{error}");
            assert_eq!((snapshot.read_at, snapshot.known_since()), (None, snapshot.asked_since));
        }
        assert!(world.snapshot.leases_at.is_some(), "leases are read all the same");
        world.change(|api| *api = Api::new(&["a", "b", "c"], &["10.0.0.1"]));
        assert_eq!(world.read(Scope::Leases).await.error, None);
        assert!(world.snapshot.read_at.is_some());
    };
    check(|api| api.cut = true, "can't be understood").await;
    check(|api| (api.gone, api.always_pages) = (Arc::new(99.into()), true), "expired").await;
    check(|api| api.failing = vec![("/api/v1/nodes", 403)], "HTTP 403").await;
}

#[tokio::test]
async fn who_may_not_see_nodes_sees_the_api_servers() {
    let mut world = World::new(Api::new(&["a"], &["10.0.0.1"])).await;
    world.change(|api| api.failing = vec![("/api/v1/nodes", 403)]);
    let snapshot = world.read(Scope::Full).await;
    assert_eq!(snapshot.apiserver_endpoints, ["10.0.0.1:6443"]);
    assert_eq!(snapshot.read_at, None);
}

#[tokio::test]
async fn one_item_that_is_odd_costs_itself() {
    let mut world = World::new(Api::new(&["a", "b"], &["10.0.0.1"])).await;
    world.read(Scope::Full).await;
    let node =
        |name: &str, spec: Value, status: Value| json!({"metadata": {"name": name}, "spec": spec, "status": status});
    let nodes = json!({"items": [
        node("a", json!({}), json!({"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "9999-12-31T23:59:59Z"}]})),
        node("b", json!({"taints": "all of them"}), json!({})),
        node("c", json!({}), json!({"daemonEndpoints": {"kubeletEndpoint": {"Port": 70_000}}})),
        "no object at all",
        node("d", json!({}), json!({})),
    ]});
    let lease = |name: &str, renewed: Value| json!({"metadata": {"name": name}, "spec": {"renewTime": renewed}});
    let leases = json!({"items": [lease("a", "9999-12-31T23:59:59Z".into()), lease("b", 7.into()), lease("d", "2026-11-23T11:59:59Z".into())]});
    let slices =
        json!({"items": [{"endpoints": 1}, {"endpoints": [{"addresses": ["10.0.0.2"]}], "ports": [{"port": 6443}]}]});
    world.change(|api| {
        api.instead = vec![
            ("/api/v1/nodes", nodes),
            ("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", leases),
            ("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", slices),
        ];
    });
    let snapshot = world.read(Scope::Full).await;
    assert_eq!((snapshot.error.as_ref(), &snapshot.apiserver_endpoints[..]), (None, &["10.0.0.2:6443".to_owned()][..]));
    let leased: Vec<_> = snapshot.nodes.iter().filter(|n| n.lease.is_some()).map(|n| &*n.name).collect();
    assert_eq!(leased, ["a", "d"]);
    let notes = snapshot.notes();
    let left_out: Vec<_> = notes.iter().filter_map(|n| n.split_once(" was left out").map(|(who, _)| who)).collect();
    assert_eq!(
        left_out,
        [
            "of the nodes, b",
            "of the nodes, one without a name",
            "of the API server endpoints, one without a name",
            "of the node leases, b"
        ]
    );
    assert_eq!(world.names(), ["a", "b", "c", "d"], "one that was known stays known");
}

#[tokio::test]
async fn a_glance_that_differs_has_the_nodes_read_at_once() {
    let mut api = Api::new(&["a"], &["10.0.0.1"]);
    api.tables = true;
    let mut world = World::new(api).await;
    world.read(Scope::Full).await;
    world.read(Scope::Leases).await;
    world.change(|api| api.nodes = vec!["a", "b"]);
    world.read(Scope::Leases).await;
    assert_eq!(world.names(), ["a", "b"]);
    world.change(|api| (api.nodes, api.tables) = (vec!["c"], false));
    world.read(Scope::Leases).await;
    assert_eq!((world.names(), world.snapshot.error.as_ref()), (vec!["a", "b"], None), "no table, no glance");
    assert!(world.snapshot.no_glance_before.is_some());
}

#[tokio::test]
async fn a_lease_is_as_fresh_as_it_was_seen_to_be_renewed() {
    let mut world = World::new(Api::new(&["a"], &["10.0.0.1"])).await;
    world.read(Scope::Full).await;
    world.read(Scope::Leases).await;
    let has_moved = |world: &World| world.snapshot.nodes[0].lease.as_ref().is_some_and(ObservedLease::has_moved);
    assert!(!has_moved(&world));
    world.change(|api| api.renewed = "2001-01-01T00:00:00Z");
    world.read(Scope::Leases).await;
    assert!(has_moved(&world), "its clock may say what it likes");
}

#[tokio::test]
async fn when_a_node_is_uncordoned_is_remembered() {
    let mut world = World::new(Api::new(&["a"], &["10.0.0.1"])).await;
    let node = |cordoned: bool| json!({"items": [{"metadata": {"name": "a"}, "spec": {"unschedulable": cordoned}}]});
    for (cordoned, remembered) in [(false, false), (true, false), (false, true), (false, true)] {
        world.change(|api| api.instead = vec![("/api/v1/nodes", node(cordoned))]);
        let snapshot = world.read(Scope::Full).await;
        assert_eq!(snapshot.nodes[0].settled_at.is_some(), remembered, "{cordoned}");
    }
}

#[tokio::test]
async fn what_tells_more_is_read_where_it_may_be() {
    let mut world = World::new(Api::new(&["a"], &["10.0.0.1"])).await;
    let snapshot = world.read(Scope::Full).await;
    assert_eq!((snapshot.error.as_ref(), snapshot.notes().len()), (None, 0), "old clusters have neither");
    let apis = "/apis/apiregistration.k8s.io/v1/apiservices";
    let requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let away = json!({"items": [
        {"metadata": {"name": "v1."}, "spec": {}, "status": {"conditions": [{"type": "Available", "status": "True"}]}},
        {"metadata": {"name": "v1beta1.metrics.k8s.io"}, "spec": {"service": {"name": "metrics-server", "namespace": "kube-system"}},
         "status": {"conditions": [{"type": "Available", "status": "False", "reason": "MissingEndpoints"}]}}]});
    let request = |at: &str| json!({"metadata": {"name": "csr", "creationTimestamp": at}, "spec": {"signerName": "s"}});
    let waiting = json!({"items": [request("2026-11-23T11:00:00Z"), request("2026-11-23T11:30:00Z"), request("2026-11-23T11:59:00Z")]});
    world.change(|api| api.instead = vec![(apis, away), (requests, waiting)]);
    world.snapshot.extras_at = None;
    let snapshot = world.read(Scope::Full).await;
    assert_eq!(snapshot.away_apis[0].service, "kube-system/metrics-server");
    let pending = &snapshot.pending_requests[0];
    assert_eq!((pending.count, pending.oldest), (2, "2026-11-23T11:00:00Z".parse().unwrap()));
    assert_eq!((snapshot.away_apis.len(), snapshot.notes()), (1, Vec::new()));
    world.change(|api| (api.instead, api.failing) = (Vec::new(), vec![("/apis/apiregistration", 403)]));
    world.snapshot.extras_at = None;
    let snapshot = world.read(Scope::Full).await;
    assert_eq!((snapshot.error.as_ref(), snapshot.away_apis.len()), (None, 0), "forbidden: said, and it goes on");
    assert!(snapshot.notes()[0].contains("aggregated APIs can't be read: HTTP 403"), "{:?}", snapshot.notes());
}

#[test]
fn what_nodes_have_in_common_is_kept_once_from_reading_to_reading() {
    let node = |name: &str, rack: &str| {
        let traits = [("rack".to_owned(), rack.to_owned())].into_iter().collect();
        NodeFact { name: name.into(), traits: Arc::new(traits), ..NodeFact::default() }
    };
    let read = || vec![node("n1", "r1"), node("n2", "r1"), node("n3", "r2")];
    let first = with_what_was_known(read(), &[], None, Timestamp::UNIX_EPOCH);
    let again = with_what_was_known(read(), &first, None, Timestamp::UNIX_EPOCH);
    let is_one = |a: &NodeFact, b: &NodeFact| Arc::ptr_eq(&a.traits, &b.traits);
    assert!(is_one(&first[0], &first[1]) && !is_one(&first[1], &first[2]));
    assert!(first.iter().zip(&again).all(|(before, now)| is_one(before, now)) && first == again);
}
