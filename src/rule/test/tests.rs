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
    assert_eq!(report, Report { passed: 1, ..Report::default() });
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

/// promtool of Prometheus 3.16 says SUCCESS to each.
#[test]
fn what_is_not_written_has_promtools_defaults() {
    let check = |test: &str| {
        let report = report(RULES, &format!("tests:\n- {test}\n")).unwrap_or_else(|e| panic!("{test}: {e:?}"));
        assert_eq!(report, Report { passed: 1, ..Report::default() }, "{test}");
    };
    let up = |values: &str, more: &str| {
        check(&format!("{{input_series: [{{series: up, values: {values}}}], promql_expr_test: [{more}]}}"));
    };
    check("{input_series: [{series: up}], promql_expr_test: [{expr: up}]}");
    up("null", "{expr: up, exp_samples: null, eval_time: null}");
    up("'3 4'", "{expr: up, exp_samples: [{labels: up, value: 3}]}");
    up("'0x10000000'", "{expr: up, eval_time: 1m, exp_samples: [{labels: up, value: 0}]}");
    up("'0x2'", "{expr: up, exp_samples: [{labels: up}]}, {expr: up + 0, exp_samples: [{labels: null, value: null}]}");
    check(
        "{input_series: [{series: 'up{a=\"1\"}', values: 1x5}, {series: 'up{a=\"1\"}', values: 7}], promql_expr_test: \
         [{expr: up, exp_samples: [{labels: 'up{a=\"1\"}', value: 7}]}]}",
    );
    check("{input_series: [{series: up, values: 0x9}], alert_rule_test: [{alertname: Down, exp_alerts: null}]}");
    check(
        "{name: null, interval: 0s, input_series: null, alert_rule_test: null, promql_expr_test: null, external_labels: {a: }, external_url: }",
    );
    check(
        "{start_timestamp: 2026-01-01T00:00:00Z, input_series: [{series: up, values: 1 2}], promql_expr_test: [{expr: \
         time(), eval_time: 1m, exp_samples: [{value: 1767225660}]}, {expr: up, eval_time: 1m, exp_samples: [{labels: up, \
         value: 2}]}]}",
    );
    check(
        "{start_timestamp: 1000.5, promql_expr_test: [{expr: time(), eval_time: 1m, exp_samples: [{value: 1060.5}]}]}",
    );
    check(
        "{input_series: [{series: 'up{job=\"\"}', values: 0x9}], alert_rule_test: [{alertname: Down, eval_time: 5m, \
         exp_alerts: [{exp_labels: {severity: critical, job: null}, exp_annotations: null}]}]}",
    );
}

#[test]
fn what_promtool_refuses_is_refused() {
    let check = |tests: &str, expected: &str| {
        let said = match report(RULES, tests) {
            Ok(report) => in_words(Path::new("t.yml"), &report),
            Err(errors) => errors.join("\n"),
        };
        assert!(said.contains(expected), "{tests}: {said}");
    };
    check("tests: [{alert_rule_test: [{eval_time: 1m}]}]", "misses required attribute alertname at eval_time 1m");
    check("group_eval_order: [a, b, a]\ntests: []", "group name repeated in evaluation order: a");
    check(
        "tests: [{input_series: [{series: up, values: 1x18446744073709551616}]}]",
        "invalid repetition in series values: strconv.ParseUint",
    );
    check("tests: [{promql_expr_test: [{expr: }]}]", "no expression found in input");
    check("tests: [{start_timestamp: tomorrow}]", "start_timestamp \"tomorrow\" is neither");
    let fuzzy = |value: &str| {
        format!(
            "fuzzy_compare: true\ntests: [{{input_series: [{{series: up, values: '0.3'}}], promql_expr_test: [{{expr: up, \
             exp_samples: [{{labels: up, value: {value}}}]}}]}}]"
        )
    };
    check(&fuzzy("0.30000000000000004"), "1 test passed");
    check(&fuzzy("0.3000000000000001"), "FAILED");
}

#[test]
fn a_rule_file_that_is_not_there_is_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("t.yml"), "rule_files: [none.yml, 'x*.yml']\ntests: [{name: a}]\n").unwrap();
    let report = run(&dir.path().join("t.yml")).unwrap();
    assert_eq!(
        (report.passed, report.warnings),
        (1, vec!["no file matches none.yml".into(), "no file matches x*.yml".into()])
    );
}
