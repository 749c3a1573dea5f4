//! The audit log: who did what, as rows of their own, for as long as it is kept.

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};

use crate::model::AuditEntry;

/// Lines kept whatever their age, some 20 MB: whoever floods it fills no disk.
pub const ENTRIES_MAX: i64 = 100_000;
/// Lines removed in one go.
const AT_ONCE: i64 = 1_000;

/// Writes what waits.
pub(super) fn write(t: &Transaction<'_>, entries: &VecDeque<AuditEntry>) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO audit (at_us, who, action, subject, proof, address, detail)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    for e in entries {
        let at = e.at.as_microsecond();
        t.prepare_cached(sql)?.execute(params![at, e.who, e.action, e.subject, e.proof, e.address, e.detail])?;
    }
    Ok(())
}

/// What was done before a time, the newest first.
pub(super) fn list(db: &Connection, before: Timestamp, limit: usize) -> rusqlite::Result<Vec<AuditEntry>> {
    let mut statement = db.prepare(
        "SELECT at_us, who, action, subject, proof, address, detail FROM audit WHERE at_us < ?1
         ORDER BY at_us DESC, who DESC, action DESC, subject DESC LIMIT ?2",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![before.as_microsecond(), limit], |r| {
        let entry = AuditEntry {
            at: Timestamp::UNIX_EPOCH,
            who: r.get(1)?,
            action: r.get(2)?,
            subject: r.get(3)?,
            proof: r.get(4)?,
            address: r.get(5)?,
            detail: r.get(6)?,
        };
        Ok((r.get(0)?, entry))
    })?;
    let dated = |(at, entry)| Some(AuditEntry { at: Timestamp::from_microsecond(at).ok()?, ..entry });
    Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().filter_map(dated).collect())
}

/// Removes some of what is older than `kept`, and of what is too much: refused logins first, so that who has none drives
/// nothing out that others did. How many, and of those how many for their number alone.
pub(super) fn forget(t: &Transaction<'_>, now: Timestamp, kept: Duration) -> rusqlite::Result<(u64, u64)> {
    let kept = i64::try_from(kept.as_micros()).unwrap_or(i64::MAX);
    let before = now.as_microsecond().saturating_sub(kept);
    let old = remove(t, "at_us < ?1", before, AT_ONCE)?;
    if old > 0 {
        return Ok((old, 0));
    }
    let all: i64 = t.query_row("SELECT count(*) FROM audit", [], |r| r.get(0))?;
    let beyond = (all - ENTRIES_MAX).clamp(0, AT_ONCE);
    if beyond == 0 {
        return Ok((0, 0));
    }
    let gone = match remove(t, "at_us < ?1 AND action = 'refused login'", i64::MAX, beyond)? {
        0 => remove(t, "at_us < ?1", i64::MAX, beyond)?,
        refused => refused,
    };
    Ok((gone, gone))
}

/// Removes the oldest of those that a condition of ours picks.
fn remove(t: &Transaction<'_>, which: &'static str, before_us: i64, limit: i64) -> rusqlite::Result<u64> {
    // Rows of a table without row ids are named by their key.
    let sql = format!(
        "DELETE FROM audit WHERE (at_us, who, action, subject) IN
         (SELECT at_us, who, action, subject FROM audit WHERE {which} ORDER BY at_us LIMIT ?2)"
    );
    Ok(t.execute(&sql, params![before_us, limit])? as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(second: i64, who: &str) -> AuditEntry {
        AuditEntry {
            at: Timestamp::from_second(second).unwrap(),
            who: who.into(),
            proof: "password".into(),
            address: "192.0.2.7".into(),
            action: "acknowledge".into(),
            subject: "7".into(),
            detail: "by ada".into(),
        }
    }

    fn database() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("../../migrations/0008_audit.sql")).unwrap();
        db
    }

    #[test]
    fn what_was_done_is_told_the_newest_first_and_forgotten_when_it_is_old() {
        let mut db = database();
        let t = db.transaction().unwrap();
        let entries: VecDeque<_> = [entry(100, "ada"), entry(200, "bob"), entry(300, "ada")].into();
        write(&t, &entries).unwrap();
        write(&t, &entries).unwrap();
        let listed = list(&t, Timestamp::MAX, 10).unwrap();
        assert_eq!(listed, entries.iter().rev().cloned().collect::<Vec<_>>(), "written twice, kept once");
        assert_eq!(list(&t, entries[2].at, 1).unwrap(), [entry(200, "bob")]);
        let now = Timestamp::from_second(350).unwrap();
        assert_eq!(forget(&t, now, Duration::from_secs(150)).unwrap(), (1, 0));
        assert_eq!(forget(&t, now, Duration::from_secs(150)).unwrap(), (0, 0));
        assert_eq!(list(&t, Timestamp::MAX, 10).unwrap().len(), 2);
    }

    #[test]
    fn however_much_is_done_no_more_is_kept_than_its_limit() {
        let mut db = database();
        let t = db.transaction().unwrap();
        let refused = |i: i64| AuditEntry { action: "refused login".into(), ..entry(i, "") };
        let many: VecDeque<_> = (0..ENTRIES_MAX + 700).map(|i| entry(i, "ada")).collect();
        write(&t, &many).unwrap();
        write(&t, &(ENTRIES_MAX..ENTRIES_MAX + 800).map(refused).collect()).unwrap();
        let now = Timestamp::from_second(0).unwrap();
        let steps: Vec<_> = (0..4).map(|_| forget(&t, now, Duration::from_secs(1)).unwrap()).collect();
        assert_eq!(steps, [(800, 800), (700, 700), (0, 0), (0, 0)], "what was refused goes first");
        let oldest: i64 = t.query_row("SELECT min(at_us) FROM audit", [], |r| r.get(0)).unwrap();
        assert_eq!(oldest, 700_000_000, "then the oldest");
    }
}
