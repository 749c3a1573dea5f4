mod services;

use std::time::Duration;

use jiff::tz::TimeZone;

use super::{config::*, *};
use crate::{
    model::{Said, Severity},
    words::{Language, Voice},
};

fn parse<T: serde::de::DeserializeOwned>(yaml: &str) -> Result<T, String> {
    serde_saphyr::from_str(yaml).map_err(|e| e.to_string())
}

/// As an existing Alertmanager file has them.
const RECEIVERS: &str = "
- name: ops
  email_configs:
    - {to: 'a@example.org, B <b@example.org>', headers: {Reply-To: team@example.org}}
  webhook_configs:
    - url: https://hooks.example.org/T0/secret
      max_alerts: 10
      timeout: 5s
      http_config:
        authorization: {credentials_file: token}
        http_headers: {X-Scope: {values: [a], secrets: [b], files: [c]}}
        tls_config: {ca_file: ca.pem}
    - url_file: hook.url
      send_resolved: false
      hmac: {secret_file: hmac.key}
- name: other
";
const GLOBAL: &str = "{smtp_from: dogwatch@example.org, smtp_smarthost: 'mail.example.org:587'}";

fn build(global: &str, receivers: &str) -> Result<Vec<String>, String> {
    let receivers: Vec<ReceiverConfig> = parse(receivers)?;
    let all = integrations(&parse(global)?, &receivers, &default_library().unwrap()).map_err(|e| e.to_string())?;
    Ok(all
        .iter()
        .map(|i| format!("{}{}", i.name, if i.wants(NotificationKind::Resolved) { "" } else { " (no end)" }))
        .collect())
}

#[test]
fn receivers_are_flattened() {
    let names = build(GLOBAL, RECEIVERS).unwrap();
    assert_eq!(names, ["ops/email[0]", "ops/webhook[0]", "ops/webhook[1] (no end)"]);
    assert_eq!(build("{}", "[]").unwrap(), Vec::<String>::new());
}

#[test]
fn what_cannot_work_is_said_with_its_place() {
    let check = |global: &str, receivers: &str, expected: &str| {
        let error = build(global, receivers).unwrap_err();
        assert!(error.contains(expected), "{error}");
    };
    check("{}", RECEIVERS, "receivers[0].email_configs[0].from: no sender");
    let email = |entry: &str| format!("[{{name: x, email_configs: [{entry}]}}]");
    check(GLOBAL, &email("{to: nobody}"), "receivers[0].email_configs[0].to: \"nobody\" is not a list");
    check(GLOBAL, &email("{to: a@b.c, smarthost: mail}"), "smarthost: \"mail\" is not host:port");
    check(GLOBAL, &email("{to: a@b.c, auth_username: u}"), "auth_username without auth_password");
    check(GLOBAL, &email("{to: a@b.c, headers: {Content-Type: x}}"), "Content-Type follows from how the mail is built");
    check(GLOBAL, &email("{to: a@b.c, headers: {X-A: x, x-a: y}}"), "is there twice");
    check(GLOBAL, &email("{to: '{{ .A | nope }}'}"), "email_configs[0].to: 1:9: ");
    check(GLOBAL, &email("{to: a@b.c, threading: {enabled: true}}"), "thread_by_date: must be none or daily");
    check(
        GLOBAL,
        &email("{to: a@b.c, headers: {references: x}, threading: {enabled: true, thread_by_date: daily}}"),
        "are what threading sets",
    );
    check(GLOBAL, &email("{to: a@b.c, tls_config: {cert_file: x}}"), "go together");
    check(GLOBAL, &email("{to: a@b.c, tls_config: {max_version: TLS12}}"), "tls_config.max_version: mail servers");
    check(GLOBAL, &email("{to: a@b.c, headers: {X-A: '{{ .B | nope }}'}}"), "headers.X-A: 1:9: ");
    let hook = |entry: &str| format!("[{{name: x, webhook_configs: [{entry}]}}]");
    check(GLOBAL, &hook("{}"), "receivers[0].webhook_configs[0].url: a webhook needs url or url_file");
    check(GLOBAL, &hook("{url: 'http://a', url_file: b}"), "not both");
    check(GLOBAL, &hook("{url: 'ftp://user:secret@a'}"), "the URL's scheme is ftp");
    check(GLOBAL, &hook("{url: 'http://a', hmac: {secret_file: a, header: 'a b'}}"), "hmac.header");
    check(GLOBAL, "[{name: x}, {name: x}]", "receivers[1].name: there are two receivers");
    check(GLOBAL, "[{name: x, labels: {name: y}}]", "receivers[0].labels.name: the label name is the receiver's name");
    // Whether somebody uses them or not.
    check("{http_config: {no_proxy: a}}", "[]", "global.http_config.no_proxy: names exceptions");
    check("{http_config: {authorization: {type: Basic}}}", "[]", "global.http_config: authorization.type can");
    check("{smtp_smarthost: mail}", "[]", "global.smtp_smarthost: \"mail\" is not host:port");
    check(
        "{}",
        "[{name: x, slack_configs: [{api_url: 'http://a/', fields: [{title: '', value: v}]}]}]",
        "fields[0].title",
    );
    check("{slack_api_url: 'http://a/', slack_app_token: t}", "[]", "global.slack_app_token: give a webhook's URL");
    check(
        "{slack_api_url: 'http://a/', slack_api_url_file: b}",
        "[]",
        "global.slack_api_url: give the value or the file",
    );
    let http = |keys: &str| hook(&format!("{{url: 'http://a', http_config: {{{keys}}}}}"));
    for (keys, expected) in [
        ("basic_auth: {username: u}, bearer_token: t", "basic_auth and bearer_token exclude each other"),
        ("authorization: {}, oauth2: {client_id: a, token_url: 'http://t'}", "authorization and oauth2 exclude"),
        ("authorization: {type: Basic, credentials: x}", "use basic_auth"),
        ("oauth2: {token_url: 'http://t'}", "oauth2 needs client_id"),
        ("oauth2: {client_id: a}", "oauth2 needs token_url"),
        ("oauth2: {client_id: a, token_url: 'http://t', grant_type: password}", "oauth2.grant_type is \"password\""),
        ("no_proxy: a", "http_config.no_proxy: names exceptions from proxy_url"),
        ("proxy_url: 'http://p', proxy_from_environment: true", "leave out proxy_url"),
        ("proxy_connect_header: {A: [b]}", "headers for a proxy need one"),
        ("tls_config: {ca: a, ca_file: b}", "give ca or ca_file, not both"),
        ("tls_config: {key: a}", "go together"),
        ("tls_config: {max_version: TLS11}", "TLS 1.2 is the oldest"),
        ("tls_config: {min_version: TLS13, max_version: TLS12}", "newer than max_version"),
        ("tls_config: {server_name: a}, proxy_url: 'http://p'", "tls_config.server_name: can't be had through a proxy"),
        ("http_headers: {Host: {values: [a]}}", "host is set by dogwatch itself"),
    ] {
        check(GLOBAL, &http(keys), expected);
    }
}

#[test]
fn defaults() {
    let notifications: NotificationsConfig = parse("{}").unwrap();
    assert_eq!(notifications.give_up_after, Duration::from_secs(259_200));
    assert!(parse::<GlobalConfig>("{}").unwrap().smtp_require_tls);
}

#[test]
fn relative_paths_are_made_absolute() {
    let mut receivers: Vec<ReceiverConfig> = parse(RECEIVERS).unwrap();
    receivers[0].resolve_paths("/etc/dogwatch".as_ref());
    let hooks = &receivers[0].webhook_configs;
    let http = hooks[0].http_config.as_ref().unwrap();
    let credentials = http.authorization.as_ref().unwrap().credentials_file.as_ref().unwrap();
    assert_eq!(credentials.to_str(), Some("/etc/dogwatch/token"));
    assert_eq!(http.http_headers["X-Scope"].files[0].to_str(), Some("/etc/dogwatch/c"));
    assert_eq!(http.tls_config.ca_file.as_ref().unwrap().to_str(), Some("/etc/dogwatch/ca.pem"));
    assert_eq!(hooks[1].url_file.as_ref().unwrap().to_str(), Some("/etc/dogwatch/hook.url"));
    assert_eq!(hooks[1].hmac.as_ref().unwrap().secret_file.to_str(), Some("/etc/dogwatch/hmac.key"));
}

#[test]
fn secrets_are_not_shown() {
    let receivers: Vec<ReceiverConfig> = parse(RECEIVERS).unwrap();
    let all = integrations(&parse(GLOBAL).unwrap(), &receivers, &default_library().unwrap()).unwrap();
    assert!(!format!("{all:?} {receivers:?}").contains("secret@") && !format!("{all:?}").contains("T0/secret"));
}

#[test]
fn subjects_say_it_all() {
    let check = |told, sequence, expected: &str| {
        let mut n = if told == NotificationKind::Resolved { example::resolved() } else { example::opened() };
        n.told = told;
        n.sequence = sequence;
        n.at = example::at("18:02:15");
        assert_eq!(summary::subject(&n, &Voice::default()), expected);
    };
    check(NotificationKind::Opened, 0, "[prod] etcd has lost quorum: 2 of 3 members down");
    check(NotificationKind::Worse, 1, "[prod] Worse: etcd has lost quorum: 2 of 3 members down");
    check(NotificationKind::Reminder, 2, "[prod] Still after 4 h: etcd has lost quorum: 2 of 3 members down");
    check(NotificationKind::Resolved, 3, "[prod] Resolved after 12 min: etcd has lost quorum: 2 of 3 members down");

    let mut n = example::opened();
    n.incident.alerts[1].finding.caused_by = None;
    assert!(summary::subject(&n, &Voice::default()).ends_with("members down (and 1 more problem)"));
    n = example::resolved();
    n.incident.timeline.push((n.at, summary::NO_LONGER_WATCHED.into()));
    assert_eq!(
        summary::subject(&n, &Voice::default()),
        "[prod] No longer watched: etcd has lost quorum: 2 of 3 members down"
    );
    n = example::opened();
    n.incident.cluster = "".into();
    n.incident.severity = Severity::Warning;
    n.incident.headline = "cut off\r\nBcc: everyone@example.org\u{2028}\0".into();
    assert_eq!(summary::subject(&n, &Voice::default()), "[dogwatch] cut off Bcc: everyone@example.org");
    n.incident.headline = "ä".repeat(5_000);
    assert!(summary::subject(&n, &Voice::default()).len() <= 200);
}

fn french() -> Voice {
    Voice::new(Language::of("fr").unwrap(), TimeZone::get("Europe/Paris").unwrap())
}

#[test]
fn a_sentence_is_told_anew_only_where_its_english_stands_there() {
    let n = example::opened();
    let mut known = n.clone();
    let said = Said::new("etcd-quorum-lost")
        .with("sure", "yes")
        .with("how", Said::new("members-down").with("n", 2_usize).with("total", 3_usize));
    known.incident.alerts[0].finding.said = vec![said];
    let headline = |n: &Notification| french().notification(n).incident.headline.clone();
    assert_eq!(headline(&n), n.incident.headline);
    assert_eq!(headline(&known), "etcd a perdu le quorum\u{a0}: 2 membres sur 3 en panne");
    assert_eq!(*Voice::default().notification(&known), known);
    // Changed on its way: nobody says what is not there any more.
    known.incident.headline.push_str(", and more");
    assert_eq!(headline(&known), known.incident.headline);
    // What was kept is read again, and what has none is read too.
    let kept = serde_json::to_string(&known).unwrap();
    assert_eq!(serde_json::from_str::<Notification>(&kept).unwrap(), known);
    assert!(!serde_json::to_string(&n).unwrap().contains("\"said\""));
}
