//! What a query needs from the store.

use super::{
    Selection, Window,
    eval::subquery_grid,
    expr::{At, Expr, Selector, Shift},
    grid::Grid,
    select::beyond,
};

/// Returns one selection for each selector, in the order of their indexes.
pub fn selections(expr: &Expr, window: &Window) -> Vec<Selection> {
    let mut plan = Plan { window, found: Vec::new() };
    plan.walk(expr, window.start_ms, window.end_ms.max(window.start_ms));
    plan.found.sort_by_key(|(index, _)| *index);
    plan.found.into_iter().map(|(_, selection)| selection).collect()
}

struct Plan<'a> {
    window: &'a Window,
    found: Vec<(usize, Selection)>,
}

impl Plan<'_> {
    /// An expression that is evaluated from `first` to `last`.
    fn walk(&mut self, expr: &Expr, first: i64, last: i64) {
        match expr {
            Expr::Number(_) | Expr::Text(_) => {}
            Expr::Selector(selector) => {
                let (_, behind) = beyond(self.window.lookback_ms, selector.extended);
                self.add(selector, self.window.lookback_ms, behind, first, last);
            }
            Expr::Range(selector, range_ms) => {
                let (before, behind) = beyond(self.window.lookback_ms, selector.extended);
                self.add(selector, range_ms.saturating_add(before), behind, first, last);
            }
            Expr::Subquery(subquery) => {
                let (first, last) = self.shifted(&subquery.shift, first, last);
                let step = subquery_grid(subquery, first, last);
                let grid = step.unwrap_or_else(|| Grid::new(last, last, 1));
                self.walk(&subquery.expr, grid.start_ms, grid.end_ms());
            }
            Expr::Call(call) => call.args.iter().for_each(|arg| self.walk(arg, first, last)),
            Expr::Aggregate(a) => {
                a.param.iter().for_each(|param| self.walk(param, first, last));
                self.walk(&a.expr, first, last);
            }
            Expr::Binary(b) => {
                self.walk(&b.lhs, first, last);
                self.walk(&b.rhs, first, last);
            }
            Expr::Negate(inner) => self.walk(inner, first, last),
        }
    }

    /// `back_ms`, `ahead_ms`: how far it looks before the first evaluation and behind the last one.
    fn add(&mut self, selector: &Selector, back_ms: i64, ahead_ms: i64, first: i64, last: i64) {
        let (first, last) = self.shifted(&selector.shift, first, last);
        let from_ms = first.saturating_sub(back_ms).saturating_add(1);
        let to_ms = last.saturating_add(ahead_ms);
        self.found.push((selector.index, Selection { matchers: selector.matchers.clone(), from_ms, to_ms }));
    }

    fn shifted(&self, shift: &Shift, first: i64, last: i64) -> (i64, i64) {
        let (first, last) = match shift.at {
            None => (first, last),
            Some(At::Time(at)) => (at, at),
            Some(At::Start) => (self.window.start_ms, self.window.start_ms),
            Some(At::End) => {
                let end = self.window.end_ms.max(self.window.start_ms);
                (end, end)
            }
        };
        (first.saturating_sub(shift.offset_ms), last.saturating_sub(shift.offset_ms))
    }
}
