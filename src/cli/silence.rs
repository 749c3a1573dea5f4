//! `dogwatch silence`: planned quiet, kept by the running watchdog.

use std::process::ExitCode;

use comfy_table::{Table, presets};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Output, SilenceAddArgs, SilenceCommand, ask::Watchdog, output};
use crate::{dispatch::matchers, model::duration::prometheus as duration};

/// Does it.
pub async fn main(command: SilenceCommand) -> anyhow::Result<ExitCode> {
    match command {
        SilenceCommand::Add(args) => add(args).await,
        SilenceCommand::List(args) => {
            let found = Watchdog::new(&args).await?.get("/api/v2/silences").await?;
            let live = |s: &&Value| s["status"]["state"] != "expired";
            let all: Vec<&Value> = found.as_array().into_iter().flatten().filter(live).collect();
            match args.output {
                Output::Json => output::say_json(&json!(all).to_string()),
                Output::Table => output::say(&table(&all)),
            }
            Ok(ExitCode::SUCCESS)
        }
        SilenceCommand::Expire { ask, id } => {
            Watchdog::new(&ask).await?.delete(&format!("/api/v2/silence/{id}")).await?;
            output::say(&format!("silence {id} has ended"));
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn add(args: SilenceAddArgs) -> anyhow::Result<ExitCode> {
    let matchers = matchers::parse_all(&args.matchers).map_err(anyhow::Error::msg)?;
    let starts = args.start.unwrap_or_else(Timestamp::now);
    let ends = starts.checked_add(duration(&args.duration).map_err(anyhow::Error::msg)?)?;
    let body = json!({
        "matchers": matchers.to_silence(),
        "startsAt": starts.to_string(),
        "endsAt": ends.to_string(),
        "createdBy": args.author,
        "comment": args.comment,
    });
    let answer = Watchdog::new(&args.ask).await?.post("/api/v2/silences", &body).await?;
    let id = answer["silenceID"].as_str().unwrap_or_default();
    match args.ask.output {
        Output::Json => output::say_json(&answer.to_string()),
        Output::Table => {
            output::say(&format!("silence {id}: {matchers} until {}", ends.strftime("%Y-%m-%d %H:%M:%S UTC")))
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn table(silences: &[&Value]) -> String {
    if silences.is_empty() {
        return "no silence is in force or to come".into();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["id", "state", "matchers", "until", "by", "why"]);
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    for s in silences {
        let one = |m: &Value| {
            let op = match (m["isRegex"].as_bool(), m["isEqual"].as_bool()) {
                (Some(true), Some(false)) => "!~",
                (Some(true), _) => "=~",
                (_, Some(false)) => "!=",
                _ => "=",
            };
            format!("{}{op}{:?}", text(&m["name"]), text(&m["value"]))
        };
        let matchers: Vec<String> = s["matchers"].as_array().into_iter().flatten().map(one).collect();
        let until = text(&s["endsAt"]);
        table.add_row([
            text(&s["id"]),
            text(&s["status"]["state"]),
            matchers.join(" "),
            until.split('.').next().unwrap_or_default().replace('T', " "),
            text(&s["createdBy"]),
            text(&s["comment"]),
        ]);
    }
    table.to_string()
}
