//! `canary:`: what dogwatch does in a cluster as its users would.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    dial::DialConfig,
    model::{Severity, duration},
};

/// A Lease more often than that would be load, more rarely no watching.
const LEASE_INTERVAL: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(3_600));
/// A pod more often would be load, more rarely no watching.
const POD_INTERVAL: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(86_400));
/// Of one stage: an autoscaler may take minutes.
const STAGE_TIMEOUT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(900));
/// The longest name of most objects (RFC 1123 subdomain).
const SUBDOMAIN_MAX: usize = 253;
/// The longest name of a namespace (RFC 1123 label).
const LABEL_MAX: usize = 63;

/// A write that is not stored costs an API server what any write does, but for etcd.
const DRY_RUN_EVERY_MIN: Duration = Duration::from_secs(5);

/// `canary:` of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CanaryConfig {
    /// The namespace in which all of it happens; it must be there already.
    pub namespace: String,
    /// Its own kubeconfig, with the rights of deploy/canary-rbac.yaml; default: the cluster's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<PathBuf>,
    /// The context of that; default: its current-context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// How bad it is when the canary fails: `critical` or `warning`. What our own rights or set-up cause is a warning.
    pub severity: Severity,
    /// The pod's image: short for `pod: {image: …}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// How often: short for `pod: {interval: …}`.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub every: Option<Duration>,
    /// The light form: a Lease written, watched, read back on every API server, deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseCanary>,
    /// The pod: scheduled, its image pulled, running, ready, reachable, deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodCanary>,
    /// The dry run of the cluster's `dry_run:`, which flies with it.
    #[serde(skip)]
    pub dry_run: Option<DryRunConfig>,
}

/// `dry_run:` of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DryRunConfig {
    /// In which namespace the Lease would be; it must be there already.
    pub namespace: String,
    /// How often.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub interval: Duration,
    /// How long it may take.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub timeout: Duration,
    /// How bad it is when it fails: `critical` or `warning`.
    pub severity: Severity,
}

impl Default for DryRunConfig {
    fn default() -> Self {
        let (interval, timeout) = (Duration::from_secs(30), Duration::from_secs(10));
        Self { namespace: "dogwatch-dry-run".into(), interval, timeout, severity: Severity::Critical }
    }
}

impl DryRunConfig {
    /// Returns what is wrong with it: a key below `dry_run`, and why.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        if !is_label(&self.namespace) {
            let why = "is no name of a namespace: use small letters, digits and '-', 63 at the most";
            problems.push((".namespace".to_owned(), why.to_owned()));
        }
        if self.interval < DRY_RUN_EVERY_MIN {
            problems.push((".interval".to_owned(), format!("must be at least {}s", DRY_RUN_EVERY_MIN.as_secs())));
        }
        if self.timeout.is_zero() || self.timeout > self.interval {
            problems.push((".timeout".to_owned(), "must be more than 0 and at most the interval".to_owned()));
        }
        if self.severity == Severity::Info {
            problems.push((".severity".to_owned(), "must be critical or warning".to_owned()));
        }
        problems
    }
}

impl Default for CanaryConfig {
    fn default() -> Self {
        Self {
            namespace: "dogwatch-canary".into(),
            kubeconfig: None,
            context: None,
            severity: Severity::Critical,
            image: None,
            every: None,
            lease: None,
            pod: None,
            dry_run: None,
        }
    }
}

/// `canary.lease:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LeaseCanary {
    /// How often.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub interval: Duration,
    /// Of each stage.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub timeout: Duration,
}

impl Default for LeaseCanary {
    fn default() -> Self {
        Self { interval: Duration::from_secs(60), timeout: Duration::from_secs(10) }
    }
}

/// `canary.pod:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PodCanary {
    /// How often.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub interval: Duration,
    /// Of each stage.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub timeout: Duration,
    /// The image; with `storage_class`, `dns` or `service` one that has a shell, as busybox.
    pub image: String,
    /// When the kubelet asks the registry.
    pub image_pull_policy: PullPolicy,
    /// A Secret of its namespace, for a registry that wants a login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_pull_secret: Option<String>,
    /// Instead of what the canary itself runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Arguments of the command, or of the image's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// The port on which it answers.
    pub port: u16,
    /// Labels of nodes on which it may run.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Each zone, or each node, in turn: one a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub each: Option<Each>,
    /// A RuntimeClass, as gVisor's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_class: Option<String>,
    /// A volume of this StorageClass is written and read again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// So large.
    pub volume_size: String,
    /// A Service with a NodePort leads to it, and it is asked for from outside.
    pub service: bool,
    /// A name of the cluster is looked up inside of it.
    pub dns: bool,
}

impl Default for PodCanary {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(600),
            timeout: Duration::from_secs(60),
            image: String::new(),
            image_pull_policy: PullPolicy::Always,
            image_pull_secret: None,
            command: Vec::new(),
            args: Vec::new(),
            port: 8080,
            node_selector: BTreeMap::new(),
            each: None,
            runtime_class: None,
            storage_class: None,
            volume_size: "64Mi".into(),
            service: false,
            dns: false,
        }
    }
}

/// When the kubelet asks the registry, in Kubernetes' own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum PullPolicy {
    /// For each pod: what the canary is for.
    Always,
    /// Where the node does not have it.
    IfNotPresent,
    /// Never.
    Never,
}

/// What a pod is made in, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Each {
    /// Zones, by `topology.kubernetes.io/zone`.
    Zone,
    /// Nodes that are Ready and have no taint that keeps pods away.
    Node,
}

impl PodCanary {
    /// Returns whether it runs what the canary brings, and answers with its name.
    pub fn serves_itself(&self) -> bool {
        self.service && self.command.is_empty() && self.args.is_empty()
    }

    /// Returns whether its image must have a shell.
    pub fn has_shell(&self) -> bool {
        self.storage_class.is_some() || self.dns || self.serves_itself()
    }

    fn problems(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut say = |key, why: String| found.push((key, why));
        if self.image.trim().is_empty() {
            say(
                "image",
                "is missing: name an image that your nodes can pull, like registry.example.org/busybox:1.37".into(),
            );
        }
        if self.interval < POD_INTERVAL.0 || self.interval > POD_INTERVAL.1 {
            say("interval", "must be between 30s and 24h".into());
        }
        if self.timeout < STAGE_TIMEOUT.0 || self.timeout > STAGE_TIMEOUT.1 {
            say("timeout", "must be between 1s and 15m; it is that of each stage".into());
        }
        if self.port == 0 {
            say("port", "must be from 1 to 65535".into());
        }
        if self.each == Some(Each::Node) && !self.node_selector.is_empty() {
            say("node_selector", "does not go with `each: node`, which names the node itself".into());
        }
        let names = [
            ("image_pull_secret", &self.image_pull_secret),
            ("runtime_class", &self.runtime_class),
            ("storage_class", &self.storage_class),
        ];
        for (key, _) in names.iter().filter(|(_, name)| name.as_deref().is_some_and(|n| !is_subdomain(n))) {
            say(key, "is no name of an object: use small letters, digits, '-' and '.'".into());
        }
        found
    }
}

impl CanaryConfig {
    /// Returns the pod, whichever way it is written.
    pub fn pod(&self) -> Option<PodCanary> {
        let is_short = self.image.is_some() || self.every.is_some();
        let mut pod = self.pod.clone().or_else(|| is_short.then(PodCanary::default))?;
        if let Some(image) = &self.image {
            pod.image.clone_from(image);
        }
        pod.interval = self.every.unwrap_or(pod.interval);
        Some(pod)
    }

    /// Returns what its own dialer is made from; `None`: the cluster's is used.
    pub fn dial(&self) -> Option<DialConfig> {
        let own = self.kubeconfig.is_some() || self.context.is_some();
        own.then(|| DialConfig {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            ..DialConfig::default()
        })
    }

    /// Returns what is wrong: `(key, why)`, where the key is below `canary`.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut say = |key: &str, why: &str| found.push((key.to_owned(), why.to_owned()));
        if !is_label(&self.namespace) {
            say(".namespace", "is no name of a namespace: use small letters, digits and '-', 63 at the most");
        }
        if self.severity == Severity::Info {
            say(".severity", "must be critical or warning: a canary whose death nobody hears of is none");
        }
        if self.lease.is_none() && self.pod().is_none() {
            say("", "does nothing yet: give it `lease: {}`, or `image: …`, or both");
        }
        if self.image.is_some() && self.pod.as_ref().is_some_and(|pod| !pod.image.is_empty()) {
            say(".image", "stands in `pod`, too: give it once");
        }
        for (key, why) in self.pod().iter().flat_map(PodCanary::problems) {
            say(&format!(".pod.{key}"), &why);
        }
        if let Some(lease) = &self.lease {
            if lease.interval < LEASE_INTERVAL.0 || lease.interval > LEASE_INTERVAL.1 {
                say(".lease.interval", "must be between 5s and 1h");
            }
            if lease.timeout.is_zero() || lease.timeout > lease.interval {
                say(".lease.timeout", "must be longer than nothing and no longer than the interval");
            }
        }
        found
    }
}

fn is_subdomain(name: &str) -> bool {
    name.len() <= SUBDOMAIN_MAX && name.split('.').all(is_label)
}

fn is_label(name: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    name.len() <= LABEL_MAX
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_can_not_fly_is_told_with_its_key() {
        let check = |canary: serde_json::Value, expected: &[&str]| {
            let config: CanaryConfig = serde_json::from_value(canary).unwrap();
            let keys: Vec<String> = config.problems().into_iter().map(|(key, _)| key).collect();
            assert_eq!(keys, expected);
        };
        check(json!({"lease": {}}), &[]);
        check(json!({"pod": {"image": "busybox", "each": "node"}, "severity": "warning"}), &[]);
        check(json!({"image": "registry.example.org/pause:3.10", "every": "10m"}), &[]);
        check(json!({"image": "a", "pod": {"image": "b"}}), &[".image"]);
        check(json!({"every": "1s"}), &[".pod.image", ".pod.interval"]);
        check(json!({}), &[""]);
        check(
            json!({"lease": {"interval": "1s"}, "namespace": "A"}),
            &[".namespace", ".lease.interval", ".lease.timeout"],
        );
        check(json!({"lease": {}, "severity": "info"}), &[".severity"]);
        check(
            json!({"pod": {"interval": "1s", "timeout": "1h", "port": 0, "storage_class": "Fast!"}}),
            &[".pod.image", ".pod.interval", ".pod.timeout", ".pod.port", ".pod.storage_class"],
        );
        check(json!({"pod": {"image": "i", "each": "node", "node_selector": {"a": "b"}}}), &[".pod.node_selector"]);
    }
}
