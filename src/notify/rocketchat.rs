//! Rocket.Chat: a message with one attachment, by `chat.postMessage`.
//! <https://developer.rocket.chat/apidocs/post-message>

use serde_json::{Value, json};

use super::{
    NotifyConfigError, Outcome,
    config::{GlobalConfig, RocketchatConfig},
    credential::Credential,
    markup::{self, MARKDOWN},
    message::{Check, Message},
    post::{Call, Reply, Service, Vault},
    slack::given,
};

/// The public server.
const API: &str = "https://open.rocket.chat/";

/// The longest title, as Slack's.
const TITLE_MAX: usize = 1_024;

/// Our own text: long messages are refused (`Message_MaxAllowedSize`, 5,000 by default).
const OWN_TEXT_MAX: usize = 3_000;

/// Errors that somebody can mend there: a room that is missing, closed, or not ours to write in.
const MENDABLE: [&str; 5] =
    ["error-room-not-found", "error-room-archived", "error-not-allowed", "error-action-not-allowed", "invalid-channel"];

/// A checked entry of `rocketchat_configs:`.
#[derive(Debug)]
pub(super) struct Rocketchat {
    url: String,
    token: Credential,
    user: Credential,
    config: RocketchatConfig,
}

impl Rocketchat {
    /// Checks an entry.
    pub fn new(global: &GlobalConfig, config: &RocketchatConfig, check: Check<'_>) -> Result<Self, NotifyConfigError> {
        let c = config;
        let needs = |key: &'static str| {
            check.error(key, format!("Rocket.Chat needs {key} or {key}_file, here or as global.rocketchat_{key}"))
        };
        let shared = (&global.rocketchat_token, &global.rocketchat_token_file);
        let token = check.secret("token", (&c.token, &c.token_file), shared)?.ok_or_else(|| needs("token"))?;
        let shared = (&global.rocketchat_token_id, &global.rocketchat_token_id_file);
        let user = check.secret("token_id", (&c.token_id, &c.token_id_file), shared)?;
        let user = user.ok_or_else(|| needs("token_id"))?;
        check.templates([
            ("channel", &c.channel),
            ("color", &c.color),
            ("title", &c.title),
            ("title_link", &c.title_link),
            ("text", &c.text),
            ("message_text", &c.message_text),
            ("emoji", &c.emoji),
            ("icon_url", &c.icon_url),
            ("image_url", &c.image_url),
            ("thumb_url", &c.thumb_url),
        ])?;
        for (i, field) in c.fields.iter().enumerate() {
            check.field(&format!("fields[{i}]"), &field.title, &field.value)?;
        }
        for (i, action) in c.actions.iter().enumerate() {
            for (key, text) in [("text", &action.text), ("url", &action.url), ("msg", &action.msg)] {
                text.iter().try_for_each(|text| check.template(&format!("actions[{i}].{key}"), text))?;
            }
        }
        let api = c.api_url.as_ref().or(global.rocketchat_api_url.as_ref()).map_or(API, |url| url.as_str());
        let url = format!("{}/api/v1/chat.postMessage", api.trim_end_matches('/'));
        Ok(Self { url, token, user, config: config.clone() })
    }

    fn attachment(&self, m: &Message<'_>) -> Value {
        let c = &self.config;
        let fields = c.fields.iter().map(|field| {
            json!({
                "title": m.text("fields.title", Some(&field.title), String::new),
                "value": m.text("fields.value", Some(&field.value), String::new),
                "short": field.short.unwrap_or(c.short_fields),
            })
        });
        let actions = c.actions.iter().map(|action| {
            given(json!({
                "type": "button",
                "text": m.maybe("actions.text", action.text.as_ref()),
                "url": m.maybe("actions.url", action.url.as_ref()),
                "msg": m.maybe("actions.msg", action.msg.as_ref()),
            }))
        });
        given(json!({
            "title": markup::clip(&m.title("title", c.title.as_ref()), TITLE_MAX),
            "title_link": m.text("title_link", c.title_link.as_ref(), || m.page.link.clone()),
            "text": m.body("text", c.text.as_ref(), &MARKDOWN, OWN_TEXT_MAX),
            "image_url": m.maybe("image_url", c.image_url.as_ref()),
            "thumb_url": m.maybe("thumb_url", c.thumb_url.as_ref()),
            "color": m.text("color", c.color.as_ref(), || m.page.colour.to_owned()),
            "fields": fields.collect::<Vec<_>>(),
            "actions": actions.collect::<Vec<_>>(),
        }))
    }
}

impl Service for Rocketchat {
    fn secrets(&self) -> Vec<&Credential> {
        vec![&self.token, &self.user]
    }

    fn calls(&self, m: &Message<'_>, vault: &Vault) -> Result<Vec<Call>, String> {
        let c = &self.config;
        let body = given(json!({
            "channel": m.maybe("channel", c.channel.as_ref()),
            "text": m.maybe("message_text", c.message_text.as_ref()),
            "emoji": m.maybe("emoji", c.emoji.as_ref()),
            "avatar": m.maybe("icon_url", c.icon_url.as_ref()),
            "attachments": [self.attachment(m)],
        }));
        let call = Call::json(&self.url, &body)?.header("X-Auth-Token", vault.get(&self.token));
        Ok(vec![call.header("X-User-Id", vault.get(&self.user))])
    }

    /// It may say 200 and in JSON that it failed; what is no JSON comes from something in front of it.
    fn judge(&self, reply: &Reply) -> Outcome {
        let said = reply.json();
        let success = said.get("success").and_then(Value::as_bool);
        let kind = said.get("errorType").or_else(|| said.get("error")).and_then(Value::as_str).unwrap_or_default();
        match (reply.status.as_u16(), success) {
            (200..=299, Some(true)) => reply.delivered("message", said.pointer("/message/_id").and_then(Value::as_str)),
            (200..=299, None) => reply.again(None),
            (_, Some(false)) if MENDABLE.iter().any(|error| kind.contains(error)) => reply.again(None),
            (200..=299, Some(false)) => Outcome::Drop(reply.answer()),
            _ => reply.judge(),
        }
    }
}
