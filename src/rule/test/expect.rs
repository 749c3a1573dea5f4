//! What a test expects, and how a difference is told.

use serde::Deserialize;

use super::series;
use crate::{
    model::{ALERTNAME, Labels, Pairs, null_as_default},
    promql::{self, Value, format_float},
};

/// An entry of `alert_rule_test`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertTest {
    /// When; at the beginning where it is not given.
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    pub eval_time: String,
    /// Which rule.
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    pub alertname: String,
    /// Of which group; any where it is not given.
    #[serde(default)]
    pub groupname: Option<String>,
    /// What fires then.
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    exp_alerts: Vec<Option<ExpectedAlert>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedAlert {
    #[serde(default, deserialize_with = "null_as_default::pairs")]
    exp_labels: Pairs,
    #[serde(default, deserialize_with = "null_as_default::pairs")]
    exp_annotations: Pairs,
}

/// An entry of `promql_expr_test`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExprTest {
    /// What is asked.
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    pub expr: String,
    /// When; at the beginning where it is not given.
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    pub eval_time: String,
    /// The answer.
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    exp_samples: Vec<ExpectedSample>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedSample {
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    labels: String,
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    value: f64,
    #[serde(default)]
    histogram: Option<String>,
}

impl AlertTest {
    /// Holds what fires, `(labels, annotations)`, against what is expected.
    ///
    /// # Errors
    /// The difference, in words.
    pub fn check(&self, at_ms: i64, firing: &[(Pairs, Pairs)]) -> Result<(), String> {
        let mut expected: Vec<(Pairs, Pairs)> = self.exp_alerts.iter().map(|e| self.expected(e.as_ref())).collect();
        let mut got = firing.to_vec();
        expected.sort();
        got.sort();
        if expected == got {
            return Ok(());
        }
        let list = |alerts: &[(Pairs, Pairs)]| match alerts {
            [] => "  nothing".to_owned(),
            alerts => alerts
                .iter()
                .map(|(l, a)| format!("  labels {}\n  annotations {}", shown(l), shown(a)))
                .collect::<Vec<_>>()
                .join("\n"),
        };
        let only = |a: &[(Pairs, Pairs)], b: &[(Pairs, Pairs)]| -> Vec<(Pairs, Pairs)> {
            a.iter().filter(|x| !b.contains(x)).cloned().collect()
        };
        Err(format!(
            "alertname {}, at {} s: not as expected\nmissing:\n{}\nnot expected:\n{}",
            self.alertname,
            at_ms / 1_000,
            list(&only(&expected, &got)),
            list(&only(&got, &expected)),
        ))
    }

    fn expected(&self, alert: Option<&ExpectedAlert>) -> (Pairs, Pairs) {
        let (mut labels, annotations) =
            alert.map(|a| (a.exp_labels.clone(), a.exp_annotations.clone())).unwrap_or_default();
        labels.insert(ALERTNAME.into(), self.alertname.clone());
        labels.retain(|_, v| !v.is_empty());
        (labels, annotations)
    }
}

fn shown(pairs: &Pairs) -> String {
    let all: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
    format!("{{{}}}", all.join(", "))
}

impl ExprTest {
    /// Holds an answer against what is expected.
    ///
    /// # Errors
    /// The difference, in words.
    pub fn check(&self, answer: &Value, fuzzy: bool) -> Result<(), String> {
        let mut got: Vec<(Labels, f64)> = match answer {
            Value::Vector(vector) => vector.iter().map(|(l, _, v)| (l.clone(), *v)).collect(),
            Value::Scalar(_, v) => vec![(Labels::new("", [("", "")]), *v)],
            Value::String(..) | Value::Matrix(_) => {
                return Err(format!("expr {:?}: gives neither an instant vector nor a scalar", self.expr));
            }
        };
        let mut expected = Vec::with_capacity(self.exp_samples.len());
        for sample in &self.exp_samples {
            if sample.histogram.is_some() {
                return Err(format!("expr {:?}: native histograms are not supported", self.expr));
            }
            expected.push((series::labels(&sample.labels)?, sample.value));
        }
        got.sort_by(|a, b| promql::compare(&a.0, &b.0));
        expected.sort_by(|a, b| promql::compare(&a.0, &b.0));
        let same =
            got.len() == expected.len() && got.iter().zip(&expected).all(|(g, e)| g.0 == e.0 && equal(g.1, e.1, fuzzy));
        let list = |all: &[(Labels, f64)]| {
            let lines: Vec<String> = all.iter().map(|(l, v)| format!("  {l} {}", format_float(*v))).collect();
            if lines.is_empty() { "  nothing".to_owned() } else { lines.join("\n") }
        };
        if same {
            Ok(())
        } else {
            let expected = list(&expected);
            Err(format!("expr {:?}, at {}: expected\n{expected}\ngot\n{}", self.expr, self.eval_time, list(&got)))
        }
    }
}

/// Equal, NaN to NaN; or the next number, where `fuzzy_compare` asks for that.
fn equal(a: f64, b: f64, fuzzy: bool) -> bool {
    (a.is_nan() && b.is_nan()) || a == b || (fuzzy && (a.next_up() == b || a.next_down() == b))
}
