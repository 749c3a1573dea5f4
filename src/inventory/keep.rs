//! An object of the API made into its kept fields, while it is read: what is not on the list of its kind is skipped by the
//! parser and never lies in memory as a value.

use std::{cell::Cell, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use super::{
    kinds::Kind,
    prose,
    tree::{self, Tree},
};
use crate::model::text;

/// The longest kept string, in bytes: an image with its digest has some 300.
const TEXT_MAX: usize = 512;
/// The most entries of a map of plain values: labels, capacities.
const ENTRIES_MAX: usize = 64;
/// The most items of a list: an EndpointSlice has 1,000 endpoints at the most.
const ITEMS_MAX: usize = 1_000;

/// An object as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// `namespace/name`, or the name alone.
    pub key: String,
    /// Its fields, without name and namespace.
    pub fields: Map<String, Value>,
    /// Values that were shortened or left out for their number.
    pub cut: u64,
}

/// Reads one object of a kind. `None`: it has no name.
///
/// # Errors
/// When it is no JSON object.
pub fn object(kind: &Kind, text: &str) -> serde_json::Result<Option<Kept>> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let kept = Object(kind).deserialize(&mut reader)?;
    reader.end()?;
    Ok(kept)
}

/// Reads one object in the middle of something larger.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a>(pub &'a Kind);

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = Option<Kept>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        let cut = Cell::new(0);
        let value = Pick { tree: tree::of(self.0), cut: &cut }.deserialize(from)?;
        let Some(Value::Object(mut fields)) = value else { return Ok(None) };
        Ok(key(&mut fields).map(|key| Kept { key, fields, cut: cut.get() }))
    }
}

/// Takes name and namespace out of the fields.
fn key(fields: &mut Map<String, Value>) -> Option<String> {
    let metadata = fields.get_mut("metadata")?.as_object_mut()?;
    let name = metadata.remove("name")?;
    let namespace = metadata.remove("namespace");
    let name = name.as_str().filter(|name| !name.is_empty())?;
    Some(match namespace.as_ref().and_then(Value::as_str).filter(|n| !n.is_empty()) {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    })
}

/// What is kept of a value; `None`: nothing.
struct Pick<'a> {
    tree: &'a Tree,
    cut: &'a Cell<u64>,
}

impl Pick<'_> {
    fn text(&self, said: &str) -> Value {
        let shown = if self.tree.is_prose { prose::shown(said) } else { text::clip(said, TEXT_MAX).to_owned() };
        if shown.len() < said.len() {
            self.count();
        }
        Value::String(shown)
    }

    fn count(&self) {
        self.cut.set(self.cut.get() + 1);
    }

    fn is_leaf(&self) -> bool {
        self.tree.children.is_empty()
    }
}

impl<'de> DeserializeSeed<'de> for Pick<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pick<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(self.is_leaf().then_some(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(self.is_leaf().then(|| value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(self.is_leaf().then(|| value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(self.is_leaf().then(|| value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(self.is_leaf().then(|| self.text(value)))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut kept = Map::new();
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let tree = if self.is_leaf() { Some(plain()) } else { self.tree.children.get(&*name) };
            let Some(tree) = tree else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value_seed(Pick { tree, cut: self.cut })?;
            // Of a map of labels only plain values count; what is deeper is on no list.
            let Some(value) = value.filter(|v| !self.is_leaf() || !(v.is_object() || v.is_array())) else { continue };
            if self.is_leaf() && kept.len() >= ENTRIES_MAX {
                self.count();
                continue;
            }
            kept.insert(text::clip(&name, TEXT_MAX).to_owned(), value);
        }
        Ok((!kept.is_empty()).then_some(Value::Object(kept)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let (mut list, mut keyed) = (Vec::new(), Map::new());
        loop {
            // A list within a list is on no list.
            let tree = Tree { key: None, ..Tree::default() };
            let item = if self.is_leaf() {
                let Some(item) = items.next_element_seed(Pick { tree: &tree, cut: self.cut })? else { break };
                item.filter(|v| !v.is_object() && !v.is_array())
            } else {
                let Some(item) = items.next_element_seed(Pick { tree: self.tree, cut: self.cut })? else { break };
                item
            };
            if list.len() + keyed.len() >= ITEMS_MAX {
                self.count();
                continue;
            }
            match (item, &self.tree.key) {
                (Some(item), None) => list.push(item),
                (Some(mut item), Some(path)) => {
                    let name = named(&mut item, path);
                    let free = (1..).map(|n| if n == 1 { name.clone() } else { format!("{name}#{n}") });
                    if let Some(name) = free.take(ITEMS_MAX).find(|name| !keyed.contains_key(name)) {
                        keyed.insert(name, item);
                    }
                }
                (None, _) => {}
            }
        }
        Ok(match (list.is_empty(), keyed.is_empty()) {
            (_, false) => Some(Value::Object(keyed)),
            (false, true) => Some(Value::Array(list)),
            (true, true) => None,
        })
    }
}

/// The tree of a plain value.
fn plain() -> &'static Tree {
    static PLAIN: std::sync::OnceLock<Tree> = std::sync::OnceLock::new();
    PLAIN.get_or_init(Tree::default)
}

/// The name by which an item of a list is kept; where it is a field of its own, it is not kept twice.
fn named(item: &mut Value, path: &[&str]) -> String {
    let found = match path {
        [field] => item.as_object_mut().and_then(|item| item.remove(*field)),
        _ => path.iter().try_fold(&*item, |at, step| at.get(step)).cloned(),
    };
    let first = match found {
        Some(Value::Array(all)) => all.into_iter().next(),
        other => other,
    };
    match first {
        Some(Value::String(name)) => name,
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::kinds::find, *};

    fn keep(kind: &str, object: &Value) -> Kept {
        super::object(find(kind).unwrap(), &object.to_string()).unwrap().unwrap()
    }

    #[test]
    fn of_a_pod_what_ran_where_is_kept_and_no_secret() {
        let planted = "hunter2";
        let pod = json!({
            "metadata": {"name": "api-1", "namespace": "shop", "uid": "u", "resourceVersion": "7", "labels": {"app": "api"},
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": planted},
                "ownerReferences": [{"kind": "ReplicaSet", "name": "api", "uid": planted, "controller": true}],
                "managedFields": [{"fieldsV1": {"f:x": planted}}]},
            "spec": {"nodeName": "w1", "containers": [{"name": "api", "image": "r/api:2", "args": [planted], "command": [planted],
                "env": [{"name": "P", "value": planted}], "envFrom": [{"prefix": planted}]}],
                "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}, {"name": "s", "secret": {"secretName": planted}},
                    {"name": "c", "csi": {"volumeAttributes": {"k": planted}}}]},
            "status": {"phase": "Running", "podIP": "10.1.0.5", "podIPs": [{"ip": "10.1.0.5"}],
                "conditions": [{"type": "Ready", "status": "True", "lastProbeTime": null, "lastTransitionTime": "t", "message": format!("token={planted}")}],
                "containerStatuses": [{"name": "api", "restartCount": 3, "ready": true,
                    "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137, "message": planted}}}]},
            "data": {"k": planted},
        });
        let kept = keep("pods", &pod);
        assert_eq!(kept.key, "shop/api-1");
        let text = Value::Object(kept.fields.clone()).to_string();
        assert!(!text.contains(planted), "{text}");
        let fields = Value::Object(kept.fields);
        assert_eq!(fields["spec"]["containers"]["api"]["image"], "r/api:2");
        assert_eq!(fields["spec"]["volumes"]["d"]["persistentVolumeClaim"]["claimName"], "data");
        assert_eq!(fields["status"]["containerStatuses"]["api"]["lastState"]["terminated"]["reason"], "OOMKilled");
        assert_eq!(fields["metadata"]["ownerReferences"], json!({"api": {"kind": "ReplicaSet", "controller": true}}));
        assert!(fields["metadata"].get("resourceVersion").is_none());
    }

    #[test]
    fn what_changes_without_meaning_makes_no_difference() {
        let node = |beat: &str, version: &str| {
            json!({"metadata": {"name": "w1", "resourceVersion": version},
                "status": {"nodeInfo": {"bootID": "b"}, "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": beat}]}})
        };
        assert_eq!(keep("nodes", &node("a", "1")), keep("nodes", &node("b", "2")));
        let lease = |renewed: &str| json!({"metadata": {"name": "l", "namespace": "kube-system"}, "spec": {"holderIdentity": "a", "renewTime": renewed}});
        assert_eq!(keep("leases", &lease("a")), keep("leases", &lease("b")));
    }

    #[test]
    fn lists_are_kept_by_name_and_what_is_too_much_is_counted() {
        let slice = json!({"metadata": {"name": "s", "namespace": "n"}, "endpoints": [
            {"addresses": ["10.0.0.1"], "nodeName": "w1", "conditions": {"ready": true}},
            {"addresses": ["10.0.0.1"], "nodeName": "w2"}]});
        let fields = Value::Object(keep("endpointslices", &slice).fields);
        assert_eq!(fields["endpoints"]["10.0.0.1"], json!({"nodeName": "w1", "conditions": {"ready": true}}));
        assert_eq!(fields["endpoints"]["10.0.0.1#2"]["nodeName"], "w2");
        let labels: Map<String, Value> = (0..100).map(|i| (format!("l{i:03}"), json!("v"))).collect();
        let kept = keep("namespaces", &json!({"metadata": {"name": "n", "labels": labels}}));
        assert_eq!(kept.cut, 36);
        assert_eq!(
            keep("namespaces", &json!({"metadata": {"name": "n"}, "status": {"phase": "x".repeat(600)}})).cut,
            1
        );
        assert!(super::object(find("pods").unwrap(), "{}").unwrap().is_none());
        assert!(super::object(find("pods").unwrap(), "[").is_err());
    }
}
