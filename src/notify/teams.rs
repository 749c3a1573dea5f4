//! Microsoft Teams: an Adaptive Card to a workflow's webhook.

use serde_json::{Value, json};

use super::{
    NotifyConfigError,
    client::parse_url,
    config::TeamsConfig,
    credential::Credential,
    post::Request,
    service::{Making, Place, Service, Text, cut, is_over},
    words,
};
use crate::model::{Notification, Severity};

/// A message may have 28 kB; this leaves room for the card around it.
const TEXT_MAX: usize = 20_000;

/// A checked entry of `msteams_configs:` or `msteamsv2_configs:`.
#[derive(Debug)]
pub struct Teams {
    receiver: String,
    url: Credential,
    title: Text,
    summary: Text,
    text: Text,
}

impl Teams {
    /// Checks the entry.
    pub fn new(c: &TeamsConfig, place: &Place<'_>) -> Result<Self, NotifyConfigError> {
        Ok(Self {
            receiver: place.receiver.to_owned(),
            url: place.secret("webhook_url", c.webhook_url.as_ref(), c.webhook_url_file.as_ref())?,
            title: place.text("title", c.title.as_ref())?,
            summary: place.text("summary", c.summary.as_ref())?,
            text: place.text("text", c.text.as_ref())?,
        })
    }
}

impl Service for Teams {
    fn requests<'a>(&'a self, n: &'a Notification) -> Making<'a> {
        Box::pin(async { Ok(vec![Request::json(parse_url(&self.url.read().await?)?, &self.preview(n))]) })
    }

    fn preview(&self, n: &Notification) -> Value {
        let title = self.title.of(n, &self.receiver, || words::subject(n));
        let text = cut(&self.text.of(n, &self.receiver, || words::plain(n)), TEXT_MAX);
        let color = match (is_over(n), n.incident.severity) {
            (true, _) => "Good",
            (false, Severity::Critical) => "Attention",
            (false, Severity::Warning) => "Warning",
            (false, Severity::Info) => "Accent",
        };
        let mut body = vec![
            json!({"type": "TextBlock", "text": title, "weight": "Bolder", "size": "Medium", "wrap": true, "style": "heading", "color": color}),
        ];
        // A single line break is none in a card's markdown.
        body.push(json!({"type": "TextBlock", "text": text.replace('\n', "\n\n"), "wrap": true}));
        let link = words::link(n);
        let actions = if link.is_empty() {
            json!([])
        } else {
            json!([{"type": "Action.OpenUrl", "title": "Open the incident", "url": link}])
        };
        json!({
            "type": "message",
            "summary": self.summary.of(n, &self.receiver, || words::subject(n)),
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "body": body,
                    "actions": actions,
                    "msteams": {"width": "full"},
                },
            }],
        })
    }
}
