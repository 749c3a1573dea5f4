//! The light form: a Lease is written at one API server, read back and watched at every one, and deleted.
//!
//! "Read" is by the server's own cache (`resourceVersion=0`), which is what controllers and kubelets see: how long until
//! it has the version that was written is how stale that server is. Versions are compared for equality alone, since
//! nobody else writes this object.

use std::{slice::from_ref, time::Duration};

use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};
use url::Url;

use super::{
    api::{Api, Kind, Refused, answered, instance},
    run::{Failed, Run, failed, refused},
    sweep::sweep,
};
use crate::{
    dial::{Exchange, Fed, Feed},
    model::{CanaryLayer, CanaryRun, CanaryStage},
};

/// API servers that are read back; more than that no cluster has.
const SERVERS_MAX: usize = 16;
/// A cache that has not caught up is asked again after this, and then ever more rarely …
const AGAIN_MIN: Duration = Duration::from_millis(20);
/// … up to this.
const AGAIN_MAX: Duration = Duration::from_millis(500);
/// How long the Lease says that it is held; nobody acts on it.
const LEASE_SECONDS: u64 = 60;

/// A watch that is open at one server.
struct Watch {
    server: Url,
    lines: mpsc::Receiver<Fed>,
    /// Ended when this is dropped.
    exchange: JoinSet<Exchange>,
}

/// Runs once. `servers` are those that work, the one that is written to first.
pub(super) async fn run(api: &Api, servers: &[Url], limit: Duration, now: Timestamp) -> CanaryRun {
    let mut run = Run::begin(now);
    let outcome = stages(api, &servers[..servers.len().min(SERVERS_MAX)], limit, now, &mut run).await;
    let gone = delete(api, servers, limit, &mut run).await;
    run.end(outcome.and(gone))
}

async fn stages(api: &Api, servers: &[Url], limit: Duration, now: Timestamp, run: &mut Run) -> Result<(), Failed> {
    sweep(api, servers, &[Kind::Lease], limit).await?;
    let mut watches: Vec<Watch> = servers.iter().map(|server| watch(api, server, limit)).collect();
    for opened in join_all(watches.iter_mut().map(|watch| open(watch, limit))).await {
        opened?;
    }
    let began = Instant::now();
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": api.name(), "labels": api.labels()},
        "spec": {"holderIdentity": "dogwatch", "leaseDurationSeconds": LEASE_SECONDS, "renewTime": micro_time(now)},
    });
    let written = api.create(servers, Kind::Lease, &lease, limit).await;
    let written = written.map_err(|e| refused(CanaryStage::Written, &e))?;
    let version = version(&written).to_owned();
    run.passed(CanaryStage::Written, began);
    let written_at = Instant::now();
    let reads = join_all(servers.iter().map(|server| read(api, server, &version, written_at, limit)));
    let sights = join_all(watches.iter_mut().map(|watch| sight(watch, &version, written_at, limit)));
    let (reads, sights) = tokio::join!(reads, sights);
    let mut outcome = Ok(());
    for (stage, results) in [(CanaryStage::Watched, sights), (CanaryStage::Read, reads)] {
        for (server, result) in servers.iter().zip(results) {
            match result {
                Ok(took) => run.took(stage, Some(instance(server)), took),
                Err(failure) => outcome = outcome.and(Err(failure)),
            }
        }
    }
    outcome
}

/// Deletes it, whatever came before.
async fn delete(api: &Api, servers: &[Url], limit: Duration, run: &mut Run) -> Result<(), Failed> {
    let began = Instant::now();
    let name = api.name();
    let deleted = api.delete(servers, Kind::Lease, &name, None, limit).await;
    deleted.map_err(|e| refused(CanaryStage::Deleted, &e))?;
    run.passed(CanaryStage::Deleted, began);
    Ok(())
}

fn watch(api: &Api, server: &Url, limit: Duration) -> Watch {
    let (feed, lines) = Feed::new();
    // It is opened, then the Lease is written, then its news is waited for: each may take the limit.
    let lasts = limit * 3;
    let (ask, dialer) = (api.watch(server, Kind::Lease, lasts, feed), api.dialer.clone());
    let mut exchange = JoinSet::new();
    exchange.spawn(async move { dialer.exchange(ask, Instant::now() + lasts).await });
    Watch { server: server.clone(), lines, exchange }
}

/// Waits until the watch tells what happens from now on.
async fn open(watch: &mut Watch, limit: Duration) -> Result<(), Failed> {
    match timeout_at(Instant::now() + limit, watch.lines.recv()).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(ended(watch).await),
        Err(_) => Err(late(CanaryStage::Watched, &watch.server, "a watch is not begun in time")),
    }
}

/// Waits for the news of this version; how long after it was written that came.
async fn sight(watch: &mut Watch, version_written: &str, since: Instant, limit: Duration) -> Result<Duration, Failed> {
    loop {
        match timeout_at(since + limit, watch.lines.recv()).await {
            Ok(Some(Fed::Line(at, line))) => {
                let event: Value = serde_json::from_slice(&line).unwrap_or_default();
                if event.get("object").is_some_and(|object| version(object) == version_written) {
                    return Ok(at.saturating_duration_since(since));
                }
            }
            Ok(Some(Fed::Open)) => {}
            Ok(None) => return Err(ended(watch).await),
            Err(_) => return Err(late(CanaryStage::Watched, &watch.server, "its event does not come in time")),
        }
    }
}

/// Why a watch ended that should not have.
async fn ended(watch: &mut Watch) -> Failed {
    let outcome = watch.exchange.join_next().await.and_then(Result::ok).map(|exchange| exchange.outcome);
    let at = instance(&watch.server);
    match outcome.map(|outcome| answered(outcome, at.clone())) {
        Some(Err(e)) if e.status != Some(200) => refused(CanaryStage::Watched, &e),
        _ => {
            let evidence = vec![format!("{at} ended the watch before it told anything")];
            let told = (CanaryLayer::ApiServer, "the API server ends the watch");
            let mut failure = failed(CanaryStage::Watched, told, evidence);
            failure.instance = Some(at);
            failure
        }
    }
}

/// Reads by the server's cache until it has this version; how long after it was written that was.
async fn read(
    api: &Api,
    server: &Url,
    version_written: &str,
    since: Instant,
    limit: Duration,
) -> Result<Duration, Failed> {
    let mut rest = AGAIN_MIN;
    loop {
        let left = (since + limit).saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(late(CanaryStage::Read, server, "its cache does not have it in time"));
        }
        match api.get(from_ref(server), Kind::Lease, &[("resourceVersion", "0")], left).await {
            Ok(lease) if version(&lease) == version_written => return Ok(since.elapsed()),
            // Another version, or none yet.
            Ok(_) | Err(Refused { status: Some(404), .. }) => sleep(rest.min(left)).await,
            Err(e) => return Err(refused(CanaryStage::Read, &e)),
        }
        rest = (rest * 2).min(AGAIN_MAX);
    }
}

fn late(stage: CanaryStage, server: &Url, why: &'static str) -> Failed {
    let at = instance(server);
    let mut failure = failed(stage, (CanaryLayer::WatchCache, why), vec![format!("{at}: {why}")]);
    failure.instance = Some(at);
    failure
}

fn version(object: &Value) -> &str {
    object.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default()
}

/// As a Lease has its times: with six digits of a second.
fn micro_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}
