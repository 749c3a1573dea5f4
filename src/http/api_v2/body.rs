//! What is posted. Times are RFC 3339; Go's zero time counts as not given.

use jiff::Timestamp;
use serde::Deserialize;

use crate::{
    dispatch::alerts::Post,
    model::{Pairs, Silence, SilenceMatcher},
};

/// `postableAlert`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostableAlert {
    labels: Pairs,
    #[serde(default)]
    annotations: Option<Pairs>,
    #[serde(default)]
    starts_at: Option<String>,
    #[serde(default)]
    ends_at: Option<String>,
    #[serde(default, rename = "generatorURL")]
    generator_url: Option<String>,
}

impl PostableAlert {
    /// Reads its times.
    ///
    /// # Errors
    /// When one is none; in words.
    pub fn read(self) -> Result<Post, String> {
        Ok(Post {
            labels: self.labels,
            annotations: self.annotations.unwrap_or_default(),
            starts_at: time(self.starts_at.as_deref(), "startsAt")?,
            ends_at: time(self.ends_at.as_deref(), "endsAt")?,
            generator_url: self.generator_url.unwrap_or_default(),
        })
    }
}

fn time(text: Option<&str>, name: &str) -> Result<Option<Timestamp>, String> {
    match text {
        None | Some("") => Ok(None),
        Some(text) if text.starts_with("0001-01-01T") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| format!("{name} {text:?} is not a time in RFC 3339")),
    }
}

/// `postableSilence`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostableSilence {
    #[serde(default)]
    id: Option<String>,
    matchers: Vec<SilenceMatcher>,
    starts_at: String,
    ends_at: String,
    created_by: String,
    comment: String,
}

impl PostableSilence {
    /// Reads its times.
    ///
    /// # Errors
    /// When one is none; in words.
    pub fn read(self) -> Result<Silence, String> {
        let starts_at = time(Some(&self.starts_at), "startsAt")?.ok_or("startsAt is missing")?;
        let ends_at = time(Some(&self.ends_at), "endsAt")?.ok_or("endsAt is missing")?;
        Ok(Silence {
            id: self.id.unwrap_or_default(),
            matchers: self.matchers,
            starts_at,
            ends_at,
            updated_at: starts_at,
            created_by: self.created_by,
            comment: self.comment,
        })
    }
}
