//! Silences: what is in force, to come and lately ended.

use jiff::Timestamp;
use serde::Serialize;

use super::{Frame, Moment, path, render};
use crate::{
    dispatch::matchers,
    model::{Silence, text},
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
        can_end: now < s.ends_at,
    }
}
