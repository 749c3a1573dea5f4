//! What of a cluster the way of an alarm leads through, told by well-known labels of pods: charts and operators set them.

use crate::model::AlarmPart;

/// Labels that say what a pod is.
pub(super) const LABELS: [&str; 3] = ["app.kubernetes.io/name", "k8s-app", "app"];

/// Values of these labels.
const NAMES: [(AlarmPart, &[&str]); 5] = [
    (AlarmPart::Alertmanager, &["alertmanager", "vmalertmanager"]),
    (AlarmPart::Prometheus, &["prometheus", "vmsingle", "vmselect", "vmalert", "vmagent", "thanos-rule", "mimir"]),
    (
        AlarmPart::Ingress,
        &[
            "ingress-nginx",
            "traefik",
            "haproxy-ingress",
            "kubernetes-ingress",
            "contour",
            "envoy",
            "istio-ingressgateway",
            "nginx-ingress",
            "kong",
            "router",
        ],
    ),
    (AlarmPart::Dns, &["kube-dns", "coredns", "rke2-coredns"]),
    (AlarmPart::Registry, &["harbor", "docker-registry", "registry", "quay", "zot", "nexus-repository-manager"]),
];

/// Returns what a pod with such labels is.
pub(super) fn part<'a>(values: impl Iterator<Item = &'a str>) -> Option<AlarmPart> {
    let of = |value: &str| NAMES.iter().find(|(_, names)| names.contains(&value)).map(|(part, _)| *part);
    values.filter_map(of).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_of_an_alarm_is_known_by_its_labels() {
        assert_eq!(part(["prometheus"].into_iter()), Some(AlarmPart::Prometheus));
        assert_eq!(part(["mine", "kube-dns"].into_iter()), Some(AlarmPart::Dns));
        assert_eq!(part(["api"].into_iter()), None);
    }
}
