//! The last changes of a cluster that may be a cause of something: what differs between an object and what it was before, how
//! many objects there are, warnings that were never seen, and what components of the control plane run.
//!
//! Bounded: by kind of change, so that a thousand workloads that are scaled drive no node's reboot out; and by time.

mod counts;
mod differences;
mod warnings;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use self::{counts::Counts, warnings::Warnings};
use super::{News, Source};
use crate::{
    inventory::object::Object,
    model::{ChangeKind, ChangeScope, RecentChange, text},
};

/// An incident lists what changed in the 30 minutes before it; it may be found, and its beginning dated back, later.
const KEPT_FOR: Duration = Duration::from_secs(3_600);
/// Changes of one kind: more than 100 alike are told by their number anyway.
const OF_KIND_MAX: usize = 128;
/// Components of the control plane whose images are known: three hosts have some 12.
const COMPONENTS_MAX: usize = 500;
/// Bytes of a subject or detail.
const TEXT_MAX: usize = 300;
/// Pods that kubeadm and its likes make of manifests on the hosts of the control plane.
const COMPONENTS: [&str; 4] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"];

/// What was changed, without its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct What {
    pub(super) kind: ChangeKind,
    pub(super) subject: String,
    pub(super) detail: String,
    pub(super) scope: ChangeScope,
}

/// The last changes, and what is needed to see the next ones.
#[derive(Debug, Default)]
pub(super) struct Changes {
    by_kind: BTreeMap<ChangeKind, VecDeque<Arc<RecentChange>>>,
    /// Kinds of objects that are compared with what an earlier run wrote, and when that saw them last.
    unwatched: HashMap<&'static str, Timestamp>,
    /// Uid and images of what a manifest on a host of the control plane makes, by the pod's key.
    components: HashMap<String, (String, String)>,
    counts: Counts,
    warnings: Warnings,
    dropped: u64,
    is_dirty: bool,
    last: Arc<[Arc<RecentChange>]>,
}

impl Changes {
    /// Takes news of an object.
    pub(super) fn take(&mut self, news: &News<'_>) {
        let object = news.object;
        self.counts.take(news);
        if let Some((what, at)) = self.warnings.take(news) {
            self.put(what, at, None);
        }
        let component = self.component(object, news.is_gone);
        if news.source != Source::Seen {
            return;
        }
        let since = self.unwatched.get(object.resource).copied();
        for what in differences::of(news).into_iter().chain(component) {
            self.put(what, news.at, since);
        }
    }

    /// Takes that objects of a kind were last seen then, and that nobody has looked since.
    pub(super) fn looked_away(&mut self, resource: &'static str, since: Timestamp) {
        self.unwatched.insert(resource, since);
    }

    /// Takes that all objects of a kind have been looked at again.
    pub(super) fn looked(&mut self, resource: &'static str) {
        self.unwatched.remove(resource);
    }

    /// Returns how many were dropped for want of room since it was last asked.
    pub(super) fn dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Returns all of them, oldest first.
    pub(super) fn now(&mut self, now: Timestamp) -> Arc<[Arc<RecentChange>]> {
        for what in self.counts.jumps(now) {
            self.put(what, now, None);
        }
        let kept_from = now.checked_sub(KEPT_FOR).unwrap_or(Timestamp::MIN);
        for changes in self.by_kind.values_mut() {
            while changes.front().is_some_and(|change| change.at < kept_from) {
                changes.pop_front();
                self.is_dirty = true;
            }
        }
        if std::mem::take(&mut self.is_dirty) {
            let mut all: Vec<Arc<RecentChange>> = self.by_kind.values().flatten().cloned().collect();
            all.sort_by_key(|change| change.at);
            self.last = all.into();
        }
        self.last.clone()
    }

    fn put(&mut self, what: What, at: Timestamp, since: Option<Timestamp>) {
        let short = |text: String| text::clip(&text::one_line(&text), TEXT_MAX).to_owned();
        let What { kind, subject, detail, scope } = what;
        let (subject, detail) = (short(subject), short(detail));
        let changes = self.by_kind.entry(kind).or_default();
        if changes.len() >= OF_KIND_MAX {
            changes.pop_front();
            self.dropped += 1;
        }
        changes.push_back(Arc::new(RecentChange { at, since, kind, subject, detail, scope }));
        self.is_dirty = true;
    }

    /// What a component of the control plane runs, where that is something else than before. Its pod stands for the manifest
    /// on its host: with another one the pod is made anew, so that it is known while it is gone.
    fn component(&mut self, pod: &Object, is_gone: bool) -> Option<What> {
        if pod.resource != "pods" || is_gone || pod.owner().is_none_or(|(kind, _)| kind != "Node") {
            return None;
        }
        let name = COMPONENTS.into_iter().find(|name| pod.name.starts_with(name))?;
        let (key, uid, images) = (pod.key(), pod.text(&["metadata", "uid"]).to_owned(), pod.images().join(", "));
        if !self.components.contains_key(&key) && self.components.len() >= COMPONENTS_MAX {
            self.dropped += 1;
            return None;
        }
        let (known_uid, known_images) = self.components.insert(key, (uid.clone(), images.clone()))?;
        let detail = match (known_images == images, known_uid == uid) {
            (true, true) => return None,
            (false, _) => format!("image {known_images} → {images}"),
            (true, false) => "another manifest, and so perhaps other flags".to_owned(),
        };
        let subject = format!("{name} on {}", pod.text(&["spec", "nodeName"]));
        Some(What { kind: ChangeKind::ControlPlane, subject, detail, scope: ChangeScope::Cluster })
    }
}

#[cfg(test)]
mod tests;
