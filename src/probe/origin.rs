//! Whose answer it is. A firewall, a login page, a captive portal or a balancer answers in place of a component, with
//! whatever status it likes: that proves nothing about what is behind, neither that it lives nor that it refuses us. Pure.
//!
//! Source: k8s.io/apiserver 1.20 to 1.37. Everything that passes its filters carries `Audit-Id`, what API Priority and
//! Fairness has seen its two headers; errors are `metav1.Status`, but for throttling and the farewell of a server that
//! shuts down, which are plain text.

use http::{HeaderName, header::CONTENT_TYPE};
use serde::Deserialize;

use super::{
    body_text::{is_html, quote},
    lines,
};
use crate::{
    dial::Answer,
    model::{Failure, Reason},
};

/// What API servers add to their answers.
const HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("audit-id"),
    HeaderName::from_static("x-kubernetes-pf-flowschema-uid"),
    HeaderName::from_static("x-kubernetes-pf-prioritylevel-uid"),
];
/// Throttled by API Priority and Fairness, or by `--max-requests-inflight`.
const THROTTLES: &str = "Too many requests, please try again later.";
/// `The apiserver is shutting down, …` (429) and `apiserver is shutting down` (503).
const SHUTS_DOWN: &str = "apiserver is shutting down";

/// Returns whether the answer of an API server by its headers, its check lines, its objects or its own few words. A
/// bare `ok` is nobody's.
pub fn is_api_server(answer: &Answer) -> bool {
    let body = String::from_utf8_lossy(&answer.body);
    HEADERS.iter().any(|name| answer.headers.contains_key(name))
        || !lines::read("", &body).is_empty()
        || is_object(&answer.body)
        || body.trim() == THROTTLES
        || (body.len() <= OWN_WORDS_MAX && body.contains(SHUTS_DOWN) && !is_html(&body))
}

/// The longest of the few words, with room: a page that quotes them is longer.
const OWN_WORDS_MAX: usize = 128;

/// Returns whether it has been told to stop and takes no more requests.
pub fn shuts_down(answer: &Answer) -> bool {
    matches!(answer.status, 429 | 503)
        && is_api_server(answer)
        && String::from_utf8_lossy(&answer.body).contains(SHUTS_DOWN)
}

/// Returns whether only a component of Kubernetes answers so: check lines, `ok`, or an object with a kind.
pub fn speaks_kubernetes(answer: &Answer) -> bool {
    is_api_server(answer) || answer.body.trim_ascii() == b"ok"
}

/// An object of Kubernetes' API.
fn is_object(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Object {
        #[serde(rename = "kind")]
        _kind: String,
        #[serde(rename = "apiVersion")]
        _api_version: String,
    }
    serde_json::from_slice::<Object>(body).is_ok()
}

/// Returns whether it is surely somebody else's: a page for a browser, or a redirect, which no component gives.
pub fn is_foreign(answer: &Answer) -> bool {
    let html = || {
        let kind = answer.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        kind.trim_start().to_ascii_lowercase().starts_with("text/html")
            || is_html(&String::from_utf8_lossy(&answer.body))
    };
    !speaks_kubernetes(answer) && (matches!(answer.status, 300..=399) || html())
}

/// Says that somebody else has answered the request for `/name`. A balancer that got nothing from what is behind it is
/// believed so far: nobody gets through there.
pub fn foreign(name: &str, answer: &Answer) -> Failure {
    let said = said(name, answer);
    if answer.status >= 500 {
        let words =
            format!("{said}, in other words than its own: what stands in front of it gets no good answer from it");
        return Failure::new(Reason::HttpStatus, words);
    }
    let words = format!("{said}: something else answers in front of it, so that nothing is known of it");
    Failure::new(Reason::Foreign, words)
}

/// Says the same of a component's own port, in front of which nothing stands: then the component is not there.
pub fn stranger(name: &str, answer: &Answer) -> Failure {
    Failure::new(Reason::Body, format!("{}: another program listens on this port", said(name, answer)))
}

fn said(name: &str, answer: &Answer) -> String {
    match answer.leads_to() {
        Some(place) => format!("/{name} sends us to {place} (HTTP {})", answer.status),
        None => format!("/{name} answered HTTP {} {}", answer.status, quote(&String::from_utf8_lossy(&answer.body))),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, header::LOCATION};

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body.as_bytes()), cut: false }
    }

    fn with(mut answer: Answer, name: HeaderName, value: &'static str) -> Answer {
        answer.headers.insert(name, HeaderValue::from_static(value));
        answer
    }

    #[test]
    fn an_api_server_is_known_by_its_words_and_headers() {
        let check = |answer: Answer, expected: (bool, bool)| {
            assert_eq!((is_api_server(&answer), is_foreign(&answer)), expected, "{answer:?}");
        };
        let status = r#"{"kind":"Status","apiVersion":"v1","code":403}"#;
        check(answer(403, status), (true, false));
        check(answer(200, "[+]ping ok\n"), (true, false));
        check(answer(429, "Too many requests, please try again later.\n"), (true, false));
        check(answer(429, "The apiserver is shutting down, please try again later.\n"), (true, false));
        // Cut in the middle, the header still tells.
        check(with(answer(403, "{\"kind\":\"Sta"), HeaderName::from_static("audit-id"), "x"), (true, false));
        // A kubelet's or a scheduler's.
        check(answer(200, "ok"), (false, false));
        check(answer(401, "Unauthorized"), (false, false));
        check(answer(404, "404 page not found\n"), (false, false));
        // Nobody's of ours.
        check(answer(403, "<html><title>403 Forbidden</title></html>"), (false, true));
        check(with(answer(401, "login first"), CONTENT_TYPE, "text/html; charset=utf-8"), (false, true));
        check(with(answer(302, ""), LOCATION, "https://login.example.org/"), (false, true));
        check(answer(200, r#"{"error":"login_required"}"#), (false, false));
        check(answer(429, "<html>error 1015: the apiserver is shutting down</html>"), (false, true));
    }

    #[test]
    fn what_answers_instead_is_told() {
        let check = |answer: Answer, expected: &str| assert_eq!(foreign("livez", &answer).to_string(), expected);
        check(
            answer(403, "<html><title>403 Forbidden</title>"),
            "/livez answered HTTP 403 “403 Forbidden”: something else answers in front of it, so that nothing is known of it (foreign)",
        );
        check(
            with(answer(302, ""), LOCATION, "https://login.example.org/?rd=secret"),
            "/livez sends us to https://login.example.org/ (HTTP 302): something else answers in front of it, so that nothing is known of it (foreign)",
        );
        check(
            answer(502, "<html><title>502 Bad Gateway</title>"),
            "/livez answered HTTP 502 “502 Bad Gateway”, in other words than its own: what stands in front of it gets no good answer from it (http_status)",
        );
    }

    #[test]
    fn a_farewell_is_heard() {
        assert!(shuts_down(&answer(429, "The apiserver is shutting down, please try again later.\n")));
        let status = r#"{"kind":"Status","apiVersion":"v1","message":"apiserver is shutting down","code":503}"#;
        assert!(shuts_down(&answer(503, status)));
        assert!(!shuts_down(&answer(429, "Too many requests, please try again later.")));
        assert!(!shuts_down(&answer(200, "The apiserver is shutting down, please try again later.")));
    }
}
