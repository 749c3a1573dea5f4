//! A rule file as it is written, before anything is checked.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::model::null_as_default;

/// A text, empty where nothing is written (`job:`), as Go reads it.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Text(#[serde(deserialize_with = "null_as_default::deserialize")] pub String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawFile {
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    pub groups: Vec<Spanned<RawGroup>>,
    #[serde(default, rename = "apiVersion")]
    _api_version: Option<String>,
    #[serde(default)]
    pub kind: Option<Spanned<String>>,
    #[serde(default)]
    pub metadata: Option<serde_json::Value>,
    #[serde(default)]
    pub spec: Option<RawSpec>,
    #[serde(default, rename = "status")]
    _status: Option<serde_json::Value>,
    /// Of a list: objects like this one.
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    pub items: Vec<RawFile>,
}

impl RawFile {
    /// Whether it is one of Kubernetes' objects, or a list of them.
    pub fn is_object(&self) -> bool {
        self.kind.is_some()
    }

    /// Whether it is a list of objects.
    pub fn is_list(&self) -> bool {
        self.kind.as_ref().is_some_and(|k| matches!(k.value.as_str(), "List" | "PrometheusRuleList"))
    }

    /// `namespace/name`, which tells the objects of a list apart.
    pub fn object(&self) -> String {
        let text = |key: &str| self.metadata.as_ref().and_then(|m| m[key].as_str()).unwrap_or_default();
        format!("{}/{}", text("namespace"), text("name"))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSpec {
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    pub groups: Vec<Spanned<RawGroup>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawGroup {
    #[serde(default)]
    pub name: Option<Spanned<String>>,
    #[serde(default)]
    pub interval: Option<Spanned<String>>,
    #[serde(default)]
    pub query_offset: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    pub limit: usize,
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    pub labels: BTreeMap<String, Spanned<Text>>,
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    pub rules: Vec<Spanned<RawRule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRule {
    #[serde(default)]
    pub record: Option<Spanned<String>>,
    #[serde(default)]
    pub alert: Option<Spanned<String>>,
    #[serde(default)]
    pub expr: Option<Spanned<String>>,
    #[serde(default, rename = "for")]
    pub hold: Option<Spanned<String>>,
    #[serde(default)]
    pub keep_firing_for: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    pub labels: BTreeMap<String, Spanned<Text>>,
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    pub annotations: BTreeMap<String, Spanned<Text>>,
}

/// Why a text is no YAML.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// Line and column, from 1, where they are known.
    pub place: Option<(usize, usize)>,
    /// In words.
    pub message: String,
}

/// The documents of a text; those that are empty, or `null`, are none.
///
/// # Errors
/// When it can't be read.
pub fn documents(text: &str) -> Result<Vec<RawFile>, Unreadable> {
    serde_saphyr::from_multiple(text).map_err(|error| {
        let place = error.location().map(|l| (l.line() as usize, l.column() as usize));
        let said = error.without_snippet().to_string();
        let line = said.lines().next().unwrap_or_default();
        let line = &line[..line.find(" at line ").unwrap_or(line.len())];
        Unreadable { place, message: line.trim_start_matches("error: ").to_owned() }
    })
}

/// The line (from 1) of the mark that begins the second document with something in it.
pub fn second_document(text: &str) -> Option<usize> {
    let mut something = false;
    for (i, line) in text.lines().enumerate() {
        match line.trim_end() {
            mark if mark == "---" || mark.starts_with("--- ") => {
                if something {
                    return Some(i + 1);
                }
            }
            blank if blank.trim_start().is_empty() || blank.trim_start().starts_with('#') => {}
            _ => something = true,
        }
    }
    None
}
