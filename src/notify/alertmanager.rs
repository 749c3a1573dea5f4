//! Other Alertmanagers: alerts are forwarded to each of them (POST /api/v2/alerts); a cluster of them tells each once.
//!
//! An alert that lasts is said again with every reminder, so its end lies beyond the longest one; its real end is told.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Url;
use serde_json::{Value, json};

use super::{
    NotifyConfigError,
    config::AlertmanagerConfig,
    data,
    post::Request,
    service::{Making, Place, Service},
    words,
};
use crate::model::Notification;

/// Nothing is said about a lasting incident for longer than this (a day between the reminders of certificates, and a bit).
const LASTS: Duration = Duration::from_secs(25 * 3_600);

/// A checked entry of `alertmanager_configs:`.
#[derive(Debug)]
pub struct Alertmanager {
    urls: Vec<Url>,
}

impl Alertmanager {
    /// Checks the entry.
    pub fn new(c: &AlertmanagerConfig, place: &Place<'_>) -> Result<Self, NotifyConfigError> {
        if c.urls.is_empty() {
            return Err(place.wrong("urls", "name at least one Alertmanager: http://am-1:9093"));
        }
        let url = |text: &String| place.url("urls", &format!("{}/api/v2/alerts", text.trim_end_matches('/')));
        Ok(Self { urls: c.urls.iter().map(url).collect::<Result<_, _>>()? })
    }
}

impl Service for Alertmanager {
    fn requests<'a>(&'a self, n: &'a Notification) -> Making<'a> {
        Box::pin(async {
            let body = self.preview(n);
            Ok(self.urls.iter().map(|url| Request::json(url.clone(), &body)).collect())
        })
    }

    fn preview(&self, n: &Notification) -> Value {
        let until = n.at.checked_add(LASTS).unwrap_or(Timestamp::MAX);
        let alert = |a: &crate::model::IncidentAlert| {
            json!({
                "labels": data::labels(a, n),
                "annotations": data::annotations(a),
                "startsAt": a.finding.since.to_string(),
                "endsAt": a.ended_at.or(n.incident.resolved_at).unwrap_or(until).to_string(),
                "generatorURL": words::link(n),
            })
        };
        n.incident.alerts.iter().map(alert).collect()
    }
}
