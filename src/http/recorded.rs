//! `/api/dogwatch/v1/state/{cluster}`: what the flight recorder knows, from the file, whether the cluster answers or not.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::json;

use super::{Web, api, api_v1::Params, incidents};
use crate::{
    inventory::object::Selector,
    recorder::answer::{self, Question, Unanswered},
};

/// Reads a time as people write it, `2h-ago` among them.
///
/// # Errors
/// That it is none, in words.
pub fn moment(name: &str, text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let text = text.trim();
    incidents::moment(name, text.strip_suffix("ago").map_or(text, |t| t.trim_end_matches(['-', ' '])), now)
}

/// Answers `GET /api/dogwatch/v1/state/{cluster}`: how much of everything.
pub async fn summary(State(web): State<Web>, Path(cluster): Path<String>, params: Params) -> Response {
    let question = question(cluster, None, &params, web.clock.wall());
    answered(web, question).await
}

/// Answers `GET /api/dogwatch/v1/state/{cluster}/{what}`: a view, a kind, `diff`, `where` or `export`.
pub async fn one(State(web): State<Web>, Path((cluster, what)): Path<(String, String)>, params: Params) -> Response {
    let question = question(cluster, Some(what), &params, web.clock.wall());
    answered(web, question).await
}

fn question(cluster: String, what: Option<String>, params: &Params, now: Timestamp) -> Result<Question, String> {
    let given = |name: &str| Some(params.text(name)).filter(|text| !text.is_empty());
    let at = given("at").map_or(Ok(now), |text| moment("at", text, now))?;
    Ok(Question {
        cluster,
        what,
        word: given("word").map(str::to_owned),
        at,
        since: moment("since", given("since").unwrap_or("1h"), at)?,
        namespace: given("namespace").map(str::to_owned),
        selector: Selector::read(given("selector").unwrap_or_default()).map_err(|why| format!("selector: {why}"))?,
    })
}

async fn answered(web: Web, question: Result<Question, String>) -> Response {
    let refused = |status: StatusCode, why: String| (status, Json(json!({"error": why}))).into_response();
    let question = match question {
        Ok(question) => question,
        Err(why) => return refused(StatusCode::BAD_REQUEST, why),
    };
    match answer::answer(&web.store, question).await {
        Ok(answer) => api::shown(StatusCode::OK, &answer.document()),
        Err(Unanswered::Unknown(why)) => refused(StatusCode::NOT_FOUND, why),
        Err(Unanswered::Wrong(why)) => refused(StatusCode::BAD_REQUEST, why),
        Err(error @ Unanswered::Store(_)) => refused(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}
