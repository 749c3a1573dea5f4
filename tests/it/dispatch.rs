//! From a diagnosis to a receiver's inbox, with real SQLite, real HTTP and real SMTP.

mod fleet;

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use dogwatch::{
    clock::Clock,
    dispatch::{Deps, Dispatch, Inputs, Routing, Settings, Submissions, config::RouteConfig},
    model::{Alert, AlertName, Diagnosis, Finding, FindingKey, Firing, Live, RuleAlert, Severity, Topic},
    notify::{self, config::ReceiverConfig},
    store::{DeliveryOutcome, StorageConfig, Store},
    telemetry::Metrics,
};
use jiff::Timestamp;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    eventually::eventually,
    receivers::{HookServer, MailServer, Pki},
};

/// A dispatch that runs on a database.
pub struct Run {
    diagnoses: mpsc::Sender<Diagnosis>,
    rules: mpsc::Sender<Firing>,
    settings: watch::Sender<Arc<Settings>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    live: Live,
    store: Store,
}

fn settings(receiver: &str) -> Settings {
    let receivers: Vec<ReceiverConfig> = serde_saphyr::from_str(&format!("[{{name: ops, {receiver}}}]")).unwrap();
    let global = serde_saphyr::from_str("{smtp_from: watch@example.org}").unwrap();
    Settings {
        integrations: notify::integrations(&global, &receivers, &notify::default_library().unwrap()).unwrap(),
        rate_limits: Default::default(),
        routing: Routing::new(
            Some(&RouteConfig::to("ops")),
            &["ops"],
            &[],
            [("time_intervals", &[]), ("mute_time_intervals", &[])],
        )
        .unwrap(),
        tell_warnings_after: Duration::from_secs(60),
        give_up_after: Duration::from_secs(3_600),
        resolve_timeout: Duration::from_secs(300),
        rule_groups: BTreeSet::from(["g".into()]),
        drill: false,
        peer: None,
        external_url: "https://watch.example.org/".into(),
        external_labels: Default::default(),
        clusters: BTreeSet::from(["prod".into(), "test".into()]),
    }
}

pub fn start(data_dir: &Path, receiver: &str) -> Run {
    start_with(data_dir, settings(receiver))
}

fn start_with(data_dir: &Path, settings: Settings) -> Run {
    notify::init();
    let (metrics, clock, live) = (Arc::new(Metrics::new()), Clock::system(), Live::default());
    let (store, restored) = Store::open(data_dir.to_owned(), StorageConfig::default(), metrics.clone(), clock.clone());
    let (settings, watched) = watch::channel(Arc::new(settings));
    let deps = Deps { store: store.clone(), live: live.clone(), metrics, clock, settings: watched };
    let (diagnoses, inbox) = mpsc::channel(16);
    let stop = CancellationToken::new();
    let (rules, firing) = mpsc::channel(1);
    let (_, requests) = Submissions::new();
    let inputs = Inputs { diagnoses: inbox, firing, requests, findings: Vec::new() };
    let task = tokio::spawn(Dispatch::new(deps, &restored).run(inputs, stop.clone()));
    Run { diagnoses, rules, settings, stop, task, live, store }
}

impl Run {
    async fn diagnose(&self, findings: &[Finding]) {
        self.diagnose_of("prod", findings).await;
    }

    async fn diagnose_of(&self, cluster: &str, findings: &[Finding]) {
        let (cluster, at) = (cluster.into(), Timestamp::now());
        let diagnosis = Diagnosis {
            cluster,
            at,
            findings: findings.to_vec(),
            unsettled: false,
            blind: false,
            changes: Arc::default(),
        };
        self.tell(diagnosis).await;
    }

    pub async fn tell(&self, diagnosis: Diagnosis) {
        self.diagnoses.send(diagnosis).await.unwrap();
    }

    async fn pending(&self, count: usize) {
        eventually(&format!("{count} messages wait"), async || self.live.read().outbox_pending == count).await;
    }

    pub async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
        self.store.close(Duration::from_secs(5)).await;
    }
}

pub fn hook(server: &HookServer) -> String {
    format!("webhook_configs: [{{url: '{}'}}]", server.url("/hook"))
}

pub fn finding(alert: AlertName, headline: &str) -> Finding {
    Finding::new(
        FindingKey { cluster: "prod".into(), alert, subject: String::new() },
        Severity::Critical,
        Topic::Outage,
        headline.into(),
        Timestamp::now(),
    )
}

fn member() -> Finding {
    finding(AlertName::EtcdMemberDown, "etcd member etcd-2 is down")
}

fn quorum() -> Finding {
    finding(AlertName::EtcdQuorumLost, "etcd has lost quorum")
}

/// What each message was told for, in the order of arrival.
fn told(server: &HookServer) -> Vec<String> {
    let one = |body: serde_json::Value| format!("{} {}", body["dogwatch"]["sequence"], body["dogwatch"]["told"]);
    server.got().iter().map(|hook| one(hook.json()).replace('"', "")).collect()
}

#[tokio::test]
async fn an_outage_is_told_once_when_it_begins_and_once_when_it_ends() {
    let (dir, server) = (tempfile::tempdir().unwrap(), HookServer::start().await);
    let run = start(dir.path(), &hook(&server));
    run.diagnose(&[quorum()]).await;
    server.wait_for(1).await;
    run.diagnose(&[quorum()]).await;
    run.diagnose(&[]).await;
    // Nobody diagnoses again: the hold ends by the loop's own clock.
    server.wait_for(2).await;
    run.pending(0).await;
    assert_eq!(told(&server), ["0 opened", "1 resolved"]);
    let incident = run.live.read().incidents[0].clone();
    assert!(incident.resolved_at.is_some());
    let deliveries = run.store.deliveries(incident.id).await.unwrap();
    let outcomes: Vec<_> = deliveries.iter().map(|d| (d.sequence, d.outcome, d.answer.as_str())).collect();
    assert_eq!(
        outcomes,
        [(0, DeliveryOutcome::Delivered, "200 OK: thanks"), (1, DeliveryOutcome::Delivered, "200 OK: thanks")]
    );
    run.end().await;
}

#[tokio::test]
async fn a_receiver_that_was_down_gets_everything_in_order() {
    let (dir, server) = (tempfile::tempdir().unwrap(), HookServer::start().await);
    server.stop().await;
    let run = start(dir.path(), &hook(&server));
    run.diagnose(&[member()]).await;
    run.diagnose(&[quorum()]).await;
    run.pending(2).await;
    eventually("the receiver is known to fail", async || !run.live.read().failing_receivers.is_empty()).await;
    let (receiver, why) = run.live.read().failing_receivers[0].clone();
    assert_eq!(receiver, "ops/webhook[0]");
    assert!(why.contains("refused"), "{why}");
    server.start_again().await;
    server.wait_for(2).await;
    run.pending(0).await;
    assert_eq!(told(&server), ["0 opened", "1 worse"]);
    assert!(run.live.read().failing_receivers.is_empty());
    run.end().await;
}

#[tokio::test]
async fn what_was_not_delivered_is_after_a_restart_and_nothing_is_told_twice() {
    let (dir, server) = (tempfile::tempdir().unwrap(), HookServer::start().await);
    server.stop().await;
    let run = start(dir.path(), &hook(&server));
    run.diagnose(&[quorum()]).await;
    run.pending(1).await;
    run.end().await;

    server.start_again().await;
    let run = start(dir.path(), &hook(&server));
    server.wait_for(1).await;
    run.diagnose(&[quorum()]).await;
    run.pending(0).await;
    run.diagnose(&[]).await;
    server.wait_for(2).await;
    assert_eq!(told(&server), ["0 opened", "1 resolved"]);
    let keys: BTreeSet<String> = server.got().iter().map(|h| h.json()["groupKey"].to_string()).collect();
    assert_eq!(keys.len(), 1, "one incident: {keys:?}");
    run.end().await;
}

#[tokio::test]
async fn what_a_receiver_refuses_for_good_holds_up_nothing() {
    let (dir, server) = (tempfile::tempdir().unwrap(), HookServer::start().await);
    server.answer(400, &[], "no such channel");
    let run = start(dir.path(), &hook(&server));
    run.diagnose(&[member()]).await;
    server.wait_for(1).await;
    run.pending(0).await;
    server.answer(200, &[], "");
    run.diagnose(&[quorum()]).await;
    server.wait_for(2).await;
    run.pending(0).await;
    let id = run.live.read().incidents.iter().find(|i| &*i.cluster == "prod").unwrap().id;
    let deliveries = run.store.deliveries(id).await.unwrap();
    let outcomes: Vec<_> = deliveries.iter().map(|d| (d.outcome, d.answer.as_str())).collect();
    let refused = (DeliveryOutcome::Dropped, "400 Bad Request: no such channel");
    assert_eq!(outcomes, [refused, (DeliveryOutcome::Delivered, "200 OK")]);
    run.end().await;
}

#[tokio::test]
async fn a_receiver_that_failed_is_not_well_by_a_restart() {
    let (dir, server) = (tempfile::tempdir().unwrap(), HookServer::start().await);
    server.answer(400, &[], "no such channel");
    let run = start(dir.path(), &hook(&server));
    run.diagnose(&[member()]).await;
    let own = |run: &Run| run.live.read().incidents.iter().find(|i| i.cluster.is_empty()).cloned();
    eventually("its failure is an incident", async || own(&run).is_some()).await;
    run.end().await;

    let run = start(dir.path(), &hook(&server));
    let failing = vec![("ops/webhook[0]".to_owned(), "400 Bad Request: no such channel".to_owned())];
    eventually("it is known again", async || run.live.read().failing_receivers == failing).await;
    // The watchdog finds nothing wrong with itself, and goes on saying so.
    run.diagnose_of("", &[]).await;
    server.answer(200, &[], "");
    run.diagnose(&[quorum()]).await;
    eventually("a message that it takes ends it", async || own(&run).unwrap().resolved_at.is_some()).await;
    let outage = run.live.read().incidents[0].id;
    let taken = run.store.deliveries(outage).await.unwrap();
    assert!(taken.iter().any(|d| d.outcome == DeliveryOutcome::Delivered), "not before it was taken: {taken:?}");
    run.end().await;
}

#[tokio::test]
async fn mails_of_one_incident_are_one_thread() {
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::new(dir.path());
    let mut server = MailServer::start(&pki, "starttls", Some(("robot", "sesame")), 0).await;
    let email = format!(
        "email_configs: [{{to: a@example.org, smarthost: 'localhost:{}', auth_username: robot, \
         auth_password: sesame, tls_config: {{ca_file: {}}}}}]",
        server.port,
        pki.cert.display()
    );
    let run = start(dir.path(), &email);
    run.diagnose(&[member()]).await;
    let first = server.next().await;
    run.diagnose(&[quorum()]).await;
    let worse = server.next().await;
    run.diagnose(&[]).await;
    let last = server.next().await;
    assert_eq!(first.header("Subject").unwrap(), "[prod] etcd member etcd-2 is down");
    assert_eq!(worse.header("Subject").unwrap(), "[prod] Worse: etcd has lost quorum");
    let subject = last.header("Subject").unwrap();
    assert!(subject.starts_with("[prod] Resolved after ") && subject.ends_with(": etcd has lost quorum"), "{subject}");
    let thread = first.header("Message-ID").unwrap();
    assert_eq!(first.header("References"), None);
    assert_eq!(worse.header("References").unwrap(), thread);
    assert_eq!(last.header("In-Reply-To").unwrap(), thread);
    run.end().await;
}

#[tokio::test]
async fn a_cluster_that_leaves_the_configuration_leaves_its_incidents() {
    let (dir, server) = (tempfile::tempdir().unwrap(), HookServer::start().await);
    let run = start(dir.path(), &hook(&server));
    run.diagnose(&[quorum()]).await;
    server.wait_for(1).await;
    run.settings.send_modify(|s| Arc::make_mut(s).clusters = BTreeSet::new());
    let got = server.wait_for(2).await;
    assert_eq!(got[1].json()["dogwatch"]["subject"], "[prod] No longer watched: etcd has lost quorum");
    run.end().await;
}

#[tokio::test]
async fn messages_to_a_receiver_that_left_the_configuration_are_dropped() {
    let (dir, server) = (tempfile::tempdir().unwrap(), HookServer::start().await);
    server.answer(503, &[], "");
    let run = start(dir.path(), &hook(&server));
    run.diagnose(&[quorum()]).await;
    server.wait_for(1).await;
    run.settings.send_modify(|s| Arc::make_mut(s).integrations.clear());
    run.pending(0).await;
    let id = run.live.read().incidents[0].id;
    let deliveries = run.store.deliveries(id).await.unwrap();
    let last = deliveries.last().unwrap();
    assert_eq!(
        (last.outcome, last.answer.as_str()),
        (DeliveryOutcome::Dropped, "its receiver is no longer configured")
    );
    run.end().await;
}

#[tokio::test]
async fn a_rule_whose_window_holds_an_outage_waits_and_another_is_told() {
    let (dir, server) = (tempfile::tempdir().unwrap(), HookServer::start().await);
    let run = start(dir.path(), &hook(&server));
    run.diagnose(&[member()]).await;
    server.wait_for(1).await;
    let rule = |name: &str, job: &str| {
        let labels = [("alertname", name), ("cluster", "prod"), ("job", job)];
        let alert = Alert {
            labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            annotations: Default::default(),
            // It fires for longer than its group waits.
            starts_at: Timestamp::now() - Duration::from_secs(60),
            ends_at: None,
            generator_url: String::new(),
        };
        RuleAlert { alert, looks_back: Duration::from_secs(900) }
    };
    let alerts = vec![rule("EtcdLeaderChanges", "etcd"), rule("QueueFull", "shop")];
    run.rules.send(Firing { source: "g".into(), at: Timestamp::now(), alerts }).await.unwrap();
    run.diagnose(&[]).await;
    let told = server.wait_for(2).await;
    assert_eq!(told[1].json()["commonLabels"]["alertname"], "QueueFull");
    let shown = run.live.read().alerts.iter().find(|a| a.alert.name() == "EtcdLeaderChanges").cloned().unwrap();
    assert_eq!(shown.explained_by.as_deref(), Some("etcd member etcd-2 is down"));
    run.end().await;
}

#[tokio::test]
async fn what_says_the_same_as_a_diagnosis_is_listed_with_its_incident() {
    let (dir, server) = (tempfile::tempdir().unwrap(), HookServer::start().await);
    let run = start(dir.path(), &hook(&server));
    run.diagnose(&[quorum()]).await;
    server.wait_for(1).await;
    let id = run.live.read().incidents[0].id;
    let alert = |name: &str| Alert {
        labels: [("alertname", name), ("cluster", "prod"), ("job", "etcd")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
        annotations: Default::default(),
        starts_at: Timestamp::now(),
        ends_at: None,
        generator_url: String::new(),
    };
    let rule = |name: &str| RuleAlert { alert: alert(name), looks_back: Duration::ZERO };
    let alerts = vec![rule("EtcdQuorumLost"), rule("etcdNoLeader")];
    run.rules.send(Firing { source: "g".into(), at: Timestamp::now(), alerts }).await.unwrap();
    eventually("both are explained by it", async || {
        let state = run.live.read();
        let explained = |name: &str| {
            let of_rule = |a: &&dogwatch::model::LiveAlert| a.alert.name() == name && a.explained_by.is_some();
            state.alerts.iter().find(of_rule).is_some_and(|a| a.incident == Some(id))
        };
        explained("EtcdQuorumLost") && explained("etcdNoLeader")
    })
    .await;
    run.end().await;
}

#[tokio::test]
async fn a_warning_that_mends_itself_is_a_record_and_told_to_nobody() {
    let (dir, server) = (tempfile::tempdir().unwrap(), HookServer::start().await);
    let run = start(dir.path(), &hook(&server));
    let kubelet = Finding { severity: Severity::Warning, ..finding(AlertName::KubeletDown, "kubelet on n1 is down") };
    run.diagnose(std::slice::from_ref(&kubelet)).await;
    eventually("it is on the page", async || run.live.read().incidents.len() == 1).await;
    run.diagnose(&[]).await;
    eventually("it is over", async || run.live.read().incidents.iter().all(|i| i.resolved_at.is_some())).await;
    // One that has lasted is told.
    let lasting = Finding { since: Timestamp::now() - Duration::from_secs(61), ..kubelet };
    run.diagnose(&[lasting]).await;
    let told = server.wait_for(1).await;
    assert_eq!(told[0].json()["dogwatch"]["subject"], "[prod] kubelet on n1 is down");
    assert_eq!(run.live.read().incidents.iter().filter(|i| i.messages == 0).count(), 1);
    run.end().await;
}

#[tokio::test]
async fn an_alarm_without_a_date_began_when_it_was_first_seen_over_a_restart_too() {
    let (dir, server) = (tempfile::tempdir().unwrap(), HookServer::start().await);
    let seen = |minutes: i64| {
        let since = Timestamp::now() - jiff::SignedDuration::from_mins(60 - minutes);
        Finding { since, ..finding(AlertName::EtcdAlarm, "etcd is out of space") }
    };
    let first = seen(0);
    // Each diagnosis has it since its own probe; what it says shows that it was taken in.
    let shown = async |run: &Run, minutes: i64| {
        let marker = format!("probe {minutes}");
        run.diagnose(&[Finding { evidence: vec![marker.clone()], ..seen(minutes) }]).await;
        eventually("the diagnosis is taken in", async || {
            let live = run.live.read();
            live.incidents.iter().flat_map(|i| &i.alerts).any(|a| a.finding.evidence.contains(&marker))
        })
        .await;
        let alerts = run.live.read().alerts.clone();
        alerts.iter().map(|a| a.alert.starts_at).collect::<Vec<_>>()
    };
    let run = start(dir.path(), &hook(&server));
    run.diagnose(std::slice::from_ref(&first)).await;
    server.wait_for(1).await;
    assert_eq!(shown(&run, 5).await, [first.since]);
    run.end().await;
    let run = start(dir.path(), &hook(&server));
    assert_eq!(shown(&run, 10).await, [first.since]);
    run.end().await;
}

#[tokio::test]
async fn messages_beyond_the_limit_are_told_of() {
    let dir = tempfile::tempdir().unwrap();
    // It takes connections and says nothing: what is not under way stays untried, and then nobody can have heard of it.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", silent.local_addr().unwrap());
    let three = format!("webhook_configs: [{{url: '{url}'}}, {{url: '{url}'}}, {{url: '{url}'}}]");
    let route: RouteConfig = serde_saphyr::from_str("{receiver: ops, group_by: [id], group_wait: 0s}").unwrap();
    let times: [(&str, &[_]); 2] = [("time_intervals", &[]), ("mute_time_intervals", &[])];
    let routing = Routing::new(Some(&route), &["ops"], &[], times).unwrap();
    let run = start_with(dir.path(), Settings { routing, ..settings(&three) });
    let storm = (0..1_700).map(|id| {
        let labels = [("alertname", "Storm".to_owned()), ("id", id.to_string())].map(|(k, v)| (k.to_owned(), v));
        let alert = Alert {
            labels: labels.into(),
            annotations: Default::default(),
            starts_at: Timestamp::now(),
            ends_at: None,
            generator_url: String::new(),
        };
        RuleAlert { alert, looks_back: Duration::ZERO }
    });
    run.rules.send(Firing { source: "g".into(), at: Timestamp::now(), alerts: storm.collect() }).await.unwrap();
    eventually("the loss is told", async || {
        run.live.read().incidents.iter().any(|i| i.headline.starts_with("messages are dropped: more than 5000 wait"))
    })
    .await;
    let unheard = run.live.read().incidents.iter().find(|i| !i.unheard.is_empty()).cloned().unwrap();
    let dropped = run.store.deliveries(unheard.id).await.unwrap();
    assert!(dropped.iter().any(|d| d.outcome == DeliveryOutcome::Dropped && d.answer.contains("messages wait")));
    run.end().await;
}
