//! Jira by its REST API, version 2 or 3: one group of alerts is one issue, which is found again by its label, changed with
//! each message, closed and opened again by the transitions that are configured.
//! <https://developer.atlassian.com/cloud/jira/platform/rest/v2/api-group-issues/>

use reqwest::Url;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    NotifyConfigError, Outcome,
    config::{GlobalConfig, JiraConfig, JiraField},
    credential::Credential,
    markup::{self, PLAIN},
    message::{Check, Message},
    post::{Call, Reply, Service, Vault},
};
use crate::model::{Severity, text};

/// The longest summary.
const SUMMARY_MAX: usize = 255;

/// The longest description.
const DESCRIPTION_MAX: usize = 32_767;

/// Our own text, with room for the link.
const OWN_TEXT_MAX: usize = 15_000;

/// A checked entry of `jira_configs:`.
#[derive(Debug)]
pub(super) struct Jira {
    api: Url,
    config: JiraConfig,
}

/// An issue that was found.
struct Issue {
    key: String,
    is_done: bool,
}

impl Jira {
    /// Checks an entry.
    pub fn new(global: &GlobalConfig, config: &JiraConfig, check: Check<'_>) -> Result<Self, NotifyConfigError> {
        let c = config;
        let api = c.api_url.as_ref().or(global.jira_api_url.as_ref()).cloned();
        let api = api.ok_or_else(|| check.error("api_url", "Jira needs api_url, here or as global.jira_api_url"))?;
        for (key, text) in [("project", &c.project), ("issue_type", &c.issue_type)] {
            if text.is_empty() {
                return Err(check.error(key, format!("Jira needs {key}")));
            }
            check.template(key, text)?;
        }
        if !matches!(c.api_type.as_deref().unwrap_or("auto"), "auto" | "cloud" | "datacenter") {
            return Err(check.error("api_type", "must be auto, cloud or datacenter"));
        }
        check.templates([
            ("summary", &c.summary.template),
            ("description", &c.description.template),
            ("priority", &c.priority),
        ])?;
        for (i, label) in c.labels.iter().enumerate() {
            check.template(&format!("labels[{i}]"), label)?;
        }
        for (name, value) in &c.fields {
            check.structure(&format!("fields.{name}"), value)?;
        }
        Ok(Self { api, config: config.clone() })
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.api.as_str().trim_end_matches('/'))
    }

    /// The label by which the issue is found again, as Alertmanager makes it.
    fn label(m: &Message<'_>) -> String {
        let hash = Sha256::digest(m.group_key().as_bytes());
        format!("ALERT{{{}}}", text::hex(&hash))
    }

    fn search(&self, m: &Message<'_>) -> Result<Call, String> {
        let c = &self.config;
        let mut query = String::new();
        if let Some(resolution) = c.wont_fix_resolution.as_ref().filter(|name| !name.is_empty()) {
            query.push_str(&format!("(resolution is EMPTY or resolution != {resolution:?}) and "));
        }
        let minutes = c.reopen_duration.unwrap_or_default().as_secs() / 60;
        if !m.is_over() && c.reopen_transition.is_some() && minutes > 0 {
            query.push_str(&format!("(resolutiondate is EMPTY OR resolutiondate >= -{minutes}m) and "));
        } else {
            query.push_str("statusCategory != Done and ");
        }
        let project = m.text("project", Some(&c.project), String::new);
        let label = Self::label(m);
        query.push_str(&format!("project={project:?} and labels={label:?} order by status ASC,resolutiondate DESC"));
        let is_cloud = match c.api_type.as_deref().unwrap_or("auto") {
            "cloud" => true,
            "auto" => self.api.host_str().is_some_and(|host| host.ends_with("atlassian.net")),
            _ => false,
        };
        // The cloud has given up the other one; data centers don't have this one.
        let url = match is_cloud {
            true => self.url("search/jql").replacen("/rest/api/2/", "/rest/api/3/", 1),
            false => self.url("search"),
        };
        call(Call::json(url, &json!({"jql": query, "maxResults": 2, "fields": ["status"]})))
    }

    fn issue(&self, m: &Message<'_>, is_new: bool) -> Value {
        let c = &self.config;
        let text = |key: &str, template: &String| m.text(key, Some(template), String::new);
        let changes = |field: &JiraField| is_new || field.enable_update.unwrap_or(true);
        let mut fields: Map<String, Value> = Map::new();
        fields.insert("project".into(), json!({"key": text("project", &c.project)}));
        fields.insert("issuetype".into(), json!({"name": text("issue_type", &c.issue_type)}));
        let mut labels: Vec<String> = c.labels.iter().map(|label| text("labels", label)).collect();
        labels.push(Self::label(m));
        labels.sort();
        fields.insert("labels".into(), json!(labels));
        if changes(&c.summary) {
            let summary = m.title("summary", c.summary.template.as_ref());
            fields.insert("summary".into(), json!(markup::clip(&summary, SUMMARY_MAX)));
        }
        if changes(&c.description)
            && let Some(description) = self.description(m)
        {
            fields.insert("description".into(), description);
        }
        let priority = m.text("priority", c.priority.as_ref(), || default_priority(m).to_owned());
        if !priority.is_empty() {
            fields.insert("priority".into(), json!({"name": priority}));
        }
        let more = c.fields.iter().map(|(name, value)| (name.clone(), m.structure(&format!("fields.{name}"), value)));
        fields.extend(more);
        json!({ "fields": fields })
    }

    /// A text; for version 3 of the API a document, which a template may give as JSON.
    fn description(&self, m: &Message<'_>) -> Option<Value> {
        let template = self.config.description.template.as_ref();
        let mut text = m.body("description", template, &PLAIN, OWN_TEXT_MAX);
        if template.is_none() && !m.page.link.is_empty() {
            text.push_str(&format!("\n\n{}", m.page.link));
        }
        let text = markup::clip(&text, DESCRIPTION_MAX);
        if text.trim().is_empty() {
            return None;
        }
        if !self.api.path().trim_end_matches('/').ends_with("/3") {
            return Some(json!(text));
        }
        let given = serde_json::from_str::<Value>(text.trim()).ok().filter(Value::is_object);
        Some(given.unwrap_or_else(|| document(&text)))
    }

    fn transition(&self, m: &Message<'_>, issue: &Issue) -> Option<&String> {
        let name = match (m.is_over(), issue.is_done) {
            (true, false) => self.config.resolve_transition.as_ref(),
            (false, true) => self.config.reopen_transition.as_ref(),
            _ => None,
        };
        name.filter(|name| !name.is_empty())
    }
}

impl Service for Jira {
    fn secrets(&self) -> Vec<&Credential> {
        Vec::new()
    }

    fn calls(&self, m: &Message<'_>, _: &Vault) -> Result<Vec<Call>, String> {
        Ok(vec![self.search(m)?])
    }

    /// The issue is changed or made; then, where it is to be closed or opened, its transitions are asked for, and the one of
    /// that name is made.
    fn then(&self, m: &Message<'_>, _: &Vault, replies: &[Reply]) -> Result<Vec<Call>, String> {
        let Some(found) = replies.first() else { return Ok(Vec::new()) };
        let Some(issue) = issue_of(&found.json()) else {
            // What is over before there was an issue needs none.
            let is_told = replies.len() > 1 || m.is_over();
            return if is_told {
                Ok(Vec::new())
            } else {
                Ok(vec![call(Call::json(self.url("issue"), &self.issue(m, true)))?])
            };
        };
        let transitions = self.url(&format!("issue/{}/transitions", issue.key));
        match (replies.len(), self.transition(m, &issue)) {
            (1, _) => {
                let url = self.url(&format!("issue/{}", issue.key));
                Ok(vec![call(Call::json(url, &self.issue(m, false)))?.put()])
            }
            (2, Some(_)) => Ok(vec![call(Ok(Call::get(transitions)))?]),
            (3, Some(name)) => {
                let id = replies.last().and_then(|known| transition_of(&known.json(), name));
                let id = id.ok_or_else(|| format!("issue {} has no transition {name:?}", issue.key))?;
                Ok(vec![call(Call::json(transitions, &json!({"transition": {"id": id}})))?])
            }
            _ => Ok(Vec::new()),
        }
    }

    fn preview(&self, m: &Message<'_>, _: &Vault) -> Result<Vec<Call>, String> {
        Ok(vec![self.search(m)?, call(Call::json(self.url("issue"), &self.issue(m, true)))?])
    }

    /// A project or an issue that is not found may be there later.
    fn judge(&self, reply: &Reply) -> Outcome {
        let said = reply.json();
        match reply.status.as_u16() {
            200..=299 => match said.get("key").and_then(Value::as_str) {
                Some(key) => reply.delivered("issue", Some(key)),
                None => Outcome::Delivered(reply.status.to_string()),
            },
            404 => reply.again(None),
            _ => reply.judge(),
        }
    }
}

/// Errors in the language that operators search for.
fn call(call: Result<Call, String>) -> Result<Call, String> {
    Ok(call?.header("Accept-Language", "en"))
}

fn default_priority(m: &Message<'_>) -> &'static str {
    match m.n.incident.severity {
        Severity::Critical => "High",
        Severity::Warning => "Medium",
        Severity::Info => "Low",
    }
}

/// The first of those that a search has found.
fn issue_of(found: &Value) -> Option<Issue> {
    let issue = found.pointer("/issues/0")?;
    let category = issue.pointer("/fields/status/statusCategory/key").and_then(Value::as_str);
    Some(Issue { key: issue.get("key")?.as_str()?.to_owned(), is_done: category == Some("done") })
}

fn transition_of(known: &Value, name: &str) -> Option<String> {
    let all = known.get("transitions")?.as_array()?;
    let found = all.iter().find(|transition| transition.get("name").and_then(Value::as_str) == Some(name))?;
    Some(found.get("id")?.as_str()?.to_owned())
}

/// A text in Atlassian's document format: each line a paragraph.
fn document(text: &str) -> Value {
    let paragraph = |line: &str| match line {
        "" => json!({"type": "paragraph", "content": []}),
        line => json!({"type": "paragraph", "content": [{"type": "text", "text": line}]}),
    };
    json!({"type": "doc", "version": 1, "content": text.lines().map(paragraph).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::{default_library, example};

    /// The requests that follow the answers so far, each on one line with its body.
    fn next(yaml: &str, over: bool, replies: &[Value]) -> Result<Vec<String>, String> {
        let library = default_library().unwrap();
        let config: JiraConfig = serde_saphyr::from_str(yaml).unwrap();
        let jira = Jira::new(&GlobalConfig::default(), &config, Check { at: "here", library: &library }).unwrap();
        let n = if over { example::resolved() } else { example::opened() };
        let voice = crate::words::Voice::default();
        let message = Message::new(&n, "ops", &library, &voice);
        let (replies, vault): (Vec<Reply>, Vault) = (replies.iter().map(Reply::of).collect(), Vault::default());
        let calls =
            if replies.is_empty() { jira.calls(&message, &vault) } else { jira.then(&message, &vault, &replies) };
        let line = |call: &Call| {
            let shown = call.shown();
            format!("{} {}", shown.lines().next().unwrap_or_default(), String::from_utf8_lossy(call.body()))
        };
        Ok(calls?.iter().map(line).collect())
    }

    const ENTRY: &str = "{api_url: 'http://jira/rest/api/2', project: OPS, issue_type: Bug, resolve_transition: Close, reopen_transition: Reopen, reopen_duration: 1h, wont_fix_resolution: 'Won''t', summary: {template: s, enable_update: false}}";

    fn found(category: &str) -> Value {
        json!({"issues": [{"key": "OPS-7", "fields": {"status": {"statusCategory": {"key": category}}}}]})
    }

    #[test]
    fn an_issue_is_looked_for() {
        let search = next(ENTRY, false, &[]).unwrap().remove(0);
        assert!(search.starts_with("POST http://jira/rest/api/2/search {"), "{search}");
        for part in
            ["resolutiondate >= -60m", "resolution != \\\"Won't\\\"", "project=\\\"OPS\\\"", "labels=\\\"ALERT{"]
        {
            assert!(search.contains(part), "{part}: {search}");
        }
        assert!(next(ENTRY, true, &[]).unwrap()[0].contains("statusCategory != Done"));
        let cloud = ENTRY.replace("http://jira", "https://x.atlassian.net");
        assert!(
            next(&cloud, false, &[]).unwrap()[0].starts_with("POST https://x.atlassian.net/rest/api/3/search/jql ")
        );
    }

    #[test]
    fn an_issue_is_made_changed_closed_and_opened_again() {
        let none = json!({"issues": []});
        let made = next(ENTRY, false, std::slice::from_ref(&none)).unwrap().remove(0);
        assert!(
            made.starts_with("POST http://jira/rest/api/2/issue {") && made.contains("\"summary\":\"s\""),
            "{made}"
        );
        assert!(next(ENTRY, false, &[none.clone(), json!({"key": "OPS-8"})]).unwrap().is_empty());
        assert!(next(ENTRY, true, &[none]).unwrap().is_empty(), "what is over needs no issue");

        let open = found("new");
        let changed = next(ENTRY, true, std::slice::from_ref(&open)).unwrap().remove(0);
        assert!(changed.starts_with("PUT http://jira/rest/api/2/issue/OPS-7 {") && !changed.contains("summary"));
        let asked = next(ENTRY, true, &[open.clone(), Value::Null]).unwrap();
        assert_eq!(asked, ["GET http://jira/rest/api/2/issue/OPS-7/transitions "]);
        let known = json!({"transitions": [{"id": "3", "name": "Reopen"}, {"id": "5", "name": "Close"}]});
        let closed = next(ENTRY, true, &[open.clone(), Value::Null, known.clone()]).unwrap().remove(0);
        assert!(closed.ends_with("/issue/OPS-7/transitions {\"transition\":{\"id\":\"5\"}}"), "{closed}");
        let opened = next(ENTRY, false, &[found("done"), Value::Null, known]).unwrap().remove(0);
        assert!(opened.contains("\"id\":\"3\""), "{opened}");
        assert!(next(ENTRY, false, &[open.clone(), Value::Null]).unwrap().is_empty(), "it is open as it should be");
        let missing = next(ENTRY, true, &[open, Value::Null, json!({"transitions": []})]);
        assert_eq!(missing.unwrap_err(), "issue OPS-7 has no transition \"Close\"");
    }

    #[test]
    fn version_3_wants_a_document() {
        let entry = ENTRY.replace("/rest/api/2", "/rest/api/3");
        let made = next(&entry, false, &[json!({"issues": []})]).unwrap().remove(0);
        assert!(made.contains("\"type\":\"doc\""), "{made}");
        let own = entry.replace("summary:", "description: '{{ \"{\\\"type\\\":\\\"own\\\"}\" }}', summary:");
        let made = next(&own, false, &[json!({"issues": []})]).unwrap().remove(0);
        assert!(made.contains("\"description\":{\"type\":\"own\"}"), "{made}");
    }
}
