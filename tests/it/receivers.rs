//! Receivers for tests: a real SMTP server (aiosmtpd) with STARTTLS and AUTH, and an HTTP sink.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    net::TcpListener,
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
};

use crate::eventually::{PATIENCE, eventually};

/// A mail as it arrived.
#[derive(Debug, Deserialize)]
pub struct Mail {
    pub sender: String,
    pub to: Vec<String>,
    pub tls: bool,
    pub authenticated: bool,
    pub data: String,
}

impl Mail {
    /// A header, unfolded.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.data.replace("\r\n", "\n");
        let head = head.split("\n\n").next()?.replace("\n ", " ");
        let prefix = format!("{name}: ");
        head.lines().find_map(|line| line.strip_prefix(&prefix).map(str::to_owned))
    }
}

/// A running mail server; it ends with the value.
pub struct MailServer {
    pub port: u16,
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

/// A CA of its own with a certificate for `localhost`, as PEM files.
pub struct Pki {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Pki {
    pub fn new(dir: &Path) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let pki = Self { cert: dir.join("smtp.crt"), key: dir.join("smtp.key") };
        std::fs::write(&pki.cert, made.cert.pem()).unwrap();
        std::fs::write(&pki.key, made.signing_key.serialize_pem()).unwrap();
        pki
    }
}

impl MailServer {
    /// `mode`: `starttls`, `tls` or `plain`; `port` 0: a free one.
    pub async fn start(pki: &Pki, mode: &str, login: Option<(&str, &str)>, port: u16) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/smtpd.py");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).arg(&pki.cert).arg(&pki.key).arg(port.to_string()).arg(mode);
        if let Some((user, password)) = login {
            command.args([user, password]);
        }
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
        let first = first.expect("smtpd.py needs the Debian package python3-aiosmtpd");
        let port = serde_json::from_str::<serde_json::Value>(&first).unwrap()["port"].as_u64().unwrap();
        Self { port: port.try_into().unwrap(), lines, _child: child }
    }

    /// The next mail.
    pub async fn next(&mut self) -> Mail {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("no mail came");
        serde_json::from_str(&line.unwrap().unwrap()).unwrap()
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Hook {
    /// `POST /path?query`.
    pub line: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Hook {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What the sink answers, and what it got.
#[derive(Clone)]
pub struct HookServer {
    pub port: u16,
    answer: Arc<Mutex<(StatusCode, HeaderMap, String)>>,
    got: Arc<Mutex<Vec<Hook>>>,
    task: Arc<Mutex<JoinHandle<()>>>,
}

impl HookServer {
    pub async fn start() -> Self {
        let answer = Arc::new(Mutex::new((StatusCode::OK, HeaderMap::new(), "thanks".to_owned())));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = Arc::new(Mutex::new(tokio::spawn(async {})));
        let server = Self { port, answer, got: Arc::default(), task };
        server.serve(listener);
        server
    }

    fn serve(&self, listener: TcpListener) {
        let app = Router::new().fallback(take).with_state(self.clone());
        *self.task.lock().unwrap() = tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    }

    /// Goes away: connections are refused.
    pub async fn stop(&self) {
        self.task.lock().unwrap().abort();
        let gone = async || tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err();
        eventually("the sink is gone", gone).await;
    }

    /// Comes back on the same port.
    pub async fn start_again(&self) {
        self.serve(TcpListener::bind(("127.0.0.1", self.port)).await.unwrap());
    }

    pub fn answer(&self, status: u16, headers: &[(&'static str, &str)], body: &str) {
        let headers = headers.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect();
        *self.answer.lock().unwrap() = (StatusCode::from_u16(status).unwrap(), headers, body.to_owned());
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Everything that arrived so far.
    pub fn got(&self) -> Vec<Hook> {
        self.got.lock().unwrap().clone()
    }

    /// Waits until so many arrived.
    pub async fn wait_for(&self, count: usize) -> Vec<Hook> {
        eventually(&format!("{count} requests"), async || self.got().len() >= count).await;
        self.got()
    }
}

async fn take(State(server): State<HookServer>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    server.got.lock().unwrap().push(Hook { line: format!("{method} {uri}"), headers, body });
    server.answer.lock().unwrap().clone().into_response()
}
