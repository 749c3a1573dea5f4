//! What is asked of a component, and what it answers.

use http::{Response, header};
use http_body_util::Full;
use hyper::body::Bytes;

/// A request, as far as the components look at it.
#[derive(Debug)]
pub struct Request {
    pub path: String,
    pub query: String,
    /// It came with a client certificate that this component trusts.
    pub known: bool,
}

impl Request {
    /// The first value of a query parameter; an empty one where it has none.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.parameters(name).next()
    }

    /// Every value of a query parameter.
    pub fn parameters(&self, name: &str) -> impl Iterator<Item = String> {
        url::form_urlencoded::parse(self.query.as_bytes()).filter(move |(k, _)| k == name).map(|(_, v)| v.into_owned())
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub kind: &'static str,
    pub body: String,
}

impl Reply {
    /// Plain text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", body: body.into() }
    }

    /// JSON.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self { status, kind: "application/json", body: body.to_string() }
    }

    /// As it goes over the wire.
    pub fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() =
            http::StatusCode::from_u16(self.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(self.kind));
        response
    }
}
