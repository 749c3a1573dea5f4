//! Servers that send what no server sends: the probe ends in words, at once or at its deadline, and holds little meanwhile.

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::*;
use crate::dial::algorithms::provider;

/// What becomes of a server whose certificate is followed by so many others.
async fn meet_chain(others: usize) -> Exchange {
    let ca = Authority::new("ca");
    let leaf = ca.issue("server", &["127.0.0.1"], 2090);
    let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let other = der(&Authority::new("another").certificate);
    let mut chain = vec![der(&leaf.certificate)];
    chain.extend(std::iter::repeat_n(other, others));
    let tls = rustls::ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
    let tls = tls.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let server = Server::start(Some(tls), |_| ok("ok")).await;
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "ca.crt", &ca.certificate);
    let config = kubeconfig(dir.path(), &server.url("https", "/"), "certificate-authority: ca.crt", "");
    let dialer = Dialer::load(config, Clock::system()).await.unwrap();
    get(&dialer, server.url("https", "/livez"), Trust::Cluster, Auth::Cluster).await
}

#[tokio::test]
async fn a_long_chain_is_kept_in_part_and_one_without_end_refused() {
    let long = meet_chain(100).await;
    assert_eq!((status_of(&long), long.tls.unwrap().chain.len()), (200, 10));
    // A handshake message has 64 KiB at the most.
    let endless = meet_chain(3_000).await;
    let failure = endless.outcome.unwrap_err();
    assert_eq!(failure.reason, Reason::Tls, "{}", failure.message);
}

/// What becomes of a server that says this to everybody, as long as somebody listens.
async fn meet_noise(noise: &'static [u8], scheme: &str) -> Exchange {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url: url::Url = format!("{scheme}://{}/livez", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move { while stream.write_all(noise).await.is_ok() {} });
        }
    });
    let world = World::new(&["127.0.0.1"]).await;
    let dialer = world.dialer("", "").await;
    let ask = Ask::get(url, Trust::Cluster, Auth::None);
    dialer.exchange(ask, Instant::now() + Duration::from_secs(5)).await
}

#[tokio::test]
async fn noise_is_told_as_such() {
    let tls = [
        &b"\x00\xff\x17\x92\x81garbage"[..],
        b"SSH-2.0-OpenSSH_9.2\r\n",
        // Records of TLS with nothing sensible in them: a handshake, an alert, data before all handshakes.
        b"\x16\x03\x03\x40\x00",
        b"\x15\x03\x03\x00\x02\x01\x00",
        b"\x17\x03\x03\x00\x01\x00",
    ];
    for noise in tls {
        let exchange = meet_noise(noise, "https").await;
        let failure = exchange.outcome.unwrap_err();
        assert!(!failure.message.is_empty() && failure.ours.is_none(), "{noise:?}: {failure:?}");
        assert!(exchange.trace.len() <= crate::model::Observation::TRACE_MAX);
    }
    for noise in [&b"\x00\xff\x17\x92\x81garbage"[..], b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: y\r\n"]
    {
        let failure = meet_noise(noise, "http").await.outcome.unwrap_err();
        assert!(!failure.message.is_empty() && failure.ours.is_none(), "{noise:?}: {failure:?}");
    }
}
