//! Events that come far oftener than they did: something fails and is tried again without a rest, and each is written to etcd.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::{Moment, News, Source};
use crate::{
    inventory::tables::last_seen,
    model::{EventFlood, Situation},
};

/// As many minutes are held together …
const WINDOW: i64 = 10;
/// … against the worst so many of the hours before.
const PAST: i64 = 360;
/// A cluster that was heard for less has no habit yet.
const HABIT_AFTER: SignedDuration = SignedDuration::from_mins(60);
/// Fewer within [`WINDOW`] fill nothing: some three a second.
const FLOOD_MIN: u64 = 2_000;
/// A flood is so many times what was the worst before …
const TIMES: u64 = 5;
/// … and over below so many times of that.
const OVER: u64 = 2;
/// So many pairs of namespace and reason are counted in a minute: a flood has few.
const SOURCES_MAX: usize = 1_000;

/// One minute's.
#[derive(Debug, Default)]
struct Minute {
    at: i64,
    count: u64,
    /// By namespace and reason; kept for [`WINDOW`].
    sources: BTreeMap<(String, String), u64>,
}

/// All of a cluster.
#[derive(Debug, Default)]
pub(super) struct EventRate {
    /// Since when it is counted.
    first: Option<Timestamp>,
    minutes: VecDeque<Minute>,
    flood: Option<EventFlood>,
}

fn minute(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60)
}

impl EventRate {
    pub(super) fn take(&mut self, news: &News<'_>) {
        if !news.is("events") || news.is_gone || news.source != Source::Seen {
            return;
        }
        self.first.get_or_insert(news.at);
        // What a watch that broke tells late happened when it happened.
        let at = minute(last_seen(news.object).unwrap_or(news.at).min(news.at));
        let place = self.minutes.iter().rposition(|m| m.at <= at);
        let place = match place {
            Some(i) if self.minutes.get(i).is_some_and(|m| m.at == at) => i,
            before => {
                let i = before.map_or(0, |i| i + 1);
                self.minutes.insert(i, Minute { at, ..Minute::default() });
                i
            }
        };
        let Some(of) = self.minutes.get_mut(place) else { return };
        of.count += 1;
        let source = (news.object.namespace.clone(), news.object.text(&["reason"]).to_owned());
        if of.sources.len() < SOURCES_MAX || of.sources.contains_key(&source) {
            *of.sources.entry(source).or_default() += 1;
        }
        let oldest = minute(news.at) - PAST;
        while self.minutes.front().is_some_and(|m| m.at < oldest) {
            self.minutes.pop_front();
        }
    }

    pub(super) fn fill(&mut self, moment: &Moment<'_>, into: &mut Situation) {
        let Some(moment) = moment.of(&["events"]) else { return };
        let from = minute(moment.now) - WINDOW;
        let (past, lately): (Vec<&mut Minute>, Vec<&mut Minute>) = self.minutes.iter_mut().partition(|m| m.at <= from);
        let count = lately.iter().map(|m| m.count).sum();
        let worst = worst(&past);
        past.into_iter().for_each(|m| m.sources.clear());
        match &self.flood {
            Some(flood) if count < (flood.worst * OVER).max(FLOOD_MIN / 2) => self.flood = None,
            Some(_) => {}
            None => {
                let has_habit = self.first.is_some_and(|first| moment.is_past(first, HABIT_AFTER));
                if has_habit && count >= FLOOD_MIN && count >= worst * TIMES {
                    let (namespace, reason) = most(&lately);
                    self.flood = Some(EventFlood { since: moment.now, count, worst, namespace, reason });
                }
            }
        }
        into.event_flood = self.flood.clone();
    }
}

/// The most within [`WINDOW`], by windows that begin with a minute in which something came.
fn worst(minutes: &[&mut Minute]) -> u64 {
    let (mut worst, mut sum, mut begin) = (0, 0, 0);
    for (end, last) in minutes.iter().enumerate() {
        sum += last.count;
        while minutes.get(begin).is_some_and(|m| begin < end && m.at <= last.at - WINDOW) {
            sum -= minutes.get(begin).map_or(0, |m| m.count);
            begin += 1;
        }
        worst = worst.max(sum);
    }
    worst
}

/// Where most come from: namespace and reason.
fn most(minutes: &[&mut Minute]) -> (String, String) {
    let mut sums: BTreeMap<&(String, String), u64> = BTreeMap::new();
    for (source, count) in minutes.iter().flat_map(|m| &m.sources) {
        *sums.entry(source).or_default() += count;
    }
    sums.into_iter().max_by_key(|(_, count)| *count).map(|(source, _)| source.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::Told;

    /// So many events in one second, of one namespace and reason.
    fn events(told: &mut Told, at: i64, count: usize, namespace: &str, reason: &str) {
        for i in 0..count {
            told.is(at, "events", &format!("{namespace}/{reason}.{at}.{i}"), json!({"reason": reason}));
        }
    }

    /// An hour and a half with 40 events in each minute.
    fn told() -> Told {
        let mut told = Told::new();
        (0..90).for_each(|minute| events(&mut told, minute * 60, 40, "shop", "Scheduled"));
        told
    }

    #[test]
    fn a_flood_is_held_against_the_hours_before_and_ends() {
        let mut told = told();
        assert_eq!(told.at(5_399).event_flood, None);
        events(&mut told, 5_410, 1_500, "bank", "FailedScheduling");
        assert_eq!(told.at(5_411).event_flood, None, "not five times as many");
        events(&mut told, 5_420, 700, "bank", "FailedScheduling");
        let flood = told.at(5_421).event_flood.unwrap();
        assert_eq!((flood.count, flood.worst), (2_560, 400));
        assert_eq!((&*flood.namespace, &*flood.reason), ("bank", "FailedScheduling"));
        events(&mut told, 5_900, 1_100, "bank", "FailedScheduling");
        assert_eq!(told.at(6_000).event_flood, Some(flood), "it goes on, in the same words");
        assert_eq!(told.at(6_600).event_flood, None);
    }

    #[test]
    fn a_young_watchdog_has_no_habit_and_what_is_told_late_came_when_it_came() {
        let mut young = Told::new();
        events(&mut young, 0, 10, "shop", "Scheduled");
        events(&mut young, 1_800, 5_000, "shop", "BackOff");
        assert_eq!(young.at(1_801).event_flood, None);
        let mut late = told();
        for i in 0..3_000 {
            let at = super::super::tests::t(3_700 + i64::from(i) % 1_200);
            let event = json!({"reason": "BackOff", "eventTime": at.to_string()});
            late.is(5_400, "events", &format!("shop/late.{i}"), event);
        }
        assert_eq!(late.at(5_401).event_flood, None);
    }
}
