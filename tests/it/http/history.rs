//! The past of a target on its page: the chart, its states, its last results.

use std::time::Duration;

use dogwatch::model::{Job, Labels, Reason, Sample, State, TargetKey, Verdict, VerdictChange};

use super::{Served, picture, picture::now, start_at};
use crate::eventually::eventually;

/// Probes every ten seconds for an hour until now; those of one minute failed.
pub fn remember(served: &Served, instance: &str) {
    let key = TargetKey { cluster: "prod".into(), job: Job::Etcd, instance: instance.into() };
    let base = [("cluster", "prod"), ("job", "etcd"), ("instance", instance)];
    for i in 0..360_u64 {
        let at = now() - Duration::from_secs(10 * (360 - i) - 5);
        let failed = (100..106).contains(&i);
        let sample = |name: &str, more: &[(&'static str, &'static str)], value: f64| Sample {
            labels: Labels::new(name, base.iter().copied().chain(more.iter().copied())),
            at,
            value,
        };
        let mut samples = vec![
            sample("probe_success", &[], if failed { 0.0 } else { 1.0 }),
            sample("probe_duration_seconds", &[], if failed { 2.0 } else { 0.012 }),
            sample("probe_http_duration_seconds", &[("phase", "connect")], 0.003),
            sample("probe_http_duration_seconds", &[("phase", "tls")], 0.006),
        ];
        samples.extend(failed.then(|| sample("probe_failure_info", &[("reason", "timeout")], 1.0)));
        served.store.append(&samples);
    }
    for (ago, state) in [(2600, State::Up), (2595, State::Suspect), (2593, State::Down), (2530, State::Up)] {
        let at = now() - Duration::from_secs(ago);
        let since = if state == State::Down { now() - Duration::from_secs(2595) } else { at };
        let message = if state == State::Down { "no answer within <2 s>" } else { "" };
        let reason = (state == State::Down).then_some(Reason::Timeout);
        let to = Verdict { state, since, reason, message: message.into(), reached: true, hides: None };
        served.store.save_verdict(VerdictChange { key: key.clone(), at, from: State::Unknown, to });
    }
}

#[tokio::test]
async fn a_target_has_a_past() {
    let served = start_at(picture::silenced(), "").await;
    let path = "/targets/prod/etcd/10.99.0.1:2379";
    eventually("it has none", async || served.get(path).await.body.contains("Nothing was measured yet.")).await;
    remember(&served, "10.99.0.1:2379");
    eventually("its states are in the file", async || served.get(path).await.body.contains("&lt;2 s&gt;")).await;
    let body = served.get(path).await.body;
    let words = body.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "<svg viewBox=\"0 0 180 100.0\"",
        "<title id=\"chart-title\">How long its probes took, and when they failed</title>",
        "the longest probe took 2.00 s. Probes failed in 1 of 30 parts of 2 min each",
        "98.33 % <span class=\"quiet\">in 24 h</span>",
        "<span class=\"state down\">down</span> <strong>1 min 5 s</strong>",
        "<span class=\"quiet\">no answer within &lt;2 s&gt;</span>",
        "<strong>12 ms</strong>",
        "connect 3 ms · tls 6 ms",
        "Part of the incident <a href=\"&#x2f;incidents&#x2f;7\">",
        "What fires about it",
        "<a href=\"&#x2f;runbooks&#x2f;EtcdQuorumLost\">runbook</a>",
    ] {
        assert!(words.contains(said), "{said}: {words}");
    }
    for (range, title, parts) in [
        ("1h", "The last hour", "<svg viewBox=\"0 0 60 100.0\""),
        ("24h", "The last 24 hours", "of 8 min each"),
        ("7d", "The last seven days", "<svg viewBox=\"0 0 168 100.0\""),
        ("30d", "The last 30 days", "of 4 h each"),
        ("bogus", "The last six hours", "of 2 min each"),
    ] {
        let body = served.get(&format!("{path}?range={range}")).await.body;
        let chosen = body.matches("aria-current=\"true\"").count();
        assert!(body.contains(title) && body.contains(parts) && chosen == 1, "{range}: {body}");
        assert_eq!(body.matches("href=\"?range=").count(), 4, "{range}: the others can be chosen");
    }
    assert!(!body.contains("style=\""), "a strict policy allows no styles in attributes");
}
