//! A rule file as Prometheus has it (model/rulefmt), read and checked: every error has its line and column.
//!
//! A `PrometheusRule` of the Prometheus operator is taken too, since its `spec` is such a file, and a list of them, as
//! `kubectl get prometheusrules -A -o yaml` gives it; several documents too, as helm and kustomize write them.

mod pattern;
mod raw;
mod reader;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

pub use self::pattern::expand;
use self::{raw::RawFile, reader::Reader};
use crate::{model::text, promql::Query, template::Template};

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

/// Two rules are the same where all that is written is; the query is what the expression was read as.
impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        let Self { name, expr, query: _, labels, annotation_texts, kind, line } = self;
        (name, expr, labels) == (&other.name, &other.expr, &other.labels)
            && (annotation_texts, kind, line) == (&other.annotation_texts, &other.kind, &other.line)
    }
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
#[derive(Clone, Debug, PartialEq)]
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
    /// What Prometheus takes without a word and nobody means: a template that can't run, a rule that is there twice.
    pub concerns: Vec<FileError>,
}

impl Group {
    /// Returns `file;name`, as Prometheus' `rule_group` label has it.
    pub fn key(&self) -> Arc<str> {
        format!("{};{}", self.file, self.name).into()
    }
}

/// Reads a file.
///
/// # Errors
/// All that is wrong with it.
pub fn load(path: &Path) -> Result<Vec<Group>, Vec<FileError>> {
    let whole = |message: String| vec![FileError { path: path.into(), place: None, message }];
    let unreadable = |e: &std::io::Error| format!("can't be read: {}", text::unreadable(e));
    let size = std::fs::metadata(path).map_err(|e| whole(unreadable(&e)))?.len();
    if size > FILE_MAX {
        return Err(whole(format!("is larger than {FILE_MAX} bytes: this is no rule file")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| whole(unreadable(&e)))?;
    read(path, &text)
}

/// Reads a text; `path` names it in errors and in the groups.
///
/// # Errors
/// All that is wrong with it.
pub fn read(path: &Path, text: &str) -> Result<Vec<Group>, Vec<FileError>> {
    let mut reader = Reader::new(path, text);
    let documents: Vec<RawFile> = raw::documents(text)
        .map_err(|raw::Unreadable { place, message }| vec![FileError { path: path.into(), place, message }])?;
    // Prometheus reads the first of several documents, and leaves the rules of all others out.
    if documents.len() > 1 && !documents.iter().all(RawFile::is_object) {
        let message = "there are several documents, of which Prometheus reads the first: write one document a file, or \
                       all groups under one `groups:` (objects of the kind PrometheusRule may stand together)";
        let place = raw::second_document(text).map(|line| (line, 1));
        return Err(vec![FileError { path: path.into(), place, message: message.into() }]);
    }
    let several = documents.len() > 1;
    let mut read = Vec::new();
    for document in documents {
        let (objects, named) = if document.is_list() { (document.items, true) } else { (vec![document], several) };
        for object in objects {
            let file = named.then(|| Arc::<str>::from(format!("{}#{}", path.display(), object.object())));
            let groups = reader.object(object).into_iter();
            read.extend(groups.map(|group| Group { file: file.clone().unwrap_or(group.file), ..group }));
        }
    }
    reader.end(read)
}

#[cfg(test)]
mod tests;
