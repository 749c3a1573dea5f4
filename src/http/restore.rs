//! Restore drills over HTTP: what is reported with a drill's token (`ping` hands it on), and opening and listing them.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::json;

use super::{
    Web,
    api::{self, AcknowledgeBody},
    asker::Asker,
    audit::Did,
    durability,
    heartbeats::who,
};
use crate::{
    heartbeat::restore::{RestoreError, config::is_step, judge::RestoreSays},
    store::Durability,
};

/// What may follow the token, for people.
const WORDS: &str = "What follows the token of a restore drill is start, step/NAME, data-time/TIME (RFC 3339, or Unix \
seconds), done or fail.\n";

/// The drill whose token (or name, of who may report for each) begins what follows `/ping/`, and the rest of it.
pub fn of(web: &Web, asker: &Asker, what: &str) -> Option<(String, String)> {
    let (token, rest) = what.split_once('/').unwrap_or((what, ""));
    let name = if asker.caller.may_ping() {
        web.heartbeats.is_restore(token).then(|| token.to_owned())
    } else {
        web.heartbeats.restore_of(token)
    };
    Some((name?, rest.trim_end_matches('/').to_owned()))
}

/// What the path says; the body is said with its end. `None`: nothing that is said in a drill.
fn meaning(rest: &str, said: &str) -> Option<RestoreSays> {
    match rest.split_once('/') {
        None => match rest {
            "start" => Some(RestoreSays::Start),
            "done" => Some(RestoreSays::Done(said.to_owned())),
            "fail" => Some(RestoreSays::Fail(said.to_owned())),
            _ => None,
        },
        Some(("step", name)) => is_step(name).then(|| RestoreSays::Step(name.to_owned())),
        Some(("data-time", at)) => {
            let at: Option<Timestamp> = at.parse().ok().or_else(|| Timestamp::from_second(at.parse().ok()?).ok());
            at.map(RestoreSays::DataTime)
        }
        Some(_) => None,
    }
}

/// Takes what is reported in a drill; answered after the store has it.
pub async fn take(web: &Web, drill: &str, rest: &str, said: &str) -> Response {
    let Some(says) = meaning(rest, said) else { return (StatusCode::BAD_REQUEST, WORDS).into_response() };
    let is_end = matches!(says, RestoreSays::Done(_));
    match web.heartbeats.restore_says(drill, says).await {
        Ok((Durability::Buffered, _)) => {
            let text = "OK, but only in memory: the watchdog can't write to its disk now.\n";
            (StatusCode::ACCEPTED, text).into_response()
        }
        Ok((Durability::Durable, left)) if is_end && !left.is_empty() => {
            format!("OK; steps that were not reported: {}\n", left.join(", ")).into_response()
        }
        Ok(_) => "OK\n".into_response(),
        Err(why) => (status(why), format!("{why}\n")).into_response(),
    }
}

fn status(why: RestoreError) -> StatusCode {
    match why {
        RestoreError::Unknown => StatusCode::NOT_FOUND,
        RestoreError::NotOpen | RestoreError::TooManySteps => StatusCode::CONFLICT,
    }
}

/// Answers `GET /api/dogwatch/v1/restore-drills`.
pub async fn listed(State(web): State<Web>) -> Response {
    api::shown(StatusCode::OK, &json!({"restore_drills": web.heartbeats.restore_views()}))
}

/// Answers `POST /api/dogwatch/v1/restore-drills/{name}`, as JSON `{"by": "…"}`: opens one, or gives the one that is open.
pub async fn open(
    State(web): State<Web>,
    asker: Asker,
    Path(name): Path<String>,
    body: Option<Json<AcknowledgeBody>>,
) -> Response {
    let given = body.map(|Json(body)| body.by).unwrap_or_default();
    let by = who(&asker, &given);
    match web.heartbeats.open_restore(&name, by).await {
        Ok((drill, new, kept)) => {
            let view = web.heartbeats.restore_views().into_iter().find(|view| view.name == name);
            let body = json!({
                "drill": drill,
                "new": new,
                "steps": view.map(|view| view.steps).unwrap_or_default(),
                "ping_url": format!("{}/ping/", web.external_url.trim_end_matches('/')),
            });
            Did::words(format!("as {by}")).to(durability::json(body, kept))
        }
        Err(why) => (status(why), Json(json!({"error": format!("{name}: {why}")}))).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_token_is_what_is_said_in_a_drill() {
        let at = |second| Some(RestoreSays::DataTime(Timestamp::from_second(second).unwrap()));
        let check = |rest: &str, expected: Option<RestoreSays>| assert_eq!(meaning(rest, "words"), expected, "{rest}");
        check("start", Some(RestoreSays::Start));
        check("done", Some(RestoreSays::Done("words".into())));
        check("fail", Some(RestoreSays::Fail("words".into())));
        check("step/restore-etcd", Some(RestoreSays::Step("restore-etcd".into())));
        check("data-time/2027-01-15T08:00:00Z", at(1_800_000_000));
        check("data-time/2027-01-15T09:00:00+01:00", at(1_800_000_000));
        check("data-time/1800000000", at(1_800_000_000));
        for nothing in ["", "0", "started", "step", "step/", "step/a/b", "step/a b", "data-time/yesterday", "done/x"] {
            check(nothing, None);
        }
    }
}
