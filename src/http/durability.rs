//! What is answered where something was taken that the disk did not take: 202 with words, as to a ping.
//!
//! It is in force and told all the same, so that a refusal would be untrue. Prometheus takes every 2xx for done and says what
//! fires again after a minute anyway (notifier/sendloop.go, `--rules.alert.resend-delay`), so that a restart on a full disk
//! loses nothing of it; amtool takes everything but 200 for an error and shows it, which is right for a person.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::store::Durability;

/// What is lost when.
pub const IN_MEMORY: &str =
    "taken, but only in memory: the watchdog can't write to its disk now, and a restart before it can would lose this";

/// Returns a JSON object, with a `warning` where what it tells of is in memory alone.
pub fn json(mut body: Value, kept: Durability) -> Response {
    match kept {
        Durability::Durable => Json(body).into_response(),
        Durability::Buffered => {
            body["warning"] = json!(IN_MEMORY);
            (StatusCode::ACCEPTED, Json(body)).into_response()
        }
    }
}
