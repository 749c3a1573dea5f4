//! When a domain's registration ends, by RDAP (RFC 9082, 9083): the registry is found by IANA's list, or named by `server`.

use std::{path::PathBuf, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    condition::Condition,
    found::Found,
    http::{HttpConfig, fetch},
    prober::{Asking, Prober, Problems},
    web::{below, get, json, request, well},
};
use crate::{
    dial::{Answer, TlsFiles},
    model::{Failure, Reason, Secret},
};

/// Which registry has which ending (RFC 9224).
const BOOTSTRAP: &str = "https://data.iana.org/rdap/dns.json";
/// The longest answer of either.
const ANSWER_MAX: usize = 4 << 20;
/// Registries lock out who asks often, and what they say changes once a year.
const USUALLY_EVERY: Duration = Duration::from_secs(12 * 3600);
/// Without a condition on it, a registration that ends sooner is a failure: renewals take days where something is wrong.
const SOON: Duration = Duration::from_secs(14 * 86_400);
/// Names above the one that is given, of which one is registered: `www.shop.example.co.uk` has three.
const PARENTS_MAX: usize = 4;
/// States of a domain that is not in the DNS, or soon not ours (RFC 8056, section 2).
const LOST: [&str; 6] =
    ["client hold", "server hold", "redemption period", "pending delete", "inactive", "pending restore"];

/// `domain:` of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainConfig {
    /// The domain, or a name below it.
    pub name: String,
    /// The RDAP server that knows it; without it, the one that IANA names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Url>,
    /// Through this proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_url: Option<Secret>,
    /// What must hold; without a condition on `expiry`, `expiry > 14d`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Condition>,
    /// Certificates.
    #[serde(default)]
    pub tls_config: TlsFiles,
}

impl DomainConfig {
    fn web(&self, home: Url) -> HttpConfig {
        HttpConfig { proxy_url: self.proxy_url.clone(), tls_config: self.tls_config.clone(), ..HttpConfig::get(home) }
    }

    fn is_name(&self) -> bool {
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() < 64
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        self.name.contains('.') && self.name.len() < 254 && self.name.split('.').all(is_label)
    }
}

impl Prober for DomainConfig {
    fn layer(&self) -> u8 {
        4
    }

    fn at(&self) -> String {
        self.name.clone()
    }

    fn expect(&self) -> &[Condition] {
        &self.expect
    }

    fn subjects(&self) -> (&'static [&'static str], &'static str) {
        (&["expiry", "json", "cert"], "a domain")
    }

    fn usual_interval(&self) -> Option<Duration> {
        Some(USUALLY_EVERY)
    }

    fn problems(&self) -> Problems {
        let mut all = Vec::new();
        if !self.is_name() {
            all.push((".name".to_owned(), "write it like example.org (in the DNS' own letters: xn--…)".to_owned()));
        }
        if let Some(server) = &self.server {
            let rename = |(key, why): (String, String)| (key.replace(".url", ".server"), why);
            all.extend(self.web(server.clone()).problems().into_iter().map(rename));
        }
        all
    }

    fn tls_files(&mut self) -> Option<&mut TlsFiles> {
        Some(&mut self.tls_config)
    }

    fn files(&mut self) -> Vec<&mut PathBuf> {
        Vec::new()
    }

    fn probe<'a>(&'a self, found: &'a mut Found) -> Asking<'a> {
        Box::pin(probe(self, found))
    }
}

#[derive(Deserialize)]
struct Bootstrap {
    services: Vec<(Vec<String>, Vec<Url>)>,
}

#[derive(Deserialize)]
struct Domain {
    #[serde(default)]
    events: Vec<Event>,
    #[serde(default)]
    status: Vec<String>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "eventAction")]
    action: String,
    #[serde(rename = "eventDate")]
    date: String,
}

async fn probe(c: &DomainConfig, found: &mut Found) -> Result<(), Failure> {
    let wrong = |words: String| Failure::new(Reason::Answer, words);
    let server = match &c.server {
        Some(server) => server.clone(),
        None => registry(c, found).await?,
    };
    let answer = ask(c, &server, found).await?;
    let domain: Domain = json(&answer, "the registry's answer")?;
    found.answered = true;
    found.seen.body = Some(answer.body);
    let lost = domain.status.iter().find(|status| LOST.contains(&status.to_lowercase().as_str()));
    if let Some(status) = lost {
        return Err(wrong(format!("the registry has it as {status:?}")));
    }
    let event = domain.events.iter().find(|event| event.action == "expiration");
    let Some(end) = event.and_then(|event| event.date.parse::<Timestamp>().ok()) else {
        return Err(wrong("the registry does not tell when it ends (some do not): leave this check out".to_owned()));
    };
    found.line.note(format_args!("it is registered until {end}"));
    #[allow(clippy::cast_precision_loss)] // Seconds of this age are exact.
    found.measure("probe_domain_expiry_timestamp_seconds", end.as_second() as f64);
    let left = end.duration_since(Timestamp::now()).as_secs_f64();
    found.seen.number("expiry", left);
    let is_asked = c.expect.iter().any(|condition| condition.about() == "expiry");
    if !is_asked && left < SOON.as_secs_f64() {
        let day = end.strftime("%Y-%m-%d");
        let ends = if left < 0.0 { "ended" } else { "ends" };
        return Err(Failure::new(
            Reason::Certificate,
            format!("its registration {ends} on {day}, should last 14d more"),
        ));
    }
    Ok(())
}

/// The server of the longest ending that IANA's list has.
async fn registry(c: &DomainConfig, found: &mut Found) -> Result<Url, Failure> {
    let url = Url::parse(BOOTSTRAP).map_err(|_| Failure::new(Reason::Local, "IANA's list has no address"))?;
    let answer = get(&c.web(url.clone()), url, "application/json", ANSWER_MAX, found).await?;
    let list: Bootstrap = json(&answer, "IANA's list of registries")?;
    let name = c.name.to_lowercase();
    let fits = |ending: &String| name == *ending || name.ends_with(&format!(".{ending}"));
    let best = list.services.iter().flat_map(|(endings, servers)| endings.iter().map(move |ending| (ending, servers)));
    let best = best.filter(|(ending, _)| fits(ending)).max_by_key(|(ending, _)| ending.len());
    let secure =
        best.and_then(|(_, servers)| servers.iter().find(|url| url.scheme() == "https").or_else(|| servers.first()));
    secure
        .cloned()
        .ok_or_else(|| Failure::new(Reason::Answer, "IANA names no RDAP server for it: give one as `server`"))
}

/// Asks for the name, and for those above it while the registry has none.
async fn ask(c: &DomainConfig, server: &Url, found: &mut Found) -> Result<Answer, Failure> {
    let labels: Vec<&str> = c.name.split('.').collect();
    let web = c.web(server.clone());
    for skipped in 0..labels.len().saturating_sub(1).min(PARENTS_MAX) {
        let name = labels.get(skipped..).unwrap_or_default().join(".");
        let url = below(server, &["domain", &name]);
        let answer = fetch(&web, request(url, "application/rdap+json, application/json", ANSWER_MAX), found).await?;
        if answer.status == 429 {
            return Err(Failure::new(Reason::Throttled, "HTTP 429: the registry wants to be asked less often"));
        }
        if answer.status != 404 {
            return well(answer, &format!("/domain/{name}"), ANSWER_MAX);
        }
        found.line.note(format_args!("the registry has no {name}"));
    }
    Err(Failure::new(Reason::Answer, format!("the registry has no {}: it is free, or not below this server", c.name)))
}
