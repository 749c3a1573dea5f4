//! How `dogwatch state` prints what it found.

use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;

use crate::{
    cli::output,
    inventory::{places::Place, tables},
    model::text,
    recorder::answer::Count,
};

/// Rows that are printed of a table; JSON has all.
const ROWS_SHOWN: usize = 2_000;

fn blank() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

/// A table, the last rows of it where there are very many.
pub(super) fn printed(found: &tables::Table) -> String {
    if found.rows.is_empty() {
        return "there is none".into();
    }
    let mut table = blank();
    if std::env::var_os("COLUMNS").is_some() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(output::width());
    }
    table.set_header(found.header.clone());
    let left_out = found.rows.len().saturating_sub(ROWS_SHOWN);
    table.add_rows(&found.rows[left_out..]);
    match left_out {
        0 => table.to_string(),
        n => format!("{table}\n{n} more stand before these: -n, -l or --json"),
    }
}

/// How much of everything there is.
pub(super) fn summary(counts: &[Count], now: Timestamp) -> String {
    let mut table = blank();
    table.set_header(["kind", "objects", "last seen", ""]);
    for Count { kind, objects, seen } in counts {
        let ago = seen.at.map(|at| format!("{} ago", text::between(at.min(now), now))).unwrap_or_default();
        table.add_row([(*kind).to_owned(), objects.to_string(), ago, seen.why_not.clone()]);
    }
    table.to_string()
}

/// A pod with all that stands around it.
pub(super) fn place(place: &Place) -> String {
    let node = match (place.node.as_str(), place.zone.as_str()) {
        ("", _) => "none yet".to_owned(),
        (node, zone) => {
            let zone = if zone.is_empty() { String::new() } else { format!(", zone {zone}") };
            let ready = if place.node_ready { "" } else { " (NotReady)" };
            format!("{node}{ready}{zone}")
        }
    };
    let lists = [
        ("owners", &place.owners),
        ("images", &place.images),
        ("volumes", &place.volumes),
        ("services", &place.services),
        ("hosts", &place.hosts),
    ];
    let mut lines = vec![format!("pod {}: {}", place.pod, place.status), format!("  {:<9} {node}", "node")];
    if !place.ip.is_empty() {
        lines.push(format!("  {:<9} {}", "ip", place.ip));
    }
    lines.extend(lists.iter().filter(|(_, l)| !l.is_empty()).map(|(name, l)| format!("  {name:<9} {}", l.join(", "))));
    lines.join("\n")
}
