//! Text that the parser's crate does not take as Prometheus does, written so that it does.

use std::{borrow::Cow, fmt::Write as _};

use super::{
    number_syntax,
    pieces::{Piece, pieces},
};

/// Returns the same query in the crate's dialect.
pub fn translated(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for (piece, text) in pieces(text) {
        match piece {
            Piece::Code => out.push_str(&number_syntax::without_underscores(text)),
            Piece::Quoted('`') => raw_string(text, &mut out),
            Piece::Quoted(_) => out.push_str(&escapes(text)),
            // The crate has no comments in braces and brackets; what they are between is apart by a blank too.
            Piece::Comment => out.push(' '),
        }
    }
    out
}

/// Strings in backticks hold no escapes in Go; the crate reads some. They are written with quotes here, so that what they
/// spell is the same. One that does not end is the crate's to refuse.
fn raw_string(text: &str, out: &mut String) {
    let Some(inner) = text.strip_prefix('`').and_then(|t| t.strip_suffix('`')) else { return out.push_str(text) };
    out.push('"');
    for c in inner.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '"' | '\\' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push('"');
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
            for byte in bytes {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_in_backticks_has_no_escapes_and_numbers_have_no_underscores() {
        let check = |text: &str, expected: &str| assert_eq!(translated(text), expected, "{text}");
        check(r"up{a=~`web\d+\.x`}", r#"up{a=~"web\\d+\\.x"}"#);
        check(r#"f(`a"b`, "c`\"`", 'd`')"#, r#"f("a\"b", "c`\"`", 'd`')"#);
        check("`two\nlines`", "\"two\\nlines\"");
        check("up # it's `one\n + `x` # `", "up  \n + \"x\"  ");
        check("`open", "`open");
        check(r"f(`\xe9\x41`, `1_0`)", r#"f("\\xe9\\x41", "1_0")"#);
        check("x_1{a_1=\"1_000\"} > 2_2", "x_1{a_1=\"1_000\"} > 22");
        check("f('\\'1_0', `1_0\\`, 1_0)", "f('\\'1_0', \"1_0\\\\\", 10)");
        check("# \"\n1_0", " \n10");
    }
}
