//! The schedule: who is probed when, and how many at once.
//!
//! One owner, one loop: `action = select().await; apply(action)`. It starts probes and hands on what they saw; it judges
//! nothing and waits for nobody: a slow target holds only its own permit, a full report queue drops (counted).
//! Time is monotonic. A gap in it (the machine was suspended, starved or its clock stepped) voids the failures of the
//! probes that were in flight: they tell of the watchdog, not of their target.

mod pace;
mod probe_queue;
mod probe_timer;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, future::Future, pin::Pin, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use self::probe_queue::{Fire, ProbeQueue, Slot};
use crate::{
    clock::Clock,
    model::{Observation, Target, TargetKey, duration},
    telemetry::{Metrics, ProbeLabels},
};

/// Holds `defaults:` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// Time between two probes of one target.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub interval: Duration,
    /// Deadline of one probe, from DNS to the last byte.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub timeout: Duration,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { interval: Duration::from_secs(10), timeout: Duration::from_secs(5) }
    }
}

/// Holds `schedule:` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// Probes of one cluster's nodes that may run at once; its control plane has as many of its own, and so have its checks, so that a rack of
    /// silent kubelets never delays the API servers, and no cluster delays another. Each holds one or two sockets.
    pub concurrency: usize,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self { concurrency: 512 }
    }
}

/// Tells the schedule what to do.
#[derive(Debug)]
pub enum Command {
    /// The whole set of a cluster's targets, as it should be from now on.
    SetTargets {
        /// Which cluster.
        cluster: Arc<str>,
        /// All its targets.
        targets: Vec<Arc<Target>>,
    },
    /// Probe everything soon: what could not be seen can be again.
    HurryAll,
    /// Another [`ScheduleConfig`] counts from now on.
    Configure(ScheduleConfig),
}

/// Tells ingest what the schedule saw.
#[derive(Debug)]
pub enum Report {
    /// A probe has ended.
    Observed(Box<Observation>),
    /// A probe is late beyond its target's habit.
    Late(TargetKey),
    /// A healthy target has just failed or become late: the cluster's state should be looked at anew.
    Doubt(Arc<str>),
}

/// Runs one probe, as a future.
pub type Probing = Pin<Box<dyn Future<Output = Observation> + Send>>;
/// Makes a probe of a target.
pub type Prober = Arc<dyn Fn(Arc<Target>) -> Probing + Send + Sync>;

/// The loop looks at the clock at least this often, so that a gap is found before a result is believed.
const CLOCK_CHECK_EVERY: Duration = Duration::from_millis(250);
/// Waking up this much later than planned is a gap: nothing that happened meanwhile can be judged.
const GAP_MIN: Duration = Duration::from_millis(1_500);
/// Wall and monotonic time may part by this much between two of these checks (slewing is far below it).
const CLOCK_STEP_MIN: Duration = Duration::from_secs(2);

struct Done {
    started: Instant,
    observation: Observation,
}

/// Drives all probes.
pub struct Schedule {
    queue: ProbeQueue,
    prober: Prober,
    running: JoinSet<Done>,
    slots: HashMap<tokio::task::Id, Slot>,
    reports: mpsc::Sender<Report>,
    metrics: Arc<Metrics>,
    clock: Clock,
    checked_at: Instant,
    checked_wall_at: Timestamp,
    /// Failures of probes that started before this are void.
    sane_since: Instant,
}

impl Schedule {
    /// Returns a schedule without targets.
    pub fn new(
        config: ScheduleConfig,
        prober: Prober,
        reports: mpsc::Sender<Report>,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Self {
        let now = clock.mono();
        Self {
            queue: ProbeQueue::new(config.concurrency),
            prober,
            running: JoinSet::new(),
            slots: HashMap::new(),
            reports,
            metrics,
            checked_at: now,
            checked_wall_at: clock.wall(),
            sane_since: now,
            clock,
        }
    }

    /// Runs until told to stop; probes in flight are dropped then.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>, stop: CancellationToken) {
        loop {
            let wake = self
                .queue
                .next()
                .unwrap_or(self.checked_at + CLOCK_CHECK_EVERY)
                .min(self.checked_at + CLOCK_CHECK_EVERY);
            tokio::select! {
                () = stop.cancelled() => return,
                command = commands.recv() => match command {
                    Some(command) => self.command(command),
                    None => return,
                },
                Some(ended) = self.running.join_next_with_id(), if !self.running.is_empty() => {
                    self.check_clock();
                    self.ended(ended);
                }
                () = tokio::time::sleep_until(wake) => {
                    let now = self.clock.mono();
                    self.queue.woke_late(now.saturating_duration_since(wake), now);
                    self.check_clock();
                }
            }
            self.fire();
        }
    }

    fn command(&mut self, command: Command) {
        let now = self.clock.mono();
        match command {
            Command::SetTargets { cluster, targets } => self.queue.set(&cluster, targets, now),
            Command::HurryAll => self.queue.hurry_all(now),
            Command::Configure(config) => self.queue.allow(config.concurrency),
        }
    }

    /// Finds gaps: woken far later than planned, or wall and monotonic time have parted.
    fn check_clock(&mut self) {
        let (now, wall) = (self.clock.mono(), self.clock.wall());
        let mono_passed = now.saturating_duration_since(self.checked_at);
        let wall_passed = wall.duration_since(self.checked_wall_at);
        let parted = (wall_passed.as_secs_f64() - mono_passed.as_secs_f64()).abs();
        if mono_passed > CLOCK_CHECK_EVERY + GAP_MIN || parted > CLOCK_STEP_MIN.as_secs_f64() {
            self.metrics.clock_gaps.inc();
            self.sane_since = now;
            tracing::warn!(
                stood_still_seconds = mono_passed.as_secs_f64(),
                wall_clock_jumped_seconds = parted,
                "the watchdog itself stood still or its clock was stepped: probes in flight are not judged"
            );
        }
        (self.checked_at, self.checked_wall_at) = (now, wall);
    }

    fn fire(&mut self) {
        let now = self.clock.mono();
        while let Some(fire) = self.queue.due(now) {
            match fire {
                Fire::Probe { slot, target, permit, due } => {
                    self.metrics.schedule_lateness.observe(due.lateness.as_secs_f64());
                    self.metrics.missed_ticks.inc_by(due.missed);
                    self.metrics.probes_in_flight.inc();
                    let probing = (self.prober)(target);
                    let task = self.running.spawn(async move {
                        let _permit = permit;
                        Done { started: now, observation: probing.await }
                    });
                    self.slots.insert(task.id(), slot);
                }
                Fire::Late { target, news } => {
                    if news {
                        self.report(Report::Late(target.key.clone()));
                        self.doubt(&target, now);
                    }
                }
                Fire::Missed(ticks) => {
                    self.metrics.missed_ticks.inc_by(ticks);
                }
                Fire::Withheld => self.metrics.drop_at("doubt_probes"),
            }
        }
        self.metrics.schedule_slow.set(i64::from(self.queue.is_slow(now)));
    }

    fn ended(&mut self, ended: Result<(tokio::task::Id, Done), tokio::task::JoinError>) {
        self.metrics.probes_in_flight.dec();
        let id = ended.as_ref().map_or_else(tokio::task::JoinError::id, |(id, _)| *id);
        let Some(slot) = self.slots.remove(&id) else { return };
        match ended {
            Ok((_, done)) => self.done(slot, done),
            Err(error) => {
                tracing::error!(%error, "a probe has panicked: please report this");
                self.metrics.drop_at("probe_panic");
                self.queue.void(slot, self.clock.mono());
            }
        }
    }

    fn done(&mut self, slot: Slot, done: Done) {
        let now = self.clock.mono();
        let observation = done.observation;
        let outcome = observation.failure.as_ref().map_or("success", |f| f.reason.as_str());
        self.metrics.probes.get_or_create(&ProbeLabels { job: observation.target.key.job.kind(), outcome }).inc();
        if observation.failure.is_some() && done.started < self.sane_since {
            self.queue.void(slot, now);
            return;
        }
        let Some((target, news)) = self.queue.finish(slot, observation.failure.is_none(), done.started, now) else {
            return; // No longer a target.
        };
        if observation.answered {
            self.queue.adopt(slot, now);
        }
        if news {
            self.doubt(&target, now);
        }
        self.report(Report::Observed(Box::new(observation)));
    }

    /// A suspect brings forward what it depends on and its neighbours, so that the diagnosis is ready with the verdict.
    fn doubt(&mut self, target: &Arc<Target>, now: Instant) {
        self.queue.bring_neighbours(target, now);
        self.report(Report::Doubt(target.key.cluster.clone()));
    }

    fn report(&self, report: Report) {
        if self.reports.try_send(report).is_err() {
            self.metrics.drop_at("report_queue");
        }
    }
}
