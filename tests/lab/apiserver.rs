//! One API server of three fails, all of them fail, and all are restarted as an upgrade does it.

use std::{thread::sleep, time::Duration};

use crate::{
    cluster::Lab,
    outage::{Outage, QUIET},
    watch::{QUICK, SILENT, Watch, eventually},
};

/// Leaders that could not renew their leases have exited by then, and node leases are stale.
const CONSEQUENCES: Duration = Duration::from_secs(25);
/// An API server that was asked to end goes on for the lab's `SHUTDOWN_DELAY`, then closes what is open.
const GONE_WITHIN: Duration = Duration::from_secs(30);
/// It reads everything from etcd and fills its caches.
const BACK_WITHIN: Duration = Duration::from_secs(60);
/// What is told only when it lasts (`tell_warnings_after`) would have been told by then.
const LONG_TERM: Duration = Duration::from_secs(65);

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
        says: &["1 of 3 API servers is ", "down: ", &instance, says],
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

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn all_api_servers_gone_and_back_is_one_incident() {
    Outage {
        acts: &[&["kill", "apiserver-1"], &["kill", "apiserver-2"], &["kill", "apiserver-3"]],
        alert: "ApiServersDown",
        says: &["all 3 API servers"],
        within: QUICK,
        lasts: CONSEQUENCES,
        shows: &[
            ("dogwatch_etcd_members_healthy", &[("cluster", "lab")], 3.0),
            ("dogwatch_etcd_quorum_margin", &[("cluster", "lab")], 1.0),
            ("dogwatch_vantage_ok", &[], 1.0),
        ],
    }
    // Just started, they answer 403 to everybody for seconds: that proves nothing about credentials.
    .play_with_aftermath(&Lab::take());
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn a_rolling_upgrade_of_the_control_plane_tells_nothing() {
    // Starved by another lab, an API server begins more slowly than an upgraded one may.
    let lab = Lab::take_to_burn();
    let mut watch = Watch::as_delivered(&lab);
    for n in 1..=3 {
        let instance = format!("10.99.0.{n}:6443");
        let ready = || lab.readyz(&instance);
        let server = format!("apiserver-{n}");
        watch.act(&["term", &server]);
        eventually(GONE_WITHIN, "the API server announces its end on /readyz, or has ended", || {
            (ready() != Some(200)).then_some(())
        });
        eventually(GONE_WITHIN, "the API server has ended", || ready().is_none().then_some(()));
        for process in [format!("kcm-{n}"), format!("scheduler-{n}"), format!("etcd-{n}"), server] {
            watch.act(&["restart", &process]);
        }
        eventually(BACK_WITHIN, "the API server is back", || (ready() == Some(200)).then_some(()));
        // As its kubelet would: what ended because its API server was not there yet is started again.
        watch.act(&["mend"]);
    }
    sleep(LONG_TERM);
    let told = watch.told();
    assert!(told.is_empty(), "{told:#?}");
    watch.wait_until_all_up();
    watch.stop();
}
