//! The report of a month by mail: the real program, a real SMTP server, kills in between.

use std::{sync::Arc, time::Duration};

use dogwatch::{
    clock::Clock,
    store::{StorageConfig, Store},
    telemetry::Metrics,
};

use crate::{
    alerting::watch::{Watch, free_port},
    eventually::eventually,
    receivers::{MailServer, Pki},
};

/// Told long ago: the last month is due at once.
async fn told_long_ago(watch: &Watch) {
    let (store, _) = Store::open(watch.data(), StorageConfig::default(), Arc::new(Metrics::new()), Clock::system());
    store.commit_value("report/told", "2020-01").await;
    store.close(Duration::from_secs(10)).await;
}

fn told(watch: &Watch) -> String {
    let store = Store::read_only(watch.data(), Arc::new(Metrics::new()), Clock::system()).unwrap();
    store.value("report/told").unwrap().unwrap_or_default()
}

#[tokio::test]
async fn the_report_of_the_last_month_is_mailed_once_over_kills() {
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::new(dir.path());
    let port = free_port();
    let config = format!(
        "report: {{receivers: [ops], schedule: '0 0 1 * *'}}
restore_drills: [{{name: restore-etcd, every: 90d, token_file: restore-token}}]
heartbeats: [{{name: backup, every: 1000h, token_file: token}}]
receivers: [{{name: ops, email_configs: [{{to: a@example.org, from: watch@example.org, smarthost: 'localhost:{port}', require_tls: false}}]}}]"
    );
    let mut watch = Watch::start("").await;
    watch.write("restore-token", "restore-0123456789abcdef");
    watch.kill();
    told_long_ago(&watch).await;
    watch.configure(&config);
    watch.start_again().await;
    // The mail server is away: the message waits in the outbox, and a kill takes nothing from it.
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let month = now.first_of_month().yesterday().unwrap();
    let expected = month.strftime("%Y-%m").to_string();
    eventually("the month is written down", async || told(&watch) == expected).await;
    watch.kill();
    let mut server = MailServer::start(&pki, "plain", None, port).await;
    watch.start_again().await;
    let mail = server.next().await;
    assert_eq!(mail.to, ["a@example.org"]);
    let subject = month.strftime("Report of %B %Y").to_string();
    assert_eq!(mail.header("Subject").unwrap(), subject);
    let id = mail.header("Message-ID").unwrap().to_owned();
    assert!(id.contains(&month.strftime("-%Y%m-0").to_string()), "{id}");
    for part in ["text/plain", "text/html", "## Restore drills", "<h2>Restore drills</h2>", "restore-etcd"] {
        assert!(mail.data.contains(part), "{part}: {}", mail.data);
    }
    // Told again, as after a crash before the month was written down: the same message.
    let is_told = async |watch: &Watch| watch.metric("dogwatch_outbox_pending").await == Some(0.0);
    eventually("the outbox is empty", async || is_told(&watch).await).await;
    watch.kill();
    told_long_ago(&watch).await;
    watch.start_again().await;
    assert_eq!(server.next().await.header("Message-ID").unwrap(), id);
    // And once more, with nothing to tell: the next mail is that of another month.
    eventually("the month is written down again", async || told(&watch) == expected).await;
    // Killed before it is written that the server took it, it would be sent once more, under the same id.
    eventually("the outbox is empty again", async || is_told(&watch).await).await;
    watch.kill();
    watch.start_again().await;
    let looked = async || watch.query("dogwatch_heartbeat_up").await.is_some();
    eventually("it has looked", looked).await;
    let another = tokio::time::timeout(Duration::from_secs(2), server.next()).await;
    assert!(another.is_err(), "nothing is sent twice");
}
