//! blackbox_exporter's modules, with the targets that Prometheus' jobs ask them for. A module without targets is left as a
//! comment that has to be told where. Pure.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{
    client::{self, headers, left},
    draft::{Draft, matches},
    fields::{Fields, plain},
    prometheus::ScrapeJob,
};
use crate::model::duration;

/// Stands where a module has no target.
const NO_TARGET: &str = "target.example.org";
/// What blackbox_exporter's DNS queries are without `query_type`.
const ANY: &str = "ANY";

/// Makes a check of each target and module.
pub(super) fn drafts(mut top: Fields, jobs: &[ScrapeJob], lost: &mut Vec<String>) -> Vec<Draft> {
    let modules: BTreeMap<String, Fields> =
        top.map("modules").all().filter_map(|(name, module)| Some((name, Fields::of(module)?))).collect();
    lost.extend(top.left().into_iter().map(|key| format!("{key}: there is nothing like it")));
    let mut used = std::collections::BTreeSet::new();
    let mut all = Vec::new();
    for job in jobs {
        for (target, labels) in job.targets.iter().filter(|_| job.modules.is_some()) {
            let asked = job.modules_of(labels);
            if asked.is_empty() {
                let why =
                    "its job names no module (params.module), and what blackbox_exporter does then is another file's";
                all.push(Draft::none(job.check_name(target), why));
            }
            for module in &asked {
                let name = match asked.len() {
                    1 => job.check_name(target),
                    _ => format!("{}-{module}", job.check_name(target)),
                };
                let Some(config) = modules.get(module) else {
                    all.push(Draft::none(name, format!("there is no module {module} in this file")));
                    continue;
                };
                used.insert(module.clone());
                let mut draft = check(name, config.clone(), target);
                job.dress(&mut draft, labels);
                all.push(draft);
            }
        }
        if job.modules.is_none() && !job.targets.is_empty() {
            lost.push(format!(
                "job {}: goes to no /probe: dogwatch import PROMETHEUS.YML makes checks of it",
                job.name
            ));
        }
    }
    for (name, module) in modules.iter().filter(|(name, _)| !used.contains(*name)) {
        let mut draft = check(name.clone(), module.clone(), NO_TARGET);
        let why = "no target is known that uses it: give --targets prometheus.yml, or write where it asks";
        draft.off.get_or_insert_with(|| why.to_owned());
        all.push(draft);
    }
    all
}

/// One module at one target.
fn check(name: String, mut module: Fields, target: &str) -> Draft {
    let prober = module.text("prober").unwrap_or_default();
    let timeout = module.text("timeout").and_then(|text| duration::prometheus(&text).ok());
    let mut draft = match prober.as_str() {
        "http" => http(name, module.map("http"), target),
        "tcp" => tcp(name, module.map("tcp"), target),
        "dns" => dns(name, module.map("dns"), target),
        "icmp" => icmp(name, module.map("icmp"), target),
        "grpc" => grpc(name, module.map("grpc"), target),
        other => return Draft::none(name, format!("dogwatch has no prober like {other:?}")),
    };
    // A module may have the options of probers that it does not use.
    for of_others in ["http", "tcp", "dns", "icmp", "grpc", "unix", "websocket"] {
        module.take(of_others);
    }
    left(&mut draft, "", module);
    draft.timeout = timeout.filter(|timeout| *timeout > Duration::ZERO);
    draft
}

/// IPv4 or IPv6 is the resolver's choice here.
fn forget_ip(from: &mut Fields) {
    from.take("preferred_ip_protocol");
    from.take("ip_protocol_fallback");
}

fn http(name: String, mut from: Fields, target: &str) -> Draft {
    let mut draft = Draft::new(name, "http");
    draft.set("url", if target.contains("://") { target.to_owned() } else { format!("http://{target}") });
    forget_ip(&mut from);
    if let Some(method) = from.words("method").filter(|method| method != "GET") {
        draft.set("method", method);
    }
    let sent: Vec<(String, String)> = from.map("headers").all().filter_map(|(k, v)| Some((k, plain(&v)?))).collect();
    draft.has_secret |= sent.iter().any(|(name, _)| {
        let name = name.to_lowercase();
        ["authorization", "cookie", "token", "key"].iter().any(|word| name.contains(word))
    });
    headers(&mut draft, &sent);
    if let Some(body) = from.words("body") {
        draft.set("body", body);
    }
    let statuses = from.list("valid_status_codes");
    if !statuses.is_empty() {
        draft.set("status", statuses);
    }
    client::take(&mut from, &mut draft);
    versions(&mut from, &mut draft);
    if let Some(packed) = from.words("compression") {
        match packed.as_str() {
            "gzip" => draft.set("compression", true),
            "identity" => {}
            other => draft.lose(format!("compression {other}: dogwatch asks for gzip or none")),
        }
    }
    for expression in from.texts("fail_if_body_not_matches_regexp") {
        draft.expect(matches("body", "~", &expression));
    }
    for expression in from.texts("fail_if_body_matches_regexp") {
        draft.expect(matches("body", "!~", &expression));
    }
    for (key, operator) in [("fail_if_header_not_matches", "~"), ("fail_if_header_matches", "!~")] {
        for header in from.maps(key) {
            of_header(&mut draft, header, operator);
        }
    }
    if from.flag("fail_if_not_ssl") == Some(true) {
        draft.expect("version exists".to_owned());
    }
    if from.flag("fail_if_ssl") == Some(true) {
        draft.expect("version !~ \".\"".to_owned());
    }
    left(&mut draft, "http", from);
    draft
}

fn versions(from: &mut Fields, draft: &mut Draft) {
    let all = from.texts("valid_http_versions");
    let is = |prefix: &str| !all.is_empty() && all.iter().all(|version| version.starts_with(prefix));
    if draft.options.iter().any(|(key, _)| *key == "http_version") {
        return;
    }
    match () {
        () if is("HTTP/1") => draft.set("http_version", "1.1"),
        () if is("HTTP/2") => draft.set("http_version", "2"),
        // Both are what a check takes by itself.
        () => {}
    }
}

/// A header that is missing fails both of them, unless it may.
fn of_header(draft: &mut Draft, mut header: Fields, operator: &str) {
    let (name, expression) = (header.text("header").unwrap_or_default(), header.text("regexp").unwrap_or_default());
    let may_be_missing = header.flag("allow_missing") == Some(true);
    let condition = matches(&format!("header {name}"), operator, &expression);
    match (operator, may_be_missing) {
        ("~", true) => {
            draft.lose(format!("header {name} ~ {expression:?} where it is there: a condition needs it to be there"))
        }
        ("!~", false) => {
            draft.expect(format!("header {name} exists"));
            draft.expect(condition);
        }
        _ => draft.expect(condition),
    }
}

fn tcp(name: String, mut from: Fields, target: &str) -> Draft {
    let mut draft = Draft::new(name, "tcp");
    draft.set("address", with_port(target, "80"));
    forget_ip(&mut from);
    if from.flag("tls") == Some(true) {
        draft.set("tls", true);
    }
    let steps = from.maps("query_response");
    if !steps.is_empty() {
        conversation(&mut draft, steps);
    }
    client::tls(from.map("tls_config"), &mut draft);
    left(&mut draft, "tcp", from);
    draft
}

/// A target without a port is for a check that has a usual one.
fn with_port(target: &str, port: &str) -> String {
    if target == NO_TARGET { format!("{target}:{port}") } else { target.to_owned() }
}

/// A conversation of several steps becomes what is said first and what has to come first, or a known `starttls`.
fn conversation(draft: &mut Draft, steps: Vec<Fields>) {
    let (mut sent, mut expected, mut begins_tls) = (Vec::new(), Vec::new(), false);
    let mut order = Vec::new();
    for mut step in steps {
        if let Some(text) = step.text("expect") {
            order.push('e');
            expected.push(text);
        }
        if let Some(text) = step.text("send") {
            order.push('s');
            sent.push(text);
        }
        if step.flag("starttls") == Some(true) {
            order.push('t');
            begins_tls = true;
        }
        left(draft, "tcp.query_response", step);
    }
    if begins_tls {
        let said = sent.join("\n").to_uppercase();
        let protocol = match () {
            () if said.contains("EHLO") || said.contains("HELO") => "smtp",
            () if said.contains("AUTH TLS") => "ftp",
            () if said.contains("STLS") => "pop3",
            () => "imap",
        };
        draft.set("starttls", protocol);
        draft.remarks.push(format!("its words around STARTTLS are dogwatch's own ones of {protocol}"));
        return;
    }
    if let Some(text) = sent.first().filter(|_| order.first() == Some(&'s')) {
        // blackbox_exporter ends what it sends with a line.
        draft.set("send", format!("{text}\n"));
    }
    if let Some(expression) = expected.first() {
        draft.expect(matches("banner", "~", expression));
    }
    let carried = usize::from(!expected.is_empty()) + usize::from(order.first() == Some(&'s'));
    if order.len() > carried {
        draft.lose(format!("tcp.query_response: {} further steps of the conversation", order.len() - carried));
    }
}

fn dns(name: String, mut from: Fields, target: &str) -> Draft {
    let mut draft = Draft::new(name, "dns");
    draft.set("server", target);
    forget_ip(&mut from);
    draft.set("name", from.text("query_name").unwrap_or_default());
    match from.text("query_type").unwrap_or_else(|| ANY.to_owned()) {
        kind if kind == "A" => {}
        kind => draft.set("type", kind),
    }
    if from.text("query_class").is_some_and(|class| class != "IN") {
        draft.lose("dns.query_class: dogwatch asks in class IN");
    }
    let over_tls = from.flag("dns_over_tls") == Some(true);
    match (from.text("transport_protocol").as_deref(), over_tls) {
        (_, true) => draft.set("transport", "tls"),
        (Some("tcp"), false) => draft.set("transport", "tcp"),
        _ => {}
    }
    if from.flag("recursion_desired") == Some(false) {
        draft.set("recursive", false);
    }
    let rcodes = from.texts("valid_rcodes");
    match &rcodes[..] {
        [] => draft.expect("rcode == NOERROR".to_owned()),
        [one] => draft.expect(format!("rcode == {one}")),
        several => draft.expect(format!("rcode in [{}]", several.join(", "))),
    }
    let mut answers = from.map("validate_answer_rrs");
    if !answers.is_empty() {
        draft
            .remarks
            .push("the expressions see a record's data (10.0.0.1), not its name, ttl and type before it".to_owned());
    }
    for key in ["fail_if_matches_regexp", "fail_if_all_match_regexp"] {
        for expression in answers.texts(key) {
            draft.expect(matches("answer", "!~", &expression));
        }
    }
    for key in ["fail_if_not_matches_regexp", "fail_if_none_matches_regexp"] {
        for expression in answers.texts(key) {
            draft.expect(matches("answer", "~", &expression));
        }
    }
    left(&mut draft, "dns.validate_answer_rrs", answers);
    client::tls(from.map("tls_config"), &mut draft);
    left(&mut draft, "dns", from);
    draft
}

fn icmp(name: String, mut from: Fields, target: &str) -> Draft {
    let mut draft = Draft::new(name, "icmp");
    draft.set("host", target);
    forget_ip(&mut from);
    left(&mut draft, "icmp", from);
    draft
}

fn grpc(name: String, mut from: Fields, target: &str) -> Draft {
    let mut draft = Draft::new(name, "grpc");
    draft.set("address", target);
    forget_ip(&mut from);
    if let Some(service) = from.words("service") {
        draft.set("service", service);
    }
    if from.flag("tls") == Some(true) {
        draft.set("tls", json!(true));
    }
    client::tls(from.map("tls_config"), &mut draft);
    left(&mut draft, "grpc", from);
    draft
}

/// Is used by the readers of other tools, too: a list of statuses as numbers and ranges.
pub(super) fn statuses(words: &[String]) -> Value {
    let each = words.iter().map(|word| match word.split_once('-') {
        Some((from, to)) => json!(format!("{}..{}", from.trim(), to.trim())),
        None => word.trim().parse::<u64>().map_or_else(|_| json!(word), |n| json!(n)),
    });
    Value::Array(each.collect())
}
