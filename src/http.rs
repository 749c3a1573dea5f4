//! What others may ask of the watchdog over HTTP: pages for people, `/metrics` for Prometheus, JSON for programs.
//!
//! The whole URL map is in [`router`] and in the routers it merges. What people and programs hand in (acknowledgements,
//! silences, alerts, pings, a reload) goes to its owner; nothing here makes a probe, a verdict or a
//! notification wait. Answers are made from the shared live picture; what is past, and deliveries, are the store's.

mod access;
mod api;
mod api_v1;
mod api_v2;
mod asker;
mod audit;
mod availability;
mod canary;
mod connections;
mod cors;
mod csrf;
mod durability;
mod forms;
mod guard;
mod heartbeats;
mod history;
pub mod in_force;
pub mod incidents;
mod login;
pub mod metrics;
mod notes;
pub mod page;
mod peer;
mod ping;
mod post_mortem;
pub mod recorded;
mod restore;
mod serve;
mod sign_in;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use jiff::tz::TimeZone;
use tokio::sync::{mpsc, oneshot, watch};
use tower::{ServiceExt as _, service_fn};
use tower_http::compression::{CompressionLayer, predicate::SizeAbove};

pub use api::IncidentView;
pub use api_v2::posted;
pub use connections::Connections;
pub use ping::pinged;
pub use post_mortem::markdown;
pub use serve::{serve, serve_until};
pub use sign_in::SESSIONS;

use self::{
    api_v1::Params,
    asker::Asker,
    history::ChartRange,
    incidents::{Listed, Missing, Picked, Wanted},
};

use crate::{
    availability::SloConfig,
    clock::Clock,
    dispatch::Submissions,
    heartbeat::{self, Heartbeats},
    login::{Door, Sessions},
    model::{AlertContext, Incident, Live, TargetKey},
    notify,
    peer::{PeerConfig, config::of_alerts},
    query::Engine,
    rule::GroupStates,
    runbook::{self, Runbook},
    store::Store,
    telemetry::{Metrics, process::Process},
    words::{Language, Voice},
};

/// Answers smaller than this gain nothing by compression.
const GZIP_MIN_BYTES: u64 = 1_024;

/// Where a reload tells how it ended: what changed, or why the new configuration is not used.
pub type ReloadAnswer = oneshot::Sender<Result<String, String>>;

/// Holds what the answers are made from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Web {
    /// The latest picture.
    pub live: Live,
    /// The watchdog's own metrics.
    pub metrics: Arc<Metrics>,
    /// For incidents of the past, for deliveries, and for what series there are.
    pub store: Store,
    /// For queries.
    pub engine: Engine,
    /// The configuration in force.
    pub config: Arc<in_force::InForce>,
    /// Added to what is federated; tells vantages apart.
    pub external_labels: Arc<BTreeMap<String, String>>,
    /// How long history is kept, in words.
    pub retention: Arc<str>,
    /// The time.
    pub clock: Clock,
    /// `POST /-/reload` asks here for a reload of the configuration.
    pub reload: mpsc::Sender<ReloadAnswer>,
    /// Where people find dogwatch; links begin with its path.
    pub external_url: String,
    /// TLS, and who may log in.
    pub door: Door,
    /// Who is logged in by a page.
    pub sessions: Sessions,
    /// What this machine is called: pages may be asked for by these names too.
    pub own_names: Arc<[String]>,
    /// Where alerts, silences and acknowledgements are handed in.
    pub submissions: Submissions,
    /// How the rules stand.
    pub rules: GroupStates,
    /// Heartbeats, and who may post for which cluster.
    pub heartbeats: Heartbeats,
    /// In which language pages are, where one is configured.
    pub language: Option<Language>,
    /// In which time zone they show times.
    pub zone: TimeZone,
    /// What services are held to.
    pub slos: Arc<[SloConfig]>,
    /// Routes as Alertmanager's tools read them.
    pub routes: Arc<str>,
    /// The receivers' names.
    pub receivers: Arc<[String]>,
    /// The other watchdog, where there is one.
    pub peer: Option<Arc<PeerConfig>>,
}

impl Web {
    /// What is added to every alert.
    fn alert_context(&self) -> AlertContext {
        notify::alert_context(&of_alerts(&self.external_labels, self.peer.is_some()), &self.external_url, false)
    }

    /// A page of the list of incidents.
    async fn incidents(&self, wanted: &Wanted) -> Listed {
        let picked = Picked::new(self.live.read().incidents.iter().map(|i| &**i), wanted);
        incidents::list(&self.store, picked, wanted).await
    }

    /// The incident with this id.
    async fn incident(&self, id: &str) -> Result<Incident, Missing> {
        let live = self.live.read().incidents.iter().find(|i| i.id.to_string() == id).map(|i| Incident::clone(i));
        incidents::find(&self.store, live, id).await
    }

    /// When a page is made, and in whose words: those asked for, else configured, else liked by the browser.
    fn now(&self, asker: &Asker) -> page::Now {
        let wished = self.language.or(asker.liked);
        let language = asker.asked.or(wished).unwrap_or_default();
        page::Now { at: self.clock.wall(), voice: Voice::new(language, self.zone.clone()) }
    }

    fn frame(&self, asker: &Asker) -> page::Frame {
        page::Frame::new(&self.external_url, &self.now(asker)).of(&asker.caller)
    }

    /// Of pages on which something is handed in: they say where that is not kept.
    fn desk_frame(&self, asker: &Asker) -> page::Frame {
        let store = self.live.read().store.clone();
        page::Frame { unsaved: store.since.is_some() && !store.ok, ..self.frame(asker) }
    }
}

/// Returns the whole URL map.
pub fn router(web: Web) -> Router {
    let names = guard::Names::new(&web.external_url, &web.own_names, &web.door);
    let (origins, metrics) = (web.door.origins.clone(), web.metrics.clone());
    Router::new()
        .route("/", get(home))
        .route("/targets/{cluster}/{job}/{instance}", get(target))
        .route("/incidents", get(all_incidents))
        .route("/incidents/{id}", get(incident))
        .route("/incidents/{id}/post-mortem.md", get(to_markdown))
        .route("/report", get(availability::page))
        .route("/runbooks", get(to_runbooks))
        .route("/runbooks/", get(runbooks))
        .route("/runbooks/{alert}", get(one_runbook))
        .route("/style.css", get(style))
        .route("/refresh.js", get(script))
        .route("/favicon.svg", get(icon))
        .route("/metrics", get(exposition))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/-/reload", post(reload))
        .route("/api/dogwatch/v1/openapi.json", get(api::openapi))
        .route("/api/dogwatch/v1/config-schema.json", get(api::config_schema))
        .route("/api/dogwatch/v1/state", get(api::state))
        .route("/recorded/{cluster}", get(recorded::page))
        .route("/api/dogwatch/v1/state/{cluster}", get(recorded::summary))
        .route("/api/dogwatch/v1/state/{cluster}/{what}", get(recorded::one))
        .route("/api/dogwatch/v1/incidents", get(api::incidents))
        .route("/api/dogwatch/v1/incidents/{id}", get(api::incident))
        .route("/api/dogwatch/v1/incidents/{id}/acknowledge", post(api::acknowledge).delete(api::withdraw))
        .route("/api/dogwatch/v1/incidents/{id}/notes", post(api::add_note))
        .route("/api/dogwatch/v1/heartbeats", get(api::heartbeats))
        .route("/api/dogwatch/v1/heartbeats/{name}/pause", post(heartbeats::api_pause))
        .route("/api/dogwatch/v1/heartbeats/{name}/resume", post(heartbeats::api_resume))
        .route("/api/dogwatch/v1/restore-drills", get(restore::listed))
        .route("/api/dogwatch/v1/restore-drills/{name}", post(restore::open))
        .route("/api/dogwatch/v1/availability", get(availability::one))
        .merge(forms::router().layer(middleware::from_fn_with_state(web.clone(), csrf::check)))
        .merge(audit::router())
        .merge(sign_in::router())
        .merge(api_v2::router())
        .merge(ping::router())
        .merge(peer::router())
        .fallback(nothing_here)
        .method_not_allowed_fallback(guard::wrong_method)
        .layer(middleware::from_fn(guard::in_time))
        .merge(api_v1::router().layer(middleware::from_fn_with_state(metrics, api_v1::count_refused)))
        .layer(middleware::from_fn_with_state(web.clone(), audit::record))
        .layer(middleware::from_fn_with_state(web.clone(), login::ask))
        .layer(middleware::from_fn_with_state(origins, cors::allow))
        .layer(middleware::from_fn_with_state(names, guard::guard))
        .layer(CompressionLayer::new().gzip(true).compress_when(SizeAbove::new(GZIP_MIN_BYTES)))
        .with_state(web)
}

/// Hands each request to the newest of the routers: connections outlive a reload.
pub fn newest(routers: watch::Receiver<Router>) -> Router {
    Router::new().fallback_service(service_fn(move |request: axum::extract::Request| {
        let router = routers.borrow().clone();
        router.oneshot(request)
    }))
}

/// A page that could not be rendered: our own fault, said plainly and logged.
fn page_answer(rendered: Result<String, minijinja::Error>) -> Response {
    match rendered {
        Ok(text) => Html(text).into_response(),
        Err(e) => {
            tracing::error!(error = %e, "a page could not be rendered");
            let text = "This page could not be made; the watchdog's log says why. /metrics still answers.\n";
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}

async fn home(State(web): State<Web>, asker: Asker) -> Response {
    let frame = web.frame(&asker);
    let now = &web.now(&asker);
    let view = page::Home::new(&web.live.read(), &web.metrics, now).with_heartbeats(&web.heartbeats.views(), now);
    page_answer(view.render(&frame))
}

async fn target(
    State(web): State<Web>,
    asker: Asker,
    Path((cluster, job, instance)): Path<(String, String, String)>,
    params: Params,
) -> Response {
    let now = &web.now(&asker);
    let found = {
        let state = web.live.read();
        state.clusters.get(cluster.as_str()).and_then(|c| {
            let job = crate::model::Job::of_label(&job)?;
            let key = TargetKey { cluster: cluster.as_str().into(), job, instance: instance.as_str().into() };
            let target = c.targets.get(&key)?;
            let view =
                page::TargetPage::new(target, now).with_alerts(&target.target, &state.alerts, &state.incidents, now);
            Some((view, key, target.target.interval))
        })
    };
    let Some((view, key, interval)) = found else {
        return lost(
            &web,
            &asker,
            &format!("There is no {job} {instance} in cluster {cluster}. It may have been removed since."),
        );
    };
    let range = ChartRange::read(params.text("range")).unwrap_or_default();
    let history = history::read(&web.engine, &web.store, &key, interval, range, now.at).await;
    page_answer(view.with_history(&history, now).render(&web.frame(&asker)))
}

async fn all_incidents(State(web): State<Web>, asker: Asker, params: Params) -> Response {
    let now = &web.now(&asker);
    let listed = match Wanted::read(params.pairs(), incidents::PAGE, now.at) {
        Ok(wanted) => Ok(web.incidents(&wanted).await),
        Err(error) => Err(error),
    };
    let status = if listed.is_ok() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let clusters: Vec<String> = web.live.read().clusters.keys().map(|name| name.to_string()).collect();
    let view = page::IncidentsPage::new(listed, params.pairs(), &clusters, now);
    (status, page_answer(view.render(web.frame(&asker)))).into_response()
}

async fn incident(State(web): State<Web>, asker: Asker, Path(id): Path<String>) -> Response {
    let incident = match web.incident(&id).await {
        Ok(incident) => incident,
        Err(missing) => return missing_incident(&web, &asker, &missing),
    };
    let deliveries = web.store.deliveries(incident.id).await.map_err(|e| e.to_string());
    let notes = web.store.notes(incident.id).await.map_err(|e| e.to_string());
    let (alerts, silences) = {
        let state = web.live.read();
        (state.alerts.clone(), state.silences.clone())
    };
    let now = &web.now(&asker);
    let view =
        page::IncidentPage::new(&incident, deliveries, now).with_notes(notes, now).silenced_by(&alerts, &silences, now);
    page_answer(view.render(web.desk_frame(&asker)))
}

async fn to_markdown(State(web): State<Web>, asker: Asker, Path(id): Path<String>) -> Response {
    match web.incident(&id).await {
        Ok(incident) => {
            let view = IncidentView::new(incident, &web.store, &web.external_url).await;
            ([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], markdown(&view)).into_response()
        }
        Err(missing) => missing_incident(&web, &asker, &missing),
    }
}

async fn to_runbooks(State(web): State<Web>) -> Redirect {
    Redirect::permanent(&format!("{}/runbooks/", page::root(&web.external_url)))
}

async fn runbooks(State(web): State<Web>, asker: Asker) -> Response {
    shown_runbook(&web, &asker, runbook::index(), "There are no runbooks.")
}

async fn one_runbook(State(web): State<Web>, asker: Asker, Path(alert): Path<String>) -> Response {
    shown_runbook(&web, &asker, runbook::of(&alert), &format!("There is no runbook {alert:?}."))
}

fn shown_runbook(web: &Web, asker: &Asker, book: Option<Runbook>, otherwise: &str) -> Response {
    match book {
        Some(book) => page_answer(page::runbook(web.frame(asker), book)),
        None => lost(web, asker, otherwise),
    }
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, guard::KEEP_A_WHILE)], page::STYLE)
}

async fn script() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, guard::KEEP_A_WHILE)],
        page::SCRIPT,
    )
}

async fn icon() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, guard::KEEP_A_WHILE)], page::ICON)
}

async fn exposition(State(web): State<Web>, headers: HeaderMap) -> Response {
    let accept: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok()).collect();
    let format = metrics::negotiate(&accept.join(","));
    let picture = metrics::Picture::take(&web.live, web.clock.wall());
    // Putting 100,000 series in order takes long enough to be felt by others. Each part is then written when there is room
    // for it on its way: a slow reader holds no thread, and never the whole text.
    let made =
        tokio::task::spawn_blocking(move || metrics::Exposition::new(picture, &web.metrics, Process::read(), format));
    match made.await {
        Ok(made) => {
            let parts = futures_util::stream::iter(made.map(Ok::<_, std::convert::Infallible>));
            ([(header::CONTENT_TYPE, format.content_type())], Body::from_stream(parts)).into_response()
        }
        Err(e) => {
            tracing::error!(error = %e, "the metrics could not be written");
            (StatusCode::INTERNAL_SERVER_ERROR, "The metrics could not be written; the log says why.\n").into_response()
        }
    }
}

async fn healthy() -> &'static str {
    "dogwatch is healthy.\n"
}

async fn ready(State(web): State<Web>) -> Response {
    if web.live.read().started_at.is_some() {
        "dogwatch is ready.\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "dogwatch is starting: its targets are not loaded yet.\n").into_response()
    }
}

/// Answered when the new configuration is in force, or when it is known that it can't be (500, as in Prometheus).
async fn reload(State(web): State<Web>) -> Response {
    let (answer, answered) = oneshot::channel();
    let stopping = "dogwatch is stopping and reloads nothing any more.\n";
    match web.reload.try_send(answer) {
        Ok(()) => {}
        Err(mpsc::error::TrySendError::Full(_)) => {
            let text = "Too many reloads wait already: try again.\n";
            return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
        }
        Err(mpsc::error::TrySendError::Closed(_)) => {
            return (StatusCode::SERVICE_UNAVAILABLE, stopping).into_response();
        }
    }
    match answered.await {
        Ok(Ok(changes)) => audit::Did::words(&*changes).to(format!("The new configuration is in force: {changes}.\n")),
        Ok(Err(error)) => {
            let text = format!("The new configuration is not used, the old one stays in force:\n{error}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, stopping).into_response(),
    }
}

async fn nothing_here(State(web): State<Web>, asker: Asker, uri: Uri) -> Response {
    let path = shown_path(uri.path());
    if path.starts_with("/api/") {
        return api::not_found(format!(
            "There is nothing at {path}. What there is: /api/v1/… as in Prometheus, /api/v2/… as in Alertmanager, /api/dogwatch/v1/state, /api/dogwatch/v1/state/<cluster>, /api/dogwatch/v1/incidents, /api/dogwatch/v1/incidents/<id>, /api/dogwatch/v1/heartbeats, /api/dogwatch/v1/restore-drills, /api/dogwatch/v1/availability and /api/dogwatch/v1/audit; jobs report at /ping/<token>."
        ));
    }
    lost(&web, &asker, &format!("There is no page at {path}."))
}

/// A path as it may be shown: what stands behind `ping`, and each part that is long enough for a heartbeat's token, is
/// left out, however the address was mistyped.
fn shown_path(path: &str) -> String {
    let lower = path.to_ascii_lowercase();
    let path = match lower.find("ping/") {
        Some(at) => format!("{}…", &path[..at + "ping/".len()]),
        None => path.to_owned(),
    };
    let shown = |part| if str::len(part) < heartbeat::tokens::LENGTH_MIN { part } else { "…" };
    path.split('/').map(shown).collect::<Vec<_>>().join("/")
}

fn missing_incident(web: &Web, asker: &Asker, missing: &Missing) -> Response {
    (missing.status(), page_answer(page::lost(&web.frame(asker).still(), &missing.to_string()))).into_response()
}

fn lost(web: &Web, asker: &Asker, what: &str) -> Response {
    (StatusCode::NOT_FOUND, page_answer(page::lost(&web.frame(asker).still(), what))).into_response()
}

/// Leads to the page that shows what was done.
fn shown(web: &Web, path: &str) -> Response {
    Redirect::to(&format!("{}{path}", page::root(&web.external_url))).into_response()
}
