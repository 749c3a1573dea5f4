//! What is different between two moments.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{change, kinds::Kind, tables::plain, tape::Picture};

/// One object that is not as it was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// `deployments`.
    pub resource: &'static str,
    /// `namespace/name`, or the name alone.
    pub key: String,
    /// What became of it.
    #[serde(flatten)]
    pub what: What,
}

/// What became of an object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", tag = "change")]
pub enum What {
    /// It is new.
    Added,
    /// It has gone.
    Removed,
    /// Some of its fields are others.
    Changed {
        /// Each with its path, what it was and what it is; `null`: it was not there, or is not.
        fields: Vec<Field>,
    },
}

/// One field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Field {
    /// `spec.replicas`.
    pub path: String,
    /// What it was.
    pub was: Value,
    /// What it is.
    pub is: Value,
}

/// Returns what of a kind is different, in the order of keys.
pub fn between(kind: &Kind, before: &Picture, after: &Picture) -> Vec<Difference> {
    let mut found = Vec::new();
    for key in before.objects.keys().filter(|key| !after.objects.contains_key(*key)) {
        found.push(Difference { resource: kind.name, key: key.clone(), what: What::Removed });
    }
    for (key, text) in &after.objects {
        let what = match before.objects.get(key) {
            None => What::Added,
            Some(old) if old == text => continue,
            Some(old) => What::Changed { fields: fields(&Picture::fields(old), &Picture::fields(text)) },
        };
        found.push(Difference { resource: kind.name, key: key.clone(), what });
    }
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found
}

fn fields(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Field> {
    // Both ways, since a map that has come or gone is one change of a patch.
    let was = leaves(before);
    let is = leaves(after);
    let mut paths: Vec<&String> = was.iter().chain(&is).map(|(path, _)| path).collect();
    paths.sort_unstable();
    paths.dedup();
    let find = |all: &[(String, Value)], path: &str| {
        all.binary_search_by(|(p, _)| p.as_str().cmp(path)).map_or(Value::Null, |at| all[at].1.clone())
    };
    paths
        .into_iter()
        .map(|path| Field { was: find(&was, path), is: find(&is, path), path: path.clone() })
        .filter(|field| field.was != field.is)
        .collect()
}

fn leaves(fields: &Map<String, Value>) -> Vec<(String, Value)> {
    let mut all = change::paths(fields);
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    all
}

impl Difference {
    /// Returns it as a line for people.
    pub fn line(&self) -> String {
        let Self { resource, key, what } = self;
        match what {
            What::Added => format!("+ {resource} {key}"),
            What::Removed => format!("- {resource} {key}"),
            What::Changed { fields } => {
                let shown = |value: &Value| if value.is_null() { "nothing".to_owned() } else { plain(value) };
                let told = fields.iter().map(|f| format!("{} {} → {}", f.path, shown(&f.was), shown(&f.is)));
                format!("~ {resource} {key}: {}", told.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::kinds::find;

    fn picture(objects: &[(&str, &str)]) -> Picture {
        let objects = objects.iter().map(|(k, v)| ((*k).to_owned(), Box::from(*v))).collect();
        Picture { objects, ..Picture::default() }
    }

    #[test]
    fn what_came_went_and_changed_is_told_in_a_line_each() {
        let before = picture(&[("s/a", r#"{"spec":{"replicas":3}}"#), ("s/b", "{}"), ("s/d", "{}")]);
        let after = picture(&[
            ("s/a", r#"{"spec":{"replicas":5},"status":{"conditions":{"Ready":{"status":"True"}}}}"#),
            ("s/c", "{}"),
            ("s/d", "{}"),
        ]);
        let lines: Vec<_> =
            between(find("deployments").unwrap(), &before, &after).iter().map(Difference::line).collect();
        assert_eq!(
            lines,
            [
                "~ deployments s/a: spec.replicas 3 → 5, status.conditions.Ready.status nothing → True",
                "- deployments s/b",
                "+ deployments s/c",
            ]
        );
    }
}
