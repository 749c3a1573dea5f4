//! A report as CSV (RFC 4180): one table, whose first column says what a row is about.

use super::{Line, Report, words::place};
use crate::model::text;

const HEADS: [&str; 26] = [
    "what",
    "name",
    "cluster",
    "objective_percent",
    "availability",
    "up_seconds",
    "down_seconds",
    "maintenance_seconds",
    "unseen_seconds",
    "unknown_seconds",
    "absent_seconds",
    "outages",
    "longest_outage_seconds",
    "began",
    "ended",
    "severity",
    "cause",
    "detect_seconds",
    "acknowledge_seconds",
    "restore_seconds",
    "duration_seconds",
    "rto_seconds",
    "rto_met",
    "data_age_seconds",
    "rpo_seconds",
    "rpo_met",
];

/// Returns the report as CSV. Times are RFC 3339 in UTC; `availability` is from 0 to 1; `ended` of a certificate is when it
/// ends, that of a heartbeat its last success, and its `outages` are its troubles; of a
/// restore drill `cause` is how the last one ended.
pub fn csv(report: &Report) -> String {
    let mut out = String::new();
    put(&mut out, &HEADS.map(str::to_owned));
    for o in &report.objectives {
        put(&mut out, &available("objective", &o.line, o.objective.to_string()));
    }
    for (what, lines) in [("cluster", &report.clusters), ("component", &report.components), ("target", &report.targets)]
    {
        lines.iter().for_each(|line| put(&mut out, &available(what, line, String::new())));
    }
    let number = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
    for i in &report.incidents {
        let mut row = row("incident", &i.headline);
        row[2] = place(&i.cluster).to_owned();
        (row[13], row[14]) = (i.began.to_string(), i.ended.map(|at| at.to_string()).unwrap_or_default());
        (row[15], row[16]) = (i.severity.clone(), i.cause.clone());
        (row[17], row[18]) = (number(i.detect_seconds), number(i.acknowledge_seconds));
        row[19] = number(i.restore_seconds);
        put(&mut out, &row);
    }
    for c in &report.certificates {
        let mut row = row("certificate", &c.subject);
        (row[2], row[14], row[16]) = (place(&c.cluster).to_owned(), c.expires.to_string(), c.source.clone());
        put(&mut out, &row);
    }
    for h in &report.heartbeats {
        let mut row = row("heartbeat", &h.name);
        row[2].clone_from(&h.cluster);
        (row[6], row[11]) = (h.trouble_seconds.to_string(), h.troubles.to_string());
        row[14] = h.last_success.map(|at| at.to_string()).unwrap_or_default();
        put(&mut out, &row);
    }
    let some = |n: Option<f64>| n.map(|n| n.to_string()).unwrap_or_default();
    let yes = |is: Option<bool>| is.map(|is| is.to_string()).unwrap_or_default();
    for r in &report.restore_drills {
        let mut row = row("restore_drill", &r.name);
        row[14] = r.last_ended.map(|at| at.to_string()).unwrap_or_default();
        row[16] = r.outcome.unwrap_or_default().to_owned();
        (row[20], row[21], row[22]) = (some(r.duration_seconds), some(r.rto_seconds), yes(r.rto_met));
        (row[23], row[24], row[25]) = (some(r.data_age_seconds), some(r.rpo_seconds), yes(r.rpo_met));
        put(&mut out, &row);
    }
    out
}

fn row(what: &str, name: &str) -> [String; HEADS.len()] {
    let mut row = [const { String::new() }; HEADS.len()];
    (row[0], row[1]) = (what.to_owned(), name.to_owned());
    row
}

fn available(what: &str, line: &Line, objective: String) -> [String; HEADS.len()] {
    let s = &line.seconds;
    let mut row = row(what, &line.name);
    row[3] = objective;
    row[4] = line.availability.map(|share| share.to_string()).unwrap_or_default();
    let seconds = [s.up, s.down, s.maintenance, s.unseen, s.unknown, s.absent];
    let numbers = seconds.into_iter().chain([line.outages as u64, line.longest_outage_seconds]);
    row[5..].iter_mut().zip(numbers).for_each(|(cell, n)| *cell = n.to_string());
    row
}

fn put(out: &mut String, cells: &[String; HEADS.len()]) {
    let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
    out.push_str(&cells.join(","));
    out.push_str("\r\n");
}

/// A text as it stands in a cell. What a spreadsheet would take for a formula has an apostrophe before it: names and texts
/// come from outside.
fn cell(words: &str) -> String {
    let line = text::one_line(words);
    let is_formula = line.starts_with(['=', '+', '-', '@']);
    let guarded = if is_formula { format!("'{line}") } else { line.into_owned() };
    if guarded.contains(['"', ',']) { format!("\"{}\"", guarded.replace('"', "\"\"")) } else { guarded }
}
