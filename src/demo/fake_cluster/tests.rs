use std::time::Instant;

use reqwest::{Certificate, Client, Identity};
use serde_json::Value;

use super::*;

struct Lab {
    cluster: FakeCluster,
    known: Client,
    stranger: Client,
    etcd: Client,
    _dir: tempfile::TempDir,
}

async fn lab() -> Lab {
    // Another test may have been first; the provider is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let cluster = FakeCluster::start(dir.path(), Clock::system()).await.unwrap();
    let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
    let client = |ca: &str, identity: Option<(&str, &str)>| {
        let mut builder = Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(20))
            .pool_max_idle_per_host(0)
            .tls_certs_only([Certificate::from_pem(&read(ca)).unwrap()]);
        if let Some((certificate, key)) = identity {
            builder = builder.identity(Identity::from_pem(&[read(certificate), read(key)].concat()).unwrap());
        }
        builder.build().unwrap()
    };
    Lab {
        known: client(certificates::CA, Some((certificates::CLIENT, certificates::CLIENT_KEY))),
        stranger: client(certificates::CA, None),
        etcd: client(certificates::ETCD_CA, Some((certificates::ETCD_CLIENT, certificates::ETCD_CLIENT_KEY))),
        cluster,
        _dir: dir,
    }
}

async fn get(client: &Client, url: String) -> (u16, String) {
    let response = client.get(url).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

fn json(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}

impl Lab {
    fn api(&self, i: usize, path: &str) -> String {
        format!("https://{}{path}", self.cluster.apiserver(i))
    }

    async fn object(&self, path: &str) -> Value {
        let (status, body) = get(&self.known, self.api(1, path)).await;
        assert_eq!(status, 200, "{path}: {body}");
        json(&body)
    }

    async fn etcd(&self, i: usize, path: &str) -> (u16, Value) {
        let request = self.etcd.post(format!("https://{}{path}", self.cluster.etcd(i))).body("{}");
        let response = request.send().await.unwrap();
        (response.status().as_u16(), json(&response.text().await.unwrap()))
    }
}

#[tokio::test]
async fn health_pages_read_as_the_real_ones() {
    let lab = lab().await;
    assert_eq!(get(&lab.stranger, lab.api(0, "/livez")).await, (200, "ok".to_owned()));
    let (status, body) = get(&lab.stranger, lab.api(2, "/livez?verbose")).await;
    assert_eq!(status, 200);
    assert!(body.starts_with("[+]ping ok\n[+]log ok\n[+]etcd ok\n[+]poststarthook/"), "{body}");
    assert!(body.ends_with("[+]poststarthook/apiservice-openapi-controller ok\nlivez check passed\n"), "{body}");
    // As long as the captured ones: 22 and 24 checks with their last lines.
    assert_eq!(body.len(), 1041);
    let (_, body) = get(&lab.stranger, lab.api(0, "/readyz?verbose")).await;
    assert_eq!(body.len(), 1077);
    assert!(body.contains("[+]informer-sync ok\n") && body.contains("[+]shutdown ok\nreadyz check passed\n"));
    assert_eq!(json(&get(&lab.stranger, lab.api(0, "/version")).await.1)["gitVersion"], "v1.20.2");
}

#[tokio::test]
async fn strangers_are_refused_objects_and_kubelets() {
    let lab = lab().await;
    let (status, body) = get(&lab.stranger, lab.api(0, "/api/v1/nodes")).await;
    assert_eq!((status, &json(&body)["reason"]), (401, &Value::from("Unauthorized")));

    let config = lab.cluster.config();
    let read = |path: &std::path::Path| std::fs::read(path).unwrap();
    let dir = lab._dir.path();
    let identity = [read(&dir.join(certificates::CLIENT)), read(&dir.join(certificates::CLIENT_KEY))].concat();
    // A kubelet's own certificate is signed by itself.
    let builder = || Client::builder().no_proxy().tls_danger_accept_invalid_certs(true);
    let (stranger, known) =
        (builder().build().unwrap(), builder().identity(Identity::from_pem(&identity).unwrap()).build().unwrap());
    let kubelet = |path: &str| format!("https://{}{path}", lab.cluster.world.address(Role::Kubelet(1)));
    assert_eq!(get(&stranger, kubelet("/healthz")).await, (401, "Unauthorized".to_owned()));
    assert_eq!(get(&known, kubelet("/healthz")).await, (200, "ok".to_owned()));
    let verbose = "[+]ping ok\n[+]log ok\n[+]syncloop ok\nhealthz check passed\n";
    assert_eq!(get(&known, kubelet("/healthz?verbose")).await, (200, verbose.to_owned()));
    for url in [&config.scheduler.endpoints[0], &config.controller_manager.endpoints[2]] {
        assert_eq!(get(&stranger, url.to_string()).await, (200, "ok".to_owned()));
    }
    let without = lab.stranger.get(format!("https://{}/health", lab.cluster.etcd(0))).send().await;
    assert!(without.is_err(), "etcd wants a client certificate");
    // With Go, so with us: the private keys are for their owner alone.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(dir.join(certificates::CLIENT_KEY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn discovery_finds_everything() {
    let lab = lab().await;
    let endpoints = lab.object("/api/v1/namespaces/default/endpoints/kubernetes").await;
    let mut found = Vec::new();
    for subset in endpoints["subsets"].as_array().unwrap() {
        for address in subset["addresses"].as_array().unwrap() {
            found.push(format!("{}:{}", address["ip"].as_str().unwrap(), subset["ports"][0]["port"]));
        }
    }
    let mut expected: Vec<_> = (0..SIZE).map(|i| lab.cluster.apiserver(i).to_string()).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);

    let mut names = Vec::new();
    let mut next = String::new();
    loop {
        let page = lab.object(&format!("/api/v1/nodes?limit=2{next}")).await;
        for node in page["items"].as_array().unwrap() {
            names.push(node["metadata"]["name"].as_str().unwrap().to_owned());
            let port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"].as_u64().unwrap();
            let i = names.len() - 1;
            assert_eq!(port, u64::from(lab.cluster.world.address(Role::Kubelet(i)).port()));
        }
        match page["metadata"]["continue"].as_str() {
            Some(token) => next = format!("&continue={token}"),
            None => break,
        }
    }
    assert_eq!(names, ["node-1", "node-2", "node-3"]);

    for (path, most) in [("kube-node-lease/leases", 10.0), ("kube-system/leases", 2.0)] {
        let leases = lab.object(&format!("/apis/coordination.k8s.io/v1/namespaces/{path}")).await;
        assert!(leases["items"].as_array().unwrap().len() >= 2);
        for lease in leases["items"].as_array().unwrap() {
            let renewed: jiff::Timestamp = lease["spec"]["renewTime"].as_str().unwrap().parse().unwrap();
            let age = jiff::Timestamp::now().duration_since(renewed).as_secs_f64();
            assert!((-0.1..most + 1.0).contains(&age), "{path}: {age}");
        }
    }
    let lease = lab.object("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler").await;
    assert_eq!(lease["metadata"]["name"], "kube-scheduler");
    let nope = get(&lab.known, lab.api(0, "/api/v1/nodes/nope/proxy/healthz")).await;
    assert_eq!((nope.0, &json(&nope.1)["message"]), (404, &Value::from("nodes \"nope\" not found")));
    assert_eq!(get(&lab.known, lab.api(0, "/api/v1/nodes/node-2/proxy/healthz")).await, (200, "ok".to_owned()));
}

#[tokio::test]
async fn a_lost_member_leaves_quorum_and_a_leader() {
    let lab = lab().await;
    let leader = lab.etcd(0, "/v3/maintenance/status").await.1["leader"].clone();
    assert_eq!(leader, lab.etcd(0, "/v3/maintenance/status").await.1["header"]["member_id"]);
    lab.cluster.kill_etcd(0).await;
    let refused = tokio::net::TcpStream::connect(lab.cluster.etcd(0)).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let status = lab.etcd(1, "/v3/maintenance/status").await.1;
    assert_eq!(status["leader"], status["header"]["member_id"], "another one leads");
    assert_eq!(lab.etcd(2, "/v3/maintenance/alarm").await, (200, serde_json::json!({})));
    assert_eq!(get(&lab.known, lab.api(0, "/livez")).await.0, 200);
    lab.cluster.restart_etcd().await.unwrap();
    assert_eq!(lab.etcd(0, "/v3/cluster/member/list").await.1["members"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn without_quorum_it_fails_as_the_real_one_does_and_mends() {
    let lab = lab().await;
    lab.cluster.kill_etcd(1).await;
    lab.cluster.kill_etcd(2).await;

    let (status, body) = get(&lab.etcd, format!("https://{}/health", lab.cluster.etcd(0))).await;
    assert_eq!((status, body.as_str()), (503, "{\"health\":\"false\"}\n"));
    let (status, body) = lab.etcd(0, "/v3/maintenance/status").await;
    assert_eq!((status, &body["errors"]), (200, &serde_json::json!(["etcdserver: no leader"])));
    assert_eq!(body["leader"], Value::Null);

    let began = Instant::now();
    let (status, body) = get(&lab.stranger, lab.api(0, "/livez?verbose")).await;
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(status, 500);
    assert!(body.contains("\n[-]etcd failed: reason withheld\n") && body.ends_with("livez check failed\n"), "{body}");
    assert_eq!(get(&lab.stranger, lab.api(0, "/livez?exclude=etcd")).await, (200, "ok".to_owned()));
    assert_eq!(get(&lab.stranger, lab.api(0, "/version")).await.0, 200);

    // A read hangs; it is answered once quorum is back.
    let read = get(&lab.known, lab.api(0, "/api/v1/namespaces/default"));
    let restart = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        lab.cluster.restart_etcd().await.unwrap();
        Instant::now()
    };
    let ((status, _), restarted) = tokio::join!(async { (read.await, ()).0 }, restart);
    assert_eq!(status, 200);
    assert!(restarted.elapsed() < Duration::from_secs(2));
    assert_eq!(get(&lab.stranger, lab.api(0, "/livez")).await.0, 200);
}

#[tokio::test]
async fn leaders_give_up_when_they_cannot_renew_and_come_back() {
    let lab = lab().await;
    let scheduler = lab.cluster.world.address(Role::Scheduler(0));
    let listens = async |wanted: bool, most: Duration| {
        let began = Instant::now();
        while tokio::net::TcpStream::connect(scheduler).await.is_ok() != wanted {
            assert!(began.elapsed() < most, "still {}", !wanted);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        began.elapsed()
    };
    lab.cluster.kill_etcd(0).await;
    lab.cluster.kill_etcd(1).await;
    assert!(listens(false, RENEW_DEADLINE * 2).await >= RENEW_DEADLINE / 2);
    assert!(tokio::net::TcpStream::connect(lab.cluster.world.address(Role::Scheduler(1))).await.is_ok());
    lab.cluster.restart_etcd().await.unwrap();
    let lease = lab.object("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler").await;
    assert!(lease["spec"]["holderIdentity"].as_str().unwrap().starts_with("control-plane-2_"), "{lease}");
    listens(true, RESTART * 3).await;
}

#[tokio::test]
async fn two_clusters_do_not_take_each_others_ports() {
    let first = lab().await;
    first.cluster.kill_etcd(0).await;
    let second = lab().await;
    first.cluster.restart_etcd().await.unwrap();
    assert_ne!(first.cluster.etcd(0), second.cluster.etcd(0));
    for lab in [&first, &second] {
        assert_eq!(lab.etcd(0, "/v3/maintenance/alarm").await.0, 200);
    }
}
