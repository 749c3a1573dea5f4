//! Every label set with its id, found by labels or by matchers. In memory; the file has them in `label_sets`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use crate::{
    model::{Labels, METRIC_NAME, MatchOp, Matcher},
    store::HistoryStats,
};

/// Of each list in the statistics (as Prometheus' `/api/v1/status/tsdb`).
const TOP: usize = 10;

/// Maps label sets to the ids of their series, and labels to the ids that carry them.
#[derive(Debug, Default)]
pub struct Index {
    ids: HashMap<Labels, i64>,
    labels: BTreeMap<i64, Labels>,
    /// Label → value → ids, ascending.
    postings: HashMap<Arc<str>, HashMap<Arc<str>, Vec<i64>>>,
    next: i64,
}

impl Index {
    /// Returns the number of label sets.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Returns the label set of an id.
    pub fn labels(&self, id: i64) -> Option<&Labels> {
        self.labels.get(&id)
    }

    /// Iterates over the ids above `after`, ascending.
    pub fn after(&self, after: i64) -> impl Iterator<Item = (i64, &Labels)> {
        self.labels.range(after.saturating_add(1)..).map(|(id, labels)| (*id, labels))
    }

    /// Returns the id of a label set that is known.
    pub fn id(&self, labels: &Labels) -> Option<i64> {
        self.ids.get(labels).copied()
    }

    /// Gives a label set the next id.
    pub fn add(&mut self, labels: &Labels) -> i64 {
        let id = self.next.max(1);
        self.put(id, labels.clone());
        id
    }

    /// Gives this id to no label set that is added from now on.
    pub fn reserve(&mut self, id: i64) {
        self.next = self.next.max(id + 1);
    }

    /// Takes a label set with its id from the file. Of two ids for one set the newer is the living one.
    pub fn put(&mut self, id: i64, labels: Labels) {
        let labels = self.interned(labels);
        self.reserve(id);
        for (label, value) in pairs(&labels) {
            let list = self.postings.entry(label).or_default().entry(value).or_default();
            match list.last() {
                Some(last) if *last >= id => drop(list.binary_search(&id).map_err(|at| list.insert(at, id))),
                _ => list.push(id),
            }
        }
        let newest = self.ids.entry(labels.clone()).or_insert(id);
        *newest = (*newest).max(id);
        self.labels.insert(id, labels);
    }

    /// Forgets a label set.
    pub fn remove(&mut self, id: i64) {
        let Some(labels) = self.labels.remove(&id) else { return };
        if self.ids.get(&labels) == Some(&id) {
            self.ids.remove(&labels);
        }
        for (label, value) in pairs(&labels) {
            let Some(values) = self.postings.get_mut(&label) else { continue };
            if let Some(list) = values.get_mut(&value) {
                list.retain(|other| *other != id);
                if list.is_empty() {
                    values.remove(&value);
                }
            }
            if values.is_empty() {
                self.postings.remove(&label);
            }
        }
    }

    /// The same label set on strings that are kept once.
    fn interned(&self, labels: Labels) -> Labels {
        let known = |label: &Arc<str>, value: &Arc<str>| {
            let values = self.postings.get_key_value(label);
            let known = values.and_then(|(_, values)| values.get_key_value(value)).map(|(value, _)| value.clone());
            (values.map_or_else(|| label.clone(), |(label, _)| label.clone()), known.unwrap_or_else(|| value.clone()))
        };
        let name = known(&METRIC_NAME.into(), &labels.name).1;
        Labels { name, pairs: labels.pairs.iter().map(|(l, v)| known(l, v)).collect() }
    }

    /// Returns the ids of the series that satisfy all matchers, ascending.
    pub fn matching(&self, matchers: &[Matcher]) -> Vec<i64> {
        let narrow = matchers.iter().filter(|m| !m.matches("")).map(|m| self.lists(m));
        let Some(lists) = narrow.min_by_key(|lists| lists.iter().map(|l| l.len()).sum::<usize>()) else {
            let all = self.labels.iter().filter(|(_, l)| matchers.iter().all(|m| m.matches_labels(l)));
            return all.map(|(id, _)| *id).collect();
        };
        let fits = |id: &i64| self.labels.get(id).is_some_and(|l| matchers.iter().all(|m| m.matches_labels(l)));
        let mut ids: Vec<i64> = lists.into_iter().flatten().copied().filter(fits).collect();
        ids.sort_unstable();
        ids
    }

    /// Lists of the ids that may satisfy a matcher which nothing empty satisfies; each id is in one of them.
    fn lists(&self, matcher: &Matcher) -> Vec<&Vec<i64>> {
        let Some(values) = self.postings.get(&matcher.name) else { return Vec::new() };
        match matcher.op {
            MatchOp::Equal => values.get(&matcher.value).into_iter().collect(),
            _ => values.iter().filter(|(value, _)| matcher.matches(value)).map(|(_, list)| list).collect(),
        }
    }

    /// Fills in what is about label sets.
    pub fn stats(&self, stats: &mut HistoryStats) {
        let top = |mut counted: Vec<(String, usize)>| {
            counted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            counted.truncate(TOP);
            counted
        };
        let bytes = |values: &HashMap<Arc<str>, Vec<i64>>| values.keys().map(|v| v.len()).sum::<usize>();
        let all =
            || self.postings.iter().flat_map(|(l, values)| values.iter().map(move |(v, list)| (l, v, list.len())));
        stats.series = self.labels.len();
        stats.label_pairs = self.postings.values().map(HashMap::len).sum();
        stats.by_label = top(self.postings.iter().map(|(l, values)| (l.to_string(), values.len())).collect());
        stats.by_bytes = top(self.postings.iter().map(|(l, values)| (l.to_string(), bytes(values))).collect());
        stats.by_pair = top(all().map(|(l, v, n)| (format!("{l}={v}"), n)).collect());
        let names = self.postings.get(METRIC_NAME).into_iter().flatten();
        stats.by_name = top(names.map(|(name, list)| (name.to_string(), list.len())).collect());
    }

    /// Returns the label sets of some ids, sorted, each once.
    pub fn sorted(&self, ids: impl Iterator<Item = i64>) -> Vec<Labels> {
        let sets: BTreeSet<&Labels> = ids.filter_map(|id| self.labels.get(&id)).collect();
        sets.into_iter().cloned().collect()
    }
}

fn pairs(labels: &Labels) -> impl Iterator<Item = (Arc<str>, Arc<str>)> {
    let name = (Arc::from(METRIC_NAME), labels.name.clone());
    std::iter::once(name).chain(labels.pairs.iter().cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let mut index = Index::default();
        for (name, job, node) in
            [("up", "etcd", ""), ("up", "kubelet", "n1"), ("up", "kubelet", "n2"), ("x", "etcd", "n1")]
        {
            index.add(&Labels::new(name, [("job", job), ("node", node)]));
        }
        index
    }

    #[test]
    fn matchers_find_series() {
        let index = index();
        let check = |matchers: &[(&str, &str, &str)], ids: &[i64]| {
            let matchers: Vec<Matcher> = matchers.iter().map(|(n, o, v)| Matcher::new(n, o, v).unwrap()).collect();
            assert_eq!(index.matching(&matchers), ids, "{matchers:?}");
        };
        check(&[("__name__", "=", "up")], &[1, 2, 3]);
        check(&[("__name__", "=", "up"), ("node", "=", "")], &[1]);
        check(&[("__name__", "=", "up"), ("node", "!=", "n1")], &[1, 3]);
        check(&[("job", "=~", "e.*|kubelet"), ("node", "=~", "n.")], &[2, 3, 4]);
        check(&[("__name__", "=~", "u.|y")], &[1, 2, 3]);
        check(&[("node", "=", "")], &[1]);
        check(&[("nowhere", "=", "x")], &[]);
        check(&[("__name__", "=", "up"), ("job", "=", "nowhere")], &[]);
        check(&[], &[1, 2, 3, 4]);
    }

    #[test]
    fn what_is_removed_leaves_nothing_behind() {
        let mut index = index();
        (1..=4).for_each(|id| index.remove(id));
        assert!(index.postings.is_empty() && index.ids.is_empty() && index.labels.is_empty());
        assert_eq!(index.add(&Labels::new("up", [("a", "b")])), 5, "ids are not given twice");
    }
}
