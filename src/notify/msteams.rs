//! Microsoft Teams: an Adaptive Card, as a workflow of Power Automate ("When a Teams webhook request is received") takes
//! it, and connectors took it.

use serde_json::{Value, json};

use super::{
    NotifyConfigError, Outcome,
    config::TeamsConfig,
    credential::Credential,
    markup::{self, PLAIN},
    message::{Check, Message},
    post::{Call, Reply, Service, Vault},
    slack::given,
};
use crate::model::{NotificationKind, Severity};

/// The largest message:
/// <https://learn.microsoft.com/en-us/microsoftteams/platform/bots/how-to/format-your-bot-messages>.
const MESSAGE_MAX: usize = 28 << 10;

/// Our own text fits by far, whatever its characters become in JSON.
const OWN_TEXT_MAX: usize = 4_000;

/// A checked entry of `msteams_configs:` or `msteamsv2_configs:`.
#[derive(Debug)]
pub(super) struct Teams {
    url: Credential,
    config: TeamsConfig,
}

impl Teams {
    /// Checks an entry.
    pub fn new(config: &TeamsConfig, check: Check<'_>) -> Result<Self, NotifyConfigError> {
        let url = Credential::from_either(config.webhook_url.as_ref(), config.webhook_url_file.as_ref())
            .and_then(|found| found.ok_or("Teams needs webhook_url or webhook_url_file"))
            .map_err(|e| check.error("webhook_url", e))?;
        url.check_url().map_err(|e| check.error("webhook_url", e))?;
        check.templates([("title", &config.title), ("summary", &config.summary), ("text", &config.text)])?;
        Ok(Self { url, config: config.clone() })
    }

    fn card(&self, m: &Message<'_>, text: Option<&str>) -> Value {
        let title = m.title("title", self.config.title.as_ref());
        let mut blocks = vec![json!({
            "type": "TextBlock", "text": markup::escape_markdown(&title), "weight": "Bolder", "size": "Medium",
            "wrap": true, "style": "heading", "color": colour(m),
        })];
        match text {
            Some(text) => blocks.push(block(text)),
            None => blocks.extend(own_blocks(m)),
        }
        let actions = (!m.page.link.is_empty())
            .then(|| json!({"type": "Action.OpenUrl", "title": m.voice.word("open-dogwatch"), "url": m.page.link}));
        let card = given(json!({
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": blocks,
            "actions": actions.into_iter().collect::<Vec<_>>(),
            "msteams": {"width": "Full"},
        }));
        json!({
            "type": "message",
            "summary": m.text("summary", self.config.summary.as_ref(), || title.clone()),
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": null,
                "content": card,
            }],
        })
    }
}

impl Service for Teams {
    fn secrets(&self) -> Vec<&Credential> {
        vec![&self.url]
    }

    fn calls(&self, m: &Message<'_>, vault: &Vault) -> Result<Vec<Call>, String> {
        let configured = self.config.text.as_ref();
        let mut text = configured.map(|t| m.body("text", Some(t), &PLAIN, OWN_TEXT_MAX));
        let mut card = self.card(m, text.as_deref());
        // Only a configured text can be that long. Halving ends soon and never cuts a character.
        while let Some(long) = text.as_ref().filter(|t| !t.is_empty() && card.to_string().len() > MESSAGE_MAX) {
            text = Some(markup::clip(long, long.encode_utf16().count() / 2).into_owned());
            card = self.card(m, text.as_deref());
        }
        Ok(vec![Call::json(vault.get(&self.url), &card)?])
    }

    /// Connectors said 200 even where Teams refused the card; workflows accept with the id of their run.
    fn judge(&self, reply: &Reply) -> Outcome {
        if reply.status.is_success() && reply.said().contains("failed with error") {
            return reply.again(None);
        }
        match reply.header("x-ms-workflow-run-id").filter(|_| reply.status.is_success()) {
            Some(id) => reply.delivered("workflow run", Some(id)),
            None => reply.judge(),
        }
    }
}

/// Headings and lists of their own: Teams joins lines of one text.
fn own_blocks(m: &Message<'_>) -> Vec<Value> {
    let mut blocks = Vec::new();
    if !m.page.notice.is_empty() {
        blocks.push(block(&markup::bold(&markup::MARKDOWN, &m.page.notice)));
    }
    blocks.push(block(&markup::escape_markdown(&m.page.when)));
    let mut left = OWN_TEXT_MAX;
    for section in markup::sections(&m.page, m.voice) {
        let mut text = String::new();
        for line in &section.lines {
            let line = format!("- {}\n", markup::escape_markdown(line));
            left = left.saturating_sub(line.len());
            if left > 0 {
                text.push_str(&line);
            }
        }
        if text.is_empty() {
            break;
        }
        blocks.push(json!({
            "type": "TextBlock", "text": section.title, "weight": "Bolder", "wrap": true, "spacing": "Medium",
        }));
        blocks.push(block(text.trim_end()));
    }
    blocks.push(json!({
        "type": "TextBlock", "text": markup::escape_markdown(&m.page.footer), "isSubtle": true, "size": "Small",
        "wrap": true, "spacing": "Medium",
    }));
    blocks
}

fn block(text: &str) -> Value {
    json!({"type": "TextBlock", "text": text, "wrap": true})
}

/// Of the few that cards know.
fn colour(m: &Message<'_>) -> &'static str {
    match (m.n.told, m.n.incident.severity) {
        (NotificationKind::Resolved, _) => "Good",
        (_, Severity::Critical) => "Attention",
        (_, Severity::Warning) => "Warning",
        (_, Severity::Info) => "Accent",
    }
}
