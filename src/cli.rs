//! The command line: arguments, and one file a subcommand. The only room that prints.

mod ask;
mod audit;
mod backup;
mod check;
mod completions;
mod demo;
mod doctor;
mod drill;
mod heartbeat;
mod import;
mod incidents;
mod init;
mod man;
mod output;
mod probe;
mod query;
mod report;
mod rules;
mod run;
mod schema;
mod silence;
mod state;
mod status;
mod token;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum};

use self::{ask::AskArgs, audit::AuditArgs, heartbeat::HeartbeatCommand, token::TokenCommand};

/// The watchdog for Kubernetes that stays awake when the cluster is down.
#[derive(Debug, Parser)]
#[command(name = "dogwatch", version, about, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  dogwatch demo --stay                 see it find an outage on a fake cluster, then look around
  dogwatch init                        look at a cluster, write dogwatch.yml and its rights
  dogwatch run                         watch the current context of your kubeconfig
  dogwatch run -c dogwatch.yml         watch what the file says, tell whom it says
  dogwatch check -c dogwatch.yml       check the file; errors with line and column
  dogwatch doctor -c dogwatch.yml      is all in place: machine, rights, receivers, service
  dogwatch probe --all                 probe everything once; exits like a Nagios plugin
  dogwatch query 'up == 0'             ask the history, in PromQL
  dogwatch rules backtest new.yml      when would these rules have fired?
  dogwatch import gatus.yaml           what other tools check, as checks of dogwatch
  dogwatch report --month 2026-10      how available it was, by intervals of verdicts
  dogwatch state prod diff --since 1h  what has changed in the cluster; its API need not answer
  dogwatch drill                       prove that alarms reach you";

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch: probe, remember, expose, tell.
    Run(RunArgs),
    /// Look at clusters, and write the configuration and the rights that watching them needs.
    #[command(after_help = init::HELP)]
    Init(init::InitArgs),
    /// Check the configuration and what it refers to; say what it does, and what it would change.
    #[command(after_help = check::HELP)]
    Check(check::CheckArgs),
    /// Print the JSON Schema of dogwatch.yml, for editors and pipelines.
    Schema,
    /// Look at all that the watchdog stands on, and say what to do where something is missing.
    #[command(after_help = doctor::HELP)]
    Doctor(doctor::DoctorArgs),
    /// Probe targets once and print what was found.
    #[command(after_help = PROBE_HELP)]
    Probe(ProbeArgs),
    /// Ask the history in PromQL; works while the watchdog runs and while it does not.
    #[command(after_help = query::HELP)]
    Query(query::QueryArgs),
    /// How everything stands, asked from the running watchdog.
    Status(AskArgs),
    /// Incidents: the open ones and those that ended, or one with its timeline and deliveries.
    #[command(after_help = INCIDENTS_HELP)]
    Incidents(IncidentsArgs),
    /// What runs, ran and has changed in a cluster, as last seen; works with the API gone and no watchdog running.
    #[command(after_help = state::HELP)]
    State(state::StateArgs),
    /// A month's availability, incidents, certificates, heartbeats and restore drills, for those who were not there.
    #[command(after_help = report::HELP)]
    Report(report::ReportArgs),
    /// Silences: planned quiet.
    #[command(subcommand)]
    Silence(SilenceCommand),
    /// Jobs that report in: how they stand, and pausing them.
    #[command(subcommand)]
    Heartbeat(HeartbeatCommand),
    /// Who did what: acknowledged, silenced, noted, reloaded; and logins that were refused.
    Audit(AuditArgs),
    /// Tokens by which programs log in.
    #[command(subcommand)]
    Token(TokenCommand),
    /// A synthetic outage through probe, diagnosis, route and receiver, with proof of delivery.
    #[command(after_help = DRILL_HELP)]
    Drill(DrillArgs),
    /// Test rule files, or play them over the history.
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Carry another tool's configuration over: its probes as `checks:`.
    #[command(after_help = import::HELP)]
    Import(import::ImportArgs),
    /// Copy the history to a file; works while the watchdog runs.
    Backup(BackupArgs),
    /// See an outage detected and told, on a fake cluster in this process.
    Demo(DemoArgs),
    /// Print a completion script for your shell.
    Completions(completions::CompletionsArgs),
    /// Write the manual pages to a directory.
    Man(man::ManArgs),
}

const PROBE_HELP: &str = "\
Exit status, as of a Nagios plugin: 0 all up, 1 something is degraded, 2 something is down,
3 something is unknown (or nothing could be probed). The worst counts, down before degraded before unknown.

A TARGET is any part of cluster/job/instance or a node's name: prod/etcd/10.0.0.1:2379, kubelet, n1.";

/// Where the history is.
#[derive(Args, Clone, Debug)]
struct HistoryArgs {
    /// The configuration that says where; default: ./dogwatch.yml where there is one
    #[arg(short, long, env = "DOGWATCH_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory of the SQLite file, or a copy of it (`dogwatch backup`); instead of `data_dir`
    #[arg(long, value_name = "DIR", visible_alias = "db")]
    data_dir: Option<PathBuf>,
}

/// Documents that can be made.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Document {
    /// Text with headings and lists
    #[value(alias = "md")]
    Markdown,
}

const INCIDENTS_HELP: &str = "\
Examples:
  dogwatch incidents                                   the open ones, and the latest that ended
  dogwatch incidents --cluster prod --since 30d --all  everything of the last 30 days
  dogwatch incidents --severity critical --before 2026-11-01
  dogwatch incidents 12                                one, with its timeline and who was told
  dogwatch incidents 12 --acknowledge ada              no further escalation, no reminders
  dogwatch incidents 12 --withdraw                     nobody looks after it any more
  dogwatch incidents 12 --note 'switch replaced' --by ada
  dogwatch incidents 12 --format markdown              all of it, for a post-mortem
  dogwatch incidents --data-dir /var/lib/dogwatch      from the file, whether a watchdog runs or not";

#[derive(Args, Clone, Debug)]
struct IncidentsArgs {
    #[command(flatten)]
    ask: AskArgs,
    /// One of them
    #[arg(value_name = "ID")]
    id: Option<i64>,
    /// Say that you look after it: no further escalation, no reminders
    #[arg(long, requires = "id", value_name = "NAME", conflicts_with = "data_dir", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    acknowledge: Option<String>,
    /// Say that nobody looks after it any more: reminders and escalation go on
    #[arg(long, requires = "id", group = "signed", conflicts_with_all = ["data_dir", "acknowledge"])]
    withdraw: bool,
    /// Add a note to its timeline
    #[arg(long, requires_all = ["id", "by"], value_name = "TEXT", group = "signed", conflicts_with_all = ["data_dir", "acknowledge", "withdraw"])]
    note: Option<String>,
    /// Who notes or withdraws it
    #[arg(long, requires = "signed", value_name = "NAME")]
    by: Option<String>,
    /// Print it as a document instead: markdown, for a post-mortem
    #[arg(long, requires = "id", value_name = "FORMAT", conflicts_with_all = ["output", "acknowledge", "withdraw", "note"])]
    format: Option<Document>,
    /// Of this cluster; may be given again; `dogwatch`: those of the watchdog itself
    #[arg(long, value_name = "NAME", conflicts_with = "id")]
    cluster: Vec<String>,
    /// Of this severity, the worst that each has had: critical, warning or info; may be given again
    #[arg(long, value_name = "SEVERITY", conflicts_with = "id")]
    severity: Vec<String>,
    /// Open or resolved; default: open ones first
    #[arg(long, value_name = "STATE", conflicts_with = "id")]
    state: Option<String>,
    /// Open at this time or later: 30d, RFC 3339, a date, Unix seconds
    #[arg(long, value_name = "TIME", conflicts_with = "id", allow_hyphen_values = true)]
    since: Option<String>,
    /// Begun before this time; or those that ended before incident ID, as the end of a list says it
    #[arg(long, value_name = "TIME|ID", conflicts_with = "id", allow_hyphen_values = true)]
    before: Option<String>,
    /// How many at the most
    #[arg(long, value_name = "N", default_value_t = 50, conflicts_with = "id")]
    limit: usize,
    /// All of them, however many
    #[arg(long, conflicts_with_all = ["id", "limit"])]
    all: bool,
    /// Read the file in this directory instead of asking a watchdog: works whether it runs or not
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    data_dir: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
enum SilenceCommand {
    /// Make one
    Add(SilenceAddArgs),
    /// List those in force and to come
    List(AskArgs),
    /// End one now
    Expire {
        #[command(flatten)]
        ask: AskArgs,
        /// Its id
        id: String,
    },
}

#[derive(Args, Clone, Debug)]
struct SilenceAddArgs {
    #[command(flatten)]
    ask: AskArgs,
    /// Conditions, all of which must hold: alertname=X cluster=prod node=~"w.*"
    #[arg(value_name = "MATCHER", required = true)]
    matchers: Vec<String>,
    /// How long
    #[arg(long = "for", value_name = "DURATION", default_value = "1h")]
    duration: String,
    /// From when on, RFC 3339; default: now
    #[arg(long, value_name = "TIME")]
    start: Option<jiff::Timestamp>,
    /// Who
    #[arg(long, env = "USER", value_name = "NAME", default_value = "somebody")]
    author: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    comment: String,
}

const DRILL_HELP: &str = "\
A fake cluster breaks in this process; the watchdog's own code finds it, routes it by your configuration and sends it
to your receivers, marked as a drill; then it mends, and the end is sent too. Exit status 0 only with every proof.

Examples:
  dogwatch drill -c dogwatch.yml                     everybody who would be told of a critical outage
  dogwatch drill -c dogwatch.yml --receiver oncall   one receiver, whatever the routes say
  dogwatch drill -c dogwatch.yml --dry-run           the same outage, but print what would be sent, and send nothing
  dogwatch drill restore etcd                        open the restore drill etcd of the configuration";

/// Other drills than that of the alert path.
#[derive(Clone, Debug, Subcommand)]
enum DrillCommand {
    /// Open a restore drill, and print how it is reported
    Restore(drill::RestoreArgs),
}

#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
struct DrillArgs {
    #[command(subcommand)]
    other: Option<DrillCommand>,
    /// The configuration; default: ./dogwatch.yml
    #[arg(short, long, env = "DOGWATCH_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only this receiver
    #[arg(long, value_name = "NAME")]
    receiver: Option<String>,
    /// Play it, print what each receiver would get, send nothing
    #[arg(long)]
    dry_run: bool,
    /// Stay, and repeat at these times (five fields of cron, UTC) until a proof is missing; `drill:` in the configuration lets the watchdog itself do it
    #[arg(long, value_name = "CRON", conflicts_with = "dry_run")]
    schedule: Option<String>,
    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,
}

#[derive(Clone, Debug, Subcommand)]
enum RulesCommand {
    /// Run unit tests of rules, in promtool's format
    Test(RulesTestArgs),
    /// When would these rules have fired, and what really happened then?
    #[command(after_help = BACKTEST_HELP)]
    Backtest(BacktestArgs),
    /// Print the built-in rules, one file or all
    Show {
        /// Which file, e.g. etcd.yml; default: all
        file: Option<String>,
    },
}

const BACKTEST_HELP: &str = "\
Examples:
  dogwatch rules backtest my-rules.yml --since 30d     a new rule, before it wakes anybody
  dogwatch rules backtest --since 7d                   the rules that are in force";

#[derive(Args, Clone, Debug)]
struct RulesTestArgs {
    /// Test files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

#[derive(Args, Clone, Debug)]
struct BacktestArgs {
    #[command(flatten)]
    history: HistoryArgs,
    /// Rule files; default: those of the configuration
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// From how long ago on
    #[arg(long, value_name = "DURATION", default_value = "30d")]
    since: String,
    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,
}

#[derive(Args, Clone, Debug)]
struct BackupArgs {
    #[command(flatten)]
    history: HistoryArgs,
    /// The copy
    #[arg(value_name = "FILE")]
    to: PathBuf,
    /// Replace the file where it is there already
    #[arg(long)]
    force: bool,
}

/// Which configuration.
#[derive(Args, Clone, Debug)]
struct ConfigArgs {
    /// The configuration; default: ./dogwatch.yml where there is one, else the kubeconfig alone
    #[arg(short, long, env = "DOGWATCH_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Without a configuration: this kubeconfig instead of $KUBECONFIG or ~/.kube/config
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    kubeconfig: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Where the SQLite file lives; instead of `data_dir`
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address of pages, API and /metrics; instead of `listen`: 127.0.0.1:9559, or :9559 for all addresses
    #[arg(long, value_name = "ADDRESS", value_parser = crate::config::listen)]
    listen: Option<SocketAddr>,
    /// What is logged, as tracing's directives
    #[arg(long, env = "DOGWATCH_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
    /// How it is logged; default: text on a terminal, JSON otherwise
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogStyle>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogStyle {
    Text,
    Json,
}

#[derive(Args, Clone, Debug)]
struct ProbeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// What to probe: parts of targets' names, checks by name, or ad hoc https://…, tcp://host:port, ssh://host, … (docs/checks.md)
    #[arg(value_name = "TARGET", required_unless_present = "all")]
    targets: Vec<String>,
    /// Probe everything that discovery finds, and all checks
    #[arg(long, conflicts_with = "targets")]
    all: bool,
    /// Print the steps of each probe too
    #[arg(short, long)]
    verbose: bool,
    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,
}

impl ProbeArgs {
    /// Everything, once.
    fn all() -> Self {
        let config = ConfigArgs { config: None, kubeconfig: None };
        Self { config, targets: Vec::new(), all: true, verbose: false, output: Output::Table }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

#[derive(Args, Clone, Debug)]
struct DemoArgs {
    /// Address of the demo's pages; port 0: any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", value_parser = crate::config::listen)]
    listen: SocketAddr,
    /// Keep the pages up when the outage is over, to look around, until Ctrl-C
    #[arg(long)]
    stay: bool,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    crate::app::limits::keep_memory_private();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(&format!("no runtime could be started: {error}")),
    };
    crate::dial::install_crypto();
    let done = runtime.block_on(async {
        match cli.command {
            Command::Run(args) => run::main(args).await,
            Command::Init(args) => init::main(args).await,
            Command::Check(args) => check::main(args).await,
            Command::Schema => schema::main(),
            Command::Doctor(args) => doctor::main(args).await,
            Command::Probe(args) => probe::main(args).await,
            Command::Query(args) => query::main(args).await,
            Command::Status(args) => status::main(args).await,
            Command::Incidents(args) => incidents::main(args).await,
            Command::State(args) => state::main(args).await,
            Command::Report(args) => report::main(args).await,
            Command::Silence(command) => silence::main(command).await,
            Command::Heartbeat(command) => heartbeat::main(command).await,
            Command::Audit(args) => audit::main(args).await,
            Command::Token(command) => token::main(&command),
            Command::Drill(args) => drill::main(args).await,
            Command::Rules(command) => rules::main(command).await,
            Command::Import(args) => import::main(args).await,
            Command::Backup(args) => backup::main(args).await,
            Command::Demo(args) => demo::main(args).await,
            Command::Completions(args) => completions::main(&args),
            Command::Man(args) => man::main(&args),
        }
    });
    // What still runs (a name that does not resolve) must not keep the program.
    runtime.shutdown_background();
    done.unwrap_or_else(|error| output::fail(&format!("{error:#}")))
}
