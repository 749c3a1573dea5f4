//! `dogwatch drill`: does an alarm really arrive?

mod restore;

use std::process::ExitCode;

use anstyle::AnsiColor;
use comfy_table::{Table, presets};
use serde_json::json;

pub use self::restore::RestoreArgs;
use super::{ConfigArgs, DrillArgs, DrillCommand, Output, output};
use crate::{
    app::drill::{self, Report},
    config::Config,
    dispatch,
    model::{NotificationKind, text},
    notify,
};

/// Plays drills and prints their proofs; 0 only where every proof is there.
pub async fn main(args: DrillArgs) -> anyhow::Result<ExitCode> {
    if let Some(DrillCommand::Restore(args)) = &args.other {
        return restore::main(args).await;
    }
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
        return rehearse(&config, &args).await;
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
        output::note("two of three members of a fake etcd are stopped; nothing of yours is touched");
    }
    let report = drill::run(config, args.receiver.as_deref()).await?;
    match args.output {
        Output::Json => output::say_json(&serde_json::to_string(&report)?),
        Output::Table => output::say_coloured(&as_text(&report)),
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
            format!("{color}{}{color:#}", text::readable(&p.answer)),
            format!("{:.1} s", p.seconds),
        ]);
    }
    let found = format!(
        "found and told after {:.1} s, by a rule after {:.1} s: {}\n\n",
        report.found_after_seconds,
        report.rule_after_seconds,
        text::readable(&report.headline)
    );
    let verdict =
        if report.problem.is_none() { format!("\n{green}every proof is there{green:#}") } else { String::new() };
    format!("{}{table}{verdict}", if report.headline.is_empty() { String::new() } else { found })
}

/// What each receiver would get of the outage that a drill plays; nothing is sent.
async fn rehearse(config: &Config, args: &DrillArgs) -> anyhow::Result<ExitCode> {
    if args.output == Output::Table {
        output::note("nothing is sent: a fake cluster breaks and mends, and this is what your receivers would get");
    }
    let only = args.receiver.as_deref();
    let (report, messages) = drill::rehearse(config, only).await?;
    let all = config.integrations().map_err(|(at, message)| anyhow::anyhow!("{at}: {message}"))?;
    let spared = all.iter().map(|i| &*i.name).filter(|name| !messages.iter().any(|m| m.integration == **name));
    let spared: Vec<&str> = spared.filter(|name| only.is_none_or(|r| notify::receiver_of(name) == r)).collect();
    if args.output == Output::Json {
        let shown = messages.iter().map(|m| json!({"receiver": m.integration, "what": what(m.told), "text": m.text}));
        let shown = json!({"messages": shown.collect::<Vec<_>>(), "not_told": spared, "problem": report.problem});
        output::say_json(&shown.to_string());
    } else {
        let bold = anstyle::Style::new().bold();
        for m in &messages {
            let text = text::readable(&m.text);
            output::say_coloured(&format!("{bold}{}: the outage {}{bold:#}\n{text}\n", m.integration, what(m.told)));
        }
        if !spared.is_empty() {
            output::say(&format!("would get nothing of this outage, by your routes: {}", spared.join(", ")));
        }
    }
    Ok(match &report.problem {
        None => ExitCode::SUCCESS,
        Some(why) => output::fail(why),
    })
}

fn what(told: NotificationKind) -> &'static str {
    match told {
        NotificationKind::Opened => "began",
        NotificationKind::Worse | NotificationKind::Update | NotificationKind::Reminder => "goes on",
        NotificationKind::Resolved => "ended",
    }
}
