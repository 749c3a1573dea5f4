//! The other of two watchdogs, as the loop meets it: what it says is merged and stored before it is answered, and what is found of
//! it is told. Without `peers:` nothing of this is there, and this watchdog leads.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::JoinSet,
    time::{Instant, timeout},
};
use tracing::{info, warn};

use super::{
    Dispatch, RESOLVED_SHOWN,
    incident_record::{acknowledge, withdraw},
    shared::{Merged, Parts, Shared},
    submissions::{Closed, Request, Submissions},
};
use crate::{
    model::{Incident, IncidentNote},
    peer::{
        self, Confirm, Core, Item, News, Say,
        wire::{Able, Key},
    },
    telemetry::VantageLabels,
};

/// What the other said is answered after so long even where the disk hangs: it is in memory, and the write stays queued.
const STORE_WAIT: Duration = Duration::from_secs(1);

/// An attempt that has had no answer for so long counts as a receiver that fails.
const HANGS_AFTER: Duration = Duration::from_secs(8);

/// Who does not send can't find out that its receivers work again: after this they are taken to.
const FORGIVEN_AFTER: Duration = Duration::from_secs(600);

/// What the configuration says of the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSettings {
    /// What this one is called.
    pub name: String,
    /// The other may be silent for so long.
    pub takeover: Duration,
    /// Who must see a failure.
    pub confirm: Confirm,
    /// What must be the same on both, as a digest.
    pub digest: String,
}

/// What the loop keeps of the other.
#[derive(Debug, Default)]
pub(super) struct Peers {
    /// `None`: there is no other.
    pub(super) shared: Option<Shared>,
    /// Wakes whoever asks the other.
    pub(super) news: Arc<Notify>,
    /// Why the last question had no answer.
    pub(super) error: Option<String>,
    /// Since when messages are being sent, by their id.
    pub(super) sending: BTreeMap<String, Instant>,
    /// Where pings go that the other was sent.
    pings: Option<mpsc::Sender<(String, serde_json::Value)>>,
    /// When there began to be another.
    pub(super) since: Option<Timestamp>,
    /// The same moment, for durations.
    pub(super) began: Option<Instant>,
}

impl Dispatch {
    /// Returns what wakes whoever asks the other watchdog: there is something to say.
    pub fn peer_news(&self) -> Arc<Notify> {
        self.peers.news.clone()
    }

    /// Hands over what the other watchdog was pinged: the name of the job, and the ping as its room writes it.
    pub fn hand_pings_to(&mut self, heartbeats: mpsc::Sender<(String, serde_json::Value)>) {
        self.peers.pings = Some(heartbeats);
    }

    /// Returns whether this watchdog decides and tells.
    pub(super) fn leads(&self) -> bool {
        self.peers.shared.as_ref().is_none_or(|s| s.core.leads())
    }

    /// Returns whether messages may go now.
    pub(super) fn may_send(&self) -> bool {
        self.peers.shared.as_ref().is_none_or(|s| s.core.may_send(self.deps.clock.mono()))
    }

    /// Begins or ends to share, as the configuration has it.
    pub(super) fn configure_peer(&mut self) {
        let Some(settings) = self.settings.peer.clone() else {
            self.peers.shared = None;
            return;
        };
        let now = self.deps.clock.mono();
        if self.peers.shared.as_ref().is_none_or(|s| s.core.name != settings.name) {
            let resolved = self.resolved.iter().map(|i| Incident::clone(i));
            let incidents: Vec<Incident> = self.all_open().cloned().chain(resolved).collect();
            let run = (fastrand::u64(1..), Shared::term_of(&incidents));
            let core = Core::new(&settings.name, settings.takeover, run, now);
            let mut shared = Shared::new(core, &self.origin, &incidents, &self.outbox);
            self.silences.all().for_each(|s| shared.core.ledger.put(Item::Silence { silence: s.clone() }));
            self.table.posted().for_each(|a| shared.core.ledger.put(Item::Alert { alert: Box::new(a.clone()) }));
            self.peers.shared = Some(shared);
            (self.peers.since, self.peers.began) = (Some(self.deps.clock.wall()), Some(now));
        }
        if let Some(shared) = &mut self.peers.shared {
            shared.core.set_takeover(settings.takeover);
            shared.core.digest.clone_from(&settings.digest);
        }
    }

    /// Says something to the other.
    pub(super) fn share(&mut self, item: Item) {
        if let Some(shared) = &mut self.peers.shared {
            shared.core.ledger.put(item);
            self.peers.news.notify_one();
        }
    }

    /// What is over for good need not be said any more.
    pub(super) fn forget_shared(&mut self, key: &Key) {
        if let Some(shared) = &mut self.peers.shared {
            shared.core.ledger.remove(key);
        }
    }

    /// Looks whether this watchdog is to lead or to follow, each time before it decides or sends.
    pub(super) async fn look_at_peer(&mut self) {
        let (able, in_flight, now) = (self.able(), self.attempts.len(), self.deps.clock.mono());
        let Some(shared) = &mut self.peers.shared else { return };
        let news = shared.look(able, in_flight, now);
        for _ in 0..shared.core.ledger.take_dropped() {
            self.deps.metrics.drop_at("peer_ledger");
        }
        let (own, silent) = (VantageLabels { vantage: shared.core.name.clone() }, shared.core.is_silent(now));
        if let Some(other) = shared.core.other() {
            let other = VantageLabels { vantage: other.said.name.clone() };
            self.deps.metrics.peer_up.get_or_create(&other).set(i64::from(!silent));
        }
        self.deps.metrics.peer_leading.get_or_create(&own).set(i64::from(shared.core.leads()));
        self.change_role(news).await;
    }

    async fn change_role(&mut self, news: Option<News>) {
        let (Some(news), Some(shared)) = (news, &self.peers.shared) else { return };
        let (name, term) = (shared.core.name.clone(), shared.core.term());
        self.peers.news.notify_one();
        let now = self.deps.clock.wall();
        match news {
            News::Lead => {
                info!(name, term, "this watchdog leads: it tells");
                self.deps.metrics.peer_takeovers.get_or_create(&VantageLabels { vantage: name }).inc();
                self.open.begin_anew();
                self.outbox.hurry_all(now);
                let changes = self.open.retain_clusters(&self.settings.clusters, now);
                let batch = self.prepare(changes, now);
                self.commit(batch).await;
            }
            News::Follow => {
                info!(name, term, "the other watchdog leads: this one is ready to");
                self.attempts = JoinSet::new();
                self.peers.sending.clear();
                self.outbox.break_off();
            }
        }
        self.changed = true;
        self.decide_soon();
    }

    /// What this watchdog is able to do.
    fn able(&self) -> Able {
        let now = self.deps.clock.mono();
        let hangs = self.peers.sending.values().any(|since| now.saturating_duration_since(*since) >= HANGS_AFTER);
        let forgiven = if self.leads() { None } else { Some(FORGIVEN_AFTER) };
        let fails = self.failing.fails(forgiven, self.deps.clock.wall());
        let of_clusters = || self.latest.values().filter(|d| !d.cluster.is_empty());
        let sees = self.settings.clusters.is_empty() || of_clusters().any(|d| !d.blind);
        Able { notifies: !hangs && !fails, sees }
    }

    /// Takes in what the other said, and gives what is answered; `None`: there is no other, or it can't be this one.
    pub(super) async fn peer_said(&mut self, say: Say) -> Result<Say, String> {
        let (mono, now) = (self.deps.clock.mono(), self.deps.clock.wall());
        let Some(shared) = &mut self.peers.shared else { return Err("no peers are configured here".into()) };
        if say.name == shared.core.name {
            return Err(format!("both watchdogs are called {}: give each its own external_labels.vantage", say.name));
        }
        let mut parts = Parts { open: &mut self.open, groups: &mut self.groups, outbox: &mut self.outbox };
        let (merged, news) = shared.hear(say, mono, now, &mut parts);
        self.merged(merged, now).await;
        self.change_role(news).await;
        self.peer_say().ok_or_else(|| "no peers are configured here".into())
    }

    /// What is to be said to the other now.
    pub(super) fn peer_say(&mut self) -> Option<Say> {
        let (now, last) = (self.deps.clock.wall(), self.open.last_id());
        self.peers.shared.as_mut().map(|shared| shared.say(now, last))
    }

    /// Takes the answer to a question; returns whether to ask again at once.
    pub(super) async fn peer_answered(&mut self, began: Instant, answer: Result<Say, String>) -> bool {
        let answer = match answer {
            Ok(say) => self.peer_said(say).await.map(|_| ()),
            Err(why) => Err(why),
        };
        let now = self.deps.clock.mono();
        let Some(shared) = &mut self.peers.shared else { return false };
        shared.core.asked(began, answer.is_ok(), now);
        let again = shared.core.wants_to_ask() && answer.is_ok();
        if let Err(why) = &answer
            && self.peers.error.as_ref() != Some(why)
        {
            warn!("the other watchdog can't be asked: {why}");
        }
        self.peers.error = answer.err();
        again
    }

    /// Stores what was merged, and does what is not of incidents.
    async fn merged(&mut self, merged: Merged, now: Timestamp) {
        let Merged { incidents, messages, deliveries, others } = merged;
        let news = !(incidents.is_empty() && messages.is_empty() && deliveries.is_empty() && others.is_empty());
        for incident in &incidents {
            self.resolved.retain(|known| known.id != incident.id);
            if incident.resolved_at.is_some() {
                self.resolved.push_front(incident.clone().into());
                self.resolved.truncate(RESOLVED_SHOWN);
            }
        }
        let store = self.deps.store.clone();
        let storing = async {
            if !incidents.is_empty() || !messages.is_empty() {
                store.commit(incidents, messages).await;
            }
            join_all(deliveries.into_iter().map(|delivery| store.record_delivery(delivery))).await;
        };
        if timeout(STORE_WAIT, storing).await.is_err() {
            warn!("the store does not answer; what the other watchdog said is kept in memory");
        }
        for item in others {
            self.merge_other(item, now).await;
        }
        if news {
            self.changed = true;
            self.decide_soon();
        }
    }

    async fn merge_other(&mut self, item: Item, now: Timestamp) {
        match &item {
            Item::Silence { silence } if self.silences.merge(silence) => {
                self.keep_silences(vec![silence.clone()], Vec::new()).await;
            }
            Item::Acknowledgement { incident, at, by, withdrawn } => {
                let known = self.peers.shared.as_ref().and_then(|s| s.core.ledger.get(&item.key()));
                let newer = |known: &Item| matches!(known, Item::Acknowledgement { at: before, by: who, .. } if (before, who) >= (at, by));
                if known.is_some_and(newer) {
                    return;
                }
                let change = |i: &mut Incident| if *withdrawn { withdraw(i, by, *at) } else { acknowledge(i, by, *at) };
                self.change_open(*incident, change).await;
            }
            Item::Note { note } => drop(timeout(STORE_WAIT, self.deps.store.commit_note(note.clone())).await),
            Item::Alert { alert } => match self.table.post((**alert).clone(), now) {
                Some(stored) => {
                    let _ = timeout(STORE_WAIT, self.deps.store.commit_alerts(vec![stored], Vec::new())).await;
                }
                None => self.deps.metrics.drop_at("posted_alerts"),
            },
            Item::Ping { name, ping, .. } => {
                let gone = self.peers.pings.as_ref().map(|p| p.try_send((name.clone(), ping.clone())));
                if matches!(gone, Some(Err(mpsc::error::TrySendError::Full(_)))) {
                    self.deps.metrics.drop_at("peer_pings");
                }
            }
            _ => return,
        }
        self.share(item);
    }

    /// Writes down who looks after an incident, or no longer does, for the other to know.
    pub(super) fn share_acknowledgement(&mut self, incident: i64, by: &str, now: Timestamp, withdrawn: bool) {
        self.share(Item::Acknowledgement { incident, at: now, by: by.to_owned(), withdrawn });
    }
}

impl peer::link::Desk for Submissions {
    async fn say(&self) -> Option<Say> {
        self.ask(Request::PeerSay).await.ok().flatten()
    }

    async fn answered(&self, began: Instant, answer: Result<Say, String>) -> bool {
        self.ask(|again| Request::PeerAnswered(began, Box::new(answer), again)).await.unwrap_or(false)
    }
}

impl Submissions {
    /// Hands in what the other watchdog says, and returns what it is answered.
    ///
    /// # Errors
    /// When dispatch is stopping; within, why it is not taken, in words.
    pub async fn peer_asks(&self, say: Say) -> Result<Result<Say, String>, Closed> {
        self.ask(|answer: oneshot::Sender<Result<Say, String>>| Request::PeerAsks(Box::new(say), answer)).await
    }

    /// Hands in a ping that the store has, for the other watchdog to know.
    pub async fn pinged(&self, name: String, at: Timestamp, ping: serde_json::Value) {
        // Where dispatch is stopping, the ping is in the store all the same.
        let _ = self.ask(|done| Request::Shared(Item::Ping { name, at, ping }, done)).await;
    }

    /// Hands in a note that the store has, for the other watchdog to know.
    pub async fn noted(&self, note: IncidentNote) {
        // Where dispatch is stopping, the note is in the store all the same.
        let _ = self.ask(|done| Request::Shared(Item::Note { note }, done)).await;
    }
}
