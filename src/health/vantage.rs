//! Whether the watchdog itself can see: "they are down" told from "I am cut off".
//!
//! Accuses the own network only on good grounds: a target that answers is proof of sight, whatever the references say.

/// An address that tells whether our own network works: the default gateway, or one from the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferenceState {
    /// As people know it: `gateway 10.0.0.254`.
    pub name: String,
    /// It was configured: it is meant to answer.
    pub configured: bool,
    /// It has answered since it is known: a gateway that never answers pings proves nothing by its silence.
    pub ever_answered: bool,
    /// It answers now.
    pub answering: bool,
}

/// Holds what is known of the watchdog's own network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VantageInput {
    /// The interface that carries the default route is running; `None`: unknown.
    pub link_up: Option<bool>,
    /// There is a default route; `None`: unknown.
    pub has_default_route: Option<bool>,
    /// References.
    pub references: Vec<ReferenceState>,
    /// A target answered within its last probe or probes, so that we can't be cut off.
    pub any_target_answers: bool,
    /// Every target is silent.
    pub all_targets_silent: bool,
}

/// Returns `Ok` where verdicts can be trusted.
///
/// # Errors
/// Why the watchdog is cut off, in words.
pub fn judge(input: &VantageInput) -> Result<(), String> {
    if input.any_target_answers {
        return Ok(());
    }
    if input.link_up == Some(false) {
        return Err("the watchdog's own network interface is down".into());
    }
    let meaningful: Vec<_> = input.references.iter().filter(|r| r.configured || r.ever_answered).collect();
    if meaningful.is_empty() || meaningful.iter().any(|r| r.answering) {
        return Ok(());
    }
    let names: Vec<_> = meaningful.iter().map(|r| r.name.as_str()).collect();
    let targets = if input.all_targets_silent { "every target is silent" } else { "no target answers" };
    let route = if input.has_default_route == Some(false) { "the watchdog has no default route, " } else { "" };
    let references = match names.as_slice() {
        [one] => format!("its reference {one} does not answer"),
        more => format!("none of its references answers ({})", super::phrases::list(more, REFERENCES_NAMED)),
    };
    Err(format!("{route}{references} and {targets}"))
}

/// How many references are named before "and 3 more".
const REFERENCES_NAMED: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(configured: bool, ever_answered: bool, answering: bool) -> ReferenceState {
        ReferenceState { name: "gateway 10.0.0.254".into(), configured, ever_answered, answering }
    }

    fn check(input: VantageInput, expected: Result<(), &str>) {
        assert_eq!(judge(&input), expected.map_err(String::from), "{input:?}");
    }

    #[test]
    fn an_answering_target_is_proof_of_sight() {
        let input = VantageInput { link_up: Some(false), any_target_answers: true, ..Default::default() };
        check(input, Ok(()));
        let references = vec![reference(true, true, false)];
        check(VantageInput { references, any_target_answers: true, ..Default::default() }, Ok(()));
    }

    #[test]
    fn a_dead_link_cuts_off() {
        let input = VantageInput { link_up: Some(false), ..Default::default() };
        check(input, Err("the watchdog's own network interface is down"));
    }

    #[test]
    fn silent_references_cut_off_only_if_they_mean_something() {
        let case = |references| VantageInput { references, all_targets_silent: true, ..Default::default() };
        check(case(vec![]), Ok(()));
        check(case(vec![reference(false, false, false)]), Ok(()));
        check(case(vec![reference(false, true, true), reference(true, false, false)]), Ok(()));
        check(
            case(vec![reference(false, true, false)]),
            Err("its reference gateway 10.0.0.254 does not answer and every target is silent"),
        );
        check(
            VantageInput { has_default_route: Some(false), ..case(vec![reference(true, false, false); 2]) },
            Err("the watchdog has no default route, none of its references answers \
                 (gateway 10.0.0.254 and gateway 10.0.0.254) and every target is silent"),
        );
    }
}
