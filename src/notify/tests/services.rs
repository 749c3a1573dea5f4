//! What each service is sent: whole payloads in snapshots, templates as existing files have them, limits, drills.

use serde_json::Value;

use super::*;
use crate::{
    model::{Acknowledged, AlertName, Group, Topic},
    notify::example,
};

/// One entry of every service, with nothing but what it needs.
const BARE: &str = "
- name: ops
  slack_configs: [{api_url: 'https://hooks.slack.com/services/T0/B0/S3CR3TS3CR3T'}]
  msteams_configs: [{webhook_url: 'https://example.webhook.office.com/webhookb2/S3CR3TS3CR3T'}]
  msteamsv2_configs: [{webhook_url: 'https://prod.logic.azure.com/workflows/S3CR3TS3CR3T?sig=S3CR3TS3CR3T'}]
  discord_configs: [{webhook_url: 'https://discord.com/api/webhooks/1/S3CR3TS3CR3T'}]
  telegram_configs: [{bot_token: S3CR3TS3CR3T, chat_id: -1001}]
  pagerduty_configs: [{routing_key: S3CR3TS3CR3T}]
  opsgenie_configs: [{api_key: S3CR3TS3CR3T}]
  pushover_configs: [{user_key: S3CR3TS3CR3T, token: S3CR3TS3CR3T}]
  victorops_configs: [{api_key: S3CR3TS3CR3T, routing_key: team}]
  webex_configs: [{room_id: R1, http_config: {authorization: {credentials: S3CR3TS3CR3T}}}]
  sns_configs: [{topic_arn: 'arn:aws:sns:eu-west-1:1:t.fifo', attributes: {team: '{{ .CommonLabels.cluster }}'}, sigv4: {access_key: A, secret_key: S3CR3TS3CR3T}}]
  wechat_configs: [{api_secret: S3CR3TS3CR3T, corp_id: C, agent_id: 0123, to_user: '@all'}]
  jira_configs: [{api_url: 'https://example.atlassian.net/rest/api/2/', project: OPS, issue_type: Bug, labels: [b]}]
  rocketchat_configs: [{token: S3CR3TS3CR3T, token_id: S3CR3TS3CR3T, channel: '#ops', actions: [{text: Look, url: 'https://a/'}]}]
  mattermost_configs: [{webhook_url: 'https://mattermost.example.org/hooks/S3CR3TS3CR3T', priority: {priority: Urgent, persistent_notifications: true}}]
  incidentio_configs: [{url: 'https://api.incident.io/v2/alert_events/alertmanager/1', alert_source_token: S3CR3TS3CR3T, metadata: {team: sre}}]
  ntfy_configs: [{topic: S3CR3TS3CR3T, token: S3CR3TS3CR3T}]
  alertmanager_configs: [{urls: ['http://10.0.0.8:9093/', 'http://10.0.0.9:9093/am']}]
";

fn integrations_of(receivers: &str) -> Vec<Integration> {
    let receivers: Vec<ReceiverConfig> = parse(receivers).unwrap();
    integrations(&parse(GLOBAL).unwrap(), &receivers, &default_library().unwrap()).unwrap()
}

/// The preview of the only integration.
fn preview(entry: &str, n: &Notification) -> String {
    integrations_of(&format!("[{{name: ops, {entry}}}]"))[0].preview(n)
}

/// The JSON of the only integration's first request.
fn body(entry: &str, n: &Notification) -> Value {
    let preview = preview(entry, n);
    let json = &preview[preview.find("\n\n").unwrap()..];
    serde_json::Deserializer::from_str(json).into_iter().next().unwrap().unwrap()
}

fn drill() -> Notification {
    let mut n = example::opened();
    n.incident.topic = Topic::Drill;
    n
}

#[test]
fn payloads() {
    for integration in integrations_of(BARE) {
        let kind = integration.kind().to_owned();
        assert_eq!((integration.receiver(), &*integration.name), ("ops", &*format!("ops/{kind}[0]")));
        for (what, n) in [("opened", example::opened()), ("resolved", example::resolved())] {
            insta::assert_snapshot!(format!("{kind}_{what}"), integration.preview(&n));
        }
    }
}

#[test]
fn secrets_are_in_no_preview_and_no_debug() {
    let all = integrations_of(BARE);
    for integration in &all {
        assert!(!integration.preview(&example::opened()).contains("S3CR3T"), "{}", integration.name);
    }
    assert!(!format!("{all:?}").contains("S3CR3T"));
    let receivers: Vec<ReceiverConfig> = parse(BARE).unwrap();
    assert!(!format!("{receivers:?} {}", serde_saphyr::to_string(&receivers).unwrap()).contains("S3CR3T"));
}

#[test]
fn a_drill_says_so_everywhere() {
    let bare = format!("{BARE}  email_configs: [{{to: a@example.org}}]\n  webhook_configs: [{{url: 'http://a/'}}]\n");
    for integration in integrations_of(&bare) {
        let shown = integration.preview(&drill());
        if integration.kind() != "alertmanager" {
            assert!(shown.contains("[DRILL] [prod] etcd has lost quorum"), "{shown}");
        }
        assert!(shown.contains("This is a drill: nothing is broken."), "{shown}");
    }
    for (entry, title) in [
        ("slack_configs: [{api_url: 'http://a/', title: T, text: X}]", "/attachments/0/title"),
        ("discord_configs: [{webhook_url: 'http://a/', title: T, message: X}]", "/embeds/0/title"),
        ("ntfy_configs: [{topic: a, title: T, message: X}]", "/title"),
        ("opsgenie_configs: [{api_key: a, message: T, description: X}]", "/message"),
    ] {
        let body = body(entry, &drill());
        assert_eq!(body.pointer(title).unwrap(), "[DRILL] T");
        assert!(body.to_string().contains("This is a drill: nothing is broken."), "{body}");
    }
    let alerts = body("alertmanager_configs: [{urls: ['http://a/']}]", &drill());
    assert_eq!(alerts[0]["labels"]["drill"], "true");
}

#[test]
fn texts_of_an_existing_file() {
    let slack = "slack_configs: [{api_url: 'http://a/', channel: '#{{ .CommonLabels.severity }}', send_resolved: true,
        title: '{{ .Status | toUpper }} {{ .CommonLabels.cluster }}', color: '{{ if eq .Status \"firing\" }}danger{{ else }}good{{ end }}',
        text: '{{ range .Alerts }}*{{ .Labels.alertname }}* {{ .Annotations.summary }}{{ end }}', footer: '{{ template \"slack.default.footer\" . }}',
        fields: [{title: T, value: '{{ .Alerts | len }}', short: true}], actions: [{type: button, text: Runbook, url: '{{ .ExternalURL }}'}]}]";
    let body = body(slack, &example::opened());
    assert_eq!(body["channel"], "#critical");
    let attachment = &body["attachments"][0];
    assert_eq!(attachment["title"], "FIRING prod");
    assert_eq!(attachment["color"], "danger");
    assert!(attachment["text"].as_str().unwrap().starts_with("*EtcdQuorumLost* etcd has lost quorum"));
    assert_eq!(attachment["fields"][0]["value"], "2");
    assert_eq!(attachment["actions"][0]["url"], "https://watch.example.org");
    assert_eq!(attachment.get("footer"), None);

    let check = |entry: &str, pointer: &str, expected: &str| {
        assert_eq!(super::services::body(entry, &example::opened()).pointer(pointer).unwrap(), expected, "{entry}");
    };
    let pagerduty = |more: &str| format!("pagerduty_configs: [{{routing_key: k, {more}}}]");
    check(&pagerduty("severity: '{{ .CommonLabels.severity }}'"), "/payload/severity", "critical");
    check(&pagerduty("severity: 'disaster'"), "/payload/severity", "critical");
    check(
        &pagerduty("description: '{{ template \"pagerduty.default.description\" . }}'"),
        "/payload/summary",
        "[prod] etcd has lost quorum: 2 of 3 members down",
    );
    check(&pagerduty("details: {num: '{{ .Alerts.Firing | len }} fire'}"), "/payload/custom_details/num", "2 fire");
    check(
        "opsgenie_configs: [{api_key: k, priority: P9, responders: [{type: teams, name: 'a, b'}]}]",
        "/responders/1/name",
        "b",
    );
    check("opsgenie_configs: [{api_key: k, priority: P9}]", "/priority", "P1");
    check(
        "opsgenie_configs: [{api_key: k, message: '{{ .CommonLabels.nothing }}'}]",
        "/message",
        "[prod] etcd has lost quorum: 2 of 3 members down",
    );
    check(
        "telegram_configs: [{bot_token: t, chat_id: 1, message: '<b>{{ .CommonLabels.cluster }}</b>'}]",
        "/text",
        "<b>prod</b>",
    );
}

#[test]
fn a_template_that_fails_costs_its_text_and_not_the_message() {
    let shown = preview("ntfy_configs: [{topic: t, title: '{{ index .Alerts 7 }}'}]", &example::opened());
    assert!(shown.starts_with("the template of title failed at 1:4: "), "{shown}");
    assert!(shown.contains("\"title\": \"[prod] etcd has lost quorum"), "{shown}");
}

#[test]
fn nothing_from_outside_marks_up_a_text() {
    let mut n = example::opened();
    let evil = "<b>*x* <!channel> @everyone [a](http://b) _y_";
    n.incident.alerts[0].finding.evidence = vec![evil.into()];
    n.incident.alerts[0].finding.labels.insert("evil".into(), evil.into());
    let text = |entry: &str, pointer: &str| body(entry, &n).pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let slack = text("slack_configs: [{api_url: 'http://a/'}]", "/attachments/0/text");
    assert!(slack.contains("&lt;!channel&gt;"), "{slack}");
    let discord = body("discord_configs: [{webhook_url: 'http://a/'}]", &n);
    assert_eq!(discord["allowed_mentions"]["parse"], serde_json::json!([]));
    assert!(discord["embeds"][0]["description"].as_str().unwrap().contains(r"\*x\* \<!channel> @everyone [a\](http"));
    let own = text("telegram_configs: [{bot_token: t, chat_id: 1}]", "/text");
    assert!(own.contains("&lt;b&gt;*x*"), "{own}");
    let message = "message: '{{ range .Alerts }}{{ .Labels.evil }}{{ end }}'";
    let html = text(&format!("telegram_configs: [{{bot_token: t, chat_id: 1, {message}}}]"), "/text");
    assert!(html.starts_with("&lt;b&gt;"), "{html}");
    let plain = text(&format!("telegram_configs: [{{bot_token: t, chat_id: 1, parse_mode: '', {message}}}]"), "/text");
    assert!(plain.starts_with("<b>*x*"), "{plain}");
}

#[test]
fn limits_of_the_services() {
    let mut n = example::opened();
    n.incident.headline = "ä🚨".repeat(3_000);
    n.incident.alerts[0].finding.evidence = (0..30).map(|i| format!("{i} {}", "<&>_".repeat(500))).collect();
    let long = format!("text: '{}', ", "{{ .Incident.Headline }}".repeat(20));
    let units = |v: &Value| v.as_str().unwrap().encode_utf16().count();
    let slack = body(&format!("slack_configs: [{{{long}api_url: 'http://a/'}}]"), &n);
    assert!(units(&slack["attachments"][0]["text"]) <= 30_000);
    for more in ["", &long] {
        let teams = body(&format!("msteamsv2_configs: [{{{more}webhook_url: 'http://a/'}}]"), &n);
        assert!(teams.to_string().len() <= 28 << 10, "{}", teams.to_string().len());
    }
    let long = long.replace("text:", "message:");
    for more in ["", &long] {
        let discord = body(&format!("discord_configs: [{{{more}webhook_url: 'http://a/'}}]"), &n);
        assert!(units(&discord["embeds"][0]["description"]) <= 4_096 && units(&discord["embeds"][0]["title"]) <= 256);
        let telegram = body(&format!("telegram_configs: [{{{more}bot_token: t, chat_id: 1}}]"), &n);
        assert!(units(&telegram["text"]) <= 4_096);
        let ntfy = body(&format!("ntfy_configs: [{{{more}topic: t}}]"), &n);
        assert!(ntfy["message"].as_str().unwrap().len() <= 4_096);
        let pushover = preview(&format!("pushover_configs: [{{{more}token: t, user_key: u}}]"), &n);
        let message = pushover.split("\nmessage=").nth(1).unwrap().split("\nurl_title=").next().unwrap();
        assert!(message.encode_utf16().count() <= 1_024, "{message}");
    }
    let webex =
        body("webex_configs: [{room_id: a, http_config: {bearer_token: t}, message: '{{ .Incident.Text }}'}]", &n);
    assert!(webex["markdown"].as_str().unwrap().len() <= 7_439);
    let wechat = body("wechat_configs: [{api_secret: a, corp_id: b, message: '{{ .Incident.Text }}'}]", &n);
    assert!(wechat["text"]["content"].as_str().unwrap().len() <= 2_048);
    let sms = preview("sns_configs: [{phone_number: a, message: '{{ .Incident.Text }}', sigv4: {region: r}}]", &n);
    assert!(sms.contains("MessageAttributes.entry.1.Name=truncated"), "{sms}");
    let rocketchat = body("rocketchat_configs: [{token: a, token_id: b}]", &n);
    assert!(units(&rocketchat["attachments"][0]["title"]) <= 1_024);
    let long_text = "text: '{{ .Incident.Text }}{{ .Incident.Text }}'";
    let mattermost = body(&format!("mattermost_configs: [{{webhook_url: 'http://a/', {long_text}}}]"), &n);
    assert!(units(&mattermost["attachments"][0]["text"]) <= 16_383);
    let pagerduty = body("pagerduty_configs: [{routing_key: k, description: '{{ .Incident.Text }}'}]", &n);
    assert!(units(&pagerduty["payload"]["summary"]) <= 1_024);
    let opsgenie = body("opsgenie_configs: [{api_key: k, details: {a: '{{ .Incident.Text }}'}}]", &n);
    assert!(units(&opsgenie["message"]) <= 130 && units(&opsgenie["description"]) <= 15_000);
    assert_eq!(opsgenie["details"].get("a"), None, "too long for all details together");
}

#[test]
fn an_acknowledged_incident_is_acknowledged_at_pagerduty() {
    let action = |told, acknowledged: bool| {
        let mut n = if told == NotificationKind::Resolved { example::resolved() } else { example::opened() };
        n.told = told;
        n.incident.acknowledged = acknowledged.then(|| Acknowledged { at: n.at, by: "ann".into() });
        body("pagerduty_configs: [{routing_key: k}]", &n)["event_action"].as_str().unwrap().to_owned()
    };
    assert_eq!(action(NotificationKind::Opened, false), "trigger");
    assert_eq!(action(NotificationKind::Update, false), "trigger");
    assert_eq!(action(NotificationKind::Update, true), "acknowledge");
    assert_eq!(action(NotificationKind::Worse, true), "trigger");
    assert_eq!(action(NotificationKind::Resolved, true), "resolve");
}

#[test]
fn another_alertmanager_gets_causes_and_the_end_of_what_was_told_otherwise() {
    let mut n = example::opened();
    let entry = "alertmanager_configs: [{urls: ['http://a/'], ends_after: 8h}]";
    let ends = |n: &Notification| -> Vec<String> {
        let posts = body(entry, n);
        let one = |a: &Value| format!("{} {} {}", a["labels"]["alertname"], a["labels"]["severity"], a["endsAt"]);
        posts.as_array().unwrap().iter().map(|a| one(a).replace('"', "")).collect()
    };
    let first = ["EtcdQuorumLost critical 2026-11-23T22:02:15Z", "ApiServersDown critical 2026-11-23T14:02:15Z"]
        .map(str::to_owned);
    assert_eq!(ends(&n), first);
    n.sequence = 1;
    let later = ends(&n);
    assert_eq!(
        later[1..3],
        ["EtcdQuorumLost warning 2026-11-23T14:02:15Z", "EtcdQuorumLost info 2026-11-23T14:02:15Z"]
    );
    assert!(ends(&example::resolved()).iter().all(|line| line.ends_with("T14:14:11Z")));
}

#[test]
fn alerts_of_rules_keep_their_labels_and_groups_their_key() {
    let mut n = example::opened();
    let labels: crate::model::Pairs = [("alertname", "DiskFull"), ("severity", "page"), ("instance", "db1")]
        .map(|(k, v)| (k.into(), v.into()))
        .into();
    let finding = &mut n.incident.alerts[0].finding;
    finding.key.alert = AlertName::Other;
    finding.labels = labels.clone();
    finding.annotations = [("summary".to_owned(), "as it was said".to_owned())].into();
    n.incident.alerts.truncate(1);
    let group = [("alertname".to_owned(), "DiskFull".to_owned())].into();
    n.incident.group = Some(Group {
        place: "0".into(),
        route: "{}/{severity=\"page\"}".into(),
        receiver: "ops".into(),
        labels: group,
    });
    let body = body("webhook_configs: [{url: 'http://a/'}]", &n);
    assert_eq!(body["groupKey"], "{}/{severity=\"page\"}:{alertname=\"DiskFull\"}");
    assert_eq!(body["groupLabels"], serde_json::json!({"alertname": "DiskFull"}));
    assert_eq!(body["alerts"][0]["labels"], serde_json::json!(labels));
    assert_eq!(body["alerts"][0]["fingerprint"], crate::model::fingerprint(&labels));
    assert_eq!(body["alerts"][0]["annotations"], serde_json::json!({"summary": "as it was said"}));
}

#[test]
fn entries_that_cannot_work() {
    let check = |entry: &str, expected: &str| {
        let error = build(GLOBAL, &format!("[{{name: x, {entry}}}]")).unwrap_err();
        assert!(error.contains(expected), "{error}");
    };
    check("slack_configs: [{}]", "slack_configs[0].api_url: Slack needs api_url or api_url_file");
    check("slack_configs: [{api_url: 'http://a/', title: '{{ .X'}]", "slack_configs[0].title: 1:");
    check("slack_configs: [{api_url: 'http://a/', text: '{{ template \"mine\" . }}'}]", "slack_configs[0].text: 1:");
    check("slack_configs: [{api_url: 'http://a/', edit_messages: true}]", "edit_messages");
    check("slack_configs: [{api_url: 'http://a/', actions: [{type: button, text: a}]}]", "an action needs url or name");
    check(
        "msteamsv2_configs: [{webhook_url: 'ftp://a/'}]",
        "msteamsv2_configs[0].webhook_url: the URL's scheme is ftp",
    );
    check("telegram_configs: [{chat_id: 1}]", "here or as global.telegram_bot_token");
    check("telegram_configs: [{bot_token: a}]", "telegram_configs[0].chat_id: Telegram needs");
    check("telegram_configs: [{bot_token: a, chat_id: 1, parse_mode: html}]", "\"html\" is unknown; use HTML");
    check("pagerduty_configs: [{}]", "PagerDuty needs routing_key");
    check("slack_configs: [{api_url: 'http://a/', app_token: t}]", "give api_url or app_token, not both");
    check("slack_configs: [{api_url: 'http://a/', update_message: true}]", "a webhook can't change what it has posted");
    check("slack_configs: [{app_token: t, http_config: {authorization: {credentials: x}}}]", "leave one of them out");
    check("webhook_configs: [{url: '{{ .X'}]", "webhook_configs[0].url: 1:");
    check("webhook_configs: [{url: 'http://a', payload: {a: [{b: '{{ .X'}]}}]", "webhook_configs[0].payload.a.b: 1:");
    check(
        "opsgenie_configs: [{api_key: a, responders: [{type: crew, name: b}]}]",
        "\"crew\" is unknown; there are: team,",
    );
    check("pushover_configs: [{user_key: a}]", "Pushover needs token or token_file");
    check("pushover_configs: [{user_key: a, token: b, retry: 10s}]", "30s or more");
    check("ntfy_configs: [{}]", "ntfy needs topic or topic_file");
    check("alertmanager_configs: [{}]", "at least one Alertmanager");
    check("alertmanager_configs: [{urls: ['http://u:p@a/']}]", "urls[0]: credentials belong into http_config");
    for (entry, expected) in [
        ("victorops_configs: [{routing_key: a}]", "VictorOps needs api_key"),
        ("victorops_configs: [{api_key: a}]", "VictorOps needs routing_key"),
        ("victorops_configs: [{api_key: a, routing_key: b, custom_fields: {entity_id: x}}]", "has a key of its own"),
        ("webex_configs: [{http_config: {authorization: {credentials: a}}}]", "Webex needs room_id"),
        ("webex_configs: [{room_id: a}]", "http_config.authorization: Webex needs the bot's token"),
        ("sns_configs: [{sigv4: {region: a}}]", "one of topic_arn, phone_number and target_arn"),
        ("sns_configs: [{phone_number: a, sigv4: {region: a, access_key: b}}]", "sigv4.access_key: access_key and"),
        ("sns_configs: [{phone_number: a, sigv4: {region: a, external_id: b}}]", "sigv4.external_id: is for a role"),
        ("wechat_configs: [{corp_id: a}]", "WeChat needs api_secret"),
        ("wechat_configs: [{api_secret: a}]", "WeChat needs corp_id"),
        ("wechat_configs: [{api_secret: a, corp_id: b, message_type: html}]", "must be text or markdown"),
        ("jira_configs: [{project: a, issue_type: b}]", "Jira needs api_url"),
        ("jira_configs: [{api_url: 'http://a', issue_type: b}]", "Jira needs project"),
        ("jira_configs: [{api_url: 'http://a', project: b, issue_type: c, api_type: x}]", "auto, cloud or datacenter"),
        ("rocketchat_configs: [{token: a}]", "Rocket.Chat needs token_id or token_id_file"),
        ("mattermost_configs: [{}]", "Mattermost needs webhook_url"),
        ("mattermost_configs: [{webhook_url: 'http://a', attachments: [{text: '{{ .X'}]}]", "attachments[0].text: 1:"),
        ("incidentio_configs: [{alert_source_token: a}]", "incident.io needs url"),
        ("incidentio_configs: [{url: 'http://a'}]", "incident.io needs alert_source_token"),
    ] {
        check(entry, expected);
    }
}

#[test]
fn a_mail_may_have_its_own_words() {
    let entry = |more: &str| format!("email_configs: [{{to: a@example.org, {more}}}]");
    let subject = entry(
        "headers: {subject: '{{ .Status }}: {{ .CommonLabels.cluster }}'}, text: 'see {{ .Incident.Link }}', html: ''",
    );
    let shown = preview(&subject, &example::opened());
    assert!(
        shown.contains("Subject: firing: prod\r\n") && shown.contains("see https://watch.example.org/incidents/12"),
        "{shown}"
    );
    let shown = preview(&entry("html: '{{ template \"email.default.html\" . }}', text: ''"), &drill());
    assert!(shown.contains("<h1") && shown.contains("This is a drill"), "{shown}");
}

#[test]
fn a_webhook_may_say_it_in_another_form() {
    let n = example::opened();
    let entry = "webhook_configs: [{url: 'http://a/{{ .CommonLabels.cluster }}', payload: {text: '{{ .Status }}: x', n: '{{ len .Alerts }}', all: '{{ .CommonLabels | toJson }}', list: [true, 'a: b', '# c', null], '{{ .Status }}': ''}}]";
    let body = body(entry, &n);
    assert_eq!(body["text"], serde_json::json!({"firing": "x"}), "a text that is YAML becomes its structure, as there");
    assert_eq!((&body["n"], &body["all"]["cluster"]), (&serde_json::json!(2), &serde_json::json!("prod")));
    assert_eq!(body["list"], serde_json::json!([true, {"a": "b"}, null, null]));
    assert_eq!(body["firing"], Value::Null);
}

#[test]
fn details_for_pagerduty_may_be_nested_or_null() {
    let entry = |key: &str| {
        format!("pagerduty_configs: [{{{key}: k, details: {{a: {{b: ['{{{{ .Status }}}}']}}, When: null, c: 5}}}}]")
    };
    let v2 = body(&entry("routing_key"), &example::opened());
    let details = &v2["payload"]["custom_details"];
    assert_eq!((&details["a"], &details["c"]), (&serde_json::json!({"b": ["firing"]}), &serde_json::json!(5)));
    assert!(details.get("When").is_none() && details.get("Message").is_some());
    let v1 = body(&entry("service_key"), &example::resolved());
    assert_eq!((&v1["event_type"], &v1["incident_key"]), (&"resolve".into(), &v2["dedup_key"]));
    assert!(v1["details"]["a"].is_object() && v1.get("client").is_none());
}
