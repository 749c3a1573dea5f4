//! The watchdog under test: the real binary on the lab's host `wd`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tempfile::TempDir;

use crate::{
    cluster::{Lab, output},
    exposition::Exposition,
    sink::{Message, Sink, Way},
};

/// Half of the defaults, to keep the tests short; every limit below follows from them.
pub const INTERVAL: Duration = Duration::from_secs(5);
pub const TIMEOUT: Duration = Duration::from_secs(3);
/// A message is delivered by so long after the verdict.
const DELIVERY: Duration = Duration::from_secs(2);
/// What confirming takes after the first failed probe.
const CONFIRMATION: Duration = Duration::from_secs(3);
/// An outage that fails quickly is told within this.
pub const QUICK: Duration = INTERVAL.saturating_add(CONFIRMATION).saturating_add(DELIVERY);
/// An outage that is silent is told within this.
pub const SILENT: Duration = QUICK.saturating_add(TIMEOUT);
/// Discovery, and two probes of everything.
const SEEN_WITHIN: Duration = Duration::from_secs(60);
/// The machine runs a whole cluster besides.
const START_WITHIN: Duration = Duration::from_secs(20);
/// The limit after SIGTERM.
const STOP_WITHIN: Duration = Duration::from_secs(5);
const LISTEN: &str = "127.0.0.1:9559";
/// Of a log, when a test has failed.
const LOG_LINES: usize = 300;

/// What the whole lab consists of: `(job, targets)`.
pub const WHOLE: [(&str, usize); 6] = [
    ("kube-apiserver", 3),
    ("etcd", 3),
    ("kube-scheduler", 3),
    ("kube-controller-manager", 3),
    ("kubelet", 2),
    ("kube-proxy", 2),
];

/// How the watchdog is told what to watch.
pub enum Setup<'a> {
    /// By a configuration with etcd's certificates and the receivers, and this kubeconfig. Warnings are told at once, to
    /// keep the tests short.
    Configured(&'a Path),
    /// The same, but warnings are told when they last, as without a word about it.
    Delivered(&'a Path),
    /// The same, with this kubeconfig and this rule file instead of the built-in rules.
    Ruled(&'a Path, &'a Path),
    /// As the first, with the flight recorder.
    Recording(&'a Path),
    /// As the first, with a token that it renews.
    Renewing(&'a Path),
    /// As the first, with this `canary:`.
    Canary(&'a Path, &'a str),
    /// By `$KUBECONFIG` and nothing else.
    Zero(&'a Path),
}

/// A running watchdog with its receivers.
pub struct Watch<'a> {
    lab: &'a Lab,
    dir: TempDir,
    kubeconfig: Option<PathBuf>,
    process: Child,
    sink: Sink,
    begun: Timestamp,
    acts: Vec<(Timestamp, String)>,
}

impl<'a> Watch<'a> {
    /// Starts it as most tests want it: with the lab's kubeconfig, and waits until everything is up.
    pub fn seeing_all(lab: &'a Lab) -> Self {
        let watch = Self::start(lab, Setup::Configured(&lab.pki("watchdog.kubeconfig")));
        watch.wait_until_all_up();
        watch
    }

    /// The same, with warnings told as whoever configures nothing about it has it.
    pub fn as_delivered(lab: &'a Lab) -> Self {
        let watch = Self::start(lab, Setup::Delivered(&lab.pki("watchdog.kubeconfig")));
        watch.wait_until_all_up();
        watch
    }

    /// Starts it, without waiting for what it sees.
    pub fn start(lab: &'a Lab, setup: Setup<'_>) -> Self {
        let dir = TempDir::with_prefix("dogwatch-lab-").unwrap();
        let sink = Sink::start(lab, dir.path());
        let kubeconfig = match &setup {
            Setup::Configured(kubeconfig)
            | Setup::Recording(kubeconfig)
            | Setup::Renewing(kubeconfig)
            | Setup::Delivered(kubeconfig)
            | Setup::Ruled(kubeconfig, _)
            | Setup::Canary(kubeconfig, _) => {
                let mut text = configuration(lab, kubeconfig, &sink);
                // Two clusters and two unoptimised watchdogs on two processors: who needs no recorder leaves it out.
                if !matches!(setup, Setup::Delivered(_) | Setup::Recording(_)) {
                    text = text.replace("    scrape:", "    recorder: {enabled: false}\n    scrape:");
                }
                if matches!(setup, Setup::Recording(_)) {
                    text = text.replace("    scrape:", "    state_metrics: true\n    scrape:");
                }
                if matches!(setup, Setup::Renewing(_)) {
                    text = text.replace("    scrape:", "    renew_token: true\n    scrape:");
                }
                match &setup {
                    Setup::Ruled(_, rules) => text += &format!("rule_files: [{}]\n", rules.display()),
                    Setup::Canary(_, canary) => {
                        text = text.replace("    scrape:", &format!("    canary: {canary}\n    scrape:"));
                        text += "tell_warnings_after: 0s\n";
                    }
                    Setup::Configured(_) | Setup::Recording(_) | Setup::Renewing(_) => {
                        text += "tell_warnings_after: 0s\n"
                    }
                    Setup::Delivered(_) | Setup::Zero(_) => {}
                }
                fs::write(dir.path().join("dogwatch.yml"), text).unwrap();
                None
            }
            Setup::Zero(kubeconfig) => Some((*kubeconfig).to_owned()),
        };
        let process = spawn(lab, dir.path(), kubeconfig.as_deref());
        let watch = Self { lab, dir, kubeconfig, process, sink, begun: Timestamp::now(), acts: Vec::new() };
        eventually(START_WITHIN, "the watchdog's /metrics", || watch.scrape());
        watch
    }

    /// Does something to the lab, and gives the time of it.
    pub fn act(&mut self, what: &[&str]) -> Timestamp {
        let at = Timestamp::now();
        self.acts.push((at, what.join(" ")));
        self.lab.act(what);
        at
    }

    /// Kills it with no chance to say goodbye and starts it again on the same directory.
    pub fn crash_and_restart(&mut self) {
        self.acts.push((Timestamp::now(), "the watchdog is killed and started again".into()));
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = spawn(self.lab, self.dir.path(), self.kubeconfig.as_deref());
        eventually(START_WITHIN, "the watchdog's /metrics again", || self.scrape());
    }

    /// /metrics, now.
    pub fn metrics(&self) -> Exposition {
        Exposition::parse(&self.scrape().expect("/metrics can't be had"))
    }

    /// /metrics as text; `None`: nobody answers.
    pub fn scrape(&self) -> Option<String> {
        let url = format!("http://{LISTEN}/metrics");
        let done = self.lab.on("wd").args(["curl", "-sf", "-m", "5", &url]).output().unwrap();
        done.status.success().then(|| String::from_utf8(done.stdout).unwrap())
    }

    /// How many targets of a job are in a state.
    pub fn count(&self, job: &str, state: &str) -> usize {
        self.metrics().count("dogwatch_target_state", &[("job", job), ("state", state)])
    }

    /// Every target of the lab is found and up, and no other.
    pub fn wait_until_all_up(&self) {
        eventually(SEEN_WITHIN, "everything found and up", || {
            let metrics = Exposition::parse(&self.scrape()?);
            let all: usize = WHOLE.iter().map(|(_, n)| n).sum();
            let right = WHOLE
                .iter()
                .all(|(job, n)| metrics.count("dogwatch_target_state", &[("job", job), ("state", "up")]) == *n);
            (right && metrics.len("dogwatch_target_state", &[("state", "up")]) == all).then_some(())
        });
    }

    /// Everything that was told, in order.
    pub fn told(&self) -> Vec<Message> {
        self.sink.messages()
    }

    /// The messages, once there are so many by each way.
    pub fn wait_told(&self, each: usize, within: Duration) -> Vec<Message> {
        let by = |all: &[Message], way| all.iter().filter(|m| m.way == way).count();
        eventually(within, &format!("{each} message(s) by webhook and by mail"), || {
            let told = self.told();
            (by(&told, Way::Webhook) >= each && by(&told, Way::Mail) >= each).then_some(told)
        })
    }

    /// SIGTERM: it ends in time and content.
    pub fn stop(mut self) {
        output(Command::new("kill").args(["-TERM", &self.process.id().to_string()]));
        let status: ExitStatus = eventually(STOP_WITHIN, "the end after SIGTERM", || self.process.try_wait().unwrap());
        assert!(status.success(), "after SIGTERM it exited with {status}");
    }

    fn story(&self) -> String {
        let mut lines: Vec<(Timestamp, String)> =
            self.acts.iter().map(|(at, what)| (*at, format!("do {what}"))).collect();
        lines.extend(self.told().into_iter().map(|m| {
            let end = if m.resolved { "resolved" } else { "firing" };
            (m.at, format!("{:?}: {end}: {} {}", m.way, m.alert, m.says))
        }));
        lines.sort();
        let since = |at: Timestamp| at.duration_since(self.begun).as_secs_f64();
        lines.into_iter().map(|(at, what)| format!("{:8.2} s  {what}\n", since(at))).collect()
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let states = if std::thread::panicking() { self.scrape().unwrap_or_default() } else { String::new() };
        drop(self.process.kill());
        drop(self.process.wait());
        if !std::thread::panicking() {
            return;
        }
        let states: Vec<&str> = states
            .lines()
            .filter(|l| l.starts_with("dogwatch_target_state") && l.ends_with(" 1") || l.starts_with("probe_failure"))
            .collect();
        let log = fs::read_to_string(self.dir.path().join("dogwatch.log")).unwrap_or_default();
        let log: Vec<&str> = log.lines().collect();
        eprintln!(
            "--- log of the watchdog, its end\n{}\n--- verdicts\n{}\n--- what was done and told\n{}---",
            log[log.len().saturating_sub(LOG_LINES)..].join("\n"),
            states.join("\n"),
            self.story()
        );
    }
}

impl Watch<'_> {
    /// Where its data is.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The series that a query finds in the history.
    pub fn query(&self, promql: &str) -> usize {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dogwatch"));
        command.args(["query", "--data-dir"]).arg(self.data()).args(["--output", "json", promql]);
        let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        answer["result"].as_array().map_or(0, Vec::len)
    }
}

fn configuration(lab: &Lab, kubeconfig: &Path, sink: &Sink) -> String {
    let pki = |name| lab.pki(name).display().to_string();
    format!(
        "data_dir: data
listen: {LISTEN}
defaults: {{interval: {}s, timeout: {}s}}
clusters:
  - name: lab
    kubeconfig: {}
    etcd: {{ca_file: {}, cert_file: {}, key_file: {}}}
    scrape: {{interval: 5s, timeout: 4s}}
receivers:
  - name: oncall
    webhook_configs: [{{url: \"http://127.0.0.1:{}/hook\"}}]
    email_configs:
      - {{to: oncall@example.org, from: dogwatch@example.org, smarthost: \"127.0.0.1:{}\", require_tls: false}}
route: {{receiver: oncall}}
",
        INTERVAL.as_secs(),
        TIMEOUT.as_secs(),
        kubeconfig.display(),
        pki("etcd-ca.crt"),
        pki("etcd-client.crt"),
        pki("etcd-client.key"),
        sink.webhook_port,
        sink.smtp_port,
    )
}

/// With a kubeconfig by environment there is no configuration: the directory where it starts has none either.
fn spawn(lab: &Lab, dir: &Path, kubeconfig: Option<&Path>) -> Child {
    let log = fs::File::options().create(true).append(true).open(dir.join("dogwatch.log")).unwrap();
    let mut command = lab.on("wd");
    command.arg(env!("CARGO_BIN_EXE_dogwatch")).args(["run", "--log-format", "text"]);
    command.current_dir(dir).env("HOME", dir).env_remove("KUBECONFIG").env_remove("DOGWATCH_CONFIG");
    match kubeconfig {
        None => command.args(["--config", "dogwatch.yml"]),
        Some(path) => command.args(["--data-dir", "data"]).env("KUBECONFIG", path),
    };
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

/// Waits for something to come about.
pub fn eventually<T>(within: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
