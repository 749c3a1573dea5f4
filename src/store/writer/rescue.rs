//! A file that is damaged, or that somebody takes away while it is open: what is there is set aside, never deleted, and what can
//! be saved is.

use rusqlite::{Connection, config::DbConfig};

use super::{Problem, Writer, schema};
use crate::{
    model::StoreHealth,
    store::{backup, housekeeping::Housekeeping, place::Identity, shared::lock},
};

impl Writer {
    /// Moves a damaged file aside and begins a new one.
    pub(super) fn begin_anew(&self, why: &str) -> Result<Connection, Problem> {
        let now = self.clock.wall();
        let kept = self
            .place
            .set_aside("corrupt", now)
            .map_err(|e| Problem::Corrupt(format!("{why}; it can't be moved aside: {e}")))?;
        let message = format!(
            "{} was damaged ({why}); it is kept as {} and a new history has begun",
            self.place.database().display(),
            kept.display()
        );
        tracing::error!("{message}");
        let db = schema::open(&self.place, now)?;
        *lock(&self.shared.health) = StoreHealth { ok: true, since: Some(now), message, history_kept: false };
        Ok(db)
    }

    /// Whoever takes the file away takes only its name: the open database is still whole. It is written to the place again,
    /// as a copy, and what was put there instead is set aside.
    pub(super) fn look(&mut self) {
        if self.db.is_none() {
            return;
        }
        let Some(what) = self.place.displaced(self.files) else { return };
        tracing::error!("{what}; writing it anew");
        let copied = self.copy_back();
        self.open();
        let (message, history_kept) = match copied {
            Ok(None) => (format!("{what}; it was written anew, with all that was in it"), true),
            Ok(Some(other)) => {
                (format!("{what}, which is kept as {other}; it was written anew, with all that was in it"), true)
            }
            Err(error) => (format!("{what}, and could not be copied back ({error}): a new history has begun"), false),
        };
        if self.db.is_some() {
            tracing::error!("{message}");
            let since = Some(self.clock.wall());
            *lock(&self.shared.health) = StoreHealth { ok: true, since, message, history_kept };
        }
    }

    /// Copies the open database to where it belongs and closes it. Returns where that which stood there is now.
    fn copy_back(&mut self) -> Result<Option<String>, String> {
        let Some(db) = self.db.take() else { return Err("it is closed".into()) };
        self.housekeeping = Housekeeping::default();
        self.shared.readers.forget();
        // Of a directory that is gone, too. A second dogwatch may have been quicker.
        self.lock = None;
        self.lock = Some(self.place.lock().map_err(|problem| problem.words(&self.place.database()))?);
        let part = self.place.dir.join("dogwatch.db.part");
        let copied = backup::copy_open(&db, &part).map_err(|e| e.to_string());
        // What is in the old files has been copied, and those that may stand in their place are not its own.
        let _ = db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        drop(db);
        let aside = match self.place.identity() == Identity::default() {
            true => None,
            false => Some(self.place.set_aside("replaced", self.clock.wall()).map_err(|e| e.to_string())?),
        };
        copied?;
        std::fs::rename(&part, self.place.database()).map_err(|e| e.to_string())?;
        Ok(aside.map(|path| path.display().to_string()))
    }
}
