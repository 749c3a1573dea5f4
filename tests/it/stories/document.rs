//! docs/diagnosis.md, held against the code: a row for each finding, the thresholds, and how well stories are told.

use std::path::Path;

use dogwatch::model::{AlertName, Reach};

/// The document.
fn text() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/diagnosis.md")).unwrap()
}

/// Rows of the table whose first column is called so, without its head.
fn rows(text: &str, head: &str) -> Vec<Vec<String>> {
    let lines = text.lines().skip_while(|line| !line.starts_with(&format!("| {head} |"))).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    rows.map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().replace('`', "")).collect()).collect()
}

/// Says how well stories are told, as the document has it.
pub fn assert_tells(tally: &str) {
    assert!(text().contains(&format!("    {tally}\n")), "docs/diagnosis.md says something else than:\n    {tally}");
}

#[test]
fn each_finding_has_its_row() {
    let told: Vec<Vec<String>> = rows(&text(), "finding").into_iter().map(|row| row[..3].to_vec()).collect();
    let reach = |name: AlertName| match name.cause().reach {
        Reach::Host => "of its machine",
        Reach::ControlPlane => "of the control plane",
        Reach::Cluster => "of the cluster",
        Reach::Nodes => "of nodes",
    };
    let row = |name: AlertName| {
        let explains = name.cause().explains;
        let along = if explains { reach(name) } else { "—" };
        vec![name.to_string(), if explains { "yes" } else { "no" }.to_owned(), along.to_owned()]
    };
    let known: Vec<Vec<String>> = AlertName::ALL.into_iter().map(row).collect();
    for (told, known) in told.iter().zip(&known) {
        assert_eq!(told, known);
    }
    assert_eq!(told.len(), known.len(), "finding, whether it explains others, what it takes along");
}

#[test]
fn thresholds_are_those_of_the_code() {
    let told = rows(&text(), "threshold");
    assert!(told.len() > 30);
    for row in told {
        let (name, file, value) = (&row[0], &row[1], &row[2]);
        let path = match file.starts_with("dispatch/") {
            true => format!("src/{file}"),
            false => format!("src/health/{file}"),
        };
        let code = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&path)).unwrap();
        let line = code.lines().find(|line| line.contains(&format!("const {name}: ")));
        let line = line.unwrap_or_else(|| panic!("{path} has no {name}"));
        assert_eq!(worth(line), *value, "{path}: {name}");
    }
}

/// `40 s` of `const A: Duration = Duration::from_secs(40);`, `5` of `const B: usize = 5;`.
fn worth(line: &str) -> String {
    let (_, value) = line.split_once(" = ").unwrap();
    let value = value.trim_end_matches(';').replace('_', "");
    let product = |text: &str| text.split('*').map(|n| n.trim().parse::<u64>().unwrap()).product::<u64>();
    match value.split_once('(') {
        None => value,
        Some((of, number)) => {
            let number = product(number.trim_end_matches(')'));
            let unit = if of.ends_with("millis") { "ms" } else { "s" };
            format!("{number} {unit}")
        }
    }
}
