//! One watchdog's side of the pair: its role, what it knows of the other, the ledger, and when a message may go. No sockets and no
//! clocks: what was heard and what time it is comes in, what is to be said goes out.
//!
//! A machine that stood still (frozen, suspended, starved) can't know what happened meanwhile: it takes the other's silence of that
//! time for its own, and sends nothing before it has asked.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::{
    decide::{self, BETTER_FOR, Standing, Verdict, YIELD_MAX},
    ledger::Ledger,
    wire::{Able, Item, Role, Say, Taken},
};

/// The loop that owns this looks every second; it waits for a disk that hangs for two. After more than this it stood still …
pub const STOOD_STILL: Duration = Duration::from_secs(5);

/// … or after this part of `takeover`, where that is less: whoever was away for so long that the other may have taken over must
/// know that it was.
const STOOD_STILL_PART: u32 = 4;

/// An exchange is given up after this.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// An exchange that took so much longer than it may says nothing of the other: we stood still.
const ANSWER_LATE: Duration = Duration::from_secs(1);

/// The link is taken for cut when we could not ask, and have not been asked for so long.
const UNHEARD: Duration = Duration::from_secs(3);

/// What changed for this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It leads now.
    Lead,
    /// It follows now.
    Follow,
}

/// What was heard of the other last.
#[derive(Clone, Debug)]
pub struct Other {
    /// As it said it; without its items.
    pub said: Say,
    /// When.
    pub heard_at: Instant,
    /// When, on the wall.
    pub heard_wall: Timestamp,
    /// Its wall clock against ours.
    pub ahead: SignedDuration,
    /// All of it is taken up to here.
    pub got: u64,
    /// It has all of ours up to here.
    pub has: u64,
}

/// One side.
#[derive(Debug)]
pub struct Core {
    /// This vantage's name.
    pub name: String,
    /// What must be the same on both.
    pub digest: String,
    /// The highest number that was given to an incident here.
    pub last_incident: i64,
    /// What both must know.
    pub ledger: Ledger,
    takeover: Duration,
    boot: u64,
    number: u64,
    term: u64,
    role: Role,
    able: Able,
    other: Option<Other>,
    began: Instant,
    looked: Instant,
    /// Nothing goes before an exchange that began after this has ended.
    ask_after: Option<Instant>,
    /// The last exchange that we began was answered.
    answered: bool,
    better_since: Option<Instant>,
    yields_since: Option<Instant>,
}

impl Core {
    /// One that has heard nothing yet. `boot` tells this run from all others, `term` is the highest that its database knows.
    pub fn new(name: &str, takeover: Duration, (boot, term): (u64, u64), now: Instant) -> Self {
        Self {
            name: name.to_owned(),
            digest: String::new(),
            last_incident: 0,
            ledger: Ledger::default(),
            takeover,
            boot,
            number: 0,
            term,
            role: Role::Waiting,
            able: Able::default(),
            other: None,
            began: now,
            looked: now,
            ask_after: None,
            answered: true,
            better_since: None,
            yields_since: None,
        }
    }

    /// Returns whether this one decides.
    pub fn leads(&self) -> bool {
        self.role == Role::Leading
    }

    /// Returns what it does.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Returns its term.
    pub fn term(&self) -> u64 {
        self.term
    }

    /// Returns what was heard of the other last.
    pub fn other(&self) -> Option<&Other> {
        self.other.as_ref()
    }

    /// Takes another patience, after a reload.
    pub fn set_takeover(&mut self, takeover: Duration) {
        self.takeover = takeover;
    }

    /// Returns whether the other has been silent for as long as it may be.
    pub fn is_silent(&self, now: Instant) -> bool {
        let since = self.other.as_ref().map_or(self.began, |o| o.heard_at.max(self.began));
        now.saturating_duration_since(since) >= self.takeover
    }

    /// Returns whether a message may go now: this one leads, and the other has all that was written down, or can't be asked.
    pub fn may_send(&self, now: Instant) -> bool {
        if !self.leads() || self.yields_since.is_some() || self.ask_after.is_some() {
            return false;
        }
        let Some(other) = &self.other else { return !self.answered || self.is_silent(now) };
        let cut = !self.answered && now.saturating_duration_since(other.heard_at) >= UNHEARD;
        other.has >= self.ledger.revision() || cut || self.is_silent(now)
    }

    /// Returns whether the other is to be asked at once: it has not all of ours, we not all of its, or something hangs on it.
    pub fn wants_to_ask(&self) -> bool {
        let behind = |o: &Other| o.has < self.ledger.revision() || o.got < o.said.newest;
        self.ask_after.is_some() || self.other.as_ref().is_none_or(behind)
    }

    /// Returns what is to be said to the other.
    pub fn say(&mut self, wall: Timestamp) -> Say {
        self.number += 1;
        let has = self.other.as_ref().map_or(0, |o| o.has);
        let (items, revision) = self.ledger.since(has);
        Say {
            name: self.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            boot: self.boot,
            number: self.number,
            term: self.term,
            role: self.role,
            claims: self.claims(),
            able: self.able,
            at: wall,
            last_incident: self.last_incident,
            digest: self.digest.clone(),
            taken: self.other.as_ref().map(|o| Taken { boot: o.said.boot, revision: o.got }).unwrap_or_default(),
            after: Taken { boot: self.other.as_ref().map_or(0, |o| o.said.boot), revision: has },
            revision,
            newest: self.ledger.revision(),
            items,
        }
    }

    /// Takes in what the other said, asked or asking; gives its items, to be merged before it is answered.
    pub fn hear(&mut self, mut say: Say, now: Instant, wall: Timestamp) -> (Vec<Item>, Option<News>) {
        let items = std::mem::take(&mut say.items);
        let before = self.other.take().filter(|o| o.said.boot == say.boot);
        if let Some(other) = before.as_ref().filter(|o| o.said.number >= say.number) {
            // Overtaken on the way by something newer.
            self.other = Some(other.clone());
            return (Vec::new(), None);
        }
        let mut got = before.as_ref().map_or(0, |o| o.got);
        // Said to an earlier run of ours, or before it knew what we lack: it will say it again.
        let fits = if say.after.boot == self.boot { say.after.revision <= got } else { say.after.revision == 0 };
        if fits {
            got = got.max(say.revision);
        }
        let has = if say.taken.boot == self.boot { say.taken.revision } else { 0 };
        let ahead = say.at.duration_since(wall);
        let leads = say.role == Role::Leading;
        if !leads && self.leads() {
            self.term = self.term.max(say.term);
        }
        self.other = Some(Other { said: say, heard_at: now, heard_wall: wall, ahead, got, has });
        let news = self.settle(now, None);
        (if fits { items } else { Vec::new() }, news)
    }

    /// An exchange that we began has ended: answered, or not. What took far too long says nothing.
    pub fn asked(&mut self, began: Instant, answered: bool, now: Instant) {
        if !answered && now.saturating_duration_since(began) > ANSWER_WITHIN + ANSWER_LATE {
            return;
        }
        self.answered = answered;
        if self.ask_after.is_some_and(|after| after <= began) {
            self.ask_after = None;
        }
    }

    /// Time has passed. `in_flight`: attempts under way.
    pub fn look(&mut self, able: Able, in_flight: usize, now: Instant) -> Option<News> {
        if now.saturating_duration_since(self.looked) > STOOD_STILL.min(self.takeover / STOOD_STILL_PART) {
            self.ask_after = Some(now);
            self.began = now;
            self.better_since = None;
        }
        self.looked = now;
        self.able = able;
        let better = self.role == Role::Following
            && !self.is_silent(now)
            && self.other.as_ref().is_some_and(|o| o.said.role == Role::Leading && self.able > o.said.able);
        self.better_since =
            if better { self.better_since.or(Some(now)) } else { self.better_since.filter(|_| self.awaits()) };
        self.settle(now, Some(in_flight))
    }

    /// The leader has given way to our claim, and we have not led yet.
    fn awaits(&self) -> bool {
        self.role == Role::Following && self.other.as_ref().is_some_and(|o| o.said.role == Role::Following)
    }

    fn claims(&self) -> bool {
        self.role == Role::Following
            && self.better_since.is_some_and(|at| self.looked.saturating_duration_since(at) >= BETTER_FOR)
    }

    fn settle(&mut self, now: Instant, in_flight: Option<usize>) -> Option<News> {
        let me =
            Standing { name: &self.name, role: self.role, term: self.term, able: self.able, claims: self.claims() };
        let other = self.other.as_ref().map(|o| Standing {
            name: &o.said.name,
            role: o.said.role,
            term: o.said.term,
            able: o.said.able,
            claims: o.said.claims,
        });
        let verdict = decide::verdict(me, other, self.is_silent(now));
        if verdict != Verdict::Yield {
            self.yields_since = None;
        }
        match verdict {
            Verdict::Stay => None,
            Verdict::Lead => {
                self.term = self.term.max(self.other.as_ref().map_or(0, |o| o.said.term)) + 1;
                (self.role, self.better_since) = (Role::Leading, None);
                Some(News::Lead)
            }
            Verdict::Follow => self.follow(),
            Verdict::Yield => {
                let since = *self.yields_since.get_or_insert(now);
                let waited = now.saturating_duration_since(since) >= YIELD_MAX;
                let all = self.other.as_ref().is_some_and(|o| o.has >= self.ledger.revision());
                (waited || (all && in_flight == Some(0))).then(|| self.follow()).flatten()
            }
        }
    }

    fn follow(&mut self) -> Option<News> {
        self.term = self.term.max(self.other.as_ref().map_or(0, |o| o.said.term));
        (self.role, self.yields_since, self.better_since) = (Role::Following, None, None);
        // All of it once more: what is here and not there is to be found out.
        if let Some(other) = &mut self.other {
            other.got = 0;
        }
        Some(News::Follow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::wire::View;

    const FULL: Able = Able { notifies: true, sees: true };

    /// Two, and the time.
    struct Pair {
        a: Core,
        b: Core,
        now: Instant,
    }

    impl Pair {
        /// They have met, and `a` leads.
        fn met() -> Self {
            let now = Instant::now();
            let core = |name, boot| Core::new(name, Duration::from_secs(20), (boot, 0), now);
            let mut pair = Self { a: core("a", 1), b: core("b", 2), now };
            pair.look(0);
            (0..3).for_each(|_| pair.exchange());
            assert!(pair.a.leads() && pair.b.role() == Role::Following);
            pair
        }

        fn look(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
            self.a.look(FULL, 0, self.now);
            self.b.look(FULL, 0, self.now);
        }

        /// `a` asks `b`.
        fn exchange(&mut self) {
            let say = self.a.say(Timestamp::UNIX_EPOCH);
            self.b.hear(say, self.now, Timestamp::UNIX_EPOCH);
            let answer = self.b.say(Timestamp::UNIX_EPOCH);
            self.a.hear(answer, self.now, Timestamp::UNIX_EPOCH);
            self.a.asked(self.now, true, self.now);
        }

        fn write(&mut self, blind: bool) {
            self.a.ledger.put(Item::View { view: View { blind, ..View::default() } });
        }
    }

    #[test]
    fn what_is_written_goes_when_the_other_has_it_or_can_not_be_asked() {
        let mut pair = Pair::met();
        assert!(pair.a.may_send(pair.now) && !pair.b.may_send(pair.now));
        pair.write(true);
        assert!(!pair.a.may_send(pair.now) && pair.a.wants_to_ask());
        pair.exchange();
        assert!(pair.a.may_send(pair.now));
        pair.write(false);
        pair.look(2);
        pair.a.asked(pair.now, false, pair.now);
        assert!(!pair.a.may_send(pair.now), "it was heard a moment ago");
        pair.look(2);
        assert!(pair.a.may_send(pair.now));
    }

    #[test]
    fn who_stood_still_asks_before_it_sends_and_takes_nobody_for_dead() {
        let mut pair = Pair::met();
        let began = pair.now;
        pair.look(60);
        assert!(!pair.a.may_send(pair.now) && !pair.b.is_silent(pair.now) && pair.b.role() == Role::Following);
        pair.a.asked(began, false, pair.now);
        assert!(!pair.a.may_send(pair.now), "a question from before it stood still says nothing");
        pair.exchange();
        assert!(pair.a.may_send(pair.now));
        for _ in 0..5 {
            pair.look(5);
        }
        assert!(pair.b.leads(), "now it was silent, and both looked");
    }

    #[test]
    fn what_was_said_to_an_earlier_run_or_is_overtaken_is_not_taken() {
        let mut pair = Pair::met();
        pair.write(true);
        let late = pair.a.say(Timestamp::UNIX_EPOCH);
        let newer = pair.a.say(Timestamp::UNIX_EPOCH);
        assert_eq!(pair.b.hear(newer, pair.now, Timestamp::UNIX_EPOCH).0.len(), 1);
        assert_eq!(pair.b.hear(late, pair.now, Timestamp::UNIX_EPOCH).0, []);
        pair.exchange();
        pair.write(false);
        let to_the_one_before = pair.a.say(Timestamp::UNIX_EPOCH);
        let mut again = Core::new("b", Duration::from_secs(20), (3, 0), pair.now);
        assert_eq!(again.hear(to_the_one_before, pair.now, Timestamp::UNIX_EPOCH).0, [], "it lacks what came before");
        pair.b = again;
        pair.exchange();
        pair.exchange();
        assert_eq!((pair.b.other().map(|o| o.got), pair.b.role()), (Some(pair.a.ledger.revision()), Role::Following));
    }

    #[test]
    fn the_leader_gives_way_to_who_can_deliver_when_nothing_is_under_way() {
        let mut pair = Pair::met();
        let dumb = Able { notifies: false, sees: true };
        for second in 0..13 {
            pair.now += Duration::from_secs(1);
            pair.a.look(dumb, 1, pair.now);
            pair.b.look(FULL, 0, pair.now);
            pair.exchange();
            assert!(pair.a.leads() && !pair.b.leads(), "{second}");
        }
        assert!(!pair.a.may_send(pair.now), "it begins nothing any more");
        assert_eq!(pair.a.look(dumb, 0, pair.now), Some(News::Follow));
        pair.exchange();
        assert!(pair.b.leads() && pair.b.term() == 2);
        pair.exchange();
        assert_eq!(pair.a.role(), Role::Following);
    }
}
