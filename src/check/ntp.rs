//! A question to a time server by NTP (RFC 5905): how far our clocks are apart, and how far it is from its own source.
//!
//! It is told nothing of our clock: the moment in the request is random, and has to come back (RFC 9769's data minimisation).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::{Duration, Instant};

use super::{
    condition::Condition,
    datagram::{self, Question},
    found::Found,
    prober::{Address, Asking, Prober},
};
use crate::{
    dial::Place,
    model::{Failure, Reason},
};

/// Where time servers listen.
const USUAL: u16 = 123;
/// A packet without extensions.
const PACKET: usize = 48;
/// From 1900, NTP's beginning, to 1970.
const EPOCH: f64 = 2_208_988_800.0;
/// An era: 32 bits of seconds come round in 2036.
const ERA: f64 = 4_294_967_296.0;
/// From this stratum on a server has no source of time.
const UNSYNCHRONIZED: u8 = 16;

/// `ntp:` of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NtpConfig {
    /// The server: an address or a name, with a port where it is not 123. Empty at nodes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub server: String,
    /// What the answer must be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Condition>,
}

impl NtpConfig {
    fn place(&self) -> Result<Place, String> {
        Place::read(&self.server, Some(USUAL))
    }
}

impl Prober for NtpConfig {
    fn at(&self) -> String {
        self.server.clone()
    }

    fn address(&self) -> Option<Address<'_>> {
        Some(Address { key: ".server", text: &self.server, place: self.place(), at_nodes: true })
    }

    fn expect(&self) -> &[Condition] {
        &self.expect
    }

    fn subjects(&self) -> (&'static [&'static str], &'static str) {
        (&["offset", "stratum", "leap"], "an answer by NTP")
    }

    fn move_to(&mut self, instance: &str) {
        instance.clone_into(&mut self.server);
    }

    fn probe<'a>(&'a self, found: &'a mut Found) -> Asking<'a> {
        Box::pin(probe(self, found))
    }
}

/// The last request: its random moment, and when it was sent.
struct Asked {
    token: [u8; 8],
    sent: Timestamp,
    at: Instant,
}

impl Question for Asked {
    type Answer = Reply;

    fn datagram(&mut self) -> Vec<u8> {
        *self = Self { token: fastrand::u64(..).to_be_bytes(), sent: Timestamp::now(), at: Instant::now() };
        // No warning, version 4, from a client.
        let mut packet = vec![0; PACKET];
        packet[0] = 4 << 3 | 3;
        packet[40..].copy_from_slice(&self.token);
        packet
    }

    fn read(&mut self, datagram: &[u8]) -> Option<Reply> {
        Reply::read(datagram, self.token, self.sent.as_duration().as_secs_f64(), self.at.elapsed())
    }
}

/// What a server tells.
#[derive(Clone, Debug, PartialEq)]
struct Reply {
    /// 3: it is not synchronized.
    leap: u8,
    stratum: u8,
    /// Four letters: its source, or why it does not answer (stratum 0).
    reference: String,
    /// In seconds; positive: its clock is ahead of ours.
    offset: f64,
    /// To it and back, without what it took, in seconds.
    delay: f64,
    /// The most that its time may be wrong by, as it says, in seconds.
    root_dispersion: f64,
}

impl Reply {
    /// Reads what came `took` after it was asked at `sent` (Unix seconds); `None`: it answers something else.
    fn read(bytes: &[u8], token: [u8; 8], sent: f64, took: Duration) -> Option<Self> {
        let moment = |at: usize| {
            let word = |at: usize| Some(f64::from(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?)));
            Some(word(at)? + word(at + 4)? / ERA)
        };
        let first = *bytes.first()?;
        if bytes.len() < PACKET || first & 7 != 4 || bytes.get(24..32)? != token {
            return None;
        }
        let (came, took) = (sent + took.as_secs_f64(), took.as_secs_f64());
        // Of the eras that its moments may mean, the one that is nearest to our own clock.
        let unix = |at: usize| {
            let seconds = moment(at)? - EPOCH;
            Some(seconds + ((came - seconds) / ERA).round() * ERA)
        };
        let (heard, said) = (unix(32)?, unix(40)?);
        let stratum = *bytes.get(1)?;
        let letters = bytes.get(12..16)?.iter().filter(|b| b.is_ascii_graphic()).map(|b| char::from(*b)).collect();
        Some(Self {
            leap: first >> 6,
            stratum,
            reference: if stratum < 2 { letters } else { String::new() },
            offset: f64::midpoint(heard - sent, said - came),
            delay: (took - (said - heard)).max(0.0),
            root_dispersion: f64::from(u32::from_be_bytes(bytes.get(8..12)?.try_into().ok()?)) / 65_536.0,
        })
    }
}

/// Asks the server.
async fn probe(c: &NtpConfig, found: &mut Found) -> Result<(), Failure> {
    let place = c.place().map_err(|why| Failure::new(Reason::Dns, why))?;
    let began = Instant::now();
    let mut asked = Asked { token: [0; 8], sent: Timestamp::now(), at: began };
    let reply = datagram::ask(&mut asked, &place, found).await?;
    found.line.phases().processing = Some(began.elapsed());
    found.answered = true;
    let wrong = |words: String| Err(Failure::new(Reason::Answer, words));
    found.line.note(format_args!(
        "stratum {} {}, {:+.6} s from our clock, {:.6} s away",
        reply.stratum, reply.reference, reply.offset, reply.delay
    ));
    match reply.reference.as_str() {
        "RATE" if reply.stratum == 0 => {
            return wrong(format!("{place} is asked too often (RATE): choose a longer interval"));
        }
        code @ ("DENY" | "RSTR") if reply.stratum == 0 => return wrong(format!("{place} refuses us ({code})")),
        _ => {}
    }
    let leap = ["none", "insert", "delete", "unsynchronized"];
    found.seen.text("leap", *leap.get(usize::from(reply.leap)).unwrap_or(&"none"));
    found.seen.number("stratum", f64::from(reply.stratum));
    let is_synchronized = reply.leap != 3 && (1..UNSYNCHRONIZED).contains(&reply.stratum);
    found.measure("probe_ntp_stratum", f64::from(reply.stratum));
    found.measure("probe_ntp_leap", f64::from(reply.leap));
    found.measure("probe_ntp_delay_seconds", reply.delay);
    found.measure("probe_ntp_root_dispersion_seconds", reply.root_dispersion);
    if !is_synchronized {
        if c.expect.iter().any(|condition| ["leap", "stratum"].contains(&condition.about())) {
            return Ok(());
        }
        return wrong(format!("{place} answers, but is not synchronized with any source of time"));
    }
    found.measure("probe_ntp_offset_seconds", reply.offset);
    found.seen.number("offset", reply.offset.abs());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(leap: u8, stratum: u8, heard: u64, said: u64) -> Vec<u8> {
        let mut bytes = vec![leap << 6 | 4 << 3 | 4, stratum, 0, 0];
        bytes.extend([0, 0, 0, 0, 0, 1, 0, 0]);
        bytes.extend(*b"GPS\0");
        bytes.extend([0; 8]);
        bytes.extend([9; 8]);
        bytes.extend(heard.to_be_bytes());
        bytes.extend(said.to_be_bytes());
        bytes
    }

    #[test]
    fn the_offset_is_that_of_the_standard_in_any_era() {
        let took = Duration::from_millis(100);
        // 2026-01-01 and 2040-01-01, in seconds of NTP's eras.
        for unix in [1_767_225_600_u64, 2_208_988_800] {
            let ntp = (unix + 2_208_988_800) & 0xffff_ffff;
            let quarter = 1 << 30;
            let reply = Reply::read(
                &packet(0, 1, ntp << 32 | quarter, ntp << 32 | quarter),
                [9; 8],
                f64::from(u32::try_from(unix).unwrap()),
                took,
            );
            let reply = reply.unwrap();
            assert!((reply.offset - 0.2).abs() < 1e-5 && (reply.delay - 0.1).abs() < 1e-5, "{reply:?}");
            assert_eq!(
                (reply.leap, reply.stratum, reply.reference.as_str(), reply.root_dispersion),
                (0, 1, "GPS", 1.0)
            );
        }
    }

    #[test]
    fn what_answers_something_else_is_none() {
        let good = packet(0, 1, 1, 1);
        let read = |bytes: &[u8], token: u8| Reply::read(bytes, [token; 8], 0.0, Duration::ZERO).is_some();
        assert!(read(&good, 9) && !read(&good, 8) && !read(&good[..47], 9) && !read(&[], 9));
        let mut asked = good;
        asked[0] = 4 << 3 | 3;
        assert!(!read(&asked, 9), "a request is no answer");
    }
}
