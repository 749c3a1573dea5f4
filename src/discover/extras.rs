//! What tells more, though nothing is watched by it: APIs that others serve, and certificate requests that wait.
//!
//! Read seldom, and never needed: who may not read them is told so and goes on.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{
    api::{Listed, ReadError, Reader},
    nodes::shortened,
    objects::{Condition, Meta, nullable},
};
use crate::model::{AwayApi, PendingRequests};

/// The most APIs that are told to be away: a cluster has some 20 aggregated ones.
const AWAY_MAX: usize = 50;
/// The longest message of an APIService: it quotes an address and an error.
const MESSAGE_MAX: usize = 200;
/// A request that is decided on by a controller is decided on within seconds, one that waits for a person within this.
const DECIDED_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// How many signers are told apart.
const SIGNERS_MAX: usize = 10;

/// Aggregated APIs that are not available.
pub(super) async fn away_apis(reader: &mut Reader<'_>) -> Result<Listed<AwayApi>, ReadError> {
    let listed = reader.list("/apis/apiregistration.k8s.io/v1/apiservices", "", away).await?;
    let mut listed = listed.flatten();
    listed.items.sort_by(|a, b| a.name.cmp(&b.name));
    listed.items.truncate(AWAY_MAX);
    Ok(listed)
}

/// Certificate requests on which nobody has decided for long, by signer.
pub(super) async fn pending_requests(
    reader: &mut Reader<'_>,
    now: Timestamp,
) -> Result<Listed<PendingRequests>, ReadError> {
    let path = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let listed = reader.list(path, "", pending).await?.flatten();
    let now = listed.date.unwrap_or(now);
    let mut signers: BTreeMap<String, PendingRequests> = BTreeMap::new();
    for (signer, at) in listed.items.iter().filter(|(_, at)| now.duration_since(*at) > DECIDED_WITHIN) {
        if signers.len() < SIGNERS_MAX || signers.contains_key(signer) {
            let of = signers.entry(signer.clone()).or_insert_with(|| PendingRequests {
                signer: signer.clone(),
                count: 0,
                oldest: *at,
            });
            of.count += 1;
            of.oldest = of.oldest.min(*at);
        }
    }
    Ok(listed.replaced(signers.into_values().collect()))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ApiService {
    metadata: Meta,
    #[serde(deserialize_with = "nullable")]
    spec: ApiServiceSpec,
    #[serde(deserialize_with = "nullable")]
    status: ApiServiceStatus,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ApiServiceSpec {
    /// None: the API server serves it itself.
    service: Option<Reference>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Reference {
    name: String,
    namespace: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ApiServiceStatus {
    #[serde(deserialize_with = "nullable")]
    conditions: Vec<Condition>,
}

/// `None`: it is available, or the API server's own.
fn away(api: ApiService) -> Option<AwayApi> {
    let service = api.spec.service?;
    let available = api.status.conditions.into_iter().find(|c| c.kind == "Available" && c.status == "False")?;
    Some(AwayApi {
        name: api.metadata.name,
        service: format!("{}/{}", service.namespace, service.name),
        reason: shortened(&available.reason, MESSAGE_MAX),
        message: shortened(&available.message, MESSAGE_MAX),
        since: available.last_transition_time,
    })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Request {
    metadata: Meta,
    #[serde(deserialize_with = "nullable")]
    spec: RequestSpec,
    #[serde(deserialize_with = "nullable")]
    status: RequestStatus,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RequestSpec {
    signer_name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RequestStatus {
    #[serde(deserialize_with = "nullable")]
    conditions: Vec<Condition>,
    certificate: Option<serde::de::IgnoredAny>,
}

/// Signer and time of one that waits: neither approved, denied, failed nor signed.
fn pending(request: Request) -> Option<(String, Timestamp)> {
    let waits = request.status.conditions.is_empty() && request.status.certificate.is_none();
    let signer = shortened(&request.spec.signer_name, MESSAGE_MAX);
    waits.then_some(())?;
    Some((signer, request.metadata.creation_timestamp?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_of_others_is_away_when_its_condition_says_so() {
        let check = |spec: &str, status: &str, expected: Option<&str>| {
            let api = format!(
                r#"{{"metadata": {{"name": "v1beta1.metrics.k8s.io"}}, "spec": {spec}, "status": {{"conditions": [
                     {{"type": "Available", "status": "{status}", "reason": "MissingEndpoints", "message": "no\nendpoints"}}]}}}}"#
            );
            let away = away(serde_json::from_str(&api).unwrap());
            let told = away.map(|a| format!("{} {} {} {}", a.name, a.service, a.reason, a.message));
            assert_eq!(told.as_deref(), expected, "{api}");
        };
        let other = r#"{"service": {"name": "metrics-server", "namespace": "kube-system"}}"#;
        let words = "v1beta1.metrics.k8s.io kube-system/metrics-server MissingEndpoints no endpoints";
        check(other, "False", Some(words));
        check(other, "True", None);
        check(other, "Unknown", None);
        check(r#"{"service": null}"#, "False", None);
        check("null", "False", None);
    }

    #[test]
    fn a_request_waits_until_somebody_has_decided() {
        let check = |status: &str, expected: bool| {
            let request = format!(
                r#"{{"metadata": {{"creationTimestamp": "2026-11-23T06:00:00Z"}}, "spec": {{"signerName": "s"}}, "status": {status}}}"#
            );
            assert_eq!(pending(serde_json::from_str(&request).unwrap()).is_some(), expected, "{request}");
        };
        check("{}", true);
        check("null", true);
        check(r#"{"conditions": []}"#, true);
        check(r#"{"conditions": [{"type": "Approved", "status": "True"}]}"#, false);
        check(r#"{"conditions": [{"type": "Denied"}]}"#, false);
        check(r#"{"certificate": "LS0t"}"#, false);
    }
}
