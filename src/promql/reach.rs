//! How far into the past an expression looks: what happened longer ago than that can't show in its value.

use std::{collections::BTreeSet, sync::Arc};

use super::expr::{Expr, Op, Selector, Shift};
use crate::model::{METRIC_NAME, MatchOp, Matcher};

/// Holds what an expression's value rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// So far into the past, milliseconds. The newest sample of a series counts as present.
    pub back_ms: i64,
    /// The metrics that it looks at, by name.
    pub metrics: BTreeSet<Arc<str>>,
}

impl Reach {
    /// Returns both, as far as the farther of them.
    #[must_use]
    pub fn and(mut self, other: Reach) -> Reach {
        self.back_ms = self.back_ms.max(other.back_ms);
        self.metrics.extend(other.metrics);
        self
    }

    fn further(mut self, back_ms: i64) -> Reach {
        self.back_ms = self.back_ms.saturating_add(back_ms.max(0));
        self
    }
}

/// Says what a recording rule's series rest on, by a selector's conditions; `None`: they are as they were measured.
pub type Recorded<'a> = &'a dyn Fn(&[Matcher]) -> Option<Reach>;

/// Walks an expression.
pub fn of(expr: &Expr, recorded: Recorded<'_>) -> Reach {
    match expr {
        Expr::Number(_) | Expr::Text(_) => Reach::default(),
        Expr::Selector(selector) => select(selector, 0, recorded),
        Expr::Range(selector, range_ms) => select(selector, *range_ms, recorded),
        Expr::Subquery(subquery) => of(&subquery.expr, recorded).further(shifted(&subquery.shift, subquery.range_ms)),
        Expr::Call(call) => call.args.iter().map(|arg| of(arg, recorded)).fold(Reach::default(), Reach::and),
        Expr::Aggregate(a) => a.param.iter().map(|p| of(p, recorded)).fold(of(&a.expr, recorded), Reach::and),
        Expr::Binary(b) => {
            let (left, right) = (of(&b.lhs, recorded), of(&b.rhs, recorded));
            match b.op {
                // Two looks at one thing, a long and a short one, must both find it: the short one lets it go first. A
                // look at something else is a condition of the moment.
                Op::And if !left.metrics.is_disjoint(&right.metrics) => {
                    Reach { back_ms: left.back_ms.min(right.back_ms), metrics: left.and(right).metrics }
                }
                Op::And | Op::Unless => left,
                _ => left.and(right),
            }
        }
        Expr::Negate(inner) => of(inner, recorded),
    }
}

fn select(selector: &Selector, range_ms: i64, recorded: Recorded<'_>) -> Reach {
    let name = selector.matchers.iter().find(|m| &*m.name == METRIC_NAME && matches!(m.op, MatchOp::Equal));
    let measured = || Reach { back_ms: 0, metrics: name.map(|m| m.value.clone()).into_iter().collect() };
    recorded(&selector.matchers).unwrap_or_else(measured).further(shifted(&selector.shift, range_ms))
}

/// A fixed moment (`@`) moves away by itself: it is not counted.
fn shifted(shift: &Shift, range_ms: i64) -> i64 {
    if shift.at.is_some() { 0 } else { range_ms.saturating_add(shift.offset_ms.max(0)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::parse;

    #[test]
    fn an_expression_reaches_as_far_as_its_farthest_look_that_decides() {
        const MINUTE: i64 = 60_000;
        let recorded = |matchers: &[Matcher]| {
            let of_name = matchers.iter().any(|m| &*m.name == METRIC_NAME && m.matches("up:ratio5m"));
            of_name.then(|| Reach { back_ms: 5 * MINUTE, metrics: ["up".into()].into() })
        };
        let check = |text: &str, minutes: i64| {
            let found = parse(text).unwrap().reach(&recorded);
            assert_eq!(found.back_ms, minutes * MINUTE, "{text}: {found:?}");
        };
        check("1", 0);
        check("up == 0", 0);
        check("rate(errors_total[10m]) > 0.1", 10);
        check("avg_over_time(up[10m] offset 5m)", 15);
        check("max_over_time(up[30m:1m]) unless up", 30);
        check("max_over_time(rate(errors_total[5m])[30m:1m])", 35);
        check("up @ 1600000000", 0);
        check("up offset -5m", 0);
        check("up:ratio5m > 0.1", 5);
        check("{__name__=~'up:ratio.+'} > 0.1", 5);
        check("max_over_time(up:ratio5m[1h]) > 0.1", 65);
        check("avg_over_time(up[1h]) < 0.9 and up:ratio5m < 0.9", 5);
        check("sum(rate(a_total[5m])) / sum(rate(b_total[15m]))", 15);
        check("rate(errors_total[10m]) > 1 and on (cluster) up == 1", 10);
        check("up == 0 or rate(errors_total[2m]) > 1", 2);
        check("quantile(0.9, rate(errors_total[3m]))", 3);
    }
}
