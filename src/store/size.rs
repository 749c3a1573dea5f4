//! Sizes as people write them (`500MB`, `5GB`, `2GiB`), for serde.

use serde::{Deserialize, Deserializer, Serializer, de::Error};

const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

/// How a size is written, for the schema.
pub struct Written;

crate::model::written::written!(Written, "Size", {
    "type": "string",
    "pattern": r"^([0-9]+\s*(KiB|MiB|GiB|kB|KB|MB|GB|TB|B)|.*\$\{.*)$",
});

/// Writes bytes.
pub fn serialize<S: Serializer>(bytes: &u64, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(&format_args!("{bytes}B"))
}

/// Reads a size; a bare number is refused, since nobody can tell its unit.
pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    let text = String::deserialize(d)?;
    UNITS
        .iter()
        .find_map(|(unit, factor)| text.strip_suffix(unit)?.trim().parse::<u64>().ok()?.checked_mul(*factor))
        .ok_or_else(|| D::Error::custom("this is not a size; write it like 500MB, 5GB or 2GiB"))
}
