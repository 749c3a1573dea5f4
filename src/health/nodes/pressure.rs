//! What a node has too little of, by its kubelet's word (kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction).

use crate::model::{NodeCondition, NodeFact, Said};

/// What there is too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::health) enum Pressure {
    Memory,
    Disk,
    Pid,
}

impl Pressure {
    pub(in crate::health) const ALL: [Self; 3] = [Self::Memory, Self::Disk, Self::Pid];

    /// Its condition, where the node has it.
    pub(in crate::health) fn of(self, fact: &NodeFact) -> Option<&NodeCondition> {
        fact.conditions.iter().find(|c| c.kind == self.condition() && c.status == "True")
    }

    pub(in crate::health) fn condition(self) -> &'static str {
        match self {
            Self::Memory => "MemoryPressure",
            Self::Disk => "DiskPressure",
            Self::Pid => "PIDPressure",
        }
    }

    pub(in crate::health) fn first_step(self, node: &str) -> String {
        match self {
            Self::Memory => format!(
                "`kubectl top pods -A --sort-by memory` and `kubectl describe node {node}`; ssh {node}: `ps aux --sort -rss | \
                 head`, `dmesg -T | grep -i oom`: which has no limit?"
            ),
            Self::Disk => format!(
                "ssh {node}: `df -h /var/lib/kubelet /var/lib/containerd`, `du -xhd1 /var/lib | sort -h`, `crictl rmi --prune`; \
                 then who writes so much"
            ),
            Self::Pid => format!(
                "ssh {node}: `ps -eLf | awk '{{print $2}}' | sort | uniq -c | sort -n | tail`: which has most threads?"
            ),
        }
    }
}

/// Returns a headline about a node in trouble, with what it is starved of: `…; it is starved of memory (MemoryPressure)`.
pub(super) fn added_to(headline: Said, fact: Option<&NodeFact>) -> Said {
    let pressed = Pressure::ALL.into_iter().find(|pressure| fact.is_some_and(|fact| pressure.of(fact).is_some()));
    match pressed {
        Some(pressure) => Said::new("node-starved").with("what", headline).with("pressure", pressure.condition()),
        None => headline,
    }
}
