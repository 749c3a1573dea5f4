//! `checks:` of the configuration, and the targets that follow from it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    ad_hoc,
    condition::Condition,
    depends,
    found::Found,
    is_free,
    nodes::NodesConfig,
    prober::{Address, Prober, Problems, kinds},
};
pub use super::{
    azure::AzureConfig, dns::DnsConfig, domain::DomainConfig, exec::ExecConfig, file::FileConfig, git::GitConfig,
    grpc::GrpcConfig, helm::HelmConfig, http::HttpConfig, icmp::IcmpConfig, ldap::LdapConfig, ntp::NtpConfig,
    object::ObjectConfig, oci::OciConfig, oidc::OidcConfig, options::Down, prometheus::PrometheusConfig,
    redis::RedisConfig, s3::S3Config, smtp::SmtpConfig, sql::SqlConfig, ssh::SshConfig, tcp::TcpConfig, tls::TlsConfig,
    udp::UdpConfig, websocket::WebsocketConfig,
};
use crate::{
    dial::TlsFiles,
    model::{
        AtNodes, CHECKS, CheckName, CheckTraits, Failure, Job, ProbeSpec, Quota, Severity, Target, TargetKey, duration,
        text,
    },
};

/// Checks in one configuration: each has a socket of its own while it is made.
pub(super) const CHECKS_MAX: usize = 2_000;
/// Labels that a check's series and alerts have of their own.
const OWN_LABELS: [&str; 6] = ["cluster", "job", "instance", "node", "severity", "alertname"];

/// One entry of `checks:`. Exactly one kind of check stands in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
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
    /// A datagram by UDP, and what comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp: Option<Box<UdpConfig>>,
    /// Echo requests by ICMP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp: Option<Box<IcmpConfig>>,
    /// The health service of gRPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc: Option<Box<GrpcConfig>>,
    /// A greeting by SSH, and the host key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<Box<SshConfig>>,
    /// Mail by SMTP, up to the recipient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smtp: Option<Box<SmtpConfig>>,
    /// A WebSocket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub websocket: Option<Box<WebsocketConfig>>,
    /// The time, by NTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ntp: Option<Box<NtpConfig>>,
    /// Redis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<Box<RedisConfig>>,
    /// A directory by LDAP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ldap: Option<Box<LdapConfig>>,
    /// A query to a database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<Box<SqlConfig>>,
    /// A file on the watchdog's machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Box<FileConfig>>,
    /// A program on the watchdog's machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<Box<ExecConfig>>,
    /// An object of a watched cluster, and what its API server says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Box<ObjectConfig>>,
    /// An expression at a Prometheus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<Box<PrometheusConfig>>,
    /// An image in a registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oci: Option<Box<OciConfig>>,
    /// A repository of git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<Box<GitConfig>>,
    /// A chart in a Helm repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helm: Option<Box<HelmConfig>>,
    /// An OpenID issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<Box<OidcConfig>>,
    /// When a domain's registration ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Box<DomainConfig>>,
    /// Objects in a bucket of S3 or its kin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<Box<S3Config>>,
    /// Blobs in a container of Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<Box<AzureConfig>>,
    /// Made at every node of its cluster, and judged together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodesConfig>,
    /// Time between two probes; without it `defaults.interval`.
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub interval: Option<Duration>,
    /// Deadline of one probe; without it `defaults.timeout`.
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
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
    udp: UdpConfig,
    icmp: IcmpConfig,
    grpc: GrpcConfig,
    ssh: SshConfig,
    smtp: SmtpConfig,
    websocket: WebsocketConfig,
    ntp: NtpConfig,
    redis: RedisConfig,
    ldap: LdapConfig,
    sql: SqlConfig,
    file: FileConfig,
    exec: ExecConfig,
    object: ObjectConfig,
    prometheus: PrometheusConfig,
    oci: OciConfig,
    git: GitConfig,
    helm: HelmConfig,
    oidc: OidcConfig,
    domain: DomainConfig,
    s3: S3Config,
    azure: AzureConfig,
}

impl CheckConfig {
    /// Returns a check of one place, with every default: `https://…`, `tcp://host:port`, `ssh://host`, ….
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn ad_hoc(text: &str) -> Result<Self, String> {
        let written = ad_hoc::check(text)?;
        let check: Self = serde_json::from_value(written).map_err(|e| format!("{text}: {e}"))?;
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

    /// Returns the cluster that it belongs to: the one that serves it, or whose API it asks.
    pub fn cluster(&self) -> Option<&str> {
        self.cluster.as_deref().or_else(|| self.asks_cluster())
    }

    /// Returns the cluster whose API it asks.
    pub fn asks_cluster(&self) -> Option<&str> {
        let object = self.object.as_ref()?;
        object.cluster.as_deref().or(self.cluster.as_deref())
    }

    /// Returns the name of the group that it is shown and diagnosed in: its cluster's, or [`CHECKS`].
    pub fn group(&self) -> &str {
        self.cluster().unwrap_or(CHECKS)
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
            nodes: self.at_nodes(),
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

    fn entry(&self) -> depends::Entry<'_> {
        depends::Entry { name: &self.name, cluster: self.cluster(), depends_on: &self.depends_on }
    }

    /// Returns its name, and the host that it asks by http from outside: what is found of a cluster leaves both to it.
    pub fn takes(&self) -> impl Iterator<Item = String> {
        let http = self.http.as_ref().filter(|_| self.nodes.is_none());
        let host = http.and_then(|http| http.url.host_str()).map(str::to_owned);
        [self.name.clone()].into_iter().chain(host)
    }

    /// Returns whether it is made where its cluster's ingress controllers serve.
    pub fn is_at_ingress(&self) -> bool {
        matches!(self.at_nodes(), Some(AtNodes::Ingress { .. }))
    }

    fn at_nodes(&self) -> Option<AtNodes> {
        self.nodes.as_ref()?.at(self.kind()?.1)
    }

    fn pace(&self, (interval, timeout): (Duration, Duration)) -> (Duration, Duration) {
        let usual = self.kind().and_then(|(_, kind)| kind.usual_interval());
        let interval = self.interval.or(usual).unwrap_or(interval);
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
        if let Some((key, why)) = self.nodes.as_ref().and_then(|nodes| nodes.problem(self.kind()?.1)) {
            say(key, why);
        }
        if let Some(object) = &self.object {
            match (&object.cluster, &self.cluster) {
                (None, None) => {
                    all.push((".object.cluster".to_owned(), "is missing: an object of which cluster?".to_owned()))
                }
                (Some(one), Some(other)) if one != other => {
                    all.push((
                        ".object.cluster".to_owned(),
                        format!("the check belongs to {other:?}: leave one of them out"),
                    ));
                }
                _ => {}
            }
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
            match (text.is_empty(), &self.nodes, place) {
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
    if clusters.contains(&CHECKS) && checks.iter().any(|c| c.cluster().is_none()) {
        let why = format!("a cluster is called {CHECKS:?}, as the checks that belong to none are: call it otherwise");
        all.push(("checks".to_owned(), why));
    }
    let entries: Vec<depends::Entry<'_>> = checks.iter().map(CheckConfig::entry).collect();
    for (i, check) in checks.iter().enumerate() {
        let at = format!("checks[{i}]");
        all.extend(check.problems().into_iter().map(|(key, why)| (format!("{at}{key}"), why)));
        if !names.insert(&check.name) {
            all.push((format!("{at}.name"), format!("there are two checks called {:?}", check.name)));
        }
        if let Some(cluster) = check.cluster().filter(|c| !clusters.contains(c)) {
            let (key, remedy) = match check.object.as_ref().is_some_and(|object| object.cluster.is_some()) {
                true => (".object.cluster", "an object is one of a cluster under `clusters`"),
                false => (".cluster", "leave it out where the check belongs to none"),
            };
            all.push((format!("{at}{key}"), format!("there is no cluster {cluster:?}; {remedy}")));
        }
        for (j, name) in check.depends_on.iter().enumerate() {
            let Some(why) = depends::problem(&entries, check.entry(), name) else { continue };
            all.push((format!("{at}.depends_on[{j}]"), why));
        }
    }
    all
}
