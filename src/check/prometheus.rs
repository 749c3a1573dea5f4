//! An expression at a Prometheus, or what answers as one: each value that it gives is judged.

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{
    condition::{Condition, Seen},
    found::Found,
    http::fetch,
    prober::{Asking, Prober, Problems},
    web::{below, json, request, web_kind, well},
};
use crate::{
    dial::TlsFiles,
    model::{Failure, Reason},
};

/// The longest answer: a check judges a few values, not a whole history.
const ANSWER_MAX: usize = 4 << 20;
/// The longest expression.
const QUERY_MAX: usize = 16 << 10;
/// Labels of a value are quoted up to so many characters.
const LABELS_MAX: usize = 120;

web_kind! {
    /// `prometheus:` of a check.
    pub struct PrometheusConfig {
        /// Where it is: what stands before `/api/v1/query`.
        pub url: Url,
        /// The expression.
        pub query: String,
    }
}

impl Prober for PrometheusConfig {
    fn at(&self) -> String {
        format!("{} at {}", self.query, self.url)
    }

    fn instance(&self) -> String {
        self.web(self.url.clone()).instance()
    }

    fn expect(&self) -> &[Condition] {
        &self.expect
    }

    fn conditions(&self) -> Vec<&Condition> {
        // Those about the values are judged with each of them.
        self.expect.iter().filter(|c| c.about() != "value").collect()
    }

    fn subjects(&self) -> (&'static [&'static str], &'static str) {
        (&["value", "count", "cert", "version"], "the answer to an expression")
    }

    fn problems(&self) -> Problems {
        let mut all = self.web(self.url.clone()).problems();
        if self.query.trim().is_empty() || self.query.len() > QUERY_MAX {
            all.push((".query".to_owned(), "must be an expression, 16 KiB at the most".to_owned()));
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
struct Reply {
    status: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    kind: String,
    result: Value,
}

async fn probe(c: &PrometheusConfig, found: &mut Found) -> Result<(), Failure> {
    let mut url = below(&c.url, &["api", "v1", "query"]);
    url.query_pairs_mut().append_pair("query", &c.query);
    let answer = fetch(&c.web(c.url.clone()), request(url, "application/json", ANSWER_MAX), found).await?;
    let what = "the answer";
    // What is wrong with an expression is told in JSON, with 400 or 422.
    let answer = if matches!(answer.status, 400 | 422) { answer } else { well(answer, "/api/v1/query", ANSWER_MAX)? };
    let reply: Reply = json(&answer, what)?;
    found.answered = true;
    let wrong = |words: String| Failure::new(Reason::Answer, words);
    let data = match reply.data {
        Some(data) if reply.status == "success" => data,
        _ => {
            let why: String = reply.error.chars().take(LABELS_MAX).collect();
            return Err(wrong(format!("it can't answer: {why}")));
        }
    };
    let values =
        values(&data).ok_or_else(|| wrong(format!("the expression gives a {}, should give values", data.kind)))?;
    #[allow(clippy::cast_precision_loss)] // Numbers of samples, far below 2^53.
    let count = values.len() as f64;
    found.seen.number("count", count);
    found.measure("probe_prometheus_values", count);
    if let [(_, value)] = values[..] {
        found.measure("probe_prometheus_value", value);
    }
    found.line.note(format_args!("{} values", values.len()));
    if values.is_empty() && !c.expect.iter().any(|condition| condition.about() == "count") {
        return Err(wrong("the expression finds nothing".to_owned()));
    }
    for (labels, value) in &values {
        let mut seen = Seen::default();
        seen.number("value", *value);
        for condition in c.expect.iter().filter(|condition| condition.about() == "value") {
            condition.judge(&seen).map_err(|failure| match labels.as_str() {
                "" => failure,
                labels => Failure { message: format!("{labels}: {}", failure.message), ..failure },
            })?;
        }
    }
    Ok(())
}

/// Each value with its labels.
fn values(data: &Data) -> Option<Vec<(String, f64)>> {
    let number = |pair: &Value| pair.get(1)?.as_str()?.parse::<f64>().ok();
    match data.kind.as_str() {
        "scalar" => Some(vec![(String::new(), number(&data.result)?)]),
        "vector" => {
            data.result.as_array()?.iter().map(|one| Some((labels(&one["metric"]), number(&one["value"])?))).collect()
        }
        _ => None,
    }
}

fn labels(metric: &Value) -> String {
    let pairs = metric.as_object().into_iter().flatten();
    let pairs: Vec<String> = pairs.map(|(name, value)| format!("{name}={value}")).collect();
    let text = if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(", ")) };
    text.chars().take(LABELS_MAX).collect()
}
