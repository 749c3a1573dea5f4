use proptest::prelude::*;

use super::*;

struct History;

impl Host for History {
    fn query(&mut self, promql: &str) -> Result<Vec<QuerySample>, String> {
        let sample = |instance: &str, value| QuerySample {
            labels: [("instance".to_owned(), instance.to_owned())].into(),
            value,
        };
        match promql {
            "empty" => Ok(Vec::new()),
            "bad(" => Err("parse error".into()),
            _ => Ok(vec![sample("b", 2.0), sample("a", 1.5)]),
        }
    }
}

fn text(t: &str) -> Value {
    Value::Str(t.into())
}

fn map(pairs: &[(&str, Value)]) -> Value {
    Value::Map(pairs.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect())
}

fn rule_data() -> Value {
    map(&[
        ("Labels", map(&[("job", text("etcd")), ("instance", text("10.0.0.1:2379"))])),
        ("ExternalLabels", map(&[("vantage", text("paris"))])),
        ("ExternalURL", text("https://watch.example.org/dog")),
        ("Value", Value::Float(1234.5)),
    ])
}

fn of_rule(template: &str) -> String {
    match Template::of_rule(template) {
        Ok(t) => t.render(&rule_data(), &mut History).unwrap_or_else(|e| format!("render {e}")),
        Err(e) => format!("parse {e}"),
    }
}

#[test]
fn what_the_mixins_write() {
    let check = |template: &str, expected: &str| assert_eq!(of_rule(template), expected, "{template}");
    check("plain", "plain");
    check("{{ $labels.job }} on {{$labels.instance}}: {{ $value }}", "etcd on 10.0.0.1:2379: 1234.5");
    check("{{ $labels.missing }}|{{ .Labels.job }}", "|etcd");
    check("{{ $value | humanize }} {{ humanizeDuration $value }}", "1.234k 20m 34s");
    check("{{ printf \"%.2f\" $value }}s", "1234.50s");
    check("{{ with $labels.job }}job {{ . }}{{ end }}{{ with $labels.x }}x{{ else }}-{{ end }}", "job etcd-");
    check("{{ if eq $labels.job \"etcd\" \"x\" }}yes{{ else if true }}no{{ end }}", "yes");
    check("{{ range query \"up\" }}[{{ .Labels.instance }} {{ .Value }}]{{ end }}", "[b 2][a 1.5]");
    check(
        "{{ range $i, $s := query \"up\" | sortByLabel \"instance\" }}{{ $i }}={{ $s | value }};{{ end }}",
        "0=1.5;1=2;",
    );
    check("{{ query \"up\" | first | value | humanizePercentage }}", "200%");
    check("{{ with query \"empty\" }}{{ . | first | value }}{{ else }}none{{ end }}", "none");
    check("a {{- /* c */ -}} b {{- \" c\" }}", "ab c");
    check(
        "{{ $externalLabels.vantage }} {{ externalURL }} {{ pathPrefix }}",
        "paris https://watch.example.org/dog /dog",
    );
    check("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2");
    check(
        "{{ $labels.instance | stripPort }} {{ reReplaceAll \"(.*):.*\" \"$1\" $labels.instance }}",
        "10.0.0.1 10.0.0.1",
    );
    check("{{ if and (gt $value 5.0) (not false) }}{{ len \"abc\" }}{{ end }}", "3");
    check("{{ or \"\" \"b\" }} {{ index $labels \"job\" }} {{ title \"hello world\" }}", "b etcd Hello World");
    check("{{ 1700000000 | humanizeTimestamp }}", "2023-11-14 22:13:20 +0000 UTC");
    check("{{ range $k, $v := $labels }}{{ if eq $k \"job\" }}{{ break }}{{ end }}{{ $k }}{{ end }}", "instance");
    check("{{ with printf \"up{job='%s'}\" .Labels.job | query }}{{ len . }}{{ end }}", "2");
    check("{{ define \"x\" }}<{{ . }}>{{ end }}{{ template \"x\" $value }}", "<1234.5>");
}

#[test]
fn what_is_not_supported_is_refused_in_its_place() {
    let check = |template: &str, expected: &str| {
        let said = of_rule(template);
        assert!(said.starts_with(expected), "{template}: {said}");
    };
    check("a\n{{ humanise $value }}", "parse 2:4: function \"humanise\" not defined; did you mean \"humanize\"?");
    check("{{ $label.job }}", "parse 1:4: undefined variable \"$label\"; did you mean \"labels\"?");
    check("{{ if true }}", "parse 1:14: unexpected end of the template");
    check("{{ end }}", "parse 1:4: unexpected {{end}}");
    check("{{ \"a }}", "parse 1:4: unterminated quoted string");
    check("{{ $value", "parse 1:10: ");
    check("{{ template \"x\" }}", "parse 1:4: template \"x\" is not defined");
    check("{{ break }}", "parse 1:4: {{break}} outside");
    check("{{ ( $value }}", "parse 1:13: unclosed left paren");
    check("{{ query \"empty\" | first }}", "render 1:20: error calling first: first() called on vector");
    check("{{ query \"bad(\" }}", "render 1:4: error calling query: parse error");
    check("{{ range $value }}{{ end }}", "render 1:10: range can't iterate");
    check(
        "{{ define \"x\" }}{{ template \"x\" }}{{ end }}{{ template \"x\" }}",
        "render 1:20: template \"x\" calls itself",
    );
}

#[test]
fn messages_have_alertmanagers_methods() {
    let alert = |status: &str, name: &str| {
        let labels = map(&[("alertname", text(name)), ("a", text("1")), ("severity", text("critical"))]);
        map(&[
            ("Status", text(status)),
            ("Labels", labels),
            ("StartsAt", Value::Time("2026-11-23T14:02:11Z".parse().unwrap())),
        ])
    };
    let data = map(&[
        ("Status", text("firing")),
        ("Alerts", Value::List(vec![alert("firing", "X"), alert("resolved", "Y")])),
        ("CommonLabels", map(&[("alertname", text("X")), ("a", text("1"))])),
    ]);
    let mut library = Library::default();
    library.add("{{ define \"t\" }}[{{ .Status | toUpper }}{{ if eq .Status \"firing\" }}:{{ .Alerts.Firing | len }}{{ end }}]{{ end }}").unwrap();
    let check = |template: &str, expected: &str| {
        let rendered = Template::of_message(template, &library).unwrap().render(&data, &mut NoHistory).unwrap();
        assert_eq!(rendered, expected, "{template}");
    };
    check("{{ template \"t\" . }}", "[FIRING:1]");
    check("{{ range .Alerts.Resolved }}{{ .Labels.alertname }}{{ end }}", "Y");
    check("{{ range .CommonLabels.SortedPairs }}{{ .Name }}={{ .Value }} {{ end }}", "alertname=X a=1 ");
    check("{{ range (.CommonLabels.Remove (stringSlice \"a\")).SortedPairs }}{{ .Name }}{{ end }}", "alertname");
    check("{{ .CommonLabels.Values | join \" \" }}", "1 X");
    check("{{ (index .Alerts 0).StartsAt.Format \"15:04:05 MST\" }}", "14:02:11 UTC");
    check("{{ .CommonLabels | toJson }}", "{\"a\":\"1\",\"alertname\":\"X\"}");
    assert!(Template::of_message("{{ template \"nope\" . }}", &library).is_err());
    assert!(library.check().is_ok());
}

#[test]
fn nothing_runs_for_ever() {
    let many = Value::List(vec![Value::Int(1); 2_000]);
    let template = Template::of_message("{{ range . }}{{ range $ }}x{{ end }}{{ end }}", &Library::default()).unwrap();
    let error = template.render(&many, &mut NoHistory).unwrap_err();
    assert!(error.message.contains("more than"), "{error}");
    assert!(Template::of_rule(&"{{ if true }}".repeat(1_000)).is_err());
    assert!(Template::of_rule(&format!("{{{{ {} }}}}", "(".repeat(1_000))).is_err());
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused_without_a_panic(template in "(\\{\\{|\\}\\}|[a-z$.|()\"`:= 0-9%-]|if|range|end|else|printf|query|é|\n){0,40}") {
        let _ = of_rule(&template);
    }
}

/// What Prometheus 3.16's promtool finds when the alert fires.
#[test]
fn what_cannot_run_is_found_without_running_it() {
    let query = |text: &str| if text.ends_with('+') { Err("parse error".to_owned()) } else { Ok(()) };
    let check = |template: &str, expected: &[&str]| {
        let found: Vec<String> =
            Template::of_rule(template).unwrap().doubts(&query).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected, "{template}");
    };
    check("{{ $labels.job }} {{ .Labels.anything.x }}", &["1:22: can't evaluate field x of a text"]);
    check("{{ match \"a\" }}", &["1:4: wrong number of args for match: want 2 got 1"]);
    check("{{ \"x\" | match \"a\" }}{{ $value | humanize | toUpper }}", &[]);
    check("{{ if true }}\n{{ printf }}{{ end }}", &["2:4: wrong number of args for printf: want at least 1 got 0"]);
    check("{{ externalURL 1 }}", &["1:4: wrong number of args for externalURL: want 0 got 1"]);
    check("{{ reReplaceAll \"(\" \"\" .Value }}", &["1:4: error parsing regexp: missing closing ): `(`"]);
    check("{{ (\"x\" | reReplaceAll \" {,3}$\" \"\") | title }}", &[]);
    check("{{ query \"up +\" | first }}", &["1:4: parse error"]);
    check(
        "{{ .Lables.job }}",
        &["1:4: there is no field Lables; did you mean \"Labels\"? (known here: Labels, ExternalLabels, ExternalURL, \
           Value)"],
    );
    check(
        "{{ range query \"up\" }}{{ .Labels.job }}{{ .Metric }}{{ end }}",
        &["1:43: there is no field Metric (known here: Labels, Value)"],
    );
    check("{{ with query \"up\" }}{{ . | first | value }}{{ end }}", &[]);
    check("{{ define \"x\" }}{{ .any.thing }}{{ end }}{{ template \"x\" . }}", &[]);
    check("{{ range $k, $v := .Labels }}{{ $k.x }}{{ $v.x }}{{ end }}", &["1:43: can't evaluate field x of a text"]);
    check("{{ $x := 1 }}{{ if true }}{{ $x = . }}{{ end }}{{ $x.Labels.a.b }}", &[]);
}

#[test]
fn messages_have_alertmanagers_data() {
    let check = |template: &str, expected: &str| {
        let template = Template::of_message(template, &Library::default()).unwrap();
        let found: Vec<String> = template.doubts(&|_| Ok(())).iter().map(|e| e.message.clone()).collect();
        assert_eq!(found.join("; ").split(" (known").next().unwrap(), expected, "{template:?}");
    };
    check("{{ range .Alerts.Firing }}{{ .Labels.a }}{{ .StartsAt.Unix }}{{ end }}", "");
    check("{{ .CommonLabels.SortedPairs.Values | join \" \" }}{{ .GroupLabels.Remove (stringSlice \"a\") }}", "");
    check(
        "{{ range .Alerts }}{{ .Annotation.a }}{{ end }}",
        "there is no field Annotation; did you mean \"Annotations\"?",
    );
    check("{{ .Alerts.Status }}", "can't evaluate field Status of a list: range over it");
    check("{{ .Title }}", "there is no field Title");
}

/// Prometheus 3.16's promtool and Alertmanager 0.35 were asked.
#[test]
fn expressions_and_newer_functions_are_gos() {
    let check = |template: &str, expected: &str| assert_eq!(of_rule(template), expected, "{template}");
    check("{{ reReplaceAll \" {.*}$\" \"\" \"web {x}\" }}", "web");
    check("{{ reReplaceAll \"\\\\w\" \"x\" \"aé1\" }}", "xéx");
    check("{{ reReplaceAll \"(?P<n>a)(b)\" \"<$n-${2}$$$x>\" \"cab\" }}", "c<a-b$>");
    check("{{ match \"x{,3}\" \"x{,3}\" }}{{ match \"a.c\" \"a\\nc\" }}{{ match \"\\\\d\" \"٣\" }}", "truefalsefalse");
    check("{{ 5400.0 | toDuration }} {{ toDuration 0.0015 }} {{ toDuration -61.25 }}", "1h30m0s 1.5ms -1m1.25s");
    check("{{ urlQueryEscape \"a b&c\" }}", "a+b%26c");
    check("{{ index (list 1 2) 1 }}{{ len (append (list 1) 2 3) }}{{ (dict \"a\" 5).a }}", "235");
    check("{{ base64encode \"a?>\" }} {{ \"YT8-\" | base64decode }}", "YT8- a?>");
    check("{{ toDate \"2006-01-02\" \"2026-11-03\" | addDuration \"-1h30m\" }}", "1793658600000");
}
