//! The house's rules, held against the code: who may import whom, how long a file may be.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Lines of a source file; the unit tests in it count.
const LINES_MAX: usize = 450;

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn all() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for dir in ["src", "tests"] {
        sources(&root().join(dir), &mut files);
    }
    files
}

/// Room → rooms it may import, from the table in ARCHITECTURE.md.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    text.lines()
        .filter(|l| l.starts_with("| ") && !l.starts_with("| module"))
        .map(|l| {
            let cells: Vec<&str> = l.trim_matches('|').split('|').map(str::trim).collect();
            (cells[0].to_string(), cells[2].split(',').map(|c| c.trim().to_string()).collect())
        })
        .collect()
}

/// The rooms named by `crate::room` in a source text, `use crate::{a::b, c}` included.
fn imports(text: &str, rooms: &BTreeSet<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut fresh) = (1, true);
            let mut word = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                // Only what stands first in an item of the outermost braces is a room.
                if c.is_alphanumeric() || c == '_' {
                    if fresh {
                        word.push(c);
                    }
                } else if !c.is_whitespace() {
                    if !word.is_empty() {
                        found.insert(std::mem::take(&mut word));
                    }
                    fresh = c == ',' && depth == 1;
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            found.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found.retain(|f| rooms.contains(f));
    found
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let table = table();
    let rooms: BTreeSet<String> = table.keys().cloned().collect();
    assert!(rooms.len() > 10, "the table in ARCHITECTURE.md was not found");
    let src = root().join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&src).unwrap();
        let room = relative.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_string();
        if ["lib", "main"].contains(&room.as_str()) {
            continue;
        }
        let Some(allowed) = table.get(&room) else {
            wrong.push(format!("{}: room {room} is not in the table", relative.display()));
            continue;
        };
        let text = fs::read_to_string(&file).unwrap();
        for other in imports(&text, &rooms) {
            if other != room && !allowed.contains("all") && !allowed.contains(&other) {
                wrong.push(format!("{} imports {other}", relative.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "outside the table of ARCHITECTURE.md:\n{}", wrong.join("\n"));
}

#[test]
fn files_are_short() {
    let long: Vec<String> = all()
        .into_iter()
        .filter_map(|f| {
            let lines = fs::read_to_string(&f).unwrap().lines().count();
            (lines > LINES_MAX).then(|| format!("{}: {lines} lines", f.display()))
        })
        .collect();
    assert!(long.is_empty(), "split by purpose:\n{}", long.join("\n"));
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("unimpl", "emented!"), concat!("to", "do!(")];
    let left: Vec<String> = all()
        .into_iter()
        .filter_map(|f| {
            let text = fs::read_to_string(&f).unwrap();
            marks.iter().find(|m| text.contains(**m)).map(|m| format!("{}: {m}", f.display()))
        })
        .collect();
    assert!(left.is_empty(), "{}", left.join("\n"));
}
