//! What Kubernetes itself has, and the Gateway API.

use super::{CONDITIONS, EVENTS, Kind, PAGE_OF_LARGE, V1, kind};

const TEMPLATE: &str = "spec.template.spec.{serviceAccountName priorityClassName nodeSelector hostNetwork}";
const IMAGES: &str = "spec.template.spec.containers[name].image";
const INIT_IMAGES: &str = "spec.template.spec.initContainers[name].image";
const TEMPLATE_CLAIMS: &str = "spec.template.spec.volumes[name].persistentVolumeClaim.claimName";

/// All of them.
pub(super) static KINDS: &[Kind] = &[
    kind(
        "",
        V1,
        "nodes",
        "Node",
        &[
            "spec.{providerID unschedulable podCIDR}",
            "spec.taints[key].{value effect}",
            "status.conditions[type].{status reason lastTransitionTime}",
            "status.addresses[type].address",
            "status.{capacity allocatable}",
            "status.nodeInfo.{bootID machineID kernelVersion kubeletVersion kubeProxyVersion containerRuntimeVersion osImage architecture}",
            "status.volumesAttached[name].devicePath",
        ],
    ),
    kind("", V1, "namespaces", "Namespace", &["spec.finalizers", "status.phase", CONDITIONS]),
    kind(
        "",
        V1,
        "pods",
        "Pod",
        &[
            "spec.{nodeName serviceAccountName priorityClassName priority hostNetwork schedulerName nodeSelector restartPolicy}",
            "spec.{containers[name] initContainers[name]}.image",
            "spec.volumes[name].persistentVolumeClaim.claimName",
            "status.{phase reason podIP hostIP qosClass startTime nominatedNodeName}",
            "status.podIPs[ip].ip",
            CONDITIONS,
            "status.{containerStatuses[name] initContainerStatuses[name]}.{ready restartCount image imageID started}",
            "status.{containerStatuses[name] initContainerStatuses[name]}.state.{waiting terminated}.{reason exitCode signal finishedAt}",
            "status.{containerStatuses[name] initContainerStatuses[name]}.state.running.startedAt",
            "status.{containerStatuses[name] initContainerStatuses[name]}.lastState.terminated.{reason exitCode signal finishedAt}",
        ],
    ),
    kind(
        "apps",
        V1,
        "deployments",
        "Deployment",
        &[
            "spec.{replicas paused progressDeadlineSeconds} spec.selector.matchLabels spec.strategy.type",
            IMAGES,
            INIT_IMAGES,
            TEMPLATE,
            TEMPLATE_CLAIMS,
            "status.{replicas readyReplicas updatedReplicas availableReplicas unavailableReplicas observedGeneration}",
            CONDITIONS,
        ],
    ),
    kind(
        "apps",
        V1,
        "statefulsets",
        "StatefulSet",
        &[
            "spec.{replicas serviceName podManagementPolicy} spec.selector.matchLabels spec.updateStrategy.type",
            IMAGES,
            INIT_IMAGES,
            TEMPLATE,
            TEMPLATE_CLAIMS,
            "spec.volumeClaimTemplates[metadata.name].spec.{storageClassName accessModes} spec.volumeClaimTemplates[metadata.name].spec.resources.requests",
            "status.{replicas readyReplicas updatedReplicas availableReplicas currentRevision updateRevision observedGeneration}",
        ],
    ),
    kind(
        "apps",
        V1,
        "daemonsets",
        "DaemonSet",
        &[
            "spec.selector.matchLabels spec.updateStrategy.type",
            IMAGES,
            INIT_IMAGES,
            TEMPLATE,
            TEMPLATE_CLAIMS,
            "status.{desiredNumberScheduled currentNumberScheduled numberReady updatedNumberScheduled numberAvailable numberUnavailable numberMisscheduled observedGeneration}",
        ],
    ),
    kind(
        "apps",
        V1,
        "replicasets",
        "ReplicaSet",
        &["spec.replicas", IMAGES, "status.{replicas readyReplicas availableReplicas observedGeneration}"],
    ),
    kind(
        "batch",
        V1,
        "jobs",
        "Job",
        &[
            "spec.{parallelism completions backoffLimit suspend activeDeadlineSeconds}",
            IMAGES,
            TEMPLATE,
            TEMPLATE_CLAIMS,
            "status.{active ready succeeded failed startTime completionTime}",
            CONDITIONS,
        ],
    ),
    kind(
        "batch",
        &["v1", "v1beta1"],
        "cronjobs",
        "CronJob",
        &[
            "spec.{schedule timeZone suspend concurrencyPolicy startingDeadlineSeconds}",
            "spec.jobTemplate.spec.template.spec.containers[name].image",
            "spec.jobTemplate.spec.template.spec.volumes[name].persistentVolumeClaim.claimName",
            "status.{lastScheduleTime lastSuccessfulTime} status.active[name].name",
        ],
    ),
    kind(
        "",
        V1,
        "services",
        "Service",
        &[
            "spec.{type clusterIP clusterIPs externalName externalIPs loadBalancerClass loadBalancerIP externalTrafficPolicy internalTrafficPolicy ipFamilyPolicy ipFamilies sessionAffinity selector}",
            "spec.ports[port].{name protocol targetPort nodePort appProtocol}",
            "status.loadBalancer.ingress[].{ip hostname}",
        ],
    ),
    kind(
        "discovery.k8s.io",
        &["v1", "v1beta1"],
        "endpointslices",
        "EndpointSlice",
        &[
            "addressType",
            "endpoints[addresses].{nodeName zone hostname} endpoints[addresses].conditions.{ready serving terminating} endpoints[addresses].targetRef.{kind name}",
            "ports[port].{name protocol}",
        ],
    ),
    kind(
        "networking.k8s.io",
        V1,
        "ingresses",
        "Ingress",
        &[
            "spec.ingressClassName spec.defaultBackend.service.name spec.tls[secretName].hosts",
            "spec.rules[host].http.paths[path].{pathType} spec.rules[host].http.paths[path].backend.service.name spec.rules[host].http.paths[path].backend.service.port.{name number}",
            "status.loadBalancer.ingress[].{ip hostname}",
        ],
    ),
    kind(
        "gateway.networking.k8s.io",
        &["v1", "v1beta1"],
        "gateways",
        "Gateway",
        &[
            "spec.gatewayClassName spec.listeners[name].{hostname port protocol}",
            "status.addresses[value].type",
            CONDITIONS,
        ],
    ),
    kind("gateway.networking.k8s.io", &["v1", "v1beta1"], "httproutes", "HTTPRoute", ROUTE),
    kind("gateway.networking.k8s.io", &["v1", "v1alpha2"], "grpcroutes", "GRPCRoute", ROUTE),
    kind("gateway.networking.k8s.io", &["v1", "v1alpha2"], "tlsroutes", "TLSRoute", ROUTE),
    kind("gateway.networking.k8s.io", &["v1alpha2"], "tcproutes", "TCPRoute", ROUTE),
    kind(
        "",
        V1,
        "persistentvolumes",
        "PersistentVolume",
        &[
            "spec.{accessModes storageClassName persistentVolumeReclaimPolicy volumeMode} spec.capacity",
            "spec.claimRef.{namespace name} spec.csi.{driver volumeHandle fsType} spec.local.path spec.nfs.{server path} spec.hostPath.path",
            "status.{phase reason}",
        ],
    ),
    kind(
        "",
        V1,
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        &[
            "spec.{accessModes storageClassName volumeName volumeMode} spec.resources.requests",
            "status.{phase capacity}",
            CONDITIONS,
        ],
    ),
    kind(
        "storage.k8s.io",
        V1,
        "storageclasses",
        "StorageClass",
        &["{provisioner reclaimPolicy volumeBindingMode allowVolumeExpansion}"],
    ),
    kind(
        "storage.k8s.io",
        V1,
        "csinodes",
        "CSINode",
        &["spec.drivers[name].nodeID spec.drivers[name].allocatable.count"],
    ),
    kind(
        "policy",
        &["v1", "v1beta1"],
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        &[
            "spec.{minAvailable maxUnavailable} spec.selector.matchLabels",
            "status.{currentHealthy desiredHealthy disruptionsAllowed expectedPods observedGeneration}",
        ],
    ),
    kind(
        "autoscaling",
        &["v2", "v1"],
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        &[
            "spec.{minReplicas maxReplicas} spec.scaleTargetRef.{kind name}",
            "status.{currentReplicas desiredReplicas}",
            "status.conditions[type].{status reason}",
        ],
    ),
    kind(
        "apiregistration.k8s.io",
        V1,
        "apiservices",
        "APIService",
        &["spec.{group version} spec.service.{namespace name port}", CONDITIONS],
    ),
    kind(
        "admissionregistration.k8s.io",
        V1,
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        WEBHOOKS,
    ),
    kind("admissionregistration.k8s.io", V1, "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", WEBHOOKS),
    Kind {
        page: PAGE_OF_LARGE,
        ..kind(
            "apiextensions.k8s.io",
            V1,
            "customresourcedefinitions",
            "CustomResourceDefinition",
            &[
                "spec.{group scope} spec.names.{kind plural} spec.versions[name].{served storage}",
                "spec.conversion.strategy",
            ],
        )
    },
    kind(
        "certificates.k8s.io",
        V1,
        "certificatesigningrequests",
        "CertificateSigningRequest",
        &["spec.{signerName username}", "status.conditions[type].{status reason}"],
    ),
    kind("rbac.authorization.k8s.io", V1, "rolebindings", "RoleBinding", BINDING),
    kind("rbac.authorization.k8s.io", V1, "clusterrolebindings", "ClusterRoleBinding", BINDING),
    kind("scheduling.k8s.io", V1, "priorityclasses", "PriorityClass", &["{value globalDefault preemptionPolicy}"]),
    Kind {
        // Those of nodes are discovery's, and there is one a node.
        selector: "metadata.namespace!=kube-node-lease",
        ..kind(
            "coordination.k8s.io",
            V1,
            "leases",
            "Lease",
            &["spec.{holderIdentity leaseDurationSeconds leaseTransitions}"],
        )
    },
    kind(
        "events.k8s.io",
        &["v1", "v1beta1"],
        EVENTS,
        "Event",
        &[
            "{type reason action reportingController eventTime deprecatedCount deprecatedFirstTimestamp deprecatedLastTimestamp note~}",
            "regarding.{kind namespace name} series.{count lastObservedTime} deprecatedSource.{component host}",
        ],
    ),
];

/// Who may do what; what a role allows is not kept.
const BINDING: &[&str] = &["roleRef.{kind name}", "subjects[name].{kind namespace}"];
const ROUTE: &[&str] =
    &["spec.hostnames spec.parentRefs[name].{namespace sectionName} spec.rules[].backendRefs[name].port"];
const WEBHOOKS: &[&str] = &[
    "webhooks[name].{failurePolicy timeoutSeconds matchPolicy sideEffects}",
    "webhooks[name].clientConfig.service.{namespace name port}",
    "webhooks[name].rules[].{apiGroups resources operations scope}",
    "webhooks[name].namespaceSelector.matchLabels",
];
