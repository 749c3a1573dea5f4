//! The wiring: parts, tasks, channels, signals, reload. It alone knows every part; it decides nothing.

mod cluster;
pub mod drill;
mod engine;
mod limits;
pub mod links;
mod self_metrics;
mod serving;
mod systemd;

use std::{pin::Pin, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

pub use self::{engine::Engine, serving::Serving};
use crate::{clock::Clock, config::Config, model::Live, telemetry::Metrics};

/// Reads the configuration anew; the error is ready to be shown.
pub type Reload = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<Config, String>> + Send>> + Send + Sync>;

/// Holds what outlives a reload.
#[derive(Clone)]
pub struct Shared {
    /// The latest picture.
    pub live: Live,
    /// Own metrics.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub clock: Clock,
    /// Asks for a reload.
    pub reload: mpsc::Sender<()>,
    /// Where HTTP is served, apart from all that watches.
    pub serving: Arc<Serving>,
}

impl Shared {
    /// Returns what a first engine starts with: nothing is known yet.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn new(clock: Clock, reload: mpsc::Sender<()>) -> anyhow::Result<Self> {
        let serving = Arc::new(Serving::start().context("no threads could be started")?);
        Ok(Self { live: Live::default(), metrics: Arc::new(Metrics::new()), clock, reload, serving })
    }
}

/// A stop takes no longer than this: systemd and people wait for it.
pub const STOP_WITHIN: Duration = Duration::from_millis(4_500);
/// Reloads that wait; more would only repeat it.
const RELOADS: usize = 1;

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
    let mut watchdog = tokio::time::interval(systemd::EVERY);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => engine = reloaded(engine, &reload, &shared).await?,
            Some(()) = asked.recv() => engine = reloaded(engine, &reload, &shared).await?,
            _ = watchdog.tick() => systemd::watchdog(&engine, &shared.live),
        }
    }
    tracing::info!("stopping");
    systemd::stopping();
    engine.stop().await;
    Ok(())
}

/// A new engine on the same database if the new configuration is good; otherwise the old one goes on.
async fn reloaded(engine: Engine, reload: &Reload, shared: &Shared) -> anyhow::Result<Engine> {
    match reload().await {
        Err(error) => {
            tracing::error!("the new configuration is not used, the old one stays in force:\n{error}");
            shared.live.write().reload_error = Some(error);
            Ok(engine)
        }
        Ok(config) => {
            systemd::reloading();
            engine.stop().await;
            let engine = Engine::start(&config, shared).await?;
            shared.live.write().reload_error = None;
            tracing::info!("the new configuration is in force");
            systemd::ready();
            Ok(engine)
        }
    }
}
