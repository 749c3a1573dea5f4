//! The components' own metrics, scraped from the real ones.

use std::time::Duration;

use crate::{
    cluster::Lab,
    outage::end,
    watch::{Watch, eventually},
};

/// Two scrapes, and the store's batch.
const WITHIN: Duration = Duration::from_secs(30);

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn what_rules_need_is_scraped_from_every_component() {
    let lab = Lab::take();
    let watch = Watch::seeing_all(&lab);
    for (promql, least) in [
        ("etcd_server_has_leader == 1", 3),
        ("etcd_disk_wal_fsync_duration_seconds_bucket{job=\"etcd\",le=\"+Inf\"}", 3),
        ("count by (instance) (apiserver_request_total{job=\"apiserver\"})", 3),
        ("up{job=\"apiserver\"} == 1", 3),
        ("count by (instance) (scheduler_pending_pods{job=\"kube-scheduler\"})", 1),
        ("count by (instance) (workqueue_depth{job=\"kube-controller-manager\"})", 1),
        ("count by (instance) (kubelet_running_pods{job=\"kubelet\",metrics_path=\"/metrics\"})", 2),
    ] {
        eventually(WITHIN, promql, || (watch.query(promql) >= least).then_some(()));
    }
    assert_eq!(watch.query("{__name__=~\"go_gc_.*\",cluster=\"lab\"}"), 0, "what is not on the keep-list is not kept");
    end(watch);
}
