//! The pieces of a text that are read apart: code, strings, comments. What rewrites a query or looks for a place in it
//! begins here, so that a quote in a comment, or a `#` in a string, is what it is.

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Everything else.
    Code,
    /// A string with its quotes; the last is missing where it does not end.
    Quoted(char),
    /// From `#` to the line's end, which is not part of it.
    Comment,
}

/// Cuts a text; the pieces joined are the text.
pub fn pieces(text: &str) -> impl Iterator<Item = (Piece, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let (piece, end) = match first {
            '#' => (Piece::Comment, rest.find(['\n', '\r']).unwrap_or(rest.len())),
            '"' | '\'' | '`' => (Piece::Quoted(first), end_of_quoted(rest, first)),
            _ => (Piece::Code, rest.find(['"', '\'', '`', '#']).unwrap_or(rest.len())),
        };
        let (this, after) = rest.split_at(end);
        rest = after;
        Some((piece, this))
    })
}

/// Where a string ends that begins with its quote, the last quote taken along. Those in backticks have no escapes.
fn end_of_quoted(text: &str, quote: char) -> usize {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == '\\' && quote != '`' {
            chars.next();
        } else if c == quote {
            return at + c.len_utf8();
        }
    }
    text.len()
}

/// Whether a character goes on with a word or a number.
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | ':' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_in_a_comment_begins_nothing() {
        let check = |text: &str, want: &[(Piece, &str)]| {
            assert_eq!(pieces(text).collect::<Vec<_>>(), want, "{text}");
            assert_eq!(pieces(text).map(|(_, piece)| piece).collect::<String>(), text);
        };
        use Piece::{Code, Comment, Quoted};
        check("", &[]);
        check("up # \"\n+ 1", &[(Code, "up "), (Comment, "# \""), (Code, "\n+ 1")]);
        check("# '\r(", &[(Comment, "# '"), (Code, "\r(")]);
        check(r##"{a="\"#"}"##, &[(Code, "{a="), (Quoted('"'), r##""\"#""##), (Code, "}")]);
        check(r"`\`'é'", &[(Quoted('`'), r"`\`"), (Quoted('\''), "'é'")]);
        check("'open", &[(Quoted('\''), "'open")]);
        check("`open\\", &[(Quoted('`'), "`open\\")]);
    }
}
