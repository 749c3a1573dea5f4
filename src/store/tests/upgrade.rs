//! Databases of every earlier schema: each opens, and keeps all that it had.

use std::path::Path;

use rusqlite::params;

use super::*;
use crate::model::{Alert, AuditEntry, IncidentNote, Labels, Matcher, Silence};
use crate::pack::{Points, Want};

/// A database of today with something of everything, closed.
async fn full(dir: &TempDir) {
    let (store, _) = open(dir);
    store.save_targets(vec![(target("a"), verdict(State::Up)), (target("b"), verdict(State::Down))]);
    store.save_verdict(VerdictChange { key: key("a"), at: now(), from: State::Up, to: verdict(State::Down) });
    store.save_snapshot(Arc::new(ClusterSnapshot { cluster: "prod".into(), ..Default::default() }));
    store.append(&samples());
    store.commit(vec![incident(7, false), incident(5, true)], vec![entry(7), entry(5)]).await;
    store.record_delivery(delivery(5, DeliveryOutcome::Delivered)).await;
    store.commit_alerts(vec![posted()], vec![]).await;
    store.commit_silences(vec![silence()], vec![]).await;
    store.commit_heartbeat("backup", "state").await;
    let drill = crate::model::RestoreDrill::open("restore-etcd", "ada", (None, None), now());
    assert_eq!(store.commit_restore_drill(drill).await, Durability::Durable);
    let note = IncidentNote { incident: 7, at: now(), by: "ada".into(), text: "the switch".into() };
    assert_eq!(store.commit_note(note).await, Durability::Durable);
    assert_eq!(store.commit_audit(audited()).await, Durability::Durable);
    store.save_recorded(vec![recorded()], vec![]);
    store.close(SOON).await;
}

const SAMPLES: usize = 20;

fn audited() -> AuditEntry {
    AuditEntry {
        at: now(),
        who: "ada".into(),
        proof: "password".into(),
        address: "192.0.2.7".into(),
        action: "acknowledge".into(),
        subject: "7".into(),
        detail: "as ada".into(),
    }
}

fn recorded() -> crate::model::RecordedBlock {
    let key =
        crate::model::BlockKey { cluster: "prod".into(), kind: "pods".into(), from_ms: 7, is_whole: false, part: 0 };
    crate::model::RecordedBlock { key, to_ms: 8, body: vec![1] }
}

fn samples() -> Vec<Sample> {
    let labels = Labels::new("up", [("job", "etcd")]);
    let start = Clock::system().wall() - Duration::from_secs(600);
    (0..SAMPLES as u64)
        .map(|i| Sample { labels: labels.clone(), at: start + Duration::from_secs(10 * i), value: (i % 2) as f64 })
        .collect()
}

fn posted() -> Alert {
    Alert {
        labels: [("alertname".to_owned(), "A".to_owned())].into(),
        annotations: Default::default(),
        starts_at: now(),
        ends_at: None,
        generator_url: "http://prometheus.example.org/graph".into(),
    }
}

fn silence() -> Silence {
    Silence {
        id: "5d9a1c0e-0000-4000-8000-000000000000".into(),
        matchers: vec![],
        starts_at: now(),
        ends_at: Clock::system().wall() + Duration::from_secs(3600),
        updated_at: now(),
        created_by: "ada".into(),
        comment: "planned".into(),
    }
}

/// Names of tables, or columns that can be written, as SQLite tells them.
fn names(db: &Connection, sql: &str) -> Vec<String> {
    let mut statement = db.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn tables(db: &Connection, schema: &str) -> Vec<String> {
    let sql = format!(
        "SELECT name FROM {schema}.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
         AND name <> 'schema_migrations' ORDER BY name"
    );
    names(db, &sql)
}

/// What a dogwatch that knew only the first `version` migrations would have written of what `reference` holds.
fn as_of(version: usize, reference: &Path, path: &Path) {
    let mut db = Connection::open(path).unwrap();
    schema::migrate_to(&mut db, version, now()).unwrap();
    db.execute("ATTACH ?1 AS today", [reference.to_str().unwrap()]).unwrap();
    let known = tables(&db, "today");
    for table in tables(&db, "main").iter().filter(|table| known.contains(table)) {
        let columns = names(&db, &format!("SELECT name FROM pragma_table_info('{table}')")).join(", ");
        db.execute_batch(&format!(
            "DELETE FROM {table}; INSERT INTO {table} ({columns}) SELECT {columns} FROM today.{table}"
        ))
        .unwrap();
    }
    if version == 1 {
        // Samples had a row each.
        for (i, sample) in samples_of(reference).iter().enumerate() {
            let labels = serde_json::to_string(&sample.labels).unwrap();
            db.execute("INSERT OR IGNORE INTO series (id, labels) VALUES (1, ?1)", [labels]).unwrap();
            let row = params![sample.at.as_millisecond(), sample.value];
            assert_eq!(db.execute("INSERT INTO samples VALUES (1, ?1, ?2)", row).unwrap(), 1, "sample {i}");
        }
    }
}

/// The samples that are in a database, by the door that queries use.
fn samples_of(database: &Path) -> Vec<Sample> {
    let dir = database.parent().unwrap().to_path_buf();
    let store = Store::read_only(dir, Arc::new(Metrics::new()), Clock::system()).unwrap();
    read(&store)
}

fn read(store: &Store) -> Vec<Sample> {
    let matchers = [Matcher::equal("job", "etcd")];
    let mut found = Vec::new();
    for packed in store.select(&matchers, 0, i64::MAX).unwrap() {
        let mut points = Points::default();
        packed.read(Want::Last, 0, i64::MAX, &mut points).unwrap();
        found.extend(points.at_ms.iter().zip(&points.values).map(|(at, value)| Sample {
            labels: packed.labels.clone(),
            at: Timestamp::from_millisecond(*at).unwrap(),
            value: *value,
        }));
    }
    found
}

/// What a start finds, in words that can be compared; only what a schema of that version could hold.
async fn restored(dir: &TempDir, version: usize) -> String {
    let (store, mut found) = open(dir);
    assert!(store.health().ok, "{}", store.health().message);
    if version < 3 {
        (found.alerts, found.silences, found.heartbeats) = Default::default();
    }
    if version < 10 {
        found.restore_drills = Vec::new();
    }
    let notes = if version < 7 { Vec::new() } else { store.notes(7).await.unwrap() };
    let audit = if version < 8 { Vec::new() } else { store.audit(Timestamp::MAX, 10).await.unwrap() };
    let deliveries = store.deliveries(5).await.unwrap();
    let changes = store.verdict_changes("prod", 10).await.unwrap();
    // Those that had a row each are taken over by and by.
    eventually("all samples are there", async || read(&store).len() == SAMPLES).await;
    let samples = read(&store);
    store.close(SOON).await;
    format!("{found:#?}\n{notes:#?}\n{audit:#?}\n{deliveries:#?}\n{changes:#?}\n{samples:#?}")
}

#[tokio::test]
async fn a_database_of_each_earlier_schema_opens_and_keeps_all() {
    let today = tempfile::tempdir().unwrap();
    full(&today).await;
    let reference = today.path().join("dogwatch.db");
    let all = restored(&today, schema::newest()).await;
    for kept in ["incident 7", "the switch", "200 OK", "planned", "backup", "192.0.2.7", "restore-etcd"] {
        assert!(all.contains(kept), "{kept} is not in the reference");
    }
    for version in 1..=schema::newest() {
        let expected = restored(&today, version).await;
        let dir = tempfile::tempdir().unwrap();
        as_of(version, &reference, &dir.path().join("dogwatch.db"));
        assert_eq!(restored(&dir, version).await, expected, "of schema {version}");
    }
}
