//! One kind of object, followed: listed once, then watched; listed again only where a watch can't go on from where it was.

mod listing;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

pub(super) use self::listing::Lists;
use super::{
    Parts,
    api::{Api, Refused},
    desk::{Desk, Standing},
    memory::{Memory, Taken},
    page::{self, Told},
};
use crate::{
    dial::{Dialer, Fed},
    inventory::{kinds::Kind, situation::Summary},
    telemetry::RecorderLabels,
};

/// Rests between attempts: the first, doubled up to the last, each with as much again by chance.
const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// What is forbidden or absent is asked for again after this: an API server that has just begun knows neither rights nor
/// custom resources …
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// … and each time after twice as long, up to this: rights and custom resources come later, too.
const ASK_SELDOM: Duration = Duration::from_secs(600);
/// Whether there is room again, or a dialer yet, is looked at this often.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// What has changed is packed this often.
const PACK_EVERY: Duration = Duration::from_secs(2);
/// API servers tell each minute that a watch lives; without a word for so long it is begun anew.
const SILENT_FOR: Duration = Duration::from_secs(150);
/// A watch that ends sooner and told nothing is none (client-go's reflector has the same): something between us and the server
/// ends it, or what it tells is larger than a line may be. Begun again at once, it would be begun hundreds of times a minute.
const WATCH_LEAST: Duration = Duration::from_secs(1);
/// After so many of them in a row a list goes on past what could not be told.
const VAIN_WATCHES_MAX: u32 = 3;

/// One kind's.
pub(super) struct Follower {
    pub(super) parts: Arc<Parts>,
    pub(super) desk: Arc<Desk>,
    /// What all kinds amount to.
    pub(super) summary: Arc<Mutex<Summary>>,
    pub(super) lists: Arc<Lists>,
    pub(super) kind: &'static Kind,
    pub(super) memory: Memory,
    /// Which of its versions the cluster has.
    version: usize,
    /// From here on a watch goes on; empty: a list is needed.
    from: String,
    /// How often it was refused in a row.
    refusals: u32,
    /// Watches in a row that told nothing and ended at once.
    vain: u32,
}

impl Follower {
    pub(super) fn new(
        parts: Arc<Parts>,
        (desk, summary): (Arc<Desk>, Arc<Mutex<Summary>>),
        lists: Arc<Lists>,
        kind: &'static Kind,
    ) -> Self {
        let (memory, from) = (Memory::default(), String::new());
        Self { parts, desk, summary, lists, kind, memory, version: 0, from, refusals: 0, vain: 0 }
    }

    /// Follows for good.
    pub(super) async fn run(&mut self) {
        self.remember().await;
        let mut rest = REST.0;
        loop {
            let Some(dialer) = (self.parts.dialer)() else {
                sleep(LOOK_AGAIN).await;
                continue;
            };
            if self.parts.store.is_recorder_full() {
                self.desk.stands(self.kind.name, Standing::Full);
                self.parts.metrics.drop_at("recorder_full");
                // What changes meanwhile is found by a list, when there is room again.
                self.from.clear();
                sleep(LOOK_AGAIN * 5).await;
                continue;
            }
            let begun = Instant::now();
            let is_watch = !self.from.is_empty();
            let done = match is_watch {
                true => self.watch(&dialer).await,
                false => self.list(&dialer).await,
            };
            match done {
                // That a list can be read does not make watches last.
                Ok(()) => (rest, self.refusals) = (if is_watch { REST.0 } else { rest }, 0),
                Err(Refused::TooOld) => self.from.clear(),
                Err(Refused::Forbidden(why)) => {
                    // Said when it is refused again.
                    if self.refusals > 0 {
                        self.desk.stands(self.kind.name, Standing::Forbidden(why));
                    }
                    self.rest_refused().await;
                }
                Err(Refused::Absent) => self.other_version().await,
                Err(Refused::Sick(why) | Refused::Invalid(why)) => {
                    let (cluster, resource) = (&self.parts.cluster, self.kind.name);
                    tracing::debug!(%cluster, resource, why, "the recorder will ask again");
                    // A watch that lasted was no failure.
                    rest = if begun.elapsed() > REST.1 { REST.0 } else { rest };
                    sleep(rest.mul_f64(1.0 + fastrand::f64())).await;
                    rest = (rest * 2).min(REST.1);
                }
            }
        }
    }

    /// Begins with what the history tells.
    async fn remember(&mut self) {
        let (parts, kind) = (self.parts.clone(), self.kind);
        let now = parts.clock.wall();
        let blocks = match kind.is_event() {
            // What the API still has of a log is of the last hours.
            true => {
                let from = now - Duration::from_secs(3 * 3_600);
                parts.store.recorded_changes(&parts.cluster, kind.name, (from, jiff::Timestamp::MAX)).await
            }
            false => parts.store.recorded(&parts.cluster, kind.name, jiff::Timestamp::MAX).await,
        };
        // Where the file can't be read, all is new.
        let blocks = blocks.unwrap_or_default();
        let seen = parts.store.recorded_seen(Some(&parts.cluster)).await.unwrap_or_default();
        let seen = seen.into_iter().find(|seen| seen.kind == kind.name).and_then(|seen| seen.at);
        let changed = blocks.iter().map(|block| block.to_ms).max().map(jiff::Timestamp::from_millisecond);
        if let Some(since) = seen.max(changed.and_then(Result::ok)) {
            self.summarized().looked_away(kind.name, since);
        }
        let summary = self.summary.clone();
        let make = move || Memory::new(&parts.cluster, kind, &blocks).telling(kind, &summary, &blocks);
        let made = tokio::task::spawn_blocking(make).await;
        self.memory = made.unwrap_or_default();
    }

    /// The next of its versions; after the last one it rests.
    async fn other_version(&mut self) {
        self.version += 1;
        if self.version >= self.kind.versions.len() {
            self.version = 0;
            self.desk.stands(self.kind.name, Standing::Absent);
            self.rest_refused().await;
        }
    }

    /// Rests, the longer the more often it was refused.
    async fn rest_refused(&mut self) {
        self.from.clear();
        let rest = ASK_AGAIN.saturating_mul(1 << self.refusals.min(10)).min(ASK_SELDOM);
        self.refusals += 1;
        sleep(rest.mul_f64(1.0 + fastrand::f64())).await;
    }

    fn server(&self, dialer: &Dialer) -> url::Url {
        let up = (self.parts.servers)();
        let chosen = up.get(fastrand::usize(..up.len().max(1))).cloned();
        chosen.unwrap_or_else(|| dialer.server())
    }

    /// Takes in what happens, until the watch ends.
    async fn watch(&mut self, dialer: &Dialer) -> Result<(), Refused> {
        let server = self.server(dialer);
        let version = self.kind.versions.get(self.version).copied().unwrap_or("v1");
        let (done, mut lines) = Api { dialer, server: &server, kind: self.kind, version }.watch(&self.from);
        tokio::pin!(done);
        let mut tick = interval(PACK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let begun = Instant::now();
        let (mut heard, mut outcome, mut has_told) = (begun, None, false);
        loop {
            tokio::select! {
                fed = lines.recv() => {
                    heard = Instant::now();
                    match fed {
                        Some(Fed::Open) => self.is_seen(),
                        Some(Fed::Line(_, line)) => {
                            self.told(&line)?;
                            has_told = true;
                        }
                        None => break,
                    }
                }
                ended = &mut done, if outcome.is_none() => outcome = Some(ended),
                _ = tick.tick() => {
                    self.pack().await;
                    if heard.elapsed() > SILENT_FOR || self.parts.store.is_recorder_full() {
                        return Ok(());
                    }
                }
            }
        }
        self.pack().await;
        match outcome {
            Some(outcome) => outcome,
            None => done.await,
        }?;
        if has_told || begun.elapsed() >= WATCH_LEAST {
            self.vain = 0;
            return Ok(());
        }
        self.vain += 1;
        if self.vain.is_multiple_of(VAIN_WATCHES_MAX) {
            self.from.clear();
        }
        Err(Refused::Sick("a watch ended at once, and told nothing".into()))
    }

    /// Takes in a line.
    fn told(&mut self, line: &[u8]) -> Result<(), Refused> {
        let told = page::line(self.kind, line);
        let told = told.map_err(|_| Refused::Sick("a line of a watch can't be understood".into()))?;
        let now_ms = self.now_ms();
        let version = match told {
            Some(Told::Is(kept, version)) => {
                let cut = kept.cut;
                let taken = self.memory.take(*kept, now_ms);
                self.count(u64::from(taken == Taken::Changed));
                self.dropped(u64::from(taken == Taken::NoRoom), cut);
                version
            }
            Some(Told::Gone(key, version)) => {
                let was_known = self.memory.gone(&key, now_ms);
                self.count(u64::from(was_known));
                version
            }
            Some(Told::Bookmark(version) | Told::Complete(version)) => version,
            Some(Told::Ended(410, _)) => return Err(Refused::TooOld),
            Some(Told::Ended(code, why)) => return Err(Refused::Sick(format!("the watch ended: {code} {why}"))),
            None => return Ok(()),
        };
        if !version.is_empty() {
            self.from = version;
        }
        if self.memory.is_block_full() {
            self.flush();
        }
        self.is_seen();
        Ok(())
    }

    /// Leaves what has changed to be written.
    async fn pack(&mut self) {
        match self.memory.is_whole_due() {
            true => {
                // A picture of 30,000 pods is packed for a second or two.
                let mut memory = std::mem::take(&mut self.memory);
                let packing = tokio::task::spawn_blocking(move || {
                    let blocks = memory.whole();
                    (memory, blocks)
                });
                let Ok((memory, blocks)) = packing.await else { return };
                self.memory = memory;
                self.desk.put(blocks.into_iter().flatten());
            }
            false => self.flush(),
        }
        let objects = i64::try_from(self.memory.len()).unwrap_or(i64::MAX);
        self.parts.metrics.recorder_objects.get_or_create(&self.labels()).set(objects);
    }

    /// The same, at once.
    pub(super) fn flush(&mut self) {
        self.desk.put(self.memory.flush().into_iter().flatten());
    }

    fn now_ms(&self) -> i64 {
        self.parts.clock.wall().as_millisecond()
    }

    fn summarized(&self) -> MutexGuard<'_, Summary> {
        self.summary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn labels(&self) -> RecorderLabels {
        RecorderLabels { cluster: self.parts.cluster.to_string(), resource: self.kind.name }
    }

    fn is_seen(&self) {
        let now = self.parts.clock.wall();
        self.desk.stands(self.kind.name, Standing::Recorded);
        self.desk.seen(self.kind.name, now);
        self.summarized().seen(self.kind.name, now);
        self.parts.metrics.recorder_seen.get_or_create(&self.labels()).set(now.as_second());
    }

    fn count(&self, changes: u64) {
        if changes > 0 {
            self.parts.metrics.recorder_changes.get_or_create(&self.labels()).inc_by(changes);
        }
    }

    fn dropped(&self, no_room: u64, cut: u64) {
        (0..no_room).for_each(|_| self.parts.metrics.drop_at("recorder_objects"));
        (0..cut).for_each(|_| self.parts.metrics.drop_at("recorder_values"));
    }
}
