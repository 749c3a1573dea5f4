//! What one probe saw.

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{CheckFacts, EtcdFacts, KubeletVia, Target};

/// The typed reason of a failed probe; its `Display` is the `reason` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The name did not resolve.
    Dns,
    /// The host answered that nothing listens there, or reset the connection.
    Refused,
    /// The network said that there is no way (no route, host unreachable).
    Unreachable,
    /// Silence until the deadline.
    Timeout,
    /// The handshake failed or the certificate can't be trusted.
    Tls,
    /// 401 or 403: the component lives, our credentials are the problem.
    Auth,
    /// Another HTTP status than the healthy one.
    HttpStatus,
    /// The answer is not what this component says (cut, empty, another format), or what a check asks of it.
    Body,
    /// It answers, and not as a check asks: another banner, another record, a header that is missing.
    Answer,
    /// It answers well, and later than a check allows.
    Slow,
    /// Its certificate is good, and lasts less long than a check asks.
    Certificate,
    /// It answers as the component that it is, and says that it is not well (a failed check, no leader).
    Degraded,
    /// It lives, and has no time for us (429).
    Throttled,
    /// Something else answers in front of it (a firewall, a login page): nothing is known of it.
    Foreign,
    /// The probe failed on the watchdog's own side ([`Failure::ours`] says at what): nothing is known of the target.
    Local,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 15] = [
        Reason::Dns,
        Reason::Refused,
        Reason::Unreachable,
        Reason::Timeout,
        Reason::Tls,
        Reason::Auth,
        Reason::HttpStatus,
        Reason::Body,
        Reason::Answer,
        Reason::Slow,
        Reason::Certificate,
        Reason::Degraded,
        Reason::Throttled,
        Reason::Foreign,
        Reason::Local,
    ];

    /// Returns the `reason` label.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Dns => "dns",
            Reason::Refused => "refused",
            Reason::Unreachable => "unreachable",
            Reason::Timeout => "timeout",
            Reason::Tls => "tls",
            Reason::Auth => "auth",
            Reason::HttpStatus => "http_status",
            Reason::Body => "body",
            Reason::Answer => "answer",
            Reason::Slow => "slow",
            Reason::Certificate => "certificate",
            Reason::Degraded => "degraded",
            Reason::Throttled => "throttled",
            Reason::Foreign => "foreign",
            Reason::Local => "local",
        }
    }

    /// Returns true where the answer does not tell whether the target is well: such a target is `unknown`, never
    /// `down`.
    pub fn tells_nothing(self) -> bool {
        matches!(self, Reason::Auth | Reason::Throttled | Reason::Foreign)
    }

    /// Returns true where the network gave no sign of life at all: a power cut, a cable and a firewall look like this.
    pub fn is_silence(self) -> bool {
        matches!(self, Reason::Timeout | Reason::Unreachable | Reason::Dns)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Says what failed on the watchdog's own side, so that a probe says nothing of its target.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ours {
    /// The process or the machine has no file descriptor left (EMFILE, ENFILE).
    Files,
    /// No local address or port is left to connect from (EADDRNOTAVAIL).
    Ports,
    /// The kernel has no memory for a socket (ENOBUFS, ENOMEM).
    Memory,
    /// A firewall on the watchdog's own machine forbids it (EPERM).
    Firewall,
    /// The proxy that our connections go through, as `host:port`.
    Proxy(String),
    /// The resolver of this machine answers for no name.
    Resolver,
    /// The kernel lets the watchdog's user send no echo requests.
    Ping,
    /// Our TLS library lacks something that others have: what, in words.
    Tls(String),
}

/// Says why a probe failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The typed reason.
    pub reason: Reason,
    /// In words that fit after "because": "connection refused by 10.0.0.1:6443", "certificate expired on 2026-01-02".
    /// Never a secret, never more than [`Failure::MESSAGE_MAX`] bytes.
    pub message: String,
    /// What it was on our own side; `Some` exactly where the reason is [`Reason::Local`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ours: Option<Ours>,
}

impl Failure {
    /// The longest message in bytes: one line that a person reads, whatever a sick server sends.
    pub const MESSAGE_MAX: usize = 300;

    /// Cuts the message to [`Failure::MESSAGE_MAX`] at a character boundary, control characters become spaces.
    pub fn new(reason: Reason, message: impl AsRef<str>) -> Self {
        let mut text = String::new();
        for c in message.as_ref().chars() {
            if text.len() + c.len_utf8() > Self::MESSAGE_MAX - '…'.len_utf8() {
                text.push('…');
                break;
            }
            text.push(if c.is_control() { ' ' } else { c });
        }
        Self { reason, message: text, ours: None }
    }

    /// Returns a failure on our own side, which accuses nobody.
    pub fn ours(ours: Ours, message: impl AsRef<str>) -> Self {
        Self { ours: Some(ours), ..Self::new(Reason::Local, message) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.reason)
    }
}

/// Says how long each phase took; `None` where the probe did not reach it (or reused a connection).
/// Names as in blackbox_exporter's `probe_http_duration_seconds{phase}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phases {
    /// DNS.
    pub resolve: Option<Duration>,
    /// TCP.
    pub connect: Option<Duration>,
    /// TLS handshake.
    pub tls: Option<Duration>,
    /// Request sent to first byte of the answer.
    pub processing: Option<Duration>,
    /// First byte to last.
    pub transfer: Option<Duration>,
}

/// One certificate that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CertificateFact {
    /// RFC 4514-like subject, e.g. `CN=kube-apiserver`.
    pub subject: String,
    /// Its issuer.
    pub issuer: String,
    /// `notAfter`.
    pub not_after: Timestamp,
    /// `notBefore`.
    pub not_before: Timestamp,
    /// Where it was seen: `serving` (presented by the target, leaf first), `ca` (in our own hands, vouching for what is
    /// presented), `kubeconfig` or `etcd-client` (our own).
    pub source: String,
}

/// Holds what the handshake told, kept even where verification failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFacts {
    /// `TLS 1.2` or `TLS 1.3`, where the handshake got so far.
    pub version: Option<String>,
    /// The whole chain as presented, leaf first. Shared: it is the same with every probe.
    pub chain: Arc<[CertificateFact]>,
    /// The CA among those that we trust that vouches for the chain, or would if it had not ended; `None` where it is not
    /// known, or one of the machine's own.
    #[serde(default)]
    pub anchor: Option<CertificateFact>,
    /// Whether it verified against the CA and an accepted name.
    pub verified: bool,
}

/// One line of `/livez?verbose`, `/readyz?verbose` or `/healthz?verbose`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckLine {
    /// Which page: `livez`, `readyz`, `healthz`, or for etcd `health`.
    pub page: String,
    /// The check, e.g. `etcd`, `poststarthook/rbac/bootstrap-roles`.
    pub name: String,
    /// `[+]` or `[-]`.
    pub ok: bool,
    /// What the component said of a failed one ("reason withheld").
    pub message: String,
}

/// A step of a probe, for "why did it fail?".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceLine {
    /// Since the probe's start.
    pub after: Duration,
    /// What happened.
    pub text: String,
}

/// The outcome of the read that goes through to etcd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadThrough {
    /// The object came.
    Ok,
    /// Not within its short deadline.
    Timeout,
    /// An error from the server (HTTP status).
    Failed(u16),
}

/// Holds what a kube-apiserver told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiServerFacts {
    /// `gitVersion` of `/version`.
    pub version: Option<String>,
    /// `/livez` is fine.
    pub live: Option<bool>,
    /// `/readyz` is fine.
    pub ready: Option<bool>,
    /// The read through to etcd.
    pub etcd_read: Option<ReadThrough>,
    /// `/readyz` fails on `shutdown`: it drains, which is no outage.
    pub draining: bool,
    /// The only failing checks are etcd's: the server itself is fine.
    pub etcd_only: bool,
    /// Everything that it answers is late: the line or the server is slow, and no part of it is to blame.
    pub slow: bool,
}

/// Holds what a kubelet told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubeletFacts {
    /// Which way gave the answer.
    pub via: KubeletVia,
    /// HTTP status on the direct port, where it answered there: 200, 401 and 403 are three different facts.
    pub direct_status: Option<u16>,
}

/// Says what is special to a component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Facts {
    /// Nothing.
    None,
    /// Of a kube-apiserver.
    ApiServer(ApiServerFacts),
    /// Of a kubelet.
    Kubelet(KubeletFacts),
    /// Of an etcd member.
    Etcd(Box<EtcdFacts>),
    /// Of a check.
    Check(CheckFacts),
}

/// Holds what one probe of one target saw. A sick target is an observation, never an `Err`.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Whom.
    pub target: Arc<Target>,
    /// Wall time of the start.
    pub started: Timestamp,
    /// From the start to the last byte or the deadline.
    pub duration: Duration,
    /// `None` where it succeeded.
    pub failure: Option<Failure>,
    /// The target answered as the component that it should be, healthy or not (a 401 or a failed check is an answer).
    pub answered: bool,
    /// Phases of the probe's first exchange.
    pub phases: Phases,
    /// HTTP status of the first exchange.
    pub http_status: Option<u16>,
    /// The handshake.
    pub tls: Option<TlsFacts>,
    /// Every check line.
    pub checks: Vec<CheckLine>,
    /// What is special to the component.
    pub facts: Facts,
    /// The steps, kept short.
    pub trace: Vec<TraceLine>,
}

impl Observation {
    /// Returns a probe that failed before it saw anything.
    pub fn failed(target: Arc<Target>, started: Timestamp, failure: Failure) -> Self {
        Self {
            target,
            started,
            duration: Duration::ZERO,
            failure: Some(failure),
            answered: false,
            phases: Phases::default(),
            http_status: None,
            tls: None,
            checks: Vec::new(),
            facts: Facts::None,
            trace: Vec::new(),
        }
    }

    /// Returns whether it lives and refuses our credentials: by its answer, or, as they are a client certificate, by
    /// ending a handshake in which its own certificate was good.
    pub fn refuses_us(&self) -> bool {
        match self.failure.as_ref().map(|f| f.reason) {
            Some(Reason::Auth) => true,
            Some(Reason::Tls) => self
                .tls
                .as_ref()
                .is_some_and(|tls| tls.verified && tls.chain.iter().all(|c| c.not_after > self.started)),
            _ => false,
        }
    }

    /// The longest trace kept, in lines: enough for the phases of four exchanges.
    pub const TRACE_MAX: usize = 32;
    /// The most check lines kept: an API server has about 60 on two pages.
    pub const CHECKS_MAX: usize = 256;
}
