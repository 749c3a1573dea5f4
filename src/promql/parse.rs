//! Text to expression: tokens, then a tree as it is written, then the expression that is evaluated.
//!
//! The grammar is that of Prometheus 3.16 (promql/parser) with experimental functions and fill modifiers, with its words
//! for what is wrong and its places. What is absurdly long or nested is refused before anything recurses into it (see `bounds`).

mod bounds;
mod grammar;
mod json;
mod length;
mod lexer;
mod literal;
mod lower;
mod operand;
mod print;
#[cfg(test)]
mod tests;
mod token;
mod tree;
mod types;

use self::grammar::Refused;
pub use self::{
    json::tree,
    length::Asked,
    lower::{lower, reckons},
    print::pretty,
    tree::Node,
};
use super::{ParseError, expr::Expr, place};

/// A query that has been read.
pub struct Parsed {
    /// What is evaluated, but for lengths that depend on the window.
    pub expr: Expr,
    /// As it is written.
    pub tree: Node,
    /// How many selectors.
    pub selectors: usize,
}

/// Parses a text.
pub fn parse(text: &str) -> Result<Parsed, ParseError> {
    let wrong = |Refused { kind, at, message }: Refused| {
        let (line, column) = place(text, at);
        ParseError { kind, message, line, column }
    };
    if text.len() > bounds::TEXT_MAX_BYTES {
        return Err(wrong(Refused::too_large(bounds::too_large())));
    }
    let tokens = lexer::tokens(text);
    bounds::check(&tokens).map_err(|message| wrong(Refused::too_large(message)))?;
    let tree = grammar::parse(text, tokens).map_err(wrong)?;
    let (expr, selectors) = lower(&tree, None).map_err(|message| wrong(Refused::malformed((0, message))))?;
    Ok(Parsed { expr, tree, selectors })
}
