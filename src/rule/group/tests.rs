//! Groups on a real store, and what is said of them.

use super::*;
use crate::{
    eventually::eventually,
    query::{Engine, QueryConfig},
    rule::file,
    store::StorageConfig,
};

#[test]
fn ticks_lie_on_a_grid_of_their_own() {
    let now = Timestamp::from_millisecond(1_700_000_012_345).unwrap();
    let interval = Duration::from_secs(30);
    let (wait, missed) = next_tick("a;b", interval, now, Duration::from_secs(95));
    assert_eq!(missed, 3);
    assert!(!wait.is_zero() && wait <= interval);
    let (full, _) = next_tick("a;b", interval, now + wait, Duration::ZERO);
    assert_eq!(full, interval, "on the tick, the next one is a whole interval away");
}

#[test]
fn a_rule_that_failed_fails_until_its_group_is_evaluated() {
    let text = "groups: [{name: g, rules: [{record: a, expr: b}]}]";
    let groups = file::read(std::path::Path::new("r.yml"), text).unwrap();
    let (key, rule) = (groups[0].key(), &groups[0].rules[0]);
    let known = trouble(&key, rule, Timestamp::UNIX_EPOCH, "many-to-many");
    let gone = trouble("r.yml;gone", rule, Timestamp::UNIX_EPOCH, "many-to-many");
    let failures = RuleFailures::restore(vec![known.clone(), gone], &groups);
    assert_eq!(**failures.findings().borrow(), [known]);
    failures.put(&key, Vec::new());
    assert_eq!(**failures.findings().borrow(), []);
}

/// A group that runs on a store of its own.
struct Running {
    store: Store,
    news: watch::Sender<u64>,
    states: GroupStates,
    stop: CancellationToken,
    _firing: mpsc::Receiver<Firing>,
}

fn start(dir: &tempfile::TempDir, rules: &str) -> Running {
    let (metrics, clock) = (Arc::new(Metrics::new()), Clock::system());
    let (store, _) = Store::open(dir.path().to_path_buf(), StorageConfig::default(), metrics.clone(), clock.clone());
    let engine = Engine::new(store.clone(), QueryConfig::default(), metrics.clone());
    let (news, news_in) = watch::channel(0);
    let (firing, firing_out) = mpsc::channel(1_000);
    let groups = file::read(std::path::Path::new("r.yml"), rules).unwrap();
    let (states, stop) = (GroupStates::default(), CancellationToken::new());
    let parts = Parts {
        context: Context { engine, external_labels: Default::default(), external_url: String::new() },
        store: store.clone(),
        states: states.clone(),
        metrics,
        clock,
        firing,
        failures: RuleFailures::restore(Vec::new(), &groups),
        news: news_in,
    };
    for group in groups {
        let windows = vec![Duration::ZERO; group.rules.len()];
        let (left, _) = oneshot::channel();
        let life = Life { group: Arc::new(group), windows, before: None, leave: CancellationToken::new(), left };
        tokio::spawn(run(life, parts.clone(), stop.clone()));
    }
    Running { store, news, states, stop, _firing: firing_out }
}

/// When a group was evaluated last.
fn evaluated(running: &Running, name: &str) -> Option<Timestamp> {
    running.states.groups().into_iter().find(|state| &*state.group.name == name).and_then(|state| state.at)
}

#[tokio::test]
async fn what_changes_between_ticks_is_alerted_and_not_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let rules = "groups:
- {name: sums, interval: 1h, rules: [{record: a, expr: vector(1)}, {alert: A, expr: vector(1)}]}
- {name: alerts, interval: 1h, rules: [{alert: B, expr: vector(1)}]}
";
    let running = start(&dir, rules);
    eventually("both begin", async || evaluated(&running, "sums").is_some() && evaluated(&running, "alerts").is_some())
        .await;
    let first = evaluated(&running, "sums");
    for _ in 0..3 {
        let before = evaluated(&running, "alerts");
        running.news.send_modify(|changes| *changes += 1);
        eventually("looked at again", async || evaluated(&running, "alerts") > before).await;
    }
    assert_eq!(evaluated(&running, "sums"), first);
    running.stop.cancel();
    running.store.close(Duration::from_secs(5)).await;
}
