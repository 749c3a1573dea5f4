//! Splunk On-Call (VictorOps) by its REST endpoint: one incident here is one `entity_id` there; acknowledged here,
//! acknowledged there. <https://help.victorops.com/knowledge-base/rest-endpoint-integration-guide/>

use serde_json::{Map, Value, json};

use super::{
    NotifyConfigError, Outcome,
    config::{GlobalConfig, VictorOpsConfig},
    credential::Credential,
    markup::{self, PLAIN},
    message::{Check, Message},
    post::{Call, Reply, Service, Vault},
};
use crate::model::{NotificationKind, Severity};

/// The public API.
const API: &str = "https://alert.victorops.com/integrations/generic/20131114/alert/";

/// The longest text: <https://help.victorops.com/knowledge-base/incident-fields-glossary/>.
const STATE_MESSAGE_MAX: usize = 20_480;

/// Fields that are set here, and are not for `custom_fields:`.
const OWN_FIELDS: [&str; 7] = [
    "routing_key",
    "message_type",
    "state_message",
    "entity_display_name",
    "monitoring_tool",
    "entity_id",
    "entity_state",
];

/// A checked entry of `victorops_configs:`.
#[derive(Debug)]
pub(super) struct VictorOps {
    api: String,
    key: Credential,
    routing_key: String,
    config: VictorOpsConfig,
}

impl VictorOps {
    /// Checks an entry.
    pub fn new(global: &GlobalConfig, config: &VictorOpsConfig, check: Check<'_>) -> Result<Self, NotifyConfigError> {
        let c = config;
        let shared = (&global.victorops_api_key, &global.victorops_api_key_file);
        let key = check.secret("api_key", (&c.api_key, &c.api_key_file), shared)?.ok_or_else(|| {
            check.error("api_key", "VictorOps needs api_key or api_key_file, here or as global.victorops_api_key")
        })?;
        let routing_key = c.routing_key.clone().filter(|key| !key.is_empty());
        let routing_key = routing_key.ok_or_else(|| check.error("routing_key", "VictorOps needs routing_key"))?;
        check.templates([
            ("routing_key", &c.routing_key),
            ("message_type", &c.message_type),
            ("state_message", &c.state_message),
            ("entity_display_name", &c.entity_display_name),
            ("monitoring_tool", &c.monitoring_tool),
        ])?;
        for (name, text) in &c.custom_fields {
            if OWN_FIELDS.contains(&name.as_str()) {
                return Err(check.error(&format!("custom_fields.{name}"), "has a key of its own: set it there"));
            }
            check.template(&format!("custom_fields.{name}"), text)?;
        }
        let api = c.api_url.as_ref().or(global.victorops_api_url.as_ref()).map_or(API, |url| url.as_str());
        Ok(Self { api: api.trim_end_matches('/').to_owned(), key, routing_key, config: config.clone() })
    }

    /// Somebody who looks after it is not called again by what is only news. What a template makes else of it than the three
    /// kinds would be taken for nothing.
    fn message_type(&self, m: &Message<'_>) -> String {
        let incident = &m.n.incident;
        match m.n.told {
            _ if m.is_over() => return "RECOVERY".to_owned(),
            NotificationKind::Update | NotificationKind::Reminder if incident.acknowledged.is_some() => {
                return "ACKNOWLEDGEMENT".to_owned();
            }
            _ => {}
        }
        let default = match incident.severity {
            Severity::Critical => "CRITICAL",
            Severity::Warning => "WARNING",
            Severity::Info => "INFO",
        };
        let kind = m.text("message_type", self.config.message_type.as_ref(), || default.to_owned());
        if matches!(kind.as_str(), "CRITICAL" | "WARNING" | "INFO") { kind } else { "CRITICAL".to_owned() }
    }
}

impl Service for VictorOps {
    fn secrets(&self) -> Vec<&Credential> {
        vec![&self.key]
    }

    fn calls(&self, m: &Message<'_>, vault: &Vault) -> Result<Vec<Call>, String> {
        let c = &self.config;
        let mut text = m.body("state_message", c.state_message.as_ref(), &PLAIN, STATE_MESSAGE_MAX / 2);
        if c.state_message.is_none() && !m.page.link.is_empty() {
            text.push_str(&format!("\n\n{}", m.page.link));
        }
        let mut event: Map<String, Value> = Map::new();
        event.insert("message_type".into(), json!(self.message_type(m)));
        event.insert("entity_id".into(), json!(m.key()));
        event.insert(
            "entity_display_name".into(),
            json!(m.title("entity_display_name", c.entity_display_name.as_ref())),
        );
        event.insert("state_message".into(), json!(markup::clip(&text, STATE_MESSAGE_MAX)));
        let tool = m.text("monitoring_tool", c.monitoring_tool.as_ref(), || "dogwatch".into());
        event.insert("monitoring_tool".into(), json!(tool));
        for (name, text) in &c.custom_fields {
            let key = format!("custom_fields.{name}");
            event.insert(name.clone(), json!(m.text(&key, Some(text), String::new)));
        }
        let team = m.text("routing_key", Some(&self.routing_key), String::new);
        Ok(vec![Call::json(format!("{}/{}/{team}", self.api, vault.get(&self.key)), &event)?])
    }

    fn judge(&self, reply: &Reply) -> Outcome {
        let said = reply.json();
        match reply.status.as_u16() {
            200..=299 => reply.delivered("entity_id", said.get("entity_id").and_then(Value::as_str)),
            _ => reply.judge(),
        }
    }
}
