//! What `dogwatch probe SCHEME://…` asks without a configuration: a check of one place, with every default. Pure.

use serde_json::{Map, Value, json};

/// Where a scheme's place stands in its check.
#[derive(Clone, Copy)]
enum At {
    /// The whole URL, under `url`.
    Url,
    /// `host:port` under this key.
    Place(&'static str),
    /// `scheme://server/NAME?TYPE` (RFC 4501).
    Dns,
    /// A path.
    Path,
}

/// Each scheme, the kind of check that it is, where its place stands, and whether TLS begins at once.
const SCHEMES: &[(&str, &str, At, bool)] = &[
    ("https", "http", At::Url, false),
    ("http", "http", At::Url, false),
    ("wss", "websocket", At::Url, false),
    ("ws", "websocket", At::Url, false),
    ("tcp", "tcp", At::Place("address"), false),
    ("tls", "tls", At::Place("address"), false),
    ("dns", "dns", At::Dns, false),
    ("icmp", "icmp", At::Place("host"), false),
    ("ntp", "ntp", At::Place("server"), false),
    ("ssh", "ssh", At::Place("address"), false),
    ("smtp", "smtp", At::Place("address"), false),
    ("smtps", "smtp", At::Place("address"), true),
    ("grpc", "grpc", At::Place("address"), false),
    ("grpcs", "grpc", At::Place("address"), true),
    ("redis", "redis", At::Place("address"), false),
    ("rediss", "redis", At::Place("address"), true),
    ("ldap", "ldap", At::Place("address"), false),
    ("ldaps", "ldap", At::Place("address"), true),
    ("file", "file", At::Path, false),
];

/// Returns the check that a place asked ad hoc stands for, as it would be written.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(text: &str) -> Result<Value, String> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let Some((_, kind, at, tls)) = SCHEMES.iter().find(|known| known.0 == scheme) else {
        let known: Vec<String> = SCHEMES.iter().map(|known| format!("{}://", known.0)).collect();
        return Err(format!("{text}: write one of {}", known.join(", ")));
    };
    let place = rest.trim_end_matches('/');
    if place.contains('@') && !matches!(at, At::Url | At::Path) {
        return Err(format!(
            "{scheme}://…: user and password do not belong here: a check in the configuration has them"
        ));
    }
    let mut fields = Map::new();
    match at {
        At::Url => fields.insert("url".into(), json!(text)),
        At::Place(key) => fields.insert((*key).into(), json!(place)),
        At::Path => fields.insert("path".into(), json!(rest)),
        At::Dns => {
            let (server, question) = place.split_once('/').unwrap_or((place, ""));
            let (name, kind) = question.split_once('?').unwrap_or((question, "A"));
            if name.is_empty() {
                return Err(format!("{text}: write it like dns://10.0.0.10/example.org?AAAA"));
            }
            fields.insert("type".into(), json!(kind.trim_start_matches("type=")));
            fields.insert("server".into(), json!(server));
            fields.insert("name".into(), json!(name))
        }
    };
    if *tls {
        fields.insert("tls".into(), json!(true));
    }
    let mut check = Map::new();
    check.insert("name".into(), json!("ad-hoc"));
    check.insert((*kind).into(), Value::Object(fields));
    Ok(Value::Object(check))
}

#[cfg(test)]
mod tests {
    use crate::check::config::CheckConfig;

    #[test]
    fn a_scheme_is_a_check() {
        let check = |text: &str, at: &str| {
            assert_eq!(CheckConfig::ad_hoc(text).as_ref().map(CheckConfig::at).as_deref(), Ok(at), "{text}");
        };
        check("https://a.example.org/x", "https://a.example.org/x");
        check("wss://a.example.org/x", "wss://a.example.org/x");
        check("tcp://a:22/", "a:22");
        check("icmp://10.0.0.1", "10.0.0.1");
        check("ssh://git.example.org", "git.example.org");
        check("smtps://mail.example.org", "mail.example.org");
        check("dns://10.0.0.10/example.org?AAAA", "AAAA example.org at 10.0.0.10");
        check("dns://10.0.0.10/example.org", "A example.org at 10.0.0.10");
        check("file:///var/backups/etcd.db", "/var/backups/etcd.db");
        let wrong = |text: &str, words: &str| {
            let said = CheckConfig::ad_hoc(text).unwrap_err();
            assert!(said.contains(words), "{said}");
        };
        wrong("gopher://a", "write one of https://, http://");
        wrong("dns://10.0.0.10", "write it like dns://");
        wrong("redis://u:hunter2@a", "user and password do not belong here");
        wrong("tcp://a", "it has no port");
        assert!(!CheckConfig::ad_hoc("redis://u:hunter2@a").unwrap_err().contains("hunter2"));
    }
}
