//! Schedulers and controller-managers of a managed control plane, whose metrics its API server hands on. Pure.
//!
//! Amazon EKS serves them as `metrics.eks.amazonaws.com` from Kubernetes 1.28 on (EKS user guide, "Fetch control plane raw
//! metrics in Prometheus format"); who may read them has `get` on `ksh/metrics` and `kcm/metrics` of that group. Google GKE
//! and Azure AKS hand theirs to their own monitoring alone.

use url::Url;

use crate::model::{Facts, Job, LiveTarget, ProbeSpec};

/// Where EKS has them.
const OF_EKS: [(Job, &str); 2] = [
    (Job::KubeScheduler, "/apis/metrics.eks.amazonaws.com/v1/ksh/container/metrics"),
    (Job::KubeControllerManager, "/apis/metrics.eks.amazonaws.com/v1/kcm/container/metrics"),
];

/// Returns which components an API server hands on, and the paths of their metrics; `Url` is the server's own.
pub(super) fn handed_on(api: &LiveTarget) -> Option<(Url, &'static [(Job, &'static str)])> {
    let ProbeSpec::ApiServer { base, .. } = &api.target.spec else { return None };
    let version = match api.last.as_ref().map(|seen| &seen.facts) {
        Some(Facts::ApiServer(facts)) => facts.version.as_deref().unwrap_or_default(),
        _ => "",
    };
    let is_eks = version.contains("-eks-") || base.host_str().is_some_and(|host| host.ends_with(".eks.amazonaws.com"));
    is_eks.then(|| (base.clone(), &OF_EKS[..]))
}
