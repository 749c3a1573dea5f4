//! Webex: one message in a room, in Markdown. <https://developer.webex.com/docs/api/v1/messages/create-a-message>

use serde_json::{Value, json};

use super::{
    NotifyConfigError, Outcome,
    config::{GlobalConfig, WebexConfig},
    credential::Credential,
    markup::{self, MARKDOWN},
    message::{Check, Message},
    post::{Call, Reply, Service, Vault},
};

/// The public API.
const API: &str = "https://webexapis.com/v1/messages";

/// The longest text, in bytes.
const TEXT_MAX: usize = 7_439;

/// Our own text, with room for title and link.
const OWN_TEXT_MAX: usize = 6_000;

/// A checked entry of `webex_configs:`.
#[derive(Debug)]
pub(super) struct Webex {
    api: String,
    room: String,
    message: Option<String>,
}

impl Webex {
    /// Checks an entry.
    pub fn new(global: &GlobalConfig, config: &WebexConfig, check: Check<'_>) -> Result<Self, NotifyConfigError> {
        let room = config.room_id.clone().filter(|room| !room.is_empty());
        let room = room.ok_or_else(|| check.error("room_id", "Webex needs room_id"))?;
        let is_authorized = config.http_config.as_ref().is_some_and(|http| {
            http.authorization.is_some() || http.bearer_token.is_some() || http.bearer_token_file.is_some()
        });
        if !is_authorized {
            let what = "Webex needs the bot's token: http_config: {authorization: {credentials_file: …}}";
            return Err(check.error("http_config.authorization", what));
        }
        check.templates([("room_id", &config.room_id), ("message", &config.message)])?;
        let api = config.api_url.as_ref().or(global.webex_api_url.as_ref()).map_or(API, |url| url.as_str());
        Ok(Self { api: api.to_owned(), room, message: config.message.clone() })
    }

    fn text(&self, m: &Message<'_>) -> String {
        let configured = m.maybe("message", self.message.as_ref()).filter(|text| !text.trim().is_empty());
        if let Some(text) = configured {
            return m.noticed(&text, &MARKDOWN);
        }
        let mut text = format!("{}\n\n", markup::bold(&MARKDOWN, &m.title("", None)));
        text.push_str(&markup::text(&m.page, &MARKDOWN, OWN_TEXT_MAX, m.voice));
        if !m.page.link.is_empty() {
            text.push_str(&format!("\n\n{}", m.page.link));
        }
        text
    }
}

impl Service for Webex {
    fn secrets(&self) -> Vec<&Credential> {
        Vec::new()
    }

    fn calls(&self, m: &Message<'_>, _: &Vault) -> Result<Vec<Call>, String> {
        let room = m.text("room_id", Some(&self.room), String::new);
        let body = json!({"roomId": room, "markdown": markup::clip_bytes(&self.text(m), TEXT_MAX)});
        Ok(vec![Call::json(&self.api, &body)?])
    }

    fn judge(&self, reply: &Reply) -> Outcome {
        let said = reply.json();
        match reply.status.as_u16() {
            200..=299 => reply.delivered("message", said.get("id").and_then(Value::as_str)),
            // A room that the bot is not in: somebody may let it in.
            404 => reply.again(None),
            _ => reply.judge(),
        }
    }
}
