//! Telegram: one message by the Bot API, in HTML unless configured otherwise.

use serde_json::{Value, json};

use super::{
    NotifyConfigError, Outcome,
    config::{GlobalConfig, TelegramConfig},
    credential::Credential,
    markup::{self, HTML, PLAIN},
    message::{Check, Message},
    post::{Call, Reply, Service, Vault, seconds_up},
    slack::given,
};
/// The public API.
const API: &str = "https://api.telegram.org";

/// The longest text, in UTF-16 units; markup does not count there, here it does:
/// <https://core.telegram.org/bots/api#sendmessage>.
const TEXT_MAX: usize = 4_096;

/// Our own text, with room for title and link.
const OWN_TEXT_MAX: usize = 3_000;

/// A checked entry of `telegram_configs:`.
#[derive(Debug)]
pub(super) struct Telegram {
    api: String,
    token: Credential,
    chat: Chat,
    config: TelegramConfig,
}

#[derive(Debug)]
enum Chat {
    Id(i64),
    File(Credential),
}

impl Telegram {
    /// Checks an entry.
    pub fn new(global: &GlobalConfig, config: &TelegramConfig, check: Check<'_>) -> Result<Self, NotifyConfigError> {
        let own = (&config.bot_token, &config.bot_token_file);
        let token = check.secret("bot_token", own, (&global.telegram_bot_token, &global.telegram_bot_token_file))?;
        let token = token.ok_or_else(|| {
            check.error("bot_token", "Telegram needs bot_token or bot_token_file, here or as global.telegram_bot_token")
        })?;
        let chat = match (config.chat_id.filter(|id| *id != 0), &config.chat_id_file) {
            (Some(id), None) => Chat::Id(id),
            (None, Some(path)) => Chat::File(Credential::File(path.clone())),
            (Some(_), Some(_)) => return Err(check.error("chat_id", "give the value or the file, not both")),
            (None, None) => return Err(check.error("chat_id", "Telegram needs chat_id or chat_id_file")),
        };
        let mode = config.parse_mode.as_deref().unwrap_or("HTML");
        if !["", "HTML", "Markdown", "MarkdownV2"].contains(&mode) {
            let message = format!("{mode:?} is unknown; use HTML, MarkdownV2, Markdown, or empty for plain text");
            return Err(check.error("parse_mode", message));
        }
        check.templates([("message", &config.message)])?;
        let api = config.api_url.as_ref().or(global.telegram_api_url.as_ref());
        let api = api.map_or(API, |url| url.as_str()).trim_end_matches('/').to_owned();
        Ok(Self { api, token, chat, config: config.clone() })
    }

    fn mode(&self) -> &str {
        // Our own words are HTML, whatever a template would be.
        if self.config.message.is_none() { "HTML" } else { self.config.parse_mode.as_deref().unwrap_or("HTML") }
    }

    fn text(&self, m: &Message<'_>) -> (String, &str) {
        let key = "message";
        let configured = match (&self.config.message, self.mode()) {
            (Some(text), "HTML") => m.html_part(key, Some(text)),
            (Some(text), _) => m.maybe(key, Some(text)),
            (None, _) => None,
        };
        let Some(text) = configured.filter(|text| !text.trim().is_empty()) else {
            let title = markup::bold(&HTML, &m.title("", None));
            let mut text = format!("{title}\n{}", markup::text(&m.page, &HTML, OWN_TEXT_MAX, m.voice));
            if !m.page.link.is_empty() {
                text.push_str(&format!("\n\n{}", markup::escape_html(&m.page.link)));
            }
            return (text, "HTML");
        };
        let style = if self.mode() == "HTML" { &HTML } else { &PLAIN };
        (m.noticed(text.trim(), style), self.mode())
    }
}

impl Service for Telegram {
    fn secrets(&self) -> Vec<&Credential> {
        match &self.chat {
            Chat::Id(_) => vec![&self.token],
            Chat::File(file) => vec![&self.token, file],
        }
    }

    fn calls(&self, m: &Message<'_>, vault: &Vault) -> Result<Vec<Call>, String> {
        let (text, mode) = self.text(m);
        let text = if mode == "HTML" { markup::clip_html(&text, TEXT_MAX) } else { markup::clip(&text, TEXT_MAX) };
        let chat = match &self.chat {
            Chat::Id(id) => Value::from(*id),
            // A channel has a name (`@name`) instead of a number.
            Chat::File(file) => vault.get(file).parse::<i64>().map_or_else(|_| vault.get(file).into(), Value::from),
        };
        let body = given(json!({
            "chat_id": chat,
            "message_thread_id": self.config.message_thread_id.filter(|id| *id != 0),
            "text": text,
            "parse_mode": mode,
            "disable_notification": self.config.disable_notifications.then_some(true),
            "link_preview_options": {"is_disabled": true},
        }));
        Ok(vec![Call::json(format!("{}/bot{}/sendMessage", self.api, vault.get(&self.token)), &body)?])
    }

    /// An underscore in a label must not cost the message: text that Telegram can't parse goes as plain text.
    fn simpler(&self, refused: &Call, reply: &Reply) -> Option<Call> {
        let is_form = reply.status.as_u16() == 400 && reply.said().contains("can't parse entities");
        let mut body: Value = serde_json::from_slice(refused.body()).ok().filter(|_| is_form)?;
        body.as_object_mut()?.remove("parse_mode")?;
        Some(refused.with_json(&body))
    }

    /// 401 and 404 speak of the token, "chat not found" of the bot's rights: an operator can mend them.
    fn judge(&self, reply: &Reply) -> Outcome {
        let said = reply.json();
        let number = |pointer| said.pointer(pointer).and_then(Value::as_i64);
        match reply.status.as_u16() {
            200..=299 => {
                reply.delivered("message_id", number("/result/message_id").map(|id| id.to_string()).as_deref())
            }
            429 => reply.again(number("/parameters/retry_after").and_then(|s| seconds_up(s as f64))),
            404 => reply.again(None),
            400 if reply.said().contains("chat not found") => reply.again(None),
            _ => reply.judge(),
        }
    }
}
