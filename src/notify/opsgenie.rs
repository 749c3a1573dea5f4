//! Opsgenie by its Alert API: one incident here is one `alias` there, created, changed where configured, and closed.

use serde_json::{Value, json};
use url::Url;

use super::{
    NotifyConfigError, Outcome,
    config::{GlobalConfig, OpsgenieConfig},
    credential::Credential,
    markup::{self, PLAIN},
    message::{Check, Message},
    post::{Call, Reply, Service, Vault},
    slack::given,
    summary,
    view::View,
};
use crate::model::Severity;

/// The public API.
const API: &str = "https://api.opsgenie.com/";

// <https://docs.opsgenie.com/docs/alert-api#create-alert>, all in characters.
const MESSAGE_MAX: usize = 130;
const DESCRIPTION_MAX: usize = 15_000;
const SOURCE_MAX: usize = 100;
const ENTITY_MAX: usize = 512;
const NOTE_MAX: usize = 25_000;
const TAGS_MAX: usize = 20;
const ACTIONS_MAX: usize = 10;
const NAME_MAX: usize = 50;

/// Of names and values of all details together; what is beyond is left out.
const DETAILS_MAX: usize = 8_000;

/// Kinds of responders; `teams` is several in one.
const RESPONDERS: [&str; 5] = ["team", "teams", "user", "escalation", "schedule"];

/// A checked entry of `opsgenie_configs:`.
#[derive(Debug)]
pub(super) struct Opsgenie {
    api: String,
    key: Credential,
    config: OpsgenieConfig,
}

impl Opsgenie {
    /// Checks an entry.
    pub fn new(global: &GlobalConfig, config: &OpsgenieConfig, check: Check<'_>) -> Result<Self, NotifyConfigError> {
        let c = config;
        let shared = (&global.opsgenie_api_key, &global.opsgenie_api_key_file);
        let key = check.secret("api_key", (&c.api_key, &c.api_key_file), shared)?.ok_or_else(|| {
            check.error("api_key", "Opsgenie needs api_key or api_key_file, here or as global.opsgenie_api_key")
        })?;
        check.templates([
            ("message", &c.message),
            ("description", &c.description),
            ("source", &c.source),
            ("entity", &c.entity),
            ("actions", &c.actions),
            ("tags", &c.tags),
            ("note", &c.note),
            ("priority", &c.priority),
        ])?;
        for (name, text) in &c.details {
            check.template(&format!("details.{name}"), text)?;
        }
        for (i, r) in c.responders.iter().enumerate() {
            let at = format!("responders[{i}]");
            if r.id.is_none() && r.name.is_none() && r.username.is_none() {
                return Err(check.error(&at, "a responder needs id, name or username"));
            }
            if !r.kind.contains("{{") && !RESPONDERS.contains(&r.kind.to_lowercase().as_str()) {
                let message = format!("{:?} is unknown; there are: {}", r.kind, RESPONDERS.join(", "));
                return Err(check.error(&format!("{at}.type"), message));
            }
            for (key, text) in [("id", &r.id), ("name", &r.name), ("username", &r.username)] {
                text.iter().try_for_each(|text| check.template(&format!("{at}.{key}"), text))?;
            }
            check.template(&format!("{at}.type"), &r.kind)?;
        }
        let api = c.api_url.as_ref().or(global.opsgenie_api_url.as_ref()).map_or(API, Url::as_str);
        Ok(Self { api: api.trim_end_matches('/').to_owned(), key, config: config.clone() })
    }

    fn alert(&self, m: &Message<'_>) -> Value {
        let c = &self.config;
        let entity = m.text("entity", c.entity.as_ref(), || summary::place(&m.n.incident).to_owned());
        let note = m.maybe("note", c.note.as_ref());
        given(json!({
            "alias": m.key(),
            "message": self.message(m),
            "description": self.description(m),
            "source": self.source(m),
            "details": self.details(m),
            "entity": markup::clip(&entity, ENTITY_MAX),
            "responders": self.responders(m),
            "actions": names(&m.text("actions", c.actions.as_ref(), String::new), ACTIONS_MAX),
            "tags": names(&m.text("tags", c.tags.as_ref(), || m.n.incident.severity.to_string()), TAGS_MAX),
            "note": note.map(|text| markup::clip(&text, NOTE_MAX).into_owned()),
            "priority": self.priority(m),
        }))
    }

    fn message(&self, m: &Message<'_>) -> String {
        markup::clip(&m.title("message", self.config.message.as_ref()), MESSAGE_MAX).into_owned()
    }

    fn description(&self, m: &Message<'_>) -> String {
        let mut text = m.body("description", self.config.description.as_ref(), &PLAIN, DESCRIPTION_MAX / 2);
        if self.config.description.is_none() && !m.page.link.is_empty() {
            text.push_str(&format!("\n\n{}", m.page.link));
        }
        markup::clip(&text, DESCRIPTION_MAX).into_owned()
    }

    fn source(&self, m: &Message<'_>) -> String {
        let default = || if m.page.link.is_empty() { "dogwatch".to_owned() } else { m.page.link.clone() };
        markup::clip(&m.text("source", self.config.source.as_ref(), default), SOURCE_MAX).into_owned()
    }

    fn details(&self, m: &Message<'_>) -> Value {
        let mut details = View::of(m.n).readable().common_labels;
        for (name, text) in &self.config.details {
            details.insert(name.clone(), m.text(&format!("details.{name}"), Some(text), String::new));
        }
        let mut left = DETAILS_MAX;
        details.retain(|name, value| match left.checked_sub(name.len() + value.len()) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        });
        json!(details)
    }

    fn responders(&self, m: &Message<'_>) -> Vec<Value> {
        let mut all = Vec::new();
        for r in &self.config.responders {
            let kind = m.text("responders.type", Some(&r.kind), String::new).to_lowercase();
            let name = m.maybe("responders.name", r.name.as_ref());
            let id = m.maybe("responders.id", r.id.as_ref());
            let username = m.maybe("responders.username", r.username.as_ref());
            if kind == "teams" {
                let teams = names(name.as_deref().unwrap_or_default(), usize::MAX);
                all.extend(teams.iter().map(|team| json!({"name": team, "type": "team"})));
            } else if id.is_some() || name.is_some() || username.is_some() {
                all.push(given(json!({"id": id, "name": name, "username": username, "type": kind})));
            }
        }
        all
    }

    /// Another word than these five would be refused with the whole alert.
    fn priority(&self, m: &Message<'_>) -> String {
        let default = match m.n.incident.severity {
            Severity::Critical => "P1",
            Severity::Warning => "P3",
            Severity::Info => "P5",
        };
        let priority = m.text("priority", self.config.priority.as_ref(), || default.to_owned());
        if matches!(priority.as_str(), "P1" | "P2" | "P3" | "P4" | "P5") { priority } else { default.to_owned() }
    }
}

impl Service for Opsgenie {
    fn secrets(&self) -> Vec<&Credential> {
        vec![&self.key]
    }

    fn calls(&self, m: &Message<'_>, vault: &Vault) -> Result<Vec<Call>, String> {
        let alerts = format!("{}/v2/alerts", self.api);
        let alias = m.key();
        let at = |what: &str| format!("{alerts}/{alias}/{what}?identifierType=alias");
        let mut calls = Vec::new();
        if m.is_over() {
            calls.push(Call::json(at("close"), &json!({"source": self.source(m), "note": m.page.when}))?);
        } else {
            calls.push(Call::json(&alerts, &self.alert(m))?);
            if self.config.update_alerts && m.n.sequence > 0 {
                calls.push(Call::json(at("message"), &json!({"message": self.message(m)}))?.put());
                calls.push(Call::json(at("description"), &json!({"description": self.description(m)}))?.put());
            }
        }
        let key = format!("GenieKey {}", vault.get(&self.key));
        Ok(calls.into_iter().map(|call| call.header("Authorization", key.as_str())).collect())
    }

    fn judge(&self, reply: &Reply) -> Outcome {
        let said = reply.json();
        match reply.status.as_u16() {
            200..=299 => reply.delivered("requestId", said.get("requestId").and_then(Value::as_str)),
            _ => reply.judge(),
        }
    }
}

/// Names between commas.
fn names(text: &str, max: usize) -> Vec<String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.take(max).map(|name| markup::clip(name, NAME_MAX).into_owned()).collect()
}
