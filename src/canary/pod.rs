//! The pod form: what a user would deploy, step by step, until it is gone again.
//!
//! The pod is asked for again and again, ten times a second at first and once a second at last: a stage's time is known as
//! exactly as that. A stage that takes longer than its limit fails, and so does one that can't mend itself.

use std::{net::IpAddr, time::Duration};

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use url::Url;

use super::{
    api::{Api, Kind, Refused},
    manifest,
    pod_facts::{self, EventFacts, PodFacts},
    pod_layer::{self, Reach, Seen, Way},
    run::{Failed, Run, failed, refused},
    sweep::sweep,
};
use crate::{
    dial::{Ask, Auth, Trust},
    discover::config::PodCanary,
    model::{CanaryLayer, CanaryPlace, CanaryRun, CanaryStage, Live, Reason},
};

/// The first rest between two looks at the pod; each is longer by a quarter …
const LOOK_MIN: Duration = Duration::from_millis(100);
/// … up to this.
const LOOK_MAX: Duration = Duration::from_secs(1);
/// One request to an API server, while there is another one.
const CALL: Duration = Duration::from_secs(5);
/// One request to a NodePort.
const KNOCK: Duration = Duration::from_secs(2);
/// Of grace for its containers: a second, so that the kubelet confirms their end. With none, an API server forgets the pod
/// at once, whether it has ended or not.
const GRACE: u32 = 1;
/// A kubelet renews its lease every 10 s, and it is read as often.
const LEASE_RENEWED: Duration = Duration::from_secs(25);
/// Other objects of it, which go after the pod.
const BESIDE: [Kind; 2] = [Kind::Service, Kind::Claim];

/// Where and with what it flies.
pub(super) struct Flight<'a> {
    pub(super) api: &'a Api,
    pub(super) servers: &'a [Url],
    pub(super) config: &'a PodCanary,
    pub(super) place: &'a CanaryPlace,
    /// The nodes, as discovery knows them.
    pub(super) live: &'a Live,
    pub(super) cluster: &'a str,
}

/// What is kept of it while it flies.
#[derive(Default)]
struct Seat {
    seen: Seen,
    claim_uid: Option<String>,
    node_port: Option<u16>,
}

/// Runs once.
pub(super) async fn run(flight: &Flight<'_>, now: Timestamp) -> CanaryRun {
    let (mut run, mut seat) = (Run::begin(now), Seat::default());
    let outcome = stages(flight, &mut run, &mut seat).await;
    let gone = delete(flight, &mut run, &mut seat, outcome.is_ok()).await;
    run.node = seat.seen.pod.node.clone();
    run.end(outcome.and(gone))
}

async fn stages(flight: &Flight<'_>, run: &mut Run, seat: &mut Seat) -> Result<(), Failed> {
    let Flight { api, servers, config, .. } = flight;
    sweep(api, servers, &[Kind::Pod, Kind::Service, Kind::Claim], CALL).await?;
    let (name, labels) = (api.name(), api.labels());
    if config.storage_class.is_some() {
        let claim = create(flight, Kind::Claim, &manifest::claim(&name, &labels, config)).await?;
        seat.claim_uid = claim.pointer("/metadata/uid").and_then(Value::as_str).map(str::to_owned);
    }
    if config.service {
        let service = create(flight, Kind::Service, &manifest::service(&name, &labels, config)).await?;
        let port = service.pointer("/spec/ports/0/nodePort").and_then(Value::as_u64);
        seat.node_port = port.and_then(|p| u16::try_from(p).ok());
    }
    let began = Instant::now();
    let pod = create(flight, Kind::Pod, &manifest::pod(&name, &labels, config, flight.place)).await?;
    run.passed(CanaryStage::Admitted, began);
    seat.seen.pod = PodFacts::of(&pod);
    let mut since = Instant::now();
    for stage in wanted(config) {
        reach_stage(flight, seat, stage, since + config.timeout).await?;
        run.passed(stage, since);
        run.node.clone_from(&seat.seen.pod.node);
        since = Instant::now();
    }
    if let Some(port) = seat.node_port {
        reachable(flight, seat, port, since + config.timeout).await?;
        run.passed(CanaryStage::Reachable, since);
    }
    Ok(())
}

/// The stages that the pod itself tells of, in their order.
fn wanted(config: &PodCanary) -> impl Iterator<Item = CanaryStage> + use<> {
    let (volume, dns) = (config.storage_class.is_some(), config.dns);
    let all = [
        (CanaryStage::Scheduled, true),
        (CanaryStage::Pulled, true),
        (CanaryStage::Volume, volume),
        (CanaryStage::Dns, dns),
        (CanaryStage::Running, true),
        (CanaryStage::Ready, true),
    ];
    all.into_iter().filter(|(_, is_wanted)| *is_wanted).map(|(stage, _)| stage)
}

/// Whether a stage is passed.
fn is_passed(stage: CanaryStage, pod: &PodFacts, events: &[EventFacts]) -> bool {
    match stage {
        CanaryStage::Scheduled => pod.node.is_some(),
        CanaryStage::Pulled => {
            pod.containers().any(|c| c.has_image || c.has_begun()) || events.iter().any(|e| e.reason == "Pulled")
        }
        CanaryStage::Volume => pod.init("volume").is_some_and(pod_facts::Container::is_done),
        CanaryStage::Dns => pod.init("dns").is_some_and(pod_facts::Container::is_done),
        CanaryStage::Running => pod.main.as_ref().is_some_and(|c| c.is_running),
        CanaryStage::Ready => pod.is_ready,
        _ => false,
    }
}

async fn create(flight: &Flight<'_>, kind: Kind, object: &Value) -> Result<Value, Failed> {
    let limit = flight.config.timeout;
    let created = flight.api.create(flight.servers, kind, object, limit).await;
    created.map_err(|e| refused(CanaryStage::Admitted, &e))
}

/// Looks at the pod until it has passed a stage.
async fn reach_stage(
    flight: &Flight<'_>,
    seat: &mut Seat,
    stage: CanaryStage,
    deadline: Instant,
) -> Result<(), Failed> {
    let mut rest = LOOK_MIN;
    loop {
        let looked = look(flight, seat, stage == CanaryStage::Pulled).await;
        if looked.is_ok() && is_passed(stage, &seat.seen.pod, &seat.seen.events) {
            return Ok(());
        }
        let is_late = Instant::now() >= deadline;
        match looked {
            Err(e) if e.status == Some(404) => {
                return Err(failed(stage, (CanaryLayer::Admission, "something in the cluster deletes it"), Vec::new()));
            }
            Err(e) if is_late || matches!(e.status, Some(401 | 403)) => return Err(refused(stage, &e)),
            Ok(()) if is_late || pod_layer::is_final(&seat.seen.pod) => {
                return Err(give_up(flight, seat, stage).await);
            }
            _ => {}
        }
        sleep(rest).await;
        rest = (rest * 5 / 4).min(LOOK_MAX);
    }
}

/// Reads the pod, and its events where they are wanted.
async fn look(flight: &Flight<'_>, seat: &mut Seat, with_events: bool) -> Result<(), Refused> {
    let Flight { api, servers, .. } = flight;
    let pod = api.get(servers, Kind::Pod, &[], CALL).await?;
    let uid = std::mem::take(&mut seat.seen.pod.uid);
    seat.seen.pod = PodFacts::of(&pod);
    if !uid.is_empty() && seat.seen.pod.uid != uid {
        // Another one under its name: ours is gone.
        return Err(Refused { status: Some(404), ..Refused::default() });
    }
    if with_events {
        seat.seen.events = events(flight, seat).await;
    }
    Ok(())
}

/// The events of the pod and its claim; none where they can't be read.
async fn events(flight: &Flight<'_>, seat: &Seat) -> Vec<EventFacts> {
    let Flight { api, servers, .. } = flight;
    let (uid, claim) = (seat.seen.pod.uid.as_str(), seat.claim_uid.as_deref());
    let mut found = Vec::new();
    for uid in claim.into_iter().chain([uid]) {
        let listed = api.events(servers, uid, CALL).await.unwrap_or_default();
        found.extend(pod_facts::events(&listed, &[uid]));
    }
    found
}

/// A stage that is not passed: all that is known of it is read, and the layer decided.
async fn give_up(flight: &Flight<'_>, seat: &mut Seat, stage: CanaryStage) -> Failed {
    seat.seen.events = events(flight, seat).await;
    if flight.config.storage_class.is_some() {
        let Flight { api, servers, .. } = flight;
        let claim = api.get(servers, Kind::Claim, &[], CALL).await.ok();
        let phase = claim.as_ref().and_then(|c| c.pointer("/status/phase")?.as_str().map(str::to_owned));
        seat.seen.claim = claim.is_some().then(|| phase.unwrap_or_default());
    }
    let node = seat.seen.pod.node.as_deref().and_then(|node| readiness(flight, node));
    seat.seen.node_is_ready = matches!(node, Some(None));
    seat.seen.node_not_ready = node.flatten();
    let told = pod_layer::decide(stage, &seat.seen);
    let mut failure = failed(stage, told, evidence(&seat.seen));
    if told.0 == CanaryLayer::Registry {
        failure.instance = Some(registry(&flight.config.image));
    }
    failure
}

/// Why a node is not Ready, where it is not: in its kubelet's words, or since its lease is older than any that is renewed.
/// `None`: nothing is known of it.
fn readiness(flight: &Flight<'_>, node: &str) -> Option<Option<String>> {
    let live = flight.live.read();
    let node = live.clusters.get(flight.cluster)?.snapshot.nodes.iter().find(|n| &*n.name == node)?;
    let ready = node.conditions.iter().find(|c| c.kind == "Ready")?;
    if ready.status != "True" {
        return Some(Some(if ready.message.is_empty() { ready.reason.clone() } else { ready.message.clone() }));
    }
    let is_old = node.lease_age().is_some_and(|age| age > LEASE_RENEWED);
    Some(is_old.then(|| "its kubelet does not renew its lease".to_owned()))
}

/// What the cluster says of the pod, the newest first, each once.
fn evidence(seen: &Seen) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |line: String| {
        if !line.is_empty() && !lines.contains(&line) {
            lines.push(line);
        }
    };
    let join = |reason: &str, message: &str| match message {
        "" => reason.to_owned(),
        message => format!("{reason}: {message}"),
    };
    if let Some((reason, message)) = &seen.pod.unscheduled {
        say(join(reason, message));
    }
    say(join(&seen.pod.reason, &seen.pod.message));
    for c in seen
        .pod
        .containers()
        .filter(|c| !c.reason.is_empty() && !matches!(c.reason.as_str(), "Completed" | "PodInitializing"))
    {
        say(format!("container {}: {}", c.name, join(&c.reason, &c.message)));
    }
    for e in seen.events.iter().rev() {
        say(format!("event {}", join(&e.reason, &e.message)));
    }
    if let Some(why) = &seen.node_not_ready {
        say(format!("its node is not Ready: {why}"));
    }
    lines
}

/// The place from which an image comes.
fn registry(image: &str) -> String {
    let first = image.split('/').next().filter(|_| image.contains('/')).unwrap_or_default();
    match first {
        host if host.contains(':') => host.to_owned(),
        host if host.contains('.') || host == "localhost" => format!("{host}:443"),
        _ => "registry-1.docker.io:443".to_owned(),
    }
}

/// Asks at the NodePort of its own node and of another one, until both answer.
async fn reachable(flight: &Flight<'_>, seat: &mut Seat, port: u16, deadline: Instant) -> Result<(), Failed> {
    let own =
        seat.seen.pod.host_ip.clone().or_else(|| address(flight, |name| seat.seen.pod.node.as_deref() == Some(name)));
    let other = address(flight, |name| seat.seen.pod.node.as_deref() != Some(name));
    let mut rest = LOOK_MIN;
    loop {
        let knocks = async |host: &Option<String>| match host {
            Some(host) => knock(flight, host, port).await,
            None => Way::Unasked,
        };
        let (at_own, at_other) = tokio::join!(knocks(&own), knocks(&other));
        seat.seen.reach = Reach { own: at_own, other: at_other };
        if at_own == Way::Answered && matches!(at_other, Way::Answered | Way::Unasked) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let mut failure = give_up(flight, seat, CanaryStage::Reachable).await;
            let of =
                |host: &Option<String>, way: Way| host.as_ref().map(|h| format!("http://{h}:{port}: {}", way.says()));
            let asked = [of(&own, at_own), of(&other, at_other)].into_iter().flatten();
            failure.evidence.splice(0..0, asked);
            return Err(failure);
        }
        sleep(rest).await;
        rest = (rest * 5 / 4).min(LOOK_MAX);
    }
}

/// The address of a Ready node whose name fits: another one with every run.
fn address(flight: &Flight<'_>, fits: impl Fn(&str) -> bool) -> Option<String> {
    let live = flight.live.read();
    let nodes = &live.clusters.get(flight.cluster)?.snapshot.nodes;
    let fitting: Vec<&String> = nodes
        .iter()
        .filter(|n| fits(&n.name) && n.is_ready() && !n.is_virtual)
        .filter_map(|n| n.addresses.iter().find(|a| a.parse::<IpAddr>().is_ok()))
        .collect();
    (!fitting.is_empty()).then(|| fitting[fastrand::usize(..fitting.len())].clone())
}

async fn knock(flight: &Flight<'_>, host: &str, port: u16) -> Way {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let Ok(url) = Url::parse(&format!("http://{host}:{port}/")) else { return Way::Silent };
    let ask = Ask::get(url, Trust::Observe, Auth::None);
    match flight.api.dialer.exchange(ask, Instant::now() + KNOCK).await.outcome {
        // What another command answers is its own affair.
        Ok(_) if !flight.config.serves_itself() => Way::Answered,
        Ok(answer) => {
            let body = String::from_utf8_lossy(&answer.body);
            if body.trim() == flight.api.name() { Way::Answered } else { Way::Strange }
        }
        Err(failure) if failure.reason == Reason::Refused => Way::Refused,
        Err(_) => Way::Silent,
    }
}

/// Deletes all of it. Where all went well so far, that is the last stage; else it is only got rid of.
async fn delete(flight: &Flight<'_>, run: &mut Run, seat: &mut Seat, is_stage: bool) -> Result<(), Failed> {
    let Flight { api, servers, config, .. } = flight;
    let (began, name) = (Instant::now(), api.name());
    let grace = if is_stage { GRACE } else { 0 };
    let asked = api.delete(servers, Kind::Pod, &name, Some(grace), CALL).await;
    let mut gone = asked.map_err(|e| refused(CanaryStage::Deleted, &e));
    if gone.is_ok() && is_stage {
        gone = vanished(flight, seat, began + config.timeout).await;
        match &gone {
            Ok(()) => run.passed(CanaryStage::Deleted, began),
            // The pod is taken from the API whether its node confirms that or not.
            Err(_) => _ = api.delete(servers, Kind::Pod, &name, Some(0), CALL).await,
        }
    }
    let is_made = |kind: &Kind| if *kind == Kind::Service { config.service } else { config.storage_class.is_some() };
    for kind in BESIDE.into_iter().filter(is_made) {
        let beside = api.delete(servers, kind, &name, None, CALL).await;
        gone = gone.and(beside.map_err(|e| refused(CanaryStage::Deleted, &e)));
    }
    gone
}

/// Waits until the pod is gone.
async fn vanished(flight: &Flight<'_>, seat: &mut Seat, deadline: Instant) -> Result<(), Failed> {
    let mut rest = LOOK_MIN;
    loop {
        match look(flight, seat, false).await {
            Err(e) if e.status == Some(404) => return Ok(()),
            Err(e) if Instant::now() >= deadline => return Err(refused(CanaryStage::Deleted, &e)),
            Ok(()) if Instant::now() >= deadline => return Err(give_up(flight, seat, CanaryStage::Deleted).await),
            _ => {}
        }
        sleep(rest).await;
        rest = (rest * 5 / 4).min(LOOK_MAX);
    }
}
