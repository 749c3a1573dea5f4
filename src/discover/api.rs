//! Asking the Kubernetes API: paged lists, read item by item, and failover between API servers.
//!
//! One item that can't be understood costs itself, not its list: it is left out, counted and named.

use std::time::Duration;

use http::header::DATE;
use jiff::{Timestamp, fmt::rfc2822};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use url::Url;

use super::objects::{List, Named, Status, Table};
use crate::{
    dial::{Answer, Ask, Auth, Dialer, Trust},
    model::{Failure, LeftOut, Reason},
};

/// Objects per page.
const PAGE: usize = 500;
/// The most pages of one list: 20,000 nodes, four times what Kubernetes supports.
const PAGES_MAX: usize = 40;
/// The most bytes of one page: a node with many images is 40 KiB, so 500 of them stay below.
const PAGE_BYTES_MAX: usize = 32 << 20;
/// The most bytes of a list that is asked for whole, since its pages expire: 5,000 nodes of 15 kB.
const WHOLE_BYTES_MAX: usize = 96 << 20;
/// The most bytes of a table: 20,000 rows of 200 bytes.
const TABLE_BYTES_MAX: usize = 4 << 20;
/// How many items that were left out are named.
const LEFT_OUT_NAMED: usize = 20;
/// How long a name may be that is told of an item that was left out.
const NAME_MAX: usize = 80;
/// The time of one request while there is another server to ask: one that hangs must not keep us from the others.
const QUICK_LIMIT: Duration = Duration::from_secs(4);
/// The time of one request to the last server: a big page over a slow line.
const LAST_LIMIT: Duration = Duration::from_secs(15);
/// What is asked for usually.
const JSON: &str = "application/json, */*";
/// What `kubectl get` asks for: a row of a few cells an object (`k8s.io/apimachinery/pkg/apis/meta/v1.Table`).
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// Says why a read failed.
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

/// Holds what was read, and the server's own time, where it told.
pub(super) struct Read<T> {
    pub(super) value: T,
    pub(super) date: Option<Timestamp>,
}

/// A list as far as it could be understood.
pub(super) struct Listed<K> {
    pub(super) items: Vec<K>,
    /// Items that could not be, by name; at most [`LEFT_OUT_NAMED`].
    pub(super) left_out: Vec<LeftOut>,
    /// How many there were.
    pub(super) left_out_count: usize,
    pub(super) date: Option<Timestamp>,
}

impl<K> Listed<Option<K>> {
    /// Without the items of which nothing is kept.
    pub(super) fn flatten(self) -> Listed<K> {
        let Self { items, left_out, left_out_count, date } = self;
        Listed { items: items.into_iter().flatten().collect(), left_out, left_out_count, date }
    }
}

impl<K> Listed<Vec<K>> {
    /// Returns the items of all items.
    pub(super) fn joined(self) -> Listed<K> {
        let Self { items, left_out, left_out_count, date } = self;
        Listed { items: items.into_iter().flatten().collect(), left_out, left_out_count, date }
    }
}

impl<K> Listed<K> {
    /// Returns what was no list.
    pub(super) fn of(items: Vec<K>) -> Self {
        Self { items, left_out: Vec::new(), left_out_count: 0, date: None }
    }

    /// Returns other items in the place of those read.
    pub(super) fn replaced<L>(self, items: Vec<L>) -> Listed<L> {
        let Self { left_out, left_out_count, date, .. } = self;
        Listed { items, left_out, left_out_count, date }
    }

    /// Reads a page item by item; gives the token of the next one besides.
    pub(super) fn of_page<T: DeserializeOwned>(
        body: &[u8],
        keep: &impl Fn(T) -> K,
    ) -> serde_json::Result<(Self, String)> {
        let page: List<'_> = serde_json::from_slice(body)?;
        let raw = page.items.unwrap_or_default();
        let mut listed = Self::of(Vec::with_capacity(raw.len()));
        for item in raw {
            match serde_json::from_str(item.get()) {
                Ok(object) => listed.items.push(keep(object)),
                Err(error) => listed.leave_out(item.get(), &error),
            }
        }
        Ok((listed, page.metadata.next))
    }

    fn leave_out(&mut self, item: &str, error: &serde_json::Error) {
        self.left_out_count += 1;
        if self.left_out.len() < LEFT_OUT_NAMED {
            let name = serde_json::from_str::<Named>(item).map(|n| n.metadata.name).unwrap_or_default();
            let name: String = name.chars().filter(|c| !c.is_control()).take(NAME_MAX).collect();
            let name = if name.is_empty() { "one without a name".to_owned() } else { name };
            // serde_json's own words may quote what was sent.
            let why = format!("it can't be understood (at its character {})", error.column());
            self.left_out.push(LeftOut { name, why });
        }
    }

    fn extend(&mut self, page: Self) {
        self.items.extend(page.items);
        self.left_out.extend(page.left_out);
        self.left_out.truncate(LEFT_OUT_NAMED);
        self.left_out_count += page.left_out_count;
        self.date = page.date;
    }
}

impl<'a> Reader<'a> {
    /// Returns `servers` in the order of trial.
    pub(super) fn new(dialer: &'a Dialer, mut servers: Vec<Url>) -> Self {
        servers.reverse();
        Self { dialer, servers, failures: Vec::new() }
    }

    /// Returns one object.
    pub(super) async fn get<T: DeserializeOwned>(&mut self, path: &str, query: &str) -> Result<Read<T>, ReadError> {
        self.read(path, query, JSON, PAGE_BYTES_MAX, |body| serde_json::from_slice(body)).await
    }

    /// Returns the cells of two columns of each row, as `kubectl get` would show them; `None`: the server makes no
    /// tables.
    pub(super) async fn columns(&mut self, path: &str, names: [&str; 2]) -> Option<Vec<[String; 2]>> {
        let query = "includeObject=None&resourceVersion=0";
        let parse = |body: &[u8]| serde_json::from_slice::<Table>(body);
        let table = self.read(path, query, TABLE, TABLE_BYTES_MAX, parse).await.ok()?;
        table.value.columns(names)
    }

    async fn read<T>(
        &mut self,
        path: &str,
        query: &str,
        accept: &'static str,
        max_bytes: usize,
        parse: impl Fn(&[u8]) -> serde_json::Result<T>,
    ) -> Result<Read<T>, ReadError> {
        while let Some(server) = self.servers.last() {
            let mut url = server.clone();
            url.set_path(path);
            url.set_query(Some(query).filter(|q| !q.is_empty()));
            let place = url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
            match self.ask(url, accept, max_bytes).await {
                Ok(answer) => match judge(&answer, &parse) {
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

    async fn ask(&self, url: Url, accept: &'static str, max_bytes: usize) -> Result<Answer, Failure> {
        let ask = Ask { reuse: true, max_bytes, accept, ..Ask::get(url, Trust::Cluster, Auth::Cluster) };
        let limit = if self.servers.len() > 1 { QUICK_LIMIT } else { LAST_LIMIT };
        self.dialer.exchange(ask, Instant::now() + limit).await.outcome
    }

    /// Returns a whole list, page by page, each object made smaller by `keep`. A list that expires midway is asked for
    /// once more, without a limit, as client-go's pager does it; a server that gives it in pages even so is followed,
    /// once.
    pub(super) async fn list<T: DeserializeOwned, K>(
        &mut self,
        path: &str,
        query: &str,
        keep: impl Fn(T) -> K,
    ) -> Result<Listed<K>, ReadError> {
        match self.pages(path, query, Some(PAGE), &keep).await {
            Err(ReadError::Gone) => match self.pages(path, query, None, &keep).await {
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
        limit: Option<usize>,
        keep: &impl Fn(T) -> K,
    ) -> Result<Listed<K>, ReadError> {
        let max_bytes = if limit.is_some() { PAGE_BYTES_MAX } else { WHOLE_BYTES_MAX };
        let (mut listed, mut token) = self.page(path, &page_query(query, limit, ""), max_bytes, keep).await?;
        for _ in 1..PAGES_MAX {
            if token.is_empty() {
                return Ok(listed);
            }
            let page = self.page(path, &page_query(query, limit, &token), max_bytes, keep).await?;
            listed.extend(page.0);
            token = page.1;
        }
        if token.is_empty() {
            return Ok(listed);
        }
        Err(ReadError::Sick(format!("{path}: the list has more than {} objects", PAGES_MAX * PAGE)))
    }

    /// One page and the token of the next.
    async fn page<T: DeserializeOwned, K>(
        &mut self,
        path: &str,
        query: &str,
        max_bytes: usize,
        keep: &impl Fn(T) -> K,
    ) -> Result<(Listed<K>, String), ReadError> {
        let read = self.read(path, query, JSON, max_bytes, |body| Listed::of_page(body, keep)).await?;
        let (listed, token) = read.value;
        Ok((Listed { date: read.date, ..listed }, token))
    }
}

fn page_query(query: &str, limit: Option<usize>, token: &str) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(query.to_owned());
    if let Some(limit) = limit {
        pairs.append_pair("limit", &limit.to_string());
    }
    if !token.is_empty() {
        pairs.append_pair("continue", token);
    }
    pairs.finish()
}

fn judge<T>(answer: &Answer, parse: impl Fn(&[u8]) -> serde_json::Result<T>) -> Result<T, ReadError> {
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
        200 => parse(&answer.body)
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
