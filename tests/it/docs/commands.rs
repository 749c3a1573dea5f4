//! Commands that documents show: each is one that dogwatch takes, and those that need nothing are run.

use std::process::{Command, Output};

use clap::{Parser, error::ErrorKind};
use dogwatch::cli::Cli;
use pulldown_cmark::Event;

use super::all;

/// Words before a command that leave it what it is.
const BEFORE: [&str; 6] = ["sudo", "$", "do", "then", "time", "exec"];

/// The commands of a text, in words, as a shell reads them: quotes, comments, continued lines, and what is sent elsewhere.
pub fn commands(text: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let (mut word, mut quote, mut is_target) = (None::<String>, None, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some('"') | None, '\\') => match chars.next() {
                Some('\n') | None => {}
                Some(next) => word.get_or_insert_default().push(next),
            },
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                word.get_or_insert_default();
                quote = Some(c);
            }
            (None, '#') if word.is_none() => while chars.next_if(|c| *c != '\n').is_some() {},
            (None, ' ' | '\t' | '\n' | ';' | '|' | '&' | '(' | ')' | '<' | '>') => {
                // `2>` is no word of the command.
                let is_number = word.as_ref().is_some_and(|w| w.bytes().all(|b| b.is_ascii_digit()));
                if let Some(word) = word.take()
                    && !std::mem::take(&mut is_target)
                    && !(is_number && c == '>')
                {
                    commands.last_mut().unwrap().push(word);
                }
                match c {
                    '<' | '>' => is_target = true,
                    ' ' | '\t' => {}
                    _ => commands.push(Vec::new()),
                }
            }
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    commands.last_mut().unwrap().extend(word.filter(|_| !is_target));
    commands.retain(|words| !words.is_empty());
    commands
}

/// What dogwatch is given by a command, if it is one of dogwatch's: its own words, then.
pub fn ours(command: &[String]) -> Option<Vec<String>> {
    let is_before = |word: &&String| BEFORE.contains(&word.as_str()) || word.contains('=') && !word.starts_with('-');
    let command = &command[command.iter().take_while(is_before).count()..];
    let words = command.iter().map(String::as_str).collect::<Vec<_>>();
    let given = match words[..] {
        ["cargo", "run", ..] => &command[command.iter().position(|word| word == "--")? + 1..],
        [program, ..] if program == "dogwatch" || program.ends_with("/dogwatch") => &command[1..],
        _ => &command[command.windows(2).position(|two| two[0] == "--" && two[1] == "dogwatch")? + 2..],
    };
    Some([&["dogwatch".to_owned()], given].concat())
}

/// Commands of all documents, with their places.
fn shown() -> Vec<(String, Vec<String>)> {
    let blocks = all().iter().flat_map(super::Page::blocks).collect::<Vec<_>>();
    let blocks = blocks.into_iter().filter(|block| ["", "sh", "console"].contains(&block.language.as_str()));
    blocks
        .flat_map(|block| commands(&block.text).into_iter().map(move |command| (block.place.clone(), command)))
        .filter_map(|(place, command)| Some((place, ours(&command)?)))
        .collect()
}

#[test]
fn a_line_is_read_as_a_shell_does() {
    let check = |line: &str, expected: &[&[&str]]| assert_eq!(commands(line), expected, "{line}");
    check("dogwatch check  # all of it", &[&["dogwatch", "check"]]);
    check("dogwatch query 'up == 0' | head; x", &[&["dogwatch", "query", "up == 0"], &["head"], &["x"]]);
    check("a \"b c\"d \\\n e >f 2>&1", &[&["a", "b cd", "e"]]);
    check("a && b=c \"\" d#e", &[&["a"], &["b=c", "", "d#e"]]);
    let check = |line: &str, expected: Option<&[&str]>| {
        let found = commands(line).first().and_then(|command| ours(command));
        assert_eq!(
            found.as_deref(),
            expected.map(|e| e.iter().map(ToString::to_string).collect::<Vec<_>>()).as_deref()
        );
    };
    check("sudo A=b dogwatch run -c x", Some(&["dogwatch", "run", "-c", "x"]));
    check("cargo run --release -- demo", Some(&["dogwatch", "demo"]));
    check("kubectl exec deploy/dogwatch -- dogwatch status", Some(&["dogwatch", "status"]));
    check("kubectl create namespace dogwatch", None);
}

#[test]
fn every_command_is_one_that_dogwatch_takes() {
    let (mut wrong, shown) = (Vec::new(), shown());
    assert!(shown.len() > 80, "only {} commands were found", shown.len());
    for (place, command) in shown {
        if let Err(why) = Cli::try_parse_from(&command)
            && !matches!(why.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
        {
            wrong.push(format!("{place}: {}\n{why}", command.join(" ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `dogwatch drill` and the like in the middle of sentences, with their documents. The changelog tells of what was, too.
fn in_sentences() -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for page in all().iter().filter(|page| page.path != "CHANGELOG.md") {
        for event in page.parsed() {
            let Event::Code(code) = event else { continue };
            let command = commands(&code).first().and_then(|command| ours(command));
            found.extend(command.map(|command| (page.path.clone(), command)));
        }
    }
    found
}

/// They need not be whole, but what stands there must be known.
#[test]
fn commands_in_sentences_are_known() {
    let found = in_sentences();
    assert!(found.len() > 50, "only {} were found", found.len());
    let is_wrong = |command: &[String]| {
        let why = Cli::try_parse_from(command).err().map(|why| why.kind());
        matches!(why, Some(ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand))
    };
    let wrong: Vec<String> = found
        .iter()
        .filter(|(_, command)| is_wrong(command))
        .map(|(page, command)| format!("{page}: {}", command.join(" ")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn run(command: &[String], dir: &std::path::Path) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_dogwatch"));
    program.args(&command[1..]).current_dir(dir).env_remove("KUBECONFIG").env("HOME", dir).env("NO_COLOR", "1");
    program.output().unwrap()
}

#[test]
fn commands_that_need_nothing_go_well() {
    let dir = tempfile::tempdir().unwrap();
    let needs_nothing = |words: &[String]| match words.get(1).map(String::as_str) {
        Some("schema" | "--help" | "--version") => true,
        Some("completions") => words.len() > 2,
        Some("rules") => words.get(2).is_some_and(|w| w == "show") && !words.iter().any(|w| w.contains('$')),
        _ => words.iter().any(|word| word == "--help"),
    };
    let mut run_so_far = 0;
    for (place, command) in shown().into_iter().chain(in_sentences()).filter(|(_, command)| needs_nothing(command)) {
        let made = run(&command, dir.path());
        assert!(made.status.success(), "{place}: {}: {}", command.join(" "), String::from_utf8_lossy(&made.stderr));
        assert!(!made.stdout.is_empty(), "{place}: {} says nothing", command.join(" "));
        run_so_far += 1;
    }
    assert!(run_so_far >= 3, "only {run_so_far} commands need nothing");
}
