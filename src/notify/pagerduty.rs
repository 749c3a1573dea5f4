//! PagerDuty: Events API v2 (developer.pagerduty.com/docs/events-api-v2): trigger and resolve under one dedup_key.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    NotifyConfigError,
    client::parse_url,
    config::{GlobalConfig, PagerdutyConfig},
    credential::Credential,
    post::Request,
    service::{Making, Place, Service, Text, cut, dedup_key, is_over},
    words,
};
use crate::model::{Notification, Secret};

/// Events API v2.
const API: &str = "https://events.pagerduty.com/v2/enqueue";

/// Of `payload.summary`.
const SUMMARY_MAX: usize = 1_024;

/// An event may have 512 kB; details beyond this say nothing more to anybody.
const DETAIL_MAX: usize = 10_000;

/// A checked entry of `pagerduty_configs:`.
#[derive(Debug)]
pub struct Pagerduty {
    receiver: String,
    url: String,
    key: Credential,
    texts: BTreeMap<&'static str, Text>,
    details: BTreeMap<String, Text>,
}

impl Pagerduty {
    /// Checks the entry.
    pub fn new(global: &GlobalConfig, c: &PagerdutyConfig, place: &Place<'_>) -> Result<Self, NotifyConfigError> {
        let url = c.url.as_ref().or(global.pagerduty_url.as_ref()).map_or(API, String::as_str);
        place.url("url", url)?;
        let texts = [
            ("description", &c.description),
            ("severity", &c.severity),
            ("source", &c.source),
            ("class", &c.class),
            ("component", &c.component),
            ("group", &c.group),
            ("client", &c.client),
            ("client_url", &c.client_url),
        ];
        let texts = texts.into_iter().map(|(key, text)| Ok((key, place.text(key, text.as_ref())?)));
        let details = c.details.iter().map(|(key, text)| Ok((key.clone(), place.text("details", Some(text))?)));
        Ok(Self {
            receiver: place.receiver.to_owned(),
            url: url.to_owned(),
            key: place.secret("routing_key", c.routing_key.as_ref(), c.routing_key_file.as_ref())?,
            texts: texts.collect::<Result<_, NotifyConfigError>>()?,
            details: details.collect::<Result<_, NotifyConfigError>>()?,
        })
    }

    fn text(&self, key: &str, n: &Notification) -> Option<String> {
        self.texts.get(key).and_then(|t| t.configured(n, &self.receiver))
    }
}

impl Service for Pagerduty {
    fn requests<'a>(&'a self, n: &'a Notification) -> Making<'a> {
        Box::pin(async {
            let mut body = self.preview(n);
            body["routing_key"] = self.key.read().await?.reveal().into();
            Ok(vec![Request::json(parse_url(&Secret::new(&*self.url))?, &body)])
        })
    }

    fn preview(&self, n: &Notification) -> Value {
        let mut body = json!({
            "routing_key": "<secret>",
            "dedup_key": dedup_key(n),
            "event_action": if is_over(n) { "resolve" } else { "trigger" },
        });
        if is_over(n) {
            return body;
        }
        let mut details = serde_json::Map::new();
        details.insert("text".into(), cut(&words::plain(n), DETAIL_MAX).into());
        for (key, text) in &self.details {
            details.insert(key.clone(), cut(&text.of(n, &self.receiver, String::new), DETAIL_MAX).into());
        }
        let mut payload = json!({
            "summary": cut(&self.text("description", n).unwrap_or_else(|| words::subject(n)), SUMMARY_MAX),
            "source": self.text("source", n).unwrap_or_else(|| words::place(&n.incident).to_owned()),
            "severity": self.text("severity", n).unwrap_or_else(|| n.incident.severity.to_string()),
            "timestamp": n.incident.started_at.to_string(),
            "custom_details": details,
        });
        for key in ["class", "component", "group"] {
            if let Some(value) = self.text(key, n) {
                payload[key] = value.into();
            }
        }
        body["payload"] = payload;
        body["client"] = self.text("client", n).unwrap_or_else(|| "dogwatch".into()).into();
        let link = self.text("client_url", n).unwrap_or_else(|| words::link(n));
        if !link.is_empty() {
            body["client_url"] = link.as_str().into();
            body["links"] = json!([{"href": link, "text": "incident"}]);
        }
        body
    }
}
