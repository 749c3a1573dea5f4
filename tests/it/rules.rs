//! Routes, held against Alertmanager's own tool.

use std::{fs, path::PathBuf, process::Command};

use dogwatch::{config, model::Pairs};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

const ROUTES: &str = "
route:
  receiver: default
  group_by: [cluster, alertname]
  routes:
  - matchers: ['severity=\"critical\"']
    receiver: pager
    continue: true
    routes:
    - match: {team: db}
      receiver: db-pager
    - match_re: {cluster: 'prod-(eu|us)'}
      receiver: prod
      continue: true
      routes:
      - matchers: [zone=~\"a|b\", node!=\"\"]
        receiver: zone
    - matchers: ['alertname=~\"Etcd.*\"']
      receiver: etcd
  - matchers: [team=\"db\", severity!~\"info|none\"]
    receiver: db
    routes:
    - matchers: [cluster=\"\"]
      receiver: nowhere
  - matchers: ['{severity=\"info\", team!=\"\"}']
    receiver: chat
";

#[test]
fn routes_lead_where_amtool_says() {
    let names = ["default", "pager", "db-pager", "prod", "zone", "etcd", "db", "nowhere", "chat"];
    let receivers: Vec<String> = names.iter().map(|n| format!("{{name: {n}}}")).collect();
    let alertmanager = format!("{ROUTES}receivers: [{}]\n", receivers.join(", "));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("alertmanager.yml");
    fs::write(&file, &alertmanager).unwrap();
    let ours = format!("heartbeats: [{{name: x, every: 1h, token_file: t}}]\n{alertmanager}");
    let routing = config::parse(&dir.path().join("dogwatch.yml"), &ours, &|_| None).unwrap().routing().unwrap();
    let mut random = fastrand::Rng::with_seed(4);
    let amtool = crate::peers::program("amtool");
    for _ in 0..60 {
        let mut labels = Pairs::new();
        for (name, values) in [
            ("severity", &["critical", "warning", "info", ""][..]),
            ("team", &["db", "web", ""]),
            ("cluster", &["prod-eu", "prod-asia", ""]),
            ("zone", &["a", "ab", ""]),
            ("node", &["n1", ""]),
            ("alertname", &["EtcdQuorumLost", "Other"]),
        ] {
            let value = values[random.usize(..values.len())];
            if !value.is_empty() {
                labels.insert(name.into(), value.into());
            }
        }
        let args: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let config = format!("--config.file={}", file.display());
        let out = Command::new(&amtool).args(["config", "routes", "test", &config]).args(&args).output().unwrap();
        let theirs = String::from_utf8(out.stdout).unwrap();
        let found: Vec<&str> = routing.routes(&labels).iter().map(|r| &*r.receiver).collect();
        assert_eq!(found.join(","), theirs.trim(), "{args:?}");
    }
}

#[test]
fn an_alertmanager_file_pastes_in_and_what_is_unknown_is_refused_in_its_place() {
    let pasted = "
global: {smtp_smarthost: 'localhost:25', smtp_from: a@example.org, smtp_require_tls: false, resolve_timeout: 5m, slack_api_url: 'https://hooks.slack.com/x'}
route: {group_by: ['alertname', 'cluster'], group_wait: 30s, group_interval: 5m, repeat_interval: 3h, receiver: team-X-mails, routes: [{matchers: [service=~\"foo1|foo2|baz\"], receiver: team-X-pager, mute_time_intervals: [offhours]}]}
inhibit_rules: [{source_matchers: [severity=\"critical\"], target_matchers: [severity=\"warning\"], equal: [alertname, cluster, service]}]
time_intervals: [{name: offhours, time_intervals: [{times: [{start_time: '22:00', end_time: '24:00'}], weekdays: ['monday:friday']}]}]
receivers:
- {name: team-X-mails, email_configs: [{to: 'team-X@example.org', headers: {subject: '{{ .CommonLabels.alertname }}'}, html: '{{ template \"email.default.html\" . }}'}]}
- {name: team-X-pager, slack_configs: [{channel: '#x', title: '{{ template \"slack.default.title\" . }}', text: '{{ range .Alerts }}{{ .Annotations.summary }}{{ end }}'}], pagerduty_configs: [{routing_key: k}]}
";
    let parse = |text: &str| {
        let text = format!("heartbeats: [{{name: x, every: 1h, token_file: t}}]\n{text}");
        config::parse(&root().join("dogwatch.yml"), &text, &|_| None).map_err(|e| e[0].to_string())
    };
    assert!(parse(pasted).is_ok(), "{:?}", parse(pasted).err());
    let check = |from: &str, to: &str, expected: &str| {
        let error = parse(&pasted.replace(from, to)).unwrap_err();
        assert!(error.contains(expected), "{error}");
    };
    check("routing_key: k", "routing_key: k, picture: x", "dogwatch.yml:9:");
    check("group_wait: 30s", "group_waits: 30s", "did you mean `group_wait`?");
    check("slack.default.title", "slack.mine.title", "template … is not defined");
    check("[offhours]", "[nights]", "undefined time interval");
    check("receiver: team-X-pager", "receiver: nobody", "there is no receiver …");
}
