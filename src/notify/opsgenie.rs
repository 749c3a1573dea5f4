//! Opsgenie: Alert API (docs.opsgenie.com/docs/alert-api): created and closed under one alias.

use std::collections::BTreeMap;

use http::{HeaderValue, header};
use serde_json::{Value, json};

use super::{
    NotifyConfigError,
    client::{parse_url, secret_value},
    config::{GlobalConfig, OpsgenieConfig},
    credential::Credential,
    post::Request,
    service::{Making, Place, Service, Text, cut, dedup_key, is_over},
    words,
};
use crate::model::{Notification, Secret, Severity};

/// Opsgenie's own.
const API: &str = "https://api.opsgenie.com/";
/// Of `message`.
const MESSAGE_MAX: usize = 130;
/// Of `description`.
const DESCRIPTION_MAX: usize = 15_000;

/// A checked entry of `opsgenie_configs:`.
#[derive(Debug)]
pub struct Opsgenie {
    receiver: String,
    url: String,
    key: Credential,
    message: Text,
    description: Text,
    source: Text,
    priority: Text,
    entity: Text,
    tags: Text,
    details: BTreeMap<String, Text>,
    responders: Vec<BTreeMap<String, String>>,
}

impl Opsgenie {
    /// Checks the entry.
    pub fn new(global: &GlobalConfig, c: &OpsgenieConfig, place: &Place<'_>) -> Result<Self, NotifyConfigError> {
        let wrong = |e: &str| place.wrong("api_key", e);
        let own = Credential::from_either(c.api_key.as_ref(), c.api_key_file.as_ref()).map_err(wrong)?;
        let key = match own {
            Some(own) => own,
            None => Credential::from_either(global.opsgenie_api_key.as_ref(), global.opsgenie_api_key_file.as_ref())
                .map_err(wrong)?
                .ok_or_else(|| wrong("no key; give api_key, api_key_file or global.opsgenie_api_key"))?,
        };
        let url = c.api_url.as_ref().or(global.opsgenie_api_url.as_ref()).map_or(API, String::as_str);
        place.url("api_url", url)?;
        let details = c.details.iter().map(|(k, text)| Ok((k.clone(), place.text("details", Some(text))?)));
        Ok(Self {
            receiver: place.receiver.to_owned(),
            url: url.trim_end_matches('/').to_owned(),
            key,
            message: place.text("message", c.message.as_ref())?,
            description: place.text("description", c.description.as_ref())?,
            source: place.text("source", c.source.as_ref())?,
            priority: place.text("priority", c.priority.as_ref())?,
            entity: place.text("entity", c.entity.as_ref())?,
            tags: place.text("tags", c.tags.as_ref())?,
            details: details.collect::<Result<_, NotifyConfigError>>()?,
            responders: c.responders.clone(),
        })
    }
}

impl Service for Opsgenie {
    fn requests<'a>(&'a self, n: &'a Notification) -> Making<'a> {
        Box::pin(async {
            let url = match is_over(n) {
                true => format!("{}/v2/alerts/{}/close?identifierType=alias", self.url, dedup_key(n)),
                false => format!("{}/v2/alerts", self.url),
            };
            let mut request = Request::json(parse_url(&Secret::new(url))?, &self.preview(n));
            let key = format!("GenieKey {}", self.key.read().await?.reveal());
            let value: HeaderValue = secret_value("Authorization", &key)?;
            request.headers.insert(header::AUTHORIZATION, value);
            Ok(vec![request])
        })
    }

    fn preview(&self, n: &Notification) -> Value {
        let source = self.source.of(n, &self.receiver, || "dogwatch".into());
        if is_over(n) {
            return json!({"source": source, "note": words::subject(n)});
        }
        let priority = match n.incident.severity {
            Severity::Critical => "P1",
            Severity::Warning => "P3",
            Severity::Info => "P5",
        };
        let details = self.details.iter().map(|(k, t)| (k.clone(), t.of(n, &self.receiver, String::new).into()));
        let mut body = json!({
            "alias": dedup_key(n),
            "message": cut(&self.message.of(n, &self.receiver, || words::subject(n)), MESSAGE_MAX),
            "description": cut(&self.description.of(n, &self.receiver, || words::plain(n)), DESCRIPTION_MAX),
            "details": details.collect::<serde_json::Map<_, _>>(),
            "source": source,
            "priority": self.priority.of(n, &self.receiver, || priority.into()),
        });
        if let Some(entity) = self.entity.configured(n, &self.receiver) {
            body["entity"] = entity.into();
        }
        if let Some(tags) = self.tags.configured(n, &self.receiver) {
            body["tags"] = tags.split(',').map(str::trim).filter(|t| !t.is_empty()).collect::<Vec<_>>().into();
        }
        if !self.responders.is_empty() {
            body["responders"] = json!(self.responders);
        }
        body
    }
}
