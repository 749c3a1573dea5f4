//! Keeps the credentials current: files are looked at every ten seconds, an exec plugin is asked again before its
//! credentials end and when a server refuses them, ever more seldom while it fails. A failed refresh keeps what there is. What
//! `renewal` brings takes the place of the kubeconfig's token.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    runtime::Handle,
    sync::watch,
    task::spawn_blocking,
    time::{Instant, timeout_at},
};

use super::{DialConfig, DialError, access::Access, exec::PluginError, kept, pool::Pool, renewal};
use crate::{
    clock::Clock,
    model::{Secret, TokenFact},
};

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How soon they are looked at after a server has refused what we sent: a token may just have been rotated.
const LOOK_AFTER_REFUSAL: Duration = Duration::from_secs(1);
/// How often at most an exec plugin runs: it may cost a call to a cloud's rate-limited API.
const EXEC_EVERY: Duration = Duration::from_secs(15);
/// One that fails again and again is asked half as often each time, until it is this seldom.
const EXEC_EVERY_MAX: Duration = Duration::from_secs(300);

/// The current credentials and the connections that were made with them.
pub(super) struct Credentials {
    config: DialConfig,
    clock: Clock,
    access: RwLock<Arc<Access>>,
    pool: Pool,
    refresh: Mutex<Refresh>,
    renewed: Mutex<Renewed>,
    /// True while a refresh runs.
    running: watch::Sender<bool>,
}

/// What came of renewing our token in this run.
#[derive(Default)]
struct Renewed {
    /// The last one, which counts even where it could not be kept.
    token: Option<Secret>,
    /// It is on disk.
    is_kept: bool,
    /// Why the last attempt failed.
    problem: Option<String>,
}

#[derive(Debug)]
struct Refresh {
    looked: Instant,
    /// When a plugin was last asked again, or failed; the first time is at once.
    executed: Option<Instant>,
    /// How often in a row it failed.
    failures: u32,
    /// A server refused the credentials since the last look.
    refused: bool,
    /// The last refresh's error, to log a change only.
    error: Option<String>,
}

impl Credentials {
    /// Reads everything for the first time.
    pub(super) async fn load(config: DialConfig, clock: Clock) -> Result<Arc<Self>, DialError> {
        let access = read(config.clone(), None, clock.wall()).await?;
        let missing = access.missing();
        if let Some(missing) = missing {
            tracing::warn!(context = access.context(), "no credentials for the cluster: {}", in_log(missing));
        } else if let Some(why) = access.anonymous() {
            tracing::warn!(context = access.context(), "no credentials for the cluster: {why}");
        }
        let now = Instant::now();
        let failures = u32::from(missing.is_some());
        let executed = missing.map(|_| now);
        let refresh = Refresh { looked: now, executed, failures, refused: false, error: missing.map(in_log) };
        Ok(Arc::new(Self {
            config,
            clock,
            access: RwLock::new(Arc::new(access)),
            pool: Pool::default(),
            refresh: Mutex::new(refresh),
            renewed: Mutex::default(),
            running: watch::Sender::new(false),
        }))
    }

    /// Returns the connections made with them.
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Returns what is current now.
    pub(super) fn access(&self) -> Arc<Access> {
        self.access.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns whether this generation is still the current one.
    pub(super) fn is_current(&self, access: &Arc<Access>) -> bool {
        Arc::ptr_eq(access, &self.access())
    }

    /// Returns what is current, after a look whether it should be refreshed. Waits for a refresh only where the user's
    /// credentials are `needed` and what there is has ended, and for half the time at most.
    pub(super) async fn current(self: &Arc<Self>, needed: bool, deadline: Instant) -> Arc<Access> {
        self.look();
        let access = self.access();
        if !needed || !access.is_spent(self.clock.wall()) {
            return access;
        }
        let now = Instant::now();
        let patience = now + deadline.saturating_duration_since(now) / 2;
        // An elapsed patience means: go on with what there is.
        _ = timeout_at(patience, self.running.subscribe().wait_for(|running| !running)).await;
        self.access()
    }

    /// Takes note of a 401 or 403, and says why there are no credentials, where that is known. Only a 401 is a reason to
    /// look for new ones: 403 says that we are known, and may not.
    pub(super) fn refused(&self, status: u16) -> Option<String> {
        if status == 401 {
            self.lock().refused = true;
        }
        let access = self.access();
        if let Some(missing) = access.missing() {
            return Some(in_log(missing));
        }
        if let Some(why) = access.anonymous() {
            return Some(why.to_owned());
        }
        let error = self.lock().error.clone()?;
        access.is_spent(self.clock.wall()).then(|| format!("our credentials have ended, and {error}"))
    }

    /// Starts a refresh in the background where one is due.
    fn look(self: &Arc<Self>) {
        let now = Instant::now();
        let wall = self.clock.wall();
        let access = self.access();
        let exec = {
            let mut refresh = self.lock();
            let wanted = access.wants_renewal(wall) || (refresh.refused && access.has_exec());
            let exec = wanted && refresh.executed.is_none_or(|at| now - at >= pause(refresh.failures));
            let every = if refresh.refused { LOOK_AFTER_REFUSAL } else { LOOK_EVERY };
            if *self.running.borrow() || !(exec || now - refresh.looked >= every) {
                return;
            }
            refresh.looked = now;
            refresh.refused = false;
            if exec {
                refresh.executed = Some(now);
            }
            self.running.send_replace(true);
            exec
        };
        let this = self.clone();
        tokio::spawn(async move {
            this.refresh(&access, exec).await;
            this.running.send_replace(false);
        });
    }

    async fn refresh(&self, access: &Arc<Access>, exec: bool) {
        let old = access.clone();
        let changed = spawn_blocking(move || old.files_changed()).await.unwrap_or(false);
        if !changed && !exec {
            return;
        }
        let (next, error) = match self.read().await {
            Ok(next) => {
                let error = next.missing().map(in_log);
                let mut refresh = self.lock();
                refresh.failures = if error.is_some() { refresh.failures.saturating_add(1) } else { 0 };
                refresh.executed = Some(Instant::now());
                drop(refresh);
                (Some(next), error)
            }
            Err(error) => (None, Some(error.to_string())),
        };
        self.tell(access, error.as_deref());
        let spent = access.is_spent(self.clock.wall());
        if let Some(next) = next.filter(|next| next.missing().is_none() || spent) {
            self.put(next);
        }
    }

    async fn read(&self) -> Result<Access, DialError> {
        let renewed = self.renewed().token.clone();
        read(self.config.clone(), renewed, self.clock.wall()).await
    }

    fn put(&self, next: Access) {
        *self.access.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        // Connections show who we were: the next ones are made with what is true now.
        self.pool.clear();
    }

    fn tell(&self, access: &Access, error: Option<&str>) {
        let mut refresh = self.lock();
        if refresh.error.as_deref() == error {
            return;
        }
        match error {
            Some(why) => tracing::warn!(context = access.context(), "credentials can't be refreshed: {why}"),
            None => tracing::info!(context = access.context(), "credentials refreshed"),
        }
        refresh.error = error.map(str::to_owned);
    }

    /// Returns the time.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.wall()
    }

    /// Returns what is known of our token, where it ends and is no plugin's.
    pub(super) fn own_token(&self) -> Option<TokenFact> {
        let access = self.access();
        let problem = self.renewed().problem.clone().or_else(|| access.not_kept().map(str::to_owned));
        Some(renewal::fact(access.claims()?, self.config.kept_token.is_some(), problem))
    }

    /// Uses a token that was renewed, from now on.
    pub(super) async fn take_renewed(&self, token: Secret) {
        *self.renewed() = Renewed { token: Some(token), ..Renewed::default() };
        self.read_again().await;
    }

    /// Reads everything anew, and goes on with what there is where that fails.
    pub(super) async fn read_again(&self) {
        if let Ok(next) = self.read().await {
            self.put(next);
        }
    }

    /// Keeps what was renewed for the next start, unless it is kept already.
    ///
    /// # Errors
    /// Why it can't be kept, in words.
    pub(super) async fn keep_renewed(&self) -> Result<(), String> {
        let Some(path) = self.config.kept_token.clone() else { return Ok(()) };
        let Some(token) = Some(self.renewed()).filter(|r| !r.is_kept).and_then(|r| r.token.clone()) else {
            return Ok(());
        };
        let written = spawn_blocking(move || kept::write(&path, &token)).await;
        written.unwrap_or_else(|_| Err("keeping the renewed token was interrupted".to_owned()))?;
        self.renewed().is_kept = true;
        Ok(())
    }

    /// Notes how renewing went; true: it is another reason than before.
    pub(super) fn note_renewal(&self, problem: Option<&str>) -> bool {
        let mut renewed = self.renewed();
        let is_news = renewed.problem.as_deref() != problem;
        renewed.problem = problem.map(str::to_owned);
        is_news
    }

    fn renewed(&self) -> std::sync::MutexGuard<'_, Renewed> {
        self.renewed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Refresh> {
        self.refresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = self.access();
        f.debug_struct("Credentials").field("context", &access.context()).field("server", access.server()).finish()
    }
}

/// The pause before a plugin runs again that has failed so often in a row.
fn pause(failures: u32) -> Duration {
    (EXEC_EVERY * 2u32.saturating_pow(failures.saturating_sub(1).min(8))).min(EXEC_EVERY_MAX)
}

/// A plugin's failure for logs, pages and messages: what it wrote itself may hold a secret.
fn in_log(error: &PluginError) -> String {
    let hint = if error.said.is_empty() { "" } else { " (`dogwatch check` shows what it says)" };
    format!("{}{hint}", error.why)
}

/// Files are read on a thread that may block.
async fn read(config: DialConfig, renewed: Option<Secret>, now: Timestamp) -> Result<Access, DialError> {
    let runtime = Handle::current();
    let reading = spawn_blocking(move || runtime.block_on(Access::read(&config, renewed, now)));
    reading.await.unwrap_or_else(|_| Err(DialError::new("reading the credentials was interrupted")))
}
