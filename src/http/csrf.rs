//! Forms are taken from pages of ours: each carries what only such a page can know (`login::csrf`). Asked of everybody whose
//! browser sends their login by itself; that pages of other origins are refused (`guard`) is asked beside it.

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use url::form_urlencoded;

use super::{Web, asker::Asker, forms::BODY_MAX, page, page_answer};
use crate::login::csrf;

/// The field of the form.
const FIELD: &str = "csrf";

/// Returns the middleware around everything that people press.
pub async fn check(State(web): State<Web>, asker: Asker, request: Request, next: Next) -> Response {
    if request.method().is_safe() || !asker.caller.is_ambient() {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, BODY_MAX).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "This form is too large, or broke off.\n").into_response();
    };
    let given = form_urlencoded::parse(&bytes).find(|(name, _)| name == FIELD).map(|(_, value)| value.into_owned());
    if !csrf::fits(&asker.caller, &given.unwrap_or_default()) {
        let what = "This form was made before dogwatch was restarted, or for somebody else: go back, load the page anew, and \
                    send it again. Programs use the API.";
        let frame = web.frame(&asker).still();
        return (StatusCode::FORBIDDEN, page_answer(page::lost(&frame, what))).into_response();
    }
    next.run(Request::from_parts(parts, Body::from(bytes))).await
}
