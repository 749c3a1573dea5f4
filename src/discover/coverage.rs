//! What would not be watched of a cluster, if nothing answers where it is looked for: why, and how to change that. Pure.
//!
//! A kubeconfig alone shows API servers and kubelets. etcd wants a client certificate of its own, and kubeadm binds the
//! scheduler and the controller-manager to 127.0.0.1. kube-proxy is left out: a cluster may well have none.

use std::collections::HashSet;

use super::{
    config::{ClusterConfig, KubeletWay},
    targets::has_kubelet,
};
use crate::model::{ClusterSnapshot, Gap, Job, Part, ProbeSpec, Target};

/// How many names a gap tells.
const NAMED: usize = 5;

/// Returns a gap for every component that every cluster has, to be told where no target of it is watched; and one for
/// those of its nodes whose kubelets none of the targets is.
pub fn gaps(config: &ClusterConfig, snapshot: &ClusterSnapshot, targets: &[Target]) -> Vec<Gap> {
    let with = |job, key: &str, enabled: bool, (why, how): (String, String)| match enabled {
        true => Gap { job, why, how, turned_off: false, partly: false },
        false => Gap {
            partly: false,
            job,
            why: format!("turned off by `{key}: {{enabled: false}}`"),
            how: "leave that out".into(),
            turned_off: true,
        },
    };
    let component = |job, own: &[url::Url], port, key| listens_elsewhere(snapshot, job, own.is_empty(), port, key);
    let (scheduler, manager) = (&config.scheduler, &config.controller_manager);
    let mut all = vec![
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
    ];
    all.extend(shared_addresses(config, snapshot, targets));
    all
}

/// Kubelets that can't be told apart from another one's, since they are only asked at an address that their nodes share.
fn shared_addresses(config: &ClusterConfig, snapshot: &ClusterSnapshot, targets: &[Target]) -> Option<Gap> {
    if !config.kubelet.enabled || config.kubelet.via != KubeletWay::Direct {
        return None;
    }
    let watched: HashSet<&str> = targets
        .iter()
        .filter_map(|t| match &t.spec {
            ProbeSpec::Kubelet { node, .. } => Some(&**node),
            _ => None,
        })
        .collect();
    let left = snapshot.nodes.iter().filter(|n| has_kubelet(n) && !watched.contains(&*n.name));
    let left: Vec<&str> = left.map(|n| &*n.name).collect();
    let named = left.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = left.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let share = if left.len() == 1 { "shares its" } else { "share their" };
    (!left.is_empty()).then(|| Gap {
        job: Job::Kubelet,
        why: format!(
            "{named}{more} {share} address with another node, and with `kubelet.via: direct` only one is asked there"
        ),
        how: "leave `via` out, or give `via: proxy`: the API server tells them apart".into(),
        turned_off: false,
        partly: true,
    })
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
    use std::time::Duration;

    use super::*;
    use crate::{
        discover::targets::{Timing, targets},
        model::NodeFact,
    };

    fn check(config: &str, snapshot: &str, job: Job, expected: &str) {
        let config: ClusterConfig = serde_json::from_str(config).unwrap();
        let snapshot: ClusterSnapshot = serde_json::from_str(snapshot).unwrap();
        let gap = gaps(&config, &snapshot, &[]).into_iter().find(|g| g.job == job).unwrap();
        assert!(gap.to_string().starts_with(expected), "{gap}");
        assert_eq!(gap.turned_off, expected.contains("turned off"));
    }

    #[test]
    fn nodes_that_share_an_address_and_are_asked_there_alone() {
        let told = |via: &str| {
            let config: ClusterConfig =
                serde_json::from_str(&format!(r#"{{"name":"c","kubelet":{{"via":"{via}"}}}}"#)).unwrap();
            let node = |name: &str, address: &str| {
                let addresses = vec![address.to_owned()];
                NodeFact { name: name.into(), addresses, kubelet_port: 10250, ..NodeFact::default() }
            };
            let nodes = vec![node("v-0", "10.0.2.15"), node("v-1", "10.0.2.15"), node("w", "10.0.2.16")];
            let snapshot = ClusterSnapshot { nodes, ..ClusterSnapshot::default() };
            let timing = Timing { interval: Duration::from_secs(10), timeout: Duration::from_secs(5) };
            let all = targets(&config, &"https://lb:6443".parse().unwrap(), &snapshot, false, timing);
            let open = |gap: &Gap| gap.is_open(all.iter().map(|t| t.key.job)) && gap.job == Job::Kubelet;
            gaps(&config, &snapshot, &all).iter().filter(|g| open(g)).map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(told("auto"), Vec::<String>::new());
        assert_eq!(
            told("direct"),
            [
                "some kubelets: v-1 shares its address with another node, and with `kubelet.via: direct` only one is asked there; to \
              watch it, leave `via` out, or give `via: proxy`: the API server tells them apart"
            ]
        );
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
