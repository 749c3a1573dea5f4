//! Whoever reads the file says the same: the dogwatch that writes it, one that only reads beside it or after it, the next run.

use super::*;
use crate::{
    model::{Labels, Matcher},
    pack::{Points, Want},
    store::bulk::Bulk,
};

const DAY: i64 = 86_400_000;
const STEP: i64 = 3_600_000;

fn labels(series: &str) -> Labels {
    Labels::new("m", [("series", series)])
}

/// The values of `series` at the times given.
fn points(at_ms: impl Iterator<Item = i64>) -> Points {
    let mut points = Points::default();
    at_ms.for_each(|at| points.push(at, (at / STEP % 977) as f64));
    points
}

/// Both live at the same hour of a fixed day: what is due for rolling up or joining does not depend on when a test runs.
fn clock() -> Clock {
    Clock::anchored(now())
}

fn read_only(dir: &TempDir) -> Store {
    Store::read_only(dir.path().into(), Arc::new(Metrics::new()), clock()).unwrap()
}

fn writer(dir: &TempDir) -> Store {
    Store::open(dir.path().to_path_buf(), StorageConfig::default(), Arc::new(Metrics::new()), clock()).0
}

/// Everything that can be asked, as text: samples of every age in every way, series, bounds, incidents.
async fn answers(store: &Store, now_ms: i64) -> Vec<String> {
    let mut all = Vec::new();
    let days = [(0, 1), (1, 3), (3, 80), (85, 95), (100, 170), (175, 185), (190, 300), (-1, 400), (399, 400)];
    for (newest, oldest) in days {
        let (from_ms, to_ms) = (now_ms - oldest * DAY, now_ms - newest * DAY);
        for matchers in
            [vec![], vec![Matcher::equal("series", "b")], vec![Matcher::new("series", "=~", "a|c").unwrap()]]
        {
            for packed in store.select(&matchers, from_ms, to_ms).unwrap() {
                for want in [Want::Last, Want::Min, Want::Max, Want::Sum] {
                    let mut points = Points::default();
                    packed.read(want, from_ms, to_ms, &mut points).unwrap();
                    let ends = (points.at_ms.first(), points.at_ms.last());
                    let weighed = points.at_ms.iter().zip(&points.values).map(|(at, v)| v * (at % 977) as f64);
                    let (sum, count) = (weighed.sum::<f64>(), points.len());
                    all.push(format!("{} {from_ms} {want:?}: {count} {ends:?} {sum}", packed.labels));
                }
            }
            all.push(format!("{:?}", store.series(&[matchers], from_ms, to_ms)));
        }
    }
    all.push(format!("{:?} {:?} {:?}", store.oldest_ms(), store.oldest_sample_ms(), store.stats().series));
    all.push(format!("{:?}", store.incidents(IncidentFilter::default(), 100).await.unwrap()));
    all.push(format!("{:?} {:?}", store.incident(2).await.unwrap(), store.deliveries(2).await.unwrap()));
    all
}

#[tokio::test]
async fn readers_and_writers_say_the_same_of_packed_rolled_up_and_new_samples() {
    let dir = tempfile::tempdir().unwrap();
    let now_ms = now().as_millisecond();
    let mut bulk = Bulk::open(dir.path().into(), StorageConfig::default()).unwrap();
    // Older than a day, in part so old that it is rolled up to 5 minutes and to hours; `c` began late.
    let old = |from: i64| points((from..now_ms - DAY).step_by(STEP as usize));
    bulk.put(vec![
        (labels("a"), old(now_ms - 300 * DAY)),
        (labels("b"), old(now_ms - 299 * DAY)),
        (labels("c"), old(now_ms - 5 * DAY)),
    ])
    .unwrap();
    bulk.run_housekeeping(now()).unwrap();
    bulk.finish().unwrap();

    let store = writer(&dir);
    // Of the last day the writer packs what is older than half an hour, and keeps the rest in batches.
    let lately = |series: &str| {
        let at = (now_ms - DAY..now_ms).step_by(STEP as usize);
        let sample = |at: i64| Sample {
            labels: labels(series),
            at: Timestamp::from_millisecond(at).unwrap(),
            value: (at / STEP % 977) as f64,
        };
        at.map(sample).collect::<Vec<_>>()
    };
    store.append(&lately("a"));
    store.append(&lately("new"));
    assert_eq!(store.commit(vec![incident(1, true), incident(2, false)], vec![entry(2)]).await, Durability::Durable);
    store.record_delivery(delivery(2, DeliveryOutcome::Delivered)).await;
    // Until the batch is in the file, and the housekeeping has packed what it may.
    let settled = async || read_only(&dir).stats().series == 4 && store.stats().head_samples < 10;
    eventually("batch and housekeeping", settled).await;
    let written = answers(&store, now_ms).await;
    assert!(written.iter().any(|a| a.contains("series=\"a\"") && a.contains("Sum")), "{written:?}");
    assert_eq!(answers(&read_only(&dir), now_ms).await, written, "beside the writer");
    assert!(store.oldest_ms().unwrap() < now_ms - 250 * DAY, "history begins with its oldest bucket");
    let sample = store.oldest_sample_ms().unwrap();
    assert!((now_ms - 92 * DAY..now_ms - 89 * DAY).contains(&sample), "{}", (now_ms - sample) / DAY);

    let reader = read_only(&dir);
    store.close(SOON).await;
    assert_eq!(answers(&reader, now_ms).await, written, "by one that was opened while it wrote");
    assert_eq!(answers(&read_only(&dir), now_ms).await, written, "after it has ended");
    let next = writer(&dir);
    assert_eq!(answers(&next, now_ms).await, written, "by the next run");
    next.close(SOON).await;
}

#[tokio::test]
async fn incidents_are_listed_by_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let at = |hour: i64| now() + jiff::SignedDuration::from_hours(hour);
    let mut all = Vec::new();
    for id in 1..=60i64 {
        let severity = [Severity::Info, Severity::Warning, Severity::Critical][(id % 3) as usize];
        let cluster = ["prod", "", "it's; \"x\""][(id % 4 % 3) as usize].into();
        let resolved_at = (id % 5 > 0).then(|| at(id + 2));
        all.push(Incident { severity, cluster, started_at: at(id), resolved_at, ..incident(id, false) });
    }
    store.commit(all.clone(), vec![]).await;
    let lists = [vec![], vec!["prod".to_owned()], vec![String::new(), "it's; \"x\"".to_owned()], vec!["none".into()]];
    for clusters in lists {
        for severities in [vec![], vec![Severity::Critical], vec![Severity::Info, Severity::Warning]] {
            for state in [None, Some(IncidentState::Open), Some(IncidentState::Resolved)] {
                for (since, before, below) in
                    [(None, None, None), (Some(at(30)), None, Some(50)), (Some(at(22)), Some(at(40)), None)]
                {
                    let (clusters, severities) = (clusters.clone(), severities.clone());
                    let filter = IncidentFilter { clusters, severities, state, since, before, below };
                    let got = store.incidents(filter.clone(), 7).await.unwrap();
                    let want: Vec<&Incident> = all.iter().rev().filter(|i| filter.admits(i)).take(7).collect();
                    assert_eq!(got.incidents.iter().collect::<Vec<_>>(), want, "{filter:?}");
                }
            }
        }
    }
    // An odd row costs itself alone.
    let db = Connection::open(dir.path().join("dogwatch.db")).unwrap();
    db.execute("INSERT INTO incidents VALUES (61, NULL, 'no json')", []).unwrap();
    let two = store.incidents(IncidentFilter::default(), 3).await.unwrap();
    assert_eq!((two.incidents.len(), two.more), (2, true));
    assert_eq!(store.incident(61).await.unwrap(), None);
    store.close(SOON).await;
}

#[tokio::test]
async fn ten_thousand_incidents_are_listed_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let big = "what was seen of it ".repeat(250);
    for ids in (1..=10_000i64).collect::<Vec<_>>().chunks(1_000) {
        let some = ids.iter().map(|id| Incident { headline: big.clone(), ..incident(*id, true) });
        store.commit(some.collect(), vec![]).await;
    }
    let begun = std::time::Instant::now();
    let filter = IncidentFilter { clusters: vec!["prod".into()], below: Some(5_000), ..IncidentFilter::default() };
    assert_eq!(store.incidents(filter, 50).await.unwrap().incidents[0].id, 4_999);
    let nobody = IncidentFilter { clusters: vec!["none".into()], ..IncidentFilter::default() };
    assert_eq!(store.incidents(nobody, 50).await.unwrap(), IncidentList::default());
    // 50 MB of them: some milliseconds with the index, a second without it.
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    store.close(SOON).await;
}

#[tokio::test]
async fn a_list_of_large_incidents_comes_in_parts() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let large = |id: i64| {
        let mut incident = incident(id, true);
        incident.headline = "x".repeat(4 << 20);
        incident
    };
    store.commit((1..=20).map(large).collect(), vec![]).await;
    let mut filter = IncidentFilter::default();
    let mut seen = Vec::new();
    loop {
        let part = store.incidents(filter.clone(), 1_000).await.unwrap();
        assert!((1..=9).contains(&part.incidents.len()), "{}", part.incidents.len());
        seen.extend(part.incidents.iter().map(|i| i.id));
        filter.below = seen.last().copied();
        if !part.more {
            break;
        }
    }
    assert!(seen.iter().copied().eq((1..=20).rev()), "{seen:?}");
    store.close(SOON).await;
}
