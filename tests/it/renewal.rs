//! A token that ends, in the real program, against an API server that hands out others: renewed, kept, used after a crash; told of
//! where the API server refuses.

use std::{
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    http::{HeaderMap, StatusCode, Uri},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, rustls, server::TlsStream};

use crate::{
    alerting::watch::Watch,
    eventually::eventually,
    receivers::{HookServer, Pki},
};

const ACCOUNT: &str = "system:serviceaccount:dogwatch:dogwatch";
const ASKED_AT: &str = "/api/v1/namespaces/dogwatch/serviceaccounts/dogwatch/token";

/// A token given so many seconds ago, which ends in so many.
fn token(ago: i64, left: i64, which: &str) -> String {
    let now = Timestamp::now().as_second();
    let payload = json!({"iss": "https://kubernetes.default.svc", "sub": ACCOUNT, "iat": now - ago, "exp": now + left});
    format!("e30.{}.{which}", BASE64_URL_SAFE_NO_PAD.encode(payload.to_string()))
}

/// With TLS, since a token goes nowhere without.
struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, from)) = self.listener.accept().await else { continue };
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, from);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// It knows one token, answers who asks for another, and remembers who came with what.
struct ApiServer {
    port: u16,
    seen: Arc<Mutex<Vec<(String, String)>>>,
}

impl ApiServer {
    async fn start(pki: &Pki, gives: Result<String, StatusCode>) -> Self {
        use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
        dogwatch::dial::install_crypto();
        let chain = vec![CertificateDer::from_pem_file(&pki.cert).unwrap()];
        let key = PrivateKeyDer::from_pem_file(&pki.key).unwrap();
        let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let remember = seen.clone();
        let answer = move |uri: Uri, headers: HeaderMap| {
            let by = headers.get("authorization").map_or("", |value| value.to_str().unwrap()).to_owned();
            let path = uri.path().to_owned();
            let answer = match &gives {
                _ if path != ASKED_AT => (StatusCode::OK, "ok".to_owned()),
                Ok(token) => {
                    let status = json!({"token": token, "expirationTimestamp": "2090-01-01T00:00:00Z"});
                    (StatusCode::CREATED, json!({"status": status}).to_string())
                }
                Err(code) => (*code, json!({"message": "no rights to serviceaccounts/token"}).to_string()),
            };
            remember.lock().unwrap().push((path, by));
            async move { answer }
        };
        let tls = Tls { listener, acceptor: TlsAcceptor::from(Arc::new(config)) };
        tokio::spawn(async move { axum::serve(tls, Router::new().fallback(answer)).await });
        Self { port, seen }
    }

    /// Writes the kubeconfig with this token, and a configuration that has it renewed.
    fn configure(&self, watch: &Watch, pki: &Pki, token: &str, more: &str) {
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {
                "server": format!("https://localhost:{}", self.port), "certificate-authority": pki.cert}}],
            "users": [{"name": "u", "user": {"token": token}}],
        });
        watch.write("prod.kubeconfig", &kubeconfig.to_string());
        let alone = "etcd: {enabled: false}, scheduler: {enabled: false}, controller_manager: {enabled: false}";
        watch.configure(&format!(
            "clusters: [{{name: prod, kubeconfig: prod.kubeconfig, renew_token: true, {alone}, apiserver: {{interval: 1s}}, \
             recorder: {{enabled: false}}}}]\n{more}"
        ));
    }

    async fn is_asked_by(&self, token: &str) {
        let bearer = format!("Bearer {token}");
        let is_seen = async || self.seen.lock().unwrap().iter().any(|(_, by)| *by == bearer);
        eventually("it comes with that token", is_seen).await;
    }

    fn clear(&self) {
        self.seen.lock().unwrap().clear();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_is_renewed_and_what_was_renewed_outlives_a_crash_and_a_reload() {
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::new(dir.path());
    let (old, new) = (token(600, 500, "oldoldold"), token(0, 1_100, "newnewnew"));
    let api = ApiServer::start(&pki, Ok(new.clone())).await;
    let mut watch = Watch::start("").await;
    api.configure(&watch, &pki, &old, "");
    assert_eq!(watch.reload().await.0, 200);
    api.is_asked_by(&new).await;
    let kept = watch.data().join("tokens/prod.token");
    eventually("it is kept", async || kept.exists()).await;
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), new);
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    let (asked, by) = api.seen.lock().unwrap().iter().find(|(path, _)| path == ASKED_AT).unwrap().clone();
    assert_eq!((asked.as_str(), by), (ASKED_AT, format!("Bearer {old}")));

    watch.kill();
    api.clear();
    watch.start_again().await;
    api.is_asked_by(&new).await;
    let never = |api: &ApiServer, token: &str| {
        !api.seen.lock().unwrap().iter().any(|(path, by)| path == ASKED_AT || by.contains(token))
    };
    assert!(never(&api, &old), "the kept one counts from the first question on, and lives long enough");
    // A reload that makes its dialer anew.
    api.configure(&watch, &pki, &old, "");
    let config = std::fs::read_to_string(watch.data().with_file_name("dogwatch.yml")).unwrap();
    watch.write("dogwatch.yml", &config.replace("renew_token: true", "renew_token: true, context: c"));
    api.clear();
    assert_eq!(watch.reload().await.0, 200);
    api.is_asked_by(&new).await;
    assert!(never(&api, &old));
    // A kubeconfig that was made later wins, without a reload.
    let newest = token(-1, 400, "newestnewest");
    let kubeconfig = watch.data().with_file_name("prod.kubeconfig");
    let text = std::fs::read_to_string(&kubeconfig).unwrap().replace(&old, &newest);
    watch.write("prod.kubeconfig", &text);
    api.is_asked_by(&newest).await;

    let state = reqwest::get(format!("{}/api/dogwatch/v1/state", watch.url)).await.unwrap().text().await.unwrap();
    for which in ["oldoldold", "newnewnew", "newestnewest"] {
        assert!(!watch.log().contains(which) && !state.contains(which), "a token is shown");
    }
    assert!(watch.log().contains("our token was renewed"), "{}", watch.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_renewed_is_told_before_it_ends_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::new(dir.path());
    let api = ApiServer::start(&pki, Err(StatusCode::FORBIDDEN)).await;
    let sink = HookServer::start().await;
    let watch = Watch::start("").await;
    let old = token(95_000, 5_000, "oldoldold");
    let told = format!(
        "route: {{receiver: ops}}\nreceivers: [{{name: ops, webhook_configs: [{{url: '{}'}}]}}]\n",
        sink.url("/ops")
    );
    api.configure(&watch, &pki, &old, &told);
    assert_eq!(watch.reload().await.0, 200);
    let is_told = async || sink.got().iter().any(|hook| hook.json()["alerts"].to_string().contains("TokenExpiring"));
    eventually("its end is told", is_told).await;
    let all: Vec<String> = sink.got().iter().map(|hook| hook.json().to_string()).collect();
    let told = all.iter().find(|text| text.contains("TokenExpiring")).unwrap();
    for words in ["HTTP 403: no rights to serviceaccounts/token", ACCOUNT, "kubectl apply -f deploy/token-rbac.yaml"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(!all.concat().contains("oldoldold") && !watch.log().contains("oldoldold"), "a token is shown");
}
