//! Operands: names, fields, variables, brackets, constants.

use super::{Operand, Parser};
use crate::template::{TemplateError, Value, functions, wrong};

impl Parser<'_> {
    /// Returns a quoted name.
    pub(super) fn name(&mut self) -> Result<String, TemplateError> {
        self.blank();
        match self.constant()? {
            Some(Value::Str(name)) => Ok(name),
            _ => Err(self.wrong("a quoted name is missing")),
        }
    }

    pub(super) fn operand(&mut self) -> Result<Operand, TemplateError> {
        let rest = self.rest();
        if rest.starts_with('(') {
            self.at += 1;
            let pipe = self.pipe()?;
            self.blank();
            if !self.rest().starts_with(')') {
                return Err(self.wrong("unclosed left paren"));
            }
            self.at += 1;
            return Ok(Operand::Pipe(pipe, self.fields()));
        }
        if let Some(after) = rest.strip_prefix('$') {
            let _ = after;
            self.at += 1;
            let name = self.keyword().to_owned();
            if !self.variables.contains(&name) {
                let near =
                    functions::nearest(&name, self.variables.iter().map(String::as_str).filter(|v| !v.is_empty()));
                return Err(wrong(self.text, self.at - 1, format!("undefined variable \"${name}\"{near}")));
            }
            self.at += name.len();
            return Ok(Operand::Variable(name, self.fields()));
        }
        if rest.starts_with('.') && !rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
            let fields = self.fields();
            if fields.is_empty() {
                self.at += 1;
                return Ok(Operand::Dot);
            }
            return Ok(Operand::Field(fields));
        }
        if let Some(value) = self.constant()? {
            return Ok(Operand::Constant(value));
        }
        let name = self.keyword();
        if name.is_empty() {
            let what: String = rest.chars().take(1).collect();
            return Err(self.wrong(format!("unexpected {what:?} in an action")));
        }
        if !functions::is_known(name) {
            let near = functions::nearest(name, functions::names());
            return Err(self.wrong(format!("function {name:?} not defined{near}")));
        }
        self.at += name.len();
        Ok(Operand::Function(name.to_owned()))
    }

    /// `.A.B` from here on.
    fn fields(&mut self) -> Vec<String> {
        let mut fields = Vec::new();
        while let Some(after) = self.rest().strip_prefix('.') {
            let end = after.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(after.len());
            if end == 0 {
                break;
            }
            fields.push(after[..end].to_owned());
            self.at += 1 + end;
        }
        fields
    }

    fn constant(&mut self) -> Result<Option<Value>, TemplateError> {
        let rest = self.rest();
        match rest.as_bytes().first() {
            Some(b'"') => self.quoted().map(Some),
            Some(b'`') => {
                let Some(end) = rest[1..].find('`') else { return Err(self.wrong("unterminated raw quoted string")) };
                self.at += end + 2;
                Ok(Some(Value::Str(rest[1..=end].to_owned())))
            }
            Some(c)
                if c.is_ascii_digit()
                    || (b"+-.".contains(c) && rest[1..].starts_with(|d: char| d.is_ascii_digit() || d == '.')) =>
            {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-._".contains(c))).unwrap_or(rest.len());
                let text = rest[..end].replace('_', "");
                let number = integer(&text).map(Value::Int).or_else(|| text.parse().ok().map(Value::Float));
                let value = number.ok_or_else(|| self.wrong(format!("bad number syntax: {text:?}")))?;
                self.at += end;
                Ok(Some(value))
            }
            Some(b'\'') => {
                let mut inside = rest[1..].chars();
                let (Some(c), Some('\'')) = (inside.next().filter(|c| !"\\'\n".contains(*c)), inside.next()) else {
                    return Err(self.wrong("malformed character constant: write it like 'a'"));
                };
                self.at += c.len_utf8() + 2;
                Ok(Some(Value::Int(i64::from(u32::from(c)))))
            }
            _ => {
                let value = match self.keyword() {
                    "true" => Value::Bool(true),
                    "false" => Value::Bool(false),
                    "nil" => Value::Nil,
                    _ => return Ok(None),
                };
                self.at += self.keyword().len();
                Ok(Some(value))
            }
        }
    }

    /// A quoted text with Go's escapes.
    fn quoted(&mut self) -> Result<Value, TemplateError> {
        let start = self.at;
        let mut text = String::new();
        let mut chars = self.rest()[1..].char_indices();
        while let Some((i, c)) = chars.next() {
            let escaped = match c {
                '"' => {
                    self.at = start + i + 2;
                    return Ok(Value::Str(text));
                }
                '\n' => break,
                '\\' => chars.next().map(|(_, c)| c),
                c => {
                    text.push(c);
                    continue;
                }
            };
            let code = |n: usize, chars: &mut std::str::CharIndices<'_>| {
                let digits: String = chars.by_ref().take(n).map(|(_, c)| c).collect();
                u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32)
            };
            let c = match escaped {
                Some('n') => Some('\n'),
                Some('t') => Some('\t'),
                Some('r') => Some('\r'),
                Some(c @ ('"' | '\\' | '\'')) => Some(c),
                Some('x') => code(2, &mut chars),
                Some('u') => code(4, &mut chars),
                Some('U') => code(8, &mut chars),
                _ => None,
            };
            text.push(c.ok_or_else(|| wrong(self.text, start + i + 1, "unknown escape in a quoted string"))?);
        }
        Err(self.wrong("unterminated quoted string"))
    }
}

/// A whole number as Go writes it: decimal, `0x1f`, `0b101`, `0o17` or `017`.
fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some(_) if lower.starts_with('0') => (8, &lower[1..]),
        _ => (10, &*lower),
    };
    // A second sign is none of Go's.
    let digits = digits.strip_prefix(|c| "+-".contains(c)).map_or(Some(digits), |_| None)?;
    i64::from_str_radix(&format!("{}{digits}", if negative { "-" } else { "" }), radix).ok()
}
