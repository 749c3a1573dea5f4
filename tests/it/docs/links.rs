//! Links between documents, to headings and to files; and the book's table of contents.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
};

use pulldown_cmark::{Event, LinkType, Tag, TagEnd};

use super::{Page, all, root};

/// Where the project's files are seen by those who have only the book or a message.
const PUBLISHED: &str = "https://github.com/dogwatch/dogwatch/blob/main/";

/// A heading's anchor, as both GitHub and mdBook make it.
fn slug(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// Anchors of a document; of two that are alike, the second has a number.
fn anchors(page: &Page) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    let mut heading: Option<String> = None;
    for event in page.parsed() {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let slug = slug(&heading.take().unwrap_or_default());
                let times = seen.entry(slug.clone()).or_default();
                anchors.insert(if *times == 0 { slug.clone() } else { format!("{slug}-{times}") });
                *times += 1;
            }
            _ => {}
        }
    }
    anchors
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => assert!(plain.pop(), "{} leads out of the project", path.display()),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

fn targets(page: &Page) -> Vec<String> {
    page.parsed()
        .filter_map(|event| match event {
            // An address or mail that is its own text.
            Event::Start(Tag::Link { link_type: LinkType::Autolink | LinkType::Email, .. }) => None,
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url.into_string()),
            _ => None,
        })
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let pages = all();
    let known: BTreeMap<&str, BTreeSet<String>> = pages.iter().map(|p| (p.path.as_str(), anchors(p))).collect();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for page in &pages {
        for target in targets(page) {
            seen += 1;
            let (path, anchor) = target.split_once('#').map_or((target.as_str(), None), |(p, a)| (p, Some(a)));
            let to = match path.strip_prefix(PUBLISHED) {
                Some(published) => PathBuf::from(published),
                None if path.contains("://") || path.starts_with("mailto:") => continue,
                None if path.is_empty() => PathBuf::from(&page.path),
                None => plain(&Path::new(&page.path).parent().unwrap().join(path)),
            };
            if !root().join(&to).exists() {
                wrong.push(format!("{}: {target}: there is no {}", page.path, to.display()));
            }
            if let Some(anchor) = anchor
                && known.get(to.to_str().unwrap()).is_none_or(|anchors| !anchors.contains(anchor))
            {
                wrong.push(format!("{}: {target}: {} has no such heading", page.path, to.display()));
            }
        }
    }
    assert!(seen > 500, "only {seen} links were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_page_is_in_the_book_once() {
    let pages = all();
    let summary = pages.iter().find(|page| page.path == "docs/SUMMARY.md").unwrap();
    let mut listed: Vec<String> = targets(summary).iter().map(|target| format!("docs/{target}")).collect();
    listed.sort();
    let there: Vec<&str> =
        pages.iter().map(|p| p.path.as_str()).filter(|p| p.starts_with("docs/") && *p != summary.path).collect();
    assert_eq!(listed, there);
}
