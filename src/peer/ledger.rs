//! What both must know, in the order in which it changed: the newest form of each thing. Pure.

use std::collections::{BTreeMap, HashMap};

use super::wire::{Item, Key};

/// Things kept: more than the open incidents, waiting messages and silences of a very bad day. Beyond it what is over goes first;
/// the other has heard of it long ago, unless it was away.
pub const KEPT_MAX: usize = 50_000;

/// Things that are over are kept up to this: for another that comes back after hours.
const OVER_MAX: usize = 2_000;

/// Items of one exchange: a message holds its whole incident, some kilobytes.
pub const ITEMS_MAX: usize = 200;

/// Holds the newest form of each thing by the revision in which it changed.
#[derive(Debug, Default)]
pub struct Ledger {
    revision: u64,
    items: BTreeMap<u64, Item>,
    places: HashMap<Key, u64>,
    over: usize,
    dropped: u64,
}

impl Ledger {
    /// Puts a thing in as it is now. What has not changed is not said again.
    pub fn put(&mut self, item: Item) {
        let key = item.key();
        if self.get(&key) == Some(&item) {
            return;
        }
        self.remove(&key);
        self.revision += 1;
        self.over += usize::from(item.is_over());
        self.places.insert(key, self.revision);
        self.items.insert(self.revision, item);
        self.make_room();
    }

    /// Returns a thing as it was last put.
    pub fn get(&self, key: &Key) -> Option<&Item> {
        self.places.get(key).and_then(|at| self.items.get(at))
    }

    /// Forgets a thing.
    pub fn remove(&mut self, key: &Key) {
        if let Some(item) = self.places.remove(key).and_then(|at| self.items.remove(&at)) {
            self.over -= usize::from(item.is_over());
        }
    }

    /// Returns the newest revision.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Returns what has changed after a revision, oldest first, and up to which revision that is all.
    pub fn since(&self, revision: u64) -> (Vec<Item>, u64) {
        let mut changed = self.items.range(revision.saturating_add(1)..);
        let items: Vec<(u64, Item)> = changed.by_ref().take(ITEMS_MAX).map(|(at, item)| (*at, item.clone())).collect();
        let up_to = match (changed.next(), items.last()) {
            (Some(_), Some((last, _))) => *last,
            _ => self.revision,
        };
        (items.into_iter().map(|(_, item)| item).collect(), up_to)
    }

    /// Returns how many things went for want of room since it was last asked.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    fn make_room(&mut self) {
        while self.over > OVER_MAX {
            let Some(key) = self.items.values().find(|i| i.is_over()).map(Item::key) else { break };
            self.remove(&key);
        }
        while self.items.len() > KEPT_MAX {
            let Some(key) = self.items.values().next().map(Item::key) else { break };
            self.remove(&key);
            self.dropped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::wire::View;

    fn view(cluster: usize, blind: bool) -> Item {
        Item::View { view: View { cluster: cluster.to_string(), blind, findings: Vec::new() } }
    }

    #[test]
    fn the_newest_form_is_said_once_and_in_order() {
        let mut ledger = Ledger::default();
        ledger.put(view(1, false));
        ledger.put(view(2, false));
        ledger.put(view(1, true));
        ledger.put(view(1, true));
        assert_eq!(ledger.revision(), 3, "what has not changed is no news");
        assert_eq!(ledger.since(0), (vec![view(2, false), view(1, true)], 3));
        assert_eq!(ledger.since(2), (vec![view(1, true)], 3));
        assert_eq!(ledger.since(3), (vec![], 3));
        assert_eq!(ledger.since(u64::MAX), (vec![], 3));
    }

    #[test]
    fn much_goes_in_parts_and_what_is_over_makes_room() {
        let mut ledger = Ledger::default();
        (0..=ITEMS_MAX).for_each(|i| ledger.put(view(i, false)));
        let (first, up_to) = ledger.since(0);
        assert_eq!((first.len(), up_to), (ITEMS_MAX, ITEMS_MAX as u64));
        assert_eq!(ledger.since(up_to), (vec![view(ITEMS_MAX, false)], ITEMS_MAX as u64 + 1));
        let over = |id: i64| Item::Acknowledgement {
            incident: id,
            at: jiff::Timestamp::UNIX_EPOCH,
            by: "ada".into(),
            withdrawn: false,
        };
        (0..3_000).for_each(|id| ledger.put(over(id)));
        assert!(ledger.get(&Key::Acknowledgement(0)).is_none() && ledger.get(&Key::Acknowledgement(2_999)).is_some());
        assert!(ledger.get(&Key::View("0".into())).is_some());
        assert_eq!(ledger.take_dropped(), 0, "what is over is no loss");
    }
}
