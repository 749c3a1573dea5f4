//! The head, as in Prometheus: the newest samples, in memory, and the index of all series. Queries see them at once, the
//! writer packs them later.
//!
//! A sample is here from its arrival until the transaction that packed it has been committed, so that whoever looks here
//! first and into the file second misses nothing (and may see a sample twice, at the same time with the same value).
//! A full or failing disk changes nothing here; only [`SAMPLES_MAX`] does.
//!
//! Samples are packed here too, as they come (`pack::Growing`): a series costs some 300 bytes with its labels and hardly
//! more for what does not change. A sample that comes out of turn, which is rare, lies beside them.

use std::{
    collections::HashMap,
    hash::BuildHasher,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use hashbrown::DefaultHashBuilder;

use super::{
    HistoryStats,
    index::{self, Index},
    wanted::{self, Wanted},
};
use crate::{
    model::{Labels, Matcher, Sample},
    pack::{Growing, Moments, Points},
};

/// Samples in memory: two hours of 5,000 targets, some 100 MB, should the disk not take them. The oldest go first then.
pub const SAMPLES_MAX: usize = 30_000_000;
/// Series of any age: 5,000 targets with 100 series each, and as many that are gone.
pub const SERIES_MAX: usize = 1_000_000;

/// Nothing is packed.
const NOTHING: (i64, i64) = (i64::MAX, i64::MIN);
/// Series with these labels alike are measured together.
const SOURCE_LABELS: [&str; 3] = ["cluster", "job", "instance"];

/// The samples of one series that are not packed in the file, and when those are that are.
#[derive(Debug)]
struct Recent {
    values: Growing,
    /// Whose times its values have.
    source: u32,
    /// Bounds of what is packed; empty where `first > last`.
    packed: (i64, i64),
}

impl Default for Recent {
    fn default() -> Self {
        Self { values: Growing::default(), source: 0, packed: NOTHING }
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
    /// By the slot of the label set.
    recent: Vec<Recent>,
    sources: Vec<Moments>,
    /// Places in `sources` that nobody uses.
    unused: Vec<u32>,
    /// By the hash of their labels: the source that was made last.
    by_labels: HashMap<u64, u32>,
    hasher: DefaultHashBuilder,
    /// By slot: samples that came out of turn.
    strays: HashMap<usize, Points>,
    samples: usize,
    /// Times up to this (milliseconds) may be rolled up.
    pub rolled_until: Option<i64>,
}

impl Head {
    /// Returns the index of label sets.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Takes a label set and the bounds of what is packed of it from the file, in the order of the ids.
    pub fn known(&mut self, id: i64, labels: Labels, packed: (i64, i64)) {
        if self.index.put(id, labels).is_some() {
            self.enter(Recent { packed, ..Recent::default() });
        }
    }

    fn enter(&mut self, recent: Recent) {
        index::make_room(&mut self.recent);
        self.recent.push(recent);
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
        let (slot, new) = match self.index.find(&sample.labels) {
            Some(slot) => (slot, false),
            None if self.index.len() >= SERIES_MAX => return Taken::TooManySeries,
            None => {
                let Some(slot) = self.index.add(&sample.labels) else { return Taken::TooManySeries };
                self.enter(Recent::default());
                (slot, true)
            }
        };
        let Some(id) = self.index.id_at(slot) else { return Taken::TooManySeries };
        if self.put_at(slot, at, sample.value) { Taken::In(id, new) } else { Taken::Duplicate }
    }

    /// Puts a sample of a known series in its place. False where there is one at this millisecond, or no such series.
    pub fn put(&mut self, id: i64, at_ms: i64, value: f64) -> bool {
        self.index.slot(id).is_some_and(|slot| self.put_at(slot, at_ms, value))
    }

    fn put_at(&mut self, slot: usize, at_ms: i64, value: f64) -> bool {
        if !self.strays.is_empty() && self.strays.get(&slot).is_some_and(|p| p.at_ms.binary_search(&at_ms).is_ok()) {
            return false;
        }
        if self.recent.get(slot).is_none_or(|recent| recent.values.is_empty()) {
            self.join(slot, at_ms);
        }
        let Some(recent) = self.recent.get_mut(slot) else { return false };
        let Some(moments) = self.sources.get_mut(recent.source as usize) else { return false };
        let moment = moments.place(at_ms);
        if moment.is_some() && moment == recent.values.newest() {
            return false;
        }
        let is_after = moment.is_some_and(|moment| recent.values.push(moment, value));
        let taken = is_after || self.stray(slot, moment, at_ms, value);
        self.samples += usize::from(taken);
        taken
    }

    /// Finds out with whom a series is measured: others with the same labels have just got a sample of the same time.
    fn join(&mut self, slot: usize, at_ms: i64) {
        let Some(labels) = self.index.at(slot) else { return };
        let key = self.hasher.hash_one(SOURCE_LABELS.map(|label| labels.get(label)));
        let newest = |source: &u32| self.sources.get(*source as usize).and_then(Moments::newest_ms);
        let known = self.by_labels.get(&key).copied().filter(|source| newest(source) == Some(at_ms));
        let source = known.unwrap_or_else(|| {
            let source = self.unused.pop().unwrap_or_else(|| {
                self.sources.push(Moments::default());
                u32::try_from(self.sources.len() - 1).unwrap_or(u32::MAX)
            });
            self.by_labels.insert(key, source);
            source
        });
        if let Some(recent) = self.recent.get_mut(slot) {
            recent.source = source;
        }
    }

    /// Puts a sample beside the others. False where the series has one at this moment.
    fn stray(&mut self, slot: usize, moment: Option<u32>, at_ms: i64, value: f64) -> bool {
        let is_there =
            |moment| self.recent.get(slot).is_some_and(|r| r.values.values().any(|(there, _)| there == moment));
        if moment.is_some_and(is_there) {
            return false;
        }
        let points = self.strays.entry(slot).or_default();
        let place = points.at_ms.partition_point(|at| *at < at_ms);
        points.at_ms.insert(place, at_ms);
        points.values.insert(place, value);
        true
    }

    /// Returns the samples of a slot in a range, in time order.
    fn within(&self, slot: usize, from_ms: i64, to_ms: i64) -> Points {
        let mut points = Points::default();
        let Some(recent) = self.recent.get(slot) else { return points };
        if let Some(moments) = self.sources.get(recent.source as usize) {
            let from = moments.not_before(from_ms);
            let most = recent.values.newest().and_then(|newest| newest.checked_sub(from.max(recent.values.first())));
            points.reserve(most.map_or(0, |more| more as usize + 1));
            let values = recent.values.values_from(from);
            let timed = values.filter_map(|(moment, value)| Some((moments.at_ms(moment)?, value)));
            for (at_ms, value) in timed.take_while(|(at, _)| *at <= to_ms) {
                points.push(at_ms, value);
            }
        }
        match self.strays.get(&slot) {
            Some(strays) => {
                let low = strays.at_ms.partition_point(|at| *at < from_ms);
                let high = strays.at_ms.partition_point(|at| *at <= to_ms).max(low);
                points.with(&strays.part(low..high))
            }
            None => points,
        }
    }

    fn overlaps(&self, slot: usize, from_ms: i64, to_ms: i64) -> bool {
        let meets = |(first, last): (i64, i64)| first <= to_ms && last >= from_ms;
        self.recent.get(slot).is_some_and(|r| meets(r.packed)) || self.bounds_of(slot).is_some_and(meets)
    }

    /// Times of the first and the last sample in a slot.
    fn bounds_of(&self, slot: usize) -> Option<(i64, i64)> {
        let recent = self.recent.get(slot)?;
        let strays = self.strays.get(&slot).and_then(Points::bounds);
        let grown = recent.values.newest().and_then(|newest| {
            let moments = self.sources.get(recent.source as usize)?;
            Some((moments.at_ms(recent.values.first())?, moments.at_ms(newest)?))
        });
        strays.into_iter().chain(grown).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// Iterates over every sample in memory.
    pub fn all(&self) -> impl Iterator<Item = (&Labels, i64, f64)> {
        (0..self.recent.len()).filter_map(|slot| Some((self.index.at(slot)?, slot))).flat_map(|(labels, slot)| {
            let points = self.within(slot, i64::MIN, i64::MAX);
            points.at_ms.into_iter().zip(points.values).map(move |(at_ms, value)| (labels, at_ms, value))
        })
    }

    /// Returns the number of samples in memory.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.samples
    }

    /// Returns whether a series is known.
    pub fn knows(&self, id: i64) -> bool {
        self.index.slot(id).is_some()
    }

    /// Returns the ids of series that satisfy all conditions and may have samples in the range, ascending.
    pub fn matching(&self, wanted: &[Wanted<'_>], from_ms: i64, to_ms: i64) -> Vec<i64> {
        let slots = self.index.matching(wanted).into_iter().filter(|slot| self.overlaps(*slot, from_ms, to_ms));
        slots.filter_map(|slot| self.index.id_at(slot)).collect()
    }

    /// Returns the labels and recent samples of a series.
    pub fn read(&self, id: i64, from_ms: i64, to_ms: i64) -> Option<(Labels, Points)> {
        let slot = self.index.slot(id)?;
        Some((self.index.at(slot)?.clone(), self.within(slot, from_ms, to_ms)))
    }

    /// Returns series above `after` with samples before `boundary_ms`, and those samples; about `samples` of them in all.
    pub fn before(&self, boundary_ms: i64, after: i64, samples: usize) -> Vec<(i64, Points)> {
        let mut taken = 0;
        let mut out = Vec::new();
        for (id, _) in self.index.after(after) {
            let Some(slot) = self.index.slot(id) else { continue };
            let points = self.within(slot, i64::MIN, boundary_ms - 1);
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

    /// Removes samples that are packed now. One that has arrived out of turn meanwhile stays.
    pub fn packed(&mut self, id: i64, points: &Points) {
        let Some(slot) = self.index.slot(id) else { return };
        self.keep(slot, |at_ms| points.at_ms.binary_search(&at_ms).is_err());
        if let (Some((first, last)), Some(recent)) = (points.bounds(), self.recent.get_mut(slot)) {
            recent.packed = (recent.packed.0.min(first), recent.packed.1.max(last));
        }
    }

    /// Keeps only some of a slot's samples, by their times. Returns how many went.
    fn keep(&mut self, slot: usize, stays: impl Fn(i64) -> bool) -> usize {
        let Some(recent) = self.recent.get_mut(slot) else { return 0 };
        let Some(moments) = self.sources.get(recent.source as usize) else { return 0 };
        let (mut gone, mut left) = (0, Growing::default());
        for (moment, value) in recent.values.values() {
            let kept = moments.at_ms(moment).is_some_and(&stays) && left.push(moment, value);
            gone += usize::from(!kept);
        }
        if gone > 0 {
            recent.values = left;
        }
        if let Some(strays) = self.strays.get_mut(&slot) {
            let before = strays.len();
            let old = std::mem::take(strays);
            let both = old.at_ms.into_iter().zip(old.values);
            both.filter(|(at_ms, _)| stays(*at_ms)).for_each(|(at_ms, value)| strays.push(at_ms, value));
            gone += before - strays.len();
            if strays.is_empty() {
                self.strays.remove(&slot);
            }
        }
        self.samples = self.samples.saturating_sub(gone);
        gone
    }

    /// Forgets times that no sample has any more, after some samples went.
    pub fn tidy(&mut self) {
        let mut first = vec![None; self.sources.len()];
        for recent in self.recent.iter().filter(|r| !r.values.is_empty()) {
            if let Some(first) = first.get_mut(recent.source as usize) {
                *first = Some(first.map_or(recent.values.first(), |f: u32| f.min(recent.values.first())));
            }
        }
        self.unused.clear();
        for (i, (moments, first)) in self.sources.iter_mut().zip(&first).enumerate() {
            match first {
                Some(first) => moments.forget_before(*first),
                None => {
                    *moments = Moments::default();
                    self.unused.extend(u32::try_from(i));
                }
            }
        }
        self.by_labels.retain(|_, source| first.get(*source as usize).is_some_and(Option::is_some));
    }

    /// Returns the bounds of what is packed of a series, Unix milliseconds.
    pub fn packed_bounds(&self, id: i64) -> Option<(i64, i64)> {
        self.recent.get(self.index.slot(id)?).map(|r| r.packed)
    }

    /// Notes that nothing of a series is in the file any more. Returns true where nothing is in memory either: it is
    /// forgotten.
    pub fn emptied(&mut self, id: i64) -> bool {
        let Some(slot) = self.index.slot(id) else { return true };
        let empty = self.bounds_of(slot).is_none();
        if let Some(recent) = self.recent.get_mut(slot) {
            recent.packed = NOTHING;
        }
        if empty {
            self.index.remove(id);
            self.close_gaps();
        }
        empty
    }

    fn close_gaps(&mut self) {
        let Some(stays) = self.index.close_gaps() else { return };
        let mut next = 0..;
        let moved: Vec<Option<usize>> = stays.iter().map(|stays| if *stays { next.next() } else { None }).collect();
        let strays = std::mem::take(&mut self.strays);
        self.strays = strays.into_iter().filter_map(|(slot, p)| Some(((*moved.get(slot)?)?, p))).collect();
        let mut stays = stays.into_iter();
        self.recent.retain(|_| stays.next().unwrap_or(true));
    }

    /// Removes the older half of every series' samples where [`SAMPLES_MAX`] is exceeded. Returns how many went.
    pub fn shed(&mut self) -> usize {
        if self.samples <= SAMPLES_MAX {
            return 0;
        }
        let mut gone = 0;
        for slot in 0..self.recent.len() {
            let times = self.within(slot, i64::MIN, i64::MAX).at_ms;
            if let Some(middle) = times.get(times.len() / 2).copied() {
                gone += self.keep(slot, |at_ms| at_ms >= middle);
            }
        }
        self.tidy();
        gone
    }

    /// Returns the times of the oldest and the newest sample in memory, Unix milliseconds.
    pub fn bounds(&self) -> Option<(i64, i64)> {
        let strays = self.strays.values().filter_map(Points::bounds);
        let sources = self.sources.iter().filter_map(|m| Some((m.oldest_ms()?, m.newest_ms()?)));
        strays.chain(sources).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
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
        let packed = self.recent.iter().map(|r| r.packed).filter(|(first, last)| first <= last && *last > rolled_ms);
        let packed = packed.map(|(first, _)| first.max(rolled_ms.saturating_add(1))).min();
        [packed, self.bounds().map(|b| b.0)].into_iter().flatten().min()
    }

    /// Notes that what is packed of a series begins at this time.
    pub fn begins(&mut self, id: i64, at_ms: i64) {
        let slot = self.index.slot(id);
        if let Some(recent) = slot.and_then(|slot| self.recent.get_mut(slot)) {
            recent.packed.0 = recent.packed.0.max(at_ms);
        }
    }

    /// Returns numbers about it.
    pub fn stats(&self) -> HistoryStats {
        let bounds = self.bounds();
        let mut stats = HistoryStats {
            head_series: (0..self.recent.len()).filter(|slot| self.bounds_of(*slot).is_some()).count(),
            head_samples: self.samples as u64,
            head_min_ms: bounds.map(|b| b.0),
            head_max_ms: bounds.map(|b| b.1),
            ..HistoryStats::default()
        };
        self.index.stats(&mut stats);
        stats
    }
}

/// Returns the ids of series that satisfy the matchers and may have samples in the range, ascending.
pub fn find(head: &RwLock<Head>, matchers: &[Matcher], from_ms: i64, to_ms: i64) -> Vec<i64> {
    // The lock is held while the values are listed, not while they are compared.
    let wanted = wanted::answered(matchers, |label| read_lock(head).index().values(label));
    read_lock(head).matching(&wanted, from_ms, to_ms)
}

/// Locks the head for reading.
pub fn read_lock(head: &RwLock<Head>) -> RwLockReadGuard<'_, Head> {
    head.read().unwrap_or_else(PoisonError::into_inner)
}

/// Locks the head for writing.
pub fn write_lock(head: &RwLock<Head>) -> RwLockWriteGuard<'_, Head> {
    head.write().unwrap_or_else(PoisonError::into_inner)
}
