//! What clusters, posted alerts and jobs say is shown to people without control characters and without characters that turn
//! the direction of writing; what machines compare stays as it came.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    alerting::watch::{TOKEN, Watch},
    eventually::eventually,
    receivers::{HookServer, MailServer, Pki},
};

/// Reads backwards where it is shown as it is, and colours a terminal.
const ODD: &str = "safe\u{202e}gpj\u{2066}\u{200f}\u{1b}[31m\u{9b}\u{7f}.exe";
/// What is left of it.
const SHOWN: &str = "safegpj[31m.exe";

/// Whether a text has nothing unwelcome in it: said here once more, since it is the program's own saying that is tested.
fn is_clean(text: &str) -> bool {
    let turns = ['\u{61c}', '\u{200e}', '\u{200f}'];
    let odd = |c: char| {
        let control = (c.is_control() && !"\r\n\t".contains(c)) || turns.contains(&c);
        control || ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c)
    };
    // In JSON they may be escaped.
    !text.contains(odd) && !text.contains("\\u001b") && !text.contains("\\u202e")
}

/// The texts of a mail, decoded.
pub fn texts(data: &str) -> String {
    let data = data.replace("\r\n", "\n");
    let mut out = String::new();
    let mut encoding = "";
    for part in data.split("\n\n") {
        match encoding {
            "base64" => {
                let code: String = part.lines().take_while(|l| !l.starts_with("--")).collect();
                out.push_str(&String::from_utf8(BASE64_STANDARD.decode(code).unwrap()).unwrap());
            }
            "quoted" => out.push_str(&unquoted(part)),
            _ => out.push_str(part),
        }
        encoding = match part.to_ascii_lowercase() {
            head if head.contains("content-transfer-encoding: base64") => "base64",
            head if head.contains("content-transfer-encoding: quoted-printable") => "quoted",
            _ if encoding == "quoted" && !part.contains("\n--") => "quoted",
            _ => "",
        };
    }
    out
}

/// RFC 2045, 6.7.
fn unquoted(text: &str) -> String {
    let text = text.replace("=\n", "");
    let (mut bytes, mut rest) = (Vec::new(), text.as_str());
    while let Some((before, after)) = rest.split_once('=') {
        bytes.extend_from_slice(before.as_bytes());
        let byte = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(b'='));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_read_has_no_odd_characters() {
    let (sink, dir) = (HookServer::start().await, tempfile::tempdir().unwrap());
    let mut mail = MailServer::start(&Pki::new(dir.path()), "plain", None, 0).await;
    let config = format!(
        "heartbeats: [{{name: job, every: 1h, token_file: token}}]\n\
         route: {{receiver: ops, group_wait: 0s, group_interval: 1s}}\n\
         receivers:\n- name: ops\n  webhook_configs: [{{url: '{}'}}]\n  email_configs: [{{to: a@b.example, from: \
         c@d.example, smarthost: '127.0.0.1:{}', require_tls: false}}]\n",
        sink.url("/"),
        mail.port
    );
    let watch = Watch::start(&config).await;
    let labels = json!({"alertname": "Odd", "file": ODD});
    watch.post(json!([{"labels": labels, "annotations": {"summary": format!("{ODD} is there")}}])).await;
    let ping = reqwest::Client::new().post(format!("{}/ping/{TOKEN}/fail", watch.url)).body(ODD).send().await.unwrap();
    assert_eq!(ping.status(), 200);

    let hooks: Vec<Value> = sink.wait_for(2).await.iter().map(|h| h.json()).collect();
    let hook = hooks.iter().find(|h| h["alerts"][0]["labels"] == labels).expect("machines get what was said");
    let ours = hook["dogwatch"]["headline"].as_str().unwrap();
    assert!(ours.contains(SHOWN) && is_clean(&hook["dogwatch"].to_string()), "{ours}");
    let mut said = texts(&mail.next().await.data);
    if !said.contains("Odd") {
        said = texts(&mail.next().await.data);
    }
    assert!(said.contains(SHOWN) && is_clean(&said), "{said}");

    let get = async |path: &str| reqwest::get(format!("{}{path}", watch.url)).await.unwrap().text().await.unwrap();
    let exact: Value = serde_json::from_str(&get("/api/v2/alerts").await).unwrap();
    assert!(exact.as_array().unwrap().iter().any(|a| a["labels"] == labels), "{exact}");
    eventually("both are incidents", async || {
        let all: Value = serde_json::from_str(&get("/api/dogwatch/v1/incidents").await).unwrap();
        all["incidents"].as_array().unwrap().len() >= 2
    })
    .await;
    let incidents = get("/api/dogwatch/v1/incidents").await;
    let ids: Value = serde_json::from_str(&incidents).unwrap();
    commands_say_it_too(&watch, &ids["incidents"][0]["id"].to_string());
    let of_each = ids["incidents"].as_array().unwrap().iter().map(|i| i["id"].as_i64().unwrap());
    let of_each = of_each.flat_map(|id| [format!("/incidents/{id}"), format!("/api/dogwatch/v1/incidents/{id}")]);
    let mut paths: Vec<String> = ["/", "/alerts", "/silences", "/incidents"].map(String::from).into();
    paths.extend(
        ["/api/dogwatch/v1/state", "/api/dogwatch/v1/incidents", "/api/dogwatch/v1/heartbeats"].map(String::from),
    );
    paths.extend(of_each);
    let mut shown = 0;
    for path in paths {
        let text = get(&path).await;
        assert!(is_clean(&text), "{path}: {text}");
        shown += usize::from(text.contains(SHOWN));
    }
    assert!(shown >= 4, "it is shown in {shown} places");
}

/// The same is printed by whatever command reads it, from the running program and from its file, for people and as JSON.
fn commands_say_it_too(watch: &Watch, id: &str) {
    let data = watch.data();
    let data = ["--data-dir", data.to_str().unwrap()];
    let odd = format!("label_replace(vector(1), \"file\", {}, \"\", \"\")", serde_json::to_string(ODD).unwrap());
    let query = ["query", &odd];
    let mut shown = 0;
    for command in [&["incidents"][..], &["incidents", id], &["status"]] {
        for way in [&["--url", &watch.url][..], &data] {
            if command[0] == "status" && way == data {
                continue;
            }
            for output in [&[][..], &["-o", "json"]] {
                let said = watch.cli_whatever(&[command, way, output].concat());
                assert!(is_clean(&said), "{command:?} {way:?} {output:?}: {said:?}");
                shown += usize::from(said.contains(SHOWN));
            }
        }
    }
    assert!(shown >= 4, "it is shown {shown} times");
    let table = watch.cli(&[&query[..], &data].concat());
    assert!(is_clean(&table) && table.contains("safe"), "{table:?}");
    let json = watch.cli(&[&query[..], &data, &["-o", "json"]].concat());
    let read: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(read["result"][0]["metric"]["file"], ODD, "machines get what was said");
    assert!(!json.chars().any(|c| c.is_control() && c != '\n') && !json.contains('\u{202e}'), "{json:?}");
}
