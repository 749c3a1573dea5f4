//! What the API answers: a page of a list, and the lines of a watch, read object by object.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::inventory::{
    keep::{Kept, Object},
    kinds::Kind,
};

/// What stands beside the items of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct ListMeta {
    /// The token of the next page; empty: this is the last.
    #[serde(rename = "continue")]
    pub(super) next: String,
    /// From here on a watch goes on.
    #[serde(rename = "resourceVersion")]
    pub(super) version: String,
}

/// Reads a page, and hands out each of its objects as it is kept; those without a name are left out.
///
/// # Errors
/// When it is no JSON; objects before that have been handed out.
pub(super) fn read(kind: &Kind, body: &[u8], each: &mut dyn FnMut(Kept)) -> serde_json::Result<ListMeta> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let meta = Page { kind, each }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(meta)
}

struct Page<'a> {
    kind: &'a Kind,
    each: &'a mut dyn FnMut(Kept),
}

impl<'de> DeserializeSeed<'de> for Page<'_> {
    type Value = ListMeta;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<ListMeta, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Page<'_> {
    type Value = ListMeta;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of Kubernetes objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ListMeta, A::Error> {
        let mut meta = ListMeta::default();
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match &*name {
                "metadata" => meta = map.next_value()?,
                "items" => map.next_value_seed(Items { kind: self.kind, each: &mut *self.each })?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(meta)
    }
}

struct Items<'a> {
    kind: &'a Kind,
    each: &'a mut dyn FnMut(Kept),
}

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("items of a list")
    }

    /// Go writes an empty list as `null`.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(kept) = items.next_element_seed(Object(self.kind))? {
            kept.into_iter().for_each(&mut *self.each);
        }
        Ok(())
    }
}

/// One line of a watch.
#[derive(Debug, PartialEq)]
pub(super) enum Told {
    /// It is there, or has changed.
    Is(Box<Kept>, String),
    /// It has gone.
    Gone(String, String),
    /// Nothing happened up to this version.
    Bookmark(String),
    /// A stream has told all that is there at this version; from here on it tells what happens.
    Complete(String),
    /// The watch has ended: what it began from is too old (410), or something else, in words.
    Ended(u16, String),
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    is: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Meta {
    metadata: ListMeta,
    code: u16,
    message: String,
}

/// What a bookmark says besides its version.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Mark {
    metadata: MarkMeta,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MarkMeta {
    annotations: BTreeMap<String, IgnoredAny>,
}

/// Stands on the bookmark that ends the first part of a stream (metav1.InitialEventsAnnotationKey).
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// Reads a line of a watch. `None`: an object without a name.
///
/// # Errors
/// When it is no JSON, or says nothing that a watch says.
pub(super) fn line(kind: &Kind, line: &[u8]) -> serde_json::Result<Option<Told>> {
    let Line { is, object } = serde_json::from_slice(line)?;
    let Meta { metadata: ListMeta { version, .. }, code, message } = serde_json::from_str(object.get())?;
    match is {
        "BOOKMARK" => {
            let mark: Mark = serde_json::from_str(object.get())?;
            let is_all = mark.metadata.annotations.contains_key(INITIAL_EVENTS_END);
            return Ok(Some(if is_all { Told::Complete(version) } else { Told::Bookmark(version) }));
        }
        "ERROR" => return Ok(Some(Told::Ended(code, message))),
        _ => {}
    }
    let kept = crate::inventory::keep::object(kind, object.get())?;
    Ok(kept.map(|kept| match is {
        "DELETED" => Told::Gone(kept.key, version),
        _ => Told::Is(Box::new(kept), version),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::kinds::find;

    #[test]
    fn a_page_is_read_object_by_object() {
        let nodes = find("nodes").unwrap();
        let mut keys = Vec::new();
        let text = r#"{"kind":"NodeList","items":[{"metadata":{"name":"a"}},{"metadata":{}},{"metadata":{"name":"b"}}],
            "metadata":{"resourceVersion":"12","continue":"t","remainingItemCount":3}}"#;
        let meta = read(nodes, text.as_bytes(), &mut |kept| keys.push(kept.key)).unwrap();
        assert_eq!((keys, meta), (vec!["a".into(), "b".into()], ListMeta { next: "t".into(), version: "12".into() }));
        let empty = br#"{"metadata":{"resourceVersion":"1"},"items":null}"#;
        assert_eq!(read(nodes, empty, &mut |_| unreachable!()).unwrap().version, "1");
        assert!(read(nodes, b"<html>", &mut |_| {}).is_err());
    }

    #[test]
    fn the_lines_of_a_watch_are_told_apart() {
        let nodes = find("nodes").unwrap();
        let read = |text: &str| line(nodes, text.as_bytes()).unwrap();
        let node = r#"{"metadata":{"name":"a","resourceVersion":"5"}}"#;
        assert!(
            matches!(read(&format!(r#"{{"type":"ADDED","object":{node}}}"#)), Some(Told::Is(k, v)) if k.key == "a" && v == "5")
        );
        let gone = read(&format!(r#"{{"object":{node},"type":"DELETED"}}"#));
        assert_eq!(gone, Some(Told::Gone("a".into(), "5".into())));
        let mark = r#"{"type":"BOOKMARK","object":{"kind":"Node","metadata":{"resourceVersion":"9"}}}"#;
        assert_eq!(read(mark), Some(Told::Bookmark("9".into())));
        let all = r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9","annotations":{"k8s.io/initial-events-end":"true"}}}}"#;
        assert_eq!(read(all), Some(Told::Complete("9".into())));
        let error = r#"{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}"#;
        assert_eq!(read(error), Some(Told::Ended(410, "too old".into())));
        assert!(line(nodes, b"{}").is_err());
    }
}
