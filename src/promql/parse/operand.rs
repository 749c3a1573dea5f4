//! What stands between operators: literals, selectors, calls, and the modifiers behind them.

use super::{
    bounds::EXPRESSIONS_MAX_BYTES,
    grammar::{Parsed, Parser},
    literal,
    token::{Kind as Is, Token},
    tree::{Kind, Length, Node, Selector, Shift, Subquery},
};
use crate::{
    model::{METRIC_NAME, MatchOp, Matcher, re2},
    promql::{expr::At, functions},
};

/// Keywords that are no metric's name.
const NO_NAMES: [&str; 6] = ["on", "ignoring", "bool", "group_left", "group_right", "atan2"];
/// Keywords that are called like functions.
const CALLED: [&str; 6] = ["start", "end", "step", "range", "max_of", "min_of"];

impl Parser<'_> {
    pub(super) fn operand(&mut self) -> Parsed<Node> {
        let mut node = self.bare_operand()?;
        loop {
            let token = self.peek().clone();
            match token.kind {
                Is::Sign("[") => node = self.bracket(node)?,
                Is::Sign("@") => self.at(&mut node)?,
                Is::Keyword("offset") => {
                    self.take();
                    let length = self.offset()?;
                    self.set_offset(&mut node, length);
                }
                Is::Keyword(word @ ("anchored" | "smoothed")) => {
                    self.take();
                    self.extend(&mut node, word);
                }
                _ => return Ok(node),
            }
        }
    }

    fn bare_operand(&mut self) -> Parsed<Node> {
        let token = self.peek().clone();
        let node = |token: &Token, kind| Node { start: token.start, end: token.end, kind };
        match token.kind {
            Is::Number | Is::Duration => {
                self.take();
                let duration = token.kind == Is::Duration;
                let value = self.seconds(&token);
                Ok(node(&token, Kind::Number { value, duration }))
            }
            Is::Text => {
                self.take();
                Ok(node(&token, Kind::Text(literal::unquoted(self.written(&token)))))
            }
            Is::Sign("(") => {
                self.take();
                let inner = self.expr(0)?;
                let end = self.expect(")")?.end;
                Ok(Node { start: token.start, end, kind: Kind::Paren(Box::new(inner)) })
            }
            Is::Sign("{") => self.selector(None, token.start),
            Is::Name | Is::MetricName => self.named(&token),
            Is::Keyword(_) if self.begins_aggregation().is_some() => match self.begins_aggregation() {
                Some(op) => self.aggregate(op),
                None => Err(self.unexpected()),
            },
            Is::Keyword(word) if !NO_NAMES.contains(&word) => self.named(&token),
            _ => Err(self.unexpected()),
        }
    }

    /// A literal's value; of a duration, its seconds.
    pub(super) fn seconds(&mut self, token: &Token) -> f64 {
        let written = self.written(token);
        let value = match token.kind {
            Is::Duration => literal::duration_ms(written).map(|ms| ms as f64 / 1e3),
            _ => literal::number(written),
        };
        value.unwrap_or_else(|message| {
            self.wrong(token.start, message);
            0.0
        })
    }

    /// A call, or a selector that begins with a name.
    fn named(&mut self, token: &Token) -> Parsed<Node> {
        let callable = match token.kind {
            Is::Name => true,
            Is::Keyword(word) => CALLED.contains(&word),
            _ => false,
        };
        let name = self.written(token).to_string();
        self.take();
        if !callable || !self.peek().is("(") {
            return self.selector(Some(name), token.start).map(|mut node| {
                node.end = node.end.max(token.end);
                node
            });
        }
        let args = self.arguments()?;
        if functions::lookup(&name).is_none() {
            self.wrong(token.start, format!("unknown function with name {name:?}"));
        }
        Ok(Node { start: token.start, end: self.closing, kind: Kind::Call { name, args } })
    }

    fn selector(&mut self, name: Option<String>, start: usize) -> Parsed<Node> {
        let mut selector = Selector { name, ..Selector::default() };
        let mut end = start;
        if self.takes("{") {
            self.matchers(&mut selector.matchers)?;
            end = self.closing;
        }
        Ok(Node { start, end, kind: Kind::Selector(Box::new(selector)) })
    }

    fn matchers(&mut self, matchers: &mut Vec<Matcher>) -> Parsed<()> {
        const WHERE: &str = "label matching";
        while !self.peek().is("}") {
            let token = self.peek().clone();
            let label = match token.kind {
                Is::Name => self.written(&token).to_string(),
                Is::Text => literal::unquoted(self.written(&token)),
                _ => return Err(self.unexpected_in(WHERE, "identifier or \"}\"")),
            };
            self.take();
            let Is::Sign(op @ ("=" | "!=" | "=~" | "!~")) = self.peek().kind else {
                if token.kind == Is::Name {
                    return Err(self.unexpected_in(WHERE, "label matching operator"));
                }
                matchers.push(Matcher::equal(METRIC_NAME, &label));
                self.next_matcher()?;
                continue;
            };
            self.take();
            let value = self.peek().clone();
            if value.kind != Is::Text {
                return Err(self.unexpected_in(WHERE, "string"));
            }
            self.take();
            match self.matcher(&label, op, &literal::unquoted(self.written(&value))) {
                Ok(matcher) => matchers.push(matcher),
                Err(message) => self.wrong(token.start, message),
            }
            self.next_matcher()?;
        }
        self.take();
        Ok(())
    }

    /// A condition; regular expressions are weighed, since a query may have many.
    fn matcher(&mut self, label: &str, op: &str, value: &str) -> Result<Matcher, String> {
        if !op.ends_with('~') {
            return Matcher::new(label, op, value);
        }
        // To find that one is too large takes as long as to read it, and only what is wrong first is told.
        if !self.errors.is_empty() {
            return Err("not read, since something before it is wrong".into());
        }
        let (regex, bytes) = re2::weighed(value)?;
        self.expressions_bytes += bytes;
        if self.expressions_bytes > EXPRESSIONS_MAX_BYTES {
            // Of all that is wrong with a text, the first is told.
            self.too_large |= self.errors.is_empty();
            return Err("the expression is too large: all its regular expressions together".into());
        }
        let op = if op == "=~" { MatchOp::Regex(regex) } else { MatchOp::NotRegex(regex) };
        Ok(Matcher { name: label.into(), op, value: value.into() })
    }

    fn next_matcher(&mut self) -> Parsed<()> {
        if self.peek().is("}") || self.takes(",") {
            return Ok(());
        }
        Err(self.unexpected_in("label matching", "\",\" or \"}\""))
    }

    /// `[5m]`, `[1h:1m]`
    fn bracket(&mut self, node: Node) -> Parsed<Node> {
        let open = self.take().start;
        self.within.push(("subquery or range selector", "number, duration, step(), or range()"));
        let range = self.positive()?;
        self.within.pop();
        if !self.peek().is(":") {
            if !self.takes("]") {
                return Err(self.unexpected_in("subquery or range", "\":\" or \"]\""));
            }
            return Ok(self.range(node, open, range));
        }
        self.take();
        let mut step = None;
        if !self.peek().is("]") {
            self.within.push(("subquery selector", "number, duration, step(), range(), or \"]\""));
            step = Some(self.positive()?);
            self.within.pop();
        }
        if !self.takes("]") {
            return Err(self.unexpected_in("subquery selector", "\"]\""));
        }
        let start = node.start;
        let subquery = Subquery { expr: node, range, step, shift: Shift::default() };
        Ok(Node { start, end: self.closing, kind: Kind::Subquery(Box::new(subquery)) })
    }

    fn range(&mut self, node: Node, open: usize, range: Length) -> Node {
        let start = node.start;
        let selector = match node.kind {
            Kind::Selector(selector) => {
                if selector.shift.offset.is_some() {
                    self.wrong(open, "no offset modifiers allowed before range");
                } else if selector.shift.at.is_some() {
                    self.wrong(open, "no @ modifiers allowed before range");
                }
                selector
            }
            _ => {
                self.wrong(open, "ranges only allowed for vector selectors");
                Box::default()
            }
        };
        Node { start, end: self.closing, kind: Kind::Range(selector, range) }
    }

    fn shift<'n>(&mut self, node: &'n mut Node, what: &str) -> Option<&'n mut Shift> {
        match &mut node.kind {
            Kind::Selector(selector) | Kind::Range(selector, _) => Some(&mut selector.shift),
            Kind::Subquery(subquery) => Some(&mut subquery.shift),
            _ => {
                let message = format!(
                    "{what} modifier must be preceded by an instant vector selector or range vector selector or a subquery"
                );
                self.wrong(node.start, message);
                None
            }
        }
    }

    fn set_offset(&mut self, node: &mut Node, length: Length) {
        let start = node.start;
        let Some(shift) = self.shift(node, "offset") else { return };
        #[allow(clippy::float_cmp)] // As Prometheus, which knows no offset by zero.
        let twice = shift.offset.as_ref().is_some_and(|o| o.literal() != Some(0.0));
        shift.offset = Some(length);
        if twice {
            self.wrong(start, "offset may not be set multiple times");
        }
        node.end = self.closing;
    }

    fn at(&mut self, node: &mut Node) -> Parsed<()> {
        self.take();
        let sign = if self.peek().is("-") { -1.0 } else { 1.0 };
        if self.peek().is("-") || self.peek().is("+") {
            self.take();
        }
        let token = self.peek().clone();
        let at = match token.kind {
            Is::Number | Is::Duration => {
                self.take();
                let seconds = sign * self.seconds(&token);
                // What 64 bits hold, of milliseconds.
                if !seconds.is_finite() || seconds.abs() >= i64::MAX as f64 {
                    self.wrong(node.start, format!("timestamp out of bounds for @ modifier: {seconds:.6}"));
                }
                #[allow(clippy::cast_possible_truncation)] // Saturates.
                At::Time((seconds * 1e3).round() as i64)
            }
            Is::Keyword(word @ ("start" | "end")) if self.after().is("(") => {
                self.take();
                self.take();
                self.expect(")")?;
                if word == "start" { At::Start } else { At::End }
            }
            _ => return Err(self.unexpected_in("@", "timestamp")),
        };
        let start = node.start;
        if let Some(shift) = self.shift(node, "@") {
            if shift.at.replace(at).is_some() {
                self.wrong(start, "@ <timestamp> may not be set multiple times");
            }
            node.end = self.closing;
        }
        Ok(())
    }

    /// `anchored`, `smoothed`
    fn extend(&mut self, node: &mut Node, word: &str) {
        let message = match &mut node.kind {
            Kind::Selector(selector) | Kind::Range(selector, _) => {
                if word == "anchored" {
                    selector.anchored = true;
                } else {
                    selector.smoothed = true;
                }
                if !(selector.anchored && selector.smoothed) {
                    return;
                }
                "anchored and smoothed modifiers cannot be used together".to_string()
            }
            Kind::Subquery(_) => format!("{word} modifier is not supported for subqueries"),
            _ => format!("{word} modifier not implemented"),
        };
        self.wrong(node.start, message);
    }
}
