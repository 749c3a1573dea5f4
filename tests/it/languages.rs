//! What arrives, and what is shown, in another language than English and another time zone than UTC.

use std::time::Duration;

use dogwatch::{
    demo::sink::mail::Mail,
    http::page::{Frame, IncidentPage, Now},
    model::{Notification, NotificationKind, Said},
    notify::{self, Outcome},
    words::{Language, Voice},
};
use jiff::tz::TimeZone;
use tokio::time::Instant;

use crate::{
    notify::{integration, notification},
    readable::texts,
    receivers::{HookServer, MailServer, Pki},
};

/// As the diagnosis says it.
fn told(kind: NotificationKind) -> Notification {
    let mut n = Notification { told: kind, ..notification() };
    let members = Said::new("members-down").with("n", 2_usize).with("total", 3_usize);
    let finding = &mut n.incident.alerts[0].finding;
    finding.said = vec![
        Said::new("etcd-quorum-lost").with("sure", "yes").with("how", members),
        Said::new("etcd-serves-reads"),
        Said::new("no-change-until-quorum").with("needed", 2_usize).with("total", 3_usize),
    ];
    finding.still_works = vec!["etcd serves reads".into()];
    finding.consequences = vec![
        "nothing can be created, changed, scheduled or moved until 2 of 3 members answer".into(),
        "what nobody has translated".into(),
    ];
    if kind == NotificationKind::Resolved {
        n.incident.resolved_at = Some(n.at + Duration::from_secs(3 * 86_400 + 4 * 3_600));
    }
    n
}

/// A mail's subject, decoded.
fn subject(data: String) -> String {
    Mail::new(String::new(), Vec::new(), data).subject()
}

async fn deliver(receiver: &str, n: &Notification) {
    let outcome = integration(receiver).send(n, Instant::now() + Duration::from_secs(10)).await;
    assert!(matches!(outcome, Outcome::Delivered(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_mail_arrives_in_french_with_the_time_of_paris() {
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::new(dir.path());
    let mut server = MailServer::start(&pki, "starttls", None, 0).await;
    let receiver = format!(
        "language: fr, timezone: Europe/Paris, email_configs: [{{to: a@example.org, smarthost: 'localhost:{}', \
         tls_config: {{ca_file: {}}}}}]",
        server.port,
        pki.cert.display()
    );
    deliver(&receiver, &told(NotificationKind::Opened)).await;
    let data = server.next().await.data;
    let text = texts(&data);
    assert_eq!(subject(data), "[prod] etcd a perdu le quorum\u{a0}: 2 membres sur 3 en panne");
    for words in [
        "PROBLÈME [prod]",
        "Depuis le 23/11/2026 15:02:15 CET, soit moins de 1 s au moment de ce message.",
        "À faire en premier\n  start etcd-2",
        "Ce qui fonctionne encore\n  - etcd sert les lectures",
        "Ce qui a été constaté",
        "Conséquences\n  - rien ne peut être créé, modifié, planifié ni déplacé tant que 2 membres sur 3 ne répondent pas",
        // What has no translation is told in English.
        "what nobody has translated",
        "incident 7, message 1",
    ] {
        assert!(text.contains(words), "{words:?} is missing in\n{text}");
    }
    assert!(text.contains("<html lang=\"fr\">") && text.matches("Ce qui fonctionne encore").count() == 2);
    deliver(&receiver, &told(NotificationKind::Resolved)).await;
    assert_eq!(
        subject(server.next().await.data),
        "[prod] Rétabli après 3 jours 4 h\u{a0}: etcd a perdu le quorum\u{a0}: 2 membres sur 3 en panne"
    );
}

#[tokio::test]
async fn a_webhook_says_it_in_french_and_compares_as_before() {
    let server = HookServer::start().await;
    let receiver = |language: &str| format!("{language}webhook_configs: [{{url: '{}'}}]", server.url("/hook"));
    let (french, english) = (receiver("language: fr, "), receiver(""));
    for receiver in [french, english] {
        deliver(&receiver, &told(NotificationKind::Opened)).await;
    }
    let bodies: Vec<serde_json::Value> = server.wait_for(2).await.iter().map(|hook| hook.json()).collect();
    let [french, english] = &bodies[..] else { panic!("{bodies:?}") };
    assert_eq!(french["dogwatch"]["headline"], "etcd a perdu le quorum\u{a0}: 2 membres sur 3 en panne");
    assert_eq!(french["alerts"][0]["annotations"]["summary"], french["dogwatch"]["headline"]);
    assert_eq!(english["dogwatch"]["headline"], "etcd has lost quorum: 2 of 3 members down");
    for same in ["groupKey", "status", "commonLabels", "groupLabels"] {
        assert_eq!(french[same], english[same], "{same}");
    }
    for same in ["labels", "fingerprint", "startsAt"] {
        assert_eq!(french["alerts"][0][same], english["alerts"][0][same], "{same}");
    }
}

#[test]
fn a_page_is_in_french() {
    let voice = Voice::new(Language::of("fr").unwrap(), TimeZone::get("Europe/Paris").unwrap());
    let n = told(NotificationKind::Opened);
    let now = Now { at: n.at + Duration::from_secs(252), voice };
    let html = IncidentPage::new(&n.incident, Ok(Vec::new()), &now).render(Frame::new("", &now)).unwrap();
    for words in [
        "<html lang=\"fr\">",
        "etcd a perdu le quorum\u{a0}: 2 membres sur 3 en panne",
        "depuis <strong>4 min 12 s</strong>, à partir du <time datetime=\"2026-11-23T14:02:15Z\">15:02:15 CET</time>",
        ">critique</span>",
        "<h3>Ce qui fonctionne encore</h3>",
        "<h2>Qui a été prévenu</h2>",
        "Aucune tentative encore.",
    ] {
        assert!(html.contains(words), "{words:?} is missing in\n{html}");
    }
}

#[test]
fn a_receiver_says_which_language_and_zone_are_wrong() {
    let receivers = serde_saphyr::from_str::<Vec<notify::config::ReceiverConfig>>("[{name: x, language: tlh}]");
    assert!(receivers.unwrap_err().to_string().contains("there are languages en, fr"));
    let receivers: Vec<notify::config::ReceiverConfig> =
        serde_saphyr::from_str("[{name: x, timezone: Europe/Nowhere}]").unwrap();
    let library = notify::default_library().unwrap();
    let error = notify::integrations(&Default::default(), &receivers, &library).unwrap_err();
    assert_eq!(
        error.to_string(),
        "receivers[0].timezone: unknown time zone Europe/Nowhere; write it like Europe/Paris"
    );
}
