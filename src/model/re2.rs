//! Regular expressions as Go has them (RE2), for a crate that reads a few of them otherwise.
//!
//! Both match in linear time and agree on nearly all; what differs is rewritten: `\d`, `\w`, `\s` and `\b` are ASCII in
//! Go; `[[]` and `[a&&b]` are plain classes; `\<` is a `<`, and `{` without a count a `{`; `\Q…\E` and octal `\123`
//! exist, the flags `x` and `u` do not. What Go refuses is refused here too, in its words (regexp/syntax/parse.go).
//! Never recurses: nesting is the crate's matter, which limits it.

mod expand;
#[cfg(test)]
mod tests;

use regex::{Regex, RegexBuilder};

pub use self::expand::{expand, replace_all};

/// Go's limit of a repetition (regexp/syntax/parse.go, repeatIsValid).
const REPEAT_MAX: u32 = 1000;
/// A compiled expression may be so large (Go: 128 MB). Matching costs its size times that of the text.
pub const SIZE_MAX: usize = 2 << 20;
/// The sizes that are tried, to know how large one is.
const SIZES: [usize; 3] = [16 << 10, 256 << 10, SIZE_MAX];
/// Bytes of an expression, as written.
const TEXT_MAX_BYTES: usize = 64 << 10;
/// Classes in one expression. Each is a list of ranges, folded before anybody knows how large it has become.
const CLASSES_MAX: usize = 1_000;
/// Of those, Unicode's own (`\pL`), which have hundreds of ranges.
const PROPERTIES_MAX: usize = 64;
/// Of an expression that is too large, so many characters are shown.
const SHOWN_CHARS: usize = 100;

/// Returns an expression that has to match a whole text, `.` a line's end too: as Prometheus compiles those of labels
/// (model/labels/regexp.go).
///
/// # Errors
/// When it is no regular expression; in Go's words.
pub fn anchored(expression: &str) -> Result<Regex, String> {
    weighed(expression).map(|(regex, _)| regex)
}

/// Returns the same with its size in bytes, at most: one of a few steps.
///
/// # Errors
/// As [`anchored`].
pub fn weighed(expression: &str) -> Result<(Regex, usize), String> {
    compiled(expression, |translated| format!("^(?s:{translated})$"))
}

/// Returns an expression that is looked for anywhere in a text: Go's `regexp.Compile`, as templates have it.
///
/// # Errors
/// When it is no regular expression; in Go's words.
pub fn anywhere(expression: &str) -> Result<Regex, String> {
    compiled(expression, |translated| translated).map(|(regex, _)| regex)
}

fn compiled(expression: &str, frame: fn(String) -> String) -> Result<(Regex, usize), String> {
    if expression.len() > TEXT_MAX_BYTES {
        return Err(too_large(expression));
    }
    let translated = frame(translate(expression).map_err(|what| format!("error parsing regexp: {what}"))?);
    for size in SIZES {
        match RegexBuilder::new(&translated).size_limit(size).build() {
            Ok(regex) => return Ok((regex, size)),
            Err(regex::Error::CompiledTooBig(_)) => {}
            Err(e) => {
                // Several lines that draw the place in the translation; the last one says what it is.
                let text = e.to_string();
                let what = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
                return Err(format!("error parsing regexp: {what}: `{expression}`"));
            }
        }
    }
    Err(too_large(expression))
}

/// Go's words.
fn too_large(expression: &str) -> String {
    let shown: String = expression.chars().take(SHOWN_CHARS).collect();
    let more = if shown.len() < expression.len() { "…" } else { "" };
    format!("error parsing regexp: expression too large: `{shown}{more}`")
}

/// The same in the crate's syntax.
fn translate(expression: &str) -> Result<String, String> {
    let mut reader =
        Reader { rest: expression, out: String::with_capacity(expression.len()), classes: 0, properties: 0 };
    reader.expression(expression)?;
    if reader.classes > CLASSES_MAX || reader.properties > PROPERTIES_MAX {
        return Err(format!("expression too large: {CLASSES_MAX} classes at most, {PROPERTIES_MAX} of Unicode's"));
    }
    Ok(reader.out)
}

/// What stands before an operator that repeats.
enum Before {
    Nothing,
    Something,
    /// The operator.
    Repeated(String),
}

/// What an escape or a place in a class stands for.
enum Item {
    One(char),
    /// A set in the crate's syntax.
    Set(String),
}

struct Reader<'a> {
    rest: &'a str,
    out: String,
    classes: usize,
    properties: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn eat(&mut self, prefix: &str) -> bool {
        let after = self.rest.strip_prefix(prefix);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// What is before a mark, which is eaten too; `None`, and nothing eaten, where there is none.
    fn until(&mut self, mark: &str) -> Option<&'a str> {
        let (before, after) = self.rest.split_once(mark)?;
        self.rest = after;
        Some(before)
    }

    fn expression(&mut self, whole: &str) -> Result<(), String> {
        let mut before = Before::Nothing;
        let mut depth = 0_usize;
        while let Some(c) = self.next() {
            let operator = match c {
                '*' | '+' | '?' => Some(c.to_string()),
                '{' => self.count()?,
                _ => None,
            };
            if let Some(mut operator) = operator {
                if self.eat("?") {
                    operator.push('?');
                }
                match before {
                    Before::Nothing => return Err(format!("missing argument to repetition operator: `{operator}`")),
                    Before::Repeated(first) => {
                        return Err(format!("invalid nested repetition operator: `{first}{operator}`"));
                    }
                    Before::Something => self.out.push_str(&operator),
                }
                before = Before::Repeated(operator);
                continue;
            }
            before = match c {
                '(' => {
                    depth += 1;
                    self.group()?;
                    Before::Nothing
                }
                ')' => {
                    depth = depth.checked_sub(1).ok_or_else(|| format!("unexpected ): `{whole}`"))?;
                    self.out.push(')');
                    Before::Something
                }
                '|' => {
                    self.out.push('|');
                    Before::Nothing
                }
                _ => {
                    self.atom(c)?;
                    Before::Something
                }
            };
        }
        if depth > 0 { Err(format!("missing closing ): `{whole}`")) } else { Ok(()) }
    }

    fn atom(&mut self, c: char) -> Result<(), String> {
        match c {
            '[' => self.class()?,
            '{' => self.out.push_str("\\{"),
            '\\' if self.eat("Q") => {
                let quoted = self.until("\\E").unwrap_or_else(|| std::mem::take(&mut self.rest));
                self.out.push_str(&regex::escape(quoted));
            }
            '\\' if self.eat("A") => self.out.push_str("\\A"),
            '\\' if self.eat("z") => self.out.push_str("\\z"),
            '\\' if self.eat("b") => self.out.push_str("(?-u:\\b)"),
            '\\' if self.eat("B") => self.out.push_str("(?-u:\\B)"),
            '\\' => match self.escape()? {
                Item::One(c) => self.literal(c),
                Item::Set(set) => self.out.push_str(&set),
            },
            _ => self.out.push(c),
        }
        Ok(())
    }

    /// A character that means nothing else, whatever it is.
    fn literal(&mut self, c: char) {
        if c.is_ascii_alphanumeric() {
            self.out.push(c);
        } else {
            self.out.push_str(&format!("\\x{{{:x}}}", u32::from(c)));
        }
    }

    /// `{n}`, `{n,}` or `{n,m}` after its brace; `None`, and nothing eaten, where it is none.
    fn count(&mut self) -> Result<Option<String>, String> {
        let is_number =
            |s: &str| s.bytes().all(|b| b.is_ascii_digit()) && (s == "0" || !s.is_empty() && !s.starts_with('0'));
        // No further than a count may be long: many braces that never end would be looked through each time.
        let end = self.rest.find(|c: char| !c.is_ascii_digit() && c != ',').unwrap_or(self.rest.len());
        let (inner, after) = self.rest.split_at(end);
        let Some(after) = after.strip_prefix('}') else { return Ok(None) };
        let (low, high) = inner.split_once(',').unwrap_or((inner, inner));
        if !is_number(low) || !(is_number(high) || high.is_empty()) {
            return Ok(None);
        }
        self.rest = after;
        let bound = |s: &str| s.parse::<u32>().ok().filter(|n| *n <= REPEAT_MAX);
        let fits = bound(low).is_some_and(|low| high.is_empty() || bound(high).is_some_and(|high| low <= high));
        if fits { Ok(Some(format!("{{{inner}}}"))) } else { Err(format!("invalid repeat count: `{{{inner}}}`")) }
    }

    /// What follows a `(`.
    fn group(&mut self) -> Result<(), String> {
        if !self.eat("?") {
            self.out.push('(');
            return Ok(());
        }
        if self.eat("P<") || self.eat("<") {
            let name = self.until(">").unwrap_or_else(|| std::mem::take(&mut self.rest));
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return Err(format!("invalid named capture: `(?P<{name}>`"));
            }
            self.out.push_str(&format!("(?P<{name}>"));
            return Ok(());
        }
        let end = self.rest.find(|c| !"imsU-".contains(c)).unwrap_or(self.rest.len());
        let (flags, after) = self.rest.split_at(end);
        match after.chars().next() {
            // Flags from here on; the parenthesis is the caller's. The crate has no empty ones.
            Some(')') => self.out.push_str(&format!("(?{flags}{}", if flags.is_empty() { ":" } else { "" })),
            Some(':') => self.out.push_str(&format!("(?{flags}")),
            odd => {
                let odd = odd.map(String::from).unwrap_or_default();
                return Err(format!("invalid or unsupported Perl syntax: `(?{flags}{odd}`"));
            }
        }
        self.rest = after;
        if self.eat(":") {
            self.out.push(':');
        }
        Ok(())
    }

    /// What follows a `\`, in a class or outside.
    fn escape(&mut self) -> Result<Item, String> {
        let Some(c) = self.next() else { return Err("trailing backslash at end of expression: ``".into()) };
        let set = |set: &str| Ok(Item::Set(set.into()));
        match c {
            'd' => set("[0-9]"),
            'D' => set("[^0-9]"),
            'w' => set("[0-9A-Za-z_]"),
            'W' => set("[^0-9A-Za-z_]"),
            's' => set("[\\t\\n\\x0c\\r\\x20]"),
            'S' => set("[^\\t\\n\\x0c\\r\\x20]"),
            'p' | 'P' => self.property(c),
            'a' => Ok(Item::One('\x07')),
            'f' => Ok(Item::One('\x0c')),
            'n' => Ok(Item::One('\n')),
            'r' => Ok(Item::One('\r')),
            't' => Ok(Item::One('\t')),
            'v' => Ok(Item::One('\x0b')),
            'x' => self.hex(),
            '0'..='7' => self.octal(c),
            _ if c.is_ascii() && !c.is_ascii_alphanumeric() => Ok(Item::One(c)),
            _ => Err(format!("invalid escape sequence: `\\{c}`")),
        }
    }

    /// `\pN`, `\p{Greek}`, `\p{^Greek}`; `\P` is the opposite.
    fn property(&mut self, p: char) -> Result<Item, String> {
        self.properties += 1;
        let mut one = [0; 4];
        let name = if self.eat("{") { self.until("}") } else { self.next().map(|c| &*c.encode_utf8(&mut one)) };
        let name = name.unwrap_or_default();
        let (bare, flipped) = name.strip_prefix('^').map_or((name, false), |bare| (bare, true));
        if bare.is_empty() || !bare.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(format!("invalid character class range: `\\{p}{{{name}}}`"));
        }
        let p = if flipped == (p == 'p') { 'P' } else { 'p' };
        Ok(Item::Set(format!("\\{p}{{{bare}}}")))
    }

    /// `\x7f`, `\x{10ffff}`.
    fn hex(&mut self) -> Result<Item, String> {
        let digits = if self.eat("{") {
            self.until("}")
        } else {
            self.rest.split_at_checked(2).map(|(digits, after)| {
                self.rest = after;
                digits
            })
        };
        let digits = digits.unwrap_or_default();
        // `from_str_radix` would take a sign.
        let code =
            digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok()).flatten();
        let c = code.and_then(char::from_u32);
        c.map(Item::One).ok_or_else(|| format!("invalid escape sequence: `\\x{{{digits}}}`"))
    }

    /// `\0`, `\012`, `\12`; `\1` alone would be a reference back, which needs more than linear time.
    fn octal(&mut self, first: char) -> Result<Item, String> {
        let more = self.rest.bytes().take(2).take_while(|b| (b'0'..=b'7').contains(b)).count();
        if first != '0' && more == 0 {
            return Err(format!("invalid escape sequence: `\\{first}`"));
        }
        let (digits, after) = self.rest.split_at(more);
        self.rest = after;
        let code = u32::from_str_radix(&format!("{first}{digits}"), 8).ok().and_then(char::from_u32);
        code.map(Item::One).ok_or_else(|| format!("invalid escape sequence: `\\{first}{digits}`"))
    }

    /// What follows a `[`.
    fn class(&mut self) -> Result<(), String> {
        self.classes += 1;
        let whole = self.rest;
        self.out.push('[');
        if self.eat("^") {
            self.out.push('^');
        }
        // A `]` in the first place is one of the class.
        let mut first = true;
        while first || !self.eat("]") {
            first = false;
            if let Some((name, after)) = self.rest.strip_prefix("[:").and_then(|rest| rest.split_once(":]")) {
                self.rest = after;
                self.posix(name)?;
                continue;
            }
            let low = match self.place(whole)? {
                Item::One(c) => c,
                Item::Set(set) => {
                    self.out.push_str(&set);
                    continue;
                }
            };
            self.literal(low);
            if self.rest.len() > 1 && self.rest.starts_with('-') && !self.rest.starts_with("-]") {
                self.next();
                match self.place(whole)? {
                    Item::One(high) if low <= high => {
                        self.out.push('-');
                        self.literal(high);
                    }
                    Item::One(high) => return Err(format!("invalid character class range: `{low}-{high}`")),
                    Item::Set(_) => return Err(format!("invalid character class range: `[{whole}`")),
                }
            }
        }
        self.out.push(']');
        Ok(())
    }

    fn place(&mut self, whole: &str) -> Result<Item, String> {
        match self.next() {
            Some('\\') => self.escape(),
            Some(c) => Ok(Item::One(c)),
            None => Err(format!("missing closing ]: `[{whole}`")),
        }
    }

    fn posix(&mut self, name: &str) -> Result<(), String> {
        const NAMES: [&str; 14] = [
            "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
            "word", "xdigit",
        ];
        if !NAMES.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err(format!("invalid character class range: `[:{name}:]`"));
        }
        self.out.push_str(&format!("[:{name}:]"));
        Ok(())
    }
}
