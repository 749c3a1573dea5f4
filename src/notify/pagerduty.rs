//! PagerDuty by the Events API v2: one incident here is one `dedup_key` there; acknowledged here, acknowledged there.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    NotifyConfigError, Outcome,
    config::{GlobalConfig, PagerDutyConfig},
    credential::Credential,
    markup,
    message::{Check, Message},
    post::{Call, Reply, Service, Vault},
    slack::given,
    summary,
};
use crate::model::{NotificationKind, Severity};

/// The public API.
const API: &str = "https://events.pagerduty.com/v2/enqueue";

/// The old one, of keys that begin a `service_key:`; it has no other address.
const API_V1: &str = "https://events.pagerduty.com/generic/2010-04-15/create_event.json";

/// The longest summary: <https://developer.pagerduty.com/docs/send-alert-event>.
const SUMMARY_MAX: usize = 1_024;

/// The largest event, likewise; below it, for what the proxy of the API may add.
const EVENT_MAX: usize = 500_000;

/// What PagerDuty knows.
const SEVERITIES: [&str; 4] = ["critical", "error", "warning", "info"];

/// A checked entry of `pagerduty_configs:`.
#[derive(Debug)]
pub(super) struct PagerDuty {
    url: String,
    /// By the old API.
    is_v1: bool,
    key: Credential,
    config: PagerDutyConfig,
}

impl PagerDuty {
    /// Checks an entry.
    pub fn new(global: &GlobalConfig, config: &PagerDutyConfig, check: Check<'_>) -> Result<Self, NotifyConfigError> {
        let c = config;
        let service = check.secret("service_key", (&c.service_key, &c.service_key_file), (&None, &None))?;
        let routing = check.secret("routing_key", (&c.routing_key, &c.routing_key_file), (&None, &None))?;
        let is_v1 = service.is_some();
        let key = service.or(routing).ok_or_else(|| {
            check.error(
                "routing_key",
                "PagerDuty needs routing_key or routing_key_file (of an Events API v2 integration)",
            )
        })?;
        check.templates([
            ("client", &c.client),
            ("client_url", &c.client_url),
            ("description", &c.description),
            ("source", &c.source),
            ("severity", &c.severity),
            ("class", &c.class),
            ("component", &c.component),
            ("group", &c.group),
        ])?;
        for (name, value) in &c.details {
            check.structure(&format!("details.{name}"), value)?;
        }
        for (i, image) in c.images.iter().enumerate() {
            for (key, text) in [("src", &image.src), ("alt", &image.alt), ("href", &image.href)] {
                check.template(&format!("images[{i}].{key}"), text)?;
            }
        }
        for (i, link) in c.links.iter().enumerate() {
            check.template(&format!("links[{i}].href"), &link.href)?;
            check.template(&format!("links[{i}].text"), &link.text)?;
        }
        let url = c.url.as_ref().or(global.pagerduty_url.as_ref()).map_or(API, |url| url.as_str()).to_owned();
        Ok(Self { url: if is_v1 { API_V1.to_owned() } else { url }, is_v1, key, config: config.clone() })
    }

    fn payload(&self, m: &Message<'_>) -> Value {
        let c = &self.config;
        let incident = &m.n.incident;
        let root = incident.alerts.first().map(|a| &a.finding);
        let severity = m.text("severity", c.severity.as_ref(), || incident.severity.to_string()).to_lowercase();
        let severity = SEVERITIES.into_iter().find(|s| *s == severity).map_or_else(
            // Others refuse the whole event.
            || Severity::of_label(&severity).to_string(),
            str::to_owned,
        );
        let source = m.text("source", c.source.as_ref(), || summary::place(incident).to_owned());
        let class = || root.map(|f| f.name()).unwrap_or_default();
        let component = || root.and_then(|f| f.labels.get("job").cloned()).unwrap_or_default();
        given(json!({
            "summary": markup::clip(&m.title("description", c.description.as_ref()), SUMMARY_MAX),
            "source": if source.is_empty() { "dogwatch" } else { &source },
            "severity": severity,
            "timestamp": incident.started_at.to_string(),
            "class": m.text("class", c.class.as_ref(), class),
            "component": m.text("component", c.component.as_ref(), component),
            "group": m.text("group", c.group.as_ref(), || summary::place(incident).to_owned()),
            "custom_details": self.details(m),
        }))
    }

    /// What we have to say, and what was configured; a configured name wins.
    fn details(&self, m: &Message<'_>) -> BTreeMap<String, Value> {
        let mut details: BTreeMap<String, Value> = markup::sections(&m.page, m.voice)
            .into_iter()
            .map(|section| (section.title, json!(section.lines.join("\n"))))
            .chain([("When".to_owned(), json!(m.page.when)), ("Message".to_owned(), json!(m.page.footer))])
            .collect();
        if !m.page.notice.is_empty() {
            details.insert("Drill".to_owned(), json!(m.page.notice));
        }
        for (name, value) in &self.config.details {
            match m.structure(&format!("details.{name}"), value) {
                Value::Null => details.remove(name),
                written => details.insert(name.clone(), written),
            };
        }
        details
    }

    /// By the Events API v1: <https://developer.pagerduty.com/docs/send-v1-event>.
    fn event_v1(&self, m: &Message<'_>, key: &str) -> Value {
        let c = &self.config;
        let trigger = action(m) == "trigger";
        given(json!({
            "service_key": key,
            "event_type": action(m),
            "incident_key": m.key(),
            "description": markup::clip(&m.title("description", c.description.as_ref()), SUMMARY_MAX),
            "client": trigger.then(|| m.text("client", c.client.as_ref(), || "dogwatch".into())),
            "client_url": trigger.then(|| m.text("client_url", c.client_url.as_ref(), || m.page.link.clone())),
            "details": self.details(m),
        }))
    }

    fn event(&self, m: &Message<'_>, key: &str) -> Value {
        let c = &self.config;
        let text = |key, text: &String| m.text(key, Some(text), String::new);
        let images = c.images.iter().map(|i| {
            json!({"src": text("images.src", &i.src), "alt": text("images.alt", &i.alt), "href": text("images.href", &i.href)})
        });
        let links =
            c.links.iter().map(|l| json!({"href": text("links.href", &l.href), "text": text("links.text", &l.text)}));
        let has = |name: &'static str| move |item: &Value| item.get(name).and_then(Value::as_str) != Some("");
        given(json!({
            "routing_key": key,
            "event_action": action(m),
            "dedup_key": m.key(),
            "payload": self.payload(m),
            "client": m.text("client", c.client.as_ref(), || "dogwatch".into()),
            "client_url": m.text("client_url", c.client_url.as_ref(), || m.page.link.clone()),
            "images": images.filter(has("src")).collect::<Vec<_>>(),
            "links": links.filter(has("href")).collect::<Vec<_>>(),
        }))
    }
}

impl Service for PagerDuty {
    fn secrets(&self) -> Vec<&Credential> {
        vec![&self.key]
    }

    fn calls(&self, m: &Message<'_>, vault: &Vault) -> Result<Vec<Call>, String> {
        let key = vault.get(&self.key);
        let (mut event, details) = match self.is_v1 {
            true => (self.event_v1(m, key), "/details"),
            false => (self.event(m, key), "/payload/custom_details"),
        };
        if event.to_string().len() > EVENT_MAX
            && let Some(details) = event.pointer_mut(details)
        {
            *details = json!({"error": format!("left out: the event was larger than {EVENT_MAX} bytes")});
        }
        Ok(vec![Call::json(&self.url, &event)?])
    }

    /// 400: the event will never be taken, be it for its form or for its key; 429 (403 of the old API) and 5xx: later.
    fn judge(&self, reply: &Reply) -> Outcome {
        let said = reply.json();
        match reply.status.as_u16() {
            200..=299 => {
                let proof = said.get("dedup_key").or_else(|| said.get("incident_key")).and_then(Value::as_str);
                reply.delivered("dedup_key", proof)
            }
            _ => reply.judge(),
        }
    }
}

/// Somebody who looks after it is not called again by what is only news.
fn action(m: &Message<'_>) -> &'static str {
    match m.n.told {
        _ if m.is_over() => "resolve",
        NotificationKind::Update | NotificationKind::Reminder if m.n.incident.acknowledged.is_some() => "acknowledge",
        _ => "trigger",
    }
}
