//! What arrives, and what is shown, in another language than English and another time zone than UTC.

use std::{process::Command, sync::Arc, time::Duration};

use dogwatch::{
    clock::Clock,
    demo::sink::mail::Mail,
    health::{self, ClusterView, Recent},
    http::page::{Frame, IncidentPage, Now},
    model::{
        AddonFact, AddonRole, ClusterSnapshot, Finding, Incident, IncidentAlert, Notification, NotificationKind, Said,
        Situation,
    },
    notify::{self, Outcome},
    store::{Durability, StorageConfig, Store},
    telemetry::Metrics,
    words::{Language, Voice},
};
use jiff::{Timestamp, tz::TimeZone};
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

/// What the diagnosis says of a cluster whose DNS has had no pod for a minute.
fn without_dns(at: Timestamp) -> Finding {
    let dns = AddonFact {
        role: AddonRole::Dns,
        kind: "Deployment",
        key: "kube-system/coredns".into(),
        ready: 0,
        wanted: 2,
        is_replaced: false,
        since: Some(at - Duration::from_secs(60)),
        images: "coredns:1.14".into(),
        changed: None,
        memory_kills: 2,
    };
    let situation = Situation { as_of: Some(at), addons: vec![dns], ..Situation::default() };
    let diagnosis = health::diagnose(&ClusterView {
        cluster: &Arc::from("prod"),
        now: at,
        targets: Vec::new(),
        checks: Vec::new(),
        elsewhere: Vec::new(),
        canaries: &[],
        situation: Some(&situation),
        recent: &Recent::default(),
        snapshot: &ClusterSnapshot::default(),
        own_certificates: &[],
        own_token: None,
        vantage_ok: true,
    });
    diagnosis.findings.into_iter().next().unwrap()
}

fn incident_of(finding: Finding) -> Incident {
    let (since, headline) = (finding.since, finding.headline.clone());
    let mut incident = Incident::new(7, "prod".into(), finding.topic, since, headline, finding.severity);
    incident.alerts.push(IncidentAlert::new(finding, since));
    incident
}

/// As its mails and its report have it.
const DNS_IS_DOWN: &str = "le DNS du cluster est en panne\u{a0}: coredns n'a aucun pod prêt (0 sur 2)\u{a0}; ses conteneurs sont \
                           tués par manque de mémoire";

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
async fn what_is_found_in_objects_is_mailed_in_french_with_its_first_step() {
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::new(dir.path());
    let mut server = MailServer::start(&pki, "starttls", None, 0).await;
    let receiver = format!(
        "language: fr, email_configs: [{{to: a@example.org, smarthost: 'localhost:{}', tls_config: {{ca_file: {}}}}}]",
        server.port,
        pki.cert.display()
    );
    let n = notification();
    deliver(&receiver, &Notification { incident: incident_of(without_dns(n.at)), ..n }).await;
    let data = server.next().await.data;
    let text = texts(&data);
    assert_eq!(subject(data), format!("[prod] {DNS_IS_DOWN}"));
    let step = "À faire en premier\n  `kubectl -n kube-system describe deployment coredns`\u{a0}; `kubectl -n kube-system rollout undo \
                deployment coredns` s'il a été modifié";
    assert!(text.contains(step), "{step:?} is missing in\n{text}");
}

#[tokio::test]
async fn a_report_is_in_french_with_what_was_found_in_objects() {
    let dir = tempfile::tempdir().unwrap();
    let at: Timestamp = "2026-10-05T12:00:00Z".parse().unwrap();
    let clock = Clock::anchored(at + Duration::from_secs(7_200));
    let store = Store::open(dir.path().into(), StorageConfig::default(), Arc::new(Metrics::new()), clock).0;
    let mut incident = incident_of(without_dns(at));
    incident.resolved_at = Some(at + Duration::from_secs(3_600));
    assert_eq!(store.commit(vec![incident], Vec::new()).await, Durability::Durable);
    store.close(Duration::from_secs(20)).await;
    let config = dir.path().join("dogwatch.yml");
    std::fs::write(&config, format!("data_dir: {}\nclusters: [{{name: prod}}]\n", dir.path().display())).unwrap();
    let report = |language: &str| {
        let mut run = Command::new(env!("CARGO_BIN_EXE_dogwatch"));
        run.args(["report", "--month", "2026-10", "--language", language, "-c"]).arg(&config);
        let output = run.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let french = report("fr");
    for words in ["# Disponibilité\u{a0}: octobre 2026", DNS_IS_DOWN] {
        assert!(french.contains(words), "{words:?} is missing in\n{french}");
    }
    let english = report("en");
    assert!(english.contains("the cluster's DNS is down: coredns has no ready pod (0 of 2)"), "{english}");
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
