//! Who leads. Pure: what each knows of the other comes in, and how long ago it was heard.

use std::{cmp::Reverse, time::Duration};

use super::wire::{Able, Role};

/// The leader gives way when the other has been better able for so long: a receiver that hiccups changes nothing.
pub const BETTER_FOR: Duration = Duration::from_secs(10);

/// What the leader is sending when it gives way may end within this.
pub const YIELD_MAX: Duration = Duration::from_secs(10);

/// What one of both is, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it does.
    pub role: Role,
    /// Its term.
    pub term: u64,
    /// What it is able to do.
    pub able: Able,
    /// It would lead.
    pub claims: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As before.
    Stay,
    /// Lead, in a term above all that are known.
    Lead,
    /// Follow the other.
    Follow,
    /// Begin no attempt any more, and follow when those under way have ended.
    Yield,
}

/// Says what `me` does. `other` is what was heard of it last; `silent`: that is longer ago than `takeover`, or there was nothing for
/// so long since the start.
pub fn verdict(me: Standing<'_>, other: Option<Standing<'_>>, silent: bool) -> Verdict {
    let Some(other) = other.filter(|_| !silent) else {
        return if silent && me.role != Role::Leading { Verdict::Lead } else { Verdict::Stay };
    };
    match (me.role, other.role) {
        (Role::Leading, Role::Leading) if prevails(other, me) => Verdict::Follow,
        (Role::Leading, Role::Following) if other.claims && other.able > me.able => Verdict::Yield,
        (Role::Waiting, Role::Leading) => Verdict::Follow,
        (Role::Waiting, Role::Waiting) if me.name < other.name => Verdict::Lead,
        // Who follows has the copy, who waits has been away.
        (Role::Following, Role::Waiting) => Verdict::Lead,
        (Role::Following, Role::Following) if (me.claims, Reverse(me.name)) > (other.claims, Reverse(other.name)) => {
            Verdict::Lead
        }
        _ => Verdict::Stay,
    }
}

/// Of two that both believe to lead, the higher term does; of the same term the one whose name comes first.
fn prevails(a: Standing<'_>, b: Standing<'_>) -> bool {
    (a.term, Reverse(a.name)) > (b.term, Reverse(b.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: Able = Able { notifies: true, sees: true };
    const BLIND: Able = Able { notifies: true, sees: false };
    const DUMB: Able = Able { notifies: false, sees: true };

    fn one(name: &str, role: Role, term: u64) -> Standing<'_> {
        Standing { name, role, term, able: FULL, claims: false }
    }

    #[test]
    fn one_leads() {
        use Role::{Following, Leading, Waiting};
        let check = |me: Standing<'_>, other: Standing<'_>, expected: Verdict| {
            assert_eq!(verdict(me, Some(other), false), expected, "{me:?} {other:?}");
        };
        check(one("a", Waiting, 0), one("b", Waiting, 0), Verdict::Lead);
        check(one("b", Waiting, 0), one("a", Waiting, 0), Verdict::Stay);
        check(one("a", Waiting, 0), one("b", Leading, 1), Verdict::Follow);
        check(one("a", Waiting, 0), one("b", Following, 1), Verdict::Stay);
        check(one("b", Following, 1), one("a", Waiting, 0), Verdict::Lead);
        check(one("a", Leading, 1), one("b", Leading, 2), Verdict::Follow);
        check(one("a", Leading, 2), one("b", Leading, 2), Verdict::Stay);
        check(one("b", Leading, 2), one("a", Leading, 2), Verdict::Follow);
        check(one("b", Following, 2), one("a", Leading, 2), Verdict::Stay);
        check(one("a", Following, 2), one("b", Following, 2), Verdict::Lead);
        let claims = Standing { claims: true, ..one("b", Following, 2) };
        check(one("a", Following, 2), claims, Verdict::Stay);
        check(claims, one("a", Following, 2), Verdict::Lead);
        check(one("a", Leading, 2), claims, Verdict::Stay);
        for weak in [BLIND, DUMB, Able::default()] {
            check(Standing { able: weak, ..one("a", Leading, 2) }, claims, Verdict::Yield);
        }
    }

    #[test]
    fn silence_makes_everybody_lead() {
        for role in [Role::Waiting, Role::Following] {
            assert_eq!(verdict(one("b", role, 1), Some(one("a", Role::Leading, 1)), true), Verdict::Lead);
            assert_eq!(verdict(one("b", role, 1), None, true), Verdict::Lead);
            assert_eq!(verdict(one("b", role, 1), None, false), Verdict::Stay);
        }
        assert_eq!(verdict(one("b", Role::Leading, 1), None, true), Verdict::Stay);
    }

    #[test]
    fn who_delivers_is_worth_more_than_who_sees() {
        assert!(FULL > BLIND && BLIND > DUMB && DUMB > Able::default());
    }
}
