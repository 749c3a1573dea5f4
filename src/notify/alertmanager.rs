//! Other Alertmanagers: the incident's alerts as Prometheus sends them, to each of them, so that a cluster of
//! Alertmanagers tells its receivers once.
//!
//! An alert carries its end: `ends_after` from the message, which the route's reminders push on; so that an Alertmanager
//! forgets what a lost dogwatch said, and Alertmanager's own `resolve_timeout` (for alerts without an end) never counts.
//! Prometheus says every minute "ends in 4 minutes" (rules/manager.go); dogwatch speaks when something changes and in
//! `repeat_interval`, hence hours. Consequences are named in their cause and not alerts of their own: one that was sent
//! before its cause was known ends with the message that knows it.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    NotifyConfigError,
    config::AlertmanagerConfig,
    credential::Credential,
    message::{Check, Message},
    post::{Call, Service, Vault},
    view::View,
};
use crate::model::{Alert, AlertName, Pairs, Severity};

/// Reminders of certificates come once a day, all others are more frequent by default; and an hour to arrive.
const ENDS_AFTER: Duration = Duration::from_secs(25 * 3_600);

/// Where alerts are posted, under each Alertmanager's own URL.
const PATH: &str = "api/v2/alerts";

/// A checked entry of `alertmanager_configs:`.
#[derive(Debug)]
pub(super) struct Alertmanager {
    urls: Vec<String>,
    ends_after: Duration,
}

impl Alertmanager {
    /// Checks an entry.
    pub fn new(config: &AlertmanagerConfig, check: Check<'_>) -> Result<Self, NotifyConfigError> {
        if config.urls.is_empty() {
            return Err(check.error("urls", "give the URL of at least one Alertmanager, e.g. http://127.0.0.1:9093"));
        }
        for (i, url) in config.urls.iter().enumerate() {
            let at = format!("urls[{i}]");
            if !matches!(url.scheme(), "http" | "https") {
                return Err(check.error(&at, "must begin with http:// or https://"));
            }
            if !url.username().is_empty() || url.password().is_some() {
                return Err(check.error(&at, "credentials belong into http_config"));
            }
            if url.path().trim_end_matches('/').ends_with(PATH) {
                return Err(check.error(&at, format!("leave {PATH} out: it is added")));
            }
        }
        let urls = config.urls.iter().map(|url| format!("{}/{PATH}", url.as_str().trim_end_matches('/'))).collect();
        Ok(Self { urls, ends_after: config.ends_after.filter(|d| !d.is_zero()).unwrap_or(ENDS_AFTER) })
    }

    fn alerts(&self, m: &Message<'_>) -> Vec<Value> {
        let at = m.n.at;
        let mut posts = Vec::new();
        for (alert, known) in View::whole(m.n).alerts.iter().zip(&m.n.incident.alerts) {
            let ends = if alert.is_consequence { alert.alert.ends_at.or(Some(at)) } else { alert.alert.ends_at };
            posts.push(post(&alert.alert, &alert.alert.labels, ends.unwrap_or_else(|| at + self.ends_after)));
            // Another severity is another alert there: what it was before it got worse is over.
            if m.n.sequence > 0 && known.finding.key.alert != AlertName::Other {
                let others = [Severity::Critical, Severity::Warning, Severity::Info];
                for other in others.into_iter().filter(|s| *s != known.finding.severity) {
                    let mut labels = alert.alert.labels.clone();
                    labels.insert("severity".to_owned(), other.to_string());
                    posts.push(post(&alert.alert, &labels, ends.unwrap_or(at)));
                }
            }
        }
        posts
    }
}

impl Service for Alertmanager {
    fn secrets(&self) -> Vec<&Credential> {
        Vec::new()
    }

    fn calls(&self, m: &Message<'_>, _vault: &Vault) -> Result<Vec<Call>, String> {
        let alerts = self.alerts(m);
        self.urls.iter().map(|url| Call::json(url, &alerts)).collect()
    }

    fn one_suffices(&self) -> bool {
        true
    }
}

/// An end before the beginning is refused with all alerts of the request.
fn post(alert: &Alert, labels: &Pairs, ends_at: Timestamp) -> Value {
    json!({
        "labels": labels,
        "annotations": alert.annotations,
        "startsAt": alert.starts_at.to_string(),
        "endsAt": ends_at.max(alert.starts_at).to_string(),
        "generatorURL": alert.generator_url,
    })
}
