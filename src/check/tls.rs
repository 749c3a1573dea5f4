//! A TLS handshake, at once or after what a protocol says before it: the certificates are what it asks for.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{
    condition::Condition,
    each::{self, AtAddress},
    found::Found,
    prober::{Address, Asking, Prober},
    starttls::{self, StartTls},
};
use crate::{
    dial::{Place, TlsFiles},
    model::Failure,
};

/// The port that a check without one means.
const USUAL: u16 = 443;

/// `tls:` of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// `host:port`; empty at nodes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// The protocol that begins TLS by a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starttls: Option<StartTls>,
    /// What the handshake must show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Condition>,
    /// Every address of the name is asked, and has to be well.
    #[serde(default)]
    pub each_address: bool,
    /// Certificates.
    #[serde(default)]
    pub tls_config: TlsFiles,
}

impl TlsConfig {
    fn place(&self) -> Result<Place, String> {
        Place::read(&self.address, Some(USUAL))
    }
}

impl Prober for TlsConfig {
    fn layer(&self) -> u8 {
        2
    }

    fn at(&self) -> String {
        self.address.clone()
    }

    fn address(&self) -> Option<Address<'_>> {
        Some(Address { key: ".address", text: &self.address, place: self.place(), at_nodes: true })
    }

    fn ingress_tls(&self) -> Option<bool> {
        Some(self.starttls.is_none())
    }

    fn expect(&self) -> &[Condition] {
        &self.expect
    }

    fn subjects(&self) -> (&'static [&'static str], &'static str) {
        (&["cert", "version", "certificates"], "a handshake")
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

impl AtAddress for TlsConfig {
    fn at_address(&self, address: SocketAddr, host: &str) -> Self {
        let mut one = Self { address: address.to_string(), each_address: false, ..self.clone() };
        one.tls_config.server_name.get_or_insert_with(|| host.to_owned());
        one
    }
}

/// Shakes hands.
async fn probe(c: &TlsConfig, found: &mut Found) -> Result<(), Failure> {
    let place = c.place().map_err(|why| Failure::new(crate::model::Reason::Dns, why))?;
    starttls::open(&place, c.starttls, Some(&c.tls_config), found).await?;
    found.answered = true;
    Ok(())
}
