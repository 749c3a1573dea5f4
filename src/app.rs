//! The wiring: parts, tasks, channels, signals, reload. It alone knows every part; it decides nothing.

mod changes;
mod cluster;
pub mod drill;
mod engine;
mod ground;
mod history;
pub mod limits;
pub mod links;
mod pings;
mod plan;
pub mod preflight;
mod reload;
mod report_mail;
mod self_metrics;
mod server;
mod serving;
mod systemd;
mod tasks;
mod watching;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use self::reload::Reloads;
pub use self::{
    engine::Engine,
    reload::{Loaded, Reload},
    serving::Serving,
};
use crate::{clock::Clock, config::Config, http::ReloadAnswer, model::Live, telemetry::Metrics};

/// Holds what outlives an engine.
#[derive(Clone)]
pub struct Shared {
    /// The latest picture.
    pub live: Live,
    /// Own metrics.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub clock: Clock,
    /// Asks for a reload.
    pub reload: mpsc::Sender<ReloadAnswer>,
    /// Where HTTP is served, apart from all that watches.
    pub serving: Arc<Serving>,
}

impl Shared {
    /// Returns what a first engine starts with: nothing is known yet.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn new(clock: Clock, reload: mpsc::Sender<ReloadAnswer>) -> anyhow::Result<Self> {
        let serving = Arc::new(Serving::start().context("no threads could be started")?);
        Ok(Self { live: Live::default(), metrics: Arc::new(Metrics::new()), clock, reload, serving })
    }
}

/// A stop takes no longer than this: systemd and people wait for it.
pub const STOP_WITHIN: Duration = Duration::from_millis(4_500);
/// Those who wait for a reload; more would hear the same.
const RELOADS: usize = 16;

/// Runs until SIGTERM or SIGINT; SIGHUP and `POST /-/reload` read the configuration anew.
///
/// # Errors
/// When the machine can't give what is needed at start: the port, the signals, the data directory's lock.
pub async fn run(config: Config, reload: Reload) -> anyhow::Result<()> {
    limits::take_all_files();
    let (ask, mut asked) = mpsc::channel(RELOADS);
    let shared = Shared::new(Clock::system(), ask)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut engine = Engine::start(&config, &shared).await?;
    systemd::ready();
    let mut reloads = Reloads::new(reload);
    tokio::spawn(tell_problems(config));
    let mut watchdog = tokio::time::interval(systemd::EVERY);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => reloads.ask(None, &engine),
            Some(answer) = asked.recv() => reloads.ask(Some(answer), &engine),
            built = reloads.built() => reloads.end(built, &mut engine, &shared).await,
            _ = watchdog.tick() => systemd::watchdog(&engine, &shared.live),
        }
    }
    tracing::info!("stopping");
    systemd::stopping();
    engine.stop().await;
    Ok(())
}

/// Says which files can't be read yet. They may still come; a reload would be refused for them.
async fn tell_problems(config: Config) {
    // Receivers that can't be made have kept the engine from starting.
    let integrations = config.integrations().unwrap_or_default();
    for problem in preflight::files(&config, &integrations).await {
        tracing::warn!("{problem}");
    }
}
