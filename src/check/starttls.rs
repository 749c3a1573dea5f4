//! What protocols say before they change to TLS on the same connection: SMTP (RFC 3207), IMAP (RFC 9051), POP3 (RFC 2595),
//! FTP (RFC 4217), PostgreSQL (SSLRequest) and LDAP (RFC 4511, section 4.14).

use serde::{Deserialize, Serialize};

use super::{found::Found, wire::Wire};
use crate::{
    dial::{BoxedStream, Place, Security, TlsFiles},
    model::{Failure, Reason},
};

/// Nobody says so much before TLS.
const SAID_MAX: usize = 16 << 10;
/// PostgreSQL's SSLRequest: its length, and a number that stands for it.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// LDAP's extended request for StartTLS, message 1.
const LDAP_STARTTLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

/// A protocol that begins TLS by a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StartTls {
    /// Mail between servers and from users.
    Smtp,
    /// Mailboxes.
    Imap,
    /// Mailboxes of old.
    Pop3,
    /// Files.
    Ftp,
    /// PostgreSQL.
    Postgres,
    /// Directories.
    Ldap,
}

/// What ends a reply of a protocol of lines.
#[derive(Clone, Copy)]
enum Ends {
    /// `250 …`: three digits and a space; `250-…` goes on.
    Code(&'static str),
    /// A line that begins so.
    With(&'static str),
}

/// Connects; with `tls`, shakes hands, after the word of a protocol where TLS begins by one.
pub(super) async fn open(
    place: &Place,
    protocol: Option<StartTls>,
    tls: Option<&TlsFiles>,
    found: &mut Found,
) -> Result<BoxedStream, Failure> {
    let mut stream = found.line.connect(place, tls.is_some(), None).await?;
    if let Some(protocol) = protocol {
        stream = begin(protocol, stream, place, found).await?;
    }
    if let Some(files) = tls {
        let security = Security::read(files, &[]).await?;
        stream = found.line.secure(stream, place, &security).await?.0;
    }
    Ok(stream)
}

/// Says what has to be said; the stream is ready for the handshake then.
async fn begin(
    protocol: StartTls,
    stream: BoxedStream,
    place: &Place,
    found: &mut Found,
) -> Result<BoxedStream, Failure> {
    use Ends::{Code, With};
    let mut talk = Talk { wire: Wire::new(stream, place, found), place: place.clone() };
    talk.wire.stage("before TLS began");
    match protocol {
        StartTls::Smtp => {
            talk.hear(Code("220")).await?;
            let offered = talk.say("EHLO dogwatch.invalid", Code("250")).await?;
            if !offered.to_ascii_uppercase().contains("STARTTLS") {
                return Err(Failure::new(Reason::Tls, format!("{place} offers no STARTTLS")));
            }
            talk.say("STARTTLS", Code("220")).await?;
        }
        StartTls::Imap => {
            talk.hear(With("* OK")).await?;
            talk.say("a1 STARTTLS", With("a1 OK")).await?;
        }
        StartTls::Pop3 => {
            talk.hear(With("+OK")).await?;
            talk.say("STLS", With("+OK")).await?;
        }
        StartTls::Ftp => {
            talk.hear(Code("220")).await?;
            talk.say("AUTH TLS", Code("234")).await?;
        }
        StartTls::Postgres => {
            talk.wire.send(&SSL_REQUEST).await?;
            match talk.wire.bytes(1).await?.first() {
                Some(b'S') => {}
                Some(b'N') => return Err(Failure::new(Reason::Tls, format!("{place} has TLS turned off"))),
                _ => return Err(Failure::new(Reason::Answer, format!("{place} does not answer as PostgreSQL does"))),
            }
        }
        StartTls::Ldap => {
            talk.wire.send(LDAP_STARTTLS).await?;
            let head = talk.wire.bytes(2).await?;
            let rest = talk.wire.bytes(head.get(1).map_or(0, |n| usize::from(n & 0x7f))).await?;
            let code = rest.windows(3).find(|w| w.starts_with(&[0x0a, 1])).and_then(|w| w.get(2)).copied();
            match (head.first(), code) {
                (Some(0x30), Some(0)) => {}
                (Some(0x30), Some(code)) => {
                    return Err(Failure::new(Reason::Tls, format!("{place} refuses StartTLS (LDAP result {code})")));
                }
                _ => return Err(Failure::new(Reason::Answer, format!("{place} does not answer as LDAP does"))),
            }
        }
    }
    found.line.note(format_args!("{place} is ready for TLS"));
    Ok(talk.wire.into_stream())
}

struct Talk {
    wire: Wire,
    place: Place,
}

impl Talk {
    async fn say(&mut self, line: &str, ends: Ends) -> Result<String, Failure> {
        self.wire.send(format!("{line}\r\n").as_bytes()).await?;
        self.hear(ends).await
    }

    /// Reads lines up to the one that ends the reply, and nothing after it: that is TLS already.
    async fn hear(&mut self, ends: Ends) -> Result<String, Failure> {
        let mut all = String::new();
        loop {
            let line = self.wire.line(SAID_MAX).await?;
            if all.len() + line.len() > SAID_MAX {
                return Err(Failure::new(Reason::Answer, format!("{} says too much before TLS", self.place)));
            }
            let (is_end, is_more) = match ends {
                Ends::With(start) => (line.starts_with(start), start == "a1 OK" && line.starts_with("* ")),
                Ends::Code(code) => {
                    let rest = line.strip_prefix(code);
                    (rest.is_some_and(|r| r.is_empty() || r.starts_with(' ')), rest.is_some_and(|r| r.starts_with('-')))
                }
            };
            all.push_str(&line);
            all.push('\n');
            if is_end {
                return Ok(all);
            }
            if !is_more {
                let wanted = match ends {
                    Ends::With(start) => start,
                    Ends::Code(code) => code,
                };
                return Err(Failure::new(Reason::Answer, format!("{} says {line:?}, should say {wanted}", self.place)));
            }
        }
    }
}
