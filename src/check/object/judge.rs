//! Whether objects are as they should be. Pure.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde_json::Value;
use serde_json_path::JsonPath;

use crate::check::condition::{Condition, Seen};

/// What an object says of itself is quoted up to so many characters.
const QUOTED_MAX: usize = 120;

/// Where a kind is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// In this version: `apps/v1`.
    Version(String),
    /// In the version of this group that the API server prefers.
    Group(&'static str),
}

/// What has to hold for an object.
#[derive(Clone, Debug)]
pub(super) enum Rule {
    /// At the path stands that value.
    Equals(JsonPath, Value),
    /// The condition of that type has that status.
    InCondition(String, String),
    /// A condition in dogwatch's own language.
    Is(Condition),
}

/// Objects of one kind, and what has to hold for each.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pub(super) which: Which,
    pub(super) kind: String,
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) selector: Option<String>,
    pub(super) rules: Vec<Rule>,
    /// Objects that are younger are not judged: they are on their way.
    pub(super) grace: Duration,
    /// Where this holds, the object is not judged: somebody has suspended it.
    pub(super) unless: Option<Condition>,
    /// Only the newest object of each value of this label is judged: the last run of a schedule.
    pub(super) newest_of: Option<&'static str>,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            which: Which::Version(String::new()),
            kind: String::new(),
            namespace: None,
            name: None,
            selector: None,
            rules: Vec::new(),
            grace: Duration::ZERO,
            unless: None,
            newest_of: None,
        }
    }
}

/// Returns what is wrong, in words, an object each.
pub(super) fn all(query: &Query, objects: &[Value], now: Timestamp) -> Vec<String> {
    let judged = newest(query, objects);
    judged
        .into_iter()
        .filter_map(|object| Some(format!("{}: {}", called(&query.kind, object), one(query, object, now)?)))
        .collect()
}

/// Those that count.
fn newest<'a>(query: &Query, objects: &'a [Value]) -> Vec<&'a Value> {
    let Some(label) = query.newest_of else { return objects.iter().collect() };
    let mut newest: BTreeMap<(&str, &str), &Value> = BTreeMap::new();
    for object in objects {
        let Some(value) = object["metadata"]["labels"][label].as_str() else { continue };
        let key = (object["metadata"]["namespace"].as_str().unwrap_or_default(), value);
        let is_newer = newest.get(&key).is_none_or(|known| created(object) > created(known));
        if is_newer {
            newest.insert(key, object);
        }
    }
    newest.into_values().collect()
}

fn created(object: &Value) -> Option<Timestamp> {
    object["metadata"]["creationTimestamp"].as_str()?.parse().ok()
}

/// `CephCluster rook-ceph/rook-ceph`
fn called(kind: &str, object: &Value) -> String {
    let name = object["metadata"]["name"].as_str().unwrap_or("?");
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

/// The first rule that an object breaks, in words.
fn one(query: &Query, object: &Value, now: Timestamp) -> Option<String> {
    let age = created(object).map(|at| now.duration_since(at));
    let is_young = age.is_some_and(|age| age.as_secs_f64() < query.grace.as_secs_f64());
    let seen = Seen::of_body(serde_json::to_vec(object).unwrap_or_default().into());
    let is_out = query.unless.as_ref().is_some_and(|condition| condition.judge(&seen).is_ok());
    if is_young || is_out {
        return None;
    }
    query.rules.iter().find_map(|rule| broken(rule, object, &seen))
}

fn broken(rule: &Rule, object: &Value, seen: &Seen) -> Option<String> {
    match rule {
        Rule::Is(condition) => condition.judge(seen).err().map(|failure| failure.message),
        Rule::Equals(path, wanted) => {
            let nodes = path.query(object).all();
            let is_met = nodes.iter().any(|value| same(value, wanted));
            let was = nodes.first().map_or_else(|| "not there".to_owned(), |value| shown(value));
            (!is_met).then(|| format!("{path} was {was}, should be {}", shown(wanted)))
        }
        Rule::InCondition(kind, status) => {
            let all = object["status"]["conditions"].as_array();
            let Some(one) = all.into_iter().flatten().find(|c| c["type"] == kind.as_str()) else {
                return Some(format!("{kind} is not said, should be {status}"));
            };
            let is = one["status"].as_str().unwrap_or("Unknown");
            let why = ["reason", "message"].iter().filter_map(|key| one[*key].as_str()).filter(|text| !text.is_empty());
            let why: Vec<String> = why.map(cut).collect();
            let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join(": ")) };
            (is != status).then(|| format!("{kind} is {is}{why}, should be {status}"))
        }
    }
}

/// A number in quotes is the number, as in YAML people do not tell them apart.
fn same(value: &Value, wanted: &Value) -> bool {
    value == wanted || (value.as_f64().is_some() && value.as_f64() == wanted.as_f64()) || shown(value) == shown(wanted)
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => cut(text),
        other => cut(&other.to_string()),
    }
}

fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(QUOTED_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
