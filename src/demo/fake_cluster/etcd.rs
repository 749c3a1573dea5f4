//! An etcd member 3.4: `/health` and the JSON gateway, behind mTLS.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    SIZE,
    exchange::{Reply, Request},
    world::{Role, World},
};

/// What goes through raft fails after about this long without a leader.
const RAFT_TIMEOUT: Duration = Duration::from_secs(7);

const CLUSTER_ID: u64 = 12_654_407_464_858_025_104;
const MEMBER_IDS: [u64; SIZE] = [1_065_833_922_067_485_795, 180_636_768_041_460_399, 4_601_808_323_206_843_246];

/// The answer of member `i`.
pub async fn answer(world: &World, i: usize, request: &Request) -> Reply {
    match request.path.as_str() {
        "/health" if world.quorum() => Reply::text(200, r#"{"health":"true"}"#),
        "/health" => Reply::text(503, "{\"health\":\"false\"}\n"),
        "/version" => Reply::json(200, &json!({"etcdserver": "3.4.23", "etcdcluster": "3.4.0"})),
        "/v3/maintenance/status" => Reply::json(200, &status(world, i)),
        "/v3/maintenance/alarm" => alarm(world).await,
        "/v3/cluster/member/list" => Reply::json(200, &members(world, i)),
        _ => Reply::text(404, "404 page not found\n"),
    }
}

// The gateway writes 64-bit numbers as strings.
fn header(world: &World, i: usize) -> Value {
    json!({
        "cluster_id": CLUSTER_ID.to_string(),
        "member_id": MEMBER_IDS[i].to_string(),
        "revision": world.revision().to_string(),
        "raft_term": "2",
    })
}

fn status(world: &World, i: usize) -> Value {
    let index = (world.revision() + 1000).to_string();
    let mut status = json!({
        "header": header(world, i),
        "version": "3.4.23",
        "dbSize": "1232896",
        "dbSizeInUse": "741376",
        "raftIndex": index,
        "raftTerm": "2",
        "raftAppliedIndex": index,
    });
    match world.etcd_leader() {
        Some(leader) => status["leader"] = json!(MEMBER_IDS[leader].to_string()),
        None => status["errors"] = json!(["etcdserver: no leader"]),
    }
    status
}

async fn alarm(world: &World) -> Reply {
    if tokio::time::timeout(RAFT_TIMEOUT, world.quorum_is(true)).await.is_ok() {
        return Reply::json(200, &json!({}));
    }
    let error = "etcdserver: request timed out";
    Reply::json(503, &json!({"error": error, "message": error, "code": 14}))
}

fn members(world: &World, i: usize) -> Value {
    let member = |i: usize| {
        let address = world.address(Role::Etcd(i));
        json!({
            "ID": MEMBER_IDS[i].to_string(),
            "name": format!("etcd-{}", i + 1),
            "peerURLs": [format!("https://{}:2380", address.ip())],
            "clientURLs": [format!("https://{address}")],
        })
    };
    json!({"header": header(world, i), "members": (0..SIZE).map(member).collect::<Vec<_>>()})
}
