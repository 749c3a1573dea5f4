//! `clusters[].scrape:`, the keep-list, and what the loaded rules add to it.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use regex::Regex;

pub use crate::discover::config::ScrapeConfig;
use crate::model::{Job, MatchOp, Matcher, re2};

/// What the shipped rules, the dashboards and the published control-plane rules of kubernetes-mixin and etcd-mixin need.
/// Of a histogram or summary the family's name stands for its parts.
pub const DEFAULT: &[&str] = &[
    // kube-apiserver
    "apiserver_request_total",
    "apiserver_request_sli_duration_seconds",
    "apiserver_request_slo_duration_seconds",
    "apiserver_request_terminations_total",
    "apiserver_current_inflight_requests",
    "apiserver_client_certificate_expiration_seconds",
    "apiserver_flowcontrol_rejected_requests_total",
    "aggregator_unavailable_apiservice",
    "aggregator_unavailable_apiservice_total",
    // etcd
    "etcd_server_has_leader",
    "etcd_server_is_leader",
    "etcd_server_id",
    "etcd_server_leader_changes_seen_total",
    "etcd_server_proposals_failed_total",
    "etcd_server_proposals_pending",
    "etcd_server_quota_backend_bytes",
    "etcd_server_slow_apply_total",
    "etcd_mvcc_db_total_size_in_bytes",
    "etcd_mvcc_db_total_size_in_use_in_bytes",
    "etcd_disk_wal_fsync_duration_seconds",
    "etcd_disk_backend_commit_duration_seconds",
    "etcd_network_peer_round_trip_time_seconds",
    "etcd_network_peer_sent_failures_total",
    "etcd_network_peer_received_failures_total",
    "grpc_server_handled_total",
    "grpc_server_handling_seconds",
    // kubelet
    "kubelet_node_name",
    "kubelet_running_pods",
    "kubelet_running_containers",
    "kubelet_pleg_relist_duration_seconds",
    "kubelet_pod_worker_duration_seconds",
    "kubelet_certificate_manager_client_ttl_seconds",
    "kubelet_certificate_manager_server_ttl_seconds",
    "kubelet_certificate_manager_client_expiration_renew_errors",
    "kubelet_server_expiration_renew_errors",
    "kubelet_runtime_operations_errors_total",
    // scheduler, controller-manager
    "scheduler_pending_pods",
    "scheduler_schedule_attempts_total",
    "scheduler_scheduling_attempt_duration_seconds",
    "scheduler_e2e_scheduling_duration_seconds",
    "scheduler_scheduling_algorithm_duration_seconds",
    "scheduler_binding_duration_seconds",
    "leader_election_master_status",
    "workqueue_adds_total",
    "workqueue_depth",
    "workqueue_queue_duration_seconds",
    // all of them
    "rest_client_requests_total",
    "kubernetes_build_info",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_open_fds",
    "process_max_fds",
    "go_goroutines",
];

/// The job that kube-prometheus gives to API servers; kubernetes-mixin has `kube-apiserver`, as dogwatch.
const KUBE_PROMETHEUS: &str = "apiserver";

/// Holds what rules ask of scraped components, so that a rule file that is dropped in finds its series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Names or expressions of metrics.
    pub metrics: BTreeSet<String>,
    /// They look for API servers as `job="apiserver"`.
    pub kube_prometheus: bool,
    /// They look for them as `job="kube-apiserver"`.
    pub mixin: bool,
}

impl Wanted {
    /// Returns what these selectors ask for; each is its conditions.
    pub fn by(selectors: &[Vec<Matcher>]) -> Self {
        let mut wanted = Self::default();
        for selector in selectors {
            wanted.metrics.extend(selector.iter().filter(|m| &*m.name == "__name__").filter_map(named));
            let finds = |job: &str| {
                let mut of_job = selector.iter().filter(|m| &*m.name == "job").peekable();
                of_job.peek().is_some() && of_job.all(|m| m.matches(job))
            };
            let both = (finds(KUBE_PROMETHEUS), finds(Job::KubeApiserver.as_str()));
            // A rule that takes either is content with one, and one of neither wants other components.
            wanted.kube_prometheus |= both == (true, false);
            wanted.mixin |= both == (false, true);
        }
        wanted
    }

    /// Returns the jobs under which API servers' series are written.
    pub fn api_server_jobs(&self, config: &ScrapeConfig) -> Vec<String> {
        if let Some(job) = &config.apiserver_job {
            return vec![job.clone()];
        }
        let ours = Job::KubeApiserver.as_str();
        match (self.kube_prometheus, self.mixin) {
            (false, _) => vec![ours.into()],
            (true, false) => vec![KUBE_PROMETHEUS.into()],
            (true, true) => vec![ours.into(), KUBE_PROMETHEUS.into()],
        }
    }
}

/// A condition on the name, as an entry of the keep-list; an expression that takes just any name is no wish.
fn named(name: &Matcher) -> Option<String> {
    let wish = match &name.op {
        MatchOp::Equal => true,
        MatchOp::Regex(any) => !any.is_match("a"),
        MatchOp::NotEqual | MatchOp::NotRegex(_) => false,
    };
    wish.then(|| name.value.to_string())
}

/// Which metrics are kept.
#[derive(Debug)]
pub struct Keep {
    names: HashSet<String>,
    patterns: Vec<Regex>,
    drop: Vec<Regex>,
}

impl Keep {
    /// Returns the configured list, or the default one and what the rules want. What is no expression was refused
    /// before.
    pub fn new(config: &ScrapeConfig, by_rules: &Wanted) -> Self {
        let wanted: Vec<String> = match &config.keep[..] {
            [] => DEFAULT.iter().map(|n| (*n).to_owned()).chain(by_rules.metrics.iter().cloned()).collect(),
            own => own.to_vec(),
        };
        let is_name = |t: &String| t.bytes().all(|b| b.is_ascii_alphanumeric() || b"_:".contains(&b));
        let (names, patterns): (Vec<String>, Vec<String>) = wanted.into_iter().partition(is_name);
        let read = |texts: &[String]| texts.iter().filter_map(|t| re2::anchored(t).ok()).collect();
        Self { names: names.into_iter().collect(), patterns: read(&patterns), drop: read(&config.drop) }
    }

    /// Returns whether a series' name is kept, itself or as a part of its family.
    pub fn takes(&self, name: &str) -> bool {
        let family = ["_bucket", "_sum", "_count"].into_iter().find_map(|part| name.strip_suffix(part));
        let named = self.names.contains(name) || family.is_some_and(|f| self.names.contains(f));
        (named || self.patterns.iter().any(|p| p.is_match(name))) && !self.drop.iter().any(|p| p.is_match(name))
    }
}

/// Returns what is wrong with an entry: `(key, why)`.
pub fn problem(config: &ScrapeConfig) -> Option<(&'static str, String)> {
    for (key, texts) in [("keep", &config.keep), ("drop", &config.drop)] {
        if let Some(error) = texts.iter().find_map(|t| re2::anchored(t).err()) {
            return Some((key, error));
        }
    }
    if config.interval < Duration::from_secs(5) {
        return Some(("interval", "must be at least 5s".into()));
    }
    if config.timeout.is_zero() || config.timeout > config.interval {
        return Some(("timeout", "must be longer than nothing and no longer than the interval".into()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_keeps_its_parts() {
        let keep = |yaml: &str| Keep::new(&serde_saphyr::from_str(yaml).unwrap(), &Wanted::default());
        let default = keep("{}");
        assert!(default.takes("etcd_disk_wal_fsync_duration_seconds_bucket") && default.takes("workqueue_depth"));
        assert!(
            !default.takes("apiserver_request_duration_seconds_bucket") && !default.takes("go_gc_duration_seconds")
        );
        let own = keep("{keep: ['etcd_.*', up], drop: ['etcd_debugging_.*']}");
        assert!(own.takes("etcd_x_total") && own.takes("up") && !own.takes("etcd_debugging_y") && !own.takes("upper"));
    }
    fn selector(conditions: &[(&str, &str, &str)]) -> Vec<Matcher> {
        conditions.iter().map(|(name, op, value)| Matcher::new(name, op, value).unwrap()).collect()
    }

    #[test]
    fn rules_find_what_they_look_for() {
        let wanted = Wanted::by(&[
            selector(&[("__name__", "=", "etcd_http_failed_total"), ("job", "=~", ".*etcd.*")]),
            selector(&[("__name__", "=~", "kubelet_volume_stats_.+"), ("job", "=", "kubelet")]),
            selector(&[("__name__", "=~", ".+")]),
            selector(&[("__name__", "!=", "up")]),
        ]);
        assert_eq!(wanted.metrics.iter().collect::<Vec<_>>(), ["etcd_http_failed_total", "kubelet_volume_stats_.+"]);
        let keep = Keep::new(&ScrapeConfig::default(), &wanted);
        assert!(keep.takes("etcd_http_failed_total") && keep.takes("kubelet_volume_stats_used_bytes"));
        assert!(keep.takes("etcd_server_has_leader") && !keep.takes("go_gc_duration_seconds"));
        let own = Keep::new(&ScrapeConfig { keep: vec!["up".into()], ..ScrapeConfig::default() }, &wanted);
        assert!(!own.takes("etcd_http_failed_total"), "a list of the user's is the whole list");
    }

    #[test]
    fn api_servers_are_called_as_rules_call_them() {
        let jobs = |selectors: &[&[(&str, &str, &str)]], own: Option<&str>| {
            let config = ScrapeConfig { apiserver_job: own.map(Into::into), ..ScrapeConfig::default() };
            Wanted::by(&selectors.iter().map(|s| selector(s)).collect::<Vec<_>>()).api_server_jobs(&config)
        };
        let mixin: &[_] = &[("__name__", "=", "up"), ("job", "=", "kube-apiserver")];
        let kube_prometheus: &[_] = &[("__name__", "=", "up"), ("job", "=", "apiserver")];
        let either: &[_] = &[("job", "=~", "(kube-)?apiserver")];
        let neither: &[_] = &[("job", "!~", "kube-dns|coredns")];
        assert_eq!(jobs(&[], None), ["kube-apiserver"]);
        assert_eq!(jobs(&[mixin, either], None), ["kube-apiserver"]);
        assert_eq!(jobs(&[kube_prometheus, either, neither], None), ["apiserver"]);
        assert_eq!(jobs(&[kube_prometheus, mixin], None), ["kube-apiserver", "apiserver"]);
        assert_eq!(jobs(&[kube_prometheus], Some("kube-apiserver")), ["kube-apiserver"]);
    }
}
