//! Prometheus' HTTP API v1, as of Prometheus 3.5: what Grafana, promtool, vmalert and every other client of Prometheus
//! asks (prometheus.io/docs/prometheus/latest/querying/api, web/api/v1/api.go).
//!
//! Only reads. Rules are those of the rule files, and what the diagnosis can find as one group more.

mod answer;
mod federate;
mod live;
mod meta;
mod params;
mod rules;
mod status;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{Method, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get},
};

use self::answer::{Done, Json, TooLarge};
pub use self::{answer::Failed, params::Params};
use super::Web;
use crate::{
    model::{Labels, METRIC_NAME, Matcher},
    promql::{self, Value},
    query::{self, Options, Outcome},
    telemetry::Metrics,
};

/// A form of this size is no query: Grafana's largest are some kilobytes.
const BODY_MAX_BYTES: usize = 1 << 20;

/// Selectors of one request: each looks through all label sets.
const MATCHES_MAX: usize = 200;

/// Counts texts that are refused as too large.
pub async fn count_refused(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    if response.extensions().get::<TooLarge>().is_some() {
        metrics.drop_at("query_text");
    }
    response
}

/// What an endpoint gives.
type Answered = Result<Done, Failed>;

/// Returns the routes below `/api/v1`, and `/federate`.
pub fn router() -> Router<Web> {
    let api = Router::new()
        .route("/query", get(instant).post(instant))
        .route("/query_range", get(query_range).post(query_range))
        .route("/query_exemplars", get(exemplars).post(exemplars))
        .route("/format_query", get(format_query).post(format_query))
        .route("/parse_query", get(parse_query).post(parse_query))
        .route("/labels", get(meta::labels).post(meta::labels))
        .route("/label/{name}/values", get(meta::label_values))
        .route("/series", get(meta::series).post(meta::series))
        .route("/metadata", get(meta::metadata))
        .route("/targets", get(live::targets))
        .route("/targets/metadata", get(live::targets_metadata))
        .route("/scrape_pools", get(live::scrape_pools))
        .route("/alertmanagers", get(live::alertmanagers))
        .route("/alerts", get(rules::alerts))
        .route("/rules", get(rules::rules))
        .route("/status/config", get(status::config))
        .route("/status/flags", get(status::flags))
        .route("/status/buildinfo", get(status::buildinfo))
        .route("/status/runtimeinfo", get(status::runtimeinfo))
        .route("/status/tsdb", get(status::tsdb))
        .route("/status/walreplay", get(status::walreplay))
        .fallback(any(nothing_here))
        .layer(middleware::from_fn(preflight));
    Router::new()
        .nest("/api/v1", api)
        .route("/federate", get(federate::federate))
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
}

/// Prometheus answers these whatever is asked; that pages of other origins may read is never said.
async fn preflight(request: Request, next: Next) -> Response {
    match *request.method() {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    }
}

async fn nothing_here(request: Request) -> Failed {
    Failed::not_found(format!("there is nothing at /api/v1{}", super::shown_path(request.uri().path())))
}

async fn instant(State(web): State<Web>, params: Params) -> Answered {
    let text = params.text("query");
    let now = web.clock.wall().as_millisecond();
    let at = params.time("time", now)?;
    let limit = params.limit()?;
    let outcome = web.engine.instant(text, at, options(&params)?).await?;
    written(outcome, limit, params.wants_stats()).await
}

async fn query_range(State(web): State<Web>, params: Params) -> Answered {
    let (start, end) = (params.required_time("start")?, params.required_time("end")?);
    let step = params
        .duration_ms("step")?
        .ok_or_else(|| Failed::bad("invalid parameter \"step\": cannot parse \"\" to a valid duration".into()))?;
    let limit = params.limit()?;
    let outcome = web.engine.range(params.text("query"), start, end, step, options(&params)?).await?;
    written(outcome, limit, params.wants_stats()).await
}

/// Writing tens of megabytes takes long enough to be felt by the probes that share the runtime's threads.
async fn written(outcome: Outcome, limit: Option<usize>, stats: bool) -> Answered {
    let text = tokio::task::spawn_blocking(move || {
        let held = outcome.held.clone();
        Json::result(outcome, limit, stats).done().holding(held)
    });
    text.await.map_err(|e| Failed::internal(format!("the answer could not be written: {e}")))
}

fn options(params: &Params) -> Result<Options, Failed> {
    let length = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    let lookback = params.text("lookback_delta");
    let lookback_delta = params.duration_ms("lookback_delta").map_err(|_| {
        Failed::bad(format!("error parsing lookback delta duration: cannot parse {lookback:?} to a valid duration"))
    })?;
    Ok(Options { timeout: params.duration_ms("timeout")?.map(length), lookback_delta: lookback_delta.map(length) })
}

/// dogwatch keeps no exemplars; the query is checked all the same.
async fn exemplars(params: Params) -> Answered {
    let (start, end) = (params.time("start", i64::MIN)?, params.time("end", i64::MAX)?);
    if end < start {
        return Err(Failed::bad("end timestamp must not be before start timestamp".into()));
    }
    query::read(params.text("query")).await?;
    Ok(Json::value(&serde_json::json!([])).done())
}

async fn format_query(params: Params) -> Answered {
    Ok(Json::value(&serde_json::json!(query::read(params.text("query")).await?.pretty())).done())
}

async fn parse_query(params: Params) -> Answered {
    Ok(Json::value(&query::read(params.text("query")).await?.tree()).done())
}

/// The selectors of `match[]`, read on a thread that may block.
async fn matchers(params: &Params) -> Result<Vec<Vec<Matcher>>, Failed> {
    let texts: Vec<String> = params.all("match[]").map(String::from).collect();
    if texts.len() > MATCHES_MAX {
        return Err(Failed::bad(format!("too many match[] parameters: {}, at most {MATCHES_MAX}", texts.len())));
    }
    let read = |text: &String| {
        promql::parse_matchers(text).map_err(|e| {
            if e.message.starts_with("vector selector must contain at least one non-empty matcher") {
                return Failed::bad("match[] must contain at least one non-empty matcher".into());
            }
            e.into()
        })
    };
    let read = tokio::task::spawn_blocking(move || texts.iter().map(read).collect());
    read.await.map_err(|e| Failed::internal(format!("the selectors could not be read: {e}")))?
}

/// Labels with the name among them, in their order.
fn pairs(labels: &Labels) -> impl Iterator<Item = (&str, &str)> {
    promql::label_pairs(labels)
}

/// Whatever a label is called: `U__` forms are UTF-8 names escaped for a URL (prometheus/common, ValueEncodingEscaping).
fn unescaped(name: &str) -> String {
    let Some(mut rest) = name.strip_prefix("U__") else { return name.into() };
    let mut out = String::new();
    while let Some(at) = rest.find('_') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('_') {
            out.push('_');
            rest = after;
        } else {
            let code = rest
                .split_once('_')
                .and_then(|(hex, after)| Some((char::from_u32(u32::from_str_radix(hex, 16).ok()?)?, after)));
            // What is no escape is a name that happens to begin so.
            let Some((c, after)) = code else { return name.into() };
            out.push(c);
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// Keeps at most so many; true where some were left out.
fn cut<T>(items: &mut Vec<T>, limit: Option<usize>) -> bool {
    let Some(limit) = limit.filter(|limit| items.len() > *limit) else { return false };
    items.truncate(limit);
    true
}

/// As [`cut`], of a result.
fn cut_value(value: &mut Value, limit: Option<usize>) -> bool {
    match value {
        Value::Vector(vector) => cut(vector, limit),
        Value::Matrix(matrix) => cut(matrix, limit),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names_are_read() {
        for (escaped, name) in [
            ("job", "job"),
            ("U__http_2e_method", "http.method"),
            ("U__a__b_20_c", "a_b c"),
            ("U__broken_zz", "U__broken_zz"),
        ] {
            assert_eq!(unescaped(escaped), name);
        }
    }
}
