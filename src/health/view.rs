//! The vocabulary of this room: a target and a cluster as they stand, how a target fails, and how several are told.
//!
//! Knows no subject: what etcd, a host or a node amounts to is decided above.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use super::{phrases, recent::Recent};
use crate::model::{
    ApiServerFacts, CanaryStanding, CertificateFact, CheckName, ClusterSnapshot, EtcdFacts, Facts, FindingKey, Job,
    KubeletVia, Observation, ProbeSpec, Reason, Situation, State, Target, TokenFact, Verdict, text,
};

/// A target as it stands.
#[derive(Clone, Copy, Debug)]
pub struct TargetView<'a> {
    /// What it is.
    pub target: &'a Target,
    /// Its confirmed verdict.
    pub verdict: &'a Verdict,
    /// The newest observation that tells anything of it: none that failed on our own side.
    pub last: Option<&'a Observation>,
    /// When it last succeeded.
    pub last_success: Option<Timestamp>,
}

/// A cluster as it stands. Guesses that never answered are not among the targets.
#[derive(Clone, Debug)]
pub struct ClusterView<'a> {
    /// Its name.
    pub cluster: &'a Arc<str>,
    /// Wall time.
    pub now: Timestamp,
    /// The targets that are its components, in any order.
    pub targets: Vec<TargetView<'a>>,
    /// The checks that belong to it, in any order.
    pub checks: Vec<TargetView<'a>>,
    /// Checks of other groups that one of these depends on.
    pub elsewhere: Vec<Elsewhere<'a>>,
    /// How the canary stands; none where it is off.
    pub canaries: &'a [CanaryStanding],
    /// What its recorded objects amount to; `None`: nothing is recorded.
    pub situation: Option<&'a Situation>,
    /// What no single look shows.
    pub recent: &'a Recent,
    /// What an API server last told.
    pub snapshot: &'a ClusterSnapshot,
    /// Our own client certificates.
    pub own_certificates: &'a [CertificateFact],
    /// Our bearer token, where it ends.
    pub own_token: Option<&'a TokenFact>,
    /// False while the watchdog is cut off.
    pub vantage_ok: bool,
}

/// A check of another group, as far as it explains one of this.
#[derive(Clone, Debug)]
pub struct Elsewhere<'a> {
    /// Its name.
    pub name: CheckName,
    /// Its targets: one, or one at each node.
    pub targets: Vec<TargetView<'a>>,
    /// Its group has been diagnosed since the start.
    pub is_judged: bool,
    /// What is told of its failure there: itself, or what explains it; `None`: nothing, so far.
    pub told: Option<FindingKey>,
}

/// Says how a target fails, as far as it can be seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum How {
    /// Nothing listens there: the host lives, the process does not.
    Refused,
    /// No packet came back.
    Silent,
    /// The network says that there is no way.
    Unreachable,
    /// The name does not resolve.
    Dns,
    /// TCP connects, then nothing: a stopped or starved process.
    Hangs,
    /// No TLS session comes about.
    Handshake,
    /// A certificate that has run out: everybody refuses it.
    Expired,
    /// A certificate of a CA that has run out: everybody who trusts that CA alone refuses it.
    CaExpired,
    /// A certificate that *we* don't trust: no outage.
    Untrusted,
    /// It refuses our credentials: no outage either.
    Credentials,
    /// It answers something else.
    Wrong,
    /// It says that etcd is what fails.
    EtcdFails,
    /// It says that it is not well.
    Sick,
    /// All that it answers is late: the line, or all of it.
    Slow,
    /// It lives and has no time for us.
    Throttles,
    /// Something else answers in front of it.
    Hidden,
    /// Our own side failed: nothing is known of it.
    Unseen,
}

impl How {
    /// As a predicate of one or of several.
    pub(super) fn says(self, n: usize) -> &'static str {
        let (one, many) = match self {
            How::Refused => ("refuses connections", "refuse connections"),
            How::Silent => ("is silent", "are silent"),
            How::Unreachable => ("can't be reached", "can't be reached"),
            How::Dns => ("has a name that does not resolve", "have names that do not resolve"),
            How::Hangs => ("accepts connections and then hangs", "accept connections and then hang"),
            How::Handshake => ("fails the TLS handshake", "fail the TLS handshake"),
            How::Expired => ("presents an expired certificate", "present an expired certificate"),
            How::CaExpired => ("is certified by a CA that has expired", "are certified by a CA that has expired"),
            How::Untrusted => {
                ("presents a certificate that can't be trusted", "present certificates that can't be trusted")
            }
            How::Credentials => ("refuses our credentials", "refuse our credentials"),
            How::Wrong => ("answers wrongly", "answer wrongly"),
            How::EtcdFails => ("fails on etcd", "fail on etcd"),
            How::Sick => ("is not healthy", "are not healthy"),
            How::Slow => ("answers slowly", "answer slowly"),
            How::Throttles => ("throttles us", "throttle us"),
            How::Hidden => {
                ("is hidden behind something else that answers", "are hidden behind something else that answers")
            }
            How::Unseen => ("can't be seen for a reason of our own", "can't be seen for a reason of our own"),
        };
        if n == 1 { one } else { many }
    }

    /// Returns whether the network gave no sign of life of the host.
    pub(super) fn is_silence(self) -> bool {
        matches!(self, How::Silent | How::Unreachable | How::Dns)
    }

    /// How sure it is that what fails so is down.
    pub(super) fn sureness(self) -> Sureness {
        match self {
            How::Refused | How::Hangs | How::Expired | How::CaExpired | How::EtcdFails | How::Sick => Sureness::Certain,
            How::Silent | How::Unreachable | How::Dns => Sureness::Likely,
            How::Handshake | How::Wrong => Sureness::Open,
            How::Untrusted | How::Credentials | How::Slow | How::Throttles | How::Hidden | How::Unseen => {
                Sureness::Open
            }
        }
    }

    /// Returns whether what is wrong is between it and us: no word against it.
    pub(super) fn is_ours(self) -> bool {
        matches!(self, How::Untrusted | How::Credentials | How::Slow | How::Throttles | How::Hidden | How::Unseen)
    }

    /// Returns whether it answers as the component that it is, and is not well.
    pub(super) fn is_sickness(self) -> bool {
        matches!(self, How::EtcdFails | How::Sick)
    }
}

impl<'a> TargetView<'a> {
    pub(super) fn job(&self) -> Job {
        self.target.key.job
    }

    pub(super) fn instance(&self) -> &'a str {
        &self.target.key.instance
    }

    pub(super) fn host(&self) -> &'a str {
        phrases::host(self.instance())
    }

    pub(super) fn is_up(&self) -> bool {
        self.verdict.state == State::Up
    }

    pub(super) fn is_down(&self) -> bool {
        self.verdict.state == State::Down
    }

    /// Returns whether it is confirmed to be broken, our own certificates and credentials apart.
    pub(super) fn is_broken(&self) -> bool {
        self.is_down() && !self.how().is_ours()
    }

    /// Returns whether it is confirmed to refuse us, by an answer or, with TLS client certificates, in the handshake.
    pub(super) fn refuses_us(&self) -> bool {
        self.is_confirmed(How::Credentials)
    }

    /// Returns whether it is confirmed to be so.
    pub(super) fn is_confirmed(&self, how: How) -> bool {
        let confirmed = matches!(self.verdict.state, State::Unknown | State::Down);
        confirmed && self.verdict.reason.is_some() && self.how() == how
    }

    /// Returns whether it is still to be judged: suspected, or not probed yet.
    pub(super) fn is_open(&self) -> bool {
        match self.verdict.state {
            State::Suspect => true,
            State::Unknown => self.verdict.reason.is_none(),
            _ => false,
        }
    }

    /// Returns whether there is no sign of life at all, confirmed or (`Suspect`) on the way there.
    pub(super) fn is_silent(&self) -> bool {
        matches!(self.verdict.state, State::Down | State::Suspect | State::Flapping)
            && (self.how().is_silence() || (self.verdict.state == State::Suspect && self.verdict.reason.is_none()))
            && self.last.is_none_or(|o| o.failure.is_some() || self.verdict.state == State::Suspect)
    }

    /// Returns how it fails; meaningful where it does.
    pub(super) fn how(&self) -> How {
        let failed = self.last.filter(|o| o.failure.as_ref().map(|f| f.reason) == self.verdict.reason);
        match self.verdict.reason {
            Some(Reason::Refused) => How::Refused,
            Some(Reason::Unreachable) => How::Unreachable,
            Some(Reason::Dns) => How::Dns,
            Some(Reason::Timeout) if failed.is_some_and(|o| o.phases.connect.is_some()) => How::Hangs,
            Some(Reason::Timeout) | None => How::Silent,
            Some(Reason::Auth) => How::Credentials,
            Some(Reason::Tls) => match failed.and_then(|o| Some((o, o.tls.as_ref()?))) {
                Some((o, tls)) if tls.chain.iter().any(|c| c.not_after <= o.started) => How::Expired,
                Some((o, tls)) if tls.anchor.as_ref().is_some_and(|c| c.not_after <= o.started) => How::CaExpired,
                Some((_, tls)) if !tls.verified && !tls.chain.is_empty() => How::Untrusted,
                // It showed a good certificate and then ended the handshake: it does not like ours.
                Some((_, tls)) if tls.verified => How::Credentials,
                _ => How::Handshake,
            },
            Some(Reason::HttpStatus | Reason::Body | Reason::Answer | Reason::Certificate) => How::Wrong,
            Some(Reason::Slow) => How::Slow,
            Some(Reason::Degraded) if self.api_facts().is_some_and(|f| f.etcd_only) => How::EtcdFails,
            Some(Reason::Degraded) if self.api_facts().is_some_and(|f| f.slow) => How::Slow,
            Some(Reason::Degraded) => How::Sick,
            Some(Reason::Throttled) => How::Throttles,
            Some(Reason::Foreign) => How::Hidden,
            Some(Reason::Local) => How::Unseen,
        }
    }

    pub(super) fn api_facts(&self) -> Option<&'a ApiServerFacts> {
        match &self.last?.facts {
            Facts::ApiServer(facts) => Some(facts),
            _ => None,
        }
    }

    pub(super) fn etcd_facts(&self) -> Option<&'a EtcdFacts> {
        match &self.last?.facts {
            Facts::Etcd(facts) => Some(facts),
            _ => None,
        }
    }

    /// Returns whether it is asked through an API server: its silence may be that one's.
    pub(super) fn by_proxy(&self) -> bool {
        let ProbeSpec::Kubelet { via, .. } = &self.target.spec else { return false };
        let found = || match &self.last?.facts {
            Facts::Kubelet(facts) => Some(facts.via),
            _ => None,
        };
        via.or_else(found) == Some(KubeletVia::Proxy)
    }

    /// Returns whether it is a kubelet that has never answered from here, and of which nobody says that it is dead: it may be
    /// out of our reach for good.
    pub fn is_stranger(&self) -> bool {
        let refused = self.by_proxy() && self.verdict.reason == Some(Reason::Refused);
        self.job() == Job::Kubelet && !self.verdict.reached && !refused
    }

    /// Returns the node that it is the kubelet of, or runs on.
    pub(super) fn node(&self) -> Option<&'a str> {
        match &self.target.spec {
            ProbeSpec::Kubelet { node, .. } => Some(node),
            _ => self.target.node.as_deref(),
        }
    }

    /// Returns a line of evidence: `API server 10.0.0.1:6443 refuses connections since …: connection refused`.
    pub(super) fn line(&self) -> String {
        let Self { verdict, .. } = self;
        let what = match verdict.state {
            State::Down => self.how().says(1),
            State::Up => "is healthy",
            state => state.as_str(),
        };
        let why = if verdict.message.is_empty() { String::new() } else { format!(": {}", verdict.message) };
        let healthy = self.last_success.filter(|_| verdict.state == State::Down);
        // A success since then is no end yet: the verdict waits for more of them.
        let when = |at| if at > verdict.since { "answered well again" } else { "last healthy" };
        let healthy = healthy.map(|at| format!("; {} {}", when(at), text::moment(at))).unwrap_or_default();
        let (job, since) = (phrases::job(self.job(), 1), text::moment(verdict.since));
        format!("{job} {} {what} since {since}{why}{healthy}", self.instance())
    }

    /// Returns the checks that fail, by name.
    pub(super) fn failed_checks(&self) -> Vec<&'a str> {
        let mut names: Vec<_> =
            self.last.iter().flat_map(|o| &o.checks).filter(|c| !c.ok).map(|c| c.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Returns labels of a finding about these targets: `job` where they share it, `instance` and `node` where there is one
/// target.
pub(super) fn labels(targets: &[&TargetView<'_>]) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    if let Some(first) = targets.first() {
        if targets.iter().all(|t| t.job() == first.job()) {
            labels.insert("job".into(), first.job().to_string());
        }
        if targets.len() == 1 {
            labels.insert("instance".into(), first.instance().to_owned());
            labels.extend(first.node().map(|n| ("node".into(), n.to_owned())));
        }
    }
    labels
}

/// Returns the earliest `since` of these targets.
pub(super) fn earliest(targets: &[&TargetView<'_>], or: Timestamp) -> Timestamp {
    targets.iter().map(|t| t.verdict.since).min().unwrap_or(or)
}

/// How sure a word is, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sureness {
    /// By its own word, or its host's.
    Certain,
    /// It gives no sign of life, which may be the way there.
    Likely,
    /// That it fails is a fact, and why it does is not known.
    Open,
}

/// Returns how they all fail, where they fail alike.
pub(super) fn same_how(targets: &[&TargetView<'_>]) -> Option<How> {
    let first = targets.first()?.how();
    targets.iter().all(|t| t.how() == first).then_some(first)
}

/// How many instances a headline names before "and 3 more".
pub(super) const NAMED: usize = 4;
