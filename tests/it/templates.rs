//! Templates of annotations as Prometheus renders them: promtool tells what each gives, and dogwatch must say the same.

use std::{fs, path::Path, process::Command};

use serde_json::json;

/// Numbers of the generated templates.
const NUMBERS: usize = 60;

/// What rule files write, and the corners of the language.
const TEMPLATES: &[&str] = &[
    "{{ $labels.job }} on {{$labels.instance}}: {{ $value }}",
    "{{ .Labels.job }} {{ .Value }} {{ $labels.missing }}|{{ $externalLabels.region }} {{ .ExternalLabels.region }}",
    "{{ with $labels.cluster -}} on {{ . }} {{- end }}; {{ with $labels.none }}x{{ else }}none{{ end }}",
    "{{ if eq $labels.job \"etcd\" }}yes{{ else }}no{{ end }}{{ if ne $labels.job \"etcd\" }}yes{{ else if true }}no{{ end }}",
    "{{ if and (gt $value 5.0) (lt $value 2000.0) (not (eq $labels.job \"x\")) }}in{{ end }}",
    "{{ or $labels.none \"else\" }} {{ and 1 0 }} {{ or 0 false \"\" }}",
    "{{ printf \"%.2f|%8.3f|%-8.1f|%+.0f|%e|%g|%v\" $value $value $value $value $value $value $value }}",
    "{{ printf \"%s|%10s|%-10s|%q|%x|%v\" $labels.job $labels.job $labels.job $labels.job $labels.job $labels.job }}",
    "{{ printf \"%d|%s|%t|%c\" $value $value $value $value }}",
    "{{ printf \"%d|%5d|%05d|%x|%X|%o|%b|%c\" 42 42 42 255 255 8 5 65 }}",
    "{{ printf \"%v %v %t %%\" true false true }}{{ printf \"%s\" }}{{ printf \"x\" 1 2 }}{{ printf \"%!\" }}",
    "{{ printf \"%.3s|%.1q\" \"abcdef\" \"abc\" }}",
    "{{ $value | humanize }} {{ humanize1024 $value }} {{ humanizeDuration $value }} {{ humanizePercentage $value }}",
    "{{ 1435065584.128 | humanizeTimestamp }} {{ \"1435065584.128\" | humanizeTimestamp }}",
    "{{ range query \"sort(up)\" }}[{{ .Labels.instance }}={{ .Value }}]{{ end }}",
    "{{ range $i, $e := query \"sort(up)\" }}{{ $i }}:{{ $e.Labels.instance }} {{ end }}",
    "{{ range query \"none\" }}x{{ else }}nothing{{ end }}",
    "{{ with query \"up{instance='a'}\" }}{{ . | first | value }} {{ . | first | label \"job\" }}{{ end }}",
    "{{ query \"sort_desc(up)\" | first | label \"instance\" }} {{ len (query \"up\") }}",
    "{{ range query \"up\" | sortByLabel \"instance\" }}{{ .Labels.instance }}{{ end }}",
    "{{ with printf \"up{job='%s',instance='b'}\" $labels.job | query }}{{ . | first | value | humanize }}{{ end }}",
    "{{ query \"count_values('n', up)\" | first | strvalue }}|{{ \"x\" | toUpper | toLower }}",
    "{{ title \"hello world-wide web\" }} {{ toUpper \"aé\" }} {{ toLower \"AÉ\" }}",
    "{{ reReplaceAll \"(.*):(.*)\" \"$2-${1}x\" \"a:b\" }} {{ match \"a.*\" \"cab\" }} {{ match \"^a\" \"ba\" }}",
    "{{ stripPort \"host:123\" }} {{ stripPort \"[::1]:90\" }} {{ stripPort \"::1\" }} {{ stripPort \"host\" }}",
    "{{ stripDomain \"a.b.c:80\" }} {{ stripDomain \"10.0.0.1:80\" }} {{ stripDomain \"a\" }}",
    "{{ graphLink \"up{a='b'}\" }} {{ tableLink \"sum by (x) (y)\" }}",
    "{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $x := 3 }}{{ $x }}{{ end }}{{ $x }}",
    "{{/* a comment */}}a {{- /* trims */ -}} b {{- \" c \" -}} d",
    "{{ define \"x\" }}<{{ . }}>{{ end }}{{ template \"x\" $value }}{{ template \"x\" \"s\" }}",
    "{{ with args 1 \"b\" }}{{ .arg0 }}{{ .arg1 }}{{ end }}",
    "{{ index $labels \"job\" }} {{ index (query \"sort(up)\") 0 | value }} {{ len $labels.job }} {{ slice \"abcdef\" 1 3 }}",
    "{{ print 1 2 \"a\" \"b\" 3 4.5 true }}|{{ println \"x\" 1 }}|{{ html \"<a & 'b'>\" }}|{{ urlquery \"a b&c\" }}|{{ js \"it's\" }}",
    "{{ eq 1 1 }} {{ eq \"a\" \"b\" \"a\" }} {{ lt 1 2 }} {{ le 2 2 }} {{ gt 1.5 1.0 }} {{ ge \"b\" \"a\" }} {{ ne 1 2 }}",
    "{{ range $k, $v := $labels }}{{ $k }}={{ $v }};{{ end }}",
    "{{ parseDuration \"1h30m\" }} {{ (3600.0 | toTime).Format \"15:04\" }}",
    "{{ 0x10 }} {{ 1e3 }} {{ -5 }} {{ 'a' }} {{ 1_000 }} {{ .5 }} {{ `raw \\n` }} {{ \"\\t\\u00e9\\x41\" }}",
    "{{ humanize \"12345\" }} {{ humanizeDuration \"90\" }} {{ humanizePercentage \"0.25\" }} {{ humanize1024 \"2048\" }}",
    "{{ if $labels }}labels{{ end }}{{ if 0 }}zero{{ end }}{{ if \"\" }}empty{{ end }}{{ if 0.0 }}x{{ else }}none{{ end }}",
    "{{ safeHtml \"<b>\" }}",
    "{{ $value | printf \"%.1f\" | printf \"<%s>\" }} {{ (printf \"%d\" 3) }} {{ ($labels.job) | len }}",
    "{{ range query \"sort(up)\" }}{{ if eq .Labels.instance \"b\" }}{{ continue }}{{ end }}{{ .Labels.instance }}{{ end }}",
    "{{ first (query \"none\") }}",
    "{{ humanize \"word\" }}",
    "{{ query \"up +\" }}",
    "{{ lt 1 \"a\" }}",
    "{{ index $labels 1 }}",
    "{{ $labels.job.x }}",
    "{{ reReplaceAll \" {.*}$\" \"\" \"web {x}\" }}|{{ reReplaceAll \"\\\\w\" \"x\" \"aé1\" }}|{{ match \"x{,3}\" \"xxx\" }}",
    "{{ reReplaceAll \"(?P<n>a)(b)\" \"<$n-${2}$$$x>\" \"cab\" }}|{{ match \"a.c\" \"a\\nc\" }}|{{ match \"[[]\" \"[\" }}",
];

/// Templates of numbers, large and small, whole and not.
fn numbers() -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut all: Vec<f64> =
        vec![0.0, 1.0, -1.0, 59.999, 60.0, 86_400.0, 1e17, 1e-21, 1023.9, 999.95, 0.0001, 1e6, 123_456_789.0];
    all.extend((0..NUMBERS).map(|_| {
        let magnitude = 10f64.powi(random.i32(-9..15));
        ((random.f64() - 0.3) * 1e4).trunc() / 1e4 * magnitude
    }));
    let one = |n: f64| {
        let n = format!("{n:e}");
        format!(
            "{{{{ {n} }}}} {{{{ humanize {n} }}}} {{{{ humanize1024 {n} }}}} {{{{ humanizeDuration {n} }}}} {{{{ \
             humanizePercentage {n} }}}} {{{{ printf \"%.3f %g %e %6.2g %v\" {n} {n} {n} {n} {n} }}}}"
        )
    };
    all.into_iter().map(one).collect()
}

/// A rule for each template, and the test that expects these texts.
fn files(dir: &Path, templates: &[String], expected: impl Fn(usize) -> serde_json::Value) {
    let name = |i: usize| format!("T{i}");
    let rule =
        |(i, t): (usize, &String)| json!({"alert": name(i), "expr": "up{instance=\"a\"} > 0", "annotations": {"a": t}});
    let rules: Vec<_> = templates.iter().enumerate().map(rule).collect();
    let groups = json!({"groups": [{"name": "g", "rules": rules}]});
    let test = |i: usize| {
        let labels = json!({"instance": "a", "job": "etcd", "cluster": "prod"});
        json!({"eval_time": "1m", "alertname": name(i), "exp_alerts": [{"exp_labels": labels, "exp_annotations": expected(i)}]})
    };
    let series = [
        json!({"series": "up{job=\"etcd\",instance=\"a\",cluster=\"prod\"}", "values": "1234.5x2"}),
        json!({"series": "up{job=\"etcd\",instance=\"b\",cluster=\"prod\"}", "values": "2x2"}),
    ];
    let tests = json!({"rule_files": ["rules.json"], "tests": [{
        "interval": "1m",
        "input_series": series,
        "alert_rule_test": (0..templates.len()).map(test).collect::<Vec<_>>(),
        "external_labels": {"region": "eu"},
        "external_url": "https://watch.example.org/dog/",
    }]});
    // JSON is YAML.
    fs::write(dir.join("rules.json"), groups.to_string()).unwrap();
    fs::write(dir.join("tests.json"), tests.to_string()).unwrap();
}

/// The annotation `a` that promtool found for each alert.
fn promtools(said: &str, count: usize) -> Vec<String> {
    let mut texts = vec![None; count];
    for part in said.split("alertname: T").skip(1) {
        let number: usize = part[..part.find(',').unwrap()].parse().unwrap();
        let got = &part[part.find("got:[").unwrap()..];
        let quoted = got.split_once("Annotations:{a=").unwrap_or_else(|| panic!("T{number}: {got}")).1;
        let end = quoted.find("}\n").unwrap();
        texts[number] = Some(unquote(&quoted[..end]));
    }
    let missing = |(i, t): (usize, Option<String>)| t.unwrap_or_else(|| panic!("promtool said nothing of T{i}"));
    texts.into_iter().enumerate().map(missing).collect()
}

/// Go's quoted text, which is JSON's for what templates give here.
fn unquote(text: &str) -> String {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn run(program: &str, dir: &Path) -> (bool, String) {
    let mut command = Command::new(program);
    let args: &[&str] = if program.ends_with("promtool") { &["test", "rules"] } else { &["rules", "test"] };
    let done = command.args(args).arg("tests.json").current_dir(dir).output().expect("promtool is Debian's prometheus");
    let text = [done.stdout, done.stderr].map(|t| String::from_utf8_lossy(&t).into_owned()).concat();
    (done.status.success(), text)
}

/// What Prometheus puts where a template can't be rendered; the reasons have words of their own.
const BROKEN: &str = "<error expanding template";

#[test]
fn templates_say_what_prometheus_says() {
    let dir = tempfile::tempdir().unwrap();
    let templates: Vec<String> = TEMPLATES.iter().map(|t| (*t).to_owned()).chain(numbers()).collect();
    files(dir.path(), &templates, |_| json!({}));
    let promtool = crate::peers::program("promtool").display().to_string();
    let (_, said) = run(&promtool, dir.path());
    let expected = promtools(&said, templates.len());
    files(dir.path(), &templates, |i| json!({"a": expected[i]}));
    let (passed, said) = run(&promtool, dir.path());
    assert!(passed, "what promtool said is read wrongly: {said}");
    let (_, said) = run(env!("CARGO_BIN_EXE_dogwatch"), dir.path());
    assert!(said.contains("FAILED") && said.contains(BROKEN), "{said}");
    let mut wrong = Vec::new();
    for (i, template) in templates.iter().enumerate() {
        let broken = expected[i].starts_with(BROKEN);
        let differs = said.split("alertname ").find_map(|part| part.strip_prefix(&format!("T{i},")));
        let fine = match differs {
            None => !broken,
            Some(part) => broken && part.matches(BROKEN).count() == 2,
        };
        if !fine {
            wrong.push(format!(
                "{template}\n  prometheus: {:?}\n  dogwatch: {}",
                expected[i],
                differs.unwrap_or("the same")
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), templates.len(), wrong.join("\n"));
}

/// The case's file, and what runs nowhere.
#[test]
fn check_finds_what_cannot_run() {
    let dir = tempfile::tempdir().unwrap();
    let rules = r#"
groups:
- name: g
  rules:
  - alert: A
    expr: m > 0
    annotations: {a: '{{ reReplaceAll " {.*}$" "" "web {x}" }}', b: '{{ reReplaceAll "\\w" "x" "aé1" }}'}
  - alert: B
    expr: m > 1
    annotations:
      a: 'x {{ match "(" "a" }}'
      b: '{{ .Lables.job }}'
"#;
    fs::write(dir.path().join("rules.yml"), rules).unwrap();
    let config = r#"
data_dir: ./data
heartbeats: [{name: x, every: 1h, token_file: t}]
rule_files: [rules.yml]
receivers: [{name: r, webhook_configs: [{url: "http://127.0.0.1:1/"}], slack_configs: [{api_url: "http://127.0.0.1:1/", channel: c, title: "{{ .Alert }}"}]}]
route: {receiver: r}
"#;
    fs::write(dir.path().join("dogwatch.yml"), config).unwrap();
    let config = dir.path().join("dogwatch.yml");
    let out = Command::new(env!("CARGO_BIN_EXE_dogwatch")).args(["check", "--config"]).arg(&config).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    for expected in [
        "rules.yml:11:16: this template can't run: error parsing regexp: missing closing ): `(`",
        "rules.yml:12:14: this template can't run: there is no field Lables; did you mean \"Labels\"?",
        ".title: this template can't run: 1:4: there is no field Alert; did you mean \"Alerts\"?",
    ] {
        assert!(said.contains(expected), "{expected} is not in {said}");
    }
    assert_eq!(said.matches("can't run").count(), 3, "{said}");
}
