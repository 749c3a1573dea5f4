//! Prometheus' scrape configs: the jobs with static targets, and which of them go through blackbox_exporter. Pure.

use std::{collections::BTreeMap, time::Duration};

use url::Url;

use super::{
    client::{self, left},
    draft::Draft,
    fields::{Fields, plain},
};
use crate::model::duration;

/// Discoveries whose targets are known to Prometheus alone end so.
const DISCOVERY: &str = "_sd_configs";
/// The path at which blackbox_exporter probes.
const PROBE: &str = "/probe";

/// A job, and its targets.
#[derive(Clone, Debug)]
pub(super) struct ScrapeJob {
    pub(super) name: String,
    /// Each with its labels.
    pub(super) targets: Vec<(String, BTreeMap<String, String>)>,
    pub(super) interval: Duration,
    timeout: Duration,
    /// The modules of blackbox_exporter that are asked for; `None`: it asks the target itself.
    pub(super) modules: Option<Vec<String>>,
    /// What is lost with each of its checks.
    pub(super) lost: Vec<String>,
    scheme: String,
    path: String,
    params: Vec<(String, String)>,
    rest: Fields,
}

/// Reads all jobs; what none of their checks can tell goes to `lost`.
pub(super) fn jobs(mut top: Fields, lost: &mut Vec<String>) -> Vec<ScrapeJob> {
    let mut global = top.map("global");
    // Prometheus' own defaults.
    let interval = time(&mut global, "scrape_interval").unwrap_or(Duration::from_secs(60));
    let timeout = time(&mut global, "scrape_timeout").unwrap_or(Duration::from_secs(10));
    top.maps("scrape_configs").into_iter().map(|config| job(config, interval, timeout, lost)).collect()
}

fn time(from: &mut Fields, key: &str) -> Option<Duration> {
    duration::prometheus(&from.text(key)?).ok()
}

fn job(mut config: Fields, interval: Duration, timeout: Duration, lost: &mut Vec<String>) -> ScrapeJob {
    let name = config.text("job_name").unwrap_or_default();
    let interval = time(&mut config, "scrape_interval").unwrap_or(interval);
    let timeout = time(&mut config, "scrape_timeout").unwrap_or(timeout).min(interval);
    let mut targets = Vec::new();
    for mut group in config.maps("static_configs") {
        let labels: BTreeMap<_, _> = group.map("labels").all().filter_map(|(k, v)| Some((k, plain(&v)?))).collect();
        targets.extend(group.texts("targets").into_iter().map(|target| (target, labels.clone())));
    }
    let path = config.text("metrics_path").unwrap_or_else(|| "/metrics".to_owned());
    let scheme = config.text("scheme").unwrap_or_else(|| "http".to_owned());
    let mut params = Vec::new();
    let mut modules = Vec::new();
    for (key, value) in config.map("params").all() {
        let mut one = Fields::default();
        if let Some(fields) = Fields::of(serde_json::json!({ "x": value })) {
            one = fields;
        }
        match key.as_str() {
            "module" => modules = one.texts("x"),
            _ => params.extend(one.texts("x").into_iter().map(|value| (key.clone(), value))),
        }
    }
    let relabelled = Relabelled::read(&mut config);
    let is_probe = path.ends_with(PROBE);
    let mut lost_here = relabelled.lost;
    for key in config.clone().left().iter().filter(|key| key.ends_with(DISCOVERY)) {
        lost.push(format!(
            "job {name}: {key}: its targets are known to Prometheus alone; only static_configs are read"
        ));
        config.take(key);
    }
    if is_probe {
        lost_here.extend(params.iter().map(|(key, _)| format!("params.{key}: of what is asked for")));
    }
    let modules = is_probe.then_some(match relabelled.module_label {
        Some(label) => vec![format!("label {label}")],
        None => modules,
    });
    ScrapeJob { name, targets, interval, timeout, modules, lost: lost_here, scheme, path, params, rest: config }
}

/// What relabelling does to the targets.
struct Relabelled {
    /// The label of a target that names the module.
    module_label: Option<String>,
    lost: Vec<String>,
}

impl Relabelled {
    /// The steps by which targets get to blackbox_exporter mean nothing here; others are said.
    fn read(config: &mut Fields) -> Self {
        let (mut module_label, mut lost) = (None, Vec::new());
        for mut step in config.maps("relabel_configs") {
            let (sources, target) = (step.texts("source_labels"), step.text("target_label").unwrap_or_default());
            let is_plain = step.text("regex").is_none() && step.text("action").is_none_or(|action| action == "replace");
            match (target.as_str(), sources.first()) {
                ("__param_target", Some(source)) if source == "__address__" && is_plain => {}
                ("instance", Some(source)) if source == "__param_target" && is_plain => {}
                ("__address__", None) => {}
                ("__param_module", Some(source)) if is_plain => module_label = Some(source.clone()),
                (target, _) => lost.push(format!("relabel_configs: the step that sets {target:?}")),
            }
        }
        Self { module_label, lost }
    }
}

impl ScrapeJob {
    /// Returns the name of one of its checks.
    pub(super) fn check_name(&self, target: &str) -> String {
        let target = target.split_once("://").map_or(target, |(_, rest)| rest);
        if self.targets.len() == 1 { self.name.clone() } else { format!("{}-{target}", self.name) }
    }

    /// Returns what a target asks for: each module by its name.
    pub(super) fn modules_of(&self, labels: &BTreeMap<String, String>) -> Vec<String> {
        let all = self.modules.iter().flatten();
        all.filter_map(|module| match module.strip_prefix("label ") {
            Some(label) => labels.get(label).cloned(),
            None => Some(module.clone()),
        })
        .collect()
    }

    /// Puts pace, labels and losses on a check of one target.
    pub(super) fn dress(&self, draft: &mut Draft, labels: &BTreeMap<String, String>) {
        draft.interval = Some(self.interval);
        draft.timeout = draft.timeout.or(Some(self.timeout)).map(|timeout| timeout.min(self.interval));
        let is_module = |name: &String| self.modules.iter().flatten().any(|m| m.strip_prefix("label ") == Some(name));
        for (name, value) in labels.iter().filter(|(name, _)| !is_module(name)) {
            draft.label(name, value);
        }
        draft.lost.extend(self.lost.iter().cloned());
    }
}

/// Makes a check of each static target that is asked itself: does it answer with a page of metrics?
pub(super) fn drafts(jobs: Vec<ScrapeJob>) -> Vec<Draft> {
    let mut all = Vec::new();
    for job in &jobs {
        for (target, labels) in &job.targets {
            all.push(match &job.modules {
                None => scraped(job, target, labels),
                Some(_) => Draft::none(
                    job.check_name(target),
                    "it is asked by blackbox_exporter, whose modules say how: dogwatch import blackbox.yml --targets THIS FILE",
                ),
            });
        }
    }
    all
}

fn scraped(job: &ScrapeJob, target: &str, labels: &BTreeMap<String, String>) -> Draft {
    let mut draft = Draft::new(job.check_name(target), "http");
    let url = format!("{}://{target}{}", job.scheme, job.path);
    match Url::parse(&url) {
        Ok(mut url) => {
            if !job.params.is_empty() {
                url.query_pairs_mut().extend_pairs(&job.params);
            }
            draft.set("url", url.to_string());
        }
        Err(_) => draft.set("url", url),
    }
    let mut rest = job.rest.clone();
    client::take(&mut rest, &mut draft);
    // What is done with the samples is no matter of whether it answers.
    for of_samples in ["honor_labels", "honor_timestamps", "metric_relabel_configs", "sample_limit", "scrape_protocols"]
    {
        rest.take(of_samples);
    }
    left(&mut draft, "", rest);
    job.dress(&mut draft, labels);
    draft
}
