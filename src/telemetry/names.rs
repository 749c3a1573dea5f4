//! The name, type and help text of every series that is about a target, a cluster or the view (the contract).

/// `(name, help)` of every gauge that `ingest` or `/metrics` itself makes from `model::Live`. Shown under these texts.
pub const GAUGES: &[(&str, &str)] = &[
    ("probe_success", "1 if this probe succeeded"),
    ("probe_duration_seconds", "Duration of the whole probe"),
    ("probe_http_duration_seconds", "Duration of the phases of the probe's first HTTP exchange"),
    ("probe_http_status_code", "HTTP status of the probe's first exchange"),
    ("probe_ssl_earliest_cert_expiry", "Earliest expiry in the presented chain, as Unix time"),
    ("probe_tls_version_info", "The TLS version of the probe's first connection"),
    ("probe_failure_info", "1 for the current reason of failure"),
    ("probe_dns_lookup_time_seconds", "Time that the name of the checked host took to resolve"),
    ("probe_http_version", "The version of HTTP that the check was answered by"),
    ("probe_http_ssl", "1 if the check's last answer came over TLS"),
    ("probe_http_redirects", "Redirects that the check followed"),
    ("probe_http_content_length", "Length of the answer as its header says, -1 if it does not"),
    ("probe_http_uncompressed_body_length", "Length of the answer's body as it was read, unpacked"),
    ("probe_http_last_modified_timestamp_seconds", "The answer's Last-Modified, as Unix time"),
    ("probe_dns_answer_rrs", "Records in the answer's first section"),
    ("probe_dns_authority_rrs", "Records in the answer's authority section"),
    ("probe_dns_additional_rrs", "Records in the answer's additional section"),
    ("probe_dns_query_succeeded", "1 if the server answered NOERROR"),
    ("probe_dns_serial", "The serial of the zone, as the answer's SOA has it"),
    ("probe_failed_due_to_regex", "1 if something came, and not what the check expects"),
    ("dogwatch_check_info", "1 for each check, with its kind and the severity of its alarm"),
    ("up", "1 if the target answered as the component that it should be, healthy or not"),
    ("dogwatch_target_state", "The confirmed verdict, one-hot"),
    ("dogwatch_component_check", "1 or 0 for each line of /livez, /readyz, /healthz?verbose"),
    ("dogwatch_component_info", "The version that the component told"),
    ("dogwatch_kubelet_info", "The way by which the kubelet was asked and its direct HTTP status"),
    ("dogwatch_node_ready", "1 if the node's Ready condition is True, as the API server last told"),
    ("dogwatch_node_condition", "1 for the current status of each node condition"),
    ("dogwatch_node_unschedulable", "1 if the node is cordoned"),
    (
        "dogwatch_node_excused",
        "1 where it is no trouble that a node is silent or NotReady, by why: going, coming, new, out_of_reach",
    ),
    ("dogwatch_node_lease_age_seconds", "Age of the node's lease"),
    ("dogwatch_node_info", "The kubelet version of the node"),
    ("dogwatch_leader_lease_age_seconds", "Age of the leader lease of the scheduler or controller-manager"),
    ("dogwatch_etcd_has_leader", "1 if the member has a leader"),
    ("dogwatch_etcd_is_leader", "1 if the member is the leader"),
    ("dogwatch_etcd_members", "Voting members in the member list"),
    ("dogwatch_etcd_members_healthy", "Voting members that are healthy as seen from here"),
    ("dogwatch_etcd_quorum_margin", "How many more members may be lost before quorum is; negative: it is lost"),
    ("dogwatch_etcd_db_size_bytes", "Size of the database file"),
    ("dogwatch_etcd_db_size_in_use_bytes", "Of the database, in use"),
    ("dogwatch_etcd_db_quota_bytes", "The database's quota"),
    ("dogwatch_etcd_alarm", "1 for each alarm in force"),
    ("dogwatch_etcd_raft_term", "Raft term"),
    ("dogwatch_etcd_raft_index", "Raft index"),
    ("dogwatch_etcd_raft_applied_index", "Raft applied index"),
    ("dogwatch_etcd_revision", "Revision of the member's key-value store"),
    ("dogwatch_etcd_read_duration_seconds", "A read from the member's own data, and one that quorum must agree upon"),
    ("dogwatch_tls_verified", "1 if the presented chain and name could be verified"),
    ("dogwatch_certificate_expiry_timestamp_seconds", "Expiry of every certificate seen, as Unix time"),
    (
        "dogwatch_certificate_not_before_timestamp_seconds",
        "Beginning of validity of every certificate seen, as Unix time",
    ),
    ("dogwatch_heartbeat_up", "0 while the heartbeat is late, failed or running too long"),
    ("dogwatch_heartbeat_state", "How the heartbeat stands, one-hot"),
    (
        "dogwatch_heartbeat_last_seen_timestamp_seconds",
        "When the heartbeat was last heard, whatever it said, as Unix time",
    ),
    ("dogwatch_heartbeat_last_success_timestamp_seconds", "When the heartbeat last succeeded, as Unix time"),
    (
        "dogwatch_heartbeat_expected_by_timestamp_seconds",
        "When the next success is due at the latest, grace included, as Unix time",
    ),
    ("dogwatch_heartbeat_duration_seconds", "Duration of the last run from start to success"),
    (
        "dogwatch_availability_ratio",
        "How available the cluster's API (without a job) or a component was, from 0 to 1, by intervals of verdicts",
    ),
    ("dogwatch_slo_objective_ratio", "How much of the time it is to be up, from 0 to 1"),
    ("dogwatch_slo_window_seconds", "The window of the objective"),
    ("dogwatch_slo_availability_ratio", "How available it was within the window, from 0 to 1"),
    ("dogwatch_slo_error_budget_remaining_ratio", "What is left of the error budget, of 1; below 0: overspent"),
    (
        "dogwatch_slo_seconds",
        "Seconds of the window by what they count as: up, down, maintenance, unseen, unknown, absent",
    ),
    ("dogwatch_slo_burn_rate", "How many times faster than allowed the error budget is spent, by window"),
    (
        "dogwatch_slo_error_budget_exhausted_timestamp_seconds",
        "When nothing is left of the error budget if it is spent as in the last 6 hours, as Unix time; missing: it lasts",
    ),
    ("dogwatch_in_cluster_monitoring_up", "0 while the monitoring inside the cluster is silent"),
    ("dogwatch_scrape_success", "1 if the component's own metrics could be scraped"),
    ("scrape_duration_seconds", "Duration of the scrape"),
    ("scrape_samples_scraped", "Samples that the component exposed"),
    ("scrape_samples_post_metric_relabeling", "Samples of them that were kept"),
    ("ALERTS", "1 for each pending or firing alert of a rule"),
    ("ALERTS_FOR_STATE", "Since when the alert is active, as Unix time"),
    ("dogwatch_vantage_ok", "0 when the watchdog itself is cut off"),
    (
        "dogwatch_discovery_age_seconds",
        "Seconds since a working API server was last read in full; never read: since it is tried",
    ),
    ("dogwatch_discovery_left_out", "Items of lists (nodes, leases, …) that could not be understood when last read"),
    ("dogwatch_incidents_open", "Open incidents; without a cluster label: about the watchdog itself"),
    ("dogwatch_build_info", "1, with the version of dogwatch"),
];

/// Returns the help text of a name.
pub fn help(name: &str) -> Option<&'static str> {
    GAUGES.iter().find(|(n, _)| *n == name).map(|(_, h)| *h)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_there_once_and_well_formed() {
        for (i, (name, text)) in GAUGES.iter().enumerate() {
            assert!(GAUGES[..i].iter().all(|(n, _)| n != name), "{name} twice");
            assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{name}");
            assert!(!name.ends_with("_total"), "{name} is a gauge");
            assert!(!text.is_empty() && !text.contains(['\n', '\\']), "{name}: {text}");
        }
        assert_eq!(help("up"), Some("1 if the target answered as the component that it should be, healthy or not"));
        assert_eq!(help("nope"), None);
    }
}
