//! ntfy: a message to a topic, published as JSON (docs.ntfy.sh/publish).

use serde_json::{Value, json};

use super::{
    NotifyConfigError,
    client::parse_url,
    config::NtfyConfig,
    credential::Credential,
    post::Request,
    service::{Making, Place, Service, Text, cut, is_over},
    words,
};
use crate::model::{Notification, Secret, Severity};

/// The public server.
const API: &str = "https://ntfy.sh";
/// Of a message; longer ones become attachments.
const TEXT_MAX_BYTES: usize = 4_000;

/// A checked entry of `ntfy_configs:`.
#[derive(Debug)]
pub struct Ntfy {
    receiver: String,
    url: String,
    topic: Credential,
    title: Text,
    message: Text,
    priority: Option<u8>,
    tags: Vec<String>,
}

impl Ntfy {
    /// Checks the entry.
    pub fn new(c: &NtfyConfig, place: &Place<'_>) -> Result<Self, NotifyConfigError> {
        let url = c.url.as_deref().unwrap_or(API);
        place.url("url", url)?;
        if c.priority.is_some_and(|p| !(1..=5).contains(&p)) {
            return Err(place.wrong("priority", "must be from 1 to 5"));
        }
        Ok(Self {
            receiver: place.receiver.to_owned(),
            url: url.to_owned(),
            topic: place.secret("topic", c.topic.as_ref(), c.topic_file.as_ref())?,
            title: place.text("title", c.title.as_ref())?,
            message: place.text("message", c.message.as_ref())?,
            priority: c.priority,
            tags: c.tags.clone(),
        })
    }
}

impl Service for Ntfy {
    fn requests<'a>(&'a self, n: &'a Notification) -> Making<'a> {
        Box::pin(async {
            let mut body = self.preview(n);
            body["topic"] = self.topic.read().await?.reveal().into();
            Ok(vec![Request::json(parse_url(&Secret::new(&*self.url))?, &body)])
        })
    }

    fn preview(&self, n: &Notification) -> Value {
        let ours = match (is_over(n), n.incident.severity) {
            (true, _) => 3,
            (false, Severity::Critical) => 5,
            (false, Severity::Warning) => 4,
            (false, Severity::Info) => 2,
        };
        let text = self.message.of(n, &self.receiver, || words::plain(n));
        let mut body = json!({
            "topic": "<secret>",
            "title": cut(&self.title.of(n, &self.receiver, || words::subject(n)), 250),
            "message": words::clip(&text, TEXT_MAX_BYTES),
            "priority": self.priority.unwrap_or(ours),
            "tags": self.tags,
        });
        let link = words::link(n);
        if !link.is_empty() {
            body["click"] = link.into();
        }
        body
    }
}
