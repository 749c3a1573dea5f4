//! Objectives, clusters and components judged again and again while the watchdog runs: what of an error budget is left, how
//! fast it is spent, and how available each was, as series.
//!
//! Decides nothing of availability (`availability` does), and waits for nobody: where the store can't be read, its series end
//! until it can again.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    availability::{Book, Budget, SloConfig, Span, Standing, Subject, Timeline, burn_rate},
    clock::Clock,
    model::{CHECKS, Labels, Live, Record, Sample, TargetKey, ended},
    store::Store,
};

/// They are judged this often: the shortest window that wakes anybody has five minutes.
const EVERY: Duration = Duration::from_secs(30);
/// Judging takes no more than this part of one core's time, however large the fleet is …
const SHARE: u32 = 20;
/// … and is done this often all the same: queries look back five minutes.
const EVERY_MAX: Duration = Duration::from_secs(240);
/// What happened just now may not be in the file yet: time ends so long ago.
const SETTLED: Duration = Duration::from_secs(2);

/// Windows of the availability of clusters and components.
const WINDOWS: [(&str, i64); 3] = [("24h", 86_400), ("7d", 7 * 86_400), ("30d", 30 * 86_400)];
/// Windows of burn rates: those of the Site Reliability Workbook's alerts, chapter 5.
const BURN: [(&str, i64); 7] =
    [("5m", 300), ("30m", 1_800), ("1h", 3_600), ("2h", 7_200), ("6h", 21_600), ("1d", 86_400), ("3d", 3 * 86_400)];
/// By the burn rate of which window it is said when nothing will be left.
const OUTLOOK: (&str, i64) = BURN[4];

/// What the loop works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// History.
    pub store: Store,
    /// Where /metrics finds the series.
    pub live: Live,
    /// Time.
    pub clock: Clock,
}

/// Runs until told to stop; the objectives may change meanwhile.
pub async fn run(mut slos: watch::Receiver<Arc<[SloConfig]>>, deps: Deps, stop: CancellationToken) {
    let mut before: Arc<[Sample]> = Arc::default();
    loop {
        let begun = Instant::now();
        let objectives = slos.borrow_and_update().clone();
        let at = deps.clock.wall();
        let now: Arc<[Sample]> = judged(&deps.store, objectives, at).await.into();
        deps.store.append(&now);
        deps.store.append(&ended(&before, &now, at));
        deps.live.write().objectives = now.clone();
        before = now;
        let rest = (begun.elapsed() * SHARE).clamp(EVERY, EVERY_MAX);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(rest) => {}
            Ok(()) = slos.changed() => {}
        }
    }
}

/// All series at a moment; none where the store can't be read.
async fn judged(store: &Store, slos: Arc<[SloConfig]>, at: Timestamp) -> Vec<Sample> {
    let longest = slos.iter().map(|slo| slo.window).max().unwrap_or_default().max(Duration::from_secs(30 * 86_400));
    let Ok(from) = at.checked_sub(longest) else { return Vec::new() };
    let record = match store.record(from, |_| true).await {
        Ok(record) => record,
        Err(error) => {
            // The store says by itself that it fails, and why.
            tracing::debug!(%error, "how available things were can't be read");
            return Vec::new();
        }
    };
    let made = tokio::task::spawn_blocking(move || series(&record, &slos, at)).await;
    made.unwrap_or_else(|error| {
        tracing::error!(%error, "judging objectives broke off");
        Vec::new()
    })
}

/// Makes all series of a record.
fn series(record: &Record, slos: &[SloConfig], at: Timestamp) -> Vec<Sample> {
    let end = at.checked_sub(SETTLED).unwrap_or(at);
    let book = Book::new(record, end);
    let mut samples = Vec::new();
    for slo in slos {
        if let Some(timeline) = slo.timeline(&book) {
            of_objective(&mut samples, slo, &about(slo, record), &timeline, book.end(), at);
        }
    }
    let all = |of: fn(&TargetKey) -> Subject| record.targets.iter().map(|t| of(&t.key)).collect::<BTreeSet<_>>();
    let clusters = all(|key| Subject::Cluster(key.cluster.to_string()));
    let components = all(|key| Subject::Component(key.cluster.to_string(), key.job.as_str().to_owned()));
    for subject in clusters.iter().chain(&components) {
        let Some(timeline) = book.of(subject) else { continue };
        for (window, seconds) in WINDOWS {
            let share = timeline.tally(Span { from: book.end() - seconds, to: book.end() }).availability();
            let mut pairs = vec![("cluster", subject.cluster()), ("window", window)];
            if let Subject::Component(_, job) = subject {
                pairs.push(("job", job));
            }
            let labels = || Labels::new("dogwatch_availability_ratio", pairs.iter().copied());
            samples.extend(share.map(|value| Sample { labels: labels(), at, value }));
        }
    }
    samples
}

#[allow(clippy::cast_precision_loss)] // Seconds of years.
fn of_objective(
    samples: &mut Vec<Sample>,
    slo: &SloConfig,
    about: &[(&'static str, String)],
    timeline: &Timeline,
    end: i64,
    at: Timestamp,
) {
    let mut put = |name: &str, more: &[(&str, &str)], value: f64| {
        let mut pairs: Vec<(&str, &str)> = vec![("slo", &slo.name)];
        pairs.extend(about.iter().map(|(name, value)| (*name, value.as_str())));
        pairs.extend(more);
        let labels = Labels::new(name, pairs);
        samples.push(Sample { labels, at, value });
    };
    let window = i64::try_from(slo.window.as_secs()).unwrap_or(i64::MAX);
    let tally = timeline.tally(Span { from: end.saturating_sub(window), to: end });
    let budget = Budget::of(tally, slo.allowed());
    put("dogwatch_slo_objective_ratio", &[], 1.0 - slo.allowed());
    put("dogwatch_slo_window_seconds", &[], window as f64);
    if let Some(share) = tally.availability() {
        put("dogwatch_slo_availability_ratio", &[], share);
    }
    put("dogwatch_slo_error_budget_remaining_ratio", &[], budget.left);
    let seconds = [tally.up, tally.down, tally.maintenance, tally.unseen, tally.unknown, tally.absent];
    for (standing, seconds) in Standing::ALL.into_iter().zip(seconds) {
        put("dogwatch_slo_seconds", &[("standing", standing.as_str())], seconds as f64);
    }
    let burn = |seconds: i64| burn_rate(timeline, Span { from: end - seconds, to: end }, slo.allowed());
    for (window, seconds) in BURN {
        put("dogwatch_slo_burn_rate", &[("window", window)], burn(seconds));
    }
    if let Some(lasts) = budget.lasts(burn(OUTLOOK.1), slo.allowed()) {
        put("dogwatch_slo_error_budget_exhausted_timestamp_seconds", &[], end as f64 + lasts);
    }
}

/// The cluster and the job of an objective, where it has one of each: its alerts are then told with the outage that they come
/// from.
fn about(slo: &SloConfig, record: &Record) -> Vec<(&'static str, String)> {
    let subjects = slo.subjects().unwrap_or_default();
    // A check is named without the cluster that it may belong to.
    let cluster_of = |subject: &Subject| match subject {
        Subject::Check(_) => record
            .targets
            .iter()
            .find(|t| subject.takes(&t.key))
            .map_or(CHECKS.to_owned(), |t| t.key.cluster.to_string()),
        _ => subject.cluster().to_owned(),
    };
    let clusters: Vec<String> = subjects.iter().map(cluster_of).collect();
    let only = |all: BTreeSet<&str>| if all.len() == 1 { all.first().map(|one| (*one).to_owned()) } else { None };
    let cluster = only(clusters.iter().map(String::as_str).collect()).map(|cluster| ("cluster", cluster));
    let job = only(subjects.iter().map(Subject::job).collect()).map(|job| ("job", job));
    cluster.into_iter().chain(job).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Job, State, TargetRecord, Verdict, VerdictChange};

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// An API server that is watched for 30 days, and was down for so long in the last six hours.
    fn record(down: i64) -> (Record, Timestamp) {
        let end = 30 * 86_400;
        let key = TargetKey { cluster: "prod".into(), job: Job::KubeApiserver, instance: "a".into() };
        let change = |at: i64, from: State, to: State| {
            let (since, message, reached) = (second(at), String::new(), true);
            let to = Verdict { state: to, since, reason: None, message, reached, hides: None };
            VerdictChange { key: key.clone(), at: second(at), from, to }
        };
        let began = end - 3_600;
        let changes = vec![
            change(0, State::Unknown, State::Up),
            change(began, State::Up, State::Down),
            change(began + down, State::Down, State::Up),
        ];
        let target = TargetRecord { lives: vec![(second(0), None)], changes, ..TargetRecord::new(key.clone()) };
        let record = Record { targets: vec![target], watches: vec![(second(0), second(end))], maintenance: Vec::new() };
        (record, second(end) + SETTLED)
    }

    fn made(down: i64) -> Vec<Sample> {
        let (record, at) = record(down);
        series(&record, &[SloConfig::example()], at)
    }

    fn value(samples: &[Sample], name: &str, (label, text): (&str, &str)) -> Option<f64> {
        let wanted = |s: &&Sample| &*s.labels.name == name && s.labels.value(label) == text;
        samples.iter().find(wanted).map(|s| s.value)
    }

    #[test]
    fn an_objective_has_its_series() {
        let samples = made(1_296);
        let check = |name: &str, pair: (&str, &str), expected: f64| {
            let found = value(&samples, name, pair);
            assert!(found.is_some_and(|v| (v - expected).abs() < 1e-6), "{name} {pair:?}: {found:?}");
        };
        let api = ("slo", "api");
        check("dogwatch_slo_objective_ratio", api, 0.999);
        check("dogwatch_slo_window_seconds", api, 2_592_000.0);
        check("dogwatch_slo_availability_ratio", api, 1.0 - 0.0005);
        check("dogwatch_slo_error_budget_remaining_ratio", api, 0.5);
        check("dogwatch_slo_seconds", ("standing", "down"), 1_296.0);
        check("dogwatch_slo_seconds", ("standing", "absent"), 0.0);
        // It was down for 1,296 seconds, until 2,304 seconds ago.
        let burns = [("5m", 0.0), ("30m", 0.0), ("1h", 360.0), ("2h", 180.0), ("6h", 60.0), ("1d", 15.0), ("3d", 5.0)];
        for (window, expected) in burns {
            check("dogwatch_slo_burn_rate", ("window", window), expected);
        }
        // As in the last six hours, it spends 60 ms a second: the half that is left lasts six more.
        check("dogwatch_slo_error_budget_exhausted_timestamp_seconds", api, 2_592_000.0 + 21_600.0);
        check("dogwatch_availability_ratio", ("window", "24h"), 1.0 - 0.015);
        let labels = samples.iter().filter(|s| s.labels.value("slo") == "api").map(|s| &s.labels);
        assert!(labels.into_iter().all(|l| l.value("cluster") == "prod" && l.value("job") == "kube-apiserver"));
    }

    #[test]
    fn what_lasts_has_no_end() {
        let ends = |down| value(&made(down), "dogwatch_slo_error_budget_exhausted_timestamp_seconds", ("slo", "api"));
        assert!(ends(1_296).is_some() && ends(20).is_none());
    }

    #[test]
    fn every_name_is_in_the_catalogue() {
        for sample in made(1_296) {
            assert!(crate::telemetry::names::help(&sample.labels.name).is_some(), "{}", sample.labels);
        }
    }

    #[test]
    fn an_objective_of_nothing_that_is_watched_has_none() {
        let (record, at) = record(0);
        let other = SloConfig { cluster: Some("other".into()), ..SloConfig::example() };
        assert!(series(&record, &[other], at).iter().all(|s| s.labels.value("slo").is_empty()));
    }
}
