//! The probers' decision tables, over real sockets.

mod apiserver;
mod etcd;
mod kubelet;
mod server;
mod small;
mod today;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use self::server::{Act, EtcdCertificate, Pki, Security, Table, nobody, stopped};
use super::probe;
use crate::{
    clock::Clock,
    dial::Dialer,
    model::{Job, Observation, ProbeSpec, Target, TargetKey},
};

/// Long enough that no test waits for it unless it means to.
const AMPLE: Duration = Duration::from_secs(20);
/// For what never answers.
const SHORT: Duration = Duration::from_millis(600);

fn target(job: Job, spec: ProbeSpec, timeout: Duration) -> Arc<Target> {
    Arc::new(Target {
        key: TargetKey { cluster: "t".into(), job, instance: "i".into() },
        node: None,
        spec,
        interval: Duration::from_secs(10),
        timeout,
        guessed: false,
        labels: BTreeMap::new(),
    })
}

fn say(status: u16, body: &str) -> Act {
    Act::Say(status, body.into())
}

/// `metav1.Status`, as API servers write it.
fn status(code: u16, message: &str) -> Act {
    let body = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "code": code,
    });
    Act::Say(code, body.to_string())
}

/// `ok`, or `reason: message`; with `(silent)` where it did not answer as the component that it should be.
fn verdict(o: &Observation) -> String {
    let failure = o.failure.as_ref().map_or("ok".into(), |f| format!("{}: {}", f.reason, f.message));
    let silent = if o.answered { "" } else { " (silent)" };
    // Ports differ from run to run.
    let mut text = String::new();
    let mut rest = failure.as_str();
    while let Some(at) = rest.find("127.0.0.1:") {
        let end = at + "127.0.0.1:".len();
        text.push_str(&rest[..end]);
        text.push('N');
        rest = rest[end..].trim_start_matches(|c: char| c.is_ascii_digit());
    }
    text + rest + silent
}

#[track_caller]
fn assert_trace_is_sound(o: &Observation) {
    assert!(o.trace.len() <= Observation::TRACE_MAX);
    assert!(o.trace.is_sorted_by_key(|l| l.after), "{:?}", o.trace);
    assert!(o.trace.iter().all(|l| l.after <= o.duration), "{:?}", o.trace);
}
