//! Texts of up to 1 MiB, made of a grammar's own fragments: in a heap, in a chain, nested.

use fastrand::Rng;

/// The longest that anything reads.
pub const MAX_BYTES: usize = 1 << 20;

/// Returns a text of these fragments.
pub fn soup(rng: &mut Rng, fragments: &[&str]) -> String {
    let bytes = match rng.u8(..10) {
        0..5 => rng.usize(1..400),
        5..8 => rng.usize(400..65_536),
        8 => rng.usize(65_536..300_000),
        _ => MAX_BYTES,
    };
    let pick = |rng: &mut Rng| fragments[rng.usize(..fragments.len())];
    let some = |rng: &mut Rng| (0..rng.usize(1..4)).map(|_| pick(rng)).collect::<String>();
    let mut text = match rng.u8(..4) {
        // A heap.
        0 => {
            let mut text = String::new();
            while text.len() < bytes {
                text.push_str(pick(rng));
            }
            text
        }
        // A chain.
        1 | 2 => {
            let (begin, unit, end) = (some(rng), some(rng), some(rng));
            format!("{begin}{}{end}", unit.repeat(bytes / unit.len().max(1)))
        }
        // Nested.
        _ => {
            let (open, middle, close) = (some(rng), some(rng), some(rng));
            let times = bytes / (open.len() + close.len()).max(1);
            format!("{}{middle}{}", open.repeat(times), close.repeat(times))
        }
    };
    let mut end = text.len().min(MAX_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
