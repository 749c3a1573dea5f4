//! A Helm repository: its index has the chart, and the version.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::{
    condition::Condition,
    found::Found,
    prober::{Asking, Prober, Problems},
    web::{below, get, web_kind},
};
use crate::{
    dial::TlsFiles,
    model::{Failure, Reason},
};

/// The longest index: large repositories have some 20 MB.
const INDEX_MAX: usize = 32 << 20;
/// Nodes of one index.
const NODES_MAX: usize = 2_000_000;

web_kind! {
    /// `helm:` of a check.
    pub struct HelmConfig {
        /// The repository: what stands before `/index.yaml`.
        pub url: Url,
        /// The chart.
        pub chart: String,
        /// The version that has to be there; without it, any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub chart_version: Option<String>,
    }
}

impl Prober for HelmConfig {
    fn at(&self) -> String {
        format!("{} in {}", self.chart, self.url)
    }

    fn instance(&self) -> String {
        self.web(self.url.clone()).instance()
    }

    fn expect(&self) -> &[Condition] {
        &self.expect
    }

    fn subjects(&self) -> (&'static [&'static str], &'static str) {
        (&["age", "count", "cert", "version"], "a chart")
    }

    fn problems(&self) -> Problems {
        let mut all = self.web(self.url.clone()).problems();
        if self.chart.is_empty() {
            all.push((".chart".to_owned(), "is empty: which chart?".to_owned()));
        }
        all
    }

    fn tls_files(&mut self) -> Option<&mut TlsFiles> {
        Some(&mut self.tls_config)
    }

    fn files(&mut self) -> Vec<&mut std::path::PathBuf> {
        self.secret_files()
    }

    fn probe<'a>(&'a self, found: &'a mut Found) -> Asking<'a> {
        Box::pin(probe(self, found))
    }
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    entries: BTreeMap<String, Vec<Version>>,
}

#[derive(Deserialize)]
struct Version {
    version: String,
    #[serde(default)]
    created: Option<String>,
}

async fn probe(c: &HelmConfig, found: &mut Found) -> Result<(), Failure> {
    let answer = get(&c.web(c.url.clone()), below(&c.url, &["index.yaml"]), "*/*", INDEX_MAX, found).await?;
    let body = answer.body;
    // Some megabytes of YAML take their time: not on the threads that probe.
    let read = tokio::task::spawn_blocking(move || index(&body)).await;
    let wrong = |words: String| Failure::new(Reason::Answer, words);
    let index = read
        .ok()
        .flatten()
        .ok_or_else(|| Failure::new(Reason::Body, "/index.yaml is no index of a Helm repository"))?;
    found.answered = true;
    found.line.note(format_args!("{} charts", index.entries.len()));
    let Some(versions) = index.entries.get(&c.chart) else {
        return Err(wrong(format!("it has no chart {}", c.chart)));
    };
    #[allow(clippy::cast_precision_loss)] // Numbers of versions, far below 2^53.
    found.seen.number("count", versions.len() as f64);
    let newest = versions.iter().filter_map(|v| v.created.as_ref()?.parse::<Timestamp>().ok()).max();
    if let Some(at) = newest {
        found.seen.number("age", Timestamp::now().duration_since(at).as_secs_f64());
    }
    match &c.chart_version {
        Some(wanted) if versions.iter().all(|v| v.version != *wanted) => {
            let has: Vec<&str> = versions.iter().take(3).map(|v| v.version.as_str()).collect();
            Err(wrong(format!(
                "{} has no version {wanted}; it has {} of them ({})",
                c.chart,
                versions.len(),
                has.join(", ")
            )))
        }
        _ => Ok(()),
    }
}

fn index(body: &[u8]) -> Option<Index> {
    let text = std::str::from_utf8(body).ok()?;
    // Helm writes it as JSON, too (`helm repo index --json`): that is read at once.
    if text.trim_start().starts_with('{') && serde_json::from_str::<&RawValue>(text).is_ok() {
        return serde_json::from_str(text).ok();
    }
    let options = serde_saphyr::options! { budget: serde_saphyr::budget! { max_nodes: NODES_MAX } };
    serde_saphyr::from_str_with_options(text, options).ok()
}
