//! The words of a condition with the columns at which they begin. Pure.

/// A word, and its column from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) column: usize,
    pub(super) word: Word,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Letters, digits and what numbers, names and paths are made of.
    Bare(String),
    /// What stands between quotes.
    Quoted(String),
    /// An operator, a bracket, a comma.
    Sign(&'static str),
}

/// Longer signs before those that they begin with.
const SIGNS: [&str; 14] = ["==", "!=", "<=", ">=", "!~", "=~", "..", "<", ">", "~", "=", "[", "]", ","];

/// The text, letter by letter.
pub(super) struct Lexer<'a> {
    text: &'a str,
    /// Bytes.
    at: usize,
    /// Characters.
    column: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, column: 1 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip(&mut self, bytes: usize) -> &'a str {
        let taken = self.rest().get(..bytes).unwrap_or_default();
        self.at += taken.len();
        self.column += taken.chars().count();
        taken
    }

    fn spaces(&mut self) {
        let rest = self.rest();
        self.skip(rest.len() - rest.trim_start().len());
    }

    /// Where the next word begins.
    pub(super) fn place(&mut self) -> usize {
        self.spaces();
        self.column
    }

    /// Takes a JSONPath: up to white space that stands in neither brackets nor quotes.
    pub(super) fn path(&mut self) -> &'a str {
        self.spaces();
        let (mut depth, mut quote, mut escaped) = (0usize, None, false);
        let rest = self.rest();
        let end = rest.char_indices().find(|(_, c)| {
            match (quote, *c) {
                (Some(_), _) if escaped => escaped = false,
                (Some(_), '\\') => escaped = true,
                (Some(q), c) if c == q => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') => quote = Some(*c),
                (None, '[' | '(') => depth += 1,
                (None, ']' | ')') => depth = depth.saturating_sub(1),
                (None, c) => return c.is_whitespace() && depth == 0,
            }
            false
        });
        self.skip(end.map_or(rest.len(), |(at, _)| at))
    }

    /// Takes a sign where it is next.
    pub(super) fn takes(&mut self, sign: &str) -> bool {
        self.spaces();
        let is_next = self.rest().starts_with(sign);
        self.skip(if is_next { sign.len() } else { 0 });
        is_next
    }

    /// Takes the next word; `None` at the end.
    ///
    /// # Errors
    /// The column and what is wrong there.
    pub(super) fn next(&mut self) -> Result<Option<Token>, (usize, &'static str)> {
        let column = self.place();
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(None) };
        if first == '"' {
            return self.quoted().map(|text| Some(Token { column, word: Word::Quoted(text) }));
        }
        if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(*sign)) {
            self.skip(sign.len());
            return Ok(Some(Token { column, word: Word::Sign(sign) }));
        }
        let of_word = |c: char| c.is_alphanumeric() || "._-%+/:".contains(c);
        let mut end = rest.find(|c: char| !of_word(c)).unwrap_or(rest.len());
        // A range: its dots are no part of the number before them.
        end = rest.get(..end).and_then(|word| word.find("..")).unwrap_or(end);
        if end == 0 {
            return Err((column, "this sign has no meaning here"));
        }
        let word = self.skip(end).to_owned();
        Ok(Some(Token { column, word: Word::Bare(word) }))
    }

    /// A text in quotes: `\"` is a quote and `\\` a backslash in it; any other backslash stays, for regular expressions.
    fn quoted(&mut self) -> Result<String, (usize, &'static str)> {
        let column = self.column;
        let mut text = String::new();
        let mut letters = self.rest().char_indices().skip(1).peekable();
        while let Some((at, c)) = letters.next() {
            match c {
                '"' => {
                    self.skip(at + 1);
                    return Ok(text);
                }
                '\\' => match letters.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                    // Two backslashes are one in a regular expression too: they stay two.
                    Some((_, '\\')) => text.push_str("\\\\"),
                    Some((_, quote)) => text.push(quote),
                    None => text.push('\\'),
                },
                c => text.push(c),
            }
        }
        Err((column, "this text has no closing quote"))
    }
}
