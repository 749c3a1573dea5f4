//! `restore_drills:` of the configuration.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::model::{RestoreDrill, duration};

/// Drilling more often than this is a test, and no drill.
const EVERY_MIN: Duration = Duration::from_secs(60);

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreDrillConfig {
    /// Its name: the label `restore_drill`.
    pub name: String,
    /// A drill that is done is due this long after the last one.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub every: Duration,
    /// The recovery time objective: so long it may take.
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub rto: Option<Duration>,
    /// The recovery point objective: so old the restored data may be when a drill begins.
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub rpo: Option<Duration>,
    /// The steps in their order; what is reported beside them is kept too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
    /// The file with its token, 16 characters or more.
    pub token_file: PathBuf,
    /// The cluster that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
}

impl RestoreDrillConfig {
    /// The objectives that a drill is held to.
    pub fn objectives(&self) -> (Option<Duration>, Option<Duration>) {
        (self.rto, self.rpo)
    }

    fn problem(&self) -> Option<(&'static str, String)> {
        if self.every < EVERY_MIN {
            return Some(("every", "must be at least 1m".into()));
        }
        if self.steps.len() > RestoreDrill::STEPS_MAX {
            return Some(("steps", format!("has more than {} steps", RestoreDrill::STEPS_MAX)));
        }
        let unfit = self.steps.iter().find(|step| !is_step(step))?;
        Some(("steps", format!("{unfit:?} is no step's name: use letters, digits, '.', '_' and '-'")))
    }
}

/// Whether a step may be called so: what stands in an address as it is.
pub fn is_step(name: &str) -> bool {
    (1..=RestoreDrill::STEP_NAME_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// Returns what is wrong with drills, each with its path. Whether names are names, and clusters there, is not looked at here.
pub fn problems(drills: &[RestoreDrillConfig], heartbeats: &BTreeSet<&str>) -> Vec<(String, String)> {
    let mut names = heartbeats.clone();
    let mut all = Vec::new();
    for (i, drill) in drills.iter().enumerate() {
        let at = format!("restore_drills[{i}]");
        if !names.insert(&drill.name) {
            let why = format!("a heartbeat or another drill is called {:?} already", drill.name);
            all.push((format!("{at}.name"), why));
        }
        all.extend(drill.problem().map(|(key, why)| (format!("{at}.{key}"), why)));
    }
    all
}

/// Makes relative paths absolute.
pub fn resolve_paths(drills: &mut [RestoreDrillConfig], base: &Path) {
    for drill in drills {
        drill.token_file = base.join(&drill.token_file);
    }
}
