//! Slack: a message with one attachment, by an incoming webhook or by `chat.postMessage`.
//!
//! The attachment is Alertmanager's, so that a pasted configuration looks as it did. An incident's first message is
//! remembered for `update_message` and `post_updates_to_thread`, in memory alone: after a restart the next message is a
//! first one again.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

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

/// Where an app posts and changes what it has posted.
const POST_MESSAGE: &str = "https://slack.com/api/chat.postMessage";

/// First messages that are remembered, of the latest incidents.
const FIRST_MAX: usize = 1_000;

/// A checked entry of `slack_configs:`.
#[derive(Debug)]
pub(super) struct Slack {
    way: Way,
    config: SlackConfig,
    /// By incident.
    first: Mutex<BTreeMap<i64, First>>,
}

#[derive(Debug)]
enum Way {
    /// An incoming webhook, or the API with a token in `http_config`.
    Url(Credential),
    /// The API as an app.
    App(String, Credential),
}

/// An incident's first message.
#[derive(Clone, Debug)]
struct First {
    channel: String,
    ts: String,
}

impl Slack {
    /// Checks an entry.
    pub fn new(global: &GlobalConfig, config: &SlackConfig, check: Check<'_>) -> Result<Self, NotifyConfigError> {
        let c = config;
        let way = way(global, c, check)?;
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
            check.field(&format!("fields[{i}]"), &field.title, &field.value)?;
            if let Some((key, _)) =
                [("title", &field.title), ("value", &field.value)].iter().find(|(_, t)| t.is_empty())
            {
                return Err(check.error(&format!("fields[{i}].{key}"), "a field needs a title and a value"));
            }
        }
        for (i, action) in c.actions.iter().enumerate() {
            check_action(action, &format!("actions[{i}]"), check)?;
        }
        Ok(Self { way, config: config.clone(), first: Mutex::default() })
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

impl Slack {
    fn message(&self, m: &Message<'_>) -> Value {
        let c = &self.config;
        given(json!({
            "channel": m.maybe("channel", c.channel.as_ref()),
            "text": m.maybe("message_text", c.message_text.as_ref()),
            "username": m.maybe("username", c.username.as_ref()),
            "icon_emoji": m.maybe("icon_emoji", c.icon_emoji.as_ref()),
            "icon_url": m.maybe("icon_url", c.icon_url.as_ref()),
            "link_names": c.link_names.then_some(true),
            "attachments": [self.attachment(m)],
        }))
    }

    /// A POST as the configured way has it, to the API's method where it is another one than posting.
    fn call(&self, vault: &Vault, method: Option<&str>, body: &Value) -> Result<Call, String> {
        match &self.way {
            Way::Url(url) => Call::json(method.unwrap_or_else(|| vault.get(url)), body),
            Way::App(url, token) => {
                let call = Call::json(method.unwrap_or(url), body)?;
                Ok(call.header("Authorization", format!("Bearer {}", vault.get(token))))
            }
        }
    }

    /// `chat.update` beside the method that posts.
    fn update_url(&self, vault: &Vault) -> Option<String> {
        let post = match &self.way {
            Way::Url(url) => vault.get(url),
            Way::App(url, _) => url,
        };
        post.strip_suffix("chat.postMessage").map(|api| format!("{api}chat.update"))
    }
}

impl Service for Slack {
    fn secrets(&self) -> Vec<&Credential> {
        match &self.way {
            Way::Url(secret) | Way::App(_, secret) => vec![secret],
        }
    }

    fn calls(&self, m: &Message<'_>, vault: &Vault) -> Result<Vec<Call>, String> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).get(&m.n.incident.id).cloned();
        let message = self.message(m);
        let Some(First { channel, ts }) = first else { return Ok(vec![self.call(vault, None, &message)?]) };
        let with = |more: Value| {
            let mut body = message.clone();
            if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
                body.extend(more);
            }
            body
        };
        let mut calls = Vec::new();
        if let Some(update) = self.update_url(vault).filter(|_| self.config.update_message) {
            calls.push(self.call(vault, Some(&update), &with(json!({"channel": channel, "ts": ts})))?);
        }
        if self.config.post_updates_to_thread {
            calls.push(self.call(vault, None, &with(json!({"channel": channel, "thread_ts": ts})))?);
        }
        Ok(calls)
    }

    /// Nothing more to send, but the first message is known now.
    fn then(&self, m: &Message<'_>, _: &Vault, replies: &[Reply]) -> Result<Vec<Call>, String> {
        let said = replies.first().map(Reply::json).unwrap_or_default();
        let text = |key: &str| said.get(key).and_then(Value::as_str).map(str::to_owned);
        if let (Some(channel), Some(ts)) = (text("channel"), text("ts"))
            && (self.config.update_message || self.config.post_updates_to_thread)
        {
            let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
            first.entry(m.n.incident.id).or_insert(First { channel, ts });
            if first.len() > FIRST_MAX {
                first.pop_first();
            }
        }
        Ok(Vec::new())
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

/// The token of an app, or a URL; what stands here counts before what is global, as in Alertmanager.
fn way(global: &GlobalConfig, c: &SlackConfig, check: Check<'_>) -> Result<Way, NotifyConfigError> {
    let url = check.secret("api_url", (&c.api_url, &c.api_url_file), (&None, &None))?;
    let token = check.secret("app_token", (&c.app_token, &c.app_token_file), (&None, &None))?;
    if url.is_some() && token.is_some() {
        return Err(check.error("api_url", "give api_url or app_token, not both"));
    }
    let is_authorized = c.http_config.as_ref().is_some_and(|http| http.authorization.is_some());
    let shared = |inline, file| check.secret("api_url", (&None, &None), (inline, file));
    let token = match token {
        None if c.api_url.is_none() && !is_authorized => shared(&global.slack_app_token, &global.slack_app_token_file)?,
        token => token,
    };
    let way = match (token, url) {
        (Some(_), _) if is_authorized => {
            return Err(
                check.error("http_config.authorization", "an app's token takes its place: leave one of them out")
            );
        }
        (Some(token), _) => {
            let url = c.app_url.as_ref().or(global.slack_app_url.as_ref()).map_or(POST_MESSAGE, |url| url.as_str());
            Way::App(url.to_owned(), token)
        }
        (None, Some(url)) => Way::Url(url),
        (None, None) => {
            let url = shared(&global.slack_api_url, &global.slack_api_url_file)?;
            Way::Url(url.ok_or_else(|| {
                let what = "Slack needs api_url or api_url_file, here or as global.slack_api_url, or app_token";
                check.error("api_url", what)
            })?)
        }
    };
    if let Way::Url(url) = &way {
        url.check_url().map_err(|e| check.error("api_url", e))?;
        let is_api = matches!(url, Credential::Inline(url) if url.reveal() == POST_MESSAGE);
        for (key, wanted) in
            [("update_message", c.update_message), ("post_updates_to_thread", c.post_updates_to_thread)]
        {
            if wanted && !is_api {
                let what =
                    format!("a webhook can't change what it has posted: use app_token, or api_url {POST_MESSAGE}");
                return Err(check.error(key, what));
            }
        }
    }
    Ok(way)
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
