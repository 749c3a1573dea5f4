use super::*;

fn report(rules: &str, tests: &str) -> Result<Report, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("r.yml"), rules).unwrap();
    std::fs::write(dir.path().join("t.yml"), format!("rule_files: [\"r*.yml\"]\n{tests}")).unwrap();
    run(&dir.path().join("t.yml"))
}

const RULES: &str = r#"
groups:
- name: g
  rules:
  - record: job:up:sum
    expr: sum by (job) (up)
  - alert: Down
    expr: job:up:sum < 2
    for: 2m
    labels: {severity: critical}
"#;

const SERIES: &str = r#"
evaluation_interval: 1m
tests:
- interval: 1m
  input_series:
  - {series: 'up{job="a", instance="1"}', values: '1x10'}
  - {series: 'up{job="a", instance="2"}', values: '1x3 0x6'}
"#;

#[test]
fn what_fires_is_held_against_what_is_expected() {
    let tests = format!(
        "{SERIES}  alert_rule_test:
  - {{eval_time: 5m, alertname: Down}}
  - {{eval_time: 6m, alertname: Down, exp_alerts: [{{exp_labels: {{job: a, severity: critical}}}}]}}
  promql_expr_test:
  - {{expr: 'job:up:sum', eval_time: 3m, exp_samples: [{{labels: 'job:up:sum{{job=\"a\"}}', value: 2}}]}}
  - {{expr: 'ALERTS', eval_time: 4m, exp_samples: [{{labels: 'ALERTS{{alertname=\"Down\",alertstate=\"pending\",job=\"a\",severity=\"critical\"}}', value: 1}}]}}
"
    );
    let report = report(RULES, &tests).unwrap();
    assert_eq!(report, Report { passed: 1, failed: Vec::new() });
}

#[test]
fn differences_are_told() {
    let tests = format!(
        "{SERIES}  alert_rule_test:
  - {{eval_time: 6m, alertname: Down}}
  promql_expr_test:
  - {{expr: 'job:up:sum', eval_time: 3m, exp_samples: [{{labels: 'job:up:sum{{job=\"a\"}}', value: 3}}]}}
"
    );
    let report = report(RULES, &tests).unwrap();
    insta::assert_snapshot!(in_words(Path::new("t.yml"), &report), @r#"
    t.yml: FAILED
      test 1: alertname Down, at 360 s: not as expected
        missing:
          nothing
        not expected:
          labels {alertname="Down", job="a", severity="critical"}
          annotations {}
      test 1: expr "job:up:sum", at 3m: expected
          job:up:sum{job="a"} 3
        got
          job:up:sum{job="a"} 2
    "#);
}

#[test]
fn what_is_wrong_in_a_file_is_said() {
    let errors = |rules: &str, tests: &str| report(rules, tests).unwrap_err().join("\n");
    assert!(errors("groups: [{name: g, rules: [{alert: A, expr: '('}]}]", "tests: []").contains("r.yml:1:"));
    assert!(errors(RULES, "testz: []").contains("t.yml:2:1: unknown field `testz`"));
    let report = report(RULES, "tests: [{input_series: [{series: 'up{', values: '1'}]}]").unwrap();
    assert!(report.failed[0].1.contains("parse error"), "{report:?}");
}

#[test]
fn an_empty_list_may_be_written_as_nothing() {
    let rules =
        "groups:\n- name: g\n  rules:\n  - {alert: A, expr: up == 0, labels: , annotations: }\n- {name: h, rules: }\n";
    let tests = "tests:\n- input_series:\n  alert_rule_test:\n  - {eval_time: 1m, alertname: A, exp_alerts: }\n";
    assert!(report(rules, tests).unwrap().failed.is_empty());
}
