//! Probers against servers of a script: what each protocol says before TLS, and the options that are hard to reach otherwise.

mod hostile;

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc, time::Duration};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::{config::CheckConfig, *};
use crate::dial::testing::{Authority, Clients, Server, ok, tls_config};

/// A step of a server: what it says, or what it waits for.
#[derive(Clone, Copy)]
enum Step {
    Says(&'static [u8]),
    Hears(&'static [u8]),
    /// The handshake, then `hello`.
    Tls,
}

/// A server that plays a script on its first connection. Gives its port.
async fn server(script: &'static [Step], acceptor: TlsAcceptor) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for step in script {
            match step {
                Step::Says(bytes) => stream.write_all(bytes).await.unwrap(),
                Step::Hears(bytes) => {
                    let mut heard = vec![0; bytes.len()];
                    if stream.read_exact(&mut heard).await.is_err() {
                        return;
                    }
                    assert_eq!(heard, *bytes);
                }
                Step::Tls => {
                    if let Ok(mut secure) = acceptor.accept(stream).await {
                        let _ = secure.write_all(b"hello\n").await;
                        let _ = secure.flush().await;
                    }
                    return;
                }
            }
        }
        // What is left unread would reset the connection, and what was said with it.
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    port
}

async fn asked(check: serde_json::Value) -> Observation {
    let check: CheckConfig = serde_json::from_value(check).unwrap();
    let pace = (Duration::from_secs(10), Duration::from_secs(2));
    let target = check.target(0, &BTreeMap::new(), pace).unwrap();
    probe(&Arc::new(target), &check, None, &Clock::system()).await
}

#[tokio::test]
async fn each_protocol_is_asked_for_tls_in_its_words() {
    use Step::{Hears, Says, Tls};
    crate::dial::install_crypto();
    let authority = Authority::new("ca");
    let acceptor =
        TlsAcceptor::from(Arc::new(tls_config(&authority.issue("s", &["localhost"], 2090), Clients::Ignored)));
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.crt");
    std::fs::write(&ca, &authority.certificate).unwrap();
    let check = async |protocol: &str, script: &'static [Step], failure: Option<&str>| {
        let port = server(script, acceptor.clone()).await;
        let tcp = json!({"address": format!("localhost:{port}"), "starttls": protocol, "expect": "^hello",
            "tls_config": {"ca_file": &ca}});
        let seen = asked(json!({"name": "x", "tcp": tcp})).await;
        let said = seen.failure.as_ref().map(|f| f.to_string().replace(&format!("localhost:{port}"), "it"));
        assert_eq!(said.as_deref(), failure, "{protocol}: {:?}", seen.trace);
        assert_eq!(seen.tls.is_some_and(|tls| tls.verified), failure.is_none(), "{protocol}");
    };
    const SMTP: &[Step] = &[
        Says(b"220-mail\r\n220 ready\r\n"),
        Hears(b"EHLO dogwatch.invalid\r\n"),
        Says(b"250-mail\r\n250-STARTTLS\r\n250 HELP\r\n"),
        Hears(b"STARTTLS\r\n"),
        Says(b"220 go\r\n"),
        Tls,
    ];
    check("smtp", SMTP, None).await;
    const OLD_SMTP: &[Step] =
        &[Says(b"220 ready\r\n"), Hears(b"EHLO dogwatch.invalid\r\n"), Says(b"250 HELP\r\n"), Hears(b"x")];
    check("smtp", OLD_SMTP, Some("it offers no STARTTLS (tls)")).await;
    check("smtp", &[Says(b"554 no\r\n"), Hears(b"x")], Some("it says \"554 no\", should say 220 (answer)")).await;
    const IMAP: &[Step] = &[Says(b"* OK ready\r\n"), Hears(b"a1 STARTTLS\r\n"), Says(b"* x\r\na1 OK begin\r\n"), Tls];
    check("imap", IMAP, None).await;
    check("pop3", &[Says(b"+OK\r\n"), Hears(b"STLS\r\n"), Says(b"+OK\r\n"), Tls], None).await;
    check("ftp", &[Says(b"220 hi\r\n"), Hears(b"AUTH TLS\r\n"), Says(b"234 go\r\n"), Tls], None).await;
    check("postgres", &[Hears(b"\0\0\0\x08\x04\xd2\x16\x2f"), Says(b"S"), Tls], None).await;
    check("postgres", &[Hears(b"\0\0\0\x08\x04\xd2\x16\x2f"), Says(b"N")], Some("it has TLS turned off (tls)")).await;
    const LDAP: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
    check("ldap", &[Hears(LDAP), Says(b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\0\x04\0\x04\0"), Tls], None).await;
    let refused = Some("it refuses StartTLS (LDAP result 52) (tls)");
    check("ldap", &[Hears(LDAP), Says(b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x34\x04\0\x04\0"), Hears(b"x")], refused)
        .await;
}

#[tokio::test]
async fn credentials_go_to_the_host_of_the_check_alone() {
    let other = Server::start(None, |_| ok("here")).await;
    let place = other.url("http", "/elsewhere").to_string();
    let first = Server::start(None, move |seen| {
        let to = if seen.path == "/" { "/again" } else { &place };
        ::http::Response::builder().status(302).header("location", to).body(Default::default()).unwrap()
    })
    .await;
    let http =
        json!({"url": first.url("http", "/"), "authorization": {"credentials": "abc"}, "headers": {"X-Key": "k"}});
    let seen = asked(json!({"name": "x", "http": http})).await;
    assert_eq!((seen.failure, seen.http_status), (None, Some(200)));
    let sent =
        |server: &Server| server.seen().iter().map(|s| (s.path.clone(), s.authorization.clone())).collect::<Vec<_>>();
    let bearer = Some("Bearer abc".to_owned());
    assert_eq!(sent(&first), [("/".to_owned(), bearer.clone()), ("/again".to_owned(), bearer)]);
    assert_eq!(sent(&other), [("/elsewhere".to_owned(), None)]);
}

#[tokio::test]
async fn what_breaks_off_is_told() {
    let acceptor = TlsAcceptor::from(Arc::new(tls_config(
        &Authority::new("ca").issue("s", &["localhost"], 2090),
        Clients::Ignored,
    )));
    let check = async |script: &'static [Step], kind: &str, expected: &str| {
        let port = server(script, acceptor.clone()).await;
        let at = match kind {
            "http" => json!({"url": format!("http://127.0.0.1:{port}/")}),
            _ => json!({"address": format!("127.0.0.1:{port}"), "expect": "^ready"}),
        };
        let seen = asked(json!({"name": "x", kind: at})).await;
        let said = seen.failure.map(|f| f.to_string().replace(&format!("127.0.0.1:{port}"), "it"));
        assert_eq!(said.as_deref(), Some(expected));
    };
    use Step::{Hears, Says};
    check(
        &[Hears(b"GET / HTTP/1.1"), Says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")],
        "http",
        "the connection to it broke after 4 bytes of its answer (HTTP 200) (body)",
    )
    .await;
    check(&[Hears(b"GET / HTTP/1.1"), Says(b"SSH-2.0-x\r\n")], "http", "what it answers is not HTTP (body)").await;
    check(&[], "tcp", "it closed the connection without a word (refused)").await;
    check(&[Says(b"busy\n")], "tcp", "banner was \"busy\\n\", should match \"^ready\" (answer)").await;
}

#[test]
fn what_is_written_is_read_and_shown_without_its_secrets() {
    let check: CheckConfig = serde_json::from_value(json!({
        "name": "shop",
        "http": {
            "url": "https://shop.example.org/",
            "headers": {"X-Token": "hunter2"},
            "basic_auth": {"username": "u", "password": "hunter2"},
            "proxy_url": "http://u:hunter2@proxy:1",
            "status": [200, "401..403"],
            "expect": ["time < 1s"],
        },
        "down": "3 of 5",
    }))
    .unwrap();
    let shown = serde_json::to_string(&check).unwrap() + &format!("{check:?}");
    assert!(!shown.contains("hunter2") && shown.contains("[200, 401..403]") && shown.contains("3 of 5"), "{shown}");
    let target = check.target(0, &BTreeMap::new(), (Duration::from_secs(10), Duration::from_secs(5))).unwrap();
    assert_eq!(target.key.to_string(), "checks/shop/shop.example.org:443");
    let stored = serde_json::to_string(&target).unwrap();
    assert!(!stored.contains("hunter2"), "{stored}");
    assert_eq!(serde_json::from_str::<Target>(&stored).unwrap(), target);
    assert!(!is_free("etcd") && is_free("shop"));
}
