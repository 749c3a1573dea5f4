//! What controllers say in words, as far as it is kept: shortened, and without what looks like a credential. Errors of
//! programs quote addresses with passwords, and flags.

use std::{borrow::Cow, sync::OnceLock};

use regex::Regex;

use crate::model::text;

/// The longest prose that is kept, in bytes: what the scheduler says of twenty nodes.
const PROSE_MAX: usize = 300;
/// What is read of it at all.
const READ_MAX: usize = 4_096;

/// Returns prose as it is kept.
pub(super) fn shown(said: &str) -> String {
    text::clip(&masked(text::clip(said, READ_MAX)), PROSE_MAX).to_owned()
}

/// Names that are followed by a secret, credentials in addresses, tokens by their form.
fn patterns() -> Option<&'static Regex> {
    static PATTERNS: OnceLock<Option<Regex>> = OnceLock::new();
    let made = PATTERNS.get_or_init(|| {
        Regex::new(concat!(
            r"(?i)(?P<name>[\w.-]*(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|access[_-]?key|credential|authorization)[\w.-]*",
            r#"["']?\s*(?:[=:]\s*|\s)["']?(?:bearer\s+|basic\s+)?)[^\s"',;]+"#,
            r"|(?P<scheme>://)[^\s/@]+@",
            r"|(?P<bearer>\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}",
            r"|\beyJ[\w-]+\.[\w-]+\.[\w-]*",
        ))
        .ok()
    });
    made.as_ref()
}

fn masked(said: &str) -> Cow<'_, str> {
    match patterns() {
        Some(patterns) => patterns.replace_all(said, |found: &regex::Captures<'_>| {
            if found.name("scheme").is_some() {
                return "://…@".to_owned();
            }
            let kept = found.name("name").or_else(|| found.name("bearer")).map_or("", |m| m.as_str());
            format!("{kept}…")
        }),
        None => Cow::Borrowed(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_masked_and_facts_stay() {
        for (said, shown_as) in [
            ("0/3 nodes are available: 3 Insufficient cpu.", "0/3 nodes are available: 3 Insufficient cpu."),
            ("exec: \"--password=hunter2\": not found", "exec: \"--password=…\": not found"),
            ("dial postgres://app:hunter2@db:5432/x", "dial postgres://…@db:5432/x"),
            ("header Authorization: Bearer hunter2hunter2", "header Authorization: Bearer …"),
            ("DB_PASSWORD: hunter2", "DB_PASSWORD: …"),
            ("got eyJhbGciOi.eyJzdWIi.c2ln from it", "got … from it"),
        ] {
            assert_eq!(shown(said), shown_as);
        }
        assert!(shown(&"é".repeat(400)).len() <= PROSE_MAX);
    }
}
