//! What has yet to be written, by identity: the newest form of each thing. One transaction writes it all.
//!
//! The same structure serves the next batch (milliseconds) and a disk that has been full for an hour: it does not grow
//! with time, only with the number of different things, and what is a list in it is capped.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::Arc,
};

use jiff::Timestamp;
use rusqlite::{Transaction, params};

use super::{
    Delivery, DeliveryOutcome, DeliveryRecord,
    column::{json, us},
    recorded, watched,
};
use crate::{
    model::{
        Alert, AuditEntry, ClusterSnapshot, Incident, IncidentNote, OutboxEntry, RecordedBlock, RecordedSeen,
        RestoreDrill, Silence, Target, TargetKey, Verdict, VerdictChange,
    },
    telemetry::Metrics,
};

/// Verdict changes and records of deliveries kept while the file can't be written; the oldest are dropped first.
const HELD_MAX: usize = 20_000;
/// Comings and goings of targets kept while the file can't be written: all targets of a large fleet at once, twice over.
const LIVES_HELD_MAX: usize = 200_000;
/// Notes of people kept while the file can't be written: more than they write by hand; the oldest are dropped first.
const NOTES_HELD_MAX: usize = 1_000;
/// Lines of the audit log kept while the file can't be written; the oldest are dropped first.
const AUDIT_HELD_MAX: usize = 5_000;
/// Restore drills kept while the file can't be written; the oldest are dropped first.
const DRILLS_HELD_MAX: usize = 1_000;
/// Incidents kept while the file can't be written: larger, and far fewer. Those that ended are dropped first.
const INCIDENTS_HELD_MAX: usize = 5_000;

/// Names one thing to be remembered.
#[derive(Debug)]
pub enum Op {
    Targets(Vec<(Target, Verdict)>, Timestamp),
    Forget(Vec<TargetKey>, Timestamp),
    /// The watchdog has run from a moment to another; the same beginning again makes it longer.
    Watch(Timestamp, Timestamp),
    Verdict(VerdictChange),
    Snapshot(Arc<ClusterSnapshot>),
    Commit(Vec<Incident>, Vec<OutboxEntry>),
    Delivery(Box<Delivery>),
    Value(String, String),
    /// Alerts from outside that came or changed, and the fingerprints of those that are forgotten.
    Alerts(Vec<Alert>, Vec<String>),
    /// Silences that came or changed, and the ids of those that are forgotten.
    Silences(Vec<Silence>, Vec<String>),
    /// What a person wrote about an incident.
    Note(IncidentNote),
    /// What somebody did.
    Audit(AuditEntry),
    /// What is known of one heartbeat, as its room writes it.
    Heartbeat(String, String),
    /// A restore drill as it stands.
    RestoreDrill(Box<RestoreDrill>),
    /// What the flight recorder saw, and how it stands.
    Recorded(Vec<RecordedBlock>, Vec<RecordedSeen>),
}

/// Holds what waits to be written; later changes of one thing replace earlier ones.
#[derive(Debug, Default)]
pub struct Pending {
    targets: HashMap<TargetKey, (Target, Verdict)>,
    verdicts: HashMap<TargetKey, Verdict>,
    forgotten: HashSet<TargetKey>,
    /// Targets that came (true) and went, in order.
    lives: VecDeque<(TargetKey, Timestamp, bool)>,
    watches: BTreeMap<Timestamp, Timestamp>,
    changes: VecDeque<VerdictChange>,
    snapshots: HashMap<String, Arc<ClusterSnapshot>>,
    incidents: BTreeMap<i64, Incident>,
    /// `None`: it has left the outbox.
    outbox: BTreeMap<String, Option<OutboxEntry>>,
    deliveries: VecDeque<DeliveryRecord>,
    notes: VecDeque<IncidentNote>,
    audit: VecDeque<AuditEntry>,
    values: BTreeMap<String, String>,
    /// `None`: it is forgotten.
    alerts: BTreeMap<String, Option<Alert>>,
    silences: BTreeMap<String, Option<Silence>>,
    heartbeats: BTreeMap<String, String>,
    /// By name and opening.
    restore_drills: BTreeMap<(Timestamp, String), RestoreDrill>,
    recorded: recorded::Waiting,
}

impl Pending {
    /// Returns whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
            && self.verdicts.is_empty()
            && self.forgotten.is_empty()
            && self.lives.is_empty()
            && self.watches.is_empty()
            && self.changes.is_empty()
            && self.snapshots.is_empty()
            && self.incidents.is_empty()
            && self.outbox.is_empty()
            && self.deliveries.is_empty()
            && self.notes.is_empty()
            && self.audit.is_empty()
            && self.values.is_empty()
            && self.alerts.is_empty()
            && self.silences.is_empty()
            && self.heartbeats.is_empty()
            && self.restore_drills.is_empty()
            && self.recorded.is_empty()
    }

    /// Adds one more thing.
    pub fn add(&mut self, op: Op, metrics: &Metrics) {
        match op {
            Op::Targets(targets, at) => {
                for (target, verdict) in targets {
                    self.lives.push_back((target.key.clone(), at, true));
                    self.forgotten.remove(&target.key);
                    self.targets.insert(target.key.clone(), (target, verdict));
                }
            }
            Op::Forget(keys, at) => {
                for key in keys {
                    self.lives.push_back((key.clone(), at, false));
                    self.targets.remove(&key);
                    self.verdicts.remove(&key);
                    self.forgotten.insert(key);
                }
            }
            Op::Verdict(change) => {
                match self.targets.get_mut(&change.key) {
                    Some((_, verdict)) => *verdict = change.to.clone(),
                    None => drop(self.verdicts.insert(change.key.clone(), change.to.clone())),
                }
                self.changes.push_back(change);
            }
            Op::Watch(from, to) => drop(self.watches.insert(from, to)),
            Op::Snapshot(snapshot) => drop(self.snapshots.insert(snapshot.cluster.clone(), snapshot)),
            Op::Commit(incidents, outbox) => {
                self.incidents.extend(incidents.into_iter().map(|i| (i.id, i)));
                self.outbox.extend(outbox.into_iter().map(|e| (e.id.clone(), Some(e))));
            }
            Op::Delivery(delivery) => {
                let (record, entry) = delivery.split();
                let waits = record.outcome == DeliveryOutcome::Retried;
                self.outbox.insert(entry.id.clone(), waits.then_some(entry));
                self.deliveries.push_back(record);
            }
            Op::Value(key, text) => drop(self.values.insert(key, text)),
            Op::Alerts(alerts, gone) => {
                self.alerts.extend(alerts.into_iter().map(|a| (a.fingerprint(), Some(a))));
                self.alerts.extend(gone.into_iter().map(|id| (id, None)));
            }
            Op::Silences(silences, gone) => {
                self.silences.extend(silences.into_iter().map(|s| (s.id.clone(), Some(s))));
                self.silences.extend(gone.into_iter().map(|id| (id, None)));
            }
            Op::Note(note) => self.notes.push_back(note),
            Op::Audit(entry) => self.audit.push_back(entry),
            Op::Heartbeat(name, state) => drop(self.heartbeats.insert(name, state)),
            Op::RestoreDrill(drill) => {
                drop(self.restore_drills.insert((drill.opened_at, drill.name.clone()), *drill));
            }
            Op::Recorded(blocks, seen) => {
                (0..self.recorded.add(blocks, seen)).for_each(|_| metrics.drop_at("store_recorded"));
            }
        }
        while self.lives.len() > LIVES_HELD_MAX {
            self.lives.pop_front();
            metrics.drop_at("store_target_lives");
        }
        while self.watches.len() > HELD_MAX {
            self.watches.pop_first();
            metrics.drop_at("store_watches");
        }
        while self.changes.len() > HELD_MAX {
            self.changes.pop_front();
            metrics.drop_at("store_verdict_changes");
        }
        while self.deliveries.len() > HELD_MAX {
            self.deliveries.pop_front();
            metrics.drop_at("store_deliveries");
        }
        while self.notes.len() > NOTES_HELD_MAX {
            self.notes.pop_front();
            metrics.drop_at("store_notes");
        }
        while self.audit.len() > AUDIT_HELD_MAX {
            self.audit.pop_front();
            metrics.drop_at("store_audit");
        }
        while self.restore_drills.len() > DRILLS_HELD_MAX {
            self.restore_drills.pop_first();
            metrics.drop_at("store_restore_drills");
        }
        while self.incidents.len() > INCIDENTS_HELD_MAX {
            let ended = self.incidents.iter().find(|(_, i)| i.resolved_at.is_some()).map(|(id, _)| *id);
            // The oldest that lasts where all do: dispatch has them, and says them again when they change.
            let Some(id) = ended.or_else(|| self.incidents.keys().next().copied()) else { break };
            self.incidents.remove(&id);
            metrics.drop_at("store_incidents");
        }
    }

    /// Writes everything; `self` stays as it is until the caller has committed.
    pub fn write(&self, t: &Transaction<'_>) -> rusqlite::Result<()> {
        self.write_targets(t)?;
        watched::write(t, &self.lives, &self.watches)?;
        self.write_changes(t)?;
        for (cluster, snapshot) in &self.snapshots {
            t.prepare_cached("INSERT OR REPLACE INTO snapshots VALUES (?1, ?2)")?
                .execute(params![cluster, json(&**snapshot)?])?;
        }
        for (id, incident) in &self.incidents {
            t.prepare_cached("INSERT OR REPLACE INTO incidents VALUES (?1, ?2, ?3)")?.execute(params![
                id,
                incident.resolved_at.map(us),
                json(incident)?
            ])?;
        }
        if let Some((last, _)) = self.incidents.last_key_value() {
            t.execute(
                "INSERT INTO meta VALUES ('last_incident_id', ?1)
                 ON CONFLICT (key) DO UPDATE SET value = max(CAST(value AS INTEGER), ?1)",
                [last],
            )?;
        }
        for (id, entry) in &self.outbox {
            match entry {
                Some(entry) => t
                    .prepare_cached("INSERT OR REPLACE INTO outbox VALUES (?1, ?2, ?3)")?
                    .execute(params![id, us(entry.notification.at), json(entry)?])?,
                None => t.prepare_cached("DELETE FROM outbox WHERE id = ?1")?.execute([id])?,
            };
        }
        for (key, text) in &self.values {
            t.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?
                .execute(params![format!("note/{key}"), text])?;
        }
        write_documents(t, "alerts", &self.alerts)?;
        write_documents(t, "silences", &self.silences)?;
        watched::write_maintenance(t, self.silences.values().flatten())?;
        for (name, state) in &self.heartbeats {
            t.prepare_cached("INSERT OR REPLACE INTO heartbeats VALUES (?1, ?2)")?.execute([name, state])?;
        }
        self.restore_drills.values().try_for_each(|drill| super::restore_drills::write(t, drill))?;
        self.recorded.write(t)?;
        super::audit::write(t, &self.audit)?;
        for n in &self.notes {
            t.prepare_cached("INSERT OR REPLACE INTO incident_notes VALUES (?1, ?2, ?3, ?4)")?.execute(params![
                n.incident,
                us(n.at),
                n.by,
                n.text
            ])?;
        }
        for d in &self.deliveries {
            t.prepare_cached("INSERT OR REPLACE INTO deliveries VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?.execute(
                params![
                    d.incident_id,
                    us(d.at),
                    d.sequence,
                    d.receiver,
                    json(&d.outcome)?,
                    d.answer,
                    i64::try_from(d.took.as_micros()).unwrap_or(i64::MAX)
                ],
            )?;
        }
        Ok(())
    }

    fn write_targets(&self, t: &Transaction<'_>) -> rusqlite::Result<()> {
        for key in &self.forgotten {
            t.prepare_cached("DELETE FROM targets WHERE cluster = ?1 AND job = ?2 AND instance = ?3")?
                .execute(params![key.cluster, key.job.as_str(), key.instance])?;
        }
        for (key, (target, verdict)) in &self.targets {
            t.prepare_cached("INSERT OR REPLACE INTO targets VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
                key.cluster,
                key.job.as_str(),
                key.instance,
                json(target)?,
                json(verdict)?
            ])?;
        }
        for (key, verdict) in &self.verdicts {
            t.prepare_cached("UPDATE targets SET verdict = ?4 WHERE cluster = ?1 AND job = ?2 AND instance = ?3")?
                .execute(params![key.cluster, key.job.as_str(), key.instance, json(verdict)?])?;
        }
        Ok(())
    }

    fn write_changes(&self, t: &Transaction<'_>) -> rusqlite::Result<()> {
        for change in &self.changes {
            let key = &change.key;
            t.prepare_cached("INSERT OR REPLACE INTO verdict_changes VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(
                params![
                    key.cluster,
                    us(change.at),
                    key.job.as_str(),
                    key.instance,
                    change.from.as_str(),
                    json(change)?
                ],
            )?;
        }
        Ok(())
    }
}

/// `table` is one of ours with an id and a JSON text.
fn write_documents<T: serde::Serialize>(
    t: &Transaction<'_>,
    table: &'static str,
    documents: &BTreeMap<String, Option<T>>,
) -> rusqlite::Result<()> {
    for (id, document) in documents {
        match document {
            Some(document) => t
                .prepare_cached(&format!("INSERT OR REPLACE INTO {table} VALUES (?1, ?2)"))?
                .execute(params![id, json(document)?])?,
            None => t.prepare_cached(&format!("DELETE FROM {table} WHERE id = ?1"))?.execute([id])?,
        };
    }
    Ok(())
}
