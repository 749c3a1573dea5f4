//! Certificates that come due after a span, as they were last seen in it.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::CertificateLine;
use crate::{
    model::{METRIC_NAME, Matcher},
    pack::{Points, Want},
    store::{Store, StoreError},
};

/// What ends later is no news.
const DUE_WITHIN_S: i64 = 90 * 86_400;
/// How long before the end of a span a certificate was last seen.
const LAST_SEEN: Duration = Duration::from_secs(24 * 3600);
/// Lines of one report.
const LINES_MAX: usize = 500;

/// Reads them. Blocks.
pub fn of(store: &Store, (from, until): (Timestamp, Timestamp)) -> Result<Vec<CertificateLine>, StoreError> {
    let name = [Matcher::equal(METRIC_NAME, "dogwatch_certificate_expiry_timestamp_seconds")];
    let since = until.checked_sub(LAST_SEEN).unwrap_or(from).max(from);
    let (from_ms, to_ms) = (since.as_millisecond(), until.as_millisecond());
    let mut due: BTreeMap<(i64, String, String, String), usize> = BTreeMap::new();
    let mut points = Points::default();
    for packed in store.select(&name, from_ms, to_ms)? {
        // A damaged block is counted and told where the store keeps house.
        if packed.read(Want::Last, from_ms, to_ms, &mut points).is_err() {
            continue;
        }
        // The last one that is no end of the series.
        let Some(expires) = points.values.iter().rev().find(|v| v.is_finite()) else { continue };
        #[allow(clippy::cast_possible_truncation)] // Saturates.
        let expires = *expires as i64;
        if expires <= until.as_second().saturating_add(DUE_WITHIN_S) {
            let label = |name: &str| packed.labels.value(name).to_owned();
            *due.entry((expires, label("cluster"), label("subject"), label("source"))).or_default() += 1;
        }
    }
    let line = |((expires, cluster, subject, source), seen_at)| {
        let expires = Timestamp::from_second(expires).ok()?;
        Some(CertificateLine { expires, cluster, subject, source, seen_at })
    };
    Ok(due.into_iter().filter_map(line).take(LINES_MAX).collect())
}
