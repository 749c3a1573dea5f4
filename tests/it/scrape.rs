//! Metrics of components that only an API server hands on.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    http::{StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use tokio::net::TcpListener;

use crate::{alerting::watch::Watch, eventually::eventually};

const SCHEDULER: &str = "# TYPE scheduler_pending_pods gauge\nscheduler_pending_pods{queue=\"active\"} 3\nnot_kept 1\n";
const MANAGER: &str = "# TYPE workqueue_depth gauge\nworkqueue_depth{name=\"deployment\"} 7\n";

/// An API server of EKS, as far as anybody asks here.
fn answer(uri: &Uri, hands_on: bool) -> Response {
    match uri.path() {
        "/version" => r#"{"major": "1", "minor": "34", "gitVersion": "v1.34.1-eks-113cf36"}"#.into_response(),
        "/livez" | "/readyz" | "/healthz" => "ok".into_response(),
        "/metrics" => "apiserver_current_inflight_requests 1\n".into_response(),
        "/apis/metrics.eks.amazonaws.com/v1/ksh/container/metrics" if hands_on => SCHEDULER.into_response(),
        "/apis/metrics.eks.amazonaws.com/v1/kcm/container/metrics" if hands_on => MANAGER.into_response(),
        path if path.contains("metrics.eks") => StatusCode::FORBIDDEN.into_response(),
        _ => r#"{"kind": "List", "items": []}"#.into_response(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scheduler_and_controller_manager_of_eks_are_scraped_through_its_api_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let hands_on = Arc::new(AtomicBool::new(true));
    let said = hands_on.clone();
    let router = Router::new().fallback(async move |uri: Uri| answer(&uri, said.load(Ordering::Relaxed)));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut watch = Watch::start("").await;
    watch.kill();
    let kubeconfig = crate::alerting::watch::KUBECONFIG
        .replace("https://127.0.0.1:1", &server)
        .replace("token: t", "username: u, password: p");
    watch.write("kubeconfig", &kubeconfig);
    watch.configure("clusters: [{name: eks, kubeconfig: kubeconfig, scrape: {interval: 5s, timeout: 3s}}]");
    watch.start_again().await;

    let pending = "scheduler_pending_pods{job=\"kube-scheduler\",cluster=\"eks\",queue=\"active\"}";
    eventually("the scheduler's are there", async || watch.query(pending).await == Some(3.0)).await;
    let depth = "workqueue_depth{job=\"kube-controller-manager\",name=\"deployment\"}";
    eventually("the controller-manager's are there", async || watch.query(depth).await == Some(7.0)).await;
    assert_eq!(watch.query("count(up{job=~\"kube-scheduler|kube-controller-manager\"}==1)").await, Some(2.0));
    assert_eq!(watch.query("not_kept").await, None, "what is not on the keep-list is not kept");

    // That it is refused says nothing of the components: they are not there any more, and nobody calls them down.
    hands_on.store(false, Ordering::Relaxed);
    eventually("they end", async || watch.query(pending).await.is_none()).await;
    assert_eq!(watch.query("up{job=\"kube-scheduler\"}").await, None);
    assert_eq!(watch.query("dogwatch_scrape_success{job=\"kube-scheduler\"}").await, Some(0.0));
    assert!(watch.log().contains("HTTP 403"), "{}", watch.log());
}
