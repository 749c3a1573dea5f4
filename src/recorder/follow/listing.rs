//! All objects of one kind: as a stream where the server has that, else in pages.
//!
//! A stream (`sendInitialEvents`; Kubernetes 1.34 and later, kubernetes.io/docs/reference/using-api/api-concepts#streaming-lists)
//! costs an API server a fraction of the memory of a list. A server that does not know it refuses it, or says nothing of an
//! end: then the cluster is read in pages until the watchdog is started again.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::Semaphore, time::timeout};

use super::{Follower, Refused};
use crate::{
    dial::{Dialer, Fed},
    recorder::{
        api::Api,
        memory::Taken,
        page::{self, ListMeta, Told},
    },
};

/// A list that expires while it is read is begun anew so often.
const LISTS_MAX: usize = 3;
/// The most pages of a list: what is held of one kind is bounded anyway.
const PAGES_MAX: usize = 5_000;
/// Lines of a stream that are taken in at once.
const LINES: usize = 256;
/// A server that streams is never silent for so long before it has told all: it waits three seconds at the most for its own
/// cache.
const SILENT_FOR: Duration = Duration::from_secs(10);

/// How all kinds of a cluster are read.
#[derive(Debug)]
pub(in crate::recorder) struct Lists {
    /// One at a time in a cluster.
    turn: Semaphore,
    /// The servers do not stream.
    are_pages: AtomicBool,
}

impl Default for Lists {
    fn default() -> Self {
        Self { turn: Semaphore::new(1), are_pages: AtomicBool::new(false) }
    }
}

/// What became of a stream.
enum Streamed {
    /// All was told.
    All,
    /// Not of this kind: whoever may list need not be allowed to watch.
    NotThis,
    /// The server does not know how.
    Unknown,
}

/// What was taken in at once.
#[derive(Default)]
struct Counts {
    changed: u64,
    no_room: u64,
    cut: u64,
}

impl Counts {
    fn take(&mut self, taken: Taken) {
        match taken {
            Taken::Same => {}
            Taken::Changed => self.changed += 1,
            Taken::NoRoom => self.no_room += 1,
        }
    }
}

impl Follower {
    /// Reads all of them.
    pub(super) async fn list(&mut self, dialer: &Dialer) -> Result<(), Refused> {
        let lists = self.lists.clone();
        // Closed never.
        let _turn = lists.turn.acquire().await;
        let server = self.server(dialer);
        let version = self.kind.versions.get(self.version).copied().unwrap_or("v1");
        let api = Api { dialer, server: &server, kind: self.kind, version };
        if !lists.are_pages.load(Ordering::Relaxed) {
            match self.stream(&api).await? {
                Streamed::All => return Ok(()),
                Streamed::NotThis => {}
                Streamed::Unknown => lists.are_pages.store(true, Ordering::Relaxed),
            }
        }
        for _ in 0..LISTS_MAX {
            match self.pages(&api).await {
                Err(Refused::TooOld) => {}
                other => return other,
            }
        }
        Err(Refused::Sick(format!("the list of {} expires while it is read", self.kind.name)))
    }

    async fn pages(&mut self, api: &Api<'_>) -> Result<(), Refused> {
        let (mut there, mut token) = (HashSet::new(), String::new());
        for _ in 0..PAGES_MAX {
            let body = api.page(&token).await?;
            let meta = self.page(body, &mut there).await?;
            self.pack().await;
            if !meta.next.is_empty() {
                token = meta.next;
                continue;
            }
            self.all_told(&there, meta.version).await;
            return match self.from.is_empty() {
                true => Err(Refused::Sick("the list has no resourceVersion".into())),
                false => Ok(()),
            };
        }
        Err(Refused::Sick(format!("the list of {} has no end", self.kind.name)))
    }

    /// Reads them as a stream.
    async fn stream(&mut self, api: &Api<'_>) -> Result<Streamed, Refused> {
        let (done, mut lines) = api.stream();
        tokio::pin!(done);
        let (mut there, mut ended) = (HashSet::new(), None);
        loop {
            let mut batch = Vec::with_capacity(LINES);
            let told = tokio::select! {
                told = timeout(SILENT_FOR, lines.recv_many(&mut batch, LINES)) => told.unwrap_or(0),
                outcome = &mut done, if ended.is_none() => {
                    ended = Some(outcome);
                    continue;
                }
            };
            if told == 0 {
                return match ended {
                    None => Ok(Streamed::Unknown),
                    Some(Err(Refused::Forbidden(_))) => Ok(Streamed::NotThis),
                    Some(Err(Refused::Invalid(_)) | Ok(())) => Ok(Streamed::Unknown),
                    Some(Err(other)) => Err(other),
                };
            }
            match self.lines(batch, &mut there).await? {
                None => self.pack().await,
                Some(Told::Complete(version)) => {
                    self.all_told(&there, version).await;
                    return Ok(Streamed::All);
                }
                Some(_) => return Ok(Streamed::Unknown),
            }
        }
    }

    /// Takes lines of a stream in, on a thread that nobody waits for. Returns what ends it.
    async fn lines(&mut self, batch: Vec<Fed>, there: &mut HashSet<String>) -> Result<Option<Told>, Refused> {
        let (mut memory, mut keys) = (std::mem::take(&mut self.memory), std::mem::take(there));
        let (kind, now_ms) = (self.kind, self.now_ms());
        let reading = tokio::task::spawn_blocking(move || {
            let (mut counts, mut end) = (Counts::default(), Ok(None));
            for fed in batch {
                let Fed::Line(_, line) = fed else { continue };
                match page::line(kind, &line) {
                    Ok(Some(Told::Is(kept, _))) => {
                        keys.insert(kept.key.clone());
                        counts.cut += kept.cut;
                        counts.take(memory.take(*kept, now_ms));
                    }
                    Ok(Some(Told::Gone(key, _))) => {
                        keys.remove(&key);
                        counts.changed += u64::from(memory.gone(&key, now_ms));
                    }
                    Ok(None) => {}
                    Ok(Some(Told::Ended(code, why))) => {
                        end = Err(Refused::Sick(format!("the stream ended: {code} {why}")));
                        break;
                    }
                    Ok(Some(told @ (Told::Bookmark(_) | Told::Complete(_)))) => {
                        end = Ok(Some(told));
                        break;
                    }
                    Err(_) => {
                        end = Err(Refused::Sick("a line of a stream can't be understood".into()));
                        break;
                    }
                }
            }
            (memory, keys, end, counts)
        });
        let read = reading.await.map_err(|_| Refused::Sick("reading a stream broke off".into()))?;
        let (memory, keys, end, counts) = read;
        (self.memory, *there) = (memory, keys);
        self.took(&counts);
        end
    }

    /// All that is there was told, as of a version: what was not told has gone.
    async fn all_told(&mut self, there: &HashSet<String>, version: String) {
        let gone = self.memory.only(there, self.now_ms());
        self.count(gone);
        self.memory.begun();
        self.pack().await;
        self.from = version;
        self.is_seen();
    }

    fn took(&self, counts: &Counts) {
        self.count(counts.changed);
        self.dropped(counts.no_room, counts.cut);
    }

    /// Takes a page in, on a thread that nobody waits for.
    async fn page(&mut self, body: Bytes, there: &mut HashSet<String>) -> Result<ListMeta, Refused> {
        let (mut memory, mut keys) = (std::mem::take(&mut self.memory), std::mem::take(there));
        let (kind, now_ms) = (self.kind, self.now_ms());
        let reading = tokio::task::spawn_blocking(move || {
            let mut counts = Counts::default();
            let meta = page::read(kind, &body, &mut |kept| {
                keys.insert(kept.key.clone());
                counts.cut += kept.cut;
                counts.take(memory.take(kept, now_ms));
            });
            (memory, keys, meta, counts)
        });
        let read = reading.await.map_err(|_| Refused::Sick("reading a page broke off".into()))?;
        let (memory, keys, meta, counts) = read;
        (self.memory, *there) = (memory, keys);
        self.took(&counts);
        // serde_json's own words may quote what was sent.
        meta.map_err(|e| Refused::Sick(format!("a page can't be understood (line {})", e.line())))
    }
}
