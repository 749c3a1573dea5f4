//! Heartbeats on their page and in the API: how they stand, and pausing them. What they say comes in by `ping`.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    Web, api::AcknowledgeBody, asker::Asker, audit::Did, durability, incidents, lost, page::HeartbeatsPage,
    page_answer, shown,
};
use crate::{heartbeat::PauseError, store::Durability};

/// Who paused a heartbeat where nobody was asked: not the configuration.
const SOMEBODY: &str = "somebody";

/// Answers `GET /heartbeats`.
pub async fn page(State(web): State<Web>, asker: Asker) -> Response {
    let now = web.now(&asker);
    let view = HeartbeatsPage::new(&web.heartbeats.views(), &web.heartbeats.restore_views(), &now);
    page_answer(view.render(&web.desk_frame(&asker)))
}

/// Answers `POST /heartbeats/{name}/pause`.
pub async fn pause(State(web): State<Web>, asker: Asker, Path(name): Path<String>) -> Response {
    pressed(&web, &asker, &name, true).await
}

/// Answers `POST /heartbeats/{name}/resume`.
pub async fn resume(State(web): State<Web>, asker: Asker, Path(name): Path<String>) -> Response {
    pressed(&web, &asker, &name, false).await
}

async fn pressed(web: &Web, asker: &Asker, name: &str, paused: bool) -> Response {
    match web.heartbeats.pause(name, paused, who(asker, "")).await {
        Ok(_) => shown(web, "/heartbeats"),
        Err(why) => lost(web, asker, &format!("The heartbeat {name} can't be changed here: {why}.")),
    }
}

/// Who says so: a name that is given, or the one that they logged in by.
pub(super) fn who<'a>(asker: &'a Asker, given: &'a str) -> &'a str {
    let by = incidents::who(if given.trim().is_empty() { &asker.caller.name } else { given });
    if by.is_empty() { SOMEBODY } else { by }
}

/// Answers `POST /api/dogwatch/v1/heartbeats/{name}/pause`, as JSON `{"by": "…"}`.
pub async fn api_pause(
    State(web): State<Web>,
    asker: Asker,
    Path(name): Path<String>,
    body: Option<Json<AcknowledgeBody>>,
) -> Response {
    asked(&web, &asker, &name, true, body).await
}

/// Answers `POST /api/dogwatch/v1/heartbeats/{name}/resume`, as JSON `{"by": "…"}`.
pub async fn api_resume(
    State(web): State<Web>,
    asker: Asker,
    Path(name): Path<String>,
    body: Option<Json<AcknowledgeBody>>,
) -> Response {
    asked(&web, &asker, &name, false, body).await
}

async fn asked(web: &Web, asker: &Asker, name: &str, paused: bool, body: Option<Json<AcknowledgeBody>>) -> Response {
    let given = body.map(|Json(body)| body.by).unwrap_or_default();
    let by = who(asker, &given);
    match web.heartbeats.pause(name, paused, by).await {
        Ok((changed, kept)) => answer(name, paused, changed, by, kept),
        Err(why) => {
            let status = match why {
                PauseError::Unknown => StatusCode::NOT_FOUND,
                PauseError::Configured => StatusCode::CONFLICT,
            };
            (status, Json(json!({"error": format!("{name}: {why}")}))).into_response()
        }
    }
}

fn answer(name: &str, paused: bool, changed: bool, by: &str, kept: Durability) -> Response {
    let body = json!({"heartbeat": name, "paused": paused, "changed": changed});
    Did::words(format!("as {by}")).to(durability::json(body, kept))
}
