//! Several files as one: lists go on, mappings have the keys of both, and what is one value is given once. Pure.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use serde_json::Value;

use super::{
    ConfigError,
    node::Node,
    rules::BUILTIN,
    tree::{Document, NODES_MAX},
};

/// Lists of patterns for files, which are texts until they are used.
const PATTERNS: [&str; 2] = ["rule_files", "templates"];

impl Document {
    /// Takes in what another file says, and gives what can't be in both. Relative paths in it lead from its own folder.
    pub fn merge(&mut self, mut other: Document) -> Vec<ConfigError> {
        if self.values.len() + other.values.len() > NODES_MAX {
            return vec![
                other.error(None, "all files together have more keys and values than any configuration needs".into()),
            ];
        }
        if let Some(file) = other.files.first() {
            let folder = file.parent().unwrap_or(Path::new(""));
            let folder: Arc<Path> = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf()).into();
            other.value.set_base(&folder);
            lead_from(&mut other.value, &folder);
        }
        let mut joining = Joining { offsets: BTreeMap::new(), twice: Vec::new() };
        joining.join(&mut self.value, std::mem::replace(&mut other.value, Node::Null), "");
        let errors = joining.twice.iter().map(|path| self.given_twice(&other, path)).collect();
        let index = self.files.len();
        let moved = |path: &str| joining.moved(path);
        for (path, (_, place)) in &other.values {
            self.values.entry(moved(path)).or_insert((index, *place));
        }
        for (path, (_, place)) in &other.keys {
            self.keys.entry(moved(path)).or_insert((index, *place));
        }
        self.files.append(&mut other.files);
        errors
    }

    fn given_twice(&self, other: &Document, path: &str) -> ConfigError {
        let first = self.keys.get(path).map_or_else(String::new, |&place| {
            let first = self.error(Some(place), String::new());
            let (line, column) = first.place.unwrap_or_default();
            format!(" in {}:{line}:{column}", first.path.display())
        });
        other.error(other.keys.get(path).copied(), format!("{path}: this is given{first} already: keep one of the two"))
    }
}

/// Makes the patterns at the top of a document absolute.
fn lead_from(document: &mut Node, folder: &Path) {
    let Node::Map(entries) = document else { return };
    let lists = entries.iter_mut().filter(|(key, _)| PATTERNS.contains(&key.as_str()));
    for item in lists.filter_map(|(_, list)| if let Node::List(items) = list { Some(items) } else { None }).flatten() {
        if let Node::Scalar { value, text, .. } = item
            && text != BUILTIN
        {
            *text = folder.join(&*text).to_string_lossy().into_owned();
            *value = Value::String(text.clone());
        }
    }
}

struct Joining {
    /// How many items lists had before, by their paths.
    offsets: BTreeMap<String, usize>,
    /// The paths of what both give.
    twice: Vec<String>,
}

impl Joining {
    fn join(&mut self, ours: &mut Node, theirs: Node, path: &str) {
        match (ours, theirs) {
            (_, Node::Null) => {}
            (ours @ Node::Null, theirs) => *ours = theirs,
            (Node::List(ours), Node::List(mut theirs)) => {
                self.offsets.insert(path.to_owned(), ours.len());
                ours.append(&mut theirs);
            }
            (Node::Map(ours), Node::Map(theirs)) => {
                for (key, value) in theirs {
                    let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    match ours.iter_mut().find(|(known, _)| *known == key) {
                        Some((_, ours)) => self.join(ours, value, &below),
                        None => ours.push((key, value)),
                    }
                }
            }
            _ => self.twice.push(path.to_owned()),
        }
    }

    /// The path at which something stands now. Items of a list come after those that were there; in them nothing was joined.
    fn moved(&self, path: &str) -> String {
        let (list, rest) = path.split_once('[').unwrap_or((path, ""));
        match (self.offsets.get(list), rest.split_once(']')) {
            (Some(offset), Some((index, below))) => match index.parse::<usize>() {
                Ok(index) => format!("{list}[{}]{below}", index + offset),
                Err(_) => path.to_owned(),
            },
            _ => path.to_owned(),
        }
    }
}
