//! Every label set with its id, found by labels or by matchers. In memory; the file has them in `label_sets`.
//!
//! Label sets lie in a list in the order of their ids; a place in it (a *slot*) is how they are named in here and in the
//! head. Strings are kept once, and so are the labels of series that differ in their name alone. Whoever keeps the label
//! set that it was given back is known again by its address, without a look at its text.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    hash::BuildHasher,
    sync::Arc,
};

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::{
    model::{Labels, METRIC_NAME, MatchOp, Matcher},
    store::{HistoryStats, wanted::Wanted},
};

/// Of each list in the statistics (as Prometheus' `/api/v1/status/tsdb`).
const TOP: usize = 10;
/// Label sets without the name that were added last: those of one target come together and are often the same.
const LATELY: usize = 8;
/// Places of label sets that went are given back when there are so many of them, and a quarter of all.
const GONE_MIN: usize = 1024;

type Pairs = Arc<[(Arc<str>, Arc<str>)]>;

/// Maps label sets to the ids of their series, and labels to the series that carry them.
#[derive(Debug, Default)]
pub struct Index {
    /// `(id, label set)`, ascending by id; `None`: it has gone.
    sets: Vec<(i64, Option<Labels>)>,
    living: usize,
    hasher: DefaultHashBuilder,
    /// Slots by what the label set says; of two ids for one set the newer.
    by_text: HashTable<u32>,
    /// Slots by where the label set lies.
    by_address: HashTable<u32>,
    /// Label → value → slots, ascending.
    postings: HashMap<Arc<str>, HashMap<Arc<str>, Vec<u32>>>,
    next: i64,
    lately: VecDeque<Pairs>,
}

fn address(hasher: &DefaultHashBuilder, labels: &Labels) -> u64 {
    hasher.hash_one((Arc::as_ptr(&labels.name).addr(), Arc::as_ptr(&labels.pairs).addr()))
}

/// Room for one more: a hundred thousand lie in such a list, which grows by an eighth, not to the double.
pub(super) fn make_room<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact(64.max(list.len() / 8));
    }
}

fn usize_of(slot: u32) -> usize {
    slot as usize
}

impl Index {
    /// Returns the number of label sets.
    pub fn len(&self) -> usize {
        self.living
    }

    /// Returns the label set of an id.
    pub fn labels(&self, id: i64) -> Option<&Labels> {
        self.at(self.slot(id)?)
    }

    /// Returns the label set in a slot.
    pub fn at(&self, slot: usize) -> Option<&Labels> {
        self.sets.get(slot)?.1.as_ref()
    }

    /// Returns the id of a slot's label set.
    pub fn id_at(&self, slot: usize) -> Option<i64> {
        self.sets.get(slot).filter(|(_, labels)| labels.is_some()).map(|(id, _)| *id)
    }

    /// Returns the slot of an id's label set.
    pub fn slot(&self, id: i64) -> Option<usize> {
        // Nearly always no id is missing before it.
        let guess = usize::try_from(id.checked_sub(self.sets.first()?.0)?).ok()?;
        let slot = match self.sets.get(guess) {
            Some((there, _)) if *there == id => guess,
            _ => self.sets.binary_search_by_key(&id, |(id, _)| *id).ok()?,
        };
        self.at(slot).map(|_| slot)
    }

    /// Iterates over the ids above `after`, ascending.
    pub fn after(&self, after: i64) -> impl Iterator<Item = (i64, &Labels)> {
        let begin = self.sets.partition_point(|(id, _)| *id <= after);
        self.sets[begin..].iter().filter_map(|(id, labels)| Some((*id, labels.as_ref()?)))
    }

    /// Returns the id of a label set that is known.
    pub fn id(&self, labels: &Labels) -> Option<i64> {
        self.id_at(self.find(labels)?)
    }

    /// Returns whether this label set is not only known, but the one that is kept here.
    pub fn keeps(&self, labels: &Labels) -> bool {
        self.lying(labels).is_some()
    }

    /// The slot of this very label set, by where it lies.
    fn lying(&self, labels: &Labels) -> Option<&u32> {
        let lies = |slot: &u32| self.at(usize_of(*slot)).is_some_and(|there| there.is_same(labels));
        self.by_address.find(address(&self.hasher, labels), lies)
    }

    /// Returns the slot of a label set that is known.
    pub fn find(&self, labels: &Labels) -> Option<usize> {
        let says = |slot: &u32| self.at(usize_of(*slot)) == Some(labels);
        self.lying(labels).or_else(|| self.by_text.find(self.hasher.hash_one(labels), says)).map(|slot| usize_of(*slot))
    }

    /// Gives a label set the next id. Returns its slot.
    pub fn add(&mut self, labels: &Labels) -> Option<usize> {
        self.put(self.next.max(1), labels.clone())
    }

    /// Gives this id to no label set that is added from now on.
    pub fn reserve(&mut self, id: i64) {
        self.next = self.next.max(id + 1);
    }

    /// Takes a label set with its id. Returns its slot; `None` where the id is not above all others, or there are too many. Of
    /// two ids for one set the newer is the living one.
    pub fn put(&mut self, id: i64, labels: Labels) -> Option<usize> {
        if self.sets.last().is_some_and(|(last, _)| *last >= id) {
            return None;
        }
        let slot = u32::try_from(self.sets.len()).ok()?;
        let labels = self.interned(labels);
        self.reserve(id);
        for (label, value) in pairs(&labels) {
            let values = match self.postings.get_mut(&**label) {
                Some(values) => values,
                None => self.postings.entry(label.clone()).or_default(),
            };
            match values.get_mut(&**value) {
                Some(list) => list.push(slot),
                None => drop(values.insert(value.clone(), vec![slot])),
            }
        }
        make_room(&mut self.sets);
        let text = self.hasher.hash_one(&labels);
        let place = address(&self.hasher, &labels);
        self.sets.push((id, Some(labels)));
        self.living += 1;
        self.enter(slot, text, place);
        Some(usize_of(slot))
    }

    fn enter(&mut self, slot: u32, text: u64, place: u64) {
        let (sets, hasher) = (&self.sets, &self.hasher);
        let labels = |slot: &u32| sets.get(usize_of(*slot)).and_then(|(_, labels)| labels.as_ref());
        match self.by_text.find_mut(text, |other| labels(other) == labels(&slot)) {
            Some(other) => *other = slot,
            None => drop(self.by_text.insert_unique(text, slot, |slot| labels(slot).map_or(0, |l| hasher.hash_one(l)))),
        }
        let place_of = |slot: &u32| labels(slot).map_or(0, |labels| address(hasher, labels));
        self.by_address.insert_unique(place, slot, place_of);
    }

    /// Forgets a label set. Its slot stays empty until [`Index::close_gaps`].
    pub fn remove(&mut self, id: i64) {
        let Some(slot) = self.slot(id) else { return };
        let Some(labels) = self.sets.get_mut(slot).and_then(|(_, labels)| labels.take()) else { return };
        self.living -= 1;
        let is_it = |other: &u32| usize_of(*other) == slot;
        if let Ok(entry) = self.by_text.find_entry(self.hasher.hash_one(&labels), is_it) {
            entry.remove();
        }
        if let Ok(entry) = self.by_address.find_entry(address(&self.hasher, &labels), is_it) {
            entry.remove();
        }
        for (label, value) in pairs(&labels) {
            let Some(values) = self.postings.get_mut(&**label) else { continue };
            if let Some(list) = values.get_mut(&**value) {
                if let Ok(at) = list.binary_search_by_key(&slot, |other| usize_of(*other)) {
                    list.remove(at);
                }
                if list.is_empty() {
                    values.remove(&**value);
                }
            }
            if values.is_empty() {
                self.postings.remove(&**label);
            }
        }
    }

    /// Closes the gaps that removed label sets left, where there are many. Returns which slots stay, in their order; `None`:
    /// nothing has moved.
    pub fn close_gaps(&mut self) -> Option<Vec<bool>> {
        let gone = self.sets.len() - self.living;
        if gone < GONE_MIN || gone * 4 < self.sets.len() {
            return None;
        }
        let stays: Vec<bool> = self.sets.iter().map(|(_, labels)| labels.is_some()).collect();
        let old = std::mem::take(self);
        self.next = old.next;
        for (id, labels) in old.sets {
            if let Some(labels) = labels {
                self.put(id, labels);
            }
        }
        Some(stays)
    }

    /// The same label set on strings that are kept once.
    fn interned(&mut self, labels: Labels) -> Labels {
        let label =
            |label: &Arc<str>| self.postings.get_key_value(&**label).map_or_else(|| label.clone(), |e| e.0.clone());
        let value = |label: &str, value: &Arc<str>| {
            let known = self.postings.get(label).and_then(|values| values.get_key_value(&**value));
            known.map_or_else(|| value.clone(), |(value, _)| value.clone())
        };
        let name = value(METRIC_NAME, &labels.name);
        if let Some(same) = self.lately.iter().find(|pairs| **pairs == labels.pairs) {
            return Labels { name, pairs: same.clone() };
        }
        let pairs: Pairs = labels.pairs.iter().map(|(l, v)| (label(l), value(l, v))).collect();
        self.lately.truncate(LATELY - 1);
        self.lately.push_front(pairs.clone());
        Labels { name, pairs }
    }

    /// Returns the values that a label is known to have.
    pub fn values(&self, label: &str) -> Vec<Arc<str>> {
        self.postings.get(label).map(|values| values.keys().cloned().collect()).unwrap_or_default()
    }

    /// Returns the slots of the series that satisfy all conditions, ascending.
    pub fn matching(&self, wanted: &[Wanted<'_>]) -> Vec<usize> {
        let fits = |slot: &usize| self.at(*slot).is_some_and(|l| wanted.iter().all(|w| w.matches_labels(l)));
        let narrow = wanted.iter().filter(|w| !w.matches("")).map(|w| self.lists(w));
        let Some(lists) = narrow.min_by_key(|lists| lists.iter().map(|l| l.len()).sum::<usize>()) else {
            return (0..self.sets.len()).filter(fits).collect();
        };
        let mut slots: Vec<usize> = lists.into_iter().flatten().copied().map(usize_of).filter(fits).collect();
        slots.sort_unstable();
        slots
    }

    /// Lists of the slots that may satisfy a condition which nothing empty satisfies; each slot is in one of them.
    fn lists(&self, wanted: &Wanted<'_>) -> Vec<&Vec<u32>> {
        let Some(values) = self.postings.get(wanted.name()) else { return Vec::new() };
        match wanted {
            Wanted::Plain(Matcher { op: MatchOp::Equal, value, .. }) => values.get(value).into_iter().collect(),
            Wanted::Plain(_) => {
                values.iter().filter(|(value, _)| wanted.matches(value)).map(|(_, list)| list).collect()
            }
            Wanted::Answered { fitting, .. } => fitting.iter().filter_map(|value| values.get(value)).collect(),
        }
    }

    /// Fills in what is about label sets.
    pub fn stats(&self, stats: &mut HistoryStats) {
        let top = |mut counted: Vec<(String, usize)>| {
            counted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            counted.truncate(TOP);
            counted
        };
        let bytes = |values: &HashMap<Arc<str>, Vec<u32>>| values.keys().map(|v| v.len()).sum::<usize>();
        let all =
            || self.postings.iter().flat_map(|(l, values)| values.iter().map(move |(v, list)| (l, v, list.len())));
        stats.series = self.living;
        stats.label_pairs = self.postings.values().map(HashMap::len).sum();
        stats.by_label = top(self.postings.iter().map(|(l, values)| (l.to_string(), values.len())).collect());
        stats.by_bytes = top(self.postings.iter().map(|(l, values)| (l.to_string(), bytes(values))).collect());
        stats.by_pair = top(all().map(|(l, v, n)| (format!("{l}={v}"), n)).collect());
        let names = self.postings.get(METRIC_NAME).into_iter().flatten();
        stats.by_name = top(names.map(|(name, list)| (name.to_string(), list.len())).collect());
    }

    /// Returns the label sets of some ids, sorted, each once.
    pub fn sorted(&self, ids: impl Iterator<Item = i64>) -> Vec<Labels> {
        let sets: BTreeSet<&Labels> = ids.filter_map(|id| self.labels(id)).collect();
        sets.into_iter().cloned().collect()
    }
}

fn pairs(labels: &Labels) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
    /// Kept once, as every label's name is.
    static NAME: std::sync::LazyLock<Arc<str>> = std::sync::LazyLock::new(|| METRIC_NAME.into());
    std::iter::once((&*NAME, &labels.name)).chain(labels.pairs.iter().map(|(label, value)| (label, value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::wanted;

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
            let wanted = wanted::answered(&matchers, |label| index.values(label));
            let found: Vec<i64> = index.matching(&wanted).into_iter().filter_map(|slot| index.id_at(slot)).collect();
            assert_eq!(found, ids, "{matchers:?}");
        };
        check(&[("__name__", "=", "up")], &[1, 2, 3]);
        check(&[("__name__", "=", "up"), ("node", "=", "")], &[1]);
        check(&[("__name__", "=", "up"), ("node", "!=", "n1")], &[1, 3]);
        check(&[("job", "=~", "e.*|kubelet"), ("node", "=~", "n.")], &[2, 3, 4]);
        check(&[("__name__", "=~", "u.|y")], &[1, 2, 3]);
        check(&[("node", "=~", "n.|"), ("node", "!=", "n1")], &[1, 3]);
        check(&[("node", "!~", "n.")], &[1]);
        check(&[("node", "=~", "n."), ("node", "!~", "n2"), ("job", "!=", "etcd")], &[2]);
        check(&[("node", "=", "")], &[1]);
        check(&[("nowhere", "=", "x")], &[]);
        check(&[("__name__", "=", "up"), ("job", "=", "nowhere")], &[]);
        check(&[], &[1, 2, 3, 4]);
    }

    #[test]
    fn what_is_removed_leaves_nothing_behind() {
        let mut index = index();
        (1..=4).for_each(|id| index.remove(id));
        assert!(index.postings.is_empty() && index.by_text.is_empty() && index.by_address.is_empty());
        assert_eq!(index.len(), 0);
        let slot = index.add(&Labels::new("up", [("a", "b")])).unwrap();
        assert_eq!(index.id_at(slot), Some(5), "ids are not given twice");
    }

    #[test]
    fn a_label_set_is_found_by_its_text_and_by_its_address() {
        let mut index = index();
        let given = Labels::new("up", [("job", "kubelet"), ("node", "n2")]);
        let kept = index.labels(3).unwrap().clone();
        assert_eq!((index.id(&given), index.id(&kept)), (Some(3), Some(3)));
        index.put(9, given.clone());
        assert_eq!((index.id(&given), index.id(&kept)), (Some(9), Some(3)), "the newer one is the living one");
        assert_eq!(index.put(9, given.clone()), None, "ids ascend");
        index.remove(3);
        assert_eq!((index.id(&given), index.id(&kept)), (Some(9), Some(9)));
    }

    #[test]
    fn series_that_differ_in_their_name_alone_share_their_labels() {
        let mut index = Index::default();
        for name in ["up", "probe_success"] {
            index.add(&Labels::new(name, [("job", "kubelet"), ("node", "n1")]));
        }
        let at = |slot| index.at(slot).unwrap();
        assert!(Arc::ptr_eq(&at(0).pairs, &at(1).pairs) && at(0).name != at(1).name);
    }

    #[test]
    fn gaps_are_closed_and_ids_stay() {
        let mut index = Index::default();
        let set = |i: usize| Labels::new("m", [("i", i.to_string())]);
        (0..4 * GONE_MIN).for_each(|i| assert!(index.add(&set(i)).is_some()));
        (1..GONE_MIN).for_each(|id| index.remove(id as i64));
        assert_eq!(index.close_gaps(), None, "not enough of them");
        index.remove(2 * GONE_MIN as i64);
        let stays = index.close_gaps().unwrap();
        assert_eq!((stays.len(), stays.iter().filter(|s| **s).count()), (4 * GONE_MIN, 3 * GONE_MIN));
        assert_eq!((index.id(&set(GONE_MIN)), index.id(&set(0))), (Some(GONE_MIN as i64 + 1), None));
        let ids: Vec<i64> = index.after(2 * GONE_MIN as i64 - 2).take(2).map(|(id, _)| id).collect();
        assert_eq!(ids, [2 * GONE_MIN as i64 - 1, 2 * GONE_MIN as i64 + 1]);
    }
}
