//! A drill: a fake cluster breaks, and the watchdog's own parts find it by probes and by a rule, route it by the real
//! configuration and send it to the real receivers, marked as a drill, with proof of each delivery. It has a store and a port of its own, so that it
//! never touches the history, the silences or the incidents of the watchdog that runs.
//!
//! On a schedule, a proof that is missing becomes a finding of the watchdog itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{Engine, Shared, links};
use crate::{
    clock::Clock,
    config::{self, Config},
    demo::FakeCluster,
    dispatch::config::RouteConfig,
    dispatch::drill::{DrillConfig, next},
    model::{AlertName, Finding, FindingKey, Incident, Live, Said, Severity, State, Topic},
    notify::{Rehearsed, receiver_of},
    schedule::Defaults,
    store::{DeliveryOutcome, DeliveryRecord},
    vantage::VantageConfig,
    words,
};

/// The fake cluster is up within this.
const UP_WITHIN: Duration = Duration::from_secs(30);

/// The outage is found, routed and delivered within this; a receiver that is slower has not proved anything.
const PROOF_WITHIN: Duration = Duration::from_secs(90);

/// The rule of a drill: what the diagnosis finds too, so that it is told once; its label tells its alert apart.
const RULES: &str = "groups:
  - name: drill
    interval: 1s
    rules:
      - alert: EtcdQuorumLost
        expr: dogwatch_etcd_quorum_margin < 0
        labels: {severity: critical, drill_rule: \"true\"}
        annotations: {summary: \"etcd of {{ $labels.cluster }} has lost quorum\"}
";

/// Messages that a rehearsal keeps: two of each integration, and some to spare.
const REHEARSED_MAX: usize = 4_096;

/// Conditions are looked at this often.
const LOOK: Duration = Duration::from_millis(50);

/// Holds what one receiver did with one message.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Proof {
    /// The integration.
    pub receiver: String,
    /// `began` or `ended`.
    pub what: &'static str,
    /// Whether it took it.
    pub delivered: bool,
    /// Its own words: SMTP reply with queue id, HTTP status.
    pub answer: String,
    /// Seconds from the outage (or its end) to the receiver's answer.
    pub seconds: f64,
}

/// Says how a drill went.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Seconds from the outage to the incident.
    pub found_after_seconds: f64,
    /// Seconds from the outage to the alert of the drill's rule.
    pub rule_after_seconds: f64,
    /// The incident's headline.
    pub headline: String,
    /// Every message.
    pub proofs: Vec<Proof>,
    /// Why it is no proof that alarms arrive; `None`: it is one.
    pub problem: Option<String>,
}

/// Plays one.
///
/// # Errors
/// When it can't be played at all.
pub async fn run(config: &Config, only: Option<&str>) -> anyhow::Result<Report> {
    stage(config, only, None).await
}

/// Plays one in which nothing is sent, and gives what would have been, in order.
///
/// # Errors
/// When it can't be played at all.
pub async fn rehearse(config: &Config, only: Option<&str>) -> anyhow::Result<(Report, Vec<Rehearsed>)> {
    let (keep, mut kept) = mpsc::channel(REHEARSED_MAX);
    let report = stage(config, only, Some(keep)).await?;
    let mut messages = Vec::new();
    while let Ok(message) = kept.try_recv() {
        messages.push(message);
    }
    Ok((report, messages))
}

async fn stage(config: &Config, only: Option<&str>, keep: Option<mpsc::Sender<Rehearsed>>) -> anyhow::Result<Report> {
    let dir = TempDir::new()?;
    let clock = Clock::system();
    let cluster = FakeCluster::start(&dir.0, clock.clone()).await?;
    let (reload, _asked) = mpsc::channel(1);
    let shared = Shared::new(clock, reload)?;
    std::fs::write(dir.0.join("drill.yml"), RULES).context("the drill's rule can't be written")?;
    let mut staged = drill_config(config, only, &cluster, &dir.0);
    // Links lead to the watchdog that people know, not to the drill's own port.
    staged.external_url = links::base(config, config.listen, config::speaks_tls(config)).await.parse().ok();
    let mut integrations = staged.integrations().map_err(|(at, message)| anyhow::anyhow!("{at}: {message}"))?;
    if let Some(keep) = keep {
        integrations = integrations.iter().map(|i| i.rehearsed(keep.clone())).collect();
    }
    let engine = Engine::start_with(&staged, &shared, integrations).await.context("the drill can't start")?;
    let played = run_outage(&engine, &shared.live, &cluster).await;
    engine.stop().await;
    played
}

/// The real configuration over the fake cluster, which has the name of the first real one, so that routes know it.
fn drill_config(config: &Config, only: Option<&str>, cluster: &FakeCluster, dir: &std::path::Path) -> Config {
    let mut fake = cluster.config();
    if let Some(first) = config.clusters.first() {
        fake.name.clone_from(&first.name);
        fake.labels.clone_from(&first.labels);
    }
    let mut external_labels = config.external_labels.clone();
    external_labels.insert("drill".into(), "true".into());
    Config {
        data_dir: dir.join("data"),
        listen: (std::net::Ipv4Addr::LOCALHOST, 0).into(),
        external_labels,
        vantage: VantageConfig::nobody(),
        defaults: Defaults { interval: Duration::from_secs(2), timeout: Duration::from_secs(1) },
        clusters: vec![fake],
        global: config.global.clone(),
        templates: config.templates.clone(),
        receivers: config.receivers.clone(),
        language: config.language,
        timezone: config.timezone.clone(),
        route: only.map(RouteConfig::to).or_else(|| config.route.clone()),
        inhibit_rules: config.inhibit_rules.clone(),
        time_intervals: config.time_intervals.clone(),
        mute_time_intervals: config.mute_time_intervals.clone(),
        rule_files: Some(vec![dir.join("drill.yml").display().to_string()]),
        is_drill: true,
        ..Config::default()
    }
}

async fn run_outage(engine: &Engine, live: &Live, cluster: &FakeCluster) -> anyhow::Result<Report> {
    let all_up = || {
        let live = live.read();
        let targets = || live.clusters.values().flat_map(|c| c.targets.values());
        targets().filter(|t| t.verdict.state == State::Up).count() >= cluster.targets()
    };
    anyhow::ensure!(wait(UP_WITHIN, async || all_up()).await, "the fake cluster did not come up within {UP_WITHIN:?}");
    let begun = Instant::now();
    for member in [1, 2] {
        cluster.kill_etcd(member).await;
    }
    let mut report = Report::default();
    let open = || live.read().incidents.iter().find(|i| i.told_at.is_some() && i.resolved_at.is_none()).cloned();
    if !wait(PROOF_WITHIN, async || open().is_some()).await {
        report.problem = Some(format!("no incident was told within {PROOF_WITHIN:?}: routes may be muted now"));
        return Ok(report);
    }
    let Some(incident) = open() else { return Ok(report) };
    (report.found_after_seconds, report.headline) = (begun.elapsed().as_secs_f64(), incident.headline.clone());
    if incident.told.is_empty() {
        report.problem = Some("no receiver is routed to: nobody would be told of an outage".into());
        return Ok(report);
    }
    let ruled = || live.read().alerts.iter().any(|a| a.alert.label("drill_rule") == "true");
    if wait(PROOF_WITHIN, async || ruled()).await {
        report.rule_after_seconds = begun.elapsed().as_secs_f64();
    } else {
        report.problem = Some(format!("the rule did not fire within {PROOF_WITHIN:?}; the probes found the outage"));
    }
    let told = engine.integrations(&incident.told, true);
    let took = prove(engine, &incident, "began", told, begun, &mut report).await;
    cluster.restart_etcd().await?;
    let mended = Instant::now();
    let over = || live.read().incidents.iter().find(|i| i.id == incident.id && i.resolved_at.is_some()).cloned();
    if wait(PROOF_WITHIN, async || over().is_some()).await
        && let Some(incident) = over()
    {
        // Who did not take the beginning has not got the end yet either; that is said already.
        let told = engine.integrations(&incident.told, false).into_iter().filter(|name| took.contains(name)).collect();
        prove(engine, &incident, "ended", told, mended, &mut report).await;
    }
    Ok(report)
}

/// Waits until every one of `expected` has answered the last message about an incident; gives those that took it.
async fn prove(
    engine: &Engine,
    incident: &Incident,
    what: &'static str,
    expected: Vec<String>,
    since: Instant,
    report: &mut Report,
) -> BTreeSet<String> {
    let began = what == "began";
    let mut seen: BTreeMap<String, (DeliveryRecord, f64)> = BTreeMap::new();
    wait(PROOF_WITHIN, async || {
        let records = engine.deliveries(incident.id).await.unwrap_or_default();
        for r in records.into_iter().filter(|r| (r.sequence + 1 == incident.messages) || (began && r.sequence == 0)) {
            let known = seen.get(&r.receiver).is_some_and(|(old, _)| old.outcome == DeliveryOutcome::Delivered);
            if !known {
                seen.insert(r.receiver.clone(), (r, since.elapsed().as_secs_f64()));
            }
        }
        expected.iter().all(|name| seen.get(name).is_some_and(|(r, _)| r.outcome != DeliveryOutcome::Retried))
    })
    .await;
    let mut took = BTreeSet::new();
    for name in expected {
        let (delivered, answer, seconds) = match seen.remove(&name) {
            Some((r, seconds)) => (r.outcome == DeliveryOutcome::Delivered, r.answer, seconds),
            None => (false, format!("no answer within {PROOF_WITHIN:?}"), since.elapsed().as_secs_f64()),
        };
        if !delivered && report.problem.is_none() {
            report.problem = Some(format!("{} did not take the message: {answer}", receiver_of(&name)));
        }
        if delivered {
            took.insert(name.clone());
        }
        report.proofs.push(Proof { receiver: name, what, delivered, answer, seconds });
    }
    took
}

async fn wait(limit: Duration, mut condition: impl AsyncFnMut() -> bool) -> bool {
    let begun = Instant::now();
    while !condition().await {
        if begun.elapsed() > limit {
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
    true
}

/// Plays drills on the schedule of the newest configuration until told to stop; a proof that is missing is a finding until
/// the next one. Boxed, since a drill starts an engine, and an engine plays drills.
pub fn scheduled(
    mut configs: watch::Receiver<Arc<Config>>,
    findings: watch::Sender<Arc<Vec<Finding>>>,
    stop: CancellationToken,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        loop {
            let config = configs.borrow_and_update().clone();
            if config.drill.is_none() {
                findings.send_if_modified(|told| !std::mem::take(told).is_empty());
            }
            let due = config.drill.as_ref().and_then(|drill| Some((drill, due_at(drill)?)));
            let changed = tokio::select! {
                () = stop.cancelled() => return,
                changed = configs.changed() => match changed {
                    Ok(()) => true,
                    Err(_) => return,
                },
                () = sleep_until(due.map(|(_, at)| at)) => false,
            };
            let Some((drill, at)) = due.filter(|_| !changed) else { continue };
            let Some(problem) = stop.run_until_cancelled(proof(&config, drill)).await else { return };
            findings.send_replace(Arc::new(problem.into_iter().map(|why| failed(&why, at)).collect()));
        }
    })
}

/// When the next one begins; `None`: never.
fn due_at(drill: &DrillConfig) -> Option<Timestamp> {
    next(&drill.schedule, drill.timezone.as_deref(), Timestamp::now()).ok()
}

/// Sleeps until then, or for ever.
async fn sleep_until(at: Option<Timestamp>) {
    match at {
        Some(at) => {
            tokio::time::sleep(Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default()).await
        }
        None => std::future::pending().await,
    }
}

/// Plays one; returns why it is no proof.
async fn proof(config: &Arc<Config>, drill: &DrillConfig) -> Option<String> {
    tracing::info!("a drill begins");
    let (config, receiver) = (config.clone(), drill.receiver.clone());
    let problem = match tokio::task::spawn_blocking(move || aside(&config, receiver.as_deref())).await {
        Ok(Ok(report)) => report.problem,
        Ok(Err(error)) => Some(format!("{error:#}")),
        Err(_) => Some("the drill broke off; the log says why".into()),
    };
    match &problem {
        None => tracing::info!("the drill's proof is there"),
        Some(why) => tracing::error!("the drill's proof is missing: {why}"),
    }
    problem
}

/// Plays one on this thread alone, and says nothing in the log: nobody who reads there that etcd is down would know that
/// this is a drill.
fn aside(config: &Config, only: Option<&str>) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::new(), || runtime.block_on(run(config, only)))
}

fn failed(why: &str, since: Timestamp) -> Finding {
    Finding {
        evidence: vec![why.to_owned()],
        still_works: vec!["probing and history".into()],
        consequences: vec!["an outage may be told to nobody".into()],
        ..words::finding(
            FindingKey { cluster: Arc::default(), alert: AlertName::DrillFailed, subject: String::new() },
            (Severity::Critical, Topic::Watchdog),
            Said::new("proof-missing"),
            Said::new("step-proof"),
            since,
        )
    }
}

/// A directory that goes with the value.
struct TempDir(PathBuf);

impl TempDir {
    fn new() -> anyhow::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let dir = std::env::temp_dir().join(format!("dogwatch-drill-{}-{:08x}", std::process::id(), fastrand::u32(..)));
        std::fs::DirBuilder::new().mode(0o700).create(&dir)?;
        Ok(Self(dir))
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // What can't be removed is in the system's temporary directory, which is emptied.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
