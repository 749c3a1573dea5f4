//! The parts of a message as each service formats them, and texts cut so that their markup stays whole. Pure.

use std::borrow::Cow;

use super::summary::Page;
use crate::words::Voice;

/// What a cut text ends with.
const ELLIPSIS: char = '…';

/// Says how a service marks up a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    escape: fn(&str) -> Cow<'_, str>,
    bold: (&'static str, &'static str),
    bullet: &'static str,
}

/// As it stands.
pub(super) const PLAIN: Style = Style { escape: |text| Cow::Borrowed(text), bold: ("", ""), bullet: "- " };

/// Slack's mrkdwn.
pub(super) const SLACK: Style = Style { escape: escape_angles, bold: ("*", "*"), bullet: "• " };

/// Markdown as Discord reads it.
pub(super) const MARKDOWN: Style = Style { escape: escape_markdown, bold: ("**", "**"), bullet: "- " };

/// The few tags that Telegram and Pushover know.
pub(super) const HTML: Style = Style { escape: escape_html, bold: ("<b>", "</b>"), bullet: "- " };

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// What it tells.
    pub title: String,
    /// At least one.
    pub lines: Vec<String>,
}

/// Returns the parts of a page, what helps first at the beginning.
pub(super) fn sections(page: &Page, voice: &Voice) -> Vec<Section> {
    let url = || page.runbook.as_str().into();
    let runbook = (!page.runbook.is_empty()).then(|| voice.say("runbook-at", &[("url", url())]));
    let first_step =
        (!page.first_step.is_empty()).then(|| page.first_step.clone()).into_iter().chain(runbook).collect();
    let others = page.others.iter().map(|(headline, when)| format!("{headline} ({when})")).collect();
    let all = [
        ("first-step", first_step),
        ("still-works", page.still_works.clone()),
        ("what-was-seen", page.evidence.clone()),
        ("what-changed", page.changes.clone()),
        ("because-of-it", page.consequences.clone()),
        ("also-in-it", others),
    ];
    let all = all.into_iter().filter(|(_, lines): &(_, Vec<String>)| !lines.is_empty());
    all.map(|(title, lines)| Section { title: voice.word(title), lines }).collect()
}

/// Returns the whole text under the title, at most `max` bytes (no service's limit is reached before): lines that do
/// not fit are counted, none is cut.
pub(super) fn text(page: &Page, style: &Style, max: usize, voice: &Voice) -> String {
    let mut blocks = Vec::new();
    if !page.notice.is_empty() {
        blocks.push(bold(style, &page.notice));
    }
    blocks.push((style.escape)(&page.when).into_owned());
    for section in sections(page, voice) {
        let lines = section.lines.iter().map(|l| format!("\n{}{}", style.bullet, (style.escape)(l)));
        blocks.push(format!("\n{}", bold(style, &section.title)));
        blocks.extend(lines.map(|l| l.trim_start_matches('\n').to_owned()));
    }
    // Room for the line that says how much is left out.
    const LAST: usize = 32;
    let whole = blocks.iter().map(|b| b.len() + 1).sum::<usize>() <= max + 1;
    let budget = if whole { usize::MAX } else { max.saturating_sub(LAST) };
    let mut out = String::new();
    let mut left = blocks.len();
    for block in &blocks {
        if out.len() + block.len() + 1 > budget {
            out.push_str(&format!("\n{}", voice.say("n-more-lines", &[("n", left.into())])));
            break;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(block);
        left -= 1;
    }
    out
}

/// Returns a text in bold.
pub(super) fn bold(style: &Style, text: &str) -> String {
    format!("{}{}{}", style.bold.0, (style.escape)(text), style.bold.1)
}

/// Returns the beginning of a text, at most `max` UTF-16 units: services count characters, some of them such units,
/// never less.
pub(super) fn clip(text: &str, max: usize) -> Cow<'_, str> {
    if text.encode_utf16().take(max + 1).count() <= max {
        return Cow::Borrowed(text);
    }
    let mut left = max.saturating_sub(ELLIPSIS.len_utf16());
    let mut out = String::new();
    for c in text.chars() {
        let Some(rest) = left.checked_sub(c.len_utf16()) else { break };
        left = rest;
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    out.push(ELLIPSIS);
    Cow::Owned(out)
}

/// Returns the beginning of a text, at most `max` bytes.
pub(super) fn clip_bytes(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return Cow::Borrowed(text);
    }
    let end = (0..=max.saturating_sub(ELLIPSIS.len_utf8())).rev().find(|i| text.is_char_boundary(*i));
    Cow::Owned(format!("{}{ELLIPSIS}", text[..end.unwrap_or_default()].trim_end()))
}

/// [`clip`] for HTML: neither a tag nor an entity is cut, and what is open is closed. Counts the markup as well, and
/// leaves room for closing tags.
pub(super) fn clip_html(text: &str, max: usize) -> Cow<'_, str> {
    if text.encode_utf16().take(max + 1).count() <= max {
        return Cow::Borrowed(text);
    }
    let units = |s: &str| s.encode_utf16().count();
    let mut open: Vec<&str> = Vec::new();
    let (mut out, mut used, mut rest) = (String::new(), ELLIPSIS.len_utf16(), text);
    while !rest.is_empty() {
        let piece = html_piece(rest);
        let mut closing: usize = open.iter().map(|name| name.len() + "</>".len()).sum();
        let name = tag_name(piece);
        if let Some(name) = name.filter(|_| !piece.starts_with("</")) {
            closing += name.len() + "</>".len();
        }
        if used + units(piece) + closing > max {
            break;
        }
        match name {
            Some(name) if piece.starts_with("</") => {
                if let Some(at) = open.iter().rposition(|o| *o == name) {
                    open.truncate(at);
                }
            }
            Some(name) if !piece.ends_with("/>") => open.push(name),
            _ => {}
        }
        used += units(piece);
        out.push_str(piece);
        rest = &rest[piece.len()..];
    }
    out.push(ELLIPSIS);
    for name in open.iter().rev() {
        out.push_str(&format!("</{name}>"));
    }
    Cow::Owned(out)
}

/// The next tag, entity or character.
fn html_piece(text: &str) -> &str {
    /// Longer than any entity that is written.
    const ENTITY_MAX: usize = 10;
    let end = match text.as_bytes().first() {
        Some(b'<') => text.find('>').map(|i| i + 1),
        Some(b'&') => text.find(';').map(|i| i + 1).filter(|end| *end <= ENTITY_MAX),
        _ => None,
    };
    let end = end.or_else(|| text.chars().next().map(char::len_utf8)).unwrap_or(text.len());
    &text[..end]
}

/// `b` of `<b>`, `</b>`, `<b class="x">`.
fn tag_name(piece: &str) -> Option<&str> {
    let inner = piece.strip_prefix('<')?.strip_suffix('>')?.trim_start_matches('/');
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(inner.len());
    Some(&inner[..end]).filter(|name| !name.is_empty())
}

/// For HTML text and quoted attributes.
pub(super) fn escape_html(text: &str) -> Cow<'_, str> {
    escape(text, |c| match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        '\'' => Some("&#39;"),
        _ => None,
    })
}

/// The three characters that Slack asks for; what remains can't begin a link or a mention.
fn escape_angles(text: &str) -> Cow<'_, str> {
    escape(text, |c| match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    })
}

/// Returns what Discord's and Teams' Markdown would take for markup. Of a link only the middle is: brackets stay as
/// they are.
pub(super) fn escape_markdown(text: &str) -> Cow<'_, str> {
    let escaped = escape(text, |c| match c {
        '\\' => Some("\\\\"),
        '*' => Some("\\*"),
        '_' => Some("\\_"),
        '~' => Some("\\~"),
        '`' => Some("\\`"),
        '|' => Some("\\|"),
        '<' => Some("\\<"),
        _ => None,
    });
    if escaped.contains("](") { Cow::Owned(escaped.replace("](", "\\](")) } else { escaped }
}

fn escape(text: &str, with: fn(char) -> Option<&'static str>) -> Cow<'_, str> {
    if text.chars().all(|c| with(c).is_none()) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match with(c) {
            Some(escaped) => out.push_str(escaped),
            None => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        model::{ChangeKind, IncidentChange},
        notify::{example, summary},
    };

    #[test]
    fn texts_lose_whole_lines() {
        let page = summary::page(&example::opened(), &Voice::default());
        let said = |style, max| text(&page, style, max, &Voice::default());
        let whole = said(&PLAIN, 10_000);
        assert!(
            whole.starts_with("Since 2026-11-23 14:02:11 UTC") && whole.contains("\n\nWhat to do first\n- Start etcd")
        );
        for max in 60..whole.len() {
            let cut = said(&HTML, max);
            assert!(cut.len() <= max, "{max}: {}", cut.len());
            assert_eq!(cut.matches("<b>").count(), cut.matches("</b>").count());
        }
        assert_eq!(said(&PLAIN, whole.len()), whole);
    }

    #[test]
    fn the_likeliest_changes_are_told_and_the_rest_is_counted() {
        let mut n = example::opened();
        let began = n.incident.started_at;
        let change = |i: i64| IncidentChange {
            at: began - jiff::SignedDuration::from_secs(i),
            since: None,
            kind: ChangeKind::Rollout,
            what: format!("rollout of shop/api{i}: image a → b"),
        };
        n.incident.changes = (1..=7).map(change).collect();
        let told = text(&summary::page(&n, &Voice::default()), &PLAIN, 10_000, &Voice::default());
        let first = "\n\nWhat changed before\n- rollout of shop/api1: image a → b (1 s before, at 14:02:10 UTC)\n- ";
        assert!(told.contains(first) && told.contains("\n- and 2 more\n") && !told.contains("api6"), "{told}");
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let check = |text: &str, max, expected: &str| assert_eq!(clip(text, max), expected);
        check("abc", 3, "abc");
        check("abcd", 3, "ab…");
        check("ab cd", 4, "ab…");
        check("🚨🚨", 3, "🚨…");
        check("ä", 0, "…");
    }

    #[test]
    fn html_is_closed() {
        let check = |text: &str, max, expected: &str| assert_eq!(clip_html(text, max), expected);
        check("<b>abc</b>", 10, "<b>abc</b>");
        check("<b>abcdef</b> g", 12, "<b>abcd…</b>");
        check("a&amp;b and more", 8, "a&amp;b…");
        check("a&amp;b and more", 5, "a…");
        check("a <b>b</b> c", 6, "a …");
        check("1 < 2 and more than that", 8, "1 < 2 a…");
    }

    proptest! {
        #[test]
        fn html_that_is_whole_stays_whole(words in proptest::collection::vec("(a|&lt;|<b>x</b>|<i><b>y</b>z</i>|ä|🚨)", 0..60), max in 20usize..120) {
            let cut = clip_html(&words.concat(), max).into_owned();
            prop_assert!(cut.encode_utf16().count() <= max);
            for (open, close) in [("<b>", "</b>"), ("<i>", "</i>")] {
                prop_assert_eq!(cut.matches(open).count(), cut.matches(close).count());
            }
            prop_assert_eq!(cut.matches('&').count(), cut.matches("&lt;").count());
        }
    }
}
