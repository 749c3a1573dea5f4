//! Where in a text an error is: the parser says what is wrong, not where.
//!
//! The place is that of the first token which no continuation could make right: the longest beginning that parses once its
//! brackets are closed and a missing operand is added ends right before it.

use promql_parser::parser;

use super::{
    ParseError, bounds, dialect, expressions,
    pieces::{Piece, is_word, pieces},
};
use crate::model::re2;

/// Tokens tried, from the end: some parses each.
const TRIES_MAX: usize = 300;
/// What is parsed to find a place, in bytes: of a long text fewer tokens are tried, since each try parses all before it.
const PARSED_MAX_BYTES: usize = 2 << 20;
/// What is added to a beginning to make it whole.
const ADDITIONS: [&str; 8] = ["", " x", "=\"x\"", "\"x\"", "5m", "(x)", "x=\"y\"", "0"];

/// Returns the error with its place.
pub fn locate(text: &str, message: String) -> ParseError {
    let offset = named(text, &message).unwrap_or_else(|| stuck(text));
    located(text, offset, in_prometheus_words(&message))
}

/// Returns an error at this place, in bytes.
pub fn located(text: &str, offset: usize, message: String) -> ParseError {
    let before = text.get(..offset).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    ParseError { message, line, column }
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
    let tries = (PARSED_MAX_BYTES / ADDITIONS.len() / text.len().max(1)).min(TRIES_MAX);
    let tried = tokens.iter().rev().take(tries);
    let good = tried.map(|(_, end)| *end).find(|end| can_go_on(&text[..*end]));
    let good = good.unwrap_or(0);
    tokens.iter().find(|(begin, _)| *begin >= good).map_or(text.len(), |(begin, _)| *begin)
}

/// Whether a beginning can be completed to something that parses.
fn can_go_on(beginning: &str) -> bool {
    let closers = closers(beginning);
    ADDITIONS.iter().any(|more| parses(&format!("{beginning}{more}{closers}")))
}

/// Whether the grammar takes a text; its regular expressions have been found to be good.
fn parses(text: &str) -> bool {
    let translated = dialect::translated(text);
    let Ok(Some(tokens)) = bounds::tokens(&translated) else { return false };
    if bounds::durations(&translated, &tokens).is_err() {
        return false;
    }
    let taken = expressions::taken_out(&translated, &tokens, &|_| re2::weighed("x"));
    taken.is_ok_and(|(text, _)| parser::parse(&text).is_ok())
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
    let mut begin = 0;
    for (piece, part) in pieces(text) {
        match piece {
            Piece::Comment => {}
            Piece::Quoted(_) => tokens.push((begin, begin + part.len())),
            Piece::Code => words(part, begin, &mut tokens),
        }
        begin += part.len();
    }
    tokens
}

fn words(code: &str, from: usize, tokens: &mut Vec<(usize, usize)>) {
    let mut chars = code.char_indices().peekable();
    while let Some((begin, c)) = chars.next() {
        if c.is_whitespace() {
            continue;
        }
        let mut end = begin + c.len_utf8();
        if is_word(c) {
            while let Some((at, next)) = chars.next_if(|(_, next)| is_word(*next)) {
                end = at + next.len_utf8();
            }
        }
        tokens.push((from + begin, from + end));
    }
}
