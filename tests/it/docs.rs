//! The book, held against the code: each command and each piece of configuration in it is read by what reads it when
//! somebody uses it, each link leads somewhere, and the references are what the code says of itself. These are written by
//! `UPDATE_DOCS=1 cargo test --test it -- docs::`.

mod blocks;
mod commands;
mod config_page;
mod links;
mod pages;
mod start;

use std::{fs, path::Path};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// The folder of the project.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A document.
struct Page {
    /// Where it is, from the project's folder.
    path: String,
    text: String,
}

/// A block of code in a document.
struct Block {
    /// Its document and line.
    place: String,
    /// As it is fenced; empty: it is indented, or says none.
    language: String,
    text: String,
}

/// All documents for people who use dogwatch, by their paths.
fn all() -> Vec<Page> {
    fn walk(dir: &Path, into: &mut Vec<Page>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|e| e == "md") {
                into.push(page(&path));
            }
        }
    }
    let page_of_root = |name: &str| page(&root().join(name));
    let mut pages: Vec<Page> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"].map(page_of_root).into();
    for dir in ["docs", "deploy"] {
        walk(&root().join(dir), &mut pages);
    }
    pages.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(pages.len() > 100, "documents were not found");
    pages
}

fn page(path: &Path) -> Page {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Page { path: path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(), text }
}

impl Page {
    fn parsed(&self) -> Parser<'_> {
        Parser::new_ext(&self.text, Options::ENABLE_TABLES)
    }

    fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut is_inside = false;
        for (event, range) in self.parsed().into_offset_iter() {
            match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    let line = self.text[..range.start].lines().count().max(1);
                    let language = match kind {
                        CodeBlockKind::Fenced(language) => language.into_string(),
                        CodeBlockKind::Indented => String::new(),
                    };
                    blocks.push(Block { place: format!("{}:{line}", self.path), language, text: String::new() });
                    is_inside = true;
                }
                Event::End(TagEnd::CodeBlock) => is_inside = false,
                Event::Text(text) if is_inside => blocks.last_mut().unwrap().text.push_str(&text),
                _ => {}
            }
        }
        blocks
    }
}

/// Holds a document against what the code says; with UPDATE_DOCS set, writes it.
fn is_generated(path: &str, expected: &str) {
    let file = root().join(path);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, expected).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    if written != expected {
        let mut lines = written.lines().zip(expected.lines()).zip(1..);
        let differs = lines.find(|((a, b), _)| a != b).map(|((a, b), n)| format!("{path}:{n}: {a}\nshould be: {b}"));
        panic!(
            "{}\n`UPDATE_DOCS=1 cargo test --test it -- docs::` writes it",
            differs.unwrap_or(format!("{path} is too long or too short"))
        );
    }
}

/// A text as a cell of a table has it.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
