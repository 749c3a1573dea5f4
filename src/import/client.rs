//! What Prometheus and its exporters call an HTTP client's options (prometheus/common, HTTPClientConfig), and `tls_config`. Pure.

use serde_json::{Map, Value, json};

use super::{draft::Draft, fields::Fields};

/// Prometheus shows this in place of a secret.
const HIDDEN: &str = "<secret>";

/// Takes logins, TLS, proxy and redirects over.
pub(super) fn take(from: &mut Fields, draft: &mut Draft) {
    login(from, draft);
    if let Some(proxy) = from.words("proxy_url") {
        draft.has_secret |= proxy.contains('@');
        draft.set("proxy_url", proxy);
    }
    // The old name is the opposite of the new one.
    let follows = from.flag("follow_redirects").or_else(|| from.flag("no_follow_redirects").map(|no| !no));
    if follows == Some(false) {
        draft.set("follow_redirects", false);
    }
    let (by_2, by_3) = (from.flag("enable_http2"), from.flag("enable_http3"));
    if by_3 == Some(true) {
        draft.lose("enable_http3: dogwatch speaks HTTP/1.1 and HTTP/2");
    } else if by_2 == Some(false) {
        draft.set("http_version", "1.1");
    }
    tls(from.map("tls_config"), draft);
    for (key, value) in from.map("http_headers").all() {
        let mut one = Fields::of(value).unwrap_or_default();
        match one.texts("values").first().or(one.texts("secrets").first()) {
            Some(value) => headers(draft, &[(key, value.clone())]),
            None => draft.lose(format!("http_headers.{key}: give it in headers")),
        }
    }
}

fn login(from: &mut Fields, draft: &mut Draft) {
    let mut basic = from.map("basic_auth");
    if !basic.is_empty() {
        let mut auth = Map::new();
        auth.insert("username".to_owned(), json!(basic.text("username").unwrap_or_default()));
        secret(draft, &mut basic, &mut auth, "password");
        draft.set("basic_auth", auth);
        left(draft, "basic_auth", basic);
    }
    let mut token = from.map("authorization");
    if let Some(bearer) = from.text("bearer_token") {
        token = Fields::of(json!({"credentials": bearer})).unwrap_or_default();
    } else if let Some(file) = from.text("bearer_token_file") {
        token = Fields::of(json!({"credentials_file": file})).unwrap_or_default();
    }
    if !token.is_empty() {
        let mut auth = Map::new();
        if let Some(kind) = token.text("type").filter(|kind| kind != "Bearer") {
            auth.insert("type".to_owned(), json!(kind));
        }
        secret(draft, &mut token, &mut auth, "credentials");
        draft.set("authorization", auth);
        left(draft, "authorization", token);
    }
}

/// A secret, or the file that has it; one that was hidden is asked for.
fn secret(draft: &mut Draft, from: &mut Fields, into: &mut Map<String, Value>, key: &str) {
    let file = format!("{key}_file");
    if let Some(path) = from.words(&file) {
        into.insert(file, json!(path));
        return;
    }
    let value = from.text(key).unwrap_or_default();
    if value == HIDDEN {
        draft.lose(format!("{key}: the file has {HIDDEN} in its place; write it there, or give {key}_file"));
    }
    draft.has_secret = true;
    into.insert(key.to_owned(), json!(value));
}

/// Takes `tls_config` over.
pub(super) fn tls(mut from: Fields, draft: &mut Draft) {
    let mut tls = Map::new();
    for key in ["ca_file", "cert_file", "key_file", "server_name"] {
        if let Some(value) = from.words(key) {
            tls.insert(key.to_owned(), json!(value));
        }
    }
    if from.flag("insecure_skip_verify") == Some(true) {
        tls.insert("insecure_skip_verify".to_owned(), json!(true));
    }
    if !tls.is_empty() {
        draft.set("tls_config", tls);
    }
    left(draft, "tls_config", from);
}

/// Adds headers to those that are there.
pub(super) fn headers(draft: &mut Draft, more: &[(String, String)]) {
    if more.is_empty() {
        return;
    }
    if !draft.options.iter().any(|(key, _)| *key == "headers") {
        draft.set("headers", Map::new());
    }
    let Some((_, Value::Object(map))) = draft.options.iter_mut().find(|(key, _)| *key == "headers") else { return };
    for (name, value) in more {
        map.insert(name.clone(), json!(value));
    }
}

/// Says which keys below `at` nobody took.
pub(super) fn left(draft: &mut Draft, at: &str, from: Fields) {
    for key in from.left() {
        let dot = if at.is_empty() { "" } else { "." };
        draft.lose(format!("{at}{dot}{key}: there is nothing like it"));
    }
}
