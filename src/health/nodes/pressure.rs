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
}

/// Returns a headline about a node in trouble, with what it is starved of: `…; it is starved of memory (MemoryPressure)`.
pub(super) fn added_to(headline: Said, fact: Option<&NodeFact>) -> Said {
    let pressed = Pressure::ALL.into_iter().find(|pressure| fact.is_some_and(|fact| pressure.of(fact).is_some()));
    match pressed {
        Some(pressure) => Said::new("node-starved").with("what", headline).with("pressure", pressure.condition()),
        None => headline,
    }
}
