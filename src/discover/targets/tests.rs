use jiff::Timestamp;

use super::*;
use crate::model::MissingEndpoint;

const DEFAULTS: Timing = Timing { interval: Duration::from_secs(10), timeout: Duration::from_secs(5) };

fn node(name: &str, address: &str) -> NodeFact {
    let addresses = address.split_whitespace().map(str::to_owned).collect();
    NodeFact { name: name.into(), addresses, kubelet_port: 10250, ..NodeFact::default() }
}

fn member(client_urls: &[&str]) -> EtcdMember {
    let client_urls = client_urls.iter().map(|u| (*u).to_owned()).collect();
    EtcdMember { id: 1, name: String::new(), peer_urls: Vec::new(), client_urls, learner: false }
}

fn snapshot(endpoints: &[&str], nodes: Vec<NodeFact>) -> ClusterSnapshot {
    let apiserver_endpoints = endpoints.iter().map(|e| (*e).to_owned()).collect();
    ClusterSnapshot { nodes, apiserver_endpoints, ..ClusterSnapshot::default() }
}

fn made(config: &str, server: &str, snapshot: &ClusterSnapshot) -> Vec<Target> {
    let config: ClusterConfig = serde_saphyr::from_str(&format!("name: c\n{config}")).unwrap();
    targets(&config, &Url::parse(server).unwrap(), snapshot, true, DEFAULTS)
}

/// One line a target of these jobs: instance, node, whether it is guessed, how it is probed.
fn check(jobs: &[Job], config: &str, server: &str, snapshot: &ClusterSnapshot, expected: &[&str]) {
    let lines: Vec<String> = made(config, server, snapshot)
        .iter()
        .filter(|t| jobs.contains(&t.key.job))
        .map(|t| {
            let how = match &t.spec {
                ProbeSpec::ApiServer { base, advertised } => {
                    format!("{base}{}", if *advertised { " advertised" } else { "" })
                }
                ProbeSpec::Etcd { client, metrics } => {
                    format!("{client} {}", metrics.as_ref().map_or("-", Url::as_str))
                }
                ProbeSpec::Healthz { url } => url.to_string(),
                ProbeSpec::Check(check) => check.at.clone(),
                ProbeSpec::Kubelet { base, others, via, .. } => {
                    let others: Vec<_> = others.iter().map(|url| format!(" or {url}")).collect();
                    format!("{base}{} {via:?}", others.join(""))
                }
            };
            let node = t.node.as_deref().map(|n| format!(" on {n}")).unwrap_or_default();
            format!("{}{node}{} {how}", t.key.instance, if t.guessed { " guessed" } else { "" })
        })
        .collect();
    assert_eq!(lines, expected, "{config:?} {server}");
}

#[test]
fn api_servers_are_the_advertised_url_and_every_endpoint() {
    use Job::KubeApiserver as Api;
    let three = snapshot(&["10.0.0.1:6443", "10.0.0.2:6443"], vec![node("cp-2", "10.0.0.2")]);
    check(
        &[Api],
        "",
        "https://lb.example.org",
        &snapshot(&[], Vec::new()),
        &["lb.example.org:443 https://lb.example.org/ advertised"],
    );
    check(
        &[Api],
        "",
        "https://lb.example.org",
        &three,
        &[
            "10.0.0.1:6443 guessed https://10.0.0.1:6443/",
            "10.0.0.2:6443 on cp-2 guessed https://10.0.0.2:6443/",
            "lb.example.org:443 https://lb.example.org/ advertised",
        ],
    );
    check(
        &[Api],
        "",
        "https://10.0.0.1:6443",
        &three,
        &["10.0.0.1:6443 https://10.0.0.1:6443/", "10.0.0.2:6443 on cp-2 https://10.0.0.2:6443/"],
    );
    check(
        &[Api],
        "apiserver: {endpoints: ['https://10.9.9.9:6443', 'https://10.9.9.9:6443']}",
        "https://lb",
        &three,
        &["10.9.9.9:6443 https://10.9.9.9:6443/"],
    );
    check(&[Api], "apiserver: {enabled: false}", "https://lb", &three, &[]);
    let missing = vec![MissingEndpoint { address: "[fd00::3]:6443".into(), since: Timestamp::UNIX_EPOCH }];
    let six = ClusterSnapshot { missing_endpoints: missing, ..snapshot(&["[fd00::1]:6443"], Vec::new()) };
    check(
        &[Api],
        "",
        "https://[fd00::1]:6443",
        &six,
        &["[fd00::1]:6443 https://[fd00::1]:6443/", "[fd00::3]:6443 https://[fd00::3]:6443/"],
    );
}

#[test]
fn etcd_is_where_its_members_or_the_control_plane_are() {
    let hidden = snapshot(&["10.0.0.1:6443"], vec![node("n1", "10.0.0.11")]);
    let guess = "10.0.0.1:2379 guessed https://10.0.0.1:2379/ http://10.0.0.1:2381/";
    check(&[Job::Etcd], "", "https://lb", &hidden, &[guess]);
    let shown = NodeFact { control_plane: true, ..node("cp", "10.0.0.7") };
    let shown = snapshot(&["10.0.0.1:6443"], vec![shown, node("n1", "10.0.0.11")]);
    let guess = "10.0.0.7:2379 on cp guessed https://10.0.0.7:2379/ http://10.0.0.7:2381/";
    check(&[Job::Etcd], "", "https://lb", &shown, &[guess]);
    let named = ClusterSnapshot {
        etcd_members: vec![
            member(&["https://127.0.0.1:2379", "https://10.0.0.8:2379"]),
            member(&["https://localhost:2379"]),
            member(&[]),
            member(&["nonsense"]),
        ],
        ..shown
    };
    check(&[Job::Etcd], "", "https://lb", &named, &["10.0.0.8:2379 https://10.0.0.8:2379/ http://10.0.0.8:2381/"]);
    let configured = "etcd: {endpoints: ['https://etcd-1.example.org:2379']}";
    let line = "etcd-1.example.org:2379 https://etcd-1.example.org:2379/ http://etcd-1.example.org:2381/";
    check(&[Job::Etcd], configured, "https://lb", &named, &[line]);
    check(&[Job::Etcd], "etcd: {enabled: false}", "https://lb", &named, &[]);
}

#[test]
fn nodes_have_kubelets_and_perhaps_proxies() {
    let jobs = [Job::Kubelet, Job::KubeProxy];
    let leaving = NodeFact { deleting: true, ..node("leaving", "10.0.0.13") };
    let cordoned = NodeFact { unschedulable: true, ..node("cordoned", "fd00::12") };
    let nodes = snapshot(&[], vec![cordoned, leaving, node("n1", "10.0.0.11"), node("nowhere", "")]);
    check(
        &jobs,
        "kubelet: {via: proxy}",
        "https://lb",
        &nodes,
        &[
            "10.0.0.11:10250 on n1 https://10.0.0.11:10250/ Some(Proxy)",
            "[fd00::12]:10250 on cordoned https://[fd00::12]:10250/ Some(Proxy)",
            "10.0.0.11:10256 on n1 guessed http://10.0.0.11:10256/healthz",
            "[fd00::12]:10256 on cordoned guessed http://[fd00::12]:10256/healthz",
        ],
    );
    check(&jobs, "kubelet: {enabled: false}\nkube_proxy: {enabled: false}", "https://lb", &nodes, &[]);
}

#[test]
fn a_silent_address_has_others() {
    let one = snapshot(&[], vec![node("n1", "10.0.0.11 fd00::11 192.0.2.11 n1")]);
    let line =
        "10.0.0.11:10250 on n1 https://10.0.0.11:10250/ or https://[fd00::11]:10250/ or https://192.0.2.11:10250/ None";
    check(&[Job::Kubelet], "", "https://lb", &one, &[line]);
}

#[test]
fn nodes_of_one_address_are_told_apart_by_the_api_server() {
    let nodes = snapshot(
        &[],
        vec![node("v-0", "10.0.2.15 v-0"), node("v-1", "10.0.2.15 v-1"), node("v-2", "10.0.2.15 192.168.56.12")],
    );
    let own = "192.168.56.12:10250 on v-2 https://192.168.56.12:10250/ None";
    let proxied = ["v-0", "v-1"].map(|n| format!("{n}:10250 on {n} https://{n}:10250/ Some(Proxy)"));
    check(&[Job::Kubelet], "", "https://lb", &nodes, &[own, &proxied[0], &proxied[1]]);
    let first = "10.0.2.15:10250 on v-0 https://10.0.2.15:10250/ Some(Direct)";
    let own = own.replace("None", "Some(Direct)");
    check(&[Job::Kubelet], "kubelet: {via: direct}", "https://lb", &nodes, &[first, &own]);
}

#[test]
fn nodes_without_a_kubelet_to_ask_have_no_target() {
    let nodes = vec![
        NodeFact { is_virtual: true, ..node("aci", "10.0.0.9") },
        NodeFact { kubelet_port: 0, ..node("fresh", "10.0.0.10") },
        node("nowhere", ""),
    ];
    check(&[Job::Kubelet], "", "https://lb", &snapshot(&[], nodes), &[]);
}

#[test]
fn schedulers_and_controller_managers_run_beside_the_api_servers() {
    let jobs = [Job::KubeScheduler, Job::KubeControllerManager];
    let one = snapshot(&["10.0.0.1:6443"], Vec::new());
    check(
        &jobs,
        "",
        "https://lb",
        &one,
        &[
            "10.0.0.1:10259 guessed https://10.0.0.1:10259/healthz",
            "10.0.0.1:10257 guessed https://10.0.0.1:10257/healthz",
        ],
    );
    let config = "scheduler: {endpoints: ['https://s:1/livez', 'https://s:2']}\ncontroller_manager: {enabled: false}";
    check(&jobs, config, "https://lb", &one, &["s:1 https://s:1/livez", "s:2 https://s:2/healthz"]);
}

#[test]
fn every_component_may_have_its_own_interval_and_all_carry_the_labels() {
    let config = "labels: {env: prod}\nkubelet: {interval: 30s}\nscheduler: {interval: 3s}";
    let both = snapshot(&["10.0.0.1:6443"], vec![node("n1", "10.0.0.11")]);
    for target in made(config, "https://lb", &both) {
        let seconds = |t: Timing| (t.interval.as_secs(), t.timeout.as_secs());
        let expected = match target.key.job {
            Job::Kubelet => (30, 5),
            Job::KubeScheduler => (3, 3),
            _ => (10, 5),
        };
        assert_eq!(seconds(Timing { interval: target.interval, timeout: target.timeout }), expected, "{}", target.key);
        assert_eq!(target.labels.get("env").map(String::as_str), Some("prod"));
    }
}
