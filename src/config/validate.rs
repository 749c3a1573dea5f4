//! What no part can check alone. Each problem comes with the path at which it stands.

use std::{collections::BTreeSet, path::Path, time::Duration};

use super::Config;
use crate::{
    availability::OBJECTIVES_MAX,
    check::config as checks,
    discover::config::{ClusterConfig, DiscoverConfig, DryRunConfig},
    heartbeat,
    model::text,
    peer::{Confirm, config::VANTAGE},
    query::{self, QueryConfig},
    scrape::config as scrape,
};

/// Probing more often serves nobody, more rarely is no watching.
const INTERVAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3_600));
/// A shorter retention would remove what `for` and dashboards look back on.
const RETENTION_MIN: Duration = Duration::from_secs(3_600);
/// A shorter one would be no record.
const RETENTION_AUDIT_MIN: Duration = Duration::from_secs(86_400);
/// A database has its own size before the first sample.
const SIZE_MIN: u64 = 10_000_000;

/// Probes at once: more connections than that no machine has.
const PROBES_MAX: usize = 65_536;

type Problems = Vec<(String, String)>;

/// Everything that is wrong.
pub(super) fn check(config: &Config) -> Problems {
    let mut problems = Problems::new();
    let mut say = |place: &str, message: String| problems.push((place.to_string(), message));
    if config.clusters.is_empty()
        && config.heartbeats.is_empty()
        && config.restore_drills.is_empty()
        && config.checks.is_empty()
    {
        say("clusters", "there is nothing to watch: name at least one cluster".into());
    }
    let mut names = BTreeSet::new();
    for (i, cluster) in config.clusters.iter().enumerate() {
        let at = format!("clusters[{i}]");
        if !names.insert(&cluster.name) {
            say(
                &format!("{at}.name"),
                format!("there are two clusters called {:?}; give each its own name", cluster.name),
            );
        }
        if !is_name(&cluster.name) {
            say(
                &format!("{at}.name"),
                format!("{:?} is not a name: use letters, digits, '.', '_' and '-'", cluster.name),
            );
        }
        check_cluster(cluster, &at, &mut say);
    }
    if let Err(why) = config.voice() {
        say("timezone", why);
    }
    check_pace(config.defaults.interval, config.defaults.timeout, "defaults", &mut say);
    check_checks(config, &mut say);
    for name in config.external_labels.keys().filter(|n| !is_label(n)) {
        say(&format!("external_labels.{name}"), format!("{name:?} is not a label name: use letters, digits and '_'"));
    }
    if config.storage.retention < RETENTION_MIN {
        say("storage.retention", "is shorter than an hour".into());
    }
    let kept = &config.storage;
    if kept.retention_5m < kept.retention || kept.retention_1h < kept.retention_5m {
        say("storage", "retention_1h must be at least retention_5m, and that at least retention".into());
    }
    if config.storage.retention_audit < RETENTION_AUDIT_MIN {
        say("storage.retention_audit", "is shorter than a day: who looks on Monday wants to know of Sunday".into());
    }
    if config.storage.max_size < SIZE_MIN {
        say("storage.max_size", "is smaller than 10MB".into());
    }
    if !(1..=PROBES_MAX).contains(&config.schedule.concurrency) {
        say("schedule.concurrency", format!("must be from 1 to {PROBES_MAX}"));
    }
    check_query(&config.query, &mut say);
    let mut remotes = BTreeSet::new();
    for (i, remote) in config.remote_write.iter().enumerate() {
        let at = format!("remote_write[{i}]");
        if !remotes.insert(remote.name()) {
            say(&at, format!("there are two remotes called {:?}; give each its own name", remote.name()));
        }
        for (key, why) in remote.problems() {
            say(&format!("{at}{key}"), why);
        }
    }
    check_peers(config, &mut say);
    if config.external_url.as_ref().is_some_and(|u| !is_web(u)) {
        say("external_url", "must begin with http:// or https://, like https://watch.example.org".into());
    }
    if config.auth.oidc.is_some() && config.external_url.is_none() {
        say(
            "auth.oidc",
            "needs external_url: there the issuer sends browsers back, to <external_url>/login/callback".into(),
        );
    }
    for (i, _) in config.allowed_hosts.iter().enumerate().filter(|(_, name)| !is_host(name)) {
        let why = "is no name of a host: write dogwatch.example.org, without a port and without `*`";
        say(&format!("allowed_hosts[{i}]"), why.into());
    }
    let names: Vec<&str> = config.receivers.iter().map(|r| r.name.as_str()).collect();
    let mails: Vec<_> = config.receivers.iter().map(|r| (r.name.as_str(), !r.email_configs.is_empty())).collect();
    if let Some((key, why)) = config.report.as_ref().and_then(|r| r.problem(&mails)) {
        say(&format!("report.{key}"), why);
    }
    if let Some((key, why)) = config.drill.as_ref().and_then(|d| d.problem(&names)) {
        say(&format!("drill.{key}"), why);
    }
    if let Err((at, message)) = config.integrations() {
        say(&at, message);
    }
    check_heartbeats(config, &mut say);
    check_slos(config, &mut say);
    if let Err((at, message)) = config.routing() {
        say(&at, message);
    }
    problems
}

fn check_cluster(cluster: &ClusterConfig, at: &str, say: &mut impl FnMut(&str, String)) {
    let etcd = &cluster.etcd;
    let files = [
        ("kubeconfig", &cluster.kubeconfig),
        ("etcd.ca_file", &etcd.ca_file),
        ("etcd.cert_file", &etcd.cert_file),
        ("etcd.key_file", &etcd.key_file),
    ];
    for (key, file) in files {
        if let Some(Err(error)) = file.as_deref().map(readable) {
            say(&format!("{at}.{key}"), error);
        }
    }
    if etcd.cert_file.is_some() != etcd.key_file.is_some() {
        say(&format!("{at}.etcd"), "cert_file and key_file belong together: give both or none".into());
    }
    if let Some((key, why)) = cluster.scrape.as_ref().and_then(scrape::problem) {
        say(&format!("{at}.scrape.{key}"), why);
    }
    for (key, why) in cluster.discover.iter().flat_map(DiscoverConfig::problems) {
        say(&format!("{at}.discover{key}"), why);
    }
    if cluster.state_metrics && !cluster.recorder.enabled {
        say(
            &format!("{at}.state_metrics"),
            "needs the recorder, which is turned off here (`recorder: {enabled: false}`)".into(),
        );
    }
    for (key, why) in cluster.dry_run.iter().flat_map(DryRunConfig::problems) {
        say(&format!("{at}.dry_run{key}"), why);
    }
    if let Some(canary) = &cluster.canary {
        if let Some(Err(error)) = canary.kubeconfig.as_deref().map(readable) {
            say(&format!("{at}.canary.kubeconfig"), error);
        }
        canary.problems().into_iter().for_each(|(key, why)| say(&format!("{at}.canary{key}"), why));
    }
    let kubelet = &cluster.kubelet;
    let paces = [
        ("apiserver", cluster.apiserver.interval, cluster.apiserver.timeout),
        ("etcd", etcd.interval, etcd.timeout),
        ("kubelet", kubelet.interval, kubelet.timeout),
        ("scheduler", cluster.scheduler.interval, cluster.scheduler.timeout),
        ("controller_manager", cluster.controller_manager.interval, cluster.controller_manager.timeout),
        ("kube_proxy", cluster.kube_proxy.interval, cluster.kube_proxy.timeout),
        (
            "discover",
            cluster.discover.as_ref().and_then(|d| d.interval),
            cluster.discover.as_ref().and_then(|d| d.timeout),
        ),
    ];
    let endpoints = [
        ("apiserver", &cluster.apiserver.endpoints),
        ("etcd", &etcd.endpoints),
        ("scheduler", &cluster.scheduler.endpoints),
        ("controller_manager", &cluster.controller_manager.endpoints),
        ("kube_proxy", &cluster.kube_proxy.endpoints),
    ];
    for (key, urls) in endpoints {
        for (i, url) in urls.iter().enumerate().filter(|(_, url)| !is_web(url)) {
            // `localhost:2379` is a URL, too: one of the scheme "localhost".
            let why = format!("\"{url}\" must begin with https:// (or http://), like https://10.0.0.1:2379");
            say(&format!("{at}.{key}.endpoints[{i}]"), why);
        }
    }
    for (key, interval, timeout) in paces {
        if let Some(interval) = interval {
            check_pace(interval, timeout.unwrap_or(INTERVAL.0.min(interval)), &format!("{at}.{key}"), say);
        }
    }
    for name in cluster.labels.keys().filter(|n| !is_label(n)) {
        say(&format!("{at}.labels.{name}"), format!("{name:?} is not a label name: use letters, digits and '_'"));
    }
    if cluster.monitoring.as_ref().is_some_and(|m| m.silent_after.is_zero()) {
        say(&format!("{at}.monitoring.silent_after"), "must be longer than nothing".into());
    }
    for name in ["cluster", "job", "instance", "node"].into_iter().filter(|n| cluster.labels.contains_key(*n)) {
        say(&format!("{at}.labels.{name}"), format!("{name:?} is set by dogwatch itself: choose another label"));
    }
}

fn check_checks(config: &Config, say: &mut impl FnMut(&str, String)) {
    let clusters: Vec<&str> = config.clusters.iter().map(|c| c.name.as_str()).collect();
    checks::problems(&config.checks, &clusters).iter().for_each(|(at, why)| say(at, why.clone()));
    for (i, checked) in config.checks.iter().enumerate() {
        if checked.exec.is_some() && !config.allow_exec {
            let why = "programs are run only where the configuration has `allow_exec: true` at its top";
            say(&format!("checks[{i}].exec"), why.into());
        }
        let interval = checked.interval.unwrap_or(config.defaults.interval);
        let timeout = checked.timeout.unwrap_or_else(|| config.defaults.timeout.min(interval));
        check_pace(interval, timeout, &format!("checks[{i}]"), say);
        for name in checked.labels.keys().filter(|n| !is_label(n)) {
            let why = format!("{name:?} is not a label name: use letters, digits and '_'");
            say(&format!("checks[{i}].labels.{name}"), why);
        }
    }
}

fn check_heartbeats(config: &Config, say: &mut impl FnMut(&str, String)) {
    for (i, job) in config.heartbeats.iter().enumerate() {
        let at = format!("heartbeats[{i}]");
        if !is_name(&job.name) {
            let why = format!("{:?} is not a name: use letters, digits, '.', '_' and '-'", job.name);
            say(&format!("{at}.name"), why);
        }
        if let Some(cluster) = job.cluster.as_ref().filter(|c| !config.clusters.iter().any(|known| known.name == **c)) {
            let why = format!("there is no cluster {cluster:?}; leave it out where the job belongs to none");
            say(&format!("{at}.cluster"), why);
        }
        for name in job.labels.keys() {
            if heartbeat::config::OWN_LABELS.contains(&name.as_str()) {
                let why = format!("{name:?} is set by dogwatch itself: choose another label");
                say(&format!("{at}.labels.{name}"), why);
            } else if !is_label(name) {
                let why = format!("{name:?} is not a label name: use letters, digits and '_'");
                say(&format!("{at}.labels.{name}"), why);
            }
        }
    }
    for (i, drill) in config.restore_drills.iter().enumerate() {
        let at = format!("restore_drills[{i}]");
        if !is_name(&drill.name) {
            let why = format!("{:?} is not a name: use letters, digits, '.', '_' and '-'", drill.name);
            say(&format!("{at}.name"), why);
        }
        if let Some(cluster) = drill.cluster.as_ref().filter(|c| !config.clusters.iter().any(|known| known.name == **c))
        {
            let why = format!("there is no cluster {cluster:?}; leave it out where the drill belongs to none");
            say(&format!("{at}.cluster"), why);
        }
    }
    let jobs = config.heartbeats.iter().map(|job| job.name.as_str()).collect();
    for (at, message) in heartbeat::restore::config::problems(&config.restore_drills, &jobs) {
        say(&at, message);
    }
    for (at, message) in heartbeat::config::problems(&config.heartbeats, &config.dead_mans_switch) {
        say(&at, message);
    }
}

fn check_slos(config: &Config, say: &mut impl FnMut(&str, String)) {
    let clusters: Vec<&str> = config.clusters.iter().map(|c| c.name.as_str()).collect();
    let checks: Vec<&str> = config.checks.iter().map(|c| c.name.as_str()).collect();
    let mut names = BTreeSet::new();
    if config.slos.len() > OBJECTIVES_MAX {
        say("slos", format!("has more than {OBJECTIVES_MAX} objectives"));
    }
    for (i, slo) in config.slos.iter().enumerate() {
        let at = format!("slos[{i}]");
        if !is_name(&slo.name) {
            let why = format!("{:?} is not a name: use letters, digits, '.', '_' and '-'", slo.name);
            say(&format!("{at}.name"), why);
        } else if !names.insert(&slo.name) {
            let why = format!("there are two objectives called {:?}; give each its own name", slo.name);
            say(&format!("{at}.name"), why);
        }
        if let Some((key, why)) = slo.problem(&clusters, &checks) {
            say(&format!("{at}.{key}"), why);
        }
    }
}

/// Two watchdogs: one other, and a name for each.
fn check_peers(config: &Config, say: &mut dyn FnMut(&str, String)) {
    for (i, peer) in config.peers.iter().enumerate() {
        for (key, why) in peer.problems() {
            say(&format!("peers[{i}]{key}"), why);
        }
    }
    if config.peers.len() > 1 {
        say("peers[1]", "two watchdogs share their work, no more: name one other".into());
    }
    if !config.peers.is_empty() && config.external_labels.get(VANTAGE).is_none_or(String::is_empty) {
        let why = "two watchdogs need a name each: add `external_labels: {vantage: paris}`, and another on the other";
        say("peers", why.into());
    }
    if config.peers.is_empty() && config.confirm != Confirm::Any {
        say("confirm", "says who of two watchdogs must see a failure: it needs `peers`".into());
    }
}

fn check_query(query: &QueryConfig, say: &mut impl FnMut(&str, String)) {
    if !(1..=query::CONCURRENCY_MAX).contains(&query.max_concurrency) {
        say("query.max_concurrency", format!("must be from 1 to {}", query::CONCURRENCY_MAX));
    }
    if query.max_samples == 0 {
        say("query.max_samples", "must be at least 1".into());
    }
    if query.max_memory < query::MEMORY_MIN {
        say("query.max_memory", format!("must be at least {} MiB", query::MEMORY_MIN >> 20));
    }
    if query.timeout.is_zero() || query.lookback_delta.is_zero() {
        say("query", "timeout and lookback_delta must be longer than nothing".into());
    }
}

fn check_pace(interval: Duration, timeout: Duration, at: &str, say: &mut impl FnMut(&str, String)) {
    if interval < INTERVAL.0 || interval > INTERVAL.1 {
        say(&format!("{at}.interval"), "must be between 1s and 1h".into());
    }
    if timeout.is_zero() || timeout > interval {
        say(&format!("{at}.timeout"), "must be longer than nothing and no longer than the interval".into());
    }
}

fn readable(path: &Path) -> Result<(), String> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(format!("{} is a directory", path.display())),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{}: {}", path.display(), text::unreadable(&error))),
    }
}

fn is_web(url: &url::Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

fn is_host(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 100 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
}

fn is_label(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
