//! What availability is computed from: runs, lives, planned work; also of a database that did not know of them.

use super::*;
use crate::model::{Silence, SilenceMatcher};

fn moment(seconds: i64) -> Timestamp {
    now() + Duration::from_secs(seconds.unsigned_abs())
}

fn change(instance: &str, at: i64, from: State, to: State) -> VerdictChange {
    let to = Verdict { since: moment(at), ..verdict(to) };
    VerdictChange { key: key(instance), at: moment(at), from, to }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

fn planned(id: &str, comment: &str) -> Silence {
    let matcher = SilenceMatcher { name: "cluster".into(), value: "prod".into(), is_regex: false, is_equal: true };
    Silence {
        id: id.into(),
        matchers: vec![matcher],
        starts_at: moment(100),
        ends_at: moment(200),
        updated_at: now(),
        created_by: "ada".into(),
        comment: comment.into(),
    }
}

#[tokio::test]
async fn runs_lives_and_planned_work_are_kept() {
    let dir = TempDir::new().unwrap();
    let at = |seconds: i64| Clock::anchored(moment(seconds));
    let open_at = |clock: Clock| {
        Store::open(dir.path().to_path_buf(), StorageConfig::default(), Arc::new(Metrics::new()), clock).0
    };
    let store = open_at(at(0));
    store.save_targets(vec![(target("a"), verdict(State::Unknown)), (target("b"), verdict(State::Unknown))]);
    // Said again with a changed spec: still the same life.
    store.save_targets(vec![(target("a"), verdict(State::Up))]);
    for (when, from, to) in
        [(5, State::Unknown, State::Up), (300, State::Up, State::Down), (400, State::Down, State::Up)]
    {
        store.save_verdict(change("a", when, from, to));
    }
    store.save_watch(moment(0), moment(10));
    store.save_watch(moment(0), moment(500));
    store.commit_silences(vec![planned("1", "maintenance: disks"), planned("2", "a known bug")], vec![]).await;
    store.commit_silences(vec![], vec!["1".into(), "2".into()]).await;
    store.close(SOON).await;
    let store = open_at(at(600));
    store.forget_targets(vec![key("b")]);
    store.save_watch(moment(600), moment(610));
    store.commit_silences(vec![], vec![]).await;
    let all = store.record(moment(0), |_| true).await.unwrap();
    let ids: Vec<&str> = all.maintenance.iter().map(|s| s.id.as_str()).collect();
    assert_eq!((all.targets.len(), ids), (2, vec!["1"]), "it outlasts its silence");
    assert_eq!(all.watches, [(moment(0), moment(500)), (moment(600), moment(610))]);
    let (a, b) = (&all.targets[0], &all.targets[1]);
    assert_eq!((a.lives.len(), a.lives[0].1, a.changes.len()), (1, None, 3));
    let lived = b.lives[0].1.unwrap().duration_since(b.lives[0].0).as_secs();
    assert!((590..=620).contains(&lived), "{lived}");
    // From the middle on: the last change before is needed to know how it stood.
    let late = store.record(moment(350), |key| &*key.instance == "a").await.unwrap();
    assert_eq!((late.targets.len(), late.targets[0].changes.len()), (1, 2));
    store.close(SOON).await;
}

#[tokio::test]
async fn of_an_older_database_what_it_wrote_tells_when_it_ran_and_what_it_watched() {
    let dir = TempDir::new().unwrap();
    let mut db = Connection::open(dir.path().join("dogwatch.db")).unwrap();
    schema::migrate_to(&mut db, 7, now()).unwrap();
    let write = |sql: &str, values: &[&dyn rusqlite::ToSql]| assert_eq!(db.execute(sql, values).unwrap(), 1);
    for (instance, steps) in [("a", [5, 300]), ("gone", [7, 90])] {
        for (i, when) in steps.into_iter().enumerate() {
            let (from, to) = if i == 0 { (State::Unknown, State::Up) } else { (State::Up, State::Down) };
            let change = change(instance, when, from, to);
            write(
                "INSERT INTO verdict_changes VALUES ('prod', ?1, 'etcd', ?2, ?3, ?4)",
                &[&change.at.as_microsecond(), &instance, &from.as_str(), &json(&change)],
            );
        }
    }
    for (instance, state) in [("a", State::Down), ("steady", State::Up)] {
        let values: [&dyn rusqlite::ToSql; 3] = [&instance, &json(&target(instance)), &json(&verdict(state))];
        write("INSERT INTO targets VALUES ('prod', 'etcd', ?1, ?2, ?3)", &values);
    }
    for silence in [planned("1", "Maintenance"), planned("2", "else")] {
        write("INSERT INTO silences VALUES (?1, ?2)", &[&silence.id, &json(&silence)]);
    }
    drop(db);
    let (store, _) = open(&dir);
    assert!(store.health().ok, "{}", store.health().message);
    let record = store.record(now(), |_| true).await.unwrap();
    let lives: Vec<(&str, Timestamp, Option<Timestamp>)> =
        record.targets.iter().map(|t| (&*t.key.instance, t.lives[0].0, t.lives[0].1)).collect();
    assert_eq!(lives, [("a", now(), None), ("gone", moment(7), Some(moment(90))), ("steady", now(), None)]);
    assert_eq!(
        (record.watches, record.maintenance),
        (vec![(moment(5), moment(300))], vec![planned("1", "Maintenance")])
    );
    store.close(SOON).await;
}

#[tokio::test]
async fn the_changes_of_one_target_are_found_without_a_look_at_all_others() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir);
    (0..500).for_each(|i| store.save_verdict(change(&format!("n{i}"), i, State::Unknown, State::Up)));
    store.close(SOON).await;
    let db = Connection::open(dir.path().join("dogwatch.db")).unwrap();
    let mut statement = db.prepare(crate::store::watched::CHANGES_OF_TARGET).unwrap();
    let of = key("n250");
    let of = rusqlite::params![of.cluster, of.job.as_str(), of.instance, 0, 10];
    let found = statement.query_map(of, |_| Ok(())).unwrap().count();
    let steps = statement.get_status(rusqlite::StatementStatus::VmStep);
    assert!(found == 1 && steps < 200, "{found} found in {steps} steps");
}
