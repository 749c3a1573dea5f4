use proptest::prelude::*;

use super::*;
use crate::model::EtcdVia;

/// Lines of 3.4.23's and 3.5.16's real page.
const PAGE: &str = "\
# HELP etcd_server_has_leader Whether or not a leader exists. 1 is existence, 0 is not.
# TYPE etcd_server_has_leader gauge
etcd_server_has_leader 1
etcd_server_id{server_id=\"cc4ac920d46ff089\"} 1
etcd_server_is_leader 0
etcd_mvcc_db_total_size_in_bytes 1.232896e+06
etcd_mvcc_db_total_size_in_use_in_bytes 811008
etcd_server_proposals_applied_total 10199
etcd_server_proposals_committed_total 10200
etcd_server_quota_backend_bytes 2.147483648e+09
etcd_server_version{server_version=\"3.4.23\"} 1
etcd_network_peer_received_bytes_total{From=\"0\"} 300
etcd_network_peer_received_bytes_total{From=\"fefcbaf1c2d9e2ee\"} 4.1e+06
etcd_network_peer_received_bytes_total{From=\"none\"} 4
etcd_network_peer_sent_bytes_total{To=\"fefcbaf1c2d9e2ee\"} 4.6e+06
go_goroutines 120
";

fn read(body: &[u8]) -> EtcdFacts {
    let mut facts = EtcdFacts::new(EtcdVia::Metrics);
    all(body, &mut facts);
    facts
}

#[test]
fn what_the_metrics_port_tells() {
    let facts = read(PAGE.as_bytes());
    assert_eq!((facts.has_leader, facts.is_leader), (Some(true), Some(false)));
    assert_eq!((facts.member_id, facts.version.as_deref()), (Some(0xcc4a_c920_d46f_f089), Some("3.4.23")));
    assert_eq!(
        (facts.db_size, facts.db_size_in_use, facts.db_quota),
        (Some(1_232_896), Some(811_008), Some(2_147_483_648))
    );
    assert_eq!((facts.raft_index, facts.raft_applied_index, facts.raft_term), (Some(10_200), Some(10_199), None));
    let heard: Vec<_> = facts.peers.iter().map(|p| (p.id, p.received)).collect();
    assert_eq!(heard, [(0xfefc_baf1_c2d9_e2ee, 4_100_000)]);
}

#[test]
fn the_quota_that_the_status_told_stays() {
    let mut facts = EtcdFacts::new(EtcdVia::Client);
    beside_status(PAGE.as_bytes(), &mut facts);
    assert_eq!((facts.db_quota, facts.has_leader), (Some(2_147_483_648), None));
    facts.db_quota = Some(5);
    beside_status(PAGE.as_bytes(), &mut facts);
    assert_eq!(facts.db_quota, Some(5));
}

#[test]
fn values_that_are_none_are_left_out() {
    for value in ["NaN", "-1", "+Inf", "1e300", "many", ""] {
        let facts = read(format!("etcd_server_quota_backend_bytes {value}\n").as_bytes());
        assert_eq!(facts.db_quota, None, "{value}");
    }
}

#[test]
fn a_cut_page_keeps_its_whole_lines() {
    let mut body = PAGE.as_bytes()[..PAGE.find("etcd_server_is_leader").unwrap()].to_vec();
    body.push(0xc3);
    assert_eq!(read(&body).has_leader, Some(true));
}

proptest! {
    #[test]
    fn any_bytes_are_read(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        read(&body);
    }

    #[test]
    fn any_line_is_read(line in r#"etcd_server_(id|version|has_leader|quota_backend_bytes)[{}"a-zé0-9 =.+-]{0,30}"#) {
        read(line.as_bytes());
    }
}
