//! The watchdog itself: cut off, in peace, without configuration, with just the rights of its manifest.

use std::{
    io::Write,
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use tempfile::NamedTempFile;

use crate::{
    cluster::Lab,
    outage::{Outage, QUIET, end},
    watch::{QUICK, Setup, Watch, eventually},
};

/// A healthy cluster is watched for so long: six rounds of probes.
const PEACE: Duration = Duration::from_secs(30);
/// Leases have been read by then.
const LEASES_WITHIN: Duration = Duration::from_secs(30);

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn cut_off_it_accuses_nobody() {
    let lab = Lab::take();
    let mut watch = Watch::seeing_all(&lab);
    Outage {
        acts: &[&["cut", "wd"]],
        alert: "WatchdogCutOff",
        says: &["the watchdog itself is cut off"],
        within: QUICK,
        lasts: QUIET,
        shows: &[("dogwatch_vantage_ok", &[], 0.0)],
    }
    .begin(&mut watch);
    // Longer than any confirmation takes.
    sleep(QUICK * 2);
    let metrics = watch.metrics();
    assert_eq!(metrics.count("dogwatch_target_state", &[("state", "down")]), 0, "nobody is accused");
    assert_eq!(watch.told().len(), 2, "nothing more is told: {:#?}", watch.told());
    watch.act(&["join", "wd"]);
    eventually(QUICK, "dogwatch_vantage_ok 1", || {
        (watch.metrics().value("dogwatch_vantage_ok", &[]) == Some(1.0)).then_some(())
    });
    end(watch);
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn a_healthy_cluster_is_quiet() {
    let lab = Lab::take();
    let watch = Watch::seeing_all(&lab);
    sleep(PEACE);
    let told = watch.told();
    assert!(told.is_empty(), "{told:#?}");
    watch.wait_until_all_up();
    promtool_finds_nothing(&watch.scrape().unwrap());
    watch.stop();
}

fn promtool_finds_nothing(exposition: &str) {
    let mut command = Command::new("promtool");
    let command =
        command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = command.spawn().expect("promtool, of the Debian package prometheus");
    promtool.stdin.take().unwrap().write_all(exposition.as_bytes()).unwrap();
    let done = promtool.wait_with_output().unwrap();
    let found = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && found.is_empty(), "promtool check metrics: {found}");
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn with_a_kubeconfig_alone_it_finds_everything() {
    let lab = Lab::take();
    // Three etcd members too: without certificates, by their metrics port.
    let watch = Watch::start(&lab, Setup::Zero(&lab.pki("watchdog.kubeconfig")));
    watch.wait_until_all_up();
    watch.stop();
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn the_rights_of_the_manifest_suffice_and_are_the_least() {
    let lab = Lab::take();
    let admin = lab.pki("admin.kubeconfig");
    let get = |what| lab.kubectl(&admin, &["-n", "dogwatch", "get", "secret", "dogwatch", "-o", what]);
    let token = eventually(QUIET, "the token in the Secret", || {
        Some(get("go-template={{.data.token | base64decode}}")).filter(|t| t.starts_with("ey"))
    });
    let mut kubeconfig = NamedTempFile::new().unwrap();
    write!(
        kubeconfig,
        "{{apiVersion: v1, kind: Config, current-context: lab, users: [{{name: t, user: {{token: {token}}}}}],
          clusters: [{{name: lab, cluster: {{server: \"https://10.99.0.1:6443\", certificate-authority: {}}}}}],
          contexts: [{{name: lab, context: {{cluster: lab, user: t}}}}]}}",
        lab.pki("ca.crt").display()
    )
    .unwrap();
    let watch = Watch::start(&lab, Setup::Configured(kubeconfig.path()));
    watch.wait_until_all_up();
    eventually(LEASES_WITHIN, "all leases read", || {
        let metrics = watch.metrics();
        let nodes = metrics.len("dogwatch_node_lease_age_seconds", &[]);
        let leaders = metrics.len("dogwatch_leader_lease_age_seconds", &[]);
        ((nodes, leaders) == (2, 2)).then_some(())
    });
    assert_eq!(watch.metrics().len("dogwatch_kubelet_info", &[("via", "direct"), ("direct_status", "200")]), 2);
    watch.stop();
    for namespace in ["default", "kube-system", "kube-node-lease", "dogwatch"] {
        assert_reads_only(
            &lab.kubectl(kubeconfig.path(), &["-n", namespace, "auth", "can-i", "--list", "--no-headers"]),
        );
    }
    for secret in ["secrets", "configmaps", "pods", "nodes/exec"] {
        let answer = lab.kubectl_as(kubeconfig.path()).args(["auth", "can-i", "get", secret, "-A"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), "no", "get {secret}");
    }
}

/// Lines like `nodes   []   []   [list]`. Everybody may ask about his own rights, and watch the trust bundles.
fn assert_reads_only(rights: &str) {
    assert!(rights.contains("[get]"), "no rights at all: {rights}");
    for line in rights.lines().filter(|l| !l.starts_with("selfsubject")) {
        let verbs = line.rsplit_once('[').map_or("", |(_, verbs)| verbs.trim_end_matches(']'));
        let reads = verbs.split(' ').all(|verb| ["get", "list", "watch"].contains(&verb));
        assert!(reads, "more than reading: {line}");
    }
}
