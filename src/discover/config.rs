//! What the configuration says of a cluster.

mod canary;
mod found;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use url::Url;

pub use self::{
    canary::{CanaryConfig, DryRunConfig, Each, LeaseCanary, PodCanary, PullPolicy},
    found::DiscoverConfig,
};
use crate::{
    dial::DialConfig,
    model::{Job, KubeletVia, duration},
};

/// The folder in `data_dir` where tokens are kept that were renewed.
const TOKENS: &str = "tokens";

/// One entry of `clusters:`. Paths are absolute by the time this is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterConfig {
    /// Its name, the `cluster` label.
    pub name: String,
    /// Kubeconfig file; default: `$KUBECONFIG`, then `~/.kube/config`.
    #[serde(default)]
    pub kubeconfig: Option<PathBuf>,
    /// Context; default: the kubeconfig's current-context.
    #[serde(default)]
    pub context: Option<String>,
    /// Renew the kubeconfig's ServiceAccount token when half of its life is over; the new one is kept in `data_dir`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub renew_token: bool,
    /// API servers.
    #[serde(default)]
    pub apiserver: ComponentConfig,
    /// Etcd members.
    #[serde(default)]
    pub etcd: EtcdConfig,
    /// Kubelets.
    #[serde(default)]
    pub kubelet: KubeletConfig,
    /// Schedulers.
    #[serde(default)]
    pub scheduler: ComponentConfig,
    /// Controller-managers.
    #[serde(default)]
    pub controller_manager: ComponentConfig,
    /// kube-proxies: their health port is asked where it answers.
    #[serde(default)]
    pub kube_proxy: ComponentConfig,
    /// Ask loopback, link-local and metadata addresses, too, where the cluster tells them of its nodes or API servers. Without it
    /// loopback is asked only where the kubeconfig's server is on this machine.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_local_addresses: bool,
    /// Labels added to every series of the cluster.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The monitoring inside, which sends its alerts here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<MonitoringConfig>,
    /// Scrape the components' own metrics; off where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scrape: Option<ScrapeConfig>,
    /// What of the cluster becomes checks by itself; nothing where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discover: Option<DiscoverConfig>,
    /// The flight recorder; on where it is not given.
    #[serde(default)]
    pub recorder: RecorderConfig,
    /// Series of the recorded objects under kube-state-metrics' names.
    #[serde(default)]
    pub state_metrics: bool,
    /// A server-side dry run of a write; off where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<DryRunConfig>,
    /// Do in the cluster what a user would do; off where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryConfig>,
}

/// `recorder:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecorderConfig {
    /// `false` turns it off.
    pub enabled: bool,
}

impl Default for RecorderConfig {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// `scrape:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScrapeConfig {
    /// How often.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub interval: Duration,
    /// Of one scrape.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub timeout: Duration,
    /// Names or expressions of the metrics that are kept, instead of the default list and what the loaded rules use.
    pub keep: Vec<String>,
    /// Expressions of those that are not, even so.
    pub drop: Vec<String>,
    /// The `job` of API servers' scraped series. Without it: the one that the loaded rules look for, `kube-apiserver`
    /// (kubernetes-mixin) or `apiserver` (kube-prometheus); both if they look for both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apiserver_job: Option<String>,
    /// A longer answer is not read: the scrape fails.
    pub max_bytes: usize,
    /// More kept series of one target: the scrape fails.
    pub max_series: usize,
}

impl Default for ScrapeConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(10),
            keep: Vec::new(),
            drop: Vec::new(),
            apiserver_job: None,
            max_bytes: 64 << 20,
            max_series: 50_000,
        }
    }
}

/// `monitoring:`: the Prometheus or Alertmanager inside a cluster sends its alerts here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MonitoringConfig {
    /// The file with the bearer token by which it is known.
    pub token_file: PathBuf,
    /// The alert that always fires; kube-prometheus has it.
    #[serde(default = "watchdog")]
    pub alert: String,
    /// Without it for so long, the monitoring inside is silent. Prometheus says it again every minute or so.
    #[serde(default = "silent_after", with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub silent_after: Duration,
}

fn watchdog() -> String {
    "Watchdog".into()
}

fn silent_after() -> Duration {
    Duration::from_secs(600)
}

impl ClusterConfig {
    /// Returns what is to be done in the cluster: the canary and the dry run, each where it is asked for.
    pub fn flights(&self) -> Option<CanaryConfig> {
        let dry_run = self.dry_run.clone();
        let is_asked_for = self.canary.is_some() || dry_run.is_some();
        is_asked_for.then(|| CanaryConfig { dry_run, ..self.canary.clone().unwrap_or_default() })
    }

    /// Returns what its dialer is made from, where a token that is renewed is kept below `data_dir`.
    pub fn dial(&self, data_dir: &Path) -> DialConfig {
        DialConfig {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            etcd_ca_file: self.etcd.ca_file.clone(),
            etcd_cert_file: self.etcd.cert_file.clone(),
            etcd_key_file: self.etcd.key_file.clone(),
            kept_token: self.renew_token.then(|| data_dir.join(TOKENS).join(format!("{}.token", self.name))),
            person_waits: false,
        }
    }

    /// Returns the timeouts that components have of their own.
    pub fn timeouts(&self) -> impl Iterator<Item = Duration> + use<> {
        let own = [&self.apiserver, &self.scheduler, &self.controller_manager, &self.kube_proxy].map(|c| c.timeout);
        own.into_iter().chain([self.etcd.timeout, self.kubelet.timeout]).flatten()
    }

    /// Returns the leases that tell who leads, of those components that are watched.
    pub fn leads(&self) -> Vec<&'static str> {
        let components =
            [(Job::KubeScheduler, &self.scheduler), (Job::KubeControllerManager, &self.controller_manager)];
        components.into_iter().filter(|(_, config)| config.enabled).map(|(job, _)| job.as_str()).collect()
    }

    /// Returns how the sites that it serves are found, where they are asked for.
    pub fn sites(&self) -> Option<&DiscoverConfig> {
        self.discover.as_ref().filter(|discover| discover.ingress)
    }

    /// With every default.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_string(),
            kubeconfig: None,
            context: None,
            renew_token: false,
            apiserver: ComponentConfig::default(),
            etcd: EtcdConfig::default(),
            kubelet: KubeletConfig::default(),
            scheduler: ComponentConfig::default(),
            controller_manager: ComponentConfig::default(),
            kube_proxy: ComponentConfig::default(),
            allow_local_addresses: false,
            labels: BTreeMap::new(),
            monitoring: None,
            scrape: None,
            discover: None,
            recorder: RecorderConfig::default(),
            state_metrics: false,
            dry_run: None,
            canary: None,
        }
    }
}

/// A component whose endpoints default to what discovery finds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ComponentConfig {
    /// `false` turns it off.
    pub enabled: bool,
    /// Instead of what discovery finds.
    pub endpoints: Vec<Url>,
    /// Instead of `defaults.interval`.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub interval: Option<Duration>,
    /// Instead of `defaults.timeout`.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub timeout: Option<Duration>,
}

impl Default for ComponentConfig {
    fn default() -> Self {
        Self { enabled: true, endpoints: Vec::new(), interval: None, timeout: None }
    }
}

/// Etcd: certificates besides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EtcdConfig {
    /// `false` turns it off.
    pub enabled: bool,
    /// Instead of what discovery finds.
    pub endpoints: Vec<Url>,
    /// Instead of `defaults.interval`.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub interval: Option<Duration>,
    /// Instead of `defaults.timeout`.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub timeout: Option<Duration>,
    /// CA of etcd's serving certificates.
    pub ca_file: Option<PathBuf>,
    /// Client certificate; kubeadm's `healthcheck-client.crt` will do.
    pub cert_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
}

impl Default for EtcdConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            endpoints: Vec::new(),
            interval: None,
            timeout: None,
            ca_file: None,
            cert_file: None,
            key_file: None,
        }
    }
}

/// Kubelets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KubeletConfig {
    /// `false` turns them off.
    pub enabled: bool,
    /// `direct`, `proxy` or `auto`.
    pub via: KubeletWay,
    /// Keep connections alive between probes; a fresh handshake is made every so often all the same.
    pub keep_alive: bool,
    /// Instead of `defaults.interval`.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub interval: Option<Duration>,
    /// Instead of `defaults.timeout`.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub timeout: Option<Duration>,
}

impl Default for KubeletConfig {
    fn default() -> Self {
        Self { enabled: true, via: KubeletWay::Auto, keep_alive: true, interval: None, timeout: None }
    }
}

/// Says how kubelets are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KubeletWay {
    /// On their own port only.
    Direct,
    /// Through the API server only.
    Proxy,
    /// Direct where it can be reached, else proxy.
    #[default]
    Auto,
}

impl KubeletWay {
    /// As a probe takes it.
    pub fn via(self) -> Option<KubeletVia> {
        match self {
            KubeletWay::Direct => Some(KubeletVia::Direct),
            KubeletWay::Proxy => Some(KubeletVia::Proxy),
            KubeletWay::Auto => None,
        }
    }
}
