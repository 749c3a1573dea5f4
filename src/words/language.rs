//! The languages: files that are part of the program.

use std::{borrow::Cow, fmt, sync::LazyLock};

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use unic_langid::LanguageIdentifier;

use crate::{carried, model::text};

/// A language that messages can be told in, by its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Language(&'static str);

/// There is no file for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are no words in {0:?}; there are languages {1}")]
pub struct UnknownLanguage(String, String);

/// Its messages.
pub(super) struct Loaded {
    code: String,
    pub(super) bundle: FluentBundle<FluentResource>,
}

/// English first, which stands in for the others.
pub(super) static LOADED: LazyLock<Vec<Loaded>> = LazyLock::new(|| {
    let mut all: Vec<Loaded> =
        carried::languages().into_iter().filter_map(|(name, source)| load(&name, source)).collect();
    all.sort_by_key(|l| (l.code != Language::ENGLISH.0, l.code.clone()));
    all
});

/// A message that can't be read is left out and said in English; a test reads all of them.
fn load(name: &str, source: String) -> Option<Loaded> {
    let code = name.strip_suffix(".ftl")?.to_owned();
    let id: LanguageIdentifier = code.parse().ok()?;
    let resource = FluentResource::try_new(source).unwrap_or_else(|(read, _)| read);
    let mut bundle = FluentBundle::new_concurrent(vec![id]);
    // Marks of direction around variables: what `text::readable` would take out again.
    bundle.set_use_isolating(false);
    bundle.add_resource_overriding(resource);
    let separator = bundle.get_message("thousands-separator").and_then(|m| m.value());
    let separator = separator.map(|pattern| bundle.format_pattern(pattern, None, &mut Vec::new()).into_owned());
    let separator = separator.unwrap_or_default();
    // It is the first of that name.
    let _ =
        bundle.add_function("GROUP", move |args, _| args.first().map_or(FluentValue::None, |n| grouped(n, &separator)));
    Some(Loaded { code, bundle })
}

/// `GROUP($n)`: a whole number with its thousands apart.
fn grouped(value: &FluentValue<'_>, separator: &str) -> FluentValue<'static> {
    match value {
        FluentValue::Number(number) if number.value >= 0.0 => {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Whole, and as exact as it came.
            let whole = number.value as u64;
            text::number(whole).replace(',', separator).into()
        }
        other => other.into_owned(),
    }
}

impl Language {
    /// What everything is told in unless another one is asked for.
    pub const ENGLISH: Self = Self("en");

    /// Returns all that there are, English first.
    pub fn all() -> impl Iterator<Item = Self> {
        LOADED.iter().map(|l| Self(&l.code))
    }

    /// Returns the one with this code.
    ///
    /// # Errors
    /// Where there is none: it names those that there are.
    pub fn of(code: &str) -> Result<Self, UnknownLanguage> {
        let found = Self::all().find(|l| l.0.eq_ignore_ascii_case(code));
        found.ok_or_else(|| {
            let known: Vec<&str> = Self::all().map(|l| l.0).collect();
            UnknownLanguage(text::clip(code, 20).to_owned(), known.join(", "))
        })
    }

    /// Returns the one that a browser's `Accept-Language` (RFC 9110, 12.5.4) likes best of those that there are.
    pub fn liked(accept: &str) -> Option<Self> {
        /// Browsers send a handful.
        const READ_MAX: usize = 20;
        let mut best: Option<(Self, f32)> = None;
        for item in accept.split(',').take(READ_MAX) {
            let (tag, weight) = item.split_once(";q=").unwrap_or((item, "1"));
            let weight: f32 = weight.trim().parse().unwrap_or(0.0);
            let primary = tag.trim().split('-').next().unwrap_or_default();
            let Ok(language) = Self::of(primary) else { continue };
            if weight > best.map_or(0.0, |(_, than)| than) {
                best = Some((language, weight));
            }
        }
        best.map(|(language, _)| language)
    }

    /// Returns its code (BCP 47): `en`, `fr`.
    pub fn code(self) -> &'static str {
        self.0
    }

    fn loaded(self) -> Option<&'static Loaded> {
        LOADED.iter().find(|l| l.code == self.0)
    }

    /// Says a message; in English where this language lacks it. What nobody knows is shown by its name.
    pub(super) fn format(self, id: &str, args: &FluentArgs<'_>) -> String {
        let own = self.loaded().and_then(|l| l.try_format(id, args));
        own.or_else(|| Self::ENGLISH.loaded()?.try_format(id, args)).unwrap_or_else(|| id.to_owned())
    }
}

impl Loaded {
    fn try_format(&self, id: &str, args: &FluentArgs<'_>) -> Option<String> {
        let pattern = self.bundle.get_message(id)?.value()?;
        let mut errors = Vec::new();
        let text: Cow<'_, str> = self.bundle.format_pattern(pattern, Some(args), &mut errors);
        // One that lacks a variable would show its name: English may do without.
        errors.is_empty().then(|| text.into_owned())
    }
}

impl Default for Language {
    fn default() -> Self {
        Self::ENGLISH
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Serialize for Language {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Language {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::of(&String::deserialize(d)?).map_err(D::Error::custom)
    }
}

impl schemars::JsonSchema for Language {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Language".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let all: Vec<&str> = Self::all().map(Self::code).collect();
        schemars::json_schema!({"type": "string", "enum": all})
    }
}
