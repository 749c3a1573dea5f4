//! The tree as text again: in one line, or over several where it is long (promql/parser/printer.go, prettier.go).

use std::sync::Arc;

use super::{
    literal::shown_duration,
    tree::{Aggregate, Binary, Kind, Length, LengthKind, Node, Selector, Shift},
};
use crate::{
    model::{METRIC_NAME, MatchOp, Matcher},
    promql::{
        annotations::shortest,
        expr::{At, Card},
    },
};

/// What is longer stands in several lines.
const LINE: usize = 100;

/// Lays a tree out for reading.
pub fn pretty(node: &Node) -> String {
    laid_out(node, 0)
}

fn indent(level: usize) -> String {
    "  ".repeat(level)
}

fn laid_out(node: &Node, level: usize) -> String {
    let here = indent(level);
    let line = line(node);
    match &node.kind {
        // Signs stand before what is laid out; its indent before them.
        Kind::Unary { minus, of } => {
            let sign = if *minus { "-" } else { "+" };
            format!("{here}{sign}{}", laid_out(of, level).trim())
        }
        Kind::Subquery(_) if line.len() <= LINE => line,
        _ if line.len() <= LINE => format!("{here}{line}"),
        Kind::Subquery(s) => {
            format!("{}{}", laid_out(&s.expr, level), subquery_suffix(&s.range, s.step.as_ref(), &s.shift))
        }
        Kind::Paren(inner) => format!("{here}(\n{}\n{here})", laid_out(inner, level + 1)),
        Kind::Call { name, args } => {
            let args: Vec<String> = args.iter().map(|arg| laid_out(arg, level + 1)).collect();
            format!("{here}{name}(\n{}\n{here})", args.join(",\n"))
        }
        Kind::Aggregate(a) => {
            let param = a.param.iter().map(|param| format!("{},\n", laid_out(param, level + 1)));
            let param = param.collect::<String>();
            format!("{here}{}(\n{param}{}\n{here})", aggregation(a), laid_out(&a.expr, level + 1))
        }
        Kind::Binary(b) => {
            let (lhs, rhs) = (laid_out(&b.lhs, level + 1), laid_out(&b.rhs, level + 1));
            format!("{lhs}\n{here}{}{}\n{rhs}", b.op, matching(b))
        }
        _ => format!("{here}{line}"),
    }
}

/// Writes a tree in one line.
pub fn line(node: &Node) -> String {
    match &node.kind {
        Kind::Number { value, duration } => number(*value, *duration),
        Kind::Text(text) => quoted(text),
        Kind::Paren(inner) => format!("({})", line(inner)),
        Kind::Unary { minus, of } => format!("{}{}", if *minus { "-" } else { "+" }, line(of)),
        Kind::Selector(s) => {
            let offset = offset(&s.shift);
            format!("{}{}{}{offset}", series(s), at(&s.shift), extension(s))
        }
        Kind::Range(s, range) => {
            format!("{}[{}]{}{}{}", series(s), length(range), extension(s), at(&s.shift), offset(&s.shift))
        }
        Kind::Subquery(s) => format!("{}{}", line(&s.expr), subquery_suffix(&s.range, s.step.as_ref(), &s.shift)),
        Kind::Call { name, args } => format!("{name}({})", args.iter().map(line).collect::<Vec<_>>().join(", ")),
        Kind::Aggregate(a) => {
            let param = a.param.iter().map(|param| format!("{}, ", line(param))).collect::<String>();
            format!("{}({param}{})", aggregation(a), line(&a.expr))
        }
        Kind::Binary(b) => format!("{} {}{} {}", line(&b.lhs), b.op, matching(b), line(&b.rhs)),
    }
}

/// A number as Prometheus writes it.
pub fn number(value: f64, duration: bool) -> String {
    #[allow(clippy::cast_possible_truncation)] // A duration's seconds.
    let ms = (value * 1e3).round() as i64;
    if duration { shown_duration(ms) } else { crate::promql::format_float(value) }
}

/// As Go's `strconv.Quote`.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 || u32::from(c) == 0x7f => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Writes a length of time.
pub fn length(of: &Length) -> String {
    let text = match &of.kind {
        // In brackets every literal is written as a duration.
        LengthKind::Seconds { value, .. } => number(*value, true),
        LengthKind::Step => "step()".into(),
        LengthKind::Range => "range()".into(),
        LengthKind::Unary { minus, of } => format!("{}{}", if *minus { "-" } else { "" }, operand(of)),
        LengthKind::Binary { op: op @ ("max_of" | "min_of"), lhs, rhs } => {
            format!("{op}({}, {})", operand(lhs), operand(rhs))
        }
        LengthKind::Binary { op, lhs, rhs } => format!("{} {op} {}", operand(lhs), operand(rhs)),
    };
    if of.wrapped { format!("({text})") } else { text }
}

/// Within a calculation a number stays one.
fn operand(of: &Length) -> String {
    match of.kind {
        LengthKind::Seconds { value, duration } => number(value, duration),
        _ => length(of),
    }
}

fn subquery_suffix(range: &Length, step: Option<&Length>, shift: &Shift) -> String {
    format!("[{}:{}]{}{}", length(range), step.map(length).unwrap_or_default(), at(shift), offset(shift))
}

fn at(shift: &Shift) -> String {
    match shift.at {
        None => String::new(),
        Some(At::Time(ms)) => format!(" @ {:.3}", ms as f64 / 1e3),
        Some(At::Start) => " @ start()".into(),
        Some(At::End) => " @ end()".into(),
    }
}

fn offset(shift: &Shift) -> String {
    match &shift.offset {
        Some(offset) if offset.literal() != Some(0.0) => format!(" offset {}", length(offset)),
        _ => String::new(),
    }
}

fn extension(selector: &Selector) -> &'static str {
    match (selector.anchored, selector.smoothed) {
        (true, _) => " anchored",
        (_, true) => " smoothed",
        _ => "",
    }
}

fn series(selector: &Selector) -> String {
    let name = selector.name.as_deref().unwrap_or_default();
    let mut conditions: Vec<String> = selector.matchers.iter().map(condition).collect();
    conditions.sort();
    if conditions.is_empty() { name.into() } else { format!("{name}{{{}}}", conditions.join(",")) }
}

/// How an operator between a label and its value is written.
pub fn match_op(matcher: &Matcher) -> &'static str {
    match matcher.op {
        MatchOp::Equal => "=",
        MatchOp::NotEqual => "!=",
        MatchOp::Regex(_) => "=~",
        MatchOp::NotRegex(_) => "!~",
    }
}

fn condition(matcher: &Matcher) -> String {
    format!("{}{}{}", label(&matcher.name), match_op(matcher), quoted(&matcher.value))
}

/// Quoted where it is no plain name.
fn label(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if plain && begins || name == METRIC_NAME { name.into() } else { quoted(name) }
}

fn labels(of: &[Arc<str>]) -> String {
    of.iter().map(|name| label(name)).collect::<Vec<_>>().join(", ")
}

fn aggregation(a: &Aggregate) -> String {
    match (a.without, a.labels.is_empty()) {
        (true, _) => format!("{} without ({}) ", a.op, labels(&a.labels)),
        (false, false) => format!("{} by ({}) ", a.op, labels(&a.labels)),
        (false, true) => a.op.into(),
    }
}

fn matching(b: &Binary) -> String {
    let mut out = String::from(if b.return_bool { " bool" } else { "" });
    let grouped = matches!(b.card, Card::ManyToOne | Card::OneToMany);
    if !b.labels.is_empty() || b.on || grouped {
        out.push_str(&format!(" {} ({})", if b.on { "on" } else { "ignoring" }, labels(&b.labels)));
    }
    if grouped {
        let side = if b.card == Card::ManyToOne { "left" } else { "right" };
        out.push_str(&format!(" group_{side} ({})", labels(&b.include)));
    }
    match (b.fill.left, b.fill.right) {
        #[allow(clippy::float_cmp)] // NaN is not itself, and so written twice, as there.
        (Some(left), Some(right)) if left == right => out.push_str(&format!(" fill ({})", shortest(left))),
        (left, right) => {
            for (side, value) in [("left", left), ("right", right)] {
                out.extend(value.map(|value| format!(" fill_{side} ({})", shortest(value))));
            }
        }
    }
    out
}
