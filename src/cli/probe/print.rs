//! How what was probed is shown: a table, the steps of each probe, JSON.

use std::borrow::Cow;

use comfy_table::{Table, presets};
use serde::Serialize;

use super::*;
use crate::model::{Job, text};

pub(super) fn print(seen: &[Probed], word: &str, unread: &[String], gaps: &[NotWatched]) {
    let count = |grade: Grade| seen.iter().filter(|p| p.grade == grade).count();
    let parts = [(Grade::Down, "down"), (Grade::Degraded, "degraded"), (Grade::Unknown, "unknown"), (Grade::Up, "up")];
    let summary: Vec<String> =
        parts.iter().filter(|(g, _)| count(*g) > 0).map(|(g, what)| format!("{} {what}", count(*g))).collect();
    let unread: Vec<String> = unread.iter().map(|why| format!("; {why}")).collect();
    let mut names: Vec<&str> = gaps.iter().filter(|g| !g.gap.turned_off).map(|g| g.gap.name()).collect();
    names.dedup();
    let names = if names.is_empty() { String::new() } else { format!("; not watched: {}", names.join(", ")) };
    let (summary, unread) = (summary.join(", "), unread.concat());
    let summary =
        if seen.is_empty() { "nothing answers".into() } else { format!("{summary} of {} targets", seen.len()) };
    output::say(&format!("DOGWATCH {word} - {summary}{unread}{names}"));
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["TARGET", "NODE", "VERDICT", "MS", "WHY"]);
    for p in seen {
        let o = &p.observation;
        table.add_row([
            o.target.key.to_string(),
            o.target.node.as_deref().unwrap_or_default().to_string(),
            p.grade.word().0.to_string(),
            o.duration.as_millis().to_string(),
            p.why().unwrap_or_else(|| fine(o)),
        ]);
    }
    let mut lines = table.lines();
    let header = lines.next().unwrap_or_default();
    if !seen.is_empty() {
        output::say(header.trim());
    }
    // One row, one line. Coloured after it is laid out: the table counts the bytes of a colour as letters.
    for (line, p) in lines.zip(seen) {
        let (word, color) = p.grade.word();
        let style = output::style(color);
        let line = text::readable(line.trim());
        output::say_coloured(&line.replacen(&format!(" {word} "), &format!(" {style}{word}{style:#} "), 1));
    }
    for NotWatched { cluster, gap, .. } in gaps {
        output::say(&format!("not watched: {cluster}/{gap}"));
    }
}

pub(super) fn print_steps(seen: &[Probed]) {
    for o in seen.iter().map(|p| &p.observation) {
        output::say(&format!("\n{}", o.target.key));
        for step in &o.trace {
            output::say(&format!("  {:>6} ms  {}", step.after.as_millis(), step.text));
        }
    }
}

/// An array: each target, then each component that is not watched.
pub(super) fn json(seen: &[Probed], gaps: &[NotWatched]) -> serde_json::Result<String> {
    let rows = seen.iter().map(|p| serde_json::to_value(Row::of(p)));
    let all: serde_json::Result<Vec<_>> = rows.chain(gaps.iter().map(serde_json::to_value)).collect();
    serde_json::to_string_pretty(&all?)
}

/// A component of which nothing was seen: neither up nor down.
#[derive(Debug, Serialize)]
pub(super) struct NotWatched {
    cluster: String,
    verdict: &'static str,
    #[serde(flatten)]
    pub(super) gap: Gap,
}

impl NotWatched {
    pub(super) fn new(cluster: &str, gap: Gap) -> Self {
        Self { cluster: cluster.into(), verdict: "not_watched", gap }
    }
}

/// What a healthy target told, in short.
fn fine(o: &Observation) -> String {
    let checks = match o.checks.len() {
        0 => String::new(),
        n => format!("{n} checks ok"),
    };
    let version = match &o.facts {
        Facts::ApiServer(a) => a.version.clone(),
        Facts::Etcd(e) => {
            e.version.clone().map(|v| format!("{v}{}", if e.is_leader == Some(true) { ", leader" } else { "" }))
        }
        _ => None,
    };
    [version, Some(checks).filter(|c| !c.is_empty())].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[derive(Serialize)]
struct Row<'a> {
    cluster: &'a str,
    job: Job,
    instance: &'a str,
    node: Option<&'a str>,
    verdict: Grade,
    reason: Option<Reason>,
    message: Option<Cow<'a, str>>,
    duration_seconds: f64,
    http_status: Option<u16>,
    failed_checks: Vec<&'a str>,
    trace: Vec<&'a str>,
}

impl<'a> Row<'a> {
    fn of(p: &'a Probed) -> Self {
        let o = &p.observation;
        let message = o.failure.as_ref().map(|f| f.message.as_str());
        Self {
            cluster: &o.target.key.cluster,
            job: o.target.key.job,
            instance: &o.target.key.instance,
            node: o.target.node.as_deref(),
            verdict: p.grade,
            reason: o.failure.as_ref().map(|f| f.reason),
            message: if p.heard { p.why().map(Cow::Owned) } else { message.map(Cow::Borrowed) },
            duration_seconds: o.duration.as_secs_f64(),
            http_status: o.http_status,
            failed_checks: o.checks.iter().filter(|c| !c.ok).map(|c| c.name.as_str()).collect(),
            trace: o.trace.iter().map(|t| t.text.as_str()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::{Failure, KubeletFacts, NodeCondition, NodeFact, ObservedLease, Phases, TargetKey};

    /// A kubelet of `n1` whose probe failed for this reason, directly or by what an API server says.
    fn failed(reason: Reason, via: KubeletVia) -> Observation {
        let base = Url::parse("https://10.0.0.9:10250").unwrap();
        let spec = ProbeSpec::Kubelet { base, others: Vec::new(), node: "n1".into(), via: None };
        let key = TargetKey { cluster: "c".into(), job: Job::Kubelet, instance: "10.0.0.9:10250".into() };
        let (interval, timeout) = (Duration::from_secs(10), Duration::from_secs(5));
        let target = Target { key, node: None, spec, interval, timeout, guessed: false, labels: Default::default() };
        Observation {
            target: Arc::new(target),
            started: Timestamp::UNIX_EPOCH,
            duration: Duration::ZERO,
            failure: Some(Failure::new(reason, "as scripted")),
            answered: false,
            phases: Phases::default(),
            http_status: None,
            tls: None,
            checks: Vec::new(),
            facts: Facts::Kubelet(KubeletFacts { via, direct_status: None }),
            trace: Vec::new(),
        }
    }

    /// The API server calls `n1` so, and its lease is this old.
    fn snapshot(ready: &str, age: u64) -> ClusterSnapshot {
        let condition = NodeCondition {
            kind: "Ready".into(),
            status: ready.into(),
            reason: String::new(),
            message: String::new(),
            since: None,
        };
        let told_age = Some(Duration::from_secs(age));
        let lease = ObservedLease::read(None, "a", told_age, Timestamp::UNIX_EPOCH);
        let node =
            NodeFact { name: "n1".into(), conditions: [condition].into(), lease: Some(lease), ..NodeFact::default() };
        ClusterSnapshot { nodes: vec![node], ..ClusterSnapshot::default() }
    }

    #[test]
    fn a_kubelet_out_of_our_reach_that_is_heard_is_not_down() {
        let grade = |o: Observation, known: &ClusterSnapshot| Probed::new(o, known).grade;
        let silent = || failed(Reason::Timeout, KubeletVia::Direct);
        let heard = Probed::new(silent(), &snapshot("True", 4));
        assert_eq!(heard.grade, Grade::Unknown);
        let why = heard.why().unwrap();
        assert!(why.starts_with("it can't be reached from here, though the API server hears from it: "), "{why}");
        assert_eq!(grade(failed(Reason::Refused, KubeletVia::Direct), &snapshot("True", 4)), Grade::Unknown);
        assert_eq!(grade(silent(), &snapshot("True", 16)), Grade::Down, "its lease is late");
        assert_eq!(grade(silent(), &snapshot("Unknown", 4)), Grade::Down);
        assert_eq!(grade(silent(), &ClusterSnapshot::default()), Grade::Down);
        let refused = failed(Reason::Refused, KubeletVia::Proxy);
        assert_eq!(grade(refused, &snapshot("True", 4)), Grade::Down, "by the API server's own word");
        let sick = Observation { answered: true, ..failed(Reason::Degraded, KubeletVia::Direct) };
        assert_eq!(grade(sick, &snapshot("True", 4)), Grade::Degraded);
    }
}
