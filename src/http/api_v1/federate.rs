//! `/federate`: the newest sample of each series, for a Prometheus that scrapes it (web/federate.go).

use std::{collections::BTreeMap, fmt::Write as _};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{Failed, Params, Web, matchers};
use crate::{
    http::metrics::{self, Format},
    model::{Labels, is_stale},
    pack::{Packed, Points, Want},
};

/// Answers `/federate?match[]=…`. Errors are plain text, as in Prometheus.
pub async fn federate(State(web): State<Web>, params: Params) -> Result<Response, (StatusCode, String)> {
    let sets = matchers(&params).await.map_err(Failed::plain)?;
    let now = web.clock.wall().as_millisecond();
    let lookback = i64::try_from(web.engine.config().lookback_delta.as_millis()).unwrap_or(i64::MAX);
    let store = web.store.clone();
    let text = tokio::task::spawn_blocking(move || {
        // By series: many selectors may find the same ones.
        let mut newest = BTreeMap::new();
        for matchers in &sets {
            let found = store.select(matchers, now - lookback + 1, now).map_err(|e| Failed::internal(e.to_string()))?;
            newest.extend(found.iter().filter_map(|series| last(series, now - lookback + 1, now)));
        }
        Ok::<_, Failed>(exposed(newest, &web.external_labels))
    });
    let text = text.await.map_err(|e| Failed::internal(format!("federation broke off: {e}")).plain())?;
    let text = text.map_err(Failed::plain)?;
    Ok(([(header::CONTENT_TYPE, Format::Text.content_type())], text).into_response())
}

/// The label by which Prometheus knows whom it scrapes.
const INSTANCE: &str = "instance";

fn last(series: &Packed, from_ms: i64, to_ms: i64) -> Option<(Labels, (i64, f64))> {
    let mut points = Points::default();
    if let Err(damaged) = series.read(Want::Last, from_ms, to_ms, &mut points) {
        tracing::error!(series = %series.labels, %damaged, "left out of /federate");
        return None;
    }
    let (at, value) = (*points.at_ms.last()?, *points.values.last()?);
    (!is_stale(value)).then(|| (series.labels.clone(), (at, value)))
}

/// Sorted; a series that several selectors found is written once. External labels are added where a series has none of
/// that name, and an empty `instance`, lest a scraper with `honor_labels` takes dogwatch's own address for it.
fn exposed(newest: BTreeMap<Labels, (i64, f64)>, external: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut family = "";
    for (labels, (at, value)) in &newest {
        if *labels.name != *family {
            family = &labels.name;
            let _ = writeln!(out, "# TYPE {family} untyped");
        }
        let lacks = |label: &str| labels.get(label).is_none();
        let mut more: Vec<(&str, &str)> = external.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        if !external.contains_key(INSTANCE) {
            more.push((INSTANCE, ""));
        }
        more.retain(|(label, _)| lacks(label));
        more.sort_unstable();
        let pairs = labels.pairs.iter().map(|(k, v)| (&**k, &**v)).chain(more);
        metrics::write_series(&mut out, &labels.name, pairs, *value);
        let _ = writeln!(out, " {at}");
    }
    out
}
