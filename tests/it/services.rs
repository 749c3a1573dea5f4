//! Services that take messages by HTTP: what arrives at a sink, what each answer makes of a message, and real Alertmanagers.

use std::{path::Path, process::Stdio, time::Duration};

use dogwatch::{
    model::{Notification, NotificationKind},
    notify::Outcome,
};
use serde_json::{Value, json};
use tokio::{
    process::{Child, Command},
    time::Instant,
};

use crate::{
    eventually::eventually,
    notify::{integration, notification},
    receivers::HookServer,
};

async fn send(entry: &str, n: &Notification) -> Outcome {
    integration(entry).send(n, Instant::now() + Duration::from_secs(10)).await
}

fn resolved() -> Notification {
    let mut n = notification();
    n.told = NotificationKind::Resolved;
    n.sequence = 1;
    n.at = "2026-11-23T14:05:00Z".parse().unwrap();
    n.incident.resolved_at = Some(n.at);
    n.incident.alerts[0].ended_at = Some(n.at);
    n
}

/// The entry of each service that talks to the sink, and where its requests must arrive.
fn entries(server: &HookServer) -> Vec<(&'static str, String, &'static str)> {
    let at = |path: &str| server.url(path);
    let mut all = vec![
        (
            "slack",
            format!("slack_configs: [{{api_url: '{}'}}]", at("/services/S3CR3TS3CR3T")),
            "POST /services/S3CR3TS3CR3T",
        ),
        ("msteamsv2", format!("msteamsv2_configs: [{{webhook_url: '{}'}}]", at("/S3CR3TS3CR3T")), "POST /S3CR3TS3CR3T"),
        (
            "discord",
            format!("discord_configs: [{{webhook_url: '{}'}}]", at("/S3CR3TS3CR3T")),
            "POST /S3CR3TS3CR3T?wait=true",
        ),
        (
            "telegram",
            format!("telegram_configs: [{{api_url: '{}', bot_token: S3CR3TS3CR3T, chat_id: -7}}]", at("/")),
            "POST /botS3CR3TS3CR3T/sendMessage",
        ),
        (
            "pagerduty",
            format!("pagerduty_configs: [{{url: '{}', routing_key: S3CR3TS3CR3T}}]", at("/v2/enqueue")),
            "POST /v2/enqueue",
        ),
        (
            "opsgenie",
            format!("opsgenie_configs: [{{api_url: '{}', api_key: S3CR3TS3CR3T}}]", at("/")),
            "POST /v2/alerts",
        ),
        (
            "pushover",
            format!("pushover_configs: [{{api_url: '{}', user_key: S3CR3TS3CR3T, token: S3CR3TS3CR3T}}]", at("/1")),
            "POST /1",
        ),
        ("ntfy", format!("ntfy_configs: [{{url: '{}', topic: S3CR3TS3CR3T, token: S3CR3TS3CR3T}}]", at("/")), "POST /"),
        ("alertmanager", format!("alertmanager_configs: [{{urls: ['{}']}}]", at("/am/")), "POST /am/api/v2/alerts"),
    ];
    all.extend(further_entries(server));
    all
}

/// The same for those that Alertmanager has besides.
fn further_entries(server: &HookServer) -> Vec<(&'static str, String, &'static str)> {
    let at = |path: &str| server.url(path);
    vec![
        (
            "victorops",
            format!("victorops_configs: [{{api_url: '{}', api_key: S3CR3TS3CR3T, routing_key: team}}]", at("/v")),
            "POST /v/S3CR3TS3CR3T/team",
        ),
        (
            "webex",
            format!(
                "webex_configs: [{{api_url: '{}', room_id: r, http_config: {{bearer_token: S3CR3TS3CR3T}}}}]",
                at("/m")
            ),
            "POST /m",
        ),
        (
            "sns",
            format!(
                "sns_configs: [{{api_url: '{}', topic_arn: t, sigv4: {{region: r, access_key: a, secret_key: S3CR3TS3CR3T}}}}]",
                at("/")
            ),
            "POST /",
        ),
        (
            "wechat",
            format!("wechat_configs: [{{api_url: '{}', api_secret: S3CR3TS3CR3T, corp_id: c}}]", at("/cgi-bin/")),
            "POST /cgi-bin/message/send?access_token=T0K3N",
        ),
        (
            "jira",
            format!(
                "jira_configs: [{{api_url: '{}', project: OPS, issue_type: Bug, http_config: {{basic_auth: {{username: u, password: S3CR3TS3CR3T}}}}}}]",
                at("/rest/api/2/")
            ),
            "POST /rest/api/2/issue",
        ),
        (
            "rocketchat",
            format!("rocketchat_configs: [{{api_url: '{}', token: S3CR3TS3CR3T, token_id: S3CR3TS3CR3T}}]", at("/")),
            "POST /api/v1/chat.postMessage",
        ),
        (
            "mattermost",
            format!("mattermost_configs: [{{webhook_url: '{}'}}]", at("/hooks/S3CR3TS3CR3T")),
            "POST /hooks/S3CR3TS3CR3T",
        ),
        (
            "incidentio",
            format!("incidentio_configs: [{{url: '{}', alert_source_token: S3CR3TS3CR3T}}]", at("/i/S3CR3TS3CR3T")),
            "POST /i/S3CR3TS3CR3T",
        ),
    ]
}

#[tokio::test]
async fn each_service_gets_its_request_and_the_proof_is_kept() {
    let proofs = [
        ("slack", 200, "ok", "200 OK: ok"),
        ("msteamsv2", 202, "", "202 Accepted"),
        ("discord", 200, r#"{"id": "99"}"#, "200 OK, message 99"),
        ("telegram", 200, r#"{"ok": true, "result": {"message_id": 42}}"#, "200 OK, message_id 42"),
        ("pagerduty", 202, r#"{"status": "success", "dedup_key": "k"}"#, "202 Accepted, dedup_key k"),
        ("opsgenie", 202, r#"{"requestId": "r-1"}"#, "202 Accepted, requestId r-1"),
        ("pushover", 200, r#"{"status": 1, "request": "u-1"}"#, "200 OK, request u-1"),
        ("victorops", 200, r#"{"result": "success", "entity_id": "e1"}"#, "200 OK, entity_id e1"),
        ("webex", 200, r#"{"id": "w1"}"#, "200 OK, message w1"),
        ("sns", 200, "<PublishResponse><MessageId>m-1</MessageId></PublishResponse>", "200 OK, MessageId m-1"),
        ("wechat", 200, r#"{"errcode": 0, "access_token": "T0K3N", "msgid": "c1"}"#, "200 OK, msgid c1"),
        ("jira", 201, r#"{"key": "OPS-1"}"#, "201 Created, issue OPS-1"),
        ("rocketchat", 200, r#"{"success": true, "message": {"_id": "x"}}"#, "200 OK, message x"),
        ("mattermost", 200, "ok", "200 OK: ok"),
        ("incidentio", 202, "", "202 Accepted"),
        ("ntfy", 200, r#"{"id": "n1", "topic": "S3CR3TS3CR3T"}"#, "200 OK, id n1"),
    ];
    let server = HookServer::start().await;
    for (kind, entry, line) in entries(&server) {
        let (status, body, expected) = match proofs.iter().find(|p| p.0 == kind) {
            Some((_, status, body, expected)) => (*status, *body, (*expected).to_owned()),
            None => (200, "", format!("127.0.0.1:{}: 200 OK", server.port)),
        };
        server.answer(status, &[], body);
        assert_eq!(send(&entry, &notification()).await, Outcome::Delivered(expected), "{kind}");
        let got = server.got().pop().unwrap();
        assert_eq!(got.line, line);
        assert!(String::from_utf8_lossy(&got.body).contains("etcd"), "{kind}");
    }
    server.answer(202, &[("x-ms-workflow-run-id", "run7")], "");
    let teams = &entries(&server)[1].1;
    assert_eq!(send(teams, &notification()).await, Outcome::Delivered("202 Accepted, workflow run run7".into()));
}

#[tokio::test]
async fn what_each_service_answers_decides() {
    let server = HookServer::start().await;
    let all = entries(&server);
    let check = async |kind: &str, status: u16, headers: &[(&'static str, &str)], body: &str, expected: &str| {
        server.answer(status, headers, body);
        let (_, entry, _) = all.iter().find(|(k, ..)| *k == kind).unwrap();
        let said = match send(entry, &notification()).await {
            Outcome::Delivered(_) => "delivered".to_owned(),
            Outcome::Drop(_) => "drop".to_owned(),
            Outcome::Retry { after: None, .. } => "retry".to_owned(),
            Outcome::Retry { after: Some(after), .. } => format!("retry in {} s", after.as_secs()),
        };
        assert_eq!(said, expected, "{kind} {status} {body}");
    };
    for (kind, ..) in &all {
        check(kind, 503, &[], "", "retry").await;
        check(kind, 429, &[("retry-after", "30")], "", "retry in 30 s").await;
        check(kind, 422, &[], "", "drop").await;
    }
    check("slack", 200, &[], r#"{"ok": true, "ts": "1.2"}"#, "delivered").await;
    check("slack", 200, &[], r#"{"ok": false, "error": "ratelimited"}"#, "retry").await;
    check("slack", 200, &[], r#"{"ok": false, "error": "msg_too_long"}"#, "drop").await;
    check("slack", 400, &[], "invalid_payload", "drop").await;
    check("slack", 404, &[], "no_service", "retry").await;
    check("slack", 410, &[], "channel_is_archived", "retry").await;
    check("msteamsv2", 200, &[], "Webhook message delivery failed with error: 429", "retry").await;
    check("discord", 429, &[], r#"{"retry_after": 1.3, "global": false}"#, "retry in 2 s").await;
    check("discord", 400, &[], r#"{"embeds": ["0"]}"#, "drop").await;
    check("telegram", 429, &[], r#"{"ok": false, "parameters": {"retry_after": 17}}"#, "retry in 17 s").await;
    check("telegram", 401, &[], r#"{"ok": false, "description": "Unauthorized"}"#, "retry").await;
    check("telegram", 400, &[], r#"{"description": "Bad Request: chat not found"}"#, "retry").await;
    check("telegram", 400, &[], r#"{"description": "Bad Request: message is too long"}"#, "drop").await;
    check("pagerduty", 400, &[], r#"{"status": "invalid event"}"#, "drop").await;
    check("opsgenie", 401, &[], r#"{"message": "Key format is not valid"}"#, "retry").await;
    check("pushover", 400, &[], r#"{"status": 0, "errors": ["user key is invalid"]}"#, "drop").await;
    check("webex", 404, &[], r#"{"message": "no such room"}"#, "retry").await;
    check("sns", 400, &[], "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>", "retry").await;
    check("sns", 400, &[], "<ErrorResponse><Error><Code>InvalidParameter</Code></Error></ErrorResponse>", "drop").await;
    check("wechat", 200, &[], r#"{"errcode": 40013, "errmsg": "invalid corpid"}"#, "retry").await;
    check("wechat", 200, &[], r#"{"errcode": 40058, "errmsg": "invalid request"}"#, "drop").await;
    check("wechat", 200, &[], "<html>", "retry").await;
    check("jira", 401, &[], "", "retry").await;
    check("rocketchat", 200, &[], r#"{"success": false, "error": "[error-room-not-found]"}"#, "retry").await;
    check("rocketchat", 200, &[], r#"{"success": false, "error": "error-invalid-message"}"#, "drop").await;
    check("mattermost", 404, &[], "", "retry").await;
    check("victorops", 400, &[], r#"{"result": "failure"}"#, "drop").await;
    check("ntfy", 403, &[], r#"{"error": "forbidden"}"#, "retry").await;
}

#[tokio::test]
async fn no_answer_gives_a_secret_away() {
    let server = HookServer::start().await;
    for (kind, entry, line) in entries(&server) {
        for status in [200, 400, 500] {
            server.answer(status, &[], &format!("{line}: S3CR3TS3CR3T of /S3CR3TS3CR3T is wrong"));
            let answer = send(&entry, &notification()).await.answer().to_owned();
            // Another Alertmanager is told no secret.
            assert!(!answer.contains("S3CR3TS3CR3T") || kind == "alertmanager", "{kind}: {answer}");
        }
    }
    server.stop().await;
    for (kind, entry, _) in entries(&server) {
        let answer = send(&entry, &notification()).await.answer().to_owned();
        assert!(answer.contains("refused") && !answer.contains("S3CR3TS3CR3T"), "{kind}: {answer}");
    }
}

#[tokio::test]
async fn text_that_telegram_cannot_parse_goes_as_plain_text() {
    let server = HookServer::start().await;
    server.answer(400, &[], r#"{"ok": false, "description": "Bad Request: can't parse entities: unclosed"}"#);
    let entry = format!(
        "telegram_configs: [{{api_url: '{}', bot_token: t, chat_id: 1, parse_mode: Markdown, message: 'a_b'}}]",
        server.url("/")
    );
    send(&entry, &notification()).await;
    let got = server.got();
    assert_eq!(got.len(), 2);
    assert_eq!(got[0].json()["parse_mode"], "Markdown");
    assert_eq!((&got[1].json()["text"], got[1].json().get("parse_mode")), (&json!("a_b"), None));
}

#[tokio::test]
async fn an_opsgenie_alert_is_created_changed_and_closed() {
    let server = HookServer::start().await;
    server.answer(202, &[], r#"{"requestId": "r"}"#);
    let entry = format!("opsgenie_configs: [{{api_url: '{}', api_key: k, update_alerts: true}}]", server.url("/og/"));
    let mut update = notification();
    (update.told, update.sequence) = (NotificationKind::Update, 1);
    for n in [notification(), update, resolved()] {
        assert_eq!(send(&entry, &n).await, Outcome::Delivered("202 Accepted, requestId r".into()));
    }
    let lines: Vec<String> = server.got().iter().map(|hook| hook.line.clone()).collect();
    let alias = "dogwatch-abc-7";
    assert_eq!(
        lines,
        [
            "POST /og/v2/alerts".to_owned(),
            "POST /og/v2/alerts".to_owned(),
            format!("PUT /og/v2/alerts/{alias}/message?identifierType=alias"),
            format!("PUT /og/v2/alerts/{alias}/description?identifierType=alias"),
            format!("POST /og/v2/alerts/{alias}/close?identifierType=alias"),
        ]
    );
    assert!(server.got().iter().all(|hook| hook.headers["authorization"] == "GenieKey k"));
}

#[tokio::test]
async fn the_global_http_config_counts_where_there_is_none() {
    dogwatch::notify::init();
    let server = HookServer::start().await;
    let receivers = serde_saphyr::from_str(&format!(
        "[{{name: ops, slack_configs: [{{}}, {{http_config: {{basic_auth: {{username: u, password: p}}}}}}]}}, {{name: b, \
         webhook_configs: [{{url: '{}'}}]}}]",
        server.url("/hook")
    ));
    let global = serde_saphyr::from_str(&format!(
        "{{slack_api_url: '{}', http_config: {{authorization: {{credentials: g}}}}}}",
        server.url("/slack")
    ));
    let library = dogwatch::notify::default_library().unwrap();
    let all: Vec<_> = receivers.unwrap();
    for integration in dogwatch::notify::integrations(&global.unwrap(), &all, &library).unwrap() {
        integration.send(&notification(), Instant::now() + Duration::from_secs(10)).await;
    }
    let got: Vec<_> = server
        .got()
        .iter()
        .map(|h| (h.line.clone(), h.headers["authorization"].to_str().unwrap().to_owned()))
        .collect();
    let expected = [("POST /slack", "Bearer g"), ("POST /slack", "Basic dTpw"), ("POST /hook", "Bearer g")];
    assert_eq!(got, expected.map(|(line, auth)| (line.to_owned(), auth.to_owned())));
}

/// A real Alertmanager on loopback; it ends with the value.
struct RealAlertmanager {
    port: u16,
    _child: Child,
}

impl RealAlertmanager {
    async fn start(dir: &Path) -> Self {
        std::fs::create_dir_all(dir).unwrap();
        let config = dir.join("alertmanager.yml");
        std::fs::write(&config, "{route: {receiver: none}, receivers: [{name: none}]}").unwrap();
        let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let child = Command::new(crate::peers::program("alertmanager"))
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", dir.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("needs the Debian package prometheus-alertmanager");
        let server = Self { port, _child: child };
        let ready = format!("{}/-/ready", server.url());
        dogwatch::notify::init();
        eventually("Alertmanager is ready", async || reqwest::get(&ready).await.is_ok_and(|r| r.status() == 200)).await;
        server
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What amtool shows of the alerts that fire.
    async fn alerts(&self) -> Value {
        let url = format!("--alertmanager.url={}", self.url());
        let out = Command::new(crate::peers::program("amtool"))
            .args([&url, "alert", "query", "-o", "json"])
            .output()
            .await
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).unwrap()
    }
}

#[tokio::test]
async fn real_alertmanagers_know_the_alert_until_it_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) =
        (RealAlertmanager::start(&dir.path().join("a")).await, RealAlertmanager::start(&dir.path().join("b")).await);
    let entry = format!("alertmanager_configs: [{{urls: ['{}', '{}/']}}]", a.url(), b.url());
    // Alertmanager goes by its own clock.
    let mut n = notification();
    n.at = jiff::Timestamp::now();
    n.incident.alerts[0].finding.since = n.at - Duration::from_secs(60);
    let outcome = send(&entry, &n).await;
    let expected = format!("127.0.0.1:{}: 200 OK; 127.0.0.1:{}: 200 OK", a.port, b.port);
    assert_eq!(outcome, Outcome::Delivered(expected));
    for server in [&a, &b] {
        let alerts = server.alerts().await;
        let found = &alerts[0];
        assert_eq!(found["labels"], json!({"alertname": "EtcdQuorumLost", "cluster": "prod", "severity": "critical"}));
        assert_eq!(found["annotations"]["first_step"], "start etcd-2");
        let ends: jiff::Timestamp = found["endsAt"].as_str().unwrap().parse().unwrap();
        // Alertmanager keeps milliseconds.
        assert_eq!(ends.duration_since(n.at).as_secs_f64().round(), 90_000.0);
    }

    // A milder or graver severity is another alert there: only the latest fires.
    n.sequence = 1;
    n.at = jiff::Timestamp::now();
    n.incident.alerts[0].finding.severity = dogwatch::model::Severity::Warning;
    assert!(matches!(send(&entry, &n).await, Outcome::Delivered(_)));
    let alerts = a.alerts().await;
    assert_eq!(alerts.as_array().unwrap().len(), 1, "{alerts}");
    assert_eq!(alerts[0]["labels"]["severity"], "warning");

    // One is gone: the other is told, and the answer says who was not.
    drop(b);
    n.told = NotificationKind::Resolved;
    n.at = jiff::Timestamp::now();
    n.incident.alerts[0].ended_at = Some(n.at);
    let outcome = send(&entry, &n).await;
    assert!(matches!(&outcome, Outcome::Delivered(a) if a.contains("not taken by 127.0.0.1:")), "{outcome:?}");
    eventually("the alert is over", async || a.alerts().await == json!([])).await;
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_signed_requests_say_who_signed() {
    let server = HookServer::start().await;
    server.answer(200, &[], r#"{"access_token": "T0K3N", "token_type": "bearer", "expires_in": 3600}"#);
    let oauth2 = format!(
        "oauth2: {{client_id: me, client_secret: s, token_url: '{}', scopes: [a, b], endpoint_params: {{audience: x}}}}",
        server.url("/token")
    );
    let url = server.url("/{{ .CommonLabels.cluster }}");
    let hook = integration(&format!("webhook_configs: [{{url: '{url}', http_config: {{{oauth2}}}}}]"));
    let deadline = || Instant::now() + Duration::from_secs(10);
    for _ in 0..2 {
        assert!(matches!(hook.send(&notification(), deadline()).await, Outcome::Delivered(_)));
    }
    let got = server.got();
    let lines: Vec<&str> = got.iter().map(|hook| hook.line.as_str()).collect();
    assert_eq!(lines, ["POST /token", "POST /prod", "POST /prod"]);
    let form = String::from_utf8_lossy(&got[0].body);
    assert!(
        form.contains("grant_type=client_credentials") && form.contains("scope=a+b") && form.contains("audience=x")
    );
    assert_eq!(got[0].headers["authorization"], "Basic bWU6cw==");
    assert_eq!(got[2].headers["authorization"], "Bearer T0K3N");

    let all = entries(&server);
    let (_, sns, _) = all.iter().find(|(kind, ..)| *kind == "sns").unwrap();
    send(sns, &notification()).await;
    let signed = server.got().pop().unwrap();
    let header = signed.headers["authorization"].to_str().unwrap().to_owned();
    assert!(header.starts_with("AWS4-HMAC-SHA256 Credential=a/") && header.contains("/r/sns/aws4_request"), "{header}");
    assert!(header.contains("SignedHeaders=content-type;host;x-amz-date"), "{header}");
}

#[tokio::test]
async fn a_slack_app_changes_and_answers_its_first_message() {
    let server = HookServer::start().await;
    server.answer(200, &[], r#"{"ok": true, "channel": "C1", "ts": "1.5"}"#);
    let app = format!(
        "app_token: T0K3N, app_url: '{}', channel: '#ops', message_text: m",
        server.url("/api/chat.postMessage")
    );
    let slack = integration(&format!("slack_configs: [{{{app}, update_message: true, post_updates_to_thread: true}}]"));
    for n in [notification(), resolved()] {
        let outcome = slack.send(&n, Instant::now() + Duration::from_secs(10)).await;
        assert_eq!(outcome, Outcome::Delivered("200 OK, ts 1.5".into()));
    }
    let got = server.got();
    let lines: Vec<&str> = got.iter().map(|hook| hook.line.as_str()).collect();
    assert_eq!(lines, ["POST /api/chat.postMessage", "POST /api/chat.update", "POST /api/chat.postMessage"]);
    assert!(got.iter().all(|hook| hook.headers["authorization"] == "Bearer T0K3N"));
    let (first, update, answer) = (got[0].json(), got[1].json(), got[2].json());
    assert_eq!((&first["channel"], &first["text"]), (&json!("#ops"), &json!("m")));
    assert_eq!((&update["channel"], &update["ts"]), (&json!("C1"), &json!("1.5")));
    assert_eq!((&answer["channel"], &answer["thread_ts"]), (&json!("C1"), &json!("1.5")));
}
