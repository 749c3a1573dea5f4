//! `heartbeats:`, `clusters[].monitoring:` and `dead_mans_switch:` of the configuration.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use croner::Cron;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

pub use crate::discover::config::MonitoringConfig;
use crate::{
    model::{Secret, Severity, duration},
    notify::config::HttpConfig,
};

/// One entry of `heartbeats:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeartbeatConfig {
    /// Its name: the label `heartbeat`.
    pub name: String,
    /// A success is due this long after the last one …
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    pub every: Option<Duration>,
    /// … or at these times: five fields of cron.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The schedule's IANA time zone; default UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// So much later than due is still in time.
    #[serde(default = "grace", with = "duration")]
    pub grace: Duration,
    /// From start to end at most; default: until the next success is late.
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    pub max_duration: Option<Duration>,
    /// The file with its token, 16 characters or more.
    pub token_file: PathBuf,
    /// The cluster that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Further labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Of its alarm.
    #[serde(default = "critical")]
    pub severity: Severity,
}

fn grace() -> Duration {
    Duration::from_secs(300)
}

fn critical() -> Severity {
    Severity::Critical
}

/// One entry of `dead_mans_switch:`: somebody who raises the alarm when dogwatch no longer pings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwitchConfig {
    /// Where; a secret.
    #[serde(default)]
    pub url: Option<Secret>,
    /// The file with the URL.
    #[serde(default)]
    pub url_file: Option<PathBuf>,
    /// How often.
    #[serde(default = "minute", with = "duration")]
    pub every: Duration,
    /// Credentials, TLS, proxy.
    #[serde(default)]
    pub http_config: HttpConfig,
}

fn minute() -> Duration {
    Duration::from_secs(60)
}

impl HeartbeatConfig {
    /// The schedule, read.
    pub(super) fn cron(&self) -> Option<(Cron, TimeZone)> {
        let cron = Cron::from_str(self.schedule.as_ref()?).ok()?;
        let zone = self.timezone.as_ref().map_or(Some(TimeZone::UTC), |name| TimeZone::get(name).ok())?;
        Some((cron, zone))
    }

    fn problem(&self) -> Option<(&'static str, String)> {
        match (&self.every, &self.schedule) {
            (Some(_), Some(_)) => return Some(("every", "give every or schedule, not both".into())),
            (None, None) => return Some(("", "when is it due? Give every: 24h or schedule: \"0 3 * * *\"".into())),
            (Some(every), None) if every.is_zero() => return Some(("every", "must be longer than nothing".into())),
            (_, Some(text)) => {
                if text.split_whitespace().count() != 5 {
                    return Some(("schedule", "a schedule has five fields: minute hour day month weekday".into()));
                }
                if let Err(e) = Cron::from_str(text) {
                    return Some(("schedule", format!("{text:?} is not a schedule: {e}")));
                }
            }
            _ => {}
        }
        if self.timezone.as_ref().is_some_and(|name| TimeZone::get(name).is_err()) {
            return Some(("timezone", "unknown time zone; write it like Europe/Paris".into()));
        }
        if self.timezone.is_some() && self.schedule.is_none() {
            return Some(("timezone", "belongs to a schedule".into()));
        }
        None
    }
}

/// What is wrong with the heartbeats, each with its path.
pub fn problems(jobs: &[HeartbeatConfig], switches: &[SwitchConfig]) -> Vec<(String, String)> {
    let mut names = BTreeSet::new();
    let mut all = Vec::new();
    for (i, job) in jobs.iter().enumerate() {
        let at = format!("heartbeats[{i}]");
        if job.name.is_empty() || !names.insert(&job.name) {
            all.push((
                format!("{at}.name"),
                format!("there are two heartbeats called {:?}, or it has no name", job.name),
            ));
        }
        if let Some((key, message)) = job.problem() {
            all.push((if key.is_empty() { at } else { format!("{at}.{key}") }, message));
        }
    }
    for (i, switch) in switches.iter().enumerate() {
        if switch.url.is_some() == switch.url_file.is_some() {
            all.push((format!("dead_mans_switch[{i}].url"), "give url or url_file".into()));
        }
        if switch.every < Duration::from_secs(10) {
            all.push((format!("dead_mans_switch[{i}].every"), "must be at least 10s".into()));
        }
    }
    all
}

/// Makes relative paths absolute.
pub fn resolve_paths(jobs: &mut [HeartbeatConfig], switches: &mut [SwitchConfig], base: &Path) {
    let files = jobs.iter_mut().map(|j| &mut j.token_file);
    for path in files.chain(switches.iter_mut().filter_map(|s| s.url_file.as_mut())) {
        *path = base.join(&*path);
    }
}
