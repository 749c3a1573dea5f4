//! What the file may say, and what is said of what it may not.

use std::{path::Path, time::Duration};

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

mod example;
mod messages;
mod pieces;
mod schema;

fn env(name: &str) -> Option<String> {
    match name {
        "NAME" => Some("prod".into()),
        "ODD" => Some("x\n- y: {z".into()),
        _ => None,
    }
}

fn read(text: &str) -> Result<Config, Vec<ConfigError>> {
    parse(Path::new("/etc/dogwatch/dogwatch.yml"), text, &env)
}

fn wrong(text: &str) -> String {
    match read(text) {
        Ok(config) => panic!("accepted: {config:?}"),
        Err(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

#[test]
fn the_smallest_file() {
    let config = read("clusters: [{name: prod}]").unwrap();
    assert_eq!(config.clusters[0], ClusterConfig::named("prod"));
    assert_eq!(config.listen.port(), PORT);
    assert_eq!(config.defaults, Defaults::default());
}

#[test]
fn the_example_is_accepted() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/dogwatch.example.yml");
    let config = load(&path).unwrap();
    let defaults = Config { clusters: vec![ClusterConfig::named("prod")], ..Config::default() };
    assert_eq!(config, defaults, "the values that the example shows are the defaults");
}

#[test]
fn values_are_expanded_and_paths_resolved() {
    let config = read("clusters: [{name: '${NAME}-$$1'}]\nexternal_labels: {a: '${ODD}'}\ndata_dir: data").unwrap_err();
    assert_eq!(config.len(), 1, "only the name is wrong: {config:?}");
    let config = read("clusters: [{name: '${NAME}'}]\nexternal_labels: {a: '${ODD}'}\ndata_dir: data").unwrap();
    assert_eq!(config.clusters[0].name, "prod");
    assert_eq!(config.external_labels["a"], "x\n- y: {z", "a value stays a value");
    assert_eq!(config.data_dir, Path::new("/etc/dogwatch/data"));
}

#[test]
fn a_single_receiver_needs_no_route() {
    let text = "clusters: [{name: a}]\nreceivers: [{name: ops, webhook_configs: [{url: 'http://127.0.0.1/'}]}]";
    assert_eq!(read(text).unwrap().route.unwrap().receiver.unwrap(), "ops");
}

#[test]
fn paces_are_read() {
    let config = read("clusters: [{name: a, etcd: {interval: 30s}}]\ndefaults: {interval: 1m, timeout: 2s}").unwrap();
    assert_eq!(config.clusters[0].etcd.interval, Some(Duration::from_secs(30)));
    assert_eq!(config.defaults.interval, Duration::from_secs(60));
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    assert_snapshot!(wrong("clusters:\n  - name: prod\n    kubeconfg: prod.kubeconfig\n"), @r#"
    /etc/dogwatch/dogwatch.yml:3:5: unknown key `kubeconfg` in clusters[0]; did you mean `kubeconfig`?
    "#);
    assert_snapshot!(wrong("cluster: []\n"), @r#"
    /etc/dogwatch/dogwatch.yml:1:1: unknown key `cluster`; did you mean `clusters`?
    "#);
    assert_snapshot!(wrong("clusters: [{name: a}]\nzzz: 1\n"), @r"
    /etc/dogwatch/dogwatch.yml:2:1: unknown key `zzz`; known here: data_dir, listen, web_config, allow_unauthenticated, auth, allowed_hosts, cors, external_url, language, timezone, external_labels, defaults, clusters, checks, allow_exec, vantage, storage, query, peers, confirm, remote_write, schedule, tell_warnings_after, notifications, global, route, receivers, templates, inhibit_rules, time_intervals, mute_time_intervals, tracing, event_recorder, rule_files, slos, heartbeats, restore_drills, dead_mans_switch, drill, report
    ");
}

#[test]
fn what_is_wrong_together_is_told_together() {
    let text = "clusters:\n  - name: a\n  - name: a\n    etcd: {ca_file: none.crt}\nstorage: {retention: 1s}\ndefaults: {interval: 5s, timeout: 10s}\n";
    assert_snapshot!(wrong(text), @r#"
    /etc/dogwatch/dogwatch.yml:3:11: clusters[1].name: there are two clusters called …; give each its own name
    /etc/dogwatch/dogwatch.yml:4:21: clusters[1].etcd.ca_file: /etc/dogwatch/none.crt: there is no such file
    /etc/dogwatch/dogwatch.yml:6:35: defaults.timeout: must be longer than nothing and no longer than the interval
    /etc/dogwatch/dogwatch.yml:5:22: storage.retention: is shorter than an hour
    "#);
}

#[test]
fn what_is_no_configuration_at_all() {
    assert_snapshot!(wrong(""), @r#"
    /etc/dogwatch/dogwatch.yml: clusters: there is nothing to watch: name at least one cluster
    "#);
    assert_snapshot!(wrong("- a\n"), @r#"
    /etc/dogwatch/dogwatch.yml:1:1: the file must be a mapping: `clusters: …`
    "#);
    assert_snapshot!(wrong("clusters: [{name: '${NOT_SET}'}]"), @r#"
    /etc/dogwatch/dogwatch.yml:1:19: the environment variable NOT_SET is not set (write $$ for a plain dollar)
    "#);
}

#[test]
fn secrets_are_not_shown() {
    let text = "clusters: [{name: a}]\nreceivers: [{name: o, email_configs: [{to: a@b.c, from: a@b.c, smarthost: 'h:25', auth_password: geheim, bad: 1}]}]";
    assert!(!wrong(text).contains("geheim"), "{}", wrong(text));
}

proptest! {
    #[test]
    fn nothing_panics(text in "\\PC{0,200}") {
        let _ = read(&text);
    }

    #[test]
    fn nothing_like_yaml_panics(text in "(clusters|name|defaults|\\$\\{X\\}|: |\\n|  |- |\\[|\\]|\\{|\\}|'|10s|&a|\\*a){0,40}") {
        let _ = read(&text);
    }
}

#[test]
fn remotes_are_checked_in_their_place() {
    let file = "clusters: [{name: a}]\nremote_write:\n  - url: http://m/api/v1/push\n";
    let config = read(&format!("{file}    basic_auth: {{username: u, password_file: secret}}\n")).unwrap();
    let file_of = config.remote_write[0].basic_auth.as_ref().and_then(|b| b.password_file.clone());
    assert_eq!(file_of.as_deref(), Some(Path::new("/etc/dogwatch/secret")));
    assert_snapshot!(wrong(&format!("{file}    write_relabel_configs: []\n")), @r#"
    /etc/dogwatch/dogwatch.yml:4:5: unknown key `write_relabel_configs` in remote_write[0]; known here: url, name, remote_timeout, headers, authorization, basic_auth, tls_config, proxy_url, queue_config
    "#);
    assert_snapshot!(wrong(&format!("{file}  - url: http://m/api/v1/push\n")), @r#"
    /etc/dogwatch/dogwatch.yml:4:5: remote_write[1]: there are two remotes called …; give each its own name
    "#);
    assert_snapshot!(wrong(&format!("{file}    queue_config: {{shards: 900}}\n")), @r#"
    /etc/dogwatch/dogwatch.yml:4:28: remote_write[0].queue_config.shards: must be from 1 to 64
    "#);
    assert_snapshot!(wrong(&format!("{file}    headers: {{Content-Type: text/plain}}\n")), @r#"
    /etc/dogwatch/dogwatch.yml:4:14: remote_write[0].headers: Content-Type is set by the protocol: leave it out
    "#);
}

#[test]
fn who_may_do_what_is_checked_in_its_place() {
    let check = |more: &str, at: &str, words: &str| {
        let said = wrong(&format!("clusters: [{{name: a}}]\n{more}"));
        assert!(said.contains(at) && said.contains(words), "{said}");
    };
    for host in ["https://a", "a:9559", "*.example.org", "", "a/b"] {
        check(&format!("allowed_hosts: [b, '{host}']"), ":2:20: allowed_hosts[1]", "without a port");
    }
    check("auth: {users: {root: [ada]}}", ":2:", "root");
    check("auth: {tokens: [{name: a, scopes: [admin], hash: a}]}", ":2:", "alerts-in");
    check("auth: {default_role: owner}", ":2:", "operate");
    check("storage: {retention_audit: 1h}", "storage.retention_audit", "shorter than a day");
}

#[test]
fn the_configurations_of_the_documentation_are_accepted() {
    let text = include_str!("../../docs/scaling.md");
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut remotes = Vec::new();
    for block in blocks.filter(|b| b.contains("remote_write:")) {
        let clusters = if block.contains("clusters:") { "" } else { "clusters: [{name: a}]\n" };
        // The paths of kubeconfigs are checked as well: there are none here.
        let block: String = block.lines().filter(|l| !l.contains("kubeconfig:")).map(|l| format!("{l}\n")).collect();
        let block = block.replace("clusters:\n", "clusters: [{name: a}, {name: b}]\n");
        remotes.push(read(&format!("{clusters}{block}")).unwrap().remote_write.len());
    }
    assert_eq!(remotes, [1, 4]);
}

#[test]
fn a_key_with_nothing_after_it_is_an_empty_list() {
    let receivers = "receivers:\n  - {name: ops, webhook_configs: [{url: 'http://127.0.0.1/'}]}\n";
    let text =
        format!("clusters: [{{name: a}}]\n{receivers}inhibit_rules:\nroute: {{receiver: ops, routes: , matchers: }}\n");
    assert!(read(&text).unwrap().inhibit_rules.is_empty());
}

const PASTED: &str = "clusters: [{name: a}]\nroute: {receiver: r, group_by: [alertname]}\n";

fn pasted(text: &str) -> Config {
    read(&format!("{PASTED}{text}")).unwrap_or_else(|errors| panic!("{text}: {errors:?}"))
}

#[test]
fn scalars_are_texts_by_their_source() {
    let check = |written: &str, expected: &str| {
        let config = pasted(&format!(
            "receivers: [{{name: r, msteams_configs: [{{webhook_url: 'http://a/', text: {written}}}]}}]"
        ));
        assert_eq!(config.receivers[0].msteams_configs[0].text.as_deref(), Some(expected), "{written}");
    };
    for (written, expected) in [
        ("0123", "0123"),
        ("2", "2"),
        ("1.50", "1.50"),
        ("1e3", "1e3"),
        ("0x1F", "0x1F"),
        ("true", "true"),
        ("Yes", "Yes"),
        ("off", "off"),
        ("y", "y"),
        ("2026-01-02", "2026-01-02"),
        ("12:30", "12:30"),
        ("'quoted'", "quoted"),
        ("\"a\\tb\"", "a\tb"),
        ("!!str 5", "5"),
        ("-7", "-7"),
        (".5", ".5"),
    ] {
        check(written, expected);
    }
    let routes = "route: {receiver: r, routes: [{match: {tier: 2, page: true, none: null}, match_re: {a: 1.0}}]}";
    let config = read(&format!("clusters: [{{name: a}}]\nreceivers: [{{name: r}}]\n{routes}")).unwrap();
    let route = &config.route.unwrap().routes[0];
    let of = |key: &str| route.equal[key].as_str();
    assert_eq!((of("tier"), of("page"), of("none"), route.regex["a"].as_str()), ("2", "true", "", "1.0"));
    let anchored = "x: &x 0077";
    assert!(read(anchored).unwrap_err()[0].message.contains("unknown key"), "a place of an anchor is no matter");
    let config = pasted("receivers: [{name: r, labels: {a: &n 0077, b: *n}}]");
    assert_eq!((config.receivers[0].labels["a"].as_str(), config.receivers[0].labels["b"].as_str()), ("0077", "0077"));
}

#[test]
fn truth_is_what_go_takes_for_it() {
    let check = |written: &str, expected: Option<bool>| {
        let text = format!(
            "{PASTED}receivers: [{{name: r, slack_configs: [{{api_url: 'http://a/', link_names: {written}}}]}}]"
        );
        let read = read(&text).ok().map(|c| c.receivers[0].slack_configs[0].link_names);
        assert_eq!(read, expected, "{written}");
    };
    for yes in ["true", "True", "yes", "on", "y"] {
        check(yes, Some(true));
    }
    check("OFF", Some(false));
    check("", Some(false));
    check("'true'", None);
    check("1", None);
    check("maybe", None);
}

#[test]
fn nothing_after_a_key_leaves_the_default() {
    let config = pasted(
        "global:\ntemplates:\ninhibit_rules:\ntime_intervals:\nreceivers:\n- name: r\n  email_configs:\n  webhook_configs:\n  - url: http://a/\n    send_resolved:\n    http_config:\n      follow_redirects:\n      tls_config:\n",
    );
    assert_eq!(config.global, GlobalConfig::default());
    assert!(config.receivers[0].webhook_configs[0].http_config.as_ref().unwrap().follow_redirects);
    assert!(wrong(&format!("{PASTED}receivers: [{{name: r}}]\nglobl:\n")).contains("unknown key `globl`"));
    assert!(wrong(&format!("{PASTED}receivers: [{{name: r, webhook_configs: [null]}}]")).contains("needs url"));
}

#[test]
fn dollars_stay_as_alertmanager_reads_them() {
    let url = |text: &str| {
        let config = pasted(&format!("receivers: [{{name: r, webhook_configs: [{{url: 'http://h/{text}'}}]}}]"));
        config.receivers[0].webhook_configs[0].url.as_ref().unwrap().reveal().to_owned()
    };
    for kept in
        ["a$$b", "${1}", "$NAME", "$${NAME}", "{{ reReplaceAll \"(?P<NAME>.)\" \"${NAME}\" .Status }}", "$", "{$}"]
    {
        assert_eq!(url(kept), format!("http://h/{kept}"));
    }
    assert_eq!(url("${NAME}/$$/${NAME}"), "http://h/prod/$$/prod");
    assert!(wrong(&format!("{PASTED}receivers: [{{name: '${{NONE}}'}}]")).contains("variable NONE is not set"));
    let own = read("clusters: [{name: a}]\nexternal_labels: {a: '$$x ${NAME} $${NAME}'}").unwrap();
    assert_eq!(own.external_labels["a"], "$x prod ${NAME}", "our own sections have one dollar for two");
}

#[test]
fn the_environment_may_give_a_number() {
    let env = |name: &str| (name == "ID").then(|| "-100".to_owned());
    let text =
        "clusters: [{name: a}]\nreceivers:\n- name: r\n  telegram_configs:\n  - bot_token: x\n    chat_id: ${ID}\n";
    let config = parse(Path::new("/etc/d.yml"), text, &env).unwrap();
    assert_eq!(config.receivers[0].telegram_configs[0].chat_id, Some(-100));
    let quoted = text.replace("${ID}", "'-100'");
    assert!(parse(Path::new("/etc/d.yml"), &quoted, &env).is_err(), "quotes make a text, for Go too");
}

#[test]
fn what_has_no_effect_is_said() {
    let config =
        pasted("tracing: {endpoint: 'a:4317'}\nevent_recorder: {stdout_outputs: [{name: a}]}\nreceivers: [{name: r}]");
    let said = config.without_effect();
    assert!(said.len() == 2 && said[0].starts_with("tracing: has no effect"), "{said:?}");
}

#[test]
fn a_time_interval_may_be_of_this_machine() {
    let config = pasted(
        "receivers: [{name: r}]\ntime_intervals: [{name: t, time_intervals: [{times: [{start_time: 09:00, end_time: 17:00}], location: Local}]}]",
    );
    assert!(config.routing().is_ok());
}
