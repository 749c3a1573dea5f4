//! What a tree has to be beyond its grammar: types, numbers of arguments, conditions of selectors (checkAST of
//! promql/parser/parse.go).

use super::{
    grammar::Parser,
    tree::{Aggregate, Binary, Kind, Node, Selector},
};
use crate::{
    model::METRIC_NAME,
    promql::{
        ValueType,
        expr::{Card, Fill},
        functions,
    },
};

impl Node {
    /// Returns what it evaluates to.
    pub fn value_type(&self) -> ValueType {
        match &self.kind {
            Kind::Number { .. } => ValueType::Scalar,
            Kind::Text(_) => ValueType::String,
            Kind::Paren(inner) => inner.value_type(),
            Kind::Unary { of, .. } => of.value_type(),
            Kind::Selector(_) | Kind::Aggregate(_) => ValueType::Vector,
            Kind::Range(..) | Kind::Subquery(_) => ValueType::Matrix,
            Kind::Call { name, .. } => functions::lookup(name).map_or(ValueType::Vector, |f| f.value_type()),
            Kind::Binary(b) => match (b.lhs.value_type(), b.rhs.value_type()) {
                (ValueType::Scalar, ValueType::Scalar) => ValueType::Scalar,
                _ => ValueType::Vector,
            },
        }
    }
}

fn is_comparison(op: &str) -> bool {
    matches!(op, "==" | "!=" | "<=" | "<" | ">=" | ">")
}

fn is_set(op: &str) -> bool {
    matches!(op, "and" | "or" | "unless")
}

impl Parser<'_> {
    /// Notes what is wrong with a tree.
    pub(super) fn check(&mut self, node: &Node) -> ValueType {
        let kind = node.value_type();
        match &node.kind {
            Kind::Number { .. } | Kind::Text(_) => {}
            Kind::Paren(inner) => drop(self.check(inner)),
            Kind::Unary { of, .. } => {
                let of = self.check(of);
                if !matches!(of, ValueType::Scalar | ValueType::Vector) {
                    let message = format!(
                        "unary expression only allowed on expressions of type scalar or instant vector, got {:?}",
                        of.described()
                    );
                    self.wrong(node.start, message);
                }
            }
            Kind::Selector(selector) | Kind::Range(selector, _) => self.check_selector(node, selector),
            Kind::Subquery(subquery) => {
                let of = self.check(&subquery.expr);
                if of != ValueType::Vector {
                    let message = format!("subquery is only allowed on instant vector, got {} instead", of.named());
                    self.wrong(node.start, message);
                }
            }
            Kind::Call { name, args } => self.check_call(node, name, args),
            Kind::Aggregate(a) => self.check_aggregate(a),
            Kind::Binary(b) => self.check_binary(node, b),
        }
        kind
    }

    fn expect_type(&mut self, node: &Node, want: ValueType, context: &str) {
        let got = self.check(node);
        if got != want {
            let message = format!("expected type {} in {context}, got {}", want.described(), got.described());
            self.wrong(node.start, message);
        }
    }

    fn check_selector(&mut self, node: &Node, selector: &Selector) {
        if let Some(name) = &selector.name {
            if let Some(twice) = selector.matchers.iter().find(|m| &*m.name == METRIC_NAME) {
                let message = format!("metric name must not be set twice: {name:?} or {:?}", &*twice.value);
                self.wrong(node.start, message);
            }
        } else if selector.matchers.iter().all(|m| m.matches("")) {
            self.wrong(node.start, "vector selector must contain at least one non-empty matcher");
        }
    }

    fn check_call(&mut self, node: &Node, name: &str, args: &[Node]) {
        let Some(function) = functions::lookup(name) else { return };
        let (types, variadic) = functions::signature(function);
        let given = args.len();
        let at_least = types.len() - usize::from(variadic != 0);
        let at_most = usize::try_from(variadic).ok().map(|more| at_least + more);
        let count = |words: &str, wanted: usize| {
            format!("expected {words}{wanted} argument(s) in call to {name:?}, got {given}")
        };
        if variadic == 0 && given != types.len() {
            self.wrong(node.start, count("", types.len()));
        } else if given < at_least {
            self.wrong(node.start, count("at least ", at_least));
        } else if let Some(at_most) = at_most.filter(|at_most| given > *at_most) {
            self.wrong(node.start, count("at most ", at_most));
        }
        if let ("info", [_, selector]) = (name, args) {
            self.check_info(node, selector);
        }
        for (i, arg) in args.iter().enumerate() {
            // It selects no series by itself: it need not say anything.
            if name == "info" && i == 1 && matches!(arg.kind, Kind::Selector(_)) {
                continue;
            }
            let Some(want) = types.get(i).or(types.last().filter(|_| variadic != 0)) else { break };
            self.expect_type(arg, *want, &format!("call to function {name:?}"));
        }
    }

    /// The second argument of `info` has the form of a selector, and is none.
    fn check_info(&mut self, node: &Node, selector: &Node) {
        let of = selector.value_type();
        if of != ValueType::Vector {
            let message = format!("expected type instant vector in call to function \"info\", got {}", of.described());
            self.wrong(node.start, message);
        }
        match &selector.kind {
            Kind::Selector(s) if s.name.is_none() => {}
            Kind::Selector(_) => {
                self.wrong(selector.start, "expected label selectors only, got vector selector instead");
            }
            _ => self.wrong(selector.start, "expected label selectors only"),
        }
    }

    fn check_aggregate(&mut self, a: &Aggregate) {
        self.expect_type(&a.expr, ValueType::Vector, "aggregation expression");
        if let Some(param) = &a.param {
            let want = if a.op == "count_values" { ValueType::String } else { ValueType::Scalar };
            self.expect_type(param, want, "aggregation parameter");
        }
    }

    fn check_binary(&mut self, node: &Node, b: &Binary) {
        let (left, right) = (self.check(&b.lhs), self.check(&b.rhs));
        let skipped = self.text.get(b.lhs.end..).map_or(0, |rest| rest.len() - rest.trim_start().len());
        let operator = b.lhs.end + skipped;
        let scalars = left == ValueType::Scalar && right == ValueType::Scalar;
        if b.return_bool && !is_comparison(b.op) {
            self.wrong(operator, "bool modifier can only be used on comparison operators");
        }
        if is_comparison(b.op) && !b.return_bool && scalars {
            self.wrong(operator, "comparisons between scalars must use BOOL modifier");
        }
        if let Some(both) = b.labels.iter().find(|l| b.on && b.include.contains(l)) {
            self.wrong(operator, format!("label {:?} must not occur in ON and GROUP clause at once", &**both));
        }
        for (side, of) in [(&b.lhs, left), (&b.rhs, right)] {
            if !matches!(of, ValueType::Scalar | ValueType::Vector) {
                self.wrong(side.start, "binary expression must contain only scalar and instant vector types");
            }
        }
        if left != ValueType::Vector || right != ValueType::Vector {
            if !b.labels.is_empty() {
                self.wrong(node.start, "vector matching only allowed between instant vectors");
            }
            if b.fill != Fill::default() {
                self.wrong(node.start, "filling in missing series only allowed between instant vectors");
            }
        } else if is_set(b.op) {
            if b.card != Card::OneToOne {
                self.wrong(node.start, format!("no grouping allowed for {:?} operation", b.op));
            }
            if b.fill != Fill::default() {
                self.wrong(node.start, "filling in missing series not allowed for set operators");
            }
        }
        if is_set(b.op) && (left == ValueType::Scalar || right == ValueType::Scalar) {
            self.wrong(node.start, format!("set operator {:?} not allowed in binary scalar expression", b.op));
        }
    }
}

impl ValueType {
    /// Returns the name of a type in Prometheus' answers.
    pub fn named(self) -> &'static str {
        match self {
            ValueType::Scalar => "scalar",
            ValueType::String => "string",
            ValueType::Vector => "vector",
            ValueType::Matrix => "matrix",
        }
    }

    /// Returns what people call it, as in Prometheus' errors.
    pub fn described(self) -> &'static str {
        match self {
            ValueType::Scalar => "scalar",
            ValueType::String => "string",
            ValueType::Vector => "instant vector",
            ValueType::Matrix => "range vector",
        }
    }
}
