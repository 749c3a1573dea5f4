//! Series of the canary. Between two runs the last one stands.

use super::{SampleBuilder, unix};
use crate::model::CanaryStanding;

/// A label with its value.
type Pair<'a> = (&'a str, &'a str);

fn with<'a>(who: &[Pair<'a>], more: &[Pair<'a>]) -> Vec<Pair<'a>> {
    who.iter().chain(more).copied().collect()
}

/// Adds those of all forms and places.
pub(super) fn put(s: &mut SampleBuilder<'_>, canaries: &[CanaryStanding]) {
    for standing in canaries {
        let mut who = vec![("job", "canary"), ("canary", standing.form.as_str())];
        who.extend(standing.place.label());
        let severity = standing.severity().to_string();
        let failing = standing.failing().is_some();
        s.flag("dogwatch_canary_success", &who, standing.last.failure.is_none());
        s.flag("dogwatch_canary_failing", &with(&who, &[("severity", &severity)]), failing);
        s.put("dogwatch_canary_last_run_timestamp_seconds", &who, unix(standing.last.ended));
        if let Some(at) = standing.last_success {
            s.put("dogwatch_canary_last_success_timestamp_seconds", &who, unix(at));
        }
        for time in &standing.last.times {
            let more = [("stage", time.stage.as_str()), ("instance", time.instance.as_deref().unwrap_or_default())];
            s.seconds("dogwatch_canary_stage_duration_seconds", &with(&who, &more), time.took);
        }
        if let Some(failure) = &standing.last.failure {
            let more = [("stage", failure.stage.as_str()), ("layer", failure.layer.as_str())];
            s.put("dogwatch_canary_failure_info", &with(&who, &more), 1.0);
        }
    }
}
