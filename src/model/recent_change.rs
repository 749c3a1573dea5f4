//! What has changed lately in a cluster, or in dogwatch itself: what may be the cause of what comes after.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::text;

/// Says what kind of change it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A workload got other images.
    Rollout,
    /// A workload got another number of replicas.
    Scaled,
    /// A workload got another specification, or was restarted.
    Respecified,
    /// A workload was made.
    WorkloadAdded,
    /// A workload was deleted.
    WorkloadRemoved,
    /// A node joined.
    NodeAdded,
    /// A node's object was deleted.
    NodeRemoved,
    /// No new pods are placed on a node any more.
    NodeCordoned,
    /// They are again.
    NodeUncordoned,
    /// A node has another boot id.
    NodeRebooted,
    /// A node has another kernel, kubelet, container runtime or OS image.
    NodeSoftware,
    /// A component of the control plane has another image or manifest.
    ControlPlane,
    /// A certificate was issued or renewed.
    Certificate,
    /// An admission webhook was made, changed or deleted.
    Webhook,
    /// Likewise a CustomResourceDefinition.
    CustomResource,
    /// Likewise a PriorityClass.
    PriorityClass,
    /// Likewise an APIService.
    ApiService,
    /// Likewise a StorageClass.
    StorageClass,
    /// Somebody was given or denied rights: a RoleBinding or ClusterRoleBinding was made, changed or deleted.
    RbacBinding,
    /// There are many more or many fewer objects of a kind within minutes.
    ObjectCount,
    /// A warning event of a kind that was not seen before.
    FirstWarning,
    /// Somebody did something to dogwatch.
    Dogwatch,
}

impl ChangeKind {
    /// Returns whether an outage itself may bring it about: it is only a cause where it came before.
    pub fn may_be_effect(self) -> bool {
        matches!(
            self,
            ChangeKind::NodeRemoved
                | ChangeKind::NodeAdded
                | ChangeKind::NodeRebooted
                | ChangeKind::Scaled
                | ChangeKind::ObjectCount
                | ChangeKind::FirstWarning
        )
    }

    /// What several of its subjects are called.
    fn noun(self) -> &'static str {
        match self {
            ChangeKind::Rollout
            | ChangeKind::Scaled
            | ChangeKind::Respecified
            | ChangeKind::WorkloadAdded
            | ChangeKind::WorkloadRemoved => "workloads",
            ChangeKind::NodeAdded
            | ChangeKind::NodeRemoved
            | ChangeKind::NodeCordoned
            | ChangeKind::NodeUncordoned
            | ChangeKind::NodeRebooted
            | ChangeKind::NodeSoftware => "nodes",
            ChangeKind::ControlPlane => "components",
            _ => "objects",
        }
    }

    /// Returns a change in words: `rollout of shop/api: image r/api:2 → r/api:3`, `12 nodes cordoned: w1, w2, w3 and 9
    /// more`. `subjects` has at least one.
    pub fn words(self, subjects: &[&str], detail: &str) -> String {
        /// How many subjects are named.
        const NAMED: usize = 3;
        let (who, names) = match subjects {
            [one] => ((*one).to_owned(), String::new()),
            many => {
                let more = many.len().saturating_sub(NAMED);
                let named = many.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                (text::plural(many.len(), self.noun(), self.noun()), format!(" ({named}{more})"))
            }
        };
        let node = if subjects.len() == 1 { "node " } else { "" };
        let done = |what: &str| format!("{who} {what}{names}");
        match self {
            ChangeKind::Rollout => format!("rollout of {who}{names}: {detail}"),
            ChangeKind::Scaled => format!("{who}{names} scaled: {detail}"),
            ChangeKind::Respecified => done("given another specification, or restarted"),
            ChangeKind::WorkloadAdded => done("created"),
            ChangeKind::WorkloadRemoved => done("deleted"),
            ChangeKind::NodeAdded => format!("{node}{}", done("added")),
            ChangeKind::NodeRemoved => format!("{node}{}", done("removed")),
            ChangeKind::NodeCordoned => format!("{node}{}", done("cordoned")),
            ChangeKind::NodeUncordoned => format!("{node}{}", done("uncordoned")),
            ChangeKind::NodeRebooted => format!("{node}{}", done("rebooted")),
            ChangeKind::NodeSoftware => format!("{detail} on {node}{who}{names}"),
            ChangeKind::ControlPlane => format!("{who}{names}: {detail}"),
            ChangeKind::Certificate => format!("certificate for {who}{names} issued: {detail}"),
            ChangeKind::FirstWarning => format!("first warning {detail}"),
            ChangeKind::ObjectCount | ChangeKind::Dogwatch => detail.to_owned(),
            ChangeKind::Webhook
            | ChangeKind::CustomResource
            | ChangeKind::PriorityClass
            | ChangeKind::ApiService
            | ChangeKind::StorageClass
            | ChangeKind::RbacBinding => done(detail),
        }
    }
}

/// Says what a change may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeScope {
    /// All of the cluster.
    Cluster,
    /// One node.
    Node(Arc<str>),
    /// What is in a namespace.
    Namespace(Arc<str>),
    /// A workload: namespace and name.
    Workload(Arc<str>, Arc<str>),
    /// dogwatch itself: what it tells, not what it watches.
    Dogwatch,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentChange {
    /// When it was seen, by our own clock.
    pub at: Timestamp,
    /// Where nobody looked for a while: since when it may have happened.
    pub since: Option<Timestamp>,
    /// What kind.
    pub kind: ChangeKind,
    /// Of what: `shop/api`, `w5`.
    pub subject: String,
    /// What exactly: `image r/api:2 → r/api:3`.
    pub detail: String,
    /// What it may reach.
    pub scope: ChangeScope,
}

/// A change as an incident lists it; changes that are alike are one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentChange {
    /// When it was seen; of several, when the last one was.
    pub at: Timestamp,
    /// Where nobody looked for a while: since when it may have happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What kind.
    pub kind: ChangeKind,
    /// In words, without the time.
    pub what: String,
}

impl IncidentChange {
    /// The most changes that an incident lists.
    pub const MAX: usize = 20;

    /// Returns it as a line: what, and how long before the incident began.
    pub fn line(&self, began: Timestamp) -> String {
        let what = &self.what;
        let clock = |at: Timestamp| at.strftime("%H:%M:%S UTC").to_string();
        if let Some(since) = self.since {
            let (since, at) = (text::moment(since), text::moment(self.at));
            return format!("{what} (between {since} and {at}, while dogwatch did not look)");
        }
        let apart = text::between(self.at.min(began), self.at.max(began));
        match self.at <= began {
            true => format!("{what} ({apart} before, at {})", clock(self.at)),
            false => format!("{what} (seen {apart} after, at {})", clock(self.at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_in_words() {
        let image = "image r/api:2 → r/api:3";
        let check = |kind: ChangeKind, subjects: &[&str], detail: &str, words: &str| {
            assert_eq!(kind.words(subjects, detail), words);
        };
        check(ChangeKind::Rollout, &["shop/api"], image, "rollout of shop/api: image r/api:2 → r/api:3");
        check(ChangeKind::NodeCordoned, &["w1"], "", "node w1 cordoned");
        check(ChangeKind::NodeCordoned, &["w1", "w2", "w3", "w4"], "", "4 nodes cordoned (w1, w2, w3 and 1 more)");
        check(ChangeKind::NodeSoftware, &["w1"], "kernel 6.1 → 6.12", "kernel 6.1 → 6.12 on node w1");
        check(ChangeKind::NodeSoftware, &["w1", "w2"], "kernel 6.1 → 6.12", "kernel 6.1 → 6.12 on 2 nodes (w1, w2)");
        check(ChangeKind::StorageClass, &["StorageClass fast"], "deleted", "StorageClass fast deleted");
    }

    #[test]
    fn a_line_says_how_long_before() {
        let at = |seconds| Timestamp::from_second(1_795_413_600 + seconds).unwrap();
        let change = |seconds, since: Option<i64>| IncidentChange {
            at: at(seconds),
            since: since.map(at),
            kind: ChangeKind::NodeRebooted,
            what: "node w1 rebooted".into(),
        };
        assert_eq!(change(-90, None).line(at(0)), "node w1 rebooted (1 min 30 s before, at 05:58:30 UTC)");
        assert_eq!(change(20, None).line(at(0)), "node w1 rebooted (seen 20 s after, at 06:00:20 UTC)");
        let told = "node w1 rebooted (between 2026-11-23 05:00:00 UTC and 2026-11-23 05:58:30 UTC, while dogwatch did not look)";
        assert_eq!(change(-90, Some(-3_600)).line(at(0)), told);
    }
}
