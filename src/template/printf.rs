//! `printf` with Go's verbs, and values as `print` writes them. Pure.

use super::{OUTPUT_MAX, Value, layout, number};
use crate::model::text::quoted;

/// Digits or blanks that one verb may ask for.
const WIDTH_MAX: usize = 10_000;

/// Returns a value as Go's `%v` writes it.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Nil => "<nil>".into(),
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Float(v) => number::shortest(*v),
        Value::Str(text) => text.clone(),
        Value::Time(at) => layout::plain(*at),
        Value::List(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" ")),
        Value::Map(map) => {
            let pairs: Vec<String> = map.iter().map(|(k, v)| format!("{k}:{}", plain(v))).collect();
            format!("map[{}]", pairs.join(" "))
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Nil => "<nil>",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) => "float64",
        Value::Str(_) => "string",
        Value::Time(_) => "time.Time",
        Value::List(_) => "[]interface {}",
        Value::Map(_) => "map[string]string",
    }
}

#[derive(Default)]
struct Flags {
    minus: bool,
    plus: bool,
    zero: bool,
    space: bool,
    sharp: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Go's `fmt.Sprintf`.
pub fn sprintf(format: &str, arguments: &[Value]) -> String {
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    let mut next = 0;
    while let Some(c) = chars.next() {
        if out.len() > OUTPUT_MAX {
            break;
        }
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut flags = Flags::default();
        while let Some(c) = chars.next_if(|c| "-+0 #".contains(*c)) {
            match c {
                '-' => flags.minus = true,
                '+' => flags.plus = true,
                '0' => flags.zero = true,
                ' ' => flags.space = true,
                _ => flags.sharp = true,
            }
        }
        flags.width = digits(&mut chars);
        if chars.next_if_eq(&'.').is_some() {
            flags.precision = Some(digits(&mut chars).unwrap_or(0));
        }
        match chars.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(verb) => match arguments.get(next) {
                Some(value) => {
                    next += 1;
                    out.push_str(&one(verb, &flags, value));
                }
                None => out.push_str(&format!("%!{verb}(MISSING)")),
            },
        }
    }
    if next < arguments.len() {
        let extra: Vec<String> = arguments[next..].iter().map(|a| format!("{}={}", type_of(a), plain(a))).collect();
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    out
}

fn digits(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<usize> {
    let mut n = None;
    while let Some(c) = chars.next_if(char::is_ascii_digit) {
        let digit = c.to_digit(10).map_or(0, |d| d as usize);
        n = Some((n.unwrap_or(0usize).saturating_mul(10) + digit).min(WIDTH_MAX));
    }
    n
}

fn one(verb: char, flags: &Flags, value: &Value) -> String {
    let text = match (verb, value) {
        ('v', Value::Str(s)) | ('s', Value::Str(s)) => cut(s, flags),
        ('v' | 's', Value::Time(_) | Value::List(_) | Value::Map(_)) => plain(value),
        ('v', Value::Float(v)) => signed(number::general(*v, flags.precision), *v >= 0.0, flags),
        ('v', Value::Int(n)) => signed(n.to_string(), *n >= 0, flags),
        ('v', other) => plain(other),
        ('T', other) => type_of(other).into(),
        ('q', Value::Str(s)) => quoted(&s.chars().take(flags.precision.unwrap_or(usize::MAX)).collect::<String>()),
        ('t', Value::Bool(b)) => b.to_string(),
        ('d', Value::Int(n)) => signed(n.to_string(), *n >= 0, flags),
        ('x', Value::Int(n)) => format!("{n:x}"),
        ('X', Value::Int(n)) => format!("{n:X}"),
        ('o', Value::Int(n)) => format!("{n:o}"),
        ('b', Value::Int(n)) => format!("{n:b}"),
        ('c', Value::Int(n)) => u32::try_from(*n).ok().and_then(char::from_u32).unwrap_or('\u{fffd}').to_string(),
        ('x', Value::Str(s)) => s.bytes().map(|b| format!("{b:02x}")).collect(),
        ('f' | 'F', Value::Float(v)) => signed(number::fixed(*v, flags.precision.unwrap_or(6)), *v >= 0.0, flags),
        ('e', Value::Float(v)) => signed(number::exponential(*v, flags.precision.unwrap_or(6)), *v >= 0.0, flags),
        ('g' | 'G', Value::Float(v)) => signed(number::general(*v, flags.precision), *v >= 0.0, flags),
        (verb, value) => return format!("%!{verb}({}={})", type_of(value), plain(value)),
    };
    pad(text, flags, matches!(value, Value::Int(_) | Value::Float(_)))
}

fn cut(text: &str, flags: &Flags) -> String {
    flags.precision.map_or_else(|| text.to_owned(), |n| text.chars().take(n).collect())
}

fn signed(text: String, positive: bool, flags: &Flags) -> String {
    match (positive && !text.starts_with('+'), flags.plus, flags.space) {
        (true, true, _) => format!("+{text}"),
        (true, false, true) => format!(" {text}"),
        (false, false, _) if text.starts_with("+Inf") => text,
        _ => text,
    }
}

fn pad(text: String, flags: &Flags, is_number: bool) -> String {
    let missing = flags.width.unwrap_or(0).saturating_sub(text.chars().count());
    if missing == 0 {
        return text;
    }
    if flags.minus {
        return format!("{text}{}", " ".repeat(missing));
    }
    if flags.zero && is_number {
        let (sign, digits) = match text.strip_prefix(['-', '+']) {
            Some(digits) => (&text[..1], digits),
            None => ("", text.as_str()),
        };
        return format!("{sign}{}{digits}", "0".repeat(missing));
    }
    format!("{}{text}", " ".repeat(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_of_go() {
        let check =
            |format: &str, arguments: &[Value], expected: &str| assert_eq!(sprintf(format, arguments), expected);
        let text = |t: &str| Value::Str(t.into());
        check("%s is %d%%", &[text("a"), Value::Int(5)], "a is 5%");
        check(
            "%.2f|%5.1f|%-5d|%05d",
            &[Value::Float(1.005), Value::Float(2.25), Value::Int(7), Value::Int(-7)],
            "1.00|  2.2|7    |-0007",
        );
        check(
            "%q %v %t %x",
            &[text("a\"b"), Value::Float(1e6), Value::Bool(true), Value::Int(255)],
            "\"a\\\"b\" 1e+06 true ff",
        );
        check("%d", &[text("x")], "%!d(string=x)");
        check("%s", &[], "%!s(MISSING)");
        check("a", &[Value::Int(1)], "a%!(EXTRA int=1)");
        check("%+d %g %.3g", &[Value::Int(3), Value::Float(0.1), Value::Float(1234.5)], "+3 0.1 1.23e+03");
        check("%", &[], "%!(NOVERB)");
    }
}
