//! What many connections share on our side (the resolver, a proxy), and what it did for others lately: where it fails
//! one of them, another that it served is tried on the spot, and tells whether the fault is that one's or our own.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// What was served longer ago than this may well be gone.
const FRESH: Duration = Duration::from_secs(300);
/// So many are remembered: more witnesses than anybody asks.
const SERVED_MAX: usize = 256;
/// So many are asked, newest first: one of them may have failed at the same time.
const ASKED_MAX: usize = 2;

/// Holds what one shared thing served, and when.
#[derive(Debug)]
pub(super) struct Served<T>(Mutex<HashMap<T, Instant>>);

impl<T: Clone + Eq + std::hash::Hash> Served<T> {
    /// Returns a memory of nothing.
    pub(super) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// It has just served this one.
    pub(super) fn note(&self, whom: &T) {
        let now = Instant::now();
        let mut served = self.lock();
        if served.len() >= SERVED_MAX && !served.contains_key(whom) {
            let oldest = served.iter().min_by_key(|(_, at)| **at).map(|(whom, _)| whom.clone());
            oldest.and_then(|oldest| served.remove(&oldest));
        }
        served.insert(whom.clone(), now);
    }

    /// Others that it served not long ago.
    pub(super) fn witnesses(&self, but: &T) -> Vec<T> {
        let now = Instant::now();
        let served = self.lock();
        let mut others: Vec<_> = served.iter().filter(|(whom, at)| *whom != but && now - **at < FRESH).collect();
        others.sort_by_key(|(_, at)| std::cmp::Reverse(**at));
        others.into_iter().take(ASKED_MAX).map(|(whom, _)| whom.clone()).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<T, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_newest_others_are_witnesses_for_a_while() {
        let served = Served::new();
        assert!(served.witnesses(&0).is_empty());
        for whom in 0..4 {
            served.note(&whom);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(served.witnesses(&9), [3, 2]);
        assert_eq!(served.witnesses(&3), [2, 1]);
        tokio::time::advance(FRESH).await;
        assert!(served.witnesses(&9).is_empty());
        (0..1000).for_each(|whom| served.note(&whom));
        assert_eq!(served.lock().len(), SERVED_MAX);
    }
}
