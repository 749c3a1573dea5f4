//! Printing: colours only on a terminal (NO_COLOR obeyed), errors on stderr. What clusters, jobs and alerts say reaches no
//! terminal but through `text::readable`.
#![allow(clippy::print_stdout, clippy::print_stderr)] // This is the room that prints.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anstyle::{AnsiColor, Style};

use super::{ConfigArgs, HistoryArgs};
use crate::{
    config::{self, Config},
    dial::{self, Missing},
    model::text,
};

/// The exit status of a usage or configuration error.
const FAILED: u8 = 1;

/// An error in words, and the exit status for it.
pub fn fail(message: &str) -> ExitCode {
    let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    anstream::eprintln!("{red}error:{red:#} {}", text::readable(message));
    ExitCode::from(FAILED)
}

/// A line for a person.
pub fn say(line: &str) {
    anstream::println!("{}", text::readable(line));
}

/// A line with colours of ours: what is not of ours in it went through [`text::readable`] before.
pub fn say_coloured(line: &str) {
    anstream::println!("{line}");
}

/// JSON, for machines and for whoever looks at it: what could turn or colour a terminal is escaped, so that no value differs.
pub fn say_json(json: &str) {
    println!("{}", escaped(json));
}

/// JSON in which unwelcome characters are escapes. serde_json writes none outside of strings.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if text::is_unwelcome(c) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// A remark beside the result, on stderr.
pub fn note(line: &str) {
    let yellow = style(AnsiColor::Yellow);
    anstream::eprintln!("{yellow}note:{yellow:#} {}", text::readable(line));
}

/// A question to whoever sits at the terminal, on stderr.
pub fn ask(question: &str) -> io::Result<()> {
    anstream::eprint!("{} ", text::readable(question));
    io::stderr().flush()
}

/// Why there are no credentials, with all that the plugin said below it: only for the user's own terminal.
pub fn missing(missing: &Missing) -> String {
    let said: String = missing.said.iter().map(|line| format!("\n    {line}")).collect();
    format!("{}{}{said}", missing.why, if said.is_empty() { "" } else { "; it says:" })
}

/// A style by name of meaning.
pub fn style(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(color.into()))
}

/// Columns that a table may take: the terminal's, as the shell tells it; 80 where nobody does.
pub fn width() -> u16 {
    const NARROW: u16 = 40;
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse::<u16>().ok());
    told.filter(|columns| *columns >= NARROW).unwrap_or(80)
}

/// The file that counts: the one named, or `./dogwatch.yml` where there is one.
pub fn config_file(args: &ConfigArgs) -> Option<PathBuf> {
    let here = PathBuf::from("dogwatch.yml");
    match (&args.config, &args.kubeconfig) {
        (Some(path), _) => Some(path.clone()),
        (None, None) if here.is_file() => Some(here),
        _ => None,
    }
}

/// The configuration, or all that is wrong with it, a line each.
pub async fn configuration(args: &ConfigArgs) -> Result<Config, String> {
    match config_file(args) {
        Some(path) => {
            config::load(&path).map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        }
        None => {
            let config = dial::DialConfig { kubeconfig: args.kubeconfig.clone(), ..Default::default() };
            let hint = "give --kubeconfig FILE, set $KUBECONFIG, or write a dogwatch.yml (--config)";
            let context = dial::context(&config).map_err(|e| format!("{e}\n{hint}"))?;
            Ok(Config::zero(&cluster_name(&context), args.kubeconfig.clone()))
        }
    }
}

/// The configuration for those that only read the history: without a file, the defaults.
pub async fn configuration_or_default(args: &HistoryArgs) -> Result<Config, String> {
    let config = ConfigArgs { config: args.config.clone(), kubeconfig: None };
    let mut config = match config_file(&config) {
        Some(_) => configuration(&config).await?,
        None => Config::zero("cluster", None),
    };
    if let Some(dir) = &args.data_dir {
        config.data_dir.clone_from(dir);
    }
    Ok(config)
}

/// Where the history is.
pub async fn data_dir(args: &HistoryArgs) -> Result<PathBuf, String> {
    // With a directory given, a configuration that is wrong elsewhere must not keep anybody from a backup.
    match &args.data_dir {
        Some(dir) => Ok(dir.clone()),
        None => configuration_or_default(args).await.map(|c| c.data_dir),
    }
}

/// A context's name as a cluster's: `arn:aws:eks:eu-west-1:1:cluster/prod` becomes `prod`.
pub fn cluster_name(context: &str) -> String {
    let last = context.rsplit('/').next().unwrap_or(context);
    let plain: String =
        last.chars().map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '-' }).take(100).collect();
    if plain.is_empty() { "cluster".into() } else { plain }
}

/// Each in a line of its own.
pub(super) fn lines(all: &[impl ToString]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_the_same_with_escapes() {
        let odd = "a\u{202e}b\u{9b}31m\u{1b}[0m\u{7f}é";
        let shown = escaped(&serde_json::json!({ odd: [odd] }).to_string());
        assert!(!shown.contains(text::is_unwelcome), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), serde_json::json!({ odd: [odd] }));
    }
}
