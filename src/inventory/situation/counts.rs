//! How many objects there are of a kind, against how many there were: many that were deleted at once, or far more than an hour ago.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::{Moment, News, Source};
use crate::{
    inventory::object::Object,
    model::{Grown, Several, Situation, Vanished},
};

/// Deleted within so long, they went together.
const WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// So many deletions are kept, of each kind.
const GONE_MAX: usize = 5_000;
/// A number is held against that of so long ago.
const AGAINST: SignedDuration = SignedDuration::from_mins(60);
/// It is taken this often.
const EVERY: SignedDuration = SignedDuration::from_secs(60);
/// Kinds whose loss is one of a cluster's: the others come and go with these.
const LASTING: [&str; 14] = [
    "namespaces",
    "deployments",
    "statefulsets",
    "daemonsets",
    "cronjobs",
    "services",
    "ingresses",
    "httproutes",
    "persistentvolumeclaims",
    "customresourcedefinitions",
    "certificates",
    "applications",
    "helmreleases",
    "kustomizations",
];
/// Of these all may be in one namespace, that of the tool which makes the rest of them: all of a kind are no single application.
const OF_TOOLS: [&str; 3] = ["applications", "helmreleases", "kustomizations"];
/// Kinds whose number may run away.
const GROWING: [&str; 5] = ["pods", "jobs", "replicasets", "services", "endpointslices"];

/// How many of a kind.
#[derive(Debug, Default)]
struct Count {
    now: usize,
    by_namespace: HashMap<String, usize>,
    /// Deleted lately: when, and which.
    gone: VecDeque<(Timestamp, String)>,
    /// How many there were, minute by minute.
    past: VecDeque<(Timestamp, usize)>,
}

/// All of a cluster.
#[derive(Debug, Default)]
pub(super) struct Counts(BTreeMap<&'static str, Count>);

impl Counts {
    pub(super) fn take(&mut self, news: &News<'_>) {
        let resource = news.object.resource;
        if !LASTING.contains(&resource) && !GROWING.contains(&resource) {
            return;
        }
        let count = self.0.entry(resource).or_default();
        let namespace = &news.object.namespace;
        // What is being deleted counts as gone: finalizers and grace may hold it for long.
        let (was, is) = match news.is_gone {
            true => (is_there(news.object), false),
            false => (news.before.is_some_and(is_there), is_there(news.object)),
        };
        if is && !was {
            count.now += 1;
            *count.by_namespace.entry(namespace.clone()).or_default() += 1;
        }
        if was && !is {
            count.now = count.now.saturating_sub(1);
            if let Some(n) = count.by_namespace.get_mut(namespace) {
                *n = n.saturating_sub(1);
                if *n == 0 {
                    count.by_namespace.remove(namespace);
                }
            }
            if news.source == Source::Seen && LASTING.contains(&resource) {
                count.gone.push_back((news.at, news.key()));
                if count.gone.len() > GONE_MAX {
                    count.gone.pop_front();
                }
            }
        }
    }

    pub(super) fn fill(&mut self, moment: &Moment<'_>, into: &mut Situation) {
        for (resource, count) in &mut self.0 {
            if !moment.knows(&[resource]) {
                continue;
            }
            while count.gone.front().is_some_and(|(at, _)| moment.is_past(*at, WITHIN)) {
                count.gone.pop_front();
            }
            into.vanished.extend(vanished(resource, count));
            if GROWING.contains(resource) {
                into.grown.extend(grown(resource, count, moment));
            }
        }
    }
}

fn is_there(object: &Object) -> bool {
    !object.is_being_deleted()
}

/// All of one namespace that are deleted with it count as one.
fn vanished(resource: &'static str, count: &Count) -> Option<Vanished> {
    let (until, _) = count.gone.back()?;
    let mut gone = Several::default();
    count.gone.iter().for_each(|(at, key)| gone.add(key, *at));
    let namespaces: std::collections::BTreeSet<&str> = count
        .gone
        .iter()
        .map(|(_, key)| key.split_once('/').map_or(key.as_str(), |(namespace, _)| namespace))
        .collect();
    // One application or one namespace that goes is somebody's wish.
    let is_wide = namespaces.len() >= 3 || (OF_TOOLS.contains(&resource) && count.now == 0);
    let of = count.now + count.gone.len();
    is_wide.then_some(Vanished { resource, gone, of, until: *until })
}

fn grown(resource: &'static str, count: &mut Count, moment: &Moment<'_>) -> Option<Grown> {
    if count.past.back().is_none_or(|(at, _)| moment.is_past(*at, EVERY)) {
        count.past.push_back((moment.now, count.now));
    }
    while count.past.front().is_some_and(|(at, _)| moment.is_past(*at, AGAINST)) {
        count.past.pop_front();
    }
    let (since, from) = count.past.iter().min_by_key(|(_, n)| *n).copied()?;
    let (namespace, _) = count.by_namespace.iter().max_by_key(|(name, n)| (**n, *name))?;
    Some(Grown { resource, from, to: count.now, since, namespace: namespace.clone() })
}
