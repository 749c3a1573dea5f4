//! As much of BER as LDAP is made of: a tag, a length, bytes. Pure.

/// Writes elements.
#[derive(Clone, Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    /// Adds an element.
    pub(super) fn bytes(&mut self, tag: u8, bytes: &[u8]) {
        self.0.push(tag);
        match u8::try_from(bytes.len()) {
            Ok(n @ 0..=0x7f) => self.0.push(n),
            _ => {
                self.0.push(0x84);
                self.0.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
            }
        }
        self.0.extend(bytes);
    }

    /// Adds a number that is not negative.
    pub(super) fn number(&mut self, tag: u8, n: u32) {
        let bytes = [&[0][..], &n.to_be_bytes()].concat();
        let start = bytes.windows(2).position(|pair| pair[0] != 0 || pair[1] & 0x80 != 0).unwrap_or(bytes.len() - 1);
        self.bytes(tag, bytes.get(start..).unwrap_or_default());
    }
}

/// Reads elements.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Reader<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (tag, first) = (*self.0.first()?, *self.0.get(1)?);
        let wide = if first & 0x80 == 0 { 0 } else { usize::from(first & 0x7f) };
        let length = match wide {
            0 => usize::from(first),
            1..=4 => self.0.get(2..2 + wide)?.iter().fold(0, |n, byte| n << 8 | usize::from(*byte)),
            _ => return None,
        };
        let start = 2 + wide;
        let bytes = self.0.get(start..start.checked_add(length)?)?;
        self.0 = self.0.get(start + length..)?;
        Some((tag, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::default();
        writer.number(2, 0);
        writer.number(2, 127);
        writer.number(2, 128);
        writer.number(2, 1_000);
        writer.bytes(4, &[7; 300]);
        let read: Vec<_> = Reader(&writer.0).map(|(tag, bytes)| (tag, bytes.to_vec())).collect();
        let expected = [(2, vec![0]), (2, vec![127]), (2, vec![0, 128]), (2, vec![3, 0xe8]), (4, vec![7; 300])];
        assert_eq!(read, expected);
        for odd in [&[4][..], &[4, 5, 1], &[4, 0x80], &[4, 0x85, 0, 0, 0, 0, 1], &[4, 0x84, 0xff, 0xff, 0xff, 0xff]] {
            assert_eq!(Reader(odd).filter(|(_, bytes)| !bytes.is_empty()).count(), 0, "{odd:?}");
        }
    }
}
