//! What a text may ask of the parser and of whoever walks its tree, counted in the parser's own tokens before it parses.

use std::ops::Range;

use lrpar::{Lexeme as _, Lexer as _};
use promql_parser::{
    parser::{
        lexer,
        token::{self, TokenId},
    },
    util::{parse_duration, parse_str_radix},
};

/// A longer text is no query that a person or a program meant.
const TEXT_MAX_BYTES: usize = 256 << 10;
/// Tokens of all kinds: each costs the parser, and its tree, some hundred bytes.
const TOKENS_MAX: usize = 20_000;
/// Brackets within brackets: the parser, the evaluator and the end of a tree recurse into each.
pub const NESTING_MAX: usize = 100;
/// What makes one expression of others without nesting in the text: operators, `offset`, `@`, `[…]`. Each may be a level of
/// the tree too.
pub const CHAINED_MAX: usize = 300;
/// The longest duration, in seconds: Go's are 64 bits of nanoseconds.
const DURATION_MAX_S: f64 = 9.2e9;

/// A token and where it stands.
pub type Token = (TokenId, Range<usize>);

/// Returns the tokens of a text, `None` where the parser refuses it before it parses: it has the words for that.
///
/// # Errors
/// When the text is too large, in words.
pub fn tokens(text: &str) -> Result<Option<Vec<Token>>, String> {
    if text.len() > TEXT_MAX_BYTES {
        return Err(too_large());
    }
    let Ok(lexer) = lexer(text) else { return Ok(None) };
    let tokens: Vec<Token> = lexer.iter().flatten().map(|t| (t.tok_id(), t.span().start()..t.span().end())).collect();
    let (mut depth, mut nesting, mut chained, mut in_braces) = (0usize, 0, 0, false);
    for (id, _) in &tokens {
        match *id {
            token::T_LEFT_PAREN | token::T_LEFT_BRACKET | token::T_LEFT_BRACE => {
                depth += 1;
                nesting = nesting.max(depth);
                chained += usize::from(*id == token::T_LEFT_BRACKET);
                in_braces |= *id == token::T_LEFT_BRACE;
            }
            token::T_RIGHT_PAREN | token::T_RIGHT_BRACKET | token::T_RIGHT_BRACE => {
                depth = depth.saturating_sub(1);
                in_braces &= *id != token::T_RIGHT_BRACE;
            }
            // Between braces they compare labels.
            id => chained += usize::from(!in_braces && chains(id)),
        }
    }
    if tokens.len() > TOKENS_MAX || nesting > NESTING_MAX || chained > CHAINED_MAX {
        Err(too_large())
    } else {
        Ok(Some(tokens))
    }
}

/// Whether a token joins expressions, or makes another of the one before it.
fn chains(id: TokenId) -> bool {
    matches!(
        id,
        token::T_ADD
            | token::T_SUB
            | token::T_MUL
            | token::T_DIV
            | token::T_MOD
            | token::T_POW
            | token::T_ATAN2
            | token::T_EQLC
            | token::T_NEQ
            | token::T_GTR
            | token::T_LSS
            | token::T_GTE
            | token::T_LTE
            | token::T_LAND
            | token::T_LOR
            | token::T_LUNLESS
            | token::T_OFFSET
            | token::T_AT
    )
}

fn too_large() -> String {
    format!(
        "the expression is too large: at most {TEXT_MAX_BYTES} bytes, {TOKENS_MAX} words and signs, {NESTING_MAX} brackets deep, {CHAINED_MAX} operators"
    )
}

/// Refuses lengths of time that the parser's crate can't hold (it would panic, or take them for others).
///
/// # Errors
/// In Prometheus' words.
pub fn durations(text: &str, tokens: &[Token]) -> Result<(), String> {
    let mut before = None;
    for (id, at) in tokens {
        let sign = matches!(*id, token::T_ADD | token::T_SUB);
        if matches!(before, Some(token::T_LEFT_BRACKET | token::T_COLON | token::T_OFFSET)) && !sign {
            let written = text.get(at.clone()).unwrap_or_default();
            let seconds = match *id {
                token::T_NUMBER => parse_str_radix(written)?,
                token::T_DURATION => seconds(written)?,
                _ => 0.0,
            };
            if !(0.0..=DURATION_MAX_S).contains(&seconds) {
                return Err("duration out of range".into());
            }
        }
        if !sign || before != Some(token::T_OFFSET) {
            before = Some(*id);
        }
    }
    Ok(())
}

/// The crate takes a number of more than 32 bits for 0.
fn seconds(written: &str) -> Result<f64, String> {
    let longest = written.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0);
    if longest > 18
        || written.split(|c: char| !c.is_ascii_digit()).any(|n| n.parse::<u64>().is_ok_and(|n| n > u64::from(u32::MAX)))
    {
        return Err("duration out of range".into());
    }
    parse_duration(written).map(|d| d.as_secs_f64())
}
