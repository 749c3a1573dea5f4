//! etcd loses a member, and loses quorum.

use std::{thread::sleep, time::Duration};

use crate::{
    cluster::Lab,
    outage::{Outage, QUIET, end},
    watch::{QUICK, Watch, eventually},
};

/// By then leaders that could not renew their leases have exited, and API servers fail on etcd.
const CONSEQUENCES: Duration = Duration::from_secs(25);
/// The database is full after some 65 writes of 1 MB, each through raft to three disks.
const FILLED_WITHIN: Duration = Duration::from_secs(40);
/// Rules about the size of the database, about slow requests and failing writes have seen it by then.
const FULL_FOR: Duration = Duration::from_secs(50);
/// A watchdog that was started again has probed everything it remembers.
const REMEMBERED_WITHIN: Duration = Duration::from_secs(30);

const QUORUM_LOST: Outage<'static> = Outage {
    acts: &[&["kill", "etcd-2"], &["kill", "etcd-3"]],
    alert: "EtcdQuorumLost",
    says: &["etcd has lost quorum: 2 of 3 members down"],
    within: QUICK,
    lasts: CONSEQUENCES,
    shows: &[
        ("dogwatch_target_state", &[("job", "etcd"), ("instance", "10.99.0.2:2379"), ("state", "down")], 1.0),
        ("dogwatch_target_state", &[("job", "etcd"), ("instance", "10.99.0.3:2379"), ("state", "down")], 1.0),
        ("probe_failure_info", &[("job", "etcd"), ("instance", "10.99.0.3:2379"), ("reason", "refused")], 1.0),
        ("dogwatch_etcd_has_leader", &[("instance", "10.99.0.1:2379")], 0.0),
        ("dogwatch_etcd_members", &[("cluster", "lab")], 3.0),
        ("dogwatch_etcd_quorum_margin", &[("cluster", "lab")], -1.0),
        ("dogwatch_vantage_ok", &[], 1.0),
    ],
};

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn one_lost_member_leaves_no_margin() {
    let lab = Lab::take();
    Outage {
        acts: &[&["kill", "etcd-2"]],
        alert: "EtcdMemberDown",
        says: &["etcd member m2", "is down", "quorum is kept by 2 of 3, margin 0"],
        within: QUICK,
        lasts: QUIET,
        shows: &[
            ("dogwatch_target_state", &[("job", "etcd"), ("instance", "10.99.0.2:2379"), ("state", "down")], 1.0),
            ("dogwatch_target_state", &[("job", "etcd"), ("instance", "10.99.0.1:2379"), ("state", "up")], 1.0),
            ("dogwatch_etcd_members_healthy", &[("cluster", "lab")], 2.0),
            ("dogwatch_etcd_quorum_margin", &[("cluster", "lab")], 0.0),
        ],
    }
    .play(&lab);
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn lost_quorum_is_one_incident_with_all_that_comes_of_it() {
    QUORUM_LOST.play(&Lab::take_to_burn());
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn a_full_database_is_one_incident_with_all_that_comes_of_it() {
    Outage {
        acts: &[&["fill"]],
        alert: "EtcdAlarm",
        says: &["NOSPACE"],
        within: FILLED_WITHIN.saturating_add(QUICK),
        lasts: FULL_FOR,
        shows: &[
            ("dogwatch_etcd_members", &[("cluster", "lab")], 3.0),
            ("dogwatch_etcd_quorum_margin", &[("cluster", "lab")], 1.0),
            ("dogwatch_vantage_ok", &[], 1.0),
        ],
    }
    .play_with_aftermath(&Lab::take());
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn a_watchdog_restarted_in_the_outage_goes_on_where_it_was() {
    let lab = Lab::take_to_burn();
    let mut watch = Watch::seeing_all(&lab);
    QUORUM_LOST.begin(&mut watch);
    watch.crash_and_restart();
    // The API server can't be asked: what is probed now was remembered.
    eventually(REMEMBERED_WITHIN, "kubelets and etcd members probed by a watchdog that was started again", || {
        let known = watch.count("kubelet", "up") == 2 && watch.count("etcd", "down") >= 2;
        known.then_some(())
    });
    sleep(CONSEQUENCES);
    let told = watch.told();
    assert_eq!(told.len(), 2, "the open incident is not told anew: {told:#?}");
    end(watch);
}
