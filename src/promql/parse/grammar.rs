//! Tokens to a tree: precedence climbing over the grammar of Prometheus (promql/parser/generated_parser.y).
//!
//! A syntax error ends it; errors of meaning are noted, and the first of all is told, as Prometheus tells it.

use std::sync::Arc;

use super::{
    literal,
    token::{AGGREGATIONS, Kind as Is, Token},
    tree::{Aggregate, Binary, Kind, Node},
};
use crate::promql::{
    ParseErrorKind,
    expr::{Card, Fill},
};

/// A syntax error was noted: nothing more can be read.
pub struct Broken;
/// Says why a text is no query.
pub struct Refused {
    /// Which class of error.
    pub kind: ParseErrorKind,
    /// Where it begins, in bytes.
    pub at: usize,
    /// In words.
    pub message: String,
}

impl Refused {
    /// Says that what is written there makes no query.
    pub fn malformed((at, message): (usize, String)) -> Self {
        Self { kind: ParseErrorKind::Malformed, at, message }
    }

    /// Says that the text is larger than any that is read.
    pub fn too_large(message: String) -> Self {
        Self { kind: ParseErrorKind::TooLarge, at: 0, message }
    }
}

/// What was read.
pub type Parsed<T> = Result<T, Broken>;
/// Labels by name.
pub type Names = Vec<Arc<str>>;

/// Binary operators bind as tightly as this says, and `^` to its right.
const POWER: u8 = 6;
const TIMES: u8 = 5;

/// Reads tokens.
pub struct Parser<'a> {
    pub(super) text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    /// Place and message.
    pub(super) errors: Vec<(usize, String)>,
    /// Where the last token ended that can close an expression.
    pub(super) closing: usize,
    /// What an unexpected token is unexpected in.
    pub(super) within: Vec<(&'static str, &'static str)>,
    /// What the regular expressions so far weigh together.
    pub(super) expressions_bytes: usize,
    /// The first of the errors is that they weigh too much.
    pub(super) too_large: bool,
}

/// Reads a query.
pub fn parse(text: &str, tokens: Vec<Token>) -> Result<Node, Refused> {
    let mut parser = Parser {
        text,
        tokens,
        at: 0,
        errors: Vec::new(),
        closing: 0,
        within: Vec::new(),
        expressions_bytes: 0,
        too_large: false,
    };
    if matches!(parser.peek().kind, Is::End) {
        return Err(Refused::malformed((0, "no expression found in input".into())));
    }
    let node = parser.expr(0).and_then(|node| match parser.peek().kind {
        Is::End => Ok(node),
        _ => Err(parser.unexpected()),
    });
    if let Ok(node) = &node
        && parser.errors.is_empty()
    {
        parser.check(node);
    }
    match (parser.errors.into_iter().next(), node) {
        (Some(error), _) if parser.too_large => {
            Err(Refused { kind: ParseErrorKind::TooLarge, ..Refused::malformed(error) })
        }
        (Some(error), _) => Err(Refused::malformed(error)),
        (None, Ok(node)) => Ok(node),
        (None, Err(Broken)) => Err(Refused::malformed((0, "unexpected error".into()))),
    }
}

impl Parser<'_> {
    pub(super) fn peek(&self) -> &Token {
        // There is always a last one.
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    pub(super) fn after(&self) -> &Token {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)]
    }

    pub(super) fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        let closes = matches!(token.kind, Is::Sign("}" | ")" | "]") | Is::Duration | Is::Number);
        if closes {
            self.closing = token.end;
        }
        token
    }

    pub(super) fn written(&self, token: &Token) -> &str {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    pub(super) fn wrong(&mut self, at: usize, message: impl Into<String>) {
        self.errors.push((at, message.into()));
    }

    /// Notes that the next token does not belong where it stands.
    pub(super) fn unexpected(&mut self) -> Broken {
        let (context, expected) = self.within.last().copied().unwrap_or_default();
        self.unexpected_in(context, expected)
    }

    pub(super) fn unexpected_in(&mut self, context: &str, expected: &str) -> Broken {
        let token = self.peek().clone();
        let mut message = token.described(self.text);
        if !matches!(token.kind, Is::Wrong(_)) {
            message = format!("unexpected {message}");
            if !context.is_empty() {
                message.push_str(&format!(" in {context}"));
            }
            if !expected.is_empty() {
                message.push_str(&format!(", expected {expected}"));
            }
        }
        self.wrong(token.start, message);
        Broken
    }

    pub(super) fn expect(&mut self, sign: &str) -> Parsed<Token> {
        if self.peek().is(sign) { Ok(self.take()) } else { Err(self.unexpected()) }
    }

    pub(super) fn takes(&mut self, sign: &str) -> bool {
        let there = self.peek().is(sign);
        if there {
            self.take();
        }
        there
    }

    /// An expression whose operators bind at least so tightly.
    pub(super) fn expr(&mut self, least: u8) -> Parsed<Node> {
        let mut lhs = self.unary()?;
        while let Some((op, binds)) = operator(self.peek()).filter(|(_, binds)| *binds >= least) {
            self.take();
            let mut binary = self.matching(op, lhs)?;
            binary.rhs = self.expr(if binds == POWER { binds } else { binds + 1 })?;
            let (start, end) = (binary.lhs.start, binary.rhs.end);
            lhs = Node { start, end, kind: Kind::Binary(Box::new(binary)) };
        }
        Ok(lhs)
    }

    /// A sign binds as `*` does.
    fn unary(&mut self) -> Parsed<Node> {
        let minus = match self.peek().kind {
            Is::Sign("-") => true,
            Is::Sign("+") => false,
            _ => return self.operand(),
        };
        let start = self.take().start;
        let of = self.expr(TIMES + 1)?;
        let end = of.end;
        let kind = match of.kind {
            Kind::Number { value, duration } => Kind::Number { value: if minus { -value } else { value }, duration },
            kind => Kind::Unary { minus, of: Box::new(Node { start: of.start, end, kind }) },
        };
        Ok(Node { start, end, kind })
    }

    /// `bool`, `on`, `group_left`, and what is filled in, after an operator. The right side is still missing.
    fn matching(&mut self, op: &'static str, lhs: Node) -> Parsed<Binary> {
        let nothing = Node { start: 0, end: 0, kind: Kind::Text(String::new()) };
        let mut binary = Binary {
            op,
            lhs,
            rhs: nothing,
            return_bool: false,
            card: Card::OneToOne,
            labels: Vec::new(),
            on: false,
            include: Vec::new(),
            fill: Fill::default(),
        };
        if self.peek().is_word("bool") {
            self.take();
            binary.return_bool = true;
        }
        if let Some(word @ ("on" | "ignoring")) = self.peek().word() {
            self.take();
            binary.on = word == "on";
            binary.labels = self.names()?;
            if let Some(word @ ("group_left" | "group_right")) = self.peek().word() {
                self.take();
                binary.card = if word == "group_left" { Card::ManyToOne } else { Card::OneToMany };
                if self.peek().is("(") {
                    binary.include = self.names()?;
                }
            }
        }
        binary.fill = self.fill()?;
        Ok(binary)
    }

    /// `fill (0)`, or `fill_left (0) fill_right (0)` in any order, or one of them.
    fn fill(&mut self) -> Parsed<Fill> {
        let mut fill = Fill::default();
        while let Some(word @ ("fill" | "fill_left" | "fill_right")) = self.peek().word() {
            let again = match word {
                "fill" => fill != Fill::default(),
                "fill_left" => fill.left.is_some(),
                _ => fill.right.is_some(),
            };
            if again {
                return Err(self.unexpected());
            }
            self.take();
            self.expect("(")?;
            let minus = self.takes("-");
            let _ = minus || self.takes("+");
            let token = self.peek().clone();
            if !matches!(token.kind, Is::Number | Is::Duration) {
                return Err(self.unexpected());
            }
            self.take();
            let value = self.seconds(&token) * if minus { -1.0 } else { 1.0 };
            self.expect(")")?;
            if word != "fill_right" {
                fill.left = Some(value);
            }
            if word != "fill_left" {
                fill.right = Some(value);
            }
        }
        Ok(fill)
    }

    /// `(label, "label")`
    fn names(&mut self) -> Parsed<Names> {
        if !self.takes("(") {
            return Err(self.unexpected_in("grouping opts", "\"(\""));
        }
        let mut names = Names::new();
        while !self.peek().is(")") {
            let token = self.peek().clone();
            let name = match token.kind {
                Is::Name | Is::MetricName | Is::Keyword(_) => self.written(&token).to_string(),
                Is::Text => literal::unquoted(self.written(&token)),
                _ => return Err(self.unexpected_in("grouping opts", "label")),
            };
            self.take();
            if name.is_empty() || name.contains(char::REPLACEMENT_CHARACTER) {
                self.wrong(token.start, format!("invalid label name for grouping: {name:?}"));
            }
            names.push(name.into());
            if !self.peek().is(")") && !self.takes(",") {
                return Err(self.unexpected_in("grouping opts", "\",\" or \")\""));
            }
        }
        self.take();
        Ok(names)
    }

    pub(super) fn aggregate(&mut self, op: &'static str) -> Parsed<Node> {
        let start = self.take().start;
        self.within.push(("aggregation", ""));
        let mut grouping = self.grouping()?;
        let args = self.arguments()?;
        let closed = self.closing;
        self.within.pop();
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        let (labels, without) = grouping.unwrap_or_default();
        let end = self.closing.max(closed);
        let with_param = matches!(op, "topk" | "bottomk" | "count_values" | "quantile" | "limitk" | "limit_ratio");
        let mut args = args.into_iter();
        let (given, wanted) = (args.len(), 1 + usize::from(with_param));
        if given == 0 {
            self.wrong(start, "no arguments for aggregate expression provided");
        } else if given != wanted {
            let message =
                format!("wrong number of arguments for aggregate expression provided, expected {wanted}, got {given}");
            self.wrong(start, message);
        }
        let nothing = || Node { start, end, kind: Kind::Text(String::new()) };
        let param = if with_param { args.next() } else { None };
        let expr = args.next().unwrap_or_else(nothing);
        let kind = Kind::Aggregate(Box::new(Aggregate { op, param, expr, labels, without }));
        Ok(Node { start, end, kind })
    }

    /// `by (…)`, `without (…)`
    fn grouping(&mut self) -> Parsed<Option<(Names, bool)>> {
        let Some(word @ ("by" | "without")) = self.peek().word() else { return Ok(None) };
        self.take();
        Ok(Some((self.names()?, word == "without")))
    }

    /// `(a, b)`
    pub(super) fn arguments(&mut self) -> Parsed<Vec<Node>> {
        self.expect("(")?;
        let mut args = Vec::new();
        if self.takes(")") {
            return Ok(args);
        }
        loop {
            args.push(self.expr(0)?);
            let comma = self.peek().start;
            if !self.takes(",") {
                break;
            }
            if self.peek().is(")") {
                self.wrong(comma, "trailing commas not allowed in function call args");
                break;
            }
        }
        self.expect(")")?;
        Ok(args)
    }

    /// Whether an aggregation begins here, and no metric of that name.
    pub(super) fn begins_aggregation(&self) -> Option<&'static str> {
        let op = self.peek().word().filter(|word| AGGREGATIONS.contains(word))?;
        let next = self.after();
        (next.is("(") || next.is_word("by") || next.is_word("without")).then_some(op)
    }
}

/// A binary operator, and how tightly it binds.
fn operator(token: &Token) -> Option<(&'static str, u8)> {
    match token.kind {
        Is::Keyword("or") => Some(("or", 1)),
        Is::Keyword(op @ ("and" | "unless")) => Some((op, 2)),
        Is::Sign(op @ ("==" | ">=" | ">" | "<" | "<=" | "!=" | "</" | ">/")) => Some((op, 3)),
        Is::Sign(op @ ("+" | "-")) => Some((op, 4)),
        Is::Sign(op @ ("*" | "/" | "%")) => Some((op, TIMES)),
        Is::Keyword("atan2") => Some(("atan2", TIMES)),
        Is::Sign("^") => Some(("^", POWER)),
        _ => None,
    }
}
