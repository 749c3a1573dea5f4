//! An object as it was, with what people ask of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{kinds::Kind, tape::Picture};

/// One object at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Object {
    /// `pods`.
    pub resource: &'static str,
    /// `Pod`.
    pub kind: &'static str,
    /// Empty where it has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Kept fields.
    #[serde(flatten)]
    pub fields: Value,
}

static NOTHING: Value = Value::Null;

impl Object {
    /// Returns the object of a key (`namespace/name`, or the name alone) with its kept fields.
    pub fn new(kind: &'static Kind, key: &str, fields: Map<String, Value>) -> Self {
        let (namespace, name) = key.split_once('/').unwrap_or(("", key));
        let fields = Value::Object(fields);
        Self { resource: kind.name, kind: kind.kind, namespace: namespace.into(), name: name.into(), fields }
    }

    /// Returns what a picture has of a kind, in the order of namespace and name.
    pub fn all(kind: &'static Kind, picture: &Picture) -> Vec<Self> {
        picture.objects.iter().map(|(key, text)| Self::new(kind, key, Picture::fields(text))).collect()
    }

    /// Returns `namespace/name`, or the name alone.
    pub fn key(&self) -> String {
        match self.namespace.as_str() {
            "" => self.name.clone(),
            namespace => format!("{namespace}/{}", self.name),
        }
    }

    /// Returns the value at a path, `null` where there is none.
    pub fn at(&self, path: &[&str]) -> &Value {
        path.iter().try_fold(&self.fields, |at, step| at.get(step)).unwrap_or(&NOTHING)
    }

    /// Returns the text at a path, empty where there is none.
    pub fn text(&self, path: &[&str]) -> &str {
        self.at(path).as_str().unwrap_or_default()
    }

    /// Returns the number at a path, 0 where there is none.
    pub fn number(&self, path: &[&str]) -> u64 {
        self.at(path).as_u64().unwrap_or(0)
    }

    /// Returns what is kept by name at a path.
    pub fn map(&self, path: &[&str]) -> impl Iterator<Item = (&String, &Value)> + use<'_> {
        self.at(path).as_object().into_iter().flatten()
    }

    /// Returns the time at a path.
    pub fn time(&self, path: &[&str]) -> Option<Timestamp> {
        self.text(path).parse().ok()
    }

    /// Returns when it was made.
    pub fn made_at(&self) -> Option<Timestamp> {
        self.time(&["metadata", "creationTimestamp"])
    }

    /// Returns its controller as kind and name.
    pub fn owner(&self) -> Option<(&str, &str)> {
        let owners = self.at(&["metadata", "ownerReferences"]).as_object()?;
        let (name, owner) = owners.iter().find(|(_, o)| o["controller"] == true).or_else(|| owners.iter().next())?;
        Some((owner["kind"].as_str().unwrap_or_default(), name))
    }

    /// Returns the images of its containers, or of its template's, each once.
    pub fn images(&self) -> Vec<&str> {
        const PLACES: [&[&str]; 5] = [
            &["spec", "initContainers"],
            &["spec", "containers"],
            &["spec", "template", "spec", "initContainers"],
            &["spec", "template", "spec", "containers"],
            &["spec", "jobTemplate", "spec", "template", "spec", "containers"],
        ];
        let mut images: Vec<&str> =
            PLACES.iter().flat_map(|place| self.map(place)).filter_map(|(_, c)| c["image"].as_str()).collect();
        images.sort_unstable();
        images.dedup();
        images
    }

    /// Returns the claims that its volumes name.
    pub fn claims(&self) -> Vec<&str> {
        const PLACES: [&[&str]; 3] = [
            &["spec", "volumes"],
            &["spec", "template", "spec", "volumes"],
            &["spec", "jobTemplate", "spec", "template", "spec", "volumes"],
        ];
        let volumes = PLACES.iter().flat_map(|place| self.map(place));
        volumes.filter_map(|(_, v)| v["persistentVolumeClaim"]["claimName"].as_str()).collect()
    }

    /// Returns whether the pod, or another thing with such a condition, is ready.
    pub fn is_ready(&self) -> bool {
        self.text(&["status", "conditions", "Ready", "status"]) == "True"
    }

    /// Returns whether it was deleted and waits for its finalizers, its grace period or its parts.
    pub fn is_being_deleted(&self) -> bool {
        !self.at(&["metadata", "deletionTimestamp"]).is_null()
    }

    /// Returns whether the pod has ended and is not started again (kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle).
    pub fn is_over(&self) -> bool {
        ["Succeeded", "Failed"].contains(&self.text(&["status", "phase"]))
    }
}

/// Conditions on labels, as `kubectl -l` takes them: `a=b`, `a!=b`, `a`, `!a`, all of which must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<(String, Want)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Want {
    Is(String),
    IsNot(String),
    There,
    Missing,
}

impl Selector {
    /// Reads it.
    ///
    /// # Errors
    /// What can't be understood, in words.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut all = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, want) = if let Some((name, value)) = part.split_once("!=") {
                (name, Want::IsNot(value.trim().to_owned()))
            } else if let Some((name, value)) = part.split_once('=') {
                (name, Want::Is(value.trim_start_matches('=').trim().to_owned()))
            } else if let Some(name) = part.strip_prefix('!') {
                (name, Want::Missing)
            } else {
                (part, Want::There)
            };
            let name = name.trim();
            if name.is_empty() || name.contains([' ', '(']) {
                return Err(format!("{part:?} is no condition on a label: write a=b, a!=b, a or !a"));
            }
            all.push((name.to_owned(), want));
        }
        Ok(Self(all))
    }

    /// Returns whether an object satisfies all of it.
    pub fn admits(&self, object: &Object) -> bool {
        self.0.iter().all(|(name, want)| {
            let label = object.at(&["metadata", "labels"]).get(name).and_then(Value::as_str);
            match want {
                Want::Is(value) => label == Some(value),
                Want::IsNot(value) => label != Some(value),
                Want::There => label.is_some(),
                Want::Missing => label.is_none(),
            }
        })
    }
}

/// Objects by kind.
pub type Objects = BTreeMap<&'static str, Vec<Object>>;

/// For tests: an object of a kind.
#[cfg(test)]
pub(crate) fn made(resource: &str, key: &str, fields: Value) -> Object {
    let kind = super::kinds::find(resource).unwrap();
    let (namespace, name) = key.split_once('/').unwrap_or(("", key));
    Object { resource: kind.name, kind: kind.kind, namespace: namespace.into(), name: name.into(), fields }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_selector_admits_what_kubectl_would() {
        let pod = made("pods", "n/a", json!({"metadata": {"labels": {"app": "api", "tier": "web"}}}));
        for (text, admits) in [
            ("", true),
            ("app=api", true),
            ("app==api,tier!=db", true),
            ("app, !zone", true),
            ("!app", false),
            ("app=db", false),
            ("zone!=a", true),
        ] {
            assert_eq!(Selector::read(text).unwrap().admits(&pod), admits, "{text}");
        }
        assert!(Selector::read("app in (a)").is_err());
    }

    #[test]
    fn an_object_tells_its_images_claims_and_owner() {
        let pod = made(
            "pods",
            "n/a",
            json!({
                "metadata": {"ownerReferences": {"x": {"kind": "Node"}, "api-5d": {"kind": "ReplicaSet", "controller": true}}},
                "spec": {"containers": {"a": {"image": "r/b"}, "b": {"image": "r/a"}, "c": {"image": "r/b"}},
                    "volumes": {"d": {"persistentVolumeClaim": {"claimName": "data"}}}},
            }),
        );
        assert_eq!(pod.images(), ["r/a", "r/b"]);
        assert_eq!(pod.claims(), ["data"]);
        assert_eq!(pod.owner(), Some(("ReplicaSet", "api-5d")));
    }
}
