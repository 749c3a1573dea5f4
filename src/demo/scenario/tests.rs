use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use url::Url;

use super::*;
use crate::{
    clock::Clock,
    eventually::eventually,
    model::{LiveTarget, ProbeSpec, Target, Verdict},
};

/// A watchdog of straw: it knows every target, and changes its picture when told to.
struct Straw {
    live: Live,
    mails: mpsc::Sender<Mail>,
    hooks: mpsc::Sender<Hook>,
}

impl Straw {
    fn set(&self, job: Job, i: usize, state: State, message: &str) {
        let key =
            TargetKey { cluster: fake_cluster::NAME.into(), job, instance: format!("127.0.0.{}:1", i + 2).into() };
        let target = Arc::new(Target {
            key: key.clone(),
            node: None,
            spec: ProbeSpec::Healthz { url: Url::parse("https://127.0.0.1/").unwrap() },
            interval: Duration::from_secs(3),
            timeout: Duration::from_secs(3),
            guessed: false,
            labels: BTreeMap::new(),
        });
        let verdict = Verdict {
            state,
            since: Timestamp::UNIX_EPOCH,
            reason: None,
            message: message.to_owned(),
            reached: true,
            hides: None,
        };
        let target = LiveTarget {
            target,
            verdict,
            last: None,
            last_success: None,
            failures: Vec::new(),
            samples: Vec::new().into(),
        };
        let mut state = self.live.write();
        let cluster = state.clusters.entry(fake_cluster::NAME.into()).or_default();
        cluster.targets.insert(key, target);
    }

    fn all_up(&self) {
        for job in &Job::ALL[..5] {
            for i in 0..fake_cluster::SIZE {
                self.set(*job, i, State::Up, "");
            }
        }
    }

    async fn tell(&self, subject: &str, status: &str) {
        let raw =
            format!("From: dogwatch <dog@example.org>\nTo: ops@example.org\nSubject: {subject}\n\netcd, in words\n");
        self.mails.send(Mail::new("dog@example.org".into(), vec![], raw)).await.unwrap();
        let alert =
            serde_json::json!({"status": status, "labels": {"alertname": "EtcdQuorumLost", "severity": "critical"}});
        let json = serde_json::json!({"status": status, "alerts": [alert]});
        self.hooks.send(Hook { path: "/hook".into(), json }).await.unwrap();
    }
}

async fn told(script: impl AsyncFn(&Straw, &FakeCluster)) -> (anyhow::Result<Ending>, String) {
    let dir = tempfile::tempdir().unwrap();
    let cluster = FakeCluster::start(dir.path(), Clock::system()).await.unwrap();
    let (mail, mails) = mpsc::channel(8);
    let (hook, hooks) = mpsc::channel(8);
    let live = Live::default();
    let straw = Straw { live: live.clone(), mails: mail, hooks: hook };
    let stage = Stage { live, cluster: &cluster, mails, hooks, page: "http://127.0.0.1:9559".into() };
    let mut out = Vec::new();
    let ending = {
        let story = narrate(stage, &mut out);
        let script = script(&straw, &cluster);
        tokio::pin!(story, script);
        tokio::select! {
            ending = &mut story => ending,
            () = &mut script => story.await,
        }
    };
    let text = anstream::adapter::strip_bytes(&out).into_vec();
    (ending, String::from_utf8(text).unwrap())
}

async fn listens(address: std::net::SocketAddr) -> bool {
    tokio::net::TcpStream::connect(address).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn the_story_is_told_from_the_calm_to_the_resolution() {
    let (ending, text) = told(async |dog, cluster| {
        dog.all_up();
        eventually("its members", async || !listens(cluster.etcd(1)).await && !listens(cluster.etcd(2)).await).await;
        dog.set(Job::Etcd, 1, State::Suspect, "connection refused");
        tokio::time::sleep(Duration::from_secs(1)).await;
        dog.set(Job::Etcd, 1, State::Down, "connection refused");
        dog.tell("[demo] etcd has lost quorum: 2 of 3 members down", "firing").await;
        eventually("its members", async || listens(cluster.etcd(1)).await && listens(cluster.etcd(2)).await).await;
        dog.set(Job::Etcd, 1, State::Up, "");
        dog.tell("[demo] Resolved after 20 s: etcd has lost quorum", "resolved").await;
    })
    .await;
    assert_eq!(ending.unwrap(), Ending::Told, "{text}");
    let words = text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let mut from = 0;
    for part in [
        "Its page: http://127.0.0.1:9559",
        "found and up: 3 API servers, 3 etcd members, 3 schedulers, 3 controller managers, 3 kubelets",
        "00:06 Two of three etcd members are killed now.",
        "suspect etcd 127.0.0.3:1 connection refused",
        "down etcd 127.0.0.3:1 connection refused",
        "a mail arrives",
        "From: dogwatch <dog@example.org>",
        "Subject: [demo] etcd has lost quorum: 2 of 3 members down",
        "etcd, in words",
        "POST /hook status: firing",
        "firing: EtcdQuorumLost, critical",
        "The etcd members are started again.",
        "up etcd 127.0.0.3:1",
        "Subject: [demo] Resolved after 20 s",
        "status: resolved",
        "That was dogwatch: the outage was told after 1 s",
        "2 mails and 2 webhook calls.",
    ] {
        from += words[from..].find(part).unwrap_or_else(|| panic!("{part:?} is missing or out of order in\n{text}"));
    }
    assert!(text.lines().all(|l| l.chars().count() <= 79), "{text}");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_happen_in_time_is_said() {
    let (ending, text) = told(async |_, _| {}).await;
    assert_eq!(ending.unwrap(), Ending::Late("After 30 s only 0 of 15 targets are found and up.".into()));
    assert!(text.contains("only 0 of 15 targets"));
    let (ending, _) = told(async |dog, _| dog.all_up()).await;
    let neither = "Neither a mail nor a webhook call about the outage came within 45 s.";
    assert_eq!(ending.unwrap(), Ending::Late(neither.into()));
    let (ending, text) = told(async |dog, cluster| {
        dog.all_up();
        eventually("its members", async || !listens(cluster.etcd(2)).await).await;
        dog.tell("broken", "firing").await;
    })
    .await;
    let end = "Neither a mail nor a webhook call about the end of the outage came within 60 s.";
    assert_eq!(ending.unwrap(), Ending::Late(end.into()), "{text}");
}
