//! A TCP connection, what is sent on it, and what has to come.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout_at,
};

use super::{
    condition::Condition,
    each::{self, AtAddress},
    found::Found,
    options::Expect,
    prober::{Address, Asking, Prober, Problems},
    starttls::{self, StartTls},
};
use crate::{
    dial::{BoxedStream, Place, TlsFiles},
    model::{Failure, Measure, Reason},
};

/// So much is read for what has to come.
const READ_MAX: usize = 64 << 10;
/// The longest text that is sent.
const SENT_MAX: usize = 64 << 10;

/// `tcp:` of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TcpConfig {
    /// `host:port`; empty at nodes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// What is said first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send: Option<String>,
    /// What has to come: a regular expression, or conditions.
    #[serde(default)]
    pub expect: Expect,
    /// TLS from the beginning.
    #[serde(default)]
    pub tls: bool,
    /// The protocol that begins TLS by a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starttls: Option<StartTls>,
    /// Every address of the name is asked, and has to be well.
    #[serde(default)]
    pub each_address: bool,
    /// Certificates.
    #[serde(default)]
    pub tls_config: TlsFiles,
}

impl TcpConfig {
    fn place(&self) -> Result<Place, String> {
        Place::read(&self.address, None)
    }

    fn is_secure(&self) -> bool {
        self.tls || self.starttls.is_some()
    }
}

impl Prober for TcpConfig {
    fn layer(&self) -> u8 {
        1
    }

    fn at(&self) -> String {
        self.address.clone()
    }

    fn address(&self) -> Option<Address<'_>> {
        Some(Address { key: ".address", text: &self.address, place: self.place(), at_nodes: true })
    }

    fn expect(&self) -> &[Condition] {
        &self.expect.0
    }

    fn subjects(&self) -> (&'static [&'static str], &'static str) {
        (&["banner", "cert", "version", "certificates"], "a connection by TCP")
    }

    fn problems(&self) -> Problems {
        let mut all = Vec::new();
        if self.tls && self.starttls.is_some() {
            let why = "tls and starttls exclude each other: TLS begins at once, or by a word";
            all.push((String::new(), why.to_owned()));
        }
        if self.send.as_ref().is_some_and(|text| text.len() > SENT_MAX) {
            all.push((".send".to_owned(), "is longer than 64 KiB".to_owned()));
        }
        all
    }

    fn tls_files(&mut self) -> Option<&mut TlsFiles> {
        Some(&mut self.tls_config)
    }

    fn move_to(&mut self, instance: &str) {
        instance.clone_into(&mut self.address);
    }

    fn probe<'a>(&'a self, found: &'a mut Found) -> Asking<'a> {
        match self.place() {
            Ok(place) if self.each_address => each::address(self, place, found),
            _ => Box::pin(probe(self, found)),
        }
    }
}

impl AtAddress for TcpConfig {
    fn at_address(&self, address: SocketAddr, host: &str) -> Self {
        let mut one = Self { address: address.to_string(), each_address: false, ..self.clone() };
        one.tls_config.server_name.get_or_insert_with(|| host.to_owned());
        one
    }
}

/// Connects, says what there is to say, and reads what has to come.
async fn probe(c: &TcpConfig, found: &mut Found) -> Result<(), Failure> {
    let place = c.place().map_err(|why| Failure::new(Reason::Dns, why))?;
    let mut stream = starttls::open(&place, c.starttls, c.is_secure().then_some(&c.tls_config), found).await?;
    found.answered = true;
    if let Some(text) = &c.send {
        let sending = timeout_at(found.line.deadline(), async {
            stream.write_all(text.as_bytes()).await?;
            stream.flush().await
        });
        match sending.await {
            Ok(Ok(())) => found.line.note(format_args!("{} bytes sent", text.len())),
            Ok(Err(_)) => {
                return Err(Failure::new(Reason::Refused, format!("{place} closed the connection when we spoke")));
            }
            Err(_) => return Err(Failure::new(Reason::Timeout, format!("{place} takes nothing that we say"))),
        }
    }
    if c.expect.0.iter().any(|condition| condition.about() == "banner") {
        listen(c, stream, &place, found).await?;
    }
    Ok(())
}

/// Reads until what has to come is there, or the other side has ended or fallen silent.
async fn listen(c: &TcpConfig, mut stream: BoxedStream, place: &Place, found: &mut Found) -> Result<(), Failure> {
    let wanted = || c.expect.0.iter().filter(|condition| condition.about() == "banner");
    let mut said = Vec::new();
    let mut part = vec![0; 4096];
    let (mut is_met, mut has_ended) = (false, false);
    while !is_met && said.len() < READ_MAX {
        match timeout_at(found.line.deadline(), stream.read(&mut part)).await {
            Ok(Ok(0) | Err(_)) => {
                has_ended = true;
                break;
            }
            Ok(Ok(n)) => said.extend_from_slice(part.get(..n).unwrap_or_default()),
            Err(_) => break,
        }
        let mut seen = super::condition::Seen::default();
        seen.text("banner", String::from_utf8_lossy(&said));
        is_met = wanted().all(|condition| condition.judge(&seen).is_ok());
    }
    found.measures.push(Measure::flag("probe_failed_due_to_regex", !is_met && !said.is_empty()));
    if said.is_empty() {
        let (reason, what) = match has_ended {
            true => (Reason::Refused, format!("{place} closed the connection without a word")),
            false => (Reason::Timeout, format!("{place} said nothing within {}", found.line.allowed())),
        };
        return Err(Failure::new(reason, what));
    }
    found.line.note(format_args!("{} bytes came", said.len()));
    found.seen.text("banner", String::from_utf8_lossy(&said));
    Ok(())
}
