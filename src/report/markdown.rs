//! A report as Markdown.

use super::{Report, tables::tables, words::moment};
use crate::model::text;

/// Returns the report as Markdown: tables as GitHub reads them.
pub fn markdown(report: &Report) -> String {
    let at = |at| moment(at, &report.zone);
    let mut out = format!(
        "# Availability: {}\n\nFrom {} to {}, made {}. Times are in {}. How it is counted: docs/availability.md.\n",
        cell(&report.title),
        at(report.from),
        at(report.to),
        at(report.made_at),
        cell(&report.time_zone)
    );
    for table in tables(report) {
        out.push_str(&format!("\n## {}\n\n", table.title));
        if table.rows.is_empty() {
            out.push_str("None.\n");
        } else {
            out.push_str(&format!("| {} |\n|{}\n", table.heads.join(" | "), "---|".repeat(table.heads.len())));
        }
        for row in &table.rows {
            let cells: Vec<String> = row.iter().map(|text| cell(text)).collect();
            out.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        if !table.note.is_empty() {
            out.push_str(&format!("\n{}\n", table.note));
        }
    }
    out
}

/// A text as it stands in a cell: one line, in which nothing is markup.
fn cell(words: &str) -> String {
    let mut out = String::with_capacity(words.len() + 8);
    for c in text::one_line(words).chars() {
        out.extend("\\`*_[]<>&|~#".contains(c).then_some('\\').into_iter().chain([c]));
    }
    out
}
