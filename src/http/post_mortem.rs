//! An incident as Markdown: what people paste into a post-mortem. Pure; all that was said from outside is escaped.

use jiff::Timestamp;

use super::api::IncidentView;
use crate::{
    model::{IncidentAlert, IncidentNote, text},
    notify::summary,
    store::DeliveryOutcome,
    words::Voice,
};

/// Returns the whole incident: what was found, all that happened with the notes of people, and who was told.
pub fn markdown(view: &IncidentView) -> String {
    let incident = &view.incident;
    let mut out = format!("# {}\n\n", said(&incident.headline));
    let until = match incident.resolved_at {
        Some(end) => format!("{} (lasted {})", text::moment(end), text::between(incident.started_at, end)),
        None => "it still lasts".to_owned(),
    };
    let with = incident.told_by().map(|id| format!("with incident {id}"));
    let told = incident.first_told_at.map(text::moment).or(with).unwrap_or_else(|| "nobody yet".to_owned());
    let care = incident.acknowledged.as_ref();
    let facts = [
        ("Incident", incident.id.to_string()),
        ("Where", said(summary::place(incident))),
        ("Severity", incident.severity.to_string()),
        ("Began", text::moment(incident.started_at)),
        ("Ended", until),
        ("First told", told),
        ("Looked after by", care.map_or_else(|| "nobody".to_owned(), |a| said(&a.by))),
    ];
    out.extend(facts.map(|(what, words)| format!("- {what}: {words}\n")));
    let root = incident.alerts.first().map(|a| &a.finding);
    for (title, lines) in [
        ("What was seen", root.map(|f| &f.evidence)),
        ("What still worked", root.map(|f| &f.still_works)),
        ("Broken because of it", root.map(|f| &f.consequences)),
    ] {
        section(&mut out, title, lines.into_iter().flatten().map(|line| said(line)));
    }
    section(&mut out, "In other clusters", Voice::default().fleet(incident).iter().map(|line| said(line)));
    let changes = incident.changes.iter().map(|change| said(&change.line(incident.started_at)));
    section(&mut out, "What changed before", changes);
    section(&mut out, "Findings", incident.alerts.iter().map(finding));
    section(&mut out, "What happened (UTC)", happened(view));
    let told = view.deliveries.iter().map(|d| {
        format!("{} — message {} to {}: {}", text::moment(d.at), d.sequence + 1, said(&d.receiver), outcome(d.outcome))
    });
    section(&mut out, "Who was told", told);
    for error in [&view.deliveries_error, &view.notes_error].into_iter().flatten() {
        out.push_str(&format!("\nNot all of it could be read: {}\n", said(error)));
    }
    out
}

fn outcome(outcome: DeliveryOutcome) -> &'static str {
    match outcome {
        DeliveryOutcome::Delivered => "delivered",
        DeliveryOutcome::Retried => "tried again later",
        DeliveryOutcome::Dropped => "given up",
    }
}

fn section(out: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        out.push_str(&format!("\n## {title}\n\n"));
        out.extend(lines.map(|line| format!("- {line}\n")));
    }
}

fn finding(alert: &IncidentAlert) -> String {
    let f = &alert.finding;
    let end = match (&alert.part_of, alert.ended_at) {
        (Some(_), _) => ", became part of something greater".to_owned(),
        (None, Some(end)) => format!(", ended {}", text::moment(end)),
        (None, None) => String::new(),
    };
    format!(
        "{} (`{}`, {}), since {}{end}",
        said(&f.headline),
        f.name().replace('`', ""),
        f.severity,
        text::moment(f.since)
    )
}

/// The timeline with the notes where they belong in time.
fn happened(view: &IncidentView) -> impl Iterator<Item = String> + use<> {
    let events = view.incident.timeline.iter().map(|(at, what)| (*at, said(what)));
    let notes = view.notes.iter().map(|n| (n.at, noted(n)));
    let mut all: Vec<(Timestamp, String)> = events.chain(notes).collect();
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(at, line)| format!("{} — {line}", text::moment(at)))
}

/// A note: its first line beside the name, the others below, as far in as the list wants them.
fn noted(note: &IncidentNote) -> String {
    let lines: Vec<String> = note.text.lines().map(said).collect();
    format!("**{}** noted: {}", said(&note.by), lines.join("  \n  "))
}

fn said(words: &str) -> String {
    text::markdown_with_code(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incident_is_told_whole_and_nothing_breaks_out() {
        let mut incident = crate::notify::example::opened().incident;
        incident.headline = "<img src=x> *down* [a](http://b)".into();
        let at = incident.started_at;
        let note = |text: &str| IncidentNote { incident: incident.id, at, by: "ada_".into(), text: text.into() };
        let view = IncidentView {
            notes: vec![note("# the `switch` failed\n- <b>twice</b>")],
            runbook_url: None,
            deliveries: Vec::new(),
            deliveries_error: Some("the disk is <gone>".into()),
            notes_error: None,
            incident: incident.clone(),
        };
        let text = markdown(&view);
        for said in [
            "# \\<img src=x\\> \\*down\\* \\[a\\](http://b)\n",
            "- Severity: critical\n",
            "- Ended: it still lasts\n",
            "\n## What was seen\n\n- ",
            "\n## What happened (UTC)\n\n- ",
            " — **ada\\_** noted: \\# the `switch` failed  \n  \\- \\<b\\>twice\\</b\\>\n",
            "Not all of it could be read: the disk is \\<gone\\>",
        ] {
            assert!(text.contains(said), "{said}\n{text}");
        }
    }
}
