//! What is so now: targets, alerts, rules.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use serde_json::{Value, json};

use super::{Answered, Json, Params, Web, matchers, meta};
use crate::model::{Alert, LiveTarget, ProbeSpec, State as Verdict};

/// `/targets`
pub async fn targets(State(web): State<Web>, params: Params) -> Answered {
    let (state, pool) = (params.text("state"), params.text("scrapePool"));
    let live = web.live.read();
    let all = live.clusters.values().flat_map(|c| c.targets.values());
    let wanted = all.filter(|t| pool.is_empty() || t.target.key.job.as_str() == pool);
    let active: Vec<Value> =
        if state == "dropped" { Vec::new() } else { wanted.map(|t| target(t, &web.external_url)).collect() };
    // dogwatch drops no target: what is discovered is probed.
    let data = json!({"activeTargets": active, "droppedTargets": [], "droppedTargetCounts": {}});
    Ok(Json::value(&data).done())
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
    let url = probed(&t.target.spec, &key.instance);
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

fn probed(spec: &ProbeSpec, instance: &str) -> String {
    match spec {
        ProbeSpec::ApiServer { base, .. } => base.to_string(),
        ProbeSpec::Healthz { url } => url.to_string(),
        _ => format!("https://{instance}/"),
    }
}

/// `/targets/metadata`
pub async fn targets_metadata(State(web): State<Web>, params: Params) -> Answered {
    let limit = params.limit()?.unwrap_or(usize::MAX);
    let metric = params.text("metric");
    let conditions = match params.text("match_target") {
        "" => Vec::new(),
        text => crate::promql::parse_matchers(text)
            .map_err(|e| super::Failed::bad(format!("invalid parameter \"match_target\": {e}")))?,
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
            found.push(json!({"target": labels, "metric": name, "type": kind, "help": help, "unit": ""}));
        }
        if found.len() >= limit {
            break;
        }
    }
    found.truncate(limit);
    Ok(Json::value(&json!(found)).done())
}

/// `/scrape_pools`: jobs.
pub async fn scrape_pools(State(web): State<Web>) -> Answered {
    let live = web.live.read();
    let jobs: BTreeSet<&str> =
        live.clusters.values().flat_map(|c| c.targets.keys()).map(|key| key.job.as_str()).collect();
    Ok(Json::value(&json!({"scrapePools": jobs})).done())
}

/// `/alertmanagers`: dogwatch tells its receivers itself.
pub async fn alertmanagers() -> Answered {
    Ok(Json::value(&json!({"activeAlertmanagers": [], "droppedAlertmanagers": []})).done())
}

/// Alerts that fire, of all open incidents.
fn firing(web: &Web) -> Vec<Alert> {
    let live = web.live.read();
    let open = live.incidents.iter().filter(|i| i.resolved_at.is_none());
    open.flat_map(|i| i.firing().cloned()).collect()
}

fn alert(a: &Alert) -> Value {
    let f = &a.finding;
    let mut labels: BTreeMap<&str, String> = f.labels.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
    labels.insert("alertname", f.key.alert.to_string());
    labels.insert("severity", f.severity.to_string());
    if !f.key.cluster.is_empty() {
        labels.insert("cluster", f.key.cluster.to_string());
    }
    json!({
        "labels": labels,
        "annotations": {"summary": f.headline, "description": f.evidence.join("\n"), "first_step": f.first_step},
        "state": "firing",
        "activeAt": f.since.to_string(),
        "value": "1e+00",
    })
}

/// `/alerts`
pub async fn alerts(State(web): State<Web>) -> Answered {
    let alerts: Vec<Value> = firing(&web).iter().map(alert).collect();
    Ok(Json::value(&json!({"alerts": alerts})).done())
}

/// `/rules`: what the diagnosis can find, as one group of alerting rules; each is inactive or has its alerts.
pub async fn rules(State(web): State<Web>, params: Params) -> Answered {
    let names: BTreeSet<&str> = params.all("rule_name[]").collect();
    let groups: BTreeSet<&str> = params.all("rule_group[]").collect();
    let _ = matchers(&params)?;
    let now = web.clock.wall().to_string();
    let firing = firing(&web);
    let wanted = params.text("type") != "record" && (groups.is_empty() || groups.contains(GROUP));
    let rule = |name: crate::model::AlertName| {
        let of: Vec<&Alert> = firing.iter().filter(|a| a.finding.key.alert == name).collect();
        json!({
            "type": "alerting",
            "name": name.to_string(),
            "query": "",
            "duration": 0,
            "keepFiringFor": 0,
            "labels": {},
            "annotations": {},
            "state": if of.is_empty() { "inactive" } else { "firing" },
            "alerts": of.into_iter().map(alert).collect::<Vec<_>>(),
            "health": "ok",
            "evaluationTime": 0.0,
            "lastEvaluation": now,
        })
    };
    let all =
        crate::model::AlertName::ALL.into_iter().filter(|n| names.is_empty() || names.contains(n.to_string().as_str()));
    let rules: Vec<Value> = all.map(rule).collect();
    let group = json!({
        "name": GROUP,
        "file": "the diagnosis built into dogwatch",
        "rules": rules,
        "interval": 2,
        "limit": 0,
        "evaluationTime": 0.0,
        "lastEvaluation": now,
    });
    Ok(Json::value(&json!({"groups": if wanted { vec![group] } else { Vec::new() }})).done())
}

/// The one group.
const GROUP: &str = "dogwatch";
