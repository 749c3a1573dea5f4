//! `/metrics`: the newest value of every series and the watchdog's own metrics, in the format that was asked for.
//!
//! Series go straight from the shared samples into text, grouped by name, and on their way in parts: the whole, which may
//! be 30 MB, is never in memory. The lock on the live picture is held only while `Arc`s are cloned. Two scrapes of the
//! same picture are the same text, byte for byte.

mod accept;
mod registry;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt::Write as _,
    sync::Arc,
};

use jiff::Timestamp;

pub use accept::negotiate;

use crate::{
    model::{Labels, Live, LiveState, Sample},
    telemetry::{Metrics, names, process::Process},
};

/// A part of the text is handed on when it has grown to this, in bytes.
const PART_BYTES: usize = 64 << 10;
/// So many samples of one name and source are compared one by one before their label sets are hashed.
const FEW: usize = 8;

/// An exposition format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format, version 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// Returns the `Content-Type` header.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The samples of one moment, shared, not copied.
#[derive(Debug, Default)]
pub struct Picture {
    /// A slice per cluster and per target, in the order of the live picture.
    slices: Vec<Arc<[Sample]>>,
}

impl Picture {
    /// Clones the `Arc`s and makes the few series of the watchdog itself.
    pub fn take(live: &Live, now: Timestamp) -> Self {
        let state = live.read();
        let mut slices = vec![own_samples(&state, now)];
        slices.push(state.heartbeats.clone());
        slices.push(state.objectives.clone());
        for cluster in state.clusters.values() {
            slices.push(cluster.samples.clone());
            slices.push(cluster.node_samples.clone());
            slices.extend(cluster.targets.values().map(|t| t.samples.clone()));
        }
        Self { slices }
    }

    /// Only the series of the watchdog itself.
    pub fn own(live: &Live, now: Timestamp) -> Self {
        Self { slices: vec![own_samples(&live.read(), now)] }
    }

    /// Places of all samples (slice, and place in it), by metric name. Of a series that one source gives twice, the first
    /// counts: a scrape with duplicates is refused as a whole.
    fn by_name(&self) -> Vec<(u32, u32)> {
        let mut families: HashMap<&str, Family<'_>> = HashMap::with_capacity(64);
        for (source, slice) in (0..).zip(&self.slices) {
            for (place, sample) in (0..).zip(slice.iter()) {
                families.entry(&sample.labels.name).or_default().add((source, place), sample);
            }
        }
        let mut sorted: Vec<_> = families.into_iter().collect();
        sorted.sort_unstable_by_key(|(name, _)| *name);
        sorted.into_iter().flat_map(|(_, family)| family.places).collect()
    }

    fn at(&self, (source, place): (u32, u32)) -> Option<&Sample> {
        self.slices.get(usize::try_from(source).ok()?)?.get(usize::try_from(place).ok()?)
    }
}

/// The samples of one name.
#[derive(Default)]
struct Family<'a> {
    places: Vec<(u32, u32)>,
    /// The source that gives them now, and the first label sets that it gave.
    source: u32,
    few: Vec<&'a Labels>,
    /// All label sets of that source, where there are many.
    told: HashSet<&'a Labels>,
}

impl<'a> Family<'a> {
    fn add(&mut self, place: (u32, u32), sample: &'a Sample) {
        if self.source != place.0 {
            self.source = place.0;
            self.few.clear();
            self.told.clear();
        }
        let is_told = if self.few.len() < FEW {
            let is_told = self.few.contains(&&sample.labels);
            self.few.push(&sample.labels);
            is_told
        } else {
            if self.told.is_empty() {
                self.told.extend(&self.few);
            }
            !self.told.insert(&sample.labels)
        };
        if !is_told {
            self.places.push(place);
        }
    }
}

/// The gauges that tell of the watchdog itself.
fn own_samples(state: &LiveState, now: Timestamp) -> Arc<[Sample]> {
    let gauge = |labels: Labels, value: f64| Sample { labels, at: now, value };
    let none: [(&str, &str); 0] = [];
    let mut samples = vec![gauge(
        Labels::new(
            "dogwatch_build_info",
            [("version", env!("CARGO_PKG_VERSION")), ("revision", option_env!("DOGWATCH_REVISION").unwrap_or(""))],
        ),
        1.0,
    )];
    if state.vantage.since.is_some() {
        samples.push(gauge(Labels::new("dogwatch_vantage_ok", none), f64::from(u8::from(state.vantage.ok))));
    }
    let mut open: BTreeMap<&str, u32> = state.clusters.keys().map(|name| (&**name, 0)).collect();
    open.insert("", 0);
    for incident in state.incidents.iter().filter(|i| i.resolved_at.is_none()) {
        *open.entry(&incident.cluster).or_default() += 1;
    }
    samples.extend(
        open.into_iter()
            .map(|(cluster, n)| gauge(Labels::new("dogwatch_incidents_open", [("cluster", cluster)]), f64::from(n))),
    );
    samples.into()
}

/// Returns the watchdog's own metrics alone, in Prometheus' text format.
pub fn own(live: &Live, metrics: &Metrics, now: Timestamp) -> String {
    exposition(&Picture::own(live, now), metrics, Process::read(), Format::Text)
}

/// Returns the whole exposition.
pub fn exposition(picture: &Picture, metrics: &Metrics, process: Process, format: Format) -> String {
    let picture = Picture { slices: picture.slices.clone() };
    Exposition::new(picture, metrics, process, format).collect()
}

/// The exposition, part by part: each is written when it is asked for.
#[derive(Debug)]
pub struct Exposition {
    picture: Picture,
    format: Format,
    places: std::vec::IntoIter<(u32, u32)>,
    /// The family whose header was written last.
    family: Arc<str>,
    /// The watchdog's own metrics, the last part.
    own: Option<String>,
}

impl Exposition {
    /// Puts the samples in order: some 20 ms for 5,000 targets.
    pub fn new(picture: Picture, metrics: &Metrics, process: Process, format: Format) -> Self {
        let mut own = String::new();
        registry::write(&mut own, metrics, format);
        for m in process.metrics() {
            let kind = if m.counter { Kind::Counter } else { Kind::Gauge };
            write_header(&mut own, m.name.trim_end_matches("_total"), m.help, kind, format);
            write_line(&mut own, m.name, &[], m.value);
        }
        if format == Format::OpenMetrics {
            own.push_str("# EOF\n");
        }
        let places = picture.by_name().into_iter();
        Self { picture, format, places, family: "".into(), own: Some(own) }
    }
}

impl Iterator for Exposition {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut out = String::new();
        while out.len() < PART_BYTES {
            let Some(place) = self.places.next() else { break };
            let Some(sample) = self.picture.at(place) else { continue };
            if out.is_empty() {
                out.reserve(PART_BYTES + PART_BYTES / 8);
            }
            let name = &sample.labels.name;
            if *name != self.family {
                let (kind, help) = names::help(name).map_or((Kind::Unknown, ""), |help| (Kind::Gauge, help));
                write_header(&mut out, name, help, kind, self.format);
                self.family = name.clone();
            }
            write_sample(&mut out, &sample.labels, sample.value);
        }
        if out.is_empty() { self.own.take() } else { Some(out) }
    }
}

/// A metric family's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
    Unknown,
}

/// Writes `# HELP` and `# TYPE`. `family` is the name as OpenMetrics has it, without a counter's `_total`, which the
/// older format's lines carry.
fn write_header(out: &mut String, family: &str, help: &str, kind: Kind, format: Format) {
    let suffix = if kind == Kind::Counter && format == Format::Text { "_total" } else { "" };
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Unknown if format == Format::Text => "untyped",
        Kind::Unknown => "unknown",
    };
    if !help.is_empty() {
        for part in ["# HELP ", family, suffix, " ", help, "\n"] {
            out.push_str(part);
        }
    }
    for part in ["# TYPE ", family, suffix, " ", kind, "\n"] {
        out.push_str(part);
    }
}

fn write_sample(out: &mut String, labels: &Labels, value: f64) {
    write_line(out, &labels.name, &labels.pairs, value);
}

fn write_line(out: &mut String, name: &str, pairs: &[(Arc<str>, Arc<str>)], value: f64) {
    write_series(out, name, pairs.iter().map(|(label, text)| (&**label, &**text)), value);
    out.push('\n');
}

/// Name, labels and value, without the line's end: a time may follow.
pub fn write_series<'a>(out: &mut String, name: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>, value: f64) {
    out.push_str(name);
    let mut before = '{';
    for (label, text) in pairs {
        out.push(before);
        before = ',';
        out.push_str(label);
        out.push_str("=\"");
        escape(out, text);
        out.push('"');
    }
    out.push_str(if before == '{' { " " } else { "} " });
    write_value(out, value);
}

/// Escapes a label's value: backslash, quote and line feed, in both formats.
fn escape(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '"', '\n']) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'\n' => "\\n",
            b'"' => "\\\"",
            _ => "\\\\",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

fn write_value(out: &mut String, value: f64) {
    if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else {
        // Writing to a String can't fail.
        let _ = write!(out, "{value}");
    }
}
