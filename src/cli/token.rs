//! `dogwatch token`: makes what programs log in by. The watchdog knows only its hash.

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};

use super::output;
use crate::login::{self, Scope};

/// What can be done with tokens.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make one: it is printed once, with the lines for dogwatch.yml, which hold its hash
    Create {
        /// What the audit log calls it
        #[arg(value_name = "NAME")]
        name: String,
        /// What it is for; may be given again
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<ScopeArg>,
    },
}

/// What a token is for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ScopeArg {
    /// See pages, ask APIs and /metrics
    Read,
    /// Acknowledge, withdraw, silence, note
    Write,
    /// Report for every heartbeat, at /ping/NAME
    Ping,
    /// Post alerts
    AlertsIn,
}

impl ScopeArg {
    fn scope(self) -> Scope {
        match self {
            ScopeArg::Read => Scope::Read,
            ScopeArg::Write => Scope::Write,
            ScopeArg::Ping => Scope::Ping,
            ScopeArg::AlertsIn => Scope::AlertsIn,
        }
    }
}

/// Does it.
pub(super) fn main(command: &TokenCommand) -> anyhow::Result<ExitCode> {
    let TokenCommand::Create { name, scopes } = command;
    let (token, hash) = login::create_token().map_err(anyhow::Error::msg)?;
    let scopes: Vec<Scope> = scopes.iter().map(|scope| scope.scope()).collect();
    let entry = serde_json::json!([{"name": name, "scopes": scopes, "hash": hash}]);
    output::say(token.reveal());
    // JSON is YAML, and quotes what a name may hold.
    output::note(&format!(
        "keep it in a file of mode 600: it is shown this once. For dogwatch.yml, which has its hash alone:\n\
         auth: {{tokens: {entry}}}"
    ));
    Ok(ExitCode::SUCCESS)
}
