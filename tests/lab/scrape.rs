//! The components' own metrics, scraped from the real ones.

use std::{path::PathBuf, time::Duration};

use crate::{
    cluster::Lab,
    watch::{Setup, Watch, eventually},
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
        ("count by (instance) (apiserver_request_total{job=\"kube-apiserver\"})", 3),
        ("up{job=\"kube-apiserver\"} == 1", 3),
        ("count by (instance) (scheduler_pending_pods{job=\"kube-scheduler\"})", 1),
        ("count by (instance) (workqueue_depth{job=\"kube-controller-manager\"})", 1),
        ("count by (instance) (kubelet_running_pods{job=\"kubelet\",metrics_path=\"/metrics\"})", 2),
    ] {
        eventually(WITHIN, promql, || (watch.query(promql) >= least).then_some(()));
    }
    assert_eq!(watch.query("{__name__=~\"go_gc_.*\",cluster=\"lab\"}"), 0, "what is not on the keep-list is not kept");
    watch.stop();
}

/// `etcdNoLeader` is there for a minute before it fires.
const MIXIN_WITHIN: Duration = Duration::from_secs(150);

/// etcd's own alerts, as its project publishes them; `tests/run` gets them from Debian's source package.
fn mixin() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache"));
    cache.join("dogwatch-tests/etcd-mixin/forky/mixin.yaml")
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn published_rules_of_etcd_fire_on_what_is_scraped() {
    let lab = Lab::take_to_burn();
    let mut watch = Watch::start(&lab, Setup::Ruled(&lab.pki("watchdog.kubeconfig"), &mixin()));
    watch.wait_until_all_up();
    watch.act(&["kill", "etcd-2"]);
    watch.act(&["kill", "etcd-3"]);
    for promql in [
        "ALERTS{alertname=\"etcdNoLeader\",alertstate=\"firing\",job=\"etcd\",instance=\"10.99.0.1:2379\"}",
        "ALERTS{alertname=\"etcdInsufficientMembers\",alertstate=\"pending\"}",
        "ALERTS{alertname=\"etcdMembersDown\",alertstate=\"pending\"}",
    ] {
        eventually(MIXIN_WITHIN, promql, || (watch.query(promql) == 1).then_some(()));
    }
    watch.act(&["mend"]);
    watch.wait_until_all_up();
    watch.stop();
}
