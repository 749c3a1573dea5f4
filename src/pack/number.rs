//! Numbers as bytes: a tag, then what it says. Whatever goes in comes out bit for bit.

use std::ops::Range;

use pco::{
    ChunkConfig, DeltaSpec, ModeSpec,
    standalone::{simple_compress, simple_decompress, simple_decompress_into},
};

use super::Damaged;

/// One value, all along: 8 bytes follow.
const CONSTANT: u8 = 0;
/// Floating point numbers as they are.
const FLOATS: u8 = 1;
/// Whole numbers.
const INTEGERS: u8 = 2;
/// Numbers of microseconds that were divided by a million: how this watchdog measures durations.
const MICROS: u8 = 3;
/// Few numbers, for which a header would cost more than it saves: 8 bytes each.
const PLAIN: u8 = 4;

/// Several parts of [`PAGE`] values, each packed by itself: its length (4 bytes) before each.
const PAGES: u8 = 5;

/// Values of a page: who needs one value of a day unpacks no more than this. Costs 7 % of the size.
const PAGE: usize = 512;
/// Below this, `pco`'s header costs more than it saves.
const FEW: usize = 6;
/// Whole numbers beyond this are not exact in a float.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
/// `pco` decodes in batches of this many.
const BATCH: usize = 256;

/// Packs values.
pub fn pack(values: &[f64]) -> Vec<u8> {
    let Some(first) = values.first().copied() else { return vec![CONSTANT; 9] };
    if values.iter().all(|v| v.to_bits() == first.to_bits()) {
        let mut out = vec![CONSTANT];
        out.extend_from_slice(&first.to_le_bytes());
        return out;
    }
    if values.len() > PAGE {
        return pages(values);
    }
    if values.len() < FEW {
        return plain(values);
    }
    if let Some(integers) = scaled(values, 1.0) {
        return compressed(INTEGERS, &integers, ModeSpec::Auto).unwrap_or_else(|| plain(values));
    }
    if let Some(micros) = scaled(values, 1e6) {
        return compressed(MICROS, &micros, ModeSpec::Classic).unwrap_or_else(|| plain(values));
    }
    compressed(FLOATS, values, ModeSpec::Auto).unwrap_or_else(|| plain(values))
}

fn pages(values: &[f64]) -> Vec<u8> {
    let mut out = vec![PAGES];
    for page in values.chunks(PAGE).map(pack) {
        out.extend_from_slice(&u32::try_from(page.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend(page);
    }
    out
}

/// One page, unpacked.
#[derive(Debug)]
pub struct Page {
    /// Which one.
    pub number: usize,
    /// Index of its first value.
    pub begin: usize,
    /// Its values.
    pub values: Vec<f64>,
}

/// Returns the page in which a part lies as a whole, where the bytes have pages.
pub fn single_page(bytes: &[u8], n: usize, part: &Range<usize>) -> Option<usize> {
    let paged = bytes.first() == Some(&PAGES) && part.end > part.start && part.end <= n;
    (paged && part.start / PAGE == (part.end - 1) / PAGE).then_some(part.start / PAGE)
}

/// Unpacks one page as a whole.
pub fn unpack_page(bytes: &[u8], n: usize, number: usize) -> Result<Page, Damaged> {
    let begin = number * PAGE;
    let mut values = Vec::with_capacity(PAGE);
    unpack_part(bytes, n, begin..(begin + PAGE).min(n), &mut values)?;
    Ok(Page { number, begin, values })
}

/// Unpacks the pages that a part touches.
fn unpack_pages(mut body: &[u8], n: usize, part: Range<usize>, out: &mut Vec<f64>) -> Result<(), Damaged> {
    let short = || Damaged("a page is cut off".into());
    let mut begin = 0;
    while begin < part.end {
        let (length, rest) = body.split_at_checked(4).ok_or_else(short)?;
        let length = u32::from_le_bytes(length.try_into().unwrap_or_default()) as usize;
        let (page, rest) = rest.split_at_checked(length).ok_or_else(short)?;
        let end = (begin + PAGE).min(n);
        // A page of pages is none that was written here.
        if end <= begin || page.first() == Some(&PAGES) {
            return Err(Damaged("more pages than values".into()));
        }
        if end > part.start {
            let (from, to) = (part.start.max(begin), part.end.min(end));
            unpack_part(page, end - begin, from - begin..to - begin, out)?;
        }
        (begin, body) = (end, rest);
    }
    Ok(())
}

fn plain(values: &[f64]) -> Vec<u8> {
    std::iter::once(PLAIN).chain(values.iter().flat_map(|v| v.to_le_bytes())).collect()
}

/// `None` where `pco` refuses, which it does only for configurations that are not used here.
fn compressed<T: pco::data_types::Number>(tag: u8, numbers: &[T], mode: ModeSpec) -> Option<Vec<u8>> {
    let config = ChunkConfig::default().with_mode_spec(mode).with_delta_spec(DeltaSpec::Auto);
    let packed = simple_compress(numbers, &config).ok()?;
    Some(std::iter::once(tag).chain(packed).collect())
}

/// The values times `scale` where all of them are whole and come back exactly.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // Checked: each comes back bit for bit.
fn scaled(values: &[f64], scale: f64) -> Option<Vec<i64>> {
    let whole = |v: &f64| {
        let n = (v * scale).round();
        let back = (n.abs() < EXACT_MAX).then(|| unscaled(n as i64, scale))?;
        (back.to_bits() == v.to_bits()).then_some(n as i64)
    };
    values.iter().map(whole).collect()
}

#[allow(clippy::cast_precision_loss)] // Below 2^53.
fn unscaled(n: i64, scale: f64) -> f64 {
    n as f64 / scale
}

/// Appends the values in `part` of `n` packed ones to `out`.
pub fn unpack_part(bytes: &[u8], n: usize, part: Range<usize>, out: &mut Vec<f64>) -> Result<(), Damaged> {
    let (tag, body) = bytes.split_first().ok_or_else(|| Damaged("no bytes".into()))?;
    match *tag {
        CONSTANT => {
            let value = body.try_into().map(f64::from_le_bytes).map_err(|_| Damaged("a constant's length".into()))?;
            out.resize(out.len() + part.len(), value);
        }
        PLAIN => {
            let bytes =
                body.get(part.start * 8..part.end * 8).ok_or_else(|| Damaged("fewer values than times".into()))?;
            out.extend(bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap_or_default())));
        }
        FLOATS => {
            let mut values = vec![0.0; room(n, part.end)];
            decompress(body, &mut values, part.end)?;
            out.extend_from_slice(&values[part]);
        }
        PAGES => unpack_pages(body, n, part, out)?,
        INTEGERS => unpack_scaled(body, n, part, 1.0, out)?,
        MICROS => unpack_scaled(body, n, part, 1e6, out)?,
        other => return Err(Damaged(format!("unknown tag {other}"))),
    }
    Ok(())
}

fn unpack_scaled(body: &[u8], n: usize, part: Range<usize>, scale: f64, out: &mut Vec<f64>) -> Result<(), Damaged> {
    let mut numbers = vec![0i64; room(n, part.end)];
    decompress(body, &mut numbers, part.end)?;
    out.extend(numbers[part].iter().map(|n| unscaled(*n, scale)));
    Ok(())
}

/// Numbers that have to be decoded for the first `end` of `n`.
fn room(n: usize, end: usize) -> usize {
    end.next_multiple_of(BATCH).min(n.max(end))
}

fn decompress<T: pco::data_types::Number>(body: &[u8], out: &mut [T], needed: usize) -> Result<(), Damaged> {
    let progress = simple_decompress_into(body, out).map_err(|e| Damaged(e.to_string()))?;
    if progress.n_processed < needed { Err(Damaged("fewer values than times".into())) } else { Ok(()) }
}

/// Returns the first time in 8 bytes, then `pco` of what each is later than it; nothing where there is but one.
pub fn pack_times(at_ms: &[i64]) -> Vec<u8> {
    let first = at_ms.first().copied().unwrap_or_default();
    let mut out = first.to_le_bytes().to_vec();
    if at_ms.len() > 1 {
        let later: Vec<i64> = at_ms.iter().map(|t| t - first).collect();
        let config = ChunkConfig::default().with_mode_spec(ModeSpec::Classic).with_delta_spec(DeltaSpec::Auto);
        // `pco` refuses only configurations that are not used here; no times would be read as damage, not as others.
        out.extend(simple_compress(&later, &config).unwrap_or_default());
    }
    out
}

/// See [`pack_times`].
pub fn unpack_times(bytes: &[u8]) -> Result<Vec<i64>, Damaged> {
    let (first, body) = bytes.split_at_checked(8).ok_or_else(|| Damaged("times without a beginning".into()))?;
    let first = i64::from_le_bytes(first.try_into().unwrap_or_default());
    if body.is_empty() {
        return Ok(vec![first]);
    }
    let mut times = simple_decompress::<i64>(body).map_err(|e| Damaged(e.to_string()))?;
    times.iter_mut().for_each(|t| *t = t.saturating_add(first));
    Ok(times)
}
