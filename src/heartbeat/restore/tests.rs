use std::time::Duration;

use super::judge::RestoreSays;
use super::{
    config::RestoreDrillConfig,
    judge::{Due, due, finding, series, take},
    *,
};
use crate::model::{RestoreOutcome, Severity};

fn config() -> RestoreDrillConfig {
    let yaml = "{name: etcd, every: 90d, rto: 4h, rpo: 24h, steps: [fetch, restore], token_file: t, cluster: prod}";
    serde_saphyr::from_str(yaml).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// `what@second`, in order.
fn runs(says: &str) -> Vec<RestoreDrill> {
    let mut runs = Vec::new();
    for word in says.split_whitespace() {
        let (what, second) = word.split_once('@').unwrap();
        let now = at(second.parse().unwrap());
        let says = match what.split_once('=') {
            Some(("step", name)) => RestoreSays::Step(name.into()),
            Some((_, data)) => RestoreSays::DataTime(at(data.parse().unwrap())),
            None => match what {
                "open" => {
                    runs.push(RestoreDrill::open("etcd", "ada", config().objectives(), now));
                    continue;
                }
                "start" => RestoreSays::Start,
                "done" => RestoreSays::Done("words".into()),
                _ => RestoreSays::Fail("no space".into()),
            },
        };
        take(&mut runs, &config(), says, now).unwrap_or_else(|e| panic!("{word}: {e}"));
    }
    runs
}

#[test]
fn a_drill_from_its_opening_to_its_end() {
    let all = runs("open@0 start@100 step=fetch@400 data=-86000@500 step=restore@3000 done@3700");
    let [drill] = &all[..] else { panic!("{all:?}") };
    assert_eq!((drill.opened_by.as_str(), drill.began_at()), ("ada", at(100)));
    assert_eq!(
        drill.steps.iter().map(|s| (s.name.as_str(), s.at)).collect::<Vec<_>>(),
        [("fetch", at(400)), ("restore", at(3000))]
    );
    assert_eq!((drill.took(), drill.rto_met()), (Some(Duration::from_secs(3_600)), Some(true)));
    assert_eq!((drill.data_age(), drill.rpo_met()), (Some(Duration::from_secs(86_100)), Some(true)));
    let read: RestoreDrill = serde_json::from_str(&serde_json::to_string(drill).unwrap()).unwrap();
    assert_eq!(read, *drill);
}

#[test]
fn objectives_are_met_to_the_second() {
    let check = |says: &str, rto, rpo| {
        let all = runs(says);
        let drill = all.last().unwrap();
        assert_eq!((drill.rto_met(), drill.rpo_met()), (rto, rpo), "{says}");
    };
    check("start@0 data=-86400@1 done@14400", Some(true), Some(true));
    check("start@0 data=-86401@1 done@14401", Some(false), Some(false));
    // Where nobody told a start, the clock began with the opening.
    check("open@0 done@14401", Some(false), None);
    check("start@0 data=-5@1", None, None);
    check("start@0 data=-5@1 fail@60", None, None);
}

#[test]
fn what_is_said_again_is_the_same_and_what_is_begun_anew_ends_the_one_before() {
    let outcomes = |says: &str| runs(says).iter().map(|r| (r.outcome, r.steps.len())).collect::<Vec<_>>();
    assert_eq!(outcomes("start@0 start@20 step=a@30 step=a@50 done@90 done@120"), [(Some(RestoreOutcome::Done), 1)]);
    assert_eq!(outcomes("start@0 step=a@30 start@40"), [(Some(RestoreOutcome::Abandoned), 1), (None, 0)]);
    assert_eq!(outcomes("start@0 start@61"), [(Some(RestoreOutcome::Abandoned), 0), (None, 0)]);
    assert_eq!(outcomes("start@0 step=a@30 step=a@600"), [(None, 2)]);
    let mut ended = runs("start@0 fail@100");
    assert_eq!(ended[0].said, "no space");
    for says in [RestoreSays::Step("a".into()), RestoreSays::DataTime(at(0)), RestoreSays::Done(String::new())] {
        assert_eq!(take(&mut ended, &config(), says, at(1_000)), Err(RestoreError::NotOpen));
    }
    let mut long = runs("start@0");
    for i in 0..RestoreDrill::STEPS_MAX as i64 {
        take(&mut long, &config(), RestoreSays::Step(format!("s{i}")), at(i)).unwrap();
    }
    assert_eq!(take(&mut long, &config(), RestoreSays::Step("more".into()), at(200)), Err(RestoreError::TooManySteps));
}

#[test]
fn one_is_overdue_until_one_is_done() {
    let day = 86_400;
    let check = |says: &str, now: i64, overdue: bool| {
        let runs = runs(says);
        let due = due(&config(), at(0), &runs, at(now));
        assert_eq!(due.overdue, overdue, "{says} at {now}");
        let found = finding(&config(), &runs, &due);
        assert_eq!(found.is_some(), overdue);
        found
    };
    check("", 90 * day, false);
    let never = check("", 90 * day + 1, true).unwrap();
    assert_eq!(
        (never.severity, never.headline.as_str()),
        (Severity::Warning, "the restore drill etcd is overdue: none has ever been done")
    );
    assert_eq!(&*never.key.cluster, "prod");
    check("start@100 done@200", 90 * day + 200, false);
    check("start@100 done@200", 90 * day + 201, true);
    // Beginning one, or failing, is not enough.
    let failed = check("start@100 fail@200", 90 * day + 201, true).unwrap();
    assert!(failed.evidence[1].contains("no space"), "{:?}", failed.evidence);
    let open = check(&format!("start@{}", 89 * day), 90 * day + 1, true).unwrap();
    assert!(open.evidence[1].contains("has not ended"), "{:?}", open.evidence);
}

#[test]
fn the_series_tell_of_the_last_that_was_done() {
    let all = runs("start@0 data=-100@1 done@3600 start@8000");
    let made = series(&config(), &all, &Due { by: at(9), overdue: false }, at(9_000));
    let value =
        |name: &str| made.iter().find(|s| *s.labels.name == format!("dogwatch_restore_drill_{name}")).map(|s| s.value);
    assert_eq!(
        ["duration_seconds", "data_age_seconds", "rto_met", "rpo_met", "open", "overdue", "rto_seconds"].map(value),
        [Some(3_600.0), Some(100.0), Some(1.0), Some(1.0), Some(1.0), Some(0.0), Some(14_400.0)]
    );
    assert!(
        made.iter().all(|s| s.labels.get("restore_drill") == Some("etcd") && s.labels.get("cluster") == Some("prod"))
    );
    let made = series(&config(), &[], &Due { by: at(9), overdue: true }, at(9_000));
    assert!(made.iter().all(|s| !s.labels.name.ends_with("_met")), "nothing is known yet");
}

#[test]
fn what_can_not_work_is_said() {
    let check = |drill: RestoreDrillConfig, expected: &str| {
        let said: Vec<String> =
            config::problems(&[drill], &["backup"].into()).iter().map(|(at, why)| format!("{at}: {why}")).collect();
        assert_eq!(said.join("; "), expected);
    };
    check(config(), "");
    check(
        RestoreDrillConfig { every: Duration::from_secs(59), ..config() },
        "restore_drills[0].every: must be at least 1m",
    );
    check(
        RestoreDrillConfig { name: "backup".into(), ..config() },
        "restore_drills[0].name: a heartbeat or another drill is called \"backup\" already",
    );
    check(
        RestoreDrillConfig { steps: vec!["a b".into()], ..config() },
        "restore_drills[0].steps: \"a b\" is no step's name: use letters, digits, '.', '_' and '-'",
    );
}
