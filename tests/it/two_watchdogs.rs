//! Two real programs that watch the same, with one receiver: killed, frozen, and what one is told holds on the other.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

use crate::{
    alerting::watch::{Watch, free_port},
    eventually::eventually,
    peers,
    receivers::HookServer,
};

/// Two that know each other, a service that both check, and who is told.
struct Pair {
    paris: Watch,
    berlin: Watch,
    shop: HookServer,
    sink: HookServer,
}

fn config(name: &str, pair: (&HookServer, &HookServer), peer: Option<&str>) -> String {
    let (shop, sink) = pair;
    let peers =
        peer.map_or_else(String::new, |url| format!("peers: [{{url: '{url}', token_file: token, takeover: 10s}}]\n"));
    format!(
        "external_labels: {{vantage: {name}}}
{peers}tell_warnings_after: 1h
checks: [{{name: shop, tcp: {{address: '127.0.0.1:{}'}}, interval: 1s, timeout: 500ms}}]
route: {{receiver: ops, group_wait: 100ms, group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: ops, webhook_configs: [{{url: '{}'}}]}}]
",
        shop.port,
        sink.url("/ops")
    )
}

impl Pair {
    async fn start() -> Self {
        let (shop, sink) = (HookServer::start().await, HookServer::start().await);
        let paris = Watch::start(&config("paris", (&shop, &sink), None)).await;
        let berlin = Watch::start(&config("berlin", (&shop, &sink), None)).await;
        for (watch, name, other) in [(&paris, "paris", &berlin), (&berlin, "berlin", &paris)] {
            watch.configure(&config(name, (&shop, &sink), Some(&other.url)));
            assert_eq!(watch.reload().await.0, 200, "{}", watch.log());
        }
        let pair = Self { paris, berlin, shop, sink };
        eventually("one leads and both hear each other", async || {
            pair.leading().await.len() == 1
                && pair.paris.metric("dogwatch_peer_up{vantage=\"berlin\"}").await == Some(1.0)
                && pair.berlin.metric("dogwatch_peer_up{vantage=\"paris\"}").await == Some(1.0)
        })
        .await;
        pair
    }

    /// Who says that it leads.
    async fn leading(&self) -> Vec<&'static str> {
        let mut leading = Vec::new();
        for (watch, name) in [(&self.paris, "paris"), (&self.berlin, "berlin")] {
            let metric = format!("dogwatch_peer_leading{{vantage=\"{name}\"}}");
            if watch.metric(&metric).await == Some(1.0) {
                leading.push(name);
            }
        }
        leading
    }

    /// The leader, and the other.
    async fn by_role(&mut self) -> (&mut Watch, &mut Watch) {
        if self.leading().await == ["paris"] {
            (&mut self.paris, &mut self.berlin)
        } else {
            (&mut self.berlin, &mut self.paris)
        }
    }

    /// What was told of the shop: status and group key, in the order in which it came.
    fn told(&self) -> Vec<(String, String)> {
        let of = |body: &Value, key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let bodies = self.sink.got().into_iter().map(|hook| hook.json());
        let about = bodies.filter(|b| b["alerts"].to_string().contains("shop"));
        about.map(|b| (of(&b, "status"), of(&b, "groupKey"))).collect()
    }

    fn states(&self) -> Vec<String> {
        self.told().into_iter().map(|(state, _)| state).collect()
    }

    /// One beginning and one end, in one thread.
    fn was_told_once(&self) {
        let told = self.told();
        let threads: BTreeSet<&String> = told.iter().map(|(_, key)| key).collect();
        assert_eq!((self.states(), threads.len()), (vec!["firing".into(), "resolved".into()], 1), "{told:#?}");
    }
}

async fn incidents(watch: &Watch) -> Vec<(i64, bool)> {
    let url = format!("{}/api/dogwatch/v1/incidents", watch.url);
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    let body: Value = serde_json::from_str(&text).unwrap();
    let all = body["incidents"].as_array().cloned().unwrap_or_default();
    all.iter().map(|i| (i["id"].as_i64().unwrap(), i["acknowledged"].is_object())).collect()
}

fn signal(watch: &Watch, signal: Signal) {
    kill(Pid::from_raw(watch.pid().cast_signed()), signal).unwrap();
}

#[tokio::test]
async fn the_leader_is_killed_in_an_outage_and_the_other_tells_its_end_once() {
    let mut pair = Pair::start().await;
    pair.shop.stop().await;
    eventually("the outage is told", async || pair.states() == ["firing"]).await;
    {
        let (leader, follower) = pair.by_role().await;
        let open = incidents(leader).await;
        assert_eq!(open.len(), 1);
        eventually("both have it under one number", async || incidents(follower).await == open).await;
        leader.kill();
        let leads = async || {
            follower.metric("dogwatch_peer_takeovers_total{vantage=\"berlin\"}").await.is_some()
                || follower.metric("dogwatch_peer_takeovers_total{vantage=\"paris\"}").await.is_some()
        };
        eventually("the other takes over", leads).await;
    }
    pair.shop.start_again().await;
    eventually("its end is told", async || pair.states().last().is_some_and(|s| s == "resolved")).await;
    // The first one comes back, hears what happened, and has nothing to add.
    for watch in [&mut pair.paris, &mut pair.berlin] {
        if reqwest::get(format!("{}/-/ready", watch.url)).await.is_err() {
            watch.start_again().await;
        }
    }
    eventually("both agree that it is over", async || {
        pair.leading().await.len() == 1 && incidents(&pair.paris).await == incidents(&pair.berlin).await
    })
    .await;
    // What an earlier run held of the shop is no sight.
    for watch in [&pair.paris, &pair.berlin] {
        eventually("it sees the shop", async || watch.query("probe_success").await == Some(1.0)).await;
    }
    pair.was_told_once();
}

#[tokio::test]
async fn a_frozen_leader_does_not_tell_again_what_the_other_told() {
    let mut pair = Pair::start().await;
    let leader = {
        let (leader, _) = pair.by_role().await;
        signal(leader, Signal::SIGSTOP);
        leader.pid()
    };
    pair.shop.stop().await;
    eventually("the other tells of the outage", async || pair.states() == ["firing"]).await;
    kill(Pid::from_raw(leader.cast_signed()), Signal::SIGCONT).unwrap();
    eventually("one leads", async || pair.leading().await.len() == 1).await;
    eventually("both have it", async || {
        let one = incidents(&pair.paris).await;
        !one.is_empty() && one == incidents(&pair.berlin).await
    })
    .await;
    pair.shop.start_again().await;
    eventually("its end is told", async || pair.states().last().is_some_and(|s| s == "resolved")).await;
    pair.was_told_once();
}

#[tokio::test]
async fn what_one_is_told_holds_on_the_other() {
    let mut pair = Pair::start().await;
    pair.shop.stop().await;
    eventually("the outage is told", async || pair.states() == ["firing"]).await;
    let (leader, follower) = pair.by_role().await;
    let open = incidents(leader).await;
    eventually("both have it", async || incidents(follower).await == open).await;
    let silence = json!({
        "matchers": [{"name": "alertname", "value": "CheckFailing", "isRegex": false}],
        "startsAt": jiff::Timestamp::now().to_string(),
        "endsAt": (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1)).to_string(),
        "createdBy": "ada", "comment": "I am on it",
    });
    assert_eq!(follower.status("/api/v2/silences", silence).await, 200);
    let silences =
        async || reqwest::get(format!("{}/api/v2/silences", leader.url)).await.unwrap().text().await.unwrap();
    eventually("the silence is on the leader", async || silences().await.contains("I am on it")).await;
    let path = format!("/api/dogwatch/v1/incidents/{}/acknowledge", open[0].0);
    assert_eq!(follower.status(&path, json!({"by": "ada"})).await, 200);
    eventually("the leader knows who looks after it", async || incidents(leader).await == [(open[0].0, true)]).await;
    let path = format!("/api/dogwatch/v1/incidents/{}/notes", open[0].0);
    assert!(follower.status(&path, json!({"by": "ada", "text": "the switch was off"})).await < 300);
    let one = async || {
        let url = format!("{}/api/dogwatch/v1/incidents/{}", leader.url, open[0].0);
        reqwest::get(url).await.unwrap().text().await.unwrap()
    };
    eventually("the note is on the leader", async || one().await.contains("the switch was off")).await;
    let stranger = reqwest::Client::new().post(format!("{}/api/dogwatch/v1/peer", leader.url));
    assert_eq!(stranger.bearer_auth("0123456789abcdef-wrong").body("{}").send().await.unwrap().status(), 401);
}

/// One of a cluster of real Alertmanagers, which goes with this.
struct Alertmanager(Child);

impl Drop for Alertmanager {
    fn drop(&mut self) {
        // It may have ended by itself; the test has failed then.
        let _ = (self.0.kill(), self.0.wait());
    }
}

impl Alertmanager {
    fn start(dir: &Path, (port, gossip, other): (u16, u16, u16)) -> Self {
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let child = Command::new(peers::newest("alertmanager").unwrap())
            .args(["--config.file=../alertmanager.yml", "--storage.path=data", "--cluster.peer-timeout=2s"])
            .arg(format!("--cluster.listen-address=127.0.0.1:{gossip}"))
            .arg(format!("--cluster.advertise-address=127.0.0.1:{gossip}"))
            .arg(format!("--cluster.peer=127.0.0.1:{other}"))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .current_dir(dir)
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        Self(child)
    }
}

#[tokio::test]
async fn two_that_send_to_a_cluster_of_alertmanagers_are_told_of_once() {
    let (shop, sink, dir) = (HookServer::start().await, HookServer::start().await, tempfile::tempdir().unwrap());
    let route =
        "route: {receiver: ops, group_by: [alertname], group_wait: 3s, group_interval: 3s, repeat_interval: 1h}";
    let receiver = format!("receivers: [{{name: ops, webhook_configs: [{{url: '{}'}}]}}]", sink.url("/ops"));
    std::fs::write(dir.path().join("alertmanager.yml"), format!("{route}\n{receiver}\n")).unwrap();
    let (ports, gossip) = ([free_port(), free_port()], [free_port(), free_port()]);
    let mut cluster = Vec::new();
    for i in 0..2 {
        let own = dir.path().join(i.to_string());
        std::fs::create_dir(&own).unwrap();
        cluster.push(Alertmanager::start(&own, (ports[i], gossip[i], gossip[1 - i])));
    }
    let urls = ports.map(|port| format!("http://127.0.0.1:{port}"));
    for url in &urls {
        eventually("both Alertmanagers know each other", async || {
            let Ok(status) = reqwest::get(format!("{url}/api/v2/status")).await else { return false };
            let status: Value = serde_json::from_str(&status.text().await.unwrap_or_default()).unwrap_or_default();
            status["cluster"]["status"] == "ready"
                && status["cluster"]["peers"].as_array().is_some_and(|p| p.len() == 2)
        })
        .await;
    }
    let config = format!(
        "tell_warnings_after: 1h
checks: [{{name: shop, tcp: {{address: '127.0.0.1:{}'}}, interval: 1s, timeout: 500ms}}]
receivers: [{{name: ams, alertmanager_configs: [{{urls: ['{}', '{}']}}]}}]
",
        shop.port, urls[0], urls[1]
    );
    let _paris = Watch::start(&config).await;
    let _berlin = Watch::start(&config).await;
    shop.stop().await;
    let states = || -> Vec<String> {
        let bodies = sink.got().into_iter().map(|hook| hook.json());
        bodies.map(|b| b["status"].as_str().unwrap_or_default().to_owned()).collect()
    };
    eventually("the outage is told", async || states() == ["firing"]).await;
    shop.start_again().await;
    eventually("its end is told", async || states().last().is_some_and(|s| s == "resolved")).await;
    assert_eq!(states(), ["firing", "resolved"]);
}
