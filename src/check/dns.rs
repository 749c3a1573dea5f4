//! A question by DNS to one server, over UDP, TCP, TLS or HTTPS: what the server says itself, past every cache on the way.

use std::str::FromStr;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hickory_proto::{
    op::{Edns, Message, MessageType, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout_at},
};

use super::{
    condition::Condition,
    datagram::{self, Question},
    found::Found,
    http::{HttpConfig, fetch},
    prober::{Address, Asking, Prober, Problems},
    web::request,
};
use crate::{
    dial::{BoxedStream, Place, Security, TlsFiles},
    model::{Failure, Measure, Reason},
};

/// The longest message over UDP that is asked for (what EDNS is commonly set to, since 2020).
const UDP_MAX: u16 = 1232;
/// What is spoken, as TLS negotiates it.
const DOT: &[&[u8]] = &[b"dot"];
/// What DNS over HTTPS is made of.
const DNS_MESSAGE: &str = "application/dns-message";
/// So many answers are looked at.
const ANSWERS_MAX: usize = 256;

/// `dns:` of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DnsConfig {
    /// The server: an address or a name, with a port where it is not the usual one (53, with TLS 853, with
    /// HTTPS 443). Empty at nodes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub server: String,
    /// The name that is asked for.
    pub name: String,
    /// The type of record.
    #[serde(rename = "type", default = "a")]
    pub kind: String,
    /// Over what.
    #[serde(default)]
    pub transport: Transport,
    /// The path of the server's URL, with HTTPS.
    #[serde(default = "doh_path")]
    pub path: String,
    /// Ask the server to ask others where it does not know.
    #[serde(default = "yes")]
    pub recursive: bool,
    /// What the answer must be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Condition>,
    /// Certificates.
    #[serde(default)]
    pub tls_config: TlsFiles,
}

fn a() -> String {
    "A".to_owned()
}

/// Where most servers have it.
fn doh_path() -> String {
    "/dns-query".to_owned()
}

fn yes() -> bool {
    true
}

/// What carries a question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// UDP, and TCP where the answer does not fit.
    #[default]
    Udp,
    /// TCP.
    Tcp,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over HTTPS (RFC 8484).
    Https,
}

impl DnsConfig {
    fn place(&self) -> Result<Place, String> {
        let usual = match self.transport {
            Transport::Udp | Transport::Tcp => 53,
            Transport::Tls => 853,
            Transport::Https => 443,
        };
        Place::read(&self.server, Some(usual))
    }

    fn question(&self) -> Result<(Name, RecordType), (&'static str, String)> {
        let mut name = Name::from_str(&self.name).map_err(|_| (".name", "this is no name of the DNS".to_owned()))?;
        // No search list: as it stands, which is how the answer repeats it.
        name.set_fqdn(true);
        let kind = RecordType::from_str(&self.kind.to_ascii_uppercase())
            .map_err(|_| (".type", "this is no type of record: write it like A, AAAA, MX, SOA or TXT".to_owned()))?;
        Ok((name, kind))
    }

    fn says_of(&self, subject: &str) -> bool {
        self.expect.iter().any(|condition| condition.about() == subject)
    }
}

impl Prober for DnsConfig {
    fn layer(&self) -> u8 {
        0
    }

    fn at(&self) -> String {
        format!("{} {} at {}", self.kind, self.name, self.server)
    }

    fn address(&self) -> Option<Address<'_>> {
        Some(Address { key: ".server", text: &self.server, place: self.place(), at_nodes: true })
    }

    fn expect(&self) -> &[Condition] {
        &self.expect
    }

    fn subjects(&self) -> (&'static [&'static str], &'static str) {
        let all = &["answer", "answers", "rcode", "flags", "ttl", "serial", "serial_age", "cert", "version"];
        (all, "an answer by DNS")
    }

    fn problems(&self) -> Problems {
        let mut all: Problems = self.question().err().map(|(key, why)| (key.to_owned(), why)).into_iter().collect();
        let is_path =
            self.path.starts_with('/') && !self.path.contains(|c: char| c.is_whitespace() || "?#".contains(c));
        if !is_path {
            all.push((".path".to_owned(), "write it like /dns-query".to_owned()));
        } else if self.path != doh_path() && self.transport != Transport::Https {
            all.push((".path".to_owned(), "is of use only with transport: https".to_owned()));
        }
        all
    }

    fn tls_files(&mut self) -> Option<&mut TlsFiles> {
        Some(&mut self.tls_config)
    }

    fn move_to(&mut self, instance: &str) {
        instance.clone_into(&mut self.server);
    }

    fn probe<'a>(&'a self, found: &'a mut Found) -> Asking<'a> {
        Box::pin(probe(self, found))
    }
}

/// Asks the server.
async fn probe(c: &DnsConfig, found: &mut Found) -> Result<(), Failure> {
    let wrong = |why: String| Failure::new(Reason::Answer, why);
    let place = c.place().map_err(wrong)?;
    let (name, kind) = c.question().map_err(|(_, why)| wrong(why))?;
    let mut question = Message::new();
    // By HTTPS no stranger can answer, and answers are kept by what was asked: the same each time (RFC 8484, section 4.1).
    let id = if c.transport == Transport::Https { 0 } else { fastrand::u16(..) };
    // A resolver that validates says so where it is asked to (RFC 6840, section 5.7).
    question.set_authentic_data(true);
    question.set_id(id).set_recursion_desired(c.recursive).add_query(Query::query(name, kind));
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_MAX).set_version(0);
    question.set_edns(edns);
    let bytes = question.to_vec().map_err(|e| wrong(format!("this can't be asked by DNS: {e}")))?;
    let began = Instant::now();
    let mut answer = match c.transport {
        Transport::Udp => datagram::ask(&mut Asked { question: &question, bytes: &bytes }, &place, found).await?,
        Transport::Https => by_https(c, &question, &bytes, &place, found).await?,
        Transport::Tcp | Transport::Tls => by_stream(c, &question, &bytes, &place, found).await?,
    };
    if answer.truncated() && c.transport == Transport::Udp {
        found.line.note("the answer does not fit into a datagram: asked by TCP");
        answer = by_stream(c, &question, &bytes, &place, found).await?;
    }
    found.line.phases().processing = Some(began.elapsed());
    found.answered = true;
    read(&answer, kind, found);
    let rcode = rcode(answer.response_code());
    found.line.note(format_args!("{rcode}, {} answers", answer.answers().len()));
    let is_well = answer.response_code() == ResponseCode::NoError;
    found.measures.push(Measure::flag("probe_dns_query_succeeded", is_well));
    if !is_well && !c.says_of("rcode") {
        return Err(Failure::new(Reason::Answer, format!("rcode was {rcode}, should be NOERROR")));
    }
    let is_empty = answer.answers().iter().all(|r| r.record_type() != kind);
    if is_empty && is_well && !["rcode", "answer", "answers"].iter().any(|subject| c.says_of(subject)) {
        let words = format!("{} has no record of type {kind} there", c.name);
        return Err(Failure::new(Reason::Answer, words));
    }
    Ok(())
}

/// By the names that dig and RFC 1035 have for them.
fn rcode(code: ResponseCode) -> String {
    match u16::from(code) {
        0 => "NOERROR".to_owned(),
        1 => "FORMERR".to_owned(),
        2 => "SERVFAIL".to_owned(),
        3 => "NXDOMAIN".to_owned(),
        4 => "NOTIMP".to_owned(),
        5 => "REFUSED".to_owned(),
        other => format!("RCODE{other}"),
    }
}

/// What the answer tells, for conditions and series.
fn read(answer: &Message, kind: RecordType, found: &mut Found) {
    let counts = [
        ("probe_dns_answer_rrs", answer.answers().len()),
        ("probe_dns_authority_rrs", answer.name_servers().len()),
        ("probe_dns_additional_rrs", answer.additionals().len()),
    ];
    for (name, count) in counts {
        found.measure(name, f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    }
    found.seen.text("rcode", rcode(answer.response_code()));
    let flags = [
        (answer.authoritative(), "aa"),
        (answer.truncated(), "tc"),
        (answer.recursion_available(), "ra"),
        (answer.authentic_data(), "ad"),
    ];
    let set: Vec<&str> = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name).collect();
    found.seen.text("flags", set.join(" "));
    let records = || answer.answers().iter().filter(|r| r.record_type() == kind);
    found.seen.number("answers", f64::from(u32::try_from(records().count()).unwrap_or(u32::MAX)));
    if let Some(ttl) = records().map(Record::ttl).min() {
        found.seen.number("ttl", f64::from(ttl));
    }
    for record in answer.answers().iter().take(ANSWERS_MAX) {
        found.seen.text("answer", plain(record.data()));
        if let RData::SOA(soa) = record.data() {
            found.measure("probe_dns_serial", f64::from(soa.serial()));
            found.seen.number("serial", f64::from(soa.serial()));
            if let Some(age) = serial_age(soa.serial(), Timestamp::now()) {
                found.seen.number("serial_age", age);
            }
        }
    }
}

/// As people write it: without the dot at the end of names.
fn plain(data: &RData) -> String {
    match data {
        RData::OPT(_) => String::new(),
        other => other.to_string().trim_end_matches('.').to_owned(),
    }
}

/// Seconds since the day that a serial of the form YYYYMMDDnn names (RFC 1912, section 2.2); `None` where it names none.
fn serial_age(serial: u32, now: Timestamp) -> Option<f64> {
    let day = serial / 100;
    let part = |n: u32| i8::try_from(n % 100).ok();
    let date = Date::new(i16::try_from(day / 10_000).ok()?, part(day / 100)?, part(day)?).ok()?;
    let begins = date.to_zoned(TimeZone::UTC).ok()?.timestamp();
    (1990..2100).contains(&date.year()).then(|| now.duration_since(begins).as_secs_f64())
}

/// Whether it answers this question, and no other: anybody can send a datagram.
fn fits(answer: &Message, question: &Message) -> bool {
    answer.id() == question.id()
        && answer.message_type() == MessageType::Response
        && (answer.queries().is_empty() || answer.queries() == question.queries())
}

/// A question as a datagram.
struct Asked<'a> {
    question: &'a Message,
    bytes: &'a [u8],
}

impl Question for Asked<'_> {
    type Answer = Message;

    fn datagram(&mut self) -> Vec<u8> {
        self.bytes.to_vec()
    }

    fn read(&mut self, datagram: &[u8]) -> Option<Message> {
        Message::from_vec(datagram).ok().filter(|answer| fits(answer, self.question))
    }
}

async fn by_stream(
    c: &DnsConfig,
    question: &Message,
    bytes: &[u8],
    place: &Place,
    found: &mut Found,
) -> Result<Message, Failure> {
    let is_secure = c.transport == Transport::Tls;
    let mut stream = found.line.connect(place, is_secure, None).await?;
    if is_secure {
        let security = Security::read(&c.tls_config, DOT).await?;
        stream = found.line.secure(stream, place, &security).await?.0;
    }
    let talk = timeout_at(found.line.deadline(), talk(&mut stream, bytes));
    let came = match talk.await {
        Ok(Ok(came)) => came,
        Ok(Err(_)) => {
            let words = format!("{place} closed the connection without an answer");
            return Err(Failure::new(Reason::Refused, words));
        }
        Err(_) => {
            let words = format!("{place} accepted the connection, but did not answer within {}", found.line.allowed());
            return Err(Failure::new(Reason::Timeout, words));
        }
    };
    match Message::from_vec(&came) {
        Ok(answer) if fits(&answer, question) => Ok(answer),
        _ => Err(Failure::new(Reason::Answer, format!("what {place} answers is not DNS, or answers something else"))),
    }
}

/// By GET, with the question in the URL (RFC 8484, section 4.1).
async fn by_https(
    c: &DnsConfig,
    question: &Message,
    bytes: &[u8],
    place: &Place,
    found: &mut Found,
) -> Result<Message, Failure> {
    let wrong = |words: String| Failure::new(Reason::Answer, words);
    let url = format!("https://{place}{}?dns={}", c.path, BASE64_URL_SAFE_NO_PAD.encode(bytes));
    let url = url.parse::<url::Url>().map_err(|_| wrong(format!("{place}{} is no URL", c.path)))?;
    let web = HttpConfig { tls_config: c.tls_config.clone(), ..HttpConfig::get(url.clone()) };
    let answer = fetch(&web, request(url, DNS_MESSAGE, usize::from(u16::MAX)), found).await?;
    if answer.status != 200 {
        let words = format!("{place}{} answered HTTP {}, should be 200", c.path, answer.status);
        return Err(Failure::new(Reason::HttpStatus, words));
    }
    match Message::from_vec(&answer.body) {
        Ok(answer) if fits(&answer, question) => Ok(answer),
        _ => Err(wrong(format!("what {place}{} answers is not DNS, or answers something else", c.path))),
    }
}

/// A message with its length before it (RFC 1035, section 4.2.2).
async fn talk(stream: &mut BoxedStream, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    stream.write_all(&[&length.to_be_bytes(), bytes].concat()).await?;
    stream.flush().await?;
    let length = stream.read_u16().await?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_tells_its_day_where_it_is_one() {
        let now: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        assert_eq!(serial_age(2_026_112_801, now), Some(1.5 * 86_400.0));
        for odd in [7, 2_026_139_901, 4_294_967_295, 1_764_000_000] {
            assert_eq!(serial_age(odd, now), None, "{odd}");
        }
    }
}
