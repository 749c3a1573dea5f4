//! What people read, in their language and in their time: messages, pages and reports. Pure.
//!
//! A language is one file in `words/languages`, in Fluent's syntax; a new file is a new language. English has every
//! message, and stands in for what another language lacks. Plurals are the language's own (CLDR, by `intl_pluralrules`).
//! What the diagnosis says comes in English, with what it was said with ([`Said`]); a sentence is said anew only where its
//! message gives, in English, just what stands there. So an old row, a sentence without a message and one that was changed
//! on its way are shown in English, and never in wrong words.

mod fleet;
mod language;
mod said;
mod templates;
#[cfg(test)]
mod tests;
mod time;

use std::fmt;

use fluent_bundle::{FluentArgs, FluentValue};
use jiff::tz::TimeZone;

pub use fleet::{fleet_headline, fleet_lines};
pub use language::{Language, UnknownLanguage};
pub use said::{add, finding, said_with};
pub use templates::install;
pub use time::month_title;

use crate::model::{Said, SaidPart};

/// In which language and in which time zone somebody is told.
#[derive(Clone, PartialEq)]
pub struct Voice {
    /// The language.
    pub language: Language,
    /// In it times are shown.
    pub zone: TimeZone,
}

impl Default for Voice {
    fn default() -> Self {
        Self { language: Language::ENGLISH, zone: TimeZone::UTC }
    }
}

impl fmt::Debug for Voice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Voice({}, {})", self.language, self.zone.iana_name().unwrap_or("?"))
    }
}

/// A variable of a message, ready to stand in it.
pub type Var<'a> = FluentValue<'a>;

impl Voice {
    /// Returns one for a language and a zone.
    pub fn new(language: Language, zone: TimeZone) -> Self {
        Self { language, zone }
    }

    /// Says a message with its variables; in English where the language lacks it.
    pub fn say(&self, id: &str, vars: &[(&'static str, Var<'_>)]) -> String {
        let mut args = FluentArgs::with_capacity(vars.len());
        for (name, value) in vars {
            args.set(*name, value.clone());
        }
        self.language.format(id, &args)
    }

    /// Says a message without variables.
    pub fn word(&self, id: &str) -> String {
        self.say(id, &[])
    }

    /// Says a sentence by what it was said with.
    pub fn said(&self, said: &Said) -> String {
        let mut args = FluentArgs::with_capacity(said.with.len());
        for (name, part) in &said.with {
            args.set(name.as_ref(), self.part(part));
        }
        self.language.format(&said.id, &args)
    }

    fn part(&self, part: &SaidPart) -> FluentValue<'static> {
        match part {
            SaidPart::Text(text) => text.clone().into(),
            SaidPart::Number(n) => (*n).into(),
            SaidPart::Seconds(n) => self.duration(std::time::Duration::from_secs(*n)).into(),
            SaidPart::Moment(at) => self.moment(*at).into(),
            SaidPart::Date(at) => self.date(*at).into(),
            SaidPart::Names(names, more) => {
                let names: Vec<String> = names.iter().map(|name| self.text(name)).collect();
                self.list(&names, *more).into()
            }
            SaidPart::Said(said) => self.said(said).into(),
        }
    }

    /// What stands in a list.
    fn text(&self, part: &SaidPart) -> String {
        match self.part(part) {
            FluentValue::String(text) => text.into_owned(),
            FluentValue::Number(number) => number.as_string().into_owned(),
            _ => String::new(),
        }
    }

    /// Lists names, of which so many are left out: `a`, `a and b`, `a, b and 7 more`.
    pub fn list<T: AsRef<str>>(&self, names: &[T], more: usize) -> String {
        let (head, last) = match (names.split_last(), more) {
            (None, 0) => return String::new(),
            (Some((last, head)), 0) => (head, last.as_ref().to_owned()),
            (_, more) => (names, self.say("list-more", &[("n", more.into())])),
        };
        if head.is_empty() {
            return last;
        }
        let head: Vec<&str> = head.iter().map(AsRef::as_ref).collect();
        self.say("list-and", &[("head", head.join(", ").into()), ("last", last.into())])
    }

    /// Writes a number with its thousands apart.
    pub fn number(&self, n: usize) -> String {
        self.say("number", &[("n", n.into())])
    }

    /// Writes a number that has a decimal point as the language does.
    pub fn decimal(&self, text: &str) -> String {
        match self.word("decimal-separator").as_str() {
            "." => text.to_owned(),
            other => text.replace('.', other),
        }
    }
}
