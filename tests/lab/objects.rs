//! Faults that only the cluster's objects tell: each is one message with its name, and one when it is over.

use std::{path::PathBuf, process::Command, time::Duration};

use jiff::Timestamp;

use crate::{
    cluster::Lab,
    sink::Way,
    watch::{Setup, Watch, eventually},
};

/// An object is on record some seconds after it changed; half a minute is what most rules wait for.
const TOLD_WITHIN: Duration = Duration::from_secs(90);
/// After the fault is gone.
const OVER_WITHIN: Duration = Duration::from_secs(90);
const RECORDED_WITHIN: Duration = Duration::from_secs(40);

/// Objects that go when the test ends, well or not.
struct Made<'a> {
    lab: &'a Lab,
    file: tempfile::NamedTempFile,
}

impl<'a> Made<'a> {
    fn new(lab: &'a Lab, manifest: &str) -> Self {
        let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
        std::fs::write(file.path(), manifest).unwrap();
        lab.kubectl(&admin(lab), &["apply", "-f", file.path().to_str().unwrap()]);
        Self { lab, file }
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        let delete = ["delete", "--ignore-not-found", "--wait=false", "-f", self.file.path().to_str().unwrap()];
        drop(self.lab.kubectl_as(&admin(self.lab)).args(delete).output());
    }
}

fn admin(lab: &Lab) -> PathBuf {
    lab.pki("admin.kubeconfig")
}

/// The n-th outage is told with this name, within its time.
fn told(watch: &Watch<'_>, n: usize, alert: &str, says: &str, begun: Timestamp) {
    let fires = || watch.told().into_iter().filter(|m| m.way == Way::Webhook && !m.resolved).collect::<Vec<_>>();
    let all = eventually(TOLD_WITHIN * 2, &format!("{alert} is told"), || {
        let all = fires();
        (all.len() >= n).then_some(all)
    });
    assert_eq!(all.len(), n, "one message each, not {all:#?}");
    let m = &all[n - 1];
    assert!(m.alert == alert && m.says.contains(says), "{alert} {says:?} is not {m:?}");
    let took = Duration::try_from(m.at.duration_since(begun)).unwrap_or_default();
    assert!(took <= TOLD_WITHIN, "{alert} was told after {took:?}");
}

fn over(watch: &Watch<'_>, n: usize) {
    eventually(OVER_WITHIN, &format!("the end of the {n}. outage"), || {
        (watch.told().iter().filter(|m| m.way == Way::Webhook && m.resolved).count() >= n).then_some(())
    });
}

fn recorded(watch: &Watch<'_>, words: &str) {
    let data = watch.data().display().to_string();
    eventually(RECORDED_WITHIN, &format!("{words} is on record"), || {
        let said = ["workloads", "nodes"].map(|kind| {
            let mut asked = Command::new(env!("CARGO_BIN_EXE_dogwatch"));
            asked.args(["state", "lab", kind, "--data-dir", &data, "-o", "json"]);
            String::from_utf8(asked.output().unwrap().stdout).unwrap()
        });
        said.iter().any(|s| s.contains(words)).then_some(())
    });
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn what_only_objects_tell_is_named_one_by_one() {
    let lab = Lab::take();
    let watch = Watch::start(&lab, Setup::Recording(&lab.pki("watchdog.kubeconfig")));
    watch.wait_until_all_up();
    let namespace = Made::new(&lab, "{apiVersion: v1, kind: Namespace, metadata: {name: objects-test}}");
    recorded(&watch, "web");

    // What is recorded is there under kube-state-metrics' names, too.
    for series in
        ["kube_daemonset_status_number_ready{daemonset=\"web\"} > 0", "kube_pod_status_phase{phase=\"Running\"} == 1"]
    {
        eventually(RECORDED_WITHIN * 2, series, || (watch.query(series) > 0).then_some(()));
    }

    // A webhook that must be asked, with nothing behind it.
    let begun = Timestamp::now();
    let webhook = Made::new(
        &lab,
        "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: objects-test}, \
         webhooks: [{name: validate.objects.test, failurePolicy: Fail, sideEffects: None, admissionReviewVersions: [v1], timeoutSeconds: 1, \
         clientConfig: {service: {namespace: objects-test, name: policy}}, \
         namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: objects-test}}, \
         rules: [{apiGroups: [\"\"], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]}]}",
    );
    told(&watch, 1, "WebhookFailing", "validate.objects.test", begun);
    drop(webhook);
    over(&watch, 1);

    // A rollout to an image that nobody has.
    let shop = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: shop, namespace: objects-test}, spec: {replicas: 2, \
                selector: {matchLabels: {app: shop}}, template: {metadata: {labels: {app: shop}}, spec: {\
                nodeSelector: {lab.test/runs: pods}, terminationGracePeriodSeconds: 1, automountServiceAccountToken: false, \
                tolerations: [{operator: Exists}], \
                containers: [{name: shop, image: \"IMAGE\", args: [\":8080\"], imagePullPolicy: IfNotPresent}]}}}}";
    let good = Made::new(&lab, &shop.replace("IMAGE", "lab.test/pod:1"));
    lab.kubectl(&admin(&lab), &["-n", "objects-test", "rollout", "status", "deployment/shop", "--timeout=60s"]);
    let begun = Timestamp::now();
    let bad = Made::new(&lab, &shop.replace("IMAGE", "10.99.0.254:5000/shop:2"));
    told(&watch, 2, "RolloutFailing", "10.99.0.254:5000/shop:2", begun);
    drop(bad);
    drop(good);
    over(&watch, 2);

    // The cluster's DNS, scaled to nothing.
    let dns = Made::new(
        &lab,
        "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Service, metadata: {name: kube-dns, namespace: kube-system}, \
         spec: {selector: {k8s-app: kube-dns}, ports: [{port: 53, targetPort: 8080}]}}, \
         {apiVersion: apps/v1, kind: Deployment, metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}, \
         spec: {replicas: 2, selector: {matchLabels: {k8s-app: kube-dns}}, template: {metadata: {labels: {k8s-app: kube-dns}}, \
         spec: {nodeSelector: {lab.test/runs: pods}, terminationGracePeriodSeconds: 1, automountServiceAccountToken: false, \
         tolerations: [{operator: Exists}], \
         containers: [{name: dns, image: \"lab.test/pod:1\", imagePullPolicy: Never, args: [\":8080\"]}]}}}}]}",
    );
    let coredns = |command: &[&str]| lab.kubectl(&admin(&lab), &[&["-n", "kube-system"], command].concat());
    coredns(&["rollout", "status", "deployment/coredns", "--timeout=60s"]);
    let begun = Timestamp::now();
    coredns(&["scale", "deployment/coredns", "--replicas=0"]);
    told(&watch, 3, "ClusterDnsDown", "scaled from 2 to 0", begun);
    coredns(&["scale", "deployment/coredns", "--replicas=2"]);
    over(&watch, 3);
    drop(dns);

    // A Node object that is deleted while all is well with it.
    let ghost = "{apiVersion: v1, kind: Node, metadata: {name: ghost}, status: {conditions: [{type: Ready, status: \"True\", reason: KubeletReady, \
         message: ready, lastHeartbeatTime: null, lastTransitionTime: null}]}}";
    let node = Made::new(&lab, ghost);
    recorded(&watch, "ghost");
    let begun = Timestamp::now();
    drop(node);
    told(&watch, 4, "NodeDeleted", "ghost", begun);
    let node = Made::new(&lab, ghost);
    over(&watch, 4);

    // A burst of evictions.
    let begun = Timestamp::now();
    let event = |i: usize| {
        format!(
            "{{apiVersion: events.k8s.io/v1, kind: Event, metadata: {{name: e{i}, namespace: objects-test}}, type: Warning, reason: Evicted, \
             action: Evicting, reportingController: kubelet, reportingInstance: n1, eventTime: \"{begun:.6}\", \
             note: \"The node was low on resource: memory. Threshold quantity: 100Mi.\", \
             regarding: {{kind: Pod, namespace: objects-test, name: p{i}}}}}"
        )
    };
    let events: Vec<String> = (0..200).map(event).collect();
    let events = Made::new(&lab, &format!("{{apiVersion: v1, kind: List, items: [{}]}}", events.join(", ")));
    // Warnings are told at once here, so that the first ten are told before there are two hundred.
    eventually(TOLD_WITHIN, "the evictions are told", || {
        let told = |m: &crate::sink::Message| m.alert == "PodsEvicted" && m.says.contains("low on resource: memory");
        watch.told().iter().any(told).then_some(())
    });
    drop(events);
    watch.stop();
    drop(node);
    drop(namespace);
}
