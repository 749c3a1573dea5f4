//! Whoever reaches the port, or a core dump, takes from the real program neither its time nor its memory nor a secret.

use std::{
    os::unix::process::ExitStatusExt as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::sys::{
    resource::{Resource, getrlimit, setrlimit},
    signal::Signal,
};
use serde_json::json;
use tokio::net::TcpStream;

use crate::alerting::watch::Watch;

/// Unoptimised and among other tests; what is not bounded takes minutes.
const AT_ONCE: Duration = Duration::from_secs(15);

async fn is_healthy(watch: &Watch) -> bool {
    reqwest::get(format!("{}/-/healthy", watch.url)).await.is_ok_and(|r| r.status() == 200)
}

/// As many connections as asked for, where this machine lets a process have so many.
fn files_for(wanted: u64) -> u64 {
    /// Of the other tests in this process.
    const OTHERS: u64 = 2_000;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    wanted.min(hard.saturating_sub(OTHERS)).max(200)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections_keep_nobody_out() {
    let watch = Watch::start("").await;
    let address = watch.url.strip_prefix("http://").unwrap().to_owned();
    let mut idle = Vec::new();
    for _ in 0..files_for(10_000) {
        idle.push(TcpStream::connect(&address).await.unwrap());
    }
    let begun = Instant::now();
    assert!(is_healthy(&watch).await);
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    let open = watch.metric("dogwatch_http_connections").await.unwrap();
    assert!((1.0..=256.0).contains(&open), "{open} of {}", idle.len());
    assert!(watch.peak_bytes() < 400 << 20, "{} MiB", watch.peak_bytes() >> 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_expression_that_anybody_sends_takes_time_or_memory() {
    let watch = Watch::start("").await;
    let bombs = ["(x{1000}){1000}", "((a*)*)*b", "(?i)\\pL{1000}\\pN{1000}", "((((a{100}){100}){100}){100})"];
    let begun = Instant::now();
    for bomb in bombs {
        let silence = json!({"matchers": [{"name": "a", "value": bomb, "isRegex": true}], "createdBy": "x", "comment": "x",
            "startsAt": "2030-01-01T00:00:00Z", "endsAt": "2030-01-02T00:00:00Z"});
        let status = watch.status("/api/v2/silences", silence).await;
        assert!(status == 200 || status == 400, "{bomb}: {status}");
        let get = async |path: &str, name: &str, text: &str| {
            let query = url::form_urlencoded::Serializer::new(String::new()).append_pair(name, text).finish();
            reqwest::get(format!("{}{path}?{query}", watch.url)).await.unwrap().status().as_u16()
        };
        let matcher = format!("a=~{}", json!(bomb));
        for (path, name) in [("/api/v2/alerts", "filter"), ("/api/v2/alerts/groups", "filter")] {
            let status = get(path, name, &matcher).await;
            assert!(status == 200 || status == 400, "{path} {bomb}: {status}");
        }
        let many = vec![matcher.clone(); 20].join(",");
        for (path, name) in [("/api/v1/query", "query"), ("/api/v1/series", "match[]"), ("/federate", "match[]")] {
            let status = get(path, name, &format!("{{b=\"\",{many}}}")).await;
            assert!(status == 200 || status == 400, "{path} {bomb}: {status}");
        }
    }
    assert!(is_healthy(&watch).await);
    // Unoptimised, to weigh an expression takes a hundred times as long.
    assert!(begun.elapsed() < AT_ONCE * 8, "{:?}", begun.elapsed());
    assert!(watch.peak_bytes() < 400 << 20, "{} MiB", watch.peak_bytes() >> 20);
}

/// Whether a process that is aborted in this directory leaves a dump, as far as the system has any.
fn dumps(program: &str, args: &[&str], wait_for: impl Fn() -> bool, dir: &std::path::Path) -> bool {
    let script = "ulimit -c unlimited 2>/dev/null; exec \"$0\" \"$@\"";
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script, program]).args(args).current_dir(dir).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !wait_for() {
        assert!(Instant::now() < deadline, "{program} does not start");
        std::thread::sleep(Duration::from_millis(10));
    }
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(pid, Signal::SIGABRT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(Signal::SIGABRT as i32), "{status}");
    status.core_dumped()
}

#[test]
fn a_crash_leaves_no_core_dump() {
    let dir = tempfile::tempdir().unwrap();
    let port = crate::alerting::watch::free_port();
    let config = format!(
        "data_dir: data\nlisten: 127.0.0.1:{port}\nvantage: {{gateway: false}}\nheartbeats: [{{name: job, every: 1h, \
         token_file: token}}]\n"
    );
    std::fs::write(dir.path().join("dogwatch.yml"), config).unwrap();
    std::fs::write(dir.path().join("token"), crate::alerting::watch::TOKEN).unwrap();
    let listens = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
    let args = ["run", "-c", "dogwatch.yml"];
    assert!(!dumps(env!("CARGO_BIN_EXE_dogwatch"), &args, listens, dir.path()));
    let cores = std::fs::read_dir(dir.path())
        .unwrap()
        .filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().starts_with("core"));
    assert_eq!(cores.count(), 0);
}
