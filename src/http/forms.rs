//! What people press on the pages: acknowledge an incident, make a silence, end one. Plain forms, no scripts.
//!
//! A form that was taken leads to the page that shows it (303), one that was not comes back as it was filled in, with the
//! reason. Pages with a form never reload themselves. Requests from pages of other sites are refused by `guard`, forms that
//! are of no page of ours by `csrf`.

use axum::{
    Router,
    extract::{DefaultBodyLimit, Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::{
    Web,
    api_v1::Params,
    asker::Asker,
    audit::{self, Did},
    heartbeats, incidents, lost, missing_incident,
    notes::{self, NoteError},
    page::{AcknowledgeForm, AlertsPage, NoteForm, SilenceForm, SilencesPage, Wrong},
    page_answer, shown,
};
use crate::{dispatch::submissions::Closed, store::Durability};

/// Bytes of a form.
pub const BODY_MAX: usize = 256 << 10;

/// Returns the paths.
pub fn router() -> Router<Web> {
    Router::new()
        .route("/alerts", get(alerts))
        .route("/silences", get(silences).post(make_silence))
        .route("/silences/new", get(new_silence))
        .route("/silences/{id}/edit", get(edit_silence))
        .route("/silences/{id}/expire", post(expire))
        .route("/incidents/{id}/acknowledge", get(ask_acknowledge).post(acknowledge))
        .route("/incidents/{id}/withdraw", post(withdraw))
        .route("/incidents/{id}/note", get(ask_note).post(add_note))
        .route("/heartbeats", get(heartbeats::page))
        .route("/heartbeats/{name}/pause", post(heartbeats::pause))
        .route("/heartbeats/{name}/resume", post(heartbeats::resume))
        .layer(DefaultBodyLimit::max(BODY_MAX))
}

async fn alerts(State(web): State<Web>, asker: Asker) -> Response {
    let (alerts, incidents) = {
        let state = web.live.read();
        (state.alerts.clone(), state.incidents.clone())
    };
    page_answer(AlertsPage::new(&alerts, &incidents, &web.now(&asker)).render(&web.frame(&asker)))
}

async fn silences(State(web): State<Web>, asker: Asker) -> Response {
    let all = web.live.read().silences.clone();
    page_answer(SilencesPage::new(&all, &web.now(&asker)).render(&web.desk_frame(&asker)))
}

async fn new_silence(State(web): State<Web>, asker: Asker, params: Params) -> Response {
    let now = web.clock.wall();
    let form = if !params.text("preview").is_empty() {
        SilenceForm::filled_in(|name| params.text(name)).checked(now)
    } else if !params.text("alert").is_empty() {
        let state = web.live.read();
        let alert = state.alerts.iter().find(|a| *a.fingerprint == *params.text("alert"));
        alert.map_or_else(SilenceForm::empty, |a| SilenceForm::of_labels(&a.alert.labels))
    } else {
        let incident = web.incident(params.text("incident")).await.ok();
        incident.as_ref().map_or_else(SilenceForm::empty, |i| SilenceForm::of(i, &web.alert_context()))
    };
    let mut form = with_preview(&web, form);
    if form.by.is_empty() {
        form.by = asker.caller.name.clone();
    }
    page_answer(form.render(web.desk_frame(&asker)))
}

async fn edit_silence(State(web): State<Web>, asker: Asker, Path(id): Path<String>) -> Response {
    let silence = web.live.read().silences.iter().find(|s| s.id == id).cloned();
    match silence {
        Some(silence) => {
            let form = SilenceForm::of_silence(&silence, web.clock.wall());
            page_answer(with_preview(&web, form).render(web.desk_frame(&asker)))
        }
        None => lost(&web, &asker, "There is no such silence. Those that ended are kept for five days."),
    }
}

fn with_preview(web: &Web, form: SilenceForm) -> SilenceForm {
    let (alerts, incidents) = {
        let state = web.live.read();
        (state.alerts.clone(), state.incidents.clone())
    };
    form.with_preview(&alerts, &incidents, web.clock.wall())
}

async fn make_silence(State(web): State<Web>, asker: Asker, params: Params) -> Response {
    let now = web.clock.wall();
    let mut form = SilenceForm::filled_in(|name| params.text(name));
    if !params.text("preview").is_empty() {
        let form = form.checked(now);
        return page_answer(with_preview(&web, form).render(web.desk_frame(&asker)));
    }
    form.wrong = match form.read(now) {
        Err(wrong) => *wrong,
        Ok(silence) => {
            let detail = audit::of_silence(&silence);
            match web.submissions.silence(silence).await {
                Ok(Ok((subject, _))) => return Did { subject, detail }.to(shown(&web, "/silences")),
                Ok(Err(error)) => Wrong { whole: error.to_string(), ..Wrong::default() },
                Err(closed) => return stopping(closed),
            }
        }
    };
    (StatusCode::BAD_REQUEST, page_answer(with_preview(&web, form).render(web.desk_frame(&asker)))).into_response()
}

async fn expire(State(web): State<Web>, asker: Asker, Path(id): Path<String>) -> Response {
    match web.submissions.expire(&id).await {
        Ok(Ok(_)) => shown(&web, "/silences"),
        Ok(Err(error)) => lost(&web, &asker, &error.to_string()),
        Err(closed) => stopping(closed),
    }
}

async fn ask_acknowledge(State(web): State<Web>, asker: Asker, Path(id): Path<String>) -> Response {
    acknowledge_form(&web, &asker, &id, "").await
}

/// The form, with what is wrong with the name.
async fn acknowledge_form(web: &Web, asker: &Asker, id: &str, error: &'static str) -> Response {
    let incident = match web.incident(id).await {
        Ok(incident) => incident,
        Err(missing) => return missing_incident(web, asker, &missing),
    };
    let form = AcknowledgeForm::new(&incident, error, &web.now(asker));
    let status = if error.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    (status, page_answer(form.render(web.desk_frame(asker)))).into_response()
}

async fn acknowledge(State(web): State<Web>, asker: Asker, Path(id): Path<i64>, params: Params) -> Response {
    let by = incidents::who(params.text("by"));
    if by.is_empty() {
        return acknowledge_form(&web, &asker, &id.to_string(), "Say who looks after it: a name.").await;
    }
    let kept = web.submissions.acknowledge(id, by).await;
    Did::words(format!("as {by}")).to(changed(&web, &asker, id, kept))
}

async fn withdraw(State(web): State<Web>, asker: Asker, Path(id): Path<i64>) -> Response {
    let by = incidents::who(&asker.caller.name);
    changed(&web, &asker, id, web.submissions.withdraw(id, by).await)
}

async fn ask_note(State(web): State<Web>, asker: Asker, Path(id): Path<String>) -> Response {
    match web.incident(&id).await {
        Ok(incident) => {
            let form = NoteForm::new(&incident, &asker.caller.name, "", String::new(), &web.now(&asker));
            page_answer(form.render(web.desk_frame(&asker)))
        }
        Err(missing) => missing_incident(&web, &asker, &missing),
    }
}

async fn add_note(State(web): State<Web>, asker: Asker, Path(id): Path<String>, params: Params) -> Response {
    let (by, text) = (params.text("by"), params.text("text"));
    let error = match notes::add(&web, &id, by, text).await {
        Ok(_) => return Did::words(format!("as {by}")).to(shown(&web, &format!("/incidents/{id}"))),
        Err(NoteError::Missing(missing)) => return missing_incident(&web, &asker, &missing),
        Err(error) => error,
    };
    match web.incident(&id).await {
        Ok(incident) => {
            let form = NoteForm::new(&incident, by, text, error.to_string(), &web.now(&asker));
            (error.status(), page_answer(form.render(web.desk_frame(&asker)))).into_response()
        }
        Err(missing) => missing_incident(&web, &asker, &missing),
    }
}

fn changed(web: &Web, asker: &Asker, id: i64, kept: Result<Option<Durability>, Closed>) -> Response {
    match kept {
        Ok(Some(_)) => shown(web, &format!("/incidents/{id}")),
        Ok(None) => lost(web, asker, &format!("There is no open incident {id}.")),
        Err(closed) => stopping(closed),
    }
}

fn stopping(closed: Closed) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{closed}\n")).into_response()
}
