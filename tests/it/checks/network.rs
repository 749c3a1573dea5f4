//! Kinds of checks that ask a network and its services: icmp, udp, ntp, ssh, smtp, grpc and websocket.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use super::kinds::{Checked, Running, listens};
use crate::{
    alerting::watch::free_port,
    eventually::eventually,
    peers::peer,
    receivers::{MailServer, Pki},
};

#[tokio::test]
async fn icmp_and_udp_on_loopback() {
    let checked = Checked::new();
    let echo = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = echo.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut datagram = [0; 2048];
        while let Ok((n, from)) = echo.recv_from(&mut datagram).await {
            let answer = if datagram[..n] == *b"ping" { b"pong" } else { b"what" };
            echo.send_to(answer, from).await.unwrap();
        }
    });
    let mute = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let (mute_port, closed) = (mute.local_addr().unwrap().port(), free_port());
    let checks = format!(
        "
  - {{name: ping, icmp: {{host: 127.0.0.1, packets: 5, expect: ['loss < 1%', 'jitter < 1s', 'rtt < 1s']}}}}
  - {{name: ping-large, icmp: {{host: localhost, payload_size: 1400, ip_protocol: ip4}}}}
  - {{name: ping-otherwise, icmp: {{host: 127.0.0.1, packets: 1, expect: ['loss > 50%']}}}}
  - {{name: ping-6, icmp: {{host: 127.0.0.1, ip_protocol: ip6}}}}
  - {{name: echo, udp: {{address: '127.0.0.1:{port}', send: ping, expect: '^pong$'}}}}
  - {{name: echo-otherwise, udp: {{address: '127.0.0.1:{port}', send: pink, expect: '^pong$'}}, timeout: 1s}}
  - {{name: sends, udp: {{address: '127.0.0.1:{mute_port}', send: log}}, timeout: 1s}}
  - {{name: mute, udp: {{address: '127.0.0.1:{mute_port}', send: ping, expect: pong}}, timeout: 1s}}
  - {{name: closed, udp: {{address: '127.0.0.1:{closed}', send: log}}}}
  - {{name: closed-too, udp: {{address: '127.0.0.1:{closed}', send: log, expect: x}}}}
"
    );
    let refused = format!("down refused: connection refused by 127.0.0.1:{closed}: nothing listens there");
    let silent = format!("down timeout: 127.0.0.1:{mute_port} did not answer by UDP within 1 s");
    checked
        .check(
            &checks,
            &[
                ("ping", "up"),
                ("ping-large", "up"),
                ("ping-otherwise", "degraded slow: loss was 0%, should be > 50%"),
                ("ping-6", "down dns: 127.0.0.1 has no address of that kind"),
                ("echo", "up"),
                ("echo-otherwise", "down answer: banner was \"what\", should match \"^pong$\""),
                ("sends", "up"),
                ("mute", &silent),
                ("closed", &refused),
                ("closed-too", &refused),
            ],
        )
        .await;
}

fn chrony(dir: &Path, name: &str, more: &str) -> (u16, Running) {
    let port = free_port();
    let at = dir.join(name);
    let config = format!(
        "port {port}\nbindaddress 127.0.0.1\nallow 127.0.0.1\ncmdport 0\nbindcmdaddress /\npidfile {}.pid\n{more}\n",
        at.display()
    );
    std::fs::write(&at, config).unwrap();
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
    let mut command = Command::new("/usr/sbin/chronyd");
    // It sets no clock (-x), and need not be root (-U).
    command.args(["-d", "-x", "-U", "-u", &user, "-f"]).arg(&at).stdout(Stdio::null()).stderr(Stdio::null());
    (port, Running(command.spawn().expect("chronyd is needed: apt-get install chrony")))
}

#[tokio::test]
async fn ntp_against_chrony() {
    let checked = Checked::new();
    let (local, _local) = chrony(checked.dir.path(), "local", "local stratum 3");
    let (lost, _lost) = chrony(checked.dir.path(), "lost", "");
    let (silent, closed) = (std::net::UdpSocket::bind("127.0.0.1:0").unwrap(), free_port());
    let mute = silent.local_addr().unwrap().port();
    for port in [local, lost] {
        eventually("chrony listens", async || {
            let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
            socket.connect(("127.0.0.1", port)).await.unwrap();
            let mut request = [0; 48];
            request[0] = 0x23;
            let asked = async {
                socket.send(&request).await?;
                socket.recv(&mut [0; 48]).await
            };
            matches!(tokio::time::timeout(std::time::Duration::from_secs(1), asked).await, Ok(Ok(48)))
        })
        .await;
    }
    let checks = format!(
        "
  - {{name: time, ntp: {{server: '127.0.0.1:{local}', expect: ['offset < 5s', 'stratum == 3', 'leap == none']}}}}
  - {{name: time-otherwise, ntp: {{server: '127.0.0.1:{local}', expect: ['stratum < 2']}}}}
  - {{name: lost, ntp: {{server: '127.0.0.1:{lost}'}}}}
  - {{name: lost-as-asked, ntp: {{server: '127.0.0.1:{lost}', expect: ['leap == unsynchronized']}}}}
  - {{name: closed, ntp: {{server: '127.0.0.1:{closed}'}}}}
  - {{name: mute, ntp: {{server: '127.0.0.1:{mute}'}}, timeout: 1s}}
"
    );
    checked
        .check(
            &checks,
            &[
                ("time", "up"),
                ("time-otherwise", "down answer: stratum was 3, should be < 2"),
                ("lost", "down answer: 127.0.0.1:… answers, but is not synchronized with any source of time"),
                ("lost-as-asked", "up"),
                ("closed", "down refused: connection refused by …"),
                ("mute", "down timeout: 127.0.0.1:… did not answer by UDP within 1 s"),
            ],
        )
        .await;
}

/// A real sshd with these host keys; gives its port and their fingerprints.
async fn sshd(dir: &Path, keys: &[(&str, &str)]) -> (u16, Vec<String>, Running) {
    let port = free_port();
    let mut config = format!("ListenAddress 127.0.0.1:{port}\nPidFile none\nUsePAM no\n");
    let mut fingerprints = Vec::new();
    for (kind, bits) in keys {
        let path = dir.join(format!("key-{port}-{kind}-{bits}"));
        let made = Command::new("ssh-keygen").args(["-q", "-N", "", "-t", kind, "-b", bits, "-f"]).arg(&path).status();
        assert!(made.unwrap().success());
        let shown = Command::new("ssh-keygen").arg("-lf").arg(&path).output().unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        fingerprints.push(shown.split(' ').nth(1).unwrap().to_owned());
        config.push_str(&format!("HostKey {}\n", path.display()));
    }
    if nix::unistd::geteuid().is_root() {
        std::fs::create_dir_all("/run/sshd").unwrap();
    }
    let file = dir.join(format!("sshd-{port}"));
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new("/usr/sbin/sshd");
    command.arg("-De").arg("-f").arg(&file).stderr(Stdio::null());
    let running = Running(command.spawn().expect("sshd is needed: apt-get install openssh-server"));
    listens(port).await;
    (port, fingerprints, running)
}

#[tokio::test]
async fn ssh_against_openssh() {
    let checked = Checked::new();
    let dir = checked.dir.path();
    let (port, keys, _first) = sshd(dir, &[("ed25519", "256"), ("ecdsa", "256"), ("rsa", "2048")]).await;
    let (p384, key_384, _second) = sshd(dir, &[("ecdsa", "384")]).await;
    let (p521, key_521, _third) = sshd(dir, &[("ecdsa", "521")]).await;
    let other = "SHA256:uNiVztksCsDhcc0u9e8BrrJXVMLmFNKc1CE1Z5TnVPg";
    let at = format!("address: '127.0.0.1:{port}'");
    let [ed25519, ecdsa, rsa] = &keys[..] else { panic!("{keys:?}") };
    let mail = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mute = mail.local_addr().unwrap().port();
    let checks = format!(
        "
  - {{name: greets, ssh: {{{at}, expect: ['banner ~ \"^SSH-2.0-OpenSSH\"']}}}}
  - {{name: pinned, ssh: {{{at}, host_key: '{ed25519}'}}}}
  - {{name: pinned-ecdsa, ssh: {{{at}, host_key: '{ecdsa}', host_key_type: ecdsa}}}}
  - {{name: pinned-rsa, ssh: {{{at}, host_key: '{rsa}', host_key_type: rsa}}}}
  - {{name: pinned-384, ssh: {{address: '127.0.0.1:{p384}', host_key: '{}'}}}}
  - {{name: pinned-521, ssh: {{address: '127.0.0.1:{p521}', host_key: '{}'}}}}
  - {{name: another-key, ssh: {{{at}, host_key: '{other}'}}}}
  - {{name: no-such-kind, ssh: {{address: '127.0.0.1:{p384}', host_key_type: rsa}}}}
  - {{name: mute, ssh: {{address: '127.0.0.1:{mute}'}}, timeout: 1s}}
",
        key_384[0], key_521[0]
    );
    let another = format!("down tls: the host key of 127.0.0.1:{port} was {ed25519} (ssh-ed25519), should be {other}");
    checked
        .check(
            &checks,
            &[
                ("greets", "up"),
                ("pinned", "up"),
                ("pinned-ecdsa", "up"),
                ("pinned-rsa", "up"),
                ("pinned-384", "up"),
                ("pinned-521", "up"),
                ("another-key", &another),
                (
                    "no-such-kind",
                    "down answer: …has no host key of the kind that is asked for; it has ecdsa-sha2-nistp384",
                ),
                ("mute", "down timeout: 127.0.0.1:…said nothing within 1 s"),
            ],
        )
        .await;
}

#[tokio::test]
async fn smtp_up_to_the_recipient_against_a_mail_server() {
    let checked = Checked::new();
    let pki = Pki::new(checked.dir.path());
    let mut mail = MailServer::start(&pki, "starttls", Some(("anna", "hunter2")), 0).await;
    let open = MailServer::start(&pki, "plain", None, 0).await;
    let (port, plain) = (mail.port, open.port);
    let at = format!("address: 'localhost:{port}', starttls: true, tls_config: {{ca_file: smtp.crt}}");
    let all = "from: dogwatch@example.org, to: ops@example.org";
    let checks = format!(
        "
  - {{name: whole, smtp: {{{at}, username: anna, password: hunter2, {all}, expect: ['banner ~ \"mail.test\"', 'cert > 1d']}}}}
  - {{name: wrong-password, smtp: {{{at}, username: anna, password: hunter3, {all}}}}}
  - {{name: no-login, smtp: {{{at}, {all}}}}}
  - {{name: without-login, smtp: {{address: 'localhost:{plain}', {all}}}}}
  - {{name: full, smtp: {{address: 'localhost:{plain}', from: a@example.org, to: full@example.org}}}}
  - {{name: nobody, smtp: {{address: 'localhost:{plain}', from: a@example.org, to: nobody@example.org}}}}
  - {{name: no-starttls, smtp: {{address: 'localhost:{plain}', starttls: true}}}}
  - {{name: untrusted, smtp: {{address: 'localhost:{port}', starttls: true}}}}
"
    );
    checked
        .check(
            &checks,
            &[
                ("whole", "up"),
                ("wrong-password", "down answer: localhost:…refuses our credentials: 535 5.7.8 Authentication credentials invalid"),
                ("no-login", "down answer: MAIL FROM was answered 530 …should be 250"),
                ("without-login", "up"),
                ("full", "down answer: RCPT TO was answered 451 \"4.2.2 mailbox full, try later\", should be 250 (it says: try again later)"),
                ("nobody", "down answer: RCPT TO was answered 550 \"5.1.1 no such user\", should be 250"),
                ("no-starttls", "down tls: localhost:…offers no STARTTLS"),
                ("untrusted", "down tls: the certificate of localhost…"),
            ],
        )
        .await;
    let waited = tokio::time::timeout(std::time::Duration::from_millis(300), mail.next()).await;
    assert!(waited.is_err(), "a check sends no mail: {:?}", waited.map(|mail| mail.data));
}

/// Real servers by PyPI's libraries, on a port for plain, the next one for TLS, and a third.
async fn python(dir: &Path, kind: &str) -> (u16, Running) {
    Pki::new(dir);
    let port = loop {
        let port = free_port();
        if (port..port + 3).all(|p| std::net::TcpListener::bind(("127.0.0.1", p)).is_ok()) {
            break port;
        }
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/checks/peers.py");
    let mut command = Command::new(peer("venv/bin/python"));
    command.arg(script).arg(kind).arg(port.to_string()).arg(dir.join("smtp.crt")).arg(dir.join("smtp.key"));
    let running = Running(command.stdout(Stdio::null()).spawn().unwrap());
    listens(port + 1).await;
    (port, running)
}

#[tokio::test]
async fn grpc_against_grpcio() {
    let checked = Checked::new();
    let (port, _running) = python(checked.dir.path(), "grpc").await;
    let (secure, bare) = (port + 1, port + 2);
    listens(bare).await;
    let pki = Pki { cert: checked.dir.path().join("smtp.crt"), key: checked.dir.path().join("smtp.key") };
    let mail_server = MailServer::start(&pki, "plain", None, 0).await;
    let mail = mail_server.port;
    let at = format!("address: '127.0.0.1:{port}'");
    let checks = format!(
        "
  - {{name: server, grpc: {{{at}}}}}
  - {{name: service, grpc: {{{at}, service: shop.v1.Orders, expect: ['answer == SERVING', 'time < 5s']}}}}
  - {{name: sick, grpc: {{{at}, service: shop.v1.Search}}}}
  - {{name: sick-as-asked, grpc: {{{at}, service: shop.v1.Search, expect: ['answer == NOT_SERVING']}}}}
  - {{name: stranger, grpc: {{{at}, service: shop.v1.Nobody}}}}
  - {{name: no-service, grpc: {{address: '127.0.0.1:{bare}'}}}}
  - {{name: secure, grpc: {{address: 'localhost:{secure}', tls: true, tls_config: {{ca_file: smtp.crt}}, expect: ['cert > 1d']}}}}
  - {{name: untrusted, grpc: {{address: 'localhost:{secure}', tls: true}}}}
  - {{name: no-grpc, grpc: {{address: '127.0.0.1:{mail}'}}, timeout: 2s}}
"
    );
    checked
        .check(
            &checks,
            &[
                ("server", "up"),
                ("service", "up"),
                ("sick", "down answer: it says NOT_SERVING, should say SERVING"),
                ("sick-as-asked", "up"),
                ("stranger", "down answer: …does not know the service \"shop.v1.Nobody\" (NOT_FOUND)"),
                ("no-service", "down answer: …has no health service (grpc.health.v1: UNIMPLEMENTED)"),
                ("secure", "up"),
                ("untrusted", "down tls: the certificate of localhost…"),
                ("no-grpc", "down …"),
            ],
        )
        .await;
}

#[tokio::test]
async fn websocket_against_websockets() {
    let checked = Checked::new();
    let (port, _running) = python(checked.dir.path(), "websocket").await;
    let secure = port + 1;
    let at = format!("url: 'ws://127.0.0.1:{port}/'");
    let checks = format!(
        "
  - {{name: upgrade, websocket: {{{at}}}}}
  - {{name: greets, websocket: {{{at}, expect: '^welcome$'}}}}
  - {{name: echo, websocket: {{{at}, send: ping, expect: '^echo: ping$'}}}}
  - {{name: echo-otherwise, websocket: {{{at}, send: ping, expect: '^pong$'}}, timeout: 1s}}
  - {{name: closes, websocket: {{url: 'ws://127.0.0.1:{port}/closes', expect: x}}}}
  - {{name: protocol, websocket: {{{at}, subprotocol: v1.echo}}}}
  - {{name: no-protocol, websocket: {{{at}, subprotocol: v2.echo}}}}
  - {{name: secure, websocket: {{url: 'wss://localhost:{secure}/', tls_config: {{ca_file: smtp.crt}}, expect: ['banner == welcome', 'cert > 1d']}}}}
"
    );
    checked
        .check(
            &checks,
            &[
                ("upgrade", "up"),
                ("greets", "up"),
                ("echo", "up"),
                ("echo-otherwise", "down answer: banner was \"echo: ping\", should match \"^pong$\""),
                ("closes", "down answer: it closes the WebSocket in place of a message: 4001 go away"),
                ("protocol", "up"),
                ("no-protocol", "down …"),
                ("secure", "up"),
            ],
        )
        .await;
}

/// A real unbound that knows one name, by TLS and by HTTPS; gives their ports.
async fn unbound(dir: &Path) -> (u16, u16, Running) {
    let (pki, tls, https) = (Pki::new(dir), free_port(), free_port());
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
    let config = format!(
        "server:\n  interface: 127.0.0.1@{tls}\n  interface: 127.0.0.1@{https}\n  tls-port: {tls}\n  https-port: {https}\n  \
         tls-service-pem: {}\n  tls-service-key: {}\n  username: '{user}'\n  chroot: ''\n  directory: {2}\n  \
         pidfile: {2}/unbound.pid\n  use-syslog: no\n  do-daemonize: no\n  module-config: iterator\n  \
         local-zone: test. static\n  local-data: 'shop.test. 300 IN A 10.1.2.3'\nremote-control:\n  control-enable: no\n",
        pki.cert.display(),
        pki.key.display(),
        dir.display()
    );
    let file = dir.join("unbound.conf");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new("/usr/sbin/unbound");
    command.arg("-d").arg("-c").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
    let running = Running(command.spawn().expect("unbound is needed: apt-get install unbound"));
    listens(tls).await;
    listens(https).await;
    (tls, https, running)
}

#[tokio::test]
async fn dns_over_tls_and_https_against_unbound() {
    let checked = Checked::new();
    let (tls, https, _running) = unbound(checked.dir.path()).await;
    let trust = "tls_config: {ca_file: smtp.crt}";
    let at = format!("server: 'localhost:{https}', transport: https, {trust}");
    let checks = format!(
        "
  - {{name: tls, dns: {{server: 'localhost:{tls}', name: shop.test, transport: tls, {trust}, expect: ['cert > 1d']}}}}
  - {{name: https, dns: {{{at}, name: shop.test, expect: ['answer == \"10.1.2.3\"', 'cert > 1d']}}}}
  - {{name: nobody, dns: {{{at}, name: nobody.test}}}}
  - {{name: other-path, dns: {{{at}, name: shop.test, path: /elsewhere}}}}
  - {{name: untrusted, dns: {{server: 'localhost:{https}', transport: https, name: shop.test}}}}
"
    );
    checked
        .check(
            &checks,
            &[
                ("tls", "up"),
                ("https", "up"),
                ("nobody", "down answer: rcode was NXDOMAIN, should be NOERROR"),
                ("other-path", "down http_status: localhost:…/elsewhere answered HTTP 404, should be 200"),
                ("untrusted", "down tls: the certificate of localhost…"),
            ],
        )
        .await;
}
