//! Custom resources by which a cluster is run: backups, certificates, storage, deployments, machines. Recorded where they are.

use super::{CONDITIONS, Kind, PAGE_OF_LARGE, V1, kind};

/// All of them.
pub(super) static KINDS: &[Kind] = &[
    kind(
        "velero.io",
        V1,
        "backups",
        "Backup",
        &[
            "spec.{storageLocation ttl includedNamespaces}",
            "status.{phase startTimestamp completionTimestamp expiration errors warnings} status.progress.{totalItems}",
        ],
    ),
    kind("velero.io", V1, "schedules", "Schedule", &["spec.{schedule paused}", "status.{phase lastBackup}"]),
    kind(
        "snapshot.storage.k8s.io",
        &["v1", "v1beta1"],
        "volumesnapshots",
        "VolumeSnapshot",
        &[
            "spec.volumeSnapshotClassName spec.source.{persistentVolumeClaimName volumeSnapshotContentName}",
            "status.{readyToUse creationTime restoreSize boundVolumeSnapshotContentName} status.error.{time message~}",
        ],
    ),
    kind(
        "cert-manager.io",
        V1,
        "certificates",
        "Certificate",
        &[
            "spec.{secretName dnsNames commonName} spec.issuerRef.{kind name}",
            "status.{notAfter notBefore renewalTime revision failedIssuanceAttempts}",
            CONDITIONS,
        ],
    ),
    kind(
        "ceph.rook.io",
        V1,
        "cephclusters",
        "CephCluster",
        &["spec.cephVersion.image status.{phase state} status.ceph.{health} status.version.{image version}"],
    ),
    Kind {
        page: PAGE_OF_LARGE,
        ..kind(
            "argoproj.io",
            &["v1alpha1"],
            "applications",
            "Application",
            &[
                "spec.project spec.destination.{server namespace name} spec.source.{path chart targetRevision}",
                "status.sync.{status revision} status.health.status status.operationState.{phase finishedAt}",
            ],
        )
    },
    kind("helm.toolkit.fluxcd.io", &["v2", "v2beta2", "v2beta1"], "helmreleases", "HelmRelease", FLUX),
    kind("kustomize.toolkit.fluxcd.io", &["v1", "v1beta2"], "kustomizations", "Kustomization", FLUX),
    kind(
        "cluster.x-k8s.io",
        &["v1beta2", "v1beta1"],
        "machines",
        "Machine",
        &[
            "spec.{clusterName version providerID failureDomain}",
            "status.{phase} status.nodeRef.name status.conditions[type].{status reason}",
        ],
    ),
    kind(
        "longhorn.io",
        &["v1beta2", "v1beta1"],
        "volumes",
        "Volume",
        &["spec.{size numberOfReplicas nodeID} status.{state robustness currentNodeID}"],
    ),
    kind(
        "config.openshift.io",
        V1,
        "clusteroperators",
        "ClusterOperator",
        &["status.versions[name].version", CONDITIONS],
    ),
];

const FLUX: &[&str] = &[
    "spec.{suspend path targetNamespace} spec.chart.spec.{chart version} spec.sourceRef.{kind name}",
    "status.{lastAppliedRevision lastAttemptedRevision}",
    CONDITIONS,
];
