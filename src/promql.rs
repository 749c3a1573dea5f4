//! PromQL: text → query → selections → value. No IO, no clock, no store: the caller reads what [`Query::selections`]
//! asks for and hands it to [`evaluate`].
//!
//! The language is that of Prometheus 3.5 without feature flags and without native histograms. Parsing is the
//! `promql-parser` crate's; where it falls behind, `parse` says so and mends it.

pub mod functions;

use crate::{
    model::{Labels, Matcher},
    pack::Damaged,
};

/// What a text can't be read as, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: parse error: {message}")]
pub struct ParseError {
    /// In Prometheus' words where it has some.
    pub message: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

/// What a value is (`resultType` of the API).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// One number.
    Scalar,
    /// A text.
    String,
    /// One number a series.
    Vector,
    /// Numbers over time.
    Matrix,
}

/// When a query is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First evaluation, Unix milliseconds.
    pub start_ms: i64,
    /// Not after this, Unix milliseconds.
    pub end_ms: i64,
    /// Between evaluations, milliseconds; 0: an instant query, at `start_ms` only.
    pub step_ms: i64,
    /// A sample older than this is not the current one (Prometheus: 5 minutes). The interval is open at its left.
    pub lookback_ms: i64,
}

/// What a selector needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// Conditions, the name among them.
    pub matchers: Vec<Matcher>,
    /// First time that may count, Unix milliseconds, inclusive. Reaches back far enough for rolled-up points too.
    pub from_ms: i64,
    /// Last time that may count, inclusive.
    pub to_ms: i64,
}

/// What a query may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Samples held at once (Prometheus' `--query.max-samples`).
    pub max_samples: usize,
    /// Threads for one query's wide parts.
    pub threads: usize,
}

/// Why an evaluation ended early.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The query can't be answered; in Prometheus' words.
    #[error("{0}")]
    Execution(String),
    /// [`Limits::max_samples`].
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// The caller's `stop` said so.
    #[error("query timed out in expression evaluation")]
    Stopped,
    /// A block of the store can't be read.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

/// A series of a range result.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The name is empty where the operation dropped it.
    pub labels: Labels,
    /// `(Unix milliseconds, value)`, ascending.
    pub points: Vec<(i64, f64)>,
}

/// What came out.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number at a time (instant queries).
    Scalar(i64, f64),
    /// A text at a time (instant queries).
    String(i64, String),
    /// Of instant queries; in the order of the result (sorted by `sort()` and friends).
    Vector(Vec<(Labels, i64, f64)>),
    /// Of range queries, sorted by labels; and of range selectors in instant queries.
    Matrix(Vec<Series>),
}

/// What an evaluation cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// As Prometheus counts `totalQueryableSamples`.
    pub total_samples: u64,
    /// As Prometheus counts `peakSamples`.
    pub peak_samples: u64,
}

/// A value with what Prometheus would say beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The value.
    pub value: Value,
    /// Annotations that question the result.
    pub warnings: Vec<String>,
    /// Annotations that question the query.
    pub infos: Vec<String>,
    /// What it cost.
    pub stats: Stats,
}
