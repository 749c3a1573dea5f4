//! `dogwatch heartbeat`: jobs that report in, and those that nobody waits for, kept by the running watchdog.

use std::process::ExitCode;

use clap::Subcommand;
use comfy_table::{Table, presets};
use serde_json::{Value, json};

use super::{
    Output,
    ask::{AskArgs, Watchdog},
    output,
};
use crate::model::text;

#[derive(Clone, Debug, Subcommand)]
pub(super) enum HeartbeatCommand {
    /// List them
    List(AskArgs),
    /// Wait for one no more: it is neither late nor failed until it is resumed
    Pause(OneArgs),
    /// Wait for one again, as from a new beginning
    Resume(OneArgs),
}

#[derive(clap::Args, Clone, Debug)]
pub(super) struct OneArgs {
    #[command(flatten)]
    ask: AskArgs,
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    /// Who says so
    #[arg(long, env = "USER", value_name = "NAME", default_value = "somebody")]
    by: String,
}

/// Does it.
pub(super) async fn main(command: HeartbeatCommand) -> anyhow::Result<ExitCode> {
    match command {
        HeartbeatCommand::List(args) => {
            let found = Watchdog::new(&args).await?.get("/api/dogwatch/v1/heartbeats").await?;
            match args.output {
                Output::Json => output::say_json(&found["heartbeats"].to_string()),
                Output::Table => output::say(&table(&found["heartbeats"])),
            }
        }
        HeartbeatCommand::Pause(args) => change(&args, "pause", "nobody waits for it now", "was paused before").await?,
        HeartbeatCommand::Resume(args) => change(&args, "resume", "it begins anew", "was not paused").await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn change(args: &OneArgs, what: &str, done: &str, before: &str) -> anyhow::Result<()> {
    // Names are letters, digits, '.', '_' and '-': what stands in a path as it is; others are of no heartbeat.
    let name: String = url::form_urlencoded::byte_serialize(args.name.as_bytes()).collect();
    let path = format!("/api/dogwatch/v1/heartbeats/{name}/{what}");
    let answer = Watchdog::new(&args.ask).await?.post(&path, &json!({"by": args.by})).await?;
    match args.ask.output {
        Output::Json => output::say_json(&answer.to_string()),
        Output::Table if answer["changed"] == json!(true) => output::say(&format!("{}: {done}", args.name)),
        Output::Table => output::say(&format!("{} {before}", args.name)),
    }
    Ok(())
}

fn table(heartbeats: &Value) -> String {
    let all = heartbeats.as_array().map(Vec::as_slice).unwrap_or_default();
    if all.is_empty() {
        return "no heartbeat is configured".into();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["name", "state", "since", "last success", "size", "expected"]);
    let time = |v: &Value| v.as_str().unwrap_or("never").split('.').next().unwrap_or_default().replace('T', " ");
    for h in all {
        let size = h["size_bytes"].as_f64().map(crate::heartbeat::size_words).unwrap_or_default();
        table.add_row([
            text::readable(h["name"].as_str().unwrap_or_default()).into_owned(),
            h["state"].as_str().unwrap_or_default().replace('_', " "),
            time(&h["since"]),
            time(&h["last_success"]),
            size,
            text::readable(h["expected"].as_str().unwrap_or_default()).into_owned(),
        ]);
    }
    table.to_string()
}
