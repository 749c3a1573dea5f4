//! The shipped rules and the routes, held against Prometheus' and Alertmanager's own tools.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use dogwatch::{
    config,
    model::{AlertName, Pairs},
    rule::{Kind, shipped, test},
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(dir: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(dir)).unwrap();
    let mut files: Vec<PathBuf> =
        entries.map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "yml")).collect();
    files.sort();
    files
}

fn promtool(args: &[&str], files: &[PathBuf]) {
    let out = Command::new("promtool").args(args).args(files).output().expect("Debian's prometheus has promtool");
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "promtool {args:?}: {said}");
}

#[test]
fn promtool_and_dogwatch_pass_the_same_tests() {
    promtool(&["check", "rules", "--lint=all"], &files("alerts"));
    let tests = files("tests/rules");
    promtool(&["test", "rules"], &tests);
    for file in tests {
        let report = test::run(&file).unwrap();
        assert!(report.failed.is_empty() && report.passed > 0, "{}", test::in_words(&file, &report));
    }
}

#[test]
fn every_alert_has_its_texts_its_runbook_and_a_test() {
    let tests: String = files("tests/rules").iter().map(|f| fs::read_to_string(f).unwrap()).collect();
    let runbook = |name: &str| root().join(format!("docs/runbooks/{name}.md"));
    let groups = shipped::groups().unwrap();
    assert_eq!(shipped::FILES.len(), files("alerts").len(), "each file of alerts/ is built in");
    let mut names = BTreeSet::new();
    for rule in groups.iter().flat_map(|g| &g.rules) {
        if !matches!(rule.kind, Kind::Alerting { .. }) {
            continue;
        }
        let label = rule.labels.iter().find(|(name, _)| name == "severity").map(|(_, l)| l.text.as_str());
        assert!(matches!(label, Some("critical" | "warning" | "info")), "{}", rule.name);
        for text in ["summary", "description", "runbook_url"] {
            assert!(rule.annotation_texts.contains_key(text), "{} has no {text}", rule.name);
        }
        assert!(rule.annotation_texts["runbook_url"].ends_with(&format!("/docs/runbooks/{}.md", rule.name)));
        assert!(runbook(&rule.name).is_file(), "{} has no runbook", rule.name);
        assert!(tests.contains(&format!("alertname: {}\n", rule.name)), "{} has no test", rule.name);
        names.insert(rule.name.clone());
    }
    for name in AlertName::ALL {
        assert!(runbook(&name.to_string()).is_file(), "{name} has no runbook");
    }
    assert!(names.len() > 40);
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
        let out = Command::new("amtool").args(["config", "routes", "test", &config]).args(&args).output().unwrap();
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
    check("routing_key: k", "routing_key: k, images: []", "dogwatch.yml:9:");
    check("group_wait: 30s", "group_waits: 30s", "did you mean `group_wait`?");
    check("slack.default.title", "slack.mine.title", "template \"slack.mine.title\" is not defined");
    check("[offhours]", "[nights]", "undefined time interval");
    check("receiver: team-X-pager", "receiver: nobody", "there is no receiver \"nobody\"");
}
