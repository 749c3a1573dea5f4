//! Pushover: a form by HTTP POST. What is critical is said again until somebody acknowledges it on their phone.

use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::{
    NotifyConfigError, Outcome,
    config::PushoverConfig,
    credential::Credential,
    markup::{self, PLAIN},
    message::{Check, Message},
    post::{Call, Reply, Service, Vault},
};
use crate::model::Severity;

/// The public API.
const API: &str = "https://api.pushover.net/1/messages.json";

// <https://pushover.net/api#limits>
const TITLE_MAX: usize = 250;
const MESSAGE_MAX: usize = 1_024;
const URL_MAX: usize = 512;
const URL_TITLE_MAX: usize = 100;
/// <https://pushover.net/api#priority>: the shortest pause, …
const RETRY_MIN: Duration = Duration::from_secs(30);
/// … and the longest time.
const EXPIRE_MAX: Duration = Duration::from_secs(10_800);

/// A checked entry of `pushover_configs:`.
#[derive(Debug)]
pub(super) struct Pushover {
    api: String,
    user: Credential,
    token: Credential,
    config: PushoverConfig,
}

impl Pushover {
    /// Checks an entry.
    pub fn new(config: &PushoverConfig, check: Check<'_>) -> Result<Self, NotifyConfigError> {
        let c = config;
        let user = Credential::from_either(c.user_key.as_ref(), c.user_key_file.as_ref())
            .and_then(|found| found.ok_or("Pushover needs user_key or user_key_file"))
            .map_err(|e| check.error("user_key", e))?;
        let token = Credential::from_either(c.token.as_ref(), c.token_file.as_ref())
            .and_then(|found| found.ok_or("Pushover needs token or token_file"))
            .map_err(|e| check.error("token", e))?;
        if c.html && c.monospace {
            return Err(check.error("monospace", "html and monospace exclude each other"));
        }
        if c.retry.is_some_and(|d| d < RETRY_MIN) {
            return Err(check.error("retry", "Pushover takes 30s or more"));
        }
        if c.expire.is_some_and(|d| d > EXPIRE_MAX) {
            return Err(check.error("expire", "Pushover takes 3h or less"));
        }
        check.templates([
            ("title", &c.title),
            ("message", &c.message),
            ("url", &c.url),
            ("url_title", &c.url_title),
            ("device", &c.device),
            ("sound", &c.sound),
            ("priority", &c.priority),
        ])?;
        let api = c.api_url.as_ref().map_or(API, Url::as_str).to_owned();
        Ok(Self { api, user, token, config: config.clone() })
    }

    /// From -2 to 2; what a template makes of it else is not taken.
    fn priority(&self, m: &Message<'_>) -> String {
        let default = match m.n.incident.severity {
            _ if m.is_over() => "0",
            Severity::Critical => "2",
            Severity::Warning => "0",
            Severity::Info => "-1",
        };
        let priority = m.text("priority", self.config.priority.as_ref(), || default.to_owned());
        if matches!(priority.trim(), "-2" | "-1" | "0" | "1" | "2") { priority.trim().into() } else { default.into() }
    }

    fn text(&self, m: &Message<'_>) -> String {
        let c = &self.config;
        let text = if c.html {
            let text = m.html("message", c.message.as_ref(), MESSAGE_MAX);
            markup::clip_html(&text, MESSAGE_MAX).into_owned()
        } else {
            let text = m.body("message", c.message.as_ref(), &PLAIN, MESSAGE_MAX);
            markup::clip(&text, MESSAGE_MAX).into_owned()
        };
        // An empty message is refused.
        if text.trim().is_empty() { m.page.when.clone() } else { text }
    }
}

impl Service for Pushover {
    fn secrets(&self) -> Vec<&Credential> {
        vec![&self.user, &self.token]
    }

    fn calls(&self, m: &Message<'_>, vault: &Vault) -> Result<Vec<Call>, String> {
        let c = &self.config;
        let url = m.text("url", c.url.as_ref(), || m.page.link.clone());
        let url_title = m.text("url_title", c.url_title.as_ref(), || m.voice.word("open-dogwatch"));
        let priority = self.priority(m);
        let seconds = |d: Option<Duration>, default| d.map_or(default, |d| d.as_secs()).to_string();
        let urgent = priority == "2";
        let fields = [
            ("token", vault.get(&self.token).to_owned()),
            ("user", vault.get(&self.user).to_owned()),
            ("title", markup::clip(&m.title("title", c.title.as_ref()), TITLE_MAX).into_owned()),
            ("message", self.text(m)),
            ("url_title", if url.is_empty() { String::new() } else { markup::clip(&url_title, URL_TITLE_MAX).into() }),
            // Half a link leads nowhere.
            ("url", Some(url).filter(|u| u.len() <= URL_MAX).unwrap_or_default()),
            ("retry", if urgent { seconds(c.retry, 60) } else { String::new() }),
            ("expire", if urgent { seconds(c.expire, 3_600) } else { String::new() }),
            ("priority", priority),
            ("device", m.text("device", c.device.as_ref(), String::new)),
            ("sound", m.text("sound", c.sound.as_ref(), String::new)),
            ("timestamp", m.n.at.as_second().to_string()),
            ("html", if c.html { "1".into() } else { String::new() }),
            ("monospace", if c.monospace { "1".into() } else { String::new() }),
            ("ttl", c.ttl.map(|d| d.as_secs().to_string()).unwrap_or_default()),
        ];
        let given: Vec<_> = fields.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Ok(vec![Call::form(&self.api, &given)])
    }

    /// 4xx: never again in this form (<https://pushover.net/api#response>), save the month's limit.
    fn judge(&self, reply: &Reply) -> Outcome {
        let said = reply.json();
        match reply.status.as_u16() {
            200..=299 => reply.delivered("request", said.get("request").and_then(Value::as_str)),
            429 | 500.. => reply.again(None),
            _ => Outcome::Drop(reply.answer()),
        }
    }
}
