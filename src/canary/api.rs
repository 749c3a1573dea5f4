//! The few requests that the canary makes of the Kubernetes API, all of them within its namespace.
//!
//! Invariant: what changes anything names an object of the canary, or carries its labels.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use crate::{
    dial::{Ask, Auth, Dialer, Feed, Trust},
    model::{Failure, Reason},
};

/// The longest answer: a list of the canary's own objects.
const BYTES_MAX: usize = 4 << 20;
/// Events of one object that are read: alike ones are counted by the API server itself.
const EVENTS_MAX: usize = 100;
/// The longest message that is kept of a refusal, in bytes.
const MESSAGE_MAX: usize = 600;
/// The label by which all that is ours is found, whoever's it is.
const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "dogwatch");
/// The label by which one watchdog's is told from another's.
const INSTANCE: &str = "app.kubernetes.io/instance";

/// A kind of object that the canary makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Lease,
    Pod,
    Service,
    /// PersistentVolumeClaim.
    Claim,
    Event,
}

impl Kind {
    /// What is swept, in this order.
    pub(super) const ALL: [Kind; 4] = [Kind::Lease, Kind::Pod, Kind::Service, Kind::Claim];

    /// As it is written in a path and in messages.
    pub(super) const fn plural(self) -> &'static str {
        match self {
            Kind::Lease => "leases",
            Kind::Pod => "pods",
            Kind::Service => "services",
            Kind::Claim => "persistentvolumeclaims",
            Kind::Event => "events",
        }
    }

    const fn api(self) -> &'static str {
        match self {
            Kind::Lease => "/apis/coordination.k8s.io/v1",
            Kind::Pod | Kind::Service | Kind::Claim | Kind::Event => "/api/v1",
        }
    }
}

/// Why the API did not do what it was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Refused {
    /// `None`: there was no answer.
    pub(super) status: Option<u16>,
    /// The machine-readable reason: `Forbidden`, `AlreadyExists`, …
    pub(super) reason: String,
    /// What it says, shortened.
    pub(super) message: String,
    /// `host:port` of who said it.
    pub(super) instance: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    message: String,
    reason: String,
}

/// One watchdog's canary in one namespace.
#[derive(Clone, Debug)]
pub(super) struct Api {
    pub(super) dialer: Dialer,
    pub(super) namespace: String,
    /// Which watchdog: no other one's objects are touched.
    pub(super) id: String,
}

impl Api {
    /// The name of every object of ours: there is never more than one of a kind.
    pub(super) fn name(&self) -> String {
        format!("dogwatch-canary-{}", self.id)
    }

    /// The labels of every object of ours.
    pub(super) fn labels(&self) -> Value {
        json!({"app.kubernetes.io/name": "dogwatch-canary", MANAGED_BY.0: MANAGED_BY.1, INSTANCE: self.id})
    }

    /// What finds our own objects in a list.
    pub(super) fn selector(&self) -> String {
        format!("{}={},{INSTANCE}={}", MANAGED_BY.0, MANAGED_BY.1, self.id)
    }

    fn url(&self, server: &Url, kind: Kind, name: &str, query: &[(&str, &str)]) -> Url {
        let mut url = server.clone();
        let name = if name.is_empty() { String::new() } else { format!("/{name}") };
        url.set_path(&format!("{}/namespaces/{}/{}{name}", kind.api(), self.namespace, kind.plural()));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Returns an object.
    pub(super) async fn get(
        &self,
        servers: &[Url],
        kind: Kind,
        query: &[(&str, &str)],
        within: Duration,
    ) -> Result<Value, Refused> {
        self.read(servers, kind, &self.name(), query, within).await
    }

    /// Returns a list of our own objects of a kind, as etcd has it.
    pub(super) async fn list(&self, servers: &[Url], kind: Kind, within: Duration) -> Result<Vec<Value>, Refused> {
        self.items(servers, kind, &[("labelSelector", &self.selector())], within).await
    }

    /// Returns the events about an object.
    pub(super) async fn events(&self, servers: &[Url], uid: &str, within: Duration) -> Result<Vec<Value>, Refused> {
        let (about, limit) = (format!("involvedObject.uid={uid}"), EVENTS_MAX.to_string());
        self.items(servers, Kind::Event, &[("fieldSelector", &about), ("limit", &limit)], within).await
    }

    async fn items(
        &self,
        servers: &[Url],
        kind: Kind,
        query: &[(&str, &str)],
        within: Duration,
    ) -> Result<Vec<Value>, Refused> {
        let list = self.read(servers, kind, "", query, within).await?;
        Ok(list.get("items").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    async fn read(
        &self,
        servers: &[Url],
        kind: Kind,
        name: &str,
        query: &[(&str, &str)],
        within: Duration,
    ) -> Result<Value, Refused> {
        let ask = |server: &Url| {
            let url = self.url(server, kind, name, query);
            Ask { reuse: true, ..self.ask(url, Method::GET, None) }
        };
        self.call(servers, ask, within).await
    }

    /// Makes an object.
    pub(super) async fn create(
        &self,
        servers: &[Url],
        kind: Kind,
        object: &Value,
        within: Duration,
    ) -> Result<Value, Refused> {
        self.post(servers, kind, &[], object, within).await
    }

    /// Has an object made as far as nothing is stored.
    pub(super) async fn try_to_create(
        &self,
        servers: &[Url],
        kind: Kind,
        object: &Value,
        within: Duration,
    ) -> Result<Value, Refused> {
        self.post(servers, kind, &[("dryRun", "All")], object, within).await
    }

    async fn post(
        &self,
        servers: &[Url],
        kind: Kind,
        query: &[(&str, &str)],
        object: &Value,
        within: Duration,
    ) -> Result<Value, Refused> {
        let ask = |server: &Url| self.ask(self.url(server, kind, "", query), Method::POST, Some(object));
        self.call(servers, ask, within).await
    }

    /// Deletes an object of this name, in so many seconds of grace where it has any; one that is gone is deleted.
    pub(super) async fn delete(
        &self,
        servers: &[Url],
        kind: Kind,
        name: &str,
        grace: Option<u32>,
        within: Duration,
    ) -> Result<(), Refused> {
        let grace = grace.map(|seconds| seconds.to_string());
        let query: Vec<_> = grace.iter().map(|seconds| ("gracePeriodSeconds", seconds.as_str())).collect();
        let ask = |server: &Url| self.ask(self.url(server, kind, name, &query), Method::DELETE, None);
        match self.call(servers, ask, within).await {
            Err(refused) if refused.status == Some(404) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Returns what watches our own object of a kind for so long.
    pub(super) fn watch(&self, server: &Url, kind: Kind, within: Duration, feed: Feed) -> Ask {
        let (name, seconds) = (format!("metadata.name={}", self.name()), within.as_secs().max(1).to_string());
        let query =
            [("watch", "1"), ("fieldSelector", name.as_str()), ("resourceVersion", "0"), ("timeoutSeconds", &seconds)];
        Ask { feed: Some(feed), ..self.ask(self.url(server, kind, "", &query), Method::GET, None) }
    }

    fn ask(&self, url: Url, method: Method, body: Option<&Value>) -> Ask {
        let body = body.map(|b| Bytes::from(b.to_string())).unwrap_or_default();
        Ask { method, body, max_bytes: BYTES_MAX, ..Ask::get(url, Trust::Cluster, Auth::Cluster) }
    }

    /// Asks one server after the other, each within this, until one answers; an answer is one, whatever it says.
    async fn call(
        &self,
        servers: &[Url],
        ask: impl Fn(&Url) -> Ask + Send + Sync,
        within: Duration,
    ) -> Result<Value, Refused> {
        let mut last = Refused { message: "there is no API server".into(), ..Refused::default() };
        for server in servers {
            let exchange = self.dialer.exchange(ask(server), Instant::now() + within).await;
            match answered(exchange.outcome, instance(server)) {
                Err(e) if e.status.is_none() => last = e,
                answered => return answered,
            }
        }
        Err(last)
    }
}

/// Returns `host:port` of a server.
pub(super) fn instance(server: &Url) -> String {
    let port = server.port_or_known_default().unwrap_or(443);
    format!("{}:{port}", server.host_str().unwrap_or_default())
}

/// Reads what came of a request.
pub(super) fn answered(outcome: Result<crate::dial::Answer, Failure>, instance: String) -> Result<Value, Refused> {
    let refused = |status, reason: String, message: String| Refused {
        status,
        reason,
        message: crate::model::text::clip(&message, MESSAGE_MAX).to_owned(),
        instance: instance.clone(),
    };
    match outcome {
        // Without credentials nothing was asked at all.
        Err(failure) if failure.reason == Reason::Auth => {
            Err(refused(Some(401), "Unauthorized".into(), failure.message))
        }
        Err(failure) => Err(refused(None, String::new(), failure.message)),
        Ok(answer) if matches!(answer.status, 200..=202) => serde_json::from_slice(&answer.body).map_err(|e| {
            let why = format!("the answer can't be understood (line {})", e.line());
            refused(Some(answer.status), String::new(), why)
        }),
        Ok(answer) => {
            let said: Status = serde_json::from_slice(&answer.body).unwrap_or_default();
            let message = match said.message.is_empty() {
                true => format!("HTTP {}", answer.status),
                false => format!("HTTP {}: {}", answer.status, said.message),
            };
            Err(refused(Some(answer.status), said.reason, message))
        }
    }
}
