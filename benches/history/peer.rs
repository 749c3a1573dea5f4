//! A real Prometheus with the same samples.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use dogwatch::{model::Labels, pack::Points};

/// One series in OpenMetrics' text.
pub fn write(out: &mut impl Write, labels: &Labels, points: &Points) {
    for (at, value) in points.at_ms.iter().zip(&points.values) {
        writeln!(out, "{labels} {value} {}.{:03}", at / 1_000, at % 1_000).unwrap();
    }
}

/// Blocks of what `fill` writes, made by promtool, in a directory for a Prometheus.
pub fn blocks(dir: &Path, block: &str, fill: impl FnOnce(&mut BufWriter<File>)) -> PathBuf {
    let text = dir.join("samples.om");
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&text).unwrap());
    fill(&mut out);
    writeln!(out, "# EOF").unwrap();
    out.flush().unwrap();
    drop(out);
    let data = dir.join("data");
    let made = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics", "--quiet", "--max-block-duration", block])
        .args([&text, &data])
        .stdout(Stdio::null())
        .status()
        .expect("promtool: install Debian's prometheus");
    assert!(made.success(), "promtool could not make blocks");
    std::fs::remove_file(&text).unwrap();
    data
}

/// A running Prometheus, ended when dropped.
pub struct Prometheus {
    child: Child,
    pub url: String,
}

impl Prometheus {
    /// Starts one on blocks and waits until it is ready.
    pub fn start(data: &Path) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = data.join("prometheus.yml");
        std::fs::write(&config, "scrape_configs: []\n").unwrap();
        let program = std::env::var("PROMETHEUS").unwrap_or_else(|_| "prometheus".into());
        let child = Command::new(program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(["--storage.tsdb.retention.time=100y", "--log.level=error"])
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus: install Debian's prometheus");
        let url = format!("http://127.0.0.1:{port}");
        let peer = Self { child, url };
        let ready = || Command::new("curl").args(["-sf", &format!("{}/-/ready", peer.url)]).output().unwrap();
        while !ready().status.success() {
            std::thread::sleep(Duration::from_millis(50));
        }
        peer
    }

    /// Resident memory in bytes, its peak.
    pub fn peak_bytes(&self) -> u64 {
        peak_bytes(self.child.id())
    }
}

/// The most memory that a process has had, in bytes.
pub fn peak_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1_024
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
