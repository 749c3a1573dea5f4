//! What is so now: targets.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use serde_json::{Value, json};

use super::{Answered, Failed, Json, Params, Web, meta};
use crate::model::{LiveState, LiveTarget, ProbeSpec, State as Verdict};

/// Answers `/targets`
pub async fn targets(State(web): State<Web>, params: Params) -> Answered {
    let (state, pool) = (params.text("state"), params.text("scrapePool"));
    let shows = |what: &str| state.is_empty() || state == "any" || state == what;
    let live = web.live.read();
    let all = live.clusters.values().flat_map(|c| c.targets.values());
    let wanted = all.filter(|t| shows("active") && (pool.is_empty() || t.target.key.job.as_str() == pool));
    let active: Vec<Value> = wanted.map(|t| target(t, &web.external_url)).collect();
    // dogwatch drops no target: what is discovered is probed.
    let dropped = shows("dropped").then(|| jobs(&live).into_iter().map(|job| (job, 0)).collect::<BTreeMap<_, _>>());
    let data = json!({"activeTargets": active, "droppedTargets": [], "droppedTargetCounts": dropped});
    Ok(Json::value(&data).done())
}

fn jobs(live: &LiveState) -> BTreeSet<&'static str> {
    live.clusters.values().flat_map(|c| c.targets.keys()).map(|key| key.job.as_str()).collect()
}

fn labels(t: &LiveTarget) -> BTreeMap<&str, &str> {
    let key = &t.target.key;
    let mut labels: BTreeMap<&str, &str> = t.target.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    labels.extend([("cluster", &*key.cluster), ("job", key.job.as_str()), ("instance", &*key.instance)]);
    labels.extend(t.target.node.as_deref().map(|node| ("node", node)));
    labels
}

fn target(t: &LiveTarget, external_url: &str) -> Value {
    let key = &t.target.key;
    let url = probed(&t.target.spec);
    let health = match t.verdict.state {
        Verdict::Up | Verdict::Suspect => "up",
        Verdict::Down | Verdict::Flapping => "down",
        Verdict::Unknown => "unknown",
    };
    let (mut discovered, mut error) = (labels(t), "");
    discovered.insert("__address__", &key.instance);
    if health == "down" {
        error = &t.verdict.message;
    }
    json!({
        "discoveredLabels": discovered,
        "labels": labels(t),
        "scrapePool": key.job.as_str(),
        "scrapeUrl": url,
        "globalUrl": format!("{external_url}/targets/{}/{}/{}", key.cluster, key.job.as_str(), key.instance),
        "lastError": error,
        "lastScrape": t.last.as_ref().map_or(jiff::Timestamp::UNIX_EPOCH, |o| o.started).to_string(),
        "lastScrapeDuration": t.last.as_ref().map_or(0.0, |o| o.duration.as_secs_f64()),
        "health": health,
        "scrapeInterval": seconds(t.target.interval),
        "scrapeTimeout": seconds(t.target.timeout),
    })
}

fn seconds(d: std::time::Duration) -> String {
    format!("{}s", d.as_secs_f64())
}

fn probed(spec: &ProbeSpec) -> &str {
    match spec {
        ProbeSpec::ApiServer { base, .. } | ProbeSpec::Kubelet { base, .. } => base.as_str(),
        ProbeSpec::Healthz { url } => url.as_str(),
        ProbeSpec::Etcd { client, .. } => client.as_str(),
        ProbeSpec::Check(check) => &check.at,
    }
}

/// Answers `/targets/metadata`
pub async fn targets_metadata(State(web): State<Web>, params: Params) -> Answered {
    let limit = params.number("limit")?.unwrap_or(usize::MAX);
    let metric = params.text("metric");
    let conditions = match params.text("match_target") {
        "" => Vec::new(),
        // One selector: tens of milliseconds at its limits, on a thread that probes nothing.
        text => crate::promql::parse_matchers(text).map_err(|e| Failed::from(e).of("match_target"))?,
    };
    let catalogue = meta::catalogue(&web);
    let live = web.live.read();
    let mut found = Vec::new();
    for t in live.clusters.values().flat_map(|c| c.targets.values()) {
        let labels = labels(t);
        if !conditions.iter().all(|m| m.matches(labels.get(&*m.name).copied().unwrap_or_default())) {
            continue;
        }
        let names: BTreeSet<&str> = t.samples.iter().map(|s| meta::name(&s.labels)).collect();
        for name in names.into_iter().filter(|name| metric.is_empty() || *name == metric) {
            let (kind, help) = catalogue.get(name).map_or(("unknown", ""), |(k, h)| (k, h));
            let mut entry = json!({"target": labels, "type": kind, "help": help, "unit": ""});
            // Who asked for one metric knows its name.
            if metric.is_empty() {
                entry["metric"] = name.into();
            }
            found.push(entry);
        }
        if found.len() >= limit {
            break;
        }
    }
    found.truncate(limit);
    Ok(Json::value(&json!(found)).done())
}

/// Answers `/scrape_pools`: jobs.
pub async fn scrape_pools(State(web): State<Web>) -> Answered {
    Ok(Json::value(&json!({"scrapePools": jobs(&web.live.read())})).done())
}

/// Answers `/alertmanagers`: dogwatch tells its receivers itself.
pub async fn alertmanagers() -> Answered {
    Ok(Json::value(&json!({"activeAlertmanagers": [], "droppedAlertmanagers": []})).done())
}
