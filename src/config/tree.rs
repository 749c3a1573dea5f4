//! The YAML as a tree that remembers where everything stands, with `${ENV}` expanded in its values.
//!
//! Expansion works on parsed scalars, so that a value from the environment can't change the structure.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use super::{ConfigError, error::Source};

/// A place: line and column, from 1.
type Place = (usize, usize);

/// The document as a value, with the place of every path (`clusters[0].name`) and of every key.
pub(super) struct Document {
    pub value: Value,
    values: BTreeMap<String, Place>,
    keys: BTreeMap<String, Place>,
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
        document: Document { value: Value::Null, values: BTreeMap::new(), keys: BTreeMap::new() },
        errors: Vec::new(),
    };
    if source.text.lines().all(|l| l.trim().is_empty() || l.trim_start().starts_with('#')) {
        walk.document.value = Value::Object(Map::new());
        return Ok(walk.document);
    }
    let tree: Spanned<Tree> = serde_saphyr::from_str(source.text).map_err(|error| {
        let place = error.location().map(|l| (l.line() as usize, l.column() as usize));
        vec![ConfigError::at(source, place, first_line(&error))]
    })?;
    if !matches!(tree.value, Tree::Map(_)) {
        return Err(vec![ConfigError::at(source, Some((1, 1)), "the file must be a mapping: `clusters: …`".into())]);
    }
    let value = walk.value(tree, String::new());
    walk.document.value = value;
    if walk.errors.is_empty() { Ok(walk.document) } else { Err(walk.errors) }
}

/// The parser's own words without its snippet and its place, which we show ourselves.
fn first_line(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let line = text.lines().next().unwrap_or_default();
    let cut = line.find(" at line ").unwrap_or(line.len());
    format!("this is not YAML: {}", line[..cut].trim_start_matches("error: "))
}

struct Walk<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    source: &'a Source<'a>,
    document: Document,
    errors: Vec<ConfigError>,
}

impl Walk<'_> {
    fn value(&mut self, tree: Spanned<Tree>, path: String) -> Value {
        let place = (tree.referenced.line() as usize, tree.referenced.column() as usize);
        self.document.values.insert(path.clone(), place);
        match tree.value {
            Tree::Leaf(Value::String(text)) => Value::String(self.expand(&text, place)),
            Tree::Leaf(value) => value,
            Tree::List(items) => Value::Array(
                items.into_iter().enumerate().map(|(i, v)| self.value(v, format!("{path}[{i}]"))).collect(),
            ),
            Tree::Map(entries) => {
                let mut map = Map::new();
                for (key, value) in entries {
                    let below = if path.is_empty() { key.value.clone() } else { format!("{path}.{}", key.value) };
                    let at = (key.referenced.line() as usize, key.referenced.column() as usize);
                    self.document.keys.insert(below.clone(), at);
                    let value = self.value(value, below);
                    map.insert(key.value, value);
                }
                Value::Object(map)
            }
        }
    }

    /// `${NAME}` is the environment's value, `$$` a dollar; anything else stays as it is.
    fn expand(&mut self, text: &str, place: Place) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("$$") {
                out.push('$');
                rest = after;
            } else if let Some((name, after)) = rest.strip_prefix("${").and_then(|r| r.split_once('}')) {
                match (self.env)(name) {
                    Some(value) => out.push_str(&value),
                    None => {
                        let message =
                            format!("the environment variable {name} is not set (write $$ for a plain dollar)");
                        self.errors.push(ConfigError::at(self.source, Some(place), message));
                    }
                }
                rest = after;
            } else {
                out.push('$');
                rest = &rest[1..];
            }
        }
        out.push_str(rest);
        out
    }
}

impl Document {
    /// An error at a path, with its place; serde's words for an unknown key become ours.
    pub fn located(&self, source: &Source<'_>, path: &str, message: &str) -> ConfigError {
        if let Some((key, known)) = unknown_key(message) {
            let full = if path.ends_with(&key) || path == "." {
                path.trim_matches('.').to_string()
            } else {
                format!("{path}.{key}")
            };
            let full = if full.is_empty() { key.clone() } else { full };
            let place = self.keys.get(&full).or_else(|| self.nearest(&full)).copied();
            let above = full.rsplit_once('.').map(|(above, _)| format!(" in {above}")).unwrap_or_default();
            return ConfigError::at(source, place, format!("unknown key `{key}`{above}; {}", suggestion(&key, &known)));
        }
        let place = self.nearest(path).copied();
        let at = if path.is_empty() || path == "." { String::new() } else { format!("{path}: ") };
        ConfigError::at(source, place, format!("{at}{message}"))
    }

    /// The place of a path, or of the deepest part of it that is there.
    fn nearest(&self, path: &str) -> Option<&Place> {
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
    /// Jaro-Winkler: from here on two words are taken for one mistyped.
    const NEAR: f64 = 0.8;
    let near = known.iter().map(|k| (strsim::jaro_winkler(key, k), k)).max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((score, name)) if score >= NEAR => format!("did you mean `{name}`?"),
        _ => format!("known here: {}", known.join(", ")),
    }
}
