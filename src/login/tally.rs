//! What happens often is told seldom: the first time at once, the rest as a number when the next is told.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Keys that are remembered; whoever comes from more addresses than that is told as one.
const KEYS_MAX: usize = 100;

/// Counts what is not told.
#[derive(Debug)]
pub struct Tally<K> {
    every: Duration,
    seen: Mutex<HashMap<Option<K>, (Instant, u64)>>,
}

impl<K: Eq + Hash> Tally<K> {
    /// Of each key, one is told in so long.
    pub fn new(every: Duration) -> Self {
        Self { every, seen: Mutex::default() }
    }

    /// Counts one more, and says how many are to be told of now; `None`: nothing yet.
    pub fn count(&self, key: K, now: Instant) -> Option<u64> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= KEYS_MAX {
            seen.retain(|_, (told, _)| now.duration_since(*told) < self.every);
        }
        let key = Some(key);
        let key = if seen.len() >= KEYS_MAX && !seen.contains_key(&key) { None } else { key };
        match seen.get_mut(&key) {
            Some((told, count)) if now.duration_since(*told) < self.every => {
                *count += 1;
                None
            }
            Some((told, count)) => {
                *told = now;
                Some(std::mem::take(count) + 1)
            }
            None => {
                seen.insert(key, (now, 0));
                Some(1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_and_the_rest_is_counted() {
        let tally = Tally::new(Duration::from_secs(60));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(tally.count(1, at(0)), Some(1));
        assert_eq!((tally.count(1, at(1)), tally.count(1, at(59)), tally.count(2, at(59))), (None, None, Some(1)));
        assert_eq!(tally.count(1, at(60)), Some(3));
        // However many keys: they are told as one.
        let told = (10..100_000).filter(|key| tally.count(*key, at(61)).is_some()).count();
        assert!(told < KEYS_MAX + 1, "{told}");
        assert_eq!(tally.count(3, at(61)), None);
        assert!(tally.seen.lock().unwrap().len() <= KEYS_MAX + 1);
        assert!(tally.count(3, at(200)).is_some());
    }
}
