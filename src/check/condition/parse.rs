//! From a text to a condition; what is wrong is told with its column. Pure.

use std::fmt;

use regex::Regex;
use serde_json_path::JsonPath;

use super::{
    Choice, Condition, Is, Kind, SUBJECTS, Subject, Test, Value,
    lexer::{Lexer, Token, Word},
};
use crate::model::duration;

/// Values in one list; nobody means more.
const CHOICES_MAX: usize = 64;
/// The longest condition, in bytes.
const LENGTH_MAX: usize = 4096;

/// Says what is wrong with a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionError {
    /// Where, from 1.
    pub column: usize,
    /// What.
    pub message: String,
}

impl fmt::Display for ConditionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (column {} of the condition)", self.message, self.column)
    }
}

impl std::error::Error for ConditionError {}

fn wrong<T>(column: usize, message: impl Into<String>) -> Result<T, ConditionError> {
    Err(ConditionError { column, message: message.into() })
}

/// Reads a condition.
pub(super) fn condition(text: &str) -> Result<Condition, ConditionError> {
    if text.len() > LENGTH_MAX {
        return wrong(1, format!("it is longer than {LENGTH_MAX} bytes"));
    }
    let mut lexer = Lexer::new(text);
    let subject = subject(&mut lexer)?;
    let test = test(&mut lexer, &subject)?;
    let column = lexer.place();
    match next(&mut lexer)? {
        None => Ok(Condition { text: text.trim().to_owned(), subject, test }),
        Some(_) => wrong(column, "the condition should end here; each condition is an item of its own"),
    }
}

fn next(lexer: &mut Lexer<'_>) -> Result<Option<Token>, ConditionError> {
    lexer.next().or_else(|(column, message)| wrong(column, message))
}

fn subject(lexer: &mut Lexer<'_>) -> Result<Subject, ConditionError> {
    let column = lexer.place();
    let word = match next(lexer)? {
        Some(Token { word: Word::Bare(word), .. }) => word,
        Some(_) => return wrong(column, "a condition begins with what it is about, like status or time"),
        None => return wrong(column, "this condition is empty; write one like: status in 200..299"),
    };
    let Some((word, kind, reason)) = SUBJECTS.iter().find(|(known, ..)| *known == word).copied() else {
        let near = SUBJECTS
            .iter()
            .map(|s| s.0)
            .max_by(|a, b| strsim::jaro_winkler(a, &word).total_cmp(&strsim::jaro_winkler(b, &word)));
        return wrong(column, format!("no condition begins so; did you mean {}?", near.unwrap_or_default()));
    };
    let place = lexer.place();
    let mut subject = Subject { word, kind, reason, of: String::new(), path: None };
    match word {
        "json" => {
            subject.of = lexer.path().to_owned();
            match JsonPath::parse(&subject.of) {
                Ok(path) => subject.path = Some(path),
                Err(e) => {
                    let letters = subject.of.chars().count();
                    let at = place + e.position().saturating_sub(1).min(letters);
                    return wrong(at, format!("this is no JSONPath (RFC 9535): {}", e.message()));
                }
            }
        }
        "header" => {
            subject.of = lexer.path().to_owned();
            if http::HeaderName::from_bytes(subject.of.as_bytes()).is_err() {
                return wrong(place, "after header comes a header's name, like Content-Type");
            }
        }
        _ => {}
    }
    Ok(subject)
}

fn test(lexer: &mut Lexer<'_>, subject: &Subject) -> Result<Test, ConditionError> {
    let column = lexer.place();
    let operators = match subject.kind {
        Kind::Text => "==, !=, ~, !~, in or exists",
        Kind::Json => "==, !=, <, <=, >, >=, ~, !~, in or exists",
        _ => "==, !=, <, <=, >, >= or in",
    };
    let expected = || wrong(column, format!("after {} comes one of {operators}", subject.word));
    let is_text = subject.kind == Kind::Text;
    let is_ordered = !is_text;
    let is_matched = matches!(subject.kind, Kind::Text | Kind::Json);
    match next(lexer)?.map(|t| t.word) {
        Some(Word::Sign("==")) => Ok(Test::Equal(false, value(lexer, subject.kind)?)),
        Some(Word::Sign("!=")) => Ok(Test::Equal(true, value(lexer, subject.kind)?)),
        Some(Word::Sign(op @ ("<" | "<=" | ">" | ">="))) if is_ordered => {
            let place = lexer.place();
            let value = value(lexer, subject.kind)?;
            if !matches!(value.is, Is::Number(_)) {
                return wrong(place, format!("after {op} comes a number"));
            }
            Ok(Test::Order(op, value))
        }
        Some(Word::Sign(op @ ("~" | "!~"))) if is_matched => pattern(lexer, op),
        Some(Word::Sign("=")) => wrong(column, "write == for equal"),
        Some(Word::Sign("=~")) => wrong(column, "write ~ for a regular expression"),
        Some(Word::Bare(word)) if word == "in" => choices(lexer, subject.kind),
        Some(Word::Bare(word)) if word == "exists" && is_matched => Ok(Test::Exists),
        _ => expected(),
    }
}

fn pattern(lexer: &mut Lexer<'_>, op: &str) -> Result<Test, ConditionError> {
    let column = lexer.place();
    match next(lexer)?.map(|t| t.word) {
        Some(Word::Quoted(text)) => match Regex::new(&text) {
            Ok(regex) => Ok(Test::Match(op == "!~", regex)),
            Err(regex::Error::CompiledTooBig(_)) => wrong(column, "this regular expression is too large"),
            Err(_) => wrong(column, "this is no regular expression"),
        },
        _ => wrong(column, format!("after {op} comes a regular expression in quotes")),
    }
}

fn choices(lexer: &mut Lexer<'_>, kind: Kind) -> Result<Test, ConditionError> {
    let column = lexer.place();
    let mut all = Vec::new();
    match next(lexer)? {
        Some(Token { word: Word::Sign("["), .. }) => loop {
            let first = needed(lexer, "a value, or ] at the end of the list")?;
            all.push(choice(lexer, first, kind)?);
            if all.len() > CHOICES_MAX {
                return wrong(column, format!("this list has more than {CHOICES_MAX} values"));
            }
            let then = needed(lexer, ", or ] at the end of the list")?;
            match then.word {
                Word::Sign(",") => {}
                Word::Sign("]") => break,
                _ => return wrong(then.column, "here comes a comma or ]"),
            }
        },
        Some(first) => all.push(choice(lexer, first, kind)?),
        None => return wrong(column, "after in comes a range like 200..299, or a list like [200, 401]"),
    }
    Ok(Test::Among(all))
}

fn needed(lexer: &mut Lexer<'_>, what: &str) -> Result<Token, ConditionError> {
    let column = lexer.place();
    match next(lexer)? {
        Some(token) => Ok(token),
        None => wrong(column, format!("here the condition ends; {what} is missing")),
    }
}

/// A value, or a range that begins with it.
fn choice(lexer: &mut Lexer<'_>, first: Token, kind: Kind) -> Result<Choice, ConditionError> {
    let from = of_token(first, kind)?;
    if !lexer.takes("..") {
        return Ok(Choice::One(from));
    }
    let place = lexer.place();
    let to = value(lexer, kind)?;
    match (&from.is, &to.is) {
        (Is::Number(a), Is::Number(b)) if a <= b => Ok(Choice::Range(from, to)),
        _ => wrong(place, "a range goes from a smaller number to a larger one, like 200..299"),
    }
}

fn value(lexer: &mut Lexer<'_>, kind: Kind) -> Result<Value, ConditionError> {
    let token = needed(lexer, "a value")?;
    of_token(token, kind)
}

fn of_token(token: Token, kind: Kind) -> Result<Value, ConditionError> {
    let Token { column, word } = token;
    let (written, is) = match (word, kind) {
        (Word::Quoted(text), Kind::Text | Kind::Json) => (format!("{text:?}"), Some(Is::Text(text))),
        (Word::Bare(text), Kind::Text) => (text.clone(), Some(Is::Text(text))),
        (Word::Bare(text), kind) => {
            let is = bare(&text, kind);
            (text, is)
        }
        (Word::Quoted(_) | Word::Sign(_), _) => (String::new(), None),
    };
    let like = match kind {
        Kind::Number => "a number",
        Kind::Duration => "a duration with its unit, like 800ms, 5s or 14d",
        Kind::Size => "a size with its unit, like 500B, 20KB or 1MB",
        Kind::Percent => "a share, like 20%",
        Kind::Text => "a text in quotes",
        Kind::Json => "a number, a text in quotes, true, false or null",
    };
    is.map(|is| Value { written, is }).map_or_else(|| wrong(column, format!("here comes {like}")), Ok)
}

fn bare(text: &str, kind: Kind) -> Option<Is> {
    let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite());
    match kind {
        Kind::Number => number(text).map(Is::Number),
        Kind::Duration => {
            let d = duration::prometheus(text).ok().or_else(|| humantime::parse_duration(text).ok())?;
            Some(Is::Number(d.as_secs_f64()))
        }
        Kind::Size => {
            let at = text.find(|c: char| c.is_ascii_alphabetic())?;
            let (n, unit) = text.split_at_checked(at)?;
            let times = match unit {
                "B" => 1.0,
                "KB" | "kB" => 1e3,
                "MB" => 1e6,
                "GB" => 1e9,
                "KiB" => 1024.0,
                "MiB" => 1_048_576.0,
                "GiB" => 1_073_741_824.0,
                _ => return None,
            };
            number(n).map(|n| Is::Number(n * times))
        }
        Kind::Percent => number(text.strip_suffix('%')?).map(Is::Number),
        Kind::Json => match text {
            "true" => Some(Is::Bool(true)),
            "false" => Some(Is::Bool(false)),
            "null" => Some(Is::Null),
            text => number(text).map(Is::Number),
        },
        Kind::Text => None,
    }
}
