//! Rules and their alerts (web/api/v1/api.go): the rule files' groups, and what the diagnosis can find as one group more.

use std::collections::BTreeMap;

use axum::extract::State;
use serde_json::{Value, json};

use super::{Answered, Failed, Json, Params, Web, matchers};
use crate::{
    model::{Alert, AlertName, Matcher, Pairs, fingerprint, with_external},
    promql::format_float,
    rule::{Active, GroupState, Kind, RuleState},
};

/// The group of the diagnosis.
const GROUP: &str = "dogwatch";
/// Where its rules stand.
const FILE: &str = "the diagnosis built into dogwatch";

/// Alerts of the diagnosis that fire, of all open incidents.
fn found(web: &Web) -> Vec<(AlertName, Alert)> {
    let context = web.alert_context();
    let live = web.live.read();
    let open = live.incidents.iter().filter(|i| i.resolved_at.is_none() && i.group.is_none());
    let firing = open.flat_map(|i| i.firing().map(move |a| (i.id, &a.finding)));
    let of_diagnosis = firing.filter(|(_, f)| f.key.alert != AlertName::Other);
    of_diagnosis.map(|(id, f)| (f.key.alert, f.to_alert(&context, Some(id), None).alert)).collect()
}

fn finding(alert: &Alert) -> Value {
    json!({
        "labels": alert.labels,
        "annotations": alert.annotations,
        "state": "firing",
        "activeAt": alert.starts_at.to_string(),
        "value": "1e+00",
    })
}

/// With the labels under which it is routed and told, as vmalert shows it: what is seen here can be silenced.
fn active(a: &Active, external: &Pairs) -> Value {
    let mut alert = json!({
        "labels": with_external(&a.labels, external),
        "annotations": a.annotations,
        "state": a.phase.as_str(),
        "activeAt": a.active_at.to_string(),
        "value": go_exponential(a.value),
    });
    if let Some(since) = a.kept_since {
        alert["keepFiringSince"] = since.to_string().into();
    }
    alert
}

/// Prometheus shows an alert's value as `%e` does, with the shortest digits.
fn go_exponential(value: f64) -> String {
    if !value.is_finite() {
        return format_float(value);
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |d| ('-', d));
            format!("{mantissa}e{sign}{digits:0>2}")
        }
        None => text,
    }
}

/// Answers `/alerts`
pub async fn alerts(State(web): State<Web>) -> Answered {
    let mut alerts: Vec<Value> = found(&web).iter().map(|(_, alert)| finding(alert)).collect();
    let groups = web.rules.groups();
    let of_rules = groups.iter().flat_map(|g| &g.rules).flat_map(|r| &r.active);
    alerts.extend(of_rules.map(|a| active(a, &web.external_labels)));
    Ok(Json::value(&json!({"alerts": alerts})).done())
}

/// What a request asks for.
struct Asked<'a> {
    alerting: bool,
    recording: bool,
    with_alerts: bool,
    params: &'a Params,
    sets: Vec<Vec<Matcher>>,
    external: &'a Pairs,
}

impl<'a> Asked<'a> {
    async fn new(params: &'a Params, external: &'a Pairs) -> Result<Self, Failed> {
        let (alerting, recording) = match params.text("type").to_ascii_lowercase().as_str() {
            "" => (true, true),
            "alert" => (true, false),
            "record" => (false, true),
            other => return Err(Failed::bad(format!("invalid parameter \"type\": not supported value {other:?}"))),
        };
        let with_alerts = !params.flag("exclude_alerts")?;
        Ok(Self { alerting, recording, with_alerts, params, sets: matchers(params).await?, external })
    }

    fn names(&self, parameter: &str, value: &str) -> bool {
        self.params.all(parameter).next().is_none() || self.params.all(parameter).any(|v| v == value)
    }

    fn labels(&self, labels: &Pairs) -> bool {
        let value = |m: &Matcher| m.matches(labels.get(&*m.name).map_or("", String::as_str));
        self.sets.is_empty() || self.sets.iter().any(|set| set.iter().all(value))
    }
}

/// Answers `/rules`
pub async fn rules(State(web): State<Web>, params: Params) -> Answered {
    let asked = Asked::new(&params, &web.external_labels).await?;
    let page = Page::new(&params)?;
    let mut groups: Vec<(String, Value)> = Vec::new();
    for state in web.rules.groups() {
        let (file, name) = (&*state.group.file, state.group.name.as_str());
        if asked.names("file[]", file) && asked.names("rule_group[]", name) {
            groups.extend(group(&state, &asked).map(|view| (token(file, name), view)));
        }
    }
    groups.extend(diagnosis(&web, &asked).map(|view| (token(FILE, GROUP), view)));
    let (groups, next) = page.of(groups)?;
    let mut data = json!({"groups": groups});
    if let Some(next) = next {
        data["groupNextToken"] = next.into();
    }
    Ok(Json::value(&data).done())
}

fn group(state: &GroupState, asked: &Asked<'_>) -> Option<Value> {
    let rules: Vec<Value> = state.rules.iter().filter_map(|r| rule(r, asked)).collect();
    let g = &state.group;
    (!rules.is_empty()).then(|| {
        json!({
            "name": g.name,
            "file": &*g.file,
            "rules": rules,
            "interval": g.interval.as_secs_f64(),
            "limit": g.limit,
            "evaluationTime": state.took.as_secs_f64(),
            "lastEvaluation": when(state.at),
        })
    })
}

/// Go's zero time where there is none.
fn when(at: Option<jiff::Timestamp>) -> String {
    at.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |at| at.to_string())
}

fn rule(state: &RuleState, asked: &Asked<'_>) -> Option<Value> {
    let rule = &state.rule;
    let labels: Pairs = rule.labels.iter().map(|(k, l)| (k.clone(), l.text.clone())).collect();
    if !asked.names("rule_name[]", &rule.name) || !asked.labels(&labels) {
        return None;
    }
    let health = match (&state.health.error, state.health.at) {
        (Some(_), _) => "err",
        (None, Some(_)) => "ok",
        (None, None) => "unknown",
    };
    let mut view = json!({
        "name": rule.name,
        "query": rule.query.pretty(),
        "labels": labels,
        "health": health,
        "evaluationTime": state.health.took.as_secs_f64(),
        "lastEvaluation": when(state.health.at),
    });
    if let Some(error) = &state.health.error {
        view["lastError"] = error.as_str().into();
    }
    match &rule.kind {
        Kind::Recording if asked.recording => view["type"] = "recording".into(),
        Kind::Alerting { hold, keep_firing_for, .. } if asked.alerting => {
            let firing = state.active.iter().any(|a| a.fired_at.is_some());
            let phase = if firing {
                "firing"
            } else if state.active.is_empty() {
                "inactive"
            } else {
                "pending"
            };
            view["type"] = "alerting".into();
            view["state"] = phase.into();
            view["duration"] = hold.as_secs_f64().into();
            view["keepFiringFor"] = keep_firing_for.as_secs_f64().into();
            view["annotations"] = json!(rule.annotation_texts);
            let shown = || state.active.iter().map(|a| active(a, asked.external)).collect();
            view["alerts"] = if asked.with_alerts { shown() } else { Value::Null };
        }
        _ => return None,
    }
    Some(view)
}

/// What the diagnosis can find: alerting rules without a query, each inactive or with its alerts.
fn diagnosis(web: &Web, asked: &Asked<'_>) -> Option<Value> {
    if !asked.alerting
        || !asked.names("file[]", FILE)
        || !asked.names("rule_group[]", GROUP)
        || !asked.labels(&BTreeMap::new())
    {
        return None;
    }
    let (now, found) = (web.clock.wall().to_string(), found(web));
    let view = |name: AlertName| {
        let of: Vec<&Alert> = found.iter().filter(|(known, _)| *known == name).map(|(_, alert)| alert).collect();
        json!({
            "type": "alerting",
            "name": name.to_string(),
            "query": "",
            "duration": 0,
            "keepFiringFor": 0,
            "labels": {},
            "annotations": {},
            "state": if of.is_empty() { "inactive" } else { "firing" },
            "alerts": asked.with_alerts.then(|| of.into_iter().map(finding).collect::<Vec<_>>()),
            "health": "ok",
            "evaluationTime": 0.0,
            "lastEvaluation": now,
        })
    };
    let names = AlertName::ALL.into_iter().filter(|n| asked.names("rule_name[]", &n.to_string()));
    let rules: Vec<Value> = names.map(view).collect();
    (!rules.is_empty()).then(|| {
        json!({
            "name": GROUP, "file": FILE, "rules": rules, "interval": 2, "limit": 0, "evaluationTime": 0.0, "lastEvaluation": now,
        })
    })
}

/// What names a group between two pages.
fn token(file: &str, name: &str) -> String {
    fingerprint(&[("file".to_owned(), file.to_owned()), ("name".to_owned(), name.to_owned())].into())
}

/// Pages of groups.
struct Page {
    limit: Option<usize>,
    from: Option<String>,
}

impl Page {
    fn new(params: &Params) -> Result<Self, Failed> {
        let wrong = |name, why: String| Err(Failed::bad(format!("invalid parameter {name:?}: {why}")));
        let (limit, token) = (params.text("group_limit"), params.text("group_next_token"));
        if limit.is_empty() && !token.is_empty() {
            let why = "group_limit needs to be present in order to paginate over the groups";
            return wrong("group_next_token", why.into());
        }
        let limit = match limit.parse::<i64>() {
            Ok(n @ 1..) => usize::try_from(n).ok(),
            Ok(_) => return wrong("group_limit", "group_limit needs to be greater than 0".into()),
            Err(_) if limit.is_empty() => None,
            Err(_) => {
                let why = format!(
                    "group_limit needs to be a valid number: strconv.ParseInt: parsing {limit:?}: invalid syntax"
                );
                return wrong("group_limit", why);
            }
        };
        Ok(Self { limit, from: (!token.is_empty()).then(|| token.to_owned()) })
    }

    /// One page, and what names the next.
    fn of(&self, groups: Vec<(String, Value)>) -> Result<(Vec<Value>, Option<String>), Failed> {
        let start = match &self.from {
            None => 0,
            Some(from) => groups.iter().position(|(t, _)| t == from).ok_or_else(|| {
                let why = format!("invalid group_next_token '{from}'. were rule groups changed?");
                Failed::bad(format!("invalid parameter \"group_next_token\": {why}"))
            })?,
        };
        let end = self.limit.map_or(groups.len(), |n| start.saturating_add(n).min(groups.len()));
        let next = groups.get(end).map(|(token, _)| token.clone());
        Ok((groups.into_iter().skip(start).take(end - start).map(|(_, view)| view).collect(), next))
    }
}
