//! Pods that went and are not made anew, though as many are wanted as before.
//!
//! What tells a catastrophe from a night's scaling, a rollout or an application that is deleted is what Deployments and
//! StatefulSets ask for: in all of these it changes with the pods, or others wait in their place.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
};

use jiff::{SignedDuration, Timestamp};

use super::{Moment, News, workload_of};
use crate::{
    inventory::{object::Object, tables::replicas},
    model::{FallenPods, Situation},
};

/// They went within so long.
const WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// How many there are is noted this often: the ten minutes are eleven numbers.
const EVERY: SignedDuration = SignedDuration::from_secs(60);
/// Fewer are an application's.
const LOST_MIN: u64 = 20;
/// Wanted may be so many in a hundred of what was wanted before: somebody scales something at any time.
const STILL_WANTED: u64 = 75;
/// So many namespaces are named.
const NAMED: usize = 5;
/// All that this is judged by.
const KINDS: [&str; 4] = ["pods", "deployments", "statefulsets", "namespaces"];

/// Pods that are there or wait, and those that are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    pods: u64,
    wanted: u64,
}

/// All of a cluster.
#[derive(Debug, Default)]
pub(super) struct Fall {
    by_namespace: BTreeMap<String, Tally>,
    /// Namespaces that are being deleted: in them nothing is made anew.
    going: BTreeSet<String>,
    past: VecDeque<(Timestamp, Tally)>,
    /// Since when, and of how many.
    fallen: Option<(Timestamp, u64)>,
}

impl Fall {
    pub(super) fn take(&mut self, news: &News<'_>) {
        let object = news.object;
        let (was, is) = match news.is_gone {
            true => (Some(object), None),
            false => (news.before, Some(object)),
        };
        match object.resource {
            "namespaces" => {
                match is.is_some_and(Object::is_being_deleted) {
                    true => drop(self.going.insert(object.name.clone())),
                    false => drop(self.going.remove(&object.name)),
                }
                return;
            }
            "pods" | "deployments" | "statefulsets" => {}
            _ => return,
        }
        let (was, is) = (was.map_or(0, counts), is.map_or(0, counts));
        if was == is {
            return;
        }
        let tally = self.by_namespace.entry(object.namespace.clone()).or_default();
        let number = if object.resource == "pods" { &mut tally.pods } else { &mut tally.wanted };
        *number = number.saturating_sub(was).saturating_add(is);
        if *tally == Tally::default() {
            self.by_namespace.remove(&object.namespace);
        }
    }

    pub(super) fn fill(&mut self, moment: &Moment<'_>, into: &mut Situation) {
        let Some(moment) = moment.of(&KINDS) else { return };
        let now = self.now();
        while self.past.front().is_some_and(|(at, _)| moment.is_past(*at, WITHIN)) {
            self.past.pop_front();
        }
        // It ends when half of what is wanted is there again, not when it was long ago.
        if !is_half_missing(now) {
            self.fallen = None;
        } else if self.fallen.is_none()
            && let Some((_, was)) =
                self.past.iter().filter(|(_, was)| has_fallen(*was, now)).max_by_key(|(_, was)| was.pods)
        {
            self.fallen = Some((moment.now, was.pods));
        }
        if self.past.back().is_none_or(|(at, _)| moment.is_past(*at, EVERY)) {
            self.past.push_back((moment.now, now));
        }
        into.fallen_pods = self.fallen.map(|(since, of)| {
            let Tally { pods: left, wanted } = now;
            FallenPods { left, of, wanted, since, namespaces: self.shortest() }
        });
    }

    fn lasting(&self) -> impl Iterator<Item = (&String, &Tally)> {
        self.by_namespace.iter().filter(|(name, _)| !self.going.contains(*name))
    }

    fn now(&self) -> Tally {
        self.lasting().fold(Tally::default(), |sum, (_, one)| Tally {
            pods: sum.pods.saturating_add(one.pods),
            wanted: sum.wanted.saturating_add(one.wanted),
        })
    }

    /// Where most are missing, with how many there are and how many are wanted.
    fn shortest(&self) -> Vec<(String, u64, u64)> {
        let short = self.lasting().filter(|(_, tally)| tally.pods < tally.wanted);
        let mut all: Vec<_> = short.map(|(name, tally)| (name.clone(), tally.pods, tally.wanted)).collect();
        all.sort_by_key(|(_, pods, wanted)| Reverse(wanted.saturating_sub(*pods)));
        all.truncate(NAMED);
        all
    }
}

/// Of what is not asked for nothing is missing.
fn is_half_missing(now: Tally) -> bool {
    now.pods.saturating_mul(2) < now.wanted
}

/// Half of them are gone, less than half of what is wanted is there, and no less is wanted than was.
fn has_fallen(was: Tally, now: Tally) -> bool {
    was.pods.saturating_sub(now.pods) >= LOST_MIN
        && now.pods.saturating_mul(2) <= was.pods
        && is_half_missing(now)
        && now.wanted.saturating_mul(100) >= was.wanted.saturating_mul(STILL_WANTED)
}

/// How many pods it is, or asks for.
fn counts(object: &Object) -> u64 {
    if object.is_being_deleted() {
        return 0;
    }
    match object.resource {
        "pods" => {
            let is_of_one =
                workload_of(object).is_some_and(|(kind, _)| ["Deployment", "StatefulSet"].contains(&&*kind));
            u64::from(is_of_one && !object.is_over())
        }
        _ => replicas(object).1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{
        super::tests::{Told, t},
        Tally, has_fallen, is_half_missing,
    };

    #[test]
    fn what_nobody_asks_for_is_not_missing() {
        let tally = |pods, wanted| Tally { pods, wanted };
        assert!(has_fallen(tally(200, 200), tally(0, 200)));
        assert!(!has_fallen(tally(200, 0), tally(0, 0)), "nobody may say what is wanted, or it is over");
        assert!(!is_half_missing(tally(0, 0)) && !is_half_missing(tally(100, 200)) && is_half_missing(tally(99, 200)));
    }

    fn pod() -> Value {
        json!({"metadata": {"ownerReferences": {"api-5d8f7": {"kind": "ReplicaSet", "controller": true}}}, "status": {"phase": "Running"}})
    }

    fn asking(replicas: u64) -> Value {
        json!({"spec": {"replicas": replicas}})
    }

    /// Two namespaces with thirty pods each, noted.
    fn told() -> Told {
        let mut told = Told::new();
        for namespace in ["shop", "bank"] {
            told.is(0, "namespaces", namespace, json!({}));
            told.is(0, "deployments", &format!("{namespace}/api"), asking(30));
            for i in 0..30 {
                told.is(0, "pods", &format!("{namespace}/api-{i}"), pod());
            }
        }
        told.at(1);
        told
    }

    fn gone(told: &mut Told, namespace: &str, at: i64, count: usize) {
        for i in 0..count {
            told.gone(at, "pods", &format!("{namespace}/api-{i}"));
        }
    }

    #[test]
    fn pods_that_are_wanted_and_not_made_anew_have_fallen() {
        let mut told = told();
        gone(&mut told, "shop", 60, 25);
        assert_eq!(told.at(61).fallen_pods, None, "less than half");
        gone(&mut told, "bank", 62, 15);
        let fallen = told.at(63).fallen_pods.unwrap();
        assert_eq!((fallen.left, fallen.of, fallen.wanted, fallen.since), (20, 60, 60, t(63)));
        assert_eq!(fallen.namespaces, [("shop".to_owned(), 5, 30), ("bank".to_owned(), 15, 30)]);
        assert_eq!(told.at(3_600).fallen_pods.unwrap().since, t(63), "it lasts");
        for i in 0..15 {
            told.is(3_601, "pods", &format!("bank/api-{i}"), pod());
        }
        assert_eq!(told.at(3_602).fallen_pods, None);
    }

    #[test]
    fn what_is_scaled_deleted_or_replaced_has_not() {
        let mut scaled = told();
        for namespace in ["shop", "bank"] {
            scaled.is(60, "deployments", &format!("{namespace}/api"), asking(10));
            gone(&mut scaled, namespace, 60, 20);
        }
        assert_eq!(scaled.at(61).fallen_pods, None);
        // A namespace that goes: its Deployment may go last.
        let mut deleted = told();
        deleted.is(60, "namespaces", "shop", json!({"metadata": {"deletionTimestamp": "2026-11-23T06:01:00Z"}}));
        gone(&mut deleted, "shop", 60, 30);
        assert_eq!(deleted.at(61).fallen_pods, None);
        let mut replaced = told();
        for namespace in ["shop", "bank"] {
            gone(&mut replaced, namespace, 60, 30);
            for i in 0..30 {
                replaced.is(60, "pods", &format!("{namespace}/api-b{i}"), pod());
            }
        }
        assert_eq!(replaced.at(61).fallen_pods, None);
        // Over a day, and not at once.
        let mut slowly = told();
        for i in 0..30 {
            slowly.gone(i * 300, "pods", &format!("shop/api-{i}")).at(i * 300);
            slowly.gone(i * 300, "pods", &format!("bank/api-{i}"));
        }
        assert_eq!(slowly.at(7_800).fallen_pods, None);
    }
}
