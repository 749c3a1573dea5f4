//! Blocks of code in documents: configuration is read by the configuration's own loader, rules by that of rules, PromQL by its
//! parser, JSON as JSON, and scripts by a shell that does not run them.

use std::{
    collections::BTreeSet,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use dogwatch::{config, login::config::WebConfig, promql, rule::file};
use serde_json::{Map, Value, json};

use super::{Block, all};

/// What is shown as it is, and read by nobody.
const UNREAD: [&str; 2] = ["text", ""];

fn blocks(language: &str) -> Vec<Block> {
    let all = all().iter().flat_map(super::Page::blocks).collect::<Vec<_>>();
    all.into_iter().filter(|block| block.language == language).collect()
}

/// Keys at the top of a configuration.
fn keys() -> Vec<String> {
    let schema: Value = serde_json::from_str(&config::schema::made()).unwrap();
    schema["properties"].as_object().unwrap().keys().cloned().collect()
}

/// Adds to a piece of configuration whom it names and what stands elsewhere: clusters, receivers, checks.
fn completed(piece: &Map<String, Value>) -> Value {
    let mut whole = piece.clone();
    let named = |of: &str| named(&Value::Object(piece.clone()), of);
    let clusters = [vec!["prod".to_owned(), "nas".to_owned()], named("cluster")].concat();
    let clusters: BTreeSet<&String> = clusters.iter().collect();
    whole.entry("clusters").or_insert_with(|| clusters.iter().map(|name| json!({"name": name})).collect());
    // A team's routes are below somebody else's.
    if let Some(Value::Object(route)) = whole.get_mut("route")
        && let Some(first) = named("receiver").first()
    {
        route.entry("receiver").or_insert_with(|| first.clone().into());
    }
    let mail = json!([{"to": "a@example.org", "from": "b@example.org", "smarthost": "mail.example.org:25"}]);
    let receiver = |name: &String| json!({"name": name, "email_configs": mail});
    let mut receivers: Vec<Value> =
        ["receiver", "receivers"].iter().flat_map(|of| named(of)).map(|n| receiver(&n)).collect();
    receivers.dedup();
    if !piece.contains_key("receivers") && !receivers.is_empty() {
        whole.insert("receivers".into(), receivers.into());
    }
    let check = |name: &String| json!({"name": name, "tcp": {"address": "a.example.org:1"}});
    let checks: Vec<Value> = named("checks").iter().map(check).collect();
    if !piece.contains_key("checks") && !checks.is_empty() {
        whole.insert("checks".into(), checks.into());
    }
    Value::Object(whole)
}

/// Texts that stand under a key, wherever it is.
fn named(value: &Value, of: &str) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(|item| named(item, of)).collect(),
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, below)| {
                let own = match below {
                    Value::String(name) if key == of => vec![name.clone()],
                    Value::Array(names) if key == of => {
                        names.iter().filter_map(|name| Some(name.as_str()?.to_owned())).collect()
                    }
                    _ => Vec::new(),
                };
                own.into_iter().chain(named(below, of)).collect::<Vec<_>>()
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Files that a page names are the reader's.
const MISSING: &str = "there is no such file";

/// What is wrong with a configuration.
fn wrong(text: &str) -> Option<String> {
    let read = config::parse(Path::new("dogwatch.yml"), text, &|_| Some("x".to_owned()));
    let errors = read.err()?.into_iter().map(|error| error.to_string());
    let errors: Vec<String> = errors.filter(|error| !error.ends_with(MISSING)).collect();
    (!errors.is_empty()).then(|| errors.join("\n"))
}

fn wrong_rules(text: &str) -> Option<String> {
    file::read(Path::new("rules.yml"), text).err().map(|errors| format!("{errors:?}"))
}

/// What is wrong with a block of YAML, by what it is for.
fn wrong_yaml(text: &str, known: &[String]) -> Option<String> {
    let value: Value = match serde_saphyr::from_str(text) {
        Ok(value) => value,
        Err(e) => return Some(e.to_string()),
    };
    let has = |key: &str| value.get(key).is_some();
    match &value {
        Value::Array(items) if items.iter().all(|item| item.get("expr").is_some()) => {
            wrong_rules(&json!({"groups": [{"name": "shown", "rules": value}]}).to_string())
        }
        _ if has("groups") => wrong_rules(text),
        _ if has("tls_server_config") || has("basic_auth_users") => {
            serde_saphyr::from_str::<WebConfig>(text).err().map(|e| e.to_string())
        }
        // Other programs' files: Kubernetes' objects, Prometheus' configuration, values of the chart.
        _ if has("apiVersion") || has("scrape_configs") || has("alerting") || text.starts_with("# values.yaml") => None,
        Value::Object(map) if map.keys().all(|key| known.contains(key)) => {
            // As it stands, with its places; or with what the page leaves to another file.
            wrong(text).and_then(|_| wrong(&completed(map).to_string()))
        }
        _ => Some("nothing that dogwatch reads begins so".to_owned()),
    }
}

#[test]
fn every_piece_of_configuration_is_read() {
    let (known, blocks) = (keys(), blocks("yaml"));
    assert!(blocks.len() > 60, "only {} were found", blocks.len());
    let wrong: Vec<String> = blocks
        .iter()
        .filter_map(|block| wrong_yaml(&block.text, &known).map(|why| format!("{}: {why}", block.place)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn mistakes_would_be_found() {
    let known = keys();
    let check = |text: &str, is_fine: bool| assert_eq!(wrong_yaml(text, &known).is_none(), is_fine, "{text}");
    check("checks:\n  - {name: a, tcp: {address: 'a:1'}}\n", true);
    check("checks:\n  - {name: a, tcp: {adress: 'a:1'}}\n", false);
    check("slos: [{name: a, checks: [b], objective: 99}]\n", true);
    check("slos: [{name: a, checks: [b], objective: 990}]\n", false);
    check("clusters: [{name: a, kubeconfig: nowhere}]\n", true);
    check("clusters: [{name: a, kubeconfig: nowhere, etdc: {}}]\n", false);
    check("chekcs: []\n", false);
    check("- {alert: A, expr: up == 0}\n", true);
    check("- {alert: A, expr: up = 0}\n", false);
}

#[test]
fn every_expression_is_promql() {
    let blocks = blocks("promql");
    assert!(blocks.len() > 90, "only {} were found", blocks.len());
    let mut wrong = Vec::new();
    for block in blocks {
        let Err(why) = promql::parse(&block.text) else { continue };
        // Several, each under its comment.
        let parts = block.text.split_inclusive('\n').fold(vec![String::new()], |mut parts, line| {
            match line.starts_with('#') {
                true => parts.push(String::new()),
                false => parts.last_mut().unwrap().push_str(line),
            }
            parts
        });
        let mut parts = parts.iter().filter(|part| !part.trim().is_empty());
        if let Some(bad) = parts.find(|part| promql::parse(part).is_err()) {
            wrong.push(format!("{}: {bad}: {why}", block.place));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_script_is_one_and_every_json_too() {
    let mut wrong = Vec::new();
    for block in blocks("sh") {
        let mut shell = Command::new("bash")
            .args(["--norc", "-n"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        shell.stdin.take().unwrap().write_all(block.text.as_bytes()).unwrap();
        let said = shell.wait_with_output().unwrap();
        if !said.status.success() {
            wrong.push(format!("{}: {}", block.place, String::from_utf8_lossy(&said.stderr)));
        }
    }
    for block in blocks("json") {
        wrong.extend(serde_json::from_str::<Value>(&block.text).err().map(|e| format!("{}: {e}", block.place)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Who writes a block that is read by nobody here says so.
#[test]
fn every_block_says_what_it_is() {
    let known = keys();
    let is_config = |text: &str| {
        let first = text.lines().find(|line| !line.trim_start().starts_with('#')).unwrap_or_default();
        first.split_once(':').is_some_and(|(key, _)| known.iter().any(|known| known == key))
    };
    let all = all().iter().flat_map(super::Page::blocks).collect::<Vec<_>>();
    let read = ["yaml", "sh", "console", "promql", "json", "toml", "nix"];
    let wrong: Vec<&str> = all
        .iter()
        .filter(|block| match UNREAD.contains(&block.language.as_str()) {
            true => is_config(&block.text),
            false => !read.contains(&block.language.as_str()),
        })
        .map(|block| block.place.as_str())
        .collect();
    assert!(wrong.is_empty(), "of no language that is read: {}", wrong.join(", "));
}
