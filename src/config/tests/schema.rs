//! The schema beside the code: it is what is published, takes what is right and refuses what is wrong.

use super::{super::schema, *};

/// Files that are right. What is only wrong once it is looked at (a file that is not there) is not the schema's.
const RIGHT: &[&str] = &[
    "clusters: [{name: prod}]",
    "clusters:\n- name: prod\n  kubeconfig: x\n  context:\n  apiserver: {endpoints: ['https://10.0.0.1:6443'], interval: 1m 30s}\n  \
     etcd: {ca_file: x, cert_file: y, key_file: z, timeout: 1.5s}\n  kubelet: {via: auto}\n  scheduler: {enabled: false}\n  \
     labels: {env: 1, on: true, none: }\n  scrape: {}\n  canary: {image: x, every: 10m, pod: {each: zone}}\n  recorder:\n",
    "listen: :9559\nallow_unauthenticated: yes\nstorage: {max_size: 5GB, retention: 90d}\nchecks:\nrule_files: [builtin]",
    "clusters: [{name: prod}]\nchecks: [{name: a, http: {url: 'https://a.example/', status: [200, '400..499'], expect: ['time < 1s']}, down: 3 of 5}, \
     {name: b, cluster: prod, tcp: {expect: SSH-2.0}, down: 3, severity: warning, nodes: {port: 80}}, \
     {name: c, cluster: prod, http: {url: 'https://c.example/', status: 204}, nodes: {ingress: true}}]",
    "heartbeats: [{name: a, every: 24h, token_file: t, expect: {size: {json: $.bytes}, min_size: 5GB, max_shrink: 50%}}, \
     {name: b, schedule: '0 3 * * *', token_file: t}, {name: c, on_calendar: [daily, weekly], token_file: t}]",
    "query: {max_concurrency: '${N}', timeout: '${T}'}\nallow_exec: '${YES}'\nexternal_url: '${URL}'",
    "receivers: [{name: o, webhook_configs: [{url: 'http://x/', send_resolved: false, max_alerts: 3}], \
     email_configs: [{to: a@b.example, from: c@d.example, smarthost: 'l:25', headers: {X: 1}}], jira_configs: [{api_url: 'https://jira.example/', project: x, issue_type: y, summary: z}]}]\n\
     route: {receiver: o, group_by: ['...'], group_wait: 0s, routes: [{matchers: [a=b], match: {a: 1}, continue: true}]}\n\
     time_intervals: [{name: a, time_intervals: [{days_of_month: [1, '-3:-1'], years: [2026]}]}]\n\
     inhibit_rules: [{source_matchers: [a=b], target_matchers: [c=d], equal: [cluster]}]\n\
     global: {resolve_timeout: 5m, smtp_require_tls: true}\ntracing: {endpoint: x}",
];

/// Files that are wrong in a way that a schema can tell.
const WRONG: &[&str] = &[
    "cluster: []",
    "clusters: [{kubeconfig: x}]",
    "clusters: [prod]",
    "clusters: {}",
    "clusters: [{name: a, kubelet: {via: sideways}}]",
    "clusters: [{name: a, labels: {a: {b: c}}}]",
    "external_url: watch.example.org",
    "defaults: {interval: 10}",
    "defaults: {interval: soon}",
    "storage: {max_size: big}",
    "storage: [90d]",
    "schedule: {concurrency: many}",
    "schedule: {concurrency: 1.5}",
    "allow_exec: perhaps",
    "external_labels: [a]",
    "heartbeats: [{name: a}]",
    "heartbeats: [{name: a, token_file: t, expect: {max_shrink: half}}]",
    "checks: [{name: a, tcp: {adress: x}}]",
    "checks: [{name: a, down: often}]",
    "receivers: [{name: o, webhook_configs: [{url: [x]}]}]",
    "slos: [{name: a, objective: high}]",
    "route: {routes: {}}",
];

fn read_with(text: &str) -> Result<Config, Vec<ConfigError>> {
    let env = |name: &str| {
        let value = match name {
            "N" => "3",
            "T" => "3s",
            "YES" => "yes",
            _ => "https://watch.example.org",
        };
        Some(value.to_owned())
    };
    parse(Path::new("/etc/dogwatch/dogwatch.yml"), text, &env)
}

fn value(text: &str) -> serde_json::Value {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn what_is_published_is_what_the_code_reads() {
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/dogwatch.schema.json");
    let (is, should_be) = (std::fs::read_to_string(&published).unwrap(), schema::made());
    if is != should_be {
        let new = published.with_extension("json.new");
        std::fs::write(&new, should_be).unwrap();
        panic!("the code reads something else: see {}, and put it in the place of the published one", new.display());
    }
}

#[test]
fn the_schema_takes_what_is_right_and_refuses_what_is_wrong() {
    let schema = serde_json::from_str(&schema::made()).unwrap();
    let validator = jsonschema::draft7::new(&schema).unwrap();
    let says = |text: &str| -> Vec<String> {
        validator.iter_errors(&value(text)).map(|e| format!("{}: {e}", e.instance_path())).collect()
    };
    for text in RIGHT {
        assert_eq!(says(text), Vec::<String>::new(), "{text}");
        // Files that are not there are no mistake of the text.
        let beside = |e: &ConfigError| e.message.contains("no such file") || e.message.contains("nothing to watch");
        let errors = read_with(text).err().unwrap_or_default();
        assert!(errors.iter().all(beside), "{text}: {errors:?}");
    }
    for text in WRONG {
        assert!(!says(text).is_empty(), "the schema takes {text}");
        assert!(read(text).is_err(), "check takes {text}");
    }
    // The example, and again with all that it only shows.
    let example = include_str!("../../../deploy/dogwatch.example.yml");
    assert_eq!(says(example), Vec::<String>::new());
}
