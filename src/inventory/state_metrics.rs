//! The series that kube-state-metrics would give, made of what is recorded, under its names and labels
//! (github.com/kubernetes/kube-state-metrics, docs/metrics), so that rules and dashboards that are written for it work with
//! nothing installed in the cluster. Pure.
//!
//! Only what the recorder keeps can be told: no requests and limits, no annotations, no ConfigMaps and Secrets.

mod nodes;
mod pods;
mod workloads;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use jiff::Timestamp;

use super::{news::News, object::Object};
use crate::model::{Labels, Sample, stale};

/// The most series of one cluster: some 6,000 pods with all that is around them, for 60 MB. Objects beyond are left out.
pub const SERIES_MAX: usize = 100_000;
/// As rules and dashboards name it.
const JOB: &str = "kube-state-metrics";

/// A label with its value.
type Pair<'a> = (&'a str, &'a str);

/// Where an object's series are put.
struct Builder<'a> {
    base: &'a [(Arc<str>, Arc<str>)],
    series: Vec<(Labels, f64)>,
}

impl Builder<'_> {
    fn put(&mut self, name: &str, pairs: &[Pair<'_>], value: f64) {
        let base = self.base.iter().map(|(k, v)| (k.clone(), v.clone()));
        let pairs = pairs.iter().map(|(k, v)| (Arc::from(*k), Arc::from(*v)));
        self.series.push((Labels::new(name, base.chain(pairs)), value));
    }

    /// One series for each of several states, 1 for the one that is.
    fn one_of(&mut self, name: &str, pairs: &[Pair<'_>], label: &str, states: &[&str], is: &str) {
        for state in states {
            let pairs: Vec<Pair<'_>> = pairs.iter().copied().chain([(label, *state)]).collect();
            self.put(name, &pairs, f64::from(u8::from(*state == is)));
        }
    }

    /// Conditions with their three values, as kube-state-metrics writes them in small letters.
    fn conditions(&mut self, name: &str, pairs: &[Pair<'_>], object: &Object) {
        for (condition, told) in object.map(&["status", "conditions"]) {
            let status = told["status"].as_str().unwrap_or("Unknown").to_lowercase();
            let pairs: Vec<Pair<'_>> = pairs.iter().copied().chain([("condition", condition.as_str())]).collect();
            self.one_of(name, &pairs, "status", &["true", "false", "unknown"], &status);
        }
    }
}

/// A number as it is written into a sample.
#[expect(clippy::cast_precision_loss, reason = "replicas, restarts and generations are far below 2^53")]
fn number(n: u64) -> f64 {
    n as f64
}

/// Seconds since 1970.
fn unix(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

/// What all objects of a cluster give.
#[derive(Debug)]
pub struct StateMetrics {
    base: Vec<(Arc<str>, Arc<str>)>,
    by_object: BTreeMap<(&'static str, String), Vec<(Labels, f64)>>,
    count: usize,
    ended: Vec<Labels>,
    left_out: u64,
}

impl StateMetrics {
    /// Those of a cluster whose series have these labels besides.
    pub fn new(cluster: &str, labels: &BTreeMap<String, String>) -> Self {
        let own = [("cluster", cluster), ("job", JOB), ("instance", cluster)];
        let labels = labels.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let base = labels.chain(own).map(|(k, v)| (Arc::from(k), Arc::from(v))).collect();
        Self { base, by_object: BTreeMap::new(), count: 0, ended: Vec::new(), left_out: 0 }
    }

    /// Takes news of an object.
    pub fn take(&mut self, news: &News<'_>) {
        let object = news.object;
        let mut builder = Builder { base: &self.base, series: Vec::new() };
        if !news.is_gone {
            put(object, &mut builder);
        }
        let mut series = builder.series;
        let key = (object.resource, object.key());
        let before = self.by_object.remove(&key).unwrap_or_default();
        self.count -= before.len();
        if self.count + series.len() > SERIES_MAX {
            self.left_out += 1;
            series.clear();
        }
        let told: HashSet<&Labels> = series.iter().map(|(labels, _)| labels).collect();
        let gone = before.into_iter().map(|(labels, _)| labels).filter(|labels| !told.contains(labels));
        self.ended.extend(gone);
        if !series.is_empty() {
            self.count += series.len();
            self.by_object.insert(key, series);
        }
    }

    /// Returns all of them as of now, and the ends of those that are no more.
    pub fn samples(&mut self, at: Timestamp) -> Vec<Sample> {
        let ended = self.ended.drain(..).map(|labels| Sample { labels, at, value: stale() });
        let all = self.by_object.values().flatten();
        ended.chain(all.map(|(labels, value)| Sample { labels: labels.clone(), at, value: *value })).collect()
    }

    /// Returns the end of all of them.
    pub fn end(&mut self, at: Timestamp) -> Vec<Sample> {
        let all = std::mem::take(&mut self.by_object).into_values().flatten().map(|(labels, _)| labels);
        self.count = 0;
        self.ended.drain(..).chain(all).map(|labels| Sample { labels, at, value: stale() }).collect()
    }

    /// Returns how many objects were left out for want of room since this was last asked.
    pub fn left_out(&mut self) -> u64 {
        std::mem::take(&mut self.left_out)
    }
}

/// The series of one object.
fn put(object: &Object, to: &mut Builder<'_>) {
    match object.resource {
        "pods" => pods::pod(object, to),
        "nodes" => nodes::node(object, to),
        "namespaces" => {
            let phase = object.text(&["status", "phase"]);
            let who = [("namespace", object.name.as_str())];
            to.one_of("kube_namespace_status_phase", &who, "phase", &["Active", "Terminating"], phase);
        }
        "persistentvolumeclaims" => nodes::claim(object, to),
        "persistentvolumes" => nodes::volume(object, to),
        _ => workloads::put(object, to),
    }
}

#[cfg(test)]
mod tests;
