//! Mattermost: a message with one attachment, or as many as are configured, by an incoming webhook.
//! <https://developers.mattermost.com/integrate/webhooks/incoming/>

use serde_json::{Value, json};

use super::{
    NotifyConfigError, Outcome,
    config::{GlobalConfig, MattermostAttachment, MattermostConfig, MattermostPriority, SlackField},
    credential::Credential,
    markup::{self, MARKDOWN},
    message::{Check, Message},
    post::{Call, Reply, Service, Vault},
    slack::given,
};

/// The longest text.
const TEXT_MAX: usize = 16_383;

/// Our own text: the page has the rest.
const OWN_TEXT_MAX: usize = 4_000;

/// A checked entry of `mattermost_configs:`.
#[derive(Debug)]
pub(super) struct Mattermost {
    url: Credential,
    config: MattermostConfig,
}

impl Mattermost {
    /// Checks an entry.
    pub fn new(global: &GlobalConfig, config: &MattermostConfig, check: Check<'_>) -> Result<Self, NotifyConfigError> {
        let c = config;
        let shared = (&global.mattermost_webhook_url, &global.mattermost_webhook_url_file);
        let url = check.secret("webhook_url", (&c.webhook_url, &c.webhook_url_file), shared)?.ok_or_else(|| {
            let what = "Mattermost needs webhook_url or webhook_url_file, here or as global.mattermost_webhook_url";
            check.error("webhook_url", what)
        })?;
        url.check_url().map_err(|e| check.error("webhook_url", e))?;
        check.templates([
            ("channel", &c.channel),
            ("username", &c.username),
            ("icon_url", &c.icon_url),
            ("icon_emoji", &c.icon_emoji),
            ("type", &c.kind),
        ])?;
        check_attachment(&as_attachment(c), "", check)?;
        for (i, attachment) in c.attachments.iter().enumerate() {
            check_attachment(attachment, &format!("attachments[{i}]."), check)?;
        }
        let card = c.props.as_ref().and_then(|props| props.card.clone());
        let priority = c.priority.as_ref().and_then(|priority| priority.priority.clone());
        check.templates([("props.card", &card), ("priority.priority", &priority)])?;
        Ok(Self { url, config: config.clone() })
    }

    /// The one that says all; what is not configured is ours.
    fn own(&self, m: &Message<'_>) -> Value {
        let c = as_attachment(&self.config);
        let title = m.title("title", c.title.as_ref());
        let link = m.text("title_link", c.title_link.as_ref(), || m.page.link.clone());
        let fallback = || if link.is_empty() { title.clone() } else { format!("{title} | {link}") };
        let text = m.body("text", c.text.as_ref(), &MARKDOWN, OWN_TEXT_MAX);
        let mut attachment = attachment(m, &c);
        let ours = json!({
            "title": title,
            "title_link": link,
            "text": markup::clip(&text, TEXT_MAX),
            "fallback": m.text("fallback", c.fallback.as_ref(), fallback),
            "color": m.text("color", c.color.as_ref(), || m.page.colour.to_owned()),
            "footer": m.text("footer", c.footer.as_ref(), || m.page.footer.clone()),
        });
        if let (Some(attachment), Value::Object(ours)) = (attachment.as_object_mut(), ours) {
            attachment.extend(ours);
        }
        given(attachment)
    }
}

impl Service for Mattermost {
    fn secrets(&self) -> Vec<&Credential> {
        vec![&self.url]
    }

    fn calls(&self, m: &Message<'_>, vault: &Vault) -> Result<Vec<Call>, String> {
        let c = &self.config;
        let (text, attachments) = match &c.attachments[..] {
            [] => (None, vec![self.own(m)]),
            some => {
                let text = m.body("text", c.text.as_ref(), &MARKDOWN, OWN_TEXT_MAX);
                let text = c.text.is_some().then(|| markup::clip(&text, TEXT_MAX).into_owned());
                (text, some.iter().map(|a| attachment(m, a)).collect())
            }
        };
        let card = c.props.as_ref().and_then(|props| m.maybe("props.card", props.card.as_ref()));
        let body = given(json!({
            "text": text,
            "channel": m.maybe("channel", c.channel.as_ref()),
            "username": m.text("username", c.username.as_ref(), || "dogwatch".into()),
            "icon_url": m.maybe("icon_url", c.icon_url.as_ref()),
            "icon_emoji": m.maybe("icon_emoji", c.icon_emoji.as_ref()),
            "type": m.maybe("type", c.kind.as_ref()),
            "attachments": attachments,
            "props": card.map(|card| json!({"card": card})),
            "priority": c.priority.as_ref().and_then(|p| priority(m, p)),
        }));
        Ok(vec![Call::json(vault.get(&self.url), &body)?])
    }

    /// A webhook that is not found, or a channel, may be made anew.
    fn judge(&self, reply: &Reply) -> Outcome {
        match reply.status.as_u16() {
            404 => reply.again(None),
            _ => reply.judge(),
        }
    }
}

/// What the keys of the entry itself describe.
fn as_attachment(c: &MattermostConfig) -> MattermostAttachment {
    let c = c.clone();
    MattermostAttachment {
        fallback: c.fallback,
        color: c.color,
        pretext: c.pretext,
        text: c.text,
        author_name: c.author_name,
        author_link: c.author_link,
        author_icon: c.author_icon,
        title: c.title,
        title_link: c.title_link,
        fields: c.fields,
        thumb_url: c.thumb_url,
        footer: c.footer,
        footer_icon: c.footer_icon,
        image_url: c.image_url,
    }
}

fn texts(a: &MattermostAttachment) -> [(&'static str, &Option<String>); 13] {
    [
        ("fallback", &a.fallback),
        ("color", &a.color),
        ("pretext", &a.pretext),
        ("text", &a.text),
        ("author_name", &a.author_name),
        ("author_link", &a.author_link),
        ("author_icon", &a.author_icon),
        ("title", &a.title),
        ("title_link", &a.title_link),
        ("thumb_url", &a.thumb_url),
        ("footer", &a.footer),
        ("footer_icon", &a.footer_icon),
        ("image_url", &a.image_url),
    ]
}

fn check_attachment(a: &MattermostAttachment, at: &str, check: Check<'_>) -> Result<(), NotifyConfigError> {
    for (key, text) in texts(a) {
        text.iter().try_for_each(|text| check.template(&format!("{at}{key}"), text))?;
    }
    for (i, field) in a.fields.iter().enumerate() {
        let at = format!("{at}fields[{i}]");
        if field.title.is_empty() || field.value.is_empty() {
            return Err(check.error(&at, "a field needs title and value"));
        }
        check.field(&at, &field.title, &field.value)?;
    }
    Ok(())
}

fn attachment(m: &Message<'_>, a: &MattermostAttachment) -> Value {
    let field = |field: &SlackField| {
        given(json!({
            "title": m.text("fields.title", Some(&field.title), String::new),
            "value": m.text("fields.value", Some(&field.value), String::new),
            "short": field.short,
        }))
    };
    let mut all: serde_json::Map<String, Value> =
        texts(a).into_iter().map(|(key, text)| (key.to_owned(), json!(m.maybe(key, text.as_ref())))).collect();
    all.insert("fields".to_owned(), a.fields.iter().map(field).collect());
    given(Value::Object(all))
}

/// What its urgency does not allow is left out: Mattermost would refuse the whole message.
fn priority(m: &Message<'_>, p: &MattermostPriority) -> Option<Value> {
    let level = m.maybe("priority", p.priority.as_ref())?.to_lowercase();
    let level = ["urgent", "important"].into_iter().find(|known| *known == level).unwrap_or("standard");
    Some(given(json!({
        "priority": level,
        "requested_ack": (p.requested_ack && level != "standard").then_some(true),
        "persistent_notifications": (p.persistent_notifications && level == "urgent").then_some(true),
    })))
}
