//! Silences: what is not told between two moments. Pure; the time is an argument, ids come from the caller.
//!
//! As Alertmanager's silence/silence.go: a silence whose conditions change becomes a new one, and the old one ends; only
//! what does not change the past may be changed.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::matchers::Matchers;
use crate::model::{Pairs, Silence, SilenceMatcher};

/// Ended silences are kept for so long, for people to look back (Alertmanager's `--data.retention`).
pub const KEPT_FOR: Duration = Duration::from_secs(120 * 3600);

/// Silences kept: more are made by a program gone wild.
pub const SILENCES_MAX: usize = 10_000;

/// Conditions of one silence.
const MATCHERS_MAX: usize = 100;

/// Bytes that the regular expressions of one silence may take once they are compiled: a hundred usual ones.
const EXPRESSIONS_BYTES_MAX: usize = 2 << 20;

/// Bytes that those of all silences that have not ended may take: whoever may silence must not take the machine's memory.
/// A usual expression counts as 16 KiB, so that some 4,000 fit.
const ALL_EXPRESSIONS_BYTES_MAX: usize = 64 << 20;

/// Bytes of an author, a comment, a label or a value.
const TEXT_MAX: usize = 10_000;

/// Says why a silence is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// It can't work.
    #[error("{0}")]
    Bad(String),
    /// The one that it would change is not there.
    #[error("silence {0} not found")]
    NotFound(String),
}

/// A silence with what it is held against alerts by.
#[derive(Clone, Debug)]
struct Held {
    silence: Silence,
    /// `None`: it has ended, and silences nothing any more.
    matchers: Option<Matchers>,
    /// What the regular expressions in them take.
    bytes: usize,
}

impl Held {
    fn ended(silence: Silence) -> Self {
        Self { silence, matchers: None, bytes: 0 }
    }
}

/// All silences.
#[derive(Clone, Debug, Default)]
pub struct Silences(BTreeMap<String, Held>);

impl Silences {
    /// Continues with what an earlier run had; what can't be read any more, or not beside the others, is left out: rather
    /// something is told that was silenced. What has ended by `now` is kept to look back at.
    pub fn restore(silences: impl IntoIterator<Item = Silence>, now: Timestamp) -> Self {
        let mut all = Self::default();
        for silence in silences {
            let held = if silence.ends_at <= now {
                Held::ended(silence)
            } else {
                let room = EXPRESSIONS_BYTES_MAX.min(all.room());
                let Ok((matchers, bytes)) = Matchers::of_silence(&silence.matchers, room) else { continue };
                Held { silence, matchers: Some(matchers), bytes }
            };
            all.0.insert(held.silence.id.clone(), held);
        }
        all
    }

    /// Returns all of them, by id.
    pub fn all(&self) -> impl Iterator<Item = &Silence> {
        self.0.values().map(|held| &held.silence)
    }

    /// Bytes that further regular expressions may take.
    fn room(&self) -> usize {
        ALL_EXPRESSIONS_BYTES_MAX.saturating_sub(self.0.values().map(|held| held.bytes).sum())
    }

    /// Returns the ids of silences in force that an alert satisfies.
    pub fn of(&self, labels: &Pairs, now: Timestamp) -> Vec<String> {
        self.in_force(labels, now).map(|s| s.id.clone()).collect()
    }

    /// Returns one silence in force that labels satisfy: the one that lasts longest.
    pub fn first_of(&self, labels: &Pairs, now: Timestamp) -> Option<&Silence> {
        self.in_force(labels, now).max_by_key(|s| (s.ends_at, &s.id))
    }

    fn in_force(&self, labels: &Pairs, now: Timestamp) -> impl Iterator<Item = &Silence> {
        let holds = move |held: &&Held| {
            held.silence.is_active(now) && held.matchers.as_ref().is_some_and(|m| m.matches(labels))
        };
        self.0.values().filter(holds).map(|held| &held.silence)
    }

    /// Takes a new silence (its id is empty) or a change of one; gives what must be stored, the taken one last.
    /// `id` is used where it becomes a new one.
    ///
    /// # Errors
    /// When it can't work, or is not there.
    pub fn set(&mut self, mut silence: Silence, id: String, now: Timestamp) -> Result<Vec<Silence>, SilenceError> {
        let (matchers, bytes) = check(&silence, now).map_err(SilenceError::Bad)?;
        let before = self.0.get(&silence.id).map_or(0, |old| old.bytes);
        if bytes > self.room() + before {
            let what = "the regular expressions of all silences take too much memory together; expire some";
            return Err(SilenceError::Bad(what.into()));
        }
        let held = |silence: &Silence| Held { silence: silence.clone(), matchers: Some(matchers), bytes };
        let mut changed = Vec::new();
        if !silence.id.is_empty() {
            let Some(old) = self.0.get(&silence.id) else { return Err(SilenceError::NotFound(silence.id)) };
            if can_change(&old.silence, &silence, now) {
                silence.updated_at = now;
                self.0.insert(silence.id.clone(), held(&silence));
                return Ok(vec![silence]);
            }
            changed.extend(self.end(&silence.id.clone(), now));
        } else if self.0.len() >= SILENCES_MAX {
            return Err(SilenceError::Bad(format!("there are {SILENCES_MAX} silences already; expire some")));
        }
        silence.id = id;
        silence.starts_at = silence.starts_at.max(now);
        silence.updated_at = now;
        self.0.insert(silence.id.clone(), held(&silence));
        changed.push(silence);
        Ok(changed)
    }

    /// Takes a silence as another watchdog has it, where that is newer; of two changes of the same moment the larger counts, on
    /// both. Returns whether it is taken.
    pub fn merge(&mut self, silence: &Silence) -> bool {
        let known = self.0.get(&silence.id).map(|held| &held.silence);
        let rank = |s: &Silence| (s.updated_at, s.ends_at, s.created_by.clone(), s.comment.clone());
        let room = known.is_some() || self.0.len() < SILENCES_MAX;
        if !room || known.is_some_and(|known| rank(known) >= rank(silence)) {
            return false;
        }
        let before = self.0.get(&silence.id).map_or(0, |old| old.bytes);
        let Ok((matchers, bytes)) = weighed(&silence.matchers) else { return false };
        if bytes > self.room() + before {
            return false;
        }
        self.0.insert(silence.id.clone(), Held { silence: silence.clone(), matchers: Some(matchers), bytes });
        true
    }

    /// Ends a silence now; gives what must be stored.
    ///
    /// # Errors
    /// When it is not there.
    pub fn expire(&mut self, id: &str, now: Timestamp) -> Result<Vec<Silence>, SilenceError> {
        if !self.0.contains_key(id) {
            return Err(SilenceError::NotFound(id.to_owned()));
        }
        Ok(self.end(id, now).into_iter().collect())
    }

    fn end(&mut self, id: &str, now: Timestamp) -> Option<Silence> {
        let held = self.0.get_mut(id).filter(|held| held.silence.ends_at > now)?;
        let silence = &mut held.silence;
        silence.starts_at = silence.starts_at.min(now);
        (silence.ends_at, silence.updated_at) = (now, now);
        *held = Held::ended(held.silence.clone());
        Some(held.silence.clone())
    }

    /// Forgets what ended long ago, and of what has ended the regular expressions; gives the ids of the forgotten.
    pub fn collect(&mut self, now: Timestamp) -> Vec<String> {
        for held in self.0.values_mut().filter(|held| held.matchers.is_some() && held.silence.ends_at <= now) {
            *held = Held::ended(held.silence.clone());
        }
        let old =
            |(_, held): &(&String, &Held)| held.silence.ends_at.checked_add(KEPT_FOR).is_ok_and(|until| until <= now);
        let gone: Vec<String> = self.0.iter().filter(old).map(|(id, _)| id.clone()).collect();
        gone.iter().for_each(|id| drop(self.0.remove(id)));
        gone
    }

    /// Returns when a silence next begins or ends.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.all().flat_map(|s| [s.starts_at, s.ends_at]).filter(|at| *at > now).min()
    }
}

fn check(silence: &Silence, now: Timestamp) -> Result<(Matchers, usize), String> {
    if silence.starts_at >= silence.ends_at {
        return Err("start time must be before end time".into());
    }
    if silence.ends_at < now {
        return Err("end time can't be in the past".into());
    }
    let texts = silence.matchers.iter().flat_map(|m| [&m.name, &m.value]);
    if texts.chain([&silence.created_by, &silence.comment]).any(|t| t.len() > TEXT_MAX) {
        return Err(format!("a text is longer than {TEXT_MAX} bytes"));
    }
    weighed(&silence.matchers)
}

/// Returns the conditions of a silence, checked: they must name something.
///
/// # Errors
/// What is wrong with them, in Alertmanager's words.
pub fn conditions(matchers: &[SilenceMatcher]) -> Result<Matchers, String> {
    weighed(matchers).map(|(matchers, _)| matchers)
}

/// The same, with the bytes that their regular expressions take.
fn weighed(matchers: &[SilenceMatcher]) -> Result<(Matchers, usize), String> {
    if matchers.is_empty() {
        return Err("at least one matcher required".into());
    }
    if matchers.len() > MATCHERS_MAX {
        return Err(format!("more than {MATCHERS_MAX} matchers"));
    }
    if matchers.iter().any(|m| m.name.is_empty()) {
        return Err("a matcher has no label name".into());
    }
    let (matchers, bytes) = Matchers::of_silence(matchers, EXPRESSIONS_BYTES_MAX)?;
    if matchers.match_nothing_given() {
        return Err("at least one matcher must not match the empty string".into());
    }
    Ok((matchers, bytes))
}

/// The past stays as it was.
fn can_change(old: &Silence, new: &Silence, now: Timestamp) -> bool {
    let same = old.matchers == new.matchers;
    match (now < old.starts_at, now < old.ends_at) {
        (true, _) => same && new.starts_at >= now,
        (false, true) => same && new.starts_at.as_second() == old.starts_at.as_second() && new.ends_at >= now,
        (false, false) => false,
    }
}

/// Returns a random UUID (version 4).
pub fn new_id() -> String {
    let n = (fastrand::u128(..) & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{n:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn silence(name: &str, value: &str, from: i64, to: i64) -> Silence {
        let matcher = SilenceMatcher { name: name.into(), value: value.into(), is_regex: true, is_equal: true };
        Silence {
            id: String::new(),
            matchers: vec![matcher],
            starts_at: at(from),
            ends_at: at(to),
            updated_at: at(0),
            created_by: "me".into(),
            comment: "test".into(),
        }
    }

    #[test]
    fn it_holds_between_its_moments_and_can_be_ended() {
        let mut all = Silences::default();
        let stored = all.set(silence("a", "x.*", -50, 100), "1".into(), at(0)).unwrap();
        assert_eq!((stored[0].id.as_str(), stored[0].starts_at), ("1", at(0)), "the past stays as it was");
        let labels: Pairs = [("a".to_owned(), "xy".to_owned())].into();
        assert_eq!(all.of(&labels, at(50)), ["1"]);
        assert!(all.of(&labels, at(100)).is_empty() && all.of(&Pairs::new(), at(50)).is_empty());
        assert_eq!(all.next_change(at(50)), Some(at(100)));
        assert_eq!(all.expire("1", at(60)).unwrap()[0].ends_at, at(60));
        assert!(all.of(&labels, at(60)).is_empty());
        assert_eq!(all.expire("2", at(60)), Err(SilenceError::NotFound("2".into())));
        assert_eq!(all.expire("1", at(70)), Ok(Vec::new()));
        assert!(all.collect(at(61)).is_empty());
        assert_eq!(all.collect(at(60) + KEPT_FOR), ["1"]);
    }

    #[test]
    fn a_change_of_conditions_makes_a_new_one() {
        let mut all = Silences::default();
        all.set(silence("a", "x", 0, 100), "1".into(), at(0)).unwrap();
        let longer = Silence { id: "1".into(), ..silence("a", "x", 0, 200) };
        assert_eq!(all.set(longer, "2".into(), at(10)).unwrap()[0].id, "1");
        let other = Silence { id: "1".into(), ..silence("a", "y", 0, 200) };
        let stored = all.set(other, "2".into(), at(10)).unwrap();
        let ids: Vec<&str> = stored.iter().map(|s| s.id.as_str()).collect();
        assert_eq!((ids, stored[0].ends_at), (vec!["1", "2"], at(10)));
    }

    #[test]
    fn of_two_watchdogs_the_later_change_counts_on_both() {
        let at_time = |seconds: i64, comment: &str| Silence {
            id: "1".into(),
            updated_at: at(seconds),
            comment: comment.into(),
            ..silence("a", "x", 0, 100)
        };
        let changes = [at_time(0, "made"), at_time(5, "longer"), at_time(5, "shorter"), at_time(3, "late")];
        let after = |order: [usize; 4]| {
            let mut all = Silences::default();
            for i in order {
                all.merge(&changes[i]);
            }
            all.all().map(|s| s.comment.clone()).collect::<Vec<_>>()
        };
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
            assert_eq!(after(order), ["shorter"], "{order:?}");
        }
        let mut all = Silences::default();
        assert!(all.merge(&changes[1]) && !all.merge(&changes[1]), "the same once more is no news");
    }

    #[test]
    fn what_can_not_work_is_refused() {
        let mut all = Silences::default();
        let mut check = |s: Silence, words: &str| {
            let error = all.set(s, "1".into(), at(0)).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        };
        check(silence("a", "x", 10, 10), "start time must be before end time");
        check(silence("a", "x", -20, -10), "in the past");
        check(silence("a", ".*", 0, 10), "must not match the empty string");
        check(silence("a", "(", 0, 10), "error parsing regexp");
        check(Silence { matchers: Vec::new(), ..silence("a", "x", 0, 10) }, "at least one matcher required");
        check(Silence { id: "9".into(), ..silence("a", "x", 0, 10) }, "silence 9 not found");
    }

    #[test]
    fn expressions_take_no_more_than_their_share() {
        // Each is counted as 2 MiB, so that 32 fill the room.
        let large = format!("[a-z]{{1000}}{}", "[α-ω]{1000}".repeat(2));
        let mut all = Silences::default();
        let take = |all: &mut Silences, i: usize| all.set(silence("a", &large, 0, 100), i.to_string(), at(0));
        let taken = (0..40).take_while(|i| take(&mut all, *i).is_ok()).count();
        assert_eq!(taken, 32);
        let error = take(&mut all, 33).unwrap_err().to_string();
        assert!(error.contains("take too much memory together"), "{error}");
        assert!(!all.merge(&Silence { id: "peer".into(), ..silence("a", &large, 0, 100) }));
        all.set(
            Silence { comment: "longer".into(), id: "3".into(), ..silence("a", &large, 0, 200) },
            "3".into(),
            at(1),
        )
        .unwrap();
        let kept = Silences::restore(
            all.all().cloned().chain([Silence { id: "x".into(), ..silence("a", &large, 0, 9) }]),
            at(1),
        );
        assert_eq!(kept.all().count(), 32, "what has no room beside the others is told");
        all.expire("1", at(2)).unwrap();
        take(&mut all, 34).unwrap();
        assert!(take(&mut all, 35).is_err());
        all.collect(at(150));
        assert_eq!(all.0.values().filter(|held| held.bytes > 0).count(), 1, "the one that lasts until 200");
        let two = SilenceMatcher { name: "a".into(), value: large, is_regex: true, is_equal: true };
        let error = conditions(&[two.clone(), two]).unwrap_err();
        assert!(error.contains("too large together"), "{error}");
    }

    #[test]
    fn ids_are_uuids() {
        let id = new_id();
        assert_eq!(id.len(), 36);
        assert!(id.as_bytes()[14] == b'4' && b"89ab".contains(&id.as_bytes()[19]), "{id}");
    }
}
