//! A rule file as Prometheus has it (model/rulefmt), read and checked: every error has its line and column.
//!
//! A `PrometheusRule` of the Prometheus operator is taken too, since its `spec` is such a file, and a list of them, as
//! `kubectl get prometheusrules -A -o yaml` gives it.

mod pattern;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::Deserialize;
use serde_saphyr::Spanned;

pub use self::pattern::expand;
use crate::{
    model::{duration::prometheus as duration, null_as_default},
    promql::{self, Query, ValueType},
    template::Template,
};

/// A larger file is no rule file: kube-prometheus' largest has 120 kB.
const FILE_MAX: u64 = 4 << 20;

/// Groups without an `interval` are evaluated this often.
pub const INTERVAL: Duration = Duration::from_secs(30);

/// Evaluating more often serves nobody.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Says what is wrong in a rule file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// Line and column, from 1; `None`: the file as a whole.
    pub place: Option<(usize, usize)>,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.path.display(), self.message),
            None => write!(f, "{}: {}", self.path.display(), self.message),
        }
    }
}

/// Says what a rule does with its result.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Writes it as a series of the rule's name.
    Recording,
    /// Each element is an alert.
    Alerting {
        /// It fires after having been there for so long.
        hold: Duration,
        /// It goes on firing for so long after it has gone.
        keep_firing_for: Duration,
        /// `(name, text)`.
        annotations: Vec<(String, Template)>,
    },
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// `record` or `alert`.
    pub name: String,
    /// The expression as written.
    pub expr: String,
    /// The expression as read.
    pub query: Query,
    /// What is added to the result; templates for an alerting rule, taken literally for a recording one.
    pub labels: Vec<(String, Label)>,
    /// The texts of the annotations as written.
    pub annotation_texts: BTreeMap<String, String>,
    /// What it is.
    pub kind: Kind,
    /// Where it begins in its file, from 1.
    pub line: usize,
}

/// A label's value.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// As written.
    pub text: String,
    /// As read.
    pub template: Template,
}

/// Rules that are evaluated one after the other.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its file.
    pub file: Arc<str>,
    /// Its name, unique in the file.
    pub name: String,
    /// How often.
    pub interval: Duration,
    /// Evaluated as of so long ago.
    pub offset: Duration,
    /// The most alerts or series of one rule; 0: any number.
    pub limit: usize,
    /// In order.
    pub rules: Vec<Arc<Rule>>,
}

impl Group {
    /// Returns `file;name`, as Prometheus' `rule_group` label has it.
    pub fn key(&self) -> Arc<str> {
        format!("{};{}", self.file, self.name).into()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    groups: Vec<RawGroup>,
    #[serde(default, rename = "apiVersion")]
    _api_version: Option<String>,
    #[serde(default)]
    kind: Option<Spanned<String>>,
    #[serde(default)]
    metadata: Option<serde_json::Value>,
    #[serde(default)]
    spec: Option<RawSpec>,
    #[serde(default, rename = "status")]
    _status: Option<serde_json::Value>,
    /// Of a list: objects like this one.
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    items: Vec<RawFile>,
}

impl RawFile {
    /// `namespace/name`, which tells the objects of a list apart.
    fn object(&self) -> String {
        let text = |key: &str| self.metadata.as_ref().and_then(|m| m[key].as_str()).unwrap_or_default();
        format!("{}/{}", text("namespace"), text("name"))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSpec {
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    groups: Vec<RawGroup>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    name: Spanned<String>,
    #[serde(default)]
    interval: Option<Spanned<String>>,
    #[serde(default)]
    query_offset: Option<Spanned<String>>,
    #[serde(default)]
    limit: usize,
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    labels: BTreeMap<String, Spanned<String>>,
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    rules: Vec<Spanned<RawRule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    #[serde(default)]
    record: Option<Spanned<String>>,
    #[serde(default)]
    alert: Option<Spanned<String>>,
    expr: Spanned<String>,
    #[serde(default, rename = "for")]
    hold: Option<Spanned<String>>,
    #[serde(default)]
    keep_firing_for: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    labels: BTreeMap<String, Spanned<String>>,
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    annotations: BTreeMap<String, Spanned<String>>,
}

/// Reads a file.
///
/// # Errors
/// All that is wrong with it.
pub fn load(path: &Path) -> Result<Vec<Group>, Vec<FileError>> {
    let whole = |message: String| vec![FileError { path: path.into(), place: None, message }];
    let size = std::fs::metadata(path).map_err(|e| whole(format!("can't be read: {e}")))?.len();
    if size > FILE_MAX {
        return Err(whole(format!("is larger than {FILE_MAX} bytes: this is no rule file")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| whole(format!("can't be read: {e}")))?;
    read(path, &text)
}

/// Reads a text; `path` names it in errors and in the groups.
///
/// # Errors
/// All that is wrong with it.
pub fn read(path: &Path, text: &str) -> Result<Vec<Group>, Vec<FileError>> {
    let mut reader = Reader { path, text, errors: Vec::new() };
    if text.lines().all(|l| l.trim().is_empty() || l.trim_start().starts_with('#')) {
        return Ok(Vec::new());
    }
    let raw: RawFile = match serde_saphyr::from_str(text) {
        Ok(raw) => raw,
        Err(error) => {
            let place = error.location().map(|l| (l.line() as usize, l.column() as usize));
            let said = error.without_snippet().to_string();
            let line = said.lines().next().unwrap_or_default();
            let line = &line[..line.find(" at line ").unwrap_or(line.len())];
            let message = line.trim_start_matches("error: ").to_owned();
            return Err(vec![FileError { path: path.into(), place, message }]);
        }
    };
    let mut read = Vec::new();
    if raw.kind.as_ref().is_some_and(|k| matches!(k.value.as_str(), "List" | "PrometheusRuleList")) {
        for object in raw.items {
            let file: Arc<str> = format!("{}#{}", path.display(), object.object()).into();
            read.extend(reader.object(object).into_iter().map(|group| Group { file: file.clone(), ..group }));
        }
    } else {
        read = reader.object(raw);
    }
    if reader.errors.is_empty() { Ok(read) } else { Err(reader.errors) }
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    errors: Vec<FileError>,
}

impl Reader<'_> {
    fn wrong<T>(&mut self, at: &Spanned<T>, message: String) {
        let place = Some((at.referenced.line() as usize, at.referenced.column() as usize));
        self.errors.push(FileError { path: self.path.into(), place, message });
    }

    /// The groups of a file, or of one object.
    fn object(&mut self, raw: RawFile) -> Vec<Group> {
        if let Some(kind) = raw.kind.as_ref().filter(|k| k.value != "PrometheusRule") {
            self.wrong(kind, "is not a rule file; of Kubernetes' objects only PrometheusRule is".into());
        }
        let mut names = BTreeSet::new();
        let groups: Vec<RawGroup> = raw.groups.into_iter().chain(raw.spec.into_iter().flat_map(|s| s.groups)).collect();
        let mut read = Vec::with_capacity(groups.len());
        for group in groups {
            if group.name.value.is_empty() {
                self.wrong(&group.name, "a group needs a name".into());
            }
            if !names.insert(group.name.value.clone()) {
                self.wrong(&group.name, format!("groupname: {:?} is repeated in the same file", group.name.value));
            }
            read.push(self.group(group));
        }
        read
    }

    /// An error at a line and column (from 1) inside of a scalar: of a block the first line is the next one.
    fn wrong_inside(&mut self, scalar: &Spanned<String>, line: usize, column: usize, message: String) {
        let (first, start) = (scalar.referenced.line() as usize, scalar.referenced.column() as usize);
        let source = self.text.lines().nth(first.saturating_sub(1)).unwrap_or_default();
        let begins = source.chars().nth(start.saturating_sub(1));
        let place = match begins {
            Some('|' | '>') => {
                let below = self.text.lines().nth(first).unwrap_or_default();
                (first + line, below.len() - below.trim_start().len() + column)
            }
            Some('"' | '\'') if line == 1 => (first, start + column),
            _ if line == 1 => (first, start + column - 1),
            _ => (first + line - 1, column),
        };
        self.errors.push(FileError { path: self.path.into(), place: Some(place), message });
    }

    fn duration(&mut self, text: Option<&Spanned<String>>) -> Option<Duration> {
        let text = text?;
        match duration(&text.value) {
            Ok(d) => Some(d),
            Err(message) => {
                self.wrong(text, message);
                None
            }
        }
    }

    fn group(&mut self, raw: RawGroup) -> Group {
        let interval = self.duration(raw.interval.as_ref()).filter(|d| !d.is_zero()).unwrap_or(INTERVAL);
        if let Some(text) = raw.interval.as_ref().filter(|_| interval < INTERVAL_MIN) {
            self.wrong(text, "a group is evaluated once a second at most".into());
        }
        let offset = self.duration(raw.query_offset.as_ref()).unwrap_or_default();
        let mut rules: Vec<Arc<Rule>> = Vec::with_capacity(raw.rules.len());
        let mut seen = BTreeSet::new();
        for rule in raw.rules {
            let line = rule.referenced.line() as usize;
            let identity = identity(&rule.value);
            let name = rule.value.alert.as_ref().or(rule.value.record.as_ref()).map(|n| n.value.clone());
            if !seen.insert(identity) {
                let name = name.unwrap_or_default();
                self.wrong(&rule, format!("the rule {name:?} with these labels is in this group twice"));
            }
            rules.extend(self.rule(rule.value, &raw.labels, line).map(Arc::new));
        }
        let file = self.path.display().to_string().into();
        Group { file, name: raw.name.value, interval, offset, limit: raw.limit, rules }
    }

    fn rule(&mut self, raw: RawRule, more: &BTreeMap<String, Spanned<String>>, line: usize) -> Option<Rule> {
        let before = self.errors.len();
        let query = self.expression(&raw.expr);
        let alerting = raw.alert.is_some();
        let name = match (&raw.record, &raw.alert) {
            (Some(record), None) => record,
            (None, Some(alert)) => alert,
            (Some(_), Some(alert)) => {
                self.wrong(alert, "only one of 'record' and 'alert' must be set".into());
                return None;
            }
            (None, None) => {
                self.wrong(&raw.expr, "one of 'record' or 'alert' must be set".into());
                return None;
            }
        };
        if name.value.is_empty() {
            self.wrong(name, "the name is empty".into());
        }
        let mut labels = Vec::new();
        let wanted: BTreeMap<&String, &Spanned<String>> = more.iter().chain(&raw.labels).collect();
        for (label, text) in wanted {
            if label == "__name__" || (alerting && label == "alertname") || !is_label(label) {
                self.wrong(text, format!("invalid label name: {label}"));
            }
            if let Some(template) = self.template(text) {
                labels.push((label.clone(), Label { text: text.value.clone(), template }));
            }
        }
        let kind = if alerting { self.alerting(&raw)? } else { self.recording(&raw, name)? };
        let annotation_texts = raw.annotations.iter().map(|(k, v)| (k.clone(), v.value.clone())).collect();
        let rule = Rule {
            name: name.value.clone(),
            expr: raw.expr.value.clone(),
            query: query?,
            labels,
            annotation_texts,
            kind,
            line,
        };
        (self.errors.len() == before).then_some(rule)
    }

    fn alerting(&mut self, raw: &RawRule) -> Option<Kind> {
        let mut annotations = Vec::new();
        for (name, text) in &raw.annotations {
            if !is_label(name) {
                self.wrong(text, format!("invalid annotation name: {name}"));
            }
            annotations.extend(self.template(text).map(|template| (name.clone(), template)));
        }
        let hold = self.duration(raw.hold.as_ref()).unwrap_or_default();
        let keep_firing_for = self.duration(raw.keep_firing_for.as_ref()).unwrap_or_default();
        Some(Kind::Alerting { hold, keep_firing_for, annotations })
    }

    fn recording(&mut self, raw: &RawRule, name: &Spanned<String>) -> Option<Kind> {
        let mut refuse = |there: Option<&Spanned<String>>, key: &str| {
            if let Some(at) = there {
                self.wrong(at, format!("invalid field '{key}' in recording rule"));
            }
        };
        refuse(raw.hold.as_ref(), "for");
        refuse(raw.keep_firing_for.as_ref(), "keep_firing_for");
        refuse(raw.annotations.values().next(), "annotations");
        if !is_metric(&name.value) {
            self.wrong(name, format!("invalid recording rule name: {}", name.value));
            return None;
        }
        Some(Kind::Recording)
    }

    fn expression(&mut self, text: &Spanned<String>) -> Option<Query> {
        match promql::parse(text.value.trim_end()) {
            Ok(query) if matches!(query.value_type(), ValueType::Vector | ValueType::Scalar) => Some(query),
            Ok(_) => {
                self.wrong(text, "the expression of a rule gives an instant vector or a scalar".into());
                None
            }
            Err(e) => {
                self.wrong_inside(text, e.line, e.column, format!("could not parse expression: {}", e.message));
                None
            }
        }
    }

    fn template(&mut self, text: &Spanned<String>) -> Option<Template> {
        match Template::of_rule(&text.value) {
            Ok(template) => Some(template),
            Err(e) => {
                self.wrong_inside(text, e.line, e.column, e.message);
                None
            }
        }
    }
}

/// What makes two rules of a group the same one.
fn identity(rule: &RawRule) -> (Option<String>, Option<String>, String, BTreeMap<String, String>) {
    let text = |t: &Option<Spanned<String>>| t.as_ref().map(|t| t.value.clone());
    let labels = rule.labels.iter().map(|(k, v)| (k.clone(), v.value.clone())).collect();
    (text(&rule.record), text(&rule.alert), rule.expr.value.clone(), labels)
}

fn is_label(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_metric(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b"_:".contains(&b))
        && bytes.all(|b| b.is_ascii_alphanumeric() || b"_:".contains(&b))
}

#[cfg(test)]
mod tests;
