//! `/ping/<token>[/start|/fail|/log|/<exit status>]`: jobs report in, as to healthchecks.io. GET, HEAD or POST; what a POST
//! brings is kept as evidence. Answered after the store has it. The token is never logged and never shown.

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::Web;
use crate::heartbeat::{BODY_MAX, Kind};

/// More than this is not even read: a job that pours its log in is told so.
const READ_MAX: usize = 1 << 20;

/// The paths.
pub fn router() -> Router<Web> {
    Router::new()
        .route("/ping/{token}", get(plain).post(plain))
        .route("/ping/{token}/{what}", get(with_status).post(with_status))
}

async fn plain(State(web): State<Web>, Path(token): Path<String>, body: Body) -> Response {
    take(&web, &token, Kind::Success, None, body).await
}

async fn with_status(State(web): State<Web>, Path((token, what)): Path<(String, String)>, body: Body) -> Response {
    let (kind, exit_status) = match what.as_str() {
        "start" => (Kind::Start, None),
        "fail" => (Kind::Fail, None),
        "log" => (Kind::Log, None),
        number => match number.parse::<u8>() {
            Ok(0) => (Kind::Success, Some(0)),
            Ok(status) => (Kind::Fail, Some(status)),
            Err(_) => {
                let text = "What follows the token is start, fail, log or an exit status from 0 to 255.\n";
                return (StatusCode::BAD_REQUEST, text).into_response();
            }
        },
    };
    take(&web, &token, kind, exit_status, body).await
}

async fn take(web: &Web, token: &str, kind: Kind, exit_status: Option<u8>, body: Body) -> Response {
    let bytes = match Limited::new(body, READ_MAX).collect().await {
        Ok(read) => read.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let text = "More than a megabyte came with the ping; send its end only: tail -c 10000.\n";
            return (StatusCode::PAYLOAD_TOO_LARGE, text).into_response();
        }
        Err(_) => return (StatusCode::BAD_REQUEST, "The body broke off.\n").into_response(),
    };
    if bytes.len() > BODY_MAX {
        web.metrics.drop_at("ping_body");
    }
    // The end of a log says more than its beginning, but a cut must not begin in the middle of a character.
    let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(BODY_MAX)..]).into_owned();
    let text: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    match web.pulse.ping(token, kind, exit_status, text).await {
        Ok(()) => "OK\n".into_response(),
        Err(_) => (StatusCode::NOT_FOUND, "No job has this token.\n").into_response(),
    }
}
