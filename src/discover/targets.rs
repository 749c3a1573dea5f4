//! From configuration and snapshot to the list of targets. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use url::{Host, Url};

use super::config::{ClusterConfig, ComponentConfig};
use super::hosts::LocalHosts;
use crate::model::{ClusterSnapshot, EtcdMember, Job, KubeletVia, NodeFact, ProbeSpec, Target, TargetKey};

/// etcd's client port.
const ETCD_CLIENT: u16 = 2379;
/// kubeadm's metrics-only port of etcd.
const ETCD_METRICS: u16 = 2381;
/// kube-scheduler's own port.
const SCHEDULER: u16 = 10259;
/// kube-controller-manager's own port.
const CONTROLLER_MANAGER: u16 = 10257;
/// kube-proxy's health port.
const KUBE_PROXY: u16 = 10256;
/// How many addresses of a node are tried beside a silent first one.
const OTHERS_MAX: usize = 2;

/// Returns every target of a cluster, sorted by job and instance, no key twice. `server` is the kubeconfig's, `defaults`
/// holds where a component has no timing of its own; `has_etcd_certificate` says that etcd can be asked.
///
/// What the API server or the configuration names is a target at once, an API server's endpoint too: one that hangs when
/// the watchdog first sees it must not pass for one that is not there. What is only derived (an etcd where an API server
/// runs) is `guessed`.
pub fn targets(
    config: &ClusterConfig,
    server: &Url,
    snapshot: &ClusterSnapshot,
    has_etcd_certificate: bool,
    defaults: Timing,
) -> Vec<Target> {
    let mut list = Builder::new(config, snapshot, defaults);
    list.api_servers(server);
    list.etcd(has_etcd_certificate);
    let control_plane = list.control_plane();
    list.healthz(Job::KubeScheduler, &config.scheduler, "https", SCHEDULER, &control_plane);
    list.healthz(Job::KubeControllerManager, &config.controller_manager, "https", CONTROLLER_MANAGER, &control_plane);
    list.kubelets();
    let nodes: Vec<String> =
        list.nodes().filter(|n| !n.is_virtual).filter_map(|n| n.addresses.first().cloned()).collect();
    list.healthz(Job::KubeProxy, &config.kube_proxy, "http", KUBE_PROXY, &nodes);
    list.found.into_values().collect()
}

/// Returns `host:port`, IPv6 in brackets.
pub(super) fn place(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Returns the host of `host:port`, without brackets.
pub(super) fn host_of(place: &str) -> &str {
    place.rsplit_once(':').map_or(place, |(host, _)| host).trim_matches(['[', ']'])
}

/// `host:port` of a URL.
fn place_of(url: &Url) -> Option<String> {
    let host = match url.host()? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(ip) => ip.to_string(),
        Host::Ipv6(ip) => ip.to_string(),
    };
    Some(place(&host, url.port_or_known_default()?))
}

/// Says when a target is probed.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Time between two probes.
    pub interval: Duration,
    /// Deadline of one probe.
    pub timeout: Duration,
}

struct Builder<'a> {
    config: &'a ClusterConfig,
    snapshot: &'a ClusterSnapshot,
    defaults: Timing,
    cluster: Arc<str>,
    by_address: BTreeMap<&'a str, &'a Arc<str>>,
    /// Addresses that several nodes tell as theirs: machines behind one NAT, Vagrant's 10.0.2.15.
    shared: BTreeSet<&'a str>,
    found: BTreeMap<TargetKey, Target>,
}

impl<'a> Builder<'a> {
    fn new(config: &'a ClusterConfig, snapshot: &'a ClusterSnapshot, defaults: Timing) -> Self {
        let addresses = |n: &'a NodeFact| n.addresses.iter().map(move |a| (a.as_str(), &n.name));
        let mut seen = BTreeSet::new();
        let shared = snapshot.nodes.iter().flat_map(addresses).map(|(a, _)| a).filter(|a| !seen.insert(*a)).collect();
        Self {
            config,
            snapshot,
            defaults,
            cluster: config.name.as_str().into(),
            // Of two nodes with one address the first counts.
            by_address: snapshot.nodes.iter().rev().flat_map(addresses).collect(),
            shared,
            found: BTreeMap::new(),
        }
    }

    /// Nodes that are meant to stay: one that is being deleted is expected to fall silent.
    fn nodes(&self) -> impl Iterator<Item = &'a NodeFact> + use<'a> {
        self.snapshot.nodes.iter().filter(|n| !n.deleting)
    }

    /// Where the control plane runs: its nodes, or where these are hidden the API servers' addresses.
    fn control_plane(&self) -> Vec<String> {
        let of_nodes: Vec<String> =
            self.nodes().filter(|n| n.control_plane).filter_map(|n| n.addresses.first().cloned()).collect();
        if !of_nodes.is_empty() {
            return of_nodes;
        }
        self.endpoints().map(|e| host_of(e).to_owned()).collect()
    }

    /// Every API server's `host:port`, those that have left the list but are not forgotten too.
    fn endpoints(&self) -> impl Iterator<Item = &'a String> + use<'a> {
        self.snapshot.apiserver_endpoints.iter().chain(self.snapshot.missing_endpoints.iter().map(|m| &m.address))
    }

    /// A probe never outlasts its interval.
    fn timing(&self, interval: Option<Duration>, timeout: Option<Duration>) -> Timing {
        let interval = interval.unwrap_or(self.defaults.interval);
        Timing { interval, timeout: timeout.unwrap_or(self.defaults.timeout).min(interval) }
    }

    /// Adds a target; of two with the same key the first stays.
    fn add(&mut self, job: Job, place: &str, spec: ProbeSpec, timing: Timing, guessed: bool) {
        let node = match &spec {
            ProbeSpec::Kubelet { node, .. } => Some(node.clone()),
            _ => self.by_address.get(host_of(place)).map(|name| (*name).clone()),
        };
        let key = TargetKey { cluster: self.cluster.clone(), job, instance: place.into() };
        self.found.entry(key).or_insert_with_key(|key| Target {
            key: key.clone(),
            node,
            spec,
            interval: timing.interval,
            timeout: timing.timeout,
            guessed,
            labels: self.config.labels.clone(),
        });
    }

    fn api_servers(&mut self, server: &Url) {
        let config = &self.config.apiserver;
        if !config.enabled {
            return;
        }
        let timing = self.timing(config.interval, config.timeout);
        let urls: Vec<Url> = if config.endpoints.is_empty() {
            let single = self.endpoints().filter_map(|place| base("https", place));
            std::iter::once(server.clone()).chain(single).collect()
        } else {
            config.endpoints.clone()
        };
        // Where the advertised URL is an endpoint itself, it is that one server and no balancer.
        let balancer = place_of(server).filter(|place| !self.endpoints().any(|e| e == place));
        for url in urls {
            let Some(place) = place_of(&url) else { continue };
            let advertised = Some(&place) == balancer.as_ref();
            // Behind a balancer the single servers may be out of our reach for good (managed clusters list private
            // addresses): there one counts once it has answered.
            let guessed = balancer.is_some() && !advertised && config.endpoints.is_empty();
            self.add(Job::KubeApiserver, &place, ProbeSpec::ApiServer { base: url, advertised }, timing, guessed);
        }
    }

    fn etcd(&mut self, has_certificate: bool) {
        let config = &self.config.etcd;
        if !config.enabled {
            return;
        }
        let timing = self.timing(config.interval, config.timeout);
        let members: Vec<Url> = self.snapshot.etcd_members.iter().filter_map(client_url).collect();
        let (clients, guessed): (Vec<Url>, bool) = if !config.endpoints.is_empty() {
            (config.endpoints.clone(), false)
        } else if !members.is_empty() {
            // A member that is named and can be asked must answer; without a certificate it may not.
            (members, !has_certificate)
        } else {
            let hosts = self.control_plane();
            (hosts.iter().filter_map(|host| base("https", &place(host, ETCD_CLIENT))).collect(), true)
        };
        for client in clients {
            let Some(at) = place_of(&client) else { continue };
            let metrics = base("http", &place(host_of(&at), ETCD_METRICS));
            self.add(Job::Etcd, &at, ProbeSpec::Etcd { client, metrics }, timing, guessed);
        }
    }

    fn healthz(&mut self, job: Job, config: &ComponentConfig, scheme: &str, port: u16, hosts: &[String]) {
        if !config.enabled {
            return;
        }
        let timing = self.timing(config.interval, config.timeout);
        let guessed = config.endpoints.is_empty();
        let urls: Vec<Url> = if guessed {
            hosts.iter().filter_map(|host| base(scheme, &place(host, port))).collect()
        } else {
            config.endpoints.clone()
        };
        for mut url in urls {
            let Some(at) = place_of(&url) else { continue };
            if url.path() == "/" {
                url.set_path("/healthz");
            }
            self.add(job, &at, ProbeSpec::Healthz { url }, timing, guessed);
        }
    }

    /// A kubelet for every node that has one to ask: not of virtual ones, nor where no port or address is told. Those are
    /// judged by their leases and conditions.
    fn kubelets(&mut self) {
        let config = &self.config.kubelet;
        if !config.enabled {
            return;
        }
        let timing = self.timing(config.interval, config.timeout);
        for node in self.nodes().filter(|n| has_kubelet(n)) {
            let Some((at, via, others)) = self.kubelet_place(node, config.via.via()) else { continue };
            let Some(base) = base("https", &at) else { continue };
            let others =
                others.iter().filter_map(|host| self::base("https", &place(host, node.kubelet_port))).collect();
            let spec = ProbeSpec::Kubelet { base, others, node: node.name.clone(), via };
            self.add(Job::Kubelet, &at, spec, timing, false);
        }
    }

    /// Where a node's kubelet is asked, how, and its other addresses. Where all are told by other nodes as well, only an
    /// API server can tell them apart, by name.
    fn kubelet_place(
        &self,
        node: &'a NodeFact,
        via: Option<KubeletVia>,
    ) -> Option<(String, Option<KubeletVia>, Vec<&'a str>)> {
        let first = node.addresses.first()?;
        let is_own = |a: &&str| !self.shared.contains(a);
        // Behind NAT a name is seldom known outside, and may be known as something else.
        let is_sure = |a: &&str| is_own(a) && (!self.shared.contains(first.as_str()) || a.parse::<IpAddr>().is_ok());
        let mut own = node.addresses.iter().map(String::as_str).filter(is_sure);
        match own.next() {
            Some(host) => Some((place(host, node.kubelet_port), via, own.take(OTHERS_MAX).collect())),
            // Only the first of them can be told from the others, by being the first.
            None if via == Some(KubeletVia::Direct) => Some((place(first, node.kubelet_port), via, Vec::new())),
            None => Some((place(&node.name, node.kubelet_port), Some(KubeletVia::Proxy), Vec::new())),
        }
    }
}

/// Returns whether it has a kubelet that can be asked, somewhere.
pub(super) fn has_kubelet(node: &NodeFact) -> bool {
    !node.is_virtual && node.kubelet_port > 0 && !node.addresses.is_empty()
}

fn base(scheme: &str, place: &str) -> Option<Url> {
    Url::parse(&format!("{scheme}://{place}")).ok()
}

/// The first client URL that others than the member itself can use.
fn client_url(member: &EtcdMember) -> Option<Url> {
    let urls = member.client_urls.iter().filter_map(|text| Url::parse(text).ok());
    // Loopback is the member's own, wherever it is.
    let nowhere = LocalHosts::default();
    urls.into_iter().find(|url| url.host_str().is_some_and(|host| nowhere.allow(host.trim_matches(['[', ']']))))
}

#[cfg(test)]
mod tests;
