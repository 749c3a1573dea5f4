//! Where the samples of a query come from: the store, memory (tests of rules), or both (rules played over the history).

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use crate::{
    model::{Labels, Matcher, Sample},
    pack::{Packed, Points},
    store::{GoOn, Store, StoreError},
};

/// Samples of this process only. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<RwLock<BTreeMap<Labels, Points>>>);

impl Memory {
    /// Takes samples, each series' in the order of time; one that is not newer than its series' last is left out.
    pub fn append(&self, samples: &[Sample]) {
        let mut series = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for sample in samples {
            let points = series.entry(sample.labels.clone()).or_default();
            let at_ms = sample.at.as_millisecond();
            if points.at_ms.last().is_none_or(|last| *last < at_ms) {
                points.push(at_ms, sample.value);
            }
        }
    }

    fn select(&self, matchers: &[Matcher], from_ms: i64, to_ms: i64) -> Vec<Packed> {
        let series = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let wanted = series.iter().filter(|(labels, points)| {
            let (first, last) = (points.at_ms.first(), points.at_ms.last());
            first.is_some_and(|at| *at <= to_ms)
                && last.is_some_and(|at| *at >= from_ms)
                && matchers.iter().all(|m| m.matches_labels(labels))
        });
        wanted
            .map(|(labels, points)| {
                let low = points.at_ms.partition_point(|at| *at < from_ms);
                let high = points.at_ms.partition_point(|at| *at <= to_ms);
                let mut part = Points::default();
                (low..high).for_each(|i| part.push(points.at_ms[i], points.values[i]));
                Packed::plain(labels.clone(), part)
            })
            .collect()
    }
}

/// Says where a query finds its series. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Source {
    /// History.
    Store(Store),
    /// Memory alone.
    Memory(Memory),
    /// History, and memory on top of it: a series that memory has is memory's alone.
    Over(Store, Memory),
}

impl Source {
    /// As [`Store::select_while`].
    pub(super) fn select(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
        go_on: &GoOn<'_>,
    ) -> Result<Vec<Packed>, StoreError> {
        match self {
            Self::Store(store) => store.select_while(matchers, from_ms, to_ms, go_on),
            Self::Memory(memory) => Ok(memory.select(matchers, from_ms, to_ms)),
            Self::Over(store, memory) => {
                let mut found = store.select_while(matchers, from_ms, to_ms, go_on)?;
                let mine = memory.select(matchers, from_ms, to_ms);
                found.retain(|series| mine.iter().all(|m| m.labels != series.labels));
                found.extend(mine);
                Ok(found)
            }
        }
    }
}
