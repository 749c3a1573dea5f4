//! A cluster as it is, told or not: who does how, and what follows from that by itself: leases, Ready conditions,
//! endpoints, elections. What a story does not say works.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use dogwatch::model::{AwayApi, NodeFact, PendingRequests, Taint};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    how::How,
    nodes::Node,
    recorded::Objects,
    story::{ClusterSpec, names},
};

/// kubelets, API servers: a lease is renewed this often.
const RENEWED_EVERY: Duration = Duration::from_secs(10);
/// Leaders renew theirs this often …
const LED_EVERY: Duration = Duration::from_secs(2);
/// … and lose it after this.
const LEADS_FOR: Duration = Duration::from_secs(15);
/// A dead API server leaves the endpoints.
const LISTED_FOR: Duration = Duration::from_secs(15);
/// An election of etcd, or what notices that there is none.
const ELECTION: Duration = Duration::from_secs(2);

/// What elects a leader.
pub const LEADERS: [&str; 2] = ["kube-scheduler", "kube-controller-manager"];
/// What runs on a control-plane host.
const ON_HOST: [&str; 6] =
    ["kube-apiserver", "etcd", "kube-scheduler", "kube-controller-manager", "kubelet", "kube-proxy"];

/// Raft's term when a story begins.
const FIRST_TERM: u64 = 7;

/// Who leads, and since when it has not renewed that.
#[derive(Clone, Debug)]
pub struct Leader {
    pub host: usize,
    pub renewed: Timestamp,
}

pub struct World {
    pub cluster: Arc<str>,
    /// Second 0 of the story.
    pub begun: Timestamp,
    pub spec: ClusterSpec,
    /// Control-plane hosts.
    pub hosts: usize,
    pub nodes: BTreeMap<String, Node>,
    pub leaders: [Leader; 2],
    /// When each API server renewed its lease.
    pub server_leases: Vec<Timestamp>,
    /// When each member was last heard by its leader.
    pub heard: Vec<Timestamp>,
    /// Since when the watchdog is cut off.
    pub cut_off: Option<Timestamp>,
    pub away_apis: Vec<AwayApi>,
    pub requests: Vec<PendingRequests>,
    /// When certificates end, by who shows them.
    pub ends: BTreeMap<String, Timestamp>,
    /// What the canary says of its runs, by form.
    pub canary: BTreeMap<String, Value>,
    /// Its objects, but nodes.
    pub objects: Objects,
    /// By component and place.
    how: BTreeMap<(String, String), (How, Timestamp)>,
    /// Since when etcd has no quorum.
    lost: Option<Timestamp>,
    /// Raft's term, and who was elected in it.
    pub term: u64,
    elected: Option<usize>,
}

/// `cp1` and so on.
pub fn host_name(i: usize) -> String {
    format!("cp{}", i + 1)
}

/// `10.0.0.1` and so on.
pub fn host_address(i: usize) -> String {
    format!("10.0.0.{}", i + 1)
}

impl World {
    pub fn new(cluster: Arc<str>, spec: ClusterSpec, now: Timestamp, begun: Timestamp) -> Self {
        let hosts = spec.control_plane;
        let leader = Leader { host: 0, renewed: now };
        let mut nodes: BTreeMap<String, Node> = Node::all(&spec.nodes, now).into_iter().collect();
        nodes.extend((0..hosts).map(|i| (host_name(i), Node::of_host(&host_name(i), host_address(i), now))));
        let mut objects = Objects::default();
        objects.set(&spec.objects, now);
        Self {
            cluster,
            begun,
            hosts,
            nodes,
            leaders: [leader.clone(), leader],
            server_leases: vec![now; hosts],
            heard: vec![now; hosts],
            cut_off: None,
            away_apis: Vec::new(),
            requests: Vec::new(),
            ends: BTreeMap::new(),
            canary: BTreeMap::new(),
            objects,
            how: BTreeMap::new(),
            lost: None,
            term: FIRST_TERM,
            elected: None,
            spec,
        }
    }

    /// How one does by what the story says; and since when.
    pub fn said(&self, component: &str, place: &str) -> (How, Timestamp) {
        let key = |place: &str| (component.to_owned(), place.to_owned());
        let said = self.how.get(&key(place)).or_else(|| self.how.get(&key("all")));
        said.cloned().unwrap_or((How::Well, Timestamp::MIN))
    }

    /// How one does, all told.
    pub fn how(&self, component: &str, place: &str, now: Timestamp) -> How {
        let (said, _) = self.said(component, place);
        if said != How::Well {
            return said;
        }
        let for_long = self.lost.is_some_and(|since| now.duration_since(since).unsigned_abs() >= ELECTION);
        match component {
            "etcd" if for_long => How::NoLeader,
            "kube-apiserver" if for_long => How::FailsOnEtcd,
            "kube-apiserver" if self.spec.own_etcd && self.spec.etcd && !self.said("etcd", place).0.works() => {
                match self.said("etcd", place) {
                    (How::Alarm(_), _) => How::Well,
                    (how, since) if how.is_dead() && now.duration_since(since).unsigned_abs() >= ELECTION => {
                        How::FailsOnEtcd
                    }
                    _ => How::Well,
                }
            }
            _ => said,
        }
    }

    pub fn member_lives(&self, i: usize) -> bool {
        let how = self.said("etcd", &host_name(i)).0;
        how.works() || matches!(how, How::Alarm(_))
    }

    fn has_quorum(&self) -> bool {
        let alive = (0..self.hosts).filter(|i| self.member_lives(*i)).count();
        !self.spec.etcd || self.hosts == 0 || alive > self.hosts / 2
    }

    /// The member that leads.
    pub fn etcd_leader(&self) -> Option<usize> {
        (0..self.hosts).find(|i| self.member_lives(*i)).filter(|_| self.has_quorum())
    }

    fn server_works(&self, i: usize, now: Timestamp) -> bool {
        self.how("kube-apiserver", &host_name(i), now).works()
    }

    /// Whether something can be written in the cluster.
    pub fn is_writable(&self, now: Timestamp) -> bool {
        let full = (0..self.hosts).any(|i| matches!(self.said("etcd", &host_name(i)).0, How::Alarm(_)));
        let works = match self.hosts {
            0 => self.said("api", "address").0.works(),
            hosts => (0..hosts).any(|i| self.server_works(i, now)),
        };
        works && self.has_quorum() && !full
    }

    /// Why the watchdog can't read the cluster, if it can't.
    pub fn why_unreadable(&self, now: Timestamp) -> Option<String> {
        let reads = |how: &How| matches!(how, How::Well | How::Slow(_) | How::Alarm(_));
        let mut ways: Vec<How> = (0..self.hosts).map(|i| self.how("kube-apiserver", &host_name(i), now)).collect();
        if self.spec.load_balancer.is_some() {
            ways.push(self.address(now));
        }
        let reads = ways.iter().any(reads) && self.cut_off.is_none();
        (!reads).then(|| format!("nodes can't be read: {:?}", ways.first()))
    }

    /// How the advertised address does: as what is behind it, where nothing is said.
    pub fn address(&self, now: Timestamp) -> How {
        let (said, _) = self.said("api", "address");
        let behind = || (0..self.hosts).map(|i| self.how("kube-apiserver", &host_name(i), now));
        if said != How::Well || self.hosts == 0 || behind().any(|how| how.works()) {
            return said;
        }
        behind().next().unwrap_or(How::Well)
    }

    /// Lets everything that goes on by itself come to `now`.
    pub fn settle(&mut self, now: Timestamp) {
        let leader = self.etcd_leader();
        if leader != self.elected {
            self.term += u64::from(leader.is_some() && now > self.begun);
            self.elected = leader;
        }
        let writable = self.is_writable(now);
        for i in 0..self.hosts {
            if writable && self.server_works(i, now) {
                self.server_leases[i] = floor(now, RENEWED_EVERY, i as i64);
            }
            if self.member_lives(i) {
                self.heard[i] = now;
            }
        }
        for (k, job) in LEADERS.into_iter().enumerate() {
            let alive = |i: usize| self.hosts == 0 || self.said(job, &host_name(i)).0.works();
            let leader = &self.leaders[k];
            let others = (0..self.hosts).find(|i| alive(*i) && *i != leader.host);
            let expired = now.duration_since(leader.renewed).unsigned_abs() >= LEADS_FOR;
            if writable && alive(leader.host) {
                self.leaders[k].renewed = floor(now, LED_EVERY, 0);
            } else if let Some(host) = others.filter(|_| writable && expired) {
                self.leaders[k] = Leader { host, renewed: now };
            }
        }
        let noticed =
            writable && (self.hosts == 0 || self.said(LEADERS[1], &host_name(self.leaders[1].host)).0.works());
        let kubelets: Vec<(String, bool)> =
            self.nodes.keys().map(|name| (name.clone(), !self.said("kubelet", name).0.is_dead())).collect();
        for (i, (name, lives)) in kubelets.into_iter().enumerate() {
            let Some(node) = self.nodes.get_mut(&name) else { continue };
            if lives && writable && !node.is_mute {
                node.renewed = node.renewed.max(floor(now, RENEWED_EVERY, i as i64));
            }
            node.notice(now, noticed);
        }
    }

    /// API servers on the list of endpoints.
    pub fn endpoints(&self, now: Timestamp) -> Vec<String> {
        let listed = |i: &usize| {
            let (how, since) = self.said("kube-apiserver", &host_name(*i));
            !how.is_dead() || now.duration_since(since).unsigned_abs() < LISTED_FOR
        };
        (0..self.hosts).filter(listed).map(|i| format!("{}:6443", host_address(i))).collect()
    }

    /// Something happens.
    pub fn happens(&mut self, who: &str, how: &Value, now: Timestamp) {
        self.settle(now);
        let text = || how.as_str().unwrap_or_else(|| panic!("{who}: how it does is text, not {how}"));
        match who.split_once(' ').unwrap_or((who, "")) {
            ("objects", "") => self.objects.set(how.as_array().unwrap(), now),
            ("change", which) => self.objects.change(which, how, now),
            ("delete", of) => names(text()).iter().for_each(|name| self.objects.delete(&format!("{of} {name}"))),
            ("watchdog", "") => self.cut_off = (text() == "cut off").then_some(now),
            ("host", places) => self.set(&ON_HOST, places, &How::of(text()), now),
            ("machine", places) => self.set(&["kubelet", "kube-proxy"], places, &How::of(text()), now),
            ("node", places) => self.each(places).iter().for_each(|n| self.node(n, how, now)),
            ("add", "nodes") => self.nodes.extend(Node::some(text(), now)),
            ("remove", "nodes") => names(text()).iter().for_each(|n| drop(self.nodes.remove(n))),
            ("away", api) => self.away(api, how, now),
            ("waiting", signer) => self.wait(signer, how, now),
            ("canary", form) => drop(self.canary.insert(form.to_owned(), how.clone())),
            ("certificate", of) => {
                let ends = now + dogwatch::model::duration::prometheus(text()).unwrap();
                self.ends.insert(of.to_owned(), ends);
            }
            (component, places) => self.set(&[component], places, &How::of(text()), now),
        }
        self.lost = if self.has_quorum() { None } else { self.lost.or(Some(now)) };
    }

    /// `cp1, cp2`, `w1..w4`, `zone a`, `all`.
    fn each(&self, places: &str) -> Vec<String> {
        match places.strip_prefix("zone ") {
            Some(zone) => self.nodes.iter().filter(|(_, n)| n.zone == zone).map(|(name, _)| name.clone()).collect(),
            None if places == "workers" => {
                self.nodes.iter().filter(|(_, n)| !n.control_plane).map(|(name, _)| name.clone()).collect()
            }
            None => names(places),
        }
    }

    fn set(&mut self, components: &[&str], places: &str, how: &How, now: Timestamp) {
        for place in self.each(places) {
            for component in components {
                if place == "all" {
                    self.how.retain(|(c, _), _| c != component);
                }
                self.how.insert(((*component).to_owned(), place.clone()), (how.clone(), now));
            }
        }
    }

    fn node(&mut self, name: &str, how: &Value, now: Timestamp) {
        let node = self.nodes.get_mut(name).unwrap_or_else(|| panic!("there is no node {name}"));
        node.happens(how, now);
    }

    fn away(&mut self, api: &str, how: &Value, now: Timestamp) {
        self.away_apis.retain(|a| a.name != api);
        let reason = how.as_str().unwrap();
        if reason != "well" {
            let (name, service) = (api.to_owned(), "kube-system/metrics-server".to_owned());
            let message = "no response from its Service".to_owned();
            self.away_apis.push(AwayApi { name, service, reason: reason.to_owned(), message, since: Some(now) });
        }
    }

    fn wait(&mut self, signer: &str, how: &Value, now: Timestamp) {
        self.requests.retain(|r| r.signer != signer);
        let count = usize::try_from(how.as_u64().unwrap()).unwrap();
        if count > 0 {
            self.requests.push(PendingRequests { signer: signer.to_owned(), count, oldest: now });
        }
    }

    /// Every node, as an API server tells it.
    pub fn node_facts(&self) -> Vec<NodeFact> {
        self.nodes.iter().map(|(name, node)| node.fact(name)).collect()
    }
}

/// The last moment before `now` at which something was due that is due this often.
fn floor(now: Timestamp, every: Duration, shift: i64) -> Timestamp {
    let every = i64::try_from(every.as_secs()).unwrap();
    let second = now.as_second() - shift;
    Timestamp::from_second(second - second.rem_euclid(every) + shift).unwrap().min(now)
}

/// A taint.
pub fn taint(key: &str) -> Taint {
    Taint { key: key.to_owned(), effect: "NoSchedule".into() }
}
