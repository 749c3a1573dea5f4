//! The JSON Schema of the configuration, for editors and pipelines: made from the structs that read it, and then as wide as
//! its YAML is read (`node`). What it refuses, `dogwatch check` refuses; the other way round only what a schema can say.

use schemars::{Schema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::Config;
use crate::model::written::FROM_ENVIRONMENT;

/// Makes it from the structs that read the configuration. What is published, and carried by the program (`carried`), is what this
/// made; a test holds it to it. So the program has a text, and not the code that makes it.
pub fn made() -> String {
    let schema: Schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Config>();
    let mut schema = schema.to_value();
    widen(&mut schema);
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".into(), "dogwatch.yml".into());
        // Where it lies differs from machine to machine.
        let data_dir = root.get_mut("properties").and_then(|all| all.get_mut("data_dir"));
        data_dir.and_then(Value::as_object_mut).map(|key| key.remove("default"));
    }
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

/// Has a schema, and all below it, take what the file may say: a key with nothing after it, a number where a text is
/// wanted, `${NAME}` where a number or truth value is.
fn widen(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(widen),
        Value::Object(map) => {
            map.iter_mut()
                .filter(|(key, _)| !["default", "enum", "const", "required"].contains(&key.as_str()))
                .for_each(|(_, below)| widen(below));
            let required: Vec<String> =
                map.get("required").and_then(|names| serde_json::from_value(names.clone()).ok()).unwrap_or_default();
            if let Some(Value::Object(keys)) = map.get_mut("properties") {
                keys.iter_mut().filter(|(key, _)| !required.contains(key)).for_each(|(_, schema)| or_nothing(schema));
            }
            widen_type(map);
        }
        _ => {}
    }
}

fn widen_type(map: &mut Map<String, Value>) {
    let types: Vec<String> = match map.get("type") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(several)) => several.iter().filter_map(|t| t.as_str().map(str::to_owned)).collect(),
        _ => return,
    };
    // Whatever has a scheme: what is asked by it is checked where it is used.
    if map.get("format").is_some_and(|format| format == "uri") {
        map.remove("format");
        map.insert("pattern".into(), json!(format!("^[a-zA-Z][a-zA-Z0-9+.-]*:|{FROM_ENVIRONMENT}")));
    }
    let is = |name: &str| types.iter().any(|t| t == name);
    let has_form = ["pattern", "format", "enum", "const"].iter().any(|key| map.contains_key(*key));
    if is("string") && !has_form {
        map.insert("type".into(), json!(["string", "number", "boolean", "null"]));
    } else if (is("integer") || is("number") || is("boolean")) && !is("string") {
        let mut plain = std::mem::take(map);
        let words = if is("boolean") { "^(yes|no|on|off|y|n)$|" } else { "" };
        let mut either = Map::new();
        // What people read stays at the top.
        for key in ["title", "description", "default"] {
            either.extend(plain.remove(key).map(|value| (key.to_owned(), value)));
        }
        either.insert(
            "anyOf".into(),
            json!([plain, {"type": "string", "pattern": format!("{words}{FROM_ENVIRONMENT}")}]),
        );
        *map = either;
    }
}

/// Has a schema take a key with nothing after it.
fn or_nothing(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    match map.get_mut("type") {
        Some(Value::String(one)) if one != "null" => {
            let both = json!([one, "null"]);
            map.insert("type".into(), both);
        }
        Some(Value::Array(several)) if !several.contains(&"null".into()) => several.push("null".into()),
        Some(_) => {}
        None => {
            if let Some(Value::Array(ways)) = map.get_mut("anyOf") {
                if !ways.contains(&json!({"type": "null"})) {
                    ways.push(json!({"type": "null"}));
                }
                return;
            }
            let mut plain = std::mem::take(map);
            let mut either = Map::new();
            for key in ["title", "description", "default"] {
                either.extend(plain.remove(key).map(|value| (key.to_owned(), value)));
            }
            if !plain.is_empty() {
                either.insert("anyOf".into(), json!([plain, {"type": "null"}]));
            }
            *map = either;
        }
    }
}
