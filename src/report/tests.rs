//! The four formats: what was said from outside stays text in each.

use jiff::Timestamp;

use super::*;
use crate::availability::Tally;

const ODD: &str = "=cmd|'/c x'!A1 <script>alert(1)</script> `a|b` \"q\", [x](http://e)\n**bold**";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn report() -> Report {
    let line = |name: &str, down: u64| Line {
        name: name.into(),
        availability: Some(1.0 - down as f64 / 2_678_400.0),
        seconds: Tally { up: 2_678_400 - down, down, ..Tally::default() },
        outages: 1,
        longest_outage_seconds: down,
    };
    Report {
        title: "October 2026".into(),
        from: at("2026-10-01T00:00:00Z"),
        to: at("2026-11-01T00:00:00Z"),
        made_at: at("2026-11-02T08:00:00Z"),
        time_zone: "UTC".into(),
        objectives: vec![ObjectiveLine {
            line: line("api", 61),
            objective: 99.9,
            met: Some(true),
            allowed_seconds: 2_678.4,
            budget_left: 0.97,
        }],
        clusters: vec![line("prod", 61)],
        components: vec![line("prod/etcd", 0)],
        targets: vec![line(ODD, 61), line("prod/etcd/b", 0)],
        incidents: vec![IncidentLine {
            id: 7,
            cluster: String::new(),
            severity: "critical".into(),
            headline: ODD.into(),
            cause: "EtcdQuorumLost".into(),
            began: at("2026-10-03T02:11:07Z"),
            ended: None,
            detect_seconds: Some(2),
            tell_seconds: Some(3),
            acknowledge_seconds: None,
            restore_seconds: None,
        }],
        incidents_left_out: true,
        times: Times { mean_detect_seconds: Some(2.0), ..Times::default() },
        certificates: vec![CertificateLine {
            expires: at("2026-11-20T00:00:00Z"),
            cluster: "prod".into(),
            subject: "CN=kube-apiserver".into(),
            source: "serving".into(),
            seen_at: 3,
        }],
        heartbeats: vec![HeartbeatLine {
            name: "etcd-backup".into(),
            cluster: "prod".into(),
            successes: 30,
            last_success: Some(at("2026-10-31T03:00:00Z")),
            troubles: 1,
            trouble_seconds: 7_200,
            longest_run_seconds: Some(91.5),
        }],
        restore_drills: vec![
            RestoreLine {
                name: "etcd".into(),
                done: 1,
                last_ended: Some(at("2026-10-05T12:40:00Z")),
                outcome: Some("done"),
                duration_seconds: Some(2_400.0),
                rto_seconds: Some(3_600.0),
                rto_met: Some(true),
                data_age_seconds: Some(93_600.0),
                rpo_seconds: Some(86_400.0),
                rpo_met: Some(false),
            },
            RestoreLine {
                name: "never".into(),
                done: 0,
                last_ended: None,
                outcome: None,
                duration_seconds: None,
                rto_seconds: None,
                rto_met: None,
                data_age_seconds: None,
                rpo_seconds: None,
                rpo_met: None,
            },
        ],
        voice: Voice::default(),
    }
}

#[test]
fn markdown_has_a_table_for_each_part() {
    insta::assert_snapshot!(markdown(&report()));
}

#[test]
fn a_table_of_markdown_keeps_its_columns() {
    let text = markdown(&report());
    let bars = |line: &str| line.replace("\\|", "").matches('|').count();
    for table in text.split("\n\n").filter(|part| part.starts_with('|')) {
        let columns: Vec<usize> = table.lines().map(bars).collect();
        assert!(columns.windows(2).all(|pair| pair[0] == pair[1]), "{table}");
    }
    let (tags, escaped) = (text.matches("<script").count(), text.matches("\\<script").count());
    assert!(tags > 0 && tags == escaped && !text.contains(" **bold"), "{text}");
}

#[test]
fn html_escapes_what_was_said() {
    let text = html(&report(), None).unwrap();
    assert!(text.contains("&lt;script&gt;") && !text.contains("<script"), "{text}");
    assert!(text.contains("<style>") && text.contains("etcd-backup") && text.contains("2 h"), "{text}");
    let page = html(&report(), Some("\"x")).unwrap();
    assert!(page.contains("&quot;x/style.css") && !page.contains("<style>"), "{page}");
}

/// As RFC 4180 says a table is read.
fn cells(line: &str) -> Vec<String> {
    let (mut out, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => {
                // Two of them within quotes are one.
                if !quoted && out.last().is_some_and(|cell| !cell.is_empty()) {
                    out.last_mut().unwrap().push('"');
                }
                quoted = !quoted;
            }
            ',' if !quoted => out.push(String::new()),
            c => out.last_mut().unwrap().push(c),
        }
    }
    out
}

#[test]
fn csv_is_one_table_without_formulas() {
    let text = csv(&report());
    let rows: Vec<Vec<String>> = text.trim_end().split("\r\n").map(cells).collect();
    assert!(rows.iter().all(|row| row.len() == 26), "{text}");
    let of = |what: &str| rows.iter().find(|row| row[0] == what).unwrap();
    assert_eq!((of("objective")[3].as_str(), of("objective")[6].as_str()), ("99.9", "61"));
    assert_eq!(of("incident")[1], format!("'{}", ODD.replace('\n', " ")));
    assert_eq!((of("heartbeat")[6].as_str(), of("certificate")[14].as_str()), ("7200", "2026-11-20T00:00:00Z"));
}

#[test]
fn json_has_plain_numbers() {
    let value = serde_json::to_value(report()).unwrap();
    assert_eq!(value["objectives"][0]["seconds"]["down"], 61);
    assert_eq!(value["objectives"][0]["name"], "api");
    assert_eq!(value["incidents"][0]["ended"], serde_json::Value::Null);
    assert!(value.get("zone").is_none());
}
