//! Silences: what is in force, to come and lately ended.

use serde::Serialize;

use super::{Frame, Moment, Now, path, render};
use crate::{dispatch::matchers, model::Silence};

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
    edit_href: String,
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
    pub fn new(silences: &[Silence], now: &Now) -> Self {
        let mut all: Vec<&Silence> = silences.iter().collect();
        let over = |s: &Silence| now.at >= s.ends_at;
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

fn row(s: &Silence, now: &Now) -> Row {
    let span = |id: &str, from, to| now.say(id, &[("time", now.voice.between(from, to).into())]);
    let (class, state, time) = match (now.at < s.starts_at, now.at < s.ends_at) {
        (true, _) => ("suspect", "to come", span("begins-in", now.at, s.starts_at)),
        (false, true) => ("up", "in force", span("ends-in", now.at, s.ends_at)),
        (false, false) => ("unknown", "ended", span("ended-ago", s.ends_at, now.at)),
    };
    Row {
        id: s.id.clone(),
        edit_href: path(&["silences", &s.id, "edit"]),
        end_href: path(&["silences", &s.id, "expire"]),
        class,
        state,
        matchers: s.matchers.iter().map(matchers::written).collect(),
        by: s.created_by.clone(),
        comment: s.comment.clone(),
        from: Moment::new(s.starts_at, now),
        to: Moment::new(s.ends_at, now),
        time,
        can_end: now.at < s.ends_at,
    }
}
