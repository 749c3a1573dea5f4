//! One alert has one face: both APIs, the webhook, silences, routes and inhibition know it by the same labels and the same
//! fingerprint, wherever it comes from.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use dogwatch::{
    clock::Clock,
    dispatch::{Deps, Dispatch, Inputs, Routing, Settings, Submissions},
    http::{Connections, Web, in_force::InForce, router, serve},
    model::{Alert, AlertName, Diagnosis, Finding, FindingKey, Firing, Live, Pairs, RuleAlert, Severity, Topic},
    notify,
    query::{Engine, QueryConfig},
    store::{StorageConfig, Store},
    telemetry::Metrics,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{alerting::watch::Watch, eventually::eventually, receivers::HookServer};

/// Names that an alert's own labels have too: its own win.
const EXTERNAL: [(&str, &str); 4] =
    [("vantage", "paris"), ("cluster", "other"), ("severity", "odd"), ("subject", "ext")];

/// The alert that inhibits.
const SOURCE: &str = "Source";

/// An alert that is decided on after all others.
const SENTINEL: &str = "Sentinel";

fn pairs<const N: usize>(of: [(&str, &str); N]) -> Pairs {
    of.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
}

/// Where an alert comes from.
#[derive(Clone)]
enum From {
    Diagnosis(Box<Finding>),
    Rule(Pairs),
    Post(Pairs),
}

impl From {
    fn name(&self) -> String {
        match self {
            From::Diagnosis(f) => f.name(),
            From::Rule(labels) | From::Post(labels) => labels["alertname"].clone(),
        }
    }
}

fn found(alert: AlertName, cluster: &str, subject: &str, labels: Pairs) -> From {
    let key = FindingKey { cluster: cluster.into(), alert, subject: subject.into() };
    let topic = if cluster.is_empty() { Topic::Watchdog } else { Topic::Outage };
    let finding = Finding::new(key, Severity::Critical, topic, format!("{alert}!"), Timestamp::now());
    From::Diagnosis(Box::new(Finding { labels, evidence: vec!["seen".into()], ..finding }))
}

/// Every kind of alert, with the labels that it must have.
fn cases() -> Vec<(From, Pairs)> {
    let own = |name, more: &[(&str, &str)]| {
        let mut labels =
            pairs([("alertname", name), ("severity", "critical"), ("cluster", "prod"), ("vantage", "paris")]);
        labels.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        labels
    };
    let member = pairs([("instance", "10.0.0.1:2379"), ("job", "etcd")]);
    vec![
        (
            found(AlertName::EtcdMemberDown, "prod", "10.0.0.1:2379", member),
            own("EtcdMemberDown", &[("instance", "10.0.0.1:2379"), ("job", "etcd"), ("subject", "ext")]),
        ),
        (
            found(AlertName::NodeDown, "prod", "n1", pairs([("node", "n1")])),
            own("NodeDown", &[("node", "n1"), ("subject", "ext")]),
        ),
        (
            found(AlertName::CertificateExpiring, "prod", "CN=x", Pairs::new()),
            own("CertificateExpiring", &[("subject", "CN=x")]),
        ),
        // The subject is the value of a label that is only added: it is said all the same.
        (found(AlertName::KubeletDown, "prod", "paris", Pairs::new()), own("KubeletDown", &[("subject", "paris")])),
        (
            found(AlertName::StoreFailing, "", "", Pairs::new()),
            own("StoreFailing", &[("cluster", "other"), ("subject", "ext")]),
        ),
        (
            From::Rule(pairs([("alertname", "OfRule"), ("instance", "a:1"), ("subject", "own")])),
            own("OfRule", &[("instance", "a:1"), ("cluster", "other"), ("severity", "odd"), ("subject", "own")]),
        ),
        (
            From::Post(pairs([("alertname", "Posted"), ("severity", "page"), ("cluster", "prod")])),
            own("Posted", &[("severity", "page"), ("subject", "ext")]),
        ),
    ]
}

/// dispatch and the HTTP surface on one picture, with a receiver.
struct Rig {
    sink: HookServer,
    url: String,
    diagnoses: mpsc::Sender<Diagnosis>,
    firing: mpsc::Sender<Firing>,
    _stop: DropGuard,
    _dir: tempfile::TempDir,
}

fn matchers(labels: &Pairs) -> Vec<String> {
    labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect()
}

fn settings(sink: &HookServer, more: &str, inhibit: &str) -> Settings {
    let receivers = format!(
        "[{{name: ops, webhook_configs: [{{url: '{}'}}]}}, {{name: hit, webhook_configs: [{{url: '{}'}}]}}]",
        sink.url("/ops"),
        sink.url("/hit")
    );
    let receivers: Vec<notify::config::ReceiverConfig> = serde_saphyr::from_str(&receivers).unwrap();
    let route = format!("{{receiver: ops, group_by: [alertname], group_wait: 0s, group_interval: 1s{more}}}");
    let routing = Routing::new(
        Some(&serde_saphyr::from_str(&route).unwrap()),
        &["ops", "hit"],
        &serde_saphyr::from_str::<Vec<_>>(inhibit).unwrap(),
        [("time_intervals", &[]), ("mute_time_intervals", &[])],
    );
    let global = Default::default();
    Settings {
        integrations: notify::integrations(&global, &receivers, &notify::default_library().unwrap()).unwrap(),
        rate_limits: Default::default(),
        routing: routing.unwrap(),
        tell_warnings_after: Duration::from_secs(60),
        give_up_after: Duration::from_secs(60),
        resolve_timeout: Duration::from_secs(300),
        rule_groups: BTreeSet::from(["r.yml;g".into()]),
        drill: false,
        peer: None,
        external_url: "https://watch.example.org/".into(),
        external_labels: pairs(EXTERNAL),
        clusters: BTreeSet::from(["prod".into()]),
    }
}

impl Rig {
    async fn start(more: &str, inhibit: &str) -> Self {
        notify::init();
        let (sink, dir) = (HookServer::start().await, tempfile::tempdir().unwrap());
        let (metrics, clock, live) = (Arc::new(Metrics::new()), Clock::system(), Live::default());
        let (store, restored) =
            Store::open(dir.path().to_owned(), StorageConfig::default(), metrics.clone(), clock.clone());
        let (_, watched) = watch::channel(Arc::new(settings(&sink, more, inhibit)));
        let (submissions, requests) = Submissions::new();
        let deps = Deps {
            store: store.clone(),
            live: live.clone(),
            metrics: metrics.clone(),
            clock: clock.clone(),
            settings: watched,
        };
        let ((diagnoses, diagnosed), (firing, fired)) = (mpsc::channel(16), mpsc::channel(16));
        let inputs = Inputs { diagnoses: diagnosed, firing: fired, requests, findings: Vec::new() };
        let stop = CancellationToken::new();
        tokio::spawn(Dispatch::new(deps, &restored).run(inputs, stop.clone()));
        let engine = Engine::new(store.clone(), QueryConfig::default(), metrics.clone());
        let deps = dogwatch::heartbeat::Deps { store: store.clone(), live: live.clone(), clock: clock.clone() };
        let web = Web {
            live,
            metrics,
            store,
            engine,
            external_labels: Arc::new(pairs(EXTERNAL)),
            config: InForce::new("".into(), None, &[]),
            retention: "90d".into(),
            clock,
            reload: mpsc::channel(1).0,
            external_url: "https://watch.example.org/".into(),
            sessions: dogwatch::login::Sessions::default(),
            own_names: Arc::new([]),
            door: Default::default(),
            submissions,
            rules: dogwatch::rule::GroupStates::default(),
            language: None,
            zone: jiff::tz::TimeZone::UTC,
            slos: Arc::default(),
            heartbeats: dogwatch::heartbeat::Heartbeats::new(Vec::new(), Default::default(), &[], deps),
            routes: "".into(),
            receivers: Arc::new([]),
            peer: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(listener, router(web), Connections::new(Arc::default()), stop.clone()));
        Self { sink, url, diagnoses, firing, _stop: stop.drop_guard(), _dir: dir }
    }

    async fn post(&self, path: &str, body: &Value) {
        let request = reqwest::Client::new().post(format!("{}{path}", self.url)).body(body.to_string());
        let answer = request.header("content-type", "application/json").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{}", answer.text().await.unwrap());
    }

    async fn feed(&self, what: &From) {
        match what {
            From::Diagnosis(finding) => {
                let (cluster, findings) = (finding.key.cluster.clone(), vec![(**finding).clone()]);
                let at = Timestamp::now();
                self.diagnoses
                    .send(Diagnosis { cluster, at, findings, unsettled: false, blind: false, changes: Arc::default() })
                    .await
                    .unwrap();
            }
            From::Rule(labels) => {
                let at = Timestamp::now();
                let alert = Alert {
                    labels: labels.clone(),
                    annotations: pairs([("summary", "by a rule")]),
                    starts_at: at,
                    ends_at: None,
                    generator_url: "https://watch.example.org/query".into(),
                };
                let alerts = vec![RuleAlert { alert, looks_back: Duration::ZERO }];
                self.firing.send(Firing { source: "r.yml;g".into(), at, alerts }).await.unwrap();
            }
            From::Post(labels) => self.post("/api/v2/alerts", &json!([posted(labels)])).await,
        }
    }

    /// The alert of a name as API v2 shows it; `None`: it does not list it.
    async fn v2(&self, name: &str) -> Option<Value> {
        listed(&self.url, "/api/v2/alerts", name).await
    }

    /// `(path, alert)` of everything that was told of a name.
    fn told(&self, name: &str) -> Vec<(String, Value)> {
        told(&self.sink, name)
    }
}

fn posted(labels: &Pairs) -> Value {
    json!({"labels": labels, "annotations": {"summary": "posted"}, "generatorURL": "http://prom/g"})
}

async fn listed(url: &str, path: &str, name: &str) -> Option<Value> {
    let body: Value =
        serde_json::from_str(&reqwest::get(format!("{url}{path}")).await.ok()?.text().await.ok()?).ok()?;
    let all = body.as_array().or_else(|| body["data"]["alerts"].as_array())?.clone();
    all.into_iter().find(|a| a["labels"]["alertname"] == name)
}

fn told(sink: &HookServer, name: &str) -> Vec<(String, Value)> {
    let one = |hook: &crate::receivers::Hook| {
        let path = hook.line.split(' ').nth(1).unwrap().to_owned();
        let alerts = hook.json()["alerts"].as_array().unwrap().clone();
        alerts.into_iter().map(move |a| (path.clone(), a))
    };
    sink.got().iter().flat_map(one).filter(|(_, a)| a["labels"]["alertname"] == name).collect()
}

/// Without what each surface says in its own way: whether it has ended and where it stands.
fn face(alert: &Value) -> Value {
    let keys = ["labels", "annotations", "startsAt", "fingerprint", "generatorURL"];
    keys.iter().map(|k| ((*k).to_owned(), alert[*k].clone())).collect::<serde_json::Map<_, _>>().into()
}

#[tokio::test]
async fn apis_and_webhook_show_the_same() {
    for (what, labels) in cases() {
        let (rig, name) = (Rig::start("", "[]").await, what.name());
        rig.feed(&what).await;
        eventually(&format!("{name} is told"), async || !rig.told(&name).is_empty()).await;
        let (_, hook) = rig.told(&name).remove(0);
        assert_eq!(hook["labels"], json!(labels), "{name}");
        let bodies: Vec<Value> = rig.sink.got().iter().map(|h| h.json()).collect();
        let body = bodies.iter().find(|b| b["alerts"][0]["labels"]["alertname"] == name.as_str()).unwrap();
        assert_eq!(body["groupLabels"], json!({"alertname": name}), "as the route groups");
        let incident = async || rig.v2(&name).await.is_some_and(|a| face(&a) == face(&hook));
        eventually(&format!("API v2 shows {hook}"), incident).await;
        let groups: Value = serde_json::from_str(
            &reqwest::get(format!("{}/api/v2/alerts/groups", rig.url)).await.unwrap().text().await.unwrap(),
        )
        .unwrap();
        let group = groups.as_array().unwrap().iter().find(|g| g["labels"]["alertname"] == name.as_str()).unwrap();
        assert_eq!(face(&group["alerts"][0]), face(&hook));
        match what {
            From::Diagnosis(_) => {
                let v1 = listed(&rig.url, "/api/v1/alerts", &name).await.unwrap();
                assert_eq!((&v1["labels"], &v1["annotations"]), (&hook["labels"], &hook["annotations"]));
                assert_eq!(v1["activeAt"], hook["startsAt"]);
            }
            From::Post(_) => assert_eq!(hook["generatorURL"], "http://prom/g"),
            From::Rule(_) => assert_eq!(hook["generatorURL"], "https://watch.example.org/query"),
        }
    }
}

#[tokio::test]
async fn a_silence_of_all_its_labels_holds_it_and_is_shown() {
    for (what, labels) in cases() {
        let (rig, name) = (Rig::start("", "[]").await, what.name());
        let conditions: Vec<Value> = labels
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value, "isRegex": false, "isEqual": true}))
            .collect();
        let (from, to) = (Timestamp::now(), Timestamp::now() + Duration::from_secs(3_600));
        let silence = json!({
            "matchers": conditions, "startsAt": from.to_string(), "endsAt": to.to_string(), "createdBy": "me", "comment": "",
        });
        rig.post("/api/v2/silences", &silence).await;
        rig.feed(&what).await;
        let suppressed = async || {
            let shown = rig.v2(&name).await;
            shown.is_some_and(|a| a["status"]["state"] == "suppressed" && !a["status"]["silencedBy"][0].is_null())
        };
        eventually(&format!("{name} is suppressed"), suppressed).await;
        rig.feed(&From::Post(pairs([("alertname", SENTINEL)]))).await;
        eventually("what came later is told", async || !rig.told(SENTINEL).is_empty()).await;
        assert_eq!(rig.told(&name), [], "{name} is silenced");
    }
}

#[tokio::test]
async fn a_route_that_names_all_its_labels_takes_it() {
    for (what, labels) in cases() {
        let more = format!(", routes: [{{receiver: hit, matchers: {}}}]", json!(matchers(&labels)));
        let (rig, name) = (Rig::start(&more, "[]").await, what.name());
        rig.feed(&what).await;
        eventually(&format!("{name} is told"), async || !rig.told(&name).is_empty()).await;
        assert_eq!(rig.told(&name)[0].0, "/hit", "{name}");
        eventually("it is shown there", async || {
            rig.v2(&name).await.is_some_and(|a| a["receivers"] == json!([{"name": "hit"}]))
        })
        .await;
    }
}

#[tokio::test]
async fn an_inhibition_that_names_all_its_labels_holds_it_as_target_and_it_inhibits_as_source() {
    for (what, labels) in cases() {
        let (all, name) = (json!(matchers(&labels)), what.name());
        let inhibit = format!(
            "[{{source_matchers: ['alertname={SOURCE}'], target_matchers: {all}}},
              {{source_matchers: {all}, target_matchers: ['alertname=Target']}}]"
        );
        let rig = Rig::start("", &inhibit).await;
        rig.feed(&From::Post(pairs([("alertname", SOURCE)]))).await;
        eventually("the source is told", async || !rig.told(SOURCE).is_empty()).await;
        rig.feed(&what).await;
        rig.feed(&From::Post(pairs([("alertname", "Target")]))).await;
        let by = async |name: &str| rig.v2(name).await.map(|a| a["status"]["inhibitedBy"][0].clone());
        let source = rig.told(SOURCE)[0].1["fingerprint"].clone();
        eventually(&format!("{name} is inhibited"), async || by(&name).await.as_ref() == Some(&source)).await;
        let own = rig.v2(&name).await.unwrap()["fingerprint"].clone();
        eventually(&format!("{name} inhibits"), async || by("Target").await.as_ref() == Some(&own)).await;
        rig.feed(&From::Post(pairs([("alertname", SENTINEL)]))).await;
        eventually("what came later is told", async || !rig.told(SENTINEL).is_empty()).await;
        assert_eq!((rig.told(&name), rig.told("Target")), (Vec::new(), Vec::new()), "{name}");
    }
}

#[tokio::test]
async fn a_rules_alert_of_the_real_program_too() {
    let (sink, dir) = (HookServer::start().await, tempfile::tempdir().unwrap());
    let rules = "groups: [{name: g, interval: 1s, rules: [{alert: R, expr: vector(1), labels: {severity: critical}}]}]";
    std::fs::write(dir.path().join("r.yml"), rules).unwrap();
    let config = format!(
        "rule_files: ['{}']
external_labels: {{vantage: paris, severity: odd}}
route: {{receiver: ops, group_wait: 0s}}
receivers: [{{name: ops, webhook_configs: [{{url: '{}'}}]}}]",
        dir.path().join("r.yml").display(),
        sink.url("/ops")
    );
    let watch = Watch::start(&config).await;
    eventually("it is told", async || !told(&sink, "R").is_empty()).await;
    let (_, hook) = told(&sink, "R").remove(0);
    assert_eq!(hook["labels"], json!({"alertname": "R", "severity": "critical", "vantage": "paris"}));
    let v2 = listed(&watch.url, "/api/v2/alerts", "R").await.unwrap();
    assert_eq!(face(&v2), face(&hook));
    let v1 = listed(&watch.url, "/api/v1/alerts", "R").await.unwrap();
    assert_eq!(v1["labels"], hook["labels"]);
}
