//! The canary in the real cluster: what it measures while all is well, and the layer that it names when one is broken.

use std::time::Duration;

use crate::{
    cluster::Lab,
    watch::{Setup, Watch, eventually},
};

/// Two runs of a pod, the second of which confirms, with all that they wait for.
const WITHIN: Duration = Duration::from_secs(180);
/// What flies: the pod's own program listens on that port.
const CANARY: &str = "{lease: {interval: 5s, timeout: 3s}, pod: {interval: 30s, timeout: 15s, image: \"lab.test/pod:1\", \
                      image_pull_policy: Never, args: [\":8080\"], service: true}}";

/// The same in each node's turn.
const ON_EACH_NODE: &str = "{pod: {interval: 30s, timeout: 15s, image: \"lab.test/pod:1\", image_pull_policy: Never, \
                            args: [\":8080\"], service: true, each: node}}";

/// Whatever else a test has put into the cluster goes when it ends, well or not.
struct Broken<'a> {
    lab: &'a Lab,
    what: &'static str,
}

impl<'a> Broken<'a> {
    fn new(lab: &'a Lab, what: &'static str, manifest: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("dogwatch-canary-{what}-{}.yaml", std::process::id()).replace('/', "-"));
        std::fs::write(&path, manifest).unwrap();
        lab.kubectl(&lab.pki("admin.kubeconfig"), &["apply", "-f", path.to_str().unwrap()]);
        std::fs::remove_file(&path).unwrap();
        Self { lab, what }
    }
}

impl Drop for Broken<'_> {
    fn drop(&mut self) {
        let admin = self.lab.pki("admin.kubeconfig");
        self.lab.kubectl(&admin, &["-n", "dogwatch-canary", "delete", self.what, "canary-test", "--ignore-not-found"]);
    }
}

fn with_rights(lab: &Lab) {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/canary-rbac.yaml");
    lab.kubectl(&lab.pki("admin.kubeconfig"), &["apply", "-f", manifest]);
}

fn flying<'a>(lab: &'a Lab, canary: &str) -> Watch<'a> {
    with_rights(lab);
    let watch = Watch::start(lab, Setup::Canary(&lab.pki("watchdog.kubeconfig"), canary));
    watch.wait_until_all_up();
    watch
}

fn wait_for(watch: &Watch<'_>, promql: &str, series: usize) {
    eventually(WITHIN, promql, || (watch.query(promql) == series).then_some(()));
}

/// Waits until a pod's run has failed at a layer, and the next one on the same node, where each node is visited, has confirmed it.
fn confirmed(watch: &Watch<'_>, layer: &str) {
    let failing = "on (canary, node) dogwatch_canary_failing == 1";
    wait_for(watch, &format!("dogwatch_canary_failure_info{{canary=\"pod\",layer=\"{layer}\"}} and {failing}"), 1);
}

fn objects(lab: &Lab) -> String {
    let of = [
        "-n",
        "dogwatch-canary",
        "get",
        "pods,services,leases",
        "-l",
        "app.kubernetes.io/managed-by=dogwatch",
        "-o",
        "name",
    ];
    lab.kubectl(&lab.pki("admin.kubeconfig"), &of)
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn each_stage_is_measured_and_nothing_is_left() {
    let lab = Lab::take();
    let mut watch = flying(&lab, CANARY);
    wait_for(&watch, "dogwatch_canary_success == 1", 2);
    for stage in ["watched", "read"] {
        wait_for(&watch, &format!("dogwatch_canary_stage_duration_seconds{{canary=\"lease\",stage=\"{stage}\"}}"), 3);
    }
    wait_for(&watch, "dogwatch_canary_stage_duration_seconds{canary=\"pod\"}", 7);
    // Killed in the middle of a run, as likely as not; what is left then goes at the next start.
    watch.crash_and_restart();
    wait_for(&watch, "dogwatch_canary_success == 1", 2);
    watch.stop();
    assert_eq!(objects(&lab).trim(), "");
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn quota_admission_and_scheduler_are_named() {
    let lab = Lab::take();
    let mut watch = flying(&lab, CANARY);
    wait_for(&watch, "dogwatch_canary_success == 1", 2);
    {
        let none = "{apiVersion: v1, kind: ResourceQuota, metadata: {name: canary-test, namespace: dogwatch-canary}, spec: {hard: {pods: \"0\"}}}";
        let _quota = Broken::new(&lab, "resourcequota", none);
        confirmed(&watch, "quota");
    }
    {
        let hook = "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: canary-test}, \
                    webhooks: [{name: nobody.example.org, failurePolicy: Fail, sideEffects: None, admissionReviewVersions: [v1], timeoutSeconds: 1, \
                    clientConfig: {url: \"https://127.0.0.1:1/\"}, namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: dogwatch-canary}}, \
                    rules: [{apiGroups: [\"\"], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}]}";
        let _hook = Broken::new(&lab, "validatingwebhookconfiguration", hook);
        confirmed(&watch, "admission");
    }
    wait_for(&watch, "dogwatch_canary_success{canary=\"pod\"} == 1", 1);
    for scheduler in ["scheduler-1", "scheduler-2", "scheduler-3"] {
        watch.act(&["kill", scheduler]);
    }
    confirmed(&watch, "scheduler");
    // It follows from what is known already: in the messages it is a line, never a headline.
    let told = watch.told();
    assert!(
        told.iter().all(|m| !m.text.contains("is not scheduled (scheduler)") || m.text.contains("SchedulerNoLeader"))
    );
    watch.act(&["mend"]);
    wait_for(&watch, "dogwatch_canary_success == 1", 2);
    watch.stop();
    assert_eq!(objects(&lab).trim(), "");
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn what_is_broken_on_one_node_is_named_with_its_node() {
    let lab = Lab::take();
    let mut watch = flying(&lab, ON_EACH_NODE);
    wait_for(&watch, "dogwatch_canary_success == 1", 2);
    let broken = [
        (["starve", "n1"], "cni"),
        (["kill", "proxy-1"], "kube_proxy"),
        // Frozen, so that its kubelet takes minutes to call the node not ready.
        (["stop", "containerd-1"], "container_runtime"),
    ];
    for (act, layer) in broken {
        watch.act(&act);
        confirmed(&watch, layer);
        watch.act(&["mend"]);
        wait_for(&watch, "dogwatch_canary_success == 1", 2);
    }
    watch.stop();
    assert_eq!(objects(&lab).trim(), "");
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn a_volume_that_is_never_bound_names_the_storage() {
    let lab = Lab::take();
    let class = "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: canary-test}, provisioner: nobody.example.org}";
    let _class = Broken::new(&lab, "storageclass", class);
    let canary = CANARY.replace("service: true", "storage_class: canary-test");
    let watch = flying(&lab, &canary);
    confirmed(&watch, "csi");
    watch.stop();
    assert_eq!(objects(&lab).trim(), "");
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn an_image_that_nobody_has_names_the_registry() {
    let lab = Lab::take();
    let watch = flying(&lab, "{pod: {interval: 30s, timeout: 15s, image: \"10.99.0.254:5000/nobody/has:1\"}}");
    let (info, failing) =
        ("dogwatch_canary_failure_info{layer=\"registry\",stage=\"pulled\"}", "dogwatch_canary_failing == 1");
    wait_for(&watch, &format!("{info} and on (canary) {failing}"), 1);
    watch.stop();
    assert_eq!(objects(&lab).trim(), "");
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn a_write_that_a_webhook_refuses_is_told_though_reads_are_green() {
    let lab = Lab::take();
    let dry_run = "{lease: {interval: 60s}}\n    dry_run: {interval: 5s, timeout: 3s, namespace: dogwatch-canary}";
    let watch = flying(&lab, dry_run);
    wait_for(&watch, "dogwatch_canary_success{canary=\"dry_run\"} == 1", 1);
    {
        let hook = "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: canary-test}, \
                    webhooks: [{name: leases.example.org, failurePolicy: Fail, sideEffects: None, admissionReviewVersions: [v1], timeoutSeconds: 1, \
                    clientConfig: {url: \"https://127.0.0.1:1/\"}, namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: dogwatch-canary}}, \
                    rules: [{apiGroups: [coordination.k8s.io], apiVersions: [v1], operations: [CREATE], resources: [leases]}]}]}";
        let _hook = Broken::new(&lab, "validatingwebhookconfiguration", hook);
        let told = watch.wait_told(1, WITHIN);
        assert!(
            told.iter().all(|m| m.says.contains("a dry run of a Lease") && m.text.contains("leases.example.org")),
            "{told:#?}"
        );
    }
    wait_for(&watch, "dogwatch_canary_success{canary=\"dry_run\"} == 1", 1);
    watch.stop();
    assert_eq!(objects(&lab).trim(), "");
}
