//! Series of the canary. Between two runs the last one stands.

use super::{SampleBuilder, unix};
use crate::model::CanaryStanding;

/// Adds those of all forms and places.
pub(super) fn put(s: &mut SampleBuilder<'_>, canaries: &[CanaryStanding]) {
    for standing in canaries {
        let mut who = vec![("job", "canary"), ("canary", standing.form.as_str())];
        who.extend(standing.place.label());
        let with = |more: &[(&'static str, &str)], put: &mut dyn FnMut(&[(&str, &str)])| {
            let all: Vec<(&str, &str)> = who.iter().copied().chain(more.iter().copied()).collect();
            put(&all);
        };
        let severity = standing.severity().to_string();
        let failing = standing.failing().is_some();
        s.flag("dogwatch_canary_success", &who, standing.last.failure.is_none());
        with(&[("severity", severity.as_str())], &mut |all| s.flag("dogwatch_canary_failing", all, failing));
        s.put("dogwatch_canary_last_run_timestamp_seconds", &who, unix(standing.last.ended));
        if let Some(at) = standing.last_success {
            s.put("dogwatch_canary_last_success_timestamp_seconds", &who, unix(at));
        }
        for time in &standing.last.times {
            let (stage, instance) = (time.stage.as_str(), time.instance.as_deref().unwrap_or_default());
            with(&[("stage", stage), ("instance", instance)], &mut |all| {
                s.seconds("dogwatch_canary_stage_duration_seconds", all, time.took);
            });
        }
        if let Some(failure) = &standing.last.failure {
            with(&[("stage", failure.stage.as_str()), ("layer", failure.layer.as_str())], &mut |all| {
                s.put("dogwatch_canary_failure_info", all, 1.0);
            });
        }
    }
}
