//! Clients that ask slowly, send slowly or never read, by the hundred: the real program answers all others as before.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use crate::{
    alerting::watch::{TOKEN, Watch},
    receivers::HookServer,
};

/// Of each kind; together far more than there are places.
const SLOW: usize = 150;

/// Unoptimised and among other tests; who waits for a slow client's deadline waits longer.
const QUICKLY: Duration = Duration::from_secs(4);

/// A connection of its own that has sent this; it reads little ahead.
async fn connect(watch: &Watch, text: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address = watch.url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    // The place may be another's by now.
    _ = stream.write_all(text.as_bytes()).await;
    stream
}

/// The first line of an answer, which comes quickly, on a fresh connection.
async fn answered(watch: &Watch, method: &str, path: &str) -> String {
    let begun = Instant::now();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let mut stream = connect(watch, &request).await;
    let mut answer = Vec::new();
    tokio::time::timeout(QUICKLY, stream.read_to_end(&mut answer)).await.unwrap_or(Ok(0)).unwrap();
    assert!(begun.elapsed() < QUICKLY, "{path}: {:?}", begun.elapsed());
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_slow_clients_keep_nobody_from_health_heartbeats_and_pages() {
    let config = "heartbeats: [{name: job, every: 1h, token_file: token}]\n";
    let watch = Watch::start(config).await;
    let series = "vector(1)".to_owned()
        + &(0..10).map(|i| format!(" or label_replace(vector({i}),\"a\",\"{i}\",\"\",\"\")")).collect::<String>();
    let query: String = url::form_urlencoded::byte_serialize(series.as_bytes()).collect();
    let large = format!("/api/v1/query_range?query={query}&start=0&end=2000&step=1");
    let length = "content-length: 1000\r\n\r\n{";
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let kinds = [
        "GET / HTTP/1.1\r\nhost: loc".to_owned(),
        format!("POST /api/v2/alerts HTTP/1.1\r\nhost: localhost\r\n{length}"),
        format!("POST /api/v1/query HTTP/1.1\r\nhost: localhost\r\n{form}{length}"),
        format!("GET {large} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
    ];
    let mut held = Vec::new();
    for kind in &kinds {
        for _ in 0..SLOW {
            held.push(connect(&watch, kind).await);
        }
        for (method, path) in [("GET", "/-/healthy"), ("POST", &*format!("/ping/{TOKEN}")), ("GET", "/")] {
            assert_eq!(answered(&watch, method, path).await, "HTTP/1.1 200 OK", "{path} beside {kind:.60}");
        }
    }
    let closed = watch.metric("dogwatch_dropped_total{limit=\"http_connections\"}").await.unwrap_or_default();
    assert!(closed >= 1.0, "places were taken from {closed}");
    let open = watch.metric("dogwatch_http_connections").await.unwrap();
    assert!((1.0..=256.0).contains(&open), "{open}");
    assert!(watch.peak_bytes() < 500 << 20, "{} MiB", watch.peak_bytes() >> 20);
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_files_are_few_what_is_posted_is_told_all_the_same() {
    let sink = HookServer::start().await;
    let route = "route: {receiver: ops, group_wait: 0s, group_interval: 1s}\n";
    let config = format!("{route}receivers: [{{name: ops, webhook_configs: [{{url: '{}'}}]}}]\n", sink.url("/"));
    let watch = Watch::start_with_files(&config, 64).await;
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(connect(&watch, "").await);
    }
    watch.post(json!([{"labels": {"alertname": "Posted"}}])).await;
    sink.wait_for(1).await;
    assert_eq!(answered(&watch, "GET", "/-/healthy").await, "HTTP/1.1 200 OK");
    let told: Vec<_> = sink.got().iter().map(|h| h.json()["alerts"][0]["labels"]["alertname"].clone()).collect();
    assert_eq!(told, ["Posted"], "nobody is accused");
    let open = watch.metric("dogwatch_http_connections").await.unwrap();
    assert!(open <= 16.0, "a quarter of the files: {open}");
    drop(held);
}
