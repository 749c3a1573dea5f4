//! Headlines and their parts by message (`words`): said in English here, and kept so that they can be said in another
//! language where they are read. Words here don't change from one second to the next: a headline that counts seconds would
//! be news every second.

use std::collections::BTreeMap;

use super::{
    phrases,
    view::{How, NAMED, Sureness, TargetView},
};
use crate::{
    model::{Finding, Job, Said, SaidPart, Several},
    words::Voice,
};

/// A sentence of a finding: by its message, or in English alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sentence {
    /// In English.
    pub(super) text: String,
    pub(super) said: Option<Said>,
}

impl From<Said> for Sentence {
    fn from(said: Said) -> Self {
        Self { text: Voice::default().said(&said), said: Some(said) }
    }
}

impl From<String> for Sentence {
    fn from(text: String) -> Self {
        Self { text, said: None }
    }
}

impl From<Sentence> for SaidPart {
    fn from(sentence: Sentence) -> Self {
        match sentence.said {
            Some(said) => said.into(),
            None => sentence.text.into(),
        }
    }
}

/// Adds a line to one of a finding's lists, which `list` picks.
pub(super) fn add(finding: &mut Finding, list: fn(&mut Finding) -> &mut Vec<String>, line: impl Into<Sentence>) {
    let Sentence { text, said } = line.into();
    list(finding).push(text);
    finding.said.extend(said);
}

/// Adds what is broken because of it.
pub(super) fn consequence(finding: &mut Finding, line: impl Into<Sentence>) {
    add(finding, |f| &mut f.consequences, line);
}

/// A number that changes by the minute, in steps, and what is counted (a name in the message `some-of`): `9 pods`, `more than
/// 200 pods`.
pub(super) fn some(n: usize, kind: &'static str) -> Said {
    let (step, more) = phrases::step(n);
    Said::new("some-of").with("n", step).with("more", if more { "yes" } else { "no" }).with("kind", kind)
}

/// Some of them in a line: `shop/api-1, shop/api-2 and 7 more`.
pub(super) fn named(several: &Several) -> SaidPart {
    match several.count.saturating_sub(several.names.len()) {
        0 => several.names.join(", ").into(),
        more => SaidPart::Names(several.names.iter().map(SaidPart::from).collect(), more),
    }
}

/// Says what to do first.
pub(super) fn first_step(finding: &mut Finding, step: impl Into<Sentence>) {
    let Sentence { text, said } = step.into();
    finding.first_step = text;
    finding.said.extend(said);
}

/// Says nothing: a part that is left out.
pub(super) const NOTHING: &str = "";

/// `API server`, `API servers`.
pub(super) fn job(kind: Job, n: usize) -> Said {
    Said::new("component").with("kind", kind.kind()).with("n", n)
}

/// `the scheduler`, `both schedulers`, `all 3 schedulers`.
pub(super) fn all(n: usize, kind: Job) -> Said {
    Said::new("all-components").with("kind", kind.kind()).with("n", n)
}

/// `1 of 3 schedulers`.
pub(super) fn of(n: usize, total: usize, kind: Job) -> Said {
    Said::new("some-components").with("kind", kind.kind()).with("n", n).with("total", total)
}

/// `all 3 schedulers`, or `1 of 3 schedulers`.
pub(super) fn all_or_some(n: usize, total: usize, kind: Job) -> Said {
    if n == total { all(n, kind) } else { of(n, total, kind) }
}

/// `refuses connections`, `are silent`.
pub(super) fn how(how: How, n: usize) -> Said {
    Said::new("fails-so").with("how", name_of(how)).with("n", n)
}

/// The way by its name in messages.
pub(super) fn name_of(how: How) -> &'static str {
    match how {
        How::Refused => "refused",
        How::Silent => "silent",
        How::Unreachable => "unreachable",
        How::Dns => "dns",
        How::Hangs => "hangs",
        How::Handshake => "handshake",
        How::Expired => "expired",
        How::CaExpired => "ca-expired",
        How::Untrusted => "untrusted",
        How::Credentials => "credentials",
        How::Wrong => "wrong",
        How::EtcdFails => "etcd",
        How::Sick => "sick",
        How::Slow => "slow",
        How::Throttles => "throttles",
        How::Hidden => "hidden",
        How::Unseen => "unseen",
    }
}

/// Returns how they fail, each way with who does: `10.0.0.1:2379 and 10.0.0.2:2379 refuse connections; 10.0.0.3:2379 is silent`.
pub(super) fn by_how(targets: &[&TargetView<'_>]) -> Said {
    let mut groups: BTreeMap<How, Vec<&str>> = BTreeMap::new();
    for target in targets {
        groups.entry(target.how()).or_default().push(target.instance());
    }
    let each = |(way, who): (&How, &Vec<&str>)| {
        Said::new("who-fails-so").names("who", who, NAMED).with("how", how(*way, who.len()))
    };
    let joined = |rest: Said, first: Said| Said::new("one-and-others").with("one", first).with("others", rest);
    groups
        .iter()
        .map(each)
        .rev()
        .reduce(joined)
        .unwrap_or_else(|| Said::new("who-fails-so").with("who", "").with("how", ""))
}

/// That these are down, as sure as it is: `is down`, `are probably down`, `fails, the cause is not known`. One whose word is
/// certain makes the sentence certain; how each of them fails is said behind it.
pub(super) fn are_down(targets: &[&TargetView<'_>]) -> Said {
    let sure = match targets.iter().map(|t| t.how().sureness()).min() {
        Some(Sureness::Certain) | None => "certain",
        Some(Sureness::Likely) => "likely",
        Some(Sureness::Open) => "open",
    };
    Said::new("are-down").with("sure", sure).with("n", targets.len())
}

/// `2 of 3 schedulers are down: 10.0.0.1:10259 is silent`, with what is known besides.
pub(super) fn who_is_down(who: Said, targets: &[&TargetView<'_>], though: impl Into<SaidPart>) -> Said {
    let what = Said::new("who-is-down").with("who", who).with("down", are_down(targets));
    what.with("by", by_how(targets)).with("though", though)
}
