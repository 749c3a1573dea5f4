//! `dogwatch check`: the configuration, and what it refers to, as a start or a reload would try it: files are read, exec
//! plugins are run, the port is taken for a moment, no server is asked.

mod diff;
mod explain;
mod routes;

use std::{
    io::ErrorKind,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anstyle::AnsiColor;
use futures_util::future::join_all;
use jiff::Timestamp;

use super::{ConfigArgs, Output, ask::ReachArgs, output};
use crate::{
    app::{links, preflight},
    clock::Clock,
    config::{self, Config, Places},
    dial::{self, DialConfig, Dialer},
    discover::config::ClusterConfig,
    health::{expires_soon, token_ends_soon},
    model::{TokenFact, text},
    rule,
};

pub(super) const HELP: &str = "\
Files of conf.d/ beside the configuration belong to it: conf.d/*.yml, in the order of their names.

Examples:
  dogwatch check -c dogwatch.yml             errors with file, line and column
  dogwatch check -c dogwatch.yml --explain   what is watched, how often, and who is told of which alert
  dogwatch check -c dogwatch.yml --diff      what a reload of the running dogwatch would change";

#[derive(clap::Args, Clone, Debug)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Say what will be watched, how often, and who is told of which alert
    #[arg(long)]
    explain: bool,
    /// Say what a reload of the running dogwatch to this configuration would change; it is asked as an admin
    #[arg(long, conflicts_with_all = ["explain", "kubeconfig"])]
    diff: bool,
    #[command(flatten)]
    reach: ReachArgs,
    /// How to print what --explain and --diff say
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,
}

/// Says that all is fine, or all that is not; exit status 1 where something can't be used, 0 where there are only warnings:
/// credentials that are missing or have ended may be back by the time they are needed, and the watchdog tells of them.
pub async fn main(args: CheckArgs) -> anyhow::Result<ExitCode> {
    let file = output::config_file(&args.config);
    let shown = file.as_ref().map_or_else(|| "the kubeconfig".to_string(), |p| p.display().to_string());
    let Examined { config, groups, errors, warnings, busy, concerns, by_tls } = match examine(&args.config).await {
        Ok(examined) => examined,
        Err(errors) => return Ok(output::fail(&errors)),
    };
    let yellow = output::style(AnsiColor::Yellow);
    // What --explain and --diff say is the answer; anything else would stand in the way of it.
    let is_plain = !args.explain && !args.diff;
    for warning in warnings.iter().chain(&busy).chain(&concerns).filter(|_| is_plain) {
        output::say_coloured(&format!("{yellow}warning:{yellow:#} {}", text::readable(warning)));
    }
    if !errors.is_empty() {
        return Ok(output::fail(&errors.join("\n")));
    }
    if !config.receivers.is_empty() && is_plain {
        output::say(&format!("links in messages lead to {}/", links::base(&config, config.listen, by_tls).await));
    }
    if args.explain {
        return explain::print(&config, &groups, args.output);
    }
    if args.diff {
        return diff::print(&config, &groups, &args).await;
    }
    let green = output::style(AnsiColor::Green);
    let pieces = file.as_deref().and_then(|file| config::pieces(file).ok()).unwrap_or_default();
    let shown = match pieces.len() {
        0 => shown,
        n => format!("{shown} with {} of conf.d", count(n, "file")),
    };
    let parts = parts(&config);
    match concerns.len() {
        0 => output::say_coloured(&format!("{green}{shown} is fine:{green:#} {parts}")),
        _ => output::say_coloured(&format!("{yellow}{shown} can be used, but see the warnings:{yellow:#} {parts}")),
    }
    Ok(ExitCode::SUCCESS)
}

/// So many, in words.
fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// How many there are of what.
fn parts(config: &Config) -> String {
    let mut parts = vec![count(config.clusters.len(), "cluster"), count(config.receivers.len(), "receiver")];
    if !config.checks.is_empty() {
        parts.push(count(config.checks.len(), "check"));
    }
    if !config.heartbeats.is_empty() {
        parts.push(count(config.heartbeats.len(), "heartbeat"));
    }
    parts.join(", ")
}

/// A configuration that could be read, and all that is to be said of it.
pub(super) struct Examined {
    pub(super) config: Config,
    /// Its rules.
    groups: Vec<rule::Group>,
    /// What can't be used.
    pub(super) errors: Vec<String>,
    /// What is unwise.
    pub(super) warnings: Vec<String>,
    /// Somebody has the port.
    pub(super) busy: Option<String>,
    /// What will not do, or soon not any more.
    pub(super) concerns: Vec<String>,
    /// Whether the port speaks TLS.
    by_tls: bool,
}

/// Looks at a configuration and all that it refers to.
///
/// # Errors
/// When it can't be read: all that is wrong, a line each.
pub(super) async fn examine(args: &ConfigArgs) -> Result<Examined, String> {
    let places = output::config_file(args).as_deref().and_then(Places::read);
    let config = output::configuration(args).await?;
    let told = |at: &str, message: String| match &places {
        Some(places) => places.error(at, &message).to_string(),
        None => message,
    };
    let (groups, mut errors) = match config::rules(&config) {
        Ok(groups) => (groups, Vec::new()),
        Err(found) => {
            let errors = found.0.into_iter();
            (Vec::new(), errors.map(|e| e.at.map_or(e.message.clone(), |at| told(&at, e.message))).collect())
        }
    };
    let doubts = config.template_doubts().into_iter();
    let mut concerns: Vec<String> = doubts.map(|(at, message)| told(&at, message)).collect();
    concerns.extend(groups.iter().flat_map(|group| &group.concerns).map(ToString::to_string));
    let found = join_all(config.clusters.iter().map(|cluster| credentials(cluster, &config.data_dir))).await;
    for (i, (cluster, found)) in config.clusters.iter().zip(found).enumerate() {
        match found {
            Ok(found) => concerns.extend(found.into_iter().map(|c| format!("cluster {}: {c}", cluster.name))),
            Err(error) => {
                let key = if context_is_wrong(cluster, &config.data_dir) { "context" } else { "kubeconfig" };
                errors.push(told(&format!("clusters[{i}].{key}"), format!("cluster {}: {error}", cluster.name)));
            }
        }
    }
    let integrations = config.integrations().unwrap_or_default();
    let unusable = preflight::files(&config, &integrations).await;
    errors.extend(unusable.into_iter().map(|problem| told(&problem.at, problem.message)));
    let door = preflight::door(&config);
    if let Ok(door) = &door
        && let Some(oidc) = &door.auth.oidc
        && let Err(why) = oidc.reach().await
    {
        concerns.push(format!("auth.oidc: nobody can log in at {} now: {why}", oidc.host()));
    }
    let by_tls = door.as_ref().is_ok_and(|door| door.tls.is_some());
    errors.extend(door.err().into_iter().flatten().map(|problem| told(&problem.at, problem.message)));
    let busy = port(&config).await.unwrap_or_else(|why| {
        errors.push(told("listen", why));
        None
    });
    Ok(Examined { errors, warnings: warnings(&config), busy, concerns, by_tls, config, groups })
}

/// Whether the kubeconfig would do, had the cluster no `context`.
fn context_is_wrong(cluster: &ClusterConfig, data_dir: &Path) -> bool {
    let given = cluster.dial(data_dir);
    let default = DialConfig { context: None, ..given.clone() };
    given.context.is_some() && dial::context(&given).is_err() && dial::context(&default).is_ok()
}

/// What of a cluster's credentials and CAs can be told without asking it; a plugin's own words are indented below.
///
/// # Errors
/// Why the cluster can't be watched at all.
async fn credentials(cluster: &ClusterConfig, data_dir: &Path) -> Result<Vec<String>, String> {
    let dial = DialConfig { person_waits: true, ..cluster.dial(data_dir) };
    let dialer = Dialer::load(dial, Clock::system()).await.map_err(|e| e.to_string())?;
    let now = Timestamp::now();
    let mut concerns: Vec<String> = dialer.missing().iter().map(output::missing).collect();
    let own = dialer.own_certificates();
    let own = own.iter().map(|c| {
        let whose = if c.source == "kubeconfig" { "the client certificate" } else { "the etcd client certificate" };
        (c, format!("{whose} ({})", c.subject))
    });
    let authorities = dialer.authorities();
    let authorities = authorities.iter().map(|(c, name)| (c, format!("{name} ({})", c.subject)));
    for (certificate, what) in own.chain(authorities) {
        let on = certificate.not_after.strftime("%Y-%m-%d %H:%M UTC");
        if certificate.not_after <= now {
            concerns.push(format!("{what} expired on {on}"));
        } else if certificate.not_before > now {
            concerns
                .push(format!("{what} is not valid before {}", certificate.not_before.strftime("%Y-%m-%d %H:%M UTC")));
        } else if expires_soon(certificate, now) {
            concerns.push(format!("{what} expires soon, on {on}"));
        }
    }
    concerns.extend(of_token(cluster, dialer.own_token().as_ref(), now));
    Ok(concerns)
}

/// What of our token will not do.
fn of_token(cluster: &ClusterConfig, token: Option<&TokenFact>, now: Timestamp) -> Option<String> {
    let Some(token) = token else {
        let why = "renew_token: the kubeconfig has no token that ends, so that nothing is renewed";
        return cluster.renew_token.then(|| why.to_owned());
    };
    let on = token.ends.strftime("%Y-%m-%d %H:%M UTC");
    if token.ends <= now {
        return Some(format!("the token of {} ended on {on}", token.subject));
    }
    if token.is_renewed && token.account().is_none() {
        return Some(format!(
            "renew_token: only a ServiceAccount's token can be renewed, not that of {}",
            token.subject
        ));
    }
    token_ends_soon(token, now).then(|| format!("the token of {} ends soon, on {on}", token.subject))
}

/// Takes the port for a moment. A warning: somebody has it now, or this user may not take it.
///
/// # Errors
/// Why nobody could take it on this machine.
async fn port(config: &Config) -> Result<Option<String>, String> {
    match preflight::listen(config.listen).await {
        Ok(_) => Ok(None),
        Err((ErrorKind::AddrInUse, _)) if preflight::is_dogwatch(config.listen).await => Ok(Some(format!(
            "{} is in use by a dogwatch that runs: it can be reloaded, another one can't start",
            config.listen
        ))),
        Err((ErrorKind::AddrInUse | ErrorKind::PermissionDenied, why)) => Ok(Some(why)),
        Err((_, why)) => Err(why),
    }
}

fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    for pattern in &config.templates {
        if let Err(why) = rule::file::expand(Path::new(""), pattern) {
            warnings.push(format!("templates: {why}"));
        }
    }
    warnings.extend(config.without_effect());
    if config.receivers.is_empty() {
        warnings.push("no receiver is configured: outages are told to nobody".into());
    }
    let of_clusters = config.clusters.iter().flat_map(|c| [&c.kubeconfig, &c.etcd.key_file]).flatten();
    let of_canaries = config.clusters.iter().filter_map(|c| c.canary.as_ref()?.kubeconfig.as_ref());
    let tokens: Vec<&PathBuf> = preflight::token_files(config).map(|(_, file)| file).collect();
    let switches = config.dead_mans_switch.iter().filter_map(|s| s.url_file.as_ref());
    let web = config::secret_files(config);
    let of_login = config.auth.oidc.iter().filter_map(|oidc| oidc.client_secret_file.as_ref());
    for file in of_clusters
        .chain(of_canaries)
        .chain(tokens.iter().copied())
        .chain(switches)
        .chain(&web)
        .chain(of_login)
        .filter(|file| others_may_read(file))
    {
        // What Kubernetes mounts is a link through `..data`, and not for anybody here to change.
        let is_mounted = std::fs::read_link(file).is_ok_and(|to| to.starts_with("..data"));
        let remedy = if is_mounted { "give its volume defaultMode: 0440" } else { "chmod 600" };
        let file = file.display();
        warnings.push(format!("{file} holds a secret and everybody on this machine may read it: {remedy}"));
    }
    warnings.extend(links::warning(config));
    if !config.listen.ip().to_canonical().is_loopback() && config.allow_unauthenticated {
        warnings.push(format!(
            "{} can be reached from other machines, and allow_unauthenticated lets everybody there read and silence \
             everything where web_config asks for no login",
            config.listen
        ));
    }
    warnings
}

fn others_may_read(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|m| m.permissions().mode() & 0o004 != 0)
}
