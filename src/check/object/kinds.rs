//! What API servers have, as they last told. That changes when an operator is installed or taken away, not from probe to probe.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::ask::Resource;

/// What was told is taken for true so long. A kind that is not among it is asked for at once, and what an API server does not know any
/// more is forgotten.
const KEPT: Duration = Duration::from_secs(300);

/// The kinds of all clusters whose objects are checked: as many entries as checks name versions and groups. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Kinds(Arc<Mutex<HashMap<Key, (Instant, Told)>>>);

/// The cluster's server, and the version or group.
type Key = (String, String);

#[derive(Clone, Debug)]
enum Told {
    Resources(Arc<[Resource]>),
    Preferred(String),
}

impl Kinds {
    fn get(&self, server: &str, what: &str) -> Option<Told> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, told) = all.get(&(server.to_owned(), what.to_owned()))?;
        (at.elapsed() < KEPT).then(|| told.clone())
    }

    fn put(&self, server: &str, what: &str, told: Told) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (at, _)| at.elapsed() < KEPT);
        all.insert((server.to_owned(), what.to_owned()), (Instant::now(), told));
    }

    /// Returns the resources of a version, as that server last told.
    pub(super) fn resources(&self, server: &str, version: &str) -> Option<Arc<[Resource]>> {
        match self.get(server, version)? {
            Told::Resources(all) => Some(all),
            Told::Preferred(_) => None,
        }
    }

    /// Returns the version of a group that it would take.
    pub(super) fn preferred(&self, server: &str, group: &str) -> Option<String> {
        match self.get(server, group)? {
            Told::Preferred(version) => Some(version),
            Told::Resources(_) => None,
        }
    }

    /// Remembers the resources of a version.
    pub(super) fn has(&self, server: &str, version: &str, resources: Arc<[Resource]>) {
        self.put(server, version, Told::Resources(resources));
    }

    /// Remembers which version of a group it would take.
    pub(super) fn prefers(&self, server: &str, group: &str, version: &str) {
        self.put(server, group, Told::Preferred(version.to_owned()));
    }

    /// It does not know something any more that it told of.
    pub(super) fn forget(&self, server: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _), _| known != server);
    }
}
