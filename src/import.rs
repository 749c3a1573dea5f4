//! Other tools' configurations as `checks:`: blackbox_exporter's modules with the Prometheus jobs that use them, Prometheus'
//! static targets, Gatus' endpoints, the monitors of an Uptime Kuma backup.
//!
//! Pure: texts become a text, and a list of what could not be carried over, which also stands beside each check. Never reads a
//! file or asks a server. What it gives as a check is one that dogwatch's own reader takes; anything else is left as a comment
//! with the reason.

mod blackbox;
mod client;
mod draft;
mod fields;
mod gatus;
mod gatus_condition;
mod kuma;
mod prometheus;
#[cfg(test)]
mod tests;
mod write;

use serde_json::Value;

use self::{draft::Draft, fields::Fields, prometheus::ScrapeJob};

/// Larger files are no configuration that a person wrote.
pub const FILE_MAX: u64 = 4 << 20;
/// Nodes of one document: more than any file of that size has, and an end for aliases of aliases.
const NODES_MAX: usize = 500_000;

/// Whose configuration it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// blackbox_exporter's modules.
    Blackbox,
    /// Gatus.
    Gatus,
    /// A JSON backup of Uptime Kuma.
    UptimeKuma,
    /// Prometheus' scrape configs.
    Prometheus,
}

impl Format {
    /// Returns how people call it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Blackbox => "blackbox_exporter",
            Format::Gatus => "Gatus",
            Format::UptimeKuma => "Uptime Kuma",
            Format::Prometheus => "Prometheus",
        }
    }

    /// Returns whose it is by what stands at the top of it.
    fn of(document: &Value) -> Option<Self> {
        let has = |key: &str| document.get(key).is_some();
        match () {
            () if has("monitorList") => Some(Format::UptimeKuma),
            () if has("scrape_configs") => Some(Format::Prometheus),
            () if has("modules") => Some(Format::Blackbox),
            () if ["endpoints", "external-endpoints", "services", "suites"].iter().any(|key| has(key)) => {
                Some(Format::Gatus)
            }
            () => None,
        }
    }
}

/// A file to read, by its name in messages.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// As it is called.
    pub name: &'a str,
    /// What stands in it.
    pub text: &'a str,
}

/// Holds what became of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// `checks:` as YAML with comments: a configuration by itself.
    pub yaml: String,
    /// What could not be carried over, a line each.
    pub lost: Vec<String>,
    /// So many checks stand in it.
    pub checks: usize,
    /// Passwords or tokens stand in it.
    pub has_secrets: bool,
}

/// Carries a configuration over; `format` where it should not be told by the content, `targets` are configurations of
/// Prometheus whose jobs use the modules of blackbox_exporter.
///
/// # Errors
/// When it is none of these, in words.
pub fn import(source: Source<'_>, format: Option<Format>, targets: &[Source<'_>]) -> Result<Imported, String> {
    let document = read(source)?;
    let format = format.or_else(|| Format::of(&document)).ok_or_else(|| {
        format!(
            "{}: this is none of the configurations that are known: one of blackbox_exporter has `modules`, of Gatus \
             `endpoints`, of Prometheus `scrape_configs`, a backup of Uptime Kuma `monitorList`",
            source.name
        )
    })?;
    if !targets.is_empty() && format != Format::Blackbox {
        return Err(format!("{}: --targets belongs to the modules of blackbox_exporter", source.name));
    }
    let mut lost = Vec::new();
    let top = Fields::of(document).ok_or_else(|| format!("{}: this is no mapping", source.name))?;
    let drafts = match format {
        Format::Blackbox => {
            let mut jobs: Vec<ScrapeJob> = Vec::new();
            for source in targets {
                let top = read(*source).map(Fields::of)?;
                let top = top.ok_or_else(|| format!("{}: this is no mapping", source.name))?;
                jobs.extend(prometheus::jobs(top, &mut lost));
            }
            blackbox::drafts(top, &jobs, &mut lost)
        }
        Format::Gatus => gatus::drafts(top, &mut lost),
        Format::UptimeKuma => kuma::drafts(top, &mut lost),
        Format::Prometheus => prometheus::drafts(prometheus::jobs(top, &mut lost)),
    };
    Ok(write::all(source.name, format, named_apart(drafts), lost))
}

fn read(source: Source<'_>) -> Result<Value, String> {
    // JSON is YAML but for a few escapes; each reader has its own words on where a mistake is.
    if let Ok(document) = serde_json::from_str(source.text) {
        return Ok(document);
    }
    let options = serde_saphyr::options! { budget: serde_saphyr::budget! { max_nodes: NODES_MAX } };
    serde_saphyr::from_str_with_options(source.text, options).map_err(|e| {
        let place = e.location().map(|l| format!(" (line {}, column {})", l.line(), l.column())).unwrap_or_default();
        format!("{}: this is neither YAML nor JSON{place}", source.name)
    })
}

/// No two of the same name.
fn named_apart(mut drafts: Vec<Draft>) -> Vec<Draft> {
    let mut seen = std::collections::BTreeSet::new();
    for draft in &mut drafts {
        let wanted = draft::name(&draft.name);
        let mut name = wanted.clone();
        let mut n = 2;
        while !seen.insert(name.clone()) {
            name = format!("{wanted}-{n}");
            n += 1;
        }
        draft.name = name;
    }
    drafts
}
