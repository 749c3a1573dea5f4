//! One target's verdict: confirmation, recovery, flapping, and the memory of what was known before sight was lost.
//!
//! Three layers, the first that is set is shown: blind (the watchdog is cut off, or can't see this target for a reason of
//! its own), flapping, and the verdict proper, which goes on being judged beneath flapping. Order is by the *start* of probes, since confirmation probes overlap:
//! a slow answer to an old question proves nothing about now.

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;

use crate::model::{Failure, Ours, Reason, State, Verdict};

/// Says how much it takes to change a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Consecutive failed probes that make a target `Down`. Three: one lost packet wakes nobody, nor do two.
    pub fail: u32,
    /// Where this is more than [`Thresholds::fail`], so many failures of the last so many probes are enough: they need not
    /// follow one another.
    pub within: u32,
    /// Consecutive successes that bring a `Down` target `Up`. Two: a component that starts and dies again is not back.
    pub rise: u32,
    /// So many changes between up and down within [`Thresholds::flap_window`] are flapping: three outages.
    pub flap_changes: usize,
    /// The window in which changes are counted.
    pub flap_window: Duration,
    /// Flapping ends after so long without a change.
    pub flap_quiet: Duration,
}

impl Default for Thresholds {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        Self { fail: 3, within: 3, rise: 2, flap_changes: 6, flap_window: minutes(10), flap_quiet: minutes(5) }
    }
}

/// Says what a probe came to.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// It answers and is healthy.
    Success,
    /// It failed, what it answered tells nothing of it ([`Reason::tells_nothing`]), or the fault was ours
    /// ([`Reason::Local`]).
    Failed(&'a Failure),
}

/// Consecutive probes that agree.
#[derive(Clone, Copy, Debug)]
struct Run {
    kind: Kind,
    count: u32,
    /// Start of the earliest of them.
    first: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Success,
    Failure,
    /// Refused credentials, throttling, somebody else's answer: neither counts as an outage nor ends in one.
    Nothing,
}

/// Consecutive probes that failed on our own side.
#[derive(Clone, Debug)]
struct OwnFault {
    ours: Ours,
    count: u32,
    /// Start of the earliest of them.
    first: Timestamp,
}

/// Tracks the verdict of one target, probe by probe.
#[derive(Clone, Debug)]
pub struct VerdictTracker {
    /// The verdict proper.
    inner: Verdict,
    /// The last one that was not a mere suspicion: `Suspect` goes back to it.
    settled: Verdict,
    /// Shown instead while it changes too often.
    flapping: Option<Verdict>,
    /// Shown instead while the watchdog can't see.
    blind: Option<Verdict>,
    /// It has answered at least once.
    reached: bool,
    /// Probes that failed on our own side, since one did not.
    own_fault: Option<OwnFault>,
    run: Option<Run>,
    /// The last probes, oldest first, with whether they failed; kept where failures need not follow one another.
    recent: VecDeque<(Timestamp, bool)>,
    /// Failures of probes that started before this prove nothing: a later one succeeded, or we were blind then.
    ignore_before: Option<Timestamp>,
    /// When it went up or down, oldest first, within the flapping window.
    changes: VecDeque<Timestamp>,
    /// The last of them, or when flapping was first looked at after a restart.
    changed_at: Option<Timestamp>,
}

impl VerdictTracker {
    /// Returns a target never probed: `Unknown`.
    pub fn new(now: Timestamp) -> Self {
        Self::unknown(now, false)
    }

    fn unknown(now: Timestamp, reached: bool) -> Self {
        let (state, message) = (State::Unknown, "not probed yet".into());
        Self::with(Verdict { state, since: now, reason: None, message, reached, hides: None })
    }

    /// Returns a target as it was before a restart: the same state since the same time. `Down` stays until it has
    /// risen, `Suspect` was never confirmed and counts as `Up`. What could not be seen then has yet to be, and what was
    /// wrong with it before that is taken to go on.
    pub fn restore(mut verdict: Verdict) -> Self {
        if let Some(hidden) = verdict.hides.take() {
            return Self::restore(*hidden);
        }
        match verdict.state {
            State::Up | State::Down => Self::with(verdict),
            State::Suspect => {
                Self::with(Verdict { state: State::Up, reason: None, message: HEALTHY.into(), ..verdict })
            }
            State::Unknown if verdict.reason.is_some_and(|r| r != Reason::Local) => Self::with(verdict),
            State::Unknown => Self::unknown(verdict.since, verdict.reached),
            State::Flapping => {
                Self { flapping: Some(verdict.clone()), ..Self::unknown(verdict.since, verdict.reached) }
            }
        }
    }

    fn with(verdict: Verdict) -> Self {
        Self {
            settled: verdict.clone(),
            reached: verdict.reached,
            inner: verdict,
            flapping: None,
            blind: None,
            own_fault: None,
            run: None,
            recent: VecDeque::new(),
            ignore_before: None,
            changes: VecDeque::new(),
            changed_at: None,
        }
    }

    /// Returns the verdict as it stands.
    pub fn verdict(&self) -> &Verdict {
        self.blind.as_ref().or(self.flapping.as_ref()).unwrap_or(&self.inner)
    }

    /// Returns what a diagnosis goes by: what was wrong with a target that went out of sight for a reason of ours is
    /// taken to go on, and nothing else is taken of what is not seen.
    pub fn believed(&self) -> &Verdict {
        self.own_fault().and_then(|_| self.verdict().hides.as_deref()).unwrap_or(self.verdict())
    }

    /// Takes in a probe that began at `started` and ended at `now`. `Some(previous state)` where the state changed; a
    /// new reason or message alone is no change. Nothing counts while blind.
    pub fn observe(
        &mut self,
        outcome: Outcome<'_>,
        started: Timestamp,
        now: Timestamp,
        t: &Thresholds,
    ) -> Option<State> {
        if self.is_cut_off() {
            return None;
        }
        let before = self.verdict().state;
        self.forget_the_future(now);
        self.reached |= match outcome {
            Outcome::Success => true,
            Outcome::Failed(failure) => matches!(failure.reason, Reason::Auth | Reason::Degraded),
        };
        self.inner.reached = self.reached;
        match outcome {
            Outcome::Failed(failure) if failure.reason == Reason::Local => self.failed_here(failure, started, t),
            Outcome::Success => {
                self.seen(started);
                self.succeeded(started, now, t);
            }
            Outcome::Failed(failure) => {
                self.seen(started);
                self.failed(failure, started, now, t);
            }
        }
        self.flap(now, t);
        (self.verdict().state != before).then_some(before)
    }

    /// Notes that its probe is late beyond its habit: `Up` becomes `Suspect`, so that confirmation begins before the
    /// deadline.
    pub fn late(&mut self, now: Timestamp) -> Option<State> {
        if self.blind.is_some() || self.inner.state != State::Up {
            return None;
        }
        let before = self.verdict().state;
        self.suspect(now, None, "no answer yet");
        (self.verdict().state != before).then_some(before)
    }

    /// Notes that the watchdog is cut off: whatever it was is remembered and shown as `Unknown`.
    pub fn blind(&mut self, now: Timestamp, why: &str) -> Option<State> {
        let before = self.verdict().state;
        let since = self.blind.as_ref().map_or(now, |v| v.since);
        let (state, reached, hides) = (State::Unknown, self.reached, self.wrong());
        self.blind = Some(Verdict { state, since, reason: None, message: why.into(), reached, hides });
        (before != State::Unknown).then_some(before)
    }

    /// Notes that the watchdog sees again: back to what it was, to be judged by probes that start from now on; those still
    /// under way went out while it was cut off.
    pub fn see_again(&mut self, now: Timestamp) -> Option<State> {
        let before = self.blind.take()?.state;
        self.own_fault = None;
        self.run = None;
        self.ignore_before = Some(now);
        if self.inner.state == State::Suspect {
            self.inner = self.settled.clone();
        }
        (self.verdict().state != before).then_some(before)
    }

    /// Returns what it is on our own side for which this target is not seen.
    pub fn own_fault(&self) -> Option<(&Ours, Timestamp)> {
        let shown = self.blind.as_ref().is_some_and(|v| v.reason == Some(Reason::Local));
        self.own_fault.as_ref().filter(|_| shown).map(|f| (&f.ours, f.first))
    }

    /// What is known to be wrong with it, beneath its being out of sight: neither a suspicion nor mere ignorance.
    fn wrong(&self) -> Option<Box<Verdict>> {
        let known = match self.inner.state {
            State::Down => true,
            State::Unknown => self.inner.reason.is_some(),
            State::Up | State::Suspect | State::Flapping => false,
        };
        let wrong = self.flapping.as_ref().or(known.then_some(&self.inner));
        wrong.map(|verdict| Box::new(Verdict { reached: self.reached, ..verdict.clone() }))
    }

    fn is_cut_off(&self) -> bool {
        self.blind.as_ref().is_some_and(|v| v.reason.is_none())
    }

    /// Our own fault counts neither for nor against it; once it has lasted, it is not known how the target is.
    fn failed_here(&mut self, failure: &Failure, started: Timestamp, t: &Thresholds) {
        let Some(ours) = &failure.ours else { return };
        let fault = match self.own_fault.take() {
            Some(f) => OwnFault { ours: ours.clone(), count: f.count.saturating_add(1), first: f.first.min(started) },
            None => OwnFault { ours: ours.clone(), count: 1, first: started },
        };
        if fault.count >= t.fail || self.blind.is_some() {
            self.blind = Some(Verdict {
                state: State::Unknown,
                since: fault.first,
                reason: Some(Reason::Local),
                message: failure.message.clone(),
                reached: self.reached,
                hides: self.wrong(),
            });
        }
        self.own_fault = Some(fault);
    }

    /// A probe got through to where it could be judged: it is seen again, and judged from this probe on.
    fn seen(&mut self, started: Timestamp) {
        self.own_fault = None;
        if self.blind.take().is_some() {
            self.run = None;
            self.ignore_before = self.ignore_before.max(Some(started));
            if self.inner.state == State::Suspect {
                self.inner = self.settled.clone();
            }
        }
    }

    fn succeeded(&mut self, started: Timestamp, now: Timestamp, t: &Thresholds) {
        // An older, overlapping probe that got through before the failures began says nothing about them.
        if self.run.is_some_and(|run| run.kind != Kind::Success && started < run.first) {
            return;
        }
        self.ignore_before = self.ignore_before.max(Some(started));
        self.recall(started, false, t);
        let run = self.count(Kind::Success, started);
        match self.inner.state {
            State::Down if run.count < t.rise => {}
            State::Down => {
                self.changed(now);
                self.recent.clear();
                self.settle(State::Up, run.first, None, HEALTHY);
            }
            // A suspicion that came to nothing interrupts nothing.
            State::Suspect if self.settled.state == State::Up => self.inner = self.settled.clone(),
            State::Up => {}
            _ => self.settle(State::Up, run.first, None, HEALTHY),
        }
    }

    fn failed(&mut self, failure: &Failure, started: Timestamp, now: Timestamp, t: &Thresholds) {
        if self.ignore_before.is_some_and(|mark| started < mark) {
            return;
        }
        let kind = if failure.reason.tells_nothing() { Kind::Nothing } else { Kind::Failure };
        let mut run = self.count(kind, started);
        if kind == Kind::Failure {
            self.recall(started, true, t);
            if let Some(first) = self.often_failed(t) {
                run = Run { count: run.count.max(t.fail), first: run.first.min(first), ..run };
            }
        }
        let reason = Some(failure.reason);
        let confirmed = match kind {
            Kind::Nothing => State::Unknown,
            _ => State::Down,
        };
        let already = self.inner.state == confirmed && (kind != Kind::Nothing || self.inner.reason == reason);
        if already {
            self.inner.reason = reason;
            self.inner.message.clone_from(&failure.message);
            self.settled = self.inner.clone();
        } else if run.count >= t.fail {
            if confirmed == State::Down && self.settled.state == State::Up {
                self.changed(now);
            }
            self.settle(confirmed, run.first, reason, &failure.message);
        } else if self.inner.state != State::Down {
            // What was down and begins to refuse us, say, is down until that is confirmed.
            self.suspect(run.first, reason, &failure.message);
        }
    }

    /// Remembers how a probe ended, where failures need not follow one another.
    fn recall(&mut self, started: Timestamp, failed: bool, t: &Thresholds) {
        if t.within > t.fail {
            self.recent.push_back((started, failed));
            while self.recent.len() > t.within as usize {
                self.recent.pop_front();
            }
        }
    }

    /// Returns when the first of so many failures began that they make it down, though it succeeded between them.
    fn often_failed(&self, t: &Thresholds) -> Option<Timestamp> {
        let failed = || self.recent.iter().filter(|(_, failed)| *failed).map(|(at, _)| *at);
        (t.within > t.fail && failed().count() >= t.fail as usize).then(|| failed().min()).flatten()
    }

    /// Counts a probe into the run that it continues, or begins a new one.
    fn count(&mut self, kind: Kind, started: Timestamp) -> Run {
        let run = match self.run {
            Some(run) if run.kind == kind => {
                Run { count: run.count.saturating_add(1), first: run.first.min(started), ..run }
            }
            _ => Run { kind, count: 1, first: started },
        };
        self.run = Some(run);
        run
    }

    fn suspect(&mut self, since: Timestamp, reason: Option<Reason>, message: &str) {
        let (state, reached) = (State::Suspect, self.reached);
        self.inner = Verdict { state, since, reason, message: message.into(), reached, hides: None };
    }

    fn settle(&mut self, state: State, since: Timestamp, reason: Option<Reason>, message: &str) {
        let (message, reached) = (message.into(), self.reached);
        self.inner = Verdict { state, since, reason, message, reached, hides: None };
        self.settled = self.inner.clone();
    }

    fn changed(&mut self, now: Timestamp) {
        self.changes.push_back(now);
        self.changed_at = Some(now);
    }

    /// Enters, describes and leaves flapping.
    fn flap(&mut self, now: Timestamp, t: &Thresholds) {
        while self.changes.front().is_some_and(|&at| now.duration_since(at).unsigned_abs() > t.flap_window) {
            self.changes.pop_front();
        }
        let quiet = |since: Timestamp| now.duration_since(since).unsigned_abs() >= t.flap_quiet;
        match &mut self.flapping {
            Some(shown) => {
                if quiet(*self.changed_at.get_or_insert(now)) {
                    self.flapping = None;
                    self.changes.clear();
                } else if self.inner.reason.is_some() {
                    shown.reason = self.inner.reason;
                }
            }
            None if self.changes.len() >= t.flap_changes.max(1) => {
                let since = self.changes.front().copied().unwrap_or(now);
                let message = format!(
                    "went up and down {} times within {} min; last: {}",
                    self.changes.len(),
                    t.flap_window.as_secs().div_ceil(60),
                    self.inner.message
                );
                let (state, reason, reached) = (State::Flapping, self.inner.reason, self.reached);
                self.flapping = Some(Verdict { state, since, reason, message, reached, hides: None });
            }
            None => {}
        }
    }

    /// A wall clock that was stepped back leaves marks that lie ahead: they would hide failures until it catches up.
    fn forget_the_future(&mut self, now: Timestamp) {
        self.ignore_before = self.ignore_before.filter(|&mark| mark <= now);
        if let Some(run) = &mut self.run {
            run.first = run.first.min(now);
        }
        if let Some(fault) = &mut self.own_fault {
            fault.first = fault.first.min(now);
        }
        if self.changed_at.is_some_and(|at| at > now) {
            self.changes.clear();
            self.changed_at = Some(now);
        }
    }
}

/// The message of `Up`.
const HEALTHY: &str = "answers and is healthy";

#[cfg(test)]
mod tests;
