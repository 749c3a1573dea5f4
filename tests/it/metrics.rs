//! `/metrics` as scrapers read it.

use std::{
    io::Write,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use dogwatch::{
    http::metrics::{Format, Picture, exposition},
    model::{Live, LiveState, Reason},
    telemetry::{ClusterLabels, Metrics, NotificationLabels, ProbeLabels, process::Process},
};

use super::http::picture;

fn busy() -> Metrics {
    let m = Metrics::new();
    m.probes.get_or_create(&ProbeLabels { job: "etcd", outcome: ProbeLabels::SUCCESS }).inc_by(40);
    m.probes.get_or_create(&ProbeLabels { job: "etcd", outcome: Reason::Refused.as_str() }).inc_by(3);
    m.probes.get_or_create(&ProbeLabels { job: "kubelet", outcome: ProbeLabels::SUCCESS }).inc_by(2);
    m.notifications
        .get_or_create(&NotificationLabels { receiver: "ops/email[0]".to_owned(), outcome: "delivered" })
        .inc();
    m.discovery_failures.get_or_create(&ClusterLabels { cluster: "prod".to_owned() }).inc();
    m.drop_at("store_samples_queue");
    m.store_up.set(1);
    m.schedule_lateness.observe(0.002);
    m
}

fn fixed_process() -> Process {
    Process {
        cpu_seconds: Some(1.25),
        start_time_seconds: Some(1_795_410_359.5),
        resident_bytes: Some(31_457_280.0),
        virtual_bytes: Some(412_000_256.0),
        open_fds: Some(41.0),
        max_fds: Some(20_000.0),
        ..Process::default()
    }
}

fn write(state: LiveState, format: Format) -> String {
    let live = Live::default();
    *live.write() = state;
    exposition(&Picture::take(&live, picture::now()), &busy(), fixed_process(), format)
}

/// promtool comes with Debian's package `prometheus`; README's test command installs it.
#[test]
fn promtool_finds_nothing() {
    for state in [picture::calm(), picture::outage(), picture::huge(50, 5), LiveState::default()] {
        let mut promtool = Command::new(crate::peers::program("promtool"))
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool is needed: apt-get install prometheus");
        promtool.stdin.take().unwrap().write_all(write(state, Format::Text).as_bytes()).unwrap();
        let output = promtool.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
    }
}

#[test]
fn a_calm_cluster_in_full() {
    let mut state = picture::calm();
    state.clusters.remove("prod");
    insta::assert_snapshot!("calm", write(state.clone(), Format::Text));
    let (text, open) = (write(state.clone(), Format::Text), write(state, Format::OpenMetrics));
    let samples = |s: &str| s.lines().filter(|l| !l.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(samples(&text), samples(&open), "both formats tell the same");
}

#[test]
fn five_thousand_kubelets_are_written_quickly() {
    let state = picture::huge(5000, 100);
    let began = Instant::now();
    let text = write(state, Format::OpenMetrics);
    let took = began.elapsed();
    assert!(text.lines().count() > 80_000, "{}", text.lines().count());
    // Without optimisation and on a busy machine; optimised it is about 30 ms.
    assert!(took < Duration::from_secs(5), "{took:?}");
}
