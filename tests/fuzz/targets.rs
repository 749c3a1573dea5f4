//! Who reads what strangers, clusters and people write: the reader, and what its grammar is made of.

use std::{borrow::Cow, path::Path};

use dogwatch::{
    dial::{self, DialConfig},
    discover::{self, LocalHosts},
    dispatch, exposition, http,
    model::{EtcdFacts, EtcdVia, cron, duration, re2, text as words},
    probe,
    promql::{self, Budget, Limits, Pool, Window},
    remote, rule,
    template::{Library, NoHistory, Template, Value},
};
use jiff::Timestamp;

use crate::fragments::*;

/// One reader.
pub struct Target {
    pub name: &'static str,
    pub fragments: &'static [&'static str],
    pub read: fn(&str),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "promql", fragments: PROMQL, read: query },
    Target { name: "match", fragments: PROMQL, read: |text| drop(promql::parse_matchers(text)) },
    Target { name: "rule_template", fragments: TEMPLATE, read: rule_template },
    Target { name: "message_template", fragments: TEMPLATE, read: message_template },
    Target { name: "rule_file", fragments: RULES, read: |text| drop(rule::file::read(Path::new("r.yml"), text)) },
    Target { name: "configuration", fragments: CONFIG, read: configuration },
    Target {
        name: "exposition",
        fragments: EXPOSITION,
        read: |text| drop(exposition::read(text, now(), &[("a", "b")])),
    },
    Target { name: "kubeconfig", fragments: KUBECONFIG, read: kubeconfig },
    Target { name: "livez", fragments: LIVEZ, read: |text| drop(probe::lines::read("/livez", text)) },
    Target { name: "etcd_json", fragments: JSON, read: etcd_json },
    Target { name: "etcd_metrics", fragments: EXPOSITION, read: etcd_metrics },
    Target { name: "matchers", fragments: MATCHERS, read: matchers },
    Target { name: "cron", fragments: CRON, read: schedule },
    Target { name: "re2", fragments: RE2, read: expression },
    Target { name: "kubernetes_list", fragments: NODES, read: node_list },
    Target { name: "posted_alerts", fragments: ALERTS, read: |text| drop(http::posted(text.as_bytes())) },
    Target { name: "heartbeat_path", fragments: PATHS, read: heartbeat_path },
    Target { name: "remote_write_answer", fragments: ANSWERS, read: remote_answer },
    Target { name: "readable", fragments: ODD, read: readable },
    Target { name: "duration", fragments: DURATIONS, read: |text| drop(duration::prometheus(text)) },
];

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn query(text: &str) {
    let Ok(query) = promql::parse(text) else { return };
    let _ = (query.pretty().len(), query.tree());
    let window = Window { start_ms: 0, end_ms: 600_000, step_ms: 60_000, lookback_ms: 300_000 };
    let data: Vec<_> = query.selections(&window).iter().map(|_| Vec::new()).collect();
    let limits = Limits { max_samples: 1_000_000, threads: 1 };
    let _ = promql::evaluate(&query, &window, &data, &limits, &Budget::new(Pool::new(32 << 20)), &|| false);
}

fn data() -> Value {
    let labels = [("a".to_owned(), Value::Str("aaaa".into())), ("L".to_owned(), Value::List(vec![Value::Int(1); 9]))];
    Value::Map(labels.into())
}

fn rule_template(text: &str) {
    let Ok(template) = Template::of_rule(text) else { return };
    let _ = template.doubts(&|query| promql::parse(query).map(drop).map_err(|e| e.to_string()));
    let _ = template.render(&data(), &mut NoHistory);
}

fn message_template(text: &str) {
    let mut library = Library::default();
    if library.add(text).is_ok() {
        let _ = (library.check(), library.doubts());
    }
    if let Ok(template) = Template::of_message(text, &library) {
        let _ = template.render(&data(), &mut NoHistory);
    }
}

fn configuration(text: &str) {
    let _ = dogwatch::config::parse(Path::new("dogwatch.yml"), text, &|_| Some("x".repeat(100)));
}

fn kubeconfig(text: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kubeconfig");
    std::fs::write(&path, text).unwrap();
    let _ = dial::context(&DialConfig { kubeconfig: Some(path), ..DialConfig::default() });
}

fn etcd_json(text: &str) {
    use probe::etcd_gateway as gateway;
    let mut facts = EtcdFacts::new(EtcdVia::Client);
    gateway::status(text.as_bytes(), &mut facts);
    let _ = (gateway::health(text.as_bytes()), gateway::hash(text.as_bytes(), 1));
    let _ = (gateway::alarms(text.as_bytes()), gateway::members(text.as_bytes()));
}

fn etcd_metrics(text: &str) {
    let mut facts = EtcdFacts::new(EtcdVia::Client);
    probe::etcd_metrics::all(text.as_bytes(), &mut facts);
    let _ = probe::etcd_metrics::compacted(text.as_bytes());
}

fn matchers(text: &str) {
    let _ = dispatch::matchers::parse_all(&[text.to_owned()]);
}

fn schedule(text: &str) {
    if let Ok(cron) = cron::Cron::parse(text) {
        let _ = cron.after(now(), &jiff::tz::TimeZone::UTC);
    }
}

fn expression(text: &str) {
    for compiled in [re2::anchored(text), re2::anywhere(text)].into_iter().flatten() {
        let _ = (compiled.is_match("aaaaaaaaaaaaaaaaaaaaaaaa"), re2::replace_all(&compiled, "axxxxxxxx", "$1"));
    }
}

fn node_list(text: &str) {
    let local = LocalHosts::of(&"https://10.0.0.1".parse().unwrap(), false);
    let whole = format!("{{\"items\":[{text}]}}");
    for page in [text, &whole] {
        let _ = discover::nodes_of_page(page.as_bytes(), local);
    }
}

fn heartbeat_path(text: &str) {
    assert!(http::pinged(text).is_none_or(|(token, ..)| text.starts_with(token)));
}

fn remote_answer(text: &str) {
    let status = text.bytes().fold(0_u16, |sum, b| sum.wrapping_add(b.into())) % 500 + 100;
    let headers = ::http::HeaderValue::from_bytes(text.as_bytes()).map(|v| (::http::header::RETRY_AFTER, v));
    let headers = headers.into_iter().collect();
    let _ = (remote::judge(status.try_into().unwrap(), &headers), remote::words(text.as_bytes()));
}

fn readable(text: &str) {
    let json = serde_json::to_string(text).unwrap();
    let read: String = serde_json::from_str(&words::readable_json(json)).unwrap();
    assert_eq!(Cow::Borrowed(read.as_str()), words::readable(text), "JSON and text say the same");
    let _ = (words::one_line(text), words::html_with_code(text), words::markdown_with_code(text));
}
