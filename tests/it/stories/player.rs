//! Plays a story: the schedule, ingest and dispatch of the program, the story's world in front of them, and a receiver behind
//! them, under virtual time.
//!
//! Time goes on by itself wherever nothing is left to do (tokio's paused clock). It stands still while dispatch works, since it
//! waits for the store's thread and for the receiver's socket, which know nothing of virtual time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::Duration,
};

use dogwatch::{
    check::config as checks,
    clock::Clock,
    dispatch::{Deps, Dispatch, Inputs, Routing, Settings, Submissions, config::RouteConfig},
    health::ReferenceState,
    ingest::{ClusterNews, Ingest, Parts, cluster::Cluster},
    model::{CanaryForm, CanaryPlace, CanaryRun, CanaryStanding, Live, Severity},
    notify::{self, config::ReceiverConfig},
    schedule::{Prober, Schedule, ScheduleConfig},
    store::{StorageConfig, Store},
    telemetry::Metrics,
    vantage::VantageReport,
};
use jiff::Timestamp;
use tokio::{
    sync::{Notify, mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{answers, discovery::Discovery, recorded, story::Story, world::World};
use crate::receivers::HookServer;

/// So long everything works before a story begins: each lease has been read twice, each target probed.
const BEFORE: Duration = Duration::from_secs(120);
/// The watchdog looks at itself this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A run of the canary.
const FLIES_EVERY: Duration = Duration::from_secs(60);
/// The store's thread, which knows only real time, is waited for this often.
const STORE_EVERY: Duration = Duration::from_secs(30);
/// Same for every run: jitter is part of what is tested, luck is not.
const SEED: u64 = 20_261_123;

/// A message as the receiver got it.
#[derive(Clone, Debug)]
pub struct Message {
    /// Seconds of the story.
    pub at: f64,
    pub told: String,
    pub headline: String,
    pub alert: String,
}

struct Player {
    clock: Clock,
    world: Arc<Mutex<World>>,
    updates: mpsc::Sender<ClusterNews>,
}

/// The clusters of a story, by name.
type Worlds = BTreeMap<Arc<str>, Arc<Mutex<World>>>;

/// Plays a story and returns all that was told.
pub fn play(story: Story) -> Vec<Message> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(run(story))
}

async fn run(mut story: Story) -> Vec<Message> {
    fastrand::seed(SEED);
    notify::init();
    // 2026-11-23 06:00 UTC.
    let now = Timestamp::from_second(1_795_413_600).unwrap();
    let clock = Clock::anchored(now);
    let begun = now + BEFORE;
    let events = story.events();
    let spec = std::mem::take(&mut story.cluster);
    let names = std::iter::once("prod".to_owned()).chain(std::mem::take(&mut story.also));
    let world = |name: String| {
        let name: Arc<str> = name.into();
        (name.clone(), Arc::new(Mutex::new(World::new(name, spec.clone(), now, begun))))
    };
    let worlds: Worlds = names.map(world).collect();
    let (dir, metrics, live) = (tempfile::tempdir().unwrap(), Arc::new(Metrics::new()), Live::default());
    let (store, restored) =
        Store::open(dir.path().to_path_buf(), StorageConfig::default(), metrics.clone(), clock.clone());
    let (schedule, commands) = mpsc::channel(64);
    let (reports, reports_in) = mpsc::channel(4_096);
    let (updates, updates_in) = mpsc::channel(64);
    let (looks, looks_in) = mpsc::channel(64);
    let (diagnoses, diagnoses_in) = mpsc::channel(64);
    let look = Arc::new(Notify::new());
    let stop = CancellationToken::new();
    let parts = Parts {
        store: store.clone(),
        live: live.clone(),
        metrics: metrics.clone(),
        clock: clock.clone(),
        schedule,
        diagnoses,
        news: watch::Sender::new(0),
        look: look.clone(),
    };
    let (mut clusters, mut discoveries) = (Vec::new(), Vec::new());
    for (name, world) in &worlds {
        let (doubt, (members, told_members)) = (Arc::new(Notify::new()), watch::channel(Vec::new()));
        clusters.push(Cluster::new(name.clone(), members, doubt.clone()));
        let (cluster, world, clock, updates) = (name.clone(), world.clone(), clock.clone(), updates.clone());
        discoveries.push(Discovery { cluster, world, clock, updates, doubt, members: told_members });
    }
    let ingest = Ingest::new(parts, clusters, Vec::new());
    tokio::spawn(ingest.run(reports_in, updates_in, looks_in, Arc::new(AtomicU64::new(0)), stop.clone()));
    let probing =
        Schedule::new(ScheduleConfig::default(), prober(&worlds, &clock), reports, metrics.clone(), clock.clone());
    tokio::spawn(probing.run(commands, stop.clone()));
    for discovery in discoveries {
        let (world, updates) = (discovery.world.clone(), updates.clone());
        let events: Vec<_> = events.iter().filter(|e| *e.cluster == *discovery.cluster).cloned().collect();
        tokio::spawn(discovery.run());
        Player { clock: clock.clone(), world, updates }.start(events).await;
    }
    tokio::spawn(watch_oneself(looks, look, worlds["prod"].clone(), clock.clone(), stop.clone()));
    let server = HookServer::start().await;
    let (_keep, watched) = watch::channel(Arc::new(settings(&server, worlds.keys())));
    let deps = Deps { store: store.clone(), live, metrics, clock: clock.clone(), settings: watched };
    let (_rules, firing) = mpsc::channel(1);
    let (_submissions, requests) = Submissions::new();
    let inputs = Inputs { diagnoses: diagnoses_in, firing, requests, findings: Vec::new() };
    let messages = dispatch(Dispatch::new(deps, &restored), inputs, &store, &clock, (begun, story.end), &server).await;
    stop.cancel();
    let stands = Stands::still().await;
    store.close(Duration::from_secs(60)).await;
    drop(stands);
    messages
}

/// While there is one, virtual time stands still.
struct Stands(#[expect(dead_code, reason = "its end lets the blocking task go")] std::sync::mpsc::Sender<()>);

impl Stands {
    /// tokio's paused clock does not go on by itself while a blocking task runs.
    async fn still() -> Self {
        let (go_on, stands) = std::sync::mpsc::channel::<()>();
        drop(tokio::task::spawn_blocking(move || stands.recv().is_ok()));
        Self(go_on)
    }
}

/// The loop of dispatch, and what the receiver got of it.
async fn dispatch(
    mut dispatch: Dispatch,
    mut inputs: Inputs,
    store: &Store,
    clock: &Clock,
    (begun, end): (Timestamp, Duration),
    server: &HookServer,
) -> Vec<Message> {
    let stop = CancellationToken::new();
    let mut messages = Vec::new();
    let mut stored_at = clock.mono();
    let stands = Stands::still().await;
    dispatch.begin(&mut inputs).await;
    drop(stands);
    while clock.wall() < begun + end {
        let action = dispatch.next(&mut inputs, &stop).await;
        let _stands = Stands::still().await;
        dispatch.apply(action).await;
        while dispatch.is_sending() {
            let action = dispatch.next(&mut inputs, &stop).await;
            dispatch.apply(action).await;
        }
        if clock.mono().duration_since(stored_at) >= STORE_EVERY {
            stored_at = clock.mono();
            store.commit_value("story", "goes on").await;
        }
        let got = server.got();
        let at = clock.wall().duration_since(begun).as_secs_f64();
        messages.extend(got.iter().skip(messages.len()).map(|hook| message(&hook.json(), at)).collect::<Vec<_>>());
    }
    messages
}

fn message(json: &serde_json::Value, at: f64) -> Message {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let ours = &json["dogwatch"];
    let alert = text(&json["alerts"][0]["labels"]["alertname"]);
    Message { at, told: text(&ours["told"]), headline: text(&ours["headline"]), alert }
}

fn settings<'a>(server: &HookServer, clusters: impl Iterator<Item = &'a Arc<str>>) -> Settings {
    let url = server.url("/hook");
    let receivers: Vec<ReceiverConfig> =
        serde_saphyr::from_str(&format!("[{{name: ops, webhook_configs: [{{url: '{url}'}}]}}]")).unwrap();
    let times: [(&str, &[_]); 2] = [("time_intervals", &[]), ("mute_time_intervals", &[])];
    Settings {
        integrations: notify::integrations(
            &serde_saphyr::from_str("{}").unwrap(),
            &receivers,
            &notify::default_library().unwrap(),
        )
        .unwrap(),
        rate_limits: Default::default(),
        routing: Routing::new(Some(&RouteConfig::to("ops")), &["ops"], &[], times).unwrap(),
        tell_warnings_after: Duration::from_secs(60),
        give_up_after: Duration::from_secs(3_600),
        resolve_timeout: Duration::from_secs(300),
        rule_groups: Default::default(),
        drill: false,
        peer: None,
        external_url: String::new(),
        external_labels: Default::default(),
        clusters: clusters.cloned().collect(),
    }
}

/// Answers as the world is.
fn prober(worlds: &Worlds, clock: &Clock) -> Prober {
    let (worlds, clock) = (worlds.clone(), clock.clone());
    Arc::new(move |target| {
        let mut world = worlds[&target.key.cluster].lock().unwrap();
        let (took, observation) = answers::answer(&mut world, &target, clock.wall());
        drop(world);
        Box::pin(async move {
            tokio::time::sleep(took).await;
            observation
        })
    })
}

impl Player {
    /// Lets the world go on, and the canary fly.
    async fn start(self, events: Vec<super::story::Event>) {
        let Self { clock, world, updates } = self;
        let cluster = world.lock().unwrap().cluster.clone();
        let checks = {
            let world = world.lock().unwrap();
            let pace = (world.spec.interval, Duration::from_secs(5));
            let checks = checks::targets(&world.spec.checks, &Default::default(), pace);
            checks.into_iter().map(|(target, _)| target).collect()
        };
        updates.send(ClusterNews::Checks(cluster, checks)).await.unwrap();
        let starts = clock.mono() + BEFORE;
        let (its_world, its_clock) = (world.clone(), clock.clone());
        tokio::spawn(async move {
            for event in events {
                tokio::time::sleep_until(starts + event.at).await;
                its_world.lock().unwrap().happens(&event.who, &event.how, its_clock.wall());
            }
        });
        tokio::spawn(recorded::record(updates.clone(), world.clone(), clock.clone()));
        tokio::spawn(fly(updates, world, clock, starts));
    }
}

async fn watch_oneself(
    looks: mpsc::Sender<VantageReport>,
    look: Arc<Notify>,
    world: Arc<Mutex<World>>,
    clock: Clock,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let failing_since = world.lock().unwrap().cut_off;
        let reference = ReferenceState {
            name: "gateway 10.0.9.254".into(),
            configured: false,
            ever_answered: true,
            answering: failing_since.is_none(),
        };
        let report = VantageReport {
            at: clock.wall(),
            link_up: Some(true),
            has_default_route: true,
            references: vec![reference],
            failing_since,
        };
        if looks.send(report).await.is_err() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = look.notified() => {}
        }
    }
}

/// Runs the canary, as it does.
async fn fly(updates: mpsc::Sender<ClusterNews>, world: Arc<Mutex<World>>, clock: Clock, starts: Instant) {
    let forms: Vec<CanaryForm> = world.lock().unwrap().spec.canary.iter().map(|f| form(f)).collect();
    let mut standing: Vec<Option<CanaryStanding>> = vec![None; forms.len()];
    let cluster = world.lock().unwrap().cluster.clone();
    let mut at = starts.checked_sub(FLIES_EVERY).unwrap();
    while !forms.is_empty() {
        tokio::time::sleep_until(at).await;
        at += FLIES_EVERY;
        let now = clock.wall();
        for (form, standing) in forms.iter().zip(&mut standing) {
            let failure = {
                let world = world.lock().unwrap();
                let said = world.canary.get(form.as_str()).filter(|how| how.as_str() != Some("well"));
                said.map(|how| serde_json::from_value(how.clone()).unwrap())
            };
            let run = CanaryRun { started: now, ended: now, node: None, times: Vec::new(), failure };
            let next = CanaryStanding::after(standing.as_ref(), *form, CanaryPlace::Anywhere, Severity::Critical, run);
            *standing = Some(next);
        }
        let all: Arc<[CanaryStanding]> = standing.iter().flatten().cloned().collect();
        if updates.send(ClusterNews::Canary(cluster.clone(), all)).await.is_err() {
            return;
        }
    }
}

fn form(text: &str) -> CanaryForm {
    match text {
        "lease" => CanaryForm::Lease,
        "pod" => CanaryForm::Pod,
        other => panic!("the canary has no form {other:?}"),
    }
}
