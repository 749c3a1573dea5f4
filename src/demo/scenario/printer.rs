//! How the demo is printed: a clock at the left, words wrapped, messages in a box. Whatever came over a wire loses its
//! control characters first.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use anstyle::{AnsiColor, Style};
use tokio::time::Instant;

use crate::{
    demo::{Hook, Mail},
    model::State,
};

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DOUBT: Style = AnsiColor::Yellow.on_default();
const ACT: Style = AnsiColor::Cyan.on_default().bold();

/// Words are wrapped to this many columns: a terminal of 80 shows them whole.
const WIDTH: usize = 79;

/// Columns that the clock takes: `00:07  `.
const MARGIN: usize = 7;

/// A message longer than this is cut: the story goes on.
const MAIL_LINES_MAX: usize = 60;

/// Where the story is written.
pub struct Printer<'a, W> {
    out: &'a mut W,
    began: Instant,
}

impl<'a, W: Write> Printer<'a, W> {
    /// The clock starts now.
    pub fn new(out: &'a mut W) -> Self {
        Self { out, began: Instant::now() }
    }

    /// Something that is said.
    pub fn plain(&mut self, text: &str) -> io::Result<()> {
        self.say(Style::new(), text)
    }

    /// Good news.
    pub fn good(&mut self, text: &str) -> io::Result<()> {
        self.say(GOOD, text)
    }

    /// Bad news.
    pub fn bad(&mut self, text: &str) -> io::Result<()> {
        self.say(BAD, text)
    }

    /// Something that the play itself does.
    pub fn heading(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out)?;
        self.say(ACT, text)
    }

    /// A verdict that changed.
    pub fn change(&mut self, who: &str, state: State, message: &str) -> io::Result<()> {
        let style = match state {
            State::Up => GOOD,
            State::Suspect => DOUBT,
            State::Down | State::Flapping => BAD,
            State::Unknown => DIM,
        };
        let clock = self.clock();
        let (who, message) = (clean(who), clean(message));
        write!(self.out, "{DIM}{clock}{DIM:#}  {style}{state:<8}{style:#} {who}")?;
        // In brackets of the same line where there is room, else below.
        let used = MARGIN + 9 + who.chars().count() + 2;
        if message.is_empty() {
            writeln!(self.out)
        } else if used + message.chars().count() <= WIDTH {
            writeln!(self.out, "  {DIM}{message}{DIM:#}")
        } else {
            writeln!(self.out)?;
            self.below(MARGIN + 9, DIM, &message)
        }
    }

    /// A mail, in a box.
    pub fn mail(&mut self, mail: &Mail) -> io::Result<()> {
        self.frame("a mail arrives", |lines| {
            lines.push((DIM, format!("From: {}", mail.header("From").unwrap_or_else(|| mail.from.clone()))));
            lines.push((DIM, format!("To: {}", mail.header("To").unwrap_or_else(|| mail.to.join(", ")))));
            lines.push((BOLD, format!("Subject: {}", mail.subject())));
            lines.push((DIM, String::new()));
            let text = mail.text();
            let all: Vec<&str> = text.trim().lines().collect();
            lines.extend(all.iter().take(MAIL_LINES_MAX).map(|l| (Style::new(), (*l).to_owned())));
            if all.len() > MAIL_LINES_MAX {
                lines.push((DIM, format!("(and {} more lines)", all.len() - MAIL_LINES_MAX)));
            }
        })
    }

    /// A webhook call, in a box of its own.
    pub fn hook(&mut self, hook: &Hook) -> io::Result<()> {
        self.frame("the webhook is called", |lines| {
            let status = hook.json["status"].as_str().unwrap_or("no status");
            lines.push((BOLD, format!("POST {}  status: {status}", hook.path)));
            for ((status, what), n) in summary(&hook.json) {
                let times = if n > 1 { format!(" ({n} times)") } else { String::new() };
                lines.push((Style::new(), format!("{status}: {what}{times}")));
            }
        })
    }

    fn frame(&mut self, title: &str, fill: impl FnOnce(&mut Vec<(Style, String)>)) -> io::Result<()> {
        let mut lines = Vec::new();
        fill(&mut lines);
        let clock = self.clock();
        let margin = " ".repeat(MARGIN);
        let rule = "─".repeat(WIDTH - MARGIN - title.chars().count() - 4);
        writeln!(self.out, "{DIM}{clock}{DIM:#}  {DIM}┌─{DIM:#} {BOLD}{title}{BOLD:#} {DIM}{rule}{DIM:#}")?;
        for (style, line) in &lines {
            for piece in wrap(&clean(line), WIDTH - MARGIN - 2) {
                writeln!(self.out, "{margin}{DIM}│{DIM:#} {style}{piece}{style:#}")?;
            }
        }
        writeln!(self.out, "{margin}{DIM}└{}{DIM:#}", "─".repeat(WIDTH - MARGIN - 1))?;
        self.out.flush()
    }

    fn say(&mut self, style: Style, text: &str) -> io::Result<()> {
        let clock = self.clock();
        let text = clean(text);
        let mut lines = wrap(&text, WIDTH - MARGIN).into_iter();
        let first = lines.next().unwrap_or_default();
        writeln!(self.out, "{DIM}{clock}{DIM:#}  {style}{first}{style:#}")?;
        for line in lines {
            writeln!(self.out, "{:MARGIN$}{style}{line}{style:#}", "")?;
        }
        self.out.flush()
    }

    fn below(&mut self, indent: usize, style: Style, text: &str) -> io::Result<()> {
        for line in wrap(text, WIDTH - indent) {
            writeln!(self.out, "{:indent$}{style}{line}{style:#}", "")?;
        }
        self.out.flush()
    }

    fn clock(&self) -> String {
        let seconds = self.began.elapsed().as_secs();
        format!("{:02}:{:02}", seconds / 60, seconds % 60)
    }
}

/// The alerts of a webhook message by status and name, each with its number; what fires first.
fn summary(json: &serde_json::Value) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for alert in json["alerts"].as_array().into_iter().flatten() {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or("?").to_owned();
        let labels = &alert["labels"];
        let what = format!("{}, {}", text(&labels["alertname"]), text(&labels["severity"]));
        *counts.entry((text(&alert["status"]), what)).or_default() += 1;
    }
    counts
}

/// Without control characters: nobody's message moves our cursor.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// Lines of at most `width` characters, broken at spaces where there are any. A line's own indent is kept and its
/// continuation stands below its words.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let indent = text.chars().take_while(|c| *c == ' ').count().min(width / 2);
    let hang = indent + if text.trim_start().starts_with("- ") { 2 } else { 0 };
    let mut lines = Vec::new();
    let mut line = " ".repeat(indent);
    let mut empty = true;
    for word in text.split_ascii_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        if !empty && line.chars().count() + 1 + rest.len() > width {
            lines.push(std::mem::replace(&mut line, " ".repeat(hang)));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        // A word longer than a line is cut.
        while line.chars().count() + rest.len() > width {
            let room = (width - line.chars().count()).max(1);
            line.extend(rest.drain(..room.min(rest.len())));
            lines.push(std::mem::replace(&mut line, " ".repeat(hang)));
        }
        line.extend(rest);
        empty = false;
    }
    lines.push(line.trim_end().to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_and_keep_their_indent() {
        let check = |text: &str, width: usize, expected: &[&str]| assert_eq!(wrap(text, width), expected, "{text:?}");
        check("", 10, &[""]);
        check("one two three", 20, &["one two three"]);
        check("one two three", 8, &["one two", "three"]);
        check("  - one two three", 10, &["  - one", "    two", "    three"]);
        check("abcdefghijkl m", 5, &["abcde", "fghij", "kl m"]);
        check("   ", 10, &[""]);
    }

    proptest::proptest! {
        #[test]
        fn no_line_is_too_wide_and_no_word_is_lost(text in "[ a-z\u{e4}-]{0,120}", width in 10_usize..80) {
            let lines = wrap(&text, width);
            proptest::prop_assert!(lines.iter().all(|l| l.chars().count() <= width), "{lines:?}");
            let letters = |s: &str| s.chars().filter(|c| *c != ' ').collect::<String>();
            proptest::prop_assert_eq!(letters(&lines.concat()), letters(&text));
        }
    }

    #[test]
    fn what_came_over_a_wire_moves_no_cursor() {
        let mut out = Vec::new();
        let mut printer = Printer::new(&mut out);
        let mail =
            Mail::new("a@b".into(), vec!["c@d".into()], "Subject: x\x1b[2J\r\n\r\nhi\x1b]0;title\x07\r\n".into());
        printer.mail(&mail).unwrap();
        printer.hook(&Hook { path: "/\x1bc".into(), json: serde_json::json!({"alerts": 3}) }).unwrap();
        printer.change("etcd x", State::Down, &"long \x1b[31m".repeat(20)).unwrap();
        let plain = anstream::adapter::strip_bytes(&out).into_vec();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains("\x1b[2J") && !text.contains("\x1b]0") && !text.contains("\x1bc"), "{text:?}");
        assert!(String::from_utf8(plain).unwrap().contains("Subject: x[2J"));
    }
}
