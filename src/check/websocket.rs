//! A WebSocket (RFC 6455): the upgrade with its proof, and, where it is asked for, a message sent and one that has to come.

mod frame;

use std::collections::BTreeMap;

use ::http::{HeaderMap, HeaderName, HeaderValue};
use base64::{Engine, prelude::BASE64_STANDARD};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde::{Deserialize, Serialize};
use url::Url;

use self::frame::{Frame, Opcode};
use super::{
    condition::{Condition, Seen},
    found::Found,
    options::Expect,
    prober::{Asking, Prober, Problems},
    wire::Wire,
};
use crate::{
    dial::{Place, TlsFiles},
    model::{Failure, Measure, Reason, Secret},
};

/// What both sides hash with the key (RFC 6455, section 1.3).
const PROOF: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The longest line of the answer's head.
const LINE_MAX: usize = 8 << 10;
/// Headers in it.
const HEADERS_MAX: usize = 100;
/// Messages that are looked at: one that has to come may come after others.
const MESSAGES_MAX: usize = 100;
/// The longest message that is sent.
const SENT_MAX: usize = 64 << 10;
/// The headers that the upgrade itself is made of.
const OWN: [&str; 6] =
    ["host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol"];

/// `websocket:` of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebsocketConfig {
    /// `ws://…` or `wss://…`
    pub url: Url,
    /// Headers to send.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Secret>,
    /// The protocol within, which the server must agree on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subprotocol: Option<String>,
    /// A text that is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send: Option<String>,
    /// The text that has to come: a regular expression, or conditions.
    #[serde(default)]
    pub expect: Expect,
    /// Certificates.
    #[serde(default)]
    pub tls_config: TlsFiles,
    /// Where to connect in place of the host: a node.
    #[serde(skip)]
    connect_to: Option<String>,
}

impl WebsocketConfig {
    fn place(&self) -> Result<Place, String> {
        let wrong = || "must begin with ws:// or wss://, like wss://chat.example.org/socket".to_owned();
        if !matches!(self.url.scheme(), "ws" | "wss") {
            return Err(wrong());
        }
        let host = self.url.host_str().ok_or_else(wrong)?.trim_matches(['[', ']']).to_owned();
        Ok(Place { host, port: self.url.port_or_known_default().ok_or_else(wrong)? })
    }
}

impl Prober for WebsocketConfig {
    fn at(&self) -> String {
        self.url.to_string()
    }

    fn instance(&self) -> String {
        self.place().map_or_else(|_| self.url.to_string(), |place| place.to_string())
    }

    fn expect(&self) -> &[Condition] {
        &self.expect.0
    }

    fn subjects(&self) -> (&'static [&'static str], &'static str) {
        (&["banner", "header", "cert", "version"], "a WebSocket")
    }

    fn problems(&self) -> Problems {
        let mut all = Vec::new();
        let mut say = |key: &str, why: &str| all.push((key.to_owned(), why.to_owned()));
        if let Err(why) = self.place() {
            say(".url", &why);
        }
        if !self.url.username().is_empty() || self.url.password().is_some() {
            say(".url", "user and password go into headers (Authorization): a URL is shown");
        }
        for (name, value) in &self.headers {
            let is_header =
                HeaderName::from_bytes(name.as_bytes()).is_ok() && HeaderValue::from_str(value.reveal()).is_ok();
            if !is_header || OWN.contains(&name.to_ascii_lowercase().as_str()) {
                say(".headers", "one of them is no header, or one that the upgrade sets itself");
            }
        }
        if self.subprotocol.as_ref().is_some_and(|text| HeaderName::from_bytes(text.as_bytes()).is_err()) {
            say(".subprotocol", "this is no name of a protocol");
        }
        if self.send.as_ref().is_some_and(|text| text.len() > SENT_MAX) {
            say(".send", "is longer than 64 KiB");
        }
        all
    }

    fn tls_files(&mut self) -> Option<&mut TlsFiles> {
        Some(&mut self.tls_config)
    }

    fn goes_to_nodes(&self) -> bool {
        true
    }

    fn ingress_tls(&self) -> Option<bool> {
        Some(self.url.scheme() == "wss")
    }

    fn move_to(&mut self, instance: &str) {
        self.connect_to = Some(instance.to_owned());
    }

    fn probe<'a>(&'a self, found: &'a mut Found) -> Asking<'a> {
        Box::pin(probe(self, found))
    }
}

/// Upgrades, says what there is to say, and reads what has to come.
async fn probe(c: &WebsocketConfig, found: &mut Found) -> Result<(), Failure> {
    let place = c.place().map_err(|why| Failure::new(Reason::Dns, why))?;
    let elsewhere = c.connect_to.as_ref().and_then(|at| Place::read(at, None).ok());
    let stream = found.line.connect(elsewhere.as_ref().unwrap_or(&place), c.url.scheme() == "wss", None).await?;
    let mut wire = Wire::new(stream, &place, found);
    if c.url.scheme() == "wss" {
        wire = wire.secure(&c.tls_config, found).await?;
    }
    let began = tokio::time::Instant::now();
    upgrade(c, &mut wire, &place, found).await?;
    found.answered = true;
    wire.stage("after the upgrade");
    if let Some(text) = &c.send {
        wire.send(&Frame::masked(Opcode::Text, text.as_bytes())).await?;
        found.line.note(format_args!("{} bytes sent", text.len()));
    }
    if c.expect.0.iter().any(|condition| condition.about() == "banner") {
        listen(c, &mut wire, found).await?;
    }
    found.line.phases().processing = Some(began.elapsed());
    // 1000: all is done.
    wire.send(&Frame::masked(Opcode::Close, &1000_u16.to_be_bytes())).await.ok();
    Ok(())
}

/// The opening handshake (RFC 6455, section 4).
async fn upgrade(c: &WebsocketConfig, wire: &mut Wire, place: &Place, found: &mut Found) -> Result<(), Failure> {
    let url = &c.url;
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let key = BASE64_STANDARD.encode(fastrand::u128(..).to_be_bytes());
    let mut head = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n\
         Sec-WebSocket-Version: 13\r\nUser-Agent: dogwatch/{}\r\n",
        env!("CARGO_PKG_VERSION")
    );
    let own = c.subprotocol.as_ref().map(|protocol| ("Sec-WebSocket-Protocol", protocol.as_str()));
    let more = c.headers.iter().map(|(name, value)| (name.as_str(), value.reveal()));
    for (name, value) in more.chain(own) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    wire.send(format!("{head}\r\n").as_bytes()).await?;
    let (status, headers) = answer(wire, place).await?;
    found.http_status = Some(status);
    found.line.note(format_args!("GET {path}: HTTP {status}"));
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let wrong = |words: String| Err(Failure::new(Reason::Answer, words));
    if status != 101 {
        return Err(Failure::new(Reason::HttpStatus, format!("was {status}, should be 101 (Switching Protocols)")));
    }
    let proof = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{PROOF}").as_bytes());
    if !text("upgrade").eq_ignore_ascii_case("websocket")
        || text("sec-websocket-accept") != BASE64_STANDARD.encode(proof)
    {
        return wrong(format!(
            "{place} answers 101, but does not prove that it speaks WebSocket (Sec-WebSocket-Accept)"
        ));
    }
    if let Some(wanted) = &c.subprotocol {
        let agreed = text("sec-websocket-protocol");
        if agreed != *wanted {
            return wrong(format!("the protocol that {place} agreed on was {agreed:?}, should be {wanted:?}"));
        }
    }
    found.seen.headers = headers;
    Ok(())
}

/// Reads the head of an answer by HTTP/1.1, and nothing after it: those are frames.
async fn answer(wire: &mut Wire, place: &Place) -> Result<(u16, HeaderMap), Failure> {
    let first = wire.line(LINE_MAX).await?;
    let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse::<u16>().ok());
    let status = status.ok_or_else(|| wire.odd("HTTP/1.1"))?;
    wire.stage("in the middle of its headers");
    let mut headers = HeaderMap::new();
    for _ in 0..HEADERS_MAX {
        let line = wire.line(LINE_MAX).await?;
        if line.is_empty() {
            return Ok((status, headers));
        }
        let pair = line.split_once(':').and_then(|(name, value)| {
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value.trim()).ok()?))
        });
        if let Some((name, value)) = pair {
            headers.append(name, value);
        }
    }
    Err(Failure::new(Reason::Answer, format!("{place} answers with more than {HEADERS_MAX} headers")))
}

/// Reads messages until the one that has to come is there.
async fn listen(c: &WebsocketConfig, wire: &mut Wire, found: &mut Found) -> Result<(), Failure> {
    let (mut last, mut is_met) = (None, false);
    for _ in 0..MESSAGES_MAX {
        let text = match frame::message(wire).await {
            Ok(text) => text,
            Err(failure) if last.is_none() => return Err(failure),
            // What did come says more than that nothing more came.
            Err(failure) => {
                found.line.note(&failure.message);
                break;
            }
        };
        found.line.note(format_args!("{} bytes came", text.len()));
        let mut seen = Seen::default();
        seen.text("banner", &text);
        let mut wanted = c.expect.0.iter().filter(|condition| condition.about() == "banner");
        is_met = wanted.all(|condition| condition.judge(&seen).is_ok());
        last = Some(text);
        if is_met {
            break;
        }
    }
    found.measures.push(Measure::flag("probe_failed_due_to_regex", !is_met));
    found.seen.text("banner", last.unwrap_or_default());
    Ok(())
}
