//! What earlier runs left behind is deleted: of a watchdog that was killed, or that could not reach the cluster any more.
//! Another watchdog's objects carry another instance, and are never listed here.

use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::{
    api::{Api, Kind, Refused},
    run::{Failed, refused},
};
use crate::model::CanaryStage;

/// Deletes all that is ours of these kinds.
///
/// # Errors
/// When something is there and can't be deleted, or it can't be known.
pub(super) async fn sweep(api: &Api, servers: &[Url], kinds: &[Kind], within: Duration) -> Result<(), Failed> {
    for kind in kinds {
        of_kind(api, servers, *kind, within).await.map_err(|e| refused(CanaryStage::Swept, &e))?;
    }
    Ok(())
}

/// Deletes all that is ours, of whatever kind: what is not granted was not made. Returns whether all could be looked for.
pub(super) async fn everything(api: &Api, servers: &[Url], within: Duration) -> bool {
    let mut all = true;
    for kind in Kind::ALL {
        match of_kind(api, servers, kind, within).await {
            Ok(0) => {}
            Ok(n) => tracing::info!(kind = kind.plural(), n, "what an earlier canary left was deleted"),
            Err(e) => all &= matches!(e.status, Some(403 | 404)),
        }
    }
    all
}

async fn of_kind(api: &Api, servers: &[Url], kind: Kind, within: Duration) -> Result<usize, Refused> {
    let left = api.list(servers, kind, within).await?;
    for object in &left {
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        if !name.is_empty() {
            // A grace of none: a node that is lost would keep its pod for ever.
            api.delete(servers, kind, name, (kind == Kind::Pod).then_some(0), within).await?;
        }
    }
    Ok(left.len())
}
