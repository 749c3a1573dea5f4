//! Which API servers there are, when the list of endpoints shrinks. Pure.
//!
//! kube-apiserver's lease reconciler takes a dead server off the endpoints of default/kubernetes after about 15 s. To
//! believe that list would be to forget an API server because it has died.

use jiff::{SignedDuration, Timestamp};

use crate::model::{ClusterSnapshot, MissingEndpoint, NodeFact};

/// An endpoint that stays away this long has been taken down on purpose.
const MEMORY: SignedDuration = SignedDuration::from_hours(24);

/// Returns the endpoints that are missing, given what a working API server lists now; `nodes_before` are the nodes that
/// it listed with `previous`.
///
/// One is no longer missed when it is listed again, when others have taken its place (the list is as long as it has
/// been: managed clusters replace their API servers), when the node at its address is gone from the cluster, or after
/// 24 hours.
pub fn missing(
    previous: &ClusterSnapshot,
    nodes_before: &[NodeFact],
    listed: &[String],
    nodes: &[NodeFact],
    now: Timestamp,
) -> Vec<MissingEndpoint> {
    let lost = previous
        .apiserver_endpoints
        .iter()
        .filter(|a| !previous.missing_endpoints.iter().any(|m| m.address == **a))
        .map(|address| MissingEndpoint { address: address.clone(), since: now });
    let mut missing: Vec<MissingEndpoint> = previous
        .missing_endpoints
        .iter()
        .cloned()
        .chain(lost)
        .filter(|m| !listed.contains(&m.address))
        .filter(|m| now.duration_since(m.since) < MEMORY)
        .filter(|m| !node_is_gone(nodes_before, nodes, &m.address))
        .collect();
    // The newest replace the oldest.
    missing.sort_by_key(|m| m.since);
    let before = previous.apiserver_endpoints.len() + previous.missing_endpoints.len();
    let replaced = (listed.len() + missing.len()).saturating_sub(before.max(listed.len()));
    missing.drain(..replaced.min(missing.len()));
    missing
}

fn node_is_gone(before: &[NodeFact], now: &[NodeFact], address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(h, _)| h).trim_matches(['[', ']']);
    let has = |nodes: &[NodeFact]| nodes.iter().any(|n| n.addresses.iter().any(|a| a == host));
    has(before) && !has(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + minute * 60).unwrap()
    }

    fn node(name: &str, address: &str) -> NodeFact {
        NodeFact { name: name.into(), addresses: vec![address.into()], control_plane: true, ..NodeFact::default() }
    }

    /// Plays a list of `(minute, endpoints)` and gives what is missing in the end.
    fn play(story: &[(i64, &[&str])], nodes: &[&[NodeFact]]) -> Vec<String> {
        let mut snapshot = ClusterSnapshot::default();
        for (i, (minute, listed)) in story.iter().enumerate() {
            let listed: Vec<String> = listed.iter().map(|s| s.to_string()).collect();
            let now_nodes = nodes.get(i).copied().unwrap_or_default();
            snapshot.missing_endpoints = missing(&snapshot, &snapshot.nodes, &listed, now_nodes, at(*minute));
            snapshot.apiserver_endpoints = listed;
            snapshot.nodes = now_nodes.to_vec();
        }
        snapshot.missing_endpoints.into_iter().map(|m| m.address).collect()
    }

    #[test]
    fn a_dead_server_that_leaves_the_list_is_missed_until_it_is_back() {
        assert_eq!(play(&[(0, &["a:1", "b:1", "c:1"]), (1, &["a:1", "c:1"])], &[]), ["b:1"]);
        assert_eq!(play(&[(0, &["a:1", "b:1", "c:1"]), (1, &["a:1"]), (2, &["a:1"])], &[]), ["b:1", "c:1"]);
        assert!(play(&[(0, &["a:1", "b:1"]), (1, &["a:1"]), (2, &["a:1", "b:1"])], &[]).is_empty());
    }

    #[test]
    fn a_replaced_server_is_not_missed() {
        assert!(play(&[(0, &["a:1", "b:1"]), (1, &["a:1", "c:1"])], &[]).is_empty());
        assert!(play(&[(0, &["a:1", "b:1"]), (1, &["a:1"]), (2, &["a:1", "c:1"])], &[]).is_empty());
        assert!(play(&[(0, &["a:1", "b:1"]), (1, &["c:1", "d:1"])], &[]).is_empty());
    }

    #[test]
    fn a_server_whose_node_was_removed_is_not_missed() {
        let (a, b) = (node("a", "10.0.0.1"), node("b", "10.0.0.2"));
        let story: [(i64, &[&str]); 2] = [(0, &["10.0.0.1:6443", "10.0.0.2:6443"]), (1, &["10.0.0.1:6443"])];
        assert!(play(&story, &[&[a.clone(), b.clone()], std::slice::from_ref(&a)]).is_empty());
        assert_eq!(play(&story, &[&[a.clone(), b.clone()], &[a, b]]), ["10.0.0.2:6443"]);
    }

    #[test]
    fn after_a_day_it_was_meant() {
        assert!(play(&[(0, &["a:1", "b:1"]), (1, &["a:1"]), (1 + 24 * 60, &["a:1"])], &[]).is_empty());
    }
}
