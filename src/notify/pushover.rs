//! Pushover: a message to a phone (pushover.net/api).

use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use super::{
    NotifyConfigError,
    client::parse_url,
    config::PushoverConfig,
    credential::Credential,
    post::Request,
    service::{Making, Place, Service, Text, cut, is_over},
    words,
};
use crate::model::{Notification, Secret, Severity};

/// Where messages go.
const API: &str = "https://api.pushover.net/1/messages.json";
/// Of a message.
const TEXT_MAX: usize = 1_024;
/// Of a title.
const TITLE_MAX: usize = 250;
/// Of a URL.
const URL_MAX: usize = 512;
/// An emergency is repeated this often, seconds …
const RETRY: u32 = 60;
/// … and for so long, seconds.
const EXPIRE: u32 = 3_600;

/// A checked entry of `pushover_configs:`.
#[derive(Debug)]
pub struct Pushover {
    receiver: String,
    user: Credential,
    token: Credential,
    title: Text,
    message: Text,
    url: Text,
    priority: Text,
    sound: Option<String>,
    device: Option<String>,
}

impl Pushover {
    /// Checks the entry.
    pub fn new(c: &PushoverConfig, place: &Place<'_>) -> Result<Self, NotifyConfigError> {
        Ok(Self {
            receiver: place.receiver.to_owned(),
            user: place.secret("user_key", c.user_key.as_ref(), c.user_key_file.as_ref())?,
            token: place.secret("token", c.token.as_ref(), c.token_file.as_ref())?,
            title: place.text("title", c.title.as_ref())?,
            message: place.text("message", c.message.as_ref())?,
            url: place.text("url", c.url.as_ref())?,
            priority: place.text("priority", c.priority.as_ref())?,
            sound: c.sound.clone(),
            device: c.device.clone(),
        })
    }
}

impl Service for Pushover {
    fn requests<'a>(&'a self, n: &'a Notification) -> Making<'a> {
        Box::pin(async {
            let mut body = self.preview(n);
            body["user"] = self.user.read().await?.reveal().into();
            body["token"] = self.token.read().await?.reveal().into();
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            for (key, value) in body.as_object().into_iter().flatten() {
                form.append_pair(key, value.as_str().unwrap_or(&value.to_string()));
            }
            let mut headers = HeaderMap::new();
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.insert(header::CONTENT_TYPE, kind);
            Ok(vec![Request { url: parse_url(&Secret::new(API))?, headers, body: form.finish().into_bytes() }])
        })
    }

    fn preview(&self, n: &Notification) -> Value {
        let ours = match (is_over(n), n.incident.severity) {
            (true, _) | (false, Severity::Info) => "0",
            (false, Severity::Warning) => "1",
            (false, Severity::Critical) => "2",
        };
        let priority = self.priority.of(n, &self.receiver, || ours.into());
        let mut body = json!({
            "user": "<secret>",
            "token": "<secret>",
            "title": cut(&self.title.of(n, &self.receiver, || words::subject(n)), TITLE_MAX),
            "message": cut(&self.message.of(n, &self.receiver, || words::plain(n)), TEXT_MAX),
            "timestamp": n.at.as_second(),
            "priority": priority,
        });
        if priority.trim() == "2" {
            body["retry"] = RETRY.into();
            body["expire"] = EXPIRE.into();
        }
        let url = self.url.configured(n, &self.receiver).unwrap_or_else(|| words::link(n));
        if !url.is_empty() && url.len() <= URL_MAX {
            body["url"] = url.into();
        }
        for (key, value) in [("sound", &self.sound), ("device", &self.device)] {
            if let Some(value) = value {
                body[key] = value.as_str().into();
            }
        }
        body
    }
}
