//! One check made at every node.

use super::{ClusterSnapshot, NodeFact, Target, TargetKey};

/// Returns the targets of a check: itself, or, where it is made at nodes, one for each of them that has an address.
pub fn at_nodes(check: &Target, snapshot: &ClusterSnapshot) -> Vec<Target> {
    let Some(port) = check.spec.check().and_then(|traits| traits.nodes_port) else { return vec![check.clone()] };
    let one = |node: &NodeFact| {
        let address = node.addresses.first()?;
        let instance = if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") };
        let key = TargetKey { instance: instance.into(), ..check.key.clone() };
        Some(Target { key, node: Some(node.name.clone()), ..check.clone() })
    };
    snapshot.nodes.iter().filter_map(one).collect()
}
