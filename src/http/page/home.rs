//! The first page: what is wrong, then every target, then the watchdog itself.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    FOLD_ABOVE, FOLDED_MAX, Frame, INCIDENTS_MAX, Moment, RESOLVED_MAX, ROWS_MAX, heartbeats::Heartbeats,
    incident::Card, job_title, path, render, target_path,
};
use crate::{
    heartbeat,
    model::{
        Job, LiveCluster, LiveState, LiveTarget, ProbeSpec, Reason, References, State,
        text::{latency, number, plural},
    },
    telemetry::{Metrics, ProbeLabels},
};

/// How a line feels: the stylesheet's class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Tone {
    Good,
    Doubt,
    Bad,
    Plain,
}

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
    summary: String,
    discovery: String,
    discovery_failed: bool,
    discovery_notes: Vec<String>,
    jobs: Vec<JobGroup>,
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
    title: &'static str,
    summary: String,
    tone: Tone,
    wide: bool,
    rows: Vec<Row>,
    more_rows: String,
    fold_title: String,
    folded: Vec<Row>,
    more_folded: String,
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

#[derive(Clone, Debug, Serialize)]
struct Own {
    label: &'static str,
    tone: Tone,
    text: String,
    details: Vec<String>,
}

impl Home {
    /// The view of this moment.
    pub fn new(state: &LiveState, metrics: &Metrics, now: Timestamp) -> Self {
        let open: Vec<_> = state.incidents.iter().filter(|i| i.resolved_at.is_none()).collect();
        let line = line(state, open.len());
        let title = match open.as_slice() {
            [] => line.as_ref().map_or_else(String::new, |l| l.text.trim_end_matches('.').to_owned()),
            [one] => one.headline.clone(),
            [worst, others @ ..] => {
                format!("{} (and {} more)", worst.headline, others.len())
            }
        };
        Self {
            title,
            line,
            incidents: open.iter().take(INCIDENTS_MAX).map(|i| Card::new(i, now).silenced_by(&state.alerts)).collect(),
            more_incidents: open.len().saturating_sub(INCIDENTS_MAX),
            clusters: state.clusters.iter().map(|(name, c)| cluster(name, c, now)).collect(),
            heartbeats: None,
            resolved: resolved(state, now),
            own: own(state, metrics, now),
        }
    }

    /// With the jobs that report in, where there are any.
    pub fn with_heartbeats(mut self, views: &[heartbeat::View], now: Timestamp) -> Self {
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
fn line(state: &LiveState, open: usize) -> Option<Line> {
    let say = |tone, text| Some(Line { tone, text });
    if state.vantage.since.is_some() && !state.vantage.ok {
        let why = &state.vantage.message;
        return say(Tone::Bad, format!("The watchdog itself is cut off, so it accuses no cluster. {why}"));
    }
    if state.clusters.is_empty() {
        return say(Tone::Doubt, "No cluster is configured.".to_owned());
    }
    let counts = counts(state.clusters.values().flat_map(|c| c.targets.values()));
    let total: usize = counts.values().sum();
    let up = counts.get(&State::Up).copied().unwrap_or(0);
    let of = match state.clusters.len() {
        1 => state.clusters.keys().map(|name| name.to_string()).collect(),
        n => plural(n, "cluster", "clusters"),
    };
    match total - up {
        _ if open > 0 => None,
        _ if total == 0 => say(Tone::Doubt, "No target is known yet: no API server has told what there is.".to_owned()),
        0 if total == 1 => say(Tone::Good, format!("The one target of {of} is up.{}", not_watched(state))),
        0 => say(Tone::Good, format!("All {} targets of {of} are up.{}", number(total as u64), not_watched(state))),
        n => {
            let verb = if n == 1 { "is" } else { "are" };
            let total = number(total as u64);
            let kinds = not_up(&counts);
            say(
                Tone::Doubt,
                format!("No open incident, but {} of {total} targets {verb} not up: {kinds}.", number(n as u64)),
            )
        }
    }
}

/// ` Not watched: etcd and scheduler.`: what is not watched is not up.
fn not_watched(state: &LiveState) -> String {
    let gaps = state.clusters.values().flat_map(LiveCluster::unwatched).filter(|gap| !gap.turned_off);
    let names: BTreeMap<Job, &str> = gaps.map(|gap| (gap.job, gap.name())).collect();
    let names: Vec<&str> = names.into_values().collect();
    let everywhere = if state.clusters.len() > 1 { "Not watched everywhere" } else { "Not watched" };
    match names.as_slice() {
        [] => String::new(),
        [one] => format!(" {everywhere}: {one}."),
        [head @ .., last] => format!(" {everywhere}: {} and {last}.", head.join(", ")),
    }
}

fn counts<'a>(targets: impl Iterator<Item = &'a LiveTarget>) -> BTreeMap<State, usize> {
    let mut counts = BTreeMap::new();
    for target in targets {
        *counts.entry(target.verdict.state).or_default() += 1;
    }
    counts
}

/// `2 down, 1 suspect`, worst first.
fn not_up(counts: &BTreeMap<State, usize>) -> String {
    let mut parts: Vec<_> = counts.iter().filter(|(s, _)| **s != State::Up).collect();
    parts.sort_by_key(|(s, _)| rank(**s));
    let parts: Vec<_> = parts.into_iter().map(|(s, n)| format!("{} {s}", number(*n as u64))).collect();
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

fn summary(counts: &BTreeMap<State, usize>) -> String {
    let total: usize = counts.values().sum();
    match (counts.get(&State::Up).copied().unwrap_or(0), total) {
        (_, 0) => "no targets yet".to_owned(),
        (1, 1) => "up".to_owned(),
        (up, total) if up == total => format!("all {} up", number(total as u64)),
        (0, _) => not_up(counts),
        (up, _) => format!("{} up, {}", number(up as u64), not_up(counts)),
    }
}

fn cluster(name: &str, cluster: &LiveCluster, now: Timestamp) -> Cluster {
    let mut jobs: BTreeMap<Job, Vec<&LiveTarget>> = BTreeMap::new();
    for target in cluster.targets.values() {
        jobs.entry(target.target.key.job).or_default().push(target);
    }
    let snapshot = &cluster.snapshot;
    let age = snapshot.read_at.map(|at| Moment::new(at, now));
    let discovery = match (&snapshot.error, age) {
        (None, Some(at)) => format!("Its API was last read {} ago.", at.ago),
        (None, None) => "Its API has not been read yet.".to_owned(),
        (Some(why), Some(at)) => {
            format!("Its API can't be read ({why}). The targets are those known at {}, {} ago.", at.text, at.ago)
        }
        (Some(why), None) => format!("Its API has never been read: {why}"),
    };
    Cluster {
        name: name.to_owned(),
        summary: summary(&counts(cluster.targets.values())),
        discovery,
        discovery_failed: snapshot.error.is_some(),
        discovery_notes: snapshot.notes(),
        jobs: jobs.into_iter().map(|(job, targets)| group(job, targets, now)).collect(),
        not_watched: cluster
            .unwatched()
            .map(|gap| NotWatched { name: gap.name(), why: gap.why.clone(), how: gap.how.clone() })
            .collect(),
    }
}

fn group(job: Job, mut targets: Vec<&LiveTarget>, now: Timestamp) -> JobGroup {
    targets.sort_by_key(|t| rank(t.verdict.state));
    let counts = counts(targets.iter().copied());
    let up = counts.get(&State::Up).copied().unwrap_or(0);
    let not_up = targets.len() - up;
    let (listed, folded) = targets.split_at(if targets.len() > FOLD_ABOVE { not_up } else { targets.len() });
    let tone = match not_up {
        0 => Tone::Plain,
        _ if counts.contains_key(&State::Down) => Tone::Bad,
        _ => Tone::Doubt,
    };
    let left_out = |n: usize, limit: usize| match n.saturating_sub(limit) {
        0 => String::new(),
        n => format!("and {} more, listed in /api/dogwatch/v1/state", number(n as u64)),
    };
    JobGroup {
        title: job_title(job),
        summary: summary(&counts),
        tone,
        wide: targets.len() > FOLD_ABOVE,
        rows: listed.iter().take(ROWS_MAX).map(|t| row(t, now)).collect(),
        more_rows: left_out(listed.len(), ROWS_MAX),
        fold_title: format!("{} up", number(folded.len() as u64)),
        folded: folded.iter().take(FOLDED_MAX).map(|t| row(t, now)).collect(),
        more_folded: left_out(folded.len(), FOLDED_MAX),
    }
}

fn row(t: &LiveTarget, now: Timestamp) -> Row {
    let up = t.verdict.state == State::Up;
    let (words, past) = match (t.failures.first(), up) {
        (Some(f), true) => (format!("last failed {} ago: {}", Moment::new(f.at, now).ago, f.failure.message), true),
        (None, true) => (String::new(), true),
        (Some(f), false) if t.verdict.message.is_empty() => (f.failure.message.clone(), false),
        (_, false) => (t.verdict.message.clone(), false),
    };
    Row {
        state: t.verdict.state,
        href: target_path(&t.target.key),
        instance: t.target.key.instance.to_string(),
        node: t.target.node.as_deref().unwrap_or_default().to_owned(),
        advertised: matches!(t.target.spec, ProbeSpec::ApiServer { advertised: true, .. }),
        since: Moment::new(t.verdict.since, now),
        words,
        past,
        latency: t.last.as_ref().map(|o| latency(o.duration)).unwrap_or_default(),
    }
}

fn resolved(state: &LiveState, now: Timestamp) -> Vec<Resolved> {
    let ended = state.incidents.iter().filter_map(|i| Some((i, i.resolved_at?)));
    ended
        .take(RESOLVED_MAX)
        .map(|(i, at)| Resolved {
            href: path(&["incidents", &i.id.to_string()]),
            cluster: i.cluster.to_string(),
            headline: i.headline.clone(),
            at: Moment::new(at, now),
            lasted: Moment::new(i.started_at, at).ago,
        })
        .collect()
}

/// The watchdog's own state, in the order in which it matters when something is wrong.
fn own(state: &LiveState, metrics: &Metrics, now: Timestamp) -> Vec<Own> {
    let fact = |label, tone, text: String| Own { label, tone, text, details: Vec::new() };
    let judge = |label, ok: bool, since: Option<Timestamp>, fine: &str, message: &str| match since {
        None => fact(label, Tone::Doubt, "not judged yet".to_owned()),
        Some(_) if ok => fact(label, Tone::Good, fine.to_owned()),
        Some(at) => fact(label, Tone::Bad, format!("for {}: {message}", Moment::new(at, now).ago)),
    };
    let failing = &state.failing_receivers;
    let waiting = plural(state.outbox_pending, "message waits", "messages wait");
    let mut receivers = match (failing.len(), state.outbox_pending) {
        (0, 0) => fact("Notifications", Tone::Good, "nothing waits, no receiver fails".to_owned()),
        (0, _) => fact("Notifications", Tone::Plain, waiting),
        (n, _) => {
            fact("Notifications", Tone::Bad, format!("{}, {waiting}", plural(n, "receiver fails", "receivers fail")))
        }
    };
    receivers.details = failing.iter().map(|(receiver, why)| format!("{receiver}: {why}")).collect();
    let started = state.started_at.map_or_else(
        || "starting".to_owned(),
        |at| {
            let at = Moment::new(at, now);
            format!("{}, {} ago", at.text, at.ago)
        },
    );
    let missed = metrics.missed_ticks.get();
    let probes = format!(
        "{} finished, {} running, {}",
        number(probes_total(metrics)),
        metrics.probes_in_flight.get(),
        plural(usize::try_from(missed).unwrap_or(usize::MAX), "tick missed", "ticks missed"),
    );
    let (vantage, store) = (&state.vantage, &state.store);
    let mut network = judge("Its network", vantage.ok, vantage.since, "", &vantage.message);
    if vantage.ok && vantage.since.is_some() {
        (network.tone, network.text) = references(vantage.references);
    }
    vec![
        network,
        judge("History", store.ok, store.since, "written to its SQLite file", &store.message),
        receivers,
        fact("Probes", Tone::Plain, probes),
        fact("Started", Tone::Plain, started),
        fact("Version", Tone::Plain, env!("CARGO_PKG_VERSION").to_owned()),
    ]
}

/// How the references stand while the network is believed to be well.
fn references(References { asked, answering }: References) -> (Tone, String) {
    match (asked, answering) {
        (0, _) => {
            let why = "there is no reference (`vantage.references`), and no gateway that answers";
            (Tone::Plain, format!("nobody is asked: {why}; the targets alone tell"))
        }
        (1, 0) => (Tone::Doubt, "the one of its reference addresses does not answer, but targets do".into()),
        (asked, 0) => (Tone::Doubt, format!("none of its {asked} reference addresses answers, but targets do")),
        (1, _) => (Tone::Good, "its reference address answers".into()),
        (asked, 1) => (Tone::Good, format!("1 of its {asked} reference addresses answers")),
        (asked, n) if asked == n => (Tone::Good, format!("all {asked} of its reference addresses answer")),
        (asked, n) => (Tone::Good, format!("{n} of its {asked} reference addresses answer")),
    }
}

/// Probes finished since the start, of every job and outcome.
fn probes_total(metrics: &Metrics) -> u64 {
    let outcomes = || Reason::ALL.map(Reason::as_str).into_iter().chain([ProbeLabels::SUCCESS]);
    let labels =
        Job::ALL.into_iter().flat_map(|job| outcomes().map(move |outcome| ProbeLabels { job: job.as_str(), outcome }));
    labels.filter_map(|l| Some(metrics.probes.get(&l)?.get())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_counted_over_all_jobs_and_outcomes() {
        let m = Metrics::new();
        assert_eq!(probes_total(&m), 0);
        m.probes.get_or_create(&ProbeLabels { job: "etcd", outcome: ProbeLabels::SUCCESS }).inc_by(3);
        m.probes.get_or_create(&ProbeLabels { job: "kubelet", outcome: Reason::Timeout.as_str() }).inc();
        assert_eq!(probes_total(&m), 4);
    }

    #[test]
    fn not_asked_is_not_well() {
        let check = |asked, answering, tone, text: &str| {
            let told = references(References { asked, answering });
            assert!(told.0 == tone && told.1.starts_with(text), "{told:?}");
        };
        check(0, 0, Tone::Plain, "nobody is asked");
        check(1, 1, Tone::Good, "its reference address answers");
        check(2, 2, Tone::Good, "all 2 of its reference addresses answer");
        check(3, 1, Tone::Good, "1 of its 3 reference addresses answers");
        check(1, 0, Tone::Doubt, "the one of its reference addresses does not answer");
        check(2, 0, Tone::Doubt, "none of its 2 reference addresses answers");
    }

    #[test]
    fn summaries_name_the_worst_first() {
        let check = |states: &[(State, usize)], expected: &str| {
            assert_eq!(summary(&states.iter().copied().collect()), expected);
        };
        check(&[], "no targets yet");
        check(&[(State::Up, 1)], "up");
        check(&[(State::Up, 3)], "all 3 up");
        check(&[(State::Up, 4987), (State::Suspect, 2), (State::Down, 11)], "4,987 up, 11 down, 2 suspect");
        check(&[(State::Unknown, 3)], "3 unknown");
    }
}
