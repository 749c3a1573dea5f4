//! Samples: from the batch through packing, joining and rolling up to their end, and what queries see all the while.

use std::sync::RwLock;

use rusqlite::params;

use super::*;
use crate::{
    model::{Labels, Matcher, stale},
    pack::{Points, Want},
    store::{
        head::{self, Head, read_lock},
        housekeeping::{Housekeeping, HousekeepingContext},
    },
};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// A midnight.
const T0: i64 = 1_767_225_600_000;

fn labels(series: &str) -> Labels {
    Labels::new("m", [("series", series)])
}

fn sample(series: &str, at_ms: i64, value: f64) -> Sample {
    Sample { labels: labels(series), at: Timestamp::from_millisecond(at_ms).unwrap(), value }
}

/// A store whose housekeeping the test does itself, at the times that it says.
struct Rig {
    dir: TempDir,
    db: Connection,
    head: RwLock<Head>,
    readers: history::Readers,
    config: StorageConfig,
    housekeeping: Housekeeping,
}

impl Rig {
    fn new() -> Self {
        Self::on(tempfile::tempdir().unwrap(), StorageConfig::default())
    }

    fn on(dir: TempDir, config: StorageConfig) -> Self {
        let place = Place { dir: dir.path().to_path_buf() };
        let db = schema::open(&place, now()).unwrap();
        let head = RwLock::new(history::load(&db).unwrap());
        let readers = history::Readers::new(place.database());
        Self { dir, db, head, readers, config, housekeeping: Housekeeping::default() }
    }

    /// As the writer does with a batch.
    fn append(&mut self, samples: &[Sample]) {
        let mut rows = Vec::new();
        let mut head = self.head.write().unwrap();
        for s in samples {
            if let head::Taken::In(id, new) = head.insert(s, i64::MIN) {
                rows.push((id, s.at.as_millisecond(), s.value));
                if new {
                    let text = serde_json::to_string(&s.labels).unwrap();
                    self.db.execute("INSERT INTO label_sets (id, labels) VALUES (?1, ?2)", params![id, text]).unwrap();
                }
            }
        }
        let newest = rows.iter().map(|r| r.1).max().unwrap_or_default();
        self.db
            .execute("INSERT INTO batches (to_ms, samples) VALUES (?1, ?2)", params![newest, batch::encode(&rows)])
            .unwrap();
    }

    /// Housekeeping until nothing is left to do at `at_ms`.
    fn run_housekeeping(&mut self, at_ms: i64) {
        let now = Timestamp::from_millisecond(at_ms).unwrap();
        for _ in 0..10_000 {
            let mut context = HousekeepingContext { db: &mut self.db, head: &self.head, config: &self.config, now };
            if !self.housekeeping.step(&mut context).unwrap() {
                return;
            }
        }
        panic!("housekeeping never ends");
    }

    fn rows(&self, table: &str) -> i64 {
        self.db.query_row(&format!("SELECT count(*) FROM {table}"), [], |r| r.get(0)).unwrap()
    }

    fn read(&self, series: &str, want: Want, from_ms: i64, to_ms: i64) -> Points {
        let matchers = [Matcher::equal("series", series)];
        let ids = head::find(&self.head, &matchers, from_ms, to_ms);
        let found = history::read(&self.head, &self.readers, &ids, (from_ms, to_ms), &|_| true).unwrap();
        let mut out = Points::default();
        if let Some(packed) = found.first() {
            packed.read(want, from_ms, to_ms, &mut out).unwrap();
        }
        out
    }

    /// A new start on the same file.
    fn restart(self) -> Self {
        Self::on(self.dir, self.config)
    }
}

fn every(step_ms: i64, from_ms: i64, to_ms: i64) -> impl Iterator<Item = i64> {
    (0..).map(move |i| from_ms + i * step_ms).take_while(move |t| *t < to_ms)
}

#[tokio::test]
async fn a_sample_is_seen_at_once_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let at = Timestamp::now().as_millisecond();
    store.append(&[sample("x", at, 1.0), sample("x", at + 1, f64::NAN), sample("y", at, stale())]);
    store.append(&[sample("x", at, 7.0), sample("x", at - 5, 0.5), sample("x", at - 100 * DAY, 3.0)]);
    let check = |store: &Store| {
        let found = store.select(&[Matcher::equal("__name__", "m")], 0, i64::MAX).unwrap();
        let values: Vec<Vec<u64>> =
            found.iter().map(|p| p.recent.values.iter().map(|v| v.to_bits()).collect()).collect();
        let x = vec![0.5f64.to_bits(), 1.0f64.to_bits(), f64::NAN.to_bits()];
        assert_eq!(values, [x, vec![stale().to_bits()]], "in order; the first of two stays; too old is left out");
        assert_eq!(store.series(&[], 0, i64::MAX), [labels("x"), labels("y")]);
        assert_eq!(store.series(&[vec![Matcher::equal("series", "y")]], 0, i64::MAX), [labels("y")]);
        assert_eq!((store.stats().head_samples, store.stats().series), (4, 2));
    };
    check(&store);
    store.close(SOON).await;
    let (store, _) = open(&dir);
    check(&store);
    check(&Store::read_only(dir.path().into(), Arc::new(Metrics::new()), Clock::system()).unwrap());
    store.close(SOON).await;
}

#[test]
fn what_was_said_is_read_back_however_it_is_kept() {
    let mut rig = Rig::new();
    let value = |at: i64| ((at / 1_000) % 977) as f64 / 1e3;
    for at in every(15_000, T0, T0 + 50 * HOUR) {
        rig.append(&[sample("a", at, value(at)), sample("b", at, 1.0)]);
        if at % HOUR == 0 {
            rig.run_housekeeping(at);
        }
    }
    let check = |rig: &Rig, times: i64, spans: i64| {
        let all: Vec<i64> = every(15_000, T0, T0 + 50 * HOUR).collect();
        let points = rig.read("a", Want::Last, 0, i64::MAX);
        assert_eq!(points.at_ms, all);
        assert_eq!(points.values, all.iter().map(|at| value(*at)).collect::<Vec<_>>());
        let part = rig.read("b", Want::Last, T0 + 3 * HOUR + 1, T0 + 30 * HOUR);
        assert_eq!((part.at_ms.first(), part.at_ms.last()), (Some(&(T0 + 3 * HOUR + 15_000)), Some(&(T0 + 30 * HOUR))));
        assert_eq!((rig.rows("times"), rig.rows("spans")), (times, spans), "two series share their times");
    };
    // Two days, and of the third one half hour.
    check(&rig, 3, 6);
    let mut rig = rig.restart();
    check(&rig, 3, 6);
    rig.run_housekeeping(T0 + 60 * HOUR);
    check(&rig, 3, 6);
    assert_eq!((rig.rows("batches"), read_lock(&rig.head).len()), (0, 0));
    check(&rig.restart(), 3, 6);
}

#[test]
fn late_samples_find_their_place_and_repeated_ones_change_nothing() {
    let mut rig = Rig::new();
    rig.append(&[sample("a", T0, 1.0), sample("a", T0 + 10, 2.0)]);
    rig.run_housekeeping(T0 + 30 * HOUR);
    // The clock has stepped back: these belong into a window that is packed and joined.
    rig.append(&[sample("a", T0 + 5, 1.5), sample("a", T0 + 10, 9.0), sample("a", T0 + 2 * HOUR, 3.0)]);
    let check = |rig: &Rig| {
        let points = rig.read("a", Want::Last, 0, i64::MAX);
        assert_eq!(points.at_ms, [T0, T0 + 5, T0 + 10, T0 + 2 * HOUR]);
        assert_eq!(points.values, [1.0, 1.5, 2.0, 3.0]);
    };
    check(&rig);
    rig.run_housekeeping(T0 + 31 * HOUR);
    check(&rig);
    assert_eq!((rig.rows("spans"), rig.rows("times"), rig.rows("batches")), (2, 2, 0));
}

#[test]
fn nothing_is_packed_for_a_series_before_its_first_batch_is_in_the_file() {
    let mut rig = Rig::new();
    let old: Vec<i64> = every(15_000, T0, T0 + HOUR).collect();
    for at in &old {
        rig.head.write().unwrap().insert(&sample("a", *at, 1.0), i64::MIN);
    }
    rig.run_housekeeping(T0 + 2 * HOUR);
    assert_eq!((rig.rows("spans"), rig.read("a", Want::Last, 0, i64::MAX).at_ms), (0, old));
}

#[test]
fn what_a_lost_series_left_behind_becomes_nobody_s() {
    let mut rig = Rig::new();
    rig.append(&[sample("a", T0, 1.0)]);
    rig.run_housekeeping(T0 + 2 * HOUR);
    rig.db.execute("DELETE FROM label_sets", []).unwrap();
    let mut rig = rig.restart();
    rig.append(&[sample("b", T0 + 7, 2.0)]);
    rig.run_housekeeping(T0 + 2 * HOUR);
    assert_eq!((rig.rows("spans"), rig.read("b", Want::Last, 0, i64::MAX).at_ms), (2, vec![T0 + 7]));
}

#[test]
fn history_grows_coarser_and_ends() {
    let mut rig = Rig::new();
    for at in every(MINUTE, T0, T0 + 4 * DAY) {
        rig.append(&[sample("a", at, ((at - T0) / MINUTE) as f64)]);
    }
    rig.run_housekeeping(T0 + 5 * DAY);
    // Days 0 to 3 are older than 90 days: 5-minute buckets.
    rig.run_housekeeping(T0 + 94 * DAY + 13 * HOUR);
    assert_eq!((rig.rows("spans"), rig.rows("spans_5m")), (0, if T0 % (4 * DAY) == 0 { 1 } else { 2 }));
    let check = |rig: &Rig, want, bucket: i64, first: f64| {
        let points = rig.read("a", want, 0, i64::MAX);
        assert_eq!((points.len() as i64, points.at_ms[0]), (4 * DAY / bucket, T0 + bucket - 1));
        assert_eq!(points.values[0], first);
        assert_eq!(points.resolution_ms(T0), bucket);
    };
    check(&rig, Want::Min, 5 * MINUTE, 0.0);
    check(&rig, Want::Max, 5 * MINUTE, 4.0);
    check(&rig, Want::Sum, 5 * MINUTE, 10.0);
    let mut rig = rig.restart();
    rig.run_housekeeping(T0 + 200 * DAY);
    assert_eq!(rig.rows("spans_5m"), 0);
    check(&rig, Want::Last, HOUR, 59.0);
    check(&rig, Want::Sum, HOUR, 1_770.0);
    rig.run_housekeeping(T0 + 800 * DAY);
    let left = ["spans", "spans_5m", "spans_1h", "times", "label_sets", "batches"].map(|table| rig.rows(table));
    assert_eq!(left, [0; 6], "a series that is gone costs nothing");
    assert_eq!(read_lock(&rig.head).index().len(), 0);
}

#[test]
fn past_its_size_the_oldest_goes_first() {
    let mut rig = Rig::new();
    rig.config.max_size = 1;
    for day in 0..40 {
        rig.append(&[sample("a", T0 + day * DAY, day as f64), sample("a", T0 + day * DAY + HOUR, day as f64)]);
    }
    rig.run_housekeeping(T0 + 40 * DAY);
    rig.run_housekeeping(T0 + 40 * DAY + HOUR);
    let (samples, rolled) = (rig.rows("spans"), rig.rows("spans_5m"));
    assert!(samples < 40 && rolled > 0, "{samples} days of samples, {rolled} windows of rollups");
    let points = rig.read("a", Want::Last, 0, i64::MAX);
    assert_eq!((points.values.first(), points.values.last()), (Some(&0.0), Some(&39.0)), "nothing is lost by it yet");
}

#[test]
fn a_reader_of_before_misses_nothing_that_is_moved_meanwhile() {
    let mut rig = Rig::new();
    for at in every(MINUTE, T0, T0 + 4 * DAY) {
        rig.append(&[sample("a", at, ((at - T0) / MINUTE) as f64)]);
    }
    // As a process that only reads: its memory is what the file had when it was opened.
    let opened = |rig: &Rig| RwLock::new(history::load(&rig.db).unwrap());
    let seen = |rig: &Rig, head: &RwLock<Head>| {
        let ids = read_lock(head).matching(&[], 0, i64::MAX);
        let found = history::read(head, &rig.readers, &ids, (0, i64::MAX), &|_| true).unwrap();
        let mut out = Points::default();
        found[0].read(Want::Last, 0, i64::MAX, &mut out).unwrap();
        out
    };
    let before_packing = opened(&rig);
    rig.run_housekeeping(T0 + 5 * DAY);
    assert_eq!(seen(&rig, &before_packing), rig.read("a", Want::Last, 0, i64::MAX));
    let before_rolling = opened(&rig);
    rig.run_housekeeping(T0 + 95 * DAY);
    assert_eq!(rig.rows("spans"), 0);
    assert_eq!(seen(&rig, &before_rolling), rig.read("a", Want::Last, 0, i64::MAX));
    assert_eq!(seen(&rig, &before_rolling).len() as i64, 4 * DAY / (5 * MINUTE));
}

#[test]
fn where_history_begins_moves_with_what_is_removed() {
    let mut rig = Rig::new();
    for at in every(HOUR, T0, T0 + 100 * DAY) {
        rig.append(&[sample("a", at, 1.0)]);
    }
    let check = |rig: &Rig, begins: i64, samples: i64| {
        let days = |at: Option<i64>| at.map(|at| (at - T0).div_euclid(DAY));
        let fresh = history::load(&rig.db).unwrap();
        for head in [&*read_lock(&rig.head), &fresh] {
            let (begin, sample) = (days(head.oldest_ms()).unwrap(), days(head.oldest_sample_ms()).unwrap());
            assert!((begins - 32..=begins).contains(&begin), "{begin} for {begins}: windows are 32 days");
            assert!((samples - 1..=samples).contains(&sample), "{sample} for {samples}");
        }
    };
    check(&rig, 0, 0);
    rig.run_housekeeping(T0 + 100 * DAY);
    check(&rig, 0, 10);
    for at in every(HOUR, T0 + 100 * DAY, T0 + 800 * DAY) {
        rig.append(&[sample("a", at, 1.0)]);
    }
    rig.run_housekeeping(T0 + 800 * DAY);
    rig.run_housekeeping(T0 + 800 * DAY + HOUR);
    check(&rig, 70, 710);
}

#[test]
fn incidents_go_with_their_deliveries_when_history_does() {
    let mut rig = Rig::new();
    let ended = |rig: &Rig, id: i64, at_ms: Option<i64>| {
        rig.db.execute("INSERT INTO incidents VALUES (?1, ?2, '{}')", params![id, at_ms.map(|ms| ms * 1_000)]).unwrap();
        rig.db.execute("INSERT INTO incident_notes VALUES (?1, 5, 'ada', 'a note')", [id]).unwrap();
        rig.db.execute("INSERT INTO deliveries VALUES (?1, 5, 0, 'ops', '\"delivered\"', '', 0)", [id]).unwrap();
    };
    let ids = |rig: &Rig, column: &str, table: &str| -> Vec<i64> {
        let mut statement = rig.db.prepare(&format!("SELECT {column} FROM {table} ORDER BY 1")).unwrap();
        statement.query_map([], |r| r.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let now_ms = T0 + 1_000 * DAY;
    (1..=250).for_each(|id| ended(&rig, id, Some(now_ms - 731 * DAY)));
    ended(&rig, 251, Some(now_ms - 729 * DAY));
    ended(&rig, 252, None);
    rig.db.execute("DELETE FROM incidents WHERE id = 250", []).unwrap();
    rig.run_housekeeping(now_ms);
    assert_eq!(ids(&rig, "id", "incidents"), [251, 252], "what lasts stays, however old");
    assert_eq!(ids(&rig, "incident", "deliveries"), [251, 252]);
    assert_eq!(ids(&rig, "incident", "incident_notes"), [251, 252]);
    assert_eq!(rig.housekeeping.forgotten(), 0);
    // As long as any history, whatever is kept longest.
    rig.config = StorageConfig { retention: Duration::from_secs(86_400), retention_1h: Duration::ZERO, ..rig.config };
    rig.run_housekeeping(now_ms + HOUR);
    assert_eq!(ids(&rig, "id", "incidents"), [252]);
}

#[test]
fn samples_of_the_first_version_are_taken_over() {
    let rig = Rig::new();
    rig.db
        .execute("INSERT INTO label_sets (id, labels) VALUES (3, ?1)", [serde_json::to_string(&labels("a")).unwrap()])
        .unwrap();
    for at in every(HOUR, T0, T0 + 3 * DAY) {
        rig.db.execute("INSERT INTO samples VALUES (3, ?1, 1.5)", [at]).unwrap();
    }
    let mut rig = rig.restart();
    rig.run_housekeeping(T0 + 4 * DAY);
    assert_eq!((rig.rows("samples"), rig.rows("spans")), (0, 3));
    assert_eq!(rig.read("a", Want::Last, 0, i64::MAX).len(), 72);
}

#[tokio::test]
async fn what_was_seen_before_the_file_could_be_opened_finds_its_ids() {
    let dir = tempfile::tempdir().unwrap();
    let at = Timestamp::now().as_millisecond();
    let (store, _) = open(&dir);
    store.append(&[sample("old", at, 1.0)]);
    store.close(SOON).await;
    // Held by another process for a while.
    let (holder, _) = open(&dir);
    let (store, _) = open(&dir);
    assert!(store.was_locked_out());
    store.append(&[sample("new", at + 1, 2.0), sample("old", at + 2, 3.0)]);
    holder.close(SOON).await;
    until(&store, |h| h.ok).await;
    store.close(SOON).await;
    let (store, _) = open(&dir);
    let values =
        |series| store.select(&[Matcher::equal("series", series)], 0, i64::MAX).unwrap()[0].recent.values.clone();
    assert_eq!((values("old"), values("new")), (vec![1.0, 3.0], vec![2.0]));
    store.close(SOON).await;
}

#[tokio::test]
async fn a_backup_is_whole_and_can_be_started_from() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let at = Timestamp::now().as_millisecond();
    store.append(&[sample("x", at, 1.0)]);
    assert_eq!(store.commit(vec![incident(1, false)], vec![]).await, Durability::Durable);
    store.save_value("remote/a/0", "position");
    // The batch may take a second to reach the file.
    let copy = tempfile::tempdir().unwrap();
    let to = copy.path().join("dogwatch.db");
    for _ in 0..500 {
        backup::copy(dir.path(), &to).unwrap();
        let copied = Store::read_only(copy.path().into(), Arc::new(Metrics::new()), Clock::system()).unwrap();
        if copied.stats().series == 1 && copied.value("remote/a/0").unwrap().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    store.close(SOON).await;
    let (store, restored) =
        Store::open(copy.path().into(), StorageConfig::default(), Arc::new(Metrics::new()), Clock::system());
    assert_eq!((restored.incidents.len(), store.stats().head_samples), (1, 1));
    assert_eq!(store.value("remote/a/0").unwrap().as_deref(), Some("position"));
    store.close(SOON).await;
    assert!(backup::copy(copy.path(), &copy.path().join("no/such/dir")).is_err());
}

#[tokio::test]
async fn slices_give_every_sample_once() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let at = Timestamp::now().as_millisecond();
    let all: Vec<Sample> = (0..100).map(|i| sample(&i.to_string(), at + i % 10, i as f64)).collect();
    store.append(&all);
    let mut seen = Vec::new();
    for shard in 0..3 {
        let mut after = Some(0);
        while let Some(id) = after {
            let (some, next) = store.slice(crate::store::Shard { index: shard, count: 3 }, id, 7, at, at + 8).unwrap();
            seen.extend(some.iter().flat_map(|p| p.recent.values.clone()));
            after = next;
        }
    }
    seen.sort_by(f64::total_cmp);
    let want: Vec<f64> = (0..100).filter(|i| i % 10 != 9).map(f64::from).collect();
    assert_eq!(seen, want);
    store.close(SOON).await;
}
