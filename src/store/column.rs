//! How values stand in columns.

use jiff::Timestamp;

/// Returns microseconds since 1970, as the tables keep times.
pub fn us(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// Returns a value as JSON.
pub fn json<T: serde::Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
}
