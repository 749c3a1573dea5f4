//! `dogwatch check`: the configuration, and what it refers to.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anstyle::AnsiColor;

use super::{CheckArgs, output};
use crate::{
    clock::Clock,
    config::{self, Config},
    dial::{DialConfig, Dialer},
    heartbeat::tokens,
    rule,
};

/// Says that all is fine, or all that is not; exit status 1 then.
pub async fn main(args: CheckArgs) -> anyhow::Result<ExitCode> {
    let shown =
        output::config_file(&args.config).map_or_else(|| "the kubeconfig".to_string(), |p| p.display().to_string());
    let config = match output::configuration(&args.config).await {
        Ok(config) => config,
        Err(errors) => return Ok(output::fail(&errors)),
    };
    let mut errors = config::rules(&config).err().unwrap_or_default();
    for cluster in &config.clusters {
        let dial = DialConfig {
            kubeconfig: cluster.kubeconfig.clone(),
            context: cluster.context.clone(),
            etcd_ca_file: cluster.etcd.ca_file.clone(),
            etcd_cert_file: cluster.etcd.cert_file.clone(),
            etcd_key_file: cluster.etcd.key_file.clone(),
        };
        if let Err(error) = Dialer::load(dial, Clock::system()).await {
            errors.push(format!("cluster {}: {error}", cluster.name));
        }
    }
    let unfit = |file: &PathBuf| tokens::check(file).err().map(|why| format!("{}: {why}", file.display()));
    errors.extend(token_files(&config).filter_map(unfit));
    let yellow = output::style(AnsiColor::Yellow);
    for warning in warnings(&config) {
        output::say(&format!("{yellow}warning:{yellow:#} {warning}"));
    }
    if !errors.is_empty() {
        return Ok(output::fail(&errors.join("\n")));
    }
    let green = output::style(AnsiColor::Green);
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let mut parts = vec![count(config.clusters.len(), "cluster"), count(config.receivers.len(), "receiver")];
    if !config.heartbeats.is_empty() {
        parts.push(count(config.heartbeats.len(), "heartbeat"));
    }
    output::say(&format!("{green}{shown} is fine:{green:#} {}", parts.join(", ")));
    Ok(ExitCode::SUCCESS)
}

fn token_files(config: &Config) -> impl Iterator<Item = &PathBuf> {
    let monitoring = config.clusters.iter().filter_map(|c| c.monitoring.as_ref());
    config.heartbeats.iter().map(|h| &h.token_file).chain(monitoring.map(|m| &m.token_file))
}

fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    for pattern in &config.templates {
        if let Err(why) = rule::file::expand(Path::new(""), pattern) {
            warnings.push(format!("templates: {why}"));
        }
    }
    if config.receivers.is_empty() {
        warnings.push("no receiver is configured: outages are told to nobody".into());
    }
    let of_clusters = config.clusters.iter().flat_map(|c| [&c.kubeconfig, &c.etcd.key_file]).flatten();
    let switches = config.dead_mans_switch.iter().filter_map(|s| s.url_file.as_ref());
    for file in of_clusters.chain(token_files(config)).chain(switches).filter(|file| others_may_read(file)) {
        warnings
            .push(format!("{} holds a secret and everybody on this machine may read it: chmod 600", file.display()));
    }
    if !config.listen.ip().is_loopback() {
        warnings.push(format!("{} can be reached from other machines and asks for no password", config.listen));
    }
    warnings
}

fn others_may_read(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|m| m.permissions().mode() & 0o004 != 0)
}
