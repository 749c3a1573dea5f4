//! One API server of three fails.

use crate::{
    cluster::Lab,
    outage::{Outage, QUIET},
    watch::{QUICK, SILENT},
};

/// Plays an outage of one API server whose host leads nothing. In `acts`, `{n}` is the number of its host.
fn one_of_three(acts: &[&str], says: &str, reason: &str, silent: bool) {
    let lab = Lab::take();
    let n = lab.follower().to_string();
    let acts: Vec<String> = acts.iter().map(|word| word.replace("{n}", &n)).collect();
    let act: Vec<&str> = acts.iter().map(String::as_str).collect();
    let instance = format!("10.99.0.{n}:6443");
    let who = [("job", "kube-apiserver"), ("instance", instance.as_str())];
    let down = [who[0], who[1], ("state", "down")];
    let why = [who[0], who[1], ("reason", reason)];
    Outage {
        acts: &[&act],
        alert: "ApiServerDown",
        says: &["1 of 3 API servers is down", &instance, says],
        within: if silent { SILENT } else { QUICK },
        lasts: QUIET,
        shows: &[
            ("dogwatch_target_state", &down, 1.0),
            ("probe_failure_info", &why, 1.0),
            ("probe_success", &who, 0.0),
            ("up", &who, 0.0),
            ("dogwatch_etcd_quorum_margin", &[("cluster", "lab")], 1.0),
            ("dogwatch_vantage_ok", &[], 1.0),
        ],
    }
    .play(&lab);
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn a_killed_api_server_refuses() {
    one_of_three(&["kill", "apiserver-{n}"], "refuses connections", "refused", false);
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn a_stopped_api_server_hangs() {
    one_of_three(&["stop", "apiserver-{n}"], "hangs", "timeout", true);
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn an_api_server_whose_packets_are_dropped_is_silent() {
    one_of_three(&["drop", "cp{n}", "6443"], "is silent, though its host answers", "timeout", true);
}
