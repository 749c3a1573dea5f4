//! ntfy: JSON by HTTP POST to ntfy.sh or a server of one's own.

use serde_json::{Value, json};
use url::Url;

use super::{
    NotifyConfigError, Outcome,
    config::NtfyConfig,
    credential::Credential,
    markup::{self, PLAIN},
    message::{Check, Message},
    post::{Call, Reply, Service, Vault},
    slack::given,
    summary,
};
use crate::model::{Severity, text};

/// The public server.
const SERVER: &str = "https://ntfy.sh/";

/// The longest message, in bytes; beyond it ntfy makes a file of it: <https://docs.ntfy.sh/publish/#limitations>.
const MESSAGE_MAX: usize = 4_096;

/// Titles beyond this are shown by no phone; ntfy itself has no limit.
const TITLE_MAX: usize = 250;

/// The names of priorities 1 to 5.
const PRIORITIES: [&[&str]; 5] =
    [&["1", "min"], &["2", "low"], &["3", "default"], &["4", "high"], &["5", "max", "urgent"]];

/// A checked entry of `ntfy_configs:`.
#[derive(Debug)]
pub(super) struct Ntfy {
    server: String,
    topic: Credential,
    token: Option<Credential>,
    config: NtfyConfig,
}

impl Ntfy {
    /// Checks an entry.
    pub fn new(config: &NtfyConfig, check: Check<'_>) -> Result<Self, NotifyConfigError> {
        let c = config;
        let topic = Credential::from_either(c.topic.as_ref(), c.topic_file.as_ref())
            .and_then(|found| found.ok_or("ntfy needs topic or topic_file"))
            .map_err(|e| check.error("topic", e))?;
        let token = Credential::from_either(c.token.as_ref(), c.token_file.as_ref());
        let token = token.map_err(|e| check.error("token", e))?;
        let signs_in = c.http_config.as_ref().is_some_and(|h| h.authorization.is_some() || h.basic_auth.is_some());
        if token.is_some() && signs_in {
            return Err(check.error("token", "token and the credentials of http_config exclude each other"));
        }
        check.templates([
            ("title", &c.title),
            ("message", &c.message),
            ("priority", &c.priority),
            ("tags", &c.tags),
            ("click", &c.click),
        ])?;
        let server = c.url.as_ref().map_or(SERVER, Url::as_str).to_owned();
        Ok(Self { server, topic, token, config: config.clone() })
    }

    /// From 1 to 5; another word of a template counts as none.
    fn priority(&self, m: &Message<'_>) -> usize {
        let default = match m.n.incident.severity {
            _ if m.is_over() => 3,
            Severity::Critical => 5,
            Severity::Warning => 3,
            Severity::Info => 2,
        };
        let word = m.text("priority", self.config.priority.as_ref(), String::new);
        PRIORITIES.iter().position(|names| names.contains(&word.trim())).map_or(default, |i| i + 1)
    }
}

impl Service for Ntfy {
    fn secrets(&self) -> Vec<&Credential> {
        std::iter::once(&self.topic).chain(&self.token).collect()
    }

    fn calls(&self, m: &Message<'_>, vault: &Vault) -> Result<Vec<Call>, String> {
        let c = &self.config;
        let title = m.title("title", c.title.as_ref());
        let text = m.body("message", c.message.as_ref(), &PLAIN, MESSAGE_MAX);
        let tags =
            m.text("tags", c.tags.as_ref(), || format!("{},{}", summary::place(&m.n.incident), m.n.incident.severity));
        let tags: Vec<&str> = tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect();
        let body = given(json!({
            "topic": vault.get(&self.topic),
            "title": markup::clip(&title, TITLE_MAX),
            "message": text::clip(&text, MESSAGE_MAX),
            "priority": self.priority(m),
            "tags": tags,
            "click": m.text("click", c.click.as_ref(), || m.page.link.clone()),
        }));
        let call = Call::json(&self.server, &body)?;
        Ok(vec![match &self.token {
            Some(token) => call.header("Authorization", format!("Bearer {}", vault.get(token))),
            None => call,
        }])
    }

    fn judge(&self, reply: &Reply) -> Outcome {
        let said = reply.json();
        match reply.status.as_u16() {
            200..=299 => reply.delivered("id", said.get("id").and_then(Value::as_str)),
            _ => reply.judge(),
        }
    }
}
