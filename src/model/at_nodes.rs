//! One check made at every node.

use super::{AtNodes, ClusterSnapshot, IngressPort, NodeFact, Target, TargetKey};

/// Returns the targets of a check: itself, or, where it is made at nodes, one for each of them that has an address.
pub fn at_nodes(check: &Target, snapshot: &ClusterSnapshot) -> Vec<Target> {
    let Some(at) = check.spec.check().and_then(|traits| traits.nodes.as_ref()) else { return vec![check.clone()] };
    let one = |node: &NodeFact, port: u16| {
        let address = node.addresses.first()?;
        let instance = if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") };
        let key = TargetKey { instance: instance.into(), ..check.key.clone() };
        Some(Target { key, node: Some(node.name.clone()), ..check.clone() })
    };
    let nodes = &snapshot.nodes;
    match at {
        AtNodes::Port(port) => nodes.iter().filter_map(|node| one(node, *port)).collect(),
        AtNodes::Ingress { tls, service } => {
            let is_asked = |p: &&IngressPort| p.tls == *tls && service.as_ref().is_none_or(|s| *s == p.service);
            let ports = snapshot.ingress_ports.iter().filter(is_asked);
            ports
                .flat_map(|p| {
                    nodes.iter().filter(|node| p.is_served_by(node)).filter_map(move |node| one(node, p.node_port))
                })
                .collect()
        }
    }
}
