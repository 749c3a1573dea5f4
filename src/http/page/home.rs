//! The first page: what is wrong, then every target, then the watchdog itself.

use std::{collections::BTreeMap, net::IpAddr};

use serde::Serialize;

use super::{
    FOLD_ABOVE, FOLDED_MAX, Frame, INCIDENTS_MAX, Moment, Now, RESOLVED_MAX, ROWS_MAX,
    canary::Canaries,
    heartbeats::Heartbeats,
    incident::Card,
    job_title,
    own::{Own, Tone, own},
    path, render, target_path,
};
use crate::{
    heartbeat,
    model::{CHECKS, Job, LiveCluster, LiveState, LiveTarget, ProbeSpec, State},
    telemetry::Metrics,
};

/// The view of the first page.
#[derive(Clone, Debug, Serialize)]
pub struct Home {
    title: String,
    line: Option<Line>,
    incidents: Vec<Card>,
    more_incidents: usize,
    clusters: Vec<Cluster>,
    heartbeats: Option<Heartbeats>,
    resolved: Vec<Resolved>,
    own: Vec<Own>,
}

#[derive(Clone, Debug, Serialize)]
struct Line {
    tone: Tone,
    text: String,
}

#[derive(Clone, Debug, Serialize)]
struct Cluster {
    name: String,
    /// Where it is shown as last seen; checks without a cluster have no such page.
    recorded: Option<String>,
    summary: String,
    discovery: String,
    discovery_failed: bool,
    discovery_notes: Vec<String>,
    jobs: Vec<JobGroup>,
    canaries: Option<Canaries>,
    not_watched: Vec<NotWatched>,
}

/// A component of which nothing is known.
#[derive(Clone, Debug, Serialize)]
struct NotWatched {
    name: &'static str,
    why: String,
    how: String,
}

#[derive(Clone, Debug, Serialize)]
struct JobGroup {
    title: String,
    summary: String,
    tone: Tone,
    wide: bool,
    rows: Vec<Row>,
    folds: Vec<Fold>,
}

/// Targets that are listed when somebody asks for them.
#[derive(Clone, Debug, Serialize)]
struct Fold {
    id: String,
    title: String,
    rows: Vec<Row>,
    more: String,
}

#[derive(Clone, Debug, Serialize)]
struct Row {
    state: State,
    href: String,
    instance: String,
    node: String,
    advertised: bool,
    since: Moment,
    words: String,
    past: bool,
    latency: String,
}

#[derive(Clone, Debug, Serialize)]
struct Resolved {
    href: String,
    cluster: String,
    headline: String,
    at: Moment,
    lasted: String,
}

impl Home {
    /// The view of this moment.
    pub fn new(state: &LiveState, metrics: &Metrics, now: &Now) -> Self {
        let open: Vec<_> = state.incidents.iter().filter(|i| i.resolved_at.is_none()).collect();
        let line = line(state, open.len(), now);
        let title = match open.as_slice() {
            [] => line.as_ref().map_or_else(String::new, |l| l.text.trim_end_matches('.').to_owned()),
            [one] => now.voice.incident(one).headline.clone(),
            [worst, others @ ..] => {
                let worst = now.voice.incident(worst);
                now.say("and-n-others", &[("what", worst.headline.as_str().into()), ("n", others.len().into())])
            }
        };
        Self {
            title,
            line,
            incidents: open
                .iter()
                .take(INCIDENTS_MAX)
                .map(|i| Card::new(i, now).silenced_by(&state.alerts, &state.silences, now))
                .collect(),
            more_incidents: open.len().saturating_sub(INCIDENTS_MAX),
            clusters: state.clusters.iter().map(|(name, c)| cluster(name, c, now)).collect(),
            heartbeats: None,
            resolved: resolved(state, now),
            own: own(state, metrics, now),
        }
    }

    /// With the jobs that report in, where there are any.
    pub fn with_heartbeats(mut self, views: &[heartbeat::View], now: &Now) -> Self {
        if views.is_empty() {
            return self;
        }
        let heartbeats = Heartbeats::new(views, now);
        if let Some(line) = self.line.as_mut().filter(|line| self.clusters.is_empty() && line.tone != Tone::Bad) {
            let tone = match heartbeats.any_reported() {
                _ if heartbeats.is_bad() => Tone::Bad,
                true => Tone::Good,
                false => Tone::Doubt,
            };
            *line = Line { tone, text: heartbeats.line() };
            self.title = line.text.trim_end_matches('.').to_owned();
        }
        self.heartbeats = Some(heartbeats);
        self
    }

    /// The page.
    ///
    /// # Errors
    /// When a template is wrong, which the tests rule out.
    pub fn render(&self, frame: &Frame) -> Result<String, minijinja::Error> {
        render("home.html", frame, self)
    }
}

/// The line above everything: that all is well, or what keeps the page from saying so.
fn line(state: &LiveState, open: usize, now: &Now) -> Option<Line> {
    let say = |tone, text| Some(Line { tone, text });
    if state.vantage.since.is_some() && !state.vantage.ok {
        let why = state.vantage.message.as_str();
        return say(Tone::Bad, now.say("line-cut-off", &[("why", why.into())]));
    }
    if state.clusters.is_empty() {
        return say(Tone::Doubt, now.word("line-no-cluster"));
    }
    let counts = counts(state.clusters.values().flat_map(|c| c.targets.values()));
    let total: usize = counts.values().sum();
    let up = counts.get(&State::Up).copied().unwrap_or(0);
    let of = match state.clusters.len() {
        1 => state.clusters.keys().map(|name| name.to_string()).collect(),
        n => now.say("n-clusters", &[("n", n.into())]),
    };
    let up_line = |id: &str| {
        let text = now.say(id, &[("n", total.into()), ("of", of.as_str().into())]);
        say(Tone::Good, text + &not_watched(state, now))
    };
    match total - up {
        _ if open > 0 => None,
        _ if total == 0 => say(Tone::Doubt, now.word("line-no-target")),
        0 if total == 1 => up_line("line-one-up"),
        0 => up_line("line-all-up"),
        n => {
            let vars = [("n", n.into()), ("total", total.into()), ("kinds", not_up(&counts, now).into())];
            say(Tone::Doubt, now.say("line-not-up", &vars))
        }
    }
}

/// ` Not watched: etcd and scheduler.`: what is not watched is not up.
fn not_watched(state: &LiveState, now: &Now) -> String {
    let gaps = state.clusters.values().flat_map(LiveCluster::unwatched).filter(|gap| !gap.turned_off);
    let names: BTreeMap<Job, &str> = gaps.map(|gap| (gap.job, gap.name())).collect();
    let names: Vec<&str> = names.into_values().collect();
    if names.is_empty() {
        return String::new();
    }
    let id = if state.clusters.len() > 1 { "line-not-watched-everywhere" } else { "line-not-watched" };
    format!(" {}", now.say(id, &[("names", now.voice.list(&names, 0).into())]))
}

fn counts<'a>(targets: impl Iterator<Item = &'a LiveTarget>) -> BTreeMap<State, usize> {
    let mut counts = BTreeMap::new();
    for target in targets {
        *counts.entry(target.verdict.state).or_default() += 1;
    }
    counts
}

/// `2 down, 1 suspect`, worst first.
fn not_up(counts: &BTreeMap<State, usize>, now: &Now) -> String {
    let mut parts: Vec<_> = counts.iter().filter(|(s, _)| **s != State::Up).collect();
    parts.sort_by_key(|(s, _)| rank(**s));
    let part = |(s, n): (&State, &usize)| now.say("n-in-state", &[("n", (*n).into()), ("state", s.as_str().into())]);
    let parts: Vec<_> = parts.into_iter().map(part).collect();
    parts.join(", ")
}

/// The order in which targets are listed: what needs a person first.
fn rank(state: State) -> u8 {
    match state {
        State::Down => 0,
        State::Flapping => 1,
        State::Suspect => 2,
        State::Unknown => 3,
        State::Up => 4,
    }
}

fn summary(counts: &BTreeMap<State, usize>, now: &Now) -> String {
    let total: usize = counts.values().sum();
    match (counts.get(&State::Up).copied().unwrap_or(0), total) {
        (_, 0) => now.word("no-targets-yet"),
        (1, 1) => now.say("state", &[("state", State::Up.as_str().into())]),
        (up, total) if up == total => now.say("all-n-up", &[("n", total.into())]),
        (0, _) => not_up(counts, now),
        (up, _) => now.say("n-up-and", &[("n", up.into()), ("others", not_up(counts, now).into())]),
    }
}

fn cluster(name: &str, cluster: &LiveCluster, now: &Now) -> Cluster {
    // All checks stand in one list, in the place of the first of them.
    let mut jobs: BTreeMap<Job, Vec<&LiveTarget>> = BTreeMap::new();
    let checks = cluster.targets.keys().map(|key| key.job).find(|job| job.is_check());
    for target in cluster.targets.values() {
        let job = target.target.key.job;
        jobs.entry(checks.filter(|_| job.is_check()).unwrap_or(job)).or_default().push(target);
    }
    let snapshot = &cluster.snapshot;
    let age = snapshot.read_at.map(|at| Moment::new(at, now));
    let discovery = match (&snapshot.error, age) {
        _ if name == CHECKS && snapshot.read_at.is_none() && snapshot.error.is_none() => {
            now.word("checks-of-no-cluster")
        }
        (None, Some(at)) => now.say("api-last-read", &[("ago", at.ago.into())]),
        (None, None) => now.word("api-not-read-yet"),
        (Some(why), Some(at)) => {
            let vars = [("why", why.to_string().into()), ("at", at.text.into()), ("ago", at.ago.into())];
            now.say("api-unreadable", &vars)
        }
        (Some(why), None) => now.say("api-never-read", &[("why", why.to_string().into())]),
    };
    Cluster {
        name: name.to_owned(),
        recorded: (name != CHECKS).then(|| path(&["recorded", name])),
        summary: summary(&counts(cluster.targets.values()), now),
        discovery,
        discovery_failed: snapshot.error.is_some(),
        discovery_notes: snapshot.notes(),
        jobs: jobs.into_iter().map(|(job, targets)| group(name, job, targets, now)).collect(),
        canaries: Canaries::new(&cluster.canaries, now),
        not_watched: cluster
            .unwatched()
            .map(|gap| NotWatched { name: gap.name(), why: gap.why.clone(), how: gap.how.clone() })
            .collect(),
    }
}

fn group(cluster: &str, job: Job, mut targets: Vec<&LiveTarget>, now: &Now) -> JobGroup {
    targets.sort_by_cached_key(|t| (rank(t.verdict.state), natural(&t.target.key.instance)));
    let counts = counts(targets.iter().copied());
    let up = counts.get(&State::Up).copied().unwrap_or(0);
    let not_up = targets.len() - up;
    let many = targets.len() > FOLD_ABOVE;
    let (troubled, well) = targets.split_at(not_up);
    // Dozens that fail alike tell no more than the first of them, and hide what comes after.
    let (listed, hidden) = troubled.split_at(if many { not_up.min(FOLD_ABOVE) } else { not_up });
    let listed = if many { listed } else { &targets };
    let rows = |of: &[&LiveTarget], max| of.iter().take(max).map(|t| row(t, now)).collect();
    let fold = |what: &str, of: &[&LiveTarget], max: usize| {
        let more = match of.len().saturating_sub(max) {
            0 => String::new(),
            n => now.say("and-more-listed", &[("n", n.into()), ("where", "/api/dogwatch/v1/state".into())]),
        };
        let id = format!("{what}-{cluster}-{}", job.kind());
        let title = now.say(if what == "up" { "all-n-of-fold-up" } else { "n-more-not-up" }, &[("n", of.len().into())]);
        (many && !of.is_empty()).then(|| Fold { id, title, rows: rows(of, max), more })
    };
    let folds = [fold("more-not-up", hidden, ROWS_MAX), fold("up", well, FOLDED_MAX)];
    let tone = match not_up {
        0 => Tone::Plain,
        _ if counts.contains_key(&State::Down) => Tone::Bad,
        _ => Tone::Doubt,
    };
    JobGroup {
        title: job_title(job, now),
        summary: summary(&counts, now),
        tone,
        wide: many,
        rows: rows(listed, listed.len()),
        folds: folds.into_iter().flatten().collect(),
    }
}

/// Addresses in their order: 10.0.0.9 before 10.0.0.10; names after them.
fn natural(instance: &str) -> (Result<IpAddr, ()>, String) {
    let host = instance.rsplit_once(':').map_or(instance, |(host, _)| host).trim_matches(['[', ']']);
    (host.parse().map_err(|_| ()), instance.to_owned())
}

fn row(t: &LiveTarget, now: &Now) -> Row {
    let up = t.verdict.state == State::Up;
    let (words, past) = match (t.failures.first(), up) {
        (Some(f), true) => {
            let vars = [("ago", Moment::new(f.at, now).ago.into()), ("why", f.failure.message.as_str().into())];
            (now.say("last-failed-ago", &vars), true)
        }
        (None, true) => (String::new(), true),
        (Some(f), false) if t.verdict.message.is_empty() => (f.failure.message.clone(), false),
        (_, false) => (t.verdict.message.clone(), false),
    };
    Row {
        state: t.verdict.state,
        href: target_path(&t.target.key),
        instance: match (t.target.spec.check(), &t.target.node) {
            (Some(_), Some(node)) => {
                now.say("check-at", &[("check", t.target.key.job.to_string().into()), ("node", (&**node).into())])
            }
            (Some(_), None) => t.target.key.job.to_string(),
            (None, _) => t.target.key.instance.to_string(),
        },
        node: match t.target.spec.check() {
            Some(check) => check.at.clone(),
            None => t.target.node.as_deref().unwrap_or_default().to_owned(),
        },
        advertised: matches!(t.target.spec, ProbeSpec::ApiServer { advertised: true, .. }),
        since: Moment::new(t.verdict.since, now),
        words,
        past,
        latency: t.last.as_ref().map(|o| now.voice.latency(o.duration)).unwrap_or_default(),
    }
}

fn resolved(state: &LiveState, now: &Now) -> Vec<Resolved> {
    let ended = state.incidents.iter().filter_map(|i| Some((i, i.resolved_at?)));
    ended
        .take(RESOLVED_MAX)
        .map(|(i, at)| Resolved {
            href: path(&["incidents", &i.id.to_string()]),
            cluster: i.cluster.to_string(),
            headline: now.voice.incident(i).headline.clone(),
            at: Moment::new(at, now),
            lasted: now.voice.between(i.started_at, at),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn summaries_name_the_worst_first() {
        let check = |states: &[(State, usize)], expected: &str| {
            assert_eq!(summary(&states.iter().copied().collect(), &Timestamp::UNIX_EPOCH.into()), expected);
        };
        check(&[], "no targets yet");
        check(&[(State::Up, 1)], "up");
        check(&[(State::Up, 3)], "all 3 up");
        check(&[(State::Up, 4987), (State::Suspect, 2), (State::Down, 11)], "4,987 up, 11 down, 2 suspect");
        check(&[(State::Unknown, 3)], "3 unknown");
    }
}
