//! docs/configuration-reference.md, written from the configuration's JSON Schema: a section for each place, in the order in
//! which one leads to the other.

use std::collections::{BTreeMap, VecDeque};

use dogwatch::config::schema;
use serde_json::{Map, Value};

use super::{cell, is_generated};

const HEAD: &str = "\
# Configuration reference

Every key of `dogwatch.yml`, written from the code ([the schema](dogwatch.schema.json) is of the same source, for editors:
[configuration.md](configuration.md)). A section is a place in the file: `clusters[]` is one of the list `clusters`, `.*` any
key of a map. What is used in several places has its section at the first of them. Durations are `30s`, `5m`, `1h30m`, `90d`;
sizes `500MB`, `2GiB`. `${NAME}` in a value is taken from the environment. A key in **bold** must be given. What keys
that are Alertmanager's own mean in full is in [receivers.md](receivers.md) and [alerting.md](alerting.md).
";

/// Longer defaults say more in the section that they are about.
const DEFAULT_MAX: usize = 60;

/// How the pattern of a URL begins.
const URL: &str = "^[a-zA-Z][a-zA-Z0-9+.-]*:";

struct Reference<'a> {
    definitions: &'a Map<String, Value>,
    /// Definition → where it is first used.
    places: BTreeMap<&'a str, String>,
    waiting: VecDeque<(String, &'a Value)>,
}

/// What stands in a place.
enum Shape<'a> {
    Plain(String),
    Keys(&'a str),
    List(Box<Shape<'a>>),
    MapOf(Box<Shape<'a>>),
    Either(Vec<Shape<'a>>),
}

/// `[`Role::Read`]` is a link in the code alone.
fn prose(text: &str) -> String {
    cell(&text.replace("[`", "`").replace("`]", "`"))
}

/// A heading's anchor.
fn anchor(place: &str) -> String {
    place.to_lowercase().chars().filter(|c| c.is_alphanumeric() || matches!(c, '_' | '-')).collect()
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

impl<'a> Reference<'a> {
    fn shape(&self, schema: &'a Value) -> Shape<'a> {
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.rsplit('/').next().unwrap();
            let (name, definition) = self.definitions.get_key_value(name).unwrap();
            return match definition.get("properties") {
                Some(_) => Shape::Keys(name),
                None => self.shape(definition),
            };
        }
        for several in ["allOf", "anyOf", "oneOf"] {
            if let Some(all) = schema[several].as_array() {
                return either(all.iter().filter(|one| is_for_people(one)).map(|one| self.shape(one)).collect());
            }
        }
        if let Some(word) = schema.get("const") {
            return Shape::Plain(format!("`{}`", word.as_str().map_or_else(|| word.to_string(), str::to_owned)));
        }
        let types = texts(&schema["type"]);
        let is = |name: &str| types.contains(&name);
        if is("array") {
            return Shape::List(Box::new(self.shape(&schema["items"])));
        }
        if is("object") {
            return Shape::MapOf(Box::new(self.shape(&schema["additionalProperties"])));
        }
        let pattern = schema["pattern"].as_str().unwrap_or_default();
        Shape::Plain(
            match () {
                () if pattern.contains("a-zA-Zµ") => "duration",
                () if pattern.contains("KiB") => "size",
                () if pattern.starts_with(URL) => "URL",
                () if is("string") => "text",
                () if is("boolean") => "true or false",
                () if is("integer") || is("number") => "number",
                () => "anything",
            }
            .to_owned(),
        )
    }

    /// In words, with links to sections; places that are met for the first time get theirs.
    fn words(&mut self, shape: &Shape<'a>, place: &str) -> String {
        match shape {
            Shape::Plain(word) => word.clone(),
            Shape::Keys(name) => {
                let at = match self.places.get(name) {
                    Some(at) => at.clone(),
                    None => {
                        self.places.insert(name, place.to_owned());
                        self.waiting.push_back((place.to_owned(), &self.definitions[*name]));
                        place.to_owned()
                    }
                };
                format!("[`{at}`](#{})", anchor(&at))
            }
            Shape::List(of) => format!("list of {}", self.words(of, &format!("{place}[]"))),
            Shape::MapOf(of) => format!("map to {}", self.words(of, &format!("{place}.*"))),
            Shape::Either(ways) => {
                let mut words: Vec<String> = ways.iter().map(|way| self.words(way, place)).collect();
                words.dedup();
                words.join(", ")
            }
        }
    }

    fn section(&mut self, place: &str, schema: &'a Value) -> String {
        let mut out = String::new();
        if !place.is_empty() {
            out.push_str(&format!("\n## `{place}`\n"));
            out.push_str(&format!("\n{}\n", prose(schema["description"].as_str().unwrap_or_default())));
        }
        out.push_str("\n| key | | what stands there | default |\n|---|---|---|---|\n");
        let required = texts(&schema["required"]);
        for (key, below) in schema["properties"].as_object().unwrap() {
            let at = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
            let shape = self.shape(below);
            let words = self.words(&shape, &at);
            let mut name = format!("`{key}`");
            if required.contains(&key.as_str()) {
                name = format!("**{name}**");
            }
            let about = prose(below["description"].as_str().unwrap_or_default());
            out.push_str(&format!("| {name} | {about} | {words} | {} |\n", default(&below["default"])));
        }
        out
    }
}

/// Neither nothing nor what `${NAME}` needs; a URL is both.
fn is_for_people(schema: &Value) -> bool {
    let pattern = schema["pattern"].as_str().unwrap_or_default();
    schema["type"] != "null" && (pattern.starts_with(URL) || !pattern.ends_with("\\$\\{"))
}

fn either(mut ways: Vec<Shape<'_>>) -> Shape<'_> {
    if ways.len() == 1 { ways.remove(0) } else { Shape::Either(ways) }
}

fn default(value: &Value) -> String {
    let shown = match value {
        Value::Null => return String::new(),
        Value::Array(items) if items.is_empty() => return String::new(),
        Value::Object(keys) if keys.is_empty() => return String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if shown.len() > DEFAULT_MAX || shown.is_empty() { String::new() } else { format!("`{}`", cell(&shown)) }
}

#[test]
fn the_reference_has_every_key() {
    let schema: Value = serde_json::from_str(&schema::made()).unwrap();
    let definitions = schema["definitions"].as_object().unwrap();
    let mut reference = Reference { definitions, places: BTreeMap::new(), waiting: VecDeque::new() };
    let mut page = HEAD.to_owned();
    page.push_str(&reference.section("", &schema));
    while let Some((place, definition)) = reference.waiting.pop_front() {
        page.push_str(&reference.section(&place, definition));
    }
    let unused: Vec<&String> = definitions
        .iter()
        .filter(|(name, definition)| {
            definition.get("properties").is_some() && !reference.places.contains_key(name.as_str())
        })
        .map(|(name, _)| name)
        .collect();
    assert!(unused.is_empty(), "nothing leads to {unused:?}");
    is_generated("docs/configuration-reference.md", &page);
}
