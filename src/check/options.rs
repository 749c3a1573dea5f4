//! Options that several kinds of checks share, as they are written. Pure.

use std::{fmt, path::PathBuf};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor, value::SeqAccessDeserializer},
};

use super::condition::Condition;
use crate::model::{Failure, Quota, Reason, Secret};

/// Larger files hold no secret of a few words.
pub(super) const SECRET_MAX: usize = 64 << 10;
/// A check that fails so often is down, whatever it was.
const QUOTA_MAX: u32 = 100;

/// `down: 3 of 5`, or `down: 3` for three in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Down(pub Quota);

crate::model::written::written!(Down, "Down", {
    "type": ["string", "integer"],
    "pattern": r"^\s*([0-9]+(\s+of\s+[0-9]+)?\s*|.*\$\{.*)$",
});

impl Serialize for Down {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{} of {}", self.0.failures, self.0.of))
    }
}

impl<'de> Deserialize<'de> for Down {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let mut words = text.split_whitespace();
        let number = |word: Option<&str>| word?.parse::<u32>().ok().filter(|n| (1..=QUOTA_MAX).contains(n));
        let (failures, joint, of) = (number(words.next()), words.next(), words.next());
        let quota = match (failures, joint, of, words.next()) {
            (Some(failures), None, ..) => Some(Quota { failures, of: failures }),
            (Some(failures), Some("of"), of, None) => {
                number(of).filter(|of| *of >= failures).map(|of| Quota { failures, of })
            }
            _ => None,
        };
        quota
            .map(Down)
            .ok_or_else(|| D::Error::custom("write so many failures of so many probes, like 3 of 5; 100 at the most"))
    }
}

/// `status: [200, 401]`, `status: 204` or `status: 200..299`, as the condition that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusSet(pub Condition);

crate::model::written::written!(StatusSet, "StatusSet", {
    "anyOf": [
        {"type": ["string", "integer"]},
        {"type": "array", "items": {"type": ["string", "integer"]}},
    ],
});

impl Serialize for StatusSet {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let text = self.0.to_string();
        s.serialize_str(text.trim_start_matches("status in "))
    }
}

impl<'de> Deserialize<'de> for StatusSet {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Statuses)
    }
}

struct Statuses;

impl Statuses {
    fn of<E: Error>(self, words: &str) -> Result<StatusSet, E> {
        let wrong = || E::custom("write statuses like 200, 200..299 or [200, 401]");
        Condition::read(&format!("status in {words}")).map(StatusSet).map_err(|_| wrong())
    }
}

impl<'de> Visitor<'de> for Statuses {
    type Value = StatusSet;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("statuses like 200, 200..299 or [200, 401]")
    }

    fn visit_u64<E: Error>(self, v: u64) -> Result<StatusSet, E> {
        self.of(&v.to_string())
    }

    fn visit_str<E: Error>(self, v: &str) -> Result<StatusSet, E> {
        self.of(v)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<StatusSet, A::Error> {
        let items = Vec::<Item>::deserialize(SeqAccessDeserializer::new(items))?;
        let words: Vec<String> = items.into_iter().map(|i| i.0).collect();
        self.of(&format!("[{}]", words.join(", ")))
    }
}

/// A number or a text, as a text.
struct Item(String);

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Item;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status like 200, or a range like 200..299")
            }

            fn visit_u64<E: Error>(self, v: u64) -> Result<Item, E> {
                Ok(Item(v.to_string()))
            }

            fn visit_str<E: Error>(self, v: &str) -> Result<Item, E> {
                Ok(Item(v.to_owned()))
            }
        }
        d.deserialize_any(Either)
    }
}

/// `expect:` of a check that reads what is said to it: a regular expression that has to match it, or conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect(pub Vec<Condition>);

crate::model::written::written!(Expect, "Expect", {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
});

impl Serialize for Expect {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(s)
    }
}

impl<'de> Deserialize<'de> for Expect {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Expect;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a regular expression, or a list of conditions")
            }

            fn visit_str<E: Error>(self, v: &str) -> Result<Expect, E> {
                let quoted = v.replace('"', "\\\"");
                let wrong = || E::custom("this is no regular expression; conditions are a list: [\"time < 1s\"]");
                Condition::read(&format!("banner ~ \"{quoted}\"")).map(|c| Expect(vec![c])).map_err(|_| wrong())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Expect, A::Error> {
                Vec::<Condition>::deserialize(SeqAccessDeserializer::new(items)).map(Expect)
            }
        }
        d.deserialize_any(Either)
    }
}

/// A secret that stands in the configuration, or in a file beside it.
pub(super) async fn secret(value: Option<&Secret>, file: Option<&PathBuf>) -> Result<Option<String>, String> {
    let Some(path) = file else { return Ok(value.map(|secret| secret.reveal().to_owned())) };
    let text = tokio::fs::read(path).await.map_err(|e| crate::model::secret::unreadable(path, &e))?;
    if text.len() > SECRET_MAX {
        return Err(format!("{} is larger than 64 KiB, and no secret", path.display()));
    }
    Ok(Some(String::from_utf8_lossy(&text).trim_end_matches(['\r', '\n']).to_owned()))
}

/// The same for a probe; that it can't be had is the probe's failure.
pub(super) async fn password(value: Option<&Secret>, file: Option<&PathBuf>) -> Result<Option<String>, Failure> {
    secret(value, file).await.map_err(|why| Failure::new(Reason::Tls, format!("our credentials can't be had: {why}")))
}
