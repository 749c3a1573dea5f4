//! The section of the first page that tells how the watchdog itself is.

use jiff::Timestamp;
use serde::Serialize;

use super::{Moment, Now};
use crate::{
    model::{
        Job, LiveState, Reason, References,
        text::{number, plural},
    },
    telemetry::{Metrics, ProbeLabels},
};

/// How a line feels: the stylesheet's class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Tone {
    Good,
    Doubt,
    Bad,
    Plain,
}

/// One fact about the watchdog.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Own {
    label: &'static str,
    tone: Tone,
    text: String,
    details: Vec<String>,
}

/// The watchdog's own state, in the order in which it matters when something is wrong.
pub(super) fn own(state: &LiveState, metrics: &Metrics, now: &Now) -> Vec<Own> {
    let fact = |label, tone, text: String| Own { label, tone, text, details: Vec::new() };
    let judge = |label, ok: bool, since: Option<Timestamp>, fine: &str, message: &str| match since {
        None => fact(label, Tone::Doubt, "not judged yet".to_owned()),
        Some(_) if ok => fact(label, Tone::Good, fine.to_owned()),
        Some(at) => fact(
            label,
            Tone::Bad,
            now.say("failing-for", &[("time", Moment::new(at, now).ago.into()), ("why", message.into())]),
        ),
    };
    let failing = &state.failing_receivers;
    let waiting = plural(state.outbox_pending, "message waits", "messages wait");
    let mut receivers = match (failing.len(), state.outbox_pending) {
        (0, 0) => fact("Notifications", Tone::Good, "nothing waits, no receiver fails".to_owned()),
        (0, _) => fact("Notifications", Tone::Plain, waiting),
        (n, _) => {
            fact("Notifications", Tone::Bad, format!("{}, {waiting}", plural(n, "receiver fails", "receivers fail")))
        }
    };
    receivers.details = failing.iter().map(|(receiver, why)| format!("{receiver}: {why}")).collect();
    let started = state.started_at.map_or_else(
        || "starting".to_owned(),
        |at| {
            let at = Moment::new(at, now);
            format!("{}, {} ago", at.text, at.ago)
        },
    );
    let missed = metrics.missed_ticks.get();
    let probes = format!(
        "{} finished, {} running, {}",
        number(probes_total(metrics)),
        metrics.probes_in_flight.get(),
        plural(usize::try_from(missed).unwrap_or(usize::MAX), "tick missed", "ticks missed"),
    );
    let (vantage, store) = (&state.vantage, &state.store);
    let mut network = judge("Its network", vantage.ok, vantage.since, "", &vantage.message);
    if vantage.ok && vantage.since.is_some() {
        (network.tone, network.text) = references(vantage.references);
    }
    vec![
        network,
        judge("History", store.ok, store.since, "written to its SQLite file", &store.message),
        receivers,
        fact("Probes", Tone::Plain, probes),
        fact("Started", Tone::Plain, started),
        fact("Version", Tone::Plain, env!("CARGO_PKG_VERSION").to_owned()),
    ]
}

/// How the references stand while the network is believed to be well.
fn references(References { asked, answering }: References) -> (Tone, String) {
    match (asked, answering) {
        (0, _) => {
            let why = "there is no reference (`vantage.references`), and no gateway that answers";
            (Tone::Plain, format!("nobody is asked: {why}; the targets alone tell"))
        }
        (1, 0) => (Tone::Doubt, "the one of its reference addresses does not answer, but targets do".into()),
        (asked, 0) => (Tone::Doubt, format!("none of its {asked} reference addresses answers, but targets do")),
        (1, _) => (Tone::Good, "its reference address answers".into()),
        (asked, 1) => (Tone::Good, format!("1 of its {asked} reference addresses answers")),
        (asked, n) if asked == n => (Tone::Good, format!("all {asked} of its reference addresses answer")),
        (asked, n) => (Tone::Good, format!("{n} of its {asked} reference addresses answer")),
    }
}

/// Probes finished since the start, of every job and outcome.
fn probes_total(metrics: &Metrics) -> u64 {
    let outcomes = || Reason::ALL.map(Reason::as_str).into_iter().chain([ProbeLabels::SUCCESS]);
    let jobs = Job::ALL.into_iter().map(Job::kind).chain([Job::CHECK_KIND]);
    let labels = jobs.flat_map(|job| outcomes().map(move |outcome| ProbeLabels { job, outcome }));
    labels.filter_map(|l| Some(metrics.probes.get(&l)?.get())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_counted_over_all_jobs_and_outcomes() {
        let m = Metrics::new();
        assert_eq!(probes_total(&m), 0);
        m.probes.get_or_create(&ProbeLabels { job: "etcd", outcome: ProbeLabels::SUCCESS }).inc_by(3);
        m.probes.get_or_create(&ProbeLabels { job: "kubelet", outcome: Reason::Timeout.as_str() }).inc();
        assert_eq!(probes_total(&m), 4);
    }

    #[test]
    fn not_asked_is_not_well() {
        let check = |asked, answering, tone, text: &str| {
            let told = references(References { asked, answering });
            assert!(told.0 == tone && told.1.starts_with(text), "{told:?}");
        };
        check(0, 0, Tone::Plain, "nobody is asked");
        check(1, 1, Tone::Good, "its reference address answers");
        check(2, 2, Tone::Good, "all 2 of its reference addresses answer");
        check(3, 1, Tone::Good, "1 of its 3 reference addresses answers");
        check(1, 0, Tone::Doubt, "the one of its reference addresses does not answer");
        check(2, 0, Tone::Doubt, "none of its 2 reference addresses answers");
    }
}
