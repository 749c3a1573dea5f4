//! Groups, rules and their texts, checked one by one; each error with its line and column.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use serde_saphyr::Spanned;

use super::{
    FileError, Group, INTERVAL, INTERVAL_MIN, Kind, Label, Rule,
    raw::{RawFile, RawGroup, RawRule, Text},
};
use crate::{
    model::{METRIC_NAME, duration::prometheus as duration},
    promql::{self, Query, ValueType},
    template::Template,
};

/// Reads the parts of one file and collects what is wrong with them.
pub struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    errors: Vec<FileError>,
    /// Of the group that is being read.
    concerns: Vec<FileError>,
}

impl<'a> Reader<'a> {
    /// A reader of a text; `path` names it.
    pub fn new(path: &'a Path, text: &'a str) -> Self {
        Self { path, text, errors: Vec::new(), concerns: Vec::new() }
    }

    /// What was read, unless something is wrong.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn end(self, read: Vec<Group>) -> Result<Vec<Group>, Vec<FileError>> {
        if self.errors.is_empty() { Ok(read) } else { Err(self.errors) }
    }

    fn error(&self, place: Option<(usize, usize)>, message: String) -> FileError {
        FileError { path: self.path.into(), place, message }
    }

    fn wrong<T>(&mut self, at: &Spanned<T>, message: String) {
        self.errors.push(self.error(place(at), message));
    }

    /// The groups of a file, or of one object.
    pub fn object(&mut self, raw: RawFile) -> Vec<Group> {
        if let Some(kind) = raw.kind.as_ref().filter(|k| k.value != "PrometheusRule") {
            self.wrong(kind, "is not a rule file; of Kubernetes' objects only PrometheusRule is".into());
        }
        let mut names = BTreeSet::new();
        let groups = raw.groups.into_iter().chain(raw.spec.into_iter().flat_map(|s| s.groups));
        let mut read = Vec::new();
        for group in groups {
            match &group.value.name {
                Some(name) if !name.value.is_empty() => {
                    if !names.insert(name.value.clone()) {
                        self.wrong(name, format!("groupname: {:?} is repeated in the same file", name.value));
                    }
                }
                _ => self.wrong(&group, "a group needs a name".into()),
            }
            read.push(self.group(group.value));
        }
        read
    }

    /// The place of a line and column (from 1) inside of a scalar: of a block the first line is the next one.
    fn inside<T>(&self, scalar: &Spanned<T>, line: usize, column: usize) -> (usize, usize) {
        let (first, start) = (scalar.referenced.line() as usize, scalar.referenced.column() as usize);
        let source = self.text.lines().nth(first.saturating_sub(1)).unwrap_or_default();
        match source.chars().nth(start.saturating_sub(1)) {
            Some('|' | '>') => {
                let below = self.text.lines().nth(first).unwrap_or_default();
                (first + line, below.len() - below.trim_start().len() + column)
            }
            Some('"' | '\'') if line == 1 => (first, start + column),
            _ if line == 1 => (first, start + column - 1),
            _ => (first + line - 1, column),
        }
    }

    fn wrong_inside<T>(&mut self, scalar: &Spanned<T>, line: usize, column: usize, message: String) {
        let place = self.inside(scalar, line, column);
        self.errors.push(self.error(Some(place), message));
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
        for (label, text) in raw.labels.iter().filter(|(label, _)| !may_be_label(label)) {
            self.wrong(text, format!("invalid label name: {label}"));
        }
        let mut rules: Vec<Arc<Rule>> = Vec::with_capacity(raw.rules.len());
        let mut seen = BTreeSet::new();
        for rule in raw.rules {
            let identity = identity(&rule.value);
            let name = rule.value.alert.as_ref().or(rule.value.record.as_ref()).map(|n| n.value.clone());
            if !seen.insert(identity) {
                let name = name.unwrap_or_default();
                let message = format!("the rule {name:?} with these labels is in this group twice: one is enough");
                self.concerns.push(self.error(place(&rule), message));
            }
            rules.extend(self.rule(rule, &raw.labels).map(Arc::new));
        }
        let file = self.path.display().to_string().into();
        let name = raw.name.map(|n| n.value).unwrap_or_default();
        Group { file, name, interval, offset, limit: raw.limit, rules, concerns: std::mem::take(&mut self.concerns) }
    }

    fn rule(&mut self, rule: Spanned<RawRule>, more: &BTreeMap<String, Spanned<Text>>) -> Option<Rule> {
        let before = self.errors.len();
        let line = rule.referenced.line() as usize;
        let there = |text: &Option<Spanned<String>>| text.as_ref().is_some_and(|t| !t.value.is_empty());
        let Some(expr) = rule.value.expr.as_ref().filter(|e| !e.value.is_empty()) else {
            self.wrong(&rule, "field 'expr' must be set in rule".into());
            return None;
        };
        let raw = &rule.value;
        let query = self.expression(expr);
        let name = match (&raw.record, &raw.alert) {
            (Some(record), alert) if !record.value.is_empty() && !there(alert) => record,
            (record, Some(alert)) if !alert.value.is_empty() && !there(record) => alert,
            (_, Some(alert)) if !alert.value.is_empty() => {
                self.wrong(alert, "only one of 'record' and 'alert' must be set".into());
                return None;
            }
            _ => {
                self.wrong(expr, "one of 'record' or 'alert' must be set".into());
                return None;
            }
        };
        let alerting = there(&raw.alert);
        let labels = self.labels(raw, more, alerting);
        let kind = if alerting { self.alerting(raw) } else { self.recording(raw, name) };
        let rule = Rule {
            name: name.value.clone(),
            expr: expr.value.clone(),
            query: query?,
            labels,
            annotation_texts: raw.annotations.iter().map(|(k, v)| (k.clone(), v.value.0.clone())).collect(),
            kind,
            line,
        };
        (self.errors.len() == before).then_some(rule)
    }

    /// The labels of a rule, with those of its group.
    fn labels(
        &mut self,
        raw: &RawRule,
        more: &BTreeMap<String, Spanned<Text>>,
        alerting: bool,
    ) -> Vec<(String, Label)> {
        for (label, text) in raw.labels.iter().filter(|(label, _)| !may_be_label(label)) {
            self.wrong(text, format!("invalid label name: {label}"));
        }
        let wanted: BTreeMap<&String, &Spanned<Text>> = more.iter().chain(&raw.labels).collect();
        let mut labels = Vec::with_capacity(wanted.len());
        for (label, text) in wanted {
            // A recording rule's are taken as they stand.
            let template = if alerting { self.template(text) } else { Some(Template::literal(&text.value.0)) };
            labels.extend(template.map(|template| (label.clone(), Label { text: text.value.0.clone(), template })));
        }
        labels
    }

    fn alerting(&mut self, raw: &RawRule) -> Kind {
        let mut annotations = Vec::new();
        for (name, text) in &raw.annotations {
            if name.is_empty() {
                self.wrong(text, "an annotation needs a name".into());
            }
            annotations.extend(self.template(text).map(|template| (name.clone(), template)));
        }
        let hold = self.duration(raw.hold.as_ref()).unwrap_or_default();
        let keep_firing_for = self.duration(raw.keep_firing_for.as_ref()).unwrap_or_default();
        Kind::Alerting { hold, keep_firing_for, annotations }
    }

    fn recording(&mut self, raw: &RawRule, name: &Spanned<String>) -> Kind {
        for (text, key) in [(&raw.hold, "for"), (&raw.keep_firing_for, "keep_firing_for")] {
            if let (Some(at), true) = (text, self.duration(text.as_ref()).is_some_and(|d| !d.is_zero())) {
                self.wrong(at, format!("invalid field '{key}' in recording rule"));
            }
        }
        if let Some(at) = raw.annotations.values().next() {
            self.wrong(at, "invalid field 'annotations' in recording rule".into());
        }
        // Any text is a name since Prometheus 3, but these are more likely a selector's.
        if name.value.contains(['{', '}']) {
            let message = format!("braces present in the recording rule name; should it be in expr?: {}", name.value);
            self.wrong(name, message);
        }
        Kind::Recording
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

    fn template(&mut self, text: &Spanned<Text>) -> Option<Template> {
        match Template::of_rule(&text.value.0) {
            Ok(template) => {
                for doubt in template.doubts(&|query| promql::parse(query).map(drop).map_err(|e| e.to_string())) {
                    let place = self.inside(text, doubt.line, doubt.column);
                    let message = format!("this template can't run: {}", doubt.message);
                    self.concerns.push(self.error(Some(place), message));
                }
                Some(template)
            }
            Err(e) => {
                self.wrong_inside(text, e.line, e.column, e.message);
                None
            }
        }
    }
}

/// Where something begins: line and column from 1.
fn place<T>(at: &Spanned<T>) -> Option<(usize, usize)> {
    Some((at.referenced.line() as usize, at.referenced.column() as usize))
}

/// What makes two rules of a group the same one.
fn identity(rule: &RawRule) -> (Option<String>, Option<String>, Option<String>, BTreeMap<String, String>) {
    let text = |t: &Option<Spanned<String>>| t.as_ref().map(|t| t.value.clone());
    let labels = rule.labels.iter().map(|(k, v)| (k.clone(), v.value.0.clone())).collect();
    (text(&rule.record), text(&rule.alert), text(&rule.expr), labels)
}

/// Any text since Prometheus 3, but the name of the metric is not set by a label.
fn may_be_label(name: &str) -> bool {
    !name.is_empty() && name != METRIC_NAME
}
