//! Rows that were read lately: a dashboard asks for the same ones again and again.
//!
//! Never stale: times are remembered by an id that is given once, values by their row and the id of their times, which
//! changes whenever the row does. What does not fit makes everything go; the next queries bring back what is wanted.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use crate::pack::{Times, Values};

/// Bytes of packed values and their hot pages: 5,000 series for a day, or a month of a hundred.
const VALUES_MAX_BYTES: usize = 96 << 20;
/// Bytes of times, unpacked: 500 targets for a day at 10 s.
const TIMES_MAX_BYTES: usize = 32 << 20;
/// What the page of a row takes that was unpacked last.
const HOT_BYTES: usize = 4 << 10;
/// An unpacked time, and roughly how many a packed byte may become: regular times take a tenth of a byte.
const TIMES_PER_BYTE: usize = 8 * 10;

/// Holds what was read of the file lately, up to a weight in bytes.
#[derive(Debug, Default)]
pub struct Cache {
    times: Shelf<i64, Times>,
    values: Shelf<(i64, i64), Values>,
}

impl Cache {
    /// Returns times by their id; reads them where they are not held.
    pub fn times(
        &self,
        id: i64,
        read: impl FnOnce() -> rusqlite::Result<Option<Vec<u8>>>,
    ) -> rusqlite::Result<Option<Arc<Times>>> {
        self.times.get(id, TIMES_MAX_BYTES, || {
            let bytes = read()?;
            Ok(bytes.map(|bytes| (bytes.len() * TIMES_PER_BYTE, Times::packed(bytes))))
        })
    }

    /// Returns values by their row and the id of its times; reads them where they are not held.
    pub fn values(
        &self,
        key: (i64, i64),
        read: impl FnOnce() -> rusqlite::Result<Option<Vec<u8>>>,
    ) -> rusqlite::Result<Option<Arc<Values>>> {
        self.values
            .get(key, VALUES_MAX_BYTES, || Ok(read()?.map(|bytes| (bytes.len() + HOT_BYTES, Values::packed(bytes)))))
    }

    /// Forgets everything: the file is another one now.
    pub fn clear(&self) {
        self.times.clear();
        self.values.clear();
    }
}

#[derive(Debug)]
struct Shelf<K, V>(Mutex<(HashMap<K, Arc<V>>, usize)>);

impl<K, V> Default for Shelf<K, V> {
    fn default() -> Self {
        Self(Mutex::new((HashMap::new(), 0)))
    }
}

impl<K: Eq + Hash + Copy, V> Shelf<K, V> {
    fn get(
        &self,
        key: K,
        max_bytes: usize,
        read: impl FnOnce() -> rusqlite::Result<Option<(usize, Arc<V>)>>,
    ) -> rusqlite::Result<Option<Arc<V>>> {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known().0.get(&key) {
            return Ok(Some(found.clone()));
        }
        let Some((bytes, value)) = read()? else { return Ok(None) };
        let mut known = known();
        if known.1 + bytes > max_bytes {
            *known = (HashMap::new(), 0);
        }
        if known.0.insert(key, value.clone()).is_none() {
            known.1 += bytes;
        }
        Ok(Some(value))
    }

    fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (HashMap::new(), 0);
    }
}
