//! Slack: a message with one attachment, by an incoming webhook or by `chat.postMessage`.
//!
//! The attachment is Alertmanager's, so that a pasted configuration looks as it did.

use serde_json::{Value, json};

use super::{
    NotifyConfigError, Outcome,
    config::{GlobalConfig, SlackAction, SlackConfig},
    credential::Credential,
    markup,
    message::{Check, Message},
    post::{Call, Reply, Service, Vault},
};

/// The longest title: <https://api.slack.com/reference/messaging/attachments#legacy_fields>.
const TITLE_MAX: usize = 1_024;

/// Our own text: Slack folds long attachments, and the page has the rest.
const OWN_TEXT_MAX: usize = 3_000;

/// The longest configured text; Slack cuts messages at 40,000 characters
/// (<https://api.slack.com/methods/chat.postMessage#truncating>), title and footer included.
const TEXT_MAX: usize = 30_000;

/// Errors of a message that will never be taken; all others are tried again (credentials, channels, limits).
/// <https://api.slack.com/methods/chat.postMessage#errors>
const HOPELESS: [&str; 9] = [
    "invalid_payload",
    "invalid_attachments",
    "invalid_arguments",
    "invalid_blocks",
    "msg_too_long",
    "no_text",
    "too_many_attachments",
    "attachment_payload_limit_exceeded",
    "invalid_json",
];

/// A checked entry of `slack_configs:`.
#[derive(Debug)]
pub(super) struct Slack {
    url: Credential,
    config: SlackConfig,
}

impl Slack {
    /// Checks an entry.
    pub fn new(global: &GlobalConfig, config: &SlackConfig, check: Check<'_>) -> Result<Self, NotifyConfigError> {
        let own = Credential::from_either(config.api_url.as_ref(), config.api_url_file.as_ref());
        let own = own.map_err(|e| check.error("api_url", e))?;
        let global = Credential::from_either(global.slack_api_url.as_ref(), global.slack_api_url_file.as_ref());
        let global = global.map_err(|e| NotifyConfigError::new("global.slack_api_url", e))?;
        let url = own.or(global).ok_or_else(|| {
            check.error("api_url", "Slack needs api_url or api_url_file, here or as global.slack_api_url")
        })?;
        url.check_url().map_err(|e| check.error("api_url", e))?;
        let c = config;
        check.templates([
            ("channel", &c.channel),
            ("username", &c.username),
            ("color", &c.color),
            ("title", &c.title),
            ("title_link", &c.title_link),
            ("pretext", &c.pretext),
            ("text", &c.text),
            ("footer", &c.footer),
            ("fallback", &c.fallback),
            ("callback_id", &c.callback_id),
            ("icon_emoji", &c.icon_emoji),
            ("icon_url", &c.icon_url),
            ("image_url", &c.image_url),
            ("thumb_url", &c.thumb_url),
        ])?;
        for (i, field) in c.fields.iter().enumerate() {
            check.template(&format!("fields[{i}].title"), &field.title)?;
            check.template(&format!("fields[{i}].value"), &field.value)?;
        }
        for (i, action) in c.actions.iter().enumerate() {
            check_action(action, &format!("actions[{i}]"), check)?;
        }
        Ok(Self { url, config: config.clone() })
    }

    fn attachment(&self, m: &Message<'_>) -> Value {
        let c = &self.config;
        let title = m.title("title", c.title.as_ref());
        let text = m.body("text", c.text.as_ref(), &markup::SLACK, OWN_TEXT_MAX);
        let link = m.text("title_link", c.title_link.as_ref(), || m.page.link.clone());
        let fallback = || if link.is_empty() { title.clone() } else { format!("{title} | {link}") };
        let formatted = if c.mrkdwn_in.is_empty() { vec!["fallback", "pretext", "text"] } else { strs(&c.mrkdwn_in) };
        let fields = c.fields.iter().map(|field| {
            json!({
                "title": m.text("fields.title", Some(&field.title), String::new),
                "value": m.text("fields.value", Some(&field.value), String::new),
                "short": field.short.unwrap_or(c.short_fields),
            })
        });
        let attachment = json!({
            "title": markup::clip(&title, TITLE_MAX),
            "title_link": link,
            "pretext": m.maybe("pretext", c.pretext.as_ref()),
            "text": markup::clip(&text, TEXT_MAX),
            "fallback": m.text("fallback", c.fallback.as_ref(), fallback),
            "callback_id": m.maybe("callback_id", c.callback_id.as_ref()),
            "fields": fields.collect::<Vec<_>>(),
            "actions": c.actions.iter().map(|a| action(a, m)).collect::<Vec<_>>(),
            "image_url": m.maybe("image_url", c.image_url.as_ref()),
            "thumb_url": m.maybe("thumb_url", c.thumb_url.as_ref()),
            "footer": m.text("footer", c.footer.as_ref(), || m.page.footer.clone()),
            "color": m.text("color", c.color.as_ref(), || m.page.colour.to_owned()),
            "mrkdwn_in": formatted,
            "ts": m.n.at.as_second(),
        });
        given(attachment)
    }
}

impl Service for Slack {
    fn secrets(&self) -> Vec<&Credential> {
        vec![&self.url]
    }

    fn calls(&self, m: &Message<'_>, vault: &Vault) -> Result<Vec<Call>, String> {
        let c = &self.config;
        let body = given(json!({
            "channel": m.maybe("channel", c.channel.as_ref()),
            "username": m.maybe("username", c.username.as_ref()),
            "icon_emoji": m.maybe("icon_emoji", c.icon_emoji.as_ref()),
            "icon_url": m.maybe("icon_url", c.icon_url.as_ref()),
            "link_names": c.link_names.then_some(true),
            "attachments": [self.attachment(m)],
        }));
        Ok(vec![Call::json(vault.get(&self.url), &body)?])
    }

    /// A webhook says `ok`; the API says 200 whatever happened, and in JSON what did. A webhook's 404 and 410 (no such
    /// channel, archived, switched off) are mended in Slack.
    fn judge(&self, reply: &Reply) -> Outcome {
        let said = reply.json();
        let error = said.get("error").and_then(Value::as_str);
        match (reply.status.as_u16(), said.get("ok").and_then(Value::as_bool)) {
            (200, Some(true)) => reply.delivered("ts", said.get("ts").and_then(Value::as_str)),
            (200, Some(false)) if error.is_some_and(|e| HOPELESS.contains(&e)) => Outcome::Drop(reply.answer()),
            (200, Some(false)) | (404 | 410, _) => reply.again(None),
            _ => reply.judge(),
        }
    }
}

fn check_action(action: &SlackAction, at: &str, check: Check<'_>) -> Result<(), NotifyConfigError> {
    let SlackAction { kind, text, url, style, name, value, confirm } = action;
    if kind.is_empty() || text.is_empty() {
        return Err(check.error(at, "an action needs type and text"));
    }
    if url.is_none() && name.is_none() {
        return Err(check.error(at, "an action needs url or name"));
    }
    let mut texts = vec![("type", Some(kind)), ("text", Some(text)), ("url", url.as_ref()), ("style", style.as_ref())];
    texts.extend([("name", name.as_ref()), ("value", value.as_ref())]);
    if let Some(c) = confirm {
        texts.extend([("confirm.text", Some(&c.text)), ("confirm.title", c.title.as_ref())]);
        texts.extend([("confirm.ok_text", c.ok_text.as_ref()), ("confirm.dismiss_text", c.dismiss_text.as_ref())]);
    }
    texts.iter().filter_map(|(k, t)| Some((k, (*t)?))).try_for_each(|(k, t)| check.template(&format!("{at}.{k}"), t))
}

/// A button with a page is nothing for an app: name, value and question are left out, as Alertmanager does.
fn action(action: &SlackAction, m: &Message<'_>) -> Value {
    let text = |key, text: &str| m.text(key, Some(&text.to_owned()), String::new);
    let maybe = |key, text: &Option<String>| m.maybe(key, text.as_ref());
    let app = action.url.is_none();
    let confirm = action.confirm.as_ref().filter(|_| app).map(|c| {
        given(json!({
            "text": text("actions.confirm.text", &c.text),
            "title": maybe("actions.confirm.title", &c.title),
            "ok_text": maybe("actions.confirm.ok_text", &c.ok_text),
            "dismiss_text": maybe("actions.confirm.dismiss_text", &c.dismiss_text),
        }))
    });
    given(json!({
        "type": text("actions.type", &action.kind),
        "text": text("actions.text", &action.text),
        "url": maybe("actions.url", &action.url),
        "style": maybe("actions.style", &action.style),
        "name": maybe("actions.name", &action.name).filter(|_| app),
        "value": maybe("actions.value", &action.value).filter(|_| app),
        "confirm": confirm,
    }))
}

fn strs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

/// Without what was not given: services take a null for a value.
pub(super) fn given(mut value: Value) -> Value {
    if let Some(map) = value.as_object_mut() {
        map.retain(|_, v| !v.is_null() && v.as_str() != Some("") && v.as_array().is_none_or(|a| !a.is_empty()));
    }
    value
}
