//! Telegram: a bot's message in HTML.

use serde_json::{Value, json};

use super::{
    NotifyConfigError,
    client::parse_url,
    config::{GlobalConfig, TelegramConfig},
    credential::Credential,
    post::Request,
    service::{Making, Place, Service, Text, cut},
    words,
};
use crate::model::{Notification, Secret};

/// Of a message (core.telegram.org/bots/api#sendmessage), after the entities are read.
const TEXT_MAX: usize = 4_096;

/// Telegram's own.
const API: &str = "https://api.telegram.org";

/// A checked entry of `telegram_configs:`.
#[derive(Debug)]
pub struct Telegram {
    receiver: String,
    api: String,
    token: Credential,
    chat_id: i64,
    thread: Option<i64>,
    quiet: bool,
    message: Text,
    parse_mode: String,
}

impl Telegram {
    /// Checks the entry.
    pub fn new(global: &GlobalConfig, c: &TelegramConfig, place: &Place<'_>) -> Result<Self, NotifyConfigError> {
        if c.chat_id == 0 {
            return Err(place.wrong("chat_id", "missing chat_id"));
        }
        let parse_mode = c.parse_mode.clone().unwrap_or_else(|| "HTML".into());
        if !["", "HTML", "Markdown", "MarkdownV2"].contains(&parse_mode.as_str()) {
            return Err(place.wrong("parse_mode", "must be HTML, MarkdownV2 or empty"));
        }
        let api = c.api_url.as_ref().or(global.telegram_api_url.as_ref()).map_or(API, String::as_str);
        place.url("api_url", api)?;
        Ok(Self {
            receiver: place.receiver.to_owned(),
            api: api.trim_end_matches('/').to_owned(),
            token: place.secret("bot_token", c.bot_token.as_ref(), c.bot_token_file.as_ref())?,
            chat_id: c.chat_id,
            thread: c.message_thread_id,
            quiet: c.disable_notifications,
            message: place.text("message", c.message.as_ref())?,
            parse_mode,
        })
    }
}

impl Service for Telegram {
    fn requests<'a>(&'a self, n: &'a Notification) -> Making<'a> {
        Box::pin(async {
            let url = Secret::new(format!("{}/bot{}/sendMessage", self.api, self.token.read().await?.reveal()));
            Ok(vec![Request::json(parse_url(&url)?, &self.preview(n))])
        })
    }

    fn preview(&self, n: &Notification) -> Value {
        let configured = self.message.configured(n, &self.receiver);
        let (text, mode) = match configured {
            Some(text) => (cut(&text, TEXT_MAX), self.parse_mode.as_str()),
            None => (ours(n), "HTML"),
        };
        let mut body = json!({
            "chat_id": self.chat_id,
            "text": text,
            "disable_notification": self.quiet,
            "link_preview_options": {"is_disabled": true},
        });
        if !mode.is_empty() {
            body["parse_mode"] = mode.into();
        }
        if let Some(thread) = self.thread {
            body["message_thread_id"] = thread.into();
        }
        body
    }
}

/// Cut before it is escaped, so that no tag and no entity is ever cut.
fn ours(n: &Notification) -> String {
    /// Escaping makes a text at most six times as long; ours has few such characters.
    const ROOM: usize = TEXT_MAX - 600;
    let escape = |t: &str| t.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let subject = words::subject(n);
    let left = ROOM.saturating_sub(subject.chars().count());
    format!("<b>{}</b>\n{}", escape(&subject), escape(&cut(&words::plain(n), left)))
}
