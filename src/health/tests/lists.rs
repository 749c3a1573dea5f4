//! What the API server's lists tell beside components: workers, aggregated APIs, certificate requests.

use super::{
    nodes::{break_it, roots},
    world::at,
};
use crate::model::*;

fn worker_count(ago: i64, workers: usize) -> NodeCount {
    NodeCount { at: at(-ago), workers, seen_off: 0 }
}

fn away_api(since: i64) -> AwayApi {
    AwayApi {
        name: "v1beta1.metrics.k8s.io".into(),
        service: "kube-system/metrics-server".into(),
        reason: "MissingEndpoints".into(),
        message: String::new(),
        since: Some(at(since)),
    }
}

fn requests(signer: &str, count: usize) -> PendingRequests {
    PendingRequests { signer: signer.into(), count, oldest: at(-3600) }
}

#[test]
fn an_api_is_away_because_the_nodes_of_its_pods_are_lost() {
    let told = break_it(5, |w| {
        w.snapshot.extras_at = Some(at(-5));
        w.snapshot.away_apis = vec![away_api(-80)];
        w.down("kubelet 10.99.1.2", Reason::Timeout, -120).lease("n02", 130);
    });
    assert!(told.contains("NodeDown <- AggregatedApiDown: the API v1beta1.metrics.k8s.io is away"), "{told}");
}

#[test]
fn what_the_lists_tell_beside_components() {
    let check = |break_it: fn(&mut ClusterSnapshot), expected: &[&str]| {
        let told = roots(5, |w| {
            w.snapshot.extras_at = Some(at(-30));
            break_it(&mut w.snapshot);
        });
        assert_eq!(told, expected);
    };
    check(|_| {}, &[]);
    check(|s| s.away_apis = vec![away_api(-30)], &[]);
    check(
        |s| s.away_apis = vec![away_api(-90)],
        &[
            "warning AggregatedApiDown: the API v1beta1.metrics.k8s.io is away: its service kube-system/metrics-server does not serve it (MissingEndpoints)",
        ],
    );
    check(|s| (s.away_apis, s.extras_at) = (vec![away_api(-90)], Some(at(-900))), &[]);
    check(
        |s| {
            s.pending_requests = vec![
                requests("kubernetes.io/kube-apiserver-client-kubelet", 1),
                requests("kubernetes.io/kubelet-serving", 7),
            ]
        },
        &[
            "warning CertificateRequestsPending: 1 certificate request for kubernetes.io/kube-apiserver-client-kubelet waits and nobody decides, the oldest since 2026-11-23 05:00:00 UTC",
            "info CertificateRequestsPending: 7 certificate requests for kubernetes.io/kubelet-serving wait and nobody decides, the oldest since 2026-11-23 05:00:00 UTC",
        ],
    );
    check(
        |s| s.counts = vec![worker_count(3600, 24), worker_count(60, 0)],
        &["critical WorkersGone: no worker is left (0 of 24), though the control plane answers"],
    );
    check(
        |s| s.counts = vec![worker_count(3600, 24), worker_count(60, 12)],
        &["warning WorkersGone: 12 of 24 workers are gone within minutes, and were not drained before"],
    );
    check(
        |s| s.counts = vec![worker_count(3600, 10), worker_count(60, 40)],
        &["info WorkersAdded: the number of workers rose from 10 to 40 within minutes"],
    );
}
