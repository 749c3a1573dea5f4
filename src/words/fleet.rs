//! What is said of an incident that has to do with those of other clusters. Pure.

use super::Voice;
use crate::model::{FleetMember, FleetRole, FleetTrait, Incident, Said, SaidPart};

/// Clusters that a headline names; the rest is counted, and listed below it.
const NAMED: usize = 3;

/// Clusters of which a message says a line each; the rest is counted.
const LINES_MAX: usize = 20;

/// Returns the headline of an incident that is told for other clusters as well, which has its own until now; `None`: it is
/// told for no others.
pub fn fleet_headline(incident: &Incident) -> Option<Said> {
    let fleet = incident.fleet.as_deref().filter(|f| !f.members().is_empty())?;
    let names: Vec<&str> = incident.clusters().into_iter().skip(1).collect();
    let said = incident.alerts.iter().flat_map(|a| &a.finding.said);
    let what = again(&incident.headline, said);
    let said = Said::new("fleet-headline").with("what", what).names("where", &names, NAMED);
    Some(said.with("shared", shared(&fleet.shared)))
}

/// A sentence by what it was said with, where that is known.
fn again<'a>(sentence: &str, mut said: impl Iterator<Item = &'a Said>) -> SaidPart {
    let known = said.find(|s| Voice::default().said(s) == sentence);
    known.map_or_else(|| SaidPart::from(sentence), |said| said.clone().into())
}

fn shared(what: &FleetTrait) -> Said {
    match what {
        FleetTrait::Machines { word, value } => {
            let id = if is_place(word) { "fleet-machines-of" } else { "fleet-machines-with" };
            Said::new(id).with("trait", word).with("value", value)
        }
        FleetTrait::Change(what) => Said::new("fleet-change").with("what", what),
        FleetTrait::Address(address) => Said::new("fleet-address").with("address", address),
        FleetTrait::Network(network) => Said::new("fleet-network").with("network", network),
        FleetTrait::Unknown => Said::new("fleet-unknown"),
    }
}

fn is_place(word: &str) -> bool {
    matches!(word, "zone" | "region" | "site" | "datacenter" | "hypervisor")
}

/// What an incident has to do with those of other clusters, a line each.
pub fn fleet_lines(incident: &Incident) -> Vec<Said> {
    let Some(fleet) = incident.fleet.as_deref() else { return Vec::new() };
    let shared = || shared(&fleet.shared);
    let about = |id, incident: i64, cluster: &str| {
        Said::new(id).with("incident", incident.to_string()).with("cluster", cluster).with("shared", shared())
    };
    match &fleet.role {
        FleetRole::PartOf { incident, cluster, .. } => vec![about("fleet-part-of", *incident, cluster)],
        FleetRole::Beside { incident, cluster } => vec![about("fleet-beside", *incident, cluster)],
        FleetRole::Leads(members) => {
            let mut lines: Vec<Said> = members.iter().take(LINES_MAX).map(line).collect();
            if let Some(more) = members.len().checked_sub(LINES_MAX).filter(|n| *n > 0) {
                lines.push(Said::new("and-n-more").with("n", more));
            }
            lines
        }
    }
}

/// `the same in lyon since 14:03:10 UTC (incident 13): node w7 is lost`.
fn line(member: &FleetMember) -> Said {
    let root = member.roots.first().map(|a| &a.finding);
    let what = root.map_or_else(|| SaidPart::from(""), |f| again(&f.headline, f.said.iter()));
    let what = match member.roots.len().saturating_sub(1) + member.more {
        0 => what,
        n => Said::new("and-more-problems").with("what", what).with("n", n).into(),
    };
    let since = member.roots.iter().map(|a| a.finding.since).min().unwrap_or(member.joined_at);
    let (id, at) = member.well_at.map_or(("fleet-the-same", since), |end| ("fleet-well-again", end));
    let said = Said::new(id).with("cluster", &*member.cluster).with("incident", member.incident.to_string());
    said.with("at", SaidPart::Moment(at)).with("what", what)
}

impl Voice {
    /// Says what an incident has to do with those of other clusters, a line each.
    pub fn fleet(&self, incident: &Incident) -> Vec<String> {
        fleet_lines(incident).iter().map(|said| self.said(said)).collect()
    }
}
