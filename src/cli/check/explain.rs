//! `dogwatch check --explain`: what will be watched, by what, and who is told of what.

use std::{process::ExitCode, time::Duration};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::routes::{self, Routes, Told};
use crate::{
    cli::{Output, output},
    config::Config,
    discover::config::{ClusterConfig, KubeletWay},
    model::{Job, duration, text},
    rule::{Group, Kind},
};

/// Alerts that are named in a row; where there are more, JSON has them all.
const NAMES_MAX: usize = 12;

/// Something that is watched.
#[derive(Debug, Serialize)]
struct Watched {
    /// The cluster, `check`, `heartbeat`, … that it belongs to.
    of: String,
    what: String,
    at: String,
    /// How often; empty where it is not asked by the clock.
    every: String,
}

/// All of it.
#[derive(Debug, Serialize)]
struct Explained {
    watched: Vec<Watched>,
    #[serde(flatten)]
    routes: Routes,
}

/// Prints it.
pub(super) fn print(config: &Config, groups: &[Group], format: Output) -> anyhow::Result<ExitCode> {
    let routes = routes::explained(config, groups).map_err(anyhow::Error::msg)?;
    let explained = Explained { watched: watched(config, groups), routes };
    match format {
        Output::Json => output::say_json(&serde_json::to_string_pretty(&explained)?),
        Output::Table => output::say(&shown(&explained)),
    }
    Ok(ExitCode::SUCCESS)
}

fn watched(config: &Config, groups: &[Group]) -> Vec<Watched> {
    let mut all: Vec<Watched> = config.clusters.iter().flat_map(|cluster| of_cluster(cluster, config)).collect();
    for (target, check) in config.check_targets() {
        let depends = match check.depends_on.as_slice() {
            [] => String::new(),
            names => format!(", which needs {}", names.join(", ")),
        };
        let kind = match &target.spec {
            crate::model::ProbeSpec::Check(traits) => traits.kind.clone(),
            _ => String::new(),
        };
        let place = if check.nodes.is_some() { format!("every node of {}", check.group()) } else { check.at() };
        all.push(Watched {
            of: check.group().to_owned(),
            what: format!("check {} ({kind}){depends}", check.name),
            at: place,
            every: pace(target.interval, target.timeout),
        });
    }
    let jobs = config.heartbeats.iter().map(|job| {
        let due = job.schedule.iter().chain(&job.on_calendar).cloned().collect::<Vec<_>>().join(", ");
        let due = job.every.map_or(due, |every| format!("due every {}", duration::to_prometheus(every)));
        let paused = if job.paused { " (paused)" } else { "" };
        (
            format!("heartbeat {}{paused}", job.name),
            format!("{due}, and {} late", duration::to_prometheus(job.grace)),
            job.cluster.clone(),
        )
    });
    let drills =
        config.restore_drills.iter().map(|drill| (format!("restore drill {}", drill.name), String::new(), None));
    for (what, at, cluster) in jobs.chain(drills) {
        all.push(Watched { of: cluster.unwrap_or_default(), what, at, every: String::new() });
    }
    for group in groups {
        let alerts = group.rules.iter().filter(|rule| matches!(rule.kind, Kind::Alerting { .. })).count();
        let what = format!("rules {}: {}", group.name, text::plural(alerts, "alert", "alerts"));
        all.push(Watched {
            of: String::new(),
            what,
            at: group.file.to_string(),
            every: duration::to_prometheus(group.interval),
        });
    }
    for slo in &config.slos {
        let what = format!("objective {}: {} % of {}", slo.name, slo.objective, duration::to_prometheus(slo.window));
        all.push(Watched {
            of: slo.cluster.clone().unwrap_or_default(),
            what,
            at: String::new(),
            every: String::new(),
        });
    }
    all
}

fn pace(interval: Duration, timeout: Duration) -> String {
    format!("{}, {} at most", duration::to_prometheus(interval), duration::to_prometheus(timeout))
}

/// The parts of a cluster, those that are turned off among them.
fn of_cluster(cluster: &ClusterConfig, config: &Config) -> Vec<Watched> {
    let every = |interval: Option<Duration>, timeout: Option<Duration>| {
        let interval = interval.unwrap_or(config.defaults.interval);
        pace(interval, timeout.unwrap_or(config.defaults.timeout).min(interval))
    };
    let row = |what: String, at: String, every: String| Watched { of: cluster.name.clone(), what, at, every };
    let component = |job: Job, enabled: bool, at: String, every: String| match enabled {
        true => row(job.to_string(), at, every),
        false => row(job.to_string(), "not watched: enabled: false".into(), String::new()),
    };
    let places = |endpoints: &[url::Url]| match endpoints {
        [] => "where discovery finds it".to_owned(),
        some => some.iter().map(url::Url::as_str).collect::<Vec<_>>().join(", "),
    };
    let (api, etcd, kubelet) = (&cluster.apiserver, &cluster.etcd, &cluster.kubelet);
    let etcd_at = match etcd.cert_file {
        Some(_) => places(&etcd.endpoints),
        None => format!("{}, without a client certificate (etcd.cert_file)", places(&etcd.endpoints)),
    };
    let way = match kubelet.via {
        KubeletWay::Direct => "every node, at its own port",
        KubeletWay::Proxy => "every node, through the API server",
        KubeletWay::Auto => "every node, at its own port or through the API server",
    };
    let mut rows = vec![
        component(Job::KubeApiserver, api.enabled, places(&api.endpoints), every(api.interval, api.timeout)),
        component(Job::Etcd, etcd.enabled, etcd_at, every(etcd.interval, etcd.timeout)),
        component(Job::Kubelet, kubelet.enabled, way.into(), every(kubelet.interval, kubelet.timeout)),
    ];
    let others = [
        (Job::KubeScheduler, &cluster.scheduler),
        (Job::KubeControllerManager, &cluster.controller_manager),
        (Job::KubeProxy, &cluster.kube_proxy),
    ];
    rows.extend(others.map(|(job, c)| component(job, c.enabled, places(&c.endpoints), every(c.interval, c.timeout))));
    if cluster.recorder.enabled {
        rows.push(row("flight recorder".into(), "objects, by watches at the API server".into(), String::new()));
    }
    if let Some(scrape) = &cluster.scrape {
        rows.push(row("scraping".into(), "the components' own /metrics".into(), pace(scrape.interval, scrape.timeout)));
    }
    if let Some(sites) = cluster.sites() {
        let interval = sites.interval.unwrap_or(config.defaults.interval);
        let at = "hosts of Ingresses and HTTPRoutes become checks".into();
        rows.push(row("sites".into(), at, duration::to_prometheus(interval)));
    }
    if let Some(canary) = &cluster.canary {
        let at = format!("the namespace {}", canary.namespace);
        if let Some(lease) = &canary.lease {
            rows.push(row("canary: a Lease".into(), at.clone(), pace(lease.interval, lease.timeout)));
        }
        if let Some(pod) = canary.pod() {
            rows.push(row("canary: a pod".into(), at, duration::to_prometheus(pod.interval)));
        }
    }
    if let Some(dry) = &cluster.dry_run {
        let at = format!("a Lease in the namespace {}, which is not stored", dry.namespace);
        rows.push(row("dry run".into(), at, pace(dry.interval, dry.timeout)));
    }
    if let Some(inside) = &cluster.monitoring {
        let at =
            format!("{} arrives, or it is silent after {}", inside.alert, duration::to_prometheus(inside.silent_after));
        rows.push(row("monitoring inside".into(), at, String::new()));
    }
    rows
}

fn table(header: [&str; 4]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(output::width());
    table
}

fn shown(explained: &Explained) -> String {
    let mut seen = table(["OF", "WATCHED", "AT", "EVERY"]);
    for watched in &explained.watched {
        seen.add_row([&watched.of, &watched.what, &watched.at, &watched.every]);
    }
    let mut told = table(["ALERTS", "CLUSTER", "SEVERITY", "TOLD"]);
    for row in &explained.routes.told {
        let any = |some: &[String]| match some {
            [] => "any".to_owned(),
            some => some.iter().map(|s| if s.is_empty() { "none" } else { s }).collect::<Vec<_>>().join(", "),
        };
        told.add_row([names(row), any(&row.clusters), any(&row.severities), people(&row.receivers)]);
    }
    let mut out = vec![lines(&seen), lines(&told)];
    if !explained.routes.others.is_empty() {
        let mut others = vec!["Routes for labels that only an alert itself brings along:".to_owned()];
        others.extend(explained.routes.others.iter().map(|(key, who)| format!("  {key} → {}", people(who))));
        out.push(others.join("\n"));
    }
    out.join("\n\n")
}

/// Without the blanks that columns end in.
fn lines(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn names(told: &Told) -> String {
    match (told.of.as_str(), told.alerts.len()) {
        ("diagnosis" | "rules", n) if n > NAMES_MAX => {
            let some = told.alerts[..NAMES_MAX].join(", ");
            format!("{n} of the {}: {some}, … (-o json has all)", told.of)
        }
        ("diagnosis" | "rules", _) => format!("of the {}: {}", told.of, told.alerts.join(", ")),
        _ => format!("{} of {}", told.alerts.join(", "), told.of),
    }
}

fn people(receivers: &[String]) -> String {
    if receivers.is_empty() { "nobody: there is no route".into() } else { receivers.join("; ") }
}
