//! What is submitted, and what rule groups say: taken into what `decide` looks at. Stored before it is
//! answered; where the disk does not take it, the answer says so.

use std::sync::Arc;

use tokio::time::timeout;

use super::{
    Dispatch, STORE_WAIT_MAX,
    alerts::Refused,
    apply::Batch,
    incident_record::{acknowledge, withdraw},
    matchers, silence,
    submissions::Request,
};
use crate::{
    model::{Firing, Incident, Silence, text},
    peer::{Item, wire::Key},
    store::Durability,
};

impl Dispatch {
    pub(super) fn evaluated(&mut self, firing: Firing) {
        // Said before a reload took the group away.
        if !self.settings.rule_groups.contains(&firing.source) {
            return;
        }
        for _ in 0..self.table.evaluated(firing.source, firing.at, firing.alerts) {
            self.deps.metrics.drop_at("rule_alerts");
        }
        self.decide_soon();
    }

    /// Takes what was handed in: it is stored before the answer.
    pub(super) async fn accept(&mut self, request: Request) {
        let now = self.deps.clock.wall();
        // Whoever asked may have gone; what was asked is done all the same.
        match request {
            Request::Post(posts, answer) => {
                let mut errors = Vec::new();
                let mut alerts = Vec::new();
                for post in posts {
                    match post.complete(now, self.settings.resolve_timeout) {
                        Ok(alert) => match self.table.post(alert, now) {
                            Some(stored) => {
                                self.share(Item::Alert { alert: Box::new(stored.clone()) });
                                alerts.push(stored);
                            }
                            None => {
                                self.deps.metrics.drop_at("posted_alerts");
                                errors.push(Refused::Full);
                            }
                        },
                        Err(error) => errors.push(Refused::Bad(error)),
                    }
                }
                let kept = durable(self.deps.store.commit_alerts(alerts, Vec::new())).await;
                let _ = answer.send((errors, kept));
            }
            Request::Silence(silence, answer) => {
                let set = self.silences.set(silence, silence::new_id(), now);
                let done = match set {
                    Ok(changed) => {
                        changed.last().into_iter().for_each(|s| self.acts.note(now, silenced(s)));
                        let id = changed.last().map(|s| s.id.clone()).unwrap_or_default();
                        Ok((id, self.keep_silences(changed, Vec::new()).await))
                    }
                    Err(error) => Err(error),
                };
                let _ = answer.send(done);
            }
            Request::Expire(id, answer) => {
                let done = match self.silences.expire(&id, now) {
                    Ok(changed) => {
                        let said = |s: &Silence| format!("the silence for {} was ended", conditions(s));
                        changed.iter().for_each(|s| self.acts.note(now, said(s)));
                        Ok(self.keep_silences(changed, Vec::new()).await)
                    }
                    Err(error) => Err(error),
                };
                let _ = answer.send(done);
            }
            Request::Acknowledge(id, by, answer) => {
                self.share_acknowledgement(id, &by, now, false);
                let _ = answer.send(self.change_open(id, |incident| acknowledge(incident, &by, now)).await);
            }
            Request::Report(report, answer) => {
                let _ = answer.send(self.send_report(*report, now).await);
            }
            Request::PeerSay(answer) => drop(answer.send(self.peer_say())),
            Request::PeerAnswered(began, said, answer) => {
                let again = self.peer_answered(began, *said).await;
                let _ = answer.send(again);
                return;
            }
            Request::PeerAsks(say, answer) => {
                let said = self.peer_said(*say).await;
                let _ = answer.send(said);
                return;
            }
            Request::Shared(item, answer) => {
                self.share(item);
                let _ = answer.send(());
            }
            Request::Withdraw(id, by, answer) => {
                self.share_acknowledgement(id, &by, now, true);
                let _ = answer.send(self.change_open(id, |incident| withdraw(incident, &by, now)).await);
            }
        }
        self.decide_soon();
    }

    pub(super) async fn keep_silences(&mut self, changed: Vec<Silence>, gone: Vec<String>) -> Durability {
        changed.iter().for_each(|s| self.share(Item::Silence { silence: s.clone() }));
        gone.iter().for_each(|id| self.forget_shared(&Key::Silence(id.clone())));
        let mut kept = Durability::Durable;
        if !changed.is_empty() || !gone.is_empty() {
            kept = durable(self.deps.store.commit_silences(changed, gone)).await;
        }
        self.deps.live.write().silences = Arc::new(self.silences.all().cloned().collect());
        kept
    }

    /// Changes an open incident and keeps it, where `change` says that it is another now; `None`: there is none.
    pub(super) async fn change_open(
        &mut self,
        id: i64,
        change: impl FnOnce(&mut Incident) -> bool,
    ) -> Option<Durability> {
        let incident = self.incident_mut(id)?;
        if !change(incident) {
            return Some(Durability::Durable);
        }
        let incident = incident.clone();
        let kept = self.commit(Batch { incidents: vec![incident], ..Batch::default() }).await;
        // Whoever asked looks at once.
        self.publish();
        Some(kept)
    }
}

/// What somebody silenced, in words.
fn silenced(silence: &Silence) -> String {
    let (what, until) = (conditions(silence), text::moment(silence.ends_at));
    format!("{} silenced {what} until {until}: {}", silence.created_by, silence.comment)
}

fn conditions(silence: &Silence) -> String {
    silence.matchers.iter().map(matchers::written).collect::<Vec<_>>().join(" ")
}

/// Waits for the store. A disk that hangs is not waited for long: what it was given stays queued.
async fn durable(commit: impl Future<Output = Durability>) -> Durability {
    timeout(STORE_WAIT_MAX, commit).await.unwrap_or(Durability::Buffered)
}
