//! All that a configuration needs, made and tried beside what runs: it can be put in force without anything that may fail.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::Arc,
};

use anyhow::Context;
use futures_util::future::join_all;
use tokio::net::TcpListener;

use super::{
    links,
    preflight::{self, Problem},
};
use crate::{
    clock::Clock,
    config::{self, Config},
    dial::{self, Dialer},
    discover::config::{ClusterConfig, MonitoringConfig},
    dispatch::Routing,
    heartbeat,
    login::Door,
    notify::Integration,
    rule,
};

/// A configuration that can be put in force.
pub struct Plan {
    /// What it says.
    pub(super) config: Config,
    /// Its rules, read.
    pub(super) rules: Vec<rule::Group>,
    /// Whom to tell.
    pub(super) integrations: Vec<Integration>,
    /// What, and when.
    pub(super) routing: Routing,
    /// TLS, and who may log in.
    pub(super) door: Door,
    /// The port, taken; `None`: the one that is held serves on.
    pub(super) listener: Option<TcpListener>,
    /// Where that is.
    pub(super) listening: SocketAddr,
    /// What every link begins with.
    pub(super) external_url: String,
    /// Who reports in, with the tokens read; `None`: at a start, where that is part of restoring them.
    pub(super) heartbeats: Option<heartbeat::Configured>,
    /// Of clusters that are reached in another way than now, by name.
    pub(super) dialers: HashMap<String, Dialer>,
}

/// What runs beside it.
#[derive(Clone)]
pub struct Running {
    /// The configuration in force.
    pub config: Arc<Config>,
    /// Where it listens.
    pub listening: SocketAddr,
    /// The port.
    pub listener: Option<Arc<TcpListener>>,
    /// Time.
    pub clock: Clock,
}

/// What is made of a configuration without asking anybody.
struct Made {
    rules: Vec<rule::Group>,
    integrations: Vec<Integration>,
    routing: Routing,
    door: Door,
}

impl Made {
    /// All that is wrong; `integrations` stand in for the configuration's own. Reads files.
    fn of(config: &Config, integrations: Option<Vec<Integration>>) -> Result<Self, Vec<Problem>> {
        let wrong = |(at, message): (String, String)| Problem { at, message };
        let rules = config::rules(config);
        let integrations = integrations.map_or_else(|| config.integrations().map_err(wrong), Ok);
        let routing = config.routing().map_err(wrong);
        let door = preflight::door(config);
        match (rules, integrations, routing, door) {
            (Ok(rules), Ok(integrations), Ok(routing), Ok(door)) => Ok(Self { rules, integrations, routing, door }),
            (rules, integrations, routing, door) => {
                let found = rules.err().map(|errors| errors.0).unwrap_or_default();
                let found = found.into_iter().map(|e| Problem::new(e.at.unwrap_or_default(), e.message));
                let door = door.err().into_iter().flatten();
                Err(found.chain(integrations.err()).chain(routing.err()).chain(door).collect())
            }
        }
    }
}

impl Plan {
    /// For a start; `integrations` stand in for the configuration's own. A cluster that can't be used yet, or a secret
    /// that can't be read, is no reason not to watch the others.
    ///
    /// # Errors
    /// When the port can't be taken, or rules, receivers or routes can't be used.
    pub async fn at_start(config: &Config, integrations: Option<Vec<Integration>>) -> anyhow::Result<Self> {
        let Made { rules, integrations, routing, door } =
            Made::of(config, integrations).map_err(|problems| anyhow::anyhow!("{}", words(&problems)))?;
        let listener = preflight::listen(config.listen).await.map_err(|(_, why)| anyhow::anyhow!("{why}"))?;
        let listening = listener.local_addr().context("the port's address can't be told")?;
        let external_url = links::base(config, listening, door.tls.is_some()).await;
        let (config, listener, dialers) = (config.clone(), Some(listener), HashMap::new());
        let heartbeats = None;
        Ok(Self { config, rules, integrations, routing, door, listener, listening, external_url, heartbeats, dialers })
    }

    /// To take the place of what runs: nothing in it may fail later.
    ///
    /// # Errors
    /// All that is wrong, in words; what runs is untouched.
    pub async fn beside(config: Config, running: &Running) -> Result<Self, Vec<Problem>> {
        if config.data_dir != running.config.data_dir {
            let (old, new) = (running.config.data_dir.display(), config.data_dir.display());
            let why = format!("history lies in {old} while dogwatch runs; restart it to go on in {new}");
            return Err(vec![Problem::new("data_dir", why)]);
        }
        let (config, made) = aside(config, |config| Made::of(config, None)).await?;
        let Made { rules, integrations, routing, door } = made?;
        let mut problems = preflight::files(&config, &integrations).await;
        let (dialers, unusable) = dialers(&config, running).await;
        problems.extend(unusable);
        let (config, unreadable) = aside(config, {
            let running = running.config.clone();
            move |config| unreadable(config, &running)
        })
        .await?;
        problems.extend(unreadable);
        let mut listener = None;
        if config.listen != running.config.listen {
            match preflight::listen_beside(config.listen, running.listener.as_deref()).await {
                Ok(taken) => listener = Some(taken),
                Err((_, why)) => problems.push(Problem::new("listen", why)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let listening = listener.as_ref().and_then(|l| l.local_addr().ok()).unwrap_or(running.listening);
        let external_url = links::base(&config, listening, door.tls.is_some()).await;
        let read = |config: &Config| reporting(config);
        let (config, heartbeats) = aside(config, read).await?;
        let heartbeats = Some(heartbeats);
        Ok(Self { config, rules, integrations, routing, door, listener, listening, external_url, heartbeats, dialers })
    }
}

/// The monitoring inside of those clusters that have some.
fn monitoring(config: &Config) -> BTreeMap<Arc<str>, MonitoringConfig> {
    let monitored = |c: &ClusterConfig| Some((c.name.as_str().into(), c.monitoring.clone()?));
    config.clusters.iter().filter_map(monitored).collect()
}

/// A line each.
pub fn words(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Reads files where nobody waits for the thread.
async fn aside<T: Send + 'static>(
    config: Config,
    work: impl FnOnce(&Config) -> T + Send + 'static,
) -> Result<(Config, T), Vec<Problem>> {
    let done = tokio::task::spawn_blocking(move || {
        let made = work(&config);
        (config, made)
    });
    done.await.map_err(|_| vec![Problem::new("", "reading what it refers to broke off: please report this")])
}

/// Whether a cluster is reached as it is now.
fn is_reached_alike(cluster: &ClusterConfig, running: &Config) -> bool {
    let dir = running.data_dir.as_path();
    running.clusters.iter().any(|known| known.name == cluster.name && known.dial(dir) == cluster.dial(dir))
}

/// The dialers of those clusters that are reached in another way than now.
async fn dialers(config: &Config, running: &Running) -> (HashMap<String, Dialer>, Vec<Problem>) {
    let clusters = config.clusters.iter().enumerate();
    let others = clusters.filter(|(_, cluster)| !is_reached_alike(cluster, &running.config));
    let loads = others.map(async |(i, cluster)| {
        let dial = cluster.dial(&config.data_dir);
        (i, cluster, Dialer::load(dial, running.clock.clone()).await)
    });
    let (mut dialers, mut problems) = (HashMap::new(), Vec::new());
    for (i, cluster, loaded) in join_all(loads).await {
        match loaded {
            Ok(dialer) => drop(dialers.insert(cluster.name.clone(), dialer)),
            Err(error) => problems.push(unusable(i, cluster, &error)),
        }
    }
    (dialers, problems)
}

/// Kubeconfigs of the others that can't be read now; their dialers go on with what they read.
fn unreadable(config: &Config, running: &Config) -> Vec<Problem> {
    let clusters = config.clusters.iter().enumerate().filter(|(_, cluster)| is_reached_alike(cluster, running));
    clusters
        .filter_map(|(i, cluster)| Some(unusable(i, cluster, &dial::context(&cluster.dial(&config.data_dir)).err()?)))
        .collect()
}

fn unusable(index: usize, cluster: &ClusterConfig, error: &dial::DialError) -> Problem {
    Problem::new(format!("clusters[{index}].kubeconfig"), format!("cluster {}: {error}", cluster.name))
}

/// What reports in, with its tokens. Reads their files; blocks.
pub(super) fn reporting(config: &Config) -> heartbeat::Configured {
    heartbeat::Configured::new(config.heartbeats.clone(), monitoring(config), config.restore_drills.clone())
}
