//! A directory by LDAP: a bind, and, where it is asked for, a search whose entries are counted. Never changes anything, and
//! reads no attribute.

mod ber;
mod filter;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use self::ber::{Reader, Writer};
use super::{
    condition::Condition,
    found::Found,
    options::password,
    prober::{Address, Asking, Prober, Problems},
    starttls::{self, StartTls},
    wire::Wire,
};
use crate::{
    dial::{Place, TlsFiles},
    model::{Failure, Reason, Secret},
};

/// More entries are not counted: a check asks whether there are some.
const ENTRIES_MAX: u32 = 1_000;
/// The longest message that is read: entries without attributes are a name.
const MESSAGE_MAX: usize = 64 << 10;
const BIND: u8 = 0x60;
const BIND_ANSWER: u8 = 0x61;
const UNBIND: u8 = 0x42;
const SEARCH: u8 = 0x63;
const ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
const REFERENCE: u8 = 0x73;

/// `ldap:` of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LdapConfig {
    /// `host:port`, or a host where it is port 389, with TLS 636; empty at nodes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// TLS from the beginning.
    #[serde(default)]
    pub tls: bool,
    /// TLS by StartTLS.
    #[serde(default)]
    pub starttls: bool,
    /// Who binds; without it nobody (anonymous).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind_dn: Option<String>,
    /// The password …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// … or the file that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Where the search begins; without it there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_dn: Option<String>,
    /// What is searched for.
    #[serde(default = "anything")]
    pub filter: String,
    /// How deep.
    #[serde(default)]
    pub scope: Scope,
    /// What else must be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Condition>,
    /// Certificates.
    #[serde(default)]
    pub tls_config: TlsFiles,
}

fn anything() -> String {
    "(objectClass=*)".to_owned()
}

/// How deep a search goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The entry itself.
    Base = 0,
    /// What is directly below.
    One = 1,
    /// All below, and itself.
    #[default]
    Sub = 2,
}

impl LdapConfig {
    fn place(&self) -> Result<Place, String> {
        Place::read(&self.address, Some(if self.tls { 636 } else { 389 }))
    }
}

impl Prober for LdapConfig {
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
        (&["entries", "cert", "version"], "an answer by LDAP")
    }

    fn problems(&self) -> Problems {
        let mut all = Vec::new();
        let mut say = |key: &str, why: &str| all.push((key.to_owned(), why.to_owned()));
        if self.tls && self.starttls {
            say("", "tls and starttls exclude each other: TLS begins at once, or by a word");
        }
        if self.password.is_some() && self.password_file.is_some() {
            say(".password", "give password or password_file, not both");
        }
        if self.bind_dn.is_some() != (self.password.is_some() || self.password_file.is_some()) {
            say(".bind_dn", "bind_dn and password (or password_file) belong together");
        }
        if self.bind_dn.is_some() && !self.tls && !self.starttls {
            say(".bind_dn", "a password is not sent without TLS: give starttls: true, or tls: true");
        }
        if let Err(why) = filter::read(&self.filter) {
            say(".filter", &why);
        }
        if self.base_dn.is_none() && self.expect.iter().any(|condition| condition.about() == "entries") {
            say(".base_dn", "entries of what? Give base_dn: without it nothing is searched for");
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

/// Binds, searches, and takes leave.
async fn probe(c: &LdapConfig, found: &mut Found) -> Result<(), Failure> {
    let place = c.place().map_err(|why| Failure::new(Reason::Dns, why))?;
    let files = (c.tls || c.starttls).then_some(&c.tls_config);
    let stream = starttls::open(&place, c.starttls.then_some(StartTls::Ldap), files, found).await?;
    let mut wire = Wire::new(stream, &place, found);
    let began = tokio::time::Instant::now();
    let password = password(c.password.as_ref(), c.password_file.as_ref()).await?.unwrap_or_default();
    let mut bind = Writer::default();
    bind.number(0x02, 3);
    bind.bytes(0x04, c.bind_dn.as_deref().unwrap_or_default().as_bytes());
    bind.bytes(0x80, password.as_bytes());
    // With a name and no password a server takes us for nobody, and says success (RFC 4513, section 5.1.2).
    if c.bind_dn.is_some() && password.is_empty() {
        return Err(Failure::new(Reason::Tls, "our credentials can't be had: the password is empty"));
    }
    send(&mut wire, 2, BIND, &bind).await?;
    let (kind, answer) = receive(&mut wire).await?;
    if kind != BIND_ANSWER {
        return Err(wire.odd("LDAP"));
    }
    found.answered = true;
    result("the bind", &answer, &wire, &place)?;
    found.line.note(if c.bind_dn.is_some() { "bound" } else { "bound as nobody" });
    wire.stage("after the bind");
    if let Some(base) = &c.base_dn {
        let entries = search(c, base, &mut wire, &place).await?;
        found.line.note(format_args!("{entries} entries found"));
        found.measure("probe_ldap_entries", f64::from(entries));
        found.seen.number("entries", f64::from(entries));
        if entries == 0 && !c.expect.iter().any(|condition| condition.about() == "entries") {
            let words = format!("{place} has no entry that fits {} below {base}", c.filter);
            return Err(Failure::new(Reason::Answer, words));
        }
    }
    found.line.phases().processing = Some(began.elapsed());
    send(&mut wire, 4, UNBIND, &Writer::default()).await.ok();
    Ok(())
}

async fn search(c: &LdapConfig, base: &str, wire: &mut Wire, place: &Place) -> Result<u32, Failure> {
    let mut search = Writer::default();
    search.bytes(0x04, base.as_bytes());
    search.number(0x0a, c.scope as u32);
    // Aliases are not followed; so many entries, without a limit of time; not only types.
    search.number(0x0a, 0);
    search.number(0x02, ENTRIES_MAX);
    search.number(0x02, 0);
    search.bytes(0x01, &[0]);
    search.0.extend(filter::read(&c.filter).map_err(|why| Failure::new(Reason::Answer, why))?);
    // No attributes (RFC 4511, section 4.5.1.8).
    let mut none = Writer::default();
    none.bytes(0x04, b"1.1");
    search.bytes(0x30, &none.0);
    send(wire, 3, SEARCH, &search).await?;
    let mut entries = 0;
    loop {
        let (kind, answer) = receive(wire).await?;
        match kind {
            ENTRY if entries <= ENTRIES_MAX => entries += 1,
            REFERENCE => {}
            SEARCH_DONE => {
                // 4: there are more than we asked for.
                let more = Reader(&answer).next().is_some_and(|(_, code)| code == [4]);
                return if more { Ok(entries) } else { result("the search", &answer, wire, place).map(|()| entries) };
            }
            _ => return Err(wire.odd("LDAP")),
        }
    }
}

async fn send(wire: &mut Wire, id: u32, kind: u8, operation: &Writer) -> Result<(), Failure> {
    let mut message = Writer::default();
    message.number(0x02, id);
    message.bytes(kind, &operation.0);
    let mut whole = Writer::default();
    whole.bytes(0x30, &message.0);
    wire.send(&whole.0).await
}

/// Reads a message: which operation it is, and what is in it.
async fn receive(wire: &mut Wire) -> Result<(u8, Vec<u8>), Failure> {
    let head = wire.bytes(2).await?;
    let (tag, first) = (head.first().copied().unwrap_or(0), head.get(1).copied().unwrap_or(0));
    if tag != 0x30 {
        return Err(wire.odd("LDAP"));
    }
    let length = match first {
        0..=0x7f => usize::from(first),
        0x81..=0x84 => {
            let bytes = wire.bytes(usize::from(first & 0x7f)).await?;
            bytes.iter().fold(0, |n, byte| n << 8 | usize::from(*byte))
        }
        _ => return Err(wire.odd("LDAP")),
    };
    if length > MESSAGE_MAX {
        return Err(Failure::new(Reason::Answer, format!("a message of {length} bytes came: too long for a check")));
    }
    let message = wire.bytes(length).await?;
    let mut read = Reader(&message);
    let operation = read.next().and(read.next());
    operation.map(|(kind, bytes)| (kind, bytes.to_vec())).ok_or_else(|| wire.odd("LDAP"))
}

/// Says what a result means (RFC 4511, appendix A).
fn result(what: &str, answer: &[u8], wire: &Wire, place: &Place) -> Result<(), Failure> {
    let mut read = Reader(answer);
    let (Some((0x0a, [code])), Some(_), said) = (read.next(), read.next(), read.next()) else {
        return Err(wire.odd("LDAP"));
    };
    let said = said.map(|(_, text)| String::from_utf8_lossy(text).into_owned()).filter(|text| !text.is_empty());
    let said = said.map(|text| format!(": {text}")).unwrap_or_default();
    let words = match code {
        0 => return Ok(()),
        8 | 13 => format!("{place} wants TLS or a stronger login for {what} (LDAP result {code}){said}"),
        32 => format!("{place} has no such entry to begin with (LDAP result 32: noSuchObject){said}"),
        49 => format!("{place} refuses our credentials (LDAP result 49: invalidCredentials){said}"),
        50 => format!("our user may not do {what} at {place} (LDAP result 50: insufficientAccessRights){said}"),
        48 | 53 => format!("{place} does not take {what} of nobody (LDAP result {code}){said}"),
        51 | 52 => format!("{place} is busy or not available (LDAP result {code}){said}"),
        other => format!("{place} answered {what} with LDAP result {other}, should be 0{said}"),
    };
    Err(Failure::new(Reason::Answer, words))
}
