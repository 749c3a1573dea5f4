//! Rules played over the history: when would they have fired, how often, for how long, and was something wrong then?
//!
//! Evaluated in ranges, a chunk at a time, which gives what an evaluation at each tick gives; what recording rules make is
//! kept in memory on top of the history. Labels with templates are shown as they are written. Blocks.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    eval::recorded,
    file::{Group, Kind, Rule},
    step::{Alerting, Element, Phase, Terms},
};
use crate::{
    model::{ALERTNAME, Incident, Labels, Pairs, Sample, stale},
    promql::{Series, Value},
    query::{Engine, Memory, QueryConfig, Source},
    store::Store,
    telemetry::Metrics,
};

/// Ticks of one chunk: a day at 30 s.
const CHUNK: i64 = 2_880;

/// Times at which an alert fired that are kept of one rule; the rest is counted.
pub const EPISODES_MAX: usize = 10_000;

/// Holds what is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First evaluation, Unix milliseconds.
    pub from_ms: i64,
    /// Last evaluation, Unix milliseconds.
    pub to_ms: i64,
}

/// A time at which an alert would have fired.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// Its labels.
    pub labels: Pairs,
    /// When it began to fire.
    pub from: Timestamp,
    /// When it ended; `None`: it would be firing now.
    pub to: Option<Timestamp>,
    /// Incidents of that time, by id.
    pub incidents: Vec<i64>,
}

/// Says how a rule fared.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleReport {
    /// Its group.
    pub group: String,
    /// Its name.
    pub rule: String,
    /// Why it could not be evaluated.
    pub error: Option<String>,
    /// When it would have fired.
    pub episodes: Vec<Episode>,
    /// Episodes beyond [`EPISODES_MAX`].
    pub more: usize,
    /// For how long, each episode added up.
    pub firing_for: Duration,
    /// Incidents during which it would have fired, by id.
    pub incidents: Vec<i64>,
}

/// Holds what came out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Alerting rules, in the order of their files.
    pub rules: Vec<RuleReport>,
    /// Incidents during which none of them would have fired, by id.
    pub unnoticed: Vec<i64>,
}

/// Plays groups over the history; `incidents` are those of that time.
/// A rule that can't be evaluated says so in its report.
pub fn run(groups: &[Group], store: &Store, config: &QueryConfig, incidents: &[Incident], window: Window) -> Report {
    let memory = Memory::default();
    let source = Source::Over(store.clone(), memory.clone());
    let engine = Engine::over(source, config.clone(), Arc::new(Metrics::new()));
    // What is recorded is there before those that read it, whatever the order of the files.
    let mut players: Vec<Player> = groups.iter().map(|g| Player::new(g, window)).collect();
    players.sort_by_key(|p| !p.group.rules.iter().any(|r| r.kind == Kind::Recording));
    let longest = groups.iter().map(|g| g.interval).max().unwrap_or(super::file::INTERVAL);
    let chunk_ms = millis(longest).saturating_mul(CHUNK);
    let mut until = window.from_ms;
    while until < window.to_ms {
        until = until.saturating_add(chunk_ms).min(window.to_ms);
        for player in &mut players {
            player.play(&engine, &memory, until);
        }
    }
    let order = |group: &str| groups.iter().position(|g| *g.key() == *group).unwrap_or(usize::MAX);
    players.sort_by_key(|p| order(&p.group.key()));
    let rules: Vec<RuleReport> = players.into_iter().flat_map(|p| p.report(incidents, window)).collect();
    let noticed = |i: &&Incident| rules.iter().any(|r| r.incidents.contains(&i.id));
    let unnoticed = incidents.iter().filter(|i| !noticed(i)).map(|i| i.id).collect();
    Report { rules, unnoticed }
}

fn millis(d: Duration) -> i64 {
    i64::try_from(d.as_millis()).unwrap_or(i64::MAX).max(1)
}

/// A group on its way through time.
struct Player<'a> {
    group: &'a Group,
    next_ms: i64,
    tracks: Vec<Track>,
}

/// A rule on its way.
#[derive(Default)]
struct Track {
    alerting: Alerting,
    error: Option<String>,
    open: BTreeMap<Pairs, Timestamp>,
    episodes: Vec<Episode>,
    more: usize,
    firing_ms: i64,
}

impl<'a> Player<'a> {
    fn new(group: &'a Group, window: Window) -> Self {
        let every = millis(group.interval);
        let first = window.from_ms.div_euclid(every).saturating_add(1).saturating_mul(every);
        Self { group, next_ms: first, tracks: group.rules.iter().map(|_| Track::default()).collect() }
    }

    /// Evaluates every tick up to and including `until`.
    fn play(&mut self, engine: &Engine, memory: &Memory, until: i64) {
        let every = millis(self.group.interval);
        if self.next_ms > until {
            return;
        }
        let last = self.next_ms + (until - self.next_ms) / every * every;
        let offset = i64::try_from(self.group.offset.as_millis()).unwrap_or(0);
        // What is recorded is there before it is read, wherever in the group it stands.
        let mut rules: Vec<(&Arc<Rule>, &mut Track)> = self.group.rules.iter().zip(&mut self.tracks).collect();
        rules.sort_by_key(|(rule, _)| rule.kind != Kind::Recording);
        for (rule, track) in rules {
            let result = engine.range_blocking(&rule.query, self.next_ms - offset, last - offset, every);
            match result.map(|answer| matrix(answer.value)) {
                Ok(series) if rule.kind == Kind::Recording => {
                    let named = |s: &Series| Series { labels: recorded(rule, &s.labels), points: s.points.clone() };
                    let series: Vec<Series> = series.iter().map(named).collect();
                    keep(memory, &series, every);
                }
                Ok(series) => {
                    track.alerts(rule, &series, memory, (self.next_ms, last, every), self.group.limit, offset)
                }
                Err(error) => track.error = Some(error.message),
            }
        }
        self.next_ms = last + every;
    }

    fn report(self, incidents: &[Incident], window: Window) -> Vec<RuleReport> {
        let group = self.group.name.clone();
        let alerting = self.group.rules.iter().zip(self.tracks).filter(|(r, _)| r.kind != Kind::Recording);
        alerting.map(|(rule, track)| track.report(&group, rule, incidents, window)).collect()
    }
}

fn matrix(value: Value) -> Vec<Series> {
    match value {
        Value::Matrix(series) => series,
        _ => Vec::new(),
    }
}

/// Recorded series go on top of the history; where one pauses, it is marked as ended.
fn keep(memory: &Memory, series: &[Series], every: i64) {
    for s in series {
        let mut samples = Vec::with_capacity(s.points.len() + 1);
        for (i, (at_ms, value)) in s.points.iter().enumerate() {
            let put = |samples: &mut Vec<Sample>, at_ms, value| {
                if let Ok(at) = Timestamp::from_millisecond(at_ms) {
                    samples.push(Sample { labels: s.labels.clone(), at, value });
                }
            };
            put(&mut samples, *at_ms, *value);
            if s.points.get(i + 1).is_some_and(|(next, _)| next - at_ms > every) {
                put(&mut samples, at_ms + every, stale());
            }
        }
        memory.append(&samples);
    }
}

impl Track {
    /// The life of a rule's alerts over a chunk of ticks `(first, last, every)`.
    fn alerts(
        &mut self,
        rule: &Rule,
        series: &[Series],
        memory: &Memory,
        ticks: (i64, i64, i64),
        limit: usize,
        offset: i64,
    ) {
        let Kind::Alerting { hold, keep_firing_for, .. } = &rule.kind else { return };
        let terms = Terms { hold: *hold, keep_firing_for: *keep_firing_for, limit };
        let labels: Vec<Pairs> = series.iter().map(|s| labels(rule, &s.labels)).collect();
        let mut at: BTreeMap<i64, Vec<(usize, f64)>> = BTreeMap::new();
        for (i, s) in series.iter().enumerate() {
            for (ms, value) in &s.points {
                at.entry(ms + offset).or_default().push((i, *value));
            }
        }
        let (mut tick, last, every) = ticks;
        while tick <= last {
            let found = at.remove(&tick).unwrap_or_default();
            // Where nothing is and nothing was, nothing changes.
            if found.is_empty() && self.alerting.active().next().is_none() && self.open.is_empty() {
                tick = at.keys().next().copied().unwrap_or(last + every);
                continue;
            }
            let elements = found.iter().map(|(i, value)| Element {
                labels: labels[*i].clone(),
                annotations: Pairs::new(),
                value: *value,
            });
            if let Ok(now) = Timestamp::from_millisecond(tick) {
                if let Err(error) = self.alerting.step(elements.collect(), now, &terms) {
                    self.error = Some(error);
                }
                memory.append(&self.alerting.samples(now));
                self.follow(now);
            }
            tick += every;
        }
    }

    /// Opens and closes episodes as alerts begin and end to fire.
    fn follow(&mut self, now: Timestamp) {
        let firing: Vec<Pairs> =
            self.alerting.active().filter(|a| a.phase == Phase::Firing).map(|a| a.labels.clone()).collect();
        let ended: Vec<Pairs> = self.open.keys().filter(|l| !firing.contains(l)).cloned().collect();
        for labels in ended {
            if let Some(from) = self.open.remove(&labels) {
                self.close(Episode { labels, from, to: Some(now), incidents: Vec::new() }, now);
            }
        }
        for labels in firing {
            self.open.entry(labels).or_insert(now);
        }
    }

    fn close(&mut self, episode: Episode, until: Timestamp) {
        self.firing_ms += until.as_millisecond() - episode.from.as_millisecond();
        if self.episodes.len() < EPISODES_MAX { self.episodes.push(episode) } else { self.more += 1 }
    }

    fn report(mut self, group: &str, rule: &Rule, incidents: &[Incident], window: Window) -> RuleReport {
        let end = Timestamp::from_millisecond(window.to_ms).unwrap_or(Timestamp::MAX);
        for (labels, from) in std::mem::take(&mut self.open) {
            self.close(Episode { labels, from, to: None, incidents: Vec::new() }, end);
        }
        self.episodes.sort_by_key(|e| e.from);
        let mut noticed = Vec::new();
        for episode in &mut self.episodes {
            episode.incidents = incidents.iter().filter(|i| meets(i, episode, end)).map(|i| i.id).collect();
            noticed.extend(&episode.incidents);
        }
        noticed.sort_unstable();
        noticed.dedup();
        RuleReport {
            group: group.to_owned(),
            rule: rule.name.clone(),
            error: self.error,
            episodes: self.episodes,
            more: self.more,
            firing_for: Duration::from_millis(u64::try_from(self.firing_ms).unwrap_or(0)),
            incidents: noticed,
        }
    }
}

/// An incident of the same cluster (or of one that the alert does not name) that was open while the alert fired.
fn meets(incident: &Incident, episode: &Episode, end: Timestamp) -> bool {
    let cluster = episode.labels.get("cluster").map_or("", String::as_str);
    let same = cluster.is_empty() || incident.cluster.is_empty() || *incident.cluster == *cluster;
    same && incident.started_at <= episode.to.unwrap_or(end) && incident.resolved_at.unwrap_or(end) >= episode.from
}

fn labels(rule: &Rule, of: &Labels) -> Pairs {
    let mut pairs: Pairs = of.pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    pairs.extend(rule.labels.iter().map(|(k, v)| (k.clone(), v.text.clone())));
    pairs.insert(ALERTNAME.into(), rule.name.clone());
    pairs.retain(|_, v| !v.is_empty());
    pairs
}

#[cfg(test)]
mod tests;
