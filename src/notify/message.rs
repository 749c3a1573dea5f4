//! One message while a receiver writes it: our words, or the configured templates over Alertmanager's data. Pure.
//!
//! A template that fails never costs the message: our own words take its place, and the delivery's record says so.

use std::{cell::RefCell, path::PathBuf};

use super::{
    NotifyConfigError,
    credential::Credential,
    data,
    markup::{self, Style},
    summary::{self, Page},
    view::View,
};
use crate::{
    model::{Notification, NotificationKind, Secret, text},
    template::{Library, NoHistory, Template, Value},
    words::Voice,
};

/// Checks templates where they stand in the configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Check<'a> {
    /// Of the entry, e.g. `receivers[0].slack_configs[1]`.
    pub at: &'a str,
    /// What templates may name.
    pub library: &'a Library,
}

impl Check<'_> {
    /// Returns an error at a key.
    pub fn error(&self, key: &str, message: impl Into<String>) -> NotifyConfigError {
        NotifyConfigError::new(format!("{}.{key}", self.at), message)
    }

    /// Returns a secret that stands here, in a file, or else as `global.<key>`, in a file or not.
    ///
    /// # Errors
    /// Where it is given twice.
    pub fn secret(
        &self,
        key: &str,
        own: Given<'_>,
        global: Given<'_>,
    ) -> Result<Option<Credential>, NotifyConfigError> {
        let own = Credential::from_either(own.0.as_ref(), own.1.as_ref()).map_err(|e| self.error(key, e))?;
        let global = || Credential::from_either(global.0.as_ref(), global.1.as_ref());
        // What is wrong with the global one is said once, by `GlobalConfig::check`.
        Ok(own.or_else(|| global().ok().flatten()))
    }

    /// Returns whether a text can be used.
    pub fn template(&self, key: &str, text: &str) -> Result<(), NotifyConfigError> {
        Template::of_message(text, self.library).map(drop).map_err(|e| self.error(key, e.to_string()))
    }

    /// Returns the same for every text of a structure.
    pub fn structure(&self, key: &str, value: &serde_json::Value) -> Result<(), NotifyConfigError> {
        use serde_json::Value as Json;
        match value {
            Json::String(text) => self.template(key, text),
            Json::Array(items) => items.iter().try_for_each(|item| self.structure(key, item)),
            Json::Object(entries) => entries.iter().try_for_each(|(name, item)| {
                self.template(key, name)?;
                self.structure(&format!("{key}.{name}"), item)
            }),
            _ => Ok(()),
        }
    }

    /// Returns the same for several, where they are given.
    pub fn templates<const N: usize>(&self, texts: [(&str, &Option<String>); N]) -> Result<(), NotifyConfigError> {
        texts.iter().filter_map(|(key, text)| Some((key, text.as_ref()?))).try_for_each(|(k, t)| self.template(k, t))
    }

    /// Checks the two templates of one entry of a `fields:`, which stands at `at`.
    ///
    /// # Errors
    /// When one is wrong, with its key.
    pub fn field(&self, at: &str, title: &str, value: &str) -> Result<(), NotifyConfigError> {
        self.template(&format!("{at}.title"), title)?;
        self.template(&format!("{at}.value"), value)
    }
}

/// Returns whether a text has something to be written in it.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{")
}

/// A secret as the configuration has it: inline, or in a file.
pub(super) type Given<'a> = (&'a Option<Secret>, &'a Option<PathBuf>);

/// A message.
pub(super) struct Message<'a> {
    /// What is told.
    pub n: &'a Notification,
    /// Its parts in words.
    pub page: Page,
    /// To whom.
    pub receiver: &'a str,
    library: &'a Library,
    /// In which words it is told.
    pub voice: &'a Voice,
    data: Value,
    problems: RefCell<Vec<String>>,
}

impl<'a> Message<'a> {
    /// Prepares one; what the diagnosis said is in this language already ([`Voice::notification`]).
    pub fn new(n: &'a Notification, receiver: &'a str, library: &'a Library, voice: &'a Voice) -> Self {
        let data = data::of(n, receiver, library, voice);
        Self { n, page: summary::page(n, voice), voice, receiver, library, data, problems: RefCell::default() }
    }

    /// Returns which templates failed, and how.
    pub fn problems(&self) -> Vec<String> {
        self.problems.borrow().clone()
    }

    /// Returns whether it is over.
    pub fn is_over(&self) -> bool {
        self.n.told == NotificationKind::Resolved
    }

    /// Identifies the group that the message is of, as Alertmanager's webhook does.
    pub fn group_key(&self) -> String {
        View::of(self.n).group_key
    }

    /// Identifies the incident for ever, and to nobody what it is about.
    pub fn key(&self) -> String {
        format!("dogwatch-{}-{}", self.n.origin, self.n.incident.id)
    }

    /// Returns a configured text, or the default.
    pub fn text(&self, key: &str, template: Option<&String>, default: impl FnOnce() -> String) -> String {
        template.and_then(|text| self.render(key, text, &self.data)).unwrap_or_else(default)
    }

    /// Returns a configured text, or nothing.
    pub fn maybe(&self, key: &str, template: Option<&String>) -> Option<String> {
        Some(self.text(key, template, String::new)).filter(|text| !text.is_empty())
    }

    /// Returns a URL that may be a template.
    ///
    /// # Errors
    /// Where nothing is left of it, since a request can't go anywhere else.
    pub fn url(&self, key: &str, url: &str) -> Result<String, String> {
        if !is_template(url) {
            return Ok(url.to_owned());
        }
        let url = self.text(key, Some(&url.to_owned()), String::new);
        if url.trim().is_empty() {
            Err(format!("the template of {key} gives no URL"))
        } else {
            Ok(url.trim().to_owned())
        }
    }

    /// Returns a structure with every text of it written. A text that turns out to be a structure, a number or a truth
    /// value itself (`{{ .Alerts | toJson }}`) takes its place as such (Alertmanager's template.DeepCopyWithTemplate).
    pub fn structure(&self, key: &str, value: &serde_json::Value) -> serde_json::Value {
        use serde_json::Value as Json;
        match value {
            Json::String(text) => {
                let text = self.text(key, Some(text), String::new);
                match serde_saphyr::from_str::<Json>(&text) {
                    _ if text.trim().is_empty() => Json::Null,
                    // Of a text, YAML would take away comments and line breaks.
                    Ok(Json::String(_)) => serde_json::from_str(&text).unwrap_or(Json::String(text)),
                    Ok(structure) => structure,
                    Err(_) => Json::String(text),
                }
            }
            Json::Array(items) => items.iter().map(|item| self.structure(key, item)).collect(),
            Json::Object(entries) => {
                let entry = |(name, item): (&String, &Json)| {
                    (self.text(key, Some(name), || name.clone()), self.structure(&format!("{key}.{name}"), item))
                };
                Json::Object(entries.iter().map(entry).collect())
            }
            other => other.clone(),
        }
    }

    /// Returns the first line: the configured one or the subject; of a drill, it says so.
    pub fn title(&self, key: &str, template: Option<&String>) -> String {
        let title = self.text(key, template, String::new);
        let title = text::one_line(title.trim()).into_owned();
        // None was configured, it failed, or it says nothing: services refuse a message without.
        let title = if title.is_empty() { summary::subject(self.n, self.voice) } else { title };
        let mark = summary::drill_mark(self.voice);
        if summary::is_drill(&self.n.incident) && !title.starts_with(&mark) {
            return format!("{mark}{title}");
        }
        title
    }

    /// Returns the configured text, or ours in this style and at most `max` bytes long; of a drill, it says so.
    pub fn body(&self, key: &str, template: Option<&String>, style: &Style, max: usize) -> String {
        let configured = template.and_then(|text| self.render(key, text, &self.data));
        self.body_of(configured, style, max)
    }

    /// Returns the same for a template of HTML: what it shows is escaped.
    pub fn html(&self, key: &str, template: Option<&String>, max: usize) -> String {
        self.body_of(self.html_part(key, template), &markup::HTML, max)
    }

    /// Returns a template of HTML alone.
    pub fn html_part(&self, key: &str, template: Option<&String>) -> Option<String> {
        template.and_then(|text| self.render(key, text, &data::for_html(&self.data)))
    }

    fn body_of(&self, configured: Option<String>, style: &Style, max: usize) -> String {
        match configured {
            Some(text) => self.noticed(text.trim(), style),
            None => markup::text(&self.page, style, max, self.voice),
        }
    }

    /// Returns a text that says of a drill that it is one.
    pub fn noticed(&self, text: &str, style: &Style) -> String {
        if self.page.notice.is_empty() || text.contains(&self.page.notice) {
            return text.to_owned();
        }
        format!("{}\n{text}", markup::bold(style, &self.page.notice))
    }

    fn render(&self, key: &str, text: &str, data: &Value) -> Option<String> {
        let rendered =
            Template::of_message(text, self.library).and_then(|template| template.render(data, &mut NoHistory));
        match rendered {
            Ok(text) => Some(text),
            Err(e) => {
                self.problems.borrow_mut().push(format!("the template of {key} failed at {e}"));
                None
            }
        }
    }
}
