//! `/api/dogwatch/v1/`: what is ours, as JSON. Times are RFC 3339, durations seconds.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Web,
    api_v1::Params,
    asker::Asker,
    audit::Did,
    canary::CanaryView,
    durability,
    incidents::{self, Missing, Wanted},
    notes,
};
use crate::{
    carried,
    dispatch::submissions::Closed,
    model::{self, Gap, Incident, IncidentNote, LiveState, LiveTarget, Reason, References, text},
    runbook,
    store::{DeliveryOutcome, DeliveryRecord, Durability, Store},
    telemetry::process::Process,
};

#[derive(Serialize)]
struct StateView {
    at: Timestamp,
    version: &'static str,
    started_at: Option<Timestamp>,
    process: ProcessView,
    vantage: Sight,
    store: Judged,
    notifications: Notifications,
    clusters: Vec<ClusterView>,
    incidents: Vec<Arc<Incident>>,
}

#[derive(Serialize)]
struct Judged {
    ok: bool,
    since: Option<Timestamp>,
    message: String,
}

/// What the operating system gives it; null: it does not say, or there is no limit.
#[derive(Serialize)]
struct ProcessView {
    resident_bytes: Option<u64>,
    memory_limit_bytes: Option<u64>,
    open_files: Option<u64>,
    open_files_limit: Option<u64>,
}

impl ProcessView {
    fn read() -> Self {
        let process = Process::read();
        let whole = |value: Option<f64>| value.map(|value| value as u64);
        Self {
            resident_bytes: whole(process.resident_bytes),
            memory_limit_bytes: whole(process.memory_limit_bytes),
            open_files: whole(process.open_fds),
            open_files_limit: whole(process.max_fds),
        }
    }
}

#[derive(Serialize)]
struct Sight {
    #[serde(flatten)]
    judged: Judged,
    /// What it is judged by, beside the targets: none asked is not the same as none silent.
    references: References,
}

#[derive(Serialize)]
struct Notifications {
    outbox_pending: usize,
    failing_receivers: Vec<FailingReceiver>,
}

#[derive(Serialize)]
struct FailingReceiver {
    receiver: String,
    why: String,
}

#[derive(Serialize)]
struct ClusterView {
    name: String,
    read_at: Option<Timestamp>,
    discovery_error: Option<String>,
    /// What would tell more if it could be read, and what was left out of lists.
    discovery_notes: Vec<String>,
    targets: Vec<TargetView>,
    /// Components of which nothing is watched: nothing is known of them.
    not_watched: Vec<Gap>,
    /// How its canary stands, where it has one.
    canaries: Vec<CanaryView>,
}

#[derive(Serialize)]
struct TargetView {
    job: model::Job,
    instance: String,
    node: Option<String>,
    state: model::State,
    since: Timestamp,
    reason: Option<Reason>,
    message: String,
    probed_at: Option<Timestamp>,
    latency_seconds: Option<f64>,
    last_success: Option<Timestamp>,
    last_failure: Option<FailureView>,
}

#[derive(Serialize)]
struct FailureView {
    at: Timestamp,
    reason: Reason,
    message: String,
}

/// An incident with what was told of it, and what people wrote about it.
#[derive(Serialize, Deserialize)]
pub struct IncidentView {
    pub(super) incident: Incident,
    /// Of the finding that explains it.
    pub(super) runbook_url: Option<String>,
    pub(super) deliveries: Vec<DeliveryView>,
    /// Why the deliveries can't be told, where they can't.
    pub(super) deliveries_error: Option<String>,
    #[serde(default)]
    pub(super) notes: Vec<IncidentNote>,
    /// Why the notes can't be told, where they can't.
    #[serde(default)]
    pub(super) notes_error: Option<String>,
}

/// An attempt to tell somebody.
#[derive(Serialize, Deserialize)]
pub(super) struct DeliveryView {
    pub(super) sequence: u32,
    pub(super) receiver: String,
    pub(super) at: Timestamp,
    pub(super) outcome: DeliveryOutcome,
    answer: String,
    took_seconds: f64,
}

#[derive(Serialize)]
struct ApiError {
    error: String,
}

/// Answers `GET /api/dogwatch/v1/openapi.json`: what is here, for programs (OpenAPI 3.1).
pub async fn openapi() -> Response {
    let text = carried::openapi().replace("{version}", env!("CARGO_PKG_VERSION"));
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// Answers `GET /api/dogwatch/v1/config-schema.json`: the JSON Schema of dogwatch.yml, for editors.
pub async fn config_schema() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], carried::schema()).into_response()
}

/// Answers `GET /api/dogwatch/v1/state`
pub async fn state(State(web): State<Web>) -> Response {
    let view = StateView::new(&web.live.read(), web.clock.wall());
    shown(StatusCode::OK, &view)
}

/// Answers `GET /api/dogwatch/v1/incidents?cluster=&severity=&state=&since=&before=&limit=`
pub async fn incidents(State(web): State<Web>, params: Params) -> Response {
    match Wanted::read(params.pairs(), incidents::LIMIT, web.clock.wall()) {
        Ok(wanted) => shown(StatusCode::OK, &web.incidents(&wanted).await),
        Err(error) => shown(StatusCode::BAD_REQUEST, &ApiError { error }),
    }
}

/// Answers `GET /api/dogwatch/v1/incidents/{id}`
pub async fn incident(State(web): State<Web>, Path(id): Path<String>) -> Response {
    match web.incident(&id).await {
        Ok(incident) => shown(StatusCode::OK, &IncidentView::new(incident, &web.store, &web.external_url).await),
        Err(missing) => unfound(&missing),
    }
}

fn unfound(missing: &Missing) -> Response {
    shown(missing.status(), &ApiError { error: missing.to_string() })
}

impl IncidentView {
    /// With its deliveries from the store.
    pub async fn new(incident: Incident, store: &Store, external_url: &str) -> Self {
        let (deliveries, deliveries_error) = match store.deliveries(incident.id).await {
            Ok(records) => (records.into_iter().map(DeliveryView::new).collect(), None),
            Err(e) => (Vec::new(), Some(e.to_string())),
        };
        let (notes, notes_error) = match store.notes(incident.id).await {
            Ok(notes) => (notes, None),
            Err(e) => (Vec::new(), Some(e.to_string())),
        };
        let root = incident.alerts.first().map(|a| &a.finding);
        let base = external_url.trim_end_matches('/');
        let runbook_url = root.and_then(|f| runbook::link(&f.name(), &f.annotations, base));
        Self { incident, runbook_url, deliveries, deliveries_error, notes, notes_error }
    }
}

/// Answers `GET /api/dogwatch/v1/heartbeats`
pub async fn heartbeats(State(web): State<Web>) -> Response {
    shown(StatusCode::OK, &serde_json::json!({"heartbeats": web.heartbeats.views()}))
}

/// Says who does something: looks after an incident, pauses a heartbeat.
#[derive(Default, serde::Deserialize)]
pub struct AcknowledgeBody {
    #[serde(default)]
    pub(super) by: String,
}

/// Answers `POST /api/dogwatch/v1/incidents/{id}/acknowledge`, as JSON `{"by": "…"}`
pub async fn acknowledge(
    State(web): State<Web>,
    asker: Asker,
    Path(id): Path<i64>,
    body: Option<Json<AcknowledgeBody>>,
) -> Response {
    let given = body.map(|Json(body)| body.by).unwrap_or_default();
    // Who does not say a name has the one that they logged in by.
    let by = incidents::who(if given.trim().is_empty() { &asker.caller.name } else { &given });
    match web.submissions.acknowledge(id, by).await {
        Ok(kept) => Did::words(format!("as {by}")).to(changed(id, kept, serde_json::json!({"acknowledged": id}))),
        Err(closed) => stopping(closed),
    }
}

/// Answers `DELETE /api/dogwatch/v1/incidents/{id}/acknowledge?by=…`
pub async fn withdraw(State(web): State<Web>, asker: Asker, Path(id): Path<i64>, params: Params) -> Response {
    let given = params.text("by");
    let by = incidents::who(if given.trim().is_empty() { &asker.caller.name } else { given });
    match web.submissions.withdraw(id, by).await {
        Ok(kept) => Did::words(format!("as {by}")).to(changed(id, kept, serde_json::json!({"withdrawn": id}))),
        Err(closed) => stopping(closed),
    }
}

/// What somebody notes about an incident.
#[derive(serde::Deserialize)]
pub struct NoteBody {
    #[serde(default)]
    by: String,
    #[serde(default)]
    text: String,
}

/// Answers `POST /api/dogwatch/v1/incidents/{id}/notes`, as JSON `{"by": "…", "text": "…"}`
pub async fn add_note(
    State(web): State<Web>,
    asker: Asker,
    Path(id): Path<String>,
    Json(body): Json<NoteBody>,
) -> Response {
    let by = if body.by.trim().is_empty() { &asker.caller.name } else { &body.by };
    match notes::add(&web, &id, by, &body.text).await {
        Ok(kept) => Did::words(format!("as {by}")).to(durability::json(serde_json::json!({"noted": id}), kept)),
        Err(error) => shown(error.status(), &ApiError { error: error.to_string() }),
    }
}

fn changed(id: i64, kept: Option<Durability>, answer: serde_json::Value) -> Response {
    match kept {
        Some(kept) => durability::json(answer, kept),
        None => not_found(format!("There is no open incident {id}.")),
    }
}

fn stopping(closed: Closed) -> Response {
    shown(StatusCode::SERVICE_UNAVAILABLE, &ApiError { error: closed.to_string() })
}

/// An answer in JSON, whose texts people read.
pub fn shown(status: StatusCode, answer: &impl Serialize) -> Response {
    match serde_json::to_string(answer) {
        Ok(json) => (status, [(header::CONTENT_TYPE, "application/json")], text::readable_json(json)).into_response(),
        Err(e) => {
            tracing::error!(error = %e, "an answer could not be written as JSON");
            (StatusCode::INTERNAL_SERVER_ERROR, "The answer could not be written; the log says why.\n").into_response()
        }
    }
}

/// Returns a 404 for programs.
pub fn not_found(error: String) -> Response {
    refused(StatusCode::NOT_FOUND, error)
}

/// Returns an error for programs.
pub fn refused(status: StatusCode, error: String) -> Response {
    shown(status, &ApiError { error })
}

impl StateView {
    fn new(state: &LiveState, at: Timestamp) -> Self {
        let (vantage, store) = (&state.vantage, &state.store);
        Self {
            at,
            version: env!("CARGO_PKG_VERSION"),
            started_at: state.started_at,
            process: ProcessView::read(),
            vantage: Sight {
                judged: Judged { ok: vantage.ok, since: vantage.since, message: vantage.message.clone() },
                references: vantage.references,
            },
            store: Judged { ok: store.ok, since: store.since, message: store.message.clone() },
            notifications: Notifications {
                outbox_pending: state.outbox_pending,
                failing_receivers: state
                    .failing_receivers
                    .iter()
                    .map(|(receiver, why)| FailingReceiver { receiver: receiver.clone(), why: why.clone() })
                    .collect(),
            },
            clusters: state
                .clusters
                .iter()
                .map(|(name, c)| ClusterView {
                    name: name.to_string(),
                    read_at: c.snapshot.read_at,
                    discovery_error: c.snapshot.error.clone(),
                    discovery_notes: c.snapshot.notes(),
                    targets: c.targets.values().map(TargetView::new).collect(),
                    not_watched: c.unwatched().cloned().collect(),
                    canaries: c.canaries.iter().map(CanaryView::new).collect(),
                })
                .collect(),
            incidents: state.incidents.clone(),
        }
    }
}

impl TargetView {
    fn new(t: &LiveTarget) -> Self {
        Self {
            job: t.target.key.job,
            instance: t.target.key.instance.to_string(),
            node: t.target.node.as_deref().map(str::to_owned),
            state: t.verdict.state,
            since: t.verdict.since,
            reason: t.verdict.reason,
            message: t.verdict.message.clone(),
            probed_at: t.last.as_ref().map(|o| o.started),
            latency_seconds: t.last.as_ref().map(|o| o.duration.as_secs_f64()),
            last_success: t.last_success,
            last_failure: t.failures.first().map(|f| FailureView {
                at: f.at,
                reason: f.failure.reason,
                message: f.failure.message.clone(),
            }),
        }
    }
}

impl DeliveryView {
    fn new(r: DeliveryRecord) -> Self {
        Self {
            sequence: r.sequence,
            receiver: r.receiver,
            at: r.at,
            outcome: r.outcome,
            answer: r.answer,
            took_seconds: r.took.as_secs_f64(),
        }
    }
}
