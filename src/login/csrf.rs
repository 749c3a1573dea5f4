//! What a form carries to show that it is of a page of ours, which was made for the one who sends it: a keyed digest of who
//! that is. A page of somebody else's can have a browser send a form with its login, but can't know this.
//!
//! The key is drawn at each start: a form from before a restart is refused, with words that say so.

use subtle::ConstantTimeEq as _;

use super::{caller::Caller, keyed};

/// What a form of somebody carries; empty: their login is none that a browser sends by itself, or no key could be drawn.
pub fn token(caller: &Caller) -> String {
    let [proof, name, subject] = caller.key();
    let made = caller.is_ambient().then(|| keyed::digest(&["form", proof, name, subject]));
    made.flatten().unwrap_or_default()
}

/// Whether a form may be taken from somebody.
pub fn fits(caller: &Caller, given: &str) -> bool {
    let expected = token(caller);
    !caller.is_ambient() || (!expected.is_empty() && expected.as_bytes().ct_eq(given.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::caller::{Proof, Role};

    #[test]
    fn a_form_is_taken_from_the_one_for_whom_it_was_made() {
        let ada = Caller::person("ada", Proof::Password, Role::Operate);
        let other_way = Caller::person("ada", Proof::Proxy, Role::Operate);
        let bob = Caller::person("bob", Proof::Password, Role::Admin);
        let namesakes = ["1", "2"].map(|subject| Caller::person("ada", Proof::Oidc, Role::Operate).bound_to(subject));
        assert!(fits(&namesakes[0], &token(&namesakes[0])) && !fits(&namesakes[0], &token(&namesakes[1])));
        assert!(fits(&ada, &token(&ada)) && token(&ada).len() == 64);
        for (caller, given) in
            [(&ada, ""), (&ada, &*token(&bob)), (&ada, &*token(&other_way)), (&bob, &*token(&ada)), (&ada, "x")]
        {
            assert!(!fits(caller, given), "{caller:?} {given}");
        }
        for no_browser in [Caller::anybody(), Caller::token("ci", Vec::new())] {
            assert!(token(&no_browser).is_empty() && fits(&no_browser, ""));
        }
    }
}
