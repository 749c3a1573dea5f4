//! What cases share that nothing else has: of their machines, of what changed before, of what stands in front of their API
//! servers. Pure arithmetic.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::Ipv4Addr,
    sync::Arc,
};

use super::{Case, Kind, Place, hosts_of};
use crate::{
    dispatch::likely_causes::suspects,
    model::{ChangeKind, FleetTrait, NodeFact, RecentChange},
};

/// What machines may share, the clearest first, and whether that is telling by itself. Names that every cluster has (a rack
/// `r1`, a pool `default`) tell nothing.
const WORDS: [(&str, bool); 9] = [
    ("hypervisor", true),
    ("zone", true),
    ("site", true),
    ("datacenter", true),
    ("OS image", true),
    ("kernel", false),
    ("container runtime", false),
    ("kubelet", false),
    ("region", false),
];
/// The place of a change in that order: behind where machines stand and what they are.
const CHANGE: usize = 5;
/// Of all machines that share a trait, at most so many in a hundred are well: the last ones may follow.
const WELL_WITH: usize = 25;
/// Of the machines that are well, at most so many in a hundred share the trait.
const WELL_ALIKE: usize = 20;

/// Cases that share a trait which those that are well have not.
pub(super) struct Marked<'c, 'a> {
    pub(super) shared: FleetTrait,
    pub(super) cases: Vec<&'c Case<'a>>,
}

/// Returns whether two clusters are enough.
pub(super) fn is_strong(shared: &FleetTrait) -> bool {
    match shared {
        FleetTrait::Machines { word, .. } => WORDS.iter().any(|(w, strong)| w == word && *strong),
        FleetTrait::Change(_) | FleetTrait::Address(_) => true,
        FleetTrait::Network(_) | FleetTrait::Unknown => false,
    }
}

fn order(shared: &FleetTrait) -> (usize, bool) {
    match shared {
        FleetTrait::Machines { word, .. } => (WORDS.iter().position(|(w, _)| w == word).unwrap_or(WORDS.len()), true),
        FleetTrait::Change(_) => (CHANGE, false),
        FleetTrait::Address(_) => (CHANGE, true),
        FleetTrait::Network(_) | FleetTrait::Unknown => (WORDS.len(), true),
    }
}

/// Returns the traits that cases of several clusters share and few others have, the clearest first.
pub(super) fn telling<'c, 'a>(cases: &'c [Case<'a>], places: &[Place]) -> Vec<Marked<'c, 'a>> {
    let by_cluster: HashMap<&str, &Place> = places.iter().map(|p| (&*p.cluster, p)).collect();
    let mut by_trait: BTreeMap<FleetTrait, Vec<&Case<'_>>> = BTreeMap::new();
    let mut lost: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for case in cases {
        let Some(place) = by_cluster.get(&*case.incident.cluster) else { continue };
        let hosts = hosts_of(case);
        for shared in traits_of(case, &hosts, place) {
            by_trait.entry(shared).or_default().push(case);
        }
        lost.entry(&case.incident.cluster).or_default().extend(hosts);
    }
    by_trait.retain(|_, cases| cases.iter().any(|c| c.incident.cluster != cases[0].incident.cluster));
    let wanted: Vec<&FleetTrait> = by_trait.keys().filter(|t| matches!(t, FleetTrait::Machines { .. })).collect();
    let marks: BTreeSet<FleetTrait> = mark_machines(&wanted, &lost, places).into_iter().cloned().collect();
    let mut found: Vec<Marked<'_, '_>> = by_trait
        .into_iter()
        .map(|(shared, cases)| Marked { shared, cases })
        .filter(|m| match &m.shared {
            FleetTrait::Machines { .. } => marks.contains(&m.shared),
            shared => is_theirs_alone(shared, &m.cases, places),
        })
        .collect();
    found.sort_by(|a, b| (order(&a.shared), &a.shared).cmp(&(order(&b.shared), &b.shared)));
    found
}

fn traits_of(case: &Case<'_>, hosts: &BTreeSet<&str>, place: &Place) -> BTreeSet<FleetTrait> {
    let mut all: BTreeSet<FleetTrait> = of_machines(hosts, place).into_iter().collect();
    let suspects = suspects(case.incident, place.changes.iter().map(|c| &**c));
    all.extend(suspects.into_iter().filter_map(new_state).map(FleetTrait::Change));
    if case.kind == Kind::Api {
        for (host, _) in place.fronts.iter().filter(|(_, well)| !well) {
            all.extend(network(host).map(FleetTrait::Network));
            all.insert(FleetTrait::Address(host.clone()));
        }
    }
    all
}

/// What all of these machines share.
fn of_machines(hosts: &BTreeSet<&str>, place: &Place) -> Vec<FleetTrait> {
    let is_one = |n: &&NodeFact| hosts.contains(&*n.name) || n.addresses.iter().any(|a| hosts.contains(a.as_str()));
    let nodes: Vec<&NodeFact> = match hosts.is_empty() {
        true => Vec::new(),
        false => place.snapshot.nodes.iter().filter(is_one).collect(),
    };
    let Some((first, rest)) = nodes.split_first() else { return Vec::new() };
    let shared = |(word, _): &(&str, bool)| {
        let value = value(first, word)?;
        let all = rest.iter().all(|n| self::value(n, word).as_ref() == Some(&value));
        all.then(|| FleetTrait::Machines { word: (*word).to_owned(), value })
    };
    WORDS.iter().filter_map(shared).collect()
}

/// A zone of the same name may be somewhere else, unless its name has the region in it.
fn value(node: &NodeFact, word: &str) -> Option<String> {
    let value = node.traits.get(word)?;
    match node.traits.get("region").filter(|_| word == "zone") {
        Some(region) if !value.starts_with(region.as_str()) => Some(format!("{region}/{value}")),
        _ => Some(value.clone()),
    }
}

/// Those of the traits that most machines which have them are in trouble for, in all clusters together.
fn mark_machines<'t>(
    wanted: &[&'t FleetTrait],
    lost: &HashMap<&str, BTreeSet<&str>>,
    places: &[Place],
) -> Vec<&'t FleetTrait> {
    if wanted.is_empty() {
        return Vec::new();
    }
    // Thousands of machines have a few sets of traits between them.
    let mut known: HashMap<*const BTreeMap<String, String>, Vec<usize>> = HashMap::new();
    // Of each: how many have it, and how many of these are well.
    let mut counts = vec![(0, 0); wanted.len()];
    let mut well = 0;
    let has = |node: &NodeFact, shared: &FleetTrait| match shared {
        FleetTrait::Machines { word, value } => self::value(node, word).as_ref() == Some(value),
        _ => false,
    };
    for place in places {
        let named = lost.get(&*place.cluster);
        let is_named = |name: &str| named.is_some_and(|lost| lost.contains(name));
        for node in &place.snapshot.nodes {
            let is_well = node.is_ready() && !is_named(&node.name) && !node.addresses.iter().any(|a| is_named(a));
            well += usize::from(is_well);
            let of = || wanted.iter().enumerate().filter(|(_, shared)| has(node, shared)).map(|(i, _)| i).collect();
            for i in known.entry(Arc::as_ptr(&node.traits)).or_insert_with(of) {
                counts[*i].0 += 1;
                counts[*i].1 += usize::from(is_well);
            }
        }
    }
    let clear = |(with, well_with): (usize, usize)| {
        well > well_with && well_with * 100 <= with * WELL_WITH && well_with * 100 <= well * WELL_ALIKE
    };
    wanted.iter().zip(counts).filter(|(_, count)| clear(*count)).map(|(shared, _)| *shared).collect()
}

/// No cluster that is well has the same.
fn is_theirs_alone(shared: &FleetTrait, cases: &[&Case<'_>], places: &[Place]) -> bool {
    let ill: HashSet<&str> = cases.iter().map(|c| &*c.incident.cluster).collect();
    let has = |place: &Place| match shared {
        FleetTrait::Change(what) => place.changes.iter().filter_map(|c| new_state(c)).any(|state| state == *what),
        FleetTrait::Address(host) => place.fronts.iter().any(|(front, _)| front == host),
        FleetTrait::Network(net) => place.fronts.iter().any(|(front, _)| network(front).as_ref() == Some(net)),
        FleetTrait::Machines { .. } | FleetTrait::Unknown => false,
    };
    !places.iter().any(|place| !ill.contains(&*place.cluster) && has(place))
}

/// What a change leads to, in words that are the same wherever it is made: whatever was there before. `None`: it says nothing that
/// two clusters would share for a reason.
fn new_state(change: &RecentChange) -> Option<String> {
    use ChangeKind as K;
    let new = change.detail.rsplit_once(" → ").map(|(_, new)| new);
    match (change.kind, new) {
        (K::Rollout, Some(image)) => Some(format!("image {image}")),
        (K::NodeSoftware, Some(version)) => {
            let (word, _) = WORDS.iter().find(|(word, _)| change.detail.starts_with(word))?;
            Some(format!("{word} {version}"))
        }
        (K::ControlPlane, new) => Some(format!("{}: {}", component(&change.subject), new.unwrap_or(&change.detail))),
        (K::Webhook | K::CustomResource | K::PriorityClass | K::ApiService | K::StorageClass | K::RbacBinding, _) => {
            Some(change.kind.words(&[&change.subject], &change.detail))
        }
        _ => None,
    }
}

/// `kube-apiserver on cp1` → `kube-apiserver`: hosts have names of their own in each cluster.
fn component(subject: &str) -> &str {
    subject.split_whitespace().next().unwrap_or(subject)
}

/// `10.0.1.7` → `10.0.1.0/24`.
fn network(host: &str) -> Option<String> {
    let [a, b, c, _] = host.parse::<Ipv4Addr>().ok()?.octets();
    Some(format!("{a}.{b}.{c}.0/24"))
}
