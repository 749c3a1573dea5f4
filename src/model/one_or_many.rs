//! A list of texts that may be written as one text, for serde.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Deserialize)]
#[serde(untagged, expecting = "must be a text, or a list of texts")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// How they are written, for the schema.
pub struct Written;

super::written::written!(Written, "OneOrMany", {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
});

/// Writes one alone, several as a list.
pub fn serialize<S: Serializer>(texts: &[String], s: S) -> Result<S::Ok, S::Error> {
    match texts {
        [one] => s.serialize_str(one),
        many => many.serialize(s),
    }
}

/// Reads either.
pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    Ok(match OneOrMany::deserialize(d)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}
