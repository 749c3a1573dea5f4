//! Text to tokens, by the rules of Prometheus' lexer (promql/parser/lex.go).
//!
//! What a letter or a sign means depends on where it stands: within braces there are no keywords, within brackets only
//! durations and what reckons with them.

use super::token::{KEYWORDS, Kind, Token};

/// Reads all tokens; the last one is [`Kind::End`] or [`Kind::Wrong`].
pub fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { text, at: 0, start: 0, parens: 0, braces: false, bracket: None, out: Vec::new() };
    loop {
        match lexer.step() {
            Ok(true) => {}
            Ok(false) => {
                lexer.emit(Kind::End);
                return lexer.out;
            }
            Err(message) => {
                lexer.emit(Kind::Wrong(message));
                return lexer.out;
            }
        }
    }
}

/// What was met since a `[`.
#[derive(Clone, Copy, Default)]
struct Bracket {
    colon: bool,
    /// A number or a word for one.
    length: bool,
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    start: usize,
    parens: i32,
    braces: bool,
    bracket: Option<Bracket>,
    out: Vec<Token>,
}

/// False: the text has ended.
type Step = Result<bool, String>;

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Takes a character of a set.
    fn accept(&mut self, set: &str) -> bool {
        let there = self.peek().is_some_and(|c| set.contains(c));
        if there {
            self.next();
        }
        there
    }

    fn accept_while(&mut self, fits: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&fits) {
            self.next();
        }
    }

    fn emit(&mut self, kind: Kind) {
        self.out.push(Token { kind, start: self.start, end: self.at });
        self.start = self.at;
    }

    fn sign(&mut self, sign: &'static str) -> Step {
        self.emit(Kind::Sign(sign));
        Ok(true)
    }

    fn step(&mut self) -> Step {
        self.accept_while(is_space);
        self.start = self.at;
        if self.peek() == Some('#') {
            self.accept_while(|c| c != '\n' && c != '\r');
            return Ok(true);
        }
        let Some(c) = self.next() else { return self.end() };
        match (c, self.braces) {
            ('"' | '\'', _) => self.quoted(c),
            ('`', _) => self.raw(),
            (c, true) => self.within_braces(c),
            (c, false) => self.statement(c),
        }
    }

    fn end(&self) -> Step {
        match () {
            () if self.braces => Err("unexpected end of input inside braces".into()),
            () if self.parens != 0 => Err("unclosed left parenthesis".into()),
            () if self.bracket.is_some() => Err("unclosed left bracket".into()),
            () => Ok(false),
        }
    }

    fn within_braces(&mut self, c: char) -> Step {
        match c {
            ',' => self.sign(","),
            '=' if self.accept("~") => self.sign("=~"),
            '=' => self.sign("="),
            '!' => match self.next() {
                Some('~') => self.sign("!~"),
                Some('=') => self.sign("!="),
                other => Err(format!("unexpected character after '!' inside braces: {}", shown(other))),
            },
            '{' => Err("unexpected left brace '{'".into()),
            '}' => {
                self.braces = false;
                self.sign("}")
            }
            c if begins_name(c) => {
                self.accept_while(is_word);
                self.emit(Kind::Name);
                Ok(true)
            }
            c => Err(format!("unexpected character inside braces: {c:?}")),
        }
    }

    fn statement(&mut self, c: char) -> Step {
        match c {
            ',' => self.sign(","),
            '*' => self.sign("*"),
            '/' => self.sign("/"),
            '%' => self.sign("%"),
            '+' => self.sign("+"),
            '-' => self.sign("-"),
            '^' => self.sign("^"),
            '@' => self.sign("@"),
            '=' if self.accept("=") => self.sign("=="),
            '=' if self.peek() == Some('~') => Err("unexpected character after '=': '~'".into()),
            '=' => self.sign("="),
            '!' => match self.next() {
                Some('=') => self.sign("!="),
                other => Err(format!("unexpected character after '!': {}", shown(other))),
            },
            '<' if self.accept("=") => self.sign("<="),
            '<' if self.accept("/") => self.sign("</"),
            '<' => self.sign("<"),
            '>' if self.accept("=") => self.sign(">="),
            '>' if self.accept("/") => self.sign(">/"),
            '>' => self.sign(">"),
            c if c.is_ascii_digit() || c == '.' && self.peek().is_some_and(|c| c.is_ascii_digit()) => {
                self.at = self.start;
                self.number_or_duration()
            }
            c if self.bracket.is_some() && (begins_name(c) || c == ':') => self.within_brackets(c),
            c if begins_name(c) || c == ':' => self.word(),
            '(' | ')' | '[' | ']' | '{' => self.nesting(c),
            c => Err(format!("unexpected character: {c:?}")),
        }
    }

    fn nesting(&mut self, c: char) -> Step {
        match c {
            '(' => {
                self.parens += 1;
                self.sign("(")
            }
            ')' => {
                self.parens -= 1;
                if self.parens < 0 {
                    // Prometheus tells the place behind it.
                    self.start = self.at;
                    return Err("unexpected right parenthesis ')'".into());
                }
                self.sign(")")
            }
            '[' if self.bracket.is_some() => Err("unexpected left bracket '['".into()),
            '[' => {
                self.bracket = Some(Bracket::default());
                self.sign("[")
            }
            ']' if self.bracket.take().is_none() => Err("unexpected right bracket ']'".into()),
            ']' => self.sign("]"),
            _ => {
                self.braces = true;
                self.sign("{")
            }
        }
    }

    /// A colon, or a word that is a duration.
    fn within_brackets(&mut self, c: char) -> Step {
        const WORDS: [&str; 4] = ["step", "range", "max_of", "min_of"];
        let Some(bracket) = &mut self.bracket else { return self.word() };
        if c == ':' {
            if !bracket.length {
                return Err("unexpected colon before duration in duration expression".into());
            }
            if std::mem::replace(&mut bracket.colon, true) {
                return Err("unexpected colon ':'".into());
            }
            return self.sign(":");
        }
        let begun = bracket.length;
        bracket.length = true;
        self.accept_while(|c| c.is_ascii_alphabetic() || c == '_');
        let word = self.text[self.start..self.at].to_ascii_lowercase();
        match WORDS.into_iter().find(|w| *w == word) {
            Some(word) => {
                self.emit(Kind::Keyword(word));
                Ok(true)
            }
            None if begun => Err(format!("unexpected character: {c:?}, expected ':'")),
            None => Err(format!("unexpected character in duration expression: {c:?}")),
        }
    }

    fn word(&mut self) -> Step {
        self.accept_while(|c| is_word(c) || c == ':');
        let word = self.text[self.start..self.at].to_ascii_lowercase();
        let keyword = KEYWORDS.iter().find(|k| **k == word).filter(|k| {
            // These are metrics' names unless something is filled in with them.
            !k.starts_with("fill") || self.text[self.at..].trim_start_matches(is_space).starts_with('(')
        });
        self.emit(match keyword {
            Some(keyword) => Kind::Keyword(keyword),
            None if word == "inf" || word == "nan" => Kind::Number,
            None if word.contains(':') => Kind::MetricName,
            None => Kind::Name,
        });
        Ok(true)
    }

    fn quoted(&mut self, quote: char) -> Step {
        loop {
            match self.next() {
                None | Some('\n') => return Err("unterminated quoted string".into()),
                Some('\\') => self.escape(quote)?,
                Some(c) if c == quote => break,
                Some(_) => {}
            }
        }
        self.emit(Kind::Text);
        Ok(true)
    }

    fn raw(&mut self) -> Step {
        loop {
            match self.next() {
                None => return Err("unterminated raw string".into()),
                Some('`') => break,
                Some(_) => {}
            }
        }
        self.emit(Kind::Text);
        Ok(true)
    }

    fn escape(&mut self, quote: char) -> Result<(), String> {
        let c = self.next().ok_or("escape sequence not terminated")?;
        let (digits, base, most, mut value) = match c {
            'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' => return Ok(()),
            c if c == quote => return Ok(()),
            '0'..='7' => (2, 8, 255, c.to_digit(8).unwrap_or_default()),
            'x' => (2, 16, 255, 0),
            'u' => (4, 16, 0x10_FFFF, 0),
            'U' => (8, 16, 0x10_FFFF, 0),
            c => return Err(format!("unknown escape sequence {}", code_point(c))),
        };
        for _ in 0..digits {
            let c = self.next().ok_or("escape sequence not terminated")?;
            let digit = c.to_digit(base);
            let digit = digit.ok_or_else(|| format!("illegal character {} in escape sequence", code_point(c)))?;
            value = value.wrapping_mul(base).wrapping_add(digit);
        }
        if value > most || (0xD800..0xE000).contains(&value) {
            return Err("escape sequence is an invalid Unicode code point".into());
        }
        Ok(())
    }

    fn number_or_duration(&mut self) -> Step {
        if let Some(bracket) = &mut self.bracket {
            bracket.length = true;
        }
        let kind = if self.scan_number() {
            Kind::Number
        } else if self.rest_of_duration() {
            Kind::Duration
        } else {
            let written = &self.text[self.start..self.at];
            return Err(format!("bad number or duration syntax: {written:?}"));
        };
        self.emit(kind);
        Ok(true)
    }

    /// A number that may yet be none: the grammar reads it.
    fn scan_number(&mut self) -> bool {
        const DECIMAL: &str = "0123456789";
        let hex = self.accept("0") && self.accept("xX");
        if hex {
            self.accept("_");
        }
        let digits = if hex { "0123456789abcdefABCDEF" } else { DECIMAL };
        let (mut dot, mut exponent) = (false, false);
        while let Some(c) = self.peek() {
            if digits.contains(c) {
                self.next();
            } else if c == '.' {
                self.next();
                if hex || std::mem::replace(&mut dot, true) || self.accept("_.") {
                    return false;
                }
            } else if matches!(c, 'e' | 'E') {
                self.next();
                if std::mem::replace(&mut exponent, true) {
                    return false;
                }
                self.accept("+-");
                if self.accept("._eE") || self.peek().is_none() {
                    return false;
                }
            } else if c == '_' {
                self.next();
                if self.accept("._eE") || self.peek().is_none() {
                    return false;
                }
            } else {
                break;
            }
        }
        !self.peek().is_some_and(is_word)
    }

    /// What follows the first digits of a duration; that units come in order is the grammar's to see.
    fn rest_of_duration(&mut self) -> bool {
        if !self.accept("smhdwy") {
            return false;
        }
        self.accept("s");
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.accept_while(|c| c.is_ascii_digit());
            if !self.accept("smhdw") {
                return false;
            }
            self.accept("s");
        }
        let ends = !self.peek().is_some_and(is_word);
        if !ends {
            self.next();
        }
        ends
    }
}

/// What Go writes for a character that is none.
fn shown(c: Option<char>) -> String {
    format!("{:?}", c.unwrap_or(char::REPLACEMENT_CHARACTER))
}

/// As Go's `%#U`.
fn code_point(c: char) -> String {
    format!("U+{:04X} '{c}'", u32::from(c))
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

fn begins_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
