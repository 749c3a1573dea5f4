//! A report as Markdown.

use super::{
    Report,
    tables::tables,
    words::{span, title},
};
use crate::model::text;

/// Returns the report as Markdown: tables as GitHub reads them.
pub fn markdown(report: &Report) -> String {
    let mut out = format!("# {}\n\n{}\n", title(report, cell), span(report, cell));
    for table in tables(report) {
        out.push_str(&format!("\n## {}\n\n", table.title));
        if table.rows.is_empty() {
            out.push_str(&format!("{}\n", report.voice.word("report-none")));
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
