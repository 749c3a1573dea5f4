use std::{
    net::{Ipv4Addr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
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

/// The server's clock; ours is far from it.
const SERVER_DATE: &str = "Mon, 23 Nov 2026 12:00:00 GMT";

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
}

impl Api {
    fn new(nodes: &[&'static str], endpoints: &[&'static str]) -> Self {
        let (nodes, endpoints) = (nodes.to_vec(), endpoints.to_vec());
        Self { nodes, endpoints, failing: Vec::new(), slices: true, gone: Arc::default() }
    }

    fn answer(&self, path_and_query: &str) -> Response<Full<Bytes>> {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        if let Some((_, code)) = self.failing.iter().find(|(prefix, _)| path.starts_with(prefix)) {
            return status(*code, json!({"kind": "Status", "message": "said the server"}).to_string());
        }
        let body = match path {
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
                let lease =
                    |name: &&str| json!({"metadata": {"name": name}, "spec": {"renewTime": "2026-11-23T11:59:20.5Z"}});
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
        let end = (start + 2).min(self.nodes.len());
        let next = if end < self.nodes.len() { end.to_string() } else { String::new() };
        let node = |name: &&str| json!({"metadata": {"name": name}, "status": {"addresses": [{"type": "InternalIP", "address": name}]}});
        dated(
            &json!({"metadata": {"continue": next}, "items": self.nodes[start..end].iter().map(node).collect::<Vec<_>>()}),
        )
    }
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
        self.snapshot = read(&self.dialer, &self.snapshot, scope, &Clock::system()).await;
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
    assert!(snapshot.nodes.iter().all(|n| n.lease_age == Some(Duration::from_millis(39_500))));
    let scheduler = &snapshot.leaders[0];
    assert_eq!((scheduler.name.as_str(), scheduler.holder.as_str()), ("kube-scheduler", "cp-1"));
    assert_eq!(
        (scheduler.age, scheduler.duration, snapshot.leaders.len()),
        (Duration::ZERO, Duration::from_secs(15), 1)
    );
    assert!(snapshot.read_at.is_some() && snapshot.leases_at.is_some());
    assert_eq!(world.names(), ["n1", "n2", "n3", "n4", "n5"]);
    assert_eq!(world.server.connections(), 1, "one kept connection is enough");
}

#[tokio::test]
async fn a_list_that_expires_is_begun_anew_once() {
    let mut world = World::new(Api::new(&["a", "b", "c"], &["10.0.0.1"])).await;
    world.change(|api| api.gone = Arc::new(1.into()));
    assert_eq!(world.read(Scope::Full).await.error, None);
    assert_eq!(world.names(), ["a", "b", "c"]);

    world.change(|api| {
        api.nodes = vec!["a", "c", "d"];
        api.gone = Arc::new(9.into());
    });
    assert!(world.read(Scope::Full).await.error.as_ref().unwrap().contains("expired twice"));
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
    assert_eq!(world.names(), ["a", "b"], "leases tell nothing of nodes");
    world.read(Scope::Full).await;
    assert_eq!(world.names(), ["b"]);
}

#[tokio::test]
async fn without_the_right_to_read_leases_nodes_are_used_all_the_same() {
    let mut world = World::new(Api::new(&["a"], &["10.0.0.1"])).await;
    world.change(|api| api.failing = vec![("/apis/coordination.k8s.io", 403)]);
    let snapshot = world.read(Scope::Full).await;
    let error = snapshot.error.as_ref().unwrap();
    assert!(error.contains("node leases can't be read: HTTP 403") && error.contains("leader leases"), "{error}");
    assert!(snapshot.read_at.is_some() && snapshot.leases_at.is_none());
    assert_eq!((world.names(), world.snapshot.nodes[0].lease_age), (vec!["a"], None));
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

    let alone = read(&dialer, &ClusterSnapshot::default(), Scope::Full, &Clock::system()).await;
    assert!(alone.error.unwrap().contains("connection refused"));
    let known = ClusterSnapshot { apiserver_endpoints: vec![alive.address.to_string()], ..ClusterSnapshot::default() };
    let snapshot = read(&dialer, &known, Scope::Full, &Clock::system()).await;
    assert_eq!((snapshot.error, snapshot.nodes.len()), (None, 1));
    assert_eq!(alive.seen()[0].authorization.as_deref(), Some("Bearer t"));
}
