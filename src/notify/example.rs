//! One incident, for previews and tests.

use jiff::Timestamp;

use crate::model::{
    AlertName, Finding, FindingKey, Incident, IncidentAlert, Notification, NotificationKind, Severity, Topic,
};

#[allow(clippy::unwrap_used)] // Of constants in this file and in tests.
pub(crate) fn at(text: &str) -> Timestamp {
    format!("2026-11-23T{text}Z").parse().unwrap()
}

pub(crate) fn finding(alert: AlertName, subject: &str, headline: &str) -> Finding {
    let key = FindingKey { cluster: "prod".into(), alert, subject: subject.into() };
    Finding::new(key, Severity::Critical, Topic::Outage, headline.to_owned(), at("14:02:11"))
}

/// etcd has lost quorum, and what it did to the API servers.
pub fn opened() -> Notification {
    let quorum = Finding {
        evidence: vec![
            "etcd-2 (10.0.0.2:2379) refuses connections since 14:02:11 UTC".into(),
            "etcd-3 (10.0.0.3:2379) refuses connections since 14:02:11 UTC".into(),
        ],
        still_works: vec!["4 of 4 kubelets answer: running containers go on".into()],
        consequences: vec!["3 API servers can't read or write".into()],
        first_step: "Start etcd on 10.0.0.2 or 10.0.0.3: one more member restores quorum".into(),
        labels: [("job".to_owned(), "etcd".to_owned())].into(),
        ..finding(AlertName::EtcdQuorumLost, "", "etcd has lost quorum: 2 of 3 members down")
    };
    let apiservers = Finding {
        since: at("14:02:14"),
        caused_by: Some(quorum.key.clone()),
        labels: [("job".to_owned(), "kube-apiserver".to_owned())].into(),
        ..finding(AlertName::ApiServersDown, "", "No API server is healthy: 3 of 3 can't reach etcd")
    };
    let alert = |finding| IncidentAlert::new(finding, at("14:02:15"));
    Notification {
        told: NotificationKind::Opened,
        sequence: 0,
        at: at("14:02:15"),
        incident: Incident {
            alerts: vec![alert(quorum.clone()), alert(apiservers)],
            messages: 1,
            told_at: Some(at("14:02:15")),
            ..Incident::new(
                12,
                "prod".into(),
                Topic::Outage,
                at("14:02:11"),
                quorum.headline.clone(),
                Severity::Critical,
            )
        },
        external_url: "https://watch.example.org".into(),
        external_labels: [("vantage".to_owned(), "paris-1".to_owned())].into(),
        origin: "k3j9x2".into(),
        group_labels: Some([("cluster".to_owned(), "prod".to_owned())].into()),
        route_labels: Default::default(),
        heard: None,
        document: None,
    }
}

/// Returns the same, twelve minutes later.
pub fn resolved() -> Notification {
    let mut n = opened();
    n.told = NotificationKind::Resolved;
    n.sequence = 1;
    n.at = at("14:14:14");
    n.incident.resolved_at = Some(at("14:14:11"));
    n.incident.messages = 2;
    n.incident.told_at = Some(n.at);
    n.incident.alerts.iter_mut().for_each(|a| a.ended_at = Some(at("14:14:11")));
    n
}
