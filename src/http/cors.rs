//! Pages of other origins: none may read an answer, unless `cors` names its origin; and then only what programs read, and
//! only with a login that the page itself has: a browser's own (a password, a certificate) is never lent to it.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::access;
use crate::login::Need;

/// What is read by programs.
const APIS: [&str; 3] = ["/api/", "/metrics", "/federate"];
/// As Prometheus has them (`web.cors.origin`).
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static("Accept, Authorization, Content-Type, Origin");
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, OPTIONS");
/// So long a browser need not ask again, in seconds.
const ASKED_EVERY: HeaderValue = HeaderValue::from_static("600");

/// Whether a page of this origin may read what is asked for.
pub fn may_read(origins: &[String], origin: &str, method: &Method, path: &str) -> bool {
    let of_api = APIS.iter().any(|api| path.starts_with(api));
    of_api && access::need(method, path) == Need::Read && origins.iter().any(|known| known == origin)
}

/// Returns the middleware.
pub async fn allow(State(origins): State<Arc<[String]>>, request: Request, next: Next) -> Response {
    if origins.is_empty() {
        return next.run(request).await;
    }
    let (origin, asks_first) = welcome(&origins, &request);
    let mut response = match &origin {
        Some(_) if asks_first => {
            let mut answer = StatusCode::NO_CONTENT.into_response();
            answer.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            answer.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            answer.headers_mut().insert(header::ACCESS_CONTROL_MAX_AGE, ASKED_EVERY);
            answer
        }
        _ => next.run(request).await,
    };
    tell(response.headers_mut(), origin.as_deref());
    response
}

/// The origin that may read the answer, and whether its browser asks for that before it sends what it means to.
fn welcome(origins: &[String], request: &Request) -> (Option<String>, bool) {
    let text = |name| request.headers().get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    let meant = text(header::ACCESS_CONTROL_REQUEST_METHOD).and_then(|method| method.parse::<Method>().ok());
    let asks_first = *request.method() == Method::OPTIONS && meant.is_some();
    let method = meant.filter(|_| asks_first).unwrap_or_else(|| request.method().clone());
    let origin = text(header::ORIGIN).filter(|origin| may_read(origins, origin, &method, request.uri().path()));
    (origin.map(str::to_owned), asks_first)
}

fn tell(headers: &mut HeaderMap, origin: Option<&str>) {
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin.and_then(|origin| HeaderValue::from_str(origin).ok()) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_origin_reads_apis_and_nothing_else() {
        let origins = ["https://grafana.example.org".to_owned()];
        let check = |origin: &str, method: Method, path: &str, expected: bool| {
            assert_eq!(may_read(&origins, origin, &method, path), expected, "{origin} {method} {path}");
        };
        for (method, path) in [
            (Method::GET, "/api/v1/labels"),
            (Method::POST, "/api/v1/query"),
            (Method::GET, "/metrics"),
            (Method::GET, "/api/dogwatch/v1/state"),
            (Method::GET, "/api/v2/alerts"),
        ] {
            check("https://grafana.example.org", method.clone(), path, true);
            check("https://evil.example", method.clone(), path, false);
            check("http://grafana.example.org", method, path, false);
        }
        for (method, path) in [
            (Method::GET, "/"),
            (Method::GET, "/silences"),
            (Method::POST, "/api/v2/silences"),
            (Method::POST, "/api/v2/alerts"),
            (Method::DELETE, "/api/v2/silence/x"),
            (Method::POST, "/-/reload"),
            (Method::GET, "/api/v1/status/config"),
            (Method::GET, "/api/dogwatch/v1/audit"),
            (Method::GET, "/ping/x"),
        ] {
            check("https://grafana.example.org", method, path, false);
        }
    }
}
