//! VolumeSnapshots of each claim, held against their own rhythm: nobody tells by which schedule they are made.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{Moment, News, pair};
use crate::{
    inventory::object::Object,
    model::{BackupFact, Situation, text},
};

/// So many claims are told of.
const TOLD_MAX: usize = 50;
/// So many snapshots show a rhythm …
const RHYTHM_MIN: usize = 4;
/// … and so many of the last ones are looked at.
const RHYTHM_OF: usize = 10;
/// No distance between two may be more than so many hundredths of the usual one, nor less than its inverse: else people make them.
const REGULAR: i64 = 150;
/// Those that are made more often are a test's.
const OFTEN: SignedDuration = SignedDuration::from_mins(10);
/// Drivers try again; what is still an error then has failed.
const FAILED_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// Bytes of what a driver says.
const SAID_MAX: usize = 200;

/// One of them.
#[derive(Debug)]
struct Snapshot {
    claim: String,
    at: Timestamp,
    is_ready: bool,
    /// What its driver says.
    error: Option<String>,
}

/// All of a cluster.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    made: BTreeMap<String, Snapshot>,
    claims: BTreeSet<String>,
}

impl Snapshots {
    pub(super) fn take(&mut self, news: &News<'_>) {
        let key = news.key();
        match news.object.resource {
            "persistentvolumeclaims" if news.is_gone => drop(self.claims.remove(&key)),
            "persistentvolumeclaims" => drop(self.claims.insert(key)),
            "volumesnapshots" => {
                self.made.remove(&key);
                if let Some(snapshot) = snapshot(news.object).filter(|_| !news.is_gone) {
                    self.made.insert(key, snapshot);
                }
            }
            _ => {}
        }
    }

    pub(super) fn fill(&self, moment: &Moment<'_>, into: &mut Situation) {
        let Some(moment) = moment.of(&["volumesnapshots", "persistentvolumeclaims"]) else { return };
        let mut by_claim: BTreeMap<&str, Vec<&Snapshot>> = BTreeMap::new();
        // Snapshots of a claim that was deleted are kept on purpose, and no more are made.
        for snapshot in self.made.values().filter(|s| self.claims.contains(&s.claim)) {
            by_claim.entry(&snapshot.claim).or_default().push(snapshot);
        }
        let facts = by_claim.into_iter().filter_map(|(claim, made)| fact(claim, made, &moment));
        into.backups.extend(facts.take(TOLD_MAX));
    }
}

/// What is wrong with those of a claim; `None`: nothing.
fn fact(claim: &str, mut made: Vec<&Snapshot>, moment: &Moment<'_>) -> Option<BackupFact> {
    made.sort_by_key(|s| std::cmp::Reverse(s.at));
    let last_failure = made.first().and_then(|s| s.error.clone().filter(|_| moment.is_past(s.at, FAILED_AFTER)));
    let good: Vec<Timestamp> = made.iter().filter(|s| s.is_ready).map(|s| s.at).take(RHYTHM_OF).collect();
    let (usual, longest) = rhythm(&good).unzip();
    let good_at = good.first().copied();
    let due_at = good_at.zip(longest).and_then(|(at, longest)| at.checked_add(longest).ok());
    let due_at = due_at.filter(|due| *due <= moment.now);
    let every = |usual: SignedDuration| format!("every {} until now", text::duration(usual.unsigned_abs()));
    (last_failure.is_some() || due_at.is_some()).then(|| BackupFact {
        kind: "VolumeSnapshot",
        key: claim.to_owned(),
        schedule: usual.map_or_else(|| "no regular one".to_owned(), every),
        good_at,
        due_at,
        last_failure,
        items: None,
    })
}

/// The usual distance between them and the longest, the newest first; `None`: there is no rhythm.
fn rhythm(good: &[Timestamp]) -> Option<(SignedDuration, SignedDuration)> {
    if good.len() < RHYTHM_MIN {
        return None;
    }
    let mut apart: Vec<SignedDuration> = good.windows(2).map(|pair| pair[0].duration_since(pair[1])).collect();
    apart.sort_unstable();
    let (first, usual, last) = (*apart.first()?, *apart.get(apart.len() / 2)?, *apart.last()?);
    let times = |of: SignedDuration| of.as_secs().saturating_mul(REGULAR);
    let whole = |of: SignedDuration| of.as_secs().saturating_mul(100);
    let is_regular = usual >= OFTEN && whole(last) <= times(usual) && whole(usual) <= times(first);
    is_regular.then_some((usual, last))
}

fn snapshot(object: &Object) -> Option<Snapshot> {
    let claim = object.text(&["spec", "source", "persistentVolumeClaimName"]);
    let at = object.time(&["status", "creationTime"]).or_else(|| object.made_at())?;
    let is_ready = object.at(&["status", "readyToUse"]) == true;
    let error = object.at(&["status", "error"]).is_object();
    let said = text::clip(object.text(&["status", "error", "message"]), SAID_MAX);
    let error = (error && !is_ready).then(|| match said {
        "" => "with an error".to_owned(),
        said => format!("with an error ({said})"),
    });
    (!claim.is_empty()).then(|| Snapshot { claim: pair(&object.namespace, claim), at, is_ready, error })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{Told, t};

    /// Seconds of a day.
    const DAY: i64 = 86_400;

    fn made(at: i64, status: Value) -> Value {
        json!({"metadata": {"creationTimestamp": t(at).to_string()},
            "spec": {"source": {"persistentVolumeClaimName": "data"}}, "status": status})
    }

    fn told(days: &[i64]) -> Told {
        let mut told = Told::new();
        told.is(0, "persistentvolumeclaims", "shop/data", json!({}));
        for day in days {
            told.is(0, "volumesnapshots", &format!("shop/data-{day}"), made(-day * DAY, json!({"readyToUse": true})));
        }
        told
    }

    #[test]
    fn they_are_late_by_their_own_rhythm() {
        assert!(told(&[0, 1, 2, 3]).at(DAY - 1).backups.is_empty());
        let late = told(&[0, 1, 2, 3]).at(DAY).backups.remove(0);
        assert_eq!(
            (late.kind, late.key.as_str(), late.good_at, late.due_at),
            ("VolumeSnapshot", "shop/data", Some(t(0)), Some(t(DAY)))
        );
        assert_eq!((late.schedule.as_str(), late.last_failure), ("every 1 day until now", None));
        // What people make has none, and three are none either.
        assert!(told(&[0, 1, 2, 9]).at(30 * DAY).backups.is_empty());
        assert!(told(&[0, 1, 2]).at(30 * DAY).backups.is_empty());
        // A day that was left out before is no lateness now.
        let mut of_none = told(&[0, 1, 2, 3]);
        of_none.gone(1, "persistentvolumeclaims", "shop/data");
        assert!(of_none.at(2 * DAY).backups.is_empty());
    }

    #[test]
    fn one_that_fails_is_told_once_its_driver_has_tried_for_a_while() {
        let mut told = told(&[1]);
        let failing = json!({"readyToUse": false, "error": {"message": "no space"}});
        told.is(0, "volumesnapshots", "shop/data-0", made(0, failing));
        assert!(told.at(599).backups.is_empty());
        let fact = told.at(600).backups.remove(0);
        assert_eq!(fact.last_failure.as_deref(), Some("with an error (no space)"));
        assert_eq!((fact.good_at, fact.due_at), (Some(t(-DAY)), None));
        told.is(601, "volumesnapshots", "shop/data-0", made(0, json!({"readyToUse": true})));
        assert!(told.at(700).backups.is_empty());
    }
}
