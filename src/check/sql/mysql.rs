//! The protocol of MySQL and MariaDB: handshake, login by `mysql_native_password` or `caching_sha2_password`, a query's text rows.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html>

use ring::digest::{Algorithm, Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

use super::{MESSAGE_MAX, ROWS_MAX, Rows, SqlConfig, too_many};
use crate::{
    check::{found::Found, wire::Wire},
    dial::Place,
    model::{Failure, Reason},
};

/// `LONG_PASSWORD`, `PROTOCOL_41`, `TRANSACTIONS`, `SECURE_CONNECTION` and `PLUGIN_AUTH`.
const CAPABILITIES: u32 = 1 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;
const WITH_DATABASE: u32 = 8;
const WITH_TLS: u32 = 0x800;
/// `utf8mb4`
const CHARSET: u8 = 45;
/// Packets of an answer: columns, rows and two ends.
const PACKETS_MAX: u32 = ROWS_MAX + 5_000;
/// What begins a packet that is no row.
const OK: u8 = 0;
const MORE: u8 = 1;
const LOCAL_FILE: u8 = 0xfb;
const END: u8 = 0xfe;
const ERROR: u8 = 0xff;

struct Talk<'a> {
    wire: Wire,
    place: &'a Place,
    sequence: u8,
}

/// What the server says first.
struct Greeting {
    version: String,
    capabilities: u32,
    nonce: Vec<u8>,
    plugin: String,
}

impl Greeting {
    /// Protocol version 10.
    fn read(packet: &[u8]) -> Option<Self> {
        let rest = packet.strip_prefix(&[10])?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        let (version, rest) = rest.split_at(end);
        let (first, rest) = (rest.get(5..13)?, rest.get(14..)?);
        let low = u32::from(u16::from_le_bytes(rest.get(..2)?.try_into().ok()?));
        let high = u32::from(u16::from_le_bytes(rest.get(5..7)?.try_into().ok()?));
        // The rest of the nonce has 12 bytes and a zero.
        let nonce = [first, rest.get(18..30)?].concat();
        let plugin = rest.get(31..).unwrap_or_default().split(|byte| *byte == 0).next().unwrap_or_default();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some(Self { version: text(version), capabilities: low | high << 16, nonce, plugin: text(plugin) })
    }
}

/// Asks; the connection ends with it.
pub(super) async fn ask(c: &SqlConfig, place: &Place, password: &str, found: &mut Found) -> Result<Rows, Failure> {
    let stream = found.line.connect(place, c.tls, None).await?;
    let mut talk = Talk { wire: Wire::new(stream, place, found), place, sequence: 0 };
    let greeting = talk.receive().await?;
    let greeting = Greeting::read(&greeting).ok_or_else(|| talk.wire.odd("MySQL"))?;
    found.answered = true;
    found.line.note(format_args!("it is MySQL {}", greeting.version));
    talk.wire.stage("during the login");
    let mut wanted = CAPABILITIES | if c.database.is_some() { WITH_DATABASE } else { 0 };
    if c.tls {
        if greeting.capabilities & WITH_TLS == 0 {
            return Err(Failure::new(Reason::Tls, format!("{place} has TLS turned off")));
        }
        wanted |= WITH_TLS;
        talk.send(&head(wanted)).await?;
        talk.wire = talk.wire.secure(&c.tls_config, found).await?;
    }
    talk.login(c, wanted, &greeting, password).await?;
    found.line.note("logged in");
    talk.wire.stage("after the login");
    // Of the session, not of a transaction: a CREATE or DROP would end that.
    talk.query("SET SESSION TRANSACTION READ ONLY").await?;
    let rows = talk.query(&c.query).await?;
    talk.sequence = 0;
    talk.send(&[1]).await.ok();
    Ok(rows)
}

/// What a login and a wish for TLS begin with.
fn head(capabilities: u32) -> Vec<u8> {
    let largest = u32::try_from(MESSAGE_MAX).unwrap_or(u32::MAX);
    let mut head = [capabilities.to_le_bytes(), largest.to_le_bytes()].concat();
    head.push(CHARSET);
    head.resize(head.len() + 23, 0);
    head
}

/// The answer to a nonce by which the server sees that we know the password.
fn scrambled(plugin: &str, password: &str, nonce: &[u8]) -> Option<Vec<u8>> {
    let hash = |with: &'static Algorithm, parts: &[&[u8]]| {
        let mut context = Context::new(with);
        parts.iter().for_each(|part| context.update(part));
        context.finish().as_ref().to_vec()
    };
    let password = password.as_bytes();
    let (mine, other) = match plugin {
        _ if password.is_empty() => return Some(Vec::new()),
        "mysql_native_password" => {
            let once = hash(&SHA1_FOR_LEGACY_USE_ONLY, &[password]);
            let twice = hash(&SHA1_FOR_LEGACY_USE_ONLY, &[&once]);
            let other = hash(&SHA1_FOR_LEGACY_USE_ONLY, &[nonce, &twice]);
            (once, other)
        }
        "caching_sha2_password" => {
            let once = hash(&SHA256, &[password]);
            let twice = hash(&SHA256, &[&once]);
            let other = hash(&SHA256, &[&twice, nonce]);
            (once, other)
        }
        _ => return None,
    };
    Some(mine.iter().zip(&other).map(|(a, b)| a ^ b).collect())
}

impl Talk<'_> {
    async fn send(&mut self, packet: &[u8]) -> Result<(), Failure> {
        let length = u32::try_from(packet.len()).unwrap_or(u32::MAX).to_le_bytes();
        let bytes = [length.get(..3).unwrap_or_default(), &[self.sequence], packet].concat();
        self.sequence = self.sequence.wrapping_add(1);
        self.wire.send(&bytes).await
    }

    async fn receive(&mut self) -> Result<Vec<u8>, Failure> {
        let head = self.wire.bytes(4).await?;
        let length = head.iter().take(3).rev().fold(0, |n, byte| n << 8 | usize::from(*byte));
        if length > MESSAGE_MAX {
            return Err(match self.sequence {
                0 => self.wire.odd("MySQL"),
                _ => {
                    let words = format!("{} sends {length} bytes at once: too long for a check", self.place);
                    Failure::new(Reason::Answer, words)
                }
            });
        }
        self.sequence = head.last().copied().unwrap_or_default().wrapping_add(1);
        let packet = self.wire.bytes(length).await?;
        if packet.first() == Some(&ERROR) { Err(self.refused(&packet)) } else { Ok(packet) }
    }

    /// What an error says, by its number.
    fn refused(&self, packet: &[u8]) -> Failure {
        let code = packet.get(1..3).and_then(|code| code.try_into().ok()).map_or(0, u16::from_le_bytes);
        // `#` and five letters of SQLSTATE, once a conversation has begun.
        let said = packet.get(3..).unwrap_or_default();
        let said = if said.first() == Some(&b'#') { said.get(6..).unwrap_or_default() } else { said };
        let (said, place) = (String::from_utf8_lossy(said), self.place);
        let words = match code {
            1045 | 1698 => format!("{place} refuses our credentials: {said} ({code})"),
            1044 | 1049 => format!("{place} has no such database for us: {said} ({code})"),
            1040 | 1203 => format!("{place} has no connection left for us: {said} ({code})"),
            1129 | 1130 => format!("{place} takes no connections from this machine: {said} ({code})"),
            1792 => format!("a check's query may only read: {said} ({code})"),
            _ => format!("{place} answers with an error: {said} ({code})"),
        };
        Failure::new(Reason::Answer, words)
    }

    async fn login(&mut self, c: &SqlConfig, wanted: u32, greeting: &Greeting, password: &str) -> Result<(), Failure> {
        let mut plugin = greeting.plugin.clone();
        let mut nonce = greeting.nonce.clone();
        if scrambled(&plugin, password, &nonce).is_none() {
            plugin = "mysql_native_password".to_owned();
        }
        let proof = scrambled(&plugin, password, &nonce).unwrap_or_default();
        let mut login = head(wanted);
        login.extend([c.username.as_bytes(), &[0], &[u8::try_from(proof.len()).unwrap_or_default()], &proof].concat());
        for text in c.database.iter().chain([&plugin]) {
            login.extend([text.as_bytes(), &[0]].concat());
        }
        self.send(&login).await?;
        // A change of the method, and the steps of one.
        for _ in 0..5 {
            let packet = self.receive().await?;
            match packet.split_first() {
                Some((&OK, _)) => return Ok(()),
                Some((&END, rest)) => {
                    let mut parts = rest.splitn(2, |byte| *byte == 0);
                    plugin = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
                    let given = parts.next().unwrap_or_default();
                    nonce = given.strip_suffix(&[0]).unwrap_or(given).to_vec();
                    let proof = scrambled(&plugin, password, &nonce).ok_or_else(|| {
                        let words = format!("{} wants a login that we do not know ({plugin})", self.place);
                        Failure::new(Reason::Answer, words)
                    })?;
                    self.send(&proof).await?;
                }
                // 3: it knows us; 4: it does not, and wants the password itself.
                Some((&MORE, [3])) => {}
                Some((&MORE, [4])) if c.tls => self.send(&[password.as_bytes(), &[0]].concat()).await?,
                Some((&MORE, [4])) => {
                    let words = format!("{} wants the password as it is: that needs tls: true", self.place);
                    return Err(Failure::new(Reason::Answer, words));
                }
                _ => return Err(self.wire.odd("MySQL")),
            }
        }
        Err(self.wire.odd("MySQL"))
    }

    async fn query(&mut self, text: &str) -> Result<Rows, Failure> {
        self.sequence = 0;
        self.send(&[&[3], text.as_bytes()].concat()).await?;
        let first = self.receive().await?;
        match first.first() {
            Some(&OK) => return Ok(Rows::default()),
            Some(&LOCAL_FILE) | None => {
                return Err(Failure::new(Reason::Answer, format!("{} wants a file of us, and gets none", self.place)));
            }
            Some(_) => {}
        }
        let (mut rows, mut ends) = (Rows::default(), 0);
        for _ in 0..PACKETS_MAX {
            let packet = self.receive().await?;
            // Columns, an end, rows, and an end.
            let is_end = packet.first() == Some(&END) && packet.len() < 9;
            match (is_end, ends) {
                (true, 0) => ends = 1,
                (true, _) => return Ok(rows),
                (false, 0) => {}
                (false, _) if rows.count == ROWS_MAX => return Err(too_many(self.place)),
                (false, _) => rows.add(column(&packet)),
            }
        }
        Err(too_many(self.place))
    }
}

/// The first column of a row: its length (one, two, three or eight bytes) and its text; `0xfb` is NULL.
fn column(row: &[u8]) -> Option<&[u8]> {
    let (first, rest) = row.split_first()?;
    let wide = match first {
        0xfb | 0xff => return None,
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        n => return rest.get(..usize::from(*n)),
    };
    let length = rest
        .get(..wide)?
        .iter()
        .rev()
        .fold(0_usize, |n, byte| n.saturating_mul(256).saturating_add(usize::from(*byte)));
    rest.get(wide..wide.checked_add(length)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_by_their_lengths() {
        assert_eq!(column(b"\x02ab\x01c"), Some(&b"ab"[..]));
        assert_eq!(column(b"\xfb"), None);
        assert_eq!(column(b"\xfc\x02\x00ab"), Some(&b"ab"[..]));
        for odd in [&b""[..], b"\x05ab", b"\xfc\x02", b"\xfe\xff\xff\xff\xff\xff\xff\xff\xffab"] {
            assert_eq!(column(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn a_greeting_is_read_and_what_is_none_is_not() {
        let mut packet = b"\x0a8.0.36\0\x01\0\0\0abcdefgh\0\xff\xff\x2d\x02\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0".to_vec();
        packet.extend(b"ijklmnopqrst\0caching_sha2_password\0");
        let greeting = Greeting::read(&packet).unwrap();
        assert_eq!((greeting.version.as_str(), greeting.plugin.as_str()), ("8.0.36", "caching_sha2_password"));
        assert_eq!(
            (greeting.nonce.as_slice(), greeting.capabilities & WITH_TLS),
            (&b"abcdefghijklmnopqrst"[..], WITH_TLS)
        );
        for n in 0..44 {
            assert!(Greeting::read(&packet[..n]).is_none(), "{n}");
        }
    }
}
