//! Submissions: what API, pages and the command line hand in. Every answer comes after the store has it, or says
//! that it has it in memory alone.

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    alerts::{Post, Refused},
    report::Report,
    silence::SilenceError,
};
use crate::{
    model::Silence,
    peer::{Item, Say},
    store::Durability,
};

/// Requests that wait.
pub const REQUESTS: usize = 256;

/// Names what is handed in.
#[derive(Debug)]
pub enum Request {
    /// Alerts from outside.
    Post(Vec<Post>, oneshot::Sender<(Vec<Refused>, Durability)>),
    /// A silence, new or changed.
    Silence(Silence, oneshot::Sender<Result<(String, Durability), SilenceError>>),
    /// The end of a silence.
    Expire(String, oneshot::Sender<Result<Durability, SilenceError>>),
    /// Somebody looks after an incident: `(id, who)`; `None`: there is none that is open.
    Acknowledge(i64, String, oneshot::Sender<Option<Durability>>),
    /// Nobody looks after an incident any more: `(id, who says so)`; `None`: there is none that is open.
    Withdraw(i64, String, oneshot::Sender<Option<Durability>>),
    /// The report of a month.
    Report(Box<Report>, oneshot::Sender<Durability>),
    /// What is to be said to the other watchdog; `None`: there is no other.
    PeerSay(oneshot::Sender<Option<Say>>),
    /// The other watchdog's answer to what was asked then, or why there is none; answered with whether to ask again at once.
    PeerAnswered(Instant, Box<Result<Say, String>>, oneshot::Sender<bool>),
    /// The other watchdog asks.
    PeerAsks(Box<Say>, oneshot::Sender<Result<Say, String>>),
    /// What the store has, and the other watchdog is to know.
    Shared(Item, oneshot::Sender<()>),
}

/// Says that dispatch does not answer: it is stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("dogwatch is stopping and takes nothing any more")]
pub struct Closed;

/// Hands alerts, silences and acknowledgements to dispatch. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Submissions(mpsc::Sender<Request>);

impl Submissions {
    /// Returns the handle and the end that [`super::Dispatch`] reads.
    pub fn new() -> (Self, mpsc::Receiver<Request>) {
        let (send, receive) = mpsc::channel(REQUESTS);
        (Self(send), receive)
    }

    pub(super) async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Closed> {
        let (answer, answered) = oneshot::channel();
        self.0.send(request(answer)).await.map_err(|_| Closed)?;
        answered.await.map_err(|_| Closed)
    }

    /// Hands in alerts; returns why some were not taken, and whether the others are on disk.
    ///
    /// # Errors
    /// When dispatch is stopping.
    pub async fn post(&self, alerts: Vec<Post>) -> Result<(Vec<Refused>, Durability), Closed> {
        self.ask(|answer| Request::Post(alerts, answer)).await
    }

    /// Hands in a silence; returns its id, and whether it is on disk.
    ///
    /// # Errors
    /// When dispatch is stopping; within, when it can't work.
    pub async fn silence(&self, silence: Silence) -> Result<Result<(String, Durability), SilenceError>, Closed> {
        self.ask(|answer| Request::Silence(silence, answer)).await
    }

    /// Ends a silence.
    ///
    /// # Errors
    /// When dispatch is stopping; within, when there is none.
    pub async fn expire(&self, id: &str) -> Result<Result<Durability, SilenceError>, Closed> {
        self.ask(|answer| Request::Expire(id.to_owned(), answer)).await
    }

    /// Says who looks after an open incident, and returns whether that is on disk; `None`: there is none with this id.
    /// Without a name it is "somebody", and whoever said it before stays.
    ///
    /// # Errors
    /// When dispatch is stopping.
    pub async fn acknowledge(&self, id: i64, by: &str) -> Result<Option<Durability>, Closed> {
        self.ask(|answer| Request::Acknowledge(id, by.to_owned(), answer)).await
    }

    /// Withdraws the acknowledgement of an open incident, in the name of whoever says so, where there is one: escalation and
    /// reminders go on. Returns whether that is on disk; `None`: there is none with this id.
    ///
    /// # Errors
    /// When dispatch is stopping.
    pub async fn withdraw(&self, id: i64, by: &str) -> Result<Option<Durability>, Closed> {
        self.ask(|answer| Request::Withdraw(id, by.to_owned(), answer)).await
    }

    /// Hands in the report of a month; returns whether it is on disk in the outbox.
    ///
    /// # Errors
    /// When dispatch is stopping.
    pub async fn report(&self, report: Report) -> Result<Durability, Closed> {
        self.ask(|answer| Request::Report(Box::new(report), answer)).await
    }
}
