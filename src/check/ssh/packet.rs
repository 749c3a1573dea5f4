//! Packets and texts of SSH's transport, before anything is enciphered (RFC 4253, section 6; RFC 4251, section 5).

use crate::{
    check::wire::Wire,
    dial::Place,
    model::{Failure, Reason},
};

/// The largest packet that must be understood (RFC 4253, section 6.1), and some.
const PACKET_MAX: usize = 64 << 10;
/// Packets that may come before the one that is waited for.
const OTHERS_MAX: usize = 20;
/// Packets are a multiple of this.
const BLOCK: usize = 8;
const DISCONNECT: u8 = 1;
const IGNORE: u8 = 2;
const DEBUG: u8 = 4;

/// Writes what a message is made of.
#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    /// Begins a message of a type.
    pub(super) fn of(kind: u8) -> Self {
        Self(vec![kind])
    }

    /// Adds a `string`.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.0.extend(bytes);
    }

    /// Adds an `mpint` that is not negative.
    pub(super) fn number(&mut self, bytes: &[u8]) {
        let start = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
        let digits = bytes.get(start..).unwrap_or_default();
        let sign: &[u8] = if digits.first().is_some_and(|b| b & 0x80 != 0) { &[0] } else { &[] };
        self.bytes(&[sign, digits].concat());
    }
}

/// Reads what a message is made of.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// Begins behind the type of a message.
    pub(super) fn after_type(message: &'a [u8]) -> Self {
        Self(message.get(1..).unwrap_or_default())
    }

    /// Leaves bytes out.
    pub(super) fn skip(&mut self, n: usize) {
        self.0 = self.0.get(n..).unwrap_or_default();
    }

    /// Reads one byte.
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// Reads a `string`.
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let (bytes, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        self.0 = rest;
        Some(bytes)
    }
}

/// Takes leave: "by application".
pub(super) fn disconnect() -> Vec<u8> {
    let mut message = Writer::of(DISCONNECT);
    message.0.extend(11_u32.to_be_bytes());
    message.bytes(b"checked");
    message.bytes(b"");
    message.0
}

/// Sends a message.
pub(super) async fn send(wire: &mut Wire, message: &[u8]) -> Result<(), Failure> {
    // At least four bytes of padding.
    let padding = BLOCK - (message.len() + 5) % BLOCK;
    let padding = if padding < 4 { padding + BLOCK } else { padding };
    let length = u32::try_from(message.len() + padding + 1).unwrap_or(u32::MAX);
    let head = [&length.to_be_bytes()[..], &[u8::try_from(padding).unwrap_or(u8::MAX)]].concat();
    wire.send(&[&head, message, &vec![0; padding]].concat()).await
}

/// Waits for a message of a type; what may always come is left out.
pub(super) async fn receive(wire: &mut Wire, kind: u8, place: &Place) -> Result<Vec<u8>, Failure> {
    let wrong = |words: String| Err(Failure::new(Reason::Answer, words));
    for _ in 0..OTHERS_MAX {
        let head = wire.bytes(5).await?;
        let length = head.first_chunk::<4>().map_or(0, |length| u32::from_be_bytes(*length) as usize);
        let padding = usize::from(head.last().copied().unwrap_or_default());
        if length > PACKET_MAX || length < padding + 2 {
            return wrong(format!("{place} sends a packet that SSH has not ({length} bytes)"));
        }
        let mut message = wire.bytes(length - 1).await?;
        message.truncate(length - 1 - padding);
        match message.first() {
            Some(found) if *found == kind => return Ok(message),
            Some(&DISCONNECT) => {
                let mut read = Reader::after_type(&message);
                read.skip(4);
                let why = String::from_utf8_lossy(read.bytes().unwrap_or_default()).into_owned();
                return wrong(format!("{place} ends the key exchange: {why}"));
            }
            Some(&(IGNORE..=DEBUG)) => {}
            other => return wrong(format!("{place} says message {}, should say {kind}", other.unwrap_or(&0))),
        }
    }
    wrong(format!("{place} says everything but what SSH asks for"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_are_those_of_rfc_4251() {
        let number = |bytes: &[u8]| {
            let mut writer = Writer::default();
            writer.number(bytes);
            writer.0
        };
        assert_eq!(number(&[0, 0]), [0, 0, 0, 0]);
        assert_eq!(number(&[0, 0x80]), [0, 0, 0, 2, 0, 0x80]);
        assert_eq!(number(&[9, 0xa3]), [0, 0, 0, 2, 9, 0xa3]);
        let mut reader = Reader(&[0, 0, 0, 1, 7, 0, 0, 0, 9, 1]);
        assert_eq!(reader.bytes(), Some(&[7][..]));
        assert_eq!(reader.bytes(), None, "it says that it is longer than it is");
    }
}
