//! Which layer a pod's failed stage points to. Pure: the pod's own status, its events and its node's condition are read in
//! an order in which the surer word comes first.

use super::{
    layer::Told,
    pod_facts::{Container, EventFacts, PodFacts},
};
use crate::model::{CanaryLayer, CanaryStage};

use CanaryLayer as L;

/// What is known at the moment at which a stage is given up.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) pod: PodFacts,
    /// Of the pod and its claim, the newest last.
    pub(super) events: Vec<EventFacts>,
    /// The phase of its claim, where it has one.
    pub(super) claim: Option<String>,
    /// Why its node is not Ready, in the kubelet's words; nothing where it is.
    pub(super) node_not_ready: Option<String>,
    /// Its node is known, and Ready.
    pub(super) node_is_ready: bool,
    /// How it was asked for from outside.
    pub(super) reach: Reach,
}

/// What came of asking at NodePorts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    /// At the pod's own node.
    pub(super) own: Way,
    /// At another node.
    pub(super) other: Way,
}

/// How one NodePort answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Way {
    /// Nobody was asked.
    #[default]
    Unasked,
    /// By the pod.
    Answered,
    /// By nobody: the port is closed.
    Refused,
    /// Not at all.
    Silent,
    /// By something else.
    Strange,
}

impl Way {
    /// As people read it.
    pub(super) fn says(self) -> &'static str {
        match self {
            Way::Unasked => "not asked",
            Way::Answered => "answers",
            Way::Refused => "refuses the connection",
            Way::Silent => "does not answer",
            Way::Strange => "something else answers",
        }
    }
}

/// Says what fails for good: waiting longer would not help.
pub(super) fn is_final(pod: &PodFacts) -> bool {
    let broken = |c: &Container| {
        let image = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"];
        let made = ["CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff"];
        image.contains(&c.reason.as_str())
            || made.contains(&c.reason.as_str())
            || c.exit_code.is_some_and(|code| code != 0)
    };
    pod.phase == "Failed" || pod.containers().any(broken)
}

/// Returns the layer.
pub(super) fn decide(stage: CanaryStage, seen: &Seen) -> Told {
    match stage {
        CanaryStage::Scheduled => scheduling(seen),
        CanaryStage::Reachable => reaching(seen.reach),
        CanaryStage::Deleted => deleting(seen),
        _ => on_node(stage, seen),
    }
}

fn has(text: &str, parts: &[&str]) -> bool {
    let text = text.to_lowercase();
    parts.iter().any(|part| text.contains(part))
}

/// Words of volumes, in messages of the scheduler and in events.
const VOLUME: [&str; 7] = [
    "persistentvolumeclaim",
    "persistent volume",
    "volume node affinity",
    "volume binding",
    "provision",
    "storageclass",
    "pvc",
];
/// Words of the pod network.
const NETWORK: [&str; 6] = ["cni", "network plugin", "networkplugin", "set up pod", "setup network", "plugin type="];

fn scheduling(seen: &Seen) -> Told {
    let lacks_class = |e: &EventFacts| {
        e.reason == "ProvisioningFailed" && has(&e.message, &["storageclass"]) && has(&e.message, &["not found"])
    };
    if seen.events.iter().any(lacks_class) {
        return (L::Setup, "its StorageClass does not exist");
    }
    let Some((reason, message)) = &seen.pod.unscheduled else {
        let failed = seen.events.iter().rev().find(|e| e.reason == "FailedScheduling");
        return match failed {
            Some(e) if has(&e.message, &VOLUME) => (L::Csi, "its volume is not bound"),
            Some(_) => (L::Capacity, "the scheduler finds no node for it"),
            None => (L::Scheduler, "no scheduler has looked at it"),
        };
    };
    match reason.as_str() {
        "SchedulingGated" => (L::Admission, "something has put a scheduling gate on it"),
        "SchedulerError" => (L::Scheduler, "the scheduler fails"),
        _ if has(message, &VOLUME) => match seen.claim.as_deref() {
            None => (L::Setup, "its claim does not exist"),
            Some(_) => (L::Csi, "its volume is not bound"),
        },
        _ => (L::Capacity, "the scheduler finds no node for it"),
    }
}

/// From the kubelet's taking it up to its being ready.
fn on_node(stage: CanaryStage, seen: &Seen) -> Told {
    if let Some(told) = of_pod(&seen.pod) {
        return told;
    }
    if let Some(told) = seen.pod.containers().find_map(|c| of_container(c, stage)) {
        return told;
    }
    if let Some(told) = seen.events.iter().rev().find_map(of_event) {
        return told;
    }
    if let Some(why) = &seen.node_not_ready {
        return of_node(why);
    }
    match stage {
        CanaryStage::Volume => (L::Csi, "writing to its volume and reading it again does not end"),
        CanaryStage::Dns => (L::Dns, "looking the name up does not end"),
        CanaryStage::Ready => (L::Cni, "the kubelet does not reach it"),
        CanaryStage::Pulled if seen.pod.main.is_some() || !seen.pod.init.is_empty() => {
            // Images come after sandbox and volumes: without a word of it, one of these is what takes so long.
            (L::ContainerRuntime, "nothing is heard of its image")
        }
        CanaryStage::Running if seen.pod.main.is_some() => (L::ContainerRuntime, "its container is not started"),
        // A kubelet that lives and can't get on with a pod waits for its runtime.
        _ if seen.node_is_ready => (L::ContainerRuntime, "its node is Ready and gets no further with it"),
        _ => (L::Kubelet, "the kubelet of its node has not taken it up"),
    }
}

/// A pod that has failed as a whole.
fn of_pod(pod: &PodFacts) -> Option<Told> {
    let reason = pod.reason.as_str();
    if pod.phase != "Failed" && reason.is_empty() {
        return None;
    }
    match reason {
        "Evicted" | "Preempting" | "Terminated" => Some((L::Capacity, "its node has put it out")),
        "UnexpectedAdmissionError" | "NodeAffinity" | "NodePorts" => {
            Some((L::Kubelet, "the kubelet of its node refuses it"))
        }
        _ if reason.starts_with("OutOf") => Some((L::Capacity, "its node has no room for it")),
        "NodeLost" => Some((L::Kubelet, "its node is lost")),
        _ => None,
    }
}

fn of_container(c: &Container, stage: CanaryStage) -> Option<Told> {
    let told = match c.reason.as_str() {
        "ErrImagePull" | "ImagePullBackOff" | "RegistryUnavailable" => (L::Registry, "the image can't be pulled"),
        "InvalidImageName" | "ErrImageNeverPull" => (L::Setup, "the image's name, or its pull policy, is wrong"),
        "ImageInspectError" => (L::ContainerRuntime, "the container runtime fails"),
        // A command that the image does not have.
        _ if has(&c.message, &["executable file not found", "no such file or directory"]) => {
            (L::Image, "the image does not have the command")
        }
        "CreateContainerConfigError" => (L::Setup, "its configuration can't be used"),
        "CreateContainerError"
        | "RunContainerError"
        | "StartError"
        | "ContainerCannotRun"
        | "CreatePodSandboxError" => (L::ContainerRuntime, "the container runtime can't start it"),
        "OOMKilled" => (L::Image, "it needs more memory than it may have"),
        _ => match (c.exit_code, c.name.as_str()) {
            (Some(0) | None, _) if c.reason != "CrashLoopBackOff" => return None,
            (_, "volume") => (L::Csi, "writing to its volume, or reading it again, fails"),
            (_, "dns") => (L::Dns, "the cluster's DNS does not answer for a name of the cluster"),
            _ if stage <= CanaryStage::Ready => (L::Image, "its command ends"),
            _ => return None,
        },
    };
    Some(told)
}

fn of_event(e: &EventFacts) -> Option<Told> {
    Some(match e.reason.as_str() {
        "FailedMount" | "FailedAttachVolume" | "FailedMapVolume" | "ProvisioningFailed" | "VolumeFailedDelete" => {
            (L::Csi, "its volume can't be attached or mounted")
        }
        "NetworkNotReady" => (L::Cni, "the network of its node is not ready"),
        "FailedCreatePodSandBox" | "FailedPodSandBoxStatus" if has(&e.message, &NETWORK) => {
            (L::Cni, "the pod network gives it no interface")
        }
        "FailedCreatePodSandBox" | "FailedPodSandBoxStatus" | "SandboxChanged" => {
            (L::ContainerRuntime, "the container runtime makes no sandbox for it")
        }
        "Failed" if has(&e.message, &["pull", "image"]) => (L::Registry, "the image can't be pulled"),
        "Failed" => (L::ContainerRuntime, "the container runtime can't start it"),
        "Unhealthy" if has(&e.message, &["connection refused"]) => (L::Image, "nothing listens in it"),
        "Unhealthy" => (L::Cni, "the kubelet does not reach it"),
        "FailedScheduling" | "Scheduled" | "Pulled" | "Pulling" => return None,
        _ => return None,
    })
}

/// By what the kubelet says of its node's condition Ready.
fn of_node(why: &str) -> Told {
    if has(why, &NETWORK) {
        (L::Cni, "the network of its node is not ready")
    } else if has(why, &["runtime", "pleg", "containerd", "cri-o"]) {
        (L::ContainerRuntime, "the container runtime of its node is down")
    } else {
        (L::Kubelet, "its node is not ready")
    }
}

fn reaching(reach: Reach) -> Told {
    use Way::{Answered, Refused, Silent, Strange, Unasked};
    match (reach.own, reach.other) {
        (Answered, Refused) => (L::KubeProxy, "its NodePort is closed on another node"),
        (Answered, Silent) => (L::Cni, "it can't be reached through another node"),
        (Refused, Answered | Unasked | Refused) => (L::KubeProxy, "its NodePort is closed"),
        (Silent, Answered) => (L::KubeProxy, "its NodePort does not answer on its own node"),
        // Nothing is closed and nothing comes through: the rules are there, or a firewall is.
        (Silent | Unasked, _) => (L::Cni, "its NodePort is silent: the pod network, or a firewall on our way"),
        (Refused, Silent | Strange) => (L::KubeProxy, "its NodePort is closed"),
        (Strange, _) | (Answered, Strange | Unasked | Answered) => {
            (L::KubeProxy, "something else answers at its NodePort")
        }
    }
}

fn deleting(seen: &Seen) -> Told {
    let stuck = seen.events.iter().rev().find_map(|e| match e.reason.as_str() {
        "FailedKillPod" if has(&e.message, &NETWORK) => Some((L::Cni, "the pod network does not let it go")),
        "FailedKillPod" => Some((L::ContainerRuntime, "the container runtime does not end it")),
        "FailedUnmount" | "FailedUnmountDevice" | "FailedDetachVolume" => Some((L::Csi, "its volume is not let go")),
        _ => None,
    });
    let of_its_node = || seen.node_not_ready.as_deref().map(of_node);
    stuck.or_else(of_its_node).unwrap_or((L::Kubelet, "the kubelet of its node does not end it"))
}
