//! The cluster as last seen: what the flight recorder knows, as a table with a search.

use serde::Serialize;
use url::form_urlencoded;

use super::{Frame, Now, path, render};
use crate::{
    inventory::tables::{self, Table, VIEWS},
    recorder::answer::{Answer, Count, Found},
};

/// Rows of the page; a search, a namespace or the API finds the others.
const ROWS_MAX: usize = 500;

/// What was asked, as the form shows it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AskedRecord {
    /// The cluster.
    pub cluster: String,
    /// The view or kind; empty: how much of everything.
    pub what: String,
    /// Only rows with this in them.
    pub search: String,
    /// The moment, as it was written.
    pub at: String,
    /// Only this namespace.
    pub namespace: String,
}

/// The view of the page.
#[derive(Clone, Debug, Serialize)]
pub struct RecordedPage {
    asked: AskedRecord,
    href: String,
    headline: String,
    remarks: Vec<String>,
    /// Name, address, and whether it is the one that is shown.
    views: Vec<(&'static str, String, bool)>,
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    left_out: usize,
    /// Why there is nothing; empty: there is something.
    error: String,
}

impl RecordedPage {
    /// Of an answer, or of why there is none.
    pub fn new(asked: AskedRecord, answer: Result<Answer, String>, now: &Now) -> Self {
        let href = path(&["recorded", &asked.cluster]);
        let views = std::iter::once("").chain(VIEWS.iter().map(|(view, _)| *view));
        let views = views.map(|view| {
            let query: String = form_urlencoded::Serializer::new(String::new())
                .extend_pairs([("what", view), ("at", &asked.at), ("namespace", &asked.namespace)])
                .finish();
            (if view.is_empty() { "summary" } else { view }, format!("{href}?{query}"), view == asked.what)
        });
        let mut page = Self {
            href: href.clone(),
            headline: asked.cluster.clone(),
            remarks: Vec::new(),
            views: views.collect(),
            header: Vec::new(),
            rows: Vec::new(),
            left_out: 0,
            error: String::new(),
            asked,
        };
        match answer {
            Err(why) => page.error = why,
            Ok(answer) => page.fill(&answer, now),
        }
        page
    }

    fn fill(&mut self, answer: &Answer, now: &Now) {
        self.headline = answer.headline(now.at, !self.asked.at.is_empty());
        self.remarks.clone_from(&answer.remarks);
        let Table { header, rows } = match &answer.found {
            Found::Objects(view, objects) => tables::of(view, objects, answer.at),
            Found::Summary(counts) => counted(counts, now),
            Found::Differences(_) | Found::Places(_) | Found::Checklist(_) => Table::default(),
        };
        let wanted = self.asked.search.to_lowercase();
        let has = |row: &Vec<String>| row.iter().any(|cell| cell.to_lowercase().contains(&wanted));
        self.header = header;
        self.rows = rows.into_iter().filter(has).collect();
        // Of a log the last rows are the newest.
        self.left_out = self.rows.len().saturating_sub(ROWS_MAX);
        self.rows.drain(..self.left_out);
    }

    /// The page.
    ///
    /// # Errors
    /// When a template is wrong, which the tests rule out.
    pub fn render(&self, frame: Frame) -> Result<String, minijinja::Error> {
        render("recorded.html", &frame.still(), self)
    }
}

fn counted(counts: &[Count], now: &Now) -> Table {
    let row = |Count { kind, objects, seen }: &Count| {
        let ago = seen
            .at
            .map(|at| now.say("time-ago", &[("time", now.voice.between(at.min(now.at), now.at).into())]))
            .unwrap_or_default();
        vec![(*kind).to_owned(), objects.to_string(), ago, seen.why_not.clone()]
    };
    Table { header: vec!["kind", "objects", "last seen", "not recorded"], rows: counts.iter().map(row).collect() }
}
