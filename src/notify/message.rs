//! One message while a receiver writes it: our words, or the configured templates over Alertmanager's data. Pure.
//!
//! A template that fails never costs the message: our own words take its place, and the delivery's record says so.

use std::cell::RefCell;

use super::{
    NotifyConfigError, data,
    markup::{self, Style},
    words::{self, Page},
};
use crate::{
    model::{Notification, Told, text},
    template::{Library, NoHistory, Template, Value},
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
    /// An error at a key.
    pub fn error(&self, key: &str, message: impl Into<String>) -> NotifyConfigError {
        NotifyConfigError::new(format!("{}.{key}", self.at), message)
    }

    /// Whether a text can be used.
    pub fn template(&self, key: &str, text: &str) -> Result<(), NotifyConfigError> {
        Template::of_message(text, self.library).map(drop).map_err(|e| self.error(key, e.to_string()))
    }

    /// The same for several, where they are given.
    pub fn templates<const N: usize>(&self, texts: [(&str, &Option<String>); N]) -> Result<(), NotifyConfigError> {
        texts.iter().filter_map(|(key, text)| Some((key, text.as_ref()?))).try_for_each(|(k, t)| self.template(k, t))
    }
}

/// A message.
pub(super) struct Message<'a> {
    /// What is told.
    pub n: &'a Notification,
    /// Its parts in words.
    pub page: Page,
    /// To whom.
    pub receiver: &'a str,
    library: &'a Library,
    data: Value,
    problems: RefCell<Vec<String>>,
}

impl<'a> Message<'a> {
    /// Prepares one.
    pub fn new(n: &'a Notification, receiver: &'a str, library: &'a Library) -> Self {
        let data = data::of(n, receiver);
        Self { n, page: words::page(n), receiver, library, data, problems: RefCell::default() }
    }

    /// Which templates failed, and how.
    pub fn problems(&self) -> Vec<String> {
        self.problems.borrow().clone()
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.n.told == Told::Resolved
    }

    /// Identifies the incident for ever, and to nobody what it is about.
    pub fn key(&self) -> String {
        format!("dogwatch-{}-{}", self.n.origin, self.n.incident.id)
    }

    /// A configured text, or the default.
    pub fn text(&self, key: &str, template: Option<&String>, default: impl FnOnce() -> String) -> String {
        template.and_then(|text| self.render(key, text, &self.data)).unwrap_or_else(default)
    }

    /// A configured text, or nothing.
    pub fn maybe(&self, key: &str, template: Option<&String>) -> Option<String> {
        Some(self.text(key, template, String::new)).filter(|text| !text.is_empty())
    }

    /// The first line: the configured one or the subject; of a drill, it says so.
    pub fn title(&self, key: &str, template: Option<&String>) -> String {
        let title = self.text(key, template, String::new);
        let title = text::one_line(title.trim()).into_owned();
        // None was configured, it failed, or it says nothing: services refuse a message without.
        let title = if title.is_empty() { words::subject(self.n) } else { title };
        if words::is_drill(&self.n.incident) && !title.starts_with(words::DRILL) {
            return format!("{}{title}", words::DRILL);
        }
        title
    }

    /// The configured text, or ours in this style and at most `max` bytes long; of a drill, it says so.
    pub fn body(&self, key: &str, template: Option<&String>, style: &Style, max: usize) -> String {
        let configured = template.and_then(|text| self.render(key, text, &self.data));
        self.body_of(configured, style, max)
    }

    /// The same for a template of HTML: what it shows is escaped.
    pub fn html(&self, key: &str, template: Option<&String>, max: usize) -> String {
        self.body_of(self.html_part(key, template), &markup::HTML, max)
    }

    /// A template of HTML alone.
    pub fn html_part(&self, key: &str, template: Option<&String>) -> Option<String> {
        template.and_then(|text| self.render(key, text, &data::for_html(&self.data)))
    }

    fn body_of(&self, configured: Option<String>, style: &Style, max: usize) -> String {
        match configured {
            Some(text) => self.noticed(text.trim(), style),
            None => markup::text(&self.page, style, max),
        }
    }

    /// A text that says of a drill that it is one.
    pub fn noticed(&self, text: &str, style: &Style) -> String {
        if self.page.notice.is_empty() || text.contains(self.page.notice) {
            return text.to_owned();
        }
        format!("{}\n{text}", markup::bold(style, self.page.notice))
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
