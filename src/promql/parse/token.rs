//! Tokens: what the lexer hands to the grammar, and what errors call them.

/// Words that mean something by themselves; written in any case.
pub const KEYWORDS: &[&str] = &[
    "and",
    "anchored",
    "atan2",
    "avg",
    "bool",
    "bottomk",
    "by",
    "count",
    "count_values",
    "end",
    "fill",
    "fill_left",
    "fill_right",
    "group",
    "group_left",
    "group_right",
    "ignoring",
    "limit_ratio",
    "limitk",
    "max",
    "max_of",
    "min",
    "min_of",
    "offset",
    "on",
    "or",
    "quantile",
    "range",
    "smoothed",
    "start",
    "stddev",
    "stdvar",
    "step",
    "sum",
    "topk",
    "unless",
    "without",
];

/// Aggregation operators.
pub const AGGREGATIONS: &[&str] = &[
    "avg",
    "bottomk",
    "count",
    "count_values",
    "group",
    "limit_ratio",
    "limitk",
    "max",
    "min",
    "quantile",
    "stddev",
    "stdvar",
    "sum",
    "topk",
];

/// What a stretch of text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The end of the text.
    End,
    /// Nothing can be read from here on, and why.
    Wrong(String),
    /// Punctuation and operators, as written.
    Sign(&'static str),
    /// One of [`KEYWORDS`], in small letters.
    Keyword(&'static str),
    /// With its quotes.
    Text,
    /// `1`, `0x1F`, `Inf`
    Number,
    /// `1h30m`
    Duration,
    /// A name without colons.
    Name,
    /// A name with colons.
    MetricName,
}

/// A token with its place.
#[derive(Clone, Debug)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// First byte.
    pub start: usize,
    /// After its last byte.
    pub end: usize,
}

impl Token {
    /// Returns whether it is this sign.
    pub fn is(&self, sign: &str) -> bool {
        matches!(self.kind, Kind::Sign(s) if s == sign)
    }

    /// Returns whether it is this keyword.
    pub fn is_word(&self, word: &str) -> bool {
        matches!(self.kind, Kind::Keyword(w) if w == word)
    }

    /// Returns the keyword that it is.
    pub fn word(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Keyword(word) => Some(word),
            _ => None,
        }
    }

    /// Returns what errors call it.
    pub fn described(&self, text: &str) -> String {
        const OPERATORS: &[&str] =
            &["+", "/", "==", "=~", ">=", ">", "</", ">/", "<", "<=", "%", "*", "!=", "!~", "^", "-", "@"];
        const LATER: &[&str] = &["start", "end", "step", "range", "max_of", "min_of"];
        let written = text.get(self.start..self.end).unwrap_or_default();
        match &self.kind {
            Kind::End => "end of input".into(),
            Kind::Wrong(message) => message.clone(),
            Kind::Sign(sign) if OPERATORS.contains(sign) => format!("<op:{sign}>"),
            Kind::Keyword("and" | "or" | "unless" | "atan2") => format!("<op:{written}>"),
            Kind::Keyword(word) if AGGREGATIONS.contains(word) => format!("<aggr:{written}>"),
            Kind::Keyword(word) if !LATER.contains(word) => format!("<{written}>"),
            Kind::Sign(_) | Kind::Keyword(_) => format!("{written:?}"),
            Kind::Name => format!("identifier {written:?}"),
            Kind::MetricName => format!("metric identifier {written:?}"),
            Kind::Text => format!("string {}", shortened(written)),
            Kind::Number => format!("number {}", shortened(written)),
            Kind::Duration => format!("duration {}", shortened(written)),
        }
    }
}

/// Quoted; of what is long, the beginning.
fn shortened(written: &str) -> String {
    if written.len() <= 10 {
        return format!("{written:?}");
    }
    format!("{:?}...", written.chars().take(10).collect::<String>())
}
