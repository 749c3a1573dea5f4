//! Two watchdogs through thousands of bad hours, in virtual time: the link cut, each cut from the cluster or from its receiver,
//! frozen, killed in the midst of a delivery, with clocks minutes apart. What is told is judged at the end.
//!
//! A thousand by default; `PEER_SCHEDULES=10000` plays ten thousand, `PEER_SEED=17` one alone, and prints what happened in it.

mod node;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use self::node::{Attempt, Disk, Node};
use crate::{
    dispatch::outbox::judge,
    model::{AlertName, Diagnosis, Finding, FindingKey, NotificationKind, OutboxEntry, Severity, Topic},
    notify::Outcome,
    peer::{core::ANSWER_WITHIN, wire::Able},
    store::DeliveryOutcome,
};

/// Played by default.
const SCHEDULES: u64 = 1_000;
/// One turn of both.
const STEP_MS: u64 = 100;
/// They look at the cluster so often.
const DECIDE_MS: u64 = 500;
/// By then every fault is over.
const FAULTS_END_MS: u64 = 150_000;
/// The outage is over then: whoever lived through the faults has had a minute to tell it.
const OUTAGE_END_MS: u64 = 215_000;
/// Here it is judged.
const END_MS: u64 = 270_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Link,
    Cluster(usize),
    Receiver(usize),
    Frozen(usize),
    Killed(usize),
}

struct World {
    seed: u64,
    rng: fastrand::Rng,
    base: Instant,
    now: u64,
    faults: Vec<(Fault, u64, u64)>,
    skew: [SignedDuration; 2],
    /// When each sees the outage begin, and its end.
    sees: [(u64, u64); 2],
    nodes: [Option<Node>; 2],
    disks: [Disk; 2],
    /// What the receiver got: when, from whom, and the message.
    got: Vec<(u64, usize, OutboxEntry)>,
    /// Messages that were on their way when their sender was killed or frozen.
    cut_off: BTreeSet<String>,
    log: Vec<String>,
    loud: bool,
}

fn wall(now: u64, skew: SignedDuration) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + now as i64).unwrap() + skew
}

impl World {
    fn new(seed: u64, loud: bool) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let kinds = [
            Fault::Link,
            Fault::Cluster(0),
            Fault::Cluster(1),
            Fault::Receiver(0),
            Fault::Receiver(1),
            Fault::Frozen(0),
            Fault::Frozen(1),
            Fault::Killed(0),
            Fault::Killed(1),
        ];
        let mut fault = || {
            let from = rng.u64(2_000..120_000);
            let for_ms = if rng.bool() { rng.u64(200..8_000) } else { rng.u64(8_000..70_000) };
            (kinds[rng.usize(..kinds.len())], from, (from + for_ms).min(FAULTS_END_MS))
        };
        let faults: Vec<_> = (0..1 + seed % 3).map(|_| fault()).collect();
        let mut skew = || SignedDuration::from_secs(if rng.u8(..3) == 0 { rng.i64(-300..=300) } else { 0 });
        let skew = [skew(), skew()];
        let begins = rng.u64(30_000..90_000);
        let mut seen = || (begins + rng.u64(0..3_000), OUTAGE_END_MS + rng.u64(0..3_000));
        let sees = [seen(), seen()];
        let base = Instant::now();
        let mut world = Self {
            seed,
            rng,
            base,
            now: 0,
            faults,
            skew,
            sees,
            nodes: [None, None],
            disks: [Disk::default(), Disk::default()],
            got: Vec::new(),
            cut_off: BTreeSet::new(),
            log: Vec::new(),
            loud,
        };
        world.say(format!("faults {:?}, clocks {:?}, the outage is seen {:?}", world.faults, world.skew, world.sees));
        world
    }

    fn say(&mut self, what: String) {
        if self.loud {
            println!("{:>7} {what}", self.now);
        }
        self.log.push(what);
    }

    fn mono(&self) -> Instant {
        self.base + Duration::from_millis(self.now)
    }

    fn is(&self, fault: Fault) -> bool {
        self.faults.iter().any(|(f, from, to)| *f == fault && (*from..*to).contains(&self.now))
    }

    /// Both have been unable to hear each other for some time, whatever the reason: doubles are no fault then.
    fn was_link_cut(&self) -> bool {
        let away = |n: usize| {
            let of =
                self.faults.iter().filter(move |(f, ..)| matches!(f, Fault::Killed(m) | Fault::Frozen(m) if *m == n));
            of.map(|(_, from, to)| (*from, *to))
        };
        // One is away, comes back, and the other goes before it has told it all; a second is enough for that.
        let near = |a: (u64, u64), b: (u64, u64)| a.0 < b.1 + 5_000 && b.0 < a.1 + 5_000;
        let both = away(0).any(|a| away(1).any(|b| near(a, b)));
        both || self.faults.iter().any(|(f, ..)| *f == Fault::Link)
    }

    fn run(&mut self) -> Result<(), String> {
        while self.now < END_MS {
            for n in 0..2 {
                self.turn(n);
            }
            self.now += STEP_MS;
        }
        self.judge()
    }

    fn turn(&mut self, n: usize) {
        if self.is(Fault::Killed(n)) {
            if let Some(node) = self.nodes[n].take() {
                self.cut_off.extend(node.attempts.iter().map(|a| a.entry.id.clone()));
                self.disks[n] = node.disk;
                self.say(format!("{n} is killed"));
            }
            return;
        }
        let (mono, at) = (self.mono(), wall(self.now, self.skew[n]));
        let mut node = match self.nodes[n].take() {
            Some(node) => node,
            None => {
                self.say(format!("{n} begins"));
                let disk = std::mem::take(&mut self.disks[n]);
                Node::begin(["a", "b"][n], disk, mono, self.now * 2 + n as u64 + 1)
            }
        };
        self.arrive(n, &mut node);
        if self.is(Fault::Frozen(n)) {
            self.cut_off.extend(node.attempts.iter().map(|a| a.entry.id.clone()));
        } else {
            self.live(n, &mut node, mono, at);
        }
        self.nodes[n] = Some(node);
    }

    /// What is on its way arrives, whether its sender lives or not.
    fn arrive(&mut self, n: usize, node: &mut Node) {
        let cut = self.is(Fault::Receiver(n));
        for attempt in node.attempts.iter_mut().filter(|a| !a.arrived && !cut && a.arrives <= self.now) {
            attempt.arrived = true;
            self.got.push((self.now, n, attempt.entry.clone()));
        }
        for (at, from, entry) in self.got.iter().filter(|(at, from, _)| *at == self.now && *from == n) {
            if self.loud {
                let (told, id) = (entry.notification.told, &entry.id);
                println!("{at:>7} the receiver gets {told:?} {id} of {from}");
            }
        }
    }

    fn live(&mut self, n: usize, node: &mut Node, mono: Instant, at: Timestamp) {
        let before = node.shared.core.role();
        for say in std::mem::take(&mut node.stuck) {
            node.hear(say, mono, at);
        }
        self.end_attempts(node, at);
        self.exchange(n, node, mono, at);
        let sees = !self.is(Fault::Cluster(n));
        let news = node.shared.look(Able { notifies: !node.fails, sees }, node.attempts.len(), mono);
        node.role(news, at);
        if self.now.is_multiple_of(DECIDE_MS) {
            let diagnosis = self.diagnosis(n, at);
            for incident in node.decide(diagnosis, mono, at) {
                self.say(format!("{n} writes #{} {:?}", incident.id, incident.resolved_at.is_some()));
            }
        }
        if node.shared.core.may_send(mono) {
            for entry in node.outbox.due(at) {
                node.shared.attempting(&entry);
                let arrives = self.now + self.rng.u64(1..200);
                node.attempts.push(Attempt { entry, arrives, ends: arrives + self.rng.u64(1..300), arrived: false });
            }
        }
        if before != node.shared.core.role() {
            self.say(format!("{n} is {:?} in term {}", node.shared.core.role(), node.shared.core.term()));
        }
    }

    fn end_attempts(&mut self, node: &mut Node, at: Timestamp) {
        let ended: Vec<Attempt> = node.attempts.extract_if(.., |a| a.ends <= self.now).collect();
        for attempt in ended {
            let outcome = match attempt.arrived {
                true => Outcome::Delivered("200".into()),
                false => Outcome::Retry { why: "refused".into(), after: None },
            };
            node.fails = !attempt.arrived;
            let delivery = judge(attempt.entry, &outcome, at, Duration::ZERO, &mut self.rng);
            node.outbox.settle(&delivery);
            node.shared.attempted(&delivery);
            match delivery.outcome {
                DeliveryOutcome::Retried => {
                    drop(node.disk.outbox.insert(delivery.entry.id.clone(), delivery.entry));
                }
                _ => drop(node.disk.outbox.remove(&delivery.entry.id)),
            }
        }
    }

    /// Asks the other, or goes on asking.
    fn exchange(&mut self, n: usize, node: &mut Node, mono: Instant, at: Timestamp) {
        let Some((began, question)) = node.asking.take() else {
            if node.ask_at <= self.now || node.shared.core.wants_to_ask() {
                let last = node.open.last_id();
                let say = node.shared.say(at, last);
                node.asking = Some((self.now, Some((self.now + self.rng.u64(1..150), say))));
                node.ask_at = self.now + 1_000;
            }
            return;
        };
        let began_at = self.base + Duration::from_millis(began);
        if self.now.saturating_sub(began) >= ANSWER_WITHIN.as_millis() as u64 {
            node.shared.core.asked(began_at, false, mono);
            return;
        }
        let Some((arrives, say)) = question else {
            node.asking = Some((began, None));
            return;
        };
        if arrives > self.now {
            node.asking = Some((began, Some((arrives, say))));
            return;
        }
        let other = 1 - n;
        let lost = self.is(Fault::Link);
        let frozen = self.is(Fault::Frozen(other));
        let there = wall(self.now, self.skew[other]);
        match self.nodes[other].as_mut() {
            _ if lost => node.asking = Some((began, None)),
            // Nobody listens: refused at once.
            None => node.shared.core.asked(began_at, false, mono),
            Some(them) if frozen => {
                them.stuck.push(say);
                node.asking = Some((began, None));
            }
            Some(them) => {
                let (answer, _) = them.hear(say, mono, there);
                node.hear(answer, mono, at);
                node.shared.core.asked(began_at, true, mono);
            }
        }
    }

    fn diagnosis(&self, n: usize, at: Timestamp) -> Diagnosis {
        let blind = self.is(Fault::Cluster(n));
        let (from, to) = self.sees[n];
        let key = FindingKey { cluster: "prod".into(), alert: AlertName::CheckFailing, subject: "shop".into() };
        let since = wall(from, self.skew[n]);
        let finding = Finding::new(key, Severity::Critical, Topic::Outage, "shop is down".into(), since);
        let findings = ((from..to).contains(&self.now) && !blind).then_some(finding).into_iter().collect();
        let changes = std::sync::Arc::default();
        Diagnosis { cluster: "prod".into(), at, findings, unsettled: false, blind, changes }
    }

    fn judge(&self) -> Result<(), String> {
        let mut told: BTreeMap<i64, (usize, usize)> = BTreeMap::new();
        let mut ids: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, _, entry) in &self.got {
            let (began, ended) = told.entry(entry.notification.incident.id).or_default();
            match entry.notification.told {
                NotificationKind::Resolved => *ended += 1,
                NotificationKind::Opened => *began += 1,
                _ => {}
            }
            *ids.entry(&entry.id).or_default() += 1;
        }
        if told.is_empty() {
            return Err("the outage was lost: nobody was told".into());
        }
        if let Some((id, _)) = told.iter().find(|(_, (_, ended))| *ended == 0) {
            return Err(format!("the end of incident {id} was lost"));
        }
        let open = self.nodes.iter().flatten().find(|n| n.open.incidents().next().is_some() || !n.outbox.is_empty());
        if open.is_some() {
            return Err("something is still open at the end".into());
        }
        if self.was_link_cut() {
            return Ok(());
        }
        if told.len() > 1 {
            return Err(format!("one outage was told as {} incidents: {told:?}", told.len()));
        }
        match ids.iter().find(|(id, times)| **times > 1 && !self.cut_off.contains(**id)) {
            Some((id, times)) => Err(format!("{id} was sent {times} times")),
            None => Ok(()),
        }
    }
}

/// Plays one; returns whether doubles could be judged.
fn play(seed: u64, loud: bool) -> bool {
    let mut world = World::new(seed, loud);
    if let Err(why) = world.run() {
        let log = world.log.join("\n  ");
        panic!("{why}\n  {log}\nPEER_SEED={} plays it again", world.seed);
    }
    !world.was_link_cut()
}

#[test]
fn nothing_is_lost_and_nothing_doubled_while_the_link_holds() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("PEER_SEED") {
        play(seed, true);
        return;
    }
    let schedules = number("PEER_SCHEDULES").unwrap_or(SCHEDULES);
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let held: u64 = std::thread::scope(|scope| {
        let each =
            |first: u64| move || (first..schedules).step_by(threads as usize).filter(|s| play(*s, false)).count();
        let all: Vec<_> = (0..threads).map(|first| scope.spawn(each(first))).collect();
        all.into_iter().map(|t| t.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) as u64).sum()
    });
    assert!(held > schedules / 4, "only {held} of {schedules} schedules judge doubles");
}
