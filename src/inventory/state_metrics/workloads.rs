//! Series of what makes pods (docs/metrics/workload and docs/metrics/policy there): one table of fields.

use super::{Builder, Pair, number, unix};
use crate::inventory::object::Object;

/// A series with the field that it is: numbers that are not there are 0, as in a status that was never written.
type Field = (&'static str, &'static [&'static str]);

const DEPLOYMENT: &[Field] = &[
    ("kube_deployment_status_replicas", &["status", "replicas"]),
    ("kube_deployment_status_replicas_ready", &["status", "readyReplicas"]),
    ("kube_deployment_status_replicas_available", &["status", "availableReplicas"]),
    ("kube_deployment_status_replicas_unavailable", &["status", "unavailableReplicas"]),
    ("kube_deployment_status_replicas_updated", &["status", "updatedReplicas"]),
    ("kube_deployment_status_observed_generation", &["status", "observedGeneration"]),
    ("kube_deployment_metadata_generation", &["metadata", "generation"]),
];
const STATEFULSET: &[Field] = &[
    ("kube_statefulset_status_replicas", &["status", "replicas"]),
    ("kube_statefulset_status_replicas_ready", &["status", "readyReplicas"]),
    ("kube_statefulset_status_replicas_available", &["status", "availableReplicas"]),
    ("kube_statefulset_status_replicas_updated", &["status", "updatedReplicas"]),
    ("kube_statefulset_status_observed_generation", &["status", "observedGeneration"]),
    ("kube_statefulset_metadata_generation", &["metadata", "generation"]),
];
const DAEMONSET: &[Field] = &[
    ("kube_daemonset_status_desired_number_scheduled", &["status", "desiredNumberScheduled"]),
    ("kube_daemonset_status_current_number_scheduled", &["status", "currentNumberScheduled"]),
    ("kube_daemonset_status_number_available", &["status", "numberAvailable"]),
    ("kube_daemonset_status_number_unavailable", &["status", "numberUnavailable"]),
    ("kube_daemonset_status_number_misscheduled", &["status", "numberMisscheduled"]),
    ("kube_daemonset_status_number_ready", &["status", "numberReady"]),
    ("kube_daemonset_status_updated_number_scheduled", &["status", "updatedNumberScheduled"]),
    ("kube_daemonset_status_observed_generation", &["status", "observedGeneration"]),
    ("kube_daemonset_metadata_generation", &["metadata", "generation"]),
];
const REPLICASET: &[Field] = &[
    ("kube_replicaset_spec_replicas", &["spec", "replicas"]),
    ("kube_replicaset_status_replicas", &["status", "replicas"]),
    ("kube_replicaset_status_ready_replicas", &["status", "readyReplicas"]),
];
const JOB: &[Field] = &[
    ("kube_job_status_active", &["status", "active"]),
    ("kube_job_status_succeeded", &["status", "succeeded"]),
    ("kube_job_status_failed", &["status", "failed"]),
];
const AUTOSCALER: &[Field] = &[
    ("kube_horizontalpodautoscaler_spec_max_replicas", &["spec", "maxReplicas"]),
    ("kube_horizontalpodautoscaler_status_current_replicas", &["status", "currentReplicas"]),
    ("kube_horizontalpodautoscaler_status_desired_replicas", &["status", "desiredReplicas"]),
];
const BUDGET: &[Field] = &[
    ("kube_poddisruptionbudget_status_current_healthy", &["status", "currentHealthy"]),
    ("kube_poddisruptionbudget_status_desired_healthy", &["status", "desiredHealthy"]),
    ("kube_poddisruptionbudget_status_pod_disruptions_allowed", &["status", "disruptionsAllowed"]),
    ("kube_poddisruptionbudget_status_expected_pods", &["status", "expectedPods"]),
    ("kube_poddisruptionbudget_status_observed_generation", &["status", "observedGeneration"]),
];

pub(super) fn put(object: &Object, to: &mut Builder<'_>) {
    let (label, fields) = match object.resource {
        "deployments" => ("deployment", DEPLOYMENT),
        "statefulsets" => ("statefulset", STATEFULSET),
        "daemonsets" => ("daemonset", DAEMONSET),
        "replicasets" => ("replicaset", REPLICASET),
        "jobs" => ("job_name", JOB),
        "cronjobs" => ("cronjob", &[] as &[Field]),
        "horizontalpodautoscalers" => ("horizontalpodautoscaler", AUTOSCALER),
        "poddisruptionbudgets" => ("poddisruptionbudget", BUDGET),
        _ => return,
    };
    let who = [("namespace", object.namespace.as_str()), (label, object.name.as_str())];
    for (name, path) in fields {
        to.put(name, &who, number(object.number(path)));
    }
    let wanted = |field: &str| number(object.at(&["spec", field]).as_u64().unwrap_or(1));
    match object.resource {
        "deployments" => {
            to.put("kube_deployment_spec_replicas", &who, wanted("replicas"));
            let is_paused = object.at(&["spec", "paused"]) == true;
            to.put("kube_deployment_spec_paused", &who, f64::from(u8::from(is_paused)));
            to.conditions("kube_deployment_status_condition", &who, object);
        }
        "statefulsets" => {
            to.put("kube_statefulset_replicas", &who, wanted("replicas"));
            for (name, field) in [
                ("kube_statefulset_status_current_revision", "currentRevision"),
                ("kube_statefulset_status_update_revision", "updateRevision"),
            ] {
                let revision = object.text(&["status", field]);
                to.put(name, &[&who[..], &[("revision", revision)]].concat(), 1.0);
            }
        }
        "replicasets" => owner("kube_replicaset_owner", &who, object, to),
        "jobs" => job(object, &who, to),
        "cronjobs" => cron_job(object, &who, to),
        "horizontalpodautoscalers" => {
            to.put("kube_horizontalpodautoscaler_spec_min_replicas", &who, wanted("minReplicas"));
        }
        _ => {}
    }
}

fn owner(series: &str, who: &[Pair<'_>], object: &Object, to: &mut Builder<'_>) {
    let (kind, name) = object.owner().unwrap_or(("", ""));
    let is_controller = if kind.is_empty() { "" } else { "true" };
    let owned = [("owner_kind", kind), ("owner_name", name), ("owner_is_controller", is_controller)];
    to.put(series, &[who, &owned].concat(), 1.0);
}

fn job(job: &Object, who: &[Pair<'_>], to: &mut Builder<'_>) {
    owner("kube_job_owner", who, job, to);
    if let Some(completions) = job.at(&["spec", "completions"]).as_u64() {
        to.put("kube_job_spec_completions", who, number(completions));
    }
    for (series, field) in
        [("kube_job_status_start_time", "startTime"), ("kube_job_status_completion_time", "completionTime")]
    {
        if let Some(at) = job.time(&["status", field]) {
            to.put(series, who, unix(at));
        }
    }
    for (series, condition) in [("kube_job_complete", "Complete"), ("kube_job_failed", "Failed")] {
        let status = job.text(&["status", "conditions", condition, "status"]).to_lowercase();
        if !status.is_empty() {
            to.one_of(series, who, "condition", &["true", "false", "unknown"], &status);
        }
    }
}

fn cron_job(job: &Object, who: &[Pair<'_>], to: &mut Builder<'_>) {
    let is_suspended = job.at(&["spec", "suspend"]) == true;
    to.put("kube_cronjob_spec_suspend", who, f64::from(u8::from(is_suspended)));
    let active = job.map(&["status", "active"]).count();
    to.put("kube_cronjob_status_active", who, number(active as u64));
    for (series, field) in [
        ("kube_cronjob_status_last_schedule_time", "lastScheduleTime"),
        ("kube_cronjob_status_last_successful_time", "lastSuccessfulTime"),
    ] {
        if let Some(at) = job.time(&["status", field]) {
            to.put(series, who, unix(at));
        }
    }
}
