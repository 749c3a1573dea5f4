//! `/api/v2/`: Alertmanager's API (api/v2/openapi.yaml), so that amtool, Grafana's Alertmanager data source and the
//! Prometheus servers inside the clusters talk to dogwatch as to an Alertmanager.
//!
//! What is posted is answered after the store has it, with 202 and words where the disk does not take it (`durability`). Alerts of
//! the diagnosis and of the rules are shown beside the posted ones.

mod body;

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use self::body::{PostableAlert, PostableSilence};
use super::{
    Web,
    api_v1::Params,
    asker::Asker,
    audit::{self, Did},
    durability,
    login::bearer,
};
use crate::{
    dispatch::{
        alerts::{POSTED_MAX, Post, Refused},
        matchers::{self, Matchers},
        silence::SilenceError,
    },
    login::Proof,
    model::{Group, LiveAlert, MatchOp, Matcher, Pairs, Silence},
    store::Durability,
};

/// Bytes of a posted body: Prometheus sends 64 alerts at a time.
const BODY_MAX: usize = 8 << 20;

/// A Prometheus says its alerts again every minute.
const RETRY_AFTER_SECONDS: u16 = 60;

/// An alert without an end is shown as ending this long after it was last said, as a Prometheus would have it.
const SHOWN_FOR: Duration = Duration::from_secs(300);

/// Returns the paths.
pub fn router() -> Router<Web> {
    Router::new()
        .route("/api/v2/status", get(status))
        .route("/api/v2/receivers", get(receivers))
        .route("/api/v2/alerts", get(alerts).post(post_alerts))
        .route("/api/v2/alerts/groups", get(groups))
        .route("/api/v2/silences", get(silences).post(post_silence))
        .route("/api/v2/silence/{id}", get(silence).delete(expire))
        .layer(DefaultBodyLimit::max(BODY_MAX))
}

/// Alertmanager's errors are JSON strings.
fn failed(status: StatusCode, message: impl Into<String>) -> Response {
    (status, Json(Value::String(message.into()))).into_response()
}

fn bad(message: impl Into<String>) -> Response {
    failed(StatusCode::BAD_REQUEST, message)
}

fn stopping(error: &crate::dispatch::submissions::Closed) -> Response {
    failed(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}

/// Who posts too many is told to come back, as a limit is said in HTTP (RFC 6585, section 4); what was taken is kept.
fn refused(refusals: &[Refused]) -> Response {
    let full = refusals.iter().filter(|r| matches!(r, Refused::Full)).count();
    if full == 0 {
        let words = |r: &Refused| if let Refused::Bad(why) = r { Some(why.clone()) } else { None };
        return bad(refusals.iter().filter_map(words).collect::<Vec<_>>().join("; "));
    }
    let words = format!(
        "{full} alerts are not taken: {POSTED_MAX} posted ones fire already; post again when some have ended, or send fewer"
    );
    let mut answer = failed(StatusCode::TOO_MANY_REQUESTS, words);
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    answer
}

async fn status(State(web): State<Web>) -> Response {
    let started = web.live.read().started_at.unwrap_or_else(|| web.clock.wall());
    Json(json!({
        "cluster": {"name": "", "status": "disabled", "peers": []},
        "config": {"original": &*web.routes},
        "uptime": started.to_string(),
        "versionInfo": {
            "version": env!("CARGO_PKG_VERSION"), "branch": "", "revision": "", "buildDate": "", "buildUser": "", "goVersion": "",
        },
    }))
    .into_response()
}

async fn receivers(State(web): State<Web>) -> Response {
    Json(web.receivers.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()).into_response()
}

/// What a request wants to see.
struct Wanted {
    matchers: Matchers,
    receiver: Option<Matcher>,
    active: bool,
    silenced: bool,
    inhibited: bool,
    muted: bool,
}

impl Wanted {
    fn new(params: &Params) -> Result<Self, String> {
        let flag = |name: &str| match params.text(name) {
            "" | "true" => Ok(true),
            "false" => Ok(false),
            other => Err(format!("{name} must be true or false, not {other:?}")),
        };
        let receiver = params.text("receiver");
        Ok(Self {
            matchers: filter(params)?,
            receiver: if receiver.is_empty() { None } else { Some(Matcher::new("receiver", "=~", receiver)?) },
            active: flag("active")?,
            silenced: flag("silenced")?,
            inhibited: flag("inhibited")?,
            muted: flag("muted")?,
        })
    }

    fn takes(&self, alert: &LiveAlert) -> bool {
        let inhibited = alert.inhibited_by.is_some() || alert.explained_by.is_some();
        let muted = !alert.muted_by.is_empty();
        let suppressed = !alert.silenced_by.is_empty() || inhibited;
        let of_receiver = |r: &Matcher| alert.groups.iter().any(|g| r.matches(&g.receiver));
        (self.active || suppressed)
            && (self.silenced || alert.silenced_by.is_empty())
            && (self.inhibited || !inhibited)
            && (self.muted || !muted)
            && self.receiver.as_ref().is_none_or(of_receiver)
            && self.matchers.matches(&alert.alert.labels)
    }
}

fn filter(params: &Params) -> Result<Matchers, String> {
    let texts: Vec<String> = params.all("filter").chain(params.all("filter[]")).map(str::to_owned).collect();
    matchers::parse_all(&texts)
}

fn view(a: &LiveAlert) -> Value {
    let suppressed =
        !a.silenced_by.is_empty() || a.inhibited_by.is_some() || a.explained_by.is_some() || !a.muted_by.is_empty();
    let ends = a.alert.ends_at.or_else(|| a.updated_at.checked_add(SHOWN_FOR).ok());
    let mut names: Vec<&str> = a.groups.iter().map(|g| &*g.receiver).collect();
    names.sort_unstable();
    names.dedup();
    let inhibited: Vec<&str> = a.inhibited_by.iter().chain(&a.explained_by).map(String::as_str).collect();
    json!({
        "annotations": a.alert.annotations,
        "endsAt": ends.unwrap_or(Timestamp::MAX).to_string(),
        "fingerprint": &*a.fingerprint,
        "receivers": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
        "startsAt": a.alert.starts_at.to_string(),
        "status": {
            "inhibitedBy": inhibited,
            "silencedBy": a.silenced_by,
            "mutedBy": a.muted_by,
            "state": if suppressed { "suppressed" } else { "active" },
        },
        "updatedAt": a.updated_at.to_string(),
        "generatorURL": a.alert.generator_url,
        "labels": a.alert.labels,
    })
}

async fn alerts(State(web): State<Web>, params: Params) -> Response {
    let wanted = match Wanted::new(&params) {
        Ok(wanted) => wanted,
        Err(error) => return bad(error),
    };
    let all = web.live.read().alerts.clone();
    Json(all.iter().filter(|a| wanted.takes(a)).map(view).collect::<Vec<_>>()).into_response()
}

async fn groups(State(web): State<Web>, params: Params) -> Response {
    let wanted = match Wanted::new(&params) {
        Ok(wanted) => wanted,
        Err(error) => return bad(error),
    };
    let all = web.live.read().alerts.clone();
    // As Alertmanager lists them: one for each route that has the alert.
    let mut groups: BTreeMap<(&Pairs, &str, &str), Vec<Value>> = BTreeMap::new();
    for alert in all.iter().filter(|a| wanted.takes(a)) {
        let mine = |g: &&Group| wanted.receiver.as_ref().is_none_or(|r| r.matches(&g.receiver));
        for group in alert.groups.iter().filter(mine) {
            groups.entry((&group.labels, &group.receiver, &group.place)).or_default().push(view(alert));
        }
    }
    let view = |((labels, receiver, _), alerts): ((&Pairs, &str, &str), Vec<Value>)| json!({"labels": labels, "receiver": {"name": receiver}, "alerts": alerts});
    Json(groups.into_iter().map(view).collect::<Vec<_>>()).into_response()
}

/// Reads posted alerts, of which all must be right.
///
/// # Errors
/// What is wrong with the first that is not, in words.
pub fn posted(body: &[u8]) -> Result<Vec<Post>, String> {
    let posted: Vec<PostableAlert> = serde_json::from_slice(body)
        .map_err(|error| format!("parsing alerts body from \"\" failed, because {error}"))?;
    posted.into_iter().map(PostableAlert::read).collect()
}

async fn post_alerts(State(web): State<Web>, asker: Asker, headers: HeaderMap, body: Bytes) -> Response {
    let cluster = match asker.caller.proof {
        Proof::Cluster => Some(asker.caller.name.into()),
        // Where nobody logs in, a cluster's token is asked for as soon as one has one.
        Proof::None => match web.heartbeats.cluster_of(bearer(&headers)).await {
            Ok(cluster) => cluster,
            Err(why) => return failed(StatusCode::UNAUTHORIZED, why),
        },
        _ => None,
    };
    let posted = match posted(&body) {
        Ok(posted) => posted,
        Err(error) => return bad(error),
    };
    let mut posts = Vec::with_capacity(posted.len());
    for mut post in posted {
        if let Some(cluster) = &cluster {
            // Who has a cluster's token speaks for that cluster and for no other.
            post.labels.insert("cluster".into(), cluster.to_string());
            if web.heartbeats.monitoring_says(cluster, &post.labels, post.ends_at, web.clock.wall()).await {
                continue;
            }
        }
        posts.push(post);
    }
    match web.submissions.post(posts).await {
        Ok((errors, Durability::Durable)) if errors.is_empty() => StatusCode::OK.into_response(),
        Ok((errors, stored)) if errors.is_empty() => durability::json(json!({}), stored),
        Ok((refusals, _)) => refused(&refusals),
        Err(closed) => stopping(&closed),
    }
}

fn silence_view(s: &Silence, now: Timestamp) -> Value {
    let state = match (now < s.starts_at, now < s.ends_at) {
        (true, _) => "pending",
        (false, true) => "active",
        (false, false) => "expired",
    };
    json!({
        "id": s.id,
        "status": {"state": state},
        "updatedAt": s.updated_at.to_string(),
        "comment": s.comment,
        "createdBy": s.created_by,
        "startsAt": s.starts_at.to_string(),
        "endsAt": s.ends_at.to_string(),
        "matchers": s.matchers,
    })
}

async fn silences(State(web): State<Web>, params: Params) -> Response {
    let wanted = match filter(&params) {
        Ok(wanted) => wanted.to_silence(),
        Err(error) => return bad(error),
    };
    let now = web.clock.wall();
    let all = web.live.read().silences.clone();
    // A silence is found by the conditions that it has: `foo="bar"` finds those that name foo and let bar through.
    let takes = |s: &&Silence| {
        wanted.iter().all(|w| {
            let test = |m: &crate::model::SilenceMatcher| m.name == w.name && (m == w || matches_value(w, &m.value));
            s.matchers.iter().any(test)
        })
    };
    let mut found: Vec<&Silence> = all.iter().filter(takes).collect();
    found.sort_by_key(|s| (now >= s.ends_at, s.ends_at));
    Json(found.into_iter().map(|s| silence_view(s, now)).collect::<Vec<_>>()).into_response()
}

fn matches_value(w: &crate::model::SilenceMatcher, value: &str) -> bool {
    Matcher::new(&w.name, matchers::operator(w), &w.value)
        .is_ok_and(|m| !matches!(m.op, MatchOp::NotEqual | MatchOp::NotRegex(_)) && m.matches(value))
}

async fn silence(State(web): State<Web>, Path(id): Path<String>) -> Response {
    let now = web.clock.wall();
    let found = web.live.read().silences.iter().find(|s| s.id == id).map(|s| silence_view(s, now));
    match found {
        Some(view) => Json(view).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn post_silence(State(web): State<Web>, body: Bytes) -> Response {
    let posted: Result<PostableSilence, _> = serde_json::from_slice(&body);
    let silence = match posted.map_err(|e| e.to_string()).and_then(PostableSilence::read) {
        Ok(silence) => silence,
        Err(error) => return bad(format!("parsing silence body from \"\" failed, because {error}")),
    };
    let detail = audit::of_silence(&silence);
    match web.submissions.silence(silence).await {
        Ok(Ok((subject, stored))) => {
            let answer = durability::json(json!({"silenceID": subject}), stored);
            Did { subject, detail }.to(answer)
        }
        Ok(Err(error @ SilenceError::NotFound(_))) => failed(StatusCode::NOT_FOUND, error.to_string()),
        Ok(Err(error)) => bad(error.to_string()),
        Err(closed) => stopping(&closed),
    }
}

async fn expire(State(web): State<Web>, Path(id): Path<String>) -> Response {
    match web.submissions.expire(&id).await {
        Ok(Ok(Durability::Durable)) => StatusCode::OK.into_response(),
        Ok(Ok(stored)) => durability::json(json!({}), stored),
        Ok(Err(error)) => failed(StatusCode::NOT_FOUND, error.to_string()),
        Err(closed) => stopping(&closed),
    }
}
