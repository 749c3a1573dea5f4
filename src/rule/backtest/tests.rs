use std::path::Path;

use super::*;
use crate::{
    clock::Clock,
    model::{Severity, Topic},
    rule::file,
    store::StorageConfig,
};

const T0: i64 = 1_767_225_600_000;

#[test]
fn a_rule_is_played_over_what_was_and_held_against_the_incidents() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let (store, _) = Store::open(
        dir.path().into(),
        StorageConfig {
            retention: Duration::from_secs(3_650 * 86_400),
            retention_5m: Duration::from_secs(3_650 * 86_400),
            retention_1h: Duration::from_secs(3_650 * 86_400),
            ..StorageConfig::default()
        },
        Arc::new(Metrics::new()),
        clock,
    );
    // Down from the tenth to the twentieth minute, and for a minute in the fortieth.
    for i in 0..240i64 {
        let down = (40..80).contains(&i) || (160..164).contains(&i);
        let at = Timestamp::from_millisecond(T0 + i * 15_000).unwrap();
        let labels = Labels::new("up", [("cluster", "prod"), ("instance", "a")]);
        store.append(&[Sample { labels, at, value: if down { 0.0 } else { 1.0 } }]);
    }
    let rules = "groups:\n- name: g\n  interval: 30s\n  rules:\n  - {alert: Down, expr: 'cluster:up:min < 1', for: 2m}\n  - {record: 'cluster:up:min', expr: 'min by (cluster) (up)'}\n  - {alert: Never, expr: up > 5}\n";
    let groups = file::read(Path::new("r.yml"), rules).unwrap();
    let incident = |id: i64, from: i64, to: i64| Incident {
        resolved_at: Timestamp::from_millisecond(T0 + to * 60_000).ok(),
        ..Incident::new(
            id,
            "prod".into(),
            Topic::Outage,
            Timestamp::from_millisecond(T0 + from * 60_000).unwrap(),
            "x".into(),
            Severity::Critical,
        )
    };
    let incidents = [incident(1, 10, 20), incident(2, 40, 41)];
    let window = Window { from_ms: T0, to_ms: T0 + 3_600_000 };
    let report = run(&groups, &store, &QueryConfig::default(), &incidents, window);
    let down = &report.rules[0];
    assert_eq!((down.rule.as_str(), down.error.as_deref(), down.episodes.len()), ("Down", None, 1));
    assert_eq!(down.episodes[0].from.as_millisecond(), T0 + 720_000);
    assert_eq!(down.incidents, [1]);
    assert_eq!(report.rules[1].episodes.len(), 0);
    assert_eq!(report.unnoticed, [2]);
}
