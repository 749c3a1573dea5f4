//! What differs between an object and what it was before, as far as it may be a cause of something. Pure.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::What;
use crate::{
    inventory::{change, news::News, object::Object},
    model::{ChangeKind, ChangeScope},
};

/// How many images or fields one change names.
const NAMED: usize = 3;
/// What a node runs: the field, and a word for it.
const SOFTWARE: [(&str, &str); 4] = [
    ("kernelVersion", "kernel"),
    ("kubeletVersion", "kubelet"),
    ("containerRuntimeVersion", "container runtime"),
    ("osImage", "OS image"),
];

/// Returns what news of an object amounts to.
pub(super) fn of(news: &News<'_>) -> Vec<What> {
    let object = news.object;
    match object.resource {
        "nodes" => node(news),
        "deployments" | "statefulsets" | "daemonsets" => workload(news),
        "certificates" => certificate(news).into_iter().collect(),
        "certificatesigningrequests" => request(news).into_iter().collect(),
        "validatingwebhookconfigurations" | "mutatingwebhookconfigurations" => made_of(news, ChangeKind::Webhook),
        "customresourcedefinitions" => made_of(news, ChangeKind::CustomResource),
        "priorityclasses" => made_of(news, ChangeKind::PriorityClass),
        "apiservices" => made_of(news, ChangeKind::ApiService),
        "storageclasses" => made_of(news, ChangeKind::StorageClass),
        "rolebindings" | "clusterrolebindings" => binding(news).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn node(news: &News<'_>) -> Vec<What> {
    let node = news.object;
    let what = |kind, detail: String| What {
        kind,
        subject: node.name.clone(),
        detail,
        scope: ChangeScope::Node(node.name.as_str().into()),
    };
    let before = match (news.is_gone, news.before) {
        (true, _) => return vec![what(ChangeKind::NodeRemoved, String::new())],
        (false, None) => return vec![what(ChangeKind::NodeAdded, String::new())],
        (false, Some(before)) => before,
    };
    let mut all = Vec::new();
    let is_cordoned = |node: &Object| node.at(&["spec", "unschedulable"]) == true;
    match (is_cordoned(before), is_cordoned(node)) {
        (false, true) => all.push(what(ChangeKind::NodeCordoned, String::new())),
        (true, false) => all.push(what(ChangeKind::NodeUncordoned, String::new())),
        _ => {}
    }
    let info = |node: &Object, field: &str| node.text(&["status", "nodeInfo", field]).to_owned();
    let differs = |field| {
        let (old, new) = (info(before, field), info(node, field));
        (old != new && !old.is_empty() && !new.is_empty()).then_some((old, new))
    };
    if differs("bootID").is_some() {
        all.push(what(ChangeKind::NodeRebooted, String::new()));
    }
    for (field, word) in SOFTWARE {
        let detail = differs(field).map(|(old, new)| format!("{word} {old} → {new}"));
        all.extend(detail.map(|detail| what(ChangeKind::NodeSoftware, detail)));
    }
    all
}

fn workload(news: &News<'_>) -> Vec<What> {
    let object = news.object;
    let (namespace, name): (Arc<str>, Arc<str>) = (object.namespace.as_str().into(), object.name.as_str().into());
    let what = |kind, detail: String| What {
        kind,
        subject: object.key(),
        detail,
        scope: ChangeScope::Workload(namespace.clone(), name.clone()),
    };
    let before = match (news.is_gone, news.before) {
        (true, _) => return vec![what(ChangeKind::WorkloadRemoved, String::new())],
        (false, None) => return vec![what(ChangeKind::WorkloadAdded, String::new())],
        (false, Some(before)) => before,
    };
    let mut all = Vec::new();
    let images = images(before, object);
    if !images.is_empty() {
        all.push(what(ChangeKind::Rollout, listed("image", images)));
    }
    let replicas = |o: &Object| o.at(&["spec", "replicas"]).as_u64();
    if let (Some(old), Some(new)) = (replicas(before), replicas(object))
        && old != new
    {
        all.push(what(ChangeKind::Scaled, format!("replicas {old} → {new}")));
    }
    let generation = |o: &Object| o.number(&["metadata", "generation"]);
    if all.is_empty() && generation(before) != generation(object) {
        all.push(what(ChangeKind::Respecified, String::new()));
    }
    all
}

/// `r/api:2 → r/api:3` of each container whose image is another.
fn images(before: &Object, after: &Object) -> Vec<String> {
    let mut all = Vec::new();
    for list in ["initContainers", "containers"] {
        let path = ["spec", "template", "spec", list];
        let image = |o: &Object, container: &str| o.at(&path)[container]["image"].as_str().map(str::to_owned);
        for (container, _) in after.map(&path) {
            let said = match (image(before, container), image(after, container)) {
                (Some(old), Some(new)) if old != new => format!("{old} → {new}"),
                (None, Some(new)) => format!("{new} (a new container)"),
                _ => continue,
            };
            if !all.contains(&said) {
                all.push(said);
            }
        }
    }
    all
}

/// `image a → b`, `images a → b, c → d and 2 more`.
fn listed(what: &str, items: Vec<String>) -> String {
    let many = if items.len() == 1 { "" } else { "s" };
    format!("{what}{many} {}", shortened(items))
}

/// `a, b, c and 2 more`.
fn shortened(items: Vec<String>) -> String {
    let more = items.len().saturating_sub(NAMED);
    let named = items.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{named}{more}")
}

/// cert-manager's.
fn certificate(news: &News<'_>) -> Option<What> {
    let object = news.object;
    let until = object.text(&["status", "notAfter"]);
    let is_another = news.before.is_some_and(|before| before.text(&["status", "notAfter"]) != until);
    (is_another && !until.is_empty() && !news.is_gone).then(|| What {
        kind: ChangeKind::Certificate,
        subject: object.key(),
        detail: format!("valid until {until}"),
        scope: ChangeScope::Namespace(object.namespace.as_str().into()),
    })
}

/// The cluster's own signers; kubelets ask them for theirs.
fn request(news: &News<'_>) -> Option<What> {
    let object = news.object;
    let is_approved = |o: &Object| o.text(&["status", "conditions", "Approved", "status"]) == "True";
    let is_new = is_approved(object) && !news.before.is_some_and(is_approved) && !news.is_gone;
    let who = object.text(&["spec", "username"]);
    is_new.then(|| What {
        kind: ChangeKind::Certificate,
        subject: who.to_owned(),
        detail: format!("by {}", object.text(&["spec", "signerName"])),
        scope: match who.strip_prefix("system:node:") {
            Some(node) => ChangeScope::Node(node.into()),
            None => ChangeScope::Cluster,
        },
    })
}

/// Who has which role: `created: ClusterRole view for User jane`. A binding's role never changes (it is made anew), its subjects do.
fn binding(news: &News<'_>) -> Option<What> {
    let object = news.object;
    let role = format!("{} {}", object.text(&["roleRef", "kind"]), object.text(&["roleRef", "name"]));
    let whom = |some: Vec<String>| if some.is_empty() { "nobody".to_owned() } else { shortened(some) };
    let detail = match (news.is_gone, news.before) {
        (true, _) => format!("deleted: {role} for {}", whom(subjects(object))),
        (false, None) => format!("created: {role} for {}", whom(subjects(object))),
        (false, Some(before)) => {
            let (old, new) = (subjects(before), subjects(object));
            let only = |of: &[String], not: &[String]| of.iter().filter(|s| !not.contains(s)).cloned().collect();
            let (lost, got): (Vec<String>, Vec<String>) = (only(&old, &new), only(&new, &old));
            let lost = (!lost.is_empty()).then(|| format!("{role} no more for {}", shortened(lost)));
            let got = (!got.is_empty()).then(|| format!("{role} for {}", shortened(got)));
            let both: Vec<String> = lost.into_iter().chain(got).collect();
            if both.is_empty() {
                return None;
            }
            format!("changed: {}", both.join(", "))
        }
    };
    let subject = format!("{} {}", object.kind, object.key());
    let scope = match object.namespace.as_str() {
        "" => ChangeScope::Cluster,
        namespace => ChangeScope::Namespace(namespace.into()),
    };
    Some(What { kind: ChangeKind::RbacBinding, subject, detail, scope })
}

/// `ServiceAccount ci/deployer`, `Group admins`.
fn subjects(binding: &Object) -> Vec<String> {
    let subject = |(name, subject): (&String, &Value)| {
        let text = |field: &str| subject[field].as_str().unwrap_or_default();
        // A second one of the same name has a number behind it (`keep`).
        let name =
            name.rsplit_once('#').filter(|(_, n)| n.parse::<u32>().is_ok()).map_or(name.as_str(), |(name, _)| name);
        let place = Some(text("namespace")).filter(|n| !n.is_empty()).map(|n| format!("{n}/")).unwrap_or_default();
        format!("{} {place}{name}", text("kind"))
    };
    binding.map(&["subjects"]).map(subject).collect()
}

/// What all of the cluster goes through: made, deleted, or with other fields than before, its status apart.
fn made_of(news: &News<'_>, kind: ChangeKind) -> Vec<What> {
    let object = news.object;
    let detail = match (news.is_gone, news.before) {
        (true, _) => "deleted".to_owned(),
        (false, None) => "created".to_owned(),
        (false, Some(before)) => match changed(before, object) {
            Some(detail) => detail,
            None => return Vec::new(),
        },
    };
    let subject = format!("{} {}", object.kind, object.key());
    vec![What { kind, subject, detail, scope: ChangeScope::Cluster }]
}

/// `changed (spec.versions.v2.served)`; `None`: only its status is another.
fn changed(before: &Object, after: &Object) -> Option<String> {
    let none = Map::new();
    let fields = |o: &Object| o.fields.as_object().unwrap_or(&none).clone();
    let patch = change::between(&fields(before), &fields(after));
    let is_said = |path: &str| !path.starts_with("status") && !path.starts_with("metadata");
    let paths: Vec<String> =
        change::paths(&patch).into_iter().map(|(path, _): (String, Value)| path).filter(|p| is_said(p)).collect();
    let generation = |o: &Object| o.number(&["metadata", "generation"]);
    match paths.is_empty() {
        false => Some(format!("changed ({})", listed("field", paths))),
        true => (generation(before) != generation(after)).then(|| "changed".to_owned()),
    }
}
