//! The dashboards: well formed, consistent, and every query finds data in dogwatch and in a Prometheus that scrapes it.

mod sources;
mod story;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;

use sources::{Ask, Dogwatch, Prometheus, Row, Source};

/// Each dashboard's uid, by which links and people's bookmarks find it: never changes.
const UIDS: [(&str, &str); 8] = [
    ("backups", "dogwatch-backups"),
    ("certificates", "dogwatch-certificates"),
    ("checks", "dogwatch-checks"),
    ("cluster", "dogwatch-cluster"),
    ("fleet", "dogwatch-fleet"),
    ("node", "dogwatch-node"),
    ("services", "dogwatch-services"),
    ("watchdog", "dogwatch-watchdog"),
];
/// Grafana's grid, in columns.
const COLUMNS: u64 = 24;

struct Board {
    name: String,
    text: String,
    json: Value,
}

impl Board {
    fn all() -> Vec<Self> {
        let mut boards: Vec<Self> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards"))
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                let text = fs::read_to_string(&path).unwrap();
                let json = serde_json::from_str(&text).unwrap();
                Self { name: path.file_stem().unwrap().to_str().unwrap().to_owned(), text, json }
            })
            .collect();
        boards.sort_by(|a, b| a.name.cmp(&b.name));
        boards
    }

    fn panels(&self) -> &[Value] {
        list(&self.json["panels"])
    }

    fn variables(&self) -> &[Value] {
        list(&self.json["templating"]["list"])
    }

    fn variable_names(&self) -> BTreeSet<&str> {
        self.variables().iter().map(|v| text(&v["name"])).collect()
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Calls `visit` for every string in a JSON value with the key it is under.
fn strings<'a>(value: &'a Value, key: &'a str, visit: &mut dyn FnMut(&'a str, &'a str)) {
    match value {
        Value::String(s) => visit(key, s),
        Value::Array(items) => items.iter().for_each(|v| strings(v, key, visit)),
        Value::Object(map) => map.iter().for_each(|(k, v)| strings(v, k, visit)),
        _ => {}
    }
}

#[test]
fn files_are_canonical_and_uids_stable() {
    let boards = Board::all();
    let found: Vec<(&str, &str)> = boards.iter().map(|b| (&*b.name, text(&b.json["uid"]))).collect();
    assert_eq!(found, UIDS);
    for b in boards {
        // Keys sorted, two spaces: what Grafana exports, and a diff shows only what changed.
        let canonical = serde_json::to_string_pretty(&b.json).unwrap() + "\n";
        assert!(b.text == canonical, "{}.json is not canonical: jq -S . gives what it should be", b.name);
        assert!(b.json["id"].is_null(), "{}: an id is one Grafana's own", b.name);
    }
}

#[test]
fn panels_have_their_own_ids_and_places() {
    for b in Board::all() {
        let mut ids = BTreeSet::new();
        let mut taken = BTreeMap::new();
        for p in b.panels() {
            let words = format!("{}: {}", b.name, p["title"]);
            assert!(ids.insert(p["id"].as_u64().unwrap()), "{words}: id twice");
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|k| p["gridPos"][k].as_u64().unwrap());
            assert!(w > 0 && h > 0 && x + w <= COLUMNS, "{words}: outside of the grid");
            for cell in (y..y + h).flat_map(|row| (x..x + w).map(move |column| (row, column))) {
                if let Some(other) = taken.insert(cell, words.clone()) {
                    panic!("{words} overlaps {other}");
                }
            }
        }
        let first = b.panels().iter().find(|p| p["gridPos"]["x"] == 0 && p["gridPos"]["y"] == 0).unwrap();
        assert_eq!(first["type"], "stat", "{}: top left is the one answer", b.name);
    }
}

#[test]
fn every_panel_says_what_it_means_and_what_nothing_means() {
    for b in Board::all() {
        for p in b.panels().iter().filter(|p| p["type"] != "row") {
            let words = format!("{}: {}", b.name, p["title"]);
            assert!(!text(&p["title"]).is_empty() && !text(&p["description"]).is_empty(), "{words}");
            assert!(!text(&p["fieldConfig"]["defaults"]["noValue"]).is_empty(), "{words}: no text for no data");
            strings(p, "", &mut |_, s| assert!(!s.contains('!') || s.contains("!="), "{words}: {s}"));
        }
        assert!(!text(&b.json["description"]).is_empty() && !text(&b.json["refresh"]).is_empty(), "{}", b.name);
    }
}

#[test]
fn the_data_source_is_the_variable_everywhere() {
    for b in Board::all() {
        assert_eq!(b.variables()[0]["name"], "datasource", "{}", b.name);
        let mut count = 0;
        for part in b.panels().iter().filter(|p| p["type"] != "row").chain(&b.variables()[1..]) {
            let targets = list(&part["targets"]);
            for source in std::iter::once(part).chain(targets).map(|p| &p["datasource"]) {
                assert_eq!(source["type"], "prometheus", "{}: {}", b.name, part["title"]);
                assert_eq!(source["uid"], "${datasource}", "{}: {}", b.name, part["title"]);
                count += 1;
            }
        }
        assert_eq!(b.text.matches("${datasource}").count(), count, "{}", b.name);
    }
}

#[test]
fn links_lead_to_dashboards_that_know_the_variables() {
    let boards = Board::all();
    for b in &boards {
        let mut links = 0;
        let mut check = |key: &str, url: &str| {
            if key != "url" {
                return;
            }
            links += 1;
            let (uid, query) = url.strip_prefix("/d/").and_then(|u| u.split_once('?')).expect(url);
            let to = boards.iter().find(|b| b.json["uid"] == uid).unwrap_or_else(|| panic!("{}: no {uid}", b.name));
            assert!(query.contains("${datasource:queryparam}"), "{}: {url} loses the data source", b.name);
            for part in query.split('&').filter(|p| *p != "${__url_time_range}") {
                let carried = part.strip_prefix("${").and_then(|p| p.strip_suffix(":queryparam}"));
                let given = part.strip_prefix("var-").and_then(|p| p.split_once('='));
                let name = carried.or(given.map(|(name, _)| name)).expect(url);
                assert!(to.variable_names().contains(name), "{}: {url}: {uid} has no variable {name}", b.name);
                assert!(carried.is_none_or(|n| b.variable_names().contains(n)), "{}: {url}: no {name} here", b.name);
            }
        };
        strings(&b.json, "", &mut check);
        assert!(links >= UIDS.len() - 1, "{} leads to all others", b.name);
    }
}

/// Grafana reads the dashboards from where the instructions put them, and dogwatch where it listens by default.
#[test]
fn provisioning_fits_together() {
    let read = |file: &str| {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana").join(file)).unwrap()
    };
    let yaml = |file: &str| -> Value { serde_saphyr::from_str(&read(file)).unwrap() };
    let path = &yaml("provisioning/dashboards/dogwatch.yml")["providers"][0]["options"]["path"];
    let compose = yaml("docker-compose.yml");
    let grafana = &compose["services"]["grafana"];
    let mounts: Vec<&str> = list(&grafana["volumes"]).iter().map(text).collect();
    assert!(mounts.contains(&&*format!("../../dashboards:{}:ro", text(path))), "{mounts:?}");
    assert!(read("README.md").contains(&format!("dashboards/*.json -t {}\n", text(path))));
    let home = &grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"];
    assert_eq!(text(home), format!("{}/fleet.json", text(path)));
    let source = &yaml("provisioning/datasources/dogwatch.yml")["datasources"][0];
    assert_eq!(source["type"], "prometheus");
    assert!(
        read("../dogwatch.example.yml").contains(&format!("# listen: {} ", &text(&source["url"])["http://".len()..]))
    );
}

#[test]
fn variables_that_queries_use_exist() {
    for b in Board::all() {
        let known = b.variable_names();
        let mut check = |key: &str, s: &str| {
            for rest in s.split('$').skip(1).filter(|_| matches!(key, "expr" | "query" | "legendFormat")) {
                let name: String = rest
                    .trim_start_matches('{')
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                    .collect();
                // `$1` is label_replace's.
                let ours = name.parse::<u8>().is_ok() || name.starts_with("__") || known.contains(&*name);
                assert!(ours, "{}: ${name} in {s}", b.name);
            }
        };
        strings(&b.json, "", &mut check);
    }
}

/// A query of a dashboard, and where it is.
struct Query {
    words: String,
    expr: String,
    /// The label whose values a variable wants.
    label: Option<String>,
    instant: bool,
    /// No answer is an answer: dogwatch itself tells no `instance` of its own, and `All` covers that.
    may_be_empty: bool,
}

impl Query {
    fn all() -> Vec<Self> {
        let mut queries = Vec::new();
        for b in Board::all() {
            for v in b.variables().iter().filter(|v| v["type"] == "query") {
                let query = text(&v["query"]["query"]);
                let inner = query.strip_prefix("label_values(").and_then(|q| q.strip_suffix(')')).expect(query);
                let (expr, label) = inner.rsplit_once(", ").expect(query);
                queries.push(Self {
                    words: format!("{}: variable {}", b.name, v["name"]),
                    expr: expr.to_owned(),
                    label: Some(label.to_owned()),
                    instant: true,
                    may_be_empty: v["name"] == "watchdog" && v["allValue"] == ".*",
                });
            }
            for p in b.panels() {
                for t in list(&p["targets"]) {
                    queries.push(Self {
                        words: format!("{}: {} {}", b.name, p["title"], text(&t["refId"])),
                        expr: text(&t["expr"]).to_owned(),
                        label: None,
                        instant: t["instant"] == true,
                        may_be_empty: false,
                    });
                }
            }
        }
        queries
    }

    /// With Grafana's and our variables replaced as Grafana would with the story's samples every 30 s.
    fn on_node(&self, node: &str) -> String {
        // One cluster is looked at; several, and watchdogs, are at "All".
        let one = ["certificates", "checks"].iter().all(|board| !self.words.starts_with(board));
        let cluster = if one { "prod" } else { ".*" };
        [
            ("$__rate_interval", "2m"),
            ("$__interval", "1m"),
            ("$__range", "2h"),
            ("$cluster", cluster),
            ("$node", node),
            ("$check", ".*"),
            ("$slo", ".*"),
            ("$heartbeat", ".*"),
            ("$watchdog", ".*"),
        ]
        .iter()
        .fold(self.expr.clone(), |q, (variable, value)| q.replace(variable, value))
    }

    /// What a person would see at some time of the story: an error, or whether there is anything.
    fn finds_data(&self, source: &dyn Source) -> Result<bool, String> {
        // Quorum is lost; all is well again but for what the story leaves.
        let times: &[u64] = if self.instant { &[72, 115] } else { &[story::MINUTES] };
        for node in ["cp-2", "worker-1"] {
            for &minute in times {
                let ask = if self.instant { Ask::Instant { minute } } else { Ask::Whole };
                let rows = source.ask(&self.on_node(node), ask)?;
                let wanted = |r: &&Row| self.label.as_ref().is_none_or(|l| r.labels.contains_key(l));
                if rows.iter().filter(wanted).any(|r| !r.numbers.is_empty()) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

fn all_find_data(source: &dyn Source, queries: &[Query]) {
    assert!(queries.len() > 100, "{}", queries.len());
    let mut wrong = Vec::new();
    for q in queries {
        match q.finds_data(source) {
            Ok(true) => {}
            Ok(false) if q.may_be_empty => {}
            Ok(false) => wrong.push(format!("{}: no data\n{}", q.words, q.expr)),
            Err(error) => wrong.push(format!("{}: {error}\n{}", q.words, q.expr)),
        }
    }
    assert!(wrong.is_empty(), "{} of {} queries:\n\n{}", wrong.len(), queries.len(), wrong.join("\n\n"));
}

/// The answers that a person acts on are the right ones.
fn the_first_answers_are_right(source: &dyn Source, queries: &[Query]) {
    let ask = |words: &str, minute: u64| -> Vec<Row> {
        let query = queries.iter().find(|q| q.words == words).expect(words);
        source.ask(&query.on_node("worker-2"), Ask::Instant { minute }).unwrap()
    };
    let number = |words: &str, minute: u64| ask(words, minute)[0].numbers[0];
    let state = |cluster: &str, minute: u64| {
        let rows = ask("fleet: \"Clusters now\" A", minute);
        rows.iter().find(|r| r.labels["cluster"] == cluster).unwrap().numbers[0]
    };
    let (up, unknown, degraded, down) = (1.0, 2.0, 3.0, 5.0);
    for (minute, prod) in
        [(10, up), (21, unknown), (65, degraded), (72, down), (78, degraded), (88, up), (115, degraded)]
    {
        assert_eq!(state("prod", minute), prod, "minute {minute}");
        assert_eq!(number("cluster: \"Cluster now\" A", minute), prod, "minute {minute}");
    }
    assert_eq!(state("staging", 72), up);
    assert_eq!(number("cluster: \"etcd members to spare\" A", 72), -1.0);
    assert_eq!(number("node: \"Node now\" A", 72), down);
    assert_eq!(number("watchdog: \"Watchdog now\" A", 21), 5.0, "cut off");
    // No API server for 5 of the 120 minutes; sampled every 30 s or rarer.
    let available = number("cluster: \"Available, 30 days\" A", story::MINUTES);
    assert!((0.93..=0.98).contains(&available), "{available}");

    let broken = ask("cluster: \"What is broken now\" A", 72);
    let reason = |r: &Row| r.labels.get("reason").cloned().unwrap_or_default();
    assert_eq!(
        (broken[0].labels["job"].as_str(), &*reason(&broken[0])),
        ("etcd", "fewer members live than quorum needs")
    );
    assert_eq!((broken[1].labels["node"].as_str(), broken[1].numbers[0]), ("worker-2", 6.0));
    let of = |job: &str, node: &str| -> Vec<String> {
        let here = |r: &&Row| r.labels.get("job").is_some_and(|j| j == job) && r.labels["node"] == node;
        broken.iter().skip(1).filter(here).map(reason).collect()
    };
    assert_eq!(of("kube-scheduler", "cp-2"), ["timeout"]);
    assert_eq!(of("etcd", "cp-3"), ["refused"]);
    assert!(of("kube-apiserver", "cp-1").contains(&"check etcd".to_owned()), "{:?}", of("kube-apiserver", "cp-1"));
    let calm = ask("fleet: \"What is broken now\" A", 10);
    assert!(calm.iter().all(|r| reason(r).starts_with("certificate")), "{calm:?}");
}

#[test]
fn every_query_answers_from_dogwatch() {
    let (source, queries) = (Dogwatch::with_the_story(), Query::all());
    for q in &queries {
        // cp-2 runs the control plane, worker-1 is short of memory, worker-2 is lost: one of them has each series.
        let [a, b, c] = ["cp-2", "worker-1", "worker-2"].map(|node| source.matched(&q.on_node(node)));
        let never = a.iter().zip(b).zip(c).position(|((a, b), c)| !(*a || b || c));
        assert_eq!(never, None, "{}: this selector of it (from 0) matches nothing: {}", q.words, q.expr);
    }
    all_find_data(&source, &queries);
    the_first_answers_are_right(&source, &queries);
}

#[test]
fn every_query_answers_from_a_prometheus_that_scrapes_dogwatch() {
    let (source, queries) = (Prometheus::with_the_story(), Query::all());
    all_find_data(&source, &queries);
    the_first_answers_are_right(&source, &queries);
}
