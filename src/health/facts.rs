//! Where no rule holds: that the cause is not known is said, with the facts, the nearest in time first.

use jiff::Timestamp;

use super::time::later;
use crate::model::{AlertName, Finding, FindingKey, Severity, Topic, text};

/// What began so long before or after may have to do with it.
const NEAR: std::time::Duration = std::time::Duration::from_secs(120);
/// So many facts are added.
const FACTS_MAX: usize = 5;

/// Findings that tell a symptom, and no more.
const SYMPTOMS: [AlertName; 3] = [AlertName::CheckFailing, AlertName::ChecksFailing, AlertName::TargetFlapping];

/// The line over the facts.
const UNKNOWN: &str = "cause unknown; these are the facts";

/// Says so of every symptom that nothing explains.
pub(super) fn tell(findings: &mut [Finding]) {
    let roots: Vec<(FindingKey, Timestamp, String)> = findings
        .iter()
        .filter(|f| f.caused_by.is_none() && f.topic == Topic::Outage && f.severity > Severity::Info)
        .map(|f| (f.key.clone(), f.since, f.headline.clone()))
        .collect();
    let is_symptom =
        |f: &&mut Finding| f.caused_by.is_none() && f.topic == Topic::Outage && SYMPTOMS.contains(&f.key.alert);
    for finding in findings.iter_mut().filter(is_symptom) {
        let apart = |at: Timestamp| at.duration_since(finding.since).unsigned_abs();
        let is_near = |at: Timestamp| !later(at, finding.since, NEAR) && !later(finding.since, at, NEAR);
        let mut near: Vec<&(FindingKey, Timestamp, String)> =
            roots.iter().filter(|(key, at, _)| *key != finding.key && is_near(*at)).collect();
        near.sort_by_key(|(key, at, _)| (apart(*at), key.clone()));
        near.truncate(FACTS_MAX);
        let facts = near.into_iter().map(|(_, at, words)| format!("since {}: {words}", text::moment(*at)));
        let facts: Vec<String> = facts.collect();
        finding.evidence.insert(0, UNKNOWN.to_owned());
        finding.evidence.extend(facts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symptom_that_nothing_explains_lists_what_is_near() {
        let at = |second: i64| Timestamp::from_second(1_795_442_400 + second).unwrap();
        let of = |alert, subject: &str, second| {
            let key = FindingKey { cluster: "prod".into(), alert, subject: subject.to_owned() };
            let mut finding = Finding::new(key, Severity::Warning, Topic::Outage, subject.to_owned(), at(second));
            finding.evidence = vec!["seen".into()];
            finding
        };
        let mut all = vec![
            of(AlertName::CheckFailing, "shop", 0),
            of(AlertName::NodePressure, "n1", 60),
            of(AlertName::CheckFailing, "cart", 30),
            of(AlertName::KubeletDown, "n2", -600),
        ];
        tell(&mut all);
        let since = |second| text::moment(at(second));
        let expected = [
            UNKNOWN.to_owned(),
            "seen".into(),
            format!("since {}: cart", since(30)),
            format!("since {}: n1", since(60)),
        ];
        assert_eq!(all[0].evidence, expected);
        assert_eq!(all[1].evidence, ["seen"], "this one says what it is");
    }
}
