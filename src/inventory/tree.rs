//! The fields of a kind as a tree, made of the paths in `kinds`.

use std::{collections::BTreeMap, sync::OnceLock};

use super::kinds::{KINDS, Kind, METADATA};

/// What is kept at one place of an object.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The fields that are kept; none: the value itself is, where it is plain, or its plain values.
    pub(super) children: BTreeMap<&'static str, Tree>,
    /// The field by which items of a list are kept.
    pub(super) key: Option<Vec<&'static str>>,
    /// It is prose.
    pub(super) is_prose: bool,
}

impl Tree {
    fn of(kind: &Kind) -> Self {
        let mut root = Self::default();
        for path in METADATA.iter().chain(kind.fields).flat_map(|line| expanded(line)) {
            root.add(&path);
        }
        root
    }

    fn add(&mut self, path: &[&'static str]) {
        let mut at = self;
        for step in path {
            let (name, key) = match step.split_once('[') {
                Some((name, rest)) => (name, Some(rest.trim_end_matches(']'))),
                None => (*step, None),
            };
            at = at.children.entry(name.trim_end_matches('~')).or_default();
            at.is_prose |= name.ends_with('~');
            if let Some(key) = key.filter(|key| !key.is_empty()) {
                let key: Vec<&'static str> = key.split('.').collect();
                at.add(&key);
                at.key = Some(key);
            }
        }
    }
}

/// Returns the tree of a kind; each is made once.
pub(super) fn of(kind: &Kind) -> &'static Tree {
    static TREES: OnceLock<BTreeMap<&'static str, Tree>> = OnceLock::new();
    static NONE: OnceLock<Tree> = OnceLock::new();
    let trees = TREES.get_or_init(|| KINDS.iter().map(|kind| (kind.name, Tree::of(kind))).collect());
    trees.get(kind.name).unwrap_or_else(|| NONE.get_or_init(|| Tree::of(kind)))
}

/// The paths of a line, each as its steps.
fn expanded(line: &'static str) -> Vec<Vec<&'static str>> {
    split(line, ' ').into_iter().flat_map(steps).collect()
}

/// The steps of one word, for each choice in its braces.
fn steps(word: &'static str) -> Vec<Vec<&'static str>> {
    let mut all: Vec<Vec<&'static str>> = vec![Vec::new()];
    for part in split(word, '.') {
        let choices = match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
            Some(inside) => split(inside, ' '),
            None => vec![part],
        };
        all = all.iter().flat_map(|path| choices.iter().map(|choice| [path.as_slice(), &[*choice]].concat())).collect();
    }
    all
}

/// Splits where no brace or bracket is open.
fn split(text: &'static str, at: char) -> Vec<&'static str> {
    let (mut depth, mut from, mut parts) = (0_i32, 0, Vec::new());
    for (i, c) in text.char_indices() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            c if c == at && depth == 0 => {
                parts.push(&text[from..i]);
                from = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_many_paths() {
        let paths = expanded("{a b[x.y]}.c d.{e f~}");
        assert_eq!(paths, [vec!["a", "c"], vec!["b[x.y]", "c"], vec!["d", "e"], vec!["d", "f~"]]);
    }

    #[test]
    fn the_tree_knows_keys_and_prose() {
        let pods = of(super::super::kinds::find("pods").unwrap());
        let conditions = &pods.children["status"].children["conditions"];
        assert_eq!(conditions.key, Some(vec!["type"]));
        assert!(conditions.children["message"].is_prose && !conditions.children["reason"].is_prose);
        assert!(pods.children["spec"].children["initContainers"].children.contains_key("image"));
        assert!(!pods.children["spec"].children["containers"].children.contains_key("env"));
    }
}
