//! `dogwatch incidents`: what is wrong and what was, asked from the running watchdog, or read from the file.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{Document, IncidentsArgs, Output, ask::Watchdog, output};
use crate::{
    clock::Clock,
    http::{
        IncidentView,
        incidents::{self, Picked, Wanted},
        markdown,
    },
    model::{Incident, IncidentChange, text},
    store::{IncidentFilter, IncidentState, Store},
    telemetry::Metrics,
    words::Voice,
};

/// Open incidents that are read from the file; a watchdog has no more.
const OPEN_MAX: usize = 10_000;

/// Columns of the list that are never broken: id, since.
const WHOLE_COLUMNS: usize = 2;

/// Lines of the timeline that are printed.
const TIMELINE_SHOWN: usize = 40;

/// Asks and prints.
pub async fn main(args: IncidentsArgs) -> anyhow::Result<ExitCode> {
    if let (Some(id), true) = (args.id, args.withdraw || args.acknowledge.is_some()) {
        return look_after(id, &args).await;
    }
    if let (Some(id), Some(note)) = (args.id, &args.note) {
        let watchdog = Watchdog::new(&args.ask).await?;
        let body = json!({"by": args.by, "text": note});
        watchdog.post(&format!("/api/dogwatch/v1/incidents/{id}/notes"), &body).await?;
        output::say(&format!("incident {id}: noted"));
        return Ok(ExitCode::SUCCESS);
    }
    let from = match &args.data_dir {
        Some(dir) => From::File(open(dir.clone()).await?),
        None => From::Watchdog(Watchdog::new(&args.ask).await?),
    };
    let found = match args.id {
        Some(id) => from.one(id).await?,
        None => list(&from, &args).await?,
    };
    if let Some(Document::Markdown) = args.format {
        let view: IncidentView = read(&found).context("the watchdog is of another version")?;
        output::say(markdown(&view).trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(error) = found["history_error"].as_str() {
        output::note(&format!("those that ended earlier can't be read: {error}"));
    }
    match (args.ask.output, args.id) {
        (Output::Json, _) => output::say_json(&found.to_string()),
        (Output::Table, Some(_)) => output::say(&whole(&found)),
        (Output::Table, None) => output::say(&table(&found)),
    }
    Ok(ExitCode::SUCCESS)
}

/// Says who looks after an incident, or that nobody does any more.
async fn look_after(id: i64, args: &IncidentsArgs) -> anyhow::Result<ExitCode> {
    let watchdog = Watchdog::new(&args.ask).await?;
    let path = format!("/api/dogwatch/v1/incidents/{id}/acknowledge");
    match &args.acknowledge {
        Some(by) => {
            watchdog.post(&path, &json!({"by": by})).await?;
            output::say(&format!("incident {id}: {by} looks after it"));
        }
        None => {
            let by = args.by.iter().map(|by| ("by", by));
            let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(by).finish();
            watchdog.delete(&format!("{path}?{query}")).await?;
            output::say(&format!("incident {id}: nobody looks after it; reminders and escalation go on"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where incidents are asked for.
enum From {
    Watchdog(Watchdog),
    File(Store),
}

async fn open(data_dir: PathBuf) -> anyhow::Result<Store> {
    let open = move || Store::read_only(data_dir, Arc::new(Metrics::new()), Clock::system());
    tokio::task::spawn_blocking(open).await?.context("is this dogwatch's data directory? (--data-dir)")
}

impl From {
    async fn one(&self, id: i64) -> anyhow::Result<Value> {
        match self {
            From::Watchdog(watchdog) => watchdog.get(&format!("/api/dogwatch/v1/incidents/{id}")).await,
            From::File(store) => {
                let incident = incidents::find(store, None, &id.to_string()).await?;
                as_answered(&IncidentView::new(incident, store, "").await)
            }
        }
    }

    async fn page(&self, parameters: &[(String, String)]) -> anyhow::Result<Value> {
        match self {
            From::Watchdog(watchdog) => {
                let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
                watchdog.get(&format!("/api/dogwatch/v1/incidents?{query}")).await
            }
            From::File(store) => {
                let now = Clock::system().wall();
                let wanted = Wanted::read(parameters, incidents::LIMIT, now).map_err(anyhow::Error::msg)?;
                // What is open in the file is what a watchdog that runs would show as open.
                let open = IncidentFilter { state: Some(IncidentState::Open), ..IncidentFilter::default() };
                let open = store.incidents(open, OPEN_MAX).await?.incidents;
                as_answered(&incidents::list(store, Picked::new(&open, &wanted), &wanted).await)
            }
        }
    }
}

/// What was read from the file, as the running watchdog would answer it.
fn as_answered(read: &impl Serialize) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&text::readable_json(serde_json::to_string(read)?))?)
}

/// The list; page after page where all are wanted, or more than one answer holds.
async fn list(from: &From, args: &IncidentsArgs) -> anyhow::Result<Value> {
    let wanted = if args.all { usize::MAX } else { args.limit.max(1) };
    let mut parameters: Vec<(String, String)> = Vec::new();
    let mut put = |name: &str, value: &str| parameters.push((name.to_owned(), value.to_owned()));
    args.cluster.iter().for_each(|c| put("cluster", c));
    args.severity.iter().for_each(|s| put("severity", s));
    for (name, value) in [("state", &args.state), ("since", &args.since), ("before", &args.before)] {
        value.iter().for_each(|value| put(name, value));
    }
    let mut before: Option<i64> = None;
    let mut all: Option<Value> = None;
    loop {
        let have = all.as_ref().and_then(|all| all["incidents"].as_array()).map_or(0, Vec::len);
        let mut asked = parameters.clone();
        asked.push(("limit".into(), (wanted - have).min(incidents::LIMIT_MAX).to_string()));
        asked.extend(before.map(|id| ("before".to_owned(), id.to_string())));
        let page = from.page(&asked).await?;
        before = page["next"].as_i64();
        match &mut all {
            None => all = Some(page),
            Some(all) => {
                all["next"] = page["next"].clone();
                if let (Some(list), Some(more)) = (all["incidents"].as_array_mut(), page["incidents"].as_array()) {
                    list.extend(more.iter().cloned());
                }
            }
        }
        let have = all.as_ref().and_then(|all| all["incidents"].as_array()).map_or(0, Vec::len);
        if before.is_none() || have >= wanted {
            return Ok(all.unwrap_or_default());
        }
    }
}

fn string(v: &Value) -> String {
    v.as_str().unwrap_or_default().to_owned()
}

/// `2026-11-23 14:02:11`
fn time(v: &Value) -> String {
    let text = string(v);
    text.split(['.', 'Z']).next().unwrap_or_default().replace('T', " ")
}

fn place(i: &Value) -> String {
    match i["cluster"].as_str() {
        Some("") | None if !i["group"].is_null() => "alerts".into(),
        Some("") | None => "dogwatch".into(),
        Some(cluster) => cluster.into(),
    }
}

/// From the beginning to the end, in words.
fn lasted(began: &Value, ended: &Value) -> String {
    let at = |v: &Value| v.as_str().and_then(|t| t.parse::<Timestamp>().ok());
    match (at(began), at(ended)) {
        (Some(began), Some(ended)) => text::between(began, ended),
        _ => "ended".into(),
    }
}

fn table(found: &Value) -> String {
    let incidents = found["incidents"].as_array().map_or(&[] as &[Value], Vec::as_slice);
    if incidents.is_empty() {
        return "there is no such incident".into();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(output::width());
    table.set_header(["id", "since (UTC)", "lasted", "severity", "where", "what"]);
    for i in incidents {
        let lasted = match (&i["resolved_at"], &i["acknowledged"]) {
            (Value::Null, Value::Null) => "open".to_owned(),
            (Value::Null, by) => format!("open, {} is at it", string(&by["by"])),
            (end, _) => lasted(&i["started_at"], end),
        };
        let since = time(&i["started_at"]);
        let minute = since.rsplit_once(':').map_or(&*since, |(minute, _)| minute);
        table.add_row([
            &i["id"].to_string(),
            minute,
            &lasted,
            &string(&i["severity"]),
            &place(i),
            &string(&i["headline"]),
        ]);
    }
    // The numbers and times are read across: only sentences are broken.
    for column in table.column_iter_mut().take(WHOLE_COLUMNS) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    match found["next"].as_i64() {
        Some(id) => format!("{table}\nolder ones: --all, or --before {id}"),
        None => table.to_string(),
    }
}

/// The newest lines of what happened, with what people noted where it belongs in time.
fn timeline(found: &Value) -> Vec<String> {
    let list = |v: &Value| v.as_array().cloned().unwrap_or_default();
    let events = list(&found["incident"]["timeline"]).into_iter().map(|l| (time(&l[0]), string(&l[1])));
    let noted =
        |n: Value| (time(&n["at"]), format!("{} noted: {}", string(&n["by"]), string(&n["text"]).replace('\n', " / ")));
    let mut all: Vec<(String, String)> = events.chain(list(&found["notes"]).into_iter().map(noted)).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let newest = all.split_off(all.len().saturating_sub(TIMELINE_SHOWN));
    newest.into_iter().map(|(at, what)| format!("  {at}  {what}")).collect()
}

fn whole(found: &Value) -> String {
    let i = &found["incident"];
    let mut out = vec![format!("[{}] {}", place(i), string(&i["headline"]))];
    let until =
        if i["resolved_at"].is_null() { "open".to_owned() } else { format!("ended {}", time(&i["resolved_at"])) };
    out.push(format!(
        "incident {}, {}, since {} UTC, {until}",
        i["id"],
        string(&i["severity"]),
        time(&i["started_at"])
    ));
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
            root[key].as_array().into_iter().flatten().map(|l| format!("  - {}", string(l))).collect();
        if !lines.is_empty() {
            out.push(format!("\n{title}\n{}", lines.join("\n")));
        }
    }
    let fleet: Vec<String> = read::<Incident>(i).map(|i| Voice::default().fleet(&i)).unwrap_or_default();
    if !fleet.is_empty() {
        let lines: Vec<String> = fleet.iter().map(|line| format!("  - {line}")).collect();
        out.push(format!("\nIn other clusters\n{}", lines.join("\n")));
    }
    let began = i["started_at"].as_str().and_then(|t| t.parse().ok()).unwrap_or_default();
    let changes: Vec<IncidentChange> = read(&i["changes"]).unwrap_or_default();
    if !changes.is_empty() {
        let lines: Vec<String> = changes.iter().map(|change| format!("  - {}", change.line(began))).collect();
        out.push(format!("\nWhat changed before\n{}", lines.join("\n")));
    }
    out.push(format!("\nTimeline (UTC)\n{}", timeline(found).join("\n")));
    let told = found["deliveries"].as_array().map_or(&[] as &[Value], Vec::as_slice).iter().map(|d| {
        format!("  {}  {} {}: {}", time(&d["at"]), string(&d["receiver"]), string(&d["outcome"]), string(&d["answer"]))
    });
    let told: Vec<String> = told.collect();
    if !told.is_empty() {
        out.push(format!("\nTold (UTC)\n{}", told.join("\n")));
    }
    out.join("\n")
}

/// Reads a part of an answer: from its bytes, as everything else is read, since serde's code for each way of reading is large.
fn read<T: DeserializeOwned>(part: &Value) -> serde_json::Result<T> {
    serde_json::from_slice(&serde_json::to_vec(part)?)
}
