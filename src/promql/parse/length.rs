//! Lengths of time: what stands in brackets and behind `offset`, and what it comes to.

use super::{
    grammar::{Broken, Parsed, Parser},
    token::Kind as Is,
    tree::{Length, LengthKind},
};

/// Go's durations are nanoseconds in 64 bits: as seconds.
const LONGEST: f64 = 9_223_372_036.854_776;
const POWER: u8 = 3;

impl Parser<'_> {
    /// A length of more than nothing.
    pub(super) fn positive(&mut self) -> Parsed<Length> {
        let length = self.length(0)?;
        if length.literal().is_some_and(|seconds| seconds <= 0.0) {
            self.wrong(length.start, "duration must be greater than 0");
        }
        Ok(length)
    }

    /// Behind `offset`: one operand with its sign, so that `a offset 5m + b` is a sum. Only parentheses without a sign go
    /// on, as the grammar of Prometheus has it.
    pub(super) fn offset(&mut self) -> Parsed<Length> {
        self.within.push(("offset", "number, duration, step(), or range()"));
        let wrapped = self.peek().is("(");
        let length = if wrapped { self.length(0)? } else { self.signed(true)? };
        self.within.pop();
        Ok(length)
    }

    fn length(&mut self, least: u8) -> Parsed<Length> {
        let mut lhs = self.signed(false)?;
        loop {
            let token = self.peek().clone();
            let (op, binds) = match token.kind {
                Is::Sign(op @ ("+" | "-")) => (op, 1),
                Is::Sign(op @ ("*" | "/" | "%")) => (op, 2),
                Is::Sign("^") => ("^", POWER),
                _ => return Ok(lhs),
            };
            if binds < least {
                return Ok(lhs);
            }
            self.take();
            let rhs = self.length(if binds == POWER { binds } else { binds + 1 })?;
            let by_zero = match op {
                "/" => Some("division by zero"),
                "%" => Some("modulo by zero"),
                _ => None,
            };
            if let Some(message) = by_zero.filter(|_| rhs.literal().is_some_and(|seconds| seconds == 0.0)) {
                self.wrong(token.start, message);
            }
            let (start, end) = (lhs.start, rhs.end);
            let kind = LengthKind::Binary { op, lhs: Box::new(lhs), rhs: Box::new(rhs) };
            lhs = Length { start, end, kind, wrapped: false };
        }
    }

    /// An operand with its signs; `alone`: without what binds more tightly than a sign.
    fn signed(&mut self, alone: bool) -> Parsed<Length> {
        let minus = match self.peek().kind {
            Is::Sign("-") => true,
            Is::Sign("+") => false,
            _ => return self.operand_length(),
        };
        let sign = self.take().start;
        let of = if alone { self.operand_length()? } else { self.length(POWER)? };
        Ok(match of.kind {
            LengthKind::Seconds { value, duration } => {
                let kind = LengthKind::Seconds { value: if minus { -value } else { value }, duration };
                Length { start: sign, kind, ..of }
            }
            _ if !minus => of,
            _ => {
                let (end, of) = (of.end, Box::new(of));
                Length { start: sign, end, kind: LengthKind::Unary { minus, of }, wrapped: false }
            }
        })
    }

    fn operand_length(&mut self) -> Parsed<Length> {
        let token = self.peek().clone();
        let (start, end) = (token.start, token.end);
        match token.kind {
            Is::Number | Is::Duration => {
                self.take();
                let mut value = self.seconds(&token);
                if value.abs() > LONGEST {
                    self.wrong(start, "duration out of range");
                    value = 0.0;
                }
                let kind = LengthKind::Seconds { value, duration: token.kind == Is::Duration };
                Ok(Length { start, end, kind, wrapped: false })
            }
            Is::Sign("(") => {
                self.take();
                let inner = self.length(0)?;
                let end = self.expect(")")?.end;
                Ok(match inner.kind {
                    LengthKind::Seconds { .. } => {
                        let kind = LengthKind::Unary { minus: false, of: Box::new(inner) };
                        Length { start, end, kind, wrapped: true }
                    }
                    _ => Length { wrapped: true, ..inner },
                })
            }
            Is::Keyword(word @ ("step" | "range")) => {
                self.take();
                self.expect("(")?;
                let end = self.expect(")")?.end;
                let kind = if word == "step" { LengthKind::Step } else { LengthKind::Range };
                Ok(Length { start, end, kind, wrapped: false })
            }
            Is::Keyword(op @ ("max_of" | "min_of")) => {
                self.take();
                self.expect("(")?;
                let lhs = Box::new(self.length(0)?);
                self.expect(",")?;
                let rhs = Box::new(self.length(0)?);
                let end = self.expect(")")?.end;
                Ok(Length { start, end, kind: LengthKind::Binary { op, lhs, rhs }, wrapped: false })
            }
            _ => Err::<Length, Broken>(self.unexpected()),
        }
    }
}

/// What lengths may depend on: the query's step and the time from its start to its end, in seconds; of an instant query
/// both are 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// `step()`
    pub step: f64,
    /// `range()`
    pub range: f64,
}

impl Length {
    /// Returns it in milliseconds.
    ///
    /// # Errors
    /// In Prometheus' words, where it is no length, or not `negative` though it must not be.
    pub fn ms(&self, asked: Asked, negative: bool) -> Result<i64, String> {
        let here = |message: &str| format!("{}:{}: {message}", self.start, self.end);
        let seconds = self.seconds(asked)?;
        if let Some(literal) = self.literal() {
            #[allow(clippy::cast_possible_truncation)] // The grammar has seen to it.
            return Ok((literal * 1e3).round() as i64);
        }
        if !seconds.is_finite() {
            return Err(here("duration is NaN or infinite"));
        }
        if seconds <= 0.0 && !negative {
            return Err(here("duration must be greater than 0"));
        }
        if seconds.abs() > LONGEST {
            return Err(here("duration is out of range"));
        }
        #[allow(clippy::cast_possible_truncation)] // Seen to above; cut, not rounded, as there.
        Ok((seconds * 1e3) as i64)
    }

    fn seconds(&self, asked: Asked) -> Result<f64, String> {
        let here = |message: &str| Err(format!("{}:{}: {message}", self.start, self.end));
        Ok(match &self.kind {
            LengthKind::Seconds { value, .. } => *value,
            LengthKind::Step => asked.step,
            LengthKind::Range => asked.range,
            LengthKind::Unary { minus, of } => of.seconds(asked)? * if *minus { -1.0 } else { 1.0 },
            LengthKind::Binary { op, lhs, rhs } => {
                let (l, r) = (lhs.seconds(asked)?, rhs.seconds(asked)?);
                match *op {
                    "+" => l + r,
                    "-" => l - r,
                    "*" => l * r,
                    "/" if r == 0.0 => return here("division by zero"),
                    "/" => l / r,
                    "%" if r == 0.0 => return here("modulo by zero"),
                    "%" => l % r,
                    "^" => l.powf(r),
                    "max_of" => l.max(r),
                    _ => l.min(r),
                }
            }
        })
    }
}
