//! The language of Prometheus' test scripts (promql/promqltest/README.md), read.

use regex::Regex;

use super::values::{self, Value};

/// A step of a script.
pub enum Command {
    Clear,
    Load { step_ms: i64, series: Vec<(String, Vec<Value>)>, with_nhcb: bool, start_times: bool },
    Eval(Eval),
}

/// A query with what should come of it.
pub struct Eval {
    pub line: usize,
    pub query: String,
    /// Start, end, step in milliseconds; of an instant query only the start counts.
    pub at: (i64, i64, i64),
    pub range: bool,
    /// When the expected values are: of a range vector in an instant query it is said.
    pub values_at: (i64, i64),
    pub ordered: bool,
    /// What must be said beside the result, and nothing else of its kind; `None`: anything may be.
    pub warnings: Option<Vec<Words>>,
    pub infos: Option<Vec<Words>>,
    pub expected: Expected,
}

/// What a message has to be.
#[derive(Clone, Debug)]
pub enum Words {
    Any,
    Exactly(String),
    Like(Regex),
}

impl Words {
    /// Of `msg: …`, `regex: …`, or nothing.
    fn read(text: &str) -> Self {
        if let Some((_, message)) = text.split_once("msg:") {
            Words::Exactly(message.trim().into())
        } else if let Some((_, pattern)) = text.split_once("regex:") {
            Words::Like(Regex::new(pattern.trim()).unwrap_or_else(|e| panic!("{text}: {e}")))
        } else {
            Words::Any
        }
    }

    pub fn fit(&self, message: &str) -> bool {
        match self {
            Words::Any => true,
            // Older scripts tell no places.
            Words::Exactly(text) => {
                [text.as_str(), &unnamed(text)].iter().any(|t| *t == message || *t == unplaced(message))
            }
            Words::Like(regex) => regex.is_match(message) || regex.is_match(unplaced(message)),
        }
    }
}

/// A note without its ` (line:column)`.
pub fn unplaced(note: &str) -> &str {
    match note.rsplit_once(" (") {
        Some((text, place)) if place.ends_with(')') && place.starts_with(|c: char| c.is_ascii_digit()) => text,
        _ => note,
    }
}

/// A note without the metric that it is about: the scripts run with a feature flag (`promql-delayed-name-removal`) by
/// which some notes still know it.
fn unnamed(note: &str) -> String {
    Regex::new(r#" for metric name "[^"]*""#).unwrap().replace(note, "").into_owned()
}

pub enum Expected {
    /// With what the error has to be.
    Fail(Words),
    /// `(series, values)`; a scalar has no series. A text is the only value of a string.
    Result(Vec<(Option<String>, Vec<Value>)>),
}

pub fn read(text: &str) -> Vec<Command> {
    let lines: Vec<(usize, &str)> = text
        .lines()
        .enumerate()
        .map(|(i, line)| (i + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with('#'))
        .collect();
    let mut commands = Vec::new();
    let mut i = 0;
    while i < lines.len() {
        let (number, line) = lines[i];
        i += 1;
        if line.trim().is_empty() {
            continue;
        }
        let mut body = Vec::new();
        while i < lines.len() && !lines[i].1.trim().is_empty() && !is_command(lines[i].1) {
            body.push(lines[i].1.trim());
            i += 1;
        }
        let line = line.trim();
        if line == "clear" {
            commands.push(Command::Clear);
        } else if let Some(step) = line.strip_prefix("load_with_nhcb ").or_else(|| line.strip_prefix("load ")) {
            // `series@st` are start times: a feature flag's.
            let (start_times, samples): (Vec<&str>, Vec<&str>) = body.iter().partition(|l| l.contains("@st "));
            let series = samples.iter().map(|l| values::series(l)).collect();
            commands.push(Command::Load {
                step_ms: values::duration_ms(step),
                series,
                with_nhcb: line.starts_with("load_with"),
                start_times: !start_times.is_empty(),
            });
        } else {
            commands.push(Command::Eval(eval(number, line, &body)));
        }
    }
    commands
}

fn is_command(line: &str) -> bool {
    let word = line.split_whitespace().next().unwrap_or_default();
    !line.starts_with([' ', '\t']) && (word == "clear" || word.starts_with("load") || word.starts_with("eval"))
}

fn eval(number: usize, line: &str, body: &[&str]) -> Eval {
    let (word, rest) = line.split_once(' ').unwrap();
    let rest = rest.trim();
    let (at, query, range) = match rest.strip_prefix("instant at ") {
        Some(rest) => {
            let (at, query) = rest.trim().split_once(char::is_whitespace).unwrap();
            let at = values::duration_ms(at);
            ((at, at, 0), query, false)
        }
        None => {
            let words: Vec<&str> = rest.split_whitespace().collect();
            let ["range", "from", from, "to", to, "step", step, ..] = words[..] else { panic!("{number}: {line}") };
            let query = rest.split_once(" step ").unwrap().1.trim_start().split_once(char::is_whitespace).unwrap().1;
            ((values::duration_ms(from), values::duration_ms(to), values::duration_ms(step)), query, true)
        }
    };
    let mut eval = Eval {
        line: number,
        query: query.trim().to_string(),
        at,
        values_at: (at.0, at.2),
        range,
        ordered: word == "eval_ordered",
        warnings: (word == "eval_warn").then(|| vec![Words::Any]),
        infos: (word == "eval_info").then(|| vec![Words::Any]),
        expected: Expected::Result(Vec::new()),
    };
    let mut fail = (word == "eval_fail").then_some(Words::Any);
    let mut results = Vec::new();
    for line in body {
        if let Some(message) = line.strip_prefix("expected_fail_message ") {
            fail = Some(Words::Exactly(message.trim().into()));
        } else if let Some(pattern) = line.strip_prefix("expected_fail_regexp ") {
            fail = Some(Words::read(&format!("regex:{pattern}")));
        } else if let Some(what) = line.strip_prefix("expect ") {
            expect(what.trim(), &mut eval, &mut fail, &mut results);
        } else if line.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+')
            || ["NaN", "Inf"].contains(line)
        {
            results.push((None, values::sequence(line)));
        } else {
            let (series, values) = values::series(line);
            results.push((Some(series), values));
        }
    }
    eval.expected = fail.map_or(Expected::Result(results), Expected::Fail);
    eval
}

fn expect(what: &str, eval: &mut Eval, fail: &mut Option<Words>, results: &mut Vec<(Option<String>, Vec<Value>)>) {
    match what.split_whitespace().next().unwrap_or_default() {
        "ordered" => eval.ordered = true,
        "fail" => *fail = Some(Words::read(what)),
        "warn" => eval.warnings.get_or_insert_default().push(Words::read(what)),
        "info" => eval.infos.get_or_insert_default().push(Words::read(what)),
        "no_warn" => eval.warnings = Some(Vec::new()),
        "no_info" => eval.infos = Some(Vec::new()),
        "string" => results.push((None, vec![Value::Text(values::unquoted(what.trim_start_matches("string").trim()))])),
        "range" => {
            let words: Vec<&str> = what.split_whitespace().collect();
            let ["range", "vector", "from", from, "to", _, "step", step] = words[..] else { panic!("expect {what}") };
            eval.values_at = (values::duration_ms(from), values::duration_ms(step));
        }
        other => panic!("{}: expect {other}", eval.line),
    }
}
