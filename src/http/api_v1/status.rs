//! `/status/…`: what runs here.

use axum::extract::State;
use serde_json::{Value, json};

use super::{Answered, Failed, Json, Params, Web};
use crate::model::sealed;

/// The version of Prometheus' API that is spoken here: clients choose by it what they ask.
const API_VERSION: &str = "3.5.0";

/// Answers `/status/buildinfo`
pub async fn buildinfo() -> Answered {
    let revision = option_env!("DOGWATCH_REVISION").unwrap_or_default();
    Ok(Json::value(&json!({
        "version": API_VERSION,
        "revision": revision,
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
        "application": concat!("dogwatch ", env!("CARGO_PKG_VERSION")),
    }))
    .done())
}

/// Answers `/status/config`: the configuration in force, without secrets. For who has another to compare (`sealed=true`) also which
/// of its keys the command line gave, and a digest of all secrets together.
pub async fn config(State(web): State<Web>, params: Params) -> Answered {
    let mut told = json!({"yaml": web.config.yaml});
    if params.text("sealed") != "true" {
        return Ok(Json::value(&told).done());
    }
    told["byCommandLine"] = json!(web.config.by_command_line);
    if let Some(secrets) = web.config.secrets.clone() {
        let sealed = tokio::task::spawn_blocking(move || {
            sealed::salt().map(|salt| json!({"digest": sealed::seal(&secrets, &salt), "salt": salt}))
        });
        if let Ok(Ok(sealed)) = sealed.await {
            told["secrets"] = sealed;
        }
    }
    Ok(Json::value(&told).done())
}

/// Answers `/status/flags`: Prometheus' names for what is configured here.
pub async fn flags(State(web): State<Web>) -> Answered {
    let c = web.engine.config();
    let seconds = |d: std::time::Duration| format!("{}s", d.as_secs_f64());
    Ok(Json::value(&json!({
        "query.lookback-delta": seconds(c.lookback_delta),
        "query.max-concurrency": c.max_concurrency.to_string(),
        "query.max-samples": c.max_samples.to_string(),
        "query.timeout": seconds(c.timeout),
        "web.cors.origin": "",
        "web.external-url": web.external_url,
    }))
    .done())
}

/// Answers `/status/runtimeinfo`
pub async fn runtimeinfo(State(web): State<Web>) -> Answered {
    let (started, reload_failed) = {
        let live = web.live.read();
        (live.started_at.unwrap_or(jiff::Timestamp::UNIX_EPOCH), live.reload_error.is_some())
    };
    let directory = std::env::current_dir().map(|d| d.display().to_string()).unwrap_or_default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(Json::value(&json!({
        "startTime": started.to_string(),
        "CWD": directory,
        "hostname": std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim(),
        "serverTime": web.clock.wall().to_string(),
        "reloadConfigSuccess": !reload_failed,
        "lastConfigTime": started.to_string(),
        "corruptionCount": web.metrics.store_damaged.get(),
        "goroutineCount": 0,
        "GOMAXPROCS": threads,
        "GOMEMLIMIT": 0,
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": &*web.retention,
    }))
    .done())
}

/// Answers `/status/tsdb`
pub async fn tsdb(State(web): State<Web>, params: Params) -> Answered {
    let limit = match params.text("limit") {
        "" => usize::MAX,
        text => text
            .parse::<usize>()
            .ok()
            .filter(|limit| *limit > 0)
            .ok_or_else(|| Failed::bad("limit must be a positive number".into()))?,
    };
    // The store counts the ten largest of each kind, which is Prometheus' default.
    let s = web.store.stats();
    let list = |all: &[(String, usize)]| -> Vec<Value> {
        all.iter().take(limit).map(|(name, value)| json!({"name": name, "value": value})).collect()
    };
    Ok(Json::value(&json!({
        "headStats": {
            "numSeries": s.head_series,
            "numLabelPairs": s.label_pairs,
            "chunkCount": s.head_series,
            "minTime": s.head_min_ms.unwrap_or(i64::MAX),
            "maxTime": s.head_max_ms.unwrap_or(i64::MIN),
        },
        "seriesCountByMetricName": list(&s.by_name),
        "labelValueCountByLabelName": list(&s.by_label),
        "memoryInBytesByLabelName": list(&s.by_bytes),
        "seriesCountByLabelValuePair": list(&s.by_pair),
    }))
    .done())
}

/// Answers `/status/walreplay`: what was not packed is read before the first request is taken.
pub async fn walreplay() -> Answered {
    Ok(Json::value(&json!({"min": 0, "max": 0, "current": 0, "state": "done"})).done())
}
