//! The same alertmanager.yml and the same alerts, given to the newest Alertmanager and to dogwatch: what each receiver got
//! is held against each other, message by message.
//!
//! Not compared is what two programs can't share: the moment of a message, and of an end (dogwatch says when it saw it).

mod stories;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use futures_util::StreamExt as _;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use self::stories::{STORIES, Step, Story};
use super::{Running, watch};
use crate::{eventually::eventually, peers, receivers::HookServer};

/// Messages by receiver, in the order of their arrival.
type Got = BTreeMap<String, Vec<Value>>;

/// One of the two programs, and what it sent.
struct Side {
    name: &'static str,
    url: String,
    sink: HookServer,
    /// Ids of silences, by what they match.
    silences: BTreeMap<&'static str, String>,
}

/// An Alertmanager on loopback, with its directory.
async fn alertmanager(dir: &Path, config: &str) -> (Running, String) {
    let port = watch::free_port();
    std::fs::write(dir.join("alertmanager.yml"), config).unwrap();
    let log = std::fs::File::create(dir.join("log")).unwrap();
    let child = Command::new(peers::newest("alertmanager").unwrap())
        .args(["--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address="])
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .current_dir(dir)
        .stdout(Stdio::from(log.try_clone().unwrap()))
        .stderr(Stdio::from(log))
        .spawn()
        .unwrap();
    let (running, url) = (Running(child), format!("http://127.0.0.1:{port}"));
    let ready = format!("{url}/-/ready");
    eventually("Alertmanager is ready", async || reqwest::get(&ready).await.is_ok_and(|r| r.status() == 200)).await;
    (running, url)
}

impl Side {
    async fn send(&self, method: reqwest::Method, path: &str, body: &Value) -> Value {
        let request = reqwest::Client::new().request(method, format!("{}{path}", self.url)).body(body.to_string());
        let answer = request.header("content-type", "application/json").send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, 200, "{}: {path}: {text}", self.name);
        serde_json::from_str(&text).unwrap_or_default()
    }

    async fn silence(&mut self, matcher: &'static str) {
        let (name, value) = matcher.split_once('=').unwrap();
        let now = Timestamp::now();
        let silence = json!({
            "matchers": [{"name": name, "value": value, "isRegex": false, "isEqual": true}], "createdBy": "me", "comment": "c",
            "startsAt": now.to_string(), "endsAt": (now + Duration::from_secs(3600)).to_string(),
        });
        let id = self.send(reqwest::Method::POST, "/api/v2/silences", &silence).await;
        self.silences.insert(matcher, id["silenceID"].as_str().unwrap().to_owned());
    }

    async fn unsilence(&mut self, matcher: &'static str) {
        let path = format!("/api/v2/silence/{}", self.silences.remove(matcher).unwrap());
        self.send(reqwest::Method::DELETE, &path, &Value::Null).await;
    }

    /// Messages of one receiver.
    fn count(&self, receiver: &str) -> usize {
        self.sink.got().iter().filter(|hook| hook.line == format!("POST /{receiver}")).count()
    }

    async fn told(&self, receiver: &str, count: usize) {
        let what = format!("{}: {count} messages to {receiver}", self.name);
        eventually(&what, async || self.count(receiver) >= count).await;
    }

    /// All but what belongs to waiting. Which of two groups is told first is chance.
    fn got(&self) -> Got {
        let mut got = Got::new();
        for hook in self.sink.got() {
            let receiver = hook.line.trim_start_matches("POST /").to_owned();
            if receiver != LAST {
                got.entry(receiver).or_default().push(message(&hook.json()));
            }
        }
        got.values_mut().for_each(|messages| messages.sort_by_key(|m| m["groupKey"].to_string()));
        got
    }
}

/// What is compared of a message.
fn message(body: &Value) -> Value {
    let alert = |alert: &Value| {
        let starts: Timestamp = alert["startsAt"].as_str().unwrap().parse().unwrap();
        let mut all = picked(alert, &["status", "labels", "annotations", "fingerprint", "generatorURL"]);
        all["startsAt"] = starts.as_millisecond().into();
        all["over"] = (alert["endsAt"] != "0001-01-01T00:00:00Z").into();
        all
    };
    let mut alerts: Vec<Value> = body["alerts"].as_array().unwrap().iter().map(alert).collect();
    alerts.sort_by_key(|alert| alert["fingerprint"].to_string());
    let keys = [
        "version",
        "groupKey",
        "truncatedAlerts",
        "status",
        "receiver",
        "groupLabels",
        "commonLabels",
        "commonAnnotations",
    ];
    let mut all = picked(body, &keys);
    all["alerts"] = alerts.into();
    all
}

fn picked(of: &Value, keys: &[&str]) -> Value {
    keys.iter().map(|key| ((*key).to_owned(), of[*key].clone())).collect::<Map<_, _>>().into()
}

/// The receiver of what is posted to see that time has passed: no message that was due before is still to come.
const LAST: &str = "last";

fn config(story: &Story, sink: &HookServer) -> String {
    let receivers = story.receivers.iter().map(|(name, more)| {
        format!("- {{name: {name}, webhook_configs: [{{url: '{}', {more}}}]}}\n", sink.url(&format!("/{name}")))
    });
    // An alert that began longer ago than that when it comes is told at once, without those that come with it: on a busy
    // machine a post may take a second.
    let times = [("group_wait", "3s"), ("group_interval", "2s"), ("repeat_interval", "1h")];
    let times = times.iter().filter(|(key, _)| !story.root.contains(key));
    let times: String = times.map(|(key, value)| format!("  {key}: {value}\n")).collect();
    format!(
        "route:
  receiver: none
  {}
{times}  routes:
  - {{receiver: {LAST}, matchers: ['alertname=\"Last\"'], group_by: [number]}}
{}
receivers:
- {{name: none}}
- {{name: {LAST}, webhook_configs: [{{url: '{}'}}]}}
{}{}",
        story.root,
        story.routes,
        sink.url(&format!("/{LAST}")),
        receivers.collect::<String>(),
        story.more
    )
}

/// Alerts as they are written in a story: `name label=value … @annotation=value …`, `_` for a space.
struct Alerts(BTreeMap<String, Timestamp>);

impl Alerts {
    fn post(&mut self, texts: &[&str], over: bool) -> Value {
        let now = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap();
        let end = if over { now } else { now + Duration::from_secs(3600) };
        let mut one = |text: &&str| {
            let mut words = text.split(' ');
            let mut labels = Map::from_iter([("alertname".to_owned(), words.next().unwrap().into())]);
            let mut annotations = Map::new();
            for (name, value) in words.map(|word| word.split_once('=').unwrap()) {
                let value = value.replace('_', " ").into();
                match name.strip_prefix('@') {
                    Some(name) => annotations.insert(name.to_owned(), value),
                    None => labels.insert(name.to_owned(), value),
                };
            }
            let start = *self.0.entry((*text).to_owned()).or_insert(now);
            if over {
                self.0.remove(*text);
            }
            json!({"labels": labels, "annotations": annotations, "startsAt": start.to_string(),
                "endsAt": end.to_string(), "generatorURL": "http://prometheus.example.org/graph?g0.expr=up&g0.tab=1"})
        };
        texts.iter().map(&mut one).collect()
    }
}

/// Tells a story to both.
async fn tell(story: &Story, sides: &mut [Side; 2]) {
    let mut alerts = Alerts(BTreeMap::new());
    let mut quiet = 0;
    for step in story.steps.iter().chain([&Step::Quiet]) {
        let posted = match step {
            Step::Fire(texts) => Some(alerts.post(texts, false)),
            Step::End(texts) => Some(alerts.post(texts, true)),
            _ => None,
        };
        if let Some(posted) = posted {
            post(sides, &posted).await;
        }
        for side in sides.iter_mut() {
            match step {
                Step::Silence(matcher) => side.silence(matcher).await,
                Step::Unsilence(matcher) => side.unsilence(matcher).await,
                Step::Told(receiver, count) => side.told(receiver, *count).await,
                Step::Fire(_) | Step::End(_) | Step::Quiet => {}
            }
        }
        if matches!(step, Step::Quiet) {
            let last = format!("Last number={quiet}");
            for over in [false, true] {
                post(sides, &alerts.post(&[&last], over)).await;
                quiet += 1;
                futures_util::future::join_all(sides.iter().map(|side| side.told(LAST, quiet))).await;
            }
        }
    }
}

async fn post(sides: &[Side; 2], alerts: &Value) {
    let posts = sides.iter().map(|side| side.send(reqwest::Method::POST, "/api/v2/alerts", alerts));
    futures_util::future::join_all(posts).await;
}

/// What differs in a story, in words; nothing where all is as expected.
async fn compare(story: &Story) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let (theirs, ours) = (HookServer::start().await, HookServer::start().await);
    let ((_alertmanager, url), watch) = futures_util::future::join(
        alertmanager(dir.path(), &config(story, &theirs)),
        watch::Watch::start(&config(story, &ours)),
    )
    .await;
    let side = |name, url, sink| Side { name, url, sink, silences: BTreeMap::new() };
    let mut sides = [side("Alertmanager", url, theirs), side("dogwatch", watch.url.clone(), ours)];
    tell(story, &mut sides).await;
    let [mut theirs, mut ours] = sides.map(|side| side.got());
    let untouched = (theirs.clone(), ours.clone());
    if let Some(differs) = &story.differs {
        if theirs == ours && !differs.by_chance {
            return Some(format!("{}: is alike, not otherwise: {}", story.name, differs.why));
        }
        (differs.level)(&mut theirs, &mut ours);
    }
    (theirs != ours).then(|| format!("{}:\n{}", story.name, told_apart(&untouched.0, &untouched.1)))
}

fn told_apart(theirs: &Got, ours: &Got) -> String {
    let receivers: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    let mut said = String::new();
    for receiver in receivers {
        let (theirs, ours) = (theirs.get(receiver), ours.get(receiver));
        if theirs != ours {
            let lines =
                |of: Option<&Vec<Value>>| of.into_iter().flatten().map(|m| format!("    {m}\n")).collect::<String>();
            said += &format!("  {receiver}\n   Alertmanager:\n{}   dogwatch:\n{}", lines(theirs), lines(ours));
        }
    }
    said
}

/// Stories at a time: each has two programs that start, and mostly waits.
const AT_ONCE: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn receivers_get_what_alertmanager_sends_them() {
    dogwatch::notify::init();
    if peers::newest("alertmanager").is_none() {
        println!("skipped: the newest Alertmanager is missing, tests/run builds it");
        return;
    }
    let told = futures_util::stream::iter(STORIES).map(compare).buffered(AT_ONCE);
    let wrong: Vec<String> = told.collect::<Vec<_>>().await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{} of {} stories differ\n{}", wrong.len(), STORIES.len(), wrong.join("\n"));
}
