use proptest::prelude::*;

use super::*;

/// Prometheus 3.5.3 was asked each of them, with `label_replace`.
#[test]
fn what_go_reads_otherwise_is_read_as_go_does() {
    let check = |expression: &str, text: &str, expected: bool| {
        let regex = anchored(expression).unwrap_or_else(|e| panic!("{expression}: {e}"));
        assert_eq!(regex.is_match(text), expected, "{expression} on {text}");
    };
    for (expression, text) in [
        (r"\<x\>", "<x>"),
        ("[[]", "["),
        ("[a&&b]", "a"),
        ("[+--]", ","),
        ("[]a]", "]"),
        ("[^]a]", "b"),
        ("[a-]", "-"),
        (r"[\d-z]", "-"),
        (r"[\w.]+", "a.b"),
        (r"[^\D]", "7"),
        ("[[:alpha:][:^space:]]", "x"),
        ("[[:alpha]+", ":al[p"),
        ("x{,2}", "x{,2}"),
        ("{x}", "{x}"),
        ("a{2,}", "aaa"),
        ("a{01}", "a{01}"),
        ("a{2", "a{2"),
        ("a{1,2}?b", "aab"),
        (r"\Qa.b\E+", "a.bbb"),
        (r"\123", "S"),
        (r"\0", "\0"),
        (r"\x53\x{e9}", "Sé"),
        (r"\p{Greek}\PN\p{^L}", "αa1"),
        (r"\_\-\ ", "_- "),
        ("(?i)s", "ſ"),
        ("(?i:A)b", "ab"),
        ("(?)a", "a"),
        ("(?P<x_y>a)", "a"),
        ("(?<n>a)", "a"),
        (".", "\n"),
        (r"a\b.\Bb*", "a-"),
        ("#  x", "#  x"),
        ("a|", ""),
        ("()", ""),
    ] {
        check(expression, text, true);
    }
    for (expression, text) in
        [(r"\d", "٣"), (r"\w", "é"), ("[a&&b]", "&&"), ("x{,2}", "xx"), (r"\s", "\u{b}"), ("a", "ab"), (r"é\b.", "é ")]
    {
        check(expression, text, false);
    }
}

/// Prometheus 3.5.3 was asked each of them, as a matcher.
#[test]
fn what_go_refuses_is_refused_in_its_words() {
    let check = |expression: &str, expected: &str| {
        assert_eq!(anchored(expression).unwrap_err(), format!("error parsing regexp: {expected}"));
    };
    check("(", "missing closing ): `(`");
    check(")(", "unexpected ): `)(`");
    check("a**", "invalid nested repetition operator: `**`");
    check("*", "missing argument to repetition operator: `*`");
    check(r"\d{1001}", "invalid repeat count: `{1001}`");
    check("a{2,1}", "invalid repeat count: `{2,1}`");
    check("(?=a)", "invalid or unsupported Perl syntax: `(?=`");
    check("(?x)a", "invalid or unsupported Perl syntax: `(?x`");
    check("[z-a]", "invalid character class range: `z-a`");
    check("[[:foo:]]", "invalid character class range: `[:foo:]`");
    check("[a", "missing closing ]: `[a`");
    check(r"\", "trailing backslash at end of expression: ``");
    check(r"\1", r"invalid escape sequence: `\1`");
}

proptest! {
    #[test]
    fn nothing_panics_and_an_escaped_text_matches_itself(text in any::<String>()) {
        let _ = anchored(&text);
        let regex = anchored(&regex::escape(&text)).unwrap();
        prop_assert!(regex.is_match(&text));
    }

    #[test]
    fn odd_syntax_gives_an_error_or_an_expression(text in r"[\[\](){}\\^$?*+|a0-9:,\-&pPQEx<>é]{0,24}") {
        if let Ok(translated) = translate(&text) {
            prop_assert!(translated.len() <= 32 * text.len() + 8);
        }
        let _ = anchored(&text);
    }
}
