//! Reloads: one at a time, built beside what runs, and put in force only as a whole.

use std::{future::pending, pin::Pin, sync::Arc};

use tokio::task::JoinHandle;

use super::{
    Engine, Shared,
    plan::{Plan, Running},
    preflight::Problem,
    systemd,
};
use crate::{
    config::{Config, Places},
    http::ReloadAnswer,
};

/// Reads the configuration anew; the error is ready to be shown.
pub type Reload = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<Loaded, String>> + Send>> + Send + Sync>;

/// A configuration, read.
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// Where it says so; `None` without a file.
    pub places: Option<Places>,
}

/// The reload that is under way, and who waits for it.
pub struct Reloads {
    load: Reload,
    building: Option<JoinHandle<Result<Plan, String>>>,
    /// They hear how the one under way ends.
    waiting: Vec<ReloadAnswer>,
    /// Asked for while it was under way: it may have read files that have changed since.
    later: Vec<ReloadAnswer>,
    again: bool,
}

impl Reloads {
    /// None is under way.
    pub fn new(load: Reload) -> Self {
        Self { load, building: None, waiting: Vec::new(), later: Vec::new(), again: false }
    }

    /// Begins one, or has one follow the one that is under way.
    pub fn ask(&mut self, answer: Option<ReloadAnswer>, engine: &Engine) {
        if self.building.is_some() {
            self.later.extend(answer);
            self.again = true;
            return;
        }
        self.waiting.extend(answer);
        systemd::reloading();
        let (load, running) = (self.load.clone(), engine.running());
        self.building = Some(tokio::spawn(build(load, running)));
    }

    /// Waits until the one that is under way is built, or can't be.
    pub async fn built(&mut self) -> Result<Plan, String> {
        let built = match &mut self.building {
            Some(building) => building.await,
            None => pending().await,
        };
        self.building = None;
        built.unwrap_or_else(|_| Err("reading it broke off: please report this".into()))
    }

    /// Puts it in force, or leaves everything as it is, and tells so.
    pub async fn end(&mut self, built: Result<Plan, String>, engine: &mut Engine, shared: &Shared) {
        let ended = match built {
            Ok(plan) => Ok(engine.put_in_force(plan).await),
            Err(error) => Err(error),
        };
        match &ended {
            Ok(changes) => tracing::info!("the new configuration is in force: {changes}"),
            Err(error) => {
                tracing::error!("the new configuration is not used, the old one stays in force:\n{error}");
                shared.metrics.reload_ok.set(0);
            }
        }
        shared.live.write().reload_error = ended.as_ref().err().cloned();
        // Who asked may have gone.
        self.waiting.drain(..).for_each(|answer| drop(answer.send(ended.clone())));
        systemd::ready();
        if std::mem::take(&mut self.again) {
            self.waiting = std::mem::take(&mut self.later);
            self.ask(None, engine);
        }
    }
}

async fn build(load: Reload, running: Running) -> Result<Plan, String> {
    let Loaded { config, places } = load().await?;
    Plan::beside(config, &running).await.map_err(|problems| told(&problems, places.as_ref()))
}

/// A line each, with file, line and column where it is of an entry.
fn told(problems: &[Problem], places: Option<&Places>) -> String {
    let line = |problem: &Problem| match places {
        Some(places) if !problem.at.is_empty() => places.error(&problem.at, &problem.message).to_string(),
        _ => problem.to_string(),
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}
