//! Functions: one table from names to plain Rust functions. They see numbers, never series or the engine.

/// The samples of one series inside one window of a range function; stale markers are left out.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Unix milliseconds, ascending, in `(from_ms, to_ms]`.
    pub at_ms: &'a [i64],
    /// As many values.
    pub values: &'a [f64],
    /// How many samples each value stands for (then `values` are sums); empty: one each.
    pub counts: &'a [f64],
    /// The window's left end, exclusive: evaluation time minus range (and offset).
    pub from_ms: i64,
    /// The window's right end, inclusive: evaluation time (minus offset).
    pub to_ms: i64,
}
