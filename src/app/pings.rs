//! Pings between heartbeats and the other of two watchdogs: whoever was pinged, both know it.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    dispatch::Submissions,
    heartbeat::{Heartbeats, Ping},
};

/// Hands what was pinged here to the other, until told to stop.
pub async fn out(mut pinged: mpsc::Receiver<(String, Ping)>, submissions: Submissions, stop: CancellationToken) {
    while let Some(Some((name, ping))) = stop.run_until_cancelled(pinged.recv()).await {
        let at = ping.at;
        if let Ok(ping) = serde_json::to_value(ping) {
            submissions.pinged(name, at, ping).await;
        }
    }
}

/// Hands what the other was pinged to heartbeats, until dispatch ends. What a later version writes otherwise is passed over.
pub async fn from_elsewhere(mut pinged: mpsc::Receiver<(String, serde_json::Value)>, heartbeats: Heartbeats) {
    while let Some((name, ping)) = pinged.recv().await {
        match serde_json::from_value(ping) {
            Ok(ping) => heartbeats.heard_elsewhere(&name, ping).await,
            Err(error) => tracing::warn!(name, "a ping from the other watchdog can't be read: {error}"),
        }
    }
}
