//! A datagram by UDP, and what has to come back. Where nothing has to come, it is the network's refusal that is waited for:
//! silence proves nothing then.

use serde::{Deserialize, Serialize};
use tokio::time::{Duration, Instant, timeout_at};

use super::{
    condition::{Condition, Seen},
    datagram::{self, Question},
    found::Found,
    options::Expect,
    prober::{Address, Asking, Prober, Problems},
};
use crate::{
    dial::{Line, Place},
    model::{Failure, Measure, Reason},
};

/// The longest datagram that is sent: what IPv6 carries in one piece.
const SENT_MAX: usize = 1_232;
/// A refusal (ICMP port unreachable) comes within a round trip; where it is limited, within a second.
const REFUSAL: Duration = Duration::from_secs(1);

/// `udp:` of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UdpConfig {
    /// `host:port`; empty at nodes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// What is sent.
    pub send: String,
    /// What has to come: a regular expression, or conditions.
    #[serde(default)]
    pub expect: Expect,
}

impl UdpConfig {
    fn place(&self) -> Result<Place, String> {
        Place::read(&self.address, None)
    }
}

impl Prober for UdpConfig {
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
        (&["banner"], "a datagram by UDP")
    }

    fn problems(&self) -> Problems {
        let mut all = Vec::new();
        if self.send.len() > SENT_MAX {
            all.push((".send".to_owned(), format!("is longer than {SENT_MAX} bytes, which one datagram may have")));
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

/// What is sent, and the last that came.
struct Said<'a> {
    check: &'a UdpConfig,
    last: Option<String>,
}

impl Question for Said<'_> {
    type Answer = String;

    fn datagram(&mut self) -> Vec<u8> {
        self.check.send.clone().into_bytes()
    }

    fn read(&mut self, datagram: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(datagram).into_owned();
        let mut seen = Seen::default();
        seen.text("banner", &text);
        let mut wanted = self.check.expect.0.iter().filter(|condition| condition.about() == "banner");
        let is_met = wanted.all(|condition| condition.judge(&seen).is_ok());
        self.last = Some(text.clone());
        is_met.then_some(text)
    }
}

/// Sends, and waits for what has to come.
async fn probe(c: &UdpConfig, found: &mut Found) -> Result<(), Failure> {
    let place = c.place().map_err(|why| Failure::new(Reason::Dns, why))?;
    if !c.expect.0.iter().any(|condition| condition.about() == "banner") {
        return send(c, &place, found).await;
    }
    let mut question = Said { check: c, last: None };
    let began = Instant::now();
    let asked = datagram::ask(&mut question, &place, found).await;
    found.line.phases().processing = Some(began.elapsed());
    found.measures.push(Measure::flag("probe_failed_due_to_regex", asked.is_err() && question.last.is_some()));
    match (asked, question.last) {
        (Ok(said), _) | (Err(_), Some(said)) => {
            found.answered = true;
            found.line.note(format_args!("{} bytes came", said.len()));
            found.seen.text("banner", said);
            Ok(())
        }
        (Err(failure), None) => Err(failure),
    }
}

async fn send(c: &UdpConfig, place: &Place, found: &mut Found) -> Result<(), Failure> {
    let (socket, address) = datagram::socket(place, found).await?;
    let failed = |e: std::io::Error| Line::failed(&e, place);
    socket.send(c.send.as_bytes()).await.map_err(failed)?;
    let until = Instant::now() + REFUSAL.min(found.line.left() / 2);
    match timeout_at(until, socket.recv(&mut [0; 16])).await {
        Ok(came) => {
            let n = came.map_err(failed)?;
            found.answered = true;
            found.line.note(format_args!("{address} answered with {n} bytes or more"));
        }
        Err(_) => found.line.note(format_args!("sent to {address}; nobody refused it")),
    }
    Ok(())
}
