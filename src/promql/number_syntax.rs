//! Numbers that the parser's crate does not take as Prometheus does, written so that it does.

use std::borrow::Cow;

use super::pieces::is_word;

/// Returns a piece of code in which `1_000` and `0x1_F` have no underscores: each stands between two digits of a number.
pub fn without_underscores(code: &str) -> Cow<'_, str> {
    if !code.contains('_') {
        return Cow::Borrowed(code);
    }
    let mut out = String::with_capacity(code.len());
    let (mut word_begins, mut in_number) = (true, false);
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '_' && in_number {
            let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_hexdigit());
            if digit(out.chars().next_back()) && digit(chars.peek().copied()) {
                continue;
            }
        } else if word_begins {
            in_number = c.is_ascii_digit();
        }
        word_begins = !is_word(c);
        in_number &= is_word(c);
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
        check("_1_0{a_1=} > 2_2", "_1_0{a_1=} > 22");
        // What Prometheus refuses stays what it is.
        check("1__0", "1__0");
        check("1_ + 1", "1_ + 1");
    }
}
