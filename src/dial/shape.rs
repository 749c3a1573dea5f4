//! What the times and outcomes of connecting say of the way: lost SYNs, an address of several that is bad, IPv6 that is bad
//! where IPv4 is good. Pure.

use std::{net::SocketAddr, time::Duration};

/// When a SYN that was not answered is sent again, in seconds after the first: Linux doubles from one second (1, 3, 7, 15),
/// since 6.5 after four at every second (`net.ipv4.tcp_syn_linear_timeouts`).
const SENT_AGAIN: [u64; 7] = [1, 2, 3, 4, 5, 7, 15];
/// An answer comes so soon after the SYN that got through: more is a slow way, and no lost SYN.
const ANSWERED_WITHIN: Duration = Duration::from_millis(300);

/// What was seen of a connection that came about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// SYNs that were lost before one got through, as far as the time tells.
    pub lost_syns: u32,
    /// Addresses of the name that gave no connection before this one did.
    pub failed_addresses: u32,
    /// What is odd, for people.
    pub words: Vec<String>,
}

/// Judges a connection to `address` that took so long, after `failed` gave none.
pub(super) fn of(failed: &[SocketAddr], address: SocketAddr, took: Duration) -> Shape {
    let mut words = Vec::new();
    let lost = lost_syns(took);
    let seconds = took.as_secs_f64();
    match lost {
        0 => {}
        1 => words.push(format!("connecting took {seconds:.2} s, as where the first SYN is lost")),
        _ => words.push(format!("connecting took {seconds:.2} s, as where several SYNs are lost")),
    }
    let only_6 = !failed.is_empty() && failed.iter().all(SocketAddr::is_ipv6) && address.is_ipv4();
    let all: Vec<String> = failed.iter().map(|a| a.ip().to_string()).collect();
    match (only_6, failed.len()) {
        // Of this machine itself a server need not have both.
        _ if address.ip().is_loopback() => {}
        (_, 0) => {}
        (true, _) => words.push(format!("its IPv6 ({}) gives no connection, its IPv4 does", all.join(", "))),
        (false, 1) => words.push(format!("its address {} gives no connection, {} does", all.join(""), address.ip())),
        (false, _) => words.push(format!("its addresses {} give no connection, {} does", all.join(", "), address.ip())),
    }
    Shape { lost_syns: lost, failed_addresses: u32::try_from(failed.len()).unwrap_or(u32::MAX), words }
}

/// How many SYNs were lost, as the doubling clock has it: one at a second, two at two or three.
fn lost_syns(took: Duration) -> u32 {
    let sent = SENT_AGAIN.iter().position(|at| {
        let at = Duration::from_secs(*at);
        (at..at + ANSWERED_WITHIN).contains(&took)
    });
    match sent.and_then(|i| SENT_AGAIN.get(i)) {
        None => 0,
        Some(1) => 1,
        Some(2 | 3) => 2,
        Some(4..=7) => 3,
        Some(_) => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_tells_of_lost_syns_only_where_it_is_that_of_a_repetition() {
        let check = |ms: u64, lost: u32| assert_eq!(lost_syns(Duration::from_millis(ms)), lost, "{ms}");
        check(3, 0);
        check(999, 0);
        check(1_000, 1);
        check(1_035, 1);
        check(1_299, 1);
        check(1_300, 0);
        check(2_010, 2);
        check(3_050, 2);
        check(3_600, 0);
        check(7_100, 3);
        check(15_020, 4);
    }

    #[test]
    fn what_is_odd_is_said() {
        let at = |text: &str| format!("{text}:443").parse::<SocketAddr>().unwrap();
        let check = |failed: &[&str], address: &str, ms: u64, words: &[&str]| {
            let failed: Vec<SocketAddr> = failed.iter().map(|a| at(a)).collect();
            let shape = of(&failed, at(address), Duration::from_millis(ms));
            assert_eq!(
                (shape.words, shape.failed_addresses as usize),
                (words.iter().map(ToString::to_string).collect(), failed.len())
            );
        };
        check(&[], "10.0.0.1", 20, &[]);
        check(&[], "10.0.0.1", 1_040, &["connecting took 1.04 s, as where the first SYN is lost"]);
        check(&["[fd00::1]"], "10.0.0.1", 20, &["its IPv6 (fd00::1) gives no connection, its IPv4 does"]);
        check(&["[::1]"], "127.0.0.1", 20, &[]);
        check(&["10.0.0.2"], "10.0.0.1", 20, &["its address 10.0.0.2 gives no connection, 10.0.0.1 does"]);
        let both = [
            "connecting took 3.01 s, as where several SYNs are lost",
            "its addresses 10.0.0.2, fd00::1 give no connection, 10.0.0.1 does",
        ];
        check(&["10.0.0.2", "[fd00::1]"], "10.0.0.1", 3_010, &both);
    }
}
