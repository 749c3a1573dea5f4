//! Asking the Kubernetes API: paged lists, failover between API servers.

use std::time::Duration;

use http::header::DATE;
use jiff::{Timestamp, fmt::rfc2822};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use url::Url;

use super::objects::{List, Status};
use crate::{
    dial::{Answer, Ask, Auth, Dialer, Trust},
    model::{Failure, Reason},
};

/// Objects per page.
const PAGE: usize = 500;
/// The most pages of one list: 20,000 nodes, four times what Kubernetes supports.
const PAGES_MAX: usize = 40;
/// The most bytes of one page: a node with many images is 40 KiB, so 500 of them stay below.
const PAGE_BYTES_MAX: usize = 32 << 20;
/// The time of one request while there is another server to ask: one that hangs must not keep us from the others.
const QUICK_LIMIT: Duration = Duration::from_secs(4);
/// The time of one request to the last server: a big page over a slow line.
const LAST_LIMIT: Duration = Duration::from_secs(15);

/// Why a read failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadError {
    /// No API server gave a usable answer.
    Sick(String),
    /// 401 or 403.
    Forbidden(String),
    /// 404: this version does not have it, or the object is not there.
    NotFound,
    /// 410: the list has changed too much to go on paging.
    Gone,
}

/// Reads from the first API server that works; one that failed is not asked again by the same reader.
pub(super) struct Reader<'a> {
    dialer: &'a Dialer,
    servers: Vec<Url>,
    failures: Vec<String>,
}

/// What was read, and the server's own time, where it told.
pub(super) struct Read<T> {
    pub(super) value: T,
    pub(super) date: Option<Timestamp>,
}

impl<'a> Reader<'a> {
    /// `servers` in the order of trial.
    pub(super) fn new(dialer: &'a Dialer, mut servers: Vec<Url>) -> Self {
        servers.reverse();
        Self { dialer, servers, failures: Vec::new() }
    }

    /// One object.
    pub(super) async fn get<T: DeserializeOwned>(&mut self, path: &str, query: &str) -> Result<Read<T>, ReadError> {
        while let Some(server) = self.servers.last() {
            let mut url = server.clone();
            url.set_path(path);
            url.set_query(Some(query).filter(|q| !q.is_empty()));
            let place = url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
            match self.ask(url).await {
                Ok(answer) => match judge(&answer) {
                    Ok(value) => return Ok(Read { value, date: date(&answer) }),
                    Err(ReadError::Sick(why)) => self.failures.push(format!("{place}: {path}: {why}")),
                    Err(other) => return Err(other),
                },
                Err(failure) if failure.reason == Reason::Auth => return Err(ReadError::Forbidden(failure.message)),
                Err(failure) => self.failures.push(failure.message),
            }
            self.servers.pop();
        }
        Err(ReadError::Sick(self.failures.join("; ")))
    }

    async fn ask(&self, url: Url) -> Result<Answer, Failure> {
        let mut ask = Ask::get(url, Trust::Cluster, Auth::Cluster);
        ask.reuse = true;
        ask.max_bytes = PAGE_BYTES_MAX;
        let limit = if self.servers.len() > 1 { QUICK_LIMIT } else { LAST_LIMIT };
        self.dialer.exchange(ask, Instant::now() + limit).await.outcome
    }

    /// A whole list, page by page, each object made smaller by `keep`. A list that expires midway is begun anew, once.
    pub(super) async fn list<T: DeserializeOwned, K>(
        &mut self,
        path: &str,
        query: &str,
        keep: impl Fn(T) -> K,
    ) -> Result<Read<Vec<K>>, ReadError> {
        match self.pages(path, query, &keep).await {
            Err(ReadError::Gone) => match self.pages(path, query, &keep).await {
                Err(ReadError::Gone) => {
                    Err(ReadError::Sick(format!("{path}: the list expired twice while it was read")))
                }
                result => result,
            },
            result => result,
        }
    }

    async fn pages<T: DeserializeOwned, K>(
        &mut self,
        path: &str,
        query: &str,
        keep: &impl Fn(T) -> K,
    ) -> Result<Read<Vec<K>>, ReadError> {
        let mut all = Vec::new();
        let mut token = String::new();
        for _ in 0..PAGES_MAX {
            let page: Read<List<T>> = self.get(path, &page_query(query, &token)).await?;
            all.extend(page.value.items.into_iter().map(keep));
            token = page.value.metadata.next;
            if token.is_empty() {
                return Ok(Read { value: all, date: page.date });
            }
        }
        Err(ReadError::Sick(format!("{path}: the list has more than {} objects", PAGES_MAX * PAGE)))
    }
}

fn page_query(query: &str, token: &str) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(query.to_owned());
    pairs.append_pair("limit", &PAGE.to_string());
    if !token.is_empty() {
        pairs.append_pair("continue", token);
    }
    pairs.finish()
}

fn judge<T: DeserializeOwned>(answer: &Answer) -> Result<T, ReadError> {
    let said = || {
        let status: Option<Status> = serde_json::from_slice(&answer.body).ok();
        let message: String = status.map(|s| s.message).unwrap_or_default().chars().take(200).collect();
        if message.is_empty() {
            format!("HTTP {}", answer.status)
        } else {
            format!("HTTP {}: {message}", answer.status)
        }
    };
    match answer.status {
        200 if answer.cut => Err(ReadError::Sick("the answer was cut off".to_owned())),
        // serde_json's own words may quote what was sent.
        200 => serde_json::from_slice(&answer.body)
            .map_err(|e| ReadError::Sick(format!("the answer can't be understood (line {})", e.line()))),
        401 | 403 => Err(ReadError::Forbidden(said())),
        404 => Err(ReadError::NotFound),
        410 => Err(ReadError::Gone),
        _ => Err(ReadError::Sick(said())),
    }
}

fn date(answer: &Answer) -> Option<Timestamp> {
    let text = answer.headers.get(DATE)?.to_str().ok()?;
    rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}
