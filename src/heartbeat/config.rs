//! `heartbeats:`, `clusters[].monitoring:` and `dead_mans_switch:` of the configuration.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
pub use super::evidence::ExpectConfig;
pub use crate::discover::config::MonitoringConfig;
use crate::{
    model::{
        Secret, Severity,
        cron::{self, Cron},
        duration,
        on_calendar::OnCalendar,
        one_or_many,
    },
    notify::{client, config::HttpConfig},
};

/// Pinging more often than this tells nobody more.
const SWITCH_EVERY_MIN: Duration = Duration::from_secs(10);

/// Schedules of one heartbeat; nobody means more, and all are looked at each second.
const SCHEDULES_MAX: usize = 20;

/// Labels that a heartbeat's series and alerts have of their own.
pub const OWN_LABELS: [&str; 5] = ["heartbeat", "cluster", "state", "severity", "alertname"];

/// One entry of `heartbeats:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeartbeatConfig {
    /// Its name: the label `heartbeat`.
    pub name: String,
    /// A success is due this long after the last one …
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub every: Option<Duration>,
    /// … or at these times: five fields of cron, one or several …
    #[serde(default, with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "crate::model::one_or_many::Written")]
    pub schedule: Vec<String>,
    /// … or as timers of systemd have them, one or several; with `schedule` both count.
    #[serde(default, with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "crate::model::one_or_many::Written")]
    pub on_calendar: Vec<String>,
    /// The IANA time zone of both; default UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// So much later than due is still in time.
    #[serde(default = "grace", with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub grace: Duration,
    /// From start to end at most; default: until the next success is late.
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
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
    /// What a success has to bring with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<ExpectConfig>,
    /// It is not waited for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
}

fn grace() -> Duration {
    Duration::from_secs(300)
}

fn critical() -> Severity {
    Severity::Critical
}

/// One entry of `dead_mans_switch:`: somebody who raises the alarm when dogwatch no longer pings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
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
    #[schemars(with = "crate::model::duration::Written")]
    pub every: Duration,
    /// Where dogwatch knows why it does not watch, say so at once at `<url>/fail`, instead of only falling silent.
    #[serde(default)]
    pub fail: bool,
    /// Credentials, TLS, proxy.
    #[serde(default)]
    pub http_config: HttpConfig,
}

fn minute() -> Duration {
    Duration::from_secs(60)
}

impl SwitchConfig {
    /// Reads every file that a ping needs.
    ///
    /// # Errors
    /// In words, with the file's name and never what is in it.
    pub async fn check_files(&self) -> Result<(), String> {
        client::read_url(self.url.as_ref(), self.url_file.as_ref()).await?;
        let client =
            client::HttpClient::new(&self.http_config).map_err(|(key, why)| format!("http_config{key}: {why}"))?;
        client.check_files().await
    }
}

impl HeartbeatConfig {
    /// What is wrong with it: `(key, why)`.
    fn problem(&self) -> Option<(String, String)> {
        if self.severity == Severity::Info {
            return Some((
                "severity".into(),
                "must be critical or warning: a job that may fail needs no heartbeat".into(),
            ));
        }
        Terms::new(self).err()
    }
}

/// Says when a success is due after another.
#[derive(Clone, Debug)]
pub(super) enum Expect {
    /// So long after it at the latest.
    Every(Duration),
    /// At every occurrence of any of these schedules, in this zone.
    Schedules(Vec<Schedule>, TimeZone),
}

/// Times at which something is due.
#[derive(Clone, Debug)]
pub(super) enum Schedule {
    Cron(Cron),
    OnCalendar(OnCalendar),
}

impl Schedule {
    /// The first of its times after a moment; `None`: there is none any more.
    pub(super) fn after(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::Cron(cron) => cron.after(at, zone),
            Self::OnCalendar(calendar) => calendar.after(at, zone),
        }
    }
}

/// Holds what a heartbeat must keep to: its configuration, read once.
#[derive(Clone, Debug)]
pub struct Terms {
    pub(super) expect: Expect,
    pub(super) grace: Duration,
    pub(super) max_duration: Option<Duration>,
    pub(super) evidence: Option<Evidence>,
}

impl Terms {
    /// From a configuration.
    ///
    /// # Errors
    /// The key that can't work, and why.
    pub fn new(config: &HeartbeatConfig) -> Result<Self, (String, String)> {
        let expect = Expect::new(config)?;
        if config.max_duration.is_some_and(|d| d.is_zero()) {
            return Err(("max_duration".into(), "must be longer than nothing".into()));
        }
        let evidence = config.expect.as_ref().map(Evidence::new).transpose()?;
        Ok(Self { expect, grace: config.grace, max_duration: config.max_duration, evidence })
    }
}

impl Expect {
    fn new(config: &HeartbeatConfig) -> Result<Self, (String, String)> {
        let wrong = |key: &str, why: &str| Err((key.to_owned(), why.to_owned()));
        let (crons, calendars) = (&config.schedule, &config.on_calendar);
        let scheduled = crons.len() + calendars.len();
        match config.every {
            Some(_) if !crons.is_empty() => return wrong("every", "give every or schedule, not both"),
            Some(_) if !calendars.is_empty() => return wrong("every", "give every or on_calendar, not both"),
            Some(every) if every < Duration::from_secs(1) => return wrong("every", "must be at least 1s"),
            Some(_) if config.timezone.is_some() => {
                return wrong("timezone", "belongs to a schedule; every counts from the last success");
            }
            Some(every) => return Ok(Self::Every(every)),
            None if scheduled == 0 => {
                return wrong("", "when is it due? Give every: 24h, schedule: \"0 3 * * *\" or on_calendar: daily");
            }
            None if scheduled > SCHEDULES_MAX => {
                return wrong("", &format!("has more than {SCHEDULES_MAX} schedules"));
            }
            None => {}
        }
        // A list says which of them it is.
        let at =
            |key: &str, i: usize, all: &[String]| if all.len() > 1 { format!("{key}[{i}]") } else { key.to_owned() };
        let mut schedules = Vec::with_capacity(scheduled);
        for (i, text) in crons.iter().enumerate() {
            schedules.push(Schedule::Cron(Cron::parse(text).map_err(|why| (at("schedule", i, crons), why))?));
        }
        for (i, text) in calendars.iter().enumerate() {
            let calendar = OnCalendar::parse(text).map_err(|why| (at("on_calendar", i, calendars), why))?;
            schedules.push(Schedule::OnCalendar(calendar));
        }
        let zone = cron::zone(config.timezone.as_deref()).map_err(|why| ("timezone".to_owned(), why))?;
        Ok(Self::Schedules(schedules, zone))
    }
}

impl SwitchConfig {
    /// What is wrong with it: `(key, why)`, the key with its dot.
    fn problem(&self) -> Option<(String, String)> {
        let url = match (&self.url, &self.url_file) {
            (Some(_), Some(_)) => Err("give url or url_file, not both".into()),
            (None, None) => return Some((String::new(), "who is pinged? Give url or url_file".into())),
            (Some(url), None) => client::check_url(url),
            (None, Some(_)) => Ok(()),
        };
        if let Err(why) = url {
            return Some((".url".into(), why));
        }
        if self.every < SWITCH_EVERY_MIN {
            return Some((".every".into(), "must be at least 10s".into()));
        }
        client::HttpClient::new(&self.http_config).err().map(|(key, why)| (format!(".http_config{key}"), why))
    }
}

/// Returns what is wrong with heartbeats and switches, each with its path. Names, labels and clusters are not looked at
/// here.
pub fn problems(jobs: &[HeartbeatConfig], switches: &[SwitchConfig]) -> Vec<(String, String)> {
    let mut names = BTreeSet::new();
    let mut all = Vec::new();
    for (i, job) in jobs.iter().enumerate() {
        let at = format!("heartbeats[{i}]");
        if !names.insert(&job.name) {
            let why = format!("there are two heartbeats called {:?}; give each its own name", job.name);
            all.push((format!("{at}.name"), why));
        }
        if let Some((key, why)) = job.problem() {
            all.push((if key.is_empty() { at } else { format!("{at}.{key}") }, why));
        }
    }
    let switches = switches.iter().enumerate().filter_map(|(i, s)| Some((i, s.problem()?)));
    all.extend(switches.map(|(i, (key, why))| (format!("dead_mans_switch[{i}]{key}"), why)));
    all
}

/// Makes relative paths absolute.
pub fn resolve_paths(jobs: &mut [HeartbeatConfig], switches: &mut [SwitchConfig], base: &Path) {
    for job in jobs {
        job.token_file = base.join(&job.token_file);
    }
    for switch in switches {
        switch.http_config.resolve_paths(base);
        if let Some(file) = &mut switch.url_file {
            *file = base.join(&*file);
        }
    }
}
