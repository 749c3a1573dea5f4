//! When drills are played, and for whom. Pure; playing them is the program's.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::cron::{self, Cron};

/// `drill:` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrillConfig {
    /// When: five fields of cron.
    pub schedule: String,
    /// IANA time zone; default UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Only this receiver; default: whoever would be told of a critical outage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<String>,
}

impl DrillConfig {
    /// Returns what is wrong with it: `(key, why)`.
    pub fn problem(&self, receivers: &[&str]) -> Option<(&'static str, String)> {
        if let Err(why) = next(&self.schedule, self.timezone.as_deref(), Timestamp::UNIX_EPOCH) {
            return Some(("schedule", why));
        }
        let unknown = self.receiver.as_ref().filter(|r| !receivers.contains(&r.as_str()))?;
        Some(("receiver", format!("there is no receiver {unknown:?}; there are: {}", receivers.join(", "))))
    }
}

/// Returns when a schedule is next due after a moment.
///
/// # Errors
/// When it is no schedule; in words.
pub fn next(schedule: &str, zone: Option<&str>, after: Timestamp) -> Result<Timestamp, String> {
    let (cron, zone) = (Cron::parse(schedule)?, cron::zone(zone)?);
    cron.after(after, &zone).ok_or_else(|| format!("{schedule:?} is never due again"))
}
