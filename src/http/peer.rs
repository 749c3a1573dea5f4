//! `POST /api/dogwatch/v1/peer`: the other of two watchdogs asks, and is answered in the same form (`peer::wire`). It shows the token
//! that both know; who does not know it learns nothing but that.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};

use super::{Web, login::bearer};
use crate::peer::{self, Say, wire::BODY_MAX};

/// Returns the path.
pub fn router() -> Router<Web> {
    Router::new().route("/api/dogwatch/v1/peer", post(answer)).layer(DefaultBodyLimit::max(BODY_MAX))
}

async fn answer(State(web): State<Web>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err((status, why)) = known(web.peer.as_deref(), bearer(&headers)).await {
        return (status, format!("{why}\n")).into_response();
    }
    let say: Say = match serde_json::from_slice(&body) {
        Ok(say) => say,
        Err(error) => {
            let text = format!("This is no question of another watchdog: {error}\n");
            return (StatusCode::BAD_REQUEST, text).into_response();
        }
    };
    match web.submissions.peer_asks(say).await {
        Ok(Ok(said)) => Json(said).into_response(),
        Ok(Err(why)) => (StatusCode::CONFLICT, format!("{why}\n")).into_response(),
        Err(stopping) => (StatusCode::SERVICE_UNAVAILABLE, format!("{stopping}\n")).into_response(),
    }
}

/// Whether it is the other that asks. The file is read each time, so that the token can change while both run.
async fn known(config: Option<&peer::PeerConfig>, shown: Option<&str>) -> Result<(), (StatusCode, String)> {
    let Some(config) = config else {
        return Err((StatusCode::NOT_FOUND, "This watchdog is configured without peers.".into()));
    };
    let unknown = || (StatusCode::UNAUTHORIZED, "The token is not the one that this watchdog knows: see peers.".into());
    let shown = shown.ok_or_else(unknown)?;
    let knows = config.knows(shown).await.map_err(|why| {
        tracing::warn!("the token of the other watchdog can't be read: {why}");
        (StatusCode::SERVICE_UNAVAILABLE, "This watchdog can't read its own token; its log says why.".into())
    })?;
    if knows { Ok(()) } else { Err(unknown()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_who_knows_the_token_is_answered() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        let config = |text: &str| {
            std::fs::write(&file, text).unwrap();
            let json = serde_json::json!({"url": "https://b.example.org", "token_file": file});
            serde_json::from_value::<peer::PeerConfig>(json).unwrap()
        };
        let good = config("0123456789abcdef\n");
        assert_eq!(known(Some(&good), Some("0123456789abcdef")).await, Ok(()));
        let status =
            async |config: Option<&peer::PeerConfig>, shown| known(config, shown).await.unwrap_err().0.as_u16();
        assert_eq!(status(Some(&good), Some("0123456789abcdee")).await, 401);
        assert_eq!(status(Some(&good), None).await, 401);
        assert_eq!(status(None, Some("0123456789abcdef")).await, 404);
        let short = config("short");
        assert_eq!(status(Some(&short), Some("short")).await, 503, "what can be guessed is no token");
    }
}
