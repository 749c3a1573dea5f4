//! The same trouble in several clusters within minutes: one incident of the fleet. Pure; docs/diagnosis.md tells the rule.
//!
//! Alike alone is no proof: two clusters may lose a node in the same minute, each for a reason of its own. What makes them
//! one is a trait that the parts in trouble share and the ones that are well have not (`traits`). Only where most clusters
//! lose their API servers at once, that is one trouble without any.

mod traits;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use self::traits::Marked;
use super::{
    elapsed,
    incident_record::is_root,
    precedence::{hosts_of as named_by, without_port},
};
use crate::model::{
    AlertName, ClusterSnapshot, Diagnosis, Family, FindingKey, FleetRole, FleetTrait, Incident, Job, Live, LiveTarget,
    RecentChange, State, Topic,
};

/// The same trouble begins everywhere within this: a machine image is rolled out in minutes, a zone fails in seconds.
pub const WITHIN: Duration = Duration::from_secs(5 * 60);

/// What began longer ago joins no more: by then everything that failed by the same cause has been found.
pub const YOUNG: Duration = Duration::from_secs(10 * 60);

/// Clusters that fail for no known reason are one trouble where they fail within this.
const AT_ONCE: Duration = Duration::from_secs(60);

/// So many clusters are enough where what they share is telling by itself…
const FEW: usize = 2;

/// …and so many where it is not: a kernel, a region.
const SEVERAL: usize = 3;

/// What is known of a cluster beside its findings.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its name.
    pub cluster: Arc<str>,
    /// What its API server last told.
    pub snapshot: Arc<ClusterSnapshot>,
    /// Hosts by which its API servers are asked, and whether each answers.
    pub fronts: Vec<(String, bool)>,
    /// What has changed there in the last hour.
    pub changes: Arc<[Arc<RecentChange>]>,
}

/// Returns what is known of the clusters that are judged by these diagnoses.
pub fn places(live: &Live, diagnoses: &[Arc<Diagnosis>]) -> Vec<Place> {
    let live = live.read();
    let judged = diagnoses.iter().filter(|d| !d.blind && !d.cluster.is_empty());
    let place = |diagnosis: &Arc<Diagnosis>| {
        let cluster = live.clusters.get(&diagnosis.cluster)?;
        // They are in the order of their jobs, and kubelets are many.
        let of = |t: &&LiveTarget| t.target.key.job.cmp(&Job::KubeApiserver);
        let servers = cluster.targets.values().skip_while(|t| of(t).is_lt()).take_while(|t| of(t).is_eq());
        let front = |t: &LiveTarget| (without_port(&t.target.key.instance).to_owned(), t.verdict.state == State::Up);
        Some(Place {
            cluster: diagnosis.cluster.clone(),
            snapshot: cluster.snapshot.clone(),
            fronts: servers.map(front).collect(),
            changes: diagnosis.changes.clone(),
        })
    };
    judged.filter_map(place).collect()
}

/// What troubles have to be of to be alike: a family, or else a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Api,
    Etcd,
    Machines,
    Named(AlertName),
}

impl Kind {
    fn of(name: AlertName) -> Self {
        use AlertName::{ClusterUnreachable, ControlPlaneHostDown, KubeletDown, NodeNotReady};
        match (name, name.cause().family) {
            (ClusterUnreachable, _) | (_, Some(Family::ApiServer)) => Kind::Api,
            (KubeletDown | NodeNotReady | ControlPlaneHostDown, _) | (_, Some(Family::Nodes)) => Kind::Machines,
            (_, Some(Family::Etcd)) => Kind::Etcd,
            (name, None) => Kind::Named(name),
        }
    }
}

/// One kind of trouble of one open incident.
#[derive(Clone, Debug)]
struct Case<'a> {
    incident: &'a Incident,
    kind: Kind,
    since: Timestamp,
    /// Who would be told of it, and when.
    told_to: Vec<String>,
}

impl Case<'_> {
    /// It may still become part of something.
    fn is_free(&self) -> bool {
        self.incident.fleet.as_deref().is_none_or(|f| matches!(f.role, FleetRole::Beside { .. }))
    }

    /// The incident that tells of it, where it is of a fleet.
    fn lead(&self) -> Option<i64> {
        match &self.incident.fleet.as_deref()?.role {
            FleetRole::Leads(_) => Some(self.incident.id),
            FleetRole::PartOf { incident, .. } => Some(*incident),
            FleetRole::Beside { .. } => None,
        }
    }
}

/// What becomes of incidents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Join {
    /// One is told with another.
    PartOf {
        /// Which.
        incident: i64,
        /// The other.
        lead: i64,
        /// What they share.
        shared: FleetTrait,
    },
    /// One goes on by itself, since others are told of it, and names another.
    Beside {
        /// Which.
        incident: i64,
        /// The other.
        other: i64,
        /// What they share.
        shared: FleetTrait,
    },
}

/// What the rule asks of those who know.
pub struct Asks<'a> {
    /// What is known of the clusters that are judged now. Asked for only where incidents are alike.
    pub places: &'a dyn Fn() -> Vec<Place>,
    /// Who is told of an incident, and in which time; nobody for now: `None`.
    pub told_to: &'a dyn Fn(&Incident) -> Option<Vec<String>>,
}

/// Returns which open incidents belong together that do not yet.
pub fn joins<'a>(open: impl Iterator<Item = &'a Incident>, asks: &Asks<'_>, now: Timestamp) -> Vec<Join> {
    let mut kinds: BTreeMap<Kind, Vec<(&Incident, Timestamp)>> = BTreeMap::new();
    for incident in open.filter(|i| i.topic == Topic::Outage && !i.cluster.is_empty() && i.group.is_none()) {
        for (kind, since) in young(incident, now) {
            kinds.entry(kind).or_default().push((incident, since));
        }
    }
    let (mut joins, mut joined) = (Vec::new(), BTreeSet::new());
    let mut places = None;
    for (kind, incidents) in kinds.into_iter().filter(|(_, incidents)| are_of_several(incidents)) {
        let case = |(incident, since): (&'a Incident, Timestamp)| {
            Some(Case { incident, kind, since, told_to: (asks.told_to)(incident)? })
        };
        let mut cases: Vec<Case<'_>> = incidents.into_iter().filter_map(case).collect();
        cases.retain(|c| !joined.contains(&c.incident.id));
        cases.sort_by_key(|c| (c.since, c.incident.id));
        if !cases.iter().any(Case::is_free) {
            continue;
        }
        let places: &[Place] = places.get_or_insert_with(|| (asks.places)());
        for (shared, alike) in same(&cases, places) {
            let found = arrange(&shared, &alike);
            joined.extend(found.iter().map(|join| match join {
                Join::PartOf { incident, .. } | Join::Beside { incident, .. } => *incident,
            }));
            joins.extend(found);
        }
    }
    joins
}

/// The kinds of its roots that began lately and are told, each with its beginning.
fn young(incident: &Incident, now: Timestamp) -> BTreeMap<Kind, Timestamp> {
    let mut kinds = BTreeMap::new();
    for alert in incident.firing().filter(|a| is_root(a) && elapsed(a.finding.since, now) <= YOUNG) {
        let since = kinds.entry(Kind::of(alert.finding.key.alert)).or_insert(alert.finding.since);
        *since = alert.finding.since.min(*since);
    }
    kinds
}

fn are_of_several(incidents: &[(&Incident, Timestamp)]) -> bool {
    incidents.iter().any(|(i, _)| incidents.first().is_some_and(|(first, _)| first.cluster != i.cluster))
}

/// The cases that are one trouble, with what they share.
fn same<'c, 'a>(cases: &'c [Case<'a>], places: &[Place]) -> Vec<(FleetTrait, Vec<&'c Case<'a>>)> {
    let mut found = Vec::new();
    let mut taken = HashSet::new();
    for Marked { shared, mut cases, .. } in traits::telling(cases, places) {
        let enough = if traits::is_strong(&shared) { FEW } else { SEVERAL };
        cases.retain(|c| !taken.contains(&c.incident.id));
        for alike in within(&cases, WITHIN, enough) {
            taken.extend(alike.iter().map(|c| c.incident.id));
            found.push((shared.clone(), alike));
        }
    }
    let rest: Vec<&Case<'_>> =
        cases.iter().filter(|c| c.kind == Kind::Api && !taken.contains(&c.incident.id)).collect();
    let clusters = places.iter().filter(|p| !p.fronts.is_empty()).count();
    let most = (clusters / 2 + 1).max(SEVERAL);
    found.extend(within(&rest, AT_ONCE, most).into_iter().map(|alike| (FleetTrait::Unknown, alike)));
    found
}

/// Cases (in the order of their beginning) that began within a time of each other, of at least so many clusters.
fn within<'c, 'a>(cases: &[&'c Case<'a>], time: Duration, enough: usize) -> Vec<Vec<&'c Case<'a>>> {
    let (mut found, mut rest) = (Vec::new(), cases);
    while let Some(first) = rest.first() {
        let alike = rest.partition_point(|c| elapsed(first.since, c.since) <= time);
        let clusters: HashSet<&str> = rest[..alike].iter().map(|c| &*c.incident.cluster).collect();
        let taken = if clusters.len() >= enough {
            found.push(rest[..alike].to_vec());
            alike
        } else {
            1
        };
        rest = &rest[taken..];
    }
    found
}

/// Who tells of cases that are one trouble: of those that are told to the same receivers, the one that was told first.
fn arrange(shared: &FleetTrait, alike: &[&Case<'_>]) -> Vec<Join> {
    let mut by_receivers: BTreeMap<&[String], Vec<&Case<'_>>> = BTreeMap::new();
    for case in alike {
        by_receivers.entry(&case.told_to).or_default().push(case);
    }
    let leads_by = |case: &&&Case<'_>| {
        let told = case.incident.first_told_at;
        (told.is_none(), told, case.since, case.incident.id)
    };
    let mut joins = Vec::new();
    for (to, cases) in &by_receivers {
        let known = cases.iter().find_map(|c| {
            let same = c.incident.fleet.as_deref().is_some_and(|f| f.shared == *shared);
            c.lead().filter(|_| same)
        });
        let free: Vec<&Case<'_>> = cases.iter().copied().filter(|c| c.is_free()).collect();
        let clusters: HashSet<&str> = free.iter().map(|c| &*c.incident.cluster).collect();
        let lead = known.or_else(|| free.iter().min_by_key(leads_by).map(|c| c.incident.id));
        match lead {
            Some(lead) if known.is_some() || clusters.len() > 1 => {
                let lead_cluster = alike.iter().find(|c| c.incident.id == lead).map(|c| &c.incident.cluster);
                // Two incidents of one cluster are its own affair.
                let apart = |c: &&&Case<'_>| c.incident.id != lead && Some(&c.incident.cluster) != lead_cluster;
                let of = |c: &&Case<'_>| Join::PartOf { incident: c.incident.id, lead, shared: shared.clone() };
                joins.extend(free.iter().filter(apart).map(of));
            }
            _ => {
                let other = alike.iter().find(|c| c.told_to != *to).map(|c| c.lead().unwrap_or(c.incident.id));
                let new = free.iter().filter(|c| c.incident.fleet.is_none());
                joins.extend(new.filter_map(|c| {
                    Some(Join::Beside { incident: c.incident.id, other: other?, shared: shared.clone() })
                }));
            }
        }
    }
    joins
}

/// The machines that the alerts of such a kind name, by name or address.
fn hosts_of<'a>(case: &Case<'a>) -> BTreeSet<&'a str> {
    let of_kind = |key: &FindingKey| Kind::of(key.alert) == case.kind;
    let alerts = case.incident.firing().filter(|a| of_kind(&a.finding.key));
    alerts.flat_map(|a| named_by(&a.finding.labels)).collect()
}

#[cfg(test)]
mod tests;
