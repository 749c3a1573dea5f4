use super::*;

fn groups(text: &str) -> Vec<Group> {
    read(Path::new("r.yml"), text).unwrap()
}

/// The errors, a line each, in the order of the file.
fn errors(text: &str) -> Vec<String> {
    read(Path::new("r.yml"), text).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn a_file_is_read_with_all_that_prometheus_knows() {
    let read = groups(
        r#"
groups:
  - name: g
    interval: 1m
    query_offset: 30s
    limit: 10
    labels: {team: ops, severity: info}
    rules:
      - record: job:up:sum
        expr: sum by (job) (up)
      - alert: Down
        expr: |
          up == 0
        for: 1h30m
        keep_firing_for: 5m
        labels: {severity: critical}
        annotations: {summary: gone}
"#,
    );
    let g = &read[0];
    assert_eq!((g.interval.as_secs(), g.offset.as_secs(), g.limit, &*g.key()), (60, 30, 10, "r.yml;g"));
    assert_eq!(g.rules.len(), 2);
    let labels: Vec<_> = g.rules[1].labels.iter().map(|(k, v)| (k.as_str(), v.text.as_str())).collect();
    assert_eq!(labels, [("severity", "critical"), ("team", "ops")]);
    let Kind::Alerting { hold, keep_firing_for, annotations } = &g.rules[1].kind else { panic!("an alert") };
    assert_eq!((hold.as_secs(), keep_firing_for.as_secs(), annotations.len()), (5_400, 300, 1));
    assert_eq!(g.rules[1].line, 11);
}

#[test]
fn a_prometheusrule_is_a_rule_file() {
    let text = "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: x, labels: {a: b}}\nspec:\n  groups:\n  - name: g\n    rules:\n    - {record: a, expr: b}\n";
    assert_eq!(groups(text)[0].rules.len(), 1);
    assert_eq!(errors("kind: Pod\n"), ["r.yml:1:7: is not a rule file; of Kubernetes' objects only PrometheusRule is"]);
    assert!(groups("# nothing\n").is_empty());
}

#[test]
fn errors_have_their_place() {
    let rule = |body: &str| format!("groups:\n- name: g\n  rules:\n{body}");
    let check = |body: &str, expected: &[&str]| {
        let errors = errors(&rule(body));
        let parts = errors.iter().zip(expected).all(|(e, x)| e.starts_with(x));
        assert!(errors.len() == expected.len() && parts, "{errors:#?} is not {expected:#?}");
    };
    check("  - alert: A\n    expr: sum(\n", &["r.yml:5:15: could not parse expression"]);
    check("  - alert: A\n    expr: |\n      up\n        == (\n", &["r.yml:7:"]);
    check("  - alert: A\n    expr: up[5m]\n", &["r.yml:5:11: the expression of a rule gives"]);
    check("  - alert: A\n    expr: up\n    for: 5\n", &["r.yml:6:10: \"5\" is not a duration"]);
    check("  - alert: A\n    record: b\n    expr: up\n", &["r.yml:4:12: only one of"]);
    check("  - expr: up\n", &["r.yml:4:11: one of 'record' or 'alert'"]);
    check("  - record: a b\n    expr: up\n", &["r.yml:4:13: invalid recording rule name"]);
    check("  - record: a\n    expr: up\n    for: 1m\n", &["r.yml:6:10: invalid field 'for'"]);
    check("  - alert: A\n    expr: up\n    labels: {__name__: x}\n", &["r.yml:6:24: invalid label name"]);
    check("  - {alert: A, expr: up}\n  - {alert: A, expr: up}\n", &["r.yml:5:5: the rule \"A\" with these labels"]);
    assert!(errors("groups:\n- name: g\n  rulez: []\n")[0].starts_with("r.yml:3:3: "));
    assert!(errors("groups:\n- name: g\n- name: g\n")[0].contains("is repeated"));
}

#[test]
fn a_list_of_objects_is_what_kubectl_gives() {
    let object = |name: &str, expr: &str| {
        format!(
            "- apiVersion: monitoring.coreos.com/v1\n  kind: PrometheusRule\n  metadata: {{namespace: m, name: {name}}}\n  spec: \
             {{groups: [{{name: g, rules: [{{alert: A, expr: {expr}}}]}}]}}\n"
        )
    };
    let list = |items: &str| format!("apiVersion: v1\nkind: List\nmetadata: {{resourceVersion: ''}}\nitems:\n{items}");
    let groups = read(Path::new("r.yml"), &list(&(object("a", "up") + &object("b", "up")))).unwrap();
    let keys: Vec<_> = groups.iter().map(Group::key).collect();
    assert_eq!(keys, ["r.yml#m/a;g".into(), Arc::<str>::from("r.yml#m/b;g")], "groups of the same name are two");
    assert_eq!(
        errors(&list("- {kind: Pod}\n")),
        ["r.yml:5:10: is not a rule file; of Kubernetes' objects only PrometheusRule is"]
    );
}
