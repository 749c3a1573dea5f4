//! When drills are played, and for whom. Pure; playing them is the program's.

use std::str::FromStr;

use croner::Cron;
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// `drill:` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What is wrong with it: `(key, why)`.
    pub fn problem(&self, receivers: &[&str]) -> Option<(&'static str, String)> {
        if let Err(why) = next(&self.schedule, self.timezone.as_deref(), Timestamp::UNIX_EPOCH) {
            return Some(("schedule", why));
        }
        let unknown = self.receiver.as_ref().filter(|r| !receivers.contains(&r.as_str()))?;
        Some(("receiver", format!("there is no receiver {unknown:?}; there are: {}", receivers.join(", "))))
    }
}

/// When a schedule is next due after a moment.
///
/// # Errors
/// When it is no schedule; in words.
pub fn next(schedule: &str, zone: Option<&str>, after: Timestamp) -> Result<Timestamp, String> {
    if schedule.split_whitespace().count() != 5 {
        return Err("a schedule has five fields: minute hour day month weekday".into());
    }
    let cron = Cron::from_str(schedule).map_err(|e| format!("{schedule:?} is not a schedule: {e}"))?;
    let zone = match zone {
        None => TimeZone::UTC,
        Some(name) => {
            TimeZone::get(name).map_err(|_| format!("unknown time zone {name}; write it like Europe/Paris"))?
        }
    };
    let at = cron.find_next_occurrence(&after.to_zoned(zone), false).map_err(|e| e.to_string())?;
    Ok(at.timestamp())
}
