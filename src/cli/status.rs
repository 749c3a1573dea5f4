//! `dogwatch status`: how everything stands, in a few lines. Exit status as of a Nagios plugin.

use std::{collections::BTreeMap, process::ExitCode};

use serde_json::Value;

use super::{AskArgs, Output, ask::Watchdog, output};

/// Asks and prints; 0 fine, 1 a warning is open, 2 something critical is, 3 the watchdog itself is in trouble, or nothing
/// of a cluster is known.
pub async fn main(args: AskArgs) -> anyhow::Result<ExitCode> {
    let state = Watchdog::new(&args).await?.get("/api/dogwatch/v1/state").await?;
    match args.output {
        Output::Json => output::say_json(&state.to_string()),
        Output::Table => output::say(&describe(&state)),
    }
    Ok(ExitCode::from(code(&state)))
}

fn list(v: &Value) -> &[Value] {
    v.as_array().map_or(&[], Vec::as_slice)
}

fn open(state: &Value) -> Vec<&Value> {
    list(&state["incidents"]).iter().filter(|i| i["resolved_at"].is_null()).collect()
}

fn code(state: &Value) -> u8 {
    if state["vantage"]["ok"] == false || state["store"]["ok"] == false {
        return 3;
    }
    match open(state).iter().map(|i| i["severity"].as_str().unwrap_or_default()).collect::<Vec<_>>() {
        all if all.contains(&"critical") => 2,
        all if all.contains(&"warning") => 1,
        _ if list(&state["clusters"]).iter().any(is_unknown) => 3,
        _ => 0,
    }
}

/// None of its targets has been judged: that nothing is known to be wrong is not "fine".
fn is_unknown(cluster: &Value) -> bool {
    list(&cluster["targets"]).iter().all(|t| t["state"] == "unknown")
}

fn describe(state: &Value) -> String {
    let mut out = vec![format!("dogwatch {}, since {}", text(&state["version"]), text(&state["started_at"]))];
    for cluster in list(&state["clusters"]) {
        let mut by_state: BTreeMap<String, usize> = BTreeMap::new();
        for target in list(&cluster["targets"]) {
            *by_state.entry(text(&target["state"])).or_default() += 1;
        }
        let counts: Vec<String> = by_state.iter().map(|(state, n)| format!("{n} {state}")).collect();
        out.push(format!(
            "{}: {}",
            text(&cluster["name"]),
            if counts.is_empty() { "no targets yet".into() } else { counts.join(", ") }
        ));
        if !cluster["discovery_error"].is_null() {
            out.push(format!("  not read: {}", text(&cluster["discovery_error"])));
        }
        for gap in list(&cluster["not_watched"]) {
            let name = text(&gap["job"]);
            out.push(format!("  {name} not watched: {}; to watch it, {}", text(&gap["why"]), text(&gap["how"])));
        }
        for target in
            list(&cluster["targets"]).iter().filter(|t| !matches!(t["state"].as_str(), Some("up" | "suspect")))
        {
            out.push(format!(
                "  {} {} {}: {}",
                text(&target["job"]),
                text(&target["instance"]),
                text(&target["state"]),
                text(&target["message"])
            ));
        }
    }
    for (what, key) in [("view", "vantage"), ("history", "store")] {
        if state[key]["ok"] == false {
            out.push(format!("{what}: {}", text(&state[key]["message"])));
        }
    }
    for receiver in list(&state["notifications"]["failing_receivers"]) {
        out.push(format!("receiver {} fails: {}", text(&receiver["receiver"]), text(&receiver["why"])));
    }
    let open = open(state);
    out.push(if open.is_empty() { "no incident is open".into() } else { format!("{} open:", open.len()) });
    out.extend(open.iter().map(|i| format!("  {} {} {}", i["id"], text(&i["severity"]), text(&i["headline"]))));
    out.join("\n")
}

fn text(v: &Value) -> String {
    v.as_str().unwrap_or_default().to_owned()
}
