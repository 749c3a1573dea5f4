//! A server's greeting by SSH, and its host key: the key exchange up to the signature that proves it (RFC 4253, RFC 8731).
//! Never logs in: after the proof the conversation is ended.

mod key;
mod packet;

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use ring::{
    agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral},
    rand::SystemRandom,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use self::packet::{Reader, Writer};
use super::{
    condition::Condition,
    found::Found,
    prober::{Address, Asking, Prober, Problems},
    wire::Wire,
};
use crate::{
    dial::Place,
    model::{Failure, Measure, Reason},
};

/// Where SSH listens.
const USUAL: u16 = 22;
/// How we name ourselves (RFC 4253, section 4.2).
const WE: &str = concat!("SSH-2.0-dogwatch_", env!("CARGO_PKG_VERSION"));
/// The longest line before the key exchange.
const LINE_MAX: usize = 1024;
/// Lines that a server may say before its own version.
const LINES_MAX: usize = 50;
/// The key exchanges that we know: two names of one.
const EXCHANGES: &[&str] = &["curve25519-sha256", "curve25519-sha256@libssh.org"];
/// What is only named, since the conversation ends before it would be used.
const CIPHERS: &str =
    "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr";
const MACS: &str =
    "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-256,hmac-sha2-512";
const KEXINIT: u8 = 20;
const KEX_ECDH_INIT: u8 = 30;
const KEX_ECDH_REPLY: u8 = 31;

/// `ssh:` of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SshConfig {
    /// `host:port`, or a host where it is port 22; empty at nodes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// The fingerprint that the host key must have, as `ssh-keygen -l` shows it: `SHA256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key: Option<String>,
    /// The kind of host key to ask for; without it the first of these that the server has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key_type: Option<KeyType>,
    /// What else must be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Condition>,
}

/// A kind of host key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    /// Ed25519
    Ed25519,
    /// ECDSA on P-256, P-384 or P-521
    Ecdsa,
    /// RSA, with SHA-2
    Rsa,
}

impl SshConfig {
    fn place(&self) -> Result<Place, String> {
        Place::read(&self.address, Some(USUAL))
    }

    /// Returns the kinds of signatures that we take, best first.
    fn algorithms(&self) -> Vec<&'static str> {
        let fits = |kind| self.host_key_type.is_none_or(|wanted| wanted == kind);
        key::ALGORITHMS.iter().filter(|(_, kind)| fits(*kind)).map(|(name, _)| *name).collect()
    }
}

impl Prober for SshConfig {
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
        (&["banner"], "a greeting by SSH")
    }

    fn problems(&self) -> Problems {
        let is_hash = |text: &String| {
            let hash = text.strip_prefix("SHA256:").map(|rest| BASE64_STANDARD_NO_PAD.decode(rest));
            hash.is_some_and(|hash| hash.is_ok_and(|hash| hash.len() == 32))
        };
        let mut all = Vec::new();
        if self.host_key.as_ref().is_some_and(|text| !is_hash(text)) {
            let why = "write it as `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` shows it: SHA256: and 43 letters";
            all.push((".host_key".to_owned(), why.to_owned()));
        }
        all
    }

    fn move_to(&mut self, instance: &str) {
        instance.clone_into(&mut self.address);
    }

    fn probe<'a>(&'a self, found: &'a mut Found) -> Asking<'a> {
        Box::pin(probe(self, found))
    }
}

/// Greets, lets the server prove its key, and takes leave.
async fn probe(c: &SshConfig, found: &mut Found) -> Result<(), Failure> {
    let place = c.place().map_err(|why| Failure::new(Reason::Dns, why))?;
    let mut wire = Wire::connect(&place, None, found).await?;
    let began = tokio::time::Instant::now();
    let version = version(&mut wire, &place).await?;
    found.answered = true;
    found.seen.text("banner", &version);
    found.line.note(format_args!("it is {version}"));
    wire.stage("during the key exchange");
    wire.send(format!("{WE}\r\n").as_bytes()).await?;
    let proof = exchange(c, &mut wire, &version, &place).await?;
    packet::send(&mut wire, &packet::disconnect()).await.ok();
    found.line.phases().processing = Some(began.elapsed());
    let fingerprint = format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(Sha256::digest(&proof.key)));
    found.line.note(format_args!("its host key is {} {fingerprint}", proof.algorithm));
    let info = Measure::new("probe_ssh_host_key_info", 1.0).with("algorithm", &*proof.algorithm);
    found.measures.push(info.with("fingerprint", &fingerprint));
    if !proof.holds {
        let words = format!("{place} can't prove that it has its host key {fingerprint}: the signature is wrong");
        return Err(Failure::new(Reason::Tls, words));
    }
    match &c.host_key {
        Some(pinned) if *pinned != fingerprint => {
            let words = format!("the host key of {place} was {fingerprint} ({}), should be {pinned}", proof.algorithm);
            Err(Failure::new(Reason::Tls, words))
        }
        _ => Ok(()),
    }
}

/// Reads the server's version; it may say other lines before.
async fn version(wire: &mut Wire, place: &Place) -> Result<String, Failure> {
    for _ in 0..LINES_MAX {
        let line = wire.line(LINE_MAX).await?;
        if line.starts_with("SSH-2.0-") || line.starts_with("SSH-1.99-") {
            return Ok(line);
        }
        if line.starts_with("SSH-") {
            return Err(Failure::new(Reason::Answer, format!("{place} speaks {line:?}, should speak SSH-2.0")));
        }
        wire.stage("before it said its version of SSH");
    }
    Err(wire.odd("SSH"))
}

/// What a server showed of its host key.
struct Proof {
    algorithm: String,
    key: Vec<u8>,
    /// The signature is that key's.
    holds: bool,
}

/// The key exchange by curve25519, up to its proof (RFC 8731, section 3).
async fn exchange(c: &SshConfig, wire: &mut Wire, version: &str, place: &Place) -> Result<Proof, Failure> {
    let broken = || Failure::new(Reason::Answer, format!("{place} breaks off from the protocol in the key exchange"));
    let ours = kexinit(&c.algorithms());
    packet::send(wire, &ours).await?;
    let theirs = packet::receive(wire, KEXINIT, place).await?;
    let (algorithm, guesses) = agree(&theirs, &c.algorithms(), place)?;
    let random = SystemRandom::new();
    let failed = |_| Failure::new(Reason::Answer, "this machine gives no random numbers");
    let private = EphemeralPrivateKey::generate(&X25519, &random).map_err(failed)?;
    let public = private.compute_public_key().map_err(failed)?;
    let mut init = Writer::of(KEX_ECDH_INIT);
    init.bytes(public.as_ref());
    packet::send(wire, &init.0).await?;
    if guesses {
        // It sent what it guessed that we would agree on, and guessed wrong.
        packet::receive(wire, KEX_ECDH_REPLY, place).await?;
    }
    let reply = packet::receive(wire, KEX_ECDH_REPLY, place).await?;
    let mut read = Reader::after_type(&reply);
    let (key, point, signature) = read
        .bytes()
        .and_then(|key| Some((key.to_vec(), read.bytes()?.to_vec(), read.bytes()?.to_vec())))
        .ok_or_else(broken)?;
    let mut hashed = Writer::default();
    for part in [WE.as_bytes(), version.as_bytes(), &ours, &theirs, &key, public.as_ref(), &point] {
        hashed.bytes(part);
    }
    let peer = UnparsedPublicKey::new(&X25519, &point);
    agree_ephemeral(private, &peer, |secret| hashed.number(secret)).map_err(|_| broken())?;
    let holds = key::verifies(&algorithm, &key, &Sha256::digest(&hashed.0), &signature);
    Ok(Proof { algorithm, key, holds })
}

fn kexinit(algorithms: &[&str]) -> Vec<u8> {
    let mut message = Writer::of(KEXINIT);
    message.0.extend(fastrand::u128(..).to_be_bytes());
    for list in [&EXCHANGES.join(","), &algorithms.join(","), CIPHERS, CIPHERS, MACS, MACS, "none", "none", "", ""] {
        message.bytes(list.as_bytes());
    }
    // No guess, and a reserved number.
    message.0.extend([0; 5]);
    message.0
}

/// What both sides can: the kind of signature; and whether a wrong guess of the server follows.
fn agree(theirs: &[u8], ours: &[&str], place: &Place) -> Result<(String, bool), Failure> {
    let mut read = Reader::after_type(theirs);
    read.skip(16);
    let mut list = || read.bytes().map(|list| String::from_utf8_lossy(list).into_owned());
    let lists: Vec<String> = std::iter::from_fn(&mut list).take(10).collect();
    let offers = |i: usize| lists.get(i).into_iter().flat_map(|list| list.split(','));
    let first =
        |i: usize, known: &[&str]| known.iter().find(|name| offers(i).any(|o| o == **name)).map(ToString::to_string);
    let wrong = |words: String| Failure::new(Reason::Answer, words);
    if lists.len() < 10 {
        return Err(wrong(format!("{place} breaks off from the protocol in the key exchange")));
    }
    let exchange = first(0, EXCHANGES)
        .ok_or_else(|| wrong(format!("{place} has no key exchange that we know ({})", EXCHANGES.join(", "))))?;
    let algorithm = first(1, ours).ok_or_else(|| {
        wrong(format!(
            "{place} has no host key of the kind that is asked for; it has {}",
            lists.get(1).map_or("", String::as_str)
        ))
    })?;
    let follows = read.byte().is_some_and(|byte| byte != 0);
    let guessed_well = offers(0).next() == Some(&*exchange) && offers(1).next() == Some(&*algorithm);
    Ok((algorithm, follows && !guessed_well))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_can_is_agreed_on() {
        let place = Place { host: "h".into(), port: 22 };
        let server = |exchanges: &str, keys: &str, follows: u8| {
            let mut message = Writer::of(KEXINIT);
            message.0.extend([0; 16]);
            for list in [exchanges, keys, "a", "a", "b", "b", "none", "none", "", ""] {
                message.bytes(list.as_bytes());
            }
            message.0.extend([follows, 0, 0, 0, 0]);
            agree(&message.0, &["ssh-ed25519", "rsa-sha2-512"], &place).map_err(|f| f.message)
        };
        let known = "curve25519-sha256";
        assert_eq!(server(known, "rsa-sha2-512,ssh-ed25519", 0), Ok(("ssh-ed25519".into(), false)));
        assert_eq!(server(known, "rsa-sha2-512", 1), Ok(("rsa-sha2-512".into(), false)));
        assert_eq!(server(&format!("x,{known}"), "rsa-sha2-512", 1), Ok(("rsa-sha2-512".into(), true)));
        assert!(server("x", "rsa-sha2-512", 0).unwrap_err().contains("no key exchange that we know"));
        assert!(server(known, "ssh-dss", 0).unwrap_err().contains("it has ssh-dss"));
        assert!(agree(&[KEXINIT, 1, 2], &[], &place).is_err());
    }
}
