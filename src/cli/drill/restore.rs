//! `dogwatch drill restore`: opens a restore drill at the running watchdog, and says how it is reported.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::{
    cli::{
        ConfigArgs, Output,
        ask::{AskArgs, Watchdog},
        output,
    },
    model::text,
};

/// Which, and by whom.
#[derive(Args, Clone, Debug)]
pub struct RestoreArgs {
    #[command(flatten)]
    ask: AskArgs,
    /// Its name, of `restore_drills:` in the configuration
    #[arg(value_name = "NAME")]
    name: String,
    /// Who opens it
    #[arg(long, env = "USER", value_name = "NAME", default_value = "somebody")]
    by: String,
}

/// Opens it.
pub async fn main(args: &RestoreArgs) -> anyhow::Result<ExitCode> {
    let name: String = url::form_urlencoded::byte_serialize(args.name.as_bytes()).collect();
    let path = format!("/api/dogwatch/v1/restore-drills/{name}");
    let answer = Watchdog::new(&args.ask).await?.post(&path, &json!({"by": args.by})).await?;
    match args.ask.output {
        Output::Json => output::say_json(&answer.to_string()),
        Output::Table => output::say(&text::readable(&said(args, &answer, &token_file(args).await))),
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the token is, where the configuration is at hand: it is never printed itself.
async fn token_file(args: &RestoreArgs) -> String {
    let file = ConfigArgs { config: args.ask.config.clone(), kubeconfig: None };
    let config = match output::config_file(&file) {
        Some(_) => output::configuration(&file).await.ok(),
        None => None,
    };
    let found = config.and_then(|c| c.restore_drills.into_iter().find(|drill| drill.name == args.name));
    found.map_or_else(|| "TOKEN_FILE".to_owned(), |drill| drill.token_file.display().to_string())
}

fn said(args: &RestoreArgs, answer: &Value, token_file: &str) -> String {
    let opened = answer["drill"]["opened_at"].as_str().unwrap_or_default();
    let opened = opened.split('.').next().unwrap_or_default().replace('T', " ");
    let opened = opened.trim_end_matches('Z');
    let is_new = answer["new"] == json!(true);
    let mut out = match is_new {
        true => format!("the restore drill {} is open since {opened} UTC\n\n", args.name),
        false => format!("the restore drill {} was open already, since {opened} UTC\n\n", args.name),
    };
    let url = answer["ping_url"].as_str().unwrap_or_default();
    let steps: Vec<&str> = answer["steps"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let line = |what: &str| format!("curl -fsS -m 10 --retry 5 {url}$TOKEN/{what}\n");
    out.push_str(&format!("TOKEN=$(cat '{token_file}')\n"));
    out.push_str(&line("start"));
    for step in if steps.is_empty() { vec!["NAME"] } else { steps } {
        out.push_str(&line(&format!("step/{step}")));
    }
    out.push_str(&line("data-time/TIME"));
    out.push_str(&line("done"));
    out.push_str(&line("fail"));
    out.push_str(
        "\nstart begins its clock, each step is reported when it has ended, TIME is of when the restored data is\n",
    );
    out.push_str("(RFC 3339, or Unix seconds), and done or fail ends it; a body sent with these is kept.");
    out
}
