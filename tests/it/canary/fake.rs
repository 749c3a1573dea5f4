//! A Kubernetes API as far as the canary uses it: objects with versions, labels, watches; and what a scheduler and a kubelet
//! would make of a pod, by a script.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{Method, Uri},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::broadcast};

/// What happens to pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// All goes well.
    Well,
    /// Nobody looks at them.
    NoScheduler,
    /// Their image can't be pulled.
    NoImage,
    /// They start and never become ready.
    NeverReady,
}

#[derive(Default)]
struct Objects {
    version: u64,
    /// By path.
    all: BTreeMap<String, Value>,
    made: HashMap<String, Instant>,
    /// Paths of all that was ever made, in order.
    pub history: Vec<String>,
    /// The most objects of a kind that were there at once.
    most: usize,
    /// What is refused: a part of a path that is written to, status and message.
    refuses: Option<(&'static str, u16, &'static str)>,
    /// Reads at the stale server find what was there this many versions ago: nothing.
    script: Option<Script>,
    node_port: u16,
}

/// The fake; its servers share everything but one, which is stale.
#[derive(Clone)]
pub struct Fake {
    objects: Arc<Mutex<Objects>>,
    events: broadcast::Sender<(String, String)>,
}

/// One of its servers.
#[derive(Clone)]
struct Server {
    fake: Fake,
    /// Its cache never learns anything.
    is_stale: bool,
}

impl Fake {
    pub fn new(script: Script) -> Self {
        let objects = Objects { script: Some(script), ..Objects::default() };
        Self { objects: Arc::new(Mutex::new(objects)), events: broadcast::channel(64).0 }
    }

    pub async fn serve(&self, is_stale: bool) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(Server { fake: self.clone(), is_stale });
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    /// A NodePort behind which the pod answers with its name.
    pub async fn serve_pod(&self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.lock().node_port = listener.local_addr().unwrap().port();
        let fake = self.clone();
        let page = async move || {
            let pod = fake.paths().into_iter().find(|p| p.contains("/pods/")).unwrap_or_default();
            pod.rsplit('/').next().unwrap_or_default().to_owned()
        };
        let router = Router::new().fallback(page);
        tokio::spawn(async move { axum::serve(listener, router).await });
    }

    fn lock(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap()
    }

    /// What is there.
    pub fn paths(&self) -> Vec<String> {
        self.lock().all.keys().cloned().collect()
    }

    /// All that was ever made.
    pub fn history(&self) -> Vec<String> {
        self.lock().history.clone()
    }

    /// The most pods or Leases that were there at once.
    pub fn most(&self) -> usize {
        self.lock().most
    }

    /// Writes to such paths are refused.
    pub fn refuse(&self, what: &'static str, status: u16, message: &'static str) {
        self.lock().refuses = Some((what, status, message));
    }

    /// Puts something there.
    pub fn put(&self, path: &str, object: Value) {
        self.lock().all.insert(path.into(), object);
    }
}

fn status(code: u16, message: &str) -> Response {
    let body = json!({"kind": "Status", "status": "Failure", "message": message, "code": code}).to_string();
    (axum::http::StatusCode::from_u16(code).unwrap(), body).into_response()
}

fn parameters(uri: &Uri) -> HashMap<String, String> {
    url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
}

async fn answer(State(server): State<Server>, method: Method, uri: Uri, body: Bytes) -> Response {
    let (path, query) = (uri.path().to_owned(), parameters(&uri));
    let mut objects = server.fake.lock();
    if let Some((what, code, message)) = objects.refuses
        && method != Method::GET
        && path.contains(what)
    {
        return status(code, message);
    }
    match method {
        Method::POST if query.get("dryRun").is_some_and(|all| all == "All") => body.into_response(),
        Method::POST => create(&server, &mut objects, &path, &body),
        Method::DELETE => match objects.all.remove(&path) {
            Some(object) => object.to_string().into_response(),
            None => status(404, "not found"),
        },
        _ if query.contains_key("watch") => {
            let name = query["fieldSelector"].trim_start_matches("metadata.name=").to_owned();
            watch(server.fake.events.subscribe(), server.is_stale, format!("{path}/{name}"))
        }
        _ if path.ends_with("/events") => events(&objects, &query["fieldSelector"]),
        _ if query.contains_key("labelSelector") => list(&objects, &path, &query["labelSelector"]),
        _ if server.is_stale => status(404, "not found"),
        _ => match objects.all.get(&path) {
            Some(object) => lived(object.clone(), &objects, &path).to_string().into_response(),
            None => status(404, "not found"),
        },
    }
}

fn create(server: &Server, objects: &mut Objects, path: &str, body: &[u8]) -> Response {
    let mut object: Value = serde_json::from_slice(body).unwrap();
    let path = format!("{path}/{}", object["metadata"]["name"].as_str().unwrap());
    if objects.all.contains_key(&path) {
        return status(409, "already exists");
    }
    objects.version += 1;
    object["metadata"]["resourceVersion"] = json!(objects.version.to_string());
    object["metadata"]["uid"] = json!(format!("uid-{}", objects.version));
    if object["kind"] == "Service" {
        object["spec"]["ports"][0]["nodePort"] = json!(objects.node_port);
    }
    objects.all.insert(path.clone(), object.clone());
    objects.made.insert(path.clone(), Instant::now());
    objects.history.push(path.clone());
    let at_once = objects.all.keys().filter(|p| p.contains("/pods/") || p.contains("/leases/")).count();
    objects.most = objects.most.max(at_once);
    let event = json!({"type": "ADDED", "object": object}).to_string();
    // Nobody may be watching.
    let _ = server.fake.events.send((path, event));
    object.to_string().into_response()
}

fn list(objects: &Objects, path: &str, selector: &str) -> Response {
    let wanted: Vec<(&str, &str)> = selector.split(',').filter_map(|pair| pair.split_once('=')).collect();
    let fits = |object: &Value| wanted.iter().all(|(k, v)| object["metadata"]["labels"][*k] == **v);
    let inside = format!("{path}/");
    let items: Vec<&Value> =
        objects.all.iter().filter(|(p, o)| p.starts_with(&inside) && fits(o)).map(|(_, o)| o).collect();
    json!({"items": items}).to_string().into_response()
}

fn watch(events: broadcast::Receiver<(String, String)>, is_stale: bool, path: String) -> Response {
    let lines = stream::unfold((events, path), move |(mut events, path)| async move {
        loop {
            let (at, event) = events.recv().await.ok()?;
            if at == path && !is_stale {
                return Some((Ok::<_, std::io::Error>(format!("{event}\n")), (events, path)));
            }
        }
    });
    Body::from_stream(lines).into_response()
}

fn events(objects: &Objects, selector: &str) -> Response {
    let uid = selector.trim_start_matches("involvedObject.uid=");
    let items = match objects.script {
        Some(Script::NoImage) => json!([{"involvedObject": {"uid": uid}, "reason": "Failed",
            "message": "Failed to pull image \"registry.test:5000/x\": dial tcp: connection refused",
            "lastTimestamp": "2026-11-01T00:00:00Z"}]),
        _ => json!([]),
    };
    json!({"items": items}).to_string().into_response()
}

/// What a pod has become since it was made.
fn lived(mut object: Value, objects: &Objects, path: &str) -> Value {
    let (Some(script), true) = (objects.script, path.contains("/pods/")) else { return object };
    let age = objects.made.get(path).map(Instant::elapsed).unwrap_or_default();
    if script == Script::NoScheduler {
        object["status"] = json!({"phase": "Pending"});
        return object;
    }
    object["spec"]["nodeName"] = json!("n1");
    let main = match script {
        Script::NoImage => json!({"waiting": {"reason": "ErrImagePull", "message": "connection refused"}}),
        _ if age < Duration::from_millis(300) => json!({"waiting": {"reason": "ContainerCreating"}}),
        _ => json!({"running": {}}),
    };
    let runs = main.get("running").is_some();
    let ready = runs && script == Script::Well;
    let image = if runs { "sha256:1" } else { "" };
    object["status"] = json!({
        "phase": "Running", "hostIP": "127.0.0.1",
        "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}],
        "containerStatuses": [{"name": "canary", "ready": ready, "imageID": image, "state": main}],
    });
    object
}
