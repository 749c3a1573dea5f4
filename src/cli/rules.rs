//! `dogwatch rules`: unit tests in promtool's format, and rules played over the history.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anstyle::AnsiColor;
use anyhow::Context;
use comfy_table::{Table, presets};
use jiff::Timestamp;
use serde_json::json;

use super::{BacktestArgs, Output, RulesCommand, output};
use crate::{
    clock::Clock,
    config,
    model::{Incident, Pairs, duration::prometheus as duration, text},
    notify::summary,
    rule::{
        self, Group,
        backtest::{self, Report, Window},
        shipped, test,
    },
    store::Store,
    telemetry::Metrics,
};

/// Incidents that a backtest is held against.
const INCIDENTS_MAX: usize = 10_000;
/// History that is rolled up is told of where it is more than a day's: samples are rolled up by the day.
const ROLLED_NOTED_MS: i64 = 86_400_000;
/// Episodes that the table lists of one rule.
const EPISODES_SHOWN: usize = 5;

/// Does it.
pub async fn main(command: RulesCommand) -> anyhow::Result<ExitCode> {
    match command {
        RulesCommand::Test(args) => tokio::task::spawn_blocking(move || test_files(&args.files)).await?,
        RulesCommand::Backtest(args) => play(args).await,
        RulesCommand::Show { file } => show(file.as_deref()),
    }
}

fn show(file: Option<&str>) -> anyhow::Result<ExitCode> {
    let chosen: Vec<&(&str, &str)> =
        shipped::FILES.iter().filter(|(name, _)| file.is_none_or(|f| f == *name)).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = shipped::FILES.iter().map(|(name, _)| *name).collect();
        return Ok(output::fail(&format!("there is no such built-in file; there are: {}", names.join(", "))));
    }
    for (name, text) in chosen {
        output::say(&if file.is_some() { text.trim_end().to_owned() } else { format!("# alerts/{name}\n{text}") });
    }
    Ok(ExitCode::SUCCESS)
}

fn test_files(files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let mut failed = false;
    for file in files {
        match test::run(file) {
            Ok(report) => {
                failed |= !report.failed.is_empty();
                let color = output::style(if report.failed.is_empty() { AnsiColor::Green } else { AnsiColor::Red });
                let words = test::in_words(file, &report);
                output::say_coloured(&format!("{color}{}{color:#}", text::readable(&words)));
            }
            Err(errors) => {
                failed = true;
                output::fail(&errors.join("\n"));
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn play(args: BacktestArgs) -> anyhow::Result<ExitCode> {
    let config = output::configuration_or_default(&args.history).await.map_err(anyhow::Error::msg)?;
    let groups = match &args.files[..] {
        [] => config::rules(&config)?,
        files => load(files)?,
    };
    let since = duration(&args.since).map_err(anyhow::Error::msg)?;
    let (data_dir, limits) = (config.data_dir.clone(), config.query.clone());
    let open = move || Store::read_only(data_dir, Arc::new(Metrics::new()), Clock::system());
    let store = tokio::task::spawn_blocking(open).await?.context("is this dogwatch's data directory? (--data-dir)")?;
    let now = Timestamp::now();
    let oldest = store.oldest_ms().ok_or_else(|| anyhow::anyhow!("the history is empty"))?;
    let asked = now.as_millisecond() - i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    let window = Window { from_ms: asked.max(oldest), to_ms: now.as_millisecond() };
    let from = Timestamp::from_millisecond(window.from_ms)?;
    if let Some(sample) = store.oldest_sample_ms().filter(|sample| *sample > window.from_ms + ROLLED_NOTED_MS) {
        let until = text::moment(Timestamp::from_millisecond(sample)?);
        output::note(&format!(
            "before {until} history is rolled up: what was shorter than 5 minutes may not be seen in it"
        ));
    }
    let incidents = store.incidents_since(from, INCIDENTS_MAX).await?;
    let told = incidents.clone();
    let report = tokio::task::spawn_blocking(move || backtest::run(&groups, &store, &limits, &told, window)).await?;
    match args.output {
        Output::Json => output::say_json(&as_json(&report, window).to_string()),
        Output::Table => output::say(&as_text(&report, &incidents, from, now)),
    }
    Ok(ExitCode::SUCCESS)
}

fn load(files: &[PathBuf]) -> anyhow::Result<Vec<Group>> {
    let (mut groups, mut errors) = (Vec::new(), Vec::new());
    for file in files {
        match rule::file::load(file) {
            Ok(read) => groups.extend(read),
            Err(found) => errors.extend(found.iter().map(ToString::to_string)),
        }
    }
    if errors.is_empty() { Ok(groups) } else { Err(anyhow::anyhow!(errors.join("\n"))) }
}

fn as_text(report: &Report, incidents: &[Incident], from: Timestamp, now: Timestamp) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["rule", "fired", "in all", "incidents", "when"]);
    for r in &report.rules {
        let when = match &r.error {
            Some(error) => format!("can't be evaluated: {error}"),
            None => episodes(r),
        };
        let ids: Vec<String> = r.incidents.iter().map(ToString::to_string).collect();
        let fired = r.episodes.len() + r.more;
        let lasted = if fired == 0 { String::new() } else { text::duration(r.firing_for) };
        table.add_row([r.rule.clone(), fired.to_string(), lasted, ids.join(" "), when]);
    }
    let length = Duration::try_from(now.duration_since(from)).unwrap_or_default();
    let mut text = format!("{} of history, since {}\n\n{table}\n", text::duration(length), text::moment(from));
    let missed: Vec<&Incident> = incidents.iter().filter(|i| report.unnoticed.contains(&i.id)).collect();
    if !incidents.is_empty() {
        let seen = incidents.len() - missed.len();
        text.push_str(&format!(
            "\n{seen} of {} incidents of that time fall together with one of these rules",
            incidents.len()
        ));
    }
    for i in missed.iter().take(EPISODES_SHOWN * 2) {
        text.push_str(&format!("\n  not noticed: {} [{}] {}", i.id, summary::place(i), i.headline));
    }
    text
}

fn episodes(r: &backtest::RuleReport) -> String {
    let shown = r.episodes.iter().take(EPISODES_SHOWN).map(|e| {
        let lasted = e.to.map_or_else(
            || "and fires now".to_owned(),
            |to| text::duration(Duration::try_from(to.duration_since(e.from)).unwrap_or_default()),
        );
        format!("{} {lasted} {}", e.from.strftime("%m-%d %H:%M"), brief(&e.labels))
    });
    let mut lines: Vec<String> = shown.collect();
    let more = (r.episodes.len() + r.more).saturating_sub(EPISODES_SHOWN);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}

fn brief(labels: &Pairs) -> String {
    let wanted = ["cluster", "job", "instance", "node"];
    let parts: Vec<&str> = wanted.iter().filter_map(|k| labels.get(*k)).map(String::as_str).collect();
    parts.join("/")
}

fn as_json(report: &Report, window: Window) -> serde_json::Value {
    let rules: Vec<serde_json::Value> = report
        .rules
        .iter()
        .map(|r| {
            let episodes: Vec<_> = r
                .episodes
                .iter()
                .map(|e| json!({"labels": e.labels, "from": e.from.to_string(), "to": e.to.map(|t| t.to_string()), "incidents": e.incidents}))
                .collect();
            json!({"group": r.group, "rule": r.rule, "error": r.error, "episodes": episodes, "more": r.more,
                   "firing_seconds": r.firing_for.as_secs_f64(), "incidents": r.incidents})
        })
        .collect();
    json!({"from_ms": window.from_ms, "to_ms": window.to_ms, "rules": rules, "unnoticed_incidents": report.unnoticed})
}
