//! What is on our own side: proxies, names, and servers that speak what we don't. No server is accused for it.

use super::*;
use crate::model::Ours;

/// A SOCKS 5 proxy without authentication, for IPv4 addresses.
async fn socks5() -> std::net::SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (mut hello, mut request) = ([0; 3], [0; 10]);
            client.read_exact(&mut hello).await.unwrap();
            client.write_all(&[5, 0]).await.unwrap();
            client.read_exact(&mut request).await.unwrap();
            let [5, 1, 0, 1, a, b, c, d, high, low] = request else { panic!("{request:?}") };
            let target = (Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low]));
            let mut server = TcpStream::connect(target).await.unwrap();
            client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
        }
    });
    address
}

/// A proxy that answers CONNECT to these ports so, and opens a way to all others.
async fn proxy(refused: &'static [u8], ports: Vec<u16>) -> std::net::SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let ports = ports.clone();
            tokio::spawn(async move {
                let mut buffer = [0; 1024];
                let n = client.read(&mut buffer).await.unwrap();
                let request = String::from_utf8_lossy(&buffer[..n]).into_owned();
                let target = request.strip_prefix("CONNECT ").and_then(|r| r.split(' ').next()).unwrap();
                if ports.iter().any(|p| target.ends_with(&format!(":{p}"))) {
                    return client.write_all(refused).await.unwrap();
                }
                let mut server = TcpStream::connect(target).await.unwrap();
                client.write_all(b"HTTP/1.1 200 OK\r\nVia: us\r\n\r\n").await.unwrap();
                _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}

#[track_caller]
fn failed_at(exchange: &Exchange, ours: &Ours, words: &str) {
    failed(exchange, Reason::Local, words);
    assert_eq!(exchange.outcome.as_ref().unwrap_err().ours.as_ref(), Some(ours));
}

#[tokio::test]
async fn a_proxy_opens_the_way() {
    let world = World::new(&["127.0.0.1"]).await;
    let open = proxy(b"", Vec::new()).await;
    let through = world.livez(&world.dialer(&format!("proxy-url: \"http://{open}\""), "").await, Trust::Cluster).await;
    assert_eq!((status_of(&through), through.tls.unwrap().verified), (200, true));
    assert!(through.trace[0].text.contains(&open.to_string()));

    let socks = socks5().await;
    let through =
        world.livez(&world.dialer(&format!("proxy-url: \"socks5://{socks}\""), "").await, Trust::Cluster).await;
    assert_eq!((status_of(&through), through.tls.unwrap().verified), (200, true));
}

#[tokio::test]
async fn a_proxy_that_is_down_or_does_not_want_us_is_ours() {
    let world = World::new(&["127.0.0.1"]).await;
    let gone = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    for scheme in ["http", "https", "socks5"] {
        let dialer = world.dialer(&format!("proxy-url: \"{scheme}://{gone}\""), "").await;
        let words = format!("the proxy {gone} that we use can't be reached: connection refused");
        failed_at(&world.livez(&dialer, Trust::Cluster).await, &Ours::Proxy(gone.to_string()), &words);
    }
    let port = world.server.address.port();
    let answers: [(&[u8], &str); 6] = [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "wants other credentials of us (HTTP/1.1 407"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "does not let us connect to"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "opens no way to"),
        (b"HTTP/1.0 503 Service Unavailable\r\nX: y\r\n\r\n<html>", "503 Service Unavailable"),
        (b"nonsense\r\n\r\n", "opens no way to"),
        (b"", "it closed the connection"),
    ];
    for (answer, words) in answers {
        let closed = proxy(answer, vec![port]).await;
        let dialer = world.dialer(&format!("proxy-url: \"http://{closed}\""), "").await;
        failed_at(&world.livez(&dialer, Trust::Cluster).await, &Ours::Proxy(closed.to_string()), words);
    }
}

#[tokio::test]
async fn where_a_proxy_opens_ways_to_others_the_target_is_at_fault() {
    let (world, other) = (World::new(&["127.0.0.1"]).await, World::new(&["127.0.0.1"]).await);
    let port = world.server.address.port();
    let proxy = proxy(b"HTTP/1.1 503 Service Unavailable\r\n\r\n", vec![port]).await;
    let through = format!("proxy-url: \"http://{proxy}\"");
    let (dialer, others) = (world.dialer(&through, "").await, other.dialer(&through, "").await);
    failed_at(&world.livez(&dialer, Trust::Cluster).await, &Ours::Proxy(proxy.to_string()), "opens no way to");
    assert_eq!(status_of(&other.livez(&others, Trust::Cluster).await), 200);
    failed(&world.livez(&dialer, Trust::Cluster).await, Reason::Unreachable, "503 Service Unavailable");
}

#[tokio::test]
async fn http_2_alone_is_told_as_such() {
    let world = World::new(&["127.0.0.1"]).await;
    let pair = world.ca.issue("grpc", &["127.0.0.1"], 2090);
    let mut tls = tls_config(&pair, Clients::Welcome(&world.ca));
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(tls));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = Url::parse(&format!("https://{}/livez", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            // SETTINGS, as every server of HTTP/2 begins; what it then reads is no preface, so it hangs up.
            _ = stream.write_all(&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100]).await;
            _ = stream.read(&mut [0; 1024]).await;
        }
    });
    let dialer = world.dialer("", "token: t").await;
    for _ in 0..5 {
        failed(&get(&dialer, url.clone(), Trust::Cluster, Auth::Cluster).await, Reason::Foreign, "speaks HTTP/2 only");
    }
}

#[tokio::test]
async fn a_server_that_dies_is_not_said_to_refuse_our_token() {
    let world = World::new(&["127.0.0.1"]).await;
    let tls = tls_config(&world.ca.issue("kube-apiserver", &["127.0.0.1"], 2090), Clients::Welcome(&world.ca));
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(tls));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = Url::parse(&format!("https://{}/livez", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            _ = stream.read(&mut [0; 1024]).await;
        }
    });
    let dies = |user: &'static str| {
        let (world, url) = (&world, url.clone());
        async move { get(&world.dialer("", user).await, url, Trust::Cluster, Auth::Cluster).await }
    };
    failed(&dies("token: t").await, Reason::Refused, "closed it without an answer");
    failed(&dies("").await, Reason::Auth, "asked for a client certificate, which there is none for");
}
