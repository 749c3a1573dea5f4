//! The one door from text to result: PromQL over the store, under limits.

mod source;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

pub use self::source::{Memory, Source};
use crate::{
    model::duration,
    pack::Packed,
    promql::{self, Answer, Budget, EvalError, Limits, ParseErrorKind, Pool, Query, ValueType, Window},
    store::{self, Store},
    telemetry::Metrics,
};

/// `query:` of the configuration; the defaults are Prometheus' own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QueryConfig {
    /// Samples that one query may hold at once.
    pub max_samples: usize,
    /// Bytes that all queries may hold at once; one may hold half of them. The rules have as much for themselves.
    #[serde(with = "store::size")]
    #[schemars(with = "crate::store::size::Written")]
    pub max_memory: u64,
    /// A query that takes longer is broken off.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub timeout: Duration,
    /// Queries that run at once; others wait, within their timeout.
    pub max_concurrency: usize,
    /// A sample older than this is not the current one.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub lookback_delta: Duration,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            max_samples: 50_000_000,
            max_memory: 256 << 20,
            timeout: Duration::from_secs(120),
            max_concurrency: 20,
            lookback_delta: Duration::from_secs(300),
        }
    }
}

/// The least that `max_memory` may be, in bytes: enough for the pages' and the rules' own queries.
pub const MEMORY_MIN: u64 = 16 << 20;
/// A lookback is no longer, in milliseconds: a thousand years.
const LOOKBACK_MAX_MS: i64 = 1_000 * 365 * 86_400_000;
/// The most that `max_concurrency` may be: each query holds a thread.
pub const CONCURRENCY_MAX: usize = 512;
/// Points a series of a range query may have (web/api/v1/api.go).
pub const POINTS_MAX: i64 = 11_000;

/// Says why a query has no answer; `kind` and text are those of Prometheus' API.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct QueryError {
    /// Which class of error.
    pub kind: ErrorKind,
    /// In words.
    pub message: String,
}

/// `errorType` of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request is wrong.
    BadData,
    /// The text is larger than any that is read: the API's `bad_data`, too.
    TooLarge,
    /// It could not be answered.
    Execution,
    /// It took too long.
    Timeout,
    /// Nobody waits for it any more, or dogwatch ends.
    Canceled,
    /// The store can't be read.
    Internal,
}

/// Holds what one query may say for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Shorter than [`QueryConfig::timeout`]; a longer one is cut to it.
    pub timeout: Option<Duration>,
    /// Instead of [`QueryConfig::lookback_delta`].
    pub lookback_delta: Option<Duration>,
}

/// Says how long the parts of a query took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Waiting for its turn.
    pub queue: Duration,
    /// Reading what was selected.
    pub prepare: Duration,
    /// Evaluating.
    pub eval: Duration,
}

/// An answer with what it took. Its memory counts as held until it is dropped.
#[derive(Debug)]
pub struct Outcome {
    /// The answer.
    pub answer: Answer,
    /// How long it took.
    pub timings: Timings,
    /// What it holds.
    pub held: Arc<Budget>,
}

/// The door. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    config: QueryConfig,
    metrics: Arc<Metrics>,
    turns: Semaphore,
    pool: Arc<Pool>,
}

impl Engine {
    /// Over a store.
    pub fn new(store: Store, config: QueryConfig, metrics: Arc<Metrics>) -> Self {
        Self::over(Source::Store(store), config, metrics)
    }

    /// Over any source.
    pub fn over(source: Source, config: QueryConfig, metrics: Arc<Metrics>) -> Self {
        let turns = Semaphore::new(config.max_concurrency.clamp(1, CONCURRENCY_MAX));
        let pool = Pool::new(usize::try_from(config.max_memory).unwrap_or(usize::MAX / 4));
        Self(Arc::new(Inner { source, config, metrics, turns, pool }))
    }

    /// Returns the limits in force.
    pub fn config(&self) -> &QueryConfig {
        &self.0.config
    }

    /// Evaluates at one time (Unix milliseconds).
    ///
    /// # Errors
    /// When the text can't be read, or a limit was met.
    pub async fn instant(&self, text: &str, at_ms: i64, options: Options) -> Result<Outcome, QueryError> {
        let query = read(text).await?;
        self.run(query, Window { start_ms: at_ms, end_ms: at_ms, step_ms: 0, lookback_ms: 0 }, options).await
    }

    /// Evaluates from `start_ms` to `end_ms` every `step_ms`.
    ///
    /// # Errors
    /// When the text can't be read, what it gives is neither vector nor scalar, or a limit was met.
    pub async fn range(
        &self,
        text: &str,
        start_ms: i64,
        end_ms: i64,
        step_ms: i64,
        options: Options,
    ) -> Result<Outcome, QueryError> {
        check_range(start_ms, end_ms, step_ms)?;
        let query = read(text).await?;
        let kind = query.value_type();
        if !matches!(kind, ValueType::Vector | ValueType::Scalar) {
            let message = format!(
                "invalid expression type \"{}\" for range query, must be Scalar or instant Vector",
                kind.described()
            );
            return Err(QueryError { kind: ErrorKind::BadData, message });
        }
        self.run(query, Window { start_ms, end_ms, step_ms, lookback_ms: 0 }, options).await
    }

    /// Evaluates a query that was read before at one time (Unix milliseconds), without waiting for a turn: for the rules,
    /// which are few and must not wait for dashboards. Blocks: for a thread that may.
    ///
    /// # Errors
    /// When a limit was met, or the store can't be read.
    pub fn instant_blocking(&self, query: &Query, at_ms: i64, options: Options) -> Result<Answer, QueryError> {
        self.blocking(query, Window { start_ms: at_ms, end_ms: at_ms, step_ms: 0, lookback_ms: 0 }, options)
    }

    /// Returns the same from `start_ms` to `end_ms` every `step_ms`, however many steps that are. Blocks.
    ///
    /// # Errors
    /// When a limit was met, or the store can't be read.
    pub fn range_blocking(
        &self,
        query: &Query,
        start_ms: i64,
        end_ms: i64,
        step_ms: i64,
    ) -> Result<Answer, QueryError> {
        self.blocking(query, Window { start_ms, end_ms, step_ms, lookback_ms: 0 }, Options::default())
    }

    /// Holds so many bytes of what all queries may hold together, until it is dropped: for answers that are made of the
    /// store's lists.
    ///
    /// # Errors
    /// When they are too many.
    pub fn hold(&self, bytes: usize) -> Result<Arc<Budget>, QueryError> {
        let held = Budget::new(self.0.pool.clone());
        match held.take(bytes) {
            Ok(()) => Ok(Arc::new(held)),
            Err(error) => {
                let told = QueryError { kind: ErrorKind::Execution, message: error.to_string() };
                Err(self.counted(Refused { told, limit: Some(error) }))
            }
        }
    }

    fn lookback_ms(&self, options: Options) -> i64 {
        millis(options.lookback_delta.unwrap_or(self.0.config.lookback_delta)).clamp(1, LOOKBACK_MAX_MS)
    }

    /// Counts what a limit refused.
    fn counted(&self, error: Refused) -> QueryError {
        let limit = match error.limit {
            Some(EvalError::TooManySamples) => "query_samples",
            Some(EvalError::TooMuchMemory(_)) => "query_memory",
            _ => return error.told,
        };
        self.0.metrics.drop_at(limit);
        error.told
    }

    fn blocking(&self, query: &Query, mut window: Window, options: Options) -> Result<Answer, QueryError> {
        let timeout = options.timeout.map_or(self.0.config.timeout, |t| t.min(self.0.config.timeout));
        window.lookback_ms = self.lookback_ms(options);
        let abandoned = Abandoned::default();
        let job = Job {
            source: self.0.source.clone(),
            query: query.clone(),
            window,
            max_samples: self.0.config.max_samples,
            deadline: Instant::now() + timeout,
            abandoned: abandoned.0.clone(),
        };
        job.run(&Budget::new(self.0.pool.clone()), &mut Timings::default()).map_err(|error| self.counted(error))
    }

    async fn run(&self, query: Query, mut window: Window, options: Options) -> Result<Outcome, QueryError> {
        let config = &self.0.config;
        window.lookback_ms = self.lookback_ms(options);
        let timeout = options.timeout.map_or(config.timeout, |t| t.min(config.timeout));
        let begun = Instant::now();
        let outcome = tokio::time::timeout(timeout, self.0.turns.acquire()).await;
        let Ok(Ok(_turn)) = outcome else {
            self.0.metrics.drop_at("query_concurrency");
            return Err(timed_out("query timed out in query queue"));
        };
        let mut timings = Timings { queue: begun.elapsed(), ..Timings::default() };
        let abandoned = Abandoned::default();
        let job = Job {
            source: self.0.source.clone(),
            query,
            window,
            max_samples: config.max_samples,
            deadline: begun + timeout,
            abandoned: abandoned.0.clone(),
        };
        let held = Budget::new(self.0.pool.clone());
        let done = tokio::task::spawn_blocking(move || {
            job.run(&held, &mut timings).map(|answer| Outcome { answer, timings, held: Arc::new(held) })
        });
        let outcome = match done.await {
            Ok(outcome) => outcome.map_err(|error| self.counted(error)),
            Err(error) => Err(broken(error)),
        };
        drop(abandoned);
        self.0.metrics.query_seconds.observe(begun.elapsed().as_secs_f64());
        if outcome.is_err() {
            self.0.metrics.query_failures.inc();
        }
        outcome
    }
}

/// Says to a query that nobody waits for it any more: its caller's future was dropped.
#[derive(Default)]
struct Abandoned(Arc<AtomicBool>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Why there is no answer, and at which limit, where it was one.
struct Refused {
    told: QueryError,
    limit: Option<EvalError>,
}

impl From<QueryError> for Refused {
    fn from(told: QueryError) -> Self {
        Self { told, limit: None }
    }
}

/// One query on a thread of its own.
struct Job {
    source: Source,
    query: Query,
    window: Window,
    max_samples: usize,
    deadline: Instant,
    abandoned: Arc<AtomicBool>,
}

impl Job {
    fn run(self, budget: &Budget, timings: &mut Timings) -> Result<Answer, Refused> {
        let begun = Instant::now();
        let data = self.selected(budget)?;
        let selected = budget.held();
        timings.prepare = begun.elapsed();
        let begun = Instant::now();
        let limits = Limits { max_samples: self.max_samples, threads: threads() };
        let stop = || self.abandoned.load(Ordering::Relaxed) || Instant::now() >= self.deadline;
        let answer = promql::evaluate(&self.query, &self.window, &data, &limits, budget, &stop);
        timings.eval = begun.elapsed();
        drop(data);
        budget.give(selected);
        answer.map_err(|error| self.refused(error))
    }

    /// Reads what the query selects, as far as its time and its memory go.
    fn selected(&self, budget: &Budget) -> Result<Vec<Vec<Packed>>, Refused> {
        let mut data = Vec::new();
        for selection in self.query.selections(&self.window) {
            self.check("query preparation")?;
            let over = OnceLock::new();
            let go_on = |bytes| match budget.take(bytes) {
                Ok(()) => self.check("query preparation").is_ok(),
                Err(error) => {
                    let _ = over.set(error);
                    false
                }
            };
            match self.source.select(&selection.matchers, selection.from_ms, selection.to_ms, &go_on) {
                Ok(read) => data.push(read),
                Err(error) => {
                    self.check("query preparation")?;
                    return Err(match over.into_inner() {
                        Some(over) => self.refused(over),
                        None => QueryError { kind: ErrorKind::Internal, message: error.to_string() }.into(),
                    });
                }
            }
        }
        Ok(data)
    }

    fn refused(&self, error: EvalError) -> Refused {
        let told = match error {
            EvalError::Stopped => {
                self.check("expression evaluation").err().unwrap_or_else(|| timed_out(&error.to_string()))
            }
            EvalError::Damaged(_) => QueryError { kind: ErrorKind::Internal, message: error.to_string() },
            _ => QueryError { kind: ErrorKind::Execution, message: error.to_string() },
        };
        Refused { told, limit: Some(error) }
    }

    fn check(&self, phase: &str) -> Result<(), QueryError> {
        if self.abandoned.load(Ordering::Relaxed) {
            let message = format!("query was canceled in {phase}");
            return Err(QueryError { kind: ErrorKind::Canceled, message });
        }
        if Instant::now() >= self.deadline {
            return Err(timed_out(&format!("query timed out in {phase}")));
        }
        Ok(())
    }
}

/// The checks of Prometheus' query_range, in its words.
fn check_range(start_ms: i64, end_ms: i64, step_ms: i64) -> Result<(), QueryError> {
    let bad = |message: &str| Err(QueryError { kind: ErrorKind::BadData, message: message.into() });
    if end_ms < start_ms {
        return bad("invalid parameter \"end\": end timestamp must not be before start time");
    }
    if step_ms <= 0 {
        return bad(
            "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer",
        );
    }
    if end_ms.saturating_sub(start_ms) / step_ms > POINTS_MAX {
        return bad(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        );
    }
    Ok(())
}

/// Reads a query on a thread that may block: at its limits a text takes some tens of milliseconds.
///
/// # Errors
/// When it is none, in the words of the API's parameter.
pub async fn read(text: &str) -> Result<Query, QueryError> {
    let text = text.to_owned();
    let read = tokio::task::spawn_blocking(move || promql::parse(&text)).await.map_err(broken)?;
    read.map_err(|error| QueryError {
        kind: match error.kind {
            ParseErrorKind::Malformed => ErrorKind::BadData,
            ParseErrorKind::TooLarge => ErrorKind::TooLarge,
        },
        message: format!("invalid parameter \"query\": {error}"),
    })
}

fn broken(error: tokio::task::JoinError) -> QueryError {
    tracing::error!(%error, "a query broke off");
    QueryError { kind: ErrorKind::Internal, message: "the query broke off; the log says why".into() }
}

fn timed_out(message: &str) -> QueryError {
    QueryError { kind: ErrorKind::Timeout, message: message.into() }
}

fn millis(d: Duration) -> i64 {
    i64::try_from(d.as_millis()).unwrap_or(i64::MAX)
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
