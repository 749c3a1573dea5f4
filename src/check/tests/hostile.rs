//! Every kind against servers that are not what they should be: silent, gone, endless, garbage, or half of what they begin.
//! Each probe ends in time with a failure in words, and reads no more than its limits.

use futures_util::future::join_all;
use tokio::net::UdpSocket;

use super::*;

/// What a server does with whoever comes.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Silent,
    Closes,
    /// Says this, then the byte without end.
    Endless(&'static [u8], u8),
    /// Says this, then nothing.
    Half(&'static [u8]),
    /// Says this, and closes.
    Breaks(&'static [u8]),
    /// Says what chance gives, without end.
    Random(u64),
}

async fn server_of(manner: Manner) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let (first, endless): (&[u8], Option<u8>) = match manner {
                Manner::Silent => (&[], None),
                Manner::Closes => continue,
                Manner::Endless(first, byte) => (first, Some(byte)),
                Manner::Half(first) | Manner::Breaks(first) => (first, None),
                Manner::Random(_) => (&[], Some(0)),
            };
            let _ = stream.write_all(first).await;
            if let Manner::Breaks(_) = manner {
                let _ = stream.shutdown().await;
                let _ = stream.read_to_end(&mut Vec::new()).await;
                continue;
            }
            open.push(tokio::spawn(async move {
                let mut chance = match manner {
                    Manner::Random(seed) => Some(fastrand::Rng::with_seed(seed)),
                    _ => None,
                };
                let mut part = vec![endless.unwrap_or_default(); 4096];
                while endless.is_some() {
                    if let Some(chance) = &mut chance {
                        part.fill_with(|| chance.u8(..));
                    }
                    if stream.write_all(&part).await.is_err() {
                        return;
                    }
                }
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }));
        }
    });
    port
}

fn check_of(kind: &str, port: u16) -> serde_json::Value {
    let at = format!("127.0.0.1:{port}");
    let written = match kind {
        "tcp" => json!({"tcp": {"address": at, "expect": "^hello, this is the right one$"}}),
        "smtp" => json!({"smtp": {"address": at, "from": "a@b", "to": "c@d"}}),
        "smtp-starttls" => json!({"smtp": {"address": at, "starttls": true}}),
        "imap" => json!({"tls": {"address": at, "starttls": "imap"}}),
        "ssh" => json!({"ssh": {"address": at}}),
        "redis" => json!({"redis": {"address": at, "password": "x", "key": "k"}}),
        "ldap" => json!({"ldap": {"address": at, "base_dn": "dc=x"}}),
        "postgres" => json!({"sql": {"driver": "postgres", "address": at, "username": "u", "password": "p"}}),
        "postgres-tls" => json!({"sql": {"driver": "postgres", "address": at, "username": "u", "tls": true}}),
        "mysql" => json!({"sql": {"driver": "mysql", "address": at, "username": "u", "password": "p"}}),
        "grpc" => json!({"grpc": {"address": at}}),
        "websocket" => json!({"websocket": {"url": format!("ws://{at}/"), "expect": "x"}}),
        "http" => json!({"http": {"url": format!("http://{at}/")}}),
        other => panic!("{other}"),
    };
    let mut written = written;
    written["name"] = json!("x");
    written["timeout"] = json!("700ms");
    written
}

const KINDS: [&str; 13] = [
    "tcp",
    "smtp",
    "smtp-starttls",
    "imap",
    "ssh",
    "redis",
    "ldap",
    "postgres",
    "postgres-tls",
    "mysql",
    "grpc",
    "websocket",
    "http",
];

/// What any server may do, and what is half right for one kind.
const MANNERS: &[Manner] = &[
    Manner::Silent,
    Manner::Closes,
    Manner::Endless(b"", 0),
    Manner::Endless(b"", 0xff),
    Manner::Endless(b"", b'a'),
    Manner::Endless(b"", b'\n'),
    Manner::Endless(b"220-", b'2'),
    Manner::Endless(b"220 ok\r\n250-", b'\n'),
    Manner::Endless(b"220 ok\r\n250 ok\r\n", b' '),
    Manner::Endless(b"SSH-2.0-x\r\n", 0),
    Manner::Endless(b"SSH-2.0-x\r\n\0\0\0\x0c\x0a\x14", 0),
    Manner::Half(b"SSH-2.0-x\r\n\0\0\0\x0c\x0a\x02"),
    Manner::Endless(b"SSH-2.0-x\r\n\xff\xff\xff\xff", 0xff),
    Manner::Endless(b"+OK\r\n+PONG\r\n$99999999999\r\n", b'1'),
    Manner::Breaks(b"+OK\r\n+PONG\r\n$100\r\nrole:"),
    Manner::Endless(b"+OK\r\n+PONG\r\n*99999999\r\n", b'*'),
    Manner::Endless(b"\x30\x84\xff\xff\xff\xff", 0x30),
    Manner::Endless(b"\x30\x0c\x02\x01\x02\x61\x07\x0a\x01\0\x04\0\x04\0\x30\x05\x02\x01\x03\x64\0", 0x30),
    Manner::Half(b"\x30\x0c\x02\x01\x02\x61\x07\x0a\x01\0\x04\0\x04\0\x30"),
    Manner::Endless(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I", b'Z'),
    Manner::Endless(b"R\0\0\0\x08\0\0\0\x0aR\0\0\0\x10\0\0\0\x0br=,s=,i=1", 0),
    Manner::Endless(b"R\0\0\0\x08\0\0\0\x0aR\0\0\0\x08\0\0\0\x0c", b'R'),
    Manner::Endless(b"R\xff\xff\xff\xff", 0),
    Manner::Breaks(b"\x05\0\0\0\x0a8.0"),
    Manner::Endless(b"\xff\xff\xff\0", 0x0a),
    Manner::Endless(b"HTTP/1.1 101 x\r\n", b'h'),
    Manner::Endless(b"HTTP/1.1 200 OK\r\nA: b\r\n", b'\n'),
    Manner::Breaks(b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"),
    Manner::Half(b"\0\0\0\x04\0\0\0\0\0"),
    Manner::Endless(b"\0\0\0\x04\0\0\0\0\0", 0),
    Manner::Random(1),
    Manner::Random(2),
    Manner::Random(3),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_ends_in_time_with_words_whatever_the_server_does() {
    crate::dial::install_crypto();
    // Some at a time: endless servers keep the machine busy.
    for manners in MANNERS.chunks(6) {
        join_all(manners.iter().map(|manner| all_kinds(*manner))).await;
    }
}

async fn all_kinds(manner: Manner) {
    let port = server_of(manner).await;
    let probes = KINDS.map(|kind| async move {
        let seen = asked(check_of(kind, port)).await;
        let took = seen.duration;
        // An endless answer is a page, to HTTP.
        let is_page = kind == "http" && seen.http_status.is_some();
        let failure = seen.failure.as_ref().map(|f| f.message.as_str()).unwrap_or_default();
        assert!(is_page || !failure.is_empty(), "{kind}, {manner:?}: {:?}", seen.trace);
        assert!(took < Duration::from_secs(5), "{kind}, {manner:?}: {took:?}, {failure}");
        assert!(seen.trace.len() < 200, "{kind}, {manner:?}: a trace of {} lines", seen.trace.len());
    });
    join_all(probes).await;
}

#[tokio::test]
async fn datagrams_that_answer_something_else_are_no_answer() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut datagram = [0; 2048];
        while let Ok((n, from)) = socket.recv_from(&mut datagram).await {
            for answer in [&[][..], &[0xff; 1400], &datagram[..n], &[0x24; 48], &[0; 48]] {
                let _ = socket.send_to(answer, from).await;
            }
        }
    });
    let at = format!("127.0.0.1:{port}");
    for check in [
        json!({"name": "x", "timeout": "500ms", "ntp": {"server": at}}),
        json!({"name": "x", "timeout": "500ms", "dns": {"server": at, "name": "example.org"}}),
    ] {
        let seen = asked(check).await;
        let said = seen.failure.map(|f| f.to_string());
        assert_eq!(said, Some(format!("{at} did not answer by UDP within 500 ms (timeout)")));
    }
}
