//! Redis and what speaks as it does (Valkey, KeyDB, Sentinel): login, PING, its role, how far its replicas are behind, and a key.
//! Only reads.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    condition::Condition,
    found::Found,
    options::password,
    prober::{Address, Asking, Prober, Problems},
    wire::Wire,
};
use crate::{
    dial::{Place, TlsFiles},
    model::{Failure, Measure, Reason, Secret},
};

/// Where Redis listens.
const USUAL: u16 = 6379;
/// The longest line of an answer: errors and numbers.
const LINE_MAX: usize = 4096;
/// The longest value that is read.
const VALUE_MAX: usize = 256 << 10;

/// `redis:` of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// `host:port`, or a host where it is port 6379; empty at nodes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// TLS.
    #[serde(default)]
    pub tls: bool,
    /// Who logs in; without it the default user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// … or the file that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// A key: a text's value, or how many entries there are in whatever else it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The number of the database that has the key.
    #[serde(default)]
    pub database: u32,
    /// What the answers must be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Condition>,
    /// Certificates.
    #[serde(default)]
    pub tls_config: TlsFiles,
}

impl RedisConfig {
    fn place(&self) -> Result<Place, String> {
        Place::read(&self.address, Some(USUAL))
    }

    fn says_of(&self, words: &[&str]) -> bool {
        self.expect.iter().any(|condition| words.contains(&condition.about()))
    }
}

impl Prober for RedisConfig {
    fn at(&self) -> String {
        self.address.clone()
    }

    fn address(&self) -> Option<Address<'_>> {
        Some(Address { key: ".address", text: &self.address, place: self.place(), at_nodes: true })
    }

    fn expect(&self) -> &[Condition] {
        &self.expect
    }

    fn subjects(&self) -> (&'static [&'static str], &'static str) {
        (&["role", "lag", "value", "cert", "version"], "an answer of Redis")
    }

    fn problems(&self) -> Problems {
        let mut all = Vec::new();
        let mut say = |key: &str, why: &str| all.push((key.to_owned(), why.to_owned()));
        if self.password.is_some() && self.password_file.is_some() {
            say(".password", "give password or password_file, not both");
        }
        if self.username.is_some() && self.password.is_none() && self.password_file.is_none() {
            say(".username", "username and password (or password_file) belong together");
        }
        if self.key.is_none() && self.says_of(&["value"]) {
            say(".key", "of which key? A condition is about its value");
        }
        if self.key.is_none() && self.database != 0 {
            say(".database", "is of use only with a key");
        }
        all
    }

    fn tls_files(&mut self) -> Option<&mut TlsFiles> {
        Some(&mut self.tls_config)
    }

    fn files(&mut self) -> Vec<&mut PathBuf> {
        self.password_file.iter_mut().collect()
    }

    fn move_to(&mut self, instance: &str) {
        instance.clone_into(&mut self.address);
    }

    fn probe<'a>(&'a self, found: &'a mut Found) -> Asking<'a> {
        Box::pin(probe(self, found))
    }
}

/// An answer in RESP, as far as what we ask is answered by it.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Text(String),
    Nothing,
    /// It refuses: its first word is the kind.
    Error(String),
}

struct Talk {
    wire: Wire,
    place: Place,
}

impl Talk {
    async fn ask(&mut self, words: &[&str]) -> Result<Said, Failure> {
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.wire.send(command.as_bytes()).await?;
        let line = self.wire.line(LINE_MAX).await?;
        let mut letters = line.chars();
        let (kind, rest) = (letters.next(), letters.as_str());
        Ok(match kind {
            Some('+' | ':') => Said::Text(rest.to_owned()),
            Some('-') => Said::Error(rest.to_owned()),
            Some('_') => Said::Nothing,
            Some('$') => match rest.parse::<i64>() {
                Ok(-1) => Said::Nothing,
                Ok(n) => {
                    let n = usize::try_from(n).ok().filter(|n| *n <= VALUE_MAX);
                    let n = n.ok_or_else(|| {
                        let words = format!("{} answers with {rest} bytes: too long for a check", self.place);
                        Failure::new(Reason::Answer, words)
                    })?;
                    let mut value = self.wire.bytes(n + 2).await?;
                    value.truncate(n);
                    Said::Text(String::from_utf8_lossy(&value).into_owned())
                }
                Err(_) => return Err(self.wire.odd("Redis")),
            },
            _ => return Err(self.wire.odd("Redis")),
        })
    }

    /// The same, where a refusal is the failure.
    async fn text(&mut self, words: &[&str]) -> Result<Option<String>, Failure> {
        match self.ask(words).await? {
            Said::Text(text) => Ok(Some(text)),
            Said::Nothing => Ok(None),
            Said::Error(said) => Err(self.refused(words.first().copied().unwrap_or_default(), &said)),
        }
    }

    fn refused(&self, command: &str, said: &str) -> Failure {
        let place = &self.place;
        let words = match (said.split(' ').next().unwrap_or_default(), command) {
            ("NOAUTH", _) => format!("{place} wants a password (NOAUTH): give password or password_file"),
            ("WRONGPASS", _) | (_, "AUTH") => format!("{place} refuses our credentials: {said}"),
            ("NOPERM", _) => format!("our user may not run {command} at {place}: {said}"),
            ("LOADING", _) => format!("{place} is loading its data, and not ready yet (LOADING)"),
            ("MASTERDOWN", _) => format!("{place} is a replica that has lost its master (MASTERDOWN)"),
            ("DENIED", _) => format!("{place} is in protected mode, and refuses us (DENIED)"),
            _ => format!("{place} answers {command} with an error: {said}"),
        };
        Failure::new(Reason::Answer, words)
    }
}

/// Logs in, and asks.
async fn probe(c: &RedisConfig, found: &mut Found) -> Result<(), Failure> {
    let place = c.place().map_err(|why| Failure::new(Reason::Dns, why))?;
    let wire = Wire::connect(&place, c.tls.then_some(&c.tls_config), found).await?;
    let began = tokio::time::Instant::now();
    let mut talk = Talk { wire, place };
    if let Some(password) = password(c.password.as_ref(), c.password_file.as_ref()).await? {
        let words: Vec<&str> = ["AUTH"].into_iter().chain(c.username.as_deref()).chain([&*password]).collect();
        talk.text(&words).await?;
        found.line.note("logged in");
    }
    let pong = talk.text(&["PING"]).await?;
    found.answered = true;
    if pong.as_deref() != Some("PONG") {
        return Err(talk.wire.odd("Redis"));
    }
    found.line.note("PONG");
    talk.wire.stage("after PING");
    replication(c, &mut talk, found).await?;
    if let Some(key) = &c.key {
        if c.database != 0 {
            talk.text(&["SELECT", &c.database.to_string()]).await?;
        }
        if let Some(value) = value(&mut talk, key).await? {
            found.line.note(format_args!("{key} has {} bytes", value.len()));
            if let Ok(number) = value.parse::<f64>() {
                found.measure("probe_redis_key_value", number);
            }
            found.seen.text("value", value);
        } else if !c.says_of(&["value"]) {
            return Err(Failure::new(Reason::Answer, format!("there is no key {key:?} at {}", talk.place)));
        }
    }
    found.line.phases().processing = Some(began.elapsed());
    Ok(())
}

/// Its role, and how far a replica is behind. A user that may not ask for it is no failure, where nothing is said of it.
async fn replication(c: &RedisConfig, talk: &mut Talk, found: &mut Found) -> Result<(), Failure> {
    let said = match talk.ask(&["INFO", "replication"]).await? {
        Said::Text(text) => text,
        Said::Error(said) if c.says_of(&["role", "lag"]) => return Err(talk.refused("INFO", &said)),
        Said::Error(_) | Said::Nothing => return Ok(()),
    };
    let all: BTreeMap<&str, &str> = said.lines().filter_map(|line| line.split_once(':')).collect();
    let number = |key: &str| all.get(key).and_then(|text| text.parse::<f64>().ok());
    // Sentinels have no replication; what they say of themselves is empty.
    let role = all.get("role").copied().unwrap_or("sentinel");
    found.line.note(format_args!("its role is {role}"));
    found.measures.push(Measure::new("probe_redis_role_info", 1.0).with("role", role));
    found.seen.text("role", role);
    if let Some(replicas) = number("connected_slaves") {
        found.measure("probe_redis_connected_replicas", replicas);
    }
    // Of a master the replica that is furthest behind; of a replica, since when it heard nothing.
    let of_replica = |key: &&str| key.starts_with("slave") && key.get(5..).is_some_and(|n| n.parse::<u32>().is_ok());
    let lags = all
        .iter()
        .filter(|(key, _)| of_replica(key))
        .filter_map(|(_, text)| text.split(',').find_map(|part| part.strip_prefix("lag=")?.parse::<f64>().ok()));
    let lag = match role {
        "slave" => number("master_last_io_seconds_ago").filter(|n| *n >= 0.0),
        _ => lags.fold(None, |most: Option<f64>, lag| Some(most.map_or(lag, |m| m.max(lag)))),
    };
    if let Some(lag) = lag {
        found.measure("probe_redis_replication_lag_seconds", lag);
        found.seen.number("lag", lag);
    }
    if role == "slave" && all.get("master_link_status") == Some(&"down") {
        return Err(Failure::new(Reason::Answer, format!("{} is a replica that has lost its master", talk.place)));
    }
    Ok(())
}

/// What stands under a key.
async fn value(talk: &mut Talk, key: &str) -> Result<Option<String>, Failure> {
    let kind = talk.text(&["TYPE", key]).await?.unwrap_or_default();
    let command = match kind.as_str() {
        "none" => return Ok(None),
        "string" => "GET",
        "list" => "LLEN",
        "set" => "SCARD",
        "zset" => "ZCARD",
        "hash" => "HLEN",
        "stream" => "XLEN",
        other => {
            let words = format!("the key {key:?} at {} is a {other}, which has no value to read", talk.place);
            return Err(Failure::new(Reason::Answer, words));
        }
    };
    talk.text(&[command, key]).await
}
