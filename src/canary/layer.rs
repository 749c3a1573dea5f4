//! Which layer a failed stage points to. Pure, and nothing but a reading of what the cluster itself says: of refusals here,
//! of pods in `pod_layer`.

use super::api::Refused;
use crate::model::CanaryLayer;

/// A layer, with a few words that are the same with every run.
pub(super) type Told = (CanaryLayer, &'static str);

/// What a refusal of the API says: a part of its message, in small letters, and what it means. The first that fits counts.
const SAID: [(&str, CanaryLayer, &str); 20] = [
    ("exceeded quota", CanaryLayer::Quota, "it exceeds a ResourceQuota of its namespace"),
    ("failed quota", CanaryLayer::Quota, "a ResourceQuota of its namespace wants what it does not have"),
    ("usage per container is", CanaryLayer::Quota, "a LimitRange of its namespace forbids its size"),
    ("usage per pod is", CanaryLayer::Quota, "a LimitRange of its namespace forbids its size"),
    ("violates podsecurity", CanaryLayer::Admission, "PodSecurity of its namespace forbids it"),
    ("failed calling webhook", CanaryLayer::Admission, "an admission webhook can't be called"),
    ("admission webhook", CanaryLayer::Admission, "an admission webhook refuses it"),
    ("validatingadmissionpolicy", CanaryLayer::Admission, "a ValidatingAdmissionPolicy refuses it"),
    ("error looking up service account", CanaryLayer::ControllerManager, "its namespace has no service account yet"),
    ("no api token found", CanaryLayer::ControllerManager, "its service account has no token"),
    ("runtimeclass", CanaryLayer::Setup, "its RuntimeClass does not exist"),
    ("because it is being terminated", CanaryLayer::Setup, "its namespace is being deleted"),
    ("namespaces \"", CanaryLayer::Setup, "its namespace does not exist"),
    ("etcdserver", CanaryLayer::Etcd, "etcd fails the API server"),
    ("mvcc: ", CanaryLayer::Etcd, "etcd fails the API server"),
    ("no leader", CanaryLayer::Etcd, "etcd fails the API server"),
    ("cannot create resource", CanaryLayer::Authorization, "a right to create is missing"),
    ("cannot delete resource", CanaryLayer::Authorization, "a right to delete is missing"),
    ("cannot watch resource", CanaryLayer::Authorization, "a right to watch is missing"),
    ("cannot ", CanaryLayer::Authorization, "a right to read is missing"),
];

/// The longest name of a webhook: a DNS subdomain (RFC 1123).
const NAME_MAX: usize = 253;

/// Returns the layer to which a refusal points.
pub(super) fn of_refusal(refused: &Refused) -> Told {
    let message = refused.message.to_lowercase();
    // Kubernetes' own words for a missing right hold the namespace, too, and those of quotas the word "cannot".
    let lacks_right = refused.status == Some(403) && message.contains("cannot ") && message.contains(" resource ");
    let fits = |(part, layer, _): &&(&str, CanaryLayer, &str)| {
        message.contains(part) && (*layer == CanaryLayer::Authorization) == lacks_right
    };
    if let Some((_, layer, why)) = SAID.iter().find(fits) {
        return (*layer, *why);
    }
    match refused.status {
        None => (CanaryLayer::ApiServer, "the API server does not answer"),
        Some(401) => (CanaryLayer::Authorization, "our credentials are refused"),
        Some(403) => (CanaryLayer::Admission, "an admission plugin forbids it"),
        Some(400 | 422) => (CanaryLayer::Admission, "the API server calls it invalid"),
        Some(404) => (CanaryLayer::Setup, "it, or its namespace, does not exist"),
        Some(409) => (CanaryLayer::ApiServer, "the API server calls it a conflict"),
        Some(429) => (CanaryLayer::ApiServer, "the API server throttles us"),
        Some(504) => (CanaryLayer::ApiServer, "the API server did not end it in time"),
        Some(_) => (CanaryLayer::ApiServer, "the API server fails"),
    }
}

/// Returns the webhook that a refusal names: `failed calling webhook "NAME": …`, `admission webhook "NAME" denied the request`
/// (k8s.io/apiserver/pkg/admission/plugin/webhook/errors/statuserror.go).
pub(super) fn webhook(refused: &Refused) -> Option<&str> {
    let (_, rest) = refused.message.split_once("webhook \"")?;
    let (name, _) = rest.split_once('"')?;
    // A name of DNS, as the API wants it: nothing else gets into a headline by this way.
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    (!name.is_empty() && name.len() <= NAME_MAX && name.chars().all(is_of_name)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_webhook_that_refuses_is_named() {
        let of = |message: &str| {
            let refused = Refused { message: message.into(), ..Refused::default() };
            webhook(&refused).map(str::to_owned)
        };
        let named = Some("w.example.org".to_owned());
        assert_eq!(of("Internal error occurred: failed calling webhook \"w.example.org\": Post: refused"), named);
        assert_eq!(of("admission webhook \"w.example.org\" denied the request: no"), named);
        assert_eq!(of("admission webhook \"<b>\" denied the request: no"), None);
        assert_eq!(of("exceeded quota"), None);
    }

    #[test]
    fn each_refusal_names_its_layer() {
        use CanaryLayer::*;
        let check = |status: Option<u16>, message: &str, layer: CanaryLayer, why: &str| {
            let refused =
                Refused { status, reason: String::new(), message: message.into(), instance: "10.0.0.1:6443".into() };
            let told = of_refusal(&refused);
            assert!(told.0 == layer && told.1.contains(why), "{message}: {told:?}");
        };
        let forbidden = Some(403);
        check(
            forbidden,
            "pods \"c\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0",
            Quota,
            "exceeds",
        );
        check(forbidden, "pods \"c\" is forbidden: failed quota: q: must specify limits.cpu", Quota, "wants");
        check(
            forbidden,
            "pods \"c\" is forbidden: minimum cpu usage per Container is 1, but request is 10m",
            Quota,
            "LimitRange",
        );
        check(
            forbidden,
            "pods \"c\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true",
            Admission,
            "PodSecurity",
        );
        check(Some(400), "admission webhook \"deny.example.org\" denied the request: no", Admission, "refuses");
        check(
            Some(500),
            "Internal error occurred: failed calling webhook \"w.example.org\": failed to call webhook: Post \"https://w\": \
             dial tcp 10.0.0.9:443: connect: connection refused",
            Admission,
            "can't be called",
        );
        check(
            Some(422),
            "pods \"c\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
            Admission,
            "Policy",
        );
        check(
            forbidden,
            "pods \"c\" is forbidden: error looking up service account n/default: serviceaccount \"default\" not found",
            ControllerManager,
            "service account",
        );
        check(
            forbidden,
            "leases.coordination.k8s.io is forbidden: User \"u\" cannot create resource \"leases\" in API group \
             \"coordination.k8s.io\" in the namespace \"dogwatch-canary\"",
            Authorization,
            "create",
        );
        check(
            forbidden,
            "events is forbidden: User \"u\" cannot list resource \"events\" in API group \"\" in the namespace \"n\"",
            Authorization,
            "read",
        );
        check(Some(404), "namespaces \"dogwatch-canary\" not found", Setup, "namespace does not exist");
        check(
            forbidden,
            "pods \"c\" is forbidden: unable to create new content in namespace n because it is being terminated",
            Setup,
            "deleted",
        );
        check(
            forbidden,
            "pods \"c\" is forbidden: pod rejected: RuntimeClass \"gvisor\" not found",
            Setup,
            "RuntimeClass",
        );
        check(Some(500), "etcdserver: request timed out", Etcd, "etcd");
        check(Some(500), "etcdserver: mvcc: database space exceeded", Etcd, "etcd");
        check(Some(504), "Timeout: request did not complete within requested timeout", ApiServer, "in time");
        check(None, "connection refused by 10.0.0.1:6443: nothing listens there", ApiServer, "does not answer");
        check(Some(401), "Unauthorized", Authorization, "credentials");
        check(Some(429), "too many requests", ApiServer, "throttles");
        check(Some(503), "apiserver is shutting down", ApiServer, "fails");
    }
}
