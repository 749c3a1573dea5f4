//! From the record of one target to what each of its seconds counts as. The rules are in docs/availability.md.

use jiff::Timestamp;

use super::{
    span::{Span, floor, joined},
    timeline::{Standing, Timeline},
};
use crate::model::{Reason, State, TargetRecord, Verdict, VerdictChange};

/// Whose last mark is no older is still running: marks are written every ten seconds, and a busy disk is late with them.
pub const MARK_FRESH_S: i64 = 30;

/// Returns what a target counted as until a moment; behind it, it is absent.
///
/// `watches` is when the watchdog ran; `maintenance` when the target was worked on by plan.
pub fn timeline_of(
    record: &TargetRecord,
    watches: &[(Timestamp, Timestamp)],
    maintenance: &[Span],
    until: Timestamp,
) -> Timeline {
    let end = floor(until);
    let ran = watched(watches, end);
    let mut timeline = Timeline::default();
    let mut lives = record.lives.clone();
    lives.sort_unstable();
    for (from, to) in lives {
        let last = to.map_or(end, |to| floor(to).min(end));
        if floor(from) >= last {
            continue;
        }
        // How it stands now says nothing of a life that has ended.
        let now = record.verdict.as_ref().filter(|_| to.is_none());
        Life::new(from, to, record, now).write(&ran, &mut timeline);
        timeline.push(last, Standing::Absent);
    }
    timeline.covered(&ran, false, Standing::Unseen).covered(
        &joined(maintenance.iter().copied()),
        true,
        Standing::Maintenance,
    )
}

/// When it ran, joined; a mark that is fresh reaches to the end.
fn watched(watches: &[(Timestamp, Timestamp)], end: i64) -> Vec<Span> {
    let fresh = |span: Span| if span.to + MARK_FRESH_S >= end { Span { to: span.to.max(end), ..span } } else { span };
    joined(watches.iter().map(|(from, to)| fresh(Span::between(*from, *to))))
}

/// A time in which it was a target, while it is being read.
struct Life<'a> {
    from: i64,
    changes: Vec<&'a VerdictChange>,
    /// What its tracker is believed to have held: none where only the state is known.
    state: State,
    verdict: Option<&'a Verdict>,
    /// When what it counts as began.
    begun: i64,
    standing: Standing,
}

impl<'a> Life<'a> {
    fn new(from: Timestamp, to: Option<Timestamp>, record: &'a TargetRecord, now: Option<&'a Verdict>) -> Self {
        let within = |c: &&VerdictChange| c.at >= from && to.is_none_or(|to| c.at <= to);
        let mut changes: Vec<&VerdictChange> = record.changes.iter().filter(within).collect();
        changes.sort_by_key(|c| (c.at, c.from));
        // Without any change it has always stood as it does now; before the first, as that says.
        let (state, verdict) = match (changes.first(), now) {
            (Some(first), _) => (first.from, None),
            (None, Some(now)) => (now.state, Some(now)),
            (None, None) => (State::Unknown, None),
        };
        let standing = verdict.map_or(standing_of(state), |v| standing(v, false));
        Self { from: floor(from), changes, state, verdict, begun: floor(from), standing }
    }

    /// Writes what it counted as.
    fn write(mut self, ran: &[Span], timeline: &mut Timeline) {
        timeline.push(self.from, self.standing);
        let changes = chained(std::mem::take(&mut self.changes), self.state);
        let born = self.from;
        let mut starts = ran.iter().map(|s| s.from).filter(|at| *at > born).peekable();
        let mut known_at = born;
        for change in changes {
            let at = floor(change.at);
            while let Some(start) = starts.next_if(|start| *start <= at) {
                self.restarted(start, timeline);
                known_at = known_at.max(start);
            }
            if change.from != self.state {
                // What lies between was not kept: neither what was known last nor what is said now holds for all of it.
                (self.begun, self.standing) = (known_at, Standing::Unknown);
                timeline.push(known_at, Standing::Unknown);
            }
            self.changed(change, at, timeline);
            known_at = at;
        }
        starts.for_each(|start| self.restarted(start, timeline));
    }

    fn changed(&mut self, change: &'a VerdictChange, at: i64, timeline: &mut Timeline) {
        let since = floor(change.to.since);
        let was_hidden = self.standing == Standing::Unseen && since < self.begun;
        let begun = match change.to.state {
            // Ups and downs until it was called flapping are known one by one.
            State::Flapping => at,
            // Back in sight: its verdict is as old as it was, and what could not be seen stays so.
            _ if was_hidden => at,
            _ => since.clamp(self.begun.min(at), at),
        };
        (self.state, self.verdict) = (change.to.state, Some(&change.to));
        (self.begun, self.standing) = (begun, standing(&change.to, true));
        timeline.push(begun, self.standing);
    }

    /// A watchdog that starts goes on with what it knew (`health::verdict`): a suspicion is dropped, what was out of sight
    /// is as it was before, or has yet to be seen.
    fn restarted(&mut self, at: i64, timeline: &mut Timeline) {
        if let Some(hidden) = self.verdict.and_then(|v| v.hides.as_deref()) {
            (self.state, self.verdict) = (hidden.state, Some(hidden));
        }
        let standing = match self.state {
            State::Suspect => {
                self.state = State::Up;
                Standing::Up
            }
            State::Unknown => Standing::Unknown,
            other => standing_of(other),
        };
        if self.standing != standing {
            (self.begun, self.standing) = (at, standing);
            timeline.push(at, standing);
        }
    }
}

/// Changes of one moment in the order in which they follow from each other.
fn chained(mut changes: Vec<&VerdictChange>, mut state: State) -> Vec<&VerdictChange> {
    for i in 0..changes.len() {
        let same = changes[i..].iter().take_while(|c| c.at == changes[i].at);
        if let Some(next) = same.into_iter().position(|c| c.from == state) {
            changes.swap(i, i + next);
        }
        state = changes[i].to.state;
    }
    changes
}

/// A verdict as it was told by a change, or as it stands now.
fn standing(verdict: &Verdict, told: bool) -> Standing {
    match (verdict.state, verdict.reason) {
        // Only the loss of sight leads to "unknown" without a reason; what was never probed begins with it.
        (State::Unknown, Some(Reason::Local)) => Standing::Unseen,
        (State::Unknown, None) if told => Standing::Unseen,
        (state, _) => standing_of(state),
    }
}

fn standing_of(state: State) -> Standing {
    match state {
        State::Up | State::Suspect => Standing::Up,
        State::Down | State::Flapping => Standing::Down,
        State::Unknown => Standing::Unknown,
    }
}
