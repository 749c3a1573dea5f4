//! What is known of products: their objects, and when these are well. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::judge::{Query, Rule, Which};
use crate::check::condition::Condition;

/// A claim may wait for its volume, and an object for its controller, for so long.
const UNDER_WAY: Duration = Duration::from_secs(600);

/// A product, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// CephClusters are `HEALTH_OK`.
    RookCeph,
    /// Storage locations are available, schedules enabled, and the last backup of each schedule is complete.
    Velero,
    /// Issuers are ready, and certificates but those that are on their way.
    CertManager,
    /// Volumes are neither degraded nor faulted, nodes are ready.
    Longhorn,
    /// Every node has a CSI driver, and no volume fails to attach.
    CsiNodes,
    /// Aggregated APIs are available.
    Apiservices,
    /// Claims are bound, but those that are on their way.
    Pvcs,
    /// Applications are healthy, and their last sync did not fail.
    Argocd,
    /// What Flux applies is ready, but what is suspended.
    Flux,
}

impl Preset {
    /// Returns its name as it is written.
    pub(super) fn name(self) -> &'static str {
        match self {
            Preset::RookCeph => "rook-ceph",
            Preset::Velero => "velero",
            Preset::CertManager => "cert-manager",
            Preset::Longhorn => "longhorn",
            Preset::CsiNodes => "csi-nodes",
            Preset::Apiservices => "apiservices",
            Preset::Pvcs => "pvcs",
            Preset::Argocd => "argocd",
            Preset::Flux => "flux",
        }
    }

    /// Returns the objects and conditions that it stands for.
    pub(super) fn queries(self) -> Vec<Query> {
        match self {
            Preset::RookCeph => {
                vec![query("ceph.rook.io", "CephCluster", &["json $.status.ceph.health == \"HEALTH_OK\""])]
            }
            Preset::Velero => vec![
                query("velero.io", "BackupStorageLocation", &["json $.status.phase == \"Available\""]),
                query("velero.io", "Schedule", &["json $.status.phase == \"Enabled\""]),
                Query {
                    newest_of: Some("velero.io/schedule-name"),
                    ..query("velero.io", "Backup", &["json $.status.phase !~ \"Failed|FailedValidation\""])
                },
            ],
            Preset::CertManager => vec![
                ready("cert-manager.io", "ClusterIssuer"),
                ready("cert-manager.io", "Issuer"),
                Query { grace: UNDER_WAY, ..ready("cert-manager.io", "Certificate") },
            ],
            Preset::Longhorn => vec![
                query("longhorn.io", "Volume", &["json $.status.robustness !~ \"degraded|faulted\""]),
                ready("longhorn.io", "Node"),
            ],
            Preset::CsiNodes => vec![
                query("storage.k8s.io", "CSINode", &["json $.spec.drivers[0].name exists"]),
                Query {
                    grace: UNDER_WAY,
                    ..query("storage.k8s.io", "VolumeAttachment", &["json $.status.attachError.message !~ \"\""])
                },
            ],
            Preset::Apiservices => vec![Query {
                rules: vec![Rule::InCondition("Available".to_owned(), "True".to_owned())],
                ..query("apiregistration.k8s.io", "APIService", &[])
            }],
            Preset::Pvcs => vec![Query {
                which: Which::Version("v1".to_owned()),
                grace: UNDER_WAY,
                ..query("", "PersistentVolumeClaim", &["json $.status.phase == \"Bound\""])
            }],
            Preset::Argocd => vec![query(
                "argoproj.io",
                "Application",
                &[
                    "json $.status.health.status in [\"Healthy\", \"Progressing\", \"Suspended\"]",
                    "json $.status.operationState.phase !~ \"Failed|Error\"",
                ],
            )],
            Preset::Flux => [
                ("source.toolkit.fluxcd.io", "GitRepository"),
                ("source.toolkit.fluxcd.io", "HelmRepository"),
                ("source.toolkit.fluxcd.io", "OCIRepository"),
                ("kustomize.toolkit.fluxcd.io", "Kustomization"),
                ("helm.toolkit.fluxcd.io", "HelmRelease"),
            ]
            .into_iter()
            .map(|(group, kind)| Query {
                grace: UNDER_WAY,
                unless: conditions(&["json $.spec.suspend == true"]).into_iter().next(),
                // A repository of charts in a registry is never fetched by itself, and says nothing.
                rules: match kind {
                    "HelmRepository" => rules(&["json $.status.conditions[?@.type == \"Ready\"].status !~ \"False\""]),
                    _ => vec![Rule::InCondition("Ready".to_owned(), "True".to_owned())],
                },
                ..query(group, kind, &[])
            })
            .collect(),
        }
    }
}

/// Conditions as they are written; each is one, as a test holds.
fn conditions(texts: &[&str]) -> Vec<Condition> {
    texts.iter().filter_map(|text| Condition::read(text).ok()).collect()
}

fn rules(texts: &[&str]) -> Vec<Rule> {
    conditions(texts).into_iter().map(Rule::Is).collect()
}

fn query(group: &'static str, kind: &str, expected: &[&str]) -> Query {
    Query { which: Which::Group(group), kind: kind.to_owned(), rules: rules(expected), ..Query::default() }
}

fn ready(group: &'static str, kind: &str) -> Query {
    Query { rules: vec![Rule::InCondition("Ready".to_owned(), "True".to_owned())], ..query(group, kind, &[]) }
}
