//! The first object of a pack (gitformat-pack): of a commit or a tag, its time. Pure.

use std::io::Read;

use flate2::read::ZlibDecoder;

use super::pkt;

/// A commit's head is far shorter; what follows is its message.
const HEAD_MAX: u64 = 64 << 10;
/// Types of objects.
const COMMIT: u8 = 1;
const TAG: u8 = 4;
/// Signature, version and number of objects.
const HEADER: usize = 12;

/// Returns the Unix time of the first commit or tag in an answer; `None` where it is not (yet) there.
pub(super) fn time_of(answer: &[u8]) -> Option<i64> {
    let pack = pkt::pack(answer)?;
    let mut rest = pack.get(HEADER..)?;
    let (first, after) = rest.split_first()?;
    let kind = (first >> 4) & 7;
    let mut goes_on = first & 0x80 != 0;
    rest = after;
    // The rest of the size, seven bits a byte; zlib knows where its data ends.
    while goes_on {
        let (byte, after) = rest.split_first()?;
        goes_on = byte & 0x80 != 0;
        rest = after;
    }
    let who = match kind {
        COMMIT => "committer ",
        TAG => "tagger ",
        _ => return None,
    };
    let mut head = Vec::new();
    // What is cut off gives an error after what could be read.
    let _ = ZlibDecoder::new(rest).take(HEAD_MAX).read_to_end(&mut head);
    let text = String::from_utf8_lossy(&head);
    // A line that is cut off is none.
    let text = text.get(..text.rfind('\n')?)?;
    let line = text.lines().take_while(|line| !line.is_empty()).find_map(|line| line.strip_prefix(who))?;
    // `Ada <ada@example.org> 1700000000 +0100`
    line.rsplit_once('>')?.1.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    fn pack(kind: u8, content: &str) -> Vec<u8> {
        let mut out = [pkt::line(b"NAK\n"), b"PACK\0\0\0\x02\0\0\0\x01".to_vec()].concat();
        let size = u8::try_from(content.len() & 0x0f).unwrap();
        out.extend([0x80 | (kind << 4) | size, u8::try_from(content.len() >> 4).unwrap()]);
        let mut zlib = ZlibEncoder::new(out, Compression::default());
        zlib.write_all(content.as_bytes()).unwrap();
        zlib.finish().unwrap()
    }

    #[test]
    fn a_commits_time() {
        let text = "tree 0123\nauthor A <a> 5 +0000\ncommitter A <a> 1700000000 +0100\n\ncommitter x <x> 1 +0\n";
        let whole = pack(COMMIT, text);
        assert_eq!(time_of(&whole), Some(1_700_000_000));
        assert_eq!(time_of(&pack(TAG, "object 1\ntagger A <a> 17 +0000\n\n")), Some(17));
        assert_eq!(time_of(&pack(3, "blob")), None);
        assert_eq!(time_of(&pack(COMMIT, "tree 0123\n\ncommitter x <x> 1 +0\n")), None);
        // However it is cut, nothing panics.
        for n in 0..whole.len() {
            assert!(time_of(&whole[..n]).is_none_or(|at| at == 1_700_000_000), "{n}");
        }
    }
}
