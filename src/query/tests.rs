//! Queries through the door, on a real store.

use jiff::Timestamp;

use super::*;
use crate::{
    clock::Clock,
    model::{Labels, Sample},
    promql::Value,
    store::StorageConfig,
};

const T0: i64 = 1_767_225_600_000;

struct Rig {
    _dir: tempfile::TempDir,
    engine: Engine,
}

fn rig(config: QueryConfig) -> Rig {
    let dir = tempfile::tempdir().unwrap();
    let metrics = Arc::new(Metrics::new());
    let clock = Clock::anchored(Timestamp::from_millisecond(T0).unwrap());
    let (store, _) = Store::open(dir.path().into(), StorageConfig::default(), metrics.clone(), clock);
    for i in 0..40i64 {
        let at = Timestamp::from_millisecond(T0 + i * 15_000).unwrap();
        let of = |instance: &str, value: f64| Sample { labels: Labels::new("up", [("instance", instance)]), at, value };
        store.append(&[of("a", 1.0), of("b", (i % 2) as f64)]);
    }
    Rig { _dir: dir, engine: Engine::new(store, config, metrics) }
}

#[tokio::test]
async fn an_instant_and_a_range_query_are_answered() {
    let rig = rig(QueryConfig::default());
    let answer = rig.engine.instant("sum(up)", T0 + 15_000, Options::default()).await.unwrap().answer;
    let Value::Vector(vector) = answer.value else { panic!("{answer:?}") };
    assert_eq!((vector.len(), vector[0].1, vector[0].2), (1, T0 + 15_000, 2.0));
    let answer =
        rig.engine.range("avg_over_time(up{instance='b'}[1m])", T0 + 60_000, T0 + 120_000, 30_000, Options::default());
    let Value::Matrix(matrix) = answer.await.unwrap().answer.value else { panic!("no matrix") };
    assert_eq!(matrix[0].points, [(T0 + 60_000, 0.5), (T0 + 90_000, 0.5), (T0 + 120_000, 0.5)]);
}

#[tokio::test]
async fn what_can_not_be_answered_is_said_in_the_words_of_prometheus() {
    let small = QueryConfig { max_samples: 3, ..QueryConfig::default() };
    let rig = rig(small);
    let check = async |text: &str, range: (i64, i64, i64), kind: ErrorKind, words: &str| {
        let error = rig.engine.range(text, range.0, range.1, range.2, Options::default()).await.unwrap_err();
        assert_eq!((error.kind, error.message.contains(words)), (kind, true), "{text}: {error}");
    };
    let good = (T0, T0 + 300_000, 15_000);
    check("up{", good, ErrorKind::BadData, "parse error").await;
    check("up[5m]", good, ErrorKind::BadData, "must be Scalar or instant Vector").await;
    check("up", (T0, T0 - 1, 1), ErrorKind::BadData, "must not be before start").await;
    check("up", (T0, T0 + 1, 0), ErrorKind::BadData, "zero or negative").await;
    check("up", (T0, T0 + 12_000, 1), ErrorKind::BadData, "11,000 points").await;
    check("up", good, ErrorKind::Execution, "too many samples").await;
    let at_once = Options { timeout: Some(Duration::ZERO), ..Options::default() };
    let error = rig.engine.instant("up", T0, at_once).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout, "{error}");
}

#[tokio::test]
async fn a_query_waits_its_turn_and_no_longer_than_its_timeout() {
    let rig = rig(QueryConfig { max_concurrency: 1, ..QueryConfig::default() });
    let turn = rig.engine.0.turns.acquire().await.unwrap();
    let soon = Options { timeout: Some(Duration::from_millis(20)), ..Options::default() };
    let error = rig.engine.instant("up", T0, soon).await.unwrap_err();
    assert_eq!(error.message, "query timed out in query queue");
    drop(turn);
    assert!(rig.engine.instant("up", T0, Options::default()).await.is_ok());
}
