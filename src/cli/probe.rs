//! `dogwatch probe`: everything once, as a table or JSON, with the exit status of a Nagios plugin.

use std::{process::ExitCode, sync::Arc, time::Duration};

use anstyle::AnsiColor;
use comfy_table::{Table, presets};
use serde::Serialize;
use tokio::{sync::Semaphore, task::JoinSet};
use url::Url;

use super::{Output, ProbeArgs, output};
use crate::{
    clock::Clock,
    config::Config,
    dial::{DialConfig, Dialer},
    discover::{
        config::ClusterConfig,
        coverage::gaps,
        kubernetes::{self, Scope},
        targets::targets,
    },
    model::{ClusterSnapshot, Gap, Job, Observation, Part, ProbeSpec, Reason, Target},
    probe,
};

/// A wait longer than this is explained.
const SILENT_FOR: Duration = Duration::from_secs(2);
/// Probes at once: a person waits, and the machine may be small.
const AT_ONCE: usize = 128;

/// What one probe amounts to, worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Grade {
    Up,
    Unknown,
    Degraded,
    Down,
}

impl Grade {
    fn of(o: &Observation) -> Self {
        match o.failure.as_ref().map(|f| f.reason) {
            None => Grade::Up,
            Some(Reason::Local) => Grade::Unknown,
            // As the diagnosis judges it.
            Some(_) if o.refuses_us() => Grade::Unknown,
            Some(Reason::Throttled | Reason::Degraded) => Grade::Degraded,
            Some(reason) if reason.tells_nothing() => Grade::Unknown,
            Some(_) => Grade::Down,
        }
    }

    /// Exit status and Nagios' word.
    fn nagios(self) -> (u8, &'static str) {
        match self {
            Grade::Up => (0, "OK"),
            Grade::Degraded => (1, "WARNING"),
            Grade::Down => (2, "CRITICAL"),
            Grade::Unknown => (3, "UNKNOWN"),
        }
    }

    fn word(self) -> (&'static str, AnsiColor) {
        match self {
            Grade::Up => ("up", AnsiColor::Green),
            Grade::Unknown => ("unknown", AnsiColor::Magenta),
            Grade::Degraded => ("degraded", AnsiColor::Yellow),
            Grade::Down => ("down", AnsiColor::Red),
        }
    }
}

/// Probes and prints.
pub async fn main(args: ProbeArgs) -> anyhow::Result<ExitCode> {
    let unknown = |message: &str| {
        output::fail(message);
        Ok(ExitCode::from(Grade::Unknown.nagios().0))
    };
    let config = match output::configuration(&args.config).await {
        Ok(config) => config,
        Err(errors) => return unknown(&errors),
    };
    let mut seen = Vec::new();
    let mut unread = Vec::new();
    let mut problems = Vec::new();
    let mut gaps = Vec::new();
    for cluster in &config.clusters {
        match probe_cluster(cluster, &config, &args).await {
            Ok(found) => {
                seen.extend(found.observations);
                unread.extend(found.unread.map(|why| format!("cluster {}: {why}", cluster.name)));
                gaps.extend(found.gaps.into_iter().map(|gap| NotWatched::new(&cluster.name, gap)));
            }
            Err(problem) => problems.push(format!("cluster {}: {problem}", cluster.name)),
        }
    }
    seen.sort_by(|a, b| (Grade::of(b), &a.target.key).cmp(&(Grade::of(a), &b.target.key)));
    if !problems.is_empty() {
        output::fail(&problems.join("\n"));
    }
    if seen.is_empty() {
        return unknown("nothing to probe: no target is called so (`dogwatch probe --all` shows all)");
    }
    // What runs there is not known where it can't be read: that nothing is known to be down is not "OK".
    let hidden = (!unread.is_empty() || !problems.is_empty()).then_some(Grade::Unknown);
    let (status, word) = seen.iter().map(Grade::of).chain(hidden).max().unwrap_or(Grade::Unknown).nagios();
    match args.output {
        Output::Json => output::say(&json(&seen, &gaps)?),
        Output::Table => {
            print(&seen, word, &unread, &gaps);
            if args.verbose {
                print_steps(&seen);
            }
        }
    }
    Ok(ExitCode::from(status))
}

/// What was seen of a cluster.
struct Seen {
    observations: Vec<Observation>,
    /// Why nodes or API servers that it may have are not among them.
    unread: Option<String>,
    /// Components of which nothing was seen.
    gaps: Vec<Gap>,
}

async fn probe_cluster(cluster: &ClusterConfig, config: &Config, args: &ProbeArgs) -> Result<Seen, String> {
    let clock = Clock::system();
    let dial = DialConfig { person_waits: true, ..cluster.dial() };
    let loading = Dialer::load(dial, clock.clone());
    let dialer = told_while_waiting(&cluster.name, loading).await.map_err(|e| e.to_string())?;
    if let Some(missing) = dialer.missing() {
        output::note(&format!("cluster {}: {}", cluster.name, output::missing(&missing)));
    }
    let snapshot = kubernetes::read(&dialer, &ClusterSnapshot::default(), Scope::Full, &cluster.leads(), &clock).await;
    if let Some(error) = &snapshot.error {
        output::fail(&format!("cluster {}: discovery: {error}", cluster.name));
    }
    for note in snapshot.notes() {
        output::fail(&format!("cluster {}: discovery: {note}", cluster.name));
    }
    let unread = snapshot.problems.get(&Part::Nodes);
    let unread = unread.or_else(|| snapshot.problems.get(&Part::Endpoints).filter(|_| snapshot.read_at.is_none()));
    let unread = unread.filter(|_| args.all).cloned();
    let pace = (config.defaults.interval, config.defaults.timeout);
    let all = targets(cluster, &dialer.server(), &snapshot, dialer.has_etcd_certificate(), pace);
    let wanted = all.into_iter().filter(|t| args.all || args.targets.iter().any(|w| is_called(t, w)));
    let proxies: Arc<[Url]> = [dialer.server()]
        .into_iter()
        .chain(snapshot.apiserver_endpoints.iter().filter_map(|e| Url::parse(&format!("https://{e}")).ok()))
        .collect();
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut probes = JoinSet::new();
    for target in wanted {
        let (dialer, proxies, clock, permits) = (dialer.clone(), proxies.clone(), clock.clone(), permits.clone());
        probes.spawn(async move {
            let _permit = permits.acquire_owned().await;
            probe::probe(&Arc::new(target), &dialer, &proxies, false, &clock).await
        });
    }
    let mut observations = probes.join_all().await;
    // A guess that does not answer is no target.
    observations.retain(|o| o.answered || !o.target.guessed || !args.all);
    let mut gaps = if args.all { gaps(cluster, &snapshot) } else { Vec::new() };
    gaps.retain(|gap| observations.iter().all(|o| o.target.key.job != gap.job));
    Ok(Seen { observations, unread, gaps })
}

/// An exec plugin may take its time: nobody should wonder.
async fn told_while_waiting<T>(cluster: &str, loading: impl Future<Output = T>) -> T {
    let mut loading = std::pin::pin!(loading);
    match tokio::time::timeout(SILENT_FOR, loading.as_mut()).await {
        Ok(loaded) => loaded,
        Err(_) => {
            output::note(&format!("cluster {cluster}: waiting for its exec plugin, 10 s at most"));
            loading.await
        }
    }
}

fn is_called(target: &Target, wanted: &str) -> bool {
    let node = match &target.spec {
        ProbeSpec::Kubelet { node, .. } => Some(node),
        _ => target.node.as_ref(),
    };
    target.key.to_string().contains(wanted) || node.is_some_and(|n| **n == *wanted)
}

fn print(seen: &[Observation], word: &str, unread: &[String], gaps: &[NotWatched]) {
    let count = |grade: Grade| seen.iter().filter(|o| Grade::of(o) == grade).count();
    let parts = [(Grade::Down, "down"), (Grade::Degraded, "degraded"), (Grade::Unknown, "unknown"), (Grade::Up, "up")];
    let summary: Vec<String> =
        parts.iter().filter(|(g, _)| count(*g) > 0).map(|(g, what)| format!("{} {what}", count(*g))).collect();
    let unread: Vec<String> = unread.iter().map(|why| format!("; {why}")).collect();
    let mut names: Vec<&str> = gaps.iter().filter(|g| !g.gap.turned_off).map(|g| g.gap.name()).collect();
    names.dedup();
    let names = if names.is_empty() { String::new() } else { format!("; not watched: {}", names.join(", ")) };
    let (summary, unread) = (summary.join(", "), unread.concat());
    output::say(&format!("DOGWATCH {word} - {summary} of {} targets{unread}{names}", seen.len()));
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["TARGET", "NODE", "VERDICT", "MS", "WHY"]);
    for o in seen {
        table.add_row([
            o.target.key.to_string(),
            o.target.node.as_deref().unwrap_or_default().to_string(),
            Grade::of(o).word().0.to_string(),
            o.duration.as_millis().to_string(),
            o.failure.as_ref().map_or_else(|| fine(o), ToString::to_string),
        ]);
    }
    let mut lines = table.lines();
    output::say(lines.next().unwrap_or_default().trim());
    // One row, one line. Coloured after it is laid out: the table counts the bytes of a colour as letters.
    for (line, o) in lines.zip(seen) {
        let (word, color) = Grade::of(o).word();
        let style = output::style(color);
        output::say(line.trim().replacen(&format!(" {word} "), &format!(" {style}{word}{style:#} "), 1).as_str());
    }
    for NotWatched { cluster, gap, .. } in gaps {
        output::say(&format!("not watched: {cluster}/{gap}"));
    }
}

fn print_steps(seen: &[Observation]) {
    for o in seen {
        output::say(&format!("\n{}", o.target.key));
        for step in &o.trace {
            output::say(&format!("  {:>6} ms  {}", step.after.as_millis(), step.text));
        }
    }
}

/// An array: each target, then each component that is not watched.
fn json(seen: &[Observation], gaps: &[NotWatched]) -> serde_json::Result<String> {
    let rows = seen.iter().map(|o| serde_json::to_value(Row::of(o)));
    let all: serde_json::Result<Vec<_>> = rows.chain(gaps.iter().map(serde_json::to_value)).collect();
    serde_json::to_string_pretty(&all?)
}

/// A component of which nothing was seen: neither up nor down.
#[derive(Debug, Serialize)]
struct NotWatched {
    cluster: String,
    verdict: &'static str,
    #[serde(flatten)]
    gap: Gap,
}

impl NotWatched {
    fn new(cluster: &str, gap: Gap) -> Self {
        Self { cluster: cluster.into(), verdict: "not_watched", gap }
    }
}

/// What a healthy target told, in short.
fn fine(o: &Observation) -> String {
    let checks = match o.checks.len() {
        0 => String::new(),
        n => format!("{n} checks ok"),
    };
    let version = match &o.facts {
        crate::model::Facts::ApiServer(a) => a.version.clone(),
        crate::model::Facts::Etcd(e) => {
            e.version.clone().map(|v| format!("{v}{}", if e.is_leader == Some(true) { ", leader" } else { "" }))
        }
        _ => None,
    };
    [version, Some(checks).filter(|c| !c.is_empty())].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[derive(Serialize)]
struct Row<'a> {
    cluster: &'a str,
    job: Job,
    instance: &'a str,
    node: Option<&'a str>,
    verdict: Grade,
    reason: Option<Reason>,
    message: Option<&'a str>,
    duration_seconds: f64,
    http_status: Option<u16>,
    failed_checks: Vec<&'a str>,
    trace: Vec<&'a str>,
}

impl<'a> Row<'a> {
    fn of(o: &'a Observation) -> Self {
        Self {
            cluster: &o.target.key.cluster,
            job: o.target.key.job,
            instance: &o.target.key.instance,
            node: o.target.node.as_deref(),
            verdict: Grade::of(o),
            reason: o.failure.as_ref().map(|f| f.reason),
            message: o.failure.as_ref().map(|f| f.message.as_str()),
            duration_seconds: o.duration.as_secs_f64(),
            http_status: o.http_status,
            failed_checks: o.checks.iter().filter(|c| !c.ok).map(|c| c.name.as_str()).collect(),
            trace: o.trace.iter().map(|t| t.text.as_str()).collect(),
        }
    }
}
