//! Services whose endpoints do not follow their pods: ready pods that no slice lists, and listed pods that are gone.
//!
//! Judged pod by pod, as each changes, as the EndpointSlice controller would (pkg/controller/endpointslice of Kubernetes):
//! pods are known by the names that the slices give, so that pods with the host's address are no special case.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Moment, News, endpoints::SERVICE_NAME, pair};
use crate::{
    inventory::object::Object,
    model::{LaggingEndpoints, Situation},
};

/// A controller that works follows within seconds; an election takes half a minute, and a watch of ours that broke goes on
/// after two at the most.
const LATE_AFTER: SignedDuration = SignedDuration::from_secs(300);
/// Says who keeps a slice (kubernetes.io/docs/reference/labels-annotations-taints) …
const KEEPER: &str = "endpointslice.kubernetes.io/managed-by";
/// … and this one follows selectors.
const CONTROLLER: &str = "endpointslice-controller.k8s.io";
/// All that this is judged by.
const KINDS: [&str; 4] = ["nodes", "pods", "services", "endpointslices"];

/// A service with a selector.
#[derive(Debug, PartialEq, Eq)]
struct Service {
    /// Each label that a pod must have, as a [`line`].
    selector: Vec<String>,
    /// `IPv4`, `IPv6`; none: not told.
    families: Vec<String>,
}

impl Service {
    /// `None`: nobody follows pods for it.
    fn read(object: &Object) -> Option<Self> {
        let selector: Vec<String> =
            object.map(&["spec", "selector"]).map(|(name, value)| line(name, value.as_str())).collect();
        let is_name = object.text(&["spec", "type"]) == "ExternalName";
        let families = object.at(&["spec", "ipFamilies"]).as_array().into_iter().flatten();
        let families = families.filter_map(Value::as_str).map(str::to_owned).collect();
        (!selector.is_empty() && !object.is_being_deleted() && !is_name).then_some(Self { selector, families })
    }

    fn selects(&self, pod: &Pod) -> bool {
        self.selector.iter().all(|line| pod.labels.contains(line.as_str()))
    }

    /// Whether the pod has an address of a kind that the service has.
    fn reaches(&self, pod: &Pod) -> bool {
        let is_told = !self.families.is_empty() && (pod.has_v4 || pod.has_v6);
        let has = |family: &String| if family == "IPv6" { pod.has_v6 } else { pod.has_v4 };
        !is_told || self.families.iter().any(has)
    }
}

/// What is needed of a pod.
#[derive(Debug, PartialEq, Eq)]
struct Pod {
    /// All labels, each as a [`line`].
    labels: Box<str>,
    node: Box<str>,
    is_ready: bool,
    /// It has ended: no endpoint is made of it.
    is_over: bool,
    has_v4: bool,
    has_v6: bool,
}

impl Pod {
    fn read(object: &Object) -> Self {
        let labels: String =
            object.map(&["metadata", "labels"]).map(|(name, value)| line(name, value.as_str())).collect();
        let addresses = || object.map(&["status", "podIPs"]).map(|(ip, _)| ip.as_str());
        let addresses = || addresses().chain(Some(object.text(&["status", "podIP"]))).filter(|ip| !ip.is_empty());
        Self {
            labels: labels.into(),
            node: object.text(&["spec", "nodeName"]).into(),
            is_ready: object.is_ready() && !object.is_being_deleted(),
            is_over: object.is_over(),
            has_v4: addresses().any(|ip| !ip.contains(':')),
            has_v6: addresses().any(|ip| ip.contains(':')),
        }
    }
}

/// One slice of a service.
#[derive(Debug, Default)]
struct Slice {
    /// Each pod that it lists, and whether as ready.
    pods: BTreeMap<Box<str>, bool>,
    /// Kept by somebody who need not follow the selector.
    is_foreign: bool,
    /// It lists what is no pod: somebody fills it by hand.
    has_others: bool,
}

impl Slice {
    fn read(object: &Object) -> Self {
        let keeper = object.at(&["metadata", "labels"]).get(KEEPER).and_then(Value::as_str);
        let mut slice = Self { is_foreign: keeper.is_some_and(|k| k != CONTROLLER), ..Self::default() };
        for (_, endpoint) in object.map(&["endpoints"]) {
            let target = &endpoint["targetRef"];
            // Not told means ready (discovery.k8s.io/v1, EndpointConditions).
            let is_ready = endpoint["conditions"]["ready"] != false;
            match target["name"].as_str().filter(|_| target["kind"] == "Pod") {
                Some(pod) => *slice.pods.entry(pod.into()).or_default() |= is_ready,
                None => slice.has_others = true,
            }
        }
        slice
    }
}

/// How a service's endpoints differ from its pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Late {
    /// A ready pod is not listed.
    Missing,
    /// A listed pod is gone.
    Gone,
}

/// All of a cluster.
#[derive(Debug, Default)]
pub(super) struct Lag {
    /// By namespace and name.
    services: HashMap<String, HashMap<String, Service>>,
    /// By namespace and name.
    pods: HashMap<String, HashMap<String, Pod>>,
    /// By service and name.
    slices: HashMap<String, BTreeMap<String, Slice>>,
    nodes: HashSet<String>,
    /// Service and pod, and since when they differ.
    late: BTreeMap<(String, String), (Late, Timestamp)>,
}

impl Lag {
    pub(super) fn take(&mut self, news: &News<'_>) {
        match news.object.resource {
            "nodes" if news.is_gone => drop(self.nodes.remove(&news.object.name)),
            "nodes" => drop(self.nodes.insert(news.object.name.clone())),
            "pods" => self.pod(news),
            "services" => self.service(news),
            "endpointslices" => self.slice(news),
            _ => {}
        }
    }

    fn pod(&mut self, news: &News<'_>) {
        let Object { namespace, name, .. } = news.object;
        let pods = self.pods.entry(namespace.clone()).or_default();
        let is = (!news.is_gone).then(|| Pod::read(news.object));
        // Most news of a pod is none here.
        if pods.get(name) == is.as_ref() {
            return;
        }
        let was = pods.remove(name);
        let selected = |service: &Service| was.iter().chain(is.as_ref()).any(|pod| service.selects(pod));
        let services = self.services.get(namespace).into_iter().flatten();
        let services: Vec<String> = services.filter(|(_, s)| selected(s)).map(|(name, _)| name.clone()).collect();
        match is {
            Some(is) => drop(pods.insert(name.clone(), is)),
            None if pods.is_empty() => drop(self.pods.remove(namespace)),
            None => {}
        }
        services.iter().for_each(|service| self.judge((namespace, service), name, news.at));
    }

    fn service(&mut self, news: &News<'_>) {
        let Object { namespace, name, .. } = news.object;
        let services = self.services.entry(namespace.clone()).or_default();
        let is = Service::read(news.object).filter(|_| !news.is_gone);
        if services.get(name) == is.as_ref() {
            return;
        }
        let key = pair(namespace, name);
        if services.remove(name).is_some() {
            self.late.retain(|(service, _), _| *service != key);
        }
        let Some(is) = is else { return };
        let pods = self.pods.get(namespace).into_iter().flatten();
        let mut pods: BTreeSet<String> = pods.filter(|(_, p)| is.selects(p)).map(|(name, _)| name.clone()).collect();
        services.insert(name.clone(), is);
        pods.extend(self.listed(&key));
        pods.iter().for_each(|pod| self.judge((namespace, name), pod, news.at));
    }

    fn slice(&mut self, news: &News<'_>) {
        let object = news.object;
        let was = if news.is_gone { Some(object) } else { news.before };
        let service = |o: &Object| o.at(&["metadata", "labels"]).get(SERVICE_NAME)?.as_str().map(str::to_owned);
        let mut services: BTreeSet<String> = was.and_then(service).into_iter().collect();
        let mut pods: BTreeSet<String> = BTreeSet::new();
        let names = |slice: &Slice| slice.pods.keys().map(|pod| pod.to_string()).collect::<Vec<_>>();
        for service in &services {
            let key = pair(&object.namespace, service);
            let Some(slices) = self.slices.get_mut(&key) else { continue };
            pods.extend(slices.remove(&object.name).iter().flat_map(names));
            if slices.is_empty() {
                self.slices.remove(&key);
            }
        }
        if let Some(service) = service(object).filter(|_| !news.is_gone) {
            let slice = Slice::read(object);
            pods.extend(names(&slice));
            self.slices.entry(pair(&object.namespace, &service)).or_default().insert(object.name.clone(), slice);
            services.insert(service);
        }
        for service in &services {
            pods.iter().for_each(|pod| self.judge((&object.namespace, service), pod, news.at));
        }
    }

    /// All pods that the slices of a service list.
    fn listed(&self, service: &str) -> impl Iterator<Item = String> + '_ {
        let slices = self.slices.get(service).into_iter().flat_map(BTreeMap::values);
        slices.flat_map(|slice| slice.pods.keys()).map(|pod| pod.to_string())
    }

    fn judge(&mut self, (namespace, service): (&str, &str), pod: &str, at: Timestamp) {
        let late = self.late((namespace, service), pod);
        let key = (pair(namespace, service), pod.to_owned());
        match (late, self.late.get(&key)) {
            (Some(late), Some((known, _))) if *known == late => {}
            (Some(late), _) => drop(self.late.insert(key, (late, at))),
            (None, _) => drop(self.late.remove(&key)),
        }
    }

    fn late(&self, (namespace, service): (&str, &str), pod: &str) -> Option<Late> {
        let of = self.services.get(namespace)?.get(service)?;
        let slices = self.slices.get(&pair(namespace, service)).into_iter().flat_map(BTreeMap::values);
        let ready = slices.filter(|slice| slice.pods.get(pod) == Some(&true));
        let (mut is_ready, mut is_kept) = (false, false);
        ready.for_each(|slice| (is_ready, is_kept) = (true, is_kept || !slice.is_foreign));
        match self.pods.get(namespace).and_then(|pods| pods.get(pod)).filter(|pod| !pod.is_over) {
            None => is_kept.then_some(Late::Gone),
            Some(pod) => {
                let is_wanted = pod.is_ready && of.selects(pod) && of.reaches(pod);
                (is_wanted && !is_ready).then_some(Late::Missing)
            }
        }
    }

    pub(super) fn fill(&self, moment: &Moment<'_>, into: &mut Situation) {
        // A watch of slices that is stuck looks like slices that are.
        let Some(moment) = moment.of(&KINDS) else { return };
        let mut all = LaggingEndpoints::default();
        let mut services: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for ((service, pod), (late, since)) in &self.late {
            if !moment.is_past(*since, LATE_AFTER) || self.is_by_hand(service) {
                continue;
            }
            let namespace = service.split_once('/').map_or("", |(namespace, _)| namespace);
            match late {
                // The controller leaves out pods whose node is not there.
                Late::Missing if !self.has_node(namespace, pod) => continue,
                Late::Missing => all.missing.add(&pair(namespace, pod), *since),
                Late::Gone => all.gone.add(&pair(namespace, pod), *since),
            }
            let first = services.entry(service).or_insert(*since);
            *first = (*first).min(*since);
        }
        services.iter().for_each(|(service, since)| all.services.add(service, *since));
        into.lagging_endpoints = (all.services.count > 0).then_some(all);
    }

    fn is_by_hand(&self, service: &str) -> bool {
        self.slices.get(service).is_some_and(|slices| slices.values().any(|slice| slice.has_others))
    }

    fn has_node(&self, namespace: &str, pod: &str) -> bool {
        let pod = self.pods.get(namespace).and_then(|pods| pods.get(pod));
        pod.is_some_and(|pod| self.nodes.contains(&*pod.node))
    }
}

/// A label as a line of its own: `\nname=value\n`, so that one is found among others as a part of a text.
fn line(name: &str, value: Option<&str>) -> String {
    format!("\n{name}={}\n", value.unwrap_or_default())
}

#[cfg(test)]
mod tests;
