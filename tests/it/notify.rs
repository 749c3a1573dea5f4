//! Receivers against real servers: what arrives, and what each answer makes of the message.

use std::time::Duration;

use dogwatch::{
    model::{AlertName, Finding, FindingKey, Incident, IncidentAlert, Notification, NotificationKind, Severity, Topic},
    notify::{self, Integration, Outcome, config::*},
};
use hmac::{Hmac, KeyInit, Mac};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::Instant,
};

use crate::receivers::{HookServer, MailServer, Pki};

pub fn notification() -> Notification {
    let at = "2026-11-23T14:02:15Z".parse().unwrap();
    let finding = Finding {
        evidence: vec!["größter Kummer: etcd-2 refuses".into()],
        first_step: "start etcd-2".into(),
        ..Finding::new(
            FindingKey { cluster: "prod".into(), alert: AlertName::EtcdQuorumLost, subject: String::new() },
            Severity::Critical,
            Topic::Outage,
            "etcd has lost quorum: 2 of 3 members down".into(),
            at,
        )
    };
    Notification {
        told: NotificationKind::Opened,
        sequence: 0,
        at,
        incident: Incident {
            alerts: vec![IncidentAlert::new(finding.clone(), at)],
            messages: 1,
            told_at: Some(at),
            ..Incident::new(7, "prod".into(), Topic::Outage, at, finding.headline.clone(), Severity::Critical)
        },
        external_url: String::new(),
        external_labels: Default::default(),
        origin: "abc".into(),
        group_labels: None,
        route_labels: Default::default(),
        heard: None,
        document: None,
    }
}

pub fn integration(receiver: &str) -> Integration {
    notify::init();
    let receivers: Vec<ReceiverConfig> = serde_saphyr::from_str(&format!("[{{name: ops, {receiver}}}]")).unwrap();
    let global = serde_saphyr::from_str("{smtp_from: watch@example.org}").unwrap();
    notify::integrations(&global, &receivers, &notify::default_library().unwrap()).unwrap().remove(0)
}

async fn send(receiver: &str) -> Outcome {
    integration(receiver).send(&notification(), Instant::now() + Duration::from_secs(10)).await
}

fn retry(outcome: Outcome) -> String {
    match outcome {
        Outcome::Retry { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

struct Mailing {
    dir: tempfile::TempDir,
    pki: Pki,
}

impl Mailing {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let pki = Pki::new(dir.path());
        Self { dir, pki }
    }

    fn email(&self, server: &MailServer, to: &str, more: &str) -> String {
        let ca = self.pki.cert.display();
        format!(
            "email_configs: [{{to: '{to}', smarthost: 'localhost:{}', tls_config: {{ca_file: {ca}}}{more}}}]",
            server.port
        )
    }
}

#[tokio::test]
async fn mail_by_starttls_with_a_password_that_rotates() {
    let m = Mailing::new();
    let mut server = MailServer::start(&m.pki, "starttls", Some(("robot", "open sesame")), 0).await;
    let password = m.dir.path().join("password");
    std::fs::write(&password, "old\n").unwrap();
    let auth = format!(", auth_username: robot, auth_password_file: {}", password.display());
    let email = m.email(&server, "a@example.org, Bee <b@example.org>", &auth);

    let why = retry(send(&email).await);
    assert!(why.starts_with("signing in: ") && why.contains("535"), "{why}");
    assert!(!why.contains("old"), "{why}");

    std::fs::write(&password, "open sesame\n").unwrap();
    let outcome = send(&email).await;
    assert_eq!(outcome, Outcome::Delivered("250 2.0.0 Ok: queued as 4XyZ12".into()));
    let mail = server.next().await;
    assert_eq!((mail.sender.as_str(), mail.tls, mail.authenticated), ("watch@example.org", true, true));
    assert_eq!(mail.to, ["a@example.org", "b@example.org"]);
    assert_eq!(mail.header("Subject").unwrap(), "[prod] etcd has lost quorum: 2 of 3 members down");
    assert_eq!(mail.header("Message-ID").unwrap(), "<incident-7-0.abc@dogwatch.example.org>");
}

#[tokio::test]
async fn mail_by_tls_from_the_first_byte() {
    let m = Mailing::new();
    let mut server = MailServer::start(&m.pki, "tls", None, 0).await;
    let outcome = send(&m.email(&server, "a@example.org", ", force_implicit_tls: true")).await;
    assert!(matches!(outcome, Outcome::Delivered(_)), "{outcome:?}");
    assert!(server.next().await.tls);
}

#[tokio::test]
async fn a_mail_server_without_starttls_is_used_only_where_that_is_allowed() {
    let m = Mailing::new();
    let mut server = MailServer::start(&m.pki, "plain", None, 0).await;
    let why = retry(send(&m.email(&server, "a@example.org", "")).await);
    assert!(why.contains("STARTTLS"), "{why}");
    let outcome = send(&m.email(&server, "a@example.org", ", require_tls: false")).await;
    assert!(matches!(outcome, Outcome::Delivered(_)), "{outcome:?}");
    assert!(!server.next().await.tls);
}

#[tokio::test]
async fn what_a_mail_server_says_decides() {
    let m = Mailing::new();
    let server = MailServer::start(&m.pki, "starttls", None, 0).await;
    let full = retry(send(&m.email(&server, "full@example.org", "")).await);
    assert!(full.contains("451") && full.contains("mailbox full"), "{full}");
    let nobody = send(&m.email(&server, "nobody@example.org", "")).await;
    assert!(matches!(&nobody, Outcome::Drop(why) if why.contains("no such user")), "{nobody:?}");
    let stranger = format!("email_configs: [{{to: a@example.org, smarthost: 'localhost:{}'}}]", server.port);
    let untrusted = retry(send(&stranger).await);
    assert!(untrusted.starts_with("STARTTLS: "), "{untrusted}");
    let email = m.email(&server, "a@example.org", "");
    drop(server);
    let refused = retry(send(&email).await);
    assert!(refused.starts_with("connecting to localhost:"), "{refused}");
}

#[tokio::test]
async fn a_mail_server_that_says_nothing_is_tried_again() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let email = integration(&format!("email_configs: [{{to: a@b.c, smarthost: 'localhost:{port}'}}]"));
    let outcome = email.send(&notification(), Instant::now() + Duration::from_millis(200)).await;
    assert!(retry(outcome).ends_with("no answer in time"));
}

#[tokio::test]
async fn a_webhook_carries_headers_and_a_signature() {
    let server = HookServer::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let config = format!(
        "webhook_configs: [{{url_file: {}, hmac: {{secret_file: {}}}, http_config: {{authorization: \
         {{credentials_file: {}}}, http_headers: {{X-Scope: {{values: [one], files: [{}]}}}}}}}}]",
        file("url", &format!("{}\n", server.url("/hook"))),
        file("key", "sesame\n"),
        file("token", "t0ken\n"),
        file("scope", "two"),
    );
    assert_eq!(send(&config).await, Outcome::Delivered("200 OK: thanks".into()));
    let got = server.got().remove(0);
    let header =
        |name: &str| got.headers.get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>().join(",");
    assert_eq!(header("authorization"), "Bearer t0ken");
    assert_eq!(header("x-scope"), "one,two");
    assert_eq!(header("content-type"), "application/json");
    assert!(header("user-agent").starts_with("dogwatch/"));
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"sesame").unwrap();
    mac.update(&got.body);
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(header("x-dogwatch-signature-256"), format!("sha256={hex}"));
    assert_eq!(got.json()["version"], "4");
    assert_eq!(got.json()["alerts"][0]["annotations"]["first_step"], "start etcd-2");

    std::fs::remove_file(dir.path().join("token")).unwrap();
    assert!(retry(send(&config).await).contains("there is no such file below"));
}

#[tokio::test]
async fn basic_authentication() {
    let server = HookServer::start().await;
    let url = server.url("/");
    let config =
        format!("webhook_configs: [{{url: '{url}', http_config: {{basic_auth: {{username: u, password: 'p:w'}}}}}}]");
    assert_eq!(send(&config).await, Outcome::Delivered("200 OK: thanks".into()));
    assert_eq!(server.got()[0].headers["authorization"], "Basic dTpwOnc=");
}

#[tokio::test]
async fn what_a_webhook_answers_decides() {
    let server = HookServer::start().await;
    let config = format!("webhook_configs: [{{url: '{}'}}]", server.url("/services/T0K3NT0K3N"));
    let check = async |status, headers: &[(&'static str, &str)], body: &str, expected: Outcome| {
        server.answer(status, headers, body);
        assert_eq!(send(&config).await, expected);
    };
    let again = |why: &str, after| Outcome::Retry { why: why.into(), after };
    check(204, &[], "", Outcome::Delivered("204 No Content".into())).await;
    check(400, &[], "bad\nrequest", Outcome::Drop("400 Bad Request: bad request".into())).await;
    check(404, &[], "", Outcome::Drop("404 Not Found".into())).await;
    check(503, &[], "", again("503 Service Unavailable", None)).await;
    check(401, &[], "", again("401 Unauthorized", None)).await;
    let wait = Some(Duration::from_secs(120));
    check(429, &[("retry-after", "120")], "slow down", again("429 Too Many Requests: slow down", wait)).await;
    check(500, &[], "POST /services/T0K3NT0K3N failed", again("500 Internal Server Error: POST <secret> failed", None))
        .await;
    let long = "x".repeat(100_000);
    server.answer(200, &[], &long);
    assert!(matches!(send(&config).await, Outcome::Delivered(answer) if answer.len() == notify::ANSWER_MAX));
}

#[tokio::test]
async fn a_redirect_is_followed_only_where_the_post_survives() {
    let (first, second) = (HookServer::start().await, HookServer::start().await);
    let config = format!("webhook_configs: [{{url: '{}'}}]", first.url("/a"));
    first.answer(307, &[("location", &second.url("/b"))], "");
    assert_eq!(send(&config).await, Outcome::Delivered("200 OK: thanks".into()));
    assert_eq!(second.got()[0].json()["version"], "4");
    for (status, location) in [(302, second.url("/b")), (307, format!("http://localhost:{}/b", second.port))] {
        first.answer(status, &[("location", &location)], "");
        let why = retry(send(&config).await);
        assert!(why.starts_with(&status.to_string()), "{why}");
    }
    assert_eq!(second.got().len(), 1);
}

#[tokio::test]
async fn a_webhook_that_cannot_be_reached_is_tried_again_and_its_url_stays_secret() {
    let server = HookServer::start().await;
    let config = format!(
        "webhook_configs: [{{url: 'http://robot:hunter2hunter2@127.0.0.1:{}/services/T0K3NT0K3N?key=sesame123'}}]",
        server.port
    );
    server.stop().await;
    let why = retry(send(&config).await);
    assert!(why.contains("refused"), "{why}");
    assert!(!why.contains("T0K3N") && !why.contains("hunter2") && !why.contains("sesame"), "{why}");
}

/// A SOCKS 5 proxy without authentication, and the host and port that each client asked it for.
async fn socks5(to: u16) -> (std::net::SocketAddr, mpsc::Receiver<(String, u16)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, asked_for) = mpsc::channel(8);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (mut hello, mut request) = ([0; 3], [0; 5]);
            client.read_exact(&mut hello).await.unwrap();
            client.write_all(&[5, 0]).await.unwrap();
            client.read_exact(&mut request).await.unwrap();
            let [5, 1, 0, 3, length] = request else { panic!("not CONNECT to a name: {request:?}") };
            let mut rest = vec![0; usize::from(length) + 2];
            client.read_exact(&mut rest).await.unwrap();
            let port = u16::from_be_bytes([rest[rest.len() - 2], rest[rest.len() - 1]]);
            asked.send((String::from_utf8_lossy(&rest[..rest.len() - 2]).into_owned(), port)).await.unwrap();
            let mut server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
            client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
        }
    });
    (address, asked_for)
}

#[tokio::test]
async fn a_webhook_goes_through_a_socks_proxy_that_looks_up_its_name() {
    let server = HookServer::start().await;
    let port = reqwest::Url::parse(&server.url("/")).unwrap().port().unwrap();
    let (proxy, mut asked_for) = socks5(port).await;
    let receiver = format!(
        "webhook_configs: [{{url: 'http://hooks.example:81/', http_config: {{proxy_url: 'socks5://{proxy}'}}}}]"
    );
    assert!(matches!(send(&receiver).await, Outcome::Delivered(_)));
    assert_eq!(asked_for.recv().await, Some(("hooks.example".into(), 81)));
    assert_eq!(server.got().len(), 1);
}
