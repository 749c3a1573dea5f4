//! A Kubernetes API as far as the recorder uses it: lists in pages, watches with bookmarks, versions that expire, kinds that
//! are refused.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::broadcast};
use tokio_util::sync::CancellationToken;

/// Objects of a page, whatever is asked for.
const PAGE: usize = 2;

#[derive(Default)]
struct World {
    version: u64,
    /// By path of their list, then by namespace and name.
    lists: BTreeMap<String, BTreeMap<String, Value>>,
    refused: BTreeSet<String>,
    /// Whose watches end as soon as they have begun.
    hung_up: BTreeSet<String>,
    /// Lists can be had as streams.
    streams: bool,
    /// Nothing older than this can be watched.
    expired: u64,
    asked: Vec<String>,
}

/// The fake.
#[derive(Clone)]
pub struct Fake {
    world: Arc<Mutex<World>>,
    /// Path, version and line.
    happens: broadcast::Sender<(String, u64, String)>,
    /// Watches that are open end.
    cut: Arc<Mutex<CancellationToken>>,
}

impl Fake {
    pub fn new() -> Self {
        let world = World { version: 100, ..World::default() };
        Self { world: Arc::new(Mutex::new(world)), happens: broadcast::channel(1_024).0, cut: Arc::default() }
    }

    /// Serves until told to stop; what is open then breaks off.
    pub async fn serve(&self, stop: CancellationToken) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(self.clone());
        let cut = self.cut.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = async { axum::serve(listener, router).await } => {}
                () = stop.cancelled() => cut.lock().unwrap().cancel(),
            }
        });
        address
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Puts an object there, new or not.
    pub fn put(&self, list: &str, mut object: Value) {
        let mut world = self.lock();
        world.version += 1;
        let version = world.version;
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        let metadata = &object["metadata"];
        let key =
            format!("{}/{}", metadata["namespace"].as_str().unwrap_or_default(), metadata["name"].as_str().unwrap());
        let known = world.lists.entry(list.into()).or_default().insert(key, object.clone());
        let is = if known.is_some() { "MODIFIED" } else { "ADDED" };
        self.tell(list, version, is, &object);
    }

    /// Deletes one.
    pub fn delete(&self, list: &str, key: &str) {
        let mut world = self.lock();
        world.version += 1;
        let version = world.version;
        let mut object = world.lists.get_mut(list).unwrap().remove(key).unwrap();
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        self.tell(list, version, "DELETED", &object);
    }

    /// Tells those who watch that nothing happened.
    pub fn bookmark(&self, list: &str) {
        let version = self.lock().version;
        let mark = json!({"kind": "Bookmark", "metadata": {"resourceVersion": version.to_string()}});
        self.tell(list, version, "BOOKMARK", &mark);
    }

    fn tell(&self, list: &str, version: u64, is: &str, object: &Value) {
        let line = json!({"type": is, "object": object}).to_string();
        // Nobody may be watching.
        let _ = self.happens.send((list.into(), version, line));
    }

    /// Ends all watches, forgets what happened before, and lets something happen that nobody is told of.
    pub fn expire(&self, meanwhile: impl FnOnce(&mut BTreeMap<String, BTreeMap<String, Value>>)) {
        let mut world = self.lock();
        world.version += 10;
        world.expired = world.version;
        meanwhile(&mut world.lists);
        drop(world);
        std::mem::take(&mut *self.cut.lock().unwrap()).cancel();
    }

    /// Refuses a kind.
    pub fn refuse(&self, list: &str) {
        self.lock().refused.insert(list.into());
    }

    /// Lists are streamed where that is asked for.
    pub fn stream(&self) {
        self.lock().streams = true;
    }

    /// Ends each watch of a kind as soon as it has begun, or no longer.
    pub fn hang_up(&self, list: &str, does: bool) {
        let mut world = self.lock();
        match does {
            true => world.hung_up.insert(list.into()),
            false => world.hung_up.remove(list),
        };
    }

    /// All that was asked for.
    pub fn asked(&self) -> Vec<String> {
        self.lock().asked.clone()
    }
}

fn status(code: u16, message: &str) -> Response {
    let body = json!({"kind": "Status", "status": "Failure", "message": message, "code": code}).to_string();
    (StatusCode::from_u16(code).unwrap(), body).into_response()
}

async fn answer(State(fake): State<Fake>, uri: Uri) -> Response {
    let query: HashMap<String, String> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let path = uri.path().to_owned();
    let mut world = fake.lock();
    world.asked.push(uri.to_string());
    if world.refused.contains(&path) {
        return status(403, "you may not");
    }
    if !world.lists.contains_key(&path) {
        return status(404, "the server could not find the requested resource");
    }
    if !query.contains_key("watch") {
        return list(&world, &path, query.get("continue"));
    }
    let is_stream = query.contains_key("sendInitialEvents");
    if is_stream && !world.streams {
        return status(
            422,
            "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
        );
    }
    if world.hung_up.contains(&path) {
        return StatusCode::OK.into_response();
    }
    let from: u64 = if is_stream { world.expired } else { query["resourceVersion"].parse().unwrap() };
    if from < world.expired {
        let error = json!({"kind": "Status", "code": 410, "message": "too old resource version"});
        return format!("{}\n", json!({"type": "ERROR", "object": error})).into_response();
    }
    // What happened since the list was read, as a cache has it, and what will.
    let version = |o: &&Value| o["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap();
    let mut missed: Vec<String> = world.lists[&path]
        .values()
        .filter(|o| is_stream || version(o) > from)
        .map(|o| json!({"type": "MODIFIED", "object": o}).to_string())
        .collect();
    let from = if is_stream { world.version } else { from };
    if is_stream {
        let meta = json!({"resourceVersion": from.to_string(), "annotations": {"k8s.io/initial-events-end": "true"}});
        // Told last, since the last is told first.
        missed.insert(0, json!({"type": "BOOKMARK", "object": {"metadata": meta}}).to_string());
    }
    let cut = fake.cut.lock().unwrap().clone();
    watch(missed, fake.happens.subscribe(), cut, path, from)
}

fn list(world: &World, path: &str, token: Option<&String>) -> Response {
    let from: usize = token.and_then(|t| t.parse().ok()).unwrap_or(0);
    let all: Vec<&Value> = world.lists[path].values().collect();
    let items: Vec<&&Value> = all.iter().skip(from).take(PAGE).collect();
    let next = if from + PAGE < all.len() { (from + PAGE).to_string() } else { String::new() };
    let metadata = json!({"resourceVersion": world.version.to_string(), "continue": next});
    json!({"kind": "List", "metadata": metadata, "items": items}).to_string().into_response()
}

fn watch(
    missed: Vec<String>,
    happens: broadcast::Receiver<(String, u64, String)>,
    cut: CancellationToken,
    path: String,
    from: u64,
) -> Response {
    let lines = stream::unfold((missed, happens, cut, path), move |(mut missed, mut happens, cut, path)| async move {
        if let Some(line) = missed.pop() {
            return Some((Ok::<_, std::io::Error>(format!("{line}\n")), (missed, happens, cut, path)));
        }
        loop {
            let (at, version, line) = tokio::select! {
                told = happens.recv() => told.ok()?,
                () = cut.cancelled() => return None,
            };
            if at == path && (version > from || line.contains("BOOKMARK")) {
                return Some((Ok(format!("{line}\n")), (missed, happens, cut, path)));
            }
        }
    });
    Body::from_stream(lines).into_response()
}
