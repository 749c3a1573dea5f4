//! The YAML as a tree that remembers where everything stands, with `${ENV}` expanded in its values.
//!
//! Expansion works on parsed scalars, so that a value from the environment can't change the structure. In the sections that
//! are Alertmanager's own it leaves alone what Alertmanager would read: `$$`, `${1}`, and all that stands in a template.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Number, Value};
use serde_saphyr::{Location, Spanned};

use super::{
    ConfigError,
    error::{self, Source},
    node::Node,
    plain_errors,
};

/// The sections that are Alertmanager's own.
const OF_ALERTMANAGER: [&str; 9] = [
    "global",
    "route",
    "receivers",
    "templates",
    "inhibit_rules",
    "time_intervals",
    "mute_time_intervals",
    "tracing",
    "event_recorder",
];

/// Keys and values in all files: a thousand routes and receivers have some ten thousand. Each takes some hundred bytes while
/// it is read.
pub(super) const NODES_MAX: usize = 100_000;

/// Keys that name files end so; and the one whose messages show addresses, and quote none of the file's.
const SAFE: [&str; 7] = ["_file", "kubeconfig", "web_config", "data_dir", "rule_files", "templates", "listen"];

/// A place: line and column, from 1.
type Place = (usize, usize);

/// The document as a value, with the place of every path (`clusters[0].name`) and of every key.
pub(super) struct Document {
    pub value: Node,
    /// The files that it was read from, in their order; the first is the configuration itself.
    pub files: Vec<PathBuf>,
    /// The index of the file, and the place in it.
    pub values: BTreeMap<String, (usize, Place)>,
    /// The same of keys.
    pub keys: BTreeMap<String, (usize, Place)>,
}

enum Tree {
    Leaf(Value),
    Map(Vec<(Spanned<String>, Spanned<Tree>)>),
    List(Vec<Spanned<Tree>>),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(AnyTree)
    }
}

struct AnyTree;

impl<'de> Visitor<'de> for AnyTree {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Tree, E> {
        Ok(Tree::Leaf(Value::Bool(v)))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Tree, E> {
        Ok(Tree::Leaf(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Tree, E> {
        Ok(Tree::Leaf(v.into()))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Tree, E> {
        Ok(Tree::Leaf(Number::from_f64(v).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, v: &str) -> Result<Tree, E> {
        Ok(Tree::Leaf(Value::String(v.to_string())))
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Tree, D::Error> {
        Tree::deserialize(d)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Tree::Map(map))
    }
}

/// Parses a text.
pub(super) fn read(source: &Source<'_>, env: &dyn Fn(&str) -> Option<String>) -> Result<Document, Vec<ConfigError>> {
    let mut walk = Walk {
        env,
        source,
        document: Document {
            value: Node::Null,
            files: vec![source.path.to_path_buf()],
            values: BTreeMap::new(),
            keys: BTreeMap::new(),
        },
        errors: Vec::new(),
    };
    if source.text.lines().all(|l| l.trim().is_empty() || l.trim_start().starts_with('#')) {
        walk.document.value = Node::Map(Vec::new());
        return Ok(walk.document);
    }
    let options = serde_saphyr::options! { budget: serde_saphyr::budget! { max_nodes: NODES_MAX } };
    let tree: Spanned<Tree> = serde_saphyr::from_str_with_options(source.text, options).map_err(|error| {
        let place = error.location().map(|l| (l.line() as usize, l.column() as usize));
        vec![ConfigError::at(source.path, place, plain_errors::of_yaml(&error))]
    })?;
    if !matches!(tree.value, Tree::Map(_)) {
        return Err(vec![ConfigError::at(
            source.path,
            Some((1, 1)),
            "the file must be a mapping: `clusters: …`".into(),
        )]);
    }
    let value = walk.value(tree, String::new());
    walk.document.value = value;
    if walk.errors.is_empty() { Ok(walk.document) } else { Err(walk.errors) }
}

struct Walk<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    source: &'a Source<'a>,
    document: Document,
    errors: Vec<ConfigError>,
}

impl Walk<'_> {
    fn value(&mut self, tree: Spanned<Tree>, path: String) -> Node {
        let place = (tree.referenced.line() as usize, tree.referenced.column() as usize);
        self.document.values.insert(path.clone(), (0, place));
        match tree.value {
            Tree::Leaf(Value::Null) => Node::Null,
            Tree::Leaf(value) => self.scalar(value, &tree.defined, place, &path),
            Tree::List(items) => {
                Node::List(items.into_iter().enumerate().map(|(i, v)| self.value(v, format!("{path}[{i}]"))).collect())
            }
            Tree::Map(entries) => {
                let mut map = Vec::new();
                for (key, value) in entries {
                    let below = if path.is_empty() { key.value.clone() } else { format!("{path}.{}", key.value) };
                    let at = (key.referenced.line() as usize, key.referenced.column() as usize);
                    self.document.keys.insert(below.clone(), (0, at));
                    map.push((key.value, self.value(value, below)));
                }
                Node::Map(map)
            }
        }
    }

    fn scalar(&mut self, value: Value, defined: &Location, place: Place, path: &str) -> Node {
        let written = self.source.written(defined);
        let plain = !written.is_some_and(|text| text.starts_with(['"', '\'', '|', '>']));
        match value {
            Value::String(text) => {
                let section = path.split(['.', '[']).next().unwrap_or_default();
                let expanded = self.expand(&text, place, OF_ALERTMANAGER.contains(&section));
                let plain = plain || expanded != text;
                Node::Scalar { value: Value::String(expanded.clone()), text: expanded, plain, base: None }
            }
            value => {
                let text = written.map_or_else(|| value.to_string(), str::to_owned);
                Node::Scalar { value, text, plain, base: None }
            }
        }
    }

    /// `${NAME}` is the environment's value; `$$` is a dollar in our own sections, and two in Alertmanager's, where
    /// templates and what is no variable's name stay as they are.
    fn expand(&mut self, text: &str, place: Place, pasted: bool) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(['$', '{']) {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let kept = match rest {
                _ if pasted && rest.starts_with("{{") => rest.find("}}").map_or(rest.len(), |end| end + 2),
                _ if pasted && rest.starts_with("$${") => 3,
                _ if pasted && rest.starts_with("$$") => 2,
                _ => 0,
            };
            if kept > 0 {
                out.push_str(&rest[..kept]);
                rest = &rest[kept..];
            } else if let Some(after) = rest.strip_prefix("$$") {
                out.push('$');
                rest = after;
            } else if let Some((name, after)) = variable(rest, pasted) {
                match (self.env)(name) {
                    Some(value) => out.push_str(&value),
                    None => self.errors.push(ConfigError::at(self.source.path, Some(place), unset(name, pasted))),
                }
                rest = after;
            } else {
                out.push_str(&rest[..1]);
                rest = &rest[1..];
            }
        }
        out.push_str(rest);
        out
    }
}

/// The name in `${NAME}`, and what comes after it. In Alertmanager's sections only what a shell would take for a name.
fn variable(text: &str, pasted: bool) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix("${")?.split_once('}')?;
    let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.bytes().next().is_some_and(|b| !b.is_ascii_digit());
    (is_name || !pasted).then_some((name, after))
}

fn unset(name: &str, pasted: bool) -> String {
    let remedy = if pasted { "a secret that has ${…} in it goes into a file" } else { "write $$ for a plain dollar" };
    format!("the environment variable {name} is not set ({remedy})")
}

/// Something wrong at a path, as serde or a check of ours says it.
pub(super) struct Wrong {
    /// Where: `clusters[0].name`; of an unknown key the key itself.
    pub path: String,
    message: String,
    /// An unknown key, and those that are known there.
    unknown: Option<(String, Vec<String>)>,
}

impl Wrong {
    /// Takes serde's words apart.
    pub fn new(path: &str, message: &str) -> Self {
        let path = path.trim_matches('.');
        let unknown = unknown_key(message);
        let path = match &unknown {
            Some((key, _)) if path.is_empty() => key.clone(),
            Some((key, _)) if path != key && !path.ends_with(&format!(".{key}")) => format!("{path}.{key}"),
            _ => path.to_owned(),
        };
        Self { path, message: message.to_owned(), unknown }
    }

    /// The path of a key that is missing.
    pub fn missing(&self) -> Option<String> {
        let key = self.message.strip_prefix("missing field `")?.trim_end_matches('`');
        Some(if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) })
    }
}

impl Document {
    /// An error with its place; the libraries' words become ours, and quote no value of the file. Names of files are none:
    /// who reads that one is missing has to know which.
    pub fn located(&self, wrong: &Wrong) -> ConfigError {
        let key = wrong.path.trim_end_matches(|c: char| c == ']' || c.is_ascii_digit()).trim_end_matches('[');
        let is_safe = wrong.missing().is_some() || SAFE.iter().any(|end| key.ends_with(end));
        let values = if is_safe { Vec::new() } else { self.value.texts(&wrong.path) };
        self.placed(wrong, &values)
    }

    /// The same for what turns out to be wrong once it is used: its words are ours, and name addresses and files.
    pub fn placed(&self, wrong: &Wrong, values: &[&str]) -> ConfigError {
        if let Some((key, known)) = &wrong.unknown {
            let place = self.keys.get(&wrong.path).or_else(|| self.nearest(&wrong.path)).copied();
            let above = wrong.path.rsplit_once('.').map(|(above, _)| format!(" in {above}")).unwrap_or_default();
            return self.error(place, format!("unknown key `{key}`{above}; {}", suggestion(key, known)));
        }
        let place = self.nearest(&wrong.path).copied();
        let at = if wrong.path.is_empty() { String::new() } else { format!("{}: ", wrong.path) };
        let message = plain_errors::of_value(&wrong.message);
        self.error(place, format!("{at}{}", error::without_values(&message, values)))
    }

    /// An error at a place in one of its files; without a place, about the first of them.
    pub fn error(&self, place: Option<(usize, Place)>, message: String) -> ConfigError {
        let (file, place) = place.map_or((0, None), |(file, place)| (file, Some(place)));
        ConfigError::at(self.files.get(file).map_or(Path::new(""), PathBuf::as_path), place, message)
    }

    /// Puts errors in the order in which a reader comes across them.
    pub fn sort(&self, errors: &mut [ConfigError]) {
        errors.sort_by_key(|e| (self.files.iter().position(|file| *file == e.path), e.place));
    }

    /// Leaves out the key at a path, or the nearest above it that can be: without an item of a list, others would stand
    /// elsewhere. Gives the path of what is gone, `None` where nothing is.
    pub fn leave_out(&mut self, path: &str) -> Option<String> {
        let mut path = path;
        while !self.value.leave_out(path) {
            path = &path[..path.rfind(['.', '['])?];
        }
        Some(path.to_owned())
    }

    /// The place of a path, or of the deepest part of it that is there.
    fn nearest(&self, path: &str) -> Option<&(usize, Place)> {
        let mut path = path;
        loop {
            if let Some(place) = self.values.get(path).or_else(|| self.keys.get(path)) {
                return Some(place);
            }
            let cut = path.rfind(['.', '['])?;
            path = &path[..cut];
        }
    }
}

/// The key and the known ones, from serde's "unknown field `x`, expected one of `a`, `b`".
fn unknown_key(message: &str) -> Option<(String, Vec<String>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (key, rest) = rest.split_once('`')?;
    Some((key.to_string(), rest.split('`').skip(1).step_by(2).map(str::to_string).collect()))
}

fn suggestion(key: &str, known: &[String]) -> String {
    // prometheus/common has keys for secret managers, of which neither Alertmanager nor dogwatch has any.
    if let Some(file) = key.strip_suffix("_ref").map(|name| format!("{name}_file")).filter(|file| known.contains(file))
    {
        return format!("it names a secret of a secret manager, which dogwatch has none of: use `{file}`");
    }
    /// Jaro-Winkler: from here on two words are taken for one mistyped.
    const NEAR: f64 = 0.8;
    let near = known.iter().map(|k| (strsim::jaro_winkler(key, k), k)).max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((score, name)) if score >= NEAR => format!("did you mean `{name}`?"),
        _ => format!("known here: {}", known.join(", ")),
    }
}
