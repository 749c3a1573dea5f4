//! A scrape's body as text: unpacked where the server packed it, and never longer than the limit.

use std::{borrow::Cow, io::Read};

use flate2::read::MultiGzDecoder;

use crate::dial::Answer;

/// Both formats are read; text first, since every component has it. Weights as in RFC 9110, section 12.4.2.
pub const ACCEPT: &str = "text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0;q=0.5, */*;q=0.1";

/// The body, unpacked.
///
/// # Errors
/// In words, where it is packed otherwise than asked for, is no gzip, or is longer than `max_bytes` unpacked.
pub fn plain(answer: &Answer, max_bytes: usize) -> Result<Cow<'_, [u8]>, String> {
    match answer.headers.get(http::header::CONTENT_ENCODING).map(http::HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(Cow::Borrowed(&answer.body)),
        Some(b"gzip") => {
            let mut unpacked = Vec::new();
            // One byte more than the limit tells that there is more; a bomb is not unpacked any further.
            let mut reader = MultiGzDecoder::new(&answer.body[..]).take(max_bytes as u64 + 1);
            reader.read_to_end(&mut unpacked).map_err(|e| format!("its gzip can't be unpacked: {e}"))?;
            if unpacked.len() > max_bytes {
                return Err(too_long(max_bytes));
            }
            Ok(Cow::Owned(unpacked))
        }
        Some(other) => Err(format!("it is packed as {:?}, not as gzip", String::from_utf8_lossy(other))),
    }
}

/// Says that there is more than `scrape.max_bytes` allows.
pub fn too_long(max_bytes: usize) -> String {
    format!("the answer is longer than {max_bytes} bytes (scrape.max_bytes)")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use bytes::Bytes;
    use flate2::{Compression, write::GzEncoder};
    use http::{HeaderMap, HeaderValue, header::CONTENT_ENCODING};

    use super::*;

    fn answer(encoding: Option<&'static str>, body: Vec<u8>) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(encoding) = encoding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        Answer { status: 200, headers, body: Bytes::from(body), cut: false }
    }

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_came_packed_is_unpacked() {
        assert_eq!(plain(&answer(None, b"a 1".to_vec()), 10).unwrap(), &b"a 1"[..]);
        assert_eq!(plain(&answer(Some("gzip"), packed(b"a 1")), 3).unwrap(), &b"a 1"[..]);
        let members = [packed(b"a 1\n"), packed(b"b 2\n")].concat();
        assert_eq!(plain(&answer(Some("gzip"), members), 10).unwrap(), &b"a 1\nb 2\n"[..]);
    }

    #[test]
    fn what_grows_beyond_the_limit_is_refused() {
        let bomb = packed(&vec![b'a'; 1 << 20]);
        assert!(bomb.len() < 2000);
        assert_eq!(plain(&answer(Some("gzip"), bomb), 1000).unwrap_err(), too_long(1000));
    }

    #[test]
    fn what_is_no_gzip_is_told() {
        let mut broken = packed(b"a 1");
        broken.truncate(12);
        assert!(plain(&answer(Some("gzip"), broken), 10).unwrap_err().starts_with("its gzip can't be unpacked: "));
        let br = plain(&answer(Some("br"), Vec::new()), 10).unwrap_err();
        assert_eq!(br, "it is packed as \"br\", not as gzip");
    }
}
