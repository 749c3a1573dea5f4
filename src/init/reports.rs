//! What tells the watchdog from inside of a cluster: its Prometheus' alerts, and the CronJobs, or timers of hosts, that back it up.
//! The texts are those of deploy/reports, with the address and the tokens of this watchdog. Pure.

use url::Url;

use super::platform::{Backup, Etcd, Platform};

const PROMETHEUS: &str = include_str!("../../deploy/reports/prometheus.yml");
const RULE: &str = include_str!("../../deploy/reports/watchdog-rule.yml");
const ETCD_SNAPSHOT: &str = include_str!("../../deploy/reports/etcd-snapshot.yaml");
const VELERO: &str = include_str!("../../deploy/reports/velero.yaml");
const K3S_SNAPSHOT: &str = include_str!("../../deploy/reports/k3s-snapshot.service");
const K0S_BACKUP: &str = include_str!("../../deploy/reports/k0s-backup.service");
const SNAPSHOT_TIMER: &str = include_str!("../../deploy/reports/snapshot.timer");

/// kubeadm's, as they stand in the text.
const ETCD_DIR: &str = "/etc/kubernetes/pki/etcd";
const ETCD_FILES: [&str; 3] = ["ca.crt", "healthcheck-client.crt", "healthcheck-client.key"];

/// Something in a cluster that reports, by a token of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Report {
    /// The Prometheus inside, by its alerts.
    Monitoring,
    /// A snapshot of etcd, each six hours.
    EtcdSnapshot,
    /// Velero's newest backup, looked at each hour.
    Velero,
}

impl Report {
    /// What there is to report from a cluster; `velero`: it is installed there.
    pub fn of(platform: &Platform, velero: bool) -> Vec<Self> {
        let etcd = platform.backup.map(|_| Report::EtcdSnapshot);
        [Some(Report::Monitoring), etcd, velero.then_some(Report::Velero)].into_iter().flatten().collect()
    }

    /// Its token's file beside the configuration; of its heartbeat, where it is one, the name is the same without the folder.
    pub fn token_file(self, cluster: &str) -> String {
        match self {
            Report::Monitoring => format!("tokens/{cluster}"),
            Report::EtcdSnapshot => format!("tokens/{cluster}-etcd-snapshot"),
            Report::Velero => format!("tokens/{cluster}-velero"),
        }
    }

    /// How often a heartbeat comes, and how late it may be; `None`: it is none.
    pub(super) fn rhythm(self) -> Option<(&'static str, &'static str)> {
        match self {
            Report::Monitoring => None,
            Report::EtcdSnapshot => Some(("6h", "1h")),
            Report::Velero => Some(("1h", "30m")),
        }
    }

    /// The files that make it report, by name, of this token, to the watchdog at this address.
    pub fn files(self, platform: &Platform, url: &Url, token: &str) -> Vec<(&'static str, String)> {
        let base = url.as_str().trim_end_matches('/');
        let ping = |text: &str, word: &str| text.replace("https://watch.example.org", base).replace(word, token);
        match self {
            Report::Monitoring => {
                let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
                let path = url.path().trim_end_matches('/');
                let text = PROMETHEUS
                    .replace("watch.example.org:443", &format!("{host}:{port}"))
                    .replace("scheme: https", &format!("scheme: {}", url.scheme()))
                    .replace("path_prefix: /", &format!("path_prefix: \"{path}/\""))
                    .replace("metrics_path: /metrics", &format!("metrics_path: \"{path}/metrics\""))
                    .replace("MONITORING_TOKEN", token);
                vec![("prometheus.yml", text), ("watchdog-rule.yml", RULE.to_owned())]
            }
            Report::EtcdSnapshot => {
                let by_timer = |service: &str| {
                    vec![
                        ("dogwatch-snapshot.service", service.to_owned()),
                        ("dogwatch-snapshot.timer", SNAPSHOT_TIMER.to_owned()),
                        ("dogwatch-snapshot.url", format!("{base}/ping/{token}\n")),
                    ]
                };
                match platform.backup {
                    Some(Backup::K3s) => by_timer(K3S_SNAPSHOT),
                    Some(Backup::K0s) => by_timer(K0S_BACKUP),
                    Some(Backup::CronJob) | None => {
                        let text = platform.etcd.map_or_else(|| ETCD_SNAPSHOT.to_owned(), at);
                        vec![("etcd-snapshot.yaml", ping(&text, "ETCD_SNAPSHOT_TOKEN"))]
                    }
                }
            }
            Report::Velero => vec![("velero.yaml", ping(VELERO, "VELERO_TOKEN"))],
        }
    }
}

/// The CronJob with these paths.
fn at(etcd: Etcd) -> String {
    let theirs = [etcd.ca, etcd.client.0, etcd.client.1];
    let paths = ETCD_FILES.iter().map(|file| format!("{ETCD_DIR}/{file}")).zip(theirs);
    let text = paths.fold(ETCD_SNAPSHOT.to_owned(), |text, (ours, theirs)| text.replace(&ours, theirs));
    let dir = etcd.ca.rsplit_once('/').map_or(ETCD_DIR, |(dir, _)| dir);
    text.replace(ETCD_DIR, dir)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::init::platform;

    fn cluster(version: &str) -> Platform {
        platform::recognise("10.0.0.1", version, &[])
    }

    #[test]
    fn what_can_report_depends_on_what_the_cluster_is() {
        use Report::{EtcdSnapshot, Monitoring, Velero};
        let check = |version: &str, velero: bool, expected: &[Report]| {
            assert_eq!(Report::of(&cluster(version), velero), expected, "{version}");
        };
        check("v1.37.2", true, &[Monitoring, EtcdSnapshot, Velero]);
        check("v1.37.2", false, &[Monitoring, EtcdSnapshot]);
        check("v1.31.4+rke2r1", false, &[Monitoring, EtcdSnapshot]);
        check("v1.31.4+k3s1", false, &[Monitoring, EtcdSnapshot]);
        check("v1.31.4+k0s", true, &[Monitoring, EtcdSnapshot, Velero]);
        let server = serde_json::json!({"metadata": {"labels": {"node-role.kubernetes.io/control-plane": "true"}}});
        let without = platform::recognise("10.0.0.1", "v1.31.4+k3s1", &[server]);
        assert_eq!(Report::of(&without, false), [Monitoring], "it has no etcd");
        check("v1.31.2-eks-7f9249a", true, &[Monitoring, Velero]);
    }

    #[test]
    fn each_file_has_the_address_the_token_and_the_paths_and_nothing_is_left_to_fill_in() {
        let url: Url = "http://watch.test:8080/dog/".parse().unwrap();
        for version in ["v1.37.2", "v1.31.4+rke2r1"] {
            let cluster = cluster(version);
            for report in Report::of(&cluster, true) {
                for (name, text) in report.files(&cluster, &url, "abc-123") {
                    assert!(!text.contains("example.org") && !text.contains("_TOKEN"), "{name}: {text}");
                    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
                    assert!(!documents.is_empty(), "{name}");
                    if name.ends_with(".yaml") {
                        assert_eq!(documents[0]["stringData"]["url"], "http://watch.test:8080/dog/ping/abc-123");
                    }
                }
            }
        }
        for (version, command) in
            [("v1.31.4+k3s1", "k3s etcd-snapshot save\n"), ("v1.31.4+k0s", "k0s backup --save-path")]
        {
            let files = Report::EtcdSnapshot.files(&cluster(version), &url, "abc-123");
            let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, ["dogwatch-snapshot.service", "dogwatch-snapshot.timer", "dogwatch-snapshot.url"]);
            assert!(files[0].1.contains(&format!("\nExecStart=/usr/local/bin/{command}")), "{}", files[0].1);
            assert!(!files[0].1.contains("abc-123"), "units may be read by everybody");
            assert_eq!(files[2].1, "http://watch.test:8080/dog/ping/abc-123\n");
        }
        let text = &Report::EtcdSnapshot.files(&cluster("v1.31.4+rke2r1"), &url, "abc")[0].1;
        assert!(
            !text.contains("/etc/kubernetes")
                && text.contains("--cert=/var/lib/rancher/rke2/server/tls/etcd/client.crt")
        );
        let text = &Report::Monitoring.files(&cluster("v1.37.2"), &url, "abc")[0].1;
        let read: Value = serde_saphyr::from_str(text).unwrap();
        let alertmanager = &read["alerting"]["alertmanagers"][0];
        assert_eq!((&alertmanager["path_prefix"], &alertmanager["scheme"]), (&"/dog/".into(), &"http".into()));
        assert_eq!(alertmanager["static_configs"][0]["targets"][0], "watch.test:8080");
        assert_eq!(read["scrape_configs"][0]["metrics_path"], "/dog/metrics");
    }
}
