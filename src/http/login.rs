//! Asks for name and password (`basic_auth_users` of a `web_config`), and adds that file's headers.
//!
//! Open to all are health checks and what has a token of its own: jobs that report in, and alerts that a cluster's
//! monitoring posts with its bearer token.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    heartbeat::Heartbeats,
    login::{Asked, Door},
};

/// Asked by those that have no password.
const OPEN: [&str; 2] = ["/-/healthy", "/-/ready"];
/// What follows is a token.
const PING: &str = "/ping/";
/// Alerts are posted here.
const ALERTS: &str = "/api/v2/alerts";

/// Returns the middleware.
pub async fn ask(State((door, beats)): State<(Door, Heartbeats)>, request: Request, next: Next) -> Response {
    let given = name_and_password(request.headers());
    let bearer = bearer_of_alerts(&request);
    let open = !door.users.are_asked() || is_open(request.uri().path()) || is_of_cluster(bearer, &beats).await;
    let asked = match given {
        _ if open => Asked::Welcome,
        Some((name, password)) => door.users.ask(&name, &password).await,
        None => Asked::Unknown,
    };
    let mut response = match asked {
        Asked::Welcome => next.run(request).await,
        Asked::Unknown => {
            let text = "dogwatch asks for a name and a password: those of basic_auth_users in its web_config.\n";
            (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"dogwatch\"")], text).into_response()
        }
        Asked::Busy => {
            let text = "Too many passwords are being checked: try again.\n";
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    };
    for (name, value) in &door.headers {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

fn is_open(path: &str) -> bool {
    OPEN.contains(&path) || path.starts_with(PING)
}

/// The token with which alerts are posted.
fn bearer_of_alerts(request: &Request) -> Option<String> {
    let posts = request.method() == Method::POST && request.uri().path() == ALERTS;
    let given = request.headers().get(header::AUTHORIZATION).filter(|_| posts)?;
    Some(given.to_str().ok()?.strip_prefix("Bearer ")?.trim().to_owned())
}

/// Whether a token was given to a cluster's monitoring.
async fn is_of_cluster(token: Option<String>, beats: &Heartbeats) -> bool {
    token.is_some() && matches!(beats.cluster_of(token.as_deref()).await, Ok(Some(_)))
}

/// RFC 7617.
fn name_and_password(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let (name, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords_as_browsers_send_them() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, text.parse().unwrap())]);
            let found = name_and_password(&headers);
            assert_eq!(found.as_ref().map(|(n, p)| (n.as_str(), p.as_str())), expected, "{text}");
        };
        check("Basic YWRhOnA6dw==", Some(("ada", "p:w")));
        check("basic YWRhOg==", Some(("ada", "")));
        for none in ["", "Basic", "Basic !", "Basic YWRh", "Bearer YWRhOnA6dw==", "Basic //8="] {
            check(none, None);
        }
    }
}
