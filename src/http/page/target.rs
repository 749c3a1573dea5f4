//! One target: its verdict, what the newest probe saw, and why the last failed ones failed.

use std::sync::Arc;

use serde::Serialize;

use super::{Frame, Moment, Now, alerts, job_title, past::Past, path, render};
use crate::{
    http::history::TargetHistory,
    model::{
        Alert, ApiServerFacts, CheckLine, EtcdFacts, EtcdVia, Facts, Incident, KubeletFacts, KubeletVia, LiveAlert,
        LiveTarget, Observation, ReadThrough, State, Target, TlsFacts, TraceLine, text,
    },
};

/// Alerts and incidents listed on a target's page.
const ALERTS_MAX: usize = 20;

/// The view of a target's page.
#[derive(Clone, Debug, Serialize)]
pub struct TargetPage {
    cluster: String,
    job: String,
    title: String,
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
    /// The open incidents that it is part of: `(path, headline)`.
    incidents: Vec<(String, String)>,
    /// What fires about it.
    alerts: Vec<alerts::Row>,
    past: Option<Past>,
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
    /// How often it was said in a row.
    times: usize,
}

impl TargetPage {
    /// The view of this moment.
    pub fn new(t: &LiveTarget, now: &Now) -> Self {
        let key = &t.target.key;
        Self {
            cluster: key.cluster.to_string(),
            job: key.job.to_string(),
            title: job_title(key.job, now),
            instance: key.instance.to_string(),
            node: t.target.node.as_deref().unwrap_or_default().to_owned(),
            state: t.verdict.state,
            since: Moment::new(t.verdict.since, now),
            reason: t.verdict.reason.map(|r| r.to_string()).unwrap_or_default(),
            message: t.verdict.message.clone(),
            last_success: t.last_success.map(|at| Moment::new(at, now)),
            interval: now.voice.duration(t.target.interval),
            timeout: now.voice.duration(t.target.timeout),
            last: t.last.as_deref().map(|o| last(o, now)),
            failures: t
                .failures
                .iter()
                .map(|f| Failed {
                    at: Moment::new(f.at, now),
                    reason: f.failure.reason.as_str(),
                    message: f.failure.message.clone(),
                    trace: steps(&f.trace, now),
                })
                .collect(),
            incidents: Vec::new(),
            alerts: Vec::new(),
            past: None,
        }
    }

    /// The same, with what fires about it and the open incidents that this is part of.
    pub fn with_alerts(self, target: &Target, alerts: &[LiveAlert], incidents: &[Arc<Incident>], now: &Now) -> Self {
        let about = |a: &&LiveAlert| !a.alert.is_over(now.at) && is_about(&a.alert, target, self.state);
        let mine: Vec<&LiveAlert> = alerts.iter().filter(about).collect();
        let open =
            incidents.iter().filter(|i| i.resolved_at.is_none() && mine.iter().any(|a| a.incident == Some(i.id)));
        let link =
            |i: &Arc<Incident>| (path(&["incidents", &i.id.to_string()]), now.voice.incident(i).headline.clone());
        Self {
            incidents: open.take(ALERTS_MAX).map(link).collect(),
            alerts: mine.into_iter().take(ALERTS_MAX).map(|a| alerts::row(a, now)).collect(),
            ..self
        }
    }

    /// The same, with its past.
    pub fn with_history(self, history: &TargetHistory, now: &Now) -> Self {
        Self { past: Some(Past::new(history, now)), ..self }
    }

    /// The page.
    ///
    /// # Errors
    /// When a template is wrong, which the tests rule out.
    pub fn render(&self, frame: &Frame) -> Result<String, minijinja::Error> {
        render("target.html", frame, self)
    }
}

/// Whether an alert is about a target: by its instance, by its node, or by its job alone where the target is not up.
fn is_about(alert: &Alert, target: &Target, state: State) -> bool {
    let key = &target.key;
    let (job, instance, node) = (alert.label("job"), alert.label("instance"), alert.label("node"));
    let host = key.instance.rsplit_once(':').map_or(&*key.instance, |(host, _)| host);
    let of_job = job.is_empty() || job == key.job.as_str();
    let named = (!instance.is_empty() && (instance == &*key.instance || instance == host))
        || (!node.is_empty() && Some(node) == target.node.as_deref());
    let of_all = instance.is_empty() && node.is_empty() && job == key.job.as_str() && state != State::Up;
    alert.label("cluster") == &*key.cluster && ((named && of_job) || of_all)
}

/// What is said several times in a row is said once, with how often.
fn steps(trace: &[TraceLine], now: &Now) -> Vec<Step> {
    let same = trace.chunk_by(|a, b| a.text == b.text);
    let step = |l: &[TraceLine]| {
        let first = l.first()?;
        Some(Step { after: now.voice.latency(first.after), text: first.text.clone(), times: l.len() })
    };
    same.filter_map(step).collect()
}

fn last(o: &Observation, now: &Now) -> Last {
    let mut facts = Vec::new();
    if let Some(status) = o.http_status {
        facts.push(("HTTP status", status.to_string()));
    }
    match &o.facts {
        Facts::None => {}
        Facts::ApiServer(f) => apiserver(f, &mut facts),
        Facts::Kubelet(f) => kubelet(f, &mut facts),
        Facts::Etcd(f) => etcd(f, &mut facts),
        Facts::Check(_) => {}
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
        latency: now.voice.latency(o.duration),
        failed: o.failure.is_some(),
        facts,
        phases: phases.into_iter().filter_map(|(name, d)| Some((name, now.voice.latency(d?)))).collect(),
        certificates: o.tls.as_ref().map(|tls| certificates(tls, now)).unwrap_or_default(),
        failing_checks,
        passing_checks,
        trace: steps(&o.trace, now),
    }
}

fn certificates(tls: &TlsFacts, now: &Now) -> Vec<Certificate> {
    let view = |c: &crate::model::CertificateFact| {
        let expired = c.not_after < now.at;
        Certificate {
            subject: c.subject.clone(),
            issuer: c.issuer.clone(),
            until: now.voice.date(c.not_after),
            left: now.voice.between(c.not_after.min(now.at), c.not_after.max(now.at)),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::model::{Job, ProbeSpec, TargetKey};

    #[test]
    fn an_alert_is_about_its_instance_its_node_or_its_job() {
        let target = Target {
            key: TargetKey { cluster: "prod".into(), job: Job::Etcd, instance: "10.0.0.1:2379".into() },
            node: Some("cp-1".into()),
            spec: ProbeSpec::Etcd { client: "https://10.0.0.1:2379".parse().unwrap(), metrics: None },
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            guessed: false,
            labels: Default::default(),
        };
        let check = |labels: &[(&str, &str)], state: State, expected: bool| {
            let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let alert = Alert {
                labels,
                annotations: Default::default(),
                starts_at: Timestamp::UNIX_EPOCH,
                ends_at: None,
                generator_url: String::new(),
            };
            assert_eq!(is_about(&alert, &target, state), expected, "{alert:?}");
        };
        let prod = ("cluster", "prod");
        check(&[prod, ("job", "etcd"), ("instance", "10.0.0.1:2379")], State::Up, true);
        check(&[prod, ("instance", "10.0.0.1")], State::Up, true);
        check(&[prod, ("job", "kubelet"), ("instance", "10.0.0.1:2379")], State::Up, false);
        check(&[prod, ("node", "cp-1")], State::Up, true);
        check(&[prod, ("node", "cp-2")], State::Down, false);
        check(&[prod, ("job", "etcd")], State::Down, true);
        check(&[prod, ("job", "etcd")], State::Up, false);
        check(&[prod], State::Down, false);
        check(&[("cluster", "staging"), ("instance", "10.0.0.1:2379")], State::Down, false);
    }

    #[test]
    fn what_is_said_in_a_row_is_said_once() {
        let line = |ms, text: &str| TraceLine { after: Duration::from_millis(ms), text: text.into() };
        let shown = steps(&[line(1, "a"), line(2, "b"), line(3, "b"), line(4, "a")], &Timestamp::UNIX_EPOCH.into());
        let shown: Vec<_> = shown.iter().map(|s| (&*s.after, &*s.text, s.times)).collect();
        assert_eq!(shown, [("1 ms", "a", 1), ("2 ms", "b", 2), ("4 ms", "a", 1)]);
    }
}
