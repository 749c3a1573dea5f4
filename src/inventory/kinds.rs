//! Which kinds of objects are recorded, and which of their fields: an allow-list. What stands in no line here is not even
//! read into memory.
//!
//! A path names fields by dots; `{a b}` at its end stands for several. `conditions[type]` is a list whose items are kept by
//! their `type`, so that one item that changes is one change. A path that ends at a map keeps its plain values (labels); one
//! that ends with `~` is prose: shortened, and what looks like a credential in it is masked.
//!
//! Not listed, so never kept: Secrets, ConfigMaps, annotations, environments, commands and arguments, `data`, certificate
//! requests, messages of containers (they may be their last log lines). Nor what changes without meaning: heartbeat times,
//! resource versions, renewals of leases.

mod builtin;
mod custom;

use std::sync::LazyLock;

/// One kind of object.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// As the API names its list, and as people ask for it: `pods`.
    pub name: &'static str,
    /// As manifests name one: `Pod`.
    pub kind: &'static str,
    /// The API group; empty for the core.
    pub group: &'static str,
    /// Versions, the one that is wanted first.
    pub versions: &'static [&'static str],
    /// Kept fields, besides those of [`METADATA`].
    pub fields: &'static [&'static str],
    /// Objects of one page: large ones come few at a time.
    pub page: usize,
    /// A field selector for what is not wanted.
    pub selector: &'static str,
}

impl Kind {
    /// Returns the path of the list of all namespaces, in one of its versions.
    pub fn path(&self, version: &str) -> String {
        match self.group {
            "" => format!("/api/{version}/{}", self.name),
            group => format!("/apis/{group}/{version}/{}", self.name),
        }
    }

    /// Returns whether objects of it are reports of what happened, which are kept though the API forgets them.
    pub fn is_event(&self) -> bool {
        self.name == EVENTS
    }
}

/// The name of the kind that is a log.
pub const EVENTS: &str = "events";

/// What is kept of every object; its name and namespace are its key.
pub const METADATA: &[&str] = &[
    "metadata.{name namespace uid labels creationTimestamp deletionTimestamp finalizers generation}",
    "metadata.ownerReferences[name].{kind controller}",
];

/// Objects of a page, usually: 500 pods of 15 kB are 7.5 MB.
const PAGE: usize = 500;
/// Of those that are large: schemas of custom resources, states of applications.
const PAGE_OF_LARGE: usize = 20;

const fn kind(
    group: &'static str,
    versions: &'static [&'static str],
    name: &'static str,
    kind: &'static str,
    fields: &'static [&'static str],
) -> Kind {
    Kind { name, kind, group, versions, fields, page: PAGE, selector: "" }
}

const CONDITIONS: &str = "status.conditions[type].{status reason lastTransitionTime message~}";

const V1: &[&str] = &["v1"];

/// All kinds, in the order in which they are first asked for.
pub static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| builtin::KINDS.iter().chain(custom::KINDS).copied().collect());

/// Returns the kind of a name, as people may write it: `pods`, `pod`, `Pod`.
pub fn find(name: &str) -> Option<&'static Kind> {
    let short = [
        ("pv", "persistentvolumes"),
        ("pvc", "persistentvolumeclaims"),
        ("deploy", "deployments"),
        ("sts", "statefulsets"),
        ("ds", "daemonsets"),
        ("rs", "replicasets"),
        ("svc", "services"),
        ("ing", "ingresses"),
        ("no", "nodes"),
        ("po", "pods"),
        ("ns", "namespaces"),
        ("cj", "cronjobs"),
    ];
    let lower = name.to_ascii_lowercase();
    let wanted = short.iter().find(|(s, _)| *s == lower).map_or(lower.as_str(), |(_, long)| *long);
    KINDS.iter().find(|k| k.name == wanted || k.kind.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_there_once_and_none_holds_secrets() {
        for (i, kind) in KINDS.iter().enumerate() {
            assert!(KINDS[..i].iter().all(|k| k.name != kind.name), "{} twice", kind.name);
            assert!(!["secrets", "configmaps"].contains(&kind.name));
            for field in kind.fields.iter().chain(METADATA) {
                for word in ["annotations", "env", "args", "command", "data", "caBundle", "request "] {
                    assert!(!field.split(['.', ' ', '{', '}', '[', ']']).any(|f| f == word), "{}: {field}", kind.name);
                }
            }
        }
    }

    #[test]
    fn a_kind_is_found_as_people_write_it() {
        for name in ["pods", "pod", "Pod", "po"] {
            assert_eq!(find(name).map(|k| k.name), Some("pods"), "{name}");
        }
        assert!(find("secrets").is_none());
        assert_eq!(find("ingress").map(|k| k.path("v1")), Some("/apis/networking.k8s.io/v1/ingresses".into()));
        assert_eq!(find("nodes").map(|k| k.path("v1")), Some("/api/v1/nodes".into()));
    }

    #[test]
    fn the_manifest_grants_exactly_what_is_recorded() {
        let manifest = include_str!("../../deploy/rbac.yaml");
        let role = manifest.split("  name: dogwatch-recorder\nrules:\n").nth(1).unwrap().split("---").next().unwrap();
        let listed = |line: &'static str| line.split(['[', ']']).nth(1).unwrap().split(", ");
        let (mut granted, mut group) = (Vec::new(), "");
        for line in role.lines() {
            if line.contains("apiGroups:") {
                group = listed(line).next().unwrap().trim_matches('"');
            } else if line.contains("resources:") {
                granted.extend(listed(line).map(|resource| (group, resource)));
            } else if line.contains("verbs:") {
                assert!(line.ends_with("verbs: [list, watch]"), "{line}");
            }
        }
        let mut recorded: Vec<_> = KINDS.iter().map(|k| (k.group, k.name)).collect();
        granted.sort_unstable();
        recorded.sort_unstable();
        assert_eq!(granted, recorded);
    }
}
