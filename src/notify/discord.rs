//! Discord: a webhook with one embed.

use serde_json::{Value, json};

use super::{
    NotifyConfigError,
    client::parse_url,
    config::DiscordConfig,
    credential::Credential,
    post::Request,
    service::{Making, Place, Service, Text, colour, cut},
    words,
};
use crate::model::Notification;

/// Limits of an embed (discord.com/developers/docs/resources/message#embed-object-embed-limits).
const TITLE_MAX: usize = 256;
/// Of its description.
const TEXT_MAX: usize = 4_096;
/// Of the message before it.
const CONTENT_MAX: usize = 2_000;

/// A checked entry of `discord_configs:`.
#[derive(Debug)]
pub struct Discord {
    receiver: String,
    url: Credential,
    title: Text,
    message: Text,
    content: Text,
    username: Text,
    avatar_url: Option<String>,
}

impl Discord {
    /// Checks the entry.
    pub fn new(c: &DiscordConfig, place: &Place<'_>) -> Result<Self, NotifyConfigError> {
        Ok(Self {
            receiver: place.receiver.to_owned(),
            url: place.secret("webhook_url", c.webhook_url.as_ref(), c.webhook_url_file.as_ref())?,
            title: place.text("title", c.title.as_ref())?,
            message: place.text("message", c.message.as_ref())?,
            content: place.text("content", c.content.as_ref())?,
            username: place.text("username", c.username.as_ref())?,
            avatar_url: c.avatar_url.clone(),
        })
    }
}

impl Service for Discord {
    fn requests<'a>(&'a self, n: &'a Notification) -> Making<'a> {
        Box::pin(async {
            let mut url = parse_url(&self.url.read().await?)?;
            // With an answer: the message's id is the proof.
            url.query_pairs_mut().append_pair("wait", "true");
            Ok(vec![Request::json(url, &self.preview(n))])
        })
    }

    fn preview(&self, n: &Notification) -> Value {
        let color = u32::from_str_radix(colour(n).trim_start_matches('#'), 16).unwrap_or(0);
        let mut embed = json!({
            "title": cut(&self.title.of(n, &self.receiver, || words::subject(n)), TITLE_MAX),
            "description": cut(&self.message.of(n, &self.receiver, || words::plain(n)), TEXT_MAX),
            "color": color,
        });
        let link = words::link(n);
        if !link.is_empty() {
            embed["url"] = link.into();
        }
        let content = self.content.configured(n, &self.receiver).unwrap_or_default();
        let mut body = json!({"content": cut(&content, CONTENT_MAX), "embeds": [embed]});
        if let Some(name) = self.username.configured(n, &self.receiver) {
            body["username"] = name.into();
        }
        if let Some(url) = &self.avatar_url {
            body["avatar_url"] = url.as_str().into();
        }
        body
    }
}
