//! The body of an answer as it was before it was packed. Balancers compress what nobody asked them to compress, and
//! everything behind `dial` reads plain bytes.
//!
//! Never unpacks more than the asker wanted to read, however little was sent. Codings are those of RFC 9110, section 8.4.1.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header::CONTENT_ENCODING};

use super::Answer;
use crate::model::{Failure, Reason};

/// Packed more often than this, nobody means it.
const CODINGS_MAX: usize = 2;

/// A coding that can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
}

/// Returns the answer with its body unpacked, at most `max_bytes` of it; a longer one is cut.
///
/// # Errors
/// A failure of reason `body`, where it is packed as nobody asked for and we can't undo, or is not what it says.
pub(super) async fn answer(mut answer: Answer, max_bytes: usize) -> Result<Answer, Failure> {
    let codings = codings(&answer.headers)?;
    if codings.is_empty() || answer.body.is_empty() {
        return Ok(answer);
    }
    answer.headers.remove(CONTENT_ENCODING);
    // Little may become much: not on a thread that other probes wait for.
    let unpacking = tokio::task::spawn_blocking(move || {
        for coding in codings.into_iter().rev() {
            (answer.body, answer.cut) = unpack(coding, &answer.body, max_bytes, answer.cut)?;
        }
        Ok(answer)
    });
    unpacking.await.unwrap_or_else(|_| Err(body("unpacking its answer was interrupted".into())))
}

fn body(message: String) -> Failure {
    Failure::new(Reason::Body, message)
}

/// In the order in which they were applied.
fn codings(headers: &HeaderMap) -> Result<Vec<Coding>, Failure> {
    let mut found = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        let value = String::from_utf8_lossy(value.as_bytes());
        for name in value.split(',').map(|name| name.trim().to_ascii_lowercase()) {
            match name.as_str() {
                "" | "identity" => {}
                "gzip" | "x-gzip" => found.push(Coding::Gzip),
                "deflate" => found.push(Coding::Deflate),
                other => return Err(body(format!("its answer is packed as “{other}”, which nobody asked for"))),
            }
        }
    }
    if found.len() > CODINGS_MAX {
        return Err(body(format!("its answer is packed {} times over", found.len())));
    }
    Ok(found)
}

/// The plain bytes, and whether there are more of them.
fn unpack(coding: Coding, packed: &[u8], max_bytes: usize, cut: bool) -> Result<(Bytes, bool), Failure> {
    // One byte more than wanted tells that there is more; a bomb is not unpacked any further.
    let limit = max_bytes as u64 + 1;
    let mut plain = Vec::new();
    let read = match coding {
        Coding::Gzip => MultiGzDecoder::new(packed).take(limit).read_to_end(&mut plain),
        // Meant is zlib's format; servers that send bare deflate were always understood.
        Coding::Deflate => match ZlibDecoder::new(packed).take(limit).read_to_end(&mut plain) {
            Err(_) if plain.is_empty() => DeflateDecoder::new(packed).take(limit).read_to_end(&mut plain),
            read => read,
        },
    };
    if let Err(error) = read
        && !cut
    {
        let name = if coding == Coding::Gzip { "gzip" } else { "deflate" };
        return Err(body(format!("its answer says that it is {name}, but can't be unpacked: {error}")));
    }
    let more = plain.len() > max_bytes;
    plain.truncate(max_bytes);
    Ok((plain.into(), cut || more))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };
    use http::HeaderValue;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(text: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    async fn unpacked(encoding: &'static str, body: Vec<u8>, cut: bool) -> Result<(String, bool), String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        let packed = Answer { status: 200, headers, body: body.into(), cut };
        let plain = answer(packed, 1000).await.map_err(|f| f.message)?;
        Ok((String::from_utf8(plain.body.to_vec()).unwrap(), plain.cut))
    }

    #[tokio::test]
    async fn what_came_packed_is_unpacked() {
        let ok = || Ok(("ok".to_owned(), false));
        assert_eq!(unpacked("identity", b"ok".to_vec(), false).await, ok());
        assert_eq!(unpacked("gzip", gzip(b"ok"), false).await, ok());
        assert_eq!(unpacked("X-GZip", gzip(b"ok"), false).await, ok());
        assert_eq!(unpacked("gzip", [gzip(b"o"), gzip(b"k")].concat(), false).await, ok());
        assert_eq!(unpacked("deflate", zlib(b"ok"), false).await, ok());
        assert_eq!(unpacked("deflate", deflate(b"ok"), false).await, ok());
        assert_eq!(unpacked("deflate, gzip", gzip(&zlib(b"ok")), false).await, ok());
        assert_eq!(unpacked("gzip", Vec::new(), false).await, Ok((String::new(), false)));
    }

    #[tokio::test]
    async fn a_bomb_is_cut_at_the_limit() {
        let bomb = gzip(&vec![b'a'; 1 << 20]);
        assert!(bomb.len() < 2000);
        assert_eq!(unpacked("gzip", bomb, false).await, Ok(("a".repeat(1000), true)));
        let twice = gzip(&gzip(&vec![b'a'; 1 << 20]));
        let (text, cut) = unpacked("gzip, gzip", twice, false).await.unwrap();
        assert!(text.len() <= 1000 && cut);
    }

    #[tokio::test]
    async fn what_was_cut_is_unpacked_so_far() {
        let noise: String = (0..400).map(|n: u32| char::from(b'a' + (n.wrapping_mul(n) % 23) as u8)).collect();
        let mut half = gzip(noise.as_bytes());
        half.truncate(half.len() / 2);
        let (text, cut) = unpacked("gzip", half.clone(), true).await.unwrap();
        assert!(cut && noise.starts_with(&text));
        assert!(unpacked("gzip", half, false).await.unwrap_err().contains("can't be unpacked"));
    }

    #[tokio::test]
    async fn what_can_not_be_unpacked_is_told() {
        let told = "its answer says that it is gzip, but can't be unpacked: invalid gzip header";
        assert_eq!(unpacked("gzip", b"[+]ping ok and more\n".to_vec(), false).await, Err(told.into()));
        let told = "its answer is packed as “br”, which nobody asked for";
        assert_eq!(unpacked("br", vec![1, 2], false).await, Err(told.into()));
        let told = "its answer is packed 3 times over";
        assert_eq!(unpacked("gzip, gzip, gzip", vec![1, 2], false).await, Err(told.into()));
    }
}
