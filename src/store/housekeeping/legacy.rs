//! Samples as version 0.1.0 kept them, a row each: packed once, series by series, after an upgrade.

use std::time::{Duration, Instant};

use rusqlite::OptionalExtension;

use super::{Content, HousekeepingContext, Spans, bound};
use crate::{
    pack::Points,
    store::{head::write_lock, spans::SAMPLES},
};

/// Packs some series. Returns true when nothing is left.
pub fn step(context: &mut HousekeepingContext<'_>, spans: &mut Spans, limit: Duration) -> rusqlite::Result<bool> {
    let begun = Instant::now();
    let t = context.db.transaction()?;
    let mut done = Vec::new();
    let mut ended = false;
    while begun.elapsed() < limit && !ended {
        let first = "SELECT series FROM samples ORDER BY series LIMIT 1";
        let Some(series) = t.query_row(first, [], |r| r.get::<_, i64>(0)).optional()? else {
            ended = true;
            break;
        };
        let mut points = Points::default();
        let mut rows = t.prepare_cached("SELECT at_ms, value FROM samples WHERE series = ?1 ORDER BY at_ms")?;
        let mut rows = rows.query([series])?;
        while let Some(row) = rows.next()? {
            // SQLite has no NaN: it was kept as NULL.
            points.push(row.get(0)?, row.get::<_, Option<f64>>(1)?.unwrap_or(f64::NAN));
        }
        bound(&t, series, &points.at_ms)?;
        spans.put(&t, SAMPLES, series, SAMPLES.window_ms, Content::Samples(points.clone()))?;
        t.prepare_cached("DELETE FROM samples WHERE series = ?1")?.execute([series])?;
        done.push((series, points));
    }
    spans.settle(&t)?;
    t.commit()?;
    let mut head = write_lock(context.head);
    done.iter().for_each(|(series, points)| head.packed(*series, points));
    Ok(ended)
}
