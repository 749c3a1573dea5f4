//! The nameservers of this machine, each asked by itself. The system's resolver asks one after the other and waits seconds for
//! one that is silent: what works slowly in a shell makes probes fail here.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::{net::UdpSocket, time::timeout};

use super::Remark;
use crate::model::text;

const AREA: &str = "machine";
const ABOUT: &str = "DNS";
/// Where the system's resolver has them from.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// The resolver asks no more than the first of them (MAXNS of resolv.conf(5)).
const ASKED_MAX: usize = 3;
const PORT: u16 = 53;
/// Of one nameserver. Datagrams get lost: each is asked `TRIES` times.
const WITHIN: Duration = Duration::from_secs(1);
const TRIES: usize = 3;
/// A probe has five seconds for all of its steps.
const SLOW: Duration = Duration::from_millis(500);

/// Who serves the root, which every nameserver that looks things up for us knows: RFC 1035, 4.1. The first two bytes are its number.
const QUESTION: [u8; 17] = [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];
/// What an answer may be long, without extensions.
const ANSWER_MAX: usize = 512;

/// Asks all of them.
pub async fn look() -> Remark {
    let servers = nameservers(&fs::read_to_string(RESOLV_CONF).unwrap_or_default());
    let asked = servers.iter().map(|server| ask(SocketAddr::new(*server, PORT)));
    let took = join_all(asked).await;
    judge(&servers.into_iter().zip(took).collect::<Vec<_>>())
}

/// Those that the resolver asks, in its order. An address with a zone (`fe80::1%eth0`) is one of the machine's own link: left out.
fn nameservers(text: &str) -> Vec<IpAddr> {
    let words = text.lines().map(|line| line.split_ascii_whitespace());
    let servers = words.filter_map(|mut words| (words.next() == Some("nameserver")).then(|| words.next()).flatten());
    servers.filter_map(|server| server.parse().ok()).take(ASKED_MAX).collect()
}

/// How long its answer took, whatever it says; `None`: there was none.
async fn ask(server: SocketAddr) -> Option<Duration> {
    let own = if server.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((own, 0)).await.ok()?;
    socket.connect(server).await.ok()?;
    for _ in 0..TRIES {
        let mut question = QUESTION;
        question[..2].copy_from_slice(&fastrand::u16(..).to_be_bytes());
        let begun = Instant::now();
        let answered = async {
            socket.send(&question).await?;
            let mut answer = [0; ANSWER_MAX];
            loop {
                let length = socket.recv(&mut answer).await?;
                if answer[..length].starts_with(&question[..2]) {
                    return Ok::<_, std::io::Error>(());
                }
            }
        };
        if let Ok(Ok(())) = timeout(WITHIN, answered).await {
            return Some(begun.elapsed());
        }
    }
    None
}

/// Pure. Never worse than a warning: where all is named by addresses, no nameserver is needed, and where one is, what can't be
/// reached for want of it is told by itself.
fn judge(asked: &[(IpAddr, Option<Duration>)]) -> Remark {
    let of = |silent: bool| asked.iter().filter(move |(_, took)| took.is_none() == silent);
    let names = |list: Vec<&(IpAddr, Option<Duration>)>| {
        list.iter().map(|(server, _)| server.to_string()).collect::<Vec<_>>().join(", ")
    };
    let silent: Vec<_> = of(true).collect();
    let slowest = asked.iter().filter_map(|(_, took)| *took).max().unwrap_or_default();
    if asked.is_empty() {
        let found = format!("no nameserver stands in {RESOLV_CONF}: names are looked up on this machine alone");
        Remark::warning(AREA, ABOUT, found, "name one, unless clusters and receivers are all named by addresses")
    } else if silent.len() == asked.len() {
        let remedy = format!("see {RESOLV_CONF} and the way to them: without one no name is found");
        Remark::warning(AREA, ABOUT, format!("no nameserver answers: {}", names(silent)), remedy)
    } else if !silent.is_empty() {
        let found = format!("{} does not answer; {} does", names(silent), names(of(false).collect()));
        let remedy = format!(
            "take it out of {RESOLV_CONF}, or mend it: where it is asked, a lookup takes as long as a probe may"
        );
        Remark::warning(AREA, ABOUT, found, remedy)
    } else if slowest >= SLOW {
        let found = format!("an answer takes {} ms", slowest.as_millis());
        Remark::warning(AREA, ABOUT, found, "use a nameserver that is nearer, or one on this machine that remembers")
    } else {
        let count = text::plural(asked.len(), "nameserver answers", "nameservers answer");
        Remark::ok(AREA, ABOUT, format!("{count}, within {} ms", slowest.as_millis().max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn nameservers_are_those_that_the_resolver_asks() {
        let text = "# nameserver 192.0.2.9\nsearch example.org\nnameserver 192.0.2.1\nnameserver\t2001:db8::1 \nnameserver fe80::1%eth0\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n";
        let read: Vec<String> = nameservers(text).iter().map(ToString::to_string).collect();
        assert_eq!(read, ["192.0.2.1", "2001:db8::1", "192.0.2.2"]);
    }

    #[test]
    fn each_kind_of_silence_is_told() {
        let (one, two): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let ms = |ms| Some(Duration::from_millis(ms));
        let check = |asked: &[(IpAddr, Option<Duration>)], level: Level, words: &str| {
            let remark = judge(asked);
            assert!(remark.level == level && remark.found.contains(words), "{remark:?}");
        };
        check(&[(one, ms(3)), (two, ms(7))], Level::Ok, "2 nameservers answer, within 7 ms");
        check(&[(one, None), (two, ms(7))], Level::Warning, "192.0.2.1 does not answer; 192.0.2.2 does");
        check(&[(one, None), (two, None)], Level::Warning, "no nameserver answers: 192.0.2.1, 192.0.2.2");
        check(&[(one, ms(800))], Level::Warning, "800 ms");
        check(&[], Level::Warning, "no nameserver stands in");
    }

    #[tokio::test]
    async fn what_answers_is_heard_and_what_is_none_of_ours_is_not_taken_for_it() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = server.local_addr().unwrap();
        tokio::spawn(async move {
            let mut question = [0; ANSWER_MAX];
            while let Ok((length, from)) = server.recv_from(&mut question).await {
                let other = [question[0] ^ 1, question[1]];
                server.send_to(&other, from).await.unwrap();
                server.send_to(&question[..length], from).await.unwrap();
            }
        });
        assert!(ask(at).await.is_some());
        // Nobody is there: the machine says so at once.
        let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert_eq!(ask(closed).await, None);
    }
}
