//! The list of incidents that pages and filters, and those of the past.

use dogwatch::{model::Incident, store::Durability};
use jiff::SignedDuration;
use serde_json::Value;

use super::{
    Served, in_order, page,
    picture::{self, now},
    start,
};

/// Incidents `ids`, which ended an hour apart, the newest just now, of two clusters.
fn past(ids: impl DoubleEndedIterator<Item = i64>) -> Vec<Incident> {
    let ended = |(hours, id): (usize, i64)| {
        let end = now() - SignedDuration::from_hours(hours as i64);
        let mut incident = picture::quorum_lost();
        incident.id = id;
        incident.headline = format!("etcd of long ago {id}");
        incident.cluster = if id % 2 == 0 { "prod".into() } else { "staging".into() };
        incident.started_at = end - SignedDuration::from_mins(10);
        incident.resolved_at = Some(end);
        incident.alerts.iter_mut().for_each(|a| a.ended_at = incident.resolved_at);
        incident
    };
    ids.rev().enumerate().map(ended).collect()
}

async fn list(served: &Served, query: &str) -> (Vec<i64>, Value) {
    let got = served.get(&format!("/api/dogwatch/v1/incidents{query}")).await;
    assert_eq!(got.status, 200, "{query}: {}", got.body);
    let answer: Value = serde_json::from_str(&got.body).unwrap();
    let ids = answer["incidents"].as_array().unwrap().iter().map(|i| i["id"].as_i64().unwrap()).collect();
    (ids, answer)
}

#[tokio::test]
async fn incidents_of_the_past_are_listed_page_by_page_and_opened() {
    // Of the picture: 9 is open, 8 has ended and is not in the file yet.
    let mut state = picture::outage();
    std::sync::Arc::make_mut(&mut state.incidents[0]).id = 9;
    std::sync::Arc::make_mut(&mut state.incidents[1]).id = 8;
    let served = start(state).await;
    // The file still has 9 as it was opened and 5 with another headline than the picture would show.
    let mut open = picture::quorum_lost();
    open.id = 9;
    let stored = served.store.commit(past(-140..=5).into_iter().chain([open]).collect(), vec![]).await;
    assert_eq!(stored, Durability::Durable);

    let (ids, first) = list(&served, "?limit=4").await;
    assert_eq!((ids, &first["open"], &first["next"]), (vec![9, 8, 5, 4], &1.into(), &4.into()));
    assert_eq!(first["history_error"], Value::Null);
    let (ids, second) = list(&served, "?limit=4&before=4").await;
    assert_eq!((ids, &second["open"], &second["next"]), (vec![3, 2, 1, 0], &0.into(), &0.into()));
    let (ids, last) = list(&served, "?limit=1000&before=0").await;
    assert_eq!((ids.len(), ids.last(), &last["next"]), (140, Some(&-140), &Value::Null));
    assert_eq!(list(&served, "").await.0.len(), 100);

    let check = async |query: &str, want: &[i64]| assert_eq!(list(&served, query).await.0, want, "{query}");
    check("?state=open", &[9]).await;
    check("?state=open&before=9", &[]).await;
    check("?state=resolved&limit=2", &[8, 5]).await;
    check("?cluster=staging&limit=2", &[5, 3]).await;
    check("?cluster=staging&cluster=prod&severity=critical&limit=3", &[9, 8, 5]).await;
    check("?cluster=dogwatch", &[]).await;
    check("?severity=info", &[]).await;
    check("?since=90m&state=resolved", &[8, 5, 4]).await;
    check("?before=2026-11-17T22:00:00Z&since=2026-11-17T19:30:00Z&state=resolved", &[-124, -125, -126]).await;
    let bad = served.get("/api/dogwatch/v1/incidents?severity=bad").await;
    assert!(bad.status == 400 && bad.body.contains("critical, warning or info"), "{}", bad.body);

    // Where links in messages of then lead.
    let one = served.get("/incidents/-100").await;
    assert_eq!(one.status, 200);
    in_order(
        &one.body,
        &["resolved", "etcd of long ago -100", "lasted <strong>10 min", "What happened", "Who was told"],
    );
    let one: Value = serde_json::from_str(&served.get("/api/dogwatch/v1/incidents/-100").await.body).unwrap();
    assert_eq!(one["incident"]["headline"], "etcd of long ago -100");
    assert_eq!(served.get("/incidents/-141").await.status, 404);
}

#[tokio::test]
async fn the_list_is_a_page_with_a_form() {
    let served = start(picture::outage()).await;
    served.store.commit(past(-60..=5), vec![]).await;
    let html = page("incidents", Ok(served.get("/incidents").await.body));
    in_order(
        &html,
        &[
            "<title>Incidents · dogwatch</title>",
            "1 is open",
            "<option value=\"prod\">prod</option>",
            "<option value=\"30d\">the last 30 days</option>",
            "dog&#x2f;incidents&#x2f;7\">etcd has lost quorum: 2 of 3 members down</a>",
            "<strong>open</strong> for",
            "2 of 3 still serve",
            "etcd of long ago 5",
            "lasted 10 min",
            "dog&#x2f;incidents?before=-42\" rel=\"next\">Older</a>",
        ],
    );
    assert!(!html.contains("http-equiv=\"refresh\"") && !html.contains("rel=\"prev\""));
    let html = page("incidents-older", Ok(served.get("/incidents?cluster=prod&state=resolved&before=-42").await.body));
    in_order(
        &html,
        &[
            "earlier ones",
            "<option value=\"prod\" selected>prod</option>",
            "<option value=\"resolved\" selected>resolved</option>",
            "etcd of long ago -44",
            "dog&#x2f;incidents?cluster=prod&amp;state=resolved\" rel=\"prev\">Newest</a>",
        ],
    );
    assert!(!html.contains("rel=\"next\"") && !html.contains("etcd of long ago -43"));
    let odd = served.get("/incidents?since=%3Cb%3E&cluster=gone").await;
    assert_eq!(odd.status, 400);
    in_order(&odd.body, &["<option value=\"gone\" selected>gone", "since: &quot;&lt;b&gt;&quot; is no time"]);
    in_order(&served.get("/").await.body, &["/incidents\">Incidents</a>", "Lately resolved", "All incidents"]);
}
