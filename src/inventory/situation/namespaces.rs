//! Namespaces that are being deleted.

use std::collections::BTreeMap;

use super::{Moment, News};
use crate::model::{Situation, TerminatingNamespace};

/// So many are told of.
const TOLD_MAX: usize = 50;
/// What the namespace controller reports where it can't go on (core/v1, NamespaceConditionType).
const REPORTS: [&str; 5] = [
    "NamespaceDeletionDiscoveryFailure",
    "NamespaceDeletionGroupVersionParsingFailure",
    "NamespaceDeletionContentFailure",
    "NamespaceContentRemaining",
    "NamespaceFinalizersRemaining",
];

/// Those that are being deleted.
#[derive(Debug, Default)]
pub(super) struct Namespaces(BTreeMap<String, TerminatingNamespace>);

impl Namespaces {
    pub(super) fn take(&mut self, news: &News<'_>) {
        if !news.is("namespaces") {
            return;
        }
        let (object, name) = (news.object, news.object.name.clone());
        let since = object.time(&["metadata", "deletionTimestamp"]).filter(|_| !news.is_gone);
        let Some(since) = since else {
            self.0.remove(&name);
            return;
        };
        let condition = |name: &str| object.at(&["status", "conditions", name]);
        let holds = REPORTS.into_iter().filter(|name| condition(name)["status"] == "True");
        let why = holds.clone().filter_map(|name| condition(name)["message"].as_str()).filter(|m| !m.is_empty());
        let why: Vec<String> = why.map(str::to_owned).collect();
        let lacks_api = condition("NamespaceDeletionDiscoveryFailure")["status"] == "True";
        self.0.insert(name.clone(), TerminatingNamespace { name, since, why, lacks_api });
    }

    pub(super) fn fill(&self, moment: &Moment<'_>, into: &mut Situation) {
        if moment.knows(&["namespaces"]) {
            into.terminating = self.0.values().take(TOLD_MAX).cloned().collect();
        }
    }
}
