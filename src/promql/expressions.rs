//! The regular expressions of a query: compiled here, as Go has them, and kept from the parser's crate, which would compile
//! them as Rust has them and without a limit. It sees a number in their place.

use std::fmt::Write as _;

use promql_parser::{
    label::Matcher as Theirs,
    parser::{Expr, VectorSelector, token},
    util::unquote_string,
};
use regex::Regex;

use super::bounds::Token;

/// All expressions of one query together, in bytes as they are compiled.
const SIZE_MAX: usize = 4 << 20;

/// An expression that can't be used.
pub struct Wrong {
    /// In Go's words.
    pub message: String,
    /// Which of the text's strings it is.
    pub string: usize,
}

/// Expressions by their numbers.
#[derive(Debug, Default)]
pub struct Expressions(Vec<(String, Regex)>);

/// Compiles an expression, and says how large it is.
pub type Compile<'a> = &'a dyn Fn(&str) -> Result<(Regex, usize), String>;

/// Returns a text with numbers instead of its expressions.
///
/// # Errors
/// When one is none, or all together are too large.
pub fn taken_out(text: &str, tokens: &[Token], compile: Compile<'_>) -> Result<(String, Expressions), Wrong> {
    let mut found = Expressions::default();
    let (mut out, mut copied, mut strings, mut size) = (String::with_capacity(text.len()), 0, 0, 0);
    let mut before = None;
    for (id, at) in tokens {
        let is_string = *id == token::T_STRING;
        if is_string && matches!(before, Some(token::T_EQL_REGEX | token::T_NEQ_REGEX)) {
            // A string that is none is the parser's to refuse.
            let Ok(expression) = unquote_string(&text[at.clone()]) else { break };
            let wrong = |message| Wrong { message, string: strings };
            let (regex, bytes) = compile(&expression).map_err(wrong)?;
            size += bytes;
            if size > SIZE_MAX {
                return Err(wrong("the expression is too large: all its regular expressions together".into()));
            }
            out.push_str(&text[copied..at.start]);
            copied = at.end;
            // The parser asks whether nothing at all matches.
            let empty = if regex.is_match("") { "?" } else { "" };
            let _ = write!(out, "\"({}){empty}\"", found.0.len());
            found.0.push((expression, regex));
        }
        strings += usize::from(is_string);
        before = Some(*id);
    }
    out.push_str(&text[copied..]);
    Ok((out, found))
}

impl Expressions {
    /// Returns the expression for which a number stands.
    pub fn get(&self, number: &str) -> Option<&(String, Regex)> {
        self.0.get(number.trim_end_matches('?').trim_matches(['(', ')']).parse::<usize>().ok()?)
    }

    /// Puts the expressions back to where they were written.
    pub fn put_back(&self, tree: &mut Expr) {
        match tree {
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
            Expr::Paren(p) => self.put_back(&mut p.expr),
            Expr::Unary(u) => self.put_back(&mut u.expr),
            Expr::VectorSelector(vs) => self.selector(vs),
            Expr::MatrixSelector(ms) => self.selector(&mut ms.vs),
            Expr::Subquery(sq) => self.put_back(&mut sq.expr),
            Expr::Call(call) => call.args.args.iter_mut().for_each(|arg| self.put_back(arg)),
            Expr::Aggregate(a) => {
                a.param.iter_mut().for_each(|param| self.put_back(param));
                self.put_back(&mut a.expr);
            }
            Expr::Binary(b) => {
                self.put_back(&mut b.lhs);
                self.put_back(&mut b.rhs);
            }
        }
    }

    fn selector(&self, vs: &mut VectorSelector) {
        for matcher in vs.matchers.matchers.iter_mut().filter(|m| is_regex(m)) {
            if let Some((expression, _)) = self.get(&matcher.value) {
                matcher.value.clone_from(expression);
            }
        }
    }
}

fn is_regex(matcher: &Theirs) -> bool {
    use promql_parser::label::MatchOp;
    matches!(matcher.op, MatchOp::Re(_) | MatchOp::NotRe(_))
}
