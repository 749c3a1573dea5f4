use serde_json::json;

use super::*;

fn told(sites: &[Site]) -> Vec<String> {
    sites.iter().map(|s| format!("{}{}:{}", if s.tls { "https://" } else { "http://" }, s.host, s.port)).collect()
}

#[test]
fn an_ingress_with_a_certificate_is_asked_with_tls() {
    let of = |spec: serde_json::Value| {
        told(&of_ingress(
            serde_json::from_value(json!({"metadata": {"namespace": "a", "name": "b"}, "spec": spec})).unwrap(),
        ))
    };
    let rules = json!([{"host": "Shop.example.org"}, {"host": "a.blog.example.org"}, {"http": {}}]);
    assert_eq!(of(json!({"rules": rules})), ["http://shop.example.org:80", "http://a.blog.example.org:80"]);
    let some = of(json!({"rules": rules, "tls": [{"hosts": ["*.blog.example.org"]}]}));
    assert_eq!(some, ["http://shop.example.org:80", "https://a.blog.example.org:443"]);
    let all = of(json!({"rules": rules, "tls": [{"secretName": "wildcard"}]}));
    assert_eq!(all, ["https://shop.example.org:443", "https://a.blog.example.org:443"]);
    assert_eq!(of(json!(null)), Vec::<String>::new());
}

#[test]
fn a_route_is_asked_at_the_listeners_of_its_gateway() {
    let listener = |name: &str, protocol: &str, port: i64, hostname: &str| Listener {
        name: name.into(),
        protocol: protocol.into(),
        port,
        hostname: hostname.into(),
    };
    let all = vec![listener("plain", "HTTP", 80, ""), listener("tls", "HTTPS", 8443, "*.example.org")];
    let listeners: Listeners = [("infra/public".to_owned(), all)].into();
    let of = |spec: serde_json::Value| {
        let route = json!({"metadata": {"namespace": "shop", "name": "b"}, "spec": spec});
        told(&of_route(&serde_json::from_value(route).unwrap(), &listeners))
    };
    let parent = |section: &str| json!([{"namespace": "infra", "name": "public", "sectionName": section}]);
    let hosts = json!(["a.example.org", "b.test"]);
    let both = of(json!({"hostnames": hosts, "parentRefs": parent("")}));
    assert_eq!(both, ["https://a.example.org:8443", "http://b.test:80"]);
    assert_eq!(of(json!({"hostnames": ["a.example.org"], "parentRefs": parent("plain")})), ["http://a.example.org:80"]);
    assert_eq!(of(json!({"parentRefs": parent("tls")})), ["https://*.example.org:8443"], "left out later");
    assert_eq!(
        of(json!({"hostnames": hosts, "parentRefs": [{"name": "public"}]})),
        Vec::<String>::new(),
        "of its own namespace"
    );
}

#[test]
fn hosts_are_bounded_and_what_is_left_out_is_said() {
    let site = |host: &str, tls: bool| Site { host: host.into(), port: 80, tls, of: "Ingress a/b".into() };
    let mut all = vec![site("a.test", false), site("a.test", true), site("*.test", true), site("127.0.0.1", false)];
    all.push(site("x.preview.test", true));
    let config = DiscoverConfig { exclude: vec!["*.preview.test".into()], ..Default::default() };
    let found = chosen(Listed::of(all), &config, LocalHosts::default());
    assert_eq!(found.items, [site("a.test", true)]);
    let left: Vec<&str> = found.left_out.iter().map(|l| l.name.as_str()).collect();
    assert_eq!((left, found.left_out_count), (vec!["*.test", "127.0.0.1"], 2));
    let many = (0..HOSTS_MAX + 30).map(|i| site(&format!("h{i:03}.test"), true)).collect();
    let found = chosen(Listed::of(many), &config, LocalHosts::default());
    assert_eq!((found.items.len(), found.left_out_count, found.left_out.len()), (HOSTS_MAX, 30, LEFT_OUT_NAMED));
    assert!(found.left_out[0].why.contains("only 200 hosts of a cluster are asked"));
}
