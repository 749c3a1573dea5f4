//! The targets that follow from a cluster's configuration and from what discovery knows. Pure, in a stable order.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use url::Url;

use super::{
    config::{ClusterConfig, ComponentConfig},
    objects::host_port,
};
use crate::model::{ClusterSnapshot, Job, NodeFact, ProbeSpec, Target, TargetKey};

/// Ports that the components listen on by default (kubernetes.io: Ports and Protocols).
const ETCD: u16 = 2379;
const ETCD_METRICS: u16 = 2381;
const SCHEDULER: u16 = 10259;
const CONTROLLER_MANAGER: u16 = 10257;
const KUBE_PROXY: u16 = 10256;

struct Maker<'a> {
    config: &'a ClusterConfig,
    cluster: Arc<str>,
    defaults: (Duration, Duration),
    by_address: BTreeMap<&'a str, &'a NodeFact>,
    targets: BTreeMap<TargetKey, Target>,
}

/// Every target of the cluster. `defaults` are interval and timeout.
pub fn targets(
    config: &ClusterConfig,
    server: &Url,
    snapshot: &ClusterSnapshot,
    has_etcd_certificate: bool,
    defaults: (Duration, Duration),
) -> Vec<Target> {
    let by_address = snapshot.nodes.iter().flat_map(|n| n.addresses.iter().map(move |a| (a.as_str(), n))).collect();
    let cluster = config.name.as_str().into();
    let mut maker = Maker { config, cluster, defaults, by_address, targets: BTreeMap::new() };
    let endpoints: Vec<&str> = snapshot
        .apiserver_endpoints
        .iter()
        .map(String::as_str)
        .chain(snapshot.missing_endpoints.iter().map(|m| m.address.as_str()))
        .collect();
    maker.api_servers(server, &endpoints);
    let hosts = control_plane_hosts(snapshot, &endpoints);
    maker.etcd(snapshot, &hosts, has_etcd_certificate);
    maker.healthz(Job::KubeScheduler, &config.scheduler, &hosts, SCHEDULER);
    maker.healthz(Job::KubeControllerManager, &config.controller_manager, &hosts, CONTROLLER_MANAGER);
    maker.nodes(&snapshot.nodes);
    maker.targets.into_values().collect()
}

/// Addresses of control-plane nodes; where no node says that it is one, the API servers' hosts.
fn control_plane_hosts(snapshot: &ClusterSnapshot, endpoints: &[&str]) -> Vec<String> {
    let of_nodes: Vec<String> = snapshot
        .nodes
        .iter()
        .filter(|n| n.control_plane && !n.deleting)
        .filter_map(|n| n.addresses.first().cloned())
        .collect();
    if of_nodes.is_empty() { endpoints.iter().map(|e| host(e).to_string()).collect() } else { of_nodes }
}

fn host(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(h, _)| h).trim_matches(['[', ']'])
}

fn instance(url: &Url) -> String {
    host_port(url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(0))
}

fn origin(scheme: &str, host: &str, port: u16) -> Option<Url> {
    Url::parse(&format!("{scheme}://{}", host_port(host, port))).ok()
}

impl Maker<'_> {
    fn add(
        &mut self,
        job: Job,
        url: &Url,
        spec: ProbeSpec,
        guessed: bool,
        node: Option<Arc<str>>,
        pace: (Option<Duration>, Option<Duration>),
    ) {
        let instance = instance(url);
        let node = node.or_else(|| self.by_address.get(host(&instance)).map(|n| n.name.clone()));
        let key = TargetKey { cluster: self.cluster.clone(), job, instance: instance.into() };
        let interval = pace.0.unwrap_or(self.defaults.0);
        let target = Target {
            key: key.clone(),
            node,
            spec,
            interval,
            timeout: pace.1.unwrap_or(self.defaults.1).min(interval),
            guessed,
            labels: self.config.labels.clone(),
        };
        self.targets.entry(key).or_insert(target);
    }

    fn api_servers(&mut self, server: &Url, endpoints: &[&str]) {
        let c = &self.config.apiserver;
        if !c.enabled {
            return;
        }
        let pace = (c.interval, c.timeout);
        let each: Vec<Url> = match c.endpoints.is_empty() {
            false => c.endpoints.clone(),
            true => endpoints.iter().filter_map(|e| Url::parse(&format!("https://{e}")).ok()).collect(),
        };
        for base in each {
            let spec = ProbeSpec::ApiServer { base: base.clone(), advertised: false };
            self.add(Job::KubeApiserver, &base, spec, false, None, pace);
        }
        // Where the advertised URL is one of the endpoints, that endpoint stands for both.
        if c.endpoints.is_empty() {
            let spec = ProbeSpec::ApiServer { base: server.clone(), advertised: true };
            self.add(Job::KubeApiserver, server, spec, false, None, pace);
        }
    }

    fn etcd(&mut self, snapshot: &ClusterSnapshot, hosts: &[String], certificate: bool) {
        let c = &self.config.etcd;
        if !c.enabled {
            return;
        }
        let mut known: Vec<(Url, bool)> = c.endpoints.iter().map(|u| (u.clone(), false)).collect();
        if known.is_empty() && certificate {
            let urls = snapshot.etcd_members.iter().filter_map(|m| m.client_urls.first());
            known.extend(urls.filter_map(|u| Url::parse(u).ok()).filter(|u| !is_loopback(u)).map(|u| (u, false)));
        }
        if known.is_empty() {
            known.extend(hosts.iter().filter_map(|h| origin("https", h, ETCD)).map(|u| (u, true)));
        }
        for (client, guessed) in known {
            let metrics = client.host_str().and_then(|h| origin("http", h, ETCD_METRICS));
            let spec = ProbeSpec::Etcd { client: client.clone(), metrics };
            self.add(Job::Etcd, &client, spec, guessed, None, (c.interval, c.timeout));
        }
    }

    fn healthz(&mut self, job: Job, c: &ComponentConfig, hosts: &[String], port: u16) {
        if !c.enabled {
            return;
        }
        let urls: Vec<(Url, bool)> = match c.endpoints.is_empty() {
            false => c.endpoints.iter().map(|u| (u.clone(), false)).collect(),
            true => hosts.iter().filter_map(|h| origin("https", h, port)).map(|u| (u, true)).collect(),
        };
        for (mut url, guessed) in urls {
            if url.path() == "/" {
                url.set_path("/healthz");
            }
            self.add(job, &url.clone(), ProbeSpec::Healthz { url }, guessed, None, (c.interval, c.timeout));
        }
    }

    fn nodes(&mut self, nodes: &[NodeFact]) {
        let kubelet = &self.config.kubelet;
        let pace = (kubelet.interval, kubelet.timeout);
        let (enabled, via) = (kubelet.enabled, kubelet.via.via());
        let proxy = self.config.kube_proxy.clone();
        for node in nodes.iter().filter(|n| !n.deleting) {
            let Some(address) = node.addresses.first() else { continue };
            if let Some(base) = origin("https", address, node.kubelet_port).filter(|_| enabled) {
                let spec = ProbeSpec::Kubelet { base: base.clone(), node: node.name.clone(), via };
                self.add(Job::Kubelet, &base, spec, false, Some(node.name.clone()), pace);
            }
            if proxy.enabled && proxy.endpoints.is_empty() {
                let Some(mut url) = origin("http", address, KUBE_PROXY) else { continue };
                url.set_path("/healthz");
                let spec = ProbeSpec::Healthz { url: url.clone() };
                self.add(Job::KubeProxy, &url, spec, true, Some(node.name.clone()), (proxy.interval, proxy.timeout));
            }
        }
        if !proxy.endpoints.is_empty() {
            self.healthz(Job::KubeProxy, &proxy, &[], KUBE_PROXY);
        }
    }
}

/// A member that advertises loopback (a single-node etcd) can't be asked there from outside.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => true,
    }
}
