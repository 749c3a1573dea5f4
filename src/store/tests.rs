//! The store on real files: migrations, damage, a full disk, restarts; samples have tests of their own.

mod alike;
mod recent;
mod samples;
mod upgrade;
mod watched;

use std::sync::atomic::Ordering;

use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::eventually::eventually;
use crate::model::{Group, Job, Notification, NotificationKind, ProbeSpec, Reason, Severity, State, Topic};

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn open(dir: &TempDir) -> (Store, Restored) {
    open_with(dir, StorageConfig::default())
}

fn open_with(dir: &TempDir, config: StorageConfig) -> (Store, Restored) {
    Store::open(dir.path().to_path_buf(), config, Arc::new(Metrics::new()), Clock::system())
}

const SOON: Duration = Duration::from_secs(5);

fn key(instance: &str) -> TargetKey {
    TargetKey { cluster: "prod".into(), job: Job::Etcd, instance: instance.into() }
}

fn target(instance: &str) -> Target {
    Target {
        key: key(instance),
        node: None,
        spec: ProbeSpec::Healthz { url: "https://127.0.0.1/healthz".parse().unwrap() },
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        guessed: false,
        labels: Default::default(),
    }
}

fn verdict(state: State) -> Verdict {
    Verdict {
        state,
        since: now(),
        reason: Some(Reason::Refused),
        message: "refused".into(),
        reached: true,
        hides: None,
    }
}

fn incident(id: i64, resolved: bool) -> Incident {
    Incident {
        resolved_at: resolved.then(now),
        messages: 1,
        ..Incident::new(id, "prod".into(), Topic::Outage, now(), format!("incident {id}"), Severity::Critical)
    }
}

fn entry(incident_id: i64) -> OutboxEntry {
    let notification = Notification {
        told: NotificationKind::Opened,
        sequence: 0,
        at: now(),
        incident: incident(incident_id, false),
        external_url: String::new(),
        external_labels: Default::default(),
        origin: "o".into(),
        group_labels: None,
        route_labels: Default::default(),
        heard: None,
        document: None,
    };
    OutboxEntry {
        id: format!("{incident_id}/0/ops"),
        receiver: "ops/webhook[0]".into(),
        notification,
        attempts: 0,
        next_at: now(),
        give_up_at: now(),
    }
}

fn delivery(incident_id: i64, outcome: DeliveryOutcome) -> Delivery {
    let entry = OutboxEntry { attempts: 1, ..entry(incident_id) };
    Delivery { entry, at: now(), outcome, answer: "200 OK".into(), took: Duration::from_millis(7) }
}

fn count(dir: &TempDir, table: &str) -> i64 {
    let db = Connection::open(dir.path().join("dogwatch.db")).unwrap();
    db.query_row(&format!("SELECT count(*) FROM {table}"), [], |r| r.get(0)).unwrap()
}

/// What has ended, by id: whether it is of a group, and days ago.
#[tokio::test]
async fn a_start_brings_back_what_ended_lately_and_no_storm_of_alerts() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir);
    let clock = Clock::system();
    let ended = |id: i64, of_group: bool, days: u64| {
        let group = Group { place: "".into(), route: "{}".into(), receiver: "ops".into(), labels: Default::default() };
        let at = clock.wall() - Duration::from_secs(days * 86_400 + 60 - id.unsigned_abs() % 50);
        Incident { resolved_at: Some(at), group: of_group.then_some(group), ..incident(id, true) }
    };
    let all = (1..=5).map(|id| ended(id, false, 31));
    let all = all.chain((6..=55).map(|id| ended(id, false, 20))).chain((56..=355).map(|id| ended(id, true, 2)));
    assert_eq!(store.commit(all.collect(), Vec::new()).await, Durability::Durable);
    store.close(SOON).await;
    let (store, restored) = open(&dir);
    let of_group = restored.incidents.iter().filter(|i| i.group.is_some()).count();
    let ids: Vec<i64> = restored.incidents.iter().filter(|i| i.group.is_none()).map(|i| i.id).collect();
    assert_eq!((of_group, ids), (20, (6..=55).rev().collect()), "twenty to be shown, and all outages of a month");
    store.close(SOON).await;
}

#[tokio::test]
async fn a_restart_finds_everything() {
    let dir = tempfile::tempdir().unwrap();
    let (store, first) = open(&dir);
    store.save_targets(vec![(target("a"), verdict(State::Up)), (target("b"), verdict(State::Up))]);
    store.save_verdict(VerdictChange { key: key("a"), at: now(), from: State::Up, to: verdict(State::Down) });
    store.forget_targets(vec![key("b")]);
    store.save_snapshot(Arc::new(ClusterSnapshot { cluster: "prod".into(), ..Default::default() }));
    let done = store.commit(vec![incident(7, false), incident(5, true)], vec![entry(7), entry(5)]).await;
    assert_eq!(done, Durability::Durable);
    assert_eq!(store.record_delivery(delivery(5, DeliveryOutcome::Delivered)).await, Durability::Durable);
    store.close(SOON).await;

    let (store, again) = open(&dir);
    assert_eq!(again.targets, vec![(target("a"), verdict(State::Down))]);
    assert_eq!(again.snapshots[0].cluster, "prod");
    assert_eq!(again.incidents.iter().map(|i| i.id).collect::<Vec<_>>(), [7, 5]);
    assert_eq!(again.last_incident_id, 7);
    assert_eq!(again.outbox, vec![entry(7)], "what was delivered has left");
    assert_eq!((again.origin.len(), &again.origin), (16, &first_origin(&dir)));
    assert!(first.origin == again.origin, "the same for ever");
    let told = store.deliveries(5).await.unwrap();
    assert_eq!((told.len(), told[0].outcome, told[0].answer.as_str()), (1, DeliveryOutcome::Delivered, "200 OK"));
    assert_eq!(store.verdict_changes("prod", 10).await.unwrap().len(), 1);
    let of = async |instance: &str| store.verdict_changes_of(&key(instance), 10).await.unwrap().len();
    assert_eq!((of("a").await, of("nobody").await), (1, 0));
    store.close(SOON).await;
}

fn first_origin(dir: &TempDir) -> String {
    let db = Connection::open(dir.path().join("dogwatch.db")).unwrap();
    db.query_row("SELECT value FROM meta WHERE key = 'origin'", [], |r| r.get(0)).unwrap()
}

#[tokio::test]
async fn a_second_dogwatch_is_kept_away() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let (second, _) = open(&dir);
    assert!(second.was_locked_out() && !second.health().ok);
    assert!(second.health().message.contains("another dogwatch"), "{}", second.health().message);
    second.close(SOON).await;
    store.close(SOON).await;
    let (third, _) = open(&dir);
    assert!(!third.was_locked_out(), "the lock ends with its owner");
    third.close(SOON).await;
}

#[tokio::test]
async fn no_removed_file_lets_a_second_dogwatch_in() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    std::fs::remove_file(dir.path().join("dogwatch.lock")).unwrap();
    let (second, _) = open(&dir);
    assert!(second.was_locked_out());
    second.close(SOON).await;
    store.close(SOON).await;
}

/// Takes the open database away in some way: what was committed before and after is there at the next start.
async fn taken_away(take: impl Fn(&std::path::Path), said: &str) {
    let dir = tempfile::tempdir().unwrap();
    let dir_path = dir.path().join("data");
    let open = || Store::open(dir_path.clone(), StorageConfig::default(), Arc::new(Metrics::new()), Clock::system());
    let (store, _) = open();
    let incident =
        |id| Incident::new(id, "prod".into(), Topic::Outage, Timestamp::now(), "x".into(), Severity::Critical);
    assert_eq!(store.commit(vec![incident(1)], Vec::new()).await, Durability::Durable);
    take(&dir_path);
    // Before anybody has noticed, perhaps.
    store.commit(vec![incident(2)], Vec::new()).await;
    eventually("noticed", async || store.health().ok && store.health().message.contains(said)).await;
    let health = store.health();
    assert!(health.history_kept && health.message.contains("with all that was in it"), "{}", health.message);
    assert_eq!(store.commit(vec![incident(3)], Vec::new()).await, Durability::Durable);
    store.close(SOON).await;
    let (store, restored) = open();
    let mut ids: Vec<i64> = restored.incidents.iter().map(|i| i.id).collect();
    ids.sort_unstable();
    assert_eq!(ids, [1, 2, 3], "{said}");
    store.close(SOON).await;
}

#[tokio::test]
async fn a_database_that_is_taken_away_is_written_anew() {
    let remove = |name: &'static str| move |dir: &std::path::Path| std::fs::remove_file(dir.join(name)).unwrap();
    taken_away(remove("dogwatch.db"), "was deleted while").await;
    taken_away(remove("dogwatch.db-wal"), "lost the files beside it").await;
    taken_away(|dir| std::fs::remove_dir_all(dir).unwrap(), "was deleted with its directory").await;
    let replace = |dir: &std::path::Path| {
        std::fs::write(dir.join("new"), "a stranger").unwrap();
        std::fs::rename(dir.join("new"), dir.join("dogwatch.db")).unwrap();
    };
    taken_away(replace, "was replaced by another file").await;
    taken_away(|dir| std::fs::rename(dir, dir.with_extension("old")).unwrap(), "was deleted with its directory").await;
}

#[tokio::test]
async fn a_database_that_is_spoilt_while_it_is_open_is_kept_and_a_new_one_begun() {
    let spoilt = async |spoil: &dyn Fn(&std::fs::File), said: &str| {
        let dir = tempfile::tempdir().unwrap();
        // What an earlier run has left is in the file, and not in the WAL alone.
        open(&dir).0.close(SOON).await;
        let (store, _) = open(&dir);
        assert_eq!(store.commit(vec![incident(1, false)], vec![]).await, Durability::Durable);
        spoil(&std::fs::File::options().write(true).open(dir.path().join("dogwatch.db")).unwrap());
        eventually("noticed", async || store.health().message.contains(said)).await;
        let health = store.health();
        assert!(health.ok && !health.history_kept && health.message.contains("is kept as"), "{health:?}");
        assert_eq!(store.commit(vec![incident(2, false)], vec![]).await, Durability::Durable);
        store.close(SOON).await;
        assert_eq!(count(&dir, "incidents"), 1);
    };
    spoilt(&|file| file.set_len(4096).unwrap(), "was cut short while").await;
    spoilt(&|file| file.set_len(0).unwrap(), "was overwritten while").await;
    spoilt(&|mut file| std::io::Write::write_all(&mut file, &[7; 4096]).unwrap(), "was overwritten while").await;
}

#[tokio::test]
async fn a_newer_database_is_never_touched() {
    let dir = tempfile::tempdir().unwrap();
    open(&dir).0.close(SOON).await;
    let db = Connection::open(dir.path().join("dogwatch.db")).unwrap();
    db.execute("INSERT INTO schema_migrations VALUES (99, 'future', 'x', 'y')", []).unwrap();
    drop(db);
    let (store, _) = open(&dir);
    let health = store.health();
    assert!(!health.ok && health.message.contains("newer dogwatch (schema 99"), "{}", health.message);
    assert_eq!(store.commit(vec![incident(1, false)], vec![]).await, Durability::Buffered);
    store.close(SOON).await;
    assert_eq!(count(&dir, "incidents"), 0);
}

#[tokio::test]
async fn a_changed_migration_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    open(&dir).0.close(SOON).await;
    let db = Connection::open(dir.path().join("dogwatch.db")).unwrap();
    db.execute("UPDATE schema_migrations SET sha256 = 'other'", []).unwrap();
    drop(db);
    let (store, _) = open(&dir);
    assert!(store.health().message.contains("another form of migration 1 (history)"), "{}", store.health().message);
    store.close(SOON).await;
}

#[tokio::test]
async fn a_file_that_is_not_to_be_used_is_kept_and_a_new_one_begun() {
    let check = async |bytes: Vec<u8>, words: &str, name: &str| {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("dogwatch.db");
        std::fs::write(&file, &bytes).unwrap();
        assert!(Store::read_only(dir.path().into(), Arc::default(), Clock::system()).is_err(), "{words}");
        assert_eq!(std::fs::read(&file).unwrap(), bytes, "who only reads leaves it as it is");
        let (store, _) = open(&dir);
        let health = store.health();
        assert!(health.ok && health.message.contains("is kept as") && health.message.contains(words), "{health:?}");
        assert_eq!(store.commit(vec![incident(1, false)], vec![]).await, Durability::Durable);
        store.close(SOON).await;
        let kept = std::fs::read_dir(dir.path()).unwrap().filter_map(Result::ok);
        let kept: Vec<_> = kept.filter(|f| f.file_name().to_string_lossy().starts_with(name)).collect();
        assert_eq!(std::fs::read(kept[0].path()).unwrap(), bytes);
        let (store, restored) = open(&dir);
        assert!(store.health().message.is_empty() && restored.incidents.len() == 1, "said once");
        store.close(SOON).await;
    };
    check("a diary ".repeat(1_000).into(), "is no database, but a file of another kind", "dogwatch.db.foreign-").await;
    check(Vec::new(), "is there, but has no bytes", "dogwatch.db.empty-").await;
    let damaged = [b"SQLite format 3\0".as_slice(), &[0xff; 8_000]].concat();
    check(damaged, "is damaged", "dogwatch.db.corrupt-").await;
}

#[tokio::test]
async fn another_programs_database_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("dogwatch.db");
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE diary (day TEXT)").unwrap();
    let before = std::fs::read(&file).unwrap();
    let (store, _) = open(&dir);
    let health = store.health();
    assert!(!health.ok && health.message.contains("not dogwatch's: give another --data-dir"), "{health:?}");
    assert_eq!(store.commit(vec![incident(1, false)], vec![]).await, Durability::Buffered);
    store.close(SOON).await;
    assert_eq!(std::fs::read(&file).unwrap(), before);
    let error = Store::read_only(dir.path().into(), Arc::default(), Clock::system()).unwrap_err();
    assert!(error.to_string().contains("another program's"), "{error}");
}

#[tokio::test]
async fn an_unusable_directory_is_said_and_used_when_it_can_be() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("data");
    std::fs::write(&place, "a file where the directory should be").unwrap();
    let (store, _) = Store::open(place.clone(), StorageConfig::default(), Arc::new(Metrics::new()), Clock::system());
    assert!(store.health().message.contains("data directory"), "{}", store.health().message);
    assert_eq!(store.commit(vec![incident(3, false)], vec![entry(3)]).await, Durability::Buffered);
    std::fs::remove_file(&place).unwrap();
    until(&store, |h| h.ok).await;
    store.close(SOON).await;
    let (store, restored) = Store::open(place, StorageConfig::default(), Arc::new(Metrics::new()), Clock::system());
    assert_eq!((restored.incidents.len(), restored.outbox.len()), (1, 1), "what was kept in memory was written");
    store.close(SOON).await;
}

async fn until(store: &Store, done: impl Fn(&StoreHealth) -> bool) {
    eventually("a state of the store", async || done(&store.health())).await;
}

#[tokio::test]
async fn a_full_disk_stops_nothing_and_is_caught_up() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place { dir: dir.path().to_path_buf() };
    let metrics = Arc::new(Metrics::new());
    let shared = Arc::new(Shared::new(metrics.clone(), &place));
    open(&dir).0.close(SOON).await;
    let mut writer = Writer::new(shared.clone(), place.clone(), Clock::system());
    let limit = Arc::new(std::sync::atomic::AtomicU32::new(0));
    writer.page_limit = limit.clone();
    writer.connection().unwrap().pragma_update(None, "max_page_count", 50).unwrap();
    limit.store(50, Ordering::Relaxed);
    let (store, _) = Store::start(place, shared, writer);
    let big = |id| Incident { headline: "x".repeat(50_000), ..incident(id, false) };
    let mut durability = Vec::new();
    for id in 1..=10 {
        durability.push(store.commit(vec![big(id)], vec![entry(id)]).await);
    }
    assert_eq!(durability.first(), Some(&Durability::Durable));
    assert_eq!(durability.last(), Some(&Durability::Buffered), "full");
    let health = store.health();
    assert!(!health.ok && health.message.contains("the disk is full"), "{health:?}");
    assert_eq!(metrics.store_up.get(), 0);
    assert_eq!(store.record_delivery(delivery(10, DeliveryOutcome::Delivered)).await, Durability::Buffered);
    limit.store(100_000, Ordering::Relaxed);
    until(&store, |h| h.ok).await;
    store.close(SOON).await;
    let (store, restored) = open(&dir);
    assert_eq!(restored.incidents.len(), 10, "nothing was lost");
    assert_eq!(restored.outbox.len(), 9, "what was delivered meanwhile does not come back");
    store.close(SOON).await;
}

#[test]
fn sizes_are_read_as_people_write_them() {
    #[derive(Deserialize, Debug)]
    struct S {
        #[serde(with = "size")]
        s: u64,
    }
    let check = |text: &str, want: Option<u64>| {
        let got = serde_json::from_value::<S>(serde_json::json!({ "s": text })).ok().map(|s| s.s);
        assert_eq!(got, want, "{text}");
    };
    check("500MB", Some(500_000_000));
    check("2GiB", Some(2 << 30));
    check("5 GB", Some(5_000_000_000));
    check("12B", Some(12));
    check("12", None);
    check("GB", None);
    check("99999999999999999TB", None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is said, in whatever order and however often: the last word counts, and saying it again changes nothing.
    #[test]
    fn the_last_word_counts(ops in proptest::collection::vec((0u8..5, 1i64..4), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut expected = std::collections::BTreeMap::new();
        runtime.block_on(async {
            let (store, _) = open(&dir);
            for (what, id) in &ops {
                match what {
                    0 => { store.commit(vec![incident(*id, false)], vec![entry(*id)]).await; expected.insert(*id, true); }
                    1 => { store.record_delivery(delivery(*id, DeliveryOutcome::Delivered)).await; expected.insert(*id, false); }
                    2 => { store.record_delivery(delivery(*id, DeliveryOutcome::Dropped)).await; expected.insert(*id, false); }
                    3 => { store.record_delivery(delivery(*id, DeliveryOutcome::Retried)).await; expected.insert(*id, true); }
                    _ => store.save_targets(vec![(target(&id.to_string()), verdict(State::Up))]),
                }
            }
            store.close(SOON).await;
            let (store, restored) = open(&dir);
            let mut waiting: Vec<i64> = restored.outbox.iter().map(|e| e.notification.incident.id).collect();
            waiting.sort_unstable();
            let want: Vec<i64> = expected.iter().filter(|(_, waits)| **waits).map(|(id, _)| *id).collect();
            store.close(SOON).await;
            prop_assert_eq!(waiting, want);
            Ok(())
        })?;
    }
}
