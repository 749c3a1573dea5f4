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

/// Folders whose files import each other in a circle, since what they are about recurses.
const CIRCLES: [(&str, &str); 2] = [
    ("app", "a drill is an engine, and an engine runs drills"),
    ("promql", "an expression holds expressions, and so do the files that evaluate them"),
];

/// The code of a file: without comments, and without the unit tests at its end.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().map(|l| l.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Every path in a text that begins with `crate`, `self` or `super`, with the braces of `use` taken apart.
fn paths(text: &str) -> Vec<Vec<String>> {
    fn tree(rest: &str, so_far: &[String], into: &mut Vec<Vec<String>>) -> usize {
        let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let mut at = word.len();
        let mut path = so_far.to_vec();
        path.extend((!word.is_empty()).then_some(word));
        let Some(after) = rest[at..].strip_prefix("::") else {
            into.push(path);
            return at;
        };
        at += "::".len();
        let Some(mut group) = after.strip_prefix('{') else { return at + tree(after, &path, into) };
        at += 1;
        while !group.is_empty() && !group.starts_with('}') {
            let skip = match group.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
                true => tree(group, &path, into),
                false => group.chars().next().map_or(0, char::len_utf8),
            };
            (group, at) = (&group[skip..], at + skip);
        }
        at + 1
    }
    let mut found = Vec::new();
    for start in ["crate::", "self::", "super::"] {
        for (at, _) in text.match_indices(start) {
            let inner = text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            if !inner {
                tree(&text[at..], &[], &mut found);
            }
        }
    }
    found
}

/// The modules of `src` by their path (`["health", "etcd"]`), with their code; unit tests are left out.
fn modules() -> BTreeMap<Vec<String>, String> {
    let src = root().join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let module = |file: &PathBuf| {
        let names: Vec<String> =
            file.strip_prefix(&src).unwrap().with_extension("").iter().map(|p| p.to_string_lossy().into()).collect();
        let text = code(&fs::read_to_string(file).unwrap());
        (!names.iter().any(|n| n == "tests")).then_some((names, text))
    };
    files.iter().filter_map(module).collect()
}

/// Where a path leads, seen from the module `from`: the longest module of its room, or, where a name is only handed on by
/// its parent (`pub use child::Name`), the child that has it.
fn leads(from: &[String], path: &[String], modules: &BTreeMap<Vec<String>, String>) -> Option<Vec<String>> {
    let mut at = match path.first()?.as_str() {
        "crate" => Vec::new(),
        _ => from.to_vec(),
    };
    let mut rest = path.iter().skip_while(|s| ["crate", "self"].contains(&s.as_str())).peekable();
    while rest.next_if(|s| *s == "super").is_some() {
        at.pop();
    }
    while let Some(name) = rest.peek() {
        at.push((*name).clone());
        if modules.contains_key(&at) {
            rest.next();
            continue;
        }
        at.pop();
        let handed = modules.get(&at).map(|text| handed_on(text)).unwrap_or_default();
        if let Some(path) = handed.into_iter().find(|p| p.len() > 1 && p.last() == Some(*name)) {
            at.push(path[0].clone());
        }
        break;
    }
    modules.contains_key(&at).then_some(at)
}

/// What a module hands on of its children: `pub use child::{A, B}` as `child::A`, `child::B`.
fn handed_on(text: &str) -> Vec<Vec<String>> {
    let uses = text.match_indices("use ").filter(|(at, _)| {
        let line = text[..*at].rsplit('\n').next().unwrap_or_default();
        line.starts_with("pub")
    });
    let each = uses.flat_map(|(at, word)| {
        let end = text[at..].find(';').map_or(text.len(), |end| at + end);
        let tree = text[at + word.len()..end].trim_start_matches("self::");
        paths(&format!("self::{tree}"))
    });
    each.map(|path| path.into_iter().skip(1).collect()).collect()
}

/// The first circle among these, as the names on the way round.
fn circle(graph: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit(
        at: &str,
        graph: &BTreeMap<String, BTreeSet<String>>,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> bool {
        if way.iter().any(|w| w == at) {
            way.push(at.to_string());
            return true;
        }
        if !done.contains(at) {
            way.push(at.to_string());
            if graph.get(at).into_iter().flatten().any(|next| visit(next, graph, way, done)) {
                return true;
            }
            way.pop();
            done.insert(at.to_string());
        }
        false
    }
    let mut done = BTreeSet::new();
    graph.keys().find_map(|start| {
        let mut way = Vec::new();
        let found = visit(start, graph, &mut way, &mut done);
        found.then(|| way.split_off(way.iter().position(|w| Some(w) == way.last()).unwrap_or(0)))
    })
}

/// Files of one folder stand in layers: what is in a file's own folder counts as its part, and a child may use its parent.
#[test]
fn no_circle_between_the_files_of_a_folder() {
    let modules = modules();
    let mut folders: BTreeMap<Vec<String>, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for (from, text) in &modules {
        for to in paths(text).iter().filter_map(|path| leads(from, path, &modules)) {
            let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            if let (true, Some(a), Some(b)) = (shared > 0, from.get(shared), to.get(shared)) {
                folders.entry(from[..shared].to_vec()).or_default().entry(a.clone()).or_default().insert(b.clone());
            }
        }
    }
    assert!(folders.len() > 20, "the imports were not found: {}", folders.len());
    let circles: BTreeMap<String, String> =
        folders.iter().filter_map(|(folder, graph)| Some((folder.join("/"), circle(graph)?.join(" → ")))).collect();
    let listed = |folder: &str| CIRCLES.iter().any(|(known, _)| *known == folder);
    let new: Vec<_> = circles.iter().filter(|(folder, _)| !listed(folder)).collect();
    assert!(new.is_empty(), "these files import each other in a circle: {new:?}");
    let opened: Vec<_> = CIRCLES.iter().filter(|(folder, _)| !circles.contains_key(*folder)).collect();
    assert!(opened.is_empty(), "no circle is left there, so they go from the list: {opened:?}");
}

#[test]
fn circles_are_found() {
    let module = |name: &str, text: &str| (name.split('/').map(String::from).collect::<Vec<_>>(), text.to_string());
    let modules = BTreeMap::from([
        module("a", "mod b;\nmod c;\npub use b::{One, Two};"),
        module("a/b", "use super::{c::{self, Three}, One};"),
        module("a/c", "fn f() -> super::Two { crate::x::y() }"),
    ]);
    let names = |path: &str| path.split('/').map(String::from).collect::<Vec<_>>();
    let to = |from: &str| -> Vec<String> {
        let leads = |p: &Vec<String>| leads(&names(from), p, &modules).map(|m| m.join("/"));
        paths(&modules[&names(from)]).iter().filter_map(leads).collect()
    };
    assert_eq!(to("a/b"), ["a/c", "a/c", "a/b"]);
    assert_eq!(to("a/c"), ["a/b"]);
    let graph = |pairs: &[(&str, &str)]| {
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (a, b) in pairs {
            graph.entry((*a).into()).or_default().insert((*b).into());
        }
        circle(&graph).map(|way| way.join(" "))
    };
    assert_eq!(graph(&[("a", "b"), ("b", "c"), ("a", "c")]), None);
    assert_eq!(graph(&[("a", "b"), ("b", "c"), ("c", "b")]).as_deref(), Some("b c b"));
}

/// What SECURITY.md says of who can do what is held by tests that it names.
#[test]
fn each_promise_of_security_has_its_test() {
    let text = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let model = text.split("## Who can do what").nth(1).expect("the section is there");
    let tests: String = all().iter().map(|f| fs::read_to_string(f).unwrap()).collect();
    let names = |text: &str| -> Vec<String> {
        let quoted = text.split('`').skip(1).step_by(2);
        quoted
            .filter(|q| q.contains('_') && q.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))
            .map(str::to_owned)
            .collect()
    };
    let unknown: Vec<String> =
        names(model).into_iter().filter(|name| !tests.contains(&format!("fn {name}("))).collect();
    assert!(unknown.is_empty(), "no test is called {unknown:?}");
    let promises: Vec<&str> = model.split("\n- ").skip(1).collect();
    let bare: Vec<&&str> = promises.iter().filter(|promise| names(promise).is_empty()).collect();
    assert!(promises.len() > 20 && bare.is_empty(), "nothing holds {bare:?}");
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
