mod again;
mod credentials;
mod ours;
mod renewal;
mod strange;
mod trust;

use std::{
    net::{Ipv4Addr, TcpListener as StdListener},
    path::Path,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use super::{testing::*, *};
use crate::model::Reason;

/// A cluster with one API server that answers `ok` to everything.
struct World {
    dir: TempDir,
    ca: Authority,
    server: Server,
}

impl World {
    async fn new(names: &[&str]) -> Self {
        Self::until(names, 2090).await
    }

    async fn until(names: &[&str], last_year: i32) -> Self {
        let ca = Authority::new("test-ca");
        let pair = ca.issue("kube-apiserver", names, last_year);
        let tls = tls_config(&pair, Clients::Welcome(&ca));
        let server = Server::start(Some(tls), |_| ok("ok")).await;
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "ca.crt", &ca.certificate);
        Self { dir, ca, server }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    async fn dialer(&self, cluster: &str, user: &str) -> Dialer {
        let cluster = format!("certificate-authority: ca.crt, {cluster}");
        let config = kubeconfig(self.path(), &self.server.url("https", "/"), &cluster, user);
        Dialer::load(config, Clock::system()).await.unwrap()
    }

    async fn livez(&self, dialer: &Dialer, trust: Trust) -> Exchange {
        get(dialer, self.server.url("https", "/livez"), trust, Auth::Cluster).await
    }
}

#[track_caller]
fn failed(exchange: &Exchange, reason: Reason, words: &str) {
    let failure = exchange.outcome.as_ref().expect_err("it should have failed");
    assert!(failure.reason == reason && failure.message.contains(words), "{failure:?}, not {reason} {words:?}");
    assert_eq!(exchange.trace.last().map(|l| l.text.as_str()), Some(failure.message.as_str()));
}

fn status_of(exchange: &Exchange) -> u16 {
    exchange.outcome.as_ref().unwrap_or_else(|f| panic!("{f}")).status
}

#[tokio::test]
async fn each_silence_and_refusal_has_its_own_words() {
    let world = World::new(&["127.0.0.1"]).await;
    let dialer = world.dialer("", "").await;

    let free = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let url = |scheme: &str, address| Url::parse(&format!("{scheme}://{address}/livez")).unwrap();
    let refused = get(&dialer, url("https", free), Trust::Cluster, Auth::Cluster).await;
    failed(&refused, Reason::Refused, &format!("connection refused by {free}"));

    // A backlog accepts for a process that hangs.
    let hanging = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = hanging.local_addr().unwrap();
    for (scheme, words) in [("https", "the TLS handshake got no answer"), ("http", "gave no answer to GET /livez")] {
        let soon = Instant::now() + Duration::from_millis(300);
        let silent = dialer.exchange(Ask::get(url(scheme, address), Trust::Cluster, Auth::None), soon).await;
        failed(&silent, Reason::Timeout, words);
        failed(&silent, Reason::Timeout, "accepted the connection");
        assert!(silent.phases.connect.is_some() && silent.phases.processing.is_none());
    }
    let nameless = Url::parse("https://no-such-name.invalid/").unwrap();
    failed(&get(&dialer, nameless, Trust::Cluster, Auth::None).await, Reason::Dns, "no-such-name.invalid");
}

#[tokio::test]
async fn a_certificate_is_judged_and_remembered() {
    let world = World::new(&["127.0.0.1"]).await;
    let fine = world.livez(&world.dialer("", "").await, Trust::Cluster).await;
    let tls = fine.tls.clone().unwrap();
    assert_eq!((status_of(&fine), tls.verified, tls.version.as_deref()), (200, true, Some("TLS 1.3")));
    assert_eq!((tls.chain[0].subject.as_str(), tls.chain[0].issuer.as_str()), ("CN=kube-apiserver", "CN=test-ca"));
    assert_eq!(
        (tls.chain[0].source.as_str(), tls.chain[0].not_after.to_string().as_str()),
        ("serving", "2090-12-31T00:00:00Z")
    );
    let Phases { resolve, connect, tls, processing, transfer } = fine.phases;
    assert!(resolve.is_none() && [connect, tls, processing, transfer].iter().all(Option::is_some));

    write(world.path(), "ca.crt", &Authority::new("other-ca").certificate);
    let wrong_ca = world.livez(&world.dialer("", "").await, Trust::Cluster).await;
    failed(&wrong_ca, Reason::Tls, "issued by CN=test-ca) is not signed by the CA of the kubeconfig");
    assert!(!wrong_ca.tls.unwrap().verified);
    write(world.path(), "ca.crt", &Authority::new("test-ca").certificate);
    let same_name = world.livez(&world.dialer("", "").await, Trust::Cluster).await;
    failed(&same_name, Reason::Tls, "is not signed by the CA of the kubeconfig");

    let world = World::until(&["127.0.0.1"], 2020).await;
    let expired = world.livez(&world.dialer("", "").await, Trust::Cluster).await;
    failed(&expired, Reason::Tls, "expired on 2020-12-31 00:00 UTC (CN=kube-apiserver)");

    let world = World::new(&["cp-1.example.org", "10.0.0.1"]).await;
    let wrong_name = world.livez(&world.dialer("", "").await, Trust::Cluster).await;
    failed(&wrong_name, Reason::Tls, "is for cp-1.example.org, 10.0.0.1, not for 127.0.0.1 or kubernetes.default.svc");
    let named = world.livez(&world.dialer("tls-server-name: cp-1.example.org", "").await, Trust::Cluster).await;
    assert!(named.tls.unwrap().verified);

    let world = World::new(&["kubernetes.default.svc"]).await;
    let by_service_name = world.livez(&world.dialer("", "").await, Trust::Cluster).await;
    assert!(by_service_name.tls.unwrap().verified);
}

#[tokio::test]
async fn what_is_no_tls_and_who_wants_a_client_certificate_is_told() {
    let world = World::new(&["127.0.0.1"]).await;
    let user = world.ca.issue("watchdog", &[], 2090);
    write(world.path(), "user.crt", &user.certificate);
    write(world.path(), "user.key", &user.key);
    let dialer = world.dialer("", "client-certificate: user.crt, client-key: user.key").await;
    assert_eq!(status_of(&world.livez(&dialer, Trust::Cluster).await), 200);
    assert!(world.server.seen()[0].client_certificate);
    let own = dialer.own_certificates();
    assert_eq!((own.len(), own[0].subject.as_str(), own[0].source.as_str()), (1, "CN=watchdog", "kubeconfig"));

    let pair = world.ca.issue("etcd", &["127.0.0.1"], 2090);
    let strict = Server::start(Some(tls_config(&pair, Clients::Required(&world.ca))), |_| ok("ok")).await;
    let url = strict.url("https", "/health");
    assert_eq!(status_of(&get(&dialer, url.clone(), Trust::Cluster, Auth::Cluster).await), 200);
    let without = get(&dialer, url, Trust::Observe, Auth::None).await;
    failed(&without, Reason::Auth, "wants a client certificate");
    assert!(without.tls.unwrap().verified);

    let foreign = Authority::new("foreign-ca");
    let choosy = Server::start(Some(tls_config(&pair, Clients::Required(&foreign))), |_| ok("ok")).await;
    let refused = get(&dialer, choosy.url("https", "/"), Trust::Cluster, Auth::Cluster).await;
    failed(&refused, Reason::Auth, "refuses our client certificate");

    let plain = Server::start(None, |_| ok("ok")).await;
    let no_tls = get(&dialer, plain.url("https", "/"), Trust::Cluster, Auth::Cluster).await;
    failed(&no_tls, Reason::Tls, "does not speak TLS");
}

#[tokio::test]
async fn etcd_has_a_ca_and_a_client_certificate_of_its_own() {
    let world = World::new(&["127.0.0.1"]).await;
    let etcd_ca = Authority::new("etcd-ca");
    let pair = etcd_ca.issue("etcd", &["127.0.0.1"], 2090);
    let client = etcd_ca.issue("healthcheck", &[], 2090);
    let etcd = Server::start(Some(tls_config(&pair, Clients::Required(&etcd_ca))), |_| ok("{}")).await;
    let mut config =
        kubeconfig(world.path(), &world.server.url("https", "/"), "certificate-authority: ca.crt", "token: t");
    config.etcd_ca_file = Some(write(world.path(), "etcd-ca.crt", &etcd_ca.certificate));
    config.etcd_cert_file = Some(write(world.path(), "etcd.crt", &client.certificate));
    assert!(Dialer::load(config.clone(), Clock::system()).await.unwrap_err().message.contains("belong together"));
    config.etcd_key_file = Some(write(world.path(), "etcd.key", &client.key));
    let dialer = Dialer::load(config, Clock::system()).await.unwrap();

    let answer = get(&dialer, etcd.url("https", "/health"), Trust::Etcd, Auth::Etcd).await;
    assert_eq!(status_of(&answer), 200);
    assert_eq!(etcd.seen()[0].authorization, None);
    assert_eq!(dialer.own_certificates()[0].source, "etcd-client");
    assert!(dialer.has_etcd_certificate());
    let swapped = get(&dialer, world.server.url("https", "/"), Trust::Etcd, Auth::Etcd).await;
    failed(&swapped, Reason::Tls, "is not signed by etcd's CA");
}

#[tokio::test]
async fn a_kept_connection_is_used_again_and_replaced_when_it_breaks() {
    let world = World::new(&["127.0.0.1"]).await;
    let dialer = world.dialer("", "token: t").await;
    let reuse = |server: &Server, scheme: &str| {
        let mut ask = Ask::get(server.url(scheme, "/healthz"), Trust::Observe, Auth::Cluster);
        ask.reuse = true;
        ask
    };
    for _ in 0..3 {
        let last = ask(&dialer, reuse(&world.server, "https")).await;
        assert_eq!((status_of(&last), last.tls.unwrap().verified), (200, true));
        if world.server.seen().len() > 1 {
            assert_eq!((last.phases.connect, last.phases.tls), (None, None));
        }
    }
    assert_eq!(world.server.connections(), 1);
    world.livez(&dialer, Trust::Observe).await;
    assert_eq!(world.server.connections(), 2, "who asks for a fresh connection gets one");

    // This server keeps its connections open, but answers only once on each.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = Url::parse(&format!("http://{}/healthz", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 1024];
            _ = stream.read(&mut buffer).await;
            _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            _ = stream.read(&mut buffer).await;
        }
    });
    for _ in 0..3 {
        let mut request = Ask::get(url.clone(), Trust::Observe, Auth::None);
        request.reuse = true;
        let answer = ask(&dialer, request).await;
        assert_eq!(status_of(&answer), 200);
        assert!(answer.phases.connect.is_some());
    }
}

/// Answers every connection with these bytes and closes it.
async fn raw(bytes: &'static [u8]) -> Url {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = Url::parse(&format!("http://{}/livez", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            _ = stream.read(&mut [0; 1024]).await;
            _ = stream.write_all(bytes).await;
        }
    });
    url
}

#[tokio::test]
async fn bodies_are_capped_cut_or_no_http_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let big = Server::start(None, |_| ok(vec![b'x'; 100_000])).await;
    let dialer = plain_dialer(dir.path(), &big.url("http", "/")).await;
    let mut capped = Ask::get(big.url("http", "/"), Trust::Observe, Auth::None);
    capped.max_bytes = 1000;
    let answer = ask(&dialer, capped).await.outcome.unwrap();
    assert_eq!((answer.body.len(), answer.cut), (1000, true));

    let url = raw(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 100\r\n\r\n[+]ping ok\n").await;
    let answer = get(&dialer, url, Trust::Observe, Auth::None).await.outcome.unwrap();
    assert_eq!((answer.status, &answer.body[..], answer.cut), (500, &b"[+]ping ok\n"[..], true));

    let ssh = get(&dialer, raw(b"SSH-2.0-OpenSSH_9.2\r\n").await, Trust::Observe, Auth::None).await;
    failed(&ssh, Reason::Body, "is not HTTP");
    let nothing = get(&dialer, raw(b"").await, Trust::Observe, Auth::None).await;
    failed(&nothing, Reason::Refused, "closed it without an answer");
}

#[tokio::test]
async fn the_servers_path_goes_before_its_own_requests_only() {
    let dir = tempfile::tempdir().unwrap();
    let (rancher, other) = (Server::start(None, |_| ok("")).await, Server::start(None, |_| ok("")).await);
    let dialer = plain_dialer(dir.path(), &rancher.url("http", "/k8s/clusters/c-1/")).await;
    assert_eq!((dialer.server(), dialer.context().as_str()), (rancher.url("http", "/"), "test"));
    for server in [&rancher, &other] {
        get(&dialer, server.url("http", "/readyz?verbose"), Trust::Cluster, Auth::None).await;
    }
    assert_eq!(rancher.seen()[0].path, "/k8s/clusters/c-1/readyz?verbose");
    assert_eq!(other.seen()[0].path, "/readyz?verbose");
}

/// A thousand that wait for an answer are as many of these.
#[tokio::test]
async fn an_exchange_that_waits_is_small() {
    let world = World::new(&["127.0.0.1"]).await;
    let dialer = world.dialer("", "").await;
    let ask = Ask::get(world.server.url("https", "/livez"), Trust::Cluster, Auth::Cluster);
    let size = size_of_val(&exchange::run(&dialer.credentials, ask, Instant::now()));
    assert!(size <= 12 << 10, "{size} bytes");
}
