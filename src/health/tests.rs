//! Scenarios: a cluster as in the lab (three control-plane hosts, some nodes), broken in one way at a time, and the words
//! that come of it.

use insta::assert_snapshot;

use crate::model::{Diagnosis, Finding, FindingKey};

mod again;
mod agreement;
mod arbitrary;
mod between;
mod canary;
mod checks;
mod control_plane;
mod etcd;
mod explained;
mod lists;
mod lost;
mod nodes;
mod objects;
mod own;
mod returns;
mod witness;
mod world;

use world::World;

/// The roots in full, their consequences by headline: what an incident tells.
fn told(world: &World) -> String {
    let diagnosis = world.diagnose();
    every_cause_exists(&diagnosis);
    let mut lines = Vec::new();
    for f in &diagnosis.findings {
        match &f.caused_by {
            None => {
                lines.push(format!("{} {}: {}", f.severity, f.key.alert, f.headline));
                lines.extend(f.still_works.iter().map(|l| format!("  + {l}")));
                lines.extend(f.consequences.iter().map(|l| format!("  - {l}")));
            }
            Some(cause) => lines.push(format!("{} <- {}: {}", cause.alert, f.key.alert, f.headline)),
        }
    }
    if diagnosis.unsettled {
        lines.push("(unsettled)".into());
    }
    if diagnosis.blind {
        lines.push("(blind)".into());
    }
    lines.join("\n")
}

/// Everything that one finding says.
fn in_full(f: &Finding) -> String {
    let mut lines = vec![f.headline.clone(), format!("since {}", f.since)];
    lines.extend(f.evidence.iter().map(|l| format!("  {l}")));
    lines.push(format!("first: {}", f.first_step));
    lines.push(format!("{:?}", f.labels));
    lines.join("\n")
}

fn every_cause_exists(diagnosis: &Diagnosis) {
    let root = |key: &FindingKey| diagnosis.findings.iter().any(|f| f.key == *key && f.caused_by.is_none());
    for f in &diagnosis.findings {
        assert!(f.caused_by.as_ref().is_none_or(root), "{f:?} names a cause that is no root");
        assert!(!f.headline.is_empty() && !f.first_step.is_empty(), "{f:?} says too little");
    }
    let mut keys: Vec<_> = diagnosis.findings.iter().map(|f| &f.key).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), diagnosis.findings.len(), "a key was used twice");
}

#[test]
fn all_is_well() {
    assert_snapshot!(told(&World::new(5)), @"");
}
