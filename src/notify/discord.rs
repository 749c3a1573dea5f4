//! Discord: a message with one embed, by a webhook, which answers with the message's id (`wait=true`).

use serde_json::{Value, json};

use super::{
    NotifyConfigError, Outcome,
    config::DiscordConfig,
    credential::{Credential, parse_url},
    markup,
    message::{Check, Message},
    post::{Call, Reply, Service, Vault, seconds_up},
    slack::given,
};
use crate::model::Secret;

// <https://discord.com/developers/docs/resources/message#embed-object-embed-limits>, and 6,000 in all.
const TITLE_MAX: usize = 256;
const DESCRIPTION_MAX: usize = 4_096;
const FOOTER_MAX: usize = 1_000;
/// <https://discord.com/developers/docs/resources/webhook#execute-webhook>
const CONTENT_MAX: usize = 2_000;
/// Likewise.
const USERNAME_MAX: usize = 80;

/// A checked entry of `discord_configs:`.
#[derive(Debug)]
pub(super) struct Discord {
    url: Credential,
    config: DiscordConfig,
}

impl Discord {
    /// Checks an entry.
    pub fn new(config: &DiscordConfig, check: Check<'_>) -> Result<Self, NotifyConfigError> {
        let url = Credential::from_either(config.webhook_url.as_ref(), config.webhook_url_file.as_ref())
            .and_then(|found| found.ok_or("Discord needs webhook_url or webhook_url_file"))
            .map_err(|e| check.error("webhook_url", e))?;
        url.check_url().map_err(|e| check.error("webhook_url", e))?;
        check.templates([
            ("content", &config.content),
            ("title", &config.title),
            ("message", &config.message),
            ("username", &config.username),
            ("avatar_url", &config.avatar_url),
        ])?;
        Ok(Self { url, config: config.clone() })
    }
}

impl Service for Discord {
    fn secrets(&self) -> Vec<&Credential> {
        vec![&self.url]
    }

    fn calls(&self, m: &Message<'_>, vault: &Vault) -> Result<Vec<Call>, String> {
        let c = &self.config;
        let title = m.title("title", c.title.as_ref());
        let text = m.body("message", c.message.as_ref(), &markup::MARKDOWN, DESCRIPTION_MAX);
        let content = m.maybe("content", c.content.as_ref());
        let username = m.text("username", c.username.as_ref(), || "dogwatch".into());
        let body = given(json!({
            // Only a configured `content` may ring a bell for everybody.
            "allowed_mentions": content.is_none().then(|| json!({"parse": []})),
            "content": content.map(|text| markup::clip(&text, CONTENT_MAX).into_owned()),
            "username": markup::clip(&username, USERNAME_MAX),
            "avatar_url": m.maybe("avatar_url", c.avatar_url.as_ref()),
            "embeds": [given(json!({
                "title": markup::clip(&title, TITLE_MAX),
                "url": m.page.link,
                "description": markup::clip(&text, DESCRIPTION_MAX),
                "color": number(m.page.colour),
                "timestamp": m.n.at.to_string(),
                "footer": {"text": markup::clip(&m.page.footer, FOOTER_MAX)},
            }))],
        }));
        let url = match parse_url(&Secret::new(vault.get(&self.url))) {
            Ok(mut url) => {
                url.query_pairs_mut().append_pair("wait", "true");
                url.into()
            }
            // Of a preview.
            Err(_) => format!("{}?wait=true", vault.get(&self.url)),
        };
        Ok(vec![Call::json(url, &body)?])
    }

    /// A webhook that is not found may have been made anew by the time that its file says so.
    fn judge(&self, reply: &Reply) -> Outcome {
        let said = reply.json();
        match reply.status.as_u16() {
            200..=299 => reply.delivered("message", said.get("id").and_then(Value::as_str)),
            429 => reply.again(said.get("retry_after").and_then(Value::as_f64).and_then(seconds_up)),
            404 => reply.again(None),
            _ => reply.judge(),
        }
    }
}

/// `0xc62828` of `#c62828`.
fn number(colour: &str) -> u32 {
    u32::from_str_radix(colour.trim_start_matches('#'), 16).unwrap_or_default()
}
