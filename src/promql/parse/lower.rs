//! The tree to the expression that is evaluated: lengths become milliseconds, selectors get their numbers.

use super::{
    length::Asked,
    tree::{self, Kind, Length, Node},
};
use crate::{
    model::{METRIC_NAME, Matcher},
    promql::{
        expr::{Agg, Aggregate, Binary, Call, Card, Expr, Extended, Matching, Op, Selector, Shift, Subquery},
        functions, info,
    },
};

/// Turns a tree into an expression, for a window or, without one, for what does not depend on one: what a length is not
/// yet known to be is then 1 ms.
///
/// # Errors
/// When a length is none in that window.
pub fn lower(node: &Node, asked: Option<Asked>) -> Result<(Expr, usize), String> {
    let mut lower = Lower { asked, selectors: 0 };
    let expr = lower.expr(node)?;
    Ok((expr, lower.selectors))
}

/// Returns whether any length has to be reckoned.
pub fn reckons(node: &Node) -> bool {
    let lengthy = |length: &Length| length.literal().is_none();
    let shifted = |shift: &tree::Shift| shift.offset.as_ref().is_some_and(lengthy);
    match &node.kind {
        Kind::Number { .. } | Kind::Text(_) => false,
        Kind::Paren(inner) | Kind::Unary { of: inner, .. } => reckons(inner),
        Kind::Selector(selector) => shifted(&selector.shift),
        Kind::Range(selector, range) => lengthy(range) || shifted(&selector.shift),
        Kind::Subquery(s) => {
            lengthy(&s.range) || s.step.as_ref().is_some_and(lengthy) || shifted(&s.shift) || reckons(&s.expr)
        }
        Kind::Call { args, .. } => args.iter().any(reckons),
        Kind::Aggregate(a) => a.param.as_ref().is_some_and(reckons) || reckons(&a.expr),
        Kind::Binary(b) => reckons(&b.lhs) || reckons(&b.rhs),
    }
}

struct Lower {
    asked: Option<Asked>,
    selectors: usize,
}

type Lowered<T> = Result<T, String>;

impl Lower {
    fn expr(&mut self, node: &Node) -> Lowered<Expr> {
        Ok(match &node.kind {
            Kind::Number { value, .. } => Expr::Number(*value),
            Kind::Text(text) => Expr::Text(text.clone()),
            Kind::Paren(inner) | Kind::Unary { minus: false, of: inner } => self.expr(inner)?,
            Kind::Unary { minus: true, of } => Expr::Negate(Box::new(self.expr(of)?)),
            Kind::Selector(selector) => Expr::Selector(self.selector(selector)?),
            Kind::Range(selector, range) => {
                let range_ms = self.ms(range, false)?;
                Expr::Range(self.selector(selector)?, range_ms)
            }
            Kind::Subquery(s) => Expr::Subquery(Box::new(Subquery {
                range_ms: self.ms(&s.range, false)?,
                step_ms: s.step.as_ref().map(|step| self.ms(step, false)).transpose()?,
                shift: self.shift(&s.shift)?,
                expr: self.expr(&s.expr)?,
            })),
            Kind::Call { name, args } => {
                let function = functions::lookup(name).ok_or_else(|| format!("unknown function with name {name:?}"))?;
                // Of a range the place is that within its parentheses; of a subquery Prometheus has forgotten it by then.
                let place = |arg: &Node| match arg.bare().kind {
                    Kind::Range(..) => arg.bare().start,
                    Kind::Subquery(_) => 0,
                    _ => arg.start,
                };
                let args_at = args.iter().map(place).collect();
                let args = match (name.as_str(), &args[..]) {
                    ("info", [vector, asked @ ..]) => self.info(vector, asked.first())?,
                    _ => args.iter().map(|arg| self.expr(arg)).collect::<Lowered<Vec<_>>>()?,
                };
                Expr::Call(Call { function, args, at: node.start, args_at })
            }
            Kind::Aggregate(a) => Expr::Aggregate(Box::new(self.aggregate(a)?)),
            Kind::Binary(b) => Expr::Binary(Box::new(self.binary(node, b)?)),
        })
    }

    /// The arguments of `info`: of the second one, what it selects, which may be left to be understood.
    fn info(&mut self, vector: &Node, asked: Option<&Node>) -> Lowered<Vec<Expr>> {
        let vector = self.expr(vector)?;
        let asked = match asked.map(|node| &node.kind) {
            Some(Kind::Selector(selector)) => &selector.matchers[..],
            _ => &[],
        };
        let (matchers, shift) = (info::conditions(asked)?, info::reference(&vector));
        let selector = Selector { matchers, shift, index: self.selectors, extended: None };
        self.selectors += 1;
        Ok(vec![vector, Expr::Selector(selector)])
    }

    fn ms(&self, length: &Length, negative: bool) -> Lowered<i64> {
        let Some(asked) = self.asked else {
            let known = if length.of_window() { Ok(1) } else { length.ms(Asked::default(), negative) };
            return Ok(known.unwrap_or(1));
        };
        length.ms(asked, negative)
    }

    fn shift(&self, shift: &tree::Shift) -> Lowered<Shift> {
        let offset_ms = shift.offset.as_ref().map_or(Ok(0), |length| self.ms(length, true))?;
        Ok(Shift { offset_ms, at: shift.at })
    }

    fn selector(&mut self, of: &tree::Selector) -> Lowered<Selector> {
        let mut matchers = Vec::with_capacity(of.matchers.len() + 1);
        matchers.extend(of.name.as_ref().map(|name| Matcher::equal(METRIC_NAME, name)));
        matchers.extend(of.matchers.iter().cloned());
        let index = self.selectors;
        self.selectors += 1;
        let extended = match (of.anchored, of.smoothed) {
            (true, _) => Some(Extended::Anchored),
            (_, true) => Some(Extended::Smoothed),
            _ => None,
        };
        Ok(Selector { matchers, shift: self.shift(&of.shift)?, index, extended })
    }

    fn aggregate(&mut self, a: &tree::Aggregate) -> Lowered<Aggregate> {
        let op = match a.op {
            "sum" => Agg::Sum,
            "avg" => Agg::Avg,
            "min" => Agg::Min,
            "max" => Agg::Max,
            "count" => Agg::Count,
            "group" => Agg::Group,
            "stddev" => Agg::Stddev,
            "stdvar" => Agg::Stdvar,
            "quantile" => Agg::Quantile,
            "count_values" => Agg::CountValues,
            "topk" => Agg::Topk,
            "bottomk" => Agg::Bottomk,
            "limitk" => Agg::Limitk,
            "limit_ratio" => Agg::LimitRatio,
            other => return Err(format!("unknown aggregation {other}")),
        };
        let param = a.param.as_ref().map(|param| self.expr(param)).transpose()?;
        let param_at = a.param.as_ref().map_or(0, |param| param.start);
        let expr = self.expr(&a.expr)?;
        Ok(Aggregate { op, param, param_at, expr, labels: a.labels.clone(), without: a.without })
    }

    fn binary(&mut self, node: &Node, b: &tree::Binary) -> Lowered<Binary> {
        let op = Op::written(b.op).ok_or_else(|| format!("unknown operator {}", b.op))?;
        let card = if op.is_set() { Card::ManyToMany } else { b.card };
        let (labels, include) = (b.labels.clone(), b.include.clone());
        let matching = Matching { card, labels, on: b.on, include, fill: b.fill };
        let (lhs, rhs) = (self.expr(&b.lhs)?, self.expr(&b.rhs)?);
        Ok(Binary { op, lhs, rhs, return_bool: b.return_bool, matching, at: node.start })
    }
}
