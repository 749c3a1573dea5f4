//! `/ping/<token>[/start|/fail|/log|/<exit status>]`: jobs report in, as to healthchecks.io; with the token of a restore drill
//! `/ping/<token>/{start|step/NAME|data-time/TIME|done|fail}`. GET, HEAD or POST; what a POST
//! brings is kept as evidence. Who logs in by a token of scope `ping` writes the heartbeat's name where its token would be. Answered after the store has it. The token is never logged and never shown.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use http_body_util::BodyExt;

use super::{Web, asker::Asker, login::bearer, restore};
use crate::{
    heartbeat::{BODY_MAX, Kind, Ping, Taken},
    model::text,
    store::Durability,
};

/// So much of a body is read for its end; of a longer one, as much is read.
const READ_MAX: usize = 16 << 20;

/// Less of a token's end tells nobody anything.
const PIECE_MIN: usize = 4;

/// A body must come within this; a ping counts all the same, with what came of it.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// Returns the paths. All are one: whatever stands under `/ping/` may hold a token and must not reach a page that
/// quotes it.
pub fn router() -> Router<Web> {
    Router::new().route("/ping/{*what}", get(take).post(take))
}

async fn take(
    State(web): State<Web>,
    asker: Asker,
    Path(what): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if let Some((drill, rest)) = restore::of(&web, &asker, &what) {
        let (tail, cut) = read(body).await;
        let secret = what.split('/').next().unwrap_or_default();
        let secret = if asker.caller.may_ping() { bearer(&headers).unwrap_or_default() } else { secret };
        return restore::take(&web, &drill, &rest, &without_token(&text(&tail), secret, cut)).await;
    }
    let Some((token, kind, exit_status)) = pinged(&what) else {
        let text = "What follows the token is start, fail, log or an exit status from 0 to 255.\n";
        return (StatusCode::BAD_REQUEST, text).into_response();
    };
    let agent = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let (tail, cut) = read(body).await;
    if cut {
        web.metrics.drop_at("ping_body");
    }
    // A job that shows how it pings (`curl -v`) shows its token, and pages show what it sent.
    let secret = if asker.caller.may_ping() { bearer(&headers).unwrap_or_default() } else { token };
    let (body, user_agent) = (without_token(&text(&tail), secret, cut), without_token(agent, secret, false));
    let ping = Ping { exit_status, body, user_agent, ..Ping::new(web.clock.wall(), kind) };
    let taken = if asker.caller.may_ping() {
        web.heartbeats.ping_by_name(token, ping).await
    } else {
        web.heartbeats.ping(token, ping).await
    };
    match taken {
        Ok(Taken { kept: Durability::Durable, refused }) if refused.is_empty() => "OK\n".into_response(),
        // The ping has arrived; what is wrong is not for its sender's exit status to say.
        Ok(Taken { kept: Durability::Durable, refused }) => {
            format!("Taken, but as a failure: {}\n", text::one_line(&refused)).into_response()
        }
        // A success for the caller, whose job is not to blame for our disk.
        Ok(Taken { kept: Durability::Buffered, .. }) => {
            let text = "OK, but only in memory: the watchdog can't write to its disk now.\n";
            (StatusCode::ACCEPTED, text).into_response()
        }
        Err(_) if asker.caller.may_ping() => (StatusCode::NOT_FOUND, "No heartbeat has this name.\n").into_response(),
        Err(_) => (StatusCode::NOT_FOUND, "No job has this token.\n").into_response(),
    }
}

/// The token in what follows `/ping/`, and what is said of its job; `None` where that is nothing that a job says.
pub fn pinged(path: &str) -> Option<(&str, Kind, Option<u8>)> {
    let (token, what) = path.split_once('/').unwrap_or((path, ""));
    let (kind, exit_status) = meaning(what.trim_end_matches('/'))?;
    Some((token, kind, exit_status))
}

/// What the last part of the path says.
fn meaning(what: &str) -> Option<(Kind, Option<u8>)> {
    match what {
        "" => Some((Kind::Success, None)),
        "start" => Some((Kind::Start, None)),
        "fail" => Some((Kind::Fail, None)),
        "log" => Some((Kind::Log, None)),
        number => match number.parse().ok().filter(|_| number.bytes().all(|b| b.is_ascii_digit()))? {
            0 => Some((Kind::Success, Some(0))),
            status => Some((Kind::Fail, Some(status))),
        },
    }
}

/// A text without the token. One of which the beginning was cut off may begin within it.
fn without_token(text: &str, token: &str, cut: bool) -> String {
    if token.is_empty() {
        return String::new();
    }
    let pieces = (1..token.len()).filter_map(|from| token.get(from..)).filter(|piece| cut && piece.len() >= PIECE_MIN);
    let text = pieces.filter_map(|piece| text.strip_prefix(piece)).next().unwrap_or(text);
    text.replace(token, "<token>")
}

/// The end of a body, and whether anything was left out. Whatever goes wrong on the way, the ping itself has arrived.
async fn read(mut body: Body) -> (Vec<u8>, bool) {
    let (mut tail, mut read, mut ended) = (Vec::new(), 0, false);
    let reading = async {
        while read < READ_MAX {
            let Some(Ok(frame)) = body.frame().await else { break };
            let Ok(data) = frame.into_data() else { continue };
            read += data.len();
            tail.extend_from_slice(&data);
            // Now and then, so that little is moved.
            if tail.len() > 8 * BODY_MAX {
                tail.drain(..tail.len() - BODY_MAX);
            }
        }
        ended = body.is_end_stream();
    };
    // What came in time is kept.
    let _ = tokio::time::timeout(READ_WITHIN, reading).await;
    tail.drain(..tail.len().saturating_sub(BODY_MAX));
    (tail, read > BODY_MAX || !ended)
}

/// As text: what can't be shown becomes a replacement character or nothing. A cut through a character leaves no trace.
fn text(bytes: &[u8]) -> String {
    let begin = bytes.iter().take(3).take_while(|b| **b & 0xc0 == 0x80).count();
    let text = String::from_utf8_lossy(bytes.get(begin..).unwrap_or_default());
    let text = text::readable(&text);
    // Replacement characters are longer than what they replace.
    let from = text.ceil_char_boundary(text.len().saturating_sub(BODY_MAX));
    text.get(from..).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_mean_what_they_mean_at_healthchecks() {
        let check = |what, expected| assert_eq!(meaning(what), expected, "{what}");
        check("", Some((Kind::Success, None)));
        check("start", Some((Kind::Start, None)));
        check("fail", Some((Kind::Fail, None)));
        check("log", Some((Kind::Log, None)));
        check("0", Some((Kind::Success, Some(0))));
        check("255", Some((Kind::Fail, Some(255))));
        for other in ["256", "-1", "+1", "1.0", "starts", "Start", "start/fail", " "] {
            check(other, None);
        }
    }

    #[test]
    fn no_piece_of_a_token_is_left_of_a_body() {
        let check = |text: &str, cut, expected: &str| {
            assert_eq!(without_token(text, "0123456789abcdef", cut), expected, "{text} {cut}");
        };
        check("curl /ping/0123456789abcdef/fail", false, "curl /ping/<token>/fail");
        check("89abcdef/fail 0123456789abcdef", true, "/fail <token>");
        check("123456789abcdef", true, "");
        check("89abcdef/fail", false, "89abcdef/fail");
        check("def is a word", true, "def is a word");
    }

    #[tokio::test]
    async fn of_a_body_the_end_is_kept() {
        let check = async |body: Vec<u8>, expected: &str, cut: bool| {
            let (tail, was_cut) = read(Body::from(body)).await;
            assert_eq!((text(&tail).as_str(), was_cut), (expected, cut));
        };
        check(vec![], "", false).await;
        check(b"done\r\n\x1b[31mred\x00\tend".to_vec(), "done\n[31mred\tend", false).await;
        check(vec![b'x'; BODY_MAX], &"x".repeat(BODY_MAX), false).await;
        check([&[b'x'; 300_000][..], b"the end"].concat(), &format!("{}the end", "x".repeat(BODY_MAX - 7)), true).await;
        check("é".repeat(BODY_MAX).into_bytes(), &"é".repeat(BODY_MAX / 2), true).await;
        check(["é".repeat(BODY_MAX).as_bytes(), b"x"].concat(), &format!("{}x", "é".repeat(BODY_MAX / 2 - 1)), true)
            .await;
        assert!(text(&[0xff; BODY_MAX]).len() <= BODY_MAX);
    }
}
