//! The objects of the pod form, as they are sent to the API server. Pure.
//!
//! Invariants: everything bears the canary's name and labels; nothing runs with more rights than the strictest profile of
//! PodSecurity allows, nor with a token; a pod ends by itself, if nobody deletes it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{discover::config::PodCanary, model::CanaryPlace};

/// Who nobody is, in most images.
const NOBODY: u32 = 65_534;
/// A pod lives no longer than this many of its stages may take …
const STAGES: u32 = 9;
/// … and as long again as it takes to be noticed.
const GRACE: Duration = Duration::from_secs(60);

/// Writes to the volume, and reads it again.
const VOLUME: &str = r#"set -e; echo "$0" >/volume/dogwatch; sync; test "$(cat /volume/dogwatch)" = "$0""#;
/// Looks up the API servers' own name, in whatever domain this cluster has.
const DNS: &str = r#"d=$(sed -n 's/^search [^ ]* \(svc\.[^ ]*\).*/\1/p' /etc/resolv.conf); nslookup "kubernetes.default.${d:-svc.cluster.local}.""#;
/// Answers with its name, by busybox's httpd.
const SERVE: &str = r#"echo "$0" >/canary/index.html; exec httpd -f -p "$1" -h /canary"#;
/// Is there.
const WAIT: &str = "exec sleep 86400";

/// Returns the pod.
pub(super) fn pod(name: &str, labels: &Value, config: &PodCanary, place: &CanaryPlace) -> Value {
    let mut selector = json!({"kubernetes.io/os": "linux"});
    for (key, value) in &config.node_selector {
        selector[key] = json!(value);
    }
    let mut spec = json!({
        "restartPolicy": "Never",
        "activeDeadlineSeconds": (config.timeout * STAGES + GRACE).as_secs(),
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "securityContext": {
            "runAsNonRoot": true, "runAsUser": NOBODY, "runAsGroup": NOBODY, "fsGroup": NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": [{"name": "canary", "emptyDir": {"sizeLimit": "1Mi"}}],
        "initContainers": init(name, config),
        "containers": [main(name, config)],
    });
    match place {
        CanaryPlace::Anywhere => {}
        CanaryPlace::Zone(zone) => selector["topology.kubernetes.io/zone"] = json!(zone),
        // By the field and through the scheduler, as a DaemonSet's pods are.
        CanaryPlace::Node(node) => {
            let field = json!({"key": "metadata.name", "operator": "In", "values": [node]});
            let terms = json!([{"matchFields": [field]}]);
            spec["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}});
        }
    }
    spec["nodeSelector"] = selector;
    if let Some(class) = &config.runtime_class {
        spec["runtimeClassName"] = json!(class);
    }
    if let Some(secret) = &config.image_pull_secret {
        spec["imagePullSecrets"] = json!([{"name": secret}]);
    }
    if let (Some(_), Some(volumes)) = (&config.storage_class, spec["volumes"].as_array_mut()) {
        volumes.push(json!({"name": "volume", "persistentVolumeClaim": {"claimName": name}}));
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec})
}

/// Stages that run before the pod itself, one after the other.
fn init(name: &str, config: &PodCanary) -> Vec<Value> {
    let mut all = Vec::new();
    if config.storage_class.is_some() {
        let mut volume = container("volume", config, &["sh", "-c", VOLUME, name]);
        volume["volumeMounts"] = json!([{"name": "volume", "mountPath": "/volume"}]);
        all.push(volume);
    }
    if config.dns {
        all.push(container("dns", config, &["sh", "-c", DNS]));
    }
    all
}

fn main(name: &str, config: &PodCanary) -> Value {
    let port = config.port.to_string();
    let own = !config.command.is_empty() || !config.args.is_empty();
    let mut main = match (own, config.service) {
        (false, true) => container("canary", config, &["sh", "-c", SERVE, name, &port]),
        (false, false) if config.has_shell() => container("canary", config, &["sh", "-c", WAIT]),
        _ => container("canary", config, &[]),
    };
    if !config.command.is_empty() {
        main["command"] = json!(config.command);
    }
    if !config.args.is_empty() {
        main["args"] = json!(config.args);
    }
    main["volumeMounts"] = json!([{"name": "canary", "mountPath": "/canary"}]);
    if config.service {
        main["ports"] = json!([{"containerPort": config.port}]);
        main["readinessProbe"] = json!({"tcpSocket": {"port": config.port}, "periodSeconds": 1, "timeoutSeconds": 1});
    }
    main
}

fn container(name: &str, config: &PodCanary, command: &[&str]) -> Value {
    let mut container = json!({
        "name": name,
        "image": config.image,
        "imagePullPolicy": config.image_pull_policy,
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "500m", "memory": "64Mi"}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
    });
    if !command.is_empty() {
        container["command"] = json!(command);
    }
    container
}

/// Returns the Service that leads to it from outside; its port is the API server's choice.
pub(super) fn service(name: &str, labels: &Value, config: &PodCanary) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": labels},
        "spec": {"type": "NodePort", "selector": labels, "ports": [{"port": 80, "targetPort": config.port}]},
    })
}

/// Returns the claim of its volume.
pub(super) fn claim(name: &str, labels: &Value, config: &PodCanary) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "labels": labels},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": config.storage_class,
            "resources": {"requests": {"storage": config.volume_size}},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_has_what_is_asked_for_and_no_rights() {
        let config = PodCanary {
            image: "busybox".into(),
            node_selector: [("disk".to_owned(), "ssd".to_owned())].into(),
            runtime_class: Some("gvisor".into()),
            storage_class: Some("fast".into()),
            image_pull_secret: Some("pull".into()),
            service: true,
            dns: true,
            ..PodCanary::default()
        };
        let labels = json!({"a": "b"});
        let made = pod("c", &labels, &config, &CanaryPlace::Zone("z".into()));
        let at = |pointer: &str| made.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!(at("/spec/nodeSelector/topology.kubernetes.io~1zone"), "z");
        assert_eq!(at("/spec/nodeSelector/disk"), "ssd");
        assert_eq!(at("/spec/initContainers/0/name"), "volume");
        assert_eq!(at("/spec/initContainers/1/name"), "dns");
        assert_eq!(at("/spec/volumes/1/persistentVolumeClaim/claimName"), "c");
        assert_eq!(at("/spec/runtimeClassName"), "gvisor");
        assert_eq!(at("/spec/imagePullSecrets/0/name"), "pull");
        assert_eq!(at("/spec/containers/0/imagePullPolicy"), "Always");
        assert_eq!(at("/spec/terminationGracePeriodSeconds"), 0);
        assert_eq!(at("/spec/activeDeadlineSeconds"), 600);
        for container in ["/spec/initContainers/0", "/spec/initContainers/1", "/spec/containers/0"] {
            assert_eq!(at(&format!("{container}/securityContext/capabilities/drop/0")), "ALL");
        }
        let plain = PodCanary { image: "pause".into(), ..PodCanary::default() };
        let made = pod("c", &labels, &plain, &CanaryPlace::Node("n1".into()));
        assert!(made.pointer("/spec/containers/0/command").is_none(), "the image's own");
        let field = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0";
        assert_eq!(made.pointer(field).unwrap(), "n1");
        assert_eq!(service("c", &labels, &config).pointer("/spec/selector/a").unwrap(), "b");
        assert_eq!(claim("c", &labels, &config).pointer("/spec/storageClassName").unwrap(), "fast");
    }
}
