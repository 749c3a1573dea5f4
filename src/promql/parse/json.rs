//! The tree as `/api/v1/parse_query` shows it (web/api/v1/translate_ast.go).

use serde_json::{Value, json};

use super::{
    print::{match_op, number},
    tree::{Binary, Kind, Length, LengthKind, Node, Selector, Shift},
};
use crate::{
    model::{METRIC_NAME, Matcher},
    promql::{
        ValueType,
        expr::{At, Card},
        functions,
    },
};

/// Shows a tree.
pub fn tree(node: &Node) -> Value {
    match &node.kind {
        Kind::Number { value, .. } => json!({"type": "numberLiteral", "val": number(*value, false)}),
        Kind::Text(text) => json!({"type": "stringLiteral", "val": text}),
        Kind::Paren(inner) => json!({"type": "parenExpr", "expr": tree(inner)}),
        Kind::Unary { minus, of } => {
            json!({"type": "unaryExpr", "op": if *minus { "-" } else { "+" }, "expr": tree(of)})
        }
        Kind::Selector(s) => with(shifted(&s.shift), selector("vectorSelector", s)),
        Kind::Range(s, range) => {
            let range = json!({"range": literal_ms(Some(range)), "rangeExpr": reckoned(Some(range))});
            with(with(shifted(&s.shift), selector("matrixSelector", s)), range)
        }
        Kind::Subquery(s) => {
            let own = json!({
                "type": "subquery",
                "expr": tree(&s.expr),
                "range": literal_ms(Some(&s.range)),
                "rangeExpr": reckoned(Some(&s.range)),
                "step": literal_ms(s.step.as_ref()),
                "stepExpr": reckoned(s.step.as_ref()),
            });
            with(shifted(&s.shift), own)
        }
        Kind::Call { name, args } => {
            json!({"type": "call", "func": function(name), "args": args.iter().map(tree).collect::<Vec<_>>()})
        }
        Kind::Aggregate(a) => json!({
            "type": "aggregation",
            "op": a.op,
            "expr": tree(&a.expr),
            "param": a.param.as_ref().map(tree),
            "grouping": a.labels,
            "without": a.without,
        }),
        Kind::Binary(b) => json!({
            "type": "binaryExpr",
            "op": b.op,
            "lhs": tree(&b.lhs),
            "rhs": tree(&b.rhs),
            "matching": matching(b),
            "bool": b.return_bool,
        }),
    }
}

/// One object of two.
fn with(mut all: Value, more: Value) -> Value {
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    all
}

fn selector(kind: &str, s: &Selector) -> Value {
    let named = s.name.as_ref().map(|name| Matcher::equal(METRIC_NAME, name));
    let shown = |m: &Matcher| json!({"name": &*m.name, "value": &*m.value, "type": match_op(m)});
    json!({
        "type": kind,
        "name": s.name.as_deref().unwrap_or_default(),
        "matchers": s.matchers.iter().chain(&named).map(shown).collect::<Vec<_>>(),
        "anchored": s.anchored,
        "smoothed": s.smoothed,
    })
}

fn shifted(shift: &Shift) -> Value {
    let (timestamp, start_or_end) = match shift.at {
        None => (None, None),
        Some(At::Time(ms)) => (Some(ms), None),
        Some(At::Start) => (None, Some("start")),
        Some(At::End) => (None, Some("end")),
    };
    json!({
        "offset": literal_ms(shift.offset.as_ref()),
        "offsetExpr": reckoned(shift.offset.as_ref()),
        "timestamp": timestamp,
        "startOrEnd": start_or_end,
    })
}

/// Of what has to be reckoned, nothing yet.
fn literal_ms(of: Option<&Length>) -> i64 {
    let seconds = of.and_then(Length::literal).unwrap_or_default();
    #[allow(clippy::cast_possible_truncation)] // The grammar has seen to it.
    let ms = (seconds * 1e3).round() as i64;
    ms
}

fn reckoned(of: Option<&Length>) -> Value {
    of.filter(|length| length.literal().is_none()).map_or(Value::Null, calculation)
}

fn calculation(of: &Length) -> Value {
    let node = |op: &str, lhs: Value, rhs: Value| json!({"type": "durationExpr", "op": op, "lhs": lhs, "rhs": rhs, "wrapped": of.wrapped});
    match &of.kind {
        LengthKind::Seconds { value, duration } => {
            json!({"type": "numberLiteral", "val": number(*value, false), "duration": duration})
        }
        LengthKind::Step => node("step", Value::Null, Value::Null),
        LengthKind::Range => node("range", Value::Null, Value::Null),
        LengthKind::Unary { minus, of } => node(if *minus { "-" } else { "+" }, Value::Null, calculation(of)),
        LengthKind::Binary { op, lhs, rhs } => node(op, calculation(lhs), calculation(rhs)),
    }
}

fn function(name: &str) -> Value {
    let Some(function) = functions::lookup(name) else { return json!({"name": name}) };
    let (types, variadic) = functions::signature(function);
    json!({
        "name": name,
        "argTypes": types.iter().map(|t| t.named()).collect::<Vec<_>>(),
        "variadic": variadic,
        "returnType": function.value_type().named(),
    })
}

/// A number as Go writes it to JSON: whole ones without a point.
fn plain(value: f64) -> Value {
    #[allow(clippy::cast_possible_truncation)] // Only whole numbers of a size that 64 bits hold.
    if value.fract() == 0.0 && value.abs() < 1e15 { json!(value as i64) } else { json!(value) }
}

fn matching(b: &Binary) -> Value {
    if b.lhs.value_type() != ValueType::Vector || b.rhs.value_type() != ValueType::Vector {
        return Value::Null;
    }
    let card = match b.card {
        _ if matches!(b.op, "and" | "or" | "unless") => "many-to-many",
        Card::ManyToOne => "many-to-one",
        Card::OneToMany => "one-to-many",
        _ => "one-to-one",
    };
    let fill = json!({"lhs": b.fill.left.map(plain), "rhs": b.fill.right.map(plain)});
    json!({"card": card, "labels": b.labels, "on": b.on, "include": b.include, "fillValues": fill})
}
