//! What has to be there again after a rebuild: nodes, and of each namespace what ran, of which images, how many, with which
//! volumes, and which hosts were served.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    object::{Object, Objects},
    tables::{hosts, replicas},
};

/// Kinds of a namespace that run something.
const RUNNING: [&str; 5] = ["deployments", "statefulsets", "daemonsets", "cronjobs", "jobs"];

/// Kinds without a namespace that others depend on, and what is told of each.
const BEFORE: [(&str, &str, &[&str]); 4] = [
    ("storageclasses", "storage_classes", &["provisioner", "reclaimPolicy", "volumeBindingMode"]),
    ("priorityclasses", "priority_classes", &["value", "globalDefault"]),
    ("customresourcedefinitions", "custom_resources", &[]),
    ("apiservices", "api_services", &[]),
];

/// Kinds by which others deploy: where they are, they bring back the rest.
const DEPLOYERS: [&str; 3] = ["applications", "helmreleases", "kustomizations"];

/// Returns the checklist, in the order in which a rebuild needs it.
pub fn of(objects: &Objects) -> Value {
    let all = |kind: &str| objects.get(kind).map_or(&[] as &[Object], Vec::as_slice);
    let mut list = Map::new();
    list.insert("nodes".into(), all("nodes").iter().map(node).collect());
    for (kind, name, fields) in BEFORE {
        // What API servers bring themselves need not be rebuilt.
        let is_own = |o: &&Object| kind != "apiservices" || o.at(&["spec", "service"]).is_object();
        let told: Vec<Value> = all(kind).iter().filter(is_own).map(|o| named(o, fields)).collect();
        insert(&mut list, name, told);
    }
    let deployers = DEPLOYERS.iter().flat_map(|kind| all(kind));
    insert(&mut list, "deployed_by", deployers.map(|o| json!({"kind": o.kind, "name": o.key()})).collect());
    let mut namespaces: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut put = |namespace, name: &str, value: Vec<Value>| {
        let namespace = namespaces.entry(namespace).or_default();
        match namespace.entry(name).or_insert_with(|| json!([])) {
            Value::Array(known) => known.extend(value),
            other => *other = Value::Array(value),
        }
    };
    for workload in RUNNING.iter().flat_map(|kind| all(kind)).filter(|o| o.owner().is_none()) {
        put(&workload.namespace, "workloads", vec![described(workload)]);
    }
    for pod in all("pods").iter().filter(|pod| pod.owner().is_none_or(|(kind, _)| kind == "Node")) {
        let kind = if pod.owner().is_some() { "static Pod" } else { "Pod" };
        put(&pod.namespace, "workloads", vec![json!({"kind": kind, "name": pod.name, "images": pod.images()})]);
    }
    for claim in all("persistentvolumeclaims") {
        put(&claim.namespace, "volumes", vec![volume(claim, all("persistentvolumes"))]);
    }
    for service in all("services") {
        put(&service.namespace, "services", vec![described_service(service)]);
    }
    for route in ["ingresses", "gateways", "httproutes", "grpcroutes", "tlsroutes"].into_iter().flat_map(all) {
        put(&route.namespace, "hosts", hosts(route).into_iter().map(Value::String).collect());
    }
    let namespaces = namespaces.into_iter().map(|(name, inner)| {
        let mut namespace = Map::from_iter([("name".to_owned(), Value::from(name))]);
        namespace.extend(inner.into_iter().filter(|(_, all)| all.as_array().is_none_or(|all| !all.is_empty())));
        Value::Object(namespace)
    });
    list.insert("namespaces".into(), namespaces.collect());
    Value::Object(list)
}

fn insert(list: &mut Map<String, Value>, name: &str, told: Vec<Value>) {
    if !told.is_empty() {
        list.insert(name.into(), Value::Array(told));
    }
}

fn named(object: &Object, fields: &[&str]) -> Value {
    let mut told = Map::from_iter([("name".to_owned(), Value::from(object.name.clone()))]);
    told.extend(fields.iter().map(|f| ((*f).to_owned(), object.at(&[f]).clone())).filter(|(_, v)| !v.is_null()));
    Value::Object(told)
}

fn node(node: &Object) -> Value {
    let info = |field: &str| node.text(&["status", "nodeInfo", field]).to_owned();
    let labels = node.map(&["metadata", "labels"]);
    let roles: Vec<&str> = labels.filter_map(|(l, _)| l.strip_prefix("node-role.kubernetes.io/")).collect();
    let taints: Vec<String> = node
        .map(&["spec", "taints"])
        .map(|(key, t)| {
            format!("{key}={}:{}", t["value"].as_str().unwrap_or_default(), t["effect"].as_str().unwrap_or_default())
        })
        .collect();
    json!({
        "name": node.name,
        "roles": roles,
        "address": node.text(&["status", "addresses", "InternalIP", "address"]),
        "zone": node.text(&["metadata", "labels", "topology.kubernetes.io/zone"]),
        "kubelet": info("kubeletVersion"),
        "os": info("osImage"),
        "runtime": info("containerRuntimeVersion"),
        "capacity": {"cpu": node.at(&["status", "capacity", "cpu"]), "memory": node.at(&["status", "capacity", "memory"])},
        "taints": taints,
    })
}

fn described(workload: &Object) -> Value {
    let (ready, wanted, _) = replicas(workload);
    let mut told = json!({"kind": workload.kind, "name": workload.name, "images": workload.images()});
    let mut put = |name: &str, value: Value| drop(told.as_object_mut().map(|told| told.insert(name.into(), value)));
    match workload.resource {
        "cronjobs" => put("schedule", workload.at(&["spec", "schedule"]).clone()),
        _ => {
            put("wanted", wanted.into());
            put("ready", ready.into());
        }
    }
    if !workload.claims().is_empty() {
        put("volumes", json!(workload.claims()));
    }
    let templates = workload.map(&["spec", "volumeClaimTemplates"]).map(|(name, _)| name.clone());
    let templates: Vec<String> = templates.collect();
    if !templates.is_empty() {
        put("volumes_of_each", json!(templates));
    }
    told
}

fn volume(claim: &Object, volumes: &[Object]) -> Value {
    let name = claim.text(&["spec", "volumeName"]);
    let volume = volumes.iter().find(|v| v.name == name);
    let of = |path: &[&str]| volume.map(|v| v.text(path)).unwrap_or_default().to_owned();
    json!({
        "claim": claim.name,
        "size": claim.at(&["spec", "resources", "requests", "storage"]),
        "class": claim.at(&["spec", "storageClassName"]),
        "volume": name,
        "driver": of(&["spec", "csi", "driver"]),
        "handle": of(&["spec", "csi", "volumeHandle"]),
        "reclaim": of(&["spec", "persistentVolumeReclaimPolicy"]),
    })
}

fn described_service(service: &Object) -> Value {
    let ports: Vec<&String> = service.map(&["spec", "ports"]).map(|(port, _)| port).collect();
    json!({"name": service.name, "type": service.at(&["spec", "type"]), "ports": ports})
}

#[cfg(test)]
mod tests {
    use super::{super::object::made, *};

    #[test]
    fn what_ran_its_images_volumes_and_hosts_are_listed() {
        let all = [
            made("nodes", "w1", json!({"status": {"nodeInfo": {"kubeletVersion": "v1.34.1"}}})),
            made(
                "deployments",
                "shop/api",
                json!({"spec": {"replicas": 3, "template": {"spec": {"containers": {"c": {"image": "r/api:2"}},
                "volumes": {"d": {"persistentVolumeClaim": {"claimName": "data"}}}}}}, "status": {"readyReplicas": 2}}),
            ),
            made("jobs", "shop/nightly-1", json!({"metadata": {"ownerReferences": {"nightly": {"kind": "CronJob"}}}})),
            made(
                "persistentvolumeclaims",
                "shop/data",
                json!({"spec": {"volumeName": "pv-1", "storageClassName": "fast"}}),
            ),
            made("persistentvolumes", "pv-1", json!({"spec": {"csi": {"driver": "d", "volumeHandle": "h"}}})),
            made("ingresses", "shop/web", json!({"spec": {"rules": {"shop.example.org": {}}}})),
            made("apiservices", "v1.", json!({})),
        ];
        let mut objects = Objects::new();
        all.into_iter().for_each(|o| objects.entry(o.resource).or_default().push(o));
        let list = of(&objects);
        assert_eq!(list["nodes"][0]["kubelet"], "v1.34.1");
        assert!(list.get("api_services").is_none());
        let shop = &list["namespaces"][0];
        assert_eq!(shop["name"], "shop");
        assert_eq!(
            shop["workloads"],
            json!([{"kind": "Deployment", "name": "api", "images": ["r/api:2"], "wanted": 3, "ready": 2,
            "volumes": ["data"]}])
        );
        assert_eq!(shop["volumes"][0]["handle"], "h");
        assert_eq!(shop["hosts"], json!(["shop.example.org"]));
    }
}
