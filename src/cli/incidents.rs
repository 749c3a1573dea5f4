//! `dogwatch incidents`: what is wrong and what was, asked from the running watchdog.

use std::process::ExitCode;

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use super::{IncidentsArgs, Output, ask::Watchdog, output};

/// Lines of the timeline that are printed.
const TIMELINE_SHOWN: usize = 40;

/// Asks and prints.
pub async fn main(args: IncidentsArgs) -> anyhow::Result<ExitCode> {
    let watchdog = Watchdog::new(&args.ask).await?;
    let Some(id) = args.id else {
        let found = watchdog.get("/api/dogwatch/v1/incidents").await?;
        match args.ask.output {
            Output::Json => output::say(&found.to_string()),
            Output::Table => output::say(&table(found["incidents"].as_array().map_or(&[], Vec::as_slice))),
        }
        return Ok(ExitCode::SUCCESS);
    };
    let path = format!("/api/dogwatch/v1/incidents/{id}");
    if let Some(by) = &args.acknowledge {
        watchdog.post(&format!("{path}/acknowledge"), &json!({"by": by})).await?;
        output::say(&format!("incident {id}: {by} looks after it"));
        return Ok(ExitCode::SUCCESS);
    }
    let found = watchdog.get(&path).await?;
    match args.ask.output {
        Output::Json => output::say(&found.to_string()),
        Output::Table => output::say(&whole(&found)),
    }
    Ok(ExitCode::SUCCESS)
}

fn text(v: &Value) -> String {
    v.as_str().unwrap_or_default().to_owned()
}

/// `2026-11-23 14:02:11`
fn time(v: &Value) -> String {
    let text = text(v);
    text.split(['.', 'Z']).next().unwrap_or_default().replace('T', " ")
}

fn place(i: &Value) -> String {
    match i["cluster"].as_str() {
        Some("") | None if !i["group"].is_null() => "alerts".into(),
        Some("") | None => "dogwatch".into(),
        Some(cluster) => cluster.into(),
    }
}

fn table(incidents: &[Value]) -> String {
    if incidents.is_empty() {
        return "no incident is open, and none was lately".into();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["id", "state", "severity", "since (UTC)", "where", "what"]);
    for i in incidents {
        let state = match (&i["resolved_at"], &i["acknowledged"]) {
            (Value::Null, Value::Null) => "open".to_owned(),
            (Value::Null, by) => format!("open ({})", text(&by["by"])),
            (end, _) => format!("ended {}", time(end)),
        };
        table.add_row([
            i["id"].to_string(),
            state,
            text(&i["severity"]),
            time(&i["started_at"]),
            place(i),
            text(&i["headline"]),
        ]);
    }
    table.to_string()
}

fn whole(found: &Value) -> String {
    let i = &found["incident"];
    let mut out = vec![format!("[{}] {}", place(i), text(&i["headline"]))];
    let until =
        if i["resolved_at"].is_null() { "open".to_owned() } else { format!("ended {}", time(&i["resolved_at"])) };
    out.push(format!("incident {}, {}, since {} UTC, {until}", i["id"], text(&i["severity"]), time(&i["started_at"])));
    let root = &i["alerts"][0]["finding"];
    let step = root["first_step"].as_str().filter(|s| !s.is_empty()).map(|step| format!("\n  {step}"));
    let runbook = found["runbook_url"].as_str().map(|url| format!("\n  Runbook: {url}"));
    if step.is_some() || runbook.is_some() {
        out.push(format!("\nWhat to do first{}{}", step.unwrap_or_default(), runbook.unwrap_or_default()));
    }
    for (title, key) in
        [("What still works", "still_works"), ("What was seen", "evidence"), ("Because of it", "consequences")]
    {
        let lines: Vec<String> =
            root[key].as_array().into_iter().flatten().map(|l| format!("  - {}", text(l))).collect();
        if !lines.is_empty() {
            out.push(format!("\n{title}\n{}", lines.join("\n")));
        }
    }
    let timeline = i["timeline"].as_array().map_or(&[] as &[Value], Vec::as_slice);
    let lines = timeline.iter().rev().take(TIMELINE_SHOWN).rev().map(|l| format!("  {}  {}", time(&l[0]), text(&l[1])));
    out.push(format!("\nTimeline (UTC)\n{}", lines.collect::<Vec<_>>().join("\n")));
    let told = found["deliveries"].as_array().map_or(&[] as &[Value], Vec::as_slice).iter().map(|d| {
        format!("  {}  {} {}: {}", time(&d["at"]), text(&d["receiver"]), text(&d["outcome"]), text(&d["answer"]))
    });
    let told: Vec<String> = told.collect();
    if !told.is_empty() {
        out.push(format!("\nTold (UTC)\n{}", told.join("\n")));
    }
    out.join("\n")
}
