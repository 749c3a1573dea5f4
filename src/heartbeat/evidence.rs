//! What a success has to bring with it: words that must be there or must not, and a size. Who reports a success without it has
//! not succeeded. Pure; judges the body as it is kept, its last [`super::BODY_MAX`] bytes, and keeps nothing more of it.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use bytes::Bytes;
use regex::Regex;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json_path::JsonPath;

use crate::{
    check::condition::{Condition, Seen},
    model::text,
};

/// Sizes that are remembered of one job: enough that one odd run does not move what is usual.
pub const SIZES_MAX: usize = 10;

/// Before so many sizes are known, nothing is usual.
const USUAL_OF_MIN: usize = 3;

/// Conditions of one job; nobody means more, and all of them are judged with each ping.
const CONDITIONS_MAX: usize = 20;

/// What a condition on a report may be about: nothing else is known of it.
const ABOUT: [&str; 2] = ["body", "json"];

/// Units of sizes in reports, in small letters. A letter alone is a power of 1024, as `ls -h`, `du -h` and `tar` have it.
const UNITS: [(&str, f64); 19] = [
    ("", 1.0),
    ("b", 1.0),
    ("byte", 1.0),
    ("bytes", 1.0),
    ("k", 1024.0),
    ("kb", 1e3),
    ("kib", 1024.0),
    ("m", 1_048_576.0),
    ("mb", 1e6),
    ("mib", 1_048_576.0),
    ("g", 1_073_741_824.0),
    ("gb", 1e9),
    ("gib", 1_073_741_824.0),
    ("t", 1_099_511_627_776.0),
    ("tb", 1e12),
    ("tib", 1_099_511_627_776.0),
    ("p", 1_125_899_906_842_624.0),
    ("pb", 1e15),
    ("pib", 1_125_899_906_842_624.0),
];

/// `expect:` of a heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectConfig {
    /// Conditions on the body: `body ~ "saved"`, `body !~ "(?i)error"`, `json $.status == "ok"`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// How the size is read from the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<SizeConfig>,
    /// A smaller size is a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_size: Option<Size>,
    /// A size that is smaller by more than this share than what is usual is a failure; 100%: none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_shrink: Option<Share>,
}

/// Where the size stands in a body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SizeConfig {
    /// A regular expression, whose first group is a number with its unit (of none: bytes); its last match counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// A JSONPath to a number of bytes, or to a text with a number and its unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<String>,
}

/// Bytes, as a configuration has them: `500MB`, `2GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Size(
    #[serde(with = "crate::store::size")]
    #[schemars(with = "crate::store::size::Written")]
    pub u64,
);

/// A share in percent, as a configuration has it: `50%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(pub u8);

/// A backup that is half as large as usual has lost something.
const MAX_SHRINK: Share = Share(50);

crate::model::written::written!(Share, "Share", {
    "type": "string",
    "pattern": r"^([0-9]+\s*%|.*\$\{.*)$",
});

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{}%", self.0))
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let percent = text.strip_suffix('%').and_then(|n| n.trim().parse().ok()).filter(|n| (1..=100).contains(n));
        percent.map(Self).ok_or_else(|| D::Error::custom("must be a whole share from 1% to 100%, like 50%"))
    }
}

/// How the size is read.
#[derive(Clone, Debug)]
enum Reader {
    Regex(Regex),
    Json(JsonPath),
}

/// Holds what a success has to bring: its configuration, read once.
#[derive(Clone, Debug)]
pub struct Evidence {
    conditions: Vec<Condition>,
    size: Option<Reader>,
    min_size: Option<u64>,
    max_shrink: Share,
}

/// What a report weighs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weighed {
    /// Its size in bytes, where it could be read.
    pub size: Option<f64>,
    /// Why it is no success; empty: it is one. Goes on from "it reported in, but".
    pub refused: String,
}

impl Evidence {
    /// From a configuration.
    ///
    /// # Errors
    /// The key that can't work (with its dots), and why.
    pub fn new(config: &ExpectConfig) -> Result<Self, (String, String)> {
        let wrong = |key: &str, why: &str| Err((format!("expect.{key}"), why.to_owned()));
        if config.conditions.len() > CONDITIONS_MAX {
            return wrong("conditions", &format!("has more than {CONDITIONS_MAX} conditions"));
        }
        for (i, condition) in config.conditions.iter().enumerate() {
            if !ABOUT.contains(&condition.about()) {
                let why = format!("a report has no {}; a condition here is about body or json", condition.about());
                return wrong(&format!("conditions[{i}]"), &why);
            }
        }
        let size = match &config.size {
            None if config.min_size.is_some() => {
                return wrong("min_size", "how is the size known? Give size: {regex: …}");
            }
            None if config.max_shrink.is_some() => {
                return wrong("max_shrink", "how is the size known? Give size: {regex: …}");
            }
            None => None,
            Some(size) => Some(size.reader().map_err(|(key, why)| (format!("expect.size{key}"), why))?),
        };
        if size.is_none() && config.conditions.is_empty() {
            return Err(("expect".into(), "what is expected? Give conditions or size".into()));
        }
        let max_shrink = config.max_shrink.unwrap_or(MAX_SHRINK);
        Ok(Self { conditions: config.conditions.clone(), size, min_size: config.min_size.map(|s| s.0), max_shrink })
    }

    /// Judges what came with a success, beside the sizes of those before it.
    pub fn weigh(&self, body: &str, before: &VecDeque<f64>) -> Weighed {
        let mut seen = Seen::default();
        seen.body = Some(Bytes::copy_from_slice(body.as_bytes()));
        let size = self.size.as_ref().and_then(|reader| reader.read(body));
        let unmet = self.conditions.iter().find_map(|condition| condition.judge(&seen).err());
        let refused = match unmet {
            Some(failure) => failure.message,
            None => self.small(size, before).unwrap_or_default(),
        };
        Weighed { size, refused }
    }

    /// What is wrong with its size.
    fn small(&self, size: Option<f64>, before: &VecDeque<f64>) -> Option<String> {
        self.size.as_ref()?;
        let Some(size) = size else { return Some("its size is not in what it sent".into()) };
        if let Some(least) = self.min_size.filter(|least| size < *least as f64) {
            return Some(format!("its size was {}, should be {} or more", words(size), words(least as f64)));
        }
        let usual = usual(before)?;
        let least = usual * f64::from(100 - self.max_shrink.0.min(100)) / 100.0;
        (size < least).then(|| format!("its size was {}, usually {}", words(size), words(usual)))
    }
}

impl SizeConfig {
    fn reader(&self) -> Result<Reader, (String, String)> {
        match (&self.regex, &self.json) {
            (Some(regex), None) => match Regex::new(regex) {
                Ok(regex) if regex.captures_len() < 2 => {
                    Err((".regex".into(), "has no group: put ( ) around the number with its unit".into()))
                }
                Ok(regex) => Ok(Reader::Regex(regex)),
                Err(regex::Error::CompiledTooBig(_)) => Err((".regex".into(), "is too large".into())),
                Err(_) => Err((".regex".into(), "is no regular expression".into())),
            },
            (None, Some(path)) => match JsonPath::parse(path) {
                Ok(path) => Ok(Reader::Json(path)),
                Err(why) => Err((".json".into(), format!("is no JSONPath (RFC 9535): {}", why.message()))),
            },
            _ => Err((String::new(), "give regex or json, one of them".into())),
        }
    }
}

impl Reader {
    fn read(&self, body: &str) -> Option<f64> {
        match self {
            // What a program says last is its sum.
            Self::Regex(regex) => bytes(regex.captures_iter(body).last()?.get(1)?.as_str()),
            Self::Json(path) => {
                let document: serde_json::Value = serde_json::from_str(body.trim()).ok()?;
                match path.query(&document).first()? {
                    serde_json::Value::Number(n) => n.as_f64().filter(|n| *n >= 0.0),
                    serde_json::Value::String(text) => bytes(text),
                    _ => None,
                }
            }
        }
    }
}

/// Reads a number with its unit: `48 MB`, `1.5GiB`, `1,234,567 bytes`, `48M`.
fn bytes(written: &str) -> Option<f64> {
    let written = written.trim();
    let at = written.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ',')).unwrap_or(written.len());
    let (number, unit) = written.split_at(at);
    let unit = unit.trim().to_ascii_lowercase();
    let times = UNITS.iter().find(|(known, _)| *known == unit)?.1;
    let mut groups = number.split('.').next()?.split(',');
    let first = groups.next()?;
    let mut grouped = false;
    for group in groups {
        // A comma parts thousands; what else it may mean is not guessed.
        if group.len() != 3 || first.len() > 3 {
            return None;
        }
        grouped = true;
    }
    if number.matches(',').count() > 0 && !grouped {
        return None;
    }
    let n: f64 = number.replace(',', "").parse().ok()?;
    Some(n * times).filter(|n| n.is_finite())
}

/// The median of sizes, where there are enough.
pub fn usual(sizes: &VecDeque<f64>) -> Option<f64> {
    if sizes.len() < USUAL_OF_MIN {
        return None;
    }
    let mut sorted: Vec<f64> = sizes.iter().copied().collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// A size in words.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Bytes of a file; saturates.
pub fn words(bytes: f64) -> String {
    text::size(bytes.max(0.0) as u64)
}
