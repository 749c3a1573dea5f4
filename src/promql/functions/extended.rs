//! Functions of ranges whose ends are known even where no sample is: `anchored` and `smoothed` (promql/functions.go,
//! extendedRate).
//!
//! Their windows reach over the range's ends: the samples that stand for the ends lie outside.

use super::{Frame, OfRange, over_time};
use crate::promql::expr::Extended;

/// Returns how a function evaluates such a window; `None`: it takes none.
pub fn extended(name: &str, how: Extended) -> Option<OfRange> {
    use Extended::{Anchored, Smoothed};
    Some(match (name, how) {
        ("rate", Anchored) => |f, _, _| change(f, Anchored, true).map(|change| change / seconds(f)),
        ("rate", Smoothed) => |f, _, _| change(f, Smoothed, true).map(|change| change / seconds(f)),
        ("increase", Anchored) => |f, _, _| change(f, Anchored, true),
        ("increase", Smoothed) => |f, _, _| change(f, Smoothed, true),
        ("delta", Anchored) => |f, _, _| change(f, Anchored, false),
        ("delta", Smoothed) => |f, _, _| change(f, Smoothed, false),
        ("changes", Anchored) => |f, args, at| over_time::changes(&anchored(f)?, args, at),
        ("resets", Anchored) => |f, args, at| over_time::resets(&anchored(f)?, args, at),
        _ => return None,
    })
}

fn seconds(f: &Frame<'_>) -> f64 {
    (f.to_ms - f.from_ms) as f64 / 1e3
}

/// The window from the last sample at or before its start on; `None`: nothing comes after that.
fn anchored<'a>(f: &Frame<'a>) -> Option<Frame<'a>> {
    let after = f.at_ms.partition_point(|at| *at <= f.from_ms);
    if after >= f.at_ms.len() {
        return None;
    }
    let first = after.saturating_sub(1);
    Some(Frame { at_ms: f.at_ms.get(first..)?, values: f.values.get(first..)?, ..*f })
}

/// The samples that count, from the one that stands for the start to the one that stands for the end.
fn ends(f: &Frame<'_>, how: Extended) -> Option<(usize, usize)> {
    let newest = f.at_ms.len().checked_sub(1)?;
    let before_newest = f.at_ms.get(..newest)?;
    let first = before_newest.partition_point(|at| *at <= f.from_ms).saturating_sub(1);
    let last = match how {
        Extended::Smoothed => before_newest.partition_point(|at| *at < f.to_ms),
        Extended::Anchored => newest,
    };
    (f.at_ms[last] > f.from_ms).then_some((first, last))
}

fn left(f: &Frame<'_>, first: usize, how: Extended, counter: bool) -> f64 {
    if f.at_ms[first] >= f.from_ms || how == Extended::Anchored || first + 1 >= f.at_ms.len() {
        return f.values[first];
    }
    between(f, first, f.from_ms, counter)
}

fn right(f: &Frame<'_>, last: usize, how: Extended, counter: bool) -> f64 {
    if f.at_ms[last] <= f.to_ms || last == 0 {
        return f.values[last];
    }
    match how {
        Extended::Anchored => f.values[last - 1],
        Extended::Smoothed => between(f, last - 1, f.to_ms, counter),
    }
}

/// The value between a sample and the next one; a counter that fell began anew at 0.
pub fn between(f: &Frame<'_>, before: usize, at_ms: i64, counter: bool) -> f64 {
    let (mut low, high) = (f.values[before], f.values[before + 1]);
    if counter && high < low {
        low = 0.0;
    }
    low + (high - low) * (at_ms - f.at_ms[before]) as f64 / (f.at_ms[before + 1] - f.at_ms[before]) as f64
}

/// The difference of the ends, and what a counter had counted before each reset.
fn change(f: &Frame<'_>, how: Extended, counter: bool) -> Option<f64> {
    let (first, last) = ends(f, how)?;
    if how == Extended::Smoothed && f.at_ms[first] > f.to_ms {
        return None;
    }
    let (left, right) = (left(f, first, how, counter), right(f, last, how, counter));
    if !counter {
        return Some(right - left);
    }
    let inner = inside(f, first, last);
    let (mut before, mut lost) = (left, 0.0);
    for value in inner.iter().chain([&right]) {
        if *value < before {
            lost += before;
        }
        before = *value;
    }
    Some(right - left + lost)
}

/// The values strictly within the range.
fn inside<'a>(f: &Frame<'a>, first: usize, last: usize) -> &'a [f64] {
    let begin = first + usize::from(f.at_ms[first] <= f.from_ms);
    let end = last + usize::from(f.at_ms[last] < f.to_ms);
    f.values.get(begin..end).unwrap_or_default()
}

/// Returns the samples of such a range by themselves: its ends, and what lies between them.
pub fn samples(f: &Frame<'_>, how: Extended) -> Vec<(i64, f64)> {
    let Some((first, last)) = ends(f, how) else { return Vec::new() };
    let begin = first + usize::from(f.at_ms[first] <= f.from_ms);
    let inner = f.at_ms.iter().skip(begin).copied().zip(inside(f, first, last).iter().copied());
    let ends = [(f.from_ms, left(f, first, how, false)), (f.to_ms, right(f, last, how, false))];
    ends[..1].iter().copied().chain(inner).chain(ends[1..].iter().copied()).collect()
}
