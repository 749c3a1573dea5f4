//! Samples packed: the form in which they rest in the store and travel to queries. Pure; no IO, no clock.
//!
//! A *span* is one series over a stretch of time: its times (shared by every series of the same probe) and its values, as
//! numbers that `pco` compresses. What is packed comes out bit for bit as it went in, stale markers included.
//! Old spans are *rolled up*: a point stands for all samples of its bucket and has five columns.
//!
//! Unpacking is done where the numbers are used, one series at a time, so that a query holds the packed form of what it
//! selected and the plain form of what it is at.

mod growing;
mod number;
mod rollup;
#[cfg(test)]
mod tests;

use std::{
    ops::Range,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

pub use self::{
    growing::{Growing, Moments},
    rollup::Rolled,
};
use crate::model::Labels;

/// Plain points of one series in time order, each time once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Points {
    /// Unix time in milliseconds.
    pub at_ms: Vec<i64>,
    /// As many values.
    pub values: Vec<f64>,
    /// How many samples each point stands for; empty: one each.
    pub counts: Vec<f64>,
    /// `(until, resolution)` in milliseconds, ascending: points at or before `until` are rolled up and stand for the
    /// `resolution` that ends with them. Points after the last one are samples.
    pub coarse: Vec<(i64, i64)>,
}

impl Points {
    /// Returns the times of the first and the last, in milliseconds.
    pub fn bounds(&self) -> Option<(i64, i64)> {
        Some((*self.at_ms.first()?, *self.at_ms.last()?))
    }

    /// Returns how many.
    pub fn len(&self) -> usize {
        self.at_ms.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.at_ms.is_empty()
    }

    /// Forgets the points, keeps the memory.
    pub fn clear(&mut self) {
        self.at_ms.clear();
        self.values.clear();
        self.counts.clear();
        self.coarse.clear();
    }

    /// Makes room for so many samples more.
    pub fn reserve(&mut self, more: usize) {
        self.at_ms.reserve_exact(more);
        self.values.reserve_exact(more);
    }

    /// Adds a sample after all others.
    pub fn push(&mut self, at_ms: i64, value: f64) {
        self.at_ms.push(at_ms);
        self.values.push(value);
        if !self.counts.is_empty() {
            self.counts.push(1.0);
        }
    }

    /// For how long (milliseconds) a point is the newest one because nothing finer is kept: 0 where samples are.
    pub fn resolution_ms(&self, at_ms: i64) -> i64 {
        // Two or three entries at the most. A point is looked for up to one resolution after `until`.
        self.coarse.iter().find(|(until, resolution)| at_ms <= *until + *resolution).map_or(0, |(_, r)| *r)
    }

    /// Returns both together, in time order; of two samples at one millisecond that of `self` stays. Of plain samples
    /// only.
    #[must_use]
    pub fn with(self, other: &Points) -> Points {
        if self.at_ms.last() < other.at_ms.first() {
            let mut all = self;
            all.at_ms.extend_from_slice(&other.at_ms);
            all.values.extend_from_slice(&other.values);
            return all;
        }
        let mut all = Points::default();
        let (mut a, mut b) = (0, 0);
        loop {
            match (self.at_ms.get(a), other.at_ms.get(b)) {
                (Some(left), Some(right)) if right < left => {
                    all.push(*right, other.values[b]);
                    b += 1;
                }
                (Some(left), right) => {
                    b += usize::from(right == Some(left));
                    all.push(*left, self.values[a]);
                    a += 1;
                }
                (None, Some(right)) => {
                    all.push(*right, other.values[b]);
                    b += 1;
                }
                (None, None) => return all,
            }
        }
    }

    /// Returns some of the samples, by index. Of plain samples only.
    #[must_use]
    pub fn part(&self, range: std::ops::Range<usize>) -> Points {
        Points { at_ms: self.at_ms[range.clone()].to_vec(), values: self.values[range].to_vec(), ..Points::default() }
    }

    fn extend(&mut self, other: &Points, from_ms: i64, to_ms: i64) {
        let (low, high) = within(&other.at_ms, from_ms, to_ms);
        self.at_ms.extend_from_slice(&other.at_ms[low..high]);
        self.values.extend_from_slice(&other.values[low..high]);
        if !self.counts.is_empty() {
            self.counts.resize(self.at_ms.len(), 1.0);
        }
    }
}

/// The part of `at_ms` in `[from, to]`, as indexes.
fn within(at_ms: &[i64], from_ms: i64, to_ms: i64) -> (usize, usize) {
    let low = at_ms.partition_point(|t| *t < from_ms);
    (low, low + at_ms[low..].partition_point(|t| *t <= to_ms))
}

/// Which column of a rolled-up span is read as the value. Of samples, each is the value itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Want {
    /// The bucket's last value: for selectors and everything that looks at single values.
    #[default]
    Last,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The sum; [`Points::counts`] then says of how many.
    Sum,
}

/// A packed span can't be read: the file is damaged there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a packed block of samples is damaged: {0}")]
pub struct Damaged(pub String);

/// Packed times, unpacked once for all the series that share them.
#[derive(Debug)]
pub struct Times {
    packed: Vec<u8>,
    plain: OnceLock<Result<Vec<i64>, Damaged>>,
}

impl Times {
    /// From the store's bytes.
    pub fn packed(bytes: Vec<u8>) -> Arc<Self> {
        Arc::new(Self { packed: bytes, plain: OnceLock::new() })
    }

    /// Packs times (milliseconds, ascending).
    pub fn pack(at_ms: &[i64]) -> Vec<u8> {
        number::pack_times(at_ms)
    }

    /// Returns the times in milliseconds.
    ///
    /// # Errors
    /// When the bytes are damaged.
    pub fn plain(&self) -> Result<&[i64], Damaged> {
        match self.plain.get_or_init(|| number::unpack_times(&self.packed)) {
            Ok(times) => Ok(times),
            Err(damaged) => Err(damaged.clone()),
        }
    }
}

/// Packed values, with the page that was unpacked last: a dashboard asks for the newest values of the same series again and
/// again.
#[derive(Debug)]
pub struct Values {
    packed: Vec<u8>,
    hot: Mutex<Option<number::Page>>,
}

impl Values {
    /// From the store's bytes.
    pub fn packed(bytes: Vec<u8>) -> Arc<Self> {
        Arc::new(Self { packed: bytes, hot: Mutex::default() })
    }

    fn unpack_part(&self, n: usize, part: Range<usize>, out: &mut Vec<f64>) -> Result<(), Damaged> {
        let Some(page) = number::single_page(&self.packed, n, &part) else {
            return number::unpack_part(&self.packed, n, part, out);
        };
        let mut hot = self.hot.lock().unwrap_or_else(PoisonError::into_inner);
        if hot.as_ref().is_none_or(|hot| hot.number != page) {
            *hot = Some(number::unpack_page(&self.packed, n, page)?);
        }
        let Some(hot) = &*hot else { return Ok(()) };
        let values = hot.values.get(part.start - hot.begin..part.end - hot.begin);
        out.extend_from_slice(values.ok_or_else(|| Damaged("a page is too short".into()))?);
        Ok(())
    }
}

/// One series over a stretch of time.
#[derive(Clone, Debug)]
pub struct Span {
    /// Time of its first point, milliseconds.
    pub from_ms: i64,
    /// Time of its last point, milliseconds.
    pub to_ms: i64,
    /// What a point stands for, milliseconds; 0: a sample.
    pub resolution_ms: i64,
    /// Its times.
    pub times: Arc<Times>,
    /// Its packed values: of [`pack_values`], or of [`Rolled::pack`].
    pub values: Arc<Values>,
}

/// Packs the values of samples.
pub fn pack_values(values: &[f64]) -> Vec<u8> {
    number::pack(values)
}

/// Appends the values of `n` packed samples to `out`.
///
/// # Errors
/// When the bytes are damaged.
pub fn unpack_values(bytes: &[u8], n: usize, out: &mut Vec<f64>) -> Result<(), Damaged> {
    number::unpack_part(bytes, n, 0..n, out)
}

/// A series as a query gets it: spans in time order without overlap, then what is not packed yet.
#[derive(Clone, Debug)]
pub struct Packed {
    /// Which series.
    pub labels: Labels,
    /// Oldest first.
    pub spans: Vec<Span>,
    /// Newer than every span.
    pub recent: Points,
}

impl Packed {
    /// Returns a series of plain samples.
    pub fn plain(labels: Labels, recent: Points) -> Self {
        Self { labels, spans: Vec::new(), recent }
    }

    /// Replaces `out` with the points in `[from, to]` (milliseconds).
    ///
    /// # Errors
    /// When a span is damaged.
    pub fn read(&self, want: Want, from_ms: i64, to_ms: i64, out: &mut Points) -> Result<(), Damaged> {
        out.clear();
        for span in self.spans.iter().filter(|s| s.from_ms <= to_ms && s.to_ms >= from_ms) {
            let times = span.times.plain()?;
            let (low, high) = within(times, from_ms, to_ms);
            if low == high {
                continue;
            }
            if span.resolution_ms == 0 {
                span.values.unpack_part(times.len(), low..high, &mut out.values)?;
            } else {
                rollup::read(&span.values.packed, times.len(), low..high, want, out)?;
                let until = times[high - 1];
                match out.coarse.last_mut().filter(|(_, resolution)| *resolution == span.resolution_ms) {
                    Some(last) => last.0 = until,
                    None => out.coarse.push((until, span.resolution_ms)),
                }
            }
            out.at_ms.extend_from_slice(&times[low..high]);
            if span.resolution_ms == 0 && !out.counts.is_empty() {
                out.counts.resize(out.at_ms.len(), 1.0);
            }
        }
        out.extend(&self.recent, from_ms, to_ms);
        Ok(())
    }

    /// At most how many points it holds, without unpacking; for limits.
    pub fn bytes(&self) -> usize {
        self.spans.iter().map(|s| s.values.packed.len()).sum::<usize>() + self.recent.len() * 16
    }
}
