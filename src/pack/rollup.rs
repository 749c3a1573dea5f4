//! Rolled-up spans: what is left of samples when they are old.
//!
//! Buckets are aligned to their resolution; a bucket's point is at its last millisecond, so that all series of a
//! resolution share their times. Stale markers are left out: a bucket with nothing else has no point.

use std::ops::Range;

use super::{Damaged, Points, Want, number};
use crate::model::is_stale;

/// Five columns over the same times.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rolled {
    /// The last millisecond of each bucket.
    pub at_ms: Vec<i64>,
    /// Smallest value; NaN only where there is nothing else.
    pub min: Vec<f64>,
    /// Largest value; NaN only where there is nothing else.
    pub max: Vec<f64>,
    /// Sum of the values.
    pub sum: Vec<f64>,
    /// How many.
    pub count: Vec<f64>,
    /// The newest value.
    pub last: Vec<f64>,
}

impl Rolled {
    /// Rolls samples up to buckets of `resolution_ms`.
    pub fn of_samples(at_ms: &[i64], values: &[f64], resolution_ms: i64) -> Self {
        let mut rolled = Self::default();
        for (at, value) in at_ms.iter().zip(values).filter(|(_, v)| !is_stale(**v)) {
            rolled.add(*at, resolution_ms, [*value, *value, *value, 1.0, *value]);
        }
        rolled
    }

    /// Rolls up further.
    pub fn coarser(&self, resolution_ms: i64) -> Self {
        let mut rolled = Self::default();
        for i in 0..self.at_ms.len() {
            rolled.add(self.at_ms[i], resolution_ms, self.columns(i));
        }
        rolled
    }

    /// Returns both together; where both have a bucket, all samples of it count, and the last value is that of `other`.
    #[must_use]
    pub fn with(self, other: &Rolled, resolution_ms: i64) -> Self {
        let mut all = Self::default();
        let (mut a, mut b) = (0, 0);
        while a < self.at_ms.len() || b < other.at_ms.len() {
            let left = b >= other.at_ms.len() || self.at_ms.get(a).is_some_and(|at| *at <= other.at_ms[b]);
            let (from, i) = if left { (&self, &mut a) } else { (other, &mut b) };
            all.add(from.at_ms[*i], resolution_ms, from.columns(*i));
            *i += 1;
        }
        all
    }

    /// Returns some of the buckets, by index.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Self {
        let of = |column: &[f64]| column[range.clone()].to_vec();
        Self {
            at_ms: self.at_ms[range.clone()].to_vec(),
            min: of(&self.min),
            max: of(&self.max),
            sum: of(&self.sum),
            count: of(&self.count),
            last: of(&self.last),
        }
    }

    fn columns(&self, i: usize) -> [f64; 5] {
        [self.min[i], self.max[i], self.sum[i], self.count[i], self.last[i]]
    }

    fn add(&mut self, at_ms: i64, resolution_ms: i64, [min, max, sum, count, last]: [f64; 5]) {
        let end = at_ms - at_ms.rem_euclid(resolution_ms) + resolution_ms - 1;
        if self.at_ms.last() == Some(&end) {
            let i = self.at_ms.len() - 1;
            // `f64::min` prefers a number to NaN.
            self.min[i] = self.min[i].min(min);
            self.max[i] = self.max[i].max(max);
            self.sum[i] += sum;
            self.count[i] += count;
            self.last[i] = last;
            return;
        }
        self.at_ms.push(end);
        for (column, value) in [
            (&mut self.min, min),
            (&mut self.max, max),
            (&mut self.sum, sum),
            (&mut self.count, count),
            (&mut self.last, last),
        ] {
            column.push(value);
        }
    }

    /// Returns the columns as bytes: `last`, `count`, `min`, `max`, `sum`, each after its length (4 bytes), and length
    /// 0 where it is the same as `last` (`sum`: as `last × count`), which is so for everything that never changes.
    pub fn pack(&self) -> Vec<u8> {
        let product: Vec<f64> = self.last.iter().zip(&self.count).map(|(l, c)| l * c).collect();
        let mut out = Vec::new();
        let columns = [
            (&self.last, None),
            (&self.count, None),
            (&self.min, Some(&self.last)),
            (&self.max, Some(&self.last)),
            (&self.sum, Some(&product)),
        ];
        for (column, same_as) in columns {
            let same = same_as.is_some_and(|other| is_same(column, other));
            let bytes = if same { Vec::new() } else { number::pack(column) };
            out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
            out.extend_from_slice(&bytes);
        }
        out
    }

    /// Returns all columns again, to be rolled up further.
    ///
    /// # Errors
    /// When the bytes are damaged.
    pub fn unpack(at_ms: &[i64], bytes: &[u8]) -> Result<Self, Damaged> {
        let columns = columns(bytes)?;
        let all = |which| column(&columns, which, at_ms.len(), 0..at_ms.len());
        Ok(Self {
            at_ms: at_ms.to_vec(),
            min: all(MIN)?,
            max: all(MAX)?,
            sum: all(SUM)?,
            count: all(COUNT)?,
            last: all(LAST)?,
        })
    }
}

fn is_same(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

const LAST: usize = 0;
const COUNT: usize = 1;
const MIN: usize = 2;
const MAX: usize = 3;
const SUM: usize = 4;

fn columns(mut bytes: &[u8]) -> Result<[&[u8]; 5], Damaged> {
    let mut columns = [bytes; 5];
    let short = || Damaged("a rolled-up column is cut off".into());
    for column in &mut columns {
        let (length, rest) = bytes.split_at_checked(4).ok_or_else(short)?;
        let length = u32::from_le_bytes(length.try_into().unwrap_or_default());
        (*column, bytes) = rest.split_at_checked(length as usize).ok_or_else(short)?;
    }
    Ok(columns)
}

fn column(columns: &[&[u8]; 5], which: usize, n: usize, part: Range<usize>) -> Result<Vec<f64>, Damaged> {
    let mut out = Vec::with_capacity(part.len());
    match (columns[which].is_empty(), which) {
        (true, SUM) => {
            let count = column(columns, COUNT, n, part.clone())?;
            out = column(columns, LAST, n, part)?;
            out.iter_mut().zip(count).for_each(|(value, count)| *value *= count);
        }
        (true, MIN | MAX) => number::unpack_part(columns[LAST], n, part, &mut out)?,
        _ => number::unpack_part(columns[which], n, part, &mut out)?,
    }
    Ok(out)
}

/// Appends what is wanted of the points in `part` to `out`: values, and counts beside sums.
pub fn read(bytes: &[u8], n: usize, part: Range<usize>, want: Want, out: &mut Points) -> Result<(), Damaged> {
    let columns = columns(bytes)?;
    let which = match want {
        Want::Last => LAST,
        Want::Min => MIN,
        Want::Max => MAX,
        Want::Sum => SUM,
    };
    if want == Want::Sum {
        // Samples before a rolled-up span count one each.
        out.counts.resize(out.at_ms.len(), 1.0);
        out.counts.append(&mut column(&columns, COUNT, n, part.clone())?);
    }
    out.values.append(&mut column(&columns, which, n, part)?);
    Ok(())
}
