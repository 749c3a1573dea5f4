//! The head, as in Prometheus: the newest samples, in memory, and the index of all series. Queries see them at once, the
//! writer packs them later.
//!
//! A sample is here from its arrival until the transaction that packed it has been committed, so that whoever looks here
//! first and into the file second misses nothing (and may see a sample twice, at the same time with the same value).
//! A full or failing disk changes nothing here; only [`SAMPLES_MAX`] does.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::{HistoryStats, index::Index};
use crate::{
    model::{Labels, Sample},
    pack::Points,
};

/// Samples in memory: two hours of 5,000 targets, some 500 MB, should the disk not take them. The oldest go first then.
pub const SAMPLES_MAX: usize = 30_000_000;
/// Series of any age: 5,000 targets with 100 series each, and as many that are gone.
pub const SERIES_MAX: usize = 1_000_000;

/// The samples of one series that are not packed, and when its packed ones are.
#[derive(Debug)]
struct Recent {
    at_ms: Vec<i64>,
    values: Vec<f64>,
    /// Bounds of what is packed; empty where `first > last`.
    packed: (i64, i64),
}

impl Default for Recent {
    fn default() -> Self {
        Self { at_ms: Vec::new(), values: Vec::new(), packed: (i64::MAX, i64::MIN) }
    }
}

impl Recent {
    fn overlaps(&self, from_ms: i64, to_ms: i64) -> bool {
        let packed = self.packed.0 <= to_ms && self.packed.1 >= from_ms;
        packed || self.at_ms.first().zip(self.at_ms.last()).is_some_and(|(a, b)| *a <= to_ms && *b >= from_ms)
    }

    fn within(&self, from_ms: i64, to_ms: i64) -> Points {
        let low = self.at_ms.partition_point(|t| *t < from_ms);
        let high = low + self.at_ms[low..].partition_point(|t| *t <= to_ms);
        Points { at_ms: self.at_ms[low..high].to_vec(), values: self.values[low..high].to_vec(), ..Points::default() }
    }
}

/// Says what became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is in: `(series, whether the series is new)`.
    In(i64, bool),
    /// The series has a sample at this millisecond: the first one stays, as in Prometheus.
    Duplicate,
    /// [`SERIES_MAX`].
    TooManySeries,
    /// Older than what is kept.
    TooOld,
}

/// Holds the newest samples and the index of all series.
#[derive(Debug, Default)]
pub struct Head {
    index: Index,
    recent: HashMap<i64, Recent>,
    samples: usize,
    /// Times up to this (milliseconds) may be rolled up.
    pub rolled_until: Option<i64>,
}

impl Head {
    /// Returns the index of label sets.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Takes a label set and the bounds of what is packed of it from the file.
    pub fn known(&mut self, id: i64, labels: Labels, packed: (i64, i64)) {
        self.index.put(id, labels);
        self.recent.insert(id, Recent { packed, ..Recent::default() });
    }

    /// Reserves an id: no new series gets it.
    pub fn reserve(&mut self, id: i64) {
        self.index.reserve(id);
    }

    /// Takes a sample. It may be older than others of its series: it is put in its place.
    pub fn insert(&mut self, sample: &Sample, oldest_ms: i64) -> Taken {
        let at = sample.at.as_millisecond();
        if at < oldest_ms {
            return Taken::TooOld;
        }
        let (id, new) = match self.index.id(&sample.labels) {
            Some(id) => (id, false),
            None if self.index.len() >= SERIES_MAX => return Taken::TooManySeries,
            None => (self.index.add(&sample.labels), true),
        };
        if self.put(id, at, sample.value) { Taken::In(id, new) } else { Taken::Duplicate }
    }

    /// Puts a sample of a known series in its place. False where there is one at this millisecond.
    pub fn put(&mut self, id: i64, at_ms: i64, value: f64) -> bool {
        let recent = self.recent.entry(id).or_default();
        match recent.at_ms.last() {
            Some(last) if *last >= at_ms => match recent.at_ms.binary_search(&at_ms) {
                Ok(_) => return false,
                Err(place) => {
                    recent.at_ms.insert(place, at_ms);
                    recent.values.insert(place, value);
                }
            },
            _ => {
                recent.at_ms.push(at_ms);
                recent.values.push(value);
            }
        }
        self.samples += 1;
        true
    }

    /// Iterates over every sample in memory.
    pub fn all(&self) -> impl Iterator<Item = (&Labels, i64, f64)> {
        self.recent
            .iter()
            .filter_map(|(id, r)| Some((self.index.labels(*id)?, r)))
            .flat_map(|(labels, r)| r.at_ms.iter().zip(&r.values).map(move |(at_ms, value)| (labels, *at_ms, *value)))
    }

    /// Returns the number of samples in memory.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.samples
    }

    /// Returns whether a series is known.
    pub fn knows(&self, id: i64) -> bool {
        self.index.labels(id).is_some()
    }

    /// Returns the ids of series that satisfy the matchers and may have samples in the range.
    pub fn matching(&self, matchers: &[crate::model::Matcher], from_ms: i64, to_ms: i64) -> Vec<i64> {
        let mut ids = self.index.matching(matchers);
        ids.retain(|id| self.recent.get(id).is_some_and(|r| r.overlaps(from_ms, to_ms)));
        ids
    }

    /// Returns the labels and recent samples of a series.
    pub fn read(&self, id: i64, from_ms: i64, to_ms: i64) -> Option<(Labels, Points)> {
        let labels = self.index.labels(id)?.clone();
        Some((labels, self.recent.get(&id).map(|r| r.within(from_ms, to_ms)).unwrap_or_default()))
    }

    /// Returns series above `after` with samples before `boundary_ms`, and those samples; about `samples` of them in all.
    pub fn before(&self, boundary_ms: i64, after: i64, samples: usize) -> Vec<(i64, Points)> {
        let mut taken = 0;
        let mut out = Vec::new();
        for (id, _) in self.index.after(after) {
            let Some(recent) = self.recent.get(&id) else { continue };
            let points = recent.within(i64::MIN, boundary_ms - 1);
            if points.is_empty() {
                continue;
            }
            taken += points.len();
            out.push((id, points));
            if taken >= samples {
                break;
            }
        }
        out
    }

    /// Removes samples that are packed now.
    pub fn packed(&mut self, id: i64, points: &Points) {
        let Some(recent) = self.recent.get_mut(&id) else { return };
        let before = recent.at_ms.len();
        if recent.at_ms.starts_with(&points.at_ms) {
            recent.at_ms.drain(..points.len());
            recent.values.drain(..points.len());
        } else {
            // One has arrived out of order meanwhile: it stays.
            let kept = |at: &i64| points.at_ms.binary_search(at).is_err();
            let pairs = recent.at_ms.iter().copied().zip(recent.values.iter().copied());
            (recent.at_ms, recent.values) = pairs.filter(|(at, _)| kept(at)).unzip();
        }
        self.samples -= before - recent.at_ms.len();
        // What a burst took is given back.
        if recent.at_ms.capacity() > 64 && recent.at_ms.len() * 4 < recent.at_ms.capacity() {
            recent.at_ms.shrink_to(recent.at_ms.len() * 2);
            recent.values.shrink_to(recent.at_ms.len() * 2);
        }
        if let (Some(first), Some(last)) = (points.at_ms.first(), points.at_ms.last()) {
            recent.packed = (recent.packed.0.min(*first), recent.packed.1.max(*last));
        }
    }

    /// Returns the bounds of what is packed of a series, Unix milliseconds.
    pub fn packed_bounds(&self, id: i64) -> Option<(i64, i64)> {
        self.recent.get(&id).map(|r| r.packed)
    }

    /// Notes that nothing of a series is in the file any more. Returns true where nothing is in memory either: it is
    /// forgotten.
    pub fn emptied(&mut self, id: i64) -> bool {
        let empty = self.recent.get(&id).is_none_or(|r| r.at_ms.is_empty());
        if empty {
            self.recent.remove(&id);
            self.index.remove(id);
        } else if let Some(recent) = self.recent.get_mut(&id) {
            recent.packed = (i64::MAX, i64::MIN);
        }
        empty
    }

    /// Removes the older half of every series' samples where [`SAMPLES_MAX`] is exceeded. Returns how many went.
    pub fn shed(&mut self) -> usize {
        if self.samples <= SAMPLES_MAX {
            return 0;
        }
        let mut gone = 0;
        for recent in self.recent.values_mut() {
            let half = recent.at_ms.len() / 2;
            recent.at_ms.drain(..half);
            recent.values.drain(..half);
            gone += half;
        }
        self.samples -= gone;
        gone
    }

    /// Returns the times of the oldest and the newest sample in memory, Unix milliseconds.
    pub fn bounds(&self) -> Option<(i64, i64)> {
        let bounds = |r: &Recent| r.at_ms.first().copied().zip(r.at_ms.last().copied());
        self.recent.values().filter_map(bounds).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// Returns where history begins: the oldest sample or bucket of any series, in memory or packed. Nothing is older; what is
    /// packed may begin a window later.
    pub fn oldest_ms(&self) -> Option<i64> {
        self.oldest_after(i64::MIN)
    }

    /// Returns the same of samples that are not rolled up.
    pub fn oldest_sample_ms(&self) -> Option<i64> {
        self.oldest_after(self.rolled_until.unwrap_or(i64::MIN))
    }

    fn oldest_after(&self, rolled_ms: i64) -> Option<i64> {
        let packed = self.recent.values().map(|r| r.packed).filter(|(first, last)| first <= last && *last > rolled_ms);
        let packed = packed.map(|(first, _)| first.max(rolled_ms.saturating_add(1))).min();
        [packed, self.bounds().map(|b| b.0)].into_iter().flatten().min()
    }

    /// Notes that what is packed of a series begins at this time.
    pub fn begins(&mut self, id: i64, at_ms: i64) {
        if let Some(recent) = self.recent.get_mut(&id) {
            recent.packed.0 = recent.packed.0.max(at_ms);
        }
    }

    /// Returns numbers about it.
    pub fn stats(&self) -> HistoryStats {
        let mut stats = HistoryStats {
            head_series: self.recent.values().filter(|r| !r.at_ms.is_empty()).count(),
            head_samples: self.samples as u64,
            head_min_ms: self.bounds().map(|b| b.0),
            head_max_ms: self.bounds().map(|b| b.1),
            ..HistoryStats::default()
        };
        self.index.stats(&mut stats);
        stats
    }
}

/// Locks the head for reading.
pub fn read_lock(head: &RwLock<Head>) -> RwLockReadGuard<'_, Head> {
    head.read().unwrap_or_else(PoisonError::into_inner)
}

/// Locks the head for writing.
pub fn write_lock(head: &RwLock<Head>) -> RwLockWriteGuard<'_, Head> {
    head.write().unwrap_or_else(PoisonError::into_inner)
}
