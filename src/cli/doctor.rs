//! `dogwatch doctor`: every assumption checked, of the machine, the configuration, the running watchdog, the clusters and the
//! receivers; each failure with its remedy.

use std::process::ExitCode;

use anstyle::AnsiColor;
use clap::Args;
use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::watch;

use super::{AskArgs, ConfigArgs, Output, ask::Watchdog, check, output};
use crate::{
    clock::Clock,
    config::Config,
    doctor::{self, Level, Remark, clusters, history, machine, names, receivers, service},
    model::text,
    store::Store,
    vantage::Watcher,
};

pub(super) const HELP: &str = "\
Nothing is changed and nobody is told anything: mail servers are logged in to and left, other services' hosts are asked
for `HEAD /`, nameservers who serves the root, rights are asked for by SelfSubjectAccessReview. `dogwatch drill` proves that
messages arrive.

Run it as the user that dogwatch runs as: sudo -u dogwatch dogwatch doctor -c /etc/dogwatch/dogwatch.yml

Exit status: 0 all is well, 1 something is missed or will be, 2 something does not work.";

#[derive(Args, Clone, Debug)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    ask: AskArgs,
    /// Do not ask the running watchdog: before its first start, or on another machine
    #[arg(long)]
    without_service: bool,
}

/// Looks at everything at once, and prints it in its order.
pub(super) async fn main(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    let config = ConfigArgs { config: args.ask.config.clone(), kubeconfig: None };
    let mut remarks = Vec::new();
    match check::examine(&config).await {
        Ok(examined) => {
            let clock = Clock::system();
            let integrations = examined.config.integrations().unwrap_or_default();
            let look = |cluster| clusters::look(cluster, &examined.config.data_dir, &clock);
            let clusters = join_all(examined.config.clusters.iter().map(look));
            let (machine, running, clusters, receivers) = tokio::join!(
                machine(&examined.config, &clock),
                async { if args.without_service { Vec::new() } else { running(&args.ask).await } },
                clusters,
                receivers::look(&integrations)
            );
            let configuration = configuration(&examined, args.without_service);
            remarks.extend([machine, configuration, running].into_iter().chain(clusters).chain([receivers]).flatten());
        }
        Err(errors) => remarks.extend(errors.lines().map(wrong)),
    }
    let worst = doctor::worst(&remarks);
    match args.ask.output {
        Output::Json => output::say_json(&json!({"level": worst, "remarks": remarks}).to_string()),
        Output::Table => output::say_coloured(&shown(&remarks)),
    }
    Ok(ExitCode::from(match worst {
        Level::Ok => 0,
        Level::Warning => 1,
        Level::Bad => 2,
    }))
}

const CONFIGURATION: &str = "configuration";

fn wrong(line: &str) -> Remark {
    Remark::bad(CONFIGURATION, "file", line, "mend it; `dogwatch check` looks at it alone")
}

/// A port that is taken is the running watchdog's, where one is asked.
fn configuration(examined: &check::Examined, is_alone: bool) -> Vec<Remark> {
    let mut remarks: Vec<Remark> = examined.errors.iter().map(|line| wrong(line.as_str())).collect();
    let busy = examined.busy.iter().filter(|_| is_alone);
    let doubts = examined.warnings.iter().chain(&examined.concerns).chain(busy);
    remarks.extend(doubts.map(|line| Remark::warning(CONFIGURATION, "file", line, "")));
    if remarks.is_empty() {
        remarks.push(Remark::ok(CONFIGURATION, "file", "nothing is wrong with it, nor with what it refers to"));
    }
    remarks
}

async fn machine(config: &Config, clock: &Clock) -> Vec<Remark> {
    let mut watcher = Watcher::new(watch::channel(config.vantage.clone()).1, clock.clone());
    let (view, names) = tokio::join!(watcher.look(), names::look());
    let (dir, max_size) = (config.data_dir.clone(), config.storage.max_size);
    let read = tokio::task::spawn_blocking(move || {
        let schema = Store::schema(dir.clone()).map_err(|e| e.to_string());
        (history::judge(schema, &dir), machine::read(&dir, Some(view)))
    });
    let Ok((upgrade, machine)) = read.await else { return vec![names] };
    machine::judge(&machine, max_size).into_iter().chain([names, upgrade]).collect()
}

/// What the running watchdog says of itself.
async fn running(ask: &AskArgs) -> Vec<Remark> {
    let state = async { Watchdog::new(ask).await?.get("/api/dogwatch/v1/state").await };
    match state.await {
        Ok(state) => service::judge(&state, env!("CARGO_PKG_VERSION")),
        Err(why) => {
            let remedy =
                "start it (systemctl start dogwatch; journalctl -u dogwatch), or leave it out: --without-service";
            vec![Remark::bad(service::AREA, "running", why.to_string(), remedy)]
        }
    }
}

/// Area by area, a line a remark and one for its remedy.
fn shown(remarks: &[Remark]) -> String {
    let width = remarks.iter().map(|remark| remark.about.chars().count()).max().unwrap_or_default();
    let (mut out, mut area) = (String::new(), "");
    for remark in remarks {
        if remark.area != area {
            area = &remark.area;
            let bold = anstyle::Style::new().bold();
            out.push_str(&format!("{bold}{}{bold:#}\n", text::readable(area)));
        }
        let (colour, word) = match remark.level {
            Level::Ok => (AnsiColor::Green, "ok"),
            Level::Warning => (AnsiColor::Yellow, "warning"),
            Level::Bad => (AnsiColor::Red, "bad"),
        };
        let style = output::style(colour);
        let (about, found) = (text::readable(&remark.about), text::readable(&remark.found));
        out.push_str(&format!("  {style}{word:<8}{style:#} {about:<width$}  {found}\n"));
        if !remark.remedy.is_empty() {
            out.push_str(&format!("  {:8} {:width$}  → {}\n", "", "", text::readable(&remark.remedy)));
        }
    }
    let count = |level| remarks.iter().filter(|remark| remark.level == level).count();
    let (warnings, bad) = (count(Level::Warning), count(Level::Bad));
    match (warnings, bad) {
        (0, 0) => out.push_str(&format!("\nall {} are well", text::plural(remarks.len(), "thing", "things"))),
        _ => out.push_str(&format!(
            "\n{}, {bad} bad: mend what is bad first",
            text::plural(warnings, "warning", "warnings")
        )),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_watchdog_says_of_itself_is_told_with_what_to_do() {
        let state = json!({
            "version": "0.0.9", "started_at": "2026-11-01T00:00:00Z",
            "process": {"resident_bytes": 950_000_000, "memory_limit_bytes": 1_000_000_000},
            "vantage": {"ok": true}, "store": {"ok": false, "message": "the disk is full"},
            "clusters": [{"name": "prod", "discovery_error": "403",
                "not_watched": [{"job": "etcd", "why": "no certificate", "how": "give etcd.cert_file"}]}],
            "notifications": {"failing_receivers": [{"receiver": "ops/email[0]", "why": "535"}]},
        });
        let remarks = service::judge(&state, env!("CARGO_PKG_VERSION"));
        assert_eq!(doctor::worst(&remarks), Level::Bad);
        let shown = anstream::adapter::strip_str(&shown(&remarks)).to_string();
        insta::assert_snapshot!(shown.replace(env!("CARGO_PKG_VERSION"), "1.2.3"));
        let fine = json!({"version": env!("CARGO_PKG_VERSION"), "vantage": {"ok": true}, "store": {"ok": true}});
        assert_eq!(doctor::worst(&service::judge(&fine, env!("CARGO_PKG_VERSION"))), Level::Ok);
    }
}
