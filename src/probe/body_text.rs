//! What a body says, in words that fit on one line: never binary, never the markup of a page.

use serde::Deserialize;

/// A body is quoted no longer than this, in characters: the beginning says what kind of page it is.
const QUOTE_MAX: usize = 80;
/// Of so many characters at the beginning, …
const SAMPLE: usize = 200;
/// … more than one in so many that nobody could read makes it no text.
const UNREADABLE: usize = 10;

/// `metav1.Status`, in which Kubernetes answers what it does not do.
#[derive(Debug, Deserialize)]
struct Status {
    kind: String,
    #[serde(default)]
    message: String,
}

/// Returns the message of a body that is a `Status` of Kubernetes.
pub fn status_message(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<Status>(body).ok().filter(|s| s.kind == "Status").map(|s| s.message)
}

/// Returns what a body says: the message of a `Status`, the title of a page, else its beginning.
pub fn quote(body: &str) -> String {
    let text = status_message(body.as_bytes()).or_else(|| title(body));
    let text = text.as_deref().unwrap_or(body);
    if is_binary(text) {
        return format!("with {} bytes that are no text", body.len());
    }
    // Bodies may be large: no more is looked at than can be shown.
    let text: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).take(QUOTE_MAX).collect();
    let text = text.join(" ");
    match text.char_indices().nth(QUOTE_MAX) {
        _ if text.is_empty() && !body.trim().is_empty() => "with a page without words".into(),
        _ if text.is_empty() => "with an empty body".into(),
        Some((at, _)) => format!("“{}…”", &text[..at]),
        None => format!("“{text}”"),
    }
}

/// Returns whether a page for a browser.
pub fn is_html(body: &str) -> bool {
    let start: String = body.trim_start().chars().take(SAMPLE).collect::<String>().to_ascii_lowercase();
    start.starts_with("<!doctype") || start.starts_with("<html") || (start.starts_with('<') && start.contains("<title"))
}

/// The title of a page for a browser, or its first words where it has none.
fn title(body: &str) -> Option<String> {
    /// Titles stand at the beginning.
    const HEAD_MAX: usize = 4096;
    if !is_html(body) {
        return None;
    }
    let head = &body[..body.floor_char_boundary(HEAD_MAX)];
    let lower = head.to_ascii_lowercase();
    let between = lower.find("<title").and_then(|at| {
        let begin = at + lower[at..].find('>')? + 1;
        Some(&head[begin..begin + lower[begin..].find("</title")?])
    });
    if let Some(text) = between.filter(|t| !t.trim().is_empty()) {
        return Some(text.to_owned());
    }
    let mut text = String::new();
    for part in head.split('<') {
        text.push_str(part.split_once('>').map_or(part, |(_, after)| after));
        text.push(' ');
    }
    Some(text)
}

fn is_binary(text: &str) -> bool {
    let unreadable = |c: &char| *c == char::REPLACEMENT_CHARACTER || (c.is_control() && !c.is_whitespace());
    let (mut all, mut bad) = (0, 0);
    for c in text.chars().take(SAMPLE) {
        (all, bad) = (all + 1, bad + usize::from(unreadable(&c)));
    }
    bad * UNREADABLE > all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_quoted_for_people() {
        let check = |body: &str, expected: &str| assert_eq!(quote(body), expected, "{body:?}");
        check("", "with an empty body");
        check(" \r\n ", "with an empty body");
        check("no  leader\nhere", "“no leader here”");
        check(&"word ".repeat(1000), &format!("“{}…”", "word ".repeat(16)));
        check(r#"{"kind":"Status","message":"etcdserver: no leader"}"#, "“etcdserver: no leader”");
        check(r#"{"kind":"Pod","message":"x"}"#, r#"“{"kind":"Pod","message":"x"}”"#);
        check("<html>\r\n<head><title>502 Bad\nGateway</title></head><body>x</body></html>", "“502 Bad Gateway”");
        check("<!DOCTYPE html><TITLE lang=en>Sign in</TITLE>", "“Sign in”");
        check("<html><body><h1>no backend</h1></body></html>", "“no backend”");
        check("<html><title>", "with a page without words");
        check(
            "\u{1b}]0;PWNED\u{7}\u{1b}[31mred\u{1b}[0m and so much text that it is one",
            "“]0;PWNED [31mred [0m and so much text that it is one”",
        );
    }

    #[test]
    fn binary_is_never_quoted() {
        let packed = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x8b, 0xd6, 0x8e, 0x2d];
        assert!(quote(&String::from_utf8_lossy(&packed)).ends_with("bytes that are no text"));
        assert_eq!(quote("\0\0\0a"), "with 4 bytes that are no text");
    }
}
