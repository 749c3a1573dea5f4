//! `dogwatch audit`: who did what, asked from the running watchdog, or read from the file.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context;
use clap::Args;
use comfy_table::{Table, presets};
use jiff::Timestamp;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    Output,
    ask::{AskArgs, Watchdog},
    output,
};
use crate::{clock::Clock, store::Store, telemetry::Metrics};

/// What of it, and from where.
#[derive(Args, Clone, Debug)]
pub(super) struct AuditArgs {
    #[command(flatten)]
    ask: AskArgs,
    /// What was done before this time: RFC 3339
    #[arg(long, value_name = "TIME")]
    before: Option<Timestamp>,
    /// How many lines at the most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Read the file in this directory instead of asking a watchdog: works whether it runs or not
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    data_dir: Option<PathBuf>,
}

/// Asks and prints.
pub(super) async fn main(args: AuditArgs) -> anyhow::Result<ExitCode> {
    let found = match &args.data_dir {
        Some(dir) => of_file(dir.clone(), &args).await?,
        None => {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("limit", &args.limit.to_string());
            if let Some(at) = args.before {
                query.append_pair("before", &at.to_string());
            }
            Watchdog::new(&args.ask).await?.get(&format!("/api/dogwatch/v1/audit?{}", query.finish())).await?
        }
    };
    match args.ask.output {
        Output::Json => output::say(&found.to_string()),
        Output::Table => output::say(&table(&found)),
    }
    Ok(ExitCode::SUCCESS)
}

async fn of_file(dir: PathBuf, args: &AuditArgs) -> anyhow::Result<Value> {
    let open = move || Store::read_only(dir, Arc::new(Metrics::new()), Clock::system());
    let store = tokio::task::spawn_blocking(open).await?.context("is this dogwatch's data directory? (--data-dir)")?;
    let entries = store.audit(args.before.unwrap_or(Timestamp::MAX), args.limit.into()).await?;
    let next = entries.last().filter(|_| entries.len() == usize::from(args.limit)).map(|last| last.at);
    Ok(json!({"entries": entries, "next": next}))
}

fn table(found: &Value) -> String {
    let entries = found["entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    if entries.is_empty() {
        return "nothing is written down".into();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["when", "who", "by", "from", "what", "of", "more"]);
    for e in entries {
        let text = |key: &str| e[key].as_str().unwrap_or_default().to_owned();
        let at = text("at").split('.').next().unwrap_or_default().replace('T', " ");
        let at = at.trim_end_matches('Z').to_owned();
        table.add_row([
            at,
            text("who"),
            text("proof"),
            text("address"),
            text("action"),
            text("subject"),
            text("detail"),
        ]);
    }
    match found["next"].as_str() {
        Some(next) => format!("{table}\n\nearlier ones: --before {next}"),
        None => table.to_string(),
    }
}
