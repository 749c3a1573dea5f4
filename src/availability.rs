//! How available something was, from intervals of confirmed verdicts and never from counts of samples. Pure: what is on
//! record, the span of time and its end are arguments.
//!
//! Every second of a target counts as exactly one [`Standing`], by the rules of docs/availability.md; what is made of
//! several targets is judged second by second, too ([`compose()`]). So whatever is asked: the standings sum to the span, the
//! parts of a span sum to the whole, and the order in which records come changes nothing.

mod compose;
mod judge;
mod objective;
mod span;
mod subject;
#[cfg(test)]
mod tests;
mod timeline;

pub use self::{
    compose::{Rule, compose},
    judge::timeline_of,
    objective::{Budget, OBJECTIVES_MAX, SloConfig, burn_rate},
    span::{Span, months, parse_month},
    subject::{Book, Subject},
    timeline::{Standing, Tally, Timeline},
};
