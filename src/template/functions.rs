//! The functions, one table: name → what it does. Those of Go's text/template, of Prometheus' rules (template/template.go)
//! and of Alertmanager's messages (template/template.go). A name that is in none of them is refused when it is read.

mod messages;

use std::{collections::BTreeMap, ops::RangeInclusive};

use jiff::{Timestamp, tz::TimeZone};

use super::{Host, Value, layout, number, printf};
use crate::model::re2;

/// Arguments, surroundings, and the template's data → a value.
type Function = fn(&[Value], &mut dyn Host, &Value) -> Result<Value, String>;

/// A function's name, how many arguments it takes, and what it does.
type Entry = (&'static str, RangeInclusive<usize>, Function);

/// As many arguments as there are.
const MANY: usize = usize::MAX;

/// `and` and `or` stop early, so that the evaluator has them.
const EARLY: [&str; 2] = ["and", "or"];

/// Words nearer than this are taken for one mistyped (Jaro-Winkler).
const NEAR: f64 = 0.8;

/// `and` and `or` are the evaluator's.
const EARLY_ARGUMENTS: RangeInclusive<usize> = 1..=MANY;

const TABLE: &[Entry] = &[
    ("not", 1..=1, |a, _, _| Ok(Value::Bool(!is_true(arg(a, 0)?)))),
    ("eq", 2..=MANY, |a, _, _| {
        let first = arg(a, 0)?;
        arg(a, 1)?;
        Ok(Value::Bool(a[1..].iter().any(|other| equal(first, other))))
    }),
    ("ne", 2..=2, |a, _, _| Ok(Value::Bool(!equal(arg(a, 0)?, arg(a, 1)?)))),
    ("lt", 2..=2, |a, _, _| order(a).map(|o| Value::Bool(o == Some(std::cmp::Ordering::Less)))),
    ("le", 2..=2, |a, _, _| order(a).map(|o| Value::Bool(o.is_some_and(std::cmp::Ordering::is_le)))),
    ("gt", 2..=2, |a, _, _| order(a).map(|o| Value::Bool(o == Some(std::cmp::Ordering::Greater)))),
    ("ge", 2..=2, |a, _, _| order(a).map(|o| Value::Bool(o.is_some_and(std::cmp::Ordering::is_ge)))),
    ("len", 1..=1, |a, _, _| length(arg(a, 0)?)),
    ("index", 1..=MANY, |a, _, _| index(a)),
    ("slice", 1..=4, |a, _, _| slice(a)),
    ("print", 0..=MANY, |a, _, _| Ok(Value::Str(print(a)))),
    ("println", 0..=MANY, |a, _, _| Ok(Value::Str(a.iter().map(printf::plain).collect::<Vec<_>>().join(" ") + "\n"))),
    ("printf", 1..=MANY, |a, _, _| Ok(Value::Str(printf::sprintf(text(a, 0)?, a.get(1..).unwrap_or_default())))),
    ("html", 0..=MANY, |a, _, _| Ok(Value::Str(escape_html(&print(a))))),
    ("js", 0..=MANY, |a, _, _| {
        Ok(Value::Str(print(a).replace('\\', "\\\\").replace('\'', "\\'").replace('"', "\\\"").replace('<', "\\u003C")))
    }),
    ("urlquery", 0..=MANY, |a, _, _| Ok(Value::Str(query_escape(&print(a))))),
    // Of rules.
    ("query", 1..=1, |a, host, _| {
        let sample = |s: super::QuerySample| {
            let labels = s.labels.into_iter().map(|(k, v)| (k, Value::Str(v))).collect();
            Value::Map([("Labels".to_owned(), Value::Map(labels)), ("Value".to_owned(), Value::Float(s.value))].into())
        };
        Ok(Value::List(host.query(text(a, 0)?)?.into_iter().map(sample).collect()))
    }),
    ("first", 1..=1, |a, _, _| match arg(a, 0)? {
        Value::List(items) => items.first().cloned().ok_or_else(|| "first() called on vector with no elements".into()),
        _ => Err("first() takes the result of query()".into()),
    }),
    ("value", 1..=1, |a, _, _| part(a, "Value")),
    ("label", 2..=2, |a, _, _| label(text(a, 0)?, arg(a, 1)?)),
    ("strvalue", 1..=1, |a, _, _| label("__value__", arg(a, 0)?)),
    ("sortByLabel", 2..=2, |a, _, _| {
        let name = text(a, 0)?;
        let Value::List(items) = arg(a, 1)? else { return Err("sortByLabel takes the result of query()".into()) };
        let mut items = items.clone();
        items.sort_by_cached_key(|item| label(name, item).map(|v| printf::plain(&v)).unwrap_or_default());
        Ok(Value::List(items))
    }),
    ("args", 0..=MANY, |a, _, _| {
        Ok(Value::Map(a.iter().enumerate().map(|(i, v)| (format!("arg{i}"), v.clone())).collect()))
    }),
    ("humanize", 1..=1, |a, _, _| Ok(Value::Str(number::humanize(float(a, 0)?)))),
    ("humanize1024", 1..=1, |a, _, _| Ok(Value::Str(number::humanize_1024(float(a, 0)?)))),
    ("humanizeDuration", 1..=1, |a, _, _| Ok(Value::Str(number::humanize_duration(float(a, 0)?)))),
    ("humanizePercentage", 1..=1, |a, _, _| Ok(Value::Str(number::humanize_percentage(float(a, 0)?)))),
    ("humanizeTimestamp", 1..=1, |a, _, _| {
        let v = float(a, 0)?;
        Ok(Value::Str(moment(v).map_or_else(|| number::general(v, Some(4)), layout::plain)))
    }),
    ("toTime", 1..=1, |a, _, _| moment(float(a, 0)?).map(Value::Time).ok_or_else(|| "that is not a time".into())),
    ("now", 0..=0, |_, host, _| Ok(Value::Float(host.now().as_millisecond() as f64 / 1e3))),
    ("toDuration", 1..=1, |a, _, _| Ok(Value::Str(number::go_duration(float(a, 0)?)))),
    ("urlQueryEscape", 1..=1, |a, _, _| Ok(Value::Str(query_escape(text(a, 0)?)))),
    ("parseDuration", 1..=1, |a, _, _| {
        crate::model::duration::prometheus(text(a, 0)?).map(|d| Value::Float(d.as_secs_f64()))
    }),
    ("stripPort", 1..=1, |a, _, _| Ok(Value::Str(strip_port(text(a, 0)?).to_owned()))),
    ("stripDomain", 1..=1, |a, _, _| Ok(Value::Str(strip_domain(text(a, 0)?)))),
    ("graphLink", 1..=1, |a, _, _| Ok(Value::Str(format!("/graph?g0.expr={}&g0.tab=0", query_escape(text(a, 0)?))))),
    ("tableLink", 1..=1, |a, _, _| Ok(Value::Str(format!("/graph?g0.expr={}&g0.tab=1", query_escape(text(a, 0)?))))),
    ("externalURL", 0..=0, |_, _, data| Ok(field(data, "ExternalURL"))),
    ("pathPrefix", 0..=0, |_, _, data| {
        let path = url::Url::parse(&printf::plain(&field(data, "ExternalURL"))).map(|u| u.path().to_owned());
        Ok(Value::Str(path.unwrap_or_default()))
    }),
    ("safeHtml", 1..=1, |a, _, _| Ok(Value::Str(text(a, 0)?.to_owned()))),
    ("match", 2..=2, |a, _, _| Ok(Value::Bool(re2::anywhere(text(a, 0)?)?.is_match(text(a, 1)?)))),
    ("reReplaceAll", 3..=3, |a, _, _| {
        Ok(Value::Str(re2::replace_all(&re2::anywhere(text(a, 0)?)?, text(a, 2)?, text(a, 1)?)))
    }),
    ("title", 1..=1, |a, _, _| Ok(Value::Str(title(text(a, 0)?)))),
    ("toUpper", 1..=1, |a, _, _| Ok(Value::Str(text(a, 0)?.to_uppercase()))),
    ("toLower", 1..=1, |a, _, _| Ok(Value::Str(text(a, 0)?.to_lowercase()))),
];

fn all() -> impl Iterator<Item = &'static Entry> {
    TABLE.iter().chain(messages::TABLE)
}

/// Returns the functions' names.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|(name, ..)| *name).chain(EARLY)
}

/// Returns whether there is such a function.
pub fn is_known(name: &str) -> bool {
    names().any(|n| n == name)
}

/// Calls one; `and` and `or` are the evaluator's.
pub fn call(name: &str, arguments: &[Value], host: &mut dyn Host, data: &Value) -> Result<Value, String> {
    let (.., function) = all().find(|(n, ..)| *n == name).ok_or_else(|| format!("function {name:?} not defined"))?;
    count(name, arguments.len())?;
    function(arguments, host, data).map_err(|e| format!("error calling {name}: {e}"))
}

/// Whether a function takes so many arguments.
///
/// # Errors
/// When it does not; in Go's words.
pub fn count(name: &str, given: usize) -> Result<(), String> {
    let takes = all().find(|(n, ..)| *n == name).map_or(&EARLY_ARGUMENTS, |(_, takes, _)| takes);
    let want = match (takes.start(), takes.end()) {
        _ if takes.contains(&given) => return Ok(()),
        (least, &MANY) => format!("at least {least}"),
        (least, most) if least == most => least.to_string(),
        (least, most) => format!("{least} to {most}"),
    };
    Err(format!("wrong number of args for {name}: want {want} got {given}"))
}

/// Returns `; did you mean "x"?` for a name that is nearly one of these.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let best = known.map(|k| (strsim::jaro_winkler(name, k), k)).max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((score, k)) if score >= NEAR => format!("; did you mean {k:?}?"),
        _ => String::new(),
    }
}

/// Returns whether a value is true, as in Go: not false, zero, empty or nothing.
pub fn is_true(value: &Value) -> bool {
    match value {
        Value::Nil => false,
        Value::Bool(b) => *b,
        Value::Int(n) => *n != 0,
        Value::Float(v) => *v != 0.0,
        Value::Str(s) => !s.is_empty(),
        Value::Time(_) => true,
        Value::List(items) => !items.is_empty(),
        Value::Map(map) => !map.is_empty(),
    }
}

fn arg(a: &[Value], i: usize) -> Result<&Value, String> {
    a.get(i).ok_or_else(|| format!("wrong number of args: {} given", a.len()))
}

fn text(a: &[Value], i: usize) -> Result<&str, String> {
    match arg(a, i)? {
        Value::Str(s) => Ok(s),
        other => Err(format!("expected a string, not {}", printf::plain(other))),
    }
}

fn float(a: &[Value], i: usize) -> Result<f64, String> {
    match arg(a, i)? {
        Value::Float(v) => Ok(*v),
        #[allow(clippy::cast_precision_loss)] // As Go's own conversion.
        Value::Int(n) => Ok(*n as f64),
        Value::Str(s) => number(s).ok_or_else(|| format!("strconv.ParseFloat: parsing {s:?}: invalid syntax")),
        other => Err(format!("can't convert {} to float", printf::plain(other))),
    }
}

fn number(s: &str) -> Option<f64> {
    match s.trim_start_matches('+') {
        "Inf" | "inf" => Some(f64::INFINITY),
        "-Inf" | "-inf" => Some(f64::NEG_INFINITY),
        "NaN" | "nan" => Some(f64::NAN),
        plain => plain.parse().ok(),
    }
}

fn time(a: &[Value], i: usize) -> Result<Timestamp, String> {
    match arg(a, i)? {
        Value::Time(at) => Ok(*at),
        Value::Str(s) => s.parse().map_err(|_| format!("{s:?} is not a time")),
        other => Err(format!("{} is not a time", printf::plain(other))),
    }
}

fn moment(seconds: f64) -> Option<Timestamp> {
    #[allow(clippy::cast_possible_truncation)] // Saturates, and is then out of range.
    seconds.is_finite().then(|| Timestamp::from_millisecond((seconds * 1e3) as i64).ok()).flatten()
}

fn field(data: &Value, name: &str) -> Value {
    match data {
        Value::Map(map) => map.get(name).cloned().unwrap_or(Value::Str(String::new())),
        _ => Value::Str(String::new()),
    }
}

fn part(a: &[Value], name: &str) -> Result<Value, String> {
    match arg(a, 0)? {
        Value::Map(map) => map.get(name).cloned().ok_or_else(|| "that is no sample of query()".into()),
        _ => Err("that is no sample of query()".into()),
    }
}

fn label(name: &str, sample: &Value) -> Result<Value, String> {
    let labels = part(std::slice::from_ref(sample), "Labels")?;
    Ok(field(&labels, name))
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        #[allow(clippy::cast_precision_loss)] // A constant beside a measured value.
        (Value::Int(n), Value::Float(v)) | (Value::Float(v), Value::Int(n)) => *n as f64 == *v,
        (a, b) => a == b,
    }
}

fn order(a: &[Value]) -> Result<Option<std::cmp::Ordering>, String> {
    match (arg(a, 0)?, arg(a, 1)?) {
        (Value::Str(x), Value::Str(y)) => Ok(Some(x.cmp(y))),
        (Value::Time(x), Value::Time(y)) => Ok(Some(x.cmp(y))),
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
            Ok(float(a, 0)?.partial_cmp(&float(a, 1)?))
        }
        _ => Err("incompatible types for comparison".into()),
    }
}

fn length(value: &Value) -> Result<Value, String> {
    let n = match value {
        Value::Str(s) => s.len(),
        Value::List(items) => items.len(),
        Value::Map(map) => map.len(),
        other => return Err(format!("len of {}", printf::plain(other))),
    };
    Ok(Value::Int(i64::try_from(n).unwrap_or(i64::MAX)))
}

fn index(a: &[Value]) -> Result<Value, String> {
    let mut at = arg(a, 0)?.clone();
    for key in a.iter().skip(1) {
        at = match (&at, key) {
            (Value::Map(_), Value::Str(name)) => field(&at, name),
            (Value::List(items), Value::Int(n)) => {
                let found = usize::try_from(*n).ok().and_then(|n| items.get(n));
                found.cloned().ok_or_else(|| format!("index out of range: {n}"))?
            }
            _ => return Err("that can't be indexed so".into()),
        };
    }
    Ok(at)
}

fn slice(a: &[Value]) -> Result<Value, String> {
    let bound = |i: usize, otherwise: usize| match a.get(i) {
        Some(Value::Int(n)) => usize::try_from(*n).map_err(|_| format!("index out of range: {n}")),
        Some(_) => Err("an index is a whole number".to_owned()),
        None => Ok(otherwise),
    };
    match arg(a, 0)? {
        Value::Str(s) => s.get(bound(1, 0)?..bound(2, s.len())?).map(|s| Value::Str(s.to_owned())),
        Value::List(l) => l.get(bound(1, 0)?..bound(2, l.len())?).map(|l| Value::List(l.to_vec())),
        _ => None,
    }
    .ok_or_else(|| "index out of range".into())
}

/// Go's `fmt.Sprint`: a blank between two that are no strings.
fn print(a: &[Value]) -> String {
    let mut out = String::new();
    for (i, value) in a.iter().enumerate() {
        let is_text = |v: &Value| matches!(v, Value::Str(_));
        if i > 0 && !is_text(value) && !is_text(&a[i - 1]) {
            out.push(' ');
        }
        out.push_str(&printf::plain(value));
    }
    out
}

fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut starts = true;
    for c in text.chars() {
        if starts {
            out.extend(c.to_uppercase())
        } else {
            out.push(c)
        }
        starts = !(c.is_alphanumeric() || c == '_' || c == '\'');
    }
    out
}

fn strip_port(text: &str) -> &str {
    match text.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => match host.strip_prefix('[') {
            Some(v6) => v6.strip_suffix(']').unwrap_or(text),
            None if host.contains(':') => text,
            None => host,
        },
        _ => text,
    }
}

fn strip_domain(text: &str) -> String {
    let host = strip_port(text);
    if host.parse::<std::net::IpAddr>().is_ok() {
        return text.to_owned();
    }
    let short = host.split('.').next().unwrap_or(host);
    let port = text.rsplit_once(':').filter(|_| host != text).map(|(_, port)| format!(":{port}"));
    format!("{short}{}", port.unwrap_or_default())
}

/// Go's `html.EscapeString`.
pub fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('\'', "&#39;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&#34;")
}

fn query_escape(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Nil => serde_json::Value::Null,
        Value::Bool(b) => (*b).into(),
        Value::Int(n) => (*n).into(),
        Value::Float(v) => (*v).into(),
        Value::Str(s) => s.as_str().into(),
        Value::Time(at) => at.to_string().into(),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(map) => serde_json::Value::Object(map.iter().map(|(k, v)| (k.clone(), to_json(v))).collect()),
    }
}

/// Returns what Alertmanager's label sets can do besides being looked into; `None`: not this name.
pub fn method(of: &Value, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
    match (of, name) {
        (Value::List(items), "Firing" | "Resolved") => {
            let wanted = Value::Str(name.to_lowercase());
            let is = |item: &&Value| matches!(item, Value::Map(m) if m.get("Status") == Some(&wanted));
            Some(Ok(Value::List(items.iter().filter(is).cloned().collect())))
        }
        (Value::Map(map), "SortedPairs") if !map.contains_key(name) => {
            let pair = |(k, v): (&String, &Value)| {
                Value::Map([("Name".to_owned(), Value::Str(k.clone())), ("Value".to_owned(), v.clone())].into())
            };
            // Alertmanager puts the alert's name first (template/template.go, KV.SortedPairs).
            let (first, rest): (Vec<_>, Vec<_>) = map.iter().partition(|(k, _)| *k == "alertname");
            Some(Ok(Value::List(first.into_iter().chain(rest).map(pair).collect())))
        }
        (Value::Map(map), "Names") if !map.contains_key(name) => {
            Some(Ok(Value::List(map.keys().map(|k| Value::Str(k.clone())).collect())))
        }
        (Value::Map(map), "Values") if !map.contains_key(name) => {
            Some(Ok(Value::List(map.values().cloned().collect())))
        }
        // Of `SortedPairs`, too: its pairs are a list of names and values.
        (Value::List(items), "Names" | "Values") => {
            let key = name.trim_end_matches('s');
            Some(Ok(Value::List(items.iter().map(|i| field(i, key)).collect())))
        }
        (Value::Map(map), "Remove") if !map.contains_key(name) => {
            let Some(Value::List(gone)) = arguments.first() else {
                return Some(Err("Remove takes a list of names".into()));
            };
            let left: BTreeMap<String, Value> = map
                .iter()
                .filter(|(k, _)| !gone.contains(&Value::Str((*k).clone())))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            Some(Ok(Value::Map(left)))
        }
        (Value::Time(at), "Format") => Some(match arguments.first() {
            Some(Value::Str(layout)) => Ok(Value::Str(layout::format(&at.to_zoned(TimeZone::UTC), layout))),
            _ => Err("Format takes a layout".into()),
        }),
        (Value::Time(at), "Unix") => Some(Ok(Value::Int(at.as_second()))),
        (Value::Time(at), "UTC" | "Local") => Some(Ok(Value::Time(*at))),
        (Value::Time(at), "Sub") => Some(match arguments.first() {
            Some(Value::Time(other)) => Ok(Value::Float(at.duration_since(*other).as_secs_f64())),
            _ => Err("Sub takes a time".into()),
        }),
        _ => None,
    }
}
