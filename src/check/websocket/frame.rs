//! Frames of a WebSocket (RFC 6455, section 5): ours are masked, as a client's must be; theirs are joined to messages.

use crate::{
    check::wire::Wire,
    model::{Failure, Reason},
};

/// The longest message that is read.
const MESSAGE_MAX: usize = 256 << 10;
/// Frames of one message, with pings between.
const FRAMES_MAX: usize = 1_000;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Opcode {
    /// More of the message before.
    More = 0,
    /// A text.
    Text = 1,
    /// Bytes.
    Binary = 2,
    /// The end.
    Close = 8,
    /// Asks whether we live.
    Ping = 9,
    /// Says that it lives.
    Pong = 10,
}

impl Opcode {
    fn of(bits: u8) -> Option<Self> {
        let all = [Self::More, Self::Text, Self::Binary, Self::Close, Self::Ping, Self::Pong];
        all.into_iter().find(|opcode| *opcode as u8 == bits)
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Frame {
    is_last: bool,
    opcode: Opcode,
    payload: Vec<u8>,
}

impl Frame {
    /// Returns the bytes of a whole message from us.
    pub(super) fn masked(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        let mask = fastrand::u32(..).to_be_bytes();
        let mut bytes = vec![0x80 | opcode as u8];
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(n @ 0..=125), _) => bytes.push(0x80 | n),
            (_, Ok(n)) => {
                bytes.push(0x80 | 126);
                bytes.extend(n.to_be_bytes());
            }
            _ => {
                bytes.push(0x80 | 127);
                bytes.extend((payload.len() as u64).to_be_bytes());
            }
        }
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    async fn read(wire: &mut Wire) -> Result<Self, Failure> {
        let head = wire.bytes(2).await?;
        let (first, second) = (head.first().copied().unwrap_or(0), head.get(1).copied().unwrap_or(0));
        // Servers mask nothing, and extensions that use the reserved bits were not asked for.
        let opcode = Opcode::of(first & 0x0f).filter(|_| first & 0x70 == 0 && second & 0x80 == 0);
        let opcode = opcode.ok_or_else(|| wire.odd("WebSocket"))?;
        let mut length = usize::from(second & 0x7f);
        if length >= 126 {
            let wide = wire.bytes(if length == 126 { 2 } else { 8 }).await?;
            length = wide.iter().fold(0_usize, |n, byte| n.saturating_mul(256).saturating_add(usize::from(*byte)));
        }
        if length > MESSAGE_MAX {
            return Err(Failure::new(
                Reason::Answer,
                format!("a message of {length} bytes came: too long for a check"),
            ));
        }
        let payload = wire.bytes(length).await?;
        Ok(Self { is_last: first & 0x80 != 0, opcode, payload })
    }
}

/// Reads one message; pings are answered meanwhile.
///
/// # Errors
/// Why none comes.
pub(super) async fn message(wire: &mut Wire) -> Result<String, Failure> {
    let mut message = Vec::new();
    for _ in 0..FRAMES_MAX {
        let frame = Frame::read(wire).await?;
        match frame.opcode {
            Opcode::Ping => wire.send(&Frame::masked(Opcode::Pong, &frame.payload)).await?,
            Opcode::Pong => {}
            Opcode::Close => {
                let code = frame.payload.first_chunk::<2>().map_or(1005, |code| u16::from_be_bytes(*code));
                let why = String::from_utf8_lossy(frame.payload.get(2..).unwrap_or_default()).into_owned();
                let words = format!("it closes the WebSocket in place of a message: {code} {why}");
                return Err(Failure::new(Reason::Answer, words.trim_end()));
            }
            Opcode::More | Opcode::Text | Opcode::Binary => {
                message.extend(frame.payload);
                if message.len() > MESSAGE_MAX {
                    break;
                }
                if frame.is_last {
                    return Ok(String::from_utf8_lossy(&message).into_owned());
                }
            }
        }
    }
    Err(Failure::new(Reason::Answer, "a message came that does not end: too long for a check"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_send_is_masked_and_says_its_length() {
        let unmasked = |payload: &[u8], head: usize| {
            let bytes = Frame::masked(Opcode::Text, payload);
            assert_eq!(bytes[0], 0x81);
            assert!(bytes[1] & 0x80 != 0);
            let mask = &bytes[head..head + 4];
            let seen: Vec<u8> = bytes[head + 4..].iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m).collect();
            assert_eq!(seen, payload);
            bytes[1..head].to_vec()
        };
        assert_eq!(unmasked(b"ping", 2), [0x84]);
        assert_eq!(unmasked(&[1; 126], 4), [0xfe, 0, 126]);
        assert_eq!(unmasked(&[1; 65_536], 10), [0xff, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
