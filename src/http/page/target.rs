//! One target: its verdict, what the newest probe saw, and why the last failed ones failed.

use jiff::Timestamp;
use serde::Serialize;

use super::{Frame, Moment, job_title, render};
use crate::model::{
    ApiServerFacts, CheckLine, EtcdFacts, EtcdVia, Facts, KubeletFacts, KubeletVia, LiveTarget, Observation,
    ReadThrough, State, TlsFacts, TraceLine, text,
};

/// The view of a target's page.
#[derive(Clone, Debug, Serialize)]
pub struct TargetPage {
    cluster: String,
    job: String,
    title: &'static str,
    instance: String,
    node: String,
    state: State,
    since: Moment,
    reason: String,
    message: String,
    last_success: Option<Moment>,
    interval: String,
    timeout: String,
    last: Option<Last>,
    failures: Vec<Failed>,
}

#[derive(Clone, Debug, Serialize)]
struct Last {
    at: Moment,
    latency: String,
    failed: bool,
    facts: Vec<(&'static str, String)>,
    phases: Vec<(&'static str, String)>,
    certificates: Vec<Certificate>,
    failing_checks: Vec<CheckLine>,
    passing_checks: Vec<CheckLine>,
    trace: Vec<Step>,
}

#[derive(Clone, Debug, Serialize)]
struct Certificate {
    subject: String,
    issuer: String,
    until: String,
    left: String,
    expired: bool,
}

#[derive(Clone, Debug, Serialize)]
struct Failed {
    at: Moment,
    reason: &'static str,
    message: String,
    trace: Vec<Step>,
}

#[derive(Clone, Debug, Serialize)]
struct Step {
    after: String,
    text: String,
}

impl TargetPage {
    /// The view of this moment.
    pub fn new(t: &LiveTarget, now: Timestamp) -> Self {
        let key = &t.target.key;
        Self {
            cluster: key.cluster.to_string(),
            job: key.job.to_string(),
            title: job_title(key.job),
            instance: key.instance.to_string(),
            node: t.target.node.as_deref().unwrap_or_default().to_owned(),
            state: t.verdict.state,
            since: Moment::new(t.verdict.since, now),
            reason: t.verdict.reason.map(|r| r.to_string()).unwrap_or_default(),
            message: t.verdict.message.clone(),
            last_success: t.last_success.map(|at| Moment::new(at, now)),
            interval: text::duration(t.target.interval),
            timeout: text::duration(t.target.timeout),
            last: t.last.as_deref().map(|o| last(o, now)),
            failures: t
                .failures
                .iter()
                .map(|f| Failed {
                    at: Moment::new(f.at, now),
                    reason: f.failure.reason.as_str(),
                    message: f.failure.message.clone(),
                    trace: steps(&f.trace),
                })
                .collect(),
        }
    }

    /// The page.
    ///
    /// # Errors
    /// When a template is wrong, which the tests rule out.
    pub fn render(&self, frame: &Frame) -> Result<String, minijinja::Error> {
        render("target.html", frame, self)
    }
}

fn steps(trace: &[TraceLine]) -> Vec<Step> {
    trace.iter().map(|l| Step { after: text::latency(l.after), text: l.text.clone() }).collect()
}

fn last(o: &Observation, now: Timestamp) -> Last {
    let mut facts = Vec::new();
    if let Some(status) = o.http_status {
        facts.push(("HTTP status", status.to_string()));
    }
    match &o.facts {
        Facts::None => {}
        Facts::ApiServer(f) => apiserver(f, &mut facts),
        Facts::Kubelet(f) => kubelet(f, &mut facts),
        Facts::Etcd(f) => etcd(f, &mut facts),
    }
    if let Some(tls) = &o.tls {
        let trust = if tls.verified { "verified" } else { "not verified" };
        facts.push(("TLS", format!("{}, {trust}", tls.version.as_deref().unwrap_or("no version agreed"))));
    }
    let p = &o.phases;
    let phases = [
        ("resolve", p.resolve),
        ("connect", p.connect),
        ("tls", p.tls),
        ("processing", p.processing),
        ("transfer", p.transfer),
    ];
    let (passing_checks, failing_checks) = o.checks.iter().cloned().partition(|c| c.ok);
    Last {
        at: Moment::new(o.started, now),
        latency: text::latency(o.duration),
        failed: o.failure.is_some(),
        facts,
        phases: phases.into_iter().filter_map(|(name, d)| Some((name, text::latency(d?)))).collect(),
        certificates: o.tls.as_ref().map(|tls| certificates(tls, now)).unwrap_or_default(),
        failing_checks,
        passing_checks,
        trace: steps(&o.trace),
    }
}

fn certificates(tls: &TlsFacts, now: Timestamp) -> Vec<Certificate> {
    let view = |c: &crate::model::CertificateFact| {
        let expired = c.not_after < now;
        Certificate {
            subject: c.subject.clone(),
            issuer: c.issuer.clone(),
            until: text::date(c.not_after),
            left: if expired { text::between(c.not_after, now) } else { text::between(now, c.not_after) },
            expired,
        }
    };
    tls.chain.iter().map(view).collect()
}

fn yes_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

fn apiserver(f: &ApiServerFacts, facts: &mut Vec<(&'static str, String)>) {
    facts.extend(f.version.clone().map(|v| ("Version", v)));
    facts.extend(f.live.map(|v| ("Live", yes_no(v))));
    facts.extend(f.ready.map(|v| ("Ready", yes_no(v))));
    facts.extend(f.etcd_read.map(|read| {
        let text = match read {
            ReadThrough::Ok => "works".to_owned(),
            ReadThrough::Timeout => "no answer within its deadline".to_owned(),
            ReadThrough::Failed(status) => format!("HTTP {status}"),
        };
        ("Read through to etcd", text)
    }));
    if f.draining {
        facts.push(("Draining", "it is shutting down in order".to_owned()));
    }
    if f.etcd_only {
        facts.push(("Only etcd fails", "the server itself is fine".to_owned()));
    }
}

fn kubelet(f: &KubeletFacts, facts: &mut Vec<(&'static str, String)>) {
    let via = match f.via {
        KubeletVia::Direct => "directly, on its own port",
        KubeletVia::Proxy => "through the API server",
    };
    facts.push(("Asked", via.to_owned()));
    facts.extend(f.direct_status.map(|s| ("Status on its own port", s.to_string())));
}

fn etcd(f: &EtcdFacts, facts: &mut Vec<(&'static str, String)>) {
    facts.extend(f.name.clone().filter(|n| !n.is_empty()).map(|n| ("Member", n)));
    facts.extend(f.version.clone().map(|v| ("Version", v)));
    facts.extend(f.has_leader.map(|v| ("Has a leader", yes_no(v))));
    facts.extend(f.is_leader.map(|v| ("Is the leader", yes_no(v))));
    if !f.members.is_empty() {
        facts.push(("Members in its list", f.members.len().to_string()));
    }
    if let Some(size) = f.db_size {
        let used = f.db_size_in_use.map(|b| format!(", {} in use", text::size(b))).unwrap_or_default();
        let quota = f.db_quota.map(|b| format!(", quota {}", text::size(b))).unwrap_or_default();
        facts.push(("Database", format!("{}{used}{quota}", text::size(size))));
    }
    if let (Some(term), Some(index)) = (f.raft_term, f.raft_index) {
        facts.push(("Raft", format!("term {term}, index {index}")));
    }
    facts.extend(f.alarms.iter().map(|a| ("Alarm", a.alarm.clone())));
    facts.extend(f.errors.iter().map(|e| ("Error", e.clone())));
    facts.push((
        "Asked",
        match f.via {
            EtcdVia::Client => "on its client port, with our certificate",
            EtcdVia::Metrics => "on its metrics port only",
            EtcdVia::Handshake => "by a TLS handshake only: it wants a client certificate",
        }
        .to_owned(),
    ));
}
