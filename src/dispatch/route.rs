//! The route tree: which receivers an alert goes to, in which group and at which pace. Pure.
//!
//! Depth first, the first child that matches wins unless it says `continue`; a node without a matching child is the match
//! itself (Alertmanager's dispatch/route.go). What a node does not say it takes from its parent.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{
    config::{EscalateIf, EscalationConfig, RouteConfig},
    matchers::Matchers,
};
use crate::model::{Group, Pairs};

/// `group_by: ['...']`: every label.
const ALL_LABELS: &str = "...";

/// Routes within routes: more is a mistake, and each level recurses.
const DEPTH_MAX: usize = 50;

/// By which labels alerts are put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// All of them: each alert is its own group.
    All,
    /// These.
    Labels(BTreeSet<String>),
}

/// Says when a group is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// A new group waits so long.
    pub group_wait: Duration,
    /// Between messages that bring new facts.
    pub group_interval: Duration,
    /// Between reminders.
    pub repeat_interval: Duration,
}

impl Default for Timers {
    /// Alertmanager's own.
    fn default() -> Self {
        Self {
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_secs(5 * 60),
            repeat_interval: Duration::from_secs(4 * 3600),
        }
    }
}

/// A step of an escalation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escalation {
    /// Counted from the first message.
    pub after: Duration,
    /// What must not have happened by then.
    pub unless: EscalateIf,
    /// Who is told then.
    pub receiver: Arc<str>,
}

/// A node of the tree, complete in itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Where it stands: its number among its siblings, behind its parent's place (`1/0`); empty for the root.
    pub place: Arc<str>,
    /// As Alertmanager writes it: `{}/{severity="critical"}`; siblings may share it.
    pub key: Arc<str>,
    /// Who is told.
    pub receiver: Arc<str>,
    /// By which labels.
    pub group_by: GroupBy,
    /// When.
    pub timers: Timers,
    /// Names of time intervals in which nothing is told.
    pub mute: Vec<String>,
    /// Names of time intervals outside of which nothing is told.
    pub active: Vec<String>,
    /// For templates, which they are themselves; its parents' among them.
    pub labels: Pairs,
    /// Who else, later.
    pub escalation: Vec<Escalation>,
    matchers: Matchers,
    goes_on: bool,
    children: Vec<Route>,
}

impl Route {
    /// Returns the group of an alert.
    pub fn group(&self, labels: &Pairs) -> Group {
        let labels = match &self.group_by {
            GroupBy::All => labels.clone(),
            GroupBy::Labels(names) => {
                labels.iter().filter(|(k, _)| names.contains(*k)).map(|(k, v)| (k.clone(), v.clone())).collect()
            }
        };
        Group { place: self.place.clone(), route: self.key.clone(), receiver: self.receiver.clone(), labels }
    }

    fn find<'a>(&'a self, labels: &Pairs, found: &mut Vec<&'a Route>) -> bool {
        if !self.matchers.matches(labels) {
            return false;
        }
        let before = found.len();
        for child in &self.children {
            if child.find(labels, found) && !child.goes_on {
                break;
            }
        }
        if found.len() == before {
            found.push(self);
        }
        true
    }
}

/// Holds what routes may name.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Receivers.
    pub receivers: &'a BTreeSet<&'a str>,
    /// Time intervals.
    pub intervals: &'a BTreeSet<&'a str>,
}

/// The tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree(Route);

impl Tree {
    /// Checks a configuration.
    ///
    /// # Errors
    /// `(path below and with route, what is wrong)`.
    pub fn new(config: &RouteConfig, known: &Known<'_>) -> Result<Self, (String, String)> {
        let at = "route";
        if !(config.matchers.is_empty() && config.equal.is_empty() && config.regex.is_empty()) {
            return Err((
                at.into(),
                "the root route must not have any matchers: it takes what nothing else takes".into(),
            ));
        }
        let times = [("mute", &config.mute_time_intervals), ("active", &config.active_time_intervals)];
        if let Some((kind, _)) = times.iter().find(|(_, names)| !names.is_empty()) {
            return Err((
                format!("{at}.{kind}_time_intervals"),
                format!("the root route must not have any {kind} time intervals"),
            ));
        }
        if config.goes_on {
            return Err((format!("{at}.continue"), "the root route has no siblings to continue with".into()));
        }
        let Some(receiver) = &config.receiver else {
            return Err((at.into(), "the root route must specify a receiver".into()));
        };
        let parent = Route {
            place: "".into(),
            key: "".into(),
            receiver: receiver.as_str().into(),
            group_by: GroupBy::Labels(["alertname", "cluster"].map(String::from).into()),
            timers: Timers::default(),
            mute: Vec::new(),
            active: Vec::new(),
            labels: Pairs::new(),
            escalation: Vec::new(),
            matchers: Matchers::default(),
            goes_on: false,
            children: Vec::new(),
        };
        build(config, &parent, None, at, known, 0).map(Self)
    }

    /// Returns the routes that take an alert; there is always one.
    pub fn matches(&self, labels: &Pairs) -> Vec<&Route> {
        let mut found = Vec::new();
        self.0.find(labels, &mut found);
        if found.is_empty() {
            found.push(&self.0);
        }
        found
    }

    /// Returns the route that made a group: at its place, where that is still the same route. After a change of the
    /// configuration the first with its matchers and its receiver, else the first with its matchers, as Alertmanager's
    /// notification log would know it again.
    pub fn of_group(&self, group: &Group) -> Option<&Route> {
        let same = |r: &&Route| *r.key == *group.route && *r.receiver == *group.receiver;
        let moved = || {
            let all = self.all();
            all.iter().copied().find(same).or_else(|| all.iter().copied().find(|r| *r.key == *group.route))
        };
        self.at(&group.place).filter(same).or_else(moved)
    }

    /// The route at a place.
    fn at(&self, place: &str) -> Option<&Route> {
        let mut numbers = place.split('/').filter(|number| !number.is_empty());
        numbers.try_fold(&self.0, |route, number| route.children.get(number.parse::<usize>().ok()?))
    }

    /// Returns every route, parents before their children.
    pub fn all(&self) -> Vec<&Route> {
        fn walk<'a>(route: &'a Route, all: &mut Vec<&'a Route>) {
            all.push(route);
            route.children.iter().for_each(|child| walk(child, all));
        }
        let mut all = Vec::new();
        walk(&self.0, &mut all);
        all
    }
}

fn build(
    config: &RouteConfig,
    parent: &Route,
    position: Option<usize>,
    at: &str,
    known: &Known<'_>,
    depth: usize,
) -> Result<Route, (String, String)> {
    if depth > DEPTH_MAX {
        return Err((at.into(), format!("routes are nested more than {DEPTH_MAX} deep")));
    }
    let matchers = Matchers::new(&config.equal, &config.regex, &config.matchers)
        .map_err(|e| (format!("{at}.{}", if config.matchers.is_empty() { "match_re" } else { "matchers" }), e))?;
    let receiver: Arc<str> = config.receiver.as_deref().map_or_else(|| parent.receiver.clone(), Into::into);
    check_receiver(&receiver, &format!("{at}.receiver"), known)?;
    for (key, names) in
        [("mute_time_intervals", &config.mute_time_intervals), ("active_time_intervals", &config.active_time_intervals)]
    {
        if let Some(name) = names.iter().find(|n| !known.intervals.contains(n.as_str())) {
            return Err((format!("{at}.{key}"), format!("undefined time interval {name:?} used in route")));
        }
    }
    let zero = |d: Option<Duration>| d.is_some_and(|d| d.is_zero());
    for (key, d) in [("group_interval", config.group_interval), ("repeat_interval", config.repeat_interval)] {
        if zero(d) {
            return Err((format!("{at}.{key}"), format!("{key} cannot be zero")));
        }
    }
    let key = if position.is_some() { format!("{}/{matchers}", parent.key) } else { matchers.to_string() };
    let place = match position {
        Some(i) if parent.place.is_empty() => i.to_string(),
        Some(i) => format!("{}/{i}", parent.place),
        None => String::new(),
    };
    let mut route = Route {
        place: place.into(),
        key: key.into(),
        receiver,
        group_by: match &config.group_by {
            Some(names) => group_by(names).map_err(|e| (format!("{at}.group_by"), e))?,
            None => parent.group_by.clone(),
        },
        timers: Timers {
            group_wait: config.group_wait.unwrap_or(parent.timers.group_wait),
            group_interval: config.group_interval.unwrap_or(parent.timers.group_interval),
            repeat_interval: config.repeat_interval.unwrap_or(parent.timers.repeat_interval),
        },
        mute: config.mute_time_intervals.clone(),
        active: config.active_time_intervals.clone(),
        labels: parent.labels.clone().into_iter().chain(config.labels.clone()).collect(),
        escalation: match &config.escalation {
            Some(steps) => escalation(steps, at, known)?,
            None => parent.escalation.clone(),
        },
        matchers,
        goes_on: config.goes_on,
        children: Vec::new(),
    };
    for (i, child) in config.routes.iter().enumerate() {
        let child = build(child, &route, Some(i), &format!("{at}.routes[{i}]"), known, depth + 1)?;
        route.children.push(child);
    }
    Ok(route)
}

fn check_receiver(name: &str, at: &str, known: &Known<'_>) -> Result<(), (String, String)> {
    if known.receivers.contains(name) {
        return Ok(());
    }
    let names: Vec<&str> = known.receivers.iter().copied().collect();
    Err((at.into(), format!("there is no receiver {name:?}; there are: {}", names.join(", "))))
}

fn group_by(names: &[String]) -> Result<GroupBy, String> {
    let set: BTreeSet<String> = names.iter().cloned().collect();
    if let Some(twice) = names.iter().find(|n| names.iter().filter(|m| m == n).count() > 1) {
        return Err(format!("duplicated label {twice:?} in group_by"));
    }
    match (set.contains(ALL_LABELS), set.len()) {
        (true, 1) => Ok(GroupBy::All),
        (true, _) => Err("cannot have wildcard group_by (`...`) and other labels at the same time".into()),
        (false, _) => Ok(GroupBy::Labels(set)),
    }
}

fn escalation(steps: &[EscalationConfig], at: &str, known: &Known<'_>) -> Result<Vec<Escalation>, (String, String)> {
    let mut all = Vec::with_capacity(steps.len());
    for (i, step) in steps.iter().enumerate() {
        check_receiver(&step.receiver, &format!("{at}.escalation[{i}].receiver"), known)?;
        all.push(Escalation { after: step.after, unless: step.unless, receiver: step.receiver.as_str().into() });
    }
    Ok(all)
}

/// Returns the names of routes' receivers in the order in which they are told, each once.
pub fn receivers(routes: &[&Route]) -> Vec<Arc<str>> {
    let mut seen: BTreeMap<Arc<str>, ()> = BTreeMap::new();
    let new = |r: &&&Route| seen.insert(r.receiver.clone(), ()).is_none();
    routes.iter().filter(new).map(|r| r.receiver.clone()).collect()
}

#[cfg(test)]
mod tests;
