//! Routes, inhibition and time intervals together: who is told of an incident, when, and whether now. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    config::{InhibitConfig, NamedIntervals, RouteConfig},
    incident_record::Pace,
    inhibit::Inhibitor,
    route::{Known, Route, Tree},
    times::Intervals,
};
use crate::model::{AlertContext, AlertName, FindingKey, Incident, Pairs, with_external};

/// Holds whom to tell, and when, as the configuration says.
#[derive(Clone, Debug, Default)]
pub struct Routing {
    /// `None`: nobody is told anything.
    pub tree: Option<Tree>,
    /// Inhibition rules.
    pub inhibitor: Inhibitor,
    /// When.
    pub intervals: Intervals,
    /// The time intervals in which a check is not told, by its name.
    pub quiet_checks: BTreeMap<String, Vec<String>>,
}

impl Routing {
    /// Checks a configuration; `times` are its time intervals with their keys.
    ///
    /// # Errors
    /// `(path, what is wrong)`.
    pub fn new(
        route: Option<&RouteConfig>,
        receivers: &[&str],
        inhibit: &[InhibitConfig],
        times: [(&str, &[NamedIntervals]); 2],
    ) -> Result<Self, (String, String)> {
        let [(first_key, first), (second_key, second)] = times;
        let mut intervals = Intervals::new(first, first_key)?;
        let more = Intervals::new(second, second_key)?;
        intervals
            .join(more)
            .map_err(|name| (second_key.to_owned(), format!("time interval {name:?} is not unique")))?;
        let known_receivers: BTreeSet<&str> = receivers.iter().copied().collect();
        let known_intervals: BTreeSet<&str> = intervals.names().collect();
        let known = Known { receivers: &known_receivers, intervals: &known_intervals };
        let tree = match route {
            Some(route) => Some(Tree::new(route, &known)?),
            None if receivers.is_empty() => None,
            None => {
                let words = "nothing is sent to them without a route; add `route: {receiver: ";
                return Err(("receivers".into(), format!("{words}{}}}`", receivers[0])));
            }
        };
        Ok(Self { tree, inhibitor: Inhibitor::new(inhibit)?, intervals, quiet_checks: BTreeMap::new() })
    }

    /// Adds when each check is not to be told, in the order of the configuration.
    ///
    /// # Errors
    /// `(path, what is wrong)` for a time interval that there is not.
    pub fn with_quiet_checks<'a>(
        mut self,
        checks: impl Iterator<Item = (&'a str, &'a [String])>,
    ) -> Result<Self, (String, String)> {
        for (i, (name, quiet)) in checks.enumerate() {
            if let Some(unknown) = quiet.iter().find(|q| !self.intervals.names().any(|known| known == q.as_str())) {
                return Err((format!("checks[{i}].quiet"), format!("there is no time interval {unknown:?}")));
            }
            if !quiet.is_empty() {
                self.quiet_checks.insert(name.to_owned(), quiet.to_vec());
            }
        }
        Ok(self)
    }

    /// Returns the time interval in which a finding, a check's, is not told now.
    pub fn quiet_time_of(&self, key: &FindingKey, now: Timestamp) -> Option<&str> {
        let quiet = self.quiet_checks.get(&key.subject).filter(|_| key.alert == AlertName::CheckFailing)?;
        self.intervals.holding(quiet, now)
    }

    /// Returns the routes that take an alert.
    pub fn routes(&self, labels: &Pairs) -> Vec<&Route> {
        self.tree.as_ref().map(|tree| tree.matches(labels)).unwrap_or_default()
    }

    /// Returns the time interval that keeps a route quiet now, in words.
    pub fn muted_by(&self, route: &Route, now: Timestamp) -> Option<String> {
        if let Some(name) = self.intervals.holding(&route.mute, now) {
            return Some(name.to_owned());
        }
        let inactive = !route.active.is_empty() && self.intervals.holding(&route.active, now).is_none();
        inactive.then(|| route.active.join(", "))
    }

    /// Returns the routes of an incident: those of its group, or of the alert that gives it its headline.
    pub fn routes_of(&self, incident: &Incident, context: &AlertContext) -> Vec<&Route> {
        let Some(tree) = &self.tree else { return Vec::new() };
        match &incident.group {
            Some(group) => match tree.of_group(group) {
                Some(route) => vec![route],
                // The configuration has changed: the group's labels say where it would go now.
                None => tree.matches(&with_external(&group.labels, &context.external_labels)),
            },
            None => tree.matches(&labels_of(incident, context)),
        }
    }

    /// Returns what the route of a receiver groups an incident by, with the values of the alert that gives it its
    /// headline; of one that was called in (an escalation, a route that is gone) as the incident's first route has it.
    pub fn group_labels(&self, incident: &Incident, receiver: &str, context: &AlertContext) -> Option<Pairs> {
        if let Some(group) = &incident.group {
            return Some(group.labels.clone());
        }
        let route = self.route_for(incident, receiver, context)?;
        Some(route.group(&labels_of(incident, context)).labels)
    }

    /// Returns `labels` of the same route: templates.
    pub fn route_labels(&self, incident: &Incident, receiver: &str, context: &AlertContext) -> Pairs {
        self.route_for(incident, receiver, context).map(|route| route.labels.clone()).unwrap_or_default()
    }

    fn route_for(&self, incident: &Incident, receiver: &str, context: &AlertContext) -> Option<&Route> {
        let routes = self.routes_of(incident, context);
        routes.iter().find(|r| *r.receiver == *receiver).or(routes.first()).copied()
    }

    /// Returns how often an incident is told.
    pub fn pace_of(&self, incident: &Incident, context: &AlertContext) -> Pace {
        let timers = self.routes_of(incident, context).first().map(|r| r.timers).unwrap_or_default();
        Pace { group_interval: timers.group_interval, repeat_interval: timers.repeat_interval }
    }

    /// Returns by which ways an incident is told: two with the same ones are told to the same receivers, at the same times.
    pub fn ways_of(&self, incident: &Incident, context: &AlertContext) -> Vec<String> {
        let routes = self.routes_of(incident, context);
        let way = |r: &&Route| format!("{} {:?} {:?} {:?}", r.receiver, r.mute, r.active, r.escalation);
        routes.iter().map(way).collect()
    }

    /// Returns whether every route of an incident is muted now.
    pub fn is_muted(&self, incident: &Incident, context: &AlertContext, now: Timestamp) -> bool {
        let routes = self.routes_of(incident, context);
        !routes.is_empty() && routes.iter().all(|r| self.muted_by(r, now).is_some())
    }

    /// Returns the receivers that are to hear of an incident now, each once.
    pub fn receivers_of(&self, incident: &Incident, context: &AlertContext, now: Timestamp) -> Vec<Arc<str>> {
        let mut receivers: Vec<Arc<str>> = Vec::new();
        for route in self.routes_of(incident, context) {
            if self.muted_by(route, now).is_none() && !receivers.contains(&route.receiver) {
                receivers.push(route.receiver.clone());
            }
        }
        receivers
    }
}

/// Returns the labels by which an incident of the diagnosis is routed: those of the alert that gives it its headline.
pub fn labels_of(incident: &Incident, context: &AlertContext) -> Pairs {
    incident.alerts.first().map(|a| a.finding.shown_labels(context)).unwrap_or_default()
}

/// Returns whether an incident is about a receiver that fails.
pub fn is_of_receivers(incident: &Incident) -> bool {
    incident.alerts.first().is_some_and(|a| a.finding.key.alert == AlertName::ReceiverFailing)
}
