//! Reloads of the real program: what is bad changes nothing, what is good refuses nobody and leaves out no probe.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    alerting::watch::{KUBECONFIG, Watch, free_port},
    eventually::eventually,
    receivers::HookServer,
};

/// Reloads under load.
const RELOADS: usize = 200;
/// Alerts that are told together.
const BATCH: usize = 50;
/// Between two probes of the fake target.
const INTERVAL: Duration = Duration::from_secs(2);
/// A probe starts on its tick, give or take its jitter, and this machine has other work too.
const LATENESS: Duration = Duration::from_millis(1_500);

/// A scheduler that remembers when it was asked.
struct FakeTarget {
    port: u16,
    asked: Arc<Mutex<Vec<Instant>>>,
}

impl FakeTarget {
    async fn start() -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let remember = asked.clone();
        let answer = move || {
            remember.lock().unwrap().push(Instant::now());
            async { "ok" }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = axum::Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { port, asked }
    }

    /// A cluster whose scheduler it is.
    fn cluster(&self, more: &str) -> String {
        format!(
            "{{name: prod, kubeconfig: kubeconfig, apiserver: {{enabled: false}}, etcd: {{enabled: false}}, \
             controller_manager: {{enabled: false}}, scheduler: {{endpoints: ['http://127.0.0.1:{}/healthz'], \
             interval: {INTERVAL:?}, timeout: 1s}}{more}}}",
            self.port
        )
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    async fn is_asked_again(&self) {
        let before = self.count();
        eventually("it is probed", async || self.count() > before).await;
    }

    /// The longest time in which it was not asked.
    fn longest_gap(&self) -> Duration {
        let asked = self.asked.lock().unwrap();
        asked.windows(2).map(|pair| pair[1].duration_since(pair[0])).max().unwrap_or_default()
    }
}

fn alerts_to(sink: &HookServer) -> String {
    format!(
        "route: {{receiver: ops, group_by: ['...'], group_wait: 0s, group_interval: 1s}}\n\
         receivers: [{{name: ops, webhook_configs: [{{url: '{}'}}]}}]\n",
        sink.url("/ops")
    )
}

fn is_told(sink: &HookServer, name: &str) -> bool {
    sink.got().iter().any(|hook| hook.json()["alerts"].to_string().contains(&format!("\"{name}\"")))
}

const RULES: &str = "groups: [{name: g, interval: 1s, rules: [{alert: Slow, expr: vector(1), for: 1h}]}]\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_under_load_refuse_nobody_and_leave_out_no_probe() {
    let (sink, target) = (HookServer::start().await, FakeTarget::start().await);
    // A message for many of them: their delivery is not what is looked at here.
    let common = alerts_to(&sink).replace("'...'", "batch");
    let common = format!("{common}rule_files: [r.yml]\n");
    let cluster = target.cluster("");
    let configs = [
        format!("clusters: [{cluster}]\n{common}"),
        format!("clusters: [{cluster}, {{name: edge, kubeconfig: kubeconfig}}]\n{common}tell_warnings_after: 50s\n"),
        format!("clusters: [{}]\n{common}", target.cluster(", labels: {zone: a}")),
        // Reached by another file: with a dialer of its own.
        format!("clusters: [{}]\n{common}", cluster.replace("kubeconfig: kubeconfig", "kubeconfig: other")),
    ];
    let watch = Watch::start("").await;
    watch.write("r.yml", RULES);
    watch.write("other", KUBECONFIG);
    watch.configure(&configs[0]);
    assert_eq!(watch.reload().await.0, 200);
    target.is_asked_again().await;
    let (done, posted, refused) = (AtomicBool::new(false), AtomicUsize::new(0), Mutex::new(Vec::new()));
    // Each on a connection of its own.
    let client = || reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
    let note = |what: &str, answer: reqwest::Result<reqwest::Response>| match answer {
        Ok(answer) if answer.status() == 200 => {}
        other => refused.lock().unwrap().push(format!("{what}: {other:?}")),
    };
    let posts = async {
        let client = client();
        while !done.load(Ordering::Relaxed) {
            let i = posted.fetch_add(1, Ordering::Relaxed);
            let (name, batch) = (format!("P{i}"), (i / BATCH).to_string());
            let body = json!([{"labels": {"alertname": name, "severity": "critical", "batch": batch}}]).to_string();
            let request =
                client.post(format!("{}/api/v2/alerts", watch.url)).header("content-type", "application/json");
            note("post", request.body(body).send().await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let looks = async {
        let client = client();
        while !done.load(Ordering::Relaxed) {
            note("look", client.get(format!("{}/-/healthy", watch.url)).send().await);
        }
    };
    let reloads = async {
        for i in 0..RELOADS {
            watch.configure(&configs[i % configs.len()]);
            let (status, said) = watch.reload().await;
            assert_eq!(status, 200, "{said}");
        }
        // Long enough to see the gap that the last of them leaves.
        target.is_asked_again().await;
        done.store(true, Ordering::Relaxed);
    };
    tokio::join!(posts, looks, reloads);
    assert_eq!(*refused.lock().unwrap(), Vec::<String>::new());
    let posted = posted.load(Ordering::Relaxed);
    eventually("every alert is told", async || {
        let told = sink.got().iter().map(|hook| hook.json()["alerts"].to_string()).collect::<String>();
        (0..posted).all(|i| told.contains(&format!("\"P{i}\"")))
    })
    .await;
    let gap = target.longest_gap();
    assert!(gap <= INTERVAL + LATENESS, "not probed for {gap:?}");
    assert_eq!(watch.metric("dogwatch_config_last_reload_successful").await, Some(1.0));
}

/// A way to spoil a configuration, and words of what is said about it.
struct Spoilt {
    what: &'static str,
    config: String,
    rules: Option<&'static str>,
    words: String,
}

fn ways_to_spoil(good: &str, target: &FakeTarget, taken: u16) -> Vec<Spoilt> {
    let spoilt = |what, config: String, words: &str| Spoilt { what, config, rules: Some(RULES), words: words.into() };
    let more = |what, more: &str, words: &str| spoilt(what, format!("{good}{more}\n"), words);
    let cluster = |what, more: &str, words: &str| {
        spoilt(what, good.replace("}]\nroute", &format!("}}, {{name: other, {more}}}]\nroute")), words)
    };
    let receiver = |way: &str| good.replace("receivers: [", &format!("receivers: [{{name: more, {way}}}, "));
    vec![
        Spoilt {
            rules: Some("groups: [{name: g, rules: [{alert: A, expr: up === 0}]}]"),
            ..spoilt("a typo in a rule", good.to_owned(), "r.yml:1:")
        },
        Spoilt { rules: None, ..spoilt("a rule file that is not there", good.to_owned(), "r.yml") },
        more("a port that is taken", &format!("listen: 127.0.0.1:{taken}"), "another program has this port"),
        more(
            "an address of another machine",
            "listen: 192.0.2.7:9559\nallow_unauthenticated: true",
            "no interface of this machine",
        ),
        more("an address for all without a login", "listen: 0.0.0.0:9559", "nobody would have to log in"),
        more("a web_config that is not there", "web_config: nowhere.yml", "nowhere.yml"),
        more("another directory", "data_dir: elsewhere", "restart it"),
        more("no YAML", "a: [", "dogwatch.yml:"),
        more("an unknown key", "lisen: x", "did you mean `listen`"),
        cluster("no kubeconfig", "kubeconfig: none", "none"),
        cluster("a kubeconfig that is none", "kubeconfig: token", "cluster other"),
        cluster("a CA that is none", "kubeconfig: kubeconfig, etcd: {ca_file: token}", "cluster other"),
        spoilt(
            "no secret",
            receiver("webhook_configs: [{url_file: nowhere}]"),
            "receivers[0].webhook_configs[0]: receiver more/",
        ),
        spoilt(
            "a template that is none",
            receiver("email_configs: [{to: a@b.example, from: c@d.example, smarthost: 'l:1', html: '{{'}]"),
            "html",
        ),
        more(
            "a remote without its token",
            "remote_write: [{url: 'http://127.0.0.1:1', authorization: {credentials_file: nowhere}}]",
            "remote_write[0]: there is no such file",
        ),
        more(
            "a switch without its URL",
            "dead_mans_switch: [{url_file: nowhere}]",
            "dead_mans_switch[0]: there is no such file",
        ),
        spoilt(
            "a mistyped password",
            receiver("email_configs: [{to: a@b.example, from: c@d.example, smarthost: 'l:1', auth_pasword: hunter2}]"),
            "did you mean `auth_password`",
        ),
        spoilt(
            "a secret for a file",
            receiver("webhook_configs: [{url_file: hunter2}]"),
            "there is no such file below",
        ),
        more(
            "a heartbeat without its token",
            "heartbeats: [{name: h, every: 1h, token_file: nowhere}]",
            "heartbeats[0].token_file",
        ),
        spoilt("nobody to tell", good.replace("receiver: ops", "receiver: nobody"), "there is no receiver"),
        spoilt("too hasty", format!("clusters: [{}]", target.cluster("").replace("2s", "1ms")), "between 1s and 1h"),
    ]
}

#[tokio::test]
async fn a_bad_reload_changes_nothing() {
    let (sink, target) = (HookServer::start().await, FakeTarget::start().await);
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = format!("clusters: [{}]\n{}rule_files: [r.yml]\n", target.cluster(""), alerts_to(&sink));
    let watch = Watch::start("").await;
    watch.write("r.yml", RULES);
    watch.configure(&good);
    assert_eq!(watch.reload().await.0, 200);
    let successful = async || watch.metric("dogwatch_config_last_reload_successful").await;
    for (i, spoilt) in ways_to_spoil(&good, &target, taken.local_addr().unwrap().port()).into_iter().enumerate() {
        let Spoilt { what, config, rules, words } = spoilt;
        watch.configure(&config);
        match rules {
            Some(text) => watch.write("r.yml", text),
            None => watch.remove("r.yml"),
        }
        let (status, said) = watch.reload().await;
        assert!(
            status == 500 && said.contains("the old one stays in force") && said.contains(&words),
            "{what}: {said}"
        );
        assert!(!said.contains("hunter2"), "{what}: {said}");
        assert_eq!(successful().await, Some(0.0), "{what}");
        let name = format!("After{i}");
        watch.post(json!([{"labels": {"alertname": name, "severity": "critical"}}])).await;
        eventually("an alert is told", async || is_told(&sink, &name)).await;
        // What is good is in force again at once.
        watch.configure(&good);
        watch.write("r.yml", RULES);
        if i == 0 {
            target.is_asked_again().await;
        }
    }
    assert!(target.longest_gap() <= INTERVAL + LATENESS, "not probed for {:?}", target.longest_gap());
    assert!(!watch.log().contains("hunter2"), "no value is logged");
    assert!(!watch.data().parent().unwrap().join("elsewhere").exists());
    let (status, said) = watch.reload().await;
    assert!(status == 200 && said.contains("nothing has changed"), "{said}");
    assert_eq!(successful().await, Some(1.0));
    watch.write("r.yml", "groups: 7");
    watch.hang_up();
    eventually("the signal is heeded", async || successful().await == Some(0.0)).await;
    assert!(watch.log().contains("the new configuration is not used, the old one stays in force"));
    target.is_asked_again().await;
    watch.write("r.yml", RULES);
    watch.hang_up();
    eventually("and again", async || successful().await == Some(1.0)).await;
}

#[tokio::test]
async fn another_port_is_taken_before_the_old_one_is_let_go() {
    let mut watch = Watch::start("").await;
    let (old, other) = (watch.url.clone(), free_port());
    // A connection that is there already serves on until it has its answer.
    let kept = reqwest::Client::new();
    assert_eq!(kept.get(format!("{old}/-/healthy")).send().await.unwrap().status(), 200);
    watch.configure(&format!("listen: 127.0.0.1:{other}"));
    let (status, said) = watch.reload().await;
    assert!(status == 200 && said.contains(&format!("is now 127.0.0.1:{other}")), "{said}");
    watch.url = format!("http://127.0.0.1:{other}");
    assert_eq!(reqwest::get(format!("{}/-/healthy", watch.url)).await.unwrap().status(), 200);
    let refused = async || reqwest::get(format!("{old}/-/healthy")).await.is_err();
    eventually("the old port is let go", refused).await;
}

#[tokio::test]
async fn what_a_reload_leaves_as_it_is_goes_on() {
    let (sink, target) = (HookServer::start().await, FakeTarget::start().await);
    let watch = Watch::start("").await;
    watch.write("r.yml", RULES);
    let edge = "{name: edge, kubeconfig: kubeconfig}";
    let config =
        |clusters: &str, more: &str| format!("clusters: [{clusters}]\n{}rule_files: [r.yml]\n{more}", alerts_to(&sink));
    watch.configure(&config(&format!("{}, {edge}", target.cluster("")), ""));
    let (_, said) = watch.reload().await;
    for word in ["clusters: edge added, prod added", "rule groups: ", "r.yml;g added", "receivers: ops added", "routes"]
    {
        assert!(said.contains(word), "{said}");
    }
    let active_at = async || {
        let body = reqwest::get(format!("{}/api/v1/alerts", watch.url)).await.unwrap().text().await.unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        let alerts = body["data"]["alerts"].as_array().unwrap();
        let slow = alerts.iter().find(|alert| alert["labels"]["alertname"] == "Slow")?;
        slow["activeAt"].as_str().map(str::to_owned)
    };
    eventually("it pends", async || active_at().await.is_some()).await;
    let since = active_at().await;
    let up = "probe_success{cluster=\"prod\"}";
    let down = "dogwatch_target_state{cluster=\"edge\",job=\"kube-apiserver\",state=\"down\"}==1";
    eventually("the one is up", async || watch.query(up).await == Some(1.0)).await;
    eventually("the other is down", async || watch.query(down).await.is_some()).await;
    eventually("it is told", async || is_told(&sink, "edge")).await;
    // The rule is written anew, the target has a label more, the other cluster goes.
    watch.write("r.yml", &RULES.replace("for: 1h", "for: 2h"));
    watch.configure(&config(&target.cluster(", labels: {zone: a}"), "dead_mans_switch: []\n"));
    let (status, said) = watch.reload().await;
    assert_eq!(status, 200, "{said}");
    assert!(said.contains("clusters: prod changed, edge removed") && said.contains("r.yml;g changed"), "{said}");
    eventually("it has its label", async || watch.query("probe_success{cluster=\"prod\",zone=\"a\"}").await.is_some())
        .await;
    eventually("the other is gone", async || watch.query("count({cluster=\"edge\"})").await.is_none()).await;
    eventually("without its label it has ended", async || watch.query("count(probe_success)").await == Some(1.0)).await;
    eventually("nothing is shown of it", async || {
        watch.metric("dogwatch_incidents_open{cluster=\"edge\"}").await.is_none_or(|n| n == 0.0)
    })
    .await;
    let ended = |hook: &crate::receivers::Hook| {
        let told = hook.json();
        told["status"] == "resolved" && told["alerts"].to_string().contains("edge")
    };
    eventually("its end is told", async || sink.got().iter().any(ended)).await;
    eventually("it is evaluated", async || {
        reqwest::get(format!("{}/api/v1/rules", watch.url)).await.unwrap().text().await.unwrap().contains("7200")
    })
    .await;
    assert_eq!(active_at().await, since, "it pends since it did");
    // A rule that goes takes its series with it.
    watch.write("r.yml", &RULES.replace("Slow", "Other"));
    assert_eq!(watch.reload().await.0, 200);
    eventually("its series end", async || watch.query("ALERTS{alertname=\"Slow\"}").await.is_none()).await;
    assert!(target.longest_gap() <= INTERVAL + LATENESS, "not probed for {:?}", target.longest_gap());
}
