//! From a name to its addresses, and whose fault it is where there are none: the name's, or our own resolver's.

use std::{io, net::SocketAddr, sync::LazyLock};

use tokio::time::Instant;

use super::{
    endpoint::Endpoint,
    failure,
    lookup::{Looked, look_up},
    steps::Steps,
    witness::Served,
};
use crate::model::{Failure, Ours, Reason};

/// The most addresses of one name that are tried; a balancer's name has two or three.
const ADDRESSES_MAX: usize = 8;

/// The names that this machine's resolver told lately.
static SERVED: LazyLock<Served<String>> = LazyLock::new(Served::new);

/// Returns the addresses of an endpoint.
///
/// # Errors
/// `Dns` where the name is at fault, `Local` where our resolver tells no name.
pub(super) async fn addresses(endpoint: &Endpoint, steps: &mut Steps) -> Result<Vec<SocketAddr>, Failure> {
    if let Some(ip) = endpoint.ip() {
        return Ok(vec![SocketAddr::new(ip, endpoint.port)]);
    }
    let host = &endpoint.host;
    let began = Instant::now();
    // What is left then is for a witness.
    let patience = steps.left() * 3 / 4;
    let found = look_up(host, endpoint.port, steps.side, patience).await;
    steps.phases.resolve = Some(began.elapsed());
    let (answered, words) = match found {
        Looked::Told(Ok(mut addresses)) => {
            addresses.truncate(ADDRESSES_MAX);
            if !addresses.is_empty() {
                SERVED.note(host);
                let list: Vec<_> = addresses.iter().map(|a| a.ip().to_string()).collect();
                steps.note(format_args!("{host} is {}", list.join(", ")));
                return Ok(addresses);
            }
            (true, format!("the name {host} has no address"))
        }
        Looked::Told(Err(e)) => (is_answer(&e), format!("the name {host} does not resolve: {e}")),
        Looked::Silent => (false, format!("no DNS server answered for {host} within {}", failure::Spoken(patience))),
        Looked::Crowded => {
            let waited = failure::Spoken(patience);
            let words = format!(
                "{host} was not looked up: for {waited} too many other names waited for an answer of this machine's resolver"
            );
            steps.note(&words);
            return Err(Failure::ours(Ours::Resolver, words));
        }
    };
    steps.note(&words);
    if failure::out_of_files() {
        return Err(failure::no_files(host));
    }
    let others = SERVED.witnesses(host);
    if is_ours(answered, others.is_empty(), || serves_another(&others, steps)).await {
        let named = if others.is_empty() { String::new() } else { format!(", nor for {}", others.join(" and ")) };
        let words = format!("the resolver of the watchdog's own machine has no answer for {host}{named}: {words}");
        return Err(Failure::ours(Ours::Resolver, words));
    }
    Err(Failure::new(Reason::Dns, words))
}

/// A resolver that answers "no such name" works, unless it suddenly says so of all; one that does not answer may wait for
/// the name's own servers.
async fn is_ours<F>(answered: bool, alone: bool, serves_another: impl FnOnce() -> F) -> bool
where
    F: Future<Output = bool>,
{
    if alone { !answered } else { !serves_another().await }
}

async fn serves_another(others: &[String], steps: &Steps) -> bool {
    for host in others {
        let looked = look_up(host, 0, steps.side, steps.left() / 2).await;
        if matches!(looked, Looked::Told(Ok(found)) if !found.is_empty()) {
            return true;
        }
    }
    false
}

/// Whether the resolver told that there is no such name (EAI_NONAME, EAI_NODATA), as glibc and musl put it; the standard
/// library gives only their words.
fn is_answer(error: &io::Error) -> bool {
    const NO_SUCH: [&str; 4] = ["not known", "No address associated", "does not resolve", "no address"];
    let words = error.to_string();
    NO_SUCH.iter().any(|no| words.contains(no))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_at_fault_where_others_are_told() {
        async fn check(answered: bool, others: Option<bool>, ours: bool) {
            let judged = is_ours(answered, others.is_none(), || std::future::ready(others == Some(true))).await;
            assert_eq!(judged, ours, "{answered} {others:?}");
        }
        check(true, None, false).await;
        check(true, Some(true), false).await;
        check(true, Some(false), true).await;
        check(false, None, true).await;
        check(false, Some(true), false).await;
        check(false, Some(false), true).await;
    }

    #[test]
    fn no_such_name_is_an_answer() {
        let said = |words: &str| is_answer(&io::Error::other(format!("failed to lookup address information: {words}")));
        assert!(said("Name or service not known") && said("No address associated with hostname"));
        assert!(said("Name does not resolve"));
        assert!(!said("Temporary failure in name resolution") && !said("Try again"));
    }
}
