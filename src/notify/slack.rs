//! Slack: an incoming webhook with one attachment.

use serde_json::{Value, json};

use super::{
    NotifyConfigError,
    client::parse_url,
    config::{GlobalConfig, SlackConfig},
    credential::Credential,
    post::Request,
    service::{Making, Place, Service, Text, colour, cut},
    words,
};
use crate::model::Notification;

/// Slack cuts longer texts (api.slack.com/reference/messaging/attachments).
const TEXT_MAX: usize = 8_000;
/// A title is one line.
const TITLE_MAX: usize = 1_000;

/// A checked entry of `slack_configs:`.
#[derive(Debug)]
pub struct Slack {
    receiver: String,
    url: Credential,
    channel: Option<String>,
    icon_emoji: Option<String>,
    icon_url: Option<String>,
    texts: [Text; 8],
}

impl Slack {
    /// Checks the entry.
    pub fn new(global: &GlobalConfig, c: &SlackConfig, place: &Place<'_>) -> Result<Self, NotifyConfigError> {
        let own = Credential::from_either(c.api_url.as_ref(), c.api_url_file.as_ref())
            .map_err(|e| place.wrong("api_url", e))?;
        let url = match own {
            Some(own) => own,
            None => Credential::from_either(global.slack_api_url.as_ref(), global.slack_api_url_file.as_ref())
                .map_err(|e| place.wrong("api_url", e))?
                .ok_or_else(|| {
                    place.wrong("api_url", "no webhook; give api_url, api_url_file or global.slack_api_url")
                })?,
        };
        Ok(Self {
            receiver: place.receiver.to_owned(),
            url,
            channel: c.channel.clone(),
            icon_emoji: c.icon_emoji.clone(),
            icon_url: c.icon_url.clone(),
            texts: [
                place.text("title", c.title.as_ref())?,
                place.text("text", c.text.as_ref())?,
                place.text("color", c.color.as_ref())?,
                place.text("title_link", c.title_link.as_ref())?,
                place.text("pretext", c.pretext.as_ref())?,
                place.text("fallback", c.fallback.as_ref())?,
                place.text("footer", c.footer.as_ref())?,
                place.text("username", c.username.as_ref())?,
            ],
        })
    }
}

impl Service for Slack {
    fn requests<'a>(&'a self, n: &'a Notification) -> Making<'a> {
        Box::pin(async { Ok(vec![Request::json(parse_url(&self.url.read().await?)?, &self.preview(n))]) })
    }

    fn preview(&self, n: &Notification) -> Value {
        let [title, text, color, link, pretext, fallback, footer, username] = &self.texts;
        let plain = |t: &Text| t.configured(n, &self.receiver);
        let title = title.of(n, &self.receiver, || words::subject(n));
        let attachment = json!({
            "title": cut(&title, TITLE_MAX),
            "title_link": plain(link).unwrap_or_else(|| words::link(n)),
            "text": cut(&text.of(n, &self.receiver, || words::plain(n)), TEXT_MAX),
            "color": plain(color).unwrap_or_else(|| colour(n).to_owned()),
            "pretext": plain(pretext).unwrap_or_default(),
            "fallback": plain(fallback).unwrap_or(title),
            "footer": plain(footer).unwrap_or_default(),
            "mrkdwn_in": ["fallback", "pretext", "text"],
        });
        let mut body =
            json!({"attachments": [attachment], "username": plain(username).unwrap_or_else(|| "dogwatch".into())});
        for (key, value) in [("channel", &self.channel), ("icon_emoji", &self.icon_emoji), ("icon_url", &self.icon_url)]
        {
            if let Some(value) = value {
                body[key] = value.as_str().into();
            }
        }
        body
    }
}
