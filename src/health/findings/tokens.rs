//! Our own bearer token, where it runs out: one that we renew ourselves and can't, and one that nobody has replaced in time.

use super::certificates::{api_unheard, refused_over};
use crate::{
    health::{
        picture::Picture,
        say,
        time::{SaturatingAge, token_ends_soon, token_windows},
    },
    model::{AlertName, Finding, Said, SaidPart, Severity, TokenFact, Topic, text},
};

const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// Returns the one finding, where there is something to tell.
pub(super) fn findings(p: &Picture<'_>) -> Option<Finding> {
    let indexed = &p.indexed;
    let token = indexed.view.own_token.filter(|token| token_ends_soon(token, indexed.now))?;
    let left = token.ends.duration_since(indexed.now);
    let over = left.is_zero() || left.is_negative();
    // What its end breaks explains it: both are told together, once the API servers are heard.
    if over && api_unheard(indexed) {
        return None;
    }
    let (warn, critical) = token_windows(token);
    let severity = if over || left.unsigned_abs() <= critical { Severity::Critical } else { Severity::Warning };
    let when = match left.unsigned_abs() {
        _ if over => "over",
        left if left <= DAY => "day",
        _ => "later",
    };
    let headline = Said::new("token-ends").with("subject", &token.subject).with("when", when).with("at", token.ends);
    let headline = headline.with("date", SaidPart::Date(token.ends)).with("how", how(token));
    let headline = headline.with("why", token.problem.as_deref().unwrap_or_default());
    let mut finding = indexed.finding(AlertName::TokenExpiring, &token.subject, severity, headline);
    finding.topic = Topic::Certificates;
    finding.since = token.ends.saturating_sub_age(warn).min(indexed.now);
    finding.labels.insert("subject".into(), token.subject.clone());
    let (issued, ends) = (text::moment(token.issued), text::moment(token.ends));
    finding.evidence.push(format!("the token was given on {issued} and is valid until {ends}"));
    if token.is_renewed {
        finding.evidence.push(format!("we renew it from {} on", text::moment(token.renewed_at())));
    }
    say::consequence(&mut finding, Said::new("watchdog-refused").with("over", if over { "yes" } else { "no" }));
    let step = if token.is_renewed { "step-token-renew" } else { "step-token-replace" };
    let (namespace, name) = token.account().unwrap_or(("dogwatch", "dogwatch"));
    say::first_step(&mut finding, Said::new(step).with("namespace", namespace).with("name", name));
    finding.caused_by = if over { refused_over(p) } else { None };
    Some(finding)
}

/// Who should have replaced it.
fn how(token: &TokenFact) -> &'static str {
    match (token.is_renewed, &token.problem) {
        (true, Some(_)) => "failed",
        (true, None) => "not-yet",
        (false, _) => "others",
    }
}
