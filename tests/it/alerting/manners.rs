//! Who is told, when, and what people press: escalation, rate limits, muted times, and the forms of the pages.

use std::time::Duration;

use serde_json::{Value, json};

use super::{disk::send, watch::Watch};
use crate::{eventually::eventually, receivers::HookServer};

/// A receiver counts as failing after a minute.
const FAILING_WITHIN: Duration = Duration::from_secs(100);

const TIMES: &str = "group_by: [job], group_wait: 100ms, group_interval: 500ms, repeat_interval: 1h";

/// `(path, alert, state)` of everything that arrived.
fn told(sink: &HookServer) -> Vec<(String, String, String)> {
    let one = |hook: &crate::receivers::Hook| {
        let path = hook.line.split(' ').nth(1).unwrap().to_owned();
        let body = hook.json();
        let alerts = body["alerts"].as_array().unwrap().clone();
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        alerts.into_iter().map(move |a| (path.clone(), text(&a["labels"]["alertname"]), text(&a["status"])))
    };
    sink.got().iter().flat_map(one).collect()
}

fn has(sink: &HookServer, path: &str, alert: &str, state: &str) -> bool {
    told(sink).iter().any(|(p, a, s)| (p.as_str(), a.as_str(), s.as_str()) == (path, alert, state))
}

fn receivers(sink: &HookServer) -> String {
    let one =
        |name: &str| format!("  - {{name: {name}, webhook_configs: [{{url: '{}'}}]}}\n", sink.url(&format!("/{name}")));
    format!("receivers:\n{}{}", one("ops"), one("boss"))
}

fn alert(name: &str, job: &str) -> Value {
    json!([{"labels": {"alertname": name, "job": job, "severity": "critical"}}])
}

/// The page after a form was sent, and its status.
async fn press(watch: &Watch, path: &str, form: &[(&str, &str)]) -> (u16, String) {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = reqwest::Client::new().post(format!("{}{path}", watch.url)).body(body);
    let answer = request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn page(watch: &Watch, path: &str) -> String {
    reqwest::get(format!("{}{path}", watch.url)).await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn the_next_is_called_unless_somebody_looks_after_it() {
    let sink = HookServer::start().await;
    let escalation = "escalation: [{after: 2s, if: not_acknowledged, receiver: boss}]";
    let config = format!("route: {{receiver: ops, {TIMES}, {escalation}}}\n{}", receivers(&sink));
    let watch = Watch::start(&config).await;
    watch.post(alert("Forgotten", "a")).await;
    watch.post(alert("Cared", "b")).await;
    eventually("both are told", async || {
        has(&sink, "/ops", "Forgotten", "firing") && has(&sink, "/ops", "Cared", "firing")
    })
    .await;
    let incidents: Value = serde_json::from_str(&page(&watch, "/api/dogwatch/v1/incidents").await).unwrap();
    let all = incidents["incidents"].as_array().unwrap();
    let cared = all.iter().find(|i| i["group"]["labels"]["job"] == "b").unwrap()["id"].to_string();
    assert!(page(&watch, &format!("/incidents/{cared}")).await.contains("/acknowledge"));
    let (status, shown) = press(&watch, &format!("/incidents/{cared}/acknowledge"), &[("by", "Ana <ops>")]).await;
    assert!(status == 200 && shown.contains("<strong>Ana &lt;ops&gt;</strong> looks after it"), "{shown}");
    eventually("the boss is called", async || has(&sink, "/boss", "Forgotten", "firing")).await;
    assert!(!has(&sink, "/boss", "Cared", "firing"), "{:?}", told(&sink));
    assert_eq!(press(&watch, "/incidents/99/acknowledge", &[("by", "me")]).await.0, 404);

    let (status, shown) = press(&watch, &format!("/incidents/{cared}/acknowledge"), &[("by", " ")]).await;
    assert!(status == 400 && shown.contains("Say who looks after it"), "{shown}");
    let api = format!("/api/dogwatch/v1/incidents/{cared}");
    let unnamed = send(&watch, reqwest::Method::POST, &format!("{api}/acknowledge"), json!({})).await;
    assert_eq!(unnamed.0, 200);
    let shown = page(&watch, &format!("/incidents/{cared}")).await;
    assert!(shown.contains("<strong>Ana &lt;ops&gt;</strong> looks after it"), "a name stays: {shown}");
    let (status, shown) = press(&watch, &format!("/incidents/{cared}/withdraw"), &[]).await;
    assert!(status == 200 && shown.contains("Ana &lt;ops&gt; no longer looks after it"), "{shown}");
    assert!(shown.contains("Ana &lt;ops&gt; looks after it"), "both acts are in the timeline: {shown}");
    eventually("it is escalated after all", async || has(&sink, "/boss", "Cared", "firing")).await;
    let withdrawn = send(&watch, reqwest::Method::DELETE, &format!("{api}/acknowledge"), json!({})).await;
    assert_eq!(withdrawn.0, 200, "it is done already");
    let nobody = send(&watch, reqwest::Method::DELETE, "/api/dogwatch/v1/incidents/99/acknowledge", json!({})).await;
    assert_eq!(nobody.0, 404);

    let cli = |args: &[&str]| watch.cli(&[&["incidents", &*cared], args].concat());
    cli(&["--acknowledge", "ada"]);
    assert!(cli(&["--withdraw", "--by", "bob"]).contains("nobody looks after it"));
    assert!(cli(&[]).contains("ada no longer looks after it, says bob"));
    cli(&["--note", "the disk is <full>", "--by", "bob"]);
    assert!(cli(&[]).contains("bob noted: the disk is <full>"));
    let text = cli(&["--format", "markdown"]);
    for said in ["# ", "**bob** noted: the disk is \\<full\\>", "Ana \\<ops\\> no longer looks after it"] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[tokio::test]
async fn silences_are_made_and_ended_on_the_pages() {
    let sink = HookServer::start().await;
    let watch = Watch::start(&format!("route: {{receiver: ops, {TIMES}}}\n{}", receivers(&sink))).await;
    let form =
        [("matchers", "alertname=\"Known\"\njob=~\"a|b\""), ("duration", "2h"), ("by", "Ana"), ("comment", "new disk")];
    let (status, shown) = press(&watch, "/silences", &form).await;
    assert!(status == 200 && shown.contains("in force") && shown.contains("new disk"), "{shown}");
    watch.post(alert("Known", "a")).await;
    watch.post(alert("New", "a")).await;
    eventually("the other is told", async || has(&sink, "/ops", "New", "firing")).await;
    assert!(!has(&sink, "/ops", "Known", "firing"));
    let alerts = page(&watch, "/alerts").await;
    assert!(alerts.contains("silenced by") && alerts.contains("told to ops"), "{alerts}");
    let (_, action) = shown.split_once("action=\"").unwrap();
    let action = action.split_once('"').unwrap().0.replace("&#x2f;", "/");
    let (status, shown) = press(&watch, &action, &[]).await;
    assert!(status == 200 && shown.contains(">ended</span>"), "{shown}");
    eventually("now it is told", async || has(&sink, "/ops", "Known", "firing")).await;
    let all = [("matchers", "job=a"), ("duration", "1h"), ("by", "Ana"), ("comment", "the whole job")];
    assert_eq!(press(&watch, "/silences", &all).await.0, 200);
    eventually("the first page marks it", async || page(&watch, "/").await.contains(">silenced</span>")).await;
    assert!(page(&watch, "/").await.contains("Silenced by Ana until"), "and says by whom");
}

#[tokio::test]
async fn a_form_that_can_not_work_comes_back_with_the_reason() {
    let sink = HookServer::start().await;
    let watch = Watch::start(&format!("route: {{receiver: ops}}\n{}", receivers(&sink))).await;
    let filled = [("matchers", "alertname=~\"(\""), ("duration", "2h"), ("by", "Ana"), ("comment", "kept")];
    for (name, value, why) in [
        ("matchers", "alertname=~\"(\"", "missing closing )"),
        ("matchers", "", "at least one matcher required"),
        ("duration", "soon", "is not a duration"),
        ("starts", "tomorrow", "is not a time"),
        ("by", "", "say who silences it"),
        ("duration", "2020-01-01 10:00", "it would be over already"),
        ("matchers", "alertname=\"A\"\ncluster", "cluster: an operator is missing"),
        ("id", "no-such", "silence no-such not found"),
    ] {
        let mut form = filled.to_vec();
        form[0].1 = "alertname=\"A\"";
        form.retain(|(n, _)| *n != name);
        form.push((name, value));
        let (status, shown) = press(&watch, "/silences", &form).await;
        assert!(status == 400 && shown.contains(why) && shown.contains("kept"), "{name}: {shown}");
    }
    let shown = reqwest::Client::new().post(format!("{}/silences", watch.url)).header("sec-fetch-site", "cross-site");
    assert_eq!(shown.send().await.unwrap().status(), 403, "a page of another site can't press our buttons");
}

#[tokio::test]
async fn a_silence_is_tried_first_and_extended_later() {
    let sink = HookServer::start().await;
    let watch = Watch::start(&format!("route: {{receiver: ops, {TIMES}}}\n{}", receivers(&sink))).await;
    watch.post(alert("Tried", "a")).await;
    watch.post(alert("Other", "b")).await;
    eventually("both are told", async || {
        has(&sink, "/ops", "Tried", "firing") && has(&sink, "/ops", "Other", "firing")
    })
    .await;
    let alerts = page(&watch, "/alerts").await.replace("&#x2f;", "/");
    let links: Vec<&str> = alerts.split('"').filter(|part| part.starts_with("/silences/new?alert=")).collect();
    assert_eq!(links.len(), 2, "{alerts}");
    let form = page(&watch, links[0]).await;
    assert!(form.contains("alertname=&quot;") && form.contains("It matches 1 of 2 alerts that fire now"), "{form}");
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("preview", "1"), ("matchers", "job=~\"a|b\""), ("duration", "soon"), ("by", "<Ana>")])
        .finish();
    let form = page(&watch, &format!("/silences/new?{query}")).await;
    for said in ["It matches 2 of 2 alerts that fire now; it quiets 2 incidents", "is not a duration", "&lt;Ana&gt;"] {
        assert!(form.contains(said), "{said}: {form}");
    }
    assert!(page(&watch, "/silences").await.contains("No silence is in force"), "a preview makes none");

    let made = [("matchers", "job=\"a\""), ("duration", "1h"), ("by", "Ana"), ("comment", "disk")];
    assert_eq!(press(&watch, "/silences", &made).await.0, 200);
    let silences = || async { serde_json::from_str::<Value>(&page(&watch, "/api/v2/silences").await).unwrap() };
    let before = silences().await;
    let id = before[0]["id"].as_str().unwrap();
    let form = page(&watch, &format!("/silences/{id}/edit")).await;
    assert!(form.contains("job=&quot;a&quot;") && form.contains("value=\"disk\""), "{form}");
    let starts = before[0]["startsAt"].as_str().unwrap()[..19].replace('T', " ");
    let longer = [("id", id), ("starts", &*starts), ("duration", "3h"), made[0], made[2], made[3]];
    assert_eq!(press(&watch, "/silences", &longer).await.0, 200);
    let after = silences().await;
    assert_eq!((after.as_array().unwrap().len(), &after[0]["id"]), (1, &before[0]["id"]), "{after}");
    assert!(after[0]["endsAt"].as_str() > before[0]["endsAt"].as_str(), "{before} {after}");
    assert!(page(&watch, "/silences/nobody/edit").await.contains("There is no such silence"));
}

#[tokio::test]
async fn a_rate_limit_holds_back_news_but_no_beginning_and_no_end() {
    let sink = HookServer::start().await;
    let receivers = receivers(&sink).replace("{name: ops,", "{name: ops, rate_limit: {messages: 1, per: 1h},");
    let watch = Watch::start(&format!("route: {{receiver: ops, {TIMES}}}\n{receivers}")).await;
    for job in ["a", "b", "c"] {
        watch.post(alert("First", job)).await;
    }
    let beginnings = || told(&sink).iter().filter(|(_, a, s)| a == "First" && s == "firing").count();
    eventually("every beginning is told", async || beginnings() >= 3).await;
    watch.post(alert("Second", "a")).await;
    let held = "dogwatch_dropped_total{limit=\"receiver_rate_limit\"}";
    eventually("news are held back", async || page(&watch, "/metrics").await.contains(held)).await;
    assert!(!has(&sink, "/ops", "Second", "firing"), "{:?}", told(&sink));
    let mut over = alert("First", "b");
    over[0]["endsAt"] = json!(jiff::Timestamp::now().to_string());
    watch.post(over).await;
    eventually("an end is told", async || has(&sink, "/ops", "First", "resolved")).await;
}

#[tokio::test]
async fn a_muted_route_is_quiet_and_says_so() {
    let sink = HookServer::start().await;
    let times =
        "time_intervals: [{name: always, time_intervals: [{times: [{start_time: '00:00', end_time: '24:00'}]}]}]";
    let routes = "routes: [{matchers: [job=quiet], mute_time_intervals: [always]}]";
    let config = format!("route: {{receiver: ops, {TIMES}, {routes}}}\n{times}\n{}", receivers(&sink));
    let watch = Watch::start(&config).await;
    watch.post(alert("Quiet", "quiet")).await;
    watch.post(alert("Loud", "loud")).await;
    eventually("the other is told", async || has(&sink, "/ops", "Loud", "firing")).await;
    assert!(!has(&sink, "/ops", "Quiet", "firing"));
    let alerts: Value = serde_json::from_str(&page(&watch, "/api/v2/alerts?filter=job=quiet").await).unwrap();
    assert_eq!(alerts[0]["status"]["mutedBy"], json!(["always"]), "{alerts}");
    assert!(page(&watch, "/alerts").await.contains("muted by always"));
}

#[tokio::test]
async fn a_receiver_that_fails_is_replaced_and_told_of_through_the_others() {
    let (gone, sink) = (HookServer::start().await, HookServer::start().await);
    gone.stop().await;
    let receivers = receivers(&sink).replace(&sink.url("/ops"), &gone.url("/ops"));
    let escalation = "escalation: [{after: 2s, if: not_accepted, receiver: boss}]";
    let watch = Watch::start(&format!("route: {{receiver: ops, {TIMES}, {escalation}}}\n{receivers}")).await;
    watch.post(alert("Unheard", "a")).await;
    eventually("the boss hears of it", async || has(&sink, "/boss", "Unheard", "firing")).await;
    let told = tokio::time::timeout(FAILING_WITHIN, async {
        while !has(&sink, "/boss", "ReceiverFailing", "firing") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    told.await.expect("the receiver's failure is told through the other");
    gone.start_again().await;
    // The pause before the next try may be long by now; the first message that is taken ends it for all.
    watch.post(alert("Next", "b")).await;
    eventually("nothing is lost", async || has(&gone, "/ops", "Unheard", "firing")).await;
    eventually("its end is told", async || has(&sink, "/boss", "ReceiverFailing", "resolved")).await;
}
