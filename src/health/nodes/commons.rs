//! What the nodes in trouble have in common, and the others have not: zone, rack, kernel, … Pure arithmetic.

use std::collections::BTreeMap;

use crate::model::{NodeFact, Said};

/// What comes first where several explain the same: where machines stand, then what they are, then what runs on them.
const ORDER: [&str; 25] = [
    "hypervisor",
    "enclosure",
    "chassis",
    "switch",
    "pdu",
    "rack",
    "row",
    "room",
    "hall",
    "building",
    "fault-domain",
    "failure-domain",
    "zone",
    "datacenter",
    "site",
    "region",
    "network",
    "node pool",
    "node group",
    "instance type",
    "capacity type",
    "kernel",
    "container runtime",
    "kubelet",
    "OS image",
];
/// Those before this place say where a machine stands.
const PLACES: usize = 17;
/// Of all nodes that share a trait, at least so many in a hundred are in trouble: the last ones may follow.
const MOST: usize = 75;
/// Of the nodes in no trouble, at most so many in a hundred share the trait.
const FEW: usize = 20;

/// A trait that all nodes in trouble share, and few others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::health) struct Shared {
    word: String,
    value: String,
    /// Nodes in trouble.
    lost: usize,
    /// Nodes that have the trait.
    all: usize,
}

impl Shared {
    /// Returns `all of zone b`, `all with kernel 6.12.1`, `12 of the 13 of zone b`.
    pub(in crate::health) fn words(&self) -> Said {
        let id = if place(&self.word) < PLACES { "nodes-of" } else { "nodes-with" };
        let (exact, which) = (if self.is_exact() { "yes" } else { "no" }, Said::new(id));
        let which = which.with("trait", self.word.to_string()).with("value", self.value.to_string());
        Said::new("nodes-sharing")
            .with("exact", exact)
            .with("lost", self.lost)
            .with("all", self.all)
            .with("which", which)
    }

    fn is_exact(&self) -> bool {
        self.all == self.lost
    }
}

fn place(word: &str) -> usize {
    ORDER.iter().position(|w| *w == word).unwrap_or(ORDER.len())
}

/// Returns what the nodes for which `is_lost` share and few others do, the clearest first; nothing where all nodes are
/// lost.
pub(in crate::health) fn shared<'a>(
    nodes: impl Iterator<Item = &'a NodeFact> + Clone,
    is_lost: impl Fn(&NodeFact) -> bool,
) -> Vec<Shared> {
    let mut counts: BTreeMap<(String, String), (usize, usize)> = BTreeMap::new();
    let (mut lost, mut all) = (0, 0);
    for node in nodes {
        let gone = usize::from(is_lost(node));
        (lost, all) = (lost + gone, all + 1);
        for (word, value) in traits(node) {
            let count = counts.entry((word, value)).or_default();
            *count = (count.0 + gone, count.1 + 1);
        }
    }
    let others = all - lost;
    let clear = |&(_, (gone, with)): &(_, (usize, usize))| {
        gone == lost && others > 0 && gone * 100 >= with * MOST && (with - gone) * 100 <= others * FEW
    };
    let mut found: Vec<Shared> = counts
        .into_iter()
        .filter(clear)
        .map(|((word, value), (lost, all))| Shared { word, value, lost, all })
        .collect();
    found.sort_by_key(|s| (!s.is_exact(), place(&s.word)));
    found
}

/// Its traits, and the network segment of its first address.
fn traits(node: &NodeFact) -> impl Iterator<Item = (String, String)> + use<'_> {
    let segment = node.addresses.first().and_then(|a| a.parse::<std::net::Ipv4Addr>().ok()).map(|ip| {
        let [a, b, c, _] = ip.octets();
        ("network".to_owned(), format!("{a}.{b}.{c}.0/24"))
    });
    node.traits.iter().map(|(word, value)| (word.clone(), value.clone())).chain(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes as `name:trait=value,…`; `!` marks those that are lost.
    fn check(nodes: &[&str], expected: &[&str]) {
        let read = |text: &&str| {
            let (name, traits) = text.split_once(':').unwrap();
            let traits = traits.split(',').filter_map(|t| t.split_once('=')).map(|(k, v)| (k.into(), v.into()));
            NodeFact { name: name.into(), traits: std::sync::Arc::new(traits.collect()), ..NodeFact::default() }
        };
        let facts: Vec<_> = nodes.iter().map(read).collect();
        let found = shared(facts.iter(), |n| n.name.starts_with('!'));
        assert_eq!(
            found.iter().map(|s| crate::words::Voice::default().said(&s.words())).collect::<Vec<_>>(),
            expected,
            "{nodes:?}"
        );
    }

    #[test]
    fn a_clear_split_is_found() {
        check(&["!a:zone=b", "!b:zone=b", "c:zone=a", "d:zone=c"], &["all of zone b"]);
        check(
            &["!a:zone=b,kernel=6", "!b:zone=b,kernel=6", "c:zone=a,kernel=5", "d:zone=c,kernel=5"],
            &["all of zone b", "all with kernel 6"],
        );
        check(&["!a:kernel=6,zone=a", "!b:kernel=6,zone=b", "c:kernel=5,zone=a", "d:zone=b"], &["all with kernel 6"]);
    }

    #[test]
    fn what_others_share_as_well_explains_nothing() {
        check(&["!a:zone=b", "!b:zone=b", "c:zone=b", "d:zone=b"], &[]);
        check(&["!a:zone=b", "!b:zone=a", "c:zone=a", "d:zone=b"], &[]);
        check(&["!a:zone=b", "!b:zone=b"], &[]);
        check(&["!a:", "!b:", "c:zone=a"], &[]);
    }

    #[test]
    fn the_last_ones_may_follow() {
        let zone = [
            "!a:zone=b",
            "!b:zone=b",
            "!c:zone=b",
            "d:zone=b",
            "e:zone=a",
            "f:zone=a",
            "g:zone=a",
            "h:zone=a",
            "i:zone=a",
        ];
        check(&zone, &["3 of the 4 of zone b"]);
    }

    #[test]
    fn a_network_segment_is_a_trait() {
        let node = |name: &str, address: &str| NodeFact {
            name: name.into(),
            addresses: vec![address.into()],
            ..NodeFact::default()
        };
        let nodes = [node("!a", "10.0.1.4"), node("!b", "10.0.1.5"), node("c", "10.0.2.4"), node("d", "fd00::1")];
        let found = shared(nodes.iter(), |n| n.name.starts_with('!'));
        assert_eq!(
            found.iter().map(|s| crate::words::Voice::default().said(&s.words())).collect::<Vec<_>>(),
            ["all of network 10.0.1.0/24"]
        );
    }
}
