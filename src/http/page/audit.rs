//! Who did what, the newest first.

use jiff::Timestamp;
use serde::Serialize;
use url::form_urlencoded;

use super::{Frame, Moment, Now, path, render};
use crate::model::AuditEntry;

/// The view of one page of it.
#[derive(Clone, Debug, Serialize)]
pub struct AuditPage {
    rows: Vec<Row>,
    /// Where the next page is.
    next: Option<String>,
    /// Why it can't be read; empty: it can.
    error: String,
}

#[derive(Clone, Debug, Serialize)]
struct Row {
    at: Moment,
    who: String,
    proof: String,
    address: String,
    action: String,
    subject: String,
    /// Where what it was done to is shown.
    href: Option<String>,
    detail: String,
}

impl AuditPage {
    /// Of what was found, with where the next page begins; or why nothing was.
    pub fn new(found: Result<(Vec<AuditEntry>, Option<Timestamp>), String>, now: &Now) -> Self {
        match found {
            Ok((entries, next)) => {
                let query = |at: Timestamp| {
                    form_urlencoded::Serializer::new(String::new()).append_pair("before", &at.to_string()).finish()
                };
                let next = next.map(|at| format!("/audit?{}", query(at)));
                Self { rows: entries.into_iter().map(|entry| row(entry, now)).collect(), next, error: String::new() }
            }
            Err(error) => Self { rows: Vec::new(), next: None, error },
        }
    }

    /// The page.
    ///
    /// # Errors
    /// When a template is wrong, which the tests rule out.
    pub fn render(&self, frame: Frame) -> Result<String, minijinja::Error> {
        render("audit.html", &frame.still(), self)
    }
}

fn row(entry: AuditEntry, now: &Now) -> Row {
    let AuditEntry { at, who, proof, address, action, subject, detail } = entry;
    let of_incident = matches!(&*action, "acknowledge" | "withdraw" | "note") && !subject.is_empty();
    let href = of_incident.then(|| path(&["incidents", &subject]));
    let who = if who.is_empty() { "somebody".to_owned() } else { who };
    let proof = if proof == "none" { "without a login".to_owned() } else { format!("by {proof}") };
    Row { at: Moment::new(at, now), who, proof, address, action, subject, href, detail }
}
