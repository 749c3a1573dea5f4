//! Durations, moments, numbers and plurals as people read them: the one place for mails, pages, findings and the terminal.
//!
//! Pure; the moment is an argument. Nothing here has an error: what is absurd (a time in the future, an age of years) is
//! said as well as it can be.

use std::{borrow::Cow, io, time::Duration};

use jiff::{Timestamp, tz::TimeZone};

/// Says a duration in its two largest units: `0.4 s`, `45 s`, `4 min 12 s`, `2 h 5 min`, `1 day 1 h`, `3 days 4 h`.
pub fn duration(d: Duration) -> String {
    let s = d.as_secs();
    let two = |large: String, small: u64, unit: &str| match small {
        0 => large,
        _ => format!("{large} {small} {unit}"),
    };
    match s {
        0 if d.as_millis() >= 100 => format!("0.{} s", d.as_millis() / 100),
        0 => "less than 1 s".into(),
        1..60 => format!("{s} s"),
        60..3_600 => two(format!("{} min", s / 60), s % 60, "s"),
        3_600..86_400 => two(format!("{} h", s / 3_600), s % 3_600 / 60, "min"),
        _ => two(plural((s / 86_400) as usize, "day", "days"), s % 86_400 / 3_600, "h"),
    }
}

/// Says how long ago `then` was; nothing is ever in the future, whatever the clocks say.
pub fn between(then: Timestamp, now: Timestamp) -> String {
    duration(Duration::try_from(now.duration_since(then)).unwrap_or_default())
}

/// Says a moment with its date: `2026-11-23 14:02:11 UTC`.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Says a moment, with the date only where it is not today's: `06:55:59 UTC`, `2026-11-22 23:10:00 UTC`.
pub fn moment_today(at: Timestamp, now: Timestamp) -> String {
    if date(at) == date(now) { at.strftime("%H:%M:%S UTC").to_string() } else { moment(at) }
}

/// Says the date in UTC: `2026-11-22`.
pub fn date(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).date().to_string()
}

/// Says a latency: `0.4 ms`, `12 ms`, `2.03 s`.
pub fn latency(d: Duration) -> String {
    let ms = d.as_secs_f64() * 1000.0;
    match ms {
        ..1.0 => format!("{ms:.1} ms"),
        1.0..999.5 => format!("{ms:.0} ms"),
        _ => format!("{:.2} s", ms / 1000.0),
    }
}

/// Writes a number with its thousands apart: `4,987`.
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Lists alternatives: `http, tcp or dns`.
pub fn any_of(words: &[impl AsRef<str>]) -> String {
    match words {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [head @ .., last] => {
            let head: Vec<&str> = head.iter().map(AsRef::as_ref).collect();
            format!("{} or {}", head.join(", "), last.as_ref())
        }
    }
}

/// Says a size in bytes: `512 B`, `491.5 kB`, `2.1 GB` (powers of 1000).
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// Says bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Counts things: `1 target`, `5,000 targets`.
pub fn plural(n: usize, one: &str, many: &str) -> String {
    format!("{} {}", number(n as u64), if n == 1 { one } else { many })
}

/// Whether a character shows nothing and changes how others are shown: controls (C0, DEL, C1) but line feed and tab, and
/// what turns the direction of writing (UAX #9: marks, embeddings, overrides, isolates).
pub fn is_unwelcome(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && !matches!(c, '\n' | '\t'))
}

/// Leaves out of a text for people what is unwelcome there: no name, label or output of a job can colour a terminal, hide
/// what stands beside it, or have it read backwards. The one place that does so; what machines compare (labels in webhooks
/// and in Alertmanager's and Prometheus' APIs) stays as it came.
pub fn readable(text: &str) -> Cow<'_, str> {
    if text.contains(is_unwelcome) {
        Cow::Owned(text.chars().filter(|c| !is_unwelcome(*c)).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// The same for JSON as serde_json writes it: controls are escaped there.
pub fn readable_json(json: String) -> String {
    let mut out = String::new();
    let mut rest = json.as_str();
    while let Some(at) = rest.find(|c: char| c == '\\' || is_unwelcome(c)) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let escape = match rest.as_bytes() {
            [b'\\', b'u', ..] => rest.get(..6).unwrap_or(rest),
            [b'\\', ..] => rest.get(..2).unwrap_or(rest),
            _ => "",
        };
        match escape {
            "" => rest = &rest[rest.chars().next().map_or(0, char::len_utf8)..],
            "\\b" | "\\f" | "\\r" => rest = &rest[escape.len()..],
            _ => {
                let code = escape.strip_prefix("\\u").and_then(|hex| u32::from_str_radix(hex, 16).ok());
                if !code.and_then(char::from_u32).is_some_and(is_unwelcome) {
                    out.push_str(escape);
                }
                rest = &rest[escape.len()..];
            }
        }
    }
    if out.is_empty() && rest.len() == json.len() {
        return json;
    }
    out.push_str(rest);
    out
}

/// The same in one line, so that no text from outside can add a header or a line: what breaks a line becomes a space, and
/// the rest of what is unwelcome is left out as by [`readable`].
pub fn one_line(text: &str) -> Cow<'_, str> {
    let breaks = |c: char| matches!(c, '\n' | '\r' | '\t' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    if text.contains(breaks) {
        let parts = text.split(breaks).map(readable).filter(|part| !part.is_empty());
        Cow::Owned(parts.collect::<Vec<_>>().join(" "))
    } else {
        readable(text)
    }
}

/// Takes the beginning of a text: at most `max` bytes, cut between characters.
pub fn clip(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// Writes a text as HTML in which what stands between backticks is `<code>`. A backtick without its second one is a
/// character like any other. Everything is escaped.
pub fn html_with_code(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some((words, (code, after))) =
        rest.split_once('`').and_then(|(words, tail)| Some((words, tail.split_once('`')?)))
    {
        escape(words, &mut html);
        html.push_str("<code>");
        escape(code, &mut html);
        html.push_str("</code>");
        rest = after;
    }
    escape(rest, &mut html);
    html
}

fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#x27;"),
            c => html.push(c),
        }
    }
}

/// Writes a text as one line of Markdown in which what stands between backticks is code; all else that Markdown or HTML
/// would read is escaped.
pub fn markdown_with_code(text: &str) -> String {
    let line = one_line(text);
    let mut out = String::with_capacity(line.len() + 16);
    let escape = |words: &str, out: &mut String| {
        for c in words.chars() {
            let read = "\\`*_[]<>&|~".contains(c) || (out.is_empty() && "#+-=".contains(c));
            out.extend(read.then_some('\\').into_iter().chain([c]));
        }
    };
    let mut rest = &*line;
    while let Some((words, (code, after))) =
        rest.split_once('`').and_then(|(words, tail)| Some((words, tail.split_once('`')?)))
    {
        escape(words, &mut out);
        out.extend(["`", code, "`"]);
        rest = after;
    }
    escape(rest, &mut out);
    out
}

/// Says why a file can't be read, in words for people; a number of the operating system's tells them nothing.
pub fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".into(),
        io::ErrorKind::PermissionDenied => "this user may not read it".into(),
        io::ErrorKind::IsADirectory => "this is a directory, not a file".into(),
        io::ErrorKind::InvalidData => "this is no text in UTF-8: save it as that".into(),
        _ => {
            let said = error.to_string();
            said.split(" (os error").next().unwrap_or_default().to_owned()
        }
    }
}

/// Quotes a text as Go does (strconv.Quote): group keys and `%q` of templates are read by others.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            _ if is_printable(c) => out.push(c),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ => out.push_str(&match u32::from(c) {
                code @ (..0x20 | 0x7f) => format!("\\x{code:02x}"),
                code @ ..0x1_0000 => format!("\\u{code:04x}"),
                code => format!("\\U{code:08x}"),
            }),
        }
    }
    out.push('"');
    out
}

/// Whether Go prints a character as it is: letters, marks, numbers, signs and the plain blank (unicode.IsPrint).
fn is_printable(c: char) -> bool {
    // What Rust's own quoting leaves alone; a mark that belongs to the character before it, only behind another.
    c == '\'' || ['a', c].iter().collect::<String>().escape_debug().count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_file_can_not_be_read_is_said_in_words() {
        let check = |errno: i32, expected: &str| assert_eq!(unreadable(&io::Error::from_raw_os_error(errno)), expected);
        check(2, "there is no such file");
        check(13, "this user may not read it");
        check(21, "this is a directory, not a file");
        check(5, "Input/output error");
        assert_eq!(unreadable(&io::Error::other("odd")), "odd");
    }

    #[test]
    fn what_is_unwelcome_is_left_out() {
        let check = |text: &str, many: &str, one: &str| {
            assert_eq!((&*readable(text), &*one_line(text)), (many, one), "{text:?}");
            let json = serde_json::to_string(&[text, "é\"\\\u{1f600}"]).unwrap();
            let read: Vec<String> = serde_json::from_str(&readable_json(json)).unwrap();
            assert_eq!(read, [many, "é\"\\\u{1f600}"], "{text:?}");
        };
        check("plain\n\ttext é \u{5d0}", "plain\n\ttext é \u{5d0}", "plain text é \u{5d0}");
        check("\u{1b}[31mred\r\n\0\u{7f}\u{9b}x\u{8}\u{c}", "[31mred\nx", "[31mred x");
        for turn in "\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}".chars() {
            check(&format!("a{turn}b"), "ab", "ab");
        }
        check("\\u0000 \\r", "\\u0000 \\r", "\\u0000 \\r");
        assert_eq!(readable_json("[1,\"a\"]".into()), "[1,\"a\"]");
    }

    #[test]
    fn nothing_breaks_out_of_markdown() {
        let check = |text: &str, expected: &str| assert_eq!(markdown_with_code(text), expected);
        check("a `b_c` d_e", "a `b_c` d\\_e");
        check("a ` b", "a \\` b");
        check("<b>&amp;[x](y)|~*\\", "\\<b\\>\\&amp;\\[x\\](y)\\|\\~\\*\\\\");
        check("# a\n- b", "\\# a - b");
    }

    #[test]
    fn texts_are_quoted_as_go_quotes_them() {
        let check = |text: &str, expected: &str| assert_eq!(quoted(text), format!("\"{expected}\""), "{text:?}");
        check("it's <a>&b ü\u{1f600}", "it's <a>&b ü\u{1f600}");
        check("\"\\\n\r\t\u{7}\u{8}\u{b}\u{c}", r#"\"\\\n\r\t\a\b\v\f"#);
        check("\0\u{1}\u{7f}\u{a0}\u{200b}\u{feff}\u{e0001}", r"\x00\x01\x7f\u00a0\u200b\ufeff\U000e0001");
        check("e\u{301}\u{fffd}", "e\u{301}\u{fffd}");
    }

    #[test]
    fn durations_keep_their_two_largest_units() {
        let check = |seconds: f64, expected: &str| assert_eq!(duration(Duration::from_secs_f64(seconds)), expected);
        check(0.0, "less than 1 s");
        check(0.43, "0.4 s");
        check(12.9, "12 s");
        check(60.0, "1 min");
        check(190.0, "3 min 10 s");
        check(845.0, "14 min 5 s");
        check(3600.0, "1 h");
        check(7500.0, "2 h 5 min");
        check(86_400.0 + 3_700.0, "1 day 1 h");
        check(86_400.0 * 3.0 + 4.0 * 3600.0 + 59.0, "3 days 4 h");
        check(86_400.0 * 1400.0, "1,400 days");
    }

    #[test]
    fn moments_carry_their_date_when_it_is_another_day() {
        let now: Timestamp = "2026-11-23T06:55:59Z".parse().unwrap();
        assert_eq!(moment_today(now, now), "06:55:59 UTC");
        assert_eq!(moment_today("2026-11-22T23:10:00Z".parse().unwrap(), now), "2026-11-22 23:10:00 UTC");
        assert_eq!(between("2026-11-23T06:52:49Z".parse().unwrap(), now), "3 min 10 s");
        assert_eq!(between("2026-11-23T07:52:49Z".parse().unwrap(), now), "less than 1 s", "a clock ahead of ours");
        assert_eq!(date(Timestamp::MAX), "9999-12-30");
    }

    #[test]
    fn numbers_read_well() {
        let numbers = [number(0), number(999), number(1000), number(1_234_567)];
        assert_eq!(numbers, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([size(0), size(999), size(491_520), size(2_147_483_648)], ["0 B", "999 B", "491.5 kB", "2.1 GB"]);
        let ms = |n| latency(Duration::from_micros(n));
        assert_eq!([ms(400), ms(12_300), ms(999_400), ms(2_032_619)], ["0.4 ms", "12 ms", "999 ms", "2.03 s"]);
        assert_eq!([plural(1, "target", "targets"), plural(5000, "target", "targets")], ["1 target", "5,000 targets"]);
    }

    #[test]
    fn commands_are_told_from_words() {
        let check = |text: &str, html: &str| assert_eq!(html_with_code(text), html);
        check("", "");
        check("look there", "look there");
        check("run `kubectl get csr` first", "run <code>kubectl get csr</code> first");
        check("`a` `b", "<code>a</code> `b");
        check("a ` b", "a ` b");
        check("`<b>` & \"it's\"", "<code>&lt;b&gt;</code> &amp; &quot;it&#x27;s&quot;");
    }
}
