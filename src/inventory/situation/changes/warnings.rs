//! Warning events of a kind that was not seen before: the reason together with what it is about. Pure.

use std::collections::HashSet;

use jiff::Timestamp;

use super::What;
use crate::{
    inventory::{
        kinds::EVENTS,
        news::{News, Source},
        object::Object,
    },
    model::{ChangeKind, ChangeScope, text},
};

/// Kinds of warnings that are known: a cluster with many operators has some hundred. Beyond, none is called the first.
const KNOWN_MAX: usize = 2_000;
/// Bytes of what an event says.
const NOTE_MAX: usize = 120;
/// What nodes that are lost bring about, and what follows from it: never a cause.
const EFFECTS: [&str; 5] =
    ["NodeNotReady", "NodeNotSchedulable", "TaintManagerEviction", "FailedToUpdateEndpointSlices", "Evicted"];

/// Those that are known.
#[derive(Debug, Default)]
pub(super) struct Warnings(HashSet<(String, String)>);

impl Warnings {
    /// Takes news of an object: a first warning with the time when it happened.
    pub(super) fn take(&mut self, news: &News<'_>) -> Option<(What, Timestamp)> {
        let event = news.object;
        if event.resource != EVENTS || event.text(&["type"]) != "Warning" {
            return None;
        }
        let (reason, kind) = (event.text(&["reason"]), event.text(&["regarding", "kind"]));
        let key = (reason.to_owned(), kind.to_owned());
        if self.0.len() >= KNOWN_MAX || !self.0.insert(key) || news.source != Source::Seen || EFFECTS.contains(&reason)
        {
            return None;
        }
        let (namespace, name) = (event.text(&["regarding", "namespace"]), event.text(&["regarding", "name"]));
        let about = if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") };
        let note = text::clip(event.text(&["note"]), NOTE_MAX).to_owned();
        let what = What {
            kind: ChangeKind::FirstWarning,
            detail: format!("{reason} ({kind} {about}): {note}"),
            subject: about,
            scope: match (kind, namespace) {
                ("Node", _) => ChangeScope::Node(name.into()),
                (_, "") => ChangeScope::Cluster,
                (_, namespace) => ChangeScope::Namespace(namespace.into()),
            },
        };
        Some((what, began(event).map_or(news.at, |at| at.min(news.at))))
    }
}

/// When it first happened, by the clock of whoever tells of it.
fn began(event: &Object) -> Option<Timestamp> {
    let of = |field| event.time(&[field]);
    of("deprecatedFirstTimestamp").or_else(|| of("eventTime")).or_else(|| event.made_at())
}
