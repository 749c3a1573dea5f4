//! What becomes checks, or says where they are made: ingress controllers, and the hosts that are served.

use super::*;
use crate::model::IngressPort;

fn service(namespace: &str, name: &str, policy: &str, node_port: u16) -> Value {
    json!({"metadata": {"namespace": namespace, "name": name}, "spec": {"type": "NodePort", "externalTrafficPolicy": policy,
        "ports": [{"name": "https", "port": 443, "nodePort": node_port}]}})
}

#[tokio::test]
async fn where_ingress_controllers_serve_is_found_by_their_services() {
    let mut world = World::new(Api::new(&["a", "b"], &["10.0.0.1"])).await;
    let none = world.read(Scope::Full).await;
    assert!(none.notes().is_empty() && none.ingress_ports.is_empty(), "an API without Services: {:?}", none.notes());
    // Asked for again at once.
    let again = |world: &mut World| world.snapshot.extras_at = None;
    world.change(|api| api.instead = vec![("/api/v1/services", json!({"items": []}))]);
    again(&mut world);
    let notes = world.read(Scope::Full).await.notes().join("\n");
    assert!(notes.contains("no Service of an ingress controller that is known has a NodePort"), "{notes}");
    let items = [service("ingress", "public", "Cluster", 30443), service("ingress", "local", "Local", 31443)];
    let slices =
        json!({"items": [{"endpoints": [{"nodeName": "b"}, {"nodeName": "a", "conditions": {"ready": false}}]}]});
    world.change(|api| {
        let path = "/apis/discovery.k8s.io/v1/namespaces/ingress/endpointslices";
        api.instead = vec![("/api/v1/services", json!({"items": items})), (path, slices)];
    });
    again(&mut world);
    let found = world.read(Scope::Full).await;
    assert_eq!(found.notes(), Vec::<String>::new());
    let port =
        |service: &str, node_port, nodes| IngressPort { service: service.to_owned(), tls: true, node_port, nodes };
    let known = vec![port("ingress/local", 31443, Some(vec!["b".to_owned()])), port("ingress/public", 30443, None)];
    assert_eq!(found.ingress_ports, known);
    // A refusal is said, and takes nothing away.
    world.change(|api| api.failing = vec![("/api/v1/services", 403)]);
    again(&mut world);
    let refused = world.read(Scope::Full).await;
    assert!(
        refused.notes()[0].contains("Services of ingress controllers can't be read: HTTP 403"),
        "{:?}",
        refused.notes()
    );
    assert_eq!((&refused.error, &refused.ingress_ports), (&None, &known));
    let nothing = Asked { ingress_ports: false, ..asked(&LEADS) };
    again(&mut world);
    let off = read(&world.dialer, &world.snapshot, Scope::Full, nothing, &Clock::system()).await;
    assert!(off.ingress_ports.is_empty() && off.notes().is_empty());
}

#[tokio::test]
async fn sites_that_may_not_be_read_are_said_and_the_others_are_read() {
    let (config, mut world) = (DiscoverConfig::default(), World::new(Api::new(&["a"], &["10.0.0.1"])).await);
    let wanted = Asked { sites: Some(&config), ..asked(&LEADS) };
    let ingress =
        |host: &str| json!({"metadata": {"namespace": "n", "name": host}, "spec": {"rules": [{"host": host}]}});
    const INGRESSES: &str = "/apis/networking.k8s.io/v1/ingresses";
    const GATEWAYS: &str = "/apis/gateway.networking.k8s.io";
    let mut again = async |change: &dyn Fn(&mut Api)| {
        world.change(|api| change(api));
        world.snapshot.extras_at = None;
        world.snapshot = read(&world.dialer, &world.snapshot, Scope::Full, wanted, &Clock::system()).await;
        let hosts: Vec<String> = world.snapshot.sites.iter().map(|s| s.host.clone()).collect();
        (hosts.join(" "), world.snapshot.notes().join("; "), world.snapshot.error.clone())
    };
    let both = json!({"items": [ingress("b.test"), ingress("a.test"), ingress("a.test")]});
    let read = again(&|api| api.instead = vec![(INGRESSES, both.clone())]).await;
    assert_eq!(read, ("a.test b.test".into(), String::new(), None), "a cluster without the Gateway API");
    let (hosts, notes, error) = again(&|api| api.failing = vec![(INGRESSES, 403), (GATEWAYS, 403)]).await;
    assert!(
        notes.contains("hosts of Ingresses can't be read: HTTP 403") && notes.contains("hosts of HTTPRoutes"),
        "{notes}"
    );
    assert_eq!((hosts.as_str(), error), ("a.test b.test", None), "what is known stays");
    let one = json!({"items": [ingress("b.test")]});
    let (hosts, notes, _) = again(&|api| {
        (api.failing, api.instead) = (vec![(GATEWAYS, 403)], vec![(INGRESSES, one.clone())]);
    })
    .await;
    assert_eq!((hosts.as_str(), notes.contains("Ingresses")), ("b.test", false));
}
