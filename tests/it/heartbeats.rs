//! Heartbeats by the real program: evidence in what they send, and pausing them.

use serde_json::{Value, json};

use crate::{
    alerting::watch::{TOKEN, Watch},
    eventually::eventually,
};

const BACKUP: &str = "heartbeats:
  - name: backup
    on_calendar: [daily, 'Sun 12:00']
    token_file: token
    expect: {conditions: ['body !~ \"(?i)error\"'], size: {regex: 'size (.*)'}, min_size: 1kB}
";

async fn ping(watch: &Watch, what: &str, body: &'static str) -> String {
    let client = reqwest::Client::new();
    let answer = client.post(format!("{}/ping/{TOKEN}{what}", watch.url)).body(body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap()
}

async fn backup(watch: &Watch) -> Value {
    let all = reqwest::get(format!("{}/api/dogwatch/v1/heartbeats", watch.url)).await.unwrap().text().await.unwrap();
    serde_json::from_str::<Value>(&all).unwrap()["heartbeats"][0].clone()
}

#[tokio::test]
async fn a_backup_that_shrank_has_failed_until_somebody_says_otherwise() {
    let mut watch = Watch::start(BACKUP).await;
    for size in ["size 48 MB", "size 47 MB", "size 49 MB"] {
        assert_eq!(ping(&watch, "", size).await, "OK\n");
    }
    assert_eq!(
        ping(&watch, "", "size 12 kB").await,
        "Taken, but as a failure: its size was 12.0 kB, usually 48.0 MB\n"
    );
    assert_eq!(backup(&watch).await["state"], "failed");
    // The sizes that are usual outlive a kill.
    watch.kill();
    watch.start_again().await;
    let said = ping(&watch, "", "Error: size 48 MB").await;
    assert!(said.contains("should not match"), "{said}");
    assert_eq!(
        ping(&watch, "/0", "size 999 B").await,
        "Taken, but as a failure: its size was 999 B, should be 1.0 kB or more\n"
    );
    let state = backup(&watch).await;
    assert_eq!((&state["size_bytes"], &state["usual_size_bytes"]), (&json!(999.0), &json!(48e6)), "{state}");
    assert_eq!(state["expected"], "at \"daily\" or \"Sun 12:00\" in UTC");
    eventually("the size is a series", async || watch.query("dogwatch_heartbeat_size_bytes").await == Some(999.0))
        .await;
    let failed = "dogwatch_heartbeat_state{state=\"failed\"}";
    assert_eq!(watch.query(failed).await, Some(1.0));
    let page = reqwest::get(format!("{}/heartbeats", watch.url)).await.unwrap().text().await.unwrap();
    assert!(page.contains("it reported in, but its size was 999 B") && page.contains("Pause backup"), "{page}");
    // Somebody pauses it, and resumes it: then the smaller size is the new beginning.
    assert_eq!(
        watch.cli(&["heartbeat", "pause", "backup", "--by", "ada", "-c", "dogwatch.yml"]),
        "backup: nobody waits for it now\n"
    );
    assert_eq!(
        watch.cli(&["heartbeat", "pause", "backup", "--by", "bob", "-c", "dogwatch.yml"]),
        "backup was paused before\n"
    );
    watch.kill();
    watch.start_again().await;
    let state = backup(&watch).await;
    assert_eq!((&state["state"], &state["paused"]["by"]), (&json!("paused"), &json!("ada")), "{state}");
    let page = reqwest::get(format!("{}/heartbeats", watch.url)).await.unwrap().text().await.unwrap();
    assert!(page.contains("ada paused it") && page.contains("Resume backup"), "{page}");
    assert!(watch.cli(&["heartbeat", "list", "-c", "dogwatch.yml"]).contains("paused"));
    assert_eq!(watch.status("/api/dogwatch/v1/heartbeats/backup/resume", json!({"by": "ada"})).await, 200);
    assert_eq!(watch.status("/api/dogwatch/v1/heartbeats/nobody/resume", json!({})).await, 404);
    assert_eq!(ping(&watch, "", "size 12 kB").await, "OK\n");
    let audit = watch.cli(&["audit", "-c", "dogwatch.yml"]);
    assert!(
        audit.contains("pause heartbeat") && audit.contains("resume heartbeat") && audit.contains("as ada"),
        "{audit}"
    );
    // What the configuration pauses only the configuration resumes.
    watch.configure(&BACKUP.replace("token_file", "paused: true\n    token_file"));
    assert_eq!(watch.reload().await.0, 200);
    assert_eq!(backup(&watch).await["state"], "paused");
    assert_eq!(watch.status("/api/dogwatch/v1/heartbeats/backup/resume", json!({})).await, 409);
    watch.configure(BACKUP);
    assert_eq!(watch.reload().await.0, 200);
    assert_eq!(backup(&watch).await["state"], "new");
}

const RESTORE_TOKEN: &str = "restore-0123456789abcdef";

const DRILL: &str = "restore_drills:
  - {name: etcd, every: 90d, rto: 4h, rpo: 24h, steps: [fetch, verify], token_file: restore-token}
heartbeats: [{name: backup, every: 1h, token_file: token}]
";

async fn report(watch: &Watch, what: &str, body: &'static str) -> (u16, String) {
    let url = format!("{}/ping/{RESTORE_TOKEN}/{what}", watch.url);
    let answer = reqwest::Client::new().post(url).body(body).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn ok() -> (u16, String) {
    (200, "OK\n".to_owned())
}

#[tokio::test]
async fn a_restore_drill_outlives_a_kill_in_its_middle() {
    let mut watch = Watch::start("").await;
    watch.write("restore-token", RESTORE_TOKEN);
    watch.configure(DRILL);
    assert_eq!(watch.reload().await.0, 200, "{}", watch.log());
    assert_eq!(report(&watch, "step/fetch", "").await.0, 409, "none is open");
    let opened = watch.cli(&["drill", "restore", "etcd", "--by", "ada", "-c", "dogwatch.yml"]);
    for line in ["is open since", "restore-token", "/ping/$TOKEN/start", "/step/verify", "/data-time/TIME", "/done"] {
        assert!(opened.contains(line), "{line}: {opened}");
    }
    assert!(!opened.contains(RESTORE_TOKEN), "{opened}");
    assert!(watch.cli(&["drill", "restore", "etcd", "-c", "dogwatch.yml"]).contains("was open already"));
    assert_eq!(report(&watch, "start", "").await, ok());
    assert_eq!(report(&watch, "step/fetch", "").await, ok());
    watch.kill();
    watch.start_again().await;
    let data = (jiff::Timestamp::now() - std::time::Duration::from_secs(30 * 3_600)).to_string();
    assert_eq!(report(&watch, &format!("data-time/{data}"), "").await, ok());
    assert_eq!(report(&watch, "nonsense", "").await.0, 400);
    let done = report(&watch, "done", "all 12 namespaces, with /ping/restore-0123456789abcdef").await;
    assert_eq!(done, (200, "OK; steps that were not reported: verify\n".to_owned()));
    watch.kill();
    watch.start_again().await;
    let all =
        reqwest::get(format!("{}/api/dogwatch/v1/restore-drills", watch.url)).await.unwrap().text().await.unwrap();
    assert!(!all.contains(RESTORE_TOKEN), "{all}");
    let drill = serde_json::from_str::<Value>(&all).unwrap()["restore_drills"][0].clone();
    assert_eq!(drill["overdue"], json!(false));
    let last = &drill["drills"][0];
    assert_eq!(
        (&last["opened_by"], &last["outcome"], &last["steps"][0]["name"]),
        (&json!("ada"), &json!("done"), &json!("fetch"))
    );
    assert_eq!((&last["rto_met"], &last["rpo_met"]), (&json!(true), &json!(false)), "{last}");
    eventually("its series", async || watch.query("dogwatch_restore_drill_rpo_met").await == Some(0.0)).await;
    let page = reqwest::get(format!("{}/heartbeats", watch.url)).await.unwrap().text().await.unwrap();
    for words in
        ["within its RTO of 4 h", "over its RPO of 1 day", "verify not reported", "opened by ada", "all 12 namespaces"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(watch.cli(&["audit", "-c", "dogwatch.yml"]).contains("open restore drill"));
    for (format, words) in [
        ("md", "| etcd | 1 |"),
        ("html", "Restore drills"),
        ("json", "\"rpo_met\": false"),
        ("csv", "restore_drill,etcd,"),
    ] {
        // It ends with the last full second: the drill may have ended in this one.
        let report = async || watch.cli(&["report", "--last", "1d", "--format", format, "-c", "dogwatch.yml"]);
        eventually(words, async || report().await.contains(words)).await;
    }
}

#[tokio::test]
async fn a_job_begins_a_drill_itself_and_a_failed_one_is_told_of() {
    let watch = Watch::start("").await;
    watch.write("restore-token", RESTORE_TOKEN);
    watch.configure(DRILL);
    assert_eq!(watch.reload().await.0, 200, "{}", watch.log());
    assert_eq!(report(&watch, "start", "").await, ok());
    assert_eq!(report(&watch, "fail", "no space left on device").await, ok());
    assert_eq!(report(&watch, "fail", "again").await, ok(), "its answer was not heard");
    let page = reqwest::get(format!("{}/heartbeats", watch.url)).await.unwrap().text().await.unwrap();
    assert!(page.contains("failed; it said: no space left on device"), "{page}");
    let shown = reqwest::get(format!("{}/report", watch.url)).await.unwrap().text().await.unwrap();
    assert!(shown.contains("Restore drills") && shown.contains("failed"), "{shown}");
    assert_eq!(watch.status("/api/dogwatch/v1/restore-drills/nobody", json!({})).await, 404);
    let url = format!("{}/ping/{TOKEN}/step/fetch", watch.url);
    assert_eq!(reqwest::get(url).await.unwrap().status(), 400, "a heartbeat has no steps");
}
