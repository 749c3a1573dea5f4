//! What is known of one kind of object, and the changes that are on their way to the history.
//!
//! Held are the kept fields of each object as compact JSON, some 1.2 KB a pod, so that a change can be told from a repetition.

use std::{
    collections::{BTreeMap, HashSet},
    io,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{
    inventory::{
        change,
        keep::Kept,
        kinds::Kind,
        news::{News, Source},
        object::Object,
        situation::Summary,
        tape::{self, Picture},
    },
    model::{BlockKey, RecordedBlock},
};

/// The most objects of one kind: twice the 30,000 pods that are planned for, some 75 MB. Those beyond are not recorded.
pub(super) const OBJECTS_MAX: usize = 60_000;
/// A block is closed when it has so many bytes of lines: it is packed anew whenever something is added to it.
const BLOCK_BYTES: usize = 128 << 10;
/// A block is closed after so long: what is asked for begins with the block that it lies in.
const BLOCK_FOR_MS: i64 = 10 * 60_000;
/// Bytes of lines of one part of a whole picture.
const PART_BYTES: usize = 1 << 20;
/// A whole picture is written when so many times as much was written since the last one …
const WHOLE_AFTER: u64 = 4;
/// … and no less than this: what has to be read for any moment is bounded by it.
const WHOLE_AFTER_BYTES: u64 = 1 << 20;

/// Changes that are not closed yet.
#[derive(Debug, Default)]
struct Open {
    from_ms: i64,
    lines: Vec<u8>,
    is_dirty: bool,
}

/// Whom the changes of one kind are told, besides the history.
#[derive(Debug)]
struct Listener {
    kind: &'static Kind,
    summary: Arc<Mutex<Summary>>,
    /// Nothing was known of it, and it has not been listed to its end yet.
    is_first: bool,
}

impl Listener {
    fn object(&self, key: &str, fields: Map<String, Value>) -> Object {
        Object::new(self.kind, key, fields)
    }

    fn tell(&self, object: &Object, before: Option<&Object>, is_gone: bool, now_ms: i64) {
        let source = if self.is_first { Source::FirstList } else { Source::Seen };
        let at = Timestamp::from_millisecond(now_ms).unwrap_or_default();
        let mut summary = self.summary.lock().unwrap_or_else(PoisonError::into_inner);
        summary.take(&News { object, before, is_gone, source, at });
    }
}

/// One kind's.
#[derive(Debug, Default)]
pub(super) struct Memory {
    cluster: String,
    kind: &'static str,
    is_log: bool,
    objects: BTreeMap<String, Box<str>>,
    open: Option<Open>,
    /// Time never goes back here.
    last_ms: i64,
    last_from_ms: i64,
    whole_bytes: u64,
    log_bytes: u64,
    listener: Option<Listener>,
}

/// What became of what was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It says what is known.
    Same,
    /// A change.
    Changed,
    /// There is no room for one more object.
    NoRoom,
}

impl Memory {
    /// Begins with what the history tells.
    pub(super) fn new(cluster: &str, kind: &'static Kind, blocks: &[RecordedBlock]) -> Self {
        let mut picture = Picture::default();
        let mut memory = Self { cluster: cluster.into(), kind: kind.name, is_log: kind.is_event(), ..Self::default() };
        for block in blocks {
            let before = picture.bytes;
            picture.add(&block.body, i64::MAX);
            let bytes = picture.bytes - before;
            match block.key.is_whole {
                true => memory.whole_bytes += bytes,
                false => memory.log_bytes += bytes,
            }
            memory.last_ms = memory.last_ms.max(block.to_ms);
            memory.last_from_ms = memory.last_from_ms.max(block.key.from_ms);
        }
        memory.objects = picture.objects;
        if memory.is_log {
            memory.objects.values_mut().for_each(|text| *text = count(&Picture::fields(text)).to_string().into());
        }
        memory
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }

    /// Tells a summary what is known and what changes from now on.
    pub(super) fn telling(
        mut self,
        kind: &'static Kind,
        summary: &Arc<Mutex<Summary>>,
        blocks: &[RecordedBlock],
    ) -> Self {
        let is_first = blocks.is_empty();
        let listener = Listener { kind, summary: summary.clone(), is_first };
        let at = Timestamp::from_millisecond(self.last_ms).unwrap_or_default();
        let tell = |key: &str, fields: Map<String, Value>| {
            let object = listener.object(key, fields);
            let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
            summary.take(&News { object: &object, before: None, is_gone: false, source: Source::History, at });
        };
        match self.is_log {
            // Of events only their number is kept here.
            true => {
                let mut picture = Picture::default();
                blocks.iter().for_each(|block| picture.add(&block.body, i64::MAX));
                picture.objects.iter().for_each(|(key, text)| tell(key, Picture::fields(text)));
            }
            false => self.objects.iter().for_each(|(key, text)| tell(key, Picture::fields(text))),
        }
        self.listener = Some(listener);
        self
    }

    /// Takes an object as it is now.
    pub(super) fn take(&mut self, kept: Kept, now_ms: i64) -> Taken {
        let known = self.objects.get(&kept.key);
        if known.is_none() && self.objects.len() >= OBJECTS_MAX {
            return Taken::NoRoom;
        }
        let Kept { key, fields, .. } = kept;
        let mut before = None;
        let said = match (self.is_log, known) {
            (true, known) => {
                // An event that goes on is told when it has happened twice as often.
                let (now, told) = (count(&fields), known.and_then(|text| text.parse::<u64>().ok()));
                if told.is_some_and(|told| now < told.saturating_mul(2)) {
                    return Taken::Same;
                }
                None
            }
            (false, None) => None,
            (false, Some(known)) => {
                let was = Picture::fields(known);
                let patch = change::between(&was, &fields);
                if patch.is_empty() {
                    return Taken::Same;
                }
                before = Some(was);
                Some(Value::Object(patch).to_string())
            }
        };
        let count = count(&fields);
        let fields = Value::Object(fields);
        let whole = fields.to_string();
        self.note(&key, Some(said.as_deref().unwrap_or(&whole)), now_ms);
        if let (Some(listener), Value::Object(fields)) = (&self.listener, fields) {
            let before = before.map(|fields| listener.object(&key, fields));
            listener.tell(&listener.object(&key, fields), before.as_ref(), false, now_ms);
        }
        self.objects.insert(key, if self.is_log { count.to_string() } else { whole }.into());
        Taken::Changed
    }

    /// Takes that an object is gone. True: it was known.
    pub(super) fn gone(&mut self, key: &str, now_ms: i64) -> bool {
        let Some(was) = self.objects.remove(key) else { return false };
        // The API forgets events after an hour; here they stay.
        if self.is_log {
            return false;
        }
        self.note(key, None, now_ms);
        if let Some(listener) = &self.listener {
            listener.tell(&listener.object(key, Picture::fields(&was)), None, true, now_ms);
        }
        true
    }

    /// Takes that there are no others than these. How many have gone.
    pub(super) fn only(&mut self, there: &HashSet<String>, now_ms: i64) -> u64 {
        let gone: Vec<String> = self.objects.keys().filter(|key| !there.contains(*key)).cloned().collect();
        gone.iter().map(|key| u64::from(self.gone(key, now_ms))).sum()
    }

    fn note(&mut self, key: &str, change: Option<&str>, now_ms: i64) {
        self.last_ms = self.last_ms.max(now_ms);
        if self.open.is_none() {
            // Blocks are told apart by their beginning.
            self.last_ms = self.last_ms.max(self.last_from_ms.saturating_add(1));
            self.last_from_ms = self.last_ms;
        }
        let open = self.open.get_or_insert_with(|| Open { from_ms: self.last_from_ms, ..Open::default() });
        let before = open.lines.len();
        tape::write(&mut open.lines, self.last_ms, key, change);
        open.is_dirty = true;
        self.log_bytes += (open.lines.len() - before) as u64;
    }

    /// Returns the open block where something was added to it since.
    ///
    /// # Errors
    /// When it can't be packed, which does not happen.
    pub(super) fn flush(&mut self) -> io::Result<Option<RecordedBlock>> {
        let Some(open) = self.open.as_mut().filter(|open| open.is_dirty) else { return Ok(None) };
        open.is_dirty = false;
        let body = tape::pack(&open.lines)?;
        let from_ms = open.from_ms;
        if open.lines.len() >= BLOCK_BYTES || self.last_ms - from_ms >= BLOCK_FOR_MS {
            self.open = None;
        }
        Ok(Some(RecordedBlock { key: self.key(from_ms, false, 0), to_ms: self.last_ms, body }))
    }

    /// Whether enough was added to the open block for it to be closed.
    pub(super) fn is_block_full(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.lines.len() >= BLOCK_BYTES)
    }

    /// Takes what was listed first as the picture that later ones are measured by.
    pub(super) fn begun(&mut self) {
        if self.whole_bytes == 0 {
            self.whole_bytes = std::mem::take(&mut self.log_bytes);
        }
        if let Some(listener) = &mut self.listener {
            listener.is_first = false;
            listener.summary.lock().unwrap_or_else(PoisonError::into_inner).listed(listener.kind.name);
        }
    }

    /// Whether a whole picture is due.
    pub(super) fn is_whole_due(&self) -> bool {
        !self.is_log && self.log_bytes > (self.whole_bytes * WHOLE_AFTER).max(WHOLE_AFTER_BYTES)
    }

    /// Returns a whole picture, with the block that was open before it.
    ///
    /// # Errors
    /// When it can't be packed, which does not happen.
    pub(super) fn whole(&mut self) -> io::Result<Vec<RecordedBlock>> {
        let mut blocks: Vec<RecordedBlock> = self.flush()?.into_iter().collect();
        self.open = None;
        self.last_ms = self.last_ms.max(self.last_from_ms).saturating_add(1);
        self.last_from_ms = self.last_ms - 1;
        let at_ms = self.last_ms;
        (self.whole_bytes, self.log_bytes) = (0, 0);
        let (mut lines, mut part) = (Vec::new(), 0);
        let mut objects = self.objects.iter().peekable();
        while let Some((key, text)) = objects.next() {
            tape::write(&mut lines, at_ms, key, Some(text));
            if lines.len() >= PART_BYTES || objects.peek().is_none() {
                self.whole_bytes += lines.len() as u64;
                blocks.push(RecordedBlock {
                    key: self.key(at_ms, true, part),
                    to_ms: at_ms,
                    body: tape::pack(&lines)?,
                });
                lines.clear();
                part += 1;
            }
        }
        if part == 0 {
            // A picture of nothing is one too.
            blocks.push(RecordedBlock { key: self.key(at_ms, true, 0), to_ms: at_ms, body: tape::pack(&[])? });
        }
        Ok(blocks)
    }

    fn key(&self, from_ms: i64, is_whole: bool, part: u32) -> BlockKey {
        BlockKey { cluster: self.cluster.clone(), kind: self.kind.into(), from_ms, is_whole, part }
    }
}

/// How often an event has happened.
fn count(fields: &Map<String, Value>) -> u64 {
    let series = fields.get("series").and_then(|s| s.get("count"));
    series.or_else(|| fields.get("deprecatedCount")).and_then(Value::as_u64).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::inventory::kinds::find;

    fn kept(key: &str, fields: Value) -> Kept {
        Kept { key: key.into(), fields: fields.as_object().unwrap().clone(), cut: 0 }
    }

    fn memory(kind: &str) -> Memory {
        Memory::new("prod", find(kind).unwrap(), &[])
    }

    fn picture(blocks: &[RecordedBlock], at_ms: i64) -> BTreeMap<String, Box<str>> {
        let mut sorted: Vec<_> = blocks.iter().filter(|b| b.key.from_ms <= at_ms).collect();
        sorted.sort_by_key(|b| (b.key.from_ms, !b.key.is_whole, b.key.part));
        let mut picture = Picture::default();
        sorted.iter().for_each(|b| picture.add(&b.body, at_ms));
        picture.objects
    }

    #[test]
    fn what_differs_is_written_and_what_repeats_is_not() {
        let mut memory = memory("pods");
        assert_eq!(memory.take(kept("a/x", json!({"p": 1})), 10), Taken::Changed);
        assert_eq!(memory.take(kept("a/x", json!({"p": 1})), 20), Taken::Same);
        assert_eq!(memory.take(kept("a/x", json!({"p": 2})), 30), Taken::Changed);
        let first = memory.flush().unwrap().unwrap();
        assert_eq!(memory.flush().unwrap(), None, "nothing new");
        assert!(memory.gone("a/x", 40) && !memory.gone("a/x", 41));
        let second = memory.flush().unwrap().unwrap();
        assert_eq!((first.key, first.to_ms), (second.key.clone(), 30), "the same block, grown");
        let blocks = [second];
        assert_eq!(&*picture(&blocks, 30)["a/x"], r#"{"p":2}"#);
        assert!(picture(&blocks, 40).is_empty());
        let again = Memory::new("prod", find("pods").unwrap(), &blocks);
        assert_eq!((again.len(), again.last_ms), (0, 40));
    }

    #[test]
    fn after_a_restart_only_what_has_changed_meanwhile_is_written() {
        let mut before = memory("nodes");
        before.take(kept("w1", json!({"k": "5.10"})), 10);
        before.take(kept("w2", json!({"k": "5.10"})), 10);
        let blocks = [before.flush().unwrap().unwrap()];
        let mut after = Memory::new("prod", find("nodes").unwrap(), &blocks);
        assert_eq!(after.take(kept("w1", json!({"k": "5.10"})), 5), Taken::Same);
        assert_eq!(after.only(&HashSet::from(["w1".to_owned()]), 5), 1);
        let second = after.flush().unwrap().unwrap();
        assert!(second.key.from_ms > blocks[0].key.from_ms, "a clock that went back makes no block anew");
        assert_eq!(picture(&[blocks[0].clone(), second], i64::MAX).len(), 1);
    }

    #[test]
    fn a_whole_picture_says_the_same_as_all_changes_before_it() {
        let mut memory = memory("pods");
        let mut blocks = Vec::new();
        let text = "x".repeat(900);
        for i in 0..6_000_i64 {
            let key = format!("n/{}", i % 300);
            memory.take(kept(&key, json!({"i": i, "t": format!("{text}{i}")})), 1_000 + i);
            if i == 299 {
                memory.begun();
            }
            if memory.is_block_full() {
                blocks.extend(memory.flush().unwrap());
            }
            if memory.is_whole_due() {
                blocks.extend(memory.whole().unwrap());
            }
        }
        blocks.extend(memory.flush().unwrap());
        let wholes: Vec<i64> = blocks.iter().filter(|b| b.key.is_whole).map(|b| b.key.from_ms).collect();
        assert!(wholes.len() >= 3, "{wholes:?}");
        let all = picture(&blocks, i64::MAX);
        assert_eq!(all, memory.objects);
        let last = *wholes.last().unwrap();
        let since: Vec<_> = blocks.iter().filter(|b| b.key.from_ms >= last).cloned().collect();
        assert_eq!(picture(&since, i64::MAX), all);
        let unique: HashSet<_> = blocks.iter().map(|b| format!("{:?}", b.key)).collect();
        let closed: HashSet<_> = blocks.iter().map(|b| (b.key.from_ms, b.key.is_whole, b.key.part)).collect();
        assert_eq!(unique.len(), closed.len());
        assert_eq!(Memory::new("prod", find("pods").unwrap(), &since).objects, memory.objects);
    }

    #[test]
    fn events_stay_when_the_api_forgets_them_and_are_told_again_when_they_double() {
        let mut memory = memory("events");
        let event = |count: u64| kept("n/e", json!({"reason": "BackOff", "series": {"count": count}}));
        let taken: Vec<_> = [1, 2, 3, 4, 7, 8].into_iter().map(|n| memory.take(event(n), 10)).collect();
        use Taken::{Changed, Same};
        assert_eq!(taken, [Changed, Changed, Same, Changed, Same, Changed]);
        assert!(!memory.gone("n/e", 20));
        assert_eq!(memory.len(), 0);
        let block = memory.flush().unwrap().unwrap();
        assert_eq!(picture(&[block], 99).len(), 1);
    }
}
