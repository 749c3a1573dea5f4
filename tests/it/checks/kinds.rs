//! Each kind of check against a real server of its kind, by `dogwatch probe`, and the failures that it tells apart.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::{
    alerting::watch::free_port,
    eventually::eventually,
    receivers::{MailServer, Pki},
};

/// A directory with a configuration that has only checks.
pub struct Checked {
    pub dir: tempfile::TempDir,
}

impl Checked {
    pub fn new() -> Self {
        dogwatch::dial::install_crypto();
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// Probes these checks; gives what is said of each, by its name: `up`, or verdict, reason and message.
    pub async fn probe(&self, checks: &str) -> Vec<(String, String)> {
        std::fs::write(self.dir.path().join("dogwatch.yml"), format!("data_dir: data\nchecks:\n{checks}")).unwrap();
        let dir = self.dir.path().to_owned();
        let run = move || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_dogwatch"));
            command.args(["probe", "--all", "-o", "json"]).current_dir(dir).output().unwrap()
        };
        let out = tokio::task::spawn_blocking(run).await.unwrap();
        let rows: Vec<Value> = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| {
            panic!("{e}: {}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
        });
        let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let said = |row: &Value| match text(row, "verdict").as_str() {
            "up" => "up".to_owned(),
            verdict => format!("{verdict} {}: {}", text(row, "reason"), text(row, "message")),
        };
        let mut all: Vec<_> = rows.iter().map(|row| (text(row, "job"), said(row))).collect();
        all.sort();
        all
    }

    /// The same, each of them held against the beginning and the end of what is expected, with `…` between.
    pub async fn check(&self, checks: &str, expected: &[(&str, &str)]) {
        let found = self.probe(checks).await;
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (name, expected) in expected {
            let said = &found.iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("{name}: {found:?}")).1;
            let (start, end) = expected.split_once('…').unwrap_or((expected, ""));
            let fits = if expected.contains('…') {
                said.starts_with(start) && said.ends_with(end)
            } else {
                said == expected
            };
            assert!(fits, "{name}: {said}\nexpected: {expected}");
        }
    }
}

/// A program that ends with the value.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until something listens there.
pub async fn listens(port: u16) {
    eventually("it listens", async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await;
}

/// A real nginx with a plain and a TLS port.
struct Nginx {
    plain: u16,
    secure: u16,
    _running: Running,
}

async fn nginx(dir: &Path) -> Nginx {
    let (plain, secure) = (free_port(), free_port());
    let pki = Pki::new(dir);
    let dir = dir.display();
    let config = format!(
        "daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c; uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;
  gzip on; gzip_min_length 1; gzip_types application/json;
  server {{
    listen 127.0.0.1:{plain};
    listen 127.0.0.1:{secure} ssl http2;
    ssl_certificate {cert}; ssl_certificate_key {key};
    default_type application/json;
    location = /ok {{ return 200 '{{\"status\": \"ok\", \"queue\": 3}}'; }}
    location = /sick {{ return 503 '{{\"status\": \"degraded\"}}'; }}
    location = /moved {{ return 302 /ok; }}
    location = /round {{ return 302 /round; }}
    location = /login {{ if ($http_authorization != 'Basic dTpw') {{ return 401; }} return 204; }}
    location = /token {{ if ($http_authorization != 'Bearer abc') {{ return 401; }} return 204; }}
    location = /post {{ if ($request_method != POST) {{ return 405; }} return 201; }}
    location = /tenant {{ if ($http_x_tenant != 'a') {{ return 400; }} return 200 '{{}}'; }}
    location = /2 {{ if ($server_protocol != 'HTTP/2.0') {{ return 426; }} return 200 '{{}}'; }}
    location = /1 {{ if ($server_protocol != 'HTTP/1.1') {{ return 426; }} return 200 '{{}}'; }}
  }}
}}
",
        cert = pki.cert.display(),
        key = pki.key.display(),
    );
    let file = format!("{dir}/nginx.conf");
    std::fs::write(&file, config).unwrap();
    let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
    let child =
        Command::new(program).args(["-c", &file, "-e", &format!("{dir}/error.log")]).stderr(Stdio::null()).spawn();
    let running = Running(child.expect("nginx is needed: apt-get install nginx-light"));
    listens(plain).await;
    listens(secure).await;
    Nginx { plain, secure, _running: running }
}

#[tokio::test]
async fn http_against_nginx() {
    let checked = Checked::new();
    let Nginx { plain, secure, _running } = nginx(checked.dir.path()).await;
    let closed = free_port();
    let (http, tls) = (format!("http://127.0.0.1:{plain}"), format!("https://localhost:{secure}"));
    let trust = "tls_config: {ca_file: smtp.crt}";
    std::fs::write(checked.dir.path().join("password"), "p\n").unwrap();
    let checks = format!(
        "
  - {{name: ok, http: {{url: '{http}/ok', expect: ['json $.status == \"ok\"', 'header Content-Type ~ \"json\"', 'time < 5s', 'size < 1KB']}}}}
  - {{name: packed, http: {{url: '{http}/ok', compression: true, expect: ['body ~ \"queue\"']}}}}
  - {{name: sick, http: {{url: '{http}/sick'}}}}
  - {{name: sick-as-asked, http: {{url: '{http}/sick', status: 503}}}}
  - {{name: json, http: {{url: '{http}/ok', expect: ['json $.queue < 2']}}}}
  - {{name: body, http: {{url: '{http}/ok', expect: ['body ~ \"ready\"']}}}}
  - {{name: header, http: {{url: '{http}/ok', expect: ['header X-Cache exists']}}}}
  - {{name: moved, http: {{url: '{http}/moved'}}}}
  - {{name: moved-not-followed, http: {{url: '{http}/moved', follow_redirects: false}}}}
  - {{name: round, http: {{url: '{http}/round'}}}}
  - {{name: login, http: {{url: '{http}/login', basic_auth: {{username: u, password_file: password}}}}}}
  - {{name: no-login, http: {{url: '{http}/login'}}}}
  - {{name: token, http: {{url: '{http}/token', authorization: {{credentials: abc}}}}}}
  - {{name: post, http: {{url: '{http}/post', method: POST, body: '{{}}', status: 201}}}}
  - {{name: tenant, http: {{url: '{http}/tenant', headers: {{X-Tenant: a}}}}}}
  - {{name: by-2, http: {{url: '{tls}/2', {trust}, expect: ['cert > 14d', 'version ~ \"TLS 1.[23]\"']}}}}
  - {{name: by-1, http: {{url: '{tls}/1', http_version: '1.1', {trust}}}}}
  - {{name: prior-2, http: {{url: '{http}/ok', http_version: '2'}}, timeout: 2s}}
  - {{name: untrusted, http: {{url: '{tls}/2'}}}}
  - {{name: unverified, http: {{url: '{tls}/2', tls_config: {{insecure_skip_verify: true}}}}}}
  - {{name: ends-soon, http: {{url: '{tls}/2', {trust}, expect: ['cert > 999999d']}}}}
  - {{name: refused, http: {{url: 'http://127.0.0.1:{closed}/'}}}}
"
    );
    let refused = format!("down refused: connection refused by 127.0.0.1:{closed}: nothing listens there");
    checked
        .check(
            &checks,
            &[
                ("ok", "up"),
                ("packed", "up"),
                ("sick", "down http_status: was 503, should be 200..299"),
                ("sick-as-asked", "up"),
                ("json", "down body: $.queue was 3, should be < 2"),
                ("body", "down body: body was …, should match \"ready\""),
                ("header", "down answer: header X-Cache was not there, should be there"),
                ("moved", "up"),
                ("moved-not-followed", "down http_status: was 302, should be 200..299"),
                ("round", "down answer: it sends us on and on: more than 10 redirects…"),
                ("login", "up"),
                ("no-login", "down http_status: was 401, should be 200..299"),
                ("token", "up"),
                ("post", "up"),
                ("tenant", "up"),
                ("by-2", "up"),
                ("by-1", "up"),
                ("prior-2", "down …"),
                ("untrusted", "down tls: the certificate of localhost…"),
                ("unverified", "up"),
                ("ends-soon", "degraded certificate: its certificate lasts…, should be > 999999d"),
                ("refused", &refused),
            ],
        )
        .await;
}

#[tokio::test]
async fn tcp_and_tls_against_nginx_and_a_mail_server() {
    let checked = Checked::new();
    let Nginx { plain, secure, _running } = nginx(checked.dir.path()).await;
    let pki = Pki { cert: checked.dir.path().join("smtp.crt"), key: checked.dir.path().join("smtp.key") };
    let mail_server = MailServer::start(&pki, "starttls", None, 0).await;
    let mail = mail_server.port;
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mute_port, closed) = (mute.local_addr().unwrap().port(), free_port());
    let trust = "tls_config: {ca_file: smtp.crt}";
    let checks = format!(
        "
  - {{name: connects, tcp: {{address: '127.0.0.1:{plain}'}}}}
  - {{name: speaks, tcp: {{address: '127.0.0.1:{plain}', send: \"GET /ok HTTP/1.0\\r\\n\\r\\n\", expect: '^HTTP/1.1 200'}}}}
  - {{name: speaks-otherwise, tcp: {{address: '127.0.0.1:{plain}', send: \"GET /sick HTTP/1.0\\r\\n\\r\\n\", expect: '^HTTP/1.1 200'}}}}
  - {{name: secure, tcp: {{address: 'localhost:{secure}', tls: true, {trust}}}}}
  - {{name: banner, tcp: {{address: 'localhost:{mail}', expect: ['banner ~ \"^220 \"', 'time < 5s']}}}}
  - {{name: mail, tcp: {{address: 'localhost:{mail}', starttls: smtp, {trust}}}}}
  - {{name: no-mail, tcp: {{address: 'localhost:{plain}', starttls: smtp}}, timeout: 1s}}
  - {{name: mute, tcp: {{address: '127.0.0.1:{mute_port}', expect: 'SSH-2.0'}}, timeout: 1s}}
  - {{name: closed, tcp: {{address: '127.0.0.1:{closed}'}}}}
  - {{name: handshake, tls: {{address: 'localhost:{secure}', {trust}, expect: ['cert > 1d', 'version in [\"TLS 1.2\", \"TLS 1.3\"]']}}}}
  - {{name: other-name, tls: {{address: 'localhost:{secure}', tls_config: {{ca_file: smtp.crt, server_name: other.example.org}}}}}}
  - {{name: mail-handshake, tls: {{address: 'localhost:{mail}', starttls: smtp, {trust}}}}}
  - {{name: no-tls, tls: {{address: '127.0.0.1:{plain}'}}}}
"
    );
    let refused = format!("down refused: connection refused by 127.0.0.1:{closed}: nothing listens there");
    let mute_words = format!("down timeout: 127.0.0.1:{mute_port} said nothing within 1 s");
    checked
        .check(
            &checks,
            &[
                ("connects", "up"),
                ("speaks", "up"),
                ("speaks-otherwise", "down answer: banner was \"HTTP/1.1 503…, should match \"^HTTP/1.1 200\""),
                ("secure", "up"),
                ("banner", "up"),
                ("mail", "up"),
                ("no-mail", "down timeout: localhost:…"),
                ("mute", &mute_words),
                ("closed", &refused),
                ("handshake", "up"),
                ("other-name", "down tls: the certificate of localhost…not for other.example.org"),
                ("mail-handshake", "up"),
                ("no-tls", "down tls: 127.0.0.1:…does not speak TLS (plain HTTP?)"),
            ],
        )
        .await;
}

/// A real dnsmasq that knows a few names of `.test`.
async fn dnsmasq(dir: &Path) -> (u16, Running) {
    let port = free_port();
    let program = if Path::new("/usr/sbin/dnsmasq").exists() { "/usr/sbin/dnsmasq" } else { "dnsmasq" };
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
    let mut command = Command::new(program);
    command.args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces"]);
    command.args(["--listen-address=127.0.0.1", "--local=/test/", "--host-record=shop.test,10.1.2.3,300"]);
    command.args(["--txt-record=shop.test,v=1 of shop", &format!("--port={port}"), &format!("--user={user}")]);
    command.arg(format!("--pid-file={}", dir.join("dnsmasq.pid").display()));
    let running =
        Running(command.stderr(Stdio::null()).spawn().expect("dnsmasq is needed: apt-get install dnsmasq-base"));
    listens(port).await;
    (port, running)
}

#[tokio::test]
async fn dns_against_dnsmasq() {
    let checked = Checked::new();
    let (port, _running) = dnsmasq(checked.dir.path()).await;
    let mute = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let (mute_port, closed) = (mute.local_addr().unwrap().port(), free_port());
    let at = format!("server: '127.0.0.1:{port}'");
    let checks = format!(
        "
  - {{name: a, dns: {{{at}, name: shop.test, expect: ['answer == \"10.1.2.3\"', 'answers == 1', 'ttl <= 300s', 'flags ~ \"aa\"']}}}}
  - {{name: a-otherwise, dns: {{{at}, name: shop.test, expect: ['answer == \"10.9.9.9\"']}}}}
  - {{name: by-tcp, dns: {{{at}, name: shop.test, transport: tcp}}}}
  - {{name: txt, dns: {{{at}, name: shop.test, type: TXT, expect: ['answer ~ \"shop\"']}}}}
  - {{name: nobody, dns: {{{at}, name: nobody.test}}}}
  - {{name: nobody-as-asked, dns: {{{at}, name: nobody.test, expect: ['rcode == NXDOMAIN']}}}}
  - {{name: no-such-type, dns: {{{at}, name: shop.test, type: AAAA}}}}
  - {{name: not-served, dns: {{{at}, name: example.org, recursive: false}}}}
  - {{name: closed, dns: {{server: '127.0.0.1:{closed}', name: shop.test}}}}
  - {{name: mute, dns: {{server: '127.0.0.1:{mute_port}', name: shop.test}}, timeout: 1s}}
"
    );
    let refused = format!("down refused: connection refused by 127.0.0.1:{closed}: nothing listens there");
    let silent = format!("down timeout: 127.0.0.1:{mute_port} did not answer by UDP within 1 s");
    checked
        .check(
            &checks,
            &[
                ("a", "up"),
                ("a-otherwise", "down answer: answer was \"10.1.2.3\", should be \"10.9.9.9\""),
                ("by-tcp", "up"),
                ("txt", "up"),
                ("nobody", "down answer: rcode was NXDOMAIN, should be NOERROR"),
                ("nobody-as-asked", "up"),
                ("no-such-type", "down answer: shop.test has no record of type AAAA there"),
                ("not-served", "down answer: rcode was REFUSED, should be NOERROR"),
                ("closed", &refused),
                ("mute", &silent),
            ],
        )
        .await;
}
