//! What a node's Ready condition names as the reason, when it is not Ready.
//!
//! The kubelet joins what is wrong with it into the message (`ReadyCondition` in k8s.io/kubernetes/pkg/kubelet/nodestatus,
//! `runtimeState` in pkg/kubelet): its container runtime, the pod network, storage, its own shutdown.

use std::time::Duration;

use crate::model::{NodeCondition, NodeFact};

/// The kubelet calls its container runtime down when it has not answered for so long (`maxWaitForContainerRuntime`).
const RUNTIME_SILENT_FOR: Duration = Duration::from_secs(30);
/// … and its pod lifecycle event generator unhealthy when that has listed nothing for so long (`relistThreshold`).
const PLEG_SILENT_FOR: Duration = Duration::from_secs(180);
/// The longest quotation of a message in a headline.
const QUOTED_MAX: usize = 80;

/// Says what the condition names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// The container runtime does not answer, or says that it is not ready.
    Runtime,
    /// The container runtime answers, and lists no pods: it hangs or is overloaded.
    SlowRuntime,
    /// The pod network is not set up: no CNI plugin, or one that fails.
    Network,
    /// The kubelet has only just started.
    Start,
    /// The node is being shut down, and the kubelet with it.
    Shutdown,
    /// Something else, or nothing.
    Other,
}

/// Returns the Ready condition of a node.
pub(super) fn ready(fact: &NodeFact) -> Option<&NodeCondition> {
    fact.conditions.iter().find(|c| c.kind == "Ready")
}

/// Returns what a condition names. Where it names several, the one from which the others follow.
pub(super) fn names(condition: &NodeCondition) -> Names {
    const WORDS: [(&[&str], Names); 5] = [
        (&["node is shutting down"], Names::Shutdown),
        (&["container runtime status check may not have completed"], Names::Start),
        (&["container runtime is down", "container runtime not ready", "RuntimeReady=false"], Names::Runtime),
        (&["PLEG is not healthy"], Names::SlowRuntime),
        (&["NetworkReady=false", "network plugin", "network not ready", "cni"], Names::Network),
    ];
    // An unknown status is the node controller's: its message tells of nothing on the node.
    let said = if condition.status == "False" { condition.message.as_str() } else { "" };
    let known = WORDS.iter().find(|(words, _)| words.iter().any(|w| said.contains(w)));
    known.map_or(Names::Other, |(_, names)| *names)
}

impl Names {
    /// Returns how long it had been so when the kubelet said it.
    pub(super) fn before(self) -> Duration {
        match self {
            Names::Runtime => RUNTIME_SILENT_FOR,
            Names::SlowRuntime => PLEG_SILENT_FOR,
            _ => Duration::ZERO,
        }
    }
}

/// Returns the reason of a condition and what it says, short enough for a headline: `KubeletNotReady: failed to
/// initialize …`.
pub(super) fn quoted(condition: &NodeCondition) -> String {
    let message = condition.message.trim();
    match (condition.reason.as_str(), message) {
        ("", "") => "no reason given".to_owned(),
        (reason, "") => reason.to_owned(),
        ("", message) => cut(message),
        (reason, message) => format!("{reason}: {}", cut(message)),
    }
}

/// Returns what a network plugin says of itself, out of `NetworkReady=false reason:NetworkPluginNotReady message:…`.
pub(super) fn network(condition: &NodeCondition) -> String {
    let said = condition.message.rsplit_once("message:").map_or(condition.message.as_str(), |(_, said)| said);
    cut(said.trim_start_matches("Network plugin returns error: ").trim_matches([' ', '[', ']']))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(QUOTED_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_the_cause() {
        let check = |status: &str, message: &str, expected| {
            let condition =
                NodeCondition { status: status.into(), message: message.into(), ..NodeCondition::default() };
            assert_eq!(names(&condition), expected, "{message}");
        };
        check("False", "container runtime is down", Names::Runtime);
        check(
            "False",
            "[container runtime is down, PLEG is not healthy: pleg was last seen active 3m1s ago; threshold is 3m0s]",
            Names::Runtime,
        );
        check("False", "container runtime not ready: RuntimeReady=false reason:x message:y", Names::Runtime);
        check(
            "False",
            "PLEG is not healthy: pleg was last seen active 3m5s ago; threshold is 3m0s",
            Names::SlowRuntime,
        );
        let cni = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized";
        check("False", cni, Names::Network);
        check(
            "False",
            "[container runtime status check may not have completed yet, CSINode is not yet initialized]",
            Names::Start,
        );
        check("False", "node is shutting down", Names::Shutdown);
        check("False", "missing node capacity for resources: ephemeral-storage", Names::Other);
        check("Unknown", "Kubelet stopped posting node status: container runtime is down", Names::Other);
        check("False", "", Names::Other);
    }

    #[test]
    fn a_plugins_own_words_are_found() {
        let check = |message: &str, expected: &str| {
            assert_eq!(network(&NodeCondition { message: message.into(), ..NodeCondition::default() }), expected);
        };
        let cni = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized";
        check(cni, "cni plugin not initialized");
        check(
            "container runtime network not ready: NetworkReady=false reason:X message:docker: network plugin is not ready: cni config uninitialized",
            "docker: network plugin is not ready: cni config uninitialized",
        );
        check("cni gone", "cni gone");
    }
}
