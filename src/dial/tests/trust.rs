//! Whom Go trusts: certificates that are themselves in the pool, no CA after its end, bundles with bad parts; and what our
//! TLS library lacks.

use super::*;

/// What becomes of a server with this certificate under a kubeconfig with this `certificate-authority`.
async fn meet(pair: &Pair, ca: &str) -> Exchange {
    let server = Server::start(Some(tls_config(pair, Clients::Ignored)), |_| ok("ok")).await;
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "ca.crt", ca);
    let config = kubeconfig(dir.path(), &server.url("https", "/"), "certificate-authority: ca.crt", "");
    let dialer = Dialer::load(config, Clock::system()).await.unwrap();
    get(&dialer, server.url("https", "/livez"), Trust::Cluster, Auth::Cluster).await
}

#[tokio::test]
async fn a_certificate_in_the_pool_is_trusted() {
    let (ca, names) = (Authority::new("ca"), ["127.0.0.1"]);
    let leaf = ca.issue("server", &names, 2090);
    assert!(meet(&leaf, &leaf.certificate).await.tls.unwrap().verified, "a leaf");
    for is_ca in [true, false] {
        let pair = self_signed(&names, is_ca, 2090);
        let exchange = meet(&pair, &pair.certificate).await;
        assert_eq!(status_of(&exchange), 200);
        let bundle = format!("{}{}", ca.certificate, pair.certificate);
        assert_eq!(status_of(&meet(&pair, &bundle).await), 200, "among others");
        failed(&meet(&pair, &ca.certificate).await, Reason::Tls, "not signed by the CA of the kubeconfig");
        let old = self_signed(&names, is_ca, 2020);
        failed(&meet(&old, &old.certificate).await, Reason::Tls, "expired on 2020-12-31 00:00 UTC");
        let elsewhere = self_signed(&["elsewhere.example.org"], is_ca, 2090);
        failed(&meet(&elsewhere, &elsewhere.certificate).await, Reason::Tls, "not for 127.0.0.1");
    }
}

#[tokio::test]
async fn only_a_ca_vouches_for_others() {
    use rcgen::{BasicConstraints::Unconstrained, IsCa, KeyUsagePurpose as Usage};
    let check = |is_ca: IsCa, usages: Vec<Usage>, trusted: bool| async move {
        let said = format!("{is_ca:?} {usages:?}");
        let (pinned, other) = (Authority::with("pinned", 4096, is_ca, usages), Authority::new("ca"));
        let server = pinned.issue("server", &["127.0.0.1"], 2090);
        for pool in [pinned.certificate.clone(), format!("{}{}", other.certificate, pinned.certificate)] {
            let exchange = meet(&server, &pool).await;
            if trusted {
                assert_eq!((status_of(&exchange), exchange.tls.unwrap().verified), (200, true), "{said}");
            } else {
                failed(&exchange, Reason::Tls, "is not signed by the CA of the kubeconfig");
            }
        }
    };
    check(IsCa::NoCa, Vec::new(), false).await;
    check(IsCa::ExplicitNoCa, Vec::new(), false).await;
    check(IsCa::NoCa, vec![Usage::KeyCertSign], false).await;
    check(IsCa::Ca(Unconstrained), vec![Usage::DigitalSignature], false).await;
    check(IsCa::Ca(Unconstrained), vec![Usage::DigitalSignature, Usage::KeyCertSign], true).await;
    check(IsCa::Ca(Unconstrained), Vec::new(), true).await;
}

#[tokio::test]
async fn a_bundle_may_be_long() {
    let (ca, ended) = (Authority::new("ca"), Authority::until("old-ca", 2020));
    let many = Authority::new("another").certificate.repeat(140);
    let leaf = ca.issue("server", &["127.0.0.1"], 2090);
    let exchange = meet(&leaf, &format!("{many}{}", ca.certificate)).await;
    assert_eq!(status_of(&exchange), 200);
    assert_eq!(exchange.tls.unwrap().anchor.unwrap().subject, "CN=ca");
    assert_eq!(status_of(&meet(&leaf, &format!("{many}{}", leaf.certificate)).await), 200, "pinned");
    let old = ended.issue("server", &["127.0.0.1"], 2090);
    let exchange = meet(&old, &format!("{many}{}", ended.certificate)).await;
    failed(&exchange, Reason::Tls, "(CN=old-ca), which expired on 2020-12-31");
}

#[tokio::test]
async fn a_ca_that_ended_vouches_for_nobody() {
    let ended = Authority::until("old-ca", 2020);
    let leaf = ended.issue("server", &["127.0.0.1"], 2090);
    let exchange = meet(&leaf, &ended.certificate).await;
    failed(&exchange, Reason::Tls, "signed by the CA of the kubeconfig (CN=old-ca), which expired on 2020-12-31");
    let tls = exchange.tls.unwrap();
    let anchor = tls.anchor.unwrap();
    assert_eq!((tls.verified, anchor.source.as_str(), anchor.subject.as_str()), (false, "ca", "CN=old-ca"));

    // One that ended beside one in force, as while a CA is rotated, harms nobody.
    let new = Authority::new("new-ca");
    let bundle = format!("{}{}", ended.certificate, new.certificate);
    let exchange = meet(&new.issue("server", &["127.0.0.1"], 2090), &bundle).await;
    assert_eq!(status_of(&exchange), 200);
    assert_eq!(exchange.tls.unwrap().anchor.unwrap().subject, "CN=new-ca");
    failed(&meet(&leaf, &bundle).await, Reason::Tls, "(CN=old-ca), which expired on");

    // A new certificate for an old name: the one that lasts longest counts.
    let again = Authority::new("old-ca");
    let bundle = format!("{}{}", ended.certificate, again.certificate);
    let exchange = meet(&again.issue("server", &["127.0.0.1"], 2090), &bundle).await;
    assert_eq!(exchange.tls.unwrap().anchor.unwrap().not_after.to_string(), "4096-12-31T00:00:00Z");
}

#[tokio::test]
async fn a_bundle_may_hold_bad_parts_and_be_empty() {
    let ca = Authority::new("ca");
    let leaf = ca.issue("server", &["127.0.0.1"], 2090);
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(status_of(&meet(&leaf, &format!("{bad}{}{bad}", ca.certificate)).await), 200);

    let load = |cluster: String| async move {
        let dir = tempfile::tempdir().unwrap();
        let url = Url::parse("https://127.0.0.1:1").unwrap();
        Dialer::load(kubeconfig(dir.path(), &url, &cluster, ""), Clock::system()).await.map_err(|e| e.message)
    };
    assert!(load("certificate-authority-data: \"\"".to_owned()).await.unwrap().authorities().is_empty());
    assert!(load("certificate-authority-data: bm9uZQ==".to_owned()).await.unwrap_err().contains("no certificate that"));
    assert!(load("certificate-authority-data: \"!\"".to_owned()).await.unwrap_err().contains("is not Base64"));
}

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dial/tests/fixtures").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn pair(certificate: &str, key: &str) -> Pair {
    Pair { certificate: fixture(certificate), key: fixture(key) }
}

/// The fixtures were made with OpenSSL.
#[tokio::test]
async fn every_curve_goes_with_every_hash() {
    for curve in ["p256", "p384", "p521"] {
        for hash in ["sha256", "sha384", "sha512"] {
            let leaf = pair(&format!("{curve}-{hash}-leaf.pem"), "leaf.key");
            let fine = meet(&leaf, &fixture(&format!("{curve}-{hash}-ca.pem"))).await;
            assert!(status_of(&fine) == 200 && fine.tls.unwrap().verified, "{curve} {hash}");
            // The same name, another key.
            let other = if curve == "p256" { "p384" } else { "p256" };
            let foreign = meet(&leaf, &fixture(&format!("{other}-{hash}-ca.pem"))).await;
            failed(&foreign, Reason::Tls, "is not signed by the CA of the kubeconfig");
        }
    }
}

#[tokio::test]
async fn p_521_serves_and_signs() {
    let server = pair("p521.pem", "p521.key");
    let ca = fixture("p384-sha384-ca.pem");
    assert_eq!(status_of(&meet(&server, &ca).await), 200);

    let mut authority = Authority::new("p384-ca");
    authority.certificate = ca;
    let world = World::new(&["127.0.0.1"]).await;
    let strict = tls_config(&world.ca.issue("kube-apiserver", &["127.0.0.1"], 2090), Clients::Required(&authority));
    let strict = Server::start(Some(strict), |_| ok("ok")).await;
    write(world.path(), "c.crt", &server.certificate);
    for key in ["p521.key", "p521-sec1.key"] {
        write(world.path(), "c.key", &fixture(key));
        let dialer = world.dialer("", "client-certificate: c.crt, client-key: c.key").await;
        // Its certificate is for servers too; the test's server does not mind.
        let exchange = get(&dialer, strict.url("https", "/livez"), Trust::Cluster, Auth::Cluster).await;
        assert_eq!(status_of(&exchange), 200, "{key}");
    }
    assert!(strict.seen().iter().all(|s| s.client_certificate));
}

#[tokio::test]
async fn what_our_tls_lacks_is_said_as_ours() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "c.crt", &fixture("rsa1024.pem"));
    write(dir.path(), "c.key", &fixture("rsa1024.key"));
    let url = Url::parse("https://127.0.0.1:1").unwrap();
    let config = kubeconfig(dir.path(), &url, "", "client-certificate: c.crt, client-key: c.key");
    let error = Dialer::load(config, Clock::system()).await.unwrap_err().message;
    assert!(error.contains("dogwatch's TLS library does not know RSA keys of 1024 bits"), "{error}");
}

#[tokio::test]
async fn base64_may_be_wrapped() {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let world = World::new(&["127.0.0.1"]).await;
    let client = world.ca.issue("dogwatch", &[], 2090);
    let wrapped = |text: &str| {
        let flat = BASE64_STANDARD.encode(text);
        flat.as_bytes().chunks(76).map(|l| format!("        {}\n", String::from_utf8_lossy(l))).collect::<String>()
    };
    let text = format!(
        "clusters:\n- name: c\n  cluster:\n    server: {}\n    certificate-authority-data: |\n{}\
         users:\n- name: u\n  user:\n    client-certificate-data: |\n{}    client-key-data: >-\n{}\
         contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\ncurrent-context: x\n",
        world.server.url("https", ""),
        wrapped(&world.ca.certificate),
        wrapped(&client.certificate),
        wrapped(&client.key),
    );
    let kubeconfig = Some(write(world.path(), "wrapped", &text));
    let dialer = Dialer::load(DialConfig { kubeconfig, ..DialConfig::default() }, Clock::system()).await.unwrap();
    assert_eq!(status_of(&world.livez(&dialer, Trust::Cluster).await), 200);
    assert!(world.server.seen()[0].client_certificate);
}

#[tokio::test]
async fn a_client_certificate_that_ended_is_ours() {
    let world = World::new(&["127.0.0.1"]).await;
    let client = world.ca.issue("dogwatch", &[], 2020);
    write(world.path(), "c.crt", &client.certificate);
    write(world.path(), "c.key", &client.key);
    let strict = tls_config(&world.ca.issue("kube-apiserver", &["127.0.0.1"], 2090), Clients::Required(&world.ca));
    let strict = Server::start(Some(strict), |_| ok("ok")).await;
    let dialer = world.dialer("", "client-certificate: c.crt, client-key: c.key").await;
    let refused = get(&dialer, strict.url("https", "/livez"), Trust::Cluster, Auth::Cluster).await;
    failed(&refused, Reason::Auth, "refuses our client certificate: it expired on 2020-12-31");
}
