//! The way of our manifests into a cluster, by the credentials of whoever runs `init`; and the kubeconfig that comes of it.
//!
//! What is not there is made. What is there stays as it is, save rules and subjects of roles and bindings that bear our names.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    dial::{Dialer, renewal},
    model::{Secret, text},
};

/// Of one question.
const WITHIN: Duration = Duration::from_secs(15);
/// So long the controller-manager may take to fill the token into its Secret.
const TOKEN_WITHIN: Duration = Duration::from_secs(30);
/// Between two looks for it.
const TOKEN_EVERY: Duration = Duration::from_millis(500);
/// The ServiceAccount's Secret of deploy/rbac.yaml.
const SECRET: &str = "/api/v1/namespaces/dogwatch/secrets/dogwatch";
/// The ServiceAccount's namespace and name.
const ACCOUNT: (&str, &str) = ("dogwatch", "dogwatch");
/// Where the controller-manager puts the CA into every namespace (from 1.20 on).
const ROOT_CA: &str = "/api/v1/namespaces/dogwatch/configmaps/kube-root-ca.crt";
/// Whether it is installed: everybody may ask what an API group has.
const VELERO: &str = "/apis/velero.io/v1";
/// Enough to recognise who made them.
const NODES: &str = "/api/v1/nodes?limit=20";

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// It was not there.
    Made,
    /// Its rules or subjects were others.
    Changed,
    /// It was as it should be.
    Same,
}

/// Where an object is found, and where it is made: path and name.
fn place(object: &Value) -> Option<(String, String)> {
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let (kind, version) = (word(&object["kind"])?, word(&object["apiVersion"])?);
    let name = word(&object["metadata"]["name"])?;
    let plural = match kind.as_str() {
        "Namespace" => "namespaces",
        "ServiceAccount" => "serviceaccounts",
        "Secret" => "secrets",
        "ClusterRole" => "clusterroles",
        "ClusterRoleBinding" => "clusterrolebindings",
        "Role" => "roles",
        "RoleBinding" => "rolebindings",
        _ => return None,
    };
    let root = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
    let of = word(&object["metadata"]["namespace"]).map_or_else(String::new, |ns| format!("/namespaces/{ns}"));
    Some((format!("{root}{of}/{plural}"), name))
}

/// The object as it should be, where what is there is another: ours in what roles and bindings say, theirs in all else.
fn changed(there: &Value, ours: &Value) -> Option<Value> {
    let mut next = there.clone();
    for key in ["rules", "subjects"] {
        if let Some(value) = ours.get(key) {
            next[key] = value.clone();
        }
    }
    (next != *there).then_some(next)
}

async fn ask(dialer: &Dialer, method: Method, path: &str, body: Option<&Value>) -> Result<(u16, Value), String> {
    let answer = dialer.ask(method, path, body, Instant::now() + WITHIN).await?;
    Ok((answer.status, serde_json::from_slice(&answer.body).unwrap_or_default()))
}

/// What a cluster says of itself.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Its version, on one line.
    pub version: String,
    /// A few of its nodes, where we may see them.
    pub nodes: Vec<Value>,
    /// Velero is installed there.
    pub velero: bool,
}

/// Asks a cluster for it.
///
/// # Errors
/// When it does not answer.
pub async fn facts(dialer: &Dialer) -> Result<Facts, String> {
    let (_, version) = ask(dialer, Method::GET, "/version", None).await?;
    let (_, mut list) = ask(dialer, Method::GET, NODES, None).await?;
    let (velero, _) = ask(dialer, Method::GET, VELERO, None).await?;
    let version = version["gitVersion"].as_str().unwrap_or("of a version that it does not tell");
    Ok(Facts {
        version: text::one_line(version).into_owned(),
        nodes: list["items"].as_array_mut().map(std::mem::take).unwrap_or_default(),
        velero: velero == 200,
    })
}

/// Makes or changes one object.
///
/// # Errors
/// What the API server says, in words.
pub async fn object(dialer: &Dialer, ours: &Value) -> Result<Became, String> {
    let Some((collection, name)) = place(ours) else { return Err("this kind is none of the manifests'".into()) };
    let path = format!("{collection}/{name}");
    let refused = |status: u16, answer: &Value| {
        let said = answer["message"].as_str().unwrap_or("it does not say why");
        Err(format!("{path}: HTTP {status}: {said}"))
    };
    match ask(dialer, Method::GET, &path, None).await? {
        (200, there) => match changed(&there, ours) {
            None => Ok(Became::Same),
            Some(next) => match ask(dialer, Method::PUT, &path, Some(&next)).await? {
                (200 | 201, _) => Ok(Became::Changed),
                (status, answer) => refused(status, &answer),
            },
        },
        (404, _) => match ask(dialer, Method::POST, &collection, Some(ours)).await? {
            (200..=202, _) => Ok(Became::Made),
            // Somebody was faster.
            (409, _) => Ok(Became::Same),
            (status, answer) => refused(status, &answer),
        },
        (status, answer) => refused(status, &answer),
    }
}

/// Waits for the ServiceAccount's token, and returns the kubeconfig by which the watchdog comes.
///
/// # Errors
/// When there is none in time: the controller-manager fills it in.
pub async fn kubeconfig(dialer: &Dialer, cluster: &str) -> Result<String, String> {
    let deadline = Instant::now() + TOKEN_WITHIN;
    loop {
        if let (200, secret) = ask(dialer, Method::GET, SECRET, None).await?
            && let Some(text) = written(&secret, dialer.server().as_str(), cluster)
        {
            return Ok(text);
        }
        if Instant::now() >= deadline {
            return Err(
                "the Secret dogwatch in the namespace dogwatch got no token in 30 s: does the controller-manager run?"
                    .into(),
            );
        }
        tokio::time::sleep(TOKEN_EVERY).await;
    }
}

/// Asks for a token that ends, and returns the kubeconfig by which the watchdog comes, with the moment when that token ends: the
/// API server may give it another life than the one asked for.
///
/// # Errors
/// When the API server gives none, or the cluster's CA is not in the namespace in time.
pub async fn ending(dialer: &Dialer, cluster: &str, lifetime: Duration) -> Result<(String, Timestamp), String> {
    let deadline = Instant::now() + TOKEN_WITHIN;
    let ca = loop {
        if let (200, map) = ask(dialer, Method::GET, ROOT_CA, None).await?
            && let Some(ca) = map["data"]["ca.crt"].as_str().filter(|ca| !ca.is_empty())
        {
            break BASE64_STANDARD.encode(ca);
        }
        if Instant::now() >= deadline {
            let why = "the ConfigMap kube-root-ca.crt did not come into the namespace dogwatch in 30 s: does the \
                       controller-manager run?";
            return Err(why.into());
        }
        tokio::time::sleep(TOKEN_EVERY).await;
    };
    let (path, body) = renewal::request(ACCOUNT, lifetime);
    let (status, answer) = ask(dialer, Method::POST, &path, Some(&body)).await?;
    let (token, ends) = renewal::given(status, &answer).map_err(|why| format!("{path}: {why}"))?;
    let text = kubeconfig_of(&token, &ca, dialer.server().as_str(), cluster)
        .ok_or("the API server's token can't be written into a kubeconfig")?;
    Ok((text, ends))
}

/// Whether the Secret with a token that does not end is there, as an earlier run made it.
///
/// # Errors
/// When the API server does not answer.
pub async fn has_endless(dialer: &Dialer) -> Result<bool, String> {
    Ok(ask(dialer, Method::GET, SECRET, None).await?.0 == 200)
}

/// A kubeconfig of the Secret; `None`: it has no token yet.
fn written(secret: &Value, server: &str, cluster: &str) -> Option<String> {
    let data = |key: &str| secret["data"][key].as_str().filter(|text| !text.is_empty());
    let token = String::from_utf8(BASE64_STANDARD.decode(data("token")?).ok()?).ok()?;
    kubeconfig_of(&Secret::new(token), data("ca.crt")?, server, cluster)
}

/// A kubeconfig, as JSON, which is YAML, of a token and the CA in base64.
fn kubeconfig_of(token: &Secret, ca: &str, server: &str, cluster: &str) -> Option<String> {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": cluster,
        "clusters": [{"name": cluster, "cluster": {
            "server": server.trim_end_matches('/'), "certificate-authority-data": ca}}],
        "users": [{"name": "dogwatch", "user": {"token": token.reveal()}}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": "dogwatch"}}],
    });
    serde_json::to_string_pretty(&config).ok().map(|text| text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init::manifest;

    #[test]
    fn every_object_of_the_manifests_has_its_place() {
        let all = manifest::Rights { scrape: true, canary: true, renew_token: true };
        let objects = manifest::objects(&manifest::text(all)).unwrap();
        let places: Vec<(String, String)> = objects.iter().map(|o| place(o).unwrap_or_else(|| panic!("{o}"))).collect();
        assert!(places.contains(&("/api/v1/namespaces".into(), "dogwatch".into())));
        assert!(
            places.contains(&(
                "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles".into(),
                "dogwatch".into()
            ))
        );
        assert!(places.contains(&("/apis/rbac.authorization.k8s.io/v1/clusterroles".into(), "dogwatch".into())));
    }

    #[test]
    fn only_rules_and_subjects_of_ours_are_changed() {
        let there = json!({"kind": "Role", "metadata": {"name": "dogwatch", "labels": {"a": "b"}, "resourceVersion": "7"},
            "rules": [{"verbs": ["list"], "resources": ["nodes"], "apiGroups": [""]}]});
        let ours = json!({"kind": "Role", "metadata": {"name": "dogwatch"},
            "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]});
        assert_eq!(changed(&there, &ours), None);
        let more = json!({"rules": [{"apiGroups": [""], "resources": ["nodes", "pods"], "verbs": ["list"]}]});
        let next = changed(&there, &more).unwrap();
        assert_eq!((&next["rules"], &next["metadata"]), (&more["rules"], &there["metadata"]));
        assert_eq!(changed(&json!({"kind": "Namespace", "status": {}}), &json!({"kind": "Namespace"})), None);
    }

    #[test]
    fn a_kubeconfig_has_the_token_and_the_authority() {
        let secret = json!({"data": {"token": BASE64_STANDARD.encode("abc"), "ca.crt": "Q0E="}});
        let text = written(&secret, "https://10.0.0.1:6443/", "prod").unwrap();
        let config: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(config["clusters"][0]["cluster"]["server"], "https://10.0.0.1:6443");
        assert_eq!((&config["users"][0]["user"]["token"], &config["current-context"]), (&json!("abc"), &json!("prod")));
        assert_eq!(written(&json!({"data": {"ca.crt": "Q0E="}}), "https://x", "prod"), None);
    }
}
