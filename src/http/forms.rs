//! What people press on the pages: acknowledge an incident, make a silence, end one. Plain forms, no scripts.
//!
//! A form that was taken leads to the page that shows it (303), one that was not comes back as it was filled in, with the
//! reason. Pages with a form never reload themselves. Requests from pages of other sites are refused by `guard`.

use axum::{
    Router,
    extract::{DefaultBodyLimit, Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use jiff::Timestamp;

use super::{
    Web, api,
    api_v1::Params,
    lost, missing_incident, page,
    page::{AcknowledgeForm, AlertsPage, SilenceForm, SilencesPage},
    page_answer,
};
use crate::{
    dispatch::{matchers, submissions::Closed},
    model::{Silence, duration::prometheus as duration},
    store::Durability,
};

/// Bytes of a form.
const BODY_MAX: usize = 256 << 10;

/// Returns the paths.
pub fn router() -> Router<Web> {
    Router::new()
        .route("/alerts", get(alerts))
        .route("/silences", get(silences).post(make_silence))
        .route("/silences/new", get(new_silence))
        .route("/silences/{id}/expire", post(expire))
        .route("/incidents/{id}/acknowledge", get(ask_acknowledge).post(acknowledge))
        .route("/incidents/{id}/withdraw", post(withdraw))
        .layer(DefaultBodyLimit::max(BODY_MAX))
}

async fn alerts(State(web): State<Web>) -> Response {
    let all = web.live.read().alerts.clone();
    page_answer(AlertsPage::new(&all, web.clock.wall()).render(&web.frame()))
}

async fn silences(State(web): State<Web>) -> Response {
    let all = web.live.read().silences.clone();
    page_answer(SilencesPage::new(&all, web.clock.wall()).render(&web.desk_frame()))
}

async fn new_silence(State(web): State<Web>, params: Params) -> Response {
    let incident = web.incident(params.text("incident")).await.ok();
    let context = web.alert_context();
    let form = incident.as_ref().map_or_else(SilenceForm::empty, |i| SilenceForm::of(i, &context));
    page_answer(form.render(web.desk_frame()))
}

async fn make_silence(State(web): State<Web>, params: Params) -> Response {
    let text = |name: &str| params.text(name).trim().to_owned();
    let mut form = SilenceForm {
        matchers: text("matchers"),
        duration: text("duration"),
        starts: text("starts"),
        by: text("by"),
        comment: text("comment"),
        error: String::new(),
    };
    form.error = match read(&form, web.clock.wall()) {
        Err(why) => why,
        Ok(silence) => match web.submissions.silence(silence).await {
            Ok(Ok(_)) => return shown(&web, "/silences"),
            Ok(Err(error)) => error.to_string(),
            Err(closed) => return stopping(closed),
        },
    };
    (StatusCode::BAD_REQUEST, page_answer(form.render(web.frame()))).into_response()
}

/// The silence that a form asks for.
fn read(form: &SilenceForm, now: Timestamp) -> Result<Silence, String> {
    let conditions: Vec<String> =
        form.matchers.lines().map(str::trim).filter(|l| !l.is_empty()).map(Into::into).collect();
    let matchers = matchers::parse_all(&conditions)?.to_silence();
    let starts_at = match form.starts.as_str() {
        "" => now,
        text => text.parse().map_err(|_| format!("{text:?} is not a time; write it like 2026-11-24T22:00:00Z"))?,
    };
    let lasts = duration(&form.duration)?;
    let ends_at = starts_at.checked_add(lasts).map_err(|_| "it would end too far in the future".to_owned())?;
    if form.by.is_empty() {
        return Err("say who silences it".into());
    }
    Ok(Silence {
        id: String::new(),
        matchers,
        starts_at,
        ends_at,
        updated_at: now,
        created_by: form.by.clone(),
        comment: form.comment.clone(),
    })
}

async fn expire(State(web): State<Web>, Path(id): Path<String>) -> Response {
    match web.submissions.expire(&id).await {
        Ok(Ok(_)) => shown(&web, "/silences"),
        Ok(Err(error)) => lost(&web, &error.to_string()),
        Err(closed) => stopping(closed),
    }
}

async fn ask_acknowledge(State(web): State<Web>, Path(id): Path<String>) -> Response {
    acknowledge_form(&web, &id, "").await
}

/// The form, with what is wrong with the name.
async fn acknowledge_form(web: &Web, id: &str, error: &'static str) -> Response {
    let incident = match web.incident(id).await {
        Ok(incident) => incident,
        Err(missing) => return missing_incident(web, &missing),
    };
    let form = AcknowledgeForm::new(&incident, error, web.clock.wall());
    let status = if error.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    (status, page_answer(form.render(web.desk_frame()))).into_response()
}

async fn acknowledge(State(web): State<Web>, Path(id): Path<i64>, params: Params) -> Response {
    let by = api::who(params.text("by"));
    if by.is_empty() {
        return acknowledge_form(&web, &id.to_string(), "Say who looks after it: a name.").await;
    }
    changed(&web, id, web.submissions.acknowledge(id, by).await)
}

async fn withdraw(State(web): State<Web>, Path(id): Path<i64>) -> Response {
    changed(&web, id, web.submissions.withdraw(id).await)
}

fn changed(web: &Web, id: i64, kept: Result<Option<Durability>, Closed>) -> Response {
    match kept {
        Ok(Some(_)) => shown(web, &format!("/incidents/{id}")),
        Ok(None) => lost(web, &format!("There is no open incident {id}.")),
        Err(closed) => stopping(closed),
    }
}

fn shown(web: &Web, path: &str) -> Response {
    Redirect::to(&format!("{}{path}", page::root(&web.external_url))).into_response()
}

fn stopping(closed: Closed) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{closed}\n")).into_response()
}
