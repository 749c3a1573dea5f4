//! Which API server endpoints are known, when the service `default/kubernetes` lists fewer than before. Pure.
//!
//! API servers strike a dead one of their number from the service within about 15 seconds. Forgetting it then would end
//! the alert while the server is still dead. So an endpoint that vanished stays known until another has taken its
//! place, its node is gone, or a day has passed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::targets::host_of;
use crate::model::NodeFact;

/// How long a vanished endpoint that nothing replaced is still watched: a control plane made smaller on purpose.
const MISSING_KEPT: SignedDuration = SignedDuration::from_hours(24);
/// The most endpoints known of one cluster; more than any control plane has.
const ENDPOINTS_MAX: usize = 64;

/// The endpoints to know from now on, sorted, and those of them that are missing from the list, since when.
pub(super) fn merge(
    known: &[String],
    missing: &BTreeMap<String, Timestamp>,
    listed: BTreeSet<String>,
    nodes_before: &[NodeFact],
    nodes_now: &[NodeFact],
    now: Timestamp,
) -> (Vec<String>, BTreeMap<String, Timestamp>) {
    let on = |nodes: &[NodeFact], place: &str| nodes.iter().any(|n| n.addresses.iter().any(|a| a == host_of(place)));
    let mut vanished: Vec<(Timestamp, &String)> = known
        .iter()
        .filter(|place| !listed.contains(*place))
        .map(|place| (missing.get(place).copied().unwrap_or(now), place))
        .filter(|(since, _)| now.duration_since(*since) < MISSING_KEPT)
        .filter(|(_, place)| !(on(nodes_before, place) && !on(nodes_now, place)))
        .collect();
    // Replacements take the place of those that have been away longest.
    vanished.sort();
    let wanted = known.len().saturating_sub(listed.len()).min(vanished.len());
    let kept: BTreeMap<String, Timestamp> =
        vanished.split_off(vanished.len() - wanted).into_iter().map(|(since, place)| (place.clone(), since)).collect();
    let all: BTreeSet<String> = listed.into_iter().chain(kept.keys().cloned()).take(ENDPOINTS_MAX).collect();
    (all.into_iter().collect(), kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(known: &[&str], listed: &[&str], minutes_missing: &[(&str, i64)], expected: &[&str]) {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let strings = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let missing = minutes_missing
            .iter()
            .map(|(place, minutes)| ((*place).to_owned(), now - SignedDuration::from_mins(*minutes)))
            .collect();
        let listed: BTreeSet<String> = strings(listed).into_iter().collect();
        let (all, away) = merge(&strings(known), &missing, listed.clone(), &[], &[], now);
        assert_eq!(all, strings(expected), "known {known:?}, listed {listed:?}");
        assert!(away.keys().all(|place| !listed.contains(place)));
    }

    #[test]
    fn a_dead_api_server_stays_known_until_it_is_replaced() {
        check(&[], &["a:1", "b:1"], &[], &["a:1", "b:1"]);
        check(&["a:1", "b:1", "c:1"], &["a:1", "b:1"], &[], &["a:1", "b:1", "c:1"]);
        check(&["a:1", "b:1", "c:1"], &["a:1", "b:1"], &[("c:1", 60)], &["a:1", "b:1", "c:1"]);
        check(&["a:1", "b:1", "c:1"], &["a:1", "b:1", "d:1"], &[("c:1", 1)], &["a:1", "b:1", "d:1"]);
        check(&["a:1", "b:1"], &["c:1", "d:1"], &[], &["c:1", "d:1"]);
        check(&["a:1", "b:1"], &["c:1"], &[("a:1", 5)], &["b:1", "c:1"]);
        check(&["a:1", "b:1"], &["a:1"], &[("b:1", 24 * 60)], &["a:1"]);
        check(&["a:1", "b:1"], &[], &[], &["a:1", "b:1"]);
    }
}
