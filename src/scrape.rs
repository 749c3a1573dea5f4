//! A component's own /metrics, scraped: what rules and dashboards need of it, under its own names, with the target's labels.
//!
//! Off unless a cluster's `scrape:` asks for it. Only targets that answered the last probe are asked, well or not, a few at
//! a time, apart from the probes, which never wait for a scrape; a scrape that fails changes no verdict. What is not on the keep-list costs no allocation.
//! Labels that the component gives and dogwatch sets itself become `exported_…` (Prometheus' `honor_labels: false`); series
//! that are gone get a stale marker, all of a target's when its scrape fails.
//!
//! The loaded rules have a say: the metrics they use are kept too, and API servers' series bear the job that they look for
//! (`kube-apiserver`, or kube-prometheus' `apiserver`), so that published rules find them unchanged. A kubelet's bear
//! `metrics_path="/metrics"`.

pub mod config;
mod managed;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use url::Url;

use self::config::{Keep, ScrapeConfig, Wanted};
use crate::{
    clock::Clock,
    dial::{Ask, Auth, Dialer, Trust},
    exposition::{self, Format},
    model::{Facts, Job, KubeletVia, Labels, Live, LiveTarget, ProbeSpec, Sample, State, Target, TargetKey, stale},
    store::Store,
    telemetry::Metrics,
};

/// Scrapes of one cluster at once: an API server's body is some megabytes.
const AT_ONCE: usize = 4;

/// Holds what a cluster's scraping works with.
pub struct Parts {
    /// The cluster.
    pub cluster: Arc<str>,
    /// Gives the dialer once the kubeconfig is loaded.
    pub dialer: Box<dyn Fn() -> Option<Dialer> + Send + Sync>,
    /// The targets.
    pub live: Live,
    /// Where samples go.
    pub store: Store,
    /// Own metrics.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub clock: Clock,
}

/// What the configuration says of a cluster's scraping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How.
    pub config: ScrapeConfig,
    /// What the loaded rules ask for.
    pub wanted: Wanted,
}

/// Settings, with what follows from them.
struct Plan {
    config: ScrapeConfig,
    keep: Arc<Keep>,
    /// The jobs under which API servers' series are written.
    jobs: Vec<String>,
}

impl Plan {
    fn new(settings: &Settings) -> Self {
        let Settings { config, wanted } = settings;
        let (keep, jobs) = (Arc::new(Keep::new(config, wanted)), wanted.api_server_jobs(config));
        Self { config: config.clone(), keep, jobs }
    }
}

/// The labels that all scraped series of a target bear.
type Base = Vec<(Arc<str>, Arc<str>)>;

/// What was written of each target last.
type Written = HashMap<TargetKey, HashSet<Labels>>;

/// Scrapes until told to stop, or until nobody can change the settings any more: then it is not asked for any more, and all
/// series end.
pub async fn run(parts: Parts, mut settings: watch::Receiver<Settings>, stop: CancellationToken) {
    let mut written = Written::new();
    let mut complained: HashSet<TargetKey> = HashSet::new();
    loop {
        let plan = Plan::new(&settings.borrow_and_update());
        let changed = tokio::select! {
            () = stop.cancelled() => return,
            changed = settings.changed() => changed,
            () = scrape_all(&plan, &parts, &mut written, &mut complained) => return,
        };
        if changed.is_err() {
            let now = parts.clock.wall();
            written.values().for_each(|series| end(&parts.store, series, now));
            return;
        }
    }
}

/// Scrapes on every tick.
async fn scrape_all(plan: &Plan, parts: &Parts, written: &mut Written, complained: &mut HashSet<TargetKey>) {
    let mut tick = tokio::time::interval(plan.config.interval);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(dialer) = (parts.dialer)() else { continue };
        let places = places(parts, plan);
        parts.store.append(&down(parts, &plan.jobs));
        written.retain(|key, before| {
            let there = places.iter().any(|p| p.target.key == *key);
            if !there {
                end(&parts.store, before, parts.clock.wall());
            }
            there
        });
        let scrapes = places.into_iter().map(|place| scrape(place, &dialer, parts, plan));
        let mut done = stream::iter(scrapes).buffer_unordered(AT_ONCE);
        while let Some(scraped) = done.next().await {
            remember(parts, written, complained, scraped);
        }
    }
}

/// Where a target's metrics are.
struct Place {
    target: Arc<Target>,
    ask: Ask,
    /// The probe writes its `up`; what an API server hands on of others has none but that of its scrape.
    is_probed: bool,
}

/// How a scrape ended.
struct Scraped {
    target: Arc<Target>,
    is_probed: bool,
    /// The labels of its series: a set for each job that it is written as.
    bases: Vec<Base>,
    at: Timestamp,
    took: Duration,
    outcome: Result<exposition::Scraped, String>,
}

/// An etcd member without a leader is down and has most to tell; one that is silent would only hold up the others.
fn answers(t: &LiveTarget) -> bool {
    t.last.as_ref().is_some_and(|last| last.answered)
}

/// Both formats are read; text first, since every component has it. Weights as in RFC 9110, section 12.4.2.
const ACCEPT: &str = "text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0;q=0.5, */*;q=0.1";

/// Says that there is more than `scrape.max_bytes` allows.
fn too_long(max_bytes: usize) -> String {
    format!("the answer is longer than {max_bytes} bytes (scrape.max_bytes)")
}

/// The targets that answer, and whom to ask for their metrics.
fn places(parts: &Parts, plan: &Plan) -> Vec<Place> {
    let live = parts.live.read();
    let Some(cluster) = live.clusters.get(&parts.cluster) else { return Vec::new() };
    let all = || cluster.targets.values().filter(|t| answers(t));
    let single = |t: &&LiveTarget| matches!(t.target.spec, ProbeSpec::ApiServer { advertised: false, .. });
    let has_single = all().any(|t| single(&t));
    let api = all().find(|t| t.verdict.state == State::Up && matches!(t.target.spec, ProbeSpec::ApiServer { .. }));
    let api_url = api.and_then(|t| match &t.target.spec {
        ProbeSpec::ApiServer { base, .. } => Some(base),
        _ => None,
    });
    let with = |target: Arc<Target>, ask: Ask, is_probed: bool| {
        let ask = Ask { max_bytes: plan.config.max_bytes, reuse: true, accept: ACCEPT, gzip: true, ..ask };
        Place { target, ask, is_probed }
    };
    let place = |t: &LiveTarget| {
        let ask = match &t.target.spec {
            // Behind a load balancer each scrape would be of another server: its counters would jump.
            ProbeSpec::ApiServer { advertised: true, .. } if has_single => return None,
            ProbeSpec::ApiServer { base, .. } => Ask::get(at(base, "/metrics"), Trust::Cluster, Auth::Cluster),
            ProbeSpec::Etcd { metrics: Some(url), .. } => Ask::get(at(url, "/metrics"), Trust::Observe, Auth::None),
            ProbeSpec::Etcd { client, .. } => Ask::get(at(client, "/metrics"), Trust::Etcd, Auth::Etcd),
            // kube-proxy's metrics are on a port of its own, which listens on the node alone.
            ProbeSpec::Healthz { .. } if t.target.key.job == Job::KubeProxy => return None,
            ProbeSpec::Healthz { url } => Ask::get(at(url, "/metrics"), Trust::Observe, Auth::Cluster),
            ProbeSpec::Kubelet { base, node, .. } => kubelet(t, base, node, api_url)?,
            ProbeSpec::Check(_) => return None,
        };
        Some(with(t.target.clone(), ask, true))
    };
    let mut places: Vec<Place> = all().filter_map(place).collect();
    if let Some((api, (base, paths))) = api.and_then(|api| Some((api, managed::handed_on(api)?))) {
        let unseen = |job: Job| all().all(|t| t.target.key.job != job);
        places.extend(paths.iter().filter(|(job, _)| unseen(*job)).map(|(job, path)| {
            let target = Target { key: TargetKey { job: *job, ..api.target.key.clone() }, ..(*api.target).clone() };
            with(Arc::new(target), Ask::get(at(&base, path), Trust::Cluster, Auth::Cluster), false)
        }));
    }
    places
}

/// API servers that are silent are not scraped; under a job that only scrapes write, this is their `up`.
fn down(parts: &Parts, jobs: &[String]) -> Vec<Sample> {
    let live = parts.live.read();
    let targets = live.clusters.get(&parts.cluster).into_iter().flat_map(|c| c.targets.values());
    let silent = |t: &&LiveTarget| t.verdict.state == State::Down && !answers(t);
    let down = targets.filter(|t| t.target.key.job == Job::KubeApiserver).filter(silent);
    let others = || jobs.iter().filter(|job| *job != Job::KubeApiserver.as_str());
    let at = parts.clock.wall();
    let up = |t: &LiveTarget, job: &String| Sample { labels: Labels::new("up", base(&t.target, job)), at, value: 0.0 };
    down.flat_map(|t| others().map(move |job| up(t, job))).collect()
}

/// The way on which the probe found the kubelet.
fn kubelet(t: &LiveTarget, base: &Url, node: &str, api: Option<&Url>) -> Option<Ask> {
    let direct = matches!(
        t.last.as_ref().map(|o| &o.facts),
        Some(Facts::Kubelet(k)) if k.via == KubeletVia::Direct && k.direct_status == Some(200)
    );
    if direct {
        return Some(Ask::get(at(base, "/metrics"), Trust::Observe, Auth::Cluster));
    }
    Some(Ask::get(at(api?, &format!("/api/v1/nodes/{node}/proxy/metrics")), Trust::Cluster, Auth::Cluster))
}

fn at(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(path);
    url.set_query(None);
    url
}

async fn scrape(place: Place, dialer: &Dialer, parts: &Parts, plan: &Plan) -> Scraped {
    let (started, begun) = (parts.clock.wall(), Instant::now());
    let deadline = parts.clock.mono() + plan.config.timeout;
    let keep = plan.keep.clone();
    let Place { target, ask, is_probed } = place;
    let exchange = dialer.exchange(ask, deadline).await;
    let (limit, max_bytes) = (plan.config.max_series, plan.config.max_bytes);
    let bases: Vec<Base> = match target.key.job {
        Job::KubeApiserver => plan.jobs.iter().map(|job| base(&target, job)).collect(),
        other => vec![base(&target, other.as_str())],
    };
    let of = bases.clone();
    let outcome = match exchange.outcome {
        Err(failure) => Err(failure.to_string()),
        Ok(answer) if answer.status != 200 => Err(format!("HTTP {}", answer.status)),
        Ok(answer) if answer.cut => Err(format!("{}, or broke off", too_long(max_bytes))),
        Ok(answer) => {
            let kind = answer.headers.get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
            let format = if kind.contains("openmetrics") { Format::OpenMetrics } else { Format::Text };
            // Megabytes of text: not on a thread that probes wait for.
            let read = tokio::task::spawn_blocking(move || {
                let text = String::from_utf8_lossy(&answer.body);
                let read =
                    |base: &Base| exposition::scrape(&text, format, started, base, limit, &|name| keep.takes(name));
                let mut all = exposition::Scraped::default();
                for read in of.iter().map(read) {
                    let read = read?;
                    all.seen = read.seen;
                    all.samples.extend(read.samples);
                }
                Ok(all)
            });
            read.await.unwrap_or_else(|_| Err("reading it broke off".into()))
        }
    };
    Scraped { target, is_probed, bases, at: started, took: begun.elapsed(), outcome }
}

fn base(target: &Target, job: &str) -> Base {
    let mut labels: BTreeMap<Arc<str>, Arc<str>> =
        target.labels.iter().map(|(k, v)| (k.as_str().into(), v.as_str().into())).collect();
    labels.insert("cluster".into(), target.key.cluster.clone());
    labels.insert("job".into(), job.into());
    labels.insert("instance".into(), target.key.instance.clone());
    if let Some(node) = &target.node {
        labels.insert("node".into(), node.clone());
    }
    if target.key.job == Job::Kubelet {
        labels.insert("metrics_path".into(), "/metrics".into());
    }
    labels.into_iter().collect()
}

/// Writes what was scraped, how it went, and the end of what is gone.
fn remember(parts: &Parts, written: &mut Written, complained: &mut HashSet<TargetKey>, scraped: Scraped) {
    let Scraped { target, is_probed, bases, at, took, outcome } = scraped;
    let mut samples = Vec::new();
    let mut now = HashSet::new();
    for base in &bases {
        let own = |name: &str, value: f64| Sample { labels: Labels::new(name, base.iter().cloned()), at, value };
        samples.push(own("dogwatch_scrape_success", f64::from(u8::from(outcome.is_ok()))));
        samples.push(own("scrape_duration_seconds", took.as_secs_f64()));
        if base.iter().any(|(name, job)| &**name == "job" && **job != *target.key.job.as_str()) {
            // Under the name that published rules know; under our own the probe has written it.
            samples.push(own("up", f64::from(u8::from(outcome.is_ok()))));
        }
        if let Ok(read) = &outcome {
            #[allow(clippy::cast_precision_loss)] // Counts of lines.
            let (seen, kept) = (read.seen as f64, (read.samples.len() / bases.len()) as f64);
            samples.push(own("scrape_samples_scraped", seen));
            samples.push(own("scrape_samples_post_metric_relabeling", kept));
            if !is_probed {
                // That we may not read them, or that nobody hands them on, says nothing of the component: then there is none.
                let up = own("up", 1.0);
                now.insert(up.labels.clone());
                samples.push(up);
            }
        }
    }
    match outcome {
        Ok(read) => {
            complained.remove(&target.key);
            now.extend(read.samples.iter().map(|s| s.labels.clone()));
            samples.extend(read.samples);
        }
        Err(why) => {
            parts.metrics.drop_at("scrape");
            if complained.insert(target.key.clone()) {
                tracing::warn!(probe_target = %target.key, why, "its metrics can't be scraped");
            }
        }
    }
    let before = written.insert(target.key.clone(), now).unwrap_or_default();
    let after = written.get(&target.key);
    let gone = before.iter().filter(|l| after.is_none_or(|a| !a.contains(*l)));
    samples.extend(gone.map(|l| Sample { labels: l.clone(), at, value: stale() }));
    parts.store.append(&samples);
}

fn end(store: &Store, series: &HashSet<Labels>, at: Timestamp) {
    let samples: Vec<Sample> = series.iter().map(|l| Sample { labels: l.clone(), at, value: stale() }).collect();
    store.append(&samples);
}
