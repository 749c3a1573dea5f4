//! `dogwatch state`: what runs, ran and has changed in a cluster, as the flight recorder saw it. Read from the file, so that
//! it answers with the API gone, with no watchdog running, and from a backup.

mod shown;

use std::{process::ExitCode, sync::Arc};

use anyhow::Context;
use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::{HistoryArgs, Output, output};
use crate::{
    clock::Clock,
    http::recorded::moment,
    inventory::{compare::Difference, object::Selector, tables},
    recorder::answer::{self, Answer, Found, Question},
    store::Store,
    telemetry::Metrics,
};

/// Below the help.
pub(super) const HELP: &str = "\
WHAT is nodes, pods, workloads, events, storage or services, any recorded kind by its name (docs/recorder.md has them
all), or one of
  diff [KIND] --since 1h     what is not as it was
  where pod/NAME             its node, owners, volumes, services and hosts; also an IP, an image or a node
  export                     what has to be there again after a rebuild

Examples:
  dogwatch state prod                              how much of everything, and when it was last seen
  dogwatch state prod pods -n shop --at 2h-ago     what ran there two hours ago
  dogwatch state prod diff --since 30m             what has changed
  dogwatch state prod where 10.1.7.33
  dogwatch state prod export --at 2026-11-01T12:00:00Z --format yaml > prod.yaml
  dogwatch state prod nodes --db backup.db         from a copy of the history";

/// A document's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Yaml,
    Json,
}

/// What is asked for.
#[derive(Args, Clone, Debug)]
pub(super) struct StateArgs {
    #[command(flatten)]
    history: HistoryArgs,
    /// The cluster, by its name in the configuration
    #[arg(value_name = "CLUSTER")]
    cluster: String,
    /// nodes, pods, workloads, events, storage, services, another kind; diff, where, export; default: a summary
    #[arg(value_name = "WHAT")]
    what: Option<String>,
    /// Of `where`: pod/NAME, node/NAME, an IP, an image; of `diff`: only this kind
    #[arg(value_name = "WORD")]
    word: Option<String>,
    /// At this moment: 2h-ago, RFC 3339, a date, Unix seconds; default: as last seen
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    at: Option<String>,
    /// Of `diff`: since when
    #[arg(long, value_name = "TIME", default_value = "1h", allow_hyphen_values = true)]
    since: String,
    /// Only in this namespace
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    /// Only with these labels: app=api,tier!=db
    #[arg(short = 'l', long, value_name = "LABELS", default_value = "")]
    selector: String,
    /// Of `export`: the document's format
    #[arg(long, value_name = "FORMAT", default_value = "yaml")]
    format: Format,
    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,
    /// The same as --output json
    #[arg(long)]
    json: bool,
}

impl StateArgs {
    fn question(&self, now: Timestamp) -> Result<Question, String> {
        let at = self.at.as_deref().map_or(Ok(now), |text| moment("--at", text, now))?;
        Ok(Question {
            cluster: self.cluster.clone(),
            what: self.what.clone(),
            word: self.word.clone(),
            at,
            since: moment("--since", &self.since, at)?,
            namespace: self.namespace.clone(),
            selector: Selector::read(&self.selector).map_err(|why| format!("-l: {why}"))?,
        })
    }
}

/// Reads and prints.
pub(super) async fn main(args: StateArgs) -> anyhow::Result<ExitCode> {
    let now = Clock::system().wall();
    let question = args.question(now).map_err(anyhow::Error::msg)?;
    let (since, word) = (question.since, question.word.clone().unwrap_or_default());
    let data_dir = output::data_dir(&args.history).await.map_err(anyhow::Error::msg)?;
    let open = move || Store::read_only(data_dir, Arc::new(Metrics::new()), Clock::system());
    let store = tokio::task::spawn_blocking(open).await?.context("is this dogwatch's data directory? (--data-dir)")?;
    let answer = answer::answer(&store, question).await?;
    let found_nothing = matches!(&answer.found, Found::Places(places) if places.is_empty());
    let headline = answer.headline(now, args.at.is_some());
    match &answer.found {
        Found::Checklist(_) if !args.json && args.output == Output::Table => export(&answer, args.format, &headline)?,
        _ if args.json || args.output == Output::Json => output::say_json(&answer.document().to_string()),
        found => {
            output::say(&headline);
            answer.remarks.iter().for_each(|remark| output::note(remark));
            print(found, &answer, now, (since, &word));
        }
    }
    Ok(if found_nothing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(found: &Found, answer: &Answer, now: Timestamp, (since, word): (Timestamp, &str)) {
    match found {
        Found::Summary(counts) => output::say(&shown::summary(counts, now)),
        Found::Objects(view, objects) => output::say(&shown::printed(&tables::of(view, objects, answer.at))),
        Found::Differences(all) => {
            output::say(&format!("against {}:", since.strftime("%Y-%m-%d %H:%M:%S UTC")));
            if all.is_empty() {
                output::say("nothing is different");
            }
            all.iter().map(Difference::line).for_each(|line| output::say(&line));
        }
        Found::Places(places) if places.is_empty() => {
            output::say(&format!("there was no {word} then; --at looks at another time"));
        }
        Found::Places(places) => output::say(&places.iter().map(shown::place).collect::<Vec<_>>().join("\n\n")),
        Found::Checklist(list) => output::say_json(&list.to_string()),
    }
}

fn export(answer: &Answer, format: Format, headline: &str) -> anyhow::Result<()> {
    answer.remarks.iter().for_each(|remark| output::note(remark));
    let document = answer.document();
    match format {
        Format::Json => output::say_json(&serde_json::to_string_pretty(&document)?),
        Format::Yaml => {
            output::say(&format!("# {headline}"));
            output::say(serde_saphyr::to_string(&document)?.trim_end());
        }
    }
    Ok(())
}
