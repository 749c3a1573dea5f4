//! What the receivers got: messages by webhook and by mail, as `sink.py` wrote them down.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;

use crate::{cluster::Lab, watch::eventually};

/// Python and a mail server are up by then, on a busy machine too.
const START_WITHIN: Duration = Duration::from_secs(20);

/// By what way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Webhook,
    Mail,
}

/// A message that arrived.
#[derive(Clone, Debug)]
pub struct Message {
    pub at: Timestamp,
    pub way: Way,
    /// It tells the end.
    pub resolved: bool,
    /// The sentence: the first alert's summary, or the mail's subject.
    pub says: String,
    /// The first alert's `alertname`; empty in mails.
    pub alert: String,
    /// All that it says: the summaries of its alerts, or the mail's text.
    pub text: String,
    /// What all messages about one incident have in common.
    pub thread: String,
}

/// The receivers on the watchdog's host.
pub struct Sink {
    process: Child,
    file: PathBuf,
    pub webhook_port: u64,
    pub smtp_port: u64,
}

impl Sink {
    /// Starts them; they write into `dir`.
    pub fn start(lab: &Lab, dir: &Path) -> Self {
        let file = dir.join("received.jsonl");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/sink.py");
        // Debian's own Python: another one in front of it lacks the package python3-aiosmtpd.
        let mut command = lab.on("wd");
        let process = command.arg("/usr/bin/python3").arg(script).arg(&file).stdin(Stdio::null()).spawn().unwrap();
        let mut sink = Self { process, file, webhook_port: 0, smtp_port: 0 };
        let ports = eventually(START_WITHIN, "the receivers", || sink.lines().into_iter().next());
        sink.webhook_port = ports["webhook"].as_u64().unwrap();
        sink.smtp_port = ports["smtp"].as_u64().unwrap();
        sink
    }

    /// Everything that has arrived, in order.
    pub fn messages(&self) -> Vec<Message> {
        self.lines().iter().filter_map(message).collect()
    }

    /// A line that is still being written is left for the next time.
    fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        text.lines().map_while(|l| serde_json::from_str(l).ok()).collect()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn message(line: &Value) -> Option<Message> {
    let at = Timestamp::from_microsecond((line["at"].as_f64()? * 1e6) as i64).ok()?;
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    match line["kind"].as_str()? {
        "webhook" => {
            let body = &line["body"];
            assert_eq!(body["version"], "4", "not Alertmanager's webhook: {body}");
            let first = &body["alerts"][0];
            let alerts = body["alerts"].as_array().into_iter().flatten();
            let summaries: Vec<String> = alerts.map(|alert| text(&alert["annotations"]["summary"])).collect();
            Some(Message {
                at,
                way: Way::Webhook,
                resolved: body["status"] == "resolved",
                says: text(&first["annotations"]["summary"]),
                alert: text(&first["labels"]["alertname"]),
                text: summaries.join("\n"),
                thread: text(&body["groupKey"]),
            })
        }
        "mail" => {
            let headers = &line["headers"];
            let says = text(&headers["subject"]);
            // The first message of a thread has no References: its own ID begins the thread.
            let first = [&headers["references"], &headers["message-id"]].into_iter().find(|v| v.is_string())?;
            let (resolved, alert) = (says.contains("] Resolved after "), String::new());
            Some(Message { at, way: Way::Mail, resolved, says, alert, text: text(&line["text"]), thread: text(first) })
        }
        _ => None,
    }
}
