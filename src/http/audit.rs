//! Who did what: each request that changes something is written down with its outcome, by the line that `access` has for it.
//! Refused logins and posted alerts are counted and told seldom. The page and the API are for admins.

use std::{net::IpAddr, sync::LazyLock, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use super::{Web, access, api_v1::Params, asker::Asker, incidents::moment, page, page_answer};
use crate::{
    dispatch::matchers,
    login::{Caller, Need, Proof, Tally},
    model::{AuditEntry, Silence, text},
};

/// Refused logins of one address are told this often: who guesses fills no log.
const REFUSED_EVERY: Duration = Duration::from_secs(60);
/// Alerts that one token posts are told this often: a Prometheus posts every minute.
const POSTED_EVERY: Duration = Duration::from_secs(3_600);
/// Lines of one page, and of one answer where no number is asked for …
const LINES: usize = 100;
/// … and at the most.
const LINES_MAX: usize = 1_000;

static REFUSED: LazyLock<Tally<IpAddr>> = LazyLock::new(|| Tally::new(REFUSED_EVERY));
static POSTED: LazyLock<Tally<(String, Proof)>> = LazyLock::new(|| Tally::new(POSTED_EVERY));

/// What a handler adds to the line of what it did, as an extension of its answer.
#[derive(Clone, Debug, Default)]
pub struct Did {
    /// The id of what it was done to, where the path does not have it.
    pub subject: String,
    /// More, in words.
    pub detail: String,
}

impl Did {
    /// Adds it.
    pub fn to(self, answer: impl IntoResponse) -> Response {
        let mut answer = answer.into_response();
        answer.extensions_mut().insert(self);
        answer
    }

    /// With words alone.
    pub fn words(detail: impl Into<String>) -> Self {
        Self { subject: String::new(), detail: detail.into() }
    }
}

/// A silence in words.
pub fn of_silence(silence: &Silence) -> String {
    let matchers: Vec<String> = silence.matchers.iter().map(matchers::written).collect();
    let what = if silence.id.is_empty() { "new" } else { "changed" };
    let until = silence.ends_at.strftime("%Y-%m-%d %H:%M:%S UTC");
    format!("{what}: {} until {until}, as {}: {}", matchers.join(" "), silence.created_by, silence.comment)
}

/// Returns the paths.
pub fn router() -> Router<Web> {
    Router::new().route("/audit", get(shown)).route("/api/dogwatch/v1/audit", get(listed))
}

/// Returns the middleware that writes down what was done. It goes to its end even where who asked has gone.
pub async fn record(State(web): State<Web>, asker: Asker, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let line = access::find(request.method(), &path).filter(|(line, _)| !line.action.is_empty());
    let Some((line, named)) = line else { return next.run(request).await };
    let named = named.unwrap_or_default().to_owned();
    let work = async move {
        let answer = next.run(request).await;
        if is_done(&path, answer.status()) {
            write(&web, &asker, line, named, answer.extensions().get::<Did>().cloned().unwrap_or_default()).await;
        }
        answer
    };
    tokio::spawn(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "an answer broke off");
        (StatusCode::INTERNAL_SERVER_ERROR, "This broke off; the watchdog's log says why.\n").into_response()
    })
}

/// A page's form that was taken leads elsewhere; one that was not comes back.
fn is_done(path: &str, status: StatusCode) -> bool {
    let for_programs = path.starts_with("/api/") || path.starts_with("/-/");
    if for_programs { status.is_success() } else { status.is_redirection() }
}

async fn write(web: &Web, asker: &Asker, line: &access::Access, named: String, did: Did) {
    let caller = &asker.caller;
    let mut detail = did.detail;
    if line.need == Need::AlertsIn {
        let Some(count) = POSTED.count((caller.name.clone(), caller.proof), Instant::now()) else { return };
        detail = text::plural(usize::try_from(count).unwrap_or(usize::MAX), "post", "posts");
    }
    let detail = text::one_line(&detail).into_owned();
    let entry = AuditEntry {
        at: web.clock.wall(),
        who: caller.name.clone(),
        proof: caller.proof.as_str().into(),
        address: asker.address.to_string(),
        action: line.action.into(),
        subject: if did.subject.is_empty() { text::one_line(&named).into_owned() } else { did.subject },
        detail: text::clip(&detail, AuditEntry::DETAIL_MAX).to_owned(),
    };
    let (who, address) = (&entry.who, &entry.address);
    tracing::info!(who, proof = %entry.proof, address, subject = %entry.subject, "{}", entry.action);
    web.store.commit_audit(entry).await;
}

/// Writes down that somebody logged in, or out, or was refused by name.
pub async fn login(web: &Web, caller: &Caller, asker: &Asker, action: &str, subject: String, detail: String) {
    let entry = AuditEntry {
        at: web.clock.wall(),
        who: caller.name.clone(),
        proof: caller.proof.as_str().into(),
        address: asker.address.to_string(),
        action: action.into(),
        subject,
        detail,
    };
    tracing::info!(who = %entry.who, proof = %entry.proof, address = %entry.address, subject = %entry.subject, "{action}");
    web.store.commit_audit(entry).await;
}

/// Counts a login that was refused, and writes it down now and then. The name that was tried is not kept: people type
/// passwords there.
pub async fn refused_login(web: &Web, address: IpAddr) {
    web.metrics.logins_refused.inc();
    let Some(count) = REFUSED.count(address, Instant::now()) else { return };
    let count = text::plural(usize::try_from(count).unwrap_or(usize::MAX), "login was refused", "logins were refused");
    tracing::warn!(%address, "{count}");
    let entry = AuditEntry {
        at: web.clock.wall(),
        who: String::new(),
        proof: Proof::None.as_str().into(),
        address: address.to_string(),
        action: "refused login".into(),
        subject: String::new(),
        detail: count,
    };
    web.store.commit_audit(entry).await;
}

/// Reads `before` and `limit`, and what was done before.
async fn read(web: &Web, params: &Params) -> Result<(Vec<AuditEntry>, Option<Timestamp>), (StatusCode, String)> {
    let bad = |why: String| (StatusCode::BAD_REQUEST, why);
    let before = match params.text("before") {
        "" => Timestamp::MAX,
        given => moment("before", given, web.clock.wall()).map_err(bad)?,
    };
    let limit = match params.text("limit") {
        "" => LINES,
        given => given
            .parse()
            .ok()
            .filter(|n| (1..=LINES_MAX).contains(n))
            .ok_or_else(|| bad(format!("limit must be a number from 1 to {LINES_MAX}, not {given:?}")))?,
    };
    let entries = web.store.audit(before, limit).await.map_err(|e| (StatusCode::SERVICE_UNAVAILABLE, e.to_string()))?;
    let next = entries.last().filter(|_| entries.len() == limit).map(|last| last.at);
    Ok((entries, next))
}

/// Answers `GET /api/dogwatch/v1/audit?before=&limit=`
async fn listed(State(web): State<Web>, params: Params) -> Response {
    let (status, answer) = match read(&web, &params).await {
        Ok((entries, next)) => (StatusCode::OK, json!({"entries": entries, "next": next})),
        Err((status, error)) => (status, json!({"error": error})),
    };
    (status, [(header::CONTENT_TYPE, "application/json")], text::readable_json(answer.to_string())).into_response()
}

async fn shown(State(web): State<Web>, asker: Asker, params: Params) -> Response {
    let (status, found) = match read(&web, &params).await {
        Ok(found) => (StatusCode::OK, Ok(found)),
        Err((status, error)) => (status, Err(error)),
    };
    let view = page::AuditPage::new(found, &web.now(&asker));
    (status, page_answer(view.render(web.frame(&asker)))).into_response()
}
