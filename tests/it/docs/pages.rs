//! The references of commands, metrics and alerts, written from what the code says of itself.

use std::collections::BTreeMap;

use clap::{Command, CommandFactory as _};
use dogwatch::{
    cli::Cli,
    model::AlertName,
    rule::{
        file::{Group, Kind},
        shipped,
    },
    telemetry::names,
};

use super::{all, cell, is_generated, page, root};

const COMMANDS: &str = "\
# Command line

What `dogwatch --help` says, and `--help` of each command. Tables are for people; for programs most commands have `-o json`. Manual
pages and completions for shells are made by the program itself:

```sh
dogwatch man ~/.local/share/man/man1
dogwatch completions bash > ~/.local/share/bash-completion/completions/dogwatch
```
";

/// So wide as the program writes at the most.
const WIDTH: usize = 100;

/// As it is shown everywhere: values of this machine's environment are not.
fn settled(command: Command) -> Command {
    let subcommands: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    let command = command.term_width(WIDTH).mut_args(|arg| arg.hide_env_values(true));
    subcommands.into_iter().fold(command, |command, name| command.mut_subcommand(name, settled))
}

fn command_sections(command: &Command, name: &str, level: usize, out: &mut String) {
    let mut shown = command.clone().bin_name(name).color(clap::ColorChoice::Never);
    let help = shown.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    out.push_str(&format!("\n{} `{name}`\n\n```text\n{}\n```\n", "#".repeat(level), help.join("\n").trim_end()));
    for below in command.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set()) {
        command_sections(below, &format!("{name} {}", below.get_name()), (level + 1).min(3), out);
    }
}

#[test]
fn the_reference_has_every_command() {
    let mut out = COMMANDS.to_owned();
    command_sections(&settled(Cli::command()), "dogwatch", 2, &mut out);
    is_generated("docs/cli.md", &out);
}

const METRICS: &str = "\
# Metrics

Names that the store, PromQL, `/metrics` and remote_write share; each is shown with the same text there. Every series of a target
has `cluster`, `job` and `instance`, and `node` where there is one. A check's job is its name. In a Prometheus that
scrapes dogwatch, `honor_labels: true` keeps them ([grafana.md](grafana.md)). Metrics that dogwatch scrapes of components (`scrape: {}`) or
makes from recorded objects (`state_metrics: true`) keep the names of their makers and are not listed here.

## Of what is watched
";

const OWN: &str = "
## Of the watchdog itself

On `/metrics`, and in the history; beside them the `process_*` metrics that every Prometheus client has. Alerts on them
are in [alerts/watchdog.yml](../alerts/watchdog.yml).

| name | kind | labels | |
|---|---|---|---|
";

/// A text between quotes, the first one.
fn quoted(text: &str) -> Option<&str> {
    text.split('"').nth(1)
}

/// What `Metrics::register…` names: (name, help, field), by the code's text, since an empty family is in no exposition.
fn registered(code: &str) -> Vec<(String, String, String)> {
    let mut last_text = "";
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("r.register(") {
        if let Some(text) = rest[..at].rfind("let text = ") {
            last_text = quoted(&rest[text..]).unwrap();
        }
        rest = &rest[at + "r.register(".len()..];
        let end = rest.find(".clone()").unwrap();
        let call = &rest[..end];
        let texts: Vec<&str> = call.split('"').skip(1).step_by(2).collect();
        let field = call.rsplit("self.").next().unwrap();
        let help = texts.get(1).copied().unwrap_or(last_text);
        found.push((texts[0].to_owned(), help.to_owned(), field.to_owned()));
    }
    found
}

/// The fields of a struct of labels, as they are shown.
fn labels(code: &str, name: &str) -> String {
    let body = code.split(&format!("pub struct {name} {{")).nth(1).unwrap().split('}').next().unwrap();
    let fields = body.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split(':').next());
    fields.map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_reference_has_every_metric() {
    let mut out = METRICS.to_owned();
    out.push_str("\n| name | |\n|---|---|\n");
    let mut gauges = names::GAUGES.to_vec();
    gauges.sort_unstable();
    gauges.iter().for_each(|(name, help)| out.push_str(&format!("| `{name}` | {} |\n", cell(help))));
    out.push_str(OWN);
    let code = page(&root().join("src/telemetry.rs")).text;
    let registered = registered(&code);
    assert_eq!(registered.len(), code.matches("r.register(").count());
    let mut rows: Vec<String> = registered
        .iter()
        .map(|(name, help, field)| {
            let kind = code.split(&format!("pub {field}: ")).nth(1).unwrap().lines().next().unwrap();
            let labels = kind.strip_prefix("Family<").map(|of| labels(&code, of.split(',').next().unwrap()));
            let is_counter = kind.contains("Counter");
            let word = match () {
                () if is_counter => "counter",
                () if kind.contains("Histogram") => "histogram",
                () => "gauge",
            };
            let total = if is_counter { "_total" } else { "" };
            format!("| `dogwatch_{name}{total}` | {word} | {} | {} |\n", labels.unwrap_or_default(), cell(help))
        })
        .collect();
    rows.sort();
    out.push_str(&rows.concat());
    is_generated("docs/metrics-reference.md", &out);
}

const ALERTS: &str = "\
# Alerts

Every alert that dogwatch brings along: found by the [diagnosis](diagnosis.md), by a [rule](alerting.md) of
[alerts](../alerts), or by both, which are then told once. Severities and times are those of the rules; what the diagnosis
alone finds has them by the case, and its runbook says when. Each name leads to its [runbook](runbooks/README.md).

| alert | found by | severity: after | what it means |
|---|---|---|---|
";

fn severities(groups: &[Group], alert: &str) -> Vec<String> {
    let rules = groups.iter().flat_map(|group| &group.rules).filter(|rule| rule.name == alert);
    let mut all: Vec<String> = rules
        .filter_map(|rule| {
            let Kind::Alerting { hold, .. } = &rule.kind else { return None };
            let severity =
                rule.labels.iter().find(|(key, _)| key == "severity").map(|(_, label)| label.text.as_str())?;
            Some(format!("{severity}: {}", humantime::format_duration(*hold)))
        })
        .collect();
    all.sort();
    all.dedup();
    all
}

#[test]
fn the_reference_has_every_alert() {
    let groups = shipped::groups().unwrap();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in AlertName::ALL {
        found.entry(name.to_string()).or_default().push("diagnosis".into());
    }
    for group in &groups {
        for rule in group.rules.iter().filter(|rule| matches!(rule.kind, Kind::Alerting { .. })) {
            let file = group.file.rsplit('/').next().unwrap();
            let by = format!("[{file}](../alerts/{file})");
            let all = found.entry(rule.name.clone()).or_default();
            if !all.contains(&by) {
                all.push(by);
            }
        }
    }
    let mut out = ALERTS.to_owned();
    for (alert, by) in found {
        let runbook = page(&root().join(format!("docs/runbooks/{alert}.md"))).text;
        let meaning = runbook.split("## What it means\n").nth(1).unwrap().split("\n##").next().unwrap();
        // Links lead from the runbooks' folder.
        let meaning = cell(meaning.trim().split("\n\n").next().unwrap()).replace("](", "](runbooks/");
        let severities = severities(&groups, &alert).join("; ");
        out.push_str(&format!("| [{alert}](runbooks/{alert}.md) | {} | {severities} | {meaning} |\n", by.join(", ")));
    }
    is_generated("docs/alerts-reference.md", &out);
}

/// What `init` recognises, and by what, is on the pages of kinds of clusters.
#[test]
fn every_kind_of_cluster_has_its_page() {
    let code = page(&root().join("src/init/platform.rs")).text;
    let tables = code.split("const BY_VERSION").nth(1).unwrap().split("pub fn recognise").next().unwrap();
    // Each mark is the first of a tuple, each name the first of what makes a platform.
    let words: Vec<&str> = tables
        .split('(')
        .skip(1)
        .filter_map(|rest| Some(rest.trim_start().strip_prefix('"')?.split('"').next().unwrap()))
        .collect();
    assert!(words.len() > 20, "{words:?}");
    let pages: String = all().iter().filter(|page| page.path.starts_with("docs/managed/")).map(|p| &*p.text).collect();
    let missing: Vec<&&str> = words.iter().filter(|word| !pages.contains(**word)).collect();
    assert!(missing.is_empty(), "no page of docs/managed tells of {missing:?}");
}
