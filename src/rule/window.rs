//! How long after something was over a rule may still speak of it: what its expression looks back, through recording
//! rules too, and `for`, and `keep_firing_for`. Pure.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    time::Duration,
};

use super::file::{Group, Kind, Rule};
use crate::{
    model::{METRIC_NAME, Matcher, duration},
    promql::Reach,
};

/// Recording rules that read one another, one behind the other: what lies deeper counts as measured.
const DEPTH_MAX: usize = 64;

/// Of each rule of each group, in their order; zero for a recording rule.
pub fn all(groups: &[Group]) -> Vec<Vec<Duration>> {
    let recordings = Recordings::new(groups);
    groups.iter().map(|group| group.rules.iter().map(|rule| of(&recordings, group, rule)).collect()).collect()
}

fn of(recordings: &Recordings<'_>, group: &Group, rule: &Rule) -> Duration {
    let Kind::Alerting { hold, keep_firing_for, .. } = &rule.kind else { return Duration::ZERO };
    let back_ms = rule.query.reach(&|matchers| recordings.read(matchers)).back_ms;
    let parts = [millis(back_ms).max(window_told(rule)), *hold, *keep_firing_for, group.interval];
    parts.into_iter().fold(Duration::ZERO, Duration::saturating_add)
}

/// How far an alert of an error budget looks back, as it says by its labels `long` and `short` (`dispatch::explain`): its sums may
/// be made where no expression shows it. The short look lets go first.
fn window_told(rule: &Rule) -> Duration {
    let label = |name: &str| rule.labels.iter().find(|(k, _)| k == name).map(|(_, value)| value.text.as_str());
    let short = label("long").and(label("short")).and_then(|short| duration::prometheus(short).ok());
    short.unwrap_or_default()
}

/// What the series of recording rules rest on, each rule looked at once.
struct Recordings<'a> {
    rules: Vec<(&'a Group, &'a Rule)>,
    /// By index; `None` while it is being looked at: what reads itself ends there.
    known: RefCell<HashMap<usize, Option<Reach>>>,
    depth: Cell<usize>,
}

impl<'a> Recordings<'a> {
    fn new(groups: &'a [Group]) -> Self {
        let rules = groups.iter().flat_map(|g| g.rules.iter().map(move |r| (g, &**r)));
        let rules = rules.filter(|(_, r)| r.kind == Kind::Recording).collect();
        Self { rules, known: RefCell::default(), depth: Cell::new(0) }
    }

    /// What a selector reads, if it is recorded.
    fn read(&self, matchers: &[Matcher]) -> Option<Reach> {
        let names: Vec<&Matcher> = matchers.iter().filter(|m| &*m.name == METRIC_NAME).collect();
        if names.is_empty() || self.depth.get() >= DEPTH_MAX {
            return None;
        }
        self.depth.set(self.depth.get() + 1);
        let named = self.rules.iter().enumerate().filter(|(_, (_, r))| names.iter().all(|m| m.matches(&r.name)));
        let found = named.filter_map(|(i, (group, rule))| self.of(i, group, rule)).reduce(Reach::and);
        self.depth.set(self.depth.get() - 1);
        found
    }

    fn of(&self, index: usize, group: &Group, rule: &Rule) -> Option<Reach> {
        if let Some(known) = self.known.borrow().get(&index) {
            return known.clone();
        }
        self.known.borrow_mut().insert(index, None);
        let mut reach = rule.query.reach(&|matchers| self.read(matchers));
        // It was recorded at the group's last tick.
        reach.back_ms = reach.back_ms.saturating_add(i64::try_from(group.interval.as_millis()).unwrap_or(i64::MAX));
        self.known.borrow_mut().insert(index, Some(reach.clone()));
        Some(reach)
    }
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{file, shipped};

    fn windows(text: &str) -> Vec<u64> {
        let groups = file::read(std::path::Path::new("r.yml"), text).unwrap();
        all(&groups).into_iter().flatten().map(|d| d.as_secs()).collect()
    }

    #[test]
    fn a_rule_speaks_of_the_past_as_long_as_it_looks_back() {
        let check = |rules: &str, expected: &[u64]| {
            let text = format!("groups: [{{name: g, interval: 10s, rules: [{rules}]}}]");
            assert_eq!(windows(&text), expected, "{rules}");
        };
        check("{alert: A, expr: 'up == 0'}", &[10]);
        check("{alert: A, expr: 'burn > 6', labels: {long: 6h, short: 30m}}", &[1_800 + 10]);
        check("{alert: A, expr: 'rate(e_total[5m]) > 1', for: 2m, keep_firing_for: 1m}", &[300 + 120 + 60 + 10]);
        check(
            "{record: 'e:rate5m', expr: 'rate(e_total[5m])'}, {record: 'e:max', expr: 'max_over_time(e:rate5m[10m])'}, \
             {alert: A, expr: 'e:max > 1'}",
            &[0, 0, 300 + 10 + 600 + 10 + 10],
        );
        // A rule that reads what it wrote, and two that read each other.
        check("{record: a, expr: 'x or last_over_time(a[5m])'}, {alert: A, expr: a}", &[0, 300 + 10 + 10]);
        check("{record: a, expr: b}, {record: b, expr: 'a or x'}, {alert: A, expr: a}", &[0, 0, 10 + 10 + 10]);
    }

    #[test]
    fn the_shipped_rules_let_an_outage_go() {
        let groups = shipped::groups().unwrap();
        let minutes = |name: &str| {
            let of_name = |g: usize, r: usize| groups[g].rules[r].name == name;
            let windows = all(&groups);
            let found = (0..groups.len()).flat_map(|g| (0..groups[g].rules.len()).map(move |r| (g, r)));
            found.filter(|(g, r)| of_name(*g, *r)).map(|(g, r)| windows[g][r].as_secs() / 60).collect::<Vec<_>>()
        };
        assert_eq!(minutes("ApiServerSlow"), [16]);
        assert_eq!(minutes("EtcdLeaderChanges"), [15]);
        // An hour and five minutes, six hours and half an hour: the short look lets go.
        assert!(
            minutes("ApiServerErrorBudgetBurn").iter().all(|m| *m < 7 * 60),
            "{:?}",
            minutes("ApiServerErrorBudgetBurn")
        );
    }
}
