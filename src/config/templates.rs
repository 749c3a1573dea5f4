//! The templates of messages: the files in `templates`, and what of the receivers' own texts can't run.

use std::path::Path;

use super::Config;
use crate::{
    model::text,
    notify, rule,
    template::{Library, NO_HISTORY, Template, TemplateError},
};

impl Config {
    /// The named templates: our own, and those of the files in `templates`.
    pub(super) fn library(&self) -> Result<Library, (String, String)> {
        let wrong = |message: String| ("templates".to_owned(), message);
        let mut library = notify::default_library().map_err(|e| wrong(e.to_string()))?;
        for pattern in &self.templates {
            let files = match rule::file::expand(Path::new(""), pattern) {
                // As Alertmanager has it: a name must be there, a pattern may find nothing; `dogwatch check` says so.
                Err(_) if pattern.contains(['*', '?']) => continue,
                found => found.map_err(wrong)?,
            };
            for file in files {
                let text = std::fs::read_to_string(&file)
                    .map_err(|e| wrong(format!("{}: {}", file.display(), text::unreadable(&e))))?;
                library.add(&text).map_err(|e| wrong(format!("{}:{e}", file.display())))?;
            }
        }
        library.check().map_err(|e| wrong(e.to_string()))?;
        Ok(library)
    }

    /// What of the receivers' templates can't run: the key that each stands at, and the words.
    pub fn template_doubts(&self) -> Vec<(String, String)> {
        let Ok(library) = self.library() else { return Vec::new() };
        let message = |e: &TemplateError| format!("this template can't run: {e}");
        let mut all: Vec<(String, String)> =
            library.doubts().iter().map(|e| ("templates".to_owned(), message(e))).collect();
        let receivers = serde_json::to_value(&self.receivers).unwrap_or_default();
        let mut rest = vec![("receivers".to_owned(), &receivers)];
        while let Some((at, value)) = rest.pop() {
            match value {
                serde_json::Value::String(text) if text.contains("{{") => {
                    let read = Template::of_message(text, &library).ok();
                    let doubts = read.map(|t| t.doubts(&|_| Err(NO_HISTORY.into()))).unwrap_or_default();
                    all.extend(doubts.iter().map(|e| (at.clone(), message(e))));
                }
                serde_json::Value::Array(items) => {
                    rest.extend(items.iter().enumerate().map(|(i, item)| (format!("{at}[{i}]"), item)));
                }
                serde_json::Value::Object(map) => rest.extend(map.iter().map(|(key, v)| (format!("{at}.{key}"), v))),
                _ => {}
            }
        }
        all.sort();
        all
    }
}
