//! Tables for people: what `kubectl get` would show, of any moment.

use jiff::Timestamp;
use serde_json::Value;

use super::object::{Object, Objects};
use crate::model::text;

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns.
    pub header: Vec<&'static str>,
    /// Cells.
    pub rows: Vec<Vec<String>>,
}

/// What can be asked for under one word, and which kinds are read for it; the first words of the contract.
pub const VIEWS: &[(&str, &[&str])] = &[
    ("nodes", &["nodes", "pods"]),
    ("pods", &["pods"]),
    ("workloads", &["deployments", "statefulsets", "daemonsets", "jobs", "cronjobs", "pods"]),
    ("events", &["events"]),
    ("storage", &["persistentvolumeclaims", "persistentvolumes", "pods"]),
    ("services", &["services", "ingresses", "gateways", "httproutes", "endpointslices"]),
];

/// Fields of any other kind that one cell shows.
const FACTS_SHOWN: usize = 6;
/// The longest cell of images or facts, in bytes.
const CELL_MAX: usize = 160;

/// Returns the table of a view, or of a kind; `now` is the moment of the picture.
pub fn of(view: &str, objects: &Objects, now: Timestamp) -> Table {
    let all = |kind: &str| objects.get(kind).map_or(&[] as &[Object], Vec::as_slice);
    match view {
        "nodes" => nodes(all("nodes"), all("pods"), now),
        "pods" => pods(all("pods"), now),
        "workloads" => {
            let kinds = ["deployments", "statefulsets", "daemonsets", "jobs", "cronjobs"];
            workloads(kinds.iter().flat_map(|kind| all(kind)), now)
        }
        "events" => events(all("events"), now),
        "storage" => storage(all("persistentvolumeclaims"), all("persistentvolumes"), all("pods")),
        "services" => services(objects),
        kind => others(all(kind), now),
    }
}

fn age(at: Option<Timestamp>, now: Timestamp) -> String {
    at.filter(|at| *at <= now).map(|at| text::between(at, now)).unwrap_or_default()
}

fn nodes(nodes: &[Object], pods: &[Object], now: Timestamp) -> Table {
    let header = vec!["node", "status", "for", "roles", "pods", "address", "version", "kernel", "os", "runtime"];
    let row = |node: &Object| {
        let ready = ["status", "conditions", "Ready"];
        let mut status = match node.text(&["status", "conditions", "Ready", "status"]) {
            "True" => "Ready".to_owned(),
            "Unknown" => "NotReady (silent)".to_owned(),
            _ => "NotReady".to_owned(),
        };
        if node.at(&["spec", "unschedulable"]) == true {
            status.push_str(", cordoned");
        }
        let since = node.time(&[&ready[..], &["lastTransitionTime"]].concat());
        let labels = node.map(&["metadata", "labels"]);
        let roles: Vec<&str> = labels.filter_map(|(l, _)| l.strip_prefix("node-role.kubernetes.io/")).collect();
        let info = |field: &str| node.text(&["status", "nodeInfo", field]).to_owned();
        let here = pods.iter().filter(|pod| pod.text(&["spec", "nodeName"]) == node.name).count();
        vec![
            node.name.clone(),
            status,
            age(since, now),
            roles.join(","),
            here.to_string(),
            node.text(&["status", "addresses", "InternalIP", "address"]).to_owned(),
            info("kubeletVersion"),
            info("kernelVersion"),
            info("osImage"),
            info("containerRuntimeVersion"),
        ]
    };
    Table { header, rows: nodes.iter().map(row).collect() }
}

/// What `kubectl get pods` calls a pod's status.
pub fn pod_status(pod: &Object) -> String {
    if pod.is_being_deleted() {
        return "Terminating".into();
    }
    let reason = pod.text(&["status", "reason"]);
    if !reason.is_empty() {
        return reason.into();
    }
    let containers = pod.map(&["status", "initContainerStatuses"]).chain(pod.map(&["status", "containerStatuses"]));
    let waits = containers.filter_map(|(_, c)| {
        let state = &c["state"];
        let waiting = state["waiting"]["reason"].as_str().filter(|r| *r != "PodInitializing");
        waiting.or_else(|| state["terminated"]["reason"].as_str().filter(|r| *r != "Completed"))
    });
    let phase = pod.text(&["status", "phase"]);
    match waits.last() {
        Some(reason) if phase != "Succeeded" => reason.to_owned(),
        _ if phase == "Succeeded" => "Completed".into(),
        _ => phase.to_owned(),
    }
}

fn pods(pods: &[Object], now: Timestamp) -> Table {
    let header = vec!["namespace", "pod", "ready", "status", "restarts", "age", "node", "ip"];
    let row = |pod: &Object| {
        let statuses = || pod.map(&["status", "containerStatuses"]);
        let ready = statuses().filter(|(_, c)| c["ready"] == true).count();
        let restarts: u64 = statuses().filter_map(|(_, c)| c["restartCount"].as_u64()).sum();
        vec![
            pod.namespace.clone(),
            pod.name.clone(),
            format!("{ready}/{}", pod.map(&["spec", "containers"]).count()),
            pod_status(pod),
            restarts.to_string(),
            age(pod.made_at(), now),
            pod.text(&["spec", "nodeName"]).to_owned(),
            pod.text(&["status", "podIP"]).to_owned(),
        ]
    };
    Table { header, rows: pods.iter().map(row).collect() }
}

/// How many of a workload are ready, wanted and of the newest form.
pub fn replicas(workload: &Object) -> (u64, u64, u64) {
    let status = |field: &str| workload.number(&["status", field]);
    match workload.resource {
        "daemonsets" => (status("numberReady"), status("desiredNumberScheduled"), status("updatedNumberScheduled")),
        "jobs" => {
            let wanted = workload.at(&["spec", "completions"]).as_u64().unwrap_or(1);
            (status("succeeded"), wanted, wanted)
        }
        // Without a number one is meant.
        _ => {
            let wanted = workload.at(&["spec", "replicas"]).as_u64().unwrap_or(1);
            (status("readyReplicas"), wanted, status("updatedReplicas"))
        }
    }
}

fn workloads<'a>(all: impl Iterator<Item = &'a Object>, now: Timestamp) -> Table {
    let header = vec!["namespace", "workload", "ready", "updated", "age", "images"];
    let row = |workload: &Object| {
        let (ready, wanted, updated) = replicas(workload);
        let (ready, updated) = match workload.resource {
            "cronjobs" => (workload.text(&["spec", "schedule"]).to_owned(), String::new()),
            _ => (format!("{ready}/{wanted}"), updated.to_string()),
        };
        vec![
            workload.namespace.clone(),
            format!("{}/{}", workload.kind.to_ascii_lowercase(), workload.name),
            ready,
            updated,
            age(workload.made_at(), now),
            text::clip(&workload.images().join(" "), CELL_MAX).to_owned(),
        ]
    };
    Table { header, rows: all.map(row).collect() }
}

/// When an event last happened.
pub fn last_seen(event: &Object) -> Option<Timestamp> {
    let places: [&[&str]; 4] = [
        &["series", "lastObservedTime"],
        &["deprecatedLastTimestamp"],
        &["eventTime"],
        &["metadata", "creationTimestamp"],
    ];
    places.iter().find_map(|place| event.time(place))
}

fn events(events: &[Object], now: Timestamp) -> Table {
    let header = vec!["ago", "type", "reason", "times", "object", "what"];
    let mut sorted: Vec<_> = events.iter().map(|event| (last_seen(event), event)).collect();
    sorted.sort_by_key(|(at, _)| *at);
    let row = |(at, event): (Option<Timestamp>, &Object)| {
        let series = event.at(&["series", "count"]).as_u64();
        let times = series.or_else(|| event.at(&["deprecatedCount"]).as_u64()).unwrap_or(1);
        let about = |field: &str| event.text(&["regarding", field]).to_owned();
        let place = [about("namespace"), about("name")].join("/");
        vec![
            age(at, now),
            event.text(&["type"]).to_owned(),
            event.text(&["reason"]).to_owned(),
            times.to_string(),
            format!("{} {}", about("kind").to_ascii_lowercase(), place.trim_matches('/')),
            event.text(&["note"]).to_owned(),
        ]
    };
    Table { header, rows: sorted.into_iter().map(row).collect() }
}

fn storage(claims: &[Object], volumes: &[Object], pods: &[Object]) -> Table {
    let header = vec!["namespace", "claim or volume", "status", "size", "class", "volume", "used by"];
    let claim = |claim: &Object| {
        let uses = |pod: &&Object| pod.namespace == claim.namespace && pod.claims().contains(&claim.name.as_str());
        let users: Vec<&str> = pods.iter().filter(uses).map(|pod| pod.name.as_str()).collect();
        let size = claim.text(&["status", "capacity", "storage"]);
        let size = if size.is_empty() { claim.text(&["spec", "resources", "requests", "storage"]) } else { size };
        vec![
            claim.namespace.clone(),
            claim.name.clone(),
            claim.text(&["status", "phase"]).to_owned(),
            size.to_owned(),
            claim.text(&["spec", "storageClassName"]).to_owned(),
            claim.text(&["spec", "volumeName"]).to_owned(),
            text::clip(&users.join(" "), CELL_MAX).to_owned(),
        ]
    };
    // A volume that is bound stands with its claim.
    let is_loose = |v: &&Object| !claims.iter().any(|claim| claim.text(&["spec", "volumeName"]) == v.name);
    let volume = |v: &Object| {
        vec![
            String::new(),
            v.name.clone(),
            v.text(&["status", "phase"]).to_owned(),
            v.text(&["spec", "capacity", "storage"]).to_owned(),
            v.text(&["spec", "storageClassName"]).to_owned(),
            v.text(&["spec", "csi", "volumeHandle"]).to_owned(),
            String::new(),
        ]
    };
    let rows = claims.iter().map(claim).chain(volumes.iter().filter(is_loose).map(volume)).collect();
    Table { header, rows }
}

/// The host names that an Ingress or a route serves.
pub fn hosts(object: &Object) -> Vec<String> {
    let listed = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    match object.resource {
        "ingresses" => object.map(&["spec", "rules"]).map(|(host, _)| host.clone()).filter(|h| !h.is_empty()).collect(),
        "gateways" => {
            let listeners = object.map(&["spec", "listeners"]);
            listeners.filter_map(|(_, l)| l["hostname"].as_str()).map(str::to_owned).collect()
        }
        _ => listed(object.at(&["spec", "hostnames"])),
    }
}

/// Ready endpoints of a service.
fn endpoints(service: &Object, slices: &[Object]) -> usize {
    let of = |slice: &&Object| {
        slice.namespace == service.namespace
            && slice.text(&["metadata", "labels", "kubernetes.io/service-name"]) == service.name
    };
    let all = slices.iter().filter(of).flat_map(|slice| slice.map(&["endpoints"]));
    all.filter(|(_, e)| e["conditions"]["ready"] != false).count()
}

fn services(objects: &Objects) -> Table {
    let header = vec!["namespace", "service or route", "type", "addresses and hosts", "ports", "ready endpoints"];
    let all = |kind: &str| objects.get(kind).map_or(&[] as &[Object], Vec::as_slice);
    let outside = |o: &Object| -> Vec<String> {
        let balancers = o.at(&["status", "loadBalancer", "ingress"]).as_array().into_iter().flatten();
        balancers.filter_map(|b| b["ip"].as_str().or_else(|| b["hostname"].as_str())).map(str::to_owned).collect()
    };
    let service = |s: &Object| {
        let mut addresses =
            vec![s.text(&["spec", "clusterIP"]).to_owned(), s.text(&["spec", "externalName"]).to_owned()];
        addresses.extend(outside(s));
        addresses.retain(|a| !a.is_empty());
        let ports: Vec<String> = s
            .map(&["spec", "ports"])
            .map(|(port, p)| match p["nodePort"].as_u64() {
                Some(node) => format!("{port}:{node}"),
                None => port.clone(),
            })
            .collect();
        let kind = s.text(&["spec", "type"]).to_owned();
        let ready = endpoints(s, all("endpointslices")).to_string();
        vec![s.namespace.clone(), s.name.clone(), kind, addresses.join(" "), ports.join(" "), ready]
    };
    let route = |r: &Object| {
        let mut addresses = hosts(r);
        addresses.extend(outside(r));
        let hosts = text::clip(&addresses.join(" "), CELL_MAX).to_owned();
        vec![r.namespace.clone(), r.name.clone(), r.kind.to_owned(), hosts, String::new(), String::new()]
    };
    let routes = ["ingresses", "gateways", "httproutes"].into_iter().flat_map(all);
    Table { header, rows: all("services").iter().map(service).chain(routes.map(route)).collect() }
}

/// Any kind: its first facts, state before wish.
fn others(all: &[Object], now: Timestamp) -> Table {
    let row = |object: &Object| {
        let fields = object.fields.as_object().cloned().unwrap_or_default();
        let mut facts: Vec<(String, Value)> = super::change::paths(&fields);
        facts.retain(|(path, _)| !path.starts_with("metadata."));
        facts.sort_by_key(|(path, _)| !path.starts_with("status."));
        let shown = facts.iter().take(FACTS_SHOWN).map(|(path, value)| format!("{path}={}", plain(value)));
        let facts = shown.collect::<Vec<_>>().join(" ");
        vec![
            object.namespace.clone(),
            object.name.clone(),
            age(object.made_at(), now),
            text::clip(&facts, CELL_MAX).to_owned(),
        ]
    };
    Table { header: vec!["namespace", "name", "age", "facts"], rows: all.iter().map(row).collect() }
}

/// A value without the quotes of JSON.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
