//! The form that stores nothing: a server-side dry run (`dryRun=All`) of making a Lease. It goes the whole way of a write —
//! authentication, rights, quota, webhooks — and ends before etcd (kubernetes.io/docs/reference/using-api/api-concepts,
//! "Dry-run"). One verb on one kind of object, in one namespace.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;
use url::Url;

use super::{
    api::{Api, Kind},
    run::{Run, refused},
};
use crate::model::{CanaryRun, CanaryStage};

/// The name of what is never made.
const NAME: &str = "dogwatch-dry-run";

/// Runs once, at the first of these servers that answers.
pub(super) async fn run(api: &Api, servers: &[Url], limit: Duration, now: Timestamp) -> CanaryRun {
    let mut run = Run::begin(now);
    let began = Instant::now();
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": NAME}, "spec": {"holderIdentity": "dogwatch"},
    });
    let outcome = api.try_to_create(servers, Kind::Lease, &lease, limit).await;
    if outcome.is_ok() {
        run.passed(CanaryStage::Admitted, began);
    }
    run.end(outcome.map(drop).map_err(|e| refused(CanaryStage::Admitted, &e)))
}
