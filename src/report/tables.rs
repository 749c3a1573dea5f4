//! The tables of a report for people: the same cells, whatever they are rendered as.

use super::{
    Line, Report,
    words::{mean, moment, place, seconds, share, some_seconds, worst},
};
use crate::words::Voice;

/// A table; nothing in it is escaped yet.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Table {
    /// What it is about.
    pub title: String,
    /// What its columns are.
    pub heads: Vec<String>,
    /// As many cells each.
    pub rows: Vec<Vec<String>>,
    /// What is said below it; empty: nothing.
    pub note: String,
}

/// Returns all tables in their order.
pub fn tables(report: &Report) -> Vec<Table> {
    vec![
        objectives(report),
        lines("report-clusters", report.clusters.iter(), &report.voice),
        lines("report-components", report.components.iter(), &report.voice),
        lines("report-worst", worst(report), &report.voice),
        incidents(report),
        certificates(report),
        heartbeats(report),
        restore_drills(report),
    ]
}

/// What columns are, in words.
fn heads(voice: &Voice, ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| voice.word(id)).collect()
}

fn objectives(report: &Report) -> Table {
    let voice = &report.voice;
    let row = |o: &super::ObjectiveLine| {
        let met = match o.met {
            Some(true) => "report-yes",
            Some(false) => "report-no",
            None => "report-not-known",
        };
        vec![
            o.line.name.clone(),
            voice.decimal(&format!("{} %", o.objective)),
            share(o.line.availability, voice),
            voice.word(met),
            seconds(o.line.seconds.down, voice),
            format!("{:.0} s", o.allowed_seconds),
            voice.decimal(&format!("{:.1} %", o.budget_left * 100.0)),
        ]
    };
    Table {
        title: voice.word("report-objectives"),
        heads: heads(
            voice,
            &[
                "head-objective",
                "head-wanted",
                "head-available",
                "head-met",
                "head-down",
                "head-allowed",
                "head-budget-left",
            ],
        ),
        rows: report.objectives.iter().map(row).collect(),
        note: String::new(),
    }
}

fn lines<'a>(title: &'static str, lines: impl Iterator<Item = &'a Line>, voice: &Voice) -> Table {
    let row = |line: &Line| {
        let s = &line.seconds;
        vec![
            line.name.clone(),
            share(line.availability, voice),
            seconds(s.down, voice),
            line.outages.to_string(),
            seconds(line.longest_outage_seconds, voice),
            seconds(s.maintenance, voice),
            seconds(s.unseen, voice),
            seconds(s.unknown, voice),
        ]
    };
    Table {
        title: voice.word(title),
        heads: heads(
            voice,
            &[
                "head-name",
                "head-available",
                "head-down",
                "head-outages",
                "head-longest",
                "head-maintenance",
                "head-unseen",
                "head-unknown",
            ],
        ),
        rows: lines.map(row).collect(),
        note: String::new(),
    }
}

fn incidents(report: &Report) -> Table {
    let voice = &report.voice;
    let row = |i: &super::IncidentLine| {
        vec![
            i.id.to_string(),
            place(&i.cluster).to_owned(),
            i.severity.clone(),
            moment(i.began, report),
            i.headline.clone(),
            i.cause.clone(),
            some_seconds(i.detect_seconds, voice),
            some_seconds(i.acknowledge_seconds, voice),
            i.restore_seconds.map_or_else(|| voice.word("report-lasts"), |s| some_seconds(Some(s), voice)),
        ]
    };
    let (t, mut note) = (&report.times, String::new());
    if !report.incidents.is_empty() {
        let (detected, acknowledged) = (mean(t.mean_detect_seconds, voice), mean(t.mean_acknowledge_seconds, voice));
        let times = [
            ("detected", detected.into()),
            ("acknowledged", acknowledged.into()),
            ("restored", mean(t.mean_restore_seconds, voice).into()),
        ];
        note = voice.say("report-average", &times);
    }
    if report.incidents_left_out {
        note = format!("{note} {}", voice.word("report-more"));
    }
    Table {
        title: voice.word("nav-incidents"),
        heads: heads(
            voice,
            &[
                "head-id",
                "head-cluster",
                "head-severity",
                "head-began",
                "head-what",
                "head-cause",
                "head-detected",
                "head-acknowledged",
                "head-restored",
            ],
        ),
        rows: report.incidents.iter().map(row).collect(),
        note,
    }
}

fn certificates(report: &Report) -> Table {
    let voice = &report.voice;
    let row = |c: &super::CertificateLine| {
        vec![
            moment(c.expires, report),
            place(&c.cluster).to_owned(),
            c.subject.clone(),
            c.source.clone(),
            c.seen_at.to_string(),
        ]
    };
    Table {
        title: voice.word("report-certificates"),
        heads: heads(voice, &["head-ends", "head-cluster", "head-subject", "head-where", "head-seen-at"]),
        rows: report.certificates.iter().map(row).collect(),
        note: String::new(),
    }
}

fn heartbeats(report: &Report) -> Table {
    let voice = &report.voice;
    let row = |h: &super::HeartbeatLine| {
        vec![
            h.name.clone(),
            h.cluster.clone(),
            h.successes.to_string(),
            h.last_success.map_or_else(|| voice.word("report-never"), |at| moment(at, report)),
            h.troubles.to_string(),
            seconds(h.trouble_seconds, voice),
            mean(h.longest_run_seconds, voice),
        ]
    };
    Table {
        title: voice.word("nav-heartbeats"),
        heads: heads(
            voice,
            &[
                "head-heartbeat",
                "head-cluster",
                "head-successes",
                "head-last-success",
                "head-troubles",
                "head-in-all",
                "head-longest-run",
            ],
        ),
        rows: report.heartbeats.iter().map(row).collect(),
        note: String::new(),
    }
}

fn restore_drills(report: &Report) -> Table {
    let voice = &report.voice;
    let met = |met: Option<bool>| match met {
        Some(true) => voice.word("report-yes"),
        Some(false) => voice.word("report-no"),
        None => "–".to_owned(),
    };
    let row = |r: &super::RestoreLine| {
        vec![
            r.name.clone(),
            r.done.to_string(),
            r.last_ended.map_or_else(|| voice.word("report-never"), |at| moment(at, report)),
            r.outcome.unwrap_or("–").to_owned(),
            mean(r.duration_seconds, voice),
            mean(r.rto_seconds, voice),
            met(r.rto_met),
            mean(r.data_age_seconds, voice),
            mean(r.rpo_seconds, voice),
            met(r.rpo_met),
        ]
    };
    Table {
        title: voice.word("restore-drills"),
        heads: heads(
            voice,
            &[
                "head-drill",
                "head-done",
                "head-last",
                "head-how",
                "head-took",
                "head-rto",
                "head-met",
                "head-data-was",
                "head-rpo",
                "head-met",
            ],
        ),
        rows: report.restore_drills.iter().map(row).collect(),
        note: String::new(),
    }
}
