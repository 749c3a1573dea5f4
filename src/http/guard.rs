//! What holds for every request: a deadline, no foreign pages pressing our buttons, and the headers that keep a
//! browser from doing more than showing the page.

use std::time::Duration;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// The longest that making an answer may take. Only an incident's deliveries wait for anything (the disk).
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// For the stylesheet and the icon: pages name the version, so an upgrade is seen at once.
pub const KEEP_A_WHILE: &str = "public, max-age=3600";

const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Returns the middleware around every route.
pub async fn guard(request: Request, next: Next) -> Response {
    let mut response = if !request.method().is_safe() && is_foreign(request.headers()) {
        (StatusCode::FORBIDDEN, "A page of another site may not ask for this.\n").into_response()
    } else {
        tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await.unwrap_or_else(|_| {
            let text = format!("No answer could be made within {} s.\n", REQUEST_TIMEOUT.as_secs());
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        })
    };
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// A browser says by itself when a request comes from a page of another site; programs send neither header.
fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
        return !matches!(site, "same-origin" | "none");
    }
    match (text(header::ORIGIN), text(header::HOST)) {
        (None, _) => false,
        (Some(origin), Some(host)) => origin.split_once("://").is_none_or(|(_, from)| from != host),
        (Some(_), None) => true,
    }
}

/// For a known address asked in a wrong way; axum adds the `Allow` header.
pub async fn wrong_method(request: Request) -> Response {
    let hint = if request.uri().path() == "/-/reload" { " A reload is asked for by POST." } else { "" };
    let text = format!("{} is not possible here; the Allow header says what is.{hint}\n", request.method());
    (StatusCode::METHOD_NOT_ALLOWED, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_are_told_apart_from_programs() {
        let check = |pairs: &[(&'static str, &str)], foreign: bool| {
            let headers: HeaderMap =
                pairs.iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_str(v).unwrap())).collect();
            assert_eq!(is_foreign(&headers), foreign, "{pairs:?}");
        };
        check(&[("host", "watch:9559")], false);
        check(&[("host", "watch:9559"), ("origin", "http://watch:9559")], false);
        check(&[("host", "watch:9559"), ("origin", "https://evil.example")], true);
        check(&[("host", "watch:9559"), ("origin", "null")], true);
        check(&[("origin", "http://watch:9559")], true);
        check(&[("sec-fetch-site", "cross-site")], true);
        check(&[("sec-fetch-site", "same-origin"), ("origin", "https://proxied.example"), ("host", "watch")], false);
    }
}
