//! What literals spell: numbers, durations and strings, as Go reads them.

/// Units of durations in the order in which they have to come, in milliseconds.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];
/// Go's durations are nanoseconds in 64 bits.
const LONGEST_MS: u64 = i64::MAX as u64 / 1_000_000;

/// Reads a number: Go's integers with their prefixes first, then floating point.
pub fn number(written: &str) -> Result<f64, String> {
    let wrong = || format!("error parsing number: strconv.ParseFloat: parsing {written:?}: invalid syntax");
    match written.to_ascii_lowercase().as_str() {
        "inf" => return Ok(f64::INFINITY),
        "nan" => return Ok(f64::NAN),
        _ => {}
    }
    if written.contains('_') && !separates_digits(written) {
        return Err(wrong());
    }
    let plain = written.replace('_', "");
    if let Some(hex) = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
        // What is no 64-bit integer is no floating point number without an exponent either.
        return i64::from_str_radix(hex, 16).map(|n| n as f64).map_err(|_| wrong());
    }
    let is_octal = plain.len() > 1 && plain.starts_with('0') && plain.bytes().all(|b| (b'0'..=b'7').contains(&b));
    if let Some(octal) = i64::from_str_radix(&plain, 8).ok().filter(|_| is_octal) {
        return Ok(octal as f64);
    }
    match plain.parse::<f64>() {
        Ok(number) if number.is_infinite() => {
            Err(format!("error parsing number: strconv.ParseFloat: parsing {written:?}: value out of range"))
        }
        Ok(number) => Ok(number),
        Err(_) => Err(wrong()),
    }
}

/// Each underscore stands between two digits, or after the prefix.
fn separates_digits(written: &str) -> bool {
    let bytes = written.as_bytes();
    let hex = written.len() > 2 && matches!(bytes[1], b'x' | b'X');
    let digit = |at: usize| bytes.get(at).is_some_and(|b| if hex { b.is_ascii_hexdigit() } else { b.is_ascii_digit() });
    let fits = |at: usize| at > 0 && (digit(at - 1) || hex && at == 2) && digit(at + 1);
    bytes.iter().enumerate().all(|(at, b)| *b != b'_' || fits(at))
}

/// Reads `1h30m` to milliseconds.
pub fn duration_ms(written: &str) -> Result<i64, String> {
    let wrong = || format!("not a valid duration string: {written:?}");
    if written == "0" {
        return Ok(0);
    }
    let (mut rest, mut units, mut total) = (written, &UNITS[..], 0u64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 0).ok_or_else(wrong)?;
        let unit = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        let place = units.iter().position(|(name, _)| *name == &rest[digits..unit]).ok_or_else(wrong)?;
        let count: u64 = rest[..digits].parse().map_err(|_| "duration out of range")?;
        let more = count.checked_mul(units[place].1).and_then(|ms| ms.checked_add(total));
        total = more.filter(|ms| *ms <= LONGEST_MS).ok_or("duration out of range")?;
        (rest, units) = (&rest[unit..], &units[place + 1..]);
    }
    i64::try_from(total).map_err(|_| "duration out of range".into())
}

/// Writes a duration as Prometheus does: whole years, weeks and days only where they are all.
pub fn shown_duration(ms: i64) -> String {
    let mut left = ms.unsigned_abs();
    if left == 0 {
        return "0s".into();
    }
    let mut out = String::new();
    for (unit, size) in UNITS {
        let exact = matches!(unit, "y" | "w" | "d");
        // `1y`, `2w`, `3d`: of what is not whole, only the days.
        if exact && unit != "d" && !left.is_multiple_of(size) {
            continue;
        }
        if left >= size {
            out.push_str(&format!("{}{unit}", left / size));
            left %= size;
        }
    }
    if ms < 0 { format!("-{out}") } else { out }
}

/// Returns what a string spells, whose escapes the lexer has checked. Bytes that are no UTF-8 become U+FFFD, which no
/// label's name may hold.
pub fn unquoted(written: &str) -> String {
    let inner = written.get(1..written.len().saturating_sub(1)).unwrap_or_default();
    if written.starts_with('`') || !inner.contains('\\') {
        return inner.into();
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    let push = |bytes: &mut Vec<u8>, c: char| bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    while let Some(c) = chars.next() {
        if c != '\\' {
            push(&mut bytes, c);
            continue;
        }
        let escape = chars.next().unwrap_or('\\');
        let digits = |count: usize, chars: &mut std::str::Chars<'_>| {
            let digits: String = chars.take(count).collect();
            digits
        };
        match escape {
            'a' => bytes.push(7),
            'b' => bytes.push(8),
            'f' => bytes.push(12),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'v' => bytes.push(11),
            '0'..='7' => {
                let octal = format!("{escape}{}", digits(2, &mut chars));
                bytes.push(u8::from_str_radix(&octal, 8).unwrap_or_default());
            }
            'x' => bytes.push(u8::from_str_radix(&digits(2, &mut chars), 16).unwrap_or_default()),
            'u' | 'U' => {
                let count = if escape == 'u' { 4 } else { 8 };
                let code = u32::from_str_radix(&digits(count, &mut chars), 16).unwrap_or_default();
                push(&mut bytes, char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            c => push(&mut bytes, c),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
