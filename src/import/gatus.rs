//! Gatus' endpoints with their conditions, intervals and the thresholds of their alerts. Pure.

use std::time::Duration;

use serde_json::{Map, Value, json};
use url::Url;

use super::{
    client::{headers, left},
    draft::Draft,
    fields::{Fields, plain},
    gatus_condition::{Of, condition},
};

/// Gatus' own defaults.
const INTERVAL: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(10);
const FAILURES: u32 = 3;
/// What of the file is not about what is checked.
const ELSEWHERE: [&str; 8] =
    ["web", "ui", "storage", "metrics", "debug", "skip-invalid-config-update", "concurrency", "security"];

/// Makes a check of each endpoint.
pub(super) fn drafts(mut top: Fields, lost: &mut Vec<String>) -> Vec<Draft> {
    let mut endpoints = top.maps("endpoints");
    // Its name until 2022.
    endpoints.extend(top.maps("services"));
    for mut external in top.maps("external-endpoints") {
        let name = external.text("name").unwrap_or_default();
        lost.push(format!(
            "external-endpoints {name}: it reports in by itself: make it a heartbeat (docs/alerting.md)"
        ));
    }
    let mut alerting = top.map("alerting");
    let defaults: Vec<(String, u32)> =
        alerting.clone().all().filter_map(|(kind, provider)| Some((kind, threshold_of(provider)?))).collect();
    alerting.take("x");
    if !alerting.is_empty() {
        lost.push("alerting: who is told stands in route and receivers here, as Alertmanager has them".to_owned());
    }
    ELSEWHERE.iter().for_each(|key| drop(top.take(key)));
    lost.extend(top.left().into_iter().map(|key| format!("{key}: there is nothing like it")));
    let mut all = Vec::new();
    for endpoint in endpoints {
        check(endpoint, &defaults, &mut all);
    }
    for draft in &mut all {
        draft.has_environment = true;
    }
    all
}

/// `default-alert.failure-threshold` of a provider.
fn threshold_of(provider: Value) -> Option<u32> {
    threshold(&mut Fields::of(provider)?.map("default-alert"))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Held within bounds.
fn threshold(alert: &mut Fields) -> Option<u32> {
    alert.number("failure-threshold").map(|n| n.clamp(1.0, 100.0) as u32)
}

/// What an endpoint asks, by the beginning of its URL.
fn kind_of(url: &str, is_dns: bool) -> Result<(&'static str, &str), String> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    if is_dns {
        return Ok(("dns", rest));
    }
    Ok(match scheme {
        "http" | "https" => ("http", url),
        "tcp" => ("tcp", rest),
        "tls" => ("tls", rest),
        "starttls" => ("starttls", rest),
        "icmp" => ("icmp", rest),
        "udp" => ("udp", rest),
        "ssh" => ("ssh", rest),
        "ws" | "wss" => ("websocket", url),
        "grpc" | "grpcs" => ("grpc", rest),
        other => return Err(format!("dogwatch has no check for {other}://")),
    })
}

fn check(mut from: Fields, defaults: &[(String, u32)], all: &mut Vec<Draft>) {
    let name = from.text("name").unwrap_or_default();
    let group = from.words("group");
    let full = group.as_ref().map_or_else(|| name.clone(), |group| format!("{group}-{name}"));
    let url = from.text("url").unwrap_or_default();
    let conditions = from.texts("conditions");
    let mut query = from.map("dns");
    let (kind, at) = match kind_of(&url, !query.is_empty()) {
        Ok(kind) => kind,
        Err(why) => return all.push(Draft::none(full, why)),
    };
    let mut draft = Draft::new(full.clone(), if kind == "starttls" { "tls" } else { kind });
    draft.interval = from.text("interval").map_or(Some(INTERVAL), |text| humantime::parse_duration(&text).ok());
    match kind {
        "http" => http(&mut draft, &mut from, at, &conditions),
        "dns" => {
            draft.set("server", at);
            draft.set("name", query.text("query-name").unwrap_or_default());
            draft.set("type", query.text("query-type").unwrap_or_else(|| "A".to_owned()));
        }
        "icmp" => draft.set("host", at.trim_end_matches('/')),
        "websocket" => draft.set("url", at),
        _ => draft.set("address", at.trim_end_matches('/')),
    }
    if kind == "starttls" {
        draft.set("starttls", "smtp");
    }
    if let Some(body) = from.words("body") {
        match kind {
            "tcp" | "udp" | "websocket" => draft.set("send", body),
            _ => draft.lose("body: this kind of check sends none"),
        }
    }
    let mut domain = Vec::new();
    for text in &conditions {
        match condition(text, kind) {
            Of::Nothing => {}
            Of::Answer(condition) => draft.expect(condition),
            Of::Domain(condition) => domain.push(condition),
            Of::Lost(why) => draft.lose(format!("condition {text}: {why}")),
        }
    }
    if kind == "dns" && !conditions.iter().any(|c| c.contains("DNS_RCODE") || c.contains("BODY")) {
        draft.expect("rcode in [NOERROR, NXDOMAIN]".to_owned());
    }
    client(&mut draft, from.map("client"));
    draft.down = Some(alerts(&mut draft, from.maps("alerts"), defaults));
    for (key, value) in from.map("extra-labels").all() {
        draft.label(&key, &plain(&value).unwrap_or_default());
    }
    group.iter().for_each(|group| draft.label("group", group));
    if from.flag("enabled") == Some(false) {
        draft.off = Some("it is turned off (enabled: false)".to_owned());
    }
    ["ui", "store", "headers"].iter().for_each(|key| drop(from.take(key)));
    left(&mut draft, "", from);
    all.push(draft);
    if !domain.is_empty() {
        all.push(of_domain(full, &url, domain));
    }
}

fn http(draft: &mut Draft, from: &mut Fields, url: &str, conditions: &[String]) {
    draft.set("url", url);
    let is_graphql = from.flag("graphql") == Some(true);
    if let Some(method) = from.words("method").filter(|method| method != "GET") {
        draft.set("method", method);
    } else if is_graphql {
        draft.set("method", "POST");
    }
    let mut sent: Vec<(String, String)> =
        from.map("headers").all().filter_map(|(k, v)| Some((k, plain(&v)?))).collect();
    draft.has_secret |= sent.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    if is_graphql {
        sent.push(("Content-Type".to_owned(), "application/json".to_owned()));
    }
    headers(draft, &sent);
    if let Some(body) = from.words("body") {
        draft.set("body", if is_graphql { json!({ "query": body }).to_string() } else { body });
    }
    // Gatus takes any status that no condition is about.
    if !conditions.iter().any(|condition| condition.contains("[STATUS]")) {
        draft.set("status", "100..599");
    }
}

fn client(draft: &mut Draft, mut from: Fields) {
    draft.timeout = from.text("timeout").map_or(Some(TIMEOUT), |text| humantime::parse_duration(&text).ok());
    let mut tls = Map::new();
    if from.flag("insecure") == Some(true) {
        tls.insert("insecure_skip_verify".to_owned(), json!(true));
    }
    let mut files = from.map("tls");
    for (theirs, ours) in [("certificate-file", "cert_file"), ("private-key-file", "key_file")] {
        files.words(theirs).into_iter().for_each(|path| drop(tls.insert(ours.to_owned(), json!(path))));
    }
    left(draft, "client.tls", files);
    if from.flag("ignore-redirect") == Some(true) {
        draft.set("follow_redirects", false);
    }
    if let Some(proxy) = from.words("proxy-url") {
        draft.has_secret |= proxy.contains('@');
        draft.set("proxy_url", proxy);
    }
    if !tls.is_empty() && draft.kind != "icmp" {
        draft.set("tls_config", tls);
    }
    left(draft, "client", from);
}

/// Returns how many failures in a row are an outage: the fewest that one of its alerts waits for.
fn alerts(draft: &mut Draft, alerts: Vec<Fields>, defaults: &[(String, u32)]) -> u32 {
    if alerts.is_empty() {
        draft.remarks.push("Gatus tells nobody of it (it has no alerts)".to_owned());
    }
    let mut fewest = None;
    for mut alert in alerts {
        let kind = alert.text("type").unwrap_or_default();
        let default = defaults.iter().find(|(name, _)| *name == kind).map_or(FAILURES, |(_, n)| *n);
        let failures = threshold(&mut alert).unwrap_or(default);
        if alert.flag("enabled") != Some(false) {
            fewest = Some(fewest.map_or(failures, |n: u32| n.min(failures)));
        }
        if let Some(text) = alert.words("description") {
            draft.remarks.push(text);
        }
        // Its end is always told, once it has answered well.
        for key in ["send-on-resolved", "success-threshold", "enabled"] {
            alert.take(key);
        }
        left(draft, "alerts", alert);
    }
    fewest.unwrap_or(FAILURES)
}

/// When a domain ends is asked of its registry, and not each minute.
fn of_domain(name: String, url: &str, conditions: Vec<String>) -> Draft {
    let mut draft = Draft::new(format!("{name}-domain"), "domain");
    let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    draft.set("name", host);
    conditions.into_iter().for_each(|condition| draft.expect(condition));
    draft.interval = Some(Duration::from_secs(12 * 3600));
    draft
}
