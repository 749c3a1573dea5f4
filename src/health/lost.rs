//! What is lost with nodes, as the API last told of what ran there.

use std::time::Duration;

use super::{phrases, say::Sentence, time::later, view::ClusterView};
use crate::model::{Loss, Said, SaidPart, text};

/// How many workloads a headline names.
const HEADLINE_NAMES: usize = 3;
/// How many workloads or volumes a line names.
const LINE_NAMES: usize = 10;
/// What the API told longer ago is told with its time.
const FRESH_FOR: Duration = Duration::from_secs(60);

/// What ran on nodes, in words; empty where nothing is known.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct There {
    /// What is gone entirely: `all 3 replicas of api`.
    gone: Vec<SaidPart>,
    /// How it is said.
    how: &'static str,
    /// Lines.
    pub(super) consequences: Vec<String>,
}

impl There {
    /// Returns a headline to which it is added, where anything is gone entirely: `…; with it all 3 replicas of api`.
    pub(super) fn added_to(&self, headline: Sentence) -> Sentence {
        if self.gone.is_empty() {
            return headline;
        }
        let added = Said::new("with-lost").with("what", headline).with("how", self.how);
        added.list("lost", self.gone.clone(), HEADLINE_NAMES).into()
    }
}

/// Returns what is lost with these nodes; `sure`: they are known to be lost.
pub(super) fn with(view: &ClusterView<'_>, nodes: &[&str], sure: bool) -> There {
    let Some(situation) = view.situation else { return There::default() };
    let lost = situation.placement.lost(nodes.iter().copied());
    let (gone, shared): (Vec<&Loss>, Vec<&Loss>) = lost.workloads.iter().partition(|loss| loss.is_gone());
    // What ends by itself is missed later, if at all.
    let missed: Vec<&Loss> = gone.iter().copied().filter(|loss| !loss.workload.is_passing()).collect();
    let how = match (sure, nodes.len()) {
        (true, 1) => "it",
        (true, _) => "them",
        (false, _) => "perhaps",
    };
    let gone_entirely = missed.iter().map(|loss| said_replicas(loss, &name(loss, &missed)).into()).collect();
    let told = match situation.as_of {
        None => " (as last recorded, by an earlier run)".to_owned(),
        Some(at) if later(view.now, at, FRESH_FOR) => format!(" (as the API last told, at {})", text::moment(at)),
        Some(_) => String::new(),
    };
    let full = |loss: &&Loss| {
        Sentence::from(said_replicas(loss, &format!("{} {}", loss.workload.kind, loss.workload.path()))).text
    };
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
    There { gone: gone_entirely, how, consequences: consequences.collect() }
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
fn said_replicas(loss: &Loss, name: &str) -> Said {
    if &*loss.workload.kind == "Pod" {
        return Said::new("lost-pod").with("name", name.trim_start_matches("Pod "));
    }
    Said::new("lost-replicas").with("n", loss.all).with("name", name)
}
