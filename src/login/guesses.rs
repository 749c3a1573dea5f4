//! Wrong passwords by where they come from. Who has shown too many different ones there must wait, so that a list of common
//! passwords takes years and not a night; the same wrong one again, as a scraper with an old password sends it, counts once.
//!
//! Never knows a password, only a keyed digest of it. Who was let in before is not asked here. Pure: time is an argument.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use tokio::time::Instant;

/// So many different wrong passwords from one place in [`WINDOW`]: people mistype, and several share an address.
const GUESSES_MAX: usize = 10;
/// After so long a place begins anew.
const WINDOW: Duration = Duration::from_secs(60);
/// Places that are remembered. Who has more addresses than that is held by the turns of checks alone.
const PLACES_MAX: usize = 10_000;

/// A digest of a name and a password.
type Digest = [u8; 32];

/// Wrong passwords of late.
#[derive(Default)]
pub(super) struct Guesses(HashMap<IpAddr, Place>);

struct Place {
    since: Instant,
    wrong: Vec<Digest>,
}

/// Whether a password is worth its check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guess {
    /// It is.
    Fresh,
    /// It was wrong a moment ago.
    Known,
    /// Nothing from there is checked before so long.
    TooMany(Duration),
}

impl Guesses {
    /// Judges one before it is checked.
    pub fn judge(&self, from: IpAddr, digest: &Digest, now: Instant) -> Guess {
        let Some(place) = self.0.get(&place(from)).filter(|place| !place.is_over(now)) else { return Guess::Fresh };
        if place.wrong.contains(digest) {
            Guess::Known
        } else if place.wrong.len() >= GUESSES_MAX {
            Guess::TooMany((place.since + WINDOW).duration_since(now))
        } else {
            Guess::Fresh
        }
    }

    /// Counts one that was wrong.
    pub fn wrong(&mut self, from: IpAddr, digest: Digest, now: Instant) {
        if self.0.len() >= PLACES_MAX {
            self.0.retain(|_, place| !place.is_over(now));
        }
        let from = place(from);
        if self.0.len() >= PLACES_MAX && !self.0.contains_key(&from) {
            return;
        }
        let place = self.0.entry(from).or_insert_with(|| Place { since: now, wrong: Vec::new() });
        if place.is_over(now) {
            *place = Place { since: now, wrong: Vec::new() };
        }
        if place.wrong.len() < GUESSES_MAX && !place.wrong.contains(&digest) {
            place.wrong.push(digest);
        }
    }
}

impl Place {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.since) >= WINDOW
    }
}

/// What counts as one: an address, or of IPv6 the network that one customer has (RFC 6177).
fn place(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(n: u32) -> Digest {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&n.to_be_bytes());
        digest
    }

    #[test]
    fn a_list_of_passwords_comes_to_a_stop_and_an_old_one_again_and_again_does_not() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (here, there): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let mut guesses = Guesses::default();
        for _ in 0..1_000 {
            guesses.wrong(here, digest(0), at(0));
            assert_eq!(guesses.judge(here, &digest(0), at(1)), Guess::Known);
            assert_eq!(guesses.judge(here, &digest(1), at(1)), Guess::Fresh);
        }
        (1..GUESSES_MAX as u32).for_each(|n| guesses.wrong(here, digest(n), at(20)));
        assert_eq!(guesses.judge(here, &digest(99), at(50)), Guess::TooMany(Duration::from_secs(10)));
        assert_eq!(guesses.judge(here, &digest(0), at(50)), Guess::Known);
        assert_eq!(guesses.judge("::ffff:192.0.2.1".parse().unwrap(), &digest(99), at(50)).kind(), "too many");
        assert_eq!(guesses.judge(there, &digest(99), at(50)), Guess::Fresh, "others are not held up");
        assert_eq!(guesses.judge(here, &digest(99), at(60)), Guess::Fresh, "it ends by itself");
        guesses.wrong(here, digest(99), at(61));
        assert_eq!(guesses.judge(here, &digest(0), at(62)), Guess::Fresh);
    }

    #[test]
    fn a_network_is_one_place_and_places_are_bounded() {
        let now = Instant::now();
        let mut guesses = Guesses::default();
        let six = |n: u128| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) + n));
        (0..100).for_each(|n| guesses.wrong(six(n), digest(n as u32), now));
        assert_eq!((guesses.0.len(), guesses.judge(six(1 << 63), &digest(999), now).kind()), (1, "too many"));
        assert_eq!(guesses.judge(six(1 << 64), &digest(999), now), Guess::Fresh);
        for n in 0..2 * PLACES_MAX as u32 {
            guesses.wrong(IpAddr::V4(n.into()), digest(n), now);
        }
        assert_eq!(guesses.0.len(), PLACES_MAX);
        guesses.wrong(IpAddr::V4(7.into()), digest(7), now + WINDOW);
        assert_eq!(guesses.0.len(), 1);
    }

    impl Guess {
        fn kind(self) -> &'static str {
            match self {
                Guess::Fresh => "fresh",
                Guess::Known => "known",
                Guess::TooMany(_) => "too many",
            }
        }
    }
}
