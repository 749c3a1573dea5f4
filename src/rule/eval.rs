//! One rule, evaluated once: query, labels, annotations. Blocks: for a thread that may.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    file::{Kind, Rule},
    step::{Alerting, Element, Terms},
};
use crate::{
    model::{ALERTNAME, Labels, METRIC_NAME, Pairs, Sample},
    promql::{self, Query, Value as Answer},
    query::{Engine, Options},
    template::{Host, QuerySample, Value},
};

/// Holds what every rule's evaluation needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    /// To ask.
    pub engine: Engine,
    /// `$externalLabels`.
    pub external_labels: Pairs,
    /// `$externalURL`.
    pub external_url: String,
}

impl Context {
    /// Returns whether a rule gives the same in both.
    pub fn is_like(&self, other: &Self) -> bool {
        self.engine.config() == other.engine.config()
            && (&self.external_labels, &self.external_url) == (&other.external_labels, &other.external_url)
    }
}

/// Evaluates a rule at a time. What it writes (recorded series, or ALERTS and ALERTS_FOR_STATE) bears `at`; the expression is
/// evaluated `offset_ms` before that.
///
/// # Errors
/// When it can't be evaluated; in words. `state` is then as it was, save that a limit drops alerts.
pub fn evaluate(
    rule: &Rule,
    state: &mut Alerting,
    context: &Context,
    at: Timestamp,
    offset_ms: i64,
    limit: usize,
) -> Result<Vec<Sample>, String> {
    let when = at.as_millisecond().saturating_sub(offset_ms);
    let result = vector(&context.engine, &rule.query, when)?;
    let written = Timestamp::from_millisecond(when).unwrap_or(at);
    match &rule.kind {
        Kind::Recording => record(rule, result, written, limit),
        Kind::Alerting { hold, keep_firing_for, annotations } => {
            let mut elements = Vec::with_capacity(result.len());
            for (labels, value) in result {
                elements.push(element(rule, annotations, &labels, value, context, when)?);
            }
            let terms = Terms { hold: *hold, keep_firing_for: *keep_firing_for, limit };
            state.step(elements, at, &terms)?;
            Ok(state.samples(written))
        }
    }
}

/// The result of an expression as elements; a scalar is one without labels.
fn vector(engine: &Engine, query: &Query, at_ms: i64) -> Result<Vec<(Labels, f64)>, String> {
    let answer = engine.instant_blocking(query, at_ms, Options::default()).map_err(|e| e.message)?;
    Ok(match answer.value {
        Answer::Vector(vector) => vector.into_iter().map(|(labels, _, value)| (labels, value)).collect(),
        Answer::Scalar(_, value) => vec![(Labels::new("", [("", "")]), value)],
        Answer::String(..) | Answer::Matrix(_) => return Err("rule result is not a vector or scalar".into()),
    })
}

/// Names the elements and adds the rule's labels.
pub(super) fn recorded(rule: &Rule, labels: &Labels) -> Labels {
    let own = rule.labels.iter().map(|(k, v)| (k.as_str(), v.text.as_str()));
    let theirs = labels.pairs.iter().map(|(k, v)| (&**k, &**v));
    Labels::new(rule.name.as_str(), theirs.chain(own))
}

fn record(rule: &Rule, result: Vec<(Labels, f64)>, at: Timestamp, limit: usize) -> Result<Vec<Sample>, String> {
    let count = result.len();
    let mut samples: BTreeMap<Labels, f64> = BTreeMap::new();
    for (labels, value) in result {
        if samples.insert(recorded(rule, &labels), value).is_some() {
            return Err("vector contains metrics with the same labelset after applying rule labels".into());
        }
    }
    if limit > 0 && count > limit {
        return Err(format!("exceeded limit of {limit} with {count} series"));
    }
    Ok(samples.into_iter().map(|(labels, value)| Sample { labels, at, value }).collect())
}

/// Expands the labels and annotations of one element.
pub(super) fn element(
    rule: &Rule,
    annotations: &[(String, crate::template::Template)],
    labels: &Labels,
    value: f64,
    context: &Context,
    at_ms: i64,
) -> Result<Element, String> {
    let text = |pairs: &Pairs| Value::Map(pairs.iter().map(|(k, v)| (k.clone(), Value::Str(v.clone()))).collect());
    let mut all: Pairs = labels.pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let mut named = all.clone();
    if !labels.name.is_empty() {
        named.insert(METRIC_NAME.into(), labels.name.to_string());
    }
    let data = Value::Map(
        [
            ("Labels".to_owned(), text(&named)),
            ("ExternalLabels".to_owned(), text(&context.external_labels)),
            ("ExternalURL".to_owned(), Value::Str(context.external_url.clone())),
            ("Value".to_owned(), Value::Float(value)),
        ]
        .into(),
    );
    let mut asker = Asker { engine: &context.engine, at_ms };
    // What can't be expanded is said in its place, as Prometheus does: an alert with a gap is better than none.
    let mut expand = |template: &crate::template::Template| {
        template.render(&data, &mut asker).unwrap_or_else(|e| format!("<error expanding template: {}>", e.message))
    };
    for (name, label) in &rule.labels {
        all.insert(name.clone(), expand(&label.template));
    }
    all.insert(ALERTNAME.into(), rule.name.clone());
    all.retain(|_, value| !value.is_empty());
    let annotations = annotations.iter().map(|(name, template)| (name.clone(), expand(template))).collect();
    Ok(Element { labels: all, annotations, value })
}

/// Answers `query` in templates.
struct Asker<'a> {
    engine: &'a Engine,
    at_ms: i64,
}

impl Host for Asker<'_> {
    fn query(&mut self, text: &str) -> Result<Vec<QuerySample>, String> {
        let query = promql::parse(text).map_err(|e| e.to_string())?;
        let sample = |(labels, value): (Labels, f64)| {
            let mut pairs: Pairs = labels.pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
            if !labels.name.is_empty() {
                pairs.insert(METRIC_NAME.into(), labels.name.to_string());
            }
            QuerySample { labels: pairs, value }
        };
        Ok(vector(self.engine, &query, self.at_ms)?.into_iter().map(sample).collect())
    }
}
