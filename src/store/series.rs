//! Samples as rows: label sets interned once, values by series and time.

use std::collections::HashMap;

use rusqlite::{Transaction, params};

use crate::model::{Labels, Sample};

/// Label sets whose ids are remembered: 5,000 targets with 100 series each. Past it, memory starts anew.
const CACHE_MAX: usize = 500_000;

/// The ids of label sets.
#[derive(Debug, Default)]
pub struct Series(HashMap<Labels, i64>);

impl Series {
    /// Writes samples; a second value of a series at the same millisecond replaces the first.
    pub fn write(&mut self, t: &Transaction<'_>, samples: &[Sample]) -> rusqlite::Result<()> {
        if self.0.len() > CACHE_MAX {
            self.forget();
        }
        let mut insert = t.prepare_cached("INSERT OR REPLACE INTO samples VALUES (?1, ?2, ?3)")?;
        for sample in samples {
            let id = match self.0.get(&sample.labels) {
                Some(id) => *id,
                None => self.intern(t, &sample.labels)?,
            };
            insert.execute(params![id, sample.at.as_millisecond(), sample.value])?;
        }
        Ok(())
    }

    /// Ids may be of a transaction that was not committed, or of a file that is gone.
    pub fn forget(&mut self) {
        self.0 = HashMap::new();
    }

    fn intern(&mut self, t: &Transaction<'_>, labels: &Labels) -> rusqlite::Result<i64> {
        let text = serde_json::to_string(labels).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
        t.prepare_cached("INSERT OR IGNORE INTO series (labels) VALUES (?1)")?.execute([&text])?;
        let id = t.prepare_cached("SELECT id FROM series WHERE labels = ?1")?.query_row([&text], |r| r.get(0))?;
        self.0.insert(labels.clone(), id);
        Ok(id)
    }
}
