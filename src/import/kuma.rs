//! The monitors of an Uptime Kuma backup (`monitorList`). Pure.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{
    blackbox::statuses,
    client::headers,
    draft::{Draft, matches},
    fields::{Fields, plain},
};

/// Uptime Kuma's own defaults.
const INTERVAL_SECONDS: f64 = 60.0;
/// Statuses that are well where nothing is said.
const WELL: &str = "200-299";

/// Makes a check of each monitor.
pub(super) fn drafts(mut top: Fields, lost: &mut Vec<String>) -> Vec<Draft> {
    let monitors = top.maps("monitorList");
    let names: BTreeMap<String, String> =
        monitors.iter().cloned().filter_map(|mut m| Some((m.text("id")?, m.text("name")?))).collect();
    let proxies: BTreeMap<String, String> = top.maps("proxyList").into_iter().filter_map(proxy).collect();
    if !top.list("notificationList").is_empty() {
        lost.push(
            "notificationList: who is told stands in route and receivers here, as Alertmanager has them".to_owned(),
        );
    }
    monitors.into_iter().filter_map(|monitor| check(monitor, &names, &proxies)).collect()
}

/// A proxy's id and URL.
fn proxy(mut from: Fields) -> Option<(String, String)> {
    let (id, host) = (from.text("id")?, from.text("host")?);
    let scheme = from.text("protocol").unwrap_or_else(|| "http".to_owned());
    let login = match (from.words("username"), from.words("password")) {
        (Some(user), Some(password)) => format!("{user}:{password}@"),
        _ => String::new(),
    };
    Some((id, format!("{scheme}://{login}{host}:{}", from.text("port")?)))
}

/// `None`: it is a group, which is a label of those in it.
fn check(mut from: Fields, names: &BTreeMap<String, String>, proxies: &BTreeMap<String, String>) -> Option<Draft> {
    let (name, kind) = (from.text("name").unwrap_or_default(), from.text("type").unwrap_or_default());
    let interval = from.number("interval").unwrap_or(INTERVAL_SECONDS);
    let mut draft = match kind.as_str() {
        "group" => return None,
        "http" | "keyword" | "json-query" => http(&name, &kind, &mut from, proxies),
        "port" => {
            let mut draft = Draft::new(&name, "tcp");
            draft.set("address", place(&mut from));
            draft
        }
        "ping" => {
            let mut draft = Draft::new(&name, "icmp");
            draft.set("host", from.text("hostname").unwrap_or_default());
            draft
        }
        "dns" => dns(&name, &mut from),
        "grpc-keyword" => grpc(&name, &mut from),
        "push" => Draft::none(
            &name,
            format!("it is pushed to: make it a heartbeat, {{name: …, every: {interval}s}} (docs/alerting.md)"),
        ),
        other => Draft::none(
            &name,
            format!("dogwatch has no check like a monitor of type {other:?}, or not by these options"),
        ),
    };
    pace(&mut draft, interval, &mut from);
    for mut tag in from.maps("tags") {
        let (name, value) = (tag.text("name").unwrap_or_default(), tag.text("value").unwrap_or_default());
        draft.label(&name, if value.is_empty() { "true" } else { &value });
    }
    if let Some(group) = from.text("parent").and_then(|id| names.get(&id)) {
        draft.label("group", group);
    }
    draft.remarks.extend(from.words("description"));
    if from.flag("upsideDown") == Some(true) {
        draft.off = Some("it is upside down (up when it fails): a condition with != or !~ may say so".to_owned());
    }
    if from.flag("active") == Some(false) {
        draft.off.get_or_insert_with(|| "it is paused".to_owned());
    }
    if from.number("resendInterval").is_some_and(|n| n > 0.0) {
        draft.lose("resendInterval: repeat_interval of a route says it");
    }
    Some(draft)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Held within bounds.
fn pace(draft: &mut Draft, interval: f64, from: &mut Fields) {
    let time = |seconds: f64| Duration::from_secs_f64(seconds.clamp(1.0, 1e6));
    draft.interval = Some(time(interval));
    draft.timeout = from.number("timeout").filter(|n| *n > 0.0).map(|n| time(n.min(interval)));
    // So many retries, and the one before them.
    draft.down = Some(from.number("maxretries").unwrap_or(0.0).clamp(0.0, 99.0) as u32 + 1);
    if from.number("retryInterval").is_some_and(|retry| retry > 0.0 && (retry - interval).abs() > 0.5) {
        draft
            .remarks
            .push("what is in doubt is asked again sooner by dogwatch itself, whatever retryInterval says".to_owned());
    }
}

fn place(from: &mut Fields) -> String {
    format!("{}:{}", from.text("hostname").unwrap_or_default(), from.text("port").unwrap_or_default())
}

fn http(name: &str, kind: &str, from: &mut Fields, proxies: &BTreeMap<String, String>) -> Draft {
    let mut draft = Draft::new(name, "http");
    draft.set("url", from.text("url").unwrap_or_default());
    if let Some(method) = from.words("method").filter(|method| method != "GET") {
        draft.set("method", method);
    }
    let sent = from.text("headers").and_then(|text| serde_json::from_str::<Value>(&text).ok()).and_then(Fields::of);
    let mut sent: Vec<(String, String)> =
        sent.into_iter().flat_map(Fields::all).filter_map(|(k, v)| Some((k, plain(&v)?))).collect();
    draft.has_secret |= !sent.is_empty();
    if let Some(body) = from.words("body") {
        let is_json = from.text("httpBodyEncoding").is_none_or(|encoding| encoding == "json");
        if is_json && !sent.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            sent.push(("Content-Type".to_owned(), "application/json".to_owned()));
        }
        headers(&mut draft, &sent);
        draft.set("body", body);
    } else {
        headers(&mut draft, &sent);
    }
    let well = from.texts("accepted_statuscodes");
    if !well.is_empty() && well != [WELL] {
        draft.set("status", statuses(&well));
    }
    if from.number("maxredirects") == Some(0.0) {
        draft.set("follow_redirects", false);
    }
    login(from, &mut draft);
    if let Some(id) = from.text("proxyId") {
        match proxies.get(&id) {
            Some(url) => {
                draft.has_secret |= url.contains('@');
                draft.set("proxy_url", url.clone());
            }
            None => draft.lose("proxyId: the file has no such proxy"),
        }
    }
    if from.flag("ignoreTls") == Some(true) {
        draft.set("tls_config", json!({"insecure_skip_verify": true}));
    }
    match kind {
        "keyword" => keyword(from, &mut draft),
        "json-query" => json_query(from, &mut draft),
        _ => {}
    }
    draft
}

fn keyword(from: &mut Fields, draft: &mut Draft) {
    let operator = if from.flag("invertKeyword") == Some(true) { "!~" } else { "~" };
    let keyword = from.text("keyword").unwrap_or_default();
    draft.expect(matches("body", operator, &regex::escape(&keyword)));
}

/// Its language is JSONata, of which plain paths are carried over.
fn json_query(from: &mut Fields, draft: &mut Draft) {
    let (path, value) = (from.text("jsonPath").unwrap_or_default(), from.text("expectedValue").unwrap_or_default());
    let operator = from.text("jsonPathOperator").unwrap_or_else(|| "==".to_owned());
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '[' | ']' | '$');
    if path.is_empty() || !path.chars().all(is_plain) {
        return draft.lose(format!("jsonPath {path}: this is an expression of JSONata; dogwatch has JSONPath"));
    }
    let path = if path.starts_with('$') { path } else { format!("$.{path}") };
    let is_literal = value.parse::<f64>().is_ok() || matches!(value.as_str(), "true" | "false" | "null");
    let quoted = if is_literal { value } else { format!("\"{}\"", super::draft::quoted(&value)) };
    match operator.as_str() {
        "==" | "!=" | "<" | "<=" | ">" | ">=" => draft.expect(format!("json {path} {operator} {quoted}")),
        "contains" => {
            let text = quoted.trim_matches('"').to_owned();
            draft.expect(matches(&format!("json {path}"), "~", &regex::escape(&text)));
        }
        other => draft.lose(format!("jsonPathOperator {other}: there is nothing like it")),
    }
}

fn login(from: &mut Fields, draft: &mut Draft) {
    let method = from.text("authMethod").unwrap_or_default();
    let user = from.words("basic_auth_user");
    match (method.as_str(), user) {
        ("" | "null" | "basic", Some(user)) => {
            let password = from.text("basic_auth_pass").unwrap_or_default();
            draft.has_secret = true;
            draft.set("basic_auth", json!({"username": user, "password": password}));
        }
        ("" | "null" | "basic", None) => {}
        ("mtls", _) => {
            draft.lose("authMethod mtls: its certificate and key go into files: tls_config.cert_file and key_file")
        }
        (other, _) => draft.lose(format!("authMethod {other}: dogwatch has basic_auth and authorization")),
    }
}

fn dns(name: &str, from: &mut Fields) -> Draft {
    let mut draft = Draft::new(name, "dns");
    let server = from.text("dns_resolve_server").unwrap_or_else(|| "1.1.1.1".to_owned());
    // Several may stand there; each would be a check of its own.
    let first = server.split(',').next().unwrap_or_default().trim().to_owned();
    if first != server {
        draft.lose(format!("dns_resolve_server {server}: of several servers the first is asked"));
    }
    let port = from.text("port").filter(|port| port != "53");
    draft.set("server", port.map_or(first.clone(), |port| format!("{first}:{port}")));
    draft.set("name", from.text("hostname").unwrap_or_default());
    if let Some(kind) = from.text("dns_resolve_type").filter(|kind| kind != "A") {
        draft.set("type", kind);
    }
    draft
}

fn grpc(name: &str, from: &mut Fields) -> Draft {
    let mut draft = Draft::new(name, "grpc");
    draft.set("address", from.text("grpcUrl").unwrap_or_default());
    if from.flag("grpcEnableTls") == Some(true) {
        draft.set("tls", true);
    }
    if from.text("grpcServiceName").is_none_or(|service| service != "Health") {
        draft.off = Some("dogwatch asks the standard health service alone, and no method of one's own".to_owned());
    }
    draft
}
