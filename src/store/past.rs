//! What is told of the past: incidents with their deliveries and notes, and changes of verdicts. Each question reads the file on a
//! connection of its own, beside the writer.

use jiff::Timestamp;

use super::{DeliveryRecord, IncidentFilter, IncidentList, Store, StoreError, audit, incidents, read, watched};
use crate::model::{AuditEntry, Incident, IncidentNote, Record, TargetKey, VerdictChange};

impl Store {
    /// Returns the deliveries of one incident, oldest first.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn deliveries(&self, incident_id: i64) -> Result<Vec<DeliveryRecord>, StoreError> {
        read::with(&self.0.place.database(), move |db| read::deliveries(db, incident_id)).await
    }

    /// Returns what people wrote about one incident, oldest first.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn notes(&self, incident_id: i64) -> Result<Vec<IncidentNote>, StoreError> {
        read::with(&self.0.place.database(), move |db| read::notes(db, incident_id)).await
    }

    /// Returns what people and programs did before a time, the newest first, at most `limit`.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn audit(&self, before: Timestamp, limit: usize) -> Result<Vec<AuditEntry>, StoreError> {
        read::with(&self.0.place.database(), move |db| audit::list(db, before, limit)).await
    }

    /// Returns the incidents that were open at any time since `from`, oldest first, at most `limit` of the newest.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn incidents_since(&self, from: Timestamp, limit: usize) -> Result<Vec<Incident>, StoreError> {
        read::with(&self.0.place.database(), move |db| incidents::since(db, from, limit)).await
    }

    /// Returns the incidents that a filter wants, newest first, at most `limit` and no more than one answer may weigh.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn incidents(&self, filter: IncidentFilter, limit: usize) -> Result<IncidentList, StoreError> {
        read::with(&self.0.place.database(), move |db| incidents::list(db, &filter, limit)).await
    }

    /// Returns the incident with this id, open or not; `None`: there is none.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn incident(&self, id: i64) -> Result<Option<Incident>, StoreError> {
        read::with(&self.0.place.database(), move |db| incidents::one(db, id)).await
    }

    /// Returns the verdict changes of a cluster, newest first.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn verdict_changes(&self, cluster: &str, limit: usize) -> Result<Vec<VerdictChange>, StoreError> {
        let cluster = cluster.to_string();
        read::with(&self.0.place.database(), move |db| read::verdict_changes(db, &cluster, limit)).await
    }

    /// Returns the changes of one target's verdict, newest first.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn verdict_changes_of(&self, key: &TargetKey, limit: usize) -> Result<Vec<VerdictChange>, StoreError> {
        let key = key.clone();
        read::with(&self.0.place.database(), move |db| read::verdict_changes_of(db, &key, limit)).await
    }

    /// Returns when targets were watched and how they stood from a moment on: those that `wanted` admits, all of them that
    /// were targets since. What was watched and planned is the same for all.
    ///
    /// # Errors
    /// When the file can't be read, or there is more than one answer may weigh.
    pub async fn record(
        &self,
        from: Timestamp,
        wanted: impl Fn(&TargetKey) -> bool + Send + 'static,
    ) -> Result<Record, StoreError> {
        read::with(&self.0.place.database(), move |db| watched::record(db, from, &wanted)).await
    }
}
