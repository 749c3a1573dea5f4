//! The tables of a report for people: the same cells, whatever they are rendered as.

use super::{
    Line, Report,
    words::{mean, moment, place, seconds, share, some_seconds, worst},
};

/// A table; nothing in it is escaped yet.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Table {
    /// What it is about.
    pub title: &'static str,
    /// What its columns are.
    pub heads: &'static [&'static str],
    /// As many cells each.
    pub rows: Vec<Vec<String>>,
    /// What is said below it; empty: nothing.
    pub note: String,
}

/// Returns all tables in their order.
pub fn tables(report: &Report) -> Vec<Table> {
    vec![
        objectives(report),
        lines("Clusters", report.clusters.iter()),
        lines("Components", report.components.iter()),
        lines("Targets that were down longest", worst(report)),
        incidents(report),
        certificates(report),
        heartbeats(report),
        restore_drills(report),
    ]
}

fn objectives(report: &Report) -> Table {
    let row = |o: &super::ObjectiveLine| {
        let met = match o.met {
            Some(true) => "yes",
            Some(false) => "no",
            None => "not known",
        };
        vec![
            o.line.name.clone(),
            format!("{} %", o.objective),
            share(o.line.availability),
            met.to_owned(),
            seconds(o.line.seconds.down),
            format!("{:.0} s", o.allowed_seconds),
            format!("{:.1} %", o.budget_left * 100.0),
        ]
    };
    Table {
        title: "Objectives",
        heads: &["objective", "wanted", "available", "met", "down", "allowed", "budget left"],
        rows: report.objectives.iter().map(row).collect(),
        note: String::new(),
    }
}

fn lines<'a>(title: &'static str, lines: impl Iterator<Item = &'a Line>) -> Table {
    let row = |line: &Line| {
        let s = &line.seconds;
        vec![
            line.name.clone(),
            share(line.availability),
            seconds(s.down),
            line.outages.to_string(),
            seconds(line.longest_outage_seconds),
            seconds(s.maintenance),
            seconds(s.unseen),
            seconds(s.unknown),
        ]
    };
    Table {
        title,
        heads: &["name", "available", "down", "outages", "longest", "maintenance", "unseen", "unknown"],
        rows: lines.map(row).collect(),
        note: String::new(),
    }
}

fn incidents(report: &Report) -> Table {
    let row = |i: &super::IncidentLine| {
        vec![
            i.id.to_string(),
            place(&i.cluster).to_owned(),
            i.severity.clone(),
            moment(i.began, &report.zone),
            i.headline.clone(),
            i.cause.clone(),
            some_seconds(i.detect_seconds),
            some_seconds(i.acknowledge_seconds),
            i.restore_seconds.map_or_else(|| "lasts".to_owned(), |s| some_seconds(Some(s))),
        ]
    };
    let (t, mut note) = (&report.times, String::new());
    if !report.incidents.is_empty() {
        note = format!(
            "On average detected after {}, acknowledged after {}, restored after {}.",
            mean(t.mean_detect_seconds),
            mean(t.mean_acknowledge_seconds),
            mean(t.mean_restore_seconds)
        );
    }
    if report.incidents_left_out {
        note.push_str(" There were more; these are the newest.");
    }
    Table {
        title: "Incidents",
        heads: &["id", "cluster", "severity", "began", "what", "cause", "detected", "acknowledged", "restored"],
        rows: report.incidents.iter().map(row).collect(),
        note,
    }
}

fn certificates(report: &Report) -> Table {
    let row = |c: &super::CertificateLine| {
        vec![
            moment(c.expires, &report.zone),
            place(&c.cluster).to_owned(),
            c.subject.clone(),
            c.source.clone(),
            c.seen_at.to_string(),
        ]
    };
    Table {
        title: "Certificates that come due",
        heads: &["ends", "cluster", "subject", "where", "seen at"],
        rows: report.certificates.iter().map(row).collect(),
        note: String::new(),
    }
}

fn heartbeats(report: &Report) -> Table {
    let row = |h: &super::HeartbeatLine| {
        vec![
            h.name.clone(),
            h.cluster.clone(),
            h.successes.to_string(),
            h.last_success.map_or_else(|| "never".to_owned(), |at| moment(at, &report.zone)),
            h.troubles.to_string(),
            seconds(h.trouble_seconds),
            mean(h.longest_run_seconds),
        ]
    };
    Table {
        title: "Heartbeats",
        heads: &["heartbeat", "cluster", "successes", "last success", "troubles", "in all", "longest run"],
        rows: report.heartbeats.iter().map(row).collect(),
        note: String::new(),
    }
}

fn restore_drills(report: &Report) -> Table {
    let met = |met: Option<bool>| match met {
        Some(true) => "yes".to_owned(),
        Some(false) => "no".to_owned(),
        None => "–".to_owned(),
    };
    let row = |r: &super::RestoreLine| {
        vec![
            r.name.clone(),
            r.done.to_string(),
            r.last_ended.map_or_else(|| "never".to_owned(), |at| moment(at, &report.zone)),
            r.outcome.unwrap_or("–").to_owned(),
            mean(r.duration_seconds),
            mean(r.rto_seconds),
            met(r.rto_met),
            mean(r.data_age_seconds),
            mean(r.rpo_seconds),
            met(r.rpo_met),
        ]
    };
    Table {
        title: "Restore drills",
        heads: &["drill", "done", "last", "how", "took", "RTO", "met", "data was", "RPO", "met"],
        rows: report.restore_drills.iter().map(row).collect(),
        note: String::new(),
    }
}
