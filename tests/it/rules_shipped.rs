//! The rules that are shipped: what each alert must say, that it has a runbook and a test, and that Prometheus' own tool and
//! dogwatch agree on all of them. Needs Debian's package `prometheus` (promtool).

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use dogwatch::{
    model::AlertName,
    rule::{
        file::{self, Group, Kind},
        shipped, test,
    },
};

const RUNBOOKS: &str = "https://github.com/dogwatch/dogwatch/blob/main/";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(dir: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(dir)).unwrap();
    let mut files: Vec<_> = entries.map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

fn groups() -> Vec<Group> {
    files("alerts").iter().flat_map(|f| file::read(f, &fs::read_to_string(f).unwrap()).unwrap()).collect()
}

fn promtool(args: &[&str], files: &[PathBuf]) {
    let made = Command::new(crate::peers::program("promtool")).args(args).args(files).output();
    let made = made.expect("promtool is needed: apt-get install prometheus");
    let text = [made.stdout, made.stderr].map(|t| String::from_utf8_lossy(&t).into_owned()).concat();
    assert!(made.status.success(), "promtool {args:?}: {text}");
}

#[test]
fn every_file_is_part_of_the_program() {
    let on_disk: Vec<_> = files("alerts").iter().map(|f| f.file_name().unwrap().to_owned()).collect();
    let built_in: BTreeSet<_> = shipped::FILES.iter().map(|(name, _)| (*name).into()).collect();
    assert_eq!(on_disk.into_iter().collect::<BTreeSet<std::ffi::OsString>>(), built_in);
    assert_eq!(shipped::groups().unwrap().len(), groups().len());
}

#[test]
fn every_alert_says_what_a_person_needs_and_has_its_runbook_and_its_tests() {
    let tests: String = files("tests/rules").iter().map(|f| fs::read_to_string(f).unwrap()).collect();
    let index = fs::read_to_string(root().join("docs/runbooks/README.md")).unwrap();
    for rule in groups().iter().flat_map(|g| &g.rules).filter(|r| matches!(r.kind, Kind::Alerting { .. })) {
        let name = &rule.name;
        let severity = rule.labels.iter().find(|(k, _)| k == "severity").map(|(_, v)| v.text.as_str());
        assert!(matches!(severity, Some("critical" | "warning" | "info")), "{name}: severity {severity:?}");
        for annotation in ["summary", "description"] {
            let text = rule.annotation_texts.get(annotation).unwrap_or_else(|| panic!("{name} has no {annotation}"));
            assert!(!text.contains('!') && !text.trim().is_empty(), "{name}: {annotation}: {text}");
        }
        let runbook = &rule.annotation_texts["runbook_url"];
        assert_eq!(runbook, &format!("{RUNBOOKS}docs/runbooks/{name}.md"));
        assert!(index.contains(&format!("[{name}]({name}.md)")), "{name} is not in the index of runbooks");
        assert!(tests.contains(&format!("alertname: {name}\n        exp_alerts:")), "no test makes {name} fire");
        let quiet = format!("alertname: {name}\n      - eval_time:");
        let last = format!("alertname: {name}\n\n");
        assert!(tests.contains(&quiet) || tests.contains(&last), "no test keeps {name} quiet");
    }
}

#[test]
fn every_name_of_the_diagnosis_has_a_runbook_and_every_runbook_an_alert() {
    let ruled: BTreeSet<String> = groups().iter().flat_map(|g| &g.rules).map(|r| r.name.clone()).collect();
    let known: BTreeSet<String> = AlertName::ALL.iter().map(ToString::to_string).collect();
    let told: BTreeSet<String> = files("docs/runbooks")
        .iter()
        .filter_map(|f| Some(f.file_stem()?.to_str()?.to_owned()))
        .filter(|name| name != "README")
        .collect();
    assert_eq!(known.difference(&told).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(
        told.iter().filter(|t| !ruled.contains(*t) && !known.contains(*t)).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
}

#[test]
fn every_runbook_has_the_same_structure() {
    const PARTS: [&str; 6] = [
        "## What it means",
        "## What still works",
        "## How to look without a working API server",
        "## What to do first",
        "## What not to do",
        "## When it is over",
    ];
    for file in files("docs/runbooks").iter().filter(|f| !f.ends_with("README.md")) {
        let text = fs::read_to_string(file).unwrap();
        let parts: Vec<_> = text.lines().filter(|l| l.starts_with("## ")).collect();
        assert_eq!(parts, PARTS, "{}", file.display());
    }
}

#[test]
fn promtool_finds_nothing_to_say() {
    promtool(&["check", "rules", "--lint=all", "--lint-fatal"], &files("alerts"));
    promtool(&["test", "rules"], &files("tests/rules"));
}

#[test]
fn dogwatch_judges_the_same_tests_alike() {
    let failed = |path: &Path| {
        let report = test::run(path).unwrap_or_else(|errors| panic!("{}: {errors:?}", path.display()));
        assert!(report.failed.is_empty(), "{}", test::in_words(path, &report));
    };
    files("tests/rules").iter().for_each(|f| failed(f));
}
