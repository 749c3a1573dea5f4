//! What is lost with nodes, as the API last told of what ran there.

use std::time::Duration;

use super::{phrases, time::later, view::ClusterView};
use crate::model::{Loss, text};

/// How many workloads a headline names.
const HEADLINE_NAMES: usize = 3;
/// How many workloads or volumes a line names.
const LINE_NAMES: usize = 10;
/// What the API told longer ago is told with its time.
const FRESH_FOR: Duration = Duration::from_secs(60);

/// What ran on nodes, in words; empty where nothing is known.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct There {
    /// `; with it all 3 replicas of api`: to be added to a headline. Empty where nothing is gone entirely.
    pub(super) headline: String,
    /// Lines.
    pub(super) consequences: Vec<String>,
}

/// Returns what is lost with these nodes; `sure`: they are known to be lost.
pub(super) fn with(view: &ClusterView<'_>, nodes: &[&str], sure: bool) -> There {
    let Some(situation) = view.situation else { return There::default() };
    let lost = situation.placement.lost(nodes.iter().copied());
    let (gone, shared): (Vec<&Loss>, Vec<&Loss>) = lost.workloads.iter().partition(|loss| loss.is_gone());
    // What ends by itself is missed later, if at all.
    let missed: Vec<&Loss> = gone.iter().copied().filter(|loss| !loss.workload.is_passing()).collect();
    let names: Vec<String> = missed.iter().map(|loss| replicas(loss, &name(loss, &missed))).collect();
    let how = match (sure, nodes.len()) {
        (true, 1) => "with it",
        (true, _) => "with them",
        (false, _) => "there ran",
    };
    let headline = match names.is_empty() {
        true => String::new(),
        false => format!("; {how} {}", phrases::list(&names, HEADLINE_NAMES)),
    };
    let told = match situation.as_of {
        None => " (as last recorded, by an earlier run)".to_owned(),
        Some(at) if later(view.now, at, FRESH_FOR) => format!(" (as the API last told, at {})", text::moment(at)),
        Some(_) => String::new(),
    };
    let full = |loss: &&Loss| replicas(loss, &format!("{} {}", loss.workload.kind, loss.workload.path()));
    let share = |loss: &&Loss| format!("{} of {} of {}", loss.lost, loss.all, loss.workload.path());
    let parts = lost.workloads.iter().filter_map(|loss| Some((loss.workload.part?, loss)));
    let parts: Vec<String> = parts
        .map(|(part, loss)| format!("{part} ({} of {} of {})", loss.lost, loss.all, loss.workload.path()))
        .collect();
    let shared: Vec<&Loss> = shared.into_iter().filter(|loss| !loss.workload.is_of_nodes()).collect();
    let lines = [
        ("only there ran", gone.iter().map(full).collect()),
        ("a part of these ran there", shared.iter().map(share).collect()),
        ("of the way of an alarm ran there", parts),
        ("volumes that were in use there", lost.volumes),
    ];
    let lines = lines.into_iter().filter(|(_, items): &(_, Vec<String>)| !items.is_empty());
    let consequences = lines.map(|(what, items)| format!("{what}: {}{told}", phrases::list(&items, LINE_NAMES)));
    There { headline, consequences: consequences.collect() }
}

/// `api`, or `shop/api` where another one that is named is called alike.
fn name(loss: &Loss, among: &[&Loss]) -> String {
    let is_alone = among.iter().filter(|other| other.workload.name == loss.workload.name).count() == 1;
    let name = if is_alone { loss.workload.name.to_string() } else { loss.workload.path() };
    match loss.workload.part {
        Some(part) => format!("{name} ({part})"),
        None => name,
    }
}

/// `all 3 replicas of api`, `the only replica of api`, `pod job-x`.
fn replicas(loss: &Loss, name: &str) -> String {
    match loss.all {
        _ if &*loss.workload.kind == "Pod" => format!("pod {}", name.trim_start_matches("Pod ")),
        1 => format!("the only replica of {name}"),
        n => format!("all {n} replicas of {name}"),
    }
}
