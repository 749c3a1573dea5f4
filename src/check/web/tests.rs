//! Kinds that speak HTTP against servers that mean them harm: each ends in time, with a failure in words.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use crate::{
    check::{config::CheckConfig, probe},
    clock::Clock,
    dial::testing::{Server, ok, status},
    model::Observation,
};

/// What a server does with each connection, once it has heard something.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Closes,
    Silence,
    Garbage,
    /// A status, and a body without an end.
    Endless,
    /// A status, and a line without an end.
    EndlessHeader,
    /// A body of so many bytes, of which one comes.
    Half,
    /// 200, and something else than what is asked for.
    Page,
}

async fn harm(mut stream: TcpStream, harm: Harm) {
    let mut heard = vec![0; 4096];
    let _ = stream.read(&mut heard).await;
    let endless = async |stream: &mut TcpStream, first: &[u8]| {
        let _ = stream.write_all(first).await;
        while stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
    };
    match harm {
        Harm::Closes => {}
        Harm::Silence => tokio::time::sleep(Duration::from_secs(30)).await,
        Harm::Garbage => drop(stream.write_all(&[0xff; 512]).await),
        Harm::Endless => endless(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n").await,
        Harm::EndlessHeader => endless(&mut stream, b"HTTP/1.1 200 OK\r\nX: ").await,
        Harm::Half => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{").await;
        }
        Harm::Page => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>").await;
        }
    }
}

async fn asked(check: Value) -> Observation {
    let check: CheckConfig = serde_json::from_value(check).unwrap();
    let target = check.target(0, &BTreeMap::new(), (Duration::from_secs(10), Duration::from_millis(700))).unwrap();
    probe(&Arc::new(target), &check, None, &Clock::system()).await
}

fn kinds(port: u16) -> Vec<Value> {
    let url = format!("http://127.0.0.1:{port}/");
    let auth = json!({"username": "u", "password": "hunter2"});
    vec![
        json!({"name": "x", "prometheus": {"url": url, "query": "up", "basic_auth": auth}}),
        json!({"name": "x", "oci": {"image": format!("127.0.0.1:{port}/a/b:1"), "plain_http": true, "basic_auth": auth}}),
        json!({"name": "x", "git": {"url": url, "expect": ["age < 1d"]}}),
        json!({"name": "x", "git": {"url": format!("git://127.0.0.1:{port}/a.git")}}),
        json!({"name": "x", "helm": {"url": url, "chart": "shop"}}),
        json!({"name": "x", "oidc": {"issuer": url}}),
        json!({"name": "x", "domain": {"name": "example.org", "server": url}}),
        json!({"name": "x", "s3": {"endpoint": url, "bucket": "b", "access_key": "a", "secret_key": "hunter2"}}),
        json!({"name": "x", "azure": {"url": format!("{url}c"), "sas": "sig=hunter2"}}),
    ]
}

#[tokio::test]
async fn whatever_a_server_does_a_probe_ends() {
    for how in [Harm::Closes, Harm::Silence, Harm::Garbage, Harm::Endless, Harm::EndlessHeader, Harm::Half, Harm::Page]
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(harm(stream, how));
            }
        });
        for check in kinds(port) {
            let begun = Instant::now();
            let seen = asked(check.clone()).await;
            let failure = seen.failure.clone().unwrap_or_else(|| panic!("{how:?} {check}: {:?}", seen.trace));
            assert!(begun.elapsed() < Duration::from_secs(5), "{how:?} {check}");
            let told = format!("{failure} {:?}", seen.trace);
            assert!(!told.contains("hunter2") && failure.message.len() < 400, "{how:?} {check}: {told}");
        }
    }
}

/// A registry that asks for a token, and gives it for our password alone.
#[tokio::test]
async fn a_registry_gives_a_token_for_our_password() {
    let tokens = Server::start(None, |seen| match seen.authorization.as_deref() {
        Some("Basic dTpodW50ZXIy") => ok("{\"token\": \"t0k\"}"),
        _ => status(401, "{}"),
    })
    .await;
    let realm = tokens.url("http", "/token").to_string();
    let registry = Server::start(None, move |seen| {
        let is_ours = seen.authorization.as_deref() == Some("Bearer t0k");
        // The digest of `{}`.
        let digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        match seen.path.as_str() {
            _ if !is_ours => ::http::Response::builder()
                .status(401)
                .header("www-authenticate", format!("Bearer realm=\"{realm}\",service=\"registry\""))
                .body(Default::default())
                .unwrap(),
            "/v2/team/shop/manifests/1.0" => ok(format!("{{\"config\": {{\"digest\": \"{digest}\"}}}}")),
            "/v2/team/other/manifests/1.0" => ok("{\"config\": {\"digest\": \"sha256:00\"}}"),
            _ => ok("{}"),
        }
    })
    .await;
    let image = |name: &str, password: &str| {
        json!({"name": "x", "oci": {"image": format!("{}/team/{name}:1.0", registry.address), "plain_http": true,
            "basic_auth": {"username": "u", "password": password}}})
    };
    let seen = asked(image("shop", "hunter2")).await;
    assert_eq!(seen.failure, None, "{:?}", seen.trace);
    let asked_for: Vec<String> = tokens.seen().iter().map(|s| s.path.clone()).collect();
    assert_eq!(asked_for, ["/token?service=registry&scope=repository%3Ateam%2Fshop%3Apull"]);
    let wrong = asked(image("other", "hunter2")).await.failure.unwrap().message;
    assert_eq!(wrong, "what it gives as sha256:00 is something else");
    let refused = asked(image("shop", "wrong")).await.failure.unwrap().message;
    assert_eq!(refused, "a token: HTTP 401: it refuses us, as we log in (or do not)");
}
