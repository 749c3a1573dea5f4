//! What would not be watched of a cluster, if nothing answers where it is looked for: why, and how to change that. Pure.
//!
//! A kubeconfig alone shows API servers and kubelets. etcd wants a client certificate of its own, and kubeadm binds the
//! scheduler and the controller-manager to 127.0.0.1. kube-proxy is left out: a cluster may well have none.

use super::config::ClusterConfig;
use crate::model::{ClusterSnapshot, Gap, Job, Part};

/// A gap for every component that every cluster has, to be told where no target of it is watched.
pub fn gaps(config: &ClusterConfig, snapshot: &ClusterSnapshot) -> Vec<Gap> {
    let with = |job, key: &str, enabled: bool, (why, how): (String, String)| match enabled {
        true => Gap { job, why, how, turned_off: false },
        false => Gap {
            job,
            why: format!("turned off by `{key}: {{enabled: false}}`"),
            how: "leave that out".into(),
            turned_off: true,
        },
    };
    let component = |job, own: &[url::Url], port, key| listens_elsewhere(snapshot, job, own.is_empty(), port, key);
    let (scheduler, manager) = (&config.scheduler, &config.controller_manager);
    vec![
        with(Job::KubeApiserver, "apiserver", config.apiserver.enabled, no_api_server()),
        with(Job::Etcd, "etcd", config.etcd.enabled, no_etcd(config, snapshot)),
        with(
            Job::KubeScheduler,
            "scheduler",
            scheduler.enabled,
            component(Job::KubeScheduler, &scheduler.endpoints, 10259, "scheduler"),
        ),
        with(
            Job::KubeControllerManager,
            "controller_manager",
            manager.enabled,
            component(Job::KubeControllerManager, &manager.endpoints, 10257, "controller_manager"),
        ),
        with(Job::Kubelet, "kubelet", config.kubelet.enabled, no_kubelet(snapshot)),
    ]
}

fn no_api_server() -> (String, String) {
    ("no address of one is known".into(), "give `apiserver.endpoints`".into())
}

/// The nodes are known, and none of them runs the control plane: somebody else does.
fn is_managed(snapshot: &ClusterSnapshot) -> bool {
    snapshot.read_at.is_some() && !snapshot.nodes.is_empty() && snapshot.nodes.iter().all(|n| !n.control_plane)
}

const MANAGED: &str = "no node of the cluster runs the control plane (a managed one?)";

fn no_etcd(config: &ClusterConfig, snapshot: &ClusterSnapshot) -> (String, String) {
    let how = "give `etcd.endpoints` with `ca_file`, `cert_file` and `key_file` (kubeadm's healthcheck-client.crt will do), or \
               let its metrics port be reached (`--listen-metrics-urls=http://0.0.0.0:2381`)";
    if is_managed(snapshot) && config.etcd.endpoints.is_empty() {
        return (MANAGED.into(), format!("ask the provider; where you can reach it, {how}"));
    }
    let why = match config.etcd.cert_file.is_some() {
        true => "none answers at the control plane's addresses (2379, 2381)",
        false => "none answers at the control plane's addresses (2381), and there is no client certificate for 2379",
    };
    (why.into(), how.into())
}

fn listens_elsewhere(snapshot: &ClusterSnapshot, job: Job, guessed: bool, port: u16, key: &str) -> (String, String) {
    let leads = snapshot.leaders.iter().any(|l| l.name == job.as_str());
    let lease = if leads { "; its leader lease is watched" } else { "" };
    if is_managed(snapshot) && guessed {
        return (format!("{MANAGED}{lease}"), format!("ask the provider, or give `{key}.endpoints`"));
    }
    let why = format!("none answers at the control plane's addresses ({port}){lease}");
    let how = format!(
        "let it listen there (`--bind-address=0.0.0.0`; kubeadm's default is 127.0.0.1), or give `{key}.endpoints`"
    );
    (why, how)
}

fn no_kubelet(snapshot: &ClusterSnapshot) -> (String, String) {
    match snapshot.problems.get(&Part::Nodes) {
        Some(why) => (why.clone(), "let dogwatch read nodes (deploy/rbac.yaml)".into()),
        None => ("no node is known that has one to ask".into(), "let the nodes be listed".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(config: &str, snapshot: &str, job: Job, expected: &str) {
        let config: ClusterConfig = serde_json::from_str(config).unwrap();
        let snapshot: ClusterSnapshot = serde_json::from_str(snapshot).unwrap();
        let gap = gaps(&config, &snapshot).into_iter().find(|g| g.job == job).unwrap();
        assert!(gap.to_string().starts_with(expected), "{gap}");
        assert_eq!(gap.turned_off, expected.contains("turned off"));
    }

    #[test]
    fn a_kubeconfig_alone() {
        let plain = r#"{"name":"c"}"#;
        let why =
            "etcd: none answers at the control plane's addresses (2381), and there is no client certificate for 2379";
        check(plain, "{}", Job::Etcd, why);
        let certificate = r#"{"name":"c","etcd":{"cert_file":"/c","key_file":"/k"}}"#;
        check(
            certificate,
            "{}",
            Job::Etcd,
            "etcd: none answers at the control plane's addresses (2379, 2381); to watch",
        );
        let why = "scheduler: none answers at the control plane's addresses (10259); to watch it, let it listen there";
        check(plain, "{}", Job::KubeScheduler, why);
        let forbidden = r#"{"problems":{"nodes":"nodes can't be read: HTTP 403"}}"#;
        check(plain, forbidden, Job::Kubelet, "kubelets: nodes can't be read: HTTP 403; to watch it, let dogwatch");
    }

    #[test]
    fn what_is_turned_off_is_said_so() {
        let off = r#"{"name":"c","etcd":{"enabled":false},"controller_manager":{"enabled":false}}"#;
        check(off, "{}", Job::Etcd, "etcd: turned off by `etcd: {enabled: false}`");
        check(off, "{}", Job::KubeControllerManager, "controller-manager: turned off by `controller_manager: ");
    }
}
