//! What runs on which node, as far as it tells what is lost with one.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

/// Says which part of the way of an alarm, or of the way back, a workload is. What matters most comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AlarmPart {
    /// Tells people.
    Alertmanager,
    /// Notices.
    Prometheus,
    /// What comes from outside.
    Ingress,
    /// Names within the cluster.
    Dns,
    /// Where images come from.
    Registry,
}

impl fmt::Display for AlarmPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            AlarmPart::Alertmanager => "Alertmanager",
            AlarmPart::Prometheus => "Prometheus",
            AlarmPart::Ingress => "ingress",
            AlarmPart::Dns => "cluster DNS",
            AlarmPart::Registry => "registry",
        })
    }
}

/// What pods belong to: their Deployment, StatefulSet, DaemonSet, … or themselves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Workload {
    /// `Deployment`.
    pub kind: Arc<str>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// What of the way of an alarm it is, by well-known labels of its pods.
    pub part: Option<AlarmPart>,
}

impl Workload {
    /// Returns whether it has a pod on every node, so that none of them is missed elsewhere.
    pub fn is_of_nodes(&self) -> bool {
        &*self.kind == "DaemonSet"
    }

    /// Returns whether it ends by itself.
    pub fn is_passing(&self) -> bool {
        &*self.kind == "Job"
    }

    /// Returns `shop/api`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// Pods of one workload on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Whose.
    pub workload: Arc<Workload>,
    /// Its place in [`Placement::ready`].
    pub number: usize,
    /// Pods that are ready here, or were when the node was lost.
    pub here: u32,
    /// How many were ready in all when the node was lost; `None`: the node is not known to be lost.
    pub then: Option<u32>,
}

/// What is on one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeLoad {
    /// By workload.
    pub shares: Vec<Share>,
    /// Volumes that are attached or claimed there, in words, sorted.
    pub volumes: Vec<String>,
}

/// What runs where. Parts are shared with the one before it, so that it is made anew every second at little cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// By node.
    pub nodes: BTreeMap<Arc<str>, Arc<NodeLoad>>,
    /// How many pods of each workload are ready now, by its number.
    pub ready: Vec<u32>,
}

/// A workload that lost pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Which.
    pub workload: Arc<Workload>,
    /// Ready pods that are lost.
    pub lost: u32,
    /// Ready pods that it had.
    pub all: u32,
}

impl Loss {
    /// Returns whether nothing is left of it. What is on every node by its nature never is gone.
    pub fn is_gone(&self) -> bool {
        self.lost >= self.all && !self.workload.is_of_nodes()
    }
}

/// What is lost with some nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Workloads: the way of the alarm first, then those that had most.
    pub workloads: Vec<Loss>,
    /// Volumes that were attached or claimed there, in words, sorted.
    pub volumes: Vec<String>,
}

impl Placement {
    /// Returns what is lost with these nodes.
    pub fn lost<'a>(&self, nodes: impl IntoIterator<Item = &'a str>) -> Lost {
        let mut losses: HashMap<&Workload, Loss> = HashMap::new();
        let mut volumes = BTreeSet::new();
        for load in nodes.into_iter().filter_map(|name| self.nodes.get(name)) {
            volumes.extend(load.volumes.iter().cloned());
            for share in &load.shares {
                let all = share.then.unwrap_or_else(|| self.ready.get(share.number).copied().unwrap_or(share.here));
                let none = Loss { workload: share.workload.clone(), lost: 0, all: 0 };
                let loss = losses.entry(&*share.workload).or_insert(none);
                // Nodes that are lost one after the other: what was there before the first of them counts.
                (loss.lost, loss.all) = (loss.lost + share.here, loss.all.max(all));
            }
        }
        let mut workloads: Vec<Loss> = losses.into_values().filter(|loss| loss.lost > 0).collect();
        workloads.iter_mut().for_each(|loss| loss.all = loss.all.max(loss.lost));
        let rank = |part: Option<AlarmPart>| (part.is_none(), part);
        workloads.sort_by(|a, b| {
            let of = |l: &Loss| (rank(l.workload.part), std::cmp::Reverse(l.lost));
            of(a).cmp(&of(b)).then_with(|| a.workload.path().cmp(&b.workload.path()))
        });
        Lost { workloads, volumes: volumes.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(kind: &str, name: &str, part: Option<AlarmPart>) -> Arc<Workload> {
        Arc::new(Workload { kind: kind.into(), namespace: "shop".into(), name: name.into(), part })
    }

    fn share(workload: &Arc<Workload>, number: usize, here: u32, then: Option<u32>) -> Share {
        Share { workload: workload.clone(), number, here, then }
    }

    #[test]
    fn what_is_lost_with_one_node_and_with_two() {
        let (api, auth) = (workload("Deployment", "api", None), workload("StatefulSet", "auth", None));
        let (agent, dns) = (workload("DaemonSet", "agent", None), workload("Deployment", "dns", Some(AlarmPart::Dns)));
        let load = |shares: &[Share], volume: &str| {
            Arc::new(NodeLoad { shares: shares.to_vec(), volumes: vec![volume.to_owned()] })
        };
        let placement = Placement {
            nodes: [
                (
                    "w1".into(),
                    load(&[share(&api, 0, 3, None), share(&auth, 1, 1, None), share(&agent, 2, 1, None)], "a"),
                ),
                (
                    "w2".into(),
                    load(&[share(&auth, 1, 1, None), share(&dns, 3, 1, None), share(&agent, 2, 1, None)], "b"),
                ),
            ]
            .into(),
            ready: vec![3, 2, 2, 2],
        };
        let told = |nodes: &[&str]| -> Vec<(String, u32, u32, bool)> {
            let lost = placement.lost(nodes.iter().copied());
            let line = |l: &Loss| (l.workload.name.to_string(), l.lost, l.all, l.is_gone());
            lost.workloads.iter().map(line).collect()
        };
        let line = |name: &str, lost, all, gone| (name.to_owned(), lost, all, gone);
        assert_eq!(told(&["w1"]), [line("api", 3, 3, true), line("agent", 1, 2, false), line("auth", 1, 2, false)]);
        let both =
            [line("dns", 1, 2, false), line("api", 3, 3, true), line("agent", 2, 2, false), line("auth", 2, 2, true)];
        assert_eq!(told(&["w1", "w2"]), both);
        assert_eq!(placement.lost(["w1", "w2"]).volumes, ["a", "b"]);
        assert!(told(&["w3"]).is_empty());
    }

    #[test]
    fn of_nodes_lost_one_after_the_other_what_was_before_the_first_counts() {
        let api = workload("Deployment", "api", None);
        let load = |here, then| Arc::new(NodeLoad { shares: vec![share(&api, 0, here, then)], volumes: Vec::new() });
        let nodes = [("w1".into(), load(1, Some(3))), ("w2".into(), load(1, Some(2)))].into();
        let lost = Placement { nodes, ready: vec![1] }.lost(["w1", "w2"]);
        assert_eq!((lost.workloads[0].lost, lost.workloads[0].all), (2, 3));
    }
}
