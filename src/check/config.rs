//! `checks:` of the configuration, and the targets that follow from it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    condition::Condition,
    found::Found,
    is_free,
    prober::{Address, Prober, Problems, kinds},
};
pub use super::{dns::DnsConfig, http::HttpConfig, options::Down, tcp::TcpConfig, tls::TlsConfig};
use crate::{
    dial::TlsFiles,
    model::{
        CHECKS, CheckName, CheckTraits, Failure, Job, ProbeSpec, Quota, Severity, Target, TargetKey, duration, text,
    },
};

/// Checks in one configuration: each has a socket of its own while it is made.
const CHECKS_MAX: usize = 2_000;
/// Labels that a check's series and alerts have of their own.
const OWN_LABELS: [&str; 6] = ["cluster", "job", "instance", "node", "severity", "alertname"];

/// One entry of `checks:`. Exactly one kind of check stands in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckConfig {
    /// Its name: the label `job`.
    pub name: String,
    /// The cluster that serves it: what is wrong with that explains its failures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// A request by HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Box<HttpConfig>>,
    /// A connection by TCP, and what is said on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<Box<TcpConfig>>,
    /// A handshake, and the certificates that it shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Box<TlsConfig>>,
    /// A question by DNS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<Box<DnsConfig>>,
    /// Made at every node of its cluster, and judged together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodesConfig>,
    /// Time between two probes; without it `defaults.interval`.
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// Deadline of one probe; without it `defaults.timeout`.
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// So many failures of so many probes are an outage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down: Option<Down>,
    /// Checks that this one can't work without: where one of them fails, so does this, and only that one is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// Time intervals (`time_intervals`) in which its failure is not told; it is probed and judged all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quiet: Vec<String>,
    /// Of its alarm.
    #[serde(default = "critical")]
    pub severity: Severity,
    /// Further labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

fn critical() -> Severity {
    Severity::Critical
}

kinds! {
    http: HttpConfig,
    tcp: TcpConfig,
    tls: TlsConfig,
    dns: DnsConfig,
}

/// `nodes:` of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodesConfig {
    /// The port at each node's address.
    pub port: u16,
}

impl CheckConfig {
    /// Returns a check of one place, with every default: `https://…`, `http://…`, `tcp://host:port`, `tls://host:port`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn ad_hoc(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let kind = match scheme {
            "http" | "https" => json!({"url": text}),
            "tcp" | "tls" => json!({"address": rest.trim_end_matches('/')}),
            _ => return Err(format!("{text}: write https://…, http://…, tcp://host:port or tls://host:port")),
        };
        let key = if scheme == "https" { "http" } else { scheme };
        let check: Self =
            serde_json::from_value(json!({"name": "ad-hoc", key: kind})).map_err(|e| format!("{text}: {e}"))?;
        match check.problems().into_iter().next() {
            Some((_, why)) => Err(format!("{text}: {why}")),
            None => Ok(check),
        }
    }

    fn kind(&self) -> Option<(&'static str, &dyn Prober)> {
        self.kinds().into_iter().next()
    }

    /// Returns where it asks, as people write it; empty where it has no kind.
    pub fn at(&self) -> String {
        self.kind().map(|(_, kind)| kind.at()).unwrap_or_default()
    }

    /// `host:port`
    fn instance(&self) -> String {
        match self.kind() {
            Some((_, kind)) if self.nodes.is_none() => kind.instance(),
            _ => "nodes".to_owned(),
        }
    }

    /// Returns what the answer must be.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.kind().map(|(_, kind)| kind.conditions()).unwrap_or_default().into_iter()
    }

    /// Asks once.
    pub(super) async fn ask(&self, found: &mut Found) -> Result<(), Failure> {
        match self.kind() {
            Some((_, kind)) => kind.probe(found).await,
            None => Ok(()),
        }
    }

    /// Returns the same as it is made at one node.
    pub(super) fn at_node(&self, instance: &str) -> Self {
        let mut here = self.clone();
        here.kinds_mut().into_iter().for_each(|kind| kind.move_to(instance));
        here
    }

    /// Returns the name of the group that it is shown and diagnosed in: its cluster's, or [`CHECKS`].
    pub fn group(&self) -> &str {
        self.cluster.as_deref().unwrap_or(CHECKS)
    }

    /// Returns the target; `labels` are those of its cluster, `place` is its place in the list. `None` where its name is
    /// none, which [`problems`] tells.
    pub fn target(
        &self,
        place: usize,
        labels: &BTreeMap<String, String>,
        pace: (Duration, Duration),
    ) -> Option<Target> {
        let (kind, layer) = self.kind().map_or(("", u8::MAX), |(key, kind)| (key, kind.layer()));
        let traits = CheckTraits {
            kind: kind.to_owned(),
            at: self.at(),
            layer,
            down: self.down.map_or_else(Quota::default, |down| down.0),
            depends_on: self.depends_on.iter().filter_map(|name| CheckName::new(name)).collect(),
            severity: self.severity,
            nodes_port: self.nodes.map(|nodes| nodes.port),
            has_quiet_times: !self.quiet.is_empty(),
            place: u32::try_from(place).unwrap_or(u32::MAX),
        };
        let key = TargetKey {
            cluster: self.group().into(),
            job: Job::Check(CheckName::new(&self.name)?),
            instance: self.instance().into(),
        };
        let (interval, timeout) = self.pace(pace);
        let labels = labels.iter().chain(&self.labels).map(|(k, v)| (k.clone(), v.clone())).collect();
        Some(Target { key, node: None, spec: ProbeSpec::Check(traits), interval, timeout, guessed: false, labels })
    }

    fn pace(&self, (interval, timeout): (Duration, Duration)) -> (Duration, Duration) {
        let interval = self.interval.unwrap_or(interval);
        (interval, self.timeout.unwrap_or(timeout).min(interval))
    }

    /// Makes the paths absolute.
    pub fn resolve_paths(&mut self, base: &Path) {
        self.each_file(|path| *path = base.join(&*path));
    }

    /// Returns the files that it needs.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut all = Vec::new();
        self.clone().each_file(|path| all.push(path.clone()));
        all
    }

    fn each_file(&mut self, mut what: impl FnMut(&mut PathBuf)) {
        for kind in self.kinds_mut() {
            kind.files().into_iter().for_each(&mut what);
            kind.tls_files().into_iter().flat_map(TlsFiles::files).for_each(&mut what);
        }
    }

    /// What is wrong with it by itself: `(key, why)`.
    fn problems(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        let mut say = |key: &str, why: &str| all.push((key.to_owned(), why.to_owned()));
        if CheckName::new(&self.name).is_none() {
            say(".name", "this is not a name: use letters, digits, '.', '_' and '-', 100 at the most");
        } else if !is_free(&self.name) {
            say(".name", "a component of clusters is called so: give the check another name");
        }
        if self.kinds().len() != 1 {
            say("", &format!("a check has exactly one kind: {}", text::any_of(KINDS)));
        }
        if self.severity == Severity::Info {
            say(".severity", "must be critical or warning: an outage that is told to nobody needs no check");
        }
        for name in self.labels.keys() {
            if OWN_LABELS.contains(&name.as_str()) {
                say(&format!(".labels.{name}"), "this label is set by dogwatch itself: choose another one");
            }
        }
        if self.nodes.is_some() && self.cluster.is_none() {
            say(".nodes", "of which cluster? Give `cluster`, too");
        }
        if self.nodes.is_some_and(|nodes| nodes.port == 0) {
            say(".nodes.port", "must be from 1 to 65535");
        }
        for (key, kind) in self.kinds() {
            all.extend(self.problems_of(kind).into_iter().map(|(at, why)| (format!(".{key}{at}"), why)));
        }
        all
    }

    /// What is wrong with the kind that stands in it, from the kind's key on.
    fn problems_of(&self, kind: &dyn Prober) -> Problems {
        let mut all = Vec::new();
        let mut say = |key: String, why: &str| all.push((key, why.to_owned()));
        if let Some(Address { key, text, place, .. }) = kind.address() {
            match (text.is_empty(), self.nodes, place) {
                (false, Some(_), _) => say(key.to_owned(), "it is asked at every node's address: leave this out"),
                (true, None, _) => say(key.to_owned(), "is missing: where is it to be asked?"),
                (false, None, Err(why)) => say(key.to_owned(), &why),
                _ => {}
            }
        }
        if self.nodes.is_some() && !kind.goes_to_nodes() {
            say(String::new(), "a check of this kind can't be made at nodes: leave nodes out");
        }
        if let Some((key, why)) = self.clone().kinds_mut().into_iter().find_map(|kind| kind.tls_files()?.problem()) {
            let dot = if key.is_empty() { "" } else { "." };
            say(format!(".tls_config{dot}{key}"), &why);
        }
        let (known, answer) = kind.subjects();
        for (i, condition) in kind.expect().iter().enumerate() {
            if condition.about() != "time" && !known.contains(&condition.about()) {
                let has = known.iter().chain(&["time"]).copied().collect::<Vec<_>>().join(", ");
                say(format!(".expect[{i}]"), &format!("{answer} has nothing of this kind; it has {has}"));
            }
        }
        all.extend(kind.problems());
        all
    }
}

/// Returns the targets of all checks, each with what it asks. `labels` are those of the clusters.
pub fn targets(
    checks: &[CheckConfig],
    labels: &BTreeMap<&str, &BTreeMap<String, String>>,
    pace: (Duration, Duration),
) -> Vec<(Target, Arc<CheckConfig>)> {
    let none = BTreeMap::new();
    let each = checks.iter().enumerate().filter_map(|(i, check)| {
        let labels = labels.get(check.group()).copied().unwrap_or(&none);
        Some((check.target(i, labels, pace)?, Arc::new(check.clone())))
    });
    each.collect()
}

/// Returns what is wrong with them: `(path, why)`.
pub fn problems(checks: &[CheckConfig], clusters: &[&str]) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut names = BTreeSet::new();
    if checks.len() > CHECKS_MAX {
        all.push(("checks".to_owned(), format!("there are more than {CHECKS_MAX} checks")));
    }
    if clusters.contains(&CHECKS) && checks.iter().any(|c| c.cluster.is_none()) {
        let why = format!("a cluster is called {CHECKS:?}, as the checks that belong to none are: call it otherwise");
        all.push(("checks".to_owned(), why));
    }
    for (i, check) in checks.iter().enumerate() {
        let at = format!("checks[{i}]");
        all.extend(check.problems().into_iter().map(|(key, why)| (format!("{at}{key}"), why)));
        if !names.insert(&check.name) {
            all.push((format!("{at}.name"), format!("there are two checks called {:?}", check.name)));
        }
        if let Some(cluster) = check.cluster.as_ref().filter(|c| !clusters.contains(&c.as_str())) {
            let why = format!("there is no cluster {cluster:?}; leave it out where the check belongs to none");
            all.push((format!("{at}.cluster"), why));
        }
        for (j, name) in check.depends_on.iter().enumerate() {
            let why = match checks.iter().find(|other| other.name == *name) {
                _ if *name == check.name => "a check can't depend on itself".to_owned(),
                None => format!("there is no check {name:?}"),
                Some(other) if other.group() != check.group() => format!(
                    "{name:?} belongs to {}: a check can depend on those of the same cluster, or of none as it does",
                    other.cluster.as_ref().map_or_else(|| "no cluster".to_owned(), |c| format!("cluster {c:?}"))
                ),
                Some(_) => continue,
            };
            all.push((format!("{at}.depends_on[{j}]"), why));
        }
    }
    all
}
