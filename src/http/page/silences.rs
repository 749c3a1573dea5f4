//! Silences: what is in force, to come and lately ended; and the form that makes one.

use jiff::Timestamp;
use serde::Serialize;

use super::{Frame, Moment, path, render};
use crate::{
    dispatch::matchers,
    model::{AlertContext, Incident, Silence, SilenceMatcher, text},
};

/// Silences listed: what holds comes first.
const ROWS_MAX: usize = 200;

/// The view of all silences.
#[derive(Clone, Debug, Serialize)]
pub struct SilencesPage {
    rows: Vec<Row>,
    more: usize,
}

#[derive(Clone, Debug, Serialize)]
struct Row {
    id: String,
    end_href: String,
    /// The stylesheet's class.
    class: &'static str,
    state: &'static str,
    matchers: Vec<String>,
    by: String,
    comment: String,
    from: Moment,
    to: Moment,
    /// What is left of it, or how long ago it ended.
    time: String,
    can_end: bool,
}

impl SilencesPage {
    /// The view of this moment.
    pub fn new(silences: &[Silence], now: Timestamp) -> Self {
        let mut all: Vec<&Silence> = silences.iter().collect();
        let over = |s: &Silence| now >= s.ends_at;
        // What holds and what is to come by its end, then what is over, the latest first.
        all.sort_by_key(|s| (over(s), if over(s) { -s.ends_at.as_second() } else { s.ends_at.as_second() }));
        Self {
            rows: all.iter().take(ROWS_MAX).map(|s| row(s, now)).collect(),
            more: all.len().saturating_sub(ROWS_MAX),
        }
    }

    /// The page.
    ///
    /// # Errors
    /// When a template is wrong, which the tests rule out.
    pub fn render(&self, frame: &Frame) -> Result<String, minijinja::Error> {
        render("silences.html", frame, self)
    }
}

fn row(s: &Silence, now: Timestamp) -> Row {
    let (class, state, time) = match (now < s.starts_at, now < s.ends_at) {
        (true, _) => ("suspect", "to come", format!("begins in {}", text::between(now, s.starts_at))),
        (false, true) => ("up", "in force", format!("ends in {}", text::between(now, s.ends_at))),
        (false, false) => ("unknown", "ended", format!("ended {} ago", text::between(s.ends_at, now))),
    };
    let condition = |m: &SilenceMatcher| format!("{}{}{:?}", m.name, matchers::operator(m), m.value);
    Row {
        id: s.id.clone(),
        end_href: path(&["silences", &s.id, "expire"]),
        class,
        state,
        matchers: s.matchers.iter().map(condition).collect(),
        by: s.created_by.clone(),
        comment: s.comment.clone(),
        from: Moment::new(s.starts_at, now),
        to: Moment::new(s.ends_at, now),
        time,
        can_end: now < s.ends_at,
    }
}

/// The form that makes a silence: as it was filled in, and what is wrong with it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SilenceForm {
    /// One condition a line: `cluster="prod"`.
    pub matchers: String,
    /// Prometheus' way to write a duration: `2h`.
    pub duration: String,
    /// RFC 3339; empty: now.
    pub starts: String,
    /// Who.
    pub by: String,
    /// Why.
    pub comment: String,
    /// Why it was not taken; empty: it was not sent yet.
    pub error: String,
}

impl SilenceForm {
    /// An empty form.
    pub fn empty() -> Self {
        Self { duration: "2h".into(), ..Self::default() }
    }

    /// For what an incident tells now, not for what it may become.
    pub fn of(incident: &Incident, context: &AlertContext) -> Self {
        let labels = match (&incident.group, incident.firing().next()) {
            (Some(group), _) if !group.labels.is_empty() => group.labels.clone(),
            (_, Some(root)) => {
                let of_whom = ["alertname", "cluster", "instance", "node", "subject"];
                let all = root.finding.shown_labels(context);
                all.into_iter().filter(|(name, _)| of_whom.contains(&&**name)).collect()
            }
            (_, None) => std::collections::BTreeMap::new(),
        };
        let lines: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        Self { matchers: lines.join("\n"), ..Self::empty() }
    }

    /// The page.
    ///
    /// # Errors
    /// When a template is wrong, which the tests rule out.
    pub fn render(&self, frame: Frame) -> Result<String, minijinja::Error> {
        render("silence.html", &frame.still(), self)
    }
}
