//! How changes lie in the history: lines of JSON, `[milliseconds, key, change]`, many of them packed into a block. A change
//! is a merge patch onto what the object was (onto nothing, where it was not), `null` where it has gone. A whole picture is a
//! block too, of all objects as they stood at one moment.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::change;

/// The longest line that is read: no kept object comes near.
const LINE_MAX: u64 = 8 << 20;

/// One line.
#[derive(Debug, Deserialize)]
pub struct Line<'a>(
    /// When, Unix milliseconds.
    pub i64,
    /// The object's key.
    #[serde(borrow)]
    pub Cow<'a, str>,
    /// The change.
    #[serde(borrow)]
    pub &'a RawValue,
);

/// Adds a line; `None`: it has gone.
pub fn write(into: &mut Vec<u8>, at_ms: i64, key: &str, change: Option<&str>) {
    // Writing to memory does not fail.
    let _ = write!(into, "[{at_ms},{},{}]", Value::String(key.to_owned()), change.unwrap_or("null"));
    into.push(b'\n');
}

/// Packs lines.
///
/// # Errors
/// When memory could not be written, which does not happen.
pub fn pack(lines: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
    packer.write_all(lines)?;
    packer.finish()
}

/// Hands out the lines of a block, one by one; returns how many bytes they have.
///
/// # Errors
/// When the block is damaged; the lines before that have been handed out.
pub fn lines(block: &[u8], mut each: impl FnMut(Line<'_>)) -> std::io::Result<u64> {
    let mut reader = BufReader::new(ZlibDecoder::new(block));
    let (mut line, mut bytes) = (Vec::new(), 0);
    loop {
        line.clear();
        let read = reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(bytes);
        }
        bytes += read as u64;
        each(serde_json::from_slice(&line)?);
    }
}

/// All objects of a kind at a moment, each as the JSON of its fields.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// By key.
    pub objects: BTreeMap<String, Box<str>>,
    /// Bytes of the lines that it was made from.
    pub bytes: u64,
    /// Blocks that could not be read to their end.
    pub damaged: u64,
}

impl Picture {
    /// Adds what a block tells up to a moment.
    pub fn add(&mut self, block: &[u8], until_ms: i64) {
        let objects = &mut self.objects;
        let read = lines(block, |Line(at_ms, key, change)| {
            if at_ms <= until_ms {
                put(objects, &key, change.get());
            }
        });
        match read {
            Ok(bytes) => self.bytes += bytes,
            Err(_) => self.damaged += 1,
        }
    }

    /// Returns the fields of an object.
    pub fn fields(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap_or_default()
    }
}

fn put(objects: &mut BTreeMap<String, Box<str>>, key: &str, change: &str) {
    if change == "null" {
        objects.remove(key);
        return;
    }
    match objects.get_mut(key) {
        None => drop(objects.insert(key.to_owned(), change.into())),
        Some(text) => {
            let mut fields = Picture::fields(text);
            change::apply(&mut fields, Picture::fields(change));
            *text = Value::Object(fields).to_string().into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_tells_what_was_at_each_moment() {
        let mut text = Vec::new();
        write(&mut text, 10, "shop/api", Some(r#"{"a":1,"b":{"c":"x"}}"#));
        write(&mut text, 20, "shop/api", Some(r#"{"b":{"c":"y"}}"#));
        write(&mut text, 30, "shop/\"odd\"", Some("{}"));
        write(&mut text, 40, "shop/api", None);
        let block = pack(&text).unwrap();
        let at = |ms| {
            let mut picture = Picture::default();
            picture.add(&block, ms);
            assert_eq!((picture.bytes, picture.damaged), (text.len() as u64, 0));
            picture.objects.into_iter().map(|(k, v)| (k, v.to_string())).collect::<Vec<_>>()
        };
        assert_eq!(at(5), []);
        assert_eq!(at(15), [("shop/api".to_owned(), r#"{"a":1,"b":{"c":"x"}}"#.to_owned())]);
        assert_eq!(at(20)[0].1, r#"{"a":1,"b":{"c":"y"}}"#);
        assert_eq!(at(99), [("shop/\"odd\"".to_owned(), "{}".to_owned())]);
    }

    #[test]
    fn a_damaged_block_is_counted_and_hides_no_other() {
        let mut text = Vec::new();
        write(&mut text, 1, "a", Some("{}"));
        let block = pack(&text).unwrap();
        let mut picture = Picture::default();
        picture.add(&block[..block.len() / 2], 9);
        picture.add(b"nonsense", 9);
        picture.add(&block, 9);
        assert_eq!((picture.objects.len(), picture.damaged), (1, 2));
    }
}
