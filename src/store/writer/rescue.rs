//! A file that is damaged, or that somebody takes away while it is open: what is there is set aside, never deleted, and what can
//! be saved is.

use rusqlite::{Connection, config::DbConfig};

use super::{Problem, Writer};
use crate::{
    model::StoreHealth,
    store::{backup, housekeeping::Housekeeping, place::Identity, schema, shared::lock},
};

impl Writer {
    /// Opens the file. One that is no database of ours to go on with is moved aside for a new one, never written over;
    /// another program's database stays where it is.
    pub(super) fn open_file(&mut self) -> Result<Connection, Problem> {
        let now = self.clock.wall();
        // A file that this program made may be empty still: the disk may be full.
        let inspected =
            if std::mem::replace(&mut self.inspected, true) { Ok(()) } else { schema::inspect(&self.place) };
        let problem = match inspected.and_then(|()| schema::open(&self.place, now)) {
            Ok(db) => return Ok(db),
            Err(problem) => problem,
        };
        let Some(why) = problem.set_aside_as() else { return Err(problem) };
        let words = problem.words(&self.place.database());
        let kept = self
            .place
            .set_aside(why, now)
            .map_err(|e| Problem::Other(format!("{words}, and it can't be moved aside: {e}")))?;
        let message = format!(
            "{words}; it is kept as {} and a new history has begun: where there is a backup, stop dogwatch and put it there",
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
        let Some(what) = self.place.displaced(self.files) else {
            return if let Some(what) = self.place.damage(self.files, &mut self.length) {
                self.begin_anew(&what)
            };
        };
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
        self.say_rescued(message, history_kept);
    }

    /// Says what became of the history, where there is one again.
    fn say_rescued(&self, message: String, history_kept: bool) {
        if self.db.is_some() {
            tracing::error!("{message}");
            let since = Some(self.clock.wall());
            *lock(&self.shared.health) = StoreHealth { ok: true, since, message, history_kept };
        }
    }

    /// Takes the open database out of use; whoever reads opens the file anew.
    fn take_out(&mut self) -> Option<Connection> {
        let db = self.db.take()?;
        self.housekeeping = Housekeeping::default();
        self.shared.readers.forget();
        Some(db)
    }

    /// What is in the file can't be trusted any more: it is set aside, and what is in memory is written to a new one.
    fn begin_anew(&mut self, what: &str) {
        let Some(db) = self.take_out() else { return };
        // Nothing more goes into it.
        let _ = db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        drop(db);
        let message = match self.place.set_aside("corrupt", self.clock.wall()) {
            Ok(kept) => {
                format!("{what}; it is kept as {} and a new history has begun, with what is in memory", kept.display())
            }
            Err(error) => return self.failed(Problem::Other(format!("{what}, and it can't be moved aside: {error}"))),
        };
        self.open();
        self.say_rescued(message, false);
    }

    /// Copies the open database to where it belongs and closes it. Returns where that which stood there is now.
    fn copy_back(&mut self) -> Result<Option<String>, String> {
        let Some(db) = self.take_out() else { return Err("it is closed".into()) };
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
