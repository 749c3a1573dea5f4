//! What is handed in at the desk, and what rule groups say: taken into what `decide` looks at. Stored before it is answered.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::timeout;

use super::{Dispatch, STORE_WAIT_MAX, desk::Request, shape::note, silence};
use crate::model::{Acknowledged, Firing, Silence};

impl Dispatch {
    pub(super) fn evaluated(&mut self, firing: Firing) {
        for _ in 0..self.table.evaluated(firing.source, firing.at, firing.alerts) {
            self.deps.metrics.drop_at("rule_alerts");
        }
        self.decide_soon();
    }

    /// Something was handed in: it is stored before the answer.
    pub(super) async fn asked(&mut self, request: Request) {
        let now = self.deps.clock.wall();
        // Whoever asked may have gone; what was asked is done all the same.
        match request {
            Request::Post(posts, answer) => {
                let mut errors = Vec::new();
                let mut alerts = Vec::new();
                for post in posts {
                    match post.complete(now, self.settings.resolve_timeout) {
                        Ok(alert) => match self.table.post(alert, now) {
                            Some(stored) => alerts.push(stored),
                            None => {
                                self.deps.metrics.drop_at("posted_alerts");
                                errors.push(format!("more than {} alerts", super::alerts::POSTED_MAX));
                            }
                        },
                        Err(error) => errors.push(error),
                    }
                }
                let commit = self.deps.store.commit_alerts(alerts, Vec::new());
                let _ = timeout(STORE_WAIT_MAX, commit).await;
                let _ = answer.send(errors);
            }
            Request::Silence(silence, answer) => {
                let set = self.silences.set(silence, silence::new_id(), now);
                let done = match set {
                    Ok(changed) => {
                        let id = changed.last().map(|s| s.id.clone()).unwrap_or_default();
                        self.keep_silences(changed, Vec::new()).await;
                        Ok(id)
                    }
                    Err(error) => Err(error),
                };
                let _ = answer.send(done);
            }
            Request::Expire(id, answer) => {
                let done = match self.silences.expire(&id, now) {
                    Ok(changed) => {
                        self.keep_silences(changed, Vec::new()).await;
                        Ok(())
                    }
                    Err(error) => Err(error),
                };
                let _ = answer.send(done);
            }
            Request::Acknowledge(id, by, answer) => {
                let _ = answer.send(self.acknowledge(id, &by, now).await);
            }
        }
        self.decide_soon();
    }

    pub(super) async fn keep_silences(&mut self, changed: Vec<Silence>, gone: Vec<String>) {
        if !changed.is_empty() || !gone.is_empty() {
            let commit = self.deps.store.commit_silences(changed, gone);
            let _ = timeout(STORE_WAIT_MAX, commit).await;
        }
        self.deps.live.write().silences = Arc::new(self.silences.all().cloned().collect());
    }

    async fn acknowledge(&mut self, id: i64, by: &str, now: Timestamp) -> bool {
        let Some(incident) = self.incident_mut(id) else { return false };
        incident.acknowledged = Some(Acknowledged { at: now, by: by.to_owned() });
        note(incident, now, format!("{by} looks after it"));
        let incident = incident.clone();
        self.commit(vec![incident], Vec::new()).await;
        true
    }
}
