//! What the history tells of a moment. Works whether the cluster answers or not, and whether a watchdog runs or not.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    inventory::{
        kinds::Kind,
        object::{Object, Objects},
        tape::Picture,
    },
    store::{Store, StoreError},
};

/// Of events, those of so long before a moment are its picture: the API keeps them no longer either.
pub const EVENTS_FOR: Duration = Duration::from_secs(3_600);

/// Returns all objects of a kind at a moment.
///
/// # Errors
/// When the file can't be read.
pub async fn picture(store: &Store, cluster: &str, kind: &'static Kind, at: Timestamp) -> Result<Picture, StoreError> {
    let blocks = match kind.is_event() {
        true => store.recorded_changes(cluster, kind.name, (at - EVENTS_FOR, at)).await?,
        false => store.recorded(cluster, kind.name, at).await?,
    };
    let until_ms = at.as_millisecond();
    let unpacking = tokio::task::spawn_blocking(move || {
        let mut picture = Picture::default();
        blocks.iter().for_each(|block| picture.add(&block.body, until_ms));
        picture
    });
    unpacking.await.map_err(|e| StoreError { message: format!("reading what was recorded broke off: {e}") })
}

/// Returns the objects of several kinds at a moment.
///
/// # Errors
/// When the file can't be read.
pub async fn objects(
    store: &Store,
    cluster: &str,
    kinds: &[&'static Kind],
    at: Timestamp,
) -> Result<Objects, StoreError> {
    let mut found = Objects::new();
    for kind in kinds.iter().copied() {
        let picture = picture(store, cluster, kind, at).await?;
        let mut objects = Object::all(kind, &picture);
        if kind.is_event() {
            // A block may begin earlier.
            let from = at - EVENTS_FOR;
            objects.retain(|event| crate::inventory::tables::last_seen(event).is_none_or(|seen| seen >= from));
        }
        found.insert(kind.name, objects);
    }
    Ok(found)
}
