//! Asks the other, every second and whenever there is news. What is said and what follows from the answer is the desk's: the loop
//! that owns the core.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    config::PeerConfig,
    core::ANSWER_WITHIN,
    wire::{BODY_MAX, Say},
};
use crate::{
    notify::{
        client::{HttpClient, Session},
        with_causes,
    },
    telemetry::{Metrics, PeerLabels},
};

/// How often the other is asked where nothing is new.
const EVERY: Duration = Duration::from_secs(1);

/// News within this go together; another that answers badly is not asked more often.
const REST: Duration = Duration::from_millis(20);

/// How long certificates and connections are kept before the files are read again.
const SESSION_FOR: Duration = Duration::from_secs(300);

/// What the loop that owns the core does for the link.
pub trait Desk: Send + Sync + 'static {
    /// Gives what is to be said; `None`: nothing now, since it begins or stops.
    fn say(&self) -> impl Future<Output = Option<Say>> + Send;
    /// Takes the answer to what was asked at that moment, or why there is none. Returns whether to ask again at once.
    fn answered(&self, began: Instant, answer: Result<Say, String>) -> impl Future<Output = bool> + Send;
}

/// Runs until told to leave. `news`: there is something to say.
pub async fn run(
    config: PeerConfig,
    desk: impl Desk,
    news: Arc<Notify>,
    metrics: Arc<Metrics>,
    leave: CancellationToken,
) {
    let mut client = None;
    let asking = async {
        loop {
            let Some(say) = desk.say().await else {
                sleep(EVERY).await;
                continue;
            };
            let began = Instant::now();
            let asked = timeout(ANSWER_WITHIN, ask(&config, &mut client, &say)).await;
            let answer = asked.unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWER_WITHIN.as_secs())));
            let outcome = if answer.is_ok() { "answered" } else { "failed" };
            metrics.peer_exchanges.get_or_create(&PeerLabels { outcome }).inc();
            if answer.is_err() {
                client = None;
            }
            let failed = answer.is_err();
            let again = desk.answered(began, answer).await;
            sleep(REST).await;
            if !again || failed {
                let pause = if failed { EVERY } else { EVERY.saturating_sub(REST) };
                tokio::select! {
                    () = sleep(pause) => {}
                    () = news.notified() => {}
                }
            }
        }
    };
    tokio::select! {
        () = leave.cancelled() => {}
        () = asking => {}
    }
}

/// A client, its connections, and since when.
type Kept = Option<(HttpClient, Session, Instant)>;

async fn ask(config: &PeerConfig, kept: &mut Kept, say: &Say) -> Result<Say, String> {
    if kept.as_ref().is_some_and(|(_, _, since)| since.elapsed() >= SESSION_FOR) {
        *kept = None;
    }
    let (client, session, _) = match kept {
        Some(kept) => kept,
        None => {
            let client = HttpClient::new(&config.http()).map_err(|(_, why)| why)?;
            let session = client.client(ANSWER_WITHIN).await?;
            kept.insert((client, session, Instant::now()))
        }
    };
    let body = serde_json::to_vec(say).map_err(|e| e.to_string())?;
    let request = client.post(session, config.address()).await?;
    let request = request.header("Content-Type", "application/json").body(body);
    let mut response = request.send().await.map_err(|e| with_causes(&e.without_url()))?;
    let status = response.status();
    let mut answer = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|e| with_causes(&e.without_url()))? {
        answer.extend_from_slice(&part);
        if answer.len() > BODY_MAX {
            return Err(format!("its answer is longer than {BODY_MAX} bytes"));
        }
    }
    if !status.is_success() {
        let said = String::from_utf8_lossy(&answer);
        return Err(format!("it answers {status}: {}", said.lines().next().unwrap_or_default()));
    }
    serde_json::from_slice(&answer).map_err(|e| format!("its answer can't be read: {e}"))
}
