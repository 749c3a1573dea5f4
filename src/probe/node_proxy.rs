//! What an API server's node proxy answers: the kubelet's own words, why the API server got none, or that the API server
//! itself can't tell. Pure.
//!
//! Source: k8s.io/apimachinery/pkg/util/proxy. Kubernetes 1.20 answers `error trying to reach service: …` in a `Status`
//! with code 500, newer ones with 502 or 503, some as plain text; so the words decide, not the code.

use super::{body_text, lines, origin};
use crate::{
    dial::Answer,
    model::{Failure, Reason},
};

/// Says who answered where a kubelet was asked through an API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyAnswer {
    /// The kubelet's own answer.
    Kubelet,
    /// The API server tried, and this is what came of it: a fact about the kubelet.
    Tried(Failure),
    /// The API server can't tell: a fact about the API server or our rights, none about the kubelet.
    Nothing(Failure),
}

/// What the API server says before it tells why it got no answer.
const TRIED: &str = "error trying to reach service";

/// Reads the proxy's answer to a request for `node`.
pub fn read(node: &str, answer: &Answer) -> ProxyAnswer {
    let text = String::from_utf8_lossy(&answer.body);
    let status = body_text::status_message(&answer.body);
    let said = status.as_deref().unwrap_or(&text);
    let nothing = |reason, message: String| ProxyAnswer::Nothing(Failure::new(reason, message));
    if answer.status >= 500 && said.contains(TRIED) {
        return ProxyAnswer::Tried(why(said));
    }
    // Neither the API server nor a kubelet says it so.
    if origin::is_foreign(answer) && answer.status < 500 {
        return ProxyAnswer::Nothing(origin::foreign("healthz", answer));
    }
    match (answer.status, status.is_some()) {
        (401, true) => nothing(Reason::Auth, "the API server does not accept our credentials (401)".into()),
        (403, true) => {
            let words = "the API server does not let us use its node proxy (403): RBAC lacks `get` on nodes/proxy";
            nothing(Reason::Auth, words.into())
        }
        (404, true) => nothing(Reason::HttpStatus, format!("the API server knows no node {node} (404)")),
        (status, true) => {
            nothing(Reason::HttpStatus, format!("the API server answered HTTP {status}: {}", body_text::quote(said)))
        }
        (500.., false) if lines::read("", &text).is_empty() => nothing(
            Reason::HttpStatus,
            format!("on the way to the kubelet HTTP {} was answered: {}", answer.status, body_text::quote(said)),
        ),
        (_, false) => ProxyAnswer::Kubelet,
    }
}

/// `… dial tcp 10.0.0.1:10250: connect: connection refused`
fn why(said: &str) -> Failure {
    const WORDS: [(&[&str], Reason, &str); 5] = [
        (&["connection refused", "connection reset", "EOF"], Reason::Refused, "the kubelet refuses its connections"),
        (&["no route to host", "unreachable"], Reason::Unreachable, "it has no way to the node"),
        (&["timeout", "timed out", "deadline exceeded"], Reason::Timeout, "it gets no answer from the kubelet"),
        (&["x509", "tls:", "certificate"], Reason::Tls, "it can't agree with the kubelet on TLS"),
        (&["no such host", "lookup "], Reason::Dns, "it can't resolve the node's name"),
    ];
    let known = WORDS.iter().find(|(words, ..)| words.iter().any(|w| said.contains(w)));
    let (reason, words) = known.map_or((Reason::HttpStatus, "it could not reach the kubelet"), |(_, r, w)| (*r, *w));
    let cause = said.split_once(TRIED).map_or(said, |(_, rest)| rest).trim_start_matches([':', ' ']);
    Failure::new(reason, format!("the API server says that {words}: {}", body_text::quote(cause)))
}

#[cfg(test)]
mod tests;
