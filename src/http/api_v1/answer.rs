//! The envelope: `{"status":"success","data":…}`, or an error with its kind.
//!
//! Results are written by hand into one buffer: they may be tens of megabytes, and numbers are texts in a form of their own.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use http_body_util::BodyExt as _;
use serde_json::json;

use super::cut_value;
use crate::{
    model::Labels,
    promql::{self, Budget, ParseError, ParseErrorKind, Value},
    query::{ErrorKind, Outcome, QueryError},
};

/// An answer without a result.
#[derive(Debug)]
pub struct Failed {
    status: StatusCode,
    kind: &'static str,
    message: String,
    /// The text that was sent is larger than any that is read.
    too_large: bool,
}

impl Failed {
    /// Returns the request is wrong.
    pub fn bad(message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "bad_data", message, too_large: false }
    }

    /// There is no such thing.
    pub fn not_found(message: String) -> Self {
        Self { status: StatusCode::NOT_FOUND, kind: "not_found", message, too_large: false }
    }

    /// Returns the same, said of a parameter.
    #[must_use]
    pub fn of(mut self, parameter: &str) -> Self {
        self.message.insert_str(0, &format!("invalid parameter {parameter:?}: "));
        self
    }

    /// Returns the status with the words alone, for what is not answered in JSON.
    pub fn plain(self) -> (StatusCode, String) {
        (self.status, self.message + "\n")
    }

    /// Our own fault.
    pub fn internal(message: String) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, kind: "internal", message, too_large: false }
    }
}

impl From<QueryError> for Failed {
    fn from(error: QueryError) -> Self {
        let (status, kind) = match error.kind {
            ErrorKind::BadData | ErrorKind::TooLarge => (StatusCode::BAD_REQUEST, "bad_data"),
            ErrorKind::Execution => (StatusCode::UNPROCESSABLE_ENTITY, "execution"),
            ErrorKind::Timeout => (StatusCode::SERVICE_UNAVAILABLE, "timeout"),
            ErrorKind::Canceled => (StatusCode::SERVICE_UNAVAILABLE, "canceled"),
            ErrorKind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        Self { status, kind, message: error.message, too_large: error.kind == ErrorKind::TooLarge }
    }
}

impl From<ParseError> for Failed {
    fn from(error: ParseError) -> Self {
        Self { too_large: error.kind == ParseErrorKind::TooLarge, ..Self::bad(error.to_string()) }
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let mut body = format!("{{\"status\":\"error\",\"errorType\":\"{}\",\"error\":", self.kind);
        string(&mut body, &self.message);
        body.push('}');
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        if self.too_large {
            response.extensions_mut().insert(TooLarge);
        }
        response
    }
}

/// A mark on an answer: the text that was sent is larger than any that is read.
#[derive(Clone, Copy, Debug)]
pub struct TooLarge;

/// A finished answer.
#[derive(Debug)]
pub struct Done {
    text: String,
    held: Option<Arc<Budget>>,
}

impl Done {
    /// Counts the memory as held until the answer has been sent, however slowly it is read.
    #[must_use]
    pub fn holding(mut self, held: Arc<Budget>) -> Self {
        self.held = Some(held);
        self
    }
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        let mut body = Body::from(self.text);
        if let Some(held) = self.held {
            body = Body::new(body.map_frame(move |frame| {
                let _until_sent = &held;
                frame
            }));
        }
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}

/// An answer being written.
#[derive(Debug)]
pub struct Json {
    text: String,
    warnings: Vec<String>,
    infos: Vec<String>,
}

impl Json {
    fn new(data: &str) -> Self {
        Self { text: format!("{{\"status\":\"success\",\"data\":{data}"), warnings: Vec::new(), infos: Vec::new() }
    }

    /// Any data.
    pub fn value(data: &serde_json::Value) -> Self {
        Self::new(&data.to_string())
    }

    /// Label sets, a list of objects.
    pub fn sets(sets: &[Labels]) -> Self {
        let mut json = Self::new("[");
        json.text.reserve(sets_bytes(sets));
        for (i, labels) in sets.iter().enumerate() {
            if i > 0 {
                json.text.push(',');
            }
            metric(&mut json.text, labels);
        }
        json.text.push(']');
        json
    }

    /// Adds that a list was cut, where it was.
    #[must_use]
    pub fn cut(mut self, was_cut: bool) -> Self {
        if was_cut {
            self.warnings.push("results truncated due to limit".into());
        }
        self
    }

    /// Returns the result of a query.
    pub fn result(mut outcome: Outcome, limit: Option<usize>, stats: bool) -> Self {
        let was_cut = cut_value(&mut outcome.answer.value, limit);
        let mut json = Self::new("");
        let out = &mut json.text;
        match &outcome.answer.value {
            Value::Scalar(at, value) => {
                out.push_str("{\"resultType\":\"scalar\",\"result\":");
                point(out, *at, *value);
            }
            Value::String(at, text) => {
                out.push_str("{\"resultType\":\"string\",\"result\":[");
                time(out, *at);
                out.push(',');
                string(out, text);
                out.push(']');
            }
            Value::Vector(vector) => {
                out.push_str("{\"resultType\":\"vector\",\"result\":[");
                for (i, (labels, at, value)) in vector.iter().enumerate() {
                    out.push_str(if i > 0 { ",{\"metric\":" } else { "{\"metric\":" });
                    metric(out, labels);
                    out.push_str(",\"value\":");
                    point(out, *at, *value);
                    out.push('}');
                }
                out.push(']');
            }
            Value::Matrix(matrix) => {
                out.push_str("{\"resultType\":\"matrix\",\"result\":[");
                for (i, series) in matrix.iter().enumerate() {
                    out.push_str(if i > 0 { ",{\"metric\":" } else { "{\"metric\":" });
                    metric(out, &series.labels);
                    out.push_str(",\"values\":[");
                    for (i, (at, value)) in series.points.iter().enumerate() {
                        if i > 0 {
                            out.push(',');
                        }
                        point(out, *at, *value);
                    }
                    out.push_str("]}");
                }
                out.push(']');
            }
        }
        if stats {
            out.push_str(",\"stats\":");
            out.push_str(&self::stats(&outcome).to_string());
        }
        out.push('}');
        json.warnings = outcome.answer.warnings;
        json.infos = outcome.answer.infos;
        json.cut(was_cut)
    }

    /// Closes the envelope.
    pub fn done(mut self) -> Done {
        for (name, texts) in [("warnings", &self.warnings), ("infos", &self.infos)] {
            if !texts.is_empty() {
                let _ = write!(self.text, ",\"{name}\":{}", json!(texts));
            }
        }
        self.text.push('}');
        Done { text: self.text, held: None }
    }
}

fn stats(outcome: &Outcome) -> serde_json::Value {
    let t = outcome.timings;
    let seconds = |d: std::time::Duration| d.as_secs_f64();
    json!({
        "timings": {
            "evalTotalTime": seconds(t.prepare + t.eval),
            "resultSortTime": 0.0,
            "queryPreparationTime": seconds(t.prepare),
            "innerEvalTime": seconds(t.eval),
            "execQueueTime": seconds(t.queue),
            "execTotalTime": seconds(t.queue + t.prepare + t.eval),
        },
        "samples": {
            "totalQueryableSamples": outcome.answer.stats.total_samples,
            "peakSamples": outcome.answer.stats.peak_samples,
        },
    })
}

/// How many bytes label sets take in JSON, at the most.
pub fn sets_bytes(sets: &[Labels]) -> usize {
    /// Quotes, a colon and a comma.
    const SIGNS: usize = 6;
    /// A character may be written as `\u0000`.
    const ESCAPED: usize = 6;
    let written = |text: &str| if is_plain(text) { text.len() } else { ESCAPED * text.len() };
    let pair = |(label, value): (&str, &str)| SIGNS + written(label) + written(value);
    sets.iter().map(|labels| SIGNS + super::pairs(labels).map(pair).sum::<usize>()).sum()
}

/// A label set as an object.
pub fn metric(out: &mut String, labels: &Labels) {
    out.push('{');
    for (i, (label, value)) in super::pairs(labels).enumerate() {
        if i > 0 {
            out.push(',');
        }
        string(out, label);
        out.push(':');
        string(out, value);
    }
    out.push('}');
}

fn string(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&json!(text).to_string());
    }
}

/// Needs no escapes.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\')
}

fn point(out: &mut String, at_ms: i64, value: f64) {
    out.push('[');
    time(out, at_ms);
    out.push_str(",\"");
    number(out, value);
    out.push_str("\"]");
}

/// Seconds, with three digits where they are not whole.
fn time(out: &mut String, at_ms: i64) {
    let (seconds, ms) = ((at_ms / 1_000).abs(), (at_ms % 1_000).abs());
    let sign = if at_ms < 0 { "-" } else { "" };
    // Writing to a String can't fail.
    let _ = match ms {
        0 => write!(out, "{sign}{seconds}"),
        ms => write!(out, "{sign}{seconds}.{ms:03}"),
    };
}

/// As Go's `strconv` writes them: with an exponent only where the number is very small or very large.
fn number(out: &mut String, value: f64) {
    let size = value.abs();
    if value.is_finite() && size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |e| ('-', e));
        let _ = write!(out, "{digits}e{sign}{exponent:0>2}");
    } else {
        out.push_str(&promql::format_float(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_sets_take_no_more_than_is_counted() {
        let sets = [Labels::new("up", [("job", "a"), ("odd", "\u{1}\"é")]), Labels::new("x", [("", "")])];
        let json = Json::sets(&sets).done().text;
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["data"][0], json!({"__name__": "up", "job": "a", "odd": "\u{1}\"é"}));
        assert!(json.len() <= sets_bytes(&sets) + 40, "{json}");
    }

    #[test]
    fn numbers_and_times_are_written_as_prometheus_does() {
        let check = |value: f64, want: &str| {
            let mut out = String::new();
            number(&mut out, value);
            assert_eq!(out, want);
        };
        check(0.1 + 0.2, "0.30000000000000004");
        check(1e-7, "1e-07");
        check(-1.5e300, "-1.5e+300");
        check(1e21, "1e+21");
        check(1e20, "100000000000000000000");
        check(f64::NEG_INFINITY, "-Inf");
        check(f64::NAN, "NaN");
        let check = |ms: i64, want: &str| {
            let mut out = String::new();
            time(&mut out, ms);
            assert_eq!(out, want);
        };
        check(1_435_781_430_781, "1435781430.781");
        check(1_435_781_430_000, "1435781430");
        check(-1_050, "-1.050");
    }
}
