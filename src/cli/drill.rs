//! `dogwatch drill`: does an alarm really arrive?

use std::process::ExitCode;

use anstyle::AnsiColor;
use comfy_table::{Table, presets};

use super::{ConfigArgs, DrillArgs, Output, output};
use crate::{
    app::drill::{self, Report},
    config::Config,
    dispatch,
    model::Topic,
    notify,
};

/// Plays drills and prints their proofs; 0 only where every proof is there.
pub async fn main(args: DrillArgs) -> anyhow::Result<ExitCode> {
    let file = ConfigArgs { config: args.config.clone(), kubeconfig: None };
    if output::config_file(&file).is_none() {
        return Ok(output::fail("a drill needs the configuration with your receivers: -c dogwatch.yml"));
    }
    let config = match output::configuration(&file).await {
        Ok(config) => config,
        Err(errors) => return Ok(output::fail(&errors)),
    };
    if config.receivers.is_empty() {
        return Ok(output::fail("no receiver is configured: an outage would be told to nobody"));
    }
    let unknown = args.receiver.as_ref().filter(|r| !config.receivers.iter().any(|c| c.name == **r));
    if let Some(name) = unknown {
        let names: Vec<&str> = config.receivers.iter().map(|r| r.name.as_str()).collect();
        return Ok(output::fail(&format!("there is no receiver {name:?}; there are: {}", names.join(", "))));
    }
    if args.dry_run {
        return preview(&config, args.receiver.as_deref());
    }
    let Some(schedule) = &args.schedule else { return once(&config, &args).await };
    loop {
        let now = jiff::Timestamp::now();
        let at = dispatch::drill::next(schedule, None, now).map_err(anyhow::Error::msg)?;
        output::note(&format!("the next drill is at {}", at.strftime("%Y-%m-%d %H:%M UTC")));
        tokio::time::sleep(std::time::Duration::try_from(at.duration_since(now)).unwrap_or_default()).await;
        let code = once(&config, &args).await?;
        if code != ExitCode::SUCCESS {
            return Ok(code);
        }
    }
}

async fn once(config: &Config, args: &DrillArgs) -> anyhow::Result<ExitCode> {
    if args.output == Output::Table {
        output::note("two of three members of a pretend etcd are stopped; nothing of yours is touched");
    }
    let report = drill::run(config, args.receiver.as_deref()).await?;
    match args.output {
        Output::Json => output::say(&serde_json::to_string(&report)?),
        Output::Table => output::say(&as_text(&report)),
    }
    Ok(match &report.problem {
        None => ExitCode::SUCCESS,
        Some(why) => output::fail(why),
    })
}

fn as_text(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["receiver", "message", "proof", "after"]);
    let (green, red) = (output::style(AnsiColor::Green), output::style(AnsiColor::Red));
    for p in &report.proofs {
        let color = if p.delivered { green } else { red };
        table.add_row([
            p.receiver.clone(),
            format!("the outage {}", p.what),
            format!("{color}{}{color:#}", p.answer),
            format!("{:.1} s", p.seconds),
        ]);
    }
    let found = format!(
        "found and told after {:.1} s, by a rule after {:.1} s: {}\n\n",
        report.found_after_seconds, report.rule_after_seconds, report.headline
    );
    let verdict =
        if report.problem.is_none() { format!("\n{green}every proof is there{green:#}") } else { String::new() };
    format!("{}{table}{verdict}", if report.headline.is_empty() { String::new() } else { found })
}

/// What each receiver would get, without sending anything.
fn preview(config: &Config, only: Option<&str>) -> anyhow::Result<ExitCode> {
    let integrations = config.integrations().map_err(|(at, message)| anyhow::anyhow!("{at}: {message}"))?;
    let mut n = notify::example::opened();
    n.incident.topic = Topic::Drill;
    n.external_labels = config.external_labels.clone();
    if let Some(url) = &config.external_url {
        n.external_url = url.as_str().trim_end_matches('/').to_owned();
    }
    if let Some(first) = config.clusters.first() {
        n.incident.cluster = first.name.as_str().into();
    }
    for integration in integrations.iter().filter(|i| only.is_none_or(|r| i.receiver() == r)) {
        let bold = anstyle::Style::new().bold();
        output::say(&format!("{bold}{}{bold:#}\n{}\n", integration.name, integration.preview(&n)));
    }
    Ok(ExitCode::SUCCESS)
}
