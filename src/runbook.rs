//! The runbooks of docs/runbooks, part of the program: whoever is woken reads them where dogwatch still answers, without a
//! working cluster or another site.
//!
//! Pure. Never shows a link of somebody's annotation that a browser would run.

use std::{borrow::Cow, collections::BTreeMap};

use include_dir::{Dir, include_dir};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

use crate::model::RUNBOOK_URL;

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/docs/runbooks");

/// The file that lists them.
const INDEX: &str = "README";

/// Where the shipped rules, which serve a Prometheus as well, say that the runbooks are.
const PUBLISHED: &str = "https://github.com/dogwatch/dogwatch/blob/main/docs/runbooks/";

/// Longer links are none: some services refuse a message for them.
const LINK_MAX: usize = 2_000;

/// A runbook for reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runbook {
    /// The alert's name, or the title of the list.
    pub title: String,
    /// HTML without a heading of the first degree.
    pub html: String,
}

/// Returns the runbook of an alert; `None`: there is none of that name.
pub fn of(alert: &str) -> Option<Runbook> {
    source(alert).filter(|_| alert != INDEX).map(rendered)
}

/// Returns the list of all; `None` only in a program built without them.
pub fn index() -> Option<Runbook> {
    source(INDEX).map(rendered)
}

/// Returns where an alert's runbook is: its own annotation, else ours below `base` (`external_url`, or the path before
/// every page).
pub fn link(alert: &str, annotations: &BTreeMap<String, String>, base: &str) -> Option<String> {
    let said = [RUNBOOK_URL, "runbook"].iter().find_map(|name| annotations.get(*name)).map(|url| url.trim());
    let others = said.filter(|url| !url.starts_with(PUBLISHED) && url.len() <= LINK_MAX);
    let is_web = |url: &&str| url.starts_with("https://") || url.starts_with("http://");
    if let Some(url) = others.filter(is_web) {
        return Some(url.to_owned());
    }
    (alert != INDEX && source(alert).is_some()).then(|| format!("{base}/runbooks/{alert}"))
}

fn source(name: &str) -> Option<&'static str> {
    FILES.get_file(format!("{name}.md"))?.contents_utf8()
}

/// Links to other runbooks become those of the pages; links into the source tree become plain words.
fn rendered(source: &str) -> Runbook {
    let mut title = String::new();
    let (mut in_title, mut unlinked) = (false, false);
    let events = Parser::new_ext(source, Options::ENABLE_TABLES).filter_map(|event| match event {
        Event::Start(Tag::Heading { level: pulldown_cmark::HeadingLevel::H1, .. }) => {
            in_title = true;
            None
        }
        Event::End(TagEnd::Heading(pulldown_cmark::HeadingLevel::H1)) => {
            in_title = false;
            None
        }
        Event::Text(text) if in_title => {
            title.push_str(&text);
            None
        }
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            let Some(dest_url) = target(&dest_url) else {
                unlinked = true;
                return None;
            };
            let dest_url = CowStr::from(dest_url.into_owned());
            Some(Event::Start(Tag::Link { link_type, dest_url, title, id }))
        }
        Event::End(TagEnd::Link) if std::mem::take(&mut unlinked) => None,
        other => Some(other),
    });
    let mut html = String::new();
    html::push_html(&mut html, events);
    // What is wider than a phone is scrolled, with the keyboard too.
    let html = html.replace("<pre>", "<pre tabindex=\"0\">");
    Runbook { title, html }
}

fn target(url: &str) -> Option<Cow<'_, str>> {
    if url.starts_with("https://") {
        return Some(Cow::Borrowed(url));
    }
    let name = url.strip_suffix(".md").filter(|name| *name != INDEX && source(name).is_some())?;
    // Relative to /runbooks/: wherever the pages' root is.
    Some(Cow::Borrowed(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotated(url: &str) -> BTreeMap<String, String> {
        [(RUNBOOK_URL.to_owned(), url.to_owned())].into()
    }

    #[test]
    fn every_one_is_read_and_its_links_lead_somewhere() {
        let mut seen = 0;
        for file in FILES.files() {
            let name = file.path().file_stem().and_then(|n| n.to_str()).unwrap();
            let Some(book) = of(name) else {
                assert_eq!(name, INDEX);
                continue;
            };
            assert_eq!(book.title, name);
            assert!(book.html.starts_with("<h2>What it means</h2>"), "{name}: {}", book.html);
            assert!(!book.html.contains(".md\"") && !book.html.contains("<h1>"), "{name}: {}", book.html);
            seen += 1;
        }
        assert!(seen > 70, "{seen}");
        let index = index().unwrap();
        assert!(index.html.contains("<td><a href=\"EtcdQuorumLost\">EtcdQuorumLost</a></td>"), "{}", index.html);
        assert_eq!(index.html.matches("<a href").count(), seen);
        assert_eq!(of("Nothing"), None);
        assert_eq!(of("../runbooks/EtcdQuorumLost"), None);
    }

    #[test]
    fn an_alerts_own_link_wins_over_ours() {
        let check = |alert: &str, annotations: BTreeMap<String, String>, expected: Option<&str>| {
            assert_eq!(link(alert, &annotations, "https://watch").as_deref(), expected, "{alert} {annotations:?}");
        };
        let ours = Some("https://watch/runbooks/EtcdQuorumLost");
        check("EtcdQuorumLost", BTreeMap::new(), ours);
        check("EtcdQuorumLost", annotated(&format!("{PUBLISHED}EtcdQuorumLost.md")), ours);
        check("EtcdQuorumLost", annotated("https://wiki/etcd"), Some("https://wiki/etcd"));
        check("Mine", annotated(" http://wiki/mine "), Some("http://wiki/mine"));
        check("Mine", BTreeMap::new(), None);
        check("Mine", annotated("javascript:alert(1)"), None);
        check("Mine", annotated(&format!("https://{}", "a".repeat(LINK_MAX))), None);
        check("README", BTreeMap::new(), None);
    }
}
