//! What a cluster's components did lately, and no single look shows: elections of etcd, API servers that were away in turns,
//! connections that came about late. Taken in observation by observation, told by `findings::again`.
//!
//! Each of these is normal once; what comes again and again is told until it has been quiet. Nothing here outlives the
//! program: after a restart it has to come again.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use jiff::Timestamp;

use super::time::later;
use crate::model::{Facts, Job, Observation, TargetKey};

/// So far back is looked. etcd's own alert (`etcdHighNumberOfLeaderChanges`) takes as long.
const WINDOW: Duration = Duration::from_secs(15 * 60);
/// Over after so long without another.
const QUIET: Duration = Duration::from_secs(5 * 60);
/// So many elections within [`WINDOW`]; with three members, a rolling upgrade makes three at the most.
const ELECTIONS: usize = 4;
/// So many API servers that came back within [`WINDOW`], one of them twice: in a rolling upgrade each does once.
const RETURNS: usize = 4;
/// What is closer together is one event for all of them: the way to them, or etcd behind them.
const APART: Duration = Duration::from_secs(5);
/// So many late connections to one target within [`WINDOW`] …
const LATE: usize = 4;
/// … and over so long: a moment's trouble on the way delays several at once.
const LATE_SPREAD: Duration = Duration::from_secs(120);
/// A lost first packet is sent again after a second, then after two or three (RFC 6298; Linux sends linearly at first).
const RETRANSMITTED_AFTER: Duration = Duration::from_secs(1);
/// … and the way takes no longer than this besides.
const WAY_MAX_MS: u32 = 300;
/// Moments kept of one subject; the oldest go first.
const KEPT_MAX: usize = 64;
/// etcd clusters told apart: one, or two where a member belongs to another.
const ETCDS_MAX: usize = 8;
/// Targets with late connections that are followed; more are not taken in until others are forgotten: then it is the way
/// from here, and nobody is accused.
const FOLLOWED_MAX: usize = 1_000;

/// Moments of something, each with who it was.
#[derive(Clone, Debug, Default)]
struct Course {
    at: VecDeque<(Timestamp, String)>,
    /// Since when it comes again and again.
    since: Option<Timestamp>,
}

impl Course {
    fn add(&mut self, at: Timestamp, who: String, is_again: impl Fn(&VecDeque<(Timestamp, String)>) -> bool) {
        if self.at.back().is_some_and(|(last, _)| later(at, *last, QUIET)) && self.since.take().is_some() {
            self.at.clear();
        }
        self.at.retain(|(then, _)| !later(at, *then, WINDOW));
        if self.at.len() >= KEPT_MAX {
            self.at.pop_front();
        }
        self.at.push_back((at, who));
        if self.since.is_none() && is_again(&self.at) {
            self.since = self.at.front().map(|(first, _)| *first);
        }
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.at.back().is_none_or(|(last, _)| later(now, *last, QUIET))
    }

    fn told(&self, now: Timestamp) -> Option<Again> {
        let since = self.since.filter(|_| !self.is_over(now))?;
        let times: Vec<Timestamp> = self.at.iter().map(|(at, _)| *at).collect();
        Some(Again { since, times, who: self.at.iter().map(|(_, who)| who.clone()).collect() })
    }
}

/// Something that came again and again, and goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Again {
    /// The first of these moments.
    pub(super) since: Timestamp,
    /// Those of the last minutes, oldest first.
    pub(super) times: Vec<Timestamp>,
    /// Whom it concerned, each once.
    pub(super) who: BTreeSet<String>,
}

/// What is remembered of one cluster.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    /// Raft's newest term, by cluster ID.
    terms: BTreeMap<u64, u64>,
    elections: Course,
    returns: Course,
    late: BTreeMap<TargetKey, Course>,
}

impl Recent {
    /// Takes in what a probe saw.
    pub fn take(&mut self, o: &Observation) {
        if let Facts::Etcd(facts) = &o.facts
            && let (Some(cluster), Some(term)) = (facts.cluster_id, facts.raft_term)
        {
            self.learn_term(cluster, term, o.started);
        }
        if o.phases.connect.is_some_and(is_late) {
            self.connected_late(&o.target.key, o.started);
        }
    }

    /// Notes that a target is up again that was down for a reason of its own process or host.
    pub fn returned(&mut self, key: &TargetKey, now: Timestamp) {
        if key.job != Job::KubeApiserver {
            return;
        }
        let in_turns = |at: &VecDeque<(Timestamp, String)>| {
            let who: BTreeSet<&str> = at.iter().map(|(_, who)| who.as_str()).collect();
            at.len() >= RETURNS && who.len() > 1 && who.len() < at.len()
        };
        let is_one_event = self.returns.at.back().is_some_and(|(last, _)| !later(now, *last, APART));
        if !is_one_event {
            self.returns.add(now, key.instance.to_string(), in_turns);
        }
    }

    fn learn_term(&mut self, cluster: u64, term: u64, at: Timestamp) {
        if self.terms.len() >= ETCDS_MAX && !self.terms.contains_key(&cluster) {
            self.terms.clear();
        }
        let known = *self.terms.entry(cluster).or_insert(term);
        if term > known {
            self.terms.insert(cluster, term);
            self.elections.add(at, String::new(), |at| at.len() >= ELECTIONS);
        }
    }

    fn connected_late(&mut self, key: &TargetKey, at: Timestamp) {
        if !self.late.contains_key(key) {
            self.late.retain(|_, course| !course.is_over(at));
            if self.late.len() >= FOLLOWED_MAX {
                return;
            }
        }
        let course = self.late.entry(key.clone()).or_default();
        let is_spread = |at: &VecDeque<(Timestamp, String)>| {
            let ends = at.front().zip(at.back());
            at.len() >= LATE && ends.is_some_and(|((first, _), (last, _))| later(*last, *first, LATE_SPREAD))
        };
        course.add(at, key.instance.to_string(), is_spread);
    }

    /// etcd elects a leader again and again.
    pub(super) fn elections(&self, now: Timestamp) -> Option<Again> {
        self.elections.told(now)
    }

    /// API servers are away in turns.
    pub(super) fn turns(&self, now: Timestamp) -> Option<Again> {
        self.returns.told(now)
    }

    /// Targets to which connections come about late again and again.
    pub(super) fn late(&self, now: Timestamp) -> BTreeMap<&TargetKey, Again> {
        self.late.iter().filter_map(|(key, course)| Some((key, course.told(now)?))).collect()
    }

    /// Targets of which a connection was late at all.
    pub(super) fn late_at_all(&self, now: Timestamp) -> impl Iterator<Item = &TargetKey> {
        self.late.iter().filter(move |(_, course)| !course.is_over(now)).map(|(key, _)| key)
    }
}

/// As long as a connection takes whose first packet was lost.
fn is_late(connect: Duration) -> bool {
    connect >= RETRANSMITTED_AFTER && connect.subsec_millis() < WAY_MAX_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(seconds: u64) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    #[test]
    fn elections_are_told_while_they_come_again_and_again() {
        let told = |moments: &[u64], now: u64| {
            let mut recent = Recent::default();
            recent.learn_term(1, 7, t(0));
            for (i, at) in (8..).zip(moments) {
                recent.learn_term(1, i, t(*at));
                recent.learn_term(1, i - 1, t(*at + 1)); // A member that is behind.
            }
            recent.elections(t(now)).map(|again| (again.since, again.times.len()))
        };
        assert_eq!(told(&[60, 180, 300], 301), None, "a rolling upgrade");
        assert_eq!(told(&[60, 180, 300, 420], 420), Some((t(60), 4)));
        assert_eq!(told(&[60, 180, 300, 420], 721), None, "it has been quiet");
        assert_eq!(told(&[60, 180, 300, 420, 800], 801), None, "one more after that is the first again");
        assert_eq!(told(&[0, 600, 1_200, 1_800], 1_800), None, "far apart");
    }

    #[test]
    fn turns_are_told_where_one_is_away_twice() {
        let told = |who: &[&str]| {
            let mut recent = Recent::default();
            for (i, instance) in (0..).zip(who) {
                for job in [Job::KubeApiserver, Job::Etcd] {
                    let key = TargetKey { cluster: "prod".into(), job, instance: (*instance).into() };
                    recent.returned(&key, t(i * 40));
                }
            }
            recent.turns(t(200)).map(|again| again.who.len())
        };
        assert_eq!(told(&["a", "b", "c"]), None);
        assert_eq!(told(&["a", "b", "c", "d", "e"]), None, "an upgrade of five");
        assert_eq!(told(&["a", "a", "a", "a"]), None, "one of them flaps by itself");
        assert_eq!(told(&["a", "b", "c", "a"]), Some(3));
    }

    #[test]
    fn what_comes_back_together_is_one_event() {
        let mut recent = Recent::default();
        for (at, instance) in (0..2).flat_map(|round| ["a", "b", "c"].map(|instance| (100 * round, instance))) {
            let key = TargetKey { cluster: "prod".into(), job: Job::KubeApiserver, instance: instance.into() };
            recent.returned(&key, t(at));
        }
        assert_eq!(recent.turns(t(101)), None);
    }

    #[test]
    fn a_connection_is_late_as_a_lost_packet_makes_it() {
        for (ms, expected) in
            [(3, false), (999, false), (1_004, true), (1_290, true), (1_600, false), (3_020, true), (4_500, false)]
        {
            assert_eq!(is_late(Duration::from_millis(ms)), expected, "{ms} ms");
        }
    }
}
