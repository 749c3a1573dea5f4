//! What the libraries that read the file say, in the words of whoever wrote it. Pure.
//!
//! YAML's parser speaks of scalars and indicators, serde of Rust's types. Each kind of complaint has its sentence here: what
//! is wrong and what to write instead. What no sentence fits keeps the parser's own words, without its advice to
//! programmers.

use super::error;

/// What YAML's parser calls something, and what is said of it. The first that fits counts.
const YAML: &[(&str, &str)] = &[
    (
        "multiple YAML documents",
        "a second document begins above (`---`), and a configuration is one: put all into one and remove that line",
    ),
    ("tabs disallowed", TAB),
    ("tab cannot be used", TAB),
    ("found a tab", TAB),
    ("start with a tab", TAB),
    (
        "while parsing a block collection, did not find expected '-'",
        "this line is indented neither like the items of the list above (`- …`) nor like what belongs to the last of \
         them: line it up with one or the other",
    ),
    (
        "while parsing a block mapping, did not find expected key",
        "this line is not indented like the keys above that it belongs to: line it up with them",
    ),
    (
        "mapping values are not allowed",
        "a `: ` stands where no key can be: a text with a colon in it needs quotes; or the indentation is wrong, here or \
         in the line above",
    ),
    ("illegal placement of ':'", BRACKET),
    ("while parsing a flow", BRACKET),
    ("invalid indentation in flow", BRACKET),
    ("unclosed bracket", "a bracket is opened here and never closed"),
    ("misplaced bracket", "there is a closing bracket too many"),
    ("unclosed quote", QUOTE),
    ("unexpected document indicator", QUOTE),
    ("indentation in multiline quoted", QUOTE),
    ("invalid trailing content after", "text stands after the closing quote: put the quotes around the whole value"),
    ("escape", ESCAPE),
    ("hexadecimal number", ESCAPE),
    ("surrogate", ESCAPE),
    ("simple key", "the `: ` after a key is missing: a key is followed by a colon and a space"),
    (
        "unknown anchor",
        "`*name` repeats what `&name` marks further up, and there is no such mark; a text that begins with `*` needs \
         quotes",
    ),
    ("anchor or alias", "a text that begins with `*` or `&` needs quotes"),
    ("recursive references", "what `&name` marks can't contain `*name` itself"),
    ("alias", "the aliases (`*name`) multiply this file beyond any use: write it out"),
    ("budget", "the file has more keys and values, or goes deeper, than any configuration needs"),
    ("recursion limit", "brackets or indentation go deeper than any configuration needs"),
    (
        "expected string scalar",
        "a mapping or a list stands where a key should be; a value that begins with `{` or `[`, as a template's `{{ … }}` \
         does, needs quotes",
    ),
    ("null into string", "a key is missing before the colon"),
    ("merge", "`<<:` takes a mapping, or a list of them: `<<: *name`"),
    ("invalid u64", TAG),
    ("invalid f64", TAG),
    ("tag", TAG),
    ("block scalar", "after `|` or `>` the text begins on the next line, further in than its key"),
    ("node content", "a value is missing here"),
];

const TAB: &str = "a tab is used to indent, which YAML does not allow: use spaces";
const BRACKET: &str = "a list or mapping in brackets does not go on as it should: a `,` or the closing bracket is missing before this place";
const QUOTE: &str = "a quote is opened here and never closed";
const ESCAPE: &str =
    "a `\\` in double quotes begins an escape, and YAML knows none like this: write `\\\\`, or use single quotes";
const TAG: &str =
    "`!` begins a tag, which no value here needs: leave it out, or put a text that begins with `!` in quotes";
const DIRECTIVE: &str = "a line that begins with `%` speaks to the YAML parser: leave it out";

/// Says what YAML's parser found wrong.
pub(super) fn of_yaml(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let line = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    format!("this is not YAML: {}", yaml(line.split(" at line ").next().unwrap_or(line)))
}

fn yaml(said: &str) -> String {
    if let Some(key) = said.strip_prefix("duplicate mapping key: ") {
        let key = key.split(", set ").next().unwrap_or(key);
        return format!("the key `{key}` is given twice in the same mapping: keep one of the two");
    }
    if let Some(found) = said.strip_prefix("unexpected character: `").and_then(|rest| rest.strip_suffix('\'')) {
        return match found.starts_with("\\u") {
            true => format!("there is a control character ({found}), which YAML does not allow: remove it"),
            false => format!("a value can't begin with {found}: put it in quotes"),
        };
    }
    if let Some((open, close)) =
        said.strip_prefix("mismatched bracket ").and_then(|rest| rest.split_once(" closed by "))
    {
        return format!("the brackets don't match: {open} is opened and {close} closes it");
    }
    if said.contains("directive") || said.contains("<document start>") || said.contains("YAML major version") {
        return DIRECTIVE.into();
    }
    if said.to_ascii_lowercase().contains("unexpected eof") {
        return "the file ends too early: something is opened and not closed".into();
    }
    match YAML.iter().find(|(theirs, _)| said.contains(theirs)) {
        Some((_, ours)) => (*ours).into(),
        // What comes after these is advice to whoever calls the library.
        None => error::without_quotes(said.split("; use ").next().unwrap_or(said)),
    }
}

/// Says what serde and what it reads with found wrong with a value.
pub(super) fn of_value(said: &str) -> String {
    if let Some(rest) = said.strip_prefix("missing field `") {
        return format!("the key `{}` is missing", rest.trim_end_matches('`'));
    }
    if let Some((_, known)) = said.strip_prefix("unknown variant `").and_then(|rest| rest.split_once('`')) {
        let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        return format!("this is not known here: it is one of {}", known.join(", "));
    }
    if let Some((before, _)) = said.split_once("relative URL without a base") {
        return format!("{before}the scheme is missing: a URL begins with https:// or http://, like https://host:port");
    }
    let kinds = ["invalid type: ", "invalid value: "];
    let Some(rest) = kinds.iter().find_map(|kind| said.strip_prefix(kind)) else { return said.into() };
    let Some((found, expected)) = rest.rsplit_once(", expected ") else { return said.into() };
    let (expected, more) = expected.split_once("; ").unwrap_or((expected, ""));
    let more = if more.is_empty() { String::new() } else { format!("; {more}") };
    format!("this is {}, and {} is wanted{more}", kind(found), wanted(expected))
}

/// What was found, of serde's `Unexpected`; never the value itself.
fn kind(found: &str) -> &'static str {
    match found {
        "map" => "a mapping (`key: value`)",
        "sequence" => "a list",
        "null" | "unit value" => "nothing",
        _ if found.starts_with("integer ") || found.starts_with("floating point ") => "a number",
        _ if found.starts_with("boolean ") => "a truth value",
        _ if found.starts_with("string ") => "a text",
        _ => "something else",
    }
}

/// What was wanted, of serde's `Expected`.
fn wanted(expected: &str) -> String {
    match expected {
        "a sequence" => "a list (`- ` before each item, or `[a, b]`)",
        "a string" | "string" | "borrowed string" | "path string" => "a text",
        "a boolean" => "true or false",
        "string or map" => "a word",
        "usize" | "u8" | "u16" | "u32" | "u64" | "nonzero usize" => "a whole number from 0 up",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a string representing an URL" => "a URL like https://host:port",
        rust if rust == "a map" || rust.starts_with("struct ") => "a mapping (`key: value`)",
        other => other,
    }
    .into()
}
