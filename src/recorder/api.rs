//! Asking the API for one kind of object: a page of a list, or a watch.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use tokio::{sync::mpsc, time::Instant};
use url::Url;

use crate::{
    dial::{Ask, Auth, Dialer, Exchange, Fed, Feed, Trust},
    inventory::kinds::Kind,
    model::{Failure, Reason, text},
};

/// The most bytes of one page: 500 pods of 60 kB.
const PAGE_BYTES_MAX: usize = 32 << 20;
/// The longest line of a watch, so the largest object: etcd takes 1.5 MiB.
const LINE_BYTES_MAX: usize = 4 << 20;
/// The time of one page: a big one over a slow line.
const PAGE_LIMIT: Duration = Duration::from_secs(30);
/// A watch lasts so long, and up to half as long again, by chance: those that began together drift apart.
const WATCH_FOR: Duration = Duration::from_secs(300);
/// The server ends a watch itself; this much later we do.
const WATCH_GRACE: Duration = Duration::from_secs(15);
/// The longest message of a refusal that is shown, in bytes.
const MESSAGE_MAX: usize = 300;

/// Why a question was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// 401 or 403, or no credentials: in words.
    Forbidden(String),
    /// 404: the cluster does not have this kind, or not this version of it.
    Absent,
    /// 410: it is too long ago.
    TooOld,
    /// 400 or 422: the server does not know what was asked for.
    Invalid(String),
    /// Anything else: in words.
    Sick(String),
}

/// One kind at one server.
#[derive(Clone, Debug)]
pub(super) struct Api<'a> {
    pub(super) dialer: &'a Dialer,
    pub(super) server: &'a Url,
    pub(super) kind: &'static Kind,
    pub(super) version: &'static str,
}

impl Api<'_> {
    fn url(&self, query: &[(&str, &str)]) -> Url {
        let mut url = self.server.clone();
        url.set_path(&self.kind.path(self.version));
        let selector = Some(("fieldSelector", self.kind.selector)).filter(|(_, s)| !s.is_empty());
        url.query_pairs_mut().clear().extend_pairs(query.iter().copied().chain(selector));
        url
    }

    /// Returns the body of a page.
    pub(super) async fn page(&self, token: &str) -> Result<Bytes, Refused> {
        let limit = self.kind.page.to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend(Some(("continue", token)).filter(|(_, t)| !t.is_empty()));
        let ask = Ask {
            reuse: true,
            gzip: true,
            max_bytes: PAGE_BYTES_MAX,
            ..Ask::get(self.url(&query), Trust::Cluster, Auth::Cluster)
        };
        let Exchange { outcome, .. } = self.dialer.exchange(ask, Instant::now() + PAGE_LIMIT).await;
        let answer = outcome.map_err(|failure| failed(&failure))?;
        match answer.status {
            200 if answer.cut => Err(Refused::Sick(format!("a page of {} is too large, or broke off", self.kind.name))),
            200 => Ok(answer.body),
            status => Err(refused(status, &answer.body)),
        }
    }

    /// Returns a watch from a version on: the exchange to be driven, and its lines.
    pub(super) fn watch(
        &self,
        from: &str,
    ) -> (impl Future<Output = Result<(), Refused>> + Send + use<>, mpsc::Receiver<Fed>) {
        self.lines(&[("resourceVersion", from)])
    }

    /// Returns a watch that begins with all that is there (`page::Told::Complete` ends that): the exchange to be driven, and its
    /// lines.
    pub(super) fn stream(&self) -> (impl Future<Output = Result<(), Refused>> + Send + use<>, mpsc::Receiver<Fed>) {
        self.lines(&[("sendInitialEvents", "true"), ("resourceVersionMatch", "NotOlderThan")])
    }

    fn lines(
        &self,
        query: &[(&str, &str)],
    ) -> (impl Future<Output = Result<(), Refused>> + Send + use<>, mpsc::Receiver<Fed>) {
        let (feed, lines) = Feed::patient();
        let lasts = WATCH_FOR.mul_f64(1.0 + fastrand::f64() / 2.0);
        let seconds = lasts.as_secs().to_string();
        let of_all = [("watch", "1"), ("allowWatchBookmarks", "true"), ("timeoutSeconds", &*seconds)];
        let url = self.url(&[&of_all, query].concat());
        let ask = Ask { feed: Some(feed), max_bytes: LINE_BYTES_MAX, ..Ask::get(url, Trust::Cluster, Auth::Cluster) };
        let (dialer, deadline) = (self.dialer.clone(), Instant::now() + lasts + WATCH_GRACE);
        let done = async move {
            match dialer.exchange(ask, deadline).await.outcome {
                Ok(answer) if answer.status == 200 => Ok(()),
                Ok(answer) => Err(refused(answer.status, &answer.body)),
                Err(failure) => Err(failed(&failure)),
            }
        };
        (done, lines)
    }
}

fn failed(failure: &Failure) -> Refused {
    match failure.reason {
        Reason::Auth => Refused::Forbidden(failure.message.clone()),
        _ => Refused::Sick(failure.message.clone()),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    message: String,
}

fn refused(status: u16, body: &[u8]) -> Refused {
    let Status { message } = serde_json::from_slice(body).unwrap_or_default();
    let said = format!("HTTP {status} {}", text::clip(&message, MESSAGE_MAX));
    match status {
        401 | 403 => Refused::Forbidden(said.trim_end().to_owned()),
        404 => Refused::Absent,
        410 => Refused::TooOld,
        400 | 422 => Refused::Invalid(said.trim_end().to_owned()),
        _ => Refused::Sick(said.trim_end().to_owned()),
    }
}
