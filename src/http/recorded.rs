//! `/api/dogwatch/v1/state/{cluster}`: what the flight recorder knows, from the file, whether the cluster answers or not.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::json;

use super::{
    Web, api,
    api_v1::Params,
    asker::Asker,
    incidents,
    page::{AskedRecord, RecordedPage},
    page_answer,
};
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

/// Answers `GET /recorded/{cluster}?what=&search=&namespace=&at=`: the same as a page.
pub async fn page(State(web): State<Web>, asker: Asker, Path(cluster): Path<String>, params: Params) -> Response {
    let now = web.clock.wall();
    let given = |name: &str| params.text(name).trim().to_owned();
    let what = given("what");
    let asked = AskedRecord {
        cluster: cluster.clone(),
        // What is no table has no page.
        what: if matches!(what.as_str(), "diff" | "where" | "export") { String::new() } else { what },
        search: given("search"),
        at: given("at"),
        namespace: given("namespace"),
    };
    let what = Some(asked.what.clone()).filter(|what| !what.is_empty());
    let question = question(cluster, what, &params, now).map(|q| Question { word: None, ..q });
    let answer = match question {
        Ok(question) => answer::answer(&web.store, question).await.map_err(|e| (status(&e), e.to_string())),
        Err(why) => Err((StatusCode::BAD_REQUEST, why)),
    };
    let status = answer.as_ref().err().map_or(StatusCode::OK, |(status, _)| *status);
    let view = RecordedPage::new(asked, answer.map_err(|(_, why)| why), &web.now(&asker));
    (status, page_answer(view.render(web.frame(&asker)))).into_response()
}

fn status(why: &Unanswered) -> StatusCode {
    match why {
        Unanswered::Unknown(_) => StatusCode::NOT_FOUND,
        Unanswered::Wrong(_) => StatusCode::BAD_REQUEST,
        Unanswered::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
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
        Err(why) => refused(status(&why), why.to_string()),
    }
}
