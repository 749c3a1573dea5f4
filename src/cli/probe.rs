//! `dogwatch probe`: everything once, as a table or JSON, with the exit status of a Nagios plugin.

mod checks;
mod print;

use std::{
    collections::{BTreeMap, HashMap},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anstyle::AnsiColor;
use serde::Serialize;
use tokio::{sync::Semaphore, task::JoinSet};
use url::Url;

use self::print::{NotWatched, json, print, print_steps};
use super::{Output, ProbeArgs, output};
use crate::{
    check::config::CheckConfig,
    clock::Clock,
    config::Config,
    dial::{DialConfig, Dialer},
    discover::{
        LocalHosts,
        config::ClusterConfig,
        coverage::gaps,
        kubernetes::{self, Asked, Scope},
        targets::{Timing, targets},
    },
    health::is_heard,
    model::{ClusterSnapshot, Facts, Gap, Job, KubeletVia, Observation, Part, ProbeSpec, Reason, Target},
    probe,
    schedule::Defaults,
};

/// A wait longer than this is explained.
const SILENT_FOR: Duration = Duration::from_secs(2);
/// Probes at once: a person waits, and the machine may be small.
const AT_ONCE: usize = 128;
/// Targets that are named where none is called as asked for.
const SHOWN_MAX: usize = 10;

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
            Some(Reason::Throttled | Reason::Degraded | Reason::Slow | Reason::Certificate) => Grade::Degraded,
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

/// A probe, and what it amounts to.
struct Probed {
    observation: Observation,
    grade: Grade,
    /// It can't be reached from here, and others hear from it.
    heard: bool,
}

impl Probed {
    /// With what the API server says of the node, where it is a kubelet that does not answer: as `run` judges one that has
    /// never answered from here, as far as a single reading allows.
    fn new(observation: Observation, snapshot: &ClusterSnapshot) -> Self {
        let grade = Grade::of(&observation);
        let heard = grade == Grade::Down
            && match &observation.target.spec {
                ProbeSpec::Kubelet { node, .. } if may_be_out_of_reach(&observation) => {
                    snapshot.nodes.iter().any(|n| n.name == *node && is_heard(n))
                }
                _ => false,
            };
        Self { observation, grade: if heard { Grade::Unknown } else { grade }, heard }
    }

    /// Why it is no more than it is, in words.
    fn why(&self) -> Option<String> {
        let failure = self.observation.failure.as_ref()?;
        let heard =
            if self.heard { "it can't be reached from here, though the API server hears from it: " } else { "" };
        Some(format!("{heard}{failure}"))
    }
}

/// A kubelet of which nobody says that it is dead.
fn may_be_out_of_reach(o: &Observation) -> bool {
    let reason = o.failure.as_ref().map(|f| f.reason);
    let by_proxy = matches!(&o.facts, Facts::Kubelet(facts) if facts.via == KubeletVia::Proxy);
    !o.answered && reason != Some(Reason::Degraded) && !(by_proxy && reason == Some(Reason::Refused))
}

/// Probes and prints.
pub async fn main(args: ProbeArgs) -> anyhow::Result<ExitCode> {
    let unknown = |message: &str| {
        output::fail(message);
        Ok(ExitCode::from(Grade::Unknown.nagios().0))
    };
    if let Some(asked) = checks::ad_hoc(&args) {
        return match asked {
            Ok(asked) => ask(asked, &args).await,
            Err(why) => unknown(&why),
        };
    }
    let config = match output::configuration(&args.config).await {
        Ok(config) => config,
        Err(errors) => return unknown(&errors),
    };
    let mut seen = Vec::new();
    let mut unread = Vec::new();
    let mut problems = Vec::new();
    let mut gaps = Vec::new();
    let checked = checks::wanted(&config, &args);
    let (mut called, mut wanted) = (checked.others, checked.wanted);
    let mut snapshots = HashMap::new();
    let clusters = if checked.is_all { &[] } else { &config.clusters[..] };
    for cluster in clusters {
        match probe_cluster(cluster, &config, &args).await {
            Ok(found) => {
                called.extend(found.others);
                let sites = checks::of_sites(&config, cluster, &found.snapshot);
                let (of_it, others): (Vec<_>, Vec<_>) = sites.into_iter().partition(|(t, _)| is_asked(t, &args));
                wanted.extend(of_it);
                called.extend(others.iter().map(|(t, _)| t.key.to_string()));
                seen.extend(found.probed);
                snapshots.insert(cluster.name.as_str(), found.snapshot);
                unread.extend(found.unread.map(|why| format!("cluster {}: {why}", cluster.name)));
                gaps.extend(found.gaps.into_iter().map(|gap| NotWatched::new(&cluster.name, gap)));
            }
            Err(problem) => problems.push(format!("cluster {}: {problem}", cluster.name)),
        }
    }
    seen.extend(checks::run(checks::at_nodes(wanted, &snapshots), &config).await);
    seen.sort_by(|a, b| (b.grade, &a.observation.target.key).cmp(&(a.grade, &b.observation.target.key)));
    if !problems.is_empty() {
        output::fail(&problems.join("\n"));
    }
    if seen.is_empty() && gaps.is_empty() {
        return match why_no_target(&config, &args, &called, !problems.is_empty()) {
            Some(why) => unknown(&why),
            None => Ok(ExitCode::from(Grade::Unknown.nagios().0)),
        };
    }
    // What runs there is not known where it can't be read: that nothing is known to be down is not "OK".
    let hidden = (!unread.is_empty() || !problems.is_empty()).then_some(Grade::Unknown);
    let (status, word) = seen.iter().map(|p| p.grade).chain(hidden).max().unwrap_or(Grade::Unknown).nagios();
    match args.output {
        Output::Json => output::say_json(&json(&seen, &gaps)?),
        Output::Table => {
            print(&seen, word, &unread, &gaps);
            if args.verbose {
                print_steps(&seen);
            }
        }
    }
    Ok(ExitCode::from(status))
}

/// Whether a target is among those that are to be asked.
fn is_asked(target: &Target, args: &ProbeArgs) -> bool {
    args.all || args.targets.iter().any(|wanted| is_called(target, wanted))
}

/// Asks what no configuration names, with every step.
async fn ask(asked: Vec<CheckConfig>, args: &ProbeArgs) -> anyhow::Result<ExitCode> {
    let defaults = Defaults::default();
    let pace = (defaults.interval, defaults.timeout);
    let none = std::collections::BTreeMap::new();
    let target = |(i, check): (usize, &CheckConfig)| Some((check.target(i, &none, pace)?, Arc::new(check.clone())));
    let seen = checks::run(asked.iter().enumerate().filter_map(target).collect(), &Config::default()).await;
    let (status, word) = seen.iter().map(|p| p.grade).max().unwrap_or(Grade::Unknown).nagios();
    match args.output {
        Output::Json => output::say(&json(&seen, &[])?),
        Output::Table => {
            print(&seen, word, &[], &[]);
            print_steps(&seen);
        }
    }
    Ok(ExitCode::from(status))
}

/// Why there was nothing to probe; `None` where that is said already.
fn why_no_target(config: &Config, args: &ProbeArgs, called: &[String], failed: bool) -> Option<String> {
    if failed {
        return None;
    }
    if config.clusters.is_empty() && config.checks.is_empty() {
        return Some("nothing to probe: the configuration names neither a cluster nor a check".into());
    }
    if called.is_empty() {
        return Some("nothing to probe: every component that could be is turned off (`enabled: false`)".into());
    }
    let shown = called.iter().take(SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = called.len().saturating_sub(SHOWN_MAX);
    let more = if more > 0 { format!(", and {more} more (`dogwatch probe --all`)") } else { String::new() };
    Some(format!("nothing to probe: no target is called {}; there are {shown}{more}", args.targets.join(" or ")))
}

/// What was seen of a cluster.
struct Seen {
    /// The way to it.
    dialer: Dialer,
    probed: Vec<Probed>,
    snapshot: ClusterSnapshot,
    /// Why nodes or API servers that it may have are not among them.
    unread: Option<String>,
    /// Components of which nothing was seen.
    gaps: Vec<Gap>,
    /// Targets that were not asked for.
    others: Vec<String>,
}

async fn probe_cluster(cluster: &ClusterConfig, config: &Config, args: &ProbeArgs) -> Result<Seen, String> {
    let clock = Clock::system();
    let dial = DialConfig { person_waits: true, ..cluster.dial(&config.data_dir) };
    let loading = Dialer::load(dial, clock.clone());
    let dialer = told_while_waiting(&cluster.name, loading).await.map_err(|e| e.to_string())?;
    if let Some(missing) = dialer.missing() {
        output::note(&format!("cluster {}: {}", cluster.name, output::missing(&missing)));
    }
    let local = LocalHosts::of(&dialer.server(), cluster.allow_local_addresses);
    let nothing = ClusterSnapshot::default();
    let (leads, ingress_ports) = (cluster.leads(), config.asks_ingress(cluster));
    let asked = Asked { leads: &leads, local, ingress_ports, sites: cluster.sites() };
    let snapshot = kubernetes::read(&dialer, &nothing, Scope::Full, asked, &clock).await;
    if let Some(error) = &snapshot.error {
        output::fail(&format!("cluster {}: discovery: {error}", cluster.name));
    }
    for note in snapshot.notes() {
        output::fail(&format!("cluster {}: discovery: {note}", cluster.name));
    }
    let unread = snapshot.problems.get(&Part::Nodes);
    let unread = unread.or_else(|| snapshot.problems.get(&Part::Endpoints).filter(|_| snapshot.read_at.is_none()));
    let unread = unread.filter(|_| args.all).cloned();
    let timing = Timing { interval: config.defaults.interval, timeout: config.defaults.timeout };
    let all = targets(cluster, &dialer.server(), &snapshot, dialer.has_etcd_certificate(), timing);
    let mut gaps = gaps(cluster, &snapshot, &all);
    let (wanted, others): (Vec<Target>, Vec<Target>) = all.into_iter().partition(|t| is_asked(t, args));
    let proxies: Arc<[Url]> = [dialer.server()]
        .into_iter()
        .chain(snapshot.apiserver_endpoints.iter().filter_map(|e| Url::parse(&format!("https://{e}")).ok()))
        .collect();
    let probes = wanted.into_iter().map(|target| {
        let (dialer, proxies, clock) = (dialer.clone(), proxies.clone(), clock.clone());
        async move { probe::probe(&Arc::new(target), &dialer, &proxies, false, &clock).await }
    });
    let observations = at_once(probes).await;
    // A guess that does not answer is no target, however it was asked for: it is not watched.
    let (answered, guesses): (Vec<_>, Vec<_>) = observations.into_iter().partition(|o| o.answered || !o.target.guessed);
    let observations = answered;
    for guess in &guesses {
        if !args.all && gaps.iter().all(|gap| gap.job != guess.target.key.job) {
            gaps.push(silent(guess));
        }
    }
    gaps.retain(|gap| {
        let name = format!("{}/{}", cluster.name, gap.job.as_str());
        let asked = args.all || args.targets.iter().any(|wanted| name.contains(wanted.as_str()));
        asked || guesses.iter().any(|o| o.target.key.job == gap.job)
    });
    gaps.retain(|gap| gap.is_open(observations.iter().map(|o| o.target.key.job)));
    let probed = observations.into_iter().map(|o| Probed::new(o, &snapshot)).collect();
    let others = others.iter().map(|t| t.key.to_string()).collect();
    Ok(Seen { dialer, probed, snapshot, unread, gaps, others })
}

/// What `init` is told of a cluster.
pub(super) struct Look {
    /// The way to it.
    pub(super) dialer: Dialer,
    /// What answers, a line a component: `3 of 3 etcd`.
    pub(super) seen: Vec<String>,
    /// What is not watched, why, and how to change that.
    pub(super) unseen: Vec<String>,
    /// No member of etcd is among what answers.
    pub(super) lacks_etcd: bool,
    /// Why nothing of it could be seen.
    pub(super) error: Option<String>,
}

/// Looks at all that can be seen of a cluster from here.
///
/// # Errors
/// When its kubeconfig can't be used.
pub(super) async fn look(cluster: &ClusterConfig, config: &Config, args: &ProbeArgs) -> Result<Look, String> {
    let found = probe_cluster(cluster, config, args).await?;
    let mut counts: BTreeMap<Job, (usize, usize)> = BTreeMap::new();
    for one in &found.probed {
        let (answered, all) = counts.entry(one.observation.target.key.job).or_default();
        *all += 1;
        *answered += usize::from(one.observation.answered);
    }
    let seen = counts.iter().map(|(job, (answered, all))| match answered == all {
        true => format!("{all} {}", job.as_str()),
        false => format!("{answered} of {all} {}", job.as_str()),
    });
    let open = found.gaps.iter().filter(|gap| !gap.turned_off);
    let unread = found.snapshot.problems.values().cloned();
    Ok(Look {
        dialer: found.dialer,
        seen: seen.collect(),
        lacks_etcd: found.gaps.iter().any(|gap| gap.job == Job::Etcd),
        unseen: open
            .map(|gap| format!("{}: {}; to see it, {}", gap.job.as_str(), gap.why, gap.how))
            .chain(unread)
            .collect(),
        error: (!found.probed.iter().any(|one| one.observation.answered))
            .then(|| found.snapshot.error.clone().unwrap_or_else(|| "nothing of it answers".into())),
    })
}

/// The gap of a component that a cluster need not have.
fn silent(guess: &Observation) -> Gap {
    let job = guess.target.key.job;
    Gap {
        job,
        why: format!("it is looked for at {}, where nobody answers", guess.target.key.instance),
        how: format!("let it listen there, or give `{}.endpoints`", job.as_str().replace('-', "_")),
        turned_off: false,
        partly: false,
    }
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
/// Makes all of these probes at once, as far as the machine has room.
async fn at_once<P: Future<Output = Observation> + Send + 'static>(
    probes: impl Iterator<Item = P>,
) -> Vec<Observation> {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for probe in probes {
        let permits = permits.clone();
        running.spawn(async move {
            let _permit = permits.acquire_owned().await;
            probe.await
        });
    }
    running.join_all().await
}
