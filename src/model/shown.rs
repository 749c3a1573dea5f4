//! How findings and alerts are shown to everybody: routes, silences, inhibition, both APIs and every receiver see the same
//! labels, annotations and fingerprint, since they are made here and nowhere else.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    ALERTNAME, Alert, AlertName, Finding, Pairs,
    alert::{RUNBOOK_URL, fingerprint},
};

/// The label and the annotation that say of an alert that nothing is broken.
const DRILL: &str = "drill";

/// What a drill says of itself.
pub const DRILL_NOTICE: &str = "This is a drill: nothing is broken.";

/// The label that tells two findings apart of which nothing else says of whom they are.
const SUBJECT: &str = "subject";

/// Says where the runbook of an alert is, by its name, its annotations and `external_url`.
pub type RunbookLink = fn(&str, &Pairs, &str) -> Option<String>;

/// Holds what the configuration adds to every alert.
#[derive(Clone, Debug)]
pub struct AlertContext {
    /// `external_labels`; an alert's own labels win.
    pub external_labels: Pairs,
    /// Where people find dogwatch, without a slash at the end; empty: nowhere.
    pub external_url: String,
    /// Everything is a drill, and says so.
    pub drill: bool,
    /// Finds runbooks.
    pub runbook: RunbookLink,
}

/// An alert with what names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentifiedAlert {
    /// The alert.
    pub alert: Alert,
    /// Sixteen hexadecimal digits, the same for ever.
    pub fingerprint: Arc<str>,
}

impl AlertContext {
    /// Returns where people look at an incident; empty without `external_url`.
    pub fn incident_link(&self, id: i64) -> String {
        if self.external_url.is_empty() { String::new() } else { format!("{}/incidents/{id}", self.external_url) }
    }

    /// Returns an alert of a rule or from outside, as everybody is shown it: what it says of itself stays as it is.
    pub fn complete(&self, alert: &Alert) -> Alert {
        let mut alert = Alert { labels: with_external(&alert.labels, &self.external_labels), ..alert.clone() };
        self.mark(&mut alert.labels, &mut alert.annotations);
        self.add_runbook(&alert.labels.get(ALERTNAME).cloned().unwrap_or_default(), &mut alert.annotations);
        alert
    }

    fn mark(&self, labels: &mut Pairs, annotations: &mut Pairs) {
        if self.drill {
            labels.insert(DRILL.into(), "true".into());
            annotations.insert(DRILL.into(), DRILL_NOTICE.into());
        }
    }

    /// A link is a whole one: without `external_url` there is none to ours.
    fn add_runbook(&self, name: &str, annotations: &mut Pairs) {
        let link = (self.runbook)(name, annotations, &self.external_url);
        if let Some(url) = link.filter(|url| url.starts_with("http")) {
            annotations.entry(RUNBOOK_URL.to_owned()).or_insert(url);
        }
    }
}

impl Finding {
    /// Returns the label set under which routes, silences, inhibition and receivers know it. Of the diagnosis: its own
    /// labels win over the configured ones, and `subject` is added where none of its own says of whom it is, so that
    /// two alerts never look like one. Of a rule or from outside: its labels are its identity, as they were completed.
    pub fn shown_labels(&self, context: &AlertContext) -> Pairs {
        let mut labels = self.labels.clone();
        if self.key.alert != AlertName::Other {
            let subject = &self.key.subject;
            if !labels.values().any(|value| value == subject) {
                labels.insert(SUBJECT.into(), subject.clone());
            }
            labels.insert(ALERTNAME.into(), self.key.alert.to_string());
            labels.insert("severity".into(), self.severity.to_string());
            labels.insert("cluster".into(), self.key.cluster.to_string());
            labels = with_external(&labels, &context.external_labels);
        }
        context.mark(&mut labels, &mut Pairs::new());
        labels
    }

    /// Returns the alert that everybody is shown. A finding of the diagnosis links to its `incident`.
    pub fn to_alert(
        &self,
        context: &AlertContext,
        incident: Option<i64>,
        ended_at: Option<Timestamp>,
    ) -> IdentifiedAlert {
        let mut labels = self.shown_labels(context);
        let mut annotations = self.annotations.clone();
        let mut generator_url = self.generator_url.clone();
        if self.key.alert != AlertName::Other {
            context.add_runbook(&self.name(), &mut annotations);
            for (name, text) in self.own_annotations() {
                if !text.is_empty() {
                    annotations.entry(name.to_owned()).or_insert(text);
                }
            }
            generator_url = incident.map(|id| context.incident_link(id)).unwrap_or_default();
        }
        context.mark(&mut labels, &mut annotations);
        let fingerprint = self.fingerprint(&labels).into();
        let alert = Alert { labels, annotations, starts_at: self.since, ends_at: ended_at, generator_url };
        IdentifiedAlert { alert, fingerprint }
    }

    fn own_annotations(&self) -> [(&'static str, String); 5] {
        let still_works = self.still_works.iter().map(|line| format!("Still works: {line}"));
        let description: Vec<String> = self.evidence.iter().cloned().chain(still_works).collect();
        [
            ("summary", self.headline.clone()),
            ("description", description.join("\n")),
            ("still_works", self.still_works.join("\n")),
            ("consequences", self.consequences.join("\n")),
            ("first_step", self.first_step.clone()),
        ]
    }

    /// The severity of what we diagnose is left out: an alert that gets worse stays the same alert.
    fn fingerprint(&self, labels: &Pairs) -> String {
        if self.key.alert == AlertName::Other {
            return fingerprint(labels);
        }
        fingerprint(&labels.iter().filter(|(k, _)| *k != "severity").map(|(k, v)| (k.clone(), v.clone())).collect())
    }
}

/// Merges labels: an alert's own win over those that are added to every alert; empty ones are none.
pub fn with_external(labels: &Pairs, external: &Pairs) -> Pairs {
    let own = labels.iter().filter(|(_, value)| !value.is_empty());
    let mut all = external.clone();
    all.extend(own.map(|(name, value)| (name.clone(), value.clone())));
    all.retain(|_, value| !value.is_empty());
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FindingKey, Severity, Topic};

    fn pairs(text: &str) -> Pairs {
        text.split_whitespace().filter_map(|p| p.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect()
    }

    fn context(external: &str, drill: bool) -> AlertContext {
        let runbook: RunbookLink =
            |name, _, base| (name == "EtcdMemberDown").then(|| format!("{base}/runbooks/{name}"));
        AlertContext { external_labels: pairs(external), external_url: "https://watch".into(), drill, runbook }
    }

    fn finding(alert: AlertName, subject: &str, labels: &str) -> Finding {
        let key = FindingKey { cluster: "prod".into(), alert, subject: subject.into() };
        let finding = Finding::new(key, Severity::Critical, Topic::Outage, "it is down".into(), Timestamp::UNIX_EPOCH);
        Finding { labels: pairs(labels), ..finding }
    }

    #[test]
    fn labels_of_the_diagnosis_and_of_others() {
        use AlertName::*;
        let check = |alert, subject: &str, labels: &str, external: &str, expected: &str| {
            let shown = finding(alert, subject, labels).to_alert(&context(external, false), Some(7), None);
            assert_eq!(shown.alert.labels, pairs(expected), "{alert} {subject} {labels} {external}");
        };
        let own = "alertname=EtcdMemberDown severity=critical cluster=prod";
        check(EtcdMemberDown, "", "job=etcd", "", &format!("{own} job=etcd"));
        check(EtcdMemberDown, "a:1", "job=etcd", "", &format!("{own} job=etcd subject=a:1"));
        check(EtcdMemberDown, "a:1", "instance=a:1", "", &format!("{own} instance=a:1"));
        check(EtcdMemberDown, "a:1", "", "v=a:1 cluster=x severity=y", &format!("{own} subject=a:1 v=a:1"));
        check(EtcdMemberDown, "prod", "", "subject=x", &format!("{own} subject=prod"));
        check(EtcdMemberDown, "a:1", "instance=a:1", "subject=x", &format!("{own} instance=a:1 subject=x"));
        check(Other, "f00d", "alertname=A severity=page", "v=x", "alertname=A severity=page");
    }

    #[test]
    fn a_fingerprint_outlives_a_severity_of_ours_and_no_other_label() {
        let print = |f: &Finding| f.to_alert(&context("v=x", false), None, None).fingerprint;
        let first = finding(AlertName::EtcdMemberDown, "a:1", "");
        assert_eq!(print(&first), print(&Finding { severity: Severity::Warning, ..first.clone() }));
        assert_ne!(print(&first), print(&finding(AlertName::EtcdMemberDown, "a:2", "")));
        let posted = finding(AlertName::Other, "", "alertname=A severity=page");
        assert_eq!(*print(&posted), fingerprint(&posted.labels));
    }

    #[test]
    fn annotations_and_links_of_ours_are_made_and_of_others_are_kept() {
        let ours = Finding {
            evidence: vec!["a".into()],
            still_works: vec!["b".into()],
            ..finding(AlertName::EtcdMemberDown, "", "")
        };
        let shown = ours.to_alert(&context("", true), Some(7), None).alert;
        assert_eq!(shown.annotations["description"], "a\nStill works: b");
        assert_eq!(shown.annotations["runbook_url"], "https://watch/runbooks/EtcdMemberDown");
        assert_eq!((shown.label("drill"), &*shown.annotations["drill"]), ("true", DRILL_NOTICE));
        assert_eq!(shown.generator_url, "https://watch/incidents/7");
        let posted = Alert {
            labels: pairs("alertname=A"),
            annotations: pairs("x=y"),
            starts_at: Timestamp::UNIX_EPOCH,
            ends_at: None,
            generator_url: "http://prom/g".into(),
        };
        let shown = context("v=x", false).complete(&posted);
        assert_eq!(shown, Alert { labels: pairs("alertname=A v=x"), ..posted.clone() });
        let named = Alert { labels: pairs("alertname=EtcdMemberDown"), ..posted };
        assert!(context("", false).complete(&named).annotations.contains_key(RUNBOOK_URL));
    }
}
