//! Text that the parser's crate does not take as Prometheus does, written so that it does.

use std::borrow::Cow;

use super::number_syntax;

/// Returns the same query in the crate's dialect.
pub fn translated(text: &str) -> String {
    number_syntax::without_underscores(&escapes(&raw_strings(text))).into_owned()
}

/// Strings in backticks hold no escapes in Go; the crate reads some. They are written with quotes here, so that what they
/// spell is the same.
fn raw_strings(text: &str) -> Cow<'_, str> {
    if !text.contains('`') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(at) = rest.find(['"', '\'', '`', '#']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = match rest.as_bytes().first() {
            Some(b'#') => rest.find('\n').unwrap_or(rest.len()),
            Some(b'`') => {
                // One that does not end is the crate's to refuse.
                let Some(end) = rest[1..].find('`') else { break };
                out.push('"');
                for c in rest[1..=end].chars() {
                    match c {
                        '\n' => out.push_str("\\n"),
                        '"' | '\\' => out.extend(['\\', c]),
                        c => out.push(c),
                    }
                }
                out.push('"');
                rest = &rest[end + 2..];
                continue;
            }
            _ => end_of_quoted(rest),
        };
        out.push_str(&rest[..end]);
        rest = &rest[end..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Where a string that begins with its quote ends, the quote taken along.
fn end_of_quoted(text: &str) -> usize {
    let mut chars = text.char_indices();
    let quote = chars.next().map(|(_, quote)| quote);
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if Some(c) == quote {
            return at + c.len_utf8();
        }
    }
    text.len()
}

/// `\xHH` is a byte in Go's strings and a character to the parser: bytes are put together to the characters that they
/// spell; what spells none becomes U+FFFD, which no label's name may hold.
fn escapes(text: &str) -> Cow<'_, str> {
    if !text.contains("\\x") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let mut bytes = Vec::new();
        while let Some(byte) =
            rest.strip_prefix("\\x").and_then(|r| r.get(..2)).and_then(|h| u8::from_str_radix(h, 16).ok())
        {
            bytes.push(byte);
            rest = &rest[4..];
        }
        if bytes.iter().any(|b| *b >= 0x80) {
            out.push_str(&String::from_utf8_lossy(&bytes));
        } else if bytes.is_empty() {
            // Any other escape: the backslash with what follows, so that `\\x` is not taken for one.
            let end = rest.char_indices().nth(2).map_or(rest.len(), |(end, _)| end);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else {
            bytes.iter().for_each(|b| out.push_str(&format!("\\x{b:02x}")));
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_in_backticks_has_no_escapes() {
        let check = |text: &str, expected: &str| assert_eq!(raw_strings(text), expected, "{text}");
        check(r"up{a=~`web\d+\.x`}", r#"up{a=~"web\\d+\\.x"}"#);
        check(r#"f(`a"b`, "c`\"`", 'd`')"#, r#"f("a\"b", "c`\"`", 'd`')"#);
        check("`two\nlines`", "\"two\\nlines\"");
        check("up # it's `one\n + `x` # `", "up # it's `one\n + \"x\" # `");
        check("`open", "`open");
        assert_eq!(translated(r"f(`\xe9\x41`, `1_0`)"), r#"f("\\xe9\\x41", "1_0")"#);
    }
}
