//! Retention of incidents: those that ended long ago go with their deliveries and notes, and so do old changes of
//! verdicts and what else availability is computed from. They are kept as long as any history is: who sees a dip in a chart can read what it was.

use std::time::{Duration, Instant};

use rusqlite::{Transaction, params};

use super::HousekeepingContext;

/// Ended incidents kept whatever their age: 137 a day for two years, some 400 MB. More come from a storm or a mistake.
pub const ENDED_MAX: i64 = 100_000;
/// Incidents looked at in one go: some of them are large.
const AT_ONCE: i64 = 100;

/// Removes some of them. The first value says that nothing is left to do, the second how many went for [`ENDED_MAX`] alone.
pub fn step(context: &mut HousekeepingContext<'_>, limit: Duration) -> rusqlite::Result<(bool, u64)> {
    let begun = Instant::now();
    let config = context.config;
    let kept = config.retention.max(config.retention_5m).max(config.retention_1h);
    let kept_us = i64::try_from(kept.as_micros()).unwrap_or(i64::MAX);
    let before_us = context.now.as_microsecond().saturating_sub(kept_us);
    let t = context.db.transaction()?;
    let mut beyond = 0;
    let mut ended = false;
    while begun.elapsed() < limit && !ended {
        if forget(&t, before_us, AT_ONCE)? > 0 {
            continue;
        }
        let all: i64 = t.query_row("SELECT count(*) FROM incidents WHERE resolved_us IS NOT NULL", [], |r| r.get(0))?;
        let gone = forget(&t, i64::MAX, (all - ENDED_MAX).clamp(0, AT_ONCE))?;
        beyond += gone;
        ended = gone == 0;
    }
    if ended {
        t.execute("DELETE FROM verdict_changes WHERE at_us < ?1", [before_us])?;
        for table in ["watches", "target_lives", "maintenance"] {
            t.execute(&format!("DELETE FROM {table} WHERE to_us < ?1"), [before_us])?;
        }
        // What an older dogwatch left of incidents that it removed, or came after its incident had gone.
        for table in ["deliveries", "incident_notes"] {
            let sql = format!("DELETE FROM {table} WHERE at_us < ?1 AND incident NOT IN (SELECT id FROM incidents)");
            t.execute(&sql, [before_us])?;
        }
    }
    t.commit()?;
    Ok((ended, beyond))
}

/// Removes at most `limit` incidents that ended before a time, the oldest first, each with its deliveries and notes. How many.
fn forget(t: &Transaction<'_>, before_us: i64, limit: i64) -> rusqlite::Result<u64> {
    let sql = "SELECT id FROM incidents WHERE resolved_us < ?1 ORDER BY resolved_us LIMIT ?2";
    let ids =
        t.prepare_cached(sql)?.query_map(params![before_us, limit], |r| r.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    for id in &ids {
        t.prepare_cached("DELETE FROM deliveries WHERE incident = ?1")?.execute([id])?;
        t.prepare_cached("DELETE FROM incident_notes WHERE incident = ?1")?.execute([id])?;
        t.prepare_cached("DELETE FROM incidents WHERE id = ?1")?.execute([id])?;
    }
    Ok(ids.len() as u64)
}
