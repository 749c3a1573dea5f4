//! What differs between two forms of an object, as a merge patch (RFC 7396), and its way back.

use serde_json::{Map, Value};

/// Returns what makes `before` into `after`; empty where nothing differs. Neither may hold `null`, as no kept field does.
pub fn between(before: &Map<String, Value>, after: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, new) in after {
        match (before.get(name), new) {
            (Some(old), new) if old == new => {}
            (Some(Value::Object(old)), Value::Object(new)) => {
                patch.insert(name.clone(), Value::Object(between(old, new)));
            }
            _ => drop(patch.insert(name.clone(), new.clone())),
        }
    }
    patch
}

/// Applies a patch.
pub fn apply(to: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => drop(to.remove(&name)),
            Value::Object(patch) => {
                let inner = to.entry(name).or_insert_with(|| Value::Object(Map::new()));
                match inner {
                    Value::Object(inner) => apply(inner, patch),
                    other => {
                        let mut whole = Map::new();
                        apply(&mut whole, patch);
                        *other = Value::Object(whole);
                    }
                }
            }
            value => drop(to.insert(name, value)),
        }
    }
}

/// Returns the paths that a patch touches, each with the new value (`null`: gone), in order.
pub fn paths(patch: &Map<String, Value>) -> Vec<(String, Value)> {
    fn walk(patch: &Map<String, Value>, at: &str, into: &mut Vec<(String, Value)>) {
        for (name, value) in patch {
            let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
            match value {
                Value::Object(inner) if !inner.is_empty() => walk(inner, &path, into),
                value => into.push((path, value.clone())),
            }
        }
    }
    let mut found = Vec::new();
    walk(patch, "", &mut found);
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_patch_leads_from_one_form_to_the_other() {
        let forms = [
            json!({}),
            json!({"a": 1, "b": {"c": [1, 2], "d": "x"}}),
            json!({"a": 1, "b": {"c": [2], "e": {"f": true}}}),
            json!({"a": {"g": 1}, "b": "flat"}),
            json!({"b": {"c": {"h": 2}}}),
        ];
        for before in &forms {
            for after in &forms {
                let (before, after) = (map(before.clone()), map(after.clone()));
                let patch = between(&before, &after);
                assert_eq!(patch.is_empty(), before == after);
                let mut made = before;
                apply(&mut made, patch);
                assert_eq!(made, after);
            }
        }
    }

    #[test]
    fn a_patch_is_told_path_by_path() {
        let patch = map(json!({"status": {"phase": "Failed", "podIP": null}, "x": 1}));
        let told = paths(&patch);
        let expected = [("status.phase", json!("Failed")), ("status.podIP", Value::Null), ("x", json!(1))];
        assert_eq!(told, expected.map(|(p, v)| (p.to_owned(), v)));
    }
}
