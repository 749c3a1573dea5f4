//! How many nodes there were lately, and how many went as they should. Pure.

use jiff::{SignedDuration, Timestamp};

use crate::model::{NodeCount, NodeFact, Passage};

/// Counts are kept for so long, and the one before, from which they begin.
const KEPT_FOR: SignedDuration = SignedDuration::from_mins(15);
/// Where no worker is left, it is remembered for so long that there were some; then it was meant.
const NONE_LEFT_FOR: SignedDuration = SignedDuration::from_hours(24);
/// The most counts kept; a count that is the same as the last one is none.
const MAX: usize = 64;

/// Returns the counts after one more reading: `before` are the nodes of the last one, `nodes` those of now.
pub(super) fn counted(
    mut counts: Vec<NodeCount>,
    before: &[NodeFact],
    nodes: &[NodeFact],
    now: Timestamp,
) -> Vec<NodeCount> {
    let is_worker = |n: &&NodeFact| !n.control_plane;
    let workers = nodes.iter().filter(is_worker).count();
    // Both are sorted by name.
    let is_gone = |n: &&NodeFact| nodes.binary_search_by(|other| other.name.cmp(&n.name)).is_err();
    let went = before.iter().filter(is_worker).filter(is_gone);
    let seen_off = went.filter(|n| n.passage() == Some(Passage::Going)).count();
    if seen_off > 0 || counts.last().is_none_or(|c| c.workers != workers) {
        counts.push(NodeCount { at: now, workers, seen_off });
    }
    let kept_for = if workers == 0 { NONE_LEFT_FOR } else { KEPT_FOR };
    let is_old = |c: &NodeCount| now.duration_since(c.at) > kept_for;
    // What was there when the time began is the last one before it.
    let old = counts.iter().take_while(|c| is_old(c)).count().saturating_sub(1);
    counts.drain(..old.max(counts.len().saturating_sub(MAX)));
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays readings `(minute, nodes)`, `-name` for one that is cordoned; gives `workers(seen off)` of what is kept.
    fn check(readings: &[(i64, &str)], expected: &str) {
        let (mut counts, mut before) = (Vec::new(), Vec::new());
        for (minute, names) in readings {
            let node = |text: &str| {
                let name = text.trim_start_matches('-');
                let unschedulable = text.starts_with('-');
                NodeFact { name: name.into(), unschedulable, control_plane: name == "cp", ..NodeFact::default() }
            };
            let mut nodes: Vec<_> = names.split_whitespace().map(node).collect();
            nodes.sort_by(|a, b| a.name.cmp(&b.name));
            let now = Timestamp::from_second(1_700_000_000 + minute * 60).unwrap();
            counts = counted(counts, &before, &nodes, now);
            before = nodes;
        }
        let told: Vec<_> = counts.iter().map(|c| format!("{}({})", c.workers, c.seen_off)).collect();
        assert_eq!(told.join(" "), expected, "{readings:?}");
    }

    #[test]
    fn counts_are_those_of_the_last_minutes() {
        check(&[(0, "cp a b"), (1, "cp a b"), (2, "cp a b c")], "2(0) 3(0)");
        check(&[(0, "cp a b c"), (1, "cp a -b c"), (2, "cp a")], "3(0) 1(1)");
        check(&[(0, "a"), (1, "a b"), (2, "a b c"), (18, "a b c")], "3(0)");
        check(&[(0, "a"), (1, "a b"), (14, "a b"), (15, "a")], "1(0) 2(0) 1(0)");
    }

    #[test]
    fn that_there_were_any_is_remembered_for_a_day() {
        check(&[(0, "cp a b"), (60, "cp"), (600, "cp")], "2(0) 0(0)");
        check(&[(0, "cp a b"), (60, "cp"), (60 + 1441, "cp")], "0(0)");
    }
}
