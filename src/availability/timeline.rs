//! What something counted as, second by second, and the sums of that.

use serde::Serialize;

use super::span::Span;

/// What a second counts as. Exactly one holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It answered and was healthy; a suspicion that was not borne out is up.
    Up,
    /// Confirmed down, from its first failed probe on; or flapping.
    Down,
    /// Planned work: no part of what it is held to, however it stood.
    Maintenance,
    /// The watchdog could not see: it did not run, was cut off, or its probes failed on its own side.
    Unseen,
    /// The watchdog looked and could not tell: not probed yet, credentials refused, throttled, somebody else's answer; or the
    /// record has a gap.
    Unknown,
    /// It was no target then, or the time has yet to come.
    Absent,
}

impl Standing {
    /// Every standing, in the order shown.
    pub const ALL: [Standing; 6] =
        [Standing::Up, Standing::Down, Standing::Maintenance, Standing::Unseen, Standing::Unknown, Standing::Absent];

    /// Returns the `standing` label.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Up => "up",
            Standing::Down => "down",
            Standing::Maintenance => "maintenance",
            Standing::Unseen => "unseen",
            Standing::Unknown => "unknown",
            Standing::Absent => "absent",
        }
    }
}

/// Seconds by what they count as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Seconds up.
    pub up: u64,
    /// Seconds down.
    pub down: u64,
    /// Seconds of planned work.
    pub maintenance: u64,
    /// Seconds in which the watchdog could not see.
    pub unseen: u64,
    /// Seconds in which it could not tell.
    pub unknown: u64,
    /// Seconds in which it was no target.
    pub absent: u64,
}

impl Tally {
    /// Adds seconds of one standing.
    pub fn add(&mut self, standing: Standing, seconds: u64) {
        let sum = match standing {
            Standing::Up => &mut self.up,
            Standing::Down => &mut self.down,
            Standing::Maintenance => &mut self.maintenance,
            Standing::Unseen => &mut self.unseen,
            Standing::Unknown => &mut self.unknown,
            Standing::Absent => &mut self.absent,
        };
        *sum += seconds;
    }

    /// Returns the sum of two.
    pub fn plus(mut self, other: Self) -> Self {
        let parts = [other.up, other.down, other.maintenance, other.unseen, other.unknown, other.absent];
        Standing::ALL.into_iter().zip(parts).for_each(|(standing, seconds)| self.add(standing, seconds));
        self
    }

    /// Returns all seconds.
    pub fn total(&self) -> u64 {
        self.up + self.down + self.maintenance + self.unseen + self.unknown + self.absent
    }

    /// Returns the seconds for which it is known whether it was up: what an availability is of.
    pub fn known(&self) -> u64 {
        self.up + self.down
    }

    /// Returns the availability, from 0 to 1: up of up and down. `None`: nothing is known.
    #[allow(clippy::cast_precision_loss)] // Exact for 285 million years.
    pub fn availability(&self) -> Option<f64> {
        (self.known() > 0).then(|| self.up as f64 / self.known() as f64)
    }
}

/// What something counted as: each standing holds from its second on until the next. Before the first it is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline(Vec<(i64, Standing)>);

impl Timeline {
    /// Takes what holds from a second on; not before the last that it was given. The same second again counts anew.
    pub fn push(&mut self, from: i64, standing: Standing) {
        while self.0.last().is_some_and(|(at, _)| *at >= from) {
            self.0.pop();
        }
        if self.0.last().map_or(Standing::Absent, |(_, last)| *last) != standing {
            self.0.push((from, standing));
        }
    }

    /// Returns the seconds in which the standing changes, with what holds from there on.
    pub fn changes(&self) -> &[(i64, Standing)] {
        &self.0
    }

    /// Returns the pieces of a span, each with one standing, in their order and without a gap.
    pub fn pieces(&self, span: Span) -> impl Iterator<Item = (Span, Standing)> {
        let first = self.0.partition_point(|(at, _)| *at <= span.from);
        let before = first.checked_sub(1).map_or(Standing::Absent, |i| self.0[i].1);
        let starts = std::iter::once((span.from, before)).chain(self.0[first..].iter().copied());
        let ends = self.0[first..].iter().map(|(at, _)| *at).chain([i64::MAX]);
        let pieces = starts.zip(ends).map(move |((from, s), to)| (Span { from, to: to.min(span.to) }, s));
        pieces.take_while(|(piece, _)| piece.seconds() > 0)
    }

    /// Returns the sums of a span.
    pub fn tally(&self, span: Span) -> Tally {
        let mut tally = Tally::default();
        self.pieces(span).for_each(|(piece, standing)| tally.add(standing, piece.seconds()));
        tally
    }

    /// Returns when it was down within a span, in order.
    pub fn outages(&self, span: Span) -> impl Iterator<Item = Span> {
        self.pieces(span).filter(|(_, standing)| *standing == Standing::Down).map(|(piece, _)| piece)
    }

    /// Returns the same with another standing within spans, or outside of them; where it is absent it stays so. The spans are
    /// in order and don't overlap.
    pub fn covered(&self, spans: &[Span], inside: bool, standing: Standing) -> Self {
        let mut edges: Vec<i64> = self.0.iter().map(|(at, _)| *at).collect();
        edges.extend(spans.iter().flat_map(|s| [s.from, s.to]));
        edges.sort_unstable();
        edges.dedup();
        let mut out = Self::default();
        let (mut own, mut next, mut current) = (0, 0, Standing::Absent);
        for at in edges {
            while self.0.get(own).is_some_and(|(from, _)| *from <= at) {
                current = self.0[own].1;
                own += 1;
            }
            while spans.get(next).is_some_and(|s| s.to <= at) {
                next += 1;
            }
            let is_inside = spans.get(next).is_some_and(|s| s.from <= at);
            let covers = current != Standing::Absent && is_inside == inside;
            out.push(at, if covers { standing } else { current });
        }
        out
    }
}
