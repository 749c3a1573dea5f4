//! The writer's batch as bytes: how samples rest in the file until they are packed.
//!
//! For each sample: the series' id and the time in milliseconds, both as the difference to the one before (zigzag, LEB128),
//! then the value's 8 bytes, so that every NaN comes back as it went.

/// Holds one sample: `(series, Unix milliseconds, value)`.
pub type Row = (i64, i64, f64);

/// Encodes a batch.
pub fn encode(rows: &[Row]) -> Vec<u8> {
    let mut out = Vec::with_capacity(rows.len() * 11);
    let mut before = (0i64, 0i64);
    for (series, at_ms, value) in rows {
        put(&mut out, series.wrapping_sub(before.0));
        put(&mut out, at_ms.wrapping_sub(before.1));
        out.extend_from_slice(&value.to_bits().to_le_bytes());
        before = (*series, *at_ms);
    }
    out
}

/// Decodes a batch. What can't be read ends it: the rows before that are good.
pub fn decode(mut bytes: &[u8]) -> Vec<Row> {
    let mut rows = Vec::with_capacity(bytes.len() / 10);
    let mut before = (0i64, 0i64);
    while !bytes.is_empty() {
        let Some((series, rest)) = take(bytes) else { break };
        let Some((at_ms, rest)) = take(rest) else { break };
        let Some((value, rest)) = rest.split_first_chunk::<8>() else { break };
        before = (before.0.wrapping_add(series), before.1.wrapping_add(at_ms));
        rows.push((before.0, before.1, f64::from_bits(u64::from_le_bytes(*value))));
        bytes = rest;
    }
    rows
}

fn put(out: &mut Vec<u8>, n: i64) {
    let mut n = ((n << 1) ^ (n >> 63)).cast_unsigned();
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn take(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let mut n = 0u64;
    for (i, byte) in bytes.iter().enumerate().take(10) {
        n |= u64::from(byte & 0x7f).checked_shl(7 * u32::try_from(i).ok()?)?;
        if byte & 0x80 == 0 {
            return Some(((n >> 1).cast_signed() ^ -((n & 1).cast_signed()), &bytes[i + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_batch_comes_back(rows in prop::collection::vec((any::<i64>(), any::<i64>(), any::<u64>()), 0..50), cut in 0usize..900) {
            let rows: Vec<Row> = rows.into_iter().map(|(s, t, v)| (s, t, f64::from_bits(v))).collect();
            let bytes = encode(&rows);
            let bits = |rows: &[Row]| rows.iter().map(|(s, t, v)| (*s, *t, v.to_bits())).collect::<Vec<_>>();
            prop_assert_eq!(bits(&decode(&bytes)), bits(&rows));
            let part = decode(&bytes[..cut.min(bytes.len())]);
            prop_assert_eq!(bits(&part), bits(&rows[..part.len()]), "a torn batch gives its beginning");
        }
    }
}
