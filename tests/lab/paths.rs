//! A control-plane host is lost, or only the way to it: who answers beats who is silent.

use std::{thread::sleep, time::Duration};

use crate::{
    cluster::Lab,
    outage::{Outage, over},
    watch::{SILENT, Watch},
};

/// By then leases of the lost host have run out, an election is over, and rules have seen it.
const CONSEQUENCES: Duration = Duration::from_secs(45);
/// What is only a path is told as a warning, when it lasts.
const PATH_WITHIN: Duration = Duration::from_secs(100);
/// With a probe of 24 targets every 5 s this is some 600 probes, and a test that can be waited for. Before a release it runs
/// for an hour: `LOSSY_SECONDS=3600 tests/run lab loss`.
const LOSSY_SECONDS: u64 = 120;

fn lossy_for() -> Duration {
    let asked = std::env::var("LOSSY_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(asked.unwrap_or(LOSSY_SECONDS))
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn a_control_plane_host_that_is_cut_off_is_one_message_with_the_host_in_it() {
    let lab = Lab::take();
    // All that hangs on it: its scheduler and its controller-manager lead.
    lab.make_leader(3);
    Outage {
        acts: &[&["cut", "cp3"]],
        alert: "ControlPlaneHostDown",
        says: &["10.99.0.3"],
        within: SILENT,
        lasts: CONSEQUENCES,
        shows: &[
            ("dogwatch_etcd_quorum_margin", &[("cluster", "lab")], 0.0),
            ("dogwatch_target_state", &[("job", "etcd"), ("instance", "10.99.0.1:2379"), ("state", "up")], 1.0),
            ("dogwatch_vantage_ok", &[], 1.0),
        ],
    }
    .play_with_aftermath(&lab);
}

/// Breaks only the way from the watchdog; asserts that one message says so, that nobody is accused, and that it ends.
fn only_the_path(acts: &[&[&str]], hosts: &[&str]) {
    let lab = Lab::take();
    let mut watch = Watch::as_delivered(&lab);
    for act in acts {
        watch.act(act);
    }
    let told = watch.wait_told(1, PATH_WITHIN);
    sleep(SILENT);
    assert_eq!(watch.told().len(), 2, "one message by each way, not {:#?}", watch.told());
    for m in &told {
        assert!(m.says.contains("can't be reached from here"), "{m:#?}");
        for host in hosts {
            assert!(m.text.contains(host), "{host} is not in {m:#?}");
        }
        assert!(!m.text.contains("quorum is lost") && !m.text.contains("lost quorum"), "{m:#?}");
    }
    for accused in ["EtcdQuorumLost", "EtcdMemberDown", "ApiServerDown", "ControlPlaneHostDown"] {
        assert!(told.iter().all(|m| m.alert != accused), "{told:#?}");
    }
    watch.act(&["mend"]);
    over(&watch);
    watch.wait_until_all_up();
    watch.stop();
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn with_the_way_to_two_of_three_hosts_cut_there_is_no_outage_of_etcd() {
    only_the_path(&[&["blind", "cp1"], &["blind", "cp2"]], &["10.99.0.1", "10.99.0.2"]);
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn answers_that_are_lost_on_the_way_are_the_way() {
    only_the_path(&[&["mute", "cp2"]], &["10.99.0.2"]);
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn three_percent_of_loss_tell_nothing() {
    let lab = Lab::take();
    let mut watch = Watch::as_delivered(&lab);
    watch.act(&["lossy", "3"]);
    sleep(lossy_for());
    let told = watch.told();
    assert!(told.is_empty(), "{told:#?}");
    watch.act(&["mend"]);
    watch.wait_until_all_up();
    watch.stop();
}
