//! The real program on a configuration, reloaded, killed and started again on the same data.

use std::{
    fs::File,
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::eventually::eventually;

/// The token in the file `token`.
pub const TOKEN: &str = "0123456789abcdef-token";

/// A port that is free now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A kubeconfig of a cluster that refuses every connection.
pub const KUBECONFIG: &str = "apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]
users: [{name: u, user: {token: t}}]
";

/// See the module. Ends with the value.
pub struct Watch {
    pub url: String,
    port: u16,
    dir: tempfile::TempDir,
    child: Option<Child>,
    /// `ulimit -n`
    files: Option<u32>,
}

impl Watch {
    /// Starts it; without clusters or heartbeats a heartbeat that is never due is added, since something must be watched.
    pub async fn start(config: &str) -> Self {
        Self::start_limited(config, None).await
    }

    /// The same with so many file descriptors.
    pub async fn start_with_files(config: &str, files: u32) -> Self {
        Self::start_limited(config, Some(files)).await
    }

    async fn start_limited(config: &str, files: Option<u32>) -> Self {
        dogwatch::notify::init();
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut watch = Self { url: format!("http://127.0.0.1:{port}"), port, dir, child: None, files };
        watch.configure(config);
        watch.write("token", TOKEN);
        watch.write("kubeconfig", KUBECONFIG);
        watch.start_again().await;
        watch
    }

    /// Writes a configuration.
    pub fn configure(&self, config: &str) {
        let port = self.port;
        let something = if config.contains("clusters:") || config.contains("heartbeats:") {
            ""
        } else {
            "heartbeats: [{name: never, every: 10000h, token_file: token}]\n"
        };
        // Its own port is proof enough that it sees: this machine's gateway is none of the tests' business.
        let sees = format!("vantage: {{gateway: false, references: ['127.0.0.1:{port}']}}\n");
        let own =
            |key: &str, value: String| if config.contains(key) { String::new() } else { format!("{key} {value}\n") };
        let (data, listen) = (own("data_dir:", "data".into()), own("listen:", format!("127.0.0.1:{port}")));
        self.write("dogwatch.yml", &format!("{data}{listen}{sees}{something}{config}\n"));
    }

    /// Writes a file beside the configuration.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }

    /// Removes one.
    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.dir.path().join(name)).unwrap();
    }

    /// Has it read its configuration anew: status and answer.
    pub async fn reload(&self) -> (u16, String) {
        let answer = reqwest::Client::new().post(format!("{}/-/reload", self.url)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// `kill -HUP`
    pub fn hang_up(&self) {
        let pid = self.child.as_ref().unwrap().id().cast_signed();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGHUP).unwrap();
    }

    /// A value of its own metrics.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let text = reqwest::get(format!("{}/metrics", self.url)).await.ok()?.text().await.ok()?;
        let mut values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        values.next_back()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Starts it on the same data.
    pub async fn start_again(&mut self) {
        let log = File::options().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let limit = self.files.map_or_else(String::new, |files| format!("ulimit -n {files} && "));
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("{limit}exec \"$0\" run -c dogwatch.yml"), env!("CARGO_BIN_EXE_dogwatch")]);
        let command = command.current_dir(self.dir.path());
        let child = command.stdout(log.try_clone().unwrap()).stderr(Stdio::from(log)).spawn().unwrap();
        self.child = Some(child);
        let ready = format!("{}/-/ready", self.url);
        eventually("dogwatch is ready", async || reqwest::get(&ready).await.is_ok_and(|r| r.status() == 200)).await;
    }

    /// `kill -9`
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// The most memory that it has had so far, in bytes.
    pub fn peak_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// Where its data is.
    pub fn data(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    /// Runs a command of it, which must succeed.
    pub fn cli(&self, args: &[&str]) -> String {
        let out = self.command(args);
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    /// Runs a command whose exit status tells how things stand.
    pub fn cli_whatever(&self, args: &[&str]) -> String {
        String::from_utf8(self.command(args).stdout).unwrap()
    }

    fn command(&self, args: &[&str]) -> std::process::Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dogwatch"));
        command.args(args).current_dir(self.dir.path()).output().unwrap()
    }

    /// Posts alerts, which must be taken.
    pub async fn post(&self, alerts: Value) {
        assert_eq!(self.status("/api/v2/alerts", alerts).await, 200);
    }

    /// The status of a POST.
    pub async fn status(&self, path: &str, body: Value) -> u16 {
        let request = reqwest::Client::new().post(format!("{}{path}", self.url)).body(body.to_string());
        request.header("content-type", "application/json").send().await.unwrap().status().as_u16()
    }

    /// The first value of a query's answer.
    pub async fn query(&self, promql: &str) -> Option<f64> {
        let body = reqwest::get(format!("{}/api/v1/query?query={promql}", self.url)).await.ok()?.text().await.ok()?;
        let body: Value = serde_json::from_str(&body).ok()?;
        body["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            #[allow(clippy::print_stderr)] // What a failing test says.
            let () = eprintln!("the watchdog's log, newest first:\n{}", tail.join("\n"));
        }
    }
}
