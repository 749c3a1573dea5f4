//! Text to expression, by the `promql-parser` crate, whose tree is turned into ours.
//!
//! What is corrected here: its errors have no place (see `locate`); it takes what Prometheus 3.5 has only behind feature
//! flags or not yet (experimental functions, `limit_ratio`, `info`, fill modifiers, matchers joined by `or`), which is
//! refused; it has no underscores in numbers, and other strings (see `dialect`); its expressions of labels are compiled again
//! so that `.` matches a line's end; what is absurdly long or nested is refused before its
//! parser, and whoever walks its tree, recurses into it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use promql_parser::{
    label::{MatchOp as TheirOp, Matchers},
    parser::{self as theirs, AtModifier, LabelModifier, Offset, VectorMatchCardinality, token},
};

use super::{
    ParseError, ValueType, dialect,
    expr::{Agg, Aggregate, At, Binary, Call, Card, Expr, Matching, Op, Selector, Shift, Subquery},
    functions,
    locate::locate,
};
use crate::model::{METRIC_NAME, Matcher, re2};

/// A longer text is no query that a person or a program meant.
const TEXT_MAX_BYTES: usize = 256 << 10;
/// Brackets within brackets: the parser, the evaluator and the end of a tree recurse into each.
const NESTING_MAX: usize = 100;
/// Operators in one expression, each of which may be a level of the tree too.
const OPERATORS_MAX: usize = 300;

/// Parses a text; gives the grammar's tree too, for printing.
pub fn parse(text: &str) -> Result<(Expr, theirs::Expr, usize), ParseError> {
    let wrong = |message: String| locate(text, message);
    if text.trim().is_empty() {
        return Err(wrong("no expression found in input".into()));
    }
    let shape = Shape::of(text);
    if text.len() > TEXT_MAX_BYTES || shape.nesting > NESTING_MAX || shape.operators > OPERATORS_MAX {
        // Not `wrong`: finding the place parses.
        let message = format!(
            "the expression is too large: at most {TEXT_MAX_BYTES} bytes, {NESTING_MAX} brackets deep, {OPERATORS_MAX} operators"
        );
        return Err(ParseError { message, line: 1, column: 1 });
    }
    let tree = theirs::parse(&dialect::translated(text)).map_err(|e| wrong(why_no_regex(&e).unwrap_or(e)))?;
    let mut lower = Lower { selectors: 0 };
    let expr = lower.expr(&tree, 0).map_err(wrong)?;
    Ok((expr, tree, lower.selectors))
}

/// The parser says of an expression of labels only that it is illegal.
fn why_no_regex(message: &str) -> Option<String> {
    message.strip_prefix("illegal regex for ").and_then(|expression| re2::anchored(expression).err())
}

/// What a text asks of a stack, roughly: outside of strings, and of matchers.
#[derive(Default)]
struct Shape {
    nesting: usize,
    operators: usize,
}

impl Shape {
    fn of(text: &str) -> Self {
        let (mut shape, mut depth, mut braces, mut quote) = (Self::default(), 0usize, 0usize, None);
        let mut word = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match (quote, c) {
                (Some('"' | '\''), '\\') => drop(chars.next()),
                (Some(q), c) if q == c => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'' | '`') => quote = Some(c),
                (None, '(' | '[' | '{') => {
                    depth += 1;
                    braces += usize::from(c == '{');
                    shape.nesting = shape.nesting.max(depth);
                }
                (None, ')' | ']' | '}') => {
                    depth = depth.saturating_sub(1);
                    braces = braces.saturating_sub(usize::from(c == '}'));
                }
                (None, '+' | '-' | '*' | '/' | '%' | '^' | '=' | '<' | '>' | '!') if braces == 0 => {
                    shape.operators += 1
                }
                _ => {}
            }
            if c.is_ascii_alphanumeric() || c == '_' {
                word.push(c.to_ascii_lowercase());
            } else {
                shape.operators += usize::from(["and", "or", "unless", "atan2", "offset"].contains(&word.as_str()));
                word.clear();
            }
        }
        shape
    }
}

struct Lower {
    selectors: usize,
}

type Lowered<T> = Result<T, String>;

impl Lower {
    fn expr(&mut self, tree: &theirs::Expr, depth: usize) -> Lowered<Expr> {
        if depth > NESTING_MAX + OPERATORS_MAX {
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
        matchers.extend(lower_matchers(&vs.matchers)?);
        let index = self.selectors;
        self.selectors += 1;
        Ok(Selector { matchers, shift: shift(vs.offset.as_ref(), vs.at.as_ref()), index })
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

/// Returns the conditions of a selector.
pub fn lower_matchers(matchers: &Matchers) -> Lowered<Vec<Matcher>> {
    if !matchers.or_matchers.is_empty() {
        return Err("unexpected identifier \"or\" in label matching, expected \",\" or \"}\"".into());
    }
    let lower = |m: &promql_parser::label::Matcher| {
        let op = match m.op {
            TheirOp::Equal => "=",
            TheirOp::NotEqual => "!=",
            TheirOp::Re(_) => "=~",
            TheirOp::NotRe(_) => "!~",
        };
        Matcher::new(&m.name, op, &m.value)
    };
    matchers.matchers.iter().map(lower).collect()
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
