//! Inhibition: alerts that others explain are not told. Pure, and decided on one snapshot of all that fires, so that the
//! order of arrival never matters (Alertmanager's inhibit/inhibit.go).

use std::collections::HashMap;

use super::{config::InhibitConfig, matchers::Matchers};
use crate::model::Pairs;

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    source: Matchers,
    target: Matchers,
    equal: Vec<String>,
}

/// Holds the inhibition rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inhibitor(Vec<Rule>);

impl Inhibitor {
    /// Checks a configuration.
    ///
    /// # Errors
    /// `(path, what is wrong)`.
    pub fn new(configs: &[InhibitConfig]) -> Result<Self, (String, String)> {
        let rule = |(i, c): (usize, &InhibitConfig)| -> Result<Rule, (String, String)> {
            let side = |name: &str, equal, regex, texts: &[String]| {
                Matchers::new(equal, regex, texts).map_err(|e| (format!("inhibit_rules[{i}].{name}_matchers"), e))
            };
            Ok(Rule {
                source: side("source", &c.source_match, &c.source_match_re, &c.source_matchers)?,
                target: side("target", &c.target_match, &c.target_match_re, &c.target_matchers)?,
                equal: c.equal.clone(),
            })
        };
        Ok(Self(configs.iter().enumerate().map(rule).collect::<Result<_, _>>()?))
    }

    /// Returns what fires, prepared for questions.
    pub fn snapshot<'a>(&'a self, firing: &[(&'a str, &'a Pairs)]) -> Snapshot<'a> {
        let sources = |rule: &'a Rule| {
            let mut by_equal = Sources::new();
            for (fingerprint, labels) in firing.iter().filter(|(_, labels)| rule.source.matches(labels)) {
                let source = Source { fingerprint, two_sided: rule.target.matches(labels) };
                by_equal.entry(values(rule, labels)).or_default().push(source);
            }
            (rule, by_equal)
        };
        Snapshot(self.0.iter().map(sources).collect())
    }
}

/// The labels that must agree; one that is missing agrees with one that is missing.
fn values<'a>(rule: &Rule, labels: &'a Pairs) -> Vec<&'a str> {
    rule.equal.iter().map(|name| labels.get(name).map_or("", String::as_str)).collect()
}

struct Source<'a> {
    fingerprint: &'a str,
    /// It matches the rule's target too.
    two_sided: bool,
}

/// What fires and may explain, by the labels that must agree.
type Sources<'a> = HashMap<Vec<&'a str>, Vec<Source<'a>>>;

/// See [`Inhibitor::snapshot`].
pub struct Snapshot<'a>(Vec<(&'a Rule, Sources<'a>)>);

impl Snapshot<'_> {
    /// Returns the fingerprint of an alert that explains this one; `None`: it is to be told.
    pub fn inhibitor_of(&self, labels: &Pairs) -> Option<&str> {
        self.0.iter().filter(|(rule, _)| rule.target.matches(labels)).find_map(|(rule, sources)| {
            // What matches both sides is not inhibited by what does so too: else two would silence each other.
            let two_sided = rule.source.matches(labels);
            let candidates = sources.get(&values(rule, labels))?;
            candidates.iter().find(|s| !(two_sided && s.two_sided)).map(|s| s.fingerprint)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Pairs {
        text.split_whitespace().filter_map(|p| p.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect()
    }

    fn inhibitor(yaml: &str) -> Inhibitor {
        Inhibitor::new(&serde_saphyr::from_str::<Vec<InhibitConfig>>(yaml).unwrap()).unwrap()
    }

    #[test]
    fn a_source_explains_what_agrees_with_it_whatever_came_first() {
        let rules = inhibitor(
            "[{source_matchers: ['severity=critical'], target_matchers: ['severity=~\"warning|info\"'], equal: [cluster, zone]}]",
        );
        let all = [
            labels("severity=critical cluster=a"),
            labels("severity=warning cluster=a"),
            labels("severity=warning cluster=b"),
            labels("severity=info cluster=a zone=x"),
        ];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0]] {
            let names = ["0", "1", "2", "3"];
            let firing: Vec<(&str, &Pairs)> = order.iter().map(|i| (names[*i], &all[*i])).collect();
            let snapshot = rules.snapshot(&firing);
            let by: Vec<Option<&str>> = all.iter().map(|l| snapshot.inhibitor_of(l)).collect();
            assert_eq!(by, [None, Some("0"), None, None]);
        }
    }

    #[test]
    fn what_matches_both_sides_is_not_silenced_by_its_like() {
        let rules = inhibitor("[{source_match: {a: x}, target_match_re: {b: y|z}}]");
        let (both, only) = (labels("a=x b=y"), labels("a=x"));
        let of_itself = [("1", &both)];
        assert_eq!(rules.snapshot(&of_itself).inhibitor_of(&both), None);
        let of_other = [("1", &both), ("2", &only)];
        assert_eq!(rules.snapshot(&of_other).inhibitor_of(&both), Some("2"));
    }
}
