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
    check("  - record: a{b}\n    expr: up\n", &["r.yml:4:13: braces present in the recording rule name"]);
    check("  - record: a\n    expr: up\n    for: 1m\n", &["r.yml:6:10: invalid field 'for'"]);
    check("  - alert: A\n    expr: up\n    labels: {__name__: x}\n", &["r.yml:6:24: invalid label name"]);
    check("  - alert: A\n", &["r.yml:4:5: field 'expr' must be set"]);
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

/// Prometheus 3.16 was asked each of them (`promtool check rules`).
#[test]
fn what_prometheus_takes_is_taken() {
    let rule = |body: &str| format!("groups:\n- name: g\n  rules:\n  - {body}\n");
    let check = |text: &str, rules: usize| {
        let read = read(Path::new("r.yml"), text).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        assert_eq!(read.iter().map(|g| g.rules.len()).sum::<usize>(), rules, "{text}");
    };
    check("null\n", 0);
    check("---\n", 0);
    check("---\n~\n---\n", 0);
    check("{}\n", 0);
    check("groups: null\n", 0);
    check("groups: [{name: g, rules: null, limit: null, labels: null, interval: null}]\n", 0);
    check("---\n# a comment\ngroups: [{name: g, rules: [{record: a, expr: b}]}]\n---\n", 1);
    check(&rule("{alert: A, expr: up == 0, labels: {job: null}, annotations: {a: , b: ~}}"), 1);
    check(&rule("{alert: A, expr: up == 0, labels: null, annotations: null, for: null, record: null}"), 1);
    check(&rule("{alert: A, expr: up == 0, record: ''}"), 1);
    check(&rule("{alert: A, expr: up == 0, labels: {alertname: b, a.b: c, 'x y': d}, annotations: {'é è': f}}"), 1);
    check(&rule("{record: a, expr: up, for: 0s, labels: {a: '{{ not a template'}}"), 1);
    check(&rule("{record: 'a.b c', expr: '{\"x.y z\", \"l.m\"=\"n\"}'}"), 1);
    check(&rule("{record: a, expr: 'up{instance=~`web\\d+\\.x`}'}"), 1);
}

#[test]
fn an_empty_label_is_no_label() {
    let text =
        "groups:\n- name: g\n  labels: {team: ops}\n  rules:\n  - {record: a, expr: up, labels: {job: , team: ''}}\n";
    let labels: Vec<_> = groups(text)[0].rules[0].labels.iter().map(|(k, v)| (k.clone(), v.text.clone())).collect();
    assert_eq!(labels, [("job".to_owned(), String::new()), ("team".to_owned(), String::new())]);
    let made = crate::rule::eval::recorded(
        &groups(text)[0].rules[0],
        &crate::model::Labels::new("up", [("job", "x"), ("a", "b")]),
    );
    assert_eq!(made.to_string(), "a{a=\"b\"}");
}

#[test]
fn what_prometheus_takes_without_a_word_is_a_concern() {
    let check = |rule: &str, expected: &[&str]| {
        let text = format!("groups:\n- name: g\n  rules:\n{rule}");
        let found: Vec<String> = groups(&text)[0].concerns.iter().map(ToString::to_string).collect();
        let fits = found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| f.starts_with(e));
        assert!(fits, "{found:#?} is not {expected:#?}");
    };
    check(
        "  - {alert: A, expr: up}\n  - {alert: A, expr: up}\n",
        &["r.yml:5:5: the rule \"A\" with these labels is in this group twice"],
    );
    let doubt = |template: &str, expected: &str| {
        check(&format!("  - alert: A\n    expr: up\n    annotations:\n      a: '{template}'\n"), &[expected]);
    };
    doubt("x {{ match \"a\" }}", "r.yml:7:16: this template can't run: wrong number of args for match: want 2 got 1");
    doubt("{{ query \"up +\" }}", "r.yml:7:14: this template can't run: 1:");
    check("  - alert: A\n    expr: up\n    annotations: {a: '{{ reReplaceAll \" {.*}$\" \"\" \"web {x}\" }}'}\n", &[]);
}

#[test]
fn several_documents_are_objects_or_refused() {
    let object = |name: &str| {
        format!(
            "kind: PrometheusRule\nmetadata: {{name: {name}}}\nspec: {{groups: [{{name: g, rules: [{{alert: A, expr: up}}]}}]}}\n"
        )
    };
    let text = format!("---\n# from a chart\n{}---\n{}---\n", object("a"), object("b"));
    let keys: Vec<String> = groups(&text).iter().map(|g| g.key().to_string()).collect();
    assert_eq!(keys, ["r.yml#/a;g", "r.yml#/b;g"]);
    let plain = "groups: [{name: a, rules: []}]\n---\ngroups: [{name: b, rules: []}]\n";
    let found = errors(plain);
    assert!(found[0].starts_with("r.yml:2:1: there are several documents") && found.len() == 1, "{found:?}");
    assert!(
        errors(&format!("{}---\nkind: Service\nspec: {{groups: }}\n", object("a")))[0].contains("is not a rule file")
    );
}
