//! How long history is kept, and how large it may grow.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Store;
use crate::model::duration;

/// Holds `storage:` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// Samples older than this are rolled up to 5 minutes.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub retention: Duration,
    /// 5-minute rollups older than this are rolled up to an hour.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub retention_5m: Duration,
    /// 1-hour rollups older than this are removed.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub retention_1h: Duration,
    /// Lines of the audit log older than this are removed; there are 100,000 at the most.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub retention_audit: Duration,
    /// Past this size of the file, the oldest samples are rolled up early. `5GB`, `500MB`, … (powers of 1000; `GiB` of 1024).
    #[serde(with = "super::size")]
    #[schemars(with = "crate::store::size::Written")]
    pub max_size: u64,
    /// The flight recorder's share of it: full, it stops until something of it is old enough to go.
    #[serde(with = "super::size")]
    #[schemars(with = "crate::store::size::Written")]
    pub recorder_max_size: u64,
}

impl Default for StorageConfig {
    fn default() -> Self {
        let days = |n: u64| Duration::from_secs(n * 86_400);
        Self {
            retention: days(90),
            retention_5m: days(180),
            retention_1h: days(730),
            retention_audit: days(365),
            max_size: 5_000_000_000,
            recorder_max_size: 1_000_000_000,
        }
    }
}

impl Store {
    /// Keeps history so long, and so much of it, from now on.
    pub fn configure(&self, config: StorageConfig) {
        self.0.shared.configure(config);
    }
}

impl std::fmt::Display for StorageConfig {
    /// How long what is kept, and up to which size.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let days = |d: Duration| d.as_secs() / 86_400;
        let [samples, five, hours] = [self.retention, self.retention_5m, self.retention_1h].map(days);
        write!(f, "{samples}d, 5m for {five}d, 1h for {hours}d, up to {} MB", self.max_size / 1_000_000)
    }
}
