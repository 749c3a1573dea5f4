//! The rights that a configuration asks of its cluster: those of the manifests in deploy, which are part of the program, without
//! the roles that nothing uses. Pure.

use serde_json::Value;

const RBAC: &str = include_str!("../../deploy/rbac.yaml");
const CANARY: &str = include_str!("../../deploy/canary-rbac.yaml");
/// By which a token that ends is renewed.
const TOKEN: &str = include_str!("../../deploy/token-rbac.yaml");
/// What separates documents of YAML.
const SEPARATOR: &str = "\n---\n";
/// The role, with its binding, of what only `scrape:` asks for.
const METRICS: &str = "dogwatch-metrics";
/// The role of what only `discover:` and `nodes: {ingress: true}` ask for, which no first configuration has.
const SITES: &str = "dogwatch-sites";

/// What is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rights {
    /// The components' own metrics.
    pub scrape: bool,
    /// The canary's objects.
    pub canary: bool,
    /// To renew a token that ends, instead of one that does not.
    pub renew_token: bool,
}

/// Returns the text: all of `rbac.yaml` that is used, and those of the token and of the canary.
pub fn text(rights: Rights) -> String {
    let Rights { scrape, canary, renew_token } = rights;
    let has = |document: &str, wanted: String| document.lines().any(|line| line.trim() == wanted);
    let is_of = |document: &str, role: &str| has(document, format!("name: {role}"));
    let used = |document: &&str| {
        let endless = renew_token && has(document, "kind: Secret".into());
        (scrape || !is_of(document, METRICS)) && !is_of(document, SITES) && !endless
    };
    let mut documents: Vec<&str> = RBAC.split(SEPARATOR).filter(used).collect();
    if renew_token {
        documents.extend(TOKEN.trim_end().split(SEPARATOR));
    }
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
        let everything = text(Rights { scrape: true, canary: true, renew_token: false });
        let (least, all) = (names(&text(Rights::default())), names(&everything));
        assert_eq!(least[0], ("Namespace".into(), "dogwatch".into()));
        assert!(least.iter().all(|(_, name)| name != METRICS) && !text(Rights::default()).contains("nodes/metrics"));
        assert!(all.contains(&("ClusterRole".into(), METRICS.into())) && !everything.contains(SITES));
        assert!(all.contains(&("Role".into(), "dogwatch-canary".into())));
        assert!(least.len() + 4 < all.len(), "{least:?}");
        // Either a token that does not end, or the right to renew one that does.
        let renewing = names(&text(Rights { renew_token: true, ..Rights::default() }));
        let kinds = |names: &[(String, String)], kind: &str, name: &str| {
            names.iter().filter(|(k, n)| (k.as_str(), n.as_str()) == (kind, name)).count()
        };
        for (kind, name, never, renewed) in
            [("Secret", "dogwatch", 1, 0), ("Role", "dogwatch-token", 0, 1), ("RoleBinding", "dogwatch-token", 0, 1)]
        {
            assert_eq!((kinds(&least, kind, name), kinds(&renewing, kind, name)), (never, renewed), "{kind} {name}");
        }
    }
}
