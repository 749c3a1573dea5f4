//! What is said of mistakes: in whose words, and of how many at once.

use insta::assert_snapshot;

use super::*;

/// The message of a file that is wrong in one place, without file and line.
fn message(text: &str) -> String {
    let errors = read(text).expect_err(text);
    errors.iter().map(|e| e.message.as_str()).collect::<Vec<_>>().join(" | ")
}

/// One mistake each, at the end of a file that is right but for it.
const VALUES: &[&str] = &[
    "defaults: {interval: 10}",
    "defaults: {interval: soon}",
    "listen: everywhere",
    "listen: 9559",
    "listen: 127.0.0.1",
    "listen: [a]",
    "external_url: watch.example.org",
    "external_url: ftp://x",
    "storage: 90d",
    "storage: [90d]",
    "storage: {max_size: big}",
    "schedule: {concurrency: many}",
    "schedule: {concurrency: -1}",
    "schedule: {concurrency: 1.5}",
    "vantage: {references: 1.1.1.1}",
    "external_labels: [a]",
    "heartbeats: [{name: a}]",
    "remote_write: {url: 'http://x/'}",
    "remote_write: [{name: x}]",
    "receivers: [{name: o, webhook_configs: [{url: 'chat.example.org/x'}]}]",
    "inhibit_rules: [{source_match_re: {a: }, target_match: {b: }}]",
    "global: {victorops_api_url: 'a:b'}",
    "receivers: [{name: o, opsgenie_configs: [{api_key: k, api_url: 'ftp://x/'}]}]",
];

#[test]
fn values_are_told_in_words() {
    let all: Vec<String> =
        VALUES.iter().map(|v| format!("{v}\n    {}", message(&format!("clusters: [{{name: a}}]\n{v}\n")))).collect();
    assert_snapshot!(all.join("\n"));
}

#[test]
fn clusters_are_told_in_words() {
    let all = [
        "prod",
        "{name: prod}",
        "[prod]",
        "[{kubeconfig: x}]",
        "[{name: a, kubelet: {via: sideways}}]",
        "[{name: a, scrape: true}]",
        "[{name: a, kube_proxy: {enabled: 'no'}}]",
        "[{name: a, apiserver: {endpoints: ['10.0.0.1:6443']}}]",
        "[{name: a, etcd: {endpoints: ['localhost:2379']}}]",
        "[{name: a, etcd: {endpoints: 'https://10.0.0.1:2379'}}]",
        "[{name: a, labels: {a: {b: c}}}]",
    ]
    .map(|v| format!("{v}\n    {}", message(&format!("clusters: {v}\n"))));
    assert_snapshot!(all.join("\n"));
}

/// Files that are no YAML, or none that a configuration can be.
const NO_YAML: &[&str] = &[
    "clusters:\n\t- name: a\n",
    "clusters:\n  - name: a\n   kubeconfig: x\n",
    "clusters:\n- name: a\n listen: x\n",
    "clusters:\n  - name: \"a\n",
    "clusters:\n  - name: 'a\nlisten: x\n",
    "clusters: [{name: a}\nlisten: x\n",
    "clusters: [{name: a]\n",
    "clusters: [{name: a}]]\n",
    "clusters:\n  - name: a: x\n",
    "clusters: []\nlisten:1\n",
    "listen: a\nlisten: b\n",
    "clusters: []\n---\nclusters: []\n",
    "clusters: *none\n",
    "clusters: &a [*a]\n",
    "rule_files: [*.yml]\n",
    "a: @b\n",
    "a: `b`\n",
    "a: \"\u{1}\"\n",
    "a: \"C:\\data\"\n",
    "a: {{ .Status }}\n",
    "a: !!int x\n",
    "a: |bad\n",
    "a: 'x' y\n",
    "%YAML 9.9\n---\na: b\n",
    "%foo\na: b\n",
    "~: 2\n",
    "? [a]\n: b\n",
    "a: {b: c\n",
    "a: [b, c\n",
];

#[test]
fn what_is_no_yaml_is_told_in_words() {
    let deep = "[".repeat(3_000);
    let all = NO_YAML.iter().copied().chain([deep.as_str()]);
    let all: Vec<String> =
        all.map(|text| format!("{:.40}\n    {}", text.escape_debug().to_string(), message(text))).collect();
    let all = all.join("\n");
    // What speaks to programmers is for nobody who writes a configuration.
    for theirs in
        ["Options", "from_str", "struct ", "usize", "scalar", "simple key", "flow ", "indicator", "weak", "u64"]
    {
        assert!(!all.contains(theirs), "{theirs} is in:\n{all}");
    }
    assert_snapshot!(all);
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let text = "lisen: a\nclusters: [{nmae: a, kubeconfg: x}]\nstorage: {retension: 3d, max_size: big}\ndefaults: {interval: 5}\n";
    assert_snapshot!(wrong(text));
    let many: String = (0..50).map(|i| format!("k{i}: 1\n")).collect();
    let told = read(&many).unwrap_err();
    assert_eq!(told.len(), ERRORS_MAX + 1);
    assert!(told[ERRORS_MAX].message.contains("the first 20 mistakes"), "{}", told[ERRORS_MAX].message);
}

#[test]
fn a_file_that_is_no_text() {
    let dir = tempfile::tempdir().unwrap();
    let check = |name: &str, bytes: Option<&[u8]>, words: &str| {
        let path = dir.path().join(name);
        if let Some(bytes) = bytes {
            std::fs::write(&path, bytes).unwrap();
        }
        let told = load(&path).unwrap_err();
        assert!(told[0].message.contains(words), "{}", told[0].message);
    };
    check("none.yml", None, "there is no such file");
    check("latin1.yml", Some(b"clusters: [{name: Z\xfcrich}]"), "no text in UTF-8");
    check("large.yml", Some(&vec![b'#'; (1 << 20) + 1]), "larger than 1 MiB");
    std::fs::create_dir(dir.path().join("dir.yml")).unwrap();
    check("dir.yml", None, "a directory, not a file");
}

#[test]
fn line_ends_and_marks_of_other_editors_are_no_matter() {
    for text in [
        "\u{feff}clusters: [{name: a}]\n",
        "clusters:\r\n  - name: a\r\n",
        "clusters:\n  - name: a",
        "---\nclusters: [{name: a}]\n",
    ] {
        assert_eq!(read(text).unwrap().clusters[0].name, "a", "{text:?}");
    }
}

/// What must never be said.
const HIDDEN: &str = "hunter2geheim";

/// A secret `S` where something else should be: mistyped, without its space, in another key's place.
const MISPLACED: &[&str] = &[
    "smtp_auth_password:S",
    "auth: {tokens: [{name: a, scopes: [read], hash: S}], default_role: S}",
    "auth: {trusted_proxies: S, proxy_header: S}",
    "auth: {users: {admin: S}}",
    "allowed_hosts: [ok, 'S:1']",
    "cors: {origins: {a: S}}",
    "global: {smtp_auth_pasword: S}",
    "global: {smtp_auth_password: 'S}",
    "global: {smtp_auth_password: \"\\S\"}",
    "global: {smtp_auth_password: @S}",
    "global: {smtp_auth_password: *S}",
    "global: {smtp_auth_password: !S x}",
    "global: {smtp_auth_password: [S]}",
    "global: {smtp_smarthost: S}",
    "global: {smtp_smarthost: 'h:S'}",
    "global: {slack_api_url: S}",
    "global: {slack_api_url: 'ftp://h/S'}",
    "global: {resolve_timeout: S}",
    "global: {smtp_require_tls: S}",
    "global: {http_config: S}",
    "global: {http_config: {authorization: S}}",
    "global: {http_config: {basic_auth: S}}",
    "global: {http_config: {proxy_url: S}}",
    "global: {http_config: {tls_config: {min_version: S}}}",
    "global: {http_config: {tls_config: {insecure_skip_verify: S}}}",
    "global: {http_config: {oauth2: {client_id: a, client_secret: b, token_url: S}}}",
    "global: {http_config: {http_headers: {'A B': {values: [S]}}}}",
    "global: {http_config: {http_headers: {A: {values: [\"S\\n\"]}}}}",
    "receivers: S",
    "receivers: [S]",
    "receivers: [{name: r, webhook_configs: S}]",
    "receivers: [{name: r, webhook_configs: [{url: S}]}]",
    "receivers: [{name: r, webhook_configs: [{url: 'S.example.org/x'}]}]",
    "receivers: [{name: r, webhook_configs: [{url: 'http://h:S/x'}]}]",
    "receivers: [{name: r, webhook_configs: [{url: 'http://h/', max_alerts: S}]}]",
    "receivers: [{name: r, email_configs: [{to: S, from: a@b.c, smarthost: 'h:1'}]}]",
    "receivers: [{name: r, email_configs: [{to: a@b.c, from: S, smarthost: 'h:1'}]}]",
    "receivers: [{name: r, email_configs: [{to: a@b.c, from: a@b.c, smarthost: 'h:1', html: '{{ S }}'}]}]",
    "receivers: [{name: r, email_configs: [{to: a@b.c, from: a@b.c, smarthost: 'h:1', html: '{{ template \"S\" . }}'}]}]",
    "receivers: [{name: r, email_configs: [{to: a@b.c, from: a@b.c, smarthost: 'h:1', headers: {'A B': S}}]}]",
    "receivers: [{name: r, slack_configs: [{api_url: S, channel: c}]}]",
    "receivers: [{name: r, slack_configs: [{api_url: 'http://h/', channel: c, actions: [{type: S}]}]}]",
    "receivers: [{name: r, pagerduty_configs: [{routing_key: [S]}]}]",
    "receivers: [{name: r, pagerduty_configs: [{routing_key: a, url: S}]}]",
    "receivers: [{name: r, telegram_configs: [{bot_token: a, chat_id: S}]}]",
    "receivers: [{name: r, telegram_configs: [{bot_token: a, chat_id: 1, parse_mode: S}]}]",
    "receivers: [{name: r, opsgenie_configs: [{api_key: a, api_url: S}]}]",
    "receivers: [{name: r, sns_configs: [{topic_arn: S, sigv4: {access_key: a}}]}]",
    "receivers: [{name: r, jira_configs: [{api_url: S, project: p, issue_type: t}]}]",
    "receivers: [{name: r, msteams_configs: [{webhook_url: S}]}]",
    "receivers: [{name: r, discord_configs: [{webhook_url: S}]}]",
    "receivers: [{name: r, webex_configs: [{room_id: a, http_config: {authorization: {type: S}}}]}]",
    "receivers: [{name: r, pushover_configs: [{user_key: a, token: b, retry: S}]}]",
    "receivers: [{name: r, ntfy_configs: [{url: S, topic: t}]}]",
    "receivers: [{name: r}]\nroute: {receiver: S}",
    "receivers: [{name: r}]\nroute: {receiver: r, matchers: ['S']}",
    "receivers: [{name: r}]\nroute: {receiver: r, routes: [{matchers: ['a=~\"S(\"']}]}",
    "receivers: [{name: r}]\nroute: {receiver: r, match_re: {a: 'S('}}",
    "receivers: [{name: r}]\nroute: {receiver: r, group_wait: S}",
    "receivers: [{name: r}]\nroute: {receiver: r, routes: [{mute_time_intervals: [S]}]}",
    "inhibit_rules: [{source_matchers: ['S=~(']}]",
    "inhibit_rules: [{equal: S}]",
    "time_intervals: [{name: t, time_intervals: [{weekdays: [S]}]}]",
    "time_intervals: [{name: t, time_intervals: [{location: S}]}]",
    "time_intervals: [{name: t, time_intervals: [{times: [{start_time: S, end_time: '24:00'}]}]}]",
    "heartbeats: [{name: a, every: S, token_file: t}]",
    "heartbeats: [{name: a, schedule: S, token_file: t}]",
    "heartbeats: [{name: 'a S', every: 1h, token_file: t}]",
    "heartbeats: [{name: a, every: 1h, token_file: t, cluster: S}]",
    "remote_write: [{url: S}]",
    "remote_write: [{url: 'http://h/S'}, {url: 'http://h/S'}]",
    "remote_write: [{url: 'http://h/', authorization: S}]",
    "remote_write: [{url: 'http://h/', headers: {'A B': S}}]",
    "dead_mans_switch: [{url: S}]",
    "dead_mans_switch: [{url: 'http://h/', every: S}]",
    "listen: S",
    "listen: 'S:80:1'",
    "external_url: S",
    "external_url: 'ftp://S/'",
    "storage: {retention: S}",
    "storage: {max_size: S}",
    "query: {timeout: S}",
    "schedule: {concurrency: S}",
    "vantage: {references: [S]}",
    "allow_unauthenticated: S",
    "drill: {schedule: S}",
    "clusters: S",
    "clusters: [{name: 'a S'}]",
    "clusters: [{name: S}, {name: S}]",
    "clusters: [{name: a, kubelet: {via: S}}]",
    "clusters: [{name: a, apiserver: {endpoints: [S]}}]",
    "clusters: [{name: a, etcd: {endpoints: ['S:2379']}}]",
    "clusters: [{name: a, scrape: {keep: ['S(']}}]",
    "clusters: [{name: a, labels: {a: [S]}}]",
];

#[test]
fn no_mistake_has_a_value_quoted() {
    let mut accepted = Vec::new();
    for text in MISPLACED {
        let clusters = if text.contains("clusters:") { "" } else { "clusters: [{name: a}]\n" };
        match read(&format!("{clusters}{}\n", text.replace('S', HIDDEN))) {
            Err(errors) => {
                let said = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
                assert!(!said.contains("hunter2"), "{text}: {said}");
            }
            Ok(_) => accepted.push(text),
        }
    }
    // What only its receiver can judge, or only a look at the network.
    assert!(accepted.len() < MISPLACED.len() / 4, "{accepted:#?}");
}
