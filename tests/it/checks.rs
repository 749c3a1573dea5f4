//! Checks with the real program: against servers of their kinds, through an outage and its end, and behind a cluster.

mod kinds;
mod machine;
mod network;
mod services;
mod stores;
mod web;

use std::{path::Path, time::Duration};

use dogwatch::{clock::Clock, config, demo::FakeCluster, discover::config::DiscoverConfig};
use serde_json::{Value, json};

use crate::{alerting::watch::Watch, eventually::eventually, receivers::HookServer};

/// Checks behind the cluster that goes down.
const MANY: usize = 50;

fn told_to(sink: &HookServer) -> String {
    format!(
        "route: {{receiver: ops, group_by: ['...'], group_wait: 0s, group_interval: 5m}}\n\
         receivers: [{{name: ops, webhook_configs: [{{url: '{}'}}]}}]\n",
        sink.url("/ops")
    )
}

/// The messages so far, by whether they tell of a trouble or of its end.
fn messages(sink: &HookServer, status: &str) -> Vec<Value> {
    sink.got().iter().map(|hook| hook.json()).filter(|message| message["status"] == status).collect()
}

async fn targets(watch: &Watch) -> Vec<Value> {
    let Ok(answer) = reqwest::get(format!("{}/api/dogwatch/v1/state", watch.url)).await else { return Vec::new() };
    let state: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let clusters = state["clusters"].as_array().cloned().unwrap_or_default();
    clusters.iter().flat_map(|c| c["targets"].as_array().cloned().unwrap_or_default()).collect()
}

/// How many checks stand so.
async fn checks(watch: &Watch, state: &str) -> usize {
    let targets = targets(watch).await;
    targets.iter().filter(|t| t["state"] == state && t["job"].as_str().is_some_and(|j| j.starts_with("c-"))).count()
}

#[tokio::test]
async fn an_outage_is_one_message_and_so_is_its_end() {
    let (sink, site) = (HookServer::start().await, HookServer::start().await);
    let check = format!("url: '{}'", site.url("/v2/"));
    let config = format!(
        "{}checks:\n  - {{name: c-registry, http: {{{check}, status: [200, 401]}}, interval: 1s, timeout: 1s}}\n\
         \x20 - {{name: c-shop, http: {{{check}}}, depends_on: [c-registry], interval: 1s, timeout: 1s}}\n",
        told_to(&sink)
    );
    let mut watch = Watch::start(&config).await;
    eventually("both are up", async || checks(&watch, "up").await == 2).await;
    assert_eq!(watch.query("probe_success{job=\"c-registry\"}").await, Some(1.0));
    assert_eq!(watch.query("probe_http_status_code{job=\"c-shop\",cluster=\"checks\"}").await, Some(200.0));
    site.answer(503, &[], "down for maintenance");
    eventually("both are down", async || checks(&watch, "down").await == 2).await;
    eventually("it is told", async || !messages(&sink, "firing").is_empty()).await;
    let told = messages(&sink, "firing");
    let text = told[0].to_string();
    assert!(text.contains("was 503, should be 200 or 401"), "{text}");
    eventually("its reason is a series", async || {
        watch.query("probe_failure_info{job=\"c-registry\",reason=\"http_status\"}").await == Some(1.0)
    })
    .await;
    let home = reqwest::get(&watch.url).await.unwrap().text().await.unwrap();
    assert!(home.contains("c-registry") && home.contains("was 503, should be 200 or 401"), "{home}");
    let page = format!("{}/targets/checks/c-shop/127.0.0.1:{}", watch.url, site.port);
    let page = reqwest::get(page).await.unwrap().text().await.unwrap();
    assert!(page.contains("was 503, should be 200..299") && page.contains("HTTP 503 by HTTP"), "{page}");
    // What was found outlives the watchdog.
    watch.kill();
    watch.start_again().await;
    eventually("both are down still", async || checks(&watch, "down").await == 2).await;
    site.answer(200, &[], "ok");
    eventually("the end is told", async || !messages(&sink, "resolved").is_empty()).await;
    let roots: Vec<Value> =
        messages(&sink, "firing").iter().flat_map(|m| m["alerts"].as_array().cloned().unwrap()).collect();
    assert_eq!(messages(&sink, "firing").len(), 1, "one outage, one message: {roots:?}");
    assert_eq!(messages(&sink, "resolved").len(), 1);
}

#[tokio::test]
async fn a_cluster_outage_with_fifty_checks_behind_it_is_one_message() {
    let (sink, site, dir) = (HookServer::start().await, HookServer::start().await, tempfile::tempdir().unwrap());
    let cluster = FakeCluster::start(dir.path(), Clock::system()).await.unwrap();
    let entry = cluster.config();
    let check = |i: usize| {
        json!({"name": format!("c-{i}"), "cluster": entry.name, "interval": "2s", "timeout": "1s",
            "http": {"url": site.url(&format!("/{i}"))}})
    };
    let checks_of_it: Vec<Value> = (0..MANY).map(check).collect();
    let config = format!("{}clusters: {}\nchecks: {}\n", told_to(&sink), json!([entry]), Value::Array(checks_of_it));
    let watch = Watch::start(&config).await;
    let all_up = async || {
        let targets = targets(&watch).await;
        targets.len() >= MANY + cluster.targets() && targets.iter().all(|t| t["state"] == "up")
    };
    eventually("all are up", all_up).await;
    cluster.kill_etcd(0).await;
    cluster.kill_etcd(1).await;
    site.answer(502, &[], "no backend");
    eventually("all checks are down", async || checks(&watch, "down").await == MANY).await;
    eventually("the outage is told", async || !messages(&sink, "firing").is_empty()).await;
    let told = messages(&sink, "firing")[0].to_string();
    assert!(told.contains("etcd has lost quorum"), "{told}");
    let listed = async || {
        let answer = reqwest::get(format!("{}/api/dogwatch/v1/incidents?state=open", watch.url)).await.unwrap();
        answer.text().await.unwrap().matches("\"CheckFailing\"").count() >= MANY
    };
    eventually("the checks are listed in its incident", listed).await;
    site.answer(200, &[], "ok");
    cluster.restart_etcd().await.unwrap();
    eventually("the end is told", async || !messages(&sink, "resolved").is_empty()).await;
    let beginnings: Vec<String> = messages(&sink, "firing").iter().map(|m| m["groupKey"].to_string()).collect();
    assert!(beginnings.iter().all(|key| *key == beginnings[0]), "one incident: {beginnings:?}");
    assert_eq!(messages(&sink, "resolved").len(), 1);
}

#[tokio::test]
async fn a_port_of_every_node_is_judged_together() {
    let (sink, dir) = (HookServer::start().await, tempfile::tempdir().unwrap());
    let cluster = FakeCluster::start(dir.path(), Clock::system()).await.unwrap();
    let port = crate::alerting::watch::free_port();
    let mut served = Vec::new();
    for node in 11..=13 {
        let listener = tokio::net::TcpListener::bind((format!("127.0.0.{node}"), port)).await.unwrap();
        let router = axum::Router::new().fallback(async |headers: axum::http::HeaderMap| {
            if headers.get("host").is_some_and(|host| host == "shop.test") { "ok" } else { "another site" }
        });
        served.push(tokio::spawn(async move { axum::serve(listener, router).await }));
    }
    let entry = cluster.config();
    let check = json!([{"name": "c-ingress", "cluster": entry.name, "interval": "3s", "timeout": "3s",
        "nodes": {"port": port}, "http": {"url": "http://shop.test/", "expect": ["body == \"ok\""]}}]);
    let watch = Watch::start(&format!("{}clusters: {}\nchecks: {check}\n", told_to(&sink), json!([entry]))).await;
    eventually("it is up at every node", async || checks(&watch, "up").await == 3).await;
    served.remove(1).abort();
    eventually("it is told", async || !messages(&sink, "firing").is_empty()).await;
    let told = messages(&sink, "firing")[0].to_string();
    let words = format!("NodePort {port} (c-ingress) refuses connections on 1 of 3 nodes: ");
    assert!(told.contains(&words), "{told}");
}

#[tokio::test]
async fn the_ports_of_an_ingress_controller_are_found_by_its_service() {
    let (sink, dir) = (HookServer::start().await, tempfile::tempdir().unwrap());
    let cluster = FakeCluster::start(dir.path(), Clock::system()).await.unwrap();
    let port = crate::alerting::watch::free_port();
    let ports = json!([{"name": "http", "port": 80, "nodePort": port}, {"name": "https", "port": 443, "nodePort": 1}]);
    let service = json!({"metadata": {"namespace": "ingress-nginx", "name": "controller"},
        "spec": {"type": "LoadBalancer", "ports": ports}});
    cluster.serve_list("/api/v1/services", vec![service]);
    let mut served = Vec::new();
    for node in 11..=13 {
        let listener = tokio::net::TcpListener::bind((format!("127.0.0.{node}"), port)).await.unwrap();
        served.push(tokio::spawn(
            async move { axum::serve(listener, axum::Router::new().fallback(async || "ok")).await },
        ));
    }
    let entry = cluster.config();
    let check = json!([{"name": "c-ingress", "cluster": entry.name, "interval": "3s", "timeout": "3s",
        "nodes": {"ingress": true}, "http": {"url": "http://shop.test/"}}]);
    let watch = Watch::start(&format!("{}clusters: {}\nchecks: {check}\n", told_to(&sink), json!([entry]))).await;
    eventually("it is up at every node", async || checks(&watch, "up").await == 3).await;
    served.drain(..2).for_each(|server| server.abort());
    eventually("it is told", async || !messages(&sink, "firing").is_empty()).await;
    let told = messages(&sink, "firing")[0].to_string();
    assert!(told.contains(&format!("NodePort {port} (c-ingress) refuses connections on ")), "{told}");
}

// What it runs asks servers of this process.
#[tokio::test(flavor = "multi_thread")]
async fn sites_that_a_cluster_serves_become_checks() {
    let (sink, site, dir) = (HookServer::start().await, HookServer::start().await, tempfile::tempdir().unwrap());
    let cluster = FakeCluster::start(dir.path(), Clock::system()).await.unwrap();
    let node_port = crate::alerting::watch::free_port();
    for node in 11..=13 {
        let listener = tokio::net::TcpListener::bind((format!("127.0.0.{node}"), node_port)).await.unwrap();
        tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(async || "ok")).await });
    }
    let meta = |name: &str| json!({"namespace": "shop", "name": name});
    let ports = json!([{"name": "http", "port": 80, "nodePort": node_port}]);
    let service = json!({"metadata": meta("traefik"), "spec": {"type": "LoadBalancer", "ports": ports}});
    cluster.serve_list("/api/v1/services", vec![service]);
    let listener = json!({"name": "web", "protocol": "HTTP", "port": site.port});
    let gateway = json!({"metadata": meta("public"), "spec": {"listeners": [listener]}});
    cluster.serve_list("/apis/gateway.networking.k8s.io/v1/gateways", vec![gateway]);
    let route = json!({"metadata": meta("front"),
        "spec": {"hostnames": ["localhost", "*.test"], "parentRefs": [{"name": "public"}]}});
    cluster.serve_list("/apis/gateway.networking.k8s.io/v1/httproutes", vec![route]);
    let mut entry = cluster.config();
    entry.discover =
        Some(DiscoverConfig { ingress: true, interval: Some(Duration::from_secs(3)), ..Default::default() });
    let watch = Watch::start(&format!("{}clusters: {}\n", told_to(&sink), json!([entry]))).await;
    let up = async |job: &str| targets(&watch).await.iter().filter(|t| t["job"] == job && t["state"] == "up").count();
    eventually("the site and its ingress are up", async || up("localhost").await == 1 && up("ingress").await == 3)
        .await;
    let state = reqwest::get(format!("{}/api/dogwatch/v1/state", watch.url)).await.unwrap().text().await.unwrap();
    assert!(state.contains("of the hosts of HTTPRoutes, *.test was left out"), "{state}");
    let shown = watch.cli_whatever(&["probe", "demo/localhost", "-c", "dogwatch.yml"]);
    assert!(shown.contains("demo/localhost/localhost"), "{shown}");
    site.answer(503, &[], "no backend");
    eventually("it is told", async || !messages(&sink, "firing").is_empty()).await;
    let told = messages(&sink, "firing")[0].to_string();
    assert!(told.contains("localhost: was 503, should be 100..499"), "{told}");
    entry.discover = None;
    watch.configure(&format!("{}clusters: {}\n", told_to(&sink), json!([entry])));
    assert_eq!(watch.reload().await.0, 200);
    eventually("nobody asks it any more", async || targets(&watch).await.iter().all(|t| t["job"] != "localhost")).await;
}

#[tokio::test]
async fn a_check_of_a_cluster_waits_for_one_without_and_is_told_when_only_that_is_over() {
    let (sink, dir) = (HookServer::start().await, tempfile::tempdir().unwrap());
    let (git, deploy) = (HookServer::start().await, HookServer::start().await);
    let cluster = FakeCluster::start(dir.path(), Clock::system()).await.unwrap();
    let entry = cluster.config();
    let checks_of_it = json!([
        {"name": "c-git", "interval": "1s", "timeout": "1s", "http": {"url": git.url("/")}},
        {"name": "c-deploy", "cluster": entry.name, "interval": "1s", "timeout": "1s", "depends_on": ["c-git"],
            "http": {"url": deploy.url("/")}},
    ]);
    let config = format!("{}clusters: {}\nchecks: {checks_of_it}\n", told_to(&sink), json!([entry]));
    let watch = Watch::start(&config).await;
    eventually("both are up", async || checks(&watch, "up").await == 2).await;
    git.answer(503, &[], "down");
    deploy.answer(502, &[], "no git");
    eventually("both are down", async || checks(&watch, "down").await == 2).await;
    eventually("one is told", async || !messages(&sink, "firing").is_empty()).await;
    let recorded = async || {
        let answer = reqwest::get(format!("{}/api/dogwatch/v1/incidents?state=open", watch.url)).await.unwrap();
        answer.text().await.unwrap().contains("c-deploy")
    };
    eventually("the other is on record", recorded).await;
    let told: Vec<String> = messages(&sink, "firing").iter().map(ToString::to_string).collect();
    assert!(told.iter().all(|text| text.contains("c-git") && !text.contains("\"c-deploy\"")), "{told:?}");
    git.answer(200, &[], "ok");
    eventually("its end is told", async || !messages(&sink, "resolved").is_empty()).await;
    let is_told = async || messages(&sink, "firing").iter().any(|m| m.to_string().contains("c-deploy"));
    eventually("what still fails is told", is_told).await;
    deploy.answer(200, &[], "ok");
    eventually("both ends are told", async || messages(&sink, "resolved").len() == 2).await;
}

#[tokio::test]
async fn a_check_is_not_told_in_its_quiet_times() {
    let (sink, site) = (HookServer::start().await, HookServer::start().await);
    let config = |quiet: &str| {
        format!(
            "{}time_intervals: [{{name: always, time_intervals: [{{}}]}}]\nchecks:\n  - {{name: c-nightly, \
             http: {{url: '{}'}}, interval: 1s, timeout: 1s{quiet}}}\n",
            told_to(&sink),
            site.url("/")
        )
    };
    let watch = Watch::start(&config(", quiet: [always]")).await;
    eventually("it is up", async || checks(&watch, "up").await == 1).await;
    site.answer(503, &[], "down for the night");
    let incident = async || {
        let answer = reqwest::get(format!("{}/api/dogwatch/v1/incidents?state=open", watch.url)).await.unwrap();
        answer.text().await.unwrap()
    };
    eventually("it is on record", async || incident().await.contains("the check is quiet now (always)")).await;
    assert_eq!(messages(&sink, "firing"), Vec::<Value>::new());
    watch.configure(&config(""));
    assert_eq!(watch.reload().await.0, 200);
    eventually("what still fails is told", async || !messages(&sink, "firing").is_empty()).await;
    watch.configure(&config(", quiet: [nights]"));
    let (status, answer) = watch.reload().await;
    assert!(status == 500 && answer.contains("there is no time interval …"), "{answer}");
}

#[tokio::test]
async fn a_reload_changes_only_what_is_written_anew() {
    let (sink, site) = (HookServer::start().await, HookServer::start().await);
    let entry = |name: &str, more: &str| {
        format!("  - {{name: {name}, http: {{url: '{}'{more}}}, interval: 1s, timeout: 1s}}\n", site.url("/"))
    };
    let config = |checks: &str| format!("{}checks:\n{checks}", told_to(&sink));
    let watch = Watch::start(&config(&(entry("c-kept", "") + &entry("c-gone", "")))).await;
    eventually("both are up", async || checks(&watch, "up").await == 2).await;
    let since = async |name: &str| {
        targets(&watch).await.into_iter().find(|t| t["job"] == name).map(|t| t["since"].as_str().unwrap().to_owned())
    };
    let before = since("c-kept").await;
    watch.configure(&config(&(entry("c-kept", "") + &entry("c-new", ", status: 418"))));
    let (status, answer) = watch.reload().await;
    assert!(status == 200, "{answer}");
    assert!(watch.log().contains("checks: c-new added, c-gone removed"), "{}", watch.log());
    eventually("the new one is judged", async || checks(&watch, "down").await == 1).await;
    assert_eq!((since("c-kept").await, since("c-gone").await), (before, None));
    let (status, answer) = {
        watch.configure(&config(&entry("c-kept", ", expect: ['status on 200']")));
        watch.reload().await
    };
    assert!(status == 500 && answer.contains("column 8 of the condition"), "{answer}");
    watch.configure(&told_to(&sink));
    assert_eq!(watch.reload().await.0, 200);
    eventually("no check is left", async || targets(&watch).await.is_empty()).await;
}

#[test]
fn mistakes_are_told_with_their_place() {
    let check = |text: &str, words: &[&str]| {
        let text = format!("checks:\n  - {text}\n");
        let errors = config::parse(Path::new("dogwatch.yml"), &text, &|_| None).unwrap_err();
        let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(words.iter().all(|w| said.iter().any(|s| s.contains(w))), "{text}: {said:?}");
    };
    check("{name: a, htpp: {url: 'http://a'}}", &["dogwatch.yml:2:", "unknown key `htpp`", "http"]);
    check("{name: a, http: {url: 'http://a', stauts: 200}}", &["unknown key `stauts`", "`status`"]);
    check("{name: a}", &["a check has exactly one kind"]);
    check("{name: a, http: {url: 'http://a'}, tcp: {address: 'a:1'}}", &["a check has exactly one kind"]);
    check("{name: etcd, http: {url: 'http://a'}}", &["a component of clusters is called so"]);
    check("{name: a, cluster: prod, http: {url: 'http://a'}}", &["there is no cluster …"]);
    check("{name: a, depends_on: [b], http: {url: 'http://a'}}", &["there is no check …"]);
    check(
        "{name: a, depends_on: [b], http: {url: 'http://a'}}\n  - {name: b, depends_on: [a], http: {url: 'http://a'}}",
        &["depends on \"a\" itself"],
    );
    check("{name: a, down: 5 of 3, http: {url: 'http://a'}}", &["like 3 of 5"]);
    check("{name: a, http: {url: 'http://u:p@a'}}", &["user and password go into basic_auth"]);
    check("{name: a, http: {url: 'http://a', expect: ['time < 800']}}", &["column 8 of the condition", "800ms"]);
    check("{name: a, http: {url: 'http://a', expect: ['banner ~ \"x\"']}}", &["nothing of this kind"]);
    check("{name: a, http: {url: 'http://a', status: [two]}}", &["write statuses like 200"]);
    check("{name: a, tcp: {address: 'a'}}", &["it has no port"]);
    check("{name: a, tcp: {expect: x}}", &["checks[0].tcp.address", "where is it to be asked?"]);
    check("{name: a, nodes: {port: 1}, tcp: {expect: x}}", &["of which cluster?"]);
    check("{name: a, nodes: {port: 1, ingress: true}, tls: {}}", &["give port, or ingress: true"]);
    check("{name: a, nodes: {ingress: true}, dns: {name: a}}", &["an ingress serves http, websocket, tls and grpc"]);
    check("{name: a, nodes: {ingress: nginx}, tls: {}}", &["like ingress-nginx/controller"]);
    check("{name: a, dns: {server: 10.0.0.10, name: a, type: ABC}}", &["this is no type of record"]);
    check("{name: a, tcp: {address: 'a:1', expect: '('}}", &["this is no regular expression"]);
}
