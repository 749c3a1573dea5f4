//! Notes of people on an incident, open or not: what was tried, what was seen, what was learnt. Kept by the store as rows of
//! their own, limited in size and number.

use axum::http::StatusCode;

use super::{
    Web,
    incidents::{Missing, who},
};
use crate::{
    model::{IncidentNote, text},
    store::{Durability, StoreError},
};

/// Says why a note is not taken.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// There is no such incident, or it can't be read.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// Nobody has written it.
    #[error("Say who notes it: a name.")]
    NoName,
    /// It says nothing.
    #[error("Write what is to be kept.")]
    Empty,
    /// It says too much.
    #[error("That is {0} bytes; a note has {max} at the most: cut it, or link what is longer.", max = IncidentNote::TEXT_MAX)]
    TooLong(usize),
    /// There are enough.
    #[error("This incident has {max} notes already, and takes no more.", max = IncidentNote::NOTES_MAX)]
    TooMany,
    /// How many there are can't be read.
    #[error("Notes can't be read now, so that none is taken: {0}")]
    Unreadable(#[from] StoreError),
}

impl NoteError {
    /// As HTTP has it.
    pub fn status(&self) -> StatusCode {
        match self {
            NoteError::Missing(missing) => missing.status(),
            NoteError::NoName | NoteError::Empty | NoteError::TooLong(_) => StatusCode::BAD_REQUEST,
            NoteError::TooMany => StatusCode::CONFLICT,
            NoteError::Unreadable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Adds a note to an incident, and returns whether it is on disk.
///
/// # Errors
/// When it is not taken.
pub async fn add(web: &Web, id: &str, by: &str, words: &str) -> Result<Durability, NoteError> {
    let incident = web.incident(id).await?.id;
    let note = note(incident, by, words, web.clock.wall())?;
    // Some that are written at the same moment may pass together: no more than there are requests at once.
    if web.store.notes(incident).await?.len() >= IncidentNote::NOTES_MAX {
        return Err(NoteError::TooMany);
    }
    let kept = web.store.commit_note(note.clone()).await;
    web.submissions.noted(note).await;
    Ok(kept)
}

fn note(incident: i64, by: &str, words: &str, at: jiff::Timestamp) -> Result<IncidentNote, NoteError> {
    let by = text::one_line(who(by)).into_owned();
    if by.is_empty() {
        return Err(NoteError::NoName);
    }
    let lines: Vec<_> = words.trim().lines().map(|line| text::one_line(line.trim_end())).collect();
    let words = lines.join("\n");
    match words.len() {
        0 => Err(NoteError::Empty),
        long if long > IncidentNote::TEXT_MAX => Err(NoteError::TooLong(long)),
        _ => Ok(IncidentNote { incident, at, by, text: words }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_kept_as_lines_of_text() {
        let check = |by: &str, words: &str, expected: &str| {
            let said = match note(7, by, words, jiff::Timestamp::UNIX_EPOCH) {
                Ok(note) => format!("{}: {}", note.by, note.text),
                Err(error) => error.to_string(),
            };
            assert!(said.starts_with(expected), "{by:?} {words:?}: {said}");
        };
        check(" ada ", " a\r\nb \u{1b}[31m\n", "ada: a\nb [31m");
        check("ada\nroot", "a", "ada root: a");
        check(" ", "a", "Say who notes it");
        check("ada", " \r\n ", "Write what is to be kept");
        check("ada", &"x".repeat(4001), "That is 4001 bytes; a note has 4000");
    }
}
