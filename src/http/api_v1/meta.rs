//! Which series, labels and metrics there are.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, State};
use serde_json::{Map, Value, json};

use super::{Answered, Failed, Json, METRIC_NAME, Params, Web, answer::sets_bytes, cut, matchers, pairs, unescaped};
use crate::{model::Labels, telemetry::names};

/// Label sets of the parameters' selectors and times.
async fn selected(web: &Web, params: &Params) -> Result<Vec<Labels>, Failed> {
    let (start, end) = (params.time("start", i64::MIN)?, params.time("end", i64::MAX)?);
    let sets = matchers(params).await?;
    // Nothing is in a stretch of time that ends before it begins; Prometheus says no more than that.
    if end < start {
        return Ok(Vec::new());
    }
    let store = web.store.clone();
    let found = tokio::task::spawn_blocking(move || store.series(&sets, start, end));
    found.await.map_err(|e| Failed::internal(format!("the series could not be looked through: {e}")))
}

/// Answers `/series`
pub async fn series(State(web): State<Web>, params: Params) -> Answered {
    if params.all("match[]").next().is_none() {
        return Err(Failed::bad("no match[] parameter provided".into()));
    }
    // Prometheus names the parameter here, and only here.
    matchers(&params).await.map_err(|e| e.of("match[]"))?;
    let mut sets = selected(&web, &params).await?;
    let was_cut = cut(&mut sets, params.limit()?);
    // Of a million series this is more than all queries together may hold.
    let held = web.engine.hold(sets_bytes(&sets))?;
    let written = tokio::task::spawn_blocking(move || Json::sets(&sets).cut(was_cut).done());
    let done = written.await.map_err(|e| Failed::internal(format!("the series could not be written: {e}")))?;
    Ok(done.holding(held))
}

/// Answers `/labels`
pub async fn labels(State(web): State<Web>, params: Params) -> Answered {
    let sets = selected(&web, &params).await?;
    let names: BTreeSet<&str> = sets.iter().flat_map(pairs).map(|(label, _)| label).collect();
    let mut names: Vec<&str> = names.into_iter().collect();
    let was_cut = cut(&mut names, params.limit()?);
    Ok(Json::value(&json!(names)).cut(was_cut).done())
}

/// Answers `/label/<name>/values`
pub async fn label_values(State(web): State<Web>, Path(name): Path<String>, params: Params) -> Answered {
    let name = unescaped(&name);
    if name.is_empty() {
        return Err(Failed::bad(format!("invalid label name: {name:?}")));
    }
    let sets = selected(&web, &params).await?;
    let values: BTreeSet<&str> = sets.iter().map(|labels| labels.value(&name)).filter(|v| !v.is_empty()).collect();
    let mut values: Vec<&str> = values.into_iter().collect();
    let was_cut = cut(&mut values, params.limit()?);
    Ok(Json::value(&json!(values)).cut(was_cut).done())
}

/// Returns what is known of each metric: `(type, help)` by name.
pub fn catalogue(web: &Web) -> BTreeMap<String, (String, String)> {
    let mut all: BTreeMap<String, (String, String)> =
        names::GAUGES.iter().map(|(name, help)| ((*name).into(), ("gauge".into(), (*help).into()))).collect();
    let text = crate::http::metrics::own(&web.live, &web.metrics, web.clock.wall());
    let mut help = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            all.entry(name.into()).or_insert_with(|| (kind.into(), help.into()));
        }
    }
    all
}

/// Answers `/metadata`
pub async fn metadata(State(web): State<Web>, params: Params) -> Answered {
    let limit = params.number("limit")?;
    // Each metric has one entry, so that `limit_per_metric` cuts nothing; 0 is no limit to Prometheus.
    params.number("limit_per_metric")?;
    let wanted = params.text("metric");
    let all = catalogue(&web);
    let found = all.iter().filter(|(name, _)| wanted.is_empty() || *name == wanted);
    let of = |(name, (kind, help)): (&String, &(String, String))| {
        (name.clone(), json!([{"type": kind, "unit": "", "help": help}]))
    };
    let found: Map<String, Value> = found.take(limit.unwrap_or(usize::MAX)).map(of).collect();
    Ok(Json::value(&Value::Object(found)).done())
}

/// Returns the name of a label set, for lists of metrics.
pub fn name(labels: &Labels) -> &str {
    labels.value(METRIC_NAME)
}
