//! Functions of Alertmanager's messages (its template/template.go) that rules don't have.

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use jiff::tz::TimeZone;

use super::{Entry, MANY, arg, field, text, time, to_json};
use crate::template::{Value, layout, printf};

/// As the other table.
pub const TABLE: &[Entry] = &[
    ("trimSpace", 1..=1, |a, _, _| Ok(Value::Str(text(a, 0)?.trim().to_owned()))),
    ("join", 2..=2, |a, _, _| match arg(a, 1)? {
        Value::List(items) => Ok(Value::Str(items.iter().map(printf::plain).collect::<Vec<_>>().join(text(a, 0)?))),
        _ => Err("join takes a separator and a list".into()),
    }),
    ("safeUrl", 1..=1, |a, _, _| Ok(Value::Str(text(a, 0)?.to_owned()))),
    ("urlUnescape", 1..=1, |a, _, _| {
        let text = text(a, 0)?.replace('+', " ");
        let pair = format!("v={text}");
        Ok(Value::Str(
            url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, v)| v.into_owned()).unwrap_or_default(),
        ))
    }),
    ("stringSlice", 0..=MANY, |a, _, _| Ok(Value::List(a.to_vec()))),
    ("date", 2..=2, |a, _, _| Ok(Value::Str(layout::format(&time(a, 1)?.to_zoned(TimeZone::UTC), text(a, 0)?)))),
    ("tz", 2..=2, |a, _, _| {
        // The zone goes along as the text: only `date` after it reads a time, and it takes texts too.
        let zone = TimeZone::get(text(a, 0)?).map_err(|_| format!("unknown time zone {}", printf::plain(&a[0])))?;
        Ok(Value::Str(time(a, 1)?.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()))
    }),
    ("since", 1..=1, |a, host, _| {
        let seconds = host.now().duration_since(time(a, 0)?).as_secs_f64();
        Ok(Value::Float(seconds))
    }),
    ("toJson", 1..=1, |a, _, _| Ok(Value::Str(to_json(arg(a, 0)?).to_string()))),
    ("list", 0..=MANY, |a, _, _| Ok(Value::List(a.to_vec()))),
    ("append", 1..=MANY, |a, _, _| match arg(a, 0)? {
        Value::List(items) => Ok(Value::List(items.iter().chain(a.iter().skip(1)).cloned().collect())),
        _ => Err("append takes a list and what is added to it".into()),
    }),
    ("dict", 0..=MANY, |a, _, _| dict(a)),
    ("base64encode", 1..=1, |a, _, _| Ok(Value::Str(URL_SAFE.encode(text(a, 0)?)))),
    ("base64decode", 1..=1, |a, _, _| {
        let bytes = URL_SAFE.decode(text(a, 0)?).map_err(|e| format!("illegal base64 data: {e}"))?;
        Ok(Value::Str(String::from_utf8_lossy(&bytes).into_owned()))
    }),
    // Where it can't be read, Go gives its zero time.
    ("toDate", 2..=2, |a, _, _| Ok(Value::Time(layout::read(text(a, 0)?, text(a, 1)?).unwrap_or(layout::ZERO)))),
    ("mustToDate", 2..=2, |a, _, _| layout::read(text(a, 0)?, text(a, 1)?).map(Value::Time)),
    ("addDuration", 2..=2, |a, _, _| {
        let (negative, length) = text(a, 0)?.strip_prefix('-').map_or((false, text(a, 0)?), |length| (true, length));
        let length = humantime::parse_duration(length).map_err(|_| format!("time: invalid duration {length:?}"))?;
        let at = time(a, 1)?;
        let moved = if negative { at.checked_sub(length) } else { at.checked_add(length) };
        moved.map(|at| Value::Int(at.as_millisecond())).map_err(|_| "that is too far away".into())
    }),
    ("routeLabels", 1..=1, |a, _, data| {
        let name = text(a, 0)?;
        match data {
            Value::Map(map) => Ok(map.get("RouteLabels").map_or(Value::Str(String::new()), |l| field(l, name))),
            _ => Ok(Value::Str(String::new())),
        }
    }),
];

/// Keys and values in turn.
fn dict(a: &[Value]) -> Result<Value, String> {
    let pair = |pair: &[Value]| match pair {
        [Value::Str(key), value] => Ok((key.clone(), value.clone())),
        [_, _] => Err("dict keys must be strings".to_owned()),
        _ => Err("dict requires an even number of arguments".to_owned()),
    };
    Ok(Value::Map(a.chunks(2).map(pair).collect::<Result<_, _>>()?))
}
