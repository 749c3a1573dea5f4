//! The leases by which API servers say that they live.

use super::*;

const PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";

/// The lease of the API server on `cp-1`, renewed at a second of 11:59.
fn lease(id: &str, second: u8) -> Value {
    json!({
        "metadata": {"name": format!("apiserver-{id}"), "labels": {"kubernetes.io/hostname": "cp-1"}},
        "spec": {"holderIdentity": format!("apiserver-{id}_7"), "renewTime": format!("2026-11-23T11:59:{second:02}Z")}
    })
}

#[tokio::test]
async fn an_api_servers_lease_is_seen_to_be_renewed() {
    let mut world = World::new(Api::new(&["a"], &["10.0.0.1"])).await;
    assert_eq!(world.read(Scope::Full).await.notes(), Vec::<String>::new(), "older ones have none");

    // Before 1.27 each start leaves one behind.
    let hold = |world: &World, second: u8| {
        let items = json!({"items": [lease("old", 10), lease("new", second)]});
        world.change(|api| api.instead = vec![(PATH, items)]);
    };
    hold(&world, 40);
    let first = world.read(Scope::Leases).await.server_leases.clone();
    assert_eq!(first.len(), 1);
    assert!(first[0].host == "cp-1" && !first[0].sight.has_moved(), "{first:?}");
    hold(&world, 50);
    assert!(world.read(Scope::Leases).await.server_leases[0].sight.has_moved());
}

#[tokio::test]
async fn who_may_not_read_them_misses_a_witness_and_no_more() {
    let mut world = World::new(Api::new(&["a"], &["10.0.0.1"])).await;
    let item = json!({"items": [lease("x", 40)]});
    world.change(|api| api.instead = vec![(PATH, item)]);
    assert_eq!(world.read(Scope::Full).await.server_leases.len(), 1);
    world.change(|api| api.failing = vec![(PATH, 403)]);
    let snapshot = world.read(Scope::Leases).await;
    assert!(
        snapshot.notes().iter().any(|n| n.starts_with("API servers' leases can't be read")),
        "{:?}",
        snapshot.notes()
    );
    assert_eq!(snapshot.server_leases.len(), 1, "what was known stays, and grows old");
}
