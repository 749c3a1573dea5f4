//! PostgreSQL's protocol, version 3: start, login, one query at a time.
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>

use md5::{Digest, Md5};

use super::{MESSAGE_MAX, ROWS_MAX, Rows, SqlConfig, scram::Scram, too_many};
use crate::{
    check::{
        found::Found,
        starttls::{self, StartTls},
        wire::Wire,
    },
    dial::Place,
    model::{Failure, Reason, text::hex},
};

/// Version 3.0.
const PROTOCOL: u32 = 3 << 16;
/// Messages of one step; notices and parameters come between.
const MESSAGES_MAX: u32 = 2 * ROWS_MAX;

struct Talk<'a> {
    wire: Wire,
    place: &'a Place,
}

/// Asks; the connection ends with it.
pub(super) async fn ask(c: &SqlConfig, place: &Place, password: &str, found: &mut Found) -> Result<Rows, Failure> {
    let stream =
        starttls::open(place, c.tls.then_some(StartTls::Postgres), c.tls.then_some(&c.tls_config), found).await?;
    let wire = Wire::new(stream, place, found);
    let mut talk = Talk { wire, place };
    talk.start(c).await?;
    talk.login(c, password, found).await?;
    found.line.note("logged in");
    talk.wire.stage("after the login");
    talk.query("BEGIN READ ONLY").await?;
    let rows = talk.query(&c.query).await?;
    talk.send(b'X', &[]).await.ok();
    Ok(rows)
}

impl Talk<'_> {
    async fn start(&mut self, c: &SqlConfig) -> Result<(), Failure> {
        let mut message = PROTOCOL.to_be_bytes().to_vec();
        let database = c.database.as_ref().unwrap_or(&c.username);
        let name = "dogwatch".to_owned();
        for (key, value) in [("user", &c.username), ("database", database), ("application_name", &name)] {
            message.extend([key.as_bytes(), &[0], value.as_bytes(), &[0]].concat());
        }
        message.push(0);
        let length = u32::try_from(message.len() + 4).unwrap_or(u32::MAX).to_be_bytes();
        self.wire.send(&[&length[..], &message].concat()).await
    }

    async fn send(&mut self, kind: u8, message: &[u8]) -> Result<(), Failure> {
        let length = u32::try_from(message.len() + 4).unwrap_or(u32::MAX).to_be_bytes();
        self.wire.send(&[&[kind], &length[..], message].concat()).await
    }

    async fn receive(&mut self) -> Result<(u8, Vec<u8>), Failure> {
        let head = self.wire.bytes(5).await?;
        let kind = head.first().copied().unwrap_or_default();
        let length = head.get(1..).and_then(|l| l.try_into().ok()).map_or(0, u32::from_be_bytes) as usize;
        if !kind.is_ascii_alphabetic() || length < 4 {
            return Err(self.wire.odd("PostgreSQL"));
        }
        if length > MESSAGE_MAX {
            let words = format!("{} sends {length} bytes at once: too long for a check", self.place);
            return Err(Failure::new(Reason::Answer, words));
        }
        let message = self.wire.bytes(length - 4).await?;
        if kind == b'E' { Err(self.refused(&message)) } else { Ok((kind, message)) }
    }

    /// What an error says, by its code (PostgreSQL's appendix A).
    fn refused(&self, message: &[u8]) -> Failure {
        let fields = message.split(|byte| *byte == 0).filter_map(|field| field.split_first());
        let field = |wanted: u8| {
            let found = fields.clone().find(|(kind, _)| **kind == wanted);
            found.map(|(_, text)| String::from_utf8_lossy(text).into_owned()).unwrap_or_default()
        };
        let (code, said, place) = (field(b'C'), field(b'M'), self.place);
        let words = match code.as_str() {
            "28P01" | "28000" => format!("{place} refuses our credentials: {said} ({code})"),
            "3D000" => format!("{place} has no such database: {said} ({code})"),
            "53300" => format!("{place} has no connection left for us: {said} ({code})"),
            "57P03" => format!("{place} does not take connections now: {said} ({code})"),
            "25006" => format!("a check's query may only read: {said} ({code})"),
            _ => format!("{place} answers with an error: {said} ({code})"),
        };
        Failure::new(Reason::Answer, words)
    }

    async fn login(&mut self, c: &SqlConfig, password: &str, found: &mut Found) -> Result<(), Failure> {
        let refuse = |words: String| Failure::new(Reason::Answer, words);
        let mut scram = None;
        for _ in 0..MESSAGES_MAX {
            let (kind, message) = self.receive().await?;
            found.answered = true;
            let (method, rest) =
                message.split_first_chunk::<4>().map_or((0, &[][..]), |(m, r)| (u32::from_be_bytes(*m), r));
            match (kind, method) {
                (b'R', 0) => {}
                (b'R', 3) if c.tls => self.send(b'p', &[password.as_bytes(), &[0]].concat()).await?,
                (b'R', 3) => {
                    let words = format!("{} wants the password as it is: that needs tls: true", self.place);
                    return Err(refuse(words));
                }
                (b'R', 5) => self.send(b'p', &[hashed(&c.username, password, rest).as_bytes(), &[0]].concat()).await?,
                (b'R', 10) => {
                    let begun = Scram::begin(password);
                    let first = begun.first();
                    let length = u32::try_from(first.len()).unwrap_or(u32::MAX).to_be_bytes();
                    let message = [&b"SCRAM-SHA-256\0"[..], &length[..], first.as_bytes()].concat();
                    self.send(b'p', &message).await?;
                    scram = Some(begun);
                }
                (b'R', 11) => {
                    let last = scram.as_mut().and_then(|scram| scram.answer(&String::from_utf8_lossy(rest)));
                    let last = last.ok_or_else(|| self.wire.odd("PostgreSQL"))?;
                    self.send(b'p', last.as_bytes()).await?;
                }
                (b'R', 12) => {
                    let proved = scram.as_ref().is_some_and(|scram| scram.is_proved(&String::from_utf8_lossy(rest)));
                    if !proved {
                        let words =
                            format!("{} can't prove that it knows our password: it is another server", self.place);
                        return Err(Failure::new(Reason::Tls, words));
                    }
                }
                (b'R', other) => {
                    return Err(refuse(format!("{} wants a login that we do not know (method {other})", self.place)));
                }
                (b'Z', _) => return Ok(()),
                _ => {}
            }
        }
        Err(self.wire.odd("PostgreSQL"))
    }

    async fn query(&mut self, text: &str) -> Result<Rows, Failure> {
        self.send(b'Q', &[text.as_bytes(), &[0]].concat()).await?;
        let mut rows = Rows::default();
        for _ in 0..MESSAGES_MAX {
            match self.receive().await? {
                (b'D', row) => {
                    if rows.count == ROWS_MAX {
                        return Err(too_many(self.place));
                    }
                    // The number of columns, then each with its length; -1 is NULL.
                    let length = row.get(2..6).and_then(|l| l.try_into().ok()).map_or(-1, i32::from_be_bytes);
                    let length = usize::try_from(length).ok();
                    rows.add(length.and_then(|n| row.get(6..6 + n)));
                }
                (b'Z', _) => return Ok(rows),
                (b'G' | b'W', _) => {
                    return Err(Failure::new(Reason::Answer, "a check's query can't copy data"));
                }
                _ => {}
            }
        }
        Err(self.wire.odd("PostgreSQL"))
    }
}

/// The login of old: MD5 over the password with the name, then with the server's salt.
fn hashed(user: &str, password: &str, salt: &[u8]) -> String {
    let inner = hex(&Md5::digest(format!("{password}{user}").as_bytes()));
    format!("md5{}", hex(&Md5::digest([inner.as_bytes(), salt].concat())))
}
