//! What a text may ask of the parser and of whoever walks its tree, counted in its tokens before anything recurses.

use super::token::{Kind, Token};

/// A longer text is no query that a person or a program meant.
pub const TEXT_MAX_BYTES: usize = 256 << 10;
/// Tokens of all kinds: each costs the tree some hundred bytes.
const TOKENS_MAX: usize = 20_000;
/// Brackets within brackets: the parser, the evaluator and the end of a tree recurse into each.
const NESTING_MAX: usize = 100;
/// What makes one expression of others without nesting in the text: operators, `offset`, `@`, `[…]`. Each may be a level of
/// the tree too.
const CHAINED_MAX: usize = 300;
/// All regular expressions of one query together, in bytes as they are compiled.
pub const EXPRESSIONS_MAX_BYTES: usize = 4 << 20;

/// Refuses what is too large.
///
/// # Errors
/// In words.
pub fn check(tokens: &[Token]) -> Result<(), String> {
    let (mut depth, mut nesting, mut chained, mut in_braces) = (0usize, 0, 0, false);
    for token in tokens {
        match token.kind {
            Kind::Sign(open @ ("(" | "[" | "{")) => {
                depth += 1;
                nesting = nesting.max(depth);
                chained += usize::from(open == "[");
                in_braces |= open == "{";
            }
            Kind::Sign(close @ (")" | "]" | "}")) => {
                depth = depth.saturating_sub(1);
                in_braces &= close != "}";
            }
            // Between braces they compare labels.
            Kind::Sign(sign) => chained += usize::from(!in_braces && !matches!(sign, "," | ":")),
            Kind::Keyword("and" | "or" | "unless" | "atan2" | "offset") => chained += 1,
            _ => {}
        }
    }
    if tokens.len() > TOKENS_MAX || nesting > NESTING_MAX || chained > CHAINED_MAX {
        return Err(too_large());
    }
    Ok(())
}

/// Says how much is read at the most.
pub fn too_large() -> String {
    format!(
        "the expression is too large: at most {TEXT_MAX_BYTES} bytes, {TOKENS_MAX} words and signs, {NESTING_MAX} brackets deep, {CHAINED_MAX} operators"
    )
}
