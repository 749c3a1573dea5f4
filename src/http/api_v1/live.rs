//! What is so now: targets, alerts, rules.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use serde_json::{Value, json};

use super::{Answered, Failed, Json, Params, Web, matchers, meta};
use crate::model::{AlertName, IncidentAlert, LiveState, LiveTarget, ProbeSpec, State as Verdict};

/// `/targets`
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
    }
}

/// `/targets/metadata`
pub async fn targets_metadata(State(web): State<Web>, params: Params) -> Answered {
    let limit = params.number("limit")?.unwrap_or(usize::MAX);
    let metric = params.text("metric");
    let conditions = match params.text("match_target") {
        "" => Vec::new(),
        text => crate::promql::parse_matchers(text)
            .map_err(|e| Failed::bad(format!("invalid parameter \"match_target\": {e}")))?,
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

/// `/scrape_pools`: jobs.
pub async fn scrape_pools(State(web): State<Web>) -> Answered {
    Ok(Json::value(&json!({"scrapePools": jobs(&web.live.read())})).done())
}

/// `/alertmanagers`: dogwatch tells its receivers itself.
pub async fn alertmanagers() -> Answered {
    Ok(Json::value(&json!({"activeAlertmanagers": [], "droppedAlertmanagers": []})).done())
}

/// Alerts that fire, of all open incidents.
fn firing(web: &Web) -> Vec<IncidentAlert> {
    let live = web.live.read();
    let open = live.incidents.iter().filter(|i| i.resolved_at.is_none());
    open.flat_map(|i| i.firing().cloned()).collect()
}

fn alert(a: &IncidentAlert) -> Value {
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
    let of_kind = match params.text("type").to_ascii_lowercase().as_str() {
        "" | "alert" => true,
        "record" => false,
        other => {
            return Err(Failed::bad(format!("invalid parameter \"type\": not supported value {other:?}")));
        }
    };
    let without_alerts = params.flag("exclude_alerts")?;
    page(&params)?;
    // The rules have no labels of their own: matchers find them by what they lack.
    let sets = matchers(&params)?;
    let matched = sets.is_empty() || sets.iter().any(|set| set.iter().all(|m| m.matches("")));
    let asked = |name: &str, value: &str| params.all(name).next().is_none() || params.all(name).any(|v| v == value);
    let wanted = of_kind && matched && asked("rule_group[]", GROUP) && asked("file[]", FILE);
    let now = web.clock.wall().to_string();
    let firing = firing(&web);
    let names = AlertName::ALL.into_iter().filter(|n| wanted && asked("rule_name[]", &n.to_string()));
    let rules: Vec<Value> = names.map(|name| rule(name, &firing, without_alerts, &now)).collect();
    if rules.is_empty() {
        return Ok(Json::value(&json!({"groups": []})).done());
    }
    let group = json!({
        "name": GROUP,
        "file": FILE,
        "rules": rules,
        "interval": 2,
        "limit": 0,
        "evaluationTime": 0.0,
        "lastEvaluation": now,
    });
    Ok(Json::value(&json!({"groups": [group]})).done())
}

fn rule(name: AlertName, firing: &[IncidentAlert], without_alerts: bool, now: &str) -> Value {
    let of: Vec<&IncidentAlert> = firing.iter().filter(|a| a.finding.key.alert == name).collect();
    let state = if of.is_empty() { "inactive" } else { "firing" };
    let alerts = (!without_alerts).then(|| of.into_iter().map(alert).collect::<Vec<_>>());
    json!({
        "type": "alerting",
        "name": name.to_string(),
        "query": "",
        "duration": 0,
        "keepFiringFor": 0,
        "labels": {},
        "annotations": {},
        "state": state,
        "alerts": alerts,
        "health": "ok",
        "evaluationTime": 0.0,
        "lastEvaluation": now,
    })
}

/// Pages of groups: there is one group, so that the first page is the last and no token is ever given out.
fn page(params: &Params) -> Result<(), Failed> {
    let wrong = |name, why: String| Err(Failed::bad(format!("invalid parameter {name:?}: {why}")));
    let (limit, token) = (params.text("group_limit"), params.text("group_next_token"));
    if limit.is_empty() && !token.is_empty() {
        return wrong(
            "group_next_token",
            "group_limit needs to be present in order to paginate over the groups".into(),
        );
    }
    match limit.parse::<i64>() {
        Ok(1..) => {}
        Ok(_) => return wrong("group_limit", "group_limit needs to be greater than 0".into()),
        Err(_) if limit.is_empty() => {}
        Err(_) => {
            let why =
                format!("group_limit needs to be a valid number: strconv.ParseInt: parsing {limit:?}: invalid syntax");
            return wrong("group_limit", why);
        }
    }
    if !token.is_empty() {
        let why = format!("invalid group_next_token '{token}'. were rule groups changed?");
        return wrong("group_next_token", why);
    }
    Ok(())
}

/// The one group.
const GROUP: &str = "dogwatch";
/// Where its rules stand.
const FILE: &str = "the diagnosis built into dogwatch";
