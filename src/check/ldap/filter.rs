//! Filters as people write them, `(&(objectClass=person)(uid=a*))`, to what is sent (RFC 4515). Pure.

use super::ber::Writer;

/// The longest filter.
const LENGTH_MAX: usize = 4096;
/// Filters within filters.
const DEPTH_MAX: usize = 16;

/// Reads a filter; gives its bytes.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(text: &str) -> Result<Vec<u8>, String> {
    let text = text.trim();
    if text.len() > LENGTH_MAX {
        return Err(format!("is longer than {LENGTH_MAX} bytes"));
    }
    let whole = if text.starts_with('(') { text.to_owned() } else { format!("({text})") };
    let mut rest = whole.as_str();
    let bytes = one(&mut rest, 0)?;
    if rest.is_empty() { Ok(bytes) } else { Err(format!("after the filter comes {rest:?}, where it should end")) }
}

fn one(rest: &mut &str, depth: usize) -> Result<Vec<u8>, String> {
    let wrong = || "this is no filter: write it like (&(objectClass=person)(uid=anna))".to_owned();
    if depth > DEPTH_MAX {
        return Err(format!("has more than {DEPTH_MAX} filters within filters"));
    }
    *rest = rest.strip_prefix('(').ok_or_else(wrong)?;
    let tag = match rest.chars().next() {
        Some('&') => Some(0xa0),
        Some('|') => Some(0xa1),
        Some('!') => Some(0xa2),
        _ => None,
    };
    let mut writer = Writer::default();
    let Some(tag) = tag else {
        let (text, after) = rest.split_once(')').ok_or_else(wrong)?;
        *rest = after;
        return item(text).ok_or_else(wrong);
    };
    *rest = rest.get(1..).unwrap_or_default();
    let mut all = Vec::new();
    let mut count = 0;
    while rest.starts_with('(') {
        all.extend(one(rest, depth + 1)?);
        count += 1;
    }
    *rest = rest.strip_prefix(')').ok_or_else(wrong)?;
    if count == 0 || (tag == 0xa2 && count != 1) {
        return Err(wrong());
    }
    writer.bytes(tag, &all);
    Ok(writer.0)
}

/// `attribute=value`, with `*` for anything; also `>=`, `<=` and `~=`.
fn item(text: &str) -> Option<Vec<u8>> {
    let (left, value) = text.split_once('=')?;
    let (name, tag) = match left.chars().last()? {
        '>' => (left.get(..left.len() - 1)?, 0xa5),
        '<' => (left.get(..left.len() - 1)?, 0xa6),
        '~' => (left.get(..left.len() - 1)?, 0xa8),
        _ => (left, 0xa3),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ';');
    if name.is_empty() || !name.chars().all(is_name) {
        return None;
    }
    let mut writer = Writer::default();
    if tag == 0xa3 && value == "*" {
        writer.bytes(0x87, name.as_bytes());
        return Some(writer.0);
    }
    let mut inner = Writer::default();
    inner.bytes(0x04, name.as_bytes());
    if tag == 0xa3 && value.contains('*') {
        let parts: Vec<&str> = value.split('*').collect();
        let mut pieces = Writer::default();
        for (i, part) in parts.iter().enumerate().filter(|(_, part)| !part.is_empty()) {
            let place = if i == 0 {
                0x80
            } else if i + 1 == parts.len() {
                0x82
            } else {
                0x81
            };
            pieces.bytes(place, &unescaped(part)?);
        }
        inner.bytes(0x30, &pieces.0);
        writer.bytes(0xa4, &inner.0);
    } else {
        inner.bytes(0x04, &unescaped(value)?);
        writer.bytes(tag, &inner.0);
    }
    Some(writer.0)
}

/// `\2a` is a `*`.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'\\' {
            let digits = [bytes.next()?, bytes.next()?];
            all.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            all.push(byte);
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_what_ldapsearch_sends() {
        let check = |text: &str, expected: &[u8]| assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        check("(uid=a)", b"\xa3\x08\x04\x03uid\x04\x01a");
        check("uid=a", b"\xa3\x08\x04\x03uid\x04\x01a");
        check("(uid=*)", b"\x87\x03uid");
        check("(uid=a\\2ab)", b"\xa3\x0a\x04\x03uid\x04\x03a*b");
        check("(uid=a*b*c)", b"\xa4\x10\x04\x03uid\x30\x09\x80\x01a\x81\x01b\x82\x01c");
        check("(n>=5)", b"\xa5\x06\x04\x01n\x04\x015");
        check("(!(uid=*))", b"\xa2\x05\x87\x03uid");
        check("(&(a=*)(|(b=*)(c=*)))", b"\xa0\x0b\x87\x01a\xa1\x06\x87\x01b\x87\x01c");
        for odd in ["", "()", "(uid)", "(uid=a", "(&)", "(!(a=*)(b=*))", "(uid=a)x", "(uid=\\2)", "(u d=a)", "(=a)"] {
            assert!(read(odd).is_err(), "{odd}");
        }
        assert!(read(&format!("{}(a=*){}", "(!".repeat(900), ")".repeat(900))).is_err());
    }
}
