//! What `dogwatch probe SCHEME://…` asks without a configuration: a check of one place, with every default. Pure.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// Where a scheme's place stands in its check.
#[derive(Clone, Copy)]
enum At {
    /// The whole URL, under `url`; what stands before a `+` only says which kind it is (`git+https://…`).
    Url,
    /// `host:port` under this key.
    Place(&'static str),
    /// `scheme://server/NAME?TYPE` (RFC 4501).
    Dns,
    /// A path.
    Path,
    /// All of it under this key.
    Whole(&'static str),
    /// `scheme://server/BASE??SCOPE?FILTER` (RFC 4516).
    Ldap,
    /// `scheme://bucket/PREFIX?endpoint=URL&region=REGION`
    Bucket,
    /// `scheme://user@server/DATABASE`, of this driver.
    Sql(&'static str),
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
    ("ldap", "ldap", At::Ldap, false),
    ("ldaps", "ldap", At::Ldap, true),
    ("postgres", "sql", At::Sql("postgres"), false),
    ("mysql", "sql", At::Sql("mysql"), false),
    ("git", "git", At::Url, false),
    ("git+https", "git", At::Url, false),
    ("git+http", "git", At::Url, false),
    ("oci", "oci", At::Whole("image"), false),
    ("s3", "s3", At::Bucket, false),
    ("domain", "domain", At::Whole("name"), false),
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
    let is_user = matches!(at, At::Sql(_)) && !place.split('@').next().is_some_and(|user| user.contains(':'));
    if place.contains('@') && !is_user && !matches!(at, At::Url | At::Path | At::Ldap) {
        return Err(format!(
            "{scheme}://…: user and password do not belong here: a check in the configuration has them"
        ));
    }
    let mut fields = fields(scheme, rest, *at)?;
    if *tls {
        fields.insert("tls".into(), json!(true));
    }
    let mut check = Map::new();
    check.insert("name".into(), json!("ad-hoc"));
    check.insert((*kind).into(), Value::Object(fields));
    Ok(Value::Object(check))
}

/// The fields of a kind, from what stands behind the scheme.
fn fields(scheme: &str, rest: &str, at: At) -> Result<Map<String, Value>, String> {
    let place = rest.trim_end_matches('/');
    // A server, and what follows its first slash.
    let (server, path) = place.split_once('/').unwrap_or((place, ""));
    let mut fields = Map::new();
    let mut put = |key: &str, value: Value| drop(fields.insert(key.to_owned(), value));
    match at {
        At::Url => put("url", json!(format!("{}://{rest}", scheme.trim_start_matches("git+")))),
        At::Place(key) | At::Whole(key) => put(key, json!(place)),
        At::Path => put("path", json!(rest)),
        At::Dns => {
            let (name, kind) = path.split_once('?').unwrap_or((path, "A"));
            if name.is_empty() {
                return Err(format!("{scheme}://{rest}: write it like dns://10.0.0.10/example.org?AAAA"));
            }
            put("type", json!(kind.trim_start_matches("type=")));
            put("server", json!(server));
            put("name", json!(name));
        }
        At::Ldap => {
            let mut parts = path.split('?');
            put("address", json!(server));
            let (base, _attributes) = (parts.next().unwrap_or_default(), parts.next());
            let (scope, filter) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            for (key, text) in [("base_dn", base), ("scope", scope), ("filter", filter)] {
                if !text.is_empty() {
                    put(key, json!(percent_decode_str(text).decode_utf8_lossy()));
                }
            }
        }
        At::Bucket => {
            let (object, options) = path.split_once('?').unwrap_or((path, ""));
            put("bucket", json!(server));
            put("prefix", json!(object));
            for (key, value) in url::form_urlencoded::parse(options.as_bytes()) {
                if !matches!(&*key, "endpoint" | "region") {
                    return Err(format!("{scheme}://…: {key} is no option; there are endpoint and region"));
                }
                put(&key, json!(value));
            }
        }
        At::Sql(driver) => {
            let Some((user, address)) = server.split_once('@') else {
                return Err(format!(
                    "{scheme}://{rest}: who logs in? Write it like {scheme}://dogwatch@db.example.org/shop"
                ));
            };
            put("driver", json!(driver));
            put("username", json!(user));
            put("address", json!(address));
            if !path.is_empty() {
                put("database", json!(path));
            }
        }
    }
    Ok(fields)
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
        check("git://git.example.org/ops/a.git", "git://git.example.org/ops/a.git");
        check("git+https://git.example.org/ops/a.git", "https://git.example.org/ops/a.git");
        check("oci://registry.example.org/team/shop:1.2", "registry.example.org/team/shop:1.2");
        check("s3://backups/etcd/?endpoint=https://minio.example.org&region=eu-west-1", "s3://backups/etcd/");
        check("ldap://ldap.example.org/dc=example,dc=org??sub?(uid=*)", "ldap.example.org");
        check("ldaps://ldap.example.org", "ldap.example.org");
        check("postgres://dogwatch@db.example.org/shop", "shop at db.example.org");
        check("domain://example.org", "example.org");
        check("file:///var/backups/etcd.db", "/var/backups/etcd.db");
        let wrong = |text: &str, words: &str| {
            let said = CheckConfig::ad_hoc(text).unwrap_err();
            assert!(said.contains(words), "{said}");
        };
        wrong("gopher://a", "write one of https://, http://");
        wrong("dns://10.0.0.10", "write it like dns://");
        wrong("redis://u:hunter2@a", "user and password do not belong here");
        wrong("tcp://a", "it has no port");
        wrong("mysql://db.example.org/shop", "who logs in?");
        wrong("postgres://u:hunter2@db/shop", "user and password do not belong here");
        wrong("s3://backups/?color=red", "color is no option");
        let whole = CheckConfig::ad_hoc("ldap://h/dc=a?x?one?(cn=%2A)").unwrap();
        let ldap = whole.ldap.unwrap();
        assert_eq!((ldap.base_dn.as_deref(), ldap.filter.as_str()), (Some("dc=a"), "(cn=*)"));
        assert!(!CheckConfig::ad_hoc("redis://u:hunter2@a").unwrap_err().contains("hunter2"));
    }
}
