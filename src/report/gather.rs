//! Reads what a report tells from the store.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Asked, Line, ObjectiveLine, Report, certificates, heartbeats, incidents, restore};
use crate::{
    availability::{Book, Budget, SloConfig, Span, Subject, Timeline},
    model::{Record, TargetKey},
    store::{Store, StoreError},
    words::Voice,
};

/// Makes the report.
///
/// # Errors
/// When the store can't be read.
pub async fn gather(store: &Store, asked: &Asked) -> Result<Report, StoreError> {
    let moment = |second: i64| Timestamp::from_second(second).unwrap_or(asked.now);
    let (from, to) = (moment(asked.span.from), moment(asked.span.to));
    let record = store.record(from, |_| true).await?;
    let (incidents, incidents_left_out) = incidents::of(store, from, to).await?;
    let series = {
        let (store, until) = (store.clone(), to.min(asked.now));
        let span = (from, until);
        let read = move || {
            let (certificates, successes) = (certificates::of(&store, span)?, heartbeats::successes(&store, span)?);
            Ok::<_, StoreError>((certificates, successes, store.restore_drills()?))
        };
        let read = tokio::task::spawn_blocking(read).await;
        read.map_err(|error| StoreError { message: format!("reading the history broke off: {error}") })??
    };
    let (certificates, successes, drills) = series;
    let book = Book::new(&record, asked.now);
    let voice = Voice::new(asked.language, asked.zone.clone());
    Ok(Report {
        title: asked.title.clone(),
        from,
        to,
        made_at: asked.now,
        time_zone: asked.zone.iana_name().unwrap_or("UTC").to_owned(),
        objectives: objectives(&book, asked),
        clusters: lines(&book, asked.span, &subjects(&record, |key| Subject::Cluster(key.cluster.to_string()))),
        components: lines(&book, asked.span, &subjects(&record, component)),
        targets: targets(&book, asked.span),
        times: incidents::times(&incidents),
        heartbeats: heartbeats::lines(successes, &incidents, (from, to.min(asked.now))),
        restore_drills: restore::lines(&drills, &asked.restore_drills, (from, to.min(asked.now))),
        incidents: incidents.iter().map(|i| incidents::line(&voice.incident(i))).collect(),
        incidents_left_out,
        certificates,
        voice,
    })
}

fn component(key: &TargetKey) -> Subject {
    Subject::Component(key.cluster.to_string(), key.job.as_str().to_owned())
}

fn subjects(record: &Record, of: impl Fn(&TargetKey) -> Subject) -> BTreeSet<Subject> {
    record.targets.iter().map(|t| of(&t.key)).collect()
}

/// What was there at all within the span.
fn lines(book: &Book<'_>, span: Span, subjects: &BTreeSet<Subject>) -> Vec<Line> {
    let known = subjects.iter().filter_map(|s| Some(line(s.to_string(), &book.of(s)?, span)));
    known.filter(was_there).collect()
}

fn was_there(line: &Line) -> bool {
    line.seconds.absent < line.seconds.total()
}

/// Makes a line of a timeline.
fn line(name: String, timeline: &Timeline, span: Span) -> Line {
    let seconds = timeline.tally(span);
    let longest = timeline.outages(span).map(Span::seconds).max().unwrap_or(0);
    Line {
        name,
        availability: seconds.availability(),
        seconds,
        outages: timeline.outages(span).count(),
        longest_outage_seconds: longest,
    }
}

fn targets(book: &Book<'_>, span: Span) -> Vec<Line> {
    let all = book.targets().map(|(key, timeline)| line(key.to_string(), timeline, span));
    let mut all: Vec<Line> = all.filter(was_there).collect();
    all.sort_by(|a, b| b.seconds.down.cmp(&a.seconds.down).then_with(|| a.name.cmp(&b.name)));
    all
}

fn objectives(book: &Book<'_>, asked: &Asked) -> Vec<ObjectiveLine> {
    let of = |slo: &SloConfig| {
        let timeline = slo.timeline(book).unwrap_or_default();
        let line = line(slo.name.clone(), &timeline, asked.span);
        let budget = Budget::of(line.seconds, slo.allowed());
        ObjectiveLine {
            objective: slo.objective,
            met: slo.is_met(&line.seconds),
            allowed_seconds: budget.allowed_seconds,
            budget_left: budget.left,
            line,
        }
    };
    asked.slos.iter().map(of).collect()
}
