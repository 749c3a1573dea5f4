//! What a pod, its claim and their events say, as far as the canary needs it. Pure; what is odd is taken as absent.

use serde_json::Value;

/// A container's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) name: String,
    /// `Waiting`'s or `Terminated`'s reason.
    pub(super) reason: String,
    /// Its message, or the termination message.
    pub(super) message: String,
    pub(super) is_running: bool,
    pub(super) is_waiting: bool,
    /// Its exit code, once it has ended.
    pub(super) exit_code: Option<i64>,
    pub(super) is_ready: bool,
    /// The image is on the node.
    pub(super) has_image: bool,
    pub(super) restarts: i64,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PodFacts {
    pub(super) uid: String,
    pub(super) node: Option<String>,
    /// The address of its node, as the kubelet tells it.
    pub(super) host_ip: Option<String>,
    pub(super) phase: String,
    /// Of a pod that has failed as a whole: `Evicted`, `OutOfcpu`, `DeadlineExceeded`, …
    pub(super) reason: String,
    pub(super) message: String,
    /// Reason and message of `PodScheduled=False`.
    pub(super) unscheduled: Option<(String, String)>,
    pub(super) is_ready: bool,
    pub(super) init: Vec<Container>,
    pub(super) main: Option<Container>,
}

/// An event about the pod or its claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EventFacts {
    pub(super) reason: String,
    pub(super) message: String,
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn some(value: &Value, pointer: &str) -> Option<String> {
    Some(text(value, pointer)).filter(|t| !t.is_empty())
}

fn each<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

impl Container {
    fn of(status: &Value) -> Self {
        let state = |key: &str| status.pointer(&format!("/state/{key}")).filter(|s| !s.is_null());
        let ended = state("terminated");
        let told = ended.or_else(|| state("waiting"));
        Self {
            name: text(status, "/name"),
            reason: told.map(|s| text(s, "/reason")).unwrap_or_default(),
            message: told.map(|s| text(s, "/message")).unwrap_or_default(),
            is_running: state("running").is_some(),
            is_waiting: state("waiting").is_some(),
            exit_code: ended.and_then(|s| s.get("exitCode")?.as_i64()),
            is_ready: status.get("ready").and_then(Value::as_bool).unwrap_or_default(),
            has_image: some(status, "/imageID").is_some(),
            restarts: status.get("restartCount").and_then(Value::as_i64).unwrap_or_default(),
        }
    }

    /// Whether it has begun at least once.
    pub(super) fn has_begun(&self) -> bool {
        self.is_running || self.exit_code.is_some() || self.restarts > 0
    }

    /// Whether it has done what it is for.
    pub(super) fn is_done(&self) -> bool {
        self.exit_code == Some(0)
    }
}

impl PodFacts {
    pub(super) fn of(pod: &Value) -> Self {
        let condition = |kind: &str| each(pod, "/status/conditions").find(|c| text(c, "/type") == kind);
        let is = |c: &Value, status: &str| text(c, "/status") == status;
        Self {
            uid: text(pod, "/metadata/uid"),
            node: some(pod, "/spec/nodeName"),
            host_ip: some(pod, "/status/hostIP"),
            phase: text(pod, "/status/phase"),
            reason: text(pod, "/status/reason"),
            message: text(pod, "/status/message"),
            unscheduled: condition("PodScheduled")
                .filter(|c| is(c, "False"))
                .map(|c| (text(c, "/reason"), text(c, "/message"))),
            is_ready: condition("Ready").is_some_and(|c| is(c, "True")),
            init: each(pod, "/status/initContainerStatuses").map(Container::of).collect(),
            main: each(pod, "/status/containerStatuses").next().map(Container::of),
        }
    }

    /// An init container, which is a stage.
    pub(super) fn init(&self, name: &str) -> Option<&Container> {
        self.init.iter().find(|c| c.name == name)
    }

    /// All of its containers, in the order in which they run.
    pub(super) fn containers(&self) -> impl Iterator<Item = &Container> {
        self.init.iter().chain(&self.main)
    }
}

/// Events about objects of this UID or name, the newest last.
pub(super) fn events(list: &[Value], names: &[&str]) -> Vec<EventFacts> {
    let mut found: Vec<(String, EventFacts)> = list
        .iter()
        .filter(|e| names.contains(&text(e, "/involvedObject/uid").as_str()))
        .map(|e| {
            let at = ["/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"].iter().find_map(|p| some(e, p));
            (at.unwrap_or_default(), EventFacts { reason: text(e, "/reason"), message: text(e, "/message") })
        })
        .collect();
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found.into_iter().map(|(_, event)| event).collect()
}
