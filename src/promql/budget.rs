//! Memory that evaluations take, counted before they take it.
//!
//! What is counted is what may become large: points of rows, label sets, texts that functions make, what was selected, and
//! what an answer needs until it is written. Rough where it does not matter, never too little by more than one series a
//! thread.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::{
    EvalError,
    grid::{Row, Rows, Value},
};
use crate::model::Labels;

/// A row without its values and labels.
const ROW_BYTES: usize = size_of::<Row>() + 2 * size_of::<usize>();
/// A label in a label set.
const LABEL_BYTES: usize = 4 * size_of::<usize>();
/// A point of a row, of which the time is known.
pub const VALUE_BYTES: usize = size_of::<f64>();
/// A point with its time.
pub const POINT_BYTES: usize = size_of::<f64>() + size_of::<i64>();
/// A point of an answer: with its time, and as the text of JSON.
pub const ANSWERED_BYTES: usize = POINT_BYTES + 32;

/// What all evaluations together may hold.
#[derive(Debug)]
pub struct Pool {
    held: AtomicUsize,
    max: usize,
}

impl Pool {
    /// Of so many bytes. One evaluation may hold half of it, so that one alone does not refuse all others.
    pub fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self { held: AtomicUsize::new(0), max: bytes })
    }

    /// Returns what is held now, in bytes.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// What one evaluation holds; gives it back when it is dropped, which should be when its answer has been sent.
#[derive(Debug)]
pub struct Budget {
    pool: Arc<Pool>,
    held: AtomicUsize,
}

impl Budget {
    /// Nothing yet, of this pool.
    pub fn new(pool: Arc<Pool>) -> Self {
        Self { pool, held: AtomicUsize::new(0) }
    }

    /// Takes so many bytes.
    ///
    /// # Errors
    /// When they are too many, for this evaluation or for all.
    pub fn take(&self, bytes: usize) -> Result<(), EvalError> {
        let mine = self.held.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let all = self.pool.held.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if mine > self.pool.max / 2 || all > self.pool.max {
            self.give(bytes);
            return Err(EvalError::TooMuchMemory(if mine > self.pool.max / 2 {
                self.pool.max / 2
            } else {
                self.pool.max
            }));
        }
        Ok(())
    }

    /// Takes `each` bytes `times` times.
    ///
    /// # Errors
    /// As [`Budget::take`].
    pub fn take_many(&self, times: usize, each: usize) -> Result<(), EvalError> {
        // More than a quarter of what can be addressed is too much in any case, and must not go round.
        self.take(times.saturating_mul(each).min(usize::MAX / 4))
    }

    /// Gives so many bytes back.
    pub fn give(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
        self.pool.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Returns what it holds, in bytes.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Holds exactly so many bytes from now on.
    ///
    /// # Errors
    /// As [`Budget::take`].
    pub fn settle(&self, bytes: usize) -> Result<(), EvalError> {
        let held = self.held();
        if bytes > held {
            return self.take(bytes - held);
        }
        self.give(held - bytes);
        Ok(())
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        self.give(self.held());
    }
}

/// Returns the weight of a label set, in bytes.
pub fn of_labels(labels: &Labels) -> usize {
    labels.pairs.iter().map(|(_, value)| LABEL_BYTES + value.len()).sum()
}

/// Returns the weight of a row of so many steps, in bytes.
pub fn of_row(labels: &Labels, steps: usize) -> usize {
    ROW_BYTES + of_labels(labels) + steps.saturating_mul(VALUE_BYTES)
}

/// Returns the weight of rows, in bytes.
pub fn of_rows(rows: &Rows) -> usize {
    rows.iter().map(|row| of_row(&row.labels, row.values.len())).sum()
}

/// Returns the weight of a value, in bytes.
pub fn of_value(value: &Value) -> usize {
    match value {
        Value::Scalar(values) => values.len() * VALUE_BYTES,
        Value::Text(text) => text.len(),
        Value::Rows(rows) => of_rows(rows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_holds_is_missing_to_the_others_until_it_is_given_back() {
        let pool = Pool::new(1_000);
        let (one, two, three) = (Budget::new(pool.clone()), Budget::new(pool.clone()), Budget::new(pool.clone()));
        assert_eq!(one.take(501), Err(EvalError::TooMuchMemory(500)));
        assert_eq!(one.take_many(usize::MAX, 8), Err(EvalError::TooMuchMemory(500)));
        assert_eq!(
            (one.take(500), two.take(400), three.take(101)),
            (Ok(()), Ok(()), Err(EvalError::TooMuchMemory(1_000)))
        );
        assert_eq!((one.settle(100), one.held(), pool.held()), (Ok(()), 100, 500));
        assert_eq!((one.settle(200), three.take(300)), (Ok(()), Ok(())));
        drop((one, two));
        assert_eq!(pool.held(), 300);
        drop(three);
        assert_eq!(pool.held(), 0);
    }
}
