//! What templates of messages see: Alertmanager's data (template/template.go, `Data`), and ours under `.Incident`. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    markup, summary,
    view::{AlertView, View},
};
use crate::{
    model::{Notification, NotificationKind, Pairs},
    template::{Library, NoHistory, Template, TemplateError, Value},
    words::Voice,
};

/// Longer than any service takes.
const TEXT_MAX: usize = 15_000;

/// The templates that Alertmanager's configuration names, in our own words.
const DEFAULT: &str = include_str!("default.tmpl");

/// Returns the templates that every message may name, Alertmanager's own names among them. Those of the configuration
/// are added to it and may replace them.
///
/// # Errors
/// Never, as a test shows.
pub fn default_library() -> Result<Library, TemplateError> {
    let mut library = Library::default();
    library.add(DEFAULT)?;
    library.check()?;
    Ok(library)
}

/// Returns `.` of a message's template.
pub(super) fn of(n: &Notification, receiver: &str, library: &Library, voice: &Voice) -> Value {
    let mut data = without_route(n, receiver, voice);
    let labels = route_labels(n, &data, library);
    if let Value::Map(fields) = &mut data {
        fields.insert("RouteLabels".to_owned(), pairs(&labels));
    }
    data
}

/// `labels` of the route, written; of one that fails nothing is left.
fn route_labels(n: &Notification, data: &Value, library: &Library) -> Pairs {
    let written = |text: &str| Template::of_message(text, library)?.render(data, &mut NoHistory);
    n.route_labels.iter().map(|(name, text)| (name.clone(), written(text).unwrap_or_default())).collect()
}

fn without_route(n: &Notification, receiver: &str, voice: &Voice) -> Value {
    let view = View::of(n).readable();
    map([
        ("NotificationReason", string(reason(n.told))),
        ("RouteLabels", pairs(&Pairs::new())),
        ("Receiver", string(receiver)),
        ("Status", string(view.status())),
        ("GroupLabels", pairs(&view.group_labels)),
        ("CommonLabels", pairs(&view.common_labels)),
        ("CommonAnnotations", pairs(&view.common_annotations)),
        ("ExternalURL", string(&n.external_url)),
        ("Alerts", Value::List(view.alerts.iter().map(alert).collect())),
        ("Incident", incident(n, voice)),
    ])
}

/// Alertmanager's word for why it tells (notify/notify.go, `NotificationReason`).
fn reason(told: NotificationKind) -> &'static str {
    match told {
        NotificationKind::Opened => "first notification",
        NotificationKind::Worse | NotificationKind::Update => "new alerts added",
        NotificationKind::Reminder => "repeat interval elapsed",
        NotificationKind::Resolved => "all alerts resolved",
    }
}

fn alert(alert: &AlertView) -> Value {
    map([
        ("Status", string(alert.status())),
        ("Labels", pairs(&alert.alert.labels)),
        ("Annotations", pairs(&alert.alert.annotations)),
        ("StartsAt", Value::Time(alert.alert.starts_at)),
        ("EndsAt", Value::Time(alert.alert.ends_at.unwrap_or_else(never))),
        ("GeneratorURL", string(&alert.alert.generator_url)),
        ("Fingerprint", string(&alert.fingerprint)),
    ])
}

/// What Alertmanager has no place for.
fn incident(n: &Notification, voice: &Voice) -> Value {
    let page = summary::page(n, voice);
    let lines = |lines: &[String]| Value::List(lines.iter().map(|l| string(l)).collect());
    map([
        ("Id", Value::Int(n.incident.id)),
        ("Cluster", string(summary::place(&n.incident))),
        ("Clusters", lines(&summary::clusters(&n.incident))),
        ("Subject", string(&summary::subject(n, voice))),
        ("Text", string(&markup::text(&page, &markup::PLAIN, TEXT_MAX, voice))),
        ("Headline", string(&page.headline)),
        ("Severity", string(&n.incident.severity.to_string())),
        ("Since", Value::Time(n.incident.started_at)),
        ("When", string(&page.when)),
        ("Evidence", lines(&page.evidence)),
        ("StillWorks", lines(&page.still_works)),
        ("Consequences", lines(&page.consequences)),
        ("Changes", lines(&page.changes)),
        ("FirstStep", string(&page.first_step)),
        ("Runbook", string(&page.runbook)),
        ("Link", string(&page.link)),
        ("Sequence", Value::Int(i64::from(n.sequence))),
        ("Told", string(&format!("{:?}", n.told).to_lowercase())),
        ("Drill", Value::Bool(summary::is_drill(&n.incident))),
    ])
}

/// Returns the same with every text escaped for HTML, so that no label can add a tag. What Go's html/template does by
/// context, this does for text and quoted attributes.
pub(super) fn for_html(value: &Value) -> Value {
    match value {
        Value::Str(text) => Value::Str(markup::escape_html(text).into_owned()),
        Value::List(items) => Value::List(items.iter().map(for_html).collect()),
        Value::Map(fields) => Value::Map(fields.iter().map(|(k, v)| (k.clone(), for_html(v))).collect()),
        other => other.clone(),
    }
}

/// Go's zero time, which Alertmanager has for "not over".
fn never() -> Timestamp {
    const SECONDS: i64 = -62_135_596_800;
    Timestamp::from_second(SECONDS).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Map(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<BTreeMap<_, _>>())
}

fn string(text: &str) -> Value {
    Value::Str(text.to_owned())
}

fn pairs(of: &Pairs) -> Value {
    Value::Map(of.iter().map(|(k, v)| (k.clone(), string(v))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::example;

    fn render(text: &str, n: &Notification) -> String {
        let library = default_library().unwrap();
        let template = Template::of_message(text, &library).unwrap();
        template.render(&of(n, "ops", &library, &Voice::default()), &mut NoHistory).unwrap()
    }

    #[test]
    fn what_alertmanagers_templates_see() {
        let check = |text: &str, expected: &str| assert_eq!(render(text, &example::opened()), expected, "{text}");
        check("{{ .Status }} {{ .Receiver }} {{ .ExternalURL }}", "firing ops https://watch.example.org");
        check(
            "{{ .GroupLabels.cluster }} {{ .CommonLabels.severity }} {{ .CommonLabels.alertname }}",
            "prod critical ",
        );
        check("{{ .Alerts | len }} {{ .Alerts.Firing | len }} {{ .Alerts.Resolved | len }}", "2 2 0");
        check("{{ range .Alerts.Firing }}{{ .Labels.alertname }} {{ end }}", "EtcdQuorumLost ApiServersDown ");
        check("{{ (index .Alerts 0).StartsAt.Format \"15:04:05\" }}", "14:02:11");
        check(
            "{{ .Incident.Id }} {{ .Incident.FirstStep }}",
            "12 Start etcd on 10.0.0.2 or 10.0.0.3: one more member restores quorum",
        );
        check("{{ template \"slack.default.title\" . }}", "[prod] etcd has lost quorum: 2 of 3 members down");
        assert_eq!(render("{{ .Status }}", &example::resolved()), "resolved");
        let labels = [("team", "{{ .CommonLabels.cluster }}-sre"), ("bad", "{{ .A.B.C }}")];
        let n = Notification {
            route_labels: labels.map(|(name, text)| (name.to_owned(), text.to_owned())).into(),
            ..example::opened()
        };
        assert_eq!(render("{{ .RouteLabels.team }} {{ .NotificationReason }}", &n), "prod-sre first notification");
    }

    #[test]
    fn every_default_template_can_be_written() {
        let mut names = Vec::new();
        for part in DEFAULT.split("define \"").skip(1) {
            names.push(part.split('"').next().unwrap());
        }
        assert!(names.len() > 30);
        for name in names {
            let on = if name.contains("list") || name.contains("instances") { ".Alerts" } else { "." };
            for n in [example::opened(), example::resolved()] {
                render(&format!("{{{{ template \"{name}\" {on} }}}}"), &n);
            }
        }
    }

    /// Every name of Alertmanager 0.35 (template/default.tmpl, email.tmpl), which a pasted template may refer to.
    #[test]
    fn every_name_of_alertmanagers_templates_is_there() {
        let names = [
            (
                "",
                "__alertmanager __alertmanagerURL __description __subject __text_alert_list __text_alert_list_markdown",
            ),
            ("discord", "content message title"),
            ("email", "html subject"),
            ("jira", "description priority summary"),
            ("mattermost", "color fallback text title titlelink username"),
            ("msteams", "summary text title"),
            ("msteamsv2", "text title"),
            ("opsgenie", "description message source"),
            ("pagerduty", "client clientURL description instances"),
            ("pushover", "message title url"),
            ("rocketchat", "alias emoji iconurl text title titlelink"),
            ("slack", "callbackid color fallback footer iconemoji iconurl pretext text title titlelink username"),
            ("sns", "message subject"),
            ("telegram", "message"),
            ("victorops", "entity_display_name monitoring_tool state_message"),
            ("webex", "message"),
            ("wechat", "agent_id message to_party to_tag to_user"),
        ];
        for (service, parts) in names {
            for part in parts.split(' ') {
                let name = if service.is_empty() { part.to_owned() } else { format!("{service}.default.{part}") };
                assert!(DEFAULT.contains(&format!("{{{{ define \"{name}\" }}}}")), "{name}");
            }
        }
    }

    #[test]
    fn a_list_of_alerts_has_all_that_alertmanagers_has() {
        let n = example::opened();
        for name in ["__text_alert_list", "__text_alert_list_markdown", "pagerduty.default.instances"] {
            let text = render(&format!("{{{{ template \"{name}\" .Alerts.Firing }}}}"), &n);
            for alert in View::of(&n).readable().alerts {
                let alert = alert.alert;
                for (name, value) in &alert.labels {
                    assert!(text.contains(&format!("{name}={value}")), "{name}: {text}");
                }
                for (name, value) in &alert.annotations {
                    assert!(text.contains(&format!("{name}: {value}")), "{name}: {text}");
                }
                assert!(text.contains(&*alert.generator_url), "{text}");
            }
        }
    }

    #[test]
    fn templates_of_the_user_replace_ours() {
        let mut ours = default_library().unwrap();
        ours.add("{{ define \"slack.default.title\" }}mine{{ end }}").unwrap();
        let template = Template::of_message("{{ template \"slack.default.title\" . }}", &ours).unwrap();
        assert_eq!(
            template.render(&of(&example::opened(), "ops", &ours, &Voice::default()), &mut NoHistory).unwrap(),
            "mine"
        );
    }
}
