//! Selectors: from packed series to rows, one series' plain samples in memory at a time (a thread).

use super::{
    EvalError, budget,
    eval::{Eval, Weights},
    expr::{At, Extended, Shift},
    functions::{Frame, RangeFn, extended::between},
    grid::{Grid, Row, Rows, is_some, none},
    labels,
};
use crate::{
    model::{Labels, is_stale},
    pack::{Packed, Points, Want},
};

/// Work (points read or written) from which on a second thread is worth its start.
const WIDE: usize = 20_000;

/// Points in windows after which the caller is asked whether to go on: a fraction of a second.
const UNCHECKED_MAX: usize = 4 << 20;

/// Returns the time that a step looks at.
pub fn reference(eval: &Eval<'_>, grid: &Grid, shift: &Shift, step: usize) -> i64 {
    let at = match shift.at {
        None => grid.at_ms(step),
        Some(At::Time(at)) => at,
        Some(At::Start) => eval.window.start_ms,
        Some(At::End) => eval.window.end_ms.max(eval.window.start_ms),
    };
    at.saturating_sub(shift.offset_ms)
}

/// First and last time that the steps look at.
pub fn references(eval: &Eval<'_>, grid: &Grid, shift: &Shift) -> (i64, i64) {
    (reference(eval, grid, shift, 0), reference(eval, grid, shift, grid.steps - 1))
}

/// Says what an instant selector takes of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// Its value.
    Value,
    /// Its time in seconds: `timestamp(selector)`.
    Time,
}

/// Returns an instant selector on a grid.
pub fn instant(eval: &Eval<'_>, series: &[&Packed], shift: &Shift, grid: &Grid, take: Take) -> Result<Rows, EvalError> {
    let (first, last) = references(eval, grid, shift);
    let lookback = eval.window.lookback_ms;
    // With `@` all steps look at one time.
    let steps = if shift.at.is_some() { 1 } else { grid.steps };
    let weights = eval.weights();
    each(eval, series, grid.steps, |packed, points| {
        read(eval, packed, Want::Last, first - lookback + 1, last, points)?;
        let mut values = vec![none(); grid.steps];
        let (mut next, mut found, mut seen) = (0, 0usize, 0u64);
        for (step, value) in values.iter_mut().enumerate().take(steps) {
            let at = reference(eval, grid, shift, step);
            while points.at_ms.get(next).is_some_and(|t| *t <= at) {
                next += 1;
            }
            let Some(newest) = next.checked_sub(1) else { continue };
            let back = lookback + points.resolution_ms(points.at_ms[newest]);
            if points.at_ms[newest] > at - back && !is_stale(points.values[newest]) {
                *value = match take {
                    Take::Value => points.values[newest],
                    Take::Time => points.at_ms[newest] as f64 / 1e3,
                };
                found += 1;
                seen = seen.saturating_add(weights.of(step));
            }
        }
        if shift.at.is_some() {
            let value = values[0];
            values.fill(value);
            seen = if found > 0 { weights.all(grid.steps) } else { 0 };
        }
        eval.count(seen);
        Ok((found > 0).then(|| Row { labels: packed.labels.clone(), values }))
    })
}

/// Returns an instant selector with `smoothed`: between two samples the value is on the line between them, behind the last
/// one it is that one's.
pub fn smoothed(eval: &Eval<'_>, series: &[&Packed], shift: &Shift, grid: &Grid) -> Result<Rows, EvalError> {
    let (first, last) = references(eval, grid, shift);
    let (before, behind) = beyond(eval.window.lookback_ms, Some(Extended::Smoothed));
    each(eval, series, grid.steps, |packed, points| {
        read(eval, packed, Want::Last, first - before + 1, last.saturating_add(behind), points)?;
        drop_stale(points);
        let value = |step: usize| {
            let at = reference(eval, grid, shift, step);
            let next = points.at_ms.partition_point(|t| *t < at);
            let within = |i: usize| points.at_ms.get(i).is_some_and(|t| *t > at - before && *t <= at + behind);
            if points.at_ms.get(next) == Some(&at) {
                return points.values[next];
            }
            let Some(newest) = next.checked_sub(1).filter(|i| within(*i)) else { return none() };
            if !within(next) {
                return points.values[newest];
            }
            let (at_ms, values) = (&points.at_ms[..], &points.values[..]);
            let frame = Frame { at_ms, values, counts: &[], from_ms: at - before, to_ms: at + behind };
            between(&frame, newest, at, false)
        };
        let values: Vec<f64> = (0..grid.steps).map(value).collect();
        let found = values.iter().any(|v| is_some(*v));
        Ok(found.then(|| Row { labels: packed.labels.clone(), values }))
    })
}

/// How far a range with such ends looks beyond them, milliseconds.
pub fn beyond(lookback_ms: i64, extended: Option<Extended>) -> (i64, i64) {
    match extended {
        None => (0, 0),
        Some(Extended::Anchored) => (lookback_ms, 0),
        Some(Extended::Smoothed) => (lookback_ms, lookback_ms),
    }
}

/// A range function over a selector.
#[derive(Clone, Copy)]
pub struct RangeCall<'a> {
    /// How far back, milliseconds.
    pub range_ms: i64,
    /// When.
    pub shift: &'a Shift,
    /// Which.
    pub function: &'a RangeFn,
    /// The scalar arguments, a value a step each.
    pub args: &'a [Vec<f64>],
    /// What the range does at its ends.
    pub extended: Option<Extended>,
    /// Where the range stands in the query, bytes.
    pub at: usize,
}

impl RangeCall<'_> {
    /// The range where points are rolled up: at least one of them, and for rates two.
    fn widened(&self, resolution_ms: i64) -> i64 {
        let points = if self.function.rate_like { 2 } else { 1 };
        self.range_ms.max(resolution_ms.saturating_mul(points))
    }

    /// How far the window reaches beyond the range's ends, milliseconds.
    fn beyond(&self, eval: &Eval<'_>) -> (i64, i64) {
        beyond(eval.window.lookback_ms, self.extended)
    }

    /// Returns one series: slides a window over its points, which are counted with their `weights`.
    ///
    /// # Errors
    /// When the evaluation is to end.
    pub fn row(
        &self,
        eval: &Eval<'_>,
        grid: &Grid,
        points: &mut Points,
        weights: Option<&Weights>,
    ) -> Result<Vec<f64>, EvalError> {
        drop_stale(points);
        let mut values = vec![none(); grid.steps];
        let mut args = vec![0.0; self.args.len()];
        let (mut low, mut high, mut seen, mut unchecked) = (0, 0, 0u64, 0);
        let (before, behind) = self.beyond(eval);
        for (step, value) in values.iter_mut().enumerate() {
            let to = reference(eval, grid, self.shift, step);
            let from = to.saturating_sub(self.widened(points.resolution_ms(to)));
            let (first, last) = (from.saturating_sub(before), to.saturating_add(behind));
            while points.at_ms.get(high).is_some_and(|t| *t <= last) {
                high += 1;
            }
            // A coarse part behind a fine one reaches further back: the left end may move left.
            while low > 0 && points.at_ms[low - 1] > first {
                low -= 1;
            }
            while low < high && points.at_ms[low] <= first {
                low += 1;
            }
            if low >= high {
                continue;
            }
            let weight = weights.map_or(0, |weights| weights.of(step));
            seen = seen.saturating_add(weight.saturating_mul((high - low) as u64));
            unchecked += high - low;
            if unchecked > UNCHECKED_MAX {
                eval.check_now()?;
                unchecked = 0;
            }
            let frame = Frame {
                at_ms: &points.at_ms[low..high],
                values: &points.values[low..high],
                counts: points.counts.get(low..high).unwrap_or_default(),
                from_ms: from,
                to_ms: to,
            };
            args.iter_mut().zip(self.args).for_each(|(arg, all)| *arg = all[step]);
            if let Some(result) = (self.function.eval)(&frame, &args, grid.at_ms(step)) {
                *value = result;
            }
        }
        eval.count(seen);
        Ok(values)
    }

    /// Returns all series of a selector.
    pub fn rows(&self, eval: &Eval<'_>, series: &[&Packed], grid: &Grid) -> Result<Rows, EvalError> {
        let (first, last) = references(eval, grid, self.shift);
        let (before, behind) = self.beyond(eval);
        let (from, to) = (first - self.range_ms - before + 1, last.saturating_add(behind));
        let weights = eval.weights();
        each(eval, series, grid.steps, |packed, points| {
            read(eval, packed, self.function.want, from, to, points)?;
            if points.is_empty() {
                return Ok(None);
            }
            let held = points.len();
            eval.hold(held)?;
            let values = self.row(eval, grid, points, Some(&weights))?;
            eval.release(held);
            let has_points = values.iter().any(|v| is_some(*v));
            Ok(has_points.then(|| Row { labels: self.labels(eval, &packed.labels), values }))
        })
    }

    /// Returns the labels of a series' result. Says where a name is not that of a counter, as one should be.
    pub fn labels(&self, eval: &Eval<'_>, of: &Labels) -> Labels {
        let name = &*of.name;
        let suffixes = ["_total", "_sum", "_count", "_bucket"];
        if self.function.counter && !name.is_empty() && !suffixes.iter().any(|s| name.ends_with(s)) {
            eval.note(|n| {
                let words = "metric might not be a counter, name does not end in _total/_sum/_count/_bucket:";
                n.info(self.at, format!("{words} {name:?}"));
            });
        }
        if self.function.keeps_name { of.clone() } else { labels::unnamed(of) }
    }
}

/// Reads a range; where history is rolled up, as much further back as a point may stand for.
///
/// # Errors
/// When the series is damaged, or too large for what the evaluation may hold.
pub fn read(
    eval: &Eval<'_>,
    packed: &Packed,
    want: Want,
    from_ms: i64,
    to_ms: i64,
    points: &mut Points,
) -> Result<(), EvalError> {
    let coarse = packed.spans.iter().map(|s| s.resolution_ms).max().unwrap_or(0);
    packed.read(want, from_ms.saturating_sub(coarse.saturating_mul(2)), to_ms, points)?;
    // Held by this thread until its next series.
    let bytes = points.len() * budget::POINT_BYTES;
    eval.budget.take(bytes)?;
    eval.budget.give(bytes);
    Ok(())
}

/// Range functions never see where a series ended.
pub fn drop_stale(points: &mut Points) {
    if !points.values.iter().any(|v| is_stale(*v)) {
        return;
    }
    let kept: Vec<bool> = points.values.iter().map(|v| !is_stale(*v)).collect();
    let mut i = 0..;
    points.at_ms.retain(|_| i.next().is_some_and(|i: usize| kept[i]));
    if !points.counts.is_empty() {
        let mut i = 0..;
        points.counts.retain(|_| i.next().is_some_and(|i: usize| kept[i]));
    }
    points.values.retain(|v| !is_stale(*v));
}

/// Makes a row of every series, on all threads where there is much to do; the order stays.
fn each(
    eval: &Eval<'_>,
    series: &[&Packed],
    steps: usize,
    make: impl Fn(&Packed, &mut Points) -> Result<Option<Row>, EvalError> + Sync,
) -> Result<Rows, EvalError> {
    let some = |part: &[&Packed]| {
        let mut points = Points::default();
        let mut rows = Vec::with_capacity(part.len());
        for packed in part {
            eval.check()?;
            let bytes = budget::of_row(&packed.labels, steps);
            eval.budget.take(bytes)?;
            match make(packed, &mut points)? {
                Some(row) => {
                    eval.hold(row.values.len())?;
                    rows.push(row);
                }
                None => eval.budget.give(bytes),
            }
        }
        Ok(rows)
    };
    let work = series.iter().map(|s| s.bytes()).sum::<usize>() / 2 + series.len() * steps;
    let threads = eval.limits.threads.clamp(1, series.len().max(1));
    if threads == 1 || work < WIDE {
        return some(series);
    }
    let parts: Vec<&[&Packed]> = series.chunks(series.len().div_ceil(threads)).collect();
    std::thread::scope(|scope| {
        let running: Vec<_> = parts.iter().map(|part| scope.spawn(|| some(part))).collect();
        let mut rows = Rows::new();
        // All are waited for, so that the first error is also the last.
        let done: Vec<_> = running.into_iter().map(|thread| thread.join()).collect();
        for part in done {
            let broken = |_| EvalError::Execution("a part of the evaluation broke off".into());
            rows.append(&mut part.map_err(broken)??);
        }
        Ok(rows)
    })
}
