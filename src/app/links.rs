//! Where the links of messages lead, where the configuration does not say it (`external_url`).
//!
//! A watchdog that listens on one address is found there; one that listens on all of them by the machine's own name. One
//! that listens on loopback is found by nobody else: its links are dead, which `check` and the log say.

use std::{net::SocketAddr, time::Duration};

use tokio::{net::lookup_host, time::timeout};

use crate::config::Config;

/// A start waits no longer for a resolver: it may be part of the outage.
const NAMED_WITHIN: Duration = Duration::from_secs(1);

/// Tells what every link begins with, without a slash at the end.
pub async fn base(config: &Config, listening: SocketAddr, by_tls: bool) -> String {
    let scheme = if by_tls { "https" } else { "http" };
    if let Some(url) = &config.external_url {
        return url.as_str().trim_end_matches('/').to_owned();
    }
    if !listening.ip().is_unspecified() {
        return format!("{scheme}://{listening}");
    }
    match own_name().await {
        Some(name) => format!("{scheme}://{name}:{}", listening.port()),
        None => format!("{scheme}://{listening}"),
    }
}

/// Says that links will be dead, where somebody is told and nobody but this machine could follow them.
pub fn warning(config: &Config) -> Option<String> {
    let dead = config.external_url.is_none() && config.listen.ip().is_loopback() && !config.receivers.is_empty();
    dead.then(|| {
        format!(
            "the links in messages will lead to http://{}, which is dead everywhere but on this machine: set \
             `external_url` to where people reach dogwatch",
            config.listen
        )
    })
}

/// The machine's names that are known without asking anybody: people may ask for pages by them.
pub fn own_names() -> Vec<String> {
    let Some(host) = hostname() else { return Vec::new() };
    let (full, _) = full_names(&host, &read("/etc/hosts"), "");
    full.into_iter().chain([host]).collect()
}

fn hostname() -> Option<String> {
    nix::unistd::gethostname().ok()?.into_string().ok().filter(|name| !name.is_empty())
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The machine's name as others may know it: in full, where /etc/hosts or the resolver know it so.
async fn own_name() -> Option<String> {
    let host = hostname()?;
    let (local, asked) = full_names(&host, &read("/etc/hosts"), &read("/etc/resolv.conf"));
    if local.is_some() {
        return local;
    }
    let ask = async {
        for name in asked {
            if lookup_host((name.as_str(), 0)).await.is_ok() {
                return Some(name);
            }
        }
        None
    };
    Some(timeout(NAMED_WITHIN, ask).await.ok().flatten().unwrap_or(host))
}

/// The full name that needs nobody's answer, else those to ask for: the host within each domain that is searched.
fn full_names(host: &str, hosts: &str, resolv: &str) -> (Option<String>, Vec<String>) {
    if host.contains('.') {
        return (Some(host.to_owned()), Vec::new());
    }
    let of_machine = |line: &str| {
        let names: Vec<&str> = line.split('#').next()?.split_ascii_whitespace().skip(1).collect();
        let full = names.iter().find(|name| name.split_once('.').is_some_and(|(first, _)| first == host));
        full.filter(|_| names.contains(&host)).map(|name| (*name).to_owned())
    };
    let local = hosts.lines().find_map(of_machine);
    // The last of these lines counts (resolv.conf(5)).
    let searched = resolv.lines().rfind(|line| line.starts_with("search ") || line.starts_with("domain "));
    let domains = searched.into_iter().flat_map(|line| line.split_ascii_whitespace().skip(1));
    (
        local,
        domains.filter(|domain| *domain != ".").map(|domain| format!("{host}.{}", domain.trim_matches('.'))).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_full_name_of_a_machine() {
        let check = |host: &str, hosts: &str, resolv: &str, local: Option<&str>, asked: &[&str]| {
            let found = full_names(host, hosts, resolv);
            let asked: Vec<String> = asked.iter().map(|s| (*s).to_owned()).collect();
            assert_eq!((found.0.as_deref(), found.1), (local, asked), "{host}");
        };
        check("w.example.org", "", "search a", Some("w.example.org"), &[]);
        check("w", "127.0.0.1 localhost\n127.0.1.1 w.example.org w # ours\n", "", Some("w.example.org"), &[]);
        check("w", "127.0.1.1 w\n10.0.0.1 x.example.org x\n", "", None, &[]);
        check("w", "", "domain b.org\nnameserver 1.1.1.1\nsearch a.org. b.org\n", None, &["w.a.org", "w.b.org"]);
        check("w", "", "search .\n", None, &[]);
    }

    #[tokio::test]
    async fn links_lead_where_people_are() {
        async fn check(config: Config, expected: &str) {
            let base = base(&config, config.listen, false).await;
            assert!(base.starts_with(expected) && !base.contains("0.0.0.0"), "{base}");
        }
        let at = |listen: &str| Config { listen: listen.parse().unwrap(), ..Config::default() };
        check(at("192.0.2.1:80"), "http://192.0.2.1:80").await;
        check(at("0.0.0.0:80"), "http://").await;
        check(at("[::1]:80"), "http://[::1]:80").await;
        let given = Config { external_url: Some("https://w.example.org/x/".parse().unwrap()), ..at("0.0.0.0:80") };
        check(given, "https://w.example.org/x").await;
    }
}
