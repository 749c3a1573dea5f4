//! Where in a text an error is: the parser says what is wrong, not where.
//!
//! The place is that of the first token which no continuation could make right: the longest beginning that parses once its
//! brackets are closed and a missing operand is added ends right before it.

use promql_parser::parser;

use super::{ParseError, dialect};

/// Tokens tried, from the end: a parse each.
const TRIES_MAX: usize = 300;

/// Returns the error with its place.
pub fn locate(text: &str, message: String) -> ParseError {
    let offset = named(text, &message).unwrap_or_else(|| stuck(text));
    let before = &text[..offset];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    ParseError { message: in_prometheus_words(&message), line, column }
}

/// The parser's names of types are those of its code; people know them as Prometheus writes them.
fn in_prometheus_words(message: &str) -> String {
    if !message.contains("expected type") {
        return message.into();
    }
    let words = [
        ("type matrix", "type range vector"),
        ("type vector", "type instant vector"),
        ("got matrix", "got range vector"),
        ("got vector", "got instant vector"),
        ("'", "\""),
    ];
    words.into_iter().fold(message.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
}

/// The place of what the message quotes, where the text has it once.
fn named(text: &str, message: &str) -> Option<usize> {
    let called = message.split_once("() is").map(|(name, _)| name);
    let quoted = called.or_else(|| message.split(['"', '\'']).nth(1)).filter(|q| q.len() > 1)?;
    let mut found = text.match_indices(quoted);
    let (at, _) = found.next()?;
    found.next().is_none().then_some(at)
}

fn stuck(text: &str) -> usize {
    let tokens = tokens(text);
    let tried = tokens.iter().rev().take(TRIES_MAX);
    let good = tried.map(|(_, end)| *end).find(|end| can_go_on(&text[..*end]));
    let good = good.unwrap_or(0);
    tokens.iter().find(|(begin, _)| *begin >= good).map_or(text.len(), |(begin, _)| *begin)
}

/// Whether a beginning can be completed to something that parses.
fn can_go_on(beginning: &str) -> bool {
    let closers = closers(beginning);
    let additions = ["", " x", "=\"x\"", "\"x\"", "5m", "(x)", "x=\"y\"", "0"];
    additions.iter().any(|more| parser::parse(&dialect::translated(&format!("{beginning}{more}{closers}"))).is_ok())
}

fn closers(text: &str) -> String {
    let mut open = Vec::new();
    for (begin, end) in tokens(text) {
        match &text[begin..end] {
            "(" => open.push(')'),
            "[" => open.push(']'),
            "{" => open.push('}'),
            ")" | "]" | "}" => drop(open.pop()),
            _ => {}
        }
    }
    open.into_iter().rev().collect()
}

/// Tokens, roughly: words and numbers, strings, everything else a character each.
fn tokens(text: &str) -> Vec<(usize, usize)> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((begin, c)) = chars.next() {
        if c.is_whitespace() {
            continue;
        }
        let mut end = begin + c.len_utf8();
        if matches!(c, '"' | '\'' | '`') {
            while let Some((at, next)) = chars.next() {
                end = at + next.len_utf8();
                if next == '\\' && c != '`' {
                    chars.next();
                } else if next == c {
                    break;
                }
            }
        } else if is_word(c) {
            while let Some((at, next)) = chars.next_if(|(_, next)| is_word(*next)) {
                end = at + next.len_utf8();
            }
        }
        tokens.push((begin, end.min(text.len())));
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | ':' | '.')
}
