//! Conditions on labels, in the ways in which Alertmanager's configuration and API write them. Pure.
//!
//! `foo="bar"`, `foo=~bar|baz`, `{a="b", "with space"!="c"}`: the classic form and the one for names in UTF-8
//! (pkg/labels/parse.go, matcher/parse).

use std::collections::BTreeMap;

use crate::model::{MatchOp, Matcher, Pairs, SilenceMatcher};

/// Conditions that must all hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matchers(Vec<Matcher>);

impl Matchers {
    /// From the three keys that a route has: `match`, `match_re` and `matchers`.
    ///
    /// # Errors
    /// The first that is none; in words.
    pub fn new(
        equal: &BTreeMap<String, String>,
        regex: &BTreeMap<String, String>,
        texts: &[String],
    ) -> Result<Self, String> {
        let mut all = Vec::new();
        for (name, value) in equal {
            all.push(Matcher::new(name, "=", value)?);
        }
        for (name, value) in regex {
            let matcher = Matcher::new(name, "=~", value)?;
            // Alertmanager writes these with their anchors, in group keys too (config.Regexp).
            all.push(Matcher { value: format!("^(?:{value})$").into(), ..matcher });
        }
        for text in texts {
            all.extend(parse(text)?);
        }
        all.sort_by(|a, b| (&a.name, &a.value).cmp(&(&b.name, &b.value)));
        Ok(Self(all))
    }

    /// Of a silence, with the bytes that its regular expressions take.
    ///
    /// # Errors
    /// The first that is none, or what together is larger than `bytes_max`; in words.
    pub fn of_silence(matchers: &[SilenceMatcher], bytes_max: usize) -> Result<(Self, usize), String> {
        let (mut all, mut bytes) = (Vec::with_capacity(matchers.len()), 0);
        for m in matchers {
            let (matcher, takes) = Matcher::weighed(&m.name, operator(m), &m.value)?;
            bytes += takes;
            if bytes > bytes_max {
                return Err("its regular expressions are too large together: name fewer or simpler ones".into());
            }
            all.push(matcher);
        }
        Ok((Self(all), bytes))
    }

    /// Returns whether labels satisfy all; a label that is not there counts as empty.
    pub fn matches(&self, labels: &Pairs) -> bool {
        self.0.iter().all(|m| m.matches(labels.get(&*m.name).map_or("", String::as_str)))
    }

    /// Returns whether there is no condition.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether no label at all would do: such conditions match everything that lacks the labels.
    pub fn match_nothing_given(&self) -> bool {
        self.0.iter().all(|m| m.matches(""))
    }

    /// As a silence has them.
    pub fn to_silence(&self) -> Vec<SilenceMatcher> {
        let one = |m: &Matcher| SilenceMatcher {
            name: m.name.to_string(),
            value: m.value.to_string(),
            is_regex: matches!(m.op, MatchOp::Regex(_) | MatchOp::NotRegex(_)),
            is_equal: matches!(m.op, MatchOp::Equal | MatchOp::Regex(_)),
        };
        self.0.iter().map(one).collect()
    }
}

/// `{a="b",c=~"d"}`
impl std::fmt::Display for Matchers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("{")?;
        for (i, m) in self.0.iter().enumerate() {
            write!(f, "{}{m}", if i > 0 { "," } else { "" })?;
        }
        f.write_str("}")
    }
}

/// Returns `=`, `!=`, `=~` or `!~`.
pub fn operator(m: &SilenceMatcher) -> &'static str {
    match (m.is_regex, m.is_equal) {
        (false, true) => "=",
        (false, false) => "!=",
        (true, true) => "=~",
        (true, false) => "!~",
    }
}

/// Writes a condition so that [`parse_all`] reads the same.
pub fn written(m: &SilenceMatcher) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"));
    let plain = !m.name.contains(|c: char| c.is_whitespace() || ENDS_NAME.contains(c));
    let name = if plain { m.name.clone() } else { quoted(&m.name) };
    format!("{name}{}{}", operator(m), quoted(&m.value))
}

/// Reads a text with one condition or several, with or without braces.
///
/// # Errors
/// When it is none; in words.
pub fn parse_all(texts: &[String]) -> Result<Matchers, String> {
    Matchers::new(&BTreeMap::new(), &BTreeMap::new(), texts)
}

fn parse(text: &str) -> Result<Vec<Matcher>, String> {
    let trimmed = text.trim();
    let inner = match (trimmed.strip_prefix('{'), trimmed.ends_with('}')) {
        (Some(rest), true) => &rest[..rest.len() - 1],
        (None, false) => trimmed,
        (Some(_), false) => return Err(format!("bad matcher format: {text}: the closing brace is missing")),
        (None, true) => return Err(format!("bad matcher format: {text}: the opening brace is missing")),
    };
    let mut reader = Reader { rest: inner, whole: text };
    let mut all = Vec::new();
    loop {
        reader.blank();
        if reader.rest.is_empty() {
            break;
        }
        all.push(reader.one()?);
        reader.blank();
        match reader.rest.strip_prefix(',') {
            Some(rest) => reader.rest = rest,
            None if reader.rest.is_empty() => break,
            None => return Err(reader.wrong("expected a comma")),
        }
    }
    if all.is_empty() && !trimmed.starts_with('{') {
        return Err(format!("bad matcher format: {text:?} is empty; write foo=\"bar\""));
    }
    Ok(all)
}

/// What a label's name without quotes can't have, beside blanks.
const ENDS_NAME: &str = "=!~,{}\"'`\\";

struct Reader<'a> {
    rest: &'a str,
    whole: &'a str,
}

impl Reader<'_> {
    fn wrong(&self, what: &str) -> String {
        format!(
            "bad matcher format: {}: {what}; write foo=\"bar\", foo!=\"bar\", foo=~\"b.*\" or foo!~\"b.*\"",
            self.whole
        )
    }

    fn blank(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn one(&mut self) -> Result<Matcher, String> {
        let name = match self.quoted()? {
            Some(name) => name,
            None => {
                let end = self.rest.find(|c: char| c.is_whitespace() || ENDS_NAME.contains(c));
                let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                self.rest = rest;
                name.to_owned()
            }
        };
        if name.is_empty() {
            return Err(self.wrong("a label's name is missing"));
        }
        self.blank();
        let op = ["=~", "!~", "!=", "="].into_iter().find(|op| self.rest.starts_with(op));
        let op = op.ok_or_else(|| self.wrong("an operator is missing"))?;
        self.rest = &self.rest[op.len()..];
        self.blank();
        let value = match self.quoted()? {
            Some(value) => value,
            None => self.bare()?,
        };
        Matcher::new(&name, op, &value)
    }

    /// A value without quotes, up to a comma.
    fn bare(&mut self) -> Result<String, String> {
        let end = self.rest.find(',').unwrap_or(self.rest.len());
        let (value, rest) = self.rest.split_at(end);
        if value.contains('"') {
            return Err(self.wrong("matcher value contains unescaped double quote"));
        }
        self.rest = rest;
        Ok(value.trim_end().to_owned())
    }

    fn quoted(&mut self) -> Result<Option<String>, String> {
        let Some(inner) = self.rest.strip_prefix('"') else { return Ok(None) };
        let mut value = String::new();
        let mut chars = inner.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &inner[at + 1..];
                    return Ok(Some(value));
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, c @ ('"' | '\\'))) => value.push(c),
                    // In classic matchers a backslash before anything else stands for itself: `\.` in expressions.
                    Some((_, other)) => value.extend(['\\', other]),
                    None => break,
                },
                c => value.push(c),
            }
        }
        Err(self.wrong("a closing quote is missing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let check = |text: &str, expected: &str| {
            let read = parse_all(&[text.to_owned()]).map(|m| m.to_string()).unwrap_or_else(|e| format!("error: {e}"));
            assert!(read == expected || (expected == "error" && read.starts_with("error")), "{text}: {read}");
        };
        check(r#"foo="bar""#, r#"{foo="bar"}"#);
        check(r#" foo = bar "#, r#"{foo="bar"}"#);
        check(r#"foo=~"a|b""#, r#"{foo=~"a|b"}"#);
        check(r#"{foo="bar", baz!~"q.*",}"#, r#"{baz!~"q.*",foo="bar"}"#);
        check(r#"foo="a,b",c=d"#, r#"{c="d",foo="a,b"}"#);
        check(r#""with space"!="x""#, r#"{with space!="x"}"#);
        check(r#"foo="a\"b\\c\nd""#, r#"{foo="a\"b\\c\nd"}"#);
        check(r#"foo=~"a\.b""#, r#"{foo=~"a\\.b"}"#);
        check("foo=", r#"{foo=""}"#);
        check("{}", "{}");
        for bad in ["", "foo", "=bar", "foo=~\"(\"", "{foo=\"a\"", "foo=\"a", "foo==a\"b", "foo=\"a\" bar"] {
            check(bad, "error");
        }
        let nameless = BTreeMap::from([(String::new(), "x".to_owned())]);
        assert!(Matchers::new(&nameless, &BTreeMap::new(), &[]).is_err());
    }
}
