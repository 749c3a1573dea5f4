//! How available something was between two moments: one number with what it is made of, and the report as a page.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;

use super::{
    Web, api,
    api_v1::Params,
    asker::Asker,
    incidents::moment,
    page::{Now, root},
    page_answer,
};
use crate::{
    availability::{Book, SloConfig, Span, Subject, Tally, Timeline, months, parse_month},
    model::TargetKey,
    report::{self, Asked},
    store::StoreError,
    words::month_title,
};

/// Without a beginning, so long before the end.
const DEFAULT_S: i64 = 30 * 86_400;

/// What is asked of.
#[derive(Debug)]
enum Whom {
    Subject(Subject),
    Objective(SloConfig),
}

/// A question: of what, from when until when.
#[derive(Debug)]
struct Question {
    whom: Whom,
    span: Span,
}

/// The answer.
#[derive(Serialize)]
struct Answer {
    of: String,
    from: Timestamp,
    to: Timestamp,
    /// From 0 to 1; `null`: nothing is known.
    availability: Option<f64>,
    seconds: Tally,
    outages: Vec<Outage>,
    /// In percent, where an objective was asked for.
    objective: Option<f64>,
    met: Option<bool>,
}

#[derive(Serialize)]
struct Outage {
    from: Timestamp,
    to: Timestamp,
    seconds: u64,
}

/// Outages of one answer, the first: somebody who wants all asks for less time.
const OUTAGES_MAX: usize = 1_000;

impl Question {
    /// From `of` or `slo`, `from` and `to`: times as in the list of incidents.
    fn read(parameters: &[(String, String)], slos: &[SloConfig], now: Timestamp) -> Result<Self, String> {
        let given = |name: &str| {
            let mut values = parameters.iter().filter(|(n, value)| n == name && !value.is_empty());
            values.next().map(|(_, value)| value.as_str())
        };
        let whom = match (given("of"), given("slo")) {
            (Some(of), None) => Whom::Subject(Subject::parse(of)?),
            (None, Some(name)) => {
                let found = slos.iter().find(|slo| slo.name == name);
                Whom::Objective(found.ok_or_else(|| format!("there is no objective {name:?} in slos"))?.clone())
            }
            _ => return Err("say of what: of=CLUSTER, of=CLUSTER/JOB, of=CLUSTER/JOB/INSTANCE or slo=NAME".into()),
        };
        let time = |name: &str| given(name).map(|text| moment(name, text, now)).transpose();
        let to = time("to")?.unwrap_or(now);
        let before = Timestamp::from_second(to.as_second().saturating_sub(DEFAULT_S)).unwrap_or(Timestamp::MIN);
        let span = Span::between(time("from")?.unwrap_or(before), to);
        if span.seconds() == 0 {
            return Err("from must be before to, by a second at least".into());
        }
        Ok(Self { whom, span })
    }

    fn takes(&self, key: &TargetKey) -> bool {
        match &self.whom {
            Whom::Subject(subject) => subject.takes(key),
            Whom::Objective(slo) => slo.subjects().is_ok_and(|all| all.iter().any(|subject| subject.takes(key))),
        }
    }
}

/// Answers `GET /api/dogwatch/v1/availability?of=CLUSTER[/JOB[/INSTANCE]]&from=&to=`, or `slo=NAME`
pub async fn one(State(web): State<Web>, params: Params) -> Response {
    let now = web.clock.wall();
    let question = match Question::read(params.pairs(), &web.slos, now) {
        Ok(question) => question,
        Err(error) => return api::refused(StatusCode::BAD_REQUEST, error),
    };
    match answer(&web, question, now).await {
        Ok(Some(answer)) => api::shown(StatusCode::OK, &answer),
        Ok(None) => api::not_found("Nothing of that name was a target in that time.".into()),
        Err(error) => api::refused(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}

async fn answer(web: &Web, question: Question, now: Timestamp) -> Result<Option<Answer>, StoreError> {
    let at = |second: i64| Timestamp::from_second(second).unwrap_or(now);
    let question = std::sync::Arc::new(question);
    let asked = question.clone();
    let record = web.store.record(at(question.span.from), move |key| asked.takes(key)).await?;
    let book = Book::new(&record, now);
    let timeline: Option<Timeline> = match &question.whom {
        Whom::Subject(subject) => book.of(subject),
        Whom::Objective(slo) => slo.timeline(&book),
    };
    let Some(timeline) = timeline else { return Ok(None) };
    let seconds = timeline.tally(question.span);
    let (of, slo) = match &question.whom {
        Whom::Subject(subject) => (subject.to_string(), None),
        Whom::Objective(slo) => (slo.name.clone(), Some(slo)),
    };
    let outages = timeline.outages(question.span).take(OUTAGES_MAX);
    Ok(Some(Answer {
        of,
        from: at(question.span.from),
        to: at(question.span.to),
        availability: seconds.availability(),
        outages: outages.map(|s| Outage { from: at(s.from), to: at(s.to), seconds: s.seconds() }).collect(),
        objective: slo.map(|slo| slo.objective),
        met: slo.and_then(|slo| slo.is_met(&seconds)),
        seconds,
    }))
}

/// Answers `GET /report?month=YYYY-MM&time_zone=`: the month that is asked for, else the one that lasts.
pub async fn page(State(web): State<Web>, asker: Asker, params: Params) -> Response {
    let now = web.now(&asker);
    let asked = match asked(params.pairs(), &web.slos, &now) {
        Ok(asked) => asked,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    };
    let restore_drills = web.heartbeats.restore_views().into_iter().map(|view| view.name).collect();
    match report::gather(&web.store, &Asked { restore_drills, ..asked }).await {
        Ok(report) => page_answer(report::html(&report, Some(&root(&web.external_url)))),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

fn asked(parameters: &[(String, String)], slos: &[SloConfig], now: &Now) -> Result<Asked, String> {
    let given = |name: &str| parameters.iter().find(|(n, value)| n == name && !value.is_empty()).map(|(_, v)| &**v);
    let zone = given("time_zone").map_or(Ok(now.voice.zone.clone()), |zone| {
        TimeZone::get(zone).map_err(|_| format!("{zone:?} is no time zone: write its IANA name"))
    })?;
    let first = match given("month") {
        Some(month) => parse_month(month)?,
        None => now.at.to_zoned(zone.clone()).date().first_of_month(),
    };
    let (day, span) = months(first, 1, &zone).pop().ok_or_else(|| format!("{first} is too far away"))?;
    Ok(Asked {
        title: month_title(&now.voice, day),
        language: now.voice.language,
        span,
        zone,
        slos: slos.to_vec(),
        restore_drills: Vec::new(),
        now: now.at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_as_people_write_it() {
        let now: Timestamp = "2026-01-31T00:00:00Z".parse().unwrap();
        let read = |query: &str| {
            let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            Question::read(&pairs, &[], now).map(|q| q.span)
        };
        let month = Span { from: now.as_second() - DEFAULT_S, to: now.as_second() };
        assert_eq!(read("of=prod"), Ok(month));
        assert_eq!(read("of=prod/etcd/10.0.0.1:2379&from=30d&to="), Ok(month));
        assert_eq!(read("of=prod&from=2026-01-01&to=2026-01-31"), Ok(month));
        for (wrong, said) in [
            ("", "say of what"),
            ("of=prod&slo=x", "say of what"),
            ("slo=x", "no objective"),
            ("of=prod//", "names nothing"),
            ("of=prod&from=soon", "from:"),
            ("of=prod&from=2026-02-01&to=2026-01-01", "before"),
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_page_is_of_a_month() {
        let now: Timestamp = "2026-01-31T23:30:00Z".parse().unwrap();
        let title = |query: &str| {
            let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            asked(&pairs, &[], &now.into()).map(|asked| asked.title)
        };
        assert_eq!(title("").as_deref(), Ok("January 2026"));
        assert_eq!(title("time_zone=Europe/Berlin").as_deref(), Ok("February 2026"));
        assert_eq!(title("month=2025-10").as_deref(), Ok("October 2025"));
        assert!(title("month=x").is_err() && title("time_zone=Nowhere/Else").is_err());
    }
}
