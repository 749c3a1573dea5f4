//! Text that the parser's crate does not take as Prometheus does, written so that it does.

use std::borrow::Cow;

/// Returns `1_000` and `0x1_F` without their underscores: each stands between two digits of a number, outside of
/// strings.
pub fn without_underscores(text: &str) -> Cow<'_, str> {
    if !text.contains('_') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let (mut quote, mut word_begins, mut in_number) = (None, true, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let is_word = c.is_alphanumeric() || matches!(c, '_' | ':' | '.');
        match (quote, c) {
            (Some('"' | '\''), '\\') => {
                out.push(c);
                out.extend(chars.next());
                continue;
            }
            (Some(q), c) if q == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '_') if in_number => {
                let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_hexdigit());
                if digit(out.chars().next_back()) && digit(chars.peek().copied()) {
                    continue;
                }
            }
            (None, _) if word_begins => in_number = c.is_ascii_digit(),
            _ => {}
        }
        word_begins = !is_word;
        in_number &= is_word;
        out.push(c);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn underscores_between_digits_are_left_out() {
        let check = |text: &str, expected: &str| assert_eq!(without_underscores(text), expected, "{text}");
        check("1_000", "1000");
        check("x_1 + 1_0.5_0e1_0 * 0x1_F", "x_1 + 10.50e10 * 0x1F");
        check("_1_0{a_1=\"1_000\"} > 2_2", "_1_0{a_1=\"1_000\"} > 22");
        check("f('\\'1_0', `1_0\\`, 1_0)", "f('\\'1_0', `1_0\\`, 10)");
        // What Prometheus refuses stays what it is.
        check("1__0", "1__0");
        check("1_ + 1", "1_ + 1");
    }
}
