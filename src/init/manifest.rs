//! The rights that a configuration asks of its cluster: those of the manifests in deploy, which are part of the program, without
//! the roles that nothing uses. Pure.

use serde_json::Value;

const RBAC: &str = include_str!("../../deploy/rbac.yaml");
const CANARY: &str = include_str!("../../deploy/canary-rbac.yaml");
/// What separates documents of YAML.
const SEPARATOR: &str = "\n---\n";
/// The role, with its binding, of what only `scrape:` asks for.
const METRICS: &str = "dogwatch-metrics";
/// The role of what only `discover:` and `nodes: {ingress: true}` ask for, which no first configuration has.
const SITES: &str = "dogwatch-sites";

/// Returns the text: all of `rbac.yaml` that is used, and the canary's.
pub fn text(scrape: bool, canary: bool) -> String {
    let is_of = |document: &str, role: &str| document.lines().any(|line| line.trim() == format!("name: {role}"));
    let used = |document: &&str| (scrape || !is_of(document, METRICS)) && !is_of(document, SITES);
    let mut documents: Vec<&str> = RBAC.split(SEPARATOR).filter(used).collect();
    if canary {
        documents.extend(CANARY.split(SEPARATOR));
    }
    let mut text = documents.join(SEPARATOR);
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// Returns its objects, in the order in which they are made.
///
/// # Errors
/// When the text is none of ours.
pub fn objects(text: &str) -> Result<Vec<Value>, String> {
    serde_saphyr::from_multiple(text).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_used_is_left_out_and_the_rest_is_objects() {
        let names = |text: &str| -> Vec<(String, String)> {
            let objects = objects(text).unwrap();
            let word = |value: &Value| value.as_str().unwrap().to_owned();
            objects.iter().map(|o| (word(&o["kind"]), word(&o["metadata"]["name"]))).collect()
        };
        let (least, all) = (names(&text(false, false)), names(&text(true, true)));
        assert_eq!(least[0], ("Namespace".into(), "dogwatch".into()));
        assert!(least.iter().all(|(_, name)| name != METRICS) && !text(false, false).contains("nodes/metrics"));
        assert!(all.contains(&("ClusterRole".into(), METRICS.into())) && !text(true, true).contains(SITES));
        assert!(all.contains(&("Role".into(), "dogwatch-canary".into())));
        assert!(least.len() + 4 < all.len(), "{least:?}");
    }
}
