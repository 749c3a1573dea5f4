//! The one YAML file: its root, how it is loaded, and what its errors say.
//!
//! Each part owns its own config struct; this room puts them together, resolves paths against the file's directory,
//! expands `${ENV}` in values, and checks what no part can check alone. Every error names file, line and column.
//! Never reads a secret: `*_file`s are read where they are used, so that they can rotate.

mod checks;
mod data_dir;
mod error;
mod files;
mod listen;
mod merge;
mod node;
mod places;
mod plain_errors;
mod rules;
pub mod schema;
mod telling;
mod templates;
mod tree;
mod validate;
mod web;
mod without_effect;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use url::Url;

pub use self::{
    error::ConfigError,
    files::pieces,
    listen::listen,
    places::Places,
    rules::{RulesError, RulesErrors, rules},
    web::{door, secret_files, speaks_tls},
};
use crate::{
    availability::SloConfig,
    check::config::CheckConfig,
    discover::config::ClusterConfig,
    dispatch::{
        Routing,
        config::{InhibitConfig, NamedIntervals, RouteConfig},
        drill::DrillConfig,
        report::ReportConfig,
    },
    heartbeat::{
        config::{self as heartbeat, HeartbeatConfig, SwitchConfig},
        restore::config::{self as restore, RestoreDrillConfig},
    },
    login::{AuthConfig, CorsConfig},
    model::{duration, null_as_default},
    notify::config::{GlobalConfig, NotificationsConfig, ReceiverConfig},
    notify::{self, Integration},
    peer::{Confirm, PeerConfig},
    query::QueryConfig,
    remote::RemoteWriteConfig,
    schedule::{Defaults, ScheduleConfig},
    store::StorageConfig,
    vantage::VantageConfig,
};

/// Mistakes that are told at once: nobody mends more of them before looking again.
const ERRORS_MAX: usize = 20;
/// The variable by which systemd says where it put the credentials of a unit (`LoadCredential=`).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// Where that is for deploy/dogwatch.service.
const CREDENTIALS_OF_SERVICE: &str = "/run/credentials/dogwatch.service";
/// By then a process, a kubelet or a small machine that was restarted is back.
const TELL_WARNINGS_AFTER: Duration = Duration::from_secs(60);
/// The port that dogwatch listens on by default.
pub const PORT: u16 = 9559;

/// Everything that the file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the SQLite file lives.
    pub data_dir: PathBuf,
    /// Address of pages, API and /metrics.
    #[serde(deserialize_with = "listen::deserialize")]
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// TLS and passwords of what is listened on, in a file of the exporter-toolkit's format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_config: Option<PathBuf>,
    /// Whoever reaches it from another machine may ask without a login.
    pub allow_unauthenticated: bool,
    /// Who may do what: roles, tokens, what a proxy in front says.
    pub auth: AuthConfig,
    /// Names beside its own by which programs may ask for what it tells without a login.
    pub allowed_hosts: Vec<String>,
    /// Pages of other origins that may read APIs.
    pub cors: CorsConfig,
    /// Where people find dogwatch: the links in messages.
    pub external_url: Option<Url>,
    /// In which language messages, pages and the report are; default: English, and for pages what the browser asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<crate::words::Language>,
    /// In which time zone they show times, by its IANA name; default: UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Added to every alert; tells vantages apart.
    pub external_labels: BTreeMap<String, String>,
    /// Interval and timeout.
    pub defaults: Defaults,
    /// What is watched.
    pub clusters: Vec<ClusterConfig>,
    /// What the clusters serve, and what their rebuild needs.
    #[serde(deserialize_with = "null_as_default::deserialize")]
    pub checks: Vec<CheckConfig>,
    /// Checks may run programs on this machine.
    pub allow_exec: bool,
    /// How the watchdog doubts itself.
    pub vantage: VantageConfig,
    /// History.
    pub storage: StorageConfig,
    /// Limits of PromQL queries.
    pub query: QueryConfig,
    /// The other of two watchdogs.
    pub peers: Vec<PeerConfig>,
    /// Who of both must see a failure of a cluster for it to be told.
    pub confirm: Confirm,
    /// Other stores that get every sample.
    pub remote_write: Vec<RemoteWriteConfig>,
    /// Probing.
    pub schedule: ScheduleConfig,
    /// Findings of severity warning that mend themselves sooner are not told; critical ones are told at once.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub tell_warnings_after: Duration,
    /// Delivery.
    pub notifications: NotificationsConfig,
    /// Alertmanager's `global`.
    pub global: GlobalConfig,
    /// Alertmanager's `route`; with a single receiver it may be left out.
    pub route: Option<RouteConfig>,
    /// Alertmanager's `receivers`.
    #[serde(deserialize_with = "null_as_default::deserialize")]
    pub receivers: Vec<ReceiverConfig>,
    /// Alertmanager's `templates`: files with `define`s, with `*`.
    #[serde(deserialize_with = "null_as_default::deserialize")]
    pub templates: Vec<String>,
    /// Alertmanager's `inhibit_rules`.
    #[serde(deserialize_with = "null_as_default::deserialize")]
    pub inhibit_rules: Vec<InhibitConfig>,
    /// Alertmanager's `time_intervals`.
    #[serde(deserialize_with = "null_as_default::deserialize")]
    pub time_intervals: Vec<NamedIntervals>,
    /// Their old name.
    #[serde(deserialize_with = "null_as_default::deserialize")]
    pub mute_time_intervals: Vec<NamedIntervals>,
    /// Alertmanager's traces of itself; nothing here has any, which `dogwatch check` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracing: Option<serde_json::Value>,
    /// Alertmanager's record of what it does; here the incidents are that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_recorder: Option<serde_json::Value>,
    /// Rule files, relative to this one, with `*`; `builtin` stands for the built-in rules, which count without any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_files: Option<Vec<String>>,
    /// What services are held to.
    #[serde(deserialize_with = "null_as_default::deserialize")]
    pub slos: Vec<SloConfig>,
    /// Jobs that report in.
    #[serde(deserialize_with = "null_as_default::deserialize")]
    pub heartbeats: Vec<HeartbeatConfig>,
    /// Proofs that what is backed up can be restored.
    #[serde(deserialize_with = "null_as_default::deserialize")]
    pub restore_drills: Vec<RestoreDrillConfig>,
    /// Who raises the alarm when dogwatch is silent.
    #[serde(deserialize_with = "null_as_default::deserialize")]
    pub dead_mans_switch: Vec<SwitchConfig>,
    /// Drills on a schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillConfig>,
    /// The report of each month by mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportConfig>,
    /// Everything is a drill and says so; set by `dogwatch drill`, not in the file.
    #[serde(skip)]
    pub is_drill: bool,
    /// Keys that the command line gave: what the file says of them does not count.
    #[serde(skip)]
    pub by_command_line: Vec<&'static str>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: data_dir::default(),
            listen: (Ipv4Addr::LOCALHOST, PORT).into(),
            web_config: None,
            allow_unauthenticated: false,
            auth: AuthConfig::default(),
            allowed_hosts: Vec::new(),
            cors: CorsConfig::default(),
            external_url: None,
            language: None,
            timezone: None,
            external_labels: BTreeMap::new(),
            defaults: Defaults::default(),
            clusters: Vec::new(),
            checks: Vec::new(),
            allow_exec: false,
            vantage: VantageConfig::default(),
            storage: StorageConfig::default(),
            query: QueryConfig::default(),
            peers: Vec::new(),
            confirm: Confirm::Any,
            remote_write: Vec::new(),
            schedule: ScheduleConfig::default(),
            tell_warnings_after: TELL_WARNINGS_AFTER,
            notifications: NotificationsConfig::default(),
            global: GlobalConfig::default(),
            route: None,
            receivers: Vec::new(),
            templates: Vec::new(),
            inhibit_rules: Vec::new(),
            time_intervals: Vec::new(),
            mute_time_intervals: Vec::new(),
            tracing: None,
            event_recorder: None,
            rule_files: None,
            slos: Vec::new(),
            heartbeats: Vec::new(),
            restore_drills: Vec::new(),
            dead_mans_switch: Vec::new(),
            drill: None,
            report: None,
            is_drill: false,
            by_command_line: Vec::new(),
        }
    }
}

impl Config {
    /// As YAML for people, every secret hidden.
    pub fn shown(&self) -> String {
        serde_saphyr::to_string(self).unwrap_or_else(|error| format!("# can't be shown: {error}\n"))
    }

    /// Who is told what, and when.
    ///
    /// # Errors
    /// `(path, what is wrong)` for the first thing that can't work.
    pub fn routing(&self) -> Result<Routing, (String, String)> {
        let receivers: Vec<&str> = self.receivers.iter().map(|r| r.name.as_str()).collect();
        let times =
            [("time_intervals", &self.time_intervals[..]), ("mute_time_intervals", &self.mute_time_intervals[..])];
        Routing::new(self.route.as_ref(), &receivers, &self.inhibit_rules, times)?
            .with_quiet_checks(self.checks.iter().map(|check| (check.name.as_str(), &check.quiet[..])))
    }

    /// Everybody who can be told.
    ///
    /// # Errors
    /// `(path, what is wrong)` for the first thing that can't work.
    pub fn integrations(&self) -> Result<Vec<Integration>, (String, String)> {
        notify::integrations(&self.global, &self.told_receivers(), &self.library()?).map_err(|e| (e.at, e.message))
    }

    /// The part that Alertmanager's own tools read (`amtool config routes`): routes, receivers by name, inhibition, times.
    pub fn routes_shown(&self) -> String {
        fn plain(route: &RouteConfig) -> RouteConfig {
            RouteConfig { escalation: None, routes: route.routes.iter().map(plain).collect(), ..route.clone() }
        }
        let names: Vec<_> = self.receivers.iter().map(|r| serde_json::json!({"name": r.name})).collect();
        let shown = serde_json::json!({
            "route": self.route.as_ref().map(plain),
            "receivers": names,
            "inhibit_rules": self.inhibit_rules,
            "time_intervals": self.time_intervals.iter().chain(&self.mute_time_intervals).collect::<Vec<_>>(),
        });
        serde_saphyr::to_string(&shown).unwrap_or_default()
    }

    /// Without a file: the current context of the kubeconfig, watched with every default.
    pub fn zero(cluster: &str, kubeconfig: Option<PathBuf>) -> Self {
        let cluster = ClusterConfig { kubeconfig, ..ClusterConfig::named(cluster) };
        Self { clusters: vec![cluster], ..Self::default() }
    }
}

/// Reads and checks a file, with those of `conf.d` beside it.
///
/// # Errors
/// All that could be found wrong, each with its place.
pub fn load(path: &Path) -> Result<Config, Vec<ConfigError>> {
    made(files::gather(path, &environment)?, path)
}

/// What stands for `${NAME}`. Systemd tells a service alone where its credentials are; `dogwatch check` by hand means the same.
fn environment(name: &str) -> Option<String> {
    let of_the_service =
        || (name == CREDENTIALS && Path::new(CREDENTIALS_OF_SERVICE).is_dir()).then_some(CREDENTIALS_OF_SERVICE);
    std::env::var(name).ok().or_else(|| of_the_service().map(str::to_owned))
}

/// Reads and checks a text; `env` answers for `${NAME}`.
///
/// # Errors
/// As [`load`].
pub fn parse(path: &Path, text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, Vec<ConfigError>> {
    made(tree::read(&error::Source { path, text }, env)?, path)
}

/// Reads a text, and checks nothing of what it names.
///
/// # Errors
/// As [`load`].
pub fn understand(path: &Path, text: &str) -> Result<Config, Vec<ConfigError>> {
    read(&mut tree::read(&error::Source { path, text }, &environment)?)
}

/// The configuration that a document is; relative paths lead from the folder of its file.
fn made(mut document: tree::Document, path: &Path) -> Result<Config, Vec<ConfigError>> {
    let mut config = read(&mut document)?;
    let base = path.parent().map(|p| std::path::absolute(p).unwrap_or_else(|_| p.to_path_buf())).unwrap_or_default();
    resolve(&mut config, &base);
    if config.route.is_none()
        && let [only] = &config.receivers[..]
    {
        config.route = Some(RouteConfig::to(&only.name));
    }
    let problems = validate::check(&config);
    if problems.is_empty() {
        return Ok(config);
    }
    Err(problems.iter().map(|(place, message)| document.located(&tree::Wrong::new(place, message))).collect())
}

/// Reads what the document says. What is wrong is left out and the rest read again, so that all is told at once.
fn read<T: DeserializeOwned>(document: &mut tree::Document) -> Result<T, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let mut left_out = BTreeSet::new();
    loop {
        let wrong = match node::read::<T>(&document.value) {
            Ok(config) if errors.is_empty() => return Ok(config),
            Ok(_) => break,
            Err((path, message)) => tree::Wrong::new(&path, &message),
        };
        // What is missing only since it was left out as wrong is told already.
        if wrong.missing().is_none_or(|path| !left_out.contains(&path)) {
            errors.push(document.located(&wrong));
        }
        if errors.len() == ERRORS_MAX {
            let message = format!("there may be more: these are the first {ERRORS_MAX} mistakes");
            document.sort(&mut errors);
            errors.push(document.error(None, message));
            return Err(errors);
        }
        let Some(path) = document.leave_out(&wrong.path) else { break };
        left_out.insert(path);
    }
    document.sort(&mut errors);
    Err(errors)
}

fn resolve(config: &mut Config, base: &Path) {
    let absolute = |path: &mut PathBuf| {
        if path.is_relative() {
            *path = base.join(&*path);
        }
    };
    absolute(&mut config.data_dir);
    config.web_config.iter_mut().for_each(absolute);
    config.auth.resolve_paths(base);
    for cluster in &mut config.clusters {
        let etcd = &mut cluster.etcd;
        let files = [&mut cluster.kubeconfig, &mut etcd.ca_file, &mut etcd.cert_file, &mut etcd.key_file];
        files.into_iter().flatten().for_each(absolute);
        cluster.discover.iter_mut().flat_map(|d| d.tls_config.files()).for_each(&absolute);
        cluster.canary.iter_mut().filter_map(|canary| canary.kubeconfig.as_mut()).for_each(absolute);
    }
    let rule_files = config.rule_files.iter_mut().flatten().filter(|pattern| *pattern != rules::BUILTIN);
    for pattern in rule_files.chain(&mut config.templates) {
        *pattern = base.join(&*pattern).to_string_lossy().into_owned();
    }
    heartbeat::resolve_paths(&mut config.heartbeats, &mut config.dead_mans_switch, base);
    restore::resolve_paths(&mut config.restore_drills, base);
    for monitoring in config.clusters.iter_mut().filter_map(|c| c.monitoring.as_mut()) {
        monitoring.token_file = base.join(&monitoring.token_file);
    }
    config.checks.iter_mut().for_each(|check| check.resolve_paths(base));
    config.global.resolve_paths(base);
    config.remote_write.iter_mut().for_each(|remote| remote.resolve_paths(base));
    config.peers.iter_mut().for_each(|peer| peer.resolve_paths(base));
    for receiver in &mut config.receivers {
        receiver.resolve_paths(base);
    }
}
