//! Text to expression, by the `promql-parser` crate, whose tree is turned into ours.
//!
//! What is corrected here: its errors have no place (see `locate`); it takes what Prometheus 3.5 has only behind feature
//! flags or not yet (experimental functions, `limit_ratio`, `info`, fill modifiers, matchers joined by `or`), which is
//! refused; it has no underscores in numbers, and other strings (see `dialect`), and other regular expressions (see
//! `expressions`); what is absurdly long or nested is refused before its parser, and whoever walks its tree, recurses into
//! it (see `bounds`).

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use promql_parser::{
    label::{MatchOp as TheirOp, Matchers},
    parser::{self as theirs, AtModifier, LabelModifier, Offset, VectorMatchCardinality, token},
};

use super::{
    ParseError, ValueType, bounds, dialect,
    expr::{Agg, Aggregate, At, Binary, Call, Card, Expr, Matching, Op, Selector, Shift, Subquery},
    expressions::{self, Expressions},
    functions,
    locate::{locate, located},
    pieces::{Piece, pieces},
};
use crate::model::{METRIC_NAME, MatchOp, Matcher, re2};

/// Parses a text; gives the grammar's tree too, for printing.
pub fn parse(text: &str) -> Result<(Expr, theirs::Expr, usize), ParseError> {
    if text.trim().is_empty() {
        return Err(located(text, 0, "no expression found in input".into()));
    }
    let translated = dialect::translated(text);
    // Not `locate`: finding the place parses.
    let tokens = bounds::tokens(&translated).map_err(|message| located(text, 0, message))?.unwrap_or_default();
    let wrong = |message: String| locate(text, message);
    bounds::durations(&translated, &tokens).map_err(wrong)?;
    let (taken, expressions) = expressions::taken_out(&translated, &tokens, &re2::weighed)
        .map_err(|wrong| located(text, strings(text).nth(wrong.string).unwrap_or(0), wrong.message))?;
    let mut tree = theirs::parse(&taken).map_err(wrong)?;
    let mut lower = Lower { selectors: 0, expressions: &expressions };
    let expr = lower.expr(&tree, 0).map_err(wrong)?;
    let selectors = lower.selectors;
    expressions.put_back(&mut tree);
    Ok((expr, tree, selectors))
}

/// Where the strings of a text begin.
fn strings(text: &str) -> impl Iterator<Item = usize> {
    let mut end = 0;
    pieces(text).filter_map(move |(piece, part)| {
        let begin = end;
        end += part.len();
        matches!(piece, Piece::Quoted(_)).then_some(begin)
    })
}

struct Lower<'a> {
    selectors: usize,
    expressions: &'a Expressions,
}

type Lowered<T> = Result<T, String>;

impl Lower<'_> {
    fn expr(&mut self, tree: &theirs::Expr, depth: usize) -> Lowered<Expr> {
        if depth > bounds::NESTING_MAX + bounds::CHAINED_MAX {
            return Err("the expression is nested too deeply".into());
        }
        let depth = depth + 1;
        Ok(match tree {
            theirs::Expr::NumberLiteral(n) => Expr::Number(n.val),
            theirs::Expr::StringLiteral(s) => Expr::Text(s.val.clone()),
            theirs::Expr::Paren(p) => self.expr(&p.expr, depth)?,
            theirs::Expr::Unary(u) => Expr::Negate(Box::new(self.expr(&u.expr, depth)?)),
            theirs::Expr::VectorSelector(vs) => Expr::Selector(self.selector(vs)?),
            theirs::Expr::MatrixSelector(ms) => Expr::Range(self.selector(&ms.vs)?, range(ms.range)?),
            theirs::Expr::Subquery(sq) => Expr::Subquery(Box::new(Subquery {
                expr: self.expr(&sq.expr, depth)?,
                range_ms: range(sq.range)?,
                step_ms: sq.step.map(range).transpose()?,
                shift: shift(sq.offset.as_ref(), sq.at.as_ref()),
            })),
            theirs::Expr::Call(call) => self.call(call, depth)?,
            theirs::Expr::Aggregate(a) => Expr::Aggregate(Box::new(self.aggregate(a, depth)?)),
            theirs::Expr::Binary(b) => Expr::Binary(Box::new(self.binary(b, depth)?)),
            theirs::Expr::Extension(_) => return Err("extensions are not supported".into()),
        })
    }

    fn selector(&mut self, vs: &theirs::VectorSelector) -> Lowered<Selector> {
        let mut matchers = Vec::new();
        if let Some(name) = &vs.name {
            matchers.push(Matcher::equal(METRIC_NAME, name));
        }
        matchers.extend(self.matchers(&vs.matchers)?);
        let index = self.selectors;
        self.selectors += 1;
        Ok(Selector { matchers, shift: shift(vs.offset.as_ref(), vs.at.as_ref()), index })
    }

    /// The conditions of a selector.
    fn matchers(&self, matchers: &Matchers) -> Lowered<Vec<Matcher>> {
        if !matchers.or_matchers.is_empty() {
            return Err("unexpected identifier \"or\" in label matching, expected \",\" or \"}\"".into());
        }
        let lower = |m: &promql_parser::label::Matcher| {
            let regex = || self.expressions.get(&m.value).ok_or_else(|| format!("{} has no expression", m.name));
            let (op, value) = match m.op {
                TheirOp::Equal => (MatchOp::Equal, &m.value),
                TheirOp::NotEqual => (MatchOp::NotEqual, &m.value),
                TheirOp::Re(_) => regex().map(|(text, regex)| (MatchOp::Regex(regex.clone()), text))?,
                TheirOp::NotRe(_) => regex().map(|(text, regex)| (MatchOp::NotRegex(regex.clone()), text))?,
            };
            Ok(Matcher { name: m.name.as_str().into(), op, value: value.as_str().into() })
        };
        matchers.matchers.iter().map(lower).collect()
    }

    fn call(&mut self, call: &theirs::Call, depth: usize) -> Lowered<Expr> {
        let name = call.func.name;
        let Some(function) = functions::lookup(name) else {
            return Err(match functions::is_experimental(name) {
                true => format!("function \"{name}\" is not enabled"),
                false => format!("unknown function with name \"{name}\""),
            });
        };
        let args = call.args.args.iter().map(|arg| self.expr(arg, depth)).collect::<Lowered<Vec<_>>>()?;
        Ok(Expr::Call(Call { function, args }))
    }

    fn aggregate(&mut self, a: &theirs::AggregateExpr, depth: usize) -> Lowered<Aggregate> {
        let op = match a.op.id() {
            token::T_SUM => Agg::Sum,
            token::T_AVG => Agg::Avg,
            token::T_MIN => Agg::Min,
            token::T_MAX => Agg::Max,
            token::T_COUNT => Agg::Count,
            token::T_GROUP => Agg::Group,
            token::T_STDDEV => Agg::Stddev,
            token::T_STDVAR => Agg::Stdvar,
            token::T_QUANTILE => Agg::Quantile,
            token::T_COUNT_VALUES => Agg::CountValues,
            token::T_TOPK => Agg::Topk,
            token::T_BOTTOMK => Agg::Bottomk,
            token::T_LIMITK => Agg::Limitk,
            _ => return Err(format!("{}() is experimental and not enabled", a.op)),
        };
        let param = a.param.as_ref().map(|p| self.expr(p, depth)).transpose()?;
        let (labels, without) = modifier(a.modifier.as_ref());
        Ok(Aggregate { op, param, expr: self.expr(&a.expr, depth)?, labels, without })
    }

    fn binary(&mut self, b: &theirs::BinaryExpr, depth: usize) -> Lowered<Binary> {
        let op = match b.op.id() {
            token::T_ADD => Op::Add,
            token::T_SUB => Op::Sub,
            token::T_MUL => Op::Mul,
            token::T_DIV => Op::Div,
            token::T_MOD => Op::Mod,
            token::T_POW => Op::Pow,
            token::T_ATAN2 => Op::Atan2,
            token::T_EQLC => Op::Eq,
            token::T_NEQ => Op::Ne,
            token::T_GTR => Op::Gt,
            token::T_LSS => Op::Lt,
            token::T_GTE => Op::Ge,
            token::T_LTE => Op::Le,
            token::T_LAND => Op::And,
            token::T_LOR => Op::Or,
            token::T_LUNLESS => Op::Unless,
            _ => return Err(format!("unknown operator {}", b.op)),
        };
        let mut matching = Matching { card: Card::OneToOne, labels: Vec::new(), on: false, include: Vec::new() };
        if op.is_set() {
            matching.card = Card::ManyToMany;
        }
        if let Some(m) = &b.modifier {
            if m.fill_values.lhs.is_some() || m.fill_values.rhs.is_some() {
                return Err("binary operations with fill modifiers are not supported".into());
            }
            let include =
                |labels: &promql_parser::label::Labels| labels.labels.iter().map(|l| l.as_str().into()).collect();
            (matching.card, matching.include) = match &m.card {
                VectorMatchCardinality::OneToOne => (matching.card, Vec::new()),
                VectorMatchCardinality::ManyToMany => (Card::ManyToMany, Vec::new()),
                VectorMatchCardinality::ManyToOne(labels) => (Card::ManyToOne, include(labels)),
                VectorMatchCardinality::OneToMany(labels) => (Card::OneToMany, include(labels)),
            };
            let (labels, ignoring) = modifier_of(m.matching.as_ref());
            (matching.labels, matching.on) = (labels, m.matching.is_some() && !ignoring);
        }
        let return_bool = b.modifier.as_ref().is_some_and(|m| m.return_bool);
        Ok(Binary { op, lhs: self.expr(&b.lhs, depth)?, rhs: self.expr(&b.rhs, depth)?, return_bool, matching })
    }
}

fn modifier(modifier: Option<&LabelModifier>) -> (Vec<Arc<str>>, bool) {
    modifier_of(modifier)
}

/// The labels, and whether they are excluded.
fn modifier_of(modifier: Option<&LabelModifier>) -> (Vec<Arc<str>>, bool) {
    match modifier {
        None => (Vec::new(), false),
        Some(m) => (m.labels().labels.iter().map(|l| l.as_str().into()).collect(), !m.is_include()),
    }
}

fn shift(offset: Option<&Offset>, at: Option<&AtModifier>) -> Shift {
    let offset_ms = match offset {
        None => 0,
        Some(Offset::Pos(d)) => millis(*d),
        Some(Offset::Neg(d)) => -millis(*d),
    };
    let at = at.map(|at| match at {
        AtModifier::Start => At::Start,
        AtModifier::End => At::End,
        AtModifier::At(time) => At::Time(match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => millis(since),
            Err(before) => -millis(before.duration()),
        }),
    });
    Shift { offset_ms, at }
}

fn range(d: Duration) -> Lowered<i64> {
    match millis(d) {
        ms if ms > 0 => Ok(ms),
        _ => Err("duration must be greater than 0".into()),
    }
}

/// Rounded, since the parser goes through floating point seconds.
fn millis(d: Duration) -> i64 {
    let nanos = d.as_nanos() + 500_000;
    i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}

/// What a value is called in errors.
impl ValueType {
    /// As in Prometheus' errors.
    pub fn described(self) -> &'static str {
        match self {
            ValueType::Scalar => "scalar",
            ValueType::String => "string",
            ValueType::Vector => "instant vector",
            ValueType::Matrix => "range vector",
        }
    }
}
