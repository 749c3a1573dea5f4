//! Answers that send us on, let us wait, or come packed.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

fn moved(location: &str) -> http::Response<http_body_util::Full<bytes::Bytes>> {
    let mut answer = status(302, "");
    answer.headers_mut().insert(http::header::LOCATION, location.parse().unwrap());
    answer
}

/// A TLS server of the world's authority, with a dialer that has a token for it.
async fn world(
    answer: impl Fn(&Seen) -> http::Response<http_body_util::Full<bytes::Bytes>> + Send + Sync + 'static,
) -> (TempDir, Server, Dialer) {
    let ca = Authority::new("test-ca");
    let tls = tls_config(&ca.issue("kube-apiserver", &["127.0.0.1"], 2090), Clients::Ignored);
    let server = Server::start(Some(tls), answer).await;
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "ca.crt", &ca.certificate);
    // With a path, so that it is seen not to be put before where a redirect leads.
    let url = server.url("https", "/before");
    let config = kubeconfig(dir.path(), &url, "certificate-authority: ca.crt", "token: secret");
    let dialer = Dialer::load(config, Clock::system()).await.unwrap();
    (dir, server, dialer)
}

#[tokio::test]
async fn a_redirect_on_the_same_host_is_followed_with_our_credentials() {
    let (_dir, server, dialer) = world(|seen| match seen.path.as_str() {
        "/before/livez?verbose" => moved("/real/livez?verbose"),
        "/real/livez?verbose" => ok("ok"),
        _ => status(404, ""),
    })
    .await;
    let seen = get(&dialer, server.url("https", "/livez?verbose"), Trust::Cluster, Auth::Cluster).await;
    assert_eq!(status_of(&seen), 200, "{:?}", seen.trace);
    assert!(server.seen().iter().all(|s| s.authorization.as_deref() == Some("Bearer secret")));
    assert!(seen.trace.iter().any(|l| l.text.ends_with("/real/livez")), "{:?}", seen.trace);
}

#[tokio::test]
async fn a_redirect_elsewhere_is_told_and_never_followed() {
    let stranger = Server::start(None, |_| ok("ok")).await;
    let place = format!("http://localhost:{}/login?token=secret", stranger.address.port());
    let (_dir, server, dialer) = world(move |_| moved(&place)).await;
    let seen = get(&dialer, server.url("https", "/livez"), Trust::Cluster, Auth::Cluster).await;
    assert_eq!((status_of(&seen), stranger.connections()), (302, 0));
    let words = format!(
        "it sends us to http://localhost:{}/login, which is somebody else: not followed",
        stranger.address.port()
    );
    assert_eq!(seen.trace.last().unwrap().text, words);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_circle_of_redirects_ends() {
    let (_dir, server, dialer) = world(|_| moved("/round")).await;
    let seen = get(&dialer, server.url("https", "/livez"), Trust::Cluster, Auth::Cluster).await;
    assert_eq!((status_of(&seen), server.seen().len()), (302, 11));
}

#[tokio::test]
async fn a_server_that_throttles_is_asked_again_when_it_says() {
    let times = AtomicUsize::new(0);
    let throttles = move |until: usize| {
        let mut answer = status(429, "Too many requests");
        answer.headers_mut().insert(http::header::RETRY_AFTER, "0".parse().unwrap());
        if times.fetch_add(1, Ordering::SeqCst) < until { answer } else { ok("ok") }
    };
    let (_dir, server, dialer) = world(move |_| throttles(2)).await;
    let seen = get(&dialer, server.url("https", "/livez"), Trust::Cluster, Auth::Cluster).await;
    assert_eq!((status_of(&seen), server.seen().len()), (200, 3));
    assert!(seen.duration >= Duration::from_millis(500), "{:?}", seen.duration);

    // Not where it says to come after the deadline: then this is the answer.
    let (_dir, server, dialer) = world(|_| {
        let mut answer = status(429, "Too many requests");
        answer.headers_mut().insert(http::header::RETRY_AFTER, "5".parse().unwrap());
        answer
    })
    .await;
    let soon = Instant::now() + Duration::from_secs(4);
    let ask = Ask::get(server.url("https", "/livez"), Trust::Cluster, Auth::Cluster);
    assert_eq!((status_of(&dialer.exchange(ask, soon).await), server.seen().len()), (429, 1));
}

#[tokio::test]
async fn what_comes_packed_unasked_is_unpacked() {
    let (_dir, server, dialer) = world(|_| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packer, b"[+]ping ok\n").unwrap();
        let mut answer = ok(packer.finish().unwrap());
        answer.headers_mut().insert(http::header::CONTENT_ENCODING, "gzip".parse().unwrap());
        answer
    })
    .await;
    let seen = get(&dialer, server.url("https", "/livez"), Trust::Cluster, Auth::Cluster).await;
    assert_eq!(seen.outcome.unwrap().body, "[+]ping ok\n");
}
