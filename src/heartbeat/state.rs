//! What is remembered of one heartbeat. Pure; it is stored as JSON, whose fields may only grow.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Kind, Ping,
    evidence::{Evidence, SIZES_MAX},
};

/// Pings that are kept of one job.
pub const PINGS_MAX: usize = 20;

/// Bytes of bodies that are kept of one job: the newest in full. All that is kept is written with each ping.
const BODIES_MAX_BYTES: usize = 30_000;

/// Holds what is remembered of one heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Since when it has been configured as it is.
    pub since: Timestamp,
    /// What was expected of it then, in words; other words are a new beginning.
    pub expects: String,
    /// It was not configured any more when the watchdog last started.
    pub retired: bool,
    /// The newest ping of any kind.
    pub last_seen: Option<Timestamp>,
    /// When it last said that it begins, where it has not ended since.
    pub started_at: Option<Timestamp>,
    /// When it first said so since its last end: who begins again and again gets no more time.
    pub began_at: Option<Timestamp>,
    /// When it last succeeded.
    pub last_success: Option<Timestamp>,
    /// When it first failed since its last success.
    pub failed_at: Option<Timestamp>,
    /// Seconds from start to success, the last time both were told.
    pub duration: Option<f64>,
    /// Bytes of what it last reported, taken for a success or not.
    pub size: Option<f64>,
    /// Bytes of what its last successes reported, oldest first: what is usual.
    pub sizes: VecDeque<f64>,
    /// Nobody waits for it: since when, and by whom.
    pub paused: Option<Paused>,
    /// The last pings, oldest first.
    pub pings: VecDeque<Ping>,
}

/// Says that nobody waits for a heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Paused {
    /// Since when.
    pub at: Timestamp,
    /// Who said so; empty: the configuration.
    pub by: String,
}

impl State {
    /// Returns the state of a heartbeat of which nothing was heard yet.
    pub fn new(expects: &str, now: Timestamp) -> Self {
        Self { since: now, expects: expects.into(), ..Self::default() }
    }

    /// Puts it under what is configured now. Returns true where that is new.
    pub fn adopt(&mut self, expects: &str, paused: bool, now: Timestamp) -> bool {
        let new = self.retired || self.expects != expects;
        if new {
            (self.since, self.expects, self.retired) = (now, expects.into(), false);
        }
        let by_configuration = self.paused.as_ref().is_some_and(|p| p.by.is_empty());
        match (paused, &self.paused) {
            (true, None) => self.paused = Some(Paused { at: now, by: String::new() }),
            (false, Some(_)) if by_configuration => drop(self.resume(now)),
            // Whoever paused it resumes it.
            _ => return new,
        }
        true
    }

    /// Waits for it no more. Returns false where that is so already.
    pub fn pause(&mut self, by: &str, now: Timestamp) -> bool {
        let new = self.paused.is_none();
        if new {
            self.paused = Some(Paused { at: now, by: by.into() });
        }
        new
    }

    /// Waits for it again, as from a new beginning: what failed or began before is over, and no size is usual. Returns
    /// false where it is waited for already.
    pub fn resume(&mut self, now: Timestamp) -> bool {
        if self.paused.take().is_none() {
            return false;
        }
        self.since = now;
        (self.failed_at, self.started_at, self.began_at) = (None, None, None);
        self.sizes.clear();
        true
    }

    /// Holds a ping against what a success has to bring: one that lacks it becomes a failure.
    pub fn weigh(&self, evidence: &Evidence, ping: &mut Ping) {
        if ping.kind == Kind::Success {
            let weighed = evidence.weigh(&ping.body, &self.sizes);
            (ping.size, ping.refused) = (weighed.size, weighed.refused);
            if !ping.refused.is_empty() {
                ping.kind = Kind::Fail;
            }
        }
    }

    /// Takes in a ping.
    pub fn take(&mut self, mut ping: Ping) {
        let at = ping.at;
        self.last_seen = Some(at);
        if matches!(ping.kind, Kind::Success | Kind::Fail) {
            self.began_at = None;
            let ran = self.started_at.take().map(|start| at.duration_since(start).as_secs_f64().max(0.0));
            ping.duration_seconds = ran;
        }
        self.size = ping.size.or(self.size);
        if let (Kind::Success, Some(size)) = (ping.kind, ping.size) {
            self.sizes.push_back(size);
            while self.sizes.len() > SIZES_MAX {
                self.sizes.pop_front();
            }
        }
        match ping.kind {
            Kind::Start => {
                self.started_at = Some(at);
                self.began_at.get_or_insert(at);
            }
            Kind::Success => {
                (self.last_success, self.failed_at) = (Some(at), None);
                self.duration = ping.duration_seconds.or(self.duration);
            }
            Kind::Fail => drop(self.failed_at.get_or_insert(at)),
            Kind::Log => {}
        }
        self.pings.push_back(ping);
        while self.pings.len() > PINGS_MAX {
            self.pings.pop_front();
        }
        let mut left = BODIES_MAX_BYTES;
        for ping in self.pings.iter_mut().rev() {
            if ping.body.len() > left {
                ping.body = String::new();
            }
            left -= ping.body.len();
        }
    }

    /// Moves what lies in the future, since the clock was set back, to now. Returns true where something did.
    pub fn clamp(&mut self, now: Timestamp) -> bool {
        let times = [
            Some(&mut self.since),
            self.last_seen.as_mut(),
            self.started_at.as_mut(),
            self.began_at.as_mut(),
            self.last_success.as_mut(),
            self.failed_at.as_mut(),
            self.paused.as_mut().map(|p| &mut p.at),
        ];
        let mut changed = false;
        for at in times.into_iter().flatten().filter(|at| **at > now) {
            (*at, changed) = (now, true);
        }
        changed
    }

    /// Returns the newest ping that satisfies a condition.
    pub fn newest(&self, is: impl Fn(&Ping) -> bool) -> Option<&Ping> {
        self.pings.iter().rev().find(|p| is(p))
    }
}
