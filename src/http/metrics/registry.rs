//! The watchdog's own registry. prometheus-client writes OpenMetrics alone and its families in the order of a hash
//! map; this reads that text line by line, puts the series in order and writes the format that was asked for.

use std::mem;

use prometheus_client::encoding::text;

use super::{Format, Kind, write_header};
use crate::telemetry::Metrics;

/// Writes every metric of the registry.
pub fn write(out: &mut String, metrics: &Metrics, format: Format) {
    let mut encoded = String::new();
    if metrics.with_registry(|registry| text::encode_registry(&mut encoded, registry)).is_err() {
        // Only a writer can fail, and a String does not; what was written so far is whole lines.
        tracing::error!("the watchdog's own metrics could not be encoded");
    }
    let mut help = "";
    let mut family = Family::default();
    for line in encoded.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            mem::take(&mut family).write(out, format);
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, ""));
            family = Family { name, help: mem::take(&mut help), kind: kind_of(kind), lines: Vec::new() };
        } else if !line.starts_with('#') {
            family.lines.push(line);
        }
    }
    family.write(out, format);
}

fn kind_of(name: &str) -> Kind {
    match name {
        "counter" => Kind::Counter,
        "gauge" => Kind::Gauge,
        "histogram" => Kind::Histogram,
        _ => Kind::Unknown,
    }
}

struct Family<'a> {
    name: &'a str,
    help: &'a str,
    kind: Kind,
    lines: Vec<&'a str>,
}

impl Default for Family<'_> {
    fn default() -> Self {
        Self { name: "", help: "", kind: Kind::Unknown, lines: Vec::new() }
    }
}

impl Family<'_> {
    /// A family that counted nothing yet says nothing.
    fn write(mut self, out: &mut String, format: Format) {
        if self.lines.is_empty() {
            return;
        }
        // A histogram's lines have an order of their own, and none of ours is a family.
        if self.kind != Kind::Histogram {
            self.lines.sort_unstable();
        }
        write_header(out, self.name, self.help.trim_end_matches('.'), self.kind, format);
        for line in self.lines {
            out.push_str(line);
            out.push('\n');
        }
    }
}
