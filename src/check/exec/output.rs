//! What a plugin says: a line for people, `|`, and numbers (the Nagios Plugin Development Guidelines, "Performance data"). Pure.

/// Numbers of one plugin: each is a series.
const NUMBERS_MAX: usize = 64;
/// The longest label.
const LABEL_MAX: usize = 100;

/// An output, taken apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Output {
    /// The first line, for people.
    pub(super) first: String,
    /// All that is for people.
    pub(super) text: String,
    /// `(label, unit, value)`
    pub(super) numbers: Vec<(String, String, f64)>,
}

impl Output {
    /// Reads it. In the first line numbers stand behind a `|`; further ones behind the next `|`, to the end.
    pub(super) fn read(said: &str) -> Self {
        let (head, tail) = said.split_once('\n').unwrap_or((said, ""));
        let (first, mut numbers) = head.split_once('|').map_or((head, String::new()), |(a, b)| (a, b.to_owned()));
        let (rest, more) = tail.split_once('|').unwrap_or((tail, ""));
        numbers.push(' ');
        numbers.push_str(more);
        let first = first.trim().to_owned();
        let text = format!("{first}\n{}", rest.trim_end()).trim_end().to_owned();
        Self { first, text, numbers: numbers_of(&numbers) }
    }
}

/// `'label'=value[UOM];warn;crit;min;max`, separated by spaces; a `'` within a label is doubled.
fn numbers_of(text: &str) -> Vec<(String, String, f64)> {
    let mut all: Vec<(String, String, f64)> = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() && all.len() < NUMBERS_MAX {
        let (label, after) = label(rest);
        let end = after.find(char::is_whitespace).unwrap_or(after.len());
        let (word, next) = after.split_at(end);
        rest = next.trim_start();
        let value = word.strip_prefix('=').and_then(|word| word.split(';').next()).unwrap_or_default();
        let is_part = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '-' | '+');
        let (number, unit) = value.split_at(value.find(|c| !is_part(c)).unwrap_or(value.len()));
        // `U`: the plugin could not tell.
        let number = number.replace(',', ".").parse::<f64>().ok().filter(|n| n.is_finite());
        if let Some(number) = number.filter(|_| !label.is_empty() && label.len() <= LABEL_MAX) {
            let unit: String = unit.chars().take(8).collect();
            if !all.iter().any(|(known, ..)| *known == label) {
                all.push((label, unit, number));
            }
        }
    }
    all
}

fn label(text: &str) -> (String, &str) {
    let Some(mut rest) = text.strip_prefix('\'') else {
        let end = text.find(['=', ' ', '\t', '\n']).unwrap_or(text.len());
        let (label, rest) = text.split_at(end);
        return (label.to_owned(), rest);
    };
    let mut label = String::new();
    while let Some((part, after)) = rest.split_once('\'') {
        label.push_str(part);
        match after.strip_prefix('\'') {
            Some(more) => {
                label.push('\'');
                rest = more;
            }
            None => return (label, after),
        }
    }
    (String::new(), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_numbers_are_told_apart() {
        let of = |text: &str| Output::read(text);
        let number = |label: &str, unit: &str, value: f64| (label.to_owned(), unit.to_owned(), value);
        let said =
            of("DISK OK - 3 GB free | /=2643MB;5948;5958;0;5968 'a ''b'''=12,5%;;\nlong\ntext | /boot=68MB c=U\nd=-1e");
        assert_eq!(
            (said.first.as_str(), said.text.as_str()),
            ("DISK OK - 3 GB free", "DISK OK - 3 GB free\nlong\ntext")
        );
        let expected = [
            number("/", "MB", 2643.0),
            number("a 'b'", "%", 12.5),
            number("/boot", "MB", 68.0),
            number("d", "e", -1.0),
        ];
        assert_eq!(said.numbers, expected);
        assert_eq!(of("").numbers, []);
        for odd in ["x|", "x|=", "x|a", "x|'a", "x|a=b", "x|a=1 a=2", "x|====", "|'='='"] {
            assert!(of(odd).numbers.len() <= 1, "{odd}");
        }
        assert_eq!(of(&format!("x|{}", "a=1 b=2 ".repeat(9_999))).numbers.len(), 2);
    }
}
