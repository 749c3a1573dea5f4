//! What operations do to label sets.

use std::{
    cmp::Ordering,
    sync::{Arc, LazyLock},
};

use crate::model::{Labels, METRIC_NAME};

type Pair = (Arc<str>, Arc<str>);

/// No label at all.
pub fn empty() -> Labels {
    Labels { name: no_name(), pairs: Arc::from([]) }
}

/// The name of what has none: rules make thousands of such label sets.
fn no_name() -> Arc<str> {
    static NONE: LazyLock<Arc<str>> = LazyLock::new(|| "".into());
    NONE.clone()
}

/// The pairs that stay; the very same ones where all do.
fn kept(pairs: &Arc<[Pair]>, stays: impl Fn(&str) -> bool) -> Arc<[Pair]> {
    if pairs.iter().all(|(label, _)| stays(label)) {
        return pairs.clone();
    }
    let mut kept = Vec::with_capacity(pairs.len());
    kept.extend(pairs.iter().filter(|(label, _)| stays(label)).cloned());
    kept.into()
}

/// Labels that say what a metric is, as its name does: they go where it goes.
const METADATA: [&str; 2] = ["__type__", "__unit__"];

/// Returns whether a label is the metric's name, or goes where it goes.
pub fn is_metadata(label: &str) -> bool {
    label == METRIC_NAME || METADATA.contains(&label)
}

/// Without the name, and what goes with it.
pub fn unnamed(labels: &Labels) -> Labels {
    Labels { name: no_name(), pairs: kept(&labels.pairs, |label| !METADATA.contains(&label)) }
}

/// Only these labels; `__name__` may be among them.
pub fn only(labels: &Labels, wanted: &[Arc<str>]) -> Labels {
    let has = |label: &str| wanted.iter().any(|k| **k == *label);
    let name = if has(METRIC_NAME) { labels.name.clone() } else { no_name() };
    Labels { name, pairs: kept(&labels.pairs, has) }
}

/// Without these labels; the name stays unless it is among them.
pub fn without(labels: &Labels, dropped: &[Arc<str>]) -> Labels {
    let has = |label: &str| dropped.iter().any(|k| **k == *label);
    let name = if has(METRIC_NAME) { no_name() } else { labels.name.clone() };
    Labels { name, pairs: kept(&labels.pairs, |label| !has(label)) }
}

/// With a label set; empty removes it.
pub fn with(labels: &Labels, label: &str, value: &str) -> Labels {
    if label == METRIC_NAME {
        return Labels { name: value.into(), pairs: labels.pairs.clone() };
    }
    let mut pairs: Vec<(Arc<str>, Arc<str>)> = labels.pairs.to_vec();
    match pairs.binary_search_by(|(l, _)| (**l).cmp(label)) {
        Ok(at) if value.is_empty() => drop(pairs.remove(at)),
        Ok(at) => pairs[at].1 = value.into(),
        Err(_) if value.is_empty() => {}
        Err(at) => pairs.insert(at, (label.into(), value.into())),
    }
    Labels { name: labels.name.clone(), pairs: pairs.into() }
}

/// Returns Prometheus' hash of a label set: of names and values with their lengths before them
/// (model/labels/labels_stringlabels.go).
pub fn hash(labels: &Labels) -> u64 {
    /// A longer text has this and three bytes of length.
    const LONG: usize = 255;
    let mut bytes = Vec::new();
    for text in all(labels).flat_map(|(label, value)| [label, value]) {
        match u8::try_from(text.len()) {
            Ok(short) if text.len() < LONG => bytes.push(short),
            _ => {
                bytes.push(u8::MAX);
                bytes.extend_from_slice(&text.len().to_le_bytes()[..3]);
            }
        }
        bytes.extend_from_slice(text.as_bytes());
    }
    twox_hash::XxHash64::oneshot(0, &bytes)
}

/// Prometheus' order of label sets (labels.Compare): label by label, the name among them at its place.
pub fn compare(a: &Labels, b: &Labels) -> Ordering {
    all(a).cmp(all(b))
}

/// Returns all labels in the order of their names, `__name__` among them.
pub fn all(labels: &Labels) -> impl Iterator<Item = (&str, &str)> {
    let at = labels.pairs.partition_point(|(label, _)| **label < *METRIC_NAME);
    let name = Some((METRIC_NAME, &*labels.name)).filter(|(_, name)| !name.is_empty());
    labels.pairs[..at]
        .iter()
        .map(|(l, v)| (&**l, &**v))
        .chain(name)
        .chain(labels.pairs[at..].iter().map(|(l, v)| (&**l, &**v)))
}
